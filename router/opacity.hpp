#pragma once
// Which functions may touch tables that a statement does not name: found out from their bodies.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "router/catalog.hpp"

namespace ringway::router {

/// The names in a text of SQL or PL/pgSQL, as the server folds them; keywords too.
std::unordered_set<std::string> words_in(std::string_view text);

/// Whether a function's body names a table, or may run a statement that does. What cannot be read may.
bool names_tables(catalog_function::source language, std::string_view body);

/// The columns of NEW that a trigger function's body in PL/pgSQL may change; "*" when it may be any.
std::vector<std::string> columns_rewritten(std::string_view body);

/// Sets catalog_function::opaque of those with a body or with calls: their own text and, to a fixed point, what they
/// call. A called name counts in any schema.
void find_opaque(std::vector<catalog_function>& functions);

}  // namespace ringway::router
