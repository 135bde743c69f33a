// What definitions of a transaction make unsure for its later statements.

#include "router/unsure_names.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/shape.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

/// What of a statement is unsure behind these definitions.
std::string behind(std::initializer_list<std::string_view> definitions, std::string_view sql) {
    static const catalog known = [] {
        auto raw = raw_catalog();
        auto& view = raw.relations["public.named"];
        view.schema = "public";
        view.name = "named";
        view.kind = 'v';
        view.view_definition = " SELECT users.name FROM public.users;";
        catalog_column state;
        state.name = "state";
        state.type_oid = 16500;
        auto& columns = raw.relations["public.codes"].columns;
        columns.insert(columns.begin(), std::move(state));
        return make_catalog(std::move(raw));
    }();
    unsure_names all;
    for (const auto each : definitions) {
        const auto made = plan_shop(each);
        REQUIRE(made.made->parsed.statements.size() == 1);
        all.add(made.only(), each, made.literals, shop(), &known);
    }
    const auto what = plan_shop(sql);
    REQUIRE(what.made->parsed.statements.size() == 1);
    return all.find(what.made->parsed.statements.front(), sql, what.literals, &known);
}

}  // namespace

TEST_CASE("what is made beside tables leaves names as they are") {
    for (const std::string_view each :
         {"CREATE TABLE fresh (a int)", "CREATE INDEX i ON users (name)", "ALTER TABLE users ADD COLUMN x int",
          "COMMENT ON TABLE users IS 'x'", "GRANT SELECT ON users TO app", "TRUNCATE users", "CREATE TYPE t AS ENUM ()",
          "CREATE UNIQUE INDEX IF NOT EXISTS i ON users (name)", "CREATE UNLOGGED TABLE IF NOT EXISTS fresh (a int)"}) {
        CAPTURE(each);
        CHECK(behind({each}, "SELECT * FROM users") == "");
        CHECK(behind({each}, "SELECT * FROM named") == "");
        CHECK(behind({each}, "INSERT INTO fresh VALUES (1)") == "");
    }
}

TEST_CASE("a view that is new or another one") {
    CHECK(behind({"CREATE VIEW v1 AS SELECT id FROM users"}, "SELECT count(*) FROM v1") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT id FROM users"}, "SELECT count(*) FROM users") == "");
    CHECK(behind({"CREATE OR REPLACE VIEW public.\"V\" AS SELECT id FROM users"}, "SELECT count(*) FROM \"V\"") == "V");
    CHECK(behind({"CREATE OR REPLACE VIEW named AS SELECT 1"}, "UPDATE named SET name = 'x'") == "named");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "SELECT (SELECT max(id) FROM v1) FROM users") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "WITH w AS (SELECT * FROM v1) SELECT * FROM w") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "INSERT INTO v1 VALUES (1)") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "CREATE VIEW v2 AS SELECT * FROM v1") == "");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "CREATE TABLE t AS SELECT * FROM v1") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "CREATE MATERIALIZED VIEW m AS SELECT * FROM v1") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "CREATE MATERIALIZED VIEW m AS SELECT * FROM v1 WITH NO DATA;") == "");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "CREATE TABLE t AS SELECT 1 AS no, v1.a AS data FROM v1") == "v1");
    CHECK(behind({"CREATE VIEW v1 AS SELECT 1"}, "SELECT relname FROM pg_class") == "");
    CHECK(behind({"CREATE TABLE fresh (a int)", "CREATE VIEW v1 AS SELECT 1"}, "INSERT INTO fresh VALUES (1)") == "");
}

TEST_CASE("names that are given to something else") {
    CHECK(behind({"ALTER TABLE users RENAME TO u2"}, "SELECT count(*) FROM u2") == "u2");
    CHECK(behind({"ALTER TABLE users RENAME TO u2"}, "SELECT count(*) FROM users") == "users");
    CHECK(behind({"ALTER TABLE users RENAME TO u2"}, "SELECT count(*) FROM orders") == "");
    CHECK(behind({"ALTER TABLE users RENAME TO u2"}, "SELECT count(*) FROM named") == "named");
    CHECK(behind({"ALTER TABLE orders RENAME COLUMN user_id TO x"}, "SELECT 1 FROM orders WHERE user_id = 5") ==
          "orders");
    CHECK(behind({"ALTER TABLE orders SET SCHEMA other"}, "DELETE FROM orders WHERE user_id = 5") == "orders");
    CHECK(behind({"ALTER TABLE orders DETACH PARTITION o1"}, "SELECT * FROM o1") == "o1");
    CHECK(behind({"ALTER TABLE users DROP age"}, "INSERT INTO users VALUES (5, 'x')") == "users");
    CHECK(behind({"ALTER TABLE users ALTER age DROP NOT NULL, DROP COLUMN name"}, "INSERT INTO users VALUES (5)") ==
          "users");
    CHECK(behind({"ALTER TABLE users DROP CONSTRAINT c, ALTER age DROP DEFAULT"}, "INSERT INTO users VALUES (5)") ==
          "");
    CHECK(behind({"DROP TABLE orders"}, "SELECT * FROM orders") == "orders");
}

TEST_CASE("names of which nothing depends stay sure") {
    CHECK(behind({"DROP TABLE IF EXISTS plain", "CREATE TABLE plain (a int)"}, "INSERT INTO plain VALUES (1)") == "");
    CHECK(behind({"DROP TABLE users", "CREATE TABLE users (a int)"}, "INSERT INTO users VALUES (1)") == "users");
    CHECK(behind({"ALTER TABLE users ADD COLUMN type text"}, "UPDATE users SET type = 'x' WHERE id = 5") == "");
    CHECK(behind({"ALTER TABLE users ADD CONSTRAINT c UNIQUE USING INDEX i"}, "SELECT * FROM users") == "");
    CHECK(behind({"ALTER TABLE users ALTER age TYPE int8, ENABLE ROW LEVEL SECURITY"}, "SELECT * FROM users") == "");
    CHECK(behind({"ALTER TABLE users DISABLE TRIGGER ALL"}, "INSERT INTO users VALUES (1)") == "");
    CHECK(behind({"ALTER TABLE users ENABLE TRIGGER ALL"}, "INSERT INTO users VALUES (1)") == "users");
    CHECK(behind({"CREATE TABLE kafka (topic text, partition int)"}, "INSERT INTO kafka VALUES ('x', 1)") == "");
    CHECK(behind(
              {"CREATE TABLE marks (id int REFERENCES users) PARTITION BY RANGE (id)",
               "CREATE TABLE marks_1 PARTITION OF marks DEFAULT", "ALTER TABLE marks ATTACH PARTITION marks_2 DEFAULT"},
              "WITH m AS (SELECT * FROM marks), n AS (SELECT * FROM marks_1), o AS (SELECT * FROM marks_2) SELECT "
              "count(*) FROM users, m, n, o") == "");
    CHECK(behind({"CREATE TABLE users_1 PARTITION OF users DEFAULT"}, "INSERT INTO users_1 VALUES (1)") == "users_1");
    CHECK(behind({"CREATE TABLE users_1 (x int) INHERITS (users)"}, "INSERT INTO users_1 VALUES (1)") == "users_1");
    CHECK(behind({"ALTER TABLE plain RENAME COLUMN state TO status"}, "SELECT * FROM status") == "");
    CHECK(behind({"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app"}, "SELECT own(id) FROM users") == "");
    CHECK(behind({"CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'"}, "SELECT own(id) FROM users") ==
          "");
    CHECK(behind({"CREATE SCHEMA hr CREATE VIEW v AS SELECT * FROM public.users"}, "SELECT count(*) FROM hr.v") == "v");
    CHECK(behind({"CREATE MATERIALIZED VIEW m AS SELECT * FROM users"},
                 "CREATE MATERIALIZED VIEW m AS SELECT * FROM users") == "");
}

TEST_CASE("columns that go with what is dropped") {
    const std::string_view by_place = "INSERT INTO codes VALUES (1, 'a', 'b')";
    for (const std::string_view each :
         {"DROP TYPE mood CASCADE", "DROP DOMAIN IF EXISTS d CASCADE", "DROP EXTENSION citext CASCADE",
          "DROP SCHEMA other CASCADE", "DROP COLLATION c CASCADE", "DROP FUNCTION f(int) CASCADE",
          "DROP LANGUAGE plperl CASCADE", "DROP OWNED BY app", "ALTER TYPE t DROP ATTRIBUTE a CASCADE"}) {
        CAPTURE(each);
        CHECK(behind({each}, by_place) == "codes");
        CHECK(behind({each}, "SELECT body FROM codes WHERE slug = 'a'") == "codes");
    }
    for (const std::string_view each : {"DROP TYPE mood", "DROP DOMAIN d RESTRICT", "DROP INDEX i CASCADE",
                                        "DROP TABLE IF EXISTS nowhere CASCADE", "DROP SEQUENCE s CASCADE"}) {
        CAPTURE(each);
        CHECK(behind({each}, by_place) == "");
    }
    CHECK(behind({"DROP TYPE mood CASCADE"}, "INSERT INTO users VALUES (1, 'a')") == "");
    CHECK(behind({"DROP TYPE mood CASCADE"}, "UPDATE users SET age = 1 WHERE id = 5") == "");
    CHECK(behind({"ALTER TABLE users ALTER name TYPE mood USING NULL", "DROP TYPE mood CASCADE"},
                 "INSERT INTO users VALUES (1, 'a')") == "users");
    CHECK(behind({"DROP TABLE IF EXISTS files CASCADE", "CREATE TABLE plain (a int)"},
                 "INSERT INTO plain VALUES (1)") == "");
}

TEST_CASE("columns of the type of a table's rows") {
    CHECK(behind({"DROP TABLE IF EXISTS logs CASCADE"}, "INSERT INTO codes VALUES (1, 'a', 'b')") == "codes");
    CHECK(behind({"DROP VIEW log_view CASCADE"}, "INSERT INTO codes SELECT 1, 'a', 'b'") == "codes");
    CHECK(behind({"DROP TABLE logs CASCADE"}, "COPY codes FROM STDIN") == "codes");
    CHECK(behind({"DROP TABLE logs CASCADE"}, "COPY codes (slug, body) FROM STDIN") == "");
    CHECK(behind({"DROP TABLE logs CASCADE"}, "INSERT INTO codes (slug, body) VALUES ('a', 'b')") == "");
    CHECK(behind({"DROP TABLE logs CASCADE"}, "UPDATE codes SET body = 'b' WHERE slug = 'a'") == "");
    CHECK(behind({"DROP TABLE logs CASCADE"}, "INSERT INTO users VALUES (1, 'a')") == "");
    CHECK(behind({"DROP TABLE users CASCADE"}, "SELECT * FROM named") == "named");
    CHECK(behind({"DROP TABLE orders CASCADE"}, "INSERT INTO orders_2024 VALUES (1, 2)") == "orders_2024");
}

TEST_CASE("what is done to the tables above and below") {
    for (const std::string_view each :
         {"ALTER TABLE orders DROP COLUMN note", "ALTER TABLE orders RENAME COLUMN user_id TO x",
          "CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()", "ALTER TABLE orders ENABLE TRIGGER ALL"}) {
        CAPTURE(each);
        CHECK(behind({each}, "INSERT INTO orders_2024 VALUES (1, 2)") == "orders_2024");
        CHECK(behind({each}, "INSERT INTO items VALUES (1, 2)") == "");
    }
    CHECK(behind({"CREATE TRIGGER t BEFORE INSERT ON orders_2024 EXECUTE FUNCTION f()"},
                 "INSERT INTO orders VALUES (1, 2)") == "orders");
    CHECK(behind({"ALTER TABLE orders ADD COLUMN x int"}, "INSERT INTO orders_2024 VALUES (1, 2)") == "");
}

TEST_CASE("what runs beside a statement") {
    CHECK(behind({"CREATE RULE r AS ON INSERT TO users DO ALSO DELETE FROM orders"}, "INSERT INTO users VALUES (1)") ==
          "users");
    CHECK(behind({"CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION f()"}, "INSERT INTO users VALUES (1)") ==
          "users");
    CHECK(behind({"CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'"}, "SELECT f(1)") == "f");
    CHECK(behind({"CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT count(*) FROM users'"},
                 "SELECT count(*) FROM users") == "");
    CHECK(behind({"CREATE OPERATOR === (LEFTARG = int8, RIGHTARG = int8, FUNCTION = int8ne)"},
                 "SELECT 1 FROM users WHERE id === 5") == "users");
    CHECK(behind({"DROP FUNCTION f(int)"}, "SELECT now(), lower(name) FROM users") == "");
}

TEST_CASE("defaults and checks that may read other tables") {
    CHECK(behind({"CREATE TABLE fresh (a int DEFAULT tax(1))"}, "INSERT INTO fresh DEFAULT VALUES") == "fresh");
    CHECK(behind({"CREATE TABLE fresh (a int DEFAULT pure(1))"}, "INSERT INTO fresh DEFAULT VALUES") == "");
    CHECK(behind({"ALTER TABLE users ALTER age SET DEFAULT tax(1)"}, "INSERT INTO users (id) VALUES (1)") == "users");
    CHECK(behind({"ALTER TABLE users ADD CHECK (lower(name) <> '' AND pure(age) > 0)"},
                 "INSERT INTO users (id) VALUES (1)") == "");
    CHECK(
        behind({"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TABLE fresh (a int DEFAULT f())"},
               "INSERT INTO fresh DEFAULT VALUES") == "fresh");
}

TEST_CASE("nothing is sure behind what is not known") {
    unsure_names all;
    all.add_anything();
    const auto what = plan_shop("SELECT * FROM users");
    CHECK(all.find(what.made->parsed.statements.front(), "SELECT * FROM users", what.literals, nullptr) == "users");
    const auto none = plan_shop("SELECT 1");
    CHECK(all.find(none.made->parsed.statements.front(), "SELECT 1", none.literals, nullptr) == "");
}
