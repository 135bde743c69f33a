"""REBALANCE: rows move to another ring while applications write. Each test has servers of its own."""

import bisect
import collections
import contextlib
import hashlib
import os
import random
import re
import subprocess
import threading
import time

import psycopg
import pytest
from conftest import APP_SQL, BINARY, ClusterStart, admin, knows_tables, merged, toml_of, until

ROWS = int(os.environ.get("RINGWAY_MOVE_ROWS", "5000"))  # about so many are there when the ledgers' move begins

TABLES = {"users": {"key": "id"}, "orders": {"key": "user_id"}, "events": {"key": "user_id"},
          "countries": {"reference": True}}

SCHEMA = """
SET ROLE app;
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE TABLE users (id int8 PRIMARY KEY, name text NOT NULL, feels mood DEFAULT 'fine', long text,
                    length int GENERATED ALWAYS AS (length(name)) STORED);
CREATE TABLE orders (id bigserial, user_id int8 NOT NULL, amount numeric(12, 2), note text, PRIMARY KEY (user_id, id));
CREATE INDEX orders_amount ON orders (amount);
CREATE TABLE events (user_id int8, what text, at timestamptz DEFAULT now(), data jsonb);
CREATE INDEX events_user ON events (user_id);
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note = NEW.note || '+'; RETURN NEW; END $$;
CREATE TRIGGER orders_touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched();
CREATE VIEW rich AS SELECT * FROM orders WHERE amount > 1000;
"""


class Shop:
    """Three shards with the schema, a fourth server with nothing but an empty database, and a proxy before the three."""

    def __init__(self, base, ringway, over=None, fourth_sql="SELECT 1;", replicas=0, more_sql="", more_tables=None):
        self.phases = []  # when each was seen first
        base.mkdir()
        base.chmod(0o755)
        (base / "more").mkdir()
        (base / "more").chmod(0o755)
        environment = {"PG_EXTRA": "autovacuum_naptime = 10s"}
        self.starts = [ClusterStart(base, "reb", 3, replicas, APP_SQL + SCHEMA + more_sql, TABLES | (more_tables or {}), environment),
                       ClusterStart(base / "more", "reb", 1, 0, fourth_sql, None, environment)]
        try:
            self.three, self.one = (each.wait() for each in self.starts)
            self.nodes = {shard: self.three.primary(shard) for shard in ("s0", "s1", "s2")}
            self.nodes["s3"] = self.one.primary("s0")
            self.fourth = {"s3": {"nodes": [self.nodes["s3"].address]}}
            settings = {"clusters": {"reb": {"cleanup_delay": "200ms", "cutover_timeout": "1s", "rebalance": True}}}
            self.proxy = ringway(merged(settings, over or {}), clusters=self.three)
            assert until(lambda: knows_tables(self.proxy, "reb"))
            subprocess.run([BINARY, "init", "--config", self.proxy.config], check=True, capture_output=True, timeout=60)
        except BaseException:
            self.down()
            raise

    def down(self):
        for each in self.starts:
            each.down()

    def reload_shards(self, over):
        self.proxy.settings = merged(self.proxy.settings, {"clusters": {"reb": {"shards": over}}})
        self.write_config()
        admin(self.proxy, "RELOAD")

    def write_config(self):
        self.proxy.config.write_text(toml_of(self.proxy.settings) + "\n")

    def fill(self, users=2000):
        with self.proxy.connect() as db:
            db.execute("INSERT INTO countries VALUES ('de', 'Germany'), ('fr', 'France')")
            for first in range(0, users, 500):
                rows = range(first, min(first + 500, users))
                db.execute("INSERT INTO users (id, name, long) VALUES " + ", ".join(
                    f"({n}, 'user {n}', repeat('{n}-', {5000 if n % 50 == 0 else 3}))" for n in rows))
                db.execute("INSERT INTO orders (id, user_id, amount, note) VALUES " + ", ".join(
                    f"({n * 10 + k}, {n}, {n % 90}.5, 'n')" for n in rows for k in range(2)))
                db.execute("INSERT INTO events (user_id, what, at, data) VALUES " + ", ".join(
                    f"({n}, 'signed in', '2026-01-01 00:00:00+00', '{{\"n\": {n}}}')" for n in rows))

    def fill_by_copy(self, users):
        """Four rows a user: three tables, one with values out of line, one without a primary key."""
        with self.proxy.connect() as db:
            with db.cursor().copy("COPY users (id, name, long) FROM STDIN") as copy:
                for n in range(users):
                    copy.write_row((n, f"user {n}", "".join(hashlib.sha512(b"%d %d" % (n, k)).hexdigest() for k in range(24))
                                    if n % 50 == 0 else str(n)))
            with db.cursor().copy("COPY orders (id, user_id, amount, note) FROM STDIN") as copy:
                for n in range(users):
                    for k in range(2):
                        copy.write_row((n * 10 + k, n, n % 90, "n"))
            with db.cursor().copy("COPY events (user_id, what, data) FROM STDIN") as copy:
                for n in range(users):
                    copy.write_row((n, "signed in", '{"n": 1}'))

    def wait(self, limit=120):
        """The last rows of SHOW REBALANCE, when it is over."""
        def over():
            rows = admin(self.proxy, "SHOW REBALANCE")
            state = rows[0]["phase"]
            if not self.phases or self.phases[-1][1] != state:
                self.phases.append((time.monotonic(), state))
            assert not state.startswith("stopped"), rows
            return rows if state in ("done", "cancelled", "undone") else None
        rows = until(over, limit, 0.05)
        assert rows, "\n".join(map(str, admin(self.proxy, "SHOW REBALANCE"))) + "\n" + self.proxy.log_tail()
        return rows

    def wait_for(self, *phases, limit=60):
        assert until(lambda: admin(self.proxy, "SHOW REBALANCE")[0]["phase"] in phases, limit, 0.01), (
            admin(self.proxy, "SHOW REBALANCE"), self.proxy.log_tail())

    def owner(self, key):
        return admin(self.proxy, f"SHOW KEY reb users {key}")[0]["shard"]

    def where(self, table, key="user_id"):
        """Key -> shards on which its rows are."""
        found = collections.defaultdict(set)
        for name, node in self.nodes.items():
            if node.rows("SELECT to_regclass(%s) IS NOT NULL", [f"public.{table}"])[0][0]:
                for (value,) in node.rows(f"SELECT DISTINCT {key} FROM {table}"):
                    found[value].add(name)
        return found

    def check_places(self):
        """Every row is on the shard that owns its key, and nowhere else."""
        owners = {}
        points = [(int(each["position"]), each["shard"]) for each in admin(self.proxy, "SHOW RING reb FULL")]
        places = [at for at, _ in points]
        for table, key in (("users", "id"), ("orders", "user_id"), ("events", "user_id")):
            for value, shards in self.where(table, key).items():
                if value not in owners:
                    at = int.from_bytes(hashlib.md5(str(value).encode()).digest()[:8], "big")
                    owners[value] = points[bisect.bisect_left(places, at) % len(points)][1]
                assert shards == {owners[value]}, (table, value, shards, owners[value])
        return owners

    def traces(self):
        """What a rebalance has left on the servers."""
        out = []
        for name, node in self.nodes.items():
            out += [(name, "slot", each) for each in node.rows("SELECT slot_name FROM pg_replication_slots")]
            out += [(name, "publication", each) for each in node.rows("SELECT pubname FROM pg_publication")]
            out += [(name, "identity", each) for each in node.rows(
                "SELECT relname FROM pg_class WHERE relreplident = 'f' AND relnamespace = 'public'::regnamespace")]
            if node.rows("SELECT to_regclass('ringway.moves') IS NOT NULL")[0][0]:
                out += [(name, "move", each) for each in node.rows("SELECT id FROM ringway.moves")]
        return out


@pytest.fixture
def shop(workspace, ringway, request):
    made = Shop(workspace / request.node.name.replace("[", "-").replace("]", "").replace(" ", "-"), ringway,
                **getattr(request, "param", {}))
    yield made
    made.proxy.stop() if made.proxy.process else None
    made.down()


class Load(threading.Thread):
    """One client that writes and remembers what it was told is good: key -> (name, {order id: amount}, events)."""

    def __init__(self, shop, first, count=200):
        super().__init__(daemon=True)
        self.shop, self.first, self.count = shop, first, count
        self.ledger, self.done, self.statements = {}, False, 0
        self.longest, self.longest_at, self.longest_kind = 0.0, 0.0, ""
        self.problem = None
        self.random = random.Random(first)

    def run(self):
        try:
            with self.shop.proxy.connect() as db:
                while not self.done:
                    began = time.monotonic()
                    kind = self.step(db)
                    took = time.monotonic() - began
                    if took > self.longest:
                        self.longest, self.longest_at, self.longest_kind = took, began, kind
                    self.statements += 1
        except Exception as problem:  # told by finish()
            self.problem = problem

    def step(self, db):
        """Returns which kind of step it was."""
        key = self.first + self.random.randrange(self.count)
        other = self.first + self.random.randrange(self.count)
        known = self.ledger.get(key)
        kind = self.random.randrange(9)
        if known is None:
            long = "".join(hashlib.sha512(self.random.randbytes(8)).hexdigest() for _ in range(24))  # out of line
            db.execute("INSERT INTO users (id, name, long) VALUES (%s, %s, %s)", [key, f"new {key}", long])
            self.ledger[key] = [f"new {key}", {}, 0, hashlib.md5(long.encode()).hexdigest()]
        elif kind == 0:
            name = f"name {self.random.random()}"
            db.execute("UPDATE users SET name = %s WHERE id = %s", [name, key])
            known[0] = name
        elif kind in (1, 2):
            amount = self.random.randrange(100)
            number = db.execute("INSERT INTO orders (user_id, amount, note) VALUES (%s, %s, 'n') RETURNING id",
                                [key, amount]).fetchone()[0]
            assert number not in known[1]
            known[1][number] = amount
        elif kind == 3 and known[1]:
            number = self.random.choice(list(known[1]))
            db.execute("UPDATE orders SET amount = amount + 1 WHERE user_id = %s AND id = %s", [key, number])
            known[1][number] += 1
        elif kind == 4 and known[1]:
            number = self.random.choice(list(known[1]))
            assert db.execute("DELETE FROM orders WHERE user_id = %s AND id = %s", [key, number]).rowcount == 1
            del known[1][number]
        elif kind == 5:
            db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'x')", [key])
            known[2] += 1
        elif kind == 6 and other in self.ledger and other != key:  # on two shards, most often
            with db.transaction():
                db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'x')", [key])
                db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'x')", [other])
            known[2] += 1
            self.ledger[other][2] += 1
        elif kind == 7 and other in self.ledger and other != key:  # to another shard, most often
            assert db.execute("UPDATE events SET user_id = %s WHERE user_id = %s", [other, key]).rowcount == known[2]
            self.ledger[other][2] += known[2]
            known[2] = 0
        else:
            assert db.execute("SELECT name FROM users WHERE id = %s", [key]).fetchone() == (known[0],)
        return "insert" if known is None else kind

    def finish(self):
        self.done = True
        self.join(30)
        assert not self.is_alive()
        if self.problem:
            raise self.problem

    def check(self, db):
        found = {key: rest for key, *rest in db.execute("SELECT id, name, md5(long) FROM users WHERE id >= %s AND id < %s",
                                                        [self.first, self.first + self.count]).fetchall()}
        assert found == {key: [each[0], each[3]] for key, each in self.ledger.items()}
        orders = collections.defaultdict(dict)
        for key, number, amount in db.execute(
                "SELECT user_id, id, amount FROM orders WHERE user_id >= %s AND user_id < %s",
                [self.first, self.first + self.count]).fetchall():
            assert number not in orders[key]
            orders[key][number] = int(amount)
        assert {key: each for key, each in orders.items() if each} == {
            key: each[1] for key, each in self.ledger.items() if each[1]}
        events = dict(db.execute("SELECT user_id, count(*) FROM events WHERE user_id >= %s AND user_id < %s GROUP BY 1",
                                 [self.first, self.first + self.count]).fetchall())
        assert events == {key: each[2] for key, each in self.ledger.items() if each[2]}


def count(proxy, table="orders"):
    with proxy.connect() as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_fourth_shard_takes_its_part_and_statements_follow_the_active_ring(shop):
    shop.fill()
    before = {key: shop.owner(key) for key in range(0, 300)}
    shop.reload_shards(shop.fourth)
    assert {key: shop.owner(key) for key in before} == before  # the file says where to, not where
    ring = {each["shard"]: each for each in admin(shop.proxy, "SHOW RING reb")}
    assert ring["s3"]["share"] == 0 and ring["s3"]["configured_share"] > 0.15 and not ring["s3"]["joined"]
    planned = admin(shop.proxy, "REBALANCE reb DRY RUN")
    assert {each["source"] for each in planned} == {"s0", "s1", "s2"} and {each["target"] for each in planned} == {"s3"}
    assert {"public.users", "public.orders", "public.events", "public.countries"} == {each["table"] for each in planned}
    assert shop.traces() == []
    admin(shop.proxy, "REBALANCE reb")
    rows = shop.wait()
    assert {each["target"] for each in rows} == {"s3"}
    assert rows[0]["pause_ms"] is not None and sum(each["rows_copied"] for each in rows) > 0
    owners = shop.check_places()
    assert collections.Counter(owners.values())["s3"] > 300
    for key, shard in before.items():  # a key whose owner does not change is never moved
        assert owners[key] in (shard, "s3")
    assert shop.traces() == []
    assert count(shop.proxy) == 4000 and count(shop.proxy, "users") == 2000 and count(shop.proxy, "events") == 2000
    assert shop.nodes["s3"].rows("SELECT count(*) FROM countries")[0][0] == 2
    with shop.proxy.connect() as db:  # reference tables, functions, triggers, sequences and grants are there too
        db.execute("INSERT INTO countries VALUES ('es', 'Spain')")
        moved = next(key for key, shard in owners.items() if shard == "s3")
        db.execute("UPDATE orders SET amount = 5000 WHERE user_id = %s", [moved])
        assert {note for (note,) in db.execute("SELECT note FROM orders WHERE user_id = %s", [moved])} == {"n+"}
        db.execute("INSERT INTO orders (user_id, amount) VALUES (%s, 1)", [moved])
    assert shop.nodes["s3"].rows("SELECT count(*) FROM countries")[0][0] == 3
    assert admin(shop.proxy, "SHOW RING reb")[3]["joined"]


@pytest.mark.parametrize("shop", [{"over": {"clusters": {"reb": {"cutover_timeout": "200ms" if ROWS > 1_000_000 else "1s"}}}}],
                         indirect=True, ids=["ledgers"])
def test_under_load_no_row_is_lost_or_doubled_and_no_client_hears_of_it(shop):
    """Ledgers of what clients were told; RINGWAY_MOVE_ROWS=5000000 for the real thing."""
    users = ROWS // 4
    shop.fill_by_copy(users)
    loads = [Load(shop, 100_000_000 * n) for n in range(1, 4)]
    for each in loads:
        each.start()
    counts, stop = [], threading.Event()

    def look():
        with shop.proxy.connect() as db:
            while not stop.is_set():
                counts.append(db.execute("SELECT count(*), sum(amount) FROM orders WHERE user_id < 100000000").fetchone())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    time.sleep(1)
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    rows = shop.wait(120 + ROWS // 2000)
    time.sleep(1)
    stop.set()
    looking.join(60)
    for each in loads:
        each.finish()
    assert set(counts) == {counts[0]} and counts[0][0] == 2 * users and len(counts) > 5
    with shop.proxy.connect() as db:
        for each in loads:
            assert each.statements > 20
            each.check(db)
        assert db.execute("SELECT count(*), sum(length(long)) FROM users WHERE id < 100000000").fetchone()[0] == users
        assert db.execute("SELECT count(*), count(DISTINCT user_id) FROM events WHERE user_id < 100000000").fetchone() == (users, users)
    shop.check_places()
    assert shop.traces() == []
    assert rows[0]["pause_ms"] >= 0
    slowest = max(loads, key=lambda each: each.longest)
    phase = next((name for at, name in reversed(shop.phases) if at <= slowest.longest_at), "no phase yet")
    held = max(map(float, re.findall(r"waited for ([0-9.]+) ms", shop.proxy.log.read_text())))
    print(f"{ROWS} rows: pause {rows[0]['pause_ms']:.1f} ms after {rows[0]['cutovers']} cutovers, none longer than {held} ms, {rows[0]['seconds']:.1f} s in all,"
          f" {sum(each.statements for each in loads)} statements, the longest {slowest.longest * 1000:.0f} ms"
          f" (kind {slowest.longest_kind}, {phase})")


def test_a_shard_leaves_and_can_be_taken_out_of_the_file(shop):
    shop.fill(600)
    load = Load(shop, 100_000)
    load.start()
    without = merged(shop.proxy.settings, {"clusters": {"reb": {"shards": {"s2": None}}}})
    before, shop.proxy.settings = shop.proxy.settings, without
    shop.write_config()
    with pytest.raises(psycopg.Error, match="s2 of cluster \"reb\" is not in the configuration and still owns rows"):
        admin(shop.proxy, "RELOAD")
    shop.proxy.settings = before
    shop.reload_shards({"s2": {"weight": 0}})
    admin(shop.proxy, "REBALANCE reb")
    rows = shop.wait()
    assert {(each["source"], each["target"]) for each in rows} == {("s2", "s0"), ("s2", "s1")}
    time.sleep(0.5)
    load.finish()
    owners = shop.check_places()
    assert set(owners.values()) == {"s0", "s1"}
    assert shop.nodes["s2"].rows("SELECT count(*) FROM orders")[0][0] == 0
    assert shop.traces() == []
    with shop.proxy.connect() as db:
        load.check(db)
    shop.proxy.settings = without
    shop.write_config()
    admin(shop.proxy, "RELOAD")
    assert count(shop.proxy) == 1200 + sum(len(each[1]) for each in load.ledger.values())
    shop.nodes.pop("s2")
    shop.check_places()


class Wide(threading.Thread):
    """Statements over several shards, again and again: what they tell is what one server would, whatever moves."""

    def __init__(self, shop, users):
        super().__init__(daemon=True)
        self.shop, self.users, self.done, self.rounds, self.problem = shop, users, False, 0, None
        self.spare, self.orders = list(range(users, users + 20)), users * 2

    def run(self):
        try:
            with self.shop.proxy.connect() as db:
                while not self.done:
                    self.step(db)
                    self.rounds += 1
        except BaseException as problem:  # told by finish()
            self.problem = problem

    def step(self, db):
        users = self.users
        assert db.execute("SELECT count(*) FROM orders WHERE user_id < 100000").fetchone() == (self.orders,)
        mark = f"round {self.rounds}"
        assert db.execute("UPDATE events SET what = %s WHERE user_id < 100000", [mark]).rowcount == users
        assert db.execute("SELECT what, count(*) FROM events WHERE user_id < 100000 GROUP BY 1").fetchall() == [(mark, users)]
        # Rows come and go by COPY, and by a DELETE of all shards' rows.
        with db.cursor().copy("COPY events (user_id, what) FROM STDIN") as copy:
            for key in range(0, users, 3):
                copy.write_row((key, "copied"))
        with db.cursor().copy("COPY events (what, user_id) TO STDOUT") as copy:
            rows = [row for row in copy.rows() if row[0] in ("copied", mark)]
        assert len([1 for row in rows if row[0] == "copied"]) == len(range(0, users, 3))
        assert collections.Counter(int(row[1]) for row in rows if row[0] == mark) == {key: 1 for key in range(users)}
        gone = db.execute("DELETE FROM events WHERE what = 'copied' AND user_id < 100000 RETURNING user_id").fetchall()
        assert sorted(key for (key,) in gone) == list(range(0, users, 3))
        # Rows made of those of all shards, for the same keys and for others.
        for key in ("user_id", f"{users} - 1 - user_id"):
            assert db.execute(f"INSERT INTO events (user_id, what) SELECT {key}, 'made' FROM events WHERE user_id < 100000").rowcount == users
            gone = db.execute("DELETE FROM events WHERE what = 'made' AND user_id < 100000 RETURNING user_id").fetchall()
            assert len(gone) == len(set(gone)) == users
        # Rows changed by others of the same key.
        assert db.execute("UPDATE events e SET data = NULL FROM events f WHERE f.user_id = e.user_id AND e.user_id < 100000").rowcount == users
        assert db.execute("DELETE FROM events WHERE user_id NOT IN (SELECT f.user_id FROM events f WHERE f.user_id = events.user_id)").rowcount == 0
        # Rows that are locked come once, in their order, and stay as they are until they are changed.
        with db.transaction():
            locked = db.execute("SELECT user_id, what FROM events WHERE user_id < 100000 ORDER BY user_id DESC FOR UPDATE").fetchall()
            assert locked == [(key, mark) for key in reversed(range(users))]
            locked = db.execute("SELECT e.user_id FROM events e JOIN orders o ON o.user_id = e.user_id WHERE e.user_id < 100000 FOR UPDATE OF e FOR SHARE OF o").fetchall()
            assert collections.Counter(key for (key,) in locked) == {key: 2 for key in range(users)}
            assert db.execute("UPDATE events SET data = NULL WHERE user_id = ANY (%s)", [[0, users // 2, users - 1]]).rowcount == 3
        # Keys that change, each time to another one.
        old, new = random.randrange(users), self.spare.pop(0)
        assert db.execute("UPDATE events SET user_id = %s WHERE user_id = %s", [new, old]).rowcount == 1
        assert db.execute("SELECT what FROM events WHERE user_id = %s", [new]).fetchall() == [(mark,)]
        with db.transaction():
            with db.transaction():  # a savepoint
                assert db.execute("UPDATE events SET user_id = %s WHERE user_id IN (%s, %s)", [old, new, new]).rowcount == 1
        self.spare.append(new)
        assert db.execute("SELECT count(*), count(DISTINCT user_id) FROM events WHERE user_id < 100000").fetchone() == (users, users)

    def finish(self):
        self.done = True
        self.join(60)
        assert not self.is_alive()
        if self.problem:
            raise self.problem


def test_weights_are_changed_between_shards_that_all_have_rows(shop):
    """Rows stand on two shards that both serve: statements over several count, write and copy none of them twice."""
    shop.fill(900)
    load, wide = Load(shop, 100_000), Wide(shop, 900)
    load.start()
    wide.start()
    time.sleep(0.5)
    shop.reload_shards({"s0": {"weight": 3}})
    admin(shop.proxy, "REBALANCE reb")
    shop.wait()
    time.sleep(0.5)
    load.finish()
    wide.finish()
    assert wide.rounds > 2
    with shop.proxy.connect() as db:
        load.check(db)
    shop.check_places()
    assert shop.traces() == []


def test_one_key_moves_to_a_shard_of_its_own(shop):
    shop.fill(100)
    shop.reload_shards({"s3": shop.fourth["s3"] | {"weight": 0}})
    admin(shop.proxy, "MOVE reb KEY orders 42 TO s3")
    shop.wait()
    owners = shop.check_places()
    assert [key for key, shard in owners.items() if shard == "s3"] == [42]
    assert shop.nodes["s3"].rows("SELECT count(*) FROM orders")[0][0] == 2
    assert count(shop.proxy) == 200
    admin(shop.proxy, "REBALANCE reb")  # the exception stays
    assert shop.owner(42) == "s3"


def test_a_rebalance_of_nothing_changes_nothing(shop):  # M6
    shop.fill(100)
    before = {name: node.rows("SELECT count(*) FROM orders") for name, node in shop.nodes.items() if name != "s3"}
    admin(shop.proxy, "REBALANCE reb")
    owner = shop.owner(42)
    admin(shop.proxy, f"MOVE reb KEY orders 42 TO {owner}")
    assert {name: node.rows("SELECT count(*) FROM orders") for name, node in shop.nodes.items() if name != "s3"} == before
    assert shop.traces() == []
    assert count(shop.proxy) == 200
    shop.check_places()


def test_cancel_leaves_no_trace(shop):
    shop.fill(500)
    holder = shop.proxy.connect(autocommit=False)
    key = 42
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    shop.wait_for("catching up", "verifying", "cutting over", "copying")
    admin(shop.proxy, "CANCEL REBALANCE reb")
    assert shop.wait()[0]["phase"] == "cancelled"
    assert shop.traces() == []
    assert shop.nodes["s3"].rows("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")[0][0] == 0
    assert shop.nodes["s3"].rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'ringway'")[0][0] == 0
    assert shop.nodes["s3"].rows("SELECT count(*) FROM pg_roles WHERE rolname = 'app'")[0][0] == 0
    with pytest.raises(psycopg.Error, match="nothing to cancel"):
        admin(shop.proxy, "CANCEL REBALANCE reb")
    assert count(shop.proxy) == 1000
    holder.execute("UPDATE orders SET amount = 1 WHERE user_id = %s", [key])
    holder.commit()
    holder.close()
    admin(shop.proxy, "REBALANCE reb")
    assert shop.wait()[0]["phase"] == "done"
    shop.check_places()


def settled(shop, loads):
    """After crashes: what each client was told is good is there; of a write whose answer was lost nothing is known."""
    with shop.proxy.connect() as db:
        for each in loads:
            found = dict(db.execute("SELECT user_id, count(*) FROM events WHERE what = %s GROUP BY 1", [each.mark]).fetchall())
            for key, times in each.told.items():
                assert times <= found.get(key, 0) <= times + each.unsure.get(key, 0), (key, times, found.get(key))


class Appender(threading.Thread):
    """Writes events, also while servers and the proxy come and go."""

    def __init__(self, shop, mark, keys=300):
        super().__init__(daemon=True)
        self.shop, self.mark, self.keys = shop, mark, keys
        self.told, self.unsure, self.done = collections.Counter(), collections.Counter(), False

    def run(self):
        while not self.done:
            try:
                with self.shop.proxy.connect() as db:
                    while not self.done:
                        key = random.randrange(self.keys)
                        self.unsure[key] += 1
                        db.execute("INSERT INTO events (user_id, what) VALUES (%s, %s)", [key, self.mark])
                        self.unsure[key] -= 1
                        self.told[key] += 1
                        time.sleep(0.003)  # what piles up is copied and compared in every later step
            except psycopg.Error:
                time.sleep(0.05)

    def finish(self):
        self.done = True
        self.join(60)
        assert not self.is_alive()


@pytest.mark.parametrize("when", ["preparing", "copying", "catching up", "verifying", "cutting over", "switched", "cleaning"])
def test_kill_of_the_proxy_in_each_phase_loses_nothing(shop, when):
    shop.fill(400)
    writers = [Appender(shop, f"w{n}") for n in range(2)]
    for each in writers:
        each.start()
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    journal = shop.proxy.directory / "state" / "rebalances" / "reb"
    wanted = f"\nphase {when}\n"

    def seen():
        try:
            return wanted in journal.read_text()
        except FileNotFoundError:
            return "gone"

    assert until(seen, 60, 0.0005)
    shop.proxy.kill()
    shop.proxy.start()
    assert until(lambda: admin(shop.proxy, "SHOW REBALANCE") or not journal.exists(), 20)
    if journal.exists():
        assert shop.wait()[0]["phase"] == "done"
    for each in writers:
        each.finish()
    assert sum(sum(each.told.values()) for each in writers) > 20
    shop.check_places()
    assert shop.traces() == []
    assert set(shop.check_places().values()) == {"s0", "s1", "s2", "s3"}
    settled(shop, writers)
    assert count(shop.proxy) == 800


STEPS = ["save", "tell_change", "prepare", "copy", "discard", "catch_up", "verify", "own_state", "raise_fence", "drain",
         "last_catch_up", "carry_sequences", "write_ring", "tell_ring", "lower_fence", "share_state", "release",
         "wait_for_readers", "clean", "forget_change", "remove_journal"]


def test_a_stop_before_each_step_loses_nothing(shop, monkeypatch):  # M3
    """The proxy dies before each step once, under load; the next one goes on."""
    shop.fill(300)
    writer = Appender(shop, "w")
    writer.start()
    journal = shop.proxy.directory / "state" / "rebalances" / "reb"
    shop.reload_shards(shop.fourth)
    for number, step in enumerate(STEPS):
        over = {"s3": shop.fourth["s3"] | {"weight": 1 + number % 2}}
        shop.proxy.settings = merged(shop.proxy.settings, {"clusters": {"reb": {"shards": over}}})
        shop.proxy.stop()
        monkeypatch.setenv("RINGWAY_DIE_BEFORE", step if step != "discard" else "copy")
        shop.proxy.start()
        with contextlib.suppress(psycopg.OperationalError):  # it may die before it has answered
            admin(shop.proxy, "REBALANCE reb")
        assert shop.proxy.process.wait(60) == -9, step
        shop.proxy.process = None
        if step == "discard":  # what undoes half a copy dies too
            monkeypatch.setenv("RINGWAY_DIE_BEFORE", step)
            shop.proxy.start(ready=False)
            assert shop.proxy.process.wait(60) == -9
            shop.proxy.process = None
        monkeypatch.delenv("RINGWAY_DIE_BEFORE")
        assert journal.exists() or step == "save", step
        shop.proxy.start()
        if journal.exists() and admin(shop.proxy, "SHOW REBALANCE"):
            assert shop.wait()[0]["phase"] == "done", step
        assert until(lambda: not journal.exists(), 60), step
        assert count(shop.proxy) == 600, step
        owners = shop.check_places()
        assert set(owners.values()) == {"s0", "s1", "s2", "s3"}, step
        assert shop.traces() == [], step
    writer.finish()
    assert sum(writer.told.values()) > 20
    settled(shop, [writer])


@pytest.mark.parametrize("victim", ["s1", "s3"])
def test_kill_of_a_source_or_the_target_loses_nothing(shop, victim):
    shop.fill(400)
    writers = [Appender(shop, f"w{n}") for n in range(2)]
    for each in writers:
        each.start()
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    shop.wait_for("copying", "catching up", "verifying", "cutting over", "cleaning", "done")
    node = shop.nodes[victim]
    node.kill()
    (shop.one if victim == "s3" else shop.three).ctl(node, "start")
    shop.wait()
    for each in writers:
        each.finish()
    shop.check_places()
    assert shop.traces() == []
    settled(shop, writers)
    assert count(shop.proxy) == 800


@pytest.mark.parametrize("victim", ["s1", "s3"])
def test_kill_of_a_server_while_it_verifies_is_got_over(shop, victim):  # M3
    """The streams end with the server, between the step that begins them and the one that needs them."""
    shop.fill()
    journal = shop.proxy.directory / "state" / "rebalances" / "reb"

    def reaches(*phases):
        """Or is past it: what follows holds then too."""
        def seen():
            with contextlib.suppress(FileNotFoundError):
                return any(f"\nphase {each}\n" in journal.read_text() for each in (*phases, "cutting over", "switched", "cleaning"))
        return until(seen, 60, 0.0005)

    shop.reload_shards(shop.fourth)
    with contextlib.suppress(psycopg.Error), shop.nodes["s0"].connect(user="postgres", autocommit=False) as past:
        past.execute("SELECT 1")
        admin(shop.proxy, "REBALANCE reb")
        assert reaches("catching up", "verifying")
        past.execute("SELECT txid_current()")  # the snapshot that rows are compared in waits for it
        assert reaches("verifying")
        node = shop.nodes[victim]
        node.kill()
        (shop.one if victim == "s3" else shop.three).ctl(node, "start")
    shop.wait()
    shop.check_places()
    assert shop.traces() == []
    assert count(shop.proxy) == 4000


def begin_held(shop):
    """Rows begin to move to a fourth shard, and the cutover waits for the transaction of this connection past the proxy."""
    shop.reload_shards(shop.fourth)
    past = shop.nodes["s0"].connect(user="postgres", autocommit=False)
    past.execute("SELECT 1")
    admin(shop.proxy, "REBALANCE reb")
    assert until(lambda: "process" in (admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""), 60)
    return past


def test_toast_keys_that_change_and_truncate_are_followed(shop):  # M1
    shop.fill(300)
    with shop.proxy.connect() as db:
        db.execute("UPDATE users SET long = repeat('long ', 20000) WHERE id < 40")
        past = begin_held(shop)
        db.execute("UPDATE users SET name = 'toast' WHERE id < 40")
        owners = {key: shop.owner(key) for key in range(300)}
        on_s0 = [key for key, shard in owners.items() if shard == "s0"]
        for key in range(1000, 1060):  # into an arc, out of one, and within: of one shard before the move
            if shop.owner(key) == "s0":
                old = on_s0.pop()
                with shop.nodes["s0"].connect() as direct:
                    direct.execute("UPDATE users SET id = %s WHERE id = %s", [key, old])
                    direct.execute("UPDATE orders SET user_id = %s WHERE user_id = %s", [key, old])
                    direct.execute("UPDATE events SET user_id = %s WHERE user_id = %s", [key, old])
        db.execute("UPDATE events SET data = NULL WHERE user_id < 50")
        db.execute("DELETE FROM events WHERE user_id < 20")
        sums = db.execute("SELECT count(*), sum(id), sum(length(long)), count(*) FILTER (WHERE name = 'toast') FROM users").fetchone()
        past.commit()
        past.close()
        shop.wait()
        assert db.execute("SELECT count(*), sum(id), sum(length(long)), count(*) FILTER (WHERE name = 'toast') FROM users").fetchone() == sums
        shop.check_places()
        assert db.execute("SELECT count(*) FROM events").fetchone()[0] == 280
    assert shop.traces() == []


BAG = {"more_sql": "CREATE TABLE marks (user_id int8, good bool, code char(5), note text);",
       "more_tables": {"marks": {"key": "user_id"}}}


@pytest.mark.parametrize("shop", [BAG], indirect=True, ids=["bag"])
def test_rows_that_nothing_tells_apart_are_followed(shop):  # M2
    """No primary key and no index: many changes of one transaction, rows that are equal, values of which a cast makes others."""
    shop.fill(60)
    with shop.proxy.connect() as db:
        for good, code, note in ((True, "ab", "it's \\ \"quoted\", {braces}"), (False, None, None), (None, "", "NULL")):
            db.execute("INSERT INTO marks VALUES " + ", ".join(["(%s, %s, %s, %s)"] * 180),
                       [value for key in range(60) for value in (key, good, code, note) * 3])
        past = begin_held(shop)
        assert db.execute("UPDATE marks SET note = note || '+' WHERE good").rowcount == 180
        assert db.execute("DELETE FROM marks WHERE good IS NULL AND user_id < 30").rowcount == 90
        for node in (shop.nodes[each] for each in ("s0", "s1", "s2")):  # one of three that are equal, and one that is put back
            node.rows("DELETE FROM marks WHERE ctid IN (SELECT DISTINCT ON (user_id) ctid FROM marks WHERE NOT good) RETURNING 1")
            node.rows("UPDATE marks SET code = 'x' WHERE user_id = 7 RETURNING 1")
            node.rows("UPDATE marks SET code = 'ab' WHERE user_id = 7 AND good RETURNING 1")
        query = "SELECT user_id, good, code, note, count(*) FROM marks GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        rows = db.execute(query).fetchall()
        assert sum(each[-1] for each in rows) == 540 - 90 - 60
        past.commit()
        past.close()
        shop.wait()
        assert db.execute(query).fetchall() == rows
    places = shop.where("marks")
    assert places.keys() == set(range(60)) and all(found == {shop.owner(key)} for key, found in places.items())
    assert any(found == {"s3"} for found in places.values())
    assert shop.traces() == []


def test_definitions_during_a_move_are_not_lost(shop):  # M1
    shop.fill(200)
    past = begin_held(shop)
    with shop.proxy.connect() as db:
        db.execute("CREATE TABLE later (id int PRIMARY KEY, note text)")
        db.execute("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'")
        db.execute("CREATE OR REPLACE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$ BEGIN NEW.note = NEW.note || '!'; RETURN NEW; END $$")
        db.execute("CREATE INDEX events_what ON events (what)")
        db.execute("ALTER TABLE orders ADD COLUMN colour text DEFAULT 'red'")
        db.execute("UPDATE orders SET colour = 'blue' WHERE user_id = 7")
        past.commit()
        past.close()
        shop.wait()
        s3 = shop.nodes["s3"]
        assert s3.rows("SELECT to_regclass('public.later') IS NOT NULL, twice(21), to_regclass('events_what') IS NOT NULL") == [(True, 42, True)]
        moved = next(key for key in range(200) if shop.owner(key) == "s3")
        assert s3.rows("SELECT DISTINCT colour FROM orders WHERE user_id = %s", [moved])[0][0] in ("red", "blue")
        db.execute("UPDATE orders SET colour = 'green' WHERE user_id = %s", [moved])
        assert {note[-1] for (note,) in db.execute("SELECT note FROM orders WHERE user_id = %s", [moved])} == {"!"}
        assert db.execute("SELECT count(*) FROM orders WHERE colour = 'blue'").fetchone()[0] >= (2 if moved != 7 else 0)
    shop.check_places()
    assert shop.traces() == []


def test_rights_that_change_during_a_move_are_carried(shop):  # M1
    shop.fill(50)
    for name in ("s0", "s1", "s2"):
        shop.nodes[name].rows("CREATE ROLE clerk")
    with shop.proxy.connect() as db:
        for each in ("GRANT SELECT, INSERT, DELETE ON users TO clerk", "GRANT SELECT ON orders TO PUBLIC",
                     "GRANT UPDATE (note) ON orders TO clerk", "GRANT SELECT (what) ON events TO clerk WITH GRANT OPTION"):
            db.execute(each)
        past = begin_held(shop)
        for each in ("REVOKE INSERT ON users FROM clerk", "REVOKE SELECT ON orders FROM PUBLIC", "GRANT SELECT ON orders TO clerk",
                     "REVOKE SELECT (what) ON events FROM clerk", "GRANT INSERT (what) ON events TO clerk"):
            db.execute(each)
        past.commit()
        past.close()
        shop.wait()
    shop.check_places()
    assert schema_of(shop.nodes["s3"]) == schema_of(shop.nodes["s0"])
    rights = ("SELECT has_table_privilege('clerk', 'users', 'INSERT'), has_table_privilege('clerk', 'users', 'DELETE'),"
              " has_table_privilege('clerk', 'orders', 'SELECT'), has_column_privilege('clerk', 'orders', 'note', 'UPDATE'),"
              " has_column_privilege('clerk', 'events', 'what', 'SELECT'), has_column_privilege('clerk', 'events', 'what', 'INSERT')")
    assert shop.nodes["s3"].rows(rights) == [(False, True, True, True, False, True)]
    for node in shop.nodes.values():
        node.rows("DROP OWNED BY clerk")
        node.rows("DROP ROLE clerk")


@pytest.mark.parametrize("shop", [{"more_tables": {"visits": {"key": "user_id"}}}], indirect=True, ids=["visits"])
def test_tables_that_are_made_during_a_move_move_too(shop):  # M1
    shop.fill(200)
    past = begin_held(shop)
    with shop.proxy.connect() as db:
        db.execute("CREATE TABLE visits (user_id int8, place text)")
        for key in range(200):
            db.execute("INSERT INTO visits VALUES (%s, 'here')", [key])
        db.execute("BEGIN")
        db.execute("DROP TABLE events")  # and again, just as it was
        db.execute("CREATE TABLE events (user_id int8, what text, at timestamptz DEFAULT now(), data jsonb)")
        db.execute("COMMIT")
        for key in range(200):
            db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'second')", [key])
        past.commit()
        past.close()
        shop.wait()
        assert db.execute("SELECT count(*), count(DISTINCT user_id) FROM visits").fetchone() == (200, 200)
        assert db.execute("SELECT count(*), count(DISTINCT user_id), min(what) FROM events").fetchone() == (200, 200, "second")
    owners = shop.check_places()
    assert {key: shards.pop() for key, shards in shop.where("visits").items()} == {key: owners[key] for key in range(200)}
    assert shop.traces() == []


def test_a_table_that_a_source_does_not_have_stops_it(shop):  # M7
    shop.fill(60)
    shop.nodes["s1"].rows("ALTER TABLE events RENAME TO elsewhere")
    shop.reload_shards(shop.fourth)
    try:
        admin(shop.proxy, "REBALANCE reb")
    except psycopg.Error as why:
        assert "events" in str(why)
    else:
        assert until(lambda: admin(shop.proxy, "SHOW REBALANCE")[0]["phase"].startswith("stopped"), 60), admin(shop.proxy, "SHOW REBALANCE")
        assert "events" in admin(shop.proxy, "SHOW REBALANCE")[0]["reason"]
        admin(shop.proxy, "CANCEL REBALANCE reb")
        assert shop.wait()[0]["phase"] == "cancelled"
    assert shop.traces() == []
    shop.nodes["s1"].rows("ALTER TABLE elsewhere RENAME TO events")
    admin(shop.proxy, "REBALANCE reb")
    assert shop.wait()[0]["phase"] == "done"
    shop.check_places()
    assert count(shop.proxy, "events") == 60


MANY = [f"t{n:03}" for n in range(300)]


@pytest.mark.parametrize("shop", [{
    "more_sql": "".join(f"CREATE TABLE {name} (k int8, v text);\n" for name in MANY)
                + "RESET ROLE; ALTER DATABASE reb SET idle_in_transaction_session_timeout = '1s';",
    "more_tables": {name: {"key": "k"} for name in MANY}}], indirect=True)
def test_many_tables_null_keys_sequences_and_short_timeouts(shop):  # M2
    shop.fill(100)
    with shop.proxy.connect() as db:
        for name in MANY:
            db.execute(f"INSERT INTO {name} VALUES " + ", ".join(f"({k}, '{name}')" for k in range(8)))
    for name in ("s0", "s1", "s2"):
        shop.nodes[name].rows("INSERT INTO events (user_id, what) VALUES (NULL, 'nobody')")  # stays where it is
        shop.nodes[name].rows("SELECT setval('orders_id_seq', 5000)")
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    shop.wait(240)
    nulls = {name: node.rows("SELECT count(*) FROM events WHERE user_id IS NULL")[0][0] for name, node in shop.nodes.items()}
    assert nulls == {"s0": 1, "s1": 1, "s2": 1, "s3": 0}
    for name in ("s0", "s1", "s2"):
        shop.nodes[name].rows("DELETE FROM events WHERE user_id IS NULL")
    owners = shop.check_places()
    found = sum(node.rows("SELECT " + " + ".join(f"(SELECT count(*) FROM {name})" for name in MANY))[0][0] for node in shop.nodes.values())
    assert found == 8 * len(MANY)
    moved = next(key for key, shard in owners.items() if shard == "s3")
    with shop.proxy.connect() as db:
        assert db.execute(f"SELECT count(*) FROM {MANY[7]} WHERE k < 100").fetchone() == (8,)
        assert db.execute("INSERT INTO orders (user_id, amount) VALUES (%s, 1) RETURNING id", [moved]).fetchone()[0] > 5000
    assert shop.traces() == []


FULL_SCHEMA = """
RESET ROLE;
CREATE ROLE poor LOGIN;
SET ROLE app;
CREATE TYPE pair AS (a int, "B b" text COLLATE "C");
CREATE TABLE odd (id int8 PRIMARY KEY, p pair, secret text, seen text, big text, n int GENERATED BY DEFAULT AS IDENTITY);
ALTER TABLE odd ALTER big SET STORAGE EXTERNAL, ALTER secret SET COMPRESSION pglz;
GRANT SELECT (id, seen), UPDATE (seen) ON odd TO poor;
COMMENT ON TABLE odd IS 'it''s odd'; COMMENT ON COLUMN odd.seen IS 'who has seen it'; COMMENT ON TYPE pair IS 'two';
CREATE FUNCTION hidden(int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT $1';
REVOKE ALL ON FUNCTION hidden(int) FROM PUBLIC; GRANT EXECUTE ON FUNCTION hidden(int) TO poor;
COMMENT ON FUNCTION hidden(int) IS 'not for all';
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO poor;
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SET ROLE app;
CREATE VIEW sv WITH (security_barrier = true) AS SELECT id, seen FROM odd WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW sv2 AS SELECT * FROM sv;
CREATE STATISTICS both_of_it ON seen, secret FROM odd;
COMMENT ON VIEW sv IS 'safe';
RESET ROLE;
"""


def schema_of(node):
    said = subprocess.run(["/usr/lib/postgresql/15/bin/pg_dump", "--schema-only", "-h", "127.0.0.1", "-p", str(node.port), "-U", "postgres", "-N", "ringway", node.database],
                          env=os.environ | {"PGPASSWORD": "postgres"}, check=True, capture_output=True, text=True, timeout=60).stdout
    return sorted(each for each in said.splitlines() if each and not each.startswith(("--", "\\")))


@pytest.mark.parametrize("shop", [{"more_sql": FULL_SCHEMA, "more_tables": {"odd": {"key": "id"}}}], indirect=True, ids=["all of it"])
def test_a_shard_that_joins_gets_all_of_the_schema(shop):
    """Rights and comments too: pg_dump says the same of both. Maintenance during the move runs where rows are served."""
    shop.fill(50)
    shop.reload_shards(shop.fourth)
    past = shop.nodes["s0"].connect(user="postgres", autocommit=False)
    past.execute("SELECT 1")
    admin(shop.proxy, "REBALANCE reb")
    assert until(lambda: f"process {past.info.backend_pid} " in (admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""), 60), (
        admin(shop.proxy, "SHOW REBALANCE"))
    for over in ({"tables": {"users": {"key": "name"}}}, {"rebalance": False}):
        kept = shop.proxy.settings
        shop.proxy.settings = merged(kept, {"clusters": {"reb": over}})
        shop.write_config()
        with pytest.raises(psycopg.Error, match="cannot change now"):
            admin(shop.proxy, "RELOAD")
        shop.proxy.settings = kept
        shop.write_config()
    maintenance = ["REINDEX TABLE users", "CLUSTER users USING users_pkey", "VACUUM FULL users", "CREATE INDEX CONCURRENTLY ON users (name)"]
    with shop.proxy.connect() as db:
        for each in maintenance:
            db.execute(each)
        db.execute("ALTER TABLE events ADD COLUMN more text")  # its copy begins anew
        for each in maintenance[:3]:
            db.execute(each)
    past.close()
    shop.wait()
    with shop.proxy.connect() as db:
        for table in ("users", "orders", "events"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] in (50, 100)
    shop.check_places()
    assert shop.traces() == []
    assert schema_of(shop.nodes["s3"]) == schema_of(shop.nodes["s0"])


@pytest.mark.parametrize("shop", [{"more_tables": {"tenant_*.*": {"schema": True}}}], indirect=True, ids=["schemas"])
def test_schemas_that_are_keys_are_refused(shop):
    shop.fill(20)
    with shop.proxy.connect() as db:
        db.execute("CREATE SCHEMA tenant_a")
        db.execute("CREATE TABLE tenant_a.notes (n int)")
    shop.reload_shards(shop.fourth)
    with pytest.raises(psycopg.Error, match=r"tables tenant_\*\.\*: schemas that are keys are not moved"):
        admin(shop.proxy, "REBALANCE reb")
    assert shop.traces() == []


def test_what_cannot_be_moved_is_refused_before_anything_is_changed(shop):  # M2
    shop.fill(50)
    with shop.proxy.connect() as db:
        db.execute("ALTER TABLE events SET UNLOGGED")
    assert until(lambda: knows_tables(shop.proxy, "reb"))
    shop.reload_shards(shop.fourth)
    with pytest.raises(psycopg.Error, match="unlogged") as told:
        admin(shop.proxy, "REBALANCE reb")
    assert "public.events" in str(told.value)
    assert shop.traces() == []
    with shop.proxy.connect() as db:
        db.execute("ALTER TABLE events SET LOGGED")
        db.execute("ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_touched")
        with pytest.raises(psycopg.Error, match="trigger orders_touched is enabled ALWAYS or REPLICA"):
            admin(shop.proxy, "REBALANCE reb")
        db.execute("ALTER TABLE orders ENABLE TRIGGER orders_touched")
        for type in ("regclass", "regtype[]", "pair"):
            db.execute("CREATE TYPE pair AS (a int, b regproc)")
            db.execute(f"ALTER TABLE events ADD COLUMN names {type}")
            with pytest.raises(psycopg.Error, match="column names of public.events is of type reg"):
                admin(shop.proxy, "REBALANCE reb")
            db.execute("ALTER TABLE events DROP COLUMN names")
            db.execute("DROP TYPE pair")
    shop.nodes["s3"].rows("CREATE TABLE users (id int)")
    with pytest.raises(psycopg.Error, match="table public.users differs"):
        admin(shop.proxy, "REBALANCE reb")
    shop.nodes["s3"].rows("DROP TABLE users")
    assert until(lambda: admin(shop.proxy, "REBALANCE reb DRY RUN"), 10)
    assert admin(shop.proxy, "SHOW REBALANCE") == []
