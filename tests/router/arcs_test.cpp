#include "router/arcs.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>

#include "router/ring_state.hpp"
#include "router/spread.hpp"

using namespace ringway::router;

namespace {

constexpr auto last = std::numeric_limits<std::uint64_t>::max();

ring make(std::vector<ring::member> members, std::vector<ring::exception> exceptions = {}) {
    return ring(members, exceptions);
}

std::vector<ring::member> random_members(std::mt19937_64& random) {
    std::vector<ring::member> out;
    for (const auto* name : {"s0", "s1", "s2", "s3", "s4"}) {
        const auto kind = random() % 4;
        out.push_back({name, kind == 0 ? 0.0 : kind == 1 ? 0.01 : static_cast<double>(kind) / 2});
    }
    out[random() % out.size()].weight = 1;
    return out;
}

}  // namespace

TEST_CASE("arcs: a set is sorted, and neighbours are one") {
    const arc_set set({{10, 20}, {21, 30}, {5, 7}, {15, 18}, {40, 39}});
    CHECK(set.arcs().size() == 2);
    CHECK(set.arcs()[0] == arc{5, 7});
    CHECK(set.arcs()[1] == arc{10, 30});
    for (const std::uint64_t at : {5U, 7U, 10U, 20U, 21U, 30U}) CHECK(set.contains(at));
    for (const std::uint64_t at : {0U, 4U, 8U, 9U, 31U}) CHECK_FALSE(set.contains(at));
    CHECK(arc_set({{last, last}, {0, last - 1}}) == arc_set::all());
    CHECK(arc_set::all().contains(0));
    CHECK(arc_set::all().contains(last));
    CHECK(arc_set::all().share() == doctest::Approx(1));
    CHECK_FALSE(arc_set().contains(0));
    CHECK(arc_set().share() == 0);
}

TEST_CASE("arcs: golden difference of three and four shards") {
    const auto before = make({{"s0", 1}, {"s1", 1}, {"s2", 1}, {"s3", 0}});
    const auto after = make({{"s0", 1}, {"s1", 1}, {"s2", 1}, {"s3", 1}});
    const auto moves = merged(difference(before, after));
    REQUIRE(moves.size() == 3);
    double share = 0;
    for (std::uint16_t i = 0; i < 3; ++i) {
        CHECK(moves[i].source == i);
        CHECK(moves[i].target == 3);
        share += moves[i].where.share();
    }
    CHECK(share > 0.2);
    CHECK(share < 0.3);
    // 150 points of s3, some of which follow each other without a point of another shard between.
    std::size_t arcs = 0;
    for (const auto& each : moves) arcs += each.where.arcs().size();
    CHECK(arcs > 100);
    CHECK(arcs <= 151);
}

TEST_CASE("arcs: what changes its owner moves from the old to the new one, and nothing else") {
    std::mt19937_64 random(4711);
    for (int round = 0; round < 60; ++round) {
        std::vector<ring::exception> exceptions;
        for (auto i = random() % 3; i > 0; --i)
            exceptions.push_back({random(), static_cast<std::uint16_t>(random() % 5)});
        const auto before = make(random_members(random)), after = make(random_members(random), exceptions);
        const auto moves = difference(before, after);
        const auto check = [&](std::uint64_t at) {
            const arc_move* found = nullptr;
            for (const auto& each : moves)
                if (each.where.first <= at && at <= each.where.last) {
                    REQUIRE(found == nullptr);
                    found = &each;
                }
            const auto source = before.owner(at), target = after.owner(at);
            REQUIRE((found != nullptr) == (source != target));
            if (found) REQUIRE((found->source == source && found->target == target));
        };
        for (const auto* each : {&before, &after})
            for (std::size_t i = 0; i < each->points().size(); i += 7) {
                const auto at = each->points()[i].at;
                check(at - 1), check(at), check(at + 1);
            }
        for (int i = 0; i < 200; ++i) check(random());
        check(0), check(last);
        for (const auto& each : exceptions) check(each.at), check(each.at - 1), check(each.at + 1);
    }
}

TEST_CASE("arcs: a ring that does not change moves nothing") {
    const auto one = make({{"s0", 1}, {"s1", 2}});
    CHECK(difference(one, one).empty());
    CHECK(difference(make({{"s0", 0}}), one).empty());
}

TEST_CASE("ring: a shard of weight 0 has no arcs") {
    const auto points = make({{"s0", 1}, {"s1", 0}});
    CHECK(points.points().size() == 150);
    for (int key = 0; key < 100; ++key) CHECK(points.owner(position(std::to_string(key))) == 0);
}

TEST_CASE("ring: an exception is one position") {
    const std::vector<ring::member> members{{"s0", 1}, {"s1", 1}, {"s2", 0}};
    const auto plain = make(members);
    for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{1}, last, position("42"), plain.points()[3].at}) {
        const auto with = make(members, {{at, 2}});
        CHECK(with.owner(at) == 2);
        CHECK(with.owner(at - 1) == plain.owner(at - 1));
        CHECK(with.owner(at + 1) == plain.owner(at + 1));
        for (int key = 0; key < 300; ++key) {
            const auto other = position(std::to_string(key));
            if (other != at) CHECK(with.owner(other) == plain.owner(other));
        }
    }
    const auto two = make(members, {{100, 2}, {101, 2}});
    CHECK(two.owner(99) == plain.owner(99));
    CHECK(two.owner(100) == 2);
    CHECK(two.owner(101) == 2);
    CHECK(two.owner(102) == plain.owner(102));
}

TEST_CASE("arcs: as SQL their ends are md5's digits") {
    const auto test = [](const arc_set& set) {
        const auto text = in_arcs_sql(set, "k");
        const auto from = text.find('{');
        return text.substr(from, text.find('}') + 1 - from);
    };
    CHECK(in_arcs_sql(arc_set({{1, 2}}), "k") ==
          "(pg_catalog.width_bucket(pg_catalog.md5(k)::pg_catalog.name COLLATE pg_catalog.\"C\", "
          "'{0000000000000001,0000000000000003}'::pg_catalog.name[]) OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) "
          "1)");
    CHECK(test(arc_set()) == "{}");
    CHECK(test(arc_set({{0, last}})) == "{0000000000000000}");
    CHECK(test(arc_set({{std::uint64_t{1} << 63, last}, {10, 10}})) ==
          "{000000000000000a,000000000000000b,8000000000000000}");
    CHECK(key_text_sql(key_type::integer, "\"id\"") == "\"id\"::pg_catalog.text");
    CHECK(key_text_sql(key_type::timestamptz, "\"id\"").empty());
}

TEST_CASE("arcs: UPDATE and DELETE are kept to other rows by a splice") {
    const auto kept = [](std::string_view sql) { return without_rows(sql, "c"); };
    CHECK(kept("DELETE FROM t") == "DELETE FROM t\nWHERE (c) IS NOT TRUE ");
    CHECK(kept("UPDATE t SET a = 1 WHERE b = 2 OR c") ==
          "UPDATE t SET a = 1 WHERE( b = 2 OR c\n) AND (c) IS NOT TRUE ");
    CHECK(kept("DELETE FROM t WHERE x = 'where' -- returning\n RETURNING *;") ==
          "DELETE FROM t WHERE( x = 'where' -- returning\n \n) AND (c) IS NOT TRUE RETURNING *;");
    CHECK(kept("UPDATE t SET a = (SELECT b FROM u WHERE u.x = 1) RETURNING a") ==
          "UPDATE t SET a = (SELECT b FROM u WHERE u.x = 1) \nWHERE (c) IS NOT TRUE RETURNING a");
    CHECK(kept("UPDATE \"where\" SET \"returning\" = 1 WHERE t.where > 0;") ==
          "UPDATE \"where\" SET \"returning\" = 1 WHERE( t.where > 0\n) AND (c) IS NOT TRUE ;");
    CHECK(kept("DELETE FROM t WHERE a WHERE b").empty());
    CHECK(kept("DELETE FROM t; DELETE FROM u").empty());
    CHECK(kept("DELETE FROM t WHERE (a").empty());
}

TEST_CASE("arcs: COPY of a table becomes one of a query") {
    const auto made = [](std::string_view sql) { return copy_of_query(sql, "SELECT 1"); };
    CHECK(made("COPY t TO STDOUT") == "COPY (SELECT 1) TO STDOUT");
    CHECK(made("copy public.\"to\" (a, \"b to\") to stdout WITH (FORMAT csv, NULL ' to ')") ==
          "COPY (SELECT 1) to stdout WITH (FORMAT csv, NULL ' to ')");
    CHECK(made("COPY /* to */ t.to_day -- to\n TO STDOUT;") == "COPY (SELECT 1) TO STDOUT;");
    CHECK(made("COPY BINARY t TO STDOUT").empty());
    CHECK(made("SELECT 1").empty());
}

TEST_CASE("ring state: the target has the configured weights, and keeps the exceptions") {
    ringway::config::cluster cluster;
    cluster.name = "shop";
    cluster.shards = {{"s0", {}, 1}, {"s1", {}, 0}, {"s3", {}, 2}, {"spare", {}, 0}};
    ring_state active;
    active.epoch = 4;
    active.shards = {{"s0", 1}, {"s1", 1}, {"s2", 1}};
    active.exceptions = {{7, "s1"}, {8, "s2"}};
    const auto target = target_of(active, cluster);
    CHECK(target.epoch == 5);
    REQUIRE(target.shards.size() == 3);
    CHECK(target.shards[1] == ring::member{"s1", 0});
    CHECK(target.shards[2] == ring::member{"s3", 2});
    CHECK(target.find("spare") == nullptr);
    REQUIRE(target.exceptions.size() == 1);
    CHECK(target.exceptions[0].shard == "s1");
    CHECK(missing_shards(active, cluster) == std::vector<std::string>{"s2"});
    active.shards[2].weight = 0;
    CHECK(missing_shards(active, cluster) == std::vector<std::string>{"s2"});  // by an exception
    active.exceptions.pop_back();
    CHECK(missing_shards(active, cluster).empty());
}
