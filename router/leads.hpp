#pragma once
// Whether using a table leads to rows of other shards than its own.

#include <string>
#include <vector>

#include "router/keys.hpp"

namespace ringway::router {

/// What a statement does with a table: `inserts` adds rows and changes none.
enum class access : std::uint8_t { reads, inserts, writes };

/// Why the rows that are read or written besides the table's own may be of other shards: by inheritance, triggers,
/// rules, foreign keys or row policies. Empty: there are none.
std::string leads_elsewhere(const table_meaning& table, const table_finder& tables, access how);

/// What a statement does to rows that others may refer to.
struct row_changes {
    std::vector<std::string> columns;  ///< those that it sets
    bool deletes = false;
};
/// Why such a change of a table may set a shard key of rows that refer to it, by the actions of foreign keys: these
/// rows would stay where they are. Empty: it sets none.
std::string sets_keys_elsewhere(const table_meaning& table, const row_changes& how, const table_finder& tables);

/// A column of its table's shard key that an action of the foreign key sets when rows it refers to change so, and whose
/// row should then be on another shard; empty: none.
std::string key_set_by(const foreign_key& tie, row_changes how, const table_meaning& child, const table_meaning& parent,
                       const shard_map& map);

/// Whether a row of one table is, by its place, a row of the other.
bool placed_alike(const table_meaning& a, const table_meaning& b, const shard_map& map);

/// Whether the rows that a foreign key ties together are at hand on one shard. Of a table that is not in the catalogs
/// types are not compared; columns of the target that are left out count as its key.
bool ties_locally(const table_meaning& child, const foreign_key& tie, const table_meaning& parent,
                  const shard_map& map);

}  // namespace ringway::router
