#pragma once
// A table for a terminal.

#include <string>

#include "proxy/admin/table.hpp"

namespace ringway::proxy::cli {

/// Like psql: a header, a line, rows with numbers to the right, "(2 rows)". A command without rows: its tag alone.
/// Control characters are shown as \x1b and the like, so that a client's name cannot steer the terminal.
std::string aligned(const admin::table& from);

}  // namespace ringway::proxy::cli
