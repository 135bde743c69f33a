#pragma once
// `ringway admin "SHOW LAG"`: asks the admin port of a running Ringway and prints the answer.

#include <cstdint>
#include <string>

#include "proxy/admin/table.hpp"

namespace ringway::proxy::cli {

struct admin_options {
    std::string config_file;  ///< address and user come from it where they are not given
    std::string host;
    std::uint16_t port = 0;
    std::string user, password;
    std::string certificate, key, ca;  ///< PEM files: what is shown to the port, and what its own must be signed by
    std::string command;
    bool json = false;
    bool follow = false;  ///< after REBALANCE or MOVE: draws how far it is until it has ended
};

/// The answer of the admin port; a fault (cannot_connect, or what the port said) otherwise.
admin::result ask_admin_port(const admin_options& with);

/// Asks and prints: the table to stdout, a fault to stderr. Returns the exit code.
int run_admin(const admin_options& with);

}  // namespace ringway::proxy::cli
