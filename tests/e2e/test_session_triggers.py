"""Trap S7 for what a statement's text does not show: settings made by triggers and blocks stay with their session."""

import pytest

from conftest import admin, until
from wire import Wire, codes, copy_data, copy_done, kinds, one, query, sync

TABLES = """
    DROP SCHEMA IF EXISTS tr CASCADE; CREATE SCHEMA tr; SET search_path = tr;
    CREATE TABLE plain (a int PRIMARY KEY, b int);
    CREATE TABLE direct (a int PRIMARY KEY, b int);
    CREATE TABLE indirect (a int PRIMARY KEY, b int);
    CREATE TABLE stamped (a int, at timestamptz);
    CREATE TABLE child (a int REFERENCES plain ON DELETE CASCADE, b int);
    CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100);
    CREATE VIEW seen AS SELECT * FROM direct;
    CREATE FUNCTION deep() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '13MB', false); END $$;
    CREATE FUNCTION by_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM tr.deep(); RETURN NEW; END $$;
    CREATE FUNCTION by_set() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '14MB'; RETURN NULL; END $$;
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); -- SET work_mem = '1MB';
        UPDATE tr.plain SET b = 1 WHERE false; RETURN NEW; END $$;
    CREATE TRIGGER t BEFORE INSERT OR UPDATE ON indirect FOR EACH ROW EXECUTE FUNCTION by_name();
    CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON direct FOR EACH STATEMENT EXECUTE FUNCTION by_set();
    CREATE TRIGGER t AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION by_set();
    CREATE TRIGGER t AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION by_set();
    CREATE TRIGGER t BEFORE INSERT ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
    INSERT INTO plain VALUES (1), (2), (3); INSERT INTO child VALUES (1), (2), (3);
"""

WRITES = [
    "INSERT INTO tr.direct VALUES (1, 1) ON CONFLICT DO NOTHING", "UPDATE tr.direct SET b = 2", "DELETE FROM tr.direct", "TRUNCATE tr.direct",
    "INSERT INTO tr.seen VALUES (2, 2) ON CONFLICT DO NOTHING", "WITH w AS (INSERT INTO tr.direct VALUES (3) ON CONFLICT DO NOTHING RETURNING a) SELECT * FROM w",
    "INSERT INTO tr.indirect VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 3", "DELETE FROM tr.plain WHERE a = (SELECT min(a) FROM tr.plain)",
    "INSERT INTO tr.parts VALUES (1)", "MERGE INTO tr.direct d USING (VALUES (9)) v(a) ON d.a = v.a WHEN NOT MATCHED THEN INSERT VALUES (v.a)",
]


@pytest.fixture(scope="module")
def narrow(ringway_session, app_cluster):
    """Everything on the primary, over one connection."""
    app_cluster.primary().rows(TABLES, user="app")
    return ringway_session({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}}, app_cluster)


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", WRITES)
def test_s07_what_a_trigger_sets_is_its_session_s(narrow, sql, extended):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        for _ in range(2):
            came = owner.run(one(sql) + sync() if extended else query(sql))
            assert not codes(came), came
            for _ in range(2):
                assert other.value("SHOW work_mem") == "4MB"
                assert owner.value("SHOW work_mem") in ("13MB", "14MB")


def test_s07_copy_fires_triggers(narrow):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        assert kinds(owner.send(query("COPY tr.direct FROM STDIN")).until("G")) == "G"
        owner.run(copy_data(b"77\t1\n") + copy_done())
        assert other.value("SHOW work_mem") == "4MB"
        assert owner.value("SHOW work_mem") == "14MB"


def test_s07_a_rollback_takes_it_back(narrow):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        for sql in ("BEGIN", "UPDATE tr.direct SET b = 2", "ROLLBACK"):
            owner.run(query(sql))
        assert other.value("SHOW work_mem") == owner.value("SHOW work_mem") == "4MB"


def test_s07_a_trigger_made_later_is_noticed(narrow, app_cluster):
    primary = app_cluster.primary()
    primary.rows("CREATE TABLE IF NOT EXISTS tr.later (a int)", user="app")
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        owner.run(query("INSERT INTO tr.later VALUES (1)"))
        primary.rows("CREATE TRIGGER t AFTER INSERT ON tr.later FOR EACH ROW EXECUTE FUNCTION tr.by_set()", user="app")

        def kept():
            owner.run(query("RESET ALL; INSERT INTO tr.later VALUES (1)"))
            leaked, mine = other.value("SHOW work_mem"), owner.value("SHOW work_mem")
            other.run(query("SET work_mem = '4MB'; RESET work_mem"))
            return leaked == "4MB" and mine == "14MB"
        assert until(kept, 15)


def test_other_tables_do_not_pay(narrow, app_cluster):
    """A look at the settings is two statements more on the server."""
    primary = app_cluster.primary()
    looked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE 'SET SESSION AUTHORIZATION DEFAULT; RESET ALL%'"
    primary.rows("CREATE TABLE IF NOT EXISTS public.unpaid (a int)", user="app")  # of a table that is not known yet anything may be
    with Wire(narrow.port) as client:
        client.run(query("SELECT 1"))  # which waits for the catalogs
        assert until(lambda: "unknown table" not in str(admin(narrow, "SHOW ROUTE app 'SELECT a FROM public.unpaid'")))
        for sql, pays in (("INSERT INTO tr.stamped VALUES (1)", True), ("INSERT INTO public.unpaid VALUES (1)", False),
                          ("UPDATE tr.direct SET b = 2", True)):
            client.run(query(sql))
            seen = until(lambda: primary.rows(looked)[0][0] == 1, 0.5)
            assert bool(seen) == pays, sql


def test_a_path_set_in_a_block_decides_what_is_meant(narrow, app_cluster):
    app_cluster.primary().rows("CREATE FUNCTION tr.where_am_i() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'", user="app")
    with Wire(narrow.port) as client:
        client.run(query("DO $$ BEGIN SET search_path = tr; SET standard_conforming_strings = off; END $$"))
        assert client.value("SHOW search_path") == "tr"
        assert until(lambda: b"volatile" in b"".join(part for each in client.rows("EXPLAIN (ROUTE) SELECT where_am_i()") for part in each))
        assert client.value(r"SELECT 'a\'b'") == "a'b"
        client.run(query("DO $$ BEGIN RESET search_path; END $$"))
        assert client.value("SHOW search_path") == '"$user", public'


CONVERSIONS = """
    DROP SCHEMA IF EXISTS cv CASCADE; CREATE SCHEMA cv; SET search_path = cv;
    CREATE TABLE log (n int); CREATE TABLE plain (m macaddr8, n int);
    CREATE TYPE dull AS (n int); CREATE TYPE sly AS (n int);
    CREATE FUNCTION writes(int, int) RETURNS int LANGUAGE sql AS 'INSERT INTO cv.log VALUES ($1) RETURNING 7';
    CREATE FUNCTION sets(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('cv.x' || $1, $2::text, false); RETURN 8; END $$;
    CREATE FUNCTION to_dull(macaddr8) RETURNS dull LANGUAGE sql AS 'INSERT INTO cv.log VALUES (1) RETURNING ROW(n)::cv.dull';
    CREATE FUNCTION to_sly(macaddr) RETURNS sly LANGUAGE plpgsql AS $$ BEGIN PERFORM cv.sets(1, 2); RETURN ROW(1); END $$;
    CREATE OPERATOR |+| (LEFTARG = int, RIGHTARG = int, FUNCTION = writes);
    CREATE OPERATOR |-| (LEFTARG = int, RIGHTARG = int, FUNCTION = sets);
    CREATE CAST (macaddr8 AS dull) WITH FUNCTION to_dull(macaddr8) AS IMPLICIT;
"""
PINNING_CAST = "CREATE CAST (macaddr AS cv.sly) WITH FUNCTION cv.to_sly(macaddr)"


def test_s07_operators_and_casts_pin_for_what_their_own_functions_do(ringway, app_cluster):
    node = app_cluster.primary()
    node.rows(CONVERSIONS, user="app")
    app_cluster.caught_up()
    try:
        proxy = ringway({}, app_cluster)

        def pinned(sql):
            with Wire(proxy.port) as client:
                assert not codes(client.run(query(sql)))
                return bool(admin(proxy, "SHOW PINS"))

        def settled(sql, wanted):
            return until(lambda: not admin(proxy, "SHOW PINS") and pinned(sql) == wanted)

        assert settled("SELECT 1 OPERATOR(cv.|-|) 2", True)
        for harmless in ("SELECT 1 OPERATOR(cv.|+|) 2", "INSERT INTO cv.plain VALUES (NULL, 1)", "DELETE FROM cv.plain", "SELECT n FROM cv.plain",
                         "SELECT macaddr8 '08:00:2b:01:02:03:04:05'::cv.dull"):
            assert settled(harmless, False), harmless
        node.rows(PINNING_CAST, user="app")
        app_cluster.caught_up()
        assert settled("SELECT macaddr '08:00:2b:01:02:03'::cv.sly", True)
        assert settled("SELECT n FROM cv.plain", True)  # which cast it goes through unasked is not known
    finally:
        node.rows("DROP SCHEMA cv CASCADE")


def test_s07_nothing_leaks_before_the_catalogs_are_read(ringway, app_cluster):
    """Found where they took more than the seconds that a start waits for them: what a trigger set was the next client's too."""
    primary = app_cluster.primary()
    primary.rows(TABLES + "CREATE SEQUENCE tr.drawn; CREATE VIEW tr.sets AS SELECT set_config('work_mem', '15MB', false)", user="app")
    with primary.connect(user="postgres", autocommit=False) as in_the_way:
        in_the_way.execute("LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")  # the catalog reader asks it, and here nobody else
        proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}}, app_cluster)
        with Wire(proxy.port) as owner, Wire(proxy.port) as other:
            for sql, mine in (("UPDATE tr.direct SET b = 2", "14MB"), ("DELETE FROM tr.plain WHERE a = 1", "14MB"), ("SELECT count(*) FROM tr.sets", "15MB")):
                assert not codes(owner.run(query(sql), limit=40)), sql
                assert other.value("SHOW work_mem") == "4MB", sql
                assert owner.value("SHOW work_mem") == mine, sql
                owner.run(query("RESET ALL"))
            owner.run(query("SELECT nextval('tr.drawn')"))
            for ask in (query("SELECT currval('tr.drawn')"), one("SELECT lastval()") + sync()):
                assert codes(other.run(ask)) == ["55000"]


def test_s07_nothing_leaks_from_what_has_just_been_made(narrow, app_cluster):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        for number in range(3):
            app_cluster.primary().rows(f"CREATE VIEW tr.fresh{number} AS SELECT set_config('work_mem', '16MB', false)", user="app")
            assert not codes(owner.run(query(f"SELECT count(*) FROM tr.fresh{number}")))
            assert other.value("SHOW work_mem") == "4MB"
            assert owner.value("SHOW work_mem") == "16MB"
            owner.run(query("RESET ALL"))
