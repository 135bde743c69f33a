#pragma once
// What the admin port, /metrics and /api show: plain rows, gathered from the workers by proxy/control/runtime.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "pool/health.hpp"
#include "pool/monitor.hpp"
#include "proxy/rebalance/rebalancer.hpp"
#include "router/plan_cache.hpp"

namespace ringway::proxy {

using wall_time = std::chrono::system_clock::time_point;

/// One row of SHOW CLIENTS.
struct client_row {
    std::uint64_t id = 0;  ///< as KILL takes it; also the pid the client was told
    std::string user, cluster, address, application_name,
        state;  ///< state: "idle", "active", "waiting", "transaction", "login"
    std::uint16_t worker = 0;
    wall_time connected{}, requested{};
    double wait_seconds = 0;        ///< waiting for a lease now
    std::string tls;                ///< "" or "TLSv1.3/cipher"
    std::string server;             ///< "host:port/pid" of the held lease
    std::vector<std::string> pins;  ///< reasons
    std::uint32_t prepared_statements = 0;
};

/// One row of SHOW SERVERS.
struct server_row {
    std::uint64_t id = 0;
    std::string user, cluster, database, shard, address, state;  ///< "idle", "active", "used", "login", "cancel"
    std::uint32_t pid = 0;                                       ///< on the server
    std::uint16_t worker = 0;
    wall_time connected{}, requested{};
    std::uint64_t client_id = 0;  ///< who holds it; 0: nobody
    std::uint32_t prepared_statements = 0;
    std::uint64_t statement_bytes = 0;
    std::string tls, application_name;
};

/// One row of SHOW POOLS: one (node, user, database).
struct pool_row {
    std::string cluster, shard, node, database, user, pool_mode;
    std::uint32_t clients_active = 0, clients_waiting = 0, servers_active = 0, servers_idle = 0, servers_login = 0,
                  size = 0;
    double max_wait_seconds = 0;
    bool paused = false;
};

/// Totals of one cluster since the start (SHOW STATS).
struct traffic_row {
    std::string cluster;
    std::uint64_t transactions = 0, statements = 0, bytes_received = 0, bytes_sent = 0;
    std::uint64_t transaction_microseconds = 0, statement_microseconds = 0, wait_microseconds = 0;
    std::uint64_t reads_on_replica = 0, reads_on_primary = 0, writes = 0, retries = 0, refusals = 0;
};

/// A key that many of a shard's statements are about.
struct hot_key {
    std::string table, key;
    bool on_ring = false;
    double share = 0;  ///< of the shard's statements, at least
};

/// What a shard has to do, over the last seconds.
struct shard_load_row {
    std::string cluster;
    std::size_t shard = 0;
    double statements_per_second = 0;
    double on_ring = 0;            ///< the part of them that names a key on the ring
    std::uint64_t looked_at = 0;   ///< statements that the shares are of
    std::vector<hot_key> hottest;  ///< the hottest first
};

/// What a shard has, as its primary's statistics say.
struct shard_size {
    std::uint64_t rows = 0, bytes = 0, ring_bytes = 0;  ///< the last: of tables on the ring
};

/// A part of a transaction over several shards that is prepared, and that nobody is committing.
struct in_doubt {
    std::string cluster, shard, name, owner;
    double seconds = 0;  ///< since it was prepared
    std::string reason;  ///< why it still stands; empty: it is young
};

/// What a reload did.
struct reload_outcome {
    std::optional<config::fault> failed;  ///< nothing has changed; all mistakes are in its detail
    std::vector<std::string> restart;     ///< what the file says and only a restart brings, one text each
};

/// How far a PAUSE has come; neither: transactions are still open.
struct pause_progress {
    bool paused = false;
    std::optional<config::fault> failed;  ///< it has been given up, and nothing is held any more
};

/// Everything the control commands may ask of or do to the process. Implemented by the runtime; each call is
/// thread-safe and may take some milliseconds (it asks the workers). A `fault` is what the operator is told.
class inventory {
  public:
    virtual ~inventory() = default;
    virtual std::shared_ptr<const config::settings> settings() const = 0;
    virtual std::string config_path() const = 0;
    virtual std::vector<client_row> clients() = 0;
    virtual std::vector<server_row> servers() = 0;
    virtual std::vector<pool_row> pools() = 0;
    virtual std::vector<traffic_row> traffic() = 0;
    virtual std::vector<shard_load_row> loads() = 0;
    /// By shard, as last looked at, which is done again; nullopt: not known.
    virtual std::vector<std::optional<shard_size>> sizes(const std::string& cluster) = 0;
    virtual std::vector<std::shared_ptr<const pool::cluster_health>> health() = 0;
    virtual std::vector<pool::ban> bans() = 0;
    virtual std::vector<in_doubt> prepared() = 0;  ///< of transactions over several shards, not settled yet
    virtual router::shared_plans& plans() = 0;
    /// Map, catalog and search path with which SHOW ROUTE and SHOW KEY plan; nullptr: no such cluster.
    virtual std::shared_ptr<const router::shard_map> map(const std::string& cluster) = 0;
    virtual std::shared_ptr<const router::catalog> catalog(const std::string& cluster) = 0;

    virtual reload_outcome reload() = 0;  ///< re-reads the file
    /// Holds new transactions from now on; empty: of all clusters. Does not wait for those that are open.
    virtual std::optional<config::fault> pause(const std::string& cluster) = 0;
    /// Asked again and again by whoever paused at `since`.
    virtual pause_progress pausing(const std::string& cluster, std::chrono::steady_clock::time_point since) = 0;
    virtual std::optional<config::fault> resume(const std::string& cluster) = 0;
    virtual std::optional<config::fault> kill_client(std::uint64_t id) = 0;
    virtual std::optional<config::fault> kill_cluster(const std::string& cluster) = 0;
    virtual std::optional<config::fault> ban(const std::string& node,
                                             std::optional<std::chrono::milliseconds> length) = 0;
    virtual std::optional<config::fault> unban(const std::string& node) = 0;
    virtual void shut_down(bool wait_for_clients) = 0;
    virtual bool draining() const = 0;

    /// Towards the ring that the configuration describes; when `dry` only what would be moved is told.
    virtual std::optional<config::fault> rebalance(const std::string& cluster, bool dry,
                                                   std::vector<rebalance::planned_table>& planned) = 0;
    virtual std::optional<config::fault> move_key(const std::string& cluster, std::uint64_t position,
                                                  const std::string& shard) = 0;
    virtual std::optional<config::fault> cancel_rebalance(const std::string& cluster) = 0;
    virtual std::optional<config::fault> resume_rebalance(const std::string& cluster) = 0;
    virtual std::optional<config::fault> undo_rebalance(const std::string& cluster) = 0;
    virtual std::optional<config::fault> finish_rebalance(const std::string& cluster) = 0;
    virtual std::vector<rebalance::progress> rebalances() = 0;
    /// The ring that statements follow; nullopt: the cluster has none of its own.
    virtual std::optional<router::ring_state> active_ring(const std::string& cluster) = 0;
};

}  // namespace ringway::proxy
