"""What functions, blocks and failing statements do to a session stays with it, and with nobody else: found by an attacker, each compared with a server."""

import pytest

import wire
from conftest import admin, knows_tables, until
from wire import Wire, bind, codes, execute, one, parse, query, sync

FUNCTIONS = """
    DROP SCHEMA IF EXISTS pr CASCADE; CREATE SCHEMA pr;
    CREATE FUNCTION pr.setit(n text, v text) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN PERFORM set_config(n, v, false); RETURN current_setting(n); END $$;
    CREATE FUNCTION pr.tenant(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('App.Tenant', v, false); END $$;
    CREATE FUNCTION pr.deep(v text) RETURNS void LANGUAGE sql AS $$ SELECT pr.tenant(v) $$;
    CREATE FUNCTION pr.quiet(v text) RETURNS text STABLE LANGUAGE sql AS $$ SELECT set_config('app.tenant', v, false) $$;
    CREATE FUNCTION pr.atomic(v text) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT set_config('app.tenant', v, false); END;
    CREATE FUNCTION pr.dynamic(v text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SET app.tenant = ' || quote_literal(v); END $$;
    CREATE FUNCTION pr.hidden(s text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE s; END $$;
    CREATE FUNCTION pr.back() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RESET ALL; END $$;
    CREATE FUNCTION pr.lock() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_lock(4242) $$;
    CREATE FUNCTION pr.temporary() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE pr_temp AS SELECT 7 AS a; END $$;
    DROP TABLE IF EXISTS pr_kv; CREATE TABLE pr_kv (k int); GRANT ALL ON pr_kv TO PUBLIC;
    CREATE FUNCTION pr.stable(s text) RETURNS text STABLE LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE s INTO r; RETURN r; END $$;
    CREATE FUNCTION pr.tries(a int) RETURNS bool LANGUAGE sql AS $$ SELECT pg_try_advisory_lock(4303) IS NOT NULL $$;
    CREATE FUNCTION pr.step(s int, n int) RETURNS int LANGUAGE sql AS $$ SELECT pg_advisory_lock_shared(4304); SELECT n $$;
    CREATE AGGREGATE pr.stepping (int) (SFUNC = pr.step, STYPE = int);
    CREATE VIEW pr.locks AS SELECT pg_advisory_lock(4301)::text AS x;
    CREATE VIEW pr.more AS SELECT l.x FROM pr.locks l WHERE pg_try_advisory_lock_shared(4302);
    CREATE TABLE pr.locking (a int, b text DEFAULT pg_advisory_lock(4305)::text);
    CREATE TABLE pr.checked (a int CHECK (pr.tries(a)));
    CREATE TABLE pr.tested (a int CHECK (pg_try_advisory_lock(a)));
    CREATE TABLE pr.ruled (a int); CREATE RULE pr_rule AS ON INSERT TO pr.ruled DO ALSO SELECT pg_advisory_lock(4306);
    CREATE FUNCTION pr.pr_sets(v text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.tenant', v, false); RETURN true; END $$;
    CREATE DOMAIN pr.kept AS text CHECK (pr.pr_sets(VALUE)); CREATE TYPE pr.pair AS (a pr.kept, n int); CREATE TYPE pr.pairs AS (p pr.pair[]);
    CREATE VIEW pr.setting AS SELECT pr.pr_sets('by xml') AS s;
    CREATE FUNCTION pr.pr_writes(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pr_kv VALUES (n); RETURN n; END $$;
    CREATE FUNCTION pr.swallows(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pr.pr_writes(n); RETURN n; EXCEPTION WHEN OTHERS THEN RETURN -1; END $$;
    CREATE FUNCTION pr.behind(n int) RETURNS int STABLE LANGUAGE sql AS $$ SELECT pr.swallows(n) $$;
    CREATE FUNCTION pr.asks() RETURNS bool STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN pg_is_in_recovery(); END $$;
    GRANT USAGE ON SCHEMA pr TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA pr TO PUBLIC;
"""


def knows_functions(proxy):
    """Until the catalogs have been read every function is unknown, and pins."""
    def told():
        return any("volatile function deep" in row["value"] for row in admin(proxy, "SHOW ROUTE app $$SELECT pr.deep('1')$$"))
    assert until(lambda: knows_tables(proxy, "app") and told(), 10)


@pytest.fixture(scope="module")
def narrow(ringway_session, app_cluster):
    """One connection to each node, and a role that superusers may take."""
    primary = app_cluster.primary()
    primary.rows(FUNCTIONS)
    primary.rows("DO $$ BEGIN CREATE ROLE pr_bob; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    proxy = ringway_session({"clusters": {"app": {"pool_size": 1}}}, app_cluster)
    knows_functions(proxy)
    return proxy


def play(ports, statements, *asked, user="app", **settings):
    """What each of `ports` says to `asked`, twice, after the statements."""
    said = []
    for port in ports:
        with Wire(port, user=user, **settings) as client:
            for sql in statements:
                client.run(one(sql[4:]) + sync() if sql.startswith("EXT ") else query(sql))
            said.append([client.rows(each) for _ in range(2) for each in asked])
    return said


CHANGES = {
    "a named one": ["SET app.tenant = '50'", "SELECT pr.setit('app.tenant', '51')"],
    "never set before": ["SELECT pr.setit('app.never', '42')"],
    "by a literal name": ["SET app.tenant = '50'", "SELECT pr.tenant('52')"],
    "through another function": ["SELECT pr.deep('53')"],
    "in a stable function": ["SELECT pr.quiet('54')"],
    "in an atomic body": ["SELECT pr.atomic('55')"],
    "by dynamic SQL": ["SELECT pr.dynamic('56')"],
    "by SQL that is an argument": ["SELECT pr.hidden('SET app.tenant = 57')"],
    "in a block": ["DO $$ BEGIN SET app.tenant = 58; PERFORM set_config('app.never', '59', false); END $$"],
    "in a block, by the extended protocol": ["EXT DO $$ BEGIN SET app.tenant = 60; END $$"],
    "in a block that calls": ["DO $$ BEGIN PERFORM pr.deep('61'); END $$"],
    "reset": ["SET app.tenant = '62'", "SET work_mem = '5MB'", "SELECT pr.back()"],
}


@pytest.mark.parametrize("name", CHANGES)
def test_custom_settings_made_in_functions_are_kept(narrow, app_cluster, name):
    asked = "SELECT coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.never', true), ''), current_setting('work_mem')"
    mine, server = play([narrow.port, app_cluster.primary().port], CHANGES[name], asked)
    assert mine == server
    with Wire(narrow.port) as other:
        assert other.rows(asked) == [[b"", b"", b"4MB"]]


def test_a_start_s_setting_comes_back_after_a_reset_in_a_function(narrow, app_cluster):
    mine, server = play([narrow.port, app_cluster.primary().port], ["SET DateStyle = 'SQL'", "SELECT pr.back()"], "SHOW DateStyle", DateStyle="German")
    assert mine == server


ROLES = {
    "SET ROLE in a function": ["SELECT pr.setit('role', 'pr_bob')"],
    "another role in a function": ["SET ROLE app", "SELECT pr.setit('role', 'pr_bob')"],
    "SET ROLE in a block": ["DO $$ BEGIN SET ROLE pr_bob; END $$"],
    "SET SESSION AUTHORIZATION in a block": ["DO $$ BEGIN SET SESSION AUTHORIZATION pr_bob; END $$"],
    "RESET ROLE in a block": ["SET ROLE pr_bob", "DO $$ BEGIN RESET ROLE; END $$"],
}


@pytest.mark.parametrize("name", ROLES)
def test_roles_taken_in_functions_are_kept(narrow, app_cluster, name):
    asked = "SELECT session_user, current_user, current_setting('is_superuser')"
    mine, server = play([narrow.port, app_cluster.primary().port], ROLES[name], asked, user="postgres")
    assert mine == server
    with Wire(narrow.port, user="postgres") as other:
        assert other.rows(asked) == [[b"postgres", b"postgres", b"on"]]


def test_a_function_whose_settings_have_names_of_their_own_pins_nobody(narrow):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        for n in range(3):
            first.rows(f"SELECT pr.deep('a{n}')")
            second.rows(f"SELECT pr.deep('b{n}')")
            assert first.value("SELECT current_setting('app.tenant')") == f"a{n}"
            assert second.value("SELECT current_setting('app.tenant')") == f"b{n}"


@pytest.mark.parametrize("mode", ["READ ONLY", "DEFERRABLE", "ISOLATION LEVEL SERIALIZABLE", "ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE"])
def test_set_transaction_is_nobody_else_s(narrow, mode):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        for sql in ("BEGIN", f"SET TRANSACTION {mode}", "SELECT 1", "COMMIT"):
            assert not codes(first.run(query(sql)))
        second.run(query("DO $$ BEGIN END $$"))
        for each in (second, first):
            for sql in ("SELECT count(*) FROM pg_class", "BEGIN READ ONLY", "SELECT 1", "COMMIT", "BEGIN", "SELECT 1", "COMMIT", "SELECT count(*) FROM pg_class"):
                assert not codes(each.run(query(sql))), sql


def test_a_wiped_connection_s_parameters_are_not_told_to_the_next(ringway):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    for number, (name, key, changed, usual) in enumerate((("standard_conforming_strings",) * 2 + ("off", "on"), ("DateStyle",) * 2 + ("German", "ISO, MDY"))):
        with Wire(proxy.port) as first:
            for raw in (query(f"SET {name} = {changed}"), one("PREPARE p AS SELECT 1") + sync(), one("PREPARE q AS SELECT 1") + sync()):
                assert not codes(first.run(raw))
        for n in range(4):
            with Wire(proxy.port, application_name=f"new{number}.{n}") as fresh:
                assert fresh.parameters[key] == usual == fresh.value(f"SHOW {name}")
                assert fresh.parameters["application_name"] == f"new{number}.{n}"


LOCK = "SELECT pg_advisory_lock(4242)"
TAKEN = {
    "an error beside it": query(LOCK + ", 1/(SELECT count(*) FROM pg_class WHERE oid = 1)"),
    "an error in a later row": query(LOCK + ", 1/(2 - g) FROM generate_series(1, 3) g"),
    "an error in a later row, extended": one(LOCK + ", 1/(2 - g) FROM generate_series(1, 3) g") + sync(),
    "a portal left open": parse(LOCK + " FROM generate_series(1, 3)") + bind() + execute(max_rows=1) + sync(),
    "an error in a block": query("DO $$ BEGIN PERFORM pg_advisory_lock(4242); RAISE 'no'; END $$"),
    "a block": query("DO $$ BEGIN PERFORM pg_advisory_lock(4242); END $$"),
    "a function": query("SELECT pr.lock()"),
    "a function and an error": query("SELECT pr.lock(), 1/(SELECT count(*) FROM pg_class WHERE oid = 1)"),
    "a FunctionCall": wire.function_call(2880, [(4242).to_bytes(8, "big")], [1], 1),
    "in a transaction": query("BEGIN; " + LOCK + "; ROLLBACK"),
    "a later statement of the text": query(LOCK + "; SELECT 1/0"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_locks_that_a_failing_statement_took_are_its_session_s(ringway, app_cluster, narrow, name):
    proxy = ringway({"clusters": {"app": {"pool_size": 2, "read_consistency": "primary"}}})
    with Wire(proxy.port) as owner, Wire(proxy.port) as other:
        knows_functions(proxy)
        owner.run(TAKEN[name])
        assert app_cluster.primary().rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242") == [(1,)]
        for _ in range(3):
            assert other.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == "0"
            assert owner.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == "1"
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242"
    assert until(lambda: app_cluster.primary().rows(held) == [(0,)], 5)


@pytest.mark.parametrize("sql", ["SELECT nosuch()", "SELECT setseed(0.5) FROM nosuch", "SELECT pg_advisory_lock(1) FROM FROM"])
def test_what_was_not_understood_pins_nobody(narrow, sql):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        for each in (first, second, first):
            assert codes(each.run(query(sql)))
            assert each.value("SELECT 1") == "1"


def test_what_a_block_set_before_its_commit_stays_although_it_fails(narrow, app_cluster):
    sql = "DO $$ BEGIN SET work_mem = '9MB'; COMMIT; RAISE 'no'; END $$"
    mine, server = play([narrow.port, app_cluster.primary().port], [sql], "SHOW work_mem")
    assert mine == server
    with Wire(narrow.port) as other:
        assert other.value("SHOW work_mem") == "4MB"


def test_a_temporary_table_made_in_a_function_is_its_session_s(ringway, narrow):
    proxy = ringway({"clusters": {"app": {"pool_size": 2, "read_consistency": "primary"}}})
    with Wire(proxy.port) as owner, Wire(proxy.port) as other:
        knows_functions(proxy)
        owner.rows("SELECT pr.temporary()")
        for _ in range(3):
            assert codes(other.run(query("SELECT a FROM pr_temp"))) == ["42P01"]
            assert owner.value("SELECT a FROM pr_temp") == "7"


SERIALIZABLE = ["SET default_transaction_isolation = 'serializable'", "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SELECT set_config('default_transaction_isolation', 'serializable', false)", "SELECT pr.setit('default_transaction_isolation', 'serializable')"]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", [*SERIALIZABLE, "at the start"])
def test_a_serializable_session_reads_on_the_primary(narrow, sql, extended):
    settings = {"options": "-c default_transaction_isolation=serializable -c work_mem=5MB"} if sql == "at the start" else {}
    with Wire(narrow.port, **settings) as client:
        if not settings:
            client.rows(sql)
        for each in ("SELECT count(*) FROM pg_class", "BEGIN READ ONLY", "SELECT 1", "COMMIT", "SELECT count(*) FROM pg_class", "SHOW transaction_isolation"):
            came = client.run(one(each) + sync() if extended else query(each))
            assert not codes(came), (each, came)
        assert wire.row(came[-3][1]) == [b"serializable"]
    with Wire(narrow.port, DateStyle="German") as other:
        for _ in range(4):
            assert other.value("SHOW transaction_isolation") == "read committed"


def test_a_database_s_serializable_default(ringway, app_cluster):
    app_cluster.primary().rows("ALTER ROLE pr_bob LOGIN; ALTER ROLE pr_bob SET default_transaction_isolation = 'serializable'")
    proxy = ringway({"users": {"pr_bob": {"password": "x"}}})
    with Wire(proxy.port, user="pr_bob", DateStyle="German") as client:
        for _ in range(3):
            assert client.value("SELECT 1") == "1"
            assert not codes(client.run(one("SELECT count(*) FROM pg_class") + sync()))


def test_a_pin_is_taken_on_the_primary(narrow):
    with Wire(narrow.port) as client:
        assert not codes(client.run(one("PREPARE p AS SELECT 1") + sync()))
        assert not codes(client.run(one("DELETE FROM pr_kv WHERE k = 9") + sync()))
    with Wire(narrow.port) as client:
        assert not codes(client.run(query("SET work_mem = '4MB'; SET application_name = '\u00e9'")))
        assert not codes(client.run(one("DELETE FROM pr_kv WHERE k = 9") + sync()))


@pytest.mark.parametrize("raw", [query(LOCK), one(LOCK) + sync(), one("PREPARE p AS SELECT 1") + sync()])
def test_a_read_only_transaction_on_a_replica_takes_no_pin(narrow, raw):
    with Wire(narrow.port) as client:
        client.run(query("BEGIN READ ONLY"))
        client.rows("SELECT 1")
        came = client.run(raw)
        assert codes(came) == ["0A000"] and "replica" in wire.fields(came[0][1] if came[0][0] == "E" else came[1][1])["M"]
        client.run(query("ROLLBACK"))
        assert not codes(client.run(one("DELETE FROM pr_kv WHERE k = 9") + sync()))


@pytest.mark.parametrize("sql", ["RESET ALL", "RESET DateStyle", "SET DateStyle TO DEFAULT", "DISCARD ALL"])
@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
def test_a_reset_is_told_as_a_server_tells_it(narrow, app_cluster, sql, changed):
    said = []
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port, DateStyle="German", application_name="zz") as client:
            if changed:
                client.run(query("SET DateStyle = 'SQL, MDY'"))
            said.append([wire.replies(client, query(each)) for each in (sql, "SELECT 1", "SELECT '2020-02-03'::date", "SHOW application_name")])
    assert said[0] == said[1]


def test_a_reset_by_the_extended_protocol_is_told_as_a_server_tells_it(narrow, app_cluster):
    said = []
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port, DateStyle="German", application_name="zz") as client:
            said.append([wire.replies(client, one(each) + sync()) for each in ("SET DateStyle = 'SQL, MDY'", "RESET ALL", "SELECT '2020-02-03'::date::text")])
    assert said[0] == said[1]


def test_default_transaction_read_only_is_told(narrow, app_cluster):
    said = []
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port) as client:
            sent = ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SELECT 1", "SHOW default_transaction_read_only", "RESET default_transaction_read_only", "SELECT 1")
            said.append([wire.replies(client, query(each)) for each in sent])
    assert said[0] == said[1]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_prepared_statements_in_a_failed_transaction(narrow, app_cluster, extended):
    said = []
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port) as client:
            client.run(query("BEGIN; SELECT 1/0"))
            said.append([wire.replies(client, one(each) + sync() if extended else query(each)) for each in ("EXECUTE p2", "DEALLOCATE p0", "PREPARE q AS SELECT 1", "ROLLBACK")])
    assert said[0] == said[1]


@pytest.mark.parametrize("raw", [query("SELECT 1"), wire.function_call(1598, [])], ids=["Query", "FunctionCall"])
def test_a_query_where_copy_data_belongs_ends_the_connection(narrow, raw):
    for together in (True, False):
        with Wire(narrow.port) as client:
            start = query("COPY pr_kv FROM STDIN")
            if together:
                client.send(start + raw)
            else:
                client.send(start).until("G")
                client.send(wire.copy_data(b"1\n") + raw)
            assert "08P01" in codes(client.ended())
    with Wire(narrow.port) as client:
        assert client.value("SELECT count(*) FROM pr_kv") == "0"


def test_a_statement_that_was_prepared_before_needs_no_server(ringway):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}, "general": {"workers": 1}})
    with Wire(proxy.port, application_name="a") as holder, Wire(proxy.port, application_name="b") as waiting:
        knows_functions(proxy)
        for sql in ("SELECT 41", "INSERT INTO pr_kv VALUES ($1)"):
            assert not codes(holder.run(parse(sql, "of " + sql) + sync()))
        holder.run(query("BEGIN"))
        for sql in ("SELECT 41", "INSERT INTO pr_kv VALUES ($1)"):
            assert wire.kinds(waiting.run(parse(sql, "of " + sql) + sync(), limit=5)) == "1Z"
        holder.run(query("COMMIT"))
        assert wire.row(waiting.run(bind(name="of SELECT 41") + execute() + sync())[1][1]) == [b"41"]
        waiting.run(query("SET search_path = nowhere"))
        assert codes(waiting.run(parse("SELECT k, 41 FROM pr_kv", "other") + sync())) == ["42P01"]


MAYBE = ["SELECT set_config({}, false) WHERE {}", "SELECT CASE WHEN {1} THEN set_config({0}, false) END", "WITH x AS (SELECT set_config({}, false)) SELECT * FROM x WHERE {}",
         "SELECT 1 WHERE {1} AND set_config({0}, false) = ''", "SELECT (SELECT set_config({}, false) WHERE {})", "SELECT set_config({}, false) FROM (SELECT {} AS c) t WHERE c",
         "UPDATE pr_kv SET k = 1 WHERE {1} AND set_config({0}, false) = ''", "INSERT INTO pr_kv SELECT 1 FROM (SELECT 1 WHERE {1}) t WHERE set_config({0}, false) = ''"]


@pytest.mark.parametrize("way", ["simple", "extended"])
@pytest.mark.parametrize("sql", MAYBE)
def test_a_set_config_counts_when_it_is_run(narrow, sql, way):
    def send(text):
        return query(text) if way == "simple" else one(text) + sync()

    asked = "SELECT current_setting('app.tenant')"
    with Wire(narrow.port) as client, Wire(narrow.port) as other:
        client.run(query("DELETE FROM pr_kv; INSERT INTO pr_kv VALUES (1)"))
        client.run(query("SELECT set_config('app.tenant', '1', false)"))
        for name, value in (("app.tenant", "2"), ("work_mem", "garbage")):
            assert not codes(client.run(send(sql.format(f"'{name}', '{value}'", "false"))))
            other.run(query("SELECT set_config('app.tenant', '5', false)"))
            assert client.rows(asked) == [[b"1"]]
        assert not codes(client.run(send(sql.format("'app.tenant', '3'", "true"))))
        other.run(query("SELECT set_config('app.tenant', '6', false)"))
        assert client.rows(asked) == [[b"3"]] and other.rows(asked) == [[b"6"]]
        client.run(query("DELETE FROM pr_kv"))


LOCKING = ["SELECT * FROM pr.locks", "SELECT count(*) FROM pr.more", "INSERT INTO pr.locking (a) VALUES (1)", "INSERT INTO pr.checked VALUES (1)",
           "INSERT INTO pr.tested VALUES (4307)", "INSERT INTO pr.ruled VALUES (1)", "SELECT pr.stepping(1)", "COPY (SELECT * FROM pr.locks) TO STDOUT", "EXPLAIN ANALYZE SELECT * FROM pr.locks",
           "SELECT pr.stable('SELECT pg_try_advisory_lock(4308)')", "SELECT setseed(0.5) FROM pr.locks"]


@pytest.mark.parametrize("sql", LOCKING)
def test_locks_that_are_taken_indirectly_stay_with_their_client(narrow, app_cluster, sql):
    nodes = [app_cluster.primary(), *app_cluster.replicas()]

    def held():
        return sum(node.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0] for node in nodes)

    assert held() == 0
    with Wire(narrow.port) as client:
        came = client.run(query(sql))
        assert not codes(came), came
        assert admin(narrow, "SHOW PINS") and nodes[0].rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")[0][0] > 0
    assert until(lambda: held() == 0, 5)


@pytest.mark.parametrize("sql", [
    "SELECT 'by cast'::pr.kept", "SELECT '(composite,1)'::pr.pair", "SELECT ROW('row', 1)::pr.pair", "SELECT json_populate_record(NULL::pr.pair, '{\"a\": \"json\"}')",
    "SELECT '{\"(array,1)\"}'::pr.pair[]", "SELECT json_populate_record(NULL::pr.pairs, '{\"p\": [{\"a\": \"deep\"}]}')",
    "SELECT * FROM json_to_record('{\"b\": \"column\"}') AS x (b pr.kept)", "SELECT table_to_xml('pr.setting', true, false, '')",
    "SELECT query_to_xml('SELECT pr.pr_sets(''query'')', true, false, '')", "SELECT pr.stable('SELECT set_config(''app.tenant'', ''dynamic'', false)')"])
def test_settings_made_by_types_and_texts_are_kept(narrow, app_cluster, sql):
    asked = "SELECT coalesce(current_setting('app.tenant', true), '')"
    with Wire(narrow.port) as client, Wire(narrow.port) as other:
        client.run(query(sql))
        for _ in range(4):
            assert other.rows(asked) == [[b""]]
        with Wire(app_cluster.primary().port) as server:
            server.run(query(sql))
            assert client.rows(asked) == server.rows(asked) != [[b""]]


@pytest.mark.parametrize("sql,rows", [("SELECT pr.swallows(81)", 1), ("SELECT pr.behind(82)", 1), ("SELECT pr.asks()", 0)])
def test_bodies_that_call_what_only_a_primary_can_run(narrow, app_cluster, sql, rows):
    """Whatever they are declared."""
    with Wire(narrow.port) as client, Wire(app_cluster.primary().port) as server:
        client.run(query("DELETE FROM pr_kv"))
        assert client.rows(sql) == server.rows(sql)
        assert client.rows("SELECT count(*) FROM pr_kv") == [[str(2 * rows).encode()]]
        client.run(query("DELETE FROM pr_kv"))
