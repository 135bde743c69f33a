#pragma once
// One client after login, as the worker, the runtime and operators see it, whichever protocol it speaks.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "pool/server.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/net/topology.hpp"

namespace ringway::proxy {

/// What login found out about a client.
struct client_identity {
    std::uint64_t id = 0;  ///< the pid or connection id it is told
    std::string cancel_key;
    std::string user, address, tls;
    std::uint16_t port = 0;                                             ///< the client's own
    std::vector<std::pair<std::string, std::string>> startup_settings;  ///< run-time settings asked for at start
    std::shared_ptr<cluster_slot> cluster;
    std::shared_ptr<account> who;
    std::string greeting;  ///< not yet sent: AuthenticationOk, NegotiateProtocolVersion
    bool session_mode = false;
};

/// Lives and dies on one worker; all calls are made there.
class client_session {
  public:
    using clock = std::chrono::steady_clock;
    using steady_time = clock::time_point;

    virtual ~client_session() = default;
    virtual void end_with(const config::fault& why) = 0;  ///< the reason to the client, then close
    virtual void drain() = 0;                             ///< end as soon as no transaction is open
    virtual void tick(steady_time now) = 0;               ///< while watched
    virtual bool needs_ticks() const noexcept = 0;
    virtual void node_left(std::uint16_t shard, int node, const std::string& why) = 0;
    virtual void primary_moved(std::uint16_t shard, int primary) = 0;
    virtual void cancel_running(
        const cancel_waiter& until) = 0;  ///< what the client has asked for last is no longer wanted
    /// Ends a session whose client has asked for nothing for so long; 0: never.
    virtual void end_if_idle(steady_time now, config::milliseconds most, config::milliseconds most_in_transaction) = 0;
    /// The transaction under way has written to rows on the move (shard_map::change), or may have.
    virtual bool writes_on_the_move() const noexcept { return false; }
    virtual void fence_opened() {}  ///< what waited for it goes on
    /// From now on rows are on the move: what is under way may have written to them.
    virtual void ring_changes() {}
    /// When the statement or transaction under way began; the far future: none is.
    virtual steady_time working_since() const noexcept { return steady_time::max(); }
    virtual void add_server_pids(std::vector<std::uint32_t>&) const {}  ///< of the servers' processes it holds
    virtual client_row describe() const = 0;
    virtual const client_identity& identity() const noexcept = 0;
    virtual const pool::server* leased_server() const noexcept = 0;
    virtual void add_servers(std::vector<const pool::server*>& to) const {  ///< all that it has
        if (const auto* one = leased_server()) to.push_back(one);
    }
    /// It waits for a lock whose holder waits, over others maybe, for it on another shard: its statement fails.
    virtual void give_way() {}
};

}  // namespace ringway::proxy
