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

class run;

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
