#pragma once
// The inventory as Prometheus metrics (text format 0.0.4). The names are listed in docs/admin.md.

#include <string>

#include "proxy/admin/view.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::http {

std::string metrics_text(inventory& of, admin::instant now);

}  // namespace ringway::proxy::http
