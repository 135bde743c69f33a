#include "protocol/postgres/decimal.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ringway::protocol::postgres {

namespace {

/// Decimal digits without a sign; `whole` of them stand before the point.
struct parts {
    bool negative = false;
    std::string digits;
    std::size_t whole = 0;
    std::size_t scale() const { return digits.size() - whole; }
};

bool is_special(std::string_view text) {
    return text == "NaN" || text == "Infinity" || text == "-Infinity";
}

std::optional<parts> read(std::string_view text) {
    parts out;
    out.negative = text.starts_with('-');
    if (out.negative) text.remove_prefix(1);
    const auto point = text.find('.');
    out.whole = std::min(point, text.size());
    out.digits = text.substr(0, out.whole);
    if (point != std::string_view::npos) out.digits += text.substr(point + 1);
    const bool all = std::all_of(out.digits.begin(), out.digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (out.digits.empty() || out.whole == 0 || !all) return std::nullopt;
    return out;
}

void align(parts& one, std::size_t whole, std::size_t scale) {
    one.digits.append(scale - one.scale(), '0');
    one.digits.insert(0, whole - one.whole, '0');
    one.whole = whole;
}

std::string text_of(const parts& from) {
    const auto first = std::min(from.digits.find_first_not_of('0'), from.whole - 1);
    const bool zero = from.digits.find_first_not_of('0') == std::string::npos;
    std::string out = from.negative && !zero ? "-" : "";
    out.append(from.digits, first, from.whole - first);
    if (from.scale() > 0) out.append(".").append(from.digits, from.whole);
    return out;
}

void append16(std::string& to, std::size_t value) {
    to += static_cast<char>(value >> 8 & 0xFF);
    to += static_cast<char>(value & 0xFF);
}

}  // namespace

std::optional<std::string> add_decimals(std::string_view a, std::string_view b) {
    if (is_special(a) || is_special(b)) {
        const auto other = is_special(a) ? b : a;
        if (!is_special(other)) return read(other) ? std::optional<std::string>(is_special(a) ? a : b) : std::nullopt;
        return a == b ? std::string(a) : "NaN";
    }
    auto one = read(a), two = read(b);
    if (!one || !two) return std::nullopt;
    const auto whole = std::max(one->whole, two->whole) + 1, scale = std::max(one->scale(), two->scale());
    align(*one, whole, scale);
    align(*two, whole, scale);
    if (one->negative == two->negative) {
        int carry = 0;
        for (auto at = one->digits.size(); at-- > 0;) {
            const int sum = one->digits[at] - '0' + (two->digits[at] - '0') + carry;
            one->digits[at] = static_cast<char>('0' + sum % 10);
            carry = sum / 10;
        }
        return text_of(*one);
    }
    if (one->digits < two->digits) std::swap(one, two);
    int borrow = 0;
    for (auto at = one->digits.size(); at-- > 0;) {
        const int left = one->digits[at] - two->digits[at] - borrow;
        borrow = left < 0;
        one->digits[at] = static_cast<char>('0' + left + 10 * borrow);
    }
    return text_of(*one);
}

std::optional<std::string> binary_decimal(std::string_view text) {
    constexpr std::size_t per_digit = 4;
    std::vector<std::uint16_t> digits;
    std::size_t weight = 0, sign = 0, scale = 0;
    if (is_special(text)) {
        sign = text == "NaN" ? 0xC000 : text == "Infinity" ? 0xD000 : 0xF000;
        if (text != "NaN") scale = 0x20;  // servers read the scale out of the bits that say infinity
    } else {
        auto from = read(text);
        if (!from) return std::nullopt;
        scale = from->scale();
        align(*from, (from->whole + per_digit - 1) / per_digit * per_digit,
              (scale + per_digit - 1) / per_digit * per_digit);
        for (std::size_t at = 0; at < from->digits.size(); at += per_digit) {
            int value = 0;
            for (std::size_t i = 0; i < per_digit; ++i) value = value * 10 + (from->digits[at + i] - '0');
            digits.push_back(static_cast<std::uint16_t>(value));
        }
        auto whole = static_cast<int>(from->whole / per_digit);
        const auto first = std::find_if(digits.begin(), digits.end(), [](auto digit) { return digit != 0; });
        whole -= static_cast<int>(first - digits.begin());
        digits.erase(digits.begin(), first);
        while (!digits.empty() && digits.back() == 0) digits.pop_back();
        sign = from->negative && !digits.empty() ? 0x4000 : 0;
        weight = digits.empty() ? 0 : static_cast<std::size_t>(whole - 1);
    }
    std::string out;
    append16(out, digits.size());
    append16(out, weight);
    append16(out, sign);
    append16(out, scale);
    for (const auto digit : digits) append16(out, digit);
    return out;
}

}  // namespace ringway::protocol::postgres
