#pragma once
// Values in PostgreSQL's binary format as bytes that compare as the type's own operators do.
// Formats: the send functions of each type,
// https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-FORMAT-CODES

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::protocol::postgres {

/// Whether values of this type can be compared here. Texts: only where the collation compares bytes.
bool has_sort_key(std::uint32_t type_oid, bool texts_by_bytes) noexcept;

/// Appends the key of one value that is not NULL. Keys of one type compare by memcmp, a shorter one first where it is a
/// prefix. False: not a value of that type.
bool append_sort_key(std::string& to, std::uint32_t type_oid, std::string_view binary);

}  // namespace ringway::protocol::postgres
