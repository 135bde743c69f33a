"""Traps R1 to R3, R5 and R10: which statements may go to a replica. A wrong answer here shows as 25006 or as another server."""

import psycopg
import pytest

import wire
from conftest import admin, until

SCHEMA = """
DROP SCHEMA IF EXISTS r CASCADE;
CREATE SCHEMA r;
CREATE TABLE r.log (id serial PRIMARY KEY, what text);
CREATE TABLE r.t (id int PRIMARY KEY, v text);
INSERT INTO r.t SELECT n, 'v' || n FROM generate_series(1, 10) n;
CREATE SEQUENCE r.s;
CREATE FUNCTION r.writes(text) RETURNS int LANGUAGE sql VOLATILE AS $$ INSERT INTO r.log (what) VALUES ($1) RETURNING id $$;
CREATE FUNCTION r.wraps(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN r.writes($1); END $$;
CREATE FUNCTION r.reads(int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT v FROM r.t WHERE id = $1 $$;
CREATE VIEW r.writing_view AS SELECT id, r.writes('view') AS w FROM r.t WHERE id = 1;
CREATE VIEW r.view_of_view AS SELECT w FROM r.writing_view;
CREATE VIEW r.quiet_view AS SELECT id, v FROM r.t;
CREATE FUNCTION r.op_writes(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN r.writes('operator') + $1 + $2; END $$;
CREATE OPERATOR r.## (LEFTARG = int, RIGHTARG = int, FUNCTION = r.op_writes);
CREATE TYPE r.box AS (n int);
CREATE FUNCTION r.to_box(macaddr) RETURNS r.box LANGUAGE plpgsql AS $$ BEGIN PERFORM r.writes('cast'); RETURN ROW(1); END $$;
CREATE CAST (macaddr AS r.box) WITH FUNCTION r.to_box(macaddr);
CREATE TYPE r.sly AS (n int);
CREATE FUNCTION r.to_address(r.sly) RETURNS macaddr8 LANGUAGE plpgsql AS $$ BEGIN PERFORM r.writes('implicit'); RETURN '08002b0102030405'; END $$;
CREATE CAST (r.sly AS macaddr8) WITH FUNCTION r.to_address(r.sly) AS IMPLICIT;
CREATE TABLE r.holds_sly (id int PRIMARY KEY, s r.sly);
INSERT INTO r.holds_sly VALUES (1, ROW(1));
CREATE TABLE r.defaulted (id int DEFAULT r.writes('default'), other int);
CREATE FUNCTION r.sums(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM r.writes('aggregate'); RETURN $1 + $2; END $$;
CREATE AGGREGATE r.total(int) (SFUNC = r.sums, STYPE = int, INITCOND = '0');
CREATE PROCEDURE r.go() LANGUAGE sql AS $$ INSERT INTO r.log (what) VALUES ('procedure') $$;
"""

PRIMARY = [
    "SELECT r.writes('direct')",
    "SELECT (SELECT r.writes('subquery'))",
    "SELECT * FROM r.writes('from')",
    "SELECT r.wraps('nested')",
    "SELECT id FROM r.t ORDER BY r.writes('order') LIMIT 1",
    "SELECT 1 FROM r.t WHERE id = 1 AND r.writes('where') > 0",
    "SELECT w FROM r.writing_view",
    "SELECT * FROM r.view_of_view",
    "SELECT 1 OPERATOR(r.##) 2",
    "SELECT '08:00:2b:01:02:03'::macaddr::r.box",
    "SELECT CAST(macaddr '08:00:2b:01:02:03' AS r.box) FROM r.t WHERE id = 1",
    "SELECT r.total(id) FROM r.t",
    "SELECT macaddr8_set7bit(s) FROM r.holds_sly",
    "SELECT id FROM r.t WHERE id = 1 FOR KEY SHARE",
    "SELECT id FROM r.t WHERE id = 1 FOR SHARE",
    "SELECT id FROM r.t WHERE id = 1 FOR NO KEY UPDATE",
    "SELECT id FROM r.t WHERE id = 1 FOR UPDATE SKIP LOCKED",
    "SELECT * FROM (SELECT id FROM r.t WHERE id = 1 FOR UPDATE) q",
    "WITH w AS (INSERT INTO r.log (what) VALUES ('cte') RETURNING id) SELECT * FROM w",
    "WITH w AS (UPDATE r.t SET v = v WHERE id = 1) SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM r.log WHERE id < 0",
    "EXPLAIN (ANALYZE, COSTS OFF) SELECT r.writes('explain')",
    "CALL r.go()",
    "DO $$ BEGIN INSERT INTO r.log (what) VALUES ('do'); END $$",
    "SELECT nextval('r.s')",
    "SELECT setval('r.s', 100)",
    "SELECT txid_current()",
    "SELECT lo_create(0)",
    "SELECT pg_notify('c', 'x')",
    "MERGE INTO r.t USING (VALUES (1)) AS m(id) ON r.t.id = m.id WHEN MATCHED THEN UPDATE SET v = r.t.v",
    "INSERT INTO r.defaulted (other) VALUES (1)",
    "UPDATE r.t SET v = v WHERE id = 2",
    "TABLE r.t; INSERT INTO r.log (what) VALUES ('second')",
    "SELECT 1; INSERT INTO r.log (what) VALUES ('second')",
    "  /* x */ (SELECT r.writes('parenthesis'))",
    "-- a comment\nSELECT r.writes('comment')",
    "SELECT \"r\".\"writes\"('quoted')",
    "SELECT count(*) FROM r.t, LATERAL r.writes('lateral') l",
]

REPLICA = [
    "SELECT inet_server_port()",
    "SELECT inet_server_port() FROM r.t WHERE id = 1",
    "SELECT inet_server_port(), r.reads(3)",
    "SELECT inet_server_port() FROM r.quiet_view WHERE id = 2",
    "WITH q AS (SELECT 1 AS x) SELECT inet_server_port() FROM q",
    "SELECT inet_server_port(), 'INSERT INTO t', 'for update'",
    "SELECT inet_server_port() /* DELETE FROM r.t */",
    "SELECT inet_server_port(), now(), upper('x'), 1 + 2, '5'::int",
    "VALUES (inet_server_port())",
]


@pytest.fixture(scope="module")
def schema(app_cluster, proxy):
    with app_cluster.primary().connect() as connection:
        connection.execute(SCHEMA)
    app_cluster.caught_up()
    known = "SELECT inet_server_port(), r.reads(3)"
    with proxy.connect() as connection:  # the catalogs are read again after DDL behind the proxy's back
        replicas = {node.port for node in app_cluster.replicas()}
        assert until(lambda: connection.execute(known).fetchone()[0] in replicas, 40)
    return app_cluster


@pytest.fixture
def fresh(proxy, schema):
    """A client that has written nothing."""
    with proxy.connect() as connection:
        yield connection


@pytest.mark.parametrize("sql", PRIMARY)
def test_r01_r02_r03_what_writes_goes_to_the_primary(fresh, sql):
    for _ in range(4):  # both replicas and both workers would have had their turn
        fresh.execute(sql)


@pytest.mark.parametrize("sql", [each for each in PRIMARY if ";" not in each])
def test_r01_r02_what_writes_goes_to_the_primary_when_prepared(fresh, sql):
    for _ in range(3):
        fresh.execute(sql, prepare=True)


def test_r02_select_into_lock_and_currval(fresh, proxy):
    fresh.execute("DROP TABLE IF EXISTS r.into_here")
    fresh.execute("SELECT 1 AS x INTO r.into_here")
    with fresh.transaction():
        fresh.execute("LOCK TABLE r.t IN SHARE MODE")
    with fresh.transaction():
        value = fresh.execute("SELECT nextval('r.s')").fetchone()
        assert fresh.execute("SELECT currval('r.s')").fetchone() == value
        assert fresh.execute("SELECT lastval()").fetchone() == value


@pytest.mark.parametrize("sql", REPLICA)
def test_reads_go_to_both_replicas(fresh, schema, sql):
    replicas = {node.port for node in schema.replicas()}
    ports = [fresh.execute(sql).fetchone()[0] for _ in range(12)]
    assert set(ports) == replicas, ports


def test_reads_alternate(fresh, schema):
    ports = [fresh.execute("SELECT inet_server_port()").fetchone()[0] for _ in range(100)]
    assert all(40 <= ports.count(node.port) <= 60 for node in schema.replicas()), ports


def test_r03_no_statement_of_a_text_is_lost(fresh):
    cursor = fresh.execute("SELECT 1; INSERT INTO r.log (what) VALUES ('r3') RETURNING what; SELECT 2")
    results = [cursor.fetchone()[0]]
    while cursor.nextset():
        results.append(cursor.fetchone()[0])
    assert results == [1, "r3", 2]


def test_r05_later_reads_see_ddl_set_and_truncate(fresh):
    fresh.execute("DROP TABLE IF EXISTS r.made")
    for n in range(10):
        fresh.execute(f"CREATE TABLE r.made AS SELECT {n} AS n")
        assert fresh.execute("SELECT n FROM r.made").fetchone() == (n,)
        fresh.execute("TRUNCATE r.made")
        assert fresh.execute("SELECT count(*) FROM r.made").fetchone() == (0,)
        fresh.execute("ALTER TABLE r.made ADD COLUMN m int DEFAULT 5")
        assert fresh.execute("SELECT * FROM r.made").description[1].name == "m"
        fresh.execute("DROP TABLE r.made")
        fresh.execute(f"SET application_name = 'n{n}'")
        assert fresh.execute("SELECT current_setting('application_name')").fetchone() == (f"n{n}",)


def test_r05_search_path_decides_which_function_is_called(fresh):
    fresh.execute("DROP SCHEMA IF EXISTS r2 CASCADE")
    fresh.execute("CREATE SCHEMA r2")
    fresh.execute("CREATE FUNCTION r2.reads(int) RETURNS text LANGUAGE plpgsql AS"
                  " $$ BEGIN INSERT INTO r.log (what) VALUES ('r2'); RETURN 'wrote'; END $$")
    for path, answer in (("r", "v1"), ("r2", "wrote")) * 3:
        fresh.execute(f"SET search_path = {path}")
        assert fresh.execute("SELECT reads(1)").fetchone() == (answer,)


def test_r10_a_stable_function_that_turns_volatile_is_noticed(fresh, proxy, schema):
    fresh.execute("CREATE OR REPLACE FUNCTION r.turns() RETURNS int LANGUAGE sql STABLE AS 'SELECT inet_server_port()'")
    schema.caught_up()
    with proxy.connect() as other:
        replicas = {node.port for node in schema.replicas()}
        assert until(lambda: other.execute("SELECT r.turns()").fetchone()[0] in replicas, 40)
        fresh.execute("CREATE OR REPLACE FUNCTION r.turns() RETURNS int LANGUAGE plpgsql VOLATILE AS"
                      " $$ BEGIN INSERT INTO r.log (what) VALUES ('turned'); RETURN inet_server_port(); END $$")
        # Who has not made the change may still read a replica that has not replayed it, until the catalog has been read.
        assert fresh.execute("SELECT r.turns()").fetchone()[0] == schema.primary().port
        assert until(lambda: all(row["item"] != "replica nodes" for row in admin(proxy, "SHOW ROUTE app 'SELECT r.turns()'")))
        for _ in range(20):
            for each in (fresh, other):
                assert each.execute("SELECT r.turns()").fetchone()[0] == schema.primary().port


def test_a_read_only_transaction_may_take_a_replica_and_a_plain_one_the_primary(fresh, schema):
    replicas = {node.port for node in schema.replicas()}
    for begin, expected in (("BEGIN READ ONLY", replicas), ("BEGIN", {schema.primary().port})):
        fresh.execute(begin)
        ports = {fresh.execute("SELECT inet_server_port()").fetchone()[0] for _ in range(4)}
        fresh.execute("COMMIT")
        assert len(ports) == 1 and ports <= expected
    fresh.execute("BEGIN READ ONLY")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        fresh.execute("INSERT INTO r.log (what) VALUES ('never')")
    fresh.execute("ROLLBACK")


def both_say(proxy, schema, steps):
    """What the primary and the proxy answer to each; a step of several texts is one pipeline."""
    said = []
    for port in (schema.primary().port, proxy.port):
        with wire.Wire(port) as client:
            raw = [wire.query(each) if isinstance(each, str) else b"".join(wire.one(sql) for sql in each) + wire.sync() for each in steps]
            said.append([wire.normalised(client.run(each)) for each in raw])
    assert said[1] == said[0]
    return said[0]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", [
    "SELECT txid_current() > 0", "SELECT pg_notify('a', 'b')", "NOTIFY a", "LOCK TABLE r.t", "SELECT pg_export_snapshot() IS NULL",
    "SET TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "LISTEN a", "SELECT pg_advisory_lock(5)",
    "INSERT INTO r.log (what) VALUES ('never')", "SELECT r.writes('never')"])
def test_a_read_only_transaction_goes_to_the_primary_for_what_no_replica_does(proxy, schema, sql, extended):
    for begin in ("BEGIN READ ONLY", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
        for _ in range(2):
            both_say(proxy, schema, [begin, [sql] if extended else sql, "SHOW transaction_isolation", "SHOW transaction_read_only", "ROLLBACK"])


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_a_mistake_in_a_read_only_transaction_is_told_as_by_the_primary(proxy, schema, extended):
    mistake = "SELEC id FROM r.t"
    for before in ([], ["SELECT id FROM r.t ORDER BY id"]):
        both_say(proxy, schema, ["BEGIN READ ONLY", *before, [mistake] if extended else mistake, "SELECT 1", "ROLLBACK", "SELECT 2"])


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_the_end_of_a_read_only_transaction_and_a_write_at_once(proxy, schema, end):
    write, asked = "INSERT INTO r.log (what) VALUES ('at once')", "SELECT count(*) FROM r.t"
    for steps in ([asked, f"{end}; {write}"], [f"{end}; {write}"], [asked, f"{end}; BEGIN; {write}; COMMIT"], [asked, [end, write]],
                  [[end, write]], ["SELECT nope", f"ROLLBACK; {write}"], ["SELECT nope", ["ROLLBACK", write]]):
        both_say(proxy, schema, ["BEGIN READ ONLY", *steps, asked])
        both_say(proxy, schema, ["BEGIN READ ONLY", "SELECT id FROM r.t ORDER BY id", *steps])
    with wire.Wire(proxy.port) as client:  # it has read here in this very pipeline
        client.run(wire.query("BEGIN READ ONLY"))
        client.rows(asked)
        assert wire.codes(client.run(wire.one(asked) + wire.one(end) + wire.one(write) + wire.sync())) == ["0A000"]
        assert not wire.codes(client.run(wire.query(write)))


@pytest.mark.parametrize("sql", [
    "SET TRANSACTION READ WRITE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET transaction_read_only = off",
    "SET transaction_isolation = 'serializable'", "PREPARE TRANSACTION 'nothing'", "SET TRANSACTION READ ONLY"])
def test_transaction_modes_outside_of_one_are_answered_as_by_the_primary(proxy, schema, sql):
    both_say(proxy, schema, [sql, "SELECT 1", [sql], sql])


def test_hints_by_comment_and_by_set(fresh, schema):
    primary, replicas = schema.primary().port, {node.port for node in schema.replicas()}
    ask = "SELECT inet_server_port()"
    assert {fresh.execute("/* ringway: role=primary */ " + ask).fetchone()[0] for _ in range(4)} == {primary}
    fresh.execute("SET ringway.role = 'primary'")
    assert {fresh.execute(ask).fetchone()[0] for _ in range(4)} == {primary}
    fresh.execute("RESET ringway.role")
    assert {fresh.execute(ask).fetchone()[0] for _ in range(4)} <= replicas
    fresh.execute("SET ringway.read_consistency = 'primary'")
    assert {fresh.execute(ask).fetchone()[0] for _ in range(4)} == {primary}


def test_explain_route_and_show_route_say_where(fresh, proxy):
    said = str(fresh.execute("EXPLAIN (ROUTE) SELECT 1").fetchall())
    assert "replica" in said
    said = str(fresh.execute("EXPLAIN (ROUTE) SELECT r.writes('x')").fetchall())
    assert "primary" in said
    assert "primary" in str(admin(proxy, "SHOW ROUTE app 'SELECT r.writes(1::text)'"))
    assert "replica" in str(admin(proxy, "SHOW ROUTE app 'SELECT 1'"))
