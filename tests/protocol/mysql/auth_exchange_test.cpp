#include "protocol/mysql/auth_exchange.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "protocol/mysql/handshake.hpp"

using namespace ringway::protocol::mysql;
using namespace std::literals;

namespace {

const std::string nonce = "abcdefghijklmnopqrstuvwxyz012345";

std::shared_ptr<const rsa_key> key() {
    static const auto made = rsa_key::generate();
    return made;
}

struct outcome {
    bool right = false;
    std::string_view plugin;                  ///< that the server used in the end
    std::vector<std::string> server, client;  ///< payloads after the login
    std::string password, native_key, problem;
};

/// A login of our client at our server, which greets with `greeted`.
outcome log_in(auth_client client, auth_account account, std::string_view greeted, bool secure,
               std::shared_ptr<const rsa_key> server_key = key()) {
    outcome out;
    auth_server server(std::move(account), nonce, secure, std::move(server_key));
    const auto opening = client.first(greeted, std::string_view(nonce).substr(0, 20));
    std::string to_client, to_server;
    auto said = server.first(opening.plugin, opening.response, to_client);
    while (said == auth_server::next::send || said == auth_server::next::note) {
        out.server.push_back(to_client);
        const auto answer = client.take(to_client, to_server);
        if (said == auth_server::next::note) {
            CHECK(answer == auth_client::next::wait);
            said = auth_server::next::done;
            break;
        }
        if (answer != auth_client::next::send) break;
        out.client.push_back(to_server);
        said = server.take(to_server, to_client);
    }
    out.right = said == auth_server::next::done;
    out.plugin = name_of(server.plugin());
    out.password = server.password();
    out.native_key = server.native_key();
    out.problem = client.problem();
    return out;
}

auth_account prefers(auth_plugin plugin, std::string_view password = "secret") {
    auto out = auth_account::from_password(password);
    out.preferred = plugin;
    return out;
}

}  // namespace

TEST_CASE("a login without a switch") {
    for (const auto plugin : {"mysql_native_password"sv, "caching_sha2_password"sv}) {
        CAPTURE(plugin);
        const auto account = auth_account::from_password("secret");
        auto got = log_in({{"secret", ""}, false, false}, account, plugin, false);
        CHECK(got.right);
        CHECK(got.plugin == plugin);
        CHECK(got.client.empty());
        CHECK(!log_in({{"wrong", ""}, false, false}, account, plugin, false).right);
        CHECK(!log_in({{"", ""}, false, false}, account, plugin, false).right);
        CHECK(!log_in({{"secret", ""}, false, false}, auth_account::mock("app", "seed"), plugin, false).right);
        CHECK(log_in({{"", ""}, false, false}, auth_account::from_password(""), plugin, false).right);
        CHECK(!log_in({{"secret", ""}, false, false}, auth_account::from_password(""), plugin, false).right);
    }
}

TEST_CASE("a login that is switched to another plugin") {
    auth_account account;
    account.ed25519_public_key = ed25519_public_key("secret");
    account.preferred = auth_plugin::ed25519;
    auto got = log_in({{"secret", ""}, false, false}, account, "mysql_native_password", false);
    CHECK(got.right);
    CHECK(got.plugin == "client_ed25519");
    CHECK(got.server == std::vector{"\xfe"
                                    "client_ed25519\0"s +
                                    nonce});
    CHECK(!log_in({{"wrong", ""}, false, false}, account, "mysql_native_password", false).right);

    account = {};
    account.native_stored = native_stored("secret");
    got = log_in({{"secret", ""}, false, false}, account, "caching_sha2_password", false);
    CHECK(got.right);
    CHECK(got.plugin == "mysql_native_password");
    CHECK(got.server == std::vector{"\xfemysql_native_password\0abcdefghijklmnopqrst\0"s});

    // Greeted for a plugin it does not know, a client names its own and answers what the server can use.
    CHECK(log_in({{"secret", ""}, false, false}, prefers(auth_plugin::caching_sha2), "dialog", false).right);
    // libmysqlclient answers nothing when the greeting was for another plugin; then comes the switch.
    auth_server server(account, nonce, false, nullptr);
    std::string payload;
    CHECK(server.first("mysql_native_password", "", payload) == auth_server::next::send);
    CHECK(server.take(native_response("secret", nonce.substr(0, 20)), payload) == auth_server::next::done);
}

TEST_CASE("what a native login brings to light is enough for a login to a server") {
    const auto got =
        log_in({{"secret", ""}, false, false}, prefers(auth_plugin::native), "mysql_native_password", false);
    REQUIRE(!got.native_key.empty());
    CHECK(log_in({{"", got.native_key}, false, false}, prefers(auth_plugin::native), "mysql_native_password", false)
              .right);
    auth_account account;
    account.caching_sha2_stored = caching_sha2_stored("secret");
    const auto other = log_in({{"", got.native_key}, true, true}, account, "mysql_native_password", true);
    CHECK(!other.right);
    CHECK(other.problem != "");
}

TEST_CASE("a password that somebody else checks is asked for, never in the open") {
    auth_account account;
    account.ask_password = true;
    account.preferred = auth_plugin::caching_sha2;
    auto got = log_in({{"secret", ""}, true, false}, account, "caching_sha2_password", true);
    CHECK(got.right);
    CHECK(got.password == "secret");
    CHECK(got.server == std::vector{"\x01\x04"s});
    CHECK(got.client == std::vector{"secret\0"s});

    got = log_in({{"secret", ""}, false, true}, account, "mysql_native_password", false);
    CHECK(got.right);
    CHECK(got.password == "secret");
    REQUIRE(got.server.size() == 3);
    CHECK(got.client[1] == "\x02");
    CHECK(got.server[2] == "\x01" + key()->public_pem());
    CHECK(got.client[2].size() == 256);

    // Neither TLS nor a key: the client does not send it, and the server does not ask.
    got = log_in({{"secret", ""}, false, false}, account, "caching_sha2_password", false);
    CHECK(!got.right);
    CHECK(got.problem != "");
    CHECK(!log_in({{"secret", ""}, false, true}, account, "caching_sha2_password", false, nullptr).right);
}

TEST_CASE("a wrong answer on the fast path is followed by the full one") {
    // PyMySQL 1.0's, after a switch: made with the zero byte behind the challenge.
    const auto answer = caching_sha2_response("secret", nonce.substr(0, 20) + "\0"s);
    auth_account account;
    account.caching_sha2_stored = caching_sha2_stored("secret");
    std::string payload;
    for (const std::string password : {"secret", "wrong"}) {
        auth_server server(account, nonce, true, nullptr);
        CHECK(server.first("caching_sha2_password", answer, payload) == auth_server::next::send);
        CHECK(payload == "\x01\x04");
        const auto right = password == "secret" ? auth_server::next::done : auth_server::next::refused;
        CHECK(server.take(password + "\0"s, payload) == right);
    }
    auth_server neither(account, nonce, false, nullptr);
    CHECK(neither.first("caching_sha2_password", answer, payload) == auth_server::next::refused);
}

TEST_CASE("mysql_clear_password needs TLS on both sides") {
    std::string payload;
    auth_server open(auth_account::from_password("secret"), nonce, false, key());
    CHECK(open.first("mysql_clear_password", "secret\0"sv, payload) == auth_server::next::send);
    CHECK(open.plugin() != auth_plugin::clear);
    auth_server closed(auth_account::from_password("secret"), nonce, true, key());
    CHECK(closed.first("mysql_clear_password", "", payload) == auth_server::next::send);
    CHECK(closed.take("secret\0"sv, payload) == auth_server::next::done);
    CHECK(closed.password() == "secret");

    const auto asks = "\xfemysql_clear_password\0"s;
    std::string response;
    auth_client careful({"secret", ""}, false, true);
    CHECK(careful.take(asks, response) == auth_client::next::failed);
    CHECK(response == "");
    auth_client secure({"secret", ""}, true, true);
    CHECK(secure.take(asks, response) == auth_client::next::send);
    CHECK(response == "secret\0"s);
}

TEST_CASE("a client takes what servers say") {
    std::string response;
    auth_client client({"secret", ""}, false, true);
    CHECK(client.first("caching_sha2_password", nonce).response ==
          caching_sha2_response("secret", nonce.substr(0, 20)));
    CHECK(client.take("\x01\x03", response) == auth_client::next::wait);
    CHECK(client.take("\0\0\0\2\0\0\0"sv, response) == auth_client::next::done);
    CHECK(client.take("\xff\x15\x04#28000Access denied", response) == auth_client::next::refused);
    // sha256_password asks for the key with a byte of its own.
    CHECK(client.take("\xfesha256_password\0abcdefghijklmnopqrst\0"sv, response) == auth_client::next::send);
    CHECK(response == "\x01");
    CHECK(client.take("\x01" + key()->public_pem(), response) == auth_client::next::send);
    CHECK(key()->decrypt(response, nonce.substr(0, 20)) == "secret");
    CHECK(client.take("\xfesome_plugin\0x"sv, response) == auth_client::next::failed);
    CHECK(client.take("\xfe", response) == auth_client::next::failed);
    CHECK(client.take("", response) == auth_client::next::failed);
    CHECK(client.take("\x01\x07", response) == auth_client::next::failed);
    auth_client native({"secret", ""}, false, true);
    native.first("mysql_native_password", nonce);
    CHECK(native.take("\x01\x04", response) == auth_client::next::failed);
}

TEST_CASE("a server takes nothing that was not asked for") {
    std::string payload;
    auth_server server(auth_account::from_password("secret"), nonce, false, key());
    CHECK(server.take("anything", payload) == auth_server::next::refused);
    auth_account account;
    account.ask_password = true;
    auth_server asks(account, nonce, false, key());
    CHECK(asks.first("caching_sha2_password", "x", payload) == auth_server::next::send);
    CHECK(asks.take("secret\0"sv, payload) == auth_server::next::refused);
    auth_server nobody({}, nonce, false, key());
    CHECK(nobody.first("mysql_native_password", "x", payload) == auth_server::next::refused);
}
