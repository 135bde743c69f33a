#include "config/toml/values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace ringway::config::source {

namespace {

struct unit {
    std::string_view name;
    std::uint64_t in_smallest;
};

/// Largest first.
constexpr std::array durations{unit{"d", 86'400'000}, unit{"h", 3'600'000}, unit{"m", 60'000}, unit{"s", 1000},
                               unit{"ms", 1}};
constexpr std::array sizes{unit{"GiB", 1u << 30}, unit{"MiB", 1u << 20}, unit{"KiB", 1u << 10}, unit{"B", 1}};

/// A whole number and one of the units, `most` at the most.
template <std::size_t n>
std::optional<std::uint64_t> parse_measure(std::string_view text, const std::array<unit, n>& units,
                                           std::uint64_t most) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (rest.empty() && number == 0) return 0;
    const auto found = std::find_if(units.begin(), units.end(), [&](const unit& one) { return one.name == rest; });
    if (found == units.end() || number > most / found->in_smallest) return std::nullopt;
    return number * found->in_smallest;
}

template <std::size_t n>
std::string measure_text(std::uint64_t value, const std::array<unit, n>& units) {
    if (value == 0) return "0";
    const auto fits =
        std::find_if(units.begin(), units.end(), [&](const unit& one) { return value % one.in_smallest == 0; });
    return fmt::format("{}{}", value / fits->in_smallest, fits->name);
}

bool is_ipv4(const std::string& text) {
    in_addr ignored{};
    return ::inet_pton(AF_INET, text.c_str(), &ignored) == 1;
}

bool is_ipv6(const std::string& text) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET6, text.c_str(), &ignored) == 1;
}

bool is_host_name(std::string_view host) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
    };
    return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), fits);
}

/// Digits and dots only: meant as an IPv4 address.
bool looks_numeric(std::string_view host) {
    return host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    return out;
}

bool check_host(const std::string& host, bool bracketed, std::string& problem) {
    if (bracketed) {
        if (is_ipv6(host)) return true;
        problem = fmt::format("\"{}\" is not an IPv6 address", host);
    } else if (host.find(':') != std::string::npos) {
        problem = "an IPv6 address stands in brackets: \"[::1]:5432\"";
    } else if (host.empty()) {
        problem = "the host is missing; write \"host:port\", 0.0.0.0 for every address of this machine";
    } else if (!is_host_name(host) || (looks_numeric(host) && !is_ipv4(host))) {
        problem = fmt::format("\"{}\" is neither a host name nor an address", host);
    } else {
        return true;
    }
    return false;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<milliseconds::rep>::max());
    const auto found = parse_measure(text, durations, most);
    if (!found) return std::nullopt;
    return milliseconds(static_cast<milliseconds::rep>(*found));
}

std::string duration_text(milliseconds length) {
    return measure_text(static_cast<std::uint64_t>(length.count()), durations);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_measure(text, sizes, std::numeric_limits<std::uint64_t>::max());
}

std::string size_text(std::uint64_t bytes) {
    return measure_text(bytes, sizes);
}

std::optional<endpoint> parse_endpoint(std::string_view text, std::string& problem) {
    const auto colon = text.rfind(':');
    const bool bracketed = text.starts_with('[');
    if (colon == std::string_view::npos || (bracketed && text[colon - 1] != ']')) {
        problem = "the port is missing; write \"host:port\"";
        return std::nullopt;
    }
    endpoint out;
    out.host = bracketed ? text.substr(1, colon - 2) : text.substr(0, colon);
    if (!check_host(out.host, bracketed, problem)) return std::nullopt;
    const auto digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc{} || end != digits.data() + digits.size() || out.port == 0) {
        problem = fmt::format("\"{}\" is not a port, a number from 1 to 65535", digits);
        return std::nullopt;
    }
    return out;
}

bool is_any_address(std::string_view host) {
    return host == "0.0.0.0" || host == "::";
}

bool same_address(const endpoint& a, const endpoint& b) {
    return a.port == b.port && lower_case(a.host) == lower_case(b.host);
}

bool check_network(const std::string& text, std::string& problem) {
    const auto slash = text.find('/');
    const auto address = text.substr(0, slash);
    const bool v4 = is_ipv4(address);
    if (!v4 && !is_ipv6(address)) {
        problem = "write an address or a network, such as \"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"";
        return false;
    }
    if (slash == std::string::npos) return true;
    const auto digits = std::string_view(text).substr(slash + 1);
    const unsigned most = v4 ? 32 : 128;
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error == std::errc{} && end == digits.data() + digits.size() && bits <= most) return true;
    problem = fmt::format("after the slash stands the number of bits, 0 to {}", most);
    return false;
}

}  // namespace ringway::config::source
