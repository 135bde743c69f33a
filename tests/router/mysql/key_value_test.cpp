#include "router/mysql/key_value.hpp"

#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;

namespace {

/// The key that `id = VALUE` names, or what became of it.
std::string key_of(std::string_view written, key_type type, const mysql_modes& modes = {}) {
    const auto text = "SELECT * FROM t WHERE id = " + std::string(written);
    mysql_shape_lexer lexer;
    const auto shape = lexer.scan(text, modes);
    const auto tests = one(text, modes).block.tests;
    if (tests.empty()) return "no test";
    key_recipe recipe;
    recipe.type = type;
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
    for (const std::string other :
         {"'5 apples'", "' 5'", "'05'", "'5.0'", "''", "5.0", "5e0", "0x35", "b'101'", "x'35'", "N'5'", "_utf8'5'",
          "'1234567890123456789'", "DATE '2020-01-01'", "CAST('5' AS SIGNED)"})
        CHECK_MESSAGE(key_of(other, key_type::integer) == "unplaced", other);
    CHECK(key_of("'it''s \\'x\\''", key_type::text) == "it's 'x'");
    mysql_modes standard;
    standard.no_backslash_escapes = true;
    CHECK(key_of("'a\\n'", key_type::text, standard) == "a\\n");
    for (const std::string other : {"5", "-5", "0x41", "_latin1'x'", "1.5", "x'41'"})
        CHECK_MESSAGE(key_of(other, key_type::text) == "unplaced", other);
    CHECK(key_of("'2020-01-01'", key_type::date) == "unplaced");
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
