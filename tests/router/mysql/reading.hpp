#pragma once
// What the parser says, in short.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "router/mysql/parse.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router::mysql_tests {

inline analysis read(std::string_view text, const mysql_modes& modes = {}) {
    CAPTURE(text);
    auto out = parse_mysql(text, modes);
    CHECK_MESSAGE(out.error.empty(), out.error);
    return out;
}

inline statement one(std::string_view text, const mysql_modes& modes = {}) {
    auto out = read(text, modes);
    CAPTURE(text);
    REQUIRE(out.statements.size() == 1);
    return std::move(out.statements.front());
}

inline mysql_modes oracle_mysql(std::uint32_t version) {
    mysql_modes out;
    out.mariadb = false;
    out.version = version;
    return out;
}

/// A value in the text's words: 5, 'x', ?0, NULL, =1 for a constant, unknown; with a cast in front.
inline std::string shown(const value_source& value, std::string_view text, const mysql_modes& modes = {}) {
    std::string out = value.cast.empty() ? "" : value.cast + " ";
    if (value.negated) out += "-";
    switch (value.what) {
        case value_source::from::literal: {
            mysql_shape_lexer lexer;
            const auto where = lexer.scan(text, modes).literals[value.index];
            return out + std::string(text.substr(where.offset, where.length));
        }
        case value_source::from::parameter:
            return out + "?" + std::to_string(value.index);
        case value_source::from::null:
            return out + "NULL";
        case value_source::from::constant:
            return out + "=" + value.constant;
        case value_source::from::unknown:
            return value.constant.empty() ? "unknown" : "unknown " + value.constant;
    }
    return out;
}

inline std::string shown(const column_ref& column) {
    return (column.schema.empty() ? "" : column.schema + ".") + (column.table.empty() ? "" : column.table + ".") +
           column.column;
}

/// "t.id: 1 2; a: ?0": the tests of a block itself.
inline std::string tests_of(const query_block& block, std::string_view text, const mysql_modes& modes = {}) {
    std::string out;
    for (const auto& test : block.tests) {
        out += (out.empty() ? "" : "; ") + shown(test.column) + ":";
        for (const auto& value : test.values) out += " " + shown(value, text, modes);
    }
    return out;
}

inline std::string tests_of(std::string_view text, const mysql_modes& modes = {}) {
    return tests_of(one(text, modes).block, text, modes);
}

/// "t; shop.u AS x!": the tables of a block itself, ! for those that are written.
inline std::string tables_of(const query_block& block) {
    std::string out;
    for (const auto& table : block.tables)
        out += (out.empty() ? "" : "; ") + (table.schema.empty() ? "" : table.schema + ".") + table.name +
               (table.alias.empty() ? "" : " AS " + table.alias) + (table.written ? "!" : "");
    return out;
}

/// "set sql_mode 'x'; pin user lock".
inline std::string effects_of(const statement& what, std::string_view text, const mysql_modes& modes = {}) {
    static constexpr std::string_view names[] = {"set",
                                                 "set_local",
                                                 "reset",
                                                 "reset_all",
                                                 "set_config",
                                                 "settings_unknown",
                                                 "pin",
                                                 "unpin_listen",
                                                 "unpin_locks",
                                                 "discard_all",
                                                 "discard_plans",
                                                 "discard_temp",
                                                 "discard_sequences",
                                                 "prepare",
                                                 "execute",
                                                 "deallocate",
                                                 "catalog_changed",
                                                 "set_global",
                                                 "set_user_variable",
                                                 "use_database",
                                                 "execute_immediate",
                                                 "drop_temporary",
                                                 "handler_close",
                                                 "unlock_tables",
                                                 "unlock_backup",
                                                 "unpin_lock",
                                                 "kill"};
    std::string out;
    for (const auto& each : what.effects) {
        out += (out.empty() ? "" : "; ") + std::string(names[static_cast<std::size_t>(each.what)]);
        if (!each.name.empty()) out += " " + each.name;
        if (!each.pin.empty()) out += " " + each.pin;
        for (const auto& value : each.values) out += " " + shown(value, text, modes);
    }
    return out;
}

inline std::string effects_of(std::string_view text, const mysql_modes& modes = {}) {
    return effects_of(one(text, modes), text, modes);
}

inline std::string functions_of(const statement& what) {
    std::string out;
    for (const auto& [schema, name] : what.functions)
        out += (out.empty() ? "" : " ") + (schema.empty() ? "" : schema + ".") + name;
    return out;
}

}  // namespace ringway::router::mysql_tests
