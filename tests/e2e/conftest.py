"""Servers and proxies for the end-to-end tests.

Run with Debian's Python, which has psycopg:  /usr/bin/python3 -m pytest tests/e2e
The proxy is build/ringway, or what RINGWAY_BINARY says. Servers start once a session, in a directory of their own, on free
loopback ports, and end with it, by pid.
"""

import contextlib
import copy
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import my
import places
import psycopg
import pytest
from psycopg.rows import dict_row

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("RINGWAY_BINARY", ROOT / "build" / "ringway"))
CLUSTER_SCRIPT = ROOT / "tests" / "servers" / "pg_cluster.sh"
SOAK = os.environ.get("RINGWAY_SOAK") == "1"

APP_SQL = """
CREATE ROLE app LOGIN PASSWORD 'app';
ALTER SCHEMA public OWNER TO app;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO app', current_database()); END $$;
"""

SHOP_SQL = (
    APP_SQL
    + """
SET ROLE app;
CREATE TABLE users (id int8 PRIMARY KEY, name text, country text);
CREATE TABLE orders (id int8, user_id int8 NOT NULL, amount numeric, note text, PRIMARY KEY (user_id, id));
CREATE TABLE countries (code text PRIMARY KEY, name text);
"""
)

MY_SETTINGS = {"hba": None, "general": {"pool_size": 2}, "users": {"ed": {"password": "ed"}}}

SHOP_TABLES = {"users": {"key": "id"}, "orders": {"key": "user_id"}, "countries": {"reference": True}}


def until(check, limit=10.0, pause=0.02):
    """The first true value of check(), asked again until `limit` seconds have passed; the last value then."""
    end = time.monotonic() + limit
    while True:
        value = check()
        if value or time.monotonic() > end:
            return value
        time.sleep(pause)


def free_ports(count):
    """Loopback ports that nobody listens on, all different, below those that the system hands out to outgoing connections
    (a server that starts seconds later would find such a one taken) and below those of pg_cluster.sh. RINGWAY_TEST_PORTS
    says where to look: tests that run beside others have ports of their own."""
    held = []
    first, last = map(int, os.environ.get("RINGWAY_TEST_PORTS", "10000-19999").split("-"))
    try:
        for port in random.sample(range(first, last + 1), 500):
            one = socket.socket()
            held.append(one)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                held.pop().close()
            if len(held) == count:
                return [one.getsockname()[1] for one in held]
        raise RuntimeError(f"no free ports between {first} and {last}")
    finally:
        for one in held:
            one.close()


@dataclasses.dataclass(frozen=True)
class Node:
    """One server: its shard, its role at birth, where it listens, its data directory and its cluster's database."""

    shard: str
    role: str
    host: str
    port: int
    data: str
    database: str

    def connect(self, user="app", autocommit=True, **more):
        more.setdefault("dbname", self.database)
        more.setdefault("connect_timeout", 10)
        return psycopg.connect(host=self.host, port=self.port, user=user, password=user, autocommit=autocommit, **more)

    def rows(self, sql, parameters=None, user="postgres", **more):
        """Runs one statement on this node itself, as its superuser unless told otherwise."""
        with self.connect(user=user, **more) as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def kill(self):
        """kill -9 of the whole server: nothing is flushed, nobody is told goodbye."""
        parent = int((pathlib.Path(self.data) / "postmaster.pid").read_text().split()[0])
        children = [int(pid) for pid in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        for pid in [parent, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert until(lambda: not any(pathlib.Path(f"/proc/{pid}/stat").exists() for pid in children), 20)


class Cluster:
    """A running cluster. `name` is the database, for clients and on the servers; `tables` what the proxy is told of it."""

    def __init__(self, name, directory, nodes, tables):
        self.name, self.directory, self.tables = name, directory, tables
        self.nodes = [Node(shard, role, host, int(port), data, name) for shard, role, host, port, data in nodes]

    @property
    def shards(self):
        return sorted({node.shard for node in self.nodes})

    def primary(self, shard="s0"):
        return next(node for node in self.nodes if node.shard == shard and node.role == "primary")

    def replicas(self, shard="s0"):
        return [node for node in self.nodes if node.shard == shard and node.role == "replica"]

    def ctl(self, node, *arguments):
        """pg_ctl for a node: ctl(node, "stop", "-m", "immediate"), ctl(node, "start"), ctl(node, "promote")."""
        subprocess.run([CLUSTER_SCRIPT, "ctl", self.directory, str(node.port), *arguments], check=True, timeout=90)

    def caught_up(self, shard="s0", limit=20):
        """Waits until the shard's replicas have replayed what its primary has flushed by now: all that is committed."""
        position = self.primary(shard).rows("SELECT pg_current_wal_flush_lsn()::text")[0][0]
        for replica in self.replicas(shard):
            sql = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            assert until(lambda: replica.rows(sql, [position])[0][0], limit), f"{replica.address} does not catch up"

    def section(self):
        """[clusters.NAME] of the configuration."""
        shards = {}
        for node in self.nodes:
            shards.setdefault(node.shard, {"nodes": []})["nodes"].append(node.address)
        made = {"monitor_user": "postgres", "monitor_password": "postgres", "shards": shards}
        if self.tables:
            made["tables"] = copy.deepcopy(self.tables)
        return made


class ClusterStart:
    """pg_cluster.sh while it works, so that several clusters come up at the same time; down() ends every server."""

    def __init__(self, base, name, shards, replicas, sql, tables=None, environment=None):
        self.name, self.tables, self.directory = name, tables, base / name
        script = base / f"{name}.sql"
        script.write_text(sql)
        script.chmod(0o644)
        more = {"PG_DATABASES": name, "PG_INIT_SQL": str(script)} | (environment or {})
        with open(base / f"{name}.log", "wb") as self.log:
            self.process = subprocess.Popen(
                [CLUSTER_SCRIPT, "up", str(self.directory), str(shards), str(replicas)],
                env=os.environ | more, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def wait(self):
        assert self.process.wait(180) == 0, pathlib.Path(self.log.name).read_text()
        lines = (self.directory / "nodes").read_text().splitlines()
        return Cluster(self.name, self.directory, [line.split() for line in lines], self.tables)

    def down(self):
        self.process.wait(180)
        subprocess.run([CLUSTER_SCRIPT, "down", self.directory], check=True, timeout=120)


def toml_of(settings, path=()):
    """TOML text of nested dicts; a list of dicts becomes an array of tables; None leaves a key out."""
    lines, below = [], []
    for key, value in settings.items():
        name = json.dumps(key)
        if isinstance(value, dict):
            here = (*path, name)
            below += ["", f"[{'.'.join(here)}]", toml_of(value, here)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for each in value:
                here = (*path, name)
                below += ["", f"[[{'.'.join(here)}]]", toml_of(each, here)]
        elif value is not None:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines + below)


def merged(base, over):
    """`base` with the values of `over` laid on it, table by table."""
    made = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = merged(made[key], value) if both else value
    return made


class Proxy:
    """A running ringway. Stopped by stop(), which wants exit code 0; a test may kill() it instead."""

    def __init__(self, directory, settings, database):
        self.directory, self.settings, self.database = directory, settings, database
        self.port, self.admin_port, self.http_port, self.mysql_port = (
            int(settings["listen"][name].rsplit(":", 1)[1]) for name in ("postgres", "admin", "http", "mysql"))
        self.config = directory / "ringway.toml"
        self.log = directory / "ringway.log"
        self.process = None

    def start(self, ready=True, arguments=()):
        self.config.write_text(toml_of(self.settings) + "\n")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([BINARY, "--config", self.config, *arguments], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.directory)
        if ready:
            assert until(self.is_ready, 40), f"not ready:\n{self.log_tail()}"
        return self

    def is_ready(self):
        assert self.process.poll() is None, f"ringway ended with {self.process.returncode}:\n{self.log_tail()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/health/ready", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def reload(self, over):
        """Lays `over` on the configuration, writes it and sends SIGHUP; what becomes of it is the caller's to wait for."""
        self.settings = merged(self.settings, over)
        self.config.write_text(toml_of(self.settings) + "\n")
        self.process.send_signal(signal.SIGHUP)

    def stop(self, limit=20):
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            code = "none: still running after SIGTERM"
        assert code == 0, f"exit code {code}:\n{self.log_tail()}"

    def kill(self):
        """kill -9; the fixture then has nothing left to stop."""
        process, self.process = self.process, None
        process.kill()
        process.wait(10)

    def connect(self, user="app", autocommit=True, **more):
        more.setdefault("dbname", self.database)
        more.setdefault("connect_timeout", 10)
        return psycopg.connect(host="127.0.0.1", port=self.port, user=user, password=user, autocommit=autocommit, **more)

    def resident_bytes(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def log_tail(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""


def admin(proxy, command):
    """Rows of an admin command as dicts, such as admin(proxy, "SHOW LAG")."""
    with psycopg.connect(host="127.0.0.1", port=proxy.admin_port, user="postgres", password="postgres", dbname="ringway",
                         autocommit=True, row_factory=dict_row, cursor_factory=psycopg.ClientCursor) as connection:
        cursor = connection.execute(command)
        return cursor.fetchall() if cursor.description else []


def knows_tables(proxy, cluster):
    """Whether the cluster's catalog has been read, without which SHOW KEY and SHOW ROUTE cannot tell; soon after the start."""
    try:
        return bool(admin(proxy, f"SHOW ROUTE {cluster} 'SELECT 1'"))
    except psycopg.OperationalError:
        return False


def keys_by_shard(proxy, keys):
    """`ringway init` has run: of these keys of users, those of each shard, in the order of the shards."""
    done = subprocess.run([BINARY, "init", "--config", proxy.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: knows_tables(proxy, "shop"))
    found = {}
    for key in keys:
        found.setdefault(admin(proxy, f"SHOW KEY shop users {key}")[0]["shard"], []).append(key)
    assert len(found) == 3 and all(len(each) > 1 for each in found.values())
    return [found[shard] for shard in sorted(found)]


class Factory:
    """Starts proxies for `clusters` and stops all it has started."""

    def __init__(self, base, default_cluster):
        self.base, self.default_cluster, self.started = base, default_cluster, []

    def __call__(self, over=None, clusters=None, ready=True):
        """`over`: nested dicts laid on the defaults (trust, 2 workers, users app and postgres); None takes a key away.

        `clusters`: one Cluster or a list [app_cluster]; the first names the database that connect() uses.
        """
        clusters = clusters or self.default_cluster()
        clusters = clusters if isinstance(clusters, list) else [clusters]
        directory = pathlib.Path(tempfile.mkdtemp(prefix="ringway-", dir=self.base))
        ports = free_ports(4)
        settings = {
            "listen": {name: f"127.0.0.1:{port}" for name, port in zip(("postgres", "admin", "http", "mysql"), ports)},
            "general": {"workers": 2, "state_dir": str(directory / "state"), "drain_timeout": "2s"},
            "hba": [{"method": "trust"}],
            "users": {"app": {"password": "app"}, "postgres": {"password": "postgres", "admin": True}},
            "clusters": {each.name: each.section() for each in clusters},
        }
        proxy = Proxy(directory, merged(settings, over or {}), clusters[0].name)
        self.started.append(proxy)
        return proxy.start(ready)

    def stop_all(self):
        problems = []
        for proxy in reversed(self.started):
            try:
                proxy.stop()
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def workspace():
    """A directory for the whole session, readable by the servers' account."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-e2e-"))
    base.chmod(0o755)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster_starts(request, workspace):
    """The clusters that the collected tests name, all coming up at once; others start when asked for."""
    recipes = {
        "app_cluster": lambda: ClusterStart(workspace, "app", 1, 2, APP_SQL),
        "shop_cluster": lambda: ClusterStart(workspace, "shop", 3, 1, SHOP_SQL, SHOP_TABLES),
        "places_cluster": lambda: ClusterStart(workspace, "places", 3, 0, APP_SQL + "SET ROLE app;" + places.SQL, places.TABLES),
    }
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    running = {name: recipes[name]() for name in recipes if name in wanted}

    def start(name):
        if name not in running:
            running[name] = recipes[name]()
        return running[name].wait()

    yield start
    for each in running.values():
        each.down()


@pytest.fixture(scope="session")
def app_cluster(cluster_starts):
    """One shard, a primary and two replicas; database, user and password `app`; superuser postgres; servers trust."""
    return cluster_starts("app_cluster")


@pytest.fixture(scope="session")
def shop_cluster(cluster_starts):
    """Three shards of a primary and a replica each; users(id), orders(user_id) on the ring, countries everywhere."""
    return cluster_starts("shop_cluster")


@pytest.fixture(scope="session")
def ringway_session(request, workspace):
    """As `ringway`; what it starts lives as long as the session."""
    factory = Factory(workspace, lambda: request.getfixturevalue("app_cluster"))
    yield factory
    factory.stop_all()


@pytest.fixture
def ringway(request, workspace):
    """Factory(over, clusters) of proxies that are stopped, with exit code 0, when the test ends."""
    factory = Factory(workspace, lambda: request.getfixturevalue("app_cluster"))
    yield factory
    factory.stop_all()


@pytest.fixture(scope="session")
def proxy(ringway_session, app_cluster):
    """A proxy before app_cluster with default settings, for all tests that change nothing about it."""
    return ringway_session(clusters=app_cluster)


@pytest.fixture(scope="session")
def shop_proxy(ringway_session, shop_cluster):
    """A proxy before shop_cluster with default settings."""
    return ringway_session(clusters=shop_cluster)


@pytest.fixture(scope="session")
def places_cluster(cluster_starts):
    """Three shards without replicas, with tables placed in every way (places.py)."""
    return cluster_starts("places_cluster")


@pytest.fixture(scope="session")
def places_proxy(ringway_session, places_cluster):
    """A proxy before places_cluster; `ringway init` has run."""
    proxy = ringway_session(clusters=places_cluster)
    done = subprocess.run([BINARY, "init", "--config", proxy.config, "--cluster", "places"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: knows_tables(proxy, "places"))
    return proxy


def pytest_configure(config):
    config.addinivalue_line("markers", "servers(*names): of my.SERVERS, those that a test of my_server runs with")


def pytest_generate_tests(metafunc):
    """A test of my_server runs with each server, or with those that it is marked with."""
    if "my_server" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("servers")
        servers = [each for each in my.SERVERS if not only or each in only.args]
        metafunc.parametrize("my_server", servers, scope="session", indirect=True)


@pytest.fixture(scope="session")
def my_server(request):
    return request.param


@pytest.fixture(scope="session")
def my_cluster(workspace, my_server):
    """A primary and two replicas; database `shop`, users app, monitor, and of MariaDB ed (ed25519)."""
    made = my.MyCluster(workspace, "shop", replicas=2, server=my_server)
    yield made
    made.down()


@pytest.fixture(scope="session")
def my_proxy(ringway_session, my_cluster):
    """A proxy before my_cluster: passwords are checked, two server connections a pool."""
    return ringway_session(MY_SETTINGS, clusters=my_cluster)


@pytest.fixture
def my_ringway(ringway, my_cluster):
    """Factory(over) of proxies before my_cluster, with the settings of my_proxy."""
    return lambda over=None: ringway(merged(MY_SETTINGS, over or {}), clusters=my_cluster)


@pytest.fixture(scope="session")
def certificate(workspace):
    """(certificate, key): PEM files of a self-signed certificate for localhost and 127.0.0.1."""
    made = workspace / "tls.crt", workspace / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", made[1], "-out", made[0]], check=True, capture_output=True, timeout=60)
    return made
