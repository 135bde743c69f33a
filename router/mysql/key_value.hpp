#pragma once
// Keys of MySQL's values, where they are certain. What MySQL would convert on the way to the column ('5 apples', x'35'
// to a number, a number to a text) may equal several keys, or another than its text says: such a value is unplaced.

#include <cstdint>
#include <string>
#include <string_view>

#include "router/key_value.hpp"

namespace ringway::router::mysql {

/// What a bound parameter is, as parameter::type_oid; its bytes are its text as the server would write it, and those of
/// a text or of bytes as they came.
enum class parameter_kind : std::uint32_t {
    other,  ///< is never placed
    integer,
    decimal,
    real,
    text,  ///< in the client's character set
    bytes,
    date,
    datetime
};

/// One source of a value.
key_outcome key_of(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out);

/// A value's kind and text.
struct given_value {
    parameter_kind what = parameter_kind::other;
    bool hexadecimal = false;  ///< bytes written as 0x35, which is a number where a number is wanted
    std::uint8_t widest = 4;   ///< of a text: values::widest
    std::string_view text;
};

// By the column's type; false: unplaced.
bool number_key(const key_recipe& recipe, const given_value& given, canonical_key& out);
/// A text of the configuration's map, as text_key() makes one of such a column.
std::string map_text(std::string_view text, bool folds);
bool text_key(const key_recipe& recipe, const given_value& given, canonical_key& out);
bool binary_key(const key_recipe& recipe, const given_value& given, canonical_key& out);
bool time_key(const key_recipe& recipe, const given_value& given, canonical_key& out);

}  // namespace ringway::router::mysql
