// SHOW, DESCRIBE, EXPLAIN, ANALYZE, HELP.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// `name` is what is shown: "tables", "create table", "warnings", "count warnings", ...
void parser::show() {
    made_->verb = verb::show;
    if (accept("help")) {
        made_->name = "help";
        return skip_statement();
    }
    expect("show");
    while (accept_one({"full", "extended"})) {
    }
    if (is("count") && is_symbol("(", 1)) {
        take();
        skip_parentheses();
        made_->name = "count";
    }
    while (peek().kind == token_kind::word && !is_one({"from", "in", "like", "where", "for", "limit", "offset"})) {
        if (is_name() && !made_->name.empty() && is_object_word(made_->name)) break;
        if (!made_->name.empty()) made_->name += ' ';
        made_->name += folded(take());
    }
    if (made_->name.empty()) fail("what to show");
    const auto ends_with = [this](std::string_view word) { return made_->name.ends_with(word); };
    made_->asks_warnings = ends_with("warnings") || ends_with("errors");
    show_tail();
}

/// Whether the name of something follows these words.
bool parser::is_object_word(std::string_view words) const {
    return words.starts_with("create ") || words == "engine" || words == "grants" || words == "procedure code" ||
           words == "function code";
}

void parser::show_tail() {
    while (!failed_ && !at_end()) {
        if (accept("where"))
            any_expression();
        else if (is("limit"))
            limit_clause();
        else
            skip_value();
    }
}

/// DESCRIBE table [column | 'pattern'].
void parser::describe() {
    made_->verb = verb::show;
    made_->name = "columns";
    block_->tables.push_back(table_name());
    if (is_string())
        take();
    else if (is_name())
        name();
}

/// EXPLAIN and DESCRIBE of a table or a statement; ANALYZE of a statement runs it.
void parser::explain() {
    const bool analyze = is("analyze");
    if (analyze && (is_one({"table", "tables"}, 1) ||
                    (is_one({"no_write_to_binlog", "local"}, 1) && is_one({"table", "tables"}, 2))))
        return maintenance();
    take();
    bool runs = analyze;
    bool route = false;
    if (is_symbol("(") && is("route", 1) && is_symbol(")", 2)) {
        at_ += 3;
        route = true;
    }
    while (true) {
        if (is("format") && is_symbol("=", 1)) {
            at_ += 2;
            name_or_string();
        } else if (is("into") && peek(1).kind == token_kind::user_variable) {
            take();
            set_user_variable(user_variable_name(take()));
        } else if (is_one({"extended", "partitions"}) && !at_end_after(1)) {
            take();
        } else if (accept("analyze")) {
            runs = true;
        } else {
            break;
        }
    }
    if (accept("for")) {
        if (accept("connection")) {
            made_->verb = verb::explain;
            primary();
            return add_pin_of_explain();
        }
        accept_one({"database", "schema"});
        name();
    }
    if (!is_row_statement()) {
        if (runs && analyze) return fail("a statement");
        return describe();
    }
    const level here(*this);
    row_statement();
    made_->verb = verb::explain;
    made_->explain_route = route;
    if (route) made_->effects.clear();
    if (runs) return;
    // Functions of constants may be evaluated: what pins stays.
    std::erase_if(made_->effects, [](const effect& each) { return each.what != effect::kind::pin; });
}

bool parser::at_end_after(std::size_t ahead) const {
    return peek(ahead).kind == token_kind::end || is_symbol(";", ahead);
}

bool parser::is_row_statement() const {
    return is_symbol("(") || is_query() || is_one({"insert", "replace", "update", "delete"});
}

/// The connection is another session's: only where that is.
void parser::add_pin_of_explain() {
    made_->name = "connection";
    made_->asks_connection_id = true;
    made_->writes = true;
}

}  // namespace ringway::router::mysql
