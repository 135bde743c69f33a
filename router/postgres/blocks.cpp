#include "router/postgres/blocks.hpp"

#include <algorithm>

namespace ringway::router::postgres {

namespace {

/// Clauses of a SELECT that are not read as conditions, but may hold subqueries.
constexpr std::string_view other_clauses[] = {"targetList",   "groupClause", "havingClause",
                                              "windowClause", "valuesLists", "sortClause",
                                              "limitOffset",  "limitCount",  "distinctClause"};

/// The tables whose columns a FROM item shows.
void visible_tables(const query_block& block, std::size_t from_table, std::size_t from_child,
                    std::vector<table_ref>& out) {
    for (auto i = from_table; i < block.tables.size(); ++i) out.push_back(block.tables[i]);
    for (auto i = from_child; i < block.children.size(); ++i)
        if (block.children[i].joined) visible_tables(block.children[i], 0, 0, out);
}

/// Forgets conditions, from the given counts on, that name a column without its table.
void drop_unqualified(query_block& block, std::size_t tests, std::size_t equalities, std::size_t comparisons) {
    const auto comparison_begin = block.comparisons.begin() + static_cast<std::ptrdiff_t>(comparisons);
    block.comparisons.erase(std::remove_if(comparison_begin, block.comparisons.end(),
                                           [](const comparison& c) { return c.column.table.empty(); }),
                            block.comparisons.end());
    const auto test_begin = block.tests.begin() + static_cast<std::ptrdiff_t>(tests);
    block.tests.erase(
        std::remove_if(test_begin, block.tests.end(), [](const key_test& t) { return t.column.table.empty(); }),
        block.tests.end());
    const auto equality_begin = block.equalities.begin() + static_cast<std::ptrdiff_t>(equalities);
    const auto vague = [](const column_equality& e) { return e.left.table.empty() || e.right.table.empty(); };
    block.equalities.erase(std::remove_if(equality_begin, block.equalities.end(), vague), block.equalities.end());
}

column_ref column_in(const table_ref& table, std::string column) {
    if (!table.alias.empty()) return {table.alias, std::move(column), {}};
    return {table.name, std::move(column), table.schema};
}

}  // namespace

std::optional<column_ref> column_of(node expression) {
    const auto fields = expression["ColumnRef"]["fields"];
    const auto count = fields.size();
    if (count == 0 || count > 3) return std::nullopt;
    for (const auto field : fields)
        if (!field["String"]) return std::nullopt;
    auto names = names_of(fields);
    column_ref out;
    out.column = std::move(names.back());
    if (count > 1) out.table = std::move(names[count - 2]);
    if (count > 2) out.schema = std::move(names[0]);
    return out;
}

bool is_star(node expression) {
    const auto ends = [](node names) {
        bool out = false;
        for (const auto each : names) out = static_cast<bool>(each["A_Star"]);
        return out;
    };
    return ends(expression["ColumnRef"]["fields"]) || ends(expression["A_Indirection"]["indirection"]);
}

std::optional<std::vector<node>> in_places(node list, std::size_t count) {
    std::vector<node> out;
    std::size_t stars = 0, star = 0;
    for (const auto each : list) {
        if (is_star(each)) {
            ++stars;
            star = out.size();
        }
        out.push_back(each);
    }
    if (stars == 0) return out;
    if (stars > 1 || count == 0 || out.size() > count + 1) return std::nullopt;
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(star));
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(star), count - out.size(), node());
    return out;
}

node part_of(node multi_assign) {
    const auto parts = in_places(multi_assign["source"]["RowExpr"]["args"],
                                 static_cast<std::size_t>(multi_assign["ncolumns"].number(0)));
    const auto at = static_cast<std::size_t>(multi_assign["colno"].number(1) - 1);
    return parts && at < parts->size() ? (*parts)[at] : node();
}

table_ref table_of(node range_var, bool written) {
    return {range_var["schemaname"].text(), range_var["relname"].text(), range_var["alias"]["aliasname"].text(),
            written};
}

query_block block_builder::of_query(node query) {
    const level here(*this);
    if (too_deep_) return {};
    const auto inner = query.first();
    const auto kind = inner.key();
    const auto scope = ctes_.size();
    query_block out;
    if (kind == "SelectStmt")
        out = of_select(inner);
    else if (kind == "InsertStmt")
        out = of_insert(inner);
    else if (kind == "UpdateStmt")
        out = of_update(inner);
    else if (kind == "DeleteStmt")
        out = of_delete(inner);
    else if (kind == "MergeStmt")
        out = of_merge(inner);
    else
        out.exact = false;
    ctes_.resize(scope);
    return out;
}

query_block block_builder::of_select(node select) {
    const auto scope = ctes_.size();
    query_block out;
    add_ctes(select["withClause"], out);
    add_branches(select, out);
    add_from_list(select["fromClause"], out);
    add_condition(select["whereClause"], out);
    for (const auto clause : other_clauses) add_subqueries(select[clause], out);
    ctes_.resize(scope);
    return out;
}

/// Set operations nest to the left, by the thousand: gone down without recursion.
void block_builder::add_branches(node select, query_block& block) {
    while (select["op"].word() != "SETOP_NONE") {
        block.children.push_back(of_branch(select["rarg"]));
        const auto left = select["larg"];
        if (left["withClause"] || left["op"].word() == "SETOP_NONE") {
            block.children.push_back(of_branch(left));
            return;
        }
        for (const auto clause : other_clauses) add_subqueries(left[clause], block);
        select = left;
    }
}

query_block block_builder::of_branch(node select) {
    const level here(*this);
    return too_deep_ ? query_block{} : of_select(select);
}

void block_builder::add_ctes(node with, query_block& block) {
    const bool recursive = with["recursive"].is_true();
    if (recursive)
        for (const auto cte : with["ctes"]) ctes_.push_back(cte["CommonTableExpr"]["ctename"].text());
    for (const auto cte : with["ctes"]) {
        const auto inner = cte["CommonTableExpr"];
        auto child = of_query(inner["ctequery"]);
        child.sees_parent = false;
        block.children.push_back(std::move(child));
        if (!recursive) ctes_.push_back(inner["ctename"].text());
    }
}

bool block_builder::is_cte(std::string_view name) const {
    return std::find(ctes_.begin(), ctes_.end(), name) != ctes_.end();
}

/// In the condition of a join that joins all there is, an unqualified name can only mean what the whole level sees.
void block_builder::add_from_list(node list, query_block& block) {
    const bool alone = list.size() == 1;
    for (const auto item : list) {
        if (alone && item["JoinExpr"])
            add_join(item["JoinExpr"], block, true);
        else
            add_from(item, block);
    }
}

void block_builder::add_from(node item, query_block& block) {
    const auto kind = item.first().key();
    const auto inner = item.first();
    if (kind == "RangeVar") {
        add_table(inner, block);
    } else if (kind == "JoinExpr") {
        add_join(inner, block, false);
    } else if (kind == "RangeTableSample") {
        add_from(inner["relation"], block);
        add_subqueries(inner["args"], block);
    } else {
        add_derived(item, block);
    }
}

void block_builder::add_table(node range_var, query_block& block) {
    auto table = table_of(range_var);
    if (table.schema.empty() && is_cte(table.name)) {
        block.derived.push_back(table.alias.empty() ? table.name : table.alias);
        return;
    }
    if (range_var["alias"]["colnames"]) block.exact = false;  // the columns go by other names
    block.tables.push_back(std::move(table));
}

/// Subqueries, functions, XMLTABLE: rows whose columns are not a table's.
void block_builder::add_derived(node item, query_block& block) {
    const auto inner = item.first();
    block.derived.push_back(inner["alias"]["aliasname"].text());
    if (inner.key() != "RangeSubselect") {
        add_subqueries(inner, block);
        return;
    }
    auto child = of_query(inner["subquery"]);
    child.sees_parent = inner["lateral"].is_true();
    block.children.push_back(std::move(child));
}

/// An inner join's conditions hold for every row; an outer join's bind its nullable side only, which becomes a block of
/// its own.
void block_builder::add_join(node join, query_block& block, bool outermost) {
    const level here(*this);
    if (too_deep_) return;
    const auto type = join["jointype"].word();
    const bool left_nullable = type == "JOIN_RIGHT" || type == "JOIN_FULL";
    const bool right_nullable = type == "JOIN_LEFT" || type == "JOIN_FULL";
    if (join["alias"]) block.exact = false;  // hides and may rename what it joins
    block.renamed |= static_cast<bool>(join["alias"]["colnames"]);
    if (join["join_using_alias"]) block.derived.push_back(join["join_using_alias"]["aliasname"].text());

    const auto add_side = [this, &block](node side, bool nullable) -> std::vector<table_ref> {
        const auto tables = block.tables.size();
        const auto children = block.children.size();
        if (nullable) {
            query_block inner;
            inner.joined = true;
            add_from(side, inner);
            for (const auto& name : inner.derived) block.derived.push_back(name);
            block.children.push_back(std::move(inner));
        } else {
            add_from(side, block);
        }
        std::vector<table_ref> shown;
        visible_tables(block, tables, children, shown);
        return shown;
    };
    // The preserved side first: the other's conditions refer to it.
    const bool right_first = type == "JOIN_RIGHT";
    const auto first = add_side(join[right_first ? "rarg" : "larg"], right_first ? false : left_nullable);
    const auto second = add_side(join[right_first ? "larg" : "rarg"], right_first ? left_nullable : right_nullable);

    if (type == "JOIN_FULL") {
        add_subqueries(join["quals"], block);
        return;
    }
    auto& bound = left_nullable || right_nullable ? block.children.back() : block;
    const auto tests = bound.tests.size();
    const auto equalities = bound.equalities.size(), comparisons = bound.comparisons.size();
    add_condition(join["quals"], bound);
    if (!outermost) drop_unqualified(bound, tests, equalities, comparisons);
    add_using(join["usingClause"], first, second, bound);
}

/// Exactly one table of each side has the column, or the server reports an error; naming all of them ties no others.
void block_builder::add_using(node names, const std::vector<table_ref>& left, const std::vector<table_ref>& right,
                              query_block& block) {
    for (const auto name : names) {
        const auto column = name["String"]["sval"].text();
        for (const auto& a : left)
            for (const auto& b : right) block.equalities.push_back({column_in(a, column), column_in(b, column)});
    }
}

void block_builder::add_condition(node expression, query_block& block) {
    const level here(*this);
    if (too_deep_) return;
    const auto inner = expression.first();
    const auto kind = inner.key();
    if (kind == "BoolExpr" && inner["boolop"].word() == "AND_EXPR") {
        for (const auto each : inner["args"]) add_condition(each, block);
    } else if (kind == "BoolExpr" && inner["boolop"].word() == "OR_EXPR") {
        add_alternatives(inner["args"], block);
    } else {
        if (kind == "A_Expr") add_comparison(inner, block);
        if (kind == "NullTest")
            if (auto column = column_of(inner["arg"]))
                block.comparisons.push_back({inner["nulltesttype"].word() == "IS_NULL" ? comparison::kind::is_null
                                                                                       : comparison::kind::is_not_null,
                                             std::move(*column),
                                             {}});
        if (kind == "CurrentOfExpr") block.exact = false;  // the cursor's row is on the cursor's shard
        const auto before = block.children.size();
        add_subqueries(expression, block);
        if (kind == "SubLink" && block.children.size() == before + 1) tie_in(inner, block);
    }
}

/// a = 1 OR a = 2 is a IN (1, 2): a column tested in every branch has one of all their values.
void block_builder::add_alternatives(node alternatives, query_block& block) {
    std::vector<query_block> branches;
    for (const auto each : alternatives) {
        add_condition(each, branches.emplace_back());
        auto& children = branches.back().children;
        std::move(children.begin(), children.end(), std::back_inserter(block.children));
    }
    for (const auto& test : branches.front().tests) {
        key_test merged{test.column, {}};
        const bool everywhere = std::all_of(branches.begin(), branches.end(), [&](const query_block& branch) {
            const auto found = std::find_if(branch.tests.begin(), branch.tests.end(),
                                            [&](const key_test& t) { return t.column == test.column; });
            if (found == branch.tests.end()) return false;
            merged.values.insert(merged.values.end(), found->values.begin(), found->values.end());
            return true;
        });
        if (everywhere) block.tests.push_back(std::move(merged));
    }
}

void block_builder::add_comparison(node a_expr, query_block& block) {
    if (plain_operator(a_expr) != "=") return add_range(a_expr, block);
    const auto kind = a_expr["kind"].word();
    const auto left = a_expr["lexpr"], right = a_expr["rexpr"];
    if (kind == "AEXPR_OP") {
        add_equality(left, right, block);
    } else if (kind == "AEXPR_IN") {
        add_in(left, right["List"]["items"], block);
    } else if (kind == "AEXPR_OP_ANY") {
        const auto column = column_of(left);
        auto values = column ? values_.array_of(right) : std::vector<value_source>{};
        if (!values.empty()) block.tests.push_back({*column, std::move(values)});
    }
}

/// column < value, value < column, column BETWEEN a AND b, column LIKE value: of literals and parameters only.
void block_builder::add_range(node a_expr, query_block& block) {
    using test = comparison::kind;
    const auto add = [&](test how, node column, node value) {
        auto found = column_of(column);
        if (!found || !(value["A_Const"] || value["ParamRef"])) return;
        auto source = values_.source_of(value);
        const bool plain = source.what == value_source::from::literal || source.what == value_source::from::parameter;
        if (plain && !source.array) block.comparisons.push_back({how, std::move(*found), std::move(source)});
    };
    const auto kind = a_expr["kind"].word();
    const auto name = plain_operator(a_expr);
    const auto left = a_expr["lexpr"], right = a_expr["rexpr"];
    if (kind == "AEXPR_BETWEEN") {
        const auto low = right["List"]["items"].first();
        add(test::at_least, left, low);
        add(test::at_most, left, low.next());
    } else if (kind == "AEXPR_LIKE") {
        if (name == "~~") add(test::like, left, right);
    } else if (kind == "AEXPR_OP") {
        struct known {
            std::string_view name;
            test how, turned;
        };
        static constexpr known all[] = {{"<", test::less, test::greater},
                                        {"<=", test::at_most, test::at_least},
                                        {">", test::greater, test::less},
                                        {">=", test::at_least, test::at_most},
                                        {"<>", test::differs, test::differs}};
        for (const auto& each : all) {
            if (each.name != name) continue;
            add(each.how, left, right);
            add(each.turned, right, left);
        }
    }
}

void block_builder::add_equality(node left, node right, query_block& block) {
    if (left["RowExpr"] && right["RowExpr"]) {
        auto a = in_places(left["RowExpr"]["args"], 0), b = in_places(right["RowExpr"]["args"], 0);
        if (a && !b) b = in_places(right["RowExpr"]["args"], a->size());
        if (b && !a) a = in_places(left["RowExpr"]["args"], b->size());
        if (!a || !b || a->size() != b->size()) return;
        for (std::size_t i = 0; i < a->size(); ++i) add_equality((*a)[i], (*b)[i], block);
        return;
    }
    auto left_column = column_of(left), right_column = column_of(right);
    if (left_column && right_column) {
        block.equalities.push_back({std::move(*left_column), std::move(*right_column)});
    } else if (left_column || right_column) {
        auto value = values_.source_of(left_column ? right : left);
        if (value.what == value_source::from::unknown || value.array) return;
        // With transform_null_equals it is IS NULL. (A write by a NULL key is refused.)
        const bool only_written = block.tables.size() == 1 && block.tables.front().written;
        if ((left_column ? right : left)["A_Const"]["isnull"].is_true() && !only_written) return;
        block.tests.push_back({std::move(left_column ? *left_column : *right_column), {std::move(value)}});
    }
}

/// column IN (values), (column, ...) IN ((value, ...), ...).
void block_builder::add_in(node left, node list, query_block& block) {
    std::vector<node> columns;
    if (const auto row = left["RowExpr"])
        columns = in_places(row["args"], 0).value_or(std::vector<node>());
    else
        columns.push_back(left);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        auto column = column_of(columns[i]);
        if (!column) continue;
        key_test test{std::move(*column), {}};
        bool known = true;
        for (const auto item : list) {
            auto value = item;
            if (left["RowExpr"]) {
                const auto args = in_places(item["RowExpr"]["args"], columns.size());
                known &= args && args->size() == columns.size();
                value = known ? (*args)[i] : node();
            }
            auto source = values_.source_of(value);
            known &= source.what != value_source::from::unknown && !source.array;
            test.values.push_back(std::move(source));
        }
        if (known && !test.values.empty()) block.tests.push_back(std::move(test));
    }
}

/// column IN (SELECT column FROM ...) as a condition: the last child of `block`, of whose rows only those count whose
/// column is equal, as if its own condition said so. (Not so behind NOT: a NULL anywhere counts there.)
void block_builder::tie_in(node sublink, query_block& block) {
    const auto select = sublink["subselect"]["SelectStmt"];
    const auto operators = sublink["operName"];
    const bool equals = !operators || (operators.size() == 1 && operators.first()["String"]["sval"].text() == "=");
    if (sublink["subLinkType"].word() != "ANY_SUBLINK" || !equals || select["op"].word() != "SETOP_NONE" ||
        select["targetList"].size() != 1)
        return;
    for (const auto clause : {"withClause", "valuesLists", "distinctClause", "limitCount", "limitOffset"})
        if (select[clause]) return;
    auto own = column_of(select["targetList"].first()["ResTarget"]["val"]), other = column_of(sublink["testexpr"]);
    if (!own || !other) return;
    bool whole_groups = !select["havingClause"] && !select["groupClause"];
    for (const auto group : select["groupClause"]) whole_groups |= column_of(group) == own;
    if (!whole_groups) return;
    auto& child = block.children.back();
    const auto joined = [](const query_block& each) { return each.joined; };
    if (other->table.empty()) {
        const bool clear = block.tables.size() == 1 && block.derived.empty() && !block.joined &&
                           std::none_of(block.children.begin(), block.children.end(), joined);
        if (!clear) return;
        other = column_in(block.tables.front(), std::move(other->column));
    }
    std::vector<table_ref> shown;
    visible_tables(child, 0, 0, shown);
    const bool hidden = std::find(child.derived.begin(), child.derived.end(), other->table) != child.derived.end() ||
                        std::any_of(shown.begin(), shown.end(), [&](const table_ref& each) {
                            return (each.alias.empty() ? each.name : each.alias) == other->table;
                        });
    if (!hidden) child.equalities.push_back({std::move(*other), std::move(*own)});
}

void block_builder::add_subqueries(node within, query_block& block) {
    within.visit([this, &block](node at) {
        if (at.key() != "SubLink" || at.kind() != node_kind::object) return true;
        block.children.push_back(of_query(at["subselect"]));
        add_subqueries(at["testexpr"], block);
        return false;
    });
}

}  // namespace ringway::router::postgres
