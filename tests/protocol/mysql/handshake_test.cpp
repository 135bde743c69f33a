#include "protocol/mysql/handshake.hpp"

#include <doctest/doctest.h>

using namespace ringway::protocol::mysql;
using namespace std::literals;

namespace {

constexpr auto modern =
    capability::protocol_41 | capability::secure_connection | capability::plugin_auth | capability::transactions;

/// What a writer wrote, without its header.
template <class Write, class From>
std::string payload(Write write, const From& from) {
    std::string out;
    std::uint8_t sequence = 0;
    write(out, sequence, from);
    return out.substr(header_size);
}

}  // namespace

TEST_CASE("a greeting is read as it was written") {
    greeting from;
    from.server_version = "8.0.36";
    from.connection_id = 0xfffffff0;
    from.nonce = "abcdefghijklmnopqrst";
    from.capabilities = modern | capability::client_mysql | capability::ssl | capability::deprecate_eof;
    from.collation = 255;
    from.status = 2;
    from.plugin = "caching_sha2_password";
    auto bytes = payload(write_greeting, from);
    auto got = read_greeting(bytes);
    REQUIRE(got);
    CHECK(got->server_version == "8.0.36");
    CHECK(got->connection_id == 0xfffffff0);
    CHECK(got->nonce == from.nonce);
    CHECK(got->capabilities == from.capabilities);
    CHECK(got->collation == 255);
    CHECK(got->status == 2);
    CHECK(got->plugin == "caching_sha2_password");
    // Before 4.1 a greeting ended after the lower capabilities.
    for (std::size_t n = 0; n + 22 < bytes.size(); ++n) {
        CAPTURE(n);
        CHECK(read_greeting(std::string_view(bytes).substr(0, n)).has_value() == (n == 23));
    }

    from.capabilities = modern | capability::mariadb_cache_metadata | capability::mariadb_stmt_bulk_operations;
    from.server_version = "5.5.5-10.11.6-MariaDB";
    bytes = payload(write_greeting, from);
    got = read_greeting(bytes);
    REQUIRE(got);
    CHECK(got->capabilities == from.capabilities);

    // A server that says it is MySQL has no MariaDB capabilities, whatever stands there.
    from.capabilities |= capability::client_mysql;
    bytes = payload(write_greeting, from);
    CHECK(read_greeting(bytes)->capabilities == (modern | capability::client_mysql));
    CHECK(!read_greeting("\xff\x10\x04Too many connections"sv));
}

TEST_CASE("a login is read as it was written") {
    const attribute attributes[] = {{"_client_name", "ringway"}, {"_pid", "1"}, {"empty", ""}};
    const auto raw = write_attributes(attributes);
    login from;
    from.capabilities = modern | capability::connect_with_db | capability::connect_attrs |
                        capability::plugin_auth_lenenc_data | capability::zstd_compression |
                        capability::mariadb_extended_metadata;
    from.max_packet = 1 << 24;
    from.collation = 45;
    from.user = "app";
    const std::string long_answer(300, 'a');
    from.auth_response = long_answer;
    from.database = "shop";
    from.plugin = "mysql_native_password";
    from.attributes = raw;
    from.zstd_level = 3;
    const auto bytes = payload(write_login, from);
    const auto got = read_login(bytes);
    REQUIRE(got);
    CHECK(got->what == login::kind::login);
    CHECK(got->capabilities == from.capabilities);
    CHECK(got->max_packet == 1 << 24);
    CHECK(got->collation == 45);
    CHECK(got->user == "app");
    CHECK(got->auth_response == long_answer);
    CHECK(got->database == "shop");
    CHECK(got->plugin == "mysql_native_password");
    CHECK(got->zstd_level == 3);
    std::vector<attribute> read;
    CHECK(read_attributes(got->attributes, read));
    CHECK(read == std::vector<attribute>(std::begin(attributes), std::end(attributes)));
    CHECK(!read_attributes(got->attributes.substr(0, 3), read));
    for (std::size_t n = 0; n < 32; ++n) CHECK(!read_login(std::string_view(bytes).substr(0, n)));
}

TEST_CASE("older forms of a login") {
    login from;
    from.user = "app";
    from.auth_response = "\1\2\3"sv;
    from.capabilities = capability::protocol_41 | capability::secure_connection | capability::client_mysql;
    auto bytes = payload(write_login, from);
    CHECK(bytes.ends_with("app\0\x03\1\2\3"sv));
    CHECK(read_login(bytes)->auth_response == "\1\2\3"sv);
    from.capabilities = capability::protocol_41;
    bytes = payload(write_login, from);
    CHECK(bytes.ends_with("app\0\1\2\3\0"sv));
    CHECK(read_login(bytes)->auth_response == "\1\2\3"sv);
    // Fields that a capability announces and an old client leaves out.
    from.capabilities = modern | capability::connect_attrs | capability::connect_with_db;
    bytes = payload(write_login, from);
    bytes.resize(bytes.size() - 3);
    CHECK(read_login(bytes)->user == "app");
    const auto old = read_login("\x05\0\0\0\x01root\0"sv);
    REQUIRE(old);
    CHECK(old->what == login::kind::too_old);
    CHECK(old->user == "root");
}

TEST_CASE("an SSLRequest is the front of a login") {
    login from;
    from.what = login::kind::ssl_request;
    from.capabilities = modern | capability::ssl | capability::client_mysql;
    from.collation = 33;
    const auto bytes = payload(write_login, from);
    CHECK(bytes.size() == 32);
    const auto got = read_login(bytes);
    REQUIRE(got);
    CHECK(got->what == login::kind::ssl_request);
    CHECK(got->collation == 33);
    from.capabilities = modern | capability::client_mysql;
    const auto neither = payload(write_login, from);
    CHECK(!read_login(neither));
}

TEST_CASE("what comes while a login goes on") {
    const auto bytes = payload(write_auth_switch, auth_switch{"client_ed25519", "\1\2\0"sv});
    CHECK(bytes ==
          "\xfe"
          "client_ed25519\0\1\2\0"sv);
    CHECK(read_auth_switch(bytes)->plugin == "client_ed25519");
    CHECK(read_auth_switch(bytes)->data == "\1\2\0"sv);
    CHECK(read_auth_switch("\xfe")->plugin == "mysql_old_password");
    CHECK(
        !read_auth_switch("\xfe"
                          "no end"));
    CHECK(!read_auth_switch("\0"sv));
    const auto more = payload(write_auth_more_data, "\x04"sv);
    CHECK(more == "\x01\x04");
    CHECK(read_auth_more_data(more) == "\x04");
    CHECK(!read_auth_more_data("\x02"));
}
