// Commands that are neither rows nor definitions.

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

/// The text of a statement to prepare: a string, a user variable (unknown, with "@name" as its constant), an
/// expression.
value_source parser::statement_source() {
    if (peek().kind == token_kind::user_variable && !is_symbol(":=", 1)) {
        value_source out;
        auto name = user_variable_name(peek());
        const auto found = any_expression();
        static_cast<void>(found);
        out.constant = "@" + name;
        return out;
    }
    return source_of(any_expression());
}

void parser::prepare() {
    expect("prepare");
    made_->verb = verb::prepare;
    const auto where = peek();
    made_->name = column_name();
    effect made{effect::kind::prepare, made_->name, {where.offset, where.length}, {}, {}, {}};
    expect("from");
    const auto from = peek().offset;
    made.values.push_back(statement_source());
    made.body = since(from);
    made_->effects.push_back(std::move(made));
}

void parser::execute() {
    if (is("immediate", 1)) return execute_immediate();
    expect("execute");
    made_->verb = verb::execute;
    const auto where = peek();
    made_->name = column_name();
    effect made{effect::kind::execute, made_->name, {where.offset, where.length}, {}, {}, {}};
    if (accept("using")) {
        do made.values.push_back(statement_source());
        while (accept_symbol(","));
    }
    made_->effects.push_back(std::move(made));
}

void parser::execute_immediate() {
    at_ += 2;
    made_->verb = verb::execute;
    effect made{effect::kind::execute_immediate, {}, {}, {}, {}, {}};
    const auto from = peek().offset;
    made.values.push_back(statement_source());
    made.body = since(from);
    if (accept("using")) {
        do made.values.push_back(statement_source());
        while (accept_symbol(","));
    }
    made_->effects.push_back(std::move(made));
}

void parser::deallocate() {
    take();
    expect("prepare");
    made_->verb = verb::deallocate;
    const auto where = peek();
    made_->name = column_name();
    add_effect(effect::kind::deallocate, made_->name).name_span = {where.offset, where.length};
}

/// An argument that is a user variable may be what the procedure gives back.
void parser::call() {
    expect("call");
    made_->verb = verb::call;
    made_->writes = true;
    auto procedure = table_name();
    made_->name = procedure.schema.empty() ? procedure.name : procedure.schema + "." + procedure.name;
    if (!accept_symbol("(")) return;
    while (!failed_ && !is_symbol(")")) {
        if (peek().kind == token_kind::user_variable && (is_symbol(",", 1) || is_symbol(")", 1)))
            set_user_variable(user_variable_name(peek()));
        any_expression();
        if (!accept_symbol(",")) break;
    }
    expect_symbol(")");
}

void parser::evaluate() {
    expect("do");
    made_->verb = verb::evaluate;
    do {
        any_expression();
        if (accept("as")) name_or_string();
    } while (accept_symbol(","));
}

void parser::handler() {
    expect("handler");
    made_->verb = verb::handler;
    auto table = table_name();
    made_->name = table.name;
    if (accept("open")) {
        if (accept("as") || is_name()) made_->name = table.alias = name();
        add_pin("HANDLER");
        block_->tables.push_back(std::move(table));
    } else if (accept("close")) {
        add_effect(effect::kind::handler_close, made_->name);
    } else {
        expect("read");
        add_pin("HANDLER");
        while (!failed_ && !at_end()) {
            if (accept("where"))
                any_expression();
            else if (is("limit"))
                limit_clause();
            else
                skip_value();
        }
    }
}

/// KILL [HARD | SOFT] [CONNECTION | QUERY [ID]] number, KILL [QUERY] USER name.
void parser::kill() {
    expect("kill");
    made_->verb = verb::kill;
    accept_one({"hard", "soft"});
    std::string what = "connection";
    if (accept("query"))
        what = accept("id") ? "query id" : "query";
    else
        accept("connection");
    if (is("user") && !is_symbol("(", 1)) {
        take();
        add_effect(effect::kind::kill, "user");
        return skip_statement();
    }
    auto value = source_of(any_expression());
    add_effect(effect::kind::kill, std::move(what)).values.push_back(std::move(value));
}

void parser::flush() {
    expect("flush");
    made_->verb = verb::flush;
    made_->writes = made_->implicit_commit = true;
    accept_one({"no_write_to_binlog", "local"});
    made_->name = folded(peek());
    bool tables = is_one({"table", "tables"});
    bool keeps = false;
    while (!failed_ && !at_end()) {
        keeps |= (is("read") && is("lock", 1)) || (is("for") && is("export", 1));
        skip_value();
    }
    if (tables && keeps) add_pin("read lock");
}

/// Run as they are, on the primary.
void parser::maintenance() {
    made_->verb = verb::maintenance;
    made_->writes = made_->implicit_commit = true;
    made_->name = folded(take());
    skip_statement();
}

/// GET DIAGNOSTICS, SIGNAL, RESIGNAL.
void parser::diagnostics() {
    made_->verb = verb::diagnostics;
    made_->asks_warnings = is("get");
    made_->name = folded(take());
    while (!failed_ && !at_end()) {
        if (peek().kind == token_kind::user_variable) {
            auto name = user_variable_name(take());
            if (is_symbol("=") && made_->asks_warnings)
                set_user_variable(std::move(name));
            else
                read_user_variable(std::move(name));
        } else {
            skip_value();
        }
    }
}

}  // namespace ringway::router::mysql
