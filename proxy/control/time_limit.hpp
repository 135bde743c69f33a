#pragma once
// Ends a wait on a control connection when it has taken too long.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "pool/control_connection.hpp"

namespace ringway::proxy {

/// While it lives, and for no longer than `limit`, the connection may wait; then its socket is shut down.
class time_limit {
  public:
    time_limit(pool::control_connection& of, std::chrono::milliseconds limit);
    ~time_limit();
    time_limit(const time_limit&) = delete;
    time_limit& operator=(const time_limit&) = delete;

  private:
    std::mutex lock_;
    std::condition_variable over_;
    bool done_ = false;
    std::thread thread_;
};

}  // namespace ringway::proxy
