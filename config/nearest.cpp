#include "config/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace ringway::config {

namespace {

constexpr std::size_t longest_word = 64;
constexpr std::size_t shortest_beginning = 3;

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    return out;
}

/// Single-letter changes that turn `a` into `b`: three rows of the usual table, for swaps look back two.
std::size_t changes(std::string_view a, std::string_view b) {
    std::vector<std::size_t> two_above(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], two_above[j - 2] + 1);
        }
        std::swap(two_above, above);
        std::swap(above, row);
    }
    return above[b.size()];
}

bool begins(std::string_view word, std::string_view with) {
    return with.size() >= shortest_beginning && word.starts_with(with);
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty() || word.size() > longest_word) return {};
    const auto wanted = lower_case(word);
    std::string_view best;
    std::size_t allowed = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
    for (const auto candidate : candidates) {
        const auto needed = changes(wanted, lower_case(candidate));
        if (needed >= allowed) continue;
        allowed = needed;
        best = candidate;
    }
    if (!best.empty()) return best;
    for (const auto candidate : candidates) {
        const auto known = lower_case(candidate);
        if (begins(known, wanted) || begins(wanted, known)) return candidate;
    }
    return {};
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
    const auto near = nearest(word, candidates);
    return near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near);
}

}  // namespace ringway::config
