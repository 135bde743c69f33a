"""Definitions within a transaction over several shards: what they have made unsure is refused, never guessed; the rest goes on."""

import psycopg
import pytest

from test_sharding_spanning import clean, keys  # noqa: F401 (fixtures)
from wire import Wire, bind, codes, describe, execute, parse, query, sync

UNSURE = [
    ("CREATE VIEW fresh AS SELECT id, name FROM users", "SELECT count(*) FROM fresh"),
    ("CREATE VIEW fresh AS SELECT id, name FROM users", "UPDATE fresh SET name = 'x'"),
    ("CREATE VIEW fresh AS SELECT id, name FROM users", "INSERT INTO fresh VALUES (70100, 'a'), (70101, 'b')"),
    ("CREATE VIEW fresh AS SELECT * FROM countries", "UPDATE fresh SET name = 'x' WHERE code = 'zz'"),
    ("CREATE OR REPLACE VIEW given AS SELECT id, 1 AS n FROM users", "SELECT sum(n) FROM given"),
    ("ALTER VIEW given RENAME TO fresh", "SELECT count(*) FROM fresh"),
    ("ALTER TABLE orders RENAME COLUMN note TO x", "SELECT count(*) FROM orders WHERE user_id = 5"),
    ("CREATE FUNCTION fresh() RETURNS int8 LANGUAGE sql STABLE AS 'SELECT count(*) FROM users'", "SELECT fresh()"),
    ("CREATE RULE fresh AS ON INSERT TO users DO ALSO DELETE FROM orders", "INSERT INTO users VALUES (70001, 'a', 'de')"),
]


@pytest.fixture(scope="module")
def given(shop_proxy, keys):  # noqa: F811
    with shop_proxy.connect() as client:
        client.execute("CREATE VIEW given AS SELECT id, 0 AS n FROM users")
        client.execute("CREATE TABLE plain (a int)")
    yield
    with shop_proxy.connect() as client:
        client.execute("DROP VIEW given")
        client.execute("DROP TABLE plain")


@pytest.mark.parametrize("definition, sql", UNSURE)
@pytest.mark.parametrize("how", ["statements", "one text", "prepared"])
def test_what_a_transaction_has_defined_is_not_guessed(shop_proxy, clean, given, definition, sql, how):  # noqa: F811
    with Wire(shop_proxy.port, database="shop") as client:
        if how == "one text":
            came = client.run(query(f"{definition}; {sql}"))
        else:
            client.run(query("BEGIN"))
            assert not codes(client.run(query(definition)))
            run = query(sql) if how == "statements" else parse(sql) + bind() + describe("P") + execute() + sync()
            came = client.run(run)
            client.run(query("ROLLBACK"))
        assert codes(came) == ["0A000"], came
        assert client.value("SELECT count(*) FROM users WHERE name IN ('x', 'all')") == "0"
        assert client.value("SELECT count(*) FROM pg_class WHERE relname IN ('fresh', 'people')") == "0"


def test_what_is_not_touched_goes_on(shop_proxy, clean):  # noqa: F811
    """As migrations do: definitions, then rows of other tables, in one transaction."""
    with shop_proxy.connect(autocommit=False) as client:
        client.execute("CREATE TABLE migrations (id int, at timestamptz DEFAULT now())")
        client.execute("CREATE INDEX users_name ON users (name)")
        client.execute("CREATE VIEW fresh AS SELECT id, name FROM users")
        client.execute("CREATE VIEW fresher AS SELECT * FROM fresh")
        client.execute("COMMENT ON VIEW fresh IS 'new'")
        client.execute("INSERT INTO migrations VALUES (1)")
        assert client.execute("SELECT id FROM migrations").fetchall() == [(1,)]
        client.execute("INSERT INTO users VALUES (70001, 'a', 'de')")
        assert client.execute("SELECT name FROM users WHERE id = 70001").fetchall() == [("a",)]
        client.commit()
        assert client.execute("SELECT count(*) FROM fresher WHERE id = 70001").fetchone() == (1,)
        client.rollback()
        client.execute("DROP VIEW fresher, fresh")
        client.execute("DROP TABLE migrations")
        client.execute("DROP INDEX users_name")
        client.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            client.execute("SELECT * FROM fresh")


@pytest.mark.parametrize("how", ["statements", "one text", "prepared"])
def test_tables_of_the_first_shard_are_made_anew_renamed_and_filled(shop_proxy, clean, given, how):  # noqa: F811
    """Nothing that is on other shards depends on their names."""
    steps = ["DROP TABLE IF EXISTS made", "CREATE TABLE made (a int, partition int)", "INSERT INTO made VALUES (1, 1), (2, 2)",
             "ALTER TABLE made RENAME TO kept", "INSERT INTO kept VALUES (3, 3)", "CREATE TABLE days (d int) PARTITION BY RANGE (d)",
             "CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (10)", "CREATE TABLE days_2 (d int)",
             "ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM (10) TO (20)", "INSERT INTO days VALUES (1), (11)",
             "INSERT INTO days_2 VALUES (12)", "ALTER TABLE users ADD COLUMN type text", "UPDATE users SET type = 'x'",
             "CREATE MATERIALIZED VIEW lands AS SELECT * FROM countries", "SAVEPOINT a", "CREATE VIEW seen AS SELECT * FROM users",
             "ROLLBACK TO a", "SELECT name FROM users WHERE id = 70001"]
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(query("BEGIN"))
        if how == "one text":
            assert not codes(client.run(query("; ".join(steps[:-4]))))
        for sql in steps if how != "one text" else []:
            run = query(sql) if how == "statements" else parse(sql) + bind() + describe("P") + execute() + sync()
            assert not codes(client.run(run)), sql
        assert client.value("SELECT count(*) FROM kept") == "3"
        assert client.value("SELECT count(*) FROM days") == "3"
        client.run(query("ROLLBACK"))


@pytest.mark.parametrize("before", [None, "SELECT name FROM users WHERE id = 70002", "INSERT INTO users VALUES (70002, 'b', 'de')"])
def test_a_text_of_several_is_taken_within_a_transaction(shop_proxy, clean, given, before):  # noqa: F811
    """As the first of it, and behind statements on one shard; what was written there belongs to it."""
    with Wire(shop_proxy.port, database="shop") as client:
        for end, rows in (("ROLLBACK", "0"), ("COMMIT", "3")):
            client.run(query("BEGIN"))
            if before:
                assert not codes(client.run(query(before)))
            came = client.run(query("CREATE TABLE made (a int); INSERT INTO made VALUES (1); INSERT INTO users VALUES (70003, 'x', 'de'), (70004, 'x', 'de'),"
                                    " (70005, 'x', 'de'); UPDATE users SET name = 'y' WHERE id >= 70000 AND id < 80000"))
            assert not codes(came) and came[-1] == ("Z", b"T"), came
            assert not codes(client.run(query(end)))
            written = 1 if before and before.startswith("INSERT") and end == "COMMIT" else 0
            assert client.value("SELECT count(*) FROM users WHERE name = 'y'") == str(int(rows) + written)
            assert client.value("SELECT count(*) FROM pg_class WHERE relname = 'made'") == ("1" if end == "COMMIT" else "0")
        client.run(query("DROP TABLE made"))


def test_a_shard_that_has_the_table_looks_at_a_parse_and_one_that_fails_leaves_no_statement(shop_proxy, keys, given, clean):  # noqa: F811
    with Wire(shop_proxy.port, database="shop") as client:
        for pair in keys:
            assert not codes(client.run(query(f"INSERT INTO users VALUES ({pair[0]}, 'a', 'de')")))
            client.run(query("BEGIN"))
            assert not codes(client.run(query(f"UPDATE users SET name = 'b' WHERE id = {pair[0]}")))
            assert not codes(client.run(query("UPDATE users SET name = 'c' WHERE id >= 70000 AND id < 80000")))
            assert not codes(client.run(parse("SELECT a FROM plain WHERE a = $1", "of_first") + sync()))
            assert codes(client.run(parse("SELECT nope FROM users", "again") + sync())) == ["42703"]
            client.run(query("ROLLBACK"))
            assert not codes(client.run(parse("SELECT name FROM users", "again") + sync()))
            client.run(query("DEALLOCATE ALL"))


@pytest.mark.parametrize("wrong", ["SELECT nope FROM users", "SELEC 1"])
@pytest.mark.parametrize("begun", [False, True], ids=["pipeline", "transaction"])
@pytest.mark.parametrize("behind", ["nothing", "a bind of it", "a bind of another", "a whole statement"])
def test_a_parse_that_fails_behind_a_write_on_all_shards_takes_it_back(shop_proxy, keys, clean, wrong, begun, behind):  # noqa: F811
    more = {"nothing": b"", "a bind of it": bind([], "bad"), "a bind of another": bind() + execute(),
            "a whole statement": parse("SELECT 1") + bind() + describe("P") + execute()}[behind]
    with Wire(shop_proxy.port, database="shop") as client:
        for pair in keys:
            assert not codes(client.run(query(f"INSERT INTO users VALUES ({pair[0]}, 'a', 'de')")))
        write = parse("UPDATE users SET name = 'b' WHERE id >= 70000 AND id < 80000") + bind() + describe("P") + execute()
        if begun:
            client.run(query("BEGIN"))
            client.run(write + sync())
            came = client.run(parse(wrong, "bad") + more + sync())
        else:
            came = client.run(write + parse(wrong, "bad") + more + sync())
        assert codes(came) == ["42703" if "nope" in wrong else "42601"]
        if begun:
            assert came[-1] == ("Z", b"E")
            client.run(query("ROLLBACK"))
        assert client.value("SELECT count(*) FROM users WHERE name = 'b'") == "0"
        assert not codes(client.run(parse("SELECT name FROM users WHERE id = $1", "good") + sync()))
        client.run(query("BEGIN"))
        client.run(write + sync())
        assert not codes(client.run(parse("SELECT count(*) FROM users WHERE name = $1", "late") + sync()))
        came = client.run(bind(["b"], "late") + execute() + sync())
        assert not codes(came)
        client.run(query("ROLLBACK"))


@pytest.mark.parametrize("definition, unsure", [
    ("DROP TYPE feeling CASCADE", "INSERT INTO orders VALUES (70011, 70012, 1, 'a')"),
    ("DROP TYPE feeling CASCADE", "COPY orders FROM STDIN"),
    ("CREATE TRIGGER fresh BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
     "INSERT INTO below VALUES (70011, 70012, 1, 'a')"),
    ("ALTER TABLE orders DROP COLUMN note", "INSERT INTO below VALUES (70011, 70012)"),
])
def test_what_a_definition_does_not_name(shop_proxy, shop_cluster, clean, definition, unsure):  # noqa: F811
    """Columns that go with a type, and what is below a table."""
    with shop_proxy.connect() as owner:
        owner.execute("CREATE TYPE feeling AS ENUM ('good')")
        owner.execute("ALTER TABLE orders ADD COLUMN feels feeling")
        owner.execute("CREATE TABLE below () INHERITS (orders)")
        try:
            with Wire(shop_proxy.port, database="shop") as client:
                client.run(query("BEGIN"))
                assert not codes(client.run(query(definition)))
                assert not codes(client.run(query("INSERT INTO users VALUES (70001, 'a', 'de')")))
                assert codes(client.run(query(unsure))) == ["0A000"]
                client.run(query("ROLLBACK"))
        finally:
            owner.execute("DROP TABLE below")
            owner.execute("ALTER TABLE orders DROP COLUMN feels")
            owner.execute("DROP TYPE feeling")


@pytest.fixture(scope="module")
def parts(shop_cluster, keys):  # noqa: F811
    """Tables beside those of the map, on every shard as Ringway makes them: one with rows on the first."""
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("""CREATE TABLE beside (id int8, user_id int8 NOT NULL, amount numeric, note text); CREATE SCHEMA aside;
                                            ALTER TABLE beside OWNER TO app; ALTER SCHEMA aside OWNER TO app""")
    yield
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DROP TABLE beside; DROP SCHEMA aside")


MOVING = [
    "ALTER TABLE beside INHERIT orders", "ALTER TABLE users RENAME TO people", "ALTER TABLE beside RENAME TO users_too; ALTER TABLE users_too RENAME TO orders",
    "ALTER TABLE countries RENAME TO lands", "ALTER TABLE orders RENAME COLUMN user_id TO owner", "ALTER TABLE orders DROP COLUMN user_id",
    "ALTER TABLE orders ALTER COLUMN user_id TYPE int8 USING -user_id", "ALTER TABLE orders ALTER user_id TYPE text",
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES users (id)", "ALTER TABLE beside ADD FOREIGN KEY (user_id) REFERENCES users",
    "CREATE TABLE fresh (id int8 REFERENCES users)", "ALTER TYPE pair ALTER ATTRIBUTE id TYPE text CASCADE",
    "ALTER TABLE countries ADD COLUMN fresh uuid DEFAULT gen_random_uuid()", "ALTER TABLE countries ADD COLUMN fresh serial",
    "ALTER TABLE countries ALTER name TYPE text USING name || now()",
]


@pytest.mark.parametrize("sql", MOVING)
@pytest.mark.parametrize("how", ["alone", "in a transaction", "prepared"])
def test_what_would_leave_rows_behind_is_refused(shop_proxy, parts, clean, sql, how):  # noqa: F811
    with Wire(shop_proxy.port, database="shop") as client:
        assert not codes(client.run(query("INSERT INTO orders (id, user_id) VALUES (1, 70001), (2, 70002), (3, 70003)")))
        first, _, last = sql.rpartition("; ")
        if how == "in a transaction" or first:
            client.run(query("BEGIN"))
            assert not codes(client.run(query(first or "SELECT count(*) FROM users")))
        came = client.run(parse(last) + bind() + execute() + sync() if how == "prepared" else query(last))
        assert codes(came) == ["0A000"], came
        if how == "in a transaction" or first:
            client.run(query("ROLLBACK"))
        assert client.value("SELECT count(*) FROM orders WHERE user_id BETWEEN 70000 AND 71000") == "3"
        assert client.value("SELECT count(user_id) FROM orders WHERE user_id = 70002") == "1"
        assert client.value("SELECT count(*) FROM pg_class WHERE relname IN ('people', 'fresh', 'lands')") == "0"


def test_each_refusal_says_what_to_do(shop_proxy, parts):
    with shop_proxy.connect() as client:
        for sql in MOVING:
            if ";" not in sql:
                with pytest.raises(psycopg.errors.FeatureNotSupported) as came:
                    client.execute(sql)
                assert came.value.diag.message_hint and came.value.diag.message_detail


def test_what_is_defined_is_known_to_the_next_statement(shop_proxy, parts, keys, clean):  # noqa: F811
    """Sessions that wait for the catalogs while these are being read wait for what has been defined by then."""
    key = keys[1][0]
    with shop_proxy.connect() as first, shop_proxy.connect() as second:
        first.execute("INSERT INTO orders (id, user_id) VALUES (1, %s)", [key])
        for i in range(25):
            first.execute(f"ALTER TABLE orders ADD COLUMN fresh{i} int DEFAULT {i}")
            for each in (second, first):
                assert each.execute(f"SELECT fresh{i}, count(*) FROM orders GROUP BY 1").fetchall() == [(i, 1)]
            second.execute(f"ALTER TABLE orders DROP COLUMN fresh{i}")
            for each in (first, second):
                with pytest.raises(psycopg.errors.UndefinedColumn):
                    each.execute(f"SELECT max(fresh{i}) FROM orders")


def test_definitions_that_leave_rows_where_they_are_run(shop_proxy, shop_cluster, parts, keys, clean):  # noqa: F811
    with shop_proxy.connect() as client:
        key = keys[1][0]
        client.execute("INSERT INTO orders (id, user_id) VALUES (1, %s)", [key])
        client.execute("ALTER TABLE orders ALTER COLUMN user_id TYPE int4")
        assert client.execute("SELECT count(*) FROM orders WHERE user_id = %s", [key]).fetchone() == (1,)
        client.execute("ALTER TABLE orders ALTER COLUMN user_id TYPE int8")
        client.execute("ALTER TABLE orders RENAME COLUMN note TO remark")
        client.execute("ALTER TABLE orders RENAME COLUMN remark TO note")
        client.execute("ALTER TABLE orders ADD CONSTRAINT tied FOREIGN KEY (user_id) REFERENCES users NOT VALID")
        client.execute("ALTER TABLE orders DROP CONSTRAINT tied")
        client.execute("ALTER TABLE orders ADD COLUMN fresh uuid DEFAULT gen_random_uuid(), ADD fresher timestamptz DEFAULT now()")
        assert client.execute("SELECT count(fresh), count(fresher) FROM orders WHERE user_id = %s", [key]).fetchone() == (1, 1)
        client.execute("ALTER TABLE orders DROP COLUMN fresh, DROP COLUMN fresher")
        client.execute("ALTER TABLE countries ADD COLUMN fresh timestamptz, ADD COLUMN fresher int DEFAULT 7")
        client.execute("ALTER TABLE countries ALTER fresh SET DEFAULT now()")
        client.execute("ALTER TABLE countries DROP COLUMN fresh, DROP COLUMN fresher")
        client.execute("ALTER TABLE beside SET SCHEMA aside")
        client.execute("ALTER TABLE aside.beside RENAME TO beyond")
        client.execute("ALTER TABLE aside.beyond RENAME TO beside")
        client.execute("ALTER TABLE aside.beside SET SCHEMA public")
        for shard in shop_cluster.shards:  # the operator's own word counts
            client.execute(f"/* ringway: shard={shard} */ ALTER TABLE orders RENAME COLUMN user_id TO owner")
        for shard in shop_cluster.shards:
            client.execute(f"/* ringway: shard={shard} */ ALTER TABLE orders RENAME COLUMN owner TO user_id")
        assert client.execute("SELECT count(*) FROM orders WHERE user_id = %s", [key]).fetchone() == (1,)
