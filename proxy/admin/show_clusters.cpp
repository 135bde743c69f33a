// SHOW LAG, BANS: the servers as the monitor sees them.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "proxy/admin/view.hpp"

namespace ringway::proxy::admin {

namespace {

using type = column_type;

std::string_view name_of(pool::node_role role) {
    switch (role) {
        case pool::node_role::primary:
            return "primary";
        case pool::node_role::replica:
            return "replica";
        case pool::node_role::unknown:
            break;
    }
    return "unknown";
}

/// A shard's name by its place in the configuration; its number while a reload is under way.
std::string shard_name(const config::cluster* of, std::size_t number) {
    return of && number < of->shards.size() ? of->shards[number].name : fmt::to_string(number);
}

bool is_banned(const std::vector<pool::ban>& bans, const config::endpoint& node) {
    return std::any_of(bans.begin(), bans.end(), [&](const pool::ban& one) { return one.node == node; });
}

std::string_view state_of(const pool::node_health& node, const std::vector<pool::ban>& bans) {
    if (is_banned(bans, node.address)) return "banned";
    if (!node.usable) return "down";
    return node.role == pool::node_role::replica && !node.replaying ? "stalled" : "up";
}

cell why_not_up(const pool::node_health& node, std::string_view state) {
    return state == "stalled" ? cell("it has stopped to replay: paused, or nothing comes from the primary")
                              : or_null(node.reason);
}

constexpr std::array lag_columns{column{"cluster"},
                                 column{"shard"},
                                 column{"node"},
                                 column{"role"},
                                 column{"state"},
                                 column{"lag_ms", type::int8},
                                 column{"lag_bytes", type::int8},
                                 column{"watermark_age_ms", type::int8},
                                 column{"reason"}};

row lag_row(const std::string& cluster, const std::string& shard, const pool::node_health& node,
            const std::vector<pool::ban>& bans, instant now) {
    using std::chrono::milliseconds;
    const bool known = node.lag.count() >= 0;
    const bool sampled = node.watermark != pool::steady_time{};
    const auto age = std::chrono::duration_cast<milliseconds>(now.steady - node.watermark);
    return make_row(cluster, shard, node.address.text(), name_of(node.role), state_of(node, bans),
                    known ? cell_of(node.lag) : cell{}, known ? cell_of(node.lag_bytes) : cell{},
                    sampled ? cell_of(std::max(age, milliseconds(0))) : cell{}, why_not_up(node, state_of(node, bans)));
}

rows_or_fault lag(const source& from) {
    const auto settings = from.of.settings();
    const auto bans = from.of.bans();
    row_list rows;
    for (const auto& cluster : from.of.health()) {
        const auto* configured = settings->find_cluster(cluster->cluster);
        for (std::size_t number = 0; number < cluster->shards.size(); ++number)
            for (const auto& node : cluster->shards[number].nodes)
                rows.push_back(lag_row(cluster->cluster, shard_name(configured, number), node, bans, from.now));
    }
    return rows;
}

constexpr std::array ban_columns{column{"cluster"},
                                 column{"node"},
                                 column{"reason"},
                                 column{"by"},
                                 column{"until", type::timestamptz},
                                 column{"remaining_ms", type::int8}};

rows_or_fault bans(const source& from) {
    using std::chrono::milliseconds;
    row_list rows;
    for (const auto& one : from.of.bans()) {
        // A ban without an end, or one so far off that the wall clock cannot hold it, shows NULL.
        const bool ends = one.until < from.now.steady + std::chrono::years(50);
        const auto remaining =
            ends ? std::max(std::chrono::duration_cast<milliseconds>(one.until - from.now.steady), milliseconds(0))
                 : milliseconds(0);
        rows.push_back(make_row(one.cluster, one.node.text(), one.reason, one.by_operator ? "operator" : "monitor",
                                ends ? cell_of(from.now.wall + remaining) : cell{},
                                ends ? cell_of(remaining) : cell{}));
    }
    return rows;
}

constexpr std::array views{
    view{subject::lag, "", "how far each node is behind", lag_columns, lag},
    view{subject::bans, "", "nodes taken out of rotation, why, and until when", ban_columns, bans},
};

}  // namespace

std::span<const view> cluster_views() {
    return views;
}

}  // namespace ringway::proxy::admin
