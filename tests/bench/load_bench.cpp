// What counting a statement for SHOW SHARDS costs, beside its route: of one key again and again, and of keys that are
// all new. Prints nanoseconds (the best of several rounds) and heap allocations for each. Exit 1 when any allocates.

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <vector>

#include "proxy/net/shard_load.hpp"
#include "tests/bench/allocations.hpp"

int main() {
    using namespace ringway;
    config::cluster cluster;
    cluster.name = "bench";
    for (const auto* name : {"s0", "s1"}) cluster.shards.push_back({name, {}, 1});
    cluster.tables.push_back({"orders", "user_id", false, config::sharding_function::ring, {}});
    const auto map = router::make_shard_map(cluster, 1);
    bool failed = false;
    for (const bool known : {true, false}) {
        std::vector<std::string> keys;
        for (int i = 0; i < 4096; ++i) keys.push_back(std::to_string(known ? 4711 : i));
        proxy::shard_load load;
        constexpr int rounds = 15, executions = 200'000;
        double best = 1e9;
        std::size_t most = 0;
        for (int round = 0; round <= rounds; ++round) {
            const auto allocated = allocations;
            const auto start = std::chrono::steady_clock::now();
            for (std::size_t i = 0; i < executions; ++i) {
                const auto& key = keys[i % keys.size()];
                if (auto* seen = load.wants_key()) {
                    seen->found = true;
                    seen->length = static_cast<std::uint32_t>(key.size());
                    std::copy(key.begin(), key.end(), seen->bytes.begin());
                }
                load.count(0, *map);
            }
            const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
            if (round == 0) continue;  // warm
            best = std::min(best, took.count() / executions);
            most = std::max(most, allocations - allocated);
        }
        fmt::print("{:<34} {:>7.1f} ns {:>3} allocations\n", known ? "a known key" : "a new key each time", best, most);
        failed = failed || most > 0;
    }
    return failed ? 1 : 0;
}
