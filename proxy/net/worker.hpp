#pragma once
// One worker thread: an event loop, its sessions, its plan cache and its view of the clusters.

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>

#include "pool/pool.hpp"
#include "proxy/net/topology.hpp"
#include "router/plan_cache.hpp"

namespace ringway::proxy {

class client_session;
class worker;

/// Who wants to be let in where, with what it has shown of its password.
struct login_question {
    std::string cluster, user, database;
    config::user who;
    pool::server_secret secret;
};

/// What a session asks of the process beyond its worker. Thread-safe.
class process {
  public:
    virtual ~process() = default;
    /// The pool of one node for one account; made when new.
    virtual std::shared_ptr<pool::pool> pool_of(const cluster_slot& cluster, const account& who, std::size_t shard,
                                                std::size_t node) = 0;
    virtual void role_changed(
        const std::string& cluster) = 0;  ///< a server said 25006, or a primary was lost: check now
    virtual void node_failed(const std::string& cluster, const config::endpoint& node, const std::string& why) = 0;
    virtual void database_gone(const std::string& cluster) = 0;    ///< its primary does not know it
    virtual void catalog_changed(const std::string& cluster) = 0;  ///< DDL went through
    virtual void catalog_missing(const std::string& cluster) = 0;  ///< a session waits for it to be read
    virtual void cancel(std::uint32_t pid, const std::string& key,
                        cancel_waiter until) = 0;  ///< a client's CancelRequest
    /// In session mode a client is told the pid of the server's process that it has until it leaves: cancels name it.
    virtual void pid_told(std::uint32_t pid, std::uint32_t session) = 0;
    virtual void pid_forgotten(std::uint32_t pid, std::uint32_t session) = 0;
    /// KILL of a client by its id, by a client of that name; `then` runs on `home` with whether there was one.
    virtual void kill(worker& home, std::uint64_t id, const std::string& by, bool query_only,
                      std::function<void(bool)> then) = 0;
    /// Logs in at the cluster's primary as this user, where only the servers know whether it may come in; `then` runs
    /// on `home`. nullopt: it may.
    virtual void check_login(worker& home, const login_question& of,
                             std::function<void(std::optional<config::fault>)> then) = 0;
    /// A user's account in a cluster, made when new. On the slot's worker. `role`: the user's oid on the servers, where
    /// its login has asked for it; each has an account and pools of its own, whatever their name.
    virtual std::shared_ptr<account> account_for(cluster_slot& slot, const std::string& user, const std::string& role,
                                                 const config::user& who, const pool::server_secret& secret) = 0;
    /// What a server says shows that connections of this user are those of a role that is no more.
    virtual void role_gone(const std::string& cluster, const std::string& user) = 0;
    virtual void tend(worker& on) = 0;  ///< about once a second, on each worker
    /// A new slot for a name that only the "*" cluster serves; nullptr: nobody does. On a worker, which tells when it
    /// keeps it.
    virtual std::shared_ptr<cluster_slot> make_slot(const std::string& cluster) = 0;
    virtual void slot_kept(const std::shared_ptr<cluster_slot>& slot) = 0;
    virtual std::shared_ptr<const config::settings> current_settings() const = 0;
};

class worker : public pool::worker_link {
  public:
    worker(std::uint16_t number, process& of, router::shared_plans& plans, std::size_t plan_entries);
    ~worker();
    void start();
    void stop();                            ///< ends the loop and joins
    void post(std::function<void()> work);  ///< from any thread

    /// Only on this worker:
    cluster_slot* find_slot(const std::string& cluster);
    void add_session(const std::shared_ptr<client_session>& which);
    void remove_session(client_session& which);
    /// Calls client_session::tick about every 50 ms until it says it needs no more.
    void watch(const std::shared_ptr<client_session>& which);

    process& owner;
    router::plan_cache plans;
    std::unordered_map<std::string, std::shared_ptr<cluster_slot>> slots;
    std::unordered_map<std::uint64_t, std::shared_ptr<client_session>> sessions;

  private:
    void tick();
    pool::event_loop loop_;
    boost::asio::steady_timer timer_;
    std::set<std::shared_ptr<client_session>> watched_;
    std::uint64_t ticks_ = 0;
    std::thread thread_;
};

}  // namespace ringway::proxy
