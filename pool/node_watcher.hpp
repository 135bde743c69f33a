#pragma once
// The control thread of one node: asks it again and again, and tells what came of it.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "pool/control_connection.hpp"
#include "pool/node_probe.hpp"
#include "pool/shard_watch.hpp"

namespace ringway::pool {

class node_watcher;

/// Told by node threads. Outlives its watchers' threads.
class watch_sink {
  public:
    virtual ~watch_sink() = default;
    virtual void check_began(const node_watcher& by, steady_time now) = 0;
    virtual void check_answered(const node_watcher& by, const node_answer& answer, steady_time now) = 0;
    /// The check that runs has taken too long; its failure is to be reported.
    virtual bool given_up(const node_watcher& by, steady_time now) = 0;
    virtual void check_failed(const node_watcher& by, const std::string& reason, steady_time now) = 0;
};

struct watch_pace {
    std::chrono::milliseconds watermark{100};  ///< between two checks
    std::chrono::milliseconds health{1000};    ///< at most between two attempts to reach a node that is down
    friend bool operator==(const watch_pace&, const watch_pace&) = default;
};

/// Primaries are asked at multiples of the pace, all of them at once, replicas when the primary has answered (wake())
/// or else a quarter later: so one round is complete soon after it began.
class node_watcher {
  public:
    node_watcher(std::shared_ptr<watch_sink> sink, control_login login, watch_pace pace);
    ~node_watcher();  ///< stops, and joins within the connect timeout
    node_watcher(const node_watcher&) = delete;
    node_watcher& operator=(const node_watcher&) = delete;

    void start();
    /// Asks at once. Any thread.
    void wake() noexcept;
    /// Ends a wait for the server's answer. Any thread.
    void interrupt() noexcept { probe_->interrupt(); }
    /// Makes the thread end; does not wait for that. Any thread.
    void stop() noexcept;
    bool finished() const noexcept { return finished_; }

    const control_login& login() const { return login_; }
    const watch_pace& pace() const { return pace_; }

  private:
    void run();
    void check();
    probe_result ask();
    steady_time next_check(steady_time now) const;
    void sleep_until(steady_time then);

    std::shared_ptr<watch_sink> sink_;
    const control_login login_;
    const watch_pace pace_;
    std::unique_ptr<node_probe> probe_;
    int wake_descriptor_ = -1;  ///< an eventfd
    std::atomic<bool> stopping_{false}, finished_{false};
    bool answered_ = false, replica_ = false;  ///< in the last check
    std::chrono::milliseconds retry_{0};       ///< pause after the last failed check
    std::thread thread_;
};

}  // namespace ringway::pool
