// The values of literals: what the server's lexer makes of them.

#include <cstring>

#include "router/lexical.hpp"
#include "router/shape.hpp"

namespace ringway::router {
namespace {

/// Value of the hexadecimal digits at `at`, exactly `count` of them; -1 when there are fewer.
std::int64_t hex_digits(const char* at, const char* end, int count) {
    if (end - at < count) return -1;
    std::int64_t value = 0;
    for (int i = 0; i != count; ++i) {
        const int digit = lexical::hex_value(at[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | ((code >> 18) & 0x07));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

/// Joins surrogate pairs written as two escapes.
class code_points {
  public:
    explicit code_points(std::string& out) : out_(out) {}
    void add(std::uint32_t code) {
        if (code >= 0xD800 && code < 0xDC00) {
            high_ = code;
        } else if (code >= 0xDC00 && code < 0xE000 && high_ != 0) {
            append_utf8(out_, 0x10000 + ((high_ & 0x3FF) << 10) + (code & 0x3FF));
            high_ = 0;
        } else {
            append_utf8(out_, code);
        }
    }

  private:
    std::string& out_;
    std::uint32_t high_ = 0;
};

/// One escape of E'..' after its backslash. Returns the byte after it.
const char* unescape(const char* p, const char* end, std::string& out, code_points& points) {
    const char c = *p++;
    switch (c) {
        case 'b':
            out += '\b';
            return p;
        case 'f':
            out += '\f';
            return p;
        case 'n':
            out += '\n';
            return p;
        case 'r':
            out += '\r';
            return p;
        case 't':
            out += '\t';
            return p;
        case 'u':
        case 'U': {
            const int digits = c == 'u' ? 4 : 8;
            const auto code = hex_digits(p, end, digits);
            if (code < 0 || code > 0x10FFFF) break;
            points.add(static_cast<std::uint32_t>(code));
            return p + digits;
        }
        case 'x': {
            auto value = hex_digits(p, end, 1);
            if (value < 0) break;
            const auto two = hex_digits(p, end, 2);
            if (two >= 0) value = two;
            out += static_cast<char>(static_cast<unsigned char>(value));
            return p + (two >= 0 ? 2 : 1);
        }
        default:
            break;
    }
    if (!lexical::is_octal(c)) {
        out += c;
        return p;
    }
    int value = c - '0';
    for (int i = 0; i != 2 && p != end && lexical::is_octal(*p); ++i) value = value * 8 + (*p++ - '0');
    out += static_cast<char>(static_cast<unsigned char>(value & 0xFF));
    return p;
}

/// One escape of U&'..' after its escape character. Returns the byte after it.
const char* unescape_unicode(const char* p, const char* end, char escape, std::string& out, code_points& points) {
    if (p != end && *p == escape) {
        out += escape;
        return p + 1;
    }
    const bool six = p != end && *p == '+';
    const char* const digits = six ? p + 1 : p;
    const auto code = hex_digits(digits, end, six ? 6 : 4);
    if (code < 0 || code > 0x10FFFF) {
        out += escape;
        return p;
    }
    points.add(static_cast<std::uint32_t>(code));
    return digits + (six ? 6 : 4);
}

/// The escape character of a U&'..' literal that ends at `at`: of a following UESCAPE 'c', else a backslash.
char escape_character(const char* at, const char* end) {
    constexpr std::string_view word = "uescape";
    at = lexical::skip_blank(at, end);
    if (end - at <= std::ssize(word) || !lexical::same_word({at, word.size()}, word)) return '\\';
    at = lexical::skip_blank(at + word.size(), end);
    return end - at > 2 && at[0] == '\'' && at[2] == '\'' ? at[1] : '\\';
}

/// Undoes the inside of a quoted string, from its opening quote to the end of the literal, continuations included.
void undo_quotes(const char* p, const char* end, literal_kind kind, bool backslash, char escape, std::string& out) {
    code_points points(out);
    while (p != end) {
        const char c = *p++;
        if (c == '\'') {
            if (p == end) return;
            if (*p == '\'' && kind != literal_kind::bit_string) {
                out += '\'';
                ++p;
            } else {
                p = lexical::continued_string(p, end);
                if (p == nullptr) return;
            }
        } else if (c == '\\' && backslash && p != end) {
            p = unescape(p, end, out, points);
        } else if (kind == literal_kind::unicode_string && c == escape) {
            p = unescape_unicode(p, end, escape, out, points);
        } else {
            out += c;
        }
    }
}

std::string_view dollar_inside(std::string_view source) {
    const auto delimiter = source.find('$', 1) + 1;
    return source.substr(delimiter, source.size() - 2 * delimiter);
}

}  // namespace

std::string_view literal_view(std::string_view text, const literal& what, bool standard_conforming_strings,
                              std::string& scratch) {
    const std::string_view source = text.substr(what.offset, what.length);
    if (what.kind == literal_kind::integer || what.kind == literal_kind::decimal) return source;
    if (what.kind == literal_kind::dollar_string) return dollar_inside(source);

    const bool backslash =
        what.kind == literal_kind::escape_string || (what.kind == literal_kind::string && !standard_conforming_strings);
    const auto open = source.find('\'') + 1;
    const std::string_view inside = source.substr(open, source.size() - open - 1);
    const bool unicode = what.kind == literal_kind::unicode_string;
    const bool as_written =
        inside.find('\'') == inside.npos && !unicode && (!backslash || inside.find('\\') == inside.npos);
    if (as_written) return inside;

    const char* const end = source.data() + source.size();
    const char escape = unicode ? escape_character(end, text.data() + text.size()) : '\\';
    scratch.clear();
    undo_quotes(inside.data(), end, what.kind, backslash, escape, scratch);
    return scratch;
}

std::string literal_value(std::string_view text, const literal& what, bool standard_conforming_strings) {
    std::string scratch;
    return std::string(literal_view(text, what, standard_conforming_strings, scratch));
}

}  // namespace ringway::router
