// What the shards have to do, put together from what each worker has counted.

#include <algorithm>
#include <map>
#include <mutex>

#include "proxy/control/runtime.hpp"

namespace ringway::proxy {

namespace {

constexpr std::size_t most_keys = 10;  ///< of a shard that are told

/// One key of one shard. Tables on the ring share their keys' places: a key is one, whatever table it was named for.
struct key_name {
    std::string table, key;
    friend auto operator<=>(const key_name&, const key_name&) = default;
};
struct key_count {
    std::uint64_t times = 0, most = 0;
    std::string table;  ///< for which it came most often
    bool on_ring = false;
};
struct shard_sums {
    double statements_per_second = 0;
    std::uint64_t looked_at = 0, on_ring = 0;
    std::map<key_name, key_count> keys;
};
struct gathered {
    std::mutex lock;
    std::map<std::pair<std::string, std::size_t>, shard_sums> shards;
};

void add_keys(const key_sketch& from, const router::shard_map& map, std::map<key_name, key_count>& to) {
    for (const auto& each : from.entries()) {
        if (each.at_least() == 0 || each.table >= map.tables.size()) continue;
        const auto& table = map.tables[each.table];
        const bool on_ring = table.function == config::sharding_function::ring;
        auto& sum = to[{on_ring ? std::string() : table.name, std::string(each.text())}];
        sum.times += each.at_least();
        sum.on_ring = on_ring;
        if (each.at_least() > sum.most) {
            sum.most = each.at_least();
            sum.table = table.name;
        }
    }
}

void add_slot(const std::string& name, const cluster_slot& slot, shard_load::steady_time now, gathered& to) {
    const auto seconds = std::max(slot.load.seconds(now), 1.0);
    for (std::size_t shard = 0; shard < slot.load.shards(); ++shard) {
        const auto here = slot.load.of(shard);
        auto& sum = to.shards[{name, shard}];
        sum.statements_per_second += static_cast<double>(here.statements) / seconds;
        sum.looked_at += here.looked_at;
        sum.on_ring += here.on_ring;
        for (const auto* each : here.keys) add_keys(*each, *slot.now->map, sum.keys);
    }
}

shard_load_row row_of(const std::string& cluster, std::size_t shard, const shard_sums& from) {
    shard_load_row out{cluster, shard, from.statements_per_second, 0, from.looked_at, {}};
    if (from.looked_at == 0) return out;
    const auto all = static_cast<double>(from.looked_at);
    out.on_ring = static_cast<double>(from.on_ring) / all;
    for (const auto& [name, count] : from.keys)
        out.hottest.push_back({count.table, name.key, count.on_ring, static_cast<double>(count.times) / all});
    std::stable_sort(out.hottest.begin(), out.hottest.end(),
                     [](const hot_key& a, const hot_key& b) { return a.share > b.share; });
    if (out.hottest.size() > most_keys) out.hottest.resize(most_keys);
    return out;
}

}  // namespace

std::vector<shard_load_row> runtime::loads() {
    const auto all = std::make_shared<gathered>();
    on_every_worker([all](worker& on) {
        const auto now = std::chrono::steady_clock::now();
        const std::lock_guard guard(all->lock);
        for (const auto& [name, slot] : on.slots) add_slot(name, *slot, now, *all);
    });
    std::vector<shard_load_row> out;
    const std::lock_guard guard(all->lock);
    for (const auto& [which, sums] : all->shards) out.push_back(row_of(which.first, which.second, sums));
    return out;
}

}  // namespace ringway::proxy
