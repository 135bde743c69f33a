"""The admin port in MySQL's protocol."""

import subprocess

import my
import pymysql
import pytest
from conftest import admin, free_ports, knows_tables, until


@pytest.fixture(scope="module")
def port():
    return free_ports(1)[0]


@pytest.fixture
def proxy(my_ringway, port):
    return my_ringway({"listen": {"admin_mysql": f"127.0.0.1:{port}"}})


def test_the_same_rows_as_by_postgresqls_protocol(proxy, port):
    assert until(lambda: knows_tables(proxy, "shop"))
    with my.connect(port, "postgres", database="ringway") as client:
        for command in ("SHOW VERSION", "SHOW CONFIG", "SHOW BANS", "SHOW ROUTE shop 'SELECT 1'"):
            with client.cursor() as cursor:
                cursor.execute(command)
                names = [each[0] for each in cursor.description]
                found = [dict(zip(names, (None if value is None else str(value) for value in row))) for row in cursor.fetchall()]
            wanted = [{name: None if value is None else str(value) for name, value in row.items()} for row in admin(proxy, command)]
            assert found == wanted, command
        assert len(my.rows(client, "SHOW LAG")) == 3
        with pytest.raises(pymysql.err.MySQLError) as wrong:
            my.rows(client, "SHOW LAGS")
        assert "LAG" in wrong.value.args[1]
        address = my.rows(client, "SHOW LAG")[1]
        node = next(value for value in address if isinstance(value, str) and value.startswith("127.0.0.1:"))
        my.rows(client, f"BAN '{node}' FOR 60s")
        assert [row["node"] for row in admin(proxy, "SHOW BANS")] == [node]
        my.rows(client, f"UNBAN '{node}'")
        assert admin(proxy, "SHOW BANS") == []


def test_a_pause_that_waits_ends_by_another_client(proxy, port):
    with my.connect(port, "postgres", database="ringway") as one, my.connect(proxy.mysql_port) as client:
        my.rows(one, "PAUSE")
        my.rows(one, "RESUME")
        assert my.value(client, "SELECT 1") == 1


def test_only_admins_are_let_in(proxy, port):
    for user, password in (("app", "app"), ("postgres", "wrong"), ("nobody", "x")):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            my.connect(port, user, password, "ringway")
        assert refused.value.args[0] == 1045


def test_the_command_line_client(proxy, port):
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(port), "-upostgres", "-ppostgres", "-N", "-B"],
                          input="SHOW VERSION;\nSHOW LAG;\nstatus\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Ringway" in done.stdout and done.stdout.count("127.0.0.1:") >= 3, done.stdout + done.stderr
