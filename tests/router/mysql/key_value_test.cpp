#include "router/mysql/key_value.hpp"

#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

namespace {

/// The key that `id = VALUE` names, or what became of it.
std::string key_of(std::string_view written, key_type type, const mysql_modes& modes = {},
                   const mysql_column& column = {.digits = 8, .scale = 4, .length = 20}, bool rows = false) {
    const auto text = "SELECT * FROM t WHERE id = " + std::string(written);
    mysql_shape_lexer lexer;
    const auto shape = lexer.scan(text, modes);
    const auto tests = one(text, modes).block.tests;
    if (tests.empty()) return "no test";
    key_recipe recipe;
    recipe.type = type;
    recipe.mysql = column;
    recipe.rows = rows;
    values with;
    with.text = text;
    with.literals = shape.literals;
    with.mysql = &modes;
    canonical_key out;
    switch (key_of(recipe, tests[0].values[0], with, out)) {
        case key_outcome::key:
            return std::string(out.text);
        case key_outcome::null:
            return "null";
        case key_outcome::rejected:
            return "rejected";
        case key_outcome::unmapped:
            return "unmapped";
        case key_outcome::unplaced:
            break;
    }
    return "unplaced";
}

}  // namespace

TEST_CASE("a MySQL literal is a key where no conversion can make another of it") {
    CHECK(key_of("5", key_type::integer) == "5");
    CHECK(key_of("-5", key_type::integer) == "-5");
    CHECK(key_of("0005", key_type::integer) == "5");
    CHECK(key_of("'5'", key_type::integer) == "5");
    CHECK(key_of("\"-12\"", key_type::integer) == "-12");
    CHECK(key_of("TRUE", key_type::integer) == "1");
    CHECK(key_of("2 + 3", key_type::integer) == "5");
    CHECK(key_of("NULL", key_type::integer) == "null");
    CHECK(key_of("5.0", key_type::integer) == "5");
    CHECK(key_of("5e0", key_type::integer) == "5");
    CHECK(key_of("0x35", key_type::integer) == "53");
    CHECK(key_of("18446744073709551615", key_type::integer) == "18446744073709551615");
    CHECK(key_of("_utf8'5'", key_type::integer) == "5");
    CHECK(key_of("CAST('5' AS SIGNED)", key_type::integer) == "5");
    for (const std::string other : {"'5 apples'", "' 5'", "'05'", "'5.0'", "''", "5.5", "b'101'", "x'35'", "_latin1'5'",
                                    "'1234567890123456'", "DATE '2020-01-01'", "0x112233445566778899",
                                    "9007199254740993e0", "CAST('-5' AS UNSIGNED)", "CAST(? AS CHAR)"})
        CHECK_MESSAGE(key_of(other, key_type::integer) != "5", other);
    for (const std::string other : {"'5 apples'", "' 5'", "'05'", "'5.0'", "''", "5.5", "b'101'", "x'35'"})
        CHECK_MESSAGE(key_of(other, key_type::integer) == "unplaced", other);
    CHECK(key_of("'it''s \\'x\\''", key_type::text) == "it's 'x'");
    mysql_modes standard;
    standard.no_backslash_escapes = true;
    CHECK(key_of("'a\\n'", key_type::text, standard) == "a\\n");
    for (const std::string other : {"5", "-5", "_latin1'x'", "1.5", "b'1'", "x'ff'"})
        CHECK_MESSAGE(key_of(other, key_type::text) == "unplaced", other);
    CHECK(key_of("x'41'", key_type::text) == "A");  // compared byte by byte: no other row is meant
    CHECK(key_of("'ab  '", key_type::text) == "ab");
    CHECK(key_of("'2020-01-01'", key_type::date) == "2020-01-01");
}

TEST_CASE("a text that a collation compares by more than its bytes") {
    const mysql_column folding{.folds_case = true, .scale = 4, .length = 20};
    CHECK(key_of("'AbC d'", key_type::text, {}, folding) == "abc d");
    CHECK(key_of("'h\xc3\xb6he'", key_type::text, {}, folding) == "unplaced");
    CHECK(key_of("'a\\tb'", key_type::text, {}, folding) == "unplaced");  // some ignore control characters
    CHECK(key_of("'h\xc3\xb6he'", key_type::text) == "h\xc3\xb6he");
    CHECK(key_of("'h\xf6he'", key_type::text) == "unplaced");
    CHECK(key_of("'\xf0\x9f\x98\x80'", key_type::text, {}, {.scale = 3, .length = 20}) == "unplaced");
    CHECK(key_of("'h\xc3\xb6he'", key_type::text, {}, {.ascii_only = true, .scale = 1, .length = 20}) == "unplaced");
}

TEST_CASE("what a column would change when it stores it has no place") {
    const auto stored = [](std::string_view value, key_type type, const mysql_column& column) {
        return key_of(value, type, {}, column, true);
    };
    CHECK(stored("127", key_type::integer, {.digits = 1}) == "127");
    CHECK(stored("128", key_type::integer, {.digits = 1}) == "unplaced");
    CHECK(stored("-128", key_type::integer, {.digits = 1}) == "unplaced");  // fits, and is rare enough
    CHECK(stored("255", key_type::integer, {.is_unsigned = true, .digits = 1}) == "255");
    CHECK(stored("-1", key_type::integer, {.is_unsigned = true, .digits = 8}) == "unplaced");
    CHECK(stored("18446744073709551616", key_type::integer, {.is_unsigned = true, .digits = 8}) == "unplaced");
    CHECK(stored("0", key_type::integer, {.counts_up = true, .digits = 4}) == "unplaced");
    CHECK(stored("1.25", key_type::numeric, {.digits = 5, .scale = 2}) == "1.25");
    CHECK(stored("1.250", key_type::numeric, {.digits = 5, .scale = 2}) == "1.25");
    CHECK(stored("1.255", key_type::numeric, {.digits = 5, .scale = 2}) == "unplaced");
    CHECK(stored("1000", key_type::numeric, {.digits = 5, .scale = 2}) == "unplaced");
    CHECK(stored("'abc'", key_type::text, {.scale = 4, .length = 3}) == "abc");
    CHECK(stored("'abcd'", key_type::text, {.scale = 4, .length = 3}) == "unplaced");
    CHECK(stored("5", key_type::text, {.scale = 4, .length = 3}) == "5");
    CHECK(stored("x'6162'", key_type::bytea, {.padded = true, .length = 4}) == "\\x61620000");
    CHECK(stored("x'6162'", key_type::bytea, {.length = 4}) == "\\x6162");
    CHECK(stored("x'6162636465'", key_type::bytea, {.length = 4}) == "unplaced");
    CHECK(stored("'2024-02-29 12:00:00.50'", key_type::timestamp, {.scale = 1}) == "2024-02-29 12:00:00.5");
    CHECK(stored("'2024-02-29 12:00:00.55'", key_type::timestamp, {.scale = 1}) == "unplaced");
    CHECK(stored("'2024-02-30'", key_type::timestamp, {.scale = 1}) == "unplaced");
    CHECK(stored("'2024-02-29 00:00:00'", key_type::date, {}) == "2024-02-29");
    CHECK(stored("'2024-02-29 01:00:00'", key_type::date, {}) == "unplaced");
    CHECK(stored("'24-02-29'", key_type::date, {}) == "unplaced");
}

TEST_CASE("texts whose plan names places of theirs are planned each time") {
    for (const std::string_view text :
         {"SELECT * FROM t WHERE id = 5", "SELECT @a := 5", "CALL p(1)", "KILL 5", "USE shop", "BEGIN",
          "INSERT INTO t VALUES (1, 'x')", "SHOW TABLES LIKE 'x'", "SELECT 1 + 1"})
        CHECK_MESSAGE(read(text).cacheable, text);
    for (const std::string_view text :
         {"SET a = 5", "SET @a = 5", "PREPARE s FROM 'x'", "EXECUTE s USING 5", "XA START 'a'", "SELECT 1; SELECT 2",
          "SELECT * FROM t WHERE id = 1 + 1", "DEALLOCATE PREPARE s", "EXECUTE IMMEDIATE 'x'"})
        CHECK_MESSAGE(!read(text).cacheable, text);
}

TEST_CASE("chains of BETWEEN, CASE and := do not go too deep unnoticed") {
    std::string between = "SELECT 1", assigned = "SELECT ", cases = "SELECT ";
    for (int i = 0; i < 20'000; ++i) {
        between += " BETWEEN 1 AND 1";
        assigned += "@a := ";
        cases += "CASE ";
    }
    for (const auto& text : {between, assigned + "1", cases}) {
        const auto found = parse_mysql(text, {});
        CHECK(found.too_deep);
        CHECK(found.statements.back().writes);
    }
}
