#!/usr/bin/python3
"""Real drivers through Ringway before real servers; ends with one line: N passed, N failed.

  tests/drivers/run.py RINGWAY [DRIVER...]     all drivers, of PostgreSQL and of MySQL (run_mysql.py), when none is named

Starts `app` (a primary and two replicas) and `shop` (three shards, each a primary and a replica), whose servers ask for SCRAM,
and one proxy: SCRAM, TLS for those who ask, pool_size 2 in transaction mode. Each driver has a program of its own beside this
file. It is given where to connect by the environment (DRIVER_HOST, _PORT, _USER, _PASSWORD, _CA, _POOL_SIZE) and
prints one line a check:

  ok NAME
  not ok NAME: why

Every driver owes every check of CHECKS; one that it does not report has failed, and so has a driver that cannot be installed.
The same program is run before one plain server that has both databases: a check that fails there is wrong itself, and counts
as failed too. A driver must leave rows of `orders` on every shard, and no prepared transaction on any.
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

CHECKS = ("connect", "tls", "prepared", "transactions", "errors", "copy", "cancel", "values", "sharing", "listen", "pipeline", "shards")
INSTALL_LIMIT, RUN_LIMIT = 900, 600  # seconds
REASON_LIMIT = 2500  # characters
PASSWORD = "Zeig-mir"
POOL_SIZE = 2


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
    checks: tuple = CHECKS

    def place(self):
        return CACHE / self.folder

    def prepare(self):
        for program in self.needs:
            if not shutil.which(program):
                raise NotInstalled(f"{program} is not on PATH; see scripts/driver-packages.txt")
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

    def check(self, direct, proxy, shop=None):
        """{check: None or why it failed} through the proxy, what fails before a plain server, and what it leaves on the shards."""
        try:
            self.prepare()
        except NotInstalled as why:
            return {"install": str(why)} | {name: "not installed" for name in self.checks}
        wrong = {f"{name} (of a plain server)": why for name, why in self.run(direct).items() if why}
        return self.run(proxy) | wrong | ({"left on the shards": left_on(shop)} if shop else {})

    def run(self, where):
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
        found = {name: f"not reported: {end}\n{text[-2000:]}" for name in self.checks}
        for line in text.splitlines():
            if line.startswith("ok "):
                found[line[3:].strip()] = None
            elif line.startswith("not ok "):
                name, _, why = line[7:].partition(":")
                found[name.strip()] = why.strip() or "no reason given"
        if end != "exit code 0" and not any(found.values()):
            found["end"] = f"{end}\n{text[-2000:]}"
        return found


PYTHON = ["/bin/sh", "-c", "{ [ -x venv/bin/pip ] || /usr/bin/python3 -m venv venv; } && venv/bin/pip install -q --disable-pip-version-check -r requirements.txt"]
NPM = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"]
# The jars are kept like everything else; Maven only brings them, javac needs no plugin of its.
JAVA = ["/bin/sh", "-c", "mvn -q -B -Dmaven.repo.local=../maven dependency:copy-dependencies && rm -rf classes && javac -Xlint -Werror -cp 'jars/*' -d classes *.java"]
DRIVERS = [
    Driver("psql", "python", ["/usr/bin/python3", "psql_check.py"], needs=("psql",)),
    Driver("psycopg", "python", ["venv/bin/python", "psycopg_check.py"], PYTHON),
    Driver("asyncpg", "python", ["venv/bin/python", "asyncpg_check.py"], PYTHON),
    Driver("node-postgres", "node", ["node", "pg_check.mjs"], NPM, ("node", "npm")),
    Driver("postgres.js", "node", ["node", "postgres_check.mjs"], NPM, ("node", "npm")),
    Driver("pgx", "go", ["./pgx_check"], ["go", "build", "-o", "pgx_check", "."], ("go",)),
    Driver("tokio-postgres", "rust", ["../target/debug/tokio_postgres_check"], ["cargo", "build", "-q", "--locked"], ("cargo",)),
    Driver("pgjdbc", "java", ["java", "-cp", "classes:jars/*", "Checks"], JAVA, ("mvn", "javac")),
]


def plain_server(node, authority):
    """Gives one server without a proxy what the clusters have; DRIVER_* for it."""
    certificate, key = authority.issue("server")
    owner = os.stat(node.data)
    for name, source in (("server.crt", certificate), ("server.key", key)):
        copied = pathlib.Path(shutil.copy(source, pathlib.Path(node.data) / name))
        copied.chmod(0o600)
        os.chown(copied, owner.st_uid, owner.st_gid)
    with node.connect(user="postgres") as superuser:
        superuser.execute(f"ALTER ROLE app PASSWORD '{PASSWORD}'")
        superuser.execute("CREATE DATABASE shop OWNER app")
        superuser.execute("ALTER SYSTEM SET ssl = on")
        superuser.execute("SELECT pg_reload_conf()")
    with node.connect(user="postgres", dbname="shop") as superuser:
        superuser.execute("ALTER SCHEMA public OWNER TO app; SET ROLE app;" + conftest.SHOP_SQL.partition("SET ROLE app;")[2])
    return {"DRIVER_PORT": str(node.port), "DRIVER_POOL_SIZE": "100"}


def left_on(shop):
    """Why what a driver has left on the shards is not right, or nothing; wipes its rows."""
    found = []
    for shard in shop.shards:
        primary = shop.primary(shard)
        rows, prepared = (primary.rows(f"SELECT count(*) FROM {name}")[0][0] for name in ("orders", "pg_prepared_xacts"))
        primary.rows("TRUNCATE orders")
        if not rows or prepared:
            found.append(f"{shard} has {rows} orders and {prepared} prepared transactions")
    return ", ".join(found)


def start(base, starts):
    """The clusters, the plain server and the proxy; what must be ended is added to `starts`. Answers DRIVER_* for both, and the cluster of shards."""
    servers = {"PG_AUTH": "scram-sha-256"}
    app_sql = conftest.APP_SQL + (HERE / "schema.sql").read_text()
    recipes = (("app", 1, 2, app_sql, None), ("shop", 3, 1, conftest.SHOP_SQL, conftest.SHOP_TABLES), ("plain", 1, 0, app_sql, None))
    for name, shards, replicas, sql, tables in recipes:
        own = servers | ({"PG_DATABASES": "app"} if name == "plain" else {})
        starts.append(conftest.ClusterStart(base, name, shards, replicas, sql, tables, own))
    *clusters, plain = [each.wait() for each in starts]
    authority = Authority(base / "authority")
    plain.nodes = [dataclasses.replace(each, database="app") for each in plain.nodes]
    direct = plain_server(plain.nodes[0], authority)
    certificate, key = authority.issue("proxy")
    factory = conftest.Factory(base, lambda: clusters)
    proxy = factory({
        "client_tls": {"mode": "allow", "certificate": str(certificate), "key": str(key)},
        "hba": [{"method": "scram-sha-256"}],
        "users": {"app": {"password": PASSWORD, "server_password": "app", "pool_size": POOL_SIZE}},
    })
    subprocess.run([conftest.BINARY, "init", "--config", proxy.config], check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert conftest.until(lambda: all(conftest.knows_tables(proxy, each.name) for each in clusters), 20), "the catalogs are not read"
    where = {"DRIVER_HOST": "localhost", "DRIVER_USER": "app", "DRIVER_PASSWORD": PASSWORD, "DRIVER_CA": str(authority.ca)}
    through = {"DRIVER_PORT": str(proxy.port), "DRIVER_POOL_SIZE": str(POOL_SIZE)}
    return factory, where | direct, where | through, clusters[1]


def main():
    from run_mysql import DRIVERS as MYSQL, start as start_mysql  # which needs this module
    named = sys.argv[2:]
    everything = [*DRIVERS, *MYSQL]
    drivers = [each for each in everything if not named or each.name in named]
    unknown = set(named) - {each.name for each in drivers}
    if len(sys.argv) < 2 or unknown:
        sys.exit(f"usage: run.py RINGWAY [{' | '.join(each.name for each in everything)}]...")
    passed = failed = 0
    for some, begin in ((DRIVERS, start), (MYSQL, start_mysql)):
        chosen = [each for each in some if each in drivers]
        if chosen:
            well, badly = run_all(chosen, begin)
            passed, failed = passed + well, failed + badly
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


def run_all(drivers, start):
    """Drivers of one engine, with the servers that `start` makes: (passed, failed)."""
    CACHE.mkdir(parents=True, exist_ok=True)
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-drivers-"))
    base.chmod(0o755)
    starts, factory = [], None
    passed = failed = 0
    try:
        factory, direct, proxy, *shop = start(base, starts)  # `shop`: the shards, to be looked at afterwards
        for driver in drivers:
            found = driver.check(direct, proxy, *shop)
            for name, why in found.items():
                if why:
                    print(f"{driver.name}: {name}: {why[:REASON_LIMIT]}")
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
    return passed, failed


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
