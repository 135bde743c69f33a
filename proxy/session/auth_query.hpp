#pragma once
// auth_query: what a cluster's own server says of a user's password.

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "config/fault.hpp"

namespace ringway::proxy {

class worker;
struct front_door;

struct verifier_answer {
    bool known = false;
    std::string role;                      ///< the role's oid; empty: no role of the server's
    std::string verifier;                  ///< "SCRAM-SHA-256$...", "md5..." or plain text
    std::optional<config::fault> failure;  ///< the query could not be run
};

/// Asks the server that serves `database`, as auth_user. Without an auth_query: not known. Never cached: a changed
/// password counts at once.
boost::asio::awaitable<verifier_answer> query_verifier(worker& home, const front_door& door,
                                                       const std::string& database, const std::string& user);

}  // namespace ringway::proxy
