"""Two shards of MariaDB, and of MySQL 5.6: one statement, one shard. Traps Y35 and Y36, and H1, H2, H3 and H11 as far as one shard goes."""

import contextlib
import datetime
import decimal
import subprocess

import my
import pymysql
import pytest
from conftest import BINARY, MY_SETTINGS, admin, knows_tables, until
from my_wire import ServerError, Wire

KEYS = range(1, 31)
# column type, values as Python has them: the last ones are as other texts of the first
TYPES = {
    "k_tiny": ("TINYINT", [42, -7]), "k_int": ("INT", [42, -7]), "k_big": ("BIGINT UNSIGNED", [2 ** 63 + 5, 42]),
    "k_decimal": ("DECIMAL(10,3)", [decimal.Decimal("1.5"), decimal.Decimal("12")]),
    "k_bin": ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", ["Höhe's", "42", "ab"]),
    "k_ci": ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", ["Abc", "42"]),
    "k_char": ("CHAR(8) CHARACTER SET latin1 COLLATE latin1_swedish_ci", ["Abc"]),
    "k_varbinary": ("VARBINARY(16)", [b"a\0b", b"abc"]), "k_binary": ("BINARY(4)", [b"ab\0\0", b"abcd"]),
    "k_date": ("DATE", [datetime.date(2024, 2, 29)]),
    "k_datetime": ("DATETIME(3)", [datetime.datetime(2024, 2, 29, 12, 30), datetime.datetime(2024, 2, 29, 12, 30, 1, 500000)]),
    "k_uuid": ("UUID", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
}
OF_MARIADB = ["k_uuid"]
SQL = """
CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50), country CHAR(2));
CREATE TABLE orders (no INT, user_id INT, amount DECIMAL(10,2), note VARCHAR(50), PRIMARY KEY (user_id, no),
  FOREIGN KEY (user_id) REFERENCES users (id));
CREATE TABLE made (id BIGINT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20));
CREATE TABLE countries (code CHAR(2) PRIMARY KEY, name VARCHAR(50));
INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France');
CREATE TABLE listed (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
CREATE TABLE listed_bin (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY, v INT);
CREATE TABLE listed_twice (k VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
CREATE TABLE local (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20));
CREATE TABLE logged (id INT PRIMARY KEY, v VARCHAR(20));
CREATE TABLE log (v VARCHAR(20));
CREATE TRIGGER logs AFTER INSERT ON logged FOR EACH ROW INSERT INTO log VALUES (NEW.v);
CREATE VIEW names AS SELECT id, name FROM users;
CREATE FUNCTION counts() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM users);
CREATE FUNCTION twice(n INT) RETURNS INT NO SQL RETURN 2 * n;
"""
TABLES = {name: {"key": "k"} for name in TYPES} | {
    "users": {"key": "ID"}, "orders": {"key": "user_id"}, "made": {"key": "id"}, "logged": {"key": "id"},
    "countries": {"reference": True},
    "listed": {"key": "k", "function": "list", "map": {"s0": ["eu"], "s1": ["us", "Apac"]}},
    "listed_bin": {"key": "k", "function": "list", "map": {"s0": ["eu"], "s1": ["us", "Apac"]}},
    "listed_twice": {"key": "k", "function": "list", "map": {"s0": ["eu"], "s1": ["EU"]}}}


@pytest.fixture(scope="module")
def shards(workspace, my_server):
    types = {name: kind for name, (kind, _) in TYPES.items() if my_server == "mariadb" or name not in OF_MARIADB}
    sql = SQL + "".join(f"CREATE TABLE {name} (k {kind} PRIMARY KEY, v VARCHAR(20));\n" for name, kind in types.items())
    tables = {name: key for name, key in TABLES.items() if name in types or name not in TYPES}
    made = my.MyCluster(workspace, "shop2", shards=2, sql=sql, tables=tables, server=my_server)
    yield made
    made.down()


@pytest.fixture(scope="module")
def proxy(ringway_session, shards):
    made = ringway_session(MY_SETTINGS, clusters=shards)
    subprocess.run([BINARY, "init", "--config", made.config, "--user", "app", "--password", "app"], check=True, timeout=60, capture_output=True)
    with my.connect(made.mysql_port, database="shop2") as a:
        for key in KEYS:
            my.rows(a, "INSERT INTO users VALUES (%s, %s, 'de')", (key, f"n{key}"))
            my.rows(a, f"INSERT INTO orders VALUES (1, {key}, {key}.5, 'o')")
    return made


@pytest.fixture
def client(proxy):
    with my.connect(proxy.mysql_port, database="shop2") as connection:
        yield connection


def owner(proxy, key, table="users"):
    return admin(proxy, f"SHOW KEY shop2 {table} '{key}'")[0]["shard"]


def two_keys(proxy):
    """Keys of two shards."""
    return 1, next(key for key in KEYS if owner(proxy, key) != owner(proxy, 1))


def refused(client, sql, number=1235, parameters=None):
    with pytest.raises(pymysql.err.MySQLError) as why:
        my.rows(client, sql, parameters)
    assert why.value.args[0] == number, why.value
    assert my.value(client, "SELECT 1") == 1
    return why.value.args[1]


def test_rows_stand_where_show_key_says(proxy, shards):
    used = set()
    for key in KEYS:
        shard = owner(proxy, key)
        used.add(shard)
        for each in shards.shards:
            for table, column in (("users", "id"), ("orders", "user_id")):
                there = shards.primary(each).rows(f"SELECT COUNT(*) FROM {table} WHERE {column} = {key}", "shop2")[0][0]
                assert there == (each == shard), (key, each, table)
    assert used == set(shards.shards)


def test_positions_are_those_of_postgresql(proxy, shards, shop_proxy):
    assert until(lambda: knows_tables(shop_proxy, "shop"), 20)
    for key in KEYS:
        mine, other = admin(proxy, f"SHOW KEY shop2 users '{key}'")[0], admin(shop_proxy, f"SHOW KEY shop users '{key}'")[0]
        assert mine["position"] == other["position"] and mine["canonical"] == other["canonical"] == str(key)
        assert str(shards.primary("s0").rows(f"SELECT ringway_position({key})", "shop2")[0][0]) == str(mine["position"])
    shown = admin(proxy, "SHOW KEY shop2 k_bin 'h\u00f6he'")[0]
    assert str(shards.primary("s1").rows("SELECT ringway_position('h\u00f6he')", "shop2")[0][0]) == str(shown["position"])


@pytest.mark.parametrize("condition", [
    "id = {0}", "{0} = ID", "id = '{0}'", "id = {0}.0", "id = {0}e0", "id = 0x{0:02x}", "id IN ({0})", "id IN ({0}, '{0}')", "id <=> {0}",
    "id = {0} OR id = {0}", "(id, name) = ({0}, 'n{0}')", "id = {0} + 0", "id = CAST('{0}' AS SIGNED)", "((id)) = ({0})",
    "users.id = {0}", "shop2.users.id = {0}", "`id` = {0}", "id = {0} && name IS NOT NULL", "id = {0} /* id = 1 */", "id = /*!40000 {0} */",
    "id IN ({0}, NULL)", "NOT NOT id = {0}",
])
def test_y36_one_key_however_it_is_written(client, condition):
    for key in (1, 7, 23):
        try:
            got = my.rows(client, f"SELECT id, name FROM users WHERE {condition.format(key)}")
        except pymysql.err.MySQLError as why:
            assert why.args[0] == 1235 and condition.startswith("NOT")
            continue
        assert got == [(key, f"n{key}")]


@pytest.mark.parametrize("condition", [
    "id = 5 OR TRUE", "id NOT IN (5)", "id = id", "ABS(id) = 5", "id = '5 apples'", "id = x'35'", "id = 5.5", "id <> 5", "id > 5", "NOT id = 5",
    "id = 5 XOR id = 6", "id LIKE '5'", "id = 5 OR name = 'n6'", "id = (SELECT 5)", "id IN (SELECT 5)", "id = @x", "id = twice(3)", "1", "id BETWEEN 5 AND 5",
    "id IN (1, ABS(5))", "id = ' 5'", "id = b'101'", "id = 5 = 1", "-id = -5", "id = '9007199254740993'",
])
def test_y36_what_names_no_key_is_refused_with_a_hint(client, condition):
    assert "hint" in refused(client, f"SELECT * FROM users WHERE {condition}")
    assert "hint" in refused(client, f"DELETE FROM users WHERE {condition}")


def test_y36_null_matches_no_row(client):
    assert my.rows(client, "SELECT * FROM users WHERE id = NULL") == []
    refused(client, "UPDATE users SET name = 'x' WHERE id = NULL", 1048)
    refused(client, "DELETE FROM users WHERE id = NULL", 1235)


STRICT, LAX = "STRICT_TRANS_TABLES", "NO_ENGINE_SUBSTITUTION"
KEYLESS = [  # with a strict sql_mode, and without; None: the server would store something
    ("INSERT INTO users (name) VALUES ('x')", 1364, None), ("INSERT INTO users SET name = 'x'", 1364, None),
    ("REPLACE INTO users VALUES (DEFAULT, 'x', 'de')", 1364, None), ("INSERT INTO users (name) VALUES ('x'), ('y')", 1364, None),
    ("INSERT INTO users VALUES (NULL, 'x', 'de')", 1048, 1048), ("INSERT INTO users VALUES (1001, 'x', 'de'), (NULL, 'x', 'de')", 1048, None),
    ("INSERT IGNORE INTO users (name) VALUES ('x')", None, None), ("INSERT INTO made (v) VALUES ('x')", None, None),
    ("INSERT INTO made VALUES (NULL, 'x')", None, None),
]


@pytest.mark.parametrize("mode", [STRICT, LAX])
@pytest.mark.parametrize("sql, strict, lax", KEYLESS, ids=[each[0] for each in KEYLESS])
def test_a_row_without_its_key_is_the_servers_own_error(client, shards, mode, sql, strict, lax):
    expected = strict if mode == STRICT else lax
    my.rows(client, f"SET sql_mode = '{mode}'")
    with my.connect(shards.primary().port, database="shop2") as direct:
        my.rows(direct, f"SET sql_mode = '{mode}'")
        my.rows(direct, "BEGIN")
        if expected is None:
            with contextlib.suppress(pymysql.err.IntegrityError):  # of what it stores: two rows with 0
                my.rows(direct, sql)
            refused(client, sql)
        else:
            with pytest.raises(pymysql.err.MySQLError) as why:
                my.rows(direct, sql)
            assert why.value.args == (expected, refused(client, sql, expected))
        my.rows(direct, "ROLLBACK")


def test_joins_and_subqueries_on_the_key(client, shards):
    with_cte = "WITH u AS (SELECT * FROM users WHERE id = 5) SELECT u.name, o.amount FROM u, orders o WHERE o.user_id = 5"
    for sql in (*([with_cte] if shards.server == "mariadb" else []),
                "SELECT u.name, o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 5",
                "SELECT u.name, o.amount FROM users u, orders o WHERE o.user_id = u.id AND o.user_id = 5",
                "SELECT u.name, (SELECT o.amount FROM orders o WHERE o.user_id = u.id) FROM users u WHERE u.id = 5",
                "SELECT u.name, o.amount FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = 5",
                "SELECT u.name, o.amount FROM orders o RIGHT JOIN users u ON o.user_id = u.id WHERE u.id = 5"):
        assert [(name, float(amount)) for name, amount in my.rows(client, sql)] == [("n5", 5.5)], sql
    assert my.value(client, "SELECT c.name FROM users u JOIN countries c ON c.code = u.country WHERE u.id = 3") == "Germany"
    refused(client, "SELECT COUNT(*) FROM users u LEFT JOIN orders o ON o.user_id = 5")
    refused(client, "SELECT (SELECT COUNT(*) FROM users) FROM users WHERE id = 5")


def test_writes_reach_their_shard_only(client, proxy, shards):
    assert my.rows(client, "UPDATE users SET country = 'fr' WHERE id = 9") == []
    one, other = two_keys(proxy)
    for sql in (f"UPDATE users SET id = {other} WHERE id = {one}", "UPDATE users SET id = id + 1 WHERE id = 1", "UPDATE users SET country = 'xx'",
                f"INSERT INTO users VALUES ({one + 1000}, 'x', 'de'), ({next(k for k in range(1001, 2000) if owner(proxy, k) != owner(proxy, one + 1000))}, 'x', 'de')",
                f"UPDATE users u JOIN orders o ON o.user_id = u.id SET o.user_id = {other} WHERE u.id = {one}",
                f"INSERT INTO users VALUES ({one}, 'x', 'de') ON DUPLICATE KEY UPDATE id = {other}",
                "INSERT INTO users SELECT * FROM users", "TRUNCATE users", "DELETE u FROM users u JOIN orders o WHERE u.id = 1", "LOAD DATA INFILE '/x' INTO TABLE users",
                "LOCK TABLES users WRITE", "HANDLER users OPEN", "CREATE INDEX i ON users (name)", "ALTER TABLE users ADD x INT", "OPTIMIZE TABLE users",
                "CALL p()", "SELECT counts()", "SELECT * FROM names WHERE id = 5", "SET @n = (SELECT COUNT(*) FROM users)", "SET GLOBAL wait_timeout = 100",
                "PREPARE s FROM 'SELECT COUNT(*) FROM users'", "EXECUTE IMMEDIATE 'SELECT COUNT(*) FROM users'", "BEGIN NOT ATOMIC SELECT COUNT(*) FROM users; END",
                "DO (SELECT COUNT(*) FROM users)", "INSERT INTO countries VALUES ('xx', 'x')", "UPDATE countries SET name = 'x'", "CREATE TABLE x AS SELECT * FROM users",
                "INSERT INTO logged VALUES (1, 'x')", "SELECT 1; SELECT COUNT(*) FROM users", "INSERT INTO made VALUES (0, 'x')"):
        refused(client, sql)
    assert my.rows(client, f"SELECT id, country FROM users WHERE id = {one}") == [(one, "de")]
    assert sum(shards.primary(each).rows("SELECT COUNT(*) FROM users", "shop2")[0][0] for each in shards.shards) == len(KEYS)


def test_a_key_may_change_within_its_shard(client, proxy):
    own = owner(proxy, 3001)
    target = next(key for key in range(3002, 4000) if owner(proxy, key) == own)
    my.rows(client, "INSERT INTO users VALUES (3001, 'moving', 'de')")
    my.rows(client, f"UPDATE users SET id = {target} WHERE id = 3001")
    assert my.rows(client, f"SELECT name FROM users WHERE id = {target}") == [("moving",)]
    my.rows(client, f"DELETE FROM users WHERE id = {target}")


def test_tables_outside_the_map_are_on_the_first_shard(client, shards):
    my.rows(client, "INSERT INTO local (v) VALUES ('here')")
    assert my.value(client, "SELECT LAST_INSERT_ID()") == my.value(client, "SELECT MAX(id) FROM local")
    assert shards.primary("s0").rows("SELECT COUNT(*) FROM local", "shop2") != shards.primary("s1").rows("SELECT COUNT(*) FROM local", "shop2")
    my.rows(client, "CREATE TABLE later (id INT)")
    assert shards.primary("s0").rows("SHOW TABLES LIKE 'later'", "shop2") and not shards.primary("s1").rows("SHOW TABLES LIKE 'later'", "shop2")
    my.rows(client, "DROP TABLE later")


def test_a_comment_names_the_shard(client, shards):
    for shard in shards.shards:
        assert my.value(client, f"/* ringway: shard={shard} */ SELECT @@port") == shards.primary(shard).port
    total = sum(my.value(client, f"/* ringway: shard={shard} */ SELECT COUNT(*) FROM users") for shard in shards.shards)
    assert total == len(KEYS)
    assert "unknown shard" in refused(client, "/* ringway: shard=s9 */ SELECT COUNT(*) FROM users", 1231)


@pytest.mark.parametrize("table", TYPES)
def test_h03_keys_of_every_type(proxy, shards, table):
    """Text protocol and binary parameters name one shard, the row is there, and the SQL function agrees with SHOW KEY."""
    if shards.server != "mariadb" and table in OF_MARIADB:
        pytest.skip("MySQL has no such type")  # UUID is MariaDB's: there is no such column to test
    with my.connect(proxy.mysql_port, database="shop2") as client, Wire(proxy.mysql_port, database="shop2") as wire:
        insert, _, _ = wire.prepare(f"INSERT INTO {table} VALUES (?, 'bound')")
        select, _, _ = wire.prepare(f"SELECT v FROM {table} WHERE k = ?")
        for value in TYPES[table][1]:
            asked = value.hex() if isinstance(value, bytes) else str(value).replace("'", "''")
            shown = admin(proxy, f"SHOW KEY shop2 {table} '{'0x' if isinstance(value, bytes) else ''}{asked}'")[0]
            node = shards.primary(shown["shard"])
            canonical = node.rows("SELECT ringway_position('{}')".format(shown["canonical"].replace("\\", "\\\\").replace("'", "''")), "shop2")
            assert str(canonical[0][0]) == str(shown["position"])
            my.rows(client, f"INSERT INTO {table} VALUES (%s, 'text')", (value,))
            assert [row[0] for row in node.rows(f"SELECT v FROM {table}", "shop2")].count("text") == 1, value
            assert my.rows(client, f"SELECT v FROM {table} WHERE k = %s", (value,)) == [("text",)], value
            bound = (value if isinstance(value, int) and value < 2 ** 63 else value if isinstance(value, bytes) else str(value).encode(),)
            if isinstance(value, int) and value >= 2 ** 63:
                my.rows(client, f"DELETE FROM {table} WHERE k = %s", (value,))
                continue  # as a text longer than a double is exact it is refused
            wire.execute(select, bound)
            assert len(wire.result()[1]) == 1, value
            my.rows(client, f"DELETE FROM {table} WHERE k = %s", (value,))
            wire.execute(insert, bound)
            assert wire.result() is None
            assert my.rows(client, f"SELECT v FROM {table} WHERE k = %s", (value,)) == [("bound",)], value
            my.rows(client, f"DELETE FROM {table} WHERE k = %s", (value,))


def test_y35_what_a_collation_calls_equal_is_on_one_shard(client, proxy):
    for table in ("k_ci", "k_char"):
        for number in range(20):
            my.rows(client, f"INSERT INTO {table} VALUES ('Key{number}', 'x')")
            for other in (f"kEY{number}", f"KEY{number}", f"key{number}   "):
                assert my.rows(client, f"SELECT k FROM {table} WHERE k = '{other}'") == [(f"Key{number}",)]
            with pytest.raises(pymysql.err.IntegrityError):
                my.rows(client, f"INSERT INTO {table} VALUES ('kEy{number}', 'y')")
        refused(client, f"INSERT INTO {table} VALUES ('h\u00f6he', 'x')")
        refused(client, f"SELECT * FROM {table} WHERE k = 'a\\0b'")
        my.rows(client, f"SELECT * FROM {table} WHERE k = 'x'")
    for number in range(20):
        my.rows(client, f"INSERT INTO k_bin VALUES ('Key{number}', 'x'), ('Key{number}', 'x') ON DUPLICATE KEY UPDATE v = 'y'")
        assert my.rows(client, f"SELECT k FROM k_bin WHERE k = 'Key{number}  '") == [(f"Key{number}",)]
        assert my.rows(client, f"SELECT k FROM k_bin WHERE k = 'key{number}'") == []
    for condition in ("k = 'Key1' COLLATE utf8mb4_general_ci", "BINARY k = 'Key1'", "k = 5", "k = 'K' 'ey1'", "k = CONCAT('K', 'ey1')", "k LIKE 'Key1'"):
        refused(client, f"SELECT k FROM k_bin WHERE {condition}")


def test_y35_values_of_a_list_are_equal_as_its_keys_are(client, shards):
    for number, key in enumerate(("eu", "Us ", "Apac")):
        client.query(f"INSERT INTO listed VALUES ('{key}', {number})")
    assert [len(shards.primary(shard).rows("SELECT * FROM listed", "shop2")) for shard in shards.shards] == [1, 2]
    for key in ("Apac", "apac", "APAC "):
        assert my.value(client, f"SELECT v FROM listed WHERE k = '{key}'") == 2
        assert my.value(client, "SELECT v FROM listed WHERE k = %s", key) == 2
    refused(client, "INSERT INTO listed VALUES ('xx', 9)", 1526)
    client.query("INSERT INTO listed_bin VALUES ('Apac', 1)")
    assert shards.primary("s1").rows("SELECT k FROM listed_bin", "shop2") == [("Apac",)]
    refused(client, "INSERT INTO listed_bin VALUES ('apac', 1)", 1526)
    with pytest.raises(pymysql.err.MySQLError) as told:
        my.rows(client, "SELECT * FROM listed_twice WHERE k = 'eu'")
    assert told.value.args[0] == 1235 and "two shards" in told.value.args[1] and "ignores case" in told.value.args[1]


def test_values_that_a_column_would_change_are_refused(client):
    for table, value in (("k_tiny", "300"), ("k_big", "-1"), ("k_int", "'5.6'"), ("k_int", "5.5"), ("k_decimal", "1.0005"), ("k_bin", "'" + "x" * 21 + "'"),
                         ("k_datetime", "'2024-01-01 00:00:00.1234'"), ("k_datetime", "'2024-1-1'"), ("k_date", "20240101"), ("k_binary", "'abcde'"),
                         ("k_date", "'0000-00-00'"), ("k_tiny", "'12x'"), ("k_date", "'2024-02-30'")):
        refused(client, f"INSERT INTO {table} VALUES ({value}, 'x')")
        refused(client, f"INSERT IGNORE INTO {table} VALUES ({value}, 'x')")


def test_another_character_set_is_read_as_what_it_is(proxy):
    with my.connect(proxy.mysql_port, database="shop2", charset="latin1") as client:
        my.rows(client, "SELECT * FROM k_bin WHERE k = 'abc'")
        refused(client, "SELECT * FROM k_bin WHERE k = 'h\u00f6he'")
        my.rows(client, "SET NAMES utf8mb4")
        client.encoding = "utf8"
        assert my.rows(client, "SELECT * FROM k_bin WHERE k = 'h\u00f6he'") == []


def test_a_transaction_stays_on_its_shard(proxy, shards):
    one, other = two_keys(proxy)
    for start in ("BEGIN", "START TRANSACTION", "SET autocommit = 0"):
        for first, second in ((one, other), (other, one)):
            with my.connect(proxy.mysql_port, database="shop2") as client:
                my.rows(client, start)
                assert my.value(client, "SELECT 1") == 1
                my.rows(client, f"UPDATE users SET country = 'fr' WHERE id = {first}")
                assert "transaction" in refused(client, f"UPDATE users SET country = 'fr' WHERE id = {second}")
                assert my.value(client, f"SELECT country FROM users WHERE id = {first}") == "fr"
                my.rows(client, "ROLLBACK")
                assert my.value(client, f"SELECT country FROM users WHERE id = {first}") == "de"
    with my.connect(proxy.mysql_port, database="shop2") as client:
        for key in (one, other):  # each moves: a BEGIN is on no shard yet
            my.rows(client, "START TRANSACTION")
            my.rows(client, "SAVEPOINT a")
            my.rows(client, f"UPDATE users SET country = 'it' WHERE id = {key}")
            my.rows(client, "ROLLBACK TO a")
            assert my.value(client, f"SELECT country FROM users WHERE id = {key}") == "de"
            my.rows(client, f"UPDATE users SET country = 'it' WHERE id = {key}")
            my.rows(client, "COMMIT")
            assert my.value(client, f"SELECT country FROM users WHERE id = {key}") == "it"
            my.rows(client, f"UPDATE users SET country = 'de' WHERE id = {key}")


def test_a_read_ties_a_transaction_to_its_snapshot(client, proxy):
    one, other = two_keys(proxy)
    my.rows(client, "BEGIN")
    my.rows(client, "SELECT * FROM countries")
    where = my.value(client, "SELECT @@port")
    keys = {True: [], False: []}
    for key in (one, other):
        keys[admin(proxy, f"SHOW KEY shop2 users '{key}'")[0]["primary_node"].endswith(f":{where}")].append(key)
    assert my.rows(client, f"SELECT id FROM users WHERE id = {keys[True][0]}") == [(keys[True][0],)]
    refused(client, f"SELECT id FROM users WHERE id = {keys[False][0]}")
    my.rows(client, "COMMIT")
    assert my.rows(client, f"SELECT id FROM users WHERE id = {keys[False][0]}") == [(keys[False][0],)]


def test_a_pinned_session_stays_on_its_shard(client, proxy):
    one, other = two_keys(proxy)
    my.rows(client, f"SELECT id INTO @x FROM users WHERE id = {other}")
    assert my.value(client, f"SELECT @x FROM users WHERE id = {other}") == other
    assert "pinned" in refused(client, f"SELECT @x FROM users WHERE id = {one}")


def test_prepared_statements_run_where_their_values_say(proxy, shards):
    with Wire(proxy.mysql_port, database="shop2") as a, Wire(proxy.mysql_port, database="shop2") as b:
        select, _, _ = a.prepare("SELECT name FROM users WHERE id = ?")
        both, _, _ = a.prepare("SELECT COUNT(*) FROM users WHERE id IN (?, ?)")
        for round in range(3):
            for key in KEYS:
                a.execute(select, (key,) if round else (str(key).encode(),), types=round != 1 or key == 1)
                assert len(a.result()[1]) == 1, (round, key)
        one, other = two_keys(proxy)
        a.execute(both, (one, other))
        with pytest.raises(Exception) as why:
            a.result()
        assert getattr(why.value, "code", None) == 1235
        a.execute(both, (one, one))
        assert len(a.result()[1]) == 1
        a.execute(select, (None,))
        assert a.result()[1] == []
        a.query("BEGIN")
        a.execute(select, (other,))
        a.result()
        assert a.status & 1
        a.execute(select, (one,))
        with pytest.raises(Exception) as why:
            a.result()
        assert getattr(why.value, "code", None) == 1235
        a.query("ROLLBACK")
        with pytest.raises(Exception) as why:
            b.prepare("SELECT * FROM users WHERE name = ?")
        assert getattr(why.value, "code", None) == 1235


@pytest.mark.servers("mariadb")  # MySQL 5.6 gives such columns of a primary key the default 0: refused
def test_a_part_of_the_key_that_is_missing(client):
    my.rows(client, f"SET sql_mode = '{STRICT}'")
    assert refused(client, "INSERT INTO orders (no, amount) VALUES (1, 2)", 1364) == "Field 'user_id' doesn't have a default value"
    assert refused(client, "INSERT INTO orders (no, user_id) VALUES (1, NULL)", 1048) == "Column 'user_id' cannot be null"


def test_a_missing_key_in_a_prepared_statement(proxy, shards):
    with Wire(proxy.mysql_port, database="shop2") as wire:
        wire.query(f"SET sql_mode = '{STRICT}'")
        number, _, _ = wire.prepare("INSERT INTO users VALUES (?, 'x', 'de')")
        wire.execute(number, [None])
        with pytest.raises(ServerError) as why:
            wire.result()
        assert (why.value.code, why.value.message) == (1048, "Column 'id' cannot be null")


def test_init_tells_what_its_user_lacks(proxy, shards):
    """The monitor's user is not one who may make functions."""
    def init(*more):
        return subprocess.run([BINARY, "init", "--config", proxy.config, *more], timeout=60, capture_output=True, text=True)

    done = init()
    assert done.returncode == 1
    assert done.stderr.count("GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON `shop2`.* TO monitor") == 2 and "--user" in done.stderr
    for shard in shards.shards:
        shards.primary(shard).rows("GRANT CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON shop2.* TO monitor@'%'", database="shop2")
    try:
        done = init()
        assert done.returncode == 0, done.stderr
    finally:
        for shard in shards.shards:
            shards.primary(shard).rows("REVOKE CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON shop2.* FROM monitor@'%'", database="shop2")
    assert init("--user", "app", "--password", "app").returncode == 0


def test_show_route(proxy):
    lines = {row["item"]: row["value"] for row in admin(proxy, "SHOW ROUTE shop2 'SELECT * FROM users WHERE id = 5'")}
    assert lines["plan"] == "one shard" and lines["shards"] == owner(proxy, 5)
    lines = {row["item"]: row["value"] for row in admin(proxy, "SHOW ROUTE shop2 'SELECT * FROM `users` WHERE `id` = ?' 5")}
    assert lines["shards"] == owner(proxy, 5)
    assert "error" in {row["item"] for row in admin(proxy, "SHOW ROUTE shop2 'SELECT * FROM users'")}


def test_a_shard_that_is_down_is_an_error(ringway, shards, proxy):
    one, other = two_keys(proxy)
    down = owner(proxy, other)
    mine = ringway(MY_SETTINGS | {"clusters": {"shop2": {"failover_hold": "500ms"}}}, clusters=shards)
    shards.ctl("stop", shards.primary(down), "kill")
    try:
        with my.connect(mine.mysql_port, database="shop2") as client:
            assert my.rows(client, f"SELECT id FROM users WHERE id = {one}") == [(one,)]
            with pytest.raises(pymysql.err.MySQLError):
                my.rows(client, f"SELECT id FROM users WHERE id = {other}")
            assert my.rows(client, f"SELECT id FROM users WHERE id = {one}") == [(one,)]
    finally:
        shards.ctl("start", shards.primary(down))
        assert until(proxy.is_ready, 30)
