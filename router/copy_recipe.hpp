#pragma once
// Which columns of a COPY's data tell the shard of its rows.

#include <string>

#include "router/copy_command.hpp"
#include "router/copy_split.hpp"
#include "router/keys.hpp"

namespace ringway::router {

/// Of a COPY ... FROM into a table of the map. `why_not`: why its rows cannot be told apart, else empty.
copy_recipe copy_recipe_of(const statement& what, const table_meaning& table, const table_finder& tables,
                           std::string& why_not);

}  // namespace ringway::router
