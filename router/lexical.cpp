#include "router/lexical.hpp"

namespace ringway::router::lexical {

const char* continued_string(const char* at, const char* end) noexcept {
    bool newline = false;
    while (at != end) {
        if (is_space(*at)) {
            newline = newline || is_newline(*at);
            ++at;
        } else if (*at == '-' && end - at > 1 && at[1] == '-') {
            while (at != end && !is_newline(*at)) ++at;
        } else {
            return newline && *at == '\'' ? at + 1 : nullptr;
        }
    }
    return nullptr;
}

const char* skip_comment(const char* at, const char* end) noexcept {
    std::size_t depth = 1;
    at += 2;
    while (end - at > 1) {
        if (at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0) return at;
        } else if (at[0] == '/' && at[1] == '*') {
            at += 2;
            ++depth;
        } else {
            ++at;
        }
    }
    return nullptr;
}

const char* skip_blank(const char* at, const char* end) noexcept {
    while (at != end) {
        if (is_space(*at)) {
            ++at;
        } else if (*at == '-' && end - at > 1 && at[1] == '-') {
            while (at != end && !is_newline(*at)) ++at;
        } else if (*at == '/' && end - at > 1 && at[1] == '*') {
            at = skip_comment(at, end);
            if (at == nullptr) return end;
        } else {
            return at;
        }
    }
    return end;
}

bool same_word(std::string_view text, std::string_view word) noexcept {
    if (text.size() != word.size()) return false;
    for (std::size_t i = 0; i != text.size(); ++i)
        if (lower(text[i]) != word[i]) return false;
    return true;
}

}  // namespace ringway::router::lexical
