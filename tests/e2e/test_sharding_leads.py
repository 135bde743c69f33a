"""Statements that lead to rows they do not name: by inheritance, rules, triggers, foreign keys, policies, functions, operators.

Each runs through the proxy on two shards and on one plain server that has all rows: the same answer and the same rows
afterwards, each on the shard of its key; or a refusal, and nothing written.
"""

import subprocess

import psycopg
import pytest
from psycopg.types.string import StrDumper, StrDumperUnknown

from conftest import BINARY, ClusterStart, admin, knows_tables, until

KEYED = {"users": "id", "orders": "user_id", "staff": "id", "stamped": "id", "rekeyed": "id", "audited": "id", "defaulted": "id",
         "checked": "id", "derived": "k", "friends": "user_id", "baskets": "owner", "guarded": "id", "logins": "day", "docs": "slug",
         "events": "id", "identified": "id", "tags": "name", "placed": "region", "kept": "region"}
TABLES = {name: {"key": key} for name, key in KEYED.items()} | {"countries": {"reference": True}, "regions": {"reference": True}}

SCHEMA = """
CREATE TABLE users (id int8 PRIMARY KEY, name text);
CREATE TABLE orders (user_id int8 NOT NULL, id int8, note text, PRIMARY KEY (user_id, id));
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE TABLE logs (line text);
CREATE TABLE user_heirs (extra text) INHERITS (users);
CREATE TABLE people (name text);
CREATE TABLE staff (id int8 PRIMARY KEY) INHERITS (people);
CREATE TABLE via_rule (id int8, name text);
CREATE RULE elsewhere AS ON INSERT TO via_rule DO INSTEAD INSERT INTO users VALUES (NEW.id, NEW.name);
CREATE FUNCTION into_users() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO users VALUES (NEW.id, NEW.name); RETURN NEW; END';
CREATE VIEW via_view AS SELECT 0::int8 AS id, ''::text AS name WHERE false;
CREATE TRIGGER t INSTEAD OF INSERT ON via_view FOR EACH ROW EXECUTE FUNCTION into_users();
CREATE TABLE via_trigger (id int8, name text);
CREATE TRIGGER t AFTER INSERT ON via_trigger FOR EACH ROW EXECUTE FUNCTION into_users();
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.stamp := lower(NEW.name); RETURN NEW; END';
CREATE TABLE stamped (id int8 PRIMARY KEY, name text, stamp text);
CREATE TRIGGER t BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE FUNCTION rekey() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.id + 1; RETURN NEW; END';
CREATE TABLE rekeyed (id int8 PRIMARY KEY, name text);
CREATE TRIGGER t BEFORE INSERT ON rekeyed FOR EACH ROW EXECUTE FUNCTION rekey();
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO logs VALUES (NEW.name); RETURN NULL; END';
CREATE TABLE audited (id int8 PRIMARY KEY, name text);
CREATE TRIGGER t AFTER INSERT OR UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE FUNCTION f_sql() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM users';
CREATE FUNCTION f_parsed() RETURNS bigint LANGUAGE sql IMMUTABLE RETURN (SELECT count(*) FROM users);
CREATE FUNCTION f_plpgsql() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN count(*) FROM users; END';
CREATE FUNCTION f_caller() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT f_sql()';
CREATE FUNCTION f_of(users) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM users';
CREATE FUNCTION f_two(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM users';
CREATE OPERATOR ### (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = f_two);
CREATE VIEW of_function AS SELECT f_sql() AS n;
CREATE VIEW of_operator AS SELECT 1::bigint ### 2::bigint AS n;
CREATE FUNCTION pure(a bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT a + 1';
CREATE FUNCTION pure_too(a bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN IF a > 5 THEN RETURN 5; END IF; RETURN a; END';
CREATE TABLE defaulted (id int8 PRIMARY KEY, n bigint DEFAULT f_sql());
CREATE FUNCTION is_fine(bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT count(*) < 1000 FROM users';
CREATE TABLE checked (id int8 PRIMARY KEY, n bigint CHECK (is_fine(n)));
CREATE TABLE derived (a int8, k int8 GENERATED ALWAYS AS (a * 3) STORED);
CREATE TABLE friends (user_id int8 REFERENCES users ON DELETE CASCADE, other int8, PRIMARY KEY (user_id, other));
CREATE TABLE baskets (owner int8 PRIMARY KEY, user_id int8 REFERENCES staff ON DELETE CASCADE);
CREATE TABLE regions (code text PRIMARY KEY, name text);
CREATE TABLE placed (region text REFERENCES regions ON UPDATE CASCADE ON DELETE SET NULL, n int);
CREATE TABLE kept (region text REFERENCES regions ON DELETE CASCADE, n int);
CREATE TABLE guarded (id int8 PRIMARY KEY, name text);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON guarded USING (name IN (SELECT line FROM logs));
CREATE TABLE logins (day date, name text);
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE docs (slug text PRIMARY KEY, body text);
CREATE TABLE words (word text COLLATE blind);
CREATE TABLE fixed (word char(8));
CREATE TABLE floats (x float8);
CREATE TABLE tags (name varchar(8) PRIMARY KEY, n int);
CREATE TABLE events (id int8, at date) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');
CREATE TABLE identified (id int8 GENERATED BY DEFAULT AS IDENTITY, name text);
CREATE VIEW some_users AS SELECT * FROM users WHERE id < 100;
CREATE SCHEMA aside;
CREATE FUNCTION aside.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users';
CREATE FUNCTION aside.max(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users';
CREATE SCHEMA own;
CREATE FUNCTION own.always(bigint, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR own.= (LEFTARG = bigint, RIGHTARG = text, FUNCTION = own.always);
"""

USERS = [(key, f"n{key % 5}") for key in range(1, 31)]


@pytest.fixture(scope="module")
def world(ringway_session, workspace):
    """(proxy, cluster, the plain server's node with its database)."""
    sql = "CREATE ROLE app LOGIN PASSWORD 'app'; ALTER SCHEMA public OWNER TO app; GRANT CREATE ON DATABASE leads TO app; SET ROLE app;" + SCHEMA
    start = ClusterStart(workspace, "leads", 2, 0, sql, TABLES)
    try:
        cluster = start.wait()
        first = cluster.primary("s0")
        first.rows("CREATE DATABASE whole OWNER app")
        first.rows(SCHEMA, user="app", dbname="whole")
        proxy = ringway_session(clusters=cluster)
        assert until(lambda: knows_tables(proxy, "leads"))
        subprocess.run([BINARY, "init", "--config", proxy.config], check=True, timeout=60, capture_output=True)
        yield proxy, cluster, first
        proxy.stop()
    finally:
        start.down()


class Pair:
    """A client of the proxy and one of the plain server."""

    def __init__(self, world, proxied, plain):
        self.world, self.proxied, self.plain, self.owners = world, proxied, plain, {}

    @staticmethod
    def outcome(connection, sql, parameters):
        try:
            cursor = connection.execute(sql, parameters)
            rows = sorted(map(str, cursor.fetchall())) if cursor.description else None
            return rows, cursor.statusmessage
        except psycopg.Error as why:
            return why.sqlstate, str(why.diag.message_primary)

    def same(self, sql, parameters=None):
        """What both say; it must be the same."""
        got, expected = (self.outcome(each, sql, parameters) for each in (self.proxied, self.plain))
        assert got == expected, sql
        return got

    def refused(self, sql, parameters=None):
        got = self.outcome(self.proxied, sql, parameters)
        assert got[0] in ("0A000", "23502"), (sql, got)

    def owner(self, table, key):
        if (table, key) not in self.owners:
            self.owners[table, key] = admin(self.world[0], f"SHOW KEY leads {table} '{key}'")[0]["shard"]
        return self.owners[table, key]

    def stands_right(self):
        """The shards have the plain server's rows, each on its key's shard; and nothing else has grown."""
        _, cluster, plain = self.world
        tables = [*KEYED, "logs", "people"]
        all_rows = " UNION ALL ".join(f"SELECT '{table}', {KEYED.get(table, 'NULL')}::text, t::text FROM {table} t" for table in tables)
        found = []
        for shard in cluster.shards:
            for table, key, row in cluster.primary(shard).rows(all_rows):
                assert table not in KEYED or self.owner(table, key) == shard, (table, row)
                found.append((table, key, row))
        assert sorted(found, key=str) == sorted(plain.rows(all_rows, dbname="whole"), key=str)


@pytest.fixture(scope="module")
def both(world):
    proxy, _, plain = world
    with proxy.connect() as proxied, plain.connect(dbname="whole") as direct:
        pair = Pair(world, proxied, direct)
        for row in USERS:
            pair.same("INSERT INTO users VALUES (%s, %s)", row)
        pair.stands_right()
        yield pair


@pytest.fixture(autouse=True)
def right_rows(both):
    yield
    both.stands_right()


def test_a_child_of_a_keyed_table_is_placed_as_its_parent(both):
    for key in range(101, 121):
        both.same(f"INSERT INTO user_heirs VALUES ({key}, 'heir', 'x')")
        both.same(f"SELECT * FROM users WHERE id = {key}")
        both.same(f"UPDATE user_heirs SET extra = 'y' WHERE id = {key}")
        both.same(f"SELECT * FROM user_heirs WHERE id = {key}")
    both.same("SELECT count(*), sum(id) FROM users")
    both.refused("SELECT count(*) FROM user_heirs")
    both.refused("SELECT count(*) FROM users u JOIN user_heirs h ON h.name = u.name")
    both.same("DELETE FROM users WHERE id = 101")
    both.refused("INSERT INTO user_heirs (name) VALUES ('no key')")
    both.same("DELETE FROM user_heirs WHERE name = 'nobody'")


def test_a_parent_of_a_keyed_table_is_nobodys(both):
    for key in (1, 2, 3, 4):
        both.same(f"INSERT INTO staff (id, name) VALUES ({key}, 'staff')")
        both.same(f"SELECT * FROM staff WHERE id = {key}")
    both.refused("SELECT count(*) FROM people")
    both.refused("UPDATE people SET name = 'changed'")
    both.refused("DELETE FROM people")


def test_actions_of_foreign_keys_set_no_shard_key(both):
    for code in "abcd":
        both.same(f"INSERT INTO regions VALUES ('{code}', 'x')")
        both.same(f"INSERT INTO placed VALUES ('{code}', 1)")
    both.same("UPDATE regions SET name = 'y'")
    both.same("INSERT INTO regions VALUES ('a', 'z') ON CONFLICT (code) DO UPDATE SET name = excluded.name")
    both.refused("UPDATE regions SET code = code || 'x'")
    both.refused("INSERT INTO regions VALUES ('a', 'z') ON CONFLICT (code) DO UPDATE SET code = 'az'")
    both.refused("DELETE FROM regions WHERE code = 'b'")
    both.refused("ALTER TABLE kept ADD FOREIGN KEY (region) REFERENCES regions ON UPDATE CASCADE")
    both.same("DELETE FROM placed")


@pytest.mark.parametrize("table", ["via_rule", "via_view", "via_trigger"])
def test_rules_and_triggers_write_elsewhere(both, table):
    for key in (1234, 1235, 1236):
        both.refused(f"INSERT INTO {table} VALUES ({key}, 'x')")
    both.same("SELECT count(*) FROM users WHERE id IN (1234, 1235, 1236)")


def test_triggers_on_keyed_tables(both):
    for key in (1, 2, 3, 4):
        both.same(f"INSERT INTO stamped VALUES ({key}, 'ABC')")
        both.same(f"UPDATE stamped SET name = 'Def' WHERE id = {key}")
        both.same(f"SELECT * FROM stamped WHERE id = {key}")
        both.refused(f"INSERT INTO rekeyed VALUES ({key}, 'a')")
        both.refused(f"INSERT INTO audited VALUES ({key}, 'a')")
        both.refused(f"INSERT INTO defaulted (id) VALUES ({key})")
        both.refused(f"INSERT INTO checked VALUES ({key}, 1)")


@pytest.mark.parametrize("sql", [
    "SELECT f_sql()", "SELECT f_parsed()", "SELECT f_plpgsql()", "SELECT f_caller()", "SELECT 1::bigint ### 2::bigint", "TABLE of_function",
    "TABLE of_operator", "SELECT u.f_of FROM users u WHERE id = 1", "SELECT (u).f_of FROM users u WHERE id = 1", "SELECT f_of(u) FROM users u WHERE id = 1",
    "SELECT * FROM f_sql()", "SELECT id FROM users WHERE id = 1 AND f_sql() > 0", "SELECT name FROM users WHERE id = 1 ORDER BY f_sql()",
    "SELECT count(*) FROM users HAVING f_sql() > 0", "VALUES (f_sql())", "SELECT 1 LIMIT f_sql()", "SELECT OPERATOR(public.###) 1",
    "SELECT * FROM generate_series(1, f_sql())", "SELECT CASE WHEN true THEN f_sql() END", "SELECT ARRAY[f_sql()]",
    "UPDATE users SET name = f_sql()::text WHERE id = 1", "INSERT INTO users VALUES (5000, f_sql()::text)", "EXPLAIN SELECT f_sql()",
    "PREPARE p AS SELECT f_sql()", "SELECT 1 WHERE EXISTS (SELECT f_sql())", "SELECT count(*) FILTER (WHERE f_sql() > 0) FROM users WHERE id = 1",
    "SELECT sum(id) OVER (ORDER BY f_sql()) FROM users WHERE id = 1", "DELETE FROM users WHERE id = 1 RETURNING f_sql()",
])
def test_functions_that_read_tables(both, sql):
    if "OPERATOR(public.###) 1" in sql:
        sql = "SELECT 1::bigint OPERATOR(public.###) 1::bigint"
    both.refused(sql)


@pytest.mark.parametrize("sql", [
    "SELECT pure(3), pure_too(7)", "SELECT pure(id) FROM users WHERE id = 4", "SELECT id FROM users WHERE id = 4 AND pure(id) = 5",
    "SELECT sum(pure(id)) FROM users", "SELECT count(*), max(id), count(name) FROM users", "SELECT max(id) FROM users WHERE id = 3",
])
def test_functions_that_read_none_and_namesakes_outside_the_path(both, sql):
    both.same(sql)


def test_a_namesake_in_the_path_counts(both):
    for each in (both.proxied, both.plain):
        each.execute("SET search_path = public, aside")
    try:
        both.refused("SELECT max(id) FROM users WHERE id = 3")
        both.same("SELECT min(id) FROM users WHERE id = 3")
        both.refused("SELECT aside.count('a')")
    finally:
        for each in (both.proxied, both.plain):
            each.execute("RESET search_path")


@pytest.fixture
def typed_texts(both):
    """Parameters that are str go out as text, not as unknown."""
    for each in (both.proxied, both.plain):
        each.adapters.register_dumper(str, StrDumper)
    yield
    for each in (both.proxied, both.plain):
        each.adapters.register_dumper(str, StrDumperUnknown)


def test_a_users_operator_on_the_keys_type(both, typed_texts):
    texts = [("SELECT count(*) FROM users WHERE id = '7'::text", None), ("SELECT count(*) FROM users WHERE id = %s", ["7"]),
             ("SELECT count(*) FROM users WHERE id = ANY(%s)", [["7"]]), ("SELECT count(*) FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = %s", ["7"])]
    for sql, parameters in texts:
        both.same(sql, parameters)
    for each in (both.proxied, both.plain):
        each.execute("SET search_path = public, own")
    try:
        for sql, parameters in texts:
            both.same(sql, parameters)
        both.same("SELECT count(*) FROM users WHERE id = 7")
        both.same("UPDATE users SET name = name || '+' WHERE id = %s", ["7"])
    finally:
        for each in (both.proxied, both.plain):
            each.execute("RESET search_path")
    both.same("SELECT count(*) FROM users WHERE id = 7")


def test_foreign_keys(both):
    for key in (1, 2, 3, 4, 9999):
        both.same(f"INSERT INTO friends VALUES ({key}, 7)")
        both.refused(f"INSERT INTO baskets VALUES ({key}, 1)")
        both.refused(f"DELETE FROM staff WHERE id = {key}")
    both.same("DELETE FROM users WHERE id = 3")
    both.same("SELECT count(*) FROM friends")
    both.same("INSERT INTO users VALUES (3, 'again')")


def test_row_policies_that_read_other_tables(both):
    both.refused("SELECT * FROM guarded WHERE id = 1")
    both.refused("SELECT count(*) FROM guarded")
    both.refused("INSERT INTO guarded VALUES (1, 'a')")


def test_keys_that_are_made_of_other_columns(both):
    for a in (1, 2, 3, 4):
        both.refused(f"INSERT INTO derived (a) VALUES ({a})")
        both.refused(f"INSERT INTO derived (a, k) VALUES ({a}, DEFAULT)")
        both.refused(f"UPDATE derived SET a = 7 WHERE k = {a}")
        both.refused(f"INSERT INTO identified (id, name) OVERRIDING USER VALUE VALUES ({a}, 'a')")
        both.same(f"INSERT INTO identified (id, name) OVERRIDING SYSTEM VALUE VALUES ({a}, 'a')")
        both.same(f"SELECT * FROM identified WHERE id = {a}")


def test_collations_and_types_of_other_columns(both):
    for word in ("abc", "ABC", "Abc", "xyz", "aBC"):
        both.same("INSERT INTO docs VALUES (%s, %s)", [word, word])
        both.same("INSERT INTO tags VALUES (%s, 1)", [word])
        both.same(f"SELECT count(*) FROM docs WHERE slug = '{word}'")
        both.same(f"SELECT count(*) FROM docs WHERE slug = '{word}' COLLATE blind")
        both.same(f"SELECT count(*) FROM docs WHERE slug COLLATE blind = '{word}'")
        both.same(f"SELECT count(*) FROM docs WHERE slug = '{word}  '::char(8)")
        both.same(f"SELECT count(*) FROM docs WHERE slug = '{word}'::name")
        both.same(f"SELECT count(*) FROM docs WHERE slug LIKE '{word}'")
        both.same(f"SELECT count(*) FROM tags WHERE name = '{word}'::varchar(2)")
        both.same(f"INSERT INTO words VALUES ('{word}')")
        both.same(f"INSERT INTO fixed VALUES ('{word}')")
        both.same(f"SELECT count(*) FROM docs d JOIN words w ON d.slug = w.word WHERE w.word = '{word}'")
        both.same(f"SELECT count(*) FROM docs d JOIN fixed f ON d.slug = f.word WHERE f.word = '{word} '")
        both.same(f"SELECT count(*) FROM tags t JOIN docs d ON d.slug = t.name WHERE t.name = '{word}'")
    both.refused("UPDATE tags SET name = 'longer than eight' WHERE name = 'abc'")


def test_numbers_that_a_float_cannot_tell_apart(both):
    for key in (9007199254740992, 9007199254740993, 9007199254740994):
        both.same(f"INSERT INTO users VALUES ({key}, 'big')")
        both.same(f"INSERT INTO floats VALUES ({key})")
        both.same(f"SELECT count(*) FROM users u JOIN floats f ON u.id = f.x WHERE f.x = {key}")
        both.same(f"SELECT count(*) FROM users WHERE id = {key}::float8")
        both.same("SELECT count(*) FROM users WHERE id = %s", [float(key)])


def test_partitions(both):
    for key in range(1, 9):
        both.same(f"INSERT INTO events VALUES ({key}, '20{key}5-01-01')" if key < 4 else f"INSERT INTO events_new VALUES ({key}, '2025-01-01')")
        both.same(f"SELECT * FROM events WHERE id = {key}")
        both.same(f"SELECT * FROM events_new WHERE id = {key}")
        both.same(f"UPDATE events SET at = '2001-01-01' WHERE id = {key}")
    both.same("SELECT count(*) FROM events")
    both.refused("SELECT count(*) FROM events_old")
    both.refused("SELECT count(*) FROM events e JOIN events_old o ON e.at = o.at")
    both.refused("SELECT count(*) FROM events, events_new")


def test_views_merge_and_writing_ctes(both):
    for sql in ("INSERT INTO some_users VALUES (50, 'x')", "UPDATE some_users SET name = 'x' WHERE id = 1", "DELETE FROM some_users WHERE id = 1",
                "MERGE INTO logs l USING users u ON l.line = u.name WHEN NOT MATCHED THEN INSERT VALUES (u.name)",
                "WITH a AS (INSERT INTO users VALUES (60, 'a') RETURNING id) INSERT INTO orders SELECT id, 1 FROM a",
                "WITH a AS (DELETE FROM users RETURNING *) SELECT count(*) FROM a",
                "WITH a AS (UPDATE users SET name = 'x' WHERE id = 1) DELETE FROM orders", "SELECT * FROM users ORDER BY id LIMIT 3 FOR UPDATE"):
        both.refused(sql)
    both.same("SELECT * FROM users ORDER BY id FOR UPDATE")
    for key in (61, 62, 63, 64):
        both.same(f"WITH a AS (INSERT INTO users VALUES ({key}, 'a') RETURNING id, name) SELECT * FROM a")
        both.same(f"WITH a AS (SELECT * FROM users WHERE id = {key}) INSERT INTO orders SELECT {key}, 1, name FROM a")
        both.same(f"WITH a AS (UPDATE users SET name = 'b' WHERE id = {key} RETURNING id) DELETE FROM orders WHERE user_id = {key} RETURNING id")
        both.same(f"SELECT u.id, o.* FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = {key}")


def test_order_by_an_operator(both):
    both.same("SELECT id FROM users ORDER BY id USING > LIMIT 3")
    both.same("SELECT name, count(*) FROM users GROUP BY name ORDER BY count(*) DESC, name COLLATE \"C\" DESC LIMIT 4")


@pytest.mark.parametrize("sql", ["SELECT 0x5", "SELECT 123abc + 1", "SELECT 'ä', 1ä", "SELECT $1a", "SELEC 1", "SELECT 'a", "SELECT 1.5e", "SELECT 1_000",
                                 "SELECT * FROM users WHERE", "SELECT U&'\\00'", "SELECT (1", "SELECT 1)", "SELECT 1.5abc FROM users"])
def test_syntax_errors_are_worded_as_the_servers(both, sql):
    both.same(sql)
