#pragma once
// What is known of the servers' health: an immutable snapshot, made by the monitor, read by workers without a lock.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"

namespace ringway::pool {

using steady_time = std::chrono::steady_clock::time_point;

enum class node_role : std::uint8_t { unknown, primary, replica };

/// What a MySQL server says of itself before anybody asks: a client is told the same.
struct server_traits {
    std::string version;  ///< as in its greeting
    std::uint64_t capabilities = 0;
    std::uint8_t collation = 0;
    bool folds_tables = false;  ///< lower_case_table_names is not 0
    friend bool operator==(const server_traits&, const server_traits&) = default;
};

struct node_health {
    config::endpoint address;
    node_role role = node_role::unknown;
    bool usable = false;    ///< answers in time, not banned, breaker closed
    bool replaying = true;  ///< for replicas: the WAL receiver or replay goes on
    std::uint32_t timeline = 0;
    std::uint64_t lsn = 0;    ///< primary: current; replica: replayed
    steady_time watermark{};  ///< replicas: newest primary sample time it has applied; primary: the sample's own time
    std::chrono::milliseconds lag{
        -1};  ///< now - watermark when sampled; -1: unknown (never usable in session or bounded mode)
    std::uint64_t lag_bytes = 0;
    double weight = 1;
    server_traits traits;
    std::string reason;  ///< why it is not usable; empty when it is
};

struct shard_health {
    std::vector<node_health> nodes;  ///< in the configuration's order
    int primary = -1;                ///< index; -1: none in order
    std::string reason;              ///< why there is no primary ("two primaries on timeline 3", ...)
};

struct cluster_health {
    std::string cluster;
    std::uint64_t version = 0;
    steady_time taken{};
    std::vector<shard_health> shards;
};

/// What a read asks for.
struct read_wish {
    config::read_consistency mode = config::read_consistency::session;
    steady_time last_write{};  ///< the session's last acknowledged write; epoch zero: none
    std::chrono::milliseconds max_lag{5000};
    bool require_replica = false;  ///< hint role=replica
};

/// A chosen node, or why none.
struct choice {
    int node = -1;
    bool hold = false;  ///< no primary now: wait up to failover_hold
    std::optional<config::fault> why;
};

/// State of one worker's balancing for one shard.
struct balance_state {
    std::uint32_t next = 0;
    std::uint64_t seed = 0x9e3779b97f4a7c15ull;
    std::vector<std::uint32_t> in_use;  ///< leases out per node, for least_connections
    std::vector<double> credit;         ///< for smooth weighted round robin
};

choice choose_primary(const shard_health& shard);
/// Pure: the same inputs give the same choice. Falls back as `fallback` says.
choice choose_for_read(const shard_health& shard, const read_wish& wish, const config::read_rules& rules,
                       steady_time now, balance_state& state);

}  // namespace ringway::pool
