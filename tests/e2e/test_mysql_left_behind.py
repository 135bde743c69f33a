"""What a statement leaves on its connection by a way that its text does not show reaches no other client: triggers behind triggers
and views, sequences, SETs that failed or took a default, the diagnostics of others."""

import time

import my
import pymysql
import pytest
from conftest import admin, until
from my_wire import Wire
from pymysql.constants import CLIENT


@pytest.fixture(autouse=True)
def nothing_left(my_cluster):
    """The cluster is others' too, and one body that leaves something makes the unseen ones suspect."""
    yield
    gone = ["VIEW IF EXISTS seen", "TABLE IF EXISTS far, near, drawing", "FUNCTION IF EXISTS hides", "PROCEDURE IF EXISTS draws"]
    for each in gone + (["SEQUENCE IF EXISTS counts"] if my_cluster.server == "mariadb" else []):
        my_cluster.primary().rows("DROP " + each)


@pytest.fixture
def pair(my_proxy):
    with my.connect(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        yield a, b


def interleaved(a, b, sql, mine, others):
    for _ in range(3):
        assert my.rows(a, sql) == [mine]
        assert my.rows(b, sql) == [others]


def run_all(connection, sql):
    connection.query(sql)
    while connection._result.has_next:
        connection.next_result()


def behind_a_trigger(a, body):
    """Table far has a trigger of this body; a write of near or of the view seen reaches it."""
    for each in ("far", "near"):
        my.made_anew(a, "TABLE", each, "(id INT)")
    my.made_anew(a, "VIEW", "seen", "AS SELECT id FROM near")
    my.rows(a, f"CREATE TRIGGER of_far AFTER INSERT ON far FOR EACH ROW {body}")
    my.rows(a, "CREATE TRIGGER of_near AFTER INSERT ON near FOR EACH ROW INSERT INTO far VALUES (NEW.id)")


@pytest.mark.parametrize("written", ["far", "near", "seen"])
@pytest.mark.parametrize("body", ["SET @left = 6, @@SESSION.group_concat_max_len = 66", "BEGIN SELECT 6, 66 INTO @left, @more; SET group_concat_max_len = @more; END"])
def test_a_variable_that_a_trigger_behind_a_trigger_sets(pair, body, written):
    a, b = pair
    shown = "SELECT @left, @@group_concat_max_len"
    others = my.rows(b, shown)[0]
    behind_a_trigger(a, body)
    my.rows(a, f"INSERT INTO {written} VALUES (1)")
    interleaved(a, b, shown, (6, 66), others)


@pytest.mark.parametrize("written", ["near", "seen"])
def test_a_temporary_table_that_a_function_of_a_trigger_makes(pair, written):
    a, b = pair
    my.made_anew(a, "FUNCTION", "hides()", "RETURNS INT BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS hidden (n INT); INSERT INTO hidden VALUES (1); RETURN 1; END")
    behind_a_trigger(a, "DO hides()")
    my.rows(a, f"INSERT INTO {written} VALUES (1)")
    for _ in range(3):
        assert my.rows(a, "SELECT n FROM hidden") == [(1,)]
        with pytest.raises(pymysql.err.ProgrammingError):
            my.rows(b, "SELECT n FROM hidden")


@pytest.mark.parametrize("written", ["near", "seen"])
def test_a_lock_that_a_trigger_takes(pair, written):
    a, b = pair
    behind_a_trigger(a, "DO GET_LOCK('of_a_trigger', 0)")
    my.rows(a, f"INSERT INTO {written} VALUES (1)")
    for _ in range(3):
        assert my.rows(b, "SELECT IS_FREE_LOCK('of_a_trigger'), GET_LOCK('of_a_trigger', 0)") == [(0, 0)]
        my.rows(a, "SELECT 1")
    assert my.value(a, "SELECT RELEASE_LOCK('of_a_trigger')") == 1


def test_a_statement_prepared_before_the_trigger_was_made(my_proxy, pair):
    a, b = pair
    my.made_anew(a, "TABLE", "far", "(id INT)")
    with Wire(my_proxy.mysql_port) as wire:
        number, _, _ = wire.prepare("INSERT INTO far VALUES (1)")
        for made in ("SELECT 1", "CREATE TRIGGER of_far AFTER INSERT ON far FOR EACH ROW SELECT 6 INTO @left"):
            my.rows(b, made)
            wire.execute(number)
            wire.result()
        for _ in range(3):
            assert my.value(b, "SELECT @left") is None
            assert wire.query("SELECT @left") == [[b"6"]]


def test_triggers_that_leave_nothing_tie_nobody(pair, my_proxy):
    a, _ = pair
    behind_a_trigger(a, "BEGIN DECLARE n INT; SET n = NEW.id; END")
    for written in ("far", "near", "seen"):
        my.rows(a, f"INSERT INTO {written} VALUES (1)")
    assert until(lambda: not admin(my_proxy, "SHOW PINS"))


# ---- sequences of MariaDB ----


def drawn_from(a):
    my.made_anew(a, "TABLE", "drawing", "(id INT)")
    my.made_anew(a, "SEQUENCE", "counts", "")
    my.rows(a, "ALTER TABLE drawing ALTER id SET DEFAULT NEXTVAL(counts)")


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("draws", ["SELECT NEXTVAL(counts)", "DO NEXTVAL(shop . `counts`)", "INSERT INTO drawing VALUES ()",
                                   "SELECT NEXT VALUE FOR counts", "CALL draws()", "SELECT 1; SELECT NEXTVAL(counts)"])
def test_lastval_is_what_the_client_has_drawn(my_proxy, draws):
    with my.connect(my_proxy.mysql_port, client_flag=CLIENT.MULTI_STATEMENTS) as a, my.connect(my_proxy.mysql_port) as b, \
            my.connect(my_proxy.mysql_port) as c:
        drawn_from(a)
        my.made_anew(a, "PROCEDURE", "draws()", "DO NEXTVAL(counts)")
        run_all(a, draws)
        assert my.value(b, "SELECT NEXTVAL(counts)") == 2
        for _ in range(3):
            assert my.rows(a, "SELECT LASTVAL(counts), LASTVAL(shop.counts) + 1 AS more") == [(1, 2)]
            assert my.value(b, "SELECT LASTVAL(counts)") == 2
            assert my.value(c, "SELECT LASTVAL(counts)") is None
        assert my.value(c, "SELECT PREVIOUS VALUE FOR counts") is None


@pytest.mark.servers("mariadb")
def test_lastval_within_a_transaction_and_behind_it(pair, my_proxy):
    a, b = pair
    drawn_from(a)
    my.rows(b, "DO NEXTVAL(counts)")
    my.rows(a, "BEGIN")
    assert my.value(a, "SELECT LASTVAL(counts)") is None
    assert my.rows(a, "SELECT NEXTVAL(counts), LASTVAL(counts)") == [(2, 2)]
    assert my.value(a, "SELECT LASTVAL(counts)") == 2
    my.rows(a, "ROLLBACK")
    for _ in range(3):
        assert my.value(b, "SELECT LASTVAL(counts)") == 1
        assert my.value(a, "SELECT LASTVAL(counts)") == 2
    assert not admin(my_proxy, "SHOW PINS")


# ---- variables ----


@pytest.mark.parametrize("sql", [
    "SET SESSION max_allowed_packet = 1024", "SET sql_log_bin = 0", "SET SESSION general_log = 1", "SET SESSION version = 'x'",
    "SET @@SESSION.query_cache_type = 'ON'", "SELECT 1; SET SESSION max_allowed_packet = 1024; SET time_zone = '+09:00'"])
def test_a_set_that_fails_leaves_nothing_to_be_set_again(my_proxy, my_cluster, sql):
    told = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with my.connect(port, client_flag=CLIENT.MULTI_STATEMENTS) as a:
            told.append(None)
            try:  # MariaDB lets the tests' user have sql_log_bin
                run_all(a, sql)
            except pymysql.err.MySQLError as why:
                told[-1] = why.args
            for _ in range(3):
                assert my.value(a, "SELECT @@time_zone") == "SYSTEM"
    assert told[0] == told[1]


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("name, value", [("system_versioning_asof", "'2010-01-01'"), ("default_tmp_storage_engine", "MEMORY"),
                                         ("innodb_tmpdir", "NULL"), ("innodb_ft_user_stopword_table", "NULL")])
def test_a_set_to_the_default_can_be_set_again(pair, my_proxy, name, value):
    a, b = pair
    before = my.value(b, f"SELECT @@{name}")
    my.rows(a, f"SET {name} = {value}")
    mine = my.value(a, f"SELECT @@{name}")
    interleaved(a, b, f"SELECT @@{name}", (mine,), (before,))
    my.rows(a, f"SET {name} = DEFAULT")
    interleaved(a, b, f"SELECT @@{name}, 1", (before, 1), (before, 1))
    assert not admin(my_proxy, "SHOW PINS")


@pytest.mark.servers("mariadb")
def test_a_time_of_system_versions_is_of_the_clients_time_zone(pair):
    a, b = pair
    my.rows(a, "SET time_zone = '+00:00'")
    my.rows(a, "SET system_versioning_asof = '2010-01-01'")
    with_time = my.rows(a, "SELECT @@system_versioning_asof")
    for zone in ("+09:00", "-09:00", "+09:00"):
        my.rows(b, f"SET time_zone = '{zone}'")
        assert my.rows(a, "SELECT @@system_versioning_asof") == with_time
        assert my.value(b, "SELECT @@system_versioning_asof") == "DEFAULT"


# ---- what the statement before has left ----


def told(connection, sql):
    """The rows of all results of a text, or what an OK says; at last an error's number."""
    found = []
    try:
        connection.query(sql)
        while True:
            result = connection._result
            found.append((result.affected_rows, result.warning_count) if result.description is None else
                         ([(each.name, each.type_code, each.length, each.charsetnr, each.flags, each.scale) for each in result.fields], list(result.rows)))
            if not result.has_next:
                return found
            connection.next_result()
    except pymysql.err.MySQLError as why:
        return found + [why.args]


def alike(my_proxy, my_cluster, steps):
    """The server and Ringway tell the same session the same, whatever others do between its statements."""
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with my.connect(port, client_flag=CLIENT.MULTI_STATEMENTS) as a, my.connect(my_proxy.mysql_port) as b, my.connect(my_proxy.mysql_port) as c:
            seen.append([])
            for sql in steps:
                for other in (b, c):
                    told(other, "SELECT * FROM of_nobody")
                    told(other, "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5")
                    told(other, "SELECT CAST('x' AS SIGNED)")
                seen[-1].append((sql, told(a, sql)))
    for direct, through in zip(*seen):
        assert direct == through


@pytest.mark.parametrize("steps", [
    ["SELECT 1", "PREPARE s FROM 'SELECT 1'", "SHOW WARNINGS"], ["SELECT 1/0, CAST('y' AS SIGNED)", "PREPARE s FROM 'SELECT 1'", "SHOW WARNINGS"],
    ["SELECT CAST('y' AS SIGNED)", "PREPARE s FROM 'SELECT v FROM t'", "SHOW WARNINGS"],
    ["DO 1", "DEALLOCATE PREPARE s", "SHOW WARNINGS", "SELECT @@error_count"], ["DO 1", "EXECUTE s", "SHOW ERRORS"],
    ["DO 1", "CALL of_nobody()", "SHOW WARNINGS"], ["DO 1", "XA START 'of_this_test'", "SHOW WARNINGS", "XA END 'of_this_test'", "XA ROLLBACK 'of_this_test'"],
    ["UPDATE t SET v = v", "KILL 999999", "SELECT ROW_COUNT()", "KILL 999999", "SHOW WARNINGS", "SHOW ERRORS", "SHOW COUNT(*) ERRORS", "SELECT @@error_count"],
    ["SELECT CAST('y' AS SIGNED)", "KILL 999999", "SHOW WARNINGS", "DO 1", "SHOW WARNINGS", "SELECT v FROM t", "SHOW WARNINGS"],
    ["BEGIN", "SELECT CAST('y' AS SIGNED)", "KILL 999999", "SHOW WARNINGS", "SELECT v FROM t", "SHOW WARNINGS", "COMMIT"],
    ["SELECT * FROM t; SELECT CAST('y' AS SIGNED)", "SHOW WARNINGS"], ["SELECT CAST('y' AS SIGNED); SELECT v FROM t", "SHOW WARNINGS"]])
def test_warnings_are_the_clients_own(my_proxy, my_cluster, steps):
    alike(my_proxy, my_cluster, steps)


@pytest.mark.parametrize("pins", ["BEGIN", "LOCK TABLES t READ", "PREPARE s FROM 'SELECT 1'", "SET @a = 1", "SET timestamp = 1", "HANDLER t OPEN", "DO GET_LOCK('of_counts', 0)"])
def test_found_rows_is_the_clients_own_after_a_pin(my_proxy, my_cluster, pins):
    alike(my_proxy, my_cluster, ["SELECT id FROM t", pins, "SELECT FOUND_ROWS()", "SELECT FOUND_ROWS()", "SELECT id FROM t LIMIT 2", "SELECT FOUND_ROWS(), ROW_COUNT()"])


@pytest.mark.parametrize("asks", ["SELECT FOUND_ROWS(), ROW_COUNT()", "SELECT ? + ROW_COUNT() AS n, FOUND_ROWS()", "SELECT @@warning_count"])
def test_a_prepared_statement_tells_the_counts_of_the_clients_own_statement(my_proxy, my_cluster, asks):
    """Also where it runs on a connection on which others have counted since."""
    befores = ["SELECT id FROM t LIMIT 2", "UPDATE t SET v = v", "SELECT CAST('y' AS SIGNED)", "DELETE FROM t WHERE id < 0"]
    values = [7] * asks.count("?")
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with Wire(port) as a, \
                my.connect(my_proxy.mysql_port) as b, my.connect(my_proxy.mysql_port) as c:
            def others():
                for other in (b, c):
                    told(other, "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5")
                    told(other, "SELECT CAST('x' AS SIGNED)")
            seen.append([])
            a.query(befores[0])
            others()
            number, _, _ = a.prepare(asks)
            for before in [None] + befores:
                others()
                if before:
                    a.query(before)
                    others()
                a.execute(number, values)
                seen[-1].append((before, a.result()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("declared", ["NO SQL", "READS SQL DATA", "MODIFIES SQL DATA"])
@pytest.mark.parametrize("settled", [True, False])
def test_a_variable_of_the_session_that_a_function_sets_is_its_clients(pair, declared, settled):
    """Where no other body leaves anything."""
    a, b = pair
    shown = "SELECT @@group_concat_max_len"
    others = my.rows(b, shown)[0]
    my.made_anew(a, "FUNCTION", "hides()", f"RETURNS INT {declared} BEGIN SET group_concat_max_len = 77; RETURN 1; END")
    if settled:
        time.sleep(1)
    assert my.rows(a, "SELECT hides()") == [(1,)]
    interleaved(a, b, shown, (77,), others)
    my.rows(a, "UPDATE t SET v = v WHERE id < 0")


KEEPING = ["CHECK TABLE t", "ANALYZE TABLE t", "CHECKSUM TABLE t", "SHOW WARNINGS", "SHOW ERRORS", "HELP 'x'", "SHOW CREATE TABLE t", "SHOW GRANTS", "SHOW PRIVILEGES",
           "DO 1", "SET time_zone = 'SYSTEM'", "UPDATE t SET v = v", "DELETE FROM t WHERE id < 0", "INSERT INTO made (v) VALUES ('x')", "USE shop", "SELECT nope", "KILL 999999",
           "SHOW TABLES LIKE 't'", "SHOW COLUMNS FROM t", "DESC t", "SHOW COUNT(*) WARNINGS", "SHOW VARIABLES LIKE 'time_zone'", "SHOW CHARACTER SET LIKE 'latin%'",
           "SELECT 1; UPDATE t SET v = v", "SELECT id FROM t LIMIT 2; DO 1", "UPDATE t SET v = v; SELECT 1"]


@pytest.mark.parametrize("sql", KEEPING)
def test_what_found_rows_and_row_count_are_after(my_proxy, my_cluster, sql):
    alike(my_proxy, my_cluster, ["SELECT id FROM t", sql, "SELECT ROW_COUNT(), 'and', FOUND_ROWS()"])


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("sql", ["VALUES (1), (2)", "DELETE FROM t WHERE id < 0 RETURNING id"])
def test_what_found_rows_is_after_rows_of_other_statements(my_proxy, my_cluster, sql):
    alike(my_proxy, my_cluster, ["SELECT id FROM t", sql, "SELECT FOUND_ROWS()"])


@pytest.mark.parametrize("sql", ["INSERT INTO made (v) SELECT v FROM t", "EXPLAIN SELECT id FROM t", "DO (SELECT MAX(id) FROM t)", "DELETE made FROM made, t WHERE made.id < 0"])
def test_what_only_the_server_counts_is_refused_or_asked_there(my_proxy, my_cluster, sql):
    alike(my_proxy, my_cluster, ["BEGIN", "SELECT id FROM t", sql, "SELECT FOUND_ROWS()", "ROLLBACK"])
    with my.connect(my_proxy.mysql_port) as a:
        my.rows(a, sql)
        found = told(a, "SELECT FOUND_ROWS()")
        assert found[0][0] == 1235 or (sql.startswith("EXPLAIN") and my_cluster.server != "mariadb")
