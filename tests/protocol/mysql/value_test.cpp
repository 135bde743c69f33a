#include "protocol/mysql/value.hpp"

#include <doctest/doctest.h>

using namespace ringway::protocol::mysql;
using namespace std::literals;
using kind = binary_value::kind;

namespace {
std::optional<std::string> text(field_type type, std::string_view bytes, bool is_unsigned = false) {
    reader in(bytes);
    const auto value = read_value(in, type, is_unsigned);
    if (!in.ok() || !in.at_end()) return "malformed";
    return text_of(value);
}
}  // namespace

TEST_CASE("binary values as the server writes them") {
    CHECK(text(field_type::int8, "\xff") == "-1");
    CHECK(text(field_type::int8, "\xff", true) == "255");
    CHECK(text(field_type::int16, "\0\x80"sv) == "-32768");
    CHECK(text(field_type::year, "\xe8\x07", true) == "2024");
    CHECK(text(field_type::int24, "\xff\xff\xff\xff") == "-1");
    CHECK(text(field_type::int32, "\xff\xff\xff\xff", true) == "4294967295");
    CHECK(text(field_type::int64, "\0\0\0\0\0\0\0\x80"sv) == "-9223372036854775808");
    CHECK(text(field_type::int64, "\0\0\0\0\0\0\0\x80"sv, true) == "9223372036854775808");
    CHECK(text(field_type::float32, "\0\0\x80\x3e"sv) == "0.25");
    CHECK(text(field_type::float32, "\xcd\xcc\xcc\x3d"sv) == "0.1");
    CHECK(text(field_type::float64, "\0\0\0\0\0\0\xe0\xbf"sv) == "-0.5");
    CHECK(text(field_type::new_decimal,
               "\x04"
               "1.50") == "1.50");
    CHECK(text(field_type::blob,
               "\x03"
               "a\0b"sv) == "a\0b"s);
    CHECK(text(field_type::null, "") == std::nullopt);
}

TEST_CASE("dates and times in each length") {
    CHECK(text(field_type::date, "\x04\xe8\x07\x02\x1d") == "2024-02-29");
    CHECK(text(field_type::date, "\0"sv) == "0000-00-00");
    CHECK(text(field_type::datetime, "\x04\xe8\x07\x02\x1d") == "2024-02-29 00:00:00");
    CHECK(text(field_type::timestamp, "\x07\xe8\x07\x02\x1d\x0c\x1e\x3b") == "2024-02-29 12:30:59");
    CHECK(text(field_type::datetime, "\x0b\xe8\x07\x02\x1d\x0c\x1e\x3b\x01\0\0\0"sv) == "2024-02-29 12:30:59.000001");
    CHECK(text(field_type::time, "\0"sv) == "00:00:00");
    CHECK(text(field_type::time, "\x08\x01\x22\0\0\0\x16\x3b\x3b"sv) == "-838:59:59");
    CHECK(text(field_type::time, "\x0c\0\0\0\0\0\x01\x02\x03\x3f\x42\x0f\0"sv) == "01:02:03.999999");
    CHECK(text(field_type::date, "\x05\xe8\x07\x02\x1d\0"sv) == "malformed");
    CHECK(text(field_type::time, "\x04\0\0\0\0"sv) == "malformed");
}

TEST_CASE("a value that is not all there") {
    CHECK(text(field_type::int32, "\1\2\3") == "malformed");
    CHECK(text(field_type::string,
               "\x05"
               "abcd") == "malformed");
    CHECK(text(field_type::string, "\xfb") == "malformed");
    CHECK(text(field_type::datetime, "") == "malformed");
    reader in("\1\2");
    CHECK(read_value(in, field_type::float64, false).what == kind::null);
    CHECK(!in.ok());
}
