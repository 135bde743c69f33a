#include "pool/roles.hpp"

#include <doctest/doctest.h>

using namespace ringway::pool;

namespace {
constexpr std::uint64_t system_a = 7, system_b = 8;
}

TEST_CASE("one claim on the newest timeline is the primary") {
    timeline_memory memory;
    memory.seen(system_a, 3);
    const std::vector<primary_claim> claims{{1, "b:2", 3, system_a}};
    CHECK(resolve_primary(claims, memory).primary == 1);
    CHECK(resolve_primary(claims, memory).reason.empty());
    CHECK(resolve_primary({}, memory).primary == -1);
}

TEST_CASE("R7: of two self-declared primaries the higher timeline wins") {
    timeline_memory memory;
    const std::vector<primary_claim> claims{{0, "a:1", 2, system_a}, {1, "b:2", 3, system_a}};
    const role_verdict verdict = resolve_primary(claims, memory);
    CHECK(verdict.primary == 1);
    CHECK(why_not_primary(claims[0], verdict, claims, memory) ==
          "a:1 is an old primary: it stands on timeline 2, and timeline 3 was seen");
}

TEST_CASE("R7: two primaries on one timeline are both refused") {
    timeline_memory memory;
    const std::vector<primary_claim> claims{{0, "a:1", 3, system_a}, {1, "b:2", 3, system_a}, {2, "c:3", 1, system_a}};
    const role_verdict verdict = resolve_primary(claims, memory);
    CHECK(verdict.primary == -1);
    CHECK(verdict.reason == "two primaries on timeline 3: a:1 and b:2");
    CHECK(why_not_primary(claims[1], verdict, claims, memory) == verdict.reason);
    CHECK(why_not_primary(claims[2], verdict, claims, memory).starts_with("c:3 is an old primary"));
}

TEST_CASE("an old primary alone is no primary either, once a higher timeline was seen") {
    timeline_memory memory;
    memory.seen(system_a, 2);
    memory.seen(system_a, 1);
    const std::vector<primary_claim> old{{0, "a:1", 1, system_a}};
    CHECK(resolve_primary(old, memory).primary == -1);
    CHECK(resolve_primary(old, memory).reason ==
          "a:1 is an old primary: it stands on timeline 1, and timeline 2 was seen");
    const std::vector<primary_claim> rebuilt{{0, "a:1", 1, system_b}};  // a new database system begins at 1 again
    CHECK(resolve_primary(rebuilt, memory).primary == 0);
}

TEST_CASE("primaries of different database systems are refused, whatever their timelines") {
    timeline_memory memory;
    const std::vector<primary_claim> claims{{0, "a:1", 1, system_a}, {1, "b:2", 5, system_b}};
    const role_verdict verdict = resolve_primary(claims, memory);
    CHECK(verdict.primary == -1);
    CHECK(verdict.reason == "a:1 and b:2 are primaries of different database systems");
    CHECK(why_not_primary(claims[0], verdict, claims, memory) == verdict.reason);
}

namespace {
gtid_ref state(std::string_view text) {
    return std::make_shared<const gtid_set>(*gtid_set::mariadb_origins(text, ""));
}
}  // namespace

TEST_CASE("Y33: an old primary that turns writable again is refused without what its follower had") {
    position_memory memory;
    const primary_claim first{0, "a:1", 1, 1, state("0-1-100"), "1"};
    CHECK(resolve_by_position(std::vector{first}, memory).primary == 0);
    memory.accepted(first);
    const primary_claim promoted{1,  "b:2", 1, 1, state("0-1-90,0-2-95"),
                                 "2"};  // it lacks 91 to 100: lost, as with any failover
    CHECK(resolve_by_position(std::vector{promoted}, memory).primary == 1);
    memory.accepted(promoted);
    const std::vector alone{first};
    const auto verdict = resolve_by_position(alone, memory);
    CHECK(verdict.primary == -1);
    CHECK(verdict.reason == "a:1 is an old primary: it lacks transactions that b:2 had after it");
    const std::vector both{first, promoted};
    CHECK(resolve_by_position(both, memory).primary == 1);
    timeline_memory none;
    CHECK(why_not_primary(first, resolve_by_position(both, memory), both, none) == verdict.reason);

    memory.accepted({1, "b:2", 1, 1, state(""), "2"});  // as it tells while it shuts down
    CHECK(resolve_by_position(alone, memory).primary == -1);
    memory.accepted({1, "b:2", 1, 1, state("0-1-90"), "2"});  // or so, of a MariaDB that was a replica once
    CHECK(resolve_by_position(alone, memory).primary == -1);

    const primary_claim caught_up{0, "a:1", 1, 1, state("0-1-100,0-2-95"), "1"};  // followed b:2, and is promoted back
    CHECK(resolve_by_position(std::vector{caught_up}, memory).primary == 0);
    memory.accepted(caught_up);
    CHECK(resolve_by_position(std::vector{promoted}, memory).primary == -1);
}

TEST_CASE("Y33: what a primary wrote after its last answer is not told: who was it before must have followed it") {
    position_memory memory;
    const primary_claim a{0, "a:1", 1, 1, state("0-1-100"), "1"}, b{1, "b:2", 1, 1, state("0-1-100"), "2"};
    const std::vector alone{a};
    const auto may_return = [&](const primary_claim& claim) {
        return resolve_by_position(std::vector{claim}, memory).primary == 0;
    };
    memory.accepted(a);
    memory.accepted(b);  // and died before it told of what it wrote
    CHECK(resolve_by_position(alone, memory).reason ==
          "a:1 is an old primary: it has not been seen following b:2, which may have written more (UNBAN it if it has "
          "all)");
    SUBCASE("closed for writes, but following nobody") {
        memory.resting("a:1", a.history, false, true);
        CHECK_FALSE(may_return(a));
    }
    SUBCASE("seen following") {
        memory.resting("a:1", a.history, true, true);
        CHECK(may_return(a));
        memory.accepted({2, "c:3", 1, 1, state("0-1-100"), "3"});  // which it has not followed
        CHECK_FALSE(may_return(a));
    }
    SUBCASE("it has what the other wrote itself") {
        CHECK(may_return({0, "a:1", 1, 1, state("0-1-100,0-2-101"), "1"}));
        CHECK_FALSE(may_return({0, "a:1", 1, 1, state("0-1-102,0-22-101"), "1"}));
    }
    SUBCASE("the other has been closed, and told all it has") {
        memory.resting("b:2", state("0-1-90"), false, true);  // no: as it tells while it shuts down
        CHECK_FALSE(may_return(a));
        memory.resting("b:2", b.history, true, false);  // no: it may write still
        CHECK_FALSE(may_return(a));
        memory.resting("b:2", state("0-1-100,0-2-101"), false, true);
        CHECK_FALSE(may_return(a));
        memory.resting("b:2", state("0-1-100,0-2-101"), false, true);
        CHECK(may_return({0, "a:1", 1, 1, state("0-1-100,0-2-101"), "1"}));
    }
    SUBCASE("the other has been closed before it wrote anything: a switchover that was taken back") {
        memory.resting("b:2", b.history, false, true);
        CHECK(may_return(a));
        memory.accepted(b);
        CHECK_FALSE(may_return(a));
    }
    SUBCASE("an operator says so") {
        CHECK(memory.trust("a:1"));
        CHECK_FALSE(memory.trust("a:1"));
        CHECK(may_return(a));
    }
}

TEST_CASE("Y33: of two that take writes the one with all that the other has, else the last primary") {
    position_memory memory;
    const primary_claim a{0, "a:1", 1, 1, state("0-1-100")}, b{1, "b:2", 1, 1, state("0-1-100")};
    const primary_claim newer{1, "b:2", 1, 1, state("0-1-100,0-2-101")}, apart{0, "a:1", 1, 1, state("0-1-102")};
    CHECK(resolve_by_position(std::vector{a, b}, memory).reason ==
          "two primaries with the same transactions: a:1 and b:2");
    CHECK(resolve_by_position(std::vector{a, newer}, memory).primary == 1);
    CHECK(resolve_by_position(std::vector{apart, newer}, memory).reason ==
          "two primaries, each with transactions that the other lacks: a:1 and b:2");
    memory.accepted(a);
    const auto verdict = resolve_by_position(std::vector{a, b}, memory);
    CHECK(verdict.primary == 0);
    CHECK(verdict.olds.at(1) == "b:2 takes writes too, but the primary is another one");
    CHECK(resolve_by_position({}, memory).primary == -1);
}
