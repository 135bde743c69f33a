#include "protocol/postgres/frame.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace ringway::protocol::postgres;
using namespace std::string_view_literals;

namespace {
std::string header_bytes(char type, std::uint32_t length) {
    std::string out(1, type);
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>((length >> shift) & 0xff));
    return out;
}
}  // namespace

TEST_CASE("a header is incomplete until its fifth byte") {
    const std::string whole = header_bytes('Q', 9) + "SELE";
    frame_header header;
    for (std::size_t n = 0; n < header_size; ++n)
        CHECK(read_header(std::string_view(whole).substr(0, n), header) == header_state::incomplete);
    for (std::size_t n = header_size; n <= whole.size(); ++n) {
        CHECK(read_header(std::string_view(whole).substr(0, n), header) == header_state::ready);
        CHECK(header.type == 'Q');
        CHECK(header.length == 9);
        CHECK(header.body() == 5);
        CHECK(header.total() == 10);
    }
}

TEST_CASE("P19: absurd frame lengths are malformed, not memory") {
    frame_header header;
    for (const std::uint32_t length : {0u, 1u, 3u, max_body + 5, 0x40000004u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
        CAPTURE(length);
        CHECK(read_header(header_bytes('p', length), header) == header_state::malformed);
    }
    for (const std::uint32_t length : {4u, 5u, max_body + 4}) {
        CAPTURE(length);
        CHECK(read_header(header_bytes('p', length), header) == header_state::ready);
    }
}

TEST_CASE("a reader gives the fields in order and in network byte order") {
    reader in(
        "\xfe\x80\x01\x7f\xff\xff\xff"
        "name\0rest"sv);
    CHECK(in.u8() == 0xfe);
    CHECK(in.i16() == std::int16_t{-32767});
    CHECK(in.i32() == std::numeric_limits<std::int32_t>::max());
    CHECK(in.text() == "name");
    CHECK(in.bytes(0).empty());
    CHECK_FALSE(in.at_end());
    CHECK(in.bytes(4) == "rest");
    CHECK(in.at_end());
    CHECK(in.ok());
}

TEST_CASE("a reader that passed the end stays failed and gives empty values") {
    const auto u8 = [](reader& in) { in.u8(); };
    const auto i16 = [](reader& in) { in.i16(); };
    const auto i32 = [](reader& in) { in.i32(); };
    const auto text = [](reader& in) { in.text(); };
    const auto bytes = [](reader& in) { in.bytes(std::numeric_limits<std::size_t>::max()); };
    const auto check = [](std::string_view body, auto&& take) {
        reader in(body);
        take(in);
        CHECK_FALSE(in.ok());
        CHECK(in.at_end());
        CHECK(in.u8() == 0);
        CHECK(in.i16() == 0);
        CHECK(in.i32() == 0);
        CHECK(in.text().empty());
        CHECK(in.bytes(1).empty());
        CHECK_FALSE(in.ok());
    };
    check("", u8);
    check("a", i16);
    check("abc", i32);
    check("no zero byte", text);
    check("abc", bytes);
}

TEST_CASE("a writer appends frames whose lengths are right") {
    std::string out = "before";
    writer(out, 'X');
    writer(out, 'd').u8(255).i16(-2).i32(-3).text("t").bytes("b\0b"sv);
    CHECK(out ==
          "before"
          "X\0\0\0\x04"
          "d\0\0\0\x10\xff\xff\xfe\xff\xff\xff\xfdt\0b\0b"sv);
}

TEST_CASE("a packet without a type byte counts all its bytes") {
    std::string out = "x";
    writer(out).i32(0x12345678);
    CHECK(out == "x\0\0\0\x08\x12\x34\x56\x78"sv);
}

TEST_CASE("the length is final at end(), whatever is appended later") {
    std::string out;
    {
        writer frame(out, 'Z');
        frame.u8('I');
        frame.end();
        out += "next";
    }
    CHECK(out == "Z\0\0\0\x05Inext"sv);
}
