#include "pool/session_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <mutex>

namespace ringway::pool {

namespace {

/// Weak references to every settings value alive; entries of dead ones are dropped as their map node is met again.
struct interned {
    std::mutex lock;
    std::map<session_settings::map, std::weak_ptr<const session_settings>> values;
    std::size_t sweep_at = 1024;
};

interned& table() {
    static interned the;
    return the;
}

bool comes_last(std::string_view name) {
    return name == "role" || name == "session_authorization";
}

}  // namespace

bool decides_reading(std::string_view name) noexcept {
    constexpr std::string_view names[] = {"array_nulls",
                                          "backslash_quote",
                                          "datestyle",
                                          "default_text_search_config",
                                          "escape_string_warning",
                                          "intervalstyle",
                                          "lc_monetary",
                                          "lc_numeric",
                                          "role",
                                          "search_path",
                                          "session_authorization",
                                          "standard_conforming_strings",
                                          "timezone",
                                          "timezone_abbreviations",
                                          "transform_null_equals",
                                          "xmlbinary",
                                          "xmloption"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

session_settings::session_settings(map entries) : entries_(std::move(entries)) {
    const std::hash<std::string_view> hash;
    for (const auto& [name, statement] : entries_)
        if (decides_reading(name)) reading_ = reading_ * 31 + hash(name) * 17 + hash(statement);
    static constexpr std::string_view word = "serializable";
    const auto* level = find("default_transaction_isolation");
    serializable_ = level && std::search(level->begin(), level->end(), word.begin(), word.end(),
                                         [](char a, char b) { return (a | 0x20) == b; }) != level->end();
}

settings_ref session_settings::none() {
    static const settings_ref empty = std::make_shared<const session_settings>(map{});
    return empty;
}

settings_ref session_settings::of(map entries) {
    if (entries.empty()) return none();
    auto& all = table();
    const std::lock_guard guard(all.lock);
    auto& slot = all.values[entries];
    if (auto alive = slot.lock()) return alive;
    auto made = std::make_shared<const session_settings>(std::move(entries));
    slot = made;
    if (all.values.size() > all.sweep_at) {
        std::erase_if(all.values, [](const auto& entry) { return entry.second.expired(); });
        all.sweep_at = 2 * all.values.size() + 1024;
    }
    return made;
}

settings_ref session_settings::with(std::string_view name, std::string statement) const {
    auto next = entries_;
    next.insert_or_assign(std::string(name), std::move(statement));
    return of(std::move(next));
}

settings_ref session_settings::without(std::string_view name) const {
    auto next = entries_;
    next.erase(std::string(name));
    return of(std::move(next));
}

const std::string* session_settings::find(std::string_view name) const {
    const auto it = entries_.find(name);
    return it == entries_.end() ? nullptr : &it->second;
}

std::string settings_change(const session_settings& from, const session_settings& to) {
    std::string sql;
    const auto add = [&sql](std::string_view statement) {
        sql += statement;
        sql += ";\n";
    };
    // A role taken by an earlier client is given up first: it may not have the right to change the rest.
    if (from.find("role")) add("RESET ROLE");
    if (from.find("session_authorization")) add("RESET SESSION AUTHORIZATION");
    for (const auto& [name, statement] : from.entries())
        if (!comes_last(name) && !to.find(name)) add(fmt::format("RESET {}", name));
    for (const auto& [name, statement] : to.entries()) {
        if (comes_last(name)) continue;
        const auto* has = from.find(name);
        if (!has || *has != statement) add(statement);
    }
    if (const auto* statement = to.find("session_authorization")) add(*statement);
    if (const auto* statement = to.find("role")) add(*statement);
    return sql;
}

std::string quote_literal(std::string_view text) {
    const bool escape = text.find('\\') != std::string_view::npos;
    std::string out = escape ? " E'" : "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
    return out;
}

std::string set_config_statement(std::string_view name, std::string_view value) {
    return fmt::format("SELECT pg_catalog.set_config({}, {}, false)", quote_literal(name), quote_literal(value));
}

}  // namespace ringway::pool
