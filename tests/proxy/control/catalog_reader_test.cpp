// The catalog reader against a real server.
#include "proxy/control/catalog_reader.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "proxy/control/catalog_queries.hpp"
#include "tests/servers/pg_cluster.hpp"

using namespace ringway;
using ringway::proxy::catalog_reader;
using ringway::router::key_type;
using ringway::tests::pg_cluster;

namespace {

pg_cluster& server() {
    static pg_cluster shared(1, 0);
    return shared;
}

void sql(const std::string& text) {
    server().sql(server().at(0), text);
}

pool::control_login login() {
    pool::control_login to;
    to.node = server().at(0).address;
    to.database = "postgres";
    to.user = "postgres";
    return to;
}

router::catalog read() {
    catalog_reader reader;
    auto reading = reader.read(login(), 7);
    REQUIRE_MESSAGE(!reading.why, (reading.why ? reading.why->detail : ""));
    CHECK(reading.catalog->version == 7);
    return *reading.catalog;
}

/// Known, and volatile in some overload; nullopt: not known.
std::optional<bool> is_volatile(const router::catalog& in, const std::string& schema, const std::string& name) {
    std::optional<bool> found;
    for (const auto& f : in.functions) {
        if (f.schema == schema && f.name == name) found = found.value_or(false) || f.is_volatile;
    }
    return found;
}

bool is_opaque(const router::catalog& in, const std::string& name) {
    return std::any_of(in.functions.begin(), in.functions.end(),
                       [&](const auto& f) { return f.name == name && f.opaque; });
}

const router::catalog_column& column(const router::catalog& in, const std::string& table, const std::string& name) {
    const auto& columns = in.relations.at(table).columns;
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == name; });
    REQUIRE(found != columns.end());
    return *found;
}

}  // namespace

TEST_CASE("catalog: functions, aggregates and procedures") {
    sql(R"(CREATE SCHEMA fn; SET search_path = fn;
        CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
        CREATE FUNCTION reads() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE FUNCTION pure(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE FUNCTION pure(text) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
        CREATE FUNCTION calm(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE FUNCTION by_default(a int DEFAULT floor(random())::int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE FUNCTION by_own_default(a int DEFAULT fn.writes()) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE FUNCTION plain_default(a text DEFAULT 'random()') RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE PROCEDURE proc() LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
        CREATE AGGREGATE loud(int) (SFUNC = step, STYPE = int);
        CREATE AGGREGATE quiet(int) (SFUNC = int4pl, STYPE = int);)");
    const auto c = read();
    CHECK(is_volatile(c, "fn", "writes") == true);
    CHECK(is_volatile(c, "fn", "reads") == false);
    CHECK(is_volatile(c, "fn", "pure") == true);  // one overload is
    CHECK(is_volatile(c, "fn", "by_default") == true);
    CHECK(is_volatile(c, "fn", "by_own_default") == true);
    CHECK(is_volatile(c, "fn", "plain_default") == false);
    CHECK(is_volatile(c, "fn", "proc") == true);
    CHECK(is_volatile(c, "fn", "loud") == true);
    CHECK(is_volatile(c, "fn", "quiet") == false);
    CHECK(is_volatile(c, "pg_catalog", "nextval") == true);
    CHECK(is_volatile(c, "pg_catalog", "now") == false);
    CHECK_FALSE(is_volatile(c, "fn", "no_such"));
    CHECK_FALSE(is_opaque(c, "reads"));
    CHECK_FALSE(is_opaque(c, "loud"));
    CHECK_FALSE(is_opaque(c, "calm"));
    CHECK_FALSE(is_opaque(c, "quiet"));
}

TEST_CASE("catalog: functions that touch tables by their own text, whatever they are declared to be") {
    sql(R"(CREATE SCHEMA opaque; SET search_path = opaque; CREATE TABLE t(a int);
        CREATE FUNCTION o_sql() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM opaque.t';
        CREATE FUNCTION o_parsed() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN (SELECT count(*) FROM t);
        CREATE FUNCTION o_atomic() RETURNS bigint LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 1; SELECT count(*) FROM t; END;
        CREATE FUNCTION o_plpgsql() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN count(*) FROM opaque.t; END';
        CREATE FUNCTION o_caller() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT opaque.o_sql()';
        CREATE FUNCTION o_default(a bigint DEFAULT opaque.o_sql()) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE FUNCTION o_step(bigint, int) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT opaque.o_sql()';
        CREATE AGGREGATE o_aggregate(int) (SFUNC = o_step, STYPE = bigint);
        CREATE FUNCTION c_sql(a text) RETURNS text LANGUAGE sql STABLE AS 'SELECT substring(a FROM 2)';
        CREATE FUNCTION c_parsed(a int) RETURNS int LANGUAGE sql VOLATILE RETURN a + 1;
        CREATE FUNCTION c_atomic(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a; SELECT a + 1; END;
        CREATE FUNCTION c_plpgsql(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN IF a > 1 THEN RETURN 2; END IF; RETURN a; END';
        CREATE AGGREGATE c_aggregate(int) (SFUNC = int4pl, STYPE = int);)");
    const auto c = read();
    for (const char* name :
         {"o_sql", "o_parsed", "o_atomic", "o_plpgsql", "o_caller", "o_default", "o_step", "o_aggregate"})
        CHECK_MESSAGE(is_opaque(c, name), name);
    for (const char* name : {"c_sql", "c_parsed", "c_atomic", "c_plpgsql", "c_aggregate", "count", "xpath", "lpad"})
        CHECK_MESSAGE(!is_opaque(c, name), name);
    sql("DROP SCHEMA opaque CASCADE");
}

TEST_CASE("catalog: operators and casts that run volatile functions, domains with volatile checks") {
    sql(R"(CREATE SCHEMA op; SET search_path = op;
        CREATE FUNCTION bump(int, int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
        CREATE FUNCTION still(int, int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE OPERATOR |+| (LEFTARG = int, RIGHTARG = int, FUNCTION = bump);
        CREATE OPERATOR |-| (LEFTARG = int, RIGHTARG = int, FUNCTION = still);
        CREATE TYPE pair AS (a int, b int);
        CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql VOLATILE AS 'SELECT ROW(1, 2)::op.pair';
        CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);
        CREATE DOMAIN lucky AS float8 CHECK (random() >= 0);
        CREATE DOMAIN own_check AS int CHECK (op.bump(VALUE, 1) > 0);
        CREATE DOMAIN operator_check AS int CHECK ((VALUE OPERATOR(op.|+|) 1) > 0);
        CREATE DOMAIN luckier AS lucky;
        CREATE DOMAIN calm AS text CHECK (length(VALUE) > 0);)");
    const auto c = read();
    CHECK(c.volatile_operators == std::unordered_set<std::string>{"|+|"});
    for (const char* name : {"int4", "integer", "int", "pg_catalog.int4", "int4[]", "_int4", "integer[]", "lucky",
                             "op.lucky", "own_check", "operator_check", "luckier", "_lucky"}) {
        CHECK_MESSAGE(c.volatile_cast_types.contains(name), name);
    }
    for (const char* name : {"calm", "int8", "float8", "text"})
        CHECK_MESSAGE(!c.volatile_cast_types.contains(name), name);
    sql("DROP SCHEMA op CASCADE");
    CHECK(read().volatile_cast_types.empty());
}

TEST_CASE("catalog: relations with their columns, key types through domains, collations and defaults") {
    sql(R"(CREATE SCHEMA rel; SET search_path = rel;
        CREATE DOMAIN key AS bigint DEFAULT 1; CREATE DOMAIN key2 AS key; CREATE DOMAIN bare AS text;
        CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t(i2 smallint, i4 int, i8 bigint, n numeric(10, 2), t text, v varchar(9), c char(3), u uuid, b bytea, d date,
            ts timestamp, tz timestamptz, bo boolean, k key, k2 key2, ba bare, f float8, gone int,
            blind text COLLATE blind, dflt int DEFAULT 1, ident int GENERATED ALWAYS AS IDENTITY, "Odd name" int);
        ALTER TABLE t DROP COLUMN gone;
        CREATE UNLOGGED TABLE lost(a int);
        CREATE TABLE parts(a int) PARTITION BY RANGE (a);
        CREATE TABLE mid PARTITION OF parts FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (a);
        CREATE TABLE leaf PARTITION OF mid FOR VALUES FROM (0) TO (5);
        CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE SEQUENCE s; CREATE VIEW w AS SELECT nextval('rel.s');
        CREATE VIEW r AS SELECT i4 FROM t;
        CREATE TEMP TABLE passing(a int);)");
    const auto c = read();
    const std::vector<std::pair<const char*, key_type>> expected{
        {"i2", key_type::integer}, {"i4", key_type::integer},   {"i8", key_type::integer},
        {"n", key_type::numeric},  {"t", key_type::text},       {"v", key_type::text},
        {"c", key_type::bpchar},   {"u", key_type::uuid},       {"b", key_type::bytea},
        {"d", key_type::date},     {"ts", key_type::timestamp}, {"tz", key_type::timestamptz},
        {"bo", key_type::boolean}, {"k", key_type::integer},    {"k2", key_type::integer},
        {"ba", key_type::text},    {"f", key_type::unsupported}};
    for (const auto& [name, type] : expected) CHECK_MESSAGE(column(c, "rel.t", name).type == type, name);
    CHECK(column(c, "rel.t", "k2").type_oid == 20);
    CHECK(c.relations.at("rel.t").columns.front().name == "i2");
    CHECK(c.relations.at("rel.t").columns.back().name == "Odd name");
    CHECK(c.relations.at("rel.t").columns.size() == 21);
    CHECK(column(c, "rel.t", "blind").nondeterministic_collation);
    CHECK_FALSE(column(c, "rel.t", "t").nondeterministic_collation);
    for (const char* name : {"dflt", "ident", "k", "k2"}) CHECK_MESSAGE(column(c, "rel.t", name).has_default, name);
    for (const char* name : {"i4", "ba", "Odd name"}) CHECK_MESSAGE(!column(c, "rel.t", name).has_default, name);
    CHECK(c.relations.at("rel.lost").unlogged);
    CHECK_FALSE(c.relations.at("rel.t").unlogged);
    CHECK(c.relations.at("rel.parts").kind == 'p');
    CHECK(c.relations.at("rel.parts").ancestors.empty());
    CHECK(c.relations.at("rel.leaf").ancestors == std::vector<std::string>{"rel.mid", "rel.parts"});
    CHECK(c.relations.at("rel.parts").heirs.size() == 2);
    CHECK(c.relations.at("rel.m").kind == 'm');
    CHECK(c.relations.at("rel.s").kind == 'S');
    CHECK(c.relations.at("rel.w").kind == 'v');
    CHECK(c.relations.at("rel.w").view_writes);
    CHECK_FALSE(c.relations.at("rel.r").view_writes);
    CHECK(c.relations.at("rel.r").view_tables == std::vector<std::string>{"rel.t"});
    CHECK(c.relations.contains("pg_catalog.pg_class"));
    CHECK(c.relations.contains("information_schema.tables"));
    CHECK(
        std::none_of(c.relations.begin(), c.relations.end(), [](const auto& r) { return r.second.name == "passing"; }));
}

TEST_CASE("catalog: row policies that run volatile functions") {
    sql(R"(CREATE SCHEMA pol; SET search_path = pol;
        CREATE FUNCTION log_it() RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT true';
        CREATE FUNCTION look() RETURNS bool LANGUAGE sql STABLE AS 'SELECT true';
        CREATE TABLE logged(a int); CREATE POLICY p ON logged USING (pol.log_it());
        CREATE TABLE built_in(a int); CREATE POLICY p ON built_in USING (set_config('x.y', '1', false) = '1');
        CREATE TABLE looked(a int); CREATE POLICY p ON looked USING (pol.look() AND a > 0);
        CREATE VIEW v AS SELECT a FROM logged;
        CREATE TABLE through_view(a int); CREATE POLICY p ON through_view USING (a IN (SELECT a FROM pol.v));)");
    const auto c = read();
    CHECK(c.relations.at("pol.logged").row_security_writes);
    CHECK(c.relations.at("pol.built_in").row_security_writes);
    CHECK(c.relations.at("pol.through_view").row_security_writes);
    CHECK_FALSE(c.relations.at("pol.looked").row_security_writes);
}

TEST_CASE(
    "catalog: what lies around tables: heirs, foreign keys, rules, triggers, checks, policies, operators, casts") {
    sql(R"(CREATE SCHEMA sur; SET search_path = sur;
        CREATE TABLE seen(a int);
        CREATE FUNCTION reads(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT count(*) > $1 FROM sur.seen';
        CREATE FUNCTION two(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE TABLE top(a int PRIMARY KEY, b int, UNIQUE (a, b)); CREATE TABLE heir() INHERITS (top);
        CREATE TABLE low(x int, y int, FOREIGN KEY (x, y) REFERENCES top (a, b));
        CREATE TABLE tied(x int DEFAULT 1, y int DEFAULT 1,
            FOREIGN KEY (x, y) REFERENCES top (a, b) ON UPDATE CASCADE ON DELETE SET DEFAULT);
        CREATE TABLE ruled(a int); CREATE RULE r AS ON DELETE TO ruled DO INSTEAD NOTHING;
        CREATE TABLE switched_off(a int); CREATE RULE r AS ON DELETE TO switched_off DO INSTEAD NOTHING;
        ALTER TABLE switched_off DISABLE RULE r;
        CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := 1; RETURN NEW; END';
        CREATE TABLE fired(a int, b int); CREATE TRIGGER t BEFORE INSERT ON fired FOR EACH ROW EXECUTE FUNCTION fires();
        CREATE TABLE checked(a int CHECK (sur.reads(a)));
        CREATE TABLE defaulted(a bool DEFAULT sur.reads(1));
        CREATE TABLE indexed(a int); CREATE INDEX ON indexed (sur.reads(a));
        CREATE DOMAIN strict AS int CHECK (sur.reads(VALUE)); CREATE DOMAIN stricter AS strict;
        CREATE TABLE typed(a stricter);
        CREATE TABLE guarded(a int); CREATE POLICY p ON guarded USING (a IN (SELECT a FROM sur.seen) AND sur.reads(a));
        CREATE TABLE made(a int, b int GENERATED ALWAYS AS (a + 1) STORED);
        CREATE OPERATOR ?? (LEFTARG = int, RIGHTARG = int, FUNCTION = two);
        CREATE FUNCTION odd(uuid, strict) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE OPERATOR = (LEFTARG = uuid, RIGHTARG = strict, FUNCTION = odd);)");
    const auto c = read();
    const auto table = [&c](const std::string& name) -> const router::catalog_relation& {
        return c.relations.at("sur." + name);
    };
    CHECK(table("heir").ancestors == std::vector<std::string>{"sur.top"});
    CHECK(table("top").heirs == std::vector<std::string>{"sur.heir"});
    CHECK(table("top").referenced_by.size() == 2);
    REQUIRE(table("low").foreign_keys.size() == 1);
    CHECK(table("low").foreign_keys.front().target == "sur.top");
    CHECK(table("low").foreign_keys.front().columns ==
          std::vector<std::pair<std::string, std::string>>{{"x", "a"}, {"y", "b"}});
    REQUIRE(table("tied").foreign_keys.size() == 1);
    auto tied = table("tied").foreign_keys.front();
    std::sort(tied.columns.begin(), tied.columns.end());
    CHECK(tied.columns == std::vector<std::pair<std::string, std::string>>{{"x", "a"}, {"y", "b"}});
    std::sort(tied.actions.begin(), tied.actions.end());
    using router::tie_action;
    CHECK(tied.actions == std::vector<std::pair<std::string, tie_action>>{{"x", tie_action::update_cascades},
                                                                          {"x", tie_action::delete_sets},
                                                                          {"y", tie_action::update_cascades},
                                                                          {"y", tie_action::delete_sets}});
    CHECK(table("low").write_reach.empty());
    CHECK(table("ruled").write_reach == "a rule of ruled");
    CHECK(table("switched_off").write_reach.empty());
    CHECK(table("fired").write_reach.empty());
    CHECK(table("fired").rewritten == std::vector<std::string>{"a"});
    for (const char* name : {"checked", "defaulted", "indexed", "typed"})
        CHECK_MESSAGE(table(name).write_reach == std::string("function reads, which ") + name + " runs", name);
    CHECK(table("guarded").policy_tables == std::vector<std::string>{"sur.seen"});
    CHECK_FALSE(table("guarded").read_reach.empty());
    CHECK(column(c, "sur.made", "b").generated);
    CHECK_FALSE(column(c, "sur.made", "a").generated);
    CHECK(c.opaque_operators.empty());
    CHECK(c.opaque_cast_types.contains("strict"));
    CHECK(c.opaque_cast_types.contains("sur.stricter"));
    CHECK(c.own_conversions);
    const auto own = [&c](key_type type) {
        return std::any_of(c.own_equalities.begin(), c.own_equalities.end(),
                           [type](const auto& each) { return each.schema == "sur" && each.type == type; });
    };
    CHECK(own(key_type::uuid));
    CHECK(own(key_type::numeric));
    CHECK_FALSE(own(key_type::text));
    sql("DROP SCHEMA sur CASCADE");
    CHECK_FALSE(read().own_conversions);
}

TEST_CASE("catalog: the search path that a database's sessions start with") {
    CHECK(read().default_search_path == "\"$user\", public");
    sql("ALTER ROLE postgres SET search_path = elsewhere");  // our own role's is nobody else's
    CHECK(read().default_search_path == "\"$user\", public");
    sql("ALTER ROLE ALL SET search_path = everywhere");
    CHECK(read().default_search_path == "everywhere");
    sql("ALTER DATABASE postgres SET search_path = app, \"Odd\", pg_catalog");
    CHECK(read().default_search_path == "app, \"Odd\", pg_catalog");
    sql("ALTER DATABASE postgres RESET search_path; ALTER ROLE ALL RESET search_path; ALTER ROLE postgres RESET "
        "search_path");
    CHECK(read().default_search_path == "\"$user\", public");
}

TEST_CASE("catalog: R10: the fingerprint changes with every DDL that matters, and with nothing else") {
    sql("CREATE SCHEMA fp; CREATE TABLE fp.t(a int, b text); CREATE FUNCTION fp.f() RETURNS int LANGUAGE sql STABLE AS "
        "'SELECT 1'");
    catalog_reader reader;
    const auto now = [&] {
        auto reading = reader.fingerprint(login());
        REQUIRE_MESSAGE(!reading.why, (reading.why ? reading.why->detail : ""));
        return reading.fingerprint;
    };
    CHECK(reader.read(login(), 1).fingerprint == now());
    std::string before = now();
    for (const char* ddl : {
             "CREATE OR REPLACE FUNCTION fp.f() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'",
             "ALTER FUNCTION fp.f() STABLE",
             "ALTER FUNCTION pg_catalog.now() VOLATILE",
             "ALTER FUNCTION pg_catalog.now() STABLE",
             "CREATE VIEW fp.v AS SELECT a FROM fp.t",
             "CREATE OR REPLACE VIEW fp.v AS SELECT a + fp.f() AS a FROM fp.t",
             "ALTER TABLE fp.t ADD COLUMN c int",
             "ALTER TABLE fp.t RENAME COLUMN b TO bb",
             "ALTER TABLE fp.t ALTER COLUMN bb TYPE varchar",
             "ALTER TABLE fp.t ALTER COLUMN a SET DEFAULT 1",
             "ALTER TABLE fp.t DROP COLUMN c",
             "CREATE RULE r AS ON DELETE TO fp.t DO INSTEAD NOTHING",
             "CREATE INDEX ON fp.t (a, (bb || 'x'))",
             "CREATE INDEX ON fp.t ((bb || 'y'))",
             "CREATE TABLE fp.top()",
             "CREATE TABLE fp.one()",
             "ALTER TABLE fp.t INHERIT fp.top",
             "ALTER TABLE fp.one INHERIT fp.top",
             "CREATE TABLE fp.target(a int PRIMARY KEY)",
             "ALTER TABLE fp.t ADD FOREIGN KEY (a) REFERENCES fp.target",
             "CREATE POLICY p ON fp.t USING (a > 0)",
             "ALTER POLICY p ON fp.t USING (a > fp.f())",
             "CREATE DOMAIN fp.d AS int",
             "ALTER DOMAIN fp.d ADD CHECK (VALUE > 0)",
             "CREATE OPERATOR fp.|+| (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
             "ALTER SCHEMA fp RENAME TO fq",
             "ALTER DATABASE postgres SET search_path = fq",
             "ALTER DATABASE postgres RESET search_path",
             "DROP TABLE fq.t CASCADE",
         }) {
        sql(ddl);
        const std::string after = now();
        CHECK_MESSAGE(after != before, ddl);
        before = after;
    }
    sql("CREATE TABLE fq.quiet(a int PRIMARY KEY)");
    const std::string quiet = now();
    sql("INSERT INTO fq.quiet SELECT generate_series(1, 1000)");
    sql("UPDATE fq.quiet SET a = a + 10000");
    sql("VACUUM ANALYZE fq.quiet");
    sql("VACUUM FREEZE");
    sql("CREATE TEMP TABLE passing(a int, b text); CREATE TEMP VIEW over_it AS SELECT a FROM passing; DROP TABLE "
        "passing CASCADE");
    {
        pqxx::connection other(server().connection_text(server().at(0)));
        pqxx::nontransaction work(other);
        work.exec0("CREATE TEMP TABLE staying(a int)");
        CHECK(now() == quiet);
    }
    CHECK(now() == quiet);
}

TEST_CASE("catalog: a lost connection is made anew; failures are told, and end in time") {
    catalog_reader reader(std::chrono::milliseconds{500});
    REQUIRE_FALSE(reader.fingerprint(login()).why);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringway catalogs'");
    CHECK_FALSE(reader.fingerprint(login()).why);

    auto nowhere = login();
    nowhere.database = "no_such";
    const auto missing = reader.read(nowhere, 1);
    REQUIRE(missing.why);
    CHECK(missing.catalog == nullptr);
    CHECK(missing.why->kind == config::fault_kind::cannot_connect);
    CHECK(missing.why->detail.find("\"no_such\" does not exist") != std::string::npos);

    REQUIRE_FALSE(reader.fingerprint(login()).why);
    pqxx::connection other(server().connection_text(server().at(0)));
    pqxx::work blocking(other);
    blocking.exec0("LOCK pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE");
    const auto began = std::chrono::steady_clock::now();
    CHECK(reader.fingerprint(login()).why);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{5});
    blocking.abort();
    CHECK_FALSE(reader.fingerprint(login()).why);
    reader.abandon();
    CHECK(reader.fingerprint(login()).why);
}
