#include "protocol/mysql/packet_numbers.hpp"

#include <doctest/doctest.h>

#include "protocol/mysql/packet.hpp"

using namespace ringway::protocol::mysql;

namespace {

std::string packet(std::string_view payload, std::uint8_t sequence) {
    std::string out;
    writer(out, sequence).bytes(payload);
    return out;
}

}  // namespace

TEST_CASE("packets are numbered anew however they come") {
    const auto from = packet("one", 7) + packet("", 9) + packet(std::string(300, 'x'), 0) + packet("last", 200);
    const auto to = packet("one", 255) + packet("", 0) + packet(std::string(300, 'x'), 1) + packet("last", 2);
    for (const std::size_t piece : {1U, 2U, 3U, 4U, 5U, 7U, 300U, 1000U}) {
        CAPTURE(piece);
        packet_numbers numbers, followed;
        numbers.go_on_from(254);
        std::string out;
        for (std::size_t at = 0; at < from.size(); at += piece) {
            auto some = from.substr(at, piece);
            followed.follow(some);
            numbers.write(some);
            out += some;
        }
        CHECK(out == to);
        CHECK(followed.last() == 200);
        CHECK(numbers.last() == 2);
    }
}

TEST_CASE("a number counts when its header is whole") {
    packet_numbers numbers;
    const auto bytes = packet("abc", 5);
    numbers.follow(std::string_view(bytes).substr(0, 3));
    CHECK(numbers.last() == 0);
    numbers.follow(std::string_view(bytes).substr(3, 1));
    CHECK(numbers.last() == 5);
}
