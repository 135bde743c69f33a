#pragma once
// Values as they are written in the configuration: lengths of time, sizes, addresses. Pure.

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace ringway::config {

/// "250ms", "5s", "2m", "1h", "0". At most ten years; nullopt: not a length of time.
std::optional<milliseconds> read_length(std::string_view text);
/// "4096", "16KiB", "1MiB", "2GiB"; nullopt: not a size.
std::optional<std::uint64_t> read_size(std::string_view text);
/// "host:port" or "[::1]:port", port 1 to 65535; nullopt: not an address.
std::optional<endpoint> read_endpoint(std::string_view text);
/// The known name nearest to a mistyped one, at most two edits away; empty: none.
std::string nearest_name(std::string_view wrong, const std::set<std::string, std::less<>>& known);

}  // namespace ringway::config
