"""What a session asks of the statement before, of itself and of its locks: as one server says it, column types too."""

import contextlib

import my
import pymysql
import pytest
from conftest import admin, until
from pymysql.constants import CLIENT


@pytest.fixture(autouse=True)
def rows_as_they_were(my_cluster):
    yield
    with my.connect(my_cluster.primary().port) as direct:
        my.rows(direct, "UPDATE t SET v = ELT(id, 'one', 'two', 'three') WHERE id < 4")


def connect(port):
    return my.connect(port, client_flag=CLIENT.MULTI_STATEMENTS)


def told(connection, sql):
    """All results of a text: columns with their types and rows, or what an OK says; at last an error's number."""
    found = []
    try:
        connection.query(sql)
        while True:
            result = connection._result
            if result.description is None:
                found.append((result.affected_rows, result.warning_count))
            else:
                found.append(([(each.name, each.type_code, each.length, each.flags, each.scale) for each in result.fields], list(result.rows)))
            if not result.has_next:
                return found
            connection.next_result()
    except pymysql.err.MySQLError as why:
        return found + [why.args[0]]


def disturb(port):
    """Another client leaves something else on the pool's connections."""
    with my.connect(port) as other:
        my.rows(other, "SELECT id FROM t WHERE id < 3")
        my.rows(other, "SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED), CAST('z' AS SIGNED)")


def both(my_proxy, my_cluster, steps):
    """What the server and Ringway tell to the same session."""
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with connect(port) as a:
            found = []
            for sql in steps:
                found.append((sql, told(a, sql)))
                if port == my_proxy.mysql_port:
                    disturb(port)
            seen.append(found)
    for direct, through in zip(*seen):
        assert direct == through
    return [what for _, what in seen[1]]


def test_row_count_and_found_rows_have_the_servers_types(my_proxy, my_cluster):
    found = both(my_proxy, my_cluster, [
        "UPDATE t SET v = CONCAT(v, '.') WHERE id < 3", "SELECT ROW_COUNT()", "SELECT ROW_COUNT() + 1 AS n, FOUND_ROWS()", "SELECT id FROM t LIMIT 2",
        "SELECT FOUND_ROWS(), ROW_COUNT()", "SELECT nope", "SELECT ROW_COUNT() x", "SELECT id FROM t WHERE id < 0", "SELECT found_rows()"])
    assert found[1][0][1] == [(2,)] and found[-1][0][1] == [(0,)]


def test_in_a_text_of_several_statements_they_are_of_the_one_before(my_proxy, my_cluster):
    found = both(my_proxy, my_cluster, [
        "SELECT id FROM t WHERE id < 3", "UPDATE t SET v = CONCAT(v, '.'); SELECT ROW_COUNT()", "SELECT id FROM t LIMIT 1; SELECT FOUND_ROWS()",
        "SELECT ROW_COUNT(); SELECT ROW_COUNT()", "SELECT id FROM t WHERE id < 3", "SET @unused = 1; SELECT FOUND_ROWS()",
        "SELECT CAST('x' AS SIGNED); SELECT id FROM t WHERE id < 0; SELECT @@warning_count"])
    assert found[1][1][1] == [(3,)] and found[2][1][1] == [(1,)]


@pytest.mark.parametrize("first, count, errors", [("SELECT CAST('x' AS SIGNED), CAST('y' AS SIGNED)", 2, 0), ("SELECT nope", 1, 1),
                                                  ("INSERT INTO t VALUES (1, 'again')", 1, 1), ("SELECT 1", 0, 0)])
def test_counts_of_warnings_and_errors(my_proxy, my_cluster, first, count, errors):
    found = both(my_proxy, my_cluster, [
        first, "SELECT @@warning_count", "SELECT @@error_count AS e, @@session.warning_count + 1", "SHOW COUNT(*) ERRORS", "SHOW COUNT(*) WARNINGS",
        "SHOW ERRORS", "SHOW WARNINGS LIMIT 1", "show warnings limit 1, 5;", "SHOW ERRORS LIMIT 1 OFFSET 0", "SHOW WARNINGS LIMIT 0", "SHOW WARNINGS",
        "SET @unused = @@warning_count", "SELECT @@local.error_count, @unused", "SELECT id FROM t WHERE id < 0", "SELECT @@warning_count, @@error_count"])
    assert found[1][0][1] == [(count,)] and found[3][0][1] == [(errors,)] and len(found[10][0][1]) == count


def is_over(connection):
    try:
        my.rows(connection, "SELECT 1")
        return False
    except pymysql.err.MySQLError:
        return True


RELEASES = [("BEGIN", "COMMIT RELEASE"), ("ROLLBACK RELEASE",), ("SET completion_type = 2", "BEGIN", "COMMIT"),
            ("SET @@session.completion_type = 'RELEASE'", "ROLLBACK"), ("SELECT 1; COMMIT RELEASE",)]
STAYS = [("BEGIN", "COMMIT NO RELEASE"), ("SET completion_type = 2", "COMMIT NO RELEASE"), ("COMMIT AND NO CHAIN NO RELEASE",)]


@pytest.mark.parametrize("steps", RELEASES + STAYS, ids="; ".join)
def test_release_ends_the_session(my_ringway, my_cluster, steps):
    proxy = my_ringway({"general": {"workers": 1}})
    ends = []
    with my.connect(proxy.mysql_port) as other:
        for port in (my_cluster.primary().port, proxy.mysql_port):
            a = connect(port)
            for sql in steps:
                assert isinstance(told(a, sql)[-1], tuple), sql
            ends.append(is_over(a))
            with contextlib.suppress(pymysql.err.MySQLError):
                a.close()
        assert ends[0] == ends[1] == (steps in RELEASES)
        for _ in range(4):  # nobody else hears of it
            assert my.rows(other, "UPDATE t SET v = v WHERE id = 1") == []
            assert my.value(other, "SELECT @@completion_type") == "NO_CHAIN"


def test_completion_type_chain_follows_its_client(my_proxy, my_cluster):
    found = both(my_proxy, my_cluster, [
        "SET completion_type = CHAIN", "BEGIN", "UPDATE t SET v = CONCAT(LEFT(v, 50), '+') WHERE id = 1", "COMMIT",
        "UPDATE t SET v = CONCAT(LEFT(v, 50), '-') WHERE id = 1", "ROLLBACK AND NO CHAIN", "SELECT RIGHT(v, 1) FROM t WHERE id = 1",
        "COMMIT AND CHAIN", "COMMIT AND NO CHAIN", "SET completion_type = 0", "COMMIT", "SELECT @@completion_type"])
    assert found[6][0][1] == [("+",)]


def test_the_owner_of_a_lock_knows_itself(my_proxy, my_cluster):
    steps = ["SELECT GET_LOCK('known', 0), IS_USED_LOCK('known') = CONNECTION_ID()", "SELECT IS_USED_LOCK('known') = CONNECTION_ID()",
             "SELECT IS_USED_LOCK('known') IS NULL, IS_FREE_LOCK('known')", "SELECT RELEASE_LOCK('known'), IS_USED_LOCK('known')"]
    assert [row for found in both(my_proxy, my_cluster, steps) for row in found[0][1]] == [(1, 1), (1,), (0, 0), (1, None)]
    with my.connect(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        mine, other = a.thread_id(), b.thread_id()
        assert my.value(a, "SELECT GET_LOCK('known', 0)") == 1
        assert my.value(a, "SELECT IS_USED_LOCK(CONCAT('kno', 'wn'))") == mine
        assert my.value(b, "SELECT IS_USED_LOCK('known')") not in (None, mine, other)
        assert my.value(b, "SELECT IS_USED_LOCK('known') = CONNECTION_ID()") == 0
        assert my.value(b, "SELECT CONNECTION_ID()") == other
        assert my.value(a, "SELECT RELEASE_LOCK('known')") == 1


def test_a_session_finds_itself_among_the_servers_connections(my_proxy, my_cluster):
    with my.connect(my_proxy.mysql_port) as a:
        assert my.value(a, "SELECT COUNT(*) FROM information_schema.processlist WHERE ID = CONNECTION_ID()") == 1
        assert my.value(a, "SELECT @@pseudo_thread_id = CONNECTION_ID()") == 1
        assert my.value(a, "SELECT @@pseudo_thread_id") == a.thread_id()


def test_ids_of_the_servers_connections_are_no_clients(my_proxy, my_cluster):
    """KILL of what SHOW PROCESSLIST shows ends nobody by mistake."""
    with my.connect(my_proxy.mysql_port) as a:
        shown = [row[0] for row in my.rows(a, "SHOW PROCESSLIST")]
        assert shown
        for each in shown:
            with pytest.raises(pymysql.err.MySQLError) as why:
                my.rows(a, f"KILL {each}")
            assert why.value.args[0] == 1094
        assert until(lambda: my.value(a, "SELECT 1") == 1)
        assert {row["id"] for row in admin(my_proxy, "SHOW CLIENTS")}.isdisjoint(shown)


OFFSETS = ["SELECT id FROM t ORDER BY id LIMIT 2, 1", "SELECT id FROM t ORDER BY id LIMIT 1 OFFSET 2", "(SELECT 1) UNION (SELECT 2) LIMIT 1"]


@pytest.mark.parametrize("sql", OFFSETS)
def test_found_rows_that_only_the_server_knows_are_its_own_or_refused(my_proxy, my_cluster, sql):
    with connect(my_cluster.primary().port) as direct, connect(my_proxy.mysql_port) as a:
        my.rows(direct, sql)
        found = my.value(direct, "SELECT FOUND_ROWS()")
        assert found > 1  # more than came
        my.rows(a, sql)
        disturb(my_proxy.mysql_port)
        with pytest.raises(pymysql.err.MySQLError) as refused:
            my.rows(a, "SELECT FOUND_ROWS()")
        assert refused.value.args[0] == 1235 and "SQL_CALC_FOUND_ROWS" in refused.value.args[1]
        my.rows(a, "BEGIN")
        my.rows(a, sql)
        assert my.value(a, "SELECT FOUND_ROWS()") == found
        my.rows(a, "COMMIT")
        my.rows(a, "SELECT id FROM t ORDER BY id LIMIT 2")
        disturb(my_proxy.mysql_port)
        assert my.value(a, "SELECT FOUND_ROWS()") == 2
