"""The life of a proxy: PAUSE and RESUME, RELOAD, draining, the takeover by a successor."""

import contextlib
import select
import signal
import socket
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import BINARY, admin, free_ports, merged, toml_of, until


def operator(proxy):
    return psycopg.connect(host="127.0.0.1", port=proxy.admin_port, user="postgres", password="postgres", dbname="ringway",
                           autocommit=True, cursor_factory=psycopg.ClientCursor)


class InBackground(threading.Thread):
    """Runs `what` on a thread of its own; result() waits for its end and gives what it gave, or raises what it raised."""

    def __init__(self, what):
        super().__init__(daemon=True)
        self.what, self.value, self.error = what, None, None
        self.start()

    def run(self):
        try:
            self.value = self.what()
        except Exception as error:  # noqa: BLE001: handed on by result()
            self.error = error

    def result(self, limit=30):
        self.join(limit)
        assert not self.is_alive(), "still running"
        if self.error:
            raise self.error
        return self.value


def write(connection):
    return connection.execute("SELECT txid_current()").fetchone()


class Traffic:
    """Clients in a loop, each with short transactions over a connection of its own; keeps every error."""

    def __init__(self, proxy, count=4, reconnect=False):
        self.proxy, self.reconnect = proxy, reconnect
        self.done, self.errors, self.going = 0, [], True
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(count)]
        for each in self.threads:
            each.start()

    def work(self):
        try:
            while self.going:
                with self.proxy.connect() as connection:
                    while self.going:
                        with connection.transaction():
                            write(connection)
                            connection.execute("SELECT 1")
                        self.done += 1
                        if self.reconnect:
                            break
        except Exception as error:  # noqa: BLE001: the test looks at them
            self.errors.append(error)

    def stop(self):
        self.going = False
        for each in self.threads:
            each.join(30)
        assert not any(each.is_alive() for each in self.threads)
        assert self.errors == []
        return self.done

    def grows(self):
        before = self.done
        return until(lambda: self.done > before + 20 or self.errors)


def paused(proxy):
    return {row["name"]: row["paused"] for row in admin(proxy, "SHOW DATABASES")}


# ---- PAUSE and RESUME ---------------------------------------------------------------------------------------------------

def test_pause_waits_for_transactions_and_holds_new_ones(ringway, app_cluster, shop_cluster):
    proxy = ringway(clusters=[app_cluster, shop_cluster])
    with proxy.connect() as open_one, proxy.connect() as held, proxy.connect(dbname="shop") as elsewhere, operator(proxy) as desk:
        open_one.execute("BEGIN")
        write(open_one)
        pausing = InBackground(lambda: desk.execute("PAUSE app").statusmessage)
        assert until(lambda: paused(proxy) == {"app": 1, "shop": 0})
        waiting = InBackground(lambda: write(held))
        newcomer = InBackground(lambda: proxy.connect().execute("SELECT 1").fetchone())
        assert until(lambda: [row for row in admin(proxy, "SHOW CLIENTS") if row["state"] == "waiting"])
        write(open_one)  # its transaction goes on
        assert pausing.is_alive() and waiting.is_alive()
        assert elsewhere.execute("SELECT 1").fetchone() == (1,)
        open_one.execute("COMMIT")
        assert pausing.result() == "PAUSE"
        assert all(row["sv_active"] == 0 for row in admin(proxy, "SHOW POOLS"))
        time.sleep(0.3)
        assert waiting.is_alive()
        assert any(row["paused"] for row in admin(proxy, "SHOW POOLS") if row["database"] == "app")
        admin(proxy, "RESUME app")
        assert waiting.result() and newcomer.result() == (1,)
        assert paused(proxy) == {"app": 0, "shop": 0}


def test_who_queued_before_the_pause_is_still_served(ringway):
    proxy = ringway({"general": {"pool_size": 1}})
    with proxy.connect() as holder, contextlib.ExitStack() as clients:
        holder.execute("BEGIN")
        write(holder)
        queued = [InBackground(lambda one=clients.enter_context(proxy.connect()): write(one)) for _ in range(4)]
        assert until(lambda: sum(row["cl_waiting"] for row in admin(proxy, "SHOW POOLS")) == 4)
        pausing = InBackground(lambda: admin(proxy, "PAUSE"))
        assert until(lambda: paused(proxy) == {"app": 1})
        assert all(each.is_alive() for each in queued)
        holder.execute("COMMIT")
        assert pausing.result() == []
        assert all(each.result() for each in queued)
        admin(proxy, "RESUME")


def test_many_pauses_do_not_hold_up_the_resume(ringway):
    proxy = ringway({"general": {"drain_timeout": "20s"}})
    with proxy.connect() as open_one, contextlib.ExitStack() as desks:
        open_one.execute("BEGIN")
        write(open_one)
        pausing = []
        for _ in range(5):
            desk = desks.enter_context(operator(proxy))
            pausing.append(InBackground(lambda desk=desk: desk.execute("PAUSE")))
        assert until(lambda: paused(proxy) == {"app": 1})
        began = time.monotonic()
        assert InBackground(lambda: admin(proxy, "RESUME")).result() == []
        assert time.monotonic() - began < 10
        for each in pausing:
            with pytest.raises(psycopg.Error) as told:
                each.result()
            assert "resumed" in str(told.value)
        write(open_one)


def test_pause_and_resume_under_load(ringway):
    proxy = ringway()
    traffic = Traffic(proxy)
    for _ in range(5):
        assert traffic.grows()
        admin(proxy, "PAUSE")
        count = traffic.done
        time.sleep(0.1)
        assert traffic.done <= count + 4  # what had been committed and not yet counted
        admin(proxy, "RESUME")
    assert traffic.grows()
    assert traffic.stop() > 100


def test_a_pause_gives_up_after_drain_timeout_and_holds_nobody(ringway):
    proxy = ringway({"general": {"drain_timeout": "300ms"}})
    with proxy.connect() as open_one, proxy.connect() as other:
        open_one.execute("BEGIN")
        write(open_one)
        with pytest.raises(psycopg.Error) as told:
            admin(proxy, "PAUSE")
        assert "SHOW TRANSACTIONS" in told.value.diag.message_hint
        assert write(other) and paused(proxy) == {"app": 0}


def test_servers_may_restart_while_paused(ringway, app_cluster):
    proxy = ringway()
    with proxy.connect() as client:
        write(client)
        admin(proxy, "PAUSE")
        app_cluster.ctl(app_cluster.primary(), "restart", "-m", "fast")
        waiting = InBackground(lambda: write(client))
        admin(proxy, "RESUME")
        assert waiting.result()
    assert until(lambda: {row["state"] for row in admin(proxy, "SHOW LAG")} == {"up"}, 30)


# ---- RELOAD -------------------------------------------------------------------------------------------------------------

def rewrite(proxy, over):
    """Changes the file, without a signal."""
    proxy.settings = merged(proxy.settings, over)
    proxy.config.write_text(toml_of(proxy.settings) + "\n")


def setting(proxy, key):
    return next((row["value"] for row in admin(proxy, "SHOW CONFIG") if row["key"] == key), None)


def warnings_of(proxy, command):
    told = []
    with operator(proxy) as desk:
        desk.add_notice_handler(lambda note: told.append(note.message_primary))
        desk.execute(command)
    return told


def test_reload_changes_limits_clusters_and_users_without_dropping_clients(ringway, app_cluster, shop_cluster):
    proxy = ringway({"hba": [{"method": "scram-sha-256"}], "general": {"pool_size": 1, "query_wait_timeout": "20s"}})
    with proxy.connect() as first, proxy.connect() as second:
        first.execute("BEGIN")
        write(first)
        waiting = InBackground(lambda: write(second))
        assert until(lambda: any(row["cl_waiting"] for row in admin(proxy, "SHOW POOLS")))
        with pytest.raises(psycopg.OperationalError):
            proxy.connect(dbname="shop")
        with pytest.raises(psycopg.OperationalError):
            proxy.connect(user="late")
        rewrite(proxy, {"general": {"pool_size": 3, "log_level": "debug"},
                        "users": {"late": {"password": "late", "server_user": "app"}},
                        "clusters": {"shop": shop_cluster.section()}})
        assert warnings_of(proxy, "RELOAD") == []
        assert waiting.result()  # a bigger pool serves who waited
        write(first)
        first.execute("COMMIT")
        with proxy.connect(user="late") as late:
            assert late.execute("SELECT current_user").fetchone() == ("app",)
        with proxy.connect(dbname="shop") as shop:
            assert shop.execute("SELECT count(*) FROM users WHERE id = 1").fetchone() == (0,)
            # ... and gone again, with its clients; the others stay
            proxy.settings["clusters"].pop("shop")
            proxy.settings["users"].pop("late")
            rewrite(proxy, {"users": {"app": {"password": "changed", "server_password": "app"}}})
            admin(proxy, "RELOAD")
            with pytest.raises(psycopg.OperationalError) as ended:
                shop.execute("SELECT 1")
            assert "removed" in str(ended.value)
        for gone in ({"dbname": "shop"}, {"user": "late"}, {}):
            with pytest.raises(psycopg.OperationalError):
                proxy.connect(**gone)
        with psycopg.connect(host="127.0.0.1", port=proxy.port, user="app", password="changed", dbname="app") as again:
            assert write(again)
        assert write(first) and write(second)
        assert {row["name"] for row in admin(proxy, "SHOW DATABASES")} == {"app"}


def test_reloads_reach_pools_that_nobody_has_used_since_the_last(ringway):
    proxy = ringway({"general": {"query_wait_timeout": "500ms"}})

    def at_once():
        """How many of three transactions are let in."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(proxy.connect()) for _ in range(3)]
            inside = 0
            for client in clients:
                with contextlib.suppress(psycopg.errors.TooManyConnections, psycopg.OperationalError):
                    client.execute("BEGIN")
                    inside += bool(client.execute("SELECT 1").fetchone())
            return inside

    def sizes():
        return {row["pool_size"] for row in admin(proxy, "SHOW POOLS") if row["user"] == "app"}

    def reload(**limits):
        rewrite(proxy, {"clusters": {"app": limits}})
        admin(proxy, "RELOAD")

    assert at_once() == 3
    reload(min_idle=3)
    assert until(lambda: all(row["sv_idle"] >= 3 for row in admin(proxy, "SHOW POOLS") if row["user"] == "app"))
    reload(min_idle=0, pool_size=2)
    assert sizes() == {2}
    assert at_once() == 2
    reload(pool_size=1)
    reload(pool_size=3)
    assert sizes() == {3}
    assert at_once() == 3
    reload(idle_timeout="1s")
    assert until(lambda: not any(row["sv_idle"] for row in admin(proxy, "SHOW POOLS") if row["user"] == "app"))


def test_reload_under_load(ringway):
    proxy = ringway()
    traffic = Traffic(proxy)
    for size in (1, 20, 2, 5):
        assert traffic.grows()
        rewrite(proxy, {"general": {"pool_size": size}})
        admin(proxy, "RELOAD")
        assert setting(proxy, "clusters.app.pool_size") == str(size)
    assert traffic.grows()
    assert traffic.stop() > 80


def test_a_broken_file_is_refused_with_all_mistakes_and_changes_nothing(ringway):
    proxy = ringway()
    before = admin(proxy, "SHOW CONFIG")
    with proxy.connect() as client:
        good = proxy.config.read_text()
        proxy.config.write_text(good.replace('"workers" = 2', '"workers" = 2\n"max_clinets" = 7\n"pool_size" = "many"'))
        with pytest.raises(psycopg.Error) as told:
            admin(proxy, "RELOAD")
        assert told.value.sqlstate == "22023" and "2 mistakes" in str(told.value)
        detail = told.value.diag.message_detail
        assert "max_clients" in detail and "pool_size" in detail and str(proxy.config) in detail
        proxy.process.send_signal(signal.SIGHUP)  # the same by signal: told in the log
        assert until(lambda: proxy.log.read_text().count("max_clinets") == 2)
        proxy.config.write_text("[listen\n")
        with pytest.raises(psycopg.Error):
            admin(proxy, "RELOAD")
        proxy.config.unlink()
        with pytest.raises(psycopg.Error):
            admin(proxy, "RELOAD")
        assert admin(proxy, "SHOW CONFIG") == before
        assert write(client)
        proxy.config.write_text(good)
        admin(proxy, "RELOAD")


def test_what_needs_a_restart_is_told_and_stays(ringway):
    proxy = ringway()
    other = free_ports(1)[0]
    rewrite(proxy, {"listen": {"postgres": f"127.0.0.1:{other}"}, "general": {"workers": 1, "max_clients": 77}})
    told = warnings_of(proxy, "RELOAD")
    assert len(told) == 2 and "[listen] postgres" in told[0] and str(other) in told[0] and "[general] workers" in told[1]
    assert all("restart" in one for one in told)
    assert setting(proxy, "listen.postgres") == f"127.0.0.1:{proxy.port}"
    assert (setting(proxy, "general.workers"), setting(proxy, "general.max_clients")) == ("2", "77")
    assert told[0] in proxy.log.read_text()
    assert warnings_of(proxy, "RELOAD") == told  # each time, for as long as it is so
    done = subprocess.run([BINARY, "admin", "--config", proxy.config, "RELOAD"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout == "RELOAD\n" and all(one in done.stderr for one in told)
    assert proxy.connect().execute("SELECT 1").fetchone() == (1,)


def test_sighup_reloads(ringway):
    proxy = ringway()
    proxy.reload({"general": {"max_clients": 1}})
    assert until(lambda: setting(proxy, "general.max_clients") == "1")
    with proxy.connect():
        with pytest.raises(psycopg.OperationalError) as refused:
            proxy.connect()
        assert "too many clients" in str(refused.value)
    assert "reloaded: [general]" in proxy.log.read_text()


# ---- clients that do nothing --------------------------------------------------------------------------------------------

def test_idle_clients_and_idle_transactions_are_ended(ringway):
    proxy = ringway()
    names = ("idle", "never asked", "open", "begun", "failed", "pinned")
    clients = {name: proxy.connect() for name in names}

    def move():
        clients["idle"].execute("SELECT 1")
        clients["open"].execute("BEGIN")
        write(clients["open"])
        clients["begun"].execute("BEGIN")
        clients["failed"].execute("BEGIN")
        with pytest.raises(psycopg.Error):
            clients["failed"].execute("SELECT 1/0")
        clients["pinned"].execute("CREATE TEMP TABLE t (a int)")

    def reason(name):
        assert select.select([clients[name].fileno()], [], [], 10)[0], name
        with pytest.raises(psycopg.OperationalError) as told:
            clients[name].execute("SELECT 1")
        return str(told.value)

    move()
    proxy.reload({"general": {"idle_transaction_timeout": "1s"}})
    for name in ("open", "begun", "failed"):
        assert "idle-in-transaction timeout" in reason(name)
    assert all(clients[name].execute("SELECT 1") for name in ("idle", "never asked", "pinned"))
    running = proxy.connect()
    long_one = InBackground(lambda: running.execute("SELECT pg_sleep(2.5)").fetchone())
    proxy.reload({"general": {"client_idle_timeout": "1s"}})
    for name in ("idle", "never asked", "pinned"):
        assert "idle-session timeout" in reason(name)
    assert long_one.result()
    assert until(lambda: not admin(proxy, "SHOW CLIENTS"))
    assert all(row["sv_active"] == 0 for row in admin(proxy, "SHOW POOLS"))


# ---- the log ------------------------------------------------------------------------------------------------------------

def test_queries_are_logged_only_when_asked_for_and_passwords_never(ringway):
    proxy = ringway()
    with proxy.connect(user="postgres", cursor_factory=psycopg.ClientCursor) as simple, proxy.connect() as extended:
        pid = simple.info.backend_pid
        simple.execute("SELECT 'not to be logged'")
        rewrite(proxy, {"general": {"log_queries": True}})
        admin(proxy, "RELOAD")
        simple.execute("SELECT 'to be' AS\nlogged")
        extended.execute("SELECT %s::text AS logged_too", ["a parameter's value is not"])
        simple.execute("CREATE ROLE logged LOGIN Password 'very-secret'")
        simple.execute("ALTER ROLE logged PASSWORD 'very-secret'")
        simple.execute("DO $$ BEGIN EXECUTE 'ALTER ROLE logged PASSWORD ''very-secret'''; END $$")
        simple.execute("DROP ROLE logged")
        rewrite(proxy, {"general": {"log_queries": False}})
        admin(proxy, "RELOAD")
        simple.execute("SELECT 'not logged any more'")
    log = proxy.log.read_text()
    assert f"client {pid} (postgres in app) from 127.0.0.1:" in log
    assert "SELECT 'to be' AS logged" in log and "AS logged_too" in log and "DROP ROLE logged" in log
    for text in ("not to be logged", "very-secret", "a parameter's value", "any more"):
        assert text not in log


# ---- the end ------------------------------------------------------------------------------------------------------------

def refused(proxy):
    try:
        proxy.connect().close()
        return False
    except psycopg.OperationalError:
        return True


def ended(connection):
    """Told goodbye, unasked."""
    assert select.select([connection.fileno()], [], [], 10)[0]
    with pytest.raises(psycopg.OperationalError) as told:
        connection.execute("SELECT 1")
    assert "shutting down" in str(told.value)
    return True


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_sigterm_lets_transactions_end_and_closes_who_is_idle(ringway, mode):
    proxy = ringway({"general": {"drain_timeout": "20s", "pool_mode": mode}})
    idle, open_one, running, pinned, begun = (proxy.connect() for _ in range(5))
    idle.execute("SELECT 1")
    pinned.execute("CREATE TEMP TABLE t (a int)")
    begun.execute("BEGIN")  # not yet sent to any server
    open_one.execute("BEGIN")
    write(open_one)
    statement = InBackground(lambda: running.execute("SELECT pg_sleep(1), txid_current()").fetchone())
    assert until(lambda: sum(row["state"] == "transaction" for row in admin(proxy, "SHOW CLIENTS")) == 2
                 and any(row["state"] == "active" for row in admin(proxy, "SHOW CLIENTS")))
    proxy.process.send_signal(signal.SIGTERM)
    assert ended(idle) and ended(pinned)
    assert refused(proxy)
    assert write(open_one)
    open_one.execute("CREATE TABLE drained (a int)")
    open_one.execute("DROP TABLE drained")
    assert write(begun)
    assert statement.result()
    with pytest.raises(psycopg.OperationalError):  # libpq has read the goodbye along with the result
        running.execute("SELECT 1")
    assert proxy.process.poll() is None
    open_one.execute("COMMIT")
    begun.execute("COMMIT")
    assert proxy.process.wait(10) == 0
    assert "ringway has ended" in proxy.log.read_text()


def test_sigterm_ends_in_bounded_time(ringway):
    proxy = ringway({"general": {"drain_timeout": "500ms"}})
    client = proxy.connect()
    client.execute("BEGIN")
    write(client)
    began = time.monotonic()
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(15) == 0
    assert 0.4 < time.monotonic() - began < 15
    assert ended(client)
    assert "1 clients are cut off" in proxy.log.read_text()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(ringway, second):
    proxy = ringway({"general": {"drain_timeout": "10m"}})
    client = proxy.connect()
    client.execute("BEGIN")
    write(client)
    proxy.process.send_signal(signal.SIGTERM)
    assert until(lambda: refused(proxy))
    assert proxy.process.poll() is None
    proxy.process.send_signal(second)
    assert proxy.process.wait(10) == 0


def test_sigterm_ends_a_pause_that_waits(ringway):
    proxy = ringway({"general": {"drain_timeout": "10m"}})
    client = proxy.connect()
    client.execute("BEGIN")
    write(client)
    pausing = InBackground(lambda: admin(proxy, "PAUSE"))
    assert until(lambda: paused(proxy) == {"app": 1})
    proxy.process.send_signal(signal.SIGTERM)
    with pytest.raises(psycopg.Error) as told:
        pausing.result()
    assert "shutting down" in str(told.value)
    client.execute("COMMIT")
    assert proxy.process.wait(10) == 0


def test_shutdown_wait_for_clients(ringway):
    proxy = ringway()
    client = proxy.connect()
    admin(proxy, "SHUTDOWN WAIT_FOR_CLIENTS")
    assert until(lambda: refused(proxy))
    time.sleep(0.2)
    assert client.execute("SELECT 1").fetchone() == (1,)
    assert proxy.process.poll() is None
    client.close()
    assert proxy.process.wait(10) == 0


# ---- takeover -----------------------------------------------------------------------------------------------------------

def successor_of(proxy, expected=True):
    """Starts another process on the same file with --takeover."""
    log = open(proxy.directory / f"successor-{time.monotonic_ns()}.log", "wb")
    with log:
        process = subprocess.Popen([BINARY, "--config", proxy.config, "--takeover"], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, cwd=proxy.directory)
    if expected:
        with open(log.name) as text:
            assert until(lambda: "is up" in text.read() or process.poll() is not None, 20)
            assert process.poll() is None, open(log.name).read()
    return process


def test_a_successor_takes_over_and_no_client_notices(ringway):
    proxy = ringway()
    steady, churning = Traffic(proxy, count=2), Traffic(proxy, count=3, reconnect=True)
    open_one = proxy.connect()
    open_one.execute("BEGIN")
    write(open_one)
    old, between = proxy.process, []
    for _ in range(3):
        assert churning.grows()
        proxy.process = successor_of(proxy)
        between.append(proxy.process)
        assert churning.grows() and steady.grows()
    for each in between[:-1]:
        assert each.wait(10) == 0  # its clients came and went
    assert write(open_one)
    open_one.execute("COMMIT")
    assert churning.stop() > 100
    assert steady.stop() > 100
    assert old.poll() is None
    open_one.close()
    assert old.wait(10) == 0  # its last client has left
    assert proxy.is_ready()
    assert {row["state"] for row in admin(proxy, "SHOW LAG")} == {"up"}


def test_a_predecessor_can_be_told_to_drain(ringway):
    proxy = ringway()
    idle = proxy.connect()
    old, proxy.process = proxy.process, None
    proxy.process = successor_of(proxy)
    assert idle.execute("SELECT 1").fetchone() == (1,)
    old.send_signal(signal.SIGTERM)
    assert old.wait(10) == 0
    assert ended(idle)
    assert proxy.connect().execute("SELECT 1").fetchone() == (1,)


def test_a_cancel_reaches_the_predecessor(ringway):
    proxy = ringway()
    client = proxy.connect()
    running = InBackground(lambda: client.execute("SELECT pg_sleep(20)"))
    assert until(lambda: [row for row in admin(proxy, "SHOW CLIENTS") if row["state"] == "active"])
    old, proxy.process = proxy.process, successor_of(proxy)
    client.cancel()
    with pytest.raises(psycopg.errors.QueryCanceled):
        running.result()
    client.close()
    assert old.wait(10) == 0


def test_a_successor_that_cannot_start_leaves_the_running_one_alone(ringway):
    proxy = ringway()
    good = proxy.config.read_text()
    taken = free_ports(1)[0]
    with socket_on(taken):
        proxy.config.write_text(good.replace(f"127.0.0.1:{proxy.port}", f"127.0.0.1:{taken}"))
        process = successor_of(proxy, expected=False)
        assert process.wait(20) == 1
    proxy.config.write_text(good)
    assert proxy.is_ready() and proxy.connect().execute("SELECT 1").fetchone() == (1,)


def test_an_address_that_the_successor_does_not_want_is_closed(ringway):
    proxy = ringway()
    other = free_ports(1)[0]
    left = proxy.port
    proxy.config.write_text(proxy.config.read_text().replace(f"127.0.0.1:{left}", f"127.0.0.1:{other}"))
    old, proxy.process = proxy.process, successor_of(proxy)
    assert old.wait(10) == 0
    proxy.port = other
    assert proxy.connect().execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError) as none:
        psycopg.connect(host="127.0.0.1", port=left, user="app", dbname="app", connect_timeout=5)
    assert "refused" in str(none.value)


def test_takeover_of_nothing_is_refused(ringway, tmp_path):
    proxy = ringway()
    proxy.stop()
    process = successor_of(proxy, expected=False)
    assert process.wait(20) == 1


@contextlib.contextmanager
def socket_on(port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield taken


# ---- holds --------------------------------------------------------------------------------------------------------------

def test_writes_are_held_for_a_primary_and_no_longer_than_failover_hold(ringway, app_cluster):
    patient = ringway({"clusters": {"app": {"failover_hold": "30s"}}})
    hasty = ringway({"clusters": {"app": {"failover_hold": "500ms"}}})
    with patient.connect() as held, hasty.connect() as refused_one:
        app_cluster.ctl(app_cluster.primary(), "stop", "-m", "fast")
        try:
            assert until(lambda: admin(patient, "SHOW SHARDS")[0]["primary"] is None)
            waiting = InBackground(lambda: write(held))
            with pytest.raises(psycopg.Error) as told:
                InBackground(lambda: write(refused_one)).result(20)
            assert told.value.sqlstate == "08001"
            assert waiting.is_alive()
        finally:
            app_cluster.ctl(app_cluster.primary(), "start")
        assert waiting.result()
        assert until(lambda: {row["state"] for row in admin(patient, "SHOW LAG")} == {"up"}, 30)


# ---- certificates -------------------------------------------------------------------------------------------------------

def make_certificate(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt"],
                   check=True, capture_output=True, timeout=60)
    return directory / f"{name}.crt", directory / f"{name}.key"


def shown_certificate(proxy):
    """The subject that a new client is shown."""
    done = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{proxy.port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    return next(line.split("CN = ")[1] for line in done.stdout.splitlines() if line.startswith("subject="))


def test_reload_takes_a_renewed_certificate_and_refuses_one_that_does_not_fit(ringway, tmp_path):
    certificate, key = tmp_path / "live.crt", tmp_path / "live.key"
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")

    def install(crt, pem):
        certificate.write_bytes(crt.read_bytes())
        key.write_bytes(pem.read_bytes())

    install(*first)
    proxy = ringway({"client_tls": {"mode": "require", "certificate": str(certificate), "key": str(key)}})
    with proxy.connect(sslmode="require") as client:
        assert shown_certificate(proxy) == "first"
        install(*second)
        assert shown_certificate(proxy) == "first"
        with psycopg.connect(host="127.0.0.1", port=proxy.admin_port, user="postgres", password="postgres", dbname="ringway",
                             sslmode="require", autocommit=True) as desk:
            desk.execute("RELOAD")
            assert shown_certificate(proxy) == "second"
            install(first[0], second[1])  # the key of another
            with pytest.raises(psycopg.Error):
                desk.execute("RELOAD")
            assert shown_certificate(proxy) == "second"
            install(*first)
            desk.execute("RELOAD")
            assert shown_certificate(proxy) == "first"
        assert write(client)
