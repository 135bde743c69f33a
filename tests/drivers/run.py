#!/usr/bin/python3
"""Real drivers through Ringway before real servers; ends with one line: N passed, N failed.

  tests/drivers/run.py RINGWAY [DRIVER...]     all drivers when none is named

Starts `app` (a primary and two replicas) and `shop` (three shards, each a primary and a replica), whose servers ask for SCRAM, and one proxy: SCRAM, TLS for
those who ask, pool_size 2 in transaction mode. Each driver has a program of its own beside this file. It is given where to
connect by the environment (DRIVER_HOST, _PORT, _USER, _PASSWORD, _CA) and prints one line a check:

  ok NAME
  not ok NAME: why

Every driver owes every check of CHECKS; one that it does not report has failed, and so has a driver that cannot be installed.
What is fetched from package registries is kept in build/drivers.
"""
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / "build" / "drivers"
if len(sys.argv) > 1:
    os.environ["RINGWAY_BINARY"] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import conftest  # noqa: E402
from certificates import Authority  # noqa: E402

CHECKS = ("connect", "tls", "prepared", "transactions", "errors", "copy", "cancel", "values", "sharing", "pipeline", "shards")
INSTALL_LIMIT, RUN_LIMIT = 900, 180  # seconds
PASSWORD = "Zeig-mir"


class NotInstalled(Exception):
    """Why a driver cannot be had here."""


@dataclasses.dataclass(frozen=True)
class Driver:
    """`needs`: programs of scripts/driver-packages.txt; `install` runs in a copy of `folder` below build/drivers, as `command` does."""

    name: str
    folder: str
    command: list
    install: list = dataclasses.field(default_factory=list)
    needs: tuple = ()

    def place(self):
        return CACHE / self.folder

    def prepare(self):
        for program in self.needs:
            if not shutil.which(program):
                raise NotInstalled(f"{program} is not here; scripts/driver-packages.txt names its package")
        shutil.copytree(HERE / self.folder, self.place(), dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        if not self.install:
            return
        try:
            done = subprocess.run(self.install, cwd=self.place(), env=self.environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=INSTALL_LIMIT)
        except subprocess.TimeoutExpired:
            raise NotInstalled(f"{' '.join(self.install)} took more than {INSTALL_LIMIT} s") from None
        if done.returncode:
            raise NotInstalled(f"{' '.join(self.install)}:\n{done.stdout[-3000:]}")

    def environment(self):
        # What a developer has set for libpq is not to steer the drivers.
        mine = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return mine | {"GOMODCACHE": str(CACHE / "go-modules"), "GOFLAGS": "-modcacherw", "CARGO_TARGET_DIR": str(CACHE / "target"),
                       "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, where):
        """{check: None or why it failed}"""
        try:
            self.prepare()
        except NotInstalled as why:
            return {"install": str(why)} | {name: "not installed" for name in CHECKS}
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            process = subprocess.Popen(self.command, cwd=self.place(), env=self.environment() | where, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT)
            try:
                end = f"exit code {process.wait(RUN_LIMIT)}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
                end = f"still running after {RUN_LIMIT} s"
            output.seek(0)
            text = output.read()
        found = {name: f"not reported: {end}\n{text[-2000:]}" for name in CHECKS}
        for line in text.splitlines():
            if line.startswith("ok "):
                found[line[3:].strip()] = None
            elif line.startswith("not ok "):
                name, _, why = line[7:].partition(":")
                found[name.strip()] = why.strip() or "no reason given"
        if end != "exit code 0" and not any(found.values()):
            found["end"] = f"{end}\n{text[-2000:]}"
        return found


DRIVERS = [
    Driver("psql", "python", ["/usr/bin/python3", "psql_check.py"], needs=("psql",)),
    Driver("psycopg", "python", ["/usr/bin/python3", "psycopg_check.py"]),
    Driver("asyncpg", "python", ["/usr/bin/python3", "asyncpg_check.py"]),
]


def start(base, starts):
    """The clusters and the proxy; what must be ended is added to `starts`."""
    servers = {"PG_AUTH": "scram-sha-256"}
    app_sql = conftest.APP_SQL + (HERE / "schema.sql").read_text()
    recipes = (("app", 1, 2, app_sql, None), ("shop", 3, 1, conftest.SHOP_SQL, conftest.SHOP_TABLES))
    for name, shards, replicas, sql, tables in recipes:
        starts.append(conftest.ClusterStart(base, name, shards, replicas, sql, tables, servers))
    clusters = [each.wait() for each in starts]
    authority = Authority(base / "authority")
    certificate, key = authority.issue("proxy")
    factory = conftest.Factory(base, lambda: clusters)
    proxy = factory({
        "client_tls": {"mode": "allow", "certificate": str(certificate), "key": str(key)},
        "hba": [{"method": "scram-sha-256"}],
        "users": {"app": {"password": PASSWORD, "server_password": "app", "pool_size": 2}},
    })
    assert conftest.until(lambda: all(conftest.knows_tables(proxy, each.name) for each in clusters), 20), "the catalogs are not read"
    where = {"DRIVER_HOST": "localhost", "DRIVER_PORT": str(proxy.port), "DRIVER_USER": "app", "DRIVER_PASSWORD": PASSWORD,
             "DRIVER_CA": str(authority.ca)}
    return factory, where


def main():
    named = sys.argv[2:]
    drivers = [each for each in DRIVERS if not named or each.name in named]
    unknown = set(named) - {each.name for each in drivers}
    if len(sys.argv) < 2 or unknown:
        sys.exit(f"usage: run.py RINGWAY [{' | '.join(each.name for each in DRIVERS)}]...")
    CACHE.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-drivers-"))
    base.chmod(0o755)
    starts, factory = [], None
    passed = failed = 0
    try:
        factory, where = start(base, starts)
        for driver in drivers:
            found = driver.run(where)
            for name, why in found.items():
                if why:
                    print(f"{driver.name}: {name}: {why}")
            wrong = sum(1 for why in found.values() if why)
            passed, failed = passed + len(found) - wrong, failed + wrong
            print(f"{driver.name}: {len(found) - wrong} passed, {wrong} failed", flush=True)
    finally:
        try:
            if factory:
                factory.stop_all()
        except AssertionError as why:
            failed += 1
            print(f"ringway: {why}")
        for each in starts:
            each.down()
        shutil.rmtree(base, ignore_errors=True)
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


sys.exit(main())
