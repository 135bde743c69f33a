"""The command line client, which most people try first."""

import os
import subprocess

HOST, PORT, USER, PASSWORD, CA = (os.environ[f"DRIVER_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "CA"))
SHARDED = os.environ["DRIVER_SHARDED"] == "1"


def client(sql, *options, database="app", code=0, password=PASSWORD):
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h", HOST, "-P", PORT, f"-u{USER}", f"-p{password}", "-N", "-B",
                           "--default-character-set=utf8mb4", *options, database], input=sql, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def check_connect():
    assert client("SELECT DATABASE();") == "app\n"
    assert "1045" in client("SELECT 1;", password="wrong", code=1)
    assert "Uptime" in client("status\n") or "Connection id" in client("status\n")


def check_tls():
    assert client("SELECT COUNT(*) FROM things;", f"--ssl-ca={CA}", "--ssl-verify-server-cert") == "3\n"


def check_prepared():
    assert client("PREPARE s FROM 'SELECT name FROM things WHERE id = ?'; SET @i = 2; EXECUTE s USING @i; DEALLOCATE PREPARE s;") == "two\n"


def check_transactions():
    assert client("START TRANSACTION; UPDATE things SET name = 'x' WHERE id = 1; ROLLBACK; SELECT name FROM things WHERE id = 1;") == "one\n"


def check_errors():
    assert "1146" in client("SELECT * FROM nowhere; SELECT 1;", code=1)


def check_values():
    assert client("SELECT 'h\u00f6he \U0001f600', NULL, 0x4142, 1.50, DATE '2024-02-29';") == "h\u00f6he \U0001f600\tNULL\tAB\t1.50\t2024-02-29\n"


def check_sharing():
    running = [subprocess.Popen(["mariadb", "--no-defaults", "--protocol=tcp", "-h", HOST, "-P", PORT, f"-u{USER}", f"-p{PASSWORD}", "-N", "-B", "app"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for number, each in enumerate(running):
        out, _ = each.communicate(f"SET time_zone = '+0{number}:00';" + "SELECT @@time_zone;" * 20, timeout=60)
        assert out == f"+0{number}:00\n" * 20, out


def check_session():
    assert client("SET @a = 5; CREATE TEMPORARY TABLE mine (i INT); INSERT INTO mine VALUES (@a); SELECT i FROM mine;\nuse app;\nSELECT DATABASE();") == "5\napp\n"


def check_shards():
    for key in range(501, 505):
        assert client(f"REPLACE INTO users VALUES ({key}, 'n'); SELECT name FROM users WHERE id = {key};", database="shop") == "n\n"
    if SHARDED:
        assert "1235" in client("SELECT COUNT(*) FROM users;", database="shop", code=1)


for name, check in [(name[6:], value) for name, value in list(globals().items()) if name.startswith("check_")]:
    try:
        check()
        print(f"ok {name}", flush=True)
    except Exception as why:
        print(f"not ok {name}: {type(why).__name__} {str(why)[:500]}".replace("\n", " "), flush=True)
