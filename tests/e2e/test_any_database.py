"""The cluster and the user `"*"`: databases and roles that appear, change and vanish behind the proxy's back."""

import contextlib
import threading
import time

import psycopg
import pytest

import scram
from conftest import ClusterStart, admin, until
from wire import fields

SQL = """
CREATE ROLE first LOGIN PASSWORD 'first' CREATEDB;
CREATE ROLE second LOGIN PASSWORD 'second';
CREATE ROLE third LOGIN PASSWORD 'third';
"""

HBA = """
host all         postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all         all      127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def cluster(workspace):
    started = ClusterStart(workspace, "any", 1, 1, SQL, environment={"PG_HBA": HBA})
    try:
        yield started.wait()
    finally:
        started.down()


def settings(cluster, **more):
    return {
        "clusters": {cluster.name: None, "*": cluster.section() | {
            "auth_query": "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1 AND rolcanlogin",
            "auth_user": "postgres", "auth_password": "postgres"} | more},
        "users": {"app": None, "*": {}},
        "hba": [{"users": ["postgres"], "method": "trust"}, {"method": "scram-sha-256"}],
    }


@pytest.fixture(scope="module")
def proxy(ringway_session, cluster):
    made = ringway_session(settings(cluster), cluster)
    yield made
    made.stop()


@pytest.fixture
def database(cluster, request):
    """A name; whatever the test makes of it is gone afterwards."""
    name = request.node.name.replace("test_", "")[:50]
    yield name
    for each in (name, name + "_2"):
        cluster.primary().rows(f'DROP DATABASE IF EXISTS "{each}" WITH (FORCE)')


def create(cluster, name, owner="first"):
    cluster.primary().rows(f'CREATE DATABASE "{name}" OWNER {owner}')


def connect(proxy, dbname, user="first", password=None, **more):
    return psycopg.connect(host="127.0.0.1", port=proxy.port, user=user, password=password or user, dbname=dbname, connect_timeout=10,
                           autocommit=True, **more)


def where(client):
    return client.execute("SELECT current_database()::text, current_user::text").fetchone()


def refusal(port, user, password, database):
    """Code and words that end a login."""
    came, _ = scram.log_in(port, user, password, database)
    assert came[-1][0] == "E", came[-1]
    said = fields(came[-1][1])
    return said["S"], said["C"], said["M"]


def backends(cluster, name):
    return cluster.primary().rows("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])[0][0]


def test_a_new_database_at_once(proxy, cluster, database):
    said = refusal(proxy.port, "first", "first", database)
    assert said == refusal(cluster.primary().port, "first", "first", database) == (
        "FATAL", "3D000", f'database "{database}" does not exist')
    create(cluster, database)
    with connect(proxy, database) as client:
        assert where(client) == (database, "first")
        client.execute("CREATE TABLE t AS SELECT 1 AS x")
        assert client.execute("SELECT x FROM t").fetchone() == (1,)


def test_a_new_database_that_the_replica_does_not_know_yet(proxy, cluster, database):
    replica = cluster.replicas()[0]
    replica.rows("SELECT pg_wal_replay_pause()")
    try:
        create(cluster, database)
        for _ in range(4):  # whichever worker, whosever turn among the nodes
            with connect(proxy, database) as client:
                assert where(client) == (database, "first")
    finally:
        replica.rows("SELECT pg_wal_replay_resume()")
    cluster.caught_up()


def test_a_new_role_that_the_replica_does_not_know_yet(proxy, cluster):
    replica = cluster.replicas()[0]
    replica.rows("SELECT pg_wal_replay_pause()")
    try:
        cluster.primary().rows("CREATE ROLE late LOGIN PASSWORD 'late'")
        for _ in range(4):
            with connect(proxy, "any", "late") as client:
                assert where(client) == ("any", "late")
    finally:
        replica.rows("SELECT pg_wal_replay_resume()")
        cluster.primary().rows("DROP ROLE late")
    assert "password authentication failed" in refusal(proxy.port, "late", "late", "any")[2]
    cluster.caught_up()


def privileges(client):
    with client.transaction():  # on the primary
        return client.execute("SELECT session_user::text, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()


def test_a_name_that_another_role_has_now(proxy, cluster):
    """Server connections that the former bearer of the name has left behind are not for the new one: it was a superuser."""
    node = cluster.primary()
    node.rows("CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'boss'")
    node.rows("CREATE ROLE eve LOGIN PASSWORD 'eve'")
    try:
        with connect(proxy, "any", "boss") as old:
            assert privileges(old) == ("boss", True)
            node.rows("ALTER ROLE boss RENAME TO chief")
            node.rows("ALTER ROLE eve RENAME TO boss")
            node.rows("ALTER ROLE boss PASSWORD 'evil'")
            for _ in range(8):  # on every worker
                with connect(proxy, "any", "boss", "evil") as client:
                    assert privileges(client) == ("boss", False)
                    assert client.execute("SELECT session_user::text").fetchone() == ("boss",)
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        client.execute("SELECT count(*) FROM pg_authid")
            with contextlib.suppress(psycopg.Error):  # as its server connection is: of the role it was
                assert privileges(old) == ("chief", True)
    finally:
        for name in ("boss", "eve", "chief"):
            node.rows(f"DROP ROLE IF EXISTS {name}")
    cluster.caught_up()


def test_a_role_that_is_dropped_and_made_again(proxy, cluster):
    node = cluster.primary()
    try:
        for _ in range(3):
            node.rows("CREATE ROLE again LOGIN PASSWORD 'again'")
            cluster.caught_up()
            for _ in range(4):
                with connect(proxy, "any", "again") as client:
                    assert where(client) == ("any", "again") and privileges(client) == ("again", False)
            node.rows("DROP ROLE again")
    finally:
        node.rows("DROP ROLE IF EXISTS again")
    cluster.caught_up()


def test_a_role_of_the_file_that_is_dropped_and_made_again(ringway, cluster):
    """Nobody asks the server at its login: what the server says of the old connections ends them."""
    node = cluster.primary()
    made = ringway(settings(cluster) | {"users": {"app": None, "filed": {"password": "filed"}}}, cluster)
    try:
        node.rows("CREATE ROLE filed LOGIN PASSWORD 'filed'")
        cluster.caught_up()
        clients = [connect(made, "any", "filed") for _ in range(3)]
        for client in clients:
            client.execute("BEGIN")
            client.execute("SELECT 1")
        for client in clients:
            client.execute("COMMIT")
        node.rows("DROP ROLE filed")
        node.rows("CREATE ROLE filed LOGIN PASSWORD 'filed'")
        with contextlib.suppress(psycopg.Error):
            privileges(clients[0])
        for client in clients:
            assert privileges(client) == ("filed", False)
            client.close()
    finally:
        node.rows("DROP ROLE IF EXISTS filed")
    cluster.caught_up()


def test_refusals_are_the_servers(proxy, cluster, database):
    create(cluster, database)
    node = cluster.primary()
    node.rows(f'REVOKE CONNECT ON DATABASE "{database}" FROM PUBLIC')
    with connect(proxy, database) as client:
        assert where(client)[0] == database
    said = refusal(proxy.port, "second", "second", database)
    assert said == refusal(node.port, "second", "second", database) and said[1] == "42501"
    node.rows(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
    said = refusal(proxy.port, "second", "second", database)
    assert said == refusal(node.port, "second", "second", database) and said[1] == "55000"


def test_a_database_dropped_by_force(proxy, cluster, database):
    create(cluster, database)
    with connect(proxy, database) as kept:
        where(kept)
        cluster.primary().rows(f'DROP DATABASE "{database}" WITH (FORCE)')
        cluster.caught_up()  # a replica that has not replayed it yet still answers
        with pytest.raises(psycopg.errors.InvalidCatalogName, match=f'database "{database}" does not exist'):
            where(kept)
        assert refusal(proxy.port, "first", "first", database) == ("FATAL", "3D000", f'database "{database}" does not exist')
        create(cluster, database)
        assert where(kept) == (database, "first")
        with connect(proxy, database) as client:
            assert where(client) == (database, "first")


@pytest.mark.parametrize("through", ["proxy", "server"])
def test_drop_database_behind_idle_connections(proxy, cluster, database, through):
    """Only connections that serve nobody now are on it: they make way, as they are no sessions."""
    create(cluster, database)
    kept = [connect(proxy, database) for _ in range(4)]
    for client in kept:
        with client.transaction():
            where(client)
    assert backends(cluster, database) > 0
    with connect(proxy, "postgres") if through == "proxy" else cluster.primary().connect("postgres", dbname="postgres") as operator:
        operator.execute(f'DROP DATABASE "{database}"')
    assert refusal(proxy.port, "first", "first", database)[1] == "3D000"
    for client in kept:
        with pytest.raises(psycopg.errors.InvalidCatalogName):
            where(client)
        client.close()


def test_drop_database_behind_a_transaction(proxy, cluster, database):
    create(cluster, database)
    with connect(proxy, database) as busy, connect(proxy, "postgres") as operator, busy.transaction():
        where(busy)
        with pytest.raises(psycopg.errors.ObjectInUse):
            operator.execute(f'DROP DATABASE "{database}"')
        assert where(busy) == (database, "first")


def test_rename_and_copy_behind_idle_connections(proxy, cluster, database):
    create(cluster, database)
    with connect(proxy, database) as client, connect(proxy, "postgres") as operator:
        client.execute("CREATE TABLE t AS SELECT 1 AS x")
        operator.execute(f'CREATE DATABASE "{database}_2" TEMPLATE "{database}"')
        with connect(proxy, database + "_2") as copied:
            assert copied.execute("SELECT x FROM t").fetchone() == (1,)
        operator.execute(f'DROP DATABASE "{database}_2"')
        assert client.execute("SELECT x FROM t").fetchone() == (1,)
        operator.execute(f'ALTER DATABASE "{database}" RENAME TO "{database}_2"')
        with connect(proxy, database + "_2") as renamed:
            assert renamed.execute("SELECT x FROM t").fetchone() == (1,)
        assert refusal(proxy.port, "first", "first", database)[1] == "3D000"


def test_a_rename_that_only_a_replica_could_miss(proxy, cluster, database):
    """A connection to a replica lives on through a rename; it must serve nobody who asks for the old name."""
    create(cluster, database)
    with connect(proxy, database) as client:
        cluster.caught_up()
        for _ in range(6):
            where(client)
        cluster.primary().rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        cluster.primary().rows(f'ALTER DATABASE "{database}" RENAME TO "{database}_2"')
        cluster.caught_up()
        for _ in range(4):
            assert refusal(proxy.port, "first", "first", database)[1] == "3D000"
        with pytest.raises(psycopg.errors.InvalidCatalogName):
            where(client)


def test_each_database_has_its_own_catalog(proxy, cluster, database):
    """One name, a reading function here and a writing one there: the read may go to the replica, the write may not."""
    for name in (database, database + "_2"):
        create(cluster, name)
    with connect(proxy, database) as reads, connect(proxy, database + "_2") as writes:
        reads.execute("CREATE FUNCTION f() RETURNS int8 LANGUAGE sql STABLE AS 'SELECT 1::int8'")
        writes.execute("CREATE TABLE t (x int)")
        writes.execute("CREATE FUNCTION f() RETURNS int8 LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING 2::int8'")
        cluster.caught_up()
        for _ in range(10):
            assert reads.execute("SELECT f()").fetchone() == (1,)
            assert writes.execute("SELECT f()").fetchone() == (2,)
        assert writes.execute("SELECT count(*) FROM t").fetchone() == (10,)


def test_ten_databases_three_users_at_once(ringway, cluster):
    names = [f"many_{i}" for i in range(10)]
    proxy = ringway(settings(cluster, pool_size=2, idle_timeout="1s"), cluster)
    for name in names:
        create(cluster, name)
    errors = []

    def work(name, user):
        try:
            for _ in range(3):
                with connect(proxy, name, user) as client:
                    for _ in range(20):
                        assert where(client) == (name, user)
        except Exception as error:  # noqa: BLE001: the test looks at them
            errors.append((name, user, error))

    try:
        threads = [threading.Thread(target=work, args=[name, user], daemon=True) for name in names for user in ("first", "second", "third")]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
        assert not errors and not any(each.is_alive() for each in threads)
        # What nobody uses is forgotten: connections, those that watch the catalogs too, pools, and the names.
        assert until(lambda: not [row for row in admin(proxy, "SHOW POOLS") if row["database"] in names], 20)
        assert until(lambda: not [row for row in admin(proxy, "SHOW STATS") if row["database"] in names], 20)
        left = "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s)"
        assert until(lambda: cluster.primary().rows(left, [names]) == [(0,)], 20)  # its processes take their time to end
        with connect(proxy, names[0]) as client:
            assert where(client) == (names[0], "first")
    finally:
        for name in names:
            cluster.primary().rows(f"DROP DATABASE {name} WITH (FORCE)")


def test_names_that_do_not_exist_leave_nothing(ringway, cluster):
    proxy = ringway(settings(cluster, idle_timeout="1s"), cluster)
    for i in range(20):
        assert refusal(proxy.port, "first", "first", f"nothing_{i}")[1] == "3D000"
        assert refusal(proxy.port, "nobody", "x", f"nowhere_{i}")[1] == "28P01"
    assert not [row for row in admin(proxy, "SHOW STATS") if row["database"].startswith("nowhere")]
    assert until(lambda: not [row for row in admin(proxy, "SHOW STATS") if row["database"].startswith("nothing")], 20)
    assert until(lambda: not [row for row in admin(proxy, "SHOW POOLS") if row["database"].startswith("nothing")], 20)


def test_a_client_that_stays_is_not_forgotten(ringway, cluster, database):
    create(cluster, database)
    proxy = ringway(settings(cluster, idle_timeout="200ms"), cluster)
    with connect(proxy, database) as client:
        client.execute("SET work_mem = '5MB'")
        for _ in range(2):
            time.sleep(1.5)  # several times as long as it takes
            assert client.execute("SHOW work_mem").fetchone() == ("5MB",)
        assert [row["database"] for row in admin(proxy, "SHOW CLIENTS")] == [database]


def test_an_unknown_database_is_no_refused_user(proxy):
    with pytest.raises(psycopg.OperationalError) as told:
        connect(proxy, "no_such_database")
    assert "does not exist" in str(told.value) and "has refused user" not in str(told.value)


def test_who_comes_back_is_not_served_by_what_was_known_before(cluster, proxy, database):
    """The catalogs of a database are not watched while nobody uses it."""
    server = cluster.primary()
    server.rows(f'CREATE DATABASE "{database}" OWNER first')
    with server.connect(user="postgres", dbname=database) as direct:
        direct.execute("CREATE TABLE kept (n int); CREATE FUNCTION looks() RETURNS int STABLE LANGUAGE sql AS 'SELECT 7'; GRANT ALL ON kept TO PUBLIC")
        with connect(proxy, database) as client:
            port = "SELECT looks(), current_setting('port')"
            assert until(lambda: client.execute(port).fetchone()[1] != str(server.port), 10)  # on a replica: it is known
        time.sleep(3)  # looked at every second
        direct.execute("CREATE OR REPLACE FUNCTION looks() RETURNS int VOLATILE LANGUAGE plpgsql AS "
                       "$$ BEGIN INSERT INTO kept VALUES (1); RETURN 1; EXCEPTION WHEN OTHERS THEN RETURN -1; END $$")
        with connect(proxy, database) as client:
            for n in range(1, 8):
                assert client.execute("SELECT looks()").fetchone() == (1,)
                assert direct.execute("SELECT count(*) FROM kept").fetchone() == (n,)
                time.sleep(0.2)
