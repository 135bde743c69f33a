"""The HTTP port: /health, /metrics, /api, and requests that are none."""

import http.client
import json
import re
import signal
import socket
import urllib.parse

import psycopg
import pytest

from conftest import ROOT, admin, knows_tables, until


def get(proxy, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def raw(proxy, request, half_close=False):
    """What the port answers to these bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", proxy.http_port), timeout=10) as wire:
        wire.sendall(request)
        if half_close:
            wire.shutdown(socket.SHUT_WR)
        came = b""
        while True:
            try:
                more = wire.recv(65536)
            except ConnectionResetError:
                return came
            if not more:
                return came
            came += more


def metrics(proxy):
    """{(name, frozenset of labels): value} of /metrics, every line of which must be Prometheus' text format."""
    status, headers, text = get(proxy, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, types = {}, {}
    label = r'[a-z_]+="(?:[^"\\\n]|\\.)*"'
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("counter", "gauge") and name not in types
            types[name] = kind
        elif line and not line.startswith("# HELP "):
            match = re.fullmatch(rf"([a-z_]+)(?:\{{((?:{label},?)*)\}})? (\S+)", line)
            assert match, line
            labels = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            assert match.group(1) in types and (match.group(1), labels) not in found
            assert (types[match.group(1)] == "counter") == match.group(1).endswith("_total"), line
            found[match.group(1), labels] = float(match.group(3))
    return found


def total(proxy, name, **labels):
    return sum(value for (found, having), value in metrics(proxy).items()
               if found == name and set(labels.items()) <= having)


def test_live_and_ready(ringway, app_cluster):
    proxy = ringway()
    assert get(proxy, "/health/live")[0] == 200
    status, headers, body = get(proxy, "/health/ready")
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})
    assert headers["Content-Type"] == "application/json" and headers["Cache-Control"] == "no-store"
    whole = json.loads(get(proxy, "/health")[2])
    assert whole["live"] and whole["ready"] and [one["cluster"] for one in whole["clusters"]] == ["app"]
    app_cluster.ctl(app_cluster.primary(), "stop", "-m", "fast")
    try:
        assert until(lambda: get(proxy, "/health/ready")[0] == 503)
        assert "shard s0 of cluster app has no primary" in json.loads(get(proxy, "/health/ready")[2])["reasons"][0]
        assert get(proxy, "/health/live")[0] == 200 and get(proxy, "/health")[0] == 503
        assert until(lambda: total(proxy, "ringway_node_up", role="primary") == 0)
        assert total(proxy, "ringway_ready") == total(proxy, "ringway_cluster_ready", cluster="app") == 0
    finally:
        app_cluster.ctl(app_cluster.primary(), "start")
    assert until(lambda: get(proxy, "/health/ready")[0] == 200)
    assert until(lambda: {row["state"] for row in admin(proxy, "SHOW LAG")} == {"up"}, 30)  # the replicas stream again


def test_draining_is_told(ringway):
    proxy = ringway({"general": {"drain_timeout": "20s"}})
    client = proxy.connect()
    client.execute("BEGIN")
    client.execute("SELECT txid_current()")
    proxy.process.send_signal(signal.SIGTERM)
    assert until(lambda: get(proxy, "/health/ready")[0] == 503)
    assert "draining" in json.loads(get(proxy, "/health/ready")[2])["reasons"]
    assert get(proxy, "/health/live")[0] == 200
    assert (total(proxy, "ringway_draining"), total(proxy, "ringway_ready")) == (1, 0)
    client.execute("COMMIT")
    assert proxy.process.wait(10) == 0


def test_metrics_move_with_traffic(ringway, app_cluster):
    proxy = ringway()
    assert until(lambda: all(row["watermark_age_ms"] is not None for row in admin(proxy, "SHOW LAG")))
    counters = ("transactions", "statements", "writes", "reads", "received_bytes", "sent_bytes", "refusals",
                "transaction_seconds", "statement_seconds")
    before = {name: total(proxy, f"ringway_{name}_total") for name in counters}
    with proxy.connect(cursor_factory=psycopg.ClientCursor) as client:
        for number in range(10):
            client.execute(f"SELECT {number}")
        with pytest.raises(psycopg.Error):
            client.execute("/* ringway: role=replica */ SELECT txid_current()")
        client.execute("CREATE TEMP TABLE t AS SELECT 1 FROM pg_sleep(0.1)")
        assert total(proxy, "ringway_clients", cluster="app") == 1
        assert total(proxy, "ringway_pins", cluster="app") == 1
        assert total(proxy, "ringway_servers", node=app_cluster.primary().address, state="active") == 1
        assert total(proxy, "ringway_pool_servers_active", node=app_cluster.primary().address, user="app") == 1
    assert until(lambda: total(proxy, "ringway_clients") == 0)
    grown = {name: total(proxy, f"ringway_{name}_total") - before[name] for name in counters}
    assert (grown["transactions"], grown["reads"], grown["writes"], grown["refusals"]) == (11, 10, 1, 1)
    assert grown["statements"] == 11
    assert grown["received_bytes"] > 200 and grown["sent_bytes"] > 500
    assert 0.1 <= grown["statement_seconds"] <= grown["transaction_seconds"] < 60
    assert total(proxy, "ringway_reads_total", role="replica") == 10
    assert total(proxy, "ringway_node_up", cluster="app") == 3
    assert total(proxy, "ringway_build_info") == total(proxy, "ringway_ready") == 1
    assert total(proxy, "ringway_plan_cache_parses_total") >= 3
    replica = app_cluster.replicas()[0].address
    admin(proxy, f"BAN {replica}")
    assert total(proxy, "ringway_bans", node=replica, by="operator") == 1
    admin(proxy, "PAUSE")
    assert total(proxy, "ringway_pool_paused") > 0
    admin(proxy, "RESUME")
    assert total(proxy, "ringway_pool_paused") == 0


def test_every_metric_of_the_reference_is_there_and_no_other(ringway, app_cluster):
    proxy = ringway()
    text = (ROOT / "docs" / "admin.md").read_text().split("### Metrics")[1].split("\n## ")[0]
    documented = set()
    for line in text.splitlines():
        if line.startswith("| `ringway"):
            names = re.findall(r"`([a-z_]+)`", line.split("|")[1])
            base = "ringway_pool" if names[0].startswith("ringway_pool") else "ringway_plan_cache"
            documented |= {base + name if name.startswith("_") else name for name in names}
    with proxy.connect() as client:
        client.execute("CREATE TEMP TABLE t (a int)")
        admin(proxy, f"BAN {app_cluster.replicas()[0].address} FOR 1m")
        assert {name for name, _ in metrics(proxy)} == documented


def test_the_api_has_what_show_has(shop_proxy):
    paths = json.loads(get(shop_proxy, "/api")[2])
    for path in paths:
        if path not in ("/api/key", "/api/route"):
            status, headers, body = get(shop_proxy, path)
            assert status == 200 and headers["Content-Type"] == "application/json"
            assert isinstance(json.loads(body), list), path
    assert len(json.loads(get(shop_proxy, "/api/lag")[2])) == 6
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    key = json.loads(get(shop_proxy, "/api/key?cluster=shop&table=orders&value=42")[2])[0]
    shown = admin(shop_proxy, "SHOW KEY shop orders 42")[0]
    assert (key["shard"], key["position"]) == (shown["shard"], str(shown["position"]))
    sql = urllib.parse.quote("SELECT * FROM orders WHERE user_id = $1")
    route = json.loads(get(shop_proxy, f"/api/route?cluster=shop&sql={sql}&value=42")[2])
    assert shown["primary_node"] in {row["value"] for row in route}
    assert len(json.loads(get(shop_proxy, "/api/ring?cluster=shop&full=true")[2])) == 450
    for path, status in (("/api/nothing", 404), ("/api/key?cluster=shop", 400), ("/api/lag?x=1", 400),
                         ("/api/ring?cluster=shpo", 404), ("/api/key?cluster=shop&table=orders&value=%zz", 400),
                         ("/nothing", 404), ("/", 404)):
        answer = get(shop_proxy, path)
        assert answer[0] == status and json.loads(answer[2])["error"]["message"], path


def test_head_and_methods_that_change_things(shop_proxy):
    status, headers, body = get(shop_proxy, "/metrics", "HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 1000 and body == ""
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        status, headers, body = get(shop_proxy, "/api/lag", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("request_bytes, status", [
    (b"nonsense\r\n\r\n", 400),
    (b"GET\r\n\r\n", 400),
    (b"GET /metrics HTTP/9.9\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", 400),  # PostgreSQL's SSLRequest
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),  # a TLS hello
    (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
    (b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
    (b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
])
def test_bad_requests_get_an_answer_and_harm_nobody(shop_proxy, request_bytes, status):
    answer = raw(shop_proxy, request_bytes)
    assert answer.startswith(b"HTTP/1.") and int(answer.split()[1]) == status, answer[:200]
    assert get(shop_proxy, "/health/live")[0] == 200


def test_clients_that_vanish_or_say_nothing(shop_proxy):
    with socket.create_connection(("127.0.0.1", shop_proxy.http_port)) as silent:
        assert raw(shop_proxy, b"", half_close=True) == b""
        assert b"200 OK" not in raw(shop_proxy, b"GET /metr", half_close=True)
        for _ in range(50):
            socket.create_connection(("127.0.0.1", shop_proxy.http_port)).close()
        assert get(shop_proxy, "/health/live")[0] == 200
        silent.sendall(b"GET /health/live HTTP/1.1\r\n\r\nGET /health/ready HTTP/1.1\r\nConnection: close\r\n\r\n")  # pipelined
        came = b""
        while more := silent.recv(65536):
            came += more
        assert came.count(b"HTTP/1.1 200") == 2


def test_too_many_connections(ringway):
    proxy = ringway()
    held = [socket.create_connection(("127.0.0.1", proxy.http_port)) for _ in range(200)]
    try:
        one_more = socket.create_connection(("127.0.0.1", proxy.http_port), timeout=10)
        assert one_more.recv(1) == b""  # closed at once
        one_more.close()
    finally:
        for each in held:
            each.close()
    assert until(lambda: answers(proxy))


def answers(proxy):
    try:
        return get(proxy, "/health/live")[0] == 200
    except OSError:
        return False
