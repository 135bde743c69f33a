#!/usr/bin/python3
"""What a transaction costs through Ringway, PgBouncer, HAProxy and no proxy, taken in turns on one machine."""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import psycopg
import psycopg.waiting

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stack import BIN, ENV, POOL, USER, Stack, read_options  # noqa: E402

LARGE = "SELECT repeat('x', 1048576);\n"
WORKLOADS = {  # name: (pgbench arguments, clients)
    "simple-1": (["-S", "-M", "simple"], 1), "simple-200": (["-S", "-M", "simple"], 200),
    "extended-1": (["-S", "-M", "extended"], 1), "extended-200": (["-S", "-M", "extended"], 200),
    "prepared-1": (["-S", "-M", "prepared"], 1), "prepared-200": (["-S", "-M", "prepared"], 200),
    "tpcb-1": ([], 1), "tpcb-200": ([], 200), "connect-1": (["-S", "-C"], 1), "large-1": (["-f", "LARGE"], 1)}
WARM_ONE, WARM_MANY = 1, 5  # seconds until the clients have logged in
TICK = os.sysconf("SC_CLK_TCK")


def process_tree(root):
    """The ids of root and everything below it, as far as they still live."""
    found = [root]
    for one in found:
        try:
            found += map(int, pathlib.Path(f"/proc/{one}/task/{one}/children").read_text().split())
        except OSError:
            pass
    return found


def cpu_seconds(root):
    """User and system time of a process tree; only clock ticks (10 ms) are seen."""
    total = 0
    for one in process_tree(root):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def resident_mb(root):
    pages = sum(int(pathlib.Path(f"/proc/{one}/statm").read_text().split()[1]) for one in process_tree(root))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(stack, name, workload, seconds):
    """One pgbench run: a dict of tps, p50 and p99 (ms), cpu (us a transaction), rss (MB), load; or None if it failed."""
    arguments, clients = WORKLOADS[workload]
    with tempfile.TemporaryDirectory(prefix="ringway_pgbench.") as place:
        script = pathlib.Path(place, "large.sql")
        script.write_text(LARGE)
        arguments = [str(script) if one == "LARGE" else one for one in arguments]
        process = stack.processes.get(name)
        load = os.getloadavg()[0]
        # pgbench's clock runs while its clients still log in: only what ends inside our own window counts.
        warm = WARM_MANY if clients > 1 else WARM_ONE
        command = [BIN / "pgbench", "-n", "-c", str(clients), "-j", "1", "-T", str(warm + seconds + 1), "-l",
                   "-h", "127.0.0.1", "-p", str(stack.ports[name]), "-U", USER, *arguments, USER]
        with open(pathlib.Path(place, "errors"), "w+") as errors:
            bench = subprocess.Popen(command, env=ENV, cwd=place, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                time.sleep(warm)
                begin, before = time.time(), cpu_seconds(process.pid) if process else 0.0
                time.sleep(seconds)
                end, after = time.time(), cpu_seconds(process.pid) if process else 0.0
                rss = resident_mb(process.pid) if process else 0.0
                bench.wait(60)
            except subprocess.TimeoutExpired:
                pass
            finally:
                if bench.poll() is None:
                    bench.kill()
                    bench.wait()
            errors.seek(0)
            said = errors.read().strip()
        lines = [line.split() for log in pathlib.Path(place).glob("pgbench_log.*")
                 for line in log.read_text().splitlines()]
    times = sorted(int(one[2]) / 1000 for one in lines if begin <= int(one[4]) + int(one[5]) / 1e6 < end)
    if bench.returncode != 0 or not times:
        print(f"  {name} {workload}: {said.splitlines()[-1:] or 'no transaction ended in the window'}", file=sys.stderr)
        return None
    return {"tps": len(times) / (end - begin), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100],
            "cpu": (after - before) * 1e6 / len(times), "rss": rss, "load": load}


def ratio(mine, other):
    """The median of the round-by-round ratios of transactions a second, as text."""
    pairs = [a["tps"] / b["tps"] for a, b in zip(mine, other) if a and b]
    return f"{statistics.median(pairs):.2f}" if pairs else "-"


def print_table(workload, results):
    print(f"\n{workload}\n  {'':14}{'tps':>9}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}{'MB':>7}{'load':>7}"
          f"{'/pgbouncer':>12}{'/haproxy':>10}")
    for name, rounds in results.items():
        done = [one for one in rounds if one]
        if not done:
            print(f"  {name:14}{'FAILED':>16}")  # PgBouncer 1.18 knows no prepared statements in transaction pooling
            continue
        middle = {key: statistics.median(one[key] for one in done) for key in done[0]}
        failed = len(rounds) - len(done)
        print(f"  {name:14}{middle['tps']:9.0f}{middle['p50']:9.3f}{middle['p99']:9.3f}{middle['cpu']:9.1f}"
              f"{middle['rss']:7.1f}{middle['load']:7.1f}{ratio(rounds, results['pgbouncer']):>12}"
              f"{ratio(rounds, results['haproxy']):>10}" + (f"  {failed} of {len(rounds)} failed" if failed else ""),
              flush=True)


def idle_kib(stack, name, count):
    """KiB of resident memory that each of `count` clients costs which have logged in, asked once and are silent."""
    process = stack.processes[name]
    before = resident_mb(process.pid)
    psycopg.waiting.wait = psycopg.waiting.wait_epoll  # select() knows 1,024 descriptors
    clients = []
    try:
        for _ in range(count):
            clients.append(psycopg.connect(host="127.0.0.1", port=stack.ports[name], user=USER, dbname=USER, password=USER,
                                           autocommit=True, connect_timeout=30))
            clients[-1].execute("SELECT 1")
        time.sleep(1)
        return (resident_mb(process.pid) - before) * 1024 / count
    finally:
        for each in clients:
            each.close()


def print_idle(stack, count):
    """Only of those that pool: HAProxy would need a server connection for each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count + 1000) if hard > 0 else 2 * count + 1000, hard))
    print(f"\n{count} idle clients")
    for name in ("pgbouncer", "ringway", "ringway-split"):
        try:
            print(f"  {name:14}{idle_kib(stack, name, count):9.2f} KiB each", flush=True)
        except (OSError, psycopg.Error) as why:
            print(f"  {name:14}{'FAILED':>16} {why}", flush=True)


def main():
    chosen, workloads = read_options(__doc__, WORKLOADS)
    bad = False
    with Stack(chosen.ringway) as stack:
        print(f"One worker each, pool of {POOL}; {chosen.rounds} rounds of {chosen.secs} s, medians.")
        for workload in workloads:
            results = {name: [] for name in stack.ports}
            for _ in range(chosen.rounds):
                for name in results:
                    given_up = results[name] and results[name][-1] is None and name == "pgbouncer"
                    results[name].append(None if given_up else measure(stack, name, workload, chosen.secs))
            print_table(workload, results)
            bad |= any(one is None for name in results if name.startswith("ringway") for one in results[name])
        if chosen.idle:
            print_idle(stack, chosen.idle)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
