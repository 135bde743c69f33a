"""Transfers between accounts of several shards, while proxies and servers are killed: all or nothing, whatever dies when.

RINGWAY_BANK_SECONDS says for how long servers and proxies are killed at random (20; 600 by hand).
"""

import contextlib
import os
import random
import subprocess
import threading
import time

import psycopg
import pytest

import conftest
from conftest import APP_SQL, BINARY, ClusterStart, admin, knows_tables, until
from relay import Relay

SECONDS = float(os.environ.get("RINGWAY_BANK_SECONDS", "20"))
SHARDS, ACCOUNTS, START = 3, 30, 1000
TABLES = {"accounts": {"key": "id"}, "transfers": {"key": "id"}}
SQL = APP_SQL + """
SET ROLE app;
CREATE TABLE accounts (id int8 PRIMARY KEY, balance int8 NOT NULL);
CREATE TABLE transfers (id int8 PRIMARY KEY, giver int8 NOT NULL, taker int8 NOT NULL, amount int8 NOT NULL);
"""


@pytest.fixture(scope="module")
def bank(workspace):
    made = ClusterStart(workspace, "bank", SHARDS, 0, SQL, TABLES)
    yield made.wait()
    made.down()


@pytest.fixture(scope="module", autouse=True)
def other_host_names(workspace):
    """Each start of a proxy is on a host of another name, where that can be had."""
    if subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode != 0:
        yield
        return
    wrapper = workspace / "ringway-elsewhere"
    wrapper.write_text(f"#!/bin/sh\nexec unshare --uts sh -c 'hostname \"host-$$\"; exec \"$0\" \"$@\"' '{BINARY}' \"$@\"\n")
    wrapper.chmod(0o755)
    before, conftest.BINARY = conftest.BINARY, wrapper
    yield
    conftest.BINARY = before


@pytest.fixture
def filled(bank, ringway):
    """A proxy; the accounts are there, each with START, and no transfer."""
    proxy = ringway(clusters=bank)
    done = subprocess.run([BINARY, "init", "--config", proxy.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert until(lambda: knows_tables(proxy, "bank"))
    with proxy.connect() as client:
        client.execute("DELETE FROM transfers")
        client.execute("DELETE FROM accounts")
        client.execute("INSERT INTO accounts VALUES " + ", ".join(f"({i}, {START})" for i in range(ACCOUNTS)))
    return proxy


def shard_rows(bank, sql):
    return [row for shard in bank.shards for row in bank.primary(shard).rows(sql)]


def nothing_prepared(bank):
    return not shard_rows(bank, "SELECT gid FROM pg_prepared_xacts")


def transfer(client, number, giver, taker, amount):
    with client.transaction():
        client.execute("UPDATE accounts SET balance = balance - %s WHERE id = %s", [amount, giver])
        client.execute("UPDATE accounts SET balance = balance + %s WHERE id = %s", [amount, taker])
        client.execute("INSERT INTO transfers VALUES (%s, %s, %s, %s)", [number, giver, taker, amount])


def assert_books_are_right(bank, acknowledged):
    """What transfers say has happened has happened, once, whole; and no acknowledged one is missing."""
    assert until(lambda: nothing_prepared(bank), 40, 0.2), shard_rows(bank, "SELECT gid, prepared FROM pg_prepared_xacts")
    balances = dict(shard_rows(bank, "SELECT id, balance FROM accounts"))
    expected = dict.fromkeys(range(ACCOUNTS), START)
    made = shard_rows(bank, "SELECT id, giver, taker, amount FROM transfers")
    for _, giver, taker, amount in made:
        expected[giver] -= amount
        expected[taker] += amount
    assert balances == expected
    assert sum(balances.values()) == ACCOUNTS * START
    assert set(acknowledged) <= {each[0] for each in made}


class Customer(threading.Thread):
    """Makes transfers through any of the proxies; knows which of them were acknowledged."""

    def __init__(self, number, proxies, ended):
        super().__init__()
        self.number, self.proxies, self.ended = number, proxies, ended
        self.random = random.Random(number)
        self.acknowledged, self.problems = [], []

    def run(self):
        count = 0
        while not self.ended.is_set():
            with contextlib.suppress(psycopg.Error):
                with self.random.choice(self.proxies).connect(connect_timeout=3) as client:
                    for _ in range(20):
                        if self.ended.is_set():
                            return
                        count += 1
                        number = self.number * 1_000_000 + count
                        giver, taker = sorted(self.random.sample(range(ACCOUNTS), 2))  # in order: no deadlocks
                        transfer(client, number, giver, taker, self.random.randrange(1, 100))
                        self.acknowledged.append(number)
            time.sleep(0.02)


def test_h09_transfers_while_proxies_and_servers_are_killed(bank, filled, ringway):
    proxies = [filled, ringway(clusters=bank)]
    ended = threading.Event()
    customers = [Customer(i + 1, proxies, ended) for i in range(6)]
    for each in customers:
        each.start()
    chance, end, kills = random.Random(), time.monotonic() + SECONDS, 0
    try:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.3, 2.0))
            if chance.random() < 0.6:
                victim = chance.choice(proxies)
                victim.kill()
                time.sleep(chance.uniform(0, 0.5))
                victim.start()
            else:
                node = bank.primary(chance.choice(bank.shards))
                node.kill()
                time.sleep(chance.uniform(0, 0.5))
                bank.ctl(node, "start")
            kills += 1
    finally:
        ended.set()
        for each in customers:
            each.join(60)
    acknowledged = [number for each in customers for number in each.acknowledged]
    print(f"{kills} kills, {len(acknowledged)} transfers acknowledged")
    assert kills > 0 and len(acknowledged) > 0
    assert_books_are_right(bank, acknowledged)
    with filled.connect() as client:  # and it goes on
        transfer(client, 7, 1, 2, 5)
    assert_books_are_right(bank, [*acknowledged, 7])


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", ["ringway.decide(", "PREPARE TRANSACTION", "COMMIT\0", "COMMIT PREPARED"])
def test_h09_the_proxy_dies_at_a_step(bank, filled, ringway, step, before):
    """It dies when the step is about to reach a server, or when it has been done and nobody has been told."""
    relays = [Relay(node.host, node.port) for node in bank.nodes]
    nodes = {node.shard: {"nodes": [each.address]} for node, each in zip(bank.nodes, relays)}
    victim = ringway({"clusters": {"bank": {"shards": nodes}}}, clusters=bank)
    assert until(lambda: knows_tables(victim, "bank"))
    giver, taker = accounts_of_two_shards(filled)
    acknowledged = []
    lock = threading.Lock()

    def die():
        with lock:
            if victim.process:
                victim.kill()

    with contextlib.suppress(psycopg.Error), victim.connect() as client:
        transfer(client, 1, giver, taker, 10)
        acknowledged.append(1)
        for each in relays:
            each.watch(step.encode(), before, die)
        transfer(client, 2, giver, taker, 10)
        acknowledged.append(2)
    assert any(each.fired.wait(10) for each in relays)
    assert until(lambda: victim.process is None)
    assert acknowledged == [1]
    assert_books_are_right(bank, acknowledged)  # `filled` settles what the dead one has left
    decided = bool(shard_rows(bank, "SELECT 1 FROM transfers WHERE id = 2"))
    if step in ("ringway.decide(", "PREPARE TRANSACTION"):
        assert not decided
    if step == "COMMIT PREPARED" or (step == "COMMIT\0" and not before):
        assert decided
    for each in relays:
        each.close()


def test_what_is_left_prepared_under_a_role_is_settled(bank, filled, ringway):
    """Who looks after it is no superuser, and the role cannot log in."""
    _, account = accounts_of_two_shards(filled)
    filled.kill()
    shard = next(each for each in bank.shards if bank.primary(each).rows(f"SELECT 1 FROM accounts WHERE id = {account}"))
    for each in bank.shards:
        with bank.primary(each).connect(user="postgres") as server:
            server.execute("CREATE ROLE clerk NOLOGIN")
            server.execute("GRANT clerk TO app")
            server.execute("GRANT SELECT, UPDATE ON accounts TO clerk")
    with bank.primary(shard).connect() as server:
        server.execute("BEGIN")
        server.execute("SET LOCAL ROLE clerk")
        server.execute(f"UPDATE accounts SET balance = 0 WHERE id = {account}")
        server.execute(f"PREPARE TRANSACTION 'ringway:{'c' * 32}:{bank.shards[0]}:{shard}'")
    ringway({"clusters": {"bank": {"monitor_user": "app", "monitor_password": "app"}}}, clusters=bank)
    assert until(lambda: nothing_prepared(bank), 20)
    for each in bank.shards:
        with bank.primary(each).connect(user="postgres") as server:
            server.execute("DROP OWNED BY clerk")
            server.execute("DROP ROLE clerk")
    assert_books_are_right(bank, [])


def accounts_of_two_shards(proxy):
    found = {}
    for number in range(ACCOUNTS):
        found.setdefault(admin(proxy, f"SHOW KEY bank accounts {number}")[0]["shard"], number)
    return sorted(found.values())[:2]
