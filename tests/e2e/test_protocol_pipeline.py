"""Traps P1 to P5, P10 to P12, P14, P20: what a pipeline is answered with, compared with a server on the same bytes."""

import pytest

import wire
from wire import Wire, bind, close, codes, describe, execute, flush, kinds, one, parse, query, replies, sync


@pytest.fixture
def pair(proxy, app_cluster):
    """The proxy and its primary, to be asked the same."""
    with Wire(proxy.port) as through, Wire(app_cluster.primary().port) as direct:
        yield through, direct


@pytest.fixture
def same(pair):
    """same(bytes, ready=1): the normalised replies, which are the server's through the proxy too."""
    through, direct = pair

    def check(raw, ready=1):
        expected = replies(direct, raw, ready)
        assert replies(through, raw, ready) == expected
        return expected

    return check


def test_p01_trailing_describe_of_a_portal(same):
    raw = one("SELECT 1 AS a") + parse("SELECT 2 AS b, 'x' AS c") + bind() + execute() + describe("P") + sync()
    assert kinds(same(raw)) == "12TDC12DCTZ"


def test_p02_two_unnamed_parses_before_one_sync(same):
    raw = parse("SELECT $1::int + 1") + bind([1]) + execute() + parse("SELECT $1::text || 'x'") + bind(["a"]) + execute() + sync()
    rows = [body for kind, body in same(raw) if kind == "D"]
    assert [wire.row(each) for each in rows] == [[b"2"], [b"ax"]]


def test_p02_many_statements_of_all_kinds_in_one_pipeline(same):
    raw = b"".join(one("SELECT $1::int8 * 2", [n], name=f"s{n % 7}" if n < 7 else "") for n in range(100)) + sync()
    assert kinds(same(raw)) == "12TDC" * 100 + "Z"


@pytest.mark.parametrize("name", ["", "named"])
def test_p03_describe_and_flush_without_sync(pair, name):
    raw = parse("SELECT $1::int4 AS a, $2::text AS b", name) + describe("S", name) + flush()
    came = [each.send(raw).until("T") for each in pair]
    assert came[0] == came[1]
    assert kinds(came[0]) == "1tT"
    after = [replies(each, bind([1, "x"], name) + execute() + sync()) for each in pair]
    assert after[0] == after[1]


def test_p03_flush_after_execute(pair):
    came = [each.send(one("SELECT 7") + flush()).until("C") for each in pair]
    assert came[0] == came[1] and kinds(came[0]) == "12TDC"
    assert pair[0].silent()
    assert kinds(pair[0].run(sync())) == "Z"


def test_p03_a_write_behind_a_read_that_was_flushed(pair):
    """Without a Sync the read's transaction goes on: it has to be where the write can run (libpq_pipeline's pipeline_idle)."""
    pair[1].run(query("DROP TABLE IF EXISTS flushed; CREATE TABLE flushed (a int)"))  # the proxy's client has written nothing: it may read anywhere
    came = [each.send(one("SELECT 7") + flush()).until("C") for each in pair]
    assert came[0] == came[1] and kinds(came[0]) == "12TDC"
    came = [each.send(one("INSERT INTO flushed VALUES (1)") + flush()).until("C") for each in pair]
    assert came[0] == came[1] and kinds(came[0]) == "12nC"
    assert [kinds(each.run(sync())) for each in pair] == ["Z", "Z"]


def test_p04_an_error_in_the_second_of_five(pair):
    messages = [one(sql) for sql in ("SELECT 1", "SELECT 1/0", "SELECT 3", "SELECT 4", "SELECT 5")]
    came = [wire.normalised(each.send(b"".join(messages) + flush()).until("E")) for each in pair]
    assert came[0] == came[1] and codes(came[0]) == ["22012"]
    through = pair[0]
    assert through.silent()
    through.send(one("SELECT 6"))
    assert through.silent()
    assert kinds(through.run(sync())) == "Z"
    assert through.value("SELECT 8") == "8"


@pytest.mark.parametrize("bad", ["SELEC 1", "SELECT nothing_such", "SELECT $1::int / 0"])
def test_p04_errors_of_parse_and_execute_skip_to_sync(same, bad):
    values = [1] if "$1" in bad else []
    same(one("SELECT 1") + one(bad, values) + one("SELECT 2") + sync() + one("SELECT 3") + sync(), ready=2)


def test_p04_an_error_in_a_transaction(same):
    assert kinds(same(query("BEGIN") + one("SELECT 1/0") + sync() + query("SELECT 1") + query("ROLLBACK"), ready=4)) == "CZ1EZEZCZ"


def test_p05_parse_and_close_while_the_statement_cache_is_full(ringway, app_cluster):
    small = ringway({"clusters": {"app": {"statement_cache": "4KiB", "pool_size": 1}}, "general": {"workers": 1}})
    with Wire(small.port) as through, Wire(app_cluster.primary().port) as direct:
        for n in range(40):
            raw = one(f"SELECT {n} AS filler_{n}", name=f"f{n}") + sync()
            assert replies(through, raw) == replies(direct, raw)
        raw = parse("SELECT 1 AS one", "s1") + close("S", "s1") + parse("SELECT 2 AS two", "s2") + sync()
        assert kinds(replies(through, raw)) == "131Z"
        replies(direct, raw)
        raw = bind(name="s2") + describe("P") + execute() + sync()
        assert replies(through, raw) == replies(direct, raw)
        for n in range(0, 40, 7):
            raw = bind(name=f"f{n}") + describe("P") + execute() + sync()
            assert replies(through, raw) == replies(direct, raw)
        raw = bind(name="s1") + execute() + sync()
        assert codes(replies(through, raw)) == ["26000"]
        with Wire(small.port) as next_client:
            assert wire.row(replies(next_client, one("SELECT $1::text", ["next"]) + sync())[3][1]) == [b"next"]
            assert codes(replies(next_client, bind(name="s2") + execute() + sync())) == ["26000"]


@pytest.mark.parametrize("before, after", [([], []), ([query("BEGIN")], [query("COMMIT")])])
def test_p10_execute_with_max_rows_in_one_batch(same, before, after):
    for each in before:
        same(each)
    raw = parse("SELECT generate_series(1, 25)") + bind() + execute(max_rows=10) * 4 + sync()
    assert kinds(same(raw)) == "12" + "D" * 10 + "s" + "D" * 10 + "s" + "D" * 5 + "C" + "CZ"
    for each in after:
        same(each)


def test_p10_a_portal_read_over_many_syncs_of_a_transaction(same):
    same(query("BEGIN"))
    same(parse("SELECT generate_series(1, 35)") + bind(portal="p") + sync())
    seen = ""
    for _ in range(4):
        seen += kinds(same(execute("p", 10) + sync()))
    assert seen.count("D") == 35
    same(query("COMMIT"))
    assert codes(same(execute("p", 10) + sync())) == ["34000"]


def test_p10_a_portal_ends_with_its_batch_outside_a_transaction(same):
    same(parse("SELECT generate_series(1, 35)") + bind(portal="p") + execute("p", 10) + sync())
    assert codes(same(execute("p", 10) + sync())) == ["34000"]


def test_p10_max_rows_with_flushes(pair):
    for each in pair:
        each.send(parse("SELECT generate_series(1, 25)") + bind() + execute(max_rows=10) + flush())
    assert pair[0].until("s") == pair[1].until("s")
    for each in pair:
        each.send(execute(max_rows=10) + flush())
    assert pair[0].until("s") == pair[1].until("s")
    raw = execute(max_rows=10) + sync()
    assert replies(pair[0], raw) == replies(pair[1], raw)


def test_p11_one_text_with_different_parameter_types(proxy, app_cluster):
    text = "SELECT $1 AS v, pg_typeof($1)::text AS t"
    with Wire(proxy.port) as first, Wire(proxy.port) as second, Wire(app_cluster.primary().port) as direct:
        for kind, value in ((wire.INT4, 1), (wire.INT8, 2), (wire.TEXT, "three")):
            for each in (first, second):
                raw = parse(text, f"s{kind}", [kind]) + describe("S", f"s{kind}") + bind([value], f"s{kind}") + execute() + sync()
                expected = replies(direct, raw + close("S", f"s{kind}") + sync(), 2)[:-2]
                assert replies(each, raw) == expected
        for each in (first, second):
            for kind, name in ((wire.INT4, b"integer"), (wire.INT8, b"bigint"), (wire.TEXT, b"text")):
                assert wire.row(each.run(bind([5], f"s{kind}") + execute() + sync())[1][1]) == [b"5", name]


def test_p12_statements_of_the_protocol_and_of_sql_are_the_same(same):
    same(parse("SELECT $1::int + 1", "s") + sync())
    same(query("EXECUTE s(41)"))
    same(query("PREPARE t(int) AS SELECT $1 * 2"))
    same(describe("S", "t") + bind([21], "t") + execute() + sync())
    assert codes(same(query("PREPARE s AS SELECT 1"))) == ["42P05"]
    assert codes(same(parse("SELECT 1", "t") + sync())) == ["42P05"]
    assert codes(same(query("PREPARE t AS SELECT 1"))) == ["42P05"]
    assert codes(same(parse("SELECT 1", "s") + sync())) == ["42P05"]
    same(query("DEALLOCATE s"))
    assert codes(same(bind([1], "s") + execute() + sync())) == ["26000"]
    same(close("S", "t") + sync())
    assert codes(same(query("EXECUTE t(1)"))) == ["26000"]
    assert codes(same(query("DEALLOCATE t"))) == ["26000"]
    same(parse("SELECT 'again'", "s") + bind(name="s") + execute() + sync())
    same(close("S", "no_such_statement") + sync())


def test_p14_columns_of_a_cached_statement_change(proxy, app_cluster):
    with Wire(proxy.port) as through, Wire(proxy.port) as other:
        through.rows("DROP TABLE IF EXISTS p14")
        through.rows("CREATE TABLE p14 (a int)")
        through.rows("INSERT INTO p14 VALUES (1)")
        for each in (through, other):
            came = each.run(parse("SELECT * FROM p14", "s") + bind(name="s") + describe("P") + execute() + sync())
            assert wire.row(came[3][1]) == [b"1"]
        through.rows("ALTER TABLE p14 ADD COLUMN b text DEFAULT 'new'")
        app_cluster.caught_up()
        for each in (through, other, through):
            came = each.run(bind(name="s") + describe("P") + execute() + sync())
            assert kinds(came) == "2TDCZ", wire.normalised(came)
            assert wire.row(came[2][1]) == [b"1", b"new"]
        through.rows("DROP TABLE p14")


@pytest.mark.parametrize("sql", [
    "INSERT INTO {0} VALUES (1); INSERT INTO {0} VALUES (2); SELECT 1/0; INSERT INTO {0} VALUES (3)",
    "INSERT INTO {0} VALUES (1); INSERT INTO {0} VALUES (2); SELECT count(*) FROM {0}",
    "BEGIN; INSERT INTO {0} VALUES (1); COMMIT; INSERT INTO {0} VALUES (2); SELECT 1/0",
    "INSERT INTO {0} VALUES (1); BEGIN; INSERT INTO {0} VALUES (2); COMMIT; SELECT 1/0",
    "INSERT INTO {0} VALUES (1); BEGIN; INSERT INTO {0} VALUES (2)",
    "INSERT INTO {0} VALUES (1); ROLLBACK; INSERT INTO {0} VALUES (2)",
    "; ;INSERT INTO {0} VALUES (1);;", "", ";",
])
def test_p20_several_statements_in_one_query(proxy, app_cluster, sql):
    came = []
    for port, table in ((proxy.port, "p20_a"), (app_cluster.primary().port, "p20_b")):
        with Wire(port) as client:
            client.rows(f"DROP TABLE IF EXISTS {table}")
            client.rows(f"CREATE TABLE {table} (a int)")
            here = [replies(client, query(sql.format(table)))]
            here.append(replies(client, query("SELECT 'after'")))
            here.append(replies(client, query("COMMIT")))
            here.append(client.rows(f"SELECT a FROM {table} ORDER BY a"))
            client.rows(f"DROP TABLE {table}")
            came.append(here)
    assert came[0] == came[1]


CUT = {  # extended messages that no Sync ends before a Query or a FunctionCall comes
    "named": (parse("SELECT 1", "cut") + bind(name="cut") + execute() + query("SELECT 2") + sync(), 2),
    "unnamed": (parse("SELECT 1") + bind() + execute() + query("SELECT 2") + sync(), 2),
    "Parse alone": (parse("SELECT 1", "cut2") + query("SELECT 2") + sync(), 2),
    "Parse and Bind": (parse("SELECT 1", "cut3") + bind(name="cut3") + query("SELECT 2") + sync(), 2),
    "two Queries": (parse("SELECT 1", "cut4") + query("SELECT 2") + query("SELECT 3") + sync(), 3),
    "no Sync at all": (parse("SELECT 1", "cut5") + bind(name="cut5") + execute() + query("SELECT 2"), 1),
    "a FunctionCall": (parse("SELECT 1") + bind() + execute() + wire.function_call(1397, ["-5"]) + sync(), 2),
    "an error before it": (parse("SELECT 1/0") + bind() + execute() + query("SELECT 2") + sync(), 1),
    "an error in it": (parse("SELECT 1", "cut6") + bind(name="cut6") + execute() + query("SELECT 1/0") + sync(), 2),
    "a write": (parse("CREATE TEMPORARY TABLE cut (a int)") + bind() + execute() + query("INSERT INTO cut VALUES (1)") + sync(), 2),
    "a transaction": (parse("BEGIN") + bind() + execute() + query("SELECT 2") + one("ROLLBACK") + sync(), 2),
    "the unnamed statement ends": (parse("SELECT 1") + query("SELECT 2") + bind() + execute() + sync(), 2),
}


@pytest.mark.parametrize("name", CUT)
def test_a_query_ends_a_batch_without_a_sync(same, name):
    raw, ready = CUT[name]
    same(raw, ready)
    same(query("SELECT 5"))


def test_a_listener_hears_of_its_own_notifications_where_a_server_tells_them(proxy, app_cluster):
    said = []
    for port in (proxy.port, app_cluster.primary().port):  # one after the other: each would hear the other's
        with Wire(port) as client:
            batches = [query("LISTEN own_words"), query("NOTIFY own_words, 'a'"), one("SELECT 1") + one("NOTIFY own_words, 'b'") + one("SELECT 2") + sync(),
                       query("BEGIN"), query("NOTIFY own_words, 'c'"), query("NOTIFY own_words, 'd'"), query("COMMIT")]
            said.append([kinds(client.run(each)) for each in batches])
    assert said[0] == said[1] and said[0][1] == "CAZ"
