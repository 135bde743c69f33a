#!/usr/bin/python3
"""What a sharded cluster costs beside what it is made of: four shards through Ringway, each figure with its reference of the same run."""
import argparse
import bisect
import hashlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import psycopg

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from side_by_side import cpu_seconds  # noqa: E402
from stack import BIN, ENV, ROOT, USER, free_port  # noqa: E402

SHARDS = 4
TABLE = ("CREATE TABLE readings (id bigint PRIMARY KEY, sensor int, value numeric, note text); CREATE INDEX ON readings (sensor);"
         "CREATE TABLE loaded (LIKE readings INCLUDING ALL)")


class Cluster:
    """`shards` primaries, filled alike, as a `with` block."""

    def __init__(self, place, name, shards):
        self.place, self.shards = place / name, shards

    def run(self, *words):
        settings = {"PG_SUPERUSER": USER, "PG_PASSWORD": USER, "PG_DATABASES": USER, "PG_AUTH": "scram-sha-256", "PG_MAX_CONNECTIONS": "100"}
        return subprocess.run([ROOT / "tests/servers/pg_cluster.sh", words[0], self.place, *words[1:]], env={**ENV, **settings},
                              check=True, text=True, timeout=180, stdout=subprocess.PIPE).stdout

    def __enter__(self):
        self.run("up", str(self.shards), "0")
        self.ports = [int(line.split()[3]) for line in (self.place / "nodes").read_text().splitlines()]
        return self

    def __exit__(self, *_):
        self.run("down")


def connect(port):
    return psycopg.connect(host="127.0.0.1", port=port, user=USER, password=USER, dbname=USER, autocommit=True)


def config(place, port, clusters):
    out = [f'[listen]\npostgres = "127.0.0.1:{port}"\n[general]\nworkers = 1\nstate_dir = "{place}/state"\nread_splitting = false\n'
           f'[users.{USER}]\npassword = "{USER}"\n']
    for name, ports in clusters.items():
        nodes = "\n".join(f's{i} = {{ nodes = ["127.0.0.1:{each}"] }}' for i, each in enumerate(ports))
        out.append(f'[clusters.{name}]\ndatabase = "{USER}"\nmonitor_user = "{USER}"\nmonitor_password = "{USER}"\n[clusters.{name}.shards]\n{nodes}\n')
        if len(ports) > 1:
            out.append(f'[clusters.{name}.tables]\nreadings = {{ key = "id" }}\nloaded = {{ key = "id" }}\n')
    return "".join(out)


def read_all(connection, sql):
    """Bytes and seconds of one statement's answer, taken off the socket and thrown away."""
    sock = socket.socket(fileno=os.dup(connection.fileno()))
    sock.setblocking(True)
    buffer, total, tail = bytearray(1 << 20), 0, b""
    begin = time.perf_counter()
    sock.sendall(b"Q" + struct.pack("!i", len(sql) + 5) + sql.encode() + b"\0")
    while not (tail.endswith(b"Z\0\0\0\5I")):
        count = sock.recv_into(buffer)
        if count == 0:
            raise ConnectionError(sql)
        total += count
        tail = (tail + bytes(buffer[max(0, count - 6):count]))[-6:]
    took = time.perf_counter() - begin
    sock.close()
    return total, took


def at_once(connections, sql):
    """Seconds until every server has answered the same statement, asked of all at the same time: what this machine can do."""
    socks = [socket.socket(fileno=os.dup(each.fileno())) for each in connections]
    message = b"Q" + struct.pack("!i", len(sql) + 5) + sql.encode() + b"\0"
    begin = time.perf_counter()
    for each in socks:
        each.setblocking(True)
        each.sendall(message)
    for each in socks:
        tail = b""
        while not tail.endswith(b"Z\0\0\0\5I"):
            got = each.recv(1 << 16)
            if not got:
                raise ConnectionError(sql)
            tail = (tail + got)[-6:]
    took = time.perf_counter() - begin
    for each in socks:
        each.close()
    return took


class Durations:
    """What each shard's log says a statement took there, as a `with` block: seconds, also of what it waited for a core."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.logs = [pathlib.Path(line.split()[-1] + ".log") for line in (cluster.place / "nodes").read_text().splitlines()]

    def set(self, value):
        for each in self.cluster.ports:
            with connect(each) as server:
                server.execute(f"ALTER SYSTEM SET log_min_duration_statement = {value}")
                server.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)

    def __enter__(self):
        self.set(0)
        return self

    def __exit__(self, *_):
        self.set(-1)

    def of(self, run):
        """(seconds of the run, of each shard)"""
        before = [each.stat().st_size for each in self.logs]
        took, shards = run(), []
        for log, at in zip(self.logs, before):
            for _ in range(200):
                found = re.findall(rb"duration: ([0-9.]+) ms.*readings", log.read_bytes()[at:])
                if found:
                    break
                time.sleep(0.01)
            shards.append(sum(float(each) for each in found) / 1e3)
        return took, shards


def best(times, sql, connection):
    return min((read_all(connection, sql) for _ in range(times)), key=lambda pair: pair[1])


def load(connection, pieces):
    """Seconds of a COPY of these pieces into an empty table."""
    connection.execute("TRUNCATE loaded")
    begin = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy("COPY loaded FROM STDIN") as copy:
        for each in pieces:
            copy.write(each)
    return time.perf_counter() - begin


def pgbench_cpu(process, port, database, seconds, scripts, place):
    """CPU microseconds of the proxy for one transaction."""
    before = cpu_seconds(process.pid)
    files = [word for each in scripts for word in ("-f", each)]
    out = subprocess.run([BIN / "pgbench", "-n", "-M", "extended", "-c", "8", "-j", "1", "-T", str(seconds), *files, "-h", "127.0.0.1",
                          "-p", str(port), "-U", USER, database], env=ENV, cwd=place, check=True, text=True, stdout=subprocess.PIPE).stdout
    count = next(int(line.split(":")[1].split("/")[0]) for line in out.splitlines() if "actually processed" in line)
    return (cpu_seconds(process.pid) - before) * 1e6 / count


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("ringway")
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--secs", type=int, default=3)
    chosen = options.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="ringway_shards."))
    place.chmod(0o755)
    port = free_port()
    with Cluster(place, "four", SHARDS) as four, Cluster(place, "one", 1) as one:
        (place / "ringway.toml").write_text(config(place, port, {"four": four.ports, "one": one.ports, "first": four.ports[:1]}))
        for each in [*four.ports, *one.ports]:
            with connect(each) as server:
                server.execute(TABLE)
        subprocess.run([chosen.ringway, "init", "--config", place / "ringway.toml"], check=True, stdout=subprocess.DEVNULL)
        proxy = subprocess.Popen([chosen.ringway, "--config", place / "ringway.toml"], stderr=open(place / "log", "w"))
        try:
            for _ in range(100):
                try:
                    psycopg.connect(host="127.0.0.1", port=port, user=USER, password=USER, dbname="four").execute("SELECT count(*) FROM readings")
                    break
                except psycopg.Error:
                    time.sleep(0.1)
            fill(chosen, four, one)
            compare(chosen, place, port, proxy, four, one)
        finally:
            proxy.terminate()
            proxy.wait(30)
    shutil.rmtree(place, ignore_errors=True)


def position(text):
    return int.from_bytes(hashlib.md5(text.encode()).digest()[:8], "big")


def fill(chosen, four, one):
    """The same rows on one server, and on the shards that own their keys."""
    points = sorted((position(f"s{shard}-{i}"), shard) for shard in range(SHARDS) for i in range(150))
    places = [at for at, _ in points]
    parts = [[] for _ in range(SHARDS)]
    for key in range(1, chosen.rows + 1):
        owner = points[bisect.bisect_left(places, position(str(key))) % len(points)][1]
        parts[owner].append(f"{key}\t{key * 7919 % 1000}\t{key % 977 / 8}\treading {key}\n")
    for port, lines in [*zip(four.ports, parts), (one.ports[0], [line for part in parts for line in part])]:
        with connect(port) as server:
            with server.cursor() as cursor, cursor.copy("COPY readings FROM STDIN") as copy:
                for at in range(0, len(lines), 5000):
                    copy.write("".join(lines[at:at + 5000]))
            server.execute("VACUUM ANALYZE readings")


def compare(chosen, place, port, proxy, four, one):
    through = lambda name: psycopg.connect(host="127.0.0.1", port=port, user=USER, password=USER, dbname=name, autocommit=True)  # noqa: E731
    statement = "SELECT value FROM readings WHERE id = :id;\n"
    with connect(four.ports[0]) as server:
        own = [key for key, in server.execute("SELECT id FROM readings ORDER BY random() LIMIT 100")]
    for key in own:
        (place / f"{key}.sql").write_text(f"\\set id {key}\n{statement}")
    (place / "any.sql").write_text(f"\\set id random(1, {chosen.rows})\n{statement}")
    routes = [("one shard's statement", "first", [f"{key}.sql" for key in own], "the same on the same server unsharded", "(at most 1.1)"),
              ("  keys of all shards", "one", ["any.sql"], "one server with all rows, unsharded", "")]
    for name, beside, scripts, what, limit in routes:
        pairs = [(pgbench_cpu(proxy, port, "four", chosen.secs, scripts, place), pgbench_cpu(proxy, port, beside, chosen.secs, scripts, place))
                 for _ in range(2 * chosen.rounds + 1)]
        sharded, plain = (statistics.median(column) for column in zip(*pairs))
        print(f"{name:<23} {sharded:8.1f} us of CPU, {what} {plain:8.1f}: {statistics.median(a / b for a, b in pairs):.2f} {limit}")

    with through("four") as client:
        if client.execute("SELECT count(*) FROM readings").fetchone()[0] != chosen.rows:
            raise SystemExit("the rows are not where their keys belong")
        # In the last the shards wait more than they compute, as if each had a core of its own.
        for sql in ("SELECT count(*) FROM readings WHERE sensor = 7", "SELECT count(*) FROM readings WHERE sensor BETWEEN 100 AND 400",
                    f"SELECT count(*) FROM readings WHERE sensor = 7 AND id < {chosen.rows // 10} AND pg_sleep(0.0001) IS NOT NULL"):
            times, shares, together = [], [], []
            shards = [connect(each) for each in four.ports]
            for _ in range(chosen.rounds):
                best(2, sql, client)
                times.append(best(5, sql, client)[1])
                shares.append(max(best(5, sql, each)[1] for each in shards))
                together.append(min(at_once(shards, sql) for _ in range(5)))
            print(f"count over 4 shards     {min(times) * 1e3:8.2f} ms, the slowest shard asked alone {min(shares) * 1e3:8.2f}: "
                  f"{statistics.median(a / b for a, b in zip(times, shares)):.2f} (all four asked directly at once, on {os.cpu_count()} cores, "
                  f"{min(together) * 1e3:.2f}: {statistics.median(a / b for a, b in zip(together, shares)):.2f})   {sql}")
            with Durations(four) as durations:
                best(3, sql, client)
                seen = [durations.of(lambda: read_all(client, sql)[1]) for _ in range(4 * chosen.rounds)]
            print(f"  the same, by its logs {min(took for took, _ in seen) * 1e3:8.2f} ms, the slowest shard in that very scatter "
                  f"{min(max(shards) for _, shards in seen) * 1e3:8.2f}: {statistics.median(took / max(shards) for took, shards in seen):.2f} (at most 1.5)")
        sql = "SELECT id, sensor, value, note FROM readings ORDER BY id"
        rates = []
        with connect(one.ports[0]) as direct:
            for _ in range(chosen.rounds):
                size, took = read_all(client, sql)
                size_direct, took_direct = read_all(direct, sql)
                rates.append((size / took, size_direct / took_direct))
        print(f"sorted merge            {statistics.median(a for a, _ in rates) / 2**20:8.1f} MB/s, one server directly "
              f"{statistics.median(b for _, b in rates) / 2**20:8.1f}: {statistics.median(a / b for a, b in rates):.2f} (at least 0.6)")
        rows = chosen.rows // 4
        pieces = ["".join(f"{key}\t{key * 7919 % 1000}\t{key % 977 / 8}\treading {key}\n" for key in range(at, min(at + 2000, rows + 1)))
                  for at in range(1, rows + 1, 2000)]
        with connect(one.ports[0]) as direct:
            loads = [(load(client, pieces), load(direct, pieces)) for _ in range(chosen.rounds)]
        if client.execute("SELECT count(*) FROM loaded").fetchone()[0] != rows:
            raise SystemExit("rows of a COPY are lost")
        print(f"COPY in                 {rows / min(a for a, _ in loads):8.0f} rows a second over 4 shards, into one server "
              f"{rows / min(b for _, b in loads):8.0f}: {statistics.median(b / a for a, b in loads):.2f} (at least 0.7)")
        sql = "SELECT sensor, count(*), sum(value), avg(value) FROM readings GROUP BY sensor ORDER BY 2 DESC, 1 LIMIT 10"
        with connect(one.ports[0]) as direct:
            pairs = [(best(2, sql, client)[1], best(2, sql, direct)[1]) for _ in range(chosen.rounds)]
        print(f"groups over 4 shards    {min(a for a, _ in pairs) * 1e3:8.1f} ms, one server with all rows {min(b for _, b in pairs) * 1e3:8.1f}: "
              f"{statistics.median(a / b for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()
