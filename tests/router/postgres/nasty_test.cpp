// Inputs made to break the reader: deep, long, broken, random. Nothing may crash, hang or be taken for harmless.

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../plans.hpp"
#include "../sql_corpus.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"

namespace {

using namespace ringway::router;

std::string repeated(std::string_view what, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += what;
    return out;
}

/// Read or not, it must not count as a harmless read when it was not read.
void check_safe(const std::string& text) {
    const auto parsed = parse_postgres(text);
    if (!parsed.too_deep && parsed.error.empty()) return;
    REQUIRE(parsed.statements.size() == 1);
    CHECK_FALSE(parsed.cacheable);
    CHECK(world::plan_app(text).made->need == need::primary);
    CHECK(world::plan_shop(text).made->placement == placement::refused);
}

}  // namespace

TEST_CASE("deep texts are read, or known not to have been read") {
    for (const std::size_t depth : {100u, 3000u, 30'000u}) {
        CAPTURE(depth);
        check_safe("SELECT 1" + repeated("+1", depth));
        check_safe("SELECT 1" + repeated(" + -1::int", depth));
        check_safe("SELECT " + repeated("(", depth) + "1" + repeated(")", depth));
        check_safe("SELECT " + repeated("(SELECT ", depth) + "1" + repeated(")", depth));
        check_safe("SELECT " + repeated("f(", depth) + "1" + repeated(")", depth));
        check_safe("SELECT " + repeated("- ", depth) + "1");
        check_safe("SELECT " + repeated("NOT ", depth) + "true");
        check_safe("SELECT 1" + repeated(" UNION SELECT 1", depth));
        check_safe("SELECT 1 FROM a" + repeated(" JOIN a ON true", depth));
        check_safe("SELECT 1" + repeated("::int", depth));
        check_safe("SELECT " + repeated("CASE WHEN 1 = 1 THEN ", depth) + "1" + repeated(" END", depth));
        check_safe("SELECT a" + repeated("[1]", depth));
        check_safe("SELECT " + repeated("ARRAY[", depth) + "1" + repeated("]", depth));
        check_safe(repeated("/*", depth) + repeated("*/", depth) + "SELECT 1");
        check_safe(repeated("/*", depth) + "SELECT 1");
        check_safe("SELECT 1 /* " + repeated("/", depth) + "*/");
        check_safe("SELECT " + repeated("+", depth) + "1");
        check_safe("SELECT 1" + repeated("*", depth) + "+-1");
        check_safe("SELECT $" + repeated("a$", depth));
        check_safe("SELECT " + repeated("1.", depth));
        check_safe(repeated("EXPLAIN ", depth) + "SELECT 1");
        check_safe("SELECT 1 FROM " + repeated("(", depth) + "a" + repeated(" JOIN b ON true)", depth));
        check_safe("SELECT 1" + repeated(" || 'a'", depth) + " AT TIME ZONE 'x'");
    }
}

TEST_CASE("long but flat texts are read") {
    const auto is_read = [](const std::string& text) {
        const auto parsed = parse_postgres(text);
        INFO(text.substr(0, 60));
        CHECK(parsed.error == "");
        CHECK_FALSE(parsed.too_deep);
    };
    is_read("SELECT 1 FROM t WHERE a IN (0" + repeated(", 1", 20'000) + ")");
    is_read("INSERT INTO t VALUES (0, 'a')" + repeated(", (-1, 'b'::text)", 8'000));
    is_read("SELECT 1 FROM t WHERE a = 1" + repeated(" OR a = 2 AND b = 3", 10'000));
    is_read("SELECT CASE a" + repeated(" WHEN 1 THEN -2 + 3", 10'000) + " END FROM t");
    is_read("SELECT 1" + repeated("; SELECT 1 + 1", 10'000));
    is_read("SELECT 1, 2" + repeated(" UNION ALL SELECT 3, 4", 2'000));
}

TEST_CASE("broken texts are errors with a place") {
    const auto parsed = parse_postgres("SELECT 1 FORM t");
    CHECK(parsed.error == "syntax error at or near \"t\"");
    CHECK(parsed.error_position == 14);
    for (const char* text :
         {"SELECT 'open", "SELECT \"open", "SELECT $$open", "/* open", "SELECT (", "\xff\xfe", "SELECT E'\\",
          "SELECT 1;;;SELEC", "'", "$1 $2", "PREPARE", "EXECUTE", "SET", "EXPLAIN (", "U&\"", "SELECT U&'\\zzzz'"}) {
        INFO(text);
        CHECK(parse_postgres(text).error != "");
        check_safe(text);
    }
}

TEST_CASE("junk after a number is shown whole, as a server of the latest minor version shows it") {
    const auto error = [](const char* text) { return parse_postgres(text).error; };
    CHECK(error("SELECT 0x5") == "trailing junk after numeric literal at or near \"0x5\"");
    CHECK(error("SELECT '\xc3\xa4', 123abc_d + 1") == "trailing junk after numeric literal at or near \"123abc_d\"");
    CHECK(error("SELECT 1\xc3\xa4") == "trailing junk after numeric literal at or near \"1\xc3\xa4\"");
    CHECK(error("SELECT $1a") == "trailing junk after parameter at or near \"$1a\"");
}

TEST_CASE("texts cut at every byte, and with every byte changed, are survived") {
    std::mt19937 random(7);
    for (const auto text : ringway::test::data_statements()) {
        for (std::size_t cut = 0; cut <= text.size(); ++cut) check_safe(std::string(text.substr(0, cut)));
        for (std::size_t i = 0; i < text.size(); ++i) {
            std::string changed(text);
            changed[i] = "'\"$();-/*\\\n0a"[random() % 13];
            check_safe(changed);
        }
    }
}

TEST_CASE("parsing in several threads at once gives what one gives") {
    const auto expected = parse_postgres("SELECT a, -5 FROM t WHERE a = $1 AND b = 'x'");
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < wrong.size(); ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                const auto parsed = parse_postgres(i % 7 ? "SELECT a, -5 FROM t WHERE a = $1 AND b = 'x'" : "SELEC");
                wrong[t] += i % 7 ? parsed.statements[0].block.tests.size() != expected.statements[0].block.tests.size()
                                  : parsed.error.empty();
            }
        });
    for (auto& each : threads) each.join();
    for (const int each : wrong) CHECK(each == 0);
}
