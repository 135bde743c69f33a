// Texts, bytes and times as MySQL's keys.

#include <algorithm>

#include "router/key_parts.hpp"
#include "router/lexical.hpp"
#include "router/mysql/key_value.hpp"
#include "router/mysql/lexer.hpp"

namespace ringway::router::mysql {

namespace {

using kind = parameter_kind;

bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}
bool is_ascii(char c) {
    return static_cast<unsigned char>(c) < 0x80;
}

/// Characters of a text in UTF-8 with none longer than `widest` bytes; npos: it is none.
std::size_t characters_of(std::string_view text, std::uint8_t widest) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++count) {
        const auto first = static_cast<unsigned char>(text[i]);
        const std::size_t size = first < 0x80                    ? 1
                                 : first >= 0xC2 && first < 0xE0 ? 2
                                 : first >= 0xE0 && first < 0xF0 ? 3
                                 : first >= 0xF0 && first < 0xF5 ? 4
                                                                 : 0;
        if (size == 0 || i + size > text.size() || (size > 1 && size > widest)) return std::string_view::npos;
        for (std::size_t k = 1; k < size; ++k)
            if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return std::string_view::npos;
        const auto second = size > 1 ? static_cast<unsigned char>(text[i + 1]) : 0u;
        const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
        const bool beyond = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
        if (overlong || beyond) return std::string_view::npos;
        i += size;
    }
    return count;
}

/// \x and two digits a byte, as PostgreSQL writes it.
bool write_hex(std::string_view bytes, std::size_t zeros, canonical_key& out) {
    static constexpr char digits[] = "0123456789abcdef";
    char* at = key_parts::room(out, 2 + 2 * (bytes.size() + zeros));
    *at++ = '\\';
    *at++ = 'x';
    for (const char each : bytes) {
        *at++ = digits[static_cast<unsigned char>(each) >> 4];
        *at++ = digits[static_cast<unsigned char>(each) & 15];
    }
    std::fill_n(at, 2 * zeros, '0');
    return true;
}

bool is_digits_at(std::string_view text, std::size_t from, std::size_t count) {
    return from + count <= text.size() &&
           std::all_of(text.begin() + static_cast<std::ptrdiff_t>(from),
                       text.begin() + static_cast<std::ptrdiff_t>(from + count), is_digit);
}

/// 2020-02-29
bool is_plain_date(std::string_view text) {
    return text.size() >= 10 && is_digits_at(text, 0, 4) && text[4] == '-' && is_digits_at(text, 5, 2) &&
           text[7] == '-' && is_digits_at(text, 8, 2);
}

/// 12:30:00, with up to six digits of a fraction.
bool is_plain_time(std::string_view text) {
    if (text.size() < 8 || !is_digits_at(text, 0, 2) || text[2] != ':' || !is_digits_at(text, 3, 2) || text[5] != ':' ||
        !is_digits_at(text, 6, 2))
        return false;
    if (text.substr(0, 2) > "23" || text.substr(3, 2) > "59" || text.substr(6, 2) > "59") return false;
    const auto fraction = text.substr(8);
    return fraction.empty() || (fraction.front() == '.' && fraction.size() > 1 && fraction.size() <= 7 &&
                                is_digits_at(fraction, 1, fraction.size() - 1));
}

}  // namespace

std::string map_text(std::string_view text, bool folds) {
    std::string out(text.substr(0, text.find_last_not_of(' ') + 1));
    if (folds) std::transform(out.begin(), out.end(), out.begin(), lexical::lower);
    return out;
}

/// What the collation calls equal has one text: without trailing blanks, and where case does not count in small
/// letters, of ASCII only. Where a collation tells blanks or cases apart, keys merely share their place.
bool text_key(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    const auto& column = recipe.mysql;
    auto text = given.text;
    const bool is_text = given.what == kind::text;
    const bool number = given.what == kind::integer && recipe.rows;  // stored as its text
    if (!is_text && given.what != kind::bytes && !number) return false;
    if (number && !key_parts::numeric_from_text(text, false, key_parts::scale::minimal, out)) return false;
    if (number) text = out.text;
    text = text.substr(0, text.find_last_not_of(' ') + 1);
    const bool ascii = std::all_of(text.begin(), text.end(), is_ascii);
    const bool printable = ascii && std::all_of(text.begin(), text.end(), is_printable);
    if ((column.folds_case || !is_text) && !printable) return false;
    if (!ascii && (column.ascii_only || given.widest == 0)) return false;
    const auto size = characters_of(text, std::min(given.widest, column.scale));
    if (size == std::string_view::npos || (recipe.rows && size > column.length)) return false;
    char* const at = key_parts::room(out, text.size());
    std::transform(text.begin(), text.end(), at, [&](char c) { return column.folds_case ? lexical::lower(c) : c; });
    return true;
}

bool binary_key(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    const auto& column = recipe.mysql;
    if (given.what != kind::text && given.what != kind::bytes) return false;
    if (given.what == kind::text && characters_of(given.text, given.widest) == std::string_view::npos) return false;
    const auto size = given.text.size();
    if (size > column.length) return !recipe.rows && write_hex(given.text, 0, out);
    return write_hex(given.text, column.padded ? column.length - size : 0, out);
}

bool time_key(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    if (given.what != kind::text && given.what != kind::date && given.what != kind::datetime) return false;
    const auto text = given.text;
    if (!is_plain_date(text)) return false;
    const auto rest = text.substr(10);
    const bool timed = !rest.empty();
    if (timed && (rest.size() < 9 || (rest.front() != ' ' && rest.front() != 'T') || !is_plain_time(rest.substr(1))))
        return false;
    if (given.what == kind::date && timed) return false;
    if (recipe.type == key_type::date) {
        if (timed && rest.substr(1).find_first_not_of("0:.") != std::string_view::npos) return false;
        return canonical_from_text(key_type::date, text.substr(0, 10), out);
    }
    if (!canonical_from_text(key_type::timestamp, text, out)) return false;
    const auto dot = out.text.find('.');
    return dot == std::string_view::npos || out.text.size() - dot - 1 <= recipe.mysql.scale;
}

}  // namespace ringway::router::mysql
