"""REBALANCE: rows move to another ring while applications write. Each test has servers of its own."""

import collections
import random
import subprocess
import threading
import time

import psycopg
import pytest
from conftest import APP_SQL, BINARY, ClusterStart, admin, knows_tables, merged, toml_of, until

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
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note = NEW.note || '+'; RETURN NEW; END $$;
CREATE TRIGGER orders_touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touched();
CREATE VIEW rich AS SELECT * FROM orders WHERE amount > 1000;
"""


class Shop:
    """Three shards with the schema, a fourth server with nothing but an empty database, and a proxy before the three."""

    def __init__(self, base, ringway, over=None, fourth_sql="SELECT 1;", replicas=0):
        base.mkdir()
        base.chmod(0o755)
        (base / "more").mkdir()
        (base / "more").chmod(0o755)
        environment = {"PG_EXTRA": "autovacuum_naptime = 10s"}
        self.starts = [ClusterStart(base, "reb", 3, replicas, APP_SQL + SCHEMA, TABLES, environment),
                       ClusterStart(base / "more", "reb", 1, 0, fourth_sql, None, environment)]
        try:
            self.three, self.one = (each.wait() for each in self.starts)
            self.nodes = {shard: self.three.primary(shard) for shard in ("s0", "s1", "s2")}
            self.nodes["s3"] = self.one.primary("s0")
            self.fourth = {"s3": {"nodes": [self.nodes["s3"].address]}}
            settings = {"clusters": {"reb": {"cleanup_delay": "200ms", "rebalance": True}}}
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

    def wait(self, limit=120):
        """The last rows of SHOW REBALANCE, when it is over."""
        def over():
            rows = admin(self.proxy, "SHOW REBALANCE")
            state = rows[0]["phase"]
            assert not state.startswith("stopped"), rows
            return rows if state in ("done", "cancelled") else None
        rows = until(over, limit, 0.05)
        assert rows, (admin(self.proxy, "SHOW REBALANCE"), self.proxy.log_tail())
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
        for table, key in (("users", "id"), ("orders", "user_id"), ("events", "user_id")):
            for value, shards in self.where(table, key).items():
                if value not in owners:
                    owners[value] = self.owner(value)
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
        self.ledger, self.longest, self.done, self.statements = {}, 0.0, False, 0
        self.problem = None
        self.random = random.Random(first)

    def run(self):
        try:
            with self.shop.proxy.connect() as db:
                while not self.done:
                    began = time.monotonic()
                    self.step(db)
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.statements += 1
        except Exception as problem:  # told by finish()
            self.problem = problem

    def step(self, db):
        key = self.first + self.random.randrange(self.count)
        other = self.first + self.random.randrange(self.count)
        known = self.ledger.get(key)
        kind = self.random.randrange(8)
        if known is None:
            db.execute("INSERT INTO users (id, name, long) VALUES (%s, %s, repeat('x', 3000))", [key, f"new {key}"])
            self.ledger[key] = [f"new {key}", {}, 0]
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
        else:
            assert db.execute("SELECT name FROM users WHERE id = %s", [key]).fetchone() == (known[0],)

    def finish(self):
        self.done = True
        self.join(30)
        assert not self.is_alive()
        if self.problem:
            raise self.problem

    def check(self, db):
        names = dict(db.execute("SELECT id, name FROM users WHERE id >= %s AND id < %s",
                                [self.first, self.first + self.count]).fetchall())
        assert names == {key: each[0] for key, each in self.ledger.items()}
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


def test_under_load_no_row_is_lost_or_doubled_and_no_client_hears_of_it(shop):
    shop.fill(1000)
    loads = [Load(shop, 100_000 * n) for n in range(1, 4)]
    for each in loads:
        each.start()
    counts, stop = [], threading.Event()

    def look():
        with shop.proxy.connect() as db:
            while not stop.is_set():
                counts.append(db.execute("SELECT count(*), sum(amount) FROM orders WHERE user_id < 50000").fetchone())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    time.sleep(1)
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    rows = shop.wait()
    time.sleep(1)
    stop.set()
    looking.join(30)
    for each in loads:
        each.finish()
    assert set(counts) == {counts[0]} and counts[0][0] == 2000 and len(counts) > 5
    with shop.proxy.connect() as db:
        for each in loads:
            assert each.statements > 20
            each.check(db)
    shop.check_places()
    assert shop.traces() == []
    assert rows[0]["pause_ms"] >= 0


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


def test_weights_are_changed_between_shards_that_all_have_rows(shop):
    """Rows stand on two shards that both serve: reads over several count none of them twice; writes over several wait."""
    shop.fill(900)
    load = Load(shop, 100_000)
    load.start()
    shop.reload_shards({"s0": {"weight": 3}})
    admin(shop.proxy, "REBALANCE reb")
    seen, refused = [], 0
    with shop.proxy.connect() as db:
        while admin(shop.proxy, "SHOW REBALANCE")[0]["phase"] != "done":
            seen.append(db.execute("SELECT count(*), sum(amount) FROM orders WHERE user_id < 900").fetchone())
            try:
                assert db.execute("UPDATE events SET what = 'seen' WHERE user_id < 900").rowcount == 900
            except psycopg.errors.FeatureNotSupported:
                refused += 1
            time.sleep(0.05)
            assert not admin(shop.proxy, "SHOW REBALANCE")[0]["phase"].startswith("stopped")
    shop.wait()
    load.finish()
    with shop.proxy.connect() as db:
        seen.append(db.execute("SELECT count(*), sum(amount) FROM orders WHERE user_id < 900").fetchone())
        assert db.execute("UPDATE events SET what = 'seen' WHERE user_id < 900").rowcount == 900
        load.check(db)
    assert set(seen) == {seen[0]} and len(seen) > 2 and refused


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


def test_a_cutover_that_cannot_drain_is_given_up_and_tried_again(shop):  # M4
    shop.fill(300)
    shop.reload_shards(shop.fourth)
    past = shop.nodes["s0"].connect(user="postgres", autocommit=False)  # past the proxy: what it may write is not known
    past.execute("SELECT 1")
    admin(shop.proxy, "REBALANCE reb")
    stop, waits = threading.Event(), []

    def write():
        with shop.proxy.connect() as db:
            while not stop.is_set():
                began = time.monotonic()
                db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'y')", [random.randrange(300)])
                waits.append(time.monotonic() - began)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()

    def reason():
        return admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""

    assert until(lambda: f"process {past.info.backend_pid} " in reason(), 60), admin(shop.proxy, "SHOW REBALANCE")
    planned = list(range(300))
    holder = shop.proxy.connect(autocommit=False)
    for key in planned[::10]:  # some of them move
        holder.execute("UPDATE users SET name = 'held' WHERE id = %s", [key])
    past.commit()
    past.close()
    assert until(lambda: "still open" in reason(), 60), admin(shop.proxy, "SHOW REBALANCE")
    assert admin(shop.proxy, "SHOW REBALANCE")[0]["cutovers"] >= 2
    holder.execute("UPDATE users SET name = 'held' WHERE id = 7")  # who is inside goes on
    holder.commit()
    holder.close()
    shop.wait()
    stop.set()
    writer.join(30)
    assert len(waits) > 20
    with shop.proxy.connect() as db:
        assert db.execute("SELECT count(*) FROM users WHERE name = 'held'").fetchone()[0] == len({*planned[::10], 7})
        assert db.execute("SELECT count(*) FROM events WHERE what = 'y'").fetchone()[0] == len(waits)
    shop.check_places()
    assert shop.traces() == []


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


def test_toast_keys_that_change_and_truncate_are_followed(shop):  # M1
    shop.fill(300)
    with shop.proxy.connect() as db:
        db.execute("UPDATE users SET long = repeat('long ', 20000) WHERE id < 40")
        shop.reload_shards(shop.fourth)
        past = shop.nodes["s0"].connect(user="postgres", autocommit=False)  # holds the cutover
        past.execute("SELECT 1")
        admin(shop.proxy, "REBALANCE reb")
        assert until(lambda: "process" in (admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""), 60)
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
    shop.nodes["s3"].rows("CREATE TABLE users (id int)")
    with pytest.raises(psycopg.Error, match="table public.users differs"):
        admin(shop.proxy, "REBALANCE reb")
    shop.nodes["s3"].rows("DROP TABLE users")
    assert until(lambda: admin(shop.proxy, "REBALANCE reb DRY RUN"), 10)
    assert admin(shop.proxy, "SHOW REBALANCE") == []
