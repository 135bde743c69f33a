#pragma once
// What a fuzz target says about its input beyond "no crash".

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace ringway::fuzz {

/// Ends the program, which libFuzzer reports with the input, when a property does not hold.
inline void require(bool holds, const char* property) {
    if (holds) return;
    std::fprintf(stderr, "property broken: %s\n", property);
    std::abort();
}

/// Whether a view that was not empty points into the bytes it was read from.
inline bool inside(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace ringway::fuzz
