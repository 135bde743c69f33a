"""MariaDB and MySQL clusters and their clients for the end-to-end tests of MySQL's protocol. Fixtures are in conftest.py."""

import os
import pathlib
import subprocess

import pymysql

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "servers" / "my_cluster.sh"

# Oracle's MySQL 5.6, which has no session tracking, is installed where it exists and can be fetched (scripts/install_mysql.sh,
# which says so when not).
SERVERS = ["mariadb"] + (["mysql-5.6"] if os.access("/opt/ringway/mysql-5.6/mysqld", os.X_OK) else [])

INIT_SQL = """
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100));
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100));
"""


def connect(port, user="app", password=None, database="shop", **more):
    more.setdefault("autocommit", True)
    more.setdefault("connect_timeout", 20)
    more.setdefault("read_timeout", 60)
    return pymysql.connect(host="127.0.0.1", port=port, user=user, password=user if password is None else password,
                           database=database, **more)


def rows(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def value(connection, sql, parameters=None):
    """The first column of the first row."""
    return rows(connection, sql, parameters)[0][0]


def made_anew(connection, kind, name, rest):
    """CREATE OR REPLACE, which MySQL does not have."""
    rows(connection, f"DROP {kind} IF EXISTS {name.split('(')[0]}")
    rows(connection, f"CREATE {kind} {name} {rest}")


class MyNode:
    """One server. root has no password there, over TCP."""

    def __init__(self, shard, role, host, port, data):
        self.shard, self.role, self.host, self.port, self.data = shard, role, host, int(port), data
        self.address = f"{host}:{port}"

    def rows(self, sql, database="shop"):
        with connect(self.port, "root", "", database) as connection:
            return rows(connection, sql)


class MyCluster:
    """A running cluster. `name` is the database, for clients and on the servers."""

    def __init__(self, base, name, replicas=0, shards=1, sql=INIT_SQL, environment=None, tables=None, server="mariadb"):
        self.name, self.server, self.tables = name, server, tables
        self.directory = base / f"my-{name}-{server}"
        script = base / f"my-{name}.sql"
        script.write_text(sql)
        script.chmod(0o644)
        more = {"MY_DATABASES": f"{name} other", "MY_INIT_SQL": str(script), "MY_SERVER": server} | (environment or {})
        log = base / f"my-{name}-{server}.log"  # a file: the servers would keep a pipe open
        with open(log, "wb") as to:
            done = subprocess.run([SCRIPT, "up", self.directory, str(shards), str(replicas)], env=os.environ | more,
                                  stdin=subprocess.DEVNULL, stdout=to, stderr=subprocess.STDOUT, timeout=180)
        assert done.returncode == 0, log.read_text()
        lines = (self.directory / "nodes").read_text().splitlines()
        self.nodes = [MyNode(*line.split()) for line in lines]

    def primary(self, shard="s0"):
        return next(node for node in self.nodes if node.role == "primary" and node.shard == shard)

    @property
    def shards(self):
        return sorted({node.shard for node in self.nodes})

    def replicas(self):
        return [node for node in self.nodes if node.role == "replica"]

    def caught_up(self, shard="s0", limit=20):
        """Waits until the shard's replicas have applied what its primary has written by now."""
        mariadb = self.server == "mariadb"
        position = self.primary(shard).rows("SELECT @@gtid_binlog_pos" if mariadb else "SELECT @@GLOBAL.gtid_executed", self.name)[0][0]
        wait = f"SELECT {'MASTER_GTID_WAIT' if mariadb else 'WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS'}('{position}', {limit})"
        for replica in self.replicas():
            if replica.shard == shard:
                assert replica.rows(wait, self.name)[0][0] >= 0, f"{replica.address} does not catch up"

    def ctl(self, verb, node, *more):
        subprocess.run([SCRIPT, verb, self.directory, str(node.port), *more], check=True, timeout=120,
                       env=os.environ | {"MY_SERVER": self.server})

    def section(self):
        shards = {}
        for node in self.nodes:
            shards.setdefault(node.shard, {"nodes": []})["nodes"].append(node.address)
        made = {"engine": "mysql", "monitor_user": "monitor", "monitor_password": "monitor", "shards": shards}
        return made | ({"tables": self.tables} if self.tables else {})

    def down(self):
        subprocess.run([SCRIPT, "down", self.directory], check=True, timeout=120)
