"""The two sides with the same tables and rows: one plain PostgreSQL, and Ringway before four shards."""

import pathlib
import subprocess

from conftest import APP_SQL, BINARY, ClusterStart, knows_tables, until

from differential import script
from differential.compare import Comparison
from differential.side import Side

HERE = pathlib.Path(__file__).resolve().parent
SHARDS = 4
MAP = {
    "customers": {"key": "id"}, "orders": {"key": "customer_id"}, "items": {"key": "customer_id"}, "events": {"key": "who"},
    "devices": {"key": "id"}, "accounts": {"key": "no"}, "nobody": {"key": "id"}, "lonely": {"key": "id"}, "zoo": {"key": "id"}, "odd": {"key": "k"},
    "tickets": {"key": "id"}, "badges": {"key": "id"},
    "countries": {"reference": True}, "products": {"reference": True},
}
TABLES = [*MAP, "notes"]
FILES = sorted((HERE / "sql").glob("*.sql"))
ROWS_AT_ONCE = 40


class Stage:
    """Starts both; `factory` makes the proxy (conftest.Factory)."""

    def __init__(self, base, factory):
        self.starts = [ClusterStart(base, "mall", SHARDS, 0, APP_SQL, MAP), ClusterStart(base, "plain", 1, 0, APP_SQL)]
        try:
            self.sharded, self.plain = (each.wait() for each in self.starts)
            self.proxy = factory(clusters=self.sharded)
            done = subprocess.run([BINARY, "init", "--config", self.proxy.config], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            assert until(lambda: knows_tables(self.proxy, "mall"))
            self.fill()
        except BaseException:
            self.down()
            raise

    def down(self):
        for each in self.starts:
            each.down()

    @staticmethod
    def conninfo(port, database, user="app"):
        return f"host=127.0.0.1 port={port} dbname={database} user={user} password={user} connect_timeout=10"

    def sides(self):
        """(Ringway, the plain server), each on a connection of its own."""
        ours = Side(self.conninfo(self.proxy.port, "mall"), self.conninfo(self.sharded.primary().port, "mall"))
        theirs = Side(self.conninfo(self.plain.primary().port, "plain"))
        return ours, theirs

    def comparison(self):
        return Comparison(*self.sides())

    def fill(self):
        ours, theirs = self.sides()
        for side in (ours, theirs):
            for statement in script.read(HERE / "schema.sql"):
                self.must(side, statement.text)
        for statement in script.read(HERE / "rows.sql"):
            self.must(theirs, statement.text)
        self.carry(ours, theirs)
        ours.close()
        theirs.close()

    def carry(self, ours, theirs):
        """All rows of the plain server to Ringway; what it had is gone."""
        for table in TABLES:
            assert until(lambda: not ours.run(f"DELETE FROM {table}")[-1].error), ours.run(f"DELETE FROM {table}")[-1]
            rows = theirs.value_rows(f"SELECT * FROM {table}")
            for at in range(0, len(rows), ROWS_AT_ONCE):
                values = ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in rows[at:at + ROWS_AT_ONCE])
                self.must(ours, f"INSERT INTO {table} VALUES {values}")

    @staticmethod
    def must(side, sql):
        result = side.run(sql)[-1]
        assert not result.error, f"{sql[:300]}: {result}"


def literal(value):
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'"
