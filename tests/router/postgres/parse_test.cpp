// What parse_postgres finds out about statements: places in the text, values by offset, hints, session commands.

#include <doctest/doctest.h>

#include <string>

#include "router/shape.hpp"
#include "router/statement.hpp"

namespace {

using namespace ringway::router;
using from = value_source::from;

const statement& only(const analysis& in) {
    REQUIRE(in.error == "");
    REQUIRE(in.statements.size() == 1);
    return in.statements.front();
}

std::string_view at(std::string_view text, span32 where) {
    return text.substr(where.offset, where.length);
}

/// The text of the literal a source points at, with its sign.
std::string literal_of(std::string_view text, const value_source& source) {
    shape_lexer lexer;
    const auto shape = lexer.scan(text);
    REQUIRE(source.what == from::literal);
    REQUIRE(source.index < shape.literals.size());
    return (source.negated ? "-" : "") + literal_value(text, shape.literals[source.index]);
}

std::string tested(std::string_view text) {
    const auto parsed = parse_postgres(text);
    const auto& tests = only(parsed).block.tests;
    REQUIRE(tests.size() == 1);
    REQUIRE(tests[0].values.size() == 1);
    return literal_of(text, tests[0].values[0]);
}

}  // namespace

TEST_CASE("values are found by their offsets, signs included") {
    CHECK(tested("SELECT 7 FROM t WHERE a = -5") == "-5");
    CHECK(tested("SELECT 7 FROM t WHERE a = - 5") == "-5");
    CHECK(tested("SELECT 7 FROM t WHERE a = - /* - */ -- -\n 5") == "-5");
    CHECK(tested("SELECT 7 FROM t WHERE a = -(-5)") == "5");
    CHECK(tested("SELECT 7 FROM t WHERE a = - - -(5)") == "-5");
    CHECK(tested("SELECT 7 FROM t WHERE a = -1.5e3") == "-1.5e3");
    CHECK(tested("SELECT 7 FROM t WHERE a = -9223372036854775808") == "-9223372036854775808");
    CHECK(tested("SELECT 7 FROM t WHERE a = +5") == "5");
    CHECK(tested("SELECT '\xc3\xa9' FROM t WHERE a = 5") == "5");
    CHECK(tested("SELECT $$a$$, E'\\'' FROM \"'\" WHERE a = 'it''s'") == "it's");
    CHECK(tested("SELECT 1 FROM t WHERE a = 'x'\n  'y'") == "xy");
    CHECK(tested("SELECT 1 FROM t WHERE a = E'\\x41'") == "A");
    CHECK(tested("SELECT 1 FROM t WHERE a = U&'\\0041'") == "A");
    CHECK(tested("SELECT 1 FROM t WHERE a = N'n'") == "n");
    CHECK(tested("SELECT 1 FROM t WHERE a = int '5'") == "5");
    CHECK(tested("SELECT 1 FROM t WHERE 2147483648 = a") == "2147483648");
}

TEST_CASE("what a literal means is not guessed when the text alone does not tell") {
    for (const char* text :
         {"SELECT 1 FROM t WHERE a = U&'!0041' UESCAPE '!'", "SELECT 1 FROM t WHERE a = 'x' COLLATE \"C\"",
          "SELECT 1 FROM t WHERE a = 5::numeric(3, 1)", "SELECT 1 FROM t WHERE a = 'x'::my.type",
          "SELECT 1 FROM t WHERE a = 5::text::int", "SELECT 1 FROM t WHERE a = -$1",
          "SELECT 1 FROM t WHERE a = 9223372036854775807 + 1"}) {
        INFO(text);
        CHECK(only(parse_postgres(text)).block.tests.empty());
    }
}

TEST_CASE("a text with standard_conforming_strings off is read as the server reads it") {
    const std::string text = R"(SELECT 'a\'b' FROM t WHERE a = 5 AND b = 'c\\')";
    const auto parsed = parse_postgres(text, false);
    const auto& block = only(parsed).block;
    REQUIRE(block.tests.size() == 2);
    shape_lexer lexer;
    const auto shape = lexer.scan(text, false);
    CHECK(literal_value(text, shape.literals[block.tests[0].values[0].index], false) == "5");
    CHECK(literal_value(text, shape.literals[block.tests[1].values[0].index], false) == "c\\");
}

TEST_CASE("folded sums and options with values are not cacheable, names in the text neither") {
    CHECK(parse_postgres("SELECT 1 FROM t WHERE a = 1").cacheable);
    CHECK(parse_postgres("SELECT 1 FROM t WHERE a = $1").cacheable);
    CHECK(parse_postgres("BEGIN").cacheable);
    CHECK(parse_postgres("LISTEN a").cacheable);
    CHECK(parse_postgres("SELECT set_config('a', 'b', false)").cacheable);
    CHECK(parse_postgres("DEALLOCATE ALL").cacheable);
    for (const char* text :
         {"SELECT 1 FROM t WHERE a = 1 + 1", "SET a = 1", "SET LOCAL a = 1", "PREPARE a AS SELECT 1", "EXECUTE a(1)",
          "DEALLOCATE a", "EXPLAIN (ANALYZE 0) SELECT 1", "SELECT 'open", "SELEC 1"}) {
        INFO(text);
        CHECK_FALSE(parse_postgres(text).cacheable);
    }
}

TEST_CASE("EXPLAIN runs its statement only when it analyzes") {
    CHECK(only(parse_postgres("EXPLAIN SELECT setseed(1)")).effects.empty());
    CHECK(only(parse_postgres("EXPLAIN (ANALYZE false) SELECT setseed(1)")).effects.empty());
    CHECK(only(parse_postgres("EXPLAIN (ANALYZE 0) SELECT setseed(1)")).effects.empty());
    CHECK(only(parse_postgres("EXPLAIN (ANALYZE, ROUTE) SELECT setseed(1)")).effects.empty());
    for (const char* text :
         {"EXPLAIN ANALYZE SELECT setseed(1)", "EXPLAIN (ANALYZE) SELECT setseed(1)",
          "EXPLAIN (ANALYZE on) SELECT setseed(1)", "EXPLAIN (VERBOSE, ANALYZE 'true') SELECT setseed(1)",
          "EXPLAIN (ANALYZE 1) SELECT setseed(1)"}) {
        INFO(text);
        CHECK(only(parse_postgres(text)).effects.size() == 1);
    }
    for (const char* off : {"off", "false", "0"})
        CHECK_FALSE(parse_postgres(std::string("EXPLAIN (ROUTE ") + off + ") SELECT 1").statements.at(0).explain_route);
    CHECK(parse_postgres("EXPLAIN (ROUTE on) SELECT 1").statements.at(0).explain_route);
    const auto route = parse_postgres("EXPLAIN (ROUTE) SELECT 1");
    CHECK(only(route).explain_route);
    CHECK(only(route).verb == verb::select);
    CHECK_FALSE(only(parse_postgres("EXPLAIN (VERBOSE) SELECT 1")).explain_route);
}

TEST_CASE("statements know their bytes") {
    const std::string_view text = "  /* a;b */ BEGIN ; -- c\n SELECT ';' , \";\" ;;COMMIT/* d */;  ";
    const auto parsed = parse_postgres(text);
    REQUIRE(parsed.statements.size() == 3);
    CHECK(at(text, parsed.statements[0].where) == "BEGIN");
    CHECK(at(text, parsed.statements[1].where) == "SELECT ';' , \";\"");
    CHECK(at(text, parsed.statements[2].where) == "COMMIT");
    const std::string_view one = "\n select 1";
    CHECK(at(one, only(parse_postgres(one)).where) == "select 1");
    CHECK(parse_postgres("").statements.empty());
    CHECK(parse_postgres(" ; ;").statements.empty());
    CHECK(parse_postgres("-- nothing").statements.empty());
}

TEST_CASE("prepared statements' names and bodies are found in the text") {
    struct expectation {
        const char *text, *name, *as_written, *body;
    };
    for (const auto& each :
         {expectation{"PREPARE a AS SELECT 1", "a", "a", "SELECT 1"},
          expectation{"/* prepare x */ prepare  A (int, numeric(3, 1))as\n select $1 ; ", "a", "A", "select $1"},
          expectation{"PREPARE \"as\"\"x\" AS SELECT 'as' AS as", "as\"x", "\"as\"\"x\"", "SELECT 'as' AS as"},
          expectation{"PREPARE prepare AS SELECT 1", "prepare", "prepare", "SELECT 1"},
          expectation{"PREPARE U&\"\\0061\" AS SELECT 1", "a", "U&\"\\0061\"", "SELECT 1"}}) {
        INFO(each.text);
        const auto parsed = parse_postgres(each.text);
        REQUIRE(only(parsed).effects.size() == 1);
        const auto& effect = only(parsed).effects[0];
        CHECK(effect.what == effect::kind::prepare);
        CHECK(effect.name == each.name);
        CHECK(at(each.text, effect.name_span) == each.as_written);
        CHECK(at(each.text, effect.body) == each.body);
    }
    for (const auto& each :
         {expectation{"EXECUTE a (1)", "a", "a", ""},
          expectation{"EXPLAIN (COSTS off) EXECUTE \"execute\"", "execute", "\"execute\"", ""},
          expectation{"CREATE TABLE execute AS EXECUTE B", "b", "B", ""}, expectation{"DEALLOCATE a", "a", "a", ""},
          expectation{"DEALLOCATE PREPARE a", "a", "a", ""},
          expectation{"DEALLOCATE prepare", "prepare", "prepare", ""}}) {
        INFO(each.text);
        const auto parsed = parse_postgres(each.text);
        const auto& effect = only(parsed).effects.at(0);
        CHECK(effect.name == each.name);
        CHECK(at(each.text, effect.name_span) == each.as_written);
    }
}

TEST_CASE("several prepared statements in one text are told apart") {
    const std::string_view text = "EXECUTE a; EXECUTE b; DEALLOCATE c";
    const auto parsed = parse_postgres(text);
    REQUIRE(parsed.statements.size() == 3);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(at(text, parsed.statements[i].effects.at(0).name_span) == std::string(1, "abc"[i]));
}

TEST_CASE("the text after TO or = is told") {
    const std::string_view text = "SET search_path TO a, 'b' ; ";
    CHECK(at(text, only(parse_postgres(text)).effects.at(0).body) == "a, 'b'");
    const std::string_view number = "SET x.y = -5";
    CHECK(at(number, only(parse_postgres(number)).effects.at(0).body) == "-5");
}

TEST_CASE("parameters are counted wherever they stand") {
    CHECK(parse_postgres("SELECT 1").parameters == 0);
    CHECK(parse_postgres("SELECT $2, (SELECT $1 FROM t LIMIT $7)").parameters == 7);
    CHECK(parse_postgres("INSERT INTO t VALUES ($1) RETURNING $3").parameters == 3);
    CHECK(parse_postgres("CALL p($4)").parameters == 4);
}

TEST_CASE("hints stand in comments, nowhere else") {
    using wish = routing_hint::role_wish;
    const auto hint = [](std::string_view text) { return parse_postgres(text).hint; };
    CHECK(hint("/* ringway: role=primary */ SELECT 1").role == wish::primary);
    CHECK(hint("SELECT 1 /*ringway:role=replica*/").role == wish::replica);
    CHECK(hint("SELECT 1 /* Ringway: role=replica shard=s1 */").shard == "s1");
    CHECK(hint("SELECT 1 /* ringway: shard=s1,role=primary */").role == wish::primary);
    CHECK(hint("SELECT 1 /* ringway: role=both */").unknown == "role=both");
    CHECK(hint("SELECT 1 /* ringway: */").unknown != "");
    CHECK(hint("SELECT 1 /* ringway: shard= */").unknown == "shard=");
    for (const char* text : {"SELECT '/* ringway: role=primary */'", "SELECT $$/* ringway: role=primary */$$",
                             "SELECT 1 AS \"/* ringway: role=primary */\"", "SELECT 1 -- /* ringway: role=primary */",
                             "SELECT 1 /* not ringway: role=primary */", "SELECT E'\\'/* ringway: role=primary */'"}) {
        INFO(text);
        CHECK(hint(text).role == wish::none);
        CHECK(hint(text).unknown == "");
    }
}

TEST_CASE("a cursor that calls set_config may set anything, later") {
    const auto parsed = parse_postgres("DECLARE c CURSOR FOR SELECT set_config('a', 'b', false)");
    REQUIRE(only(parsed).effects.size() == 1);
    CHECK(only(parsed).effects[0].what == effect::kind::settings_unknown);
}

TEST_CASE("outer joins bind only their nullable side") {
    const auto parsed = parse_postgres("SELECT * FROM a LEFT JOIN b ON b.x = a.x AND b.y = 1 WHERE a.x = 2");
    const auto& block = only(parsed).block;
    REQUIRE(block.tables.size() == 1);
    CHECK(block.tables[0].name == "a");
    CHECK(block.tests.size() == 1);
    CHECK(block.equalities.empty());
    REQUIRE(block.children.size() == 1);
    CHECK(block.children[0].joined);
    CHECK(block.children[0].tables[0].name == "b");
    CHECK(block.children[0].tests.size() == 1);
    CHECK(block.children[0].equalities.size() == 1);
    const auto full = parse_postgres("SELECT * FROM a FULL JOIN b ON b.x = a.x AND b.y = 1");
    for (const auto& side : only(full).block.children) {
        CHECK(side.joined);
        CHECK(side.tests.empty());
        CHECK(side.equalities.empty());
    }
}

TEST_CASE("a name of a CTE is not a table, where it is in scope") {
    const auto parsed = parse_postgres("WITH t AS (SELECT * FROM t) SELECT * FROM t, public.t, (SELECT * FROM t) s");
    const auto& block = only(parsed).block;
    REQUIRE(block.tables.size() == 1);
    CHECK(block.tables[0].schema == "public");
    CHECK(block.derived == std::vector<std::string>{"t", "s"});
    REQUIRE(block.children.size() == 2);
    CHECK(block.children[0].tables.size() == 1);  // not recursive: the CTE's own t is the table
    CHECK(block.children[1].tables.empty());
    const auto recursive = parse_postgres("WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT 1");
    CHECK(only(recursive).block.children[0].children[1].tables.empty());
    const auto after = parse_postgres("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) s, t");
    CHECK(only(after).block.tables.size() == 1);
}
