// make_catalog: what views read and run, through views.

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/opacity.hpp"
#include "router/volatility.hpp"

using namespace ringway::router;

namespace {

using names = std::vector<std::string>;

catalog with_view(const std::string& name, std::string definition) {
    auto raw = world::raw_catalog();
    auto& made = raw.relations["public." + name];
    made.schema = "public";
    made.name = name;
    made.kind = 'v';
    made.view_definition = std::move(definition);
    return make_catalog(std::move(raw));
}

bool writes(std::string definition) {
    return with_view("v", std::move(definition)).relations.at("public.v").view_writes;
}

}  // namespace

TEST_CASE("views tell the tables they read, through other views") {
    const auto in = with_view("v",
                              "SELECT 1 FROM public.order_view, (SELECT 1 FROM public.countries) c WHERE EXISTS "
                              "(SELECT 1 FROM public.log_view)");
    CHECK(in.relations.at("public.v").view_tables == names{"public.countries", "public.logs", "public.orders"});
    CHECK(in.relations.at("public.order_view").view_tables == names{"public.orders"});
}

TEST_CASE("views that run something volatile, at any depth, are told") {
    CHECK_FALSE(writes("SELECT count(*), now(), random() FROM public.users"));
    CHECK(writes("SELECT public.touch()"));
    CHECK(writes("SELECT nextval('a'::regclass)"));
    CHECK(writes("SELECT * FROM public.over_touching"));
    CHECK(writes("SELECT * FROM public.guarded"));
    CHECK(writes("SELECT * FROM public.scratch"));
    CHECK(writes("SELECT * FROM public.users_id_seq"));
    CHECK(writes("SELECT 1 |>| 2"));
    CHECK(writes("SELECT * FROM public.unknown_table"));
    CHECK(writes("SELECT unknown_function()"));
    CHECK(writes("SELECT archive.probe()"));
    CHECK(writes("this is not SQL"));
}

TEST_CASE("views that name each other end") {
    auto raw = world::raw_catalog();
    for (const char* name : {"a", "b"}) {
        auto& made = raw.relations[std::string("public.") + name];
        made.schema = "public";
        made.name = name;
        made.kind = 'v';
    }
    raw.relations.at("public.a").view_definition = "SELECT 1 FROM public.b, public.users";
    raw.relations.at("public.b").view_definition = "SELECT public.touch() FROM public.a";
    const auto in = make_catalog(std::move(raw));
    CHECK(in.relations.at("public.a").view_tables == names{"public.users"});
    CHECK(in.relations.at("public.b").view_tables == names{"public.users"});
    CHECK(in.relations.at("public.a").view_writes);
}

namespace {

/// Functions of one schema, volatile all, of these names and bodies: those that are found to have no effect.
std::string quiet_of(const std::vector<std::pair<std::string, std::string>>& all,
                     catalog_function::source language = catalog_function::source::sql) {
    auto raw = world::raw_catalog();
    for (const auto& [name, body] : all) {
        catalog_function made{"public", name, true, true};
        made.language = language;
        made.body = body;
        raw.functions.push_back(std::move(made));
    }
    const auto in = make_catalog(std::move(raw));
    std::string out;
    for (const auto& [name, body] : all) {
        const auto nature = nature_of(&in, {"pg_catalog", "public"}, "", name);
        CHECK(nature.needs_primary);
        if (nature.quiet) out += name;
    }
    return out;
}

}  // namespace

TEST_CASE("volatile functions without effect are told from those that may have one") {
    CHECK(quiet_of({{"a", "SELECT upper($1)"}, {"b", "SELECT a($1) || random()"}, {"c", "SELECT c($1)"}}) == "abc");
    CHECK(
        quiet_of({{"a", "SELECT nextval('s')"}, {"b", "SELECT a()"}, {"c", "SELECT b() || d()"}, {"d", "SELECT 1"}}) ==
        "d");
    CHECK(quiet_of({{"a", "SELECT count(*) FROM users"}, {"b", "SELECT touch()"}, {"c", "SELECT now()"}}).empty());
    CHECK(quiet_of({{"a", "SELECT pg_is_in_recovery()"}, {"b", "SELECT 1; DELETE FROM users"}, {"c", ""}}).empty());
    CHECK(quiet_of({{"a", "SELECT set_config('x', 'y', true)"}}).empty());
    CHECK(quiet_of({{"a", "BEGIN RETURN 1; END"}, {"b", "BEGIN PERFORM touch(); RETURN 1; END"}},
                   catalog_function::source::plpgsql) == "a");
    CHECK(quiet_of({{"a", "BEGIN EXECUTE 'x'; END"}, {"b", "BEGIN RETURN (SELECT 1 FROM users); END"}},
                   catalog_function::source::plpgsql)
              .empty());
    CHECK(quiet_of({{"a", "BEGIN RETURN 1; END"}}, catalog_function::source::none).empty());
    CHECK(quiet_of({{"touch", "SELECT 1"}}).empty());  // an overload of one that writes
}

TEST_CASE("functions are known, volatile and opaque by schema") {
    const auto& in = world::shared_catalog();
    const auto nature = [&in](const char* schema, const char* name) {
        return nature_of(&in, {"pg_catalog", "public"}, schema, name);
    };
    CHECK_FALSE(nature("", "now").unknown);
    CHECK(nature("archive", "now").unknown);
    CHECK(nature("", "touch").needs_primary);
    CHECK_FALSE(nature("", "probe").needs_primary);
    CHECK(nature("archive", "probe").needs_primary);
    CHECK(nature("archive", "probe").opaque);
    CHECK_FALSE(nature("", "probe").opaque);
    CHECK(nature("", "tax").opaque);
    CHECK_FALSE(nature("", "pure").opaque);
    CHECK_FALSE(nature("", "now").opaque);
}

namespace {

using source = catalog_function::source;

bool opaque(source language, std::string body) {
    return names_tables(language, body);
}

/// The functions a, b, c, ... of these bodies in SQL: which of them are opaque.
std::string opaque_of(const std::vector<std::string>& bodies, const std::string& calls = {}) {
    std::vector<catalog_function> all;
    for (const auto& body : bodies) {
        catalog_function made{"public", std::string(1, static_cast<char>('a' + all.size())), false, false};
        made.language = source::sql;
        made.body = body;
        all.push_back(std::move(made));
    }
    all.back().calls = calls;
    find_opaque(all);
    std::string out;
    for (const auto& each : all)
        if (each.opaque) out += each.name;
    return out;
}

}  // namespace

TEST_CASE("an SQL function that names no table is not opaque, whatever it is declared to be") {
    for (const char* body :
         {"SELECT 1", "SELECT $1 + 1; SELECT lower($2)", "SELECT extract(day FROM $1)", "RETURN (n + 1)",
          "SELECT * FROM generate_series(1, $1)", "WITH a AS (SELECT 1) SELECT * FROM a", "SELECT 'FROM users'",
          "BEGIN ATOMIC\n SELECT 1;\n SELECT n AS n;\nEND", "  select 1 -- from users\n"})
        CHECK_MESSAGE(!opaque(source::sql, body), body);
    for (const char* body :
         {"SELECT count(*) FROM users", "TABLE users", "SELECT (SELECT id FROM users LIMIT 1)", "DELETE FROM users",
          "SELECT 1 WHERE EXISTS (TABLE users)", "RETURN (SELECT count(*) AS count FROM users)", "",
          "BEGIN ATOMIC\n SELECT count(*) AS count\n    FROM users;\nEND", "not SQL at all", "NOTIFY x",
          "SELECT 1 ORDER BY (SELECT id FROM users)", "WITH a AS (INSERT INTO users VALUES (1)) SELECT 1",
          "SELECT * FROM ROWS FROM (generate_series(1, (SELECT count(*) FROM users)))", "SET x = 1"})
        CHECK_MESSAGE(opaque(source::sql, body), body);
}

TEST_CASE("PL/pgSQL: only expressions and what it calls") {
    for (const char* body :
         {"BEGIN RETURN 1; END", "BEGIN NEW.changed := now(); RETURN NEW; END", "BEGIN RAISE 'from users'; END",
          "DECLARE x users; BEGIN PERFORM pg_sleep(1); FOR i IN 1..3 LOOP x.id := i; END LOOP; RETURN x.id; END",
          "BEGIN -- select from users\n RETURN '\\'; END", "BEGIN RETURN $$ from users $$; END"})
        CHECK_MESSAGE(!opaque(source::plpgsql, body), body);
    for (const char* body : {"BEGIN RETURN count(*) FROM users; END", "BEGIN EXECUTE 'x'; END", "BEGIN CALL p(); END",
                             "BEGIN RETURN (TABLE users); END", "BEGIN INSERT INTO users VALUES (1); END",
                             "BEGIN x := '\\' FROM users; --'; END", "BEGIN RETURN U&\"\\0066_reads\"(); END", "",
                             "BEGIN UPDATE users SET id = 1; RETURN 1; END"})
        CHECK_MESSAGE(opaque(source::plpgsql, body), body);
    CHECK(opaque(source::none, "def f(): return 1"));
}

TEST_CASE("what calls an opaque function is opaque too, however deep") {
    CHECK(opaque_of({"SELECT 1", "SELECT a()", "SELECT b()"}).empty());
    CHECK(opaque_of({"SELECT count(*) FROM users", "SELECT a()", "SELECT public.\"b\"()"}) == "abc");
    CHECK(opaque_of({"SELECT b()", "SELECT c()", "SELECT 1 FROM users", "SELECT d()"}) == "abc");
    CHECK(opaque_of({"SELECT query_to_xml($1, true, true, '')", "SELECT ($1).a"}) == "ab");
    CHECK(opaque_of({"SELECT 1", "SELECT nextval('s')"}) == "b");
    CHECK(opaque_of({"SELECT 1 FROM users", "SELECT $1"}, "a()") == "ab");
}
