"""Prepared statements by protocol, large packets, LOAD DATA LOCAL: Y13, Y16 to Y24 of the traps."""

import struct

import my
import my_wire
import pytest
from conftest import MY_SETTINGS, merged, until
from my_wire import Wire


def last_value(row):
    """The only value of a binary row of one text or blob column."""
    size, at = my_wire.lenenc(row, 2)
    return row[at:at + size]


@pytest.fixture
def pair(my_proxy):
    with Wire(my_proxy.mysql_port) as a, Wire(my_proxy.mysql_port) as b:
        yield a, b


def test_y16_one_text_prepared_twice_one_closed(pair):
    a, _ = pair
    first, second = (a.prepare("SELECT v FROM t WHERE id = ?")[0] for _ in range(2))
    assert first != second
    a.command(my_wire.CLOSE, struct.pack("<I", first))
    a.execute(second, [2])
    assert [last_value(row) for row in a.result()[1]] == [b"two"]
    a.execute(first, [2])
    with pytest.raises(my_wire.ServerError) as unknown:
        a.result()
    assert unknown.value.code == 1243


@pytest.mark.servers("mariadb")
def test_y16_many_prepares_leave_few_statements(my_ringway, my_cluster):
    proxy = my_ringway()
    batch = 500
    with Wire(proxy.mysql_port) as a:
        for number in range(0, 70_000, batch):
            for each in range(number, number + batch):
                a.command(my_wire.PREPARE, b"SELECT %d" % each)
            for one in [a.prepared()[0] for _ in range(batch)]:
                a.command(my_wire.CLOSE, struct.pack("<I", one))
        a.query("SELECT 1")
        for node in my_cluster.nodes:
            assert int(node.rows("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1]) < 2500


def test_y17_prepared_on_one_server_executed_on_another(pair):
    a, b = pair
    number, _, _ = a.prepare("SELECT CONCAT(?, '-', ?)")
    a.execute(number, [7, b"x"])
    assert [last_value(row) for row in a.result()[1]] == [b"7-x"]
    for turn in range(6):
        b.query("BEGIN")
        b.query("SELECT 1 FROM t LIMIT 1")
        a.execute(number, [turn, b"y"], types=False)
        assert [last_value(row) for row in a.result()[1]] == [f"{turn}-y".encode()]
        b.query("COMMIT")


def test_y17_send_long_data_in_pieces(pair):
    a, b = pair
    number, _, _ = a.prepare("SELECT LENGTH(?), MD5(?)")
    piece = b"0123456789abcdef" * 65536
    for _ in range(20):
        a.command(my_wire.LONG_DATA, struct.pack("<IH", number, 0) + piece)
        assert b.query("SELECT 1") == [[b"1"]]
    a.execute(number, [b"", b"z"], long=(0,))
    (row,) = a.result()[1]
    assert str(20 * len(piece)).encode() in row or struct.pack("<I", 20 * len(piece)) in row


def test_y18_two_cursors_with_fetch(pair):
    a, b = pair
    first, second = (a.prepare("SELECT v FROM t ORDER BY id")[0] for _ in range(2))
    for number in (first, second):
        a.execute(number, flags=1)
        payload = a.one()
        assert payload[:1] == b"\1"
        a.packet()
        assert a.end(a.packet()) and a.status & my_wire.CURSOR_EXISTS
    for expected in (b"one", b"two"):
        for number in (first, second):
            a.command(my_wire.FETCH, struct.pack("<II", number, 1))
            assert [last_value(row) for row in a.fetched()] == [expected]
        assert b.query("SELECT 1") == [[b"1"]]
        assert a.query("SELECT 2") == [[b"2"]]
    for number in (first, second):
        a.simple(my_wire.RESET, struct.pack("<I", number))
    a.command(my_wire.FETCH, struct.pack("<II", first, 1))
    with pytest.raises(my_wire.ServerError):
        a.fetched()


def test_y18_prepare_and_execute_of_the_last_one_pipelined(pair, my_cluster):
    a, _ = pair
    if my_cluster.server != "mariadb":  # whose server it is does not know the last one by this number
        a.prepare("SELECT 42")
        a.execute(0xffffffff)
        with pytest.raises(my_wire.ServerError) as refused:
            a.result()
        assert refused.value.code == 1243
        return
    a.command(my_wire.PREPARE, b"SELECT 42")
    a.execute(0xffffffff)
    a.prepared()
    assert len(a.result()[1]) == 1
    a.command(my_wire.PREPARE, b"SELECT bad")
    a.execute(0xffffffff)
    with pytest.raises(my_wire.ServerError):
        a.prepared()
    with pytest.raises(my_wire.ServerError):
        a.result()


@pytest.mark.servers("mariadb")
def test_y18_bulk_execution_of_10000_rows(my_proxy):
    with Wire(my_proxy.mysql_port, more=my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF, mariadb=my_wire.BULK) as a, \
            my.connect(my_proxy.mysql_port) as b:
        a.query("DROP TABLE IF EXISTS bulk")
        a.query("CREATE TABLE bulk (id INT PRIMARY KEY, v VARCHAR(20))")
        number, _, _ = a.prepare("INSERT INTO bulk VALUES (?, ?)")
        body = struct.pack("<IH", number, 128) + struct.pack("<HH", 3, 253)
        rows = b"".join(b"\0" + struct.pack("<i", each) + (b"\1" if each % 10 == 0 else b"\0\2ab") for each in range(10_000))
        a.command(my_wire.BULK_EXECUTE, body + rows)
        assert my.value(b, "SELECT 1") == 1
        assert a.result() is None
        assert a.query("SELECT COUNT(*), SUM(id), SUM(v = 'ab'), SUM(v IS NULL) FROM bulk") == [[b"10000", b"49995000", b"9000", b"1000"]]
        a.query("DROP TABLE bulk")


def test_y18_pipelined_queries_are_answered_in_order(pair):
    a, _ = pair
    for number in range(64):
        a.command(my_wire.QUERY, f"SELECT {number}".encode())
    for number in range(64):
        assert [Wire.texts(row) for row in a.result()[1]] == [[str(number).encode()]]


def test_y19_alter_table_between_two_executes(pair, my_cluster):
    a, b = pair
    b.query("DROP TABLE IF EXISTS wide")
    b.query("CREATE TABLE wide (x INT)")
    b.query("INSERT INTO wide VALUES (1)")
    columns_there = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'wide'"
    assert until(lambda: all(node.rows(columns_there)[0][0] == 1 for node in my_cluster.nodes), 60)  # replicas, which `a` may read
    number, columns, _ = a.prepare("SELECT * FROM wide")
    assert columns == 1
    a.execute(number)
    assert a.result()[0] == ["x"]
    b.query("ALTER TABLE wide ADD y INT")

    def columns_now():
        a.execute(number)
        return a.result()[0]

    assert until(lambda: columns_now() == ["x", "y"], 60)  # who has not made the change may still read a replica without it


def test_y20_parameters(pair):
    a, _ = pair
    _, _, parameters = a.prepare("SELECT 1 IN (" + ",".join("?" * 65535) + ")")
    assert parameters == 65535
    with pytest.raises(my_wire.ServerError) as many:
        a.prepare("SELECT 1 IN (" + ",".join("?" * 65536) + ")")
    assert many.value.code == 1390
    assert a.query("SELECT 1") == [[b"1"]]


@pytest.mark.parametrize("size", [(1 << 24) - 2, (1 << 24) - 1, 1 << 24, 50 << 20])
def test_y21_large_packets(pair, my_proxy, size):
    a, b = pair
    head = b"SELECT LENGTH('"
    text = head + b"x" * (size - len(head) - 3) + b"')"
    assert len(text) + 1 == size
    assert a.query(text) == [[str(size - len(head) - 3).encode()]]
    assert b.query(f"SELECT LENGTH(REPEAT('y', {size}))") == [[str(size).encode()]]
    (row,) = b.query(f"SELECT REPEAT('y', {size})")
    assert row[0] == b"y" * size
    assert my_proxy.resident_bytes() < 200 << 20


@pytest.fixture(scope="module")
def secured(ringway_session, my_cluster, certificate):
    pem, key = map(str, certificate)
    return ringway_session(merged(MY_SETTINGS, {"client_tls": {"mode": "allow", "certificate": pem, "key": key}}), clusters=my_cluster)


@pytest.mark.servers("mariadb")  # the other side is the same
@pytest.mark.parametrize("size", [(1 << 24) - 2, (1 << 24) - 1, 1 << 24, 50 << 20])
@pytest.mark.parametrize("tls, compress", [(True, None), (False, "zlib"), (False, "zstd"), (True, "zlib"), (True, "zstd")])
def test_y21_large_packets_with_tls_and_compression(secured, size, tls, compress):
    head = b"SELECT LENGTH('"
    text = head + b"x" * (size - len(head) - 3) + b"')"
    with Wire(secured.mysql_port, tls=tls, compress=compress) as a:
        assert a.query(text) == [[str(size - len(head) - 3).encode()]]
        (row,) = a.query(f"SELECT REPEAT('y', {size})")
        assert row[0] == b"y" * size
        assert a.query("SELECT 1") == [[b"1"]]
        assert not compress or a.socket.saved > size * 0.9
    assert secured.resident_bytes() < 200 << 20


@pytest.mark.parametrize("compress", ["zlib", "zstd"])
def test_compression_in_statements_of_every_kind(secured, compress):
    flags = my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF | my_wire.LOCAL_FILES | my_wire.MULTI_STATEMENTS
    with Wire(secured.mysql_port, compress=compress, more=flags) as a, Wire(secured.mysql_port, more=flags) as b:
        for each in (a, b, a):
            number, _, _ = each.prepare("SELECT CONCAT(REPEAT(?, 100), v) FROM t WHERE id = ?")
            each.execute(number, [b"ab", 2])
            assert [last_value(row) for row in each.result()[1]] == [b"ab" * 100 + b"two"]
            with pytest.raises(my_wire.ServerError):
                each.query("SELECT bad")
            each.command(my_wire.QUERY, b"SELECT 1; SELECT REPEAT('z', 1000)")
            assert [Wire.texts(row) for row in each.result()[1]] == [[b"1"]]
            assert [Wire.texts(row) for row in each.result()[1]] == [[b"z" * 1000]]
            assert each.simple(my_wire.PING)[:1] == b"\0"
        assert a.query("SELECT REPEAT('y', 300000)") == [[b"y" * 300000]]
        change_user(a, "app", "app")
        assert a.query("SELECT CURRENT_USER()") == [[b"app@%"]]


@pytest.mark.servers("mariadb")
@pytest.mark.parametrize("sent", [b"\x20\0\0\0\x40\0\0" + b"garbage " * 4, b"\0\0\0\0\5\0\0", b"\5\0\0\0\xff\xff\xff12345"])
def test_what_is_not_compressed_as_agreed_ends_the_connection(secured, sent):
    with Wire(secured.mysql_port, compress="zlib") as a:
        a.socket.plain.sendall(sent)
        a.socket.plain.settimeout(20)
        while a.socket.plain.recv(4096):
            pass
    with my.connect(secured.mysql_port) as b:
        assert my.value(b, "SELECT 1") == 1


@pytest.mark.servers("mariadb")  # MySQL 5.6 does not have the command
def test_y13_reset_connection(pair, my_proxy):
    a, b = pair
    a.query("SET @a = 1, time_zone = '+05:00'")
    a.query("CREATE TEMPORARY TABLE tmp (a INT)")
    a.query("BEGIN")
    a.query("INSERT INTO made (v) VALUES ('gone')")
    number, _, _ = a.prepare("SELECT 1")
    a.simple(my_wire.RESET_CONNECTION)
    assert a.query("SELECT @a, @@time_zone") == [[None, b"SYSTEM"]]
    with pytest.raises(my_wire.ServerError) as gone:
        a.query("SELECT * FROM tmp")
    assert gone.value.code == 1146
    a.execute(number)
    with pytest.raises(my_wire.ServerError):
        a.result()
    assert b.query("SELECT COUNT(*) FROM made WHERE v = 'gone'") == [[b"0"]]
    assert b.query("SELECT @a") == [[None]]


def change_user(wire, user, password, database="shop", collation=45):
    wire.command(my_wire.CHANGE_USER, user.encode() + b"\0\0" + database.encode() + b"\0" + struct.pack("<H", collation) +
                 b"mysql_native_password\0")
    asked = wire.packet()
    assert asked[:1] == b"\xfe"
    nonce = asked[asked.index(b"\0", 1) + 1:][:20]
    wire.send(my_wire.scramble(password, nonce), wire.sequence)
    return wire.one()


def test_y13_change_user(pair, my_cluster):
    a, b = pair
    a.query("SET @a = 1")
    user = "ed" if my_cluster.server == "mariadb" else "app"
    change_user(a, user, user, "other")
    assert a.query("SELECT CURRENT_USER(), DATABASE(), @a") == [[f"{user}@%".encode(), b"other", None]]
    with pytest.raises(my_wire.ServerError) as refused:
        change_user(a, "app", "wrong")
    assert refused.value.code == 1045
    with pytest.raises(OSError):
        a.query("SELECT 1")
    assert b.query("SELECT CURRENT_USER()") == [[b"app@%"]]


def test_rules_hold_for_a_change_of_user(my_ringway):
    proxy = my_ringway({"hba": [{"users": ["app", "postgres"], "method": "scram-sha-256"}, {"method": "reject"}],
                        "users": {"kept_out": {"password": "kept_out", "server_user": "app", "server_password": "app"}}})
    with Wire(proxy.mysql_port) as a:
        change_user(a, "app", "app")
        with pytest.raises(my_wire.ServerError) as refused:
            change_user(a, "kept_out", "kept_out")
        assert refused.value.code == 1045


@pytest.mark.servers("mariadb")
def test_y11_a_collation_by_number(my_proxy):
    with Wire(my_proxy.mysql_port, collation=192) as a:
        assert a.query("SELECT @@collation_connection, @@character_set_results") == [[b"utf8mb3_unicode_ci", b"utf8mb3"]]
        a.query("SET NAMES utf8mb4 COLLATE uca1400_ai_ci")
        for _ in range(3):
            assert a.query("SELECT @@collation_connection") == [[b"utf8mb4_uca1400_ai_ci"]]


def send_file(wire, sql, *parts):
    wire.command(my_wire.QUERY, sql.encode())
    return answer_file(wire, *parts)


def answer_file(wire, *parts):
    payload = wire.one()
    assert payload[:1] == b"\xfb"
    sequence = wire.sequence
    for part in (*parts, b""):
        wire.send(part, sequence)
        sequence += 1
    return payload[1:]


def test_y23_load_data_local(my_proxy):
    flags = my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF | my_wire.LOCAL_FILES | my_wire.MULTI_STATEMENTS
    with Wire(my_proxy.mysql_port, more=flags) as a:  # another session may read a replica that is behind
        a.query("DROP TABLE IF EXISTS loaded")
        a.query("CREATE TABLE loaded (a VARBINARY(20))")
        assert send_file(a, "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE loaded", b"x\xff\x00y\n", b"z\n") == b"/etc/passwd"
        a.one()
        assert a.query("SELECT HEX(a) FROM loaded ORDER BY a") == [[b"78FF0079"], [b"7A"]]
        send_file(a, "LOAD DATA LOCAL INFILE 'a' INTO TABLE loaded; LOAD DATA LOCAL INFILE 'b' INTO TABLE loaded", b"1\n")
        a.one()
        answer_file(a, b"2\n")
        a.one()
        assert a.query("SELECT COUNT(*) FROM loaded") == [[b"4"]]
        send_file(a, "LOAD DATA LOCAL INFILE 'refused' INTO TABLE loaded")
        a.one()
        assert a.query("SELECT 1") == [[b"1"]]


def test_y24_clients_of_different_capabilities(my_proxy):
    plain = my_wire.SESSION_TRACK
    with Wire(my_proxy.mysql_port, more=0) as a, Wire(my_proxy.mysql_port, more=plain | my_wire.FOUND_ROWS) as b, \
            Wire(my_proxy.mysql_port) as c:
        for _ in range(6):
            for each in (a, b, c):
                assert each.query("SELECT v FROM t WHERE id = 1") == [[b"one"]]
            counts = []
            for each in (a, b, c):
                payload = each.simple(my_wire.QUERY, b"UPDATE t SET v = v WHERE id < 3")
                counts.append(payload[1])
            assert counts == [0, 2, 0]


def test_y27_garbage_does_no_harm(my_proxy):
    import socket
    for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n" * 5, b"\0" * 50, b"\xff" * 5000, b"\x20\0"):
        with socket.create_connection(("127.0.0.1", my_proxy.mysql_port), timeout=10) as one:
            one.sendall(bytes_sent)
    with Wire(my_proxy.mysql_port) as a:
        a.send(b"\x0e", 5)
        with pytest.raises((my_wire.ServerError, ConnectionError)):
            a.one()
    with my.connect(my_proxy.mysql_port) as a:
        assert my.value(a, "SELECT 1") == 1
    assert until(lambda: my_proxy.resident_bytes() < 300 << 20)


STATE = "SELECT DATABASE(), @@character_set_client, @@collation_connection, @@character_set_results, @@autocommit, @@sql_mode, @a, @@time_zone"


@pytest.mark.parametrize("collation", [45, 8, 33, 192, 0, 7777])
def test_a_change_of_user_undoes_all_as_a_server_does(my_proxy, my_cluster, collation):
    """Character sets by the number that it names, as at a login; what is no collation stands for the server's own."""
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with Wire(port) as a:
            a.query("SET @a = 1, time_zone = '+03:00', sql_mode = 'ANSI'")
            a.query("CREATE TEMPORARY TABLE mine (n INT)")
            a.query("SET autocommit = 0")
            a.query("SELECT * FROM t WHERE id = 1 FOR UPDATE")
            number, _, _ = a.prepare("SELECT 1")
            change_user(a, "app", "app", "other", collation)
            found = [a.query(STATE), a.status]
            with pytest.raises(my_wire.ServerError) as gone:
                a.query("SELECT * FROM mine")
            found.append((gone.value.code, gone.value.message))
            a.execute(number)
            with pytest.raises(my_wire.ServerError) as gone:
                a.result()
            found.append(gone.value.code)
            change_user(a, "app", "app", "", collation)
            found.append(a.query(STATE))
            seen.append(found)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("user, password", [("app", "wrong"), ("app", ""), ("nobody", "nobody"), ("nobody", "")])
def test_a_failed_change_of_user_says_what_a_server_says(my_proxy, my_cluster, user, password):
    seen = []
    for port in (my_cluster.primary().port, my_proxy.mysql_port):
        with Wire(port) as a:
            with pytest.raises(my_wire.ServerError) as refused:
                change_user(a, user, password)
            seen.append((refused.value.code, refused.value.sqlstate, refused.value.message))
    assert seen[0] == seen[1]
