"""Trap H11: an UPDATE of the shard key moves the row, atomically, or is refused; a row stands once, on its owner."""

import concurrent.futures
import time

import psycopg
import pytest

import places
from conftest import admin, until

COLUMNS = "id, at, note, amount, twice"


def stored(cluster, sql):
    """By shard, straight from the servers."""
    return [sorted(cluster.primary(shard).rows(sql), key=repr) for shard in cluster.shards]


@pytest.fixture
def client(places_proxy):
    with places_proxy.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def keys(places_proxy, places_cluster):
    """Three keys a shard, in the order of the shards."""
    found = {}
    for key in range(1, 60):
        found.setdefault(admin(places_proxy, f"SHOW KEY places facts {key}")[0]["shard"], []).append(key)
    return [found[shard][:3] for shard in places_cluster.shards]


@pytest.fixture(autouse=True)
def clean(places_cluster):
    yield
    names = [name for name in places.TABLES if "*" not in name]
    for shard in places_cluster.shards:
        primary = places_cluster.primary(shard)
        assert primary.rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
        primary.rows(f"TRUNCATE {', '.join(names)}")


def fill(client, keys):
    for key in keys:
        client.execute("INSERT INTO facts (id, at, note, amount) VALUES (%s, '2024-05-06 07:08:09.123456', %s, 1.50)", [key, f"it's\n\\{key}"])


@pytest.mark.parametrize("by_parameter", [False, True])
def test_the_row_stands_once_on_its_new_owner(client, places_cluster, keys, by_parameter):
    old, new = keys[0][0], keys[2][1]
    fill(client, [old, keys[1][0]])
    before = places_cluster.primary("s0").rows(f"SELECT at, note FROM facts WHERE id = {old}")
    sql = "UPDATE facts SET id = {}, amount = amount + 1 WHERE id = {} RETURNING id, note, twice"
    if by_parameter:
        cursor = client.execute(sql.format("%s", "%s"), [new, old])
    else:
        cursor = client.execute(sql.format(new, old))
    assert cursor.statusmessage == "UPDATE 1" and cursor.fetchall() == [(new, f"it's\n\\{old}", 2 * new)]
    found = stored(places_cluster, f"SELECT {COLUMNS} FROM facts")
    assert [len(rows) for rows in found] == [0, 1, 1]
    assert [(row[1], row[2]) for row in found[2]] == before and found[2][0][0] == new and found[2][0][4] == 2 * new
    assert str(found[2][0][3]) == "2.50"
    assert client.execute("SELECT amount FROM facts WHERE id = %s", [new]).fetchall() == [(found[2][0][3],)]
    assert client.execute("SELECT 1 FROM facts WHERE id = %s", [old]).fetchall() == []


def test_rows_of_all_shards_come_together(client, places_cluster, keys):
    fill(client, [key for of in keys for key in of])
    target = keys[1][0]
    assert client.execute(f"UPDATE facts SET id = {target} WHERE id <> {keys[0][0]}").statusmessage == "UPDATE 8"
    assert [len(rows) for rows in stored(places_cluster, "SELECT id FROM facts")] == [1, 8, 0]
    assert client.execute("UPDATE facts SET id = %s WHERE note = 'none of them'", [keys[2][0]]).statusmessage == "UPDATE 0"
    assert client.execute(f"UPDATE facts SET id = {keys[1][1]} WHERE id = {target}").statusmessage == "UPDATE 8"
    assert [len(rows) for rows in stored(places_cluster, "SELECT id FROM facts")] == [1, 8, 0]


def test_what_the_new_shard_refuses_changes_nothing(client, places_cluster):
    client.execute("INSERT INTO tenants VALUES (1, 'pinned'), (40, 'a'), (41, 'b'), (42, 'c'), (43, 'd')")
    before = stored(places_cluster, "SELECT * FROM tenants")
    for old in (40, 41, 42, 43):
        with pytest.raises(psycopg.errors.UniqueViolation, match="tenants_pkey"):
            client.execute(f"UPDATE tenants SET id = 1 WHERE id = {old}")
    with pytest.raises(psycopg.errors.NotNullViolation):
        client.execute("UPDATE tenants SET id = NULL WHERE id = 40")
    assert stored(places_cluster, "SELECT * FROM tenants") == before
    with pytest.raises(psycopg.errors.CheckViolation):
        client.execute("UPDATE invoices SET region = 'mars' WHERE region = 'eu'")
    client.execute("INSERT INTO invoices VALUES (1, 'eu', 1)")
    assert client.execute("UPDATE invoices SET region = 'us' WHERE region = 'eu'").rowcount == 1
    assert stored(places_cluster, "SELECT region FROM invoices") == [[], [("us",)], []]


def test_in_a_transaction_it_is_part_of_it(client, places_cluster, keys):
    fill(client, [keys[0][0]])
    with pytest.raises(ZeroDivisionError), client.transaction():
        assert client.execute(f"UPDATE facts SET id = {keys[1][0]} WHERE id = {keys[0][0]}").rowcount == 1
        assert client.execute(f"SELECT count(*) FROM facts WHERE id = {keys[1][0]}").fetchone() == (1,)
        assert client.execute(f"UPDATE facts SET id = {keys[2][0]} WHERE id = {keys[1][0]}").rowcount == 1
        raise ZeroDivisionError
    assert [len(rows) for rows in stored(places_cluster, "SELECT id FROM facts")] == [1, 0, 0]
    with client.transaction():
        client.execute(f"UPDATE facts SET id = {keys[1][0]} WHERE id = {keys[0][0]}")
        client.execute(f"UPDATE facts SET note = 'after' WHERE id = {keys[1][0]}")
    assert stored(places_cluster, "SELECT id, note FROM facts") == [[], [(keys[1][0], "after")], []]


@pytest.mark.parametrize("sql,why", [
    ("UPDATE parents SET id = {new} WHERE id = {old}", "does not name one shard"),
    ("UPDATE parents SET id = {new}", "public.children refers to parents"),
    ("UPDATE children SET parent = {new} WHERE parent = {old}", "does not name one shard"),
    ("UPDATE children SET parent = {new}", "children refers to public.parents"),
    ("UPDATE audited SET id = {new} WHERE id = {old}", "does not name one shard"),
    ("UPDATE audited SET id = {new}", "note_change"),
    ("UPDATE facts SET id = id + 1 WHERE id = {old}", "set to an expression"),
    ("UPDATE members SET id = {new} WHERE tenant = 'a' AND id = {old}", "of the key of members"),
])
def test_what_could_tell_a_moved_row_is_refused(client, keys, sql, why):
    with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
        client.execute(sql.format(old=keys[0][0], new=keys[1][0]))
    said = refused.value.diag
    assert why in f"{said.message_primary} {said.message_detail}", (said.message_primary, said.message_detail)


def test_it_may_be_configured_to_be_refused(ringway, places_cluster, keys):
    proxy = ringway({"clusters": {"places": {"key_update": "refuse"}}}, clusters=places_cluster)
    with proxy.connect() as client:
        fill(client, [keys[0][0]])
        for sql in (f"UPDATE facts SET id = {keys[1][0]} WHERE id = {keys[0][0]}", f"UPDATE facts SET id = {keys[1][0]}"):
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                client.execute(sql)
        assert client.execute(f"UPDATE facts SET id = {keys[0][1]} WHERE id = {keys[0][0]}").rowcount == 1


def waits(cluster):
    """Of the servers' sessions, how many wait for a lock."""
    return sum(cluster.primary(shard).rows("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] for shard in cluster.shards)


class Behind:
    """A statement of another client, which has to wait, as a `with` block: it ends when the block has."""

    def __init__(self, proxy, cluster, sql):
        self.proxy, self.cluster, self.sql = proxy, cluster, sql

    def __enter__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.client = self.proxy.connect()
        self.future = self.pool.submit(lambda: self.client.execute(self.sql).statusmessage)
        assert until(lambda: waits(self.cluster) > 0, 10)
        return self

    def __exit__(self, *_):
        try:
            self.tag = self.future.result(20)
        finally:
            self.client.close()
            self.pool.shutdown()


@pytest.mark.parametrize("moves", ["UPDATE facts SET id = {new} WHERE id = {old}", "UPDATE facts SET id = {new} WHERE note = E'it''s\\n\\\\{old}'"])
@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("sql,tag", [
    ("UPDATE facts SET amount = amount + 1", "UPDATE 3"),
    ("UPDATE public.facts SET amount = amount + 1 WHERE id IN ({old}, {new}, {other})", None),
    ("DELETE FROM facts", "DELETE 3"),
    ("UPDATE facts SET amount = f.amount + 1 FROM facts f WHERE f.id = facts.id", "UPDATE 3"),
])
def test_a_write_to_all_shards_does_not_miss_a_row_that_moves(places_proxy, places_cluster, client, keys, moves, commits, sql, tag):
    """It begins when the move has been committed: the row is looked for where it then is."""
    old, other, new = keys[0][0], keys[1][0], keys[2][0]
    fill(client, [old, keys[1][1], other])
    client.autocommit = False
    assert client.execute(moves.format(old=old, new=new)).statusmessage == "UPDATE 1"
    with Behind(places_proxy, places_cluster, sql.format(old=old, new=new, other=other)) as write:
        client.commit() if commits else client.rollback()
    assert write.tag == tag or (tag is None and write.tag == "UPDATE 2")
    if sql.startswith("DELETE"):
        assert stored(places_cluster, "SELECT id FROM facts") == [[], [], []]
        return
    rows = dict(row for each in stored(places_cluster, "SELECT id, amount FROM facts") for row in each)
    assert float(rows[new if commits else old]) == 2.5 and float(rows[other]) == 2.5 and len(rows) == 3


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("sql", [
    "SELECT id, note FROM facts FOR UPDATE", "SELECT id, note FROM facts ORDER BY id DESC FOR UPDATE", "SELECT id, note FROM facts f WHERE id IN ({old}, {new}, {other}) ORDER BY id FOR SHARE",
    "SELECT a.id, a.note FROM public.facts a JOIN facts b ON a.id = b.id ORDER BY a.id FOR UPDATE OF b",
])
def test_locked_rows_of_all_shards_do_not_miss_a_row_that_moves(places_proxy, places_cluster, client, keys, sql, commits):
    old, other, new = keys[0][0], keys[1][0], keys[2][0]
    fill(client, [old, other])
    client.autocommit = False
    assert client.execute(f"UPDATE facts SET id = {new} WHERE id = {old}").statusmessage == "UPDATE 1"
    with Behind(places_proxy, places_cluster, sql.format(old=old, new=new, other=other)) as locks:
        client.commit() if commits else client.rollback()
    assert locks.tag == "SELECT 2"


def test_locked_rows_stay_where_they_are(places_proxy, places_cluster, client, keys):
    old, new = keys[0][0], keys[2][0]
    fill(client, [old, keys[1][0]])
    client.autocommit = False
    assert len(client.execute("SELECT id FROM facts WHERE amount > 0 FOR UPDATE SKIP LOCKED").fetchall()) == 2
    with Behind(places_proxy, places_cluster, f"UPDATE facts SET id = {new} WHERE id = {old}") as move:
        assert len(client.execute("SELECT id FROM facts WHERE amount > 0 ORDER BY id FOR UPDATE NOWAIT").fetchall()) == 2
        client.commit()
    assert move.tag == "UPDATE 1"


def test_a_move_waits_for_a_write_to_all_shards(places_proxy, places_cluster, client, keys):
    old, new = keys[0][0], keys[2][0]
    fill(client, [old, keys[1][0]])
    client.autocommit = False
    assert client.execute("UPDATE facts SET amount = 9 WHERE note = 'none'").statusmessage == "UPDATE 0"
    with Behind(places_proxy, places_cluster, f"UPDATE facts SET id = {new} WHERE id = {old}") as move:
        client.commit()
    assert move.tag == "UPDATE 1"
    assert [len(rows) for rows in stored(places_cluster, "SELECT id FROM facts")] == [0, 1, 1]


def test_moves_and_writes_at_once_lose_nothing(places_proxy, places_cluster, client, keys):
    """Rows go round between the shards while all of them are counted up, and each change is told by its count."""
    rows = [of[0] for of in keys]
    fill(client, rows)
    client.execute("UPDATE facts SET amount = 0")
    ends = time.monotonic() + 6

    def moves(i):
        key, done = rows[i], 0
        with places_proxy.connect() as mover:
            while time.monotonic() < ends:
                new = keys[(i + 1) % 3][1 + i % 2] if key == rows[i] else rows[i]
                try:
                    assert mover.execute("UPDATE facts SET id = %s WHERE id = %s", [new, key]).rowcount == 1
                    key, done = new, done + 1
                except psycopg.errors.DeadlockDetected:
                    pass
        return done

    def writes(_):
        counted = 0
        with places_proxy.connect() as writer:
            while time.monotonic() < ends:
                try:
                    assert writer.execute("UPDATE facts SET amount = amount + 1").rowcount == 3
                    counted += 1
                except psycopg.errors.DeadlockDetected:
                    pass
        return counted

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        movers, writers = [pool.submit(moves, i) for i in range(3)], [pool.submit(writes, i) for i in range(2)]
        moved, wrote = [each.result(60) for each in movers], sum(each.result(60) for each in writers)
    assert min(moved) > 0 and wrote > 0
    found = [row for each in stored(places_cluster, "SELECT id, amount FROM facts") for row in each]
    assert len(found) == 3 and {int(amount) for _, amount in found} == {wrote}, (found, wrote)


def test_moves_of_different_rows_do_not_wait_for_each_other(places_proxy, client, keys):
    """But for one in four, by the client's number: a table's moves have four locks."""
    fill(client, [keys[0][0], keys[0][1]])
    client.autocommit = False
    client.execute(f"UPDATE facts SET id = {keys[1][0]} WHERE id = {keys[0][0]}")
    moved = 0
    for _ in range(4):  # one of them may have the number of the same lock
        with places_proxy.connect() as second:
            second.execute("SET lock_timeout = '2s'")
            try:
                moved = second.execute(f"UPDATE facts SET id = {keys[1][1]} WHERE id = {keys[0][1]}").rowcount
                break
            except psycopg.errors.LockNotAvailable:
                pass
    assert moved == 1
    client.commit()


def test_a_write_that_may_not_wait_for_a_move_says_so(places_proxy, places_cluster, client, keys):
    fill(client, [keys[0][0]])
    client.autocommit = False
    client.execute(f"UPDATE facts SET id = {keys[1][0]} WHERE id = {keys[0][0]}")
    with places_proxy.connect() as second:
        second.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute("UPDATE facts SET amount = 1")
        second.execute("SET lock_timeout = 0")
        client.commit()
        assert second.execute("UPDATE facts SET amount = 1").rowcount == 1


def test_a_column_that_the_catalogs_do_not_tell_of_yet_is_not_lost(client, places_cluster, keys):
    """Added on the servers behind the proxy's back: the row is moved whole, or not at all."""
    old, new = keys[0][0], keys[1][0]
    fill(client, [old])
    try:
        for shard in places_cluster.shards:
            places_cluster.primary(shard).rows("ALTER TABLE facts ADD COLUMN late text; SELECT 1")
        places_cluster.primary("s0").rows("UPDATE facts SET late = 'kept' RETURNING 1")
        moved = False
        try:
            client.execute(f"UPDATE facts SET id = {new} WHERE id = {old}")
            moved = True
        except psycopg.errors.FeatureNotSupported as why:
            assert "columns of public.facts" in str(why)
        if not moved:
            assert stored(places_cluster, "SELECT id, late FROM facts") == [[(old, "kept")], [], []]
            assert until(lambda: known(client), 30)
            assert client.execute(f"UPDATE facts SET id = {new} WHERE id = {old}").rowcount == 1
        found = stored(places_cluster, "SELECT id, late FROM facts")
        assert [row for rows in found for row in rows] == [(new, "kept")]
    finally:
        for shard in places_cluster.shards:
            places_cluster.primary(shard).rows("ALTER TABLE facts DROP COLUMN late; SELECT 1")


def known(client):
    """Whether the proxy knows of the column."""
    return "late" in str(client.execute("EXPLAIN (ROUTE) SELECT count(DISTINCT late) FROM facts", prepare=False).fetchall())
