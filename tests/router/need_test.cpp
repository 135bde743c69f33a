// Who may run a statement: the traps R1, R2, R3 and R10 of the routing, and S9.

#include "router/need.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/search_path.hpp"
#include "router/volatility.hpp"

using namespace ringway::router;

namespace {

need need_for(std::string_view text, const catalog& in = world::shared_catalog(), std::string_view path = {}) {
    return world::plan_on(world::app(), text, path, &in).made->need;
}

bool sets_unknown(const world::planned& what) {
    for (const auto& each : what.only().effects)
        if (each.what == effect::kind::settings_unknown) return true;
    return false;
}

lock_use locks_of(std::string_view text) {
    plan_context with;
    with.catalog = &world::shared_catalog();
    with.user = "app";
    return lock_use_of(*world::plan_on(world::app(), text).made, with);
}

}  // namespace

TEST_CASE("R1: a function that writes goes to the primary however it is reached") {
    for (const char* text : {"SELECT touch()",
                             "SELECT * FROM touch()",
                             "SELECT * FROM ROWS FROM (touch())",
                             "SELECT 1 WHERE touch() > 0",
                             "SELECT 1 LIMIT touch()",
                             "SELECT 1 OFFSET touch()",
                             "SELECT DISTINCT ON (touch()) 1",
                             "SELECT 1 ORDER BY touch()",
                             "SELECT 1 FROM users GROUP BY touch()",
                             "VALUES (touch())",
                             "SELECT CASE WHEN true THEN touch() END",
                             "SELECT ARRAY[touch()]",
                             "SELECT ROW(touch())",
                             "SELECT coalesce(1, touch())",
                             "SELECT 1 WINDOW w AS (ORDER BY touch())",
                             "SELECT max(touch()) OVER ()",
                             "SELECT array_agg(1 ORDER BY touch())",
                             "SELECT (SELECT touch())",
                             "WITH a AS (SELECT touch()) SELECT 1",
                             "SELECT 1 UNION SELECT touch()",
                             "SELECT * FROM users JOIN orders ON touch() = 1",
                             "SELECT * FROM touching",
                             "SELECT * FROM over_touching",
                             "SELECT 1 |>| 2",
                             "SELECT 1 OPERATOR(public.|>|) 2",
                             "SELECT 1 |>| ANY(ARRAY[2])",
                             "SELECT 1 |>| (SELECT 2)",
                             "SELECT 1 FROM users ORDER BY id USING |>|",
                             "SELECT 'a'::audited",
                             "SELECT CAST('a' AS audited)",
                             "SELECT audited 'a'",
                             "SELECT * FROM casting",
                             "SELECT u.touch FROM users u",
                             "SELECT (u).touch FROM users u",
                             "SELECT users.touch FROM users",
                             "SELECT * FROM guarded",
                             "COPY (SELECT touch()) TO STDOUT",
                             "EXPLAIN ANALYZE SELECT touch()",
                             "DECLARE c CURSOR FOR SELECT touch()",
                             "SELECT 1 FROM users TABLESAMPLE touch(1)"}) {
        INFO(text);
        CHECK(need_for(text) == need::primary);
    }
    CHECK(sets_unknown(world::plan_app("SELECT touch()")));
    CHECK(sets_unknown(world::plan_app("SELECT (u).touch FROM users u")));
    CHECK_FALSE(sets_unknown(world::plan_app("SELECT nextval('a')")));
    CHECK_FALSE(sets_unknown(world::plan_app("PREPARE a AS SELECT touch()")));
}

TEST_CASE("R1: a column with the name of a volatile function is a column") {
    auto raw = world::raw_catalog();
    raw.relations.at("public.users").columns.push_back(raw.relations.at("public.users").columns.front());
    raw.relations.at("public.users").columns.back().name = "touch";
    const auto in = make_catalog(std::move(raw));
    CHECK(need_for("SELECT u.touch FROM users u", in) == need::any);
    CHECK(need_for("SELECT users.touch FROM users", in) == need::any);
    CHECK(need_for("SELECT o.touch FROM users u, orders o", in) == need::primary);
}

TEST_CASE("R2: what writes, locks or draws from a sequence goes to the primary") {
    for (const char* text : {"SELECT * FROM users FOR KEY SHARE",
                             "SELECT * FROM users FOR UPDATE OF users SKIP LOCKED",
                             "WITH a AS (DELETE FROM users RETURNING 1) SELECT * FROM a",
                             "EXPLAIN ANALYZE DELETE FROM users",
                             "EXPLAIN (ANALYZE, VERBOSE) UPDATE users SET name = 'a'",
                             "EXPLAIN (ANALYZE true) SELECT nextval('a')",
                             "SELECT 1 INTO x",
                             "CREATE TABLE x AS SELECT 1",
                             "MERGE INTO users u USING orders o ON true WHEN MATCHED THEN DELETE",
                             "CALL touch()",
                             "DO 'begin end'",
                             "LOCK users",
                             "LOCK TABLE users IN ACCESS SHARE MODE",
                             "SELECT nextval('a')",
                             "SELECT currval('a')",
                             "SELECT lastval()",
                             "SELECT setval('a', 1)",
                             "COPY users FROM STDIN",
                             "COPY users FROM '/x'",
                             "COPY users TO PROGRAM 'x'",
                             "TRUNCATE users",
                             "NOTIFY a",
                             "LISTEN a",
                             "VACUUM",
                             "EXECUTE a",
                             "EXPLAIN EXECUTE a",
                             "BEGIN",
                             "START TRANSACTION",
                             "BEGIN READ WRITE",
                             "BEGIN READ ONLY, READ WRITE",
                             "PREPARE a AS DELETE FROM users",
                             "SELECT pg_advisory_lock(1)",
                             "SELECT pg_advisory_xact_lock(1)",
                             "SELECT txid_current()",
                             "SELECT set_config('a', 'b', true)",
                             "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                             "SELECT last_value FROM users_id_seq",
                             "SELECT * FROM scratch",
                             "SELECT * FROM pg_stat_activity",
                             "SHOW transaction_read_only",
                             "SET seed = 0.5"}) {
        INFO(text);
        CHECK(need_for(text) == need::primary);
    }
}

TEST_CASE("what only takes locks until its transaction ends is told from what writes") {
    for (const char* text :
         {"SELECT * FROM users FOR UPDATE", "SELECT * FROM users WHERE id = 1 FOR KEY SHARE NOWAIT",
          "SELECT * FROM scratch FOR UPDATE", "LOCK TABLE users", "SELECT pg_advisory_xact_lock(1)",
          "SELECT pg_advisory_xact_lock(1, 2), count(*) FROM users", "SELECT pg_catalog.pg_advisory_xact_lock(1)"}) {
        INFO(text);
        CHECK(locks_of(text) == lock_use::only);
    }
    for (const char* text : {"SELECT touch() FROM users FOR UPDATE", "SELECT nextval('a'), pg_advisory_xact_lock(1)",
                             "WITH a AS (DELETE FROM users RETURNING id) SELECT pg_advisory_xact_lock(id) FROM a",
                             "UPDATE users SET name = 'x' WHERE pg_try_advisory_xact_lock(1)",
                             "SELECT * FROM nowhere FOR UPDATE", "SELECT set_config('a', 'b', true) FOR UPDATE"}) {
        INFO(text);
        CHECK(locks_of(text) == lock_use::some);
    }
    for (const char* text : {"SELECT * FROM users", "UPDATE users SET name = 'x'", "SELECT pg_advisory_lock(1)",
                             "SELECT public.pg_advisory_xact_lock(1)", "BEGIN"}) {
        INFO(text);
        CHECK(locks_of(text) == lock_use::none);
    }
}

TEST_CASE("R3: several statements in one text go to the primary") {
    CHECK(need_for("SELECT 1; INSERT INTO users VALUES (1)") == need::primary);
    CHECK(need_for("SELECT 1; SELECT 2") == need::primary);
    CHECK(need_for("SELECT 1;") == need::any);
    CHECK(need_for("SET a = 1; SET b = 2") == need::any);
    CHECK(need_for("BEGIN READ ONLY; SELECT 1; COMMIT") == need::primary);
}

TEST_CASE("R10: a function that becomes volatile is noticed with the next catalog") {
    auto raw = world::raw_catalog();
    CHECK(need_for("SELECT tax(1)", make_catalog(raw)) == need::any);
    for (auto& each : raw.functions)
        if (each.name == "tax") each.is_volatile = true;
    raw.version = 2;
    const auto next = make_catalog(std::move(raw));
    CHECK(need_for("SELECT tax(1)", next) == need::primary);
    CHECK(world::plan_on(world::app(), "SELECT tax(1)", {}, &next).made->catalog_version == 2);
}

TEST_CASE("S9: the search path decides which function and table a name means") {
    CHECK(need_for("SELECT probe()") == need::any);
    CHECK(need_for("SELECT probe()", world::shared_catalog(), "archive, public") == need::primary);
    CHECK(need_for("SELECT probe()", world::shared_catalog(), "\"archive\"") == need::primary);
    CHECK(need_for("SELECT archive.probe()") == need::primary);
    const auto files = [](std::string_view path) {
        return world::plan_on(world::shop(), "SELECT * FROM files WHERE owner = 1", path).made;
    };
    CHECK(files("public")->keys.empty());
    CHECK(files("public")->fixed_shard == 0);
    CHECK(files("archive, public")->keys.size() == 1);
    CHECK(files("pg_catalog,archive")->keys.size() == 1);
}

TEST_CASE("without a catalog nothing is taken for harmless") {
    const auto plan = [](std::string_view text) { return world::plan_on(world::app(), text, {}, nullptr).made; };
    CHECK(plan("SELECT 1")->need == need::any);
    CHECK(plan("SELECT * FROM users")->need == need::primary);
    CHECK(plan("SELECT f()")->need == need::primary);
    CHECK(world::plan_on(world::shop(), "SELECT * FROM orders WHERE user_id = 1", {}, nullptr).made->placement ==
          placement::refused);
    CHECK(world::plan_on(world::shop(), "SELECT f()", {}, nullptr).made->placement == placement::refused);
}

TEST_CASE("plain plans need no second look by the session") {
    for (const char* text : {"SELECT 1", "INSERT INTO users VALUES (1)", "BEGIN", "COMMIT", "COPY users FROM STDIN",
                             "FETCH c", "SHOW work_mem", ""}) {
        INFO(text);
        CHECK(world::plan_app(text).made->plain);
    }
    for (const char* text : {"SELECT 1; SELECT 2", "SET a = 1", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a",
                             "SHOW ringway.role", "EXPLAIN (ROUTE) SELECT 1", "LISTEN a", "DEALLOCATE ALL",
                             "SELECT touch()", "CREATE TABLE x (a int)", "SELEC 1"}) {
        INFO(text);
        CHECK_FALSE(world::plan_app(text).made->plain);
    }
    CHECK_FALSE(world::plan_shop("BEGIN").made->plain);
    CHECK_FALSE(world::plan_shop("BEGIN").made->cacheable);
    CHECK(world::plan_app("BEGIN").made->cacheable);
    CHECK_FALSE(world::plan_shop("COMMIT").made->plain);
}

TEST_CASE("search paths are read as SHOW prints them") {
    using list = std::vector<std::string>;
    CHECK(schemas_of("\"$user\", public", "ann") == list{"pg_catalog", "ann", "public"});
    CHECK(schemas_of("$user,PUBLIC", "ann") == list{"pg_catalog", "ann", "public"});
    CHECK(schemas_of("\"A \"\"b\", pg_catalog , x", "") == list{"A \"b", "pg_catalog", "x"});
    CHECK(schemas_of("", "ann") == list{"pg_catalog"});
    CHECK(schemas_of("\"\"", "ann") == list{"pg_catalog"});
    CHECK(schemas_of("\"a,b\", c", "") == list{"pg_catalog", "a,b", "c"});
    CHECK(schemas_of("\"open", "") == list{"pg_catalog", "open"});
}
