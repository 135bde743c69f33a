#pragma once
// Tables of the admin commands as JSON.

#include <string>

#include "config/fault.hpp"
#include "proxy/admin/table.hpp"

namespace ringway::proxy::http {

/// An array with an object a row. int8, int4 and float8 become numbers, boolean true or false, NULL null, the rest
/// texts (numeric too: a position does not fit a JSON number). A command without rows: {"tag": "PAUSE"}.
std::string json_of(const admin::table& from);
/// {"error": {"sqlstate", "message", "detail", "hint"}}; empty ones are left out.
std::string json_of(const config::fault& from);

}  // namespace ringway::proxy::http
