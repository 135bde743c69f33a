"""MySQL clients come in: passwords, plugins, TLS, refusals."""

import subprocess

import my
import pymysql
import pytest
from conftest import admin, until


def mariadb(port, *arguments, user="app", password="app"):
    return subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(port), f"-u{user}",
                           f"-p{password}", "-N", "-B", *arguments], capture_output=True, text=True, timeout=60)


def test_a_client_sees_what_the_server_shows(my_proxy, my_cluster):
    with my.connect(my_proxy.mysql_port) as through, my.connect(my_cluster.primary().port) as direct:
        for sql in ("SELECT * FROM t ORDER BY id", "SELECT DATABASE(), @@version", "SHOW TABLES"):
            assert my.rows(through, sql) == my.rows(direct, sql)
        assert through.get_server_info() == direct.get_server_info()


def test_the_mariadb_client_works(my_proxy):
    done = mariadb(my_proxy.mysql_port, "-e", "SELECT v FROM t WHERE id = 2", "shop")
    assert (done.returncode, done.stdout) == (0, "two\n"), done.stderr


@pytest.mark.servers("mariadb")
def test_ed25519_towards_the_server(my_proxy):
    with my.connect(my_proxy.mysql_port, "ed") as connection:
        assert my.value(connection, "SELECT CURRENT_USER()") == "ed@%"


def test_y28_wrong_user_and_wrong_password_are_told_alike(my_proxy):
    told = []
    for user in ("app", "nobody"):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            my.connect(my_proxy.mysql_port, user, "wrong")
        told.append((refused.value.args[0], refused.value.args[1].replace(user, "USER")))
    assert told[0] == told[1] and told[0][0] == 1045


def test_tls_towards_clients(my_ringway, certificate):
    pem, key = map(str, certificate)
    proxy = my_ringway({"client_tls": {"mode": "allow", "certificate": pem, "key": key}})
    with my.connect(proxy.mysql_port, ssl={"ca": pem}) as connection:
        assert my.value(connection, "SELECT v FROM t WHERE id = 1") == "one"
    assert until(lambda: not admin(proxy, "SHOW CLIENTS") or True)
    with my.connect(proxy.mysql_port) as connection:
        assert my.value(connection, "SELECT 1") == 1


def test_too_many_connections_is_1040(my_ringway):
    proxy = my_ringway({"general": {"max_clients": 1}})
    with my.connect(proxy.mysql_port):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            my.connect(proxy.mysql_port)
        assert refused.value.args[0] == 1040


def test_no_database_and_another_one(my_proxy):
    with my.connect(my_proxy.mysql_port, database=None) as connection:
        assert my.value(connection, "SELECT DATABASE()") is None
        my.rows(connection, "USE other")
        assert my.value(connection, "SELECT DATABASE()") == "other"
    with my.connect(my_proxy.mysql_port) as connection:
        assert my.value(connection, "SELECT DATABASE()") == "shop"


def test_show_clients_and_servers(my_proxy):
    with my.connect(my_proxy.mysql_port) as connection:
        my.rows(connection, "BEGIN")
        my.rows(connection, "SELECT * FROM t")
        found = [row for row in admin(my_proxy, "SHOW CLIENTS") if row["user"] == "app"]
        assert [row["state"] for row in found] == ["transaction"]
        my.rows(connection, "COMMIT")
