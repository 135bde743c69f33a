#include "proxy/control/time_limit.hpp"

namespace ringway::proxy {

time_limit::time_limit(pool::control_connection& of, std::chrono::milliseconds limit) {
    thread_ = std::thread([this, &of, until = std::chrono::steady_clock::now() + limit] {
        std::unique_lock guard(lock_);
        if (!over_.wait_until(guard, until, [this] { return done_; })) of.interrupt();
    });
}

time_limit::~time_limit() {
    {
        const std::lock_guard guard(lock_);
        done_ = true;
    }
    over_.notify_all();
    thread_.join();
}

}  // namespace ringway::proxy
