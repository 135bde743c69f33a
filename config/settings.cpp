#include "config/settings.hpp"

namespace ringway::config {

std::string endpoint::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

namespace {

template <class Entry>
const Entry* find(const std::vector<Entry>& in, const std::string& name) {
    const Entry* any = nullptr;
    for (const auto& each : in) {
        if (each.name == name) return &each;
        if (each.name == "*") any = &each;
    }
    return any;
}

}  // namespace

const cluster* settings::find_cluster(const std::string& name) const { return find(clusters, name); }
const user* settings::find_user(const std::string& name) const { return find(users, name); }

}  // namespace ringway::config
