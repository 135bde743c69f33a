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

from conftest import knows_tables, until

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
    "SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE note IS NULL) ORDER BY id",
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
