#pragma once
// "Did you mean": the known word closest to a mistyped one.

#include <span>
#include <string>
#include <string_view>

namespace ringway::config {

/// The candidate that needs the fewest single-letter changes (insert, drop, replace, swap neighbours), when those are
/// at most a third of the word (at least 1, at most 3); or the one that the word begins, or that begins the word; empty
/// when none is near. Upper and lower case count as equal. Points into the candidates.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// `; did you mean "NAME"?`, or nothing.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace ringway::config
