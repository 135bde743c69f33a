// INSERT of rows that belong elsewhere than where they are made: how its text is cut, and what is carried.

#include "router/carry.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

std::optional<insert_texts> cut(std::string_view text) {
    static shape_lexer lexer;
    const auto shape = lexer.scan(text);
    const std::vector<literal> literals(shape.literals.begin(), shape.literals.end());
    return cut_insert(text, literals);
}

struct expected {
    std::string_view text, head, source, tail;
};

}  // namespace

TEST_CASE("an INSERT is cut at its source and behind it") {
    for (const auto& each : std::vector<expected>{
             {"INSERT INTO t SELECT 1", "INSERT INTO t ", "SELECT 1", ""},
             {"insert into s.t as x (a, \"B c\") values (1, (select 2)) returning *;",
              "insert into s.t as x (a, \"B c\") ", "values (1, (select 2))", "returning *"},
             {"INSERT INTO t (a) OVERRIDING SYSTEM VALUE (SELECT 1) ON CONFLICT (a) DO NOTHING RETURNING a",
              "INSERT INTO t (a) OVERRIDING SYSTEM VALUE ", "(SELECT 1)", "ON CONFLICT (a) DO NOTHING RETURNING a"},
             {"INSERT INTO t ((SELECT 1) UNION SELECT 2)", "INSERT INTO t ", "((SELECT 1) UNION SELECT 2)", ""},
             {"WITH c AS (SELECT 1) INSERT INTO t TABLE c ON CONFLICT ON CONSTRAINT k DO UPDATE SET a = excluded.a",
              "INSERT INTO t ", "WITH c AS (SELECT 1) TABLE c",
              "ON CONFLICT ON CONSTRAINT k DO UPDATE SET a = excluded.a"},
             {"INSERT INTO t SELECT 1 AS returning, x.returning FROM x JOIN y ON conflict = 1", "INSERT INTO t ",
              "SELECT 1 AS returning, x.returning FROM x JOIN y ON conflict = 1", ""},
             {"INSERT INTO t /* SELECT */ SELECT ') returning ' -- ON CONFLICT\n FROM x", "INSERT INTO t /* SELECT */ ",
              "SELECT ') returning ' -- ON CONFLICT\n FROM x", ""},
             {"EXPLAIN (ROUTE) INSERT INTO t SELECT 1", "INSERT INTO t ", "SELECT 1", ""},
             {"; /* ; */ ;INSERT INTO t SELECT ';'; ", "INSERT INTO t ", "SELECT ';'", ""},
         }) {
        INFO(each.text);
        const auto found = cut(each.text);
        REQUIRE(found);
        CHECK(found->head == each.head);
        CHECK(found->source == each.source);
        CHECK(found->tail == each.tail);
        CHECK(!found->user_values);
    }
    CHECK(cut("INSERT INTO t (a) OVERRIDING USER VALUE SELECT 1")->user_values);
}

TEST_CASE("what is no INSERT of whole columns is not cut") {
    for (const auto* each :
         {"SELECT 1", "INSERT INTO t DEFAULT VALUES", "INSERT INTO t (a[1]) SELECT 1", "INSERT INTO t (a.b) SELECT 1",
          "UPDATE t SET a = 1", "WITH c AS (SELECT 1) INSERT INTO t WITH d AS (SELECT 2) SELECT * FROM c, d", "INSERT",
          "INSERT INTO t (a"})
        CHECK_MESSAGE(!cut(each), each);
}

TEST_CASE("rows that are made on one shard are carried to their owners") {
    const auto what = plan_shop("INSERT INTO orders (id, user_id) SELECT max(id), count(*) FROM items");
    CHECK(what.route_with({}).kind == route::to::spread);
    REQUIRE(what.made->carry);
    const auto& carry = *what.made->carry;
    CHECK(carry.where == carry_recipe::to::owners);
    CHECK(carry.relation == "\"public\".\"orders\"");
    REQUIRE(carry.key.size() == 1);
    CHECK(carry.key.front().name == "user_id");
    CHECK(carry.source->placement == placement::several);
    CHECK(carry.source->gather);
    CHECK(!carry.at_once);
}

TEST_CASE("what its keys do not tell is carried too") {
    const auto two = plan_shop("INSERT INTO orders (id, user_id) SELECT id, 7 FROM items WHERE user_id = 5");
    REQUIRE(two.made->carry);
    const auto kind = two.route_with({}).kind;
    CHECK(kind == (owner_of("7") == owner_of("5") ? route::to::shard : route::to::spread));
    CHECK(plan_shop("INSERT INTO orders (id, user_id) VALUES (1, 2 + length('x'))").made->carry);
    CHECK(plan_shop("INSERT INTO countries SELECT 'x', max(note) FROM orders").made->carry->where ==
          carry_recipe::to::all);
    CHECK(
        plan_shop("INSERT INTO orders (id, user_id) SELECT 1, id FROM items ON CONFLICT (id) DO UPDATE SET note = 'x'")
            .made->carry->at_once);
}

TEST_CASE("the list of columns is known to end where it does") {
    for (const auto* each : {"INSERT INTO t (a, \"b)\") /* ) */ VALUES (1, 2)",
                             "INSERT INTO s.t AS x (a) OVERRIDING USER VALUE (SELECT 1)"}) {
        const auto found = cut(each);
        REQUIRE(found->list_end);
        const auto list = found->head.substr(0, *found->list_end + 1);
        CHECK(list.ends_with(')'));
        CHECK(list.find('(') != list.npos);
        CHECK((list.ends_with("\"b)\")") || list.ends_with("x (a)")));
        CHECK(found->overrides == (std::string_view(each).find("OVERRIDING") != std::string_view::npos));
    }
    CHECK(!cut("INSERT INTO t VALUES (1)")->list_end);
    CHECK(!cut("INSERT INTO t (SELECT 1)")->list_end);
}

TEST_CASE("what could not be done as one server does it is not carried") {
    for (const auto* each : {
             "INSERT INTO orders (id) SELECT id FROM items",
             "INSERT INTO orders (id, user_id) SELECT 1, id FROM items RETURNING now()",
             "INSERT INTO orders (id, user_id) SELECT 1, id FROM items RETURNING (SELECT count(*) FROM users)",
             "INSERT INTO orders (id, user_id) SELECT 1, id FROM items FOR UPDATE",
             "WITH a AS (DELETE FROM items RETURNING id) INSERT INTO orders (id, user_id) SELECT 1, id FROM a",
             "INSERT INTO orders (id, user_id) VALUES (1, DEFAULT)",
             "INSERT INTO orders (id, user_id) OVERRIDING USER VALUE SELECT 1, id FROM items",
             "INSERT INTO orders (id, user_id, note) SELECT 1, count(*), max(relname) FROM pg_catalog.pg_class",
             "INSERT INTO orders (id, user_id) SELECT 1, x FROM (SELECT count(*) AS x FROM information_schema.tables) "
             "a",
             "INSERT INTO orders (id, user_id) VALUES (1, 2 + length(txid_current()::text))",
             "/* ringway: shard=s1 */ INSERT INTO orders (id, user_id) SELECT 1, id FROM items",
         }) {
        const auto what = plan_shop(each);
        CHECK_MESSAGE(!what.made->carry, each);
        CHECK_MESSAGE(what.route_with({}).kind == route::to::refused, each);
    }
}
