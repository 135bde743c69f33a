#include "protocol/postgres/message.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace ringway::protocol::postgres;
using namespace std::literals;

namespace {

/// The body of the one frame in `bytes`, which must be of `type` and end where the text ends.
std::string_view body_of(std::string_view bytes, char type) {
    frame_header header;
    REQUIRE(read_header(bytes, header) == header_state::ready);
    CHECK(header.type == type);
    REQUIRE(header.total() == bytes.size());
    return bytes.substr(header_size);
}

/// Every body cut short, and the body with a byte more, must be refused.
template <class Read>
void refuses_all_but(std::string_view body, Read&& read) {
    for (std::size_t n = 0; n < body.size(); ++n) {
        CAPTURE(n);
        CHECK_FALSE(read(body.substr(0, n)));
    }
    CHECK(read(body));
    CHECK_FALSE(read(std::string(body) + '\0'));
}

std::string bind_rest(int formats, int values, std::int64_t length, std::string_view bytes) {
    std::string out;
    const auto i16 = [&out](int v) {
        out.push_back(static_cast<char>((v >> 8) & 0xff));
        out.push_back(static_cast<char>(v & 0xff));
    };
    i16(formats);
    for (int i = 0; i < formats && i < 4; ++i) i16(1);
    i16(values);
    for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>((length >> shift) & 0xff));
    out += bytes;
    i16(0);
    return out;
}

}  // namespace

TEST_CASE("Parse is read as written") {
    std::string out;
    write_parse(out, "s1", "SELECT $1", "\0\0\0\x17\0\0\x04\x13"sv);
    CHECK(out == "P\0\0\0\x1bs1\0SELECT $1\0\0\x02\0\0\0\x17\0\0\x04\x13"sv);
    const auto body = body_of(out, 'P');
    const auto got = read_parse(body);
    REQUIRE(got);
    CHECK(got->name == "s1");
    CHECK(got->query == "SELECT $1");
    REQUIRE(got->type_count() == 2);
    CHECK(got->type(0) == 23);
    CHECK(got->type(1) == 1043);
    refuses_all_but(body, [](std::string_view b) { return read_parse(b).has_value(); });
}

TEST_CASE("P19: a Parse that promises types it has not is malformed") {
    CHECK_FALSE(read_parse("\0SELECT 1\0\xff\xff"sv));
    CHECK_FALSE(read_parse("\0SELECT 1\0\0\x01\0\0\0"sv));
    CHECK(read_parse("\0\0\0\0"sv));
}

TEST_CASE("Bind gives its names and forwards the rest") {
    const auto rest = "\0\x01\0\x01\0\x01\0\0\0\x02hi\0\0"sv;
    std::string out;
    write_bind_head(out, "portal", "statement", rest.size());
    out += rest;
    const auto got = read_bind(body_of(out, 'B'));
    REQUIRE(got);
    CHECK(got->portal == "portal");
    CHECK(got->statement == "statement");
    CHECK(got->rest == rest);
    CHECK_FALSE(read_bind("portal\0no end"sv));
    CHECK_FALSE(read_bind("portal"sv));
    CHECK_FALSE(read_bind(""sv));
}

TEST_CASE("parameters: no format code is text, one is for all, else one each") {
    std::vector<bound_parameter> got;
    REQUIRE(read_parameters("\0\0\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0"sv, got));
    REQUIRE(got.size() == 2);
    CHECK(got[0].bytes == "x");
    CHECK_FALSE(got[0].binary);
    CHECK_FALSE(got[0].is_null);
    CHECK(got[1].is_null);

    REQUIRE(read_parameters("\0\x01\0\x01\0\x02\0\0\0\x01x\0\0\0\0\0\x01\0\x01"sv, got));
    REQUIRE(got.size() == 2);
    CHECK(got[0].binary);
    CHECK(got[1].binary);
    CHECK(got[1].bytes.empty());
    CHECK_FALSE(got[1].is_null);

    REQUIRE(read_parameters("\0\x02\0\0\0\x01\0\x02\0\0\0\x01x\0\0\0\x01y\0\0"sv, got));
    REQUIRE(got.size() == 2);
    CHECK_FALSE(got[0].binary);
    CHECK(got[1].binary);
}

TEST_CASE("parameters cut short or with bytes left over are malformed") {
    std::vector<bound_parameter> got;
    refuses_all_but("\0\x02\0\0\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\x02\0\0\0\x01"sv,
                    [&got](std::string_view b) { return read_parameters(b, got); });
}

TEST_CASE("P15: 65,535 parameters are read") {
    std::string rest = "\0\0\xff\xff"s;
    for (int i = 0; i < 65535; ++i)
        rest +=
            "\0\0\0\x01"
            "7"sv;
    rest += "\0\0"sv;
    std::vector<bound_parameter> got;
    REQUIRE(read_parameters(rest, got));
    CHECK(got.size() == 65535);
    CHECK(got.back().bytes == "7");
}

TEST_CASE("P19: negative counts and lengths in Bind are malformed") {
    std::vector<bound_parameter> got;
    CHECK(read_parameters(bind_rest(1, 1, 2, "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(-1, 1, 2, "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(1, -1, 2, "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(1, 1, -2, "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(1, 1, std::numeric_limits<std::int32_t>::min(), "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(1, 1, std::numeric_limits<std::int32_t>::max(), "ab"), got));
    CHECK_FALSE(read_parameters(bind_rest(2, 1, 2, "ab"), got));
    CHECK_FALSE(read_parameters("\0\0\0\0\xff\xff"sv, got));
    CHECK_FALSE(read_parameters("\0\x01\0\x02\0\x01\0\0\0\0\0\0"sv, got));  // format code 2
}

TEST_CASE("Describe and Close") {
    std::string out;
    write_target(out, 'D', 'P', "c1");
    CHECK(out == "D\0\0\0\x08Pc1\0"sv);
    const auto body = body_of(out, 'D');
    const auto got = read_target(body);
    REQUIRE(got);
    CHECK(got->kind == 'P');
    CHECK(got->name == "c1");
    refuses_all_but(body, [](std::string_view b) { return read_target(b).has_value(); });
    CHECK_FALSE(read_target("Xc1\0"sv));
}

TEST_CASE("Execute") {
    std::string out;
    write_execute(out, "c1", 10);
    CHECK(out ==
          "E\0\0\0\x0b"
          "c1\0\0\0\0\x0a"sv);
    const auto body = body_of(out, 'E');
    const auto got = read_execute(body);
    REQUIRE(got);
    CHECK(got->portal == "c1");
    CHECK(got->max_rows == 10);
    refuses_all_but(body, [](std::string_view b) { return read_execute(b).has_value(); });
}

TEST_CASE("messages without a body, and those of one text") {
    std::string out;
    write_sync(out);
    write_flush(out);
    write_terminate(out);
    write_query(out, "SELECT 1");
    write_password(out, "pw");
    CHECK(out == "S\0\0\0\x04H\0\0\0\x04X\0\0\0\x04Q\0\0\0\x0dSELECT 1\0p\0\0\0\x07pw\0"sv);
}

TEST_CASE("SASL messages") {
    std::string out;
    write_sasl_initial(out, "SCRAM-SHA-256", "n,,");
    write_sasl_response(out, "c=");
    CHECK(out ==
          "p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,p\0\0\0\x06"
          "c="sv);
}

TEST_CASE("an ErrorResponse is read as written") {
    std::string out;
    write_error(out, "ERROR", "42P01", "no such table", "detail", "hint", 15);
    const auto body = body_of(out, 'E');
    CHECK(body == "SERROR\0VERROR\0C42P01\0Mno such table\0Ddetail\0Hhint\0P15\0\0"sv);
    CHECK(error_sqlstate(body) == "42P01");
    const auto got = read_error(body);
    REQUIRE(got);
    CHECK(got->get('S') == "ERROR");
    CHECK(got->get('C') == "42P01");
    CHECK(got->get('M') == "no such table");
    CHECK(got->get('D') == "detail");
    CHECK(got->get('H') == "hint");
    CHECK(got->get('P') == "15");
    CHECK(got->get('F').empty());
    for (std::size_t n = 0; n < body.size(); ++n) CHECK_FALSE(read_error(body.substr(0, n)));
}

TEST_CASE("an ErrorResponse leaves out what it does not have; a notice is one with another type") {
    std::string out;
    write_notice(out, "WARNING", "01000", "careful");
    CHECK(body_of(out, 'N') == "SWARNING\0VWARNING\0C01000\0Mcareful\0\0"sv);
}

TEST_CASE("the SQLSTATE of a malformed ErrorResponse is empty") {
    CHECK(error_sqlstate("") == "");
    CHECK(error_sqlstate("\0"sv) == "");
    CHECK(error_sqlstate("SERROR\0"sv) == "");
    CHECK(error_sqlstate("SERROR\0C42P01"sv) == "");
    CHECK(error_sqlstate("SERROR"sv) == "");
}

TEST_CASE("authentication requests") {
    std::string out;
    write_authentication_ok(out);
    write_authentication_cleartext(out);
    write_authentication_md5(out, "salt");
    write_authentication_sasl_continue(out, "r=1");
    write_authentication_sasl_final(out, "v=2");
    CHECK(out ==
          "R\0\0\0\x08\0\0\0\0"
          "R\0\0\0\x08\0\0\0\x03"
          "R\0\0\0\x0c\0\0\0\x05salt"
          "R\0\0\0\x0b\0\0\0\x0br=1"
          "R\0\0\0\x0b\0\0\0\x0cv=2"sv);
    out.clear();
    const std::string_view mechanisms[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
    write_authentication_sasl(out, mechanisms);
    CHECK(body_of(out, 'R') == "\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv);
}

TEST_CASE("what a server says after the login") {
    std::string out;
    write_parameter_status(out, "TimeZone", "UTC");
    write_backend_key(out, 0x80000001u, "key4");
    write_ready(out, 'I');
    write_command_complete(out, "SELECT 1");
    write_empty(out, '1');
    CHECK(out ==
          "S\0\0\0\x11TimeZone\0UTC\0"
          "K\0\0\0\x0c\x80\0\0\x01key4"
          "Z\0\0\0\x05I"
          "C\0\0\0\x0dSELECT 1\0"
          "1\0\0\0\x04"sv);
}

TEST_CASE("rows") {
    std::string out;
    const column columns[] = {{"a", 25, -1}, {"b", 20, 8}};
    write_row_description(out, columns);
    CHECK(body_of(out, 'T') ==
          "\0\x02"
          "a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
          "b\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"sv);
    out.clear();
    const std::optional<std::string> values[] = {"x", std::nullopt, ""};
    write_data_row(out, values);
    CHECK(body_of(out, 'D') == "\0\x03\0\0\0\x01x\xff\xff\xff\xff\0\0\0\0"sv);
    out.clear();
    const std::uint32_t oids[] = {25, 0xffffffffu};
    write_parameter_description(out, oids);
    CHECK(body_of(out, 't') == "\0\x02\0\0\0\x19\xff\xff\xff\xff"sv);
}
