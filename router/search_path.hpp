#pragma once
// Which schemas an unqualified name is looked up in, and what it finds.

#include <string>
#include <string_view>
#include <vector>

#include "router/catalog.hpp"

namespace ringway::router {

/// The schemas of a search_path as SHOW prints it (`"$user", public`), "$user" replaced; pg_catalog first unless it is
/// listed.
std::vector<std::string> schemas_of(std::string_view search_path, std::string_view user);

/// The relation a name means, or null. `schema` is empty for an unqualified name. Temporary tables are not known here.
const catalog_relation* find_relation(const catalog& in, const std::vector<std::string>& path, std::string_view schema,
                                      std::string_view name);

/// pg_catalog, information_schema, pg_toast.
bool is_system_schema(std::string_view schema) noexcept;

}  // namespace ringway::router
