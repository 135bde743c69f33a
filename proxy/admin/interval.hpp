#pragma once
// Lengths of time as an operator writes them.

#include <chrono>
#include <optional>
#include <string_view>

namespace ringway::proxy::admin {

/// "30s", "500 ms", "5 minutes", "1h 30m", "1 hour 30 minutes", "1.5 h": one or more numbers, each with its unit (ms,
/// s, m, h, d and their long names). Nothing for anything else, for zero, and for more than ten years.
std::optional<std::chrono::milliseconds> read_interval(std::string_view text);

}  // namespace ringway::proxy::admin
