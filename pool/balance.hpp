#pragma once
// Picks one of the nodes that fit. Pure, and without allocation once `state` has grown to the shard's size.

#include <cstddef>
#include <cstdint>

#include "config/settings.hpp"
#include "pool/health.hpp"

namespace ringway::pool {

namespace balancing {

std::uint64_t next_random(std::uint64_t& seed);

template <typename test>
std::size_t count(const shard_health& shard, const test& fits) {
    std::size_t found = 0;
    for (const node_health& node : shard.nodes) found += fits(node) ? 1 : 0;
    return found;
}

/// Index of the nth node (0-based) that fits; -1: there are not so many.
template <typename test>
int nth(const shard_health& shard, std::size_t n, const test& fits) {
    for (std::size_t i = 0; i < shard.nodes.size(); ++i) {
        if (fits(shard.nodes[i]) && n-- == 0) return static_cast<int>(i);
    }
    return -1;
}

/// The node that fits with the fewest leases; of several the next in turn.
template <typename test>
int least_used(const shard_health& shard, balance_state& state, const test& fits) {
    const auto used = [&](std::size_t i) { return i < state.in_use.size() ? state.in_use[i] : 0U; };
    int best = -1;
    const std::size_t nodes = shard.nodes.size();
    const std::size_t first = state.next++ % nodes;
    for (std::size_t step = 0; step < nodes; ++step) {
        const std::size_t i = (first + step) % nodes;
        if (!fits(shard.nodes[i])) continue;
        if (best < 0 || used(i) < used(static_cast<std::size_t>(best))) best = static_cast<int>(i);
    }
    return best;
}

/// Smooth weighted round robin: everyone gains its weight, the richest is taken and pays the total. A weight of 0 is
/// taken only when nobody has more.
template <typename test>
int by_weight(const shard_health& shard, balance_state& state, const test& fits) {
    if (state.credit.size() != shard.nodes.size()) state.credit.assign(shard.nodes.size(), 0.0);
    double total = 0;
    int best = -1;
    for (std::size_t i = 0; i < shard.nodes.size(); ++i) {
        const node_health& node = shard.nodes[i];
        if (node.weight <= 0 || !fits(node)) continue;
        total += node.weight;
        state.credit[i] += node.weight;
        if (best < 0 || state.credit[i] > state.credit[static_cast<std::size_t>(best)]) best = static_cast<int>(i);
    }
    if (best >= 0) state.credit[static_cast<std::size_t>(best)] -= total;
    return best;
}

}  // namespace balancing

/// Index of a node that fits, chosen as `how` says; -1: none fits.
template <typename test>
int pick(const shard_health& shard, config::balance how, balance_state& state, const test& fits) {
    const std::size_t fit = balancing::count(shard, fits);
    if (fit == 0) return -1;
    switch (how) {
        case config::balance::least_connections:
            return balancing::least_used(shard, state, fits);
        case config::balance::weighted:
            if (const int node = balancing::by_weight(shard, state, fits); node >= 0) return node;
            break;
        case config::balance::random:
            return balancing::nth(shard, balancing::next_random(state.seed) % fit, fits);
        case config::balance::round_robin:
            break;
    }
    return balancing::nth(shard, state.next++ % fit, fits);
}

}  // namespace ringway::pool
