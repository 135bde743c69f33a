#include "router/mysql/shape.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <optional>

#include "router/mysql/lexer.hpp"

namespace ringway::router {

namespace {

using namespace mysql;

struct mark {
    literal_kind kind;
    char letter;
};

std::optional<mark> mark_of(token_kind kind) {
    switch (kind) {
        case token_kind::integer:
            return mark{literal_kind::integer, 'i'};
        case token_kind::decimal:
            return mark{literal_kind::decimal, 'd'};
        case token_kind::string:
            return mark{literal_kind::string, 's'};
        case token_kind::national:
            return mark{literal_kind::national_string, 'n'};
        case token_kind::bits:
            return mark{literal_kind::bit_string, 'b'};
        default:
            return std::nullopt;
    }
}

/// A literal takes two bytes and perhaps a blank on each side.
constexpr std::size_t room_for(std::size_t text) {
    return 4 * text + 16;
}
constexpr std::size_t kept_bytes = 256 * 1024;

/// Copies a hint with its white space folded.
char* copy_hint(std::string_view from, char* out) {
    bool blank = false;
    for (const char c : from) {
        if (is_space(c)) {
            blank = true;
            continue;
        }
        if (blank) *out++ = ' ';
        blank = false;
        *out++ = c;
    }
    return out;
}

/// One escape after its backslash.
char unescaped(char c) {
    switch (c) {
        case '0':
            return '\0';
        case 'b':
            return '\b';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        case 'Z':
            return '\x1a';
        default:
            return c;
    }
}

/// The bytes of a binary or hexadecimal literal, filled up with zeros from the left.
void bytes_of(std::string_view source, std::string& out) {
    const bool hex = lower(source[0]) == 'x' || (source[0] == '0' && source[1] == 'x');
    const bool quoted = source[0] != '0';
    const auto digits = source.substr(2, source.size() - (quoted ? 3 : 2));
    const std::size_t a_byte = hex ? 2 : 8;
    std::size_t held = (a_byte - digits.size() % a_byte) % a_byte;
    unsigned value = 0;
    for (const char c : digits) {
        const unsigned digit =
            is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>(lower(c) - 'a' + 10);
        value = value * (hex ? 16 : 2) + digit;
        if (++held != a_byte) continue;
        out += static_cast<char>(static_cast<unsigned char>(value));
        value = 0;
        held = 0;
    }
}

/// Undoes the inside of a string. `\%` and `\_` keep their backslash.
void undo_quotes(std::string_view inside, char quote, const mysql_modes& modes, std::string& out) {
    const char* p = inside.data();
    const char* const end = p + inside.size();
    while (p != end) {
        const auto length = character_length(p, end, modes.charset);
        if (length > 1) {
            out.append(p, length);
            p += length;
        } else if (*p == quote && end - p > 1) {
            out += quote;
            p += 2;
        } else if (*p == '\\' && !modes.no_backslash_escapes && end - p > 1) {
            if (p[1] == '%' || p[1] == '_') out += '\\';
            out += unescaped(p[1]);
            p += 2;
        } else {
            out += *p++;
        }
    }
}

}  // namespace

shape mysql_shape_lexer::scan(std::string_view text, const mysql_modes& modes) {
    const std::size_t room = room_for(text.size());
    if (normalized_.size() < room) {
        normalized_.resize(room);
    } else if (normalized_.size() > kept_bytes && room <= kept_bytes) {
        normalized_ = std::string(room, '\0');
        std::vector<literal>().swap(literals_);
    }
    literals_.clear();
    char* const begin = normalized_.data();
    char* out = begin;
    bool complete = !modes.oracle;
    bool touchy = false;  // the last token would run into a word or a mark
    lexer in(text, modes);
    for (auto found = in.next(); found.kind != token_kind::end; found = in.next()) {
        if (found.kind == token_kind::bad) {
            complete = false;
            break;
        }
        const auto lifted = mark_of(found.kind);
        const bool sticks = lifted || found.kind == token_kind::word;
        if (out != begin && (found.blank || (touchy && sticks))) *out++ = ' ';
        touchy = sticks || found.kind == token_kind::user_variable;
        const char* const source = text.data() + found.offset;
        if (lifted) {
            *out++ = '$';
            *out++ = lifted->letter;
            literals_.push_back({found.offset, found.length, lifted->kind});
            continue;
        }
        if (found.kind == token_kind::hint) {
            out = copy_hint({source, found.length}, out);
            continue;
        }
        if (found.kind == token_kind::word && *source == '$') complete = false;  // could be taken for a mark
        std::memcpy(out, source, found.length);
        out += found.length;
    }
    const std::string_view normalized(begin, static_cast<std::size_t>(out - begin));
    return {.hash = XXH3_64bits(normalized.data(), normalized.size()),
            .normalized = normalized,
            .literals = literals_,
            .complete = complete};
}

std::string_view mysql_literal_view(std::string_view text, const literal& what, const mysql_modes& modes,
                                    std::string& scratch) {
    auto source = text.substr(what.offset, what.length);
    if (what.kind == literal_kind::integer || what.kind == literal_kind::decimal) return source;
    if (what.kind == literal_kind::bit_string) {
        scratch.clear();
        bytes_of(source, scratch);
        return scratch;
    }
    if (what.kind == literal_kind::national_string) source.remove_prefix(1);
    const auto inside = source.substr(1, source.size() - 2);
    const bool as_written =
        inside.find(source.front()) == inside.npos && (modes.no_backslash_escapes || inside.find('\\') == inside.npos);
    if (as_written) return inside;
    scratch.clear();
    undo_quotes(inside, source.front(), modes, scratch);
    return scratch;
}

std::string mysql_literal_value(std::string_view text, const literal& what, const mysql_modes& modes) {
    std::string scratch;
    return std::string(mysql_literal_view(text, what, modes, scratch));
}

}  // namespace ringway::router
