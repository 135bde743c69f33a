#pragma once
// The consistent ring. A position is the first 8 bytes, big endian, of md5 of the key's canonical text:
// PostgreSQL and MySQL compute the same with ringway_position(text).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/catalog.hpp"

namespace ringway::router {

/// Position of a canonical key text on the ring, 0 .. 2^64-1.
std::uint64_t position(std::string_view canonical) noexcept;

struct ring_point {
    std::uint64_t at = 0;
    std::uint16_t shard = 0;
};

/// Shards stand at md5("name-i"), i from 0, round(150 * weight) virtual nodes each (at least 1; none with weight 0).
/// Immutable.
class ring {
  public:
    struct member {
        std::string name;
        double weight = 1;
        friend bool operator==(const member&, const member&) = default;
    };
    /// One position that has an owner of its own, whatever the points say.
    struct exception {
        std::uint64_t at = 0;
        std::uint16_t shard = 0;
    };
    explicit ring(std::span<const member> members, std::span<const exception> exceptions = {});

    /// Index of the owner: the first point at or after the position, wrapping around. O(log n).
    std::uint16_t owner(std::uint64_t at) const noexcept;
    std::span<const ring_point> points() const noexcept { return points_; }

  private:
    void except(const exception& what);
    std::vector<ring_point> points_;
};

/// A buffer a canonical key is written into without allocating, for keys up to 256 bytes.
struct canonical_key {
    char small[256];
    std::string large;
    std::string_view text;
};

/// The canonical text of a key given as text (a literal's value or a text-format parameter). False: not a value of that
/// type.
bool canonical_from_text(key_type type, std::string_view value, canonical_key& out);
/// ... given in PostgreSQL's binary format; `oid` is the parameter's own type (0: the column's).
bool canonical_from_binary(key_type type, std::uint32_t oid, std::span<const std::byte> value, canonical_key& out);

/// Body of `ringway_position(text)` for a PostgreSQL shard: CREATE OR REPLACE FUNCTION ... returning numeric.
std::string_view postgres_position_function() noexcept;

/// What makes `ringway_position(text)` of a MySQL or MariaDB shard in a database, one statement after the other.
std::vector<std::string> mysql_position_function(std::string_view database);

}  // namespace ringway::router
