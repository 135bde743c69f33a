#pragma once
// Splits the text of admin commands into tokens: words, quoted texts, punctuation. Comments are dropped.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy::admin {

/// One token. `text` has quotes undone; `offset` is its first byte in the text it came from.
struct token {
    enum class kind : std::uint8_t {
        word,        ///< anything unquoted: SHOW, shop, 127.0.0.1:5501, -5, $1
        string,      ///< '...' with '' for a quote, or $tag$...$tag$
        identifier,  ///< "..." with "" for a quote
        symbol,      ///< one of ; , ( ) =
        unfinished,  ///< a quote or comment that is never closed; always the last
    } what = kind::word;
    std::string text;
    std::uint32_t offset = 0;

    bool is_symbol(char c) const { return what == kind::symbol && text[0] == c; }
};

std::vector<token> tokens_of(std::string_view text);

/// ASCII, for keywords only.
std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);
bool same_word(std::string_view a, std::string_view b) noexcept;

}  // namespace ringway::proxy::admin
