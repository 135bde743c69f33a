"""XA transactions: a session between XA PREPARE and its end hears what the server says, and others can end the transaction. Trap Y14."""

import contextlib
import itertools

import my
import pymysql
import pytest
from conftest import admin, until

numbers = itertools.count(1)
PREPARED = ["XA START {}", "INSERT INTO made (v) VALUES ('{v}')", "XA END {}", "XA PREPARE {}"]


def told(connection, sql):
    """Rows, or the error's number."""
    try:
        return my.rows(connection, sql)
    except pymysql.err.MySQLError as why:
        return why.args[0]


@pytest.fixture
def xid():
    return f"'x{next(numbers)}'"


@pytest.fixture
def pair(my_proxy):
    with my.connect(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        yield a, b


def prepare(connection, xid, v="xa"):
    for each in PREPARED:
        my.rows(connection, each.format(xid, v=v))


def others(b):
    """Uses the pool's other connections."""
    for _ in range(3):
        my.rows(b, "SELECT id FROM t")
        my.rows(b, "UPDATE t SET v = v WHERE id = 3")


BETWEEN = ["SELECT 1", "SELECT * FROM t", "INSERT INTO made (v) VALUES ('no')", "BEGIN", "COMMIT", "ROLLBACK", "XA START 'another'",
           "XA END {}", "DROP TABLE IF EXISTS nope", "SET @a = 1", "XA COMMIT 'another'"]


@pytest.mark.parametrize("end", ["XA COMMIT {}", "XA ROLLBACK {}"])
def test_between_prepare_and_its_end_a_session_hears_what_the_server_says(my_proxy, my_cluster, xid, end):
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with my.connect(port) as a, my.connect(port) as b:
            my.rows(b, "DELETE FROM made")
            prepare(a, xid)
            found = []
            for each in BETWEEN:
                found.append((each, told(a, each.format(xid))))
                if port == my_proxy.mysql_port:
                    others(b)
            found.append(told(a, end.format(xid)))
            found.append(my.rows(a, "SELECT v FROM made"))
            seen.append(found)
    assert seen[0] == seen[1]
    assert seen[0][-1] == ([("xa",)] if "COMMIT" in end else [])
    if my_cluster.server == "mariadb":
        assert dict(seen[0][:-2])["SELECT * FROM t"] == 1399


def test_what_only_read_can_be_committed(pair, xid):
    a, b = pair
    for each in (f"XA START {xid}", "SELECT * FROM t", f"XA END {xid}", f"XA PREPARE {xid}"):
        my.rows(a, each)
    others(b)
    assert told(a, f"XA COMMIT {xid}") == []
    assert my.value(a, "SELECT 1") == 1


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("how", ["COMMIT", "ROLLBACK"])
def test_y14_another_client_ends_it(pair, my_proxy, xid, how):
    """On the server it would have to wait until the first has left."""
    a, b = pair
    my.rows(b, "DELETE FROM made")
    prepare(a, xid)
    assert [row for row in admin(my_proxy, "SHOW PINS") if "XA transaction" in str(row)]
    hexed = "X'" + xid.strip("'").encode().hex() + "'"
    assert told(b, f"XA {how} {hexed}") == []
    assert my.value(b, "SELECT COUNT(*) FROM made") == (how == "COMMIT")
    assert not admin(my_proxy, "SHOW PINS")
    assert told(a, f"XA {how} {xid}") == 1397
    assert told(b, f"XA {how} {xid}") == 1397
    my.rows(a, "INSERT INTO made (v) VALUES ('free')")
    prepare(a, xid, "again")
    assert told(a, f"XA ROLLBACK {xid}") == []


@pytest.mark.servers("mariadb")
def test_who_has_more_on_its_connection_keeps_it(pair, xid):
    a, b = pair
    my.rows(a, "CREATE TEMPORARY TABLE IF NOT EXISTS kept (n INT)")
    prepare(a, xid)
    assert told(b, f"XA COMMIT {xid}") == 1397  # as on the server
    assert told(a, f"XA COMMIT {xid}") == []
    assert my.rows(a, "SELECT * FROM kept") == []


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("leaves", ["closes", "dies", "resets"])
def test_it_outlives_its_session(my_proxy, xid, leaves):
    from my_wire import RESET_CONNECTION, Wire
    with my.connect(my_proxy.mysql_port) as b:
        my.rows(b, "DELETE FROM made")
        if leaves == "resets":  # the server itself would lose the rows here
            with Wire(my_proxy.mysql_port) as a:
                for each in PREPARED:
                    a.query(each.format(xid, v="xa"))
                a.simple(RESET_CONNECTION)
                assert a.query("SELECT 1") == [[b"1"]]
        else:
            a = my.connect(my_proxy.mysql_port)
            prepare(a, xid)
            a.close() if leaves == "closes" else a._force_close()

        def committed():
            with contextlib.suppress(pymysql.err.MySQLError):  # 1397 while the server has not let go of it
                my.rows(b, f"XA COMMIT {xid}")
            return my.value(b, "SELECT COUNT(*) FROM made WHERE v = 'xa'") == 1

        assert until(committed)
