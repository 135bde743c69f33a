"""Traps P15 to P17 and P19: large values, rare messages, COPY that fails, and what a hostile client sends."""

import ssl
import struct
import time

import pytest

import wire
from conftest import until
from wire import Wire, bind, codes, describe, execute, flush, kinds, normalised, one, parse, query, replies, sync

MIB = 1 << 20


@pytest.fixture
def pair(proxy, app_cluster):
    with Wire(proxy.port) as through, Wire(app_cluster.primary().port) as direct:
        yield through, direct


def skip_bytes(client, count, watch):
    """Reads and forgets `count` bytes; calls watch() now and then."""
    block = bytearray(MIB)
    taken = min(count, len(client.buffer))
    client.buffer, left, next_watch = client.buffer[taken:], count - taken, count
    while left:
        got = client.socket.recv_into(block, min(left, MIB))
        assert got, f"closed with {left} bytes to come"
        left -= got
        if left < next_watch:
            watch()
            next_watch = left - 32 * MIB


def test_p15_a_value_of_900_mib_out_in_flat_memory(ringway):
    proxy = ringway()
    size = 900 * MIB
    with Wire(proxy.port, limit=60) as client:
        client.rows("SELECT 1")
        before, most = proxy.resident_bytes(), [0]

        def watch():
            most[0] = max(most[0], proxy.resident_bytes())

        client.send(query(f"SELECT repeat('x', {size})"))
        assert client.message()[0] == "T"
        kind, length, columns, value = struct.unpack("!cihi", client.receive(11))
        assert (kind, length, columns, value) == (b"D", size + 10, 1, size)
        skip_bytes(client, size, watch)
        assert kinds(client.until("Z")) == "CZ"
        assert most[0] - before < 64 * MIB, f"grew by {(most[0] - before) / MIB:.0f} MiB"
        assert client.value("SELECT 'after'") == "after"


def test_p15_a_query_text_of_100_mib(ringway):
    proxy = ringway()
    size = 100 * MIB
    with Wire(proxy.port, limit=60) as client, Wire(proxy.port) as other:
        client.rows("SELECT 1")
        before = proxy.resident_bytes()
        assert client.value(f"SELECT length('{'y' * size}')") == str(size)
        assert proxy.resident_bytes() - before < 64 * MIB
        assert client.value("SELECT 'after'") == "after"
        assert other.value("SELECT 'other'") == "other"


def test_p15_a_parameter_of_100_mib(ringway):
    proxy = ringway()
    size = 100 * MIB
    with Wire(proxy.port, limit=60) as client:
        client.rows("SELECT 1")
        before = proxy.resident_bytes()
        came = client.run(one("SELECT length($1::text)", [b"z" * size]) + sync())
        assert [wire.row(body) for kind, body in came if kind == "D"] == [[str(size).encode()]]
        assert proxy.resident_bytes() - before < 64 * MIB


@pytest.mark.parametrize("count", [32_768, 65_535])
def test_p15_parameters_up_to_the_protocol_s_end(pair, count):
    text = f"SELECT count(*), sum(v), max(v) FROM unnest(ARRAY[{','.join(f'${n}' for n in range(1, count + 1))}]::int8[]) AS v"
    raw = parse(text, types=[wire.INT8] * count) + bind(list(range(count))) + describe("P") + execute() + sync()
    came = [replies(each, raw, limit=60) for each in pair]  # seconds; a server takes one or two on an idle machine
    assert came[0] == came[1]
    assert wire.row(came[0][3][1]) == [str(n).encode() for n in (count, count * (count - 1) // 2, count - 1)]


INT4PL, NO_SUCH_FUNCTION = 177, 4_000_000_000


@pytest.mark.parametrize("raw", [
    wire.function_call(INT4PL, [2, 3]),
    wire.function_call(INT4PL, [struct.pack("!i", 2), struct.pack("!i", 3)], [1], 1),
    wire.function_call(INT4PL, [None, 3]),
    wire.function_call(INT4PL, [2]),
    wire.function_call(NO_SUCH_FUNCTION, []),
])
def test_p16_function_call(pair, raw):
    came = [replies(each, raw) for each in pair]
    assert came[0] == came[1]
    assert replies(pair[0], query("SELECT 1")) == replies(pair[1], query("SELECT 1"))


def test_p16_function_call_in_a_transaction(pair):
    for raw in (query("BEGIN"), wire.function_call(INT4PL, [2, 3]), wire.function_call(INT4PL, [2]), wire.function_call(INT4PL, [2, 3]), query("ROLLBACK")):
        assert replies(pair[0], raw) == replies(pair[1], raw)


@pytest.mark.parametrize("requests", [
    [wire.ssl_request], [wire.gss_request], [wire.gss_request, wire.ssl_request], [wire.ssl_request, wire.gss_request]])
def test_p16_requests_for_encryption_that_is_not_there(proxy, app_cluster, requests):
    ports = [proxy.port]
    if wire.gss_request not in requests:   # Debian's servers can speak GSSAPI
        ports.append(app_cluster.primary().port)
    for port in ports:
        with Wire(port, login=False) as client:
            for each in requests:
                assert client.send(each()).receive(1) == b"N"
            client.send(wire.startup("app", "app"))
            assert client.greeting()[-1] == ("Z", b"I")
            assert client.value("SELECT 1") == "1"


def test_p16_a_newer_minor_version_and_an_unknown_option(proxy, app_cluster):
    came = []
    for port in (proxy.port, app_cluster.primary().port):
        with Wire(port, login=False) as client:
            client.send(wire.startup("app", "app", (3 << 16) | 9999, **{"_pq_.nothing_such": "1"}))
            greeting = client.greeting()
            came.append([body for kind, body in greeting if kind == "v"])
            assert kinds(greeting)[0] == "v" and client.value("SELECT 1") == "1"
    newest = [struct.unpack("!i", body[:4])[0] for (body,) in came]
    assert newest[0] in (2, wire.PROTOCOL_3_2) and [body[4:] for (body,) in came] == [struct.pack("!i", 1) + b"_pq_.nothing_such\0"] * 2


def test_p16_protocol_3_2_is_spoken_with_its_longer_key(proxy):
    with Wire(proxy.port, login=False) as client:
        client.send(wire.startup("app", "app", wire.PROTOCOL_3_2))
        assert "v" not in kinds(client.greeting())
        assert 4 < len(client.key) <= 256
        client.send(query("SELECT pg_sleep(20)"))
        time.sleep(0.1)
        wire.cancel(proxy.port, client.pid, client.key)
        assert codes(client.until("Z", limit=5)) == ["57014"]


@pytest.mark.parametrize("version", [2 << 16, 4 << 16, 1 << 16])
def test_p16_other_major_versions_are_refused(proxy, app_cluster, version):
    ports = [proxy.port]
    if version >> 16 > 3:   # below, a server answers in the form of that time
        ports.append(app_cluster.primary().port)
    for port in ports:
        with Wire(port, login=False) as client:
            assert codes(client.send(wire.startup("app", "app", version)).ended()) == ["0A000"]


@pytest.fixture
def tls_proxy(ringway, certificate):
    return ringway({"client_tls": {"mode": "allow", "certificate": str(certificate[0]), "key": str(certificate[1])}})


def tls_to(certificate, alpn=None):
    made = ssl.create_default_context(cafile=certificate[0])
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def test_p16_tls_after_a_request(tls_proxy, certificate):
    with Wire(tls_proxy.port, login=False) as client:
        assert client.send(wire.ssl_request()).receive(1) == b"S"
        client.socket = tls_to(certificate).wrap_socket(client.socket, server_hostname="localhost")
        client.send(wire.startup("app", "app"))
        assert client.greeting()[-1][0] == "Z" and client.value("SELECT repeat('x', 100000)") == "x" * 100_000


def test_p16_tls_without_a_request(tls_proxy, certificate):
    with Wire(tls_proxy.port, tls=tls_to(certificate, ["postgresql"])) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        assert client.value("SELECT 1") == "1"
    with pytest.raises((wire.Closed, OSError)):   # without the protocol's name nobody knows who is asking
        Wire(tls_proxy.port, tls=tls_to(certificate))
    with Wire(tls_proxy.port) as plain:
        assert plain.value("SELECT 2") == "2"


def test_p16_bytes_before_the_handshake_are_refused(tls_proxy):
    with Wire(tls_proxy.port, login=False) as client:
        client.send(wire.ssl_request() + wire.startup("app", "app"))
        assert "Z" not in {kind for kind, _ in client.ended()}


@pytest.fixture
def table(app_cluster):
    with app_cluster.primary().connect(options="-c lock_timeout=3s") as direct:
        direct.execute("DROP TABLE IF EXISTS p17")
        direct.execute("CREATE TABLE p17 (a int)")
        yield direct
        direct.execute("DROP TABLE p17")


COPIES = {
    "done": wire.copy_data(b"1\n2\n") + wire.copy_done(),
    "in pieces": wire.copy_data(b"1") + wire.copy_data(b"0\n2") + wire.copy_data(b"0\n") + wire.copy_done(),
    "fail": wire.copy_data(b"1\n") + wire.copy_fail("enough"),
    "bad row": wire.copy_data(b"1\nnot a number\n3\n") + wire.copy_done(),
    "bad row and much more": wire.copy_data(b"no\n") + wire.copy_data(b"5\n" * 50_000) * 20 + wire.copy_done(),
    "bad row, then fail": wire.copy_data(b"no\n") + wire.copy_data(b"5\n" * 50_000) * 20 + wire.copy_fail(),
}


@pytest.mark.parametrize("name", COPIES)
def test_p17_copy_by_a_simple_query(pair, table, name):
    came = []
    for each in pair:
        table.execute("TRUNCATE p17")
        each.send(query("COPY p17 FROM STDIN"))
        assert each.message()[0] == "G"
        here = [replies(each, COPIES[name]), replies(each, query("SELECT 'after'"))]
        came.append((here, table.execute("SELECT a FROM p17 ORDER BY a").fetchall()))
    assert came[0] == came[1]


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("with_sync", [False, True])
def test_p17_copy_by_the_extended_protocol(pair, table, name, with_sync):
    came = []
    for each in pair:
        table.execute("TRUNCATE p17")
        start = parse("COPY p17 FROM STDIN") + bind() + execute() + (sync() if with_sync else flush())
        here = [kinds(each.send(start).until("G"))]
        here.append(replies(each, COPIES[name] + sync()))
        here.append(replies(each, query("SELECT 'after'")))
        came.append((here, table.execute("SELECT a FROM p17 ORDER BY a").fetchall()))
    assert came[0] == came[1]


COPY_P17 = "COPY p17 FROM STDIN"
AHEAD = {  # name: what is sent in one write; ReadyForQuery messages to wait for
    "one": (query(COPY_P17) + COPIES["in pieces"] + query("SELECT 1"), 2),
    "two": ((query(COPY_P17) + COPIES["done"]) * 2 + query("SELECT 1"), 3),
    "behind another": (query("SELECT 1") + query(COPY_P17) + COPIES["bad row and much more"] + query("SELECT 2"), 3),
    "a COPY that is refused": (query("COPY nowhere FROM STDIN") + COPIES["done"] + query("SELECT 1"), 2),
    "no COPY": (query("SELECT 1") + COPIES["done"] + query("SELECT 2"), 2),
    "extended": (parse(COPY_P17) + bind() + execute() + COPIES["done"] + sync() + query("SELECT 1"), 2),
    "extended, an error": (parse("COPY nowhere FROM STDIN") + bind() + execute() + COPIES["done"] + sync(), 1),
    "extended, no COPY": (parse("SELECT 1") + bind() + execute() + COPIES["done"] + sync() + query("SELECT 2"), 2),
}


@pytest.mark.parametrize("name", AHEAD)
def test_p17_copy_data_before_the_server_has_asked_for_it(pair, table, name):
    raw, ready = AHEAD[name]
    came = []
    for each in pair:
        table.execute("TRUNCATE p17")
        here = [replies(each, raw, ready), replies(each, query("SELECT 'after'"))]
        came.append((here, table.execute("SELECT a FROM p17 ORDER BY a").fetchall()))
    assert came[0] == came[1]


def test_p17_copy_of_a_killed_client_stores_nothing(proxy, table):
    victim = Wire(proxy.port)
    victim.send(query("COPY p17 FROM STDIN")).message()
    victim.send(wire.copy_data(b"1\n2\n"))
    victim.reset()
    held = "SELECT count(*) FROM pg_locks WHERE relation = 'p17'::regclass AND pid <> pg_backend_pid()"
    assert until(lambda: table.execute(held).fetchone()[0] == 0, 3)
    assert table.execute("SELECT count(*) FROM p17").fetchone() == (0,)


def test_p17_copy_out(pair):
    raw = query("COPY (SELECT generate_series(1, 20000)) TO STDOUT")
    assert replies(pair[0], raw) == replies(pair[1], raw)
    raw = parse("COPY (SELECT generate_series(1, 2000)) TO STDOUT") + bind() + execute() + sync()
    assert replies(pair[0], raw) == replies(pair[1], raw)


STARTUPS = {
    "a length of 2 GiB": struct.pack("!ii", 0x7FFFFFFF, wire.PROTOCOL_3_0),
    "a negative length": struct.pack("!ii", -5, wire.PROTOCOL_3_0),
    "a length of zero": struct.pack("!ii", 0, wire.PROTOCOL_3_0),
    "longer than a server takes": struct.pack("!ii", 10_001, wire.PROTOCOL_3_0) + b"x" * 9_993,
    "no terminator": struct.pack("!ii", 14, wire.PROTOCOL_3_0) + b"user\0a",
    "no user": struct.pack("!ii", 9, wire.PROTOCOL_3_0) + b"\0",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a password first": wire.password("app") + b"\0" * 32,
    "a query first": query("SELECT 1") + b"\0" * 32,
}


@pytest.mark.parametrize("name", STARTUPS)
def test_p19_startup_packets_that_are_not(proxy, app_cluster, name):
    """What has no length of a startup packet is no client's: a server closes without a word."""
    before = proxy.resident_bytes()
    said = []
    for port in (app_cluster.primary().port, proxy.port):
        with Wire(port, login=False) as client:
            client.send(STARTUPS[name])
            said.append(kinds(client.ended()))
    assert said[0] == said[1] and said[1] in ("", "E")
    assert proxy.resident_bytes() - before < 16 * MIB
    with Wire(proxy.port) as next_client:
        assert next_client.value("SELECT 1") == "1"


MESSAGES = {
    "a negative count of values": wire.message("B", b"\0s\0" + struct.pack("!HhH", 0, -1, 0)),
    "a negative count of formats": wire.message("B", b"\0s\0" + struct.pack("!hHH", -1, 0, 0)),
    "a value longer than its message": wire.message("B", b"\0s\0" + struct.pack("!HHi", 0, 1, 1 << 30)),
    "a value of length -2": wire.message("B", b"\0s\0" + struct.pack("!HHiH", 0, 1, -2, 0)),
    "a negative count of types": wire.message("P", b"x\0SELECT 1\0" + struct.pack("!h", -1)),
    "a statement without an end": wire.message("P", b"x\0SELECT 1"),
    "a describe of nothing known": wire.message("D", b"Z\0"),
    "an empty describe": wire.message("D"),
    "an execute without a count": wire.message("E", b"\0"),
    "a password nobody asked for": wire.password("secret"),
    "an unknown type": wire.message("!", b"what"),
    "a length of zero": b"Q" + struct.pack("!i", 0),
    "a negative length": b"Q" + struct.pack("!i", -1),
    "a length of 2 GiB": b"Q" + struct.pack("!i", 0x7FFFFFFF),
    "a Sync of 2 GiB": b"S" + struct.pack("!i", 0x7FFFFFFF),
    "too many bytes in a Sync": wire.message("S", b"more"),
}


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("name", MESSAGES)
def test_p19_messages_that_are_not(proxy, app_cluster, name, in_transaction):
    """An error, as from a server, or the end of the connection; never an answer, a crash or memory."""
    before = proxy.resident_bytes()
    with Wire(proxy.port, limit=5) as client:
        if in_transaction:
            client.run(query("BEGIN; SELECT 1"))
        client.run(parse("SELECT $1::text", "s") + sync())
        client.send(MESSAGES[name] + ("GiB" not in name) * sync())
        came = []
        try:
            while not came or came[-1][0] != "Z":
                came.append(client.message(1 if "GiB" in name else 5))
        except (wire.Closed, TimeoutError) as end:
            assert "GiB" in name or isinstance(end, wire.Closed)
        assert set(kinds(came)) <= {"E", "Z"} and (came or "GiB" in name), normalised(came)
        assert codes(came) or "GiB" in name
    assert proxy.resident_bytes() - before < 16 * MIB
    with Wire(proxy.port) as next_client:
        assert next_client.value("SELECT 1") == "1"
    sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in%'"
    assert until(lambda: app_cluster.primary().rows(sql)[0][0] == 0, 3)


@pytest.mark.parametrize("body", [b"SELECT 1", b"SELECT 1\0SELECT 2\0", b""], ids=["no zero", "two", "empty"])
@pytest.mark.parametrize("begun", [False, True], ids=["alone", "in a transaction"])
def test_p17_a_query_without_its_one_final_zero_is_an_error_and_no_end(pair, body, begun):
    said = []
    for client in pair:
        if begun:
            client.run(query("BEGIN"))
            client.run(query("SELECT 1"))
        came = client.run(wire.message("Q", body))
        said.append([codes(came), kinds(came), came[-1], codes(client.run(query("SELECT 1"))), codes(client.run(query("ROLLBACK")))])
    assert said[0] == said[1] and said[0][0] == ["08P01"]
