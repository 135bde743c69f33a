#include "config/values.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace ringway::config {

namespace {

/// Digits at the front and the rest behind them.
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_unit(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data()) return std::nullopt;
    return std::pair{value, text.substr(static_cast<std::size_t>(end - text.data()))};
}

std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t corner = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0u : 1u)});
            corner = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::optional<milliseconds> read_length(std::string_view text) {
    constexpr std::uint64_t most = 10ull * 365 * 24 * 3600 * 1000;
    const auto parts = number_and_unit(text);
    if (!parts) return std::nullopt;
    const auto [value, unit] = *parts;
    const std::uint64_t factor = unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" || unit == "min" ? 60'000 : unit == "h" ? 3'600'000 : unit == "d" ? 86'400'000 : 0;
    if (factor == 0 && !(value == 0 && unit.empty())) return std::nullopt;
    if (factor && value > most / factor) return std::nullopt;
    return milliseconds(static_cast<std::int64_t>(value * factor));
}

std::optional<std::uint64_t> read_size(std::string_view text) {
    const auto parts = number_and_unit(text);
    if (!parts) return std::nullopt;
    const auto [value, unit] = *parts;
    const unsigned shift = unit.empty() || unit == "B" ? 0 : unit == "KiB" ? 10 : unit == "MiB" ? 20 : unit == "GiB" ? 30 : 64;
    if (shift == 64 || value > (std::uint64_t{1} << 50 >> shift)) return std::nullopt;
    return value << shift;
}

std::optional<endpoint> read_endpoint(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    auto host = text.substr(0, colon);
    const auto port = number_and_unit(text.substr(colon + 1));
    if (!port || !port->second.empty() || port->first == 0 || port->first > 65535) return std::nullopt;
    if (host.front() == '[') {
        if (host.back() != ']' || host.size() < 4) return std::nullopt;
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return std::nullopt;
    }
    return endpoint{std::string(host), static_cast<std::uint16_t>(port->first)};
}

std::string nearest_name(std::string_view wrong, const std::set<std::string, std::less<>>& known) {
    std::string best;
    std::size_t least = 3;
    for (const auto& each : known) {
        const auto distance = edits(wrong, each);
        if (distance < least) {
            least = distance;
            best = each;
        }
    }
    return best;
}

}  // namespace ringway::config
