#pragma once
// Types whose values name objects by the OIDs that these have on one server: regclass, regtype, regproc and their like.
// Their values cannot be brought to another server, where the same number is another object's, or nobody's.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/fault.hpp"

namespace ringway::router {

/// The name of such a type, or of the one that this is an array of; empty: it is none.
std::string_view object_type(std::uint32_t type_oid) noexcept;

/// The types' OIDs and those of their arrays, as a list of SQL.
std::string object_types_sql();

/// Behind the first SELECT of a recursive CTE `inside (of, type)`: adds what the types are made of, however deep.
std::string_view parts_of_types_sql() noexcept;

std::span<const std::string_view> object_type_names() noexcept;

/// "column rc of t is of type regclass, whose values name objects of one server".
std::string why_object_column(std::string_view column, std::string_view table, std::string_view type);
config::fault object_column_fault(std::string why, std::string detail = {});

}  // namespace ringway::router
