#include "proxy/admin/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "proxy/admin/token.hpp"

namespace ringway::proxy::admin {

namespace {

constexpr std::size_t longest = 64;

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = std::min(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
    }
    return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty() || word.size() > longest) return {};
    const auto wanted = lower_case(word);
    std::string_view best;
    std::size_t allowed = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
    for (const auto candidate : candidates) {
        const auto found = distance(wanted, lower_case(candidate));
        if (found >= allowed) continue;
        allowed = found;
        best = candidate;
    }
    return best;
}

}  // namespace ringway::proxy::admin
