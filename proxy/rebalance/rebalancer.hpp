#pragma once
// The rebalances of this process: begun by operators, gone on with after a restart, one at a time a cluster.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/fault.hpp"
#include "proxy/rebalance/coordinator.hpp"
#include "proxy/rebalance/engine.hpp"
#include "proxy/rebalance/host.hpp"
#include "proxy/rebalance/journal.hpp"

namespace ringway::proxy::rebalance {

using engine_maker =
    std::function<std::unique_ptr<engine>(const std::string& cluster, journal& plan, engine::save_notes save)>;

/// Of one cluster, for SHOW REBALANCE.
struct progress {
    std::string cluster, id, state;  ///< the phase's name; "stopped while copying"
    std::string reason;
    double seconds = 0;              ///< since it was begun or gone on with, until it ended
    double phase_seconds = 0;        ///< in this phase
    double pause_milliseconds = -1;  ///< of the last cutover, also one that was given up; -1: none yet
    unsigned cutovers = 0;           ///< tried
    double undo_seconds = -1;        ///< until it cannot be undone any more; -1: it cannot be now
    std::vector<move_figures> moves;
};

/// One rebalance: a coordinator, whose steps a thread does.
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
    double pause_ = -1;
    unsigned cutovers_ = 0;
    std::thread thread_;
};

class rebalancer {
  public:
    rebalancer(host& of, engine_maker make) : host_(of), make_(std::move(make)) {}
    ~rebalancer() { stop(); }
    /// Goes on with what journals tell, as soon as no other process does.
    void start(const std::vector<std::string>& clusters);
    void stop();

    /// Towards the ring that the configuration describes. `planned`: what would be moved; only that when `dry`.
    std::optional<config::fault> rebalance(const std::string& cluster, bool dry, std::vector<planned_table>& planned);
    /// One key's position to a shard.
    std::optional<config::fault> move_key(const std::string& cluster, std::uint64_t position, const std::string& shard);
    std::optional<config::fault> cancel(const std::string& cluster);
    std::optional<config::fault> resume(const std::string& cluster);
    std::optional<config::fault> undo(const std::string& cluster);
    std::optional<config::fault> finish(const std::string& cluster);
    std::vector<progress> look();

  private:
    std::optional<config::fault> begin(const std::string& cluster, const router::ring_state& from,
                                       const router::ring_state& to, bool dry, std::vector<planned_table>& planned);
    bool own();  ///< no other process runs rebalances of this state_dir

    host& host_;
    engine_maker make_;
    std::mutex begin_lock_;                             ///< one command at a time
    std::mutex lock_;                                   ///< over runs_
    std::map<std::string, std::shared_ptr<run>> runs_;  ///< the last one of each cluster
    std::thread finder_;
    std::condition_variable wake_;
    bool stopping_ = false;
    int owned_ = -1;
};

}  // namespace ringway::proxy::rebalance
