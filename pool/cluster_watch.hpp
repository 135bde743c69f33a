#pragma once
// One watched cluster: what its node threads find out, gathered under one lock, and when it is worth a new snapshot.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/health.hpp"
#include "pool/monitor.hpp"
#include "pool/node_watcher.hpp"
#include "pool/shard_watch.hpp"

namespace ringway::pool {

/// Thread-safe. Shared by the monitor and the node threads; lives until the last of both lets go.
class cluster_watch : public watch_sink, public std::enable_shared_from_this<cluster_watch> {
  public:
    using watchers = std::vector<std::shared_ptr<node_watcher>>;

    /// `wake_publisher` is called, outside of locks, when publish() should be called soon.
    cluster_watch(std::string name, std::function<void()> wake_publisher);

    /// Takes over a configuration. Returns the stopped watchers of nodes that left or whose login changed; whoever
    /// destroys them waits for their threads.
    watchers configure(const config::cluster& cluster);
    watchers stop();

    /// A snapshot when one is due: something changed, a round is complete, or the last one is old; else null.
    /// Interrupts checks that are overdue. Called by one thread only.
    std::shared_ptr<const cluster_health> publish(steady_time now);
    /// When to call publish() next, after it was called at `now`, if nobody asks for it before.
    steady_time next_deadline(steady_time now) const;
    std::shared_ptr<const cluster_health> latest() const;

    void report_failure(const config::endpoint& node, const std::string& reason, steady_time now);
    void report_success(const config::endpoint& node);
    void check_now();
    bool ban_node(const config::endpoint& node, const node_ban& why);
    bool unban_node(const config::endpoint& node, steady_time now);
    std::vector<pool::ban> bans(steady_time now) const;

    void check_began(const node_watcher& by, steady_time now) override;
    void check_answered(const node_watcher& by, const node_answer& answer, steady_time now) override;
    bool given_up(const node_watcher& by, steady_time now) override;
    void check_failed(const node_watcher& by, const std::string& reason, steady_time now) override;

  private:
    struct slot {
        std::shared_ptr<node_watcher> watcher;
        bool answered = false;  ///< since the last snapshot
    };
    struct watched_shard {
        std::string name;
        shard_watch state;
        std::vector<slot> slots;
    };
    /// Where a watcher's node is now; no shard: the watcher is retired.
    struct place {
        watched_shard* shard = nullptr;
        std::size_t node = 0;
        explicit operator bool() const { return shard != nullptr; }
    };

    place find(const node_watcher& by);
    template <typename action>
    bool for_node(const config::endpoint& node, const action& act);
    shard_rules rules_of(const config::cluster& cluster) const;
    watched_shard take_shard(const config::shard& from, const shard_rules& rules);
    void fill_slots(watched_shard& shard, const config::shard& from, const config::cluster& cluster,
                    const watch_pace& pace, watchers& unused);
    void retire(watchers& gone);
    void interrupt_overdue(steady_time now);
    bool round_complete(steady_time now) const;
    bool standing_changed(steady_time now);
    /// Marks a snapshot as due when one is; true: wake the publisher.
    bool note_change(steady_time now);
    void wake_stale_replicas(const watched_shard& shard, const node_answer& primary);

    const std::string name_;
    const std::function<void()> wake_publisher_;
    mutable std::mutex lock_;
    std::vector<watched_shard> shards_;
    watch_pace pace_;
    std::shared_ptr<const cluster_health> latest_;
    steady_time published_{};
    bool due_ = true;
};

}  // namespace ringway::pool
