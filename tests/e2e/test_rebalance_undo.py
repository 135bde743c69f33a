"""UNDO REBALANCE: behind the cutover changes stream back, until somebody decides or undo_time ends."""

import contextlib
import time

import psycopg
import pytest
from conftest import admin, merged, until
from test_rebalance import Appender, Load, Shop, Wide, count, settled, shop  # noqa: F401 (a fixture)

UNDOABLE = {"over": {"clusters": {"reb": {"undo_time": "1h"}}}}
undoable = pytest.mark.parametrize("shop", [UNDOABLE], indirect=True, ids=["undoable"])


def moved_keys(shop, keys, to="s3"):
    return [key for key in keys if shop.owner(key) == to]


def begin(shop, shards=None):
    shop.reload_shards(shards or shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    shop.wait_for("undoable", limit=120)


@undoable
def test_undo_keeps_the_writes_made_since(shop):  # M5
    shop.fill(600)
    loads = [Load(shop, 100_000_000 * n) for n in (1, 2)]
    for each in loads:
        each.start()
    begin(shop)
    row = admin(shop.proxy, "SHOW REBALANCE")[0]
    assert 3000 < row["seconds_left"] <= 3600 and row["pause_ms"] is not None
    moved = moved_keys(shop, range(100, 600))
    assert len(moved) > 30
    with shop.proxy.connect() as db:
        written = {key: db.execute("INSERT INTO orders (user_id, amount, note) VALUES (%s, 77, 'behind') RETURNING id", [key]).fetchone()[0]
                   for key in moved[:20]}
        db.execute("UPDATE users SET long = repeat('behind ', 3000) WHERE id = %s", [moved[0]])
        db.execute("UPDATE users SET name = 'behind' WHERE id = %s", [moved[0]])  # what is out of line has not changed
        db.execute("DELETE FROM events WHERE user_id = %s", [moved[1]])
        db.execute("DELETE FROM users WHERE id = %s", [moved[2]])
        db.execute("INSERT INTO users (id, name) VALUES (%s, 'again')", [moved[2]])
        stays = next(key for key in range(100, 600) if key not in moved)
        assert db.execute("UPDATE events SET user_id = %s WHERE user_id = %s", [stays, moved[3]]).rowcount == 1
        assert db.execute("UPDATE events SET user_id = %s WHERE user_id = %s", [moved[4], moved[5]]).rowcount == 1
        db.execute("INSERT INTO countries VALUES ('it', 'Italy')")
        assert db.execute("SELECT count(*) FROM users WHERE id < 600").fetchone() == (600,)  # both shards have some of them
    statements = sum(each.statements for each in loads)
    assert until(lambda: sum(each.statements for each in loads) > statements + 100, 60)
    assert shop.nodes["s3"].rows("SELECT count(*) FROM pg_replication_slots")[0][0] == 3
    assert len(shop.traces()) > 0
    admin(shop.proxy, "UNDO REBALANCE reb")
    assert shop.wait()[0]["phase"] == "undone"
    time.sleep(0.5)
    for each in loads:
        each.finish()
    assert shop.traces() == []
    assert set(shop.check_places().values()) == {"s0", "s1", "s2"}
    with shop.proxy.connect() as db:
        for each in loads:
            each.check(db)
        for key, number in written.items():
            assert db.execute("SELECT amount, note FROM orders WHERE user_id = %s AND id = %s", [key, number]).fetchone() == (77, "behind")
        assert db.execute("SELECT name, length(long) FROM users WHERE id = %s", [moved[0]]).fetchone() == ("behind", 21000)
        assert db.execute("SELECT count(*) FROM events WHERE user_id = %s", [moved[1]]).fetchone() == (0,)
        assert db.execute("SELECT name FROM users WHERE id = %s", [moved[2]]).fetchone() == ("again",)
        assert db.execute("SELECT user_id, count(*) FROM events WHERE user_id = ANY(%s) GROUP BY 1 ORDER BY 1",
                          [[stays, *moved[3:6]]]).fetchall() == sorted([(stays, 2), (moved[4], 2)])
        for key in moved[:20]:  # sequences go on behind what the target has given
            assert db.execute("INSERT INTO orders (user_id, amount) VALUES (%s, 1) RETURNING id", [key]).fetchone()[0] > written[key]
        assert db.execute("SELECT count(*) FROM countries").fetchone() == (3,)
    s3 = shop.nodes["s3"]
    assert s3.rows("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")[0][0] == 0
    assert not admin(shop.proxy, "SHOW RING reb")[3]["joined"]
    with pytest.raises(psycopg.Error, match="is being, or has been, undone"):
        admin(shop.proxy, "UNDO REBALANCE reb")
    # And once more, for good.
    begin(shop)
    with pytest.raises(psycopg.Error, match="is under way") as told:
        admin(shop.proxy, "REBALANCE reb")
    assert "FINISH REBALANCE" in str(told.value.diag.message_hint)
    with pytest.raises(psycopg.Error, match="too late to cancel"):
        admin(shop.proxy, "CANCEL REBALANCE reb")
    admin(shop.proxy, "FINISH REBALANCE reb")
    assert shop.wait()[0]["phase"] == "done"
    with pytest.raises(psycopg.Error, match="cannot be undone"):
        admin(shop.proxy, "UNDO REBALANCE reb")
    assert shop.traces() == []
    assert "s3" in set(shop.check_places().values())
    assert s3.rows("SELECT count(*) FROM countries")[0][0] == 3


@undoable
def test_undo_between_shards_that_all_have_rows(shop):
    shop.fill(2000)  # a statement over all rows of a table without a primary key: what follows must keep up
    load, wide = Load(shop, 100_000), Wide(shop, 2000)
    load.start()
    wide.start()
    before = {key: shop.owner(key) for key in range(60)}
    begin(shop, {"s0": {"weight": 3}})
    rounds = wide.rounds
    assert until(lambda: wide.rounds > rounds + 2 or wide.problem, 60)
    admin(shop.proxy, "UNDO REBALANCE reb")
    assert shop.wait()[0]["phase"] == "undone"
    time.sleep(0.5)
    load.finish()
    wide.finish()
    with shop.proxy.connect() as db:
        load.check(db)
    assert {key: shop.owner(key) for key in before} == before
    shop.check_places()
    assert shop.traces() == []


@pytest.mark.parametrize("shop", [{"over": {"clusters": {"reb": {"undo_time": "1s"}}}}], indirect=True, ids=["one-second"])
def test_the_time_for_undo_ends(shop):
    shop.fill(100)
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")
    with pytest.raises(psycopg.Error, match="there is nothing to undo yet"):
        admin(shop.proxy, "UNDO REBALANCE reb")
    assert shop.wait()[0]["phase"] == "done"
    assert shop.traces() == []
    assert "s3" in set(shop.check_places().values())
    with pytest.raises(psycopg.Error, match="cannot be undone") as told:
        admin(shop.proxy, "UNDO REBALANCE reb")
    assert "its time is over" in str(told.value.diag.message_detail)


@undoable
@pytest.mark.parametrize("change, why", [
    ("ALTER TABLE orders ADD COLUMN colour text DEFAULT 'red'", "of table public.orders ha"),  # by the look at it, or by the stream
    ("CREATE UNIQUE INDEX ON users (name, id)", "the definition of table public.users has changed"),
    ("CREATE TABLE visits (user_id int8, place text)", "table public.visits is new"),
    ("DROP TABLE events", "table public.events is not "),
], ids=["column", "unique", "new", "dropped"])
def test_definitions_behind_the_cutover_end_undo_and_lose_nothing(shop, change, why):
    shop.fill(120)
    if "visits" in change:
        shop.proxy.settings = merged(shop.proxy.settings, {"clusters": {"reb": {"tables": {"visits": {"key": "user_id"}}}}})
    begin(shop)
    moved = moved_keys(shop, range(120))
    with shop.proxy.connect() as db:
        db.execute(change)
        db.execute("UPDATE orders SET amount = 99 WHERE user_id = %s", [moved[0]])
        if "visits" in change:
            db.execute("INSERT INTO visits VALUES (%s, 'here')", [moved[0]])
        with pytest.raises(psycopg.Error) as told:
            admin(shop.proxy, "UNDO REBALANCE reb")
        assert why in str(told.value) + str(told.value.diag.message_detail)
        assert shop.wait()[0]["phase"] == "done"  # a reason of its own may stand there until the catalogs are read again
        assert why in admin(shop.proxy, "SHOW REBALANCE")[0]["reason"]
        assert db.execute("SELECT amount FROM orders WHERE user_id = %s LIMIT 1", [moved[0]]).fetchone() == (99,)
        assert count(shop.proxy) == 240
        if "visits" in change:
            assert db.execute("SELECT * FROM visits").fetchall() == [(moved[0], "here")]
    assert shop.traces() == []
    if "DROP" not in change:
        shop.check_places()


@undoable
def test_truncate_and_other_definitions_do_not_stand_in_the_way(shop):
    shop.fill(120)
    begin(shop)
    moved = moved_keys(shop, range(120))
    with shop.proxy.connect() as db:
        db.execute("CREATE INDEX events_what ON events (what)")
        db.execute("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'")
        db.execute("TRUNCATE events")
        db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'after')", [moved[0]])
        past = shop.nodes["s3"].connect(user="postgres", autocommit=False)  # past the proxy: what it may write is not known
        past.execute("SELECT 1")
        admin(shop.proxy, "UNDO REBALANCE reb")
        assert until(lambda: "process" in (admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""), 60), admin(shop.proxy, "SHOW REBALANCE")
        holder = shop.proxy.connect(autocommit=False)
        holder.execute("UPDATE users SET name = 'held' WHERE id = %s", [moved[1]])
        past.commit()
        past.close()
        assert until(lambda: "still open" in (admin(shop.proxy, "SHOW REBALANCE")[0]["reason"] or ""), 60), admin(shop.proxy, "SHOW REBALANCE")
        holder.execute("UPDATE users SET name = 'held on' WHERE id = %s", [moved[1]])
        holder.commit()
        holder.close()
        assert shop.wait()[0]["phase"] == "undone"
        assert db.execute("SELECT user_id, what FROM events").fetchall() == [(moved[0], "after")]
        assert db.execute("SELECT name FROM users WHERE id = %s", [moved[1]]).fetchone() == ("held on",)
    assert set(shop.check_places().values()) == {"s0", "s1", "s2"}
    assert shop.traces() == []


STEPS = ["arming/arm", "cutting over/mark", "cutting over/write_ring", "switched/release", "undoable/save", "undoable/hold",
         "undoing/save", "undoing/catch_up", "undoing/verify", "switching back/save", "switching back/own_state",
         "switching back/raise_fence", "switching back/drain", "switching back/last_catch_up", "switching back/carry_sequences",
         "switching back/write_ring", "switched back/tell_ring", "switched back/lower_fence", "switched back/share_state",
         "switched back/save", "switched back/release", "cleaning back/save", "cleaning back/wait_for_readers",
         "cleaning back/clean", "cleaning back/forget_change", "cleaning back/remove_journal", "finishing/save",
         "finishing/release"]


@undoable
def test_a_stop_before_each_step_of_an_undo_loses_nothing(shop, monkeypatch):
    """The proxy dies before each step once, under load; the next one goes on."""
    shop.fill(200)
    writer = Appender(shop, "w", 200)
    writer.start()
    journal = shop.proxy.directory / "state" / "rebalances" / "reb"

    def die(told):
        with contextlib.suppress(psycopg.OperationalError):  # it may die before it has answered
            for each in told:
                admin(shop.proxy, each)
                if each.startswith("REBALANCE"):
                    assert until(lambda: shop.proxy.process.poll() is not None or (
                        not step.startswith("undoable/") and admin(shop.proxy, "SHOW REBALANCE")[0]["phase"] == "undoable"), 60)
        assert until(lambda: shop.proxy.process.poll() is not None, 90), (step, admin(shop.proxy, "SHOW REBALANCE"), shop.proxy.log_tail())
        assert shop.proxy.process.poll() == -9
        shop.proxy.process = None

    for number, step in enumerate(STEPS):
        over = {"s3": shop.fourth["s3"] | {"weight": 1 + number % 2}}
        shop.proxy.settings = merged(shop.proxy.settings, {"clusters": {"reb": {"shards": over}}})
        shop.proxy.stop()
        monkeypatch.setenv("RINGWAY_DIE_BEFORE", step)
        shop.proxy.start()
        last = "FINISH REBALANCE reb" if step.startswith("finishing") else "UNDO REBALANCE reb"
        die(["REBALANCE reb", last])
        monkeypatch.delenv("RINGWAY_DIE_BEFORE")
        assert journal.exists(), step
        text = journal.read_text()
        shop.proxy.start()
        if step in STEPS[:7]:  # the undo had not been written down
            shop.wait_for("undoable")
            admin(shop.proxy, "UNDO REBALANCE reb")
        if step == "finishing/save":
            shop.wait_for("undoable")
            admin(shop.proxy, last)
        assert until(lambda: not journal.exists(), 60), (step, text, admin(shop.proxy, "SHOW REBALANCE"), shop.proxy.log_tail())
        assert until(lambda: {each["phase"] for each in admin(shop.proxy, "SHOW REBALANCE")} <= {"undone", "done"}, 10), step
        assert count(shop.proxy) == 400, step
        owners = set(shop.check_places().values())
        assert owners == {"s0", "s1", "s2"} | ({"s3"} if step.startswith("finishing") else set()), step
        assert shop.traces() == [], step
    writer.finish()
    assert sum(writer.told.values()) > 20
    settled(shop, [writer])


@undoable
@pytest.mark.parametrize("victim", ["s1", "s3"])
def test_kill_of_a_server_while_it_is_undoable_loses_nothing(shop, victim):
    shop.fill(300)
    writers = [Appender(shop, f"w{n}") for n in range(2)]
    for each in writers:
        each.start()
    begin(shop)
    node = shop.nodes[victim]
    node.kill()
    (shop.one if victim == "s3" else shop.three).ctl(node, "start")
    told = sum(sum(each.told.values()) for each in writers)
    assert until(lambda: sum(sum(each.told.values()) for each in writers) > told + 50, 60)
    admin(shop.proxy, "UNDO REBALANCE reb")
    node.kill()
    (shop.one if victim == "s3" else shop.three).ctl(node, "start")
    assert shop.wait()[0]["phase"] == "undone"
    for each in writers:
        each.finish()
    assert set(shop.check_places().values()) == {"s0", "s1", "s2"}
    assert shop.traces() == []
    settled(shop, writers)
    assert count(shop.proxy) == 600
