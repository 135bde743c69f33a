#!/usr/bin/python3
"""How fast a rebalance copies beside COPY | COPY between the same two servers, and whether its stream keeps ahead of a load."""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import psycopg
from psycopg.rows import dict_row

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from shards import Cluster, connect  # noqa: E402
from stack import BIN, ENV, USER, free_port  # noqa: E402

TABLE = "CREATE TABLE readings (id bigint PRIMARY KEY, sensor int, value numeric, note text); CREATE INDEX ON readings (sensor)"
UPDATE = "\\set id random(1, {rows})\nUPDATE readings SET value = value + 1 WHERE id = :id;\n"


def config(place, ports, port, admin, weights):
    shards = "\n".join(f's{i} = {{ nodes = ["127.0.0.1:{each}"], weight = {weight} }}' for i, (each, weight) in enumerate(zip(ports, weights)))
    return (f'[listen]\npostgres = "127.0.0.1:{port}"\nadmin = "127.0.0.1:{admin}"\n[general]\nstate_dir = "{place}/state"\n'
            f'[users.{USER}]\npassword = "{USER}"\nadmin = true\n[clusters.shop]\ndatabase = "{USER}"\nmonitor_user = "{USER}"\n'
            f'monitor_password = "{USER}"\nrebalance = true\ncleanup_delay = "0"\n[clusters.shop.shards]\n{shards}\n'
            '[clusters.shop.tables]\nreadings = { key = "id" }\n')


def ask(admin, command):
    with psycopg.connect(host="127.0.0.1", port=admin, user=USER, password=USER, dbname="ringway", autocommit=True) as db:
        db.execute(command)


def piped(source, target, where):
    """Seconds of COPY | COPY of those rows into a table like the real one."""
    with connect(target) as db:
        db.execute(TABLE)
    words = [BIN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", USER, "-p"]
    began = time.perf_counter()
    out = subprocess.Popen([*words, str(source), "-c", f"COPY (SELECT * FROM readings WHERE {where}) TO STDOUT (FORMAT binary)"],
                           env=ENV, stdout=subprocess.PIPE)
    subprocess.run([*words, str(target), "-c", "COPY readings FROM STDIN (FORMAT binary)"], env=ENV, stdin=out.stdout, check=True)
    assert out.wait(60) == 0
    took = time.perf_counter() - began
    with connect(target) as db:
        rows = db.execute("SELECT count(*) FROM readings").fetchone()[0]
        db.execute("DROP TABLE readings")
    return rows, took


def moved(admin):
    """Rows and seconds of the copy, the most that the stream was behind, and the last row of SHOW REBALANCE."""
    with psycopg.connect(host="127.0.0.1", port=admin, user=USER, password=USER, dbname="ringway", autocommit=True, row_factory=dict_row) as db:
        return watched(db)


def watched(db):
    """One connection, asked seldom: whoever watches takes no core from what is watched."""
    began = ended = None
    lag = rows = 0
    for _ in range(20_000):
        now = db.execute("SHOW REBALANCE").fetchall()
        phase = now[0]["phase"] if now else "starting"
        if phase.startswith("stopped"):
            raise SystemExit(f"the rebalance has stopped: {now[0]['reason']}")
        rows = sum(each["rows_copied"] or 0 for each in now)
        if phase == "copying" and began is None:
            began = time.perf_counter()
        if began is not None and ended is None and phase not in ("copying", "preparing"):
            ended = time.perf_counter()
        if phase == "catching up":
            lag = max(lag, sum(each["lag_bytes"] or 0 for each in now))
        if phase in ("done", "cancelled"):
            return rows, ended - began, lag, now[0]
        time.sleep(0.05)
    raise SystemExit("the rebalance does not end")


def pgbench(port, database, script, seconds, rate=None):
    more = ["-R", str(rate)] if rate else []
    return subprocess.Popen([BIN / "pgbench", "-n", "-c", "4", "-T", str(seconds), "-f", script, *more, "-h", "127.0.0.1", "-p", str(port),
                             "-U", USER, database], env=ENV, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def per_second(run):
    return float(re.search(r"tps = ([0-9.]+)", run.communicate(timeout=300)[0]).group(1))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("binary", type=pathlib.Path)
    options.add_argument("--rows", type=int, default=1_000_000)
    chosen = options.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="ringway-bench-"))
    place.chmod(0o755)
    port, admin, file = free_port(), free_port(), place / "ringway.toml"
    with Cluster(place, "two", 2) as two:
        source, target = two.ports
        with connect(source) as db:
            db.execute(TABLE)
            db.execute(f"INSERT INTO readings SELECT n, n % 1000, n, repeat(md5(n::text), 3) FROM generate_series(1, {chosen.rows}) n")
            db.execute("VACUUM ANALYZE readings")
            db.execute("CHECKPOINT")
        file.write_text(config(place, two.ports, port, admin, (1,)))
        subprocess.run([chosen.binary, "init", "--config", file], check=True, stdout=subprocess.DEVNULL, timeout=60)
        process = subprocess.Popen([chosen.binary, "--config", file], stdout=subprocess.DEVNULL, stderr=open(place / "log", "w"))
        try:
            for _ in range(200):
                try:
                    with psycopg.connect(host="127.0.0.1", port=port, user=USER, password=USER, dbname="shop") as db:
                        db.execute("SELECT count(*) FROM readings WHERE id = 1")
                    break
                except psycopg.Error:
                    time.sleep(0.1)
            beside = [piped(source, target, "id % 2 = 0") for _ in range(2)]
            reference = sum(rows for rows, _ in beside) / sum(took for _, took in beside)
            file.write_text(config(place, two.ports, port, admin, (1, 1)))
            ask(admin, "RELOAD")
            ask(admin, "REBALANCE shop")
            rows, took, _, last = moved(admin)
            print(f"copy        {rows} rows in {took:.1f} s: {rows / took:,.0f} a second, {100 * rows / took / reference:.0f}% of COPY | COPY"
                  f" ({reference:,.0f} a second)")
            print(f"cutover     writes waited {last['pause_ms']:.1f} ms")
            script = place / "update.sql"
            script.write_text(UPDATE.format(rows=chosen.rows))
            most = per_second(pgbench(source, USER, script, 8))
            load = pgbench(port, "shop", script, 600, rate=max(1, int(most / 2)))
            file.write_text(config(place, two.ports, port, admin, (0, 1)))
            ask(admin, "RELOAD")
            ask(admin, "REBALANCE shop")
            rows, took, lag, last = moved(admin)
            load.terminate()
            load.wait(30)
            print(f"under load  {most / 2:,.0f} updates a second, half of the source's most: copied in {took:.1f} s, at most"
                  f" {lag / 1e6:.1f} MB behind, {last['cutovers']} cutovers, writes waited {last['pause_ms']:.1f} ms")
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
