"""INSERT ... SELECT over shards, as one server would: each inserts what it has, or rows are carried where they belong."""

import os
import socket
import subprocess
import threading

import psycopg
import pytest

from conftest import BINARY, until
from wire import Wire, bind, describe, execute, kinds, parse, sync

SQL = """CREATE TABLE archive (id bigint, user_id bigint, amount numeric, note text, at serial);
         CREATE TABLE totals (user_id bigint PRIMARY KEY, orders bigint, amount numeric);
         CREATE TABLE short (user_id numeric(3), note text);
         CREATE TABLE plain (user_id bigint DEFAULT 3, note text);
         CREATE TABLE granted (user_id bigint, acl aclitem);
         CREATE TABLE made (user_id bigint NOT NULL, twice bigint GENERATED ALWAYS AS (user_id * 2) STORED, few varchar(6), size int CHECK (size >= 0),
                            numbered bigint GENERATED ALWAYS AS IDENTITY, at date DEFAULT '2020-01-01', tags text[], doc json)"""
TABLES = {"archive": {"key": "user_id"}, "totals": {"key": "user_id"}, "short": {"key": "user_id"}, "made": {"key": "user_id"}, "granted": {"key": "user_id"}}
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
        server.rows("DROP TABLE archive, totals, short, plain, made, granted; DELETE FROM users WHERE id BETWEEN 93001 AND 93999;"
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
        for table in (*TABLES, "plain"):
            client.execute(f"DELETE FROM {table}")
        for shard in shop_cluster.shards:  # the tests' own sessions may read on replicas
            shop_cluster.caught_up(shard)
        yield server
        server.execute("DROP SCHEMA alone CASCADE")


def resident(proxy):
    """Bytes of memory of the proxy's process."""
    with open(f"/proc/{proxy.process.pid}/statm", encoding="ascii") as told:
        return int(told.read().split()[1]) * 4096


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
        assert told["plan"] == "several shards" and "error" not in told, told.get("detail", told)
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


CARRIED = [
    ("archive", "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders"),
    ("archive", "INSERT INTO archive (user_id, id) SELECT user_id, id FROM orders ORDER BY id LIMIT 7"),
    ("archive", "INSERT INTO archive (user_id, amount) SELECT id, amount FROM orders"),
    ("archive", "INSERT INTO archive (user_id, id) SELECT a.user_id, b.id FROM orders a, orders b WHERE a.id < 930150"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT max(user_id), 'max' FROM orders"),
    ("archive", "INSERT INTO archive (note, user_id) SELECT count(*), 5 FROM orders"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT user_id, rank() OVER (ORDER BY user_id)::text FROM orders"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT user_id, (SELECT max(name) FROM users) FROM orders"),
    ("archive", "INSERT INTO archive (user_id) SELECT user_id FROM orders UNION SELECT id FROM users"),
    ("archive", "INSERT INTO archive (id, user_id) SELECT id, user_id FROM orders ORDER BY id RETURNING id, user_id, note"),
    ("archive", "INSERT INTO archive AS a (id, user_id) SELECT id, user_id * 2 FROM orders ORDER BY id DESC RETURNING a.id + 1 AS more, a.*"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT g, 'g' || g FROM generate_series(1, 2500) g"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT g, 'g' || g FROM generate_series(1, 2500) g ORDER BY g % 7, g RETURNING user_id"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT 17 + length(code) % 2, code FROM countries"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT length(name) + row_number() OVER (ORDER BY code), code FROM countries"),
    ("archive", "INSERT INTO archive (user_id, note) VALUES (1 + 2 * 3, 'a'), (length('four') * 10, 'b'), ((SELECT max(id) FROM users), 'c') RETURNING user_id, note"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT 7, name FROM users WHERE id = 93002"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT 12, name FROM users WHERE id IN (93002, 93003, 93004)"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT '44', NULL WHERE EXISTS (SELECT FROM orders WHERE amount > 3)"),
    ("archive", "INSERT INTO archive (user_id, note) SELECT user_id, note FROM orders WHERE false UNION ALL SELECT 1, '1' WHERE false RETURNING *"),
    ("archive", "WITH big AS (SELECT user_id, sum(amount) AS s FROM orders GROUP BY user_id) INSERT INTO archive (user_id, amount, note) SELECT user_id + 1000, s, 'w' FROM big WHERE s > (SELECT avg(s) FROM big)"),
    ("archive", "WITH a AS (SELECT 1 AS k), b AS (SELECT 2 AS k) INSERT INTO archive (user_id) SELECT a.k + b.k FROM a, b"),
    ("archive", "INSERT INTO archive SELECT id, user_id + 3 FROM orders"),
    ("archive", "INSERT INTO archive SELECT o.id, u.id + 1, o.amount, u.name FROM orders o, users u WHERE u.id = o.user_id AND u.name <> 'n1'"),
    ("archive", "INSERT INTO archive (user_id) SELECT DISTINCT id % 11 FROM orders"),
    ("archive", "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO archive (user_id, note) SELECT i, i FROM n"),
    ("totals", "INSERT INTO totals SELECT user_id % 9, count(*), sum(amount) FROM orders GROUP BY user_id % 9"),
    ("totals", "INSERT INTO totals SELECT user_id % 9, 1, amount FROM orders ORDER BY id ON CONFLICT DO NOTHING"),
    ("totals", "INSERT INTO totals AS t SELECT user_id % 9, count(*), sum(amount) FROM orders GROUP BY 1 ON CONFLICT (user_id) DO UPDATE SET orders = t.orders + excluded.orders RETURNING user_id, orders"),
    ("short", "INSERT INTO short SELECT user_id % 900, note FROM orders"),
    ("short", "INSERT INTO short SELECT user_id / 1000.0, note FROM orders RETURNING user_id"),
    ("plain", "INSERT INTO plain SELECT user_id, note FROM orders"),
    ("plain", "INSERT INTO plain (note) SELECT name FROM users UNION SELECT note FROM orders RETURNING note"),
    ("plain", "INSERT INTO plain SELECT count(*), max(note) FROM orders ON CONFLICT DO NOTHING"),
]


@pytest.mark.parametrize("target,sql", CARRIED)
def test_rows_that_belong_elsewhere_are_carried_there(proxy, one_server, target, sql):
    columns = "user_id, id, amount, note" if target == "archive" else "*"
    everything = f"SELECT {columns} FROM {target}"
    ordered = "ORDER BY" in sql and "OVER" not in sql or "VALUES" in sql
    with proxy.connect(dbname="shop") as client:
        told = route(client, sql)
        assert told["plan"] == "several shards" and "carried" not in told and "error" not in told, told.get("detail", told)
        assert "made on one shard" in told["runs"]
        for inside in (False, True):
            for way in ("simple", "extended"):
                expected = one_server.execute(sql)
                if inside:
                    client.execute("BEGIN")
                cursor = (psycopg.ClientCursor(client) if way == "simple" else client.cursor()).execute(sql)
                assert cursor.statusmessage == expected.statusmessage
                if "RETURNING" in sql:
                    assert [c.name for c in cursor.description] == [c.name for c in expected.description]
                    assert [c.type_code for c in cursor.description] == [c.type_code for c in expected.description]
                    ours, theirs = cursor.fetchall(), expected.fetchall()
                    if "a.*" in sql:  # with a serial column, which counts on each shard by itself
                        ours, theirs = [row[:-1] for row in ours], [row[:-1] for row in theirs]
                    assert (ours if ordered else sorted(ours, key=repr)) == (theirs if ordered else sorted(theirs, key=repr))
                ours = client.execute(everything).fetchall()
                assert sorted(ours, key=repr) == sorted(one_server.execute(everything).fetchall(), key=repr)
                if inside:
                    client.execute("COMMIT")
                for key in {row[0] for row in ours[:20]}:  # found by its key: it stands where that belongs
                    if target != "plain":
                        assert client.execute(f"SELECT count(*) FROM {target} WHERE user_id = %s", [key]).fetchone()[0] == \
                            sum(row[0] == key for row in ours)
                for server in (client, one_server):
                    server.execute(f"DELETE FROM {target}")
        client.execute("BEGIN")
        count = client.execute(sql).rowcount
        assert len(client.execute(everything).fetchall()) == count
        client.execute("ROLLBACK")
        assert client.execute(f"SELECT count(*) FROM {target}").fetchone() == (0,)


@pytest.mark.parametrize("sql,values", [
    ("INSERT INTO archive (user_id, note) SELECT user_id + %s, %s FROM orders", (5, "p")),
    ("INSERT INTO archive (user_id, note) SELECT %s, note FROM orders WHERE amount > %s RETURNING user_id, note || %s", (5, 3, "x")),
    ("INSERT INTO archive (user_id, amount) SELECT g, %s FROM generate_series(1, %s) g RETURNING amount + %s", ("1.5", 40, 1)),
    ("INSERT INTO archive (user_id, note) VALUES (%s + 1, %s), (%s * 2, NULL) RETURNING note, user_id", (9, "é", 10)),
    ("INSERT INTO totals SELECT user_id %% %s, count(*) FROM orders GROUP BY 1 ON CONFLICT (user_id) DO UPDATE SET orders = totals.orders + %s RETURNING *", (9, 100)),
    ("INSERT INTO archive (user_id, id) SELECT user_id + 1, id FROM orders WHERE user_id = ANY(%s)", ([93001, 93002, 93004],)),
])
@pytest.mark.parametrize("binary", [False, True])
def test_parameters(proxy, one_server, sql, values, binary):
    target = "totals" if "totals" in sql else "archive"
    columns = "user_id, id, amount, note" if target == "archive" else "*"
    with proxy.connect(dbname="shop") as client:
        for name in ("", "twice"):
            for _ in range(2):
                ours, theirs = (server.cursor(binary=binary).execute(sql, values, prepare=bool(name)) for server in (client, one_server))
                assert ours.statusmessage == theirs.statusmessage
                if ours.description:
                    assert sorted(ours.fetchall(), key=repr) == sorted(theirs.fetchall(), key=repr)
            ours, theirs = (sorted(server.execute(f"SELECT {columns} FROM {target}").fetchall(), key=repr) for server in (client, one_server))
            assert ours == theirs


@pytest.mark.parametrize("sql", [
    "INSERT INTO archive (user_id) SELECT 1 / (user_id - 93037) FROM orders",
    "INSERT INTO archive (user_id, nothing) SELECT id, 1 FROM orders",
    "INSERT INTO archive (user_id) SELECT id, 1 FROM orders",
    "INSERT INTO archive (user_id, note) SELECT id + 1 FROM orders",
    "INSERT INTO archive (user_id) SELECT name FROM users",
    "INSERT INTO archive (user_id) SELECT name::bigint FROM users",
    "INSERT INTO archive (user_id) SELECT nothing FROM orders",
    "INSERT INTO archive (user_id) SELECT max(user_id) FROM orders WHERE $1 = 1",
    "INSERT INTO archive (user_id) SELECT id + 9223372036854775000 FROM orders",
    "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders RETURNING nothing",
    "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders RETURNING 1 / (user_id - user_id)",
    "INSERT INTO totals SELECT user_id % 9, 1, amount FROM orders",
    "INSERT INTO totals SELECT user_id % 9, 1, amount FROM orders ON CONFLICT (user_id) DO UPDATE SET orders = 2",
    "INSERT INTO totals SELECT user_id % 9, 1, amount FROM orders ON CONFLICT (orders) DO NOTHING",
    "INSERT INTO short SELECT user_id, note FROM orders",
    "INSERT INTO made (user_id, twice) SELECT 1 / (id - id), 2 FROM orders",
    "INSERT INTO made (numbered, user_id) SELECT 1 / (id - id), 2 FROM orders",
    "INSERT INTO made (user_id, few) SELECT id, 'too long' FROM orders",
    "INSERT INTO made (user_id, size) SELECT id % 5, -1 FROM orders",
])
def test_errors_are_the_servers_and_leave_nothing(proxy, one_server, sql):
    with proxy.connect(dbname="shop") as client:
        for inside in (False, True):
            codes = []
            for server in (client, one_server):
                if inside:
                    server.execute("BEGIN")
                with pytest.raises(psycopg.Error) as why:
                    psycopg.ClientCursor(server).execute(sql)
                codes.append((why.value.sqlstate, why.value.diag.statement_position))
                if inside:
                    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                        server.execute("SELECT 1")
                    server.execute("ROLLBACK")
            assert codes[0] == codes[1]
        for table in ("archive", "totals", "short", "made"):
            assert client.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_columns_that_a_server_makes(proxy, one_server):
    for sql in ("INSERT INTO made (user_id, few, size) SELECT id, note, 1 FROM (SELECT id, left(note, 3) AS note FROM orders) o",
                "INSERT INTO made (user_id, numbered) OVERRIDING SYSTEM VALUE SELECT user_id + 1, id FROM orders RETURNING user_id, twice, numbered",
                "INSERT INTO made (user_id, at, tags, doc) SELECT id, '2024-02-29', ARRAY[note, NULL], json_build_object('a', amount) FROM orders RETURNING at, tags, doc"):
        with proxy.connect(dbname="shop") as client:
            ours, theirs = (server.execute(sql) for server in (client, one_server))
            assert ours.statusmessage == theirs.statusmessage
            if ours.description:
                assert sorted(ours.fetchall(), key=repr) == sorted(theirs.fetchall(), key=repr)
            look = "SELECT user_id, twice, few, size, at, tags, doc::text FROM made"
            ours, theirs = (sorted(server.execute(look).fetchall(), key=repr) for server in (client, one_server))
            assert ours == theirs and ours
            for server in (client, one_server):
                server.execute("DELETE FROM made")


def test_a_table_is_its_own_source(proxy, one_server):
    """The SELECT does not see what the INSERT puts in, and sees what the transaction has written."""
    with proxy.connect(dbname="shop") as client:
        for server in (client, one_server):
            server.execute("BEGIN")
            for key in range(1, 9):
                server.execute("INSERT INTO archive (user_id, id) VALUES (%s, 1)", [key])
            for step in range(3):
                assert server.execute("INSERT INTO archive (user_id, id) SELECT user_id + 7, id + 1 FROM archive").rowcount == 8 * 2**step
            server.execute("SAVEPOINT a")
            server.execute("INSERT INTO archive (user_id, id) SELECT count(*), -1 FROM archive")
            server.execute("ROLLBACK TO a")
            server.execute("COMMIT")
        look = "SELECT user_id, id FROM archive"
        assert sorted(client.execute(look).fetchall()) == sorted(one_server.execute(look).fetchall())


def test_reference_tables_get_rows_that_are_made_once(proxy, shop_cluster, one_server):
    sql = "INSERT INTO countries (code, name) SELECT 'y' || user_id % 7, max(note) FROM orders GROUP BY user_id % 7 RETURNING code, name"
    with proxy.connect(dbname="shop") as client:
        try:
            ours, theirs = client.execute(sql), one_server.execute(sql)
            assert ours.statusmessage == theirs.statusmessage and sorted(ours.fetchall()) == sorted(theirs.fetchall())
            look = "SELECT code, name FROM countries WHERE code LIKE 'y%' ORDER BY code"
            for shard in shop_cluster.shards:
                assert shop_cluster.primary(shard).rows(look) == one_server.execute(look).fetchall()
            for source in ("SELECT 'yz', random()::text", "VALUES ('yz', random()::text)", "VALUES ('yz', inet_server_port()::text)"):
                assert client.execute(f"INSERT INTO countries (code, name) {source}").rowcount == 1
                assert len({str(shop_cluster.primary(shard).rows("SELECT name FROM countries WHERE code = 'yz'")) for shard in shop_cluster.shards}) == 1
                client.execute("DELETE FROM countries WHERE code = 'yz'")
        finally:
            client.execute("DELETE FROM countries WHERE code LIKE 'y%'")


def test_volatile_values_are_made_once(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        client.execute("INSERT INTO archive (user_id, note) SELECT g, (SELECT random()::text) FROM generate_series(1, 50) g")
        assert client.execute("SELECT count(DISTINCT note), count(*) FROM archive").fetchone() == (1, 50)
        client.execute("INSERT INTO archive (user_id, note) SELECT g, now()::text FROM generate_series(51, 99) g")
        assert client.execute("SELECT count(DISTINCT note) FROM archive WHERE user_id > 50").fetchone() == (1,)


def test_a_statement_of_a_text_a_pipeline_and_a_limited_portal(proxy, one_server):
    sql = "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders"
    with proxy.connect(dbname="shop") as client:
        count = client.execute("SELECT count(*) FROM orders").fetchone()[0]
        client.execute(f"{sql}; {sql}; SELECT 1")
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (2 * count,)
        with client.pipeline():
            client.execute(sql)
            client.execute("UPDATE archive SET note = 'p'")
            both = client.execute("SELECT count(*) FROM archive WHERE note = 'p'")
        assert both.fetchone() == (3 * count,)
        with client.transaction():
            client.execute("DELETE FROM archive")
            assert client.execute(f"{sql} RETURNING user_id").rowcount == count
    with Wire(proxy.port, database="shop") as client:
        batch = parse(f"{sql} RETURNING user_id") + bind() + describe("P") + execute(max_rows=4) + execute(max_rows=3) + execute() + sync()
        came = kinds(client.run(batch))
        assert came == f"12T{'D' * 4}s{'D' * 3}s{'D' * (count - 7)}CZ", came


def test_more_rows_than_are_kept_is_an_error(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as why:
            client.execute("INSERT INTO totals SELECT g, 1 FROM generate_series(1, 200000) g ON CONFLICT (user_id) DO UPDATE SET orders = 2")
        assert why.value.diag.message_hint
        assert client.execute("SELECT count(*) FROM totals").fetchone() == (0,)


def test_a_client_that_goes_leaves_nothing(proxy, shop_cluster, one_server):
    client = proxy.connect(dbname="shop")
    client.execute("SET application_name = 'gone_in_the_middle'")
    slow = "INSERT INTO archive (user_id, note) SELECT g, 'gone' FROM (SELECT g, pg_sleep(0.1) FROM generate_series(1, 200) g) s"
    sending = threading.Thread(target=lambda: pytest.raises(psycopg.Error, client.execute, slow))
    sending.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%_ringway_carried%' AND state = 'active' AND pid <> pg_backend_pid()"
    assert until(lambda: shop_cluster.primary(shop_cluster.shards[0]).rows(running)[0][0] == 1)
    socket.socket(fileno=client.pgconn.socket).shutdown(socket.SHUT_RDWR)
    sending.join()
    assert until(lambda: shop_cluster.primary(shop_cluster.shards[0]).rows(running)[0][0] == 0)
    with proxy.connect(dbname="shop") as other:
        assert other.execute("SELECT count(*) FROM archive").fetchone() == (0,)
        assert other.execute("INSERT INTO archive (user_id) SELECT 1 + count(*) FROM orders").rowcount == 1


def test_a_cancel_ends_it(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        timer = threading.Timer(0.5, client.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute("INSERT INTO archive (user_id) SELECT g FROM (SELECT g, pg_sleep(0.1) FROM generate_series(1, 200) g) s")
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (0,)


def test_rights_are_those_of_the_user(proxy, shop_cluster, one_server):
    """The target need not be readable; who may not write it hears so before anything is read."""
    def everywhere(sql):
        for shard in shop_cluster.shards:
            shop_cluster.primary(shard).rows(f"{sql}; SELECT 1", user="app")
            shop_cluster.caught_up(shard)

    sql = "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders"
    with proxy.connect(dbname="shop") as client:
        count = client.execute("SELECT count(*) FROM orders").fetchone()[0]
        try:
            everywhere("REVOKE SELECT ON archive FROM app")
            assert client.execute(sql).rowcount == count
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(f"{sql} RETURNING user_id")
            everywhere("REVOKE INSERT ON archive FROM app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(sql.replace("user_id + 1", "1 / (user_id - user_id)"))
        finally:
            everywhere("GRANT ALL ON archive TO app")
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (count,)


@pytest.mark.parametrize("sql", [
    "INSERT INTO archive (amount) SELECT sum(amount) FROM orders",
    "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders RETURNING now()",
    "INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders RETURNING (SELECT count(*) FROM users)",
    "INSERT INTO archive (user_id) SELECT id FROM users FOR UPDATE",
    "INSERT INTO archive SELECT id FROM orders",
    "INSERT INTO archive (user_id) SELECT NULLIF(user_id, 93037) + 0 FROM orders",
    "WITH a AS (SELECT 1 AS k) INSERT INTO archive (user_id) WITH b AS (SELECT 2 AS k) SELECT a.k + b.k FROM a, b",
    "WITH gone AS (DELETE FROM orders RETURNING user_id) INSERT INTO archive (user_id) SELECT user_id + 1 FROM gone",
])
def test_what_cannot_be_carried_is_refused(proxy, one_server, sql):
    with proxy.connect(dbname="shop") as client:
        with pytest.raises(psycopg.Error) as why:
            client.execute(sql)
        assert why.value.sqlstate in ("0A000", "23502"), why.value
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (0,)


def test_in_a_read_only_transaction(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        client.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders")


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_many_rows_flow_to_their_shards(proxy, one_server, way):
    """More than are kept in the proxy; none is left when one of the last fails."""
    rows = 300000
    sql = f"INSERT INTO archive (note, user_id, amount) SELECT repeat('x', 300) || g, g, g / 7.0 FROM generate_series(1, {rows}) g"
    with proxy.connect(dbname="shop") as client:
        cursor = psycopg.ClientCursor(client) if way == "simple" else client.cursor()
        before = resident(proxy)
        assert cursor.execute(sql).statusmessage == f"INSERT 0 {rows}"
        assert resident(proxy) - before < 64 << 20
        assert client.execute("SELECT count(*), count(DISTINCT user_id), sum(amount), min(note), sum(length(note)) FROM archive").fetchone() == \
            one_server.execute(f"SELECT count(*), count(DISTINCT g), sum(g / 7.0), min(repeat('x', 300) || g), sum(length(repeat('x', 300) || g)) FROM generate_series(1, {rows}) g").fetchone()
        for key in (1, 2, 3, 4, rows - 1, rows):
            assert client.execute("SELECT count(*) FROM archive WHERE user_id = %s", [key]).fetchone() == (1,)
        client.execute("BEGIN")
        assert client.execute("INSERT INTO archive (user_id, note) SELECT user_id + 1, note FROM archive").rowcount == rows
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (2 * rows,)
        client.execute("ROLLBACK")
        client.execute("TRUNCATE archive")
        for broken, code in (("made (user_id, size, doc) SELECT g, 250000 - g, to_json(repeat('x', 300))", "23514"),
                             ("archive (user_id, note) SELECT nullif(g, 250000), repeat('x', 300)", "23502"),
                             ("totals SELECT g % 250000, 1", "23505")):
            with pytest.raises(psycopg.Error) as why:
                cursor.execute(f"INSERT INTO {broken} FROM generate_series(1, {rows}) g")
            assert why.value.sqlstate == code and not (why.value.diag.context or "").startswith("COPY")
        assert [client.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES] == [0] * len(TABLES)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            cursor.execute(f"INSERT INTO archive (user_id, note) SELECT g, repeat('x', 300) FROM generate_series(1, {rows}) g RETURNING id")
        assert client.execute("SELECT count(*) FROM archive").fetchone() == (0,)


@pytest.mark.parametrize("what", ["cancel", "kill", "gone"])
def test_rows_that_flow_all_arrive_or_none(proxy, shop_cluster, one_server, what):
    """Whatever ends it, at whatever moment."""
    rows = 100000
    sql = f"INSERT INTO archive (note, user_id) SELECT repeat('x', 300), g FROM generate_series(1, {rows}) g"
    running = "FROM pg_stat_activity WHERE query LIKE '%archive%' AND pid <> pg_backend_pid() AND state = 'active'"
    for delay in (0.2, 0.35, 0.5, 0.65):
        with proxy.connect(dbname="shop") as client:
            client.execute("TRUNCATE archive")
            way_out = {"cancel": client.cancel,
                       "gone": lambda: socket.socket(fileno=os.dup(client.pgconn.socket)).shutdown(socket.SHUT_RDWR),
                       "kill": lambda: shop_cluster.primary(shop_cluster.shards[-1]).rows(f"SELECT pg_terminate_backend(pid) {running}")}[what]
            timer = threading.Timer(delay, way_out)
            timer.start()
            try:
                expected = {client.execute(sql).rowcount}
            except psycopg.Error:
                expected = {0, rows} if what == "gone" else {0}  # who is gone does not hear that it was committed
            timer.join()
        with proxy.connect(dbname="shop") as other:
            assert until(lambda: other.execute("SELECT count(*) FROM archive").fetchone()[0] in expected, 10)
            assert other.execute("INSERT INTO archive (user_id) SELECT user_id + 1 FROM orders").rowcount > 0
    for shard in shop_cluster.shards:
        assert shop_cluster.primary(shard).rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_semicolons_before_it_end_nothing(proxy, one_server, way):
    sql = "; /* ; */ ;INSERT INTO archive (user_id, note) SELECT user_id + 1, ';' FROM orders;"
    with proxy.connect(dbname="shop") as client:
        done = psycopg.ClientCursor(client).execute(sql) if way == "simple" else client.execute(sql.replace("';'", "%s"), [";"])
        assert done.rowcount == client.execute("SELECT count(*) FROM orders").fetchone()[0] > 0
        assert client.execute("SELECT DISTINCT note FROM archive").fetchall() == [(";",)]
        with pytest.raises(psycopg.Error) as why:
            psycopg.ClientCursor(client).execute("; INSERT INTO archive (user_id, nothing) SELECT user_id + 1, 1 FROM orders")
        assert why.value.sqlstate == "42703" and why.value.diag.statement_position == "33"


@pytest.mark.parametrize("source,why", [
    ("SELECT 93001 + row_number() OVER (), relname FROM pg_class", "reads the system's own tables"),
    ("SELECT 93001 + row_number() OVER (), table_name FROM information_schema.tables", "reads the system's own tables"),
    ("SELECT g, pg_my_temp_schema() FROM generate_series(93001, 93009) g", "calls pg_my_temp_schema"),
    ("SELECT g, txid_current_if_assigned() FROM generate_series(93001, 93009) g", "calls txid_current_if_assigned"),
])
def test_what_would_see_our_temporary_tables_is_refused(proxy, one_server, source, why):
    with proxy.connect(dbname="shop") as client, pytest.raises(psycopg.errors.FeatureNotSupported, match=why):
        client.execute(f"INSERT INTO archive (user_id, note) {source}")


def test_the_error_of_a_moved_row_has_no_context_of_ours(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        client.execute("INSERT INTO totals SELECT id, 1 FROM users WHERE id BETWEEN 93001 AND 93040")
        for key in KEYS[1:]:
            with pytest.raises(psycopg.errors.UniqueViolation) as why:
                client.execute(f"UPDATE totals SET user_id = {key} WHERE user_id = {KEYS[0]}")
            assert why.value.diag.context is None


def test_a_row_without_a_binary_form_is_not_moved(proxy, one_server):
    with proxy.connect(dbname="shop") as client:
        refused = 0
        for key in KEYS[1:]:
            client.execute("DELETE FROM granted")
            client.execute("INSERT INTO granted VALUES (%s, 'app=r/app')", [KEYS[0]])
            try:
                client.execute(f"UPDATE granted SET user_id = {key} WHERE user_id = {KEYS[0]}")
            except psycopg.errors.FeatureNotSupported as why:
                assert "type aclitem cannot be brought to another shard" in str(why)
                refused += 1
            assert client.execute("SELECT count(*) FROM granted").fetchone() == (1,)
        assert 0 < refused < len(KEYS) - 1
