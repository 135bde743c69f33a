// Blocks of MERGE, as statements that touch the same rows: rows that match are those of an inner join, changed; rows
// that match nothing are inserted as by INSERT ... SELECT FROM source LEFT JOIN target.

#include <algorithm>

#include "router/postgres/blocks.hpp"

namespace ringway::router::postgres {

namespace {

/// Columns of what stands in the text are the values that stand there.
void put_values(query_block& block, const std::vector<source_column>& known) {
    const auto find = [&](const column_ref& ref) {
        return std::find_if(known.begin(), known.end(), [&](const source_column& each) {
            return ref.schema.empty() && ref.table == each.table && ref.column == each.name;
        });
    };
    for (const auto& each : block.equalities) {
        const auto left = find(each.left), right = find(each.right);
        if ((left == known.end()) == (right == known.end())) continue;
        const bool from_left = left != known.end();
        block.tests.push_back({from_left ? each.right : each.left, (from_left ? left : right)->values});
    }
}

}  // namespace

/// Of (VALUES (1, 'a'), (2, 'b')) v (id, name), or (SELECT 1 AS id, 'a' AS name) v.
std::vector<source_column> block_builder::columns_of_source(node source) {
    std::vector<source_column> out;
    const auto inner = source["RangeSubselect"];
    const auto select = inner["subquery"]["SelectStmt"];
    const auto name = inner["alias"]["aliasname"].text();
    if (!select || name.empty() || select["withClause"] || select["fromClause"] ||
        select["op"].word() != "SETOP_NONE" || select["sortClause"] || select["limitCount"] || select["limitOffset"] ||
        select["groupClause"])
        return out;
    std::size_t place = 0;
    const auto name_at = [&](std::size_t at, const std::string& otherwise) {
        auto given = inner["alias"]["colnames"].first();
        for (std::size_t i = 0; given && i < at; ++i) given = given.next();
        return given ? given["String"]["sval"].text() : otherwise;
    };
    if (!select["valuesLists"]) {
        for (const auto target : select["targetList"]) {
            const auto column = target["ResTarget"];
            if (column["val"]["ColumnRef"] || is_star(column["val"])) return {};
            out.push_back({name, name_at(place++, column["name"].text()), {values_.source_of(column["val"])}});
        }
    }
    for (const auto list : select["valuesLists"]) {
        place = 0;
        for (const auto item : list["List"]["items"]) {
            if (is_star(item)) return {};
            if (place == out.size()) out.push_back({name, name_at(place, "column" + std::to_string(place + 1)), {}});
            out[place++].values.push_back(values_.source_of(item));
        }
    }
    std::erase_if(out, [](const source_column& each) {
        return each.name.empty() || std::any_of(each.values.begin(), each.values.end(), [](const value_source& value) {
                   return value.what == value_source::from::unknown || value.array;
               });
    });
    return out;
}

query_block block_builder::of_matched(node merge, const std::vector<source_column>& known) {
    query_block out;
    out.sees_parent = false;
    out.tables.push_back(table_of(merge["relation"], true));
    add_from(merge["sourceRelation"], out);
    add_condition(merge["joinCondition"], out);
    put_values(out, known);
    add_subqueries(merge["mergeWhenClauses"], out);
    for (const auto each : merge["mergeWhenClauses"]) {
        const auto clause = each["MergeWhenClause"];
        if (clause["commandType"].word() == "CMD_UPDATE") add_assignments(clause["targetList"], out);
    }
    return out;
}

query_block block_builder::of_not_matched(node merge, node clause, const std::vector<source_column>& known) {
    query_block source, target;
    source.sees_parent = false;
    add_from(merge["sourceRelation"], source);
    target.joined = true;
    target.tables.push_back(table_of(merge["relation"], true));
    add_condition(merge["joinCondition"], target);
    put_values(target, known);
    source.children.push_back(std::move(target));

    insert_rows made;
    made.table = table_of(merge["relation"], true);
    made.from_select = true;
    for (const auto column : clause["targetList"]) made.columns.push_back(column["ResTarget"]["name"].text());
    std::size_t rows = 0;
    for (const auto& each : known) rows = std::max(rows, each.values.size());
    std::vector<std::vector<value_source>> given(rows);
    const auto values = in_places(clause["values"], made.columns.size());
    for (const auto value : values.value_or(std::vector<node>())) {
        insert_output output{values_.source_of(value), column_of(value)};
        if (value["SetToDefault"]) output.value.constant = "default";
        const auto found = std::find_if(known.begin(), known.end(), [&](const source_column& each) {
            return output.from && output.from->table == each.table && output.from->column == each.name;
        });
        for (std::size_t i = 0; i < rows; ++i)
            given[i].push_back(found == known.end() ? output.value : found->values[i]);
        made.outputs.push_back(std::move(output));
    }
    if (clause["override"].word() == "OVERRIDING_USER_VALUE" || !values) made.outputs.clear(), rows = 0;
    query_block out;
    out.sees_parent = false;
    out.tables.push_back(made.table);
    out.tables.front().alias.clear();
    if (rows > 0) {
        made.from_select = false;
        made.rows = std::move(given);
    }
    out.insert = std::move(made);
    out.children.push_back(std::move(source));
    return out;
}

/// Each part is a block of its own; of the whole only they count.
query_block block_builder::of_merge(node merge) {
    query_block out;
    add_ctes(merge["withClause"], out);
    for (const auto each : merge["withClause"]["ctes"])
        out.derived.push_back(each["CommonTableExpr"]["ctename"].text());
    const auto known = columns_of_source(merge["sourceRelation"]);
    out.children.push_back(of_matched(merge, known));
    for (const auto each : merge["mergeWhenClauses"]) {
        const auto clause = each["MergeWhenClause"];
        out.exact &= clause["matchKind"].word().find("BY_SOURCE") == std::string_view::npos;
        if (clause["commandType"].word() == "CMD_INSERT") out.children.push_back(of_not_matched(merge, clause, known));
    }
    return out;
}

}  // namespace ringway::router::postgres
