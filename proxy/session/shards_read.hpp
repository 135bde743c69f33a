#pragma once
// A read over several shards under way, in one of two ways: gathering or scattering.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "config/fault.hpp"

namespace ringway::proxy {

class shards_read {
  public:
    using steady_time = std::chrono::steady_clock::time_point;

    virtual ~shards_read() = default;
    virtual void start() = 0;
    virtual void abort() = 0;                                           ///< the client is gone: nobody is told
    virtual void cancel(const std::shared_ptr<const void>& until) = 0;  ///< a CancelRequest for it has come
    virtual void resume() = 0;                                          ///< the client takes bytes again
    virtual void primary_moved(std::uint16_t shard, int primary) = 0;
    virtual void tick(steady_time now) = 0;  ///< while leases are waited for
    virtual steady_time begun() const noexcept = 0;
    virtual void add_server_pids(std::vector<std::uint32_t>& to) const = 0;  ///< of the servers' processes it holds
    virtual bool failed() const noexcept { return false; }                   ///< a server's error has been passed on
    /// Ends it before anything has run. False: it runs already.
    virtual bool give_up(const config::fault& why) = 0;
};

}  // namespace ringway::proxy
