#include "protocol/mysql/compression.hpp"

#include <doctest/doctest.h>

#include <random>

#include "protocol/mysql/result.hpp"
#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;
using namespace ringway::tests;
using namespace std::literals;
using next = decompressor::next;

namespace {

/// Plain bytes of what comes in pieces and is taken with so much room at a time; nullopt: broken.
std::optional<std::string> opened(std::string_view wire, compression method, std::size_t piece, std::size_t room) {
    decompressor in(method);
    std::string out;
    for (std::size_t at = 0; at < wire.size(); at += piece) {
        auto bytes = wire.substr(at, piece);
        for (auto said = next::room; said == next::room;) {
            const auto before = out.size();
            const auto left = bytes.size();
            said = in.take(bytes, out, room);
            REQUIRE((said != next::room || out.size() > before || bytes.size() < left));
            REQUIRE(out.size() - before <= room);
            if (said == next::broken) return std::nullopt;
        }
        CHECK(bytes.empty());
    }
    CHECK(in.between_packets());
    return out;
}

std::string noise(std::size_t size) {
    std::minstd_rand random(1);
    std::string out;
    while (out.size() < size) out.push_back(static_cast<char>(random() >> 8));
    return out;
}

std::string packed(compression method, std::string_view plain, std::uint8_t sequence = 0) {
    compressor out(method);
    out.set_sequence(sequence);
    std::string wire;
    out.write(plain, wire);
    return wire;
}

constexpr compression methods[] = {compression::zlib, compression::zstd};

}  // namespace

TEST_CASE("what was compressed comes out again, however it comes") {
    std::string text;
    for (int i = 0; text.size() < 300'000; ++i) text += "row " + std::to_string(i) + ";";
    for (const auto method : methods) {
        CAPTURE(static_cast<int>(method));
        for (const auto& plain : {"\x01\0\0\0\x0e"s, std::string(49, 'x'), std::string(50, 'x'), noise(1000), text,
                                  std::string(3'000'000, '\0')}) {
            const auto wire = packed(method, plain);
            if (plain.size() < 50) CHECK(wire.size() == compressed_header_size + plain.size());
            if (plain == text) CHECK(wire.size() < plain.size() / 2);
            CHECK(opened(wire, method, 1 << 20, 1 << 24) == plain);
            CHECK(opened(wire, method, 1000, 1 << 20) == plain);
            CHECK(opened(wire, method, 1 << 20, 999) == plain);
            if (wire.size() < 10'000) CHECK(opened(wire, method, 1, 1 << 20) == plain);
        }
    }
}

TEST_CASE("a frame of an older zstd is none, whole or in pieces") {
    // Found by the fuzzer: the library reads frames of its version 0.7 too, and tells their faults later when they come
    // in pieces.
    const auto wire = "\x00\x28\x58\x02\x07\x00\xfc\x27\xb5\x2f\xfd\x03\x00\x18"sv;
    CHECK_FALSE(opened(wire, compression::zstd, wire.size(), 1 << 22));
    CHECK_FALSE(opened(wire, compression::zstd, 1, 1000));
    auto skippable = "\x09\0\0\0\x01\0\0\x50\x2a\x4d\x18\1\0\0\0x"sv;
    CHECK_FALSE(opened(skippable, compression::zstd, skippable.size(), 1000));
    CHECK_FALSE(opened(skippable, compression::zstd, 1, 1000));
}

TEST_CASE("a packet's header says both lengths") {
    CHECK(packed(compression::zlib, "\x01\0\0\0\x0e"sv, 7) == "\5\0\0\x07\0\0\0\x01\0\0\0\x0e"sv);
    const auto wire = packed(compression::zlib, std::string(100, 'x'), 255);
    CHECK(load_little(std::string_view(wire).substr(0, 3)) == wire.size() - compressed_header_size);
    CHECK(static_cast<unsigned char>(wire[3]) == 255);
    CHECK(load_little(std::string_view(wire).substr(4, 3)) == 100);
    decompressor in(compression::zlib);
    std::string plain;
    std::string_view rest = wire;
    CHECK(in.take(rest, plain, 1000) == next::input);
    CHECK(in.next_sequence() == 0);
}

TEST_CASE("a packet that lies about its lengths is refused") {
    for (const auto method : methods) {
        CAPTURE(static_cast<int>(method));
        const auto wire = packed(method, std::string(1000, 'x'));
        for (const int difference : {-1, 1, -900, 5000}) {
            CAPTURE(difference);
            auto wrong = wire;
            const auto said = static_cast<std::uint32_t>(1000 + difference);
            for (unsigned i = 0; i < 3; ++i) wrong[4 + i] = static_cast<char>(said >> (8 * i) & 0xff);
            CHECK(!opened(wrong, method, 1 << 20, 1 << 20));
            CHECK(!opened(wrong, method, 3, 1 << 20));
        }
        auto longer = wire + "x";
        ++longer[0];
        CHECK(!opened(longer, method, 1 << 20, 1 << 20));
        auto shorter = wire.substr(0, wire.size() - 1);
        --shorter[0];
        CHECK(!opened(shorter, method, 1 << 20, 1 << 20));
        auto garbage = wire;
        garbage[compressed_header_size] = 'g';
        garbage[compressed_header_size + 1] = 'g';
        CHECK(!opened(garbage, method, 1 << 20, 1 << 20));
        CHECK(!opened("\0\0\0\0\5\0\0"sv, method, 1 << 20, 1 << 20));
    }
}

TEST_CASE("real clients and servers with zlib") {
    for (const auto name : {"mariadb-10.11-zlib", "mysql-5.6-zlib"}) {
        CAPTURE(name);
        const auto session = read_golden(name);
        bool found = false;
        for (std::size_t i = 2; i < session.exchanges.size(); ++i) {
            const auto& exchange = session.exchanges[i];
            const auto sent = opened(exchange.client, compression::zlib, 5, 1 << 20);
            REQUIRE(sent);
            if (messages_of(*sent).at(0) != "\x03SELECT REPEAT('compressible ', 20000)") continue;
            found = true;
            const auto answer = opened(exchange.server, compression::zlib, 100, 1 << 20);
            REQUIRE(answer);
            const auto messages = messages_of(*answer);
            REQUIRE(messages.size() == 5);
            std::vector<text_value> row;
            REQUIRE(read_text_row(messages[3], 1, row));
            CHECK(row[0]->size() == 13 * 20000);
        }
        CHECK(found);
    }
}
