#pragma once
// What the HTTP port says to a request: pure routing, no socket.

#include <string>
#include <string_view>

#include "proxy/admin/execute.hpp"
#include "proxy/control/inventory.hpp"

namespace ringway::proxy::http {

struct answer {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string allow;  ///< for 405
};

/// /health, /health/live, /health/ready, /metrics, /api and /api/<what SHOW takes, lower case>. Only GET and HEAD.
/// Arguments of SHOW are query parameters: /api/key?cluster=shop&table=orders&value=42,
/// /api/route?cluster=shop&sql=...&value=..., /api/ring?cluster=shop[&full=true]. Asks the inventory, so it belongs on
/// a control thread.
answer answer_to(std::string_view method, std::string_view target, inventory& of, const admin::executor& commands,
                 admin::instant now);

}  // namespace ringway::proxy::http
