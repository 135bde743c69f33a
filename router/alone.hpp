#pragma once
// Statements that PostgreSQL runs outside of transactions only, or that are better run so.

#include "router/plan.hpp"

namespace ringway::router {

/// Whether a plan for several shards is of one statement that each shard runs by itself, without a transaction around
/// all: CREATE INDEX CONCURRENTLY and its like, REFRESH MATERIALIZED VIEW CONCURRENTLY, VACUUM, ANALYZE, REINDEX,
/// CLUSTER, CHECKPOINT, ALTER SYSTEM.
inline bool runs_alone(const plan& what) noexcept {
    return what.placement == placement::spread && what.parsed.statements.size() == 1 &&
           what.parsed.statements.front().verb == verb::maintenance;
}

}  // namespace ringway::router
