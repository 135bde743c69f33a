"""MariaDB's metadata caching: column definitions are left out where the client has them. What a client is told is compared
with what the server itself tells one, and packets are numbered without gaps."""

import struct

import my
import my_wire
import pytest
from conftest import MY_SETTINGS
from my_wire import Wire, lenenc

pytestmark = pytest.mark.servers("mariadb")
CACHE = 1 << 4  # of the upper 32 bits
CURSOR = 1


class Caching(Wire):
    """Keeps the definitions of its statements, as MariaDB's connectors do."""

    def __init__(self, port, **more):
        self.checks, self.known = False, {}
        super().__init__(port, mariadb=CACHE, **more)
        self.checks = True

    def command(self, what, body=b""):
        super().command(what, body)
        self.sequence = 1

    def packet(self):
        expected = self.sequence & 255
        payload = super().packet()
        assert not self.checks or self.sequence - 1 == expected
        return payload

    def names(self, count):
        made = []
        for _ in range(count):
            column, at = self.packet(), 0
            for _ in range(5):
                size, at = lenenc(column, at)
                name = column[at:at + size]
                at += size
            made.append(name.decode())
        return made

    def prepare(self, sql):
        self.command(my_wire.PREPARE, sql.encode())
        payload = self.one()
        number, columns, parameters = struct.unpack_from("<IHH", payload, 1)
        if parameters:
            self.names(parameters)
            self.eof()
        self.known[number] = self.names(columns)
        if columns:
            self.eof()
        return number

    def answer(self, number=None, cursor=False):
        """(names, rows, whether definitions came); None: an OK."""
        payload = self.one()
        if payload[:1] == b"\0":
            return None
        count, at = lenenc(payload, 0)
        follows = payload[at]
        assert len(payload) == at + 1
        names = self.names(count) if follows else self.known[number]
        assert len(names) == count
        if number is not None:
            self.known[number] = names
        if cursor:
            self.packet()
            return names, [], follows
        self.eof()
        return names, self.fetched(), follows

    def run(self, number, values=()):
        self.execute(number, values)
        return self.answer(number)

    def query(self, sql):
        self.command(my_wire.QUERY, sql.encode())
        got = self.answer()
        if got is None:
            return None
        assert got[2] == 1
        return [self.texts(row) for row in got[1]]


@pytest.fixture(scope="module")
def root(my_cluster):
    with my.connect(my_cluster.primary().port, "root", "") as connection:
        yield connection


@pytest.fixture(params=[my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF, 0], ids=["modern", "eof"])
def flags(request):
    return request.param


@pytest.fixture
def table(root, my_cluster):
    my.rows(root, "CREATE OR REPLACE TABLE wide (a INT, b VARCHAR(10))")
    my.rows(root, "INSERT INTO wide VALUES (1, 'x'), (2, 'y')")
    my_cluster.caught_up()  # it was written past the proxy
    yield "wide"


def story(wire, alter):
    """What definitions came with each execution of a statement while its table changes."""
    told = []
    number = wire.prepare("SELECT * FROM wide WHERE a < ?")
    for change in (None, None, "ADD c INT DEFAULT 7", None, None, "MODIFY b VARCHAR(20)", None, "DROP c", None):
        if change:
            alter(change)
        names, rows, follows = wire.run(number, [3])
        told.append((names, rows, follows))
    other = wire.prepare("SELECT ? AS what")
    for value in (1, 2, b"text", b"text"):
        told.append(wire.run(other, [value]))
    return told


def test_definitions_come_as_from_the_server(my_ringway, my_cluster, root, table, flags):
    proxy = my_ringway({"clusters": {"shop": {"read_splitting": False}}})
    with Caching(my_cluster.primary().port, more=flags) as direct:
        expected = story(direct, lambda change: my.rows(root, f"ALTER TABLE wide {change}"))
    assert sum(not follows for _, _, follows in expected) >= 5, [follows for _, _, follows in expected]
    my.rows(root, "CREATE OR REPLACE TABLE wide (a INT, b VARCHAR(10))")
    my.rows(root, "INSERT INTO wide VALUES (1, 'x'), (2, 'y')")
    with Caching(proxy.mysql_port, more=flags) as through:
        assert story(through, lambda change: my.rows(root, f"ALTER TABLE wide {change}")) == expected


def test_y19_statements_on_connections_that_others_have_used(my_ringway, root, table, flags):
    """Each client has its own idea of a statement's columns, whoever has executed it where."""
    proxy = my_ringway({"general": {"pool_size": 1}, "clusters": {"shop": {"read_splitting": False}}})
    with Caching(proxy.mysql_port, more=flags) as a, Caching(proxy.mysql_port, more=flags) as b, \
            Wire(proxy.mysql_port, more=flags) as plain:
        of_a, of_b = (each.prepare("SELECT * FROM wide WHERE a = ?") for each in (a, b))
        of_plain = plain.prepare("SELECT * FROM wide WHERE a = ?")[0]
        columns = ["a", "b"]
        for turn in range(12):
            if turn % 3 == 1:
                my.rows(root, f"ALTER TABLE wide ADD c{turn} INT")
                columns.append(f"c{turn}")
            for wire, number in ((a, of_a), (b, of_b), (b, of_b)) if turn % 2 else ((b, of_b), (a, of_a)):
                names, rows, _ = wire.run(number, [1])
                assert names == columns and len(rows) == 1
            plain.execute(of_plain, [1])
            assert plain.result()[0] == columns
        assert a.run(of_a, [1])[2] == b.run(of_b, [2])[2] == 0


def test_every_other_result_tells_its_definitions(my_proxy, root, table, flags):
    with Caching(my_proxy.mysql_port, more=flags | my_wire.MULTI_STATEMENTS | my_wire.MULTI_RESULTS) as a:
        assert a.query("SELECT 1, 'x'") == [[b"1", b"x"]]
        a.command(my_wire.QUERY, b"SELECT 1; SELECT 2, 3")
        assert [len(a.answer()[0]) for _ in range(2)] == [1, 2]
        for _ in range(3):
            a.query("SELECT CAST('x' AS SIGNED)")
            assert a.query("SHOW COUNT(*) WARNINGS") == [[b"1"]]
            a.query("SELECT CAST('x' AS SIGNED)")
            assert [row[1] for row in a.query("SHOW WARNINGS")] == [b"1292"]
        my.rows(root, "CREATE OR REPLACE PROCEDURE several() BEGIN SELECT 1 AS x; SELECT 2 AS y, 3 AS z; END")
        number = a.prepare("CALL several()")
        for _ in range(3):
            a.execute(number)
            assert a.answer()[0] == ["x"] and a.answer()[0] == ["y", "z"] and a.answer() is None


def test_a_cursor_uses_what_its_statement_has(my_proxy, table, flags):
    with Caching(my_proxy.mysql_port, more=flags) as a:
        number = a.prepare("SELECT a, b FROM wide ORDER BY a")
        for _ in range(3):
            a.execute(number, flags=CURSOR)
            names, _, _ = a.answer(number, cursor=True)
            assert names == ["a", "b"]
            a.command(my_wire.FETCH, struct.pack("<II", number, 10))
            assert len(a.fetched()) == 2
            a.simple(my_wire.RESET, struct.pack("<I", number))


@pytest.mark.parametrize("count", [255, 256, 257, 512, 4000])
def test_many_columns(my_proxy, count, flags):
    """More than a sequence number counts, and more than is held back."""
    with Caching(my_proxy.mysql_port, more=flags) as a:
        number = a.prepare("SELECT " + ",".join(f"{n} AS c{n}" for n in range(count)) + " UNION ALL SELECT " +
                           ",".join(str(n) for n in range(count)))
        came = []
        for _ in range(3):
            names, rows, follows = a.run(number)
            assert names == [f"c{n}" for n in range(count)] and len(rows) == 2
            came.append(follows)
        assert came[1:] == ([1, 1] if count == 4000 else [0, 0])
        assert a.query("SELECT 1") == [[b"1"]]


def test_errors_and_what_follows(my_proxy, table, flags):
    with Caching(my_proxy.mysql_port, more=flags) as a:
        number = a.prepare("SELECT a, (SELECT x.a FROM wide AS x WHERE x.a <= wide.a) AS s FROM wide ORDER BY a")
        for _ in range(3):
            with pytest.raises(my_wire.ServerError) as many:
                a.run(number)
            assert many.value.code == 1242
        other = a.prepare("SELECT a FROM wide")
        assert [a.run(other)[2] for _ in range(3)][1:] == [0, 0]
        with pytest.raises(my_wire.ServerError):
            a.prepare("SELECT bad")


@pytest.mark.parametrize("compress", ["zlib", "zstd"])
def test_with_compression_on_both_sides(ringway, my_cluster, table, compress):
    proxy = ringway({**MY_SETTINGS, "clusters": {"shop": {"server_compression": "zlib"}}}, clusters=my_cluster)
    with Caching(proxy.mysql_port, compress=compress) as a:
        number = a.prepare("SELECT REPEAT(b, 100000) AS r, a FROM wide WHERE a = 1")
        came = [a.run(number) for _ in range(3)]
        assert [each[0] for each in came] == [["r", "a"]] * 3 and came[0][1] == came[1][1] == came[2][1]
        assert came[2][2] == 0
