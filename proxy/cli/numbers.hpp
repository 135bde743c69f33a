#pragma once
// The last part of `ringway init`: node numbers of the shards, and sequences that count on all of them.

#include <string>
#include <vector>

#include "proxy/cli/connection_string.hpp"

namespace ringway::proxy::cli {

/// A shard on whose primary Ringway's objects have been made.
struct numbered_shard {
    std::string name;
    connection_target primary;
};

/// What could not be done, and where: a shard's name, or a sequence's.
struct numbering_failure {
    std::string where, why;
};

/// Gives each shard that has none a node number of its own, leased from the first, and lets each of `sequences` give
/// every shard values of its own. Nothing is changed that is in order.
std::vector<numbering_failure> number_shards(const std::vector<numbered_shard>& shards,
                                             const std::vector<std::string>& sequences);

}  // namespace ringway::proxy::cli
