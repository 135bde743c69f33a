"""The servers and the proxy that a suite is run before: MariaDB's primary with two GTID replicas, reads and writes split.

`root` (password `suite`) may everything but write where read_only is set, which would hide a statement sent to the wrong server.
`keeper` may, and sets replicas anew. Users that a suite makes itself come in by [users."*"], databases by [clusters."*"].
"""

import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import conftest  # noqa: E402
import my  # noqa: E402
from certificates import Authority  # noqa: E402

PASSWORD = "suite"
USERS_SQL = """
CREATE USER root@'%' IDENTIFIED BY 'suite'; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
GRANT PROXY ON ''@'%' TO root@'%' WITH GRANT OPTION; REVOKE READ_ONLY ADMIN ON *.* FROM root@'%';
CREATE USER keeper@'%' IDENTIFIED BY 'keeper'; GRANT ALL ON *.* TO keeper@'%';
SET sql_log_bin = 0; DROP USER root@'127.0.0.1'; CREATE USER root@'127.0.0.1' IDENTIFIED BY 'suite';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION; REVOKE READ_ONLY ADMIN ON *.* FROM root@'127.0.0.1';
"""


class Stack:
    """up() in a directory of its own; `direct` and `through` are ports of 127.0.0.1."""

    def __init__(self, base, binary, settings="", password=PASSWORD, pool_size=20):
        self.password = password
        conftest.BINARY = pathlib.Path(binary).resolve()
        authority = Authority(base / "authority")
        pem, key = authority.issue("server")
        for file in (pem, key):
            file.chmod(0o644)
        self.ca = authority.ca
        extra = f"ssl-cert = {pem}\nssl-key = {key}\n{settings}"
        self.cluster = my.MyCluster(base, "suite", replicas=2, sql="SELECT 1", environment={"MY_EXTRA": extra})
        try:
            sql = USERS_SQL.replace("'suite'", f"'{password}'")
            for node in [*self.cluster.replicas(), self.cluster.primary()]:
                self.run(node.port, "", sql if node.role == "primary" else sql[sql.index("SET sql_log_bin") :])
            self.factory = conftest.Factory(base, lambda: self.cluster)
            pem, key = map(str, authority.issue("proxy"))
            self.proxy = self.factory({
                "clusters": {"suite": None, "*": self.cluster.section()}, "hba": None,
                "general": {"pool_size": pool_size, "log_queries": os.environ.get("SUITE_LOG_QUERIES") == "1"},
                "users": {"app": None, "root": {"password": password} if password else None, "*": {}},
                "client_tls": {"mode": "allow", "certificate": pem, "key": key}})
        except BaseException:
            self.cluster.down()
            raise
        self.direct, self.through = self.cluster.primary().port, self.proxy.mysql_port

    @staticmethod
    def run(port, password, sql):
        with my.connect(port, "root", password, None) as connection:
            for each in filter(str.strip, sql.split(";")):
                my.rows(connection, each)

    def caught_up(self):
        """The replicas have what the primary has."""
        at = self.rows_of(self.direct, "SELECT @@gtid_binlog_pos")[0][0]
        for node in self.cluster.replicas():
            assert self.rows_of(node.port, f"SELECT MASTER_GTID_WAIT('{at}', 30)")[0][0] == 0, f"{node.address} does not follow"

    def rows_of(self, port, sql):
        with my.connect(port, "root", self.password, None) as connection:
            return my.rows(connection, sql)

    def down(self):
        try:
            self.factory.stop_all()
        finally:
            self.cluster.down()


def workspace():
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-suites-"))
    base.chmod(0o755)
    return base
