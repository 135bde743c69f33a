"""A cluster of three shards whose tables are placed in every way there is."""

HASHED = {
    "int2": [0, 1, -1, 32767, -32768, 42],
    "int4": [0, 1, -1, 2147483647, -2147483648, 123456789],
    "int8": [0, 1, -1, 9223372036854775807, -9223372036854775808, 4294967296, -4294967297, 5000000000],
    "numeric": ["0", "1", "-1", "0.5", "-0.00005", "12345.6789", "10000", "1e30", "99999999.0001", "NaN", "0.00000001"],
    "text": ["", "a", "abcdefghijk", "abcdefghijkl", "abcdefghijklm", "zażółć", "x" * 300],
    "varchar": ["a", "Ringway"],
    "bpchar": ["ab   ", "ab", "c"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "bytea": ["\\x", "\\x00", "\\xdeadbeefcafebabe0123456789"],
    "date": ["2000-01-01", "1999-12-31", "2024-02-29", "0001-01-01", "9999-12-31"],
    "timestamp": ["2000-01-01 00:00:00", "1970-01-01 00:00:00.000001", "2024-06-30 23:59:59.5"],
    "timestamptz": ["2000-01-01 00:00:00+00", "2024-06-30 12:00:00+05:30"],
    "bool": ["true", "false"],
}

SQL = "".join(
    f"CREATE TABLE hash_{kind} (k {kind}, n int);\nCREATE TABLE parent_{kind} (k {kind}) PARTITION BY HASH (k);\n" for kind in HASHED
) + """
CREATE TABLE hash_two (tenant text, id int8, n int);
CREATE TABLE parent_two (tenant text, id int8) PARTITION BY HASH (tenant, id);
CREATE TABLE invoices (id int8, region text, amount numeric);
CREATE TABLE events (id int8 PRIMARY KEY, what text);
CREATE TABLE tenants (id int4 PRIMARY KEY, name text);
CREATE TABLE strict (id int4, name text);
CREATE TABLE members (tenant text NOT NULL, id int8 NOT NULL, name text, PRIMARY KEY (tenant, id));
CREATE TABLE visits (tenant text NOT NULL, member int8 NOT NULL, place text,
                     FOREIGN KEY (tenant, member) REFERENCES members (tenant, id));
CREATE TABLE facts (id int8 NOT NULL, at timestamp, note text, amount numeric(10, 2), twice int8 GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE loose (note text, id int8);
CREATE TABLE codes (code text PRIMARY KEY, name text);
CREATE TABLE plain (id int8, note text);
CREATE TABLE parents (id int8 PRIMARY KEY, name text);
CREATE TABLE children (parent int8 REFERENCES parents, name text);
CREATE TABLE audited (id int8, name text);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END';
CREATE TRIGGER audit BEFORE UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION note_change();
"""

TABLES = {f"hash_{kind}": {"key": "k", "function": "hash"} for kind in HASHED} | {
    "hash_two": {"key": ["tenant", "id"], "function": "hash"},
    "invoices": {"key": "region", "function": "list", "map": {"s0": ["eu"], "s1": ["us", "apac"]}},
    "events": {"key": "id", "function": "range", "map": {"s0": ["min", 1000], "s1": [1000, 2000], "s2": [5000, "max"]}},
    "tenants": {"key": "id", "function": "directory", "map": {"s2": [1, 2, 3, 4, 5]}},
    "strict": {"key": "id", "function": "directory", "unlisted": "error", "map": {"s1": [7]}},
    "members": {"key": ["tenant", "id"]},
    "visits": {"key": ["tenant", "member"]},
    "facts": {"key": "id"},
    "loose": {"key": "id"},
    "parents": {"key": "id"},
    "children": {"key": "parent"},
    "audited": {"key": "id"},
    "codes": {"reference": True},
    "tenant_*.*": {"schema": True},
}
