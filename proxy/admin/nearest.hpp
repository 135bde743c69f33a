#pragma once
// "Did you mean": the known word closest to a mistyped one.

#include <span>
#include <string_view>

namespace ringway::proxy::admin {

/// The candidate that needs the fewest single-letter changes, upper and lower case alike, when those are at most a
/// third of the word (at least 1, at most 3); empty when none is near. Points into the candidates.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace ringway::proxy::admin
