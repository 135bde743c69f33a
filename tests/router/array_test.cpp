#include "router/array.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ringway::router;

namespace {

using strings = std::vector<std::string>;

/// Every element as text, "<null>" and, at the end, "<invalid>" if it did not end well.
strings all(array_keys array) {
    strings found;
    canonical_key key;
    for (int bound = 0; bound != 1000; ++bound) {
        switch (array.next(key)) {
            case array_keys::item::key:
                found.emplace_back(key.text);
                break;
            case array_keys::item::null:
                found.emplace_back("<null>");
                break;
            case array_keys::item::end:
                return found;
            case array_keys::item::invalid:
                found.emplace_back("<invalid>");
                return found;
        }
    }
    FAIL("no end");
    return found;
}

strings text(key_type type, std::string_view value) {
    const std::vector<char> exact(value.begin(), value.end());  // for ASan
    return all(array_keys::of_text(type, {exact.data(), exact.size()}));
}

std::string int4(std::int64_t value) {
    std::string out;
    for (int i = 4; i-- != 0;) out += static_cast<char>(value >> (8 * i));
    return out;
}

std::string binary_array(std::uint32_t element, const std::vector<std::int32_t>& lengths, const strings& values) {
    std::string out = int4(static_cast<std::int64_t>(lengths.size())) + int4(0) + int4(element);
    for (const auto length : lengths) out += int4(length) + int4(1);
    for (const auto& value : values) out += value == "<null>" ? int4(-1) : int4(std::ssize(value)) + value;
    return out;
}

strings binary(key_type type, const std::string& value) {
    return all(array_keys::of_binary(type, std::as_bytes(std::span(value))));
}

const strings invalid{"<invalid>"};

}  // namespace

TEST_CASE("array: text form") {
    CHECK(text(key_type::integer, "{1,2,3}") == strings{"1", "2", "3"});
    CHECK(text(key_type::integer, " { 01 , +2,NULL, null } ") == strings{"1", "2", "<null>", "<null>"});
    CHECK(text(key_type::integer, "{}") == strings{});
    CHECK(text(key_type::integer, "{{1,2},{3,4}}") == strings{"1", "2", "3", "4"});
    CHECK(text(key_type::integer, "[2:3]={7,8}") == strings{"7", "8"});
    CHECK(text(key_type::text, R"({a,"b c","d\"e\\f","NULL",g\,h,"", x y })") ==
          strings{"a", "b c", "d\"e\\f", "NULL", "g,h", "", "x y"});
    CHECK(text(key_type::uuid, "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}") ==
          strings{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"});
    CHECK(text(key_type::timestamptz, R"({"2024-01-01 00:00:00+01"})") == strings{"2023-12-31 23:00:00+00"});
    CHECK(text(key_type::text, R"({a\\})") == strings{"a\\"});
}

TEST_CASE("array: what is no array in text form") {
    for (const auto* none : {"", "1", "{", "}", "{1", "{1,", "{,", "{,1}", "{1}x", "{\"a", "{\"a\\", "{a\\",
                             "[1:2]{1,2}", "{1 {2}}", "{a\"b\"}", "{{1}{2}}"}) {
        const auto found = text(key_type::text, none);
        REQUIRE_MESSAGE(!found.empty(), none);
        CHECK_MESSAGE(found.back() == "<invalid>", none);
    }
    CHECK(text(key_type::integer, "{1,}") == strings{"1", "<invalid>"});
    CHECK(text(key_type::integer, "{1,x,3}") == strings{"1", "<invalid>"});
    CHECK(text(key_type::text, "{a\\ }") == invalid);
}

TEST_CASE("array: binary form") {
    CHECK(binary(key_type::integer, binary_array(oid::int4, {3}, {int4(1), "<null>", int4(-3)})) ==
          strings{"1", "<null>", "-3"});
    CHECK(binary(key_type::numeric, binary_array(oid::int4, {1}, {int4(1)})) == strings{"1"});
    CHECK(binary(key_type::text, binary_array(oid::text, {2, 2}, {"a", "b", "", "d"})) == strings{"a", "b", "", "d"});
    CHECK(binary(key_type::integer, binary_array(oid::int4, {}, {})) == strings{});
    CHECK(binary(key_type::integer, binary_array(oid::int4, {0}, {})) == strings{});
    CHECK(binary(key_type::text, binary_array(oid::bpchar, {1}, {"a "})) == strings{"a"});
}

TEST_CASE("array: every cut of a binary array is refused") {
    const auto whole = binary_array(oid::int4, {2}, {int4(1), int4(2)});
    for (std::size_t size = 0; size != whole.size(); ++size) {
        const std::vector<char> exact(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto found = all(array_keys::of_binary(key_type::integer, std::as_bytes(std::span(exact))));
        REQUIRE(!found.empty());
        CHECK(found.back() == "<invalid>");
    }
    CHECK(binary(key_type::integer, whole + "x").back() == "<invalid>");
    CHECK(binary(key_type::integer, binary_array(oid::int4, {-1}, {})) == invalid);
    CHECK(binary(key_type::integer, binary_array(oid::int4, {1 << 30, 1 << 30, 1 << 30}, {})) == invalid);
    CHECK(binary(key_type::integer, binary_array(oid::int4, {1, 1, 1, 1, 1, 1, 1}, {int4(1)})) == invalid);
    CHECK(binary(key_type::integer, binary_array(oid::int4, {1 << 20}, {})) == invalid);
}

TEST_CASE("array: the declared type of a parameter decides how its elements read") {
    CHECK(element_type(1007) == oid::int4);
    CHECK(element_type(2951) == oid::uuid);
    CHECK(element_type(25) == oid::unspecified);
    CHECK(all(array_keys::of_parameter(key_type::text, 1014, false, "{\"a \"}")) == strings{"a"});
    CHECK(all(array_keys::of_parameter(key_type::text, 1009, false, "{\"a \"}")) == strings{"a "});
    CHECK(all(array_keys::of_parameter(key_type::text, 1002, false, "{abc}")) == invalid);  // "char"[]
    CHECK(all(array_keys::of_parameter(key_type::timestamptz, 1115, false, "{2024-01-01 10:00:00+05}")) == invalid);
    CHECK(all(array_keys::of_parameter(key_type::timestamptz, 1185, false, "{2024-01-01 10:00:00+05}")) ==
          strings{"2024-01-01 05:00:00+00"});
    CHECK(all(array_keys::of_parameter(key_type::timestamp, 1182, false, "{2024-01-01}")) ==
          strings{"2024-01-01 00:00:00"});
    CHECK(all(array_keys::of_parameter(key_type::numeric, 1022, false, "{0.1}")) == invalid);
    CHECK(all(array_keys::of_parameter(key_type::integer, 1007, true, binary_array(oid::int4, {1}, {int4(9)}))) ==
          strings{"9"});
}
