// Rows of COPY data, and what stands in them. tests/e2e/test_sharding_copy.py asks servers about the same.

#include <doctest/doctest.h>

#include "router/copy_rows.hpp"

using namespace ringway::router;
using format = copy_form::format;

namespace {

copy_form csv() {
    copy_form out;
    out.what = format::csv;
    out.delimiter = ',';
    out.null.clear();
    return out;
}

copy_form binary() {
    copy_form out;
    out.what = format::binary;
    return out;
}

std::string shown(const copy_rows::field& of) {
    switch (of.state) {
        case copy_rows::field_state::value:
            return std::string(of.text);
        case copy_rows::field_state::null:
            return "<null>";
        case copy_rows::field_state::missing:
            return "<missing>";
        case copy_rows::field_state::uncertain:
            return "<default>";
    }
    return {};
}

/// Each item with its bytes and, of a row, the fields that were wished for.
std::vector<std::string> read(copy_form form, std::string_view data, std::size_t step = 1 << 20,
                              std::vector<copy_wish> wishes = {{0}}) {
    std::vector<std::string> out;
    copy_rows rows(std::move(form), wishes);
    const auto note = [&](copy_item what, std::string_view raw) {
        static constexpr std::string_view names[] = {"more", "header", "row", "bad", "end"};
        auto line = std::string(names[static_cast<std::size_t>(what)]) + " " + std::string(raw);
        if (what == copy_item::row)
            for (std::size_t i = 0; i < wishes.size(); ++i) line += " [" + shown(rows.at(i)) + "]";
        out.push_back(std::move(line));
    };
    std::string_view raw;
    for (std::size_t at = 0; at < data.size(); at += step) {
        const std::string piece(data.substr(at, step));  // gone after the feed, as a socket's buffer
        rows.feed(piece);
        for (auto what = rows.next(raw); what != copy_item::more; what = rows.next(raw)) note(what, raw);
    }
    for (auto what = rows.finish(raw); what != copy_item::more; what = rows.finish(raw)) note(what, raw);
    return out;
}

using lines = std::vector<std::string>;

/// The same whatever the pieces the data comes in.
lines steady(const copy_form& form, std::string_view data, std::vector<copy_wish> wishes = {{0}}) {
    const auto whole = read(form, data, 1 << 20, wishes);
    for (const std::size_t step : {1U, 2U, 3U, 5U, 7U, 16U}) CHECK(read(form, data, step, wishes) == whole);
    return whole;
}

std::string number(std::uint32_t value, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}

}  // namespace

TEST_CASE("lines of text end at newlines") {
    CHECK(steady({}, "1\ta\n2\tb\n") == lines{"row 1\ta\n [1]", "row 2\tb\n [2]"});
    CHECK(steady({}, "1\ta\n2\tb") == lines{"row 1\ta\n [1]", "row 2\tb [2]"});
    CHECK(steady({}, "1\ta\r\n2\tb\r\n") == lines{"row 1\ta\r\n [1]", "row 2\tb\r\n [2]"});
    CHECK(steady({}, "1\ta\r2\tb\r") == lines{"row 1\ta\r [1]", "row 2\tb\r [2]"});
    CHECK(steady({}, "\n\n") == lines{"row \n []", "row \n []"});
    CHECK(steady({}, "") == lines{});
}

TEST_CASE("a backslash hides what follows") {
    CHECK(steady({}, "1\\\t2\tx\n3\t\\N\n") == lines{"row 1\\\t2\tx\n [1\t2]", "row 3\t\\N\n [3]"});
    CHECK(steady({}, "x\n1\\\n2\tx\n") == lines{"row x\n [x]", "row 1\\\n2\tx\n [1\n2]"});
    CHECK(steady({}, "\\N\tx\n\\\\N\tx\n") == lines{"row \\N\tx\n [<null>]", "row \\\\N\tx\n [\\N]"});
    CHECK(steady({}, "\\x41\\102\\b\\t\\q\\x\n") == lines{"row \\x41\\102\\b\\t\\q\\x\n [AB\b\tqx]"});
    CHECK(steady({}, "1\\") == lines{"row 1\\ [1\\]"});
}

TEST_CASE("the end marker ends text, alone in its line") {
    CHECK(steady({}, "1\n\\.\n2\n") == lines{"row 1\n [1]", "end \\.\n"});
    CHECK(steady({}, "\\.\n") == lines{"end \\.\n"});
    CHECK(steady({}, "1\r\n\\.\r\nx") == lines{"row 1\r\n [1]", "end \\.\r\n"});
    CHECK(read({}, "1\n\\.x\n").back().starts_with("bad "));
    CHECK(read({}, "1\r\n\\.\n").back().starts_with("bad "));
    CHECK(read({}, "1\n\\.").back().starts_with("bad "));
}

TEST_CASE("another end of line than the first is bad") {
    CHECK(read({}, "1\n2\r\n").back() == "bad 2\r\n");
    CHECK(read({}, "1\r\n2\n").back().starts_with("bad 2\n"));
    CHECK(read({}, "1\r2\n").back().starts_with("bad 2\n"));
    CHECK(read(csv(), "1\n2\r\n").back() == "bad 2\r\n");
    CHECK(steady(csv(), "1\n\"2\r\n\"\n") == lines{"row 1\n [1]", "row \"2\r\n\"\n [2\r\n]"});
}

TEST_CASE("quotes of csv hide newlines and delimiters") {
    CHECK(steady(csv(), "1,\"a\nb\"\n2,x\n") == lines{"row 1,\"a\nb\"\n [1]", "row 2,x\n [2]"});
    CHECK(steady(csv(), "x\n\"1,\"\"2\nb\",c\n") == lines{"row x\n [x]", "row \"1,\"\"2\nb\",c\n [1,\"2\nb]"});
    CHECK(steady(csv(), "a\"b\"c,1\n") == lines{"row a\"b\"c,1\n [abc]"});
    CHECK(steady(csv(), ",1\n\"\",1\n") == lines{"row ,1\n [<null>]", "row \"\",1\n []"});
    CHECK(steady(csv(), "1,\\.\n\\.\n3\n") == lines{"row 1,\\.\n [1]", "end \\.\n"});
    CHECK(steady(csv(), "\\.x\n") == lines{"row \\.x\n [\\.x]"});
    CHECK(read(csv(), "\"1\n2\n").back() == "row \"1\n2\n [<missing>]");
    auto newer = csv();
    newer.end_marker_in_csv = false;
    CHECK(steady(newer, "\\.\n3\n") == lines{"row \\.\n [\\.]", "row 3\n [3]"});
}

TEST_CASE("csv may escape by another character") {
    auto form = csv();
    form.escape = '\\';
    CHECK(steady(form, "\"a\\\"\n,b\\\\\",1\n2,3\n") ==
          lines{"row \"a\\\"\n,b\\\\\",1\n [a\"\n,b\\]", "row 2,3\n [2]"});
    form.quote = '\'';
    form.delimiter = ';';
    CHECK(steady(form, "'1;\\''\n") == lines{"row '1;\\''\n [1;']"});
}

TEST_CASE("a header is no row") {
    auto form = csv();
    form.header = true;
    CHECK(steady(form, "\"i\nd\",x\n1,2\n") == lines{"header \"i\nd\",x\n", "row 1,2\n [1]"});
}

TEST_CASE("FORCE_NOT_NULL and FORCE_NULL, and other markers") {
    CHECK(steady(csv(), ",1\n", {{0, true, false}}) == lines{"row ,1\n []"});
    CHECK(steady(csv(), "\"\",1\n", {{0, false, true}}) == lines{"row \"\",1\n [<null>]"});
    auto form = csv();
    form.null = "nix";
    form.has_default = true;
    form.default_marker = "dflt";
    CHECK(steady(form, "nix,\n\"nix\",\ndflt,\n") ==
          lines{"row nix,\n [<null>]", "row \"nix\",\n [nix]", "row dflt,\n [<default>]"});
}

TEST_CASE("several columns are found, and missing ones told") {
    const std::vector<copy_wish> wishes{{1}, {3}};
    CHECK(steady({}, "a\tb\tc\td\te\n", wishes) == lines{"row a\tb\tc\td\te\n [b] [d]"});
    CHECK(steady({}, "a\tb\tc\n", wishes) == lines{"row a\tb\tc\n [b] [<missing>]"});
    CHECK(steady(csv(), "a,b,\"c,\",d\n", wishes) == lines{"row a,b,\"c,\",d\n [b] [d]"});
    CHECK(steady(csv(), "a\n", wishes) == lines{"row a\n [<missing>] [<missing>]"});
}

TEST_CASE("binary tuples are cut by their lengths") {
    const std::string head("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    const auto row = [](std::string_view a, std::string_view b) {
        return number(2, 2) + number(static_cast<std::uint32_t>(a.size()), 4) + std::string(a) +
               number(static_cast<std::uint32_t>(b.size()), 4) + std::string(b);
    };
    const auto null = number(2, 2) + number(0xffffffff, 4) + number(0xffffffff, 4);
    const auto end = number(0xffff, 2);
    const std::vector<copy_wish> second{{1}};
    CHECK(steady(binary(), head + row("a", "b\n") + row("", "") + null + end, second) ==
          lines{"header " + head, "row " + row("a", "b\n") + " [b\n]", "row " + row("", "") + " []",
                "row " + null + " [<null>]", "end " + end});
    CHECK(steady(binary(), head + row("a", "b"), second).back() == "row " + row("a", "b") + " [b]");
    CHECK(read(binary(), head + row("a", "b").substr(0, 9), 1 << 20, second).back().starts_with("bad "));
    CHECK(read(binary(), head + end + "x").back() == "bad x");
    CHECK(read(binary(), "PGCOPX").back().starts_with("bad "));
    CHECK(read(binary(), head + number(1, 2) + number(0x80000000, 4)).back().starts_with("bad "));
    CHECK(steady(binary(), head + number(1, 2) + number(0, 4), second).back().ends_with(" [<missing>]"));
}

TEST_CASE("only the row that is not whole is kept") {
    copy_rows rows({}, {{0}});
    std::string_view raw;
    rows.feed("1\n2\n345");
    while (rows.next(raw) != copy_item::more) {
    }
    CHECK(rows.kept() == 3);
    rows.feed("\n");
    CHECK(rows.next(raw) == copy_item::row);
    CHECK(raw == "345\n");
    CHECK(rows.next(raw) == copy_item::more);
    CHECK(rows.kept() == 0);
}
