#pragma once
// How many rows and bytes each shard has, by its primary's own statistics: looked at now and then, and when somebody
// asks. A thread of its own; no connection is kept.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pool/control_connection.hpp"
#include "proxy/control/inventory.hpp"
#include "proxy/control/recovery.hpp"

namespace ringway::proxy {

class size_watch {
  public:
    explicit size_watch(std::function<std::vector<recovery_place>()> places) : places_(std::move(places)) {}
    ~size_watch() { stop(); }
    void start();
    void stop();
    /// By shard, as last looked at; has them looked at again when that is some seconds ago. Any thread.
    std::vector<std::optional<shard_size>> of(const std::string& cluster);

  private:
    using steady_time = std::chrono::steady_clock::time_point;
    void run();
    void look(const recovery_place& at);
    std::optional<shard_size> look_at_shard(const recovery_place& at, std::size_t shard);

    std::function<std::vector<recovery_place>()> places_;
    std::mutex lock_;
    std::condition_variable wake_;
    bool stopping_ = false, asked_ = false;
    pool::control_connection connection_{"ringway sizes"};
    std::map<std::string, std::vector<std::optional<shard_size>>> sizes_;  ///< by cluster
    steady_time looked_{};
    std::thread thread_;
};

}  // namespace ringway::proxy
