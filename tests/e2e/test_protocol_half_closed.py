"""A client that ends its sending behind its last statement (shutdown(SHUT_WR)) and reads on: answered as by a server, on the same bytes."""

import socket
import time

import pytest

from conftest import until
from wire import Wire, copy_data, copy_done, flush, kinds, one, parse, query, sync


def told(port, raw, database="app", limit=15.0):
    """What comes after `raw` and the end of the sending, but for what a server may say at any time."""
    with Wire(port, database=database) as wire:
        wire.send(raw)
        wire.socket.shutdown(socket.SHUT_WR)
        return [each for each in wire.ended(limit) if each[0] not in "SN"]


@pytest.fixture
def same(proxy, app_cluster):
    def check(raw):
        expected = told(app_cluster.primary().port, raw)
        assert told(proxy.port, raw) == expected
        return kinds(expected)

    return check


def test_statements_before_the_end_are_answered(same):
    assert same(query("SELECT 1; SELECT 2")) == "TDCTDCZ"
    assert same(query("SELECT pg_sleep(0.5)") + query("SELECT 2")) == "TDCZTDCZ"
    assert same(query("SELEC")) == "EZ"


def test_a_pipeline_before_the_end_is_answered(same):
    assert same(b"".join(one("SELECT $1::int8", [n]) for n in range(50)) + sync() + one("SELECT pg_sleep(0.3)") + sync()) == "12TDC" * 50 + "Z12TDCZ"


def test_a_flush_before_the_end_is_answered(same):
    assert same(one("SELECT pg_sleep(0.3)") + flush()) == "12TDC"
    assert same(query("BEGIN") + one("SELECT pg_sleep(0.3)") + flush()) == "CZ12TDC"


def test_what_has_no_end_is_not_waited_for(same):
    assert same(query("SELECT 1") + query("SELECT 2")[:-3]) == "TDCZ"
    assert same(query("SELECT 1") + parse("SELECT 2")) == "TDCZ"
    assert same(b"") == ""


def test_rows_larger_than_all_buffers_come_whole(same):
    assert same(query("SELECT repeat('x', 10000) FROM generate_series(1, 3000)")) == "T" + "D" * 3000 + "CZ"


def test_copy(same):
    begin = query("CREATE TEMP TABLE half_closed (a int)") + query("COPY half_closed FROM STDIN")
    assert same(begin + copy_data(b"1\n2\n") + copy_done() + query("SELECT count(*) FROM half_closed")) == "CZGCZTDCZ"


def test_a_copy_that_is_cut_off_stores_nothing(proxy):
    """A server says 08006 before it closes; here the close alone tells it."""
    begin = query("CREATE TEMP TABLE half_closed (a int)") + query("COPY half_closed FROM STDIN")
    assert kinds(told(proxy.port, begin + copy_data(b"1\n2\n")[:-2])) == "CZG"


def test_an_open_transaction_is_rolled_back(proxy, app_cluster):
    told(proxy.port, query("CREATE TABLE half_closed (a int)"))
    try:
        assert kinds(told(proxy.port, query("BEGIN") + query("INSERT INTO half_closed VALUES (1)"))) == "CZCZ"
        assert app_cluster.primary().rows("SELECT count(*) FROM half_closed") == [(0,)]
    finally:
        told(proxy.port, query("DROP TABLE half_closed"))


def test_over_several_shards(shop_proxy):
    assert kinds(told(shop_proxy.port, query("SELECT count(*) FROM users") + query("SELECT 1"), "shop")) == "TDCZTDCZ"


def running(cluster, mark):
    return cluster.primary().rows("SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'", [f"%{mark}%"])[0][0]


@pytest.mark.parametrize("how", ["end", "reset"])
def test_the_statement_of_a_client_that_is_gone_ends(proxy, app_cluster, how):
    mark = f"client gone by {how}"
    wire = Wire(proxy.port)
    wire.send(query(f"/* ringway: role=primary */ SELECT pg_sleep(60) -- {mark}"))
    assert until(lambda: running(app_cluster, mark) == 1)
    getattr(wire, how)()
    assert until(lambda: running(app_cluster, mark) == 0, 2)


def test_the_statement_of_a_client_that_still_reads_goes_on(proxy, app_cluster):
    mark = "client reads on"
    with Wire(proxy.port) as wire:
        wire.send(query(f"/* ringway: role=primary */ SELECT pg_sleep(2) -- {mark}"))
        wire.socket.shutdown(socket.SHUT_WR)
        assert until(lambda: running(app_cluster, mark) == 1)
        time.sleep(1)
        assert running(app_cluster, mark) == 1
        assert kinds([each for each in wire.ended() if each[0] != "S"]) == "TDCZ"
