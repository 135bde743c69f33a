#include "protocol/proxy_header.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>

using namespace ringway::protocol;
using namespace std::literals;
using state = proxy_header::state;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string binary(unsigned char command, unsigned char family, std::string_view rest) {
    std::string out = signature;
    out += static_cast<char>(command);
    out += static_cast<char>(family);
    out += static_cast<char>(rest.size() >> 8);
    out += static_cast<char>(rest.size() & 0xff);
    return out.append(rest);
}

const std::string v4_ends = "\x0a\x01\x02\x03\x7f\0\0\x01\xc3\x50\x19\x20"s;  // 10.1.2.3:50000 to 127.0.0.1:6432
const std::string v6_ends =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"s + std::string(15, '\0') + "\x01\0\x01\x19\x20"s;
const std::string mapped_ends =
    std::string(10, '\0') + "\xff\xff\x0a\x01\x02\x03"s + std::string(16, '\0') + "\0\x05\x19\x20"s;
const std::string tlvs = "\x04\0\x02xy\x20\0\x05\0\0\0\0\0"s;

/// What is read, in one text: "address:port", "own", "incomplete", or what is wrong.
std::string told(const proxy_header& of) {
    if (of.now() == state::incomplete) return "incomplete";
    if (of.now() == state::malformed) return std::string(of.problem());
    return of.client() ? fmt::format("{}:{}", of.client()->address, of.client()->port) : "own";
}

std::string read(std::string_view bytes) {
    proxy_header header;
    header.take(bytes);
    return told(header);
}

struct example {
    std::string bytes, told;
};

const std::array good{
    example{"PROXY TCP4 10.1.2.3 127.0.0.1 50000 6432\r\n", "10.1.2.3:50000"},
    example{"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
    example{"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0"},
    example{"PROXY TCP6 2001:DB8::7 ::1 1 6432\r\n", "2001:db8::7:1"},
    example{
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:65535"},
    example{"PROXY TCP6 ::ffff:10.1.2.3 ::1 5 6432\r\n", "10.1.2.3:5"},
    example{"PROXY UNKNOWN\r\n", "own"},
    example{"PROXY UNKNOWN what \n\r ever 1 2 3\r\n", "own"},
    example{
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "own"},
    example{binary(0x21, 0x11, v4_ends), "10.1.2.3:50000"},
    example{binary(0x21, 0x11, v4_ends + tlvs), "10.1.2.3:50000"},
    example{binary(0x21, 0x21, v6_ends), "2001:db8::7:1"},
    example{binary(0x21, 0x21, v6_ends + tlvs), "2001:db8::7:1"},
    example{binary(0x21, 0x21, mapped_ends), "10.1.2.3:5"},
    example{binary(0x21, 0x12, v4_ends), "own"},  // UDP
    example{binary(0x21, 0x00, ""), "own"},
    example{binary(0x21, 0x00, v4_ends), "own"},
    example{binary(0x21, 0x10, v4_ends), "own"},
    example{binary(0x21, 0x31, std::string(216, '/')), "own"},
    example{binary(0x21, 0x32, std::string(216, '\0') + tlvs), "own"},
    example{binary(0x20, 0x00, ""), "own"},
    example{binary(0x20, 0x11, v4_ends), "own"},
    example{binary(0x20, 0xff, "xyz"), "own"},
};

}  // namespace

TEST_CASE("a PROXY header, whole") {
    for (const auto& one : good) {
        CAPTURE(one.bytes);
        CHECK(read(one.bytes) == one.told);
    }
}

TEST_CASE("a PROXY header may come in any pieces, and what follows it is left alone") {
    for (const auto& one : good) {
        CAPTURE(one.bytes);
        const auto stream = one.bytes + "\r\nSELECT 1";
        for (std::size_t first = 0; first <= stream.size(); ++first)
            for (std::size_t second = first; second <= stream.size(); ++second) {
                proxy_header header;
                std::string left;
                for (const auto part :
                     {std::string_view(stream).substr(0, first), std::string_view(stream).substr(first, second - first),
                      std::string_view(stream).substr(second)}) {
                    auto bytes = part;
                    header.take(bytes);
                    left += bytes;
                }
                if (told(header) != one.told || left != "\r\nSELECT 1") {
                    CAPTURE(first);
                    CAPTURE(second);
                    REQUIRE(told(header) == one.told);
                    REQUIRE(left == "\r\nSELECT 1");
                }
            }
        for (std::size_t n = 0; n < one.bytes.size(); ++n)
            CHECK(read(std::string_view(one.bytes).substr(0, n)) == "incomplete");
    }
}

TEST_CASE("what is no PROXY header is known at its first wrong byte") {
    const auto consumed = [](std::string_view bytes) {
        proxy_header header;
        const auto all = bytes.size();
        CHECK(header.take(bytes) == state::malformed);
        CHECK(header.problem() == "no PROXY header");
        return all - bytes.size();
    };
    CHECK(consumed("GET / HTTP/1.0\r\n\r\n") == 1);
    CHECK(consumed("\0\0\0\x08\x04\xd2\x16\x2f"sv) == 1);
    CHECK(consumed("POST / HTTP/1.0\r\n") == 2);
    CHECK(consumed("PROXYTCP4 ") == 6);
    CHECK(consumed("\r\nhello") == 3);
    CHECK(consumed("\r\n\r\n\0\r\nQUIT\r"sv) == 12);
}

TEST_CASE("malformed PROXY lines") {
    const auto line = [](std::string_view rest) { return read(fmt::format("PROXY {}\r\n", rest)); };
    const std::string family = "a PROXY line is of TCP4, TCP6 or UNKNOWN", port = "a port in a PROXY line is none";
    const std::string address = "an address in a PROXY line is none";
    for (const auto* wrong : {"", "TCP5 1.2.3.4 1.2.3.4 1 2", "tcp4 1.2.3.4 1.2.3.4 1 2", " TCP4 1.2.3.4 1.2.3.4 1 2",
                              "UNKNOWNX", "UDP4 1.2.3.4 1.2.3.4 1 2"}) {
        CAPTURE(wrong);
        CHECK(line(wrong) == family);
    }
    for (const auto* wrong :
         {"TCP4", "TCP4 1.2.3.4", "TCP4 1.2.3 1.2.3.4 1 2", "TCP4 1.2.3.4 1.2.3.256 1 2", "TCP4 01.2.3.4 1.2.3.4 1 2",
          "TCP4 ::1 ::1 1 2", "TCP6 1.2.3.4 1.2.3.4 1 2", "TCP6 ::1%lo ::1 1 2", "TCP6 1::2::3 ::1 1 2",
          "TCP4  1.2.3.4 1.2.3.4 1 2", "TCP4 host 1.2.3.4 1 2", "TCP6 [::1] ::1 1 2"}) {
        CAPTURE(wrong);
        CHECK(line(wrong) == address);
    }
    CHECK(line("TCP4 1.2.3.4\0 1.2.3.4 1 2"sv) == address);
    for (const auto* wrong :
         {"TCP4 1.2.3.4 1.2.3.4", "TCP4 1.2.3.4 1.2.3.4 1", "TCP4 1.2.3.4 1.2.3.4 1 ", "TCP4 1.2.3.4 1.2.3.4 1 65536",
          "TCP4 1.2.3.4 1.2.3.4 01 2", "TCP4 1.2.3.4 1.2.3.4 -1 2", "TCP4 1.2.3.4 1.2.3.4 1 2 ",
          "TCP4 1.2.3.4 1.2.3.4 1 2 3", "TCP4 1.2.3.4 1.2.3.4 1  2", "TCP4 1.2.3.4 1.2.3.4 1 2\r"}) {
        CAPTURE(wrong);
        CHECK(line(wrong) == port);
    }
    CHECK(read("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n") == "a PROXY line ends with a carriage return and a line feed");
    CHECK(read("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == "own");
    CHECK(read("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") == "a PROXY line is 107 bytes long at the most");
}

TEST_CASE("malformed binary PROXY headers") {
    CHECK(read(binary(0x11, 0x11, v4_ends)) == "a binary PROXY header is of version 2");
    CHECK(read(binary(0x31, 0x11, v4_ends)) == "a binary PROXY header is of version 2");
    CHECK(read(binary(0x22, 0x11, v4_ends)) == "a PROXY header's command is LOCAL or PROXY");
    CHECK(read(binary(0x21, 0x41, v4_ends)) == "a PROXY header's address family is unknown");
    CHECK(read(binary(0x21, 0x13, v4_ends)) == "a PROXY header's transport protocol is unknown");
    for (const int family : {0x11, 0x12, 0x10, 0x21, 0x22, 0x31})
        CHECK(read(binary(0x21, static_cast<unsigned char>(family), v4_ends.substr(1))) ==
              "a PROXY header is too short for its addresses");
    CHECK(read(binary(0x21, 0x21, v6_ends.substr(1))) == "a PROXY header is too short for its addresses");
}

TEST_CASE("the longest PROXY header holds little memory") {
    auto bytes = binary(0x21, 0x11, v4_ends + std::string(65'535 - v4_ends.size(), 'x'));
    REQUIRE(bytes.size() == 16 + 65'535);
    CHECK(read(bytes + "more") == "10.1.2.3:50000");
    CHECK(read(std::string_view(bytes).substr(0, bytes.size() - 1)) == "incomplete");
}
