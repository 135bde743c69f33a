// SHOW SHARDS and SHOW ADVICE: what each shard has and has to do, and what should move.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "proxy/admin/ring_share.hpp"
#include "proxy/admin/view.hpp"
#include "proxy/rebalance/advice.hpp"

namespace ringway::proxy::admin {

namespace {

using type = column_type;

constexpr std::size_t most_keys = 5;         ///< told of a shard
constexpr double least_share = 0.01;         ///< of its statements: a key that is told
constexpr std::uint64_t fewest_looked = 50;  ///< statements of a cluster: below it nothing is advised on their account

constexpr std::array shard_columns{column{"cluster"},
                                   column{"shard"},
                                   column{"weight", type::float8},
                                   column{"share", type::float8},
                                   column{"primary"},
                                   column{"replicas"},
                                   column{"out_of_rotation"},
                                   column{"reason"},
                                   column{"rows", type::int8},
                                   column{"bytes", type::int8},
                                   column{"statements_per_second", type::float8},
                                   column{"hottest_keys"}};

/// What was found out of one shard.
struct shard_state {
    const pool::shard_health* health = nullptr;
    cell share;
    std::optional<shard_size> size;
    const shard_load_row* load = nullptr;  ///< null: no statement has come to it
};

cell keys_cell(const shard_load_row* load) {
    std::vector<std::string> out;
    for (std::size_t i = 0; load && i < load->hottest.size() && i < most_keys; ++i) {
        const auto& one = load->hottest[i];
        if (one.share < least_share) break;
        out.push_back(fmt::format("{} {} ({:.0f}%)", one.table, rebalance::value_text(one.key), 100 * one.share));
    }
    return fmt::format("{}", fmt::join(out, ", "));
}

row shard_row(const std::string& cluster, const config::shard& shard, shard_state of, bool tells_keys) {
    std::vector<std::string> replicas, out;
    cell primary;
    for (std::size_t i = 0; of.health && i < of.health->nodes.size(); ++i) {
        const auto& node = of.health->nodes[i];
        if (static_cast<int>(i) == of.health->primary)
            primary = node.address.text();
        else
            (node.usable && node.replaying && node.role == pool::node_role::replica ? replicas : out)
                .push_back(node.address.text());
    }
    const auto rate = of.load ? std::round(of.load->statements_per_second * 10) / 10 : 0.0;
    return make_row(cluster, shard.name, shard.weight, std::move(of.share), std::move(primary),
                    fmt::format("{}", fmt::join(replicas, ", ")), fmt::format("{}", fmt::join(out, ", ")),
                    of.health ? or_null(of.health->reason) : cell("not checked yet"),
                    of.size ? cell_of(of.size->rows) : cell{}, of.size ? cell_of(of.size->bytes) : cell{}, rate,
                    tells_keys ? keys_cell(of.load) : cell{});
}

const shard_load_row* find_load(const std::vector<shard_load_row>& in, const std::string& cluster, std::size_t shard) {
    const auto found = std::find_if(
        in.begin(), in.end(), [&](const shard_load_row& one) { return one.cluster == cluster && one.shard == shard; });
    return found == in.end() ? nullptr : &*found;
}

rows_or_fault shards(const source& from) {
    const auto settings = from.of.settings();
    const auto health = from.of.health();
    const auto loads = from.of.loads();
    row_list rows;
    for (const auto& cluster : settings->clusters) {
        const auto found =
            std::find_if(health.begin(), health.end(), [&](const auto& one) { return one->cluster == cluster.name; });
        const auto map = from.of.map(cluster.name);
        const auto shares = map ? ring_shares(*map) : std::vector<ring_share>{};
        const auto sizes = from.of.sizes(cluster.name);
        for (std::size_t i = 0; i < cluster.shards.size(); ++i) {
            shard_state state;
            if (found != health.end() && i < (*found)->shards.size()) state.health = &(*found)->shards[i];
            if (i < shares.size()) state.share = cell_of(shares[i].share);
            if (i < sizes.size()) state.size = sizes[i];
            state.load = find_load(loads, cluster.name, i);
            const bool tells = from.tells_keys && cluster.hot_keys && cluster.is_sharded();
            rows.push_back(shard_row(cluster.name, cluster.shards[i], std::move(state), tells));
        }
    }
    return rows;
}

constexpr std::array advice_columns{column{"cluster"}, column{"shard"}, column{"command"}, column{"reason"}};

/// As the rules see it; nothing: of this one nothing can be moved now.
std::optional<rebalance::cluster_figures> figures_of(const source& from, const config::cluster& cluster,
                                                     const std::vector<shard_load_row>& loads) {
    const auto map = from.of.map(cluster.name);
    if (!map || map->change || cluster.engine != config::engine::postgres || !cluster.is_sharded() ||
        map->shards.size() != cluster.shards.size())
        return std::nullopt;
    const auto active = from.of.active_ring(cluster.name);
    const auto target = active ? router::target_of(*active, cluster) : router::ring_state_of(cluster);
    const auto sizes = from.of.sizes(cluster.name);
    rebalance::cluster_figures out;
    out.name = cluster.name;
    out.tells_keys = from.tells_keys;
    std::uint64_t looked_at = 0;
    for (std::size_t i = 0; i < cluster.shards.size(); ++i) {
        auto& one = out.shards.emplace_back();
        one.name = cluster.shards[i].name;
        one.weight = map->shards[i].weight;
        const auto* then = target.find(one.name);
        one.configured_weight = then ? then->weight : 0;
        out.ring_differs = out.ring_differs || one.weight != one.configured_weight;
        if (i < sizes.size() && sizes[i]) one.bytes = sizes[i]->ring_bytes;
        const auto* load = find_load(loads, cluster.name, i);
        if (!load) continue;
        looked_at += load->looked_at;
        one.statements_per_second = load->statements_per_second;
        one.ring_per_second = load->on_ring * load->statements_per_second;
        for (const auto& each : load->hottest)
            one.hottest.push_back({each.table, each.key, each.share * load->statements_per_second, each.on_ring});
    }
    out.enough_seen = looked_at >= fewest_looked;
    return out;
}

rows_or_fault advice(const source& from) {
    const auto settings = from.of.settings();
    const auto loads = from.of.loads();
    row_list rows;
    for (const auto& cluster : settings->clusters) {
        const auto figures = figures_of(from, cluster, loads);
        if (!figures) continue;
        for (auto& each : rebalance::advise(*figures)) {
            if (!cluster.rebalance)
                each.reason += fmt::format("; it needs rebalance = true in [clusters.{}]", cluster.name);
            rows.push_back(make_row(cluster.name, or_null(std::move(each.shard)), std::move(each.command),
                                    std::move(each.reason)));
        }
    }
    return rows;
}

constexpr std::array views{
    view{subject::shards, "", "the shards, who is primary, which replicas serve, what they have and have to do",
         shard_columns, shards},
    view{subject::advice, "", "what should move to other shards, and why", advice_columns, advice},
};

}  // namespace

std::span<const view> shard_views() {
    return views;
}

}  // namespace ringway::proxy::admin
