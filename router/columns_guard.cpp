#include "router/columns_guard.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/gather.hpp"
#include "router/object_types.hpp"

namespace ringway::router {

namespace {

constexpr std::string_view mark = "ringway: columns of ", objects_mark = "ringway: column ";

std::string text_of(std::string_view value) {
    std::string out = value.find('\\') == std::string_view::npos ? "'" : " E'";
    for (const char c : value) out.append(c == '\'' || c == '\\' ? 2 : 1, c);
    return out + '\'';
}

/// Within the users' own types there may be columns that name objects (objects_guard): only the server knows.
std::string objects_check(const guarded_columns& what, const std::string& relation, const std::string& names) {
    return fmt::format(
        "(WITH RECURSIVE inside (of, type) AS (SELECT attnum, atttypid FROM pg_catalog.pg_attribute WHERE attrelid = "
        "{0} AND attnum > 0 AND NOT attisdropped AND atttypid >= 16384 AND attname = ANY "
        "(ARRAY[{1}]::pg_catalog.name[]){2}) SELECT coalesce((SELECT {3} || attname || {4} || "
        "pg_catalog.format_type(type, NULL) || {5} FROM inside JOIN pg_catalog.pg_attribute ON attrelid = {0} AND "
        "attnum = of WHERE type IN ({6}) LIMIT 1), 'true'))::pg_catalog.bool",
        relation, names, parts_of_types_sql(), text_of(objects_mark),
        text_of(fmt::format(" of {} is of type ", what.table)), text_of(", whose values name objects of one server"),
        object_types_sql());
}

}  // namespace

std::string columns_guard(const guarded_columns& what) {
    if (what.names.empty()) return {};
    std::string names, types;
    for (std::size_t i = 0; i < what.names.size(); ++i) {
        names += (i ? ", " : "") + text_of(what.names[i]);
        types += fmt::format("{}{}", i ? ", " : "", what.types[i]);
    }
    const auto relation = text_of(quoted_name(what.schema) + "." + quoted_name(what.table)) + "::pg_catalog.regclass";
    // pg_type.dat: what users make has OIDs from 16384 on.
    std::string holds = fmt::format(
        "count(*) = {} AND bool_and(a.atttypid = e.type OR a.atttypid >= 16384 OR e.type >= 16384)", what.names.size());
    if (what.in_order) holds += " AND array_agg(e.place ORDER BY a.attnum) = array_agg(e.place ORDER BY e.place)";
    if (what.complete)
        holds += fmt::format(
            " AND (SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT "
            "attisdropped "
            "AND attgenerated = '') = {}",
            relation, what.names.size());
    const bool own = std::any_of(what.types.begin(), what.types.end(), [](auto type) { return type >= 16384; });
    const auto objects = own ? " AND " + objects_check(what, relation, names) : std::string();
    return fmt::format(
        "(SELECT CASE WHEN {} THEN 'true' ELSE {} END FROM ROWS FROM (pg_catalog.unnest(ARRAY[{}]::pg_catalog.text[]), "
        "pg_catalog.unnest(ARRAY[{}]::pg_catalog.oid[])) WITH ORDINALITY AS e(name, type, place) JOIN "
        "pg_catalog.pg_attribute a ON a.attrelid = {} AND a.attname = e.name AND a.attnum > 0 AND NOT "
        "a.attisdropped)::pg_catalog.bool{}",
        holds, text_of(fmt::format("{}{}.{}", mark, what.schema, what.table)), names, types, relation, objects);
}

std::string objects_guard(std::string_view why) {
    return text_of(fmt::format("ringway: {}", why)) + "::pg_catalog.bool";
}

bool is_guard_error(std::string_view sqlstate, std::string_view message) {
    return sqlstate == "22P02" && (message.find(mark) != message.npos || message.find(objects_mark) != message.npos);
}

config::fault guard_fault(std::string_view message) {
    if (const auto at = message.find(objects_mark); at != message.npos) {
        const auto why = message.substr(message.find(' ', at) + 1);
        return object_column_fault(std::string(why.substr(0, why.rfind('"'))));
    }
    const auto from = message.find(mark) + mark.size();
    const auto name = message.substr(from, message.find('"', from) - from);
    return {
        config::fault_kind::unsupported,
        fmt::format("the columns of {} are not the same on all shards, or not those that the catalogs told of", name),
        {},
        "make the shards' schemas the same; after a change repeat the statement"};
}

bool is_binary_error(std::string_view sqlstate, std::string_view message) {
    return sqlstate == "42883" && message.find("no binary ") != message.npos;
}

config::fault binary_fault(std::string_view message) {
    constexpr std::string_view before = " for type ";
    const auto at = message.rfind(before);
    return {config::fault_kind::unsupported,
            fmt::format("a column of type {} cannot be brought to another shard: it has no binary form",
                        at == message.npos ? "?" : message.substr(at + before.size())),
            {},
            "leave the column out, or cast it to text in a statement that names one shard"};
}

config::fault other_types_fault(std::string_view table) {
    return {config::fault_kind::unsupported,
            fmt::format("rows of {} cannot be brought together: it has arrays or rows of types that users have made",
                        table),
            "Their values have the OIDs that the types have on each shard.",
            "select without these columns, or cast them to text in a statement that names one shard"};
}

}  // namespace ringway::router
