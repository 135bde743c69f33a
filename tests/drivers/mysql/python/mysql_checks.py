"""The checks of the Python drivers of MySQL, over the DB-API; each program beside this one says how its driver connects."""

import datetime
import decimal
import os
import threading

HOST, PORT, USER, PASSWORD, CA = (os.environ[f"DRIVER_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "CA"))
PORT = int(PORT)
CLIENTS = 8
SHARDED = os.environ["DRIVER_SHARDED"] == "1"

VALUES = {
    "i": -2147483648, "b": 2 ** 63 - 1, "u": 2 ** 64 - 1, "d": decimal.Decimal("-1234567890.000123"), "f": 0.1, "t": "h\u00f6he \U0001f600'\"\\%",
    "x": bytes(range(256)), "da": datetime.date(2024, 2, 29), "dt": datetime.datetime(2024, 2, 29, 23, 59, 59, 123456),
    "ti": datetime.timedelta(hours=-26, microseconds=500000), "n": None,
}


class Checks:
    """`connect(database, **more)`; `prepared`: arguments of cursor() for a prepared statement, or None when the driver has none."""

    def __init__(self, connect, errors, tls, prepared=None):
        self.connect, self.errors, self.with_tls, self.prepared_cursor = connect, errors, tls, prepared

    def rows(self, connection, sql, values=None, prepared=False):
        cursor = connection.cursor(**(self.prepared_cursor or {})) if prepared else connection.cursor()
        try:
            cursor.execute(sql, *(() if values is None else (values,)))
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            cursor.close()

    def one(self, connection, sql, values=None, prepared=False):
        return self.rows(connection, sql, values, prepared)[0][0]

    def fails(self, number, connection, sql, values=None):
        try:
            self.rows(connection, sql, values)
        except self.errors as why:
            assert why.args[0] == number, f"{why} instead of {number}"
            return str(why)
        raise AssertionError(f"no {number}: {sql}")

    def connected(self, database="app", **more):
        made = self.connect(database, **more)
        self.rows(made, "SET autocommit = 1")
        return made

    # ---- the checks

    def check_connect(self):
        a = self.connected()
        assert self.rows(a, "SELECT DATABASE(), 1 + 1") == [("app", 2)]
        try:
            self.connect("app", password="wrong")
        except self.errors as why:
            assert why.args[0] == 1045, why
        else:
            raise AssertionError("a wrong password was let in")
        a.close()

    def check_tls(self):
        a = self.connected(**self.with_tls)
        assert self.one(a, "SELECT COUNT(*) FROM things") == 3
        a.close()

    def check_prepared(self):
        a = self.connected()
        for _ in range(3):
            for key in (1, 2, 3):
                assert self.rows(a, "SELECT id, name FROM things WHERE id = %s", (key,), prepared=True)[0][0] == key
        a.close()

    def check_transactions(self):
        a, b = self.connected(), self.connected()
        self.rows(a, "START TRANSACTION")
        self.rows(a, "UPDATE things SET name = 'changed' WHERE id = 1")
        assert self.one(b, "SELECT name FROM things WHERE id = 1") == "one"
        a.rollback()
        assert self.one(a, "SELECT name FROM things WHERE id = 1") == "one"
        self.rows(a, "SET autocommit = 0")
        self.rows(a, "INSERT INTO notes (text) VALUES ('kept')")
        number = self.one(a, "SELECT LAST_INSERT_ID()")
        self.rows(a, "SAVEPOINT s")
        self.rows(a, "INSERT INTO notes (text) VALUES ('lost')")
        self.rows(a, "ROLLBACK TO s")
        a.commit()
        assert self.rows(a, "SELECT id, text FROM notes WHERE id >= %s", (number,)) == [(number, "kept")]
        self.rows(a, "DELETE FROM notes")
        a.commit()
        a.close(), b.close()

    def check_errors(self):
        a = self.connected()
        self.fails(1146, a, "SELECT * FROM nowhere")
        self.fails(1064, a, "SELEC 1")
        self.fails(1062, a, "INSERT INTO things VALUES (1, 'again')")
        assert self.one(a, "SELECT 7") == 7
        a.close()

    def check_values(self):
        a = self.connected()
        columns = ", ".join(VALUES)
        for prepared in (False, True) if self.prepared_cursor is not None else (False,):
            self.rows(a, "DELETE FROM kinds")
            self.rows(a, f"INSERT INTO kinds ({columns}) VALUES ({', '.join(['%s'] * len(VALUES))})", tuple(VALUES.values()), prepared)
            found = dict(zip(VALUES, self.rows(a, f"SELECT {columns} FROM kinds", None, prepared)[0]))
            for name, value in VALUES.items():
                assert found[name] == value, (name, found[name], value, prepared)
        a.close()

    def check_sharing(self):
        """More clients than server connections, each with settings of its own."""
        wrong = []

        def client(number):
            try:
                a = self.connected()
                self.rows(a, f"SET time_zone = '+0{number}:00'")
                for _ in range(20):
                    found = self.rows(a, "SELECT @@time_zone, name FROM things WHERE id = %s", (number % 3 + 1,))
                    if found != [(f"+0{number}:00", ("one", "two", "three")[number % 3])]:
                        wrong.append(found)
                a.close()
            except Exception as why:  # noqa: BLE001 (told below)
                wrong.append(why)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(50)
        assert not wrong, wrong[0]

    def check_session(self):
        """What ties a client to a connection works as before a server."""
        a = self.connected()
        self.rows(a, "SET @a = 5")
        assert self.one(a, "SELECT @a + 1") == 6
        self.rows(a, "CREATE TEMPORARY TABLE mine (i INT)")
        self.rows(a, "INSERT INTO mine VALUES (1), (2)")
        assert self.one(a, "SELECT COUNT(*) FROM mine") == 2
        self.rows(a, "DROP TEMPORARY TABLE mine")
        assert self.one(a, "SELECT GET_LOCK('drivers', 10)") == 1
        assert self.one(a, "SELECT RELEASE_LOCK('drivers')") == 1
        a.close()

    def check_shards(self):
        a = self.connected("shop")
        self.rows(a, "DELETE FROM users WHERE id IN (501)")
        for key in range(501, 509):
            self.rows(a, "DELETE FROM users WHERE id = %s", (key,))
            self.rows(a, "INSERT INTO users VALUES (%s, %s)", (key, f"n{key}"))
            for prepared in (False, True) if self.prepared_cursor is not None else (False,):
                assert self.rows(a, "SELECT name FROM users WHERE id = %s", (key,), prepared) == [(f"n{key}",)]
        if SHARDED:
            assert "hint" in self.fails(1235, a, "SELECT COUNT(*) FROM users")
        a.close()

    def run(self):
        import traceback
        for name in [each for each in dir(self) if each.startswith("check_")]:
            try:
                getattr(self, name)()
                print(f"ok {name[6:]}", flush=True)
            except Exception:
                text = traceback.format_exc().strip().splitlines()
                place = [line.strip() for line in text if "checks.py" in line]
                print(f"not ok {name[6:]}: {text[-1][:500]} ({place[-1] if place else ''})", flush=True)
