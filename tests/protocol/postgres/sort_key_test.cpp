// Values in the binary format, as strings that compare as the type's operators do.

#include "protocol/postgres/sort_key.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace ringway::protocol::postgres;

namespace {

constexpr std::uint32_t int2 = 21, int4 = 23, int8 = 20, float4 = 700, float8 = 701, numeric = 1700, text = 25,
                        bpchar = 1042;

std::string big_endian(std::uint64_t value, int bytes) {
    std::string out;
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
    return out;
}

std::string key(std::uint32_t type, std::string_view binary) {
    std::string out;
    REQUIRE(append_sort_key(out, type, binary));
    return out;
}

/// numeric_send: digits to the base of 10,000.
std::string number(bool negative, int weight, std::vector<std::uint16_t> digits, int scale = 0) {
    std::string out = big_endian(digits.size(), 2) + big_endian(static_cast<std::uint16_t>(weight), 2) +
                      big_endian(negative ? 0x4000 : 0, 2) + big_endian(static_cast<std::uint16_t>(scale), 2);
    for (const auto each : digits) out += big_endian(each, 2);
    return out;
}

}  // namespace

TEST_CASE("Integers compare by value") {
    std::mt19937_64 dice(1);
    for (int i = 0; i < 2000; ++i) {
        const auto a = static_cast<std::int64_t>(dice()) >> (i % 63), b = static_cast<std::int64_t>(dice()) >> (i % 60);
        CHECK((key(int8, big_endian(static_cast<std::uint64_t>(a), 8)) <
               key(int8, big_endian(static_cast<std::uint64_t>(b), 8))) == (a < b));
        const auto c = static_cast<std::int32_t>(a), d = static_cast<std::int32_t>(b);
        CHECK((key(int4, big_endian(static_cast<std::uint32_t>(c), 4)) <
               key(int4, big_endian(static_cast<std::uint32_t>(d), 4))) == (c < d));
        const auto e = static_cast<std::int16_t>(a), f = static_cast<std::int16_t>(b);
        CHECK((key(int2, big_endian(static_cast<std::uint16_t>(e), 2)) <
               key(int2, big_endian(static_cast<std::uint16_t>(f), 2))) == (e < f));
    }
}

TEST_CASE("Floating point numbers: one zero, NaN above all") {
    const double values[] = {
        -std::numeric_limits<double>::infinity(), -1e300,      -2.5, -1e-300, 0.0, 1e-300, 2.5, 1e300,
        std::numeric_limits<double>::infinity(),  std::nan("")};
    const auto of = [](double v) { return key(float8, big_endian(std::bit_cast<std::uint64_t>(v), 8)); };
    const auto single = [](double v) {
        return key(float4, big_endian(std::bit_cast<std::uint32_t>(static_cast<float>(v)), 4));
    };
    for (std::size_t i = 0; i + 1 < std::size(values); ++i) CHECK(of(values[i]) < of(values[i + 1]));
    CHECK(of(-0.0) == of(0.0));
    CHECK(single(-0.0F) == single(0.0F));
    CHECK(single(-1.5) < single(-0.5));
    CHECK(single(1.5) < single(std::nan("")));
}

TEST_CASE("Numerics: equal whatever their scale, in order whatever their length") {
    const std::vector<std::string> rising{
        big_endian(0, 2) + big_endian(0, 2) + big_endian(0xF000, 2) + big_endian(0, 2),  // -Infinity
        number(true, 2, {1}),
        number(true, 1, {2}),
        number(true, 0, {1, 5000}, 4),
        number(true, 0, {1}),
        number(true, -1, {5000}),
        number(false, 0, {}),
        number(false, -2, {1}),
        number(false, -1, {5000}, 1),
        number(false, 0, {1}),
        number(false, 0, {1, 1}, 4),
        number(false, 0, {1, 5000}, 4),
        number(false, 0, {9999}),
        number(false, 1, {1}),
        number(false, 1, {1, 0, 1}, 4),
        number(false, 7, {3}),
        big_endian(0, 2) + big_endian(0, 2) + big_endian(0xD000, 2) + big_endian(0, 2),   // Infinity
        big_endian(0, 2) + big_endian(0, 2) + big_endian(0xC000, 2) + big_endian(0, 2)};  // NaN
    for (std::size_t i = 0; i < rising.size(); ++i)
        for (std::size_t j = i + 1; j < rising.size(); ++j) CHECK(key(numeric, rising[i]) < key(numeric, rising[j]));
    CHECK(key(numeric, number(false, 0, {1, 0}, 4)) == key(numeric, number(false, 0, {1})));
    CHECK(key(numeric, number(false, 0, {}, 9)) == key(numeric, number(true, 0, {})));
}

TEST_CASE("Texts compare by bytes, char(n) without its blanks") {
    CHECK(key(text, "a") < key(text, "aa"));
    CHECK(key(text, "Z") < key(text, "a"));
    CHECK(key(text, "z") < key(text, "\xc3\xa4"));
    CHECK(key(bpchar, "x   ") == key(bpchar, "x"));
    CHECK(has_sort_key(text, true));
    CHECK_FALSE(has_sort_key(text, false));
    CHECK(has_sort_key(int8, false));
    CHECK_FALSE(has_sort_key(3802, true));  // jsonb
}

TEST_CASE("What is not a value of its type is told") {
    std::string out;
    CHECK_FALSE(append_sort_key(out, int8, "1234"));
    CHECK_FALSE(append_sort_key(out, numeric, "12"));
    CHECK_FALSE(append_sort_key(out, numeric, number(false, 0, {1}).substr(0, 9)));
    CHECK_FALSE(append_sort_key(out, 3802, "{}"));
}
