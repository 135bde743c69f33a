"""SHOW SHARDS and SHOW ADVICE: what shards have and have to do, which keys are hot, and what should move."""

import itertools
import json
import random
import subprocess
import threading
import urllib.request

import pytest
from conftest import BINARY, admin, knows_tables, until
from test_rebalance import Shop


class Clients(threading.Thread):
    """One connection that runs statements about keys that `choose` gives, in every way that there is, until stopped."""

    def __init__(self, proxy, choose):
        super().__init__(daemon=True)
        self.proxy, self.choose, self.done, self.problem, self.over = proxy, choose, 0, None, False

    def run(self):
        try:
            with self.proxy.connect() as db:
                for number in itertools.count():
                    if self.over:
                        return
                    self.one(db, number, self.choose())
                    self.done += 1
        except BaseException as problem:
            self.problem = problem

    def one(self, db, number, key):
        if number % 4 == 0:
            db.execute(f"SELECT count(*) FROM orders WHERE user_id = {key}")
        elif number % 4 == 1:
            db.execute("SELECT name FROM users WHERE id = %s", [key], prepare=True)
        elif number % 4 == 2:
            db.execute("UPDATE users SET name = %s WHERE id = %b", ["x", key])
        else:
            with db.transaction():
                db.execute("SELECT u.name FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = %s", [key])

    def finish(self):
        self.over = True
        self.join(30)
        assert not self.is_alive() and self.problem is None, self.problem


@pytest.fixture
def clients():
    """Starts Clients; they are ended with the test, each without a problem."""
    running = []

    def start(proxy, choose, count=2):
        for _ in range(count):
            running.append(Clients(proxy, choose))
            running[-1].start()

    def stop():
        while running:
            running.pop().finish()

    start.stop = stop
    start.running = running
    yield start
    stop()


@pytest.fixture
def shop(ringway, shop_cluster):
    proxy = ringway(clusters=shop_cluster)
    assert until(lambda: knows_tables(proxy, "shop"))
    subprocess.run([BINARY, "init", "--config", proxy.config, "--cluster", "shop"], check=True, capture_output=True, timeout=60)
    return proxy


def owner(proxy, cluster, key):
    return admin(proxy, f"SHOW KEY {cluster} users {key}")[0]["shard"]


def figures(proxy, cluster="shop"):
    return {row["shard"]: row for row in admin(proxy, "SHOW SHARDS") if row["cluster"] == cluster}


def wait_for(check, clients, limit=60):
    """What `check` gives in the end, while the clients are well."""
    found = until(lambda: check() or next((each.problem for each in clients.running if each.problem), None), limit, 0.2)
    assert found and not isinstance(found, BaseException), found
    return found


def page(proxy, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_a_hot_key_is_told_to_operators_and_to_nobody_else(shop, clients):
    hot = 7_654_321
    where = owner(shop, "shop", hot)
    keys = list(range(8_000_000, 8_000_300))
    clients(shop, lambda: hot if random.random() < 0.6 else random.choice(keys))

    def hot_now():
        row = figures(shop)[where]
        return row if f"{hot} (" in row["hottest_keys"] else None

    wait_for(hot_now, clients)

    def settled():  # of few statements the key's part is not certain, and another shard may seem to have room for it
        rows = admin(shop, "SHOW ADVICE")
        return rows if rows and rows[0]["command"].endswith(" TO a_new_shard") else None

    advice = wait_for(settled, clients)
    row = hot_now()
    table, key, share = row["hottest_keys"].split(", ")[0].split(" ")
    assert table in ("users", "orders") and key == str(hot)
    assert 50 <= int(share.strip("(%)")) <= 95  # 60 of 73 parts, give or take
    others = [each for name, each in figures(shop).items() if name != where]
    assert all(row["statements_per_second"] > 2 * each["statements_per_second"] > 0 for each in others), figures(shop)
    assert all(str(hot) not in each["hottest_keys"] for each in others)
    assert len(advice) == 1, advice
    assert (advice[0]["cluster"], advice[0]["shard"]) == ("shop", where)
    assert advice[0]["command"] == f"MOVE shop KEY {table} {hot} TO a_new_shard"  # elsewhere it would be as much
    assert "about one key" in advice[0]["reason"] and str(hot) not in advice[0]["reason"]
    assert "rebalance = true" in advice[0]["reason"]

    shards = [each for each in json.loads(page(shop, "/api/shards")) if each["shard"] == where]
    assert shards[0]["hottest_keys"] is None and shards[0]["statements_per_second"] > 0
    told = json.loads(page(shop, "/api/advice"))
    assert told[0]["command"].split(" KEY ")[1].split(" ")[1] == "..."
    for path in ("/api/shards", "/api/advice", "/metrics", "/api/statements", "/api/plans"):
        assert str(hot) not in page(shop, path), path

    shop.reload({"clusters": {"shop": {"hot_keys": False}}})
    assert until(lambda: all(each["hottest_keys"] is None for each in figures(shop).values()), 20)
    assert until(lambda: figures(shop)[where]["statements_per_second"] > 0, 20)
    assert all(str(hot) not in str(each) for each in admin(shop, "SHOW ADVICE"))
    assert str(hot) not in shop.log.read_text()


def test_an_even_load_has_no_hot_key_and_no_advice(shop, clients):
    keys = list(range(9_000_000, 9_001_000))
    clients(shop, lambda: random.choice(keys))

    def busy():
        rows = figures(shop).values()
        return sum(each["statements_per_second"] for each in rows) > 25 and len(rows) == 3

    wait_for(busy, clients)
    done = sum(each.done for each in clients.running)

    def more():
        assert admin(shop, "SHOW ADVICE") == []
        return sum(each.done for each in clients.running) >= done + 2000

    wait_for(more, clients, 120)
    for row in figures(shop).values():
        assert all(int(each.split("(")[1].strip("%)")) < 10 for each in row["hottest_keys"].split(", ") if each), row


def test_statements_over_several_shards_count_on_each(shop, clients):
    with shop.connect() as db:
        for _ in range(300):
            db.execute("SELECT count(*) FROM orders")
        rows = figures(shop).values()
        assert all(row["statements_per_second"] > 0 for row in rows), rows
        assert all(row["hottest_keys"] == "" for row in rows), rows
        keys = {owner(shop, "shop", key): key for key in range(5_000_000, 5_000_100)}
        for _ in range(200):  # transactions over all of them
            with db.transaction():
                for key in keys.values():
                    db.execute("UPDATE users SET name = 'x' WHERE id = %s", [key])
    rows = figures(shop)
    for shard, key in keys.items():
        assert f"users {key} (" in rows[shard]["hottest_keys"], rows


def test_rows_and_bytes_are_those_of_the_servers(shop, shop_cluster):
    keys = list(range(6_000_000, 6_003_000))
    before = until(lambda: (rows := figures(shop)) and all(each["rows"] is not None for each in rows.values()) and rows, 60, 0.3)
    assert before, figures(shop)
    with shop.connect() as db:
        db.execute("CREATE TABLE IF NOT EXISTS beside (n int8, filler text)")  # on the first shard
        db.execute("INSERT INTO beside SELECT n, repeat('x', 500) FROM generate_series(1, 3000) n")
        with db.cursor().copy("COPY users (id, name) FROM STDIN") as copy:
            for key in keys:
                copy.write_row((key, "x" * 100))
    try:
        def grown():
            now = figures(shop)
            return now if sum(now[each]["rows"] - before[each]["rows"] for each in now) >= 5500 else None
        now = until(grown, 60, 0.3)  # servers count within a second or so; and they are asked again when somebody wants to know
        assert now, (before, figures(shop))
        for each in ("s1", "s2"):
            assert 500 < now[each]["rows"] - before[each]["rows"] < 1500
        assert now["s0"]["bytes"] - before["s0"]["bytes"] > 1_000_000
    finally:
        with shop.connect() as db:
            db.execute("DROP TABLE beside")
            db.execute("DELETE FROM users WHERE id >= 6000000 AND id < 6003000")


def test_what_is_advised_helps(workspace, ringway, clients, tmp_path_factory):
    """Two hot keys of one shard: one of them moves, by the command that is given, and nothing is advised any more."""
    shop = Shop(workspace / tmp_path_factory.mktemp("advice").name, ringway)
    try:
        shop.fill(300)
        first, second = [key for key in range(300) if shop.owner(key) == "s1"][:2]

        def choose():
            chance = random.random()
            return first if chance < 0.35 else second if chance < 0.7 else random.randrange(300)

        clients(shop.proxy, choose)
        advice = wait_for(lambda: admin(shop.proxy, "SHOW ADVICE"), clients)
        assert len(advice) == 1 and advice[0]["shard"] == "s1", advice
        words = advice[0]["command"].split(" ")
        assert words[:3] == ["MOVE", "reb", "KEY"] and words[4] in (str(first), str(second)) and words[6] in ("s0", "s2"), advice
        admin(shop.proxy, advice[0]["command"])
        assert shop.wait()[0]["phase"] == "done"
        assert shop.owner(int(words[4])) == words[6]
        start = sum(each.done for each in clients.running)
        wait_for(lambda: sum(each.done for each in clients.running) > start + 2000, clients)
        rows = until(lambda: (now := figures(shop.proxy, "reb")) and f" {words[4]} (" in now[words[6]]["hottest_keys"] and now, 30)
        assert rows, figures(shop.proxy, "reb")
        assert f" {words[4]} (" not in rows["s1"]["hottest_keys"]
        assert all(f" {words[4]} " not in each["command"] for each in admin(shop.proxy, "SHOW ADVICE"))
        clients.stop()
        shop.check_places()
    finally:
        clients.stop()
        shop.down()
