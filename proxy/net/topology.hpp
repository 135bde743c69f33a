#pragma once
// One worker's view of a cluster: what its sessions read without a lock. Replaced piecewise by messages to the worker.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/settings.hpp"
#include "pool/health.hpp"
#include "pool/pool.hpp"
#include "proxy/net/shard_load.hpp"
#include "router/catalog.hpp"
#include "router/own_types.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

/// Held by whoever still works on a client's CancelRequest: when it is gone the request's connection ends, which tells
/// the client that what it sends from now on will not be hit.
using cancel_waiter = std::shared_ptr<const void>;

/// Counters of one worker for one cluster; read by others now and then (plain loads and stores of 64 bits, one writer).
struct traffic_counters {
    std::uint64_t transactions = 0, statements = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t transaction_microseconds = 0, statement_microseconds = 0, wait_microseconds = 0;
    std::uint64_t reads_on_replica = 0, reads_on_primary = 0, writes = 0, retries = 0, refusals = 0;
};

/// Counts the changes of a cluster's schema that have come by: a statement prepared before one is not for a client that
/// prepares it after it.
using schema_epoch = std::atomic<std::uint64_t>;

/// DDL under way; when it ends, however it ends, the epoch does.
class schema_change {
  public:
    explicit schema_change(std::shared_ptr<schema_epoch> of) : of_(std::move(of)) {}
    schema_change(const schema_change&) = delete;
    schema_change& operator=(const schema_change&) = delete;
    ~schema_change() { of_->fetch_add(1, std::memory_order_acq_rel); }

  private:
    std::shared_ptr<schema_epoch> of_;
};

/// What a cluster is, by configuration. Immutable.
struct cluster_snapshot {
    config::cluster config;     ///< `name` is what clients asked for, also for "*"
    std::string configured_as;  ///< "*" or the name
    std::shared_ptr<const router::shard_map> map;
    std::shared_ptr<const protocol::tls_context> server_tls;
    std::uint64_t epoch = 0;
    std::uint64_t max_parse_bytes = 1u << 20, max_prepared_bytes = 16u << 20;  ///< from [general]
    bool log_queries = false;                                                  ///< likewise
    /// Whose turn it is among a shard's replicas, by shard; one for all workers, so that reads alternate whoever serves
    /// them.
    std::shared_ptr<std::deque<std::atomic<std::uint32_t>>> turns;
    /// When rows have come to shards by a cutover: older states of replicas may lack them.
    pool::steady_time rows_since{};
    std::shared_ptr<schema_epoch> schema;  ///< one for all workers, and for all databases of "*"
};

/// A user of a cluster, on this worker: limits with the user's overrides applied, and the pools.
struct account {
    std::string user;
    std::string role;  ///< the user's oid on the servers, where its login has asked for it
    config::pool_limits limits;
    config::read_rules reads;
    std::shared_ptr<const pool::server_target> login;             ///< address is filled in per node
    std::vector<std::vector<std::shared_ptr<pool::pool>>> pools;  ///< [shard][node]; null until needed
    /// ParameterStatus for new clients, by the settings they start with; filled as servers answer.
    std::unordered_map<pool::settings_ref, std::shared_ptr<const pool::parameter_list>> greetings;
    pool::steady_time unused_since{};  ///< no session has it
};

struct cluster_slot {
    std::shared_ptr<const cluster_snapshot> now;
    std::shared_ptr<const pool::cluster_health> health;  ///< null until the first check
    std::shared_ptr<const router::catalog> catalog;      ///< null until read
    std::uint64_t catalog_schema = 0;                    ///< schema_epoch when its reading began
    std::shared_ptr<const router::own_types> types;      ///< read with it; null: the same on every shard
    std::vector<pool::balance_state> balance;            ///< by shard
    std::unordered_map<std::string, std::shared_ptr<account>> accounts;
    traffic_counters traffic;
    shard_load load;
    bool paused = false;
    bool fenced = false;  ///< writes to rows on the move wait (shard_map::change)
    pool::steady_time created = std::chrono::steady_clock::now();
};

}  // namespace ringway::proxy
