"""psycopg 3: server-side binding, prepared statements, pipeline mode, COPY, cancel."""

import sys
import threading
import time

import psycopg
from psycopg.types.json import Jsonb

import checks
from checks import CLIENTS, POOL_SIZE, VALUES

ME = "psycopg"
COLUMNS = ", ".join(VALUES)


def connect(dbname="app", **more):
    return psycopg.connect(host=checks.HOST, port=checks.PORT, user=checks.USER, password=checks.PASSWORD, dbname=dbname,
                           connect_timeout=10, **({"sslmode": "disable", "autocommit": True} | more))


def one(connection, sql, parameters=None, **more):
    return connection.execute(sql, parameters, **more).fetchone()


def fails(state, connection, sql, parameters=None, **more):
    try:
        connection.execute(sql, parameters, **more)
    except psycopg.Error as why:
        assert why.sqlstate == state, f"{why.sqlstate} instead of {state}: {why}"
        return why.diag
    else:
        raise AssertionError(f"{sql} does not fail")


def check_connect():
    with connect(application_name="drivers", options="-c work_mem=77MB") as client:
        assert one(client, "SELECT current_user::text, current_database()::text") == ("app", "app")
        assert one(client, "SHOW application_name") == ("drivers",)
        assert one(client, "SHOW work_mem") == ("77MB",)
        assert client.info.server_version >= 150000 and client.info.parameter_status("client_encoding") == "UTF8"
    try:
        psycopg.connect(host=checks.HOST, port=checks.PORT, user=checks.USER, password="wrong", dbname="app", sslmode="disable")
    except psycopg.OperationalError as why:
        assert "password authentication failed" in str(why), str(why)
    else:
        raise AssertionError("a wrong password comes in")


def check_tls():
    for more in ({}, {"channel_binding": "require"}, {"ssl_min_protocol_version": "TLSv1.3"}, {"ssl_max_protocol_version": "TLSv1.2"}):
        with connect(sslmode="verify-full", sslrootcert=checks.CA, **more) as client:
            assert client.pgconn.ssl_in_use
            assert one(client, "SELECT %s::text", ["x" * 100000])[0] == "x" * 100000


def check_prepared():
    with connect(prepare_threshold=3) as client:
        for i in range(200):
            assert one(client, "SELECT %s::int4 + 1, %s::text", [i, str(i)]) == (i + 1, str(i))
        for i in range(20):  # more texts than the driver keeps: it deallocates the others
            client.prepared_max = 5
            for n in range(10):
                assert one(client, f"SELECT %s::int4 * {n}", [i], prepare=True) == (i * n,)
        assert one(client, "SELECT %s::int4", [7], prepare=True, binary=True) == (7,)


def check_transactions():
    with connect() as client:
        client.execute("DELETE FROM things WHERE driver = %s", [ME])
        with client.transaction():
            client.execute("INSERT INTO things VALUES (%s, 1, 'kept')", [ME])
            try:
                with client.transaction():
                    client.execute("INSERT INTO things VALUES (%s, 2, 'lost')", [ME])
                    client.execute("INSERT INTO things VALUES (%s, 1, 'twice')", [ME])
            except psycopg.errors.UniqueViolation:
                pass
            assert one(client, "SELECT count(*) FROM things WHERE driver = %s", [ME]) == (1,)
        try:
            with client.transaction():
                client.execute("INSERT INTO things VALUES (%s, 3, 'lost')", [ME])
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert client.execute("SELECT id, label FROM things WHERE driver = %s", [ME]).fetchall() == [(1, "kept")]
    with connect(autocommit=False) as client:
        client.execute("INSERT INTO things VALUES (%s, 4, 'implicit')", [ME])
        client.rollback()
        client.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        assert one(client, "SHOW transaction_isolation") == ("serializable",)
        client.commit()
        client.isolation_level, client.read_only = None, True
        fails("25006", client, "INSERT INTO things VALUES (%s, 5, 'read only')", [ME])
        client.rollback()
        assert one(client, "SELECT max(id) FROM things WHERE driver = %s", [ME]) == (1,)


def check_errors():
    with connect() as client:
        for _ in range(10):
            fails("42P01", client, "SELECT * FROM nowhere")
            fails("22012", client, "SELECT 1 / %s::int4", [0], prepare=True)
            fails("22P02", client, "SELECT %s::text::int4", ["x"])
            fails("42601", client, "SELEC 1")
            assert one(client, "SELECT 1") == (1,)
        with client.transaction(force_rollback=True):
            client.execute("INSERT INTO things VALUES (%s, 10, 'x') ON CONFLICT DO NOTHING", [ME])
            try:
                with client.transaction():
                    why = fails("23505", client, "INSERT INTO things VALUES (%s, 10, 'x')", [ME])
                    assert (why.severity, why.schema_name, why.table_name, why.constraint_name, why.message_detail) == (
                        "ERROR", "public", "things", "things_pkey", "Key (driver, id)=(psycopg, 10) already exists.")
                    fails("25P02", client, "SELECT 1")
                    raise psycopg.Rollback()
            except psycopg.Error as why:
                raise AssertionError(why) from why
            assert one(client, "SELECT label FROM things WHERE driver = %s AND id = 10", [ME]) == ("x",)
        heard = []
        client.add_notice_handler(lambda notice: heard.append((notice.sqlstate, notice.message_primary)))
        client.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
        assert heard == [("00000", "heard")], heard


def check_listen():
    for database in ("app", "shop"):
        with connect(database) as client:
            client.execute("LISTEN drivers")
            with connect(database) as other:
                other.execute("SELECT pg_notify('drivers', 'told')")
            assert [each.payload for each in client.notifies(timeout=10, stop_after=1)] == ["told"]
            client.execute("UNLISTEN drivers")


def check_copy():
    with connect() as client:
        client.execute("DELETE FROM things WHERE driver = %s", [ME])
        rows = [(ME, i, f"row {i}\t\\\n" * 20) for i in range(5000)]
        for binary in (False, True):
            client.execute("DELETE FROM things WHERE driver = %s", [ME])
            how = "WITH (FORMAT binary)" if binary else ""
            with client.cursor().copy(f"COPY things FROM STDIN {how}") as copy:
                if binary:
                    copy.set_types(["text", "int4", "text"])
                for row in rows:
                    copy.write_row(row)
            with client.cursor().copy(f"COPY (SELECT * FROM things WHERE driver = '{ME}' ORDER BY id) TO STDOUT {how}") as copy:
                copy.set_types(["text", "int4", "text"])
                assert list(copy.rows()) == rows
        try:
            with client.cursor().copy("COPY things FROM STDIN") as copy:
                copy.write_row((ME, 90000, "given up"))
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        try:
            with client.cursor().copy("COPY things FROM STDIN") as copy:
                for _ in range(2000):
                    copy.write_row((ME, 1, "twice" * 50))
        except psycopg.errors.UniqueViolation:
            pass
        else:
            raise AssertionError("COPY of a duplicate does not fail")
        assert one(client, "SELECT count(*) FROM things WHERE driver = %s", [ME]) == (5000,)


def check_cancel():
    with connect() as client:
        for sql in ("SELECT pg_sleep(30)", "SELECT pg_sleep(30) FROM things FOR UPDATE", "DO $$ BEGIN PERFORM pg_sleep(30); END $$"):
            client.execute("INSERT INTO things VALUES (%s, 1, 'x') ON CONFLICT DO NOTHING", [ME])
            threading.Timer(0.4, client.cancel).start()
            begun = time.monotonic()
            fails("57014", client, sql)
            assert time.monotonic() - begun < 20
            assert one(client, "SELECT %s::int4", [5]) == (5,)
        client.cancel()  # nothing runs
        time.sleep(0.1)
        assert one(client, "SELECT 6") == (6,)


def check_values():
    given = VALUES | {"document": Jsonb(VALUES["document"])}
    marks = ", ".join(["%s"] * len(VALUES))
    binary_marks = ", ".join("%t" if name in ("document", "names") else "%b" for name in VALUES)
    with connect() as client:
        client.execute("SET TimeZone = 'UTC'")
        for each in (marks, binary_marks):
            client.execute("DELETE FROM typed WHERE driver = %s", [ME])
            client.execute(f"INSERT INTO typed (driver, {COLUMNS}) VALUES (%s, {each})", [ME, *given.values()])
            for binary in (False, True):
                for prepare in (False, True):
                    row = client.execute(f"SELECT {COLUMNS} FROM typed WHERE driver = %s", [ME], prepare=prepare, binary=binary).fetchone()
                    assert dict(zip(VALUES, row)) == VALUES, row
        assert one(client, "SELECT %s::int4, %s::text", [None, None]) == (None, None)


def check_sharing():
    pids, problems = set(), []

    def work(number):
        try:
            with connect(prepare_threshold=1) as client:
                client.execute(f"SET work_mem = '{number + 64}MB'")
                for i in range(20):
                    with client.transaction():
                        pids.add(one(client, "SELECT pg_backend_pid()")[0])
                        assert one(client, "SELECT %s::int4, current_setting('work_mem')", [number]) == (number, f"{number + 64}MB")
                    assert one(client, "SELECT %s::text", [f"{number}.{i}"]) == (f"{number}.{i}",)
        except Exception:
            problems.append(checks.reason())

    threads = [threading.Thread(target=work, args=[number]) for number in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not problems, problems[0]
    assert 1 <= len(pids) <= POOL_SIZE, pids


def check_pipeline():
    with connect() as client:
        client.execute("DELETE FROM things WHERE driver = %s", [ME])
        with client.pipeline():
            cursors = [client.execute("SELECT %s::int4", [i], prepare=i % 2 == 0) for i in range(300)]
        assert [each.fetchone()[0] for each in cursors] == list(range(300))
        try:  # which statement raises, and which of the two, depends on when the driver reads
            with client.pipeline() as pipeline:
                client.execute("INSERT INTO things VALUES (%s, 1, 'x')", [ME])
                pipeline.sync()
                first = client.execute("SELECT label FROM things WHERE driver = %s", [ME])
                client.execute("SELECT 1 / %s::int4", [0])
                client.execute("INSERT INTO things VALUES (%s, 2, 'skipped')", [ME])
                pipeline.sync()
        except (psycopg.errors.DivisionByZero, psycopg.errors.PipelineAborted):
            pass
        else:
            raise AssertionError("no error in the pipeline")
        assert first.fetchone() == ("x",)
        assert one(client, "SELECT count(*) FROM things WHERE driver = %s", [ME]) == (1,)
        client.cursor().executemany("INSERT INTO things VALUES (%s, %s, %s)", [(ME, i, "many") for i in range(10, 510)])
        with client.pipeline(), client.transaction():
            client.execute("UPDATE things SET label = 'piped' WHERE driver = %s", [ME])
            row = one(client, "SELECT count(*) FROM things WHERE driver = %s AND label = 'piped'", [ME])
        assert row == (501,)


def check_shards():
    with connect("shop", prepare_threshold=2) as client:
        users = range(1000, 1040)
        for user in users:
            client.execute("DELETE FROM orders WHERE user_id = %s", [user])
            client.execute("INSERT INTO orders (id, user_id, amount, note) VALUES (%s, %s, %s, %s)", [1, user, user / 8, ME])
        for user in users:
            assert one(client, "SELECT user_id, note FROM orders WHERE user_id = %s", [user]) == (user, ME)
            assert one(client, "SELECT user_id FROM orders WHERE user_id = %s", [user], prepare=True, binary=True) == (user,)
        total = "SELECT sum(amount)::int8, count(*) FROM orders WHERE note = %s"
        for i in range(5):
            assert client.execute("UPDATE orders SET amount = %s WHERE note = %s", [i, ME]).rowcount == len(users)
            assert one(client, total, [ME]) == (i * len(users), len(users))
            assert one(client, "SELECT count(*) FROM orders WHERE user_id = %s", [1000]) == (1,)
        written = client.cursor()
        written.executemany("INSERT INTO orders (id, user_id, note) VALUES (%s, %s, %s)", [(2, user, "many") for user in users])
        assert written.rowcount == len(users)
        assert client.execute("DELETE FROM orders WHERE note = 'many'").rowcount == len(users)
        with client.transaction(force_rollback=True):
            client.execute("UPDATE orders SET note = 'x' WHERE user_id = %s", [1001])
        with client.transaction():
            for user in users:
                assert client.execute("UPDATE orders SET amount = 10 WHERE user_id = %s", [user]).rowcount == 1
            assert one(client, total, [ME]) == (10 * len(users), len(users))
        assert one(client, total, [ME]) == (10 * len(users), len(users))
        try:
            with client.transaction():
                client.execute("UPDATE orders SET amount = 11 WHERE note = %s", [ME])
                client.execute("INSERT INTO orders (id, user_id) VALUES (1, %s)", [1007])
        except psycopg.errors.UniqueViolation:
            pass
        else:
            raise AssertionError("no 23505")
        assert one(client, total, [ME]) == (10 * len(users), len(users))
        with client.pipeline() as pipeline:
            cursors = []
            for user in users:
                cursors.append(client.execute("SELECT user_id FROM orders WHERE user_id = %s", [user]))
                pipeline.sync()
        assert [each.fetchone()[0] for each in cursors] == list(users)
        with client.pipeline():
            cursors = [client.execute("SELECT user_id FROM orders WHERE user_id = %s", [1000]) for _ in users]
        assert [each.fetchone()[0] for each in cursors] == [1000] * len(users)
        # What stands before one Sync is one transaction, on all the shards it needs.
        with client.pipeline():
            cursors = [client.execute("SELECT user_id FROM orders WHERE user_id = %s", [user]) for user in users]
        assert [each.fetchone()[0] for each in cursors] == list(users)
        with client.pipeline():
            cursors = [client.execute("UPDATE orders SET amount = 20 WHERE user_id = %s RETURNING user_id", [user]) for user in users]
        assert [each.fetchone()[0] for each in cursors] == list(users)
        try:
            with client.pipeline():
                for user in [*users, users[0]]:
                    client.execute("INSERT INTO orders (id, user_id) VALUES (3, %s)", [user])
        except psycopg.errors.UniqueViolation:
            pass
        else:
            raise AssertionError("no 23505")
        assert one(client, "SELECT count(*) FROM orders WHERE id = 3") == (0,)
        assert one(client, total, [ME]) == (20 * len(users), len(users))
        assert one(client, "SELECT user_id FROM orders WHERE user_id = %s", [1007]) == (1007,)


checks.run(sys.modules[__name__])
