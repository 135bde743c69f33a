// Reads over several shards that run on one server: what stands in for what.

#include "router/gather.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

std::string refusal_of(std::string_view sql) {
    const auto what = plan_shop(sql);
    if (what.made->gather) return {};
    return what.made->refusal ? what.made->refusal->detail : "none";
}

std::string rewritten(std::string_view sql) {
    const auto what = plan_shop(sql);
    REQUIRE(what.made->gather);
    return without_schemas(sql, what.literals, *what.made->gather);
}

/// A catalog with views over the tables of the tests.
catalog with_views(bool row_security = false) {
    auto raw = raw_catalog();
    const auto add = [&raw](std::string name, std::string definition) {
        auto& made = raw.relations["public." + name];
        made.schema = "public";
        made.name = std::move(name);
        made.kind = 'v';
        made.view_definition = std::move(definition);
    };
    add("named", " SELECT users.name,\n    count(*) AS n\n   FROM public.users\n  GROUP BY users.name;");
    add("often",
        " SELECT named.name\n   FROM (public.named\n     JOIN public.orders o ON ((o.note = named.name)))\n  WHERE "
        "(named.n > 2);");
    add("odd", " SELECT users.name FROM public.users WHERE (users.name = 'a\\b'::text);");
    add("rows_of", " SELECT ROW(1, 'a'::text)::public.users AS u FROM public.users;");
    raw.relations["public.orders"].row_security = row_security;
    return make_catalog(std::move(raw));
}

}  // namespace

TEST_CASE("schemas before names of what stands in become blanks, other qualifiers stay") {
    CHECK(rewritten("SELECT public.users.id FROM public.users") == "SELECT        users.id FROM        users");
    CHECK(rewritten("SELECT 'public.users', u.name FROM \"public\" . users AS u") ==
          "SELECT 'public.users', u.name FROM            users AS u");
    CHECK(rewritten("SELECT o.note FROM public.orders o, PUBLIC.Users u /* public.users */") ==
          "SELECT o.note FROM        orders o,        Users u /* public.users */");
    CHECK(rewritten("SELECT users.id FROM users") == "SELECT users.id FROM users");
}

TEST_CASE("names that could mean something else with a blank before them are refused") {
    CHECK(refusal_of("SELECT * FROM public.users").empty());
    CHECK_FALSE(refusal_of("WITH users AS (SELECT 1) SELECT * FROM public.users").empty());
    CHECK_FALSE(refusal_of("SELECT public.users FROM users, orders AS public").empty());
    CHECK_FALSE(refusal_of("SELECT NULL::public.users FROM public.users").empty());
}

TEST_CASE("columns, aliases and WITH queries called like a table of the map are not it") {
    const auto brought = [](std::string_view sql) {
        const auto what = plan_shop(sql);
        REQUIRE(what.made->gather);
        std::string out;
        for (const auto& each : what.made->gather->tables) out += (out.empty() ? "" : " ") + each.name;
        return out;
    };
    CHECK(brought("SELECT u.name AS orders, age + 1 AS items FROM users u") == "users");
    CHECK(brought("SELECT orders.name FROM users orders") == "users");
    CHECK(brought("WITH orders AS (SELECT name FROM users) SELECT * FROM orders") == "users");
    CHECK(brought("WITH orders AS (SELECT * FROM orders) SELECT * FROM orders") == "orders");
    CHECK(brought("SELECT name AS items FROM users WHERE age > (SELECT max(total) FROM orders)") == "users orders");
    CHECK(brought("SELECT name AS orders FROM users u (orders, name)") == "users orders");  // not exact
}

TEST_CASE("a table of the map in a schema that is not in the path is one where its schema is named") {
    auto raw = raw_catalog();
    raw.relations.erase("public.files");
    const auto catalog = make_catalog(std::move(raw));
    const auto gathered = [&](std::string_view sql) {
        return plan_on(shop(), sql, {}, &catalog).made->gather != nullptr;
    };
    CHECK(gathered("SELECT * FROM archive.files"));
    CHECK(gathered("SELECT f.* FROM archive.files f WHERE EXISTS (SELECT 1 FROM archive.files)"));
    CHECK_FALSE(gathered("SELECT * FROM archive.files WHERE EXISTS (SELECT 1 FROM files)"));
    CHECK_FALSE(gathered("SELECT * FROM files"));
}

TEST_CASE("a join that renames its columns by their places needs all of them") {
    const auto what = plan_shop("SELECT t.a FROM (users u JOIN orders o ON o.user_id = u.id) AS t (a)");
    REQUIRE(what.made->gather);
    for (const auto& each : what.made->gather->tables) CHECK(each.all);
    CHECK(outlives_ddl(*what.made->gather));
    CHECK_FALSE(outlives_ddl(*plan_shop("SELECT a.name FROM users a JOIN users b ON a.name = b.name").made->gather));
}

TEST_CASE("views are made again over what stands in, the inner ones first, and what they read is whole") {
    const auto catalog = with_views();
    const auto what = plan_on(shop(), "SELECT * FROM often, users WHERE users.name = 'x'", {}, &catalog);
    REQUIRE(what.made->placement == placement::several);
    const auto& recipe = *what.made->gather;
    REQUIRE(recipe.views.size() == 2);
    CHECK(recipe.views[0].definition ==
          " SELECT users.name,\n    count(*) AS n\n   FROM pg_temp.users\n  GROUP BY users.name");
    CHECK(recipe.views[1].definition ==
          " SELECT named.name\n   FROM (pg_temp.named\n     JOIN pg_temp.orders o ON "
          "((o.note = named.name)))\n  WHERE (named.n > 2)");
    CHECK(recipe.keys);
    for (const auto& each : recipe.tables) {
        CHECK(each.all);
        CHECK(each.tests.empty());
    }
    CHECK(what.made->scatter == nullptr);
    CHECK(drop_stand_ins(recipe).ends_with(" CASCADE"));
}

TEST_CASE("views that could read something else there are refused") {
    const auto refused = [](const catalog& in, std::string_view sql) {
        return plan_on(shop(), sql, {}, &in).made->placement == placement::refused;
    };
    const auto catalog = with_views();
    CHECK_FALSE(refused(catalog, "SELECT * FROM named"));
    CHECK_FALSE(refused(catalog, "EXPLAIN SELECT * FROM named"));
    CHECK(refused(catalog, "SELECT * FROM odd"));
    CHECK(refused(catalog, "SELECT * FROM rows_of"));
    CHECK(refused(catalog, "UPDATE named SET name = 'x'"));
    CHECK(refused(catalog, "SELECT n FROM named n"));
    const auto secured = with_views(true);
    CHECK_FALSE(refused(secured, "SELECT * FROM named"));
    CHECK(refused(secured, "SELECT * FROM often"));
}

TEST_CASE("a cursor is made over a table with the query's rows") {
    const auto over = [](std::string_view sql) {
        const auto what = plan_shop(sql);
        REQUIRE(what.made->gather);
        return cursor_over(sql, what.literals, "t");
    };
    const auto plain = over("DECLARE c CURSOR FOR SELECT 'for' FROM users;");
    CHECK(plain.fill == "CREATE TEMPORARY TABLE \"t\" ON COMMIT DROP AS  SELECT 'for' FROM users");
    CHECK(plain.declare == "DECLARE c CURSOR FOR TABLE pg_temp.\"t\"");
    const auto all = over("DECLARE \"for\" BINARY INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR SELECT id FROM users");
    CHECK(all.declare == "DECLARE \"for\" BINARY INSENSITIVE SCROLL CURSOR WITHOUT HOLD FOR TABLE pg_temp.\"t\"");
}

TEST_CASE("the shards check comparisons of one table's columns with constants before they send rows") {
    // array_agg with an order over all rows: gathered.
    const auto filter = [](std::string_view condition, const std::vector<parameter>& given = {}) {
        const auto sql = "SELECT count(DISTINCT u.name) FROM users u WHERE " + std::string(condition);
        const auto what = plan_shop(sql);
        REQUIRE(what.made->gather);
        REQUIRE(what.made->gather->tables.size() == 1);
        return filter_of(what.made->gather->tables.front(), what.values_with(given));
    };
    CHECK(filter("u.age > 5") == " WHERE \"age\" > 5");
    CHECK(filter("5 > age AND age <> -3") == " WHERE \"age\" < 5 AND \"age\" <> -3");
    CHECK(filter("age BETWEEN 3 AND $1", {text_parameter("7")}) == " WHERE \"age\" >= 3 AND \"age\" <= '7'");
    CHECK(filter("name IS NOT NULL AND age IS NULL") == " WHERE \"name\" IS NOT NULL AND \"age\" IS NULL");
    CHECK(filter("name LIKE 'a%' AND name <> 'abc'") == " WHERE \"name\" LIKE 'a%' AND \"name\" <> 'abc'");
    CHECK(filter("name = 'x' AND age >= 1") == " WHERE \"name\" = ('x') AND \"age\" >= 1");
    for (const auto* sent_whole :
         {"name > 'a'", "name LIKE '%\\'", "name LIKE $1", "age > 5 OR age < 3", "NOT age > 5", "age > age - 1",
          "age + 1 > 5", "age > (SELECT 5)", "age > 5::int8", "age > NULL", "age NOT BETWEEN 1 AND 2",
          "age > ANY (ARRAY[1, 2])", "name NOT LIKE 'a%'", "coalesce(age > 5, true)"})
        CHECK_MESSAGE(filter(sent_whole, {text_parameter("a\\")}).empty(), sent_whole);
    const auto joined = plan_shop(
        "SELECT u.name FROM users u LEFT JOIN orders o ON o.note = u.name AND o.total > 5 AND "
        "u.age > 3 WHERE u.id < 9 AND o.id IS NULL");
    REQUIRE(joined.made->gather);
    for (const auto& each : joined.made->gather->tables)
        CHECK(filter_of(each, joined.values_with({})) ==
              (each.name == "users" ? " WHERE \"id\" < 9" : " WHERE \"total\" > 5"));
    const auto twice =
        plan_shop("SELECT a.name FROM users a, users b WHERE a.name = b.name AND a.age > 5 AND b.age < 3");
    REQUIRE(twice.made->gather);
    CHECK(filter_of(twice.made->gather->tables.front(), twice.values_with({})).empty());
}

TEST_CASE("what may look like a backslash in the client's encoding is not written into a filter") {
    const auto what = plan_shop("SELECT count(DISTINCT name) FROM users WHERE name = $1 AND age > 5");
    const auto filter = [&](std::string_view bytes, bool hides_ascii, bool binary = false) {
        auto given = text_parameter(bytes);
        given.binary = binary;
        given.type_oid = binary ? 25 : 0;
        const std::vector<parameter> all{given};
        return filter_of(what.made->gather->tables.front(), what.values_with(all), hides_ascii);
    };
    CHECK(filter("\x95\\1", false) == " WHERE \"name\" = ( E'\x95\\\\1') AND \"age\" > 5");
    CHECK(filter("\x95\\1", true) == " WHERE \"age\" > 5");
    CHECK(filter("\x95\\1", true, true) == " WHERE \"age\" > 5");
    CHECK(filter("a\\b", true) == " WHERE \"name\" = ( E'a\\\\b') AND \"age\" > 5");
}

TEST_CASE("columns whose values name objects of one server are not brought to another") {
    auto raw = raw_catalog();
    for (const auto& [name, oid] : {std::pair{"rc", 2205u}, {"types", 2211u}}) {
        auto& made = raw.relations["public.orders"].columns.emplace_back();
        made.name = name;
        made.type_oid = oid;
    }
    const auto in = make_catalog(std::move(raw));
    const auto plan = [&in](std::string_view sql) { return plan_on(shop(), sql, {}, &in).made; };
    for (const auto* each :
         {"SELECT rc, count(*) OVER () FROM orders", "SELECT * FROM orders o, users u WHERE o.id = u.age",
          "SELECT id FROM orders WHERE types IS NULL LIMIT (SELECT 1)", "SELECT json_agg(o) FROM orders o",
          "UPDATE orders SET user_id = 5"})
        CHECK_MESSAGE(plan(each)->refusal, each);
    const auto refused = plan("SELECT rc, count(*) OVER () FROM orders");
    CHECK(refused->placement == placement::refused);
    CHECK(refused->refusal->message ==
          "column rc of orders is of type regclass, whose values name objects of one server");
    CHECK(plan("SELECT id, count(*) OVER () FROM orders")->gather);
    CHECK(why_not_brought(*plan("SELECT id, count(*) OVER () FROM orders")->gather).empty());
    const auto passed = plan("SELECT id, rc FROM orders");  // by each shard, as texts
    REQUIRE(passed->scatter);
    CHECK_FALSE(why_not_brought(*passed->gather).empty());
    CHECK(filter_of(passed->gather->tables.front(), {}).find("'ringway: column rc of orders is") != std::string::npos);
    CHECK_FALSE(plan("UPDATE orders SET user_id = 5 WHERE user_id = 7")->move);
}

TEST_CASE("the type of arrays of a table's rows is not that of the table that stands in") {
    for (const auto* each : {"SELECT ('{}'::_users)::text, count(DISTINCT age) FROM users",
                             "SELECT CAST(name AS public.\"_users\"), count(DISTINCT age) FROM users GROUP BY name",
                             "SELECT min(name)::__users, count(DISTINCT age) FROM users u"})
        CHECK_MESSAGE(!plan_shop(each).made->gather, each);
    CHECK(plan_shop("SELECT min(name) AS users_, count(DISTINCT age) FROM users").made->gather);
    CHECK(plan_shop("SELECT count(DISTINCT age) FROM users _users").made->gather);
}

TEST_CASE("a statement's own time is not its transaction's where rows have been brought together before") {
    CHECK(!plan_shop("SELECT count(DISTINCT age) FROM users WHERE statement_timestamp() > now()").made->gather);
    CHECK(!plan_shop("SELECT count(DISTINCT age) FROM users WHERE statement_timestamp() > CURRENT_TIMESTAMP")
               .made->gather);
    CHECK(plan_shop("SELECT count(DISTINCT age), now() FROM users").made->gather);
}
