#include "proxy/admin/ring_share.hpp"

#include <cmath>

namespace ringway::proxy::admin {

namespace {

/// Positions after the point before it, up to itself; wraps around, as the ring does. 0 for one point alone: all 2^64
/// of them.
std::uint64_t length_of(std::span<const router::ring_point> points, std::size_t index) {
    return points[index].at - points[index == 0 ? points.size() - 1 : index - 1].at;
}

double part_of_ring(std::uint64_t positions) {
    return std::ldexp(static_cast<double>(positions), -64);
}

}  // namespace

double arc_of(const router::ring& of, std::size_t index) {
    const auto points = of.points();
    return points.size() == 1 ? 1.0 : part_of_ring(length_of(points, index));
}

std::vector<ring_share> ring_shares(const router::shard_map& of) {
    std::vector<ring_share> shares(of.shards.size());
    const auto points = of.points ? of.points->points() : std::span<const router::ring_point>{};
    std::vector<std::uint64_t> positions(shares.size());
    for (std::size_t i = 0; i < points.size(); ++i) {
        ++shares[points[i].shard].points;
        positions[points[i].shard] += length_of(points, i);
    }
    for (std::size_t i = 0; i < shares.size();
         ++i)  // who has every point has 2^64 positions, one more than can be counted
        shares[i].share = shares[i].points == points.size() && (shares.size() == 1 || !points.empty())
                              ? 1.0
                              : part_of_ring(positions[i]);
    return shares;
}

}  // namespace ringway::proxy::admin
