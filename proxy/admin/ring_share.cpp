#include "proxy/admin/ring_share.hpp"

#include <cmath>

namespace ringway::proxy::admin {

double arc_of(const router::ring& of, std::size_t index) {
    const auto points = of.points();
    const auto before = points[index == 0 ? points.size() - 1 : index - 1].at;
    const auto length = points[index].at - before;  // wraps around, as the ring does
    if (length == 0) return points.size() == 1 ? 1.0 : 0.0;
    return std::ldexp(static_cast<double>(length), -64);
}

std::vector<ring_share> ring_shares(const router::shard_map& of) {
    std::vector<ring_share> shares(of.shards.size());
    if (!of.points || of.points->points().empty()) {
        if (shares.size() == 1) shares[0].share = 1;
        return shares;
    }
    const auto points = of.points->points();
    for (std::size_t i = 0; i < points.size(); ++i) {
        auto& owner = shares[points[i].shard];
        ++owner.points;
        owner.share += arc_of(*of.points, i);
    }
    return shares;
}

}  // namespace ringway::proxy::admin
