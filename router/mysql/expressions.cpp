// Expressions, by MySQL's precedence.

#include <algorithm>

#include "router/mysql/parser.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router::mysql {

namespace {

expression made(expression::kind what, expression left, expression right) {
    expression out;
    out.what = what;
    out.parts.push_back(std::move(left));
    out.parts.push_back(std::move(right));
    return out;
}

expression constant(std::string value) {
    expression out;
    out.what = expression::kind::value;
    out.value.what = value_source::from::constant;
    out.value.constant = std::move(value);
    return out;
}

/// What a comparison can tie together; others would nest without end.
bool is_operand(const expression& what) {
    switch (what.what) {
        case expression::kind::column:
        case expression::kind::value:
        case expression::kind::row:
        case expression::kind::plus:
        case expression::kind::minus:
        case expression::kind::times:
            return true;
        default:
            return false;
    }
}

expression null_value() {
    expression out;
    out.what = expression::kind::value;
    out.value.what = value_source::from::null;
    return out;
}

}  // namespace

expression parser::any_expression() {
    const level here(*this);
    return or_expression();
}

expression parser::or_expression() {
    auto left = xor_expression();
    if (!is("or") && !(is_symbol("||") && !modes_.pipes_as_concat)) return left;
    expression out;
    out.what = kind::or_;
    out.parts.push_back(std::move(left));
    while (accept("or") || (!modes_.pipes_as_concat && accept_symbol("||"))) out.parts.push_back(xor_expression());
    return out;
}

expression parser::xor_expression() {
    auto left = and_expression();
    while (accept("xor")) {
        and_expression();
        left = {};
    }
    return left;
}

expression parser::and_expression() {
    auto left = not_expression();
    if (!is("and") && !is_symbol("&&")) return left;
    expression out;
    out.what = kind::and_;
    out.parts.push_back(std::move(left));
    while (accept("and") || accept_symbol("&&")) out.parts.push_back(not_expression());
    return out;
}

expression parser::not_expression() {
    bool negated = false;
    while (!modes_.high_not_precedence && accept("not")) negated = true;
    auto out = comparison();
    return negated ? expression{} : out;
}

expression parser::comparison() {
    auto left = predicate();
    while (true) {
        if (accept("is")) {
            accept("not");
            if (accept("json")) {
                accept_one({"value", "array", "object", "scalar"});
            } else if (!accept_one({"null", "true", "false", "unknown"}) && !accept_symbol("\\N")) {
                fail("NULL");
            }
            left = {};
            continue;
        }
        auto what = kind::other;
        if (is_symbol("="))
            what = kind::equal;
        else if (is_symbol("<=>"))
            what = kind::same;
        else if (!is_symbol("<") && !is_symbol(">") && !is_symbol("<=") && !is_symbol(">=") && !is_symbol("<>") &&
                 !is_symbol("!="))
            return left;
        take();
        if (is_one({"all", "any", "some"}) && is_symbol("(", 1)) {
            take();
            parenthesized();
            left = {};
            continue;
        }
        auto right = predicate();
        const bool compares = what != kind::other && is_operand(left) && is_operand(right);
        left = compares ? made(what, std::move(left), std::move(right)) : expression{};
    }
}

expression parser::predicate() {
    auto left = bits();
    while (true) {
        if (is("sounds") && is("like", 1)) {
            at_ += 2;
            bits();
            left = {};
            continue;
        }
        if (accept("member")) {
            accept("of");
            parenthesized();
            left = {};
            continue;
        }
        const bool negated = is("not") && is_one({"in", "between", "like", "regexp", "rlike"}, 1);
        if (negated) take();
        if (is("in") && is_symbol("(", 1)) {
            take();
            auto found = in_list(std::move(left));
            left = negated ? expression{} : std::move(found);
        } else if (accept("between")) {
            const level here(*this);
            bits();
            expect("and");
            predicate();
            left = {};
        } else if (accept_one({"like", "regexp", "rlike"})) {
            bits();
            if (accept("escape")) bits();
            left = {};
        } else {
            return left;
        }
    }
}

expression parser::in_list(expression left) {
    const bool rows = left.what == kind::row;
    const bool tells = is_operand(left);
    expression out;
    out.what = kind::in;
    out.parts.push_back(std::move(left));
    auto inside = parenthesized();
    if (inside.what == kind::subquery || !tells) return {};
    const bool several =
        inside.what == kind::row && (!rows || inside.parts.front().what == kind::row || inside.parts.empty());
    if (several)
        for (auto& each : inside.parts) out.parts.push_back(std::move(each));
    else
        out.parts.push_back(std::move(inside));
    return out;
}

/// How tightly the operator that comes next binds; 0: there is none.
int parser::operator_level() const {
    const auto& next = peek();
    if (next.kind == token_kind::word) return is_one({"div", "mod"}) ? 5 : 0;
    if (next.kind != token_kind::symbol) return 0;
    if (next.length == 1) switch (text_[next.offset]) {
            case '|':
                return 1;
            case '&':
                return 2;
            case '+':
            case '-':
                return 4;
            case '*':
            case '/':
            case '%':
                return 5;
            case '^':
                return 6;
            default:
                return 0;
        }
    if (is_symbol("<<") || is_symbol(">>")) return 3;
    return is_symbol("||") && modes_.pipes_as_concat ? 7 : 0;
}

/// | & << >> + - * / DIV MOD % ^ and the || that joins strings.
expression parser::bits(int lowest) {
    auto left = unary();
    while (true) {
        const int binds = operator_level();
        if (binds == 0 || binds <= lowest) return left;
        const auto symbol = source(take());
        auto right = bits(binds);
        auto what = symbol == "+"   ? kind::plus
                    : symbol == "-" ? kind::minus
                    : symbol == "*" ? kind::times
                                    : kind::other;
        if (left.what != kind::value || right.what != kind::value) what = kind::other;
        left = what == kind::other ? expression{} : made(what, std::move(left), std::move(right));
    }
}

expression parser::unary() {
    bool plain = true, negated = false;
    while (true) {
        if (accept_symbol("-")) {
            negated = !negated;
        } else if (accept_symbol("+")) {
        } else if (accept_symbol("~") || accept_symbol("!") ||
                   (is("binary") && !is_symbol("(", 1) && accept("binary")) ||
                   (modes_.high_not_precedence && accept("not"))) {
            plain = false;
        } else if (is("binary") && is_symbol("(", 1)) {
            take();
            plain = false;
        } else {
            break;
        }
    }
    auto out = primary();
    while (true) {
        if (accept("collate")) {
            if (!accept_one({"binary", "default"})) name_or_string();
            plain = false;
        } else if (accept_symbol("->") || accept_symbol("->>")) {
            literal_value();
            plain = false;
        } else {
            break;
        }
    }
    if (!plain) return {};
    if (!negated) return out;
    const bool number = out.what == kind::value && out.value.what == value_source::from::literal &&
                        literals_[out.value.index].kind <= literal_kind::decimal && out.value.cast.empty();
    if (!number) return {};
    out.value.negated = !out.value.negated;
    return out;
}

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
        return parenthesized().what == kind::subquery ? expression{} : expression{};
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
        std::string called_name(word);
        take();
        return function({}, std::move(called_name));
    }
    return named_value();
}

/// a, a.b, a.b.c, .a.b: a column, or a function in a schema.
expression parser::named_value() {
    expression out;
    const bool quoted = peek().kind == token_kind::quoted_name;
    if (quoted && is_symbol("(", 1)) {
        auto called = column_name();
        return function({}, std::move(called));
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
    if (parts.size() == 2 && is_symbol("(")) {
        const auto schema = parts[0];
        return function(schema, fold(parts[1]));
    }
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
        first =
            first == "session" || first == "local" || first == "global" || first == "persist" || first == "persist_only"
                ? second
                : first + "." + second;
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
