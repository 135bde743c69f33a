#pragma once
// What may stand anywhere in a statement: functions, operators, casts, locks, writes, parameters.

#include "router/postgres/tree.hpp"
#include "router/postgres/values.hpp"
#include "router/statement.hpp"

namespace ringway::router::postgres {

/// Adds what it finds below `within` to `out`, and raises `parameters` to the highest $n.
void collect(node within, value_finder& values, statement& out, std::uint16_t& parameters);

/// Effects of calling a built-in function: set_config, setseed, session advisory locks, ...
void add_function_effects(std::string_view name, node call, value_finder& values, statement& out);

/// Why a session that calls this function of the server's must stay on its connection; empty: it need not.
std::string_view pin_of_function(std::string_view name);

void add_pin(statement& out, std::string_view why);

}  // namespace ringway::router::postgres
