"""sysbench's oltp_* with 200 threads on a pool of 20, with prepared statements and without; and replicas that die and return."""

import pathlib
import re
import subprocess
import threading

import my
import pytest
from conftest import MY_SETTINGS, merged, until

THREADS, POOL = 200, 20


@pytest.fixture(scope="module")
def cluster(workspace):
    made = my.MyCluster(workspace, "bench", replicas=2, sql="SELECT 1;")
    yield made
    made.down()


def command(port, script, *arguments):
    return ["sysbench", script, "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}", "--mysql-user=app", "--mysql-password=app",
            "--mysql-db=bench", "--tables=4", "--table-size=5000", *arguments]


@pytest.fixture(scope="module")
def bench(ringway_session, cluster):
    quick = {"pool_size": POOL, "health_interval": "200ms", "check_timeout": "20s"}
    proxy = ringway_session(merged(MY_SETTINGS, {"general": {"pool_size": POOL}, "clusters": {"bench": quick}}), clusters=cluster)
    done = subprocess.run(command(proxy.mysql_port, "oltp_read_write", "prepare"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return proxy


def log_tail(node):
    return "\nthe primary's log:\n" + pathlib.Path(f"{node.data}.log").read_text(errors="replace")[-6000:]


def run(proxy, cluster, script, *arguments):
    """Runs for a few seconds; what it counted."""
    done = subprocess.run(command(proxy.mysql_port, script, f"--threads={THREADS}", "--report-interval=0", *arguments, "run"),
                          capture_output=True, text=True, timeout=180)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "FATAL" not in told, told[-3000:] + log_tail(cluster.primary())
    counted = {name: int(number) for name, number in re.findall(r"(transactions|queries|ignored errors|reconnects): +(\d+)", done.stdout)}
    assert counted["reconnects"] == 0 and counted["transactions"] > 0, done.stdout
    return counted


@pytest.mark.parametrize("prepared", ["auto", "disable"])
@pytest.mark.parametrize("script", ["oltp_point_select", "oltp_read_only", "oltp_read_write"])
def test_200_threads_on_a_pool_of_20(bench, cluster, script, prepared):
    counted = run(bench, cluster, script, "--time=5", f"--db-ps-mode={prepared}")
    if script != "oltp_read_write":  # whose deadlocks are the server's
        assert counted["ignored errors"] == 0
    for node in cluster.nodes:
        assert node.rows("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'", "bench")[0][0] <= POOL


class Killer(threading.Thread):
    """Kills the replicas in turn and starts them again, one at a time, until it is told to end; what went wrong is for end() to raise."""

    def __init__(self, cluster):
        super().__init__()
        self.cluster, self.over, self.killed, self.problem = cluster, threading.Event(), 0, None

    def run(self):
        try:
            while not self.over.wait(0.5):
                replica = self.cluster.replicas()[self.killed % 2]
                self.cluster.ctl("stop", replica, "kill")
                self.killed += 1
                self.over.wait(0.5)
                self.cluster.ctl("start", replica)
        except Exception as problem:  # of a server that did not start again
            self.problem = problem

    def end(self):
        self.over.set()
        self.join()
        if self.problem:
            raise self.problem


@pytest.mark.parametrize("script", ["oltp_read_only", "oltp_read_write"])
def test_replicas_are_killed_meanwhile(bench, cluster, script):
    killer = Killer(cluster)
    killer.start()
    try:
        for _ in range(5):  # on a busy machine a server takes seconds to start again
            run(bench, cluster, script, "--time=8", "--skip-trx=on" if script == "oltp_read_only" else "--skip-trx=off")
            if killer.killed >= 2:
                break
    finally:
        killer.end()
    assert killer.killed >= 2
    assert until(bench.is_ready, 30)
