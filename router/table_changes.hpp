#pragma once
// Definitions that would leave rows of the map's tables on shards where nobody looks for them.

#include <optional>

#include "config/fault.hpp"
#include "router/keys.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Why a definition is not run on all shards: it gives rows another place, or keys other values, and moves none.
/// Nothing: it changes no table in such a way.
std::optional<config::fault> refusal_of_changes(const statement& what, const table_finder& tables);

}  // namespace ringway::router
