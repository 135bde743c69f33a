#pragma once
// select_outline from the parse tree.

#include <memory>

#include "router/outline.hpp"
#include "router/postgres/commands.hpp"
#include "router/postgres/tree.hpp"

namespace ringway::router::postgres {

/// Of {"SelectStmt": ...} that begins at a byte of the text; null when it is of another form, or locks rows and may
/// not.
std::shared_ptr<const select_outline> outline_of(node wrapped, std::uint32_t from, const surroundings& in,
                                                 bool may_lock = false);

}  // namespace ringway::router::postgres
