// Queries: SELECT, VALUES, TABLE, set operations, WITH.

#include <algorithm>
#include <utility>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// What an older server takes for a name is none.
bool parser::is_set_operator() const {
    return is("union") || (is_one({"except", "intersect"}) && !is_name());
}

void parser::push_cte(const std::string& name) {
    ctes_.push_back(name);
    ++cte_names_[name];
}

void parser::drop_ctes(std::size_t scope) {
    for (; ctes_.size() > scope; ctes_.pop_back())
        if (const auto found = cte_names_.find(ctes_.back()); --found->second == 0) cte_names_.erase(found);
}

/// [WITH ...] a query with its set operations, order and limit.
query_block parser::query() {
    const level here(*this);
    const auto scope = ctes_.size();
    query_block with;
    if (is("with")) {
        const into_block sink(*this, with);
        with_clause(with);
    }
    auto out = query_body();
    if (!with.children.empty())
        out.children.insert(out.children.begin(), std::make_move_iterator(with.children.begin()),
                            std::make_move_iterator(with.children.end()));
    drop_ctes(scope);
    return out;
}

void parser::with_clause(query_block& block) {
    expect("with");
    const bool recursive = accept("recursive");
    do {
        auto cte = name();
        if (modes_.folds_tables) std::transform(cte.begin(), cte.end(), cte.begin(), lower);
        if (is_symbol("(")) skip_parentheses();
        expect("as");
        if (recursive) push_cte(cte);
        expect_symbol("(");
        auto child = query();
        expect_symbol(")");
        child.sees_parent = false;
        block.children.push_back(std::move(child));
        if (accept("cycle")) {  // CYCLE a, b RESTRICT
            do name();
            while (accept_symbol(","));
            expect("restrict");
        }
        if (!recursive) push_cte(cte);
    } while (accept_symbol(","));
}

query_block parser::query_body() {
    return continue_query(query_term());
}

/// What may follow a query in parentheses.
bool parser::is_query_tail() const {
    return is_set_operator() || is("order") || is("limit") || is("offset") ||
           (is("fetch") && is_one({"first", "next"}, 1));
}

/// Set operations, order and limit after a first query.
query_block parser::continue_query(query_block first) {
    if (is_set_operator()) {
        query_block out;
        out.children.push_back(std::move(first));
        while (is_set_operator()) {
            take();
            ++set_operations_;
            accept_one({"all", "distinct"});
            out.children.push_back(query_term());
        }
        first = std::move(out);
    }
    const into_block sink(*this, first);
    query_tail(first);
    return first;
}

query_block parser::query_term() {
    if (is_symbol("(")) {
        const level here(*this);
        take();
        auto out = query();
        expect_symbol(")");
        return out;
    }
    if (is("values")) return table_values();
    if (is("table")) {
        take();
        query_block out;
        out.tables.push_back(table_name());
        return out;
    }
    return select();
}

/// VALUES (1, 2), (3, 4), or ROW(1, 2) each.
query_block parser::table_values() {
    query_block out;
    const into_block sink(*this, out);
    expect("values");
    do {
        accept("row");
        expect_symbol("(");
        if (!is_symbol(")")) expression_list();
        expect_symbol(")");
    } while (accept_symbol(","));
    return out;
}

void parser::select_options() {
    while (true) {
        if (accept("sql_calc_found_rows")) {
            made_->calculates_found_rows = true;
        } else if (is("max_statement_time") && is_symbol("=", 1)) {
            at_ += 2;
            take();
        } else if (!accept_one({"all", "distinct", "distinctrow", "high_priority", "straight_join", "sql_small_result",
                                "sql_big_result", "sql_buffer_result", "sql_no_cache", "sql_cache"})) {
            return;
        }
    }
}

query_block parser::select() {
    const level here(*this);
    query_block out;
    const into_block sink(*this, out);
    expect("select");
    select_options();
    select_items();
    into_clause();
    if (accept("from")) from_clause(out);
    if (accept("where")) add_condition(any_expression(), out);
    if (accept("group", "by")) {
        order_list();
        if (accept("with")) expect("rollup");
    }
    if (accept("having")) any_expression();
    if (accept("window")) {
        do {
            name();
            expect("as");
            window_specification();
        } while (accept_symbol(","));
    }
    query_tail(out);
    return out;
}

void parser::select_items() {
    auto* const outputs = std::exchange(outputs_, nullptr);
    bool known = outputs != nullptr;
    do {
        if (accept_symbol("*")) {
            known = false;
            continue;
        }
        // t.*, s.t.*
        if ((peek().kind == token_kind::word || peek().kind == token_kind::quoted_name) && is_symbol(".", 1) &&
            (is_symbol("*", 2) || (is_symbol(".", 3) && is_symbol("*", 4)))) {
            at_ += is_symbol("*", 2) ? 3 : 5;
            known = false;
            continue;
        }
        const auto item = any_expression();
        if (known)
            outputs->push_back(
                {source_of(item), item.what == kind::column ? std::optional(item.column) : std::nullopt});
        if (accept("as") || is_string() || (is_name() && !is_one({"into", "procedure"}))) name_or_string();
    } while (accept_symbol(","));
    if (outputs != nullptr && !known) outputs->clear();
}

/// ORDER BY, LIMIT, INTO, locks, in the orders that the servers take.
void parser::query_tail(query_block&) {
    while (!failed_) {
        if (accept("order", "by")) {
            order_list();
        } else if (is("limit") || is("offset") || (is("fetch") && is_one({"first", "next"}, 1))) {
            limit_clause();
        } else if (accept("procedure")) {
            name();
            skip_parentheses();
        } else if (is("into")) {
            into_clause();
        } else if (is("for") && is_one({"update", "share"}, 1)) {
            locking_clause();
        } else if (is("lock") && is("in", 1)) {
            locking_clause();
        } else {
            return;
        }
    }
}

/// LIMIT 1, 2; LIMIT 1 OFFSET 2; LIMIT ROWS EXAMINED 3; OFFSET 1 ROWS FETCH FIRST 2 ROWS WITH TIES.
void parser::limit_clause() {
    made_->skips_rows = made_->skips_rows || set_operations_ > 0 || is("offset");
    if (accept("limit")) {
        if (!is("rows")) {
            primary();
            if (accept_symbol(",") || accept("offset")) {
                made_->skips_rows = true;
                primary();
            }
        }
        if (accept("rows")) {
            expect("examined");
            primary();
        }
        return;
    }
    if (accept("offset")) {
        primary();
        if (!accept_one({"row", "rows"})) fail("ROWS");
    }
    if (accept("fetch")) {
        if (!accept_one({"first", "next"})) fail("FIRST");
        if (!is_one({"row", "rows"})) primary();
        if (!accept_one({"row", "rows"})) fail("ROWS");
        if (accept("with"))
            expect("ties");
        else
            expect("only");
    }
    if (accept("rows")) {
        expect("examined");
        primary();
    }
}

/// INTO @a, b; INTO OUTFILE 'f' ...; INTO DUMPFILE 'f'.
void parser::into_clause() {
    if (!is("into")) return;
    take();
    if (accept("outfile")) {
        made_->writes = true;  // a file of the server's is the primary's
        string_source();
        if (accept("charset") || accept("character", "set") || accept("char", "set")) name_or_string();
        export_options();
        return;
    }
    if (accept("dumpfile")) {
        made_->writes = true;
        string_source();
        return;
    }
    do {
        if (peek().kind == token_kind::user_variable)
            set_user_variable(user_variable_name(take()));
        else
            name();
    } while (accept_symbol(","));
}

/// FIELDS TERMINATED BY ... LINES ...
void parser::export_options() {
    if (accept_one({"fields", "columns"})) {
        while (true) {
            accept("optionally");
            if (!accept_one({"terminated", "enclosed", "escaped"})) break;
            expect("by");
            literal_value();
        }
    }
    if (accept("lines")) {
        while (accept_one({"terminated", "starting"})) {
            expect("by");
            literal_value();
        }
    }
}

void parser::locking_clause() {
    made_->locks_rows = true;
    if (accept("for")) {
        take();
        if (accept("of")) {
            do table_name();
            while (accept_symbol(","));
        }
    } else {
        expect("lock");
        expect("in");
        expect("share");
        expect("mode");
    }
    if (accept("nowait")) return;
    if (accept("skip")) {
        expect("locked");
    } else if (accept("wait")) {
        primary();
    }
}

}  // namespace ringway::router::mysql
