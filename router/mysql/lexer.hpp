#pragma once
// MySQL's and MariaDB's tokens, one after the other: what the shape lexer and the parser are made on.

#include <cstdint>
#include <string_view>

#include "router/mysql/modes.hpp"

namespace ringway::router::mysql {

enum class token_kind : std::uint8_t {
    end,
    word,           ///< a name or a keyword, without quotes
    quoted_name,    ///< `a`, and "a" with ANSI_QUOTES
    integer,        ///< at most 64 bits
    decimal,        ///< any other number
    string,         ///< '...' or "..."
    national,       ///< N'...'
    bits,           ///< x'..', 0x.., b'..', 0b..
    parameter,      ///< ?
    user_variable,  ///< @a, @'a', @`a`; also the @host of an account
    symbol,         ///< an operator or a mark
    hint,           ///< /* ringway: ... */
    comment_open,   ///< of an executable comment that this server runs
    comment_close,
    bad  ///< unterminated, or a byte that begins nothing; nothing follows
};

struct token {
    token_kind kind = token_kind::end;
    bool blank = false;       ///< white space or a comment stands before it
    bool plain_name = false;  ///< a word that is no keyword here: next to a dot
    std::uint32_t offset = 0, length = 0;
    std::uint32_t stop() const noexcept { return offset + length; }
};

class lexer {
  public:
    /// `text` must outlive it; what is above 4 GiB is not read. Starts at `from`.
    lexer(std::string_view text, const mysql_modes& modes, std::uint32_t from = 0)
        : begin_(text.data()), at_(text.data() + from), end_(text.data() + text.size()), modes_(modes) {}
    token next();

  private:
    token made(token_kind kind, const char* from, const char* to);
    token bad();
    token word(bool after_dot);
    token number();
    token real(const char* p);
    token text(token_kind kind, const char* inside);
    token quoted_name(const char* inside, token_kind kind);
    token at_sign();
    token symbol();
    bool skip_blank();
    bool comment(token& out);

    const char* begin_;
    const char* at_;
    const char* end_;
    mysql_modes modes_;
    bool blank_ = false;
    bool after_dot_ = false;    ///< the last token was a dot, and a name follows at once
    bool dotted_word_ = false;  ///< the last token was a word, and a dot and a name follow at once
    bool in_comment_ = false;
};

/// Bytes of the character at `p`, as the server's lexer steps: 1 but for two- and four-byte characters of `charset`.
std::size_t character_length(const char* p, const char* end, mysql_charset charset) noexcept;
/// After the closing quote of a string whose inside begins at `p`; null: there is none.
const char* end_of_string(const char* p, const char* end, char quote, const mysql_modes& modes) noexcept;
/// After the closing quote of a name whose inside begins at `p`; null: there is none.
const char* end_of_name(const char* p, const char* end, char quote, mysql_charset charset) noexcept;

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
/// Bytes above 127 are letters.
constexpr bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 128;
}
constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace ringway::router::mysql
