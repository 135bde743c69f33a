"""Prepared statements have the client's own names wherever a client can see them: errors, pg_prepared_statements, functions."""

import pytest

import wire
from conftest import admin, until
from wire import Wire, bind, close, describe, execute, flush, kinds, one, parse, query, sync

SEEN = "SELECT name, statement, parameter_types, from_sql, generic_plans, custom_plans FROM pg_prepared_statements ORDER BY name"
PREPARED = [query("PREPARE one AS SELECT 1"), query('PREPARE "Two"(int) AS SELECT $1'), query("PREPARE four AS SELECT 4"),
            query("DEALLOCATE four"), parse("SELECT 3", "three") + sync()]
# How often they have been planned is told from the first time on: here nothing has been before.


@pytest.fixture(params=["transaction", "session"])
def pair(ringway, app_cluster, request):
    """A client of the proxy, in either mode, after another has left statements on its connection; and one of the server itself."""
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "pool_mode": request.param}}})
    with Wire(proxy.port) as before:
        before.run(query("PREPARE one AS SELECT 'another'"))
        before.run(parse("SELECT 'another'", "three") + sync())
    with Wire(proxy.port) as through, Wire(app_cluster.primary().port) as direct:
        yield through, direct


def same(pair, raw, ready=1):
    through, direct = (wire.replies(each, raw, ready) for each in pair)
    assert through == direct
    return through


def test_pg_prepared_statements_tells_the_client_s_own(pair):
    for raw in PREPARED:
        same(pair, raw)
    assert kinds(same(pair, query(SEEN))) == "TDDDCZ"
    same(pair, query('EXECUTE "Two"(5); EXECUTE one'))
    same(pair, query(SEEN))
    same(pair, query("DEALLOCATE one"))
    same(pair, close("S", "three") + sync())
    same(pair, parse("SELECT 33", "three") + bind(name="three") + execute() + sync())
    same(pair, query(SEEN))
    same(pair, query("DISCARD ALL"))
    same(pair, query("PREPARE one AS SELECT 11"))
    same(pair, query(SEEN))


def test_they_are_told_by_the_extended_protocol_too(pair):
    for raw in PREPARED:
        same(pair, raw)
    same(pair, parse(SEEN, "seen") + bind(name="seen") + describe("P") + execute() + sync())
    same(pair, parse("SELECT 3", "three") + sync())  # there already
    same(pair, bind(name="three") + execute() + close("S", "three") + parse("SELECT 5", "three") + sync())
    same(pair, bind(name="seen") + execute() + sync())


def test_a_pipeline_that_failed_before_them(pair):
    for raw in PREPARED:
        same(pair, raw)
    same(pair, parse("SELECT 1/0") + bind() + execute() + parse(SEEN) + bind() + execute() + sync())
    same(pair, parse(SEEN) + bind() + execute() + sync())
    same(pair, query("EXECUTE one"))


def test_statements_that_only_the_server_knows(pair):
    for raw in [*PREPARED, parse("PREPARE unseen AS SELECT 6") + bind() + execute() + sync(), query(SEEN),
                query("EXECUTE unseen"), parse(SEEN) + bind() + execute() + sync()]:
        same(pair, raw)


def test_a_pinned_session_keeps_its_connection_when_a_plan_no_longer_fits(pair):
    for sql in ("CREATE TEMP TABLE mine AS SELECT 1 AS a", "PREPARE q AS SELECT * FROM mine", "EXECUTE q",
                "ALTER TABLE mine ADD b int"):
        wire.replies(pair[0], query(sql)), wire.replies(pair[1], query(sql))
    for raw in (query("EXECUTE q"), parse("EXECUTE q") + bind() + execute() + sync()):
        told = [wire.codes(each.run(raw)) for each in pair]
        assert told == [["0A000"]] * 2
    assert [each.value("SELECT count(*) FROM mine") for each in pair] == ["1", "1"]


def test_in_a_transaction(pair):
    for raw in [query("BEGIN"), *PREPARED, query(SEEN), query("ROLLBACK"), query(SEEN)]:
        same(pair, raw)


def begun_on_a_replica(client, cluster):
    client.run(query("ROLLBACK"))  # by itself: a text that begins in a transaction ends on the same server
    client.run(query("BEGIN READ ONLY"))
    return int(client.value("SELECT current_setting('port')")) != cluster.primary().port


@pytest.mark.parametrize("raw", [query(SEEN), parse(SEEN) + bind() + execute() + sync()], ids=["simple", "extended"])
def test_a_replica_is_not_asked(ringway, app_cluster, raw):
    proxy = ringway()
    app_cluster.caught_up()
    with Wire(proxy.port) as client:
        assert until(lambda: begun_on_a_replica(client, app_cluster))  # as soon as one is in order
        assert wire.codes(client.run(raw)) == ["0A000"]
        client.run(query("ROLLBACK"))
        assert admin(proxy, "SHOW PINS") == []


def test_the_session_is_pinned_with_a_reason(ringway):
    proxy = ringway()
    with Wire(proxy.port) as client:
        client.run(query("PREPARE one AS SELECT 1"))
        assert admin(proxy, "SHOW PINS") == []
        client.run(query(SEEN))
        assert [pin["reason"] for pin in admin(proxy, "SHOW PINS")] == ["pg_prepared_statements"]
        client.run(query("DISCARD ALL"))
        assert admin(proxy, "SHOW PINS") == []


ERRORS = {
    "too few arguments": ["PREPARE q(int, int) AS SELECT $1 + $2", "EXECUTE q(1)"],
    "an argument of another type": ["PREPARE q(int) AS SELECT $1", "/* ä */  EXECUTE q ('a')"],
    "the second of two": ['PREPARE "Long name of it"(int) AS SELECT $1', "PREPARE q(int) AS SELECT $1",
                          """EXECUTE "Long name of it"(1); EXECUTE q(nonsense); SELECT 'ü'"""],
    "in the PREPARE": ["PREPARE q AS SELECT nonsense"],
    "after it in the text": ["PREPARE q AS SELECT 1", "EXECUTE q; SELECT nonsense"],
    "explained": ["PREPARE q(int) AS SELECT $1", "EXPLAIN (COSTS OFF) EXECUTE q", "EXPLAIN (COSTS OFF) EXECUTE q('a')"],
    "made a table of": ["PREPARE q(int) AS SELECT $1 AS a", "CREATE TABLE made AS EXECUTE q('a')"],
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_tell_names_and_places_of_the_client_s_text(ringway, app_cluster, name):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as client, Wire(proxy.port) as other, Wire(app_cluster.primary().port) as direct:
        for sql in ERRORS[name]:
            assert wire.replies(client, query(sql)) == wire.replies(direct, query(sql)), sql
            other.run(query("SET work_mem = '5MB'; DISCARD ALL"))  # another connection, as it were
        for sql in ERRORS[name]:
            raw = parse(sql) + bind() + execute() + sync()
            if sql.startswith("PREPARE") or ";" in sql:
                continue
            assert wire.replies(client, raw) == wire.replies(direct, raw), sql


def test_a_table_that_is_gone(ringway, app_cluster):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    primary = app_cluster.primary()
    primary.rows("DROP TABLE IF EXISTS gone")
    with Wire(proxy.port) as client, Wire(proxy.port) as other, Wire(primary.port) as direct:
        primary.rows("CREATE TABLE gone AS SELECT 1 AS a", user="app")
        for each in client, direct:
            each.run(query("PREPARE q AS SELECT * FROM gone"))
        primary.rows("DROP TABLE gone")
        for again in query("EXECUTE q"), parse("EXECUTE q") + bind() + execute() + sync():
            for before in query("ROLLBACK"), query("BEGIN"):
                other.run(query("SET work_mem = '5MB'; DISCARD ALL"))
                told = []
                for each in client, direct:
                    each.run(before)
                    told.append(wire.codes(each.run(again)))
                    each.run(query("ROLLBACK"))
                assert told == [["42P01"]] * 2


def test_a_bind_with_too_few_parameters_tells_the_client_s_name(pair):
    same(pair, parse("SELECT $1::int", "wanted") + sync())
    same(pair, bind(name="wanted") + execute() + sync())


FUNCTION = """
CREATE OR REPLACE FUNCTION run_prepared(name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE out int; BEGIN EXECUTE 'EXECUTE ' || name INTO out; RETURN out; END $$"""


def test_a_function_finds_the_client_s_statements(pair):
    same(pair, query(FUNCTION))
    same(pair, query("PREPARE one AS SELECT 17"))
    same(pair, query("SELECT run_prepared('one')"))
    same(pair, query("SELECT run_prepared('none')"))
    same(pair, query("EXECUTE one"))


def test_a_function_that_asks_in_a_transaction_is_refused_once(ringway, app_cluster):
    app_cluster.primary().rows(FUNCTION, user="app")
    proxy = ringway({"clusters": {"app": {"read_consistency": "primary"}}})
    with Wire(proxy.port) as client:
        client.run(query("PREPARE one AS SELECT 17"))
        client.run(query("BEGIN"))
        came = client.run(query("SELECT run_prepared('one')"))
        assert wire.codes(came) == ["0A000"] and came[-1][1] == b"E"
        client.run(query("ROLLBACK"))
        client.run(query("BEGIN"))
        assert client.value("SELECT run_prepared('one')") == "17"
        client.run(query("COMMIT"))
        assert "EXECUTE within a function" in [pin["reason"] for pin in admin(proxy, "SHOW PINS")]


def ext(sql):
    return one(sql) + sync()


MIXED = {  # PREPARE by the extended and by the simple protocol: one name, one statement
    "extended first": [ext("PREPARE q AS SELECT 1"), query("PREPARE q AS SELECT 2"), query("EXECUTE q"), query("DEALLOCATE q"), query("EXECUTE q")],
    "simple first": [query("PREPARE q AS SELECT 1"), ext("PREPARE q AS SELECT 2"), query("EXECUTE q"), query("DEALLOCATE q"), query("EXECUTE q")],
    "made again": [ext("PREPARE q AS SELECT 1"), query("DEALLOCATE q"), ext("EXECUTE q"), ext("PREPARE q AS SELECT 3"), ext("EXECUTE q")],
    "DISCARD ALL between": [ext("PREPARE q AS SELECT 1"), query("DISCARD ALL"), query("PREPARE q AS SELECT 2"), query("EXECUTE q")],
    "among others": [query("SELECT 1; PREPARE z AS SELECT 9; EXECUTE z"), query("EXECUTE z"), query("PREPARE z AS SELECT 1"), query("DEALLOCATE z; EXECUTE z")],
    "deallocated in the same text": [query("PREPARE q AS SELECT 1"), query("DEALLOCATE q; PREPARE q AS SELECT 2; EXECUTE q"), query("EXECUTE q"),
                                     query("SELECT 5; PREPARE q AS SELECT 3"), query("EXECUTE q"), query("DEALLOCATE ALL; PREPARE q AS SELECT 4"), query("EXECUTE q")],
    "taken, in a failed transaction": [parse("SELECT 1", "q") + sync(), query("BEGIN"), query("SELECT 1/0"), parse("SELECT 2", "q") + sync(),
                                       parse("ROLLBACK", "q") + sync(), query("ROLLBACK"), parse("SELECT 2", "q") + sync()],
    "a Parse of that name": [ext("PREPARE q AS SELECT 1"), parse("SELECT 2", "q") + sync(), bind(name="q") + execute() + sync(), query("DEALLOCATE q"),
                             parse("SELECT 3", "q") + bind(name="q") + execute() + sync()],
    "others before it": [parse("SELECT $1::int", "p") + sync(), query("PREPARE s AS SELECT 5"), ext("PREPARE q AS SELECT 1"), bind([7], name="p") + execute() + sync(),
                         query("EXECUTE s"), query("EXECUTE q"), query("SELECT name, statement FROM pg_prepared_statements ORDER BY 1")],
}


@pytest.mark.parametrize("name", MIXED)
def test_one_name_by_both_protocols(proxy, app_cluster, name):
    with Wire(proxy.port) as through, Wire(app_cluster.primary().port) as direct:
        for raw in MIXED[name]:
            assert wire.replies(through, raw) == wire.replies(direct, raw)
    with Wire(proxy.port) as other:
        other.run(query("BEGIN"))
        assert other.value("SELECT count(*) FROM pg_prepared_statements") == "0"


def test_their_order_is_the_client_s(pair):
    """Found by psycopg's own tests, which sort by prepare_time."""
    for name in ("zoe", "b", "mia", "a", "kim", "x1", "x0"):
        same(pair, parse(f"SELECT '{name}'::text", name) + sync())
    same(pair, query("SELECT name FROM pg_prepared_statements ORDER BY prepare_time"))


def test_an_execute_bound_on_another_connection_than_it_was_prepared_on(ringway, app_cluster):
    """asyncpg's test_prepare_explicitly_named: prepared and described on a replica, bound on the primary, which did not have what it names."""
    proxy = ringway({"clusters": {"app": {"pool_size": 2}}})
    for end in (flush, sync):
        with Wire(proxy.port) as client, Wire(proxy.port) as other, Wire(app_cluster.primary().port) as direct:
            for each in (client, direct):
                for raw in (parse("SELECT 17", "seventeen") + describe("S", "seventeen"), parse("EXECUTE seventeen", "run") + describe("S", "run")):
                    assert kinds(each.send(raw + end()).until("T")) == "1tT"
                    if end is sync:
                        each.until("Z")
            if end is sync:  # the connection that knows both is taken
                other.run(query("BEGIN"))
                other.run(query("SELECT 1"))
            bound = bind(name="run", results=(1,)) + execute() + sync()
            assert wire.replies(client, bound) == wire.replies(direct, bound)
            assert wire.replies(client, bound) == wire.replies(direct, bound)
