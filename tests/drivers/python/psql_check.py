"""psql, the program: scripts on its standard input, its \\-commands, its exit codes."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import checks
from checks import CLIENTS, POOL_SIZE

ME = "psql"
PSQL = ["psql", "-X", "-q", "-A", "-t"]


def start(dbname="app", arguments=(), **more):
    settings = {"host": checks.HOST, "port": checks.PORT, "user": checks.USER, "dbname": dbname, "connect_timeout": 10, "sslmode": "disable"}
    words = " ".join(f"{name}='{value}'" for name, value in (settings | more).items())
    return subprocess.Popen([*PSQL, *arguments, words], env=os.environ | {"PGPASSWORD": checks.PASSWORD}, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def psql(script, *arguments, dbname="app", code=0, **more):
    """What psql prints, without the newline at the end; with `code` also what it says of errors."""
    process = start(dbname, arguments, **more)
    out, err = process.communicate(script, timeout=60)
    assert process.returncode == code, f"exit code {process.returncode}: {err}"
    return (out.rstrip("\n"), err) if code else out.rstrip("\n")


def is_equal(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def states(script, **more):
    """The script goes on after errors; (output, SQLSTATEs)."""
    process = start(arguments=["-v", "VERBOSITY=sqlstate"], **more)
    out, err = process.communicate(script, timeout=60)
    assert process.returncode == 0, err
    return out.split(), re.findall(r"^(?:psql.*)?ERROR: +(\w{5})$", err, re.MULTILINE)


def check_connect():
    is_equal(psql("SELECT current_user, current_database();\n\\echo :USER :DBNAME :SERVER_VERSION_NUM"),
             "app|app\napp app " + psql("SHOW server_version_num"))
    _, err = psql("", "-w", code=2, password="wrong")
    assert "password authentication failed" in err, err
    described = psql("\\d things\n\\dt\n\\df now\n\\l app\n\\du app\n\\conninfo\n\\sf generate_series(int4, int4)\n")
    for word in ("driver", "typed", "pg_catalog", "app"):
        assert word in described, described
    is_equal(psql("\\c app\nSELECT 1;"), "1")


def check_tls():
    for more in ({}, {"channel_binding": "require"}, {"ssl_min_protocol_version": "TLSv1.3"}):
        is_equal(psql("SELECT length(repeat('x', 3000000));", sslmode="verify-full", sslrootcert=checks.CA, **more), "3000000")
    assert "SSL" in psql("\\conninfo", sslmode="require")


def check_prepared():
    script = "PREPARE plus(int4) AS SELECT $1 + 1;\n" + "".join(f"EXECUTE plus({i});\n" for i in range(100))
    is_equal(psql(script).split(), [str(i + 1) for i in range(100)])
    is_equal(states("PREPARE a AS SELECT 1; PREPARE a AS SELECT 2; EXECUTE a; DEALLOCATE a; EXECUTE a;"), (["1"], ["42P05", "26000"]))


def check_transactions():
    psql(f"DELETE FROM things WHERE driver = '{ME}'")
    script = (f"BEGIN; INSERT INTO things VALUES ('{ME}', 1, 'kept');\nSAVEPOINT s; INSERT INTO things VALUES ('{ME}', 2, 'lost');\n"
              f"ROLLBACK TO s; COMMIT;\nBEGIN; INSERT INTO things VALUES ('{ME}', 3, 'lost'); ROLLBACK;\n"
              f"SELECT id, label FROM things WHERE driver = '{ME}';\n")
    is_equal(psql(script), "1|kept")
    psql(f"INSERT INTO things VALUES ('{ME}', 4, 'x');\nSELECT 1 / 0;\n", "-1", "-v", "ON_ERROR_STOP=1", code=3)
    is_equal(psql(f"\\set AUTOCOMMIT off\nINSERT INTO things VALUES ('{ME}', 5, 'x');\nROLLBACK;\n"
                  f"SELECT max(id) FROM things WHERE driver = '{ME}';"), "1")
    out, codes = states("\\set ON_ERROR_ROLLBACK on\nBEGIN;\nSELECT 1 / 0;\nSELECT 'on';\nCOMMIT;")
    is_equal((out, codes), (["on"], ["22012"]))


def check_errors():
    script = "SELECT * FROM nowhere;\nSELECT 1/0;\nSELEC;\nSELECT 'x'::int4;\nSELECT 7;\nBEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\nSELECT 8;\n"
    is_equal(states(script), (["7", "8"], ["42P01", "22012", "42601", "22P02", "22012", "25P02"]))
    _, err = psql("SELECT 1,\n  nope;\n", "-v", "ON_ERROR_STOP=1", code=3)
    assert "LINE 2:" in err and "^" in err, err
    twice = f"INSERT INTO things VALUES ('{ME}', 10, 'x')"
    _, err = psql(f"{twice} ON CONFLICT DO NOTHING;\n\\set VERBOSITY verbose\n{twice};\n", "-v", "ON_ERROR_STOP=1", code=3)
    for part in ("23505", "DETAIL:  Key (driver, id)=(psql, 10)", "SCHEMA NAME:  public", "TABLE NAME:  things", "CONSTRAINT NAME:  things_pkey"):
        assert part in err, err


def check_listen():
    for database in ("app", "shop"):
        assert 'notification "drivers" with payload "told"' in psql("LISTEN drivers;\nSELECT pg_notify('drivers', 'told');\nSELECT 1;", dbname=database)


def check_copy():
    lines = [f"{ME}\t{i}\trow {i} \\\\ \\t" for i in range(20000)]
    with tempfile.TemporaryDirectory() as folder:
        source, text, binary = (pathlib.Path(folder) / name for name in ("source", "text", "binary"))
        source.write_text("\n".join(lines) + "\n")
        query = f"(SELECT * FROM things WHERE driver = '{ME}' ORDER BY id)"
        empty = f"DELETE FROM things WHERE driver = '{ME}';\n"
        psql(f"{empty}\\copy things FROM '{source}'\n\\copy {query} TO '{text}'\n\\copy {query} TO '{binary}' WITH (FORMAT binary)\n",
             "-v", "ON_ERROR_STOP=1")
        assert text.read_text() == source.read_text()
        is_equal(psql(f"{empty}\\copy things FROM '{binary}' WITH (FORMAT binary)\nCOPY {query} TO STDOUT;\n", "-v", "ON_ERROR_STOP=1"), "\n".join(lines))
        out, codes = states(f"\\copy things FROM '{source}'\nSELECT count(*) FROM things WHERE driver = '{ME}';")
        is_equal((out, codes), (["20000"], ["23505"]))
    is_equal(psql(f"{empty}COPY things FROM STDIN;\n{ME}\t1\tinline\n\\.\nSELECT label FROM things WHERE driver = '{ME}';"), "inline")


def check_cancel():
    process = start()
    process.stdin.write("SELECT pg_sleep(30);\nSELECT 'on';\n")
    process.stdin.flush()
    time.sleep(1)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=25)
    assert "canceling statement due to user request" in err, (out, err)
    assert time.monotonic() - begun < 20
    # A script on standard input ends with its SIGINT or goes on, as psql likes; the server must be free for the next.
    is_equal(psql("SELECT 'next'"), "next")


def check_values():
    row = ("'{1,NULL,-3}', '{a,\"b\\\"c\",\"d,e\"}', '00112233-4455-6677-8899-aabbccddeeff', '2024-02-29 23:59:59.123456+00',"
           " '1999-12-31 01:02:03', -12345678901234567890.000123, '\\x00ff27', '{\"a\": [1, 2.5, null]}', true, 0.1, -9223372036854775808")
    found = psql(f"SET TimeZone = 'UTC';\nDELETE FROM typed WHERE driver = '{ME}';\nINSERT INTO typed VALUES ('{ME}', {row});\n"
                 f"SELECT * FROM typed WHERE driver = '{ME}';")
    is_equal(found, ME + '|{1,NULL,-3}|{a,"b\\"c","d,e"}|00112233-4455-6677-8899-aabbccddeeff|2024-02-29 23:59:59.123456+00|1999-12-31 01:02:03|'
             '-12345678901234567890.000123|\\x00ff27|{"a": [1, 2.5, null]}|t|0.1|-9223372036854775808')


def check_sharing():
    script = "".join(f"BEGIN; SELECT 'pid', pg_backend_pid(); COMMIT;\nSELECT '@', current_setting('work_mem'), {i};\n" for i in range(20))
    running = [(number, start()) for number in range(CLIENTS)]
    for number, process in running:
        process.stdin.write(f"SET work_mem = '{64 + number}MB';\n{script}")
        process.stdin.close()
        process.stdin = None
    pids = set()
    for number, process in running:
        out, err = process.communicate(timeout=60)
        lines = out.split()
        pids |= {line for line in lines if line.startswith("pid")}
        is_equal(([line for line in lines if line.startswith("@")], err), ([f"@|{64 + number}MB|{i}" for i in range(20)], ""))
    assert 1 <= len(pids) <= POOL_SIZE, pids


def check_pipeline():
    is_equal(psql("SELECT 1 \\; SELECT 2 \\; SELECT 3;").split(), ["1", "2", "3"])
    out, codes = states(f"DELETE FROM things WHERE driver = '{ME}';\nINSERT INTO things VALUES ('{ME}', 1, 'x') \\; SELECT 1/0 \\; SELECT 'skipped';\n"
                        f"SELECT count(*) FROM things WHERE driver = '{ME}';")
    is_equal((out, codes), (["0"], ["22012"]))
    is_equal(psql("SELECT 'SELECT ' || i FROM generate_series(1, 50) i \\gexec").split()[-50:], [str(i) for i in range(1, 51)])
    is_equal(psql("\\set FETCH_COUNT 10\nSELECT i FROM generate_series(1, 105) i;").split(), [str(i) for i in range(1, 106)])
    out = psql("SELECT 1 AS a, 'x' AS b \\gdesc\nSELECT 5 AS five \\gset\n\\echo :five\n")
    is_equal(out.split(), ["a|integer", "b|text", "5"])


def check_shards():
    users = range(2000, 2030)
    shop = {"dbname": "shop"}
    psql("".join(f"DELETE FROM orders WHERE user_id = {i};\nINSERT INTO orders (id, user_id, note, amount) VALUES (1, {i}, '{ME}', 0);\n" for i in users),
         "-v", "ON_ERROR_STOP=1", **shop)
    more = f"UPDATE orders SET amount = amount + 1 WHERE note = '{ME}';\n"
    total = f"SELECT sum(amount) FROM orders WHERE note = '{ME}';\n"
    out = psql("".join(f"SELECT user_id FROM orders WHERE user_id = {i};\n{more}\\echo :ROW_COUNT\n" for i in users) + total, **shop)
    is_equal(out.split(), [word for i in users for word in (str(i), "30")] + ["900"])
    is_equal(psql(f"SELECT user_id FROM orders WHERE note = '{ME}' ORDER BY user_id;\n", **shop).split(), [str(i) for i in users])
    is_equal(psql("PREPARE o(int8) AS SELECT note FROM orders WHERE user_id = $1;\n" + "".join(f"EXECUTE o({i});\n" for i in users), **shop).split(),
             [ME] * len(users))
    # Transactions on all shards, by BEGIN and by several statements in one text
    each = "".join(f"UPDATE orders SET amount = amount - 1 WHERE user_id = {i};\n" for i in users)
    is_equal(psql(f"BEGIN;\n{each}{total}COMMIT;\n{total}BEGIN;\n{each}ROLLBACK;\n{total}", **shop).split(), ["870", "870", "870"])
    twice = "INSERT INTO orders (id, user_id) VALUES (1, 2007);\n"
    is_equal(states(f"BEGIN;\n{each}{twice}{total}COMMIT;\n{total}", **shop), (["870"], ["23505", "25P02"]))
    # Rows of one INSERT
    rows = ", ".join(f"(2, {i})" for i in users)
    is_equal(states(f"INSERT INTO orders (id, user_id) VALUES {rows}, (1, 2007);\nSELECT count(*) FROM orders WHERE id = 2;\n", **shop), (["0"], ["23505"]))
    is_equal(psql(f"INSERT INTO orders (id, user_id) VALUES {rows} RETURNING user_id;\nDELETE FROM orders WHERE id = 2;\n\\echo :ROW_COUNT\n", **shop).split(),
             [str(i) for i in users] + ["30"])


checks.run(sys.modules[__name__])
