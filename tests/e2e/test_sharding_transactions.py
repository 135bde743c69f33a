"""Transactions on a sharded cluster: statements that name no shard do not tie them to one, and nobody can tell that they moved."""

import pytest

from conftest import admin, knows_tables, until
from wire import Wire, bind, cancel, codes, describe, execute, flush, kinds, one, parse, query, row, sync

KEYS = range(2001, 2021)


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """One key a shard, in the order of the shards; a row of users for each, and countries on every shard."""
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    found = {}
    with shop_proxy.connect() as client:
        for key in KEYS:
            shard = admin(shop_proxy, f"SHOW KEY shop users {key}")[0]["shard"]
            if shard not in found:
                found[shard] = key
                client.execute("INSERT INTO users VALUES (%s, %s, 'de')", [key, f"n{key}"])
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("INSERT INTO countries VALUES ('qq', 'Quux') ON CONFLICT DO NOTHING", user="app")
        shop_cluster.caught_up(shard)
    assert sorted(found) == shop_cluster.shards
    return [found[shard] for shard in sorted(found)]


@pytest.fixture
def client(shop_proxy, keys):
    with Wire(shop_proxy.port, database="shop") as connection:
        yield connection


def write(key):
    return query(f"UPDATE users SET country = 'fr' WHERE id = {key}")


def stored(shop_cluster, key):
    return [node.rows(f"SELECT country FROM users WHERE id = {key}") for node in shop_cluster.nodes if node.role == "primary"]


NEUTRAL = [
    "SELECT 1", "SELECT name FROM countries WHERE code = 'qq'", "SELECT count(*) FROM countries", "SHOW search_path", "VALUES (1)",
    "SELECT c.name FROM countries c JOIN (SELECT 'qq' AS code) x USING (code)", "SELECT lower('A') || 'b'", "",
]


@pytest.mark.parametrize("sql", NEUTRAL)
def test_a_statement_that_names_no_shard_ties_no_transaction(client, keys, sql):
    for key in keys:
        assert kinds(client.run(query("BEGIN"))) == "CZ"
        first = client.run(query(sql))
        assert not codes(first) and first[-1] == ("Z", b"T")
        assert client.rows(f"SELECT name FROM users WHERE id = {key}") == [[f"n{key}".encode()]]
        came = client.run(write(key))
        assert [each[1] for each in came] == [b"UPDATE 1\0", b"T"]
        other = next(each for each in keys if each != key)
        assert client.rows(f"SELECT name FROM users WHERE id = {other}") == [[f"n{other}".encode()]]
        assert client.run(query("ROLLBACK")) == [("C", b"ROLLBACK\0"), ("Z", b"I")]


def test_what_is_written_after_the_move_is_committed_and_rolled_back(client, keys, shop_cluster):
    for end, expected in (("ROLLBACK", "de"), ("COMMIT", "fr")):
        for key in keys:
            client.run(query("BEGIN") + query("SELECT 1"), 2)
            client.run(write(key))
            assert client.run(query(end))[-1] == ("Z", b"I")
            assert [(expected,)] in stored(shop_cluster, key)
    for key in keys:
        client.run(query(f"UPDATE users SET country = 'de' WHERE id = {key}"))


@pytest.mark.parametrize("sql", [
    "SELECT now()", "SELECT CURRENT_TIMESTAMP", "SELECT CURRENT_DATE", "SELECT 'now'::timestamptz", "SELECT 'today'::date",
    "SELECT pg_backend_pid()", "SELECT name FROM countries WHERE code = 'qq' FOR SHARE", "SAVEPOINT a", "SET LOCAL work_mem = '1MB'",
    "SELECT txid_current()", "DECLARE c CURSOR FOR SELECT 1", "SELECT pg_advisory_xact_lock(1)", "PREPARE q AS SELECT 1",
])
def test_what_would_be_lost_or_change_with_a_move_stays_where_it_was(client, keys, sql):
    client.run(query("BEGIN"))
    first = client.run(query(sql))
    assert not codes(first), first
    for key in keys:
        assert client.rows(f"SELECT name FROM users WHERE id = {key}") == [[f"n{key}".encode()]]
    if sql.startswith("SELECT"):
        assert client.run(query(sql)) == first
    if sql.startswith("DECLARE"):
        assert client.rows("FETCH c") == [[b"1"]]
    client.run(query("ROLLBACK"))


@pytest.mark.parametrize("begin", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"])
def test_a_snapshot_for_the_whole_transaction_stays_where_it_was_taken(client, keys, begin):
    client.run(query(begin))
    client.rows("SELECT name FROM countries WHERE code = 'qq'")
    came = client.run(query(f"SELECT name FROM users WHERE id = {keys[2]}"))
    assert codes(came) == ["0A000"] and came[-1] == ("Z", b"E")
    assert codes(client.run(query("SELECT 1"))) == ["25P02"]
    assert client.run(query("COMMIT")) == [("C", b"ROLLBACK\0"), ("Z", b"I")]
    assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("sets, is_now", [("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", ("repeatable read", "off")),
                                          ("set transaction  read only,\nisolation level serializable", ("serializable", "on")),
                                          ("SET TRANSACTION /* so */ ISOLATION LEVEL REPEATABLE READ", ("repeatable read", "off"))])
def test_modes_that_are_set_behind_begin_are_part_of_it(client, keys, sets, is_now):
    """No shard is asked before it is known which one."""
    for key in keys if "/*" not in sets else keys[:1]:
        client.run(query("BEGIN"))
        assert client.run(query(sets)) == [("C", b"SET\0"), ("Z", b"T")]
        if "/*" not in sets:
            assert len(client.rows(f"SELECT name FROM users WHERE id = {key}")) == 1
        assert client.rows("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')") == [
            [each.encode() for each in is_now]]
        client.run(query("COMMIT"))
    assert client.rows("SELECT current_setting('transaction_isolation')") == [[b"read committed"]]
    client.run(query("BEGIN READ ONLY") + query("SET TRANSACTION READ WRITE"), 2)
    client.rows(f"UPDATE users SET name = name WHERE id = {keys[1]}")
    assert client.run(query("ROLLBACK"))[-1] == ("Z", b"I")
    client.run(query("BEGIN"))
    assert codes(client.run(query("SET TRANSACTION ISOLATION LEVEL NEVER"))) == ["42601"]
    client.run(query("ROLLBACK"))


def test_isolation_by_setting_is_seen_too(client, keys):
    client.rows("SET default_transaction_isolation = 'repeatable read'")
    client.run(query("BEGIN") + query("SELECT 1"), 2)
    assert codes(client.run(query(f"SELECT name FROM users WHERE id = {keys[2]}"))) == ["0A000"]
    client.run(query("ROLLBACK"))


def test_a_write_after_a_neutral_read_is_not_on_a_replica(client, keys):
    for _ in range(4):  # whichever node the first statement had
        for key in keys:
            client.run(query("BEGIN") + query("SELECT name FROM countries WHERE code = 'qq'"), 2)
            assert not codes(client.run(write(key)))
            client.run(query("ROLLBACK"))
            client.run(query("BEGIN") + query("SELECT 1"), 2)
            client.run(one("SELECT 1") + sync())
            assert not codes(client.run(one("UPDATE users SET country = 'de' WHERE id = $1", [key]) + sync()))
            client.run(query("ROLLBACK"))


def test_a_read_only_transaction_moves_too(client, keys):
    for key in keys:
        client.run(query("BEGIN READ ONLY") + query("SELECT 1"), 2)
        assert client.rows(f"SELECT name FROM users WHERE id = {key}") == [[f"n{key}".encode()]]
        assert codes(client.run(write(key))) == ["25006"]
        client.run(query("ROLLBACK"))


def test_by_the_extended_protocol(client, keys):
    for key in keys:
        client.run(one("BEGIN") + sync())
        assert kinds(client.run(one("SELECT $1::text", ["x"]) + sync())) == "12TDCZ"
        came = client.run(one("SELECT name FROM users WHERE id = $1", [key]) + sync())
        assert kinds(came) == "12TDCZ" and row(came[3][1]) == [f"n{key}".encode()] and came[-1][1] == b"T"
        assert client.run(query("COMMIT")) == [("C", b"COMMIT\0"), ("Z", b"I")]


def test_begin_and_the_first_statement_in_one_pipeline(client, keys):
    for key in keys:
        assert not codes(client.run(one("BEGIN") + one("SELECT 1") + sync()))
        came = client.run(one("SELECT name FROM users WHERE id = $1", [key]) + sync())
        assert kinds(came) == "12TDCZ" and row(came[3][1]) == [f"n{key}".encode()]
        assert client.run(query("COMMIT")) == [("C", b"COMMIT\0"), ("Z", b"I")]


def test_what_precedes_begin_in_its_pipeline_is_part_of_the_transaction(client, keys, shop_cluster):
    came = client.run(one("UPDATE users SET country = 'xx' WHERE id = $1", [keys[0]]) + one("BEGIN") + sync())
    assert not codes(came) and came[-1] == ("Z", b"T")
    assert client.rows(f"SELECT name FROM users WHERE id = {keys[2]}") == [[f"n{keys[2]}".encode()]]
    client.run(query("ROLLBACK"))
    assert [("xx",)] not in stored(shop_cluster, keys[0])


def test_statements_prepared_before_the_move_are_known_after_it(client, keys):
    for n, key in enumerate(keys):
        name = f"moved{n}"
        client.run(query("BEGIN") + query("SELECT 1"), 2)
        came = client.send(parse("SELECT name FROM users WHERE id = $1", name) + describe("S", name) + flush()).until("T")
        assert kinds(came) == "1tT"
        came = client.run(bind([key], name) + execute() + sync())
        assert kinds(came) == "2DCZ" and row(came[1][1]) == [f"n{key}".encode()]
        came = client.run(parse("SELECT name FROM users WHERE id = $1") + describe("S") + sync())
        assert kinds(came) == "1tTZ"
        came = client.run(bind([key]) + execute() + sync())
        assert kinds(came) == "2DCZ" and row(came[1][1]) == [f"n{key}".encode()]
        client.run(query("COMMIT"))


def test_an_open_portal_stays_where_it_is(client, keys):
    """The unnamed one ends with the next Bind, wherever that goes."""
    for portal, wanted in (("", []), ("p", ["0A000"])):
        client.run(query("BEGIN"))
        client.run(parse("VALUES (1), (2), (3)") + bind(portal=portal) +
                   execute(portal, 1) + sync())
        came = client.run(one("SELECT name FROM users WHERE id = $1", [keys[2]], name="q" + portal) + sync())
        assert codes(came) == wanted
        client.run(query("ROLLBACK"))
    client.run(query("BEGIN"))
    client.run(parse("VALUES (1), (2), (3)") + bind() + execute(max_rows=1) + sync())
    came = client.run(execute(max_rows=1) + one("SELECT name FROM users WHERE id = $1", [keys[2]], name="r") + sync())
    assert kinds(came)[:2] == "Ds" and codes(came) == ["0A000"], came
    client.run(query("ROLLBACK"))


def test_a_now_in_a_parameter_stays_the_same(client, keys):
    client.run(query("BEGIN"))
    first = client.run(one("SELECT $1::timestamptz", ["now"]) + sync())
    assert client.rows(f"SELECT name FROM users WHERE id = {keys[2]}") == [[f"n{keys[2]}".encode()]]
    assert client.run(one("SELECT $1::timestamptz", ["now"]) + sync()) == first
    client.run(query("ROLLBACK"))


def test_nothing_is_left_open_on_the_shard_that_was_left(client, keys, shop_cluster):
    client.run(query("BEGIN") + query("SELECT 1"), 2)
    assert client.rows(f"SELECT name FROM users WHERE id = {keys[2]}") == [[f"n{keys[2]}".encode()]]
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND usename = 'app'"
    open_on = {node.shard: node.rows(idle)[0][0] for node in shop_cluster.nodes if node.role == "primary"}
    assert open_on == {"s0": 0, "s1": 0, "s2": 1}
    client.run(query("COMMIT"))


def test_drivers(shop_proxy, keys):
    for key in keys:
        with shop_proxy.connect(autocommit=False) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
            assert client.execute("SELECT name FROM countries WHERE code = %s", ["qq"]).fetchone() == ("Quux",)
            assert client.execute("SELECT name FROM users WHERE id = %s", [key]).fetchone() == (f"n{key}",)
            other = next(k for k in keys if k != key)
            assert client.execute("SELECT name FROM users WHERE id = %s", [other]).fetchone() == (f"n{other}",)


# What a read of all shards leaves behind: a transaction that has joined no shard yet.
ASIDE = ["BEGIN", "SELECT count(*) FROM users"]


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("reached", [0, 1, 2])
@pytest.mark.parametrize("setting,sql", [("my.tenant", "SET my.tenant = '42'"), ("TimeZone", "SET TimeZone = 'Asia/Tokyo'"),
                                         ("search_path", "SET search_path = pg_catalog"), ("role", "SET ROLE app")])
def test_a_setting_behind_a_read_of_all_shards_is_this_client_s_alone(ringway, shop_cluster, keys, ends, reached, setting, sql):
    proxy = ringway({"clusters": {"shop": {"pool_size": 1}}}, shop_cluster)
    assert until(lambda: knows_tables(proxy, "shop"))
    ask = f"SELECT coalesce(current_setting('{setting}', true), '') FROM public.users WHERE id = "
    with Wire(proxy.port, database="shop") as client, Wire(proxy.port, database="shop") as other:
        before = [other.value(ask + str(key)) for key in keys]
        for each in [*ASIDE, sql, *(f"SELECT 1 FROM public.users WHERE id = {key}" for key in keys[:reached]), ends]:
            assert not codes(client.run(query(each))), each
        own = [client.value(ask + str(key)) for key in keys]
        assert own == before if ends == "ROLLBACK" else len(set(own)) == 1 and own != before
        assert [other.value(ask + str(key)) for key in keys] == before


def test_begin_again_with_a_level_of_its_own_is_not_passed_over(client):
    for each in ASIDE:
        assert not codes(client.run(query(each)))
    assert codes(client.run(query("BEGIN ISOLATION LEVEL SERIALIZABLE"))) == ["0A000"]
    assert client.run(query("COMMIT"))[0] == ("C", b"ROLLBACK\0")


@pytest.mark.parametrize("how", ["cancel", "disconnect", "timeout", "cancel in a transaction"])
def test_who_gave_up_waiting_for_a_second_shard_leaves_the_first_one_as_it_was(ringway, shop_cluster, keys, how):
    over = {"general": {"query_wait_timeout": "500ms"}} if how == "timeout" else {}
    proxy = ringway({"clusters": {"shop": {"pool_size": 1}}, **over}, shop_cluster)
    assert until(lambda: knows_tables(proxy, "shop"))
    for _ in range(3):
        with Wire(proxy.port, database="shop") as holder, Wire(proxy.port, database="shop") as waiter:
            holder.run(query("BEGIN"))
            holder.run(query(f"SELECT id FROM users WHERE id = {keys[1]} FOR SHARE"))
            waiter.run(query("SET work_mem = '5MB'"))
            if "transaction" in how:
                waiter.run(query("BEGIN"))
            waiter.send(query("UPDATE users SET name = name"))
            assert waiter.silent(0.2)
            if "cancel" in how:
                cancel(proxy.port, waiter.pid, waiter.key)
            if how == "disconnect":
                waiter.end()
            else:
                assert codes(waiter.until("Z")) == ["53300" if how == "timeout" else "57014"]
                waiter.run(query("ROLLBACK"))
            with Wire(proxy.port, database="shop") as third:
                assert third.value(f"SELECT current_setting('work_mem') FROM users WHERE id = {keys[0]}") == "4MB"
                third.run(query(f"UPDATE users SET name = name WHERE id = {keys[0]}"))


PREFIX = "UPDATE users SET name = name WHERE id IN ({})"


def spread_out(client, keys):
    client.run(query("BEGIN"))
    assert not codes(client.run(query(PREFIX.format(", ".join(map(str, keys))))))


def test_a_portal_that_was_bound_before_a_write_does_not_see_it(client, keys):
    spread_out(client, keys)
    client.run(parse("SELECT name FROM users WHERE id = $1", "p") + bind([str(keys[0]).encode()], "p", portal="before") + sync())
    client.run(query(f"UPDATE users SET name = 'later' WHERE id = {keys[0]}"))
    assert codes(client.run(execute(portal="before") + sync())) == ["0A000"]
    client.run(query("ROLLBACK"))


def test_a_portal_s_name_is_taken_once(client, keys):
    spread_out(client, keys)
    client.run(parse("SELECT 1 FROM users WHERE id = $1", "q") + bind([str(keys[0]).encode()], "q", portal="one") + sync())
    assert codes(client.run(bind([str(keys[1]).encode()], "q", portal="one") + sync())) == ["42P03"]
    client.run(query("ROLLBACK"))


def test_a_query_ends_the_unnamed_portal_and_statement(client, keys):
    spread_out(client, keys)
    client.run(parse("SELECT 1") + bind() + sync())
    client.run(query("SELECT 2"))
    assert codes(client.run(execute() + sync())) == ["34000"]
    client.run(query("ROLLBACK"))
    spread_out(client, keys)
    client.run(parse("SELECT 1") + sync())
    client.run(query("SELECT 2"))
    assert codes(client.run(bind() + sync())) == ["26000"]
    client.run(query("ROLLBACK"))


def test_the_tag_of_rows_returned_with_a_limit_counts_those(client, keys):
    client.run(query("BEGIN"))
    listed = ", ".join(map(str, keys))
    tags = []
    client.run(parse(f"UPDATE users SET name = name WHERE id IN ({listed}) RETURNING id") + bind(portal="u") + sync())
    for _ in range(3):
        tags += [body for kind, body in client.run(execute(max_rows=2, portal="u") + sync()) if kind == "C"]
    assert tags == [b"UPDATE 1\0", b"UPDATE 0\0"]
    client.run(query("ROLLBACK"))


def test_cursors_of_two_shards(client, keys):
    spread_out(client, keys)
    for name, key in zip("cd", keys):
        assert not codes(client.run(query(f"DECLARE {name} CURSOR FOR SELECT id FROM users WHERE id = {key}")))
    assert codes(client.run(query("SAVEPOINT s"))) == []
    assert codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}"))) == ["0A000"]
    client.run(query("ROLLBACK TO s"))
    assert client.run(query("CLOSE ALL"))[0] == ("C", b"CLOSE CURSOR ALL\0")
    for name in "cd":
        client.run(query("SAVEPOINT s"))
        assert codes(client.run(query(f"FETCH {name}"))) == ["34000"]
        client.run(query("ROLLBACK TO s"))
    assert not codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}")))
    assert client.rows("FETCH c") == [[str(keys[1]).encode()]]
    client.run(query("CLOSE c"))
    assert not codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[0]}")))
    client.run(query("ROLLBACK"))


def test_a_cursor_of_the_first_shard_is_known_when_the_transaction_spreads(client, keys):
    client.run(query("BEGIN"))
    for name in "cd":
        assert not codes(client.run(query(f"DECLARE {name} CURSOR FOR SELECT id FROM users WHERE id = {keys[0]}")))
    client.run(query("CLOSE d"))
    for key in keys[1:]:
        assert not codes(client.run(query(f"UPDATE users SET name = name WHERE id = {key}")))
    client.run(query("SAVEPOINT s"))
    assert codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}"))) == ["0A000"]
    client.run(query("ROLLBACK TO s"))
    assert codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[0]}"))) == ["42P03"]
    client.run(query("ROLLBACK TO s"))
    assert client.rows("FETCH c") == [[str(keys[0]).encode()]]
    assert not codes(client.run(query(f"DECLARE d CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}")))
    assert client.rows("FETCH d") == [[str(keys[1]).encode()]]
    client.run(query("ROLLBACK"))
    client.run(query("BEGIN"))
    for key in keys[:2]:
        client.run(query(f"UPDATE users SET name = name WHERE id = {key}"))
    assert not codes(client.run(query(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}")))
    client.run(query("ROLLBACK"))


@pytest.mark.parametrize("sql", ["SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "RESET work_mem", "SET CONSTRAINTS ALL DEFERRED"])
def test_the_same_command_stands_elsewhere_in_another_text(client, keys, sql):
    for before in (" " * 60, "", "/* a comment */ ", "", "  "):
        spread_out(client, keys[:2])
        if sql.endswith(" s"):
            assert not codes(client.run(query("SAVEPOINT s")))
        assert not codes(client.run(query(before + sql)))
        assert client.rows(f"SELECT id FROM users WHERE id = {keys[2]}") == [[str(keys[2]).encode()]]  # a shard that joins later hears of it, too
        client.run(query("ROLLBACK"))
