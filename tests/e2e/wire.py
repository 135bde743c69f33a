"""A client of PostgreSQL's protocol 3 that sends exactly the bytes it is given, so that the proxy can be compared with a server."""

import select
import socket
import struct
import time

PROTOCOL_3_0 = 3 << 16
PROTOCOL_3_2 = PROTOCOL_3_0 | 2
INT4, INT8, TEXT = 23, 20, 25


class Closed(Exception):
    """The other side has closed the connection."""


def message(kind, body=b""):
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def cstring(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def shorts(values):
    return struct.pack("!H", len(values)) + b"".join(struct.pack("!H", each) for each in values)


def values_of(values):
    """A count and each value: None, bytes, or what str() makes of it."""
    made = [struct.pack("!H", len(values))]
    for each in values:
        if each is None:
            made.append(struct.pack("!i", -1))
        else:
            raw = each if isinstance(each, bytes) else str(each).encode()
            made.append(struct.pack("!i", len(raw)) + raw)
    return b"".join(made)


def query(sql):
    return message("Q", cstring(sql))


def parse(sql, name="", types=()):
    oids = struct.pack("!H", len(types)) + b"".join(struct.pack("!I", each) for each in types)
    return message("P", cstring(name) + cstring(sql) + oids)


def bind(values=(), name="", portal="", formats=(), results=()):
    return message("B", cstring(portal) + cstring(name) + shorts(formats) + values_of(values) + shorts(results))


def describe(kind, name=""):
    return message("D", kind.encode() + cstring(name))


def execute(portal="", max_rows=0):
    return message("E", cstring(portal) + struct.pack("!i", max_rows))


def close(kind, name=""):
    return message("C", kind.encode() + cstring(name))


def flush():
    return message("H")


def sync():
    return message("S")


def terminate():
    return message("X")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(why="stopped"):
    return message("f", cstring(why))


def password(text):
    return message("p", cstring(text))


def function_call(oid, values, formats=(), result=0):
    return message("F", struct.pack("!I", oid) + shorts(formats) + values_of(values) + struct.pack("!H", result))


def startup(user, database, version=PROTOCOL_3_0, **settings):
    pairs = {"user": user, "database": database} | settings
    body = struct.pack("!i", version) + b"".join(cstring(k) + cstring(v) for k, v in pairs.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_request(pid, key):
    return struct.pack("!iii", 12 + len(key), 80877102, pid) + key


def ssl_request():
    return struct.pack("!ii", 8, 80877103)


def gss_request():
    return struct.pack("!ii", 8, 80877104)


def one(sql, values=(), name="", types=(), **more):
    """The four messages that run one statement, without a Sync."""
    return parse(sql, name, types) + bind(values, name, **more) + describe("P") + execute()


class Wire:
    """One connection, logged in by trust unless login=False. `parameters`, `pid` and `key` are what the greeting told."""

    def __init__(self, port, user="app", database="app", login=True, limit=15.0, tls=None, **settings):
        self.limit, self.buffer = limit, b""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.parameters, self.pid, self.key = {}, 0, b""
        if login:
            self.send(startup(user, database, **settings))
            self.greeting()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def send(self, raw):
        self.socket.settimeout(self.limit)
        self.socket.sendall(raw)
        return self

    def receive(self, count, limit=None):
        """Exactly `count` bytes; TimeoutError after `limit` seconds, Closed at the end of the stream."""
        end = time.monotonic() + (limit or self.limit)
        while len(self.buffer) < count:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                got = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                got = b""
            if not got:
                raise Closed(f"{len(self.buffer)} of {count} bytes before the end")
            self.buffer += got
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def message(self, limit=None):
        """The next message: its type and body."""
        head = self.receive(5, limit)
        (length,) = struct.unpack("!i", head[1:])
        return head[:1].decode(), self.receive(length - 4, limit)

    def greeting(self):
        """Reads to the first ReadyForQuery; returns everything that came."""
        came = []
        while not came or came[-1][0] != "Z":
            kind, body = self.message()
            came.append((kind, body))
            if kind == "S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            elif kind == "K":
                self.pid, self.key = struct.unpack("!i", body[:4])[0], body[4:]
            elif kind == "E":
                raise Closed(fields(body))
        return came

    def until(self, stop, count=1, limit=None):
        """Messages up to and with the `count`-th of a type in `stop`."""
        came = []
        while count:
            came.append(self.message(limit))
            count -= came[-1][0] in stop
        return came

    def run(self, raw, ready=1, limit=None):
        """Sends, and returns what comes up to the `ready`-th ReadyForQuery."""
        return self.send(raw).until("Z", ready, limit)

    def rows(self, sql):
        """The rows of a simple Query as lists of bytes or None; AssertionError with the fields of an error."""
        came = self.run(query(sql))
        errors = [fields(body) for kind, body in came if kind == "E"]
        assert not errors, errors
        return [row(body) for kind, body in came if kind == "D"]

    def value(self, sql):
        got = self.rows(sql)[0][0]
        return None if got is None else got.decode()

    def silent(self, seconds=0.25):
        """Nothing comes for that long."""
        if self.buffer:
            return False
        return not select.select([self.socket], [], [], seconds)[0]

    def ended(self, limit=5.0):
        """What comes until the other side closes; TimeoutError when it does not."""
        came = []
        try:
            while True:
                came.append(self.message(limit))
        except Closed:
            return came

    def end(self):
        """Closes without a word."""
        self.socket.close()

    def reset(self):
        """Closes as a killed process does whose peer has data under way: with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def cancel(port, pid, key):
    """Sends a CancelRequest and waits for the close that answers it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(cancel_request(pid, key))
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass


def fields(body):
    """The fields of an ErrorResponse or NoticeResponse by their one-letter names."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def row(body):
    """The values of a DataRow."""
    (count,) = struct.unpack("!H", body[:2])
    at, values = 2, []
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at:at + 4])
        at += 4
        values.append(None if length < 0 else body[at:at + length])
        at += max(length, 0)
    return values


def normalised(came):
    """Messages without what differs from one connection to the next: keys, pids, and where in its source a server raised an error."""
    made = []
    for kind, body in came:
        if kind in "EN":
            body = {name: value for name, value in fields(body).items() if name not in "FLR"}
        elif kind == "K":
            body = "key"
        elif kind == "A":
            body = body[4:]
        made.append((kind, body))
    return made


def replies(wire, raw, ready=1, limit=None):
    """What `raw` is answered with up to the `ready`-th ReadyForQuery, normalised for comparison."""
    return normalised(wire.run(raw, ready, limit))


def kinds(came):
    """The types of messages as one string."""
    return "".join(kind for kind, _ in came)


def codes(came):
    """The SQLSTATEs of the errors in a list of messages, normalised or not."""
    return [(body if isinstance(body, dict) else fields(body))["C"] for kind, body in came if kind == "E"]
