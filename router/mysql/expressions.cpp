// Operators, by MySQL's precedence.

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

}  // namespace ringway::router::mysql
