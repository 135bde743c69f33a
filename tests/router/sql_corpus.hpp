#pragma once
// SQL texts for tests of the lexer and the cache: plain ones and nasty ones.

#include <span>
#include <string_view>

namespace ringway::test {

/// Data statements: literals in them are values and nothing else.
std::span<const std::string_view> data_statements();
/// Commands and texts that are no statement: for the lexer only.
std::span<const std::string_view> other_texts();

}  // namespace ringway::test
