#pragma once
// Whether using a table leads to rows of other shards than its own.

#include <string>

#include "router/keys.hpp"

namespace ringway::router {

/// What a statement does with a table: `inserts` adds rows and changes none.
enum class access : std::uint8_t { reads, inserts, writes };

/// Why the rows that are read or written besides the table's own may be of other shards: by inheritance, triggers,
/// rules, foreign keys or row policies. Empty: there are none.
std::string leads_elsewhere(const table_meaning& table, const table_finder& tables, access how);

}  // namespace ringway::router
