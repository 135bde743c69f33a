#include "protocol/proxy_header.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace ringway::protocol {

namespace {

using namespace std::string_view_literals;

constexpr auto line_start = "PROXY "sv;
constexpr auto unknown_start = "PROXY UNKNOWN"sv;
constexpr std::size_t longest_line = 107;
constexpr auto signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_size = 16;  ///< of a binary header: signature, version and command, family, length

constexpr std::uint8_t proxied = 1;  ///< the command PROXY; 0 is LOCAL
enum family : std::uint8_t { unspecified = 0, inet = 1, inet6 = 2, unix_socket = 3 };
constexpr std::uint8_t stream = 1, most_transport = 2;
constexpr std::array<std::size_t, 4> address_bytes{0, 12, 36, 216};  ///< both ends, by family

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t two_bytes_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

std::string text_of_v4(const void* address) {
    std::array<char, INET_ADDRSTRLEN> out{};
    return ::inet_ntop(AF_INET, address, out.data(), out.size());
}

std::string text_of_v6(const in6_addr& address) {
    if (IN6_IS_ADDR_V4MAPPED(&address)) return text_of_v4(address.s6_addr + 12);
    std::array<char, INET6_ADDRSTRLEN> out{};
    return ::inet_ntop(AF_INET6, &address, out.data(), out.size());
}

/// The next word of a line; more than one space makes an empty one.
std::string_view next_word(std::string_view& rest) {
    const auto end = std::min(rest.find(' '), rest.size());
    const auto word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return word;
}

/// An address as people write it, in one form; empty: it is none.
std::string address_of(std::string_view word, bool v6) {
    const std::string text(word);  // a zero byte in it would end it early
    if (text.find('\0') != std::string::npos) return {};
    in6_addr long_one{};
    in_addr short_one{};
    if (v6) return ::inet_pton(AF_INET6, text.c_str(), &long_one) == 1 ? text_of_v6(long_one) : std::string();
    return ::inet_pton(AF_INET, text.c_str(), &short_one) == 1 ? text_of_v4(&short_one) : std::string();
}

std::optional<std::uint16_t> port_of(std::string_view word) {
    std::uint16_t out = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
    if (error != std::errc{} || end != word.data() + word.size() || (word.size() > 1 && word.front() == '0'))
        return std::nullopt;
    return out;
}

}  // namespace

proxy_header::state proxy_header::take(std::string_view& bytes) {
    while (state_ == state::incomplete && !bytes.empty()) {
        if (wanted_ > 0 && held_.size() == wanted_) {  // TLVs
            const auto skipped = std::min(behind_, bytes.size());
            bytes.remove_prefix(skipped);
            behind_ -= skipped;
            if (behind_ == 0) state_ = state::complete;
            continue;
        }
        const char last = bytes.front();
        held_ += last;
        bytes.remove_prefix(1);
        if (held_.front() == line_start.front())
            take_line(last);
        else
            take_binary();
    }
    return state_;
}

void proxy_header::fail(std::string_view why) {
    state_ = state::malformed;
    problem_ = why;
}

// ---- version 1 ------------------------------------------------------------------------------------------------------

void proxy_header::take_line(char last) {
    if (held_.size() <= line_start.size()) {
        if (!line_start.starts_with(held_)) fail("no PROXY header");
        return;
    }
    const bool ended = held_.ends_with("\r\n");
    // Of UNKNOWN ones everything before the line's end is to be ignored.
    if (last == '\n' && !ended && !held_.starts_with(unknown_start))
        return fail("a PROXY line ends with a carriage return and a line feed");
    if (ended) return read_line();
    if (held_.size() == longest_line) fail("a PROXY line is 107 bytes long at the most");
}

void proxy_header::read_line() {
    auto rest = std::string_view(held_).substr(line_start.size());
    rest.remove_suffix(2);
    const auto family = next_word(rest);
    if (family == "UNKNOWN") {
        state_ = state::complete;
        return;
    }
    if (family != "TCP4" && family != "TCP6") return fail("a PROXY line is of TCP4, TCP6 or UNKNOWN");
    const bool v6 = family == "TCP6";
    auto from = address_of(next_word(rest), v6);
    const auto to = address_of(next_word(rest), v6);
    const auto from_port = port_of(next_word(rest));
    const auto to_port = port_of(rest);  // the rest of the line: nothing may follow it
    if (from.empty() || to.empty()) return fail("an address in a PROXY line is none");
    if (!from_port || !to_port) return fail("a port in a PROXY line is none");
    client_ = source{std::move(from), *from_port};
    state_ = state::complete;
}

// ---- version 2 ------------------------------------------------------------------------------------------------------

void proxy_header::take_binary() {
    if (held_.size() <= signature.size()) {
        if (!signature.starts_with(held_)) fail("no PROXY header");
        return;
    }
    if (held_.size() == fixed_size) read_fixed_part();
    if (state_ != state::incomplete || held_.size() != wanted_) return;
    if (wanted_ > fixed_size) read_addresses();
    if (behind_ == 0) state_ = state::complete;
}

void proxy_header::read_fixed_part() {
    const auto version = byte_at(held_, 12) >> 4, what = byte_at(held_, 12) & 0xf;
    const auto family = byte_at(held_, 13) >> 4, transport = byte_at(held_, 13) & 0xf;
    const std::size_t length = two_bytes_at(held_, 14);
    if (version != 2) return fail("a binary PROXY header is of version 2");
    if (what > proxied) return fail("a PROXY header's command is LOCAL or PROXY");
    std::size_t addresses = 0;
    if (what == proxied) {
        if (family > unix_socket) return fail("a PROXY header's address family is unknown");
        if (transport > most_transport) return fail("a PROXY header's transport protocol is unknown");
        if (length < address_bytes[static_cast<std::size_t>(family)])
            return fail("a PROXY header is too short for its addresses");
        const bool told = (family == inet || family == inet6) && transport == stream;
        if (told) addresses = address_bytes[static_cast<std::size_t>(family)];
    }
    wanted_ = fixed_size + addresses;
    behind_ = length - addresses;
}

void proxy_header::read_addresses() {
    const auto addresses = std::string_view(held_).substr(fixed_size);
    if (addresses.size() == address_bytes[inet]) {
        client_ = source{text_of_v4(addresses.data()), two_bytes_at(addresses, 8)};
    } else {
        in6_addr from{};
        std::memcpy(&from, addresses.data(), sizeof from);
        client_ = source{text_of_v6(from), two_bytes_at(addresses, 32)};
    }
}

}  // namespace ringway::protocol
