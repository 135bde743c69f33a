// Sums of numeric values, and their binary format.

#include "protocol/postgres/decimal.hpp"

#include <doctest/doctest.h>

#include <random>

#include "protocol/postgres/frame.hpp"

using namespace ringway::protocol::postgres;

namespace {

std::string sum(std::string_view a, std::string_view b) {
    return add_decimals(a, b).value_or("none");
}

/// What numeric_recv would read, as text.
std::string read_back(std::string_view text) {
    const auto binary = binary_decimal(text);
    if (!binary) return "none";
    const auto word = [&](std::size_t at) { return load16(binary->data() + 2 * at); };
    const int count = word(0), weight = static_cast<std::int16_t>(word(1)), scale = word(3);
    if (binary->size() != 8 + 2 * static_cast<std::size_t>(count)) return "size";
    const auto digits_at = [&](int power) {
        const int at = weight - power;
        const int value = at >= 0 && at < count ? word(4 + static_cast<std::size_t>(at)) : 0;
        const auto out = std::to_string(value);
        return std::string(4 - out.size(), '0') + out;
    };
    std::string whole, rest;
    for (int power = std::max(weight, 0); power >= 0; --power) whole += digits_at(power);
    for (int power = -1; static_cast<int>(rest.size()) < scale; --power) rest += digits_at(power);
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
    rest.resize(static_cast<std::size_t>(scale));
    return (word(2) == 0x4000 ? "-" : "") + whole + (scale ? "." + rest : "");
}

}  // namespace

TEST_CASE("Infinities and NaN in binary are as a server writes them") {
    using namespace std::string_literals;
    CHECK(binary_decimal("Infinity") == "\0\0\0\0\xD0\0\0\x20"s);
    CHECK(binary_decimal("-Infinity") == "\0\0\0\0\xF0\0\0\x20"s);
    CHECK(binary_decimal("NaN") == "\0\0\0\0\xC0\0\0\0"s);
}

TEST_CASE("Decimals add exactly, with the longer scale") {
    CHECK(sum("1", "2") == "3");
    CHECK(sum("0.10", "0.2") == "0.30");
    CHECK(sum("9999", "0.001") == "9999.001");
    CHECK(sum("99999999999999999999", "1") == "100000000000000000000");
    CHECK(sum("-5", "3.25") == "-1.75");
    CHECK(sum("5", "-3.25") == "1.75");
    CHECK(sum("-0.50", "0.5") == "0.00");
    CHECK(sum("-0.5", "-0.75") == "-1.25");
    CHECK(sum("100", "-99.9999999999999999999999") == "0.0000000000000000000001");
    CHECK(sum("NaN", "1") == "NaN");
    CHECK(sum("1", "Infinity") == "Infinity");
    CHECK(sum("-Infinity", "-1") == "-Infinity");
    CHECK(sum("-Infinity", "-Infinity") == "-Infinity");
    CHECK(sum("Infinity", "-Infinity") == "NaN");
    for (const auto* wrong : {"", "-", "1e5", ".5", "1.2.3", "one", "1,5"}) CHECK(sum("1", wrong) == "none");
}

TEST_CASE("Sums of whole numbers are those of the processor") {
    std::mt19937_64 dice(5);
    for (int i = 0; i < 2000; ++i) {
        const auto shift = dice() % 60;
        const auto a = static_cast<std::int64_t>(dice()) >> (2 + shift), b = static_cast<std::int64_t>(dice()) >> 2;
        CHECK(sum(std::to_string(a), std::to_string(b)) == std::to_string(a + b));
    }
}

TEST_CASE("The binary format has the digits, weight, sign and scale") {
    using namespace std::string_literals;
    CHECK(binary_decimal("0") == "\0\0\0\0\0\0\0\0"s);
    CHECK(binary_decimal("0.00") == "\0\0\0\0\0\0\0\2"s);
    CHECK(binary_decimal("12345.678") == "\0\3\0\1\0\0\0\3\0\1\x09\x29\x1a\x7c"s);
    CHECK(binary_decimal("-10000") == "\0\1\0\1\x40\0\0\0\0\1"s);
    CHECK(binary_decimal("0.00001") == "\0\1\xff\xfe\0\0\0\5\x03\xe8"s);
    CHECK(binary_decimal("NaN") == "\0\0\0\0\xc0\0\0\0"s);
    CHECK_FALSE(binary_decimal("1e5"));
    for (const auto* each :
         {"0", "1", "-1", "0.5", "-0.0005", "100000000", "12345678.90", "0.000001", "99999999.99999999"})
        CHECK(read_back(each) == each);
}
