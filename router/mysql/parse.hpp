#pragma once
// MySQL's and MariaDB's SQL as the dialect-neutral statement, by a parser of our own.

#include <string_view>

#include "router/mysql/modes.hpp"
#include "router/statement.hpp"

namespace ringway::router {

/// Thread-safe. Statements are cut as the server cuts them. A text that cannot be read, from some statement on, gives
/// `error`, and as its last statement one that may do anything (writes, effect settings_unknown); those before it are
/// what the server runs first. Empty statements are left out. Columns, functions, settings and user variables are in
/// lower case; tables as written, unless `folds_tables`. `?` is a parameter wherever the server would take one.
analysis parse_mysql(std::string_view text, const mysql_modes& modes);

}  // namespace ringway::router
