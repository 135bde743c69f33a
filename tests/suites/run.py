#!/usr/bin/python3
"""The test suites of PostgreSQL and of its drivers, through Ringway and, to compare, on the primary itself.

    run.py RINGWAY [SUITE...]      suites: those of README.md

What is fetched and built stays in build/suites. A difference is a test that passes directly and not through Ringway; those that
expected.txt gives a reason for are counted apart. Ends with 1 if there are others.
"""

import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import drivers  # noqa: E402
from stage import Stage  # noqa: E402
from suite import BIN, CACHE, LIMIT, USER, NotHad, checkout, need, pytest_results, python_at, run  # noqa: E402


# ---- PostgreSQL's own ------------------------------------------------------------------------------------------------


def debian_source(package, place, version=None):
    """Unpacks a Debian source package's own files below `place`; apt is given lists of its own. Answers the folder."""
    (place / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (place / "sources").write_text("deb-src http://deb.debian.org/debian-security bookworm-security main\n"
                                   "deb-src http://deb.debian.org/debian bookworm main\n")
    apt = ["-o", f"Dir::Etc::sourcelist={place}/sources", "-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={place}/lists"]
    need(["apt-get", *apt, "update"], place)
    try:
        need(["apt-get", *apt, "source", "--download-only", f"{package}={version}" if version else package], place)
    except NotHad:  # that version is no longer there: a newer one's tests
        need(["apt-get", *apt, "source", "--download-only", package], place)
    need(["sh", "-c", f"mkdir -p source && tar xf {package}_*.orig.tar.* -C source --strip-components=1"], place)
    return place / "source"


def postgres_source():
    """The source of the installed server, configured, with what the tests load built."""
    place = CACHE / "postgresql"
    source = place / "source"
    if not (place / "built").exists():
        place.mkdir(parents=True, exist_ok=True)
        debian_source("postgresql-15", place, need(["dpkg-query", "-W", "-f", "${source:Version}", "postgresql-15"], place))
        need(["./configure", "--without-readline", "--without-zlib", "--without-icu"], source)
        for folder in ("src/backend generated-headers", "src/interfaces/libpq", "src/test/regress", "src/test/isolation",
                       "src/test/modules/libpq_pipeline"):
            need(["make", "-s", "-j2", "-C", *folder.split()], source)
        need(["chmod", "-R", "a+rX", place], place)
        (place / "built").touch()
    return source


def by_pg_regress(program, tests, schedule, load):
    """A suite of pg_regress: {test: passed} by its own judgement."""
    source = postgres_source()
    folder = source / "src/test" / tests

    def go(stage, port, database):
        out = CACHE / f"{tests}-{database}"
        shutil.rmtree(out, ignore_errors=True)
        (out / "results").mkdir(parents=True)
        for each in (out, out / "results"):
            each.chmod(0o777)
        text = run([folder / program, f"--inputdir={folder}", f"--outputdir={out}", f"--bindir={BIN}", f"--dlpath={load(source)}",
                    "--host=127.0.0.1", f"--port={port}", f"--user={USER}", f"--schedule={folder / schedule}"], folder, PGPASSWORD=USER)
        clean(stage)
        return {name: how == "ok" for name, how in re.findall(r"^\s*(?:test )?([\w.-]+)\s+\.\.\. (ok|FAILED)", text, re.M)}

    return go


def contrib():
    """The extensions' and languages' own tests that want no server of their own; those whose program is not installed fail both ways."""
    source = postgres_source()
    chosen = {}
    for makefile in [*sorted(source.glob("contrib/*/Makefile")), source / "src/pl/plpgsql/src/Makefile", source / "src/pl/plperl/GNUmakefile"]:
        text = makefile.read_text().replace("\\\n", " ")
        names = " ".join(re.findall(r"^REGRESS\s*\+?=([^#\n]*)", text, re.M)).split()
        names = [each for each in names if not each.startswith("$")]
        if names and not re.search(r"^(NO_INSTALLCHECK|REGRESS_OPTS\s*\+?=.*--temp-config)", text, re.M):
            chosen[makefile.parent] = (names, re.findall(r"--load-extension=\S+", text))

    def go(stage, port, database):
        found = {}
        for folder, (names, options) in chosen.items():
            out = CACHE / f"contrib-{database}" / folder.name
            shutil.rmtree(out, ignore_errors=True)
            (out / "results").mkdir(parents=True)
            text = run([source / "src/test/regress/pg_regress", f"--inputdir={folder}", f"--outputdir={out}", f"--bindir={BIN}", *options,
                        f"--dlpath={source / 'src/test/regress'}", "--host=127.0.0.1", f"--port={port}", f"--user={USER}",
                        "--dbname=contrib_regression", *names], folder, PGPASSWORD=USER)
            found |= {f"{folder.name}/{name}": how == "ok" for name, how in re.findall(r"^\s*(?:test )?([\w.-]+)\s+\.\.\. (ok|FAILED)", text, re.M)}
            clean(stage)
        return found

    return go


def clean(stage):
    """Takes away what PostgreSQL's tests leave on the servers: prepared transactions, databases, tablespaces, roles."""
    node = stage.cluster.primary()
    for name, database in node.rows("SELECT gid, database FROM pg_prepared_xacts"):
        node.rows(f"ROLLBACK PREPARED '{name}'", dbname=database)
    for kind, look in (("DATABASE", "SELECT datname FROM pg_database WHERE datname ~ 'regress'"),
                       ("TABLESPACE", "SELECT spcname FROM pg_tablespace WHERE spcname ~ 'regress'"),
                       ("ROLE", "SELECT rolname FROM pg_roles WHERE rolname ~ 'regress'")):
        for (name,) in node.rows(look):
            force = " WITH (FORCE)" if kind == "DATABASE" else ""
            node.rows(f'DROP {kind} "{name}"{force}')


def pipeline():
    """libpq's pipelines: the program's tests, and the trace of each, which shows every message."""
    source = postgres_source()
    program = source / "src/test/modules/libpq_pipeline/libpq_pipeline"
    names = need([program, "tests"], source).split()

    def go(stage, port, database):
        target, found = f"host=127.0.0.1 port={port} user={USER} password={USER} dbname={database} sslmode=disable", {}
        for name in names:
            done = subprocess.run(["timeout", "600", program, "-r", "700", name, target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found[name] = done.returncode == 0
        return found

    return go


# ---- drivers ---------------------------------------------------------------------------------------------------------


def psycopg():
    """PyPI's sdist comes without the tests."""
    place, source = checkout("psycopg", "psycopg/psycopg")
    python = python_at(place, "anyio", "dnspython", source / "psycopg")

    def go(stage, port, database):
        out = run([python, "-m", "pytest", "-q", "--timeout=90", "--tb=no", "-rA", "-p", "no:randomly", "tests", "-m",
                   "not slow and not pool and not mypy and not dns and not subprocess and not timing", "--test-dsn",
                   f"host=127.0.0.1 port={port} user=suites password=suites dbname={database}"], source, PSYCOPG_IMPL="python")
        return pytest_results(out)

    return go


def asyncpg():
    place = CACHE / "asyncpg"
    place.mkdir(parents=True, exist_ok=True)
    source = place / "source"
    python = python_at(place, "asyncpg", "distro")
    if not source.exists():
        need([place / "venv/bin/pip", "download", "-q", "--no-deps", "--no-binary", "asyncpg", "asyncpg"], place)
        need(["sh", "-c", "mkdir source && tar xf asyncpg-*.tar.gz -C source --strip-components=1"], place)
        (source / "asyncpg").rename(source / "asyncpg_source")  # the installed one is compiled

    def go(stage, port, database):
        out = run([python, "-m", "pytest", "-q", "--timeout=60", "--tb=no", "-rA", "-p", "no:cacheprovider", "tests", "--deselect",
                   "tests/test__sourcecode.py"], source, PGHOST="127.0.0.1", PGPORT=str(port), PGUSER="suites", PGPASSWORD="suites",
                  PGDATABASE=database)
        return pytest_results(out)

    return go


def pgx():
    place = CACHE / "pgx"
    environment = {"GOMODCACHE": str(place / "modules"), "GOFLAGS": "-modcacherw"}
    if not (place / "built").exists():
        (place / "tests").mkdir(parents=True, exist_ok=True)
        told = need(["go", "mod", "download", "-json", "github.com/jackc/pgx/v5@latest"], place, **environment)
        source = pathlib.Path(re.search(r'"Dir": "([^"]*)"', told).group(1))
        shutil.copytree(source, place / "source", dirs_exist_ok=True)
        for package in (".", "pgxpool", "stdlib", "pgtype"):
            need(["go", "test", "-c", "-o", place / "tests" / (package.strip(".") or "pgx"), "."], place / "source" / package, **environment)
        (place / "built").touch()

    def go(stage, port, database):
        node = stage.cluster.primary()
        setup = (place / "source/testsetup/postgresql_setup.sql").read_text().partition("-- When running")[0]
        (place / "setup.sql").write_text(setup)
        run(["psql", "-X", "-q", "-h", "127.0.0.1", "-p", node.port, "-U", USER, "-d", database, "-f", place / "setup.sql"], place, PGPASSWORD=USER)
        found = {}
        for package in (".", "pgxpool", "stdlib", "pgtype"):
            text = run([place / "tests" / (package.strip(".") or "pgx"), "-test.v", "-test.timeout", f"{LIMIT}s"], place / "source" / package,
                       PGX_TEST_DATABASE=f"host=127.0.0.1 port={port} user=suites password=suites dbname={database}")
            found |= {f"{package}/{name}": how != "FAIL" for how, name in re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", text, re.M)}
        return found

    return go


SUITES = {
    "regress": lambda: by_pg_regress("pg_regress", "regress", "parallel_schedule", lambda source: source / "src/test/regress"),
    "isolation": lambda: by_pg_regress("pg_isolation_regress", "isolation", "isolation_schedule", lambda source: source / "src/test/regress"),
    "pipeline": pipeline, "contrib": contrib, "psycopg": psycopg, "asyncpg": asyncpg, "pgx": pgx,
} | drivers.SUITES


def expected(suite):
    """{test: reason}: lines `suite test  reason` of expected.txt."""
    lines = (line.split(None, 2) for line in (HERE / "expected.txt").read_text().splitlines() if line and line[0] != "#")
    return {test: reason for of, test, reason in lines if of == suite}


def compare(suite, go, stage):
    """Runs one suite twice and says what differs; the number of differences without a reason."""
    found = {}
    for way, port in (("direct", stage.direct), ("through", stage.through)):
        database = f"{suite}_{way}"
        stage.cluster.primary().rows(f'CREATE DATABASE "{database}"')
        stage.cluster.caught_up()
        found[way] = go(stage, port, database)
    direct, through = found["direct"], found["through"]
    reasons, new, known = expected(suite), [], []
    for name, passed in direct.items():
        if passed and not through.get(name):
            (known if name in reasons else new).append(name)
    print(f"{suite}: {len(direct)} tests, {sum(direct.values())} pass directly, {sum(through.values())} through Ringway; "
          f"{len(known)} differ with a reason, {len(new)} without")
    for name in known:
        print(f"  {name}: {reasons[name]}")
    for name in new:
        print(f"  {name}: {'failed' if name in through else 'not run'} through Ringway")
    return len(new) if direct else 1


def main():
    chosen = sys.argv[2:] or list(SUITES)
    if len(sys.argv) < 2 or set(chosen) - set(SUITES):
        sys.exit(__doc__.strip())
    CACHE.mkdir(parents=True, exist_ok=True)
    missing, bad, stage = [], 0, None
    try:
        for name in chosen:
            try:
                go = SUITES[name]()
            except (NotHad, StopIteration, OSError) as why:
                print(f"{name}: not had: {why}")
                missing.append(name)
                continue
            stage = stage or Stage(sys.argv[1])
            bad += compare(name, go, stage)
            sys.stdout.flush()
    finally:
        if stage:
            stage.end()
    if missing:
        print(f"not run: {', '.join(missing)}")
    return 1 if bad or missing else 0


if __name__ == "__main__":
    sys.exit(main())
