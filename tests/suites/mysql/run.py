#!/usr/bin/python3
"""The suites of MariaDB and of MySQL's drivers, run by their own runners before MariaDB's primary and through Ringway.

  tests/suites/mysql/run.py RINGWAY [SUITE...]          all when none is named; mtr:'func_.*' names tests of a suite

A test that passes on the primary but not through Ringway is a failure, unless expected.toml says why it must differ; what is
expected and does not differ is told. Nothing is skipped silently: suites that cannot be had or built here fail.
Sources are cloned into build/suites, or taken from SUITE_SOURCES, a directory of clones named owner+name. README.md tells more.
"""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree

import servers
from servers import ROOT

CACHE = ROOT / "build" / "suites"
EXPECTED = tomllib.loads((servers.HERE / "expected.toml").read_text())
INSTALL_LIMIT = 900


class NotHad(Exception):
    """Why a suite cannot be run here."""


def run(command, place, log, limit, environment=None, check=False):
    """The exit code; what it prints goes to `log`. None: it took longer than `limit` seconds."""
    with open(log, "ab") as to:
        process = subprocess.Popen(command, cwd=place, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=to,
                                   stderr=subprocess.STDOUT, shell=isinstance(command, str))
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            code = None
    if check and code != 0:
        raise NotHad(f"{command}: {'too long' if code is None else code}\n{pathlib.Path(log).read_text(errors='replace')[-2000:]}")
    return code


def source(repository):
    """Where a fresh copy of the repository stands."""
    place = CACHE / repository.replace("/", "+")
    if not place.exists():
        kept = os.environ.get("SUITE_SOURCES")
        origin = pathlib.Path(kept) / place.name if kept else f"https://github.com/{repository}"
        if kept and (origin / "repo").exists():
            origin = origin / "repo"
        done = subprocess.run(["git", "clone", "-q", *([] if kept else ["--depth", "1"]), str(origin), str(place)],
                              capture_output=True, text=True, timeout=INSTALL_LIMIT)
        if done.returncode:
            raise NotHad(f"{repository}: {done.stderr.strip()}")
    return place


@dataclasses.dataclass(frozen=True)
class Suite:
    """`prepare(place, log)` installs it; `results(place, port, stack, log)` is {test: passed, failed or skipped}."""

    name: str
    repository: str
    databases: tuple
    prepare: object
    results: object


def venv(packages):
    def prepare(place, log):
        python = CACHE / "venv" / "bin" / "python"
        if not python.exists():
            run(["/usr/bin/python3", "-m", "venv", str(CACHE / "venv")], CACHE, log, INSTALL_LIMIT, check=True)
        run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest", *packages], CACHE, log, INSTALL_LIMIT, check=True)
    return prepare


def pytest_results(place, folder, log, environment=None):
    report = CACHE / "report.xml"
    report.unlink(missing_ok=True)
    run([str(CACHE / "venv/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", folder],
        place, log, 900, environment)
    if not report.exists():
        return {}
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        kinds = {each.tag for each in case}
        found[f"{case.get('classname')}.{case.get('name')}"] = (
            "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed")
    return found


def pymysql_results(place, port, stack, log):
    account = {"host": "127.0.0.1", "port": port, "user": "root", "password": servers.PASSWORD}
    (place / "pymysql/tests/databases.json").write_text(json.dumps([
        account | {"database": "test1", "use_unicode": True, "local_infile": True}, account | {"database": "test2"}]))
    return pytest_results(place, "pymysql", log)


def mysqlclient_results(place, port, stack, log):
    options = CACHE / "mysqlclient.cnf"
    options.write_text(f"[MySQLdb-tests]\nhost = 127.0.0.1\nport = {port}\nuser = root\npassword = {servers.PASSWORD}\n"
                       "database = test1\ndefault-character-set = utf8mb4\n")
    return pytest_results(place, "tests", log, {"TESTDB": str(options)})


def go_build(place, log):
    if not shutil.which("go"):
        raise NotHad("go is not on PATH")
    run(["go", "test", "-c", "-o", "suite.test", "."], place, log, INSTALL_LIMIT, check=True)


def go_results(place, port, stack, log):
    pathlib.Path(log).unlink(missing_ok=True)
    # The one left out wants an address that nobody answers at, which a network without a route has not, and then panics.
    run(["./suite.test", "-test.v", "-test.timeout", "600s", "-test.skip", "TestConnectorReturnsTimeout"], place, log, 700,
        {"MYSQL_TEST_USER": "root", "MYSQL_TEST_PASS": servers.PASSWORD, "MYSQL_TEST_ADDR": f"127.0.0.1:{port}", "MYSQL_TEST_DBNAME": "gotest"})
    text = pathlib.Path(log).read_text(errors="replace")
    words = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
    return {name: words[word] for word, name in re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", text, re.M)}


def npm(place, log):
    if not shutil.which("npm"):
        raise NotHad("npm is not on PATH")
    if not (place / "node_modules").exists():
        run(["npm", "install", "--no-audit", "--no-fund"], place, log, INSTALL_LIMIT, check=True)


def node_results(folders, suffix, arguments):
    """One process a file; its exit code is its result."""
    def results(place, port, stack, log):
        where = {"CI": "1", "NODE_ENV": "test", "MYSQL_HOST": "127.0.0.1", "MYSQL_USER": "root", "MYSQL_PASSWORD": servers.PASSWORD,
                 "MYSQL_DATABASE": "test", "MYSQL_PORT": str(port)}
        found = {}
        for path in sorted(path for folder in folders for path in (place / folder).rglob("*" + suffix)):
            with open(log, "a") as to:
                to.write(f"==== {path.name}\n")
            code = run(["node", *arguments, str(path)], place, log, 60, where)
            found[str(path.relative_to(place))] = "passed" if code == 0 else "failed"
        return found
    return results


SUITES = [
    Suite("pymysql", "PyMySQL/PyMySQL", ("test1", "test2"), venv(["cryptography", "pynacl"]), pymysql_results),
    Suite("mysqlclient", "PyMySQL/mysqlclient", ("test1",), venv(["mysqlclient"]), mysqlclient_results),
    Suite("go-sql-driver", "go-sql-driver/mysql", ("gotest",), go_build, go_results),
    Suite("mysql2", "sidorares/node-mysql2", ("test",), npm, node_results(["test/integration", "test/global"], ".test.mts", ["--import", "tsx"])),
    Suite("mysqljs", "mysqljs/mysql", ("test",), npm, node_results(["test/integration"], ".js", [])),
]


def compare(name, direct, through):
    """How many differ although nothing says why."""
    expected = EXPECTED.get(name, {})
    wrong = 0
    for test, verdict in direct.items():
        other = through.get(test, "missing")
        if verdict != "passed" or other == "passed":
            if test in expected and other == verdict:
                print(f"{name}: {test}: as on the primary, although expected.toml has it")
            continue
        why = expected.get(test)
        wrong += why is None
        print(f"{name}: {test}: {other} through Ringway{': ' + why if why else ''}")
    count = lambda found: sum(1 for each in found.values() if each == "passed")  # noqa: E731
    print(f"{name}: {len(direct)} tests, {count(direct)} pass on the primary, {count(through)} through Ringway, {wrong} differ unexpectedly", flush=True)
    return wrong if direct else 1


def run_drivers(binary, suites):
    base = servers.workspace()
    wrong = 0
    stack = servers.Stack(base, binary)
    try:
        for suite in suites:
            log = CACHE / f"{suite.name}.log"
            log.unlink(missing_ok=True)
            try:
                place = source(suite.repository)
                suite.prepare(place, log)
            except NotHad as why:
                print(f"{suite.name}: cannot be run: {why}")
                wrong += 1
                continue
            found = []
            for port in (stack.direct, stack.through):
                for database in suite.databases:
                    stack.run(stack.direct, servers.PASSWORD, f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8mb4")
                stack.caught_up()
                found.append(suite.results(place, port, stack, CACHE / f"{suite.name}-{'direct' if port == stack.direct else 'through'}.log"))
            wrong += compare(suite.name, *found)
    finally:
        stack.down()
        shutil.rmtree(base, ignore_errors=True)
    return wrong


def run_mtr(binary, names):
    import mtr
    if not mtr.HOME.exists() or not shutil.which("mysqltest"):
        print("mtr: cannot be run: Debian's package mariadb-test is not installed")
        return 1
    base = servers.workspace()
    stack = servers.Stack(base, binary, mtr.SETTINGS, password="")
    counts, wrong, expected = {}, 0, EXPECTED.get("mtr", {})
    try:
        runner = mtr.Runner(stack, base)
        for name, path in mtr.tests(names).items():
            verdict, text = ("own server", path) if isinstance(path, str) else runner.compare(name, path)
            counts[verdict] = counts.get(verdict, 0) + 1
            why = expected.get(name)
            differs = verdict in ("differs", "fails")
            wrong += differs and why is None
            if verdict != "same":
                print(f"mtr: {name}: {verdict}{': ' + why if why and differs else ''}\n{text if differs and not why else ''}".rstrip(), flush=True)
    finally:
        stack.down()
        shutil.rmtree(base, ignore_errors=True)
    print(f"mtr: {sum(counts.values())} tests: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())), flush=True)
    return wrong


def main():
    named = dict(each.partition(":")[::2] for each in sys.argv[2:])
    known = [each.name for each in SUITES] + ["mtr"]
    if len(sys.argv) < 2 or set(named) - set(known):
        sys.exit(f"usage: run.py RINGWAY [{' | '.join(known)}]...")
    CACHE.mkdir(parents=True, exist_ok=True)
    drivers = [each for each in SUITES if not named or each.name in named]
    wrong = run_drivers(sys.argv[1], drivers) if drivers else 0
    if not named or "mtr" in named:
        wrong += run_mtr(sys.argv[1], [named["mtr"]] if named.get("mtr") else ())
    print(f"\n{wrong} unexpected", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
