#include "router/shape.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstring>

#include "router/lexical.hpp"

namespace ringway::router {
namespace {

using lexical::byte_class;

constexpr std::array<byte_class, 256> make_classes() {
    std::array<byte_class, 256> classes{};
    for (std::size_t i = 0; i != 256; ++i) {
        const char c = static_cast<char>(static_cast<unsigned char>(i));
        if (lexical::is_space(c)) classes[i] = byte_class::space;
        if (lexical::is_word_start(c)) classes[i] = byte_class::word;
        if (lexical::is_digit(c)) classes[i] = byte_class::digit;
    }
    classes['\''] = byte_class::quote;
    classes['"'] = byte_class::double_quote;
    classes['$'] = byte_class::dollar;
    classes['.'] = byte_class::dot;
    classes['-'] = byte_class::minus;
    classes['/'] = byte_class::slash;
    return classes;
}
constexpr auto classes = make_classes();

/// What a byte inside a word becomes: itself in lower case; 0 when it ends the word.
constexpr std::array<char, 256> make_word_bytes() {
    std::array<char, 256> bytes{};
    for (std::size_t i = 0; i != 256; ++i) {
        const char c = static_cast<char>(static_cast<unsigned char>(i));
        if (lexical::is_word(c)) bytes[i] = lexical::lower(c);
    }
    return bytes;
}
constexpr auto word_bytes = make_word_bytes();

constexpr char mark_of(literal_kind kind) {
    switch (kind) {
        case literal_kind::integer:
            return 'i';
        case literal_kind::decimal:
            return 'd';
        case literal_kind::string:
            return 's';
        case literal_kind::escape_string:
            return 'e';
        case literal_kind::dollar_string:
            return 'q';
        case literal_kind::bit_string:
            return 'b';
        case literal_kind::unicode_string:
            return 'u';
        case literal_kind::national_string:
            return 'n';
    }
    return 's';
}

/// How the inside of a quoted string reads.
struct quoting {
    bool backslash;  ///< a backslash takes the next byte with it
    bool doubled;    ///< two quotes stand for one
};

/// The bytes a normalized text can take at most: a one-digit number becomes two.
constexpr std::size_t room_for(std::size_t text) {
    return 2 * text + 16;
}

/// Buffers above this are given back when the next text does not need them.
constexpr std::size_t kept_bytes = 256 * 1024;

/// One pass over one text. Writes into a buffer of room_for(text.size()) bytes.
class scanner {
  public:
    scanner(std::string_view text, bool standard_strings, char* out, std::vector<literal>& literals)
        : begin_(text.data()),
          at_(text.data()),
          end_(text.data() + text.size()),
          out_begin_(out),
          out_(out),
          literals_(literals),
          standard_strings_(standard_strings) {}

    void run();
    std::size_t written() const { return static_cast<std::size_t>(out_ - out_begin_); }
    bool complete() const { return complete_; }

  private:
    char peek(std::ptrdiff_t ahead) const { return end_ - at_ > ahead ? at_[ahead] : '\0'; }
    void stop() {
        complete_ = false;
        at_ = end_;
    }
    void begin_token() {
        if (blank_ && out_ != out_begin_) *out_++ = ' ';
        blank_ = false;
        after_word_ = false;
    }
    void copy(std::ptrdiff_t bytes) {
        begin_token();
        std::memcpy(out_, at_, static_cast<std::size_t>(bytes));
        out_ += bytes;
        at_ += bytes;
    }
    void lift(literal_kind kind, const char* to);

    void word();
    bool prefixed_string();
    void string(const char* inside, literal_kind kind, quoting how);
    const char* end_of_string(const char* p, quoting how) const;
    void number();
    void dollar();
    void quoted_name();
    void line_comment();
    void block_comment();
    void hint(const char* body, const char* body_end);

    const char* begin_;
    const char* at_;
    const char* end_;
    char* out_begin_;
    char* out_;
    std::vector<literal>& literals_;
    bool standard_strings_;
    bool complete_ = true;
    bool blank_ = false;         ///< white space or a comment stood before the next token
    bool after_word_ = false;    ///< the last token was a word: a mark must not touch it
    bool unicode_name_ = false;  ///< a U&"name" occurred: a following UESCAPE literal decides what it means
};

void scanner::run() {
    while (at_ != end_) {
        switch (classes[static_cast<unsigned char>(*at_)]) {
            case byte_class::space:
                blank_ = true;
                ++at_;
                break;
            case byte_class::word:
                word();
                break;
            case byte_class::digit:
                number();
                break;
            case byte_class::quote:
                string(at_ + 1, literal_kind::string, {.backslash = !standard_strings_, .doubled = true});
                break;
            case byte_class::double_quote:
                quoted_name();
                break;
            case byte_class::dollar:
                dollar();
                break;
            case byte_class::dot:
                if (lexical::is_digit(peek(1))) {
                    number();
                } else {
                    copy(peek(1) == '.' ? 2 : 1);
                }
                break;
            case byte_class::minus:
                if (peek(1) == '-') {
                    line_comment();
                } else {
                    copy(1);
                }
                break;
            case byte_class::slash:
                if (peek(1) == '*') {
                    block_comment();
                } else {
                    copy(1);
                }
                break;
            case byte_class::other:
                copy(1);
                break;
        }
    }
}

/// Replaces the bytes from at_ up to `to` by the mark of a literal.
void scanner::lift(literal_kind kind, const char* to) {
    if (after_word_) blank_ = true;
    begin_token();
    *out_++ = '$';
    *out_++ = mark_of(kind);
    literals_.push_back({.offset = static_cast<std::uint32_t>(at_ - begin_),
                         .length = static_cast<std::uint32_t>(to - at_),
                         .kind = kind});
    at_ = to;
}

void scanner::word() {
    if (prefixed_string()) return;
    begin_token();
    const char* const first = out_;
    char folded = word_bytes[static_cast<unsigned char>(*at_)];
    do {
        *out_++ = folded;
        ++at_;
    } while (at_ != end_ && (folded = word_bytes[static_cast<unsigned char>(*at_)]) != '\0');
    after_word_ = true;
    if (unicode_name_ && std::string_view(first, static_cast<std::size_t>(out_ - first)) == "uescape")
        complete_ = false;
}

/// E'..', B'..', X'..', U&'..' and U&"..". N'..' is the word n and a plain string, as for the server.
bool scanner::prefixed_string() {
    const char prefix = lexical::lower(*at_);
    const char next = peek(1);
    if (next == '\'') {
        if (prefix == 'e') {
            string(at_ + 2, literal_kind::escape_string, {.backslash = true, .doubled = true});
            return true;
        }
        if (prefix == 'b' || prefix == 'x') {
            string(at_ + 2, literal_kind::bit_string, {.backslash = false, .doubled = false});
            return true;
        }
    }
    if (prefix == 'u' && next == '&') {
        if (peek(2) == '\'') {
            string(at_ + 3, literal_kind::unicode_string, {.backslash = false, .doubled = true});
            return true;
        }
        unicode_name_ = unicode_name_ || peek(2) == '"';
    }
    return false;
}

void scanner::string(const char* inside, literal_kind kind, quoting how) {
    const char* const to = end_of_string(inside, how);
    if (to == nullptr) {
        stop();
    } else {
        lift(kind, to);
    }
}

/// The byte after the closing quote, continuations on further lines included; null when there is none.
const char* scanner::end_of_string(const char* p, quoting how) const {
    while (p != end_) {
        if (*p == '\\' && how.backslash) {
            if (end_ - p < 2) return nullptr;
            p += 2;
        } else if (*p != '\'') {
            ++p;
        } else if (how.doubled && end_ - p > 1 && p[1] == '\'') {
            p += 2;
        } else {
            ++p;
            const char* const more = lexical::continued_string(p, end_);
            if (more == nullptr) return p;
            p = more;
        }
    }
    return nullptr;
}

/// Whether an integer fits int4: the server's grammar tells the two apart.
bool fits_int4(const char* from, const char* to) {
    while (from != to && *from == '0') ++from;
    constexpr std::string_view largest = "2147483647";
    const std::string_view digits(from, static_cast<std::size_t>(to - from));
    return digits.size() < largest.size() || (digits.size() == largest.size() && digits <= largest);
}

void scanner::number() {
    const char* p = at_;
    auto kind = literal_kind::integer;
    while (p != end_ && lexical::is_digit(*p)) ++p;
    if (p != end_ && *p == '.' && (end_ - p < 2 || p[1] != '.')) {  // 1..2 is 1, .., 2
        kind = literal_kind::decimal;
        ++p;
        while (p != end_ && lexical::is_digit(*p)) ++p;
    }
    if (p != end_ && lexical::lower(*p) == 'e') {
        const char* exponent = p + 1;
        if (exponent != end_ && (*exponent == '+' || *exponent == '-')) ++exponent;
        if (exponent != end_ && lexical::is_digit(*exponent)) {
            kind = literal_kind::decimal;
            p = exponent;
            while (p != end_ && lexical::is_digit(*p)) ++p;
        }
    }
    if (kind == literal_kind::integer && !fits_int4(at_, p)) kind = literal_kind::decimal;
    lift(kind, p);
}

/// $1, $tag$...$tag$, or a lone dollar, which no server accepts.
void scanner::dollar() {
    const char* p = at_ + 1;
    if (p != end_ && lexical::is_digit(*p)) {
        while (p != end_ && lexical::is_digit(*p)) ++p;
        copy(p - at_);
        return;
    }
    if (p != end_ && lexical::is_word_start(*p))
        while (p != end_ && *p != '$' && lexical::is_word(*p)) ++p;
    if (p == end_ || *p != '$') {
        complete_ = false;
        copy(1);
        return;
    }
    const std::string_view delimiter(at_, static_cast<std::size_t>(p + 1 - at_));
    const std::string_view rest(p + 1, static_cast<std::size_t>(end_ - p - 1));
    const auto close = rest.find(delimiter);
    if (close == rest.npos) {
        stop();
    } else {
        lift(literal_kind::dollar_string, rest.data() + close + delimiter.size());
    }
}

void scanner::quoted_name() {
    const char* p = at_ + 1;
    while (true) {
        p = static_cast<const char*>(std::memchr(p, '"', static_cast<std::size_t>(end_ - p)));
        if (p == nullptr) return stop();
        ++p;
        if (p == end_ || *p != '"') break;
        ++p;
    }
    copy(p - at_);
}

void scanner::line_comment() {
    while (at_ != end_ && !lexical::is_newline(*at_)) ++at_;
    blank_ = true;
}

void scanner::block_comment() {
    const char* const to = lexical::skip_comment(at_, end_);
    if (to == nullptr) return stop();
    const char* body = at_ + 2;
    const char* const body_end = to - 2;
    while (body < body_end && lexical::is_space(*body)) ++body;
    constexpr std::string_view name = "ringway:";
    if (body_end - body >= std::ssize(name) && lexical::same_word({body, name.size()}, name)) hint(body, body_end);
    blank_ = true;
    at_ = to;
}

/// Keeps a routing hint, with its white space folded.
void scanner::hint(const char* body, const char* body_end) {
    begin_token();
    *out_++ = '/';
    *out_++ = '*';
    bool blank = false;
    for (; body != body_end; ++body) {
        if (lexical::is_space(*body)) {
            blank = true;
        } else {
            if (blank) *out_++ = ' ';
            blank = false;
            *out_++ = *body;
        }
    }
    *out_++ = '*';
    *out_++ = '/';
}

}  // namespace

shape shape_lexer::scan(std::string_view text, bool standard_conforming_strings) {
    const std::size_t room = room_for(text.size());
    if (normalized_.size() < room) {
        normalized_.resize(room);
    } else if (normalized_.size() > kept_bytes && room <= kept_bytes) {
        normalized_ = std::string(room, '\0');
        std::vector<literal>().swap(literals_);
    }
    literals_.clear();
    const std::string_view readable = text.substr(0, text.find('\0'));  // where the server would stop
    scanner one(readable, standard_conforming_strings, normalized_.data(), literals_);
    one.run();
    const std::string_view normalized(normalized_.data(), one.written());
    return {.hash = XXH3_64bits(normalized.data(), normalized.size()),
            .normalized = normalized,
            .literals = literals_,
            .complete = one.complete() && readable.size() == text.size()};
}

}  // namespace ringway::router
