"""Texts of several statements in a transaction that stands on several shards: one server's answer, message by message."""

import pytest

from test_sharding_spanning import clean, keys  # noqa: F401 (fixtures)
from wire import Wire, codes, copy_data, copy_done, kinds, query

# `a` and `b` are keys of the two shards that the transaction stands on, `c` of a third.
TEXTS = [
    "COMMIT; SELECT 1", "COMMIT; UPDATE users SET name = 'after' WHERE id = {c}", "ROLLBACK; SELECT 1",
    "COMMIT; BEGIN; UPDATE users SET name = 'x' WHERE id = {a}; ROLLBACK", "COMMIT;",
    "UPDATE users SET name = 'm' WHERE id = {a}; UPDATE users SET name = 'm' WHERE id = {b}; COMMIT",
    "SELECT count(*) FROM users WHERE id BETWEEN 70000 AND 79999; ROLLBACK; SELECT 2",
    "SAVEPOINT s; UPDATE users SET name = 'm' WHERE id = {b}; ROLLBACK TO s; COMMIT; SELECT 3",
    "SELECT 1 / 0; COMMIT", "COMMIT; SELECT 1 / 0; UPDATE users SET name = 'never' WHERE id = {c}",
    "COMMIT; UPDATE users SET name = 'never' WHERE id = {c}; SELECT 1 / 0", "SELECT nothing; SELECT 1",
    "COMMIT; SELECT nothing", "SET LOCAL work_mem = '1MB'; SHOW work_mem; COMMIT; SELECT 4",
    "UPDATE users SET name = 'm' WHERE id = {a}; COMMIT; SELEC 1", "ROLLBACK; SELECT 1 FROM",
    "COMMIT; UPDATE users SET name = 'x' WHERE id = {a}; UPDATE users SET name = 'y' WHERE id = {b}",
    "COMMIT; UPDATE users SET name = 'x' WHERE id = {a}; UPDATE users SET name = 'y' WHERE id = {b}; SELECT 1 / 0",
    "COMMIT; BEGIN; UPDATE users SET name = 'x' WHERE id = {a}; UPDATE users SET name = 'y' WHERE id = {b}; COMMIT; SELECT 3",
    "COMMIT; COMMIT", "BEGIN; SELECT 5; COMMIT", "/* ; */ SELECT ';'; -- ;\n; SELECT 6; ; COMMIT; ;", "SELECT 7; SELECT 1 / 0; SELECT 8",
]

# Outside of a transaction: one that ends with the text, or as the text says.
BOTH = "UPDATE users SET name = 'x' WHERE id = {a}; UPDATE users SET name = 'y' WHERE id = {b}"
TEXTS_ALONE = [
    BOTH, BOTH + ";", BOTH + "; SELECT count(*) FROM users WHERE name = 'x' AND id BETWEEN 70000 AND 79999", BOTH + "; SELECT 1 / 0", BOTH + "; SELEC 1", "SELECT 1 / 0; " + BOTH,
    "BEGIN; " + BOTH + "; COMMIT", "BEGIN; " + BOTH + "; ROLLBACK", "BEGIN; " + BOTH, BOTH + "; BEGIN", "START TRANSACTION; " + BOTH + "; COMMIT; SELECT 3",
    "BEGIN; " + BOTH + "; SELECT 1 / 0; COMMIT", "BEGIN; " + BOTH + "; COMMIT; SELEC 1", "BEGIN; " + BOTH + "; COMMIT; " + BOTH + "; SELECT 1 / 0",
    "SELECT name FROM users WHERE id = {a}; SELECT name FROM users WHERE id = {b}; SELECT 3",
    "SET work_mem = '1MB'; " + BOTH + "; SHOW work_mem", "SET work_mem = '1MB'; " + BOTH + "; SELECT 1 / 0",
    "INSERT INTO users VALUES ({a}, 'twice', NULL); " + BOTH, BOTH + "; INSERT INTO users VALUES ({a}, 'twice', NULL)",
    "UPDATE users SET name = 'z' WHERE id IN ({a}, {b}, {c}); DELETE FROM users WHERE id = {c}",
]


def heard(messages):
    """Kinds, tags, codes, rows and places: what one server's answer is compared by."""
    out = []
    for kind, body in messages:
        if kind in "CZD":
            out.append((kind, body))
        elif kind in "EN":
            fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
            code = fields.get(b"C")
            out.append((kind, code, None if code == b"42601" else fields.get(b"P")))  # Ringway's parser tells no place
        elif kind not in "ST":
            out.append((kind,))
    return out


def insert(*users):
    return "INSERT INTO users VALUES " + ", ".join(f"({key}, 'first', NULL)" for key in users)


def stand_on(client, *users):
    """A transaction that has written on the shards of each."""
    client.run(query("BEGIN"))
    for key in users:
        client.run(query(insert(key)))


def compare(shop_proxy, shop_cluster, before, texts):
    """What a server with a table of its own answers to the texts, and leaves; and what Ringway does."""
    server = shop_cluster.primary(shop_cluster.shards[0])
    server.rows("CREATE SCHEMA alone; CREATE TABLE alone.users (LIKE public.users INCLUDING ALL); SELECT 1", user="app")
    try:
        answers, left = [], []
        with Wire(shop_proxy.port, database="shop") as through, Wire(server.port, database="shop", user="app") as alone:
            alone.run(query("SET search_path = alone"))
            for one in (alone, through):
                for sql in before:
                    one.run(query(sql))
                answers.append([heard(one.run(query(text))) for text in texts])
                one.run(query("ROLLBACK"))
                left.append(one.rows("SELECT id, name FROM users WHERE id BETWEEN 70000 AND 79999 ORDER BY id"))
        assert answers[1] == answers[0]
        assert left[1] == left[0]
    finally:
        server.rows("DROP SCHEMA alone CASCADE; SELECT 1", user="app")


@pytest.mark.parametrize("text", TEXTS)
def test_several_statements_in_one_text(shop_proxy, shop_cluster, keys, clean, text):
    (a, _), (b, _), (c, _) = keys
    before = [insert(a, b, c), "BEGIN", *(f"UPDATE users SET name = 'within' WHERE id = {key}" for key in (a, b))]
    compare(shop_proxy, shop_cluster, before, [text.format(a=a, b=b, c=c), "SELECT 9"])


@pytest.mark.parametrize("text", TEXTS_ALONE)
def test_several_statements_outside_of_a_transaction(shop_proxy, shop_cluster, keys, clean, text):
    (a, _), (b, _), (c, _) = keys
    compare(shop_proxy, shop_cluster, [insert(a, b, c)], [text.format(a=a, b=b, c=c), "SHOW work_mem", "SELECT 9"])


@pytest.mark.parametrize("text", ["SAVEPOINT s", "COMMIT", "ROLLBACK", "BEGIN ISOLATION LEVEL SERIALIZABLE", "LISTEN x", "CREATE TEMP TABLE t (a int)"])
def test_what_a_text_over_shards_cannot_have(shop_proxy, keys, clean, text):
    (a, _), (b, _), _ = keys
    with Wire(shop_proxy.port, database="shop") as client:
        inserts = "; ".join(f"INSERT INTO users VALUES ({key}, 'x', NULL)" for key in (a, b))
        answer = client.run(query(f"{inserts}; {text}; SELECT 1"))
        assert codes(answer) == ["0A000"] and answer[-1] == ("Z", b"I")
        assert client.rows(f"SELECT count(*) FROM users WHERE id IN ({a}, {b})") == [[b"0"]]


@pytest.mark.parametrize("text", ["COMMIT; VACUUM users", "ROLLBACK; SET LOCAL work_mem = '1MB'", "COMMIT; LOCK TABLE users"])
def test_what_is_another_thing_behind_a_commit_is_refused(shop_proxy, keys, clean, text):
    (a, _), (b, _), _ = keys
    with Wire(shop_proxy.port, database="shop") as client:
        stand_on(client, a, b)
        answer = client.run(query(text))
        assert codes(answer) == ["0A000"] and answer[-1] == ("Z", b"E")
        client.run(query("ROLLBACK"))


def test_what_ringway_answers_itself_ends_no_text(shop_proxy, keys, clean):
    (a, _), (b, _), _ = keys
    with Wire(shop_proxy.port, database="shop") as client:
        stand_on(client, a, b)
        answer = client.run(query("EXPLAIN (ROUTE) SELECT 1; SHOW ringway.role; SELECT 1; ROLLBACK; SELECT 2"))
        assert kinds(answer).count("Z") == 1 and kinds(answer).endswith("Z") and kinds(answer).count("C") == 5
        # It ends where one fails.
        stand_on(client, a, b)
        answer = client.run(query("SHOW ringway.nothing; SELECT 1"))
        assert kinds(answer) == "EZ"
        client.run(query("ROLLBACK"))


def test_rows_of_a_copy_come_in_the_middle_of_a_text(shop_proxy, keys, clean):
    (a, again), (b, other), _ = keys
    with Wire(shop_proxy.port, database="shop") as client:
        stand_on(client, a, b)
        data = "".join(f"{key}\tcopied\t\\N\n" for key in (again, other)).encode()
        text = "COPY users FROM STDIN; SELECT count(*) FROM users WHERE name = 'copied'; COMMIT; SELECT 3"
        answer = client.run(query(text) + copy_data(data) + copy_done())
        assert codes(answer) == [] and kinds(answer).count("Z") == 1
        assert [body for kind, body in answer if kind == "C"] == [b"COPY 2\0", b"SELECT 1\0", b"COMMIT\0", b"SELECT 1\0"]


def test_a_text_that_changes_how_its_strings_are_read_is_refused(shop_proxy, keys, clean):
    (a, _), (b, _), _ = keys
    with Wire(shop_proxy.port, database="shop") as client:
        stand_on(client, a, b)
        answer = client.run(query("SET LOCAL standard_conforming_strings = off; SELECT 'a\\'"))
        assert codes(answer) == ["0A000"] and kinds(answer).count("Z") == 1
        client.run(query("ROLLBACK"))
        assert client.rows(f"SELECT count(*) FROM users WHERE id = {a}") == [[b"0"]]
