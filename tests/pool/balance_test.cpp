#include "pool/balance.hpp"

#include <doctest/doctest.h>

#include <array>

#include "pool/health.hpp"

using namespace ringway;
using namespace ringway::pool;
using config::fault_kind;
using config::read_consistency;
using std::chrono::milliseconds;

namespace {

const steady_time now = steady_time{std::chrono::hours{1}};

node_health replica(std::uint16_t port, int lag_ms) {
    node_health n;
    n.address = {"h", port};
    n.role = node_role::replica;
    n.usable = true;
    n.watermark = now - milliseconds{lag_ms};
    n.lag = milliseconds{lag_ms};
    return n;
}

/// Node 0 is the primary, 1 lags 50 ms, 2 lags 300 ms, 3 lags 20 s.
shard_health usual_shard() {
    shard_health s;
    node_health primary = replica(1, 0);
    primary.role = node_role::primary;
    s.nodes = {primary, replica(2, 50), replica(3, 300), replica(4, 20'000)};
    s.primary = 0;
    return s;
}

shard_health without_primary(shard_health s) {
    s.nodes[0].usable = false;
    s.nodes[0].reason = "refused";
    s.primary = -1;
    s.reason = "the primary h:1 is lost: refused";
    return s;
}

std::vector<int> reads(const shard_health& s, const read_wish& wish, const config::read_rules& rules, int times,
                       balance_state state = {}) {
    std::vector<int> nodes;
    for (int i = 0; i < times; ++i) nodes.push_back(choose_for_read(s, wish, rules, now, state).node);
    return nodes;
}

using nodes = std::vector<int>;

}  // namespace

TEST_CASE("writes take the primary, or are held when there is none") {
    CHECK(choose_primary(usual_shard()).node == 0);
    const choice none = choose_primary(without_primary(usual_shard()));
    CHECK(none.node == -1);
    CHECK(none.hold);
    REQUIRE(none.why);
    CHECK(none.why->kind == fault_kind::cannot_connect);
    CHECK(none.why->detail == "the primary h:1 is lost: refused");
    CHECK(choose_primary(shard_health{}).hold);
}

TEST_CASE("reads alternate over the replicas in order") {
    CHECK(reads(usual_shard(), {}, {}, 5) == nodes{1, 2, 1, 2, 1});
    shard_health s = usual_shard();
    s.nodes[1].usable = false;
    CHECK(reads(s, {}, {}, 3) == nodes{2, 2, 2});
}

TEST_CASE("session: only a replica whose watermark is later than the last write") {
    read_wish wish;
    wish.last_write = now - milliseconds{100};
    CHECK(reads(usual_shard(), wish, {}, 3) == nodes{1, 1, 1});
    wish.last_write = now - milliseconds{50};  // not strictly later
    CHECK(reads(usual_shard(), wish, {}, 2) == nodes{0, 0});
    wish.last_write = now - milliseconds{51};
    CHECK(reads(usual_shard(), wish, {}, 1) == nodes{1});
}

TEST_CASE("a replica of unknown lag serves eventual reads only") {
    shard_health s = usual_shard();
    s.nodes[1].watermark = {};
    s.nodes[1].lag = milliseconds{-1};
    read_wish wish;
    CHECK(reads(s, wish, {}, 2) == nodes{2, 2});
    wish.mode = read_consistency::bounded;
    CHECK(reads(s, wish, {}, 2) == nodes{2, 2});
    wish.mode = read_consistency::eventual;
    CHECK(reads(s, wish, {}, 3) == nodes{1, 2, 3});
}

TEST_CASE("bounded: lag counts from now, not from when the snapshot was made") {
    read_wish wish;
    wish.mode = read_consistency::bounded;
    wish.max_lag = milliseconds{100};
    wish.last_write = now;  // does not matter here
    CHECK(reads(usual_shard(), wish, {}, 2) == nodes{1, 1});
    balance_state state;
    CHECK(choose_for_read(usual_shard(), wish, {}, now + milliseconds{60}, state).node == 0);
    wish.max_lag = milliseconds{50};
    CHECK(reads(usual_shard(), wish, {}, 1) == nodes{1});
    wish.max_lag = milliseconds{49};
    CHECK(reads(usual_shard(), wish, {}, 1) == nodes{0});
}

TEST_CASE("R9: all replicas too far behind: the primary or an error, as configured") {
    shard_health s = usual_shard();
    s.nodes.erase(s.nodes.begin() + 1, s.nodes.begin() + 3);
    config::read_rules rules;
    CHECK(reads(s, {}, rules, 2) == nodes{0, 0});
    rules.fallback = config::no_replica::error;
    balance_state state;
    const choice none = choose_for_read(s, {}, rules, now, state);
    CHECK(none.node == -1);
    CHECK_FALSE(none.hold);
    REQUIRE(none.why);
    CHECK(none.why->detail == "h:1: is the primary; h:4: lags 20000 ms, max_lag is 5000 ms");
}

TEST_CASE("a replica that only lacks the session's own write is no outage: the primary answers") {
    config::read_rules rules;
    rules.fallback = config::no_replica::error;
    read_wish wish;
    wish.last_write = now;
    CHECK(reads(usual_shard(), wish, rules, 1) == nodes{0});
}

TEST_CASE("a replica that is required: never the primary; worth waiting for when one is about to be fit") {
    read_wish wish;
    wish.require_replica = true;
    balance_state state;
    CHECK(choose_for_read(usual_shard(), wish, {}, now, state).node == 1);
    wish.last_write = now;
    const choice soon = choose_for_read(usual_shard(), wish, {}, now, state);
    CHECK(soon.node == -1);
    CHECK(soon.hold);
    shard_health s = usual_shard();
    s.nodes.resize(1);
    const choice never = choose_for_read(s, wish, {}, now, state);
    CHECK(never.node == -1);
    CHECK_FALSE(never.hold);
    CHECK(never.why);
    wish.mode = read_consistency::primary;
    wish.last_write = now - milliseconds{100};
    CHECK(choose_for_read(usual_shard(), wish, {}, now, state).node == 1);
}

TEST_CASE("primary consistency and splitting = false read from the primary") {
    read_wish wish;
    config::read_rules rules;
    rules.splitting = false;
    CHECK(reads(usual_shard(), wish, rules, 2) == nodes{0, 0});
    rules.splitting = true;
    wish.mode = read_consistency::primary;
    CHECK(reads(usual_shard(), wish, rules, 2) == nodes{0, 0});
}

TEST_CASE("no primary: reads go on over the replicas") {
    CHECK(reads(without_primary(usual_shard()), {}, {}, 2) == nodes{1, 2});
    read_wish wish;
    wish.last_write = now;
    balance_state state;
    CHECK(choose_for_read(without_primary(usual_shard()), wish, {}, now, state).hold);
}

TEST_CASE("a node that is neither primary nor replica is never chosen") {
    shard_health s = usual_shard();
    s.nodes[1].role = node_role::unknown;
    read_wish wish;
    wish.mode = read_consistency::eventual;
    CHECK(reads(s, wish, {}, 3) == nodes{2, 3, 2});
}

TEST_CASE("least connections, ties in turn") {
    config::read_rules rules;
    rules.how = config::balance::least_connections;
    balance_state state;
    state.in_use = {0, 5, 2};
    CHECK(reads(usual_shard(), {}, rules, 2, state) == nodes{2, 2});
    state.in_use = {0, 3, 3};
    const nodes seen = reads(usual_shard(), {}, rules, 8, state);
    CHECK(std::count(seen.begin(), seen.end(), 1) > 0);
    CHECK(std::count(seen.begin(), seen.end(), 2) > 0);
}

TEST_CASE("weighted: smooth, in proportion; weight 0 only when nobody has more") {
    config::read_rules rules;
    rules.how = config::balance::weighted;
    shard_health s = usual_shard();
    s.nodes[3] = replica(4, 10);
    s.nodes[1].weight = 3;
    s.nodes[2].weight = 1;
    s.nodes[3].weight = 0;
    CHECK(reads(s, {}, rules, 8) == nodes{1, 1, 2, 1, 1, 1, 2, 1});
    s.nodes[1].usable = s.nodes[2].usable = false;
    CHECK(reads(s, {}, rules, 2) == nodes{3, 3});
}

TEST_CASE("random: all of them, about equally often") {
    config::read_rules rules;
    rules.how = config::balance::random;
    std::array<int, 4> seen{};
    for (const int node : reads(usual_shard(), {}, rules, 2000)) ++seen[static_cast<std::size_t>(node)];
    CHECK(seen[0] == 0);
    CHECK(seen[3] == 0);
    CHECK(seen[1] > 850);
    CHECK(seen[2] > 850);
}
