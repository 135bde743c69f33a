#pragma once
// What the messages of the extended protocol and their batches have in common.

#include <optional>
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

/// Whether a Bind of this statement, named so, has as many parameters as it takes; of those that are for several
/// shards, which no server may see whole. `rest`, `types`: as above.
std::optional<config::fault> check_count(const router::plan& plan, std::string_view name, std::string_view rest,
                                         std::string_view types);

}  // namespace ringway::proxy
