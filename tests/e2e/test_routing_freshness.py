"""Traps R4, R8 and R9: what is read is never older than what the configuration allows, and sick replicas are left alone."""

import contextlib
import os
import pathlib
import signal
import socket
import threading

import psycopg
import pytest

import wire
from conftest import admin, until


@contextlib.contextmanager
def paused(cluster):
    """Replay stands still on every replica."""
    try:
        for replica in cluster.replicas():
            replica.rows("SELECT pg_wal_replay_pause()")
            assert until(lambda: replica.rows("SELECT pg_get_wal_replay_pause_state()")[0][0] == "paused")
        yield
    finally:
        for replica in cluster.replicas():
            replica.rows("SELECT pg_wal_replay_resume()")
        cluster.caught_up()


@pytest.fixture
def table(app_cluster):
    primary = app_cluster.primary()
    for sql in ("DROP TABLE IF EXISTS fresh, copied", "CREATE TABLE fresh (id int PRIMARY KEY, v text)",
                "CREATE TABLE copied (id int PRIMARY KEY, v text)",
                "CREATE OR REPLACE FUNCTION copy_it() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN INSERT INTO copied VALUES (NEW.id, NEW.v); RETURN NEW; END $$",
                "CREATE TRIGGER copies AFTER INSERT ON fresh FOR EACH ROW EXECUTE FUNCTION copy_it()"):
        primary.rows(sql, user="app")
    app_cluster.caught_up()
    return app_cluster


@pytest.mark.parametrize("prepare", [False, True])
def test_r04_a_session_reads_its_writes_while_replay_is_paused(table, proxy, prepare):
    with paused(table), proxy.connect() as client:
        for n in range(20):
            client.execute("INSERT INTO fresh VALUES (%s, %s)", [n, f"v{n}"], prepare=prepare)
            assert client.execute("SELECT v FROM fresh WHERE id = %s", [n], prepare=prepare).fetchone() == (f"v{n}",)
            assert client.execute("SELECT v FROM copied WHERE id = %s", [n], prepare=prepare).fetchone() == (f"v{n}",)


def test_r04_a_transaction_that_wrote_counts_from_its_commit(table, proxy):
    with paused(table), proxy.connect() as client:
        with client.transaction():
            client.execute("INSERT INTO fresh VALUES (100, 'x')")
        assert client.execute("SELECT count(*) FROM fresh WHERE id = 100").fetchone() == (1,)
        with client.pipeline():
            client.execute("INSERT INTO fresh VALUES (101, 'y')")
            seen = client.execute("SELECT v FROM fresh WHERE id = 101")
            assert seen.fetchone() == ("y",)


def test_r04_the_session_returns_to_the_replicas_once_they_have_it(table, proxy):
    replicas = {node.port for node in table.replicas()}
    with proxy.connect() as client:
        client.execute("INSERT INTO fresh VALUES (200, 'z')")
        sql = "SELECT inet_server_port(), (SELECT v FROM fresh WHERE id = 200)"

        def port():
            where, value = client.execute(sql).fetchone()
            assert value == "z"
            return where in replicas

        assert until(port, 20)


def test_eventual_stays_on_the_replicas_after_a_write(table, ringway):
    proxy = ringway({"general": {"read_consistency": "eventual"}})
    replicas = {node.port for node in table.replicas()}
    with proxy.connect() as client:
        for n in range(300, 310):
            client.execute("INSERT INTO fresh VALUES (%s, 'e')", [n])
            assert client.execute("SELECT inet_server_port()").fetchone()[0] in replicas


def lagging(proxy):
    return [row for row in admin(proxy, "SHOW LAG") if row["role"] == "replica" and (row["lag_ms"] is None or int(row["lag_ms"]) > 1000)]


@pytest.mark.parametrize("fallback", ["error", "primary"])
def test_r09_all_replicas_too_far_behind(table, ringway, fallback):
    proxy = ringway({"general": {"max_lag": "500ms", "no_replica": fallback, "read_consistency": "bounded"}})
    primary = table.primary()
    with paused(table), proxy.connect() as client:
        primary.rows("INSERT INTO fresh VALUES (400, 'new')", user="app")
        assert until(lambda: len(lagging(proxy)) == 2, 20), admin(proxy, "SHOW LAG")
        for _ in range(6):
            if fallback == "primary":
                assert client.execute("SELECT v, inet_server_port() FROM fresh WHERE id = 400").fetchone() == ("new", primary.port)
            else:
                with pytest.raises(psycopg.Error) as why:
                    client.execute("SELECT v FROM fresh WHERE id = 400")
                assert not client.closed, why.value
                client.execute("INSERT INTO fresh VALUES (401, 'w') ON CONFLICT DO NOTHING")
    with proxy.connect() as client:
        replicas = {node.port for node in table.replicas()}

        def back():
            try:
                return client.execute("SELECT inet_server_port()").fetchone()[0] in replicas
            except psycopg.Error:
                return False

        assert until(back, 20)


def family(node):
    """A server's postmaster and its children."""
    postmaster = int((pathlib.Path(node.data) / "postmaster.pid").read_text().split()[0])
    children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return [postmaster, *map(int, children)]


@contextlib.contextmanager
def frozen(node):
    stopped = []
    try:
        for pid in family(node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_r08_a_replica_that_stops_answering_leaves_and_returns(table, ringway):
    proxy = ringway({"general": {"pool_size": 4}, "clusters": {"app": {"check_timeout": "500ms", "health_interval": "200ms"}}})
    sick, well = table.replicas()
    with frozen(sick):
        assert until(lambda: any(row["node"] == sick.address and row["state"] == "down" for row in admin(proxy, "SHOW LAG")), 20)
        with proxy.connect() as client:
            ports = {client.execute("SELECT inet_server_port()").fetchone()[0] for _ in range(30)}
            assert well.port in ports and sick.port not in ports  # the primary, where the other is late for a check too
            client.execute("CREATE TABLE IF NOT EXISTS r8 (n int)")
            client.execute("DROP TABLE r8")
    with proxy.connect() as client:
        assert until(lambda: client.execute("SELECT inet_server_port()").fetchone() == (sick.port,), 30)


def test_r08_queries_under_way_do_not_drain_the_pool(table, ringway):
    """Clients that read while the replica freezes: those on it may wait, everybody ends, and new ones are served."""
    proxy = ringway({"general": {"pool_size": 4}, "clusters": {"app": {"check_timeout": "500ms", "health_interval": "200ms"}}})
    sick, problems, served, stop = table.replicas()[0], [], [0] * 8, threading.Event()

    def reads(n):
        try:
            with proxy.connect() as client:
                while not stop.is_set():
                    client.execute("SELECT count(*) FROM fresh")
                    served[n] += 1
        except psycopg.Error as problem:
            problems.append(problem)

    threads = [threading.Thread(target=reads, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    try:
        assert until(lambda: all(served), 20)
        with frozen(sick):
            down = until(lambda: any(row["node"] == sick.address and row["state"] == "down" for row in admin(proxy, "SHOW LAG")), 20)
            before = sum(served)
            flowing = until(lambda: sum(served) > before + 100, 20)
    finally:
        stop.set()
        for each in threads:
            each.join(30)
    assert down and flowing and not any(each.is_alive() for each in threads)
    assert not problems, problems


def test_r08_a_listener_that_never_answers_is_no_replica(table, ringway):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(128)
        address = "127.0.0.1:%d" % silent.getsockname()[1]
        nodes = [node.address for node in table.nodes] + [address]
        proxy = ringway({"clusters": {"app": {"check_timeout": "500ms", "shards": {"s0": {"nodes": nodes}}}}})
        with proxy.connect() as client:
            for _ in range(50):
                client.execute("SELECT 1")
        assert [row["state"] for row in admin(proxy, "SHOW LAG") if row["node"] == address] == ["down"]


def test_a_stalled_replica_is_told_with_its_reason(table, ringway):
    proxy = ringway()
    with paused(table):
        def told():
            rows = [row for row in admin(proxy, "SHOW LAG") if row["state"] == "stalled"]
            return len(rows) == len(table.replicas()) and all("stopped to replay" in row["reason"] for row in rows)
        assert until(told, 10), admin(proxy, "SHOW LAG")
        assert until(lambda: proxy.log.read_text().count("is stalled: it has stopped to replay") >= len(table.replicas()), 5)
    assert until(lambda: proxy.log.read_text().count("replays again") >= len(table.replicas()), 10), proxy.log_tail()


COMMITTED = {  # what has been committed stays, though an error ends the text, the pipeline or the procedure
    "a text": wire.query("INSERT INTO fresh VALUES ({0}, 'x'); COMMIT; SELECT 1/0"),
    "a transaction in a text": wire.query("BEGIN; INSERT INTO fresh VALUES ({0}, 'x'); COMMIT; SELECT 1/0"),
    "an unknown EXECUTE after it": wire.query("BEGIN; INSERT INTO fresh VALUES ({0}, 'x'); COMMIT; EXECUTE nobody"),
    "a pipeline": wire.one("BEGIN") + wire.one("INSERT INTO fresh VALUES ({0}, 'x')") + wire.one("COMMIT") + wire.one("SELECT 1/0") + wire.sync(),
    "a procedure": wire.query("CALL commits_and_fails({0})"),
    "a procedure by the extended protocol": wire.one("CALL commits_and_fails({0})") + wire.sync(),
    "a DO block": wire.query("DO $$ BEGIN INSERT INTO fresh VALUES ({0}, 'x'); COMMIT; RAISE EXCEPTION 'x'; END $$"),
}


@pytest.mark.parametrize("name", COMMITTED)
def test_r04_what_was_committed_before_an_error_is_seen(table, proxy, name):
    table.primary().rows("CREATE OR REPLACE PROCEDURE commits_and_fails(n int) LANGUAGE plpgsql AS "
                         "'BEGIN INSERT INTO fresh VALUES (n, ''x''); COMMIT; RAISE EXCEPTION ''x''; END'", user="app")
    table.caught_up()
    number = 700 + list(COMMITTED).index(name)
    with paused(table), wire.Wire(proxy.port) as client:
        came = client.run(COMMITTED[name].replace(b"{0}", b"%03d" % number))
        assert "E" in wire.kinds(came)
        assert client.value(f"SELECT count(*) FROM fresh WHERE id = {number}") == "1"
