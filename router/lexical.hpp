#pragma once
// What the shape lexer and the literal decoder share of PostgreSQL's lexical rules (documentation, section 4.1).

#include <cstdint>
#include <string_view>

namespace ringway::router::lexical {

/// What a byte can begin, outside of strings and comments.
enum class byte_class : std::uint8_t { other, space, word, digit, quote, double_quote, dollar, dot, minus, slash };

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_octal(char c) noexcept {
    return c >= '0' && c <= '7';
}
constexpr bool is_newline(char c) noexcept {
    return c == '\n' || c == '\r';
}
/// PostgreSQL 15's white space; a vertical tab is not.
constexpr bool is_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\f' || is_newline(c);
}
constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// Bytes above 127 are letters, whatever the encoding.
constexpr bool is_word_start(char c) noexcept {
    return is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 128;
}
constexpr bool is_word(char c) noexcept {
    return is_word_start(c) || is_digit(c) || c == '$';
}
/// ASCII only, as PostgreSQL folds names in UTF-8 databases.
constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
/// 0 .. 15, or -1.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// After the closing quote of a string: when white space with a newline in it (and `--` comments) and another quote
/// follow, the string goes on. Returns the byte after that quote, or null.
const char* continued_string(const char* at, const char* end) noexcept;

/// Skips white space and comments. Returns `end` inside an unterminated comment.
const char* skip_blank(const char* at, const char* end) noexcept;

/// The byte after a nested /* comment */ that starts at `at`, or null when it is not terminated.
const char* skip_comment(const char* at, const char* end) noexcept;

/// Equal without regard to ASCII case; `word` is lower case.
bool same_word(std::string_view text, std::string_view word) noexcept;

}  // namespace ringway::router::lexical
