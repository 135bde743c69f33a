// Sharding functions: which shard has a key. tests/e2e/test_sharding_functions.py asks a server about its own hash.

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/sharding.hpp"

using namespace ringway;
using router::key_part;
using router::key_type;

namespace {

const std::vector<router::ring::member>& members() {
    static const std::vector<router::ring::member> all{{"s0", 1}, {"s1", 1}, {"s2", 1}};
    return all;
}

config::table table_of(config::sharding_function function, std::map<std::string, std::vector<std::string>> map = {}) {
    config::table out;
    out.name = "t";
    out.key = "id";
    out.function = function;
    out.map = std::move(map);
    return out;
}

/// The shard of a key, -1 when no shard has it.
int owner(const config::table& table, key_type type, std::string_view text,
          config::engine engine = config::engine::postgres) {
    static const router::ring points(members());
    const key_part part{type, text};
    const auto found = router::sharding(table, members(), engine).owner({&part, 1}, points);
    return found ? *found : -1;
}

}  // namespace

TEST_CASE("a list gives each value to one shard, and others to none") {
    const auto regions = table_of(config::sharding_function::list, {{"s0", {"eu"}}, {"s1", {"us", "apac"}}});
    CHECK(owner(regions, key_type::text, "eu") == 0);
    CHECK(owner(regions, key_type::text, "apac") == 1);
    CHECK(owner(regions, key_type::text, "EU") == -1);
    CHECK(owner(regions, key_type::text, "") == -1);
    const router::sharding made(regions, members(), config::engine::postgres);
    CHECK(made.unfit(key_type::text).empty());
    CHECK(made.unfit(key_type::integer).find("\"eu\", which is not an integer") != std::string::npos);
}

TEST_CASE("values of a map are folded as MySQL's keys are") {
    static const router::ring points(members());
    constexpr auto mysql = config::engine::mysql;
    const auto of = [](const router::sharding& made, std::string_view text, bool folds) {
        const key_part part{key_type::text, text, folds};
        const auto found = made.owner({&part, 1}, points);
        return found ? static_cast<int>(*found) : -1;
    };
    const router::sharding regions(table_of(config::sharding_function::list, {{"s0", {"eu "}}, {"s1", {"us", "Apac"}}}),
                                   members(), mysql);
    CHECK(of(regions, "apac", true) == 1);
    CHECK(of(regions, "eu", true) == 0);
    CHECK(of(regions, "eu", false) == 0);
    CHECK(of(regions, "Apac", false) == 1);
    CHECK(of(regions, "apac", false) == -1);
    CHECK(regions.unfit(key_type::text, true).empty());
    const router::sharding twice(table_of(config::sharding_function::list, {{"s0", {"us"}}, {"s1", {"US"}}}), members(),
                                 mysql);
    CHECK(twice.unfit(key_type::text, false).empty());
    CHECK(twice.unfit(key_type::text, true).find("ignores case") != std::string::npos);
    const router::sharding bounds(
        table_of(config::sharding_function::range, {{"s0", {"min", "M"}}, {"s1", {"M", "max"}}}), members(), mysql);
    CHECK(of(bounds, "apple", true) == 0);
    CHECK(of(bounds, "zoo", true) == 1);
}

TEST_CASE("values of a list are read in the type of the key") {
    const auto numbers = table_of(config::sharding_function::list, {{"s0", {"01", "2.0"}}, {"s1", {"3"}}});
    CHECK(owner(numbers, key_type::numeric, "1") == 0);
    CHECK(owner(numbers, key_type::numeric, "2") == 0);
    CHECK(owner(numbers, key_type::text, "1") == -1);
    CHECK(owner(numbers, key_type::text, "01") == 0);
    const auto twice = table_of(config::sharding_function::list, {{"s0", {"1"}}, {"s1", {"01"}}});
    const router::sharding made(twice, members(), config::engine::postgres);
    CHECK(made.unfit(key_type::text).empty());
    CHECK_FALSE(made.unfit(key_type::integer).empty());
}

TEST_CASE("a range holds its lower bound and not its upper one") {
    const auto events =
        table_of(config::sharding_function::range, {{"s0", {"min", "10"}}, {"s1", {"10", "1000", "2000", "max"}}});
    CHECK(owner(events, key_type::integer, "-9223372036854775808") == 0);
    CHECK(owner(events, key_type::integer, "9") == 0);
    CHECK(owner(events, key_type::integer, "10") == 1);
    CHECK(owner(events, key_type::integer, "999") == 1);
    CHECK(owner(events, key_type::integer, "1000") == -1);
    CHECK(owner(events, key_type::integer, "1999") == -1);
    CHECK(owner(events, key_type::integer, "2000") == 1);
    CHECK(owner(events, key_type::numeric, "9.99") == 0);
    CHECK(owner(events, key_type::numeric, "NaN") == 1);
    CHECK(owner(events, key_type::numeric, "-Infinity") == 0);
    const auto days = table_of(config::sharding_function::range, {{"s2", {"2024-01-01", "2025-01-01"}}});
    CHECK(owner(days, key_type::date, "2023-12-31") == -1);
    CHECK(owner(days, key_type::date, "2024-12-31") == 2);
    CHECK(owner(days, key_type::timestamp, "2024-12-31 23:59:59.999999") == 2);
    CHECK(owner(days, key_type::timestamp, "2025-01-01 00:00:00") == -1);
}

TEST_CASE("ranges that overlap as keys of a type are unfit for it") {
    const auto mixed = table_of(config::sharding_function::range, {{"s0", {"1", "2"}}, {"s1", {"10", "20"}}});
    const router::sharding made(mixed, members(), config::engine::postgres);
    CHECK(made.unfit(key_type::integer).empty());
    CHECK(made.unfit(key_type::text).find("overlap") != std::string::npos);
}

TEST_CASE("keys compare as in the server") {
    const auto below = [](key_type type, std::string_view a, std::string_view b) {
        return router::compare_keys(type, a, b) < 0 && router::compare_keys(type, b, a) > 0 &&
               router::compare_keys(type, a, a) == 0;
    };
    CHECK(below(key_type::integer, "9", "10"));
    CHECK(below(key_type::integer, "-10", "-9"));
    CHECK(below(key_type::integer, "-1", "0"));
    CHECK(below(key_type::numeric, "1.5", "1.51"));
    CHECK(below(key_type::numeric, "-1.51", "-1.5"));
    CHECK(below(key_type::numeric, "1", "1.000001"));
    CHECK(below(key_type::numeric, "Infinity", "NaN"));
    CHECK(below(key_type::numeric, "-Infinity", "-1"));
    CHECK(below(key_type::text, "10", "9"));
    CHECK(below(key_type::timestamptz, "2024-01-01 00:00:00+00", "2024-01-01 00:00:00.5+00"));
}

TEST_CASE("a directory pins keys; others stand on the ring, or nowhere") {
    auto tenants = table_of(config::sharding_function::directory, {{"s2", {"7", "8"}}});
    const auto ring = table_of(config::sharding_function::ring);
    CHECK(owner(tenants, key_type::integer, "7") == 2);
    for (const auto* other : {"1", "2", "3", "4", "5", "6"})
        CHECK(owner(tenants, key_type::integer, other) == owner(ring, key_type::integer, other));
    tenants.unlisted_is_error = true;
    CHECK(owner(tenants, key_type::integer, "8") == 2);
    CHECK(owner(tenants, key_type::integer, "1") == -1);
}

TEST_CASE("a hash's remainders may be given to shards") {
    const auto plain = table_of(config::sharding_function::hash);
    const auto mapped = table_of(config::sharding_function::hash, {{"s0", {"1"}}, {"s1", {"0"}}, {"s2", {"2"}}});
    for (int i = 0; i < 50; ++i) {
        const auto text = std::to_string(i);
        const auto at = owner(plain, key_type::integer, text);
        CHECK(owner(mapped, key_type::integer, text) == (at == 0 ? 1 : at == 1 ? 0 : 2));
    }
}

TEST_CASE("the hash of MySQL is the value modulo the number of shards, without its sign") {
    const auto plain = table_of(config::sharding_function::hash);
    CHECK(owner(plain, key_type::integer, "7", config::engine::mysql) == 1);
    CHECK(owner(plain, key_type::integer, "-7", config::engine::mysql) == 1);
    CHECK(owner(plain, key_type::integer, "0", config::engine::mysql) == 0);
    CHECK(owner(plain, key_type::integer, "18446744073709551615", config::engine::mysql) == 0);
    CHECK_FALSE(router::sharding(plain, members(), config::engine::mysql).unfit(key_type::text).empty());
}

TEST_CASE("a compound key stands on the ring by its columns with commas between them") {
    auto both = table_of(config::sharding_function::ring);
    both.further_keys = {"id"};
    const router::ring points(members());
    const key_part key[] = {{key_type::text, "acme"}, {key_type::integer, "7"}};
    const router::sharding made(both, members(), config::engine::postgres);
    CHECK(made.owner(key, points) == points.owner(router::position("acme,7")));
}
