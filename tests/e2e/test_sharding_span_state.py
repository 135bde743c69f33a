"""What a transaction over several shards leaves and lets go when it fails or ends: settings, locks, notices; and what reads beside it."""

import threading
import time

import pytest

from conftest import keys_by_shard, until
from wire import Wire, bind, codes, describe, execute, fields, parse, query, sync

KEYS = range(80001, 80041)


@pytest.fixture(scope="module")
def keys(shop_cluster, shop_proxy):
    """A key a shard, in the order of the shards; `ringway init` has run."""
    return [each[0] for each in keys_by_shard(shop_proxy, KEYS)]


@pytest.fixture
def clean(shop_cluster, keys):
    """One row a shard, and none of ours afterwards."""
    for shard, key in zip(shop_cluster.shards, keys):
        shop_cluster.primary(shard).rows("DELETE FROM users WHERE id >= 80000 AND id < 90000")
        shop_cluster.primary(shard).rows(f"INSERT INTO users VALUES ({key}, 'old', 'de')")
    yield keys
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DELETE FROM users WHERE id >= 80000 AND id < 90000")


def client_of(proxy):
    return Wire(proxy.port, database="shop")


def update(key, name="new"):
    return f"UPDATE users SET name = '{name}' WHERE id = {key}"


def told(client, sql, extended=False):
    """Runs it; what the client now knows of the server's parameters."""
    came = client.run(parse(sql) + bind() + describe("P") + execute() + sync() if extended else query(sql))
    for kind, body in came:
        if kind == "S":
            name, value = body.split(b"\0")[:2]
            client.parameters[name.decode()] = value.decode()
    return {name: client.parameters[name] for name in ("DateStyle", "TimeZone", "standard_conforming_strings", "application_name")}, codes(came)


ALL = "UPDATE users SET name = name WHERE id >= 80000 AND id < 90000"
FAILS = "SELECT 1/0 FROM users WHERE id = {0}"


ENDS = [
    ["BEGIN", ALL, "SET LOCAL DateStyle = 'German'", "COMMIT"],
    ["BEGIN", ALL, "SET LOCAL DateStyle = 'German'", "SAVEPOINT a", "SET LOCAL TimeZone = 'Asia/Tokyo'", "ROLLBACK TO a", "COMMIT"],
    ["BEGIN", ALL, "SET TimeZone = 'Asia/Tokyo'", "SET LOCAL DateStyle = 'German'", "COMMIT"],
    ["BEGIN", ALL, "SET DateStyle = 'German'", "ROLLBACK"],
    ["BEGIN", "SET DateStyle = 'German'", ALL, "ROLLBACK"],
    ["BEGIN", "SET LOCAL DateStyle = 'German'", ALL, "COMMIT"],
    ["BEGIN", update("{0}"), "SET TimeZone = 'Asia/Tokyo'", update("{1}"), "SET LOCAL application_name = 'a b'", "COMMIT"],
    ["BEGIN", "SELECT count(*) FROM users", "SET LOCAL TimeZone = 'Asia/Tokyo'", update("{2}"), "COMMIT"],
    ["BEGIN", ALL, "SET TimeZone = 'Asia/Tokyo'", FAILS, "COMMIT"],
    ["BEGIN", ALL, "SET LOCAL standard_conforming_strings = off", "COMMIT"],
    ["BEGIN", ALL, "SET standard_conforming_strings = off", "ROLLBACK"],
    ["BEGIN; SET TimeZone = 'Asia/Tokyo'; " + ALL + "; ROLLBACK"],
    ["BEGIN; " + ALL + "; SET LOCAL TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; COMMIT"],
]


# A text of several statements comes as a simple query only.
@pytest.mark.parametrize("texts, extended", [(texts, extended) for texts in ENDS for extended in (False, True)[:len(texts)]])
def test_the_client_is_told_of_settings_that_end_with_the_transaction(shop_proxy, shop_cluster, clean, texts, extended):
    plain = shop_cluster.primary(shop_cluster.shards[0])
    with client_of(shop_proxy) as ours, Wire(plain.port, database="shop") as theirs:
        told(ours, "SET application_name = 'same'"), told(theirs, "SET application_name = 'same'")
        one, two = ([told(client, text.format(*clean), extended) for text in texts] for client in (ours, theirs))
        assert one == two
        for name in ("DateStyle", "TimeZone", "standard_conforming_strings", "application_name"):
            assert ours.value(f"SHOW {name}") == ours.parameters[name]


def test_what_a_transaction_has_set_for_later_ones_is_not_its_own(shop_proxy, clean):
    with client_of(shop_proxy) as client:
        for first in ("SELECT 1", update(clean[0]), "SELECT count(*) FROM users"):
            for sets in ("SET default_transaction_read_only = on", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                         "SET default_transaction_isolation = 'serializable'"):
                for sql in ("BEGIN", first, sets, ALL, "COMMIT"):
                    assert not codes(client.run(query(sql))), (first, sets, sql)
                name = "default_transaction_isolation" if "isolation" in sets else "default_transaction_read_only"
                assert client.value(f"SHOW {name}") == ("serializable" if "isolation" in sets else "on")
                if "isolation" not in sets:
                    assert codes(client.run(query(update(clean[0])))) == ["25006"]
                assert not codes(client.run(query(f"SET {name} = DEFAULT")))
        for sql in ("BEGIN", ALL, "SET default_transaction_read_only = on", FAILS.format(clean[0]), "ROLLBACK"):
            client.run(query(sql))
        for sql in ("BEGIN", "SELECT count(*) FROM users", ALL, "COMMIT"):  # a stale belief refused this
            assert not codes(client.run(query(sql))), sql


@pytest.mark.parametrize("fails,code", [(FAILS, "22012"), ("SELECT nothing FROM users", "42703"), ("PREPARE p AS SELECT 1", "0A000")])
@pytest.mark.parametrize("savepoint", [False, True])
def test_a_failed_transaction_lets_its_locks_go_on_all_shards(shop_proxy, clean, fails, code, savepoint):
    first, second, third = clean
    with client_of(shop_proxy) as client, client_of(shop_proxy) as other:
        other.run(query("SET lock_timeout = '3s'"))
        for sql in ("BEGIN", update(first, "kept"), *(["SAVEPOINT a"] if savepoint else []), update(second, "lost"), update(third, "lost")):
            assert not codes(client.run(query(sql))), sql
        came = client.run(query(fails.format(second)))
        assert codes(came) == [code] and came[-1] == ("Z", b"E")
        assert not codes(other.run(query(update(second, "other"))))
        assert not codes(other.run(query(update(third, "other"))))
        assert codes(client.run(query(update(first)))) == ["25P02"]
        if not savepoint:
            assert not codes(other.run(query(update(first, "other"))))
            assert codes(client.run(query("ROLLBACK TO a"))) == ["3B001"]
            assert client.run(query("COMMIT")) == [("C", b"ROLLBACK\0"), ("Z", b"I")]
        else:
            other.run(query("SET lock_timeout = '200ms'"))
            assert codes(other.run(query(update(first, "other")))) == ["55P03"]  # from before the savepoint
            assert client.run(query("ROLLBACK TO a")) == [("C", b"ROLLBACK\0"), ("Z", b"T")]
            assert not codes(client.run(query(update(third, "again"))))
            assert client.run(query("COMMIT")) == [("C", b"COMMIT\0"), ("Z", b"I")]
        names = [client.value(f"SELECT name FROM users WHERE id = {key}") for key in clean]
        assert names == (["kept", "other", "again"] if savepoint else ["other"] * 3)


@pytest.mark.parametrize("then", ["ROLLBACK", "COMMIT", "ROLLBACK; SELECT 1", "ROLLBACK TO a", "SELECT 1; SELECT 2"])
def test_what_follows_a_failure_at_once(shop_proxy, shop_cluster, clean, then):
    plain = shop_cluster.primary(shop_cluster.shards[0])
    with client_of(shop_proxy) as ours, Wire(plain.port, database="shop") as theirs:
        played = []
        for client in (ours, theirs):
            for sql in ("BEGIN", update(clean[0]), "SAVEPOINT a", update(clean[1])):
                client.run(query(sql))
            played.append(client.run(query(FAILS.format(clean[0])) + query(then) + query("SELECT 5") + query("ROLLBACK"), ready=4))
        one, two = played
        assert codes(one) == codes(two) and [each for each in one if each[0] in "CZD"] == [each for each in two if each[0] in "CZD"]
        assert ours.value(f"SELECT name FROM users WHERE id = {clean[0]}") == "old"


def test_a_client_that_goes_while_its_transaction_fails_leaves_nothing(shop_proxy, clean):
    for _ in range(5):
        with client_of(shop_proxy) as client:
            for sql in ("BEGIN", ALL):
                client.run(query(sql))
            client.send(query(FAILS.format(clean[0]))).until("E")
            client.reset()
        with client_of(shop_proxy) as other:
            other.run(query("SET lock_timeout = '3s'"))
            assert not codes(other.run(query(ALL)))


@pytest.mark.parametrize("read", ["SELECT count(*) FROM users", "SELECT a.id FROM users a JOIN users b ON a.name = b.name", "SELECT id FROM users ORDER BY id"])
@pytest.mark.parametrize("holds_on", [0, 2])
def test_a_read_beside_its_transaction_is_seen_in_a_deadlock(shop_proxy, clean, read, holds_on):
    """The transaction holds a lock that the other waits for, on the last shard or the first, and its read waits for the other."""
    with client_of(shop_proxy) as client, client_of(shop_proxy) as other:
        for sql in ("BEGIN", f"SELECT id FROM users WHERE id = {clean[holds_on]}"):
            assert not codes(client.run(query(sql)))
        other.run(query("BEGIN"))
        came = []
        locks = threading.Thread(target=lambda: came.extend(other.run(query("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"), limit=30)))
        locks.start()
        time.sleep(1)
        begun = time.monotonic()
        read_so = client.run(query(read), limit=30)
        client.run(query("ROLLBACK"))
        locks.join(30)
        # What is gathered on the transaction's own connections is ahead of the other on the first shard.
        assert codes(read_so) + codes(came) == ([] if holds_on == 0 and "JOIN" in read else ["40P01"])
        assert time.monotonic() - begun < 10
        other.run(query("ROLLBACK"))
        assert not codes(client.run(query(ALL)))


@pytest.mark.parametrize("begin", [None, "BEGIN"])
def test_who_has_waited_as_long_as_it_may_does_not_wait_again(shop_proxy, shop_cluster, clean, begin):
    with client_of(shop_proxy) as client, Wire(shop_cluster.primary(shop_cluster.shards[1]).port, database="shop") as holder:
        for sql in ("BEGIN", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"):
            assert not codes(holder.run(query(sql)))
        for name, code in (("statement_timeout", "57014"), ("lock_timeout", "55P03")):
            client.run(query(f"SET {name} = '1500ms'"))
            if begin:
                client.run(query(begin))
            begun = time.monotonic()
            assert codes(client.run(query("/* ringway: role=primary */ SELECT count(*) FROM users"))) == [code]
            assert time.monotonic() - begun < 2.8
            client.run(query("ROLLBACK"))
            client.run(query(f"SET {name} = 0"))
        holder.run(query("ROLLBACK"))
        assert not codes(client.run(query("SELECT count(*) FROM users")))


COUNT = "SELECT count(*) FROM users a JOIN users b ON a.name = b.name WHERE a.id >= 80000 AND b.id >= 80000 AND a.id < 90000 AND b.id < 90000"


def test_reads_follow_whether_the_transaction_is_read_only(shop_proxy, clean):
    with client_of(shop_proxy) as client:
        def play(*texts):
            out = []
            for sql in texts:
                came = client.run(query(sql))
                out += codes(came) or [body[-1:] for kind, body in came if kind == "D"]
            client.run(query("ROLLBACK"))
            return out

        client.run(query("SET ringway.role = 'primary'"))
        one = f"SELECT id FROM users WHERE id = {clean[0]}"
        assert play("BEGIN READ ONLY", "BEGIN", COUNT) == [b"9"]
        assert play("BEGIN READ ONLY", one, "BEGIN", COUNT)[1:] == [b"9"]
        assert play("BEGIN", one, "SET TRANSACTION READ ONLY", COUNT, update(clean[0]))[1:] == [b"9", "25006"]
        assert play("BEGIN", COUNT, "SET TRANSACTION READ ONLY", COUNT, ALL) == [b"9", b"9", "25006"]
        # Behind writes it would not see them.
        assert play("BEGIN", update(clean[0]), "SET TRANSACTION READ ONLY", COUNT) == ["0A000"]
        assert play("BEGIN", ALL, "SET LOCAL transaction_read_only = on", COUNT) == ["0A000", "25P02"]
        # A savepoint gives back what was so before it, RELEASE too.
        for ends in ("ROLLBACK TO a", "RELEASE a"):
            for first in (one, update(clean[0])):
                assert play("BEGIN", first, "SAVEPOINT a", "SET TRANSACTION READ ONLY", ends, update(clean[1], "x"), COUNT)[-1] in (b"3", b"5")
        # Where several shards have been written to it is refused.
        for first in (one, update(clean[0])):
            assert play("BEGIN", first, update(clean[2], "old"), "SAVEPOINT a", "SET TRANSACTION READ ONLY", "ROLLBACK TO a",
                        update(clean[1], "x"), COUNT)[-1] in (b"3", b"5")
        assert "0A000" in play("BEGIN", update(clean[0]), update(clean[2], "old"), "SAVEPOINT a", "SET TRANSACTION READ ONLY", "RELEASE a")


def test_notices_of_deferred_triggers_come_with_the_commit(shop_proxy, shop_cluster, clean):
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("CREATE FUNCTION says_so() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'row %', new.id; RETURN NULL; END$$")
        shop_cluster.primary(shard).rows("CREATE CONSTRAINT TRIGGER says_so AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED "
                                         "FOR EACH ROW EXECUTE FUNCTION says_so()")
    try:
        with client_of(shop_proxy) as client:
            for sqls in (["BEGIN", ALL, "COMMIT"], [ALL], ["BEGIN", ALL, "ROLLBACK"]):
                came = [each for sql in sqls for each in client.run(query(sql))]
                notes = sorted(fields(body)["M"] for kind, body in came if kind == "N")
                assert notes == ([] if "ROLLBACK" in sqls else sorted(f"row {key}" for key in clean))
                assert not codes(came) and came[-1] == ("Z", b"I")
    finally:
        for shard in shop_cluster.shards:
            shop_cluster.primary(shard).rows("DROP FUNCTION says_so() CASCADE")
