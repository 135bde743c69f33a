"""What PostgreSQL runs outside of transactions only runs on each shard, one after the other, with a report where it fails."""

import subprocess

import psycopg
import pytest

from conftest import BINARY, admin, knows_tables, until
from wire import Wire, bind, close, codes, describe, execute, kinds, parse, query, sync


@pytest.fixture(scope="module")
def proxy(shop_proxy, shop_cluster):
    done = subprocess.run([BINARY, "init", "--config", shop_proxy.config, "--cluster", "shop"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    with shop_proxy.connect() as client:
        for key in range(94001, 94031):
            client.execute("INSERT INTO users VALUES (%s, %s, 'de')", (key, f"n{key}"))
    yield shop_proxy
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DROP INDEX IF EXISTS late; DROP INDEX IF EXISTS late_too; DELETE FROM users WHERE id BETWEEN 94001 AND 94999; SELECT 1")


def indexes(cluster, name):
    """By shard: whether the index is there and valid."""
    sql = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{name}')"
    return [(cluster.primary(shard).rows(sql) or [(None,)])[0][0] for shard in cluster.shards]


def test_an_index_is_made_concurrently_on_every_shard(proxy, shop_cluster):
    count = len(shop_cluster.shards)
    with proxy.connect() as client:
        cursor = client.execute("CREATE INDEX CONCURRENTLY late ON users (name)")
        assert cursor.statusmessage == "CREATE INDEX"
        assert indexes(shop_cluster, "late") == [True] * count
        assert client.execute("DROP INDEX CONCURRENTLY late").statusmessage == "DROP INDEX"
        assert indexes(shop_cluster, "late") == [None] * count
        assert client.execute("EXPLAIN (ROUTE) SELECT count(*) FROM users").fetchall()
        assert client.execute("SELECT count(*) FROM users WHERE id BETWEEN 94001 AND 94030").fetchone() == (30,)


def test_the_extended_protocol(proxy, shop_cluster):
    with Wire(proxy.port, database="shop") as client:
        sql = "CREATE INDEX CONCURRENTLY late ON users (name)"
        got = client.run(parse(sql) + describe("S") + bind() + describe("P") + execute() + close("P") + sync())
        assert kinds(got) == "1tn2nC3Z", got
        assert indexes(shop_cluster, "late") == [True] * len(shop_cluster.shards)
        assert kinds(client.run(parse(sql) + bind() + execute() + sync())) == "12EZ"
        client.run(parse("DROP INDEX CONCURRENTLY late", "gone") + sync())
        assert kinds(client.run(bind(name="gone") + execute() + sync())) == "2CZ"
        assert indexes(shop_cluster, "late") == [None] * len(shop_cluster.shards)
        assert kinds(client.run(query("SELECT 1"))) == "TDCZ"


def test_where_one_shard_fails_the_error_tells_how_to_finish(proxy, shop_cluster):
    """The second shard has names twice: a unique index cannot be made there, and an invalid one is left."""
    names = shop_cluster.shards
    second = shop_cluster.primary(names[1])
    second.rows("UPDATE users SET name = 'twice' WHERE id IN (SELECT min(id) FROM users UNION SELECT max(id) FROM users) RETURNING 1")
    sql = "CREATE UNIQUE INDEX CONCURRENTLY late_too ON users (name) WHERE id > 0 AND name = 'twice'"
    with proxy.connect() as client:
        with pytest.raises(psycopg.errors.UniqueViolation) as why:
            client.execute(sql)
        assert why.value.diag.message_detail.endswith(f"Done on: {names[0]}. Failed on: {names[1]}. Not tried on: {', '.join(names[2:])}.")
        assert indexes(shop_cluster, "late_too") == [True, False] + [None] * (len(names) - 2)
        second.rows("UPDATE users SET name = id::text WHERE name = 'twice' RETURNING 1")
        hint = why.value.diag.message_hint
        comment = hint[hint.index("/*"):hint.index("*/") + 2]
        assert f"shard={names[1]}" in comment
        client.execute(f"{comment} DROP INDEX CONCURRENTLY late_too")
        for name in names[1:]:
            client.execute(f"{comment.replace(names[1], name)} {sql}")
        assert indexes(shop_cluster, "late_too") == [True] * len(names)
        client.execute("DROP INDEX CONCURRENTLY IF EXISTS late_too")
        assert indexes(shop_cluster, "late_too") == [None] * len(names)


def test_in_a_transaction_it_is_the_servers_error(proxy, shop_cluster):
    with proxy.connect(autocommit=False) as client:
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            client.execute("CREATE INDEX CONCURRENTLY late ON users (name)")
        client.rollback()
        client.execute("SELECT count(*) FROM users")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            client.execute("VACUUM users")
        client.rollback()
    assert indexes(shop_cluster, "late") == [None] * len(shop_cluster.shards)


def test_a_materialized_view_is_refreshed_concurrently_on_every_shard(proxy, shop_cluster):
    sql = "REFRESH MATERIALIZED VIEW CONCURRENTLY lands"
    counts = lambda: {shop_cluster.primary(shard).rows("SELECT count(*) FROM lands WHERE code = 'q1'")[0][0] for shard in shop_cluster.shards}  # noqa: E731
    with proxy.connect() as client:
        client.execute("CREATE MATERIALIZED VIEW lands AS SELECT * FROM countries")
        try:
            client.execute("CREATE UNIQUE INDEX ON lands (code)")
            client.execute("INSERT INTO countries VALUES ('q1', 'x')")
            with Wire(proxy.port, database="shop") as wire:
                for begin in (query("BEGIN"), b""):
                    for run in (query(sql), parse(sql) + bind() + execute() + sync()):
                        if begin:
                            wire.run(begin)
                            assert codes(wire.run(run)) == ["0A000"]
                            wire.run(query("ROLLBACK"))
                        else:
                            assert kinds(wire.run(run)) in ("CZ", "12CZ")
                        assert counts() == ({0} if begin else {1})
                assert codes(wire.run(query(f"SELECT 1; {sql}"))) == ["0A000"]
            assert client.execute(sql).statusmessage == "REFRESH MATERIALIZED VIEW"
        finally:
            client.execute("DELETE FROM countries WHERE code = 'q1'")
            client.execute("DROP MATERIALIZED VIEW lands")


def test_maintenance_runs_on_every_shard(proxy, shop_cluster):
    counted = "SELECT vacuum_count, analyze_count FROM pg_stat_user_tables WHERE relid = 'users'::regclass"
    before = [shop_cluster.primary(shard).rows(counted)[0] for shard in shop_cluster.shards]
    with proxy.connect() as client:
        notices = []
        client.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        assert client.execute("VACUUM (ANALYZE, VERBOSE) users").statusmessage == "VACUUM"
        assert notices.count('vacuuming "shop.public.users"') == len(shop_cluster.shards)
        for sql in ("ANALYZE users", "REINDEX TABLE users", "CHECKPOINT"):
            client.execute("SET statement_timeout = '30s'")
            if sql == "CHECKPOINT":  # not a superuser
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    client.execute(sql)
            else:
                assert client.execute(sql).statusmessage == sql.split()[0]
    after = lambda: [shop_cluster.primary(shard).rows(counted)[0] for shard in shop_cluster.shards]  # noqa: E731
    assert until(lambda: all(now[0] > was[0] and now[1] > was[1] + 1 for now, was in zip(after(), before)), 20)


def test_a_cancel_stops_it(proxy, shop_cluster):
    """It waits for a lock on the second shard; what is done on the first is told."""
    with shop_cluster.primary(shop_cluster.shards[1]).connect(user="app") as holder, proxy.connect() as client:
        holder.autocommit = True
        holder.execute("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE")
        client.execute("SET statement_timeout = '1s'")
        with pytest.raises(psycopg.errors.QueryCanceled) as why:
            client.execute("CREATE INDEX CONCURRENTLY late ON users (name)")
        assert f"Failed on: {shop_cluster.shards[1]}." in why.value.diag.message_detail
        holder.execute("ROLLBACK")
        client.execute("RESET statement_timeout")
        client.execute("DROP INDEX IF EXISTS late")
        assert client.execute("SELECT count(*) FROM users WHERE id BETWEEN 94001 AND 94030").fetchone() == (30,)
    assert admin(proxy, "SHOW PINS") is not None
