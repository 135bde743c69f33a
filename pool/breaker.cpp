#include "pool/breaker.hpp"

#include <algorithm>

namespace ringway::pool {

void breaker::failed(steady_time now, const std::string& reason) {
    if (condition_ == condition::open) return;
    if (condition_ == condition::half_open) return open(now, reason);
    if (failures_ > 0 && now - last_failure_ > rules_.within) failures_ = 0;
    last_failure_ = now;
    if (++failures_ >= rules_.failures) open(now, reason);
}

void breaker::open(steady_time now, const std::string& reason) {
    pause_ = pause_.count() == 0 ? rules_.first_pause : pause_ * 2;
    pause_ = std::min(pause_, rules_.longest_pause);
    condition_ = condition::open;
    failures_ = 0;
    until_ = now + pause_;
    reason_ = reason;
}

void breaker::succeeded() {
    if (condition_ == condition::open) return;  // a connection from before the failures
    reset();
    pause_ = std::chrono::milliseconds{0};
}

void breaker::checked(steady_time now) {
    if (condition_ == condition::open && now >= until_) condition_ = condition::half_open;
}

void breaker::reset() {
    condition_ = condition::closed;
    failures_ = 0;
    reason_.clear();
}

}  // namespace ringway::pool
