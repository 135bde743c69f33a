// Session variables: how they are replayed on another connection.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pool/mysql_server.hpp"

namespace ringway::pool {

namespace {

bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    if (text.empty() || text.front() == '.') return false;
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; }) &&
           std::count(text.begin(), text.end(), '.') <= 1;
}

/// Variables of text whose value may look like a number.
bool is_text(std::string_view name) {
    constexpr std::array names{
        "default_master_connection", "debug", "debug_dbug", "debug_sync", "innodb_tmpdir", "time_zone"};
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Shown as an empty text, which is none of their values, when they are not set.
bool may_be_null(std::string_view name) {
    constexpr std::array names{"character_set_results", "default_tmp_storage_engine", "enforce_storage_engine",
                               "innodb_ft_user_stopword_table", "innodb_tmpdir"};
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_simple(std::string_view value) {
    return std::all_of(value.begin(), value.end(),
                       [](char c) { return c >= ' ' && c < 127 && c != '\'' && c != '\\'; });
}

}  // namespace

std::string mysql_value_text(std::string_view name, std::string_view value) {
    if (is_number(value) && !is_text(name)) return std::string(value);
    if (value.empty() && may_be_null(name)) return "NULL";
    if (is_simple(value)) return fmt::format("'{}'", value);
    // No quoting means the same under every sql_mode and character set.
    std::string out = "CONVERT(0x";
    for (const char c : value) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out + " USING utf8mb4)";
}

const settings_ref& mysql_base_settings() {
    static const settings_ref base = session_settings::of({{"character_set_client", "'utf8mb4'"},
                                                           {"character_set_results", "'utf8mb4'"},
                                                           {"collation_connection", "'utf8mb4_general_ci'"}});
    return base;
}

std::string mysql_settings_change(const session_settings& from, const session_settings& to) {
    std::string sql;
    const auto add = [&sql](std::string_view name, std::string_view value) {
        fmt::format_to(std::back_inserter(sql), "{}@@SESSION.{}={}", sql.empty() ? "SET " : ",", name, value);
    };
    for (const auto& [name, value] : from.entries()) {
        if (to.find(name)) continue;
        // MySQL 5.6 takes the DEFAULT of these two for 0.
        const bool global = name == "unique_checks" || name == "foreign_key_checks";
        add(name, global ? "@@GLOBAL." + name : "DEFAULT");
    }
    for (const auto& [name, value] : to.entries()) {
        const auto* has = from.find(name);
        if (!has || *has != value) add(name, value);
    }
    return sql;
}

}  // namespace ringway::pool
