"""A parameter whose type is not declared, and that stands in several places: its type is that of the first the server
looks at, not of the key's column. Answers are those of one server that has all rows, or the statement is refused."""

import struct
import subprocess

import psycopg
import pytest

from conftest import APP_SQL, BINARY, ClusterStart, knows_tables, until

SCHEMA = """
CREATE TABLE cust (id int8 PRIMARY KEY, n numeric, name text);
CREATE TABLE ev (at timestamptz, v int4);
CREATE TABLE tsk (k timestamp, v int4);
CREATE TABLE days (d date, v int4);
CREATE TABLE dbl (k numeric, v int4);
CREATE TABLE vc (c varchar(5), v int4);
CREATE TABLE ch (c char(5), v int4);
CREATE TABLE nums (id int8, i int4, s int2);
"""
ROWS = """
INSERT INTO cust SELECT i, i * 1.5, 'n' || i FROM generate_series(1, 20) i;
INSERT INTO ev SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 hour', i FROM generate_series(0, 30) i;
INSERT INTO tsk SELECT timestamp '2024-01-01 00:00' + i * interval '1 hour', i FROM generate_series(0, 30) i;
INSERT INTO days VALUES ('2024-01-01', 1), ('2024-01-02', 2), ('2024-02-01', 3), ('2024-01-01', 4), ('2024-12-31', 5);
INSERT INTO dbl VALUES (1, 1), (1.5, 2), (2.5, 3), (5, 4), (0.1, 5);
INSERT INTO vc VALUES ('a', 1), ('ab', 2), ('', 3), ('abcde', 4), ('b ', 5);
INSERT INTO ch VALUES ('a', 1), ('ab', 2), ('', 3), ('abcde', 4), ('b', 5);
INSERT INTO nums SELECT i, i * 10000, i FROM generate_series(1, 20) i;
"""
KEYS = {"cust": "id", "ev": "at", "tsk": "k", "days": "d", "dbl": "k", "vc": "c", "ch": "c", "nums": "id"}
WHEN = "2024-01-01 05:00+05"


@pytest.fixture(scope="module")
def sides(workspace, ringway_session):
    """A client of a cluster of three shards, and one of one server with the same rows."""
    start = ClusterStart(workspace, "params", 3, 0, APP_SQL + "SET ROLE app;" + SCHEMA, {name: {"key": key} for name, key in KEYS.items()})
    proxy = None
    try:
        cluster = start.wait()
        server = cluster.primary()
        server.rows("CREATE DATABASE one OWNER app")
        one = server.connect(dbname="one")
        one.execute(SCHEMA)
        proxy = ringway_session(clusters=cluster)
        done = subprocess.run([BINARY, "init", "--config", proxy.config, "--cluster", "params"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert until(lambda: knows_tables(proxy, "params"))
        ours = proxy.connect()
        for statement in ROWS.strip().split("\n"):
            one.execute(statement)
            rows = one.execute(f"TABLE {statement.split()[2]}").fetchall()
            marks = ", ".join(["%s"] * len(rows[0]))
            for row in rows:
                ours.execute(f"INSERT INTO {statement.split()[2]} VALUES ({marks})", row)
        yield ours, one
        ours.close()
        one.close()
        proxy.stop()
    finally:
        start.down()


def answer(client, sql, *values, binary=False, oids=None):
    """Tag and rows, in an order of their own unless the statement sorts them; or the error's code."""
    given = [each if isinstance(each, bytes) else str(each).encode() for each in values]
    got = client.pgconn.exec_params(sql.encode(), given, oids or [0] * len(given), [int(binary)] * len(given))
    if got.error_message:
        return got.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode()
    rows = [tuple(got.get_value(i, j) for j in range(got.nfields)) for i in range(got.ntuples)]
    return got.command_status.decode(), rows if "ORDER BY" in sql else sorted(rows)


def same(sides, sql, *values, **more):
    ours, theirs = (answer(each, sql, *values, **more) for each in sides)
    assert ours == theirs, sql
    return ours


def same_tables(sides, *tables):
    for table in tables:
        same(sides, f"SELECT * FROM {table}")


@pytest.mark.parametrize("sql, value", [
    ("SELECT v, $1::timestamp AS asked FROM ev WHERE at = $1", WHEN),
    ("SELECT v FROM ev WHERE $1::timestamp IS NOT NULL AND at IN ($1)", WHEN),
    ("SELECT v FROM ev WHERE $1::timestamp[] IS NOT NULL AND at = ANY ($1)", "{2024-01-01 05:00+05,2024-01-02}"),
    ("SELECT t.v, e.v FROM tsk t, ev e WHERE t.k = $1 AND e.at = $1", WHEN),
    ("SELECT t.v, e.v FROM ev e, tsk t WHERE e.at = $1 AND t.k = $1", WHEN),
    ("WITH x AS (SELECT $1::timestamp AS t) SELECT v FROM ev, x WHERE at = $1", WHEN),
    ("SELECT vc.v, ch.v FROM ch, vc WHERE ch.c = $1 AND vc.c = $1", "ab "),
    ("SELECT vc.v, ch.v FROM vc, ch WHERE vc.c = $1 AND ch.c = $1", "ab"),
    ("SELECT d.v, c.id FROM dbl d, cust c WHERE d.k = $1 AND c.id = $1", "1.0"),
    ("SELECT d.v, c.id FROM dbl d, cust c WHERE d.k = $1 AND c.id = $1", "5"),
    ("SELECT v, $1::timestamp FROM days WHERE d < $1 ORDER BY v", "2024-01-02 12:00"),
    ("SELECT name FROM cust WHERE n > $1 AND id > $1 ORDER BY id", "2.5"),
    ("SELECT name FROM cust WHERE n > $1 AND id > $1 ORDER BY id", "7"),
    ("SELECT id FROM nums WHERE i < $1 AND s < $1 ORDER BY id", "70000"),
    ("SELECT count(DISTINCT i) FROM nums WHERE i < $1 AND s < $1", "70000"),
    ("SELECT count(DISTINCT s) FROM nums WHERE s < $1 AND i < $1", "70000"),
    ("SELECT n FROM cust WHERE $1::numeric > 0 AND id = $1 FOR UPDATE", "3.0"),
])
def test_reads(sides, sql, value):
    got = same(sides, sql, value)
    assert got == "22003" or got[1], "the rows tell nothing"
    inside = []
    for client in sides:
        client.execute("BEGIN")
        inside.append(answer(client, sql, value))
        client.execute("ROLLBACK")
    assert inside == [got, got]


def test_binary_values(sides):
    """The bytes say nothing of what they are."""
    for sql in ("SELECT id FROM cust WHERE $1::float8 > 0 AND id = $1", "SELECT id FROM cust WHERE $1::float8 > 0 AND id > $1 ORDER BY id"):
        assert same(sides, sql, struct.pack(">d", 5), binary=True)[1]
    assert same(sides, "SELECT c.id FROM cust c, nums n WHERE n.i / 10000 = c.id AND n.id = $1 AND c.id = $1", struct.pack(">q", 5), binary=True)[1]


@pytest.mark.parametrize("sql, value, tag", [
    ("UPDATE ev SET v = v + 100 WHERE $1::timestamp > '2000-01-01' AND at = $1", WHEN, "UPDATE 1"),
    ("UPDATE vc SET v = v + 100 FROM generate_series(1, 1) WHERE $1::bpchar = 'ab' AND c = $1", "ab", "UPDATE 1"),
    ("DELETE FROM ev WHERE $1::timestamp > '2000-01-01' AND at = $1", "2024-01-01 07:00+05", "DELETE 1"),
    ("DELETE FROM dbl WHERE $1::float8 > 0 AND k = $1", "2.5", "DELETE 1"),
])
def test_writes(sides, sql, value, tag):
    ours, theirs = (answer(each, sql, value) for each in sides)
    assert theirs[0] == tag
    assert ours in (theirs, "0A000"), sql
    if ours == "0A000":
        assert "generate_series" in sql
        answer(sides[0], sql, value, oids=[1042])
    same_tables(sides, "ev", "dbl", "vc")


@pytest.mark.parametrize("sql, value, oid, binary", [
    ("INSERT INTO cust (n, id) VALUES ($1::float8, $1)", "1902.7", 701, False),
    ("INSERT INTO cust (n, id) VALUES ($1::float8, $1)", struct.pack(">d", 905), 701, True),
    ("INSERT INTO ev (v, at) VALUES (extract(hour FROM $1::timestamp), $1)", "2024-03-01 05:00+05", 1114, False),
])
def test_rows_of_an_unsure_key_are_refused_until_the_type_is_declared(sides, sql, value, oid, binary):
    ours, theirs = sides
    given = value if isinstance(value, bytes) else value.encode()
    why = ours.pgconn.exec_params(sql.encode(), [given], [0], [int(binary)])
    assert why.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"0A000"
    assert b"declare the parameter's type" in why.error_field(psycopg.pq.DiagnosticField.MESSAGE_HINT)
    assert answer(theirs, sql, value, binary=binary) == ("INSERT 0 1", [])
    # A declared type is the server's: the value is placed by it, or refused as one that only a server can round.
    got = answer(ours, sql, value, binary=binary, oids=[oid])
    assert got in ("0A000", ("INSERT 0 1", []))
    table, key = sql.split()[2], KEYS[sql.split()[2]]
    if got == "0A000":
        row = theirs.execute(f"SELECT * FROM {table} WHERE {key} = (SELECT max({key}) FROM {table})").fetchone()
        ours.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
    same_tables(sides, table)
    newest = theirs.execute(f"SELECT {key}::text FROM {table} ORDER BY {key} DESC LIMIT 1").fetchone()[0]
    assert same(sides, f"SELECT {key} FROM {table} WHERE {key} = '{newest}'")[1]


def test_small_whole_numbers_need_no_type(sides):
    assert same(sides, "INSERT INTO cust (n, id) VALUES ($1::float8, $1)", "2001") == ("INSERT 0 1", [])
    assert same(sides, "SELECT n FROM cust WHERE id = 2001")[1]


def test_a_row_whose_source_has_the_parameter_is_carried(sides):
    same(sides, "INSERT INTO ev (v, at) SELECT extract(hour FROM $1::timestamp), $1", "2024-04-01 05:00+05")
    same_tables(sides, "ev")
    assert same(sides, "SELECT v FROM ev WHERE at = '2024-04-01 05:00' AND v = $1", "5")


def test_sql_prepare(sides):
    for mode in ("", " (timestamptz)"):
        for client in sides:
            client.execute(f"PREPARE p{mode} AS SELECT v FROM ev WHERE $1::timestamp IS NOT NULL AND at = $1")
        theirs = sides[1].execute("EXECUTE p('2024-01-01 09:00+05')").fetchall()
        try:
            assert sides[0].execute("EXECUTE p('2024-01-01 09:00+05')").fetchall() == theirs != []
        except psycopg.errors.FeatureNotSupported:
            assert mode == ""  # what is read from all shards needs types that are declared
        for client in sides:
            client.execute("DEALLOCATE p")
    for client in sides:
        client.execute("PREPARE w AS UPDATE ev SET v = v + 1000 WHERE $1::timestamp IS NOT NULL AND at = $1")
    theirs = sides[1].execute("EXECUTE w('2024-01-01 10:00+05')").rowcount
    try:
        assert sides[0].execute("EXECUTE w('2024-01-01 10:00+05')").rowcount == theirs == 1
    except psycopg.errors.FeatureNotSupported:
        sides[0].execute("UPDATE ev SET v = v + 1000 WHERE at = '2024-01-01 10:00+00'")
    same_tables(sides, "ev")
    for client in sides:
        client.execute("DEALLOCATE w")


def test_a_pipeline(sides):
    out = []
    for client in sides:
        with client.pipeline():
            read = client.execute("SELECT v FROM ev WHERE %(a)s::timestamp IS NOT NULL AND at = %(a)s", {"a": "2024-01-01 11:00+05"})
            write = client.execute("UPDATE ev SET v = v + 1 WHERE %(a)s::timestamp IS NOT NULL AND at = %(a)s", {"a": "2024-01-01 11:00+05"})
            out.append((read.fetchall(), write.rowcount))
    assert out[0] == out[1] and out[0][1] == 1
    same_tables(sides, "ev")
