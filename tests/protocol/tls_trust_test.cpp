// Whom a TLS engine believes: verify-ca, verify-full, client certificates, and what SCRAM binds to.
#include <doctest/doctest.h>

#include "protocol/postgres/scram.hpp"
#include "protocol/tls.hpp"
#include "tests/protocol/certificates.hpp"
#include "tests/protocol/tls_pair.hpp"

using namespace ringway::protocol;
using namespace ringway::tests;
using status = tls_engine::status;

namespace {

certificate_directory& certificates() {
    static certificate_directory made;
    static const bool once = [] {
        made.make("ca", {.common_name = "our CA", .is_ca = true});
        made.make("other-ca", {.common_name = "another CA", .is_ca = true});
        made.make("named", {.common_name = "common.example",
                            .alternative_names = "DNS:db.example,DNS:*.shard.example,IP:127.0.0.1,IP:::1",
                            .issuer = "ca"});
        made.make("bare", {.common_name = "db.example", .issuer = "ca"});
        made.make("expired", {.common_name = "db.example", .issuer = "ca", .expired = true});
        made.make("app", {.common_name = "app", .issuer = "ca"});
        made.make("zero", {.common_name = std::string("admin\0.example", 14), .issuer = "ca"});
        made.make("stranger", {.common_name = "app", .issuer = "other-ca"});
        made.make("alone", {.common_name = "app"});
        return true;
    }();
    (void)once;
    return made;
}

tls_files files_of(const std::string& name, const std::string& ca = {}) {
    tls_files out;
    if (!name.empty()) {
        out.certificate_file = certificates().certificate(name);
        out.key_file = certificates().key(name);
    }
    if (!ca.empty()) out.ca_file = certificates().certificate(ca);
    return out;
}

std::shared_ptr<const tls_context> server_of(const std::string& name) {
    return tls_context::server(files_of(name));
}

enum class check { nothing, ca, full };

std::shared_ptr<const tls_context> client_of(check how, const std::string& ca = "ca", const std::string& version = {}) {
    auto files = files_of("", ca);
    files.max_version = version;
    files.verify_peer = how == check::ca;
    files.verify_name = how == check::full;
    return tls_context::client(files);
}

/// Whether a client that checks `how` and asks for `name` connects to a server with `certificate`, by either version.
bool connects(check how, const std::string& certificate, const std::string& name, const std::string& ca = "ca") {
    int times = 0;
    for (const std::string version : {"1.2", "1.3"}) {
        tls_pair pair(client_of(how, ca, version), server_of(certificate), name);
        if (pair.shake(11)) {
            ++times;
            continue;
        }
        CHECK(pair.client_status == status::failed);
        CHECK_FALSE(pair.client.established());
        CHECK_FALSE(pair.client.problem().empty());
        CHECK(pair.client.problem() != "unknown TLS error");
    }
    CHECK(times != 1);
    return times == 2;
}

}  // namespace

TEST_CASE("without verification any certificate will do") {
    CHECK(connects(check::nothing, "bare", "wrong.example"));
    CHECK(connects(check::nothing, "alone", "wrong.example"));
    CHECK(connects(check::nothing, "expired", ""));
    CHECK(connects(check::nothing, "bare", "db.example", "other-ca"));
}

TEST_CASE("verify-ca: our CA's certificates, whatever their name") {
    CHECK(connects(check::ca, "bare", "db.example"));
    CHECK(connects(check::ca, "bare", "wrong.example"));
    CHECK(connects(check::ca, "bare", ""));
    CHECK_FALSE(connects(check::ca, "bare", "db.example", "other-ca"));
    CHECK_FALSE(connects(check::ca, "stranger", "app"));
    CHECK_FALSE(connects(check::ca, "alone", "app"));
    CHECK_FALSE(connects(check::ca, "expired", "db.example"));
    CHECK(connects(check::ca, "alone", "app", "alone"));  // a self-signed certificate is its own CA
}

TEST_CASE("verify-full: the name too") {
    CHECK(connects(check::full, "named", "db.example"));
    CHECK(connects(check::full, "named", "DB.Example"));
    CHECK(connects(check::full, "named", "s0.shard.example"));
    CHECK(connects(check::full, "bare", "db.example"));  // no alternative names: the common name
    CHECK_FALSE(connects(check::full, "named", "wrong.example"));
    CHECK_FALSE(connects(check::full, "named", "common.example"));  // it has alternative names: they alone count
    CHECK_FALSE(connects(check::full, "named", "shard.example"));
    CHECK_FALSE(connects(check::full, "named", "a.b.shard.example"));
    CHECK_FALSE(connects(check::full, "named", "db.example.evil"));
    CHECK_FALSE(connects(check::full, "bare", "wrong.example"));
    CHECK_FALSE(connects(check::full, "named", "db.example", "other-ca"));
    CHECK_FALSE(connects(check::full, "expired", "db.example"));
}

TEST_CASE("verify-full: an address is looked for among the addresses") {
    CHECK(connects(check::full, "named", "127.0.0.1"));
    CHECK(connects(check::full, "named", "::1"));
    CHECK_FALSE(connects(check::full, "named", "127.0.0.2"));
    CHECK_FALSE(connects(check::full, "named", "::2"));
}

TEST_CASE("verify-full without a possible name never connects") {
    CHECK_FALSE(connects(check::full, "named", ""));
    CHECK_FALSE(connects(check::full, "named", std::string("db.example\0x", 12)));
    CHECK_FALSE(connects(check::full, "named", std::string(300, 'a')));
}

TEST_CASE("a refused server learns why, and the client can log it") {
    tls_pair pair(client_of(check::ca, "other-ca"), server_of("bare"));
    CHECK_FALSE(pair.shake());
    CHECK(pair.client.problem().starts_with("certificate: "));
    CHECK(pair.server_status == status::failed);
    CHECK(pair.server.problem().find("unknown ca") != std::string::npos);
}

TEST_CASE("mutual TLS: who the client is") {
    auto files = files_of("bare", "ca");
    files.require_peer_certificate = true;
    const auto server = tls_context::server(files);
    for (const std::string version : {"1.2", "1.3"}) {
        auto with = files_of("app", "ca");
        with.max_version = version;
        with.verify_name = true;
        tls_pair pair(tls_context::client(with), server, "db.example");
        REQUIRE(pair.shake(3));
        CHECK(pair.server.peer_common_name() == "app");
        CHECK(pair.client.peer_common_name() == "db.example");
        CHECK(tls_pair::carried(pair.client, pair.server, "hello") == "hello");
    }
}

TEST_CASE("mutual TLS: no certificate, a stranger's, one with a zero in its name") {
    auto files = files_of("bare", "ca");
    files.require_peer_certificate = true;
    const auto strict = tls_context::server(files);
    for (const std::string version : {"1.2", "1.3"}) {
        for (const std::string name : {"", "stranger", "alone", "expired"}) {
            CAPTURE(name);
            auto with = files_of(name);
            with.max_version = version;
            tls_pair pair(tls_context::client(with), strict);
            CHECK_FALSE(pair.shake());
            CHECK(pair.server_status == status::failed);
            CHECK(pair.server.peer_common_name() == "");
            CHECK(pair.client_status == status::failed);  // in TLS 1.3 the alert comes after the client's own end
        }
    }
    tls_pair zero(tls_context::client(files_of("zero")), strict);
    REQUIRE(zero.shake());
    CHECK(zero.server.peer_common_name() == "");
}

TEST_CASE("a client certificate may be optional, but a wrong one is not taken for none") {
    const auto server = tls_context::server(files_of("bare", "ca"));
    tls_pair none(tls_context::client(files_of("")), server);
    REQUIRE(none.shake());
    CHECK(none.server.peer_common_name() == "");
    tls_pair known(tls_context::client(files_of("app")), server);
    REQUIRE(known.shake());
    CHECK(known.server.peer_common_name() == "app");
    tls_pair wrong(tls_context::client(files_of("stranger")), server);
    CHECK_FALSE(wrong.shake());
    tls_pair unasked(tls_context::client(files_of("app")), server_of("bare"));
    REQUIRE(unasked.shake());
    CHECK(unasked.server.peer_common_name() == "");
    CHECK(unasked.client.peer_common_name() == "");  // nobody has verified it
}

TEST_CASE("tls-server-end-point is one hash on both sides: that of the certificate's signature, SHA-256 at least") {
    struct row {
        const char *name, *digest, *expected;
        key_kind key;
    };
    const row rows[] = {
        {"sha1", "SHA1", "SHA256", key_kind::ec},          {"md5", "MD5", "SHA256", key_kind::rsa},
        {"sha256", "SHA256", "SHA256", key_kind::rsa},     {"sha384", "SHA384", "SHA384", key_kind::ec},
        {"sha512", "SHA512", "SHA512", key_kind::rsa},     {"pss256", "SHA256", "SHA256", key_kind::rsa_pss},
        {"pss512", "SHA512", "SHA512", key_kind::rsa_pss},
    };
    for (const auto& [name, digest, expected, key] : rows) {
        CAPTURE(name);
        certificates().make(name, {.common_name = "db.example", .digest = digest, .key = key});
        const auto server = server_of(name);
        const auto hash = certificates().digest(name, expected);
        CHECK(server->own_end_point() == hash);
        for (const std::string version : {"1.2", "1.3"}) {
            tls_pair pair(client_of(check::nothing, "ca", version), server);
            REQUIRE(pair.shake());
            CHECK(pair.client.peer_end_point() == hash);
            CHECK(pair.server.own_end_point() == hash);
            CHECK(pair.server.peer_end_point() == "");
        }
    }
}

TEST_CASE("a signature without a hash of its own binds nothing, on both sides") {
    certificates().make("ed25519", {.common_name = "db.example", .key = key_kind::ed25519});
    tls_pair pair(client_of(check::nothing), server_of("ed25519"));
    REQUIRE(pair.shake());
    CHECK(pair.client.peer_end_point() == "");
    CHECK(pair.server.own_end_point() == "");
}

TEST_CASE("SCRAM-SHA-256-PLUS over a connection succeeds, over two with a man in the middle it fails") {
    const auto log_in = [](const tls_engine& client, const tls_engine& server) {
        postgres::scram_client asks({"secret", {}, {}}, "client-nonce", client.peer_end_point(), true);
        postgres::scram_server checks(postgres::make_verifier("secret", "salt"), "server-nonce",
                                      server.own_end_point());
        const auto challenge = checks.first("SCRAM-SHA-256-PLUS", asks.first());
        REQUIRE(challenge);
        const auto answer = asks.last(*challenge);
        REQUIRE(answer);
        const auto proof = checks.last(*answer);
        return proof && asks.verify(*proof);
    };
    tls_pair honest(client_of(check::nothing), server_of("bare"));
    REQUIRE(honest.shake());
    CHECK(log_in(honest.client, honest.server));
    tls_pair to_attacker(client_of(check::nothing), server_of("alone"));
    REQUIRE(to_attacker.shake());
    CHECK_FALSE(log_in(to_attacker.client, honest.server));
}
