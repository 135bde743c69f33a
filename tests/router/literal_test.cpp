#include <doctest/doctest.h>

#include <string>

#include "router/shape.hpp"

using namespace ringway::router;

namespace {

std::string value(std::string_view text, bool standard_strings = true) {
    shape_lexer lexer;
    const auto found = lexer.scan(text, standard_strings);
    REQUIRE(found.literals.size() >= 1);
    return literal_value(text, found.literals[0], standard_strings);
}

}  // namespace

TEST_CASE("literal: numbers and plain strings") {
    CHECK(value("12345") == "12345");
    CHECK(value(".5e3") == ".5e3");
    CHECK(value("'abc'") == "abc");
    CHECK(value("''") == "");
    CHECK(value("''''") == "'");
    CHECK(value("'it''s'") == "it's");
    CHECK(value(R"('a\n')") == R"(a\n)");
    CHECK(value(R"('a\n\'''')", false) == "a\n''");
    CHECK(value("'a'  \n  -- c\n 'b''c'\n'd'") == "ab'cd");
}

TEST_CASE("literal: escape strings") {
    CHECK(value(R"(E'a\b\f\n\r\t\\\'\"z')") == "a\b\f\n\r\t\\'\"z");
    CHECK(value(R"(E'\101\60\x41\x4g\x')") == std::string("A0A\x04gx"));
    CHECK(value(R"(e'\u00e9\U0001F600\ud83d\ude00')") == "é😀😀");
    CHECK(value("E'a\\'b'\n'c\\nd'") == "a'bc\nd");
    CHECK(value(R"(E'it''s')") == "it's");
    CHECK(value(R"(E'plain')") == "plain");
}

TEST_CASE("literal: dollar quotes keep everything") {
    CHECK(value("$$it's \\n $x$ $$") == "it's \\n $x$ ");
    CHECK(value("$tag$a$$b$tag$") == "a$$b");
    CHECK(value("$$$$") == "");
}

TEST_CASE("literal: bit strings and unicode strings") {
    CHECK(value("B'0101'") == "0101");
    CHECK(value("x'1F'\n'ab'") == "1Fab");
    CHECK(value(R"(U&'d\0061t\+000061\\')") == "data\\");
    CHECK(value(R"(U&'d!0061t\' UESCAPE '!')") == "dat\\");
    CHECK(value("U&'d!0061t' /* c */ uescape\n'!'") == "dat");
    CHECK(value(R"(U&'\D83D\DE00\+01F600')") == "😀😀");
    CHECK(value("U&'it''s'\n'\\0041'") == "it'sA");
    CHECK(value("N'x'") == "x");
}

TEST_CASE("literal: a view needs no copy when nothing has to be undone") {
    const std::string text = "select 'a uuid of more than fifteen bytes', $$x$$";
    shape_lexer lexer;
    std::string scratch;
    for (const auto& one : lexer.scan(text).literals) {
        const auto view = literal_view(text, one, true, scratch);
        CHECK(view.data() >= text.data());
        CHECK(view.data() < text.data() + text.size());
    }
}
