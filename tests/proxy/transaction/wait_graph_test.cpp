#include "proxy/transaction/wait_graph.hpp"

#include <doctest/doctest.h>

using ringway::proxy::deadlock;
using ringway::proxy::find_deadlocks;
using ringway::proxy::lock_wait;

namespace {

/// Client `who` waits on a shard for client `whom`; their processes there have the clients' numbers and a hundred a
/// shard.
lock_wait waits(std::uint64_t who, std::uint16_t shard, std::uint64_t whom) {
    const auto pid = [shard](std::uint64_t client) { return static_cast<std::uint32_t>(client + 100u * (shard + 1u)); };
    return {shard, pid(who), pid(whom), who, whom};
}

}  // namespace

TEST_CASE("nobody waits, or in a row: nobody gives way") {
    CHECK(find_deadlocks({}).empty());
    CHECK(find_deadlocks({waits(1, 0, 2)}).empty());
    CHECK(find_deadlocks({waits(1, 0, 2), waits(2, 1, 3), waits(4, 1, 3), waits(3, 0, 5)}).empty());
}

TEST_CASE("two clients, two shards, opposite order: the later one gives way") {
    CHECK(find_deadlocks({waits(7, 0, 9), waits(9, 1, 7)}) == std::vector<deadlock>{{{7, 9}, 9}});
    CHECK(find_deadlocks({waits(9, 0, 7), waits(7, 1, 9)}) == std::vector<deadlock>{{{7, 9}, 9}});
}

TEST_CASE("a cycle within one shard is the server's own") {
    CHECK(find_deadlocks({waits(1, 0, 2), waits(2, 0, 1)}).empty());
    CHECK(find_deadlocks({waits(1, 0, 2), waits(2, 0, 3), waits(3, 0, 1), waits(4, 1, 1)}).empty());
}

TEST_CASE("a client whose two connections to one shard are in it is for us to find") {
    const lock_wait holds{0, 102, 101, 2, 1}, reads_beside{0, 301, 102, 1, 2};
    CHECK(find_deadlocks({holds, reads_beside}) == std::vector<deadlock>{{{1, 2}, 1}});
}

TEST_CASE("three clients on three shards, with others that hang on to them") {
    const auto found = find_deadlocks({waits(1, 0, 2), waits(2, 1, 3), waits(3, 2, 1), waits(8, 0, 1), waits(9, 1, 8)});
    CHECK(found == std::vector<deadlock>{{{1, 2, 3}, 3}});
}

TEST_CASE("the victim holds on one shard and waits on another: breaking a wait in one place would not do") {
    // 9 is between two on the same shard, and has nothing on the other.
    const auto found = find_deadlocks({waits(1, 0, 9), waits(9, 0, 2), waits(2, 1, 1)});
    CHECK(found == std::vector<deadlock>{{{1, 2, 9}, 2}});
}

TEST_CASE("processes that are not this proxy's take part by their shard") {
    lock_wait for_other{0, 101, 555, 1, 0}, other{0, 555, 102, 0, 2};
    CHECK(find_deadlocks({for_other, other, waits(2, 1, 1)}) == std::vector<deadlock>{{{1, 2}, 2}});
    lock_wait same_pid_elsewhere{1, 555, 202, 0, 2};  // another process than 555 of shard 0
    CHECK(find_deadlocks({for_other, same_pid_elsewhere, waits(2, 1, 1)}).empty());
}

TEST_CASE("prepared transactions wait for nobody") {
    lock_wait prepared{0, 101, 0, 1, 0};
    CHECK(find_deadlocks({prepared, waits(2, 1, 1)}).empty());
}

TEST_CASE("two cycles have a victim each, one victim ends two that share it") {
    const auto two = find_deadlocks({waits(1, 0, 2), waits(2, 1, 1), waits(3, 0, 4), waits(4, 1, 3)});
    CHECK(two == std::vector<deadlock>{{{1, 2}, 2}, {{3, 4}, 4}});
    const auto shared = find_deadlocks({waits(1, 0, 9), waits(9, 1, 1), waits(2, 0, 9), waits(9, 1, 2)});
    REQUIRE(shared.size() == 1);
    CHECK(shared.front().victim == 9);
}
