"""Batches of the extended protocol on a sharded cluster: of any size, and with a statement in them that fails or is refused."""


import pytest

from conftest import keys_by_shard
from wire import Wire, bind, codes, describe, execute, kinds, one, parse, query, row, sync


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """One key a shard; `ringway init` has run."""
    return [each[0] for each in keys_by_shard(shop_proxy, range(81001, 81041))]


@pytest.fixture
def client(shop_proxy, keys):
    with Wire(shop_proxy.port, database="shop") as made:
        yield made
        made.run(query("ROLLBACK"))
        made.run(query("DELETE FROM users WHERE id > 81000"))


def count(client, key):
    return int(client.value(f"SELECT count(*) FROM users WHERE id = {key}"))


def insert(key):
    return one(f"INSERT INTO users VALUES ({key}, 'x', NULL)")


def answers(client, batches):
    """Of each batch the tags, or the SQLSTATE of its error, and the status at its end."""
    came, out = client.run(b"".join(each + sync() for each in batches), len(batches)), [[]]
    for kind, body in came:
        if kind == "C":
            out[-1].append(body[:-1].decode())
        elif kind == "E":
            out[-1] += codes([(kind, body)])
        elif kind == "Z":
            out[-1].append(body.decode())
            out.append([])
    return out[:-1]


BAD = [("SELEC 1", "42601"), ("DO $$BEGIN PERFORM 1; END$$", "0A000"), ("SELECT id FROM users ORDER BY id LIMIT 1 FOR UPDATE", "0A000"),
       ("INSERT INTO users (name) VALUES ('a')", "23502")]


@pytest.mark.parametrize("before", ["", "SELECT 1"])
@pytest.mark.parametrize("bad,code", BAD)
def test_a_begin_before_what_fails_has_begun(client, keys, bad, code, before):
    """What the next batches write belongs to the transaction that has failed."""
    begin = (one(before) if before else b"") + one("BEGIN")
    tags = (["SELECT 1"] if before else []) + ["BEGIN"]
    came = answers(client, [begin + one(bad), insert(keys[1]), one("COMMIT")])
    assert came == [tags + [code, "E"], ["25P02", "E"], ["ROLLBACK", "I"]]
    assert count(client, keys[1]) == 0


@pytest.mark.parametrize("bad,code", BAD)
def test_what_is_before_a_statement_that_fails_is_answered(client, bad, code):
    assert answers(client, [one("SELECT 1") + one(bad)]) == [["SELECT 1", code, "I"]]
    client.run(query("BEGIN"))
    assert answers(client, [one("COMMIT") + one(bad)]) == [["COMMIT", code, "I"]]
    client.run(query("BEGIN"))
    assert answers(client, [one("SELECT 1") + one(bad)]) == [["SELECT 1", code, "E"]]


@pytest.mark.parametrize("size", [100_000, 270_000, 3_000_000])
@pytest.mark.parametrize("begin", [False, True])
def test_long_parameters(client, keys, size, begin):
    long = "y" * size
    if begin:
        client.run(query("BEGIN"))
    end = "T" if begin else "I"
    for key in keys[1:]:
        assert answers(client, [one("INSERT INTO users VALUES ($1, $2, NULL)", [key, long])]) == [["INSERT 0 1", end]]
        assert answers(client, [one("UPDATE users SET name = $1 WHERE id = $2", [long, key])]) == [["UPDATE 1", end]]
    assert answers(client, [one("SELECT id FROM users WHERE name = $1 ORDER BY id", [long])]) == [["SELECT 2", end]]
    assert answers(client, [one("UPDATE users SET name = 'short' WHERE name = $1", [long])]) == [["UPDATE 2", end]]


@pytest.mark.parametrize("begin", [False, True])
def test_long_texts(client, keys, begin):
    if begin:
        client.run(query("BEGIN"))
    end = "T" if begin else "I"
    for key in keys:
        assert answers(client, [one(f"INSERT INTO users VALUES ({key}, '{'k' * 300_000}', NULL)")]) == [["INSERT 0 1", end]]
    assert answers(client, [one(f"SELECT id FROM users WHERE name = '{'k' * 300_000}' ORDER BY id")]) == [["SELECT 3", end]]


def test_a_text_longer_than_is_read(client, keys):
    sql = f"INSERT INTO users VALUES ({keys[1]}, '{'k' * 1_200_000}', NULL)"
    assert answers(client, [one("BEGIN") + one(sql), insert(keys[1])]) == [["BEGIN", "54000", "E"], ["25P02", "E"]]
    client.run(query("ROLLBACK"))
    assert answers(client, [one(sql), one("SELECT 1")]) == [["54000", "I"], ["SELECT 1", "I"]]


def test_batches_longer_than_are_kept(client, keys):
    client.limit = 60
    long = "y" * (70 << 20)
    sql = "SELECT id, length($2::text) FROM users WHERE id = $1"
    assert answers(client, [one(sql, [keys[0], long]), one("SELECT 1")]) == [["54000", "I"], ["SELECT 1", "I"]]
    came = answers(client, [one("BEGIN") + one(sql, [keys[1], long]) + one("SELECT 1"), insert(keys[1])])
    assert came == [["BEGIN", "0A000", "E"], ["25P02", "E"]]
    client.run(query("ROLLBACK"))
    parts = one(sql, [keys[1], "y" * (1 << 20)]) * 70
    assert answers(client, [parts]) == [["SELECT 0"] * 70 + ["I"]]
    assert answers(client, [parts + one(sql, [keys[0], ""]), insert(keys[1])]) == [["SELECT 0"] * 70 + ["0A000", "I"], ["INSERT 0 1", "I"]]


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_long_pipeline_over_all_shards(shop_proxy, client, autocommit):
    """It comes by and by, more of it than is read at once."""
    with shop_proxy.connect(autocommit=autocommit) as driver:
        driver.cursor().executemany("INSERT INTO users VALUES (%s, %s, NULL)", [(82000 + i, "z" * 1000) for i in range(1500)])
        if not autocommit:
            driver.commit()
        assert driver.execute("SELECT count(*), sum(length(name)) FROM users WHERE id >= 82000").fetchone() == (1500, 1_500_000)
        driver.rollback()


def test_long_batches_one_behind_the_other(client, keys):
    """The second is read while the first is under way."""
    batch = b"".join(one("SELECT id, $2::text FROM users WHERE id = $1", [key, "q" * 1000]) for key in keys * 150)
    assert answers(client, [batch, batch, one("SELECT 1")]) == [["SELECT 0"] * 450 + ["I"]] * 2 + [["SELECT 1", "I"]]
    client.run(query("BEGIN"))
    assert answers(client, [insert(keys[0]), batch, one("COMMIT")])[1:] == [
        [f"SELECT {int(key == keys[0])}" for key in keys * 150] + ["T"], ["COMMIT", "I"]]


def test_a_cursor_in_a_pipeline_without_begin(client, keys):
    """Each server would take it: it has been sent a BEGIN. One server alone takes it or not, by its version."""
    declare = one(f"DECLARE c CURSOR FOR SELECT id FROM users WHERE id = {keys[1]}")
    for some in (keys[:1], keys):
        values = ", ".join(f"({key}, 'x', NULL)" for key in some)
        came = answers(client, [one(f"INSERT INTO users VALUES {values}") + declare])
        assert came == [[f"INSERT 0 {len(some)}", "0A000", "I"]]
        assert [count(client, key) for key in keys] == [0] * 3


@pytest.mark.parametrize("use", [bind((), "f1") + execute(), describe("S", "f1"), b""])
def test_a_parse_that_fails_over_several_shards_leaves_its_name(client, use):
    client.run(parse("SELECT 1") + sync())
    spread = one("UPDATE users SET name = name") + parse("SELECT nothing FROM users", "f1") + use
    assert codes(client.run(spread + sync())) == ["42703"]
    assert kinds(client.run(parse("SELECT 1", "f1") + sync())) == "1Z"
    assert kinds(client.run(bind((), "f1") + execute() + sync())) == "2DCZ"


def test_an_execute_that_fails_over_several_shards_keeps_what_was_prepared(client):
    failing = parse("SELECT 1 / $1::int", "f2") + bind([0], "f2") + execute()
    assert codes(client.run(one("UPDATE users SET name = name") + failing + sync())) == ["22012"]
    assert codes(client.run(parse("SELECT 1", "f2") + sync())) == ["42P05"]


def test_a_failed_unnamed_parse_over_several_shards_leaves_none(client):
    assert codes(client.run(one("UPDATE users SET name = name") + parse("SELECT 1") + parse("SELECT nothing FROM users") + sync())) == ["42703"]
    assert codes(client.run(bind() + execute() + sync())) == ["26000"]


def spread_out(client, keys):
    client.run(query("BEGIN"))
    assert not codes(client.run(query("INSERT INTO users VALUES " + ", ".join(f"({key}, 'x', NULL)" for key in keys))))


def test_a_fetch_is_described_where_its_cursor_is(client, keys):
    spread_out(client, keys)
    for i, key in enumerate(keys):
        client.run(query(f"DECLARE c{i} CURSOR FOR SELECT id, name FROM users WHERE id = {key}"))
        came = client.run(parse(f"FETCH 1 FROM c{i}") + describe("S") + bind() + execute() + sync())
        assert kinds(came) == "1tT2DCZ" and row(came[4][1]) == [str(key).encode(), b"x"]


@pytest.mark.parametrize("sql,tag", [("LOCK TABLE countries", b"LOCK TABLE\0"), ("CLOSE ALL", b"CLOSE CURSOR ALL\0"), ("ANALYZE countries", b"ANALYZE\0"),
                                     ("EXPLAIN SELECT count(*) FROM users", b"EXPLAIN\0")])
def test_a_tag_without_a_count_under_a_row_limit(client, keys, sql, tag):
    spread_out(client, keys)
    came = client.run(parse(sql) + bind() + execute(max_rows=1000) + sync())
    assert [body for kind, body in came if kind == "C"] == [tag], came
