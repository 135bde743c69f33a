#pragma once
// The options of COPY, in its old and its new form.

#include <memory>

#include "router/copy_command.hpp"
#include "router/postgres/tree.hpp"

namespace ringway::router::postgres {

/// Options that the server refuses are for it to refuse: they read as if they were not there.
std::shared_ptr<const copy_command> read_copy_command(node copy);

}  // namespace ringway::router::postgres
