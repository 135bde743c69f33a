#include "proxy/control/mysql_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "router/lexical.hpp"

namespace ringway::proxy {

namespace {

constexpr const char* columns_query =
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, COLUMN_NAME AS c, DATA_TYPE AS t, COLUMN_TYPE AS ct, "
    "CHARACTER_MAXIMUM_LENGTH AS l, NUMERIC_PRECISION AS p, NUMERIC_SCALE AS sc, DATETIME_PRECISION AS dp, "
    "CHARACTER_SET_NAME AS cs, COLLATION_NAME AS co, EXTRA AS e, COLUMN_DEFAULT IS NOT NULL OR IS_NULLABLE = 'YES' "
    "AS d FROM "
    "information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') "
    "ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
constexpr const char* foreign_keys_query =
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, CONSTRAINT_NAME AS k, COLUMN_NAME AS c, REFERENCED_TABLE_SCHEMA AS ts, "
    "REFERENCED_TABLE_NAME AS tn, REFERENCED_COLUMN_NAME AS tc FROM information_schema.KEY_COLUMN_USAGE WHERE "
    "REFERENCED_TABLE_NAME IS NOT NULL ORDER BY 1, 2, 3, ORDINAL_POSITION";
constexpr const char* triggers_query =
    "SELECT EVENT_OBJECT_SCHEMA AS s, EVENT_OBJECT_TABLE AS n, TRIGGER_NAME AS g, ACTION_STATEMENT AS b FROM "
    "information_schema.TRIGGERS ORDER BY 1, 2, 3";
constexpr const char* drawing_query =
    "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, COLUMN_DEFAULT AS b FROM information_schema.COLUMNS WHERE "
    "COLUMN_DEFAULT LIKE '%nextval(%' ORDER BY 1, 2, ORDINAL_POSITION";
constexpr const char* privileges_query =
    "SELECT '*' AS s FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' UNION SELECT "
    "TABLE_SCHEMA "
    "FROM information_schema.SCHEMA_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' ORDER BY 1";

std::string text_of(const pool::mysql_row& row, std::string_view name) {
    const auto it = row.find(name);
    return it == row.end() ? std::string() : it->second.value_or("");
}

std::uint32_t number_of(const pool::mysql_row& row, std::string_view name) {
    const auto text = text_of(row, name);
    std::uint64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(out, UINT32_MAX));
}

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), router::lexical::lower);
    return text;
}

/// Collations that tell printable ASCII characters apart but for the case of letters, and have none that do not count:
/// tests/e2e/test_mysql_collations.py asks servers.
bool folds_case_only(std::string_view charset, std::string_view collation) {
    static constexpr std::array<std::string_view, 12> known{
        "general_ci", "general_nopad_ci",     "unicode_ci",       "unicode_nopad_ci",
        "swedish_ci", "unicode_520_nopad_ci", "unicode_520_ci",   "uca1400_ai_ci",
        "0900_ai_ci", "0900_as_ci",           "swedish_nopad_ci", "uca1400_as_ci"};
    if (!collation.starts_with(charset) || collation.size() <= charset.size()) return false;
    collation.remove_prefix(charset.size() + 1);
    const bool swedish = collation.starts_with("swedish");  // in Unicode another one
    return (!swedish || charset == "latin1") && std::find(known.begin(), known.end(), collation) != known.end();
}

void describe_text(const pool::mysql_row& row, router::catalog_column& out) {
    const auto charset = text_of(row, "cs"), collation = text_of(row, "co");
    static constexpr std::array<std::string_view, 5> with_ascii{"ascii", "latin1", "utf8", "utf8mb3", "utf8mb4"};
    if (std::find(with_ascii.begin(), with_ascii.end(), charset) == with_ascii.end()) return;
    auto& more = out.mysql;
    more.folds_case = folds_case_only(charset, collation);
    if (!more.folds_case && !collation.ends_with("_bin")) return;
    more.ascii_only = !charset.starts_with("utf8");
    more.scale = charset == "utf8mb4" ? 4 : charset.starts_with("utf8") ? 3 : 1;
    more.length = number_of(row, "l");
    out.type = router::key_type::text;
}

}  // namespace

void describe_mysql_column(const pool::mysql_row& row, router::catalog_column& out) {
    using router::key_type;
    const auto type = text_of(row, "t"), full = text_of(row, "ct"), extra = lowered(text_of(row, "e"));
    auto& more = out.mysql;
    more.is_unsigned = full.find("unsigned") != std::string::npos;
    more.counts_up = extra.find("auto_increment") != std::string::npos;
    out.has_default = text_of(row, "d") == "1" || more.counts_up;
    out.generated = extra.find("virtual") != std::string::npos || extra.find("stored") != std::string::npos ||
                    extra.find("persistent") != std::string::npos || extra.find("on update") != std::string::npos;
    static const std::map<std::string, std::uint8_t, std::less<>> integers{
        {"tinyint", 1}, {"smallint", 2}, {"mediumint", 3}, {"int", 4}, {"bigint", 8}};
    if (const auto found = integers.find(type); found != integers.end()) {
        out.type = key_type::integer;
        more.digits = found->second;
    } else if (type == "decimal") {
        out.type = key_type::numeric;
        more.digits = static_cast<std::uint8_t>(number_of(row, "p"));
        more.scale = static_cast<std::uint8_t>(number_of(row, "sc"));
    } else if (type == "char" || type == "varchar") {
        describe_text(row, out);
    } else if (type == "binary" || type == "varbinary") {
        out.type = key_type::bytea;
        more.length = number_of(row, "l");
        more.padded = type == "binary";
    } else if (type == "date") {
        out.type = key_type::date;
    } else if (type == "datetime") {
        out.type = key_type::timestamp;
        more.scale = static_cast<std::uint8_t>(number_of(row, "dp"));
    } else if (type == "uuid") {
        out.type = key_type::uuid;
    }
}

bool mysql_column_rows::read(pool::mysql_control_connection& from, bool all, bool sequences) {
    if (sequences && from.query(drawing_query, drawing) != 0) return false;
    if (all && (from.query(columns_query, columns) != 0 || from.query(foreign_keys_query, foreign_keys) != 0))
        return false;
    return from.query(triggers_query, triggers) == 0 && from.query(privileges_query, privileges) == 0;
}

void mysql_column_rows::add_to(router::catalog& out, const mysql_bodies& bodies) const {
    const auto relation = [&out](const pool::mysql_row& row) -> router::catalog_relation* {
        const auto found = out.relations.find(text_of(row, "s") + "." + text_of(row, "n"));
        return found == out.relations.end() ? nullptr : &found->second;
    };
    std::map<std::string, std::uint16_t, std::less<>> collations;
    for (const auto& row : columns) {
        auto* const of = relation(row);
        if (!of) continue;
        router::catalog_column made;
        made.name = lowered(text_of(row, "c"));
        describe_mysql_column(row, made);
        const auto number = static_cast<std::uint16_t>(collations.size() + 1);
        made.mysql.collation = collations.try_emplace(text_of(row, "co"), number).first->second;
        of->columns.push_back(std::move(made));
    }
    std::string last;
    for (const auto& row : foreign_keys) {
        auto* const of = relation(row);
        if (!of) continue;
        auto name = text_of(row, "s") + "." + text_of(row, "n") + "." + text_of(row, "k");
        if (name != last) of->foreign_keys.push_back({text_of(row, "ts") + "." + text_of(row, "tn"), {}});
        last = std::move(name);
        of->foreign_keys.back().columns.emplace_back(lowered(text_of(row, "c")), lowered(text_of(row, "tc")));
    }
    for (const auto& row : triggers)
        if (auto* const of = relation(row))
            of->write_reach = fmt::format("trigger {} of {}", text_of(row, "g"), of->name);
    for (auto& [name, each] : out.relations) each.triggers_set = bodies.write_leaves(each.schema, each.name);
    const auto sees = [this](std::string_view schema) {
        return std::any_of(privileges.begin(), privileges.end(), [&](const pool::mysql_row& row) {
            const auto where = text_of(row, "s");
            return where == "*" || where == schema;
        });
    };
    for (auto& [name, each] : out.relations)
        if (each.kind == 'r' && each.write_reach.empty() && !sees(each.schema)) {
            each.write_reach =
                fmt::format("a trigger of {}, which monitor_user needs the TRIGGER privilege to see,", each.name);
            each.triggers_set |= bodies.untold();
        }
}

}  // namespace ringway::proxy
