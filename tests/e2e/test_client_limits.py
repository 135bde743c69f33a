"""What keeps clients from being too many, too slow or too large; and that a start looks like a server's."""

import contextlib
import os
import pathlib
import resource
import select
import socket
import struct
import threading
import time

import psycopg
import pytest

import wire
from conftest import admin, until
from wire import Closed, Wire, fields, kinds, normalised, startup


def refused(port, user="app", database="app", **settings):
    """The error that ends a start, without what is the implementation's own."""
    with Wire(port, login=False) as client:
        came = client.send(startup(user, database, **settings)).ended()
        assert kinds(came[-1:]) == "E", kinds(came)
        said = fields(came[-1][1])
        return {name: said[name] for name in "SVCM" if name in said}


# ---- numbers --------------------------------------------------------------------------------------------------------


def test_max_clients(ringway):
    proxy = ringway({"general": {"max_clients": 5}})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(5)]
        assert refused(proxy.port) == {"S": "FATAL", "V": "FATAL", "C": "53300", "M": "sorry, too many clients already"}
        assert len(admin(proxy, "SHOW CLIENTS")) == 5  # operators come in all the same
        for client in clients:
            assert client.execute("SELECT 1").fetchone() == (1,)
        clients.pop().close()
        assert until(lambda: len(admin(proxy, "SHOW CLIENTS")) == 4)
        stack.enter_context(proxy.connect())
        proxy.reload({"general": {"max_clients": 6}})
        assert until(lambda: [row["value"] for row in admin(proxy, "SHOW CONFIG") if row["key"].endswith("max_clients")] == ["6"])
        stack.enter_context(proxy.connect()).execute("SELECT 1")
        assert refused(proxy.port)["C"] == "53300"


def test_max_clients_when_all_come_at_once(ringway):
    proxy = ringway({"general": {"max_clients": 10}})
    held, turned_away, others = [], [], []

    def come():
        try:
            held.append(proxy.connect())
        except psycopg.OperationalError as error:
            (turned_away if "too many clients" in str(error) else others).append(error)

    threads = [threading.Thread(target=come, daemon=True) for _ in range(60)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert (len(held), len(turned_away), others) == (10, 50, [])
    for each in held:
        each.close()


# ---- time -----------------------------------------------------------------------------------------------------------


def still_open(sockets):
    """Those that have not been closed by the other side; what is said before is read and forgotten."""
    kept = []
    for each in sockets:
        try:
            while select.select([each], [], [], 0)[0]:
                if not each.recv(4096):
                    break
            else:
                kept.append(each)
        except OSError:
            pass
    return kept


def test_clients_who_do_not_log_in_are_closed(ringway, certificate):
    """At every stage: no byte, half a packet, after the S of TLS, before the password."""
    proxy = ringway({"general": {"client_login_timeout": "2s"}, "hba": [{"users": ["app"], "method": "scram-sha-256"}, {"method": "trust"}],
                     "client_tls": {"mode": "allow", "certificate": str(certificate[0]), "key": str(certificate[1])}})
    before = proxy.resident_bytes()
    sent = [b"", startup("app", "app")[:9], wire.ssl_request(), startup("app", "app"), b"\x16\x03\x01"]
    silent = []
    begun = time.monotonic()
    for i in range(200):
        silent.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=10))
        silent[-1].sendall(sent[i % len(sent)])
    with proxy.connect("postgres") as client:  # they are in nobody's way
        assert client.execute("SELECT 1").fetchone() == (1,)
        if time.monotonic() - begun < 1.5:
            assert len(still_open(silent)) == 200
        assert until(lambda: not still_open(silent), 20)
        assert client.execute("SELECT 1").fetchone() == (1,)  # the limit is the login's
    # AddressSanitizer keeps what is freed for a while.
    assert proxy.resident_bytes() - before < (96 if {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ) else 32) << 20
    for each in silent:
        each.close()


def test_half_open_logins_leave_no_memory_behind(ringway):
    """4,000 of them at a time, up to the question for the password: what the first have taken serves those that follow."""
    proxy = ringway({"general": {"max_clients": 10_000}, "hba": [{"users": ["app"], "method": "scram-sha-256"}, {"method": "trust"}]})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))

    def after_a_round():
        begun = []
        for _ in range(4000):
            begun.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=10))
            begun[-1].sendall(startup("app", "app"))
        assert begun[-1].recv(1) == b"R"
        for each in begun:
            each.close()
        with proxy.connect("postgres") as client:  # those who left have been seen by now, or are within moments
            assert client.execute("SELECT 1").fetchone() == (1,)
        descriptors = pathlib.Path(f"/proc/{proxy.process.pid}/fd")
        assert until(lambda: len(list(descriptors.iterdir())) < 200, 20)
        return proxy.resident_bytes()

    try:
        first = after_a_round()
        later = [after_a_round() for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert max(later) - first < 8 << 20, (first, later)


def test_a_login_a_byte_at_a_time_is_ended_too(ringway):
    proxy = ringway({"general": {"client_login_timeout": "1s"}})
    with Wire(proxy.port, login=False) as client, pytest.raises((Closed, OSError)):
        for byte in startup("app", "app", application_name="x" * 200):
            client.send(bytes([byte]))
            time.sleep(0.05)
        client.greeting()


# ---- size and names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 7, 10_005, 0x7FFFFFFF, 0xFFFFFFFF])
def test_absurd_startup_lengths(proxy, length):
    before = proxy.resident_bytes()
    for _ in range(20):
        with Wire(proxy.port, login=False) as client:
            came = client.send(struct.pack("!I", length) + struct.pack("!i", wire.PROTOCOL_3_0) + b"x" * 100).ended()
            assert kinds(came) in ("", "E")
    assert proxy.resident_bytes() - before < 8 << 20


def test_unknown_names_are_told_as_by_a_server(proxy, app_cluster):
    direct = app_cluster.primary().port
    assert refused(proxy.port, database="no_such") == refused(direct, database="no_such")
    assert refused(proxy.port, user="no_such") == {"S": "FATAL", "V": "FATAL", "C": "28P01",
                                                   "M": 'password authentication failed for user "no_such"'}
    assert refused(proxy.port, user="") == refused(direct, user="")


# ---- a start as with a server ---------------------------------------------------------------------------------------


SETTINGS = [
    {},
    {"application_name": "an application"},
    {"application_name": "umlaut \u00fc"},
    {"client_encoding": "latin1"},
    {"client_encoding": "'utf-8'"},
    {"DateStyle": "German, YMD"},
    {"TimeZone": "Asia/Tokyo", "IntervalStyle": "iso_8601"},
    {"options": "-c search_path=x"},
    {"options": '-c search_path="a\\ b",public -c statement_timeout=5s'},
    {"options": "--work-mem=5MB -cextra_float_digits=0"},
    {"options": "-c application_name=inner", "application_name": "outer"},
    {"options": "-c my.own=1"},
    {"options": ""},
]

SHOWN = ("application_name", "client_encoding", "DateStyle", "TimeZone", "IntervalStyle", "search_path", "statement_timeout", "work_mem",
         "extra_float_digits")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_start_with_settings(proxy, app_cluster, settings):
    with Wire(proxy.port, **settings) as through, Wire(app_cluster.primary().port, **settings) as direct:
        assert through.parameters == direct.parameters
        script = [f"SHOW {name}" for name in SHOWN]
        script += ["SELECT '2026-03-01'::date, interval '1 day', coalesce(current_setting('my.own', true), '')"]
        script += ["SET search_path = other", "SET application_name = 'now'", "RESET ALL"] + [f"SHOW {name}" for name in SHOWN]
        script += ["RESET application_name", "SHOW application_name"]
        reset = False
        for sql in script:
            heard, said = (normalised(each.run(wire.query(sql))) for each in (through, direct))
            for client, came in ((through, heard), (direct, said)):
                changes = [body.decode().split("\0")[:2] for kind, body in came if kind == "S"]
                client.parameters.update(changes)
            reset = reset or sql == "RESET ALL"
            if reset:  # Ringway tells what it has become with the next statement
                heard, said = ([each for each in came if each[0] != "S"] for came in (heard, said))
            assert heard == said, sql
        assert through.parameters == direct.parameters


@pytest.mark.parametrize("reset", ["RESET ALL", "RESET search_path", "DISCARD ALL"])
def test_a_reset_goes_back_to_the_path_of_the_start(proxy, app_cluster, reset):
    """Routing too: f writes in the client's own schema, and reads in the one that the server's default path finds."""
    with proxy.connect() as client:
        client.execute("CREATE SCHEMA own")
        try:
            client.execute("CREATE TABLE own.t (x int)")
            client.execute("CREATE FUNCTION own.f() RETURNS int8 LANGUAGE sql AS 'INSERT INTO own.t VALUES (1) RETURNING 2::int8'")
            client.execute("CREATE FUNCTION public.f() RETURNS int8 LANGUAGE sql STABLE AS 'SELECT 1::int8'")
            app_cluster.caught_up()
            with proxy.connect(options="-c search_path=own,public") as other:
                other.execute("SET search_path = public")
                other.execute(reset)
                for _ in range(6):
                    assert other.execute("SELECT f()").fetchone() == (2,)
        finally:
            client.execute("DROP SCHEMA own CASCADE")
            client.execute("DROP FUNCTION IF EXISTS public.f()")


def test_latin1_comes_as_latin1(proxy, app_cluster):
    for port in (proxy.port, app_cluster.primary().port):
        with Wire(port, client_encoding="latin1") as client:
            assert client.rows("SELECT chr(233)") == [[b"\xe9"]]
            assert client.run(wire.message("Q", b"SELECT length('\xe9')\0"))[1][1].endswith(b"1")


@pytest.mark.parametrize("settings", [
    {"options": "-c no_such_setting=1"}, {"no_such_setting": "1"}, {"client_encoding": "nonsense"}, {"DateStyle": "nonsense"},
    {"options": "-c work_mem=abc"}, {"options": "-c shared_buffers=1MB"}, {"options": "-c wal_level=minimal"},
    {"options": "-c log_min_duration_statement=5"}, {"options": "-c"}, {"options": "nonsense"}, {"options": "-c work_mem"},
    {"options": "--work-mem"}, {"application_name": "fine", "TimeZone": "Nowhere/Land"}], ids=str)
def test_settings_that_a_server_refuses(proxy, app_cluster, settings):
    assert refused(proxy.port, **settings) == refused(app_cluster.primary().port, **settings)
