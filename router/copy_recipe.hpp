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

/// Of a recipe with the key's columns in the key's order: in the order of the data, `key` tells where each went.
void sort_columns(copy_recipe& of);

}  // namespace ringway::router
