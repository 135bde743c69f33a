"""INSERT ... SELECT over shards: each inserts what it has, as one server would, or it is refused."""

import subprocess

import psycopg
import pytest

from conftest import BINARY, until

SQL = """CREATE TABLE archive (id bigint, user_id bigint, amount numeric, note text, at serial);
         CREATE TABLE totals (user_id bigint PRIMARY KEY, orders bigint, amount numeric);
         CREATE TABLE short (user_id numeric(3), note text)"""
TABLES = {"archive": {"key": "user_id"}, "totals": {"key": "user_id"}, "short": {"key": "user_id"}}
KEYS = range(93001, 93041)


@pytest.fixture(scope="module")
def proxy(ringway_session, shop_cluster):
    servers = [shop_cluster.primary(shard) for shard in shop_cluster.shards]
    for server in servers:
        server.rows(f"{SQL}; SELECT 1", user="app")
    made = ringway_session({"clusters": {"shop": {"tables": TABLES}}}, clusters=[shop_cluster])
    done = subprocess.run([BINARY, "init", "--config", made.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    with made.connect(dbname="shop") as client:
        assert until(lambda: "scatter" in str(client.execute("EXPLAIN (ROUTE) SELECT * FROM totals").fetchall()))
        for key in KEYS:
            client.execute("INSERT INTO users VALUES (%s, %s, 'de')", (key, f"n{key % 7}"))
            for i in range(key % 3):
                client.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", (key * 10 + i, key, key % 11 + i, f"note {i}"))
    yield made
    for server in servers:
        server.rows("DROP TABLE archive, totals, short; DELETE FROM users WHERE id BETWEEN 93001 AND 93999;"
                    "DELETE FROM orders WHERE user_id BETWEEN 93001 AND 93999; SELECT 1", user="app")


@pytest.fixture
def one_server(shop_cluster, proxy):
    """All rows on one plain server, in tables of the same names."""
    with shop_cluster.primary(shop_cluster.shards[0]).connect(user="app") as server, proxy.connect(dbname="shop") as client:
        server.execute(f"CREATE SCHEMA alone; SET search_path = alone; {SQL}")
        for table in ("users", "orders", "countries"):
            server.execute(f"CREATE TABLE {table} (LIKE public.{table} INCLUDING ALL)")
            for row in client.execute(f"SELECT * FROM {table}").fetchall():
                server.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
        for table in TABLES:
            client.execute(f"DELETE FROM {table}")
        yield server
        server.execute("DROP SCHEMA alone CASCADE")


def route(client, sql):
    return dict(reversed(client.execute(f"EXPLAIN (ROUTE) {sql}").fetchall()))


@pytest.mark.parametrize("target,sql", [
    ("archive", "INSERT INTO archive (id, user_id, amount, note) SELECT id, user_id, amount, note FROM orders"),
    ("archive", "INSERT INTO archive SELECT * FROM orders WHERE note = 'note 1'"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT u.id, u.name FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id)"),
    ("archive", "INSERT INTO archive (note, user_id, id) SELECT o.note, u.id, o.id FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.id"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT u.id, c.name FROM users u LEFT JOIN countries c ON c.code = u.country RETURNING user_id, note"),
    ("archive", "INSERT INTO archive (user_id, amount) SELECT user_id, max(amount) FROM orders WHERE user_id IN (93001, 93002, 93003, 93004) GROUP BY user_id"),
    ("totals", "INSERT INTO totals SELECT user_id, count(*), sum(amount) FROM orders GROUP BY user_id HAVING count(*) > 1"),
    ("totals", "INSERT INTO totals SELECT user_id, 1, amount FROM orders ON CONFLICT (user_id) DO NOTHING"),
])
def test_each_shard_inserts_its_own(proxy, one_server, target, sql):
    columns = "user_id, id, amount, note" if target == "archive" else "*"
    everything = f"SELECT {columns} FROM {target}"
    with proxy.connect(dbname="shop") as client:
        told = route(client, sql)
        assert told["plan"] == "several shards" and "error" not in told, told
        for way in ("simple", "extended"):
            expected = one_server.execute(sql)
            cursor = (psycopg.ClientCursor(client) if way == "simple" else client.cursor()).execute(sql)
            assert cursor.statusmessage == expected.statusmessage
            if "RETURNING" in sql:
                assert sorted(cursor.fetchall()) == sorted(expected.fetchall())
            assert sorted(client.execute(everything).fetchall(), key=repr) == sorted(one_server.execute(everything).fetchall(), key=repr)
            for server in (client, one_server):
                server.execute(f"DELETE FROM {target}")
        with client.transaction():
            client.execute(sql)
            assert len(client.execute(everything).fetchall()) == cursor.rowcount
            raise psycopg.Rollback
        assert client.execute(f"SELECT count(*) FROM {target}").fetchone() == (0,)


def test_rows_stand_where_their_keys_belong(proxy, shop_cluster, one_server):
    with proxy.connect(dbname="shop") as client:
        client.execute("INSERT INTO archive SELECT * FROM orders")
        count = client.execute("SELECT count(*) FROM orders").fetchone()[0]
        keys = [row[0] for row in client.execute("SELECT DISTINCT user_id FROM orders").fetchall()]
        assert sum(client.execute("SELECT count(*) FROM archive WHERE user_id = %s", (key,)).fetchone()[0] for key in keys) == count


def test_one_row_that_fails_leaves_none(proxy, one_server):
    sql = "INSERT INTO totals SELECT user_id, 1, 6 / (user_id - 93037) FROM orders"
    with proxy.connect(dbname="shop") as client:
        for server in (client, one_server):
            with pytest.raises(psycopg.Error) as why:
                server.execute(sql)
            assert why.value.sqlstate in ("22012", "23505")
        assert client.execute("SELECT count(*) FROM totals").fetchone() == (0,)


@pytest.mark.parametrize("sql", [
    "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders",
    "INSERT INTO archive (user_id) SELECT user_id FROM orders LIMIT 3",
    "INSERT INTO archive (user_id) SELECT id FROM orders",
    "INSERT INTO archive (user_id, id) SELECT a.user_id, b.id FROM orders a, orders b",
    "INSERT INTO archive (amount) SELECT sum(amount) FROM orders",
    "INSERT INTO archive (user_id) SELECT max(user_id) FROM orders",
    "INSERT INTO short SELECT user_id, note FROM orders",
    "INSERT INTO archive (note, user_id) SELECT count(*), 5 FROM orders",
    "INSERT INTO archive (user_id, note) SELECT user_id, rank() OVER (ORDER BY user_id)::text FROM orders",
    "INSERT INTO archive (user_id, note) SELECT user_id, (SELECT max(name) FROM users) FROM orders",
    "INSERT INTO archive (user_id) SELECT user_id FROM orders UNION SELECT id FROM users",
    "INSERT INTO archive (id, user_id) SELECT id, user_id FROM orders ORDER BY id RETURNING id",
    "INSERT INTO users (id, name) SELECT 1, code FROM countries UNION ALL SELECT 2, 'x'",
])
def test_what_belongs_elsewhere_is_refused(proxy, one_server, sql):
    with proxy.connect(dbname="shop") as client:
        with pytest.raises(psycopg.Error) as why:
            client.execute(sql)
        assert why.value.sqlstate in ("0A000", "23502"), why.value
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (0,)
