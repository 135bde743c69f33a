"""Statements prepared by several clients on one connection: each client gets the text as it is read at its own Parse."""

import struct

import psycopg
import pytest

from conftest import until
from wire import Wire, bind, codes, describe, execute, kinds, one, parse, query, sync


@pytest.fixture(scope="module")
def narrow(ringway_session, app_cluster):
    """Everything on the primary, over one connection."""
    made = ringway_session({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}}, app_cluster)
    yield made
    made.stop()


@pytest.fixture
def tidy(app_cluster):
    primary = app_cluster.primary()
    primary.rows("DROP TABLE IF EXISTS read_anew; DROP TYPE IF EXISTS mood; DROP SCHEMA IF EXISTS other CASCADE", user="app")
    yield primary
    primary.rows("DROP TABLE IF EXISTS read_anew; DROP TYPE IF EXISTS mood; DROP SCHEMA IF EXISTS other CASCADE", user="app")


def parameters(came):
    body = next(body for kind, body in came if kind == "t")
    return [psycopg.adapters.types[oid].name for oid in struct.unpack(f"!{(len(body) - 2) // 4}I", body[2:])]


def prepared(client, sql, name="s"):
    """The types of its parameters, as a Describe tells them."""
    came = client.run(parse(sql, name) + describe("S", name) + sync())
    assert not codes(came), came
    return parameters(came)


def first(came):
    """The first column of the first row, as text."""
    assert not codes(came), came
    body = next(body for kind, body in came if kind == "D")
    size = struct.unpack_from("!i", body, 2)[0]
    return body[6:6 + size].decode()


INSERT = "INSERT INTO read_anew VALUES ($1)"


@pytest.mark.parametrize("by_batch", [False, True], ids=["by Query", "by a batch"])
def test_parameters_have_the_types_of_the_table_there_is(tidy, narrow, by_batch):
    def change(client, sql):
        came = client.run(parse(sql) + bind() + execute() + sync() if by_batch else query(sql))
        assert not codes(came), came

    with Wire(narrow.port) as maker, Wire(narrow.port) as other:
        for number, type_of in enumerate(("date", "text", "int8", "date")):
            change(maker, f"CREATE TABLE read_anew (v {type_of})")
            for client in (maker, other):
                assert prepared(client, INSERT, f"s{number}") == [type_of]
            change(maker, "DROP TABLE read_anew")
        # In one transaction and in one batch with the change, which nobody else may see.
        change(maker, "CREATE TABLE read_anew (v date)")
        assert prepared(other, INSERT, "before") == ["date"]
        maker.run(query("BEGIN"))
        change(maker, "ALTER TABLE read_anew ALTER v TYPE text")
        assert prepared(maker, INSERT, "within") == ["text"]
        maker.run(query("ROLLBACK"))
        assert prepared(other, INSERT, "after") == ["date"]
        came = maker.run(parse("ALTER TABLE read_anew ALTER v TYPE text") + bind() + execute() + parse(INSERT, "piped") + describe("S", "piped") + sync())
        assert parameters(came) == ["text"], came
        assert prepared(other, INSERT, "last") == ["text"]


def test_a_change_behind_the_proxys_back_is_noticed(tidy, narrow):
    tidy.rows("CREATE TABLE read_anew (v date)", user="app")
    with Wire(narrow.port) as client:
        names = iter(range(10000))
        assert until(lambda: prepared(client, INSERT, f"s{next(names)}") == ["date"], 20)
        tidy.rows("ALTER TABLE read_anew ALTER v TYPE text", user="app")
        assert until(lambda: prepared(client, INSERT, f"s{next(names)}") == ["text"], 20)


def test_a_new_client_never_hears_of_an_old_result(tidy, narrow):
    tidy.rows("CREATE TABLE read_anew (a int)", user="app")
    with Wire(narrow.port) as old, Wire(narrow.port) as fresh:
        prepared(old, "SELECT * FROM read_anew")
        old.run(query("ALTER TABLE read_anew ADD b int"))
        assert kinds(fresh.run(query("BEGIN"))) == "CZ"
        assert kinds(fresh.run(one("SELECT * FROM read_anew", name="s") + sync())) == "12TCZ"
        assert kinds(fresh.run(query("COMMIT"))) == "CZ"


def test_a_type_made_again_is_another(tidy, narrow):
    for _ in range(3):
        with Wire(narrow.port) as client:
            client.run(query("CREATE TYPE mood AS ENUM ('sad', 'glad')"))
            for number in range(3):
                assert first(client.run(one("SELECT $1::mood", ["glad"], f"s{number}", [25]) + sync())) == "glad"
            client.run(query("DROP TYPE mood"))


@pytest.mark.parametrize("sql, setting, one_value, other_value", [
    ("SELECT extract(epoch FROM '2024-01-01 00:00'::timestamptz)::int8::text", "TimeZone", "UTC", "America/New_York"),
    ("SELECT ('02/03/2024'::date - '2024-01-01'::date)::text", "DateStyle", "ISO, MDY", "ISO, DMY"),
    (r"SELECT length('a\\b')::text", "standard_conforming_strings", "on", "off"),
    ("SELECT (NULL = NULL)::text IS NULL", "transform_null_equals", "off", "on"),
])
@pytest.mark.parametrize("local", [False, True], ids=["SET", "SET LOCAL"])
def test_texts_are_read_by_their_clients_settings(narrow, app_cluster, sql, setting, one_value, other_value, local):
    def value(client, wanted):
        client.run(query("BEGIN") if local else query("SELECT 1"))
        assert not codes(client.run(query(f"SET {'LOCAL' if local else ''} {setting} = '{wanted}'")))
        found = first(client.run(one(sql, name="s") + sync()))
        client.run(query("COMMIT") if local else query("SELECT 1"))
        return found

    with Wire(app_cluster.primary().port) as direct, Wire(app_cluster.primary().port) as direct_other:
        expected, expected_other = value(direct, one_value), value(direct_other, other_value)
    assert expected != expected_other
    for _ in range(2):
        with Wire(narrow.port) as a, Wire(narrow.port) as b:
            assert value(a, one_value) == expected
            assert value(b, other_value) == expected_other


def test_texts_find_their_names_by_their_clients_search_path(tidy, narrow):
    tidy.rows("CREATE TABLE read_anew (v date); CREATE SCHEMA other; CREATE TABLE other.read_anew (v text)", user="app")
    with Wire(narrow.port) as a, Wire(narrow.port) as b:
        a.run(query("SELECT 1"))
        b.run(query("SET search_path = other"))
        for name in ("s", "t"):
            assert prepared(a, INSERT, name) == ["date"]
            assert prepared(b, INSERT, name) == ["text"]


def test_temporary_tables_are_their_sessions_own(narrow):
    for type_of in ("date", "text"):
        with Wire(narrow.port) as client:
            client.run(query(f"CREATE TEMP TABLE read_anew (v {type_of})"))
            assert prepared(client, INSERT) == [type_of]
            client.run(query("DROP TABLE read_anew; CREATE TEMP TABLE read_anew (v int8)"))
            assert prepared(client, INSERT, "again") == ["int8"]
            batch = parse("CREATE TEMP TABLE read_anew_2 (v int4)") + bind() + execute()
            came = client.run(batch + parse("SELECT $1 = v FROM read_anew_2", "of_it") + describe("S", "of_it") + sync())
            assert parameters(came) == ["int4"]


@pytest.mark.parametrize("literal", ["now", " Now"])
def test_the_moment_is_that_of_the_clients_own_parse(narrow, literal):
    sql = f"SELECT extract(epoch FROM '{literal}'::timestamptz)::text"
    with Wire(narrow.port) as a, Wire(narrow.port) as b:
        found = first(a.run(one(sql, name="s") + sync()))
        assert first(b.run(one(sql, name="s") + sync())) != found
        assert first(a.run(bind(name="s") + execute() + sync())) == found


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_who_comes_next_is_told_its_own_settings(ringway, app_cluster, mode):
    """What a connection is cleaned of has its old value again, and so is the next client told."""
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "pool_mode": mode, "read_consistency": "primary"}}}, app_cluster)
    with Wire(app_cluster.primary().port) as direct:
        expected = direct.parameters
    for setting in ("client_encoding = latin1", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "application_name = 'mine'"):
        with Wire(proxy.port) as client:
            client.run(query("LISTEN something"))
            client.run(query(f"SET {setting}"))
        with Wire(proxy.port) as client:
            assert client.parameters == expected, setting


def both(narrow, app_cluster, *batches):
    """What Ringway and a server answer to the same messages, without the errors' words."""
    out = []
    for port in (narrow.port, app_cluster.primary().port):
        with Wire(port) as client:
            came = [client.run(each) for each in batches]
            out.append([(kinds(each), codes(each)) for each in came])
    return out


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT", "SELECT 2"])
def test_a_text_that_is_known_is_not_parsed_in_a_failed_transaction(tidy, narrow, app_cluster, end):
    tidy.rows("CREATE TABLE read_anew (a int)", user="app")
    insert = "INSERT INTO read_anew VALUES (70)"
    ours, theirs = both(narrow, app_cluster, parse(insert, "s9") + bind(name="s9") + execute() + sync(), query("BEGIN"), query("SELECT 1 / 0"),
                        parse(insert, "s2") + one(end) + bind(name="s2") + execute() + sync(), query("ROLLBACK"),
                        parse(insert, "s2") + bind(name="s2") + execute() + sync(), query("SELECT count(*) FROM read_anew"))
    assert ours == theirs


def test_a_known_text_is_parsed_behind_a_rollback(tidy, narrow, app_cluster):
    ours, theirs = both(narrow, app_cluster, parse("SELECT 12", "s1") + sync(), query("BEGIN"), query("SELECT 1 / 0"),
                        one("ROLLBACK") + parse("SELECT 12", "s2") + bind(name="s2") + execute() + sync(), bind(name="s1") + execute() + sync(),
                        query("BEGIN"), query("SELECT 1 / 0"), parse("ROLLBACK", "s3") + bind(name="s3") + execute() + sync(),
                        query("BEGIN"), query("SELECT 1 / 0"), parse("ROLLBACK", "s4") + bind(name="s4") + execute() + sync())
    assert ours == theirs


def test_an_unnamed_parse_that_fails_leaves_none(tidy, narrow, app_cluster):
    tidy.rows("CREATE TABLE read_anew (a int)", user="app")
    for wrong in ("INSERT INTO nowhere VALUES (1)", "SELEC"):
        ours, theirs = both(narrow, app_cluster, parse("INSERT INTO read_anew VALUES (1)") + bind() + execute() + sync(), parse(wrong) + sync(),
                            bind() + execute() + sync(), describe("S") + sync(), query("SELECT count(*) FROM read_anew"),
                            parse("SELECT 3") + sync(), bind(name="none") + parse(wrong) + sync(), bind() + execute() + sync())
        assert ours == theirs
