"""The traps under "Sharding" of the list of what other proxies got wrong, that have no file of their own.

H1, H2, H3, H11: test_sharding_keys.py. H4, H8: test_sharding_spanning.py. H5, H6, H7:
test_sharding_scatter.py, and differential/sql (09, 06 to 08, 03), which test_differential.py runs. H9: test_sharding_two_phase.py. H12: test_sharding_copy.py. Here: H8 as psql sees it, H10, H13, H14, H15.
"""

import concurrent.futures
import enum
import struct
import threading

import psycopg
import pytest
from psycopg.types.enum import EnumInfo, register_enum

from conftest import keys_by_shard, until
from wire import Wire, bind, describe, execute, kinds, parse, query, sync

KEYS = range(81001, 81041)


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """Two keys a shard, in the order of the shards, each with a row of users; `ringway init` has run."""
    made = [each[:2] for each in keys_by_shard(shop_proxy, KEYS)]
    with shop_proxy.connect() as client:
        for pair in made:
            for key in pair:
                client.execute("INSERT INTO users VALUES (%s, 'trap', 'de')", [key])
    yield made
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DELETE FROM users WHERE id BETWEEN 81001 AND 81040 RETURNING 1")


def lock(client, key):
    client.execute("UPDATE users SET name = 'trap' WHERE id = %s", [key])


def lock_in_order(proxy, first, second, barrier):
    """The outcome of a transaction that locks two rows: "committed", or the SQLSTATE of its error."""
    with proxy.connect(autocommit=False) as client:
        try:
            lock(client, first)
            barrier.wait(20)
            lock(client, second)
            client.commit()
            return "committed"
        except psycopg.Error as why:
            client.rollback()
            return why.sqlstate


def rows_of(client, sql):
    """How many rows there are; -1: an error."""
    try:
        return len(client.execute(sql).fetchall())
    except psycopg.Error:
        return -1


@pytest.mark.parametrize("parties", [2, 3])
def test_h10_clients_that_lock_rows_in_opposite_order(shop_proxy, keys, parties):
    rows = [pair[0] for pair in keys]
    barrier = threading.Barrier(parties)
    with concurrent.futures.ThreadPoolExecutor(parties) as pool:
        jobs = [pool.submit(lock_in_order, shop_proxy, rows[i], rows[(i + 1) % parties], barrier) for i in range(parties)]
        outcomes = sorted(job.result(60) for job in jobs)
    assert outcomes == ["40P01"] + ["committed"] * (parties - 1)


def test_h10_waiting_without_a_cycle_is_not_broken(shop_proxy, keys):
    """A long wait over two shards is no deadlock."""
    one, other = keys[0][0], keys[1][0]
    with shop_proxy.connect(autocommit=False) as holder, shop_proxy.connect(autocommit=False) as waiter:
        lock(holder, one)
        lock(holder, other)
        lock(waiter, keys[2][0])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lock, waiter, other)
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(3)
            holder.commit()
            waiting.result(30)
        waiter.commit()


def test_h08_commit_of_a_failed_transaction_says_rollback(shop_proxy, shop_cluster, keys):
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        for pair in keys:
            assert kinds(client.run(query(f"UPDATE users SET name = 'gone' WHERE id = {pair[0]}"))) == "CZ"
        assert kinds(client.run(query(f"UPDATE users SET name = (1 / (id - id))::text WHERE id = {keys[1][1]}"))) == "EZ"
        assert client.run(query("COMMIT")) == [("C", b"ROLLBACK\0"), ("Z", b"I")]
    for shard in shop_cluster.shards:
        assert shop_cluster.primary(shard).rows("SELECT count(*) FROM users WHERE name = 'gone'") == [(0,)]


def next_oid(server):
    """Of this server's counter, which goes on by it."""
    with server.connect(user="app") as one:
        one.execute("CREATE TYPE burnt AS ENUM ()")
        found = one.execute("SELECT 'burnt'::regtype::oid::int8").fetchone()[0]
        one.execute("DROP TYPE burnt")
        return found


@pytest.fixture
def moods(ringway, shop_cluster):
    """A proxy whose shards have made the same types under other OIDs, with a row of `moods` for each of 30 keys."""
    servers = [shop_cluster.primary(shard) for shard in shop_cluster.shards]
    try:
        newest = []
        for server in servers:
            newest.append(next_oid(server))
            while any(abs(newest[-1] - other) < 10 for other in newest[:-1]):
                newest[-1] = next_oid(server)
            server.rows("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE TYPE point3 AS (x int, feels mood);"
                        "CREATE TABLE moods (id bigint PRIMARY KEY, mood mood, many mood[], at point3); SELECT 1", user="app")
        oids = [server.rows("SELECT 'mood'::regtype::oid, 'mood[]'::regtype::oid, 'point3'::regtype::oid", user="app")[0] for server in servers]
        assert len(set(oids)) == len(servers), "the shards' OIDs do not differ: the trap is not set"
        proxy = ringway({"clusters": {"shop": {"tables": {"moods": {"key": "id"}}}}}, clusters=[shop_cluster])
        with proxy.connect(dbname="shop") as client:
            client.execute("SET ringway.role = 'primary'")
            assert until(lambda: "scatter" in str(client.execute("EXPLAIN (ROUTE) SELECT id FROM moods").fetchall()))
            for key in range(1, 31):
                label = ("sad", "ok", "happy")[key % 3]
                client.execute(f"INSERT INTO moods VALUES ({key}, '{label}', ARRAY['{label}', 'ok']::mood[], ROW({key}, 'sad'))")
            told = lambda: {client.execute("SELECT mood FROM moods WHERE id = %s", (key,)).description[0].type_code for key in range(1, 31)}  # noqa: E731
            assert until(lambda: told() == {oids[0][0]}, 30), (told(), oids)  # a shard that could not be asked at once is asked again
        yield proxy, oids[0]
    finally:
        for server in servers:
            server.rows("DROP TABLE IF EXISTS moods; DROP TYPE IF EXISTS point3, mood; SELECT 1", user="app")


def oids_of(reply):
    """Of a RowDescription or ParameterDescription."""
    kind, body = reply
    if kind == "t":
        return list(struct.unpack_from(f"!{struct.unpack_from('!h', body)[0]}I", body, 2))
    out, at = [], 2
    while at < len(body):
        at = body.index(b"\0", at) + 1
        out.append(struct.unpack_from("!I", body, at + 6)[0])
        at += 18
    return out


def test_h13_one_oid_whichever_shard_answers(moods):
    proxy, (mood, moods_, point) = moods
    with Wire(proxy.port, database="shop") as client:
        client.run(query("SET ringway.role = 'primary'"))
        for sql in [f"SELECT mood, many, at FROM moods WHERE id = {key}" for key in range(1, 13)] + [
                "SELECT mood, many, at FROM moods WHERE id IN (1, 2, 3, 4, 5, 6)", "SELECT mood, many, at FROM moods ORDER BY id LIMIT 3"]:
            for batch in (query(sql), parse(sql) + bind() + describe("P") + execute() + sync(), parse(sql) + describe("S") + bind() + execute() + sync()):
                got = client.run(batch)
                assert [oids_of(each) for each in got if each[0] == "T"] == [[mood, moods_, point]], (sql, got)
                assert "E" not in kinds(got)
        for key in range(1, 13):  # the client's own OIDs, as it has learned them
            sql = "UPDATE moods SET mood = $2, many = $3 WHERE id = $1 RETURNING mood, many"
            got = client.run(parse(sql, types=(20, mood, moods_)) + describe("S") + bind((str(key).encode(), b"happy", b"{sad,happy}")) + execute() + sync())
            assert kinds(got) == "1tT2DCZ", got
            assert oids_of(got[1]) == [20, mood, moods_] and oids_of(got[2]) == [mood, moods_]


def test_h13_a_statement_prepared_once_serves_all_shards(moods):
    proxy, (mood, moods_, _) = moods
    with Wire(proxy.port, database="shop") as client:
        got = client.run(parse("SELECT mood, many FROM moods WHERE id = $1 AND mood = $2", "one", types=(0, 0)) + describe("S", "one") + sync())
        assert oids_of(got[1])[1] == mood and oids_of(got[2]) == [mood, moods_]
        for key in range(1, 31):
            label = (b"sad", b"ok", b"happy")[key % 3]
            got = client.run(bind((str(key).encode(), label), name="one") + execute() + sync())
            assert kinds(got) == "2DCZ" and label in got[1][1], got


def test_h13_a_driver_that_knows_the_type_reads_and_writes_it(moods):
    proxy, _ = moods
    with proxy.connect(dbname="shop") as client:
        client.execute("SET ringway.role = 'primary'")
        kind = EnumInfo.fetch(client, "mood")
        register_enum(kind, client, enum.Enum("Mood", {label: label for label in kind.labels}))
        mood = kind.enum
        for options in ({}, {"binary": True}):
            cursor = client.cursor(**options)
            for key in range(1, 31):
                cursor.execute("UPDATE moods SET mood = %s, many = %s WHERE id = %s RETURNING mood, many", (mood.ok, [mood.sad, mood.ok], key), prepare=True)
                got = cursor.fetchall()
                assert got == [(mood.ok, [mood.sad, mood.ok])] or (options and got[0][0] == mood.ok)  # docs/routing.md: binary arrays
            if options:
                continue
            for sql in ("SELECT mood, many FROM moods", "SELECT mood, many FROM moods ORDER BY id DESC"):
                assert {tuple(map(str, row)) for row in cursor.execute(sql).fetchall()} == {(str(mood.ok), str([mood.sad, mood.ok]))}, sql
            for sql in ("SELECT mood FROM moods ORDER BY mood, id", "SELECT max(mood) FROM moods", "SELECT DISTINCT mood FROM moods"):
                assert {row[0] for row in cursor.execute(sql).fetchall()} == {mood.ok}, sql
            grouped = cursor.execute("SELECT many, count(*), max(at::text) FROM moods GROUP BY many").fetchall()  # gathered
            assert grouped == [([mood.sad, mood.ok], 30, "(9,sad)")]
            assert cursor.execute("SELECT count(*) FROM moods WHERE mood = %s", (mood.ok,)).fetchone() == (30,)


def test_h14_shards_whose_tables_differ_are_an_error(shop_proxy, shop_cluster, keys):
    """A column of another type on one shard: never rows of two kinds in one answer."""
    last = shop_cluster.primary(shop_cluster.shards[-1])
    for other_type in ("varchar(100)", "bytea"):
        using = "country::bytea" if other_type == "bytea" else "country"
        last.rows(f"ALTER TABLE users ALTER COLUMN country TYPE {other_type} USING {using}; SELECT 1")
        try:
            with shop_proxy.connect() as client:
                with pytest.raises(psycopg.Error):
                    client.execute("UPDATE users SET name = name WHERE name = 'trap' RETURNING id, country")
                if other_type == "bytea":
                    with pytest.raises(psycopg.Error):
                        client.execute("SELECT id, country FROM users WHERE name = 'trap' AND country = 'de' ORDER BY id")
        finally:
            back = "convert_from(country, 'UTF8')" if other_type == "bytea" else "country"
            last.rows(f"ALTER TABLE users ALTER COLUMN country TYPE text USING {back}; SELECT 1")
    with shop_proxy.connect() as client:
        assert until(lambda: rows_of(client, "SELECT id, country FROM users WHERE name = 'trap'") == 2 * len(keys))


def test_h14_columns_in_another_order_are_told_apart(shop_proxy, shop_cluster, keys):
    """`*` would put one shard's values into another's columns."""
    servers = [shop_cluster.primary(shard) for shard in shop_cluster.shards]
    try:
        for server in servers:
            first, second = ("a", "b") if server is not servers[-1] else ("b", "a")
            server.rows(f"ALTER TABLE users ADD COLUMN {first} text, ADD COLUMN {second} text; UPDATE users SET a = 'a', b = 'b' WHERE name = 'trap'; SELECT 1")
        joined = "SELECT {} FROM users u WHERE u.name = 'trap' AND u.country IN (SELECT country FROM users)"  # of other shards: gathered
        with shop_proxy.connect() as client:
            client.execute("SET ringway.role = 'primary'")
            gathered = lambda: str(client.execute("EXPLAIN (ROUTE) " + joined.format("*"), prepare=False).fetchall())  # noqa: E731
            assert until(lambda: "users (id, name, country, a, b)" in gathered(), 30)
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="columns of public.users"):
                client.execute(joined.format("*"))
            found = client.execute(joined.format("u.a, u.b")).fetchall()
            assert found and set(found) == {("a", "b")}
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                client.execute("SELECT * FROM users WHERE name = 'trap'")
    finally:
        for server in servers:
            server.rows("ALTER TABLE users DROP COLUMN IF EXISTS a, DROP COLUMN IF EXISTS b; SELECT 1")
            shop_cluster.caught_up(shop_cluster.shards[servers.index(server)])
        with shop_proxy.connect() as client:
            gathered = lambda: str(client.execute("EXPLAIN (ROUTE) " + joined.format("*"), prepare=False).fetchall())  # noqa: E731
            assert until(lambda: "users (id, name, country)" in gathered(), 30)


def test_h15_a_client_that_closes_stops_all_shards(shop_proxy, shop_cluster, keys):
    slow = "SELECT count(*) FROM users a, users b, pg_sleep(0.5) WHERE a.name = 'trap' AND b.name = 'trap' AND pg_sleep(30) IS NOT NULL"
    active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"

    def running():
        return sum(shop_cluster.primary(shard).rows(active)[0][0] for shard in shop_cluster.shards)

    with Wire(shop_proxy.port, database="shop") as client:
        client.send(parse(slow) + bind() + execute() + sync())
        assert until(running, 20)
    assert until(lambda: running() == 0, 20)
