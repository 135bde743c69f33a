"""Reads over MariaDB's replicas: Y29, Y31, Y32 and Y34 of the traps."""

import contextlib

import my
import my_wire
import pymysql
import pytest
from conftest import admin, knows_tables, until
from pymysql.constants import CLIENT


def test_y32_a_write_is_seen_by_the_next_read(my_proxy, my_cluster):
    replica = my_cluster.replicas()[0]
    with my.connect(my_proxy.mysql_port) as a:
        for stopped in (False, True):
            if stopped:
                replica.rows("STOP SLAVE SQL_THREAD")
            try:
                for number in range(30):
                    my.rows(a, f"UPDATE t SET v = '{number}' WHERE id = 3")
                    assert my.value(a, "SELECT v FROM t WHERE id = 3") == str(number)
            finally:
                if stopped:
                    replica.rows("START SLAVE SQL_THREAD")


@pytest.mark.servers("mariadb")
def test_y32_writes_that_end_in_rows_are_seen_by_the_next_read(my_proxy, my_cluster):
    """MariaDB makes the end of the rows before it commits: nothing there tells of the write."""
    replica = my_cluster.replicas()[0]
    with my.connect(my_proxy.mysql_port, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as a:
        my.made_anew(a, "TABLE", "unsafe", "(id INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=0")
        my.made_anew(a, "PROCEDURE", "shows_and_writes()", "BEGIN INSERT INTO made (v) VALUES ('c'); SELECT 1; END")
        before = my.value(a, "SELECT COUNT(*) FROM made")
        assert until(lambda: replica.rows("SELECT COUNT(*) FROM made")[0][0] == before and replica.rows("SHOW TABLES LIKE 'unsafe'"))
        replica.rows("STOP SLAVE SQL_THREAD")
        try:
            for sql in ("INSERT INTO made (v) VALUES ('r') RETURNING id", "REPLACE INTO made (v) VALUES ('r') RETURNING id",
                        "DELETE FROM made ORDER BY id DESC LIMIT 1 RETURNING id", "ANALYZE INSERT INTO made (v) VALUES ('r')",
                        "ANALYZE FORMAT=JSON INSERT INTO made (v) VALUES ('r')", "ANALYZE DELETE FROM made ORDER BY id DESC LIMIT 1",
                        "SET STATEMENT max_statement_time = 20 FOR INSERT INTO made (v) VALUES ('r') RETURNING id",
                        "INSERT INTO made (v) VALUES ('r') RETURNING id; SELECT 1", "SELECT 1; INSERT INTO made (v) VALUES ('r') RETURNING id",
                        "INSERT INTO unsafe VALUES (7), (7)", "BEGIN; INSERT INTO made (v) VALUES ('r') RETURNING id; COMMIT",
                        "CALL shows_and_writes()"):
                with my.connect(my_proxy.mysql_port, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS) as b:
                    table = "unsafe" if "unsafe" in sql else "made"
                    try:
                        with b.cursor() as cursor:
                            cursor.execute(sql)
                            while cursor.nextset():
                                pass
                    except pymysql.err.IntegrityError:
                        assert table == "unsafe"
                    expected = my_cluster.primary().rows(f"SELECT COUNT(*), MAX(id) FROM {table}")
                    for _ in range(4):
                        assert my.rows(b, f"SELECT COUNT(*), MAX(id) FROM {table}") == expected, sql
        finally:
            replica.rows("START SLAVE SQL_THREAD")


@pytest.mark.servers("mariadb")
def test_y32_prepared_writes_that_end_in_rows(my_proxy, my_cluster):
    replica = my_cluster.replicas()[0]
    replica.rows("STOP SLAVE SQL_THREAD")
    try:
        for sql in ("INSERT INTO made (v) VALUES ('p') RETURNING id", "ANALYZE INSERT INTO made (v) VALUES ('p')"):
            with my_wire.Wire(my_proxy.mysql_port) as a:
                number = a.prepare(sql)[0]
                a.execute(number)
                assert a.result()
                expected = my_cluster.primary().rows("SELECT COUNT(*) FROM made")[0][0]
                for _ in range(4):
                    assert int(a.query("SELECT COUNT(*) FROM made")[0][0]) == expected, sql
    finally:
        replica.rows("START SLAVE SQL_THREAD")


def test_y29_what_needs_the_primary_is_written_there(my_proxy, my_cluster):
    """Each of these fails with 1290 on a replica, or shows another value there."""
    with my.connect(my_proxy.mysql_port) as a:
        my.made_anew(a, "FUNCTION", "writes()", "RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO made (v) VALUES ('f'); RETURN 1; END")
        of_mariadb = ("SELECT NEXTVAL(numbers)", "INSERT INTO made (v) VALUES ('r') RETURNING id", "SELECT RELEASE_ALL_LOCKS()",
                      "SELECT * FROM t WHERE id = 1 FOR UPDATE SKIP LOCKED")
        if my_cluster.server == "mariadb":
            my.rows(a, "CREATE OR REPLACE SEQUENCE numbers")
        for sql in (*(of_mariadb if my_cluster.server == "mariadb" else ()),"SELECT * FROM t WHERE id = 1 FOR UPDATE", "SELECT * FROM t LOCK IN SHARE MODE", "SELECT writes()",
                    "(SELECT writes())", "/* c */ SELECT writes()", "SELECT v FROM t WHERE id = 1 INTO @v",
                    "DO GET_LOCK('y29', 0)", "DO RELEASE_LOCK('y29')"):
            my.rows(a, sql)


def wait_for_reads_on_replicas(proxy, sql):
    assert until(lambda: knows_tables(proxy, "shop"), 30)
    assert until(lambda: {row["item"]: row["value"] for row in admin(proxy, f"SHOW ROUTE shop '{sql}'")}["role"] != "primary")


def count_of_made(cluster):
    return cluster.primary().rows("SELECT COUNT(*) FROM made")[0][0]


WRITER = "RETURNS INT READS SQL DATA BEGIN IF n = 3 THEN INSERT INTO made (v) VALUES ('w'); END IF; RETURN n; END"


def test_functions_that_write_whatever_they_are_declared_as_run_on_the_primary(my_proxy, my_cluster):
    with my.connect(my_proxy.mysql_port) as a:
        my.made_anew(a, "FUNCTION", "sly(n INT)", WRITER)
        my.made_anew(a, "FUNCTION", "slyer(n INT)", "RETURNS INT READS SQL DATA RETURN sly(n)")
        my.made_anew(a, "FUNCTION", "honest(n INT)", "RETURNS INT READS SQL DATA RETURN (SELECT MAX(id) FROM t WHERE id <= n)")
        wait_for_reads_on_replicas(my_proxy, "SELECT honest(3)")
        before = count_of_made(my_cluster)
        for number in range(1, 5):
            assert my.rows(a, "SELECT sly(id) FROM t ORDER BY id") == [(1,), (2,), (3,)]
            assert my.value(a, "SELECT slyer(3)") == 3
            assert my.value(a, "SELECT honest(3)") == 3
            assert count_of_made(my_cluster) == before + 2 * number


@pytest.mark.servers("mariadb")  # where changes are not told of, what is not seen goes to the primary at once
def test_a_write_that_a_replica_refuses_runs_again_on_the_primary(my_ringway, my_cluster):
    """A monitor that may not see bodies goes by how they are declared."""
    root = my_cluster.primary()
    root.rows("CREATE USER IF NOT EXISTS blind@'%' IDENTIFIED BY 'blind'")
    root.rows("GRANT SELECT, SHOW VIEW, TRIGGER, EXECUTE ON shop.* TO blind@'%'")
    root.rows("GRANT SLAVE MONITOR ON *.* TO blind@'%'")
    root.rows(f"CREATE OR REPLACE FUNCTION hidden(n INT) {WRITER}")
    root.rows("CREATE OR REPLACE VIEW through AS SELECT hidden(id) AS n FROM t")
    found = "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'through'"
    for replica in my_cluster.replicas():
        assert until(lambda node=replica: node.rows(found)[0][0] == 1)
    proxy = my_ringway({"clusters": {"shop": {"monitor_user": "blind", "monitor_password": "blind"}}})
    texts = ["SELECT hidden(3)", "SELECT n FROM through ORDER BY n", "SELECT id, hidden(id) FROM t ORDER BY id"]
    wait_for_reads_on_replicas(proxy, texts[0])
    wait_for_reads_on_replicas(proxy, texts[1])
    with my.connect(proxy.mysql_port) as a, my.connect(proxy.mysql_port) as b:
        done = count_of_made(my_cluster)
        for number in range(4):
            for sql in texts:
                client = a if number % 2 else b
                assert my.rows(client, sql)[-1][-1] == 3
                done += 1
                assert count_of_made(my_cluster) == done, sql
        with my_wire.Wire(proxy.mysql_port) as wire:
            again, _, _ = wire.prepare("SELECT hidden(?) + 0")
            for _ in range(3):
                wire.execute(again, [3])
                assert len(wire.result()[1]) == 1
                done += 1
                assert count_of_made(my_cluster) == done
        assert not admin(proxy, "SHOW PINS")
        my.rows(a, "START TRANSACTION READ ONLY")  # on the primary from its beginning
        with pytest.raises(pymysql.err.MySQLError) as refused:
            my.rows(a, texts[0])
        assert refused.value.args[0] == 1792


@pytest.mark.servers("mariadb")
def test_what_an_unseen_function_sets_reaches_no_other_client(my_ringway, my_cluster):
    """Clients that ask for EOFs, as PyMySQL does, are not told of it, nor is Ringway on their connections."""
    root = my_cluster.primary()
    root.rows("CREATE USER IF NOT EXISTS blind@'%' IDENTIFIED BY 'blind'")
    root.rows("GRANT SELECT, SHOW VIEW, TRIGGER, EXECUTE ON shop.* TO blind@'%'")
    root.rows("GRANT SLAVE MONITOR ON *.* TO blind@'%'")
    root.rows("CREATE OR REPLACE FUNCTION hidden_set(n INT) RETURNS INT NO SQL BEGIN SET group_concat_max_len = n; RETURN n; END")
    root.rows("CREATE OR REPLACE VIEW through_set AS SELECT hidden_set(77) AS n")
    found = "SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 'through_set'"
    for replica in my_cluster.replicas():
        assert until(lambda node=replica: node.rows(found)[0][0] == 1)
    proxy = my_ringway({"clusters": {"shop": {"monitor_user": "blind", "monitor_password": "blind", "pool_size": 1}}})
    wait_for_reads_on_replicas(proxy, "SELECT hidden_set(77)")
    with my.connect(proxy.mysql_port, client_flag=CLIENT.MULTI_STATEMENTS) as a, my.connect(proxy.mysql_port) as b:
        others = my.value(b, "SELECT @@group_concat_max_len")
        for sql in ("SELECT hidden_set(77)", "SELECT hidden_set(77); SELECT 1", "SELECT hidden_set(77), v FROM t WHERE id = 1", "SELECT n FROM through_set"):
            a.query(sql)
            while a._result.has_next:
                a.next_result()
            for _ in range(4):
                assert my.value(b, "SELECT @@group_concat_max_len") == others
        my.rows(a, "BEGIN")
        my.rows(a, "SELECT hidden_set(77), v FROM t WHERE id = 1")
        my.rows(a, "COMMIT")
        for _ in range(4):
            assert my.value(b, "SELECT @@group_concat_max_len") == others
        assert not admin(proxy, "SHOW PINS")


def test_y31_read_only_transaction(my_proxy):
    with my.connect(my_proxy.mysql_port) as a:
        my.rows(a, "START TRANSACTION READ ONLY")
        assert my.value(a, "SELECT COUNT(*) FROM t") == 3
        with pytest.raises(pymysql.err.MySQLError) as refused:
            my.rows(a, "INSERT INTO made (v) VALUES ('no')")
        assert refused.value.args[0] == 1792
        my.rows(a, "COMMIT")


def test_reads_reach_the_replicas(my_proxy, my_cluster):
    before = sum(int(node.rows("SHOW GLOBAL STATUS LIKE 'Handler_read_key'")[0][1]) for node in my_cluster.replicas())
    with my.connect(my_proxy.mysql_port) as a:
        for _ in range(60):
            my.rows(a, "SELECT v FROM t WHERE id = 2")
    after = sum(int(node.rows("SHOW GLOBAL STATUS LIKE 'Handler_read_key'")[0][1]) for node in my_cluster.replicas())
    assert after - before >= 30


def test_y34_the_primary_is_killed_in_a_transaction(my_ringway, my_server, workspace):
    cluster = my.MyCluster(workspace, "failing", server=my_server)
    try:
        proxy = my_ringway({"clusters": {"shop": None, "failing": cluster.section()}})
        with my.connect(proxy.mysql_port, database="failing") as a:
            my.rows(a, "BEGIN")
            my.rows(a, "UPDATE t SET v = 'lost' WHERE id = 1")
            cluster.ctl("stop", cluster.primary(), "kill")
            with pytest.raises(pymysql.err.MySQLError) as lost:
                my.rows(a, "UPDATE t SET v = 'lost' WHERE id = 2")
            assert lost.value.args[0] in (1158, 2013, 2006)
            with pytest.raises(pymysql.err.MySQLError):
                my.rows(a, "COMMIT")
        cluster.ctl("start", cluster.primary())
        assert until(proxy.is_ready, 30)
        with my.connect(proxy.mysql_port, database="failing") as b:
            assert my.value(b, "SELECT COUNT(*) FROM t WHERE v = 'lost'") == 0
    finally:
        cluster.down()


@contextlib.contextmanager
def two_in_turn(my_ringway, workspace, name, **settings):
    """A primary and its replica, which is promoted: (cluster, proxy, old, new, write); write() takes one or raises."""
    cluster = my.MyCluster(workspace, name, replicas=1)
    try:
        proxy = my_ringway({"clusters": {"shop": None, name: cluster.section() | {"failover_hold": "1s"} | settings}})
        numbers = iter(range(1000, 10_000))

        def write():
            with my.connect(proxy.mysql_port, database=name) as a:
                my.rows(a, f"INSERT INTO made (id, v) VALUES ({next(numbers)}, @@port)")

        yield cluster, proxy, cluster.primary(), cluster.replicas()[0], write
    finally:
        cluster.down()


def is_taken(write):
    try:
        write()
    except pymysql.err.MySQLError:
        return False
    return True


def promote(replica, database):
    for sql in ("STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"):
        replica.rows(sql, database)


@pytest.mark.servers("mariadb")
def test_y33_a_primary_that_died_before_it_told_of_its_writes_is_not_followed_by_the_one_before(my_ringway, workspace):
    """The old primary has every transaction that anybody has told Ringway of, but not all that were acknowledged."""
    with two_in_turn(my_ringway, workspace, "untold", watermark_interval="2s") as (cluster, proxy, old, new, write):
        def arrived():
            try:
                return new.rows("SELECT COUNT(*) FROM made WHERE id >= 1000", "untold") == [(1,)]
            except pymysql.err.MySQLError:
                return False  # the table has not come yet

        write()
        assert until(arrived, 60)
        old.rows("SET GLOBAL read_only = 1", "untold")
        assert until(lambda: not is_taken(write), 60)
        promote(new, "untold")
        assert until(lambda: is_taken(write), 60)
        cluster.ctl("stop", new, "kill")
        count = old.rows("SELECT COUNT(*) FROM made", "untold")
        old.rows("SET GLOBAL read_only = 0", "untold")
        assert until(lambda: any("old primary" in str(row) for row in admin(proxy, "SHOW LAG")), 60)
        with pytest.raises(pymysql.err.MySQLError, match="old primary"):
            write()
        assert old.rows("SELECT COUNT(*) FROM made", "untold") == count
        admin(proxy, f"UNBAN 127.0.0.1:{old.port}")  # an operator's word: what the other had is given up
        assert until(lambda: is_taken(write), 60)
        assert old.rows("SELECT COUNT(*) FROM made", "untold") != count


@pytest.mark.servers("mariadb")
def test_y33_an_old_primary_that_takes_writes_again_gets_none(my_ringway, workspace):
    with two_in_turn(my_ringway, workspace, "returning") as (cluster, proxy, old, new, write):
        def places():
            try:
                return {row[0] for row in new.rows("SELECT DISTINCT v FROM made WHERE id >= 1000", "returning")}
            except pymysql.err.MySQLError:
                return set()  # the table has not come yet

        write()
        assert until(lambda: places() == {str(old.port)}, 60)
        old.rows("SET GLOBAL read_only = 1", "returning")
        promote(new, "returning")

        def written():
            return is_taken(write) and str(new.port) in places()

        assert until(written, 60)
        old.rows("SET GLOBAL read_only = 0", "returning")
        assert until(lambda: any("old primary" in str(row) for row in admin(proxy, "SHOW LAG")), 60)
        before = old.rows("SELECT COUNT(*) FROM made", "returning")
        for _ in range(20):
            write()
        cluster.ctl("stop", new)
        lag = admin(proxy, "SHOW LAG")
        try:
            write()
        except pymysql.err.MySQLError as refused:
            assert "old primary" in str(refused) or "lost" in str(refused)
        else:
            pytest.fail(f"written; on the old primary: {before} before, {old.rows('SELECT COUNT(*) FROM made', 'returning')} now; {lag}; "
                        f"{admin(proxy, 'SHOW LAG')}; {proxy.log_tail()}")
        assert old.rows("SELECT COUNT(*) FROM made", "returning") == before
        old.rows("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='monitor', MASTER_PASSWORD='monitor', "
                 "MASTER_USE_GTID=current_pos" % new.port, "returning")
        cluster.ctl("start", new)
        new.rows("SET GLOBAL read_only = 0", "returning")
        assert until(written, 60)
        old.rows("SET GLOBAL read_only = 1", "returning")
        old.rows("START SLAVE", "returning")  # it has all that the other had: it may be the primary again
        count = new.rows("SELECT COUNT(*) FROM made", "returning")
        assert until(lambda: old.rows("SELECT COUNT(*) FROM made", "returning") == count, 60)
        new.rows("SET GLOBAL read_only = 1", "returning")
        old.rows("STOP SLAVE", "returning")
        old.rows("SET GLOBAL read_only = 0", "returning")

        def back():
            return is_taken(write) and old.rows("SELECT COUNT(*) FROM made", "returning") > count

        assert until(back, 60)
