"""TLS of MySQL's protocol: what clients must bring, and what Ringway wants of its servers. MariaDB only: MySQL 5.6 has no TLS of today."""

import ssl

import my
import my_wire
import pymysql
import pytest
from certificates import Authority
from conftest import MY_SETTINGS, merged, until

# SHOW STATUS LIKE 'Ssl_cipher' tells of the client's own connection.
CIPHER_TO_SERVER = "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"


@pytest.fixture(scope="session")
def authority(workspace):
    return Authority(workspace / "my-ca")


@pytest.fixture(scope="session")
def stranger(workspace):
    return Authority(workspace / "my-other-ca")


@pytest.fixture(scope="session")
def cluster(workspace, authority):
    pem, key = authority.issue("server")
    key.chmod(0o644)  # the servers run as somebody else
    made = my.MyCluster(workspace, "secure", environment={"MY_EXTRA": f"ssl-cert = {pem}\nssl-key = {key}\nssl-ca = {authority.ca}"})
    made.primary().rows("CREATE USER secured@'%' IDENTIFIED BY 'secured' REQUIRE SSL", database="mysql")
    made.primary().rows("GRANT ALL ON *.* TO secured@'%'", database="mysql")
    yield made
    made.down()


def proxy_of(ringway, cluster, ready=True, **tls):
    over = {"users": {"secured": {"password": "secured"}}, "clusters": {"secure": {"server_tls": tls, "failover_hold": "500ms"}}}
    return ringway(merged(MY_SETTINGS, over), clusters=cluster, ready=ready)


def connect(proxy, user="app", **more):
    return my.connect(proxy.mysql_port, user, database="secure", **more)


def tells_of_tls(proxy):
    return "certificate" in proxy.log_tail().lower() or "tls" in proxy.log_tail().lower()


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
def test_servers_are_spoken_to_by_tls(ringway, cluster, authority, mode):
    ca = {"ca": str(authority.ca)} if mode.startswith("verify") else {}
    proxy = proxy_of(ringway, cluster, mode=mode, **ca)
    for user in ("app", "secured"):
        with connect(proxy, user) as client:
            assert my.value(client, CIPHER_TO_SERVER)
    watching = cluster.primary().rows("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'monitor'", database="mysql")
    assert watching[0][0] >= 1


def test_without_tls_a_user_who_needs_it_is_refused(ringway, cluster):
    proxy = proxy_of(ringway, cluster, mode="disable")
    with connect(proxy) as client:
        assert my.value(client, CIPHER_TO_SERVER) == ""
    with pytest.raises(pymysql.err.MySQLError):
        with connect(proxy, "secured") as client:
            my.rows(client, "SELECT 1")


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_of_another_authority_is_not_trusted(ringway, cluster, stranger, mode):
    """Neither for clients nor by the monitor: no password of theirs goes there."""
    last = cluster.primary().rows("SELECT CONNECTION_ID()", database="secure")[0][0]  # an earlier proxy's may not have ended yet
    proxy = proxy_of(ringway, cluster, ready=False, mode=mode, ca=str(stranger.ca))
    assert until(lambda: tells_of_tls(proxy), 40), proxy.log_tail()
    assert not proxy.is_ready()
    here = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER IN ('monitor', 'app') AND ID > {last}"
    assert cluster.primary().rows(here, database="secure")[0][0] == 0


def test_a_server_of_another_name_is_not_trusted(ringway, workspace, authority):
    pem, key = authority.issue("elsewhere", "elsewhere.example.com", "DNS:elsewhere.example.com")
    key.chmod(0o644)
    other = my.MyCluster(workspace, "elsewhere", environment={"MY_EXTRA": f"ssl-cert = {pem}\nssl-key = {key}"})
    try:
        over = {"clusters": {"elsewhere": {"server_tls": {"mode": "verify-ca", "ca": str(authority.ca)}}}}
        proxy = ringway(merged(MY_SETTINGS, over), clusters=other)
        with my.connect(proxy.mysql_port, database="elsewhere") as client:
            assert my.value(client, CIPHER_TO_SERVER)
        over["clusters"]["elsewhere"]["server_tls"]["mode"] = "verify-full"
        proxy = ringway(merged(MY_SETTINGS, over), clusters=other, ready=False)
        assert until(lambda: tells_of_tls(proxy), 40), proxy.log_tail()
        assert not proxy.is_ready()
    finally:
        other.down()


def test_a_server_without_tls_is_refused_where_it_is_required(ringway, my_cluster):
    assert my_cluster.primary().rows("SELECT @@have_ssl")[0][0] != "YES"
    proxy = ringway(merged(MY_SETTINGS, {"clusters": {"shop": {"server_tls": {"mode": "prefer"}}}}), clusters=my_cluster)
    with my.connect(proxy.mysql_port) as client:
        assert my.value(client, "SELECT 1") == 1
    over = {"clusters": {"shop": {"server_tls": {"mode": "require"}, "failover_hold": "500ms"}}}
    proxy = ringway(merged(MY_SETTINGS, over), clusters=my_cluster, ready=False)
    assert until(lambda: tells_of_tls(proxy), 40), proxy.log_tail()
    assert not proxy.is_ready()


# ---- clients ------------------------------------------------------------------------------------------------------------

def test_clients_without_tls_are_refused_where_it_is_required(my_ringway, my_cluster, certificate):
    pem, key = map(str, certificate)
    proxy = my_ringway({"client_tls": {"mode": "require", "certificate": pem, "key": key}})
    with pytest.raises(my_wire.ServerError) as refused:
        my_wire.Wire(proxy.mysql_port)
    assert refused.value.code == 1045 and "TLS" in refused.value.message
    with my.connect(proxy.mysql_port, ssl={"ca": pem}) as client:
        assert my.value(client, "SELECT 1") == 1
    with my_wire.Wire(proxy.mysql_port, tls=True) as client:
        assert client.query("SELECT 1") == [[b"1"]]


def test_certificates_of_clients(my_ringway, my_cluster, certificate, authority, stranger):
    pem, key = map(str, certificate)
    proxy = my_ringway({"client_tls": {"mode": "verify-ca", "certificate": pem, "key": key, "ca": str(authority.ca)},
                        "hba": [{"users": ["app"], "method": "cert"}]})
    mine, its_key = map(str, authority.issue("app", "app"))
    with my.connect(proxy.mysql_port, password="", ssl={"ca": pem, "cert": mine, "key": its_key}) as client:
        assert my.value(client, "SELECT CURRENT_USER()") == "app@%"
    for who in (authority.issue("somebody", "somebody"), stranger.issue("app", "app"), None):
        more = {"cert": str(who[0]), "key": str(who[1])} if who else {}
        with pytest.raises((pymysql.err.MySQLError, ssl.SSLError, OSError)):
            my.connect(proxy.mysql_port, password="", ssl={"ca": pem, **more})
