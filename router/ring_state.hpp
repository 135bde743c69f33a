#pragma once
// The ring that statements follow, by names: what is kept over restarts, while the configuration describes the ring
// that REBALANCE moves towards.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "router/ring.hpp"

namespace ringway::router {

struct ring_state {
    /// A position with an owner of its own (MOVE ... KEY).
    struct exception {
        std::uint64_t at = 0;
        std::string shard;
        friend bool operator==(const exception&, const exception&) = default;
    };
    std::uint64_t epoch = 0;  ///< grows with each cutover
    std::vector<ring::member>
        shards;  ///< those that have joined: they have the tables, and copies of reference tables; weight 0: no arcs
    std::vector<exception> exceptions;

    const ring::member* find(std::string_view name) const noexcept;
    friend bool operator==(const ring_state&, const ring_state&) = default;
};

/// As the configuration describes it, without exceptions, epoch 1.
ring_state ring_state_of(const config::cluster& from);

/// One a name, in the names' order: those that have not joined have weight 0.
std::vector<ring::member> members_of(const ring_state& from, const std::vector<std::string>& names);
/// With the shards' numbers; a shard that is not among the names has none.
std::vector<ring::exception> exceptions_of(const ring_state& from, const std::vector<std::string>& names);

/// What REBALANCE makes of the active ring: the configured weights; exceptions stay. A shard with weight 0 that has not
/// joined need not.
ring_state target_of(const ring_state& active, const config::cluster& configured);

/// The shards that hold rows or copies and that the configuration does not have.
std::vector<std::string> missing_shards(const ring_state& active, const config::cluster& configured);

}  // namespace ringway::router
