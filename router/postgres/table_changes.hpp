#pragma once
// What PostgreSQL's definitions do to tables, as far as it concerns where their rows are.

#include <vector>

#include "router/postgres/tree.hpp"
#include "router/postgres/values.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// Of a CREATE TABLE, ALTER or RENAME; of other definitions nothing.
std::vector<table_change> table_changes_of(node definition, value_finder& values);

}  // namespace ringway::router::postgres
