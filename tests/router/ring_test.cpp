#include "router/ring.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

using namespace ringway::router;

namespace {

ring make(std::vector<ring::member> members) {
    return ring(members);
}

constexpr int keys = 20'000;

std::uint16_t owner_of(const ring& points, int key) {
    return points.owner(position(std::to_string(key)));
}

/// The rule, without binary search.
std::uint16_t slow_owner(const ring& points, std::uint64_t at) {
    const auto all = points.points();
    for (const auto& point : all)
        if (point.at >= at) return point.shard;
    return all.front().shard;
}

}  // namespace

TEST_CASE("ring: positions are the first eight bytes of md5") {
    CHECK(position("") == 0xd41d8cd98f00b204);
    CHECK(position("1") == 0xc4ca4238a0b92382);
    CHECK(position("42") == 0xa1d0c6e83f027327);
    CHECK(position("-5") == 0x47c1b025fa18ea96);
    CHECK(position("s0-0") == 0x3f7ff926f2619f66);
    CHECK(position("café") == 0x07117fe4a1ebd544);
    CHECK(position(std::string(300, 'x')) == 0x8a4876ea55d998a5);
}

TEST_CASE("ring: golden placement of three shards") {
    const auto points = make({{"s0", 1}, {"s1", 1}, {"s2", 1}});
    REQUIRE(points.points().size() == 450);
    CHECK(points.points().front().at == 0x005aeda84f47670a);
    CHECK(points.points().front().shard == 0);
    CHECK(points.points().back().at == 0xffba3361bb23638d);
    constexpr std::uint16_t expected[] = {2, 2, 1, 1, 1, 2, 1, 0, 1, 1, 2, 0, 2, 0, 2, 0, 0, 2, 2, 1};
    for (int key = 0; key != std::ssize(expected); ++key) CHECK(owner_of(points, key) == expected[key]);
}

TEST_CASE("ring: the owner is the first point at or after the position, around the end too") {
    const auto points = make({{"a", 1}, {"b", 2}, {"c", 0.5}});
    const auto all = points.points();
    CHECK(std::ranges::is_sorted(all, {}, &ring_point::at));
    for (std::size_t i = 0; i != all.size(); ++i) {
        CHECK(points.owner(all[i].at) == slow_owner(points, all[i].at));
        CHECK(points.owner(all[i].at + 1) == all[(i + 1) % all.size()].shard);
    }
    CHECK(points.owner(0) == all.front().shard);
    CHECK(points.owner(~std::uint64_t{0}) == all.front().shard);
    for (int key = 0; key != 1000; ++key) {
        const auto at = position(std::to_string(key));
        CHECK(points.owner(at) == slow_owner(points, at));
    }
}

TEST_CASE("ring: weights give virtual nodes, at least one") {
    const auto points = make({{"a", 1}, {"b", 2.5}, {"c", 0.001}});
    std::array<int, 3> nodes{};
    for (const auto& point : points.points()) ++nodes[point.shard];
    CHECK(nodes == std::array<int, 3>{150, 375, 1});
}

TEST_CASE("ring: shards of one name tie, and the lower index wins") {
    const auto points = make({{"same", 1}, {"same", 1}});
    for (int key = 0; key != 1000; ++key) CHECK(owner_of(points, key) == 0);
}

TEST_CASE("ring: keys spread by weight") {
    const auto points = make({{"s0", 1}, {"s1", 1}, {"s2", 2}});
    std::array<int, 3> owned{};
    for (int key = 0; key != keys; ++key) ++owned[owner_of(points, key)];
    CHECK(owned[0] > keys * 15 / 100);
    CHECK(owned[0] < keys * 35 / 100);
    CHECK(owned[2] > keys * 40 / 100);
    CHECK(owned[2] < keys * 60 / 100);
}

TEST_CASE("ring: a shard more takes its share and moves no key between the others") {
    std::vector<ring::member> members{{"s0", 1}, {"s1", 1}, {"s2", 1}, {"s3", 1}};
    const auto before = make(members);
    members.push_back({"s4", 1});
    const auto after = make(members);
    int moved = 0;
    for (int key = 0; key != keys; ++key) {
        if (owner_of(before, key) == owner_of(after, key)) continue;
        CHECK(owner_of(after, key) == 4);
        ++moved;
    }
    CHECK(moved > keys * 14 / 100);
    CHECK(moved < keys * 26 / 100);
}

TEST_CASE("ring: a heavier shard only gains keys") {
    const auto before = make({{"s0", 1}, {"s1", 1}});
    const auto after = make({{"s0", 1}, {"s1", 2}});
    for (int key = 0; key != 5000; ++key)
        if (owner_of(before, key) == 1) CHECK(owner_of(after, key) == 1);
}

TEST_CASE("ring: positions are the same on every thread") {
    std::vector<std::thread> threads;
    std::array<bool, 4> right{};
    for (auto& one : right)
        threads.emplace_back([&one] {
            one = true;
            for (int i = 0; i != 2000; ++i) one = one && position("42") == 0xa1d0c6e83f027327;
        });
    for (auto& thread : threads) thread.join();
    CHECK(std::ranges::all_of(right, [](bool each) { return each; }));
}
