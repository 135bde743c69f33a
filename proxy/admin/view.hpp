#pragma once
// The tables SHOW gives: for each subject its columns and how its rows come from the inventory.

#include <span>
#include <string_view>
#include <variant>

#include "proxy/admin/command.hpp"
#include "proxy/admin/table.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::admin {

/// One moment on both clocks; given in, so that tests are exact.
struct instant {
    wall_time wall{};
    pool::steady_time steady{};
    static instant now();
};

/// What rows are made from. Lives for one call.
struct source {
    inventory& of;
    const command& what;
    instant now;
    wall_time started;       ///< of the process, for averages
    bool tells_keys = true;  ///< whether who asks is told applications' keys
    /// Text of the n-th argument; it is there: the parser saw to that.
    const std::string& argument(std::size_t n) const { return what.arguments[n].text; }
};

using rows_or_fault = std::variant<row_list, config::fault>;

/// One subject of SHOW. All of it lives as long as the program.
struct view {
    subject about;
    std::string_view arguments;    ///< as HELP prints them
    std::string_view description;  ///< one line, for HELP
    std::span<const column> columns;
    rows_or_fault (*rows)(const source&);
};

const view& view_of(subject about);

/// The views by what they show; view_of() finds one in these.
std::span<const view> session_views();    ///< clients, servers, pools, pins, transactions, lists
std::span<const view> traffic_views();    ///< stats and its parts
std::span<const view> setting_views();    ///< databases, users, config, version, help
std::span<const view> cluster_views();    ///< lag, bans
std::span<const view> shard_views();      ///< shards, advice
std::span<const view> ring_views();       ///< ring, key
std::span<const view> plan_views();       ///< route, plans, statements
std::span<const view> rebalance_views();  ///< rebalance

/// REBALANCE <cluster> [DRY RUN]: rows only of a dry run.
std::vector<column> dry_run_columns();
rows_or_fault run_rebalance(inventory& of, const command& what);
/// MOVE <cluster> KEY <table> <value> TO <shard>.
std::optional<config::fault> run_move_key(inventory& of, const command& what);
/// Where a key stands on the ring.
std::variant<std::uint64_t, config::fault> position_of(inventory& of, const std::string& cluster,
                                                       const std::string& table, const argument& value);

/// The configured cluster of that name: exact, or the "*" one. Otherwise a fault that names the nearest.
std::variant<const config::cluster*, config::fault> find_cluster(const config::settings& in, const std::string& name);

/// "host:port" in two; no port: all of it is the host.
std::pair<std::string, std::string> split_address(const std::string& address);

/// Seconds and the microseconds that remain, as PgBouncer's wait and wait_us.
std::pair<std::int64_t, std::int64_t> split_seconds(double seconds);

}  // namespace ringway::proxy::admin
