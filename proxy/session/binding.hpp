#pragma once
// What the messages of the extended protocol and their batches have in common.

#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "router/plan.hpp"

namespace ringway::proxy {

inline constexpr std::size_t large_frame = 256 * 1024;  ///< a longer Bind is passed on as it comes

config::fault malformed();

/// The parameters of a Bind, `rest` being what follows its names, with the types of their Parse. Good until the next
/// call on this thread. `fine`: false when it cannot be read.
std::vector<router::parameter>& parameters_of(std::string_view rest, std::string_view types, bool& fine);

}  // namespace ringway::proxy
