"""What the suites of MariaDB and of the drivers (tests/suites/mysql) have found."""

import struct

import my
import my_wire
import pymysql
import pytest
from my_wire import Wire


def test_a_database_that_is_dropped_beside(my_ringway):
    """Servers flag each DROP DATABASE, whatever the default database is."""
    proxy = my_ringway()
    with my.connect(proxy.mysql_port) as a, my.connect(proxy.mysql_port, database="other") as b, my.connect(proxy.mysql_port, database=None) as c:
        for _ in range(3):
            my.rows(a, "CREATE DATABASE beside")
            my.rows(a, "DROP DATABASE beside")
            my.rows(c, "BEGIN")  # it holds what a has had, if that passes for one without a database
            assert my.value(c, "SELECT DATABASE() FROM shop.t LIMIT 1") is None
            assert my.value(a, "SELECT DATABASE()") == "shop"
            assert my.value(a, "SELECT v FROM t WHERE id = 1") == "one"
            my.rows(c, "COMMIT")
            assert my.value(b, "SELECT DATABASE()") == "other"
        my.rows(a, "CREATE DATABASE beside")
        my.rows(a, "USE beside")
        my.rows(a, "DROP DATABASE beside")
        my.rows(b, "SELECT 1")
        assert my.value(a, "SELECT DATABASE()") is None


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("more", [0, my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF])
def test_a_cursor_of_a_routine_is_not_the_clients(my_proxy, more):
    """MariaDB leaves the flag of an open cursor in the results that follow: the rows are no statement's to be fetched."""
    block = "BEGIN NOT ATOMIC DECLARE a, b, c, d, e, f, g, h, i, j TEXT; DECLARE x CURSOR FOR SELECT * FROM t PROCEDURE ANALYSE();" \
            " OPEN x; FETCH x INTO a, b, c, d, e, f, g, h, i, j; CLOSE x; SELECT b, c; END"
    with Wire(my_proxy.mysql_port, more=more) as a:
        a.command(my_wire.QUERY, block.encode())
        assert a.texts(a.result()[1][0]) == [b"1", b"3"]
        assert a.result() is None
        for _ in range(3):
            assert a.query("SELECT 1") == [[b"1"]]


def test_statements_that_are_only_kept_make_room(my_ringway, my_cluster):
    """A statement that its client has closed stays on the server, for whoever prepares it again: not at the price of 1461."""
    proxy = my_ringway()
    limits = {}
    try:
        for node in my_cluster.nodes:
            limits[node] = node.rows("SELECT @@GLOBAL.max_prepared_stmt_count")[0][0]
            count = int(node.rows("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1])
            node.rows(f"SET GLOBAL max_prepared_stmt_count = {count + 6}")
        with Wire(proxy.mysql_port) as a, Wire(proxy.mysql_port) as b:
            a.query("BEGIN")  # on the primary, so that it is one connection
            kept, _, _ = a.prepare("SELECT 'kept'")
            for n in range(30):
                number, _, _ = a.prepare(f"SELECT {n}")
                a.command(my_wire.CLOSE, struct.pack("<I", number))
            a.query("COMMIT")
            for n in range(30):
                number, _, _ = b.prepare(f"SELECT {n}, 'of b'")
                b.command(my_wire.CLOSE, struct.pack("<I", number))
            a.command(my_wire.EXECUTE, struct.pack("<IBI", kept, 0, 1))
            assert b"kept" in a.result()[1][0]
            with pytest.raises(my_wire.ServerError) as refused:  # those in use stay
                for n in range(60):
                    a.prepare(f"SELECT 'open', {n}")
            assert refused.value.code == 1461
            assert a.query("SELECT 1") == [[b"1"]]
    finally:
        for node, limit in limits.items():
            node.rows(f"SET GLOBAL max_prepared_stmt_count = {limit}")


def test_the_status_of_tls_is_the_clients_own(my_ringway, certificate):
    pem, key = map(str, certificate)
    proxy = my_ringway({"client_tls": {"mode": "allow", "certificate": pem, "key": key}})
    with Wire(proxy.mysql_port, tls=True) as a, Wire(proxy.mysql_port) as b:
        for sql, name, value in (("SHOW STATUS LIKE 'Ssl_cipher'", b"Ssl_cipher", a.socket.cipher()[0]),
                                 ("show /* the */ session status like \"ssl_version\" ;", b"Ssl_version", a.socket.version())):
            assert a.query(sql) == [[name, value.encode()]]
            assert b.query(sql) == [[name, b""]]
        assert len(a.query("SHOW STATUS LIKE 'Ssl_%'")) > 2


def test_a_kill_before_other_statements(my_proxy):
    many = pymysql.constants.CLIENT.MULTI_STATEMENTS
    with my.connect(my_proxy.mysql_port, client_flag=many) as a:
        b = my.connect(my_proxy.mysql_port)
        cursor = a.cursor()
        cursor.execute(f"KILL {b.thread_id()} ; SELECT 'then'")
        assert cursor.nextset() and cursor.fetchall() == (("then",),) and not cursor.nextset()
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(b, "SELECT 1")
        with pytest.raises(pymysql.err.MySQLError) as refused:  # nothing after it runs
            cursor.execute(f"kill query {b.thread_id()}; INSERT INTO t VALUES (4711, '')")
        assert refused.value.args[0] == 1094
        assert my.rows(a, "SELECT * FROM t WHERE id = 4711") == []
