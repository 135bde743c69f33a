"""Clients that Describe a statement once and read all later rows by it: never are rows of another form sent to them."""

import pytest

from conftest import knows_tables, until
from wire import Wire, bind, close, codes, describe, execute, fields, flush, kinds, parse, query, row, sync

ROWS = "SELECT * FROM described ORDER BY a"


@pytest.fixture
def table(app_cluster):
    primary = app_cluster.primary()
    primary.rows("DROP TABLE IF EXISTS described", user="app")
    primary.rows("CREATE TABLE described (a int)", user="app")
    primary.rows("INSERT INTO described VALUES (1)", user="app")
    yield primary
    primary.rows("DROP TABLE described", user="app")


def clients(proxy, count, **more):
    return [Wire(proxy.port, database="app", **more) for _ in range(count)]


def learn(client, sql=ROWS, name="s"):
    came = client.run(parse(sql, name) + describe("S", name) + sync())
    assert kinds(came) == "1tTZ", came
    return came


def fetch(client, name="s"):
    return client.run(bind(name=name) + execute() + sync())


def rows_of(came):
    return [int.from_bytes(body[:2], "big") for kind, body in came if kind == "D"]


@pytest.mark.parametrize("sql", [ROWS, ROWS + " FOR SHARE"])
def test_old_descriptions_are_never_answered_with_new_rows(table, app_cluster, proxy, sql):
    """Many connections, some of which prepare the text after the change only."""
    direct = Wire(app_cluster.primary().port, database="app", user="app")
    told = clients(proxy, 6)
    for client in [direct, *told]:
        learn(client, sql)
        assert rows_of(fetch(client)) == [1]
    table.rows("ALTER TABLE described ADD b int", user="app")
    app_cluster.caught_up()
    assert codes(fetch(direct)) == ["0A000"]
    fresh = clients(proxy, 6)
    for client in fresh:
        learn(client, sql)
    for _ in range(4):
        for client in told:
            came = fetch(client)
            assert codes(came) == ["0A000"] and rows_of(came) == [], came
            assert came[-1] == ("Z", b"I")
        for client in fresh:
            came = fetch(client)
            assert rows_of(came) == [2], came
    for client in [direct, *told]:  # prepared anew it is fine
        client.run(close("S", "s") + sync())
        learn(client, sql)
        assert rows_of(fetch(client)) == [2]


def test_who_knows_the_new_form_is_not_refused_for_what_a_connection_was_asked_before(table, ringway):
    """One connection has the text from before the change, of which the proxy has not heard yet, the other from after it."""
    proxy = ringway({"general": {"workers": 1}, "clusters": {"app": {"pool_size": 2, "read_consistency": "primary"}}})
    assert until(lambda: knows_tables(proxy, "app"))
    told, fresh, first, second = clients(proxy, 4)
    hold = "SELECT txid_current()"
    learn(told)
    first.run(query("BEGIN"))
    first.run(query(hold))
    table.rows("ALTER TABLE described ADD b int", user="app")
    learn(fresh)
    second.run(query("BEGIN"))
    second.run(query(hold))
    first.run(query("COMMIT"))
    for _ in range(2):
        assert rows_of(fetch(fresh)) == [2]
        assert codes(fetch(told)) == ["0A000"]


def routines(came):
    return [fields(body).get("R") for kind, body in came if kind == "E"]


def test_errors_name_the_routine_by_which_drivers_prepare_anew(table, app_cluster, proxy):
    """postgres.js, pgjdbc and asyncpg look at field R, not at the text, before they prepare a statement again."""
    direct = Wire(app_cluster.primary().port, database="app", user="app")
    told = [direct, *clients(proxy, 4)]
    for client in told:
        learn(client)
    table.rows("ALTER TABLE described ADD b int", user="app")
    app_cluster.caught_up()
    for client in clients(proxy, 4):
        learn(client)
    for client in told:
        assert routines(fetch(client)) == ["RevalidateCachedQuery"]
        assert routines(fetch(client, "unknown")) == ["FetchPreparedStatement"]
        assert routines(client.run(query("BEGIN") + bind(name="unknown") + sync(), 2)) == ["FetchPreparedStatement"]


def test_in_a_transaction_the_error_aborts_it(table, app_cluster, proxy):
    told = clients(proxy, 3)
    for client in told:
        learn(client, ROWS + " FOR SHARE")
    table.rows("ALTER TABLE described ADD b int", user="app")
    busy = clients(proxy, 3)
    for client in busy:
        learn(client, ROWS + " FOR SHARE")
    for client in told:
        client.run(query("BEGIN"))
        assert codes(fetch(client)) == ["0A000"]
        assert codes(client.run(query("SELECT 1"))) == ["25P02"]
        assert client.run(query("ROLLBACK"))[-1] == ("Z", b"I")


def test_who_describes_each_portal_sees_the_table_as_it_is(table, app_cluster, proxy):
    """libpq does: it never relies on what it was told before."""
    told = clients(proxy, 4)
    ask = bind(name="s") + describe("P") + execute() + sync()
    for client in told:
        client.run(parse(ROWS, "s") + sync())
        assert rows_of(client.run(ask)) == [1]
    table.rows("ALTER TABLE described ADD b int", user="app")
    app_cluster.caught_up()
    for _ in range(3):
        for client in told:
            came = client.run(ask)
            assert rows_of(came) == [2] and kinds(came) == "2TDCZ"


def test_unnamed_statements_described_in_an_earlier_batch(table, app_cluster, proxy):
    client, *others = clients(proxy, 4)
    learn(client, name="")
    table.rows("ALTER TABLE described ADD b int", user="app")
    app_cluster.caught_up()
    for other in others:
        other.rows("SELECT 1")
    came = fetch(client, "")
    assert codes(came) == ["0A000"] and rows_of(came) == []
    learn(client, name="")
    assert rows_of(fetch(client, "")) == [2]


def test_a_pipeline_of_many_binds_is_checked_once_and_in_order(table, proxy):
    client = Wire(proxy.port, database="app")
    learn(client)
    client.run(query("DISCARD ALL"))
    learn(client)
    came = client.run((bind(name="s") + execute()) * 5 + sync())
    assert kinds(came) == "2DC" * 5 + "Z"


@pytest.mark.parametrize("begin", ["", "BEGIN"])
def test_constants_are_read_as_when_they_were_prepared(table, proxy, begin):
    """Whatever connection the statement is prepared on later; and the settings of now are as they were."""
    client, *others = clients(proxy, 4)
    client.run(query("SET datestyle = 'sql, mdy'"))
    # A text of its own for each table: a server reads what it has prepared anew when the table has gone since.
    sql = f"SELECT extract(month FROM '02/03/2000'::date)::int AS m{begin} FROM described"
    learn(client, sql)
    client.run(query(f"PREPARE q AS {sql}"))
    client.run(query("SET datestyle = 'sql, dmy'"))
    for other in others:  # they hold connections
        other.run(query("BEGIN") + query("SELECT 1 FROM described FOR SHARE"), 2)
    seen = []
    for _ in range(4):
        if begin:
            client.run(query(begin))
        came = [*fetch(client), *client.run(query("EXECUTE q") + query("SHOW datestyle"), 2)]
        client.run(query("COMMIT"))
        came += client.run(query("SELECT '02/03/2000'::date"))
        seen.append([row(body) for kind, body in came if kind == "D"] + codes(came))
    for other in others:
        other.end()
    assert seen == [[[b"2"], [b"2"], [b"SQL, DMY"], [b"02/03/2000"]]] * 4


def test_a_dropped_table_is_told_in_the_servers_words(table, app_cluster, proxy):
    told = clients(proxy, 3)
    for client in told:
        learn(client)
    table.rows("ALTER TABLE described RENAME TO described_away", user="app")
    app_cluster.caught_up()
    try:
        for client in told:
            assert codes(fetch(client)) == ["42P01"]
            assert client.rows("SELECT 1") == [[b"1"]]
    finally:
        table.rows("ALTER TABLE described_away RENAME TO described", user="app")


def test_flush_before_bind_ties_no_pipeline_to_a_shard(shop_proxy, shop_cluster):
    """As asyncpg prepares: Parse, Describe and Flush, and the values later."""
    with Wire(shop_proxy.port, database="shop") as client:
        for key in range(4001, 4021):
            for sql, values, tag in (("INSERT INTO users VALUES ($1, $2, 'de')", [key, "x"], b"INSERT 0 1\0"),
                                     ("SELECT name FROM users WHERE id = $1", [key], b"SELECT 1\0"),
                                     ("DELETE FROM users WHERE id = $1", [key], b"DELETE 1\0")):
                came = client.send(parse(sql, f"s{key}{sql[0]}") + describe("S", f"s{key}{sql[0]}") + flush()).until("Tn")
                assert [kind for kind, _ in came] == ["1", "t", "n" if sql[0] != "S" else "T"]
                came = client.run(bind(values, f"s{key}{sql[0]}") + execute() + sync())
                assert not codes(came) and ("C", tag) in came, came
        left = sum(shop_cluster.primary(shard).rows("SELECT count(*) FROM users WHERE id BETWEEN 4001 AND 4020")[0][0]
                   for shard in shop_cluster.shards)
        assert left == 0


def test_flush_before_bind_with_an_error_skips_to_sync(shop_proxy):
    with Wire(shop_proxy.port, database="shop") as client:
        client.send(parse("SELEC 1", "bad") + describe("S", "bad") + flush())
        assert client.until("E")[-1][0] == "E"
        came = client.run(bind([1], "bad") + execute() + sync())
        assert kinds(came) == "Z"
        assert client.rows("SELECT 1") == [[b"1"]]


def test_flush_before_bind_of_a_write_on_a_replica(proxy, table):
    with Wire(proxy.port, database="app") as client:
        client.run(parse("INSERT INTO described VALUES ($1) RETURNING a", "w") + sync())
        for i in range(4):
            client.send(parse("SELECT a FROM described", f"r{i}") + describe("S", f"r{i}") + flush())
            assert [kind for kind, _ in client.until("T")] == ["1", "t", "T"]
            came = client.run(bind([i + 10], "w") + execute() + sync())
            assert not codes(came) and rows_of(came) == [1]


def test_a_query_of_another_client_drops_no_unnamed_statement(ringway):
    """A server forgets its unnamed statement with each Query; a client's own Parse is remembered."""
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as client, Wire(proxy.port) as other:
        client.run(parse("SELECT 1 FOR UPDATE") + sync())
        for _ in range(3):
            assert other.rows("SELECT 2") == [[b"2"]]
            other.run(query("BEGIN") + query("COMMIT"), 2)
            assert kinds(client.run(bind() + execute() + sync())) == "2DCZ"


@pytest.fixture
def narrow(ringway):
    """One server connection for all. Replicas would be asked for what only describes, and they keep LOCK TABLE, too."""
    return ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})


LOCKING = ROWS + " FOR SHARE"


@pytest.mark.parametrize("end", [sync(), flush() + sync()], ids=["Sync", "Flush and Sync"])
def test_what_has_been_described_is_described_while_all_connections_are_out(table, narrow, end):
    assert until(lambda: knows_tables(narrow, "app"))
    first, holder, other = clients(narrow, 3)
    told = learn(first, LOCKING)
    holder.run(query("BEGIN; LOCK TABLE described"))
    preparing = parse(LOCKING, "s") + describe("S", "s")
    assert other.run(preparing + end) == told
    assert other.run(describe("S", "s") + end) == told[1:]
    other.send(parse("SELECT 2 FROM described FOR SHARE", "new") + describe("S", "new") + sync())
    other.send(bind(name="s") + execute() + sync())
    assert other.silent(0.6)  # nobody has described it yet
    holder.run(query("COMMIT"))
    assert kinds(other.until("Z")) == "1tTZ"
    assert rows_of(other.until("Z")) == [1]
    assert codes(other.run(preparing + end)) == ["42P05"]


def test_clients_with_other_settings_are_told_by_a_server(table, narrow):
    first, holder = clients(narrow, 2)
    (other,) = clients(narrow, 1, search_path="pg_catalog")
    learn(first, LOCKING)
    holder.run(query("BEGIN; LOCK TABLE described"))
    other.send(parse(LOCKING, "s") + describe("S", "s") + sync())
    assert other.silent(0.6)
    holder.run(query("COMMIT"))
    assert codes(other.until("Z")) == ["42P01"]


def test_an_old_description_from_memory_is_not_followed_by_new_rows(table, narrow):
    """The table changes behind the proxy's back while all connections are out."""
    first, holder, other = clients(narrow, 3)
    learn(first, LOCKING)
    holder.run(query("BEGIN"))
    holder.run(query("SELECT txid_current()"))
    table.rows("ALTER TABLE described ADD b int", user="app")
    other.send(parse(LOCKING, "s") + describe("S", "s") + sync())
    told = None if other.silent(0.6) else other.until("Z")
    holder.run(query("COMMIT"))
    told = told or other.until("Z")
    columns = int.from_bytes(dict(told)["T"][:2], "big")
    came = fetch(other)
    assert rows_of(came) == [2] if columns == 2 else codes(came) == ["0A000"], (columns, came)
    other.run(close("S", "s") + sync())
    learn(other, LOCKING)
    assert rows_of(fetch(other)) == [2]
