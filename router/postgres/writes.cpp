// Blocks of statements that change rows.

#include <algorithm>

#include "router/postgres/blocks.hpp"

namespace ringway::router::postgres {

query_block block_builder::of_insert(node insert) {
    query_block out;
    add_ctes(insert["withClause"], out);
    insert_rows made;
    made.table = table_of(insert["relation"], true);
    out.tables.push_back(made.table);
    for (const auto column : insert["cols"]) made.columns.push_back(column["ResTarget"]["name"].text());

    const auto source = insert["selectStmt"]["SelectStmt"];
    if (!source) {
        made.rows.emplace_back();  // DEFAULT VALUES
    } else if (source["valuesLists"] && !source["withClause"] && !source["limitCount"] && !source["limitOffset"] &&
               !source["sortClause"]) {
        add_rows(source["valuesLists"], made, out);
    } else {
        made.from_select = true;
        auto child = of_query(insert["selectStmt"]);
        child.sees_parent = false;
        out.children.insert(out.children.begin(), std::move(child));
        add_outputs(source, made);
    }
    if (insert["override"].word() == "OVERRIDING_USER_VALUE") {  // an identity column takes what its sequence gives
        for (auto& row : made.rows) std::fill(row.begin(), row.end(), value_source{});
        made.outputs.clear();
    }
    const auto conflict = insert["onConflictClause"];
    made.on_conflict = static_cast<bool>(conflict);
    add_assignments(conflict["targetList"], out);
    add_subqueries(conflict["whereClause"], out);
    add_subqueries(insert["returningList"], out);
    out.returning = static_cast<bool>(insert["returningList"]);
    out.insert = std::move(made);
    return out;
}

void block_builder::add_rows(node lists, insert_rows& insert, query_block& block) {
    bool certain = true, has_default = false;
    for (const auto list : lists) {
        auto& row = insert.rows.emplace_back();
        const auto items = in_places(list["List"]["items"], insert.columns.size());
        certain &= items.has_value();
        for (const auto item : items.value_or(std::vector<node>())) {
            row.push_back(values_.source_of(item));
            if (item["SetToDefault"]) row.back().constant = "default";
        }
        for (const auto item : list["List"]["items"]) has_default |= static_cast<bool>(item["SetToDefault"]);
    }
    // Whatever number of values a star stands for: one row of unknowns with constant "*" stands for all rows. A DEFAULT
    // is then of no column that is listed.
    if (!certain) {
        value_source any;
        any.constant = "*";
        insert.rows.assign(1, std::vector<value_source>(std::max<std::size_t>(1, insert.columns.size()), any));
        if (has_default) insert.rows.front().emplace_back().constant = "default";
    }
    add_subqueries(lists, block);
}

void block_builder::add_outputs(node select, insert_rows& insert) {
    if (select["op"].word() != "SETOP_NONE" || select["valuesLists"]) return;
    for (const auto group : select["groupClause"])
        if (group["GroupingSet"]) return;  // what is grouped by is NULL in some rows
    for (const auto target : select["targetList"]) {
        const auto value = target["ResTarget"]["val"];
        if (is_star(value)) {
            insert.outputs.clear();
            return;
        }
        insert.outputs.push_back({values_.source_of(value), column_of(value)});
    }
}

void block_builder::add_assignments(node targets, query_block& block) {
    for (const auto target : targets) {
        const auto inner = target["ResTarget"];
        auto value = inner["val"];
        assignment made;
        made.column.column = inner["name"].text();
        if (const auto several = value["MultiAssignRef"]) {  // (a, b) = (1, 2)
            if (several["colno"].number(1) == 1) add_subqueries(several["source"], block);
            value = part_of(several);
        } else {
            add_subqueries(value, block);
        }
        made.value = values_.source_of(value);
        made.from = column_of(value);
        if (inner["indirection"]) made.value = {};  // a part of the column
        block.assignments.push_back(std::move(made));
    }
}

query_block block_builder::of_update(node update) {
    query_block out;
    add_ctes(update["withClause"], out);
    out.tables.push_back(table_of(update["relation"], true));
    for (const auto item : update["fromClause"]) add_from(item, out);
    add_condition(update["whereClause"], out);
    add_assignments(update["targetList"], out);
    add_subqueries(update["returningList"], out);
    out.returning = static_cast<bool>(update["returningList"]);
    return out;
}

query_block block_builder::of_delete(node statement) {
    query_block out;
    add_ctes(statement["withClause"], out);
    out.tables.push_back(table_of(statement["relation"], true));
    for (const auto item : statement["usingClause"]) add_from(item, out);
    add_condition(statement["whereClause"], out);
    add_subqueries(statement["returningList"], out);
    out.returning = static_cast<bool>(statement["returningList"]);
    return out;
}

}  // namespace ringway::router::postgres
