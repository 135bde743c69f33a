"""MariaDB and MySQL 5.6 clusters behind one port: the greeting comes before a client has named its cluster, and each is served
as its own servers would."""

import subprocess

import my
import my_wire
import pytest
from conftest import MY_SETTINGS

pytestmark = pytest.mark.skipif("mysql-5.6" not in my.SERVERS, reason="no MySQL 5.6 here")


@pytest.fixture(scope="module")
def clusters(workspace):
    made = {"modern": my.MyCluster(workspace, "modern", server="mariadb")}
    try:
        made["old"] = my.MyCluster(workspace, "old", server="mysql-5.6")
        yield made
    finally:
        for each in made.values():
            each.down()


@pytest.fixture(scope="module", params=["modern", "old"])
def proxy(request, ringway_session, clusters):
    """`request.param` is the first in the file."""
    return ringway_session(MY_SETTINGS, clusters=sorted(clusters.values(), key=lambda each: each.name != request.param))


def test_prepared_xa_transactions_are_not_lost(proxy, clusters):
    for name in clusters:
        with my.connect(proxy.mysql_port, database=name) as a, my.connect(proxy.mysql_port, database=name) as b:
            gid = f"{name} of {proxy.mysql_port}"
            before = my.value(a, "SELECT COUNT(*) FROM made")
            for sql in (f"XA START '{gid}'", "INSERT INTO made (v) VALUES ('xa')", f"XA END '{gid}'", f"XA PREPARE '{gid}'"):
                my.rows(a, sql)
            assert my.value(b, "SELECT COUNT(*) FROM made") == before
            assert gid in str(my.rows(a, "XA RECOVER"))  # text or bytes, by the server
            my.rows(a, f"XA COMMIT '{gid}'")
            for each in (a, b):
                assert my.value(each, "SELECT COUNT(*) FROM made") == before + 1


def test_settings_follow_on_each(proxy, clusters):
    for name in clusters:
        with my.connect(proxy.mysql_port, database=name) as a, my.connect(proxy.mysql_port, database=name) as b:
            my.rows(a, "SET group_concat_max_len = 77")
            for _ in range(3):
                assert my.value(a, "SELECT @@group_concat_max_len") == 77
                assert my.value(b, "SELECT @@group_concat_max_len") != 77


def test_reset_connection_is_answered_as_by_its_servers(proxy, clusters):
    for name, cluster in clusters.items():
        said = []
        for port in (cluster.primary().port, proxy.mysql_port):
            with my_wire.Wire(port, database=name) as a:
                try:
                    said.append(a.simple(my_wire.RESET_CONNECTION)[:1])
                except my_wire.ServerError as error:
                    said.append(str(error))
                assert a.query("SELECT 1") == [[b"1"]]
        assert said[0] == said[1], name


def test_no_more_is_offered_than_all_of_them_can(proxy, clusters):
    with my_wire.Wire(proxy.mysql_port, database="modern") as a:
        assert not a.offered & (my_wire.DEPRECATE_EOF | my_wire.SESSION_TRACK)
    for name in clusters:
        for more in (my_wire.SESSION_TRACK | my_wire.DEPRECATE_EOF | my_wire.MULTI_STATEMENTS, my_wire.MULTI_STATEMENTS, 0):
            with my_wire.Wire(proxy.mysql_port, database=name, more=more, mariadb=my_wire.BULK) as a:
                for _ in range(3):
                    assert a.query("SELECT v FROM t ORDER BY id LIMIT 2") == [[b"one"], [b"two"]]
                    assert a.query("UPDATE t SET v = v WHERE id = 1") is None
                    number, _, _ = a.prepare("SELECT id FROM t WHERE id = ?")
                    a.execute(number, (2,))
                    assert len(a.result()[1]) == 1


def test_real_clients_of_each(proxy, clusters):
    for name in clusters:
        said = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{proxy.mysql_port}", "-uapp", "-papp", "-N", "-D", name,
                               "-e", "SELECT * FROM t; SELECT v FROM t WHERE id = 2"], capture_output=True, text=True, timeout=60)
        assert (said.returncode, said.stdout) == (0, "1\tone\n2\ttwo\n3\tthree\ntwo\n"), (name, said.stderr)


def test_the_last_statement_has_a_number_of_its_own_on_mariadb_only(proxy, clusters):
    for name, cluster in clusters.items():
        said = []
        for port in (cluster.primary().port, proxy.mysql_port):
            with my_wire.Wire(port, database=name, more=0) as a:
                a.prepare("SELECT 7")
                try:
                    a.execute(0xffffffff)
                    said.append(a.result()[1])
                except my_wire.ServerError as error:
                    said.append(str(error))
        assert said[0] == said[1], name
