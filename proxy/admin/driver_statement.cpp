#include "proxy/admin/driver_statement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "proxy/cli/version.hpp"

namespace ringway::proxy::admin {

using config::fault;
using config::fault_kind;

namespace {

using setting = std::pair<std::string_view, std::string_view>;

constexpr std::array<setting, 11> reported{{
    {"application_name", ""},
    {"client_encoding", "UTF8"},
    {"DateStyle", "ISO, MDY"},
    {"default_transaction_read_only", "off"},
    {"in_hot_standby", "off"},
    {"integer_datetimes", "on"},
    {"IntervalStyle", "postgres"},
    {"server_encoding", "UTF8"},
    {"server_version", postgres_version},
    {"standard_conforming_strings", "on"},
    {"TimeZone", "UTC"},
}};

/// Known, but not reported.
constexpr std::array<setting, 15> others{{
    {"bytea_output", "hex"},
    {"client_min_messages", "notice"},
    {"default_transaction_isolation", "read committed"},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"jit", "off"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"row_security", "on"},
    {"search_path", "public"},
    {"server_version_num", postgres_version_number},
    {"statement_timeout", "0"},
    {"synchronize_seqscans", "on"},
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
}};

bool is_word(const token& what, std::string_view word) {
    return what.what == token::kind::word && same_word(what.text, word);
}

table one_row(std::string_view name, std::string_view value, std::string tag) {
    return {{{name, column_type::text}}, {{std::string(value)}}, std::move(tag)};
}

/// A setting's name and how many tokens it takes: some go by several words.
struct spelling {
    std::string name;
    std::size_t words = 1;
};

spelling setting_name(std::span<const token> words) {
    if (words.empty() || words[0].what == token::kind::string) return {};
    const auto at = [&](std::size_t i, std::string_view word) { return i < words.size() && is_word(words[i], word); };
    if (at(0, "time") && at(1, "zone")) return {"TimeZone", 2};
    if (at(0, "names")) return {"client_encoding", 1};
    if (at(0, "transaction") && at(1, "isolation") && at(2, "level")) return {"transaction_isolation", 3};
    return {words[0].text, 1};
}

fault not_changed_here(std::string_view name) {
    return {fault_kind::unsupported,
            fmt::format("\"{}\" cannot be set on the admin port", name),
            {},
            "edit the configuration file, then RELOAD"};
}

/// The functions without arguments that tools select when they connect.
std::optional<std::string> function_value(std::string_view name) {
    auto bare = lower_case(name);
    if (bare.starts_with("pg_catalog.")) bare.erase(0, 11);
    if (bare == "version") return fmt::format("PostgreSQL {} (Ringway {} admin port)", postgres_version, version);
    if (bare == "current_schema") return "public";
    if (bare == "current_database") return "ringway";
    if (bare == "pg_is_in_recovery") return "f";
    if (bare == "pg_advisory_unlock_all") return "";
    return std::nullopt;
}

/// Columns have names that live for ever.
std::string_view lasting_name(std::string_view function) {
    constexpr std::array<std::string_view, 5> names{"version", "current_schema", "current_database",
                                                    "pg_is_in_recovery", "pg_advisory_unlock_all"};
    for (const auto name : names)
        if (lower_case(function).ends_with(name)) return name;
    return "?column?";
}

bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text.size() <= std::numeric_limits<std::int32_t>::digits10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Reads one item of a SELECT list from the front of `words`. False: it is something else.
bool read_item(std::span<const token>& words, table& into) {
    const auto& first = words[0];
    if (first.what == token::kind::string || (first.what == token::kind::word && is_number(first.text))) {
        into.columns.push_back({"?column?", first.what == token::kind::string ? column_type::text : column_type::int4});
        into.rows[0].push_back(first.text);
        words = words.subspan(1);
        return true;
    }
    if (first.what != token::kind::word || words.size() < 3 || !words[1].is_symbol('(') || !words[2].is_symbol(')'))
        return false;
    const auto value = function_value(first.text);
    if (!value) return false;
    const auto name = lasting_name(first.text);
    into.columns.push_back({name, name == "pg_is_in_recovery" ? column_type::boolean : column_type::text});
    into.rows[0].push_back(value);
    words = words.subspan(3);
    return true;
}

}  // namespace

std::span<const setting> reported_settings() noexcept {
    return reported;
}

std::optional<std::string_view> session_setting(std::string_view name) noexcept {
    for (const auto& [known, value] : reported)
        if (same_word(known, name)) return value;
    for (const auto& [known, value] : others)
        if (same_word(known, name)) return value;
    return std::nullopt;
}

std::optional<table> answer_show(std::span<const token> words) {
    const auto [name, length] = setting_name(words);
    if (words.size() != length) return std::nullopt;
    const auto known = [&wanted = name](const setting& one) { return same_word(one.first, wanted); };
    if (const auto found = std::find_if(reported.begin(), reported.end(), known); found != reported.end())
        return one_row(found->first, found->second, "SHOW");
    if (const auto found = std::find_if(others.begin(), others.end(), known); found != others.end())
        return one_row(found->first, found->second, "SHOW");
    return std::nullopt;
}

result answer_set(std::string_view verb, std::span<const token> words) {
    if (!words.empty() && (is_word(words[0], "session") || is_word(words[0], "local")) && words.size() > 1 &&
        !words[1].is_symbol('='))
        words = words.subspan(1);
    if (words.empty()) return fault{fault_kind::syntax, fmt::format("{} needs the name of a setting", verb), {}, {}};
    const bool characteristics = is_word(words[0], "transaction") || is_word(words[0], "characteristics");
    const bool all = verb == "RESET" && is_word(words[0], "all");
    const auto name = setting_name(words).name;
    if (!characteristics && !all && !session_setting(name)) return not_changed_here(name);
    if (same_word(name, "client_encoding") && verb == "SET") {
        auto value = lower_case(words.back().text);
        std::erase_if(value, [](char c) { return c == '-' || c == '_'; });
        if (value != "utf8" && value != "unicode" && value != "sqlascii" && value != "default" && value != "auto")
            return fault{fault_kind::unsupported,
                         fmt::format("the admin port speaks UTF8, not \"{}\"", words.back().text),
                         {},
                         {}};
    }
    return table{{}, {}, std::string(verb)};
}

result answer_select(std::span<const token> words) {
    table reply{{}, {{}}, "SELECT 1"};
    bool understood = !words.empty();
    while (understood && !words.empty()) {
        understood = read_item(words, reply);
        if (!understood || words.empty()) break;
        understood = words[0].is_symbol(',') && words.size() > 1;
        words = words.subspan(1);
    }
    if (understood) return reply;
    return fault{fault_kind::unsupported,
                 "the admin port does not run SQL",
                 {},
                 "SHOW HELP lists its commands; connect to the [listen] postgres port for SQL"};
}

}  // namespace ringway::proxy::admin
