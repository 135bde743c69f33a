"""asyncpg: everything is prepared and binary; its pool, cursors, COPY and executemany."""

import asyncio
import io
import json
import ssl
import sys

import asyncpg

import checks
from checks import CLIENTS, POOL_SIZE, VALUES

ME = "asyncpg"
COLUMNS = ", ".join(VALUES)
THERE = {"host": checks.HOST, "port": checks.PORT, "user": checks.USER, "password": checks.PASSWORD, "timeout": 10}


class Connection:
    """async with Connection(...) as client"""

    def __init__(self, database="app", **more):
        self.settings = THERE | {"database": database, "ssl": False} | more

    async def __aenter__(self):
        self.client = await asyncpg.connect(**self.settings)
        return self.client

    async def __aexit__(self, *why):
        await self.client.close(timeout=10)


async def fails(state, coroutine):
    try:
        await coroutine
    except asyncpg.PostgresError as why:
        assert why.sqlstate == state, f"{why.sqlstate} instead of {state}: {why}"
        return why
    else:
        raise AssertionError(f"no {state}")


async def check_connect():
    async with Connection(server_settings={"application_name": "drivers", "work_mem": "77MB"}) as client:
        assert await client.fetchval("SELECT current_database()::text") == "app"
        assert await client.fetchval("SHOW work_mem") == "77MB" and await client.fetchval("SHOW application_name") == "drivers"
        assert client.get_server_version().major >= 15
        await client.reset()
        assert await client.fetchval("SHOW work_mem") == "77MB"
    await fails("28P01", asyncpg.connect(**THERE | {"password": "wrong", "database": "app"}))


async def check_tls():
    async with Connection(ssl=ssl.create_default_context(cafile=checks.CA)) as client:
        assert client._transport.get_extra_info("ssl_object") is not None
        assert await client.fetchval("SELECT $1::text", "x" * 1000000) == "x" * 1000000


async def check_prepared():
    async with Connection() as client:
        statement = await client.prepare("SELECT $1::int4 + 1, $2::text")
        assert [each.type.name for each in statement.get_parameters() and statement.get_attributes()] == ["int4", "text"]
        for i in range(200):
            assert tuple(await statement.fetchrow(i, str(i))) == (i + 1, str(i))
        for i in range(300):  # more texts than the driver keeps
            assert await client.fetchval(f"SELECT $1::int4 * {i}", 3) == 3 * i
    async with Connection(statement_cache_size=0) as client:
        for i in range(20):
            assert await client.fetchval("SELECT $1::int4", i) == i
    async with Connection() as client:
        await client.execute("CREATE TABLE changing (a int)")
        try:
            await client.execute("INSERT INTO changing VALUES (1)")
            assert tuple(await client.fetchrow("SELECT * FROM changing")) == (1,)
            await client.execute("ALTER TABLE changing ADD b text DEFAULT 'b'")
            assert tuple(await client.fetchrow("SELECT * FROM changing")) == (1, "b")
        finally:
            await client.execute("DROP TABLE changing")


async def check_transactions():
    async with Connection() as client:
        await client.execute("DELETE FROM things WHERE driver = $1", ME)
        async with client.transaction():
            await client.execute("INSERT INTO things VALUES ($1, 1, 'kept')", ME)
            try:
                async with client.transaction():
                    await client.execute("INSERT INTO things VALUES ($1, 1, 'twice')", ME)
            except asyncpg.UniqueViolationError:
                pass
            assert await client.fetchval("SELECT count(*) FROM things WHERE driver = $1", ME) == 1
        try:
            async with client.transaction(isolation="serializable"):
                await client.execute("INSERT INTO things VALUES ($1, 2, 'lost')", ME)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert [tuple(row) for row in await client.fetch("SELECT id, label FROM things WHERE driver = $1", ME)] == [(1, "kept")]
        async with client.transaction(readonly=True):
            await fails("25006", client.execute("DELETE FROM things WHERE driver = $1", ME))
        async with client.transaction():
            numbers = [row[0] async for row in client.cursor("SELECT generate_series(1, 250)", prefetch=20)]
            assert numbers == list(range(1, 251))
            cursor = await client.cursor("SELECT generate_series(1, 250)")
            assert [row[0] for row in await cursor.fetch(3)] == [1, 2, 3]
            await cursor.forward(10)
            assert (await cursor.fetchrow())[0] == 14


async def check_errors():
    async with Connection() as client:
        await client.execute("INSERT INTO things VALUES ($1, 10, 'x') ON CONFLICT DO NOTHING", ME)
        for _ in range(10):
            await fails("42P01", client.fetch("SELECT * FROM nowhere"))
            await fails("22012", client.fetch("SELECT 1 / $1::int4", 0))
            await fails("42601", client.execute("SELEC"))
            why = await fails("23505", client.execute("INSERT INTO things VALUES ($1, 10, 'x')", ME))
            assert (why.table_name, why.constraint_name, why.detail) == (
                "things", "things_pkey", "Key (driver, id)=(asyncpg, 10) already exists."), vars(why)
            await fails("23502", client.execute("INSERT INTO things VALUES ($1, NULL, 'x')", ME))
            assert await client.fetchval("SELECT $1::int4", 1) == 1
        heard = []
        client.add_log_listener(lambda _, message: heard.append(message.message))
        await client.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
        await asyncio.sleep(0)
        assert heard == ["heard"], heard


async def check_listen():
    for database in ("app", "shop"):
        async with Connection(database) as client:
            told = asyncio.Queue()

            def hear(*what):
                told.put_nowait(what[3])

            await client.add_listener("drivers", hear)
            async with Connection(database) as other:
                await other.execute("SELECT pg_notify('drivers', 'told')")
            assert await asyncio.wait_for(told.get(), 10) == "told"
            await client.remove_listener("drivers", hear)


async def check_copy():
    rows = [(ME, i, f"row {i}") for i in range(5000)]
    async with Connection() as client:
        await client.execute("DELETE FROM things WHERE driver = $1", ME)
        assert await client.copy_records_to_table("things", records=rows) == "COPY 5000"
        out = io.BytesIO()
        assert await client.copy_from_query("SELECT id, label FROM things WHERE driver = $1 ORDER BY id", ME, output=out, format="csv") == "COPY 5000"
        assert out.getvalue().decode() == "".join(f"{i},{label}\n" for _, i, label in rows)
        await fails("23505", client.copy_records_to_table("things", records=rows))
        source = io.BytesIO("".join(f"{ME}\t{i}\tcopied\n" for i in range(5000, 9000)).encode())
        assert await client.copy_to_table("things", source=source) == "COPY 4000"
        assert await client.fetchval("SELECT count(*) FROM things WHERE driver = $1", ME) == 9000


async def check_cancel():
    async with Connection() as client:
        for _ in range(3):
            try:
                await client.fetch("SELECT pg_sleep(30)", timeout=0.4)
            except asyncio.TimeoutError:
                pass
            else:
                raise AssertionError("no timeout")
            assert await client.fetchval("SELECT $1::int4", 5) == 5
        task = asyncio.ensure_future(client.fetch("SELECT pg_sleep(30), $1::int4", 1))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.cancelled()
        assert await client.fetchval("SELECT 6") == 6
        running = await client.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'")
        assert running == 0, f"{running} still run"


async def check_values():
    given = [json.dumps(value) if name == "document" else value for name, value in VALUES.items()]
    async with Connection() as client:
        await client.execute("DELETE FROM typed WHERE driver = $1", ME)
        marks = ", ".join(f"${i + 2}" for i in range(len(VALUES)))
        await client.execute(f"INSERT INTO typed (driver, {COLUMNS}) VALUES ($1, {marks})", ME, *given)
        for _ in range(3):
            row = dict(await client.fetchrow(f"SELECT {COLUMNS} FROM typed WHERE driver = $1", ME))
            row["document"] = json.loads(row["document"])
            assert row == VALUES, row
        # By reading pg_type for a codec of its own
        await client.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        assert await client.fetchval("SELECT document FROM typed WHERE driver = $1", ME) == VALUES["document"]
        assert await client.fetchval("SELECT ROW(1, 'x', NULL::text)") == (1, "x", None)


async def check_sharing():
    pids = set()

    async def work(number, pool):
        for i in range(20):
            async with pool.acquire() as client:
                async with client.transaction():
                    pids.add(await client.fetchval("SELECT pg_backend_pid()"))
                    await client.execute(f"SET LOCAL work_mem = '{64 + number}MB'")
                    assert tuple(await client.fetchrow("SELECT $1::int4, current_setting('work_mem')", number)) == (number, f"{64 + number}MB")
                assert await client.fetchval("SELECT $1::text", f"{number}.{i}") == f"{number}.{i}"

    async with asyncpg.create_pool(**THERE, database="app", ssl=False, min_size=CLIENTS, max_size=CLIENTS) as pool:
        await asyncio.wait_for(asyncio.gather(*(work(number, pool) for number in range(CLIENTS))), 60)
    assert 1 <= len(pids) <= POOL_SIZE, pids


async def check_pipeline():
    # executemany is the driver's pipeline: one Bind and Execute a row, one Sync, all or nothing
    async with Connection() as client:
        await client.execute("DELETE FROM things WHERE driver = $1", ME)
        await client.executemany("INSERT INTO things VALUES ($1, $2, $3)", [(ME, i, "x" * 100) for i in range(3000)])
        await fails("23505", client.executemany("INSERT INTO things VALUES ($1, $2, $3)", [(ME, i, "y") for i in (9000, 9001, 5, 9002)]))
        assert await client.fetchval("SELECT count(*) FROM things WHERE driver = $1", ME) == 3000
        assert await client.execute("SELECT 1; SELECT 2; UPDATE things SET label = 'z' WHERE driver = 'asyncpg'") == "UPDATE 3000"


async def check_shards():
    users = range(3000, 3040)
    async with Connection("shop") as client:
        for user in users:
            await client.execute("DELETE FROM orders WHERE user_id = $1", user)
            await client.execute("INSERT INTO orders (id, user_id, note) VALUES ($1, $2, $3)", 1, user, ME)
        for user in users:
            assert tuple(await client.fetchrow("SELECT user_id, note FROM orders WHERE user_id = $1", user)) == (user, ME)
        total = "SELECT sum(amount)::int8, count(DISTINCT user_id) FROM orders WHERE note = $1"
        for i in range(5):
            assert await client.execute("UPDATE orders SET amount = $2 WHERE note = $1", ME, i) == f"UPDATE {len(users)}"
            assert tuple(await client.fetchrow(total, ME)) == (i * len(users), len(users))
            assert await client.fetchval("SELECT count(*) FROM orders WHERE user_id = $1", 3000) == 1
        returned = await client.fetch("UPDATE orders SET amount = 5 WHERE note = $1 RETURNING user_id", ME)
        assert sorted(row[0] for row in returned) == list(users)
        assert [await client.fetchval("SELECT user_id FROM orders WHERE user_id = ANY($1)", [user]) for user in users] == list(users)
        async with client.transaction():
            for user in users:
                await client.execute("UPDATE orders SET amount = $1 WHERE user_id = $2", 7, user)
            assert tuple(await client.fetchrow(total, ME)) == (7 * len(users), len(users))
        try:
            async with client.transaction():
                await client.execute("UPDATE orders SET amount = 8 WHERE note = $1", ME)
                async with client.transaction():
                    await client.execute("INSERT INTO orders (id, user_id) VALUES (1, $1)", 3005)
        except asyncpg.UniqueViolationError:
            pass
        else:
            raise AssertionError("no 23505")
        assert tuple(await client.fetchrow(total, ME)) == (7 * len(users), len(users))
        # One pipeline, one transaction: all rows on their shards, or none on any
        await client.executemany("INSERT INTO orders (id, user_id) VALUES ($1, $2)", [(2, user) for user in users])
        assert await client.execute("DELETE FROM orders WHERE id = $1", 2) == f"DELETE {len(users)}"
        await fails("23505", client.executemany("INSERT INTO orders (id, user_id) VALUES ($1, $2)", [(3, user) for user in (*users, 3000)]))
        assert await client.fetchval("SELECT count(*) FROM orders WHERE id = 3") == 0


async def main():
    for name, check in checks.of(sys.modules[__name__]).items():
        try:
            await asyncio.wait_for(check(), 90)
            checks.say(name)
        except Exception:
            checks.say(name, checks.reason())


asyncio.run(main())
