#include "proxy/net/shard_load.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

using namespace ringway;
using namespace ringway::proxy;
using namespace std::chrono_literals;

namespace {

using counts = std::map<std::pair<std::uint16_t, std::string>, std::uint64_t>;

/// What a sketch promises of what was added.
void check_promises(const key_sketch& of, const counts& truth, std::uint64_t added) {
    CHECK(of.total() == added);
    CHECK(of.entries().size() <= key_sketch::capacity);
    std::map<std::pair<std::uint16_t, std::string>, const key_sketch::entry*> there;
    std::uint64_t sum = 0;
    for (const auto& each : of.entries()) {
        CHECK(there.emplace(std::pair(each.table, std::string(each.text())), &each).second);
        sum += each.count;
        CHECK(each.error <= added / key_sketch::capacity);
        const auto known = truth.find({each.table, std::string(each.text())});
        REQUIRE(known != truth.end());
        CHECK(each.at_least() <= known->second);
        CHECK(known->second <= each.count);
    }
    CHECK(sum == added);
    for (const auto& [key, times] : truth)
        if (times > added / key_sketch::capacity) CHECK_MESSAGE(there.count(key), key.second);
}

config::cluster two_shards() {
    config::cluster out;
    out.name = "shop";
    out.shards = {{"s0", {{"127.0.0.1", 1}}, 1}, {"s1", {{"127.0.0.1", 2}}, 1}};
    out.tables = {{"users", "id", false, config::sharding_function::ring, {}},
                  {"bills", "region", false, config::sharding_function::list, {{"s0", {"eu"}}, {"s1", {"us"}}}}};
    return out;
}

/// As a session does: where the router would put a key.
void pass(shard_load& to, const router::shard_map& map, std::uint16_t shard, std::uint16_t table,
          std::string_view key) {
    if (auto* seen = to.wants_key()) {
        seen->found = !key.empty();
        seen->table = table;
        seen->shard = shard;
        seen->length = static_cast<std::uint32_t>(key.size());
        std::copy_n(key.data(), std::min(key.size(), router::key_seen::longest), seen->bytes.begin());
    }
    to.count(shard, map);
}

}  // namespace

TEST_CASE("key sketch: within its capacity it is exact") {
    key_sketch sketch;
    counts truth;
    for (std::size_t i = 0; i < key_sketch::capacity; ++i)
        for (std::size_t times = 0; times <= i; ++times) {
            sketch.add(1, std::to_string(i));
            ++truth[{1, std::to_string(i)}];
        }
    for (const auto& each : sketch.entries()) {
        CHECK(each.error == 0);
        CHECK(each.count == truth.at({1, std::string(each.text())}));
    }
    CHECK(sketch.entries().size() == truth.size());
    sketch.clear();
    CHECK(sketch.entries().empty());
    CHECK(sketch.total() == 0);
}

TEST_CASE("key sketch: of N keys each with more than N / m is there, and no count is wrong by more") {
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        CAPTURE(seed);
        std::mt19937 chance(seed);
        key_sketch sketch;
        counts truth;
        const auto keys = 1 + chance() % 3000;
        const auto added = 1 + chance() % 20000;
        const auto skew = chance() % 4;  // 0: all alike
        for (std::uint32_t i = 0; i < added; ++i) {
            auto which = chance() % keys;
            for (std::uint32_t again = 0; again < skew; ++again) which = chance() % (which + 1);
            const auto table = static_cast<std::uint16_t>(chance() % 2);
            const auto key = std::to_string(which);
            sketch.add(table, key);
            ++truth[{table, key}];
        }
        check_promises(sketch, truth, added);
    }
}

TEST_CASE("key sketch: keys of two tables are two, the longest is kept, a longer one is only counted") {
    key_sketch sketch;
    const std::string longest(router::key_seen::longest, 'x');
    sketch.add(0, "7");
    sketch.add(1, "7");
    sketch.add(0, longest);
    sketch.add(0, longest + "y");
    sketch.add(0, "");
    CHECK(sketch.total() == 5);
    REQUIRE(sketch.entries().size() == 4);
    CHECK(sketch.entries()[2].text() == longest);
    CHECK(sketch.entries()[3].text().empty());
}

TEST_CASE("shard load: every statement counts, keys by chance and in the right part") {
    const auto map = router::make_shard_map(two_shards(), 1);
    shard_load load;
    constexpr int rounds = 20000;
    for (int i = 0; i < rounds; ++i) {
        pass(load, *map, 0, 0, i % 2 ? "42" : std::to_string(100 + i));  // a rhythm of its own
        pass(load, *map, 1, 1, "us");
    }
    const auto first = load.of(0), second = load.of(1);
    CHECK(load.shards() == 2);
    CHECK(first.statements == rounds);
    CHECK(second.statements == rounds);
    CHECK(load.of(2).statements == 0);
    CHECK(first.looked_at > rounds / shard_load::taken_one_of * 0.8);
    CHECK(first.looked_at < rounds / shard_load::taken_one_of * 1.2);
    CHECK(first.on_ring == first.looked_at);
    CHECK(second.on_ring == 0);
    REQUIRE(first.keys.size() == 1);
    std::uint64_t hot = 0;
    for (const auto& each : first.keys[0]->entries())
        if (each.text() == "42") hot = each.at_least();
    CHECK(static_cast<double>(hot) > 0.4 * static_cast<double>(first.looked_at));
    CHECK(static_cast<double>(hot) < 0.6 * static_cast<double>(first.looked_at));
    REQUIRE(second.keys.size() == 1);
    CHECK(second.keys[0]->entries()[0].at_least() == second.looked_at);
}

TEST_CASE("shard load: a key of another shard, a long one, one that is not to be kept") {
    const auto map = router::make_shard_map(two_shards(), 1);
    shard_load load;
    for (int i = 0; i < 200; ++i) {
        if (auto* seen = load.wants_key()) *seen = {true, 0, 1, 1, {'7'}};
        load.count(0, *map);  // the key was found for another statement
    }
    CHECK(load.of(0).looked_at > 0);
    CHECK(load.of(0).on_ring == 0);
    CHECK(load.of(0).keys.empty());
    for (int i = 0; i < 200; ++i) pass(load, *map, 0, 0, std::string(100, 'x'));
    CHECK(load.of(0).on_ring > 0);
    CHECK(load.of(0).keys.empty());
    load.keeps_keys = false;
    for (int i = 0; i < 200; ++i) pass(load, *map, 0, 0, "7");
    CHECK(load.of(0).keys.empty());
}

TEST_CASE("shard load: two windows, and none that is older") {
    const auto map = router::make_shard_map(two_shards(), 1);
    shard_load load;
    const auto start = std::chrono::steady_clock::now() + 1h;
    load.clear(start);
    for (int i = 0; i < 100; ++i) pass(load, *map, 0, 0, "1");
    load.roll(start + 9s);
    CHECK(load.seconds(start + 9s) == doctest::Approx(9));
    load.roll(start + 10s);
    for (int i = 0; i < 50; ++i) pass(load, *map, 0, 0, "2");
    CHECK(load.of(0).statements == 150);
    CHECK(load.of(0).keys.size() == 2);
    CHECK(load.seconds(start + 15s) == doctest::Approx(15));
    load.roll(start + 20s);
    CHECK(load.of(0).statements == 50);
    load.roll(start + 30s);
    CHECK(load.of(0).statements == 0);
    for (const auto* each : load.of(0).keys) CHECK(each->entries().empty());
    CHECK(load.seconds(start + 31s) == doctest::Approx(11));
    for (int i = 0; i < 50; ++i) pass(load, *map, 0, 0, "2");
    load.clear(start + 32s);
    CHECK(load.of(0).statements == 0);
    CHECK(load.seconds(start + 32s) == doctest::Approx(0));
}
