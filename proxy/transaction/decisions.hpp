#pragma once
// Where the decisions about transactions over several shards are written: a table on each shard, made by `ringway
// init`.

#include <string_view>

namespace ringway::proxy {

/// Idempotent. ringway.decide(id) is called within the decider's transaction; ringway.outcome(id) by who finds a
/// prepared transaction: it waits for a decide() under way, and forbids it when there was none.
std::string_view decision_objects() noexcept;

}  // namespace ringway::proxy
