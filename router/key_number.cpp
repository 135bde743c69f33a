// Numbers as keys: 1, 01, +1, 1.0 and 1e0 are one key, for integer and numeric columns alike.

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "router/key.hpp"
#include "router/key_parts.hpp"
#include "router/lexical.hpp"

namespace ringway::router::key_parts {
namespace {

/// whole.fraction * 10^exponent, digits only.
struct decimal {
    bool negative = false;
    std::string_view whole, fraction;
    std::int64_t exponent = 0;

    std::int64_t size() const { return std::ssize(whole) + std::ssize(fraction); }
    /// Digit i of both parts in a row; '0' outside of them.
    char digit(std::int64_t i) const {
        if (i < 0 || i >= size()) return '0';
        const auto at = static_cast<std::size_t>(i);
        return at < whole.size() ? whole[at] : fraction[at - whole.size()];
    }
};

// PostgreSQL's limits of numeric (documentation, 8.1.2).
constexpr std::int64_t most_whole = 131072, most_fraction = 16383;

std::string_view take_digits(std::string_view& rest) {
    std::size_t count = 0;
    while (count != rest.size() && lexical::is_digit(rest[count])) ++count;
    const auto digits = rest.substr(0, count);
    rest.remove_prefix(count);
    return digits;
}

bool take_sign(std::string_view& rest) {
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) rest.remove_prefix(1);
    return negative;
}

bool parse(std::string_view rest, decimal& out) {
    out.negative = take_sign(rest);
    out.whole = take_digits(rest);
    if (rest.starts_with('.')) {
        rest.remove_prefix(1);
        out.fraction = take_digits(rest);
    }
    if (out.size() == 0) return false;
    if (!rest.empty() && lexical::lower(rest.front()) == 'e') {
        rest.remove_prefix(1);
        const bool negative = take_sign(rest);
        const auto digits = take_digits(rest);
        std::int32_t exponent = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
        if (digits.empty() || error != std::errc{} || exponent > most_whole + most_fraction) return false;
        out.exponent = negative ? -exponent : exponent;
    }
    return rest.empty();
}

/// `fraction_digits`: how many to write; none: as many as are needed.
bool write(const decimal& number, std::optional<std::int64_t> fraction_digits, canonical_key& out) {
    std::int64_t first = 0, last = number.size();
    while (first != last && number.digit(first) == '0') ++first;
    while (last != first && number.digit(last - 1) == '0') --last;
    const bool zero = first == last;
    const std::int64_t point = std::ssize(number.whole) + number.exponent;
    const std::int64_t whole = zero ? 0 : std::max<std::int64_t>(0, point - first);
    const std::int64_t needed = zero ? 0 : std::max<std::int64_t>(0, last - point);
    const std::int64_t fraction = fraction_digits.value_or(needed);
    if (whole > most_whole || fraction > most_fraction) return false;

    const bool negative = number.negative && !zero;
    const std::int64_t size = negative + std::max<std::int64_t>(1, whole) + (fraction == 0 ? 0 : 1 + fraction);
    char* at = room(out, static_cast<std::size_t>(size));
    if (negative) *at++ = '-';
    if (whole == 0) *at++ = '0';
    for (std::int64_t i = point - whole; i != point; ++i) *at++ = number.digit(i);
    if (fraction != 0) *at++ = '.';
    for (std::int64_t i = point; i != point + fraction; ++i) *at++ = number.digit(i);
    return true;
}

bool not_finite(std::string_view text, canonical_key& out) {
    if (lexical::same_word(text, "nan")) {
        copy("NaN", out);
        return true;
    }
    const bool negative = take_sign(text);
    if (!lexical::same_word(text, "infinity") && !lexical::same_word(text, "inf")) return false;
    copy(negative ? "-Infinity" : "Infinity", out);
    return true;
}

std::int64_t fraction_kept(const decimal& number) {
    return std::max<std::int64_t>(0, std::ssize(number.fraction) - number.exponent);
}

constexpr std::uint16_t positive_sign = 0x0000, negative_sign = 0x4000, nan_sign = 0xC000, infinity_sign = 0xD000,
                        negative_infinity_sign = 0xF000;

}  // namespace

void integer_from_value(std::int64_t value, canonical_key& out) {
    const auto end = std::to_chars(out.small, out.small + sizeof out.small, value).ptr;
    out.text = {out.small, static_cast<std::size_t>(end - out.small)};
}

bool integer_from_numeric(canonical_key& number) {
    std::int64_t value = 0;
    const char* const end = number.text.data() + number.text.size();
    const auto [at, error] = std::from_chars(number.text.data(), end, value);
    return error == std::errc{} && at == end;
}

bool integer_from_text(std::string_view value, bool negated, canonical_key& out) {
    return numeric_from_text(value, negated, scale::minimal, out) && integer_from_numeric(out);
}

bool numeric_from_text(std::string_view value, bool negated, scale digits, canonical_key& out) {
    value = trimmed(value);
    decimal number;
    if (!parse(value, number)) return !negated && not_finite(value, out);
    if (negated) number.negative = !number.negative;
    if (digits == scale::minimal) return write(number, std::nullopt, out);
    return write(number, fraction_kept(number), out);
}

// int16 count of base-10000 digits, int16 weight of the first, uint16 sign, uint16 display scale, the digits
// (numeric_send in the server's numeric.c).
bool numeric_from_binary(std::span<const std::byte> value, scale digits, canonical_key& out) {
    if (value.size() < 8) return false;
    const auto count = big_endian<std::uint16_t>(value.data());
    const auto weight = big_endian<std::int16_t>(value.data() + 2);
    const auto sign = big_endian<std::uint16_t>(value.data() + 4);
    const auto display_scale = big_endian<std::uint16_t>(value.data() + 6);
    if (value.size() != 8 + std::size_t{count} * 2) return false;
    if (sign == nan_sign) return not_finite("NaN", out);
    if (sign == infinity_sign) return not_finite("Infinity", out);
    if (sign == negative_infinity_sign) return not_finite("-Infinity", out);
    if (sign != positive_sign && sign != negative_sign) return false;

    constexpr std::size_t digits_each = 4;
    char small[256];
    std::string large;
    const std::size_t size = count * digits_each;
    if (size > sizeof small) large.resize(size);
    char* const text = size > sizeof small ? large.data() : small;
    for (std::size_t i = 0; i != count; ++i) {
        auto group = big_endian<std::uint16_t>(value.data() + 8 + 2 * i);
        if (group > 9999) return false;
        for (std::size_t j = digits_each; j-- != 0; group /= 10)
            text[i * digits_each + j] = static_cast<char>('0' + group % 10);
    }
    const decimal number{.negative = sign == negative_sign,
                         .whole = {text, size},
                         .fraction = {},
                         .exponent = (weight + 1 - std::int64_t{count}) * std::int64_t{digits_each}};
    return write(number, digits == scale::kept ? std::optional<std::int64_t>(display_scale) : std::nullopt, out);
}

std::optional<std::int64_t> binary_integer(std::uint32_t type_oid, std::span<const std::byte> value) {
    const auto size = value.size();
    if (size == 2 && (type_oid == oid::int2 || type_oid == oid::unspecified))
        return big_endian<std::int16_t>(value.data());
    if (size == 4 && (type_oid == oid::int4 || type_oid == oid::unspecified))
        return big_endian<std::int32_t>(value.data());
    if (size == 4 && type_oid == oid::oid) return big_endian<std::uint32_t>(value.data());
    if (size == 8 && (type_oid == oid::int8 || type_oid == oid::unspecified))
        return big_endian<std::int64_t>(value.data());
    return std::nullopt;
}

std::optional<std::int64_t> binary_float(std::span<const std::byte> value) {
    double number = 0;
    if (value.size() == 4) {
        number = std::bit_cast<float>(big_endian<std::uint32_t>(value.data()));
        constexpr double exact_float = 16777216;
        if (!(std::fabs(number) < exact_float)) return std::nullopt;
    } else if (value.size() == 8) {
        number = std::bit_cast<double>(big_endian<std::uint64_t>(value.data()));
    } else {
        return std::nullopt;
    }
    constexpr double exact_double = 9007199254740992;
    if (!(std::fabs(number) < exact_double) || std::trunc(number) != number) return std::nullopt;
    return static_cast<std::int64_t>(number);
}

}  // namespace ringway::router::key_parts
