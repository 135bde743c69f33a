// Which shard an execution goes to: the traps H1, H2, H3 and H11.

#include <doctest/doctest.h>

#include <algorithm>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;
using ringway::config::fault_kind;

namespace {

constexpr std::uint32_t int2_oid = 21, int4_oid = 23, int8_oid = 20, text_oid = 25, varchar_oid = 1043,
                        numeric_oid = 1700, uuid_oid = 2950, float8_oid = 701, int4_array_oid = 1007;

/// Two keys with one owner, and one with another.
struct neighbours {
    std::string a, b, far;
};
const neighbours& integers() {
    static const neighbours found = [] {
        neighbours out{"1", "", ""};
        for (int i = 2; out.b.empty() || out.far.empty(); ++i) {
            auto& to = owner_of(std::to_string(i)) == owner_of("1") ? out.b : out.far;
            if (to.empty()) to = std::to_string(i);
        }
        return out;
    }();
    return found;
}

void check_shard(const std::string& text, std::string_view canonical, const std::vector<parameter>& parameters = {}) {
    INFO(text);
    const auto found = plan_shop(text).route_with(parameters);
    if (found.refusal) INFO(found.refusal->message);
    REQUIRE(found.kind == route::to::shard);
    CHECK(found.shard == owner_of(canonical));
}

/// Of what is of no one shard: the refusal, or `unsupported` for a read whose rows are gathered.
fault_kind refused(const std::string& text, const std::vector<parameter>& parameters = {}) {
    INFO(text);
    const auto what = plan_shop(text);
    const auto found = what.route_with(parameters);
    if (found.kind == route::to::several) {
        REQUIRE(what.made->gather);
        REQUIRE(what.made->need == need::any);
        return fault_kind::unsupported;
    }
    REQUIRE(found.kind == route::to::refused);
    REQUIRE(found.refusal);
    return found.refusal->kind;
}

parameter binary(std::string_view bytes, std::uint32_t type_oid) {
    auto out = text_parameter(bytes, type_oid);
    out.binary = true;
    return out;
}

}  // namespace

TEST_CASE("H1: every way to name a key goes to its owner") {
    for (int i = 0; i < 50; ++i) {
        const auto key = std::to_string(i);
        check_shard("SELECT * FROM orders WHERE user_id = " + key, key);
        check_shard("SELECT * FROM orders WHERE user_id IN (" + key + ", NULL)", key);
        check_shard("SELECT * FROM orders WHERE user_id = ANY('{" + key + ",NULL}')", key);
        check_shard("SELECT * FROM orders WHERE user_id = ANY(ARRAY[" + key + "]::int8[])", key);
        check_shard("SELECT * FROM orders WHERE user_id = " + key + " OR user_id = " + key, key);
        check_shard("SELECT * FROM orders WHERE (user_id, id) = (" + key + ", 2)", key);
        check_shard("SELECT * FROM orders WHERE user_id = " + key + " + 1", std::to_string(i + 1));
        check_shard("SELECT * FROM orders WHERE user_id = 2 * -(" + key + ") - 1", std::to_string(-2 * i - 1));
        check_shard("SELECT * FROM orders WHERE user_id = '" + key + "'::int", key);
        check_shard("SELECT * FROM orders WHERE user_id = " + key + ".0", key);
        check_shard("SELECT id FROM orders WHERE user_id = " + key +
                        " UNION SELECT id FROM items JOIN users u ON u.id = 3 - 3 + " + key +
                        " AND items.user_id = u.id",
                    key);
        check_shard("SELECT * FROM orders WHERE user_id = $1 OR user_id = $2", key,
                    {text_parameter(key), text_parameter(key)});
    }
    for (const std::string_view key : {"-1", "-9223372036854775808", "9223372036854775807", "0"})
        check_shard("SELECT * FROM orders WHERE user_id = " + std::string(key), key);
}

TEST_CASE("H1: keys of several shards are refused, with the shards' names") {
    const auto& [a, b, far] = integers();
    check_shard("SELECT * FROM orders WHERE user_id IN (" + a + ", " + b + ")", a);
    CHECK(refused("SELECT * FROM orders WHERE user_id IN (" + a + ", " + far + ")") == fault_kind::unsupported);
    CHECK(refused("SELECT * FROM orders WHERE user_id = ANY($1)", {text_parameter("{" + a + "," + far + "}")}) ==
          fault_kind::unsupported);
    CHECK(refused("SELECT * FROM orders, items WHERE orders.user_id = " + a + " AND items.user_id = " + far) ==
          fault_kind::unsupported);
    const auto found = plan_shop("INSERT INTO orders (user_id, note) VALUES (" + a + ", (SELECT 'x')), (" + far +
                                 ", '') RETURNING now()");
    REQUIRE(found.route_with().refusal);
    std::vector<std::uint16_t> owners{owner_of(a), owner_of(far)};
    std::sort(owners.begin(), owners.end());
    CHECK(found.route_with().refusal->message.find("its rows belong to shards s" + std::to_string(owners[0]) + ", s" +
                                                   std::to_string(owners[1])) != std::string::npos);
}

TEST_CASE("H2: a missing or NULL key is an error on a write, and no row on a read") {
    CHECK(refused("INSERT INTO orders (id) VALUES (1)") == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders (id, user_id) VALUES (1, NULL)") == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders (id, user_id) VALUES (1, 5), (2, NULL::int)") == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders (id, user_id) VALUES (1, $1)", {null_parameter()}) == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders (id, user_id) VALUES (1, DEFAULT)") == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders DEFAULT VALUES") == fault_kind::no_key);
    CHECK(refused("UPDATE orders SET note = 'x' WHERE user_id = NULL") == fault_kind::no_key);
    CHECK(refused("DELETE FROM orders WHERE user_id = $1", {null_parameter()}) == fault_kind::no_key);
    CHECK(refused("UPDATE orders SET user_id = NULL WHERE user_id = 5") == fault_kind::no_key);
    CHECK(refused("INSERT INTO orders (id, user_id) SELECT 1, NULL") == fault_kind::no_key);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = NULL::int8").route_with().kind == route::to::shard);
    // May be IS NULL: transform_null_equals.
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = NULL").route_with().kind == route::to::several);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = $1").route_with({null_parameter()}).kind == route::to::shard);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = ANY('{}')").route_with().kind == route::to::shard);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = ANY($1)").route_with({null_parameter()}).kind ==
          route::to::shard);
}

TEST_CASE("H3: equal keys of any type and format have one owner") {
    for (const std::string key : {"0", "1", "42", "77", "12345"}) {
        CAPTURE(key);
        const int value = std::stoi(key);
        const auto big_endian = [value](std::size_t size) {
            std::string out(size, '\0');
            for (std::size_t i = 0; i < 4 && i < size; ++i)
                out[size - 1 - i] = static_cast<char>(static_cast<unsigned>(value) >> (8 * i));
            return out;
        };
        const std::string text = "SELECT * FROM orders WHERE user_id = $1";
        for (const std::uint32_t oid : {0u, int2_oid, int4_oid, int8_oid, text_oid, varchar_oid, numeric_oid})
            check_shard(text, key, {text_parameter(key, oid)});
        check_shard(text, key, {text_parameter(key + ".00", numeric_oid)});
        const auto two = big_endian(2), four = big_endian(4), eight = big_endian(8);
        check_shard(text, key, {binary(two, int2_oid)});
        check_shard(text, key, {binary(four, int4_oid)});
        check_shard(text, key, {binary(eight, int8_oid)});
        check_shard(text, key, {binary(eight, 0)});
        check_shard("SELECT * FROM orders WHERE user_id = $1::int", key, {binary(four, int4_oid)});
        check_shard("SELECT * FROM orders WHERE user_id = $1::int", key, {text_parameter(key, text_oid)});
        check_shard("SELECT * FROM orders WHERE user_id = '" + key + "'", key);
        check_shard("SELECT * FROM orders WHERE user_id = '" + key + ".0'::numeric", key);
        check_shard("SELECT * FROM orders WHERE user_id = $$" + key + "$$", key);
        check_shard("SELECT * FROM prices WHERE amount = " + key, key);
        check_shard("SELECT * FROM prices WHERE amount = '" + key + ".000'", key);
        check_shard("SELECT * FROM prices WHERE amount = $1", key, {binary(four, int4_oid)});
        check_shard("SELECT * FROM documents WHERE slug = '" + key + "'", key);
        check_shard("SELECT * FROM documents WHERE slug = $1", key, {text_parameter(key, varchar_oid)});
        check_shard("SELECT * FROM orders WHERE user_id = ANY($1)", key,
                    {text_parameter("{" + key + "}", int4_array_oid)});
    }
    const std::string uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check_shard("SELECT * FROM accounts WHERE id = '{A0EEBC999C0B4EF8BB6D6BB9BD380A11}'", uuid);
    check_shard("SELECT * FROM accounts WHERE id = $1", uuid, {text_parameter(uuid, uuid_oid)});
    check_shard("SELECT * FROM accounts WHERE id = $1::uuid", uuid, {text_parameter(uuid, text_oid)});
}

TEST_CASE("a value whose place is not certain is refused") {
    for (const char* text :
         {"SELECT * FROM orders WHERE user_id = 5.6::int", "SELECT * FROM orders WHERE user_id = '1_000'",
          "SELECT * FROM orders WHERE user_id = '0x1F'", "SELECT * FROM orders WHERE user_id = '5'::text",
          "SELECT * FROM orders WHERE user_id = 5::float8", "SELECT * FROM orders WHERE user_id = '5'::date",
          "SELECT * FROM documents WHERE slug = 'a'::bpchar", "SELECT * FROM orders WHERE user_id = ANY('{1,x}')",
          "SELECT * FROM orders WHERE user_id = ANY('1')", "INSERT INTO orders (user_id) VALUES (5.6)",
          "INSERT INTO orders (user_id) VALUES (B'1')"}) {
        INFO(text);
        CHECK(refused(text) == fault_kind::unsupported);
    }
    CHECK(refused("SELECT * FROM prices WHERE amount = $1", {text_parameter("5", float8_oid)}) ==
          fault_kind::unsupported);
    CHECK(refused("SELECT * FROM orders WHERE user_id = $1::int", {text_parameter("5.5", numeric_oid)}) ==
          fault_kind::unsupported);
}

TEST_CASE("what the server will refuse itself may go anywhere") {
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = 'abc'").route_with().kind == route::to::shard);
    CHECK(plan_shop("SELECT * FROM accounts WHERE id = 'abc'").route_with().kind == route::to::shard);
    CHECK(plan_shop("INSERT INTO orders (user_id) VALUES ('')").route_with().kind == route::to::shard);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = $1").route_with({text_parameter("x", int4_oid)}).kind ==
          route::to::shard);
    CHECK(plan_shop("SELECT * FROM orders WHERE user_id = $1").route_with().kind ==
          route::to::shard);  // no such parameter
}

TEST_CASE("what the column would cut or round is not placed by what was written") {
    check_shard("INSERT INTO codes (slug) VALUES ('abc')", "abc");
    CHECK(refused("INSERT INTO codes (slug) VALUES ('abc ')") == fault_kind::unsupported);
    check_shard("SELECT * FROM codes WHERE slug = 'abcd'", "abcd");
    check_shard("INSERT INTO prices (amount) VALUES (1.25)", "1.25");
    check_shard("INSERT INTO prices (amount) VALUES (1.2500)", "1.25");
    check_shard("INSERT INTO prices (amount) VALUES (1e2)", "100");
    CHECK(refused("INSERT INTO prices (amount) VALUES (1.255)") == fault_kind::unsupported);
    check_shard("SELECT * FROM prices WHERE amount = 1.255", "1.255");
}

TEST_CASE("H11: a key that changes within its shard is an UPDATE, else its row moves") {
    const auto& [a, b, far] = integers();
    check_shard("UPDATE orders SET user_id = " + b + " WHERE user_id = " + a, a);
    const auto kind = [](std::string_view text, const std::vector<parameter>& with = {}) {
        const auto made = plan_on(shop(), text, {}, &shared_catalog());
        const auto found = made.route_with(with, shop());
        CHECK((found.kind != route::to::spread || made.made->move));
        return found.kind;
    };
    CHECK(kind("UPDATE items SET user_id = " + far + " WHERE user_id = " + a) == route::to::spread);
    CHECK(kind("UPDATE items SET user_id = $1 WHERE user_id = $2", {text_parameter(far), text_parameter(a)}) ==
          route::to::spread);
    CHECK(kind("UPDATE items SET user_id = " + far) == route::to::spread);
    check_shard("UPDATE orders SET user_id = orders.user_id WHERE user_id = " + a, a);
    CHECK(refused("INSERT INTO orders (id, user_id) VALUES (1, " + a +
                  ") ON CONFLICT (id) DO UPDATE SET user_id = " + far) == fault_kind::unsupported);
}

TEST_CASE("a hint's shard, or the first one, must be the keys' own") {
    const auto& [a, b, far] = integers();
    const auto own = "s" + std::to_string(owner_of(a)), other = "s" + std::to_string(owner_of(far));
    check_shard("/* ringway: shard=" + own + " */ SELECT * FROM orders WHERE user_id = " + a, a);
    CHECK(refused("/* ringway: shard=" + other + " */ SELECT * FROM orders WHERE user_id = " + a) ==
          fault_kind::unsupported);
    CHECK(refused("/* ringway: shard=" + other + " */ INSERT INTO orders (user_id) VALUES (" + a + ")") ==
          fault_kind::unsupported);
    const std::string with_logs = "SELECT * FROM logs, orders WHERE orders.user_id = ";
    for (const auto& key : {a, far}) {
        if (owner_of(key) == 0)
            check_shard(with_logs + key, key);
        else
            CHECK(refused(with_logs + key) == fault_kind::unsupported);
    }
}

TEST_CASE("one plan serves all texts of its shape") {
    const auto plan = plan_shop("SELECT * FROM orders WHERE id = 3 AND user_id = 4");
    shape_lexer lexer;
    for (int i = 0; i < 100; ++i) {
        const auto text =
            "select *  from orders where id = " + std::to_string(i * 7919) + " and user_id =   " + std::to_string(i);
        const auto shape = lexer.scan(text);
        const values with{text, shape.literals, {}, true};
        CHECK(route_of(*plan.made, with, shop()).shard == owner_of(std::to_string(i)));
    }
}

TEST_CASE("routes are explained") {
    const auto text_of = [](const planned& what, const std::vector<parameter>& parameters = {}) {
        std::string out;
        for (const auto& [name, value] : explain_route(*what.made, what.values_with(parameters), shop()))
            out += name + ": " + value + "\n";
        return out;
    };
    const auto one = text_of(plan_shop("SELECT * FROM orders WHERE user_id = 5"));
    CHECK(one.starts_with("plan: one shard\nshards: s" + std::to_string(owner_of("5")) +
                          "\nrole: replica or primary\nwhy: reads only\n"));
    CHECK(one.find("key orders.user_id: 5: key 5, position " + std::to_string(position("5")) + ", shard s") !=
          std::string::npos);
    const auto waiting = text_of(plan_shop("SELECT * FROM orders WHERE user_id = $1"));
    CHECK(waiting.find("shards: known when parameters are bound\n") != std::string::npos);
    CHECK(waiting.find("key orders.user_id: $1: known when it is bound\n") != std::string::npos);
    const auto scattered = text_of(plan_shop("SELECT note FROM orders ORDER BY id"));
    CHECK(scattered.find("plan: scatter\nshards: all\nrole: replica or primary\n") != std::string::npos);
    CHECK(scattered.find("runs: rows sorted by each shard, merged\n") != std::string::npos);
    const auto gathered = text_of(plan_shop("SELECT count(DISTINCT note) FROM orders"));
    CHECK(gathered.find("plan: gather\nshards: all\n") != std::string::npos);
    CHECK(gathered.find("gathers: public.orders (note)\n") != std::string::npos);
    const auto spread = text_of(plan_shop("DELETE FROM orders"));
    CHECK(spread.find("plan: several shards\nshards: all\n") != std::string::npos);
    CHECK(spread.find("runs: on every shard, on the rows it has\n") != std::string::npos);
    const auto refusal = text_of(plan_shop("DELETE FROM orders WHERE id IN (SELECT id FROM items)"));
    CHECK(refusal.find("plan: refused\nshards: none\n") != std::string::npos);
    CHECK(refusal.find("hint: add \"user_id = ...\" to its conditions") != std::string::npos);
    CHECK(text_of(plan_shop("/* ringway: role=primary */ SELECT 1")).find("hint: role=primary\n") != std::string::npos);
    CHECK(text_of(plan_shop("SELECT * FROM orders WHERE user_id IN (NULL, 'abc')"))
              .find("not a value of the key's type") != std::string::npos);
}
