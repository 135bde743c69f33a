"""`ringway init --from-dump`: a PostgreSQL's dump before and behind three shards comes out the same; what cannot is told, with its line."""

import resource
import bisect
import os
import re
import subprocess

import dumped
import pytest

from conftest import BINARY, ClusterStart, admin, knows_tables, until

PG_DUMP = "/usr/lib/postgresql/15/bin/pg_dump"
EMPTY = """
DROP SCHEMA IF EXISTS store CASCADE;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
ALTER SCHEMA public OWNER TO pg_database_owner;
COMMENT ON SCHEMA public IS 'standard public schema';
GRANT USAGE ON SCHEMA public TO PUBLIC
"""


@pytest.fixture(scope="module")
def both(workspace):
    """(the source, the cluster of three shards, whose schema public is untouched)"""
    roles = "CREATE ROLE app LOGIN PASSWORD 'app'; CREATE ROLE reader; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO app', current_database()); END $$;"
    starts = [ClusterStart(workspace, "source", 1, 0, roles + dumped.SQL), ClusterStart(workspace, "target", 3, 0, roles, dumped.TABLES)]
    try:
        yield [each.wait() for each in starts]
    finally:
        for each in starts:
            each.down()


@pytest.fixture(scope="module")
def running(ringway_session, both):
    proxy = ringway_session(clusters=both[1])
    done = subprocess.run([BINARY, "init", "--config", proxy.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert until(lambda: knows_tables(proxy, "target"))
    return proxy


@pytest.fixture
def target(both, running):
    """A proxy before an empty cluster."""
    yield running
    with running.connect("postgres") as client:
        for statement in EMPTY.split(";"):
            client.execute(statement)
    for shard in both[1].shards:
        assert both[1].primary(shard).rows("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


@pytest.fixture(scope="module")
def dump(both, workspace):
    path = workspace / "source.sql"
    pg_dump(both[0].primary(), "-f", path)
    return path


def pg_dump(node, *arguments):
    done = subprocess.run([PG_DUMP, "-h", node.host, "-p", str(node.port), "-U", "postgres", *map(str, arguments), node.database],
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def load(proxy, file, *arguments, text=None):
    """`text`: what comes by standard input."""
    done = subprocess.run([BINARY, "init", "--config", proxy.config, "--from-dump", file, *arguments], capture_output=True, timeout=180,
                          input=text.encode() if text is not None else None)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def objects(node):
    """What pg_dump --schema-only says of a database, by its titles; what Ringway has there left out."""
    text = pg_dump(node, "--schema-only", "--exclude-schema=ringway")
    entries = re.split(r"^--\n(-- Name: .*)\n--\n", text, flags=re.MULTILINE)
    found = dict(zip(entries[1::2], (re.sub(r"(?m)^(\\unrestrict .*|SET .*|--.*)\n?|\n+\Z", "", each) for each in entries[2::2])))
    return {title: entry.strip() for title, entry in found.items() if "ringway_position" not in title}


def rows_of(connection, table):
    return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def relations(node):
    return node.rows("SELECT count(*) FROM pg_class WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('store')) AND relkind = 'r'")[0][0]


def is_the_source(proxy, source, cluster):
    """Rows, placement, sequences and definitions."""
    with source.primary().connect("postgres") as plain, proxy.connect("postgres") as client:
        for table in [*dumped.KEYS, "countries", "empty_one", "rich", "land", "lands"]:
            if table != "logs":
                assert rows_of(client, table) == rows_of(plain, table), table
        # Rows of heirs are not read over several shards.
        logs = [row for shard in cluster.shards for row in cluster.primary(shard).rows("SELECT *, tableoid::regclass::text FROM logs")]
        assert sorted(logs, key=repr) == rows_of(plain, "(SELECT *, tableoid::regclass::text FROM logs) l")
    points = sorted((int(each["position"]), each["shard"]) for each in admin(proxy, "SHOW RING target FULL"))
    for shard in cluster.shards:
        primary = cluster.primary(shard)
        assert primary.rows("SELECT count(*) FROM countries") == [(20,)]
        for table, key in dumped.KEYS.items():
            rows = primary.rows(f"SELECT DISTINCT ringway_position({key}::text) FROM {table}")
            assert rows
            for (position,) in rows:
                at = bisect.bisect_left(points, (int(position), ""))
                assert points[at % len(points)][1] == shard, (table, position)
        for sequence in ("lonely", "users_id_seq", "orders_id_seq"):
            what = f"SELECT last_value, is_called FROM {sequence}"
            assert primary.rows(what) == source.primary().rows(what)
        assert objects(primary) == objects(source.primary())


def test_a_dump_comes_out_the_same(both, target, dump):
    done = load(target, dump)
    assert done.returncode == 0, done.stderr
    assert "target: loaded " in done.stdout and " 13870 rows into 9 tables, 3 sequences\n" in done.stdout
    assert re.search(r"source.sql:\d+: public.users: 500 rows", done.stderr)
    is_the_source(target, *both)
    with target.connect() as client:
        assert client.execute("SELECT tripled(doubled(2)), shout('a')").fetchall() == [(12, "A; -- $not$ a comment")]
        client.execute("INSERT INTO orders (user_id, amount) VALUES (7, 1)")  # its trigger, its identity
        assert client.execute("SELECT id, note FROM orders WHERE user_id = 7 ORDER BY id DESC LIMIT 1").fetchall() == [(3001, "none")]
    again = load(target, dump)
    assert again.returncode == 1
    assert "nothing has been loaded" in again.stderr and "already exists" in again.stderr and "an empty database" in again.stderr


@pytest.mark.parametrize("options", [[], ["--inserts", "--rows-per-insert=100"]])
def test_sequences_that_count_on_all_shards(both, target, ringway, workspace, options):
    """Their rows come with their values, their values are set, and `ringway init` goes on above them."""
    proxy = ringway({"clusters": {"target": {"sequences": ["users_id_seq", "orders_id_seq"]}}}, both[1])
    path = workspace / "sequences.sql"
    pg_dump(both[0].primary(), "-f", path, *options)
    done = load(proxy, path)
    assert done.returncode == 0, done.stderr
    with proxy.connect("postgres") as client, both[0].primary().connect("postgres") as plain:
        for table in ("users", "orders"):
            assert rows_of(client, table) == rows_of(plain, table)
        drawing = "EXPLAIN (ROUTE) INSERT INTO {} VALUES (1)"
        assert until(lambda: all("error" not in dict(client.execute(drawing.format(into), prepare=False).fetchall())
                                 for into in ("orders (user_id)", "users (stars)")))
        made = [client.execute("INSERT INTO orders (user_id, amount) VALUES (%s, 1) RETURNING id", [user]).fetchone()[0] for user in range(1, 31)]
        made += [client.execute("INSERT INTO users (name) VALUES ('new') RETURNING id").fetchone()[0] for _ in range(10)]
        assert len(set(made[:30])) == 30 and min(made[:30]) > 3000
        assert len(set(made[30:])) == 10 and min(made[30:]) > 500


@pytest.mark.parametrize("options", [["--inserts", "--rows-per-insert=100"], ["--column-inserts", "--quote-all-identifiers"], []])
def test_from_standard_input(both, target, options):
    script = pg_dump(both[0].primary(), *options)
    done = load(target, "-", text=script)
    assert done.returncode == 0, done.stderr
    is_the_source(target, *both)


SCHEMA = """SET search_path = '';
CREATE TABLE public.users (id bigint NOT NULL, name text);
CREATE TABLE public.orders (id bigint NOT NULL, user_id bigint, note text);
CREATE TABLE public.countries (code text);
"""
ROWS = "COPY public.users (id, name) FROM stdin;\n" + "".join(f"{i}\tname {i}\n" for i in range(1, 101)) + "\\.\n"


@pytest.mark.parametrize("script,said", [
    (SCHEMA + "CREATE TABLE public.notes (id int);\n", [":5: table public.notes is not in the map of cluster \"target\"", "--accept first-shard"]),
    (SCHEMA + ROWS + "\nALTER TABLE ONLY public.orders\n    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);\nCREATE UNIQUE INDEX u ON public.users (name);\n",
     [":108: primary key orders_pkey of public.orders lacks the shard key (user_id)", ":110: unique index u of public.users", "--accept local-unique"]),
    (SCHEMA + "ALTER TABLE public.orders ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES public.users (id);\n",
     [":5: foreign key f of public.orders", "--accept foreign-keys"]),
    (SCHEMA.replace("user_id", "buyer_id"), [":3: table public.orders has no column user_id, its shard key"]),
    (SCHEMA + "\\connect other\nCREATE DATABASE x;\n", [":5: \\connect is a command of psql", ":6: it concerns a whole database", "without --create"]),
    (SCHEMA + "CREATE MATERIALIZED VIEW public.m AS\n SELECT * FROM public.users WITH NO DATA;\n", [":5: materialized view public.m reads public.users"]),
    (SCHEMA + "SELECT pg_catalog.lo_create('5');\n", [":5: large objects", "--no-blobs"]),
    (SCHEMA + "CREATE TABLE 'users;\n", [":5: the dump ends within a text in quotes"]),
    (SCHEMA + "CREATE TABEL x ();\n", [":5: it cannot be read: syntax error"]),
    (SCHEMA + ROWS[:-10], [":105: the dump ends within the rows of a COPY"]),
    (SCHEMA + "INSERT INTO public.users VALUES (1, 'LONG');\n", [":5: a statement of 11000", "max_parse_bytes"]),
    ("--\n-- PostgreSQL database dump\n--\n\n" + SCHEMA, [":9: the dump is not whole"]),
    ("", [":1: there is no statement in it"]),
    ("-- nothing\n", [":2: there is no statement in it"]),
    ("PGDMP\x01\x0e", [":1: it is in pg_dump's custom format", "pg_restore -f -"]),
    ("\0", [":1: a zero byte"]),
], ids=lambda value: value[0][:40] if isinstance(value, list) else "dump")
def test_what_cannot_be_loaded_is_told_before_anything_is_changed(both, target, tmp_path, script, said):
    file = tmp_path / "x.sql"
    file.write_text(script.replace("LONG", "x" * 1_100_000))
    done = load(target, file)
    assert done.returncode == 1, done.stdout
    for each in said:
        assert each in done.stderr
    assert "nothing has been changed" in done.stderr
    for shard in both[1].shards:
        assert relations(both[1].primary(shard)) == 0


def test_other_files(target, tmp_path):
    assert "directory format" in load(target, tmp_path).stderr
    assert "No such file" in load(target, tmp_path / "none").stderr
    zipped = tmp_path / "x.gz"
    zipped.write_bytes(b"\x1f\x8b\x08\x00")
    assert "zcat" in load(target, zipped).stderr
    assert "--accept all: it takes" in load(target, zipped, "--accept", "all").stderr
    assert "there is no cluster \"targte\"; did you mean \"target\"?" in load(target, zipped, "--cluster", "targte").stderr


def test_what_is_accepted(both, target, tmp_path):
    file = tmp_path / "x.sql"
    file.write_text(SCHEMA + ROWS + """CREATE TABLE public.notes (id int);
COPY public.notes (id) FROM stdin;
1
2
\\.
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT wrong FOREIGN KEY (id) REFERENCES public.users (id);
ALTER TABLE ONLY public.orders ADD CONSTRAINT fine FOREIGN KEY (user_id) REFERENCES public.users (id);
""")
    done = load(target, file, "--accept", "first-shard", "local-unique", "--accept", "foreign-keys")
    assert done.returncode == 0, done.stderr
    assert ":114: left out: foreign key wrong of public.orders" in done.stderr
    assert "1 foreign keys were left out" in done.stdout
    assert "the map names table store.items, which the dump does not make" in done.stderr
    for shard in both[1].shards:
        primary = both[1].primary(shard)
        assert primary.rows("SELECT count(*) FROM notes") == [(2 if shard == "s0" else 0,)]
        assert primary.rows("SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1") == [("fine",), ("orders_pkey",)]


def test_a_row_that_a_server_refuses_leaves_none_and_the_load_goes_on(both, target, tmp_path):
    """The error has the line of the dump; the schema holds, no row does; with --from-line the rest is loaded."""
    bad = SCHEMA + ROWS.replace("57\tname 57\n", "fifty\tname 57\n") + "CREATE INDEX i ON public.users (name);\n"
    file = tmp_path / "x.sql"
    file.write_text(bad)
    done = load(target, file)
    assert done.returncode == 1
    assert f"{file}:62: " in done.stderr and "22P02" in done.stderr
    assert "what stands before line 5 is loaded, and nothing from there on" in done.stderr and "--from-line 5" in done.stderr
    for shard in both[1].shards:
        assert both[1].primary(shard).rows("SELECT count(*) FROM users") == [(0,)]
    file.write_text(bad.replace("fifty", "57"))
    within = load(target, file, "--from-line", "6")
    assert within.returncode == 1 and "what begins at line 5 and ends at line 106 holds as a whole" in within.stderr
    behind = load(target, file, "--from-line", "600")
    assert behind.returncode == 1 and "nothing stands behind line 600" in behind.stderr
    done = load(target, file, "--from-line", "5")
    assert done.returncode == 0, done.stderr
    with target.connect("postgres") as client:
        assert client.execute("SELECT count(*), sum(id) FROM users").fetchall() == [(100, 5050)]
    assert all(both[1].primary(shard).rows("SELECT to_regclass('i') IS NOT NULL") == [(True,)] for shard in both[1].shards)


def test_a_statement_that_a_server_refuses(both, target, tmp_path):
    file = tmp_path / "x.sql"
    file.write_text(SCHEMA + "ALTER TABLE public.users OWNER TO nobody_here;\n")
    done = load(target, file)
    assert done.returncode == 1
    assert f"{file}:5: role \"nobody_here\" does not exist (42704)" in done.stderr and "--no-owner" in done.stderr
    assert "nothing has been loaded" in done.stderr
    assert all(relations(both[1].primary(shard)) == 0 for shard in both[1].shards)


def start(proxy):
    return subprocess.Popen([BINARY, "init", "--config", proxy.config, "--from-dump", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def test_a_stream_that_ends_too_early(both, target):
    """What comes by a pipe is seen once: the schema holds, no row does."""
    done = load(target, "-", text=SCHEMA + ROWS[:-3])
    assert done.returncode == 1
    assert "standard input:106: the dump ends within the rows of a COPY" in done.stderr
    assert "what stands before line 5 is loaded" in done.stderr
    for shard in both[1].shards:
        assert both[1].primary(shard).rows("SELECT count(*) FROM users") == [(0,)]


def copying(primary):
    return primary.rows("SELECT pid FROM pg_stat_activity WHERE datname = 'target' AND query LIKE 'COPY%' AND state = 'active'")


def test_a_server_is_lost_while_rows_come(both, target):
    running = start(target)
    running.stdin.write((SCHEMA + ROWS[:-3]).encode())
    running.stdin.flush()
    primary = both[1].primary("s1")
    found = until(lambda: copying(primary), 60)
    assert found
    primary.rows("SELECT pg_terminate_backend(%s)", [found[0][0]])
    out, err = running.communicate(b"101\tone more\n\\.\n", timeout=60)
    assert running.returncode == 1, out
    assert b"standard input:5: " in err and b"what stands before line 5 is loaded" in err
    for shard in both[1].shards:
        assert both[1].primary(shard).rows("SELECT count(*) FROM users") == [(0,)]


def test_a_dump_longer_than_memory_is_passed_on_in_pieces(both, target):
    """100 MB of rows, one of them 20 MB long; the loader's own memory is measured."""
    running = start(target)
    running.stdin.write(SCHEMA.encode() + b"COPY public.users (id, name) FROM stdin;\n")
    line = b"x" * 1000 + b"\n"
    for first in range(0, 80000, 1000):
        running.stdin.write(b"".join(b"%d\t" % i + line for i in range(first, first + 1000)))
    running.stdin.write(b"80000\t" + b"y" * 20_000_000 + b"\n\\.\n")
    running.stdin.close()
    err = running.stderr.read()
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0, err
    if not {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # a child begins with its parent's
        assert used.ru_maxrss < max(64 << 10, own + (8 << 10))  # KiB
    with target.connect("postgres") as client:
        assert client.execute("SELECT count(*), max(length(name)) FROM users").fetchall() == [(80001, 20_000_000)]
