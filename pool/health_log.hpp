#pragma once
// Says in the log what changed between two snapshots: primaries, and nodes that leave or enter rotation.

#include <string>
#include <vector>

#include "pool/health.hpp"

namespace ringway::pool {

/// `before` may be null. Shards are matched by number; `shard_names` names those of `after`.
void log_changes(const cluster_health* before, const cluster_health& after,
                 const std::vector<std::string>& shard_names);

}  // namespace ringway::pool
