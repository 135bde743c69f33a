"""Must show 3: pgbench, 200 clients on a pool of 20, in every protocol; and replicas that die and return while it runs."""

import os
import re
import subprocess
import threading
import time

import pytest

from conftest import APP_SQL, ClusterStart, admin, until

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
CLIENTS, POOL = 200, 20
SCRIPTS = {"select-only": ["-S"], "simple-update": ["-N"], "tpcb": []}


def command(proxy, *arguments):
    # -n: its VACUUM of the history table is no part of the load. Two threads, each of which waits for the answer to every
    # PREPARE while others of its clients are in transactions.
    return [PGBENCH, "-h", "127.0.0.1", "-p", str(proxy.port), "-U", "app", "-n", "-j", "2", *arguments, proxy.database]


def checked(code, out, err):
    """What pgbench has processed. It ends with 2, and 'aborted' clients, when any of them had an error."""
    assert code == 0, err[-3000:]
    assert "aborted" not in err and "ERROR" not in err and "FATAL" not in err, err[-3000:]
    failed = re.search(r"number of failed transactions: (\d+)", out)
    assert failed and int(failed[1]) == 0, out
    return int(re.search(r"number of transactions actually processed: (\d+)", out)[1])


def run(proxy, *arguments, limit=90):
    ended = subprocess.run(command(proxy, *arguments), capture_output=True, text=True, timeout=limit,
                           env=os.environ | {"PGPASSWORD": "app"})
    return checked(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def bench_cluster(workspace):
    start = ClusterStart(workspace, "bench", 1, 2, APP_SQL)
    try:
        yield start.wait()
    finally:
        start.down()


@pytest.fixture(scope="module")
def bench(bench_cluster, ringway_session):
    """A proxy with a pool of 20 before a cluster on which `pgbench -i`, through it, has made the tables."""
    quick = {"pool_size": POOL, "health_interval": "200ms", "check_timeout": "500ms"}
    proxy = ringway_session({"clusters": {bench_cluster.name: quick}}, bench_cluster)
    made = subprocess.run([PGBENCH, "-h", "127.0.0.1", "-p", str(proxy.port), "-U", "app", "-i", "-s", "5", "-q", proxy.database],
                          capture_output=True, text=True, timeout=90, env=os.environ | {"PGPASSWORD": "app"})
    assert made.returncode == 0, made.stderr
    with proxy.connect() as client:
        assert client.execute("SELECT count(*) FROM pgbench_accounts").fetchone() == (500_000,)
    return proxy


def sums(proxy):
    """TPC-B's invariant: every table tells of the same changes."""
    with proxy.connect() as client:
        ask = "/* ringway: role=primary */ SELECT coalesce(sum({}), 0) FROM pgbench_{}"
        columns = (("abalance", "accounts"), ("tbalance", "tellers"), ("bbalance", "branches"), ("delta", "history"))
        return [client.execute(ask.format(column, table)).fetchone()[0] for column, table in columns]


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_200_clients_on_a_pool_of_20(bench, bench_cluster, script, protocol):
    each = 60 if script == "select-only" else 6
    assert run(bench, "-c", str(CLIENTS), "-M", protocol, "-t", str(each), *SCRIPTS[script]) == CLIENTS * each
    connections = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'"
    for node in bench_cluster.nodes:
        assert node.rows(connections)[0][0] <= POOL
    if script == "tpcb":
        with bench.connect() as client:
            client.execute("TRUNCATE pgbench_history")
            for table, column in (("accounts", "abalance"), ("tellers", "tbalance"), ("branches", "bbalance")):
                client.execute(f"UPDATE pgbench_{table} SET {column} = 0 WHERE {column} <> 0")
        assert run(bench, "-c", "50", "-M", protocol, "-t", "4") == 200
        assert len(set(sums(bench))) == 1


def state_of(proxy, node):
    return next(row["state"] for row in admin(proxy, "SHOW LAG") if row["node"] == node.address)


@pytest.mark.parametrize("script", ["select-only", "tpcb"])
def test_each_replica_killed_and_restarted_during_a_run(bench, bench_cluster, script):
    """Run after run of 50 clients, until both replicas have been away and are read again."""
    processed, problems, stop = [], [], threading.Event()

    def load():
        try:
            while not stop.is_set():
                processed.append(run(bench, "-c", "50", "-M", "prepared", "-t", "100" if script == "select-only" else "10", *SCRIPTS[script]))
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            problems.append(problem)

    runs = threading.Thread(target=load, daemon=True)
    runs.start()
    reads = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
    try:
        for replica in bench_cluster.replicas():
            assert until(lambda: problems or script == "tpcb" or replica.rows(reads)[0][0] > 0, 20)
            replica.kill()
            assert until(lambda: state_of(bench, replica) != "up", 20), (problems, len(processed), replica, admin(bench, "SHOW LAG"))
            time.sleep(0.3)
            bench_cluster.ctl(replica, "start")
            assert until(lambda: state_of(bench, replica) == "up", 30), admin(bench, "SHOW LAG")
            assert until(lambda: problems or script == "tpcb" or replica.rows(reads)[0][0] > 0, 20), "nothing is read there again"
            ended = len(processed)
            assert until(lambda: problems or len(processed) > ended, 60)
    finally:
        stop.set()
        runs.join(90)
    assert not problems and not runs.is_alive(), problems
    assert len(processed) >= 2
