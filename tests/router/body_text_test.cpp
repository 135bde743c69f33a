// What bodies of functions and blocks may do to their session, by their text.
#include "router/body_text.hpp"

#include <doctest/doctest.h>

using namespace ringway::router;
using names = std::vector<std::string>;

namespace {

body_use plpgsql(std::string_view source) {
    return read_body(source, "plpgsql");
}

bool pins(std::string_view source) {
    return !pin_of(plpgsql(source), {}).empty();
}

}  // namespace

TEST_CASE("settings that are named are found") {
    CHECK(plpgsql("BEGIN PERFORM set_config('App.Tenant', v, false); END").settings == names{"app.tenant"});
    CHECK(plpgsql("BEGIN SET app.tenant = 'x'; RESET app.other; END").settings == names{"app.other", "app.tenant"});
    CHECK(plpgsql("BEGIN SET LOCAL \"app\".tenant TO 'x'; END").settings == names{"app.tenant"});
    CHECK(plpgsql("BEGIN EXECUTE 'SET app.tenant = ' || quote_literal(v); END").settings == names{"app.tenant"});
    CHECK(plpgsql("BEGIN EXECUTE format('SET app.tenant = %L', v); END").settings == names{"app.tenant"});
    CHECK(read_body("SELECT set_config($$a.b$$, $1, true)", "sql").settings == names{"a.b"});
    CHECK(plpgsql("BEGIN PERFORM set_config('work_mem', '1MB', false); END").settings.empty());
    CHECK(plpgsql("BEGIN PERFORM set_config('work_mem', '1MB', false); END").sets);
    CHECK(plpgsql("BEGIN UPDATE t SET a = 1; -- SET x.y = 1\n /* SET x.y = 1; */ END").settings.empty());
    CHECK_FALSE(plpgsql("BEGIN UPDATE t SET a = 1; END").sets);
}

TEST_CASE("what cannot be known pins") {
    CHECK(pins("BEGIN PERFORM set_config(n, v, false); END"));
    CHECK(pins("BEGIN PERFORM set_config('app.' || n, v, false); END"));
    CHECK(pins("BEGIN EXECUTE 'SET ' || n || ' = 1'; END"));
    CHECK(pins("BEGIN EXECUTE format('SET %I = 1', n); END"));
    CHECK(pins("BEGIN EXECUTE s; END"));
    CHECK(pins("BEGIN EXECUTE 'SELECT ' || f || '()'; END"));
    CHECK(pins("BEGIN EXECUTE format('SELECT %I()', f); END"));
    CHECK(pins("BEGIN EXECUTE coalesce(s, 'SELECT 1'); END"));
    CHECK(pins("BEGIN FOR r IN EXECUTE s LOOP NULL; END LOOP; END"));
    CHECK(pin_of(read_body("plpy.execute(x)", "plpython3u"), {}) != "");
}

TEST_CASE("what can be known does not pin") {
    CHECK_FALSE(pins("BEGIN NEW.at := now(); INSERT INTO log VALUES (NEW.*); RETURN NEW; END"));
    CHECK_FALSE(pins("BEGIN EXECUTE format('INSERT INTO %I VALUES ($1)', t) USING v; END"));
    CHECK_FALSE(pins("BEGIN EXECUTE 'SELECT count(*) FROM ' || quote_ident(t) INTO n; END"));
    CHECK_FALSE(pins("DECLARE s text; BEGIN s := 'UPDATE ' || t; s := s || ' SET a = 1'; EXECUTE s; END"));
    CHECK_FALSE(pins("BEGIN PERFORM pg_advisory_xact_lock(1); END"));
    CHECK_FALSE(pins("BEGIN CREATE TEMP TABLE x (a int) ON COMMIT DROP; END"));
    CHECK(pins("BEGIN EXECUTE 'it''s'; END"));  // nothing that begins so is known
}

TEST_CASE("what stays on a connection pins") {
    CHECK(plpgsql("BEGIN PERFORM pg_catalog.pg_advisory_lock(1); END").pin == "session advisory lock");
    CHECK(plpgsql("BEGIN PERFORM setseed(0.5); END").pin == "setseed");
    CHECK(plpgsql("BEGIN CREATE TEMP TABLE x AS SELECT 1; END").pin == "temporary table");
    CHECK(plpgsql("BEGIN EXECUTE 'CREATE TEMPORARY TABLE x (a int)'; END").pin == "temporary table");
    CHECK(plpgsql("BEGIN LISTEN news; END").pin == "LISTEN");
    CHECK(plpgsql("BEGIN LOAD 'auto_explain'; END").pin == "LOAD");
}

TEST_CASE("who calls one that changes the session does so too") {
    const std::vector<function_body> all{
        {"computed", plpgsql("BEGIN PERFORM set_config(n, v, false); END"), false, true},
        {"caller", read_body("SELECT s.computed('a', 'b')", "sql"), false, true},
        {"fired", plpgsql("BEGIN PERFORM caller(); RETURN NEW; END"), true, true},
        {"named", plpgsql("BEGIN PERFORM set_config('a.b', '1', false); END"), false, false},
        {"reads", read_body("SELECT named()", "sql"), false, false},
        {"report", plpgsql("BEGIN RETURN QUERY EXECUTE s; END"), false, false},
    };
    const auto known = close_over(all);
    CHECK(known.pins.contains("computed"));
    CHECK(known.pins.contains("caller"));
    CHECK(known.pins.contains("fired"));
    CHECK_FALSE(known.pins.contains("named"));
    CHECK(known.pins.contains("report"));  // though not volatile: a set_config or a lock in it would not be refused
    CHECK(known.setters.contains("reads"));
    CHECK(known.setters.contains("report"));
    CHECK(known.settings == names{"a.b"});
    CHECK_FALSE(known.trigger_pin.empty());
    CHECK_FALSE(pin_of(plpgsql("BEGIN PERFORM caller(); END"), known).empty());
    CHECK(pin_of(plpgsql("BEGIN PERFORM named(); END"), known).empty());
}
