#include "pool/shard_watch.hpp"

#include <doctest/doctest.h>

using namespace ringway;
using namespace ringway::pool;
using std::chrono::milliseconds;

namespace {

steady_time at(int ms) {
    return steady_time{std::chrono::hours{1}} + milliseconds{ms};
}

const std::vector<config::endpoint> three_nodes{{"h", 1}, {"h", 2}, {"h", 3}};

/// A shard whose checks take 1 ms: answers at `ms` were asked for at `ms - 1`.
struct scene {
    shard_watch shard{three_nodes, {}};

    void primary(std::size_t node, int ms, std::uint64_t lsn, std::uint32_t timeline = 1) {
        answer(node, ms, {.in_recovery = false, .timeline = timeline, .system = 7, .lsn = lsn});
    }
    void replica(std::size_t node, int ms, std::uint64_t lsn, std::uint32_t timeline = 1) {
        answer(node, ms, {.in_recovery = true, .timeline = timeline, .system = 7, .lsn = lsn, .streaming = true});
    }
    void answer(std::size_t node, int ms, node_answer what) {
        shard.check_began(node, at(ms - 1));
        what.asked = at(ms - 1);
        shard.check_answered(node, what, at(ms));
    }
    void fail(std::size_t node, int ms, const std::string& reason = "refused") {
        shard.check_began(node, at(ms - 1));
        shard.check_failed(node, reason, at(ms));
    }
    /// Node 0 primary at 100, 1 and 2 replicas that have all of it, at 0 ms.
    void usual() {
        primary(0, 1, 100);
        replica(1, 1, 100);
        replica(2, 1, 100);
    }
};

}  // namespace

TEST_CASE("before the first check nothing is usable") {
    scene s;
    const shard_health h = s.shard.assess(at(0));
    CHECK(h.primary == -1);
    CHECK(h.reason ==
          "no node says that it is a primary; h:1: not checked yet; h:2: not checked yet; h:3: not checked yet");
    for (const node_health& n : h.nodes) {
        CHECK_FALSE(n.usable);
        CHECK(n.reason == "not checked yet");
        CHECK(n.lag.count() == -1);
    }
}

TEST_CASE("roles, watermarks and lag of a shard in order") {
    scene s;
    s.usual();
    const shard_health h = s.shard.assess(at(40));
    CHECK(h.primary == 0);
    CHECK(h.reason.empty());
    CHECK(h.nodes[0].role == node_role::primary);
    CHECK(h.nodes[0].lag.count() == 0);
    for (const int i : {1, 2}) {
        const node_health& n = h.nodes[static_cast<std::size_t>(i)];
        CHECK(n.role == node_role::replica);
        CHECK(n.usable);
        CHECK(n.watermark == at(0));
        CHECK(n.lag.count() == 40);
        CHECK(n.lag_bytes == 0);
    }
}

TEST_CASE("the watermark is the time before the primary was asked, not when it answered") {
    scene s;
    s.shard.check_began(0, at(0));
    s.shard.check_answered(0, {.timeline = 1, .system = 7, .lsn = 100, .asked = at(0)}, at(900));
    s.replica(1, 950, 100);
    CHECK(s.shard.assess(at(950)).nodes[1].watermark == at(0));
}

TEST_CASE("idle primary: lag stays near 0 though nothing is replayed") {
    scene s;
    s.usual();
    for (int ms = 100; ms <= 10'000; ms += 100) s.primary(0, ms, 100);
    const shard_health h = s.shard.assess(at(10'010));
    CHECK(h.nodes[1].lag.count() == 11);
    CHECK(h.nodes[2].lag.count() == 11);
}

TEST_CASE("R4: replay stopped: the watermark stands, the lag grows with time, bytes are told") {
    scene s;
    s.usual();
    for (int ms = 100; ms <= 10'000; ms += 100) {
        s.primary(0, ms, 100 + static_cast<std::uint64_t>(ms));
        s.replica(1, ms + 2, 100);
        s.replica(2, ms + 2, 100 + static_cast<std::uint64_t>(ms));
    }
    const shard_health h = s.shard.assess(at(10'010));
    CHECK(h.nodes[1].watermark == at(0));
    CHECK(h.nodes[1].lag.count() == 10'010);
    CHECK(h.nodes[1].lag_bytes == 10'000);
    CHECK(h.nodes[1].usable);
    CHECK(h.nodes[2].watermark == at(9'999));
}

TEST_CASE("a replica without WAL receiver stays usable while its watermark is honest") {
    scene s;
    s.usual();
    s.answer(1, 100, {.in_recovery = true, .timeline = 1, .system = 7, .lsn = 100, .streaming = false});
    s.primary(0, 101, 100);
    const node_health n = s.shard.assess(at(110)).nodes[1];
    CHECK(n.usable);
    CHECK_FALSE(n.replaying);
    CHECK(n.watermark == at(100));
}

TEST_CASE("primary unreachable: replicas keep their watermark, lag grows honestly") {
    scene s;
    s.usual();
    s.primary(0, 100, 100);
    s.fail(0, 200, "connection refused");
    for (int ms = 300; ms <= 3'000; ms += 100) s.replica(1, ms, 100);
    const shard_health h = s.shard.assess(at(3'000));
    CHECK(h.primary == -1);
    CHECK(h.reason == "the primary h:1 is lost: connection refused");
    CHECK(h.nodes[0].role == node_role::primary);
    CHECK_FALSE(h.nodes[0].usable);
    CHECK(h.nodes[1].usable);
    CHECK(h.nodes[1].watermark == at(99));
    CHECK(h.nodes[1].lag.count() == 2'901);
}

TEST_CASE("R8: a check that takes too long ends the node's rotation, by the reader's clock") {
    scene s;
    s.usual();
    s.shard.check_began(1, at(100));
    CHECK(s.shard.assess(at(1'100)).nodes[1].usable);
    const shard_health h = s.shard.assess(at(1'101));
    CHECK_FALSE(h.nodes[1].usable);
    CHECK(h.nodes[1].reason == "no answer within 1000 ms");
    CHECK(s.shard.overdue(1, at(1'101)));
    s.shard.check_failed(1, "server closed the connection unexpectedly", at(1'110));
    CHECK(s.shard.assess(at(1'110)).nodes[1].reason == "no answer within 1000 ms");
    s.fail(1, 2'000, "connection refused");
    CHECK(s.shard.assess(at(2'000)).nodes[1].reason == "connection refused");
    s.replica(1, 2'500, 100);
    CHECK(s.shard.assess(at(2'500)).nodes[1].usable);
}

TEST_CASE("a primary that hangs is no primary until it answers again") {
    scene s;
    s.usual();
    s.shard.check_began(0, at(100));
    CHECK(s.shard.assess(at(1'200)).primary == -1);
    s.shard.check_answered(0, {.timeline = 1, .system = 7, .lsn = 120, .asked = at(100)}, at(1'300));
    CHECK(s.shard.assess(at(1'300)).primary == 0);
}

TEST_CASE("R6: promotion: the new primary's positions replace the old one's") {
    scene s;
    s.usual();
    s.primary(0, 100, 1'000);
    s.replica(2, 101, 1'000);  // has more than the one that is promoted
    s.fail(0, 200);
    s.primary(1, 300, 900, 2);
    s.replica(2, 301, 1'000, 1);  // still on the old timeline, further than the new primary: not comparable
    shard_health h = s.shard.assess(at(301));
    CHECK(h.primary == 1);
    CHECK(h.nodes[2].watermark == at(99));
    s.primary(1, 400, 950, 2);
    CHECK(s.shard.assess(at(401)).nodes[2].watermark == at(99));
    s.replica(2, 410, 950, 2);  // follows now
    h = s.shard.assess(at(410));
    CHECK(h.nodes[2].watermark == at(399));
    CHECK(h.nodes[2].usable);
}

TEST_CASE("R6: an old primary that returns is not primary, and unusable until it is a replica") {
    scene s;
    s.usual();
    s.fail(0, 200);
    s.primary(1, 300, 100, 2);
    s.primary(0, 400, 150, 1);
    shard_health h = s.shard.assess(at(400));
    CHECK(h.primary == 1);
    CHECK(h.nodes[0].role == node_role::unknown);
    CHECK_FALSE(h.nodes[0].usable);
    CHECK(h.nodes[0].reason == "h:1 is an old primary: it stands on timeline 1, and timeline 2 was seen");

    s.fail(1, 500);  // the new one goes away: the old one still is none
    h = s.shard.assess(at(500));
    CHECK(h.primary == -1);
    CHECK(h.reason == "h:1 is an old primary: it stands on timeline 1, and timeline 2 was seen");

    s.primary(1, 600, 200, 2);
    s.fail(0, 600);
    s.replica(0, 700, 200, 2);
    h = s.shard.assess(at(700));
    CHECK(h.nodes[0].role == node_role::replica);
    CHECK(h.nodes[0].usable);
    CHECK(h.nodes[0].watermark == at(599));
}

TEST_CASE("a replica on a higher timeline proves that there was a promotion") {
    scene s;
    s.primary(0, 1, 100, 1);
    s.replica(1, 2, 100, 2);
    CHECK(s.shard.assess(at(3)).primary == -1);
}

TEST_CASE("R7: two primaries on one timeline: neither is used") {
    scene s;
    s.usual();
    s.primary(1, 100, 100, 2);
    s.primary(2, 100, 100, 2);
    const shard_health h = s.shard.assess(at(100));
    CHECK(h.primary == -1);
    CHECK(h.reason == "two primaries on timeline 2: h:2 and h:3");
    for (const node_health& n : h.nodes) CHECK_FALSE(n.usable);
}

TEST_CASE("Y33: an old primary of MySQL's returns when it was seen following, or an operator says UNBAN") {
    scene s;
    const auto one = [&](std::size_t node, int ms, std::string_view state, bool closed, bool follows) {
        const auto have = std::make_shared<const gtid_set>(*gtid_set::mariadb_origins(state, ""));
        node_answer told{.in_recovery = closed || follows, .timeline = 1, .system = 1, .lsn = have->count()};
        told.gtids = told.history = have;
        told.origin = std::to_string(node);
        told.closed = closed;
        told.follows = follows;
        s.answer(node, ms, told);
    };
    one(0, 1, "0-0-100", false, false);
    one(1, 1, "0-0-100", true, true);
    CHECK(s.shard.assess(at(2)).primary == 0);
    one(0, 100, "0-0-100", true, false);
    one(1, 100, "0-0-100", false, false);
    CHECK(s.shard.assess(at(101)).primary == 1);
    s.fail(1, 200);  // after writes of which it has not told
    one(0, 200, "0-0-100", false, false);
    const shard_health lost = s.shard.assess(at(201));
    CHECK(lost.primary == -1);
    CHECK(lost.nodes[0].reason ==
          "h:1 is an old primary: it has not been seen following h:2, which may have written more (UNBAN it if it has "
          "all)");
    CHECK(lost.reason == lost.nodes[0].reason);
    SUBCASE("UNBAN") {
        CHECK(s.shard.unban(0, at(202)));
        CHECK(s.shard.assess(at(203)).primary == 0);
        CHECK_FALSE(s.shard.unban(0, at(204)));
    }
    SUBCASE("seen following") {
        one(1, 300, "0-0-100,0-1-101", false, false);
        one(0, 300, "0-0-100,0-1-101", true, true);
        s.fail(1, 400);
        one(0, 400, "0-0-100,0-1-101", false, false);
        CHECK(s.shard.assess(at(401)).primary == 0);
    }
}

TEST_CASE("a replica of another database system is not read from") {
    scene s;
    s.usual();
    s.answer(1, 100,
             {.in_recovery = true,
              .timeline = 1,
              .system = 8,
              .lsn = 5'000,
              .streaming = true,
              .first_on_connection = true});
    const node_health n = s.shard.assess(at(101)).nodes[1];
    CHECK_FALSE(n.usable);
    CHECK(n.reason == "replica of another database system than h:1");
    CHECK(n.lag.count() == -1);
}

TEST_CASE("a replica that was restarted starts without its watermark: it may have gone back") {
    scene s;
    s.usual();
    s.primary(0, 100, 200);
    s.replica(1, 101, 200);
    CHECK(s.shard.assess(at(101)).nodes[1].watermark == at(99));
    s.answer(
        1, 150,
        {.in_recovery = true, .timeline = 1, .system = 7, .lsn = 100, .streaming = true, .first_on_connection = true});
    CHECK(s.shard.assess(at(150)).nodes[1].watermark == at(0));
    s.fail(1, 200);
    CHECK(s.shard.assess(at(200)).nodes[1].lag.count() == -1);
    s.replica(1, 300, 50);  // before all that is known
    const node_health n = s.shard.assess(at(300)).nodes[1];
    CHECK(n.usable);
    CHECK(n.lag.count() == -1);
}

TEST_CASE("bans and the breaker take a node out, with a reason, and end") {
    scene s;
    s.usual();
    s.shard.ban(1, {"maintenance", at(1'000), true});
    shard_health h = s.shard.assess(at(100));
    CHECK_FALSE(h.nodes[1].usable);
    CHECK(h.nodes[1].reason == "banned: maintenance");
    CHECK(s.shard.ban_of(1, at(100))->until == at(1'000));
    CHECK(s.shard.assess(at(1'000)).nodes[1].usable);
    CHECK_FALSE(s.shard.ban_of(1, at(1'000)));

    for (int i = 0; i < 3; ++i) s.shard.worker_failed(2, "reset by peer", at(1'100));
    h = s.shard.assess(at(1'100));
    CHECK_FALSE(h.nodes[2].usable);
    CHECK(h.nodes[2].reason == "connections failed in a row: reset by peer");
    CHECK_FALSE(s.shard.ban_of(2, at(1'100))->by_operator);
    s.replica(2, 1'599, 100);
    CHECK_FALSE(s.shard.assess(at(1'599)).nodes[2].usable);
    s.replica(2, 1'600, 100);
    CHECK(s.shard.assess(at(1'600)).nodes[2].usable);
    s.shard.worker_failed(2, "reset by peer", at(1'700));
    CHECK_FALSE(s.shard.assess(at(1'700)).nodes[2].usable);
    CHECK(s.shard.unban(2, at(1'700)));
    CHECK(s.shard.assess(at(1'700)).nodes[2].usable);
    CHECK_FALSE(s.shard.unban(2, at(1'700)));
}

TEST_CASE("a banned primary: none, and why") {
    scene s;
    s.usual();
    s.shard.ban(0, {"maintenance", at(1'000), true});
    const shard_health h = s.shard.assess(at(100));
    CHECK(h.primary == -1);
    CHECK(h.reason == "the primary h:1 is out of rotation: banned: maintenance");
}

TEST_CASE("a breaker that workers opened is forgotten when the node was seen down and came back") {
    scene s;
    s.usual();
    for (int i = 0; i < 3; ++i) s.shard.worker_failed(1, "reset by peer", at(100));
    s.fail(1, 101);
    s.replica(1, 200, 100);
    CHECK(s.shard.assess(at(200)).nodes[1].usable);
}

TEST_CASE("a new configuration keeps what is known of the nodes that stay") {
    scene s;
    s.usual();
    s.shard.ban(2, {"maintenance", at(9'000), true});
    shard_rules rules;
    rules.weights = {{"h:3", 2.5}};
    s.shard.change({{"h", 3}, {"h", 9}, {"h", 1}}, rules);
    const shard_health h = s.shard.assess(at(50));
    REQUIRE(h.nodes.size() == 3);
    CHECK(h.primary == 2);
    CHECK(h.nodes[0].watermark == at(0));
    CHECK(h.nodes[0].weight == 2.5);
    CHECK(h.nodes[0].reason == "banned: maintenance");
    CHECK(h.nodes[1].reason == "not checked yet");
}
