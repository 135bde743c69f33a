#pragma once
// Canonical texts of shard keys: what the server would compare as equal has one text, whatever its type, format or
// spelling. Continues router/ring.hpp. False always means: not a value of that type whose place is certain.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "router/ring.hpp"
#include "router/shape.hpp"

namespace ringway::router {

/// Type oids of PostgreSQL (pg_type.dat) that a key parameter may have.
namespace oid {
constexpr std::uint32_t unspecified = 0, boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23,
                        text = 25, oid = 26, float4 = 700, float8 = 701, unknown = 705, bpchar = 1042, varchar = 1043,
                        date = 1082, timestamp = 1114, timestamptz = 1184, numeric = 1700, uuid = 2950;
constexpr std::uint32_t foreign = 0xFFFFFFFF;  ///< no server's: of a type that is not known here
}  // namespace oid

/// Of a literal of the statement's text; `negated`: a minus sign stands before it. No allocation, except for a string
/// with escapes or a key of more than 256 bytes.
bool canonical_from_literal(key_type type, std::string_view text, const literal& what, bool negated,
                            bool standard_conforming_strings, canonical_key& out);

/// Of a bound parameter that is not NULL. `type_oid` is the parameter's own type (0: not declared, so the column's).
bool canonical_from_parameter(key_type type, std::uint32_t type_oid, bool binary, std::string_view bytes,
                              canonical_key& out);

}  // namespace ringway::router
