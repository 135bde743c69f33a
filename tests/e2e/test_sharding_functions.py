"""Sharding functions: rows are where PostgreSQL's own hash, a range, a list, a directory or a schema says."""

import psycopg
import pytest

import places
from conftest import admin, until


def stored(cluster, sql):
    """By shard, straight from the servers."""
    return [sorted(cluster.primary(shard).rows(sql)) for shard in cluster.shards]


@pytest.fixture
def client(places_proxy):
    with places_proxy.connect() as connection:
        yield connection


@pytest.fixture(autouse=True)
def clean(places_cluster):
    yield
    names = [name for name in places.TABLES if "*" not in name]
    for shard in places_cluster.shards:
        primary = places_cluster.primary(shard)
        primary.rows(f"TRUNCATE {', '.join(names)}")
        assert primary.rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


@pytest.mark.parametrize("kind", places.HASHED)
def test_hash_is_the_servers_own(client, places_cluster, kind):
    values = places.HASHED[kind]
    rows = ", ".join(f"('{value}', {i})" for i, value in enumerate(values))
    assert client.execute(f"INSERT INTO hash_{kind} (k, n) VALUES {rows}").rowcount == len(values)
    for i, shard in enumerate(places_cluster.shards):
        there = places_cluster.primary(shard).rows(
            f"SELECT n, satisfies_hash_partition('parent_{kind}'::regclass, 3, {i}, k) FROM hash_{kind}")
        assert all(right for _, right in there), (shard, there)
    for value in values:
        if kind != "numeric" or value != "NaN":
            assert len(client.execute(f"SELECT n FROM hash_{kind} WHERE k = '{value}'").fetchall()) == \
                sum(len(rows) for rows in stored(places_cluster, f"SELECT n FROM hash_{kind} WHERE k = '{value}'"))


def test_hash_of_many_integers_and_texts(client, places_cluster):
    for kind in ("int8", "numeric", "text"):
        rows = ", ".join(f"('{i * i * 7919 - 5000}', {i})" for i in range(500))
        client.execute(f"INSERT INTO hash_{kind} (k, n) VALUES {rows}")
        for i, shard in enumerate(places_cluster.shards):
            there = places_cluster.primary(shard).rows(
                f"SELECT count(*), count(*) FILTER (WHERE satisfies_hash_partition('parent_{kind}'::regclass, 3, {i}, k)) FROM hash_{kind}")
            assert there[0][0] == there[0][1] > 0


def test_hash_of_two_columns(client, places_cluster):
    rows = ", ".join(f"('tenant{i % 7}', {i}, {i})" for i in range(200))
    assert client.execute(f"INSERT INTO hash_two (tenant, id, n) VALUES {rows}").rowcount == 200
    for i, shard in enumerate(places_cluster.shards):
        there = places_cluster.primary(shard).rows(
            f"SELECT count(*), count(*) FILTER (WHERE satisfies_hash_partition('parent_two'::regclass, 3, {i}, tenant, id)) FROM hash_two")
        assert there[0][0] == there[0][1] > 0
    for binary in (False, True):
        cursor = client.cursor(binary=binary)
        assert cursor.execute("SELECT n FROM hash_two WHERE tenant = %s AND id = %s", ["tenant3", 10]).fetchall() == [(10,)]


def test_list_places_by_value_and_refuses_others(client, places_cluster):
    client.execute("INSERT INTO invoices VALUES (1, 'eu', 1), (2, 'us', 2), (3, 'apac', 3)")
    assert stored(places_cluster, "SELECT id FROM invoices") == [[(1,)], [(2,), (3,)], []]
    assert client.execute("SELECT id FROM invoices WHERE region IN ('us', 'apac') ORDER BY id").fetchall() == [(2,), (3,)]
    assert client.execute("SELECT sum(amount) FROM invoices").fetchone() == (6,)


@pytest.mark.parametrize("sql,error", [
    ("INSERT INTO invoices VALUES (4, 'mars', 1)", psycopg.errors.CheckViolation),
    ("INSERT INTO invoices VALUES (4, 'eu', 1), (5, 'mars', 1)", psycopg.errors.CheckViolation),
    ("INSERT INTO invoices VALUES (4, NULL, 1)", psycopg.errors.NotNullViolation),
    ("INSERT INTO invoices (id) VALUES (4)", psycopg.errors.NotNullViolation),
    ("INSERT INTO events VALUES (2000, 'between')", psycopg.errors.CheckViolation),
    ("INSERT INTO events VALUES (4999, 'between')", psycopg.errors.CheckViolation),
    ("INSERT INTO strict VALUES (8, 'unlisted')", psycopg.errors.CheckViolation),
    ("UPDATE invoices SET amount = 0 WHERE region = 'mars'", psycopg.errors.CheckViolation),
    ("DELETE FROM events WHERE id = 3000", psycopg.errors.CheckViolation),
    ("SELECT * FROM invoices WHERE region = 'mars'", psycopg.errors.CheckViolation),
    ("SELECT * FROM invoices WHERE region IN ('eu', 'us', 'mars')", psycopg.errors.CheckViolation),
])
def test_h02_a_key_that_no_shard_has_is_an_error(client, places_cluster, sql, error):
    with pytest.raises(error):
        client.execute(sql)
    for table in ("invoices", "events", "strict"):
        assert stored(places_cluster, f"SELECT * FROM {table}") == [[], [], []]


def test_range_places_by_bounds(client, places_cluster):
    client.execute("INSERT INTO events VALUES (-5, 'a'), (999, 'b'), (1000, 'c'), (1999, 'd'), (5000, 'e'), (9000000000, 'f')")
    assert stored(places_cluster, "SELECT id FROM events") == [[(-5,), (999,)], [(1000,), (1999,)], [(5000,), (9000000000,)]]
    assert client.execute("SELECT what FROM events WHERE id = 1999").fetchall() == [("d",)]
    assert client.execute("UPDATE events SET what = 'x' WHERE id = 5000 RETURNING id").fetchall() == [(5000,)]


def test_directory_pins_keys_and_leaves_the_rest_on_the_ring(client, places_proxy, places_cluster):
    rows = ", ".join(f"({i}, 'n{i}')" for i in range(1, 21))
    client.execute(f"INSERT INTO tenants VALUES {rows}")
    found = stored(places_cluster, "SELECT id FROM tenants")
    assert {(i,) for i in range(1, 6)} <= set(found[2])
    for i in range(6, 21):
        shown = admin(places_proxy, f"SHOW KEY places tenants {i}")[0]
        assert (i,) in found[places_cluster.shards.index(shown["shard"])]
    client.execute("INSERT INTO strict VALUES (7, 'listed')")
    assert stored(places_cluster, "SELECT id FROM strict") == [[], [(7,)], []]


def test_compound_keys_tie_by_all_their_columns(client, places_proxy, places_cluster):
    rows = [(tenant, i) for tenant in ("acme", "initech") for i in range(10)]
    client.execute("INSERT INTO members VALUES " + ", ".join(f"('{t}', {i}, 'n')" for t, i in rows))
    found = stored(places_cluster, "SELECT tenant, id FROM members")
    assert all(found) and sorted(sum(found, [])) == sorted(rows)
    for tenant, i in rows:
        shown = admin(places_proxy, f"SHOW KEY places members '{tenant},{i}'")[0]
        assert (tenant, i) in found[places_cluster.shards.index(shown["shard"])]
        assert shown["canonical"] == f"{tenant},{i}"
    sql = "SELECT id FROM members WHERE tenant = 'acme' AND id IN (1, 2, 3) ORDER BY id"
    assert client.execute(sql).fetchall() == [(1,), (2,), (3,)]
    plan = dict(client.execute("EXPLAIN (ROUTE) SELECT * FROM members WHERE tenant = 'acme' AND id = 4").fetchall())
    assert plan["plan"] == "one shard" and "acme,4" in plan["key members.tenant, id"]
    # A condition on one of the columns ties nothing: the read is of all shards.
    plan = dict(client.execute("EXPLAIN (ROUTE) SELECT * FROM members WHERE tenant = 'acme'").fetchall())
    assert plan["plan"] != "one shard"
    assert client.execute("SELECT count(*) FROM members WHERE tenant = 'acme'").fetchone() == (10,)
    assert client.execute("UPDATE members SET name = 'x' WHERE tenant = 'acme' AND id = 3").rowcount == 1
    assert client.execute("DELETE FROM members WHERE (tenant, id) = ('acme', 3)").rowcount == 1
    with pytest.raises(psycopg.errors.NotNullViolation):
        client.execute("INSERT INTO members (tenant, name) VALUES ('acme', 'n')")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        client.execute("UPDATE members SET id = 5 WHERE tenant = 'acme' AND id = 4")


def test_foreign_keys_over_all_columns_of_the_key_are_local(client, places_cluster):
    client.execute("INSERT INTO members VALUES ('acme', 1, 'n'), ('acme', 2, 'n')")
    client.execute("INSERT INTO visits VALUES ('acme', 1, 'x'), ('acme', 2, 'y')")
    joined = "SELECT v.place FROM members m JOIN visits v ON v.tenant = m.tenant AND v.member = m.id WHERE m.tenant = 'acme' AND m.id = 2"
    assert client.execute(joined).fetchall() == [("y",)]
    assert dict(client.execute(f"EXPLAIN (ROUTE) {joined}").fetchall())["plan"] == "one shard"


def rows_once_known(client, sql):
    """Of a table that has just been made: refused until the catalogs have been read again, never answered by another shard."""
    try:
        return client.execute(sql).fetchall()
    except psycopg.errors.FeatureNotSupported as refused:
        assert "catalogs" in refused.diag.message_detail
        return None


def test_a_schema_may_be_the_key(client, places_proxy, places_cluster):
    names = [f"tenant_{i}" for i in range(6)]
    for name in names:
        client.execute(f"CREATE SCHEMA {name}")
        client.execute(f"CREATE TABLE {name}.notes (id int, note text)")
    try:
        for i, name in enumerate(names):
            client.execute(f"INSERT INTO {name}.notes VALUES (1, 'a'), ({i}, 'b')")
        where = {name: [len(rows) for rows in stored(places_cluster, f"SELECT id FROM {name}.notes")] for name in names}
        assert all(sorted(counts) == [0, 0, 2] for counts in where.values())
        assert len({tuple(counts) for counts in where.values()}) > 1
        for i, name in enumerate(names):
            shown = admin(places_proxy, f"SHOW KEY places 'tenant_*.*' {name}")[0]
            assert where[name][places_cluster.shards.index(shown["shard"])] == 2
            client.execute(f"SET search_path = {name}")
            assert until(lambda: rows_once_known(client, "SELECT count(*) FROM notes")) == [(2,)]
            assert client.execute("UPDATE notes SET note = 'c' WHERE id = 1").rowcount in (1, 2)
            with client.cursor().copy("COPY notes FROM STDIN") as copy:
                copy.write("7\tcopied\n")
            assert client.execute(f"SELECT note FROM {name}.notes WHERE id = 7").fetchone() == ("copied",)
        client.execute("RESET search_path")
    finally:
        for name in names:
            client.execute(f"DROP SCHEMA {name} CASCADE")
