#pragma once
// One rebalance: a coordinator, whose steps a thread does.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "config/fault.hpp"
#include "proxy/rebalance/coordinator.hpp"
#include "proxy/rebalance/engine.hpp"
#include "proxy/rebalance/host.hpp"
#include "proxy/rebalance/journal.hpp"
#include "proxy/rebalance/rebalancer.hpp"

namespace ringway::proxy::rebalance {

class run {
  public:
    run(host& of, std::string cluster, journal plan, const engine_maker& make, bool begun_before);
    ~run();
    void start();
    void stop();  ///< of the process; the journal stays
    bool is_over() const;
    std::optional<config::fault> cancel();
    void resume();
    std::optional<config::fault> undo();
    /// What has come of it, once it is known whether the old ring may come back; longest: some seconds.
    std::optional<config::fault> await_undo();
    std::optional<config::fault> finish();
    bool may_be_undone() const;
    progress look();

  private:
    void work();
    result take(step what, phase at);
    result wait_for_the_unaware();
    result wait_for_a_moment(std::chrono::milliseconds cutover_timeout);
    result drain();
    result write_ring(bool back);
    result wait_for_readers();
    void interrupt();
    std::chrono::system_clock::time_point undo_until() const;
    bool wait(std::chrono::milliseconds longest);

    host& host_;
    const std::string cluster_;
    journal plan_;
    std::unique_ptr<engine> engine_;
    mutable std::mutex lock_;  ///< over what follows
    std::condition_variable wake_;
    coordinator coordinator_;
    bool stopping_ = false, woken_ = false, cancelling_ = false;
    std::chrono::steady_clock::time_point begun_, ended_{}, phase_begun_, fenced_at_{}, switched_at_{}, told_at_{};
    bool undecided_ = false;  ///< whether the new ring's file is written is not known
    double pause_ = -1;
    std::string fenced_steps_;  ///< how long each step under the fence has taken, in ms
    unsigned cutovers_ = 0;
    std::thread thread_;
};

}  // namespace ringway::proxy::rebalance
