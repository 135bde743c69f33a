#pragma once
// Finds function calls in an expression as the server prints it (pg_get_expr, pg_get_constraintdef). Pure.

#include <functional>
#include <string>
#include <string_view>

namespace ringway::proxy {

/// True when `matches` is for some name that stands before a "(", without its schema and quotes. Strings are passed
/// over. Names that are no functions but read like one (COALESCE, IN) are asked about too: better one too many than one
/// too few.
bool calls_any(std::string_view expression, const std::function<bool(const std::string&)>& matches);

}  // namespace ringway::proxy
