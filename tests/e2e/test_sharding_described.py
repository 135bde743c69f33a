"""Prepared statements over several shards, whose text is read anew by each execution: rows, parameters and constants are
what they were when the client prepared it, or it is told, as by one server."""

import subprocess

import pytest

from conftest import BINARY, knows_tables, until
from wire import Wire, bind, close, codes, describe, execute, fields, kinds, parse, query, row, sync

SQL = """CREATE TABLE told (k int8 PRIMARY KEY, n int4, t text, day date, at timestamptz);
         CREATE TABLE told_names (id int8 PRIMARY KEY, name text)"""
ROWS = """INSERT INTO told VALUES (1, 10, 'a', '2000-03-01', '2000-01-01 12:00+00'), (2, 20, 'b', '2000-01-03', NULL),
          (3, 30, 'c', '2000-05-05', NULL), (4, 40, 'd', '2000-06-06', NULL)"""
NAMES = "INSERT INTO told_names VALUES (1, 'x'), (2, 'y')"


@pytest.fixture(scope="module")
def proxy(ringway_session, shop_cluster):
    tables = {"told": {"key": "k"}, "told_names": {"reference": True}}
    made = ringway_session({"clusters": {"shop": {"tables": tables}}}, clusters=[shop_cluster])
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows(f"{SQL}; SELECT 1", user="app")
    shop_cluster.primary().rows(f"CREATE SCHEMA alone; SET search_path = alone; {SQL}; SELECT 1", user="app")
    done = subprocess.run([BINARY, "init", "--config", made.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: knows_tables(made, "shop"))
    with made.connect(dbname="shop") as client:
        explain = "EXPLAIN (ROUTE) INSERT INTO told VALUES (1, 2), (2, 3)"
        assert until(lambda: "error" not in str(client.execute(explain, prepare=False).fetchall()))
    yield made
    shop_cluster.primary().rows("DROP SCHEMA alone CASCADE; SELECT 1", user="app")
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DROP TABLE told, told_names; SELECT 1", user="app")


@pytest.fixture
def both(proxy, shop_cluster):
    """Makers of clients: of Ringway, and of one server with the same rows. Both tables are new."""
    ours = lambda **more: Wire(proxy.port, database="shop", **more)
    theirs = lambda **more: Wire(shop_cluster.primary().port, database="shop", search_path="alone", **more)
    for client in (ours(), theirs()):
        for sql in ("DELETE FROM told", "DELETE FROM told_names", ROWS, NAMES):
            assert not codes(client.run(query(sql))), sql
        client.end()
    return ours, theirs


def change(both, *statements):
    for make in both:
        with make() as client:
            for sql in statements:
                came = client.run(query(sql))
                assert not codes(came), (sql, came)


def prepare(client, sql, name="s"):
    came = client.run(parse(sql, name) + describe("S", name) + sync())
    assert kinds(came) in ("1tTZ", "1tnZ"), (sql, came)
    return came


def run(client, values=(), name="s", **more):
    return client.run(bind(values, name, **more) + execute() + sync())


def data(came):
    return [row(body) for kind, body in came if kind == "D"]


KINDS = {
    "in order": "SELECT n, k FROM told ORDER BY k",
    "all columns": "SELECT * FROM told ORDER BY k",
    "some keys": "SELECT n, k FROM told WHERE k IN (1, 2, 3) ORDER BY k",
    "groups": "SELECT max(n) FROM told GROUP BY k % 2 ORDER BY 1",
    "totals": "SELECT max(n) FROM told",
    "sum": "SELECT sum(n) FROM told",
    "distinct": "SELECT DISTINCT n FROM told ORDER BY n",
    "gathered": "SELECT n, rank() OVER (ORDER BY k) FROM told ORDER BY k",
    "locked": "SELECT n, k FROM told WHERE k IN (1, 2, 3) ORDER BY k FOR UPDATE",
    "insert": "INSERT INTO told (k, n) VALUES (11, 1), (12, 2), (13, 3) RETURNING n",
    "update": "UPDATE told SET n = n + 1 RETURNING n, k",
    "delete": "DELETE FROM told RETURNING *",
    "carried": "INSERT INTO told (k, n) SELECT id + 20, 1 FROM told_names RETURNING n, k",
}


def begin_by(client, begin):
    for each in begin.split("; ") if begin else ():
        assert not codes(client.run(query(each)))


@pytest.mark.parametrize("begin", ["", "BEGIN", "BEGIN READ ONLY", "BEGIN; UPDATE told SET t = t"])
def test_rows_of_another_form_than_was_told_are_an_error(both, begin):
    reads = ("in order", "all columns", "some keys", "groups", "totals", "sum", "distinct", "gathered")
    all_kinds = reads if "READ ONLY" in begin else KINDS
    clients = [make() for make in both]
    try:
        for client in clients:
            for kind in all_kinds:
                prepare(client, KINDS[kind], kind)
                if kind in reads:
                    assert not codes(run(client, name=kind, results=(1,)))
        change(both, "ALTER TABLE told ALTER COLUMN n TYPE int8")
        before = [make().rows("SELECT * FROM told ORDER BY k") for make in both]
        for client in clients:
            for kind in all_kinds:
                begin_by(client, begin)
                came = run(client, name=kind, results=(1,))
                assert codes(came) == ["0A000"] and data(came) == [], (kind, came)
                assert fields(dict(came)["E"])["R"] == "RevalidateCachedQuery", kind
                if begin:
                    assert not codes(client.run(query("COMMIT")))
        assert [make().rows("SELECT * FROM told ORDER BY k") for make in both] == before  # nothing was written
        for kind in all_kinds:
            answers = []
            for client in clients:  # who describes it again goes on
                client.run(close("S", kind) + sync())
                prepare(client, KINDS[kind], kind)
                begin_by(client, begin)
                answers.append(sorted(data(run(client, name=kind, results=(1,)))))
                if begin:
                    client.run(query("ROLLBACK"))
            assert answers[0] == answers[1], kind
            assert answers[0] or not begin, kind
    finally:
        for client in clients:
            client.end()
        change(both, "ALTER TABLE told ALTER COLUMN n TYPE int4")


def test_one_shard_of_a_transaction_over_several(both):
    clients = [make() for make in both]
    for client in clients:
        prepare(client, "SELECT * FROM told WHERE k = $1")
        prepare(client, "UPDATE told_names SET name = name WHERE id = 1 RETURNING *", "names")
    change(both, "ALTER TABLE told ADD extra text DEFAULT 'new'", "ALTER TABLE told_names ADD extra int8 DEFAULT 5")
    try:
        for client in clients:
            client.run(query("BEGIN"))
            client.run(query("UPDATE told SET n = n"))
            came = run(client, [3])
            assert codes(came) == ["0A000"] and data(came) == [], came
            client.run(query("ROLLBACK"))
            came = run(client, name="names")
            assert codes(came) == ["0A000"] and data(came) == [], came
            client.end()
    finally:
        change(both, "ALTER TABLE told DROP extra", "ALTER TABLE told_names DROP extra")


@pytest.mark.parametrize("begin", ["", "BEGIN; UPDATE told SET t = t"])
def test_what_was_described_within_a_transaction_or_by_its_portal(both, begin):
    """pgjdbc describes the first portal of a statement, and no other."""
    clients = [make() for make in both]
    some = ("in order", "gathered", "update")
    for client in clients:
        begin_by(client, begin)
        for kind in some:
            came = client.run(parse(KINDS[kind], kind) + bind(name=kind) + describe("P") + execute() + sync())
            assert kinds(came).startswith("12TD"), came
        client.run(query("COMMIT"))
    change(both, "ALTER TABLE told ALTER COLUMN n TYPE int8")
    try:
        for client in clients:
            for kind in some:
                came = run(client, name=kind)
                assert codes(came) == ["0A000"] and data(came) == [], came
            client.end()
    finally:
        change(both, "ALTER TABLE told ALTER COLUMN n TYPE int4")


def test_a_table_that_stays_as_it_is_changes_no_answer(both):
    answers = []
    for make in both:
        with make() as client:
            answers.append([])
            for kind, sql in KINDS.items():
                prepare(client, sql, kind)
                for begin in ("BEGIN; UPDATE told SET t = t WHERE k IN (1, 2, 3)", "BEGIN"):
                    begin_by(client, begin)
                    answers[-1].append((kind, sorted(data(run(client, name=kind, results=(1,))))))
                    client.run(query("ROLLBACK"))
                if sql.startswith("SELECT"):
                    answers[-1].append((kind, sorted(data(run(client, name=kind, results=(1,))))))
    assert answers[0] == answers[1] and all(rows for _, rows in answers[0])


def test_parameters_keep_their_types(both):
    some = ("UPDATE told SET n = 1 WHERE t = $1", "SELECT k FROM told WHERE t = $1 ORDER BY k",
            "SELECT k, rank() OVER (ORDER BY k) FROM told WHERE t = $1")
    clients = [make() for make in both]
    for client in clients:
        for sql in some:
            prepare(client, sql, sql[:20])
            assert not codes(run(client, ["a"], sql[:20]))
    change(both, "ALTER TABLE told ALTER COLUMN t TYPE bytea USING t::bytea")
    try:
        for client in clients:
            for sql in some:
                assert codes(run(client, ["a"], sql[:20])) == ["42883"], sql
            client.end()
    finally:
        change(both, "ALTER TABLE told ALTER COLUMN t TYPE text USING 'x'")


READ = {
    "DateStyle": ("SET datestyle = 'sql, mdy'", "SET datestyle = 'sql, dmy'", "day = '03/01/2000'"),
    "TimeZone": ("SET timezone = 'UTC'", "SET timezone = 'Asia/Tokyo'", "at > '2000-01-01 11:00'"),
    "IntervalStyle": ("SET intervalstyle = postgres", "SET intervalstyle = sql_standard",
                      "at > '2000-01-01 12:00+00'::timestamptz + '-1 2:03:04'::interval"),
    "standard_conforming_strings": ("SET standard_conforming_strings = on", "SET standard_conforming_strings = off",
                                    r"t <> 'a\\b'"),
    "array_nulls": ("SET array_nulls = on", "SET array_nulls = off", "t = ANY ('{a,NULL}'::text[])"),
}


@pytest.mark.parametrize("setting", READ)
def test_constants_are_not_read_by_settings_that_came_later(both, setting):
    first, later, where = READ[setting]
    with both[0]() as client:
        client.run(query("SET escape_string_warning = off"))
        for kind in ("SELECT k FROM told WHERE {} ORDER BY k", "SELECT count(*) FROM told WHERE {}",
                     "SELECT k, rank() OVER (ORDER BY k) FROM told WHERE {}", "UPDATE told SET n = n WHERE {}"):
            client.run(query(first))
            prepare(client, kind.format(where))
            prepare(client, kind.format("t <> 'open'"), "open")
            assert not codes(run(client))
            answer = run(client, name="open")
            client.run(query(later))
            came = run(client)
            told = [fields(body) for kind, body in came if kind == "E"]
            assert codes(came) == ["0A000"] and setting in told[0]["M"] and "prepare it again" in told[0]["H"], came
            assert run(client, name="open") == answer  # nothing in it could be read otherwise
            client.run(query(first))
            assert not codes(run(client))  # nor is it now
            client.run(query(later) + close("S", "s") + sync(), 2)
            prepare(client, kind.format(where))
            assert not codes(run(client))
            client.run(close("S", "s") + close("S", "open") + sync())


def test_sql_prepare_keeps_its_constants_too(both):
    with both[0]() as client:
        client.run(query("SET datestyle = 'sql, mdy'"))
        client.run(query("PREPARE q AS SELECT k FROM told WHERE day = '03/01/2000' ORDER BY k"))
        client.run(query("PREPARE o AS SELECT k FROM told WHERE t = 'a' ORDER BY k"))
        assert client.rows("EXECUTE q") == [[b"1"]]
        client.run(query("SET datestyle = 'sql, dmy'"))
        assert codes(client.run(query("EXECUTE q"))) == ["0A000"]
        assert client.rows("EXECUTE o") == [[b"1"]]


def test_one_shards_statement_keeps_its_constants_on_another_connection(both):
    some = {"DateStyle": "'02/03/2000'::date", "TimeZone": "'2000-01-01 00:00'::timestamptz AT TIME ZONE 'UTC'",
            "IntervalStyle": "'-1 2:03:04'::interval", "standard_conforming_strings": r"'a\\b'"}
    answers = []
    for make in both:
        with make() as client:
            answers.append([])
            client.run(query("SET escape_string_warning = off"))
            for setting, constant in some.items():
                first, later, _ = READ[setting]
                client.run(query(first))
                prepare(client, f"SELECT k, {constant} FROM told WHERE k = $1")
                client.run(query(f"PREPARE q AS SELECT k, {constant} FROM told WHERE k = $1"))
                client.run(query(later))
                for begin in ("", "BEGIN"):
                    begin_by(client, begin)
                    for key in (1, 2, 3, 4):
                        came = run(client, [key])
                        assert not codes(came), (setting, begin, key, came)
                        answers[-1].append((setting, data(came), client.rows(f"EXECUTE q({key})")))
                        answers[-1].append(client.rows(f"SHOW {setting}"))
                        if begin:
                            client.run(query("COMMIT") + query("BEGIN"), 2)
                    client.run(query("COMMIT"))
                client.run(query("DEALLOCATE q") + close("S", "s") + sync(), 2)
    assert answers[0] == answers[1]


def test_in_a_transaction_settings_of_its_own_count(both):
    with both[0]() as client:
        client.run(query("SET timezone = 'UTC'"))
        prepare(client, "SELECT k FROM told WHERE at > '2000-01-01 11:00' ORDER BY k")
        client.run(query("BEGIN"))
        client.run(query("UPDATE told SET n = n"))
        assert data(run(client)) == [[b"1"]]
        client.run(query("SET LOCAL timezone = 'Asia/Tokyo'"))
        assert codes(run(client)) == ["0A000"]
        client.run(query("ROLLBACK"))
