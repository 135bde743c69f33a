#pragma once
// The breaker of one node: keeps work away from a node whose connections fail although it answers the monitor. Pure.

#include <chrono>
#include <cstdint>
#include <string>

namespace ringway::pool {

using steady_time = std::chrono::steady_clock::time_point;

struct breaker_rules {
    std::uint32_t failures = 3;                ///< in a row open it,
    std::chrono::milliseconds within{10'000};  ///< when no pause between two of them was longer
    std::chrono::milliseconds first_pause{500};
    std::chrono::milliseconds longest_pause{
        60'000};  ///< each opening without a success between doubles the pause up to this
};

/// closed -> (failures in a row) -> open -> (pause over and a check of the monitor succeeds) -> half open -> (a
/// worker's connection works) -> closed, or (fails) -> open for twice as long.
class breaker {
  public:
    enum class condition : std::uint8_t { closed, open, half_open };

    explicit breaker(breaker_rules rules = {}) : rules_(rules) {}

    /// A worker's connection failed. Failures reported while it is open are late news and change nothing.
    void failed(steady_time now, const std::string& reason);
    void succeeded();
    /// The monitor's own check succeeded: the probe that half-opens.
    void checked(steady_time now);
    /// The node was seen down and is back: what failed before says nothing about it now. The next opening is still the
    /// longer one until a worker's connection works, so that a node that flaps is left alone more and more.
    void reset();
    void change(breaker_rules rules) { rules_ = rules; }

    condition now() const { return condition_; }
    bool lets_through() const { return condition_ != condition::open; }
    steady_time until() const { return until_; }           ///< while open: end of the pause
    const std::string& reason() const { return reason_; }  ///< of the last opening

  private:
    void open(steady_time now, const std::string& reason);

    breaker_rules rules_;
    condition condition_ = condition::closed;
    std::uint32_t failures_ = 0;
    std::chrono::milliseconds pause_{0};  ///< of the last opening; 0: none since the last success
    steady_time last_failure_{}, until_{};
    std::string reason_;
};

}  // namespace ringway::pool
