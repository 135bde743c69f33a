// What operators stand between: literals, names, variables, CASE, what is in parentheses.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

namespace {

expression constant(std::string value) {
    expression out;
    out.what = expression::kind::value;
    out.value.what = value_source::from::constant;
    out.value.constant = std::move(value);
    return out;
}

expression null_value() {
    expression out;
    out.what = expression::kind::value;
    out.value.what = value_source::from::null;
    return out;
}

}  // namespace

/// Strings that stand side by side are one, which no single literal tells.
expression parser::text_literal() {
    expression out;
    if (!is_string() && peek().kind != token_kind::national) {
        fail("a string");
        return out;
    }
    out.what = kind::value;
    out.value.what = value_source::from::literal;
    out.value.index = literal_index_[at_];
    take();
    bool several = false;
    while (is_string() || peek().kind == token_kind::national) {
        take();
        several = true;
    }
    return several ? expression{} : out;
}

expression parser::literal_value(std::string cast) {
    expression out;
    if (is_string() || peek().kind == token_kind::national) {
        out = text_literal();
    } else if (is_number()) {
        out.what = kind::value;
        out.value.what = value_source::from::literal;
        out.value.index = literal_index_[at_];
        take();
    } else {
        fail("a literal");
    }
    if (out.what == kind::value) out.value.cast = std::move(cast);
    return out;
}

expression parser::primary() {
    const auto& next = peek();
    switch (next.kind) {
        case token_kind::integer:
        case token_kind::decimal:
        case token_kind::string:
        case token_kind::national:
        case token_kind::bits:
            return literal_value();
        case token_kind::parameter: {
            expression out;
            out.what = kind::value;
            out.value.what = value_source::from::parameter;
            out.value.index = literal_index_[at_];
            take();
            return out;
        }
        case token_kind::user_variable:
            return user_variable();
        case token_kind::quoted_name:
            return named_value();
        case token_kind::word:
            return primary_word();
        case token_kind::symbol:
            break;
        default:
            fail("a value");
            return {};
    }
    if (is_symbol("(")) return parenthesized();
    if (is_symbol("@@")) return system_variable();
    if (accept_symbol("\\N")) return null_value();
    if (is_symbol(".")) return named_value();
    if (accept_symbol("{")) {  // {d '2020-01-01'}, {fn now()}
        const auto what = column_name();
        expression out;
        if (what == "d" || what == "t" || what == "ts")
            out = literal_value(what == "d" ? "date" : what == "t" ? "time" : "timestamp");
        else
            any_expression();
        expect_symbol("}");
        return out;
    }
    fail("a value");
    return {};
}

expression parser::primary_word() {
    const auto word = folded(peek());
    const bool plain = peek().plain_name;
    const bool called = is_symbol("(", 1);
    if (plain) return named_value();
    if (!called) {
        if (accept("null")) return null_value();
        if (accept("true")) return constant("1");
        if (accept("false")) return constant("0");
        if (is_string(1) && is_one({"date", "time", "timestamp"})) {
            take();
            return literal_value(std::string(word));
        }
        if (word.front() == '_' && (is_string(1) || peek(1).kind == token_kind::bits)) {
            take();
            return literal_value(std::string(word));
        }
        if (is_one({"current_timestamp", "current_date", "current_time", "current_user", "current_role", "localtime",
                    "localtimestamp", "utc_date", "utc_time", "utc_timestamp"})) {
            add_function({}, std::string(word));
            take();
            return {};
        }
        if (is("default")) {
            take();
            expression out;
            out.value.constant = "default";
            return out;
        }
    }
    if (is("case")) return case_expression();
    if (is("interval")) return interval();
    if (is("exists") && called) {
        take();
        parenthesized();
        return {};
    }
    if (is("not")) {  // where MySQL takes it only with HIGH_NOT_PRECEDENCE
        fail("a value");
        return {};
    }
    if (is("row") && called) {
        take();
        return parenthesized();
    }
    if (is_one({"next", "previous"}) && is("value", 1) && is("for", 2)) {
        add_function({}, is("next") ? "nextval" : "lastval");
        at_ += 3;
        block_->tables.push_back(table_name());
        return {};
    }
    if (is("match") && !is_name() && !called) {  // MATCH a, b AGAINST (...)
        take();
        expression_list();
        expect("against");
        arguments("against");
        return {};
    }
    if (called) {
        const std::string called_name(word);
        take();
        return function({}, called_name);
    }
    return named_value();
}

/// a, a.b, a.b.c, .a.b: a column, or a function in a schema.
expression parser::named_value() {
    expression out;
    const bool quoted = peek().kind == token_kind::quoted_name;
    if (quoted && is_symbol("(", 1)) {
        const auto called = column_name();
        return function({}, called);
    }
    accept_symbol(".");
    std::vector<std::string> parts;
    parts.push_back(name());
    while (!failed_ && parts.size() < 3 && is_symbol(".") && !is_symbol("*", 1)) {
        take();
        parts.push_back(name());
    }
    const auto fold = [](std::string text) {
        std::transform(text.begin(), text.end(), text.begin(), lower);
        return text;
    };
    if (parts.size() == 2 && is_symbol("(")) return function(parts[0], fold(parts[1]));
    if (parts.size() == 3 && is_symbol("("))
        return function(parts[0] + "." + parts[1], fold(parts[2]));  // of a package
    out.what = kind::column;
    out.column.column = fold(parts.back());
    if (parts.size() > 1) out.column.table = parts[parts.size() - 2];
    if (parts.size() > 2) out.column.schema = parts[0];
    if (modes_.folds_tables) {
        out.column.table = fold(out.column.table);
        out.column.schema = fold(out.column.schema);
    }
    return out;
}

/// @@name, @@session.name, @@cache.part
expression parser::system_variable() {
    expect_symbol("@@");
    if (peek().kind != token_kind::word && peek().kind != token_kind::quoted_name) {
        fail("a variable");
        return {};
    }
    auto first = name_of(take());
    std::transform(first.begin(), first.end(), first.begin(), lower);
    while (is_symbol(".")) {
        take();
        auto second = name_of(take());
        std::transform(second.begin(), second.end(), second.begin(), lower);
        const bool scope = first == "session" || first == "local" || first == "global" || first == "persist" ||
                           first == "persist_only";
        if (scope)
            first = std::move(second);
        else
            first.append(".").append(second);
    }
    made_->asks_insert_id |= first == "last_insert_id" || first == "identity";
    made_->asks_warnings |= first == "warning_count" || first == "error_count";
    made_->asks_connection_id |= first == "pseudo_thread_id";
    if (is_new('v', first)) made_->system_variables_read.push_back(std::move(first));
    return {};
}

expression parser::user_variable() {
    auto name = user_variable_name(take());
    if (accept_symbol(":=")) {
        any_expression();
        set_user_variable(std::move(name));
    } else {
        read_user_variable(std::move(name));
    }
    return {};
}

expression parser::case_expression() {
    expect("case");
    if (!is("when")) any_expression();
    while (accept("when")) {
        any_expression();
        expect("then");
        any_expression();
    }
    if (accept("else")) any_expression();
    expect("end");
    return {};
}

namespace {
constexpr std::initializer_list<std::string_view> units{"microsecond",
                                                        "second",
                                                        "minute",
                                                        "hour",
                                                        "day",
                                                        "week",
                                                        "month",
                                                        "quarter",
                                                        "year",
                                                        "second_microsecond",
                                                        "minute_microsecond",
                                                        "minute_second",
                                                        "hour_microsecond",
                                                        "hour_second",
                                                        "hour_minute",
                                                        "day_microsecond",
                                                        "day_second",
                                                        "day_minute",
                                                        "day_hour",
                                                        "year_month",
                                                        "sql_tsi_second",
                                                        "sql_tsi_minute",
                                                        "sql_tsi_hour",
                                                        "sql_tsi_day",
                                                        "sql_tsi_week",
                                                        "sql_tsi_month",
                                                        "sql_tsi_quarter",
                                                        "sql_tsi_year"};
}  // namespace

/// INTERVAL 1 DAY (+ a date), or the function INTERVAL(1, 2, 3).
expression parser::interval() {
    expect("interval");
    any_expression();
    accept_one(units);
    return {};
}

/// A subquery, a row or a value in parentheses.
expression parser::parenthesized() {
    const level here(*this);
    expect_symbol("(");
    if (is_query()) {
        block_->children.push_back(query());
        expect_symbol(")");
        expression out;
        out.what = kind::subquery;
        return out;
    }
    auto first = any_expression();
    if (first.what == kind::subquery && is_query_tail()) {
        auto inner = std::move(block_->children.back());
        block_->children.pop_back();
        block_->children.push_back(continue_query(std::move(inner)));
    }
    if (!is_symbol(",")) {
        expect_symbol(")");
        return first;
    }
    expression out;
    out.what = kind::row;
    out.parts.push_back(std::move(first));
    while (accept_symbol(",")) out.parts.push_back(any_expression());
    expect_symbol(")");
    return out;
}

}  // namespace ringway::router::mysql
