#pragma once
// The process: workers, listeners, pools, monitor, catalogs. What the workers ask of it (process) and what operators
// see and do (inventory).

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pool/monitor.hpp"
#include "proxy/admin/connection.hpp"
#include "proxy/control/catalog_reader.hpp"
#include "proxy/control/deadlock_watch.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/control/mysql_catalog.hpp"
#include "proxy/control/recovery.hpp"
#include "proxy/control/size_watch.hpp"
#include "proxy/mysql/login.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/rebalance/host.hpp"
#include "proxy/rebalance/rebalancer.hpp"
#include "proxy/rebalance/state_file.hpp"
#include "proxy/session/login.hpp"

namespace ringway::proxy {

class listener;

class runtime final : public process, public inventory, public mysql::gate, public rebalance::host {
  public:
    runtime(config::settings from, std::string path);
    ~runtime() override;
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;

    /// Opens the sockets and starts the threads. `inherited`: listening descriptors by address text, from a process
    /// being replaced. An address that cannot be listened on is the fault.
    std::optional<config::fault> start(const std::map<std::string, int>& inherited);
    /// Takes no new connections; clients that are there, or logging in, stay.
    void close_doors();
    /// ... and each client is told goodbye as soon as no transaction of its is open.
    void drain();
    bool is_deserted() const { return clients_ == 0 && logins_ == 0; }
    std::size_t clients_left() const { return clients_; }
    /// Ends what is left. Clients that are still there are cut off.
    void stop();
    /// Duplicates of the listening descriptors, for a successor.
    std::map<std::string, int> listening() const;
    void set_shutdown(std::function<void(bool)> ask) { ask_shutdown_ = std::move(ask); }

    // process
    std::shared_ptr<pool::pool> pool_of(const cluster_slot& cluster, const account& who, std::size_t shard,
                                        std::size_t node) override;
    void role_changed(const std::string& cluster) override;
    void node_failed(const std::string& cluster, const config::endpoint& node, const std::string& why) override;
    void database_gone(const std::string& cluster) override;
    void catalog_changed(const std::string& cluster) override;
    void catalog_missing(const std::string& cluster) override;
    void cancel(std::uint32_t pid, const std::string& key, cancel_waiter until) override;
    void pid_told(std::uint32_t pid, std::uint32_t session) override;
    void pid_forgotten(std::uint32_t pid, std::uint32_t session) override;
    void kill(worker& home, std::uint64_t id, const std::string& by, bool query_only,
              std::function<void(bool)> then) override;
    std::shared_ptr<account> account_for(cluster_slot& slot, const std::string& user, const std::string& role,
                                         const config::user& who, const pool::server_secret& secret) override;
    void check_login(worker& home, const login_question& of,
                     std::function<void(std::optional<config::fault>)> then) override;
    void role_gone(const std::string& cluster, const std::string& user) override;
    void tend(worker& on) override;
    std::shared_ptr<cluster_slot> make_slot(const std::string& cluster) override;
    void slot_kept(const std::shared_ptr<cluster_slot>& slot) override;
    std::shared_ptr<const config::settings> current_settings() const override;

    // mysql::gate
    std::uint64_t new_client_id(worker& home) override;
    std::optional<pool::server_traits> traits() override;
    std::optional<std::string> cluster_for(const std::string& database, const config::user* who) override;
    bool servers_decide(const std::string& cluster, const config::user& who) override;
    boost::asio::awaitable<std::optional<config::fault>> ask_server(worker& home, login_question of) override;

    // inventory
    std::shared_ptr<const config::settings> settings() const override { return current_settings(); }
    std::string config_path() const override { return path_; }
    std::vector<client_row> clients() override;
    std::vector<server_row> servers() override;
    std::vector<in_doubt> prepared() override { return recovery_.rows(); }
    std::vector<pool_row> pools() override;
    std::vector<traffic_row> traffic() override;
    std::vector<shard_load_row> loads() override;
    std::vector<std::optional<shard_size>> sizes(const std::string& cluster) override { return sizes_.of(cluster); }
    std::vector<std::shared_ptr<const pool::cluster_health>> health() override;
    std::vector<pool::ban> bans() override;
    router::shared_plans& plans() override { return plans_; }
    std::shared_ptr<const router::shard_map> map(const std::string& cluster) override;
    std::shared_ptr<const router::catalog> catalog(const std::string& cluster) override;
    reload_outcome reload() override;
    std::optional<config::fault> pause(const std::string& cluster) override;
    pause_progress pausing(const std::string& cluster, pool::steady_time since) override;
    std::optional<config::fault> resume(const std::string& cluster) override;
    std::optional<config::fault> kill_client(std::uint64_t id) override;
    std::optional<config::fault> kill_cluster(const std::string& cluster) override;
    std::optional<config::fault> ban(const std::string& node, std::optional<std::chrono::milliseconds> length) override;
    std::optional<config::fault> unban(const std::string& node) override;
    void shut_down(bool wait_for_clients) override;
    bool draining() const override { return draining_; }
    std::optional<config::fault> rebalance(const std::string& cluster, bool dry,
                                           std::vector<rebalance::planned_table>& planned) override;
    std::optional<config::fault> move_key(const std::string& cluster, std::uint64_t position,
                                          const std::string& shard) override;
    std::optional<config::fault> cancel_rebalance(const std::string& cluster) override;
    std::optional<config::fault> resume_rebalance(const std::string& cluster) override;
    std::optional<config::fault> undo_rebalance(const std::string& cluster) override;
    std::optional<config::fault> finish_rebalance(const std::string& cluster) override;
    std::vector<rebalance::progress> rebalances() override;
    std::optional<router::ring_state> active_ring(const std::string& cluster) override;

    // rebalance::host (rings.cpp)
    std::optional<rebalance::cluster_view> look_at(const std::string& cluster) override;
    std::string state_dir() override;
    bool publish_ring(const std::string& cluster, const router::ring_state& ring,
                      std::shared_ptr<const router::ring_change> change) override;
    bool set_fence(const std::string& cluster, bool up) override;
    rebalance::fence_look look_behind_fence(const std::string& cluster) override;
    bool own_state() override;
    void share_state() override;

    /// Forwards a CancelRequest that no session here answers to; set when another process of the same proxy runs.
    std::function<void(std::uint32_t, const std::string&)> cancel_elsewhere;
    void cancel_here(std::uint32_t pid, const std::string& key, cancel_waiter until,
                     std::function<void()> not_ours = {});  ///< `not_ours` runs on any thread

  private:
    void cancel_one_of(std::vector<std::uint32_t> sessions, const std::string& key, cancel_waiter until,
                       std::function<void()> not_ours);

    std::mutex told_lock_;
    std::unordered_multimap<std::uint32_t, std::uint32_t> told_pids_;  ///< pid of a server's process -> session
    struct pool_key {
        std::string cluster, user, role, node;
        std::size_t shard;
        friend auto operator<=>(const pool_key&, const pool_key&) = default;
    };

    /// The ring that a cluster's statements follow.
    struct cluster_ring {
        router::ring_state active;
        std::shared_ptr<const router::ring_change> change;  ///< of a rebalance under way
        bool kept = true;                                   ///< in its file
    };
    std::optional<config::fault> find_rings(const config::settings& from,
                                            std::map<std::string, cluster_ring>& out) const;
    static std::optional<config::fault> find_change(const std::string& state_dir, const config::cluster& cluster,
                                                    cluster_ring& ring);
    bool on_every_worker(const std::function<void(worker&)>& work);

    template <class Row>
    std::vector<Row> gather(const std::function<void(worker&, std::vector<Row>&)>& each);
    bool is_paused(const cluster_snapshot& which) const;  ///< under lock_
    void apply_pauses();
    std::optional<config::fault> apply(const config::settings& from);
    void everywhere(const std::function<void(worker&)>& work);  ///< on every worker, waits
    void publish_health(std::shared_ptr<const pool::cluster_health> health);
    void forget_slots(worker& on, pool::steady_time now);
    void forget_pools();
    void forget_names();
    void shelve_catalog(const std::string& name);
    void make_way();
    void close_idle(const std::string& cluster);  ///< under lock_
    void make_room(const config::endpoint& node);
    void read_catalogs();  ///< the catalog thread
    std::vector<recovery_place> recovery_places() const;
    void give_way(std::uint64_t client);
    bool read_catalog(const std::string& name, const cluster_snapshot& of, bool changed);
    std::shared_ptr<const router::own_types> types_of_shards(const std::string& name, const config::cluster& cluster,
                                                             const pool::cluster_health& health);
    bool read_mysql_catalog(const std::string& name, const pool::control_login& login, bool columns,
                            std::uint64_t schema);
    void publish_shelved(const std::string& name, std::uint64_t schema);
    void publish_catalog(const std::string& name, const catalog_reading& reading, std::uint64_t schema);
    std::optional<config::fault> make_clusters(const config::settings& from);
    void install(worker& on, const std::shared_ptr<const cluster_snapshot>& what);
    void refresh_accounts(cluster_slot& slot, const config::settings& from);
    void fill_account(account& one, const cluster_snapshot& of, const config::user& who,
                      const pool::server_secret& secret) const;
    void learn(const cluster_slot& slot, const account& who, const pool::server_secret& secret);
    /// The pools of a user, whatever role has had the name; under lock_.
    std::vector<std::pair<pool_key, std::shared_ptr<pool::pool>>> pools_of(const std::string& cluster,
                                                                           const std::string& user) const;
    void refresh_pools();  ///< under lock_
    void client_admitted(worker& home, admitted_client client);
    void mysql_admitted(worker& home, mysql::admitted client);
    void new_mysql_connection(worker& home, pool::tcp_socket socket, bool admin);
    void new_connection(worker& home, pool::tcp_socket socket, bool admin);
    config::cluster watched(const config::cluster& from, const config::settings& all) const;

    const std::string path_;
    mutable std::mutex lock_;  ///< over everything below up to the blank line
    std::shared_ptr<const config::settings> settings_;
    std::shared_ptr<const front_door> door_;
    std::map<std::string, std::shared_ptr<const cluster_snapshot>> clusters_;  ///< as configured
    std::map<std::string, std::shared_ptr<const router::catalog>> catalogs_;   ///< by the name clients use
    std::map<std::string, std::string> fingerprints_;                          ///< of the catalogs read
    std::uint64_t catalog_version_ = 0;
    std::set<std::string> catalogs_wanted_;  ///< to be read now
    std::set<std::string> catalogs_due_;     ///< ... of which the catalog thread has taken note
    std::set<std::string> catalogs_missed_;  ///< ... and for which sessions wait
    std::map<std::string, std::shared_ptr<const cluster_snapshot>>
        cataloged_;  ///< clusters (also of "*") whose catalogs are watched
    std::map<pool_key, std::shared_ptr<pool::pool>> pools_;
    /// What users' logins have shown last, by cluster, user and role, where the file has nothing for the servers.
    std::map<std::tuple<std::string, std::string, std::string>, pool::server_secret> shown_;
    std::map<std::string, std::vector<std::weak_ptr<cluster_slot>>> any_slots_;  ///< of "*", by the name clients use
    std::set<std::string> resting_;                                              ///< those without a session
    std::set<std::string> shelved_;  ///< those whose catalogs may have changed since, for nobody has watched them
    std::set<std::string> leaving_;  ///< those being dropped or renamed: not to be connected to
    std::set<std::string> paused_;   ///< names of clusters
    std::uint64_t epoch_ = 0;
    std::map<std::string, cluster_ring> rings_;  ///< of PostgreSQL's clusters but "*", as configured
    std::map<std::string, std::shared_ptr<catalog_reader>>
        readers_;  ///< one a watched catalog, used by the catalog thread
    std::map<std::string, std::shared_ptr<mysql_catalog_reader>> mysql_readers_;
    // Of the catalog thread, by sharded cluster.
    std::map<std::string, int> shards_awaited_;         ///< how often, before the first reading
    std::set<std::string, std::less<>> types_lacking_;  ///< a shard's types could not be read
    std::condition_variable catalog_wake_;

    std::mutex reload_lock_;  ///< one reload at a time
    rebalance::state_lock state_lock_;
    router::shared_plans plans_;
    admin::desk desk_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::unique_ptr<pool::monitor> monitor_;
    std::vector<std::unique_ptr<listener>> listeners_;
    std::thread catalog_thread_;
    recovery recovery_;
    rebalance::rebalancer rebalancer_;
    deadlock_watch deadlocks_;
    size_watch sizes_;
    std::atomic<bool> draining_{false};  ///< takes no new connections
    std::atomic<bool> refusing_{false};  ///< ... nor those who are logging in
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> clients_{0}, logins_{0};
    std::function<void(bool)> ask_shutdown_;
};

}  // namespace ringway::proxy
