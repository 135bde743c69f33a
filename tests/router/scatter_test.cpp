// Reads that every shard runs on its own rows: which they are, and as what they are run.

#include "router/scatter.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/gather.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

constexpr std::uint32_t int8_oid = 20, text_oid = 25, numeric_oid = 1700, float8_oid = 701;

bool is_scattered(std::string_view sql) {
    return plan_shop(sql).made->scatter != nullptr;
}

scatter_texts texts_of(std::string_view sql, const std::vector<parameter>& with = {}) {
    const auto what = plan_shop(sql);
    REQUIRE(what.made->scatter);
    const auto out = scatter_texts_of(*what.made, what.values_with(with));
    REQUIRE(out);
    return *out;
}

std::string shard_text(std::string_view sql, const std::vector<parameter>& with = {}) {
    return texts_of(sql, with).shard.text;
}

std::string combined(std::string_view sql, const std::vector<std::uint32_t>& types) {
    const auto what = plan_shop(sql);
    REQUIRE(what.made->scatter);
    const auto out = combine_groups(*what.made, what.values_with({}), types);
    return out ? out->text : "none";
}

}  // namespace

TEST_CASE("Rows are scattered when no two of different shards can meet") {
    CHECK(is_scattered("SELECT * FROM users"));
    CHECK(is_scattered("SELECT u.name FROM users u JOIN orders o ON o.user_id = u.id"));
    CHECK(is_scattered("SELECT u.name FROM users u LEFT JOIN orders o ON o.user_id = u.id"));
    CHECK(is_scattered("SELECT u.name FROM users u JOIN orders o ON o.user_id = u.id JOIN items i USING (user_id)"));
    CHECK(is_scattered("SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id)"));
    CHECK(is_scattered("SELECT name FROM users WHERE EXISTS (SELECT FROM orders WHERE user_id = age OR true AND "
                       "user_id = users.id)") == false);
    CHECK(is_scattered("SELECT note FROM orders WHERE EXISTS (SELECT FROM users WHERE user_id = users.id)"));
    CHECK(is_scattered("SELECT u.id FROM users u JOIN countries c ON c.name = u.name"));
    CHECK(is_scattered("SELECT name FROM users WHERE name IN (SELECT name FROM countries)"));

    CHECK_FALSE(is_scattered("SELECT a.id FROM users a JOIN users b ON a.name = b.name"));
    CHECK_FALSE(is_scattered("SELECT u.name FROM users u FULL JOIN orders o ON o.user_id = u.id"));
    CHECK_FALSE(is_scattered("SELECT c.name FROM countries c LEFT JOIN users u ON u.name = c.name"));
    CHECK_FALSE(is_scattered("SELECT id FROM users WHERE id > (SELECT count(*) FROM orders)"));
    CHECK_FALSE(
        is_scattered("SELECT u.id FROM users u, (SELECT user_id FROM orders GROUP BY 1) o WHERE o.user_id = u.id"));
    CHECK_FALSE(is_scattered("SELECT id FROM users UNION ALL SELECT id FROM orders"));
    CHECK_FALSE(is_scattered("WITH x AS (SELECT * FROM users) SELECT * FROM x"));
    CHECK_FALSE(is_scattered("SELECT u.id FROM users u JOIN logs l ON l.user_id = u.id"));
    CHECK_FALSE(is_scattered("SELECT id FROM users WHERE name < now()::text"));
    CHECK_FALSE(is_scattered("SELECT id, row_number() OVER () FROM users"));
    CHECK(is_scattered("SELECT id, random() AS r FROM users"));
    CHECK_FALSE(is_scattered("SELECT id, random() AS r FROM users ORDER BY r"));
    CHECK_FALSE(is_scattered("SELECT random() AS r, count(*) FROM users GROUP BY r"));
    CHECK_FALSE(is_scattered("SELECT id, r FROM users, random() r"));
    CHECK_FALSE(is_scattered("SELECT id, (SELECT random()) FROM users"));
    CHECK(is_scattered("SELECT id, random() FROM users WHERE country IN (SELECT code FROM countries)"));
    CHECK_FALSE(is_scattered("SELECT id FROM users WHERE country IN (SELECT code FROM countries LIMIT 1)"));
    CHECK(is_scattered("SELECT id FROM users WHERE country IN (SELECT code FROM countries ORDER BY code LIMIT 1)"));
    CHECK_FALSE(
        is_scattered("SELECT u.id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.id IN "
                     "(SELECT order_id FROM items))"));
}

TEST_CASE("IN (SELECT the key) ties what it reads") {
    CHECK(is_scattered("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders)"));
    CHECK(is_scattered("SELECT name FROM users u WHERE u.age > 3 AND u.id = ANY (SELECT o.user_id FROM orders o)"));
    CHECK(is_scattered("SELECT id FROM users u WHERE u.age > 3 OR u.id IN (SELECT o.user_id FROM orders o)"));
    CHECK(
        is_scattered("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders GROUP BY 1 + id, user_id HAVING "
                     "count(*) > 2)"));
    CHECK(
        is_scattered("SELECT name FROM users WHERE id IN (SELECT user_id FROM orders WHERE user_id IN (SELECT "
                     "user_id FROM items))"));

    for (const auto* each :
         {"id NOT IN (SELECT user_id FROM orders)", "NOT id IN (SELECT user_id FROM orders)",
          "(id IN (SELECT user_id FROM orders)) IS NOT TRUE", "id < ANY (SELECT user_id FROM orders)",
          "id = ALL (SELECT user_id FROM orders)", "id IN (SELECT user_id FROM orders LIMIT 1)",
          "id IN (SELECT user_id FROM orders OFFSET 1)", "id IN (SELECT max(user_id) FROM orders)",
          "id IN (SELECT user_id FROM orders UNION SELECT user_id FROM items)", "id IN (SELECT id FROM orders)",
          "id IN (SELECT DISTINCT ON (note) user_id FROM orders)", "id IN (SELECT user_id + 0 FROM orders)",
          "id IN (SELECT user_id FROM orders users)", "users.id IN (SELECT users.user_id FROM orders users)",
          "id IN (SELECT user_id FROM orders GROUP BY ROLLUP (user_id))",
          "id IN (WITH x AS (SELECT user_id FROM orders) SELECT user_id FROM x)", "age IN (SELECT user_id FROM orders)",
          "name IN (SELECT name FROM users)"})
        CHECK_MESSAGE(!is_scattered(std::string("SELECT name FROM users WHERE ") + each), each);
    CHECK_FALSE(is_scattered("SELECT name, id IN (SELECT user_id FROM orders) FROM users"));
    CHECK_FALSE(
        is_scattered("SELECT a.name FROM users a JOIN users b USING (id) WHERE id IN (SELECT user_id FROM "
                     "orders) AND a.name IN (SELECT note FROM orders)"));
}

TEST_CASE("Aggregates are scattered when parts of them make the whole") {
    CHECK(is_scattered("SELECT count(*), sum(total), avg(total), min(note), max(note) FROM orders"));
    CHECK(is_scattered("SELECT note, count(*) FROM orders GROUP BY note HAVING count(*) > 1"));
    CHECK(is_scattered("SELECT DISTINCT note FROM orders"));
    CHECK(is_scattered("SELECT user_id, array_agg(id) FROM orders GROUP BY user_id"));
    CHECK(is_scattered("SELECT u.id, (SELECT sum(o.total) FROM orders o WHERE o.user_id = u.id) FROM users u"));

    CHECK_FALSE(is_scattered("SELECT array_agg(id) FROM orders"));
    CHECK_FALSE(is_scattered("SELECT count(DISTINCT note) FROM orders"));
    CHECK_FALSE(is_scattered("SELECT note, count(*) FROM orders GROUP BY ROLLUP (note)"));
    CHECK_FALSE(is_scattered("SELECT (SELECT sum(u.age)) FROM users u"));
    CHECK_FALSE(is_scattered("SELECT DISTINCT ON (note) note, id FROM orders"));
    CHECK_FALSE(is_scattered("SELECT DISTINCT count(*) FROM orders GROUP BY note"));
    CHECK_FALSE(is_scattered("SELECT note, count(*) FROM orders GROUP BY note ORDER BY note COLLATE \"C\""));
}

TEST_CASE("Each shard sorts, and sends what it sorted by behind the client's columns") {
    CHECK(shard_text("SELECT * FROM users") == "SELECT * FROM users");
    CHECK(shard_text("SELECT id FROM users ORDER BY id") == "SELECT id, (id) FROM users ORDER BY id");
    CHECK(shard_text("SELECT name AS n, id FROM users ORDER BY n DESC, 2 LIMIT 5 OFFSET 2") ==
          "SELECT name AS n, id, (name), (id) FROM users ORDER BY n DESC, 2 LIMIT 7");
    CHECK(shard_text("SELECT u.id FROM users u WHERE u.name IS DISTINCT FROM 'x' ORDER BY lower(u.name) NULLS FIRST") ==
          "SELECT u.id, (lower(u.name)) FROM users u WHERE u.name IS DISTINCT FROM 'x' ORDER BY lower(u.name) NULLS "
          "FIRST");
    CHECK(shard_text("SELECT id FROM users FETCH FIRST 3 ROWS ONLY") == "SELECT id FROM users LIMIT 3");
    CHECK(shard_text("SELECT id AS from, extract(year FROM '2020-01-01'::date) AS limit FROM users") ==
          "SELECT id AS from, extract(year FROM '2020-01-01'::date) AS limit FROM users");
    const auto ordered = texts_of("SELECT id FROM users ORDER BY name DESC NULLS LAST, id");
    REQUIRE(ordered.orders.size() == 2);
    CHECK(ordered.orders[0].descending);
    CHECK_FALSE(ordered.orders[0].nulls_first);
    CHECK_FALSE(ordered.orders[1].descending);
    CHECK_FALSE(ordered.orders[1].nulls_first);
}

TEST_CASE("Parameters are counted anew where some are not needed") {
    const auto texts =
        texts_of("SELECT id FROM users WHERE age > $2 LIMIT $1", {text_parameter("4"), text_parameter("7")});
    CHECK(texts.shard.text == "SELECT id FROM users WHERE age > $1 LIMIT 4");
    CHECK(texts.shard.parameters == std::vector<std::uint16_t>{1});
    CHECK(texts.limit == 4);
    const auto what = plan_shop("SELECT name, count(*) FROM users WHERE age > $1 GROUP BY name HAVING count(*) > $2");
    const std::vector<parameter> given{text_parameter("4"), text_parameter("7")};
    const auto shard = scatter_texts_of(*what.made, what.values_with(given));
    REQUIRE(shard);
    CHECK(shard->shard.parameters == std::vector<std::uint16_t>{0});
    const auto last = combine_groups(*what.made, what.values_with(given), {text_oid, int8_oid, int8_oid});
    REQUIRE(last);
    CHECK(last->parameters == std::vector<std::uint16_t>{1});
    CHECK(last->text.ends_with("> $4 "));
}

TEST_CASE("What the last query says is the client's text over the parts") {
    const auto from = [](const char* arrays, const char* names) {
        return std::string(" FROM ROWS FROM (") + arrays + ") AS ringway(" + names + ")";
    };
    CHECK(shard_text("SELECT count(*) FROM orders") == "SELECT count(*) FROM orders");
    CHECK(combined("SELECT count(*) FROM orders", {int8_oid}) ==
          "SELECT coalesce(pg_catalog.sum(c1), 0)::pg_catalog.int8" + from("pg_catalog.unnest($1)", "c1") + " ");
    constexpr auto* grouped =
        "SELECT note AS n, avg(total) FILTER (WHERE id > 5) FROM orders WHERE id < 9 GROUP BY note ORDER BY 2";
    CHECK(shard_text(grouped) ==
          "SELECT (note), pg_catalog.sum(total) FILTER (WHERE id > 5), pg_catalog.count(total) FILTER (WHERE id > 5) "
          "FROM orders WHERE id < 9 GROUP BY 1");
    CHECK(combined(grouped, {text_oid, numeric_oid, int8_oid}) ==
          "SELECT g1 AS n, (pg_catalog.sum(c1) / nullif(pg_catalog.sum(c2), 0))" +
              from("pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)", "g1, c1, c2") +
              " GROUP BY g1 ORDER BY 2  ");
    CHECK(
        combined("SELECT sum(total) + 1 FROM orders", {numeric_oid}).starts_with("SELECT pg_catalog.sum(c1) + 1 FROM"));
    CHECK(combined("SELECT sum(total) FROM orders", {int8_oid})
              .starts_with("SELECT pg_catalog.sum(c1)::pg_catalog.int8 FROM"));
    CHECK(combined("SELECT avg(total) FROM orders", {float8_oid, int8_oid})
              .starts_with("SELECT (pg_catalog.sum(c1) / nullif(pg_catalog.sum(c2), 0)::pg_catalog.float8) FROM"));
    CHECK(combined("SELECT avg(total) FROM orders", {700, int8_oid}) == "none");
    CHECK(combined("SELECT max(note) FROM orders", {99999}) == "none");
    CHECK(combined("SELECT lower(note), count(*) FROM orders GROUP BY lower(note)", {text_oid, int8_oid})
              .starts_with("SELECT g1, coalesce("));
}

TEST_CASE("One row of nothing but aggregates is the client's own text, with extremes twice") {
    const auto totals = [](std::string_view sql) { return texts_of(sql).totals.text; };
    CHECK(totals("SELECT count(*) AS n, sum(total) FROM orders WHERE id > 5 LIMIT 1") ==
          "SELECT count(*) AS n, sum(total) FROM orders WHERE id > 5 LIMIT 1");
    CHECK(totals("SELECT min(id), count(id) FILTER (WHERE id > 2), max(total) m FROM orders ORDER BY 1") ==
          "SELECT min(id), count(id) FILTER (WHERE id > 2), max(total) m, min(id), max(total) FROM orders ORDER BY 1");
    for (const auto* sql :
         {"SELECT count(*) + 1 FROM orders", "SELECT count(*)::int FROM orders", "SELECT avg(total) FROM orders",
          "SELECT count(*), 1 FROM orders", "SELECT note, count(*) FROM orders GROUP BY note",
          "SELECT count(*) FROM orders HAVING count(*) > 1", "SELECT DISTINCT note FROM orders"})
        CHECK_MESSAGE(totals(sql).empty(), sql);
}

TEST_CASE("An expression that only looks like a group's is none") {
    const std::vector<std::uint32_t> types{int8_oid, int8_oid};
    CHECK(combined("SELECT id + total * 2, count(*) FROM orders GROUP BY id + total", types) == "none");
    CHECK(combined("SELECT orders.id, count(*) FROM orders GROUP BY id", types) == "none");
    CHECK(combined("SELECT total, count(*) FROM orders GROUP BY id", types) == "none");
    CHECK(combined("SELECT (id + total), count(*) FROM orders GROUP BY id + total", types) != "none");
    CHECK(combined("SELECT lower(id + total) <> 3, count(*) FROM orders GROUP BY id + total", types)
              .starts_with("SELECT lower ( g1 ) <> 3, "));
}

TEST_CASE("One plan serves all texts of a shape") {
    const auto what = plan_shop("SELECT id FROM users WHERE name = 'a' ORDER BY 1 LIMIT 3");
    planned other = what;
    other.text = "SELECT  id /* x */ FROM users WHERE name = 'a longer one' ORDER BY 1 LIMIT 12";
    shape_lexer lexer;
    const auto shape = lexer.scan(other.text);
    other.literals.assign(shape.literals.begin(), shape.literals.end());
    const auto texts = scatter_texts_of(*what.made, other.values_with({}));
    REQUIRE(texts);
    CHECK(texts->shard.text == "SELECT  id, (id) FROM users WHERE name = 'a longer one' ORDER BY 1 LIMIT 12");
    other.text = "SELECT id FROM users WHERE name = 'a' ORDER BY 4 LIMIT 3";
    const auto again = lexer.scan(other.text);
    other.literals.assign(again.literals.begin(), again.literals.end());
    CHECK_FALSE(scatter_texts_of(*what.made, other.values_with({})));
}

TEST_CASE("Tables are gathered with their keys only where a primary key may be grouped by") {
    const auto keeps = [](std::string_view sql) {
        const auto what = plan_shop(sql);
        REQUIRE(what.made->gather);
        return what.made->gather->keys;
    };
    CHECK_FALSE(
        keeps("SELECT o.note, avg(u.age) FROM users u JOIN orders o ON o.note = u.name GROUP BY o.note ORDER BY 2"));
    CHECK_FALSE(
        keeps("SELECT o.note AS n, sum(u.age) FROM users u JOIN orders o ON o.note = u.name GROUP BY 1 ORDER BY n"));
    CHECK(keeps("SELECT o.note, u.name FROM users u JOIN orders o ON o.note = u.name GROUP BY o.note, u.id"));
    CHECK(keeps("SELECT u.name AS name, count(*) FROM users u JOIN orders o ON o.note = u.name GROUP BY u.id"));
    CHECK(keeps("SELECT count(*) FROM users u JOIN orders o ON o.note = u.name GROUP BY u.id HAVING u.age > 3"));
    CHECK(keeps("SELECT x.n FROM (SELECT name AS n FROM users u GROUP BY id) x JOIN orders o ON o.note = x.n"));
}

TEST_CASE("a bound is what the parameter's type makes of it") {
    const auto limit = [](std::string_view bytes, std::uint32_t type, bool binary = false) -> std::string {
        const auto what = plan_shop("SELECT id FROM users LIMIT $1");
        parameter given{bytes, type, false, binary};
        const std::vector<parameter> all{given};
        const auto out = scatter_texts_of(*what.made, what.values_with(all));
        return out && out->limit ? std::to_string(*out->limit) : "none";
    };
    using namespace std::string_view_literals;
    CHECK(limit("7", 0) == "7");
    CHECK(limit("7", 20) == "7");
    CHECK(limit("7", 23) == "7");
    CHECK(limit("32767", 21) == "32767");
    CHECK(limit("32768", 21) == "none");
    CHECK(limit("2147483648", 23) == "none");
    CHECK(limit("2147483648", 20) == "2147483648");
    CHECK(limit("\0\7"sv, 21, true) == "7");
    CHECK(limit("\0\0\0\7"sv, 23, true) == "7");
    CHECK(limit("\0\0\0\0\0\0\0\7"sv, 20, true) == "7");
    CHECK(limit("\0\0\0\0\0\0\0\7"sv, 0, true) == "7");
    CHECK(limit("\0\0\0\7"sv, 0, true) == "none");
    CHECK(limit("\0\7"sv, 23, true) == "none");
    CHECK(limit("7", text_oid) == "none");
    CHECK(limit("7", numeric_oid) == "none");
    CHECK(limit("\x40\0\0\0\0\0\0\0"sv, float8_oid, true) == "none");
}

TEST_CASE("what tells of one server is asked of one") {
    for (const auto* each : {"pg_backend_pid()", "inet_client_port()", "version()", "current_database()",
                             "current_catalog", "txid_current()", "current_query()"}) {
        CHECK_MESSAGE(!is_scattered("SELECT id, " + std::string(each) + " FROM users"), each);
        CHECK_MESSAGE(!is_scattered("SELECT count(*) FROM users GROUP BY " + std::string(each)), each);
    }
    const auto asks = [](const std::string& sql, const std::vector<parameter>& with = {}) {
        const auto what = plan_shop(sql);
        REQUIRE(what.made->scatter);
        return asks_setting_of_a_server(what.made->parsed.statements.front(), what.values_with(with));
    };
    CHECK(asks("SELECT count(*) FROM users GROUP BY current_setting('port')"));
    CHECK(asks("SELECT id FROM users WHERE name = 'a' AND pg_catalog.current_setting ( 'port', true) = 'a.b'"));
    CHECK(asks("SELECT id FROM users WHERE name = current_setting(name)"));
    CHECK(asks("SELECT id FROM users WHERE name = current_setting('a.b') OR name = \"current_setting\"('work_mem')"));
    CHECK(asks("SELECT id FROM users WHERE name = current_setting($1)", {text_parameter("port")}));
    CHECK(asks("SELECT id FROM users WHERE name = current_setting('p' || 'o.rt')"));
    CHECK_FALSE(asks("SELECT id FROM users WHERE name = current_setting($1, true)", {text_parameter("app.x")}));
    CHECK_FALSE(asks("SELECT id FROM users WHERE name = current_setting('app.tenant') OR age = 5"));
    CHECK_FALSE(asks("SELECT id FROM users WHERE name = current_setting(E'TimeZone', false)"));
    CHECK_FALSE(asks("SELECT id, 'port' FROM users WHERE name = 'current_setting'"));
}
