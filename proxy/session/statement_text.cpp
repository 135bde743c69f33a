#include "proxy/session/statement_text.hpp"

#include <algorithm>

namespace ringway::proxy {

std::string text_for_log(std::string_view text, std::string_view shape) {
    constexpr std::size_t longest = 2000;
    const auto names = [&](std::string_view word) {
        return std::search(text.begin(), text.end(), word.begin(), word.end(),
                           [](char a, char b) { return (a | 0x20) == b; }) != text.end();
    };
    std::string shown(names("password") || names("identified") ? shape : text);
    if (shown.empty()) shown = "(a statement that may hold a password)";
    if (shown.size() > longest) shown = shown.substr(0, longest) + " ...";
    std::replace_if(shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    return shown;
}

}  // namespace ringway::proxy
