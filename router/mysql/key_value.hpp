#pragma once
// Keys of MySQL's literals, where they are certain.

#include "router/key_value.hpp"

namespace ringway::router::mysql {

/// An integer key from an integer, or from a string of nothing but its digits; a text key from a string without an
/// introducer. Whatever MySQL would convert otherwise ('5 apples', 0x35, 5.0, a number compared to a text) may equal
/// several keys or another than its text says: unplaced.
key_outcome literal_key(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out);

}  // namespace ringway::router::mysql
