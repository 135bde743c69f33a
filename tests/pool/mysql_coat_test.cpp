// Compression towards servers, from a server's side.
#include "pool/mysql_coat.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "protocol/mysql/compression.hpp"
#include "protocol/mysql/packet.hpp"

using namespace ringway;
namespace my = protocol::mysql;

namespace {

std::string packet(std::string_view payload, std::uint8_t sequence) {
    std::string out;
    my::writer(out, sequence).bytes(payload);
    return out;
}

/// A server that counts as they do: what it sends follows what it received.
struct server {
    explicit server(my::compression method) : in(method), out(method) {}
    std::string received(std::string_view wire) {
        std::string plain;
        while (!wire.empty()) {
            numbers.push_back(static_cast<std::uint8_t>(wire[3]));
            auto one = wire.substr(0, my::compressed_header_size + my::load_little(wire.substr(0, 3)));
            wire.remove_prefix(one.size());
            while (in.take(one, plain, 1 << 20) == my::decompressor::next::room) {
            }
        }
        out.set_sequence(in.next_sequence());
        return plain;
    }
    std::string sent(std::string_view plain) {
        std::string wire;
        out.write(plain, wire);
        return wire;
    }
    my::decompressor in;
    my::compressor out;
    std::vector<std::uint8_t> numbers{};  ///< of the packets received
};

std::string opened(pool::wire_coat& by, std::string_view wire) {
    std::string out;
    std::string_view plain;
    by.feed(wire);
    while (by.waiting()) {
        REQUIRE(by.next(plain));
        out += plain;
    }
    return out;
}

}  // namespace

TEST_CASE("commands count from 0, and answers are numbered as without compression") {
    for (const auto method : {my::compression::zlib, my::compression::zstd}) {
        server peer(method);
        const auto coat = pool::mysql_coat(method);
        for (int turn = 0; turn < 3; ++turn) {
            const auto command = packet("\x03" + std::string(200'000, 'q'), 0);
            coat->command();
            peer.numbers.clear();
            CHECK(peer.received(coat->seal(command)) == command);
            CHECK(peer.numbers == std::vector<std::uint8_t>{0, 1, 2, 3});
            // Servers' numbers jump.
            const auto answer = packet("one", 1) + packet(std::string(100'000, 'a'), 9) + packet("end", 77);
            CHECK(opened(*coat, peer.sent(answer)) ==
                  packet("one", 1) + packet(std::string(100'000, 'a'), 2) + packet("end", 3));
            coat->rest();
        }
    }
}

TEST_CASE("a command of several packets, and one without an answer") {
    server peer(my::compression::zlib);
    const auto coat = pool::mysql_coat(my::compression::zlib);
    coat->command();
    peer.received(coat->seal(packet("\x19long data", 0)));
    CHECK(peer.numbers == std::vector<std::uint8_t>{0});
    coat->command();
    peer.numbers.clear();
    peer.received(coat->seal(packet("first", 0)));
    peer.received(coat->seal(packet("second", 1)));  // of the same command
    CHECK(peer.numbers == std::vector<std::uint8_t>{0, 1});
    CHECK(opened(*coat, peer.sent(packet("ok", 9))) == packet("ok", 2));
}

TEST_CASE("a file goes on from the server's question") {
    server peer(my::compression::zlib);
    const auto coat = pool::mysql_coat(my::compression::zlib);
    coat->command();
    peer.received(coat->seal(packet("\x03LOAD DATA", 0)));
    CHECK(opened(*coat, peer.sent(packet("\xfbname", 1))) == packet("\xfbname", 1));
    peer.numbers.clear();
    std::uint8_t number = 2;
    for (int i = 0; i < 300; ++i) peer.received(coat->seal(packet("line", number++)));
    peer.received(coat->seal(packet("", number)));
    CHECK(peer.numbers.front() == 2);
    CHECK(peer.numbers.size() == 301);
    CHECK(opened(*coat, peer.sent(packet("ok", 0))) == packet("ok", static_cast<std::uint8_t>(number + 1)));
}

TEST_CASE("what is not compressed as agreed is told") {
    const auto coat = pool::mysql_coat(my::compression::zlib);
    std::string_view plain;
    coat->feed(std::string_view("\x20\0\0\0\x40\0\0garbage garbage garbage", 30));
    CHECK_FALSE(coat->next(plain));
}
