"""Traps R6 and R7: the primary dies, hands over or has a rival, while clients write and read. On a cluster of its own."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import APP_SQL, ClusterStart, admin, until

TABLE = "CREATE TABLE w (writer int, n int, half int); ALTER TABLE w OWNER TO app;"
QUICK = {"health_interval": "200ms", "check_timeout": "500ms"}
BIN = "/usr/lib/postgresql/15/bin/"


def as_servers_account(*command):
    prefix = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    subprocess.run([*prefix, *command], check=True, timeout=90, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def postmaster(node):
    return int((pathlib.Path(node.data) / "postmaster.pid").read_text().split()[0])


class Shard:
    """A cluster of one shard whose roles change hands. The test moves them; the proxy has to find out."""

    def __init__(self, cluster):
        self.cluster, self.primary = cluster, cluster.primary()

    @property
    def replicas(self):
        return [node for node in self.cluster.nodes if node is not self.primary]

    def synchronous_with(self, replica):
        """What the primary acknowledges from now on is also on that replica, so a promotion may lose none of it."""
        name = pathlib.Path(replica.data).name
        self.primary.rows(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.primary.rows("SELECT pg_reload_conf()")
        sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND application_name = %s"
        assert until(lambda: self.primary.rows(sql, [name])[0][0] == 1, 20)

    def promote(self, heir):
        assert heir.rows("SELECT pg_promote(true, 60)")[0][0]
        self.primary = heir

    def follow(self, replica):
        """The replica follows the present primary without a restart."""
        name = pathlib.Path(replica.data).name
        source = f"host=127.0.0.1 port={self.primary.port} user=postgres password=postgres application_name={name}"
        replica.rows(f"ALTER SYSTEM SET primary_conninfo = '{source}'")
        replica.rows("SELECT pg_reload_conf()")
        assert until(lambda: self.streams(replica), 30), f"{replica.address} does not follow {self.primary.address}"

    def streams(self, replica):
        with contextlib.suppress(psycopg.Error):
            sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = %s"
            return self.primary.rows(sql, [pathlib.Path(replica.data).name])[0][0] == 1
        return False

    def returns_read_write(self, node):
        """An old primary starts as it fell: it believes that it is the primary."""
        # A standby that nobody has would make it refuse by itself what the proxy must not send.
        self.cluster.ctl(node, "-o", "-c synchronous_standby_names=", "start")
        assert node.rows("SELECT pg_is_in_recovery()")[0][0] is False

    def rebuild(self, node):
        """The node comes back as a replica of the present primary, from a fresh copy."""
        if (pathlib.Path(node.data) / "postmaster.pid").exists():
            with contextlib.suppress(subprocess.CalledProcessError):
                self.cluster.ctl(node, "stop", "-m", "immediate")
        shutil.rmtree(node.data)
        source = f"host=127.0.0.1 port={self.primary.port} user=postgres password=postgres application_name="
        as_servers_account(BIN + "pg_basebackup", "-D", node.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                           "-d", source + pathlib.Path(node.data).name)
        with open(pathlib.Path(node.data) / "postgresql.conf", "a") as settings:
            settings.write(f"port = {node.port}\nsynchronous_standby_names = ''\n")
        self.cluster.ctl(node, "start")
        assert until(lambda: self.streams(node), 30), f"{node.address} does not follow {self.primary.address}"

    def in_order(self):
        """One primary and two replicas of it, whatever the test before has left."""
        self.primary.rows("ALTER SYSTEM RESET synchronous_standby_names")
        self.primary.rows("SELECT pg_reload_conf()")
        self.primary.rows("TRUNCATE w")
        for node in self.replicas:
            if not self.streams(node):
                self.rebuild(node)
        self.caught_up()

    def caught_up(self):
        position = self.primary.rows("SELECT pg_current_wal_flush_lsn()::text")[0][0]
        for node in self.replicas:
            sql = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
            assert until(lambda: self.streams(node) and node.rows(sql, [position])[0][0], 20), node.address

    def proxy(self, ringway, **more):
        return ringway({"clusters": {self.cluster.name: QUICK | more}}, self.cluster)


@pytest.fixture(scope="module")
def own_cluster(workspace):
    start = ClusterStart(workspace, "failing", 1, 2, APP_SQL + TABLE)
    try:
        yield Shard(start.wait())
    finally:
        start.down()


@pytest.fixture
def shard(own_cluster):
    own_cluster.in_order()
    return own_cluster


class Writer(threading.Thread):
    """Writes (number, 0), (number, 1), ... once each; knows which were acknowledged, and what the others were told.

    Even numbers write in one statement, odd ones in a transaction of two, of which both or none must be there.
    """

    def __init__(self, proxy, number, stop):
        super().__init__(daemon=True)
        self.proxy, self.number, self.halt = proxy, number, stop
        self.acknowledged, self.problems, self.slowest = [], {}, 0.0

    def write(self, client, n):
        if self.number % 2 == 0:
            client.execute("INSERT INTO w VALUES (%s, %s, 0)", [self.number, n])
            return
        client.execute("BEGIN")
        for half in (0, 1):
            client.execute("INSERT INTO w VALUES (%s, %s, %s)", [self.number, n, half])
        client.execute("COMMIT")

    def run(self):
        n, client = 0, self.proxy.connect()
        while not self.halt.is_set():
            begun = time.monotonic()
            try:
                self.write(client, n)
                self.acknowledged.append(n)
            except psycopg.Error as problem:
                self.problems[n] = problem
                client.execute("ROLLBACK")
            self.slowest = max(self.slowest, time.monotonic() - begun)
            n += 1
            time.sleep(0.002)
        client.close()


class Reader(threading.Thread):
    """Reads without a pause; remembers by which port it was answered, and every error."""

    def __init__(self, proxy, stop):
        super().__init__(daemon=True)
        self.proxy, self.halt, self.ports, self.problems = proxy, stop, [], []

    def run(self):
        with self.proxy.connect() as client:
            while not self.halt.is_set():
                try:
                    self.ports.append(client.execute("SELECT inet_server_port(), count(*) FROM w").fetchone()[0])
                except psycopg.Error as problem:
                    self.problems.append(problem)
                    if client.closed:
                        return
                time.sleep(0.001)


class Load:
    """Four writers and two readers."""

    def __init__(self, proxy):
        self.halt = threading.Event()
        self.writers = [Writer(proxy, number, self.halt) for number in range(4)]
        self.readers = [Reader(proxy, self.halt) for _ in range(2)]

    def __enter__(self):
        for each in self.writers + self.readers:
            each.start()
        self.flows()
        return self

    def __exit__(self, *_):
        self.halt.set()
        for each in self.writers + self.readers:
            each.join(30)

    def flows(self, limit=30):
        """Every writer gets on, and so does every reader."""
        counts = lambda: [len(each.acknowledged) for each in self.writers] + [len(each.ports) for each in self.readers]
        before = counts()
        assert until(lambda: all(now > then + 15 for now, then in zip(counts(), before)), limit), (before, counts(), self.told())

    def told(self):
        return [f"{type(why).__name__} {why.sqlstate}: {why}" for each in self.writers for why in each.problems.values()]

    def check(self, shard):
        """Nothing acknowledged is lost, nothing is there twice or by half, and nobody was told of our roles."""
        assert not any(each.is_alive() for each in self.writers + self.readers)
        assert not [why for each in self.readers for why in each.problems]
        for each in self.writers:
            rows = shard.primary.rows("SELECT n, half FROM w WHERE writer = %s ORDER BY n, half", [each.number])
            assert len(rows) == len(set(rows)), "doubled"
            stored = {n for n, _ in rows}
            assert len(rows) == len(stored) * (1 + each.number % 2), "half of a transaction"
            assert set(each.acknowledged) <= stored, "lost"
            assert stored <= set(each.acknowledged) | set(each.problems), "nobody wrote this"
        # Only what was under way on the primary at the moment of its end, and no word of a read-only server.
        for each in self.writers:
            assert len(each.problems) <= 1, self.told()
            for why in each.problems.values():
                assert why.sqlstate in ("08006", "08007", "57P01"), self.told()


def primary_seen(proxy):
    return [row["node"] for row in admin(proxy, "SHOW LAG") if row["role"] == "primary" and row["state"] == "up"]


def usable_replicas(proxy):
    return {row["node"] for row in admin(proxy, "SHOW LAG") if row["role"] == "replica" and row["state"] == "up"}


def answering_ports(client, count=40):
    return {client.execute("SELECT inet_server_port()").fetchone()[0] for _ in range(count)}


def clients_of(node):
    """Connections that the proxy has made for clients to a node."""
    return node.rows("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")[0][0]


def test_r06_a_replica_promoted_under_load(shard, ringway):
    proxy = shard.proxy(ringway)
    old, (heir, other) = shard.primary, shard.replicas
    shard.synchronous_with(heir)
    with Load(proxy) as load:
        old.kill()
        time.sleep(0.5)  # writes of this time are held
        shard.promote(heir)
        load.flows()
        shard.follow(other)
        load.flows()

        shard.returns_read_write(old)  # it has not heard of the promotion, and would take writes
        there = "SELECT count(*), pg_current_wal_insert_lsn()::text FROM w"
        assert until(lambda: [row for row in admin(proxy, "SHOW LAG") if row["node"] == old.address and "old primary" in (row["reason"] or "")], 20)
        size = old.rows(there)[0][0]
        for each in load.readers:
            each.ports.clear()
        load.flows()
        assert old.rows(there)[0][0] == size, "the old primary was written to"
        assert clients_of(old) == 0
        assert not any(old.port in each.ports for each in load.readers), "the old primary was read"

        shard.rebuild(old)  # now it is a replica, and serves reads
        assert until(lambda: usable_replicas(proxy) == {old.address, other.address}, 20), admin(proxy, "SHOW LAG")
        load.flows()
        ports = set()  # over the time: under load a replica may lag while the other does not
        with proxy.connect() as reader:
            assert until(lambda: ports.update(answering_ports(reader)) or {old.port, other.port} <= ports, 20), (ports, admin(proxy, "SHOW LAG"))
    load.check(shard)
    assert all(each.slowest < 9 for each in load.writers), "held for longer than the failover took"


def test_r06_a_switchover_loses_no_write(shard, ringway):
    """The old primary is stopped in order, all it has acknowledged reaches the heir, and it returns as its replica."""
    proxy = shard.proxy(ringway)
    old, (heir, other) = shard.primary, shard.replicas
    with Load(proxy) as load:
        shard.cluster.ctl(old, "stop", "-m", "fast")
        shard.promote(heir)
        load.flows()
        shard.follow(other)
        data = pathlib.Path(old.data)
        as_servers_account("touch", str(data / "standby.signal"))
        with open(data / "postgresql.conf", "a") as settings:
            settings.write(f"primary_conninfo = 'host=127.0.0.1 port={heir.port} user=postgres password=postgres"
                           f" application_name={data.name}'\n")
        auto = data / "postgresql.auto.conf"
        auto.write_text("\n".join(line for line in auto.read_text().splitlines() if "primary_conninfo" not in line) + "\n")
        shard.cluster.ctl(old, "start")
        assert until(lambda: usable_replicas(proxy) == {old.address, other.address}, 30), admin(proxy, "SHOW LAG")
        load.flows()
    load.check(shard)


@pytest.mark.parametrize("by", ["simple", "extended"])
def test_r06_a_transaction_whose_server_is_lost(shard, ringway, by):
    """Each client's next statement says so, once; a COMMIT is no success; and every one can begin anew."""
    proxy = shard.proxy(ringway)
    insert, how = "INSERT INTO w VALUES (7, 7, 0)", {"binary": by == "extended"}
    with contextlib.ExitStack() as clients:
        writes, commits, rolls_back = (clients.enter_context(proxy.connect()) for _ in range(3))
        for each in (writes, commits, rolls_back):
            each.execute("BEGIN", **how)
            each.execute(insert, **how)
        shard.primary.kill()
        time.sleep(0.2)
        shard.cluster.ctl(shard.primary, "start")
        for each, sql in ((writes, insert), (commits, "COMMIT")):
            with pytest.raises(psycopg.OperationalError) as why:
                each.execute(sql, **how)
            assert why.value.sqlstate.startswith("08") and "lost" in str(why.value), why.value
        assert commits.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            writes.execute(insert, **how)
        assert rolls_back.execute("ROLLBACK", **how).statusmessage == "ROLLBACK"
        assert writes.execute("COMMIT", **how).statusmessage == "ROLLBACK"
        for each in (writes, commits, rolls_back):
            each.execute("BEGIN", **how)
            each.execute("INSERT INTO w VALUES (8, 8, 0)", **how)
            each.execute("COMMIT", **how)
    assert shard.primary.rows("SELECT writer, count(*) FROM w GROUP BY 1") == [(8, 3)]


def test_r06_writes_wait_for_failover_hold_and_reads_do_not(shard, ringway):
    proxy = shard.proxy(ringway, failover_hold="1500ms", read_consistency="eventual")
    old = shard.primary
    with proxy.connect() as client:
        client.execute("INSERT INTO w VALUES (0, 0, 0)")
        shard.caught_up()
        shard.cluster.ctl(old, "stop", "-m", "immediate")
        try:
            begun = time.monotonic()
            with pytest.raises(psycopg.OperationalError) as why:
                client.execute("INSERT INTO w VALUES (0, 1, 0)")
            assert 1 < time.monotonic() - begun < 15
            assert why.value.sqlstate.startswith("08"), why.value
            assert not client.closed
            begun = time.monotonic()
            assert client.execute("SELECT count(*) FROM w").fetchone() == (1,)
            assert time.monotonic() - begun < 1.4
        finally:
            shard.cluster.ctl(old, "start")
        assert until(lambda: primary_seen(proxy) == [old.address], 20)
        client.execute("INSERT INTO w VALUES (0, 2, 0)")
    assert shard.primary.rows("SELECT n FROM w ORDER BY n") == [(0,), (2,)]


def test_r07_of_two_primaries_the_higher_timeline_is_written_to(shard, ringway):
    """A replica is promoted while the old primary lives on, with clients idle, in transactions and pinned to it."""
    proxy = shard.proxy(ringway)
    old, heir = shard.primary, shard.replicas[0]
    with proxy.connect() as client, proxy.connect() as amid, proxy.connect() as pinned, proxy.connect() as listening:
        client.execute("INSERT INTO w VALUES (1, 1, 0)")
        pinned.execute("CREATE TEMP TABLE mine (n int)")
        listening.execute("LISTEN news")
        shard.caught_up()
        amid.execute("BEGIN")
        amid.execute("INSERT INTO w VALUES (1, 2, 0)")
        shard.promote(heir)
        assert until(lambda: primary_seen(proxy) == [heir.address], 20), admin(proxy, "SHOW LAG")
        before = old.rows("SELECT count(*) FROM w")[0][0]

        # What is bound to the old primary cannot move: it ends with an error, and nothing of it is acknowledged.
        for bound, sql in ((amid, "INSERT INTO w VALUES (1, 3, 0)"), (pinned, "INSERT INTO w VALUES (1, 4, 0)"),
                           (listening, "INSERT INTO w VALUES (1, 5, 0)")):
            with pytest.raises(psycopg.Error):
                bound.execute(sql)
        with contextlib.suppress(psycopg.Error):
            amid.execute("COMMIT")
            assert amid.closed or amid.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

        for n in range(20):
            client.execute("INSERT INTO w VALUES (2, %s, 0)", [n])
        with proxy.connect() as another:
            another.execute("INSERT INTO w VALUES (2, 20, 0)")
            ask = "/* ringway: role=primary */ SELECT inet_server_port()"
            assert {another.execute(ask).fetchone()[0] for _ in range(5)} == {heir.port}
        assert old.rows("SELECT count(*) FROM w")[0][0] == before == 1, "the old primary was written to"
    assert heir.rows("SELECT writer, count(*) FROM w GROUP BY 1 ORDER BY 1") == [(1, 1), (2, 21)]


def test_r07_without_the_higher_timeline_writes_are_refused(shard, ringway):
    """The new primary goes again: the old one, alone and willing, is still not the primary. An operator decides."""
    proxy = shard.proxy(ringway, failover_hold="1s")
    old, heir = shard.primary, shard.replicas[0]
    with proxy.connect() as client:
        shard.promote(heir)
        assert until(lambda: primary_seen(proxy) == [heir.address], 20), admin(proxy, "SHOW LAG")
        client.execute("INSERT INTO w VALUES (1, 1, 0)")
        shard.cluster.ctl(heir, "stop", "-m", "immediate")
        try:
            for n in range(3):
                with pytest.raises(psycopg.OperationalError):
                    client.execute("INSERT INTO w VALUES (1, 2, 0)")
            (row,) = [row for row in admin(proxy, "SHOW LAG") if row["node"] == old.address]
            assert row["role"] != "primary" and "old primary" in row["reason"], row
            assert old.rows("SELECT count(*) FROM w")[0][0] == 0
        finally:
            shard.cluster.ctl(heir, "start")
        assert until(lambda: primary_seen(proxy) == [heir.address], 20), admin(proxy, "SHOW LAG")
        client.execute("INSERT INTO w VALUES (1, 3, 0)")
    assert heir.rows("SELECT n FROM w ORDER BY n") == [(1,), (3,)]
