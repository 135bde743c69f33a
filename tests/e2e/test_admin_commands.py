"""Every command of the admin port (docs/admin.md), asked three ways: by psql's simple protocol, by prepared statements of the
extended protocol, and by `ringway admin`; what a SHOW tells is compared with what is so."""

import hashlib
import json
import os
import re
import socket
import subprocess
import tomllib

import psycopg
import pytest
from psycopg.rows import dict_row

from conftest import BINARY, ROOT, admin, knows_tables, until

SHOWS = {
    "CLIENTS": "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us"
               " close_needed ptr link remote_pid tls application_name prepared_statements id worker pins",
    "SERVERS": "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us"
               " close_needed ptr link remote_pid tls application_name prepared_statements id worker shard server_database"
               " client_id statement_bytes",
    "POOLS": "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel"
             " sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode shard node server_database"
             " pool_size paused",
    "PINS": "client_id user cluster address server reason",
    "TRANSACTIONS": "client_id user cluster address application_name state server request_time since_request_ms",
    "STATS": "database total_xact_count total_query_count total_received total_sent total_xact_time total_query_time"
             " total_wait_time total_reads_on_replica total_reads_on_primary total_writes total_retries total_refusals"
             " avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time",
    "STATS_TOTALS": "database total_xact_count total_query_count total_received total_sent total_xact_time"
                    " total_query_time total_wait_time total_reads_on_replica total_reads_on_primary total_writes"
                    " total_retries total_refusals",
    "STATS_AVERAGES": "database avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time"
                      " avg_wait_time",
    "LISTS": "list items",
    "LAG": "cluster shard node role state lag_ms lag_bytes watermark_age_ms reason",
    "SHARDS": "cluster shard weight share primary replicas out_of_rotation reason rows bytes statements_per_second"
              " hottest_keys",
    "ADVICE": "cluster shard command reason",
    "BANS": "cluster node reason by until remaining_ms",
    "RING": "cluster shard weight points share configured_weight configured_share epoch joined",
    "REBALANCE": "cluster phase source target arcs share rows rows_copied bytes_copied changes lag_bytes rows_cleaned"
                 " rows_per_second seconds_left cutovers pause_ms seconds reason",
    "RING shop FULL": "cluster position shard arc",
    "KEY shop orders 42": "cluster table key canonical position shard primary_node",
    "ROUTE shop 'SELECT * FROM orders WHERE user_id = 42'": "item value",
    "PLANS": "shape uses need placement reason hits misses parses evictions uncacheable",
    "STATEMENTS": "statement uses share parameters statements keys fast_path",
    "DATABASES": "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode"
                 " max_connections current_connections max_client_connections current_client_connections paused disabled"
                 " engine shards nodes read_consistency",
    "USERS": "name pool_size reserve_pool_size pool_mode max_user_connections current_connections"
             " max_user_client_connections current_client_connections admin server_user read_consistency",
    "CONFIG": "key value default changeable",
    "VERSION": "version",
    "HELP": "command description",
}


@pytest.fixture(scope="module")
def both(ringway_session, app_cluster, shop_cluster):
    """One proxy before both clusters: scram for all, one user who is no operator."""
    made = ringway_session({"hba": [{"method": "scram-sha-256"}]}, clusters=[app_cluster, shop_cluster])
    assert until(lambda: knows_tables(made, "app") and knows_tables(made, "shop"), 30)
    return made


def operator(proxy, **more):
    return psycopg.connect(host="127.0.0.1", port=proxy.admin_port, user="postgres", password="postgres",
                           dbname="ringway", autocommit=True, row_factory=dict_row, **more)


def shell(proxy, *words, login=("--user", "postgres", "--password", "postgres"), **more):
    """`ringway admin ...` as a finished process."""
    return subprocess.run([BINARY, "admin", "--host", "127.0.0.1", "--port", str(proxy.admin_port), *login, *words],
                          capture_output=True, text=True, timeout=30, **more)


def figure(rows, **match):
    found = [row for row in rows if all(row[key] == value for key, value in match.items())]
    assert len(found) == 1, (match, rows)
    return found[0]


# ---- the three ways -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("what", SHOWS)
def test_every_show_by_every_way(both, what):
    columns = SHOWS[what].split()
    with operator(both, cursor_factory=psycopg.ClientCursor) as simple, operator(both) as extended:
        cursor = simple.execute(f"SHOW {what};")
        simple_rows = cursor.fetchall()
        assert [one.name for one in cursor.description] == columns
        assert cursor.statusmessage == "SHOW"
        for binary in (False, True):
            cursor = extended.cursor(binary=binary)
            cursor.execute(f"show {what}", prepare=True)
            assert [one.name for one in cursor.description] == columns
            rows = cursor.fetchall()
            for one in rows:  # each value is of the column's type, or psycopg had failed to read it
                assert set(one) == set(columns)
        assert bool(rows) == bool(simple_rows)
    told = shell(both, "--json", f"SHOW {what}")
    assert told.returncode == 0, told.stderr
    by_shell = json.loads(told.stdout)
    assert bool(by_shell) == bool(rows)
    assert all(list(one) == columns for one in by_shell)


def test_help_lists_every_command_and_each_is_known(both):
    listed = [row["command"] for row in admin(both, "SHOW HELP")]
    assert {line.split()[1] for line in listed if line.startswith("SHOW ")} == {what.split()[0] for what in SHOWS}
    assert [line for line in listed if not line.startswith("SHOW ")] == [
        "PAUSE [<cluster>]", "RESUME [<cluster>]", "RELOAD", "KILL <client id>", "KILL <cluster>",
        "BAN <node> [FOR <interval>]", "UNBAN <node>", "REBALANCE <cluster> [DRY RUN]",
        "MOVE <cluster> KEY <table> <value> TO <shard>", "CANCEL REBALANCE <cluster>", "RESUME REBALANCE <cluster>",
        "UNDO REBALANCE <cluster>", "FINISH REBALANCE <cluster>", "SHUTDOWN", "SHUTDOWN WAIT_FOR_CLIENTS"]


def test_prepared_statements_with_parameters(both):
    with operator(both, prepare_threshold=1) as connection:
        places = set()
        for key in (1, 42, 43, 44, 45, 46):
            row = connection.execute("SHOW KEY %s %s %s", ["shop", "orders", str(key)]).fetchone()
            assert row["canonical"] == str(key)
            places.add(row["shard"])
        assert len(places) > 1
        rows = connection.execute("SHOW ROUTE %s %s %s", ["shop", "SELECT * FROM orders WHERE user_id = $1", "42"]).fetchall()
        assert any("42" in (row["value"] or "") for row in rows)


def test_several_commands_and_a_mistake_among_them(both):
    with operator(both, cursor_factory=psycopg.ClientCursor) as connection:
        cursor = connection.execute("show version; SHOW LAG; SHOW BANS")
        names = [cursor.description[0].name]
        while cursor.nextset():
            names.append(cursor.description[0].name)
        assert names == ["version", "cluster", "cluster"]
        node = both.settings["clusters"]["app"]["shards"]["s0"]["nodes"][1]
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute(f"BAN {node}; SHOW NOTHING")
        assert admin(both, "SHOW BANS") == []


@pytest.mark.parametrize("length", [65_000, 66_000, 200_000, 1_000_000])
def test_a_long_text_is_answered(both, length):
    with operator(both) as db:
        assert db.execute("SHOW VERSION" + " " * length).fetchone()["version"]
        with pytest.raises(psycopg.errors.SyntaxError):
            db.execute("SHOW NONSENSE " + "x" * length)
    with operator(both) as db, pytest.raises(psycopg.OperationalError, match="too long"):
        db.execute("SHOW VERSION" + " " * (1 << 20))


def test_what_drivers_send_by_themselves(both):
    with psycopg.connect(host="127.0.0.1", port=both.admin_port, user="postgres", password="postgres",
                         dbname="ringway") as connection:  # BEGIN and COMMIT around each
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert "Ringway" in connection.execute("SELECT version()").fetchone()[0]
        connection.execute("SET extra_float_digits = 3")
        connection.commit()
        connection.execute("DISCARD ALL")
        connection.rollback()


def test_psql(both):
    done = subprocess.run(
        ["/usr/lib/postgresql/15/bin/psql", "-X", "-h", "127.0.0.1", "-p", str(both.admin_port), "-U", "postgres",
         "ringway", "-c", "SHOW VERSION", "-c", "show lag;"],
        env=os.environ | {"PGPASSWORD": "postgres"}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "Ringway" in done.stdout and "watermark_age_ms" in done.stdout


# ---- mistakes -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command, sqlstate, hint", [
    ("SHOW CLIENT", "42601", "SHOW CLIENTS"),
    ("SHOW PLNAS", "42601", "SHOW PLANS"),
    ("SHWO LAG", "42601", "SHOW"),
    ("RELAOD", "42601", "RELOAD"),
    ("SHOW XYZZY", "42601", "SHOW HELP"),
    ("FROBNICATE", "42601", "SHOW HELP"),
    ("SHOW", "42601", "SHOW HELP"),
    ("PAUSE shpo", "3D000", "shop"),
    ("RESUME nowhere", "3D000", "SHOW DATABASES"),
    ("KILL shpo", "3D000", "shop"),
    ("SHOW RING shpo", "3D000", "shop"),
    ("SHOW KEY shpo orders 1", "3D000", "shop"),
    ("SHOW KEY shop order 1", "22023", "orders"),
    ("SHOW KEY shop orders nonsense", "22023", ""),
    ("BAN 127.0.0.1:1", "22023", ""),
    ("UNBAN 127.0.0.1:1", "22023", ""),
    ("BAN 127.0.0.1:1 FOR a while", "42601", "30s"),
    ("KILL 2147483647", "22023", "SHOW CLIENTS"),
    ("KILL CLIENT x", "22023", "SHOW CLIENTS"),
    ("SET general.max_clients = 3", None, "RELOAD"),
    ("INSERT INTO t VALUES (1)", "42601", ""),
    ("SELECT * FROM pg_class", None, ""),
])
def test_a_mistake_is_told_with_what_was_meant(both, command, sqlstate, hint):
    for way in (psycopg.ClientCursor, psycopg.Cursor):
        with operator(both, cursor_factory=way) as connection:
            with pytest.raises(psycopg.Error) as told:
                connection.execute(command)
            assert sqlstate is None or told.value.sqlstate == sqlstate, told.value
            assert hint in (told.value.diag.message_hint or ""), told.value.diag.message_hint
            assert connection.execute("SHOW VERSION").fetchone()  # the connection goes on
    done = shell(both, command)
    assert done.returncode == 1
    assert done.stdout == "" and hint in done.stderr


def test_only_operators_with_the_right_password_get_in(both):
    for user, password in (("app", "app"), ("postgres", "wrong"), ("nobody", "nobody")):
        with pytest.raises(psycopg.OperationalError) as refused:
            psycopg.connect(host="127.0.0.1", port=both.admin_port, user=user, password=password, dbname="ringway")
        assert "password" in str(refused.value) or "admin" in str(refused.value), refused.value
        done = shell(both, "SHOW LAG", login=("--user", user, "--password", password))
        assert done.returncode == 1 and done.stdout == "" and done.stderr


def test_by_the_configuration_file_alone(both):
    done = subprocess.run([BINARY, "admin", "--config", both.config, "SHOW LAG"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == "cluster | shard | node | role | state | lag_ms | lag_bytes | watermark_age_ms | reason".split()
    assert done.stdout.splitlines()[-1] == "(9 rows)"


# ---- what runs ----------------------------------------------------------------------------------------------------------

def test_clients_servers_pools_and_transactions_agree_with_the_servers(both, app_cluster):
    primary = app_cluster.primary()
    with both.connect(application_name="counted") as client:
        with client.transaction():
            pid = client.execute("SELECT pg_backend_pid() FROM (SELECT txid_current()) AS x").fetchone()[0]
            mine = figure(admin(both, "SHOW CLIENTS"), application_name="counted")
            assert (mine["type"], mine["user"], mine["database"], mine["state"]) == ("C", "app", "app", "transaction")
            assert mine["link"] == f"{primary.address}/{pid}"
            assert mine["remote_pid"] == mine["id"] == client.info.backend_pid
            assert mine["connect_time"] <= mine["request_time"]
            own_end = socket.socket(fileno=os.dup(client.fileno()))
            assert (mine["addr"], mine["port"]) == own_end.getsockname()
            own_end.close()
            server = figure(admin(both, "SHOW SERVERS"), remote_pid=pid)
            assert (server["type"], server["state"], server["shard"]) == ("S", "active", "s0")
            assert (server["client_id"], server["link"]) == (mine["id"], f"client-{mine['id']}")
            assert f"{server['addr']}:{server['port']}" == primary.address
            busy = figure(admin(both, "SHOW POOLS"), database="app", user="app", node=primary.address)
            assert (busy["sv_active"], busy["cl_active"], busy["cl_waiting"], busy["paused"]) == (1, 1, 0, False)
            open_ones = figure(admin(both, "SHOW TRANSACTIONS"), client_id=mine["id"])
            assert (open_ones["state"], open_ones["server"]) == ("transaction", mine["link"])
            assert 0 <= open_ones["since_request_ms"] < 60_000
            assert figure(admin(both, "SHOW DATABASES"), name="app")["current_client_connections"] == 1
            assert figure(admin(both, "SHOW USERS"), name="app")["current_client_connections"] == 1
        assert until(lambda: figure(admin(both, "SHOW CLIENTS"), id=mine["id"])["state"] == "idle")
        assert admin(both, "SHOW TRANSACTIONS") == []
        for pool in admin(both, "SHOW POOLS"):  # the servers know of as many connections as the pools do
            node = next(one for one in app_cluster.nodes if one.address == pool["node"])
            seen = node.rows("SELECT pid FROM pg_stat_activity WHERE usename = %s AND backend_type = 'client backend'"
                             " AND pid <> pg_backend_pid()", [pool["user"]], user="postgres")
            known = [row["remote_pid"] for row in admin(both, "SHOW SERVERS")
                     if f"{row['addr']}:{row['port']}" == pool["node"] and row["user"] == pool["user"]]
            assert pool["sv_idle"] + pool["sv_active"] == len(known)
            assert set(known) <= {row[0] for row in seen}
    assert until(lambda: not [row for row in admin(both, "SHOW CLIENTS") if row["application_name"] == "counted"])


def test_clients_that_wait_are_counted(ringway):
    narrow = ringway({"clusters": {"app": {"pool_size": 1}}})
    with narrow.connect() as holder, narrow.connect(application_name="waits") as waiting:
        holder.execute("BEGIN")
        holder.execute("SELECT txid_current()")
        waiting.pgconn.send_query(b"SELECT txid_current()")
        assert until(lambda: any(row["cl_waiting"] == 1 for row in admin(narrow, "SHOW POOLS")))
        assert figure(admin(narrow, "SHOW CLIENTS"), application_name="waits")["state"] == "waiting"
        assert until(lambda: max(row["maxwait"] * 10**6 + row["maxwait_us"] for row in admin(narrow, "SHOW POOLS")) > 100_000)
        holder.execute("COMMIT")
        assert waiting.pgconn.get_result().ntuples == 1 and waiting.pgconn.get_result() is None


def test_pins_name_their_reason(both):
    assert admin(both, "SHOW PINS") == []
    with both.connect() as client:
        client.execute("CREATE TEMP TABLE t (a int)")
        client.execute("SELECT pg_advisory_lock(1)")
        client.execute("LISTEN news")
        mine = figure(admin(both, "SHOW CLIENTS"), id=client.info.backend_pid)
        rows = [row for row in admin(both, "SHOW PINS") if row["client_id"] == client.info.backend_pid]
        assert len(rows) == 3 and all(row["server"] == mine["link"] and row["cluster"] == "app" for row in rows)
        reasons = " ".join(row["reason"] for row in rows).lower()
        assert "temporary" in reasons and "lock" in reasons and "listen" in reasons
        assert all(row["reason"] in mine["pins"] for row in rows)
        client.execute("UNLISTEN *")
        client.execute("SELECT pg_advisory_unlock_all()")
        client.execute("DISCARD ALL")
        assert until(lambda: admin(both, "SHOW PINS") == [])


def test_stats_count_what_goes_through(ringway):
    proxy = ringway()
    assert until(lambda: all(row["watermark_age_ms"] is not None for row in admin(proxy, "SHOW LAG")))
    before = admin(proxy, "SHOW STATS")[0]
    text = "x" * 100_000
    with proxy.connect(cursor_factory=psycopg.ClientCursor) as client:
        for _ in range(5):
            assert len(client.execute(f"SELECT '{text}'").fetchone()[0]) == len(text)
        client.execute("CREATE TABLE counted (a int)")
        with client.transaction():
            client.execute("INSERT INTO counted VALUES (1)")
            client.execute("SELECT pg_sleep(0.2), txid_current()")
        client.execute("DROP TABLE counted")
        with pytest.raises(psycopg.Error):
            client.execute("/* ringway: role=replica */ SELECT txid_current()")
    after = until(lambda: next((row for row in admin(proxy, "SHOW STATS") if row["total_received"] > 500_000), None))
    grown = {key: after[key] - before[key] for key in after if key.startswith("total_")}
    assert grown["total_received"] < 600_000
    assert 500_000 < grown["total_sent"] < 600_000
    assert grown["total_xact_count"] == 8
    assert (grown["total_reads_on_replica"], grown["total_reads_on_primary"], grown["total_writes"]) == (5, 0, 4)
    assert grown["total_query_count"] >= 9 and grown["total_refusals"] == 1
    assert 200_000 <= grown["total_query_time"] < 60_000_000
    assert 200_000 <= grown["total_xact_time"] < 60_000_000
    assert grown["total_query_time"] <= grown["total_xact_time"]
    assert after["avg_xact_time"] == after["total_xact_time"] // after["total_xact_count"]


def test_lists_count_what_there_is(both):
    with both.connect():
        items = {row["list"]: row["items"] for row in admin(both, "SHOW LISTS")}
        assert (items["databases"], items["users"], items["shards"], items["nodes"]) == (2, 2, 4, 9)
        assert items["used_clients"] == len(admin(both, "SHOW CLIENTS")) == 1
        assert items["pools"] == len(admin(both, "SHOW POOLS"))
        assert items["used_servers"] == len(admin(both, "SHOW SERVERS"))


# ---- the servers --------------------------------------------------------------------------------------------------------

def test_lag_tells_roles_positions_and_a_replica_that_stands_still(both, app_cluster):
    rows = {row["node"]: row for row in admin(both, "SHOW LAG") if row["cluster"] == "app"}
    assert rows.keys() == {node.address for node in app_cluster.nodes}
    for node in app_cluster.nodes:
        row = rows[node.address]
        assert (row["shard"], row["role"], row["state"], row["reason"]) == ("s0", node.role, "up", None)
        assert row["watermark_age_ms"] < 30_000
    replica = app_cluster.replicas()[0]
    replica.rows("SELECT pg_wal_replay_pause()")
    try:
        assert until(lambda: figure(admin(both, "SHOW LAG"), node=replica.address)["state"] == "stalled")
        app_cluster.primary().rows("CREATE TABLE lagging AS SELECT generate_series(1, 10000) AS a", user="app")
        late = until(lambda: next((row for row in admin(both, "SHOW LAG") if row["node"] == replica.address
                                   and row["lag_bytes"] > 100_000 and row["lag_ms"] > 200), None))
        assert late and late["watermark_age_ms"] >= late["lag_ms"]
        shard = figure(admin(both, "SHOW SHARDS"), cluster="app")
        assert shard["out_of_rotation"] == replica.address and replica.address not in shard["replicas"]
    finally:
        replica.rows("SELECT pg_wal_replay_resume()")
        app_cluster.primary().rows("DROP TABLE IF EXISTS lagging", user="app")
    assert until(lambda: figure(admin(both, "SHOW LAG"), node=replica.address)["state"] == "up")
    assert until(lambda: figure(admin(both, "SHOW LAG"), node=replica.address)["lag_bytes"] == 0)


def test_shards_name_their_primary_and_replicas(both, shop_cluster):
    rows = [row for row in admin(both, "SHOW SHARDS") if row["cluster"] == "shop"]
    assert [row["shard"] for row in rows] == shop_cluster.shards
    for row in rows:
        assert row["primary"] == shop_cluster.primary(row["shard"]).address
        assert row["replicas"] == shop_cluster.replicas(row["shard"])[0].address
        assert row["out_of_rotation"] in (None, "")
    assert abs(sum(row["share"] for row in rows) - 1) < 1e-9


def test_ban_and_unban(both, app_cluster):
    first, second = (node.address for node in app_cluster.replicas())
    with operator(both) as connection:
        with psycopg.connect(connection.info.dsn, password="postgres", autocommit=True) as binding:
            with pytest.raises(psycopg.Error, match="not an interval"):
                binding.execute("BAN %s FOR %s", [first, "a while"])
            assert binding.execute("BAN %s FOR %s", [first, "10 minutes"]).statusmessage == "BAN"
        assert 9 < figure(admin(both, "SHOW BANS"), node=first)["remaining_ms"] / 60_000 <= 10
        assert connection.execute(f"BAN {first} FOR 10 minutes").statusmessage == "BAN"
        ban = figure(admin(both, "SHOW BANS"), node=first)
        assert (ban["cluster"], ban["by"]) == ("app", "operator")
        assert 9 * 60_000 < ban["remaining_ms"] <= 10 * 60_000
        assert until(lambda: figure(admin(both, "SHOW LAG"), node=first)["state"] == "banned")
        with both.connect() as client:
            ports = {client.execute("SELECT inet_server_port()").fetchone()[0] for _ in range(8)}
        assert ports == {int(second.rsplit(":", 1)[1])}
        assert connection.execute("UNBAN %s", [first], prepare=True).statusmessage == "UNBAN"
        assert admin(both, "SHOW BANS") == []
        with both.connect() as client:
            assert until(lambda: client.execute("SELECT inet_server_port()").fetchone()[0] == int(first.rsplit(":", 1)[1]))
        with pytest.raises(psycopg.Error) as told:
            connection.execute(f"UNBAN {first}")
        assert told.value.sqlstate == "22023"
    assert shell(both, f"BAN {second} FOR 200ms").stdout == "BAN\n"
    assert until(lambda: admin(both, "SHOW BANS") == [])
    assert shell(both, f"BAN {second}").returncode == 0
    assert figure(admin(both, "SHOW BANS"), node=second)["cluster"] == "app"
    assert shell(both, f"UNBAN {second}").stdout == "UNBAN\n"


# ---- routing ------------------------------------------------------------------------------------------------------------

def ring_by_hand(shards):
    """The ring as docs/routing.md describes it: 150 points a shard at md5("name-i"), the first 8 bytes."""
    return sorted((int.from_bytes(hashlib.md5(f"{shard}-{i}".encode()).digest()[:8], "big"), shard)
                  for shard in shards for i in range(150))


def test_ring_is_the_one_computed_by_hand(both, shop_cluster):
    points = admin(both, "SHOW RING shop FULL")
    assert [(int(row["position"]), row["shard"]) for row in points] == ring_by_hand(shop_cluster.shards)
    assert abs(sum(row["arc"] for row in points) - 1) < 1e-9
    rows = admin(both, "SHOW RING shop")
    assert [row["points"] for row in rows] == [150] * 3
    for row in rows:
        assert abs(row["share"] - sum(one["arc"] for one in points if one["shard"] == row["shard"])) < 1e-9
    assert admin(both, "SHOW RING") == rows


def test_key_is_where_the_ring_and_the_row_say(both, shop_cluster):
    ring = ring_by_hand(shop_cluster.shards)
    done = subprocess.run([BINARY, "init", "--config", both.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with both.connect(dbname="shop") as client:
        for key in (-7, 0, 42, 10**15):
            row = admin(both, f"SHOW KEY shop orders '{key}'")[0]
            position = int.from_bytes(hashlib.md5(str(key).encode()).digest()[:8], "big")
            owner = next((shard for at, shard in ring if at >= position), ring[0][1])
            primary = shop_cluster.primary(owner)
            assert (int(row["position"]), row["shard"], row["primary_node"]) == (position, owner, primary.address)
            assert primary.rows("SELECT ringway_position(%s)::text", [str(key)]) == [(str(position),)]
            client.execute("INSERT INTO orders VALUES (1, %s, 1, 'asked by SHOW KEY')", [key])
            for shard in shop_cluster.shards:
                there = shop_cluster.primary(shard).rows("SELECT count(*) FROM orders WHERE user_id = %s", [key])[0][0]
                assert there == (1 if shard == owner else 0)
            client.execute("DELETE FROM orders WHERE user_id = %s", [key])
    assert admin(both, "SHOW KEY shop orders 042")[0]["canonical"] == "42"


def test_route_tells_what_a_statement_then_does(both, shop_cluster):
    def told(sql, *values):
        return {row["item"]: row["value"] for row in admin(both, f"SHOW ROUTE shop $${sql}$$ {' '.join(values)}")}

    with pytest.raises(psycopg.Error, match="the statement has 1 parameter, 2 values are given"):
        told("SELECT * FROM users WHERE id = $1", "7", "8")
    shard = admin(both, "SHOW KEY shop users 7")[0]["shard"]
    read = told("SELECT * FROM users WHERE id = $1", "7")
    assert shop_cluster.primary(shard).address == read["primary node"]
    assert shop_cluster.replicas(shard)[0].address in read["replica nodes"]
    write = told("DELETE FROM users WHERE id = 7")
    assert write["primary node"] == read["primary node"] and "replica nodes" not in write
    refused = told("DELETE FROM users WHERE id IN (SELECT id FROM orders)")
    assert "primary node" not in refused
    assert "refused" in " ".join(f"{key} {value}" for key, value in refused.items()).lower()


def test_plans_grow_with_shapes_and_not_with_uses(ringway):
    proxy = ringway()

    def counters():
        return figure(admin(proxy, "SHOW PLANS"), shape="(all)")

    with proxy.connect(cursor_factory=psycopg.ClientCursor) as client:
        for _ in range(5):  # what is read of the catalogs anew has each shape parsed once more: just after the start, say
            client.execute("SELECT 1 AS planned")
            before = counters()
            for number in range(2, 12):
                client.execute(f"SELECT {number} AS planned")
            after = counters()
            if after["parses"] == before["parses"]:
                break
        assert after["parses"] == before["parses"]
        assert after["hits"] + after["misses"] >= before["hits"] + before["misses"] + 10
        client.execute("SELECT 1 AS planned, 2 AS anew")
        assert counters()["parses"] == after["parses"] + 1
    shape = next(row for row in admin(proxy, "SHOW PLANS") if "anew" in row["shape"])
    assert (shape["need"], shape["placement"]) == ("any", "single") and "1" not in shape["shape"].replace("$1", "")
    rows = admin(proxy, "SHOW STATEMENTS")
    planned = next(row for row in rows if "planned" in row["statement"] and "anew" not in row["statement"])
    assert 11 <= planned["uses"] <= 60 and planned == max(rows, key=lambda row: row["uses"])
    assert abs(sum(row["share"] for row in rows) - 1) < 1e-6


# ---- the configuration --------------------------------------------------------------------------------------------------

def documented_keys():
    """Keys of docs/configuration.md by section, those of the tables that describe them."""
    keys, section = {}, None
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| `") and section:
            keys.setdefault(section, []).append(re.match(r"\| `([a-z_]+)`", line))
    return {section: [one.group(1) for one in found if one] for section, found in keys.items()}


def test_config_has_the_keys_of_the_file(both):
    rows = {row["key"]: row for row in admin(both, "SHOW CONFIG")}
    known = documented_keys()
    pool = known["Pool, reads and watching: [general] and [clusters.NAME]"]
    # Left out: what has a SHOW of its own (shards, tables), secrets, and tables of their own.
    own = [key for key in known["[clusters.NAME]"]
           if key not in ("shards", "tables", "node_weights", "server_tls", "monitor_password", "auth_password")]
    expected = {"config_file"} | {f"listen.{key}" for key in known["[listen]"]}
    expected |= {f"general.{key}" for key in known["[general]"]} | {f"client_tls.{key}" for key in known["[client_tls]"]}
    for cluster in ("app", "shop"):
        expected |= {f"clusters.{cluster}.{key}" for key in pool + own}
        expected |= {f"clusters.{cluster}.server_tls.{key}" for key in known["[client_tls]"]}
    assert rows.keys() == expected
    written = tomllib.loads(both.config.read_text())
    for table in ("listen", "general"):
        for key, value in written[table].items():
            assert rows[f"{table}.{key}"]["value"] == str(value)
    assert rows["clusters.app.monitor_user"]["value"] == "postgres"
    assert rows["general.workers"]["changeable"] == "no" and rows["general.drain_timeout"]["changeable"] == "yes"
    assert rows["config_file"]["value"] == str(both.config)


def test_no_command_shows_a_password(ringway):
    proxy = ringway({"users": {"app": {"password": "very-secret-1"}}, "clusters": {"app": {"monitor_password": "very-secret-2"}}})
    for what in SHOWS:
        if "shop" not in what:
            assert "very-secret" not in shell(proxy, f"SHOW {what}").stdout


def test_databases_and_users(both, shop_cluster):
    rows = {row["name"]: row for row in admin(both, "SHOW DATABASES")}
    assert rows.keys() == {"app", "shop"}
    shop = rows["shop"]
    assert (shop["shards"], shop["nodes"], shop["pool_size"], shop["pool_mode"]) == (3, 6, 20, "transaction")
    assert f"{shop['host']}:{shop['port']}" == shop_cluster.primary("s0").address
    users = {row["name"]: row for row in admin(both, "SHOW USERS")}
    assert {name: row["admin"] for name, row in users.items()} == {"app": False, "postgres": True}


# ---- orders -------------------------------------------------------------------------------------------------------------

def test_kill_a_client_and_a_cluster(both):
    with both.connect() as client, both.connect() as bystander, both.connect(dbname="shop") as other:
        client.execute("BEGIN")
        client.execute("SELECT txid_current()")
        with operator(both) as connection:
            assert connection.execute("KILL %s", [str(client.info.backend_pid)]).statusmessage == "KILL"
        with pytest.raises(psycopg.OperationalError) as ended:
            client.execute("SELECT 1")
        assert ended.value.sqlstate in (None, "57P01")
        assert bystander.execute("SELECT 1").fetchone() == (1,)
        assert until(lambda: all(row["sv_active"] == 0 for row in admin(both, "SHOW POOLS")))
        assert shell(both, "KILL CLUSTER app").stdout == "KILL\n"
        with pytest.raises(psycopg.OperationalError):
            bystander.execute("SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
        admin(both, f"KILL_CLIENT {other.info.backend_pid}")
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")
    assert admin(both, "SHOW CLIENTS") == []


def test_shutdown_ends_the_process_at_once(ringway):
    proxy = ringway()
    client = proxy.connect()
    client.execute("BEGIN")
    client.execute("SELECT txid_current()")
    shell(proxy, "SHUTDOWN")
    assert proxy.process.wait(10) == 0
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")
