#include "config/settings.hpp"

#include <algorithm>

namespace ringway::config {

namespace {

/// The entry of that name, else the one named "*", else null.
template <typename Entry>
const Entry* find_or_any(const std::vector<Entry>& entries, const std::string& name) {
    const auto named = [&](const std::string& wanted) {
        return std::find_if(entries.begin(), entries.end(), [&](const Entry& one) { return one.name == wanted; });
    };
    auto found = named(name);
    if (found == entries.end()) found = named("*");
    return found == entries.end() ? nullptr : &*found;
}

}  // namespace

std::string endpoint::text() const {
    const bool bracketed = host.find(':') != std::string::npos;
    return (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string table::key_title() const {
    if (by_schema) return "schema";
    auto out = key;
    for (const auto& each : further_keys) out += ", " + each;
    return out;
}

bool table::placed_as(const table& other) const {
    return function == other.function && map == other.map && unlisted_is_error == other.unlisted_is_error &&
           by_schema == other.by_schema && further_keys.size() == other.further_keys.size();
}

const cluster* settings::find_cluster(const std::string& name) const {
    return find_or_any(clusters, name);
}

bool is_plain_password(std::string_view password) noexcept {
    return !password.empty() && !password.starts_with("SCRAM-SHA-256$") &&
           !(password.size() == 35 && password.starts_with("md5"));
}

const user* settings::find_user(const std::string& name) const {
    return find_or_any(users, name);
}

}  // namespace ringway::config
