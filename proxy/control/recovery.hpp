#pragma once
// Finishes transactions over several shards that some proxy, this one or another, has left prepared: a thread of its
// own.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "config/settings.hpp"
#include "pool/control_connection.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy {

/// A cluster whose shards are looked at.
struct recovery_place {
    config::cluster cluster;          ///< with the monitor's login
    std::vector<int> primaries;       ///< by shard: index of the node; -1: none now
    std::vector<config::user> users;  ///< whose prepared transactions only they may finish
};

class recovery {
  public:
    explicit recovery(std::function<std::vector<recovery_place>()> ask);
    ~recovery();
    void start();
    void stop();
    std::vector<in_doubt> rows() const;

  private:
    void run();
    void look(const recovery_place& at);
    std::string settle(const recovery_place& at, std::size_t shard, const in_doubt& what);
    pool::control_connection* connection(const recovery_place& at, std::size_t shard, std::string& why);

    std::function<std::vector<recovery_place>()> ask_;
    mutable std::mutex lock_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::map<std::string, std::unique_ptr<pool::control_connection>> connections_;  ///< by cluster and node
    std::vector<in_doubt> rows_, found_;
    std::map<std::string, std::chrono::steady_clock::time_point> swept_;  ///< by cluster
    std::thread thread_;
};

}  // namespace ringway::proxy
