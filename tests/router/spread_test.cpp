// An INSERT parted by shard: which row goes where, and that each part says what the client's text said.

#include "router/spread.hpp"

#include <doctest/doctest.h>

#include <set>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

/// Keys of as many shards as there are, one each.
std::vector<std::string> keys_apart() {
    std::vector<std::string> out;
    std::set<std::uint16_t> seen;
    for (int key = 1; out.size() < shop().shards.size(); ++key)
        if (seen.insert(owner_of(std::to_string(key))).second) out.push_back(std::to_string(key));
    return out;
}

parted_insert parted(const std::string& sql, const std::vector<parameter>& with = {}) {
    const auto what = plan_shop(sql);
    CHECK(what.route_with(with).kind == route::to::spread);
    auto out = part_insert(*what.made, what.values_with(with), shop());
    REQUIRE(out);
    return *out;
}

const insert_part& part_of(const parted_insert& all, const std::string& key) {
    for (const auto& each : all.parts)
        if (each.shard == owner_of(key)) return each;
    FAIL("no part for " << key);
    return all.parts.front();
}

}  // namespace

TEST_CASE("rows go to the shards of their keys, in the order of the input") {
    const auto keys = keys_apart();
    const auto all = parted("INSERT INTO orders (user_id, note) VALUES (" + keys[0] + ", 'a'), (" + keys[1] +
                            ", 'b'), (" + keys[0] + ", 'c') RETURNING id");
    REQUIRE(all.parts.size() == 2);
    CHECK(part_of(all, keys[0]).text ==
          "INSERT INTO orders (user_id, note) VALUES (" + keys[0] + ", 'a'), (" + keys[0] + ", 'c') RETURNING id");
    CHECK(part_of(all, keys[1]).text ==
          "INSERT INTO orders (user_id, note) VALUES (" + keys[1] + ", 'b') RETURNING id");
    REQUIRE(all.order.size() == 3);
    CHECK(all.order[0] == all.order[2]);
    CHECK(all.order[0] != all.order[1]);
}

TEST_CASE("parameters are counted anew, once for each that a part names") {
    const auto keys = keys_apart();
    const auto all =
        parted("INSERT INTO orders (note, user_id) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING RETURNING $5",
               {text_parameter("n"), text_parameter(keys[0]), text_parameter("m"), text_parameter(keys[1]),
                text_parameter("r")});
    const auto& second = part_of(all, keys[1]);
    CHECK(second.text == "INSERT INTO orders (note, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING $3");
    CHECK(second.parameters == std::vector<std::uint16_t>{2, 3, 4});
}

TEST_CASE("nothing inside of strings, names and comments is taken for a row") {
    const auto keys = keys_apart();
    const auto all =
        parted("INSERT /* values (1), (2) */ INTO orders (note, \"user_id\") -- values (\n VALUES ('), ($1', " +
               keys[0] + "), ($q$ ($2) $q$, " + keys[1] + "), (E'\\'(', " + keys[0] + ")");
    CHECK(part_of(all, keys[0]).text.ends_with("VALUES ('), ($1', " + keys[0] + "), (E'\\'(', " + keys[0] + ")"));
    CHECK(part_of(all, keys[1]).text.ends_with("VALUES ($q$ ($2) $q$, " + keys[1] + ")"));
    CHECK(part_of(all, keys[0]).parameters.empty());
}

TEST_CASE("rows in parentheses, and names that read like the word before them") {
    const auto keys = keys_apart();
    const auto all = parted("INSERT INTO orders (user_id, note) (VALUES (" + keys[0] + ", 'a'), (" + keys[1] +
                            ", 'b')) ON CONFLICT DO NOTHING");
    CHECK(part_of(all, keys[0]).text ==
          "INSERT INTO orders (user_id, note) (VALUES (" + keys[0] + ", 'a')) ON CONFLICT DO NOTHING");
    const auto named =
        parted("INSERT INTO orders AS values (user_id, note) VALUES (" + keys[0] + ", 'a'), (" + keys[1] + ", 'b')");
    CHECK(part_of(named, keys[1]).text == "INSERT INTO orders AS values (user_id, note) VALUES (" + keys[1] + ", 'b')");
}

TEST_CASE("why rows cannot be told apart") {
    const auto keys = keys_apart();
    const auto what = plan_shop("INSERT INTO orders (user_id, id) VALUES (" + keys[0] + ", 1), (" + keys[1] +
                                ", 2) ON CONFLICT (user_id, id) DO UPDATE SET user_id = " + keys[0]);
    std::string why;
    CHECK_FALSE(part_insert(*what.made, what.values_with({}), shop(), &why));
    CHECK(why.find("ON CONFLICT") != std::string::npos);
}

TEST_CASE("why a write with keys of several shards does not run on several") {
    const auto keys = keys_apart();
    const auto rows = "INSERT INTO orders (user_id, id) VALUES (" + keys[0] + ", 1), (" + keys[1] + ", 2)";
    CHECK(plan_shop("WITH x AS (SELECT 1) " + rows).made->spread == spreading::carried);
    const auto beside = plan_shop(rows + " RETURNING (SELECT count(*) FROM countries)").route_with();
    REQUIRE(beside.kind == route::to::refused);
    CHECK(beside.refusal->detail.find("a query besides its VALUES") != std::string::npos);
    const auto inside = plan_shop("WITH x AS (" + rows + " RETURNING id) SELECT * FROM x").route_with();
    REQUIRE(inside.kind == route::to::refused);
    CHECK(inside.refusal->detail.find("WITH") != std::string::npos);
}
