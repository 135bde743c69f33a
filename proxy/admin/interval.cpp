#include "proxy/admin/interval.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "proxy/admin/token.hpp"

namespace ringway::proxy::admin {

namespace {

constexpr double most = 10.0 * 365 * 86'400'000;

/// Milliseconds in a unit; 0: no such unit.
double milliseconds_in(std::string_view unit) {
    constexpr std::array<std::pair<std::string_view, double>, 22> units{{
        {"ms", 1},       {"millisecond", 1}, {"milliseconds", 1}, {"msec", 1},      {"s", 1e3},       {"sec", 1e3},
        {"secs", 1e3},   {"second", 1e3},    {"seconds", 1e3},    {"m", 6e4},       {"min", 6e4},     {"mins", 6e4},
        {"minute", 6e4}, {"minutes", 6e4},   {"h", 3.6e6},        {"hour", 3.6e6},  {"hours", 3.6e6}, {"hr", 3.6e6},
        {"hrs", 3.6e6},  {"d", 8.64e7},      {"day", 8.64e7},     {"days", 8.64e7},
    }};
    for (const auto& [name, length] : units)
        if (same_word(name, unit)) return length;
    return 0;
}

void skip_spaces(std::string_view& text) {
    while (!text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'))) text.remove_prefix(1);
}

}  // namespace

std::optional<std::chrono::milliseconds> read_interval(std::string_view text) {
    double total = 0;
    for (skip_spaces(text); !text.empty(); skip_spaces(text)) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (error != std::errc{} || !(number >= 0)) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        skip_spaces(text);
        std::size_t letters = 0;
        while (letters < text.size() && ((text[letters] | 0x20) >= 'a' && (text[letters] | 0x20) <= 'z')) ++letters;
        const double unit = milliseconds_in(text.substr(0, letters));
        if (unit == 0) return std::nullopt;
        total += number * unit;
        text.remove_prefix(letters);
    }
    if (!(total >= 1) || total > most) return std::nullopt;
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(total)));
}

}  // namespace ringway::proxy::admin
