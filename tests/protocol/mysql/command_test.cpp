#include "protocol/mysql/command.hpp"

#include <doctest/doctest.h>

#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;
using namespace std::literals;
using kind = binary_value::kind;

namespace {

constexpr auto plain = capability::protocol_41 | capability::secure_connection | capability::plugin_auth;

std::vector<std::string> texts(const std::vector<binary_value>& values) {
    std::vector<std::string> out;
    for (const auto& each : values) out.push_back(text_of(each).value_or("NULL"));
    return out;
}

}  // namespace

TEST_CASE("COM_QUERY, with and without attributes") {
    CHECK(!command_of(""));
    CHECK(command_of("\x03SELECT 1") == command::query);
    CHECK(read_query("\x03SELECT 1", plain)->sql == "SELECT 1");
    constexpr auto with = plain | capability::query_attributes;
    CHECK(read_query("\x03\0\1SELECT 1"sv, with)->sql == "SELECT 1");
    // The example of the protocol's page: one attribute, a = '1'.
    const auto got = read_query(
        "\x03\x01\x01\x00\x01\xfe\x00\x01"
        "a\x01"
        "1select @@version_comment limit 1"sv,
        with);
    REQUIRE(got);
    CHECK(got->sql == "select @@version_comment limit 1");
    REQUIRE(got->attributes.size() == 1);
    CHECK(got->attributes[0].name == "a");
    CHECK(got->attributes[0].value.bytes == "1");
    CHECK(
        !read_query("\x03\x01\x01\x00\x01\xfe\x00\x09"
                    "a"sv,
                    with));
    CHECK(!read_query("\x03\x01\x02SELECT 1"sv, with));
    CHECK(!read_query("\x03\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01SELECT 1"sv, with));
    std::string written;
    std::uint8_t sequence = 0;
    write_query(written, sequence, "SELECT 1", with);
    CHECK(written.substr(header_size) == "\x03\0\1SELECT 1"sv);
}

TEST_CASE("COM_STMT_EXECUTE: types come once, values each time") {
    const auto first = read_execute(
        "\x17\x05\0\0\0\x01\x01\0\0\0\x02\x01\x03\0\xfd\0\x08\x80\x07\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"sv);
    REQUIRE(first);
    CHECK(first->statement == 5);
    CHECK(first->wants_cursor());
    parameter_types types;
    std::vector<binary_value> values;
    REQUIRE(read_parameters(*first, 3, plain, {}, types, values));
    CHECK(texts(values) == std::vector<std::string>{"7", "NULL", "18446744073709551615"});
    CHECK(values[1].what == kind::null);
    CHECK(types.size() == 3);

    const auto second = read_execute(
        "\x17\x05\0\0\0\0\x01\0\0\0\x04\0\xff\xff\xff\xff\x03"
        "abc"sv);
    REQUIRE(read_parameters(*second, 3, plain, {}, types, values));
    CHECK(texts(values) == std::vector<std::string>{"-1", "abc", "NULL"});
    // A value that was sent before is not in the packet.
    const auto third = read_execute("\x17\x05\0\0\0\0\x01\0\0\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0"sv);
    REQUIRE(read_parameters(*third, 3, plain, {false, true}, types, values));
    CHECK(texts(values) == std::vector<std::string>{"9", "NULL", "1"});
    CHECK(values[1].what == kind::long_data);

    parameter_types none;
    CHECK(!read_parameters(*second, 3, plain, {}, none, values));
    CHECK(!read_parameters(*first, 4, plain, {}, none, values));
    CHECK(!read_execute("\x17\x05\0\0\0\0\x01\0\0"sv));
    const auto nothing = read_execute("\x17\x05\0\0\0\0\x01\0\0\0"sv);
    CHECK(read_parameters(*nothing, 0, plain, {}, none, values));
    CHECK(values.empty());
    CHECK(!read_parameters(*nothing, 1, plain, {}, none, values));
}

TEST_CASE("Y17: an execution without types is given them for another server") {
    const auto without = "\x17\x05\0\0\0\0\x01\0\0\0\x02\0\x07\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"sv;
    const parameter_types types{
        {field_type::int32, false, {}}, {field_type::string, false, {}}, {field_type::int64, true, {}}};
    std::string written;
    std::uint8_t sequence = 0;
    REQUIRE(write_execute_with_types(written, sequence, without, 3, types, plain));
    CHECK(sequence == 1);
    const auto payload = written.substr(header_size);
    parameter_types read;
    std::vector<binary_value> values;
    REQUIRE(read_parameters(*read_execute(payload), 3, plain, {}, read, values));
    CHECK(texts(values) == std::vector<std::string>{"7", "NULL", "18446744073709551615"});
    // With them there already, it goes as it is; as does one without parameters.
    std::string again;
    REQUIRE(write_execute_with_types(again, sequence, payload, 3, {}, plain));
    CHECK(again.substr(header_size) == payload);
    CHECK(write_execute_with_types(again, sequence, "\x17\x05\0\0\0\0\x01\0\0\0"sv, 0, {}, plain));
    again.clear();
    CHECK(!write_execute_with_types(again, sequence, without, 3, {}, plain));
    CHECK(!write_execute_with_types(again, sequence, without.substr(0, 11), 3, types, plain));
    CHECK(!write_execute_with_types(again, sequence, "\x17\x05"sv, 3, types, plain));
    CHECK(again.empty());

    constexpr auto with = plain | capability::query_attributes;
    const auto counted = "\x17\x05\0\0\0\0\x01\0\0\0\x01\0\0\x07\0\0\0"sv;
    REQUIRE(write_execute_with_types(again, sequence, counted, 1, types, with));
    REQUIRE(read_parameters(*read_execute(std::string_view(again).substr(header_size)), 1, with, {}, read, values));
    CHECK(texts(values) == std::vector<std::string>{"7"});
}

TEST_CASE("query attributes follow a statement's own parameters") {
    constexpr auto with = plain | capability::query_attributes;
    const auto got = read_execute(
        "\x17\x05\0\0\0\x08\x01\0\0\0\x02\0\x01\x03\0\0\xfd\0\x01"
        "a\x07\0\0\0\x01"
        "v"sv);
    parameter_types types;
    std::vector<binary_value> values;
    REQUIRE(read_parameters(*got, 1, with, {}, types, values));
    CHECK(texts(values) == std::vector<std::string>{"7", "v"});
    CHECK(!read_parameters(*got, 3, with, {}, types, values));
}

TEST_CASE("Y20: 65,535 parameters, and no more") {
    std::string payload = "\x17\x05\0\0\0\0\x01\0\0\0"s + std::string(8192, '\0') + "\x01";
    for (int i = 0; i < 65535; ++i) payload += "\x01\0"sv;
    payload += std::string(65535, '\x05');
    parameter_types types;
    std::vector<binary_value> values;
    REQUIRE(read_parameters(*read_execute(payload), 65535, plain, {}, types, values));
    CHECK(values.size() == 65535);
    CHECK(values.back().integer == 5);
}

TEST_CASE("the other commands on statements") {
    const auto data = read_long_data("\x18\x05\0\0\0\x01\0some data"sv);
    CHECK(data->statement == 5);
    CHECK(data->parameter == 1);
    CHECK(data->data == "some data");
    CHECK(!read_long_data("\x18\x05\0\0\0\x01"sv));
    CHECK(read_fetch("\x1c\x05\0\0\0\x64\0\0\0"sv)->rows == 100);
    CHECK(!read_fetch("\x1c\x05\0\0\0\x64"sv));
    std::string close;
    std::uint8_t sequence = 0;
    write_statement_command(close, sequence, command::stmt_close, 0x01020304);
    CHECK(close == "\5\0\0\0\x19\x04\x03\x02\x01"sv);
    CHECK(read_statement_id(std::string_view(close).substr(header_size)) == 0x01020304u);
    replace_statement_id(close.data() + header_size, 0xfffefdfc);
    CHECK(read_statement_id(std::string_view(close).substr(header_size)) == 0xfffefdfcu);
    CHECK(!read_statement_id("\x19\0\0\0"sv));
    CHECK(!has_reply(command::stmt_close));
    CHECK(has_reply(command::stmt_reset));
}

TEST_CASE("COM_STMT_BULK_EXECUTE") {
    const auto payload =
        "\xfa\x05\0\0\0\x80\0\x03\0\xfe\0\0\x01\0\0\0\0\x01"
        "a\0\x02\0\0\0\x01\x02\x03"sv;
    auto bulk = read_bulk(payload);
    REQUIRE(bulk);
    CHECK(bulk->sends_types());
    CHECK(!bulk->wants_unit_results());
    parameter_types types;
    std::vector<binary_value> row;
    REQUIRE(read_bulk_types(*bulk, 2, types));
    REQUIRE(read_bulk_row(*bulk, types, row));
    CHECK(texts(row) == std::vector<std::string>{"1", "a"});
    REQUIRE(read_bulk_row(*bulk, types, row));
    CHECK(row[0].integer == 2);
    CHECK(row[1].what == kind::null);
    REQUIRE(read_bulk_row(*bulk, types, row));
    CHECK(row[0].what == kind::standard);
    CHECK(row[1].what == kind::ignored);
    CHECK(!read_bulk_row(*bulk, types, row));
    CHECK(bulk->rest.empty());
    bulk->rest = "\x04"sv;
    CHECK(!read_bulk_row(*bulk, types, row));
    CHECK(!bulk->rest.empty());
}

TEST_CASE("COM_CHANGE_USER is read as it was written") {
    change_user_command from;
    from.user = "app";
    from.auth_response = "twenty bytes of proof";
    from.database = "shop";
    from.collation = 0x0134;
    from.plugin = "mysql_native_password";
    from.attributes = "\1a\1b";
    constexpr auto all = plain | capability::connect_attrs;
    std::string bytes;
    std::uint8_t sequence = 0;
    write_change_user(bytes, sequence, from, all);
    const auto got = read_change_user(std::string_view(bytes).substr(header_size), all);
    REQUIRE(got);
    CHECK(got->user == "app");
    CHECK(got->auth_response == "twenty bytes of proof");
    CHECK(got->database == "shop");
    CHECK(got->collation == 0x0134);
    CHECK(got->plugin == "mysql_native_password");
    CHECK(got->attributes == "\1a\1b");
    CHECK(read_change_user("\x11"
                           "app\0\0shop\0"sv,
                           all)
              ->database == "shop");
    CHECK(
        !read_change_user("\x11"
                          "app\0\x20short"sv,
                          all));
}

TEST_CASE("commands with a plain argument") {
    CHECK(read_text_argument("\x02shop") == "shop");
    CHECK(read_field_list("\x04t\0a%"sv)->table == "t");
    CHECK(read_field_list("\x04t\0a%"sv)->wildcard == "a%");
    CHECK(!read_field_list("\x04t"));
    CHECK(read_set_option("\x1b\x01\0"sv) == 1);
    CHECK(!read_set_option("\x1b\x01"));
    CHECK(read_process_kill("\x0c\x0a\0\0\0"sv) == 10u);
    std::string bytes;
    std::uint8_t sequence = 0;
    write_command(bytes, sequence, command::ping);
    CHECK(bytes == "\1\0\0\0\x0e"sv);
}

TEST_CASE("what a real server understood, we do too") {
    for (const auto name : ringway::tests::golden_sessions) {
        CAPTURE(name);
        const auto session = ringway::tests::read_golden(name);
        bool seen = false;
        for (const auto& exchange : session.exchanges) {
            const auto at = exchange.client.find("\x0c\x00\x0b\x00\x08\x00\x08\x80"sv);
            if (at == std::string::npos) continue;
            seen = true;
            parameter_types types;
            std::vector<binary_value> values;
            const auto execute = read_execute(std::string_view(exchange.client).substr(header_size));
            REQUIRE(execute);
            REQUIRE(read_parameters(*execute, 4, session.capabilities, {}, types, values));
            CHECK(texts(values) == std::vector<std::string>{"2024-02-29 12:30:59.500000", "-26:03:04.250000", "-5",
                                                            "18446744073709551615"});
            CHECK(ringway::tests::messages_of(exchange.server).size() > 4);
        }
        CHECK(seen);
    }
}
