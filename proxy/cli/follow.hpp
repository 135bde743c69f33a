#pragma once
// `ringway admin "REBALANCE shop" --follow`: a line that tells how far a rebalance is, until it has ended.

#include <string>

#include "proxy/admin/table.hpp"
#include "proxy/cli/admin_client.hpp"

namespace ringway::proxy::cli {

/// Of SHOW REBALANCE's rows of one cluster.
struct followed {
    std::string line;  ///< "copying      [#####     ] 52%  12,345 of 24,000 rows ..."
    bool over = false, stopped = false;
};
followed progress_of(const admin::table& rows, const std::string& cluster, std::size_t width = 30);

/// Draws to stdout. Returns the exit code: 0 when it is done, or cancelled.
int follow_rebalance(const admin_options& with);

}  // namespace ringway::proxy::cli
