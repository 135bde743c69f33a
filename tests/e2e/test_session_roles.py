"""SET ROLE and SET SESSION AUTHORIZATION follow their session over changing server connections as one server keeps them."""

import pytest

import wire
from wire import Wire, query

SCRIPTS = {
    "a new authorization ends the role": [
        "SET ROLE one_role", "SET SESSION AUTHORIZATION two_role", "SELECT 1", "RESET SESSION AUTHORIZATION", "SELECT 2"],
    "RESET ROLE": ["SET SESSION AUTHORIZATION one_role", "SET ROLE both_roles", "RESET ROLE", "SELECT 1"],
    "a role of the new authorization": ["SET SESSION AUTHORIZATION one_role", "SET ROLE both_roles", "SELECT 1", "SELECT 2"],
    "what only a superuser may set": ["SET log_statement = 'ddl'", "SET SESSION AUTHORIZATION one_role", "SHOW log_statement"],
    "a rollback brings the role back": [
        "SET ROLE one_role", "BEGIN", "SET SESSION AUTHORIZATION two_role", "ROLLBACK", "SELECT 1"],
    "a rollback of the role": [
        "SET SESSION AUTHORIZATION one_role", "BEGIN", "SET ROLE both_roles", "ROLLBACK", "SELECT 1"],
    "a savepoint": [
        "SET ROLE one_role", "BEGIN", "SAVEPOINT a", "RESET SESSION AUTHORIZATION", "ROLLBACK TO a", "COMMIT", "SELECT 1"],
}


@pytest.fixture(scope="module")
def roles(app_cluster):
    app_cluster.primary().rows("SELECT 1")
    for sql in ("DROP ROLE IF EXISTS both_roles, one_role, two_role", "CREATE ROLE one_role", "CREATE ROLE two_role",
                "CREATE ROLE both_roles ROLE one_role, two_role"):
        app_cluster.primary().rows(sql)


@pytest.mark.parametrize("name", SCRIPTS)
def test_roles_are_those_of_one_server(ringway, app_cluster, roles, name):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    who = {"user": "postgres"}
    with (Wire(proxy.port, **who) as owner, Wire(proxy.port, **who) as other,
          Wire(app_cluster.primary().port, **who) as direct):
        asked = "SELECT current_user, session_user, current_setting('role'), current_setting('session_authorization')"
        for sql in (each for sql in SCRIPTS[name] for each in (sql, asked)):
            came = wire.replies(owner, query(sql))
            assert came == wire.replies(direct, query(sql)), sql
            if came[-1] == ("Z", b"I"):
                assert other.rows(asked) == [[b"postgres", b"postgres", b"none", b"postgres"]]
