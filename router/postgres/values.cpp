#include "router/postgres/values.hpp"

#include <algorithm>
#include <charconv>

#include "router/postgres/lexical.hpp"

namespace ringway::router::postgres {

namespace {

constexpr int most_nested_casts = 8;

value_source constant_of(std::string value) {
    value_source out;
    out.what = value_source::from::constant;
    out.constant = std::move(value);
    return out;
}

}  // namespace

std::vector<std::string> names_of(node list) {
    std::vector<std::string> out;
    for (const auto each : list) out.push_back(each["String"]["sval"].text());
    return out;
}

std::string plain_operator(node a_expr) {
    const auto name = a_expr["name"];
    return name.size() == 1 ? name.first()["String"]["sval"].text() : std::string();
}

std::pair<std::string, std::string> qualified(node list) {
    auto names = names_of(list);
    if (names.empty()) return {};
    if (names.size() == 1) return {"", std::move(names[0])};
    return {std::move(names[names.size() - 2]), std::move(names.back())};
}

written_type type_of(node type_name) {
    auto [schema, name] = qualified(type_name["names"]);
    if (schema == "pg_catalog") schema.clear();
    return {std::move(schema), std::move(name), static_cast<bool>(type_name["arrayBounds"]),
            static_cast<bool>(type_name["typmods"])};
}

value_source value_finder::source_of(node expression) {
    const auto inner = expression.first();
    const auto kind = inner.key();
    if (kind == "A_Const") return of_constant(inner);
    if (kind == "ParamRef") {
        value_source out;
        const auto number = inner["number"].number(0);
        if (number < 1) return out;
        out.what = value_source::from::parameter;
        out.index = static_cast<std::uint32_t>(number - 1);
        out.at = static_cast<std::uint32_t>(inner["location"].number(0));
        return out;
    }
    if (depth_ >= most_nested_casts) return {};
    ++depth_;
    value_source out;
    if (kind == "TypeCast") out = of_cast(inner);
    if (kind == "A_Expr") out = of_operator(inner);
    --depth_;
    return out;
}

/// The literal at a constant's offset. A folded sign leaves the constant at the sign's offset.
value_source value_finder::of_constant(node constant) const {
    value_source out;
    if (constant["isnull"].is_true()) {
        out.what = value_source::from::null;
        return out;
    }
    if (const auto truth = constant["boolval"]) return constant_of(truth["boolval"].is_true() ? "true" : "false");
    const auto location =
        constant["location"].number(constant["ival"] || constant["fval"] || constant["sval"] ? 0 : -1);
    if (location < 0 || static_cast<std::size_t>(location) >= text_.size()) return out;
    const auto at = static_cast<std::size_t>(location);
    const auto found = std::lower_bound(literals_.begin(), literals_.end(), at,
                                        [](const literal& l, std::size_t where) { return l.offset < where; });
    if (constant["sval"] &&
        (found == literals_.end() || found->offset != at)) {  // an identifier where SET takes a value
        const auto name = token_reader(text_, literals_, static_cast<std::uint32_t>(at)).next();
        const bool is_name = name.kind == token_kind::word || name.kind == token_kind::quoted_name;
        if (!is_name || (name.stop() < text_.size() && text_[name.stop()] == '\'')) return {};
        return constant_of(constant["sval"]["sval"].text());
    }
    if (found == literals_.end() || !signs_before(at, found->offset, out.negated)) return {};
    if (found->kind == literal_kind::unicode_string) {
        token_reader after(text_, literals_, found->offset + found->length);
        if (after.is(after.next(), "uescape")) return {};
    }
    out.what = value_source::from::literal;
    out.index = static_cast<std::uint32_t>(found - literals_.begin());
    return out;
}

/// Only signs, parentheses, comments and white space may stand between.
bool value_finder::signs_before(std::size_t from, std::size_t to, bool& negated) const {
    if (from == to) return true;
    token_reader in(text_, literals_, static_cast<std::uint32_t>(from));
    for (auto found = in.next(); found.offset < to; found = in.next()) {
        if (found.kind != token_kind::symbol) return false;
        const char c = text_[found.offset];
        if (c == '-')
            negated = !negated;
        else if (c != '(')
            return false;
    }
    return true;
}

value_source value_finder::of_cast(node cast) {
    auto type = type_of(cast["typeName"]);
    auto out = source_of(cast["arg"]);
    if (out.what == value_source::from::null) {  // of no row's, but its type counts in a list
        out.cast = (type.schema.empty() ? "" : type.schema + ".") + type.name + (type.array ? "[]" : "");
        return out;
    }
    if (out.what == value_source::from::unknown || type.limited || !type.schema.empty() || out.array) return {};
    if (!out.cast.empty() && out.cast != type.name) return {};
    if (type.array && out.what == value_source::from::constant) return {};
    out.cast = std::move(type.name);
    out.array = type.array;
    return out;
}

/// Signs before, and + - * between integer literals: WHERE id = 1 + 1.
value_source value_finder::of_operator(node a_expr) {
    const auto symbol = plain_operator(a_expr);
    if (a_expr["kind"].word() != "AEXPR_OP" || symbol.size() != 1) return {};
    auto right_source = source_of(a_expr["rexpr"]);
    if (!a_expr["lexpr"]) {
        if (symbol[0] == '+' && right_source.what == value_source::from::literal && right_source.cast.empty() &&
            literals_[right_source.index].kind <= literal_kind::decimal)
            return right_source;
        return {};
    }
    const auto left = integer_of(source_of(a_expr["lexpr"]));
    const auto right = integer_of(right_source);
    if (!left || !right) return {};
    std::int64_t result = 0;
    const bool overflow = symbol[0] == '+'   ? __builtin_add_overflow(*left, *right, &result)
                          : symbol[0] == '-' ? __builtin_sub_overflow(*left, *right, &result)
                          : symbol[0] == '*' ? __builtin_mul_overflow(*left, *right, &result)
                                             : true;
    if (overflow) return {};
    folded_ = true;
    return constant_of(std::to_string(result));
}

std::optional<std::int64_t> value_finder::integer_of(const value_source& from) const {
    std::string digits;
    if (from.what == value_source::from::constant) {
        digits = from.constant;
    } else if (from.what == value_source::from::literal && literals_[from.index].kind == literal_kind::integer &&
               from.cast.empty()) {
        digits = (from.negated ? "-" : "") + literal_value(text_, literals_[from.index], conforming_);
    } else {
        return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

std::vector<value_source> value_finder::array_of(node expression) {
    auto inner = expression.first();
    std::string cast;
    if (inner.key() == "TypeCast" && inner["arg"]["A_ArrayExpr"]) {
        const auto type = type_of(inner["typeName"]);
        if (type.limited || !type.schema.empty() || !type.array) return {};
        cast = type.name;
        inner = inner["arg"]["A_ArrayExpr"];
    }
    if (inner.key() == "A_ArrayExpr") {
        std::vector<value_source> out;
        for (const auto element : inner["elements"]) {
            auto source = source_of(element);
            if (source.what == value_source::from::unknown || source.array) return {};
            if (!cast.empty()) {
                const bool is_null = source.what == value_source::from::null;
                if (!is_null && !source.cast.empty() && source.cast != cast) return {};
                source.cast = cast;
            }
            out.push_back(std::move(source));
        }
        return out;
    }
    auto source = source_of(expression);
    const bool usable = source.what == value_source::from::literal || source.what == value_source::from::parameter ||
                        source.what == value_source::from::null;
    const bool is_null = source.what == value_source::from::null;
    if (!usable || (!source.cast.empty() && !source.array && !is_null)) return {};
    source.array = !is_null;
    return {std::move(source)};
}

}  // namespace ringway::router::postgres
