#pragma once
// COPY of a table's rows to or from the client, as its text says it.

#include <string>
#include <vector>

#include "router/copy_rows.hpp"

namespace ringway::router {

struct copy_command {
    copy_form form;
    std::vector<std::string> columns;  ///< empty: all that are not generated
    std::vector<std::string> force_not_null, force_null;
    bool all_not_null = false, all_null = false;  ///< FORCE_NOT_NULL *, FORCE_NULL *
    std::string problem;                          ///< an option that is not served on several shards: "ON_ERROR"
};

}  // namespace ringway::router
