"""currval() and lastval(): this session's own values, or an error that says what to do; never another client's."""

import pytest

from conftest import admin
from wire import Wire, codes, fields, one, query, row, sync

ASK, ASK_LAST = "SELECT currval('seq_a')", "SELECT lastval()"


@pytest.fixture(scope="module", params=[1, 2], ids=["pool of one", "pool of two"])
def proxy(request, ringway_session, app_cluster):
    app_cluster.primary().rows("""
        CREATE SEQUENCE IF NOT EXISTS seq_a; CREATE SEQUENCE IF NOT EXISTS seq_b;
        CREATE TABLE IF NOT EXISTS numbered (id serial PRIMARY KEY, note text);
        CREATE TABLE IF NOT EXISTS lines (id serial, of int)""", user="app")
    app_cluster.caught_up()
    return ringway_session({"clusters": {"app": {"pool_size": request.param, "query_wait_timeout": "3s"}}}, app_cluster)


@pytest.fixture
def noise(proxy):
    """Another client, which leaves its own values on the connections it has."""
    with Wire(proxy.port) as other:
        def make():
            other.run(query("BEGIN; SELECT nextval('seq_a'); SELECT nextval('seq_b'); INSERT INTO numbered DEFAULT VALUES; COMMIT"))
        make()
        yield make


def refusal(client, message):
    came = client.run(message)
    return next(fields(body) for kind, body in came if kind == "E")


def pins(proxy):
    return [each["reason"] for each in admin(proxy, "SHOW PINS")]


@pytest.mark.parametrize("ask", [query(ASK), query(ASK_LAST), one(ASK) + sync(), one(ASK_LAST) + sync()], ids=range(4))
def test_what_was_never_called_is_not_defined(proxy, noise, ask):
    with Wire(proxy.port) as client:
        for _ in range(2):
            assert refusal(client, ask)["C"] == "55000"
            assert client.value("SELECT 1") == "1"
            noise()
    with Wire(proxy.port) as client:
        client.run(query("BEGIN"))
        client.rows("SELECT count(*) FROM numbered")
        assert refusal(client, ask)["C"] == "55000"
        client.run(query("ROLLBACK"))


def test_what_the_server_says_of_an_unknown_sequence(proxy, noise):
    with Wire(proxy.port) as client:
        assert refusal(client, query("SELECT currval('nowhere')"))["C"] == "42P01"


@pytest.mark.parametrize("extended", [False, True])
def test_a_value_of_the_transaction(proxy, noise, extended):
    def run(client, sql):
        came = client.run(one(sql) + sync() if extended else query(sql))
        assert not codes(came), came
        return [row(body)[0] for kind, body in came if kind == "D"]
    with Wire(proxy.port) as client:
        for _ in range(3):
            run(client, "BEGIN")
            (made,) = run(client, "INSERT INTO numbered (note) VALUES ('x') RETURNING id")
            assert run(client, "SELECT currval('numbered_id_seq')") == [made]
            assert run(client, ASK_LAST) == [made]
            run(client, "INSERT INTO lines (of) VALUES (currval('numbered_id_seq'))")
            run(client, "COMMIT")
            noise() if not pins(proxy) else None


def test_a_value_of_the_same_text_or_pipeline(proxy, noise):
    with Wire(proxy.port) as client:
        came = client.run(query("INSERT INTO numbered (note) VALUES ('y') RETURNING id; SELECT lastval()"))
        made = [row(body)[0] for kind, body in came if kind == "D"]
        assert len(made) == 2 and made[0] == made[1]
    with Wire(proxy.port) as client:
        came = client.run(one("INSERT INTO numbered (note) VALUES ('y') RETURNING id") + one(ASK_LAST) + sync())
        made = [row(body)[0] for kind, body in came if kind == "D"]
        assert len(made) == 2 and made[0] == made[1]


@pytest.mark.parametrize("draw", ["SELECT nextval('seq_a')", "INSERT INTO numbered (note) VALUES ('z')", "DO $$ BEGIN PERFORM nextval('seq_a'); END $$"])
@pytest.mark.parametrize("ask", [query(ASK), query("INSERT INTO lines (of) VALUES (currval('seq_a'))"), one(ASK_LAST) + sync()], ids=range(3))
def test_a_value_of_an_earlier_transaction_is_refused_once_and_then_kept(proxy, noise, draw, ask):
    with Wire(proxy.port) as client:
        client.run(query(draw))
        assert not pins(proxy)
        noise()
        why = refusal(client, ask)
        assert why["C"] == "0A000" and "RETURNING" in why["H"]
        assert client.value("SELECT 1") == "1"
        (value,) = client.rows("SELECT nextval('seq_a')")[0]
        assert any("sequence" in reason for reason in pins(proxy))
        assert client.rows(ASK) == [[value]] and client.rows(ASK_LAST) == [[value]]
        client.rows("SELECT 1")
        assert client.rows(ASK) == [[value]]
        client.run(query("DISCARD SEQUENCES"))
        assert refusal(client, query(ASK))["C"] == "55000"
        assert client.run(query("DISCARD ALL"))[-1] == ("Z", b"I")
        assert refusal(client, query(ASK))["C"] == "55000"


def test_nothing_of_others_after_the_pin(proxy, noise):
    with Wire(proxy.port) as client:
        assert refusal(client, query(ASK_LAST))["C"] == "55000"
        noise()
        client.rows("SELECT nextval('seq_b')")
        assert refusal(client, query(ASK))["C"] == "55000"


def test_prepared_by_sql(proxy, noise):
    with Wire(proxy.port) as client:
        client.run(query("PREPARE draw AS SELECT nextval('seq_a')"))
        client.run(query(f"PREPARE ask AS {ASK}"))
        assert refusal(client, query("EXECUTE ask"))["C"] == "55000"
        (value,) = client.rows("EXECUTE draw")[0]
        assert client.rows("EXECUTE ask") == [[value]]
    with Wire(proxy.port) as client:
        client.run(query("PREPARE draw AS SELECT nextval('seq_a')"))
        client.run(query(f"PREPARE ask AS {ASK}"))
        client.rows("EXECUTE draw")
        noise()
        assert refusal(client, query("EXECUTE ask"))["C"] == "0A000"


def test_sessions_that_never_ask_are_never_pinned(proxy, noise):
    with Wire(proxy.port) as client:
        for _ in range(3):
            client.rows("SELECT nextval('seq_a')")
            client.run(query("INSERT INTO numbered (note) VALUES ('n')"))
        assert not pins(proxy)


def test_session_mode_needs_no_rule(ringway, app_cluster, noise):
    proxy = ringway({"clusters": {"app": {"pool_mode": "session", "pool_size": 2}}}, app_cluster)
    with Wire(proxy.port) as client:
        (value,) = client.rows("SELECT nextval('seq_a')")[0]
        assert client.rows(ASK) == [[value]]
    with Wire(proxy.port) as client:
        assert refusal(client, query(ASK))["C"] == "55000"
