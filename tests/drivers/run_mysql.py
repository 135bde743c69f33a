"""Drivers of MySQL and MariaDB, checked as run.py says: `app` (a primary and two replicas) and `shop` (two shards) of MariaDB, one
proxy with pool_size 2 and TLS for those who ask; and one plain server that has both databases. run.py starts it."""

import run
from certificates import Authority
from conftest import Factory, knows_tables, until
from my import MyCluster

CHECKS = ("connect", "tls", "prepared", "transactions", "errors", "values", "sharing", "session", "shards")
PYTHON = ["venv/bin/python"]


def driver(name, folder, command, install=(), needs=()):
    return run.Driver(name, f"mysql/{folder}", command, list(install), needs, CHECKS)


JAVA = ["/bin/sh", "-c", run.JAVA[2].replace("../maven", "../../maven")]
DRIVERS = [
    driver("mariadb-client", "python", ["/usr/bin/python3", "client_check.py"], needs=("mariadb",)),
    driver("pymysql", "python", [*PYTHON, "pymysql_check.py"], run.PYTHON),
    driver("mysqlclient", "python", [*PYTHON, "mysqlclient_check.py"], run.PYTHON),
    driver("mysql-connector-python", "python", [*PYTHON, "connector_check.py"], run.PYTHON),
    driver("mysql2", "node", ["node", "mysql2_check.mjs"], run.NPM, ("node", "npm")),
    driver("mysql", "node", ["node", "mysql_check.mjs"], run.NPM, ("node", "npm")),
    driver("mariadb", "node", ["node", "mariadb_check.mjs"], run.NPM, ("node", "npm")),
    driver("go-sql-driver", "go", ["./mysql_check"], ["go", "build", "-o", "mysql_check", "."], ("go",)),
    driver("connector-j", "java", ["java", "-cp", "classes:jars/*", "Checks", "mysql"], JAVA, ("mvn", "javac")),
    driver("mariadb-connector-j", "java", ["java", "-cp", "classes:jars/*", "Checks", "mariadb"], JAVA, ("mvn", "javac")),
]


def start(base, starts):
    """As run.start."""
    sql = (run.HERE / "mysql" / "schema.sql").read_text()
    users = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50));"
    authority = Authority(base / "authority")
    certificate, key = authority.issue("server")
    for file in (certificate, key):
        file.chmod(0o644)
    own = {"MY_PASSWORD": run.PASSWORD, "MY_EXTRA": f"ssl-cert = {certificate}\nssl-key = {key}"}
    for name, more in (("app", {"replicas": 2, "sql": sql}), ("shop", {"shards": 2, "sql": users, "tables": {"users": {"key": "id"}}}),
                       ("plain", {"sql": sql + "CREATE DATABASE shop; USE shop;" + users})):
        databases = {"MY_DATABASES": "app"} if name == "plain" else {}
        starts.append(MyCluster(base, name, environment=own | databases, **more))
    *clusters, plain = starts
    certificate, key = authority.issue("proxy")
    factory = Factory(base, lambda: clusters)
    proxy = factory({
        "client_tls": {"mode": "allow", "certificate": str(certificate), "key": str(key)}, "hba": None,
        "users": {"app": {"password": run.PASSWORD, "pool_size": run.POOL_SIZE}},
    })
    assert until(lambda: all(knows_tables(proxy, each.name) for each in clusters), 20), "the catalogs are not read"
    where = {"DRIVER_HOST": "localhost", "DRIVER_USER": "app", "DRIVER_PASSWORD": run.PASSWORD, "DRIVER_CA": str(authority.ca)}
    direct = {"DRIVER_PORT": str(plain.primary().port), "DRIVER_POOL_SIZE": "100", "DRIVER_SHARDED": "0"}
    through = {"DRIVER_PORT": str(proxy.mysql_port), "DRIVER_POOL_SIZE": str(run.POOL_SIZE), "DRIVER_SHARDED": "1"}
    return factory, where | direct, where | through
