#pragma once
// What a statement calls that could give each shard another value.

#include <string>
#include <vector>

#include "router/catalog.hpp"
#include "router/shared_sequences.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Why its parts on several shards would not be parts of one statement: times, volatile functions, state of one server.
/// Empty: they would.
std::string why_uneven(const statement& what, const catalog* in, const std::vector<std::string>& path,
                       const shared_sequences& sequences);

/// ... and why its copies, alike on every shard, could come out different: functions that tell of a server too.
std::string why_copies_differ(const statement& what, const catalog* in, const std::vector<std::string>& path,
                              const shared_sequences& sequences);

/// Whether a call is one of nextval.
bool is_nextval(std::string_view schema, std::string_view name) noexcept;

}  // namespace ringway::router
