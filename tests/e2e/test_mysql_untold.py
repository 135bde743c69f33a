"""What routines and triggers change of a session stays with their client, on servers that tell of changes (MariaDB) and on
one that does not (MySQL 5.6); so do the variables of a SET, and what the statement before has left."""

import zlib

import my
import psycopg
import pymysql
import pytest
from conftest import admin, until


@pytest.fixture
def pair(my_proxy):
    with my.connect(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        yield a, b


def assert_kept(a, b, sql, mine):
    """`sql` shows `mine` to A, and to B what it has shown before, whoever comes in between."""
    others = my.value(b, sql)
    for _ in range(5):
        assert my.value(a, sql) == mine
        assert my.value(b, sql) == others != mine


def knows(proxy, name):
    try:
        return "unknown" not in str(admin(proxy, f"SHOW ROUTE shop 'SELECT {name}'"))
    except psycopg.Error as why:  # a proxy that has just begun
        assert "has not been read yet" in str(why)
        return False


@pytest.mark.parametrize("declared", ["NO SQL", "READS SQL DATA", "MODIFIES SQL DATA"])
@pytest.mark.parametrize("body, shown, mine", [
    ("SET @left = 7", "SELECT @left", 7), ("SET time_zone = '+07:00'", "SELECT @@time_zone", "+07:00"),
    ("SET @@SESSION.group_concat_max_len = 77", "SELECT @@group_concat_max_len", 77), ("SELECT 7 INTO @left", "SELECT @left", 7)])
def test_a_function_that_sets_something(pair, my_proxy, declared, body, shown, mine):
    a, b = pair
    name = f"bequeaths_{zlib.crc32((declared + body).encode())}()"
    my.made_anew(a, "FUNCTION", name, f"RETURNS INT {declared} BEGIN {body}; RETURN 1; END")
    for known in (False, True):  # soon after it was made, and when the catalogs tell of it
        assert my.value(a, f"SELECT {name}") == 1
        assert_kept(a, b, shown, mine)
        a.close()
        a.connect()
        assert known or until(lambda: knows(my_proxy, name), 20)
    assert my.value(a, f"SELECT {name}") == 1
    assert_kept(a, b, shown, mine)


def test_a_trigger_that_sets_something(pair, my_proxy):
    a, b = pair
    my.made_anew(a, "TABLE", "watched", "(id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))")
    my.rows(a, "CREATE TRIGGER sees BEFORE INSERT ON watched FOR EACH ROW SET @seen = NEW.v, time_zone = '+06:00'")
    my.rows(a, "INSERT INTO watched (v) VALUES ('x')")
    assert_kept(a, b, "SELECT @seen", "x")
    assert_kept(a, b, "SELECT @@time_zone", "+06:00")


def test_a_trigger_that_sets_nothing_ties_nobody(pair, my_proxy):
    a, _ = pair
    my.made_anew(a, "TABLE", "tidy", "(id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(20))")
    my.rows(a, "CREATE TRIGGER tidies BEFORE INSERT ON tidy FOR EACH ROW BEGIN DECLARE n, m INT; SET n = 1, m = n + 1; "
               "SET NEW.v = UPPER(NEW.v); INSERT INTO made (v) VALUES ('of a trigger'); END")
    my.rows(a, "INSERT INTO tidy (v) VALUES ('x')")
    assert my.value(a, "SELECT v FROM tidy") == "X"
    assert until(lambda: not admin(my_proxy, "SHOW PINS"))


@pytest.mark.parametrize("sql, shown, mine", [
    ("SET NAMES latin1 COLLATE latin1_bin", "SELECT CONCAT(@@collation_connection, @@character_set_results)", "latin1_binlatin1"),
    ("SET CHARACTER SET latin1", "SELECT @@character_set_client", "latin1"), ("SET character_set_results = NULL", "SELECT IFNULL(@@character_set_results, 'none')", "none"),
    ("SET character_set_connection = latin1", "SELECT @@collation_connection", "latin1_swedish_ci"),
    ("SET @@LOCAL.sql_mode = 'ANSI_QUOTES', SESSION group_concat_max_len = 99", "SELECT CONCAT(@@sql_mode, @@group_concat_max_len)", "ANSI_QUOTES99"),
    ("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT @@tx_isolation", "SERIALIZABLE"),
    ("SET SESSION tx_isolation = 'READ-COMMITTED'", "SELECT @@tx_isolation", "READ-COMMITTED"),
    ("SET long_query_time = 3.5", "SELECT CAST(@@long_query_time AS CHAR)", None), ("SET lc_time_names = 'de_DE'", "SELECT DAYNAME('2024-02-29')", "Donnerstag"),
    ("SET optimizer_switch = 'mrr=off'", "SELECT @@optimizer_switch LIKE '%mrr=off%'", 1), ("SET unique_checks = 0", "SELECT @@unique_checks", 0)])
def test_variables_follow_and_tie_nobody(pair, my_proxy, sql, shown, mine):
    a, b = pair
    others = my.value(b, shown)
    my.rows(a, sql)
    assert not admin(my_proxy, "SHOW PINS")
    with my.connect(my_proxy.mysql_port) as c:
        mine = my.value(a, shown) if mine is None else mine
        for _ in range(4):
            assert my.value(a, shown) == mine
            assert my.value(b, shown) == my.value(c, shown) == others


def test_a_failed_set_changes_nothing(pair, my_proxy):
    a, b = pair
    for sql in ("SET nothing_of_the_kind = 1", "SET time_zone = 'Nowhere/Else'", "SET unique_checks = 0, sql_mode = 'NO_SUCH_MODE'"):
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(a, sql)
    for each in (a, b, a, b):
        assert my.rows(each, "SELECT @@time_zone, @@unique_checks") == [("SYSTEM", 1)]
    assert not admin(my_proxy, "SHOW PINS")


def test_set_transaction_is_of_the_next_transaction(pair, my_proxy):
    a, b = pair
    my.rows(a, "SET TRANSACTION READ ONLY")
    my.rows(b, "SELECT 1")
    my.rows(a, "BEGIN")
    with pytest.raises(pymysql.err.MySQLError) as refused:
        my.rows(a, "INSERT INTO made (v) VALUES ('no')")
    assert refused.value.args[0] == 1792
    my.rows(a, "COMMIT")
    for each in (a, b):
        my.rows(each, "BEGIN")
        my.rows(each, "INSERT INTO made (v) VALUES ('yes')")
        my.rows(each, "ROLLBACK")
    assert until(lambda: not admin(my_proxy, "SHOW PINS"))


def test_what_the_statement_before_left_outlives_questions_of_ours(pair):
    a, b = pair
    for begins, ends in (("BEGIN", "COMMIT"), ("SELECT 1", "SELECT 1")):
        my.rows(a, begins)
        my.rows(a, "INSERT INTO made (v) VALUES ('p'), ('q')")
        assert my.value(a, "SELECT ROW_COUNT()") == 2
        my.rows(a, "SET max_sort_length = 5000, sort_buffer_size = 1")  # the last one is cut: a warning
        my.rows(b, "SELECT 1")
        assert [row[1] for row in my.rows(a, "SHOW WARNINGS")] == [1292]
        my.rows(a, ends)


def test_use_follows(pair, my_proxy):
    a, b = pair
    my.rows(a, "USE other")
    for _ in range(3):
        assert my.value(b, "SELECT DATABASE()") == "shop"
        assert my.value(a, "SELECT DATABASE()") == "other"
    assert not admin(my_proxy, "SHOW PINS")


@pytest.mark.servers("mysql-5.6")
def test_reset_connection_is_no_command_of_mysql_5_6(my_proxy, my_cluster):
    import my_wire
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with my_wire.Wire(port) as a:
            with pytest.raises(my_wire.ServerError) as unknown:
                a.simple(my_wire.RESET_CONNECTION)
            assert (unknown.value.code, unknown.value.sqlstate) == (1047, "08S01")
            assert a.query("SELECT 1") == [[b"1"]]
