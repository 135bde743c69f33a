#pragma once
// Writes to reference tables run alike on every shard: what keeps the copies alike.

#include <string>
#include <vector>

#include "router/catalog.hpp"
#include "router/keys.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"
#include "router/tables_seen.hpp"

namespace ringway::router {

/// Why what the statement reads may differ between copies that have the same rows: these stand in another order.
/// Empty: it may not.
std::string why_order_tells(const tables_seen& seen, const statement& what, const table_finder& tables,
                            const catalog* in, const std::vector<std::string>& path);

/// Whose copies it must find as the other shards' are. `made`: its rows are made before, so that it reads no table.
copies_kept copies_of(const tables_seen& seen, const statement& what, const table_finder& tables, bool made);

}  // namespace ringway::router
