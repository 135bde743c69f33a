#pragma once
// Where parameters stand, and what a server takes their types from there.

#include <vector>

#include "router/postgres/tree.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// Adds what one node of the tree tells. What is around a parameter must be seen before it, as node::visit does.
void note_parameter_uses(node at, std::vector<parameter_use>& out);

}  // namespace ringway::router::postgres
