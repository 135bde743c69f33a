#pragma once
// Values that mean the server's own time: 'now', 'today' and their like, read as a date or a time.

#include "router/plan.hpp"

namespace ringway::router {

/// Whether a literal or a parameter may be one of them.
bool names_time(const values& with);

}  // namespace ringway::router
