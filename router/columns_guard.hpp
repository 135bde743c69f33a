#pragma once
// What the catalogs told of a table's columns, checked by the server that runs a statement of ours: rows are carried
// from one server to another by the order of their columns, and a column that is not known would be lost.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"

namespace ringway::router {

struct guarded_columns {
    std::string schema, table;
    std::vector<std::string> names;  ///< in the catalogs' order
    std::vector<std::uint32_t>
        types;              ///< those of the users' own, which have other OIDs on each server, are not compared
    bool in_order = false;  ///< they must stand in this order
    bool complete = false;  ///< there must be no others, but generated ones
};

/// A condition that is true, or fails: nothing is read then. Empty when there is nothing to check.
std::string columns_guard(const guarded_columns& what);

/// One that fails, of rows with such a column (why_object_column).
std::string objects_guard(std::string_view why);

/// Whether an error is that of a guard, and what the client hears of it.
bool is_guard_error(std::string_view sqlstate, std::string_view message);
config::fault guard_fault(std::string_view message);
/// Whether the server has no binary form of a type's values ("no binary input function available for type seg"), and
/// what the client hears of it.
bool is_binary_error(std::string_view sqlstate, std::string_view message);
config::fault binary_fault(std::string_view message);
/// Rows do not fit into the table that stands in for theirs: within their arrays or rows are OIDs of another server.
config::fault other_types_fault(std::string_view table);

}  // namespace ringway::router
