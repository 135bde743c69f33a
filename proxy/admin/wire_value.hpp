#pragma once
// Values of results and parameters in PostgreSQL's binary formats.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/admin/table.hpp"

namespace ringway::proxy::admin {

/// A cell's text in the binary format of its type: int8, int4, float8 big endian; bool one byte; timestamptz
/// microseconds since 2000-01-01; numeric as in numeric_send(); text as it is. `text` was made by cell_of().
std::string binary_value(column_type type, std::string_view text);

/// The text of a parameter given in binary format: int2, int4, int8, bool, uuid and the text types. Nothing for other
/// types and wrong lengths.
std::optional<std::string> parameter_text(std::uint32_t type_oid, std::string_view bytes);

/// Bytes of a value of that type, as RowDescription gives it; -1: varying.
int size_of(column_type type) noexcept;

}  // namespace ringway::proxy::admin
