#pragma once
// Finds deadlocks over several shards, which no server can see, and has one client give way: a thread of its own. Asks
// the shards only while transactions stand on several of them.

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pool/control_connection.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/control/recovery.hpp"
#include "proxy/transaction/wait_graph.hpp"

namespace ringway::proxy {

/// What it needs of the process; each may be called on its thread.
struct deadlock_surroundings {
    std::function<std::vector<recovery_place>()> places;
    std::function<std::vector<server_row>()> servers;  ///< connections, with their clients
    std::function<void(std::uint64_t client)> give_way;
};

class deadlock_watch {
  public:
    explicit deadlock_watch(deadlock_surroundings in) : in_(std::move(in)) {}
    ~deadlock_watch() { stop(); }
    void start();
    void stop();

  private:
    void run();
    void look(const recovery_place& at);
    std::vector<lock_wait> waits_of(const recovery_place& at);
    pool::control_connection* connection(const config::cluster& of, const config::endpoint& node);

    deadlock_surroundings in_;
    std::mutex lock_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::map<std::string, std::unique_ptr<pool::control_connection>> connections_;  ///< by cluster and node
    std::map<std::string, std::vector<deadlock>> seen_;                             ///< by cluster: of the look before
    std::thread thread_;
};

}  // namespace ringway::proxy
