"""PREPARE and EXECUTE as SQL on a sharded cluster: each EXECUTE goes to the shard of its arguments."""

import pytest

from conftest import admin, knows_tables, until
from wire import Wire, bind, codes, execute, parse, query, sync

KEYS = range(3001, 3031)


@pytest.fixture(scope="module", autouse=True)
def users(shop_cluster, shop_proxy):
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    with shop_proxy.connect() as client:
        for key in KEYS:
            client.execute("INSERT INTO users VALUES (%s, %s, 'de')", [key, f"n{key}"])
    for shard in shop_cluster.shards:
        shop_cluster.caught_up(shard)
    assert len({admin(shop_proxy, f"SHOW KEY shop users {key}")[0]["shard"] for key in KEYS}) == len(shop_cluster.shards)
    yield
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows(f"DELETE FROM users WHERE id BETWEEN {KEYS[0]} AND {KEYS[-1]} RETURNING 1", user="app")


@pytest.fixture
def client(shop_proxy):
    with Wire(shop_proxy.port, database="shop") as connection:
        yield connection


@pytest.mark.parametrize("declared, shown", [
    ("", "{}"), ("(int)", "{}"), ("(bigint)", "'{}'"), ("(numeric)", "{}.0"), ("(unknown)", "'{}'"), ("", "+{}"), ("", "0 + {}")])
def test_each_execute_finds_its_row(client, declared, shown):
    assert not codes(client.run(query(f"PREPARE p{declared} AS SELECT name FROM users WHERE id = $1")))
    for key in KEYS:
        assert client.rows(f"EXECUTE p({shown.format(key)})") == [[f"n{key}".encode()]]
    assert client.rows("EXECUTE p(NULL)") == []


def test_execute_writes_on_the_shard_of_its_key(client, shop_cluster):
    client.run(query("PREPARE w(text, int) AS UPDATE users SET country = $1 WHERE id = $2"))
    for key in KEYS:
        assert client.run(query(f"EXECUTE w('x{key}', {key})"))[0] == ("C", b"UPDATE 1\0")
    stored = [row for shard in shop_cluster.shards for row in shop_cluster.primary(shard).rows(
        f"SELECT id, country FROM users WHERE id BETWEEN {KEYS[0]} AND {KEYS[-1]}")]
    assert sorted(stored) == [(key, f"x{key}") for key in KEYS]


def test_a_key_in_the_prepared_text_itself(client):
    for key in KEYS:
        client.run(query(f"PREPARE fixed AS SELECT name FROM users WHERE id = {key}"))
        assert client.rows("EXECUTE fixed") == [[f"n{key}".encode()]]
        client.run(query("DEALLOCATE fixed"))


def test_bind_to_what_prepare_made(client):
    client.run(query("PREPARE b(int) AS SELECT name FROM users WHERE id = $1"))
    for key in KEYS:
        came = client.run(bind([key], "b") + execute() + sync())
        assert [body for kind, body in came if kind == "D"] == [b"\0\1\0\0\0\5" + f"n{key}".encode()]


def test_execute_of_what_parse_made(client):
    client.run(parse("SELECT name FROM users WHERE id = $1", "e", [23]) + sync())
    for key in KEYS:
        assert client.rows(f"EXECUTE e({key})") == [[f"n{key}".encode()]]


def test_a_transaction_keeps_to_its_shard(client, shop_proxy):
    client.run(query("PREPARE t AS SELECT name FROM users WHERE id = $1"))
    where = {key: admin(shop_proxy, f"SHOW KEY shop users {key}")[0]["shard"] for key in KEYS}
    for key in list(KEYS)[:8]:
        client.run(query("BEGIN"))
        assert client.rows(f"EXECUTE t({key})") == [[f"n{key}".encode()]]
        other = next(each for each in KEYS if where[each] != where[key])
        assert codes(client.run(query(f"EXECUTE t({other})"))) == ["0A000"]
        client.run(query("ROLLBACK"))


@pytest.mark.parametrize("argument", ["5.4", "'3001'::text", "(SELECT 3001)", "random()::int"])
def test_an_argument_that_cannot_be_placed_is_refused(client, argument):
    client.run(query("PREPARE r(int) AS SELECT name FROM users WHERE id = $1"))
    assert codes(client.run(query(f"EXECUTE r({argument})"))) == ["0A000"]
    assert client.rows("EXECUTE r(3001)") == [[b"n3001"]]


def test_what_is_prepared_or_run_among_others_is_refused_not_guessed(client):
    client.run(query("PREPARE m AS SELECT name FROM users WHERE id = $1"))
    assert codes(client.run(query("SELECT 1; EXECUTE m(3001)"))) == ["0A000"]
    client.run(query("SELECT 1; PREPARE hidden AS SELECT name FROM users WHERE id = $1"))
    for key in list(KEYS)[:6]:
        assert codes(client.run(query(f"EXECUTE hidden({key})"))) == ["0A000"]
    came = client.run(parse("EXECUTE hidden(3001)") + bind() + execute() + sync())
    assert codes(came) == ["0A000"]
    assert client.rows("SELECT 1") == [[b"1"]]


def test_sql_s_prepare_by_the_extended_protocol_is_refused_and_ties_nothing(client):
    came = client.run(parse("PREPARE q(int) AS SELECT name FROM users WHERE id = $1") + bind() + execute() + sync())
    assert codes(came) == ["0A000"]
    assert codes(client.run(query("EXECUTE q(3001)"))) == ["26000"]
    assert not codes(client.run(query("SELECT count(*) FROM users")))


def test_errors_are_the_servers(client):
    client.run(query("PREPARE few AS SELECT name FROM users WHERE id = $1"))
    assert codes(client.run(query("EXECUTE few"))) == ["42601"]
    assert codes(client.run(query("EXECUTE few('x')"))) == ["22P02"]
    assert codes(client.run(query("EXECUTE few(3001, 2)"))) == ["42601"]
    assert codes(client.run(query("EXECUTE nobody(1)"))) == ["26000"]


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM users WHERE id < $1", "SELECT id FROM users WHERE id < $1 ORDER BY id",
                                 "INSERT INTO users VALUES (9990001, $1, 'de'), (9990002, $1, 'de'), (9990003, $1, 'de')",
                                 "UPDATE users SET name = $1 WHERE id > 9990000", "SELECT id, rank() OVER (ORDER BY id) FROM users WHERE id < $1"])
@pytest.mark.parametrize("values", [[], ["5", "6"]], ids=["none", "two"])
def test_another_number_of_parameters_is_an_error(shop_proxy, sql, values):
    """Of statements that no server sees as they are: each shard would take what it gets."""
    with Wire(shop_proxy.port, database="shop") as client:
        client.run(parse(sql, "named") + sync())
        for begin in ("", "BEGIN"):
            if begin:
                client.run(query(begin))
                client.run(query("UPDATE users SET name = name WHERE id > 9990000"))  # on all shards
            assert codes(client.run(bind(values, "named") + execute() + sync())) == ["08P01"]
            if begin:
                client.run(query("ROLLBACK"))
        assert client.value("SELECT count(*) FROM users WHERE id > 9990000") == "0"
        if sql.startswith("SELECT"):
            assert not codes(client.run(bind(["0"], "named") + execute() + sync()))


def test_a_declared_type_that_is_not_known_is_refused_over_several_shards(client):
    client.run(query("PREPARE o(point) AS SELECT count(*) FROM users WHERE $1 IS NULL"))
    for argument in ("NULL", "'(1,2)'"):
        came = client.run(query(f"EXECUTE o({argument})"))
        assert codes(came) == ["0A000"]
        assert b"EXECUTE o reads rows of several shards" in came[0][1] and b"transaction" not in came[0][1]
    client.run(query("PREPARE f(float8) AS SELECT count(*) FROM users WHERE $1 IS NULL AND id < 0"))
    assert client.rows("EXECUTE f(NULL)") == client.rows("EXECUTE f(1.5)") == [[b"0"]]
