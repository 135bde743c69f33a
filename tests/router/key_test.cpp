#include "router/key.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

using namespace ringway::router;
using namespace std::string_literals;

namespace {

using bytes = std::string;

/// The canonical text, or "refused".
std::string from_text(key_type type, std::string_view value) {
    const std::vector<char> exact(value.begin(), value.end());  // for ASan
    canonical_key key;
    return canonical_from_text(type, {exact.data(), exact.size()}, key) ? std::string(key.text) : "refused";
}

std::string from_parameter(key_type type, std::uint32_t type_oid, bool binary, std::string_view value) {
    canonical_key key;
    return canonical_from_parameter(type, type_oid, binary, value, key) ? std::string(key.text) : "refused";
}
std::string from_binary(key_type type, std::uint32_t type_oid, const bytes& value) {
    return from_parameter(type, type_oid, true, value);
}

std::string from_literal(key_type type, std::string_view text, bool negated = false) {
    shape_lexer lexer;
    const auto found = lexer.scan(text);
    REQUIRE(found.literals.size() == 1);
    canonical_key key;
    return canonical_from_literal(type, text, found.literals[0], negated, true, key) ? std::string(key.text)
                                                                                     : "refused";
}

template <typename T>
bytes big_endian(T value) {
    bytes out;
    for (std::size_t i = sizeof(T); i-- != 0;) out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    return out;
}
bytes float_bytes(double value) {
    return big_endian(std::bit_cast<std::int64_t>(value));
}
bytes float_bytes(float value) {
    return big_endian(std::bit_cast<std::int32_t>(value));
}

bytes numeric(std::int16_t weight, std::uint16_t sign, std::uint16_t scale, const std::vector<std::int16_t>& digits) {
    bytes out = big_endian(static_cast<std::int16_t>(digits.size())) + big_endian(weight) + big_endian(sign) +
                big_endian(scale);
    for (const auto digit : digits) out += big_endian(digit);
    return out;
}

}  // namespace

TEST_CASE("H3: one text for equal integers, however written") {
    for (const auto* five : {"5", "+5", "005", " 5 ", "5.0", "5.000", "5e0", "0.5e1", "50e-1", "\t5\n"}) {
        CHECK_MESSAGE(from_text(key_type::integer, five) == "5", five);
        CHECK_MESSAGE(from_text(key_type::numeric, five) == "5", five);
    }
    CHECK(from_text(key_type::integer, "-0") == "0");
    CHECK(from_text(key_type::integer, "-007") == "-7");
    CHECK(from_text(key_type::integer, "9223372036854775807") == "9223372036854775807");
    CHECK(from_text(key_type::integer, "-9223372036854775808") == "-9223372036854775808");
    CHECK(from_text(key_type::integer, "1e3") == "1000");
    for (const auto* none : {"", " ", "9223372036854775808", "-9223372036854775809", "5.5", "abc", "5x", "0x10",
                             "1_000", "--5", "+-5", "5 5", "1e", "e1", ".", "NaN", "1e100000000000"})
        CHECK_MESSAGE(from_text(key_type::integer, none) == "refused", none);
}

TEST_CASE("H3: one text for equal numbers, as trim_scale() prints it") {
    const std::pair<const char*, const char*> cases[] = {{"1.50", "1.5"},
                                                         {"0.5", "0.5"},
                                                         {".5", "0.5"},
                                                         {"00.50", "0.5"},
                                                         {"5.", "5"},
                                                         {"-0.0", "0"},
                                                         {"-.5", "-0.5"},
                                                         {"1e2", "100"},
                                                         {"1.25e1", "12.5"},
                                                         {"125e-3", "0.125"},
                                                         {"1.25e-3", "0.00125"},
                                                         {"0e5", "0"},
                                                         {"1e-2", "0.01"},
                                                         {"nan", "NaN"},
                                                         {"+inf", "Infinity"},
                                                         {"-Infinity", "-Infinity"},
                                                         {"100", "100"},
                                                         {"0.00100", "0.001"},
                                                         {"12345678901234567890123.40", "12345678901234567890123.4"}};
    for (const auto& [given, expected] : cases) CHECK_MESSAGE(from_text(key_type::numeric, given) == expected, given);
    CHECK(from_text(key_type::numeric, "1e300") == "1" + std::string(300, '0'));
    CHECK(from_text(key_type::numeric, "1e-300") == "0." + std::string(299, '0') + "1");
    for (const auto* none : {"1e200000", "1e-20000", "", ".", "1,5", "-nan", "--1"})
        CHECK_MESSAGE(from_text(key_type::numeric, none) == "refused", none);
}

TEST_CASE("H3: binary integers of every width, and numbers equal to them") {
    for (const auto type : {key_type::integer, key_type::numeric}) {
        CHECK(from_binary(type, oid::int2, big_endian(std::int16_t{-7})) == "-7");
        CHECK(from_binary(type, oid::int4, big_endian(std::int32_t{-7})) == "-7");
        CHECK(from_binary(type, oid::int8, big_endian(std::int64_t{-7})) == "-7");
        CHECK(from_binary(type, oid::oid, big_endian(std::int32_t{-1})) == "4294967295");
        CHECK(from_binary(type, oid::numeric, numeric(0, 0x4000, 0, {7})) == "-7");
        CHECK(from_binary(type, oid::numeric, numeric(0, 0, 3, {7})) == "7");
        CHECK(from_binary(type, oid::int4, big_endian(std::int64_t{7})) == "refused");
        CHECK(from_binary(type, oid::int8, big_endian(std::int32_t{7})) == "refused");
        CHECK(from_binary(type, oid::boolean, "\1") == "refused");
    }
    CHECK(from_binary(key_type::integer, oid::unspecified, big_endian(std::int16_t{300})) == "300");
    CHECK(from_binary(key_type::integer, oid::unspecified, big_endian(std::int32_t{300})) == "300");
    CHECK(from_binary(key_type::integer, oid::unspecified, big_endian(std::int64_t{300})) == "300");
    CHECK(from_binary(key_type::integer, oid::unspecified, "abc") == "refused");
    CHECK(from_binary(key_type::integer, oid::numeric, numeric(0, 0, 1, {7, 5000})) == "refused");
}

TEST_CASE("H3: floats are keys of integer columns only while they stand for one integer") {
    CHECK(from_binary(key_type::integer, oid::float8, float_bytes(5.0)) == "5");
    CHECK(from_binary(key_type::integer, oid::float8, float_bytes(-0.0)) == "0");
    CHECK(from_binary(key_type::integer, oid::float4, float_bytes(-3.0F)) == "-3");
    CHECK(from_binary(key_type::integer, oid::float8, float_bytes(5.5)) == "refused");
    CHECK(from_binary(key_type::integer, oid::float8, float_bytes(9007199254740992.0)) == "refused");
    CHECK(from_binary(key_type::integer, oid::float4, float_bytes(16777216.0F)) == "refused");
    CHECK(from_binary(key_type::integer, oid::float8, float_bytes(__builtin_nan(""))) == "refused");
    CHECK(from_binary(key_type::numeric, oid::float8, float_bytes(5.0)) == "refused");
    CHECK(from_parameter(key_type::integer, oid::float8, false, "5") == "5");
    CHECK(from_parameter(key_type::integer, oid::float8, false, "-999999999999999") == "-999999999999999");
    CHECK(from_parameter(key_type::integer, oid::float8, false, "9007199254740993") == "refused");
    CHECK(from_parameter(key_type::numeric, oid::float8, false, "0.1") == "refused");
}

TEST_CASE("H3: binary numerics") {
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(0, 0, 0, {})) == "0");
    CHECK(from_binary(key_type::numeric, oid::unspecified, numeric(0, 0, 2, {1, 5000})) == "1.5");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(-1, 0, 4, {25})) == "0.0025");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(2, 0x4000, 0, {1})) == "-100000000");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(1, 0, 5, {12, 3456, 7890, 1000})) == "123456.78901");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(0, 0xC000, 0, {})) == "NaN");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(0, 0xF000, 0, {})) == "-Infinity");
    const std::vector<std::int16_t> many(100, 1234);
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(99, 0, 0, many)).size() == 400);
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(0, 0, 0, {10000})) == "refused");
    CHECK(from_binary(key_type::numeric, oid::numeric, numeric(0, 0x1234, 0, {1})) == "refused");
    const bytes whole = numeric(1, 0, 0, {12, 3456});
    for (std::size_t size = 0; size != whole.size(); ++size)
        CHECK(from_binary(key_type::numeric, oid::numeric, whole.substr(0, size)) == "refused");
}

TEST_CASE("H3: texts are kept as they are; char(n) loses trailing spaces") {
    CHECK(from_text(key_type::text, " It's Ü ") == " It's Ü ");
    CHECK(from_text(key_type::text, "") == "");
    CHECK(from_text(key_type::bpchar, " a  ") == " a");
    CHECK(from_text(key_type::bpchar, "   ") == "");
    const std::string long_key(5000, 'k');
    CHECK(from_text(key_type::text, long_key) == long_key);
    for (const auto type_oid : {oid::text, oid::varchar, oid::unknown, oid::unspecified})
        CHECK(from_binary(key_type::text, type_oid, "a ") == "a ");
    for (const bool binary : {false, true}) CHECK(from_parameter(key_type::text, oid::bpchar, binary, "a ") == "a");
    CHECK(from_binary(key_type::bpchar, oid::text, "a ") == "a");
}

TEST_CASE("H3: a text column given a number takes the server's text of it") {
    CHECK(from_literal(key_type::text, "005") == "5");
    CHECK(from_literal(key_type::text, "1.50") == "1.50");
    CHECK(from_literal(key_type::text, ".5") == "0.5");
    CHECK(from_literal(key_type::text, "1.5e3") == "1500");
    CHECK(from_literal(key_type::text, "1.50e1", true) == "-15.0");
    CHECK(from_literal(key_type::text, "'005'") == "005");
    CHECK(from_binary(key_type::text, oid::int4, big_endian(std::int32_t{-5})) == "-5");
    CHECK(from_binary(key_type::text, oid::numeric, numeric(0, 0, 2, {1, 5000})) == "1.50");
    CHECK(from_parameter(key_type::text, oid::int8, false, "005") == "5");
    CHECK(from_parameter(key_type::text, oid::numeric, false, "01.50") == "1.50");
    CHECK(from_parameter(key_type::text, oid::float8, false, "1.5") == "refused");
    CHECK(from_binary(key_type::text, oid::float8, float_bytes(1.5)) == "refused");
}

TEST_CASE("H3: uuids in every spelling the server takes") {
    const std::string expected = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    for (const auto* same : {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                             "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                             "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}"})
        CHECK_MESSAGE(from_text(key_type::uuid, same) == expected, same);
    for (const auto* none : {"", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
                             "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
                             "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{", "{}",
                             "a0e-ebc99-9c0b-4ef8-bb6d-6bb9bd380a11"})
        CHECK_MESSAGE(from_text(key_type::uuid, none) == "refused", none);
    const bytes binary = "\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11";
    CHECK(from_binary(key_type::uuid, oid::uuid, binary) == expected);
    CHECK(from_binary(key_type::uuid, oid::unspecified, binary) == expected);
    CHECK(from_binary(key_type::uuid, oid::uuid, binary.substr(1)) == "refused");
    CHECK(from_binary(key_type::uuid, oid::bytea, binary) == "refused");
}

TEST_CASE("H3: bytea in hex and escape form") {
    CHECK(from_text(key_type::bytea, "\\xDEADbeef") == "\\xdeadbeef");
    CHECK(from_text(key_type::bytea, "\\xde ad\nbe") == "\\xdeadbe");
    CHECK(from_text(key_type::bytea, "\\x") == "\\x");
    CHECK(from_text(key_type::bytea, "") == "\\x");
    CHECK(from_text(key_type::bytea, "a\\\\b\\001\\377") == "\\x615c6201ff");
    CHECK(from_binary(key_type::bytea, oid::bytea, "a\\b\1\xff"s) == "\\x615c6201ff");
    CHECK(from_binary(key_type::bytea, oid::bytea, std::string(300, '\xab')).size() == 602);
    for (const auto* none : {"\\xabc", "\\xa b", "\\xgg", "a\\b", "\\400", "\\12", "\\"})
        CHECK_MESSAGE(from_text(key_type::bytea, none) == "refused", none);
}

TEST_CASE("H3: dates") {
    CHECK(from_text(key_type::date, "2024-02-29") == "2024-02-29");
    CHECK(from_text(key_type::date, " 0001-01-01 ") == "0001-01-01");
    for (const auto* none :
         {"2023-02-29", "2024-13-01", "2024-00-01", "2024-1-1", "20240229", "Feb 29 2024", "today", "infinity",
          "29/02/2024", "2024-02-29 BC", "12024-01-01", "0000-01-01", "2024-02-29 10:00", ""})
        CHECK_MESSAGE(from_text(key_type::date, none) == "refused", none);
    CHECK(from_binary(key_type::date, oid::date, big_endian(std::int32_t{0})) == "2000-01-01");
    CHECK(from_binary(key_type::date, oid::date, big_endian(std::int32_t{8825})) == "2024-02-29");
    CHECK(from_binary(key_type::date, oid::unspecified, big_endian(std::int32_t{-1})) == "1999-12-31");
    for (const std::int32_t none : {INT32_MAX, INT32_MIN, 5'000'000, -800'000})
        CHECK(from_binary(key_type::date, oid::date, big_endian(none)) == "refused");
    CHECK(from_binary(key_type::date, oid::timestamp, big_endian(std::int64_t{86'400'000'000})) == "2000-01-02");
    CHECK(from_binary(key_type::date, oid::timestamp, big_endian(std::int64_t{1})) == "refused");
}

TEST_CASE("H3: timestamps without a zone") {
    const auto text = [](const char* value) { return from_text(key_type::timestamp, value); };
    for (const auto* same : {"2024-02-29 10:20:00", "2024-02-29T10:20:00", "2024-02-29 10:20",
                             "2024-02-29 10:20:00.000", "2024-02-29 10:20:00.000000000"})
        CHECK_MESSAGE(text(same) == "2024-02-29 10:20:00", same);
    CHECK(text("2024-02-29") == "2024-02-29 00:00:00");
    CHECK(text("2024-02-29 10:20:30.5") == "2024-02-29 10:20:30.5");
    CHECK(text("2024-02-29 10:20:30.500100") == "2024-02-29 10:20:30.5001");
    CHECK(text("2024-02-29 10:20:30.0000001") == "refused");  // the server would round
    for (const auto* none : {"2024-02-29 24:00:00", "2024-02-29 10:60", "2024-02-29 10:20:60", "2024-02-29 10",
                             "2024-02-29 10:20:30Z", "2024-02-29 10:20:30+00", "now", "-infinity", "2024-02-29 1:20:30",
                             "2024-02-29  10:20", "2024-02-29 10:20:30 PM"})
        CHECK_MESSAGE(text(none) == "refused", none);
    const auto binary = [](std::int64_t value) {
        return from_binary(key_type::timestamp, oid::timestamp, big_endian(value));
    };
    CHECK(binary(0) == "2000-01-01 00:00:00");
    CHECK(binary(-1) == "1999-12-31 23:59:59.999999");
    CHECK(binary(762'517'230'500'100) == text("2024-02-29 10:20:30.5001"));
    CHECK(binary(INT64_MAX) == "refused");
    CHECK(binary(INT64_MIN) == "refused");
    CHECK(from_binary(key_type::timestamp, oid::date, big_endian(std::int32_t{8825})) == "2024-02-29 00:00:00");
    CHECK(from_binary(key_type::timestamp, oid::timestamptz, big_endian(std::int64_t{0})) == "refused");
}

TEST_CASE("H3: timestamps with a zone need an offset, and are kept in UTC") {
    const auto text = [](const char* value) { return from_text(key_type::timestamptz, value); };
    for (const auto* same :
         {"2024-02-29 10:20:30+00", "2024-02-29 10:20:30Z", "2024-02-29T12:20:30+02:00", "2024-02-29 12:20:30 +0200",
          "2024-02-29 00:50:30-09:30", "2024-03-01 00:20:30+14", "2024-02-29 10:20:31+00:00:01"})
        CHECK_MESSAGE(text(same) == "2024-02-29 10:20:30+00", same);
    CHECK(text("2024-01-01 00:00:00.25+01") == "2023-12-31 23:00:00.25+00");
    for (const auto* none :
         {"2024-02-29 10:20:30", "2024-02-29", "2024-02-29 10:20:30 CET", "2024-02-29 10:20:30+2",
          "2024-02-29 10:20:30+16", "2024-02-29 10:20:30+01:60", "2024-02-29+02", "0001-01-01 00:00:00+01"})
        CHECK_MESSAGE(text(none) == "refused", none);
    CHECK(from_binary(key_type::timestamptz, oid::timestamptz, big_endian(std::int64_t{762'517'230'000'000})) ==
          "2024-02-29 10:20:30+00");
    CHECK(from_binary(key_type::timestamptz, oid::timestamp, big_endian(std::int64_t{0})) == "refused");
    CHECK(from_binary(key_type::timestamptz, oid::date, big_endian(std::int32_t{0})) == "refused");
}

TEST_CASE("H3: a time in text form is read in the type that the parameter is declared of") {
    const auto text = [](key_type type, std::uint32_t type_oid, std::string_view value) {
        return from_parameter(type, type_oid, false, value);
    };
    CHECK(text(key_type::timestamptz, oid::timestamptz, "2024-01-01 10:00:00+05") == "2024-01-01 05:00:00+00");
    CHECK(text(key_type::timestamptz, oid::unknown, "2024-01-01 10:00:00+05") == "2024-01-01 05:00:00+00");
    for (const auto other : {oid::timestamp, oid::date, oid::foreign})
        CHECK(text(key_type::timestamptz, other, "2024-01-01 10:00:00+05") == "refused");
    CHECK(text(key_type::timestamp, oid::unspecified, "2024-01-01 10:00") == "2024-01-01 10:00:00");
    CHECK(text(key_type::timestamp, oid::timestamp, "2024-01-01 10:00") == "2024-01-01 10:00:00");
    CHECK(text(key_type::timestamp, oid::timestamptz, "2024-01-01 10:00:00") == "refused");
    CHECK(text(key_type::timestamp, oid::date, "2024-01-01 10:00:00") == "refused");
    CHECK(text(key_type::timestamp, oid::date, "2024-01-01") == "2024-01-01 00:00:00");
    CHECK(text(key_type::date, oid::date, "2024-01-01") == "2024-01-01");
    CHECK(text(key_type::date, oid::timestamp, "2024-01-01") == "2024-01-01");
    CHECK(text(key_type::date, oid::timestamp, "2024-01-01 00:00:00.000") == "2024-01-01");
    CHECK(text(key_type::date, oid::timestamp, "2024-01-01 00:00:01") == "refused");
    CHECK(text(key_type::date, oid::timestamptz, "2024-01-01") == "refused");
}

TEST_CASE("H3: what the server cuts or turns on the way into a declared type") {
    const std::string longest(63, 'x');
    CHECK(from_parameter(key_type::text, oid::name, false, longest) == longest);
    CHECK(from_parameter(key_type::text, oid::name, false, longest + 'x') == "refused");
    CHECK(from_parameter(key_type::text, oid::text, false, longest + 'x') == longest + 'x');
    CHECK(from_parameter(key_type::integer, oid::oid, false, "4294967295") == "4294967295");
    CHECK(from_parameter(key_type::integer, oid::oid, false, " -1") == "refused");
    CHECK(from_parameter(key_type::text, oid::oid, false, "-1") == "refused");
    CHECK(from_parameter(key_type::text, oid::int4, false, "-1") == "-1");
}

TEST_CASE("H3: booleans") {
    for (const auto* same : {"t", "TRUE", "tr", "y", "yes", "on", "1", " true "})
        CHECK_MESSAGE(from_text(key_type::boolean, same) == "true", same);
    for (const auto* same : {"f", "False", "no", "off", "of", "0", "n"})
        CHECK_MESSAGE(from_text(key_type::boolean, same) == "false", same);
    for (const auto* none : {"", "o", "2", "truex", "01"})
        CHECK_MESSAGE(from_text(key_type::boolean, none) == "refused", none);
    CHECK(from_binary(key_type::boolean, oid::boolean, "\1") == "true");
    CHECK(from_binary(key_type::boolean, oid::boolean, "\0"s) == "false");
    CHECK(from_binary(key_type::boolean, oid::boolean, "") == "refused");
}

TEST_CASE("H3: literals of a statement") {
    CHECK(from_literal(key_type::integer, "5") == "5");
    CHECK(from_literal(key_type::integer, "5", true) == "-5");
    CHECK(from_literal(key_type::integer, "9223372036854775808", true) == "-9223372036854775808");
    CHECK(from_literal(key_type::integer, "'-5'") == "-5");
    CHECK(from_literal(key_type::integer, "'-5'", true) == "refused");
    CHECK(from_literal(key_type::integer, "5.5") == "refused");
    CHECK(from_literal(key_type::integer, "B'101'") == "refused");
    CHECK(from_literal(key_type::numeric, "1.50", true) == "-1.5");
    CHECK(from_literal(key_type::text, "E'it\\'s'") == "it's");
    CHECK(from_literal(key_type::text, "$$a$$") == "a");
    CHECK(from_literal(key_type::uuid, "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'") ==
          "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    CHECK(from_literal(key_type::bytea, "'\\xAB'") == "\\xab");
    CHECK(from_literal(key_type::bytea, "E'\\\\xAB'") == "\\xab");
    CHECK(from_literal(key_type::date, "20240229") == "refused");
    CHECK(from_literal(key_type::boolean, "1") == "refused");
    CHECK(from_literal(key_type::unsupported, "1") == "refused");
}
