"""What PostgreSQL's own regression and isolation tests showed to differ from one server, each in small."""

import wire
from conftest import admin, knows_tables, until
from wire import Wire, query

DATE_STYLES = ["SET datestyle TO sql", "SET datestyle TO dmy", "SHOW datestyle", "SELECT date '1999-01-08'",
               "BEGIN", "SET datestyle TO iso", "ROLLBACK", "SHOW datestyle",
               "SELECT set_config('DateStyle', 'german', false)", "SHOW datestyle", "RESET datestyle", "SHOW datestyle"]


def test_half_of_date_style_may_be_set(ringway, app_cluster):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as client, Wire(proxy.port) as other, Wire(app_cluster.primary().port) as direct:
        for sql in DATE_STYLES:
            came = wire.replies(client, query(sql))
            assert came == wire.replies(direct, query(sql)), sql
            if came[-1] == ("Z", b"I"):
                other.run(query("SET work_mem = '5MB'"))


def test_a_setting_of_one_s_own_is_empty_after_reset(ringway):
    proxy = ringway()
    with Wire(proxy.port) as client:
        client.run(query("SET custom.mine = 42"))
        client.run(query("RESET custom.mine"))
        assert client.value("SHOW custom.mine") == ""
        client.run(query("BEGIN"))  # on the primary, which has not seen it yet
        assert client.value("SHOW custom.mine") == ""


FAILING = "SELECT 1 / length(pg_advisory_lock(4711)::text)"


def test_a_statement_that_failed_may_have_taken_an_advisory_lock(ringway, app_cluster):
    proxy = ringway()
    locks = "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'"
    for texts in ([FAILING],
                  ["PREPARE failing AS " + FAILING, "EXECUTE failing"]):
        with Wire(proxy.port) as client:
            for sql in texts:
                came = client.run(query(sql))
            assert wire.codes(came) == ["22012"]
            assert [pin["reason"] for pin in admin(proxy, "SHOW PINS")] == ["session advisory lock"]
            assert app_cluster.primary().rows(locks) == [(1,)]
        assert until(lambda: app_cluster.primary().rows(locks) == [(0,)])


def test_a_client_s_own_notifications_come_from_its_own_pid(ringway):
    proxy = ringway()
    with Wire(proxy.port) as client:
        client.run(query("LISTEN news"))
        came = client.run(query("NOTIFY news, 'mine'"))
        told = [body for kind, body in came if kind == "A"]
        assert told == [client.pid.to_bytes(4, "big") + b"news\0mine\0"]


def test_a_pinned_session_hears_its_server_s_last_words(ringway, app_cluster):
    proxy = ringway()
    with Wire(proxy.port) as client:
        client.run(query("CREATE TEMP TABLE mine (a int)"))
        client.send(query("SELECT pg_terminate_backend(pg_backend_pid())"))
        last = wire.fields(client.until("E")[-1][1])
        assert (last["S"], last["C"]) == ("FATAL", "57P01")
        assert last["M"] == "terminating connection due to administrator command"
        assert client.ended() == []


def test_a_role_that_the_replicas_do_not_know_yet(ringway, app_cluster):
    proxy = ringway()
    primary = app_cluster.primary()
    primary.rows("DROP ROLE IF EXISTS newcomer")
    app_cluster.caught_up()
    for replica in app_cluster.replicas():
        replica.rows("SELECT pg_wal_replay_pause()")
    try:
        primary.rows("CREATE ROLE newcomer ROLE app")
        with Wire(proxy.port) as client:
            assert client.run(query("SET ROLE newcomer"))[0] == ("C", b"SET\0")
            for _ in range(4):
                assert client.value("SELECT current_user") == "newcomer"
    finally:
        for replica in app_cluster.replicas():
            replica.rows("SELECT pg_wal_replay_resume()")


def reasons(proxy):
    return [pin["reason"] for pin in admin(proxy, "SHOW PINS")]


def test_a_default_that_asks_for_currval(ringway):
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    with Wire(proxy.port) as client, Wire(proxy.port) as other:
        client.run(query("DROP TABLE IF EXISTS tree; DROP SEQUENCE IF EXISTS tree_id; CREATE SEQUENCE tree_id"))
        client.run(query("CREATE TABLE tree (id int DEFAULT nextval('tree_id'), up int DEFAULT currval('tree_id'))"))
        assert until(lambda: knows_tables(proxy, "app"))
        assert until(lambda: "unknown table" not in str(admin(proxy, "SHOW ROUTE app 'SELECT * FROM tree'")))
        other.run(query("SELECT nextval('tree_id')"))
        assert wire.codes(client.run(query("INSERT INTO tree (id) VALUES (7)"))) == ["55000"]
        client.run(query("INSERT INTO tree DEFAULT VALUES"))
        client.run(query("INSERT INTO tree (id) VALUES (8)"))
        assert client.rows("SELECT id, up FROM tree ORDER BY id") == [[b"2", b"2"], [b"8", b"2"]]
        assert "values of sequences" in reasons(proxy)


STARTED = {"DateStyle": "Postgres, DMY", "IntervalStyle": "postgres_verbose", "TimeZone": "America/Los_Angeles"}  # as pg_settings spells them
LOOK = ("SELECT current_setting('datestyle') || ' ' || current_setting('intervalstyle') || ' ' || current_setting('timezone')"
        " || ' ' || to_timestamp(0)")


def test_settings_whose_names_servers_spell_in_mixed_case(ringway, app_cluster):
    """What a DO block has left on the connection is read from pg_settings: TimeZone was kept beside timezone, and
    whoever had set only the one had the server's default from the next change of clients on."""
    proxy = ringway({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}})
    ports = (proxy.port, app_cluster.primary().port)
    with Wire(ports[0], **STARTED) as one_client, Wire(ports[0], **STARTED) as other, Wire(ports[1], **STARTED) as direct:
        for sql in ("DO $$ BEGIN END $$", "SET timezone = 'Asia/Tokyo'", "DO $$ BEGIN PERFORM set_config('intervalstyle', 'sql_standard', false); END $$",
                    "SET datestyle = 'iso, ymd'", "DO $$ BEGIN END $$", "RESET timezone", "DO $$ BEGIN END $$"):
            assert wire.replies(one_client, query(sql)) == wire.replies(direct, query(sql)), sql
            for _ in range(2):  # in turns, so that the connection is brought from one's settings to the other's
                assert other.value(LOOK) == "Postgres, DMY postgres_verbose America/Los_Angeles Wed 31 Dec 16:00:00 1969 PST"
                assert one_client.value(LOOK) == direct.value(LOOK), sql
