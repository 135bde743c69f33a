"""MariaDB's own suite (Debian's mariadb-test): its client mysqltest runs each test of main/ on the primary and through Ringway, and
what it printed is compared. Tests that want servers of their own (.opt, .cnf, restarts) and those that fail on the primary are
listed as such. What differs is run on the primary once more: a test that differs from itself tells nothing.

A server that a test has changed is put back: databases, users, global variables; and replicas that could not follow are set anew.
"""

import difflib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time

import my
import pymysql
import servers

HOME = pathlib.Path(os.environ.get("MTR_HOME", "/usr/share/mysql/mysql-test"))
# As mysql-test-run.pl starts its servers, where the tests' answers depend on it.
SETTINGS = """character-set-server = latin1
default-storage-engine = myisam
use_stat_tables = preferably
histogram_type = json_hb
key_buffer_size = 1M
sort_buffer_size = 256K
max_heap_table_size = 1M
binlog-direct-non-transactional-updates
event-scheduler = OFF
plugin-maturity = unknown
"""
OWN_SERVER = re.compile(r"restart_mysqld|shutdown_mysqld|\$MYSQLD\b|MYSQLD_CMD|expect_crash|kill_mysqld|rpl_|master-slave"
                        r"|shutdown_server|change master|start slave|stop slave|reset master", re.I)
LIMIT = int(os.environ.get("SUITE_LIMIT", "90"))  # seconds a test
KEPT_DATABASES = {"mysql", "information_schema", "performance_schema", "sys", "mtr"}
NOT_RESTORED = {"gtid_slave_pos", "gtid_binlog_state", "gtid_binlog_pos", "gtid_current_pos", "timestamp", "insert_id", "last_insert_id",
                "rand_seed1", "rand_seed2", "pseudo_thread_id", "identity", "error_count", "warning_count", "gtid_seq_no", "read_only",
                "skip_parallel_replication", "skip_replication", "sql_slave_skip_counter", "default_master_connection", "external_user"}


def tests(names=()):
    """{name: path, or why it is not for a server that is there}"""
    found = {}
    disabled = {line.split(":")[0].strip() for line in (HOME / "main/disabled.def").read_text().splitlines() if not line.startswith("#")}
    for path in sorted((HOME / "main").glob("*.test")):
        name = path.stem
        if names and not any(re.fullmatch(each, name) for each in names):
            continue
        own = [kind for kind in (".opt", "-master.opt", ".cnf", ".combinations", "-master.sh", "-slave.opt") if path.with_name(name + kind).exists()]
        match = OWN_SERVER.search(path.read_bytes().decode("latin1"))
        why = "disabled" if name in disabled else f"its own {name}{own[0]}" if own else f"uses {match[0]}" if match else None
        found[name] = why or path
    return found


class Runner:
    def __init__(self, stack, base):
        self.stack, self.vardir = stack, base / "var"
        for each in ("tmp", "log", "run"):
            (self.vardir / each).mkdir(parents=True)
        for each in (self.vardir, *self.vardir.iterdir()):
            each.chmod(0o1777)
        (self.vardir / "std_data").symlink_to(HOME / "std_data")
        self.primary = my.connect(stack.direct, "root", "", None)
        self.rows = lambda sql: my.rows(self.primary, sql)
        self.rows("CREATE DATABASE mtr")
        self.rows("CREATE PROCEDURE mtr.add_suppression(pattern VARCHAR(255)) BEGIN END")
        self.users = set(self.rows("SELECT user, host FROM mysql.global_priv"))
        self.globals = dict(self.rows("SHOW GLOBAL VARIABLES"))
        self.first = None
        self.reset()

    def reset(self):
        """As the servers were before the first test; what was wrong with the replicas."""
        for name, value in self.rows("SHOW GLOBAL VARIABLES"):
            if value != self.globals.get(name) and name not in NOT_RESTORED:
                old = self.globals.get(name)
                for literal in (my_quoted(old), old or "''", "DEFAULT"):
                    try:
                        self.rows(f"SET GLOBAL {name} = {literal}")
                        break
                    except Exception:
                        continue
        for name, in self.rows("SHOW DATABASES"):
            if name not in KEPT_DATABASES:
                self.drop(name)
        for user in set(self.rows("SELECT user, host FROM mysql.global_priv")) - self.users:
            self.rows("DROP USER IF EXISTS '%s'@'%s'" % user)
            self.rows("DROP ROLE IF EXISTS `%s`" % user[0])
        self.rows("CREATE DATABASE test CHARACTER SET latin1")
        at = self.rows("SELECT @@gtid_binlog_pos")[0][0]
        return [why for node in self.stack.cluster.replicas() if (why := self.follow(node, at))]

    def drop(self, database):
        """Files of their own that tests have left there would keep it."""
        try:
            self.rows(f"DROP DATABASE `{database}`")
        except pymysql.err.OperationalError:
            shutil.rmtree(pathlib.Path(self.stack.cluster.primary().data) / database, ignore_errors=True)
            self.rows(f"DROP DATABASE IF EXISTS `{database}`")

    def follow(self, node, position):
        if node.rows(f"SELECT MASTER_GTID_WAIT('{position}', 20)", None)[0][0] == 0:
            return None
        status = node.rows("SHOW SLAVE STATUS", None)
        with my.connect(node.port, "keeper", database=None) as replica:
            my.rows(replica, "STOP SLAVE")
            my.rows(replica, "SET sql_log_bin = 0")
            for name, in my.rows(replica, "SHOW DATABASES"):
                if name not in KEPT_DATABASES:
                    my.rows(replica, f"DROP DATABASE `{name}`")
            my.rows(replica, "CREATE DATABASE test CHARACTER SET latin1")
            my.rows(replica, f"SET GLOBAL gtid_slave_pos = '{position}'")
            my.rows(replica, "START SLAVE")
        time.sleep(1)
        return f"{node.address}: {[each for each in status[0] if isinstance(each, str) and 'rror' in each][:2]}"

    def run(self, path, port, more=()):
        """(exit code, what it printed, what it said went wrong)"""
        client = f"--no-defaults --protocol=tcp --host=127.0.0.1 --port={port} --user=root"
        text = {"MYSQL": f"mariadb {client}", "MYSQL_DUMP": f"mariadb-dump {client}", "MYSQLADMIN": f"mariadb-admin {client}",
                "MYSQL_CHECK": f"mariadb-check {client}", "MYSQL_IMPORT": f"mariadb-import {client}", "MYSQL_SHOW": f"mariadb-show {client}",
                "EXE_MYSQL": "mariadb", "MYSQL_TEST_DIR": str(HOME), "MYSQLTEST_VARDIR": str(self.vardir), "MYSQL_TMP_DIR": str(self.vardir / "tmp"),
                "MYSQLTEST_REAL_VARDIR": str(self.vardir), "MASTER_MYPORT": str(port), "MASTER_MYSOCK": "/nowhere.sock", "MYSQL_BINDIR": "/usr/bin",
                "MYSQL_CHARSETSDIR": "/usr/share/mysql/charsets", "SECURE_LOAD_PATH": str(HOME / "std_data"), "LC_ALL": "C", "TZ": "GMT-3",
                "MTR_SUITE_DIR": str(HOME / "main"), "MTR_TEST_NAME": path.stem, "CHARSETSDIR": "/usr/share/mysql/charsets",
                "DEFAULT_MASTER_PORT": "3306", "MYSQL_LIBDIR": "/usr/lib/mysql", "USE_RUNNING_SERVER": "1"}
        command = ["mysqltest", *shlex.split(client), "--database=test", f"--tmpdir={self.vardir}/tmp", f"--logdir={self.vardir}/log", f"--suite-dir={HOME}/main/",
                   "--character-sets-dir=/usr/share/mysql/charsets", "--plugin-dir=/usr/lib/x86_64-linux-gnu/libmariadb3/plugin", "--skip-ssl",
                   f"--test-file={path}", "--silent", "--max-connect-retries=2", *more]
        out, bad = self.vardir / "out", self.vardir / "err"
        with open(out, "wb") as output, open(bad, "wb") as errors:
            process = subprocess.Popen(command, cwd=HOME, env=os.environ | text, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
            try:
                code = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
                code = f"still running after {LIMIT} s"
        printed = out.read_bytes().decode("latin1").replace(str(port), "PORT")
        return code, printed, bad.read_bytes().decode("latin1").replace(str(port), "PORT")[-1500:]

    def compare(self, name, path, more=()):
        """(verdict, text): same, skipped, direct (fails on the primary), unsteady, differs, fails."""
        broken = self.reset()
        code, printed, errors = self.run(path, self.stack.direct, more)
        if code:
            return ("skipped" if code == 62 else "direct"), errors
        broken = self.reset()
        through = self.run(path, self.stack.through, more)
        broken = self.reset()
        note = f"\nreplicas: {broken}" if broken else ""
        if through[:2] == (code, printed):
            return ("same" if not note else "same, but"), note
        again = self.run(path, self.stack.direct, more)
        if again[:2] != (code, printed):
            return "unsteady", ""
        diff = "\n".join(list(difflib.unified_diff(printed.splitlines(), through[1].splitlines(), "direct", "through", n=4, lineterm=""))[:200])
        return ("fails" if through[0] else "differs"), f"{through[0] or ''} {through[2]}\n{diff if not through[0] else ''}{note}"


def my_quoted(value):
    return "'" + (value or "").replace("'", "''") + "'"
