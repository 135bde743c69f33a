"""The cluster and the user "*" before MySQL's servers: databases and users that only they know. And what log_queries shows."""

import subprocess

import my
import my_wire
import pymysql
import pytest
from conftest import MY_SETTINGS, merged, until


@pytest.fixture(scope="module")
def cluster(workspace, my_server):
    made = my.MyCluster(workspace, "any", server=my_server)
    primary = made.primary()
    for user in ("first", "second"):
        primary.rows(f"CREATE USER {user}@'%' IDENTIFIED BY '{user}'", "any")
    primary.rows("GRANT ALL ON any.* TO first@'%'", "any")
    primary.rows("GRANT ALL ON other.* TO first@'%'", "any")
    primary.rows("GRANT SELECT ON any.t TO second@'%'", "any")
    yield made
    made.down()


@pytest.fixture(scope="module")
def proxy(ringway_session, cluster, certificate):
    pem, key = map(str, certificate)
    return ringway_session(merged(MY_SETTINGS, {
        "clusters": {"any": None, "*": cluster.section()}, "users": {"app": None, "ed": None, "*": {}},
        "general": {"log_queries": True}, "client_tls": {"mode": "allow", "certificate": pem, "key": key}}), clusters=cluster)


def connect(proxy, user, password=None, database="any", **more):
    return my.connect(proxy.mysql_port, user, password or user, database, ssl={"ca": None, "check_hostname": False}, **more)


def refusal(*arguments, **more):
    with pytest.raises(pymysql.err.MySQLError) as refused:
        connect(*arguments, **more)
    return refused.value.args[0]


def test_whoever_the_servers_let_in(proxy):
    for user in ("first", "second"):
        with connect(proxy, user) as a:
            assert my.rows(a, "SELECT DATABASE(), CURRENT_USER(), v FROM t WHERE id = 1") == [("any", f"{user}@%", "one")]


def test_whoever_they_do_not(proxy, cluster):
    assert refusal(proxy, "first", "wrong") == 1045
    assert refusal(proxy, "nobody", "nobody") == 1045
    assert refusal(proxy, "first", database="no_such_database") in (1044, 1049)
    assert refusal(proxy, "second", database="other") == 1044


def test_databases_come_and_go(proxy, cluster):
    root = cluster.primary()
    root.rows("CREATE DATABASE fresh", "any")
    root.rows("GRANT ALL ON fresh.* TO first@'%'", "any")
    with connect(proxy, "first", database="fresh") as a, connect(proxy, "first") as b:
        my.rows(a, "CREATE TABLE f (a INT)")
        assert my.rows(a, "SELECT DATABASE(), COUNT(*) FROM f") == [("fresh", 0)]
        assert my.value(b, "SELECT DATABASE()") == "any"
        my.rows(a, "DROP DATABASE fresh")
        assert my.value(a, "SELECT DATABASE()") is None
    assert refusal(proxy, "first", database="fresh") == 1049


def test_no_database(proxy):
    with connect(proxy, "first", database=None) as a:
        assert my.value(a, "SELECT DATABASE()") is None
        my.rows(a, "USE other")
        assert my.value(a, "SELECT DATABASE()") == "other"


def test_a_changed_password(proxy, cluster):
    root = cluster.primary()
    with connect(proxy, "second") as a:
        root.rows("SET PASSWORD FOR second@'%' = PASSWORD('newer')", "any")
        try:
            assert refusal(proxy, "second", "second") == 1045
            with connect(proxy, "second", "newer") as b:
                assert my.value(b, "SELECT v FROM t WHERE id = 2") == "two"
            assert my.value(a, "SELECT v FROM t WHERE id = 2") == "two"
        finally:
            root.rows("SET PASSWORD FOR second@'%' = PASSWORD('second')", "any")


def test_the_mariadb_client_without_tls(proxy):
    """The password goes under Ringway's RSA key."""
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "--skip-ssl", "-h", "127.0.0.1", "-P", str(proxy.mysql_port), "-ufirst",
                           "-pfirst", "-N", "-B", "-e", "SELECT v FROM t WHERE id = 3", "any"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "three\n"), done.stderr


def change_user(wire, user, password, database="any"):
    """Asked for the password itself, over TLS."""
    wire.command(my_wire.CHANGE_USER, user.encode() + b"\0\0" + database.encode() + b"\0\x2d\0mysql_native_password\0")
    assert wire.packet().startswith(b"\xfecaching_sha2_password")
    wire.send(b"x" * 32, wire.sequence)
    assert wire.packet() == b"\1\4"
    wire.send(password.encode() + b"\0", wire.sequence)
    return wire.one()


def first(proxy):
    return my_wire.Wire(proxy.mysql_port, "first", "first", "any", ask=True, tls=True)


def test_change_user_to_one_whom_only_the_servers_know(proxy, cluster):
    with first(proxy) as a, first(proxy) as b:
        for user, database in (("second", "any"), ("first", "other"), ("second", "any")):
            a.query("SET @a = 1, time_zone = '+05:00'")
            change_user(a, user, user, database)
            assert a.query("SELECT CURRENT_USER(), DATABASE(), @a, @@time_zone") == [
                [f"{user}@%".encode(), database.encode(), None, b"SYSTEM"]]
            assert b.query("SELECT CURRENT_USER()") == [[b"first@%"]]
        with pytest.raises(my_wire.ServerError):
            a.query("INSERT INTO t VALUES (1000, 'not allowed')")


@pytest.mark.parametrize("user, password, database, code", [
    ("second", "wrong", "any", 1045), ("nobody", "nobody", "any", 1045), ("second", "second", "other", 1044),
    ("first", "first", "no_such_database", 1049)])
def test_a_failed_change_of_user_ends_the_connection(proxy, user, password, database, code):
    with first(proxy) as a:
        a.query("BEGIN")
        a.query("SELECT * FROM t FOR UPDATE")
        with pytest.raises(my_wire.ServerError) as refused:
            change_user(a, user, password, database)
        assert refused.value.code in ((code, 1044) if code == 1049 else (code,))
        with pytest.raises(OSError):
            a.query("SELECT 1")
    with first(proxy) as b:
        b.query("SET SESSION innodb_lock_wait_timeout = 2")
        assert b.query("SELECT COUNT(*) FROM t WHERE id < 4 FOR UPDATE") == [[b"3"]]


def test_statements_are_logged(proxy):
    with connect(proxy, "first") as a:
        my.rows(a, "SELECT v FROM t WHERE id = 1 /* to be seen */")
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(a, "SET PASSWORD = 'very secret 1'")
        with pytest.raises(pymysql.err.MySQLError):
            my.rows(a, "CREATE USER x IDENTIFIED BY 'very secret 2'")
    with my_wire.Wire(proxy.mysql_port, "first", "first", "any", ask=True, tls=True) as a:
        number, _, _ = a.prepare("SELECT v, 'prepared to be seen' FROM t WHERE id = ?")
        a.execute(number, [1])
        assert len(a.result()[1]) == 1
    assert until(lambda: "prepared to be seen" in proxy.log.read_text())
    log = proxy.log.read_text()
    assert "(first in any) from 127.0.0.1:" in log and "/* to be seen */" in log and "very secret" not in log
