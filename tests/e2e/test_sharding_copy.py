"""COPY over several shards: rows go in by their keys, atomically, and come out as one; compared with a plain server."""

import struct

import psycopg
import pytest

import places
from conftest import until
from wire import Wire, bind, copy_data, copy_done, copy_fail, execute, kinds, parse, query, sync


def stored(cluster, sql):
    """By shard, straight from the servers."""
    return [sorted(cluster.primary(shard).rows(sql)) for shard in cluster.shards]


def together(cluster, sql):
    return sorted(sum(stored(cluster, sql), []))


@pytest.fixture
def client(places_proxy):
    with places_proxy.connect() as connection:
        yield connection


@pytest.fixture(autouse=True)
def clean(places_cluster):
    yield
    names = [name for name in places.TABLES if "*" not in name] + ["plain"]
    for shard in places_cluster.shards:
        primary = places_cluster.primary(shard)
        assert primary.rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
        primary.rows(f"TRUNCATE {', '.join(names)}")


def copy_in(client, sql, data, step=None):
    """The tag, or the error with its SQLSTATE and message."""
    cursor = client.cursor()
    try:
        with cursor.copy(sql) as copy:
            for at in range(0, len(data), step or len(data) or 1):
                copy.write(data[at:at + (step or len(data))])
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary
    return cursor.statusmessage


def copy_out(client, sql):
    with client.cursor().copy(sql) as copy:
        return b"".join(bytes(piece) for piece in copy)


TEXT = b"".join(b"%d\t2024-01-%02d 00:00:00\tnote %d\\twith\\ttabs\\\\\t%d.50\n" % (i, 1 + i % 28, i, i) for i in range(300))
CSV = b"id,at,note,amount\n" + b"".join(
    b'%d,2024-01-01 00:00:00,"a ""quoted"" note\nof %d, two lines",%d.25\n' % (i, i, i) for i in range(300))


@pytest.mark.parametrize("step", [None, 101])
@pytest.mark.parametrize("sql,data", [
    ("COPY facts FROM STDIN", TEXT),
    ("COPY facts FROM STDIN", TEXT.replace(b"\n", b"\r\n")),
    ("COPY facts (id, at, note, amount) FROM STDIN", TEXT + b"\\.\nwhatever comes behind\n"),
    ("COPY facts FROM STDIN WITH (FORMAT csv, HEADER)", CSV),
    ("COPY facts FROM STDIN CSV HEADER", CSV.replace(b"\n", b"\r\n")),
    ("COPY facts (note, id) FROM STDIN (FORMAT csv, QUOTE '''', DELIMITER ';', NULL 'nix')",
     b"".join(b"'it''s; %d\n';%d\nnix;%d\n" % (i, i, i + 1000) for i in range(100))),
    ("COPY facts (note, id) FROM STDIN (FORMAT csv, ESCAPE '\\', FORCE_NOT_NULL (note))",
     b"".join(b'"say \\"%d\\"\\\\",%d\n,%d\n' % (i, i, i + 1000) for i in range(100))),
    ("COPY facts (id, note) FROM STDIN WHERE id % 2 = 0", b"".join(b"%d\tx\n" % i for i in range(100))),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\\\nb\n\\x32\tc\n0003\t\\N\n 4 \td\n5\tlast line without its end"),
])
def test_rows_go_to_their_shards(client, places_cluster, sql, data, step):
    plain = places_cluster.primary("s0").connect()
    with plain, plain.transaction(force_rollback=True):
        expected_tag = copy_in(plain, sql, data)
        expected = sorted(plain.execute("SELECT * FROM facts").fetchall(), key=repr)
    assert copy_in(client, sql, data, step) == expected_tag
    rows = [places_cluster.primary(shard).rows("SELECT * FROM facts") for shard in places_cluster.shards]
    assert sorted(sum(rows, []), key=repr) == expected
    if len(expected) > 50:
        assert all(rows)
    for shard in rows:
        for row in shard[:5]:
            assert row in client.execute("SELECT * FROM facts WHERE id = %s", [row[0]]).fetchall()


def tuples(rows, trailer=True):
    data = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
    for row in rows:
        data += struct.pack("!h", len(row))
        for value in row:
            data += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return data + (struct.pack("!h", -1) if trailer else b"")


@pytest.mark.parametrize("trailer", [True, False])
def test_binary_rows_go_to_their_shards(client, places_cluster, trailer):
    rows = [(struct.pack("!q", i), b"n\n%d" % i if i % 3 else None) for i in range(300)]
    for step in (None, 11):
        assert copy_in(client, "COPY facts (id, note) FROM STDIN (FORMAT binary)", tuples(rows, trailer), step) == "COPY 300"
    assert all(stored(places_cluster, "SELECT id FROM facts"))
    assert together(places_cluster, "SELECT id, coalesce(note, '') FROM facts") == \
        sorted((i, f"n\n{i}" if i % 3 else "") for i in list(range(300)) * 2)


def test_every_type_of_key_in_text_csv_and_binary(client, places_cluster):
    for kind, values in places.HASHED.items():
        for options, null in (("", "\\N"), ("(FORMAT csv)", "")):
            line = "\t" if not options else ","
            quoted = [value if not options else f'"{value}"' for value in map(str, values)]
            data = "".join(f"{value.replace(chr(92), chr(92) * 2) if not options else value}{line}{i}\n" for i, value in enumerate(quoted))
            assert copy_in(client, f"COPY hash_{kind} (k, n) FROM STDIN {options}", data.encode()) == f"COPY {len(values)}", kind
        binary = copy_out(client, f"COPY hash_{kind} (k, n) TO STDOUT (FORMAT binary)")
        assert copy_in(client, f"COPY hash_{kind} (k, n) FROM STDIN (FORMAT binary)", binary) == f"COPY {2 * len(values)}", kind
        for i, shard in enumerate(places_cluster.shards):
            there = places_cluster.primary(shard).rows(
                f"SELECT n, satisfies_hash_partition('parent_{kind}'::regclass, 3, {i}, k) FROM hash_{kind}")
            assert all(right for _, right in there), (kind, shard, there)
        assert len(together(places_cluster, f"SELECT n FROM hash_{kind}")) == 4 * len(values)


@pytest.mark.parametrize("sql,data,sqlstate,words", [
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n\\N\tb\n2\tc\n", "23502", "null value in column \"id\""),
    ("COPY loose (note, id) FROM STDIN", b"a\t1\nb\t\\N\n", "23502", "the shard key of loose is NULL"),
    ("COPY loose (note, id) FROM STDIN CSV", b"a,1\nb,\n", "23502", "the shard key of loose is NULL"),
    ("COPY facts (note, id) FROM STDIN", b"a\t1\nb\n", "22P04", "missing data for column \"id\""),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n2\n", "22P04", "missing data for column \"note\""),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n2\tb\tc\n", "22P04", "extra data after last expected column"),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\nx\tb\n", "22P02", "invalid input syntax for type bigint: \"x\""),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n99999999999999999999\tb\n", "22003", "out of range for type bigint"),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n2\tb\r\n", "22P04", "literal carriage return found in data"),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\r\n2\tb\n", "22P04", "literal newline found in data"),
    ("COPY facts (id, note) FROM STDIN", b"1\ta\n\\.x\n", "22P04", "end-of-copy marker corrupt"),
    ("COPY facts (id, note) FROM STDIN CSV", b"1,a\n2,\"b\n", "22P04", "unterminated CSV quoted field"),
    ("COPY facts (id, note) FROM STDIN (FORMAT binary)", b"not binary at all, is it?", "22P04", "COPY file signature not recognized"),
    ("COPY facts (id, note) FROM STDIN (FORMAT binary)", tuples([(b"\0" * 8, b"x"), (b"\0" * 8,)]), "22P04", "row field count is 1, expected 2"),
    ("COPY facts (id, note) FROM STDIN (FORMAT binary)", tuples([(b"\0" * 8, b"x")]) + b"more", "22P04", "received copy data after EOF marker"),
    ("COPY facts (id, note) FROM STDIN (FORMAT binary)", tuples([(b"\0" * 8, b"x"), (b"\0\0\0\1", b"y")]), "08P01", "insufficient data left in message"),
    ("COPY facts (id, note) FROM STDIN (FORMAT binary)", tuples([(b"\0" * 8, b"x"), (b"\0" * 8, b"y")], False)[:-3], "22P04", "unexpected EOF in COPY data"),
    ("COPY events FROM STDIN", b"1\ta\n3000\tb\n", "23514", "no shard of cluster"),
    ("COPY events FROM STDIN", b"1\ta\n1000\tb\n1\tc\n", "23505", "duplicate key value"),
    ("COPY facts (id, nothing) FROM STDIN", b"1\ta\n", "42703", "column \"nothing\""),
])
def test_h12_one_bad_row_leaves_none(client, places_cluster, sql, data, sqlstate, words):
    good = b"".join(b"%d\tx\n" % i for i in range(500))
    found = copy_in(client, sql, data)
    assert found[0] == sqlstate and words in found[1], found
    assert client.info.transaction_status.name == "IDLE"
    for table in ("facts", "loose", "events"):
        assert together(places_cluster, f"SELECT 1 FROM {table}") == []
    # The session is of use after it, and a bad row behind many good ones is no different.
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", good + b"bad\tx\n" + good) == ("22P02", 'invalid input syntax for type bigint: "bad"')
    assert together(places_cluster, "SELECT 1 FROM facts") == []
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", good) == "COPY 500"


@pytest.mark.parametrize("sql,line,bad", [
    ("COPY facts (id, amount) FROM STDIN", b"%d\t1\n", b"77\tx\n"),
    ("COPY facts (id, amount) FROM STDIN CSV HEADER", b"%d,1\n", b"77,x\n"),
    ("COPY facts (id, note, amount) FROM STDIN CSV", b'%d,"two\nlines",1\n', b"77,a,x\n"),
    ("COPY facts (id, note, amount) FROM STDIN CSV", b'%d,"two\r\nlines",1\r\n', b'77,"a\r\nb",x\r\n'),
])
def test_the_context_has_the_line_of_the_whole_data(client, places_cluster, sql, line, bad):
    data = b"id,amount\n" * ("HEADER" in sql) + b"".join(line % i for i in range(200)) + bad + b"".join(line % i for i in range(200))
    contexts = []
    with places_cluster.primary("s0").connect() as plain:
        for connection in (plain, client):
            with pytest.raises(psycopg.errors.InvalidTextRepresentation) as error:
                with connection.cursor().copy(sql) as copy:
                    copy.write(data)
            contexts.append(error.value.diag.context)
    assert contexts[0] == contexts[1] and ", line " in contexts[0]


@pytest.mark.parametrize("sql", [
    "COPY facts (note) FROM STDIN",
    "COPY facts FROM '/dev/null'",
    "COPY facts (id, note) FROM STDIN (ENCODING 'LATIN1')",
    "/* ringway: shard=s0 */ COPY facts FROM STDIN",
])
def test_what_cannot_be_split_is_refused(places_proxy, sql):
    with places_proxy.connect() as client:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            client.execute(sql)
        assert client.execute("SELECT 1").fetchone() == (1,)
    with places_proxy.connect(options="-c client_encoding=LATIN1") as client:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            client.execute("COPY facts FROM STDIN")


def test_in_a_transaction_it_is_part_of_it(client, places_cluster):
    data = b"".join(b"%d\tx\n" % i for i in range(100))
    with pytest.raises(ZeroDivisionError), client.transaction():
        assert copy_in(client, "COPY facts (id, note) FROM STDIN", data) == "COPY 100"
        assert client.execute("SELECT count(*) FROM facts").fetchone() == (100,)
        assert len(copy_out(client, "COPY facts (id) TO STDOUT").splitlines()) == 100
        raise ZeroDivisionError
    assert together(places_cluster, "SELECT 1 FROM facts") == []
    with client.transaction():
        client.execute("INSERT INTO facts (id, note) VALUES (1000, 'before')")
        with client.transaction() as inner:
            assert copy_in(client, "COPY facts (id, note) FROM STDIN", b"1\ta\nx\tb\n")[0] == "22P02"
            raise psycopg.Rollback(inner)
        assert copy_in(client, "COPY facts (id, note) FROM STDIN", data) == "COPY 100"
        assert copy_in(client, "COPY plain FROM STDIN", b"1\tof the first shard\n") == "COPY 1"
    assert len(together(places_cluster, "SELECT 1 FROM facts")) == 101
    assert stored(places_cluster, "SELECT id FROM plain") == [[(1,)], [], []]


def test_what_stops_the_other_shards_does_not_reach_the_next_statement(client):
    """In a transaction that goes on behind a savepoint the servers stay: a cancel that is late would meet what comes next."""
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", b"".join(b"%d\tx\n" % i for i in range(60))) == "COPY 60"
    with client.transaction():
        for i in range(60):
            with pytest.raises(psycopg.errors.DivisionByZero), client.transaction():
                client.execute(f"UPDATE facts SET amount = 1 / (id - {i})")  # fails on one shard
            assert client.execute("SELECT count(*) FROM facts WHERE pg_sleep(0.0005) IS NOT NULL").fetchone() == (60,)


def test_rows_of_one_shard_are_committed_without_two_phases(client, places_cluster):
    before = [places_cluster.primary(shard).rows("SELECT count(*) FROM ringway.decisions") for shard in places_cluster.shards]
    assert copy_in(client, "COPY events FROM STDIN", b"1\ta\n2\tb\n") == "COPY 2"
    assert stored(places_cluster, "SELECT id FROM events") == [[(1,), (2,)], [], []]
    assert [places_cluster.primary(shard).rows("SELECT count(*) FROM ringway.decisions") for shard in places_cluster.shards] == before


def test_a_reference_table_gets_every_row_on_every_shard(client, places_cluster):
    assert copy_in(client, "COPY codes FROM STDIN CSV HEADER", b"code,name\na,A\nb,B\n") == "COPY 2"
    assert stored(places_cluster, "SELECT * FROM codes") == [[("a", "A"), ("b", "B")]] * 3
    assert copy_in(client, "COPY codes FROM STDIN", b"c\tC\na\tagain\n")[0] == "23505"
    assert stored(places_cluster, "SELECT count(*) FROM codes") == [[(2,)]] * 3


def test_copy_out_is_one_copy(client, places_cluster):
    data = b"".join(b"%d\t%d\n" % (i, i) for i in range(300))
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", data) == "COPY 300"
    assert sorted(copy_out(client, "COPY facts (id, note) TO STDOUT").splitlines()) == sorted(data.splitlines())
    csv = copy_out(client, "COPY facts (id, note) TO STDOUT (FORMAT csv, HEADER)").splitlines()
    assert csv[0] == b"id,note" and sorted(csv[1:]) == sorted(line.replace(b"\t", b",") for line in data.splitlines())
    cursor = client.cursor()
    with cursor.copy("COPY facts (id, note) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text"])
        assert sorted(copy.rows()) == [(i, str(i)) for i in range(300)]
    assert copy_out(client, "COPY events TO STDOUT (FORMAT csv, HEADER)") == b"id,what\n"
    assert copy_out(client, "COPY events TO STDOUT (FORMAT binary)") == tuples([])


def test_what_a_copy_out_ends_with(client, places_proxy, places_cluster):
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", b"".join(b"%d\tx\n" % i for i in range(30))) == "COPY 30"
    with Wire(places_proxy.port, "app", "places") as wire:
        wire.send(query("COPY facts (id) TO STDOUT (FORMAT binary)"))
        came = wire.until("Z")
        assert kinds(came) == "H" + "d" * 31 + "cCZ" and came[-2][1] == b"COPY 30\0"
        wire.send(parse("COPY facts (id) TO STDOUT") + bind() + execute() + sync())
        came = wire.until("Z")
        assert kinds(came) == "12H" + "d" * 30 + "cCZ" and came[-2][1] == b"COPY 30\0"


def test_the_extended_protocol(places_proxy, places_cluster):
    """As tokio-postgres does it: a Sync right behind the Execute, which a server passes over."""
    with Wire(places_proxy.port, "app", "places") as wire:
        wire.send(parse("COPY facts (id, note) FROM STDIN") + bind() + execute() + sync())
        assert kinds(wire.until("G")) == "12G"
        wire.send(copy_data(b"1\ta\n2\tb\n3") + copy_data(b"\tc\n4\td\n") + copy_done() + sync())
        assert kinds(wire.until("Z")) == "CZ"
        wire.send(parse("COPY facts (id, note) FROM STDIN") + bind() + execute() + sync())
        assert kinds(wire.until("G")) == "12G"
        wire.send(copy_data(b"5\te\n") + copy_fail("no more of it") + sync())
        assert kinds(wire.until("Z")) == "EZ"
        wire.send(query("COPY facts (id, note) FROM STDIN") + copy_data(b"6\tf\n") + copy_done() + query("SELECT 1"))
        assert kinds(wire.until("Z")) == "GCZ"
        assert kinds(wire.until("Z")) == "TDCZ"
    assert together(places_cluster, "SELECT id FROM facts") == [(1,), (2,), (3,), (4,), (6,)]


def test_a_client_that_stops_takes_its_reason_along(places_proxy, places_cluster):
    with Wire(places_proxy.port, "app", "places") as wire:
        wire.send(query("COPY facts (id, note) FROM STDIN"))
        wire.until("G")
        wire.send(b"".join(copy_data(b"%d\ta\n" % i) for i in range(100)) + copy_fail("changed my mind"))
        frames = wire.until("Z")
        assert kinds(frames) == "EZ" and b"COPY from stdin failed: changed my mind" in frames[0][1] and b"C57014" in frames[0][1]
    with Wire(places_proxy.port, "app", "places") as wire:
        wire.send(query("COPY facts (id, note) FROM STDIN"))
        wire.until("G")
        wire.send(copy_data(b"1\ta\n2\tb\n"))
    quiet = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state <> 'idle' AND pid <> pg_backend_pid()"
    assert until(lambda: all(rows == [(0,)] for rows in stored(places_cluster, quiet)))
    assert together(places_cluster, "SELECT id FROM facts") == []


def test_memory_is_flat_and_data_waits_for_the_shards(places_proxy, client, places_cluster):
    """Rows into a table that is locked on one shard: the client is held back, not buffered."""
    data = b"".join(b"%d\t%s\n" % (i, b"x" * 200) for i in range(5000))
    assert copy_in(client, "COPY facts (id, note) FROM STDIN", data) == "COPY 5000"
    before = places_proxy.resident_bytes()
    cursor = client.cursor()
    with cursor.copy("COPY facts (id, note) FROM STDIN") as copy:
        for _ in range(40):
            copy.write(data)
    assert cursor.statusmessage == "COPY 200000"
    assert places_proxy.resident_bytes() - before < 16 << 20

