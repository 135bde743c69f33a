#include "router/mysql/shape.hpp"

#include "router/plan_cache.hpp"
#include "tests/router/mysql/reading.hpp"

using namespace ringway::router;
using namespace ringway::router::mysql_tests;
using namespace std::literals;

namespace {

std::string shape_of(std::string_view text, const mysql_modes& modes = {}) {
    mysql_shape_lexer lexer;
    const auto found = lexer.scan(text, modes);
    return std::string(found.normalized) + (found.complete ? "" : " (incomplete)");
}

/// The values of a text's literals, each ended by |.
std::string values_of(std::string_view text, const mysql_modes& modes = {}) {
    mysql_shape_lexer lexer;
    std::string out;
    for (const auto& each : lexer.scan(text, modes).literals) out += mysql_literal_value(text, each, modes) + "|";
    return out;
}

mysql_modes with(mysql_charset charset) {
    mysql_modes out;
    out.charset = charset;
    return out;
}

}  // namespace

TEST_CASE("literals are lifted out, words keep their case") {
    CHECK(shape_of("SELECT * FROM T WHERE id=5 AND c = 'x'") == "SELECT * FROM T WHERE id=$i AND c = $s");
    CHECK(shape_of("SELECT 1.5,.5,1.,1e3,1.5E-3") == "SELECT $d,$d,$d,$d,$d");
    CHECK(shape_of("SELECT 18446744073709551615, 18446744073709551616") == "SELECT $i, $d");
    CHECK(shape_of("SELECT x'41', X'41', 0x41, b'1', 0b1, N'x', n'x'") == "SELECT $b, $b, $b, $b, $b, $n, $n");
    CHECK(shape_of("SELECT _utf8'x', DATE'2020-01-01'") == "SELECT _utf8 $s, DATE $s");
    CHECK(shape_of("SELECT 0X41, 0xg, 1a, t.1, a.5e3, 1e, 0b2") == "SELECT 0X41, 0xg, 1a, t.1, a.5e3, 1e, 0b2");
    CHECK(shape_of("SELECT `a`.5") == "SELECT `a`$d");
    CHECK(shape_of("SELECT 1e1x") == "SELECT $d x");
    CHECK(shape_of("SELECT 'it''s' \"a\"\"b\" 'a\\'b'") == "SELECT $s $s $s");
    CHECK(shape_of("SELECT @a, @'b', @`c`, @@d, 'r'@'h'") == "SELECT @a, @'b', @`c`, @@d, $s@'h'");
    CHECK(shape_of("SELECT  1\n\t,\v2") == "SELECT $i , $i");
    CHECK(shape_of("SELECT a--1 FROM t WHERE b = ?") == "SELECT a--$i FROM t WHERE b = ?");
    CHECK(shape_of("SELECT $i") == "SELECT $i (incomplete)");
    CHECK(shape_of("SELECT a$i") == "SELECT a$i");
}

TEST_CASE("comments") {
    CHECK(shape_of("SELECT 1 -- x\n, 2 # y\n, /* ' */ 3--\n") == "SELECT $i , $i , $i");
    CHECK(shape_of("SELECT 1 --") == "SELECT $i");
    CHECK(shape_of("SELECT/**/1") == "SELECT $i");
    CHECK(shape_of("SELECT /* a /* b */ 1") == "SELECT $i");
    CHECK(shape_of("SELECT /*! 1 */") == "SELECT /*! $i */");
    CHECK(shape_of("SELECT /*!50000 1 */ /*!50701 2 */ /*!100100 3 */ /*!999999 4 */") ==
          "SELECT /*!50000 $i */ /*!100100 $i */");
    CHECK(shape_of("SELECT /*M! 1 */ /*M!100100 2 */") == "SELECT /*M! $i */ /*M!100100 $i */");
    CHECK(shape_of("SELECT /*M! 1 */ 2", oracle_mysql(80036)) == "SELECT $i");
    CHECK(shape_of("SELECT /*!50701 1 */ /*!80037 2 */ /*!080036 3 */", oracle_mysql(80036)) ==
          "SELECT /*!50701 $i */ /*!080036 $i */");
    CHECK(shape_of("SELECT /*!50651 1*/, /*!506511*/", oracle_mysql(50651)) == "SELECT /*!50651 $i*/ , /*!50651 $i*/");
    CHECK(shape_of("SELECT /*!50701 a /* b */ c */ 1") == "SELECT $i");
    CHECK(shape_of("SELECT /*! a /* b */ */ 1") == "SELECT /*! a */ $i");
    CHECK(shape_of("SELECT /* ringway:  role=replica */ 1") == "SELECT /* ringway: role=replica */ $i");
    for (const auto* text :
         {"SELECT 'a", "SELECT \"a", "SELECT `a", "/* a", "/*! a", "/*!50701 a", "SELECT x'4'", "SELECT 'a\\"})
        CHECK(shape_of(text).ends_with("(incomplete)"));
    CHECK(shape_of("SELECT 1\0, 2"sv).ends_with("(incomplete)"));
}

TEST_CASE("modes decide what is a string") {
    mysql_modes ansi, standard;
    ansi.ansi_quotes = true;
    standard.no_backslash_escapes = true;
    CHECK(shape_of("SELECT \"a\"", ansi) == "SELECT \"a\"");
    CHECK(shape_of("SELECT 'a\\', 'b'", standard) == "SELECT $s, $s");
    CHECK(values_of("SELECT 'a\\', 'b\\n'", standard) == "a\\|b\\n|");
    mysql_modes read;
    set_sql_mode(read, "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI");
    CHECK((read.ansi_quotes && read.pipes_as_concat && read.ignore_space && !read.no_backslash_escapes));
    set_sql_mode(read, "'ANSI_QUOTES'");  // as an SQL literal
    CHECK((read.ansi_quotes && !read.pipes_as_concat));
    set_sql_mode(read, "no_backslash_escapes");
    CHECK((!read.ansi_quotes && read.no_backslash_escapes));
    set_sql_mode(read, "");
    CHECK(read == mysql_modes{});
    CHECK(packed(ansi) != packed(standard));
}

TEST_CASE("characters whose second byte is a backslash or a quote's") {
    // 0x8f5c and 0x955c are one character in gbk and sjis.
    CHECK(shape_of("SELECT '\x95\x5c', 1", with(mysql_charset::gbk)) == "SELECT $s, $i");
    CHECK(shape_of("SELECT '\x95\x5c', 1", with(mysql_charset::sjis)) == "SELECT $s, $i");
    CHECK(shape_of("SELECT '\xa4\x5c', 1", with(mysql_charset::big5)) == "SELECT $s, $i");
    CHECK(shape_of("SELECT '\x81\x30\x81\x30', 1", with(mysql_charset::gb18030)) == "SELECT $s, $i");
    CHECK(shape_of("SELECT '\x95\x5c', 1").ends_with("(incomplete)"));
    CHECK(shape_of("SELECT `\x95\x60`, 1", with(mysql_charset::gbk)) == "SELECT `\x95\x60`, $i");
    CHECK(shape_of("SELECT \x95\x5c, 1", with(mysql_charset::cp932)) == "SELECT \x95\x5c, $i");
    CHECK(shape_of("SELECT '\\\x95', 1", with(mysql_charset::gbk)) == "SELECT $s, $i");
    CHECK(values_of("SELECT '\x95\x5cn\\n'", with(mysql_charset::gbk)) == "\x95\x5cn\n|");
    CHECK(mysql_charset_of("GB18030") == mysql_charset::gb18030);
    CHECK(mysql_charset_of("utf8mb4") == mysql_charset::plain);
}

TEST_CASE("values of literals") {
    CHECK(values_of("SELECT 'it''s', \"a\"\"b\", 'a\"b', 'a\\'b', 'n\\n\\t\\0\\Z\\b\\r\\\\\\%\\_\\q'") ==
          "it's|a\"b|a\"b|a'b|n\n\t\0\x1a\b\r\\\\%\\_q|"sv);
    CHECK(values_of("SELECT x'4142', 0x4142, 0x142, b'1000001', 0b01000001, b''") == "AB|AB|\x01\x42|A|A||");
    CHECK(values_of("SELECT N'x''y', 12, 1.50, 1e3") == "x'y|12|1.50|1e3|");
}

TEST_CASE("one cache serves both dialects, and tells modes apart") {
    shared_plans shared(100);
    plan_cache cache(shared);
    plan_context postgres, mysql, ansi;
    mysql.dialect = ansi.dialect = dialect::mysql;
    ansi.modes.ansi_quotes = true;
    const auto verb_of = [&](std::string_view text, const plan_context& context) {
        return cache.find(text, context).plan->parsed.statements.at(0).verb;
    };
    CHECK(verb_of("SELECT 1", postgres) == verb::select);
    CHECK(verb_of("SELECT 1", mysql) == verb::select);
    CHECK(verb_of("SHOW TABLES", mysql) == verb::show);
    CHECK(cache.find("SELECT * FROM t WHERE a = 5", mysql).plan->parsed.error.empty());
    const auto before = shared.counters().parses.load();
    const auto found = cache.find("SELECT * FROM t WHERE a = 77", mysql);
    CHECK(shared.counters().parses.load() == before);
    REQUIRE(found.shape.literals.size() == 1);
    CHECK(mysql_literal_value("SELECT * FROM t WHERE a = 77", found.shape.literals[0], {}) == "77");
    CHECK(cache.find("SELECT `a` FROM t", postgres).plan->parsed.error.empty() == false);
    CHECK(cache.find("SELECT `a` FROM t", mysql).plan->parsed.error.empty());
    const auto* quoted = "SELECT * FROM t WHERE a = \"x\"";
    CHECK(cache.find(quoted, mysql).plan->parsed.statements[0].block.tests.size() == 1);
    CHECK(cache.find(quoted, ansi).plan->parsed.statements[0].block.tests.empty());
}
