"""A replica is promoted: writes follow it, and reads after writes are fresh all the while, on MariaDB and on MySQL 5.6."""

import collections
import contextlib
import threading

import my
import pymysql
import pytest
from conftest import until


@pytest.fixture
def cluster(workspace, my_server):
    made = my.MyCluster(workspace, "moving", replicas=2, server=my_server)
    yield made
    made.down()


def promote(cluster, old, new, others):
    """As an operator does: the old primary is closed first, the new one has all of it."""
    mariadb = cluster.server == "mariadb"
    old.rows("SET GLOBAL read_only = 1", "moving")
    position = "SELECT @@gtid_binlog_pos" if mariadb else "SELECT @@GLOBAL.gtid_executed"
    applied = "SELECT @@gtid_slave_pos" if mariadb else position
    assert until(lambda: new.rows(applied, "moving") == old.rows(position, "moving"), 20)
    new.rows("STOP SLAVE", "moving")
    new.rows("RESET SLAVE ALL", "moving")
    new.rows("SET GLOBAL read_only = 0", "moving")
    how = "MASTER_USE_GTID = slave_pos" if mariadb else "MASTER_AUTO_POSITION = 1"
    source = (f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {new.port}, MASTER_USER = 'monitor', MASTER_PASSWORD = 'monitor', "
              f"MASTER_CONNECT_RETRY = 1, {how}")
    for each in (old, *others):
        each.rows("STOP SLAVE", "moving")
        each.rows(source.replace("slave_pos", "current_pos") if mariadb and each is old else source, "moving")
        each.rows("START SLAVE", "moving")


def test_a_promoted_replica_takes_the_writes(my_ringway, cluster):
    proxy = my_ringway({"clusters": {"shop": None, "moving": cluster.section() | {"health_interval": "200ms"}}})
    old, (new, other) = cluster.primary(), cluster.replicas()
    with my.connect(proxy.mysql_port, database="moving") as a:
        for number in range(20):
            my.rows(a, f"UPDATE t SET v = '{number}' WHERE id = 1")
            assert my.value(a, "SELECT v FROM t WHERE id = 1") == str(number)
        promote(cluster, old, new, [other])

        def writes():
            with contextlib.suppress(pymysql.err.MySQLError):
                my.rows(a, "INSERT INTO made (v) VALUES ('after')")
                return True

        assert until(writes, 30)
        assert new.rows("SELECT COUNT(*) FROM made WHERE v = 'after'", "moving") == [(1,)]
        for number in range(20, 40):
            my.rows(a, f"UPDATE t SET v = '{number}' WHERE id = 1")
            assert my.value(a, "SELECT v FROM t WHERE id = 1") == str(number)
        assert until(lambda: old.rows("SELECT v FROM t WHERE id = 1", "moving") == [("39",)], 20)


def test_a_replica_that_stands_still_is_not_read_after_a_write(my_ringway, cluster):
    proxy = my_ringway({"clusters": {"shop": None, "moving": cluster.section() | {"health_interval": "200ms"}}})
    with my.connect(proxy.mysql_port, database="moving") as a:
        for each in cluster.replicas():
            assert until(lambda each=each: each.rows("SHOW DATABASES LIKE 'moving'", "information_schema"), 30)
            assert until(lambda each=each: each.rows("SHOW TABLES LIKE 't'", "moving"), 30)
            each.rows("STOP SLAVE SQL_THREAD", "moving")
        for number in range(20):
            my.rows(a, f"UPDATE t SET v = 'w{number}' WHERE id = 2")
            assert my.value(a, "SELECT v FROM t WHERE id = 2") == f"w{number}"
        cluster.replicas()[1].rows("START SLAVE SQL_THREAD", "moving")
        number = 100
        assert until(lambda: cluster.replicas()[1].rows("SELECT v FROM t WHERE id = 2", "moving") == [("w19",)], 20)
        my.rows(a, f"UPDATE t SET v = 'w{number}' WHERE id = 2")
        for _ in range(20):
            assert my.value(a, "SELECT v FROM t WHERE id = 2") == f"w{number}"


class Writer(threading.Thread):
    """Inserts texts of its own, each once, alone or in a transaction; notes what it was told of each."""

    def __init__(self, port, name, in_transactions):
        super().__init__()
        self.port, self.tag, self.in_transactions, self.over = port, name, in_transactions, threading.Event()
        self.done, self.refused, self.unknown, self.since = set(), set(), set(), 0
        self.client, self.problem = None, None

    def run(self):
        number = 0
        while not self.over.is_set():
            number += 1
            try:
                self.write(f"{self.tag}-{number}")
            except Exception as why:  # told by the test
                self.problem = why
                return

    def write(self, text):
        committing = not self.in_transactions
        try:
            self.client = self.client or my.connect(self.port, database="moving")
            if self.in_transactions:
                my.rows(self.client, "BEGIN")
            my.rows(self.client, f"INSERT INTO made (v) VALUES ('{text}')")
            if self.in_transactions:
                my.rows(self.client, "SELECT COUNT(*) FROM t")
                committing = True
                my.rows(self.client, "COMMIT")
            self.done.add(text)
            self.since += 1
        except pymysql.err.MySQLError as why:
            lost = why.args[0] in (0, 1158, 2006, 2013)
            (self.unknown if committing and lost else self.refused).add(text)
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                self.client.close() if self.client else None
            self.client = None


def test_a_promotion_under_writers_loses_and_doubles_nothing(my_ringway, cluster):
    """What was acknowledged is there once; what was refused is not; what is unknown is there once or not at all."""
    proxy = my_ringway({"clusters": {"shop": None, "moving": cluster.section() | {"health_interval": "200ms"}}})
    old, (new, other) = cluster.primary(), cluster.replicas()
    writers = [Writer(proxy.mysql_port, f"w{number}", number % 2 == 1) for number in range(4)]
    for each in writers:
        each.start()
    try:
        assert until(lambda: all(each.since > 5 or each.problem for each in writers), 60)
        promote(cluster, old, new, [other])
        for each in writers:
            each.since = 0
        assert until(lambda: all(each.since > 5 or each.problem for each in writers), 60)
    finally:
        for each in writers:
            each.over.set()
        for each in writers:
            each.join(60)
    assert not [each.problem for each in writers if each.problem]
    found = collections.Counter(row[0] for row in new.rows("SELECT v FROM made", "moving"))
    assert set(found.values()) == {1}
    for each in writers:
        assert not each.is_alive()
        assert each.done <= set(found), sorted(each.done - set(found))
        assert not each.refused & set(found)
        assert {text for text in found if text.startswith(each.tag + "-")} <= each.done | each.unknown
