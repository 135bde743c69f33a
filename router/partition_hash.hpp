#pragma once
// PostgreSQL's hash of a partition key (PARTITION BY HASH, satisfies_hash_partition), of canonical key texts.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "router/catalog.hpp"

namespace ringway::router {

/// One column of a key.
struct key_part {
    key_type type = key_type::text;
    std::string_view text;  ///< canonical
    bool folds = false;     ///< MySQL: of a column whose collation ignores case, so that the text is in small letters
};

/// Of a whole key: a row belongs to the partition with `remainder` = hash % modulus. Nothing for a type that is not
/// hashed here. No allocation for numbers of fewer than 250 digits.
std::optional<std::uint64_t> partition_hash(std::span<const key_part> key);

}  // namespace ringway::router
