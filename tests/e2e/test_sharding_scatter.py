"""Reads over several shards that each shard runs on its own rows: merged in the proxy, or by a last query."""

import datetime
import decimal
import random
import re
import threading
import time
import uuid

import psycopg
import pytest

from conftest import admin, knows_tables, until
from wire import Wire, bind, close, describe, execute, kinds, parse, query, sync

ROWS = 240
TABLE = """(id bigint PRIMARY KEY, small smallint, number int, big bigint, exact numeric, single real, double double precision,
            flag boolean, word text, fixed char(8), bytes bytea, day date, moment timestamp, instant timestamptz, clock time,
            span interval, name uuid, json jsonb)"""


def row_of(key, dice):
    maybe = lambda value: None if dice.random() < 0.15 else value  # noqa: E731
    return (key, maybe(dice.randint(-3, 3)), maybe(dice.randint(-50, 50)), maybe(dice.randint(-2**62, 2**62)),
            maybe(decimal.Decimal(dice.choice(["0", "-0.50", "1e20", "-12345.678", "99999999", "0.000001", "NaN", "10000"]))),
            maybe(dice.choice([0.0, -1.5, 3.25, float("inf")])), maybe(dice.choice([0.0, -0.0, 1e300, -2.5, float("nan")])),
            maybe(dice.random() < 0.5), maybe(dice.choice(["", "a", "aa", "B", "b", "ä", "z z", "\u20ac"])),
            maybe(dice.choice(["x", "xy", ""])), maybe(dice.choice([b"", b"\0", b"\0\1", b"a\0", b"\xff"])),
            maybe(datetime.date(2000, 1, 1) + datetime.timedelta(days=dice.randint(-5000, 5000))),
            maybe(datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=dice.randint(-10**8, 10**8))),
            maybe(datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=dice.randint(-10**8, 10**8))),
            maybe(datetime.time(dice.randint(0, 23), dice.randint(0, 59))), maybe(datetime.timedelta(hours=dice.randint(-50, 50))),
            maybe(uuid.UUID(int=dice.getrandbits(128))), None)


@pytest.fixture(scope="module")
def whole(shop_cluster, shop_proxy):
    """A connection to one server that has all rows; the same rows are on the shards by way of the proxy."""
    dice = random.Random(7)
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    first = shop_cluster.primary(shop_cluster.shards[0])
    with shop_proxy.connect() as client, first.connect(user="app") as one_server:
        one_server.execute("CREATE SCHEMA all_rows; SET search_path = all_rows")
        for table in ("users", "orders", "countries"):
            one_server.execute(f"CREATE TABLE {table} (LIKE public.{table} INCLUDING ALL)")
        users = [(key, f"n{key % 7}", ("de", "fr", "jp", None)[key % 4]) for key in range(7001, 7001 + ROWS)]
        orders = [(key * 10 + i, key, decimal.Decimal(key % 13) / 7 + i, f"note {i}" if i else None)
                  for key, _, _ in users[::2] for i in range(3)]
        for row in users:
            client.execute("INSERT INTO users VALUES (%s, %s, %s)", row)
        for row in orders:
            client.execute("INSERT INTO orders VALUES (%s, %s, %s, %s)", row)
        for shard in shop_cluster.shards:
            server = shop_cluster.primary(shard)
            server.rows("INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France') ON CONFLICT DO NOTHING RETURNING 1", user="app")
            shop_cluster.caught_up(shard)
            for table in ("users", "orders", "countries") if shard == shop_cluster.shards[0] else ("users", "orders"):
                for row in server.rows(f"SELECT * FROM public.{table}"):  # with what other tests have left
                    one_server.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
        yield one_server
        one_server.execute("DROP SCHEMA all_rows CASCADE")
    for shard in shop_cluster.shards:
        server = shop_cluster.primary(shard)
        server.rows("DELETE FROM users WHERE id BETWEEN 7001 AND 7999 RETURNING 1", user="app")
        server.rows("DELETE FROM orders WHERE user_id BETWEEN 7001 AND 7999 RETURNING 1", user="app")
        server.rows("DELETE FROM countries RETURNING 1", user="app")


SCATTERED = [  # how EXPLAIN (ROUTE) calls it, statement
    ("rows", "SELECT * FROM users"),
    ("rows", "SELECT id, lower(name) AS n, id % 3 FROM users WHERE id > 7100"),
    ("rows sorted", "SELECT * FROM users ORDER BY id"),
    ("rows sorted", "SELECT name FROM users ORDER BY id DESC LIMIT 7 OFFSET 3"),
    ("rows sorted", "SELECT id FROM users ORDER BY 1 LIMIT 5"),
    ("rows sorted", "SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE note IS NULL) ORDER BY id"),
    ("rows sorted", "SELECT id AS x, name AS id FROM users ORDER BY x OFFSET 230"),
    ("rows sorted", "SELECT u.id, u.name FROM users AS u ORDER BY u.id % 5 DESC, id ASC"),
    ("rows sorted", "SELECT country, id FROM users ORDER BY country NULLS FIRST, id DESC"),
    ("rows sorted", "SELECT country, id FROM users ORDER BY country DESC, id"),
    ("rows sorted", "SELECT amount, id FROM orders ORDER BY amount DESC, id"),
    ("rows sorted", "SELECT u.id, o.id, o.amount FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.amount, o.id LIMIT 40"),
    ("rows sorted", "SELECT u.id, o.id FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.note = 'note 1' ORDER BY u.id, o.id"),
    ("rows sorted", "SELECT u.id, c.name FROM users u JOIN countries c ON c.code = u.country ORDER BY u.id"),
    ("rows sorted", "SELECT id FROM users u WHERE NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) ORDER BY id"),
    ("rows sorted", "SELECT u.id, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) AS n FROM users u ORDER BY n DESC, u.id LIMIT 9"),
    ("rows sorted", "SELECT u.id, (SELECT sum(o.amount) FROM orders o WHERE o.user_id = u.id) AS n FROM users u ORDER BY n DESC NULLS LAST, u.id LIMIT 9"),
    ("rows sorted", "SELECT user_id, count(*), sum(amount) FROM orders GROUP BY user_id ORDER BY sum(amount) DESC, user_id LIMIT 6"),
    ("rows", "SELECT user_id, array_agg(id ORDER BY id) FROM orders GROUP BY user_id HAVING count(*) > 2"),
    ("rows sorted", "SELECT u.id, string_agg(o.note, ',' ORDER BY o.id) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id"),
    ("groups", "SELECT count(*) FROM orders"),
    ("groups", "SELECT count(*), count(note), sum(amount), avg(amount), min(amount), max(note), sum(id), avg(id) FROM orders"),
    ("groups", "SELECT count(*) AS n, count(note), sum(id), sum(amount) FROM orders WHERE user_id > 7003 LIMIT 1"),
    ("groups", "SELECT min(id), max(id) AS top, min(amount), max(amount), count(*) FILTER (WHERE note IS NULL) FROM orders ORDER BY 1"),
    ("groups", "SELECT bool_and(id > 0), bool_or(note IS NULL) b, every(id < 0), bit_and(id), bit_or(id), bit_xor(id) FROM orders"),
    ("groups", "SELECT count(*), max(id), sum(amount), bool_or(true) FROM orders WHERE id < 0"),
    ("groups", "SELECT count(*), sum(o.amount) FROM users u JOIN orders o ON o.user_id = u.id OFFSET 1"),
    ("groups", "SELECT max(name), count(*), min(country) FROM users"),
    ("groups", "SELECT sum(amount * 1.0000), sum(-amount), sum(id::numeric), sum('-Infinity'::numeric) FROM orders"),
    ("groups", "SELECT count(*) FILTER (WHERE note IS NULL), avg(amount) FILTER (WHERE id % 2 = 0), bool_and(id > 0), bit_or(id) FROM orders"),
    ("groups", "SELECT country, count(*) FROM users GROUP BY country ORDER BY country NULLS FIRST"),
    ("groups", "SELECT country AS c, count(*) AS n FROM users GROUP BY c HAVING count(*) > 3 ORDER BY n DESC, c"),
    ("groups", "SELECT country, name, count(*) FROM users GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 4 OFFSET 2"),
    ("groups", "SELECT date_trunc('day', now() - now())::text IS NULL, count(*) FROM users GROUP BY 1"),
    ("groups", "SELECT id % 10 AS bucket, round(avg(id), 2), count(*) * 2 + 1 FROM users GROUP BY id % 10 ORDER BY bucket"),
    ("groups", "SELECT upper(u.name), sum(o.amount) / count(*) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY upper(u.name) ORDER BY upper(u.name)"),
    ("groups", "SELECT coalesce(max(id), 0) - coalesce(min(id), 0), CASE WHEN count(*) > 5 THEN 'many' ELSE 'few' END FROM users"),
    ("groups", "SELECT sum(id), avg(amount), max(id), count(*) FROM orders WHERE id < 0"),
    ("groups", "SELECT note, sum(amount) FROM orders WHERE id < 0 GROUP BY note"),
    ("groups", "SELECT DISTINCT country FROM users ORDER BY country DESC NULLS LAST"),
    ("groups", "SELECT DISTINCT name, country FROM users"),
    ("groups", "SELECT DISTINCT lower(name) AS n FROM users ORDER BY n LIMIT 3"),
    ("groups", "SELECT avg(id::int), sum(id::int4), round(avg(amount::float8)::numeric, 9), sum(amount::float8) > 0 FROM orders"),
    ("groups", "SELECT min(now() - now()), sum('1 hour'::interval), avg('1 hour'::interval) FROM users"),
]
GATHERED = [
    "SELECT a.id, b.id FROM users a JOIN users b ON a.name = b.name AND a.id < b.id ORDER BY 1, 2 LIMIT 9",
    "SELECT stddev(id), string_agg(name, ',' ORDER BY id) FROM users",
    "SELECT count(DISTINCT name) FROM users",
    "SELECT country, count(*) FROM users GROUP BY ROLLUP (country) ORDER BY country NULLS FIRST",
    "SELECT id, rank() OVER (ORDER BY id) FROM users ORDER BY id",
    "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders WHERE note IS NULL) ORDER BY id",
    "SELECT DISTINCT ON (country) country, id FROM users ORDER BY country, id",
    "SELECT u.name, sum(o.amount) FROM users u FULL JOIN orders o ON o.user_id = u.id GROUP BY u.name ORDER BY 1",
    "SELECT c.code, u.id FROM countries c LEFT JOIN users u ON u.country = c.code ORDER BY 1, 2",
    "SELECT id FROM users WHERE id < 7010 UNION SELECT user_id FROM orders WHERE user_id > 7200 ORDER BY 1",
    "SELECT name FROM users ORDER BY name COLLATE \"C\", id LIMIT 3",
    "SELECT (SELECT sum(u.id)) FROM users u",
    "SELECT x.n, count(*) FROM (SELECT user_id, count(*) AS n FROM orders GROUP BY user_id) x GROUP BY x.n",
]


def is_ordered(sql):
    return re.search(r"ORDER BY[^)]*$", sql)


def answers(connection, sql, **options):
    cursor = connection.cursor(**options)
    cursor.execute(sql)
    shape = [(each.name, each.type_code) for each in cursor.description]
    rows = cursor.fetchall()
    return (rows if is_ordered(sql) else sorted(rows, key=repr)), shape, cursor.statusmessage


def plan_of(connection, sql):
    return dict(reversed(connection.execute(f"EXPLAIN (ROUTE) {sql}").fetchall()))


@pytest.mark.parametrize("how,sql", SCATTERED)
def test_shards_answer_as_one_server(whole, shop_proxy, how, sql):
    with shop_proxy.connect() as client:
        expected = answers(whole, sql)
        route = plan_of(client, sql)
        if "now()" not in sql:
            assert (route["plan"], route["runs"].startswith(how)) == ("scatter", True), route
        for options in ({}, {}, {"binary": True}):
            assert answers(client, sql, **options) == (answers(whole, sql, **options) if options else expected)
        with psycopg.ClientCursor(client) as simple:  # by the simple protocol
            simple.execute(sql)
            rows = simple.fetchall()
        assert (rows if is_ordered(sql) else sorted(rows, key=repr)) == expected[0]
        assert client.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("sql", GATHERED)
def test_what_cannot_be_merged_is_gathered(whole, shop_proxy, sql):
    with shop_proxy.connect() as client:
        assert answers(client, sql) == answers(whole, sql)
        assert plan_of(client, sql)["plan"] == "gather"


@pytest.mark.parametrize("order", ["name, id", "lower(name) DESC, id", "country NULLS FIRST, id DESC", "country DESC NULLS LAST, id",
                                   'name COLLATE "C", id', "id % 5, -id", "length(country) NULLS FIRST, name DESC, id"])
@pytest.mark.parametrize("bounds", ["", " LIMIT 7", " LIMIT 5 OFFSET 100", " OFFSET 230", " LIMIT 0", " FETCH FIRST 3 ROWS WITH TIES"])
def test_h05_the_order_is_the_servers(whole, shop_proxy, order, bounds):
    """By columns and expressions that are not selected too."""
    with shop_proxy.connect() as client:
        for columns in ("id", "id, country AS name2"):
            sql = f"SELECT {columns} FROM users ORDER BY {order}{bounds}"
            assert answers(client, sql) == answers(whole, sql), sql


@pytest.mark.parametrize("what", [
    "avg(amount), stddev(amount), var_pop(amount), sum(amount)", "count(DISTINCT note), count(note), avg(DISTINCT user_id % 3)",
    "array_agg(id ORDER BY amount, id)", "string_agg(note, ',' ORDER BY id) FILTER (WHERE id % 3 = 0)", "percentile_cont(0.5) WITHIN GROUP (ORDER BY amount)",
    "min(note), max(note), bool_or(note IS NULL), bit_xor(id)", "count(*), sum(id), min(id), max(id)", "json_agg(note ORDER BY id)"])
@pytest.mark.parametrize("of", ["orders", "orders WHERE user_id < 7006", "orders WHERE false", "orders GROUP BY note ORDER BY note NULLS FIRST",
                                "orders GROUP BY user_id HAVING count(*) > 1 AND min(id) % 4 < 2 ORDER BY user_id"])
def test_h06_aggregates_are_those_of_one_server(whole, shop_proxy, what, of):
    """Also where shards have no rows for them."""
    with shop_proxy.connect() as client:
        sql = f"SELECT {what} FROM {of}"
        assert repr(answers(client, sql)) == repr(answers(whole, sql)), sql


@pytest.mark.parametrize("sql", [
    "SELECT id, sum(id) OVER (PARTITION BY country ORDER BY id), lag(name) OVER (ORDER BY id) FROM users ORDER BY id",
    "SELECT DISTINCT ON (user_id % 4) user_id % 4, amount, id FROM orders ORDER BY 1, amount DESC, id"])
def test_h06_windows_and_distinct_on(whole, shop_proxy, sql):
    with shop_proxy.connect() as client:
        assert answers(client, sql) == answers(whole, sql)


@pytest.mark.parametrize("sql", [
    "SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id + 1) ORDER BY id",
    "SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM orders) ORDER BY id",
    "SELECT id FROM users WHERE id NOT IN (SELECT CASE WHEN note IS NOT NULL THEN user_id END FROM orders) ORDER BY id",
    "SELECT id, (SELECT max(o.amount) FROM orders o WHERE o.user_id < u.id) FROM users u WHERE id % 9 = 0 ORDER BY id",
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders), (SELECT min(id) FROM users WHERE country = 'jp')",
    "SELECT a.id, count(b.id) FROM users a LEFT JOIN users b ON b.name = a.name AND b.id < a.id GROUP BY a.id ORDER BY a.id",
    "SELECT u.name, o.id FROM users u JOIN orders o ON o.note = 'note ' || (u.id % 3) AND o.user_id = u.id + 2 ORDER BY 2, 1",
    "SELECT id, l.n FROM users u, LATERAL (SELECT count(*) AS n FROM orders o WHERE o.user_id BETWEEN u.id AND u.id + 3) l ORDER BY id",
    "SELECT id FROM users u WHERE amount_of > ALL (SELECT id % 5 FROM users)".replace("amount_of", "id % 6"),
])
def test_h07_subqueries_and_joins_see_all_shards(whole, shop_proxy, sql):
    with shop_proxy.connect() as client:
        assert sorted(answers(client, sql)[0], key=repr) == sorted(answers(whole, sql)[0], key=repr)
        assert answers(client, sql) == answers(whole, sql)


def test_parameters_are_the_same_in_every_protocol(whole, shop_proxy):
    """Typed and untyped, text and binary, in what the shards run and in what the last query runs."""
    statements = [
        ("SELECT id, name FROM users WHERE id > %s ORDER BY id DESC LIMIT %s OFFSET %s", (7050, 5, 2)),
        ("SELECT id FROM users WHERE id > %s ORDER BY id LIMIT %s", (7050, None)),
        ("SELECT name, count(*) FROM users WHERE id > %s GROUP BY name HAVING count(*) > %s ORDER BY name LIMIT %s", (7010, 2, 3)),
        ("SELECT id % %s AS m, sum(id + %s) FROM users GROUP BY 1 ORDER BY 1", (3, 1)),
    ]
    with shop_proxy.connect() as client:
        for sql, given in statements:
            sql = sql.replace(" % ", " %% ")
            for _ in range(2):
                for options in ({}, {"binary": True}):
                    expected, got = whole.cursor(**options), client.cursor(**options)
                    expected.execute(sql, given)
                    got.execute(sql, given)
                    assert got.fetchall() == expected.fetchall(), sql


def test_only_the_owners_of_keys_are_asked(whole, shop_proxy, shop_cluster):
    """Keys of two shards: the third has its tables locked, so that whoever asks it waits."""
    owned = {}
    for key in range(7001, 7041):
        owned.setdefault(admin(shop_proxy, f"SHOW KEY shop users {key}")[0]["shard"], []).append(key)
    (one, other), locked = [owned[name][:2] for name in sorted(owned)[:2]], sorted(owned)[2]
    keys = [one[0], other[0], one[1]]
    listed = ", ".join(map(str, keys))
    statements = [
        ("scatter", f"SELECT id, name FROM users WHERE id IN ({listed}) ORDER BY id", ()),
        ("scatter", f"SELECT name, id FROM users WHERE id = {keys[0]} OR id = {keys[1]} AND name IS NOT NULL", ()),
        ("scatter", "SELECT id, name FROM users WHERE id = ANY(%s) ORDER BY id DESC LIMIT 2", (keys,)),
        ("scatter", f"SELECT count(*), max(id) FROM users WHERE id IN ({listed}, NULL)", ()),
        ("scatter", "SELECT u.id, o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = ANY(%s) ORDER BY 1, 2", (keys,)),
        ("gather", f"SELECT count(DISTINCT name), array_agg(id ORDER BY id) FROM users WHERE id IN ({listed})", ()),
        ("gather", "SELECT rank() OVER (ORDER BY id), id FROM users WHERE id = ANY(%s) ORDER BY 1", (keys,)),
        ("gather", f"SELECT id FROM users WHERE id = {keys[0]} UNION ALL SELECT user_id FROM orders WHERE user_id = {keys[1]} ORDER BY 1", ()),
    ]
    with shop_cluster.primary(locked).connect(user="app") as holder, shop_proxy.connect() as client:
        holder.autocommit = True
        holder.execute("BEGIN; LOCK TABLE users, orders IN ACCESS EXCLUSIVE MODE")
        client.execute("SET ringway.role = 'primary'; SET statement_timeout = '20s'")
        for kind, sql, given in statements:
            shown = sql.replace("%s", f"ARRAY[{listed}]")
            route = plan_of(client, shown)
            assert (route["plan"], route["shards"]) == (kind, ", ".join(sorted(set(owned) - {locked}))), (sql, route)
            for _ in range(2):
                assert answers(client, shown) == answers(whole, shown), sql
                if given:
                    assert client.execute(sql, given).fetchall() == whole.execute(sql, given).fetchall(), sql
        client.execute("SET statement_timeout = '700ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute("SELECT count(*) FROM users")


@pytest.fixture
def no_temporary_tables(shop_cluster):
    """Whoever gathers fails."""
    servers = [shop_cluster.primary(shard) for shard in shop_cluster.shards]
    for server in servers:
        server.rows("REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC, app; SELECT 1")
    yield
    for server in servers:
        server.rows("GRANT TEMPORARY ON DATABASE shop TO PUBLIC; SELECT 1")


def test_transactions_that_have_written_nothing_scatter(whole, shop_proxy, no_temporary_tables):
    """By the simple and the extended protocol, after reads of one shard too, READ ONLY or not."""
    with shop_proxy.connect() as client:
        for begin, reads in (("BEGIN", ("SELECT 1", "SELECT name FROM users WHERE id = 7001")), ("BEGIN READ ONLY", ("SELECT count(*) FROM users",))):
            for before in reads:
                for _, sql in SCATTERED[::3]:
                    if "now()" in sql:
                        continue
                    with psycopg.ClientCursor(client) as simple:
                        simple.execute("ROLLBACK")
                        simple.execute(begin)
                        simple.execute(before)
                        try:
                            simple.execute(sql)
                        except psycopg.Error as why:
                            pytest.fail(f"{begin}; {before}; {sql}: {why}")
                        rows = simple.fetchall()
                        assert (rows if is_ordered(sql) else sorted(rows, key=repr)) == answers(whole, sql)[0], sql
                    for options in ({}, {"binary": True}):
                        assert answers(client, sql, **options) == answers(whole, sql, **options), sql
                    assert client.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        client.execute("ROLLBACK")
        client.execute("BEGIN")
        cursor = client.execute("SELECT id FROM users WHERE id > %s ORDER BY id LIMIT %s", (7100, 3))
        assert cursor.fetchall() == [(7101,), (7102,), (7103,)]
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT sum(1 / (id - 7010)) FROM users")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            client.execute("SELECT count(*) FROM users")
        client.execute("ROLLBACK")
        client.execute("BEGIN")
        client.execute("SELECT count(*) FROM users")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # it has written: only gathering sees that
            client.execute("UPDATE users SET name = name WHERE id = 7001")
            client.execute("SELECT count(*) FROM users")
        client.execute("ROLLBACK")


def test_transactions_see_what_they_have_written(whole, shop_proxy):
    with shop_proxy.connect(autocommit=False) as client:
        count = client.execute("SELECT count(*) FROM users").fetchone()[0]
        for key in range(7910, 7916):
            client.execute("INSERT INTO users VALUES (%s, 'mine', NULL)", (key,))
            assert client.execute("SELECT count(*) FROM users").fetchone()[0] == count + key - 7909
        assert client.execute("SELECT max(id) FROM users WHERE name = 'mine'").fetchone() == (7915,)
        client.rollback()
        client.execute("DELETE FROM users WHERE id BETWEEN 7001 AND 7003")
        assert client.execute("SELECT min(id) FROM users WHERE id > 7000").fetchone() == (7004,)
        client.rollback()
        assert client.execute("SELECT min(id) FROM users WHERE id > 7000").fetchone() == (7001,)
        client.rollback()


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SET default_transaction_isolation = 'serializable'; BEGIN",
                                   "BEGIN READ ONLY; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"])
def test_other_levels_are_refused_or_one_snapshot(whole, shop_proxy, begin):
    with shop_proxy.connect() as client:
        for statement in begin.split("; "):
            client.execute(statement)
        for sql in ("SELECT count(*) FROM users", "SELECT id FROM users ORDER BY id LIMIT 3", "SELECT id FROM users"):
            with pytest.raises(psycopg.Error):
                client.execute(sql)
            client.execute("ROLLBACK")
            client.execute(begin.split("; ")[-1] if "SET TRANSACTION" not in begin else "BEGIN ISOLATION LEVEL REPEATABLE READ")


def test_who_is_in_a_transaction_waits_for_no_second_connection(ringway, shop_cluster):
    """As many clients as the pools have connections, each holding one: none waits for another's."""
    proxy = ringway({"general": {"pool_size": 3}}, clusters=[shop_cluster])
    assert until(lambda: knows_tables(proxy, "shop"))
    barrier = threading.Barrier(3)
    wrong = []

    def one_client():
        with proxy.connect(dbname="shop", autocommit=False) as client:
            client.execute("SET statement_timeout = '30s'")
            client.commit()
            client.execute("SELECT name FROM users WHERE id = 7001")
            barrier.wait(20)
            if client.execute("SELECT count(*) FROM users WHERE id < 0").fetchone() != (0,):
                wrong.append(1)
            client.commit()

    threads = [threading.Thread(target=one_client) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not wrong and not any(each.is_alive() for each in threads)


def test_messages_are_those_of_one_server(whole, shop_proxy):
    """Every reply of the extended protocol in its place, Describe of statement and portal, Close, prepared or not."""
    sql = "SELECT name, count(*) FROM users WHERE id > $1 GROUP BY name ORDER BY name"
    rows = "SELECT id, name FROM users WHERE id > $1 ORDER BY id"
    with Wire(shop_proxy.port, database="shop") as client:
        for text in (sql, rows):
            whole_batch = parse(text) + describe("S") + bind((b"7230",)) + describe("P") + execute() + close("P") + sync()
            for _ in range(2):
                got = client.run(whole_batch)
                assert kinds(got).replace("D", "") == "1tT2TC3Z", kinds(got)
                assert [body for kind, body in got if kind == "D"]
            client.run(parse(text, "named" + text[7]) + sync())
            got = client.run(bind((b"7230",), name="named" + text[7]) + execute() + sync())
            assert kinds(got).replace("D", "") == "2CZ"
        assert kinds(client.run(query("SELECT id FROM users WHERE id = 1 OR id = 2 OR id < 0"))).endswith("CZ")


@pytest.mark.parametrize("sql,code", [
    ("SELECT 1 / (id - id) FROM users", "22012"), ("SELECT name, sum(1 / (id - 7010)) FROM users GROUP BY name", "22012"),
    ("SELECT sum(9223372036854775807 - id + id * 0) :: int8 FROM users", "22003"), ("SELECT nothing FROM users ORDER BY 1", "42703"),
    ("SELECT id FROM users ORDER BY 7", "42P10"), ("SELECT name, id, count(*) FROM users GROUP BY name", "42803"),
    ("SELECT id FROM users LIMIT -1", "2201W"), ("SELECT count(*) FROM users HAVING sum(id) / 0 > 1", "22012"),
    ("SELECT (max(id) * 1000)::int2 FROM users", "22003"),
])
def test_errors_are_those_of_one_server(whole, shop_proxy, sql, code):
    with pytest.raises(psycopg.Error) as expected:
        whole.execute(sql)
    with shop_proxy.connect() as client:
        for _ in range(3):
            with pytest.raises(psycopg.Error) as got:
                client.execute(sql)
            assert (got.value.sqlstate, got.value.diag.message_primary) == (code, expected.value.diag.message_primary)
            assert got.value.sqlstate == expected.value.sqlstate
            assert client.execute("SELECT count(*) > 100 FROM users").fetchone() == (True,)


def test_h15_limits_reach_the_shards(whole, shop_proxy):
    """Each shard makes no more rows than could be among the first ones: all of these would take days."""
    with shop_proxy.connect() as client:
        client.execute("SET statement_timeout = '20s'")
        for _ in range(3):
            assert len(client.execute("SELECT id, generate_series(1, 1000000000) FROM users LIMIT 10 OFFSET 5").fetchall()) == 10
            assert len(client.execute("SELECT id FROM users ORDER BY id LIMIT 10").fetchall()) == 10


def test_a_slow_client_holds_the_shards_back(shop_proxy):
    """Far more than fits in buffers: memory stays flat, and leaving early frees the servers."""
    before = shop_proxy.resident_bytes()
    with shop_proxy.connect() as client, client.cursor() as cursor:
        with Wire(shop_proxy.port, database="shop") as slow:
            slow.send(query("SELECT repeat('x', 100000), u.id, g FROM users u, generate_series(1, 20) g ORDER BY u.id, g"))
            time.sleep(1.5)
            assert shop_proxy.resident_bytes() - before < 60 << 20
        cursor.execute("SELECT count(*) FROM users")
        assert cursor.fetchone()[0] > 0
    with shop_proxy.connect() as client:
        assert len(client.execute("SELECT repeat('x', 100000), u.id FROM users u ORDER BY u.id").fetchall()) > 100


def test_a_cancel_reaches_all_shards(whole, shop_proxy, shop_cluster):
    sql = "SELECT count(*) FROM users u, generate_series(1, 100000000) g"
    with shop_proxy.connect() as client:
        threading.Timer(0.5, client.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            client.execute(sql)
        def running():
            return [shard for shard in shop_cluster.shards for server in [shop_cluster.primary(shard), *shop_cluster.replicas(shard)]
                    if server.rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000000%' AND pid <> pg_backend_pid()")]
        assert until(lambda: not running())
        assert client.execute("SELECT count(*) FROM countries").fetchone() == (2,)


def test_what_is_computed_once_on_one_server_is_computed_once(whole, shop_proxy):
    """Sorted by a value that each look would make anew, the rows are still in the order of what is shown."""
    with shop_proxy.connect() as client:
        shown = [row[1] for row in client.execute("SELECT id, random() AS r FROM users ORDER BY r").fetchall()]
        assert shown == sorted(shown) and len(shown) > 100
        times = client.execute("SELECT DISTINCT 'now'::timestamptz FROM users").fetchall()
        assert len(times) == 1


def test_sees_its_own_writes(whole, shop_proxy):
    with shop_proxy.connect() as client:
        for key in range(7900, 7930):
            before = client.execute("SELECT count(*) FROM users").fetchone()[0]
            client.execute("INSERT INTO users VALUES (%s, 'new', NULL)", (key,))
            assert client.execute("SELECT count(*) FROM users").fetchone()[0] == before + 1
            assert client.execute("SELECT max(id) FROM users").fetchone()[0] == key
            client.execute("DELETE FROM users WHERE id = %s", (key,))


def test_many_clients_share_few_servers(whole, shop_proxy, shop_cluster):
    expected = whole.execute("SELECT name, count(*) FROM users GROUP BY name ORDER BY 1").fetchall()
    for shard in shop_cluster.shards:
        shop_cluster.caught_up(shard)  # with what the tests before have taken away
    wrong = []
    with shop_proxy.connect() as client:  # what other tests wrote may not have come to all replicas
        assert until(lambda: all(client.execute("SELECT name, count(*) FROM users GROUP BY name ORDER BY 1").fetchall() == expected
                                 for _ in range(8)), 20)

    def one_client(number):
        with shop_proxy.connect() as client:
            for turn in range(10):
                got = client.execute("SELECT name, count(*) FROM users GROUP BY name ORDER BY 1").fetchall()
                if got != expected:
                    wrong.append((number, turn, set(got) ^ set(expected)))
                low = 7001 + number * 3 + turn
                if client.execute("SELECT id FROM users WHERE id >= %s ORDER BY id LIMIT 1", (low,)).fetchone() != (low,):
                    wrong.append(number)

    threads = [threading.Thread(target=one_client, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not wrong


def test_every_type_sorts_and_groups_as_on_one_server(ringway, shop_cluster):
    dice = random.Random(11)
    rows = [row_of(key, dice) for key in range(1, 301)]
    first = shop_cluster.primary(shop_cluster.shards[0])
    place = ", ".join(["%s"] * len(rows[0]))
    try:
        for shard in shop_cluster.shards:
            shop_cluster.primary(shard).rows(f"CREATE TABLE kinds {TABLE}; SELECT 1", user="app")
            shop_cluster.caught_up(shard)
        proxy = ringway({"clusters": {"shop": {"tables": {"kinds": {"key": "id"}}}}}, clusters=[shop_cluster])
        with first.connect(user="app") as one_server, proxy.connect(dbname="shop") as client:
            one_server.execute(f"CREATE SCHEMA kinds; SET search_path = kinds; CREATE TABLE kinds {TABLE}")
            assert until(lambda: plan_of(client, "SELECT * FROM kinds")["plan"] == "scatter")
            for row in rows:
                one_server.execute(f"INSERT INTO kinds VALUES ({place})", row)
                client.execute(f"INSERT INTO kinds VALUES ({place})", row)
            columns = [each.name for each in one_server.execute("SELECT * FROM kinds LIMIT 0").description]
            for column in columns:
                for order in ("", " DESC", " NULLS FIRST", " DESC NULLS LAST"):
                    sql = f"SELECT id, {column} FROM kinds ORDER BY {column}{order}, id"
                    for options in ({}, {"binary": True}):
                        assert repr(answers(client, sql, **options)) == repr(answers(one_server, sql, **options)), sql
                grouped = f"SELECT {column}, count(*) FROM kinds GROUP BY {column} ORDER BY 1, 2"
                if column not in ("exact", "double"):  # whose equal values may read differently: 1.0 and 1.00, 0 and -0
                    assert repr(answers(client, grouped)) == repr(answers(one_server, grouped)), grouped
                if column not in ("flag", "bytes", "name", "json"):
                    extremes = f"SELECT min({column}), max({column}), count({column}) FROM kinds"
                    assert repr(answers(client, extremes)) == repr(answers(one_server, extremes)), extremes
            for column in ("small", "number", "big", "exact"):
                totals = (f"SELECT count({column}), sum({column}) AS s, min({column}), max({column}), bool_or({column} > 1), "
                          f"bit_xor({column}::numeric::int2) FILTER (WHERE {column} BETWEEN -9 AND 9) FROM kinds WHERE ({column})::text <> 'NaN' OR id < 9")
                for options in ({}, {"binary": True}):
                    assert repr(answers(client, totals, **options)) == repr(answers(one_server, totals, **options)), totals
            for column in ("small", "number", "big", "exact", "span"):
                sums = f"SELECT sum({column}), avg({column}) FROM kinds WHERE id < 250 AND ({column})::text <> 'NaN'"
                for options in ({}, {"binary": True}):
                    assert repr(answers(client, sums, **options)) == repr(answers(one_server, sums, **options)), sums
    finally:
        for shard in shop_cluster.shards:
            shop_cluster.primary(shard).rows("DROP TABLE IF EXISTS kinds; SELECT 1", user="app")
        first.rows("DROP SCHEMA IF EXISTS kinds CASCADE; SELECT 1", user="app")


def test_texts_stand_in_the_servers_order_whatever_the_clients_encoding(whole, shop_proxy):
    """In WIN1252 the euro sign is a smaller byte than an e with an accent, in UTF8 a greater one."""
    names = [f"{sign}{n}" for n in range(10) for sign in "é€"]
    with shop_proxy.connect() as writer:
        for key, name in zip(range(7700, 7720), names):
            writer.execute("INSERT INTO users VALUES (%s, %s, NULL)", [key, name])
        try:
            for encoding in ("UTF8", "WIN1252"):
                with shop_proxy.connect(client_encoding=encoding) as client:
                    found = client.execute("/* ringway: role=primary */ SELECT name FROM users WHERE id BETWEEN 7700 AND 7719 ORDER BY name").fetchall()
                    assert [name for name, in found] == sorted(names), encoding
                    found = client.execute("/* ringway: role=primary */ SELECT min(name), max(name), count(*) FROM users WHERE id BETWEEN 7700 AND 7719").fetchone()
                    assert found == ("é0", "€9", 20), encoding
        finally:
            for key in range(7700, 7720):
                writer.execute("DELETE FROM users WHERE id = %s", [key])


def test_a_warning_about_the_text_is_told_once(whole, shop_proxy, shop_cluster):
    texts = [("SELECT id FROM users WHERE name = 'a\\\\b'", 1), ("SELECT id FROM users WHERE name <> 'a\\\\b' AND name <> 'c\\\\d' ORDER BY id LIMIT 3", 2),
             ("SELECT count(*), min(name || '\\\\') FROM users", 1), ("SELECT name || '\\\\', count(*) FROM users GROUP BY name || '\\\\' ORDER BY 1", 2),
             ("UPDATE users SET name = 'a\\\\b' WHERE id < 0", 1)]
    with shop_proxy.connect() as client:
        told = []
        client.add_notice_handler(lambda notice: told.append(notice.sqlstate))
        client.execute("SET standard_conforming_strings = off")
        for sql, times in texts:
            for _ in range(2):
                told.clear()
                client.execute(sql)
                assert told == ["22P06"] * times, sql


def test_bounds_of_other_types_are_the_servers_to_judge(whole, shop_proxy):
    sql = "SELECT id FROM users ORDER BY id LIMIT $1"
    with Wire(shop_proxy.port, database="shop") as client:
        assert kinds(client.run(parse(sql, types=[25]) + bind(["2"]) + execute() + sync())) == "EZ"
        came = client.run(parse(sql, types=[701]) + bind([b"\x40" + b"\0" * 7], formats=[1]) + execute() + sync())
        assert kinds(came) == "12DDCZ"
        came = client.run(parse(sql, types=[23]) + bind(["2"]) + execute() + sync())
        assert kinds(came) == "12DDCZ"


def test_what_tells_of_one_server_is_one_value(whole, shop_proxy):
    with shop_proxy.connect() as client:
        for what in ("pg_backend_pid()", "current_setting('port')", "inet_server_port()"):
            assert len(client.execute(f"SELECT {what}, count(*) FROM users GROUP BY 1").fetchall()) == 1, what
            assert len(set(client.execute(f"SELECT {what}, id IS NULL FROM users").fetchall())) == 1, what
        client.execute("SELECT set_config('my.country', 'de', false)")
        sql = "SELECT count(*) FROM users WHERE country = current_setting('my.country')"
        assert plan_of(client, sql)["plan"] == "scatter"
        assert client.execute(sql).fetchone() == whole.execute("SELECT count(*) FROM users WHERE country = 'de'").fetchone()
