"""The cutover of a REBALANCE: how long writes may wait for it, and what ends it without a new ring."""

import random
import threading
import time

import pytest
from conftest import admin, until
from test_rebalance import shop  # noqa: F401 (a fixture)

SEQUENCES = 1500
MANY_SEQUENCES = f"""RESET ROLE;
DO $$ BEGIN FOR i IN 1 .. {SEQUENCES} LOOP
  EXECUTE format('CREATE SEQUENCE many_%s', i); PERFORM setval(format('many_%s', i)::regclass, i);
END LOOP; END $$;
"""


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


def test_the_fence_goes_up_between_long_transactions(shop):  # M4
    """Writers whose transactions are longer than cutover_timeout, with short gaps: writes do not wait for nothing."""
    shop.fill(300)
    shop.reload_shards(shop.fourth)
    assert until(lambda: admin(shop.proxy, "SHOW RING reb")[3]["configured_share"] > 0)
    stop, written = threading.Event(), []

    def write():
        with shop.proxy.connect(autocommit=False) as db:
            while not stop.is_set():
                for key in range(0, 300, 10):  # some of them move
                    db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'y')", [key])
                time.sleep(1.3)
                db.commit()
                written.append(30)
                time.sleep(0.1)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    admin(shop.proxy, "REBALANCE reb")
    rows = shop.wait()
    stop.set()
    writer.join(30)
    assert rows[0]["phase"] == "done" and rows[0]["cutovers"] <= 2, rows  # by chance one of seven would find a gap
    with shop.proxy.connect() as db:
        assert db.execute("SELECT count(*) FROM events WHERE what = 'y'").fetchone()[0] == sum(written)
    shop.check_places()
    assert shop.traces() == []


@pytest.mark.parametrize("shop", [{"more_sql": MANY_SEQUENCES, "over": {"clusters": {"reb": {"cutover_timeout": "15ms"}}}}],
                         indirect=True, ids=["sequences"])
def test_a_cutover_that_comes_late_to_its_decision_is_given_up(shop):  # M4
    """The values of that many sequences, and the last changes before them, take longer than writes may wait."""
    shop.fill(100)
    shop.reload_shards(shop.fourth)
    admin(shop.proxy, "REBALANCE reb")

    def given_up():
        row = admin(shop.proxy, "SHOW REBALANCE")[0]
        return "given up after cutover_timeout: " in (row["reason"] or "") and row

    row = until(given_up, 120, 0.01)
    assert row, admin(shop.proxy, "SHOW REBALANCE")
    with shop.proxy.connect() as db:  # writes go on
        for key in range(100):
            db.execute("INSERT INTO events (user_id, what) VALUES (%s, 'y')", [key])
    shop.proxy.settings["clusters"]["reb"]["cutover_timeout"] = "10s"
    shop.write_config()
    admin(shop.proxy, "RELOAD")
    rows = shop.wait()
    assert rows[0]["phase"] == "done" and rows[0]["cutovers"] >= 2
    shop.check_places()
    assert shop.nodes["s3"].rows(f"SELECT last_value >= {SEQUENCES} FROM many_{SEQUENCES}") == [(True,)]
    with shop.proxy.connect() as db:
        assert db.execute("SELECT count(*), count(DISTINCT user_id) FROM events WHERE what = 'y'").fetchone() == (100, 100)
    assert shop.traces() == []
