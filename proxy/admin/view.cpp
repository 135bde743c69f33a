#include "proxy/admin/view.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "config/nearest.hpp"

namespace ringway::proxy::admin {

instant instant::now() {
    return {std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
}

const view& view_of(subject about) {
    static const auto all = [] {
        std::array<const view*, subject_count> by_subject{};
        for (const auto group : {session_views(), traffic_views(), setting_views(), cluster_views(), shard_views(),
                                 ring_views(), plan_views(), rebalance_views()})
            for (const auto& one : group) by_subject[static_cast<std::size_t>(one.about)] = &one;
        return by_subject;
    }();
    return *all[static_cast<std::size_t>(about)];
}

std::variant<const config::cluster*, config::fault> find_cluster(const config::settings& in, const std::string& name) {
    if (const auto* found = in.find_cluster(name)) return found;
    std::vector<std::string_view> names;
    for (const auto& one : in.clusters) names.push_back(one.name);
    const auto near = config::nearest(name, names);
    return config::fault{
        config::fault_kind::unknown_cluster,
        fmt::format("there is no cluster \"{}\"", name),
        {},
        near.empty() ? "SHOW DATABASES lists the clusters" : fmt::format("did you mean \"{}\"?", near)};
}

std::pair<std::string, std::string> split_address(const std::string& address) {
    const auto colon = address.rfind(':');
    const bool bare_ipv6 = colon != std::string::npos && address.find(':') != colon && !address.starts_with('[');
    if (colon == std::string::npos || bare_ipv6) return {address, {}};
    auto host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return {host, address.substr(colon + 1)};
}

std::pair<std::int64_t, std::int64_t> split_seconds(double seconds) {
    const auto total = static_cast<std::int64_t>(std::llround(seconds * 1e6));
    return {total / 1'000'000, total % 1'000'000};
}

}  // namespace ringway::proxy::admin
