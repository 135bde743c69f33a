"""Moves while the proxy, sources, target and replicas are killed with -9 at random.

RINGWAY_MOVE_ROUNDS says how many moves (1; 20 by hand), RINGWAY_SEED repeats a run as far as timing lets it."""

import os
import random
import time

import psycopg
import pytest
from conftest import admin, until
from test_rebalance import Appender, Shop, count, settled

ROUNDS = int(os.environ.get("RINGWAY_MOVE_ROUNDS", "1"))
SEED = int(os.environ.get("RINGWAY_SEED", "0")) or random.randrange(1, 1_000_000)


class Pairs(Appender):
    """Two rows in one transaction, on two shards most often: both come or none."""

    def __init__(self, shop):
        super().__init__(shop, "pair")
        self.tried, self.told = 0, set()

    def run(self):
        while not self.done:
            try:
                with self.shop.proxy.connect() as db:
                    while not self.done:
                        self.tried += 1
                        mark = f"pair {self.tried}"
                        with db.transaction():
                            for key in random.sample(range(300), 2):
                                db.execute("INSERT INTO events (user_id, what) VALUES (%s, %s)", [key, mark])
                        self.told.add(mark)
            except psycopg.Error:
                time.sleep(0.05)

    def check(self, db):
        found = dict(db.execute("SELECT what, count(*) FROM events WHERE what LIKE 'pair %' GROUP BY 1").fetchall())
        assert set(found.values()) <= {2}, [each for each in found.items() if each[1] != 2]
        assert self.told <= set(found), self.told - set(found)
        assert len(found) <= self.tried


class Killer:
    """Kills one of all processes, and starts it again a moment later."""

    def __init__(self, shop, choice):
        self.shop, self.choice, self.killed = shop, choice, []

    def strike(self):
        shop = self.shop
        replicas = [node for shard in ("s0", "s1", "s2") for node in shop.three.replicas(shard)]
        victim = self.choice.choice(["proxy", "proxy", "s0", "s1", "s2", "s3", "s3", "replica"])
        self.killed.append(victim)
        if victim == "proxy":
            shop.proxy.kill()
            time.sleep(self.choice.random() * 0.3)
            shop.proxy.start(ready=False)
            return
        node = self.choice.choice(replicas) if victim == "replica" else shop.nodes[victim]
        node.kill()
        time.sleep(self.choice.random() * 0.3)
        (shop.one if victim == "s3" else shop.three).ctl(node, "start")


def in_doubt(shop):
    return [(name, gid) for name, node in shop.nodes.items()
            for (gid,) in node.rows("SELECT gid FROM pg_prepared_xacts")]


@pytest.fixture
def shop(workspace, ringway):
    made = Shop(workspace / "rebalance-kills", ringway, replicas=1)
    yield made
    if made.proxy.process:
        made.proxy.stop()
    made.down()


def test_random_kills_during_moves_lose_and_double_nothing(shop):  # M3
    print(f"RINGWAY_SEED={SEED}, {ROUNDS} rounds")
    shop.fill(400)
    writers, pairs = [Appender(shop, f"w{n}") for n in range(2)], Pairs(shop)
    for each in [*writers, pairs]:
        each.start()
    killer = Killer(shop, random.Random(SEED))
    journal = shop.proxy.directory / "state" / "rebalances" / "reb"
    for number in range(ROUNDS):
        assert until(shop.proxy.is_ready, 60)
        shop.reload_shards({"s3": shop.fourth["s3"] | {"weight": 3 if number % 2 == 0 else 1}})
        admin(shop.proxy, "REBALANCE reb")
        for _ in range(2):
            time.sleep(killer.choice.random() * 1.5)
            killer.strike()
        assert until(shop.proxy.is_ready, 60), killer.killed
        if journal.exists():
            assert until(lambda: admin(shop.proxy, "SHOW REBALANCE") or not journal.exists(), 20)
            shop.wait(180)
        assert until(lambda: not journal.exists(), 60), (killer.killed, admin(shop.proxy, "SHOW REBALANCE"))
        assert count(shop.proxy) == 800, killer.killed
        owners = shop.check_places()
        assert set(owners.values()) == {"s0", "s1", "s2", "s3"}, killer.killed
        assert shop.traces() == [], killer.killed
    for each in [*writers, pairs]:
        each.finish()
    assert until(lambda: in_doubt(shop) == [], 60), (in_doubt(shop), killer.killed)
    assert sum(sum(each.told.values()) for each in writers) > 20 and len(pairs.told) > 5
    settled(shop, writers)
    with shop.proxy.connect() as db:
        pairs.check(db)
    print(f"{ROUNDS} rounds, killed: {' '.join(killer.killed)}; {sum(sum(each.told.values()) for each in writers)} writes "
          f"and {len(pairs.told)} pairs were acknowledged and are there")
