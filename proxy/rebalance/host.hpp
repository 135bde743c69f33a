#pragma once
// What a rebalance asks of the process it runs in. Implemented by proxy/control/runtime; thread-safe.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "router/arcs.hpp"
#include "router/catalog.hpp"
#include "router/ring_state.hpp"

namespace ringway::proxy::rebalance {

/// A cluster as a rebalance sees it.
struct cluster_view {
    config::cluster config;      ///< as configured, with the monitor's login
    router::ring_state active;   ///< the ring that statements follow
    bool kept = false;           ///< the active ring is in its file
    std::vector<int> primaries;  ///< by shard: index of the node; -1: none now
    std::shared_ptr<const router::catalog> catalog;
};

/// Who may still write to the rows on the move.
struct fence_look {
    bool complete = false;     ///< every worker has answered
    std::uint32_t inside = 0;  ///< sessions whose transaction has written there, or may have
    /// When the first of these began; the far future: there is none.
    std::chrono::steady_clock::time_point inside_since = std::chrono::steady_clock::time_point::max();
    std::vector<std::uint32_t> pids;  ///< of servers' processes that sessions hold which have not
    /// When the oldest statement or transaction under way began; the far future: none is.
    std::chrono::steady_clock::time_point oldest = std::chrono::steady_clock::time_point::max();
};

class host {
  public:
    virtual ~host() = default;
    virtual std::optional<cluster_view> look_at(const std::string& cluster) = 0;
    virtual std::string state_dir() = 0;
    /// Makes the ring known to every worker; false: not all have it yet, ask again. The change may be null.
    virtual bool publish_ring(const std::string& cluster, const router::ring_state& ring,
                              std::shared_ptr<const router::ring_change> change) = 0;
    /// From when it is up, no session begins to write to rows on the move. False: not all workers have it.
    virtual bool set_fence(const std::string& cluster, bool up) = 0;
    virtual fence_look look_behind_fence(const std::string& cluster) = 0;
    /// True when no other process serves with this state_dir, and none begins to until share_state().
    virtual bool own_state() = 0;
    virtual void share_state() = 0;
};

}  // namespace ringway::proxy::rebalance
