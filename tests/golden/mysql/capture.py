#!/usr/bin/python3
"""Writes the golden files beside it: what real servers and clients said, byte for byte.

    capture.py SERVER HOST PORT      SERVER: mariadb-10.11 | mysql-5.6; root without a password, auth_ed25519 loaded

A file has a line for each direction of an exchange:
    capabilities HEX     those of the login, MariaDB's in the upper half
    C HEX, S HEX         packets of the client and of the server
    = name value ...     what the answer before it must be found to be, as the scenario says
The end of an answer is found without any knowledge of the protocol: the server says nothing more for a while.
"""
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).parent
QUIET = 0.25

PROTOCOL_41, SECURE, PLUGIN, TRANSACTIONS, LONG_FLAG = 1 << 9, 1 << 15, 1 << 19, 1 << 13, 1 << 2
MULTI = 1 << 16 | 1 << 17 | 1 << 18
LOCAL_FILES, CLIENT_MYSQL, FOUND_ROWS = 1 << 7, 1, 1 << 1
TRACK, DEPRECATE = 1 << 23, 1 << 24
PROGRESS, BULK, EXTENDED, CACHE = 1 << 32, 1 << 34, 1 << 35, 1 << 36

BASE = PROTOCOL_41 | SECURE | PLUGIN | TRANSACTIONS | LONG_FLAG | MULTI | LOCAL_FILES
MODES = {
    "mariadb-10.11": {
        "plain": BASE | CLIENT_MYSQL,
        "tracking": BASE | CLIENT_MYSQL | TRACK,
        "modern": BASE | TRACK | DEPRECATE | BULK | EXTENDED | CACHE,
    },
    "mysql-5.6": {"plain": BASE | CLIENT_MYSQL | LONG_FLAG},
}


def lenenc(text):
    return bytes([len(text)]) + text


def packet(payload, sequence=0):
    return struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload


class Connection:
    def __init__(self, host, port, capabilities, out):
        self.socket = socket.create_connection((host, port))
        self.out = out
        self.quiet()
        self.note("capabilities %x" % capabilities)
        login = struct.pack("<IIB", capabilities & 0xFFFFFFFF, 1 << 24, 45) + bytes(19)
        login += struct.pack("<I", 0 if capabilities & CLIENT_MYSQL else capabilities >> 32)
        login += b"root\0" + b"\0" + b"mysql_native_password\0"
        self.send(packet(login, 1))
        self.quiet()

    def note(self, line):
        self.out.append(line)

    def send(self, data):
        self.note("C " + data.hex())
        self.socket.sendall(data)

    def quiet(self):
        got = b""
        self.socket.settimeout(5)
        try:
            while piece := self.socket.recv(1 << 16):
                got += piece
                self.socket.settimeout(QUIET)
        except TimeoutError:
            pass
        if got:
            self.note("S " + got.hex())
        return got

    def run(self, payload, *expected):
        """A command, its answer, and what the answer must be found to be."""
        self.send(packet(payload))
        answer = self.quiet()
        if expected:
            self.note("= " + " ".join(str(each) for each in expected))
        return answer

    def query(self, sql, *expected):
        return self.run(b"\x03" + sql.encode(), *expected)

    def prepare(self, sql, parameters, columns):
        answer = self.run(b"\x16" + sql.encode(), "parameters", parameters, "columns_prepared", columns)
        return answer[5:9]


LONG, STRING, LONGLONG, DOUBLE, DATETIME, TIME, BLOB = 3, 254, 8, 5, 12, 11, 252


def types(*kinds):
    return b"\x01" + b"".join(bytes([kind & 0xFF, 0x80 if kind > 0xFF else 0]) for kind in kinds)


def execute(statement, rest, flags=0):
    return b"\x17" + statement + bytes([flags]) + struct.pack("<I", 1) + rest


def commands(c, server, mode):
    modern = mode == "modern"
    tracked = mode != "plain"
    c.query("CREATE DATABASE golden", "affected", 1, "results", 1, "status", 2)
    c.run(b"\x02golden", "results", 0, *(["schema", "golden"] if tracked else []))
    c.run(b"\x02missing", "error", 1049, "sqlstate", "42000")
    c.run(b"\x0e")
    c.query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(400), at DATETIME(6), d DECIMAL(10,2))")
    c.query("INSERT INTO t (name, d) VALUES ('one', 1.5), ('two', NULL)", "affected", 2, "last_id", 1, "results", 1)
    c.query("INSERT INTO t (name) VALUES (REPEAT('x', 300))", "affected", 1, "last_id", 3)
    c.query("SELECT * FROM t ORDER BY id", "results", 1, "columns", 4, "rows", 3)
    c.query("SELECT * FROM t WHERE id = 99", "columns", 4, "rows", 0)
    c.query("SELECT ''", "columns", 1, "rows", 1)
    c.query("SELECT bad", "error", 1054, "sqlstate", "42S22")
    c.query("SELECT 1; SELECT bad; SELECT 2", "results", 1, "error", 1054)
    c.query("SELECT 1; INSERT INTO t (name) VALUES ('four'); SELECT 2, 3", "results", 3, "rows", 2, "columns", 2)
    c.query("BEGIN", "status", 3)
    c.query("DELETE FROM t WHERE id = 4", "affected", 1, "status", 3)
    c.query("ROLLBACK", "status", 2)
    c.query("SET autocommit = 0", "status", 0, *(["variable", "autocommit=OFF"] if tracked else []))
    c.query("SET autocommit = 1", "status", 2, *(["variable", "autocommit=ON"] if tracked else []))
    c.query("CREATE PROCEDURE p(OUT n INT) BEGIN SELECT 1; SELECT id FROM t LIMIT 2; SET n = 7; END")
    c.query("CALL p(@n)", "results", 3, "rows", 3)
    c.query("SELECT 1 / 0", "rows", 1, "warnings", 0 if server == "mysql-5.6" else 1)

    s = c.prepare("SELECT id, name, ?, ? FROM t WHERE id = ?", 3, 4)
    c.run(execute(s, b"\0" + types(STRING, DOUBLE, LONG) + lenenc(b"text") + struct.pack("<di", -0.5, 2)),
          "rows", 1, "columns", 4)
    c.run(execute(s, b"\x01" + b"\x00" + struct.pack("<di", 2.5, 1)), "rows", 1, "columns", 4)
    c.run(b"\x18" + s + struct.pack("<H", 0) + b"long ")
    c.run(b"\x18" + s + struct.pack("<H", 0) + b"data")
    c.run(execute(s, b"\0" + types(BLOB, DOUBLE, LONG) + struct.pack("<di", 0.25, 3)), "rows", 1)
    c.run(b"\x1a" + s)
    c.run(b"\x19" + s)
    c.run(execute(s, b"\0" + types(STRING, DOUBLE, LONG) + lenenc(b"text") + struct.pack("<di", -0.5, 2)), "error", 1243)
    s = c.prepare("SELECT ?, ?, ?, CAST(? AS UNSIGNED)", 4, 4)
    moment = struct.pack("<BHBBBBBI", 11, 2024, 2, 29, 12, 30, 59, 500000)
    span = struct.pack("<BBIBBBI", 12, 1, 1, 2, 3, 4, 250000)
    c.run(execute(s, b"\0" + types(DATETIME, TIME, LONGLONG, LONGLONG | 0x100) + moment + span
                  + struct.pack("<qQ", -5, 2**64 - 1)), "rows", 1)
    c.prepare("DO 1", 0, 0)
    c.run(b"\x16SELECT FROM", "error", 1064)
    s = c.prepare("SELECT id FROM t ORDER BY id", 0, 1)
    c.run(execute(s, b"", flags=1), "rows", 0, "columns", 1, "cursor", 1)
    c.run(b"\x1c" + s + struct.pack("<I", 3), "rows", 3, "cursor", 1)
    c.run(b"\x1c" + s + struct.pack("<I", 3), "rows", 1, "cursor", 0)
    c.run(b"\x1c" + s + struct.pack("<I", 3), "error", 1421)
    c.run(execute(s, b""), "rows", 4, "cursor", 0)
    s = c.prepare("CALL p(?)", 1, 0)
    c.run(execute(s, b"\x01" + types(LONG)), "results", 4, "rows", 4)
    if modern:
        c.run(execute(b"\xff\xff\xff\xff", b"\x01" + types(LONG)), "results", 4)
        s = c.prepare("INSERT INTO t (id, name) VALUES (?, ?)", 2, 0)
        c.run(b"\xfa" + s + struct.pack("<H", 128) + types(LONG, STRING)[1:] + b"\0" + struct.pack("<i", 101) + b"\0"
              + lenenc(b"a") + b"\0" + struct.pack("<i", 102) + b"\x01" + b"\x02" + b"\0" + lenenc(b"c"), "affected", 3)

    c.query("LOAD DATA LOCAL INFILE 'client.csv' INTO TABLE t FIELDS TERMINATED BY ',' (id, name)", "file", "client.csv")
    c.send(packet(b"201,x\n202,y\n", 2) + packet(b"", 3))
    c.quiet()
    c.note("= affected 2 results 1")
    c.query("SHOW WARNINGS", "columns", 3)
    c.run(b"\x09", "results", 0)
    c.run(b"\x04t\0", "results", 0)
    c.run(b"\x04missing\0", "error", 1146)
    c.run(b"\x1b\x01\x00")
    c.query("SELECT 1; SELECT 2", "error", 1064)
    c.run(b"\x1b\x00\x00")
    c.run(b"\x0c" + struct.pack("<I", 999999), "error", 1094)
    c.run(b"\x0a", "results", 1)
    if server == "mysql-5.6":
        c.run(b"\x1f", "error", 1047)
    else:
        c.run(b"\x1f", "results", 0)
    c.query("DROP DATABASE golden")


def relayed(host, port, command, out, sql="SELECT 'through'", answer=b"through"):
    """A real client's session, recorded by a relay in the middle."""
    listener = socket.create_server(("127.0.0.1", 0))
    printed = tempfile.TemporaryFile()
    child = subprocess.Popen(command + ["-h127.0.0.1", "-P%d" % listener.getsockname()[1], "-psecret", "-e", sql], stdout=printed)
    client, _ = listener.accept()
    server = socket.create_connection((host, port))

    def carry(source, target, side):
        while data := source.recv(1 << 16):
            out.append("%s %s" % (side, data.hex()))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    other = threading.Thread(target=carry, args=(client, server, "C"))
    other.start()
    carry(server, client, "S")
    other.join()
    assert child.wait(timeout=10) == 0
    printed.seek(0)
    assert answer in printed.read()


def main():
    server, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for mode, capabilities in MODES[server].items():
        out = ["# %s, %s: written by capture.py" % (server, mode)]
        c = Connection(host, port, capabilities, out)
        commands(c, server, mode)
        (HERE / ("%s-%s.txt" % (server, mode))).write_text("\n".join(out) + "\n")
    logins = {"native": "IDENTIFIED BY 'secret'"}
    if server.startswith("mariadb"):
        logins["ed25519"] = "IDENTIFIED VIA ed25519 USING PASSWORD('secret')"
    admin = Connection(host, port, BASE | CLIENT_MYSQL, [])
    for name, how in logins.items():
        out = ["# %s, a login of Debian's mariadb client as golden_%s, password secret: written by capture.py" % (server, name)]
        admin.query("CREATE USER golden_%s@'%%' %s" % (name, how))
        relayed(host, port, ["mariadb", "--no-defaults", "--skip-ssl", "-ugolden_" + name], out)
        admin.query("DROP USER golden_%s@'%%'" % name)
        (HERE / ("%s-login-%s.txt" % (server, name))).write_text("\n".join(out) + "\n")
    out = ["# %s, Debian's mariadb client with --compress (zlib): written by capture.py" % server]
    admin.query("CREATE USER golden_zlib@'%' IDENTIFIED BY 'secret'")
    relayed(host, port, ["mariadb", "--no-defaults", "--skip-ssl", "--compress", "-ugolden_zlib"], out,
            "SELECT REPEAT('compressible ', 20000)", b"compressible " * 20000)
    admin.query("DROP USER golden_zlib@'%'")
    (HERE / ("%s-zlib.txt" % server)).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
