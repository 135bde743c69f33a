#pragma once
// Configuration texts for tests.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"

namespace ringway::tests {

/// The least that loads: lines 1 to 4, and so on as it stands here.
inline constexpr std::string_view smallest = R"([listen]
postgres = "127.0.0.1:6432"
[users.app]
password = "secret"
[clusters.app.shards]
s0 = { nodes = ["127.0.0.1:5432"] }
)";
inline constexpr std::uint32_t smallest_lines = 6;

/// Loads as "test.toml".
inline config::load_result load(std::string_view text) {
    return config::load_text(text, "test.toml");
}

/// The smallest text with more after it; the first line of `more` is line 7.
inline config::load_result load_with(std::string_view more) {
    return load(std::string(smallest) + std::string(more));
}

/// A sharded cluster `shop` with shards s0, s1, s2, and more after it; the first line of `more` is line 9.
inline std::string sharded(std::string_view more) {
    return std::string(R"([listen]
postgres = "127.0.0.1:6432"
[users.app]
password = "secret"
[clusters.shop.shards]
s0 = { nodes = ["127.0.0.1:5501"] }
s1 = { nodes = ["127.0.0.1:5502"] }
s2 = { nodes = ["127.0.0.1:5503"] }
)") + std::string(more);
}

/// "line: text" of every mistake, for comparing whole lists.
inline std::vector<std::string> lines_of(const config::load_result& loaded) {
    std::vector<std::string> out;
    for (const auto& one : loaded.mistakes) out.push_back(fmt::format("{}: {}", one.line, one.text));
    return out;
}

using lines = std::vector<std::string>;

}  // namespace ringway::tests

namespace doctest {

template <>
struct StringMaker<ringway::tests::lines> {
    static String convert(const ringway::tests::lines& all) {
        std::string out;
        for (const auto& one : all) out += "\n    " + one;
        return out.c_str();
    }
};

}  // namespace doctest
