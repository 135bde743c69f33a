#include "pool/node_watcher.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <utility>

namespace ringway::pool {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

node_watcher::node_watcher(std::shared_ptr<watch_sink> sink, control_login login, watch_pace pace)
    : sink_(std::move(sink)),
      login_(std::move(login)),
      pace_(pace),
      probe_(make_probe(login_.engine)),
      wake_descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

node_watcher::~node_watcher() {
    stop();
    if (thread_.joinable()) thread_.join();
    ::close(wake_descriptor_);
}

void node_watcher::start() {
    thread_ = std::thread([this] { run(); });
}

void node_watcher::wake() noexcept {
    const std::uint64_t one = 1;
    // It only fails when the counter is full, and then the thread is awake anyway.
    [[maybe_unused]] const auto written = ::write(wake_descriptor_, &one, sizeof one);
}

void node_watcher::stop() noexcept {
    stopping_ = true;
    wake();
    probe_->abandon();
}

void node_watcher::run() {
    while (!stopping_) {
        check();
        if (stopping_) break;
        sleep_until(next_check(steady_clock::now()));
    }
    finished_ = true;
}

// The time to connect and the time to answer are judged each for itself. A connection that was there and is lost does
// not yet speak against the node: somebody may have ended just that session.
probe_result node_watcher::ask() {
    if (probe_->connected()) {
        sink_->check_began(*this, steady_clock::now());
        probe_result result = probe_->ask();
        if (result.answer || stopping_ || sink_->given_up(*this, steady_clock::now())) return result;
    }
    sink_->check_began(*this, steady_clock::now());
    if (auto failure = probe_->connect(login_)) return {std::nullopt, std::move(*failure)};
    sink_->check_began(*this, steady_clock::now());
    return probe_->ask();
}

void node_watcher::check() {
    const probe_result result = ask();
    answered_ = result.answer.has_value();
    const steady_time now = steady_clock::now();
    if (answered_) {
        replica_ = result.answer->in_recovery;
        retry_ = milliseconds{0};
        sink_->check_answered(*this, *result.answer, now);
        return;
    }
    retry_ = std::clamp(retry_ * 2, pace_.watermark, std::max(pace_.watermark, pace_.health));
    sink_->check_failed(*this, result.failure, now);
}

steady_time node_watcher::next_check(steady_time now) const {
    if (!answered_) return now + retry_;
    const auto pace = std::chrono::duration_cast<steady_clock::duration>(pace_.watermark);
    const auto offset = replica_ ? pace / 4 : steady_clock::duration{0};
    const auto rounds = (now.time_since_epoch() - offset) / pace + 1;
    return steady_time{rounds * pace + offset};
}

// Wakes up early when asked to, or when the server closes the connection.
void node_watcher::sleep_until(steady_time then) {
    const auto left = ceil<milliseconds>(then - steady_clock::now()).count();
    pollfd waits[2] = {{wake_descriptor_, POLLIN, 0}, {answered_ ? probe_->descriptor() : -1, POLLIN, 0}};
    ::poll(waits, 2, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    std::uint64_t count = 0;
    [[maybe_unused]] const auto read = ::read(wake_descriptor_, &count, sizeof count);
}

}  // namespace ringway::pool
