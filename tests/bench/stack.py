"""One primary, one replica and the proxies in front of them: started on free loopback ports, ended by process id."""
import argparse
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
USER = "bench"
ENV = {**os.environ, "PGPASSWORD": USER, "PGSSLMODE": "disable", "PGCONNECT_TIMEOUT": "10"}
POOL = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ringway_config(place, nodes, port, splitting):
    return f"""[listen]
postgres = "127.0.0.1:{port}"
[general]
workers = 1
max_clients = 12000
pool_size = {POOL}
read_splitting = {str(splitting).lower()}
state_dir = "{place}/state{port}"
[users.{USER}]
password = "{USER}"
[clusters.{USER}]
monitor_user = "{USER}"
monitor_password = "{USER}"
[clusters.{USER}.shards]
s0 = {{ nodes = [{", ".join(f'"127.0.0.1:{node}"' for node in nodes)}] }}
"""


def pgbouncer_config(place, primary, port):
    (place / "users").write_text(f'"{USER}" "{USER}"\n')
    return f"""[databases]
{USER} = host=127.0.0.1 port={primary} dbname={USER} user={USER} password={USER}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {place}/users
pool_mode = transaction
default_pool_size = {POOL}
max_client_conn = 12000
log_connections = 0
log_disconnections = 0
"""


def haproxy_config(primary, port):
    return f"""global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen postgres
  bind 127.0.0.1:{port}
  server primary 127.0.0.1:{primary}
"""


def read_options(about, workloads):
    """The command line, and the names of the workloads it asks for."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("ringway")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--secs", type=int, default=5)
    options.add_argument("--workloads", default=",".join(workloads), help="names, separated by commas")
    options.add_argument("--idle", type=int, default=10000, help="idle clients whose memory is measured; 0: not")
    chosen = options.parse_args()
    wanted = chosen.workloads.split(",")
    if unknown := set(wanted) - set(workloads):
        options.error(f"no such workload: {', '.join(sorted(unknown))}")
    return chosen, wanted


class Stack:
    """Everything one run needs, as a `with` block: `ports` and `processes` (by proxy name) hold until it is left."""

    def __init__(self, ringway):
        self.ringway = str(pathlib.Path(ringway).resolve())
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="ringway_bench."))
        self.place.chmod(0o755)
        self.ports, self.processes = {}, {}

    def cluster(self, *words):
        settings = {"PG_SUPERUSER": USER, "PG_PASSWORD": USER, "PG_DATABASES": USER,
                    "PG_AUTH": "scram-sha-256", "PG_MAX_CONNECTIONS": "300"}
        command = [ROOT / "tests/servers/pg_cluster.sh", words[0], self.place / "cluster", *words[1:]]
        return subprocess.run(command, env={**ENV, **settings}, check=True, text=True, timeout=180,
                              stdout=subprocess.PIPE).stdout

    def start(self, name, config_of, command, **how):
        port = free_port()
        path = self.place / f"{name}.conf"
        path.write_text(config_of(port))
        log = open(self.place / f"{name}.log", "w")
        self.processes[name] = subprocess.Popen([*command, path], stdout=log, stderr=log, **how)
        self.ports[name] = port
        self.wait_for(name)

    def wait_for(self, name):
        """Returns once a query passes; RuntimeError with the proxy's log after 30 seconds."""
        for _ in range(60):
            asked = subprocess.run([BIN / "psql", "-XAtqc", "SELECT 1", "-h", "127.0.0.1", "-p",
                                    str(self.ports[name]), "-U", USER, USER], env=ENV, capture_output=True)
            if asked.returncode == 0:
                return
            time.sleep(0.5)
        log = self.place / f"{name}.log"
        raise RuntimeError(f"{name} does not answer: {asked.stderr!r} {log.read_text()[-2000:]}")

    def __enter__(self):
        try:
            nodes = [line.split()[3] for line in self.cluster("up", "1", "1").splitlines()]
            self.ports["direct"] = int(nodes[0])
            subprocess.run([BIN / "pgbench", "-i", "-q", "-s", "10", "-h", "127.0.0.1", "-p", nodes[0], "-U", USER,
                            USER], env=ENV, check=True, capture_output=True, timeout=120)
            self.start("pgbouncer", lambda port: pgbouncer_config(self.place, nodes[0], port),
                       ["/usr/sbin/pgbouncer"], user="postgres", group="postgres", extra_groups=[])
            self.start("haproxy", lambda port: haproxy_config(nodes[0], port), ["/usr/sbin/haproxy", "-db", "-f"])
            for name, splitting in (("ringway", False), ("ringway-split", True)):
                self.start(name, lambda port, on=splitting: ringway_config(self.place, nodes, port, on),
                           [self.ringway, "--config"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.cluster("down")
        shutil.rmtree(self.place, ignore_errors=True)
