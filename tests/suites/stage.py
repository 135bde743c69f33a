"""The cluster that foreign suites run against: a primary with two replicas, and Ringway before them.

    stage.py RINGWAY [FILE]    brings both up, writes their ports to FILE (or prints them) and stays until SIGTERM or Ctrl-C

Every database of the servers can be reached through Ringway (`[clusters."*"]`), for suites make their own.
"""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import conftest  # noqa: E402

DATABASES = "suites"
# Suites of drivers want to see all ways to log in, so these users have rules of their own, on the servers and in Ringway alike.
SQL = """
CREATE ROLE suites LOGIN SUPERUSER PASSWORD 'suites';
ALTER DATABASE suites OWNER TO suites;
"""
# Whom postgres.js and tokio-postgres name in their tests, with the passwords that they give there.
NAMED = {"postgres_js_test": "postgres_js_test", "postgres_js_test_md5": "postgres_js_test_md5",
         "postgres_js_test_scram": "postgres_js_test_scram", "pass_user": "password", "md5_user": "password", "scram_user": "password",
         "ssl_user": "password"}
SQL += "".join(f"CREATE ROLE {name} LOGIN PASSWORD '{password}';\n" for name, password in NAMED.items())
EXTRA = "wal_keep_size = 1GB\nmax_locks_per_transaction = 256\nlog_min_messages = warning\n"


class Stage:
    """Servers and proxy; `direct` and `through` are ports. end() stops everything."""

    def __init__(self, binary, environment=None):
        conftest.BINARY = pathlib.Path(binary)
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-suites-"))
        self.base.chmod(0o755)
        self.factory = None
        self.starting = conftest.ClusterStart(
            self.base, DATABASES, 1, 2, SQL, environment={"PG_EXTRA": EXTRA, "PG_MAX_CONNECTIONS": "300"} | (environment or {}))
        try:
            self.cluster = self.starting.wait()
            self.factory = conftest.Factory(self.base, lambda: self.cluster)
            self.proxy = self.factory(self.settings())
        except BaseException:
            self.end()
            raise
        self.direct, self.through = self.cluster.primary().port, self.proxy.port

    def settings(self):
        everything = self.cluster.section() | {"pool_size": 60}
        return {
            "clusters": {self.cluster.name: None, "*": everything},
            "users": {"app": None, "suites": {"password": "suites", "admin": True}}
            | {name: {"password": password} for name, password in NAMED.items()},
        }

    def end(self):
        try:
            if self.factory:
                self.factory.stop_all()
        finally:
            self.starting.down()
            shutil.rmtree(self.base, ignore_errors=True)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.strip())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stage = Stage(sys.argv[1])
    try:
        told = json.dumps({"direct": stage.direct, "through": stage.through, "admin": stage.proxy.admin_port, "log": str(stage.proxy.log),
                           "replicas": [each.port for each in stage.cluster.replicas()], "pid": os.getpid()})
        if len(sys.argv) == 3:
            pathlib.Path(sys.argv[2]).write_text(told + "\n")
        print(told, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        stage.end()


if __name__ == "__main__":
    main()
