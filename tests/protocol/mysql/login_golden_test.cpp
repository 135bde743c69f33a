// Logins of a real client at real servers, read, checked and made again.
#include <doctest/doctest.h>

#include "protocol/mysql/auth_exchange.hpp"
#include "protocol/mysql/command.hpp"
#include "protocol/mysql/handshake.hpp"
#include "protocol/mysql/reply.hpp"
#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;
using namespace ringway::tests;

TEST_CASE("logins with mysql_native_password") {
    for (const auto name : {"mariadb-10.11-login-native", "mysql-5.6-login-native"}) {
        CAPTURE(name);
        const auto session = read_golden(name);
        const auto greeted = messages_of(session.exchanges.at(0).server);
        const auto hello = read_greeting(greeted.at(0));
        REQUIRE(hello);
        CHECK(hello->nonce.size() == nonce_size);
        CHECK(hello->plugin == "mysql_native_password");
        CHECK((hello->server_version.starts_with("5.5.5-10.11.") || hello->server_version.starts_with("5.6.")));
        CHECK(capability::has(hello->capabilities, capability::client_mysql) ==
              hello->server_version.starts_with("5.6."));
        CHECK(capability::has(hello->capabilities, capability::mariadb_stmt_bulk_operations) ==
              hello->server_version.starts_with("5.5.5-"));
        std::string again;
        std::uint8_t sequence = 0;
        write_greeting(again, sequence, *hello);
        CHECK(again.substr(header_size) == greeted[0]);

        const auto sent = messages_of(session.exchanges.at(1).client);
        const auto from = read_login(sent.at(0));
        REQUIRE(from);
        CHECK(from->what == login::kind::login);
        CHECK(from->user == "golden_native");
        CHECK(from->plugin == "mysql_native_password");
        std::vector<attribute> attributes;
        REQUIRE(read_attributes(from->attributes, attributes));
        CHECK(!attributes.empty());
        again.clear();
        sequence = 1;
        write_login(again, sequence, *from);
        CHECK(again.substr(header_size) == sent[0]);

        CHECK(native_check(native_stored("secret"), hello->nonce, from->auth_response));
        auth_client client({"secret", ""}, false, false);
        CHECK(client.first(hello->plugin, hello->nonce).response == from->auth_response);
        const auto answer = messages_of(session.exchanges[1].server);
        std::string response;
        CHECK(client.take(answer.at(0), response) == auth_client::next::done);
        const auto ok = read_ok(answer[0], from->capabilities & hello->capabilities);
        REQUIRE(ok);
        CHECK((ok->status & status::autocommit) != 0);
    }
}

TEST_CASE("a login that MariaDB switches to client_ed25519") {
    const auto session = read_golden("mariadb-10.11-login-ed25519");
    const auto greeted = messages_of(session.exchanges.at(0).server);
    const auto hello = read_greeting(greeted.at(0));
    REQUIRE(hello);
    const auto asked = messages_of(session.exchanges.at(1).server);
    const auto to = read_auth_switch(asked.at(0));
    REQUIRE(to);
    CHECK(to->plugin == "client_ed25519");
    CHECK(to->data.size() == 32);
    const auto signature = messages_of(session.exchanges.at(2).client);
    CHECK(ed25519_check(ed25519_public_key("secret"), to->data, signature.at(0)));

    // Signatures are the same whoever makes them.
    auth_client client({"secret", ""}, false, false);
    client.first(hello->plugin, hello->nonce);
    std::string response;
    CHECK(client.take(asked[0], response) == auth_client::next::send);
    CHECK(response == signature[0]);
    CHECK(client.take(messages_of(session.exchanges[2].server).at(0), response) == auth_client::next::done);
}
