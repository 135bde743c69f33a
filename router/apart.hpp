#pragma once
// Writes that each shard runs by itself, on its own rows and for itself.

#include <optional>

#include "router/catalog.hpp"
#include "router/keys.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Whether every row that the SELECT gives is made of rows of one shard, and belongs to that shard: its keyed tables
/// are tied to one of them by their keys, and so is the key of the new row. What its functions give is not looked at.
bool inserts_apart(const statement& what, const table_finder& tables, const catalog* in);

/// The same of an UPDATE or DELETE that reads further keyed tables: rows of one shard are changed by rows of that
/// shard.
bool writes_apart(const statement& what, const table_finder& tables, const catalog* in);

/// The same of a MERGE: rows that match, and rows that are inserted because they do not, are made of rows of one shard,
/// and stay there.
bool merges_apart(const statement& what, const table_finder& tables, const catalog* in);

/// The block of an INSERT of SELECT * FROM one table, with the table's columns as what the SELECT gives. None: it is
/// another.
std::optional<query_block> with_named_outputs(const statement& what, const table_finder& tables);

}  // namespace ringway::router
