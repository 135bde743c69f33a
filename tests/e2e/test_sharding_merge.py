"""MERGE on one shard, and on every shard where rows that meet are together; compared with one server."""

import subprocess

import psycopg
import pytest

from conftest import BINARY, knows_tables, until

SQL = """CREATE TABLE stock (id bigint PRIMARY KEY, amount numeric, note text);
         CREATE TABLE changes (id bigint, by_much numeric, note text);
         CREATE TABLE lines (user_id bigint, id bigint, amount numeric, PRIMARY KEY (user_id, id));
         CREATE TABLE rates (code text PRIMARY KEY, rate numeric)"""
TABLES = {"stock": {"key": "id"}, "changes": {"key": "id"}, "lines": {"key": "user_id"}, "rates": {"reference": True}}
ROWS = [f"INSERT INTO {table} VALUES {', '.join(rows)}" for table, rows in (
    ("stock", [f"({i}, {i % 7}, 'n{i}')" for i in range(1, 61)]),
    ("changes", [f"({i}, {i % 5}, 'c{i}')" for i in range(31, 91)]),
    ("lines", [f"({i % 20 + 1}, {i}, {i})" for i in range(1, 81)]),
    ("rates", ["('n1', 1.5)", "('n2', 2.5)", "('n40', 4)"]))]


@pytest.fixture(scope="module")
def proxy(ringway_session, shop_cluster):
    made = ringway_session({"clusters": {"shop": {"tables": TABLES}}}, clusters=[shop_cluster])
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows(f"{SQL}; SELECT 1", user="app")
    done = subprocess.run([BINARY, "init", "--config", made.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: knows_tables(made, "shop"))
    with made.connect(dbname="shop") as client:
        assert until(lambda: "error" not in str(client.execute("EXPLAIN (ROUTE) SELECT * FROM stock, rates, lines, changes WHERE stock.id = 1 AND lines.user_id = 1 AND changes.id = 1", prepare=False).fetchall()))
    yield made
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DROP TABLE stock, changes, lines, rates; SELECT 1", user="app")


@pytest.fixture
def servers(proxy, shop_cluster):
    """Ringway, and one server with the same rows."""
    with shop_cluster.primary(shop_cluster.shards[0]).connect(user="app") as alone, proxy.connect(dbname="shop") as client:
        alone.execute(f"DROP SCHEMA IF EXISTS alone CASCADE; CREATE SCHEMA alone; SET search_path = alone; {SQL}")
        for sql in ROWS:
            alone.execute(sql)
            client.execute(sql)
        yield client, alone
        alone.execute("DROP SCHEMA alone CASCADE")
        for table in TABLES:
            client.execute(f"DELETE FROM {table}")


def route(client, sql):
    return dict(reversed(client.execute(f"EXPLAIN (ROUTE) {sql}", prepare=False).fetchall()))


ONE = [
    "MERGE INTO stock s USING (VALUES (5, 'five')) v (id, note) ON s.id = v.id WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT VALUES (v.id, 0, v.note)",
    "MERGE INTO stock s USING (VALUES (500, 'new')) v (id, note) ON s.id = v.id WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT (note, id) VALUES (v.note, v.id)",
    "MERGE INTO stock s USING (SELECT 7 AS id, 2.5 AS by_much) v ON v.id = s.id WHEN MATCHED AND s.amount < 3 THEN UPDATE SET amount = s.amount + v.by_much WHEN MATCHED THEN DELETE",
    "MERGE INTO stock s USING (SELECT 7, 2.5) AS v (id, b) ON v.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.b)",
    "MERGE INTO stock USING (VALUES (9, 'x')) v (id, note) ON stock.id = 9 WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT VALUES (9, 1, v.note)",
    "MERGE INTO stock s USING rates r ON s.id = 1 AND r.code = s.note WHEN MATCHED THEN UPDATE SET amount = r.rate",
    "MERGE INTO lines l USING (VALUES (3, 4, 40), (3, 400, 1), (3, 24, 5)) v (u, i, a) ON l.user_id = v.u AND l.id = v.i WHEN MATCHED THEN UPDATE SET amount = v.a WHEN NOT MATCHED THEN INSERT VALUES (v.u, v.i, v.a)",
    "MERGE INTO lines l USING stock s ON l.user_id = s.id AND s.id = 6 WHEN MATCHED THEN UPDATE SET amount = s.amount",
    "MERGE INTO stock s USING (VALUES (5)) v (id) ON s.id = v.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING",
    "WITH c AS (SELECT 1.25 AS by) MERGE INTO stock s USING c ON s.id = 12 WHEN MATCHED THEN UPDATE SET amount = c.by",
]
EVERY = [
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN MATCHED THEN UPDATE SET amount = s.amount + c.by_much, note = c.note WHEN NOT MATCHED THEN INSERT VALUES (c.id, c.by_much, c.note)",
    "MERGE INTO stock s USING changes c ON c.id = s.id WHEN MATCHED AND c.by_much = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'm' WHEN NOT MATCHED AND c.id > 70 THEN INSERT (amount, id) VALUES (7, c.id) WHEN NOT MATCHED THEN INSERT (id, note) VALUES (c.id, 'low')",
    "MERGE INTO stock s USING lines l ON l.user_id = s.id AND l.id < 20 WHEN MATCHED THEN UPDATE SET amount = l.amount",
    "MERGE INTO stock s USING rates r ON r.code = s.note WHEN MATCHED THEN UPDATE SET amount = r.rate",
    "MERGE INTO stock AS s USING (changes c JOIN rates r ON r.code = 'n1') ON s.id = c.id WHEN MATCHED THEN UPDATE SET amount = r.rate WHEN NOT MATCHED THEN INSERT VALUES (c.id, r.rate, c.note)",
    "MERGE INTO stock s USING (VALUES (1), (2), (3), (4), (5), (6), (7)) v (id) ON s.id = v.id WHEN MATCHED THEN DELETE",
    "MERGE INTO lines l USING changes c ON l.user_id = c.id AND l.id = 5 WHEN NOT MATCHED THEN INSERT (id, user_id, amount) VALUES (5, c.id, c.by_much)",
]
REFUSED = [
    "WITH c AS (SELECT * FROM changes) MERGE INTO stock s USING c ON s.note = c.note WHEN MATCHED THEN DELETE",
    "WITH c AS (SELECT * FROM changes) MERGE INTO stock s USING c ON s.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (c.id)",
    "WITH changes AS (SELECT * FROM rates) MERGE INTO stock s USING changes c ON s.id = c.rate WHEN MATCHED THEN DELETE",
    "MERGE INTO stock s USING changes c ON s.id = c.by_much WHEN MATCHED THEN DELETE",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (c.id + 1, 1)",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN MATCHED THEN UPDATE SET id = c.id + 1",
    "MERGE INTO stock s USING rates r ON r.code = s.note WHEN NOT MATCHED THEN INSERT VALUES (77, 1, r.code)",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN MATCHED THEN UPDATE SET amount = (SELECT max(by_much) FROM changes)",
    "MERGE INTO stock s USING (SELECT id, sum(by_much) AS b FROM changes GROUP BY id) c ON s.id = c.id WHEN MATCHED THEN UPDATE SET amount = c.b",
    "MERGE INTO rates r USING stock s ON r.code = s.note WHEN MATCHED THEN DELETE",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN NOT MATCHED THEN INSERT (note) VALUES ('x')",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "MERGE INTO stock s USING changes c ON s.id = c.id WHEN MATCHED THEN UPDATE SET note = now()::text",
    "MERGE INTO stock s USING (VALUES (101), (102), (103), (104), (105), (106), (107)) v (id) ON s.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (v.id)",
]


def same(client, alone, sql, values=None):
    expected = alone.execute(sql, values)
    for run in (client.cursor(), psycopg.ClientCursor(client)):
        with client.transaction() as transaction:
            assert run.execute(sql, values).statusmessage == expected.statusmessage
            for table in TABLES:
                assert sorted(client.execute(f"SELECT * FROM {table}").fetchall(), key=repr) == sorted(alone.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            raise psycopg.Rollback(transaction)
    client.execute(sql, values)
    for table in TABLES:
        assert sorted(client.execute(f"SELECT * FROM {table}").fetchall(), key=repr) == sorted(alone.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


@pytest.mark.parametrize("sql", ONE)
def test_on_one_shard(servers, sql):
    client, alone = servers
    assert route(client, sql)["plan"] == "one shard"
    same(client, alone, sql)


def test_parameters(servers):
    client, alone = servers
    for key in (3, 55, 700, 701):
        same(client, alone, "MERGE INTO stock s USING (VALUES (%s::bigint, %s::text)) v (id, note) ON s.id = v.id "
             "WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, v.note)", (key, "p"))


@pytest.mark.parametrize("sql", EVERY)
def test_on_every_shard(servers, sql):
    client, alone = servers
    told = route(client, sql)
    assert told["plan"] == "several shards" and "error" not in told, told
    same(client, alone, sql)


def test_one_row_that_fails_leaves_all_as_it_was(servers):
    client, alone = servers
    before = sorted(client.execute("SELECT * FROM stock").fetchall())
    for server in servers:
        with pytest.raises(psycopg.errors.DivisionByZero):
            server.execute("MERGE INTO stock s USING changes c ON s.id = c.id WHEN MATCHED THEN UPDATE SET amount = 1 / (s.id - 44)")
    assert sorted(client.execute("SELECT * FROM stock").fetchall()) == before


@pytest.mark.parametrize("sql", REFUSED)
def test_what_cannot_be_placed_is_refused(servers, sql):
    client, _ = servers
    before = sorted(client.execute("SELECT * FROM stock").fetchall(), key=repr)
    with pytest.raises(psycopg.Error) as why:
        client.execute(sql)
    assert why.value.sqlstate in ("0A000", "23502"), why.value
    assert sorted(client.execute("SELECT * FROM stock").fetchall(), key=repr) == before
