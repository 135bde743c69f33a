#pragma once
// Watches every node: role, timeline, position, watermark. One control thread a node, over libpqxx.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pool/health.hpp"

namespace ringway::pool {

struct ban {
    std::string cluster;
    config::endpoint node;
    std::string reason;
    steady_time until{};
    bool by_operator = false;
};

/// Thread-safe. Publishes a new cluster_health whenever something changed and after each watermark round.
class monitor {
  public:
    /// Called on a control thread with each new snapshot of a cluster.
    using publish = std::function<void(std::shared_ptr<const cluster_health>)>;

    explicit monitor(publish to);
    ~monitor();  ///< stops and joins all threads, in bounded time even when a node hangs

    /// Starts, changes or stops watching so that exactly these clusters are watched. Shards and nodes that stay keep
    /// their state.
    void watch(const std::vector<config::cluster>& clusters);

    std::shared_ptr<const cluster_health> snapshot(const std::string& cluster) const;

    /// A worker's connection failed or was refused: counts towards the node's breaker and asks for a check at once.
    void report_failure(const std::string& cluster, const config::endpoint& node, const std::string& reason);
    void report_success(const std::string& cluster, const config::endpoint& node);
    /// The server said 25006: the role may have changed; check now.
    void check_now(const std::string& cluster);

    bool ban_node(const config::endpoint& node, std::chrono::milliseconds length, const std::string& reason);
    bool unban_node(const config::endpoint& node);
    std::vector<ban> bans() const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace ringway::pool
