#pragma once
// How much of the ring each shard owns.

#include <cstdint>
#include <vector>

#include "router/plan.hpp"

namespace ringway::proxy::admin {

/// Of one shard: its points, and the part of all positions it owns, 0 to 1.
struct ring_share {
    std::uint64_t points = 0;
    double share = 0;
};

/// By shard number. A cluster without a ring: its only shard owns everything.
std::vector<ring_share> ring_shares(const router::shard_map& of);

/// Part of all positions that belongs to points()[index]: those after the point before it, up to itself.
double arc_of(const router::ring& of, std::size_t index);

}  // namespace ringway::proxy::admin
