// The engine against a peer that is OpenSSL itself, doing what the engine's own other side never does.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>

#include "protocol/tls.hpp"
#include "tests/protocol/certificates.hpp"

using namespace ringway::protocol;
using namespace ringway::tests;
using status = tls_engine::status;

namespace {

/// One side of a connection by OpenSSL's plain calls. Owns its rules and its state.
class raw_peer {
  public:
    raw_peer(bool is_server, int version) {
        certificates_.make("peer", {.common_name = "peer"});
        rules_ = SSL_CTX_new(TLS_method());
        SSL_CTX_set_min_proto_version(rules_, version);
        SSL_CTX_set_max_proto_version(rules_, version);
        if (is_server) {
            SSL_CTX_use_certificate_file(rules_, certificates_.certificate("peer").c_str(), SSL_FILETYPE_PEM);
            SSL_CTX_use_PrivateKey_file(rules_, certificates_.key("peer").c_str(), SSL_FILETYPE_PEM);
        }
        ssl_ = SSL_new(rules_);
        SSL_set_bio(ssl_, in_ = BIO_new(BIO_s_mem()), out_ = BIO_new(BIO_s_mem()));
        is_server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
    }
    ~raw_peer() {
        SSL_free(ssl_);
        SSL_CTX_free(rules_);
    }
    raw_peer(const raw_peer&) = delete;
    raw_peer& operator=(const raw_peer&) = delete;

    SSL* ssl() const { return ssl_; }
    const certificate_directory& files() const { return certificates_; }
    void take(const std::string& wire) { BIO_write(in_, wire.data(), static_cast<int>(wire.size())); }
    std::string wire() {
        std::array<char, 65536> bytes;
        const int n = BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
        return {bytes.data(), static_cast<std::size_t>(n > 0 ? n : 0)};
    }
    /// What can be read now.
    std::string read() {
        std::array<char, 65536> bytes;
        const int n = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
        return {bytes.data(), static_cast<std::size_t>(n > 0 ? n : 0)};
    }
    void write(const std::string& plain) { SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())); }

  private:
    certificate_directory certificates_;
    SSL_CTX* rules_ = nullptr;
    SSL* ssl_ = nullptr;
    BIO *in_ = nullptr, *out_ = nullptr;
};

/// Ends when both sides are done or nothing moves; the engine's wire bytes beyond that go to the peer.
bool shake(tls_engine& engine, raw_peer& peer) {
    std::string out;
    auto got = engine.handshake({}, out);
    for (int i = 0; i < 10 && (got == status::need_input || !SSL_is_init_finished(peer.ssl())); ++i) {
        peer.take(out);
        out.clear();
        SSL_do_handshake(peer.ssl());
        got = engine.handshake(peer.wire(), out);
    }
    peer.take(out);
    return engine.established() && SSL_is_init_finished(peer.ssl());
}

tls_engine client_engine() {
    return {tls_context::client({}), false, "peer"};
}

}  // namespace

TEST_CASE("a server's session tickets are no data and need no answer") {
    raw_peer server(true, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(SSL_get_SSL_CTX(server.ssl()), 4);
    auto engine = client_engine();
    REQUIRE(shake(engine, server));
    std::string plain, out;
    CHECK(engine.decrypt({}, plain, out) == status::ok);
    server.write("row");
    CHECK(engine.decrypt(server.wire(), plain, out) == status::ok);
    CHECK(plain == "row");
    CHECK(out.empty());
}

TEST_CASE("a key update that wants an answer gets one, and data goes on in both directions") {
    raw_peer server(true, TLS1_3_VERSION);
    auto engine = client_engine();
    REQUIRE(shake(engine, server));
    for (int round = 0; round < 3; ++round) {
        std::string plain, out;
        REQUIRE(SSL_key_update(server.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
        server.write("after");
        CHECK(engine.decrypt(server.wire(), plain, out) == status::ok);
        CHECK(plain == "after");
        std::string more;
        REQUIRE(engine.encrypt("answer", more) == status::ok);
        CHECK_FALSE((out + more).empty());
        server.take(out + more);
        CHECK(server.read() == "answer");
    }
}

TEST_CASE("a client that wants to renegotiate in TLS 1.2 is refused, not obeyed") {
    raw_peer client(false, TLS1_2_VERSION);
    tls_files files;
    files.certificate_file = client.files().certificate("peer");
    files.key_file = client.files().key("peer");
    tls_engine engine(tls_context::server(files), true);
    REQUIRE(shake(engine, client));
    REQUIRE(SSL_renegotiate(client.ssl()) == 1);
    bool done = SSL_do_handshake(client.ssl()) == 1;
    for (int round = 0; round < 6 && !done; ++round) {
        std::string plain, out;
        (void)engine.decrypt(client.wire(), plain, out);
        CHECK(plain.empty());
        client.take(out);
        done = SSL_do_handshake(client.ssl()) == 1;
    }
    CHECK_FALSE(done);
}

TEST_CASE("a server that wants to renegotiate in TLS 1.2 gets an alert, no new handshake") {
    constexpr char alert_record = 0x15;
    raw_peer server(true, TLS1_2_VERSION);
    auto engine = client_engine();
    REQUIRE(shake(engine, server));
    REQUIRE(SSL_renegotiate(server.ssl()) == 1);
    SSL_do_handshake(server.ssl());
    std::string plain, out;
    CHECK(engine.decrypt(server.wire(), plain, out) == status::ok);
    REQUIRE_FALSE(out.empty());
    CHECK(out.front() == alert_record);
}

TEST_CASE("no session is offered for resumption, so each connection shows its certificate") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        raw_peer client(false, version);
        tls_files files;
        files.certificate_file = client.files().certificate("peer");
        files.key_file = client.files().key("peer");
        tls_engine engine(tls_context::server(files), true);
        REQUIRE(shake(engine, client));
        std::string wire;
        REQUIRE(engine.encrypt("x", wire) == status::ok);
        client.take(wire);
        CHECK(client.read() == "x");
        CHECK(SSL_SESSION_is_resumable(SSL_get_session(client.ssl())) == 0);
    }
}
