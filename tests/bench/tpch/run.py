#!/usr/bin/python3
"""TPC-H through Ringway on four shards and on one PostgreSQL: the same rows? how was each query run, and how long did it take?"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import rows  # noqa: E402
from shards import Cluster, connect  # noqa: E402
from stack import USER, free_port  # noqa: E402

KEYS = {"customer": "c_custkey", "orders": "o_orderkey", "lineitem": "l_orderkey", "part": "p_partkey", "partsupp": "ps_partkey", "supplier": "s_suppkey"}
SHARDS = 4


def config(place, port, nodes):
    shards = "\n".join(f's{i} = {{ nodes = ["127.0.0.1:{each}"] }}' for i, each in enumerate(nodes))
    tables = "\n".join(f'{name} = {{ key = "{key}" }}' for name, key in KEYS.items())
    return (f'[listen]\npostgres = "127.0.0.1:{port}"\n[general]\nworkers = 1\nstate_dir = "{place}/state"\n[users.{USER}]\npassword = "{USER}"\n'
            f'[clusters.tpch]\ndatabase = "{USER}"\nmonitor_user = "{USER}"\nmonitor_password = "{USER}"\n[clusters.tpch.shards]\n{shards}\n'
            f'[clusters.tpch.tables]\n{tables}\nnation = {{ reference = true }}\nregion = {{ reference = true }}\n')


def copy_in(connection, table, lines):
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for at in range(0, len(lines), 5000):
            copy.write("".join(lines[at:at + 5000]))


def fill(client, direct, scale):
    """Seconds of COPY through the proxy and into one server."""
    through = plain = 0.0
    for table, made in rows.tables(scale):
        lines = ["\t".join(map(str, row)) + "\n" for row in made]
        begin = time.perf_counter()
        copy_in(client, table, lines)
        between = time.perf_counter()
        copy_in(direct, table, lines)
        through += between - begin
        plain += time.perf_counter() - between
    return through, plain


def queries():
    parts = re.split(r"^-- (\d+)$", (HERE / "queries.sql").read_text(), flags=re.MULTILINE)
    return [(int(number), sql.strip().rstrip(";")) for number, sql in zip(parts[1::2], parts[2::2])]


def timed(connection, sql):
    begin = time.perf_counter()
    cursor = connection.execute(sql)
    out = cursor.fetchall()
    return out, [(each.name, each.type_code) for each in cursor.description], time.perf_counter() - begin


def compare(client, direct):
    same = 0
    print(f"{'query':>5}  {'plan':24}{'Ringway ms':>12}{'one server ms':>15}  rows")
    for number, sql in queries():
        plan = dict(reversed(client.execute(f"EXPLAIN (ROUTE) {sql}").fetchall()))
        try:
            expected, shape, plain = timed(direct, sql)
            got, told, through = timed(client, sql)
        except psycopg.Error as why:
            print(f"{number:5}  {plan['plan']:24} {str(why).splitlines()[0]}", flush=True)
            continue
        equal = got == expected and told == shape
        same += equal
        how = plan["plan"] + (": " + plan["runs"].split(" of ")[0].split(" by ")[0] if plan["plan"] == "scatter" else "")
        print(f"{number:5}  {how:24}{through * 1e3:12.1f}{plain * 1e3:15.1f}  {len(expected)} {'the same' if equal else 'DIFFERENT'}", flush=True)
    print(f"{same} of 22 the same")
    return same == 22


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("ringway")
    options.add_argument("--scale", type=float, default=0.1)
    chosen = options.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="ringway_tpch."))
    place.chmod(0o755)
    port = free_port()
    good = False
    with Cluster(place, "four", SHARDS) as four, Cluster(place, "one", 1) as one:
        (place / "ringway.toml").write_text(config(place, port, four.ports))
        for each in [*four.ports, *one.ports]:
            with connect(each) as server:
                server.execute((HERE / "schema.sql").read_text())
        subprocess.run([chosen.ringway, "init", "--config", place / "ringway.toml"], check=True, stdout=subprocess.DEVNULL)
        proxy = subprocess.Popen([chosen.ringway, "--config", place / "ringway.toml"], stderr=open(place / "log", "w"))
        try:
            with wait_for(port) as client, connect(one.ports[0]) as direct:
                through, plain = fill(client, direct, chosen.scale)
                print(f"loaded by COPY in {through:.1f} s through the proxy, {plain:.1f} s into one server")
                for each in [*four.ports, *one.ports]:
                    with connect(each) as server:
                        server.execute("VACUUM ANALYZE")
                good = compare(client, direct)
        finally:
            proxy.terminate()
            proxy.wait(30)
    shutil.rmtree(place, ignore_errors=True)
    return 0 if good else 1


def wait_for(port):
    for _ in range(100):
        try:
            client = psycopg.connect(host="127.0.0.1", port=port, user=USER, password=USER, dbname="tpch", autocommit=True)
            client.execute("SELECT count(*) FROM orders")
            return client
        except psycopg.Error:
            time.sleep(0.1)
    raise SystemExit("the proxy does not answer")


if __name__ == "__main__":
    sys.exit(main())
