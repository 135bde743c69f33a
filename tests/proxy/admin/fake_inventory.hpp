#pragma once
// An inventory with known rows, which remembers what it was told to do.

#include <atomic>
#include <string>
#include <vector>

#include "proxy/admin/view.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::tests {

inline const proxy::wall_time wall_now =
    std::chrono::sys_days(std::chrono::year(2026) / 3 / 4) + std::chrono::hours(5) + std::chrono::microseconds(6);
inline const pool::steady_time steady_now = pool::steady_time{} + std::chrono::hours(1000);
inline const proxy::admin::instant test_now{wall_now, steady_now};

/// Two clusters: `app` (one shard, primary and two replicas, one stalled) and `shop` (two shards, the second without a
/// primary).
class fake_inventory : public proxy::inventory {
  public:
    fake_inventory();

    std::shared_ptr<const config::settings> settings() const override { return settings_; }
    std::string config_path() const override { return "/etc/ringway/ringway.toml"; }
    std::vector<proxy::client_row> clients() override { return client_rows; }
    std::vector<proxy::server_row> servers() override { return server_rows; }
    std::vector<proxy::pool_row> pools() override { return pool_rows; }
    std::vector<proxy::traffic_row> traffic() override { return traffic_rows; }
    std::vector<proxy::shard_load_row> loads() override { return load_rows; }
    std::vector<std::optional<proxy::shard_size>> sizes(const std::string& cluster) override {
        return cluster == "shop" ? size_rows : std::vector<std::optional<proxy::shard_size>>{};
    }
    std::vector<std::shared_ptr<const pool::cluster_health>> health() override { return health_rows; }
    std::vector<pool::ban> bans() override { return ban_rows; }
    std::vector<proxy::in_doubt> prepared() override { return prepared_rows; }
    router::shared_plans& plans() override { return plans_; }
    std::shared_ptr<const router::shard_map> map(const std::string& cluster) override;
    std::shared_ptr<const router::catalog> catalog(const std::string& cluster) override;

    proxy::reload_outcome reload() override { return {told("reload"), for_restart}; }
    std::optional<config::fault> pause(const std::string& cluster) override { return told("pause " + cluster); }
    proxy::pause_progress pausing(const std::string&, pool::steady_time) override { return {++asked > 2, {}}; }
    std::optional<config::fault> resume(const std::string& cluster) override { return told("resume " + cluster); }
    std::optional<config::fault> kill_client(std::uint64_t id) override {
        return told("kill client " + std::to_string(id));
    }
    std::optional<config::fault> kill_cluster(const std::string& cluster) override {
        return told("kill cluster " + cluster);
    }
    std::optional<config::fault> ban(const std::string& node,
                                     std::optional<std::chrono::milliseconds> length) override {
        return told("ban " + node + (length ? " " + std::to_string(length->count()) : ""));
    }
    std::optional<config::fault> unban(const std::string& node) override { return told("unban " + node); }
    void shut_down(bool wait_for_clients) override { told(wait_for_clients ? "shut down slowly" : "shut down"); }
    bool draining() const override { return is_draining; }
    std::optional<config::fault> rebalance(const std::string& cluster, bool dry,
                                           std::vector<proxy::rebalance::planned_table>& planned) override {
        planned = {{"s0", "s2", "public.orders", 50, 1000, 20000}};
        return told((dry ? "rebalance dry " : "rebalance ") + cluster);
    }
    std::optional<config::fault> move_key(const std::string& cluster, std::uint64_t position,
                                          const std::string& shard) override {
        return told("move " + cluster + " " + std::to_string(position) + " " + shard);
    }
    std::optional<config::fault> cancel_rebalance(const std::string& cluster) override {
        return told("cancel rebalance " + cluster);
    }
    std::optional<config::fault> resume_rebalance(const std::string& cluster) override {
        return told("resume rebalance " + cluster);
    }
    std::optional<config::fault> undo_rebalance(const std::string& cluster) override {
        return told("undo rebalance " + cluster);
    }
    std::optional<config::fault> finish_rebalance(const std::string& cluster) override {
        return told("finish rebalance " + cluster);
    }
    std::vector<proxy::rebalance::progress> rebalances() override { return rebalance_rows; }
    std::optional<router::ring_state> active_ring(const std::string&) override { return std::nullopt; }

    std::vector<proxy::rebalance::progress> rebalance_rows;
    std::vector<std::string> done;         ///< what it was told, in order
    std::optional<config::fault> refusal;  ///< what every order is answered with
    std::vector<proxy::client_row> client_rows;
    std::vector<proxy::server_row> server_rows;
    std::vector<proxy::pool_row> pool_rows;
    std::vector<proxy::in_doubt> prepared_rows;
    std::vector<proxy::traffic_row> traffic_rows;
    std::vector<proxy::shard_load_row> load_rows;
    std::vector<std::optional<proxy::shard_size>> size_rows;  ///< of shop
    std::vector<std::shared_ptr<const pool::cluster_health>> health_rows;
    std::vector<pool::ban> ban_rows;
    std::atomic<bool> is_draining{false};
    bool catalog_known = true;
    std::vector<std::string> for_restart;  ///< what a reload leaves
    std::atomic<int> asked{0};             ///< how often a pause was looked at

  private:
    std::optional<config::fault> told(std::string what) {
        done.push_back(std::move(what));
        return refusal;
    }
    void fill_settings();
    void fill_sessions();
    void fill_health();

    std::shared_ptr<config::settings> settings_ = std::make_shared<config::settings>();
    router::shared_plans plans_{100};
};

}  // namespace ringway::tests
