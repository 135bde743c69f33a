// The conditions of a gathered statement that the shards can check before they send rows.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "router/columns_guard.hpp"
#include "router/gather.hpp"
#include "router/key.hpp"
#include "router/parameter_types.hpp"

namespace ringway::router {

namespace {

struct simple_type {
    std::uint32_t oid, array;
    std::string_view name;
};
/// Types whose values are written as a literal and a cast.
constexpr std::array types{simple_type{oid::boolean, 1000, "bool"},
                           simple_type{oid::int2, 1005, "int2"},
                           simple_type{oid::int4, 1007, "int4"},
                           simple_type{oid::int8, 1016, "int8"},
                           simple_type{oid::text, 1009, "text"},
                           simple_type{oid::varchar, 1015, "varchar"},
                           simple_type{oid::date, 1182, "date"},
                           simple_type{oid::timestamp, 1115, "timestamp"},
                           simple_type{oid::timestamptz, 1185, "timestamptz"},
                           simple_type{oid::numeric, 1231, "numeric"},
                           simple_type{oid::uuid, 2951, "uuid"}};

/// Safe whatever standard_conforming_strings is.
std::string quoted_text(std::string_view text) {
    std::string out = text.find('\\') == std::string_view::npos ? "'" : " E'";
    for (const char c : text) out.append(c == '\'' || c == '\\' ? 2 : 1, c);
    return out + '\'';
}

std::optional<std::string> integer_of(std::string_view bytes) {
    if (bytes.size() != 2 && bytes.size() != 4 && bytes.size() != 8) return std::nullopt;
    std::uint64_t value = (bytes[0] & 0x80) ? ~std::uint64_t{0} : 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return std::to_string(static_cast<std::int64_t>(value));
}

bool is_integer(std::uint32_t type) {
    return type == oid::int2 || type == oid::int4 || type == oid::int8;
}

/// Whether the column's type has the number: the parameter's own may be a wider one, from where it stands first.
bool has_number(std::uint32_t column, std::string_view text) {
    canonical_key number;
    if (!canonical_from_parameter(key_type::integer, oid::unspecified, false, text, number)) return false;
    std::int64_t value = 0;
    const auto* stop = number.text.data() + number.text.size();
    const auto [end, error] = std::from_chars(number.text.data(), stop, value);
    if (error != std::errc{} || end != stop) return false;
    if (column == oid::int2) return value == static_cast<std::int16_t>(value);
    return column == oid::int8 || value == static_cast<std::int32_t>(value);
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::optional<std::string> parameter_text(const parameter& given, const value_source& from, std::uint32_t column,
                                          bool hides_ascii) {
    if (given.is_null) return std::nullopt;
    const bool declared = !is_undeclared(given);
    if (!declared && from.unsure) {
        const bool certain = (is_integer(column) || column == oid::numeric) && !from.array && is_same_number(given);
        return certain ? std::optional(std::string(given.bytes)) : std::nullopt;
    }
    const auto wanted = declared ? given.type_oid : column;
    const auto type = std::find_if(types.begin(), types.end(), [&](const simple_type& each) {
        return (from.array && declared ? each.array : each.oid) == wanted;
    });
    if (type == types.end()) return std::nullopt;
    std::string text(given.bytes);
    if (given.binary) {
        const bool integer = is_integer(type->oid);
        const bool string = type->oid == oid::text || type->oid == oid::varchar;
        if (from.array || (!integer && !string)) return std::nullopt;
        if (integer) {
            const auto number = integer_of(given.bytes);
            if (!number) return std::nullopt;
            text = *number;
        }
    }
    if (!declared && !from.array && is_integer(column) && !has_number(column, text)) return std::nullopt;
    if (hides_ascii && !is_ascii(text)) return std::nullopt;
    auto out = quoted_text(text);
    if (declared) out += fmt::format("::pg_catalog.{}{}", type->name, from.array ? "[]" : "");
    return out;
}

/// 'now', 'today' and their like mean another time on each server.
bool may_mean_now(std::uint32_t column, std::string_view text) {
    if (column != oid::date && column != oid::timestamp && column != oid::timestamptz) return false;
    return std::any_of(text.begin(), text.end(), [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; });
}

/// In a list its type may be that of all values, where the filter would take the column's: a time as a date.
bool is_other_time(const value_source& from, const values& with, std::uint32_t column) {
    if (column != oid::date && column != oid::timestamp && column != oid::timestamptz) return false;
    if (from.what != value_source::from::parameter || from.index >= with.parameters.size()) return false;
    const auto& given = with.parameters[from.index];
    return !is_undeclared(given) && given.type_oid != column;
}

/// Types whose equality and whose reading of a text are the server's own.
bool is_known(std::uint32_t column) {
    return column == oid::bpchar || column == oid::bytea ||
           std::any_of(types.begin(), types.end(), [column](const simple_type& each) { return each.oid == column; });
}

std::optional<std::string> text_of(const value_source& from, const values& with, std::uint32_t column,
                                   bool hides_ascii) {
    if (!from.cast.empty()) return std::nullopt;
    switch (from.what) {
        case value_source::from::literal: {
            if (from.index >= with.literals.size()) return std::nullopt;
            const auto& what = with.literals[from.index];
            const auto written = with.text.substr(what.offset, what.length);
            if ((from.negated && from.array) || may_mean_now(column, written)) return std::nullopt;
            if (hides_ascii && !is_ascii(written)) return std::nullopt;
            return fmt::format("{}{}", from.negated ? "-" : "", written);
        }
        case value_source::from::parameter:
            if (from.index >= with.parameters.size() ||
                (!with.parameters[from.index].binary && may_mean_now(column, with.parameters[from.index].bytes)))
                return std::nullopt;
            return parameter_text(with.parameters[from.index], from, column, hides_ascii);
        default:
            return std::nullopt;
    }
}

std::string_view operator_of(const gather_test& test) {
    static constexpr std::string_view all[] = {"<", "<=", ">", ">=", "<>", "LIKE", "IS NULL", "IS NOT NULL"};
    return all[static_cast<std::size_t>(*test.how)];
}

std::optional<std::string> condition(const gather_test& test, const values& with, bool hides_ascii) {
    if (test.how == comparison::kind::is_null || test.how == comparison::kind::is_not_null)
        return fmt::format("{} {}", quoted_name(test.column), operator_of(test));
    if (!is_known(test.type_oid)) return std::nullopt;
    std::string list;
    for (const auto& each : test.values) {
        const auto text = text_of(each, with, test.type_oid, hides_ascii);
        if (!text || (each.array && test.values.size() > 1)) return std::nullopt;
        if (test.values.size() > 1 && is_other_time(each, with, test.type_oid)) return std::nullopt;
        // A pattern that ends in a backslash fails, and only where a row is looked at.
        if (test.how == comparison::kind::like && text->find('\\') != std::string::npos) return std::nullopt;
        list += (list.empty() ? "" : ", ") + *text;
    }
    if (list.empty()) return std::nullopt;
    if (test.how) return fmt::format("{} {} {}", quoted_name(test.column), operator_of(test), list);
    const bool any = test.values.front().array;
    return fmt::format("{} {} ({})", quoted_name(test.column),
                       any                       ? "= ANY"
                       : test.values.size() == 1 ? "="
                                                 : "IN",
                       list);
}

}  // namespace

std::string quoted_name(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
}

std::vector<std::string> own_filters(const gather_recipe& all, const std::vector<std::string>& filters,
                                     const shard_map& map, std::uint16_t shard) {
    auto out = filters;
    if (!map.change || shard >= map.change->hidden.size() || map.change->hidden[shard].empty()) return out;
    for (std::size_t i = 0; i < all.tables.size(); ++i) {
        const auto key = key_text_sql(all.tables[i].type, quoted_name(all.tables[i].key));
        if (all.tables[i].key.empty() || key.empty()) continue;
        out[i] += fmt::format("{}{} IS NOT TRUE", out[i].empty() ? " WHERE " : " AND ",
                              in_arcs_sql(map.change->hidden[shard], key));
    }
    return out;
}

std::string filter_of(const gathered_table& table, const values& with, bool hides_ascii) {
    std::string out;
    if (!table.objects.empty()) out = " WHERE " + objects_guard(table.objects);
    for (const auto& test : table.tests)
        if (const auto text = condition(test, with, hides_ascii)) out += (out.empty() ? " WHERE " : " AND ") + *text;
    return out;
}

std::string guarded_filter_of(const gathered_table& table, const values& with, bool hides_ascii) {
    auto out = filter_of(table, with, hides_ascii);
    const auto guard = columns_guard({table.schema, table.name, table.columns, table.types, table.all, false});
    if (!guard.empty()) out += (out.empty() ? " WHERE " : " AND ") + guard;
    return out;
}

}  // namespace ringway::router
