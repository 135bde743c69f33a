"""Copies of a reference table stay alike: writes to them go one after the other, and depend on nothing that differs by copy. ADR 0016."""

import concurrent.futures

import psycopg
import pytest
from conftest import until
from test_sharding_row_locks import later, waits  # noqa: F401: a fixture
from test_sharding_spanning import clean, keys, stored  # noqa: F401: fixtures

CODES = "SELECT code, name FROM countries WHERE code LIKE 'z%'"


def copies(cluster):
    """Which are all alike."""
    found = stored(cluster, CODES)
    assert all(each == found[0] for each in found), found
    return found[0]


@pytest.fixture
def three(shop_proxy, clean):  # noqa: F811
    with shop_proxy.connect() as client:
        client.execute("INSERT INTO countries VALUES ('z1', 'a'), ('z2', 'b'), ('z3', 'c')")


def test_a_write_that_waits_sees_the_same_rows_on_all_shards(shop_proxy, shop_cluster, three, later):
    """What the first shard's wait was for is there on the others too, or nowhere."""
    with shop_proxy.connect(autocommit=False) as other, shop_proxy.connect() as client:
        other.execute("UPDATE countries SET name = name WHERE code = 'z1'")
        other.execute("INSERT INTO countries VALUES ('z4', 'new')")
        waiting = later(client.execute, "UPDATE countries SET name = name || '+' WHERE code LIKE 'z%'")
        assert waits(waiting)
        other.commit()
        assert waiting.result(20).statusmessage == "UPDATE 4"
    assert copies(shop_cluster) == [("z1", "a+"), ("z2", "b+"), ("z3", "c+"), ("z4", "new+")]


@pytest.mark.parametrize("sql", [
    "DELETE FROM countries WHERE code LIKE 'z%'",
    "UPDATE countries SET name = (SELECT max(name) FROM countries WHERE code LIKE 'z%') WHERE code = 'z1'",
    "INSERT INTO countries VALUES ('z1', 'x') ON CONFLICT (code) DO UPDATE SET name = excluded.name || (SELECT count(*) FROM countries WHERE code LIKE 'z%')",
    "WITH gone AS (DELETE FROM countries WHERE code LIKE 'z%' AND code > 'z3' RETURNING code) UPDATE countries SET name = 'x' WHERE code = 'z1'",
])
def test_new_rows_hold_other_writes_back(shop_proxy, shop_cluster, three, later, sql):
    with shop_proxy.connect(autocommit=False) as other, shop_proxy.connect() as client:
        other.execute("INSERT INTO countries VALUES ('z4', 'new')")
        waiting = later(client.execute, sql)
        assert waits(waiting)
        other.commit()
        assert waiting.result(20).rowcount > 0
    copies(shop_cluster)


def test_new_rows_do_not_wait_for_each_other(shop_proxy, shop_cluster, clean):  # noqa: F811
    with shop_proxy.connect(autocommit=False) as other, shop_proxy.connect() as client:
        other.execute("INSERT INTO countries VALUES ('z1', 'a')")
        client.execute("SET statement_timeout = '20s'")
        client.execute("INSERT INTO countries VALUES ('z2', 'b')")
        client.execute("INSERT INTO countries SELECT 'z3', 'c'")
        with client.cursor().copy("COPY countries FROM STDIN") as copy:
            copy.write("z4\td\n")
        other.commit()
    assert copies(shop_cluster) == [("z1", "a"), ("z2", "b"), ("z3", "c"), ("z4", "d")]


@pytest.mark.parametrize("rows", ["INSERT INTO countries SELECT 'z4', 'new' ON CONFLICT DO NOTHING", "COPY countries FROM STDIN"])
def test_rows_that_are_carried_or_copied_hold_writes_back(shop_proxy, shop_cluster, three, later, rows):
    with shop_proxy.connect(autocommit=False) as other, shop_proxy.connect() as client:
        if rows.startswith("COPY"):
            with other.cursor().copy(rows) as copy:
                copy.write("z4\tnew\n")
        else:
            other.execute(rows)
        waiting = later(client.execute, "UPDATE countries SET name = 'x' WHERE code LIKE 'z%'")
        assert waits(waiting)
        other.commit()
        assert waiting.result(20).rowcount == 4
    assert {name for _, name in copies(shop_cluster)} == {"x"}


def test_a_failed_write_lets_go(shop_proxy, shop_cluster, three):
    with shop_proxy.connect() as client, shop_proxy.connect(autocommit=False) as other:
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("UPDATE countries SET name = (1 / (length(name) - 1))::text WHERE code LIKE 'z%'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            other.execute("INSERT INTO countries VALUES ('z1', 'again')")
        other.rollback()
        client.execute("SET statement_timeout = '20s'")
        client.execute("UPDATE countries SET name = 'x' WHERE code LIKE 'z%'")
    assert {name for _, name in copies(shop_cluster)} == {"x"}


def test_two_that_have_added_rows_and_then_change_some(shop_proxy, shop_cluster, clean, later):  # noqa: F811
    """A deadlock that one server need not have: one of both hears of it, soon."""
    with shop_proxy.connect(autocommit=False) as one, shop_proxy.connect(autocommit=False) as other:
        one.execute("INSERT INTO countries VALUES ('z1', 'a')")
        other.execute("INSERT INTO countries VALUES ('z2', 'b')")
        waiting = {later(each.execute, "UPDATE countries SET name = name || '!' WHERE code LIKE 'z%'"): each for each in (one, other)}
        came = []
        while waiting:
            done = concurrent.futures.wait(waiting, 30, concurrent.futures.FIRST_COMPLETED).done
            assert done
            for each in done:
                client = waiting.pop(each)
                if isinstance(each.exception(), psycopg.errors.DeadlockDetected):
                    came.append("40P01")
                    client.rollback()
                else:
                    came.append(each.result().statusmessage)
                    client.commit()
        assert came == ["40P01", "UPDATE 1"], came
    assert len(copies(shop_cluster)) == 1


def test_many_at_once(shop_proxy, shop_cluster, clean, later):  # noqa: F811
    def work(which):
        with shop_proxy.connect() as client:
            for i in range(25):
                if which % 2:
                    client.execute(f"INSERT INTO countries VALUES ('z{which}-{i}', '0')")
                else:
                    client.execute("UPDATE countries SET name = (name::int + 1)::text WHERE code LIKE 'z%'")
        return True

    assert all(each.result(120) for each in [later(work, which) for which in range(4)])
    assert len(copies(shop_cluster)) == 50


# ---- what differs by copy --------------------------------------------------------------------------------------------

REFUSED = [
    "UPDATE countries SET name = d.name FROM countries d WHERE d.name < countries.name",
    "UPDATE countries c SET name = d.name || 'x' FROM countries d LEFT JOIN countries e ON e.name = d.name WHERE d.code = c.code",
    "UPDATE countries c SET name = d.n FROM (SELECT name AS n FROM countries) d WHERE c.code = 'z1'",
    "WITH d AS (SELECT name FROM countries) UPDATE countries c SET name = d.name FROM d WHERE c.code = 'z1'",
    "UPDATE countries SET name = (SELECT name FROM countries LIMIT 1) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT name FROM countries ORDER BY length(name) LIMIT 1) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT string_agg(name, ',') FROM countries) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT string_agg(name, ',' ORDER BY length(code)) FROM countries) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT (array_agg(name))[1] FROM countries) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT json_agg(name)::text FROM countries) WHERE code = 'z1'",
    "UPDATE countries SET name = ARRAY(SELECT name FROM countries)::text WHERE code = 'z1'",
    "UPDATE countries SET name = ARRAY(SELECT name FROM countries ORDER BY length(name))::text WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT DISTINCT ON (length(code)) name FROM countries) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT DISTINCT ON (length(code)) name FROM countries ORDER BY length(code)) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT max(f) FROM (SELECT first_value(name) OVER () AS f FROM countries) v) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT max(f) FROM (SELECT first_value(name) OVER (ORDER BY length(name)) AS f FROM countries) v) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT sum(length(name)::float8 / 3)::text FROM countries) WHERE code = 'z1'",
    "DELETE FROM countries WHERE code = (SELECT code FROM countries ORDER BY length(code) OFFSET 1 LIMIT 1)",
    "DELETE FROM countries a USING countries b WHERE a.ctid < b.ctid AND a.name = b.name",
    "DELETE FROM countries WHERE ctid = '(0,1)'",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_may_differ_by_copy_is_refused(shop_proxy, shop_cluster, three, sql):
    before = copies(shop_cluster)
    with shop_proxy.connect() as client:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="copies different") as told:
            client.execute(sql)
        assert told.value.diag.message_hint
    assert copies(shop_cluster) == before


RUN = [
    "UPDATE countries c SET name = d.name || 'x' FROM countries d WHERE d.code = c.code AND c.code LIKE 'z%'",
    "UPDATE countries c SET name = d.name || e.name FROM countries d JOIN countries e ON e.code = d.code WHERE d.code = 'z2' AND c.code LIKE 'z%'",
    "UPDATE countries c SET name = 'x' FROM countries d WHERE d.name < c.name AND c.code LIKE 'z%'",
    "UPDATE countries c SET name = v.n FROM (VALUES ('z1', 'one'), ('z2', 'two')) v (code, n) WHERE v.code = c.code",
    "UPDATE countries c SET name = n FROM unnest(ARRAY['z1', 'z2'], ARRAY['one', 'two']) v (code, n) WHERE v.code = c.code",
    "UPDATE countries c SET name = d.name || n FROM unnest(ARRAY['z1', 'z2'], ARRAY['z3', 'z3'], ARRAY['one', 'two']) v (code, other, n), countries d WHERE v.code = c.code AND d.code = v.other",
    "UPDATE countries c SET name = (SELECT d.name FROM countries d WHERE d.code = 'z3') WHERE c.code = 'z1'",
    "UPDATE countries SET name = (SELECT max(name) FROM countries) || (SELECT count(*) FROM countries) WHERE code LIKE 'z%'",
    "UPDATE countries SET name = (SELECT name FROM countries WHERE code LIKE 'z%' ORDER BY name DESC LIMIT 1) WHERE code = 'z1'",
    "UPDATE countries SET name = (SELECT string_agg(name, ',' ORDER BY name) FROM countries) WHERE code = 'z1'",
    "UPDATE countries c SET name = 'x' WHERE EXISTS (SELECT 1 FROM countries d WHERE d.name > c.name AND d.code LIKE 'z%' LIMIT 1) AND code LIKE 'z%'",
    "UPDATE countries SET name = (SELECT string_agg(x, ',') FROM unnest(ARRAY['a', 'b']) x) WHERE code = 'z1'",
    "DELETE FROM countries a USING countries b WHERE a.name < b.name AND a.code LIKE 'z%' AND b.code LIKE 'z%'",
    "INSERT INTO countries SELECT code || 'x', name FROM countries WHERE code LIKE 'z%'",
    "INSERT INTO countries SELECT code || 'x', name FROM countries WHERE code LIKE 'z%' LIMIT 1",
    "INSERT INTO countries SELECT 'zz', string_agg(name, ',') FROM countries",
    "INSERT INTO countries VALUES ('zz', (SELECT name FROM countries LIMIT 1))",
]


@pytest.mark.parametrize("sql", RUN)
def test_what_is_the_same_on_each_copy_runs(shop_proxy, shop_cluster, three, sql):
    before = copies(shop_cluster)
    with shop_proxy.connect() as client:
        assert client.execute(sql).rowcount > 0
    assert copies(shop_cluster) != before


# ---- rows of an INSERT that a server refuses as a whole --------------------------------------------------------------

@pytest.mark.parametrize("table", ["users", "countries"])
def test_rows_of_different_lengths(shop_proxy, shop_cluster, keys, clean, table):  # noqa: F811
    values = ", ".join(f"({pair[0]}, 'a'{', NULL' if i else ''})" for i, pair in enumerate(keys))
    sql = f"INSERT INTO {table} VALUES {values}"
    with shop_proxy.connect() as client:
        with pytest.raises(psycopg.errors.SyntaxError, match="VALUES lists must all be the same length") as told:
            client.execute(sql)
        assert int(told.value.diag.statement_position) == sql.index(str(keys[1][0])) + 1
    assert stored(shop_cluster) == [[], [], []]


def test_functions_that_give_several_rows(shop_proxy, shop_cluster, keys, clean):  # noqa: F811
    one, other = keys[0][0], keys[2][0]
    with shop_proxy.connect() as client:
        client.execute("SELECT 1")
        for call in ("generate_series(1, 3)::text", "unnest(ARRAY['a', 'b'])", "regexp_split_to_table('a b', ' ')"):
            sql = f"INSERT INTO users VALUES ({one}, {call}, NULL), ({other}, 'b', NULL)"
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="set-returning functions are not allowed in VALUES") as told:
                client.execute(sql)
            assert int(told.value.diag.statement_position) == sql.index(call) + 1
        assert stored(shop_cluster) == [[], [], []]
        assert client.execute(f"INSERT INTO users VALUES ({one}, upper('a'), lower('DE')), ({other}, upper('b'), NULL)").rowcount == 2
        assert client.execute(f"INSERT INTO orders VALUES (1, {one}, 1), (2, {other}, abs(-1))").rowcount == 2
        assert client.execute(f"INSERT INTO orders VALUES (generate_series(3, 5), {other}, 1)").rowcount == 3


# ---- defaults --------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_defaults(shop_proxy, shop_cluster, clean):  # noqa: F811
    added = ("n int DEFAULT 7", "made timestamptz", "tag uuid", "id int", "twice int GENERATED ALWAYS AS (n * 2) STORED")
    with shop_proxy.connect() as client:
        for each in added:
            client.execute(f"ALTER TABLE countries ADD COLUMN {each}")
        client.execute("CREATE SEQUENCE countries_id OWNED BY countries.id")
        client.execute("ALTER TABLE countries ALTER COLUMN made SET DEFAULT clock_timestamp(), ALTER COLUMN tag SET DEFAULT gen_random_uuid(), "
                       "ALTER COLUMN id SET DEFAULT nextval('countries_id')")
        told = lambda: dict(client.execute("EXPLAIN (ROUTE) INSERT INTO countries (code) VALUES ('z1')", prepare=False).fetchall())  # noqa: E731
        assert until(lambda: "rows are made" in told().get("runs", "")), told()
    yield
    with shop_proxy.connect() as client:
        client.execute("ALTER TABLE countries " + ", ".join(f"DROP COLUMN {each.split()[0]}" for each in reversed(added)))


def test_a_default_gives_all_copies_one_value(shop_proxy, shop_cluster, with_defaults):
    with shop_proxy.connect() as client:
        assert client.execute("INSERT INTO countries (code, name) VALUES ('z1', 'a'), ('z2', 'b')").statusmessage == "INSERT 0 2"
        made = client.execute("INSERT INTO countries (name, code) VALUES (%s, %s) RETURNING code, n, twice, tag, made IS NOT NULL", ["c", "z3"]).fetchall()
        assert made[0][:3] == ("z3", 7, 14) and made[0][3] and made[0][4]
        assert client.execute("INSERT INTO countries (code, n, tag) VALUES ('z4', DEFAULT, DEFAULT), ('z5', 8, DEFAULT)").rowcount == 2
        client.execute("INSERT INTO countries (code) VALUES ('z1') ON CONFLICT (code) DO UPDATE SET tag = excluded.tag, n = countries.n + 1")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="lists no columns"):
            client.execute("INSERT INTO countries VALUES ('z6', 'f')")
        with client.transaction():
            client.execute("INSERT INTO countries (code) VALUES ('z6')")
    rows = stored(shop_cluster, "SELECT code, name, n, twice, made, tag, id FROM countries WHERE code LIKE 'z%' ORDER BY 1")
    assert rows[0] == rows[1] == rows[2]
    assert [row[:4] for row in rows[0]] == [("z1", "a", 8, 16), ("z2", "b", 7, 14), ("z3", "c", 7, 14), ("z4", None, 7, 14), ("z5", None, 8, 16), ("z6", None, 7, 14)]
    assert len({row[5] for row in rows[0]}) == 6 and all(row[4] and row[5] for row in rows[0])
    assert [row[6] for row in rows[0]] == [1, 2, 3, 4, 5, 7]  # 6 met a conflict


# ---- locks in one order ----------------------------------------------------------------------------------------------

STATEMENTS = [
    "INSERT INTO users VALUES {rows} ON CONFLICT (id) DO UPDATE SET name = users.name || '.'",
    "INSERT INTO users SELECT * FROM (VALUES {rows}) v ON CONFLICT (id) DO UPDATE SET name = users.name || '.'",
    "UPDATE users SET name = name || '.' WHERE id IN ({keys})",
    "UPDATE users SET name = name || '.' WHERE id = ANY (ARRAY[{keys}])",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_same_keys_are_no_deadlock(shop_proxy, shop_cluster, keys, clean, later, sql):  # noqa: F811
    """Nor when the first of their shards has no row.

    An UPDATE has one row a shard: over several, one PostgreSQL takes them in the order its plan finds them in, and has deadlocks of its own
    (measured: 245 in 150 rounds of this test on one server)."""
    updates = sql.startswith("UPDATE")
    written = [pair[0] for pair in keys] if updates else clean
    rows = ", ".join(f"({key}, 'n', NULL)" for key in written)
    with shop_proxy.connect() as client:
        client.execute(f"INSERT INTO users VALUES {rows}")
        if updates:
            client.execute("DELETE FROM users WHERE id = %s", [keys[0][0]])
    text = sql.format(rows=rows, keys=", ".join(map(str, written)))

    def work(times):
        with shop_proxy.connect() as client:
            for _ in range(times):
                client.execute(text)
        return times

    assert [each.result(120) for each in [later(work, 30) for _ in range(4)]] == [30] * 4
    assert all(name == "n" + "." * 120 for shard in stored(shop_cluster) for _, name, _ in shard)


def test_a_write_runs_on_the_shards_of_its_keys(shop_proxy, keys, clean):  # noqa: F811
    with shop_proxy.connect() as client:
        for sql in ("UPDATE users SET name = 'x' WHERE id IN ({}, {})", "DELETE FROM users WHERE id IN ({}, {})"):
            told = dict(client.execute("EXPLAIN (ROUTE) " + sql.format(keys[1][0], keys[2][0])).fetchall())
            assert told["shards"] == "s1, s2", told
