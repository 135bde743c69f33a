#include "protocol/postgres/scram.hpp"

#include <doctest/doctest.h>

using namespace ringway::protocol::postgres;
using namespace std::literals;

namespace {

// RFC 7677 section 3.
constexpr auto client_nonce = "rOprNGfwEbeRWgbNEkqO"sv;
constexpr auto server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"sv;
constexpr auto salt = "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"sv;
constexpr auto server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"sv;

std::string a_binding() {
    std::string out;
    for (char c = 0; c < 32; ++c) out += c;
    return out;
}

/// A login's four messages and what both sides made of them.
struct exchange {
    std::string first;
    std::optional<std::string> challenge, last, final;
    std::string server_problem, client_key;
    bool verified = false;
};

exchange run(scram_client client, scram_server server, std::string_view mechanism) {
    exchange out;
    out.first = client.first();
    out.challenge = server.first(mechanism, out.first);
    if (out.challenge) out.last = client.last(*out.challenge);
    if (out.last) out.final = server.last(*out.last);
    if (out.final) out.verified = client.verify(*out.final);
    out.server_problem = server.problem();
    out.client_key = server.client_key();
    return out;
}

scram_client make_client(const std::string& password, const std::string& binding = {}, bool plus = false) {
    return scram_client({password, {}, {}}, std::string(client_nonce), binding, plus);
}
scram_server make_server(const std::string& binding = {}) {
    return scram_server(make_verifier("pencil", salt), std::string(server_nonce), binding);
}

/// A server that got the RFC's client-first-message.
scram_server after_first() {
    auto server = make_server();
    REQUIRE(server.first("SCRAM-SHA-256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == std::string(server_first));
    return server;
}
constexpr auto rfc_last =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="sv;

}  // namespace

TEST_CASE("RFC 7677: the server side's example") {
    auto server = after_first();
    CHECK(server.client_key().empty());
    CHECK(server.last(rfc_last) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    CHECK(server.client_key().size() == 32);
}

// The expected messages were computed with Python's hashlib: PostgreSQL's clients send no user name, the RFC's does.
TEST_CASE("the client side's messages, without TLS, with it, and bound to it") {
    struct row {
        bool tls, plus;
        std::string_view first, last, final;
    };
    const row rows[] = {{false, false, "n,,n=,r=rOprNGfwEbeRWgbNEkqO",
                         "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=",
                         "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="},
                        {true, false, "y,,n=,r=rOprNGfwEbeRWgbNEkqO",
                         "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=VpuC5DGQa5ro9tXE9MnKs69NH1nxnuregZZcclqIGfM=",
                         "v=FOmOj9BpTGwvnzwBtWQjBaPmVxT9I8IeHBOhcIPu3us="},
                        {true, true, "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
                         "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
                         "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                         "p=Q8h71kjaoMzNI7dPksDrhRE/5mTUObF0fUHVIgBOWQg=",
                         "v=ykwoqH8mLqO5AQCeuwwf6lsj9f8zyJZT/CcvAbN4Ssc="}};
    for (const auto& [tls, plus, first, last, final] : rows) {
        CAPTURE(first);
        auto client = make_client("pencil", tls ? a_binding() : "", plus);
        CHECK(client.first() == first);
        CHECK(client.last(server_first) == std::string(last));
        CHECK(client.verify(final));
        CHECK_FALSE(client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }
}

TEST_CASE("both sides agree, bound and unbound") {
    const auto plain = run(make_client("pencil"), make_server(), "SCRAM-SHA-256");
    CHECK(plain.verified);
    const auto bound = run(make_client("pencil", a_binding(), true), make_server(a_binding()), "SCRAM-SHA-256-PLUS");
    CHECK(bound.verified);
    const auto tls_unbound = run(make_client("pencil"), make_server(a_binding()), "SCRAM-SHA-256");
    CHECK(tls_unbound.verified);  // a client may do without: "n"
    const auto not_offered = run(make_client("pencil", a_binding()), make_server(), "SCRAM-SHA-256");
    CHECK(not_offered.verified);  // "y", and the server indeed cannot
}

TEST_CASE("a wrong password, and nothing else, is a wrong proof") {
    const auto got = run(make_client("pencils"), make_server(), "SCRAM-SHA-256");
    CHECK(got.last);
    CHECK_FALSE(got.final);
    CHECK(got.server_problem == "password authentication failed");
    CHECK(got.client_key.empty());
}

TEST_CASE("a user who does not exist gets the same challenge each time and never a right proof") {
    const auto mock = mock_verifier("nobody", "server's secret");
    CHECK(write_verifier(mock) == write_verifier(mock_verifier("nobody", "server's secret")));
    CHECK(mock.salt != mock_verifier("somebody", "server's secret").salt);
    CHECK(mock.salt != mock_verifier("nobody", "another secret").salt);
    CHECK(mock.salt.size() == 16);
    CHECK(mock.iterations == 4096);
    const auto got = run(make_client("pencil"), scram_server(mock, std::string(server_nonce), {}), "SCRAM-SHA-256");
    CHECK(got.challenge);
    CHECK_FALSE(got.final);
}

TEST_CASE("every byte of the proof counts") {
    const auto at = rfc_last.find(",p=") + 3;
    for (std::size_t i = at; i + 2 < rfc_last.size(); ++i) {  // the last digit before '=' has bits that mean nothing
        CAPTURE(i);
        std::string wrong(rfc_last);
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        auto server = after_first();
        CHECK_FALSE(server.last(wrong));
        CHECK(server.client_key().empty());
    }
}

TEST_CASE("a client-final-message cut anywhere is refused") {
    for (std::size_t n = 0; n < rfc_last.size(); ++n) {
        CAPTURE(n);
        auto server = after_first();
        CHECK_FALSE(server.last(rfc_last.substr(0, n)));
        CHECK_FALSE(server.problem().empty());
    }
}

TEST_CASE("a client-final-message with another binding or nonce is refused") {
    struct row {
        std::string_view message, problem;
    };
    const row rows[] = {
        {"c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         "SCRAM channel binding check failed"},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k1,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         "invalid SCRAM response"},
        {"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         "malformed SCRAM message"},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndV==",
         "invalid SCRAM response"},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzb", "invalid SCRAM response"},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=", "invalid SCRAM response"},
        {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=d\"zbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
         "invalid SCRAM response"}};
    for (const auto& [message, problem] : rows) {
        CAPTURE(message);
        auto server = after_first();
        CHECK_FALSE(server.last(message));
        CHECK(server.problem() == problem);
    }
}

TEST_CASE("a proof before a challenge is refused whatever it says") {
    auto server = make_server();
    CHECK_FALSE(server.last("c=,r=%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
    CHECK(server.problem() == "malformed SCRAM message");
}

TEST_CASE("another certificate than the server's own: somebody is in the middle") {
    auto other = a_binding();
    other[0] = 1;
    const auto got = run(make_client("pencil", other, true), make_server(a_binding()), "SCRAM-SHA-256-PLUS");
    CHECK_FALSE(got.final);
    CHECK(got.server_problem == "SCRAM channel binding check failed");
}

TEST_CASE("malformed or contradictory client-first-messages are refused") {
    struct row {
        std::string_view mechanism, message;
        bool tls;
    };
    const row rows[] = {
        {"SCRAM-SHA-1", "n,,n=,r=abc", false},
        {"", "n,,n=,r=abc", false},
        {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", false},  // no TLS
        {"SCRAM-SHA-256-PLUS", "n,,n=,r=abc", true},
        {"SCRAM-SHA-256-PLUS", "y,,n=,r=abc", true},
        {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", true},
        {"SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", true},
        {"SCRAM-SHA-256", "y,,n=,r=abc", true},  // the offer was taken out on the way
        {"SCRAM-SHA-256", "x,,n=,r=abc", false},
        {"SCRAM-SHA-256", "n,a=admin,n=,r=abc", false},
        {"SCRAM-SHA-256", "n,,m=ext,n=,r=abc", false},
        {"SCRAM-SHA-256", "n,,r=abc", false},
        {"SCRAM-SHA-256", "n,,n=,r=", false},
        {"SCRAM-SHA-256", "n,,n=,r=a\x01z", false},
        {"SCRAM-SHA-256", "n,,n=,r=a\xc3\xa9", false},
        {"SCRAM-SHA-256", "n,,n=,x=abc", false},
    };
    for (const auto& [mechanism, message, tls] : rows) {
        CAPTURE(mechanism);
        CAPTURE(message);
        auto server = make_server(tls ? a_binding() : "");
        CHECK_FALSE(server.first(mechanism, message));
        CHECK_FALSE(server.problem().empty());
        CHECK_FALSE(server.last(rfc_last));
    }
}

TEST_CASE("a client-first-message cut before its nonce is refused") {
    constexpr auto whole = "n,,n=user,r=a"sv;
    for (std::size_t n = 0; n < whole.size(); ++n) {
        auto server = make_server();
        CHECK_FALSE(server.first("SCRAM-SHA-256", whole.substr(0, n)));
    }
    auto server = make_server();
    CHECK(server.first("SCRAM-SHA-256", whole));
}

TEST_CASE("challenges that a client must not answer") {
    const std::string_view challenges[] = {
        "",
        "r=",
        "r=rOprNGfwEbeRWgbNEkqOx",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // the server added nothing
        "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",               // not ours
        "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Za,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096x",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=10000001",  // costs seconds
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999",
        "m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    };
    for (const auto challenge : challenges) {
        CAPTURE(challenge);
        auto client = make_client("pencil");
        client.first();
        CHECK_FALSE(client.last(challenge));
        CHECK_FALSE(client.problem().empty());
        CHECK_FALSE(client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }
    CHECK_FALSE(make_client("pencil").last(server_first));  // before first()
}

TEST_CASE("a server that does not know the verifier is not believed") {
    auto client = make_client("pencil");
    client.first();
    CHECK_FALSE(client.verify("v="));
    REQUIRE(client.last(server_first));
    for (const auto answer :
         {""sv, "v="sv, "v"sv, "e=other-error"sv, "v=AAAA"sv, "x=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="sv,
          "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOc="sv}) {
        CAPTURE(answer);
        CHECK_FALSE(client.verify(answer));
    }
    CHECK(client.verify("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="));
}

TEST_CASE("the keys of a client's login log in to a server that has the same verifier, and to no other") {
    const auto verifier = make_verifier("pencil", salt);
    const auto login = run(make_client("pencil"), make_server(), "SCRAM-SHA-256");
    REQUIRE(login.client_key.size() == 32);
    const scram_client::secret keys{{}, login.client_key, verifier.server_key};
    const auto again = run(scram_client(keys, "other-nonce", a_binding(), true),
                           scram_server(verifier, "another", a_binding()), "SCRAM-SHA-256-PLUS");
    CHECK(again.verified);
    CHECK(again.client_key == login.client_key);
    const auto elsewhere = run(scram_client(keys, "nonce", {}, false),
                               scram_server(make_verifier("pencil", "another salt"), "another", {}), "SCRAM-SHA-256");
    CHECK_FALSE(elsewhere.final);
}

TEST_CASE("verifiers are read as written and as PostgreSQL writes them") {
    constexpr auto text =
        "SCRAM-SHA-256$4096:OZ2Jg0TEL6/Ej81zqkyEYQ==$VbHS5pk/7qmVvhM5UtjTOWdLmjU8Vit7RhfdIr/HMtE=:"
        "1vnSVU9q3VFNA75EptOL08ETYmqiXbuxHCIP/79TKfQ="sv;
    const auto got = read_verifier(text);
    REQUIRE(got);
    CHECK(got->iterations == 4096);
    CHECK(got->salt.size() == 16);
    CHECK(write_verifier(*got) == text);
    CHECK(write_verifier(make_verifier("pencil", got->salt)) == text);
    for (std::size_t n = 0; n < text.size(); ++n) {
        CAPTURE(n);
        CHECK_FALSE(read_verifier(text.substr(0, n)));
    }
}

TEST_CASE("what only looks like a verifier is none") {
    constexpr auto key = "VbHS5pk/7qmVvhM5UtjTOWdLmjU8Vit7RhfdIr/HMtE="sv;
    const auto with = [&](std::string_view head, std::string_view stored, std::string_view server) {
        return std::string(head) + "$" + std::string(stored) + ":" + std::string(server);
    };
    CHECK(read_verifier(with("SCRAM-SHA-256$1:AAAA", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-512$1:AAAA", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$0:AAAA", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$:AAAA", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$1:", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$1AAAA", key, key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$1:AAAA", "AAAA", key)));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$1:AAAA", key, "AAAA")));
    CHECK_FALSE(read_verifier(with("SCRAM-SHA-256$1:AAAA", key, "=" + std::string(key).substr(1))));
    CHECK_FALSE(read_verifier("md56a422f785c9e20873908ce25d1736ae2"));
}

TEST_CASE("md5: from the password, from what is stored, with a salt of any bytes") {
    constexpr auto four = "\x01\x00\xff\x7f"sv;
    CHECK(md5_stored("app", "secret") == "md56a422f785c9e20873908ce25d1736ae2");
    CHECK(md5_response("app", "secret", four) == "md5efa0f907738016cade7306e1b22b8950");
    CHECK(md5_response_from_hash("md56a422f785c9e20873908ce25d1736ae2", four) == "md5efa0f907738016cade7306e1b22b8950");
    CHECK(md5_response("app", "secret", "\x02\x00\xff\x7f"sv) != "md5efa0f907738016cade7306e1b22b8950");
    CHECK(md5_response_from_hash("", four).size() == 35);
}

TEST_CASE("secrets are equal when all bytes are") {
    CHECK(equal_secret("", ""));
    CHECK(equal_secret("a\0b"sv, "a\0b"sv));
    CHECK_FALSE(equal_secret("a\0b"sv, "a\0c"sv));
    CHECK_FALSE(equal_secret("ab", "abc"));
}
