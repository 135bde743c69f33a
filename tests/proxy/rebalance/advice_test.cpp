#include "proxy/rebalance/advice.hpp"

#include <doctest/doctest.h>

using namespace ringway::proxy::rebalance;

namespace {

constexpr std::uint64_t gigabyte = 1u << 30;

/// Three shards alike, of 100 statements a second each, all of them about keys on the ring.
cluster_figures calm() {
    cluster_figures out;
    out.name = "shop";
    for (const auto* name : {"s0", "s1", "s2"}) {
        shard_figures one;
        one.name = name;
        one.statements_per_second = one.ring_per_second = 100;
        one.bytes = gigabyte;
        one.hottest = {{"orders", "5", 3}};
        out.shards.push_back(one);
    }
    return out;
}

void load(shard_figures& which, double statements, std::vector<key_figures> hottest) {
    which.statements_per_second = which.ring_per_second = statements;
    which.hottest = std::move(hottest);
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("advice: none of shards alike, of one shard, of few statements") {
    CHECK(advise(calm()).empty());
    auto one = calm();
    one.shards.resize(1);
    CHECK(advise(one).empty());
    auto few = calm();
    for (auto& each : few.shards) load(each, 1, {});
    load(few.shards[0], 15, {{"orders", "42", 12}});
    CHECK(advise(few).empty());
    auto unseen = calm();
    load(unseen.shards[0], 900, {{"orders", "42", 500}});
    CHECK(advise(unseen).size() == 1);
    unseen.enough_seen = false;
    CHECK(advise(unseen).empty());
}

TEST_CASE("advice: a hot key goes to the shard that has the least to do") {
    auto of = calm();
    load(of.shards[1], 700, {{"orders", "it's", 500}});
    load(of.shards[2], 90, {});
    const auto got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].shard == "s1");
    CHECK(got[0].command == "MOVE shop KEY orders 'it''s' TO s2");
    CHECK(got[0].reason ==
          "500 of the 700 statements a second of s1 are about one key, and s1 has 2.4 times the statements that its "
          "weight says; s2 has 90 a second");
    of.tells_keys = false;
    CHECK(advise(of)[0].command == "MOVE shop KEY orders ... TO s2");
    CHECK_FALSE(has(advise(of)[0].reason, "it'"));
}

TEST_CASE("advice: a key that no shard has room for gets one of its own, if it leaves somebody behind") {
    auto of = calm();
    load(of.shards[0], 1000, {{"orders", "42", 800}});
    for (auto n : {1u, 2u}) load(of.shards[n], 250, {});
    auto got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].command == "MOVE shop KEY orders 42 TO a_new_shard");
    CHECK(has(got[0].reason, "weight = 0"));
    of.shards.push_back({"own", 0, 0, 0, 0, 0, {}});  // it has been added
    got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].command == "MOVE shop KEY orders 42 TO own");
    of.shards.pop_back();
    load(of.shards[0], 1000, {{"orders", "42", 990}});  // it is alone already, or nearly
    CHECK(advise(of).empty());
}

TEST_CASE("advice: a shard with one key of its own is left alone") {
    auto of = calm();
    of.shards.push_back({"own", 0, 0, 900, 900, 0, {{"orders", "42", 900}}});
    CHECK(advise(of).empty());
}

TEST_CASE("advice: weights count") {
    auto of = calm();
    of.shards[0].weight = of.shards[0].configured_weight = 4;
    of.shards[0].bytes = 4 * gigabyte;
    load(of.shards[0], 400, {{"orders", "42", 100}});  // four times the weight, four times the statements
    CHECK(advise(of).empty());
}

TEST_CASE("advice: a shard that many keys make busy gets less weight, whatever its keys are") {
    auto of = calm();
    load(of.shards[2], 560, {{"orders", "1", 40}, {"orders", "2", 30}});
    auto got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].command == "REBALANCE shop");
    CHECK(has(got[0].reason, "s2 has 2.2 times the statements that its weight says"));
    CHECK(has(got[0].reason, "weight = 0.452"));
    of.shards[2].ring_per_second = 100;  // the others do not follow the ring
    CHECK(advise(of).empty());
}

TEST_CASE("advice: a hot key that is not on the ring cannot be moved") {
    auto of = calm();
    load(of.shards[1], 700, {{"bills", "eu", 600, false}});
    of.shards[1].ring_per_second = 100;
    CHECK(advise(of).empty());
}

TEST_CASE("advice: bytes, once there are some and all are known") {
    auto of = calm();
    of.shards[0].bytes = 9 * gigabyte;
    const auto got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].shard == "s0");
    CHECK(got[0].command == "REBALANCE shop");
    CHECK(has(got[0].reason, "times the bytes that its weight says. Give it weight = 0.407"));
    of.shards[1].bytes.reset();
    CHECK(advise(of).empty());
    of = calm();
    for (auto& each : of.shards) each.bytes = 1000;
    of.shards[0].bytes = 100000;
    CHECK(advise(of).empty());
}

TEST_CASE("advice: what the file says already comes first; a hot key moves beside it") {
    auto of = calm();
    of.shards[1].configured_weight = 2;
    of.ring_differs = true;
    load(of.shards[2], 600, {});
    auto got = advise(of);
    REQUIRE(got.size() == 1);
    CHECK(got[0].shard.empty());
    CHECK(got[0].command == "REBALANCE shop");
    CHECK(got[0].reason == "the file describes another ring: s1 has weight 1 and is to have 2");
    of.shards[2].hottest = {{"orders", "9", 400}};
    got = advise(of);
    REQUIRE(got.size() == 2);
    CHECK(got[1].command == "MOVE shop KEY orders 9 TO s0");
}

TEST_CASE("values as MOVE reads them") {
    CHECK(value_text("42") == "42");
    CHECK(value_text("-42") == "'-42'");
    CHECK(value_text("") == "''");
    CHECK(value_text("a b") == "'a b'");
    CHECK(value_text("$1") == "'$1'");
    CHECK(value_text("o'neil; SHUTDOWN") == "'o''neil; SHUTDOWN'");
}
