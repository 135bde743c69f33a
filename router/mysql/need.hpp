#pragma once
// Whether a MySQL statement may run on a replica, and why not.

#include <string>
#include <string_view>

#include "router/catalog.hpp"
#include "router/need.hpp"
#include "router/statement.hpp"
#include "router/volatility.hpp"

namespace ringway::router::mysql {

/// `database`: the current one, or empty. `in` may be null: then no table and no stored function is known.
need_finding need_of(const statement& what, const catalog* in, std::string_view database);

/// Of a call. Stored functions count by their bodies where these are seen, and by their declared SQL_DATA_ACCESS
/// (catalog_function::is_volatile: neither NO SQL nor READS SQL DATA), which servers do not check: what then writes
/// after all, a replica refuses, and it runs again on the primary.
call_nature nature_of(const catalog* in, std::string_view database, std::string_view schema, const std::string& name);

/// The server's own, whatever its version. `name` is in lower case.
bool is_built_in(std::string_view name) noexcept;

/// By its words; stored functions may use tables, and views may call others.
bool calls_built_in_only(const statement& one);

/// Whether all servers of a shard give one answer for @@name.
bool is_same_everywhere(std::string_view variable) noexcept;

/// information_schema, performance_schema, mysql, sys.
bool is_system_schema(std::string_view schema) noexcept;

}  // namespace ringway::router::mysql
