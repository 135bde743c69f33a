"""Reads over several shards: every answer is the one that a single server with all rows gives."""

import decimal
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import BINARY, admin, knows_tables, until
from wire import INT4, Wire, bind, close, codes, describe, execute, fields, flush, kinds, one, parse, query, row, sync

USERS = [(key, f"n{key % 7}", ("de", "fr", "jp")[key % 3]) for key in range(5001, 5061)]
ORDERS = [(key * 10 + i, key, decimal.Decimal(key) / 7 + i, f"note {i}" if i else None) for key, _, _ in USERS[::2] for i in range(3)]


@pytest.fixture(scope="module")
def data(shop_cluster, shop_proxy):
    """(schema, a connection to one server with all rows in a schema of its own): and the same rows on the shards."""
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    done = subprocess.run([BINARY, "init", "--config", shop_proxy.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with shop_proxy.connect() as client:
        for row in USERS:
            client.execute("INSERT INTO users VALUES (%s, %s, %s)", row)
        for row in ORDERS:
            client.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows(
            "INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France') ON CONFLICT DO NOTHING", user="app")
        shop_cluster.caught_up(shard)
    first = shop_cluster.primary(shop_cluster.shards[0])
    with first.connect(user="app") as one_server:
        one_server.execute("CREATE SCHEMA whole")
        for table in ("users", "orders", "countries"):
            one_server.execute(f"CREATE TABLE whole.{table} (LIKE public.{table} INCLUDING ALL)")
        for shard in shop_cluster.shards:
            for table in ("users", "orders", "countries"):
                if table == "countries" and shard != shop_cluster.shards[0]:
                    continue
                rows = shop_cluster.primary(shard).rows(f"SELECT * FROM public.{table}")
                for row in rows:
                    one_server.execute(f"INSERT INTO whole.{table} VALUES ({', '.join(['%s'] * len(row))})", row)
        one_server.execute("SET search_path = whole")
        yield one_server
        one_server.execute("DROP SCHEMA whole CASCADE")
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DELETE FROM countries RETURNING 1", user="app")
        for table in ("users", "orders"):
            shop_cluster.primary(shard).rows(
                f"DELETE FROM {table} WHERE {'id' if table == 'users' else 'user_id'} BETWEEN 5001 AND 5060 RETURNING 1", user="app")


STATEMENTS = [
    "SELECT count(*) FROM orders",
    "SELECT * FROM users ORDER BY id",
    "SELECT * FROM users ORDER BY name COLLATE \"C\" DESC, id LIMIT 7 OFFSET 3",
    "SELECT name, count(*), min(id), max(id), avg(id) FROM users GROUP BY name ORDER BY name",
    "SELECT sum(id), avg(id), stddev(id), string_agg(name, ',' ORDER BY id), array_agg(id ORDER BY id DESC) FROM users",
    "SELECT country, count(DISTINCT name) FROM users GROUP BY ROLLUP (country) ORDER BY country NULLS FIRST",
    "SELECT u.id, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id",
    "SELECT u.name, c.name FROM users u JOIN countries c ON c.code = u.country ORDER BY u.id",
    "SELECT a.id, b.id FROM users a JOIN users b ON a.name = b.name AND a.id < b.id ORDER BY 1, 2",
    "SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE note IS NULL) ORDER BY id",
    "SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id) ORDER BY id",
    "WITH big AS (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) SELECT * FROM big WHERE n > 2 ORDER BY user_id",
    "WITH RECURSIVE r(i) AS (SELECT min(id) FROM users UNION ALL SELECT i + 1 FROM r WHERE i < 5010) SELECT * FROM r",
    "SELECT id, rank() OVER (PARTITION BY country ORDER BY id) FROM users ORDER BY id",
    "SELECT DISTINCT ON (country) country, id FROM users ORDER BY country, id DESC",
    "SELECT id FROM users WHERE id < 5010 UNION SELECT user_id FROM orders WHERE user_id > 5050 ORDER BY 1",
    "SELECT id FROM users EXCEPT SELECT user_id FROM orders ORDER BY 1",
    "SELECT u.id, x.note FROM users u, LATERAL (SELECT note FROM orders o WHERE o.user_id = u.id ORDER BY o.id DESC LIMIT 1) x ORDER BY 1",
    "SELECT (SELECT count(*) FROM orders), (SELECT max(id) FROM users)",
    "SELECT * FROM users WHERE id IN (5001, 5002, 5003, 5004, 5005) ORDER BY id",
    "SELECT * FROM users WHERE id = 5001 OR name = 'n3' ORDER BY id",
    "SELECT * FROM users WHERE id BETWEEN 5001 AND 5030 ORDER BY id",
    "SELECT row_to_json(u) FROM users u ORDER BY id",
    "SELECT json_agg(u ORDER BY u.id) FROM users u",
    "SELECT u.id, u.name, u.country, count(*) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id",
    "SELECT count(users) FROM users",
    "SELECT b FROM users AS u (a, b) ORDER BY a LIMIT 3",
    "SELECT o.* FROM users NATURAL JOIN orders o ORDER BY 1",
    "SELECT count(*) FROM users TABLESAMPLE BERNOULLI (100)",
    "SELECT GROUPING(country), country, count(*) FROM users GROUP BY CUBE (country) ORDER BY 1, 2",
    "SELECT \"id\" FROM \"users\" WHERE \"users\".\"id\" > 5055 ORDER BY 1",
    "SELECT count(*) FILTER (WHERE note IS NULL), bool_and(id > 0) FROM orders",
    "SELECT 2 * id FROM orders WHERE id * 2 > 3 ORDER BY 1 LIMIT 5",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM users",
    "SELECT sum(amount), avg(amount), min(amount), variance(amount) FROM orders",
    "SELECT amount, note FROM orders ORDER BY amount DESC, note",
    "SELECT count(*), min(id) FROM users WHERE country = 'de' AND name IN ('n1', E'n\\x32')",
    "SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND u.country = 'de' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.note = 'note 1' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id AND u.country = 'de' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM users u FULL JOIN orders o ON o.user_id = u.id AND o.note = 'note 1' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM orders o RIGHT JOIN users u ON o.user_id = u.id AND u.country = 'de' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE o.note = 'note 2' ORDER BY 1, 2",
    "SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.country = 'fr' AND o.id IS NULL ORDER BY 1, 2",
    "SELECT id FROM users WHERE NOT (country = 'de') ORDER BY id",
    "SELECT id FROM users WHERE (country = 'de') IS NOT TRUE ORDER BY id",
    "SELECT id FROM users WHERE country = 'de' OR name = 'n1' ORDER BY id",
    "SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.note = 'note 1') ORDER BY id",
    "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE note = 'note 1') ORDER BY id",
    "SELECT count(*) FILTER (WHERE country = 'de'), count(*) FROM users",
    "SELECT country, count(*) FROM users GROUP BY country HAVING country = 'de'",
    "SELECT id, count(*) OVER () FROM users WHERE country = 'de' ORDER BY id",
    "SELECT CASE WHEN country = 'de' THEN 1 END FROM users ORDER BY id",
    "WITH d AS (SELECT * FROM users WHERE country = 'de') SELECT count(*) FROM d WHERE name = 'n1'",
    "SELECT id FROM (SELECT * FROM users WHERE country = 'de') x WHERE id = 5001 OR id > 5040 ORDER BY id",
    "SELECT id FROM users WHERE country = 'de' UNION ALL SELECT id FROM orders WHERE note = 'note 2' ORDER BY 1",
    "SELECT id FROM users WHERE country = 'de' EXCEPT SELECT user_id FROM orders WHERE note = 'note 2' ORDER BY 1",
    "SELECT a.id, b.id FROM users a JOIN users b ON a.name = b.name AND a.country = 'de' AND b.country = 'fr' ORDER BY 1, 2",
    "SELECT id FROM users WHERE name = ANY('{n1,n2}') AND country = ANY(ARRAY['de', 'fr']) ORDER BY id",
    "SELECT id, amount FROM orders WHERE amount = 716.571428571428571429 OR id = 50020 ORDER BY id",
    "SELECT count(*) FROM orders WHERE id = 50021.0",
    "SELECT count(*) FROM orders WHERE id = -1",
    "SELECT u.id, x.n FROM users u LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.user_id = u.id AND o.note = 'note 1') x ON true ORDER BY 1",
    "SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY",
    "SELECT id FROM users ORDER BY id FETCH FIRST ROW ONLY",
    "SELECT count(*) FROM orders WHERE note = 'today'",
    "SELECT * FROM users WHERE false",
    "SELECT FROM users",
    "TABLE users",
]


def answers(connection, sql):
    cursor = connection.execute(sql)
    rows = cursor.fetchall() if cursor.description else []
    shape = [(each.name, each.type_code) for each in cursor.description or []]
    return (rows if "ORDER BY" in sql else sorted(rows, key=repr)), shape, cursor.statusmessage


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_answer_is_that_of_one_server(data, shop_proxy, sql):
    with shop_proxy.connect() as client:
        expected = answers(data, sql)
        assert answers(client, sql) == expected
        assert answers(client, sql) == expected
        assert client.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("sql, values", [
    ("SELECT * FROM users WHERE name = %s AND id > %s ORDER BY id", ("n3", 5010)),
    ("SELECT count(*) FROM orders WHERE note = %s", ("note 1",)),
    ("SELECT id FROM users WHERE id = ANY(%s) ORDER BY id", ([5001, 5002, 5003, 5020],)),
    ("SELECT %s::int + count(*) FROM users", (5,)),
    ("SELECT id FROM users WHERE country = %s AND name = ANY(%s) ORDER BY id", ("de", ["n1", "n2", "it's\\"])),
    ("SELECT id FROM orders WHERE id IN (%s, %s) ORDER BY id", (50020, 50021)),
    ("SELECT id FROM orders WHERE amount = %s ORDER BY id", (decimal.Decimal("5001") / 7,)),
    ("SELECT count(*) FROM users WHERE name = %s", ("it's\\",)),
    ("SELECT count(*) FROM users WHERE name = %s", (None,)),
])
@pytest.mark.parametrize("binary", [False, True])
def test_by_the_extended_protocol(data, shop_proxy, sql, values, binary):
    with shop_proxy.connect() as client:
        expected = data.execute(sql, values, binary=binary).fetchall()
        for prepare in (None, True, True, True):
            assert client.execute(sql, values, binary=binary, prepare=prepare).fetchall() == expected


@pytest.mark.parametrize("sql, code", [
    ("SELECT 1 / (id - id) FROM users", "22012"), ("SELECT nothing FROM users", "42703"), ("SELECT nothing(id) FROM users", None),
    ("SELECT name::int FROM users", "22P02"),
])
def test_errors_are_the_servers_and_the_session_goes_on(data, shop_proxy, sql, code):
    with shop_proxy.connect() as client:
        for _ in range(3):
            with pytest.raises(psycopg.Error) as why:
                client.execute(sql)
            assert code is None or why.value.sqlstate == code, why.value
            assert client.execute("SELECT count(*) FROM users").fetchone()[0] >= len(USERS)


@pytest.mark.parametrize("sql", [
    "SELECT ctid FROM users", "SELECT tableoid FROM users", "SELECT 'users'::regclass, count(*) FROM users",
    "SELECT pg_table_size('users'), count(*) FROM users", "SELECT ctid, * FROM users FOR UPDATE", "SELECT * FROM users LIMIT 1 FOR SHARE",
    "SELECT u FROM users u", "SELECT users FROM users", "SELECT (u).id FROM users u", "SELECT array_agg(u) FROM users u",
    "SELECT (u.*)::text FROM users u", "SELECT array_agg(u.*) FROM users u", "SELECT id FROM users u WHERE u.* IS NOT NULL",
    "SELECT count(*) FROM ONLY users", "SELECT count(*), (SELECT count(*) FROM pg_class) FROM users",
    "SELECT count(*), (SELECT count(*) FROM information_schema.tables) FROM users",
    "WITH users AS (SELECT 1) SELECT * FROM public.users", "SELECT public.users.id FROM users, orders public", "SELECT nextval('s'), id FROM users",
    "SELECT pg_advisory_lock(id) FROM users",
    "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d", "SELECT * INTO copied FROM users",
    "COPY (SELECT ctid FROM users) TO STDOUT", "COPY (DELETE FROM users RETURNING id) TO STDOUT", "COPY (SELECT * FROM users FOR UPDATE) TO STDOUT",
])
def test_what_could_differ_is_refused(data, shop_proxy, sql):
    with shop_proxy.connect() as client:
        with pytest.raises(psycopg.Error) as why:
            client.execute(sql)
        assert why.value.sqlstate in ("0A000", "42P01"), why.value


@pytest.mark.parametrize("form", ["", " (FORMAT csv, HEADER)", " (FORMAT binary)"])
def test_a_query_is_copied(data, shop_proxy, form):
    """As one COPY: a header, the rows, the number of them; one that fails tells its error, and the session goes on."""
    def copied(db, sql):
        with db.cursor() as cursor:
            with cursor.copy(sql) as rows:
                out = b"".join(bytes(each) for each in rows)
            return out, cursor.statusmessage

    with shop_proxy.connect() as client:
        for query in ("SELECT * FROM users ORDER BY id", "SELECT count(*), sum(id) FROM users",
                      "SELECT u.id, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY 1",
                      "SELECT id FROM users WHERE id < 0"):
            sql = f"COPY ({query}) TO STDOUT{form}"
            assert copied(client, sql) == copied(data, sql), sql
        with pytest.raises(psycopg.errors.DivisionByZero):
            copied(client, f"COPY (SELECT 1 / (id - id) FROM users) TO STDOUT{form}")
        with client.transaction():
            client.execute("SELECT 1 FROM users WHERE id = 5001")
            sql = f"COPY (SELECT id, name FROM users ORDER BY name, id) TO STDOUT{form}"
            assert copied(client, sql) == copied(data, sql)
        assert client.execute("SELECT count(*) FROM users").fetchone() == data.execute("SELECT count(*) FROM users").fetchone()


@pytest.mark.parametrize("first", ["SELECT name FROM users WHERE id = 5001", "SELECT 1", None])
def test_in_a_transaction(data, shop_proxy, first):
    with shop_proxy.connect(autocommit=False) as client:
        if first:
            client.execute(first)
        for sql in ("SELECT count(*) FROM users", "SELECT u.id, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY 1"):
            rows = client.execute(sql).fetchall()
            assert rows == data.execute(sql).fetchall()
        client.commit()
    with shop_proxy.connect() as client:
        client.execute("BEGIN READ ONLY")
        assert client.execute("SELECT count(*) FROM users").fetchall() == data.execute("SELECT count(*) FROM users").fetchall()
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1 / (id - id) FROM users")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            client.execute("SELECT count(*) FROM users")
        client.execute("ROLLBACK")
        client.execute("BEGIN READ ONLY")
        client.execute("SET LOCAL work_mem = '1MB'")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="READ ONLY"):
            client.execute("SELECT count(*) FROM users")
        client.execute("ROLLBACK")
        client.execute("SET default_transaction_isolation = 'repeatable read'")
        client.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="repeatable read"):
            client.execute("SELECT count(*) FROM users")
        client.execute("ROLLBACK")


def test_row_limits_in_a_transaction(data, shop_proxy):
    """What is read is gone from the servers; its rows come as they are asked for."""
    expected = [str(row[0]).encode() for row in data.execute("SELECT id FROM users ORDER BY id").fetchall()]
    for begin in ("BEGIN", "BEGIN READ ONLY"):
        with Wire(shop_proxy.port, database="shop") as client:
            client.run(query(begin))
            came = client.run(parse("SELECT id FROM users ORDER BY id") + bind(portal="p") + describe("P", "p") + execute("p", 7) + sync())
            assert kinds(came) == "12T" + "D" * 7 + "sZ"
            rows = [body[6:] for kind, body in came if kind == "D"]
            assert client.run(query("SELECT count(*) FROM orders"))[-1] == ("Z", b"T")
            while kinds(came)[-2] == "s":
                came = client.run(execute("p", 50) + sync())
                rows += [body[6:] for kind, body in came if kind == "D"]
            assert rows == expected
            assert came[-2] == ("C", f"SELECT {(len(expected) - 7) % 50}\0".encode())
            assert kinds(client.run(execute("p", 5) + sync())) == "CZ"
            came = client.run(parse("SELECT 1 / (id - 5003) FROM users ORDER BY id") + bind(portal="q") + execute("q", 1) + sync())
            assert codes(came) == ["22012"] and came[-1] == ("Z", b"E")
            client.run(query("ROLLBACK"))


def test_cursors(data, shop_proxy):
    with shop_proxy.connect() as client:
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            client.execute("DECLARE c CURSOR FOR SELECT id FROM users")
    with shop_proxy.connect(autocommit=False) as client:
        expected = data.execute("SELECT id, name FROM users WHERE id > 5010 ORDER BY id DESC").fetchall()
        with client.cursor("named") as cursor:
            cursor.itersize = 9
            cursor.execute("SELECT id, name FROM users WHERE id > %s ORDER BY id DESC", [5010])
            assert [(each.name, each.type_code) for each in cursor.description] == [("id", 20), ("name", 25)]
            assert cursor.fetchmany(4) == expected[:4]
            assert client.execute("SELECT count(*) FROM users").fetchall() == data.execute("SELECT count(*) FROM users").fetchall()
            assert cursor.fetchall() == expected[4:]
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="names"):
            client.execute("DECLARE c CURSOR FOR SELECT id, id FROM users")
        client.rollback()


def test_explain_tells_how_the_gathered_rows_are_read(data, shop_proxy):
    with shop_proxy.connect() as client:
        lines = [row[0] for row in client.execute("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT a.id FROM users a JOIN users b ON a.name = b.name")]
        assert any("users" in line for line in lines) and any("Execution Time" in line for line in lines)


def test_views(data, shop_cluster, shop_proxy):
    with shop_proxy.connect() as client:
        for made in ("CREATE VIEW named AS SELECT name, count(*) AS n FROM users GROUP BY name",
                     "CREATE VIEW often AS SELECT * FROM named WHERE n > 2"):
            client.execute(made)
            data.execute(made)
        try:
            for sql in ("SELECT * FROM named ORDER BY name", "SELECT n.name, u.id FROM often n JOIN users u ON u.name = n.name WHERE u.id > 5050 ORDER BY 2",
                        "SELECT max(n) FROM public.often", "SELECT public.often.n FROM public.often ORDER BY 1"):
                expected = data.execute(sql.replace("public", "whole")).fetchall()
                assert client.execute(sql).fetchall() == expected
                assert client.execute(sql, prepare=True).fetchall() == expected
            with client.transaction():
                assert client.execute("SELECT sum(n) FROM named").fetchall() == data.execute("SELECT sum(n) FROM named").fetchall()
                client.execute("INSERT INTO users VALUES (5999, 'of a view', NULL)")
                assert client.execute("SELECT n FROM named WHERE name = 'of a view'").fetchall() == [(1,)]
                client.execute("DELETE FROM users WHERE id = 5999")
            client.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="not name one shard"):
                client.execute("SELECT * FROM named")
        finally:
            client.execute("ALTER TABLE users DISABLE ROW LEVEL SECURITY")
            client.execute("DROP VIEW often, named")
            data.execute("DROP VIEW often, named")


def test_a_join_with_names_for_its_columns(data, shop_proxy):
    """They go by places: all columns count, also those that the text does not name."""
    with shop_proxy.connect() as client:
        sql = "SELECT t.a, t.b FROM (users u JOIN orders o ON o.user_id = u.id) AS t (a, b) ORDER BY 1, 2"
        assert client.execute(sql).fetchall() == data.execute(sql).fetchall()


def test_a_transaction_that_has_changed_tables(data, shop_proxy):
    with shop_proxy.connect(autocommit=False) as client:
        client.execute("ALTER TABLE users ADD COLUMN more int DEFAULT 7")
        assert {row[3] for row in client.execute("SELECT * FROM users")} == {7}
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="changed tables"):
            client.execute("SELECT sum(more) FROM users")
        client.rollback()


def test_ddl_is_seen_by_the_next_statement(data, shop_proxy):
    """... of any client: the catalogs are waited for."""
    with shop_proxy.connect() as client, shop_proxy.connect() as other:
        for i in range(3):
            client.execute(f"ALTER TABLE users ADD COLUMN more{i} int DEFAULT {i}")
            assert {row[3] for row in other.execute("SELECT * FROM users")} == {i}
            client.execute(f"ALTER TABLE users DROP COLUMN more{i}")
            assert {len(row) for row in other.execute("SELECT * FROM users")} == {3}


def test_own_writes_are_seen(data, shop_proxy):
    with shop_proxy.connect() as client:
        before = client.execute("SELECT count(*) FROM orders WHERE note = 'mine'").fetchone()[0]
        for i, (key, _, _) in enumerate(USERS[:12]):
            client.execute("INSERT INTO orders VALUES (%s, %s, 1, 'mine')", [900000 + key, key])
            assert client.execute("SELECT count(*) FROM orders WHERE note = 'mine'").fetchone()[0] == before + i + 1
        for key, _, _ in USERS[:12]:
            client.execute("DELETE FROM orders WHERE user_id = %s AND note = 'mine'", [key])
        assert client.execute("SELECT count(*) FROM orders WHERE note = 'mine'").fetchone()[0] == 0


def test_settings_hold_on_the_seat_and_leave_nothing(data, shop_proxy, shop_cluster):
    with shop_proxy.connect() as client:
        client.execute("SET DateStyle = 'German, DMY'")
        client.execute("SET extra_float_digits = 0")
        assert client.execute("SELECT max(date '2024-02-01')::text FROM users").fetchone() == ("01.02.2024",)
    with shop_proxy.connect() as client:
        assert client.execute("SELECT max(date '2024-02-01')::text FROM users").fetchone() == ("2024-02-01",)
    for shard in shop_cluster.shards:
        left = shop_cluster.primary(shard).rows("SELECT relname FROM pg_class WHERE relpersistence = 't'")
        assert left == []


def test_a_seat_with_settings_of_another(data, shop_proxy):
    """What its settings are changed by is answered too: that is not the isolation level."""
    sql = "SELECT count(*) FROM orders a JOIN orders b ON a.id = b.id WHERE current_setting('jit') = %s"
    with shop_proxy.connect() as one, shop_proxy.connect() as other:
        one.execute("SELECT set_config('jit', 'off', false)")
        other.execute("SELECT set_config('jit', 'on', false)")
        for _ in range(5):
            for client, jit in ((one, "off"), (other, "on")):
                assert client.execute(sql, [jit]).fetchone()[0] > 0
                with client.transaction():
                    assert client.execute(sql, [jit]).fetchone()[0] > 0


def test_settings_never_leak_when_it_fails_half_way(data, ringway, shop_cluster):
    """The seat may not copy: what has been set on the other shards' connections is known to be there."""
    proxy = ringway({"clusters": {"shop": {"pool_size": 1, "read_consistency": "primary"}}}, clusters=shop_cluster)
    assert until(lambda: knows_tables(proxy, "shop"))
    seat = shop_cluster.primary(shop_cluster.shards[0])
    seat.rows("REVOKE SELECT ON users FROM app")
    try:
        for i in range(5):
            with proxy.connect() as client:
                client.execute("SET DateStyle = 'German, DMY'")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    client.execute("SELECT count(*) FROM users")
            with proxy.connect() as other:
                for key, _, _ in USERS[:12]:
                    style = other.execute("SELECT current_setting('DateStyle'), max(id) FROM orders WHERE user_id = %s", [key]).fetchone()[0]
                    assert style == "ISO, MDY"
    finally:
        seat.rows("GRANT SELECT ON users TO app")


def test_many_at_once(data, shop_proxy):
    expected = data.execute("SELECT count(*), sum(id) FROM orders").fetchone()
    problems, done = [], []

    def ask():
        try:
            with shop_proxy.connect() as client:
                for _ in range(10):
                    assert client.execute("SELECT count(*), sum(id) FROM orders").fetchone() == expected
                    done.append(1)
        except Exception as why:  # noqa: BLE001: reported below
            problems.append(why)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not problems and len(done) == 300, problems[:3]


def test_cancel_and_disconnect_stop_it_everywhere(data, shop_proxy, shop_cluster):
    sql = "SELECT count(*) FROM users a, users b, users c, users d, users e WHERE a.id + b.id + c.id + d.id + e.id > random()"
    with shop_proxy.connect() as client:
        timer = threading.Timer(0.7, client.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute(sql)
        timer.join()
        assert client.execute("SELECT 1").fetchone() == (1,)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%users e WHERE%' AND state = 'active' AND pid <> pg_backend_pid()"
    first = shop_cluster.primary(shop_cluster.shards[0])
    with Wire(shop_proxy.port, database="shop") as client:
        client.send(query(sql))
        assert until(lambda: first.rows(running)[0][0] == 1)
    assert until(lambda: first.rows(running)[0][0] == 0, 10)


def test_a_large_answer_to_a_slow_reader(data, shop_proxy):
    sql = "SELECT repeat('x', 1000) FROM users a, users b"
    with Wire(shop_proxy.port, database="shop", limit=60) as client:
        client.send(query(sql))
        time.sleep(1)
        came = client.until("Z")
        rows = sum(1 for kind, _ in came if kind == "D")
        assert not codes(came) and rows == data.execute("SELECT count(*) FROM users a, users b").fetchone()[0]


def test_messages_are_answered_as_a_server_does(data, shop_proxy):
    with Wire(shop_proxy.port, database="shop") as client:
        assert kinds(client.run(query("SELECT count(*) FROM users"))) == "TDCZ"
        assert kinds(client.run(one("SELECT count(*) FROM users") + sync())) == "12TDCZ"
        assert kinds(client.run(parse("SELECT count(*) FROM users WHERE id > $1", "s") + describe("S", "s") + sync())) == "1tTZ"
        assert kinds(client.run(bind([5], "s") + execute() + sync())) == "2DCZ"
        assert kinds(client.run(bind([5], "s") + describe("P") + execute() + sync())) == "2TDCZ"
        # Bind is for the statement of before, which stands first in the message; Describe may ask for another one.
        client.run(parse("SELECT 'old', count(*) FROM users") + sync())
        came = client.run(bind() + parse("SELECT 'new', count(*) FROM users") + execute() + sync())
        assert kinds(came) == "21DCZ" and b"old" in came[2][1], came
        client.run(parse("SELECT 1", "other") + sync())
        came = client.run(describe("S", "other") + bind([5], "s") + execute() + sync())
        assert codes(came) == ["0A000"] or kinds(came) == "tT2DCZ" and b"?column?" in came[1][1], came
        # A name whose Parse has failed is free again.
        assert codes(client.run(one("SELECT nothing FROM users", name="again") + sync())) == ["42703"]
        assert kinds(client.run(one("SELECT count(*) FROM users", name="again") + sync())) == "12TDCZ"
        assert kinds(client.run(parse("SELECT id FROM users") + bind() + execute(max_rows=2) + sync())) == "12DDsZ"
        client.send(parse("SELECT max(id) FROM users WHERE id > $1", "flushed") + describe("S", "flushed") + flush())
        assert kinds(client.until("T")) == "1tT"
        assert kinds(client.run(bind([5], "flushed") + execute() + sync())) == "2DCZ"
        assert kinds(client.run(bind(["x"], "s") + execute() + sync())) == "EZ"
        assert kinds(client.run(one("SELECT count(*) FROM users") * 2 + sync())) == "12TDC12TDCZ"
        assert kinds(client.run(query("SELECT count(*) FROM users; SELECT 1"))) == "TDCTDCZ"
        assert kinds(client.run(query("SELECT count(*) FROM users") * 3, 3)) == "TDCZ" * 3


def test_what_drivers_close_may_stand_around_it(data, shop_proxy):
    sql = "SELECT count(*) FROM users"
    with Wire(shop_proxy.port, database="shop") as client:
        # pgjdbc closes statements it needs no more before the next one, sqlx the portal behind it.
        client.run(parse("SELECT 1", "old") + parse("SELECT 2", "older") + sync())
        came = client.run(close("S", "old") + close("S", "never") + one(sql, name="new") + sync())
        assert kinds(came) == "3312TDCZ", came
        assert codes(client.run(bind(name="old") + execute() + sync())) == ["26000"]
        assert kinds(client.run(bind(name="older") + execute() + sync())) == "2DCZ"
        assert kinds(client.run(bind(name="new") + execute() + close("P") + sync())) == "2DC3Z"
        # The name is free for another text, and gone where nothing is prepared under it again.
        came = client.run(close("S", "new") + one("SELECT 'other', max(id) FROM users", name="new") + close("P") + sync())
        assert kinds(came) == "312TDC3Z", came
        assert codes(client.run(close("S", "new") + bind(name="new") + execute() + sync())) == ["26000"]
        assert codes(client.run(bind(name="new") + execute() + sync())) == ["26000"]
        assert kinds(client.run(close("P", "nothing") + one(sql) + sync())) == "312TDCZ"
        assert kinds(client.run(close("S", "older") + one("SELECT nothing FROM users") + sync())) == "3EZ"
        assert codes(client.run(bind(name="older") + execute() + sync())) == ["26000"]


def test_execute_over_several_shards(data, shop_proxy):
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("PREPARE several(int8, int8, int8) AS SELECT name FROM users WHERE id IN ($1, $2, $3) ORDER BY id"))
        for _ in range(2):
            came = client.run(query("EXECUTE several(5001, 5002, '5003')"))
            assert kinds(came) == "TDDDCZ", came
            assert came[-2] == ("C", b"SELECT 3\0")
        client.run(query("PREPARE more(int8, text) AS SELECT count(*) FROM users WHERE id > $1 AND country = $2"))
        expected = data.execute("SELECT count(*) FROM users WHERE id > 5007 AND country = 'de'").fetchone()[0]
        assert client.rows("EXECUTE more(5007, 'de')") == [[str(expected).encode()]]
        assert client.rows("EXECUTE more(NULL, 'de')") == [[b"0"]]
        for inexact in ("5007.4, 'de'", "5000 + 7, 'de'", "5007, lower('DE')"):
            assert codes(client.run(query(f"EXECUTE more({inexact})"))) == ["0A000"]
        assert codes(client.run(query("EXECUTE more(1)"))) in (["42601"], ["0A000"])


def test_what_of_prepare_and_execute_over_several_shards_is_refused(data, shop_proxy):
    with Wire(shop_proxy.port, database="shop") as client:
        assert not codes(client.run(query("PREPARE p AS SELECT count(*) FROM users WHERE id > $1")))
        assert codes(client.run(query("EXECUTE p(5)"))) == ["0A000"]
        client.run(query("PREPARE several(int[]) AS SELECT name FROM users WHERE id = ANY($1)"))
        client.run(query("BEGIN"))
        assert codes(client.run(query("EXECUTE several('{5001,5002,5003,5004,5005}')"))) == ["0A000"]
        client.run(query("ROLLBACK"))
        client.run(parse("SELECT count(*) FROM users WHERE id > $1", "q") + sync())
        assert codes(client.run(query("EXECUTE q(5)"))) == ["0A000"]
        client.run(parse("DELETE FROM users", "d") + sync())
        for statement in ("q(5)", "d", "several('{5001}')"):
            assert codes(client.run(query(f"SELECT 1; EXECUTE {statement}"))) == ["0A000"]
            assert codes(client.run(parse(f"EXECUTE {statement}") + bind() + execute() + sync())) == ["0A000"]
        assert codes(client.run(query("EXECUTE d"))) == ["0A000"]
        assert client.rows("SELECT 1") == [[b"1"]]


def test_conditions_are_checked_where_the_rows_are(data, shop_proxy):
    lines = [line["value"] for line in admin(
        shop_proxy, "SHOW ROUTE shop $$SELECT stddev(u.id) FROM users u JOIN orders o ON o.user_id = u.id AND o.note = 'x' WHERE u.country IN ('de', 'fr')$$")
        if line["item"] == "gathers"]
    assert lines == ["public.users (id, country) WHERE \"country\" IN ('de', 'fr')", "public.orders (id, user_id, note) WHERE \"note\" = ('x')"]


def test_show_route_tells_of_it(data, shop_proxy):
    lines = admin(shop_proxy, "SHOW ROUTE shop 'SELECT count(DISTINCT name) FROM users'")
    told = {line["item"]: line["value"] for line in lines}
    assert told["plan"] == "gather" and told["shards"] == "all" and told["gathers"] == "public.users (name)"
    assert told["role"] == "primary; other shards' rows may come from replicas"


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN READ ONLY"])
def test_a_schema_that_is_not_in_the_path(data, shop_proxy, begin):
    """A Describe of the portal runs where nothing stands in for the table."""
    sql = "SELECT count(*) OVER (), public.users.id FROM public.users WHERE id BETWEEN 5001 AND 5009 ORDER BY id"
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query(begin))
        if begin == "BEGIN":
            client.run(query("SET LOCAL search_path = pg_catalog"))
        for _ in range(2):
            came = client.run(one(sql) + sync())
            assert kinds(came) == "12T" + "D" * 9 + "CZ", came
        if begin == "BEGIN":
            came = client.run(one("DECLARE c CURSOR FOR SELECT public.users.id FROM public.users") + sync())
            assert kinds(came) == "12nCZ", came
        assert kinds(client.run(query("COMMIT"))) == "CZ"


@pytest.fixture
def constant_views(data, shop_proxy):
    views = {"accents": "SELECT id, 'é' AS x FROM users", "arrays": "SELECT id, '{a,NULL}'::text[] AS x FROM users",
             "parts": "SELECT id, '<a/>b'::xml AS x FROM users", "plain_view": "SELECT id, 'e' AS x FROM users"}
    with shop_proxy.connect() as client:
        for name, text in views.items():
            client.execute(f"CREATE VIEW {name} AS {text}")
        yield client
        client.execute("DROP VIEW " + ", ".join(views))


@pytest.mark.parametrize("setting,view,value", [
    ("client_encoding = 'LATIN1'", "accents", "é"), ("client_encoding = 'SJIS'", "accents", "é"),
    ("array_nulls = off", "arrays", ["a", None]), ("xmloption = document", "parts", "<a/>b")])
def test_constants_of_views_are_not_read_by_the_sessions_settings(constant_views, shop_proxy, setting, view, value):
    sql = "SELECT x FROM {} WHERE id = 5001"
    with shop_proxy.connect() as client:
        assert client.execute(sql.format(view)).fetchone() == (value,)
        for local in ("",) if "encoding" in setting else ("", "LOCAL "):
            client.execute("BEGIN" if local else "SELECT 1")
            client.execute(f"SET {local}{setting}")
            assert client.execute(sql.format("plain_view")).fetchone() == ("e",)
            with pytest.raises(psycopg.errors.FeatureNotSupported, match=view) as refused:
                client.execute(sql.format(view))
            assert refused.value.diag.message_hint
            client.execute("ROLLBACK" if local else "RESET " + setting.split(" ")[0])
            assert client.execute(sql.format(view)).fetchone() == (value,)


@pytest.mark.parametrize("by", ["SET default_transaction_read_only = on", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"])
def test_transactions_that_read_only_by_default(data, shop_proxy, by):
    sql = "SELECT id, count(*) OVER () FROM users WHERE id BETWEEN 5001 AND 5003 ORDER BY id"
    expected = data.execute(sql).fetchall()
    with shop_proxy.connect() as client:
        client.execute(by)
        assert client.execute(sql).fetchall() == expected
        for begin in ("BEGIN", "START TRANSACTION", "BEGIN READ ONLY"):
            client.execute(begin)
            for prepare in (None, True):
                assert client.execute(sql, prepare=prepare).fetchall() == expected
            client.execute("SELECT * FROM users WHERE id = 5001")
            assert client.execute(sql).fetchall() == expected
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                client.execute("DELETE FROM users WHERE id = 5001")
            client.execute("ROLLBACK")
        for begin in ("BEGIN READ WRITE", "BEGIN; SET TRANSACTION READ WRITE"):
            for each in begin.split("; "):
                client.execute(each)
            client.execute("UPDATE users SET name = 'changed' WHERE id IN (5001, 5002, 5003)")
            assert client.execute("SELECT name, count(*) OVER () FROM users WHERE id BETWEEN 5001 AND 5003").fetchall() == [("changed", 3)] * 3
            client.execute("ROLLBACK")


def test_a_value_that_is_wrong_is_the_servers_to_tell(data, shop_proxy, shop_cluster):
    """Not a condition's of ours: in its place, and with its Parse taken, or not."""
    sql = "SELECT id, count(*) OVER () FROM users WHERE id > $1 AND country = 'de'"
    literal = "SELECT id, count(*) OVER () FROM users WHERE country = 'de' AND id > 'x'"
    with Wire(shop_proxy.port, database="shop") as client, Wire(shop_cluster.primary(shop_cluster.shards[0]).port, database="shop") as direct:
        for side in (client, direct):
            came = side.run(parse(sql, "u", [INT4]) + bind(["x"], "u") + execute() + sync())
            assert kinds(came) == "1EZ" and codes(came) == ["22P02"], came
            came = side.run(bind(["100000"], "u") + execute() + sync())
            assert kinds(came) == "2CZ", came
            came = side.run(one(literal, name="w") + sync())
            assert kinds(came) == "EZ" and codes(came) == ["22P02"], came
            assert codes(side.run(bind([], "w") + execute() + sync())) == ["26000"]
        told = [fields(body) for side in (client, direct) for kind, body in side.run(query(literal)) if kind == "E"]
        assert told[0]["P"] == told[1]["P"] and told[0]["M"] == told[1]["M"]


def test_a_seat_that_is_lost_behind_the_answer(data, shop_proxy):
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("SET idle_in_transaction_session_timeout = '3ms'"))
        answered = 0
        for _ in range(30):
            came = client.run(query("SELECT count(*) OVER () FROM users WHERE id BETWEEN 5001 AND 5003"))
            assert kinds(came) in ("TDDDCZ", "EZ"), came
            answered += kinds(came) == "TDDDCZ"


def test_another_encoding_within_a_transaction(data, shop_proxy):
    """What it is behind a ROLLBACK is not guessed."""
    sql = "SELECT count(*) OVER () FROM users WHERE id BETWEEN 5001 AND 5003"
    for change in ("SET LOCAL client_encoding = 'LATIN1'", "SET NAMES 'LATIN1'", "SELECT set_config('client_encoding', 'LATIN1', true)"):
        with Wire(shop_proxy.port, database="shop") as client:
            for first in ("SELECT 1", sql):
                client.run(query("BEGIN"))
                client.run(query(first))
                codes_of_both = codes(client.run(query(change))) + codes(client.run(query(sql)))
                assert codes_of_both[:1] == ["0A000"], (change, first)
                client.run(query("ROLLBACK"))
                assert kinds(client.run(query(sql))) == "TDDDCZ"


def test_an_error_of_a_text_of_ringway_s_tells_no_place_in_it(data, shop_proxy, shop_cluster):
    servers = [shop_cluster.primary(shard) for shard in shop_cluster.shards]
    with shop_proxy.connect() as client:
        for server in servers:
            server.rows("ALTER TABLE orders RENAME TO orders_gone; SELECT 1")
        try:
            for sql in ("UPDATE orders SET note = note", "DELETE FROM orders", "SELECT count(DISTINCT id) FROM orders"):
                with pytest.raises(psycopg.Error) as why:
                    client.execute(sql)
                if why.value.sqlstate == "0A000" and "catalogs that were read" in (why.value.diag.message_detail or ""):
                    continue
                assert (why.value.sqlstate, why.value.diag.message_primary) == ("42P01", 'relation "orders" does not exist'), why.value
                assert int(why.value.diag.statement_position or 0) <= len(sql)
        finally:
            for server in servers:
                server.rows("ALTER TABLE orders_gone RENAME TO orders; SELECT 1")
            assert until(lambda: not _fails(shop_proxy, "SELECT count(DISTINCT id) FROM orders"))


def _fails(proxy, sql):
    with proxy.connect() as client:
        try:
            client.execute(sql)
        except psycopg.Error as why:
            return str(why)
    return None
