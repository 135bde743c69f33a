"""How Ringway logs in at servers: every method, TLS in every mode, refusals as the server words them, and auth_query."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import socket
import ssl
import threading

import psycopg
import pytest

import scram
import wire
from certificates import Authority, client_side
from conftest import ClusterStart, admin, until
from wire import Wire, fields, kinds, startup

ROLES = """
SET password_encryption = 'scram-sha-256';
CREATE ROLE by_scram LOGIN PASSWORD 'scram-secret';
CREATE ROLE by_plain LOGIN PASSWORD 'plain-secret';
CREATE ROLE only_tls LOGIN PASSWORD 'tls-secret';
CREATE ROLE no_tls LOGIN PASSWORD 'open-secret';
CREATE ROLE by_certificate LOGIN;
CREATE ROLE shut_out LOGIN PASSWORD 'shut-secret';
SET password_encryption = 'md5';
CREATE ROLE by_md5 LOGIN PASSWORD 'md5-secret';
RESET password_encryption;
"""

HBA = """
host      all  postgres        127.0.0.1/32  trust
hostssl   all  only_tls        127.0.0.1/32  scram-sha-256
hostnossl all  no_tls          127.0.0.1/32  scram-sha-256
hostssl   all  by_certificate  127.0.0.1/32  cert
host      all  by_plain        127.0.0.1/32  password
host      all  by_md5          127.0.0.1/32  md5
host      all  shut_out,only_tls,no_tls,by_certificate 127.0.0.1/32  reject
host      all  all             127.0.0.1/32  scram-sha-256
"""

SECRETS = {"by_scram": "scram-secret", "by_plain": "plain-secret", "by_md5": "md5-secret", "only_tls": "tls-secret",
           "no_tls": "open-secret", "shut_out": "shut-secret"}


@pytest.fixture(scope="module")
def authority(workspace):
    return Authority(workspace / "servers-authority")


@pytest.fixture(scope="module")
def cluster(workspace, authority):
    """One server with TLS, a rule for each method, and no trust but for postgres."""
    started = ClusterStart(workspace, "auth", 1, 0, ROLES, environment={"PG_HBA": HBA, "PG_EXTRA": "log_connections = on"})
    try:
        made = started.wait()
        node = made.primary()
        certificate, key = authority.issue("server", alternatives="DNS:localhost")
        for source, name in ((certificate, "server.crt"), (key, "server.key"), (authority.ca, "ca.crt")):
            placed = pathlib.Path(node.data) / name
            shutil.copy(source, placed)
            placed.chmod(0o600)
            if os.getuid() == 0:
                shutil.chown(placed, "postgres")
        for setting, value in (("ssl_ca_file", "ca.crt"), ("ssl", "on")):
            node.rows(f"ALTER SYSTEM SET {setting} = '{value}'")
        node.rows("SELECT pg_reload_conf()")
        assert until(lambda: node.rows("SHOW ssl") == [("on",)])
        yield made
    finally:
        started.down()


def section(cluster, host="127.0.0.1", port=None, **tls):
    made = {"database": "auth", "monitor_user": "postgres", "monitor_password": "postgres", "failover_hold": "2s",
            "shards": {"s0": {"nodes": [f"{host}:{port or cluster.primary().port}"]}}}
    return made | ({"server_tls": tls} if tls else {})


@pytest.fixture(scope="module")
def proxy(ringway_session, cluster, authority):
    """One server, a cluster for each TLS mode; clients are trusted, so that only the servers ask."""
    certificate, key = (str(path) for path in authority.issue("by_certificate", "by_certificate", alternatives=None))
    ca = str(authority.ca)
    clusters = {
        "auth": section(cluster),
        "prefer": section(cluster, mode="prefer"),
        "require": section(cluster, mode="require"),
        "verify_ca": section(cluster, mode="verify-ca", ca=ca),
        "verify_full": section(cluster, "localhost", mode="verify-full", ca=ca),
        "tls_1_3": section(cluster, mode="require", min_version="1.3"),
        "mutual": section(cluster, mode="verify-ca", ca=ca, certificate=certificate, key=key),
    }
    users = {name: {"password": secret} for name, secret in SECRETS.items()}
    users |= {"by_certificate": {"password": "unused"}, "wrong": {"password": "wrong", "server_user": "by_scram"},
              "missing": {"password": "x", "server_user": "no_such_role"}, "app": None,
              "hashed": {"password": "md5" + hashlib.md5(b"md5-secretby_md5").hexdigest(), "server_user": "by_md5"}}
    made = ringway_session({"users": users, "clusters": clusters}, cluster)
    yield made
    made.stop()


def connect(proxy, user, dbname="auth", **more):
    return psycopg.connect(host="127.0.0.1", port=proxy.port, user=user, dbname=dbname, connect_timeout=10, autocommit=True, **more)


def session(proxy, user, dbname="auth", **more):
    """The role at the server, and whether and how the connection there is encrypted."""
    with connect(proxy, user, dbname, **more) as client:
        return client.execute("SELECT current_user::text, ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()


def listens(proxy):
    """For a proxy that cannot become ready."""
    def connects():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=1):
            return True
    assert until(connects)


def refused(port, user, database):
    """The fields of the error that ends a login by trust."""
    with Wire(port, login=False) as client:
        came = client.send(startup(user, database)).ended()
        assert kinds(came[-1:]) == "E", kinds(came)
        return fields(came[-1][1])


@pytest.mark.parametrize("user", ["by_scram", "by_plain", "by_md5", "no_tls"])
def test_methods_without_tls(proxy, user):
    assert session(proxy, user) == (user, False, None)


def test_a_stored_md5_hash_serves_as_the_password(proxy):
    assert session(proxy, "hashed") == ("by_md5", False, None)


@pytest.mark.parametrize("database", ["prefer", "require", "verify_ca", "verify_full", "tls_1_3"])
def test_tls_modes(proxy, database):
    for user in ("by_scram", "by_plain", "by_md5", "only_tls"):
        assert session(proxy, user, database) == (user, True, "TLSv1.3"), user


def test_a_certificate_is_shown(proxy):
    assert session(proxy, "by_certificate", "mutual")[:2] == ("by_certificate", True)
    assert "/CN=by_certificate" in connect(proxy, "by_certificate", "mutual").execute(
        "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()[0]
    said = refused(proxy.port, "by_certificate", "require")
    assert said["C"] in ("28000", "28P01") and "certificate" in said["M"]


@pytest.mark.parametrize("user, database, role", [("wrong", "auth", "by_scram"), ("missing", "auth", "no_such_role"),
                                                 ("shut_out", "auth", "shut_out"), ("only_tls", "auth", "only_tls"),
                                                 ("no_tls", "require", "no_tls")])
def test_a_refusal_is_told_in_the_servers_words_and_at_once(proxy, cluster, user, database, role):
    with Wire(cluster.primary().port, login=False) as direct:
        if database == "require":
            direct.send(wire.ssl_request()).receive(1)
            direct.socket = client_side().wrap_socket(direct.socket)
        direct.send(startup(role, "auth"))
        kind, body = direct.message()
        if kind == "R":  # it asks for SCRAM
            said = [fields(body) for kind, body in scram.log_in(cluster.primary().port, role, "wrong", "auth")[0] if kind == "E"][0]
        else:
            said = fields(body)
    heard = refused(proxy.port, user, database)
    assert (heard["C"], heard["M"], heard["S"]) == (said["C"], said["M"], "FATAL")
    assert str(cluster.primary().port) in heard["H"]


def test_without_tls_at_the_server(ringway_session, app_cluster, proxy):
    """`prefer` goes without, `require` says what is wrong."""
    node = app_cluster.primary()
    wanted = {"monitor_user": "postgres", "monitor_password": "postgres", "failover_hold": "1s", "database": "app",
              "shards": {"s0": {"nodes": [node.address]}}}
    made = ringway_session({"clusters": {"app": wanted | {"server_tls": {"mode": "prefer"}}, "require": wanted | {"server_tls": {"mode": "require"}}}},
                           app_cluster, ready=False)
    listens(made)
    assert session(made, "app", "app") == ("app", False, None)
    said = refused(made.port, "app", "require")
    assert said["C"] == "08001" and "does not support SSL" in said["D"]
    made.stop()


@pytest.mark.parametrize("what", ["stranger", "other name"])
def test_a_server_that_is_not_the_one_is_refused(ringway_session, cluster, authority, workspace, what):
    ca = authority.ca if what == "other name" else Authority(workspace / "servers-stranger").ca
    mode = "verify-full" if what == "other name" else "verify-ca"  # the certificate is for the name localhost, not for its address
    made = ringway_session({"clusters": {"auth": section(cluster, mode=mode, ca=str(ca)) | {"failover_hold": "1s"}},
                            "users": {"by_plain": {"password": "plain-secret"}}}, cluster, ready=False)
    listens(made)
    why = "certificate verify failed" if what == "stranger" else "does not match host name"
    assert until(lambda: any(why in (row["reason"] or "") for row in admin(made, "SHOW LAG")))
    said = refused(made.port, "by_plain", "auth")
    assert said["C"] == "08001" and why in said["D"]
    made.stop()
    assert "plain-secret" not in made.log.read_text()


class Between:
    """A man in the middle with a certificate of the same CA: what `require` and `verify-ca` cannot see."""

    def __init__(self, port, pair):
        self.to, self.context = port, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*map(str, pair))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.relay, args=[self.listener.accept()[0]], daemon=True).start()

    def relay(self, near):
        with contextlib.suppress(OSError), near, socket.create_connection(("127.0.0.1", self.to)) as far:
            first = near.recv(8)
            if first == wire.ssl_request():
                near.sendall(b"S")
                near = self.context.wrap_socket(near, server_side=True)
                far.sendall(first)
                far.recv(1)
                far = client_side().wrap_socket(far)
            else:
                far.sendall(first)
            back = threading.Thread(target=self.copy, args=[far, near], daemon=True)
            back.start()
            self.copy(near, far)
            back.join(10)

    @staticmethod
    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def stop(self):
        self.listener.close()


def test_channel_binding_finds_a_man_in_the_middle(ringway_session, cluster, authority):
    between = Between(cluster.primary().port, authority.issue("between"))
    made = ringway_session({"clusters": {"auth": section(cluster, port=between.port, mode="verify-ca", ca=str(authority.ca))},
                            "users": {name: {"password": SECRETS[name]} for name in ("by_scram", "by_plain")}}, cluster)
    assert session(made, "by_plain") == ("by_plain", True, "TLSv1.3")  # the relay works, and hears the password
    said = refused(made.port, "by_scram", "auth")
    assert "channel binding" in said["M"]
    made.stop()
    between.stop()


# ---- auth_query -----------------------------------------------------------------------------------------------------


QUERY = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1 AND rolcanlogin"


@pytest.fixture(scope="module", params=["open", "tls"])
def asking(request, ringway_session, cluster, authority):
    """Users are not in the file: the server says who they are. With and without TLS to it."""
    of = section(cluster) | {"auth_query": QUERY, "auth_user": "postgres", "auth_password": "postgres", "failover_hold": "2s"}
    if request.param == "tls":
        of["server_tls"] = {"mode": "verify-ca", "ca": str(authority.ca)}
    hba = [{"users": ["postgres"], "clusters": ["ringway"], "method": "trust"}, {"method": "md5"}]  # md5: SCRAM for those who have it
    made = ringway_session({"clusters": {"auth": of}, "users": {"*": {}, "app": None}, "hba": hba}, cluster)
    yield made
    made.stop()


def test_auth_query(asking):
    for user in ("by_scram", "by_md5"):
        assert session(asking, user, password=SECRETS[user])[0] == user
        assert session(asking, user, password=SECRETS[user])[0] == user
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "by_scram"'):
        session(asking, "by_scram", password="wrong")
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "by_certificate"'):
        session(asking, "by_certificate", password="x")  # has none


def refused_by_md5(port, user):
    with Wire(port, login=False) as client:
        kind, body = client.send(startup(user, "auth")).message()
        assert kind == "R" and body[:4] == b"\0\0\0\5"
        return fields(client.send(wire.password("md5" + "0" * 32)).message()[1])


def test_a_user_who_is_not_at_the_server_is_refused_like_a_wrong_password(asking):
    wrong, unknown = (refused_by_md5(asking.port, name) for name in ("by_md5", "nobody_here"))
    assert wrong["C"] == "28P01"
    assert {key: value.replace("nobody_here", "by_md5") for key, value in unknown.items()} == wrong


def test_what_changes_at_the_server_counts_at_once(asking, cluster):
    node = cluster.primary()
    node.rows("CREATE ROLE changing LOGIN PASSWORD 'first'")
    try:
        with connect(asking, "changing", password="first") as old:
            assert old.execute("SELECT 1").fetchone() == (1,)
            node.rows("ALTER ROLE changing PASSWORD 'second'")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                session(asking, "changing", password="first")
            # Those who know the new one get new connections to the server too, on every worker.
            node.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'")
            clients = [connect(asking, "changing", password="second") for _ in range(6)]
            for client in clients:
                assert client.execute("SELECT current_user::text").fetchone() == ("changing",)
            assert old.execute("SELECT 1").fetchone() == (1,)
            node.rows("ALTER ROLE changing RENAME TO renamed")
            node.rows("ALTER ROLE renamed PASSWORD 'third'")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                session(asking, "changing", password="second")
            assert session(asking, "renamed", password="third")[0] == "renamed"
            for client in clients:
                client.close()
    finally:
        for name in ("changing", "renamed"):
            node.rows(f"DROP ROLE IF EXISTS {name}")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        session(asking, "renamed", password="third")


def test_a_role_whose_password_has_expired(asking, cluster):
    """The server's own check: its verifier is right, and it refuses all the same."""
    node = cluster.primary()
    node.rows("CREATE ROLE expired LOGIN PASSWORD 'late' VALID UNTIL '2001-01-01'")
    try:
        with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "expired"'):
            session(asking, "expired", password="late")
    finally:
        node.rows("DROP ROLE expired")


def test_an_auth_query_that_fails_says_so(ringway_session, cluster):
    of = section(cluster) | {"auth_query": "SELECT no_such_column FROM pg_authid WHERE rolname = $1", "auth_user": "postgres"}
    made = ringway_session({"clusters": {"auth": of}, "users": {"*": {}, "app": None},
                            "hba": [{"users": ["postgres"], "method": "trust"}, {"method": "scram-sha-256"}]}, cluster)
    said = refused(made.port, "by_scram", "auth")
    assert "auth_query" in said["M"] and "no_such_column" in said["M"] and "auth_user" in said["H"]
    made.stop()


def test_no_secret_reaches_the_log(proxy):
    said = proxy.log.read_text(errors="replace")
    for secret in SECRETS.values():
        assert secret not in said
