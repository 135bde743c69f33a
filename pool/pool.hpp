#pragma once
// The server connections of one (node, user, database), shared by all workers, first come first served.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "pool/server.hpp"
#include "pool/server_login.hpp"

namespace ringway::pool {

/// Somebody who wants a lease. A session is one; it waits in at most one pool at a time.
class waiter {
  public:
    virtual ~waiter() = default;
    virtual worker_link& waiter_home() = 0;
    /// Of the connection it can use; a pool closes an idle one of another flavour when there is no room.
    virtual std::uint64_t wanted_flavour() const { return 0; }
    /// On its worker. Exactly one of the two follows acquire(), unless it was cancelled.
    virtual void leased(server_ref got) = 0;
    virtual void lease_failed(const config::fault& why) = 0;

  private:
    friend class pool;
    std::chrono::steady_clock::time_point since_{};
    std::uint64_t ticket_ = 0;  ///< of the current wait; 0: none
};

struct pool_name {
    std::string cluster, shard, user;  ///< user as clients name it
    config::endpoint node;
    friend bool operator==(const pool_name&, const pool_name&) = default;
};

struct pool_figures {
    std::uint32_t idle = 0, leased = 0, login = 0, waiting = 0, size = 0;
    double longest_wait_seconds = 0;
};

/// Told of the outcome of logins, for the node's breaker. Called on a worker. `full`: the server has no connection left
/// (53300): idle ones of other pools may make way.
using login_report = std::function<void(const config::endpoint& node, bool ok, const std::string& why, bool full)>;

/// Thread-safe. Lives as long as a session or a server connection refers to it.
class pool : public std::enable_shared_from_this<pool> {
  public:
    pool(pool_name name, std::shared_ptr<const server_target> target, config::pool_limits limits, login_report report);

    /// An idle connection of this worker at once, else null and `who` is told later: oldest wait first, over all
    /// workers.
    server_ref acquire(const std::shared_ptr<waiter>& who, worker_link& on);
    /// Ends a wait: neither leased() nor lease_failed() will come. False: there was none. On the worker of `who`.
    bool cancel_wait(waiter& who);
    /// Gives a clean connection back, on its worker. It goes to the oldest waiter or becomes idle.
    void give_back(server_ref back);
    /// Forgets a leased connection; it is closed.
    void discard(server_ref gone);

    /// New limits or target (reload, a user's new password): idle connections that do not fit them are closed at once,
    /// leased ones at their return.
    void change(std::shared_ptr<const server_target> target, config::pool_limits limits);
    /// Closes idle connections past their time, opens up to min_idle. Called about once a second on each worker.
    void tend(worker_link& on, std::chrono::steady_clock::time_point now);
    void close_idle_of(worker_link& on);
    /// What the servers say shows that these connections are not what their name says (a role dropped and made again):
    /// the idle ones are closed at once, the leased ones at their return.
    void renew();
    /// The name is another role's now: nobody new comes, and what is idle does not wait for long.
    void retire();
    /// Lets go of all idle connections and waiters, when no worker runs any more: they refer to the pool, and it to
    /// them.
    void forget();

    const pool_name& name() const noexcept { return name_; }
    std::shared_ptr<const server_target> target() const;
    config::pool_limits limits() const;
    pool_figures figures() const;
    /// A client's login has shown the user's secret of now: for later logins, where the file has none.
    void learn(const server_secret& secret);
    /// Copies of what SHOW SERVERS tells of idle connections on this worker.
    std::vector<server_ref> idle_on(const worker_link& on) const;
    /// An idle connection became readable: it has ended, or says something nobody asked for.
    void idle_spoke(server& which);
    /// No connection, nobody who waits for one, and none to be kept ready but for a user or database that is refused.
    bool unused() const;
    bool is_connected() const;  ///< a server connection is logged in

  private:
    struct wait {
        std::shared_ptr<waiter> who;
        std::uint64_t ticket = 0, flavour = 0;
        std::chrono::steady_clock::time_point since{};
    };
    // All of these are called with lock_ held and only post work: nothing is called back from inside.
    void serve();
    void start_login(worker_link& on, std::uint64_t flavour);
    void deliver(wait to, server_ref what);
    void fail_all(const config::fault& why);
    bool may_open() const;
    bool keeps(const server& which) const;
    server_ref idle_for(worker_link& near, std::uint64_t flavour);
    static server_ref take_idle(std::deque<server_ref>& from, std::uint64_t flavour);
    bool make_room(std::uint64_t flavour);
    void close_later(server_ref gone);
    void close_unfit();
    std::list<wait>::iterator next_for(const server& what);
    std::deque<server_ref>& idle_of(worker_link& on);

    void login_done(worker_link& on, server_login login, const std::shared_ptr<const server_target>& used,
                    std::uint64_t flavour);

    const pool_name name_;
    const login_report report_;
    mutable std::mutex lock_;
    std::shared_ptr<const server_target> target_;
    config::pool_limits limits_;
    std::vector<std::deque<server_ref>> idle_;  ///< by worker, newest last
    std::vector<worker_link*> workers_;         ///< that have used this pool
    std::list<wait> waits_;
    std::uint32_t idle_count_ = 0, leased_ = 0, login_ = 0;
    std::uint32_t failures_ = 0;
    bool retired_ = false;
    std::chrono::steady_clock::time_point retry_at_{};
    std::optional<config::fault> last_failure_;
    std::uint64_t next_ticket_ = 1, last_flavour_ = 0;
};

}  // namespace ringway::pool
