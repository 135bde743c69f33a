#pragma once
// A read over several shards under way, in one of two ways: gathering or scattering.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "config/fault.hpp"
#include "pool/server.hpp"

namespace ringway::proxy {

class shards_read {
  public:
    using steady_time = std::chrono::steady_clock::time_point;

    shards_read() { all_.fetch_add(1, std::memory_order_relaxed); }
    shards_read(const shards_read&) = delete;
    shards_read& operator=(const shards_read&) = delete;
    virtual ~shards_read() { all_.fetch_sub(1, std::memory_order_relaxed); }
    static int under_way() noexcept { return all_.load(std::memory_order_relaxed); }  ///< of all workers
    virtual void start() = 0;
    virtual void abort() = 0;                                           ///< the client is gone: nobody is told
    virtual void cancel(const std::shared_ptr<const void>& until) = 0;  ///< a CancelRequest for it has come
    virtual void resume() = 0;                                          ///< the client takes bytes again
    virtual void primary_moved(std::uint16_t shard, int primary) = 0;
    virtual void tick(steady_time now) = 0;  ///< while leases are waited for
    virtual steady_time begun() const noexcept = 0;
    virtual void add_server_pids(std::vector<std::uint32_t>& to) const = 0;  ///< of the servers' processes it holds
    virtual void add_servers(std::vector<const pool::server*>& to) const = 0;
    virtual bool failed() const noexcept { return false; }  ///< a server's error has been passed on
    /// It waits for a lock in a deadlock over several shards: it fails as one of a server's deadlock does.
    virtual void give_way() = 0;
    /// Ends it before anything has run. False: it runs already.
    virtual bool give_up(const config::fault& why) = 0;

  private:
    inline static std::atomic<int> all_{0};
};

}  // namespace ringway::proxy
