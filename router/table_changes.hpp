#pragma once
// Definitions that would leave rows of the map's tables on shards where nobody looks for them.

#include <functional>
#include <optional>
#include <string>

#include "config/fault.hpp"
#include "router/keys.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Why copies of a row would get different values from what an expression calls; empty: they do not.
using differing = std::function<std::string(const statement& calls)>;

/// Why a definition is not run on all shards: it gives rows another place, or keys other values, and moves none, or
/// copies of a reference table other values on each shard. Nothing: it changes no table in such a way.
std::optional<config::fault> refusal_of_changes(const statement& what, const table_finder& tables,
                                                const differing& why_copies_differ);

}  // namespace ringway::router
