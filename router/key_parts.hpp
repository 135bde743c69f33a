#pragma once
// The families of key types behind router/key.hpp. Each writes the canonical text into `out` and returns true, or
// returns false and leaves `out` undefined.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "router/ring.hpp"

namespace ringway::router::key_parts {

/// Room for `size` bytes in `out`; `out.text` is set to them.
char* room(canonical_key& out, std::size_t size);
void copy(std::string_view text, canonical_key& out);
/// Without white space at both ends, as the server's input functions take most types.
std::string_view trimmed(std::string_view text) noexcept;

/// A big-endian integer of sizeof(T) bytes at `at`.
template <typename T>
T big_endian(const std::byte* at) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i != sizeof(T); ++i) value = value << 8 | std::to_integer<std::uint64_t>(at[i]);
    return static_cast<T>(value);
}

// --- numbers (key_number.cpp) ---

/// Trailing zeros of a numeric: dropped for a key, kept where the server turns the number into text.
enum class scale { minimal, kept };

bool integer_from_text(std::string_view value, bool negated, canonical_key& out);
void integer_from_value(std::int64_t value, canonical_key& out);
bool numeric_from_text(std::string_view value, bool negated, scale digits, canonical_key& out);
bool numeric_from_binary(std::span<const std::byte> value, scale digits, canonical_key& out);
/// An integer key compared with a number that may have a fraction: 5.0 is 5, 5.5 is none.
bool integer_from_numeric(canonical_key& number);
/// 2, 4 or 8 bytes; `type_oid` may be unspecified.
std::optional<std::int64_t> binary_integer(std::uint32_t type_oid, std::span<const std::byte> value);
/// float4 or float8, when it is an integer that stands for no other: below 2^53.
std::optional<std::int64_t> binary_float(std::span<const std::byte> value);

// --- dates and times (key_time.cpp) ---

bool date_from_text(std::string_view value, canonical_key& out);
/// `zoned`: the text must have an offset; the key is in UTC. Else it must have none.
bool timestamp_from_text(std::string_view value, bool zoned, canonical_key& out);
/// Days since 2000-01-01.
bool date_from_days(std::int64_t days, canonical_key& out);
/// Microseconds since 2000-01-01.
bool timestamp_from_microseconds(std::int64_t value, bool zoned, canonical_key& out);
/// ... and back, of canonical texts.
std::optional<std::int64_t> days_of_date(std::string_view canonical);
std::optional<std::int64_t> microseconds_of_timestamp(std::string_view canonical, bool zoned);

}  // namespace ringway::router::key_parts
