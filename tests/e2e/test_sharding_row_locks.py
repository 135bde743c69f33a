"""SELECT ... FOR UPDATE and its like of rows of several shards: locked where they are, until the transaction ends on all."""

import concurrent.futures
import contextlib
import itertools
import os
import signal

import psycopg
import pytest

from conftest import admin, keys_by_shard, knows_tables, until
from wire import Wire, bind, codes, describe, execute, kinds, parse, query, sync

SQL = "SELECT id, name FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE"


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """Two keys a shard, in the order of the shards; `ringway init` has run."""
    return [each[:2] for each in keys_by_shard(shop_proxy, range(80001, 80041))]


@pytest.fixture(scope="module")
def every(keys):
    return sorted(key for pair in keys for key in pair)


@pytest.fixture(autouse=True)
def rows(shop_cluster, keys, every):
    """A row of users and two of orders for each key; straight to the servers."""
    def wipe():
        for shard in shop_cluster.shards:
            primary = shop_cluster.primary(shard)
            primary.rows("DELETE FROM users WHERE id >= 80000 AND id < 90000")
            primary.rows("DELETE FROM orders WHERE user_id >= 80000 AND user_id < 90000")
            primary.rows("DELETE FROM countries WHERE code = 'zz'")

    wipe()
    for shard, pair in zip(shop_cluster.shards, keys):
        primary = shop_cluster.primary(shard)
        primary.rows("INSERT INTO countries VALUES ('zz', 'Zed')")
        for key in pair:
            primary.rows("INSERT INTO users VALUES (%s, %s, 'zz')", [key, f"n{key}"])
            primary.rows("INSERT INTO orders (id, user_id, note) VALUES (%s, %s, 'a'), (%s, %s, 'b')", [key * 10, key, key * 10 + 1, key])
    yield
    for shard in shop_cluster.shards:
        assert shop_cluster.primary(shard).rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
    wipe()


@pytest.fixture
def free(shop_cluster, keys):
    """Whether nobody holds a lock on a key's row that stands in the way of UPDATE (or of another strength)."""
    def look(key, strength="UPDATE"):
        shard = next(i for i, pair in enumerate(keys) if key in pair)
        sql = f"SELECT id FROM users WHERE id = {key} FOR {strength} SKIP LOCKED"
        return shop_cluster.primary(shop_cluster.shards[shard]).rows(sql) == [(key,)]
    return look


@pytest.fixture
def later():
    """Runs something that waits for a lock."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool.submit


def waits(future, seconds=0.7):
    with pytest.raises(concurrent.futures.TimeoutError):
        future.result(seconds)
    return True


@pytest.mark.parametrize("prepare", [None, False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_the_bank_idiom(shop_proxy, every, free, later, prepare, binary):
    with shop_proxy.connect(autocommit=False) as client, shop_proxy.connect(autocommit=False) as other:
        locked = client.execute(SQL, [every], prepare=prepare, binary=binary)
        assert locked.statusmessage == "SELECT 6"
        assert locked.fetchall() == [(key, f"n{key}") for key in every]
        assert [(each.name, each.type_code) for each in locked.description] == [("id", 20), ("name", 25)]
        assert not any(free(key) for key in every)
        waiting = later(other.execute, "UPDATE users SET name = name || '+' WHERE id = %s", [every[3]])
        assert waits(waiting)
        client.execute("UPDATE users SET name = 'one' WHERE id = %s", [every[0]])
        client.execute("UPDATE users SET name = 'two' WHERE id = %s", [every[3]])
        client.commit()
        assert waiting.result(20).rowcount == 1
        other.commit()
        assert client.execute("SELECT name FROM users WHERE id = %s", [every[3]]).fetchone() == ("two+",)


@pytest.mark.parametrize("where", ["id IN ({0}, {3}, {5})", "id = ANY ('{{{0},{3},{5}}}')", "country = 'zz' AND id IN ({0}, {3}, {5})"])
def test_by_the_simple_protocol(shop_proxy, every, free, where):
    chosen = [every[0], every[3], every[5]]
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        for order, wanted in (("", None), ("ORDER BY id", chosen), ("ORDER BY id DESC", chosen[::-1]), ("ORDER BY name DESC NULLS LAST, 1", chosen[::-1])):
            came = client.run(query(f"SELECT id FROM users WHERE {where.format(*every)} {order} FOR UPDATE"))
            assert kinds(came) == "TDDDCZ" and came[-2] == ("C", b"SELECT 3\0"), came
            got = [int(body[6:]) for kind, body in came if kind == "D"]
            assert got == wanted if wanted else sorted(got) == chosen
        assert [free(key) for key in every] == [key not in chosen for key in every]
        assert client.run(query("COMMIT"))[0] == ("C", b"COMMIT\0")
        assert until(lambda: all(free(key) for key in every))


def test_only_owners_are_asked(shop_proxy, keys):
    two = [keys[0][0], keys[2][0]]
    told = {}
    for sql in (f"SELECT * FROM users WHERE id IN ({two[0]}, {two[1]}) ORDER BY id FOR UPDATE",):
        for line in admin(shop_proxy, f"SHOW ROUTE shop '{sql}'"):
            told.setdefault(line["item"], line["value"])
    assert told["plan"] == "several shards" and told["shards"] == "s0, s2" and told["role"] == "primary"
    assert told["runs"] == "each shard locks and reads the rows it has, one after the other" and told["why"] == "locks rows"
    with shop_proxy.connect() as client:
        shown = dict(client.execute(f"EXPLAIN (ROUTE) SELECT * FROM users WHERE country = 'zz' FOR UPDATE").fetchall())
        assert shown["plan"] == "several shards" and shown["shards"] == "all"
        shown = dict(client.execute(f"EXPLAIN (ROUTE) SELECT * FROM users WHERE id = {two[0]} FOR UPDATE").fetchall())
        assert shown["plan"] == "one shard" and shown["shards"] == "s0"


def test_without_a_key_and_joined(shop_proxy, every, free):
    with shop_proxy.connect(autocommit=False) as client:
        found = client.execute("SELECT u.id, o.note FROM users u JOIN orders o ON o.user_id = u.id WHERE u.country = 'zz' ORDER BY u.id, o.note DESC FOR UPDATE OF u FOR SHARE OF o").fetchall()
        assert found == [(key, note) for key in every for note in ("b", "a")]
        assert not any(free(key) for key in every)
        client.rollback()
        assert until(lambda: all(free(key) for key in every))
        found = client.execute("SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.note = 'a') AND id = ANY (%s) ORDER BY id FOR NO KEY UPDATE", [every[1:]]).fetchall()
        assert found == [(key,) for key in every[1:]]
        assert free(every[0]) and not free(every[1]) and free(every[1], "KEY SHARE")


def test_sort_keys_that_are_not_selected(shop_proxy, shop_cluster, every):
    names = {key: None if i == 2 else f"m{9 - i}" for i, key in enumerate(every)}
    with shop_proxy.connect() as client:
        for key, name in names.items():
            client.execute("UPDATE users SET name = %s, country = %s WHERE id = %s", [name, "zz", key])
        for order, wanted in {
            "id %% 2, id DESC": sorted(every, key=lambda key: (key % 2, -key)),
            "length(name) NULLS FIRST, -id": [every[2], *sorted((key for key in every if key != every[2]), reverse=True)],
            "name IS NULL DESC, id": [every[2], *(key for key in every if key != every[2])],
        }.items():
            for binary, prepare in itertools.product((False, True), (False, True)):
                with client.transaction():
                    found = client.execute(f"SELECT id AS number, 'x' AS id FROM users WHERE users.id = ANY (%s) ORDER BY {order.replace('id', 'users.id')} FOR UPDATE",
                                           [every], binary=binary, prepare=prepare).fetchall()
                    assert found == [(key, "x") for key in wanted], order
        with client.transaction():
            found = client.execute("SELECT * FROM users u WHERE id = ANY (%s) ORDER BY id FOR SHARE", [every]).fetchall()
            assert found == [(key, names[key], "zz") for key in every]


def test_nowait_fails_everywhere(shop_proxy, shop_cluster, keys, every, free):
    held = keys[2][0]
    with shop_cluster.primary(shop_cluster.shards[2]).connect(autocommit=False) as holder, shop_proxy.connect(autocommit=False) as client:
        holder.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [held])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            client.execute("SELECT id FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE NOWAIT", [every])
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            client.execute("SELECT 1")
        client.rollback()
        assert [free(key) for key in every] == [key != held for key in every]


@contextlib.contextmanager
def rolling_back_while_one_hangs(client, shard, every):
    """The client has locked rows on all shards and sent ROLLBACK, which its backend on `shard` does not read until the end."""
    client.run(query("BEGIN"))
    client.run(query(f"SELECT id FROM users WHERE id IN ({', '.join(map(str, every))}) ORDER BY id FOR UPDATE"))
    (backend,) = {pid for pid, in shard.rows("SELECT pid FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'RowShareLock'")}
    os.kill(backend, signal.SIGSTOP)
    try:
        client.send(query("ROLLBACK"))
        yield backend
    finally:
        os.kill(backend, signal.SIGCONT)


@pytest.mark.parametrize("hangs", [False, True], ids=["", "a server that hangs"])
def test_a_rollback_is_answered_when_every_shard_has_let_go(shop_proxy, shop_cluster, every, free, keys, hangs):
    shard = shop_cluster.primary(shop_cluster.shards[1])
    with Wire(shop_proxy.port, database="shop") as client:
        with rolling_back_while_one_hangs(client, shard, every):
            assert until(lambda: free(keys[0][0]) and free(keys[2][0]))
            assert client.silent(0.3)
            if hangs:  # its connection is closed, and with it ends the transaction
                assert kinds(client.until("Z")) == "CZ"
        if not hangs:
            assert kinds(client.until("Z")) == "CZ"
            assert all(map(free, every))
        assert until(lambda: all(map(free, every)))
        assert len(client.rows("SELECT id FROM users WHERE id BETWEEN 80000 AND 89999 ORDER BY id FOR UPDATE")) == len(every)


def test_a_server_that_hangs_in_a_rollback_loses_its_connection_though_the_client_has_gone(shop_proxy, shop_cluster, every):
    shard = shop_cluster.primary(shop_cluster.shards[1])
    with Wire(shop_proxy.port, database="shop") as client:
        with rolling_back_while_one_hangs(client, shard, every) as backend:
            assert client.silent(0.2)
            client.end()
            port = shard.rows("SELECT client_port FROM pg_stat_activity WHERE pid = %s", [backend])[0][0]
            assert until(lambda: port not in open_ports(shop_proxy), 15)


def open_ports(proxy):
    """Local ports of the proxy's connections."""
    own = {os.readlink(f"/proc/{proxy.process.pid}/fd/{each}") for each in os.listdir(f"/proc/{proxy.process.pid}/fd")}
    lines = [line.split() for line in open("/proc/net/tcp")][1:]
    return {int(line[1].split(":")[1], 16) for line in lines if f"socket:[{line[9]}]" in own}


def test_skip_locked_leaves_out_what_is_locked_on_each_shard(shop_proxy, shop_cluster, keys, every):
    held = [pair[0] for pair in keys]
    left = sorted(pair[1] for pair in keys)
    with shop_proxy.connect(autocommit=False) as holder, shop_proxy.connect(autocommit=False) as client:
        holder.execute("SELECT 1 FROM users WHERE id = ANY (%s) FOR UPDATE", [held])
        for sql in ("SELECT id FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE SKIP LOCKED", "SELECT id FROM users WHERE id = ANY (%s) FOR SHARE SKIP LOCKED"):
            assert sorted(client.execute(sql, [every]).fetchall()) == [(key,) for key in left]
        assert client.execute("SELECT id FROM users WHERE id = ANY (%s) FOR SHARE SKIP LOCKED", [held]).fetchall() == []


def test_shares_go_together(shop_proxy, every, later):
    sql = "SELECT id FROM users WHERE id = ANY (%s) ORDER BY id FOR SHARE"
    with shop_proxy.connect(autocommit=False) as one, shop_proxy.connect(autocommit=False) as other, shop_proxy.connect() as writer:
        assert len(one.execute(sql, [every]).fetchall()) == len(other.execute(sql, [every]).fetchall()) == 6
        waiting = later(writer.execute, "UPDATE users SET name = 'w' WHERE id = ANY (%s)", [every])
        one.commit()
        assert waits(waiting)
        other.commit()
        assert waiting.result(20).rowcount == 6


def test_the_same_order_is_no_deadlock(shop_proxy, every, later):
    """Statements of several shards take these in one order, so that clients only wait for each other."""
    def work(times):
        with shop_proxy.connect() as client:
            for _ in range(times):
                with client.transaction():
                    client.execute(SQL, [every])
        return times

    assert [each.result(60) for each in [later(work, 40) for _ in range(4)]] == [40] * 4


def test_the_other_order_is_one(shop_proxy, keys, later):
    sql = "SELECT 1 FROM users WHERE id = %s FOR UPDATE"
    with shop_proxy.connect(autocommit=False) as one, shop_proxy.connect(autocommit=False) as other:
        one.execute("SELECT 1 FROM users WHERE id IN (%s, %s) FOR UPDATE", [keys[0][0], keys[1][0]])
        other.execute(sql, [keys[2][0]])
        waiting = {later(one.execute, sql, [keys[2][0]]): one}
        assert waits(next(iter(waiting)))
        waiting[later(other.execute, "SELECT 1 FROM users WHERE id IN (%s, %s) FOR UPDATE", [keys[0][0], keys[1][0]])] = other
        came = []
        while waiting:  # who fails has to roll back before the other goes on
            done = concurrent.futures.wait(waiting, 30, concurrent.futures.FIRST_COMPLETED).done
            assert done
            for each in done:
                came.append("40P01" if isinstance(each.exception(), psycopg.errors.DeadlockDetected) else each.result().statusmessage)
                waiting.pop(each).rollback()
        assert came[0] == "40P01" and came[1].startswith("SELECT"), came


def test_read_only(shop_proxy, every):
    for begin in ("BEGIN READ ONLY", "BEGIN; SET TRANSACTION READ ONLY"):
        for before in (None, "SELECT count(*) FROM users", f"SELECT 1 FROM users WHERE id = {every[0]}"):
            with shop_proxy.connect() as client:
                for sql in begin.split("; "):
                    client.execute(sql)
                if before:
                    client.execute(before)
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cannot execute SELECT FOR UPDATE in a read-only transaction"):
                    client.execute(SQL, [every])
                client.execute("ROLLBACK")


@pytest.mark.parametrize("sql, hint", [
    ("SELECT id FROM users ORDER BY id LIMIT 1 FOR UPDATE", "name the keys of one shard"),
    ("SELECT id FROM users OFFSET 1 FOR UPDATE SKIP LOCKED", "name the keys of one shard"),
    ("SELECT u.id FROM users u JOIN countries c ON c.code = u.country FOR UPDATE", "FOR UPDATE OF"),
    ("SELECT u.id FROM users u JOIN countries c ON c.code = u.country FOR SHARE OF c", "FOR UPDATE OF"),
    ("SELECT id FROM users WHERE name IN (SELECT note FROM orders FOR UPDATE)", None),
    ("SELECT id FROM users WHERE id IN (SELECT user_id FROM orders FOR UPDATE)", None),
    ("SELECT a.id FROM users a JOIN users b ON a.name = b.name FOR UPDATE", None),
    ("SELECT id FROM users ORDER BY name COLLATE \"de-x-icu\" FOR UPDATE", None),
    ("SELECT ctid FROM users FOR UPDATE", None), ("SELECT now(), id FROM users FOR UPDATE", None),
    ("SELECT nextval('s'), id FROM users FOR UPDATE", None), ("SELECT pg_advisory_xact_lock(id) FROM users FOR UPDATE", None),
    ("WITH x AS (SELECT * FROM users) SELECT * FROM users FOR UPDATE", None),
    ("SELECT id FROM users UNION SELECT id FROM orders FOR UPDATE", None),
    ("EXPLAIN SELECT * FROM users FOR UPDATE", None), ("DECLARE c CURSOR FOR SELECT * FROM users FOR UPDATE", None),
    ("SELECT * INTO copied FROM users FOR UPDATE", None), ("SELECT * FROM users ORDER BY id::text::xid FOR UPDATE", None),
    ("SELECT id FROM users WHERE name < 'now' AND id < 'now'::timestamp::text::int FOR UPDATE", None),
    # The servers' own words.
    ("SELECT DISTINCT name FROM users FOR UPDATE", None), ("SELECT DISTINCT name FROM users ORDER BY name FOR UPDATE", None),
    ("SELECT count(*) FROM users FOR UPDATE", None), ("SELECT name FROM users GROUP BY name ORDER BY name FOR UPDATE", None),
    ("SELECT row_number() OVER () FROM users FOR UPDATE", None),
])
def test_refused(shop_proxy, every, free, sql, hint):
    with shop_proxy.connect() as client:
        for within in (False, True):
            if within:
                client.execute("BEGIN")
            with pytest.raises(psycopg.Error) as why:
                client.execute(sql)
            assert why.value.sqlstate in ("0A000", "42P01" if "nextval" in sql else "0A000", "42883" if "xid" in sql else "0A000"), why.value
            assert hint is None or hint in why.value.diag.message_hint, why.value.diag.message_hint
            if within:
                client.execute("ROLLBACK")
    assert until(lambda: all(free(key) for key in every))


@pytest.mark.parametrize("sql, code, position", [
    ("SELECT nothing FROM users ORDER BY id FOR UPDATE", "42703", 8), ("SELECT id FROM users WHERE nothing = 1 ORDER BY nowhere FOR UPDATE", "42703", 28),
    ("SELECT id FROM users ORDER BY nowhere FOR UPDATE", "42703", 31), ("SELECT id FROM users FOR UPDATE OF nothing", "42P01", 36),
    ("SELECT 1 / (id - id) FROM users ORDER BY id FOR UPDATE", "22012", None), ("SELECT $1 FROM users ORDER BY id FOR UPDATE", "42P02", 8),
])
def test_errors_are_the_servers(shop_proxy, every, sql, code, position):
    with Wire(shop_proxy.port, database="shop") as client:
        for begin in (None, "BEGIN"):
            if begin:
                client.run(query(begin))
            came = client.run(query(sql))
            assert codes(came) == [code], came
            assert position is None or f"P{position}\0".encode() in came[0][1], came
            assert came[-1] == ("Z", b"E" if begin else b"I")


def test_reference_tables_that_are_not_locked(shop_proxy, every):
    with shop_proxy.connect() as client:
        found = client.execute("SELECT u.id, c.name FROM users u JOIN countries c ON c.code = u.country WHERE c.code = 'zz' ORDER BY u.id FOR UPDATE OF u").fetchall()
        assert found == [(key, "Zed") for key in every]


def test_who_locks_reference_tables_meets(shop_proxy, keys, later):
    """On the first shard, wherever their transactions stand."""
    sql = "SELECT name FROM countries WHERE code = 'zz' FOR UPDATE"
    with shop_proxy.connect(autocommit=False) as one, shop_proxy.connect(autocommit=False) as other:
        one.execute("UPDATE users SET name = 'x' WHERE id = %s", [keys[1][0]])
        other.execute("UPDATE users SET name = 'x' WHERE id = %s", [keys[2][0]])
        assert one.execute(sql).fetchall() == [("Zed",)]
        waiting = later(other.execute, sql)
        assert waits(waiting)
        one.execute("UPDATE countries SET name = 'Zee' WHERE code = 'zz'")
        one.commit()
        assert waiting.result(20).fetchall() == [("Zee",)]


def test_row_limits(shop_proxy, every, free):
    numbers = "{" + ",".join(map(str, every)) + "}"
    for order in ("ORDER BY id ", ""):
        with Wire(shop_proxy.port, database="shop") as client:
            client.run(query("BEGIN"))
            came = client.run(parse(f"SELECT id FROM users WHERE id = ANY ($1) {order}FOR UPDATE") + bind([numbers], portal="p") + describe("P", "p") + execute("p", 4) + sync())
            assert kinds(came) == "12TDDDDsZ", came
            rows = [int(body[6:]) for kind, body in came if kind == "D"]
            assert not any(free(key) for key in every)
            came = client.run(execute("p", 4) + sync())
            assert kinds(came) == "DDCZ" and came[-2] == ("C", b"SELECT 2\0"), came
            rows += [int(body[6:]) for kind, body in came if kind == "D"]
            assert rows == every if order else sorted(rows) == every
            client.run(query("ROLLBACK"))
            assert until(lambda: all(free(key) for key in every))


def test_a_pipeline(shop_proxy, every, free):
    """Without BEGIN it is one transaction up to its Sync."""
    numbers = "{" + ",".join(map(str, every)) + "}"
    sql = "SELECT id, name FROM users WHERE id = ANY ($1) ORDER BY id FOR UPDATE"
    with Wire(shop_proxy.port, database="shop") as client:
        came = client.run(parse(sql, "a") + describe("S", "a") + bind([numbers], name="a", results=(1, 0)) + describe("P") + execute() +
                          parse("UPDATE users SET name = 'piped' WHERE id = ANY ($1)") + bind([numbers]) + execute() + sync())
        assert kinds(came) == "1tT2TDDDDDDC12CZ", came
        assert [int.from_bytes(body[6:14], "big") for kind, body in came if kind == "D"] == every
        assert came[-2] == ("C", b"UPDATE 6\0")
        assert until(lambda: all(free(key) for key in every))
        for formats in ((), (0,), (1,), (0, 1)):
            client.run(query("BEGIN"))
            assert kinds(client.run(bind([numbers], name="a", results=formats) + execute() + sync())) == "2DDDDDDCZ"
            client.run(query("COMMIT"))
        came = client.run(bind([numbers], name="a", results=(1, 0, 1)) + execute() + sync())
        assert codes(came) == ["08P01"], came


def test_texts_of_several_statements(shop_proxy, every, free):
    with Wire(shop_proxy.port, database="shop") as client:
        chosen = f"{every[0]}, {every[2]}, {every[4]}, {every[5]}"
        came = client.run(query(f"BEGIN; SELECT id FROM users WHERE id IN ({chosen}) ORDER BY id FOR UPDATE; UPDATE users SET name = 't' WHERE id IN ({chosen})"))
        assert kinds(came) == "CTDDDDCCZ" and came[-1] == ("Z", b"T"), came
        assert [free(key) for key in every] == [False, True, False, True, False, False]
        client.run(query("COMMIT"))
        came = client.run(query(f"SELECT id FROM users WHERE id IN ({chosen}) ORDER BY id DESC FOR UPDATE; SELECT 1"))
        assert kinds(came) == "TDDDDCTDCZ", came
        assert until(lambda: all(free(key) for key in every))


def test_outside_of_a_transaction(shop_proxy, every, free, later):
    with shop_proxy.connect() as client, shop_proxy.connect(autocommit=False) as holder:
        assert client.execute(SQL, [every]).fetchall() == [(key, f"n{key}") for key in every]
        assert until(lambda: all(free(key) for key in every))
        holder.execute("UPDATE users SET name = 'held' WHERE id = %s", [every[4]])
        waiting = later(client.execute, SQL, [every])
        assert waits(waiting)
        holder.commit()
        assert waiting.result(20).fetchall() == [(key, "held" if key == every[4] else f"n{key}") for key in every]
        assert until(lambda: all(free(key) for key in every))


def test_a_row_whose_sort_key_changes_while_it_is_waited_for(shop_proxy, every, later):
    """It is given, once, as its new version; where it comes is the servers' secret."""
    with shop_proxy.connect() as client, shop_proxy.connect(autocommit=False) as holder:
        client.execute("UPDATE users SET name = '5' WHERE id = ANY (%s)", [every])
        holder.execute("UPDATE users SET name = '1' WHERE id = %s", [every[-1]])
        waiting = later(client.execute, "SELECT name::int FROM users WHERE id = ANY (%s) ORDER BY name::int, id FOR UPDATE", [every])
        assert waits(waiting)
        holder.commit()
        assert sorted(waiting.result(20).fetchall()) == [(1,)] + [(5,)] * 5


def test_rollback_and_savepoints_free(shop_proxy, every, free):
    with shop_proxy.connect() as client:
        client.execute("BEGIN")
        client.execute("SELECT 1 FROM users WHERE id = ANY (%s) FOR UPDATE", [every[:2]])
        client.execute("SAVEPOINT s")
        client.execute(SQL, [every])
        assert not any(free(key) for key in every)
        client.execute("ROLLBACK TO s")
        assert [free(key) for key in every] == [False] * 2 + [True] * 4
        client.execute("SAVEPOINT t")
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1 / (id - id) FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE", [every])
        client.execute("ROLLBACK TO t")
        assert client.execute(SQL, [every[2:]]).fetchall() == [(key, f"n{key}") for key in every[2:]]
        client.execute("ROLLBACK")
        assert until(lambda: all(free(key) for key in every))


def test_a_client_that_goes_away_frees(shop_proxy, shop_cluster, keys, every, free):
    """With locks, and while it waits for the next."""
    for held in (None, keys[1][0]):
        with shop_cluster.primary(shop_cluster.shards[1]).connect(autocommit=False) as holder:
            if held:
                holder.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [held])
            with Wire(shop_proxy.port, database="shop") as client:
                client.run(query("BEGIN"))
                client.send(query(f"SELECT id FROM users WHERE id IN ({', '.join(map(str, every))}) ORDER BY id FOR UPDATE"))
                assert until(lambda: not free(keys[0][0]))
                assert held is None or free(keys[2][0])
            assert until(lambda: free(keys[0][0]), 5)
        assert until(lambda: all(free(key) for key in every), 5)


def test_cancel_while_it_waits(shop_proxy, shop_cluster, keys, every, free, later):
    with shop_cluster.primary(shop_cluster.shards[1]).connect(autocommit=False) as holder, shop_proxy.connect(autocommit=False) as client:
        holder.execute("SELECT 1 FROM users WHERE id = %s FOR UPDATE", [keys[1][0]])
        waiting = later(client.execute, SQL, [every])
        assert waits(waiting)
        client.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiting.result(20)
        client.rollback()
        assert until(lambda: free(keys[0][0]))


def test_more_than_may_be_kept(shop_proxy, every, free):
    with shop_proxy.connect(autocommit=False) as client:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="64 MB"):
            client.execute("SELECT repeat('x', 15000000) FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE", [every])
        client.rollback()
        assert until(lambda: all(free(key) for key in every))
        sizes = client.execute("SELECT repeat('x', 15000000), id FROM users WHERE id = ANY (%s) FOR UPDATE", [every]).fetchall()  # as they come
        assert sorted((len(text), key) for text, key in sizes) == [(15000000, key) for key in every]


def test_texts_are_sorted_in_utf8_only(shop_proxy, every):
    sql = "SELECT id FROM users WHERE id = ANY (%s) ORDER BY name FOR UPDATE"
    with shop_proxy.connect() as client:
        assert client.execute(sql, [every]).fetchall() == [(key,) for key in every]
    with shop_proxy.connect(client_encoding="latin1") as client:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="brought into this order"):
            client.execute(sql, [every])
        assert client.execute("SELECT name FROM users WHERE id = ANY (%s) ORDER BY id FOR UPDATE", [every]).fetchall() == [(f"n{key}",) for key in every]


def test_locks_need_no_second_phase(ringway, shop_cluster, every, free):
    """Nothing is prepared for them, and two_phase = "error" allows them; a write on a second shard it does not."""
    one = ringway({"clusters": {"shop": {"two_phase": "error"}}}, clusters=shop_cluster)
    assert until(lambda: knows_tables(one, "shop"))
    with one.connect() as client:
        with client.transaction():
            assert len(client.execute(SQL, [every]).fetchall()) == 6
            client.execute("UPDATE users SET name = 'w' WHERE id = %s", [every[0]])
        assert client.execute("SELECT name FROM users WHERE id = %s", [every[0]]).fetchone() == ("w",)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="second shard"), client.transaction():
            client.execute(SQL, [every])
            client.execute("UPDATE users SET name = 'v' WHERE id = ANY (%s)", [every])
    assert until(lambda: all(free(key) for key in every))


def test_reads_behind_locks_see_what_is_committed(shop_proxy, every):
    with shop_proxy.connect(autocommit=False) as client, shop_proxy.connect() as other:
        client.execute(SQL, [every[:3]])
        other.execute("UPDATE users SET name = 'new' WHERE id = %s", [every[4]])
        assert client.execute("SELECT count(*) FROM users WHERE name = 'new' AND id = ANY (%s)", [every]).fetchone() == (1,)
        client.execute("UPDATE users SET name = 'new' WHERE id = ANY (%s)", [every[:3]])
        assert client.execute("SELECT count(*) FROM users WHERE name = 'new' AND id = ANY (%s)", [every]).fetchone() == (4,)


@pytest.mark.parametrize("how", ["one row", "rows of several shards", "a table", "an advisory lock"])
@pytest.mark.parametrize("first_of_all", [False, True])
def test_who_waits_for_a_lock_sees_what_was_written_under_it(shop_proxy, keys, how, first_of_all):
    """The locks of a shard that was not written to last until the writes of the others are committed."""
    (first, _), (second, _), (third, _) = keys
    lock = {"one row": f"SELECT id FROM users WHERE id = {second} FOR UPDATE",
            "rows of several shards": f"SELECT id FROM users WHERE id IN ({second}, {third}) ORDER BY id FOR UPDATE",
            "a table": "LOCK TABLE countries IN SHARE ROW EXCLUSIVE MODE",
            "an advisory lock": "SELECT pg_advisory_xact_lock(77)"}[how]
    with shop_proxy.connect() as one, shop_proxy.connect() as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        for n in range(40):
            def look():
                with other.transaction():
                    other.execute(lock)
                    return other.execute(f"SELECT name FROM users WHERE id = {first}").fetchone()

            with one.transaction():
                if not first_of_all:
                    one.execute(f"SELECT name FROM users WHERE id = {third}")
                one.execute(lock)
                found = pool.submit(look)
                one.execute(f"UPDATE users SET name = 'v{n}' WHERE id = {first}")
                if how != "a table":
                    one.execute(f"UPDATE orders SET note = 'v{n}' WHERE user_id = {third}")
            assert found.result(20) == (f"v{n}",)


@pytest.mark.parametrize("how", ["advisory", "row", "rows"])
@pytest.mark.parametrize("shard", [0, 1, 2])
def test_who_waits_for_a_lock_of_a_shard_that_is_written_too(shop_proxy, keys, shard, how):
    """It is committed last: who comes behind the lock sees what was written on all."""
    every_first = [pair[0] for pair in keys]
    lock = {"advisory": "SELECT pg_advisory_xact_lock(79)",
            "row": f"SELECT id FROM users WHERE id = {every_first[shard]} FOR UPDATE",
            "rows": f"SELECT id FROM users WHERE id IN ({every_first[shard]}, {every_first[0]}) ORDER BY id FOR UPDATE"}[how]
    with shop_proxy.connect() as one, shop_proxy.connect() as other, concurrent.futures.ThreadPoolExecutor(1) as pool:
        for n in range(20):
            def look():
                with other.transaction():
                    other.execute(lock)
                    return [other.execute(f"SELECT name FROM users WHERE id = {key}").fetchone()[0] for key in every_first]

            with one.transaction():
                one.execute(lock)
                found = pool.submit(look)
                for key in every_first:
                    one.execute(f"UPDATE users SET name = 'v{n}' WHERE id = {key}")
            assert found.result(20) == [f"v{n}"] * 3


def test_a_shard_with_temporary_tables_decides_though_it_has_locks(shop_proxy, keys, every):
    """What has used temporary tables cannot be prepared."""
    with shop_proxy.connect() as client:
        with client.transaction():
            client.execute(f"SELECT id FROM users WHERE id = {keys[0][0]} FOR UPDATE")
            sql = "SELECT count(*) FROM users a, users b WHERE a.id <> b.id AND a.id = ANY (%s) AND b.id = ANY (%s)"
            assert client.execute(sql, [every, every]).fetchone() == (len(every) * (len(every) - 1),)
            client.execute("UPDATE users SET name = 'both' WHERE id = ANY (%s)", [every])
        assert client.execute("SELECT count(*) FROM users WHERE name = 'both' AND id = ANY (%s)", [every]).fetchone() == (len(every),)


def test_shards_with_other_columns_are_not_mixed(shop_proxy, shop_cluster, every):
    """Also by the extended protocol, which says nothing of a write's columns to the client."""
    last = shop_cluster.primary(shop_cluster.shards[-1])

    def to_the_end(column, kind):
        last.rows(f"ALTER TABLE orders RENAME {column} TO old; ALTER TABLE orders ADD {column} {kind}; UPDATE orders SET {column} = old; "
                  "ALTER TABLE orders DROP old; SELECT 1", user="app")

    to_the_end("amount", "numeric")
    try:
        condition = "WHERE user_id >= 80000 AND user_id < 90000"
        for sql in (f"SELECT * FROM orders {condition} ORDER BY id FOR UPDATE", f"SELECT * FROM orders {condition} FOR UPDATE",
                    f"UPDATE orders SET id = id {condition} RETURNING *"):
            with Wire(shop_proxy.port, database="shop") as client:
                assert codes(client.run(query(sql))) == ["0A000"], sql
                assert codes(client.run(parse(sql) + bind() + describe("P") + execute() + sync())) == ["0A000"], sql
                assert codes(client.run(parse(sql) + bind() + execute() + sync())) == ["0A000"], sql
    finally:
        to_the_end("note", "text")


def test_a_parameter_that_stands_twice(shop_proxy, every):
    """Its type comes of the text, and the shards' is another: 5000000000 is an int8 in the one place, an int4 in the other."""
    for suffix in ("", " FOR UPDATE"):
        sql = f"SELECT id FROM users WHERE id > $1 AND id < 90000 ORDER BY length(name) + $1, id{suffix}"
        with Wire(shop_proxy.port, database="shop") as client:
            came = client.run(parse(sql) + bind([80000]) + describe("P") + execute() + sync())
            assert codes(came) == (["0A000"] if suffix else []), came
            if not suffix:
                assert kinds(came).count("D") == len(every)


def test_writes_to_the_same_rows_of_all_shards_wait_for_each_other(shop_proxy, every):
    """They meet on the first shard: none is a deadlock, as on one server."""
    def work(n):
        with shop_proxy.connect() as client:
            for _ in range(10):
                client.execute("UPDATE users SET country = %s WHERE id >= 80000 AND id < 90000", [f"c{n}"])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work, n) for n in range(4)]:
            each.result(60)
