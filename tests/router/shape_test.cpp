#include "router/shape.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ringway::router;

namespace {

std::string normalized(std::string_view text, bool standard_strings = true) {
    shape_lexer lexer;
    return std::string(lexer.scan(text, standard_strings).normalized);
}

bool complete(std::string_view text, bool standard_strings = true) {
    shape_lexer lexer;
    return lexer.scan(text, standard_strings).complete;
}

std::vector<std::string> sources(std::string_view text, bool standard_strings = true) {
    shape_lexer lexer;
    std::vector<std::string> all;
    for (const auto& one : lexer.scan(text, standard_strings).literals)
        all.emplace_back(text.substr(one.offset, one.length));
    return all;
}

using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("shape: literals become marks of their kind, words are folded, blanks and comments are one space") {
    CHECK(normalized("SELECT  abalance\n FROM pgbench_accounts /* c */ WHERE aid = 12345 -- end") ==
          "select abalance from pgbench_accounts where aid = $i");
    CHECK(normalized("a=1.5, 'x', E'x', $$x$$, B'1', X'f', U&'x', 99999999999") == "a=$d, $s, $e, $q, $b, $b, $u, $d");
    CHECK(normalized("  \t\n x  ") == "x");
    CHECK(normalized("") == "");
    CHECK(normalized("\"Keeps  It's \"\"Case\"\"\"") == "\"Keeps  It's \"\"Case\"\"\"");
    CHECK(normalized("ÄBC Ä") == "Äbc Ä");
}

TEST_CASE("shape: a mark never melts with its neighbours") {
    CHECK(normalized("date'x'") == "date $s");
    CHECK(normalized("a$s") == "a$s");  // one word
    CHECK(normalized("a.5") == "a $d");
    CHECK(normalized("1a") == "$ia");    // an error on the server ...
    CHECK(normalized("1 a") == "$i a");  // ... and an alias
    CHECK(normalized("'x'a") == "$sa");
    CHECK(normalized("$1 'x' $1'x'") == "$1 $s $1$s");
    CHECK_FALSE(complete("$s"));  // the one way to write a mark
    CHECK_FALSE(complete("select $ i"));
}

TEST_CASE("shape: parameters are no literals, numbers inside words neither") {
    CHECK(sources("$1 $22::int a1 _2 t3.c4 1 a$5") == strings{"1"});
    CHECK(sources("1..2 .5 1.e5 5. 1.5.3") == strings{"1", "2", ".5", "1.e5", "5.", "1.5", ".3"});
}

TEST_CASE("shape: integers that fit int4 differ from larger numbers, as in the server's grammar") {
    shape_lexer lexer;
    CHECK(lexer.scan("2147483647").literals[0].kind == literal_kind::integer);
    CHECK(lexer.scan("2147483648").literals[0].kind == literal_kind::decimal);
    CHECK(lexer.scan("0002147483647").literals[0].kind == literal_kind::integer);
    CHECK(lexer.scan("3000000000").literals[0].kind == literal_kind::decimal);
    CHECK(lexer.scan("0").literals[0].kind == literal_kind::integer);
}

TEST_CASE("shape: strings go on after a newline only") {
    CHECK(sources("'a'\n'b' 'c'") == strings{"'a'\n'b'", "'c'"});
    CHECK(sources("'a' -- note\n  -- another\n 'b'") == strings{"'a' -- note\n  -- another\n 'b'"});
    CHECK(sources("'a' /* no */\n'b'") == strings{"'a'", "'b'"});
    CHECK(sources("E'a'\n'b\\'c'") == strings{"E'a'\n'b\\'c'"});
    CHECK(sources("B'1''0'") == strings{"B'1'", "'0'"});
    CHECK(sources("$$a$$\n'b'") == strings{"$$a$$", "'b'"});
}

TEST_CASE("shape: standard_conforming_strings decides what a backslash does in plain strings") {
    CHECK(sources(R"('a\' , 'b')") == strings{R"('a\')", "'b'"});
    CHECK(sources(R"('a\' , 'b')", false) == strings{R"('a\' , ')"});
    CHECK_FALSE(complete(R"('a\' , 'b')", false));
    CHECK(sources(R"('a\'b')", false) == strings{R"('a\'b')"});
    CHECK(sources(R"(E'a\'b')", true) == strings{R"(E'a\'b')"});
}

TEST_CASE("shape: dollar quotes end at their own tag") {
    CHECK(sources("$a$x$b$y$A$z$a$ $$q$$") == strings{"$a$x$b$y$A$z$a$", "$$q$$"});
    CHECK(sources("$a$$a$$a$") == strings{"$a$$a$"});
    CHECK(sources("x$a$ 1") == strings{"1"});
    CHECK_FALSE(complete("$a$ $b$"));
    CHECK_FALSE(complete("$a$ $a"));
}

TEST_CASE("shape: routing hints are kept, other comments are not") {
    CHECK(normalized("/* ringway:  role=primary\n */SELECT 1") == "/*ringway: role=primary*/ select $i");
    CHECK(normalized("/*ringway: role=primary*/ select 2") == "/*ringway: role=primary*/ select $i");
    CHECK(normalized("select/*ringway: shard=S1*/1") == "select/*ringway: shard=S1*/ $i");
    CHECK(normalized("/* note ringway: x */ select 1") == "select $i");
    CHECK(normalized("-- ringway: role=primary\nselect 1") == "select $i");
    CHECK(normalized("/**/ /*/ */ select 1") == "select $i");
    CHECK(normalized("1 +-- x\n2") == "$i + $i");
    CHECK(normalized("a*/**/b - -c") == "a* b - -c");
}

TEST_CASE("shape: unterminated texts are not complete") {
    for (const auto* text : {"'a", "E'a\\'", "E'\\", "\"a", "\"a\"\"", "/* /* */", "$$ a", "$x$ a $y$", "'a'\n'b",
                             "B'0", "X'", "U&'a", "U&\"a", "$", "a $ b"})
        CHECK_MESSAGE(!complete(text), text);
    for (const auto* text : {"", "'a'", "\"a\"", "/* /* */ */", "$$ a$$", "--", "-- '", "a$"})
        CHECK_MESSAGE(complete(text), text);
}

TEST_CASE("shape: a text ends for the server at a zero byte, so it is not cached") {
    using namespace std::string_view_literals;
    CHECK_FALSE(complete("select 1\0, 2"sv));
    CHECK(sources("select 1\0, 2"sv) == strings{"1"});
}

TEST_CASE("shape: the escape character of a unicode name is part of what the statement is") {
    CHECK_FALSE(complete(R"(select U&"a!0062" uescape '!')"));
    CHECK(complete(R"(select U&"a\0062")"));
    CHECK(complete(R"(select U&'a!0062' uescape '!')"));  // only a value
}

TEST_CASE("shape: hashes follow the normalized text; a lexer's buffers shrink and grow") {
    shape_lexer lexer;
    const auto small = lexer.scan("select 1").hash;
    std::string large = "select 'x'";
    while (large.size() < 2'000'000) large += ", 1, 'y'";
    CHECK(lexer.scan(large).literals.size() > 400'000);
    CHECK(lexer.scan("SELECT  2").hash == small);
    CHECK(lexer.scan("SELECT  2.0").hash != small);
}

TEST_CASE("shape: every prefix of a text scans without reading past its end") {
    const std::string text =
        "SELECT E'a\\'b', $t$x$t$, U&'\\0061', \"q\"\"\", 1.5e-3, $1 /* /* */ */ -- x\n, 'a'\n'b', .5..6";
    shape_lexer lexer;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const std::vector<char> exact(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));  // for ASan
        const auto found = lexer.scan({exact.data(), exact.size()});
        for (const auto& one : found.literals) CHECK(one.offset + one.length <= size);
    }
}
