"""Y1 to Y15 of the traps: clients A and B share two server connections and notice nothing of one another."""

import contextlib
import time

import my
import pymysql
import pytest
from conftest import admin, until


@pytest.fixture
def pair(my_proxy):
    """Two clients that go over the same connections in turn."""
    with my.connect(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        yield a, b


def turns(a, b, times=6):
    """Statements of both between two of a test's: server connections change hands."""
    for _ in range(times):
        my.rows(b, "SELECT 1")
        my.rows(a, "SELECT 2")


def test_y1_timestamp(pair):
    a, b = pair
    my.rows(a, "SET timestamp = 86400")
    for _ in range(4):
        assert my.value(a, "SELECT UNIX_TIMESTAMP()") == 86400
        assert abs(my.value(b, "SELECT UNIX_TIMESTAMP()") - time.time()) < 600


def test_y2_sql_safe_updates(pair):
    a, b = pair
    my.rows(a, "SET sql_safe_updates = 1")
    for _ in range(4):
        my.rows(b, "UPDATE t SET v = v WHERE v = 'nobody'")
        with pytest.raises(pymysql.err.MySQLError) as refused:
            my.rows(a, "UPDATE t SET v = v WHERE v = 'nobody'")
        assert refused.value.args[0] == 1175


def test_y3_several_variables_in_one_set(pair):
    a, b = pair
    sql = "SELECT @@sql_mode, @@time_zone, @@character_set_client, @@collation_connection"
    before = my.rows(b, sql)
    my.rows(a, "SET sql_mode = CONCAT(@@sql_mode, ',ANSI'), time_zone = '+03:00'")
    my.rows(a, "SET NAMES latin1 COLLATE latin1_bin")
    now = my.rows(a, sql)
    assert "ANSI" in now[0][0] and now[0][1:] == ("+03:00", "latin1", "latin1_bin")
    for _ in range(4):
        turns(a, b, 1)
        assert my.rows(a, sql) == now
        assert my.rows(b, sql) == before


@pytest.mark.servers("mariadb")
def test_y4_set_statement(pair):
    a, b = pair
    limit = my.value(b, "SELECT @@max_statement_time")
    assert my.value(b, "SET STATEMENT max_statement_time = 7 FOR SELECT @@max_statement_time") == 7
    for _ in range(4):
        turns(a, b, 1)
        assert my.value(b, "SELECT @@max_statement_time") == limit


def test_y4_a_procedure_that_sets_time_zone(pair):
    a, b = pair
    zone = my.value(b, "SELECT @@time_zone")
    my.made_anew(a, "PROCEDURE", "far()", "SET time_zone = '+09:00'")
    my.rows(a, "CALL far()")
    for _ in range(4):
        assert my.value(a, "SELECT @@time_zone") == "+09:00"
        assert my.value(b, "SELECT @@time_zone") == zone


def test_y5_user_variables(pair):
    a, b = pair
    my.rows(a, "SET @a = 1")
    my.rows(a, "SET @b = @a + 1")
    for n in range(3, 7):
        assert my.value(a, "SELECT @b := @b + 1") == n
        assert my.value(b, "SELECT @b") is None


@pytest.mark.parametrize("made", [
    "CREATE TEMPORARY TABLE tmp (a INT)", "CREATE /*M! OR REPLACE */ TEMPORARY TABLE tmp (a INT)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS tmp (a INT)", "/* c */ CREATE /*!50000 TEMPORARY */ TABLE tmp (a INT)",
    "CALL makes_tmp()"])
def test_y6_temporary_tables(pair, my_proxy, made):
    a, b = pair
    my.made_anew(a, "PROCEDURE", "makes_tmp()", "CREATE TEMPORARY TABLE tmp (a INT)")
    my.rows(a, made)
    for _ in range(20):
        assert my.rows(a, "SELECT * FROM tmp") == []
        with pytest.raises(pymysql.err.ProgrammingError) as refused:
            my.rows(b, "SELECT * FROM tmp")
        assert refused.value.args[0] == 1146
    my.rows(a, "DROP TEMPORARY TABLE tmp")
    if not made.startswith("CALL"):
        assert until(lambda: not admin(my_proxy, "SHOW PINS"))


def test_y7_get_lock(pair, my_proxy):
    a, b = pair
    assert my.value(a, "SELECT GET_LOCK('mine', 0)") == 1
    for _ in range(3):
        assert my.value(b, "SELECT GET_LOCK('mine', 0)") == 0
    assert my.value(a, "SELECT RELEASE_LOCK('mine')") == 1
    assert my.value(b, "SELECT GET_LOCK('mine', 0)") == 1
    assert my.value(b, "SELECT RELEASE_LOCK('mine')") == 1
    assert until(lambda: not admin(my_proxy, "SHOW PINS"))
    with my.connect(my_proxy.mysql_port) as c:
        assert my.value(c, "SELECT GET_LOCK('mine', 0)") == 1
    assert until(lambda: my.value(b, "SELECT GET_LOCK('mine', 0)") == 1, 10)
    assert my.value(b, "SELECT RELEASE_LOCK('mine')") == 1


def test_y8_lock_tables_and_handler_pin(pair, my_proxy):
    a, _ = pair
    for takes, ends in (("LOCK TABLES t WRITE", "UNLOCK TABLES"), ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
                        ("HANDLER t OPEN", "HANDLER t CLOSE")):
        my.rows(a, takes)
        assert [row for row in admin(my_proxy, "SHOW PINS")], takes
        my.rows(a, ends)
        assert until(lambda: not admin(my_proxy, "SHOW PINS")), ends


def test_y9_last_insert_id(pair):
    a, b = pair
    my.rows(a, "INSERT INTO made (v) VALUES ('a')")
    mine = a.insert_id()
    my.rows(b, "INSERT INTO made (v) VALUES ('b')")
    other = b.insert_id()
    assert mine and other and mine != other
    turns(a, b, 5)
    for spelling in ("LAST_INSERT_ID()", "last_insert_id( )", "@@last_insert_id", "@@identity"):
        assert my.value(a, f"SELECT {spelling}") == mine
        assert my.value(b, f"SELECT {spelling}") == other


def gone_astray(action):
    with contextlib.suppress(pymysql.err.MySQLError):
        action()


@pytest.mark.parametrize("inside", [False, True], ids=["by itself", "in a transaction"])
@pytest.mark.parametrize("what", [
    "INSERT INTO made (id, v) VALUES ({n}, 'x')",  # which draws none, though its OK tells of one
    "REPLACE INTO made (id, v) VALUES ({n}, 'x')",
    "INSERT INTO made (id, v) VALUES ({n}, 'x') ON DUPLICATE KEY UPDATE v = 'y'",
    "INSERT INTO numbers VALUES ({n})",
    "INSERT INTO made (v) VALUES ('drawn')",
    "INSERT INTO made (v) VALUES ('one'), ('two')",
    "INSERT INTO made (id, v) VALUES ({taken}, 'x')",
    "INSERT INTO once (v) VALUES ('taken')",  # draws one, and fails
    "SET last_insert_id = 88",
    "SET identity = 89",
    "SELECT LAST_INSERT_ID(90)",
    "SELECT LAST_INSERT_ID(0)",
    "UPDATE made SET v = LAST_INSERT_ID(91) WHERE id = {taken}",
    "SELECT 1",
])
@pytest.mark.parametrize("before", [True, False], ids=["drew before", "drew none"])
def test_y9_last_insert_id_is_what_the_server_would_tell(pair, my_cluster, what, inside, before):
    """After each of these, with another client's values on the connections before, between and after."""
    a, b = pair
    with my.connect(my_cluster.primary().port) as direct:
        for sql in ("DROP TABLE IF EXISTS once", "DROP TABLE IF EXISTS numbers",
                    "CREATE TABLE once (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(10) UNIQUE)", "CREATE TABLE numbers (n INT)"):
            my.rows(a, sql)
        my.rows(a, "INSERT INTO once (v) VALUES ('taken')")
        my.rows(a, "SET last_insert_id = 0")

        def run(client, number):
            """LAST_INSERT_ID() behind it, less what was drawn for certain."""
            first = 0
            if before:
                my.rows(client, "INSERT INTO made (v) VALUES ('before')")
                first = my.value(client, "SELECT LAST_INSERT_ID()")
                assert first > 0
            my.rows(b, "INSERT INTO made (v) VALUES ('of another')")
            theirs = my.value(b, "SELECT LAST_INSERT_ID()")
            if inside:
                my.rows(client, "BEGIN")
            gone_astray(lambda: my.rows(client, what.format(n=number, taken=1)))
            seen = [my.value(client, "SELECT LAST_INSERT_ID()")]
            if inside:
                my.rows(client, "COMMIT")
            turns(client, b, 3)
            seen.append(my.value(client, "SELECT @@identity"))
            assert my.value(b, "SELECT LAST_INSERT_ID()") == theirs
            assert seen[0] == seen[1]
            if "drawn" in what or "one" in what:
                drawn = my.value(client, "SELECT MIN(id) FROM made WHERE v IN ('drawn', 'one') AND id >= %s" % seen[0])
                return "drawn" if drawn == seen[0] else seen
            if "once" in what and seen[0] not in (0, first, theirs):
                return "drawn, and failed"
            return "as before" if seen[0] == first else seen[0]

        number = my.value(direct, "SELECT MAX(id) + 1000 FROM made")
        assert run(a, number) == run(direct, number + 1000)


def test_y9_last_insert_id_behind_returning(pair, my_cluster):
    a, b = pair
    if my_cluster.server != "mariadb":
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(a, "INSERT INTO made (v) VALUES ('r') RETURNING id")
        return
    for _ in range(3):
        my.rows(b, "INSERT INTO made (v) VALUES ('of another')")
        (mine,), = my.rows(a, "INSERT INTO made (v) VALUES ('r') RETURNING id")
        turns(a, b, 3)
        assert my.value(a, "SELECT LAST_INSERT_ID()") == mine


def test_y9_last_insert_id_through_views_and_functions(pair, my_cluster):
    a, b = pair
    for sql in ("DROP FUNCTION IF EXISTS last_one", "CREATE FUNCTION last_one() RETURNS BIGINT READS SQL DATA RETURN LAST_INSERT_ID()",
                "DROP VIEW IF EXISTS last_seen", "CREATE VIEW last_seen AS SELECT LAST_INSERT_ID() AS id"):
        my.rows(a, sql)
    for asked in ("SELECT last_one()", "SELECT id FROM last_seen"):
        my.rows(a, "INSERT INTO made (v) VALUES ('a')")
        mine = a.insert_id()
        my.rows(b, "INSERT INTO made (v) VALUES ('b')")
        turns(a, b, 3)
        my.rows(b, "INSERT INTO made (v) VALUES ('b')")
        assert my.value(a, asked) == mine


def test_sql_auto_is_null(pair, my_cluster):
    a, b = pair
    my.rows(a, "SET sql_auto_is_null = 1")
    my.rows(a, "INSERT INTO made (v) VALUES ('mine')")
    mine = a.insert_id()
    my.rows(b, "INSERT INTO made (v) VALUES ('other')")
    turns(a, b, 2)
    assert my.rows(a, "SELECT id FROM made WHERE id IS NULL") == [(mine,)]


def test_y9_last_insert_id_in_a_prepared_statement(my_proxy):
    from my_wire import Wire, lenenc
    with Wire(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        asks, _, _ = a.prepare("SELECT CAST(LAST_INSERT_ID() AS CHAR)")
        inserts, _, _ = a.prepare("INSERT INTO made (v) VALUES ('by a statement')")
        for _ in range(3):
            a.execute(inserts)
            assert a.result() is None
            mine = a.query("SELECT MAX(id) FROM made")[0][0]
            my.rows(b, "INSERT INTO made (v) VALUES ('b')")
            for _ in range(10):
                my.rows(b, "SELECT 1")
                a.query("SELECT 2")
            a.execute(asks)
            (row,) = a.result()[1]
            size, at = lenenc(row, 2)
            assert row[at:at + size] == mine
            assert a.query("SELECT LAST_INSERT_ID()") == [[mine]]


def test_y9_get_diagnostics(pair):
    """Of the statement before: right, or refused."""
    a, b = pair
    for begins, ends in (("BEGIN", "COMMIT"), ("SELECT 1", "SELECT 1")):
        my.rows(a, begins)
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(a, "SELECT no_such_column FROM t")
        my.rows(b, "SELECT 1")
        try:
            my.rows(a, "GET DIAGNOSTICS CONDITION 1 @number = MYSQL_ERRNO")
            assert my.value(a, "SELECT @number") == 1054
        except pymysql.err.MySQLError as refused:
            assert (begins, refused.args[0]) == ("SELECT 1", 1235)
        my.rows(a, ends)


def test_y9_row_count_found_rows_and_warnings(pair):
    a, b = pair
    my.rows(a, "INSERT INTO made (v) VALUES ('x'), ('y'), ('z')")
    turns(b, b, 2)
    assert my.value(a, "SELECT ROW_COUNT()") == 3
    my.rows(a, "SELECT * FROM t LIMIT 2")
    turns(b, b, 2)
    with a.cursor() as cursor:
        cursor.execute("SELECT FOUND_ROWS()")
        assert (cursor.description[0][0], cursor.fetchall()) == ("FOUND_ROWS()", ((2,),))
    warns = "SELECT CAST('x' AS SIGNED)"
    my.rows(a, warns)
    turns(b, b, 2)
    warnings = my.rows(a, "SHOW WARNINGS")
    assert [row[1] for row in warnings] == [1292]
    for _ in range(4):  # on whatever connection A's were
        my.rows(a, warns)
        assert my.rows(b, "SHOW WARNINGS") == []
        my.rows(a, warns)
        assert my.rows(b, "SHOW WARNINGS LIMIT 3") == []
        my.rows(a, warns)
        assert my.value(b, "SELECT @@warning_count") == 0
        my.rows(a, warns)
        assert my.value(b, "SHOW COUNT(*) WARNINGS") == 0
    my.rows(a, warns)
    turns(b, b, 2)
    assert my.value(a, "SHOW COUNT(*) WARNINGS") == 1


WARNS = "INSERT INTO shop.warned VALUES (CAST('x' AS SIGNED) + 1)"
BETWEEN = ["SELECT 1", "SELECT NOW(), 'x'", "SELECT @@sql_mode", "SET time_zone = '+01:00'", "SET @w = 1", "DO 1", "BEGIN", "COMMIT",
           "ROLLBACK", "USE other", "USE shop", "SELECT COUNT(*) FROM shop.t", "SELECT (SELECT 1)", "SELECT 1 UNION SELECT 2",
           "SELECT CAST('y' AS SIGNED)", "SHOW TABLES", "SHOW COUNT(*) WARNINGS", "SET NAMES utf8mb4",
           "UPDATE shop.t SET v = v WHERE id = 1", "SELECT 1 FROM DUAL", "SELECT * FROM (SELECT 1) AS x", "SHOW WARNINGS", "SELECT bad"]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("statement", BETWEEN)
def test_y9_warnings_after_a_statement_between(my_proxy, my_cluster, statement, inside):
    """Those without a table leave the warnings of the one before; others' warnings are never seen."""
    def story(connection, disturb):
        told = []
        with connection as a:
            my.rows(a, "SET SESSION sql_mode = ''")
            if inside:
                my.rows(a, "BEGIN")
            for first in ("SELECT * FROM shop.t LIMIT 1", WARNS):
                my.rows(a, first)
                disturb()
                try:
                    told.append(my.rows(a, statement) if "NOW" not in statement else [])
                except pymysql.err.MySQLError as failed:
                    told.append(failed.args)
                disturb()
                for show in ("SHOW WARNINGS", "SHOW COUNT(*) WARNINGS", "SHOW WARNINGS"):
                    told.append(my.rows(a, show))
                    disturb()
            my.rows(a, "ROLLBACK")
        return told

    my_cluster.primary().rows("CREATE TABLE IF NOT EXISTS warned (a INT)")
    expected = story(my.connect(my_cluster.primary().port), lambda: None)
    with my.connect(my_proxy.mysql_port) as b, my.connect(my_proxy.mysql_port) as c:
        def disturb():
            for each in (b, c, b, c):
                my.rows(each, "SELECT CAST('others' AS SIGNED)")
        assert story(my.connect(my_proxy.mysql_port), disturb) == expected


def test_y10_a_failed_use_changes_nothing(pair):
    a, b = pair
    with pytest.raises(pymysql.err.MySQLError) as refused:
        my.rows(a, "USE nowhere")
    assert refused.value.args[0] == 1049
    with pytest.raises(pymysql.err.MySQLError):
        a.select_db("nowhere")
    assert my.value(a, "SELECT DATABASE()") == "shop"
    my.rows(a, "CREATE DATABASE IF NOT EXISTS going")
    my.rows(a, "USE going")
    my.rows(b, "SELECT 1")
    my.rows(a, "DROP DATABASE going")
    assert my.value(a, "SELECT DATABASE()") is None
    assert my.value(b, "SELECT DATABASE()") == "shop"


def test_y12_autocommit_off(pair, my_proxy):
    a, b = pair
    my.rows(a, "SET autocommit = 0")
    my.rows(a, "INSERT INTO made (v) VALUES ('open')")
    assert my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'open'") == 0
    for end in ("COMMIT", "CREATE TABLE IF NOT EXISTS ddl (a INT)", "SET autocommit = 1"):
        my.rows(a, end)
        assert until(lambda: my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'open'") == 1), end
        my.rows(a, "DELETE FROM made WHERE v = 'open'")
        my.rows(a, "COMMIT")
        my.rows(a, "SET autocommit = 0")
        my.rows(a, "INSERT INTO made (v) VALUES ('open')")
    my.rows(a, "ROLLBACK")
    my.rows(a, "SET autocommit = 1")
    my.rows(a, "BEGIN")
    my.rows(a, "COMMIT AND CHAIN")
    assert [row["state"] for row in admin(my_proxy, "SHOW CLIENTS") if row["state"] == "transaction"]
    my.rows(a, "COMMIT")
    assert not [row for row in admin(my_proxy, "SHOW CLIENTS") if row["state"] == "transaction"]


def test_y14_deadlock_and_timeout(pair):
    a, b = pair
    my.rows(a, "BEGIN")
    my.rows(a, "UPDATE t SET v = v WHERE id = 1")
    my.rows(b, "SET innodb_lock_wait_timeout = 1")
    with pytest.raises(pymysql.err.MySQLError) as late:
        my.rows(b, "UPDATE t SET v = v WHERE id = 1")
    assert late.value.args[0] == 1205
    my.rows(a, "ROLLBACK")
    my.rows(b, "UPDATE t SET v = v WHERE id = 1")


def test_y14_a_deadlock_ends_the_transaction(pair, my_proxy, my_cluster):
    import threading
    a, b = pair
    my.rows(a, "SET innodb_lock_wait_timeout = 20")
    my.rows(b, "SET innodb_lock_wait_timeout = 20")
    for one, own in ((a, 1), (b, 2)):
        my.rows(one, "BEGIN")
        my.rows(one, f"UPDATE t SET v = v WHERE id = {own}")
    told = {}

    def cross(name, connection, other):
        try:
            my.rows(connection, f"UPDATE t SET v = v WHERE id = {other}")
            told[name] = 0
        except pymysql.err.MySQLError as refused:
            told[name] = refused.args[0]

    threads = [threading.Thread(target=cross, args=each) for each in (("a", a, 2), ("b", b, 1))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(40)
    assert sorted(told.values()) == [0, 1213]
    loser, winner = (a, b) if told["a"] else (b, a)
    assert my.value(loser, "SELECT 1") == 1
    my.rows(loser, "INSERT INTO made (v) VALUES ('stays')")
    my.rows(winner, "ROLLBACK")
    stays = "SELECT COUNT(*) FROM made WHERE v = 'stays'"
    assert my.value(loser, stays) >= 1
    if my_cluster.server != "mariadb":  # MySQL 5.6 says that the transaction is over, but the next one has begun
        for _ in range(10):
            assert my.value(winner, stays) == 0
            my.rows(loser, "SELECT 1")
        my.rows(loser, "COMMIT")
    my.rows(loser, "ROLLBACK")  # undoes nothing
    assert until(lambda: my.value(winner, stays) >= 1)  # who may read a replica that is behind
    assert until(lambda: not [row for row in admin(my_proxy, "SHOW CLIENTS") if row["state"] == "transaction"])


def test_y14_xa(pair, my_cluster):
    a, b = pair
    by = b if my_cluster.server == "mariadb" else a  # before 5.7.7 a prepared transaction is its connection's
    my.rows(a, "XA START 'x1'")
    my.rows(a, "INSERT INTO made (v) VALUES ('xa')")
    my.rows(a, "XA END 'x1'")
    my.rows(a, "XA PREPARE 'x1'")
    turns(a, b, 2)
    assert my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'xa'") == 0

    def committed():
        with contextlib.suppress(pymysql.err.MySQLError):  # 1397 while the server has not let go of it
            my.rows(by, "XA COMMIT 'x1'")
        return my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'xa'") == 1

    assert until(committed)


def test_y15_a_client_that_dies_leaves_no_lock(my_proxy):
    with my.connect(my_proxy.mysql_port) as b:
        a = my.connect(my_proxy.mysql_port)
        my.rows(a, "BEGIN")
        my.rows(a, "UPDATE t SET v = v WHERE id = 2")
        a._force_close()
        my.rows(b, "UPDATE t SET v = v WHERE id = 2")
        assert until(lambda: not [row for row in admin(my_proxy, "SHOW CLIENTS") if row["state"] == "transaction"])


def test_y22_multi_statements(my_proxy):
    from pymysql.constants import CLIENT
    with contextlib.closing(my.connect(my_proxy.mysql_port, client_flag=CLIENT.MULTI_STATEMENTS)) as a:
        with a.cursor() as cursor:
            cursor.execute("SELECT 1; SELECT bad; SELECT 2")
            assert cursor.fetchall() == ((1,),)
            with pytest.raises(pymysql.err.MySQLError):
                cursor.nextset()
        with a.cursor() as cursor:
            cursor.execute("SELECT 1; BEGIN; INSERT INTO made (v) VALUES ('multi')")
            while cursor.nextset():
                pass
        with my.connect(my_proxy.mysql_port) as b:
            assert my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'multi'") == 0
        my.rows(a, "ROLLBACK")


def test_y22_a_temporary_table_in_second_place_pins(my_proxy):
    from pymysql.constants import CLIENT
    with my.connect(my_proxy.mysql_port, client_flag=CLIENT.MULTI_STATEMENTS) as a, my.connect(my_proxy.mysql_port) as b:
        my.rows(a, "SELECT 1; CREATE TEMPORARY TABLE second (a INT); INSERT INTO second VALUES (7)")
        for _ in range(6):
            assert my.value(a, "SELECT a FROM second") == 7
            with pytest.raises(pymysql.err.ProgrammingError):
                my.rows(b, "SELECT a FROM second")
        assert [row for row in admin(my_proxy, "SHOW PINS") if "temporary table" in str(row)]


def test_y22_call_with_three_results_and_out_parameters(my_proxy, my_cluster):
    """In the text protocol, and in the binary one, where OUT parameters come as a result of their own."""
    from my_wire import Wire
    with my.connect(my_proxy.mysql_port) as a:
        my.made_anew(a, "PROCEDURE", "three(IN n INT, OUT twice INT, INOUT more INT)",
                     "BEGIN SELECT n; SELECT n + 1, 'x'; SELECT n + 2 FROM t; SET twice = 2 * n, more = more + n; END")
        my.rows(a, "SET @more = 10")
        with a.cursor() as cursor:
            cursor.execute("CALL three(5, @twice, @more)")
            found = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
        assert found[:3] == [((5,),), ((6, "x"),), ((7,),) * 3]
        assert my.rows(a, "SELECT @twice, @more") == [(10, 15)]
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with Wire(port) as wire:
            call, _, _ = wire.prepare("CALL three(?, ?, ?)")
            wire.execute(call, [5, None, 10])
            results = [wire.result()]
            while results[-1] is not None:  # an OK ends it; after OUT parameters MySQL 5.6 does not say that one follows
                results.append(wire.result())
            seen.append(results)
            assert wire.query("SELECT 1") == [[b"1"]]
    assert seen[0] == seen[1] and len(seen[0]) == 5, seen


def test_y26_connection_id_and_kill(pair, my_proxy):
    a, b = pair
    assert my.value(a, "SELECT CONNECTION_ID()") == a.thread_id()
    with a.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        assert cursor.description[0][0] == "CONNECTION_ID()"
    my.rows(b, f"KILL {a.thread_id()}")
    with pytest.raises(pymysql.err.MySQLError):
        my.rows(a, "SELECT 1")
    assert my.value(b, "SELECT 1") == 1
    with pytest.raises(pymysql.err.MySQLError) as unknown:
        my.rows(b, "KILL 999999937")
    assert unknown.value.args[0] == 1094


TRACKING = [  # what drivers send, and other spellings
    "set sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'),session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation'),NAMES utf8mb4",
    "SET SESSION session_track_system_variables = 'autocommit'", "SET @@session_track_system_variables := ''",
    "SET `session_track_system_variables` = DEFAULT, @@local.session_track_state_change = OFF", "SET session_track_schema = 0; SET NAMES utf8mb4",
]


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("sql", TRACKING)
def test_a_client_cannot_switch_off_what_it_is_followed_by(my_proxy, my_cluster, sql):
    """Else its variables would reach others, and its writes would not be known of by its reads."""
    flags = {"client_flag": pymysql.constants.CLIENT.MULTI_STATEMENTS}
    with my.connect(my_proxy.mysql_port, **flags) as a, my.connect(my_proxy.mysql_port) as b:
        my.rows(a, sql)
        assert not admin(my_proxy, "SHOW PINS")
        my.rows(a, "SET sql_safe_updates = 1")
        my.rows(a, "USE shop")
        for _ in range(6):
            turns(a, b, 1)
            assert my.value(a, "SELECT @@sql_safe_updates") == 1
            assert my.value(b, "SELECT @@sql_safe_updates") == 0
            assert my.value(a, "SELECT @@character_set_client") == "utf8mb4"
        assert my.value(a, "SELECT @@session_track_system_variables") == "*"
        for replica in my_cluster.replicas():
            replica.rows("STOP SLAVE SQL_THREAD")
        try:
            time.sleep(0.5)
            for number in range(10):
                my.rows(a, f"UPDATE t SET v = 'tracked {number}' WHERE id = 3")
                assert my.value(a, "SELECT v FROM t WHERE id = 3") == f"tracked {number}"
        finally:
            for replica in my_cluster.replicas():
                replica.rows("START SLAVE SQL_THREAD")


@pytest.mark.servers("mariadb")
def test_tracking_in_other_statements_is_refused(my_proxy):
    with my.connect(my_proxy.mysql_port) as a:
        for sql in ("SET STATEMENT session_track_schema = 0 FOR SELECT 1", "SET GLOBAL session_track_schema = 1, SESSION session_track_schema = 0"):
            with pytest.raises(pymysql.err.MySQLError) as why:
                my.rows(a, sql)
            assert why.value.args[0] == 1235


@pytest.mark.parametrize("allowed", [False, True], ids=["forbidden at first", "allowed at first"])
def test_com_set_option_reaches_nobody_else(my_ringway, allowed):
    """A reset does not undo it on the server."""
    from my_wire import DEPRECATE_EOF, MULTI_STATEMENTS, QUERY, SESSION_TRACK, SET_OPTION, ServerError, Wire
    proxy = my_ringway({"general": {"workers": 1, "pool_size": 1}})
    flags = SESSION_TRACK | DEPRECATE_EOF | (MULTI_STATEMENTS if allowed else 0)

    def takes_several(client):
        client.command(QUERY, b"SELECT 1; SELECT 2")
        try:
            first = client.result()
        except ServerError as why:
            assert why.code == 1064
            return False
        assert client.status & 8 and len(first[1]) == len(client.result()[1]) == 1
        return True

    with Wire(proxy.mysql_port, more=flags) as other, Wire(proxy.mysql_port, more=flags) as one:
        assert takes_several(other) == takes_several(one) == allowed
        one.simple(SET_OPTION, bytes([1 if allowed else 0, 0]))
        assert takes_several(one) != allowed
        one.command(1)
        assert takes_several(other) == allowed
        with Wire(proxy.mysql_port, more=flags) as third:
            assert takes_several(third) == allowed


def test_profiles_are_told_to_nobody_else(my_ringway):
    proxy = my_ringway({"general": {"workers": 1, "pool_size": 2}})
    with my.connect(proxy.mysql_port) as b:
        with my.connect(proxy.mysql_port) as a:
            my.rows(a, "SET profiling = 1")
            my.rows(a, "SELECT 'secret of a'")
            assert "secret of a" in str(my.rows(a, "SHOW PROFILES"))
            for _ in range(6):
                assert my.rows(b, "SHOW PROFILES") == []
            my.rows(a, "SET profiling = 0")
            assert "secret of a" in str(my.rows(a, "SHOW PROFILES"))
        for _ in range(6):
            my.rows(b, "SELECT 'secret of b'")
            assert my.rows(b, "SHOW PROFILES") == []
