#include "router/mysql/lexer.hpp"

#include <array>
#include <cstring>

#include "router/lexical.hpp"

namespace ringway::router::mysql {

namespace {

using byte = unsigned char;

constexpr std::array<bool, 256> make_word_bytes() {
    std::array<bool, 256> out{};
    for (std::size_t i = 0; i != out.size(); ++i) out[i] = is_word(static_cast<char>(static_cast<byte>(i)));
    return out;
}
constexpr auto word_bytes = make_word_bytes();

/// is_word, for inner loops.
bool in_word(char c) noexcept {
    return word_bytes[static_cast<byte>(c)];
}

constexpr bool within(char c, int from, int to) noexcept {
    const auto b = static_cast<byte>(c);
    return b >= from && b <= to;
}
constexpr bool is_hex(char c) noexcept {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

/// Operators of more than one byte, the longer first.
constexpr std::array<std::string_view, 14> long_symbols{"<=>", "->>", "<=", ">=", "<>", "!=", "<<",
                                                        ">>",  ":=",  "&&", "||", "->", "@@", "\\N"};

constexpr std::string_view hint_name = "ringway:";

/// The byte after a comment's end; `p` stands after its start. Within a skipped executable comment there may be plain
/// ones.
const char* end_of_comment(const char* p, const char* end, bool nested) noexcept {
    while (end - p >= 2) {
        if (p[0] == '*' && p[1] == '/') return p + 2;
        if (nested && p[0] == '/' && p[1] == '*') {
            p = end_of_comment(p + 2, end, false);
            if (p == nullptr) return nullptr;
        } else {
            ++p;
        }
    }
    return nullptr;
}

/// Digits of the version after /*! or /*M!; 0 when there is none. `length` of them.
std::uint32_t version_at(const char* p, const char* end, const mysql_modes& modes, int& length) noexcept {
    int digits = 0;
    while (digits < 6 && p + digits != end && is_digit(p[digits])) ++digits;
    const bool six = modes.mariadb || modes.version >= 80000;
    length = digits < 5 ? 0 : digits == 6 && six ? 6 : 5;
    std::uint32_t version = 0;
    for (int i = 0; i < length; ++i) version = version * 10 + static_cast<std::uint32_t>(p[i] - '0');
    return version;
}

/// MariaDB skips what is meant for MySQL 5.7 and later.
bool runs(std::uint32_t version, bool for_mariadb, const mysql_modes& modes) noexcept {
    if (version > modes.version) return false;
    return !modes.mariadb || for_mariadb || version < 50700 || version > 99999;
}

}  // namespace

std::size_t character_length(const char* p, const char* end, mysql_charset charset) noexcept {
    if (charset == mysql_charset::plain || static_cast<signed char>(*p) >= 0 || end - p < 2) return 1;
    switch (charset) {
        case mysql_charset::gbk:
            return within(p[0], 0x81, 0xfe) && (within(p[1], 0x40, 0x7e) || within(p[1], 0x80, 0xfe)) ? 2 : 1;
        case mysql_charset::sjis:
        case mysql_charset::cp932:
            return (within(p[0], 0x81, 0x9f) || within(p[0], 0xe0, 0xfc)) &&
                           (within(p[1], 0x40, 0x7e) || within(p[1], 0x80, 0xfc))
                       ? 2
                       : 1;
        case mysql_charset::big5:
            return within(p[0], 0xa1, 0xf9) && (within(p[1], 0x40, 0x7e) || within(p[1], 0xa1, 0xfe)) ? 2 : 1;
        case mysql_charset::gb18030:
            if (!within(p[0], 0x81, 0xfe)) return 1;
            if (within(p[1], 0x40, 0x7e) || within(p[1], 0x80, 0xfe)) return 2;
            return end - p >= 4 && within(p[1], 0x30, 0x39) && within(p[2], 0x81, 0xfe) && within(p[3], 0x30, 0x39) ? 4
                                                                                                                    : 1;
        case mysql_charset::plain:
            break;
    }
    return 1;
}

const char* end_of_string(const char* p, const char* end, char quote, const mysql_modes& modes) noexcept {
    while (p != end) {
        if (*p == quote) {
            ++p;
            if (p == end || *p != quote) return p;
            ++p;
        } else if (*p == '\\' && !modes.no_backslash_escapes) {
            if (end - p < 2) return nullptr;
            p += 2;
        } else {
            p += character_length(p, end, modes.charset);
        }
    }
    return nullptr;
}

const char* end_of_name(const char* p, const char* end, char quote, mysql_charset charset) noexcept {
    while (p != end && *p != '\0') {
        if (*p == quote) {
            ++p;
            if (p == end || *p != quote) return p;
            ++p;
        } else {
            p += character_length(p, end, charset);
        }
    }
    return nullptr;
}

token lexer::made(token_kind kind, const char* from, const char* to) {
    token out{kind, blank_, false, static_cast<std::uint32_t>(from - begin_), static_cast<std::uint32_t>(to - from)};
    blank_ = false;
    after_dot_ = false;
    dotted_word_ = false;
    at_ = to;
    return out;
}

token lexer::bad() {
    const char* const from = at_;
    return made(token_kind::bad, from, end_);
}

token lexer::next() {
    while (at_ != end_) {
        const char c = *at_;
        if (is_space(c)) {
            blank_ = true;
            after_dot_ = false;
            ++at_;
            continue;
        }
        if (in_word(c)) return is_digit(c) && !after_dot_ ? number() : word(after_dot_);
        switch (c) {
            case '\'':
                return text(token_kind::string, at_ + 1);
            case '"':
                return modes_.ansi_quotes ? quoted_name(at_ + 1, token_kind::quoted_name)
                                          : text(token_kind::string, at_ + 1);
            case '`':
                return quoted_name(at_ + 1, token_kind::quoted_name);
            case '@':
                return at_sign();
            case '.':
                if (end_ - at_ > 1 && is_digit(at_[1]) && !dotted_word_) return real(at_ + 1);
                return symbol();
            case '?':
                return made(token_kind::parameter, at_, at_ + 1);
            default:
                break;
        }
        if (c == '-' || c == '/' || c == '#' || c == '*') {
            token found;
            if (comment(found)) {
                if (found.kind != token_kind::end) return found;
                continue;
            }
        }
        return symbol();
    }
    if (in_comment_) return bad();
    return made(token_kind::end, at_, at_);
}

/// Steps over a comment, or what begins or ends an executable one (then `out` is that). False: there is none here.
bool lexer::comment(token& out) {
    const auto peek = [this](std::ptrdiff_t n) { return end_ - at_ > n ? at_[n] : '\0'; };
    const char c = *at_;
    const bool dashes =
        c == '-' && peek(1) == '-' && (is_space(peek(2)) || static_cast<byte>(peek(2)) < 32 || peek(2) == 127);
    if (c == '#' || dashes) {
        while (at_ != end_ && *at_ != '\n' && *at_ != '\0') ++at_;
        blank_ = true;
        after_dot_ = false;
        return true;
    }
    if (c == '*' && peek(1) == '/' && in_comment_) {
        in_comment_ = false;
        out = made(token_kind::comment_close, at_, at_ + 2);
        blank_ = true;
        return true;
    }
    if (c != '/' || peek(1) != '*') return false;
    const bool for_mariadb = modes_.mariadb && peek(2) == 'M' && peek(3) == '!';
    if (for_mariadb || peek(2) == '!') {
        const char* const inside = at_ + (for_mariadb ? 4 : 3);
        int digits = 0;
        const auto version = version_at(inside, end_, modes_, digits);
        if (digits == 0 || runs(version, for_mariadb, modes_)) {
            in_comment_ = true;
            out = made(token_kind::comment_open, at_, inside + digits);
            blank_ = true;
            return true;
        }
        const char* const to = end_of_comment(inside + digits, end_, true);
        if (to == nullptr) {
            out = bad();
            return true;
        }
        at_ = to;
    } else {
        const char* const to = end_of_comment(at_ + 2, end_, false);
        if (to == nullptr) {
            out = bad();
            return true;
        }
        const char* body = at_ + 2;
        while (body < to - 2 && is_space(*body)) ++body;
        if (to - 2 - body >= std::ssize(hint_name) && lexical::same_word({body, hint_name.size()}, hint_name)) {
            out = made(token_kind::hint, at_, to);
            blank_ = true;
            return true;
        }
        at_ = to;
    }
    blank_ = true;
    after_dot_ = false;
    return true;
}

token lexer::word(bool after_dot) {
    const char* const from = at_;
    if (end_ - at_ > 1 && at_[1] == '\'' && !after_dot) {
        const char prefix = lower(*at_);
        if (prefix == 'n') return text(token_kind::national, at_ + 2);
        if (prefix == 'x' || prefix == 'b') {
            const char* p = at_ + 2;
            while (p != end_ && (prefix == 'x' ? is_hex(*p) : *p == '0' || *p == '1')) ++p;
            if (p == end_ || *p != '\'' || (prefix == 'x' && (p - at_) % 2 != 0)) return bad();
            return made(token_kind::bits, at_, p + 1);
        }
    }
    const char* p = at_;
    if (modes_.charset == mysql_charset::plain) {
        do ++p;
        while (p != end_ && in_word(*p));
    } else {
        while (p != end_ && in_word(*p)) p += character_length(p, end_, modes_.charset);
    }
    const bool dot_follows = end_ - p > 1 && p[0] == '.' && in_word(p[1]);
    auto out = made(token_kind::word, from, p);
    out.plain_name = after_dot || dot_follows;
    dotted_word_ = dot_follows;
    return out;
}

/// A number, or a name that begins with digits.
token lexer::number() {
    const char* p = at_;
    if (*p == '0' && end_ - p > 1 && (p[1] == 'x' || p[1] == 'b')) {
        const bool hex = p[1] == 'x';
        const char* q = p + 2;
        while (q != end_ && (hex ? is_hex(*q) : *q == '0' || *q == '1')) ++q;
        if (q - p >= 3 && (q == end_ || !in_word(*q))) return made(token_kind::bits, at_, q);
        return word(false);
    }
    while (p != end_ && is_digit(*p)) ++p;
    if (p != end_ && lower(*p) == 'e') {
        const char* q = p + 1;
        if (q != end_ && (*q == '+' || *q == '-')) ++q;
        if (q != end_ && is_digit(*q)) {
            while (q != end_ && is_digit(*q)) ++q;
            return made(token_kind::decimal, at_, q);
        }
    }
    if (p != end_ && in_word(*p)) return word(false);
    if (p != end_ && *p == '.') return real(p + 1);
    const char* digits = at_;
    while (digits != p && *digits == '0') ++digits;
    constexpr std::string_view largest = "18446744073709551615";
    const std::string_view value(digits, static_cast<std::size_t>(p - digits));
    const bool fits = value.size() < largest.size() || (value.size() == largest.size() && value <= largest);
    return made(fits ? token_kind::integer : token_kind::decimal, at_, p);
}

/// What follows a number's point.
token lexer::real(const char* p) {
    while (p != end_ && is_digit(*p)) ++p;
    if (p != end_ && lower(*p) == 'e') {
        const char* q = p + 1;
        if (q != end_ && (*q == '+' || *q == '-')) ++q;
        if (q == end_ || !is_digit(*q)) return bad();
        while (q != end_ && is_digit(*q)) ++q;
        p = q;
    }
    return made(token_kind::decimal, at_, p);
}

token lexer::text(token_kind kind, const char* inside) {
    const char* const to = end_of_string(inside, end_, inside[-1], modes_);
    return to == nullptr ? bad() : made(kind, at_, to);
}

token lexer::quoted_name(const char* inside, token_kind kind) {
    const char* const to = end_of_name(inside, end_, inside[-1], modes_.charset);
    return to == nullptr ? bad() : made(kind, at_, to);
}

token lexer::at_sign() {
    const char next = end_ - at_ > 1 ? at_[1] : '\0';
    if (next == '@') return symbol();
    if (next == '`' || (next == '"' && modes_.ansi_quotes)) return quoted_name(at_ + 2, token_kind::user_variable);
    if (next == '\'' || next == '"') return text(token_kind::user_variable, at_ + 2);
    const char* p = at_ + 1;
    while (p != end_ && (in_word(*p) || *p == '.')) ++p;
    return made(token_kind::user_variable, at_, p);
}

token lexer::symbol() {
    const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
    const char* const from = at_;
    const char c = *from;
    if (static_cast<byte>(c) < 33 || c == 127) return bad();
    if (c == '.') {
        const auto out = made(token_kind::symbol, from, from + 1);
        after_dot_ = rest.size() > 1 && in_word(rest[1]);
        return out;
    }
    if (rest.size() > 1 && (rest[1] == 'N' || !in_word(rest[1])) && !is_space(rest[1]))
        for (const auto each : long_symbols)
            if (rest.starts_with(each)) return made(token_kind::symbol, from, from + each.size());
    return made(token_kind::symbol, from, from + 1);
}

}  // namespace ringway::router::mysql
