// FROM: tables, joins, derived tables.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

namespace {

/// No server joins more.
constexpr int most_nullable = 100;
constexpr std::size_t most_tables = 1000;

/// The tables whose columns a piece of FROM shows.
void visible_tables(const query_block& block, std::vector<table_ref>& out) {
    out.insert(out.end(), block.tables.begin(), block.tables.end());
    for (const auto& child : block.children)
        if (child.joined) visible_tables(child, out);
}

/// Forgets conditions, from the given counts on, that name a column without its table.
void drop_unqualified(query_block& block, std::size_t tests, std::size_t equalities) {
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

template <class T>
void append(std::vector<T>& from, std::vector<T>& into) {
    into.insert(into.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void parser::merge(query_block from, query_block& into) {
    append(from.tables, into.tables);
    append(from.derived, into.derived);
    append(from.tests, into.tests);
    append(from.equalities, into.equalities);
    append(from.children, into.children);
    into.exact &= from.exact;
}

void parser::from_clause(query_block& block) {
    if (accept("dual")) return;
    do {
        auto found = table_reference();
        if (found.bare_query) fail("the name of a derived table");
        merge(std::move(found.block), block);
    } while (accept_symbol(","));
}

/// A join of tables. An ON belongs to the last join that has none yet.
parser::joined_tables parser::table_reference() {
    const level here(*this);
    struct pending {
        std::string_view type;
        bool natural = false;
        joined_tables right;
    };
    auto left = table_factor();
    std::vector<pending> open;
    const auto top = [&]() -> joined_tables& { return open.empty() ? left : open.back().right; };
    while (!failed_) {
        pending next;
        next.natural = is("natural");
        const std::size_t ahead = next.natural ? 1 : 0;
        if (is_one({"left", "right"}, ahead) && (is("join", ahead + 1) || is("outer", ahead + 1))) {
            next.type = is("left", ahead) ? "left" : "right";
            at_ += ahead + 1;
            accept("outer");
            expect("join");
        } else if (is_one({"inner", "cross"}, ahead) && is("join", ahead + 1)) {
            at_ += ahead + 2;
        } else if (is("join", ahead) || (is("straight_join") && !next.natural)) {
            at_ += ahead + 1;
        } else if (!open.empty() && is_one({"on", "using"}) && !(is("duplicate", 1) && is("key", 2))) {
            auto joined = std::move(open.back());
            open.pop_back();
            auto& before = top();
            before = join(std::move(before), joined.type, std::move(joined.right), true);
            continue;
        } else {
            break;
        }
        next.right = table_factor();
        if (next.natural) {
            auto& before = top();
            before = join(std::move(before), next.type, std::move(next.right), false);
            before.block.exact = false;  // its columns are only known to the server
            continue;
        }
        open.push_back(std::move(next));
    }
    if (open.empty()) return left;
    for (auto& each : open) {
        if (each.right.right_join) left.block.exact = false;  // what stands before is on its nullable side
        left = join(std::move(left), each.type, std::move(each.right), false);
    }
    return left;
}

/// An inner join's conditions hold for every row; an outer join's bind its nullable side only, which becomes a block of
/// its own.
parser::joined_tables parser::join(joined_tables left, std::string_view type, joined_tables right, bool conditions) {
    if (left.bare_query || right.bare_query) fail("the name of a derived table");
    std::vector<table_ref> left_shown, right_shown;
    const bool many = left.block.tables.size() + left.block.children.size() > most_tables;
    if (many) left.block.exact = false;
    if (conditions && is("using") && !many) {
        visible_tables(left.block, left_shown);
        visible_tables(right.block, right_shown);
    }
    joined_tables out;
    out.right_join = type == "right" || left.right_join;
    out.depth = std::max(left.depth + (type == "right" ? 1 : 0), right.depth + (type == "left" ? 1 : 0));
    if (out.depth > most_nullable) {
        too_deep_ = true;
        fail("fewer joins");
    }
    out.block = std::move(type == "right" ? right.block : left.block);
    query_block* bound = &out.block;
    if (type.empty()) {
        merge(std::move(right.block), out.block);
    } else {
        auto side = std::move(type == "right" ? left.block : right.block);
        side.joined = true;
        for (const auto& name : side.derived) out.block.derived.push_back(name);
        out.block.exact &= side.exact;
        out.block.children.push_back(std::move(side));
        bound = &out.block.children.back();
    }
    if (!conditions) return out;
    const into_block sink(*this, *bound);
    if (accept("using")) {
        using_columns(left_shown, right_shown, *bound);
        return out;
    }
    expect("on");
    const auto tests = bound->tests.size(), equalities = bound->equalities.size();
    add_condition(any_expression(), *bound);
    drop_unqualified(*bound, tests, equalities);
    return out;
}

/// Exactly one table of each side has the column, or the server reports an error; naming all of them ties no others.
void parser::using_columns(const std::vector<table_ref>& left, const std::vector<table_ref>& right,
                           query_block& block) {
    constexpr std::size_t most = 1000;
    expect_symbol("(");
    do {
        const auto column = column_name();
        if (left.size() * right.size() > most) {
            block.exact = false;
            continue;
        }
        for (const auto& a : left)
            for (const auto& b : right) block.equalities.push_back({column_in(a, column), column_in(b, column)});
    } while (accept_symbol(","));
    expect_symbol(")");
}

parser::joined_tables parser::table_factor() {
    const level here(*this);
    joined_tables out;
    if (accept_symbol("{")) {  // { OJ a LEFT JOIN b ON ... }
        name();
        out = table_reference();
        expect_symbol("}");
        return out;
    }
    const bool lateral = is("lateral") && is_symbol("(", 1);
    if (lateral) take();
    if (is_symbol("(")) {
        if (!is_query(1)) return parenthesized_tables();
        take();
        auto inner = query();
        expect_symbol(")");
        return derived(std::move(inner), lateral);
    }
    if (is("json_table") && is_symbol("(", 1)) {
        json_table(out);
        return out;
    }
    auto table = table_name();
    table_options(table);
    if (table.schema.empty() && is_cte(table.name))
        out.block.derived.push_back(table.alias.empty() ? table.name : table.alias);
    else
        out.block.tables.push_back(std::move(table));
    return out;
}

/// (a JOIN b), (a, b), ((SELECT ...) UNION (SELECT ...)) AS c.
parser::joined_tables parser::parenthesized_tables() {
    const level here(*this);
    expect_symbol("(");
    auto out = table_reference();
    if (out.bare_query && is_query_tail()) {
        auto inner = std::move(out.block.children.back());
        out.block.children.pop_back();
        out.block.children.push_back(continue_query(std::move(inner)));
        out.block.children.back().sees_parent = false;
    }
    while (!out.bare_query && accept_symbol(",")) {
        auto more = table_reference();
        if (more.bare_query) fail("the name of a derived table");
        merge(std::move(more.block), out.block);
    }
    expect_symbol(")");
    if (out.bare_query) named_derived(out);
    return out;
}

parser::joined_tables parser::derived(query_block inner, bool lateral) {
    joined_tables out;
    inner.sees_parent = lateral;
    out.block.children.push_back(std::move(inner));
    out.bare_query = true;
    named_derived(out);
    return out;
}

void parser::named_derived(joined_tables& tables) {
    const bool named = accept("as");
    if (!named && (!is_name() || is_window_clause())) return;
    tables.block.derived.push_back(name());
    tables.bare_query = false;
    if (is_symbol("(")) skip_parentheses();
}

/// Partitions, system time, alias and index hints.
void parser::table_options(table_ref& table) {
    if (accept("partition")) skip_parentheses();
    if (is("for") && is_one({"system_time", "portion"}, 1)) {
        at_ += 2;
        accept("of");
        if (accept("all")) {
        } else if (accept("as")) {
            expect("of");
            bits();
        } else if (accept_one({"between", "from"})) {
            bits();
            if (!accept_one({"and", "to"})) fail("AND");
            bits();
        } else if (is_name()) {
            name();
            expect("from");
            bits();
            expect("to");
            bits();
        }
    }
    if (accept("as") || (is_name() && !is_window_clause())) table.alias = name();
    if (modes_.folds_tables) std::transform(table.alias.begin(), table.alias.end(), table.alias.begin(), lower);
    index_hints();
}

/// WINDOW is a name too where the server does not reserve it.
bool parser::is_window_clause() const {
    return is("window") && is_name(1) && is("as", 2);
}

void parser::index_hints() {
    while (is_one({"use", "force", "ignore"}) && is_one({"index", "key"}, 1)) {
        at_ += 2;
        if (accept("for")) {
            if (!accept("join") && !accept("order", "by")) {
                expect("group");
                expect("by");
            }
        }
        skip_parentheses();
    }
}

/// JSON_TABLE(document, path COLUMNS (...)) AS name
void parser::json_table(joined_tables& out) {
    const into_block sink(*this, out.block);
    take();
    expect_symbol("(");
    any_expression();
    while (!failed_ && !is_symbol(")")) {
        if (at_end()) return fail(")");
        skip_value();
    }
    expect_symbol(")");
    accept("as");
    out.block.derived.push_back(name());
}

}  // namespace ringway::router::mysql
