#pragma once
// Who waits for whose locks on which shard, and who is to give way: a pure function over what the shards have said.
// Cycles of one shard's connections are the server's own to find.

#include <cstdint>
#include <string>
#include <vector>

namespace ringway::proxy {

/// A server process that waits for a lock, and one that is in its way; as one shard tells it.
struct lock_wait {
    std::uint16_t shard = 0;
    std::uint32_t waiter = 0, holder = 0;                  ///< pids on that shard
    std::uint64_t waiting_client = 0, holding_client = 0;  ///< whose connections they are; 0: none of this proxy's
    friend bool operator==(const lock_wait&, const lock_wait&) = default;
};

/// A cycle over several connections of a client, on several shards or on one: the clients in it in ascending order, and
/// the one that gives way.
struct deadlock {
    std::vector<std::uint64_t> clients;
    std::uint64_t victim = 0;
    friend bool operator==(const deadlock&, const deadlock&) = default;
};

/// Each client is in at most one of them; when the victims have given way, no cycle over several shards is left. The
/// victim is the client with the highest id, that has come last, of those that hold locks on one connection and wait on
/// another.
std::vector<deadlock> find_deadlocks(const std::vector<lock_wait>& waits);

}  // namespace ringway::proxy
