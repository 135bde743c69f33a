"""Compression towards servers: statements of every kind over compressed connections, with clients that compress and others.
zstd, which neither MariaDB nor MySQL 5.6 has, is spoken to another Ringway."""

import os
import threading

import my
import my_wire
import pytest
from conftest import MY_SETTINGS, merged, until
from my_wire import Wire
from relay import Relay
from test_mysql_session import test_y22_call_with_three_results_and_out_parameters, test_y22_multi_statements  # noqa: F401
from test_mysql_statements import pair, send_file  # noqa: F401
from test_mysql_statements import test_compression_in_statements_of_every_kind, test_y13_change_user  # noqa: F401
from test_mysql_statements import test_y13_reset_connection, test_y17_prepared_on_one_server_executed_on_another  # noqa: F401
from test_mysql_statements import test_y18_pipelined_queries_are_answered_in_order, test_y20_parameters  # noqa: F401
from test_mysql_statements import test_y21_large_packets, test_y23_load_data_local  # noqa: F401


def settings(method, **more):
    return merged(MY_SETTINGS, {"clusters": {"shop": {"server_compression": method}}} | more)


@pytest.fixture(scope="module")
def my_proxy(ringway_session, my_cluster):
    return ringway_session(settings("zlib"), clusters=my_cluster)


@pytest.fixture(scope="module")
def secured(ringway_session, my_cluster, certificate):
    pem, key = map(str, certificate)
    return ringway_session(settings("zlib", client_tls={"mode": "allow", "certificate": pem, "key": key}), clusters=my_cluster)


def is_compressed(proxy):
    with my.connect(proxy.mysql_port) as connection:
        return my.rows(connection, "SHOW SESSION STATUS LIKE 'Compression'")[0][1] == "ON"


def test_connections_are_compressed_as_configured(my_proxy, my_ringway):
    assert all(is_compressed(my_proxy) for _ in range(5))
    plain = my_ringway()
    assert not is_compressed(plain)
    plain.reload({"clusters": {"shop": {"server_compression": "zlib"}}})
    assert until(lambda: all(is_compressed(plain) for _ in range(3)))


@pytest.mark.parametrize("compress", [None, "zlib", "zstd"])
def test_a_large_file(my_proxy, compress):
    """More packets than a sequence number counts."""
    with Wire(my_proxy.mysql_port, compress=compress, more=my_wire.LOCAL_FILES) as a:
        a.query("CREATE TEMPORARY TABLE loaded (a INT, b VARBINARY(1000))")
        lines = [f"{n}\t".encode() + (b"x" * 900 if n % 2 else os.urandom(400).hex().encode()) for n in range(20_000)]
        parts = [b"".join(line + b"\n" for line in lines[at:at + 40]) for at in range(0, len(lines), 40)]
        assert len(parts) > 256
        for _ in range(2):
            send_file(a, "LOAD DATA LOCAL INFILE 'f' INTO TABLE loaded", *parts)
            a.one()
        assert a.query("SELECT COUNT(*), SUM(a), SUM(LENGTH(b)) FROM loaded") == [
            [b"40000", b"399980000", str(20_000 * (900 + 800)).encode()]]


@pytest.mark.parametrize("compress", [None, "zlib"])
def test_rows_of_a_large_result(my_proxy, compress):
    with Wire(my_proxy.mysql_port, compress=compress, more=my_wire.DEPRECATE_EOF) as a:
        a.query("DROP TABLE IF EXISTS many")
        a.query("CREATE TABLE many (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(200))")
        a.query("INSERT INTO many (b) VALUES (REPEAT('y', 180))")
        for _ in range(16):
            a.query("INSERT INTO many (b) SELECT CONCAT(LEFT(MD5(RAND()), 20), REPEAT('z', 160)) FROM many")
        rows = a.query("SELECT a, b FROM many")
        assert len(rows) == 1 << 16 and all(len(b) == 180 for _, b in rows)
        assert len({a for a, _ in rows}) == 1 << 16
        a.query("DROP TABLE many")


@pytest.mark.servers("mariadb")
def test_many_clients_share_few_compressed_connections(my_proxy):
    problems = []

    def work(number):
        try:
            with my.connect(my_proxy.mysql_port) as connection:
                for turn in range(30):
                    text = f"{number}-{turn}-" + "q" * (turn * 1000)
                    assert my.value(connection, "SELECT %s", [text]) == text
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert not problems


@pytest.mark.servers("mariadb")
def test_a_server_without_zstd_is_spoken_to_as_it_is(my_ringway):
    assert not is_compressed(my_ringway({"clusters": {"shop": {"server_compression": "zstd"}}}))


class Behind:
    """A cluster whose only server is this address."""

    name = "shop"

    def __init__(self, address):
        self.address = address

    def section(self):
        return {"engine": "mysql", "server_compression": "zstd", "read_splitting": False, "monitor_user": "monitor",
                "monitor_password": "monitor", "shards": {"s0": {"nodes": [self.address]}}}


@pytest.mark.servers("mariadb")
def test_zstd_towards_another_ringway(my_ringway, ringway):
    inner = my_ringway({"users": {"monitor": {"password": "monitor"}}, "clusters": {"shop": {"read_splitting": False}}})
    relay = Relay("127.0.0.1", inner.mysql_port)
    proxy = ringway(MY_SETTINGS, clusters=Behind(relay.address))
    flags = my_wire.LOCAL_FILES | my_wire.DEPRECATE_EOF
    with Wire(proxy.mysql_port, more=flags) as a, Wire(proxy.mysql_port, compress="zstd", more=flags) as b:
        for each in (a, b, a):
            assert each.query("SELECT REPEAT('y', 300000), 'x'") == [[b"y" * 300000, b"x"]]
            each.query("CREATE TEMPORARY TABLE loaded (a VARCHAR(1000))")
            send_file(each, "LOAD DATA LOCAL INFILE 'f' INTO TABLE loaded", *[b"z" * 500 + b"\n"] * 300)
            each.one()
            assert each.query("SELECT COUNT(*) FROM loaded") == [[b"300"]]
            each.query("DROP TEMPORARY TABLE loaded")
    relay.watch(b"\x28\xb5\x2f\xfd", False, lambda: None)  # how a zstd frame begins
    with Wire(proxy.mysql_port) as a:
        assert a.query("SELECT '" + "long " * 100 + "'") == [[b"long " * 100]]
    assert relay.fired.is_set()
    relay.close()
