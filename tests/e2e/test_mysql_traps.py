"""Y25, Y27, Y28 and Y30 of the traps: slow readers, garbage, passwords, and texts that are easily misread."""

import contextlib
import os
import pathlib
import socket
import statistics
import struct
import time

import my
import my_wire
import pymysql
import pytest
from conftest import SOAK, until
from my_wire import Wire

MIB = 1 << 20


def cpu_seconds(process):
    """User and system time so far."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- Y25 ------------------------------------------------------------------------------------------------------------

def test_y25_a_slow_reader_of_a_large_result(my_ringway, my_cluster):
    """2 GB that nobody takes: the proxy holds little of it, others go on, and KILL ends the query on the server."""
    proxy = my_ringway({"general": {"workers": 1}})
    sql = "SELECT /* y25 */ REPEAT('x', 1048576) FROM (SELECT 1 FROM information_schema.COLUMNS LIMIT 2048) AS many"
    running = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT /* y25%'"
    where = [node for node in my_cluster.nodes]
    with Wire(proxy.mysql_port) as slow, my.connect(proxy.mysql_port) as other:
        my.rows(other, "SELECT v FROM t WHERE id = 1")
        most = proxy.resident_bytes() + 32 * MIB
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.command(my_wire.QUERY, sql.encode())
        for _ in range(40):  # about 1 kB a turn
            assert slow.socket.recv(100)
            assert my.value(other, "SELECT v FROM t WHERE id = 2") == "two"
            time.sleep(0.1)
        assert proxy.resident_bytes() < most
        assert sum(node.rows(running)[0][0] for node in where) == 1
        my.rows(other, f"KILL {slow.id}")
        assert until(lambda: sum(node.rows(running)[0][0] for node in where) == 0, 20)
        assert my.value(other, "SELECT v FROM t WHERE id = 3") is not None
        assert proxy.resident_bytes() < most


# ---- Y27 ------------------------------------------------------------------------------------------------------------

def test_y27_half_open_handshakes(my_ringway):
    """Connections that say nothing, or half of a login: memory is bounded, the time they have ends, and nothing spins."""
    count = 10_000 if SOAK else 1_000
    proxy = my_ringway({"general": {"client_login_timeout": "5s"}})
    with my.connect(proxy.mysql_port) as before:
        my.rows(before, "SELECT 1")
    idle = proxy.resident_bytes()
    with contextlib.ExitStack() as held:
        for number in range(count):
            one = held.enter_context(socket.create_connection(("127.0.0.1", proxy.mysql_port), timeout=30))
            if number % 3 == 1:
                one.sendall(b"\x20\0\0\1")
            if number % 3 == 2:
                one.sendall(struct.pack("<I", 200)[:3] + b"\1" + struct.pack("<IIB", my_wire.BASE, 1 << 24, 45) + b"\0" * 23 + b"ap")
        with my.connect(proxy.mysql_port) as other:
            assert my.value(other, "SELECT 1") == 1
        assert proxy.resident_bytes() - idle < count * 32 * 1024 + 16 * MIB
        began, used = time.monotonic(), cpu_seconds(proxy.process)
        time.sleep(2)
        assert cpu_seconds(proxy.process) - used < (time.monotonic() - began) * 0.8  # two workers that spin would use 2
        one.settimeout(60)
        with contextlib.suppress(ConnectionError):
            while one.recv(4096):
                pass
    with my.connect(proxy.mysql_port) as other:
        assert my.value(other, "SELECT 1") == 1


@pytest.mark.parametrize("sent, sequence", [(b"\x0e", 1), (b"\3SELECT 1", 255), (b"", 0)])
def test_y27_wrong_sequence_numbers_end_the_connection(my_proxy, sent, sequence):
    with Wire(my_proxy.mysql_port) as a:
        a.send(sent, sequence)
        with pytest.raises((my_wire.ServerError, ConnectionError)):
            a.one()
        with pytest.raises((my_wire.ServerError, ConnectionError)):
            a.query("SELECT 1")
            a.query("SELECT 1")


def test_y27_half_a_packet_waits_and_harms_nobody(my_proxy):
    with Wire(my_proxy.mysql_port) as a, my.connect(my_proxy.mysql_port) as b:
        whole = struct.pack("<I", 9)[:3] + b"\0\3SELECT 8"
        for byte in whole[:-1]:
            a.socket.sendall(bytes([byte]))
        assert my.value(b, "SELECT 1") == 1
        a.socket.sendall(whole[-1:])
        assert Wire.texts(a.result()[1][0]) == [b"8"]


@pytest.mark.parametrize("command", [0, 5, 6, 11, 15, 16, 19, 29, 32, 99, 200, 251])
def test_y27_unknown_commands(my_proxy, my_cluster, command):
    """As the server answers them."""
    told = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with Wire(port) as a:
            with pytest.raises((my_wire.ServerError, ConnectionError)) as why:
                a.simple(command, b"x")
            told.append(why.value.code if why.type is my_wire.ServerError else "closed")
            if told[-1] != "closed":
                assert a.query("SELECT 1") == [[b"1"]]
    assert told[0] == told[1]


# ---- Y28 ------------------------------------------------------------------------------------------------------------

def test_y28_wrong_user_and_wrong_password_take_the_same_time(my_proxy):
    def seconds(user):
        began = time.perf_counter()
        with pytest.raises(pymysql.err.OperationalError) as refused:
            my.connect(my_proxy.mysql_port, user, "wrong")
        assert refused.value.args[0] == 1045
        return time.perf_counter() - began

    taken = {"app": [], "nobody": []}
    for _ in range(40):
        for user, times in taken.items():
            times.append(seconds(user))
    known, unknown = (statistics.median(times) for times in taken.values())
    assert known < 2 * unknown + 0.005 and unknown < 2 * known + 0.005


def test_y28_a_password_changed_while_connections_are_pooled(my_ringway, my_cluster):
    primary = my_cluster.primary()
    primary.rows("CREATE USER changing@'%' IDENTIFIED BY 'old'")
    primary.rows("GRANT ALL ON shop.* TO changing@'%'")
    set_password = "SET PASSWORD FOR changing@'%' = PASSWORD('new')"
    proxy = my_ringway({"users": {"changing": {"password": "old"}}})
    try:
        with my.connect(proxy.mysql_port, "changing", "old") as a:
            my.rows(a, "BEGIN")
            assert my.value(a, "SELECT v FROM t WHERE id = 1") is not None
            primary.rows(set_password)
            assert my.value(a, "SELECT v FROM t WHERE id = 1") is not None  # as a session of the server's goes on
            my.rows(a, "COMMIT")
            proxy.reload({"users": {"changing": {"password": "new"}}})

            def new_is_right():
                with contextlib.suppress(pymysql.err.OperationalError):
                    with my.connect(proxy.mysql_port, "changing", "new") as b:
                        return my.value(b, "SELECT CURRENT_USER()") == "changing@%"

            assert until(new_is_right, 20)
            with pytest.raises(pymysql.err.OperationalError) as refused:
                my.connect(proxy.mysql_port, "changing", "old")
            assert refused.value.args[0] == 1045
    finally:
        primary.rows("DROP USER changing@'%'")


@pytest.mark.parametrize("header", [b"PROXY TCP4 10.9.8.7 127.0.0.1 4711 3306\r\n",
                                    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x09\x08\x07\x7f\0\0\1\x12\x67\x0c\xea"])
def test_y28_a_proxy_header_is_believed_of_nobody(my_proxy, header):
    """Ringway has no networks that it trusts: the header is no login."""
    from conftest import admin
    with socket.create_connection(("127.0.0.1", my_proxy.mysql_port), timeout=30) as one:
        one.sendall(header)
        answer = b""
        while True:
            got = one.recv(4096)
            if not got:
                break
            answer += got
            assert not [row for row in admin(my_proxy, "SHOW CLIENTS") if "10.9.8.7" in str(row)]
    assert b"Malformed communication packet" in answer or b"Got packets out of order" in answer


# ---- Y30 ------------------------------------------------------------------------------------------------------------

TAIL = b" FROM t WHERE id = 1 FOR UPDATE -- '"
MODES = {"": b"SET sql_mode = ''", "ansi": b"SET sql_mode = 'ANSI_QUOTES'", "plain backslashes": b"SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
         "gbk": b"SET NAMES gbk", "latin1": b"SET NAMES latin1"}
# (modes, text, whether it reads only): what looks like FOR UPDATE may be part of a string, a comment or a name.
TEXTS = [
    ("", b"SELECT v, 'for update' FROM t WHERE id = 1", True), ("", b"SELECT v FROM t WHERE id = 1 -- for update\n", True),
    ("", b"SELECT v FROM t WHERE id = 1 # for update\n", True), ("", b"SELECT v /* for update */ FROM t WHERE id = 1", True),
    ("", b'SELECT v, "for update" FROM t WHERE id = 1', True), ("", b"SELECT v AS `for update` FROM t WHERE id = 1", True),
    ("", b"SELECT v, 'it''s for update' FROM t WHERE id = 1", True), ("", b"SELECT v, 1--1 FROM t WHERE id = 1", True),
    ("", b"SELECT v FROM t WHERE id = 1 /*!99999 FOR UPDATE */", True), ("", b"SELECT v FROM t /* ' */ WHERE id = 1 /* ' FOR UPDATE */", True),
    ("", b"SELECT v FROM t WHERE id = 1 for/**/update", False), ("", b"SELECT v FROM t WHERE id = 1 FOR -- x\nUPDATE", False),
    ("", b"SELECT v FROM t WHERE id = 1 FOR # x\nUPDATE", False), ("", b"SELECT v FROM t WHERE id = 1 /*! FOR UPDATE */", False),
    ("", b"SELECT v FROM t WHERE id = 1 /*!50000 FOR UPDATE */", False), ("", b"SELECT v, '\\\\' FROM t WHERE id = 1 FOR UPDATE", False),
    ("", b"SELECT v, 'a\\'' FROM t WHERE id = 1 FOR UPDATE", False), ("", b"SELECT v FROM t WHERE id = 3 --1 FOR UPDATE", False),  # two minus signs
    ("", b"SELECT '\\'" + TAIL, True), ("plain backslashes", b"SELECT v, '\\'" + TAIL, False),
    ("ansi", b'SELECT "v" FROM "t" WHERE id = 1 FOR UPDATE', False), ("ansi", b"""SELECT "v", '" FOR UPDATE --' FROM "t" WHERE id = 1""", True),
    ("", b"""SELECT v, "'" FROM t WHERE id = 1 FOR UPDATE -- '""", False),
    ("gbk", b"SELECT v, '\xbf\x5c'" + TAIL, False), ("latin1", b"SELECT '\xbf\x5c'" + TAIL, True),
    ("gbk", b"SELECT v AS `\xbf\x5c` FROM t WHERE id = 1 FOR UPDATE -- `", False),
]


@pytest.mark.parametrize("modes, sql, reads", TEXTS, ids=[f"{number}" for number in range(len(TEXTS))])
def test_y30_texts_are_read_as_the_server_reads_them(my_proxy, my_cluster, modes, sql, reads):
    """The rows are those of the server, and where they come from tells what the text was taken for."""
    times = 30

    def selects(node):
        return int(node.rows("SHOW GLOBAL STATUS LIKE 'Com_select'")[0][1])

    with Wire(my_cluster.primary().port) as direct, Wire(my_proxy.mysql_port) as a:
        for each in (direct, a):
            each.query(MODES[modes])
        expected = direct.query(sql)
        before = {node.port: selects(node) for node in my_cluster.nodes}
        for _ in range(times):
            assert a.query(sql) == expected
        ran = {node.role: 0 for node in my_cluster.nodes}
        for node in my_cluster.nodes:
            ran[node.role] += selects(node) - before[node.port]
    assert (ran["replica"] if reads else ran["primary"]) >= times, ran
    if not reads:
        assert ran["replica"] < times
