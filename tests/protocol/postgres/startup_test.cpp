#include "protocol/postgres/startup.hpp"

#include <doctest/doctest.h>

#include "protocol/postgres/frame.hpp"

using namespace ringway::protocol::postgres;
using namespace std::literals;
using kind = startup_packet::kind;
using settings = std::vector<std::pair<std::string, std::string>>;

namespace {
std::string packet(std::uint32_t code, std::string_view body) {
    std::string out;
    writer(out).i32(code).bytes(body);
    return out;
}
constexpr std::uint32_t version_3 = 3 << 16;
}  // namespace

TEST_CASE("a startup packet arrives byte by byte") {
    std::string bytes;
    write_startup(bytes, {{"user", "app"}, {"database", "shop"}, {"options", "-c work_mem=1MB"}, {"TimeZone", ""}});
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        CAPTURE(n);
        CHECK(read_startup(std::string_view(bytes).substr(0, n)).what == kind::incomplete);
    }
    for (const std::string more : {"", "Q"}) {
        const auto got = read_startup(bytes + more);
        CHECK(got.what == kind::startup);
        CHECK(got.size == bytes.size());
        CHECK(got.major == 3);
        CHECK(got.minor == 0);
        CHECK(got.parameters ==
              settings{{"user", "app"}, {"database", "shop"}, {"options", "-c work_mem=1MB"}, {"TimeZone", ""}});
        CHECK(got.get("database") == "shop");
        CHECK(got.get("application_name") == "");
    }
}

TEST_CASE("P16: the requests before a startup") {
    std::string ssl, cancel;
    write_ssl_request(ssl);
    CHECK(ssl == "\0\0\0\x08\x04\xd2\x16\x2f"sv);
    CHECK(read_startup(ssl).what == kind::ssl_request);
    CHECK(read_startup(ssl).size == 8);
    CHECK(read_startup("\0\0\0\x08\x04\xd2\x16\x30"sv).what == kind::gss_request);

    write_cancel(cancel, 0xfffffff0u, "abcd");
    CHECK(cancel ==
          "\0\0\0\x10\x04\xd2\x16\x2e\xff\xff\xff\xf0"
          "abcd"sv);
    for (std::size_t n = 0; n < cancel.size(); ++n)
        CHECK(read_startup(std::string_view(cancel).substr(0, n)).what == kind::incomplete);
    const auto got = read_startup(cancel);
    CHECK(got.what == kind::cancel);
    CHECK(got.pid == 0xfffffff0u);
    CHECK(got.key == "abcd");
}

TEST_CASE("P16: direct TLS is known by its first byte") {
    CHECK(read_startup("\x16"sv).what == kind::direct_tls);
    CHECK(read_startup("\x16\x03\x01\x02\0"sv).what == kind::direct_tls);
}

TEST_CASE("P16: protocol 3.2, its cancel keys and _pq_. options") {
    const auto got = read_startup(packet(version_3 | 2, "user\0a\0_pq_.future\0on\0\0"sv));
    CHECK(got.what == kind::startup);
    CHECK(got.minor == 2);
    CHECK(got.unknown_options == std::vector<std::string>{"_pq_.future"});

    const std::string key(256, 'k');
    std::string cancel;
    write_cancel(cancel, 7, key);
    CHECK(read_startup(cancel).key == key);
    write_cancel(cancel = {}, 7, key + "k");
    CHECK(read_startup(cancel).what == kind::malformed);
    write_cancel(cancel = {}, 7, "abc");
    CHECK(read_startup(cancel).what == kind::malformed);
}

TEST_CASE("P16: NegotiateProtocolVersion") {
    std::string out;
    write_negotiate_version(out, 2, {"_pq_.a", "_pq_.b"});
    CHECK(out == "v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0"sv);
}

TEST_CASE("versions that are not 3 are told apart from what is malformed") {
    const auto old = read_startup(packet(2 << 16, "anything"sv));
    CHECK(old.what == kind::unsupported_version);
    CHECK(old.major == 2);
    CHECK(read_startup(packet(4 << 16 | 1, "\0"sv)).what == kind::unsupported_version);
    CHECK(read_startup(packet(1234u << 16 | 1, ""sv)).what == kind::unsupported_version);
}

TEST_CASE("P19: absurd startup lengths are malformed at the fourth byte") {
    for (const auto head :
         {"\0\0\0\0"sv, "\0\0\0\x07"sv, "\0\0\x27\x15"sv, "\x7f\xff\xff\xff"sv, "\xff\xff\xff\xff"sv, "GET "sv}) {
        const auto got = read_startup(head);
        CHECK(got.what == kind::malformed);
        CHECK(got.problem == "invalid length of startup packet");
        CHECK(got.silent);
    }
    CHECK(read_startup("\0\0\x27\x14"sv).what == kind::incomplete);  // 10,004: what a server takes at most
}

TEST_CASE("P19: a startup packet of the greatest length is taken") {
    std::string body = "user\0a\0application_name\0"s;
    body.append(max_startup - 8 - body.size() - 2, 'x').append(2, '\0');
    const auto whole = packet(version_3, body);
    REQUIRE(whole.size() == max_startup);
    CHECK(read_startup(whole).what == kind::startup);
    CHECK(read_startup(packet(version_3, body + 'x')).what == kind::malformed);
}

TEST_CASE("P19: a startup packet without its last zero, or with bytes after it, is malformed") {
    for (const auto body :
         {""sv, "user"sv, "user\0"sv, "user\0app"sv, "user\0app\0"sv, "user\0app\0\0\0"sv, "\0user\0app\0\0"sv}) {
        const auto got = read_startup(packet(version_3, body));
        CHECK(got.what == kind::malformed);
        CHECK_FALSE(got.problem.empty());
    }
    CHECK(read_startup(packet(version_3, "\0"sv)).what == kind::startup);
    CHECK(read_startup(packet(1234u << 16 | 5679, "x"sv)).what == kind::malformed);
}

TEST_CASE("options are read as a server splits its command line") {
    const auto read = [](std::string_view text) {
        settings out;
        std::string problem;
        REQUIRE(read_options(text, out, problem));
        return out;
    };
    CHECK(read("").empty());
    CHECK(read(" \t\n").empty());
    CHECK(read("-c geqo=off") == settings{{"geqo", "off"}});
    CHECK(read("  -c   work_mem=1MB\t-cgeqo=off  ") == settings{{"work_mem", "1MB"}, {"geqo", "off"}});
    CHECK(read("--enable-seqscan=off") == settings{{"enable_seqscan", "off"}});
    CHECK(read("-c search-path=a-b=c") == settings{{"search_path", "a-b=c"}});
    CHECK(read("-c search_path=a,\\ b\\\\c") == settings{{"search_path", "a, b\\c"}});
    CHECK(read("-c a.b=") == settings{{"a.b", ""}});
    CHECK(read("-c a=b\\") == settings{{"a", "b"}});
}

TEST_CASE("options that Ringway does not have are refused by name") {
    for (const auto* text :
         {"-c", "-c geqo", "--geqo", "-c =off", "geqo=off", "-B 100", "-F", "--", "-c geqo=off word"}) {
        CAPTURE(text);
        settings out;
        std::string problem;
        CHECK_FALSE(read_options(text, out, problem));
        CHECK_FALSE(problem.empty());
    }
}
