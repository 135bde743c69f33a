#include "protocol/tls.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/protocol/certificates.hpp"
#include "tests/protocol/tls_pair.hpp"

using namespace ringway::protocol;
using namespace ringway::tests;
using status = tls_engine::status;

namespace {

const certificate_directory& certificates() {
    static certificate_directory made;
    static const bool once = [] {
        made.make("server", {.common_name = "db.example"});
        made.make("other", {.common_name = "other.example"});
        made.make("locked", {.common_name = "locked", .pass_phrase = "secret"});
        return true;
    }();
    (void)once;
    return made;
}

tls_files server_files() {
    tls_files out;
    out.certificate_file = certificates().certificate("server");
    out.key_file = certificates().key("server");
    return out;
}

std::shared_ptr<const tls_context> server_rules() {
    return tls_context::server(server_files());
}

/// A client that checks nothing, of at most `version`.
std::shared_ptr<const tls_context> client_rules(const std::string& version = "1.3") {
    tls_files out;
    if (version == "1.2") out.max_version = version;
    return tls_context::client(out);
}

/// Sizes of the TLS records in `wire`, without their headers.
std::vector<std::size_t> records(std::string_view wire) {
    std::vector<std::size_t> out;
    while (wire.size() >= 5) {
        const auto byte = [&wire](std::size_t i) {
            return static_cast<std::size_t>(static_cast<unsigned char>(wire[i]));
        };
        const auto size = byte(3) << 8 | byte(4);
        REQUIRE(wire.size() >= 5 + size);
        out.push_back(size);
        wire.remove_prefix(5 + size);
    }
    CHECK(wire.empty());
    return out;
}

std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "";
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a handshake and data, whole and byte by byte, TLS 1.2 and 1.3") {
    const auto rules = server_rules();
    for (const std::string version : {"1.2", "1.3"}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1} << 20}) {
            CAPTURE(version);
            CAPTURE(piece);
            tls_pair pair(client_rules(version), rules, "db.example");
            REQUIRE(pair.shake(piece));
            CHECK(pair.client_status == status::ok);
            CHECK(pair.server_status == status::ok);
            CHECK(pair.client.version() == "TLSv" + version);
            CHECK(pair.server.version() == "TLSv" + version);
            CHECK(pair.client.cipher() == pair.server.cipher());
            CHECK(pair.client.cipher().size() > 8);
            CHECK(tls_pair::carried(pair.client, pair.server, "SELECT 1", piece) == "SELECT 1");
            CHECK(tls_pair::carried(pair.server, pair.client, std::string("a\0b", 3), piece) == std::string("a\0b", 3));
        }
    }
}

TEST_CASE("nothing is established until the last byte, and nothing fails before it") {
    const auto rules = server_rules();
    tls_pair pair(client_rules(), rules);
    std::string hello, flight, finished, none;
    REQUIRE(pair.client.handshake({}, hello) == status::need_input);
    for (std::size_t i = 0; i < hello.size(); ++i) {
        CHECK(flight.empty());
        CHECK(pair.server.handshake(std::string_view(hello).substr(i, 1), flight) == status::need_input);
    }
    REQUIRE_FALSE(flight.empty());
    CHECK(pair.client.handshake(flight, finished) == status::ok);
    for (std::size_t i = 0; i < finished.size(); ++i) {
        CHECK_FALSE(pair.server.established());
        CHECK(pair.server.handshake(std::string_view(finished).substr(i, 1), none) ==
              (i + 1 == finished.size() ? status::ok : status::need_input));
    }
    CHECK(pair.server.established());
}

TEST_CASE("data that came with the last bytes of the handshake is there at once after it") {
    tls_pair pair(client_rules(), server_rules());
    std::string hello, flight, finished, out, plain;
    pair.client.handshake({}, hello);
    pair.server.handshake(hello, flight);
    REQUIRE(pair.client.handshake(flight, finished) == status::ok);
    REQUIRE(pair.client.encrypt("early bird", finished) == status::ok);
    REQUIRE(pair.server.handshake(finished, out) == status::ok);
    CHECK(pair.server.decrypt({}, plain, out) == status::ok);
    CHECK(plain == "early bird");
}

TEST_CASE("a large value goes in records of 16 KiB, as few as possible") {
    for (const std::string version : {"1.2", "1.3"}) {
        tls_pair pair(client_rules(version), server_rules());
        REQUIRE(pair.shake());
        std::string large(1'000'003, '\0'), wire, read, answer;
        for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 24);
        REQUIRE(pair.server.encrypt(large, wire) == status::ok);
        const auto sizes = records(wire);
        CHECK(sizes.size() == (large.size() + 16383) / 16384);
        CHECK(sizes.front() >= 16384);
        CHECK(sizes.front() <= 16384 + 64);
        for (std::size_t at = 0; at < wire.size(); at += 10'007)
            REQUIRE(pair.client.decrypt(std::string_view(wire).substr(at, 10'007), read, answer) == status::ok);
        CHECK((read == large));
        CHECK(answer.empty());
    }
}

TEST_CASE("an engine may be moved, between bytes of a record too") {
    tls_pair pair(client_rules(), server_rules());
    REQUIRE(pair.shake());
    std::string wire, read, answer;
    REQUIRE(pair.client.encrypt("moved", wire) == status::ok);
    CHECK(pair.server.decrypt(wire.substr(0, 9), read, answer) == status::ok);
    tls_engine elsewhere(std::move(pair.server));
    CHECK(elsewhere.decrypt(wire.substr(9), read, answer) == status::ok);
    CHECK(read == "moved");
    CHECK(elsewhere.established());
}

TEST_CASE("the rules may be replaced while engines made by them live") {
    auto rules = server_rules();
    tls_pair pair(client_rules(), rules);
    rules = nullptr;
    REQUIRE(pair.shake());
    CHECK(pair.server.own_end_point() == server_rules()->own_end_point());
}

TEST_CASE("close_notify ends the other side, after what was sent before it") {
    for (const std::string version : {"1.2", "1.3"}) {
        tls_pair pair(client_rules(version), server_rules());
        REQUIRE(pair.shake());
        std::string wire, read, answer;
        REQUIRE(pair.client.encrypt("last words", wire) == status::ok);
        pair.client.close_notify(wire);
        CHECK(pair.server.decrypt(wire, read, answer) == status::closed);
        CHECK(read == "last words");
    }
}

TEST_CASE("a changed byte anywhere in a record is found, and what came before it is kept") {
    for (const std::string version : {"1.2", "1.3"}) {
        for (std::size_t i = 0; i < 40; ++i) {
            tls_pair pair(client_rules(version), server_rules());
            REQUIRE(pair.shake());
            std::string wire, read, answer;
            REQUIRE(pair.client.encrypt("good", wire) == status::ok);
            const auto before = wire.size();
            REQUIRE(pair.client.encrypt("twenty bytes or more", wire) == status::ok);
            if (before + i >= wire.size()) break;
            wire[before + i] = static_cast<char>(wire[before + i] ^ 0x40);
            const auto got = pair.server.decrypt(wire, read, answer);
            // Bytes 3 and 4 are the record's length: a longer one waits for more.
            if (i != 3 && i != 4) CHECK(got == status::failed);
            if (got == status::failed) CHECK_FALSE(pair.server.problem().empty());
            CHECK(read == "good");
        }
    }
}

TEST_CASE("a changed byte anywhere in the ClientHello never ends in a connection") {
    const auto client = client_rules();
    const auto server = server_rules();
    std::size_t size = 0;
    for (std::size_t i = 0; i == 0 || i < size; ++i) {
        CAPTURE(i);
        tls_pair pair(client, server, "db.example");
        std::string hello, flight, finished, none;
        pair.client.handshake({}, hello);
        size = hello.size();
        hello[i] = static_cast<char>(hello[i] ^ 1);
        if (pair.server.handshake(hello, flight) == status::failed) continue;
        if (pair.client.handshake(flight, finished) == status::failed) continue;
        pair.server.handshake(finished, none);
        // The legacy record version, bytes 1 and 2, is in no transcript and means nothing.
        if (i != 1 && i != 2) CHECK_FALSE(pair.server.established());
    }
    CHECK(size > 100);
}

TEST_CASE("P19: what is not TLS fails with an alert or waits, on both sides") {
    const std::string inputs[] = {std::string("GET / HTTP/1.1\r\n\r\n"),
                                  std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8),
                                  std::string(5, '\0'),
                                  std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, 'x'),
                                  std::string("\x16\x03\x01\0\x04\x01\xff\xff\xff", 9),
                                  std::string(70'000, '\xff')};
    for (const auto& input : inputs) {
        CAPTURE(input.substr(0, 16));
        for (const bool is_server : {true, false}) {
            tls_engine engine(is_server ? server_rules() : client_rules(), is_server);
            std::string out;
            auto got = engine.handshake(input, out);
            if (got == status::need_input) got = engine.handshake(std::string(20'000, '\0'), out);
            CHECK(got == status::failed);
            CHECK_FALSE(engine.problem().empty());
            CHECK_FALSE(engine.established());
            std::string again;
            CHECK(engine.handshake("more", again) == status::failed);
        }
    }
}

TEST_CASE("nothing is encrypted before the handshake is done") {
    tls_engine engine(server_rules(), true);
    std::string wire;
    CHECK(engine.encrypt("secret", wire) != status::ok);
    CHECK_FALSE(holds(wire, "secret"));
}

TEST_CASE("the lowest version is kept to") {
    auto files = server_files();
    files.min_version = "1.3";
    const auto strict = tls_context::server(files);
    tls_pair old(client_rules("1.2"), strict);
    CHECK_FALSE(old.shake());
    CHECK(old.server_status == status::failed);
    CHECK(old.client_status == status::failed);
    CHECK(holds(old.server.problem(), "unsupported protocol"));
    tls_pair current(client_rules("1.3"), strict);
    CHECK(current.shake());
}

TEST_CASE("P16: ALPN is agreed on, left out, or refused") {
    tls_pair both(client_rules(), server_rules());
    REQUIRE(both.shake());
    CHECK(both.client.alpn() == "postgresql");
    CHECK(both.server.alpn() == "postgresql");

    tls_files files;
    files.alpn = "";
    tls_pair without(tls_context::client(files), server_rules());
    REQUIRE(without.shake());
    CHECK(without.server.alpn() == "");

    files.alpn = "h2";
    tls_pair other(tls_context::client(files), server_rules());
    CHECK_FALSE(other.shake());
    CHECK(other.server_status == status::failed);
    CHECK(other.client_status == status::failed);
    CHECK(holds(other.client.problem(), "no application protocol"));
}

TEST_CASE("a file that is wrong is named") {
    const auto& made = certificates();
    const auto nonsense = made.file("nonsense.pem", "not PEM at all\n");
    const auto refused = [](auto change) {
        auto files = server_files();
        change(files);
        return message_of([&files] { tls_context::server(files); });
    };
    CHECK(holds(refused([](tls_files& f) { f.certificate_file = "/nowhere.crt"; }), "/nowhere.crt"));
    CHECK(holds(refused([](tls_files& f) { f.key_file = "/nowhere.key"; }), "/nowhere.key"));
    CHECK(holds(refused([](tls_files& f) { f.ca_file = "/nowhere.ca"; }), "/nowhere.ca"));
    CHECK(holds(refused([&](tls_files& f) { f.certificate_file = nonsense; }), nonsense));
    CHECK(holds(refused([&](tls_files& f) { f.ca_file = nonsense; }), nonsense));
    CHECK(holds(refused([&](tls_files& f) { f.key_file = made.key("other"); }), made.key("other")));
    CHECK(holds(refused([](tls_files& f) { f.key_file.clear(); }), made.certificate("server")));
    CHECK(holds(refused([](tls_files& f) { f.certificate_file = f.key_file = ""; }), "certificate"));
    CHECK(holds(refused([](tls_files& f) { f.require_peer_certificate = true; }), "ca file"));
    CHECK(refused([](tls_files&) {}) == "");
}

TEST_CASE("an encrypted key is refused and nobody is asked for its pass phrase") {
    tls_files files;
    files.certificate_file = certificates().certificate("locked");
    files.key_file = certificates().key("locked");
    CHECK(holds(message_of([&files] { tls_context::server(files); }), files.key_file));
}
