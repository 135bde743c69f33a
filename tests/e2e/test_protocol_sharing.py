"""Traps P6 to P9, P13, P18: clients that share few server connections never see each other."""

import concurrent.futures
import time

import pytest

import wire
from conftest import SOAK, until
from wire import Wire, bind, codes, execute, kinds, one, parse, query, sync


def pool_of_one(**more):
    """One server connection a node, everything on the primary."""
    return {"clusters": {"app": {"pool_size": 1, "read_consistency": "primary", **more}}}


@pytest.fixture
def narrow(ringway):
    return ringway(pool_of_one())


def test_p06_each_client_gets_its_own_answer(ringway):
    proxy = ringway(pool_of_one(query_wait_timeout="1s"))
    statements = 20

    def work(me):
        answered = refused = 0
        with Wire(proxy.port) as client:
            for n in range(statements):
                came = client.run(one("SELECT $1::int8, $2::text", [me, f"{me}-{n}"]) + sync())
                rows = [wire.row(body) for kind, body in came if kind == "D"]
                if rows:
                    assert rows == [[str(me).encode(), f"{me}-{n}".encode()]]
                    answered += 1
                else:
                    assert kinds(came) == "EZ", wire.normalised(came)
                    refused += 1
        return answered, refused

    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        done = list(threads.map(work, range(50)))
    assert sum(answered for answered, _ in done) > 0
    assert sum(sum(each) for each in done) == 50 * statements


def test_p06_a_wait_beyond_its_limit_is_an_error_and_no_answer(ringway):
    proxy = ringway(pool_of_one(query_wait_timeout="300ms"))
    with Wire(proxy.port) as holder, Wire(proxy.port) as waiting:
        holder.run(query("BEGIN; SELECT 1"))
        assert kinds(waiting.run(query("SELECT 2"))) == "EZ"
        assert kinds(waiting.run(one("SELECT $1::int", [3]) + sync())) == "EZ"
        holder.run(query("COMMIT"))
        assert waiting.value("SELECT 4") == "4"


def test_p07_a_client_killed_at_every_byte_of_a_pipeline(narrow, app_cluster):
    primary = app_cluster.primary()
    with primary.connect(user="app") as direct, Wire(narrow.port) as next_client:
        direct.execute("DROP TABLE IF EXISTS p07")
        direct.execute("CREATE TABLE p07 (a int)")
        pipeline = (query("BEGIN") + one("INSERT INTO p07 VALUES ($1)", [1]) + sync()
                    + parse("SELECT a FROM p07 FOR UPDATE", "s") + bind(name="s", portal="c") + execute("c", 1) + sync()
                    + query("LOCK TABLE p07") + query("INSERT INTO p07 VALUES (2)"))
        held = "SELECT count(*) FROM pg_locks WHERE relation = 'p07'::regclass AND pid <> pg_backend_pid()"
        open_ = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND pid <> pg_backend_pid() AND state <> 'idle'"
        for length in range(len(pipeline) + 1):
            victim = Wire(narrow.port)
            victim.send(pipeline[:length])
            victim.reset() if length % 2 else victim.end()
            quiet = until(lambda: direct.execute(held).fetchone()[0] == 0 and direct.execute(open_).fetchone()[0] == 0, 3, 0.002)
            assert quiet, f"after {length} bytes: {direct.execute(open_).fetchall()}"
            if length % 16 == 0:
                assert next_client.value("SELECT count(*) FROM p07") == "0", f"after {length} bytes"
        assert next_client.value("SELECT count(*) FROM p07") == "0"
        direct.execute("DROP TABLE p07")


def test_p08_a_late_cancel_hits_nobody_else(narrow):
    """A cancels as its query ends; B, whose statement has the one connection next, is never cancelled."""
    cancelled = 0
    with Wire(narrow.port) as first, Wire(narrow.port) as second, concurrent.futures.ThreadPoolExecutor(2) as threads:
        for n in range(10_000 if SOAK else 300):
            first.send(query("SELECT pg_sleep(0.0015)"))
            wait = (n % 30) * 0.0001
            late = threads.submit(lambda pause: (time.sleep(pause), wire.cancel(narrow.port, first.pid, first.key)), wait)
            second.send(query(f"SELECT {n}, pg_sleep(0.001)"))
            own = codes(first.until("Z"))
            assert own in ([], ["57014"])
            cancelled += len(own)
            came = second.until("Z")
            assert codes(came) == [], f"round {n}: {wire.normalised(came)}"
            assert wire.row(came[1][1])[0] == str(n).encode()
            late.result()
    assert cancelled > 0


def test_p08_when_its_connection_has_ended_a_cancel_hits_nothing(narrow):
    """Drivers wait for that end, and then go on with the same session."""
    cancelled = 0
    with Wire(narrow.port) as client:
        client.run(query("BEGIN"))  # it stays on one connection
        for n in range(300):
            client.send(query("SAVEPOINT here"))
            client.until("Z")
            client.send(query(f"SELECT pg_sleep({(n % 30) * 0.0001})"))
            wire.cancel(narrow.port, client.pid, client.key)
            own = codes(client.until("Z"))
            assert own in ([], ["57014"])
            cancelled += len(own)
            assert codes(client.run(query("ROLLBACK TO here"))) == [], f"round {n}"
            assert codes(client.run(query("SELECT pg_sleep(0.0005)"))) == [], f"round {n}"
    assert cancelled > 0


def test_p08_a_cancel_of_an_idle_client_does_nothing(narrow):
    with Wire(narrow.port) as idle, Wire(narrow.port) as busy:
        assert idle.value("SELECT 1") == "1"
        busy.send(query("SELECT pg_sleep(0.3)"))
        wire.cancel(narrow.port, idle.pid, idle.key)
        assert kinds(busy.until("Z")) == "TDCZ"


def test_p08_a_cancel_with_a_wrong_key_does_nothing(narrow):
    with Wire(narrow.port) as busy:
        busy.send(query("SELECT pg_sleep(0.3)"))
        wire.cancel(narrow.port, busy.pid, bytes(len(busy.key)))
        wire.cancel(narrow.port, busy.pid + 1, busy.key)
        assert kinds(busy.until("Z")) == "TDCZ"


def cancelled_within(client, port, limit=5):
    client.send(query("SELECT pg_sleep(20)"))
    time.sleep(0.1)
    started = time.monotonic()
    wire.cancel(port, client.pid, client.key)
    came = client.until("Z", limit=limit)
    assert codes(came) == ["57014"]
    assert time.monotonic() - started < limit
    assert client.value("SELECT 'alive'") == "alive"


def test_p09_a_cancel_that_reaches_any_worker_works(ringway):
    proxy = ringway({"general": {"workers": 4}})
    clients = [Wire(proxy.port) for _ in range(8)]
    for each in clients:
        each.send(query("SELECT pg_sleep(20)"))
    time.sleep(0.2)
    for each in clients:
        for _ in range(2):   # connections are spread over the workers
            wire.cancel(proxy.port, each.pid, each.key)
    for each in clients:
        assert codes(each.until("Z", limit=5)) == ["57014"]
        each.end()


def test_p09_a_cancel_that_reaches_another_process_works(ringway, workspace):
    shared = {"general": {"state_dir": str(workspace / "p09-state")}}
    first, second = ringway(shared), ringway(shared)
    with Wire(first.port) as client:
        cancelled_within(client, second.port)
        cancelled_within(client, first.port)
    with Wire(second.port) as client:
        cancelled_within(client, first.port)


def test_p13_discard_all_and_deallocate_all_are_the_session_s_own(narrow):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        for command in ("DISCARD ALL", "DEALLOCATE ALL"):
            for each, value in ((first, 1), (second, 2)):
                came = each.run(parse(f"SELECT {value}, $1::text", "s") + parse("SELECT 'shared'", "t") + sync())
                assert kinds(came) == "11Z"
                assert codes(each.run(query(f"PREPARE q AS SELECT {value}"))) == []
            assert kinds(first.run(query(command))) == "CZ"
            for raw in (bind(["x"], "s"), bind(name="t")):
                assert codes(first.run(raw + execute() + sync())) == ["26000"]
            assert codes(first.run(query("EXECUTE q"))) == ["26000"]
            assert wire.row(second.run(bind(["x"], "s") + execute() + sync())[1][1]) == [b"2", b"x"]
            assert wire.row(second.run(bind(name="t") + execute() + sync())[1][1]) == [b"shared"]
            assert second.value("EXECUTE q") == "2"
            assert codes(first.run(parse("SELECT 3", "s") + sync())) == []
            assert codes(second.run(query("DEALLOCATE ALL"))) == []
            assert codes(first.run(query("DEALLOCATE s"))) == []


def test_p13_discard_all_by_the_extended_protocol(narrow):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        for each in (first, second):
            each.run(parse("SELECT $1::int", "s") + sync())
        assert kinds(first.run(one("DISCARD ALL") + sync())) == "12nCZ"
        assert codes(first.run(bind([1], "s") + execute() + sync())) == ["26000"]
        assert kinds(second.run(bind([1], "s") + execute() + sync())) == "2DCZ"


def test_p18_a_notice_reaches_the_client_that_caused_it(narrow):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        came = first.run(query("DO $$ BEGIN RAISE NOTICE 'for the first'; END $$"))
        assert kinds(came) == "NCZ" and wire.fields(came[0][1])["M"] == "for the first"
        assert second.silent() and kinds(second.run(query("SELECT 1"))) == "TDCZ"


def test_p18_a_changed_parameter_reaches_its_client_only(narrow):
    with Wire(narrow.port) as first, Wire(narrow.port) as second:
        default = second.parameters["TimeZone"]
        came = first.run(query("SET TimeZone = 'Asia/Tokyo'"))
        assert ("S", b"TimeZone\0Asia/Tokyo\0") in came
        for _ in range(3):
            came = second.run(query("SHOW TimeZone"))
            assert kinds(came) == "TDCZ" and wire.row(came[1][1]) == [default.encode()]
            came = first.run(query("SHOW TimeZone"))
            assert kinds(came) == "TDCZ" and wire.row(came[1][1]) == [b"Asia/Tokyo"]
        assert ("S", b"TimeZone\0" + default.encode() + b"\0") in first.run(query("RESET TimeZone"))
        assert kinds(second.run(query("SHOW TimeZone"))) == "TDCZ"


def test_p18_a_notification_reaches_its_listener_only(narrow, app_cluster):
    with Wire(narrow.port) as listener:
        listener.rows("LISTEN p18")
        app_cluster.primary().rows("NOTIFY p18, 'hello'")
        kind, body = listener.message(5)
        assert kind == "A" and body[4:] == b"p18\0hello\0"


def test_p18_no_notification_for_others(ringway, app_cluster):
    proxy = ringway({"clusters": {"app": {"pool_size": 2, "read_consistency": "primary"}}})
    with Wire(proxy.port) as listener, Wire(proxy.port) as other:
        listener.rows("LISTEN p18")
        other.rows("SELECT 1")
        app_cluster.primary().rows("NOTIFY p18, 'one'")
        assert listener.message(5)[0] == "A"
        assert other.silent() and kinds(other.run(query("SELECT 1"))) == "TDCZ"
        listener.rows("UNLISTEN p18")
        assert kinds(other.run(query("NOTIFY p18, 'two'"))) == "CZ"
        assert listener.silent() and kinds(listener.run(query("SELECT 1"))) == "TDCZ"
    with Wire(proxy.port) as listener:   # a listener that went away leaves nothing behind
        listener.rows("LISTEN p18")
    with Wire(proxy.port) as first, Wire(proxy.port) as second:
        for each in (first, second):
            each.rows("SELECT 1")
        app_cluster.primary().rows("NOTIFY p18, 'three'")
        for each in (first, second):
            assert each.silent() and kinds(each.run(query("SELECT 1"))) == "TDCZ"
