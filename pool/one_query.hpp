#pragma once
// A few queries on a connection of their own: for auth_query, where the worker must not block.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "pool/server_login.hpp"

namespace ringway::pool {

struct question {
    std::string sql;
    std::vector<std::string> parameters;  ///< text
};

using query_rows = std::vector<std::vector<std::optional<std::string>>>;

struct query_answers {
    std::vector<query_rows> sets;  ///< one a question
    std::optional<config::fault> failure;
};

/// Logs in, runs all of them, reads all rows (at most 1 MiB), and closes. Bounded by the target's connect_timeout for
/// each step.
boost::asio::awaitable<query_answers> run_queries(boost::asio::io_context& on,
                                                  std::shared_ptr<const server_target> target,
                                                  std::vector<question> questions);

}  // namespace ringway::pool
