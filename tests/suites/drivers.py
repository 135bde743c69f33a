"""Suites of drivers and of what applications put on them, besides psycopg, asyncpg and pgx (run.py): each function gets one ready and
answers go(stage, port, database), which runs it and answers {test: passed}."""

import contextlib
import json
import pathlib
import re
import shutil
import socket
import threading
import xml.etree.ElementTree

from suite import CACHE, LIMIT, NotHad, checkout, need, pytest_results, python_at, run, run_for_code

HERE = pathlib.Path(__file__).resolve().parent


def setup(stage, database, *statements):
    """Runs statements on the primary, and waits until the replicas have them."""
    for each in statements:
        stage.cluster.primary().rows(each, dbname=database)
    stage.cluster.caught_up()


def login(port, database, user="suites"):
    """libpq's variables, which most drivers heed."""
    return {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": user, "PGPASSWORD": user, "PGDATABASE": database}


# ---- Python ----------------------------------------------------------------------------------------------------------


def psycopg2():
    place, source = checkout("psycopg2", "psycopg/psycopg2")
    python = python_at(place, "psycopg2-binary")

    def go(stage, port, database):
        setup(stage, database, "CREATE EXTENSION IF NOT EXISTS hstore")
        out = run([python, "-m", "pytest", "-q", "--timeout=90", "--tb=no", "-rA", "-p", "no:cacheprovider", "tests"], source,
                  PSYCOPG2_TESTDB_HOST="127.0.0.1", PSYCOPG2_TESTDB_PORT=str(port), PSYCOPG2_TESTDB=database,
                  PSYCOPG2_TESTDB_USER="suites", PSYCOPG2_TESTDB_PASSWORD="suites")
        return pytest_results(out)

    return go


def sqlalchemy():
    """Its dialect for PostgreSQL, and what any database's dialect must do."""
    place, source = checkout("sqlalchemy", "sqlalchemy/sqlalchemy")
    python = python_at(place, "psycopg2-binary", "greenlet", "typing_extensions", "pytest-xdist")

    def go(stage, port, database):
        setup(stage, database, "CREATE SCHEMA test_schema", "CREATE SCHEMA test_schema_2", "CREATE EXTENSION hstore", "CREATE EXTENSION citext",
              f'ALTER DATABASE "{database}" SET default_text_search_config = \'pg_catalog.english\'')
        out = run([python, "-m", "pytest", "-q", "--timeout=90", "--tb=no", "-rA", "-p", "no:cacheprovider", "-p", "no:xdist",
                   "test/dialect/postgresql", "test/dialect/test_suite.py", "--dburi",
                   f"postgresql+psycopg2://suites:suites@127.0.0.1:{port}/{database}"], source)
        return pytest_results(out)

    return go


DJANGO = ("backends", "transactions", "transaction_hooks", "select_for_update", "postgres_tests", "introspection", "inspectdb", "schema")
DJANGO_SETTINGS = """
def one(name):
    return {{"ENGINE": "django.db.backends.postgresql", "NAME": name, "HOST": "127.0.0.1", "PORT": {port}, "USER": "suites",
            "PASSWORD": "suites"}}
DATABASES = {{"default": one("{database}"), "other": one("{database}_other")}}
SECRET_KEY = "suites"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
"""


def django():
    """The tests of its database layer; it makes databases of its own, test_NAME."""
    place = CACHE / "django"
    place.mkdir(parents=True, exist_ok=True)
    python = python_at(place, "Django", "psycopg[binary]", "tblib")
    source = place / "source"
    if not source.exists():
        version = run([python, "-c", "import django; print(django.__version__)"], place).strip()
        need([place / "venv/bin/pip", "download", "-q", "--no-deps", "--no-binary", ":all:", f"Django=={version}"], place)
        need(["sh", "-c", "mkdir source && tar xf [Dd]jango-*.tar.gz -C source --strip-components=1"], place)

    def go(stage, port, database):
        (source / "tests" / "ringway_suite.py").write_text(DJANGO_SETTINGS.format(port=port, database=database))
        out = run([python, "runtests.py", "--settings=ringway_suite", "--parallel=1", "--noinput", "-v2", *DJANGO], source / "tests")
        return {name: how.split()[0] in ("ok", "skipped", "expected") for name, how in
                re.findall(r"^\S+ \(([\w.]+)\)(?:\n[^\n]*?)?? \.\.\. (ok|FAIL|ERROR|skipped|expected failure)", out, re.M)}

    return go


# ---- JavaScript ------------------------------------------------------------------------------------------------------


def node_modules(place, *packages):
    if not (place / "node_modules").exists():
        (place / "package.json").write_text('{"private": true}\n')
        need(["npm", "install", "--silent", "--no-audit", "--no-fund", *packages], place)


def mocha_results(text, prefix):
    """By mocha's reporter `json`, behind whatever the tests have printed."""
    begin = text.find('{\n  "stats"')
    if begin < 0:
        return {}
    with contextlib.suppress(json.JSONDecodeError):
        told, _ = json.JSONDecoder().raw_decode(text[begin:])
        return {re.sub(r"\s+", "_", f"{prefix}/{each['fullTitle']}"): not each["err"] for each in told["tests"]}
    return {}


def node_postgres():
    """pg (a program a file, which ends at its first failure), pg-pool, pg-cursor, pg-query-stream (mocha)."""
    place, source = checkout("node-postgres", "brianc/node-postgres")
    node_modules(place, "pg", "pg-cursor", "pg-query-stream", "pg-pool", "pg-protocol", "async@2.6.4", "bluebird@3.7.2", "co@4.6.0",
                 "pg-copy-streams@0.3.0", "mocha@10", "tsx", "concat-stream@1.0.1", "stream-spec@0.3.6", "JSONStream@1.3.5", "lodash@4", "expect.js@0.3.1")
    packages = source / "packages"

    def go(stage, port, database):
        setup(stage, database, "CREATE EXTENSION IF NOT EXISTS hstore")
        environment, found = login(port, database), {}
        pg = packages / "pg"
        for file in sorted((pg / "test/integration").rglob("*-tests.js")):
            name = str(file.relative_to(pg / "test/integration"))
            code, out = run_for_code(["node", file], pg, 60, **environment)
            found[f"pg/{name}"] = code == 0
        for package, options in (("pg-pool", []), ("pg-cursor", []), ("pg-query-stream", ["--import=tsx", "--extension=ts"])):
            files = sorted(each for kind in ("*.js", "*.ts") for each in (packages / package / "test").glob(kind))
            for file in files:
                out = run([place / "node_modules/.bin/mocha", "--reporter=json", "--exit", "--timeout=20000", *options, file], packages / package, 300,
                          **environment)
                found |= mocha_results(out, f"{package}/{file.name}")
        return found

    return go


def postgres_js():
    """Its own runner stops at the first failure, and its bootstrap wants another pg_hba.conf: both are ours here."""
    place, source = checkout("postgres.js", "porsager/postgres")
    for mine, theirs in (("postgres_js_tests.mjs", "test.js"), ("postgres_js_roles.mjs", "bootstrap.js")):
        shutil.copy(HERE / mine, source / "tests" / theirs)

    def go(stage, port, database):
        setup(stage, "postgres", "DROP DATABASE IF EXISTS postgres_js_test WITH (FORCE)", "CREATE DATABASE postgres_js_test OWNER postgres_js_test")
        out = run(["node", "tests/index.js"], source, **login(port, "postgres_js_test", "postgres"))
        return {re.sub(r"\s+", "_", name): how == "ok" for how, name in re.findall(r"^(ok|failed) (.*)$", out, re.M)}

    return go


# ---- Rust ------------------------------------------------------------------------------------------------------------


class Forwarder:
    """Listens where a suite that knows one port only wants its server, and goes on to another port."""

    def __init__(self, at, to):
        self.to, self.listener = to, socket.create_server(("127.0.0.1", at))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            for source, target in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


RUST_FEATURES = "with-uuid-1 with-serde_json-1 with-chrono-0_4 with-time-0_3 with-eui48-1 with-bit-vec-0_6 with-geo-types-0_7 array-impls"
RUST_PORT = 5433


def tokio_postgres():
    """The crate, which has its tests; they want port 5433, and roles that stage.py makes."""
    place = CACHE / "tokio-postgres"
    if not (place / "built").exists():
        probe = place / "probe"
        (probe / "src").mkdir(parents=True, exist_ok=True)
        (probe / "src/lib.rs").touch()
        (probe / "Cargo.toml").write_text('[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\ntokio-postgres = "0.7"\n')
        need(["cargo", "fetch", "-q"], probe, CARGO_HOME=str(place / "cargo"))
        found = sorted((place / "cargo/registry/src").glob("*/tokio-postgres-*"))
        if not found:
            raise NotHad("cargo has not brought tokio-postgres")
        shutil.copytree(found[-1], place / "source", dirs_exist_ok=True)
        told = need(["cargo", "test", "-q", "--no-run", "--features", RUST_FEATURES, "--message-format=json"], place / "source", CARGO_HOME=str(place / "cargo"))
        programs = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        program = next(each["executable"] for each in programs if each.get("executable") and each["target"]["name"] == "test")
        shutil.copy(program, place / "built")

    def go(stage, port, database):
        setup(stage, "postgres", *(f"CREATE EXTENSION IF NOT EXISTS {each}" for each in ("hstore", "citext", "ltree")))
        try:
            forwarder = Forwarder(RUST_PORT, port)
        except OSError as why:
            raise NotHad(f"port {RUST_PORT}: {why}") from None
        with forwarder:
            out = run([place / "built", "--test-threads=2"], place / "source")
        return {name: how != "FAILED" for name, how in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", out, re.M)}

    return go


# ---- Java ------------------------------------------------------------------------------------------------------------

JDBC = "42.7.4"
JDBC_DONT = "!**/replication/**,!**/ssl/**,!**/*GSS*,!**/SSPITest*,!**/*Slow*"


def pgjdbc():
    """Its source distribution, with the tests; replication, TLS and GSS are left out."""
    place = CACHE / "pgjdbc"
    source = place / "source"
    if not (place / "built").exists():
        source.mkdir(parents=True, exist_ok=True)
        maven = [f"-Dmaven.repo.local={place / 'repository'}", "-q", "-B"]
        need(["mvn", *maven, "dependency:get", f"-Dartifact=org.postgresql:postgresql:{JDBC}:tar.gz:jdbc-src", "-Dtransitive=false"], place)
        archive = next((place / "repository").rglob(f"postgresql-{JDBC}-jdbc-src.tar.gz"))
        need(["tar", "xf", archive, "-C", source, "--strip-components=1"], place)
        need(["mvn", *maven, "-DskipTests", "test-compile"], source)
        (place / "built").touch()

    def go(stage, port, database):
        setup(stage, database, *(f"CREATE EXTENSION IF NOT EXISTS {each}" for each in ("hstore", "citext")))
        (source / "build.local.properties").write_text(
            f"server=127.0.0.1\nport={port}\ndatabase={database}\nusername=suites\npassword=suites\nprivilegedUser=postgres\n"
            f"privilegedPassword=postgres\nsecondaryServer1=127.0.0.1\nsecondaryPort1={port}\nsecondaryServer2=127.0.0.1\nsecondaryPort2={port}\n")
        reports = source / "target/surefire-reports"
        shutil.rmtree(reports, ignore_errors=True)
        run(["mvn", f"-Dmaven.repo.local={place / 'repository'}", "-q", "-B", "-o", "surefire:test", f"-Dtest={JDBC_DONT}", "-Dmaven.test.failure.ignore",
             "-DfailIfNoTests=false"], source, 2 * LIMIT)
        found = {}
        for file in reports.glob("TEST-*.xml"):
            for case in xml.etree.ElementTree.parse(file).iter("testcase"):
                name = re.sub(r"\s+", "_", f"{case.get('classname').removeprefix('org.postgresql.')}.{case.get('name')}")
                found[name] = case.find("failure") is None and case.find("error") is None
        return found

    return go


SUITES = {
    "psycopg2": psycopg2, "sqlalchemy": sqlalchemy, "django": django, "node-postgres": node_postgres, "postgres.js": postgres_js,
    "tokio-postgres": tokio_postgres, "pgjdbc": pgjdbc,
}
