"""Writes and transactions over several shards: all or nothing, and answered as one server would. Traps H4, H8 and more."""


import psycopg
import pytest

from conftest import admin, keys_by_shard, knows_tables, until
from wire import Wire, bind, codes, describe, execute, kinds, parse, query, sync

KEYS = range(70001, 70041)


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """Two keys a shard, in the order of the shards, without rows; `ringway init` has run."""
    return [each[:2] for each in keys_by_shard(shop_proxy, KEYS)]


@pytest.fixture
def clean(shop_cluster, keys):
    """No rows of ours, before and after; nothing prepared is left."""
    every = [key for pair in keys for key in pair]

    def wipe():
        for shard in shop_cluster.shards:
            primary = shop_cluster.primary(shard)
            primary.rows("DELETE FROM users WHERE id >= 70000 AND id < 80000")
            primary.rows("DELETE FROM orders WHERE user_id >= 70000 AND user_id < 80000")
            primary.rows("DELETE FROM countries WHERE code LIKE 'z%'")

    wipe()
    yield every
    for shard in shop_cluster.shards:
        assert shop_cluster.primary(shard).rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
    wipe()


def stored(cluster, sql="SELECT id, name, country FROM users WHERE id >= 70000 AND id < 80000"):
    """By shard, straight from the servers."""
    return [sorted(cluster.primary(shard).rows(sql)) for shard in cluster.shards]


def owner(keys, key):
    return next(i for i, pair in enumerate(keys) if key in pair)


def test_h04_rows_of_one_insert_go_to_their_shards(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        values = ", ".join(f"({key}, 'n{key}', 'de')" for key in clean)
        cursor = client.execute(f"INSERT INTO users VALUES {values} RETURNING id, name")
        assert cursor.statusmessage == f"INSERT 0 {len(clean)}"
        assert cursor.fetchall() == [(key, f"n{key}") for key in clean]
    for i, rows in enumerate(stored(shop_cluster)):
        assert rows == [(key, f"n{key}", "de") for key in sorted(keys[i])]


def test_h04_one_row_that_fails_leaves_none(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        client.execute("INSERT INTO users VALUES (%s, 'there', NULL)", [keys[2][0]])
        with pytest.raises(psycopg.errors.UniqueViolation):
            client.execute("INSERT INTO users VALUES (%s, 'a', NULL), (%s, 'b', NULL), (%s, 'c', NULL)",
                           [keys[0][0], keys[1][0], keys[2][0]])
        assert client.info.transaction_status.name == "IDLE"
    assert [len(rows) for rows in stored(shop_cluster)] == [0, 0, 1]


def test_connections_that_others_have_left_with_their_settings(shop_proxy, shop_cluster, keys, clean):
    for memory in ("77MB", "78MB", None, "77MB"):
        settings = {"options": f"-c work_mem={memory}", "application_name": f"with {memory}"} if memory else {}
        with shop_proxy.connect(**settings) as client, client.transaction():
            for key in clean:
                client.execute("INSERT INTO users VALUES (%s, current_setting('work_mem'), 'de') ON CONFLICT (id) DO UPDATE SET name = excluded.name", [key])
            assert client.execute("SELECT count(*) FROM users WHERE id = ANY(%s)", [clean]).fetchone() == (len(clean),)
    assert {row[1] for rows in stored(shop_cluster) for row in rows} == {"77MB"}


@pytest.mark.parametrize("binary", [False, True])
def test_h04_by_parameters(shop_proxy, shop_cluster, keys, clean, binary):
    sql = "INSERT INTO users (name, id, country) VALUES " + ", ".join(["(%s, %s, %s)"] * 6) + " ON CONFLICT (id) DO UPDATE SET name = %s RETURNING id"
    rows = [value for key in clean for value in (f"p{key}", key, None)]
    with shop_proxy.connect() as client:
        cursor = client.cursor(binary=binary)
        assert cursor.execute(sql, [*rows, "again"]).fetchall() == [(key,) for key in clean]
        assert cursor.execute(sql, [*rows, "again"]).fetchall() == [(key,) for key in clean]
        assert cursor.statusmessage == "INSERT 0 6"
        if binary:
            assert cursor.execute("INSERT INTO users (id, name) VALUES (%b, %b), (%b, %b)",
                                  [keys[0][0] + 1000000, "x", 71234, None]).statusmessage in ("INSERT 0 2",)
    for i, shard in enumerate(stored(shop_cluster)):
        assert {row[1] for row in shard if row[0] in keys[i]} == {"again"}
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DELETE FROM users WHERE id > 1000000")


def test_strings_that_look_like_sql_in_a_parted_insert(shop_proxy, shop_cluster, keys, clean):
    a, b = keys[0][0], keys[1][0]
    odd = ["), ($1", "it''s (", "$2", "values ("]
    text = (f"INSERT /* values (1), (2) */ INTO users (id, \"name\", country) VALUES ({a}, '{odd[0]}', $q$({odd[3]}$q$), -- (\n"
            f"({b}, '{odd[1]}', E'\\'{odd[2]}')")
    with shop_proxy.connect() as client:
        assert client.execute(text).statusmessage == "INSERT 0 2"
    both = dict((row[0], row[1:]) for shard in stored(shop_cluster) for row in shard)
    assert both == {a: (odd[0], "(" + odd[3]), b: ("it's (", "'" + odd[2])}


def test_update_and_delete_without_a_key_count_all_rows(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        for key in clean:
            client.execute("INSERT INTO users VALUES (%s, 'old', 'de')", [key])
        cursor = client.execute("UPDATE users SET name = 'new' WHERE country = 'de' AND id >= 70000 AND id < 80000 RETURNING id")
        assert cursor.statusmessage == "UPDATE 6" and sorted(cursor.fetchall()) == [(key,) for key in sorted(clean)]
        assert client.execute("UPDATE users SET name = 'two' WHERE id IN (%s, %s)", [keys[0][0], keys[2][1]]).rowcount == 2
        assert client.execute("DELETE FROM users WHERE name = 'two' AND id >= 70000").statusmessage == "DELETE 2"
        assert client.execute("DELETE FROM users u USING countries c WHERE c.code = u.country AND u.id >= 70000 AND c.code = 'no'").rowcount == 0
        assert client.execute("DELETE FROM users WHERE id >= 70000 AND id < 80000").rowcount == 4
    assert stored(shop_cluster) == [[], [], []]


@pytest.mark.parametrize("sql", [
    "UPDATE users SET name = now()::text WHERE country = 'de'",
    "UPDATE users SET name = 'today '::date::text",
    "UPDATE users SET name = nextval('no_such')::text",
    "UPDATE users SET name = (SELECT max(name) FROM users)",
    "DELETE FROM users WHERE id IN (SELECT id FROM orders)",
    "UPDATE users SET id = id + 1",
    "UPDATE countries SET name = (SELECT min(name) FROM users)",
])
def test_what_could_come_out_differently_is_refused(shop_proxy, shop_cluster, keys, clean, sql):
    with shop_proxy.connect() as client:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            client.execute(sql)
        assert client.execute("SELECT 1").fetchone() == (1,)


def test_reference_tables_are_written_everywhere(shop_proxy, shop_cluster, keys, clean):
    look = "SELECT code, name FROM countries WHERE code LIKE 'z%'"
    with shop_proxy.connect() as client:
        cursor = client.execute("INSERT INTO countries VALUES ('za', 'A'), ('zb', 'B') RETURNING code")
        assert cursor.statusmessage == "INSERT 0 2" and cursor.fetchall() == [("za",), ("zb",)]
        assert client.execute("UPDATE countries SET name = lower(name) || 'x' WHERE code LIKE 'z%'").rowcount == 2
        assert client.execute("DELETE FROM countries WHERE code = %s", ["zb"]).statusmessage == "DELETE 1"
        with pytest.raises(psycopg.errors.UniqueViolation):
            client.execute("INSERT INTO countries VALUES ('zc', 'C'), ('za', 'again')")
    assert stored(shop_cluster, look) == [[("za", "ax")]] * 3


def test_a_transaction_over_several_shards_commits_on_all(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        with client.transaction():
            for key in clean:
                client.execute("INSERT INTO users VALUES (%s, 'tx', 'de')", [key])
            for key in clean:
                assert client.execute("SELECT name FROM users WHERE id = %s", [key]).fetchall() == [("tx",)]
            assert stored(shop_cluster) == [[], [], []]
            row = next(each for each in admin(shop_proxy, "SHOW CLIENTS") if each["state"] == "transaction")
            assert row["database"] == "shop"
        assert client.execute("SELECT name FROM users WHERE id = %s", [keys[1][1]]).fetchall() == [("tx",)]
    assert [len(rows) for rows in stored(shop_cluster)] == [2, 2, 2]


@pytest.mark.parametrize("how", ["rollback", "error", "deferred"])
def test_a_transaction_over_several_shards_is_rolled_back_on_all(shop_proxy, shop_cluster, keys, clean, how):
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        for pair in keys:
            assert kinds(client.run(query(f"INSERT INTO users VALUES ({pair[0]}, 'x', NULL)"))) == "CZ"
        if how == "error":
            came = client.run(query(f"INSERT INTO users VALUES ({keys[1][0]}, 'y', NULL)"))
            assert codes(came) == ["23505"] and came[-1] == ("Z", b"E")
            assert codes(client.run(query(f"SELECT 1 FROM users WHERE id = {keys[0][0]}"))) == ["25P02"]
        end = client.run(query("ROLLBACK" if how == "rollback" else "COMMIT")) if how != "deferred" else client.run(query("ROLLBACK WORK"))
        assert end == [("C", b"ROLLBACK\0"), ("Z", b"I")]
        assert kinds(client.run(query("SELECT 1"))) == "TDCZ"
    assert stored(shop_cluster) == [[], [], []]


def test_savepoints_hold_on_all_shards(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client, client.transaction():
        client.execute("INSERT INTO users VALUES (%s, 'kept', NULL)", [keys[0][0]])
        client.execute("SAVEPOINT a")
        client.execute("INSERT INTO users VALUES (%s, 'gone', NULL)", [keys[1][0]])
        client.execute("SAVEPOINT b")
        client.execute("INSERT INTO users VALUES (%s, 'gone', NULL)", [keys[2][0]])
        with pytest.raises(psycopg.errors.UniqueViolation):
            client.execute("INSERT INTO users VALUES (%s, 'twice', NULL)", [keys[1][0]])
        client.execute("ROLLBACK TO a")
        assert client.execute("SELECT count(*) FROM users WHERE id = %s", [keys[2][0]]).fetchone() == (0,)
        client.execute("INSERT INTO users VALUES (%s, 'kept', NULL)", [keys[2][1]])
        client.execute("RELEASE SAVEPOINT a")
    assert [[row[1] for row in rows] for rows in stored(shop_cluster)] == [["kept"], [], ["kept"]]


def test_settings_of_the_transaction_hold_on_all_shards_and_only_there(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        with client.transaction():
            client.execute("SET LOCAL timezone = 'Asia/Tokyo'")
            for pair in keys:
                client.execute("INSERT INTO users VALUES (%s, to_char('2020-01-01 00:00Z'::timestamptz, 'HH24'), NULL)", [pair[0]])
            client.execute("SET DateStyle = 'German'")
            assert client.execute("SELECT name, '2020-02-01'::date::text FROM users WHERE id = %s", [keys[2][0]]).fetchone() == ("09", "01.02.2020")
        assert {row[1] for rows in stored(shop_cluster) for row in rows} == {"09"}
        assert client.execute("SELECT '2020-02-01'::date::text").fetchone() == ("01.02.2020",)
        assert client.execute("SHOW timezone").fetchone() != ("Asia/Tokyo",)
    for _ in range(12):
        with shop_proxy.connect() as other:
            for pair in keys:
                assert other.execute("SELECT '2020-02-01'::date::text, current_setting('timezone') FROM users WHERE id = %s",
                                     [pair[0]]).fetchone()[0] == "2020-02-01"


@pytest.mark.parametrize("scope", ["", "LOCAL "])
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("prepared", [False, True])
def test_what_is_set_before_the_first_write_goes_along(shop_proxy, shop_cluster, keys, clean, scope, end, prepared):
    def run(client, sql):
        return client.run(parse(sql) + bind() + describe("P") + execute() + sync() if prepared else query(sql))

    with Wire(shop_proxy.port, database="shop") as client:
        values = ", ".join(f"({key}, 'n', 'de')" for key in clean)
        client.run(query(f"INSERT INTO users VALUES {values}"))
        before = client.value("SHOW timezone"), client.value("SHOW search_path")
        client.run(query("BEGIN"))
        for sql in (f"SET {scope}timezone = 'Asia/Tokyo'", f"SET {scope}search_path = public, nowhere",
                    "UPDATE users SET name = to_char('2020-01-01 00:00Z'::timestamptz, 'HH24') WHERE id >= 70000 AND id < 80000"):
            assert not codes(run(client, sql)), sql
        assert client.value("SHOW timezone") == "Asia/Tokyo"
        assert client.value(f"SELECT current_setting('timezone') FROM users WHERE id = {keys[2][0]}") == "Asia/Tokyo"
        client.run(query(end))
        kept = end == "COMMIT" and not scope
        now = ("Asia/Tokyo", "public, nowhere") if kept else before
        for key in (keys[0][0], keys[1][0], keys[2][0]):
            came = client.run(query(f"SELECT current_setting('timezone'), current_setting('search_path') FROM users WHERE id = {key}"))
            assert not codes(came) and all(value.encode() in came[1][1] for value in now), came
        assert client.value("SHOW search_path") == now[1]
        assert client.value("SELECT count(*) FROM users WHERE name = '09'") == ("6" if end == "COMMIT" else "0")
    for _ in range(6):
        with shop_proxy.connect() as other:
            for pair in keys:
                asked = other.execute("/* ringway: role=primary */ SELECT current_setting('timezone') FROM users WHERE id = %s", [pair[0]])
                assert asked.fetchone()[0] != "Asia/Tokyo"


@pytest.mark.parametrize("local", ["true", "false"])
@pytest.mark.parametrize("name, value", [("app.tenant", "t'7"), ("timezone", "Asia/Tokyo"), ("search_path", "public, nowhere")])
@pytest.mark.parametrize("prepared", [False, True])
def test_what_set_config_sets_goes_along(shop_proxy, shop_cluster, keys, clean, local, name, value, prepared):
    """As row policies want it: SELECT set_config('app.tenant', $1, true) behind BEGIN."""
    quoted = value.replace("'", "''")
    with Wire(shop_proxy.port, database="shop") as client:
        values = ", ".join(f"({key}, 'n', 'de')" for key in clean)
        client.run(query(f"INSERT INTO users VALUES {values}"))
        client.run(query("BEGIN"))
        if prepared:
            came = client.run(parse("SELECT set_config($1, $2, $3)") + bind([name, value, local]) + execute() + sync())
        else:
            came = client.run(query(f"SELECT set_config('{name}', '{quoted}', {local})"))
        assert not codes(came)
        assert not codes(client.run(query(f"UPDATE users SET name = current_setting('{name}') WHERE id >= 70000 AND id < 80000")))
        assert client.run(query("COMMIT"))[0] == ("C", b"COMMIT\0")
        assert {row[1] for rows in stored(shop_cluster) for row in rows} == {value}
        now = client.value(f"SELECT current_setting('{name}', true) FROM users WHERE id = {keys[2][0]}")
        assert (now == value) == (local == "false")
    with shop_proxy.connect() as other:
        for pair in keys:
            asked = other.execute(f"/* ringway: role=primary */ SELECT current_setting('{name}', true) FROM users WHERE id = %s", [pair[0]])
            assert asked.fetchone()[0] != value


def test_what_is_set_behind_a_savepoint_is_said_to_tie(shop_proxy, keys, clean):
    with Wire(shop_proxy.port, database="shop") as client:
        for sql in ("BEGIN", f"INSERT INTO users VALUES ({keys[0][0]}, 'x', NULL)", "SAVEPOINT a", "SET timezone = 'Asia/Tokyo'"):
            assert not codes(client.run(query(sql)))
        came = client.run(query("UPDATE users SET name = 'y'"))
        assert codes(came) == ["0A000"] and b"SET behind a SAVEPOINT" in came[0][1]
        client.run(query("ROLLBACK"))
        for sql in ("BEGIN", f"INSERT INTO users VALUES ({keys[0][0]}, 'x', NULL)", "SAVEPOINT a", f"INSERT INTO users VALUES ({keys[1][0]}, 'x', NULL)"):
            assert not codes(client.run(query(sql)))
        assert codes(client.run(query("SET timezone = 'Asia/Tokyo'"))) == ["0A000"]
        client.run(query("ROLLBACK"))
        assert client.value("SHOW timezone") != "Asia/Tokyo"


@pytest.mark.parametrize("first", ["SELECT count(*) FROM users", "SELECT max(id) FROM orders", "UPDATE users SET name = 'x' WHERE id = 70999"])
@pytest.mark.parametrize("mode", ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION DEFERRABLE",
                                  "SET transaction_isolation = 'repeatable read'"])
def test_a_level_behind_a_query_is_too_late(shop_proxy, keys, clean, first, mode):
    with Wire(shop_proxy.port, database="shop") as client:
        for how in (query(mode), parse(mode) + bind() + execute() + sync()):
            client.run(query("BEGIN"))
            assert not codes(client.run(query(first)))
            came = client.run(how)
            assert codes(came) == ["25001"] and came[-1] == ("Z", b"E"), came
            client.run(query("ROLLBACK"))
        client.run(query("BEGIN"))
        assert not codes(client.run(query(first)))
        assert not codes(client.run(query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")))
        assert not codes(client.run(query("SET TRANSACTION READ ONLY")))
        client.run(query("ROLLBACK"))


def test_rows_in_parentheses_and_with_a_limit(shop_proxy, shop_cluster, keys, clean):
    rows = ", ".join(f"({key}, 'p', NULL)" for key in clean)
    with Wire(shop_proxy.port, database="shop") as client:
        assert not codes(client.run(query(f"INSERT INTO users (id, name, country) (VALUES {rows})")))
        assert [len(each) for each in stored(shop_cluster)] == [2, 2, 2]
        client.run(query("DELETE FROM users WHERE name = 'p'"))
        came = client.run(query(f"INSERT INTO users (id, name, country) VALUES {rows} LIMIT 3"))
        assert not codes(came) and sum(len(each) for each in stored(shop_cluster)) == 3
        came = client.run(query(f"WITH x AS (INSERT INTO users VALUES {rows} RETURNING id) SELECT count(*) FROM x"))
        assert codes(came) == ["0A000"] and b"WITH" in came[0][1]


def test_a_pipeline_over_several_shards_is_one_transaction(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        with client.pipeline():
            for key in clean:
                client.execute("INSERT INTO users VALUES (%s, 'p', NULL)", [key])
        assert [len(rows) for rows in stored(shop_cluster)] == [2, 2, 2]
    wire_rows = [str(key).encode() for key in clean]
    with Wire(shop_proxy.port, database="shop") as client:
        batch = parse("UPDATE users SET name = 'q' WHERE id = $1")
        for value in wire_rows:
            batch += bind([value]) + execute()
        assert kinds(client.run(batch + sync())) == "1" + "2C" * 6 + "Z"
        batch = parse("INSERT INTO users VALUES ($1, 'again', NULL)")
        for value in [b"70999", wire_rows[3], b"70998"]:
            batch += bind([value]) + execute()
        came = client.run(batch + sync())
        assert codes(came) == ["23505"] and came[-1] == ("Z", b"I")
        assert kinds(client.run(query("SELECT 1"))) == "TDCZ"
    assert {row[1] for rows in stored(shop_cluster) for row in rows} == {"q"}
    assert sum(len(rows) for rows in stored(shop_cluster)) == 6


def test_executemany_in_a_transaction(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect(autocommit=False) as client:
        client.cursor().executemany("INSERT INTO users VALUES (%s, 'many', NULL)", [[key] for key in clean])
        client.commit()
        assert client.execute("SELECT count(*) FROM users WHERE name = 'many'").fetchone() == (6,)
    assert [len(rows) for rows in stored(shop_cluster)] == [2, 2, 2]


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"])
def test_a_snapshot_for_the_whole_transaction_is_not_taken_on_several_shards(shop_proxy, keys, clean, begin):
    with Wire(shop_proxy.port, database="shop") as client:
        for each in begin.split("; "):
            client.run(query(each))
        assert kinds(client.run(query(f"INSERT INTO users VALUES ({keys[0][0]}, 'x', NULL)"))) == "CZ"
        came = client.run(query(f"INSERT INTO users VALUES ({keys[1][0]}, 'x', NULL)"))
        assert codes(came) == ["0A000"] and came[-1] == ("Z", b"E")
        assert client.run(query("COMMIT"))[0] == ("C", b"ROLLBACK\0")


def test_ddl_runs_on_every_shard(shop_proxy, shop_cluster, keys, clean):
    with shop_proxy.connect() as client:
        client.execute("CREATE TABLE spread_made (id int PRIMARY KEY, v text)")
        client.execute("CREATE INDEX spread_index ON users (country)")
        assert [primary(shop_cluster, shard, "SELECT count(*) FROM pg_class WHERE relname IN ('spread_made', 'spread_index')")
                for shard in shop_cluster.shards] == [2, 2, 2]
        with pytest.raises(psycopg.errors.DuplicateTable):
            client.execute("CREATE TABLE spread_made (id int)")
        client.execute("DROP TABLE spread_made")
        client.execute("DROP INDEX spread_index")
        with client.transaction(force_rollback=True):
            client.execute("ALTER TABLE users ADD COLUMN extra int")
        assert [primary(shop_cluster, shard, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'extra'")
                for shard in shop_cluster.shards] == [0, 0, 0]


def primary(cluster, shard, sql):
    return cluster.primary(shard).rows(sql)[0][0]


def test_a_client_that_dies_leaves_nothing(shop_proxy, shop_cluster, keys, clean):
    client = Wire(shop_proxy.port, database="shop")
    client.run(query("BEGIN"))
    for pair in keys:
        client.run(query(f"INSERT INTO users VALUES ({pair[0]}, 'x', NULL)"))
    client.reset()
    with shop_proxy.connect() as other:
        for pair in keys:
            other.execute("INSERT INTO users VALUES (%s, 'other', NULL)", [pair[0]])
    assert {row[1] for rows in stored(shop_cluster) for row in rows} == {"other"}


def test_cursors_and_row_limits_stay_on_their_shard(shop_proxy, keys, clean):
    with shop_proxy.connect() as client:
        with client.transaction():
            for key in clean:
                client.execute("INSERT INTO users VALUES (%s, 'c', NULL)", [key])
            client.execute(f"DECLARE mine CURSOR FOR SELECT id FROM users WHERE id = {keys[2][0]}")
            client.execute("SELECT 1 FROM users WHERE id = %s", [keys[0][0]])
            assert client.execute("FETCH ALL FROM mine").fetchall() == [(keys[2][0],)]
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        for pair in keys:
            client.run(query(f"UPDATE users SET name = 'd' WHERE id = {pair[0]}"))
        batch = parse(f"SELECT g FROM generate_series(1, 5) g, users WHERE id = {keys[1][0]}") + bind() + describe("P")
        assert kinds(client.run(batch + execute("", 2) + sync())) == "12TDDsZ"
        assert kinds(client.run(execute("", 2) + sync())) == "DDsZ"
        client.run(query("ROLLBACK"))


def test_reads_over_several_shards_see_what_the_transaction_wrote(shop_proxy, shop_cluster, keys, clean):
    count = "SELECT count(*), min(id) FROM users WHERE id >= 70000 AND id < 80000"
    with shop_proxy.connect() as client:
        with client.transaction():
            assert client.execute(count).fetchone() == (0, None)
            for n, key in enumerate(clean, 1):
                client.execute("INSERT INTO users VALUES (%s, 'w', NULL)", [key])
                assert client.execute(count).fetchone() == (n, min(clean[:n]))
            client.execute("SAVEPOINT s")
            with pytest.raises(psycopg.errors.DivisionByZero):
                client.execute("SELECT sum(id / (id - %s)) FROM users", [clean[0]])
            client.execute("ROLLBACK TO s")
            pairs = client.execute("SELECT a.id, b.id FROM users a JOIN users b ON b.id > a.id AND b.name = a.name"
                                   " WHERE a.id >= 70000 AND a.id < 80000 AND b.id < 80000 ORDER BY 1, 2").fetchall()
            assert len(pairs) == 15 and pairs[0][0] == min(clean)
            client.execute("UPDATE users SET name = 'v' WHERE id = %s", [clean[0]])
        assert client.execute(count).fetchone() == (6, min(clean))
    assert sum(len(rows) for rows in stored(shop_cluster)) == 6
    with psycopg.connect(host="127.0.0.1", port=shop_proxy.port, user="app", password="app", dbname="shop") as client:
        with client.pipeline():
            one = client.execute("SELECT count(*) FROM users WHERE name = 'w'")
            two = client.execute("SELECT name FROM users WHERE id = %s", [clean[0]])
            assert (one.fetchone(), two.fetchone()) == ((5,), ("v",))


def test_what_is_prepared_after_ddl_on_every_shard_reads_the_new_table(shop_proxy, shop_cluster, keys, clean):
    sql, int4, text = f"SELECT id FROM users WHERE id = {keys[1][0]} AND extra = $1", 23, 25

    def told():
        for shard in shop_cluster.shards:  # these clients have not written: they may read replicas that lag
            shop_cluster.caught_up(shard)
        with Wire(shop_proxy.port, database="shop") as client:
            came = client.run(parse(sql, "s") + describe("S", "s") + sync())
            return int.from_bytes(next(body for kind, body in came if kind == "t")[2:6], "big")

    with shop_proxy.connect() as client:
        client.execute("ALTER TABLE users ADD COLUMN extra int")
        try:
            assert [told() for _ in range(3)] == [int4] * 3
            client.execute("ALTER TABLE users ALTER COLUMN extra TYPE text")
            assert [told() for _ in range(3)] == [text] * 3
        finally:
            client.execute("ALTER TABLE users DROP COLUMN extra")


@pytest.mark.parametrize("decided", [True, False])
def test_what_a_dead_proxy_has_left_prepared_is_settled(shop_proxy, shop_cluster, keys, clean, decided):
    """As a proxy leaves it that dies before its decider's COMMIT, or after it."""
    name = ("d" if decided else "u") * 32
    for shard, pair in zip(shop_cluster.shards[1:], keys[1:]):
        with shop_cluster.primary(shard).connect() as server:
            server.execute("BEGIN")
            server.execute(f"INSERT INTO users VALUES ({pair[0]}, 'left', NULL)")
            server.execute(f"PREPARE TRANSACTION 'ringway:{name}:s0:{shard}'")
    if decided:
        with shop_cluster.primary("s0").connect() as server:
            server.execute(f"INSERT INTO users VALUES ({keys[0][0]}, 'left', NULL)")
            server.execute(f"SELECT ringway.decide('{name}')")
    left = "SELECT count(*) FROM pg_prepared_xacts"
    assert until(lambda: all(primary(shop_cluster, shard, left) == 0 for shard in shop_cluster.shards), 20)
    assert [len(rows) for rows in stored(shop_cluster)] == ([1, 1, 1] if decided else [0, 0, 0])
    if not decided:  # the proxy, should it live after all, cannot decide otherwise any more
        with shop_cluster.primary("s0").connect() as server, pytest.raises(psycopg.errors.UniqueViolation):
            server.execute(f"SELECT ringway.decide('{name}')")
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows(f"DELETE FROM ringway.decisions WHERE id = '{name}'")


def test_row_limits_in_a_transaction_over_several_shards(shop_proxy, shop_cluster, keys, clean):
    """As asyncpg's fetchval and pgjdbc's batches set them."""
    rows = ", ".join(f"({key}, 'l', NULL)" for key in clean)

    def batch(sql, *limits):
        return parse(sql) + bind() + b"".join(execute(max_rows=each) for each in limits) + sync()

    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        assert kinds(client.run(batch(f"INSERT INTO users VALUES {rows} RETURNING id", 2))) == "12DDsZ"
        assert kinds(client.run(batch("UPDATE users SET name = 'm' WHERE name = 'l'", 1))) == "12CZ"
        for limit, wanted in ((1, "12DsZ"), (2, "12DCZ"), (0, "12DCZ")):
            came = client.run(batch("SELECT count(*) FROM users WHERE name = 'm'", limit))
            assert kinds(came) == wanted and came[2][1].endswith(b"6"), came
        assert kinds(client.run(batch("SELECT id FROM users WHERE name = 'm'", 4))) == "12DDDDsZ"
        client.run(query("COMMIT"))
        came = client.run(batch("UPDATE users SET name = name || '!' WHERE name = 'm'", 0, 0))
        assert codes(came) == ["0A000"]
    assert {row[1] for each in stored(shop_cluster) for row in each} == {"m"}


def test_a_row_limit_does_not_tie_a_transaction_to_its_shard(shop_proxy, shop_cluster, keys, clean):
    """Only a portal that is asked for more rows does."""
    first, second, third = (pair[0] for pair in keys)
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        for key in (first, second, third):
            came = client.run(parse(f"INSERT INTO users VALUES ({key}, 'l', NULL)") + bind() + execute(max_rows=1) + sync())
            assert kinds(came) == "12CZ", came
            came = client.run(parse(f"SELECT 1 FROM users WHERE id = {key}") + bind() + execute(max_rows=1) + sync())
            assert kinds(came) == "12DsZ", came
        client.run(query("COMMIT"))
        for statement in (parse(f"SELECT 1 FROM users WHERE id = {second}") + bind() + execute() + sync(), query(f"DELETE FROM users WHERE id = {second}")):
            client.run(query("BEGIN"))
            series = f"SELECT generate_series(1, 3) FROM users WHERE id = {first}"
            assert kinds(client.run(parse(series) + bind() + execute(max_rows=1) + sync())) == "12DsZ"
            assert kinds(client.run(execute(max_rows=1) + sync())) == "DsZ"
            assert codes(client.run(statement)) == []
            client.run(query("ROLLBACK"))
    assert [len(rows) for rows in stored(shop_cluster)] == [1, 1, 1]


@pytest.fixture(scope="module")
def one_writer(ringway_session, shop_cluster):
    return ringway_session({"clusters": {"shop": {"two_phase": "error"}}}, clusters=[shop_cluster])


def test_two_phase_error_refuses_a_second_writer(one_writer, shop_cluster, keys, clean):
    (a, again), (b, _), _ = keys
    assert until(lambda: knows_tables(one_writer, "shop"))

    def refused(client, sql, values=None):
        with pytest.raises(psycopg.errors.FeatureNotSupported) as why:
            client.execute(sql, values)
        assert "two_phase" in why.value.diag.message_detail

    with one_writer.connect() as client:
        assert {row["key"]: row["value"] for row in admin(one_writer, "SHOW CONFIG")}["clusters.shop.two_phase"] == "error"
        with client.transaction():  # one shard is written to, others are read
            client.execute("INSERT INTO users VALUES (%s, 'one', NULL)", (a,))
            assert client.execute("SELECT count(*) FROM users WHERE id = %s", (b,)).fetchone() == (0,)
            client.execute("INSERT INTO users VALUES (%s, 'one', NULL)", (again,))
        refused(client, "INSERT INTO users VALUES (%s, 'x', NULL), (%s, 'y', NULL)", (b, a + 100000))
        refused(client, "UPDATE users SET name = 'z' WHERE id > 0")
        refused(client, "INSERT INTO countries VALUES ('zz', 'x')")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            with client.cursor().copy("COPY users FROM STDIN") as copy:
                for key in clean:
                    copy.write_row([key + 5000, "c", None])
        client.execute("BEGIN")
        client.execute("UPDATE users SET name = 'two' WHERE id = %s", (a,))
        refused(client, "INSERT INTO users VALUES (%s, 'x', NULL)", (b,))
        assert client.info.transaction_status.name == "INERROR"
        client.execute("ROLLBACK")
        with client.cursor().copy("COPY users FROM STDIN") as copy:  # rows of one shard
            copy.write_row([b, "c", None])
        assert client.execute("SELECT name FROM users WHERE id IN (%s, %s, %s) ORDER BY id", sorted((a, again, b))).fetchall()
    assert [sorted(row[1] for row in rows) for rows in stored(shop_cluster)] == [["one", "one"], ["c"], []]


def one(sql, *values):
    return parse(sql) + bind(values) + describe("P") + execute()


def locked(cluster, table):
    """Of each shard, whether somebody holds the lock of the test below on a table."""
    sql = f"SELECT count(*) > 0 FROM pg_locks WHERE relation = '{table}'::regclass AND granted AND mode = 'ShareRowExclusiveLock'"
    return [cluster.primary(shard).rows(sql)[0][0] for shard in cluster.shards]


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION READ WRITE", "BEGIN ISOLATION LEVEL READ COMMITTED"])
@pytest.mark.parametrize("first,rows", [
    ("UPDATE users SET name = 'first' WHERE id >= 70000 AND id < 80000", 0),
    ("SELECT count(*) FROM users a, users b WHERE a.id = b.id AND a.id >= 70000 AND a.id < 80000", 1),
    ("DECLARE c CURSOR FOR SELECT id FROM users WHERE id >= 70000 AND id < 80000 ORDER BY id", 0),
    ("LOCK TABLE users, countries IN SHARE ROW EXCLUSIVE MODE", 0),
])
def test_a_drivers_begin_comes_in_one_batch_with_the_first_statement(shop_proxy, shop_cluster, keys, clean, begin, first, rows):
    """As pgjdbc sends it without autocommit: the transaction goes on behind the Sync, on all shards."""
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("INSERT INTO users VALUES " + ", ".join(f"({key}, 'x', NULL)" for key in clean)))
        came = client.run(one(begin) + one(first) + sync())
        assert not codes(came) and came[-1] == ("Z", b"T") and kinds(came).count("D") == rows, came
        if first.startswith("DECLARE"):
            assert kinds(client.run(query("FETCH ALL FROM c"))).count("D") == len(clean)
        if first.startswith("LOCK"):
            assert locked(shop_cluster, "users") == [True] * 3
            assert locked(shop_cluster, "countries") == [True] * 3
            came = client.run(query("SELECT count(*) FROM users WHERE id >= 70000 AND id < 80000"))
            assert came[1] == ("D", b"\0\1\0\0\0\1" + str(len(clean)).encode())
        assert not codes(client.run(one("UPDATE users SET name = name || '!' WHERE id >= 70000 AND id < 80000") + sync()))
        assert client.run(one("COMMIT") + sync())[-1] == ("Z", b"I")
    names = {name for rows in stored(shop_cluster) for _, name, _ in rows}
    assert names == {"first!" if first.startswith("UPDATE") else "x!"}
    assert locked(shop_cluster, "users") == [False] * 3


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN READ ONLY"])
def test_a_locked_table_is_no_write(ringway, shop_cluster, keys, clean, begin):
    """Nothing is decided or prepared for it, so it works where one shard alone may be written to, and in READ ONLY transactions."""
    proxy = ringway({"clusters": {"shop": {"two_phase": "error"}}}, clusters=shop_cluster)
    with proxy.connect(dbname="shop") as client:
        client.execute(begin)
        client.execute("LOCK TABLE users, countries IN ACCESS SHARE MODE")
        assert client.execute("COMMIT").statusmessage == "COMMIT"
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction):
            client.execute("LOCK TABLE users")
        with pytest.raises(psycopg.errors.NoActiveSqlTransaction), client.pipeline():
            client.execute("LOCK TABLE users")


@pytest.fixture(scope="module")
def clerk(shop_cluster, keys):
    """A role that `app` may take, on each shard. Once: connections of the pool keep a role by its OID."""
    for shard in shop_cluster.shards:
        with shop_cluster.primary(shard).connect(user="postgres") as server:
            server.execute("CREATE ROLE clerk NOLOGIN")
            server.execute("GRANT clerk TO app")
            server.execute("GRANT SELECT, UPDATE ON users TO clerk")
    yield "clerk"
    for shard in shop_cluster.shards:
        with shop_cluster.primary(shard).connect(user="postgres") as server:
            server.execute("DROP OWNED BY clerk")
            server.execute("DROP ROLE clerk")


@pytest.mark.parametrize("before,within,after", [
    ([], ["SET LOCAL ROLE clerk"], "app"),
    ([], ["SELECT set_config('role', 'clerk', true)"], "app"),
    ([], ["UPDATE users SET name = 'x' WHERE id >= 70000 AND id < 80000", "SAVEPOINT a", "SET LOCAL ROLE clerk"], "app"),
    ([], ["SET ROLE clerk"], "clerk"),
    (["SET ROLE clerk"], ["SET LOCAL ROLE NONE"], "clerk"),
    (["SET ROLE clerk"], [], "clerk"),
])
def test_a_commit_under_another_role_is_made_on_all_shards(shop_proxy, shop_cluster, keys, clean, clerk, before, within, after):
    """What is prepared belongs to the role of that moment, which SET LOCAL takes away before COMMIT PREPARED."""
    with shop_proxy.connect() as client:
        client.execute("INSERT INTO users VALUES " + ", ".join(f"({key}, 'old', NULL)" for key in clean))
        for sql in [*before, "BEGIN", *within]:
            client.execute(sql)
        for key in clean:
            client.execute(f"UPDATE users SET name = current_user WHERE id = {key}")
        taken = client.execute("SELECT current_user").fetchone()[0]
        assert client.execute("COMMIT").statusmessage == "COMMIT"
        assert {name for rows in stored(shop_cluster) for _, name, _ in rows} == {taken}
        assert all(primary(shop_cluster, shard, "SELECT count(*) FROM pg_prepared_xacts") == 0 for shard in shop_cluster.shards)
        assert client.execute("SELECT current_user").fetchone() == (after,)
        for key in clean:
            assert client.execute(f"SELECT current_user FROM users WHERE id = {key}").fetchone() == (after,)
        client.execute("RESET ROLE")


@pytest.mark.parametrize("sql", ["SET TRANSACTION READ ONLY", "SET LOCAL transaction_read_only = on", "SET transaction_read_only = true"])
def test_read_only_behind_writes_on_several_shards_is_refused(shop_proxy, shop_cluster, keys, clean, sql):
    """The COMMIT has to write down that it is made on all."""
    (a, _), (b, _), _ = keys
    with shop_proxy.connect() as client:
        client.execute(f"INSERT INTO users VALUES ({a}, 'old', NULL), ({b}, 'old', NULL)")
        client.execute("BEGIN")
        client.execute(f"UPDATE users SET name = 'one' WHERE id = {a}")
        client.execute(f"SELECT name FROM users WHERE id = {b}")
        client.execute("SAVEPOINT s")
        client.execute(sql)  # one shard is written to
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute(f"UPDATE users SET name = 'two' WHERE id = {b}")
        client.execute("ROLLBACK TO s")
        assert client.execute("COMMIT").statusmessage == "COMMIT"
        client.execute("BEGIN")
        client.execute(f"UPDATE users SET name = 'two' WHERE id IN ({a}, {b})")
        client.execute("SET LOCAL transaction_read_only = off")
        with pytest.raises(psycopg.errors.FeatureNotSupported) as why:
            client.execute(sql)
        assert why.value.diag.message_hint == "leave READ ONLY out"
        assert client.execute("COMMIT").statusmessage == "ROLLBACK"
    assert sorted(name for rows in stored(shop_cluster) for _, name, _ in rows) == ["old", "one"]
