#include "protocol/mysql/auth.hpp"

#include <doctest/doctest.h>

#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;

using ringway::tests::from_hex;

namespace {
constexpr std::string_view nonce = "abcdefghijklmnopqrst";
constexpr std::string_view long_nonce = "abcdefghijklmnopqrstuvwxyz012345";
}  // namespace

TEST_CASE("plugins by their names") {
    for (const auto plugin : {auth_plugin::native, auth_plugin::caching_sha2, auth_plugin::sha256, auth_plugin::ed25519,
                              auth_plugin::clear})
        CHECK(plugin_of(name_of(plugin)) == plugin);
    CHECK(plugin_of("mysql_old_password") == auth_plugin::unknown);
    CHECK(name_of(auth_plugin::unknown) == "");
}

TEST_CASE("mysql_native_password") {
    // SELECT PASSWORD('foo')
    CHECK(write_native_stored(native_stored("foo")) == "*F3A2A51A9B0F2BE2468926B4132313728C250DBF");
    CHECK(read_native_stored("*f3a2a51a9b0f2be2468926b4132313728c250dbf") == native_stored("foo"));
    CHECK(!read_native_stored("F3A2A51A9B0F2BE2468926B4132313728C250DBF"));
    CHECK(!read_native_stored("*F3A2A51A9B0F2BE2468926B4132313728C250DBG"));
    const auto response = native_response("foo", nonce);
    CHECK(response.size() == 20);
    // PyMySQL's scramble_native_password
    CHECK(native_response("secret", nonce) == from_hex("8817c50fa779daef010ee7577825b0847df9842e"));
    const auto key = native_check(native_stored("foo"), nonce, response);
    REQUIRE(key);
    CHECK(native_response_from_key(*key, "another nonce of 20b") == native_response("foo", "another nonce of 20b"));
    CHECK(!native_check(native_stored("bar"), nonce, response));
    CHECK(!native_check(native_stored("foo"), "another nonce of 20b", response));
    CHECK(!native_check(native_stored("foo"), nonce, response.substr(1)));
    CHECK(!native_check(native_stored("foo"), nonce, ""));
    CHECK(native_response("", nonce) == "");
}

TEST_CASE("caching_sha2_password, the fast path") {
    const auto response = caching_sha2_response("foo", nonce);
    CHECK(response.size() == 32);
    // PyMySQL's scramble_caching_sha2
    CHECK(caching_sha2_response("secret", nonce) ==
          from_hex("c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809"));
    CHECK(caching_sha2_check(caching_sha2_stored("foo"), nonce, response));
    CHECK(!caching_sha2_check(caching_sha2_stored("bar"), nonce, response));
    CHECK(!caching_sha2_check(caching_sha2_stored("foo"), long_nonce, response));
    CHECK(!caching_sha2_check(caching_sha2_stored("foo"), nonce, ""));
    CHECK(caching_sha2_response("", nonce) == "");
}

TEST_CASE("a password under an RSA key") {
    const auto key = rsa_key::generate();
    REQUIRE(key);
    CHECK(key->public_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    for (const std::string password : {"", "foo", "thirty bytes, more than a nonce"}) {
        const auto hidden = rsa_encrypt(password, nonce, key->public_pem());
        REQUIRE(hidden);
        CHECK(hidden->size() == 256);
        CHECK(key->decrypt(*hidden, nonce) == password);
        CHECK(key->decrypt(*hidden, "some other nonce 20b") != password);
    }
    CHECK(!key->decrypt("no cipher text", nonce));
    CHECK(!key->decrypt(std::string(256, 'x'), nonce));
    CHECK(!rsa_encrypt("foo", nonce, "no key"));
    CHECK(!rsa_encrypt(std::string(300, 'x'), nonce, key->public_pem()));
}

TEST_CASE("client_ed25519") {
    // SELECT ed25519_password('foo') on MariaDB 10.11
    CHECK(write_ed25519_stored(ed25519_public_key("foo")) == "vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4TI");
    CHECK(write_ed25519_stored(ed25519_public_key("secret")) == "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY");
    CHECK(read_ed25519_stored("vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4TI") == ed25519_public_key("foo"));
    CHECK(!read_ed25519_stored("vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4"));
    CHECK(!read_ed25519_stored("not base64!"));
    CHECK(!read_ed25519_stored(""));
    auto response = ed25519_response("foo", long_nonce);
    CHECK(response.size() == 64);
    CHECK(ed25519_check(ed25519_public_key("foo"), long_nonce, response));
    CHECK(!ed25519_check(ed25519_public_key("bar"), long_nonce, response));
    CHECK(!ed25519_check(ed25519_public_key("foo"), nonce, response));
    CHECK(!ed25519_check("", long_nonce, response));
    CHECK(!ed25519_check(ed25519_public_key("foo"), long_nonce, ""));
    response[40] ^= 1;
    CHECK(!ed25519_check(ed25519_public_key("foo"), long_nonce, response));
}

TEST_CASE("secrets are compared whole") {
    CHECK(same_secret("abc", "abc"));
    CHECK(!same_secret("abc", "abd"));
    CHECK(!same_secret("abc", "ab"));
    CHECK(same_secret("", ""));
}
