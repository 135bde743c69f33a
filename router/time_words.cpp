#include "router/time_words.hpp"

#include <algorithm>
#include <string_view>

namespace ringway::router {

bool names_time(const values& with) {
    static constexpr std::string_view words[] = {"now", "today", "tomorrow", "yesterday"};
    const auto names = [](std::string_view value) {
        while (!value.empty() && (value.front() == ' ' || value.front() == '\'')) value.remove_prefix(1);
        return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) {
            if (value.size() < word.size()) return false;
            const auto after = value.size() > word.size() ? value[word.size()] : ' ';
            return std::equal(word.begin(), word.end(), value.begin(),
                              [](char a, char b) { return a == (b | 0x20); }) &&
                   (after == ' ' || after == '\'' || after == '\t');
        });
    };
    return std::any_of(with.literals.begin(), with.literals.end(),
                       [&](const literal& each) { return names(with.text.substr(each.offset, each.length)); }) ||
           std::any_of(with.parameters.begin(), with.parameters.end(),
                       [&](const parameter& each) { return !each.is_null && names(each.bytes); });
}

}  // namespace ringway::router
