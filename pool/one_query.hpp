#pragma once
// A single query on a connection of its own: for auth_query, where the worker must not block.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "pool/server_login.hpp"

namespace ringway::pool {

struct query_rows {
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::optional<config::fault> failure;
};

/// Logs in, runs `sql` with text parameters, reads all rows (at most 1 MiB), and closes. Bounded by the target's
/// connect_timeout for each step.
boost::asio::awaitable<query_rows> run_one_query(boost::asio::io_context& on,
                                                 std::shared_ptr<const server_target> target, std::string sql,
                                                 std::vector<std::string> parameters);

}  // namespace ringway::pool
