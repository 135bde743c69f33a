"""Who is let in and how: the methods of [[hba]], TLS towards clients, and the same error for a wrong password as for no user."""

import hashlib
import shutil
import socket
import ssl
import struct
import subprocess

import psycopg
import pytest

import scram
import wire
from certificates import Authority, client_side, shown_certificate
from conftest import BINARY, admin, until
from wire import Closed, Wire, codes, fields, kinds, startup

SECRET = "Zu-geheim"  # what must not stand in a log


@pytest.fixture(scope="module")
def authority(workspace):
    return Authority(workspace / "clients-authority")


@pytest.fixture(scope="module")
def certificates(authority):
    return {name: authority.issue(name, common_name) for name, common_name in
            (("proxy", "localhost"), ("by_certificate", "by_certificate"), ("somebody", "somebody"))}


def tls_settings(authority, pair, mode="allow", **more):
    return {"mode": mode, "certificate": str(pair[0]), "key": str(pair[1]), "ca": str(authority.ca)} | more


def role(password=SECRET, **more):
    return {"password": password, "server_user": "app", "server_password": "app"} | more


def client_certificate(pair):
    return {"sslcert": str(pair[0]), "sslkey": str(pair[1])}


def connect(proxy, user, password=SECRET, dbname="app", host="127.0.0.1", **more):
    return psycopg.connect(host=host, port=proxy.port, user=user, password=password, dbname=dbname, connect_timeout=10, **more)


def comes_in(proxy, user, **more):
    with connect(proxy, user, **more) as client:
        return client.execute("SELECT current_user::text").fetchone() == ("app",)


def refusal(proxy, user, **more):
    with pytest.raises(psycopg.OperationalError) as why:
        connect(proxy, user, **more).close()
    return str(why.value)


def verifier(password=SECRET, salt=b"salt of the test", iterations=4096):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(scram.mac(salted, "Client Key")).digest()
    text = [scram.base64.b64encode(each).decode() for each in (salt, stored, scram.mac(salted, "Server Key"))]
    return f"SCRAM-SHA-256${iterations}:{text[0]}${text[1]}:{text[2]}"


RULES = [
    {"users": ["by_scram", "with_verifier"], "method": "scram-sha-256"},
    {"users": ["by_md5", "hashed", "with_verifier_by_md5"], "method": "md5"},
    {"users": ["by_plain", "hashed_by_plain", "with_verifier_by_plain"], "type": "hostssl", "method": "plain"},
    {"users": ["by_trust"], "clusters": ["app"], "method": "trust"},
    {"users": ["refused"], "method": "reject"},
    {"users": ["refused"], "method": "trust"},  # comes too late
    {"users": ["from_afar"], "address": "10.0.0.0/8", "method": "trust"},
    {"users": ["from_here"], "address": "127.0.0.0/8", "method": "trust"},
    {"users": ["only_tls"], "type": "hostssl", "method": "trust"},
    {"users": ["only_open"], "type": "hostnossl", "method": "trust"},
    {"users": ["elsewhere"], "clusters": ["other", "ringway"], "method": "trust"},
    {"users": ["postgres"], "method": "trust"},
    {"users": ["by_plain", "hashed_by_plain", "with_verifier_by_plain", "by_trust", "from_afar", "only_tls", "only_open", "elsewhere"],
     "method": "reject"},
    {"method": "scram-sha-256"},
]


@pytest.fixture(scope="module")
def proxy(ringway_session, app_cluster, authority, certificates):
    """Every method at once: the user says which."""
    names = ("by_scram", "by_md5", "by_plain", "by_trust", "refused", "from_afar", "from_here", "only_tls", "only_open", "elsewhere",
             "by_default")
    users = {name: role() for name in names}
    users["not_this_cluster"] = role(clusters=["other"])
    for name in ("hashed", "hashed_by_plain"):
        users[name] = role("md5" + hashlib.md5((SECRET + name).encode()).hexdigest())
    for name in ("with_verifier", "with_verifier_by_md5", "with_verifier_by_plain"):
        users[name] = role(verifier())
    # A second cluster on the same servers: users may be kept to one.
    other = app_cluster.section() | {"database": "app"}
    made = ringway_session({"hba": RULES, "users": users, "clusters": {"other": other}, "general": {"log_level": "trace"},
                            "client_tls": tls_settings(authority, certificates["proxy"])}, app_cluster)
    yield made
    made.stop()


@pytest.mark.parametrize("sslmode", ["disable", "require"])
@pytest.mark.parametrize("user", ["by_scram", "with_verifier", "by_md5", "hashed", "with_verifier_by_md5", "by_default"])
def test_passwords(proxy, user, sslmode):
    assert comes_in(proxy, user, sslmode=sslmode)
    assert f'password authentication failed for user "{user}"' in refusal(proxy, user, password="wrong", sslmode=sslmode)


def test_channel_binding(proxy):
    for user in ("by_scram", "with_verifier"):
        assert comes_in(proxy, user, sslmode="require", channel_binding="require")
        assert "password authentication failed" in refusal(proxy, user, password="wrong", sslmode="require", channel_binding="require")
    assert "channel binding" in refusal(proxy, "by_scram", sslmode="disable", channel_binding="require")
    assert "channel binding" in refusal(proxy, "by_md5", sslmode="require", channel_binding="require")


def test_a_plain_password_only_over_tls(proxy):
    for user in ("by_plain", "hashed_by_plain", "with_verifier_by_plain"):
        assert comes_in(proxy, user, sslmode="require")
        assert f'password authentication failed for user "{user}"' in refusal(proxy, user, password="wrong", sslmode="require")
        assert "no hba rule" in refusal(proxy, user, sslmode="disable")
    with Wire(proxy.port, login=False) as client:  # it is not even asked for
        came = client.send(startup("by_plain", "app")).ended()
        assert kinds(came) == "E" and codes(came) == ["28000"]


def test_rules_are_tried_in_order(proxy):
    assert comes_in(proxy, "by_trust", password="whatever", sslmode="disable")
    assert comes_in(proxy, "from_here", password="whatever", sslmode="disable")
    assert comes_in(proxy, "only_tls", password="whatever", sslmode="require")
    assert comes_in(proxy, "only_open", password="whatever", sslmode="disable")
    for user, sslmode in (("refused", "require"), ("from_afar", "disable"), ("only_tls", "disable"), ("only_open", "require"),
                          ("elsewhere", "disable")):
        said = refusal(proxy, user, sslmode=sslmode)
        assert f'no hba rule lets in host "127.0.0.1", user "{user}", database "app"' in said
    assert 'database "other"' in refusal(proxy, "by_trust", dbname="other", sslmode="disable")


def refused_by_scram(port, user, **more):
    came, told = scram.log_in(port, user, "wrong", **more)
    return kinds(came), [fields(body) for kind, body in came if kind == "E"], told


def test_a_wrong_password_and_an_unknown_user_look_alike(proxy):
    kind, (wrong,), told = refused_by_scram(proxy.port, "by_default")
    assert wrong["C"] == "28P01" and wrong["S"] == "FATAL" and kind == "RRE"
    for name in ("nobody_here", "not_this_cluster"):
        same, (unknown,), also_told = refused_by_scram(proxy.port, name)
        assert same == kind and also_told["iterations"] == told["iterations"]
        assert len(also_told["salt"]) == len(told["salt"])
        assert {key: value.replace(name, "by_default") for key, value in unknown.items()} == wrong


def test_the_salt_does_not_tell_who_exists(proxy):
    """A user has one salt for a time, as with a server; one who does not exist must have one too."""
    for name in ("by_default", "with_verifier", "nobody_here"):
        assert len({refused_by_scram(proxy.port, name)[2]["salt"] for _ in range(3)}) == 1, name
    assert refused_by_scram(proxy.port, "by_default")[2] != refused_by_scram(proxy.port, "by_scram")[2]


def test_md5_salts_differ(proxy):
    salts = set()
    for user in ("by_md5", "by_md5", "hashed"):
        with Wire(proxy.port, login=False) as client:
            kind, body = client.send(startup(user, "app")).message()
            assert (kind, body[:4]) == ("R", struct.pack("!i", 5))
            salts.add(body[4:])
    assert len(salts) == 3


def test_a_user_of_another_cluster(proxy):
    assert comes_in(proxy, "not_this_cluster", dbname="other")
    assert "password authentication failed" in refusal(proxy, "not_this_cluster", dbname="app")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_tls_versions(proxy, authority, version):
    both = {"ssl_min_protocol_version": version, "ssl_max_protocol_version": version}
    with connect(proxy, "by_scram", sslmode="verify-ca", sslrootcert=str(authority.ca), **both) as client:
        assert client.pgconn.ssl_in_use
        mine = [row for row in admin(proxy, "SHOW CLIENTS") if row["user"] == "by_scram"]
        assert version in mine[0]["tls"]


def test_older_tls_is_refused(proxy):
    with Wire(proxy.port, login=False) as client:
        assert client.send(wire.ssl_request()).receive(1) == b"S"
        with pytest.deprecated_call():
            old = client_side(minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            old.wrap_socket(client.socket)


def test_a_minimum_version_of_1_3(ringway, authority, certificates):
    proxy = ringway({"client_tls": tls_settings(authority, certificates["proxy"], min_version="1.3")})
    with proxy.connect(sslmode="require") as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        proxy.connect(sslmode="require", ssl_max_protocol_version="TLSv1.2")


def test_clients_verify_the_proxy(proxy, authority, workspace):
    for sslmode in ("verify-ca", "verify-full"):
        assert comes_in(proxy, "by_scram", sslmode=sslmode, sslrootcert=str(authority.ca), host="localhost")
    stranger = Authority(workspace / "stranger")
    assert "certificate verify failed" in refusal(proxy, "by_scram", sslmode="verify-ca", sslrootcert=str(stranger.ca))


def direct_tls(proxy, protocols):
    """A TLS handshake without an SSLRequest, as sslnegotiation=direct does it."""
    tls = client_side()
    if protocols:
        tls.set_alpn_protocols(protocols)
    return Wire(proxy.port, login=False, tls=tls)


def test_direct_tls(proxy):
    with direct_tls(proxy, ["postgresql"]) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        client.send(startup("only_tls", "app")).greeting()
        assert client.value("SELECT current_user") == "app"
    for protocols in (["http/1.1"], None):  # PostgreSQL demands the name, against attacks across protocols
        with pytest.raises((ssl.SSLError, ConnectionError, Closed)), direct_tls(proxy, protocols) as client:
            client.send(startup("only_tls", "app")).greeting()


def test_nothing_is_smuggled_before_the_handshake(proxy):
    with Wire(proxy.port, login=False) as client:
        came = client.send(wire.ssl_request() + startup("by_trust", "app")).ended()
        assert kinds(came) == "E" and codes(came) == ["08P01"]


@pytest.fixture(scope="module")
def mutual(ringway_session, app_cluster, authority, certificates):
    """client_tls.mode = verify-ca: every client shows a certificate."""
    rules = [{"users": ["by_certificate"], "method": "certificate"}, {"method": "scram-sha-256"}]
    made = ringway_session({"hba": rules, "users": {"by_certificate": role(), "by_scram": role(), "somebody": role()},
                            "client_tls": tls_settings(authority, certificates["proxy"], "verify-ca")}, app_cluster)
    yield made
    made.stop()


def test_certificates(mutual, authority, certificates):
    both = {"sslmode": "verify-full", "sslrootcert": str(authority.ca), "host": "localhost"}
    for version in ("TLSv1.2", "TLSv1.3"):
        assert comes_in(mutual, "by_certificate", password="unused", ssl_max_protocol_version=version,
                        **client_certificate(certificates["by_certificate"]), **both)
    said = refusal(mutual, "by_certificate", **client_certificate(certificates["somebody"]), **both)
    assert 'certificate authentication failed for user "by_certificate"' in said


def test_verify_ca_wants_a_certificate_of_everybody(mutual, authority, certificates, workspace):
    assert comes_in(mutual, "by_scram", sslmode="require", channel_binding="require", **client_certificate(certificates["somebody"]))
    assert refusal(mutual, "by_scram", sslmode="require", sslcert="/nonexistent")
    stranger = Authority(workspace / "another").issue("by_certificate", "by_certificate")
    assert refusal(mutual, "by_certificate", sslmode="require", **client_certificate(stranger))
    assert "only TLS" in refusal(mutual, "by_scram", sslmode="disable")


def test_require_refuses_clients_without_tls(ringway, authority, certificates):
    proxy = ringway({"client_tls": tls_settings(authority, certificates["proxy"], "require")})
    with proxy.connect(sslmode="require") as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
    with Wire(proxy.port, login=False) as client:
        came = client.send(startup("app", "app")).ended()
        assert codes(came) == ["28000"] and "TLS" in fields(came[-1][1])["M"]


def test_without_tls_the_proxy_says_so(ringway):
    proxy = ringway()
    with Wire(proxy.port, login=False) as client:
        assert client.send(wire.ssl_request()).receive(1) == b"N"
        client.send(startup("app", "app")).greeting()
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        proxy.connect(sslmode="require")


def test_a_reload_reads_certificates_again(ringway, authority, tmp_path):
    def place(pair):
        for path, kind in zip(pair, ("crt", "key")):
            shutil.copy(path, tmp_path / f"now.{kind}")

    first, second = authority.issue("first"), authority.issue("second")
    place(first)
    proxy = ringway({"client_tls": tls_settings(authority, (tmp_path / "now.crt", tmp_path / "now.key"))})
    before = shown_certificate(proxy.port)
    with proxy.connect(sslmode="require", channel_binding="disable") as kept:
        kept.execute("SELECT 1")
        place(second)
        assert shown_certificate(proxy.port) == before  # only when told
        admin(proxy, "RELOAD")
        after = shown_certificate(proxy.port)
        assert after != before
        assert kept.execute("SELECT 1").fetchone() == (1,)
        # A broken file changes nothing.
        (tmp_path / "now.key").write_text("no key")
        with pytest.raises(psycopg.Error):
            admin(proxy, "RELOAD")
        assert shown_certificate(proxy.port) == after
        assert kept.execute("SELECT 1").fetchone() == (1,)
    with proxy.connect(sslmode="verify-ca", sslrootcert=str(authority.ca)) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_reload_changes_rules_and_passwords(ringway):
    proxy = ringway({"hba": [{"users": ["postgres"], "method": "trust"}, {"method": "scram-sha-256"}], "users": {"late": role("first")}})
    assert comes_in(proxy, "late", password="first")
    with connect(proxy, "late", password="first") as kept:
        proxy.reload({"users": {"late": role("second")}})
        assert until(lambda: scram.log_in(proxy.port, "late", "second")[0][-1][0] == "Z")
        assert "password authentication failed" in refusal(proxy, "late", password="first")
        assert kept.execute("SELECT 1").fetchone() == (1,)
        proxy.reload({"hba": [{"users": ["postgres"], "method": "trust"}, {"users": ["late"], "method": "reject"}]})
        assert until(lambda: "no hba rule" in scram.log_in(proxy.port, "late", "second")[0][-1][1].decode(errors="replace"))
        assert kept.execute("SELECT 1").fetchone() == (1,)


def test_the_admin_port_asks_too(proxy):
    def operator(user):
        return psycopg.connect(host="127.0.0.1", port=proxy.admin_port, user=user, password=SECRET, dbname="ringway", connect_timeout=10)

    for user in ("by_scram", "nobody_here", "by_trust"):
        with pytest.raises(psycopg.OperationalError) as why:
            operator(user)
        assert "password authentication failed" in str(why.value) or "no hba rule" in str(why.value)


def test_no_secret_and_no_query_reaches_the_log(proxy):
    """Runs last: the log, at its most talkative, has heard all of the above."""
    with connect(proxy, "by_scram") as client:
        client.execute("SELECT 'a text to look for'")
    for method in ("by_md5", "by_plain", "by_scram"):
        refusal(proxy, method, password="other-" + SECRET, sslmode="require")
    said = proxy.log.read_text(errors="replace")
    for secret in (SECRET, "a text to look for", "SCRAM-SHA-256$", hashlib.md5((SECRET + "hashed").encode()).hexdigest()):
        assert secret not in said


def test_the_admin_command_shows_a_certificate(mutual, certificates):
    def ask(*more):
        return subprocess.run([BINARY, "admin", "--config", mutual.config, *map(str, more), "SHOW VERSION"], capture_output=True, text=True, timeout=30)
    certificate, key = certificates["somebody"]
    assert ask().returncode == 1
    answered = ask("--cert", certificate, "--key", key)
    assert answered.returncode == 0 and "Ringway" in answered.stdout, answered.stderr


def test_refused_logins_are_logged(ringway):
    proxy = ringway({"hba": [{"method": "scram-sha-256"}]})
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=proxy.port, user="app", password="wrong", dbname="app", connect_timeout=10)
    line = 'login of user "app" to "app" from 127.0.0.1:'
    assert until(lambda: any(line in each and "password authentication failed" in each for each in proxy.log.read_text().splitlines()), 5), proxy.log_tail()
