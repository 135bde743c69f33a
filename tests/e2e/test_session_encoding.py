"""client_encoding: each client its own, on shared connections too; what cannot be read or hashed in it is not guessed."""

import pytest

from conftest import admin, knows_tables, until
from wire import Wire, bind, codes, execute, fields, kinds, one, query, replies, row, sync

U_UTF8, U_LATIN1 = "ü".encode(), "ü".encode("latin1")


@pytest.fixture(scope="module")
def narrow(ringway_session, app_cluster):
    """Everything on the primary, over one connection."""
    proxy = ringway_session({"clusters": {"app": {"pool_size": 1, "read_consistency": "primary"}}}, app_cluster)
    app_cluster.primary().rows("CREATE TABLE IF NOT EXISTS words (word text)", user="app")
    return proxy


def quoted(raw):
    return b"'" + raw + b"'"


def ask(client, before, raw=b"", after=b""):
    """The only value of a simple Query whose text is bytes."""
    came = client.run(query((before.encode() if isinstance(before, str) else before) + raw + after))
    assert not codes(came), came
    return next(row(body)[0] for kind, body in came if kind == "D")


def test_two_encodings_over_one_connection(narrow):
    with Wire(narrow.port, client_encoding="LATIN1") as latin, Wire(narrow.port) as utf:
        assert latin.parameters["client_encoding"] == "LATIN1" and utf.parameters["client_encoding"] == "UTF8"
        for _ in range(3):
            assert ask(latin, b"SELECT ", quoted(U_LATIN1)) == U_LATIN1
            assert ask(utf, b"SELECT ", quoted(U_UTF8)) == U_UTF8
            assert ask(latin, b"SELECT length(", quoted(U_UTF8), b")") == b"2"
            assert ask(utf, b"SELECT length(", quoted(U_UTF8), b")") == b"1"
            assert row(latin.run(one(b"SELECT $1::text", [U_LATIN1]) + sync())[3][1]) == [U_LATIN1]


def test_the_same_bytes_prepared_in_two_encodings_are_two_statements(narrow):
    with Wire(narrow.port, client_encoding="LATIN1") as latin, Wire(narrow.port) as utf:
        text = b"SELECT length(" + quoted(U_UTF8) + b")"
        for client, expected in ((utf, b"1"), (latin, b"2")):
            assert row(client.run(one(text, name="len") + sync())[3][1]) == [expected]
        for _ in range(2):
            for client, expected in ((utf, b"1"), (latin, b"2")):
                assert row(client.run(bind([], "len") + execute() + sync())[1][1]) == [expected]


def test_settings_keep_their_characters_between_encodings(narrow):
    with Wire(narrow.port, client_encoding="LATIN1") as latin, Wire(narrow.port) as utf, Wire(narrow.port) as plain:
        for _ in range(2):
            utf.run(query(b"SET my.word = " + quoted(U_UTF8)))
            latin.run(query(b"SET a.word = " + quoted(U_LATIN1)))
            for _ in range(2):
                assert ask(utf, "SHOW my.word") == U_UTF8
                assert ask(latin, "SHOW a.word") == U_LATIN1
                assert plain.value("SELECT current_setting('my.word', true)") in (None, "")


def test_a_client_that_changes_its_encoding(narrow, app_cluster):
    changes = [b"SET client_encoding = 'LATIN1'", b"SET NAMES 'WIN1252'", b"SELECT set_config('client_encoding', 'LATIN9', false)"]
    for change in changes:
        with Wire(narrow.port) as client, Wire(narrow.port) as other:
            client.run(query(b"SET my.word = " + quoted(U_UTF8)))
            name = {"name": "kept"}
            assert row(client.run(one(b"SELECT " + quoted(U_UTF8), **name) + sync())[3][1]) == [U_UTF8]
            came = client.run(query(change))
            assert any(kind == "S" and body.startswith(b"client_encoding\0") for kind, body in came)
            assert ask(client, "SHOW my.word") == U_LATIN1
            other.send(query("SELECT 1"))  # with a pool of one it may have to wait for a pinned client
            assert ask(client, "SHOW my.word") == U_LATIN1
            assert row(client.run(bind([], "kept") + execute() + sync())[1][1]) == [U_LATIN1]


def test_a_look_at_the_settings_does_not_tell_of_another_encoding(narrow):
    with Wire(narrow.port, client_encoding="LATIN1") as client:
        for _ in range(2):
            came = client.run(query("DO $$ BEGIN PERFORM 1; END $$"))
            assert kinds(came) == "CZ"
            came = client.run(query(b"SELECT " + quoted(U_LATIN1)))
            assert kinds(came) == "TDCZ" and row(came[1][1]) == [U_LATIN1]


def test_reset_goes_back_to_the_encoding_of_the_start(narrow):
    with Wire(narrow.port, client_encoding="LATIN1") as client, Wire(narrow.port) as utf:
        for change in ("SET client_encoding = 'UTF8'", "SET client_encoding = 'SJIS'"):
            client.run(query(change))
            client.run(query("RESET client_encoding"))
            utf.rows("SELECT 1")
            assert ask(client, b"SELECT length(", quoted(U_UTF8), b")") == b"2"
            assert ask(client, "SHOW client_encoding") == b"LATIN1"


@pytest.mark.parametrize("encoding,text", [("SJIS", "表"), ("BIG5", "許"), ("GBK", "誠"), ("UHC", "갂"), ("GB18030", "誠")])
def test_a_backslash_within_a_character_is_none(narrow, app_cluster, encoding, text):
    codec = {"SJIS": "shift_jis", "BIG5": "big5", "GBK": "gbk", "UHC": "cp949", "GB18030": "gb18030"}[encoding]
    raw = text.encode(codec)
    assert raw[0] >= 0x80 > raw[1]
    texts = [
        b"SELECT " + quoted(raw), b"SELECT E" + quoted(raw) + b", 1", b"SELECT E" + quoted(raw) + b"; INSERT INTO words VALUES ('x') --'",
        b"SELECT count(*) FROM words", b'SELECT 1 AS "' + raw + b'"', b"SELECT 'abc'",
    ]
    with Wire(narrow.port, client_encoding=encoding) as client, Wire(app_cluster.primary().port, client_encoding=encoding) as direct:
        for sql in texts:
            if b"count" in sql:
                assert ask(client, sql) == ask(direct, sql)
                continue
            expected = replies(direct, query(sql))
            assert replies(client, query(sql)) == expected
        assert row(client.run(one(b"SELECT E" + quoted(raw)) + sync())[3][1]) == [raw]
        assert row(client.run(one(b"SELECT $1::text", [raw]) + sync())[3][1]) == [raw]
    with Wire(narrow.port) as after:
        assert after.value("SHOW client_encoding") == "UTF8"


@pytest.fixture(scope="module")
def places(ringway_session, shop_cluster):
    """A proxy before the shop with a table keyed by text."""
    for node in shop_cluster.nodes:
        if node.role == "primary":
            node.rows("CREATE TABLE IF NOT EXISTS places (name text PRIMARY KEY, note text)", user="app")
    tables = {"places": {"key": "name"}}
    proxy = ringway_session({"clusters": {"shop": {"tables": tables}}}, shop_cluster)
    assert until(lambda: knows_tables(proxy, "shop"))
    return proxy


WORDS = ["Lübeck", "Köln", "Zürich", "Genève", "Málaga", "plain"]


def test_a_sharded_cluster_hashes_no_foreign_bytes(places, shop_cluster):
    with Wire(places.port, database="shop", client_encoding="LATIN1") as latin, Wire(places.port, database="shop") as utf:
        for word in WORDS:
            shard = admin(places, f"SHOW KEY shop places '{word}'")[0]["shard"]
            assert not codes(utf.run(query(f"INSERT INTO places VALUES ('{word}')")))
            assert shop_cluster.primary(shard).rows("SELECT count(*) FROM places WHERE name = %s", [word]) == [(1,)]
            raw = word.encode("latin1")
            for message in (query(b"SELECT name FROM places WHERE name = " + quoted(raw)),
                            one(b"SELECT name FROM places WHERE name = $1", [raw]) + sync(),
                            one(b"SELECT name FROM places WHERE name = $1", [raw], formats=[1]) + sync()):
                came = latin.run(message)
                if word == "plain":
                    assert [row(body) for kind, body in came if kind == "D"] == [[b"plain"]]
                    continue
                error = next(fields(body) for kind, body in came if kind == "E")
                assert error["C"] == "0A000" and "LATIN1" in error["M"] and "UTF8" in error["H"]
        # What is no key may have any characters.
        assert not codes(latin.run(query(b"UPDATE places SET note = " + quoted(U_LATIN1) + b" WHERE name = 'plain'")))
        assert not codes(latin.run(one("UPDATE places SET note = note || $1 WHERE name = $2", [U_LATIN1, "plain"]) + sync()))
        assert ask(latin, "SELECT note FROM places WHERE name = 'plain'") == 2 * U_LATIN1
        for each in shop_cluster.shards:  # another session, which may read on a replica
            shop_cluster.caught_up(each)
        assert ask(utf, "SELECT note FROM places WHERE name = 'plain'") == 2 * U_UTF8
        assert codes(latin.run(query(b'SELECT * FROM "' + U_LATIN1 + b'"'))) == ["0A000"]
        latin.run(query("SET client_encoding = 'UTF8'"))
        assert ask(latin, "SELECT name FROM places WHERE name = 'Köln'") == "Köln".encode()


def test_a_sharded_cluster_does_not_read_text_that_cannot_be_lexed(places):
    with Wire(places.port, database="shop", client_encoding="SJIS") as client:
        assert client.value("SELECT 1") == "1"
        assert codes(client.run(query(b"SELECT " + quoted("表".encode("shift_jis"))))) == ["0A000"]
        assert codes(client.run(one(b"SELECT " + quoted("表".encode("shift_jis"))) + sync())) == ["0A000"]
        assert client.value("SELECT name FROM places WHERE name = 'plain'") == "plain"


HIDING = {"SJIS": ("shift_jis", "表1"), "BIG5": ("big5", "許1"), "GBK": ("gbk", "誠1"), "GB18030": ("gb18030", "誠1"), "SHIFT_JIS_2004": ("shift_jis", "表1")}


@pytest.mark.parametrize("encoding", HIDING)
def test_rows_are_found_by_a_parameter_with_half_a_character_like_a_backslash(places, encoding):
    """... when they are gathered, which writes conditions into texts; nor does a parameter leave its literal."""
    codec, text = HIDING[encoding]
    raw = text.encode(codec)
    assert raw[1:2] == b"\\"
    with Wire(places.port, database="shop") as utf, Wire(places.port, database="shop", client_encoding=encoding) as client:
        for name in ("one", "two", "three"):
            assert not codes(utf.run(query(f"INSERT INTO places VALUES ('{encoding} {name}', '{text if name != 'three' else 'other'}')")))
        hint = "/* ringway: role=primary */ SELECT count(*), count(DISTINCT note) FROM places "
        try:
            for condition, expected in (("note = $1", b"2"), ("note <> $1", b"1"), ("note IN ($1, 'x')", b"2")):
                sql = f"{hint} WHERE {condition} AND name LIKE '{encoding} %'"
                for types in ((), (25,)):
                    came = client.run(one(sql, [raw], types=types) + sync())
                    assert not codes(came), came
                    assert [row(body)[0] for kind, body in came if kind == "D"] == [expected], condition
                client.run(query("BEGIN"))
                client.run(query(f"UPDATE places SET note = note WHERE name LIKE '{encoding} %'"))
                came = client.run(one(sql, [raw]) + sync())
                assert [row(body)[0] for kind, body in came if kind == "D"] == [expected], condition
                client.run(query("ROLLBACK"))
            came = client.run(one(hint + f"WHERE note <> $1 AND name <> $2 AND name LIKE '{encoding} %'", [raw[:2], " OR no_such_column = 1 OR name > "]) + sync())
            assert not codes(came), came
        finally:
            utf.run(query(f"DELETE FROM places WHERE name LIKE '{encoding} %'"))


@pytest.mark.parametrize("encoding", HIDING)
def test_a_setting_with_half_a_character_like_a_backslash(narrow, encoding):
    """It comes to another connection as it is, and as nothing else."""
    codec, text = HIDING[encoding]
    raw = text.encode(codec) + b"', false), pg_catalog.set_config('my.other', 'broken"
    with Wire(narrow.port, client_encoding=encoding) as client, Wire(narrow.port) as other:
        assert not codes(client.run(one("SELECT set_config('my.word', $1, false)", [raw]) + sync()))
        for _ in range(2):
            assert other.value("SELECT current_setting('my.word', true)") in (None, "")
            assert ask(client, "SELECT current_setting('my.word')") == raw
            assert ask(client, "SELECT coalesce(current_setting('my.other', true), '')") == b""
        client.run(query("SET client_encoding = 'UTF8'"))
        assert other.value("SELECT 1") == "1"
        assert ask(client, "SELECT left(current_setting('my.word'), 2)") == text.encode()


@pytest.mark.parametrize("change", ["SET client_encoding = latin1", "SET NAMES 'latin1'"])
def test_who_is_pinned_by_an_encoding_may_write(ringway, app_cluster, change):
    """It stays on its connection, which is one to the primary."""
    app_cluster.primary().rows("DROP TABLE IF EXISTS encoded; CREATE TABLE encoded (a text); GRANT ALL ON encoded TO PUBLIC; SELECT 1")
    proxy = ringway({"clusters": {"app": {}}}, app_cluster)
    for setting in ("app.letter", "application_name"):
        with Wire(proxy.port) as client:
            assert not codes(client.run(query(f"SET {setting} = 'é'")) + client.run(query("SELECT 1")) + client.run(query(change)))
            for _ in range(3):
                assert not codes(client.run(query("SELECT 1")) + client.run(query(b"INSERT INTO encoded VALUES ('\xe9')")))
            for sql in (b"BEGIN", b"INSERT INTO encoded VALUES ('\xe8')", b"COMMIT"):
                assert not codes(client.run(query(sql)))
    assert app_cluster.primary().rows("SELECT a, count(*) FROM encoded GROUP BY a ORDER BY a COLLATE \"C\"") == [("è", 2), ("é", 6)]
    app_cluster.primary().rows("DROP TABLE encoded; SELECT 1")
