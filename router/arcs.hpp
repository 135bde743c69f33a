#pragma once
// Parts of the ring: what changes its owner between two rings, and where rows may stand that their shard does not own.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/catalog.hpp"
#include "router/ring.hpp"

namespace ringway::router {

/// Positions first to last, both included; first <= last: what wraps around the end of the ring is two arcs.
struct arc {
    std::uint64_t first = 0, last = 0;
    friend bool operator==(const arc&, const arc&) = default;
};

/// A set of positions. Immutable: sorted, neighbours are one.
class arc_set {
  public:
    arc_set() = default;
    explicit arc_set(std::vector<arc> from);
    static arc_set all() { return arc_set({{0, ~std::uint64_t{0}}}); }

    bool contains(std::uint64_t at) const noexcept;
    bool empty() const noexcept { return arcs_.empty(); }
    std::span<const arc> arcs() const noexcept { return arcs_; }
    /// The part of all positions, 0 to 1.
    double share() const noexcept;
    friend bool operator==(const arc_set&, const arc_set&) = default;

  private:
    std::vector<arc> arcs_;
};

/// An arc that `source` owns before and `target` after.
struct arc_move {
    arc where;
    std::uint16_t source = 0, target = 0;
    friend bool operator==(const arc_move&, const arc_move&) = default;
};

/// What changes its owner, ascending. The shards' numbers mean the same in both rings. A ring without points owns
/// nothing: there is nothing to compare then.
std::vector<arc_move> difference(const ring& before, const ring& after);

/// Everything that moves from one shard to one other.
struct shard_move {
    std::uint16_t source = 0, target = 0;
    arc_set where;
    friend bool operator==(const shard_move&, const shard_move&) = default;
};
/// By source, then target.
std::vector<shard_move> merged(std::span<const arc_move> from);

/// Of a cluster whose ring changes. Immutable.
struct ring_change {
    arc_set moving;               ///< whose owner changes: writes to them wait while they are fenced
    std::vector<arc_set> hidden;  ///< by shard: rows of these positions may stand there, and are another shard's
    bool hides_any() const noexcept;
};

/// SQL for a key's canonical text, from a column of this type; independent of the session's settings. Empty: of such a
/// type it is not certain.
std::string key_text_sql(key_type type, std::string_view column);

/// SQL: is the position of a key's canonical text, given as SQL, in the set? NULL for NULL.
std::string in_arcs_sql(const arc_set& set, std::string_view key_text);

/// CREATE OR REPLACE FUNCTION ringway.place(text): the position as a signed bigint, which a server computes and
/// compares faster than ringway_position(text). The schema must be there.
std::string_view place_function() noexcept;

/// An UPDATE or DELETE of one table, as it was written, on those rows only for which `condition` is not true. Empty:
/// its conditions are not found.
std::string without_rows(std::string_view sql, std::string_view condition, bool standard_conforming_strings = true);

}  // namespace ringway::router
