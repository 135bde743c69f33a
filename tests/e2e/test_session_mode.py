"""Session mode: a client has a server connection of its own until it leaves, and can tell it from a server in nothing."""

import os
import signal
import struct
import threading

import pytest

import wire
from conftest import until
from wire import Wire, codes, fields, query


@pytest.fixture(scope="module")
def session_proxy(ringway_session, app_cluster):
    made = ringway_session({"general": {"pool_mode": "session"}, "clusters": {"app": {"pool_size": 3}}}, app_cluster)
    yield made
    made.stop()


def test_the_pid_told_is_the_servers_and_cancels_name_it(session_proxy):
    for _ in range(3):  # one connection after another has had several clients
        clients = [Wire(session_proxy.port) for _ in range(3)]
        assert [client.value("SELECT pg_backend_pid()") for client in clients] == [str(client.pid) for client in clients]
        for client in clients:
            client.send(query("SELECT pg_sleep(20)"))
        assert all(client.silent(0.4) for client in clients)  # a cancel that comes before its query is lost, as on a server
        for client in clients[1:]:
            wire.cancel(session_proxy.port, client.pid, client.key)
            assert codes(client.until("Z")) == ["57014"]
        assert clients[0].silent()
        wire.cancel(session_proxy.port, clients[0].pid, clients[1].key)  # of another client
        assert clients[0].silent()
        wire.cancel(session_proxy.port, clients[0].pid, clients[0].key)
        assert codes(clients[0].until("Z")) == ["57014"]
        for client in clients:
            client.end()


def test_notifications_name_who_sent_them(session_proxy):
    with Wire(session_proxy.port) as listener, Wire(session_proxy.port) as other:
        listener.run(query("LISTEN told"))
        for sender in (listener, other):
            sender.send(query("NOTIFY told"))
            came = listener.until("A")
            assert struct.unpack("!i", came[-1][1][:4]) == (sender.pid,)
            if sender is listener:
                listener.until("Z")


@pytest.mark.parametrize("mode", ["session", "pinned"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_the_server_itself_tells_that_it_ends(session_proxy, proxy, app_cluster, mode, busy):
    port = session_proxy.port if mode == "session" else proxy.port
    heard = []
    for where in (app_cluster.primary().port, port):
        with Wire(where) as client:
            client.run(query("LISTEN something"))
            pid = client.value("SELECT pg_backend_pid()")
            if busy:
                client.send(query("SELECT pg_sleep(20)"))
                running = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = %s"
                assert until(lambda: app_cluster.primary().rows(running, [pid])[0][0])
            app_cluster.primary().rows("SELECT pg_terminate_backend(%s)", [pid])
            came = [body for kind, body in client.ended() if kind == "E"]
            heard.append([{key: fields(body)[key] for key in "SCM"} for body in came])
    assert heard[0] == heard[1] and heard[0][0]["C"] == "57P01", heard


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_server_that_ends_before_the_client_is_let_in_is_replaced(ringway, app_cluster, mode):
    """The connection is being brought to the settings of the client's start; nobody has been told of it yet."""
    proxy = ringway({"general": {"pool_mode": mode}, "clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as client:
        pid = int(client.value("SELECT pg_backend_pid()"))
    primary = app_cluster.primary()
    assert until(lambda: primary.rows("SELECT state = 'idle' FROM pg_stat_activity WHERE pid = %s", [pid]) == [(True,)])
    os.kill(pid, signal.SIGSTOP)
    got = []
    try:
        comer = threading.Thread(target=lambda: got.append(Wire(proxy.port, work_mem="77MB")), daemon=True)
        comer.start()
        comer.join(0.5)
        assert not got
        primary.rows("SELECT pg_terminate_backend(%s)", [pid])
    finally:
        os.kill(pid, signal.SIGCONT)
    comer.join(15)
    assert got, "the client waits for ever"
    with got[0] as client:
        assert client.value("SHOW work_mem") == "77MB"
        assert client.value("SELECT pg_backend_pid()") != str(pid)
