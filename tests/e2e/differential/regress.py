#!/usr/bin/python3
"""Compares Ringway before four shards with one PostgreSQL by the statements of PostgreSQL's own regress files, by hand:

  tests/e2e/differential/regress.py SOURCE FILE.sql ... [--mode simple|extended|prepared] [--refused]

SOURCE is PostgreSQL's unpacked source (`apt-get source postgresql-15`), the files are of its src/test/regress/sql. Each table that a file makes is
sharded by its first column of a type that may be a key; temporary tables are made as others. Not run: what psql does itself, EXPLAIN, VACUUM, and what
needs the C functions of the suite. What differs has to be looked at: rows that LIMIT, window functions and cursors take from an order that the
statement leaves open are others on any two servers.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import conftest  # noqa: E402
from conftest import APP_SQL, BINARY, ClusterStart, knows_tables, until  # noqa: E402

from differential import script  # noqa: E402
from differential.compare import Comparison, Tally  # noqa: E402
from differential.side import MODES, Side  # noqa: E402
from differential.stage import SHARDS, Stage  # noqa: E402

USER = "postgres"
KEY_TYPES = {"int2", "int4", "int8", "int", "integer", "bigint", "smallint", "text", "varchar", "uuid", "date", "numeric", "serial", "bigserial", "character"}
CREATE = re.compile(r"\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?(\w+)\s*\((.*?)\)\s*(;|inherits|partition|using|with)", re.IGNORECASE | re.DOTALL)
TEMPORARY = re.compile(r"\b(create(?:\s+or\s+replace)?)\s+(?:local\s+)?(?:temp|temporary|unlogged)\s+(?=table|view|sequence|recursive)", re.IGNORECASE)
AT_COMMIT = re.compile(r"\bon\s+commit\s+(?:drop|delete\s+rows|preserve\s+rows)", re.IGNORECASE)
LEFT_OUT = re.compile(r"\s*(explain|vacuum|analyze|discard|listen|notify|load|checkpoint|alter\s+system|(create|drop)\s+(database|tablespace))\b"
                      r"|.*(pg_temp|regresslib|:'|:\")", re.IGNORECASE | re.DOTALL)
COLUMNS = ("unique1 unique2 two four ten twenty hundred thousand twothousand fivethous tenthous odd even".split(), "stringu1 stringu2 string4".split())
SMALL = {  # test_setup.sql's: a column, its type, its rows
    "char_tbl": ("f1 char(4)", ["'a'", "'ab'", "'abcd'", "'abcd    '"]),
    "float8_tbl": ("f1 float8", ["'0.0'", "'-34.84'", "'-1004.30'", "'-1.2345678901234e+200'", "'-1.2345678901234e-200'"]),
    "int2_tbl": ("f1 int2", ["0", "1234", "-1234", "32767", "-32767"]),
    "int4_tbl": ("f1 int4", ["0", "123456", "-123456", "2147483647", "-2147483647"]),
    "int8_tbl": ("q1 int8, q2 int8", ["123, 456", "123, 4567890123456789", "4567890123456789, 123", "4567890123456789, 4567890123456789",
                                      "4567890123456789, -4567890123456789"]),
    "text_tbl": ("f1 text", ["'doh!'", "'hi de ho neighbor'"]),
    "varchar_tbl": ("f1 varchar(4)", ["'a'", "'ab'", "'abcd'"]),
}
LARGE = {"onek": "onek", "onek2": "onek", "tenk1": "tenk", "tenk2": "tenk"}


def keyed(name, columns):
    """The map's entry of a table: none when no column may be its key."""
    for column in re.split(r",(?![^(]*\))", columns):
        words = column.split()
        if len(words) > 1 and re.sub(r"\(.*", "", words[1]).lower() in KEY_TYPES and words[0].lower() not in ("like", "primary", "foreign", "check"):
            return {name.lower(): {"key": words[0].strip('"')}}
    return {}


def tables_of(text):
    out = {}
    for name, columns, after in CREATE.findall(text):
        if after.lower() not in ("inherits", "partition"):
            out |= keyed(name, columns)
    return out


def without_psql(text):
    """What psql sends of a file."""
    out, data = [], False
    for line in text.split("\n"):
        if not data and (re.match(r"\s*\\(?!\.)", line)):
            continue
        data = line.strip() != "\\." and (data or bool(re.match(r"\s*copy\b.*\bfrom\s+stdin\b.*;", line, re.IGNORECASE)))
        out.append(line if data else re.sub(r"\\(g|crosstab|bind).*", ";", line))
    text = AT_COMMIT.sub("", TEMPORARY.sub(r"\1 ", "\n".join(out)))
    return re.sub(r"\binto\s+temp(orary)?\b", "into", text, flags=re.IGNORECASE) + "\n;\n"


class Regress:
    def __init__(self, source, base):
        self.regress, self.base = source / "src" / "test" / "regress", base
        starts = {name: ClusterStart(base, name, shards, 0, APP_SQL, {}) for name, shards in (("mall", SHARDS), ("plain", 1))}
        self.starts = list(starts.values())
        self.sharded, self.plain = (each.wait() for each in self.starts)

    def down(self):
        for each in self.starts:
            each.down()

    def fill(self, side):
        """The tables that all files read, as test_setup.sql makes them."""
        for name, (columns, rows) in SMALL.items():
            Stage.must(side, f"CREATE TABLE {name} ({columns})")
            for row in rows:
                Stage.must(side, f"INSERT INTO {name} VALUES ({row})")
        numbers, names = COLUMNS
        columns = ", ".join([f"{each} int4" for each in numbers] + [f"{each} name" for each in names])
        for name, data in LARGE.items():
            Stage.must(side, f"CREATE TABLE {name} ({columns})")
            result = side.run(f"COPY {name} FROM STDIN", data=(self.regress / "data" / f"{data}.data").read_text())[-1]
            assert not result.error, result

    @staticmethod
    def empty(node, database):
        side = Side(Stage.conninfo(node.port, database, USER))
        for (name,) in side.value_rows("SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"):
            Stage.must(side, f"DROP SCHEMA {name} CASCADE")
        for (name,) in side.value_rows("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname ~ '^regress'"):
            side.run(f"DROP OWNED BY {name} CASCADE")
            side.run(f"DROP ROLE {name}")
        for sql in ("CREATE SCHEMA public", "GRANT ALL ON SCHEMA public TO public"):
            Stage.must(side, sql)
        side.close()

    def file(self, name, mode):
        """Compares the statements of one file, in databases that are empty before."""
        for cluster in (self.sharded, self.plain):
            for node in cluster.nodes:
                self.empty(node, cluster.name)
        path = self.base / name
        path.write_text(without_psql((self.regress / "sql" / name).read_text(errors="replace")))
        common = {table: columns for table, (columns, _) in SMALL.items()} | {table: "unique1 int4" for table in LARGE}
        self.sharded.tables = {}
        for table, columns in common.items():
            self.sharded.tables |= keyed(table, columns)
        self.sharded.tables |= tables_of(path.read_text())
        factory = conftest.Factory(self.base, lambda: None)
        try:
            proxy = factory(clusters=self.sharded)
            subprocess.run([BINARY, "init", "--config", proxy.config], check=True, capture_output=True, timeout=60)
            assert until(lambda: knows_tables(proxy, "mall"))
            ours = Side(Stage.conninfo(proxy.port, "mall", USER), Stage.conninfo(self.sharded.primary().port, "mall", USER))
            theirs = Side(Stage.conninfo(self.plain.primary().port, "plain", USER))
            for side in (ours, theirs):
                self.fill(side)
            tally, comparison = Tally(), Comparison(ours, theirs)
            comparison.run([each for each in script.read(path) if not LEFT_OUT.match(each.text)], mode, tally, name)
            return tally
        finally:
            factory.stop_all()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("source", type=pathlib.Path)
    options.add_argument("files", nargs="+")
    options.add_argument("--mode", choices=MODES, default="simple")
    options.add_argument("--refused", action="store_true", help="print what was refused")
    chosen = options.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-regress-"))
    base.chmod(0o755)
    regress, total = None, Tally()
    try:
        regress = Regress(chosen.source, base)
        for name in chosen.files:
            begun = time.monotonic()
            tally = regress.file(name, chosen.mode)
            print(f"{name}: {tally}, {time.monotonic() - begun:.1f} s", flush=True)
            for each in tally.different + (tally.unexpected if chosen.refused else []):
                print(f"  {each}")
            total.add(tally)
    finally:
        if regress:
            regress.down()
        shutil.rmtree(base, ignore_errors=True)
    print(f"all: {total}")
    return 1 if total.different else 0


if __name__ == "__main__":
    sys.exit(main())
