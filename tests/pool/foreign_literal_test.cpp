// Values in whose encoding a backslash may be half of a character.

#include "pool/foreign_literal.hpp"

#include <doctest/doctest.h>

using namespace ringway::pool;

TEST_CASE("a value that may have half a character like a backslash says its encoding") {
    CHECK(foreign_literal("\x95\\'", "SJIS") == "pg_catalog.convert_from(pg_catalog.decode('955c27', 'hex'), 'SJIS')");
    CHECK(set_config_in("SJIS", "my.word", "\x95\\") ==
          "SELECT pg_catalog.set_config('my.word', pg_catalog.convert_from(pg_catalog.decode('955c', 'hex'), 'SJIS'), "
          "false)");
    CHECK(foreign_literal("\x95it's", "SJIS") == "'\x95it''s'");
    CHECK(foreign_literal("a\\b", "SJIS") == " E'a\\\\b'");
    CHECK(foreign_literal("\xc3\xa9\\", "") == " E'\xc3\xa9\\\\'");
}
