// Dumps: where statements, rows and psql's commands begin and end, and what cannot stand on shards.

#include <doctest/doctest.h>

#include "router/dump/check.hpp"
#include "router/dump/facts.hpp"
#include "router/dump/text.hpp"

using namespace ringway;
using namespace ringway::router::dump;

namespace {

/// "kind@line text" of every item; COPY ... FROM stdin is followed by its rows, as a loader would have it.
std::vector<std::string> cut(std::string_view text, std::size_t step = 1 << 20, bool conforming = true) {
    static constexpr std::string_view names[] = {"more", "statement", "command", "rows", "rows_end", "end", "broken"};
    std::vector<std::string> out;
    splitter in;
    in.set_conforming_strings(conforming);
    for (std::size_t at = 0;;) {
        const auto found = in.next();
        if (found.kind == item_kind::more) {
            if (at >= text.size())
                in.finish();
            else
                in.feed(std::string(text.substr(at, step)));
            at += step;
            continue;
        }
        const auto title = std::string(names[static_cast<std::size_t>(found.kind)]);
        if (found.kind == item_kind::rows && !out.empty() && out.back().starts_with("rows@"))
            out.back() += found.text;  // however they come
        else
            out.push_back(title + "@" + std::to_string(found.line) + " " + std::string(found.text) +
                          std::string(found.why));
        if (found.kind == item_kind::end || found.kind == item_kind::broken) return out;
        if (found.kind == item_kind::statement && found.text.starts_with("COPY")) in.expect_rows();
    }
}

using lines = std::vector<std::string>;

/// In one piece and in pieces of every small size.
void is_cut(std::string_view text, const lines& expected, bool conforming = true) {
    CAPTURE(text);
    CHECK(cut(text, 1 << 20, conforming) == expected);
    for (std::size_t step = 1; step < 12; ++step) {
        CAPTURE(step);
        CHECK(cut(text, step, conforming) == expected);
    }
}

}  // namespace

TEST_CASE("statements end at semicolons that count") {
    is_cut("", {"end@1 "});
    is_cut(" ;;\n ; -- nothing\n", {"end@3 "});
    is_cut("a; b;", {"statement@1 a", "statement@1 b", "end@1 "});
    is_cut("-- x; y\n\n/* ; /* ; */ ' */ a\n b ;\n", {"statement@3 a\n b ", "end@5 "});
    is_cut("a ';' \"b;\"\"\" 'it''s;';c;", {"statement@1 a ';' \"b;\"\"\" 'it''s;'", "statement@1 c", "end@1 "});
    is_cut("a '\\'; b;", {"statement@1 a '\\'", "statement@1 b", "end@1 "});
    is_cut("a '\\'; b'; c;", {"statement@1 a '\\'; b'", "statement@1 c", "end@1 "}, false);
    is_cut("a E'\\';''\\';' ; e'';U&'\\';",
           {"statement@1 a E'\\';''\\';' ", "statement@1 e''", "statement@1 U&'\\'", "end@1 "});
    is_cut("a $$;$$ $x$;$$;$y$;$x$;b$x$;c$x$;",
           {"statement@1 a $$;$$ $x$;$$;$y$;$x$", "statement@1 b$x$", "statement@1 c$x$", "end@1 "});
    is_cut("a $1;b 1$a$;c $ä$;$ä$;", {"statement@1 a $1", "statement@1 b 1$a$", "statement@1 c $ä$;$ä$", "end@1 "});
    is_cut("CREATE RULE r AS ON INSERT TO t DO (a; b);c;",
           {"statement@1 CREATE RULE r AS ON INSERT TO t DO (a; b)", "statement@1 c", "end@1 "});
    is_cut(
        "\xEF\xBB\xBF"
        "a;",
        {"statement@1 a", "end@1 "});
    is_cut("a - b / c;", {"statement@1 a - b / c", "end@1 "});
    is_cut("a -- b;\n c;\r\nd\r\n;", {"statement@1 a -- b;\n c", "statement@3 d\r\n", "end@4 "});
}

TEST_CASE("the body of a routine has semicolons of its own") {
    const std::string atomic =
        "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; SELECT 3; END";
    is_cut(atomic + ";b;", {"statement@1 " + atomic, "statement@1 b", "end@1 "});
    const std::string procedure = "create procedure begin()\nbegin atomic insert into t values (1); end";
    is_cut(procedure + ";b;", {"statement@1 " + procedure, "statement@2 b", "end@2 "});
    is_cut("CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'SELECT 1';b;",
           {"statement@1 CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS 'SELECT 1'", "statement@1 b",
            "end@1 "});
    is_cut("CREATE TABLE atomic (a int);begin;atomic;",
           {"statement@1 CREATE TABLE atomic (a int)", "statement@1 begin", "statement@1 atomic", "end@1 "});
}

TEST_CASE("rows of COPY end with their marker and nothing else") {
    is_cut("COPY t FROM stdin;\n1\ta;b\n\\\\.\nx\\.\n\\.x\n\\.\nc;",
           {"statement@1 COPY t FROM stdin", "rows@2 1\ta;b\n\\\\.\nx\\.\n\\.x\n", "rows_end@6 ", "statement@7 c",
            "end@7 "});
    is_cut("COPY t FROM stdin; \r\n\\.\r\n\n\nb;",
           {"statement@1 COPY t FROM stdin", "rows_end@2 ", "statement@5 b", "end@5 "});
    is_cut("COPY t FROM stdin;\n\\N\n\\.", {"statement@1 COPY t FROM stdin", "rows@2 \\N\n", "rows_end@3 ", "end@4 "});
    is_cut("COPY t FROM stdin;\n1\n2",
           {"statement@1 COPY t FROM stdin", "rows@2 1\n2",
            "broken@3 the dump ends within the rows of a COPY: their end, a line \"\\.\", is missing"});
    is_cut("COPY t FROM stdin;\n",
           {"statement@1 COPY t FROM stdin",
            "broken@2 the dump ends within the rows of a COPY: their end, a line \"\\.\", is missing"});
    is_cut("COPY t FROM stdin; 1\n\\.\n",
           {"statement@1 COPY t FROM stdin", "broken@1 something stands between COPY and its rows"});
}

TEST_CASE("psql's commands are lines of their own, and what does not end is told with its line") {
    is_cut("\\restrict a;b\na;\n\\unrestrict a;b \n",
           {"command@1 \\restrict a;b", "statement@2 a", "command@3 \\unrestrict a;b", "end@4 "});
    is_cut("a\n\\gset\n", {"broken@2 a backslash outside of quotes: psql's own commands cannot be run"});
    is_cut("a;\nb\n\n",
           {"statement@1 a", "broken@2 the dump ends within a statement that begins here: its semicolon is missing"});
    is_cut("a\n 'b\n;", {"broken@2 the dump ends within a text in quotes that begins here"});
    is_cut("a $x$ \n;$x", {"broken@1 the dump ends within a text in dollar quotes that begins here"});
    is_cut("a;/* \n", {"statement@1 a", "broken@1 the dump ends within a comment that begins here"});
    is_cut("a \"\n", {"broken@1 the dump ends within a quoted name that begins here"});
    is_cut(std::string_view("a\n\0;", 4), {"broken@2 a zero byte: this is no text"});
    is_cut(std::string_view("a '\0';", 6), {"broken@1 a zero byte within a statement: this is no text"});
    splitter small(4);
    small.feed("abc defg hi");
    CHECK(small.next().kind == item_kind::broken);
}

namespace {

config::cluster shop() {
    config::cluster out;
    out.name = "shop";
    for (const auto* name : {"s0", "s1"}) out.shards.push_back({name, {{"127.0.0.1", 5432}}, 1});
    const auto add = [&](const char* name, const char* key) -> config::table& {
        auto& made = out.tables.emplace_back();
        made.name = name;
        made.key = key;
        made.reference = made.key.empty();
        return made;
    };
    add("users", "id");
    add("orders", "user_id");
    add("store.items", "sku");
    add("lines", "order_id").further_keys = {"number"};
    add("countries", "");
    auto& tenants = add("tenant_*.*", "");
    tenants.reference = false;
    tenants.by_schema = true;
    return out;
}

/// "line: mistake" of a script, checked as one part.
lines wrong(std::string_view script, accepted with = {}) {
    checker in(shop(), with);
    splitter text;
    text.feed(script);
    text.finish();
    for (auto found = text.next(); found.kind == item_kind::statement; found = text.next())
        in.add(facts_of_statement(found.text, true), found.line);
    lines out;
    for (const auto& each : in.settle())
        out.push_back(std::to_string(each.line) + ": " + each.what.substr(0, each.what.find(':')));
    return out;
}

constexpr std::string_view schema =
    "CREATE TABLE public.users (id bigint, name text);CREATE TABLE public.orders (user_id bigint, id bigint);"
    "CREATE TABLE public.countries (code text);CREATE TABLE store.items (sku text);";

}  // namespace

TEST_CASE("tables that the map lacks, or whose key they lack") {
    CHECK(wrong(schema).empty());
    CHECK(wrong("CREATE TABLE other.users (id int);") == lines{});  // a name of the map without its schema
    CHECK(wrong("\nCREATE TABLE public.notes (id int);\nCREATE TABLE public.items (sku text);") ==
          lines{"2: table public.notes is not in the map of cluster \"shop\"",
                "3: table public.items is not in the map of cluster \"shop\""});
    CHECK(wrong("CREATE TABLE public.notes (id int);", {true, false, false}).empty());
    CHECK(wrong("CREATE TABLE tenant_a.notes (id int primary key);").empty());
    CHECK(wrong("CREATE TABLE users (nr int);") ==
          lines{"1: table public.users has no column id, its shard key in the map"});
    CHECK(wrong("CREATE TABLE public.lines (order_id int);") ==
          lines{"1: table public.lines has no column number, its shard key in the map"});
    CHECK(wrong("CREATE TABLE public.part (id bigint);CREATE TABLE public.users (id bigint) PARTITION BY RANGE (id);"
                "ALTER TABLE ONLY public.users ATTACH PARTITION public.part FOR VALUES FROM (1) TO (2);"
                "CREATE UNIQUE INDEX ON public.part (name);") ==
          lines{"1: a unique index of public.part lacks the shard key (id)"});
    CHECK(
        wrong("CREATE TABLE public.heir (x int) INHERITS (public.users);CREATE TABLE public.users (id int);").empty());
    CHECK(wrong("CREATE MATERIALIZED VIEW public.m AS SELECT 1 FROM (SELECT * FROM public.users) u WITH NO DATA;") ==
          lines{"1: materialized view public.m reads public.users"});
    CHECK(wrong("CREATE MATERIALIZED VIEW public.m AS SELECT 1 FROM public.countries WITH NO DATA;").empty());
}

TEST_CASE("what is unique on each shard only") {
    CHECK(wrong("ALTER TABLE ONLY public.users ADD CONSTRAINT k PRIMARY KEY (id);").empty());
    CHECK(wrong("ALTER TABLE ONLY public.orders ADD CONSTRAINT k PRIMARY KEY (id, user_id);").empty());
    CHECK(wrong("ALTER TABLE ONLY public.countries ADD CONSTRAINT k PRIMARY KEY (code);").empty());
    CHECK(wrong("ALTER TABLE ONLY public.orders ADD CONSTRAINT k PRIMARY KEY (id);") ==
          lines{"1: primary key k of public.orders lacks the shard key (user_id)"});
    CHECK(wrong("ALTER TABLE ONLY public.orders ADD CONSTRAINT k PRIMARY KEY (id);", {false, true, false}).empty());
    CHECK(wrong("ALTER TABLE public.lines ADD UNIQUE (order_id);") ==
          lines{"1: a unique constraint of public.lines lacks the shard key (order_id, number)"});
    CHECK(wrong("CREATE UNIQUE INDEX u ON public.users (lower(name));") ==
          lines{"1: unique index u of public.users lacks the shard key (id)"});
    CHECK(wrong("CREATE UNIQUE INDEX u ON public.users (lower(name), id);CREATE INDEX i ON public.users (name);")
              .empty());
    CHECK(wrong("ALTER TABLE public.users ADD CONSTRAINT e EXCLUDE USING gist (name WITH =, id WITH &&);") ==
          lines{"1: exclusion constraint e of public.users lacks the shard key (id)"});
    CHECK(wrong("ALTER TABLE public.users ADD CONSTRAINT e EXCLUDE USING gist (id WITH =);").empty());
    CHECK(wrong("CREATE TABLE users (id int primary key, name text unique, unique (name, id));") ==
          lines{"1: a unique constraint of public.users lacks the shard key (id)"});
}

TEST_CASE("foreign keys that shards cannot check") {
    const auto fk = [](std::string_view from, std::string_view column, std::string_view to) {
        return "ALTER TABLE ONLY " + std::string(from) + " ADD CONSTRAINT f FOREIGN KEY (" + std::string(column) +
               ") REFERENCES " + std::string(to) + ";";
    };
    CHECK(wrong(fk("public.orders", "user_id", "public.users(id)")).empty());
    CHECK(wrong(fk("public.users", "name", "public.countries(code)")).empty());
    CHECK(wrong(fk("public.countries", "code", "public.countries(code)")).empty());
    CHECK(wrong(fk("public.notes", "code", "public.countries(code)")).empty());
    CHECK(wrong(fk("public.notes", "a", "public.others(b)")).empty());
    CHECK(wrong(fk("tenant_a.x", "a", "tenant_a.y(b)")).empty());
    CHECK(wrong(fk("public.orders", "user_id", "public.users") + "ALTER TABLE public.users ADD PRIMARY KEY (id);")
              .empty());
    for (const auto& bad :
         {fk("public.orders", "id", "public.users(id)"), fk("public.users", "id", "public.users(name)"),
          fk("public.countries", "code", "public.users(name)"), fk("public.notes", "a", "public.users(id)"),
          fk("public.users", "name", "public.notes(a)"), fk("tenant_a.x", "a", "tenant_b.y(b)"),
          fk("public.orders", "user_id", "public.lines(order_id)"), fk("public.orders", "user_id", "public.users")}) {
        CAPTURE(bad);
        const auto said = wrong(bad);
        REQUIRE(said.size() == 1);
        CHECK(said.front().starts_with("1: foreign key f of "));
        CHECK(wrong(bad, {false, false, true}).empty());
        checker in(shop(), {false, false, true});
        CHECK(in.leaves_out(facts_of_statement(bad.substr(0, bad.size() - 1), true)));
    }
    CHECK(wrong("CREATE TABLE users (id int REFERENCES orders (id));", {false, false, true}).size() ==
          1);  // is a part of it
}

TEST_CASE("what a statement does") {
    const auto what = [](std::string_view text) { return facts_of_statement(text, true).what; };
    CHECK(what("SELECT pg_catalog.set_config('search_path', '', false)") == deed::sets);
    CHECK(what("SET default_tablespace = ''") == deed::sets);
    CHECK(what("SELECT pg_catalog.setval('public.s', 1, true)") == deed::counts);
    CHECK(what("COPY public.users (id) FROM stdin") == deed::fills);
    CHECK(facts_of_statement("COPY public.users (id) FROM stdin", true).rows_follow);
    CHECK(what("INSERT INTO users VALUES (1)") == deed::fills);
    CHECK(what("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT setval(''x'', 1)'") == deed::defines);
    for (const auto* bad : {"CREATE DATABASE x", "CREATE ROLE x", "COPY t FROM '/tmp/x'", "COPY t TO stdout", "BEGIN",
                            "CREATE TABLE t AS SELECT 1", "SELECT pg_catalog.lo_create('1')",
                            "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "SELEC 1", "VACUUM", "a; b"}) {
        CAPTURE(bad);
        CHECK(what(bad) == deed::refused);
    }
    CHECK(facts_of_statement("SET standard_conforming_strings = off", true).conforming == false);
    CHECK(facts_of_statement("SET standard_conforming_strings TO on", true).conforming == true);
    CHECK(facts_of_statement("COMMENT ON TABLE t IS 'it\\'s'", false).what == deed::defines);
    CHECK(facts_of_statement("COMMENT ON TABLE t IS 'it\\'s'", true).what == deed::refused);
}
