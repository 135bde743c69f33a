#include "protocol/postgres/sort_key.hpp"

#include "protocol/postgres/frame.hpp"

namespace ringway::protocol::postgres {

namespace {

enum class order : std::uint8_t { none, signed_number, unsigned_number, floating, numeric, bytes, text, padded };

order order_of(std::uint32_t type_oid) {
    switch (type_oid) {
        case 20:    // int8
        case 21:    // int2
        case 23:    // int4
        case 1082:  // date
        case 1083:  // time
        case 1114:  // timestamp
        case 1184:  // timestamptz
            return order::signed_number;
        case 16:    // bool
        case 26:    // oid
        case 2950:  // uuid
            return order::unsigned_number;
        case 700:
        case 701:
            return order::floating;
        case 1700:
            return order::numeric;
        case 17:  // bytea
        case 19:  // name: of the collation "C" everywhere
            return order::bytes;
        case 25:    // text
        case 1043:  // varchar
            return order::text;
        case 1042:  // char(n)
            return order::padded;
        default:
            return order::none;
    }
}

std::size_t size_of(std::uint32_t type_oid) {
    switch (type_oid) {
        case 16:
            return 1;
        case 21:
            return 2;
        case 23:
        case 26:
        case 700:
        case 1082:
            return 4;
        case 2950:
            return 16;
        default:
            return 8;
    }
}

/// Zeros of both signs are equal, and NaN is above all.
void append_float(std::string& to, std::string_view binary) {
    const bool is_double = binary.size() == 8;
    std::uint64_t bits = 0;
    for (const char c : binary) bits = bits << 8 | static_cast<unsigned char>(c);
    const std::uint64_t sign = is_double ? std::uint64_t{1} << 63 : std::uint64_t{1} << 31;
    const std::uint64_t exponent = is_double ? 0x7FF0000000000000U : 0x7F800000U;
    const std::uint64_t magnitude = bits & (sign - 1);
    const std::uint64_t all = sign | (sign - 1);
    std::uint64_t key = all;
    if (magnitude <= exponent) key = (bits & sign) && magnitude != 0 ? all & ~bits : magnitude | sign;
    for (int shift = is_double ? 56 : 24; shift >= 0; shift -= 8) to += static_cast<char>(key >> shift & 0xFF);
}

/// Digits to the base of 10,000 after their weight; a negative number's are turned over.
/// numeric_send: digits, weight, sign, scale, then the digits, two bytes each.
bool append_numeric(std::string& to, std::string_view binary) {
    constexpr std::uint16_t negative = 0x4000, not_a_number = 0xC000, infinity = 0xD000, minus_infinity = 0xF000;
    if (binary.size() < 8) return false;
    const auto word = [binary](std::size_t at) { return load16(binary.data() + 2 * at); };
    std::size_t count = word(0);
    const auto sign = word(2);
    if (binary.size() != 8 + 2 * count) return false;
    const auto rank = [&to](char what) {
        to += what;
        return true;
    };
    if (sign == not_a_number) return rank(5);
    if (sign == infinity) return rank(4);
    if (sign == minus_infinity) return rank(0);
    std::size_t first = 0;
    auto weight = static_cast<std::int16_t>(word(1));
    while (first < count && word(4 + first) == 0) {
        ++first;
        --weight;
    }
    while (count > first && word(4 + count - 1) == 0) --count;
    if (first == count) return rank(2);
    const std::uint16_t turned = sign == negative ? 0xFFFF : 0;
    rank(sign == negative ? 1 : 3);
    const auto append = [&](std::uint16_t value) {
        value ^= turned;
        to += static_cast<char>(value >> 8);
        to += static_cast<char>(value & 0xFF);
    };
    append(static_cast<std::uint16_t>(weight + 0x8000));
    for (auto at = first; at < count; ++at) append(static_cast<std::uint16_t>(word(4 + at) + 1));
    append(0);  // below any digit, or above any when turned
    return true;
}

}  // namespace

bool has_sort_key(std::uint32_t type_oid, bool texts_by_bytes) noexcept {
    const auto how = order_of(type_oid);
    return how != order::none && (texts_by_bytes || (how != order::text && how != order::padded));
}

bool append_sort_key(std::string& to, std::uint32_t type_oid, std::string_view binary) {
    switch (order_of(type_oid)) {
        case order::signed_number:
            if (binary.size() != size_of(type_oid)) return false;
            to += static_cast<char>(static_cast<unsigned char>(binary.front()) ^ 0x80U);
            to.append(binary.substr(1));
            return true;
        case order::unsigned_number:
            if (binary.size() != size_of(type_oid)) return false;
            to.append(binary);
            return true;
        case order::floating:
            if (binary.size() != size_of(type_oid)) return false;
            append_float(to, binary);
            return true;
        case order::numeric:
            return append_numeric(to, binary);
        case order::bytes:
        case order::text:
            to.append(binary);
            return true;
        case order::padded:  // blanks at the end do not count
            to.append(binary.substr(0, binary.find_last_not_of(' ') + 1));
            return true;
        case order::none:
            break;
    }
    return false;
}

}  // namespace ringway::protocol::postgres
