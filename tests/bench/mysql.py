#!/usr/bin/python3
"""What a point select costs through Ringway, HAProxy and no proxy before MariaDB, taken in turns on one machine; and idle clients."""
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time

import pymysql

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from side_by_side import cpu_seconds, resident_mb  # noqa: E402
from stack import POOL, ROOT, USER, Stack, haproxy_config, read_options  # noqa: E402

THREADS, ROWS = 8, 100_000
WORKLOADS = {  # name: sysbench's arguments
    "point-text": ["oltp_point_select", "--db-ps-mode=disable"], "point-prepared": ["oltp_point_select", "--db-ps-mode=auto"],
    "read-only": ["oltp_read_only", "--db-ps-mode=auto"]}
ROUTED = {"point-text", "point-prepared"}  # ranges have no one shard


def ringway_config(place, port, shards, splitting=True, keys=False):
    """`shards`: the ports of each. The database is bench, or for two shards routed."""
    lines = "".join(f's{number} = {{ nodes = [{", ".join(f"{chr(34)}127.0.0.1:{node}{chr(34)}" for node in nodes)}] }}\n'
                    for number, nodes in enumerate(shards))
    name = "routed" if keys else USER
    tables = f'[clusters.{name}.tables]\nsbtest1 = {{ key = "id" }}\n' if keys else ""
    return f"""[listen]
mysql = "127.0.0.1:{port}"
[general]
workers = 1
max_clients = 12000
pool_size = {POOL}
read_splitting = {str(splitting).lower()}
state_dir = "{place}/state{port}"
[users.{USER}]
password = "{USER}"
[clusters.{name}]
engine = "mysql"
monitor_user = "monitor"
monitor_password = "monitor"
[clusters.{name}.shards]
{lines}{tables}"""


class MyStack(Stack):
    """Two primaries, the first with a replica, and the proxies before them; as a `with` block."""

    def __init__(self, ringway):
        super().__init__(ringway)
        self.databases = {}

    def cluster(self, *words):
        command = [ROOT / "tests/servers/my_cluster.sh", words[0], self.place / "cluster", *words[1:]]
        with open(self.place / "cluster.log", "w") as log:  # the servers would keep a pipe open
            subprocess.run(command, env=os.environ | {"MY_DATABASES": f"{USER} routed"}, check=True, timeout=240, stdout=log, stderr=log)

    def start(self, name, config_of, command, database=USER):
        self.databases[name] = database
        super().start(name, config_of, command)

    def wait_for(self, name):
        for _ in range(120):
            try:
                return connect(self.ports[name], self.databases[name]).close()
            except pymysql.Error:
                time.sleep(0.5)
        raise RuntimeError(f"{name} does not answer: {(self.place / f'{name}.log').read_text()[-2000:]}")

    def __enter__(self):
        try:
            self.cluster("up", "2", "1")
            nodes = [line.split() for line in (self.place / "cluster" / "nodes").read_text().splitlines()]
            shards = [[node[3] for node in nodes if node[0] == shard] for shard in ("s0", "s1")]
            for primary in (shards[0][0], shards[1][0]):
                with connect(int(primary), None, "root", "") as root, root.cursor() as cursor:
                    cursor.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{USER}'")
                    cursor.execute(f"GRANT ALL ON *.* TO {USER}@'%'")
                for database in (USER, "routed"):  # all rows on both: a key's shard has its row
                    sysbench(int(primary), database, ["oltp_point_select", "prepare"])
            self.ports["direct"], self.databases["direct"] = int(shards[0][0]), USER
            self.start("haproxy", lambda port: haproxy_config(shards[0][0], port), ["/usr/sbin/haproxy", "-db", "-f"])
            for name, split in (("ringway", False), ("ringway-split", True)):
                self.start(name, lambda port, on=split: ringway_config(self.place, port, shards[:1], on), [self.ringway, "--config"])
            self.start("ringway-routed", lambda port: ringway_config(self.place, port, shards, True, True), [self.ringway, "--config"], "routed")
        except BaseException:
            self.__exit__()
            raise
        return self


def connect(port, database, user=USER, password=USER):
    return pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, database=database, autocommit=True, connect_timeout=30)


def sysbench(port, database, arguments, limit=240):
    command = ["sysbench", arguments[0], "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}", f"--mysql-user={USER}",
               f"--mysql-password={USER}", f"--mysql-db={database}", "--tables=1", f"--table-size={ROWS}", *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr)[-500:])
    return done.stdout


def percentile(histogram, of):
    """In milliseconds, out of [(ms, count)]."""
    total, seen = sum(count for _, count in histogram), 0
    for value, count in histogram:
        seen += count
        if seen >= total * of:
            return value
    return 0.0


def measure(stack, name, workload, seconds):
    """One run: a dict of qps, p50 and p99 (ms of a transaction), cpu (us a query), rss (MB), load; None: it failed."""
    process = stack.processes.get(name)
    load = os.getloadavg()[0]
    before = cpu_seconds(process.pid) if process else 0.0
    try:
        said = sysbench(stack.ports[name], stack.databases[name],
                        [*WORKLOADS[workload], f"--threads={THREADS}", f"--time={seconds}", "--histogram=on", "run"], seconds + 60)
    except (RuntimeError, subprocess.TimeoutExpired) as why:
        print(f"  {name} {workload}: {why}", file=sys.stderr)
        return None
    used = cpu_seconds(process.pid) - before if process else 0.0
    queries = int(re.search(r"total: +(\d+)", said)[1])
    took = float(re.search(r"total time: +([\d.]+)s", said)[1])
    histogram = [(float(value), int(count)) for value, count in re.findall(r"^ *([\d.]+) \|\**\s+(\d+)$", said, re.M)]
    return {"qps": queries / took, "p50": percentile(histogram, 0.5), "p99": percentile(histogram, 0.99), "cpu": used * 1e6 / queries,
            "rss": resident_mb(process.pid) if process else 0.0, "load": load}


def print_table(workload, results):
    haproxy = [one for one in results["haproxy"] if one]
    base = statistics.median(one["cpu"] for one in haproxy) if haproxy else 0.0
    print(f"\n{workload}, {THREADS} threads\n  {'':16}{'queries/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}{'MB':>7}{'load':>7}{'cpu/haproxy':>13}")
    for name, rounds in results.items():
        done = [one for one in rounds if one]
        if not done:
            print(f"  {name:16}{'FAILED':>16}")
            continue
        middle = {key: statistics.median(one[key] for one in done) for key in done[0]}
        against = f"{middle['cpu'] / base:.2f}" if base and name != "direct" else "-"
        failed = len(rounds) - len(done)
        print(f"  {name:16}{middle['qps']:10.0f}{middle['p50']:9.2f}{middle['p99']:9.2f}{middle['cpu']:9.1f}{middle['rss']:7.1f}"
              f"{middle['load']:7.1f}{against:>13}" + (f"  {failed} of {len(rounds)} failed" if failed else ""), flush=True)


def idle_kib(stack, name, count):
    """KiB of resident memory that each of `count` clients costs which have logged in, asked once and are silent."""
    process = stack.processes[name]
    clients = []
    try:
        for _ in range(200):  # what the first ones bring about is not theirs
            clients.append(connect(stack.ports[name], USER))
            clients[-1].query("SELECT 1")
        before = resident_mb(process.pid)
        for _ in range(count):
            clients.append(connect(stack.ports[name], USER))
            clients[-1].query("SELECT 1")
        time.sleep(1)
        return (resident_mb(process.pid) - before) * 1024 / count
    finally:
        for each in clients:
            each.close()


def main():
    chosen, workloads = read_options(__doc__, WORKLOADS)
    bad = False
    with MyStack(chosen.ringway) as stack:
        print(f"One worker each, pool of {POOL}; {chosen.rounds} rounds of {chosen.secs} s, medians.")
        for workload in workloads:
            results = {name: [] for name in stack.ports if name != "ringway-routed" or workload in ROUTED}
            for _ in range(chosen.rounds):
                for name in results:
                    results[name].append(measure(stack, name, workload, chosen.secs))
            print_table(workload, results)
            bad |= any(one is None for name in results if name.startswith("ringway") for one in results[name])
        if chosen.idle:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = chosen.idle + 1000
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted) if hard > 0 else wanted, hard))
            print(f"\n{chosen.idle} idle clients: {idle_kib(stack, 'ringway-split', chosen.idle):.2f} KiB each", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
