#pragma once
// Settings by which a server reads the constants of a statement when it is prepared.

#include <string_view>
#include <vector>

#include "pool/server.hpp"
#include "proxy/session/statements.hpp"

namespace ringway::proxy {

struct changed_reading {
    std::string_view name, lower;
    std::string_view before;  ///< its value when the statement was prepared; empty: not known
};

/// Those that decide constants of the statement, and are others than when it was prepared. `told`, `settings`: the
/// client's of now.
std::vector<changed_reading> changed_readings(const client_statement& what, const pool::parameter_list& told,
                                              const pool::session_settings& settings);

}  // namespace ringway::proxy
