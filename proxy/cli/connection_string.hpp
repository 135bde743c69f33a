#pragma once
// How to reach a server or the admin port, as libpq's connection string.

#include <cstdint>
#include <string>

#include "config/settings.hpp"

namespace ringway::proxy::cli {

/// Empty texts and port 0 are left to libpq (its environment and password file).
struct connection_target {
    std::string host;
    std::uint16_t port = 0;
    std::string user, password, database;
    std::string application_name = "ringway";
    std::uint32_t connect_timeout_seconds = 10;
    config::tls tls;  ///< used only when `with_tls`
    bool with_tls = false;
};

/// "host='127.0.0.1' port='6434' ...", every value quoted.
std::string connection_string(const connection_target& to);

}  // namespace ringway::proxy::cli
