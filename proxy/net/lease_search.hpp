#pragma once
// From a wish to a server connection: chooses a node from the published health, waits in its pool, tries another or
// holds when it fails, and gives up in time.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "pool/pool.hpp"
#include "proxy/net/client_session.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

class worker;

/// Where a statement wants to go.
struct lease_wish {
    std::uint16_t shard = 0;
    router::need need = router::need::primary;
    bool replica_only = false;
    config::read_consistency consistency = config::read_consistency::session;
    pool::steady_time last_write{};
};

/// Whose search it is. None of the calls comes from inside begin().
class lease_seeker {
  public:
    virtual ~lease_seeker() = default;
    virtual void lease_found(pool::server_ref got) = 0;
    virtual void lease_refused(const config::fault& why) = 0;
    virtual std::uint64_t lease_flavour() const = 0;
    virtual std::shared_ptr<void> seeker_alive() = 0;  ///< keeps the seeker while its search waits
    virtual std::shared_ptr<client_session> seeker_session() = 0;
};

class lease_search final : public pool::waiter {
  public:
    lease_search(worker& home, const client_identity& who, lease_seeker& of) : home_(home), who_(who), seeker_(of) {}

    enum class outcome : std::uint8_t { found, waiting, refused };
    /// found: got() is the connection. refused: why(). waiting: the seeker is told later.
    outcome begin(const lease_wish& what);
    pool::server_ref got() { return std::move(got_); }
    config::fault why() { return std::move(*why_); }

    bool under_way() const noexcept { return state_ != state::none; }
    /// Ends a wait: the seeker hears nothing more. False: there was none to end.
    bool cancel();
    void tick(pool::steady_time now);
    int node() const noexcept { return node_; }
    std::uint16_t shard() const noexcept { return wish_.shard; }
    bool on_replica() const;
    /// The statement that was sought for has been served: its tries are forgotten.
    void settled() noexcept { tries_ = 0, since_ = {}; }
    void avoid_replicas() noexcept { avoid_replicas_ = true; }
    /// The node waited for has left, or is the primary no more: the search goes on elsewhere.
    void node_left(std::uint16_t shard, int node);
    void primary_moved(std::uint16_t shard, int primary);
    pool::steady_time since() const noexcept { return since_; }

    // pool::waiter
    pool::worker_link& waiter_home() override;
    std::uint64_t wanted_flavour() const override { return seeker_.lease_flavour(); }
    void leased(pool::server_ref got) override;
    void lease_failed(const config::fault& why) override;

  private:
    enum class state : std::uint8_t { none, holding, leasing };
    outcome look(pool::steady_time now);
    std::optional<outcome> choose(pool::steady_time now);
    outcome refuse(config::fault why);
    void tell(outcome what);
    void go_on();

    worker& home_;
    const client_identity& who_;
    lease_seeker& seeker_;
    lease_wish wish_;
    state state_ = state::none;
    bool avoid_replicas_ = false;
    std::uint8_t tries_ = 0;
    int node_ = -1;
    pool::steady_time since_{}, hold_until_{};
    std::shared_ptr<pool::pool> in_;
    pool::server_ref got_;
    std::optional<config::fault> why_;
};

}  // namespace ringway::proxy
