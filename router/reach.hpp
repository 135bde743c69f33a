#pragma once
// What writing or reading a table leads to besides its own rows: inheritance, triggers, rules, foreign keys, policies.

#include "router/catalog.hpp"

namespace ringway::router {

/// Sets the derived members of relations, but for those of views, and which operators and casts are opaque. The
/// functions must be known (catalog::function_places).
void find_reach(catalog& out);

}  // namespace ringway::router
