"""Traps S1 to S9: what a session sets stays with it, and with nobody else, whatever connection it is on and however it ends."""

import pytest

import wire
from conftest import admin, knows_tables, until
from wire import Wire, codes, kinds, one, query, sync


@pytest.fixture(params=[1, 2], ids=["pool of one", "pool of two"])
def narrow(ringway, request):
    """Everything on the primary, over one connection or two."""
    return ringway({"clusters": {"app": {"pool_size": request.param, "read_consistency": "primary"}}})


SETTINGS = {
    "a rollback": ["BEGIN", "SET work_mem = '7MB'", "ROLLBACK"],
    "a rollback to a savepoint": ["BEGIN", "SAVEPOINT a", "SET work_mem = '7MB'", "ROLLBACK TO SAVEPOINT a", "COMMIT"],
    "SET LOCAL": ["BEGIN", "SET LOCAL work_mem = '7MB'", "COMMIT"],
    "a commit": ["BEGIN", "SET work_mem = '7MB'", "COMMIT"],
    "a savepoint kept": ["BEGIN", "SAVEPOINT a", "SET work_mem = '7MB'", "RELEASE a", "COMMIT"],
    "a plain SET": ["SET work_mem = '7MB'"],
    "RESET ALL": ["SET work_mem = '7MB'", "RESET ALL"],
    "RESET": ["SET work_mem = '7MB'", "RESET work_mem"],
    "a failed transaction": ["BEGIN", "SET work_mem = '7MB'", "SELECT 1/0", "COMMIT"],
    "several in one query": ["SET work_mem = '7MB'; SET work_mem = '8MB'"],
    "an error after it in one query": ["SET work_mem = '7MB'; SELECT 1/0"],
    "set_config": ["SELECT set_config('work_mem', '7MB', false)"],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_s01_settings_follow_the_transaction_and_their_owner(narrow, app_cluster, name):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other, Wire(app_cluster.primary().port) as direct:
        for sql in SETTINGS[name]:
            assert wire.replies(owner, query(sql)) == wire.replies(direct, query(sql))
        expected = direct.value("SHOW work_mem")
        for _ in range(3):
            assert other.value("SHOW work_mem") == "4MB"
            assert owner.value("SHOW work_mem") == expected


AFTER_THE_END = {  # what stands after the end of a transaction is no part of it, though it is in one text or pipeline with it
    "ROLLBACK": ["BEGIN; SET lock_timeout = '600ms'", "ROLLBACK; SET work_mem = '7MB'"],
    "one text": ["BEGIN; SET LOCAL lock_timeout = '600ms'; ROLLBACK; SET work_mem = '7MB'"],
    "COMMIT of a failed one": ["BEGIN; SET LOCAL lock_timeout = '600ms'", "SELECT 1/0", "COMMIT; SET work_mem = '7MB'"],
    "ROLLBACK of a failed one": ["BEGIN; SET lock_timeout = '600ms'", "SELECT 1/0", "ROLLBACK; SET search_path = pg_catalog"],
    "a role": ["BEGIN; SET LOCAL lock_timeout = '600ms'", "ROLLBACK; SET ROLE postgres"],
    "set_config": ["BEGIN; SELECT set_config('app.tenant', 'a', true)", "ROLLBACK; SELECT set_config('app.tenant', 'b', false)"],
    "a pipeline": ["BEGIN; SET lock_timeout = '600ms'", one("ROLLBACK") + one("SET work_mem = '7MB'") + sync()],
    "a pipeline after a failure": ["BEGIN; SET lock_timeout = '600ms'", "SELECT 1/0", one("COMMIT") + one("SET work_mem = '7MB'") + sync()],
    "RESET": ["SET work_mem = '7MB'", "BEGIN; SET LOCAL lock_timeout = '600ms'", "SELECT 1/0", "COMMIT; RESET work_mem"],
    "another transaction": ["BEGIN; SET LOCAL lock_timeout = '600ms'", "SELECT 1/0", "ROLLBACK; BEGIN; SET work_mem = '7MB'", "COMMIT"],
    "and an error": ["BEGIN; SET LOCAL lock_timeout = '600ms'", "ROLLBACK; SET work_mem = '7MB'; SELECT 1/0"],
    "AND CHAIN": ["BEGIN; SET LOCAL lock_timeout = '600ms'", "ROLLBACK AND CHAIN; SET work_mem = '7MB'; COMMIT"],
}


@pytest.mark.parametrize("name", AFTER_THE_END)
def test_s01_a_setting_after_the_end_of_a_transaction(narrow, app_cluster, name):
    look = ("SELECT current_setting('work_mem') || current_setting('search_path') || current_setting('lock_timeout') || current_user "
            "|| coalesce(current_setting('app.tenant', true), '')")
    with Wire(narrow.port, user="postgres") as other:
        before = other.value(look)
    with Wire(narrow.port, user="postgres") as owner, Wire(app_cluster.primary().port, user="postgres") as direct:
        for step in AFTER_THE_END[name]:
            raw = query(step) if isinstance(step, str) else step
            assert wire.replies(owner, raw) == wire.replies(direct, raw)
        for _ in range(3):
            with Wire(narrow.port, user="postgres") as other:
                other.run(query("BEGIN"))
                assert other.value(look) == before
            assert owner.value(look) == direct.value(look)


def test_s01_a_client_that_vanished_in_a_transaction(narrow):
    for ending in ("end", "reset"):
        victim = Wire(narrow.port)
        victim.run(query("BEGIN; SET work_mem = '9MB'; SET search_path = nowhere"))
        getattr(victim, ending)()
        for _ in range(2):
            with Wire(narrow.port) as follower:
                assert follower.value("SHOW work_mem") == "4MB"
                assert follower.value("SHOW search_path") == '"$user", public'


def test_s02_set_config_by_bind_stays_with_its_owner(narrow):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        came = owner.run(one("SELECT set_config('search_path', $1, false)", ["pg_catalog, public"]) + sync())
        assert kinds(came) == "12TDCZ"
        for _ in range(3):
            assert other.value("SHOW search_path") == '"$user", public'
            with Wire(narrow.port) as third:
                third.run(query("BEGIN"))
                assert third.value("SHOW search_path") == '"$user", public'
                third.run(query("COMMIT"))
            assert owner.value("SHOW search_path") == "pg_catalog, public"


@pytest.mark.parametrize("sql", ["SET ROLE app", "SET SESSION AUTHORIZATION app", "SET SESSION ROLE app"])
def test_s03_a_role_ends_with_its_client(ringway, sql):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    for ending in ("end", "reset"):
        victim = Wire(proxy.port, user="postgres")
        victim.rows(sql)
        assert victim.value("SELECT current_user") == "app"
        with Wire(proxy.port, user="postgres") as other:
            other.send(query("SELECT current_user, session_user"))
            getattr(victim, ending)()
            came = other.until("Z")
            assert wire.row(came[1][1]) == [b"postgres", b"postgres"]


def test_s04_an_advisory_lock_ends_with_its_client(narrow, app_cluster):
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711"
    for ending in ("end", "reset"):
        victim = Wire(narrow.port)
        victim.rows("SELECT pg_advisory_lock(4711)")
        victim.rows("SELECT 1")
        assert app_cluster.primary().rows(held) == [(1,)]
        getattr(victim, ending)()
        assert until(lambda: app_cluster.primary().rows(held) == [(0,)], 2)
        with Wire(narrow.port) as follower:
            assert follower.value("SELECT pg_try_advisory_lock(4711)") == "t"
            assert follower.value("SELECT pg_advisory_unlock(4711)") == "t"


@pytest.fixture
def two(ringway):
    return ringway({"clusters": {"app": {"pool_size": 2, "read_consistency": "primary"}}})


def test_s05_a_temporary_table_is_its_session_s(two):
    with Wire(two.port) as owner, Wire(two.port) as other:
        owner.rows("CREATE TEMP TABLE s05 (a int)")
        owner.rows("INSERT INTO s05 VALUES (5)")
        for _ in range(5):
            assert owner.value("SELECT a FROM s05") == "5"
            assert codes(other.run(query("SELECT a FROM s05"))) == ["42P01"]
    with Wire(two.port) as first, Wire(two.port) as second:
        for each in (first, second):
            assert codes(each.run(query("BEGIN; SELECT a FROM s05"))) == ["42P01"]


def test_s05_a_cursor_with_hold_is_its_session_s(two):
    with Wire(two.port) as owner, Wire(two.port) as other:
        owner.rows("DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 3)")
        for n in (1, 2, 3):
            assert owner.value("FETCH c") == str(n)
            assert codes(other.run(query("FETCH c"))) == ["34000"]


def test_s05_setseed_is_its_session_s(two, app_cluster):
    with Wire(two.port) as owner, Wire(two.port) as other, Wire(app_cluster.primary().port) as direct:
        for each in (owner, direct):
            each.rows("SELECT setseed(0.5)")
        for _ in range(3):
            other.rows("SELECT random()")
            assert owner.value("SELECT random()") == direct.value("SELECT random()")


def test_s06_an_invalid_set_fails_where_it_stands(narrow, app_cluster):
    with Wire(narrow.port) as client, Wire(app_cluster.primary().port) as direct:
        for sql in ("SET work_mem = 'much'", "SET no_such_setting = 1", "SET work_mem = '-1MB'", "SET my.own = 'fine'", "SET TimeZone = 'Mars/Base'",
                    "SELECT set_config('work_mem', 'much', false)", "RESET no_such_setting", "SET ROLE no_such_role"):
            assert wire.replies(client, query(sql)) == wire.replies(direct, query(sql)), sql
            assert client.value("SELECT 1") == "1"
        assert client.value("SHOW my.own") == "fine"


def test_s07_set_inside_a_block_or_a_function_does_not_leak(narrow, app_cluster):
    primary = app_cluster.primary()
    primary.rows("CREATE OR REPLACE FUNCTION s07() RETURNS int LANGUAGE plpgsql AS "
                 "$$ BEGIN PERFORM set_config('work_mem', '11MB', false); RETURN 1; END $$")
    # A function that is in no catalog yet pins.
    assert until(lambda: knows_tables(narrow, "app") and "volatile function s07" in str(admin(narrow, "SHOW ROUTE app 'SELECT s07()'")), 15)
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        for sql in ("DO $$ BEGIN SET work_mem = '12MB'; END $$", "SELECT s07()"):
            owner.rows(sql)
            for _ in range(3):
                assert other.value("SHOW work_mem") == "4MB", sql
                with Wire(narrow.port) as third:
                    assert third.value("SHOW work_mem") == "4MB", sql
    primary.rows("DROP FUNCTION s07()")


@pytest.mark.parametrize("raw", [query("BEGIN; SELECT 1"), one("BEGIN") + sync(), query("SELECT 1; BEGIN"), one("BEGIN") + one("SELECT 1") + wire.flush(),
                                 query("BEGIN; SELECT 1/0"), query("BEGIN; SELECT pg_sleep(20)"), query("START TRANSACTION; DECLARE c CURSOR FOR SELECT 1")])
@pytest.mark.parametrize("ending", ["end", "reset", "terminate"])
def test_s08_an_open_transaction_is_nobody_else_s(ringway, raw, ending):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as follower:
        for _ in range(2):
            victim = Wire(proxy.port)
            victim.send(raw)
            if b"pg_sleep" not in raw:
                victim.message()
            victim.send(wire.terminate()).ended() if ending == "terminate" and b"pg_sleep" not in raw else getattr(victim, "reset" if ending == "reset" else "end")()
            came = follower.run(query("SELECT 'mine', now() = statement_timestamp()"))
            assert wire.row(came[1][1]) == [b"mine", b"t"] and came[-1] == ("Z", b"I")


def test_s09_search_path_decides_which_table_is_meant(narrow, app_cluster):
    with app_cluster.primary().connect() as direct:
        for schema in ("s09_a", "s09_b"):
            direct.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            direct.execute(f"CREATE SCHEMA {schema}")
            direct.execute(f"CREATE TABLE {schema}.t AS SELECT '{schema}'::text AS name")
        with Wire(narrow.port) as first, Wire(narrow.port) as second:
            first.rows("SET search_path = s09_a")
            second.rows("SET search_path = s09_b")
            for _ in range(3):
                for each, name in ((first, "s09_a"), (second, "s09_b")):
                    assert each.value("SELECT name FROM t") == name
                    came = each.run(one("SELECT name FROM t") + sync())
                    assert wire.row(came[3][1]) == [name.encode()]
            for each, name in ((first, "s09_a"), (second, "s09_b")):
                each.run(wire.parse("SELECT name FROM t", "s") + sync())
            for each, name in ((first, "s09_a"), (second, "s09_b")):
                came = each.run(wire.bind(name="s") + wire.execute() + sync())
                assert wire.row(came[1][1]) == [name.encode()]
            first.rows("SET search_path = s09_b")
            assert first.value("SELECT name FROM t") == "s09_b"
        for schema in ("s09_a", "s09_b"):
            direct.execute(f"DROP SCHEMA {schema} CASCADE")


def own(client):
    return client.value("SHOW ringway.read_consistency"), client.value("SHOW ringway.role")


@pytest.mark.parametrize("sharded", [False, True], ids=["one server", "shards"])
def test_ringway_s_own_settings_follow_transactions(ringway, shop_cluster, sharded):
    proxy = ringway(clusters=[shop_cluster]) if sharded else ringway()
    where = {"database": "shop"} if sharded else {}
    with Wire(proxy.port, **where) as client:
        for steps, wanted in (
                (["SET ringway.read_consistency = 'eventual'"], ("eventual", "")),
                (["BEGIN", "SET ringway.read_consistency = 'primary'", "ROLLBACK"], ("eventual", "")),
                (["BEGIN", "SELECT 1", "SET ringway.read_consistency = 'primary'", "SELECT 1", "ROLLBACK"], ("eventual", "")),
                (["BEGIN", "SET ringway.role = 'primary'", "COMMIT"], ("eventual", "primary")),
                (["BEGIN", "SET LOCAL ringway.role = 'replica'", "COMMIT"], ("eventual", "primary")),
                (["BEGIN", "SELECT 1", "SET LOCAL ringway.role = 'replica'", "SET ringway.role = 'any'", "COMMIT"], ("eventual", "")),
                (["SET LOCAL ringway.role = 'replica'"], ("eventual", "")),
                (["BEGIN", "SET ringway.role = 'primary'", "SELECT 1/0", "COMMIT"], ("eventual", "")),
                (["BEGIN; SET ringway.role = 'primary'; ROLLBACK"], ("eventual", "")),
                (["BEGIN; SAVEPOINT a; SET ringway.role = 'primary'; ROLLBACK TO a; COMMIT"], ("eventual", "")),
                (["RESET ringway.read_consistency"], ("session", ""))):
            if sharded and len(steps) == 1 and ";" in steps[0]:
                continue
            for step in steps:
                client.run(query(step))
            assert own(client) == wanted, steps
    for given, wanted in (("-c ringway.read_consistency=primary -c ringway.role=primary", ("primary", "primary")), ("", ("session", ""))):
        with Wire(proxy.port, options=given, **where) as client:
            assert own(client) == wanted
            client.run(query("SET ringway.role = 'replica'; RESET ringway.role" if not sharded else "SET ringway.role = 'replica'"))
            client.run(query("DISCARD ALL"))
            assert own(client) == wanted
    refused = Wire(proxy.port, login=False, **where)
    refused.send(wire.startup("app", where.get("database", "app"), options="-c ringway.role=nobody"))
    assert [wire.fields(body)["C"] for kind, body in refused.ended() if kind == "E"] == ["22023"]


def test_s01_a_setting_after_the_end_of_a_transaction_on_shards(ringway, shop_cluster):
    proxy = ringway({"clusters": {"shop": {"pool_size": 1}}}, clusters=[shop_cluster])
    look = "SELECT current_setting('work_mem') || current_setting('search_path') || current_setting('lock_timeout')"

    def all_shards():
        seen = []
        for shard in shop_cluster.shards:
            with Wire(proxy.port, database="shop") as client:
                client.run(query("BEGIN"))
                seen.append(client.value(f"/* ringway: shard={shard} */ {look}"))
        return seen

    before = all_shards()
    for steps in (["BEGIN; SET LOCAL lock_timeout = '600ms'; ROLLBACK; SET work_mem = '77MB'"],
                  ["BEGIN; SET LOCAL lock_timeout = '600ms'", "UPDATE users SET name = name", "ROLLBACK; SET work_mem = '78MB'"],
                  ["BEGIN", "SET LOCAL lock_timeout = '600ms'", "UPDATE users SET name = name WHERE id = 1", "ROLLBACK; SET work_mem = '78MB'"],
                  ["BEGIN", "SET lock_timeout = '600ms'", "SELECT count(*) FROM users", "SELECT 1/0", "ROLLBACK; SET search_path = pg_catalog"],
                  ["BEGIN", "SET lock_timeout = '600ms'", "SELECT name FROM users WHERE id = 1", one("ROLLBACK") + one("SET work_mem = '79MB'") + sync()],
                  ["BEGIN", "UPDATE users SET name = name", "SET work_mem = '10MB'", "SELECT 1/0", "ROLLBACK"]):
        with Wire(proxy.port, database="shop") as client:
            for step in steps:
                client.run(query(step) if isinstance(step, str) else step)
            client.run(query("ROLLBACK"))
            own_value = client.value("SHOW work_mem")
            for shard in shop_cluster.shards:
                assert client.value(f"/* ringway: shard={shard} */ SELECT current_setting('work_mem')") == own_value
        assert all_shards() == before, steps


@pytest.mark.parametrize("order", [0, 1])
def test_options_come_before_the_other_settings_of_a_start(proxy, app_cluster, order):
    """Wherever they stand in the packet."""
    said = []
    for port in (proxy.port, app_cluster.primary().port):
        given = [("work_mem", "3MB"), ("options", "-c work_mem=5MB -c app.x=o")]
        with Wire(port, **dict(given if order else reversed(given))) as client:
            said.append(client.rows("SELECT current_setting('work_mem'), current_setting('app.x')"))
    assert said[0] == said[1] == [[b"3MB", b"o"]]
