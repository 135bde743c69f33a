#pragma once
// What to move, and why: of a cluster's figures. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy::rebalance {

/// A key that many of a shard's statements are about.
struct key_figures {
    std::string table, key;
    double per_second = 0;
    bool on_ring = true;  ///< others cannot be moved
};

struct shard_figures {
    std::string name;
    double weight = 1;             ///< of the active ring
    double configured_weight = 1;  ///< of the file
    double statements_per_second = 0;
    double ring_per_second = 0;          ///< those of them that name a key on the ring
    std::optional<std::uint64_t> bytes;  ///< of the tables on the ring; nothing: not known
    std::vector<key_figures> hottest;    ///< the hottest first
};

struct advice {
    std::string shard;
    std::string command;  ///< what to send, or to write into the file first
    std::string reason;
};

/// A cluster as it is now.
struct cluster_figures {
    std::string name;
    std::vector<shard_figures> shards;
    bool ring_differs = false;  ///< the file describes another ring than the active one
    bool enough_seen = true;    ///< statements, for something to be said about them
    bool tells_keys = true;     ///< to who asks
};

/// A value as MOVE and SHOW KEY read it.
std::string value_text(std::string_view key);

/// At most one for a shard: of what makes it the busiest.
std::vector<advice> advise(const cluster_figures& of);

}  // namespace ringway::proxy::rebalance
