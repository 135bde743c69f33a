"""MySQL's parser against a MariaDB server: what the server's parser takes ours takes, and what is called a read runs on a server
that is read-only. The corpus is tests/router/mysql/corpus; the server's own help texts and views are more of it."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pymysql
import pytest

from conftest import BINARY, ROOT, free_ports, until

PARSE = pathlib.Path(os.environ.get("RINGWAY_MYSQL_PARSE", BINARY.parent / "mysql_parse"))
CORPUS = ROOT / "tests" / "router" / "mysql" / "corpus"

WORLD = """
CREATE DATABASE shop;
USE shop;
CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c VARCHAR(50), d DATETIME, e DECIMAL(10,2), g TEXT, j JSON, p POINT,
  KEY a (a), KEY b (b), FULLTEXT (g));
INSERT INTO t (id, a, b, c, d, e, g, j) VALUES (1, 1, 2, 'ab', '2020-01-01', 1.5, 'word', '{"a":1,"list":["x"]}'), (2, 3, 4, 'x', NULL, 2, '', '{}');
CREATE TABLE u LIKE t;
INSERT INTO u SELECT * FROM t;
CREATE TABLE log (n INT);
CREATE TABLE history (id INT) WITH SYSTEM VERSIONING;
CREATE TABLE period (a INT, d1 DATE, d2 DATE, PERIOD FOR p (d1, d2));
CREATE VIEW v AS SELECT * FROM t;
CREATE SEQUENCE s;
CREATE FUNCTION counts(x INT) RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM t) + x;
CREATE PROCEDURE p() SELECT 1;
CREATE FUNCTION changes(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO log VALUES (x); RETURN x; END;
CREATE USER reader@localhost;
GRANT ALL ON *.* TO reader@localhost;
REVOKE READ_ONLY ADMIN, SUPER ON *.* FROM reader@localhost;
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A MariaDB server of its own; gives a function that opens a connection to it."""
    folder = tmp_path_factory.mktemp("mariadb")
    [port] = free_ports(1)
    data, socket = folder / "data", folder / "s"
    who = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                    "--skip-test-db", *who], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={socket}",
             "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--event-scheduler=OFF", *who],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def connect(user="root", **more):
        return pymysql.connect(unix_socket=str(socket), user=user, charset="utf8mb4", autocommit=True, **more)

    def answers():
        try:
            return connect()
        except pymysql.err.OperationalError:
            return None

    try:
        one = until(answers, limit=60)
        assert one, (folder / "log").read_text(errors="replace")
        with one.cursor() as cursor:
            for statement in re.split(r";\n", WORLD.strip()):
                cursor.execute(statement.rstrip(";"))
        one.close()
        yield connect
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def corpus():
    sys.path.insert(0, str(CORPUS))
    try:
        import generate
        return generate.corpus()
    finally:
        sys.path.remove(str(CORPUS))


def judged(server, tmp_path, statements, database="shop"):
    """What the parser says of each: (kind, statements, verbs, reason)."""
    one = server()
    with one.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        major, minor, patch = re.match(r"(\d+)\.(\d+)\.(\d+)", cursor.fetchone()[0]).groups()
        cursor.execute("SELECT CONCAT('table ', table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema = 'shop'")
        known = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT CONCAT(IF(sql_data_access IN ('NO SQL', 'READS SQL DATA'), 'reads ', 'function '), routine_schema, '.',"
                       " LOWER(routine_name)) FROM information_schema.routines WHERE routine_type = 'FUNCTION'")
        known += [row[0] for row in cursor.fetchall()]
    one.close()
    (tmp_path / "catalog").write_text("\n".join(known) + "\n")
    version = int(major) * 10000 + int(minor) * 100 + int(patch)
    done = subprocess.run([PARSE, "mariadb", str(version), database, tmp_path / "catalog"],
                          input="".join(each + "\0" for each in statements).encode(), stdout=subprocess.PIPE, check=True, timeout=120)
    lines = done.stdout.decode(errors="replace").split("\n")[:-1]
    assert len(lines) == len(statements)
    return [line.split("\t") for line in lines]


# Told before the server's parser has come to the end: unknown variables and parameters in odd places.
BEFORE_THE_END = (1193, 1231, 1327)


def accepted(cursor, statement):
    """Whether the server's parser takes it, running nothing: as the text of a PREPARE."""
    cursor.execute("SET @text = %s", (statement,))
    try:
        cursor.execute("PREPARE asked FROM @text")
    except pymysql.err.MySQLError as error:
        return error.args[0] not in (1064, 1065, 1149) + BEFORE_THE_END
    return True


def not_read(server, tmp_path, statements):
    """Statements that the server takes and the parser does not; and how many the server takes."""
    one = server(database="shop")
    taken = 0
    missing = []
    with one.cursor() as cursor:
        for statement, said in zip(statements, judged(server, tmp_path, statements)):
            if not accepted(cursor, statement):
                continue
            taken += 1
            if said[0] == "error":
                missing.append((statement, said[3]))
    one.close()
    return missing, taken


def test_every_statement_of_the_corpus_that_the_server_takes_is_read(server, tmp_path):
    statements = corpus()
    assert len(statements) >= 3000 and len(set(statements)) == len(statements)
    missing, taken = not_read(server, tmp_path, statements)
    assert taken >= 3000
    assert not missing, "\n".join(f"{said}: {statement}" for statement, said in missing)


def test_what_is_called_a_read_runs_on_a_read_only_server(server, tmp_path):
    statements = corpus()
    root = server()
    with root.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
    failed, ran = [], 0
    connection = None
    try:
        for statement, (kind, _, verbs, reason) in zip(statements, judged(server, tmp_path, statements)):
            if kind != "read":
                continue
            if connection is None or not connection.open:
                connection = server("reader", database="shop", read_timeout=20)
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    cursor.fetchall()
                ran += 1
            except pymysql.err.MySQLError as error:
                if "read-only" in str(error) or "READ ONLY" in str(error).upper().replace("-", " "):
                    failed.append(f"{error}: {statement} ({reason})")
            if verbs != "1":  # it may have changed the session
                connection.close()
    finally:
        with root.cursor() as cursor:
            cursor.execute("SET GLOBAL read_only = 0")
    assert not failed, "\n".join(failed)
    assert ran >= 1200


def test_writes_are_not_called_reads(server, tmp_path):
    """The other way round would pass if everything were a write: so much of the corpus reads."""
    kinds = [said[0] for said in judged(server, tmp_path, corpus())]
    assert kinds.count("read") >= 1500 and kinds.count("write") >= 1500


EXAMPLE = re.compile(
    r"^(?:mysql>|MariaDB \[[^\]]*\]>)?\s*((?:SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|SET|SHOW|WITH|EXPLAIN|ANALYZE|CALL|"
    r"LOAD|GRANT|REVOKE|BEGIN|START|LOCK|HANDLER|PREPARE|EXECUTE|DO|KILL|FLUSH|RENAME|TRUNCATE|VALUES|XA|USE|DESCRIBE|DESC|PURGE|CHANGE|"
    r"OPTIMIZE|CHECK|CHECKSUM|REPAIR|BACKUP|HELP|SIGNAL|DEALLOCATE|RESET|STOP|SAVEPOINT|ROLLBACK|RELEASE|COMMIT|INSTALL|UNINSTALL)\b.*?);\s*$",
    re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_servers_help_are_read(server, tmp_path):
    one = server()
    with one.cursor() as cursor:
        cursor.execute("SELECT description, example FROM mysql.help_topic")
        texts = [text for row in cursor.fetchall() for text in row]
    one.close()
    found = dict.fromkeys(re.sub(r"\n\s*->", "\n", match[1]) for text in texts for match in EXAMPLE.finditer(text)
                          if "\n\n" not in match[1])
    missing, taken = not_read(server, tmp_path, list(found))
    assert taken >= 500
    assert not missing, "\n".join(f"{said}: {statement}" for statement, said in missing)


def test_the_definitions_of_the_servers_own_views_and_routines_are_read(server, tmp_path):
    one = server()
    with one.cursor() as cursor:
        cursor.execute("SELECT view_definition FROM information_schema.views")
        statements = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT routine_schema, routine_name, routine_type FROM information_schema.routines")
        for schema, name, kind in cursor.fetchall():
            cursor.execute(f"SHOW CREATE {kind} `{schema}`.`{name}`")
            statements.append(cursor.fetchone()[2])
        cursor.execute("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type LIKE '%TABLE%'"
                       " AND table_schema NOT IN ('information_schema')")
        for schema, name in cursor.fetchall():
            cursor.execute(f"SHOW CREATE TABLE `{schema}`.`{name}`")
            statements.append(cursor.fetchone()[1])
    one.close()
    assert len(statements) >= 150
    failed = [f"{said[3]}: {text}" for text, said in zip(statements, judged(server, tmp_path, statements)) if said[0] == "error"]
    assert not failed, "\n".join(failed)
