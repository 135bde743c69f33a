#pragma once
// Values that TOML has no type for: durations, sizes, addresses. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace ringway::config::source {

/// "100ms", "5s", "2m", "1h", "7d"; "0". Nothing when it is not one, or does not fit.
std::optional<milliseconds> parse_duration(std::string_view text);
/// With the largest unit that leaves no rest.
std::string duration_text(milliseconds length);

/// Bytes: "512B", "16KiB", "1MiB", "2GiB"; "0".
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes);

/// "host:port", "[IPv6]:port"; a host name, or an address. Port 1 to 65535. `problem` says what is wrong with it.
std::optional<endpoint> parse_endpoint(std::string_view text, std::string& problem);

/// One address that stands for all of the machine: 0.0.0.0, ::.
bool is_any_address(std::string_view host);
/// The same host and port, letters of either case.
bool same_address(const endpoint& a, const endpoint& b);

/// An address, IPv4 or IPv6, or one with "/bits". `problem` says what is wrong with it.
bool check_network(const std::string& text, std::string& problem);

}  // namespace ringway::config::source
