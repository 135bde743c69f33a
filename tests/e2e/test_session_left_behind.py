"""What commands, texts and views leave in a session without saying so stays with it, and goes with it: found by an attacker."""

import pytest

from conftest import admin, knows_tables, until
from wire import Wire, bind, codes, execute, one, parse, query, sync

OBJECTS = """
    DROP SCHEMA IF EXISTS lb CASCADE; CREATE SCHEMA lb;
    CREATE FUNCTION lb.takes(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4400 + n); RETURN n; END $$;
    CREATE FUNCTION lb.holds(n int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4400 + n); RETURN true; END $$;
    CREATE FUNCTION lb.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TABLE lb.asked (a int); CREATE TRIGGER asks BEFORE INSERT ON lb.asked FOR EACH ROW WHEN (lb.holds(NEW.a)) EXECUTE FUNCTION lb.nothing();
    CREATE DOMAIN lb.numbered AS int DEFAULT lb.takes(1); CREATE TABLE lb.filled (a int, b lb.numbered);
    CREATE DOMAIN lb.guarded AS int CHECK (lb.holds(VALUE));
    CREATE TABLE lb.policed (a int); ALTER TABLE lb.policed ENABLE ROW LEVEL SECURITY; ALTER TABLE lb.policed FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON lb.policed USING (true) WITH CHECK (lb.holds(a));
    CREATE FUNCTION lb.compare(a int, b int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4410); RETURN btint4cmp(a, b); END $$;
    CREATE TABLE lb.filtered (a int); INSERT INTO lb.filtered VALUES (6); ALTER TABLE lb.filtered ENABLE ROW LEVEL SECURITY; ALTER TABLE lb.filtered FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON lb.filtered USING (lb.holds(a));
    CREATE TABLE lb.plain (a int); INSERT INTO lb.plain VALUES (1), (2);
    CREATE TABLE lb.expressed (a int); CREATE INDEX by_lock ON lb.expressed (lb.takes(a)); INSERT INTO lb.expressed VALUES (1);
    CREATE VIEW lb.settings AS SELECT name, setting FROM pg_settings;
    CREATE FUNCTION lb.hidden_table() RETURNS void LANGUAGE plpgsql SET search_path = pg_temp AS $$ BEGIN CREATE TABLE lb_hidden AS SELECT 1 AS a; END $$;
    CREATE UNLOGGED TABLE lb.unlogged (a int); INSERT INTO lb.unlogged VALUES (8);
    CREATE FUNCTION lb.reads() RETURNS int STABLE LANGUAGE sql AS $$ SELECT a FROM lb.unlogged $$;
    CREATE FUNCTION lb.reads_dynamic() RETURNS int STABLE LANGUAGE plpgsql AS $$ DECLARE n int; BEGIN EXECUTE 'SELECT a FROM lb.' || 'unlogged' INTO n; RETURN n; END $$;
    GRANT ALL ON SCHEMA lb TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA lb TO PUBLIC;
"""
INDEXED = """
    CREATE OPERATOR CLASS lb.ordered FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 lb.compare(int, int);
    CREATE TABLE lb.indexed (a int); CREATE INDEX ON lb.indexed (a lb.ordered); INSERT INTO lb.indexed VALUES (1), (2);
    GRANT ALL ON lb.indexed TO PUBLIC
"""


@pytest.fixture(scope="module")
def narrow(ringway_session, app_cluster):
    """One connection to each node."""
    primary = app_cluster.primary()
    primary.rows(OBJECTS, user="app")
    primary.rows(INDEXED)
    primary.rows("CREATE EXTENSION IF NOT EXISTS dblink")
    proxy = ringway_session({"clusters": {"app": {"pool_size": 1}}}, app_cluster)
    def told():
        return any("volatile function takes" in row["value"] for row in admin(proxy, "SHOW ROUTE app 'SELECT lb.takes(1)'"))
    assert until(lambda: knows_tables(proxy, "app") and told(), 10)
    yield proxy
    primary.rows("DROP SCHEMA lb CASCADE; DROP EXTENSION dblink")


def sent(sql, extended):
    return one(sql) + sync() if extended else query(sql)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("sql", [
    "UPDATE pg_settings SET setting = '15360' WHERE name = 'work_mem'", "UPDATE lb.settings SET setting = '15360' WHERE name = 'work_mem'",
    "ALTER TABLE lb.plain ADD b text DEFAULT set_config('work_mem', '15MB', false)"])
def test_settings_that_no_function_of_the_text_makes(narrow, sql, extended):
    with Wire(narrow.port) as owner, Wire(narrow.port) as other:
        assert not codes(owner.run(sent(sql, extended)))
        for _ in range(4):
            assert other.value("SHOW work_mem") == "4MB"
            assert owner.value("SHOW work_mem") == "15MB"
        owner.run(query("RESET ALL; ALTER TABLE lb.plain DROP COLUMN IF EXISTS b"))


def test_what_an_event_trigger_sets_is_its_session_s(narrow, app_cluster):
    primary = app_cluster.primary()
    primary.rows("CREATE FUNCTION lb.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('work_mem', '17MB', false); END $$;"
                 "CREATE EVENT TRIGGER lb_event ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION lb.on_ddl()")
    try:
        with Wire(narrow.port) as owner, Wire(narrow.port) as other:
            assert not codes(owner.run(query("CREATE TABLE lb.made (a int)")))
            assert other.value("SHOW work_mem") == "4MB" and owner.value("SHOW work_mem") == "17MB"
    finally:
        primary.rows("DROP EVENT TRIGGER lb_event; DROP TABLE lb.made")


PATHS = ["SET search_path = pg_temp", "SET search_path = lb_none, pg_temp", "SELECT set_config('search_path', 'pg_temp', false)", "BEGIN; SET LOCAL search_path = pg_temp"]
MADE = ["CREATE TABLE lb_secret AS SELECT 'mine' AS x", "SELECT 'mine' AS x INTO lb_secret", "CREATE VIEW lb_secret AS SELECT 'mine' AS x"]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("path", PATHS)
def test_s05_a_table_that_search_path_makes_temporary_is_its_session_s(narrow, path, made):
    end = "; COMMIT" if path.startswith("BEGIN") else ""
    with Wire(narrow.port) as owner:
        for sql in (path + "; " + made + end).split("; "):
            assert not codes(owner.run(query(sql))), sql
        assert owner.rows("SELECT x FROM pg_temp.lb_secret") == [[b"mine"]]
        assert until(lambda: [row["reason"] for row in admin(narrow, "SHOW PINS")] == ["temporary table"], 5)
    with Wire(narrow.port) as other:
        assert codes(other.run(query("SELECT x FROM pg_temp.lb_secret"))) == ["42P01"]
        assert not codes(other.run(query(path + "; " + made.replace(" INTO ", " INTO TEMP ").replace("CREATE ", "CREATE TEMP ") + end)))


def test_s05_of_a_start_s_path_and_of_a_function_s(narrow):
    with Wire(narrow.port, options="-c search_path=pg_temp") as owner:
        owner.run(query("CREATE TABLE lb_secret (a int)"))
        assert until(lambda: admin(narrow, "SHOW PINS"), 5)
    with Wire(narrow.port) as owner:
        owner.run(query("SELECT lb.hidden_table()"))
        assert owner.rows("SELECT a FROM pg_temp.lb_hidden") == [[b"1"]]
    with Wire(narrow.port) as other:
        for name in ("lb_secret", "lb_hidden"):
            assert codes(other.run(query(f"SELECT * FROM pg_temp.{name}"))) == ["42P01"]


LOCKING = [
    "SELECT query_to_xml('SELECT pg_advisory_lock(4401)', true, false, '')", "SELECT count(*) FROM ts_stat('SELECT to_tsvector(pg_advisory_lock(4401)::text)')",
    "INSERT INTO lb.asked VALUES (1)", "INSERT INTO lb.filled (a) VALUES (1)", "INSERT INTO lb.policed VALUES (1)", "SELECT 5::lb.guarded", "INSERT INTO lb.indexed VALUES (3)",
    "CREATE INDEX lb_locking ON lb.plain (lb.takes(a))", "ALTER TABLE lb.plain ALTER a TYPE bigint USING lb.takes(a::int)", "ALTER TABLE lb.plain ADD CHECK (lb.holds(a::int))",
    "ALTER DOMAIN lb.numbered ADD CHECK (lb.holds(VALUE))", "REINDEX INDEX lb.by_lock", "ANALYZE lb.expressed", "VACUUM FULL lb.expressed"]


@pytest.mark.parametrize("sql", LOCKING)
def test_s04_locks_that_are_taken_out_of_sight_are_their_session_s(narrow, app_cluster, sql):
    nodes = [app_cluster.primary(), *app_cluster.replicas()]

    def held():
        return sum(node.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0] for node in nodes)

    assert held() == 0
    with Wire(narrow.port) as client:
        assert not codes(client.run(query(sql)))
        assert until(lambda: admin(narrow, "SHOW PINS"), 5) and held() > 0
    assert until(lambda: held() == 0, 5)
    with Wire(narrow.port) as client:
        client.run(query("DROP INDEX IF EXISTS lb.lb_locking"))


def test_s04_a_read_whose_policy_takes_a_lock_runs_where_the_session_can_write(narrow):
    for _ in range(3):
        with Wire(narrow.port) as client:
            assert client.rows("SELECT a FROM lb.filtered") == [[b"6"]]
            assert until(lambda: admin(narrow, "SHOW PINS"), 5)
            assert not codes(client.run(query("INSERT INTO lb.plain VALUES (9)")))


@pytest.mark.parametrize("does,asks", [
    ("SELECT pg_replication_origin_session_setup('lb_origin')", "SELECT pg_replication_origin_session_is_setup()"),
    ("SELECT dblink_connect('c', 'host=127.0.0.1 port={port} user=postgres dbname=app')", "SELECT dblink_get_connections() IS NOT NULL"),
    ("SELECT public.dblink_connect('c', 'host=127.0.0.1 port={port} user=postgres dbname=app')", "SELECT dblink_get_connections() IS NOT NULL"),
    ("SELECT pg_create_physical_replication_slot('lb_slot', false, true)", "SELECT count(*) > 0 FROM pg_replication_slots WHERE slot_name = 'lb_slot'")])
@pytest.mark.parametrize("leaves", [False, True])
def test_what_no_reset_undoes_ends_with_its_session(narrow, app_cluster, does, asks, leaves):
    primary = app_cluster.primary()
    primary.rows("SELECT pg_replication_origin_create('lb_origin') WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = 'lb_origin')")
    with Wire(narrow.port, user="postgres") as owner:
        answer = owner.run(query("/* ringway: role=primary */ " + does.format(port=primary.port)))
        assert not codes(answer), answer
        assert owner.rows("/* ringway: role=primary */ " + asks) == [[b"t"]]
        if leaves:
            owner.run(query("DISCARD ALL"))
            assert until(lambda: owner.rows("/* ringway: role=primary */ " + asks) == [[b"f"]], 5)
    with Wire(narrow.port, user="postgres") as other:
        assert until(lambda: other.rows("/* ringway: role=primary */ " + asks) == [[b"f"]], 5)


@pytest.mark.parametrize("sql", ["SELECT lb.reads()", "SELECT lb.reads_dynamic()", "SELECT pg_relation_size('lb.unlogged') > 0", "SELECT pg_total_relation_size('lb.unlogged') > 0"])
@pytest.mark.parametrize("extended", [False, True])
def test_what_a_replica_does_not_have_is_read_on_the_primary(narrow, app_cluster, sql, extended):
    for _ in range(4):
        with Wire(narrow.port) as client, Wire(app_cluster.primary().port) as server:
            answer = client.run(sent(sql, extended))
            assert not codes(answer), answer
            assert client.rows(sql) == server.rows(sql)


LONG = ["y" * 64, "Y" * 80, '"' + "q" * 70 + '"', '"' + "é" * 40 + '"', '"a' + "é" * 40 + '"']


@pytest.mark.parametrize("name", LONG)
def test_p12_a_statement_s_name_is_cut_off_as_a_server_does(narrow, app_cluster, name):
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port) as client:
            assert not codes(client.run(query(f"PREPARE {name} AS SELECT 1 AS execute"))), port
            assert client.rows(f"EXECUTE {name}") == [[b"1"]]
            assert codes(client.run(query(f"PREPARE {name} AS SELECT 2"))) == ["42P05"]
            assert not codes(client.run(query(f"DEALLOCATE {name}")))
            assert codes(client.run(query(f"EXECUTE {name}"))) == ["26000"]


def test_p12_names_of_the_protocol_are_cut_off_too(narrow, app_cluster):
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port) as client:
            assert not codes(client.run(parse("SELECT 7", "y" * 64) + sync()))
            assert client.rows("EXECUTE " + "y" * 70) == [[b"7"]]
            assert not codes(client.run(bind(name="y" * 63) + execute() + sync()))
            assert codes(client.run(parse("SELECT 8", "y" * 63) + sync())) == ["42P05"]
