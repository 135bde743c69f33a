// Calls, and what some of them do to the session.

#include <algorithm>

#include "router/mysql/parser.hpp"

namespace ringway::router::mysql {

expression parser::function(const std::string& schema, const std::string& name) {
    const level here(*this);
    if (schema.empty() && (name == "cast" || name == "convert")) return cast_function(name);
    if (schema.empty() && (name == "values" || name == "value" || name == "default")) {
        expect_symbol("(");
        auto out = named_value();  // VALUES(column) is of the new row, which PostgreSQL calls excluded
        expect_symbol(")");
        if (name == "default") {
            out = {};
            out.value.constant = "default";
        } else {
            out.column.table = "excluded";
            out.column.schema.clear();
        }
        return out;
    }
    add_function(schema, name);
    arguments(schema.empty() ? std::string_view(name) : std::string_view());
    if (schema.empty() && name == "match") {
        expect("against");
        arguments("against");
    }
    if (accept("within")) {  // WITHIN GROUP (ORDER BY ...)
        expect("group");
        expect_symbol("(");
        if (accept("order", "by")) order_list();
        expect_symbol(")");
    }
    if (is("filter") && is_symbol("(", 1)) {
        take();
        expect_symbol("(");
        accept("where");
        any_expression();
        expect_symbol(")");
    }
    if (name == "nth_value" && is("from") && is_one({"first", "last"}, 1)) at_ += 2;
    if (is_one({"respect", "ignore"}) && is("nulls", 1)) at_ += 2;
    if (is("over") && (is_symbol("(", 1) || is_name(1))) over_clause();
    return {};
}

/// CAST(a AS type), CONVERT(a, type), CONVERT(a USING charset).
expression parser::cast_function(std::string_view name) {
    expect_symbol("(");
    auto value = any_expression();
    std::string type;
    if (accept("using")) {
        if (!accept("binary")) name_or_string();
        value = {};
    } else {
        if (name == "cast")
            expect("as");
        else
            expect_symbol(",");
        const auto from = at_;
        type = std::string(folded(peek()));
        type_name();
        if (at_ != from + 1) value = {};
        if (accept("array")) value = {};
    }
    if (accept("format")) any_expression();
    expect_symbol(")");
    if (value.what != kind::value || value.value.what == value_source::from::constant || !value.value.cast.empty())
        return {};
    if (value.value.what != value_source::from::null) value.value.cast = std::move(type);
    return value;
}

/// From the opening parenthesis to the closing one; with the words that stand for commas in some functions.
void parser::arguments(std::string_view function) {
    expect_symbol("(");
    expression first;
    bool any = false;
    accept_one({"all", "distinct", "distinctrow", "both", "leading", "trailing"});
    if (function == "get_format" || function == "timestampadd" || function == "timestampdiff" ||
        function == "extract") {
        if (is_name() || peek().kind == token_kind::word) take();
    } else if (function == "position") {
        bits();
        expect("in");
    } else if (accept_symbol("*")) {
        any = true;
    }
    while (!failed_ && !is_symbol(")")) {
        if (accept_symbol(",") || accept_one({"from", "for", "separator", "distinct", "on"})) continue;
        if (accept("as")) {
            if (is_name() && (is_symbol(",", 1) || is_symbol(")", 1)))
                take();
            else
                type_name();
            continue;
        }
        if (accept("using")) {
            if (!accept("binary")) name_or_string();
            continue;
        }
        if (accept("order", "by")) {
            order_list();
            continue;
        }
        if (is("limit")) {
            limit_clause();
            continue;
        }
        if (accept("returning")) {
            type_name();
            continue;
        }
        if (accept("in", "boolean")) {
            expect("mode");
            continue;
        }
        if (accept("in", "natural")) {
            expect("language");
            expect("mode");
            continue;
        }
        if (accept("with", "query")) {
            expect("expansion");
            continue;
        }
        if (any && is_one({"null", "error", "empty", "default", "absent"}) && (is("on", 1) || is_literal(1))) {
            if (accept("default"))
                literal_value();
            else
                take();
            if (accept("on")) accept_one({"empty", "error", "null"});
            continue;
        }
        if (accept("level")) {
            while (!failed_ && !is_symbol(")")) take();
            continue;
        }
        if (accept_one({"empty", "error"})) continue;
        auto one = any_expression();
        if (!any) first = std::move(one);
        any = true;
        if (is_name() && (is_symbol(",", 1) || is_symbol(")", 1))) take();  // a user-defined function's argument's name
    }
    expect_symbol(")");
    if (!function.empty()) record_call(std::string(function), any, first);
}

/// What the call leaves on the connection, or asks of it.
void parser::record_call(const std::string& name, bool has_arguments, const expression&) {
    if (name == "last_insert_id") {
        (has_arguments ? made_->sets_insert_id : made_->asks_insert_id) = true;
    } else if (name == "found_rows") {
        made_->asks_found_rows = true;
    } else if (name == "row_count") {
        made_->asks_row_count = true;
    } else if (name == "connection_id") {
        made_->asks_connection_id = true;
    } else if (name == "get_lock") {
        add_pin("user lock");
    } else if (name == "release_lock") {
        add_effect(effect::kind::unpin_lock);
    } else if (name == "release_all_locks") {
        add_effect(effect::kind::unpin_locks);
    }
}

void parser::over_clause() {
    expect("over");
    if (is_symbol("("))
        window_specification();
    else
        name();
}

void parser::window_specification() {
    expect_symbol("(");
    if (is_name() && !is_one({"partition", "order", "rows", "range", "groups"})) name();
    if (accept("partition", "by")) order_list();
    if (accept("order", "by")) order_list();
    if (accept_one({"rows", "range", "groups"})) {
        if (accept("between")) {
            frame_bound();
            expect("and");
        }
        frame_bound();
        if (accept("exclude")) {
            if (!accept("current", "row") && !accept("no", "others")) accept_one({"group", "ties"});
        }
    }
    expect_symbol(")");
}

void parser::frame_bound() {
    if (accept("current", "row")) return;
    if (!accept("unbounded")) bits();
    if (!accept_one({"preceding", "following"})) fail("PRECEDING");
}

void parser::expression_list() {
    do any_expression();
    while (accept_symbol(","));
}

void parser::order_list() {
    do {
        any_expression();
        accept_one({"asc", "desc"});
    } while (accept_symbol(","));
}

/// A column's or a cast's type with what belongs to it: DECIMAL(10,2) UNSIGNED, CHAR(3) CHARACTER SET utf8.
void parser::type_name() {
    if (accept("enum") || accept("set")) {
        skip_parentheses();
    } else if (accept("double")) {
        accept("precision");
    } else if (accept("long")) {
        if (!accept_one({"varchar", "varbinary", "varcharacter"})) accept("char", "varying");
    } else if (accept("national")) {
        if (!accept_one({"varchar", "varcharacter"})) {
            accept_one({"char", "character"});
            accept("varying");
        }
    } else if (accept_one({"nchar", "char", "character"})) {
        accept_one({"varying", "varchar"});
    } else if (accept_one({"signed", "unsigned"})) {
        accept_one({"integer", "int"});
    } else if (peek().kind == token_kind::word || peek().kind == token_kind::quoted_name) {
        take();
        if (accept_symbol(".")) name();
    } else {
        fail("a type");
    }
    if (is_symbol("(")) skip_parentheses();
    while (true) {
        if (accept_one({"unsigned", "signed", "zerofill", "ascii", "unicode", "byte"})) continue;
        if (accept("binary")) continue;
        if (accept("charset") || (is("character") && is("set", 1) && accept("character", "set")) ||
            (is("char") && is("set", 1) && accept("char", "set"))) {
            if (!accept_one({"binary", "ascii", "unicode"})) name_or_string();
            continue;
        }
        return;
    }
}

}  // namespace ringway::router::mysql
