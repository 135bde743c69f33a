"""MySQL's protocol by hand, packet by packet: what drivers do not let a test say."""

import ctypes
import ctypes.util
import hashlib
import socket
import ssl
import struct
import zlib

LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS = 4, 8, 0x200, 0x2000
SECURE, MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS = 0x8000, 0x10000, 0x20000, 0x40000
PLUGIN_AUTH, SESSION_TRACK, DEPRECATE_EOF = 0x80000, 0x800000, 0x1000000
FOUND_ROWS, LOCAL_FILES, SSL, COMPRESS, ZSTD = 2, 0x80, 0x800, 0x20, 1 << 26
BASE = LONG_FLAG | CONNECT_WITH_DB | PROTOCOL_41 | TRANSACTIONS | SECURE | MULTI_RESULTS | PS_MULTI_RESULTS | PLUGIN_AUTH

QUIT, INIT_DB, QUERY, STATISTICS, KILL, PING, CHANGE_USER = 1, 2, 3, 9, 12, 14, 17
PREPARE, EXECUTE, LONG_DATA, CLOSE, RESET, SET_OPTION, FETCH, RESET_CONNECTION = 22, 23, 24, 25, 26, 27, 28, 31
BULK_EXECUTE, BULK = 250, 4  # the command; MariaDB's own capability
IN_TRANSACTION, AUTOCOMMIT, CURSOR_EXISTS, LAST_ROW_SENT = 1, 2, 0x40, 0x80


class ServerError(Exception):
    def __init__(self, payload):
        self.code = struct.unpack_from("<H", payload, 1)[0]
        self.sqlstate, self.message = payload[4:9].decode(), payload[9:].decode(errors="replace")
        super().__init__(f"{self.code} ({self.sqlstate}) {self.message}")


def lenenc(data, at):
    first = data[at]
    if first < 0xfb:
        return first, at + 1
    size = {0xfc: 2, 0xfd: 3, 0xfe: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size


def lenenc_text(text):
    size = len(text)
    head = bytes([size]) if size < 0xfb else b"\xfc" + struct.pack("<H", size) if size < 1 << 16 else (
        b"\xfd" + struct.pack("<I", size)[:3] if size < 1 << 24 else b"\xfe" + struct.pack("<Q", size))
    return head + text


def scramble(password, nonce):
    once = hashlib.sha1(password.encode()).digest()
    twice = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    return bytes(x ^ y for x, y in zip(once, twice)) if password else b""


class Zstd:
    """The library itself: Python has no module for it."""

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        for name in ("ZSTD_compress", "ZSTD_decompress", "ZSTD_compressBound"):
            getattr(self.library, name).restype = ctypes.c_size_t

    def compress(self, plain):
        room = self.library.ZSTD_compressBound(ctypes.c_size_t(len(plain)))
        out = ctypes.create_string_buffer(room)
        size = self.library.ZSTD_compress(out, ctypes.c_size_t(room), plain, ctypes.c_size_t(len(plain)), 1)
        return out.raw[:size]

    def decompress(self, packed, size):
        out = ctypes.create_string_buffer(size)
        assert self.library.ZSTD_decompress(out, ctypes.c_size_t(size), packed, ctypes.c_size_t(len(packed))) == size
        return out.raw


class Compressed:
    """A socket whose bytes go in packets of the compressed protocol; both sides' numbers are checked."""

    def __init__(self, plain, method):
        self.plain, self.method, self.number, self.held = plain, method, 0, b""
        self.zstd = Zstd() if method == "zstd" else None
        self.saved = 0

    def sendall(self, data, starts):
        self.number = 0 if starts else self.number
        for at in range(0, len(data), 1 << 20):
            piece = data[at:at + (1 << 20)]
            packed = piece if len(piece) < 50 else self.zstd.compress(piece) if self.zstd else zlib.compress(piece)
            before = 0 if packed is piece else len(piece)
            self.plain.sendall(len(packed).to_bytes(3, "little") + bytes([self.number & 255]) + before.to_bytes(3, "little") + packed)
            self.number += 1

    def exactly(self, size):
        while len(self.held) < size:
            got = self.plain.recv(1 << 20)
            if not got:
                raise ConnectionError("closed")
            self.held += got
        out, self.held = self.held[:size], self.held[size:]
        return out

    def recv(self, _):
        try:
            head = self.exactly(7)
        except ConnectionError:
            return b""
        size, before = int.from_bytes(head[:3], "little"), int.from_bytes(head[4:], "little")
        assert head[3] == self.number & 255, (head[3], self.number)
        self.number += 1
        packed = self.exactly(size)
        self.saved += max(0, before - size)
        return packed if not before else self.zstd.decompress(packed, before) if self.zstd else zlib.decompress(packed)

    def close(self):
        self.plain.close()


class Wire:
    """One connection, logged in by mysql_native_password; `tls`: and encrypted, `compress`: by "zlib" or "zstd"; `ask`: by its password, which is asked for."""

    def __init__(self, port, user="app", password="app", database="shop", more=SESSION_TRACK | DEPRECATE_EOF, collation=45,
                 mariadb=0, tls=False, compress=None, ask=False):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held, self.sequence, self.status = b"", 0, 0
        hello = self.packet()
        at = hello.index(b"\0", 1) + 1
        self.version = hello[1:at - 1].decode()
        self.id = struct.unpack_from("<I", hello, at)[0]
        nonce = hello[at + 4:at + 12] + hello[at + 31:at + 43]
        self.offered = struct.unpack_from("<H", hello, at + 13)[0] | struct.unpack_from("<H", hello, at + 18)[0] << 16
        more |= {None: 0, "zlib": COMPRESS, "zstd": ZSTD}[compress] | (SSL if tls else 0)
        self.capabilities = (BASE | more) & (self.offered | CONNECT_WITH_DB)
        start = struct.pack("<IIB", self.capabilities, 1 << 30, collation) + b"\0" * 19 + struct.pack("<I", mariadb)
        if tls:
            self.send(start, self.sequence)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
            self.sequence += 1
        answer = scramble(password, nonce)
        self.send(start + user.encode() + b"\0" + bytes([len(answer)]) + answer + database.encode() + b"\0mysql_native_password\0" +
                  (b"\3" if compress == "zstd" else b""), self.sequence)
        if ask:  # asked for the password itself, by caching_sha2_password over TLS
            assert tls and self.packet().startswith(b"\xfecaching_sha2_password")
            self.send(b"x" * 32, self.sequence)
            assert self.packet() == b"\1\4"
            self.send(password.encode() + b"\0", self.sequence)
        self.one()
        if compress:
            assert self.capabilities & {"zlib": COMPRESS, "zstd": ZSTD}[compress]
            self.socket = Compressed(self.socket, compress)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- packets ----

    def send(self, payload, sequence=0):
        out, starts = b"", sequence == 0
        while True:
            part, payload = payload[:0xffffff], payload[0xffffff:]
            out += struct.pack("<I", len(part))[:3] + bytes([sequence & 255]) + part
            sequence += 1
            if len(part) < 0xffffff:
                return self.socket.sendall(out, starts) if isinstance(self.socket, Compressed) else self.socket.sendall(out)

    def exactly(self, size):
        parts = [self.held]
        have = len(self.held)
        while have < size:
            got = self.socket.recv(1 << 20)
            if not got:
                raise ConnectionError("closed")
            parts.append(got)
            have += len(got)
        data = b"".join(parts)
        self.held = data[size:]
        return data[:size]

    def packet(self):
        whole = b""
        while True:
            head = self.exactly(4)
            size = int.from_bytes(head[:3], "little")
            self.sequence = head[3] + 1
            whole += self.exactly(size)
            if size < 0xffffff:
                return whole

    def one(self):
        """One packet that is an OK, an EOF or anything but an error."""
        payload = self.packet()
        if payload[:1] == b"\xff":
            raise ServerError(payload)
        if payload[:1] == b"\0":
            _, at = lenenc(payload, 1)
            _, at = lenenc(payload, at)
            self.status = struct.unpack_from("<H", payload, at)[0]
        return payload

    def end(self, payload):
        """Whether a packet ends the rows; keeps its status."""
        if payload[:1] != b"\xfe" or len(payload) >= 0xffffff:
            return False
        if self.capabilities & DEPRECATE_EOF:
            _, at = lenenc(payload, 1)
            _, at = lenenc(payload, at)
            self.status = struct.unpack_from("<H", payload, at)[0]
            return True
        if len(payload) < 9:
            self.status = struct.unpack_from("<H", payload, 3)[0]
            return True
        return False

    def eof(self):
        if not self.capabilities & DEPRECATE_EOF:
            assert self.end(self.packet())

    # ---- commands ----

    def command(self, what, body=b""):
        self.send(bytes([what]) + body)

    def simple(self, what, body=b""):
        self.command(what, body)
        return self.one()

    def result(self):
        """(column names, raw rows) of one result; None: an OK."""
        payload = self.one()
        if payload[:1] == b"\0":
            return None
        count, _ = lenenc(payload, 0)
        names = []
        for _ in range(count):
            column = self.packet()
            at = 0
            for field in range(5):
                size, at = lenenc(column, at)
                name = column[at:at + size]
                at += size
            names.append(name.decode(errors="replace"))
        self.eof()
        if self.status_of_cursor():
            return names, []
        return names, self.fetched()

    def status_of_cursor(self):
        return False

    def fetched(self):
        rows = []
        while True:
            payload = self.packet()
            if payload[:1] == b"\xff":
                raise ServerError(payload)
            if self.end(payload):
                return rows
            rows.append(payload)

    @staticmethod
    def texts(row):
        out, at = [], 0
        while at < len(row):
            if row[at] == 0xfb:
                out.append(None)
                at += 1
                continue
            size, at = lenenc(row, at)
            out.append(row[at:at + size])
            at += size
        return out

    def query(self, sql):
        """Rows of texts; None: an OK."""
        self.command(QUERY, sql if isinstance(sql, bytes) else sql.encode())
        found = self.result()
        return None if found is None else [self.texts(row) for row in found[1]]

    def prepare(self, sql):
        """(id, columns, parameters)."""
        self.command(PREPARE, sql.encode())
        return self.prepared()

    def prepared(self):
        payload = self.packet()
        if payload[:1] == b"\xff":
            raise ServerError(payload)
        number, columns, parameters = struct.unpack_from("<IHH", payload, 1)
        for count in (parameters, columns):
            for _ in range(count):
                self.packet()
            if count:
                self.eof()
        return number, columns, parameters

    def execute(self, number, values=(), types=True, flags=0, long=()):
        """Values are int, bytes or None; `long`: positions sent before. What comes back is result()'s to read."""
        body = struct.pack("<IBI", number, flags, 1)
        if values:
            nulls = bytearray((len(values) + 7) // 8)
            for at, one in enumerate(values):
                if one is None:
                    nulls[at // 8] |= 1 << at % 8
            body += bytes(nulls) + bytes([1 if types else 0])
            if types:
                body += b"".join(struct.pack("<H", 8 if isinstance(one, int) else 253) for one in values)
            for at, one in enumerate(values):
                if one is not None and at not in long:
                    body += struct.pack("<q", one) if isinstance(one, int) else lenenc_text(one)
        self.command(EXECUTE, body)
