#include "protocol/mysql/packet.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace ringway::protocol::mysql;
using namespace std::literals;

namespace {

std::string message(std::string_view payload, std::uint8_t sequence = 0) {
    std::string out;
    writer(out, sequence).bytes(payload);
    return out;
}

/// The messages of a stream that comes in pieces, joined.
std::vector<std::string> joined(std::string_view stream, std::size_t piece, packet_decoder& decoder) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        auto bytes = stream.substr(at, piece);
        while (const auto part = decoder.next(bytes)) {
            if (part->first) out.emplace_back();
            out.back().append(part->bytes);
        }
        CHECK((bytes.empty() || decoder.out_of_order()));
    }
    return out;
}

}  // namespace

TEST_CASE("a message is one packet") {
    CHECK(message("\x03SELECT 1") == "\x09\0\0\0\x03SELECT 1"sv);
    CHECK(message("", 7) == "\0\0\0\x07"sv);
    packet_header header;
    CHECK(!read_header("\x09\0\0"sv, header));
    CHECK(read_header("\x09\x01\x02\xff"sv, header));
    CHECK(header.length == 0x020109);
    CHECK(header.sequence == 255);
    CHECK(!header.continued());
}

TEST_CASE("a stream is cut into messages however it comes") {
    const auto stream = message("one") + message("") + message("three", 255) + message(std::string(300, 'x'), 4);
    for (const std::size_t piece : {1U, 2U, 3U, 4U, 5U, 7U, 1000U}) {
        CAPTURE(piece);
        packet_decoder decoder;
        const auto got = joined(stream, piece, decoder);
        CHECK(got == std::vector<std::string>{"one", "", "three", std::string(300, 'x')});
        CHECK(decoder.between_messages());
        CHECK(decoder.next_sequence() == 5);
    }
    packet_decoder decoder;
    auto bytes = std::string_view(stream).substr(0, 5);
    const auto part = decoder.next(bytes);
    REQUIRE(part);
    CHECK(part->bytes == "o");
    CHECK(part->first);
    CHECK(!part->last);
    CHECK(part->packet == 3);
    CHECK(!decoder.between_messages());
    CHECK(!decoder.next(bytes));
}

TEST_CASE("Y21: messages of about 2^24 bytes are split and joined") {
    for (const std::size_t size : {0xfffffeu, 0xffffffu, 0x1000000u, 2 * 0xffffffu, 2 * 0xffffffu + 1}) {
        CAPTURE(size);
        std::string payload(size, 'p');
        payload.front() = 'f';
        payload.back() = 'l';
        std::string stream;
        std::uint8_t sequence = 254;
        writer(stream, sequence).bytes(payload);
        CHECK(stream.size() == size + header_size * (size / max_payload + 1));
        CHECK(sequence == static_cast<std::uint8_t>(254 + size / max_payload + 1));
        packet_decoder decoder;
        const auto got = joined(stream + message("next"), 1 << 20, decoder);
        REQUIRE(got.size() == 2);
        CHECK(got[0] == payload);
        CHECK(got[1] == "next");
    }
}

TEST_CASE("Y27: a packet that continues a message has the next sequence number") {
    std::string stream;
    std::uint8_t sequence = 0;
    writer(stream, sequence).bytes(std::string(0x1000000, 'x'));
    stream[header_size + max_payload + 3] = 3;
    packet_decoder decoder;
    std::string_view bytes = stream;
    CHECK(decoder.next(bytes)->bytes.size() == max_payload);
    CHECK(!decoder.next(bytes));
    CHECK(decoder.out_of_order());
    CHECK(!decoder.next(bytes));
}

TEST_CASE("a message is gathered up to a bound") {
    using state = message_gatherer::state;
    message_gatherer gatherer(5);
    CHECK(gatherer.add({"whole", true, true, 0, 5}) == state::complete);
    CHECK(gatherer.message() == "whole");
    CHECK(gatherer.add({"wh", true, false, 0, 4}) == state::partial);
    CHECK(gatherer.add({"at", false, true, 0, 4}) == state::complete);
    CHECK(gatherer.message() == "what");
    CHECK(gatherer.add({"longer", true, true, 0, 6}) == state::too_long);
    CHECK(gatherer.add({"long", true, false, 0, 6}) == state::partial);
    CHECK(gatherer.add({"er", false, true, 0, 6}) == state::too_long);
}

TEST_CASE("length-encoded integers") {
    for (const std::uint64_t v :
         {0ull, 250ull, 251ull, 255ull, 0xffffull, 0x10000ull, 0xffffffull, 0x1000000ull, ~0ull}) {
        CAPTURE(v);
        std::string bytes;
        write_lenenc(bytes, v);
        CHECK(bytes.size() == lenenc_size(v));
        reader in(bytes);
        CHECK(in.lenenc() == v);
        CHECK(in.ok());
        CHECK(in.at_end());
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            reader cut(std::string_view(bytes).substr(0, n));
            CHECK(cut.lenenc() == 0);
            CHECK(!cut.ok());
        }
    }
    CHECK(lenenc_size(250) == 1);
    CHECK(lenenc_size(251) == 3);
    CHECK(lenenc_size(0x10000) == 4);
    CHECK(lenenc_size(0x1000000) == 9);
    for (const auto bytes : {"\xfb"sv, "\xff\1\2\3\4\5\6\7\x08"sv}) {
        reader in(bytes);
        in.lenenc();
        CHECK(!in.ok());
    }
}

TEST_CASE("fields are read within their payload") {
    reader in(
        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"
        "name\0\x03"
        "abc\xfb\x02"
        "deend"sv);
    CHECK(in.u8() == 1);
    CHECK(in.u16() == 0x0302);
    CHECK(in.u24() == 0x060504);
    CHECK(in.u32() == 0x0a090807);
    CHECK(in.text() == "name");
    CHECK(in.lenenc_value() == "abc");
    CHECK(!in.lenenc_value());
    CHECK(in.lenenc_text() == "de");
    CHECK(in.text_or_end() == "end");
    CHECK(in.ok());
    CHECK(in.at_end());
    CHECK(in.u64() == 0);
    CHECK(!in.ok());

    reader without_end("name");
    CHECK(without_end.text() == "");
    CHECK(!without_end.ok());
    reader huge(
        "\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
        "abc"sv);
    CHECK(huge.lenenc_text() == "");
    CHECK(!huge.ok());
    CHECK(huge.u8() == 0);
}
