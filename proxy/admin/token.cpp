#include "proxy/admin/token.hpp"

#include <algorithm>

namespace ringway::proxy::admin {

namespace {

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_symbol(char c) {
    return c == ';' || c == ',' || c == '(' || c == ')' || c == '=';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
char to_upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

/// Length of an opening dollar quote ($$ or $tag$) at the front; 0: none.
std::size_t dollar_quote(std::string_view text) {
    if (text.empty() || text[0] != '$') return 0;
    std::size_t at = 1;
    while (at < text.size() && (is_letter(text[at]) || (at > 1 && is_digit(text[at])))) ++at;
    return at < text.size() && text[at] == '$' ? at + 1 : 0;
}

/// Length of a /* comment */ at the front, nested as in SQL; npos when it is never closed.
std::size_t block_comment(std::string_view text) {
    std::size_t at = 2;
    for (int depth = 1; depth > 0; ++at) {
        if (at + 1 >= text.size()) return std::string_view::npos;
        const auto two = text.substr(at, 2);
        if (two != "/*" && two != "*/") continue;
        depth += two == "/*" ? 1 : -1;
        ++at;
    }
    return at;
}

/// Reads a quoted text whose doubled quote stands for one; returns its length with the quotes, npos when it is never
/// closed.
std::size_t quoted(std::string_view text, std::string& out) {
    const char quote = text[0];
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] != quote) {
            out.push_back(text[at]);
        } else if (at + 1 < text.size() && text[at + 1] == quote) {
            out.push_back(quote);
            ++at;
        } else {
            return at + 1;
        }
    }
    return std::string_view::npos;
}

/// Reads the token at the front of `text`, which is neither a space nor a comment; returns its length.
std::size_t read_token(std::string_view text, token& out) {
    using kind = token::kind;
    std::size_t length = 1;
    if (is_symbol(text[0])) {
        out.what = kind::symbol;
        out.text = text.substr(0, 1);
    } else if (text[0] == '\'' || text[0] == '"') {
        out.what = text[0] == '"' ? kind::identifier : kind::string;
        length = quoted(text, out.text);
    } else if (const auto open = dollar_quote(text)) {
        out.what = kind::string;
        const auto close = text.find(text.substr(0, open), open);
        if (close == std::string_view::npos) {
            length = close;
        } else {
            out.text = text.substr(open, close - open);
            length = close + open;
        }
    } else {
        const auto ends = [](char c) { return is_space(c) || is_symbol(c) || c == '\'' || c == '"'; };
        length = static_cast<std::size_t>(std::find_if(text.begin(), text.end(), ends) - text.begin());
        out.text = text.substr(0, length);
    }
    if (length == std::string_view::npos) out.what = kind::unfinished;
    return std::min(length, text.size());
}

}  // namespace

std::vector<token> tokens_of(std::string_view text) {
    std::vector<token> all;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto rest = text.substr(at);
        if (is_space(rest[0])) {
            ++at;
        } else if (rest.starts_with("--")) {
            const auto end = rest.find('\n');
            at = end == std::string_view::npos ? text.size() : at + end;
        } else if (rest.starts_with("/*") && block_comment(rest) != std::string_view::npos) {
            at += block_comment(rest);
        } else {
            token next;
            next.offset = static_cast<std::uint32_t>(at);
            if (rest.starts_with("/*")) {
                next.what = token::kind::unfinished;
                at = text.size();
            } else {
                at += read_token(rest, next);
            }
            all.push_back(std::move(next));
        }
    }
    return all;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), to_lower);
    return out;
}

std::string upper_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), to_upper);
    return out;
}

bool same_word(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return to_lower(x) == to_lower(y); });
}

}  // namespace ringway::proxy::admin
