// [listen], [general], and the keys that are defaults or overrides of one another.

#include <fmt/format.h>

#include <array>

#include "config/toml/sections.hpp"
#include "config/toml/values.hpp"

namespace ringway::config::source {

namespace {

using namespace std::chrono_literals;
using lengths = range<milliseconds>;
using counts = range<std::uint32_t>;
using sizes = range<std::uint64_t>;

constexpr counts pool_sizes{1, 10'000}, idle_counts{0, 10'000};
constexpr lengths any_wait{0ms, 24h}, idle_times{0ms, 720h}, lags{1ms, 24h}, intervals{10ms, 1h};
/// A UNIX socket of state_dir has this name at the longest, and its whole path at most 107 bytes.
constexpr std::size_t longest_state_dir = 107 - std::string_view("/ringway-4194304.sock").size();

bool collide(const endpoint& a, const endpoint& b) {
    return same_address(a, b) || (a.port == b.port && (is_any_address(a.host) || is_any_address(b.host)));
}

}  // namespace

void read_listen(const node* from, listen& to, report& mistakes) {
    table_reader table(from, "listen", mistakes);
    struct place {
        std::string_view key;
        std::optional<endpoint>& at;
    };
    const std::array places{place{"postgres", to.postgres}, place{"mysql", to.mysql}, place{"admin", to.admin},
                            place{"admin_mysql", to.admin_mysql}, place{"http", to.http}};
    for (const auto& one : places) table.read(one.key, one.at);
    table.read_networks("proxy_protocol", to.proxy_protocol);
    for (std::size_t i = 1; i < places.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (!places[i].at || !places[j].at || !collide(*places[i].at, *places[j].at)) continue;
            table.wrong(places[i].key, fmt::format("\"{}\" collides with {} = \"{}\"; give each its own port",
                                                   places[i].at->text(), places[j].key, places[j].at->text()));
        }
    }
    table.finish();
}

void read_cluster_defaults(table_reader& from, cluster& to) {
    auto& pool = to.pool;
    from.read_word("pool_mode", pool.mode, pool_mode_words);
    from.read("pool_size", pool.size, pool_sizes);
    from.read("min_idle", pool.min_idle, idle_counts);
    from.read("reserve", pool.reserve, idle_counts);
    from.read("reserve_after", pool.reserve_after, any_wait);
    from.read("idle_timeout", pool.idle_timeout, idle_times);
    from.read("lifetime", pool.lifetime, idle_times);
    from.read("login_backoff", pool.login_backoff, lengths{10ms, 15s});
    from.read("query_wait_timeout", pool.query_wait_timeout, any_wait);
    from.read("connect_timeout", pool.connect_timeout, lengths{10ms, 10min});
    from.read_size("statement_cache", pool.statement_cache_bytes, sizes{1, 1u << 30});

    auto& reads = to.reads;
    from.read("read_splitting", reads.splitting);
    from.read_word("read_consistency", reads.consistency, consistency_words);
    from.read("max_lag", reads.max_lag, lags);
    from.read_word("balance", reads.how, balance_words);
    from.read_word("no_replica", reads.fallback, no_replica_words);

    from.read("health_interval", to.health_interval, intervals);
    from.read("watermark_interval", to.watermark_interval, intervals);
    from.read("check_timeout", to.check_timeout, lengths{10ms, 10min});
    from.read("failover_hold", to.failover_hold, lengths{0ms, 1h});
    from.read("max_ban", to.max_ban, lengths{10ms, 24h});
    from.read("cutover_timeout", to.cutover_timeout, lengths{10ms, 60s});
    from.read("cleanup_delay", to.cleanup_delay, lengths{0ms, 24h * 7});
    from.read("undo_time", to.undo_time, lengths{0ms, 24h * 30});
    from.read("hot_keys", to.hot_keys);
}

void read_overrides(table_reader& from, overrides& to) {
    pool_mode mode{};
    if (from.read_word("pool_mode", mode, pool_mode_words)) to.mode = mode;
    from.read_optional("pool_size", to.pool_size, pool_sizes);
    from.read_optional("min_idle", to.min_idle, idle_counts);
    from.read_optional("reserve", to.reserve, idle_counts);
    from.read_optional("query_wait_timeout", to.query_wait_timeout, any_wait);
    read_consistency consistency{};
    if (from.read_word("read_consistency", consistency, consistency_words)) to.consistency = consistency;
    from.read_optional("max_lag", to.max_lag, lags);
}

void read_general(const node* from, general& to, defaults& for_clusters, report& mistakes) {
    table_reader table(from, "general", mistakes);
    table.read("workers", to.workers, counts{0, 64});
    table.read("max_clients", to.max_clients, counts{1, 1'000'000});
    if (table.read("state_dir", to.state_dir)) to.state_dir = mistakes.resolve(to.state_dir);
    if (to.state_dir.size() > longest_state_dir)
        table.wrong("state_dir",
                    fmt::format("\"{}\" is too long for the sockets that stand there; {} bytes at the most",
                                to.state_dir, longest_state_dir));
    table.read_word("log_level", to.log_level, log_level_words);
    table.read("log_queries", to.log_queries);
    table.read("drain_timeout", to.drain_timeout, any_wait);
    table.read("client_login_timeout", to.client_login_timeout, lengths{10ms, 1h});
    table.read("client_idle_timeout", to.client_idle_timeout, idle_times);
    table.read("idle_transaction_timeout", to.idle_transaction_timeout, idle_times);
    table.read("plan_cache_entries", to.plan_cache_entries, sizes{1, 10'000'000});
    table.read_size("max_parse_bytes", to.max_parse_bytes, sizes{1u << 10, 1u << 30});
    table.read_size("max_prepared_bytes", to.max_prepared_bytes, sizes{1u << 10, 1ull << 34});
    read_cluster_defaults(table, for_clusters.cluster);
    table.finish();
}

}  // namespace ringway::config::source
