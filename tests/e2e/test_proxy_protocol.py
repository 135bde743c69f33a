"""The PROXY protocol towards Ringway: HAProxy in front of it, and headers by hand. The balancer is 127.0.0.1, its clients come
from 127.0.0.9, and nobody else's headers are believed."""

import socket
import struct
import subprocess
import threading
import time

import my
import psycopg
import pymysql
import pytest
from conftest import MY_SETTINGS, admin, free_ports, merged, until

CLIENT = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ENDS = socket.inet_aton(CLIENT) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 50000, 6432)
LINE = f"PROXY TCP4 {CLIENT} 127.0.0.1 50000 6432\r\n".encode()
SSL_REQUEST = struct.pack(">II", 8, 80877103)


def binary(command, family, rest=b""):
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(rest)) + rest


@pytest.fixture(scope="module")
def cluster(workspace):
    made = my.MyCluster(workspace, "balanced")
    yield made
    made.down()


@pytest.fixture(scope="module")
def proxy(ringway_session, app_cluster, cluster, certificate):
    """Both protocols; only clients of 127.0.0.9 are let in, with a password."""
    pem, key = map(str, certificate)
    rules = [{"address": "127.0.0.9/32", "method": "scram-sha-256"}, {"clusters": ["ringway"], "method": "trust"},
             {"users": ["postgres"], "method": "trust"}, {"method": "reject"}]
    return ringway_session(merged(MY_SETTINGS, {
        "listen": {"proxy_protocol": ["127.0.0.1", "fd00::/8"]}, "hba": rules,
        "general": {"log_queries": True, "client_login_timeout": "3s"},
        "client_tls": {"mode": "allow", "certificate": pem, "key": key}}), clusters=[app_cluster, cluster])


HAPROXY = """
global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
"""


@pytest.fixture(scope="module", params=["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options ssl,unique-id,crc32c"])
def balancer(request, workspace, proxy):
    """(PostgreSQL's port, MySQL's port) of a HAProxy whose clients come from 127.0.0.9, and which checks its servers."""
    ports = free_ports(6)
    text = HAPROXY
    for name, (front, back), behind in (("pg", ports[0:2], proxy.port), ("my", ports[2:4], proxy.mysql_port)):
        text += (f"listen {name}_clients\n  bind 127.0.0.1:{front}\n  server s 127.0.0.1:{back} source {CLIENT}\n"
                 f"listen {name}\n  bind 127.0.0.1:{back}\n  unique-id-format %ci\n"
                 f"  server ringway 127.0.0.1:{behind} {request.param} check check-send-proxy inter 100ms fall 1\n")
    config = workspace / "haproxy.cfg"
    config.write_text(text)
    log = workspace / "haproxy.log"
    with open(log, "wb") as to:
        process = subprocess.Popen(["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL, stdout=to, stderr=to)

    def listens():
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", ports[2])) == 0

    assert until(listens)
    yield ports[0], ports[2]
    process.kill()
    process.wait(10)
    assert "DOWN" not in log.read_text()


def psql(port, sql, mode="disable"):
    return subprocess.run(["psql", "-XAtq", f"host=127.0.0.1 port={port} user=app password=app dbname=app sslmode={mode}",
                           "-c", sql], capture_output=True, text=True, timeout=60)


def mariadb(port, sql, *more):
    return subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(port), "-uapp", "-papp",
                           "-N", "-B", *more, "-e", sql, "balanced"], capture_output=True, text=True, timeout=60)


# ---- HAProxy ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", ["disable", "require"])
def test_psql_through_haproxy(balancer, proxy, mode):
    done = psql(balancer[0], f"SELECT 'of psql {mode}'", mode)
    assert (done.returncode, done.stdout) == (0, f"of psql {mode}\n"), done.stderr
    assert f"(app in app) from {CLIENT}:" in next(line for line in reversed(proxy.log.read_text().splitlines())
                                                  if f"of psql {mode}" in line)


@pytest.mark.parametrize("more", ["--skip-ssl", "--ssl", "--compress"])
def test_the_mariadb_client_through_haproxy(balancer, proxy, more):
    done = mariadb(balancer[1], f"SELECT v, 'of mariadb {more}' FROM t WHERE id = 2", more)
    assert (done.returncode, done.stdout) == (0, f"two\tof mariadb {more}\n"), done.stderr
    assert f"(app in balanced) from {CLIENT}:" in next(line for line in reversed(proxy.log.read_text().splitlines())
                                                       if f"of mariadb {more}" in line)


def test_show_clients_knows_the_client(balancer, proxy):
    with psycopg.connect(host="127.0.0.1", port=balancer[0], user="app", password="app", dbname="app") as one, \
            my.connect(balancer[1], database="balanced") as other:
        one.execute("SELECT 1")
        assert my.value(other, "SELECT 1") == 1
        assert [row["addr"] for row in admin(proxy, "SHOW CLIENTS") if row["user"] == "app"] == [CLIENT] * 2


def test_a_cancel_comes_through(balancer):
    with psycopg.connect(host="127.0.0.1", port=balancer[0], user="app", password="app", dbname="app") as connection:
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(50)")
        timer.join()


def test_a_refusal_names_the_client(balancer, proxy):
    done = subprocess.run(["psql", "-X", f"host=127.0.0.1 port={balancer[0]} user=app password=wrong dbname=app", "-c", "SELECT 1"],
                          capture_output=True, text=True, timeout=60)
    assert "password authentication failed" in done.stderr
    with pytest.raises(pymysql.err.OperationalError, match=f"'app'@'{CLIENT}'"):
        my.connect(balancer[1], password="wrong", database="balanced")
    log = proxy.log.read_text()
    assert f'login of user "app" to "app" from {CLIENT}:' in log and f'login of user "app" to "balanced" from {CLIENT}:' in log


# ---- headers by hand ----------------------------------------------------------------------------------------------------

def came(port, said, source="127.0.0.1", pause=0.0, limit=10):
    """What Ringway answers first to these pieces; empty: it has closed."""
    with socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0)) as one:
        one.settimeout(limit)
        for piece in said if isinstance(said, list) else [said]:
            one.sendall(piece)
            time.sleep(pause)
        try:
            return one.recv(4096)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("header", [
    LINE, b"PROXY UNKNOWN\r\n", binary(1, 0x11, ENDS), binary(1, 0x11, ENDS + b"\x04\0\x02xy"), binary(0, 0),
    binary(1, 0), binary(1, 0x31, b"/" * 216), binary(1, 0x11, ENDS + bytes(65535 - len(ENDS)))])
def test_headers_let_in(proxy, header):
    assert came(proxy.port, header + SSL_REQUEST) == b"S"
    half = len(header) // 2
    assert came(proxy.port, [header[:half], header[half:], SSL_REQUEST[:3], SSL_REQUEST[3:]], pause=0.05) == b"S"
    assert b"mysql_native_password" in came(proxy.mysql_port, header)


def startup(user, database):
    text = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack(">II", len(text) + 8, 3 << 16) + text


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary(0, 0), binary(0, 0x11, ENDS), binary(1, 0x31, b"/" * 216)])
def test_rules_see_the_balancer_where_the_header_names_nobody(proxy, header):
    assert b"no hba rule lets in host \"127.0.0.1\"" in came(proxy.port, header + startup("app", "app"))
    assert came(proxy.port, LINE + startup("app", "app"))[:1] == b"R"


def test_ipv6_clients(proxy):
    said = came(proxy.port, b"PROXY TCP6 2001:db8::7 ::1 50000 6432\r\n" + startup("app", "app"))
    assert b'no hba rule lets in host "2001:db8::7"' in said
    assert came(proxy.port, f"PROXY TCP6 ::ffff:{CLIENT} ::1 1 2\r\n".encode() + startup("app", "app"))[:1] == b"R"


@pytest.mark.parametrize("said,why", [
    (SSL_REQUEST, "no PROXY header"), (b"GET / HTTP/1.0\r\n\r\n", "no PROXY header"),
    (b"PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n", "a port in a PROXY line is none"),
    (binary(1, 0x41, ENDS), "a PROXY header's address family is unknown"),
    (binary(1, 0x11, ENDS[1:]), "a PROXY header is too short for its addresses")])
def test_what_is_no_header_closes(proxy, said, why):
    for port in (proxy.port, proxy.mysql_port):
        before = proxy.log.read_text().count(f"closed: {why}")
        assert came(port, said) == b""
        assert until(lambda: proxy.log.read_text().count(f"closed: {why}") == before + 1)


def test_half_a_header_has_as_long_as_a_login(proxy):
    for port in (proxy.port, proxy.mysql_port):
        assert came(port, LINE[:-1], limit=30) == b""
    assert until(lambda: proxy.log.read_text().count("closed: did not send a PROXY header in time") >= 2)


def test_y28_nobody_else_is_believed(proxy):
    elsewhere = "127.0.0.5"
    for header in (LINE, binary(1, 0x11, ENDS)):
        before = proxy.log.read_text().count("invalid length of startup packet")
        assert came(proxy.port, header, elsewhere) == b""
        assert until(lambda: proxy.log.read_text().count("invalid length of startup packet") > before)
        with socket.create_connection(("127.0.0.1", proxy.mysql_port), 10, source_address=(elsewhere, 0)) as one:
            one.sendall(header)
            said = b""
            while got := one.recv(4096):
                said += got
            assert b"mysql_native_password" in said and b"08S01" in said
    # Without a header they come in as themselves.
    assert f'host "{elsewhere}"'.encode() in came(proxy.port, startup("app", "app"), elsewhere)
    assert came(proxy.port, startup("postgres", "app"), elsewhere)[:1] == b"R"
    # The admin port has no balancer before it.
    assert admin(proxy, "SHOW VERSION")


def test_networks_follow_a_reload(ringway, app_cluster):
    proxy = ringway()
    assert came(proxy.port, startup("app", "app"))[:1] == b"R"
    proxy.reload({"listen": {"proxy_protocol": ["127.0.0.0/8"]}})
    assert until(lambda: [row["value"] for row in admin(proxy, "SHOW CONFIG") if row["key"] == "listen.proxy_protocol"] == [
        "127.0.0.0/8"])
    assert came(proxy.port, startup("app", "app")) == b""
    assert came(proxy.port, LINE + startup("app", "app"))[:1] == b"R"
