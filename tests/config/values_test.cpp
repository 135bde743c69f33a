#include "config/toml/values.hpp"

#include <doctest/doctest.h>

using namespace ringway::config;
using namespace ringway::config::source;
using namespace std::chrono_literals;

TEST_CASE("durations have a unit") {
    CHECK(parse_duration("100ms") == 100ms);
    CHECK(parse_duration("5s") == 5s);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("7d") == 168h);
    CHECK(parse_duration("0") == 0ms);
    CHECK(parse_duration("0s") == 0ms);
    for (const auto* wrong :
         {"", "5", "s", "-5s", "5 s", "1.5s", "5S", "5sec", "1h30m", "s5", "106751991168d", "99999999999999999999s"})
        CHECK_MESSAGE(!parse_duration(wrong), wrong);
}

TEST_CASE("durations are told in the largest unit that fits") {
    CHECK(duration_text(0ms) == "0");
    CHECK(duration_text(1500ms) == "1500ms");
    CHECK(duration_text(90s) == "90s");
    CHECK(duration_text(120min) == "2h");
    CHECK(duration_text(720h) == "30d");
}

TEST_CASE("sizes are bytes or have a binary unit") {
    CHECK(parse_size("0") == 0);
    CHECK(parse_size("512B") == 512);
    CHECK(parse_size("16KiB") == 16'384);
    CHECK(parse_size("1MiB") == 1'048'576);
    CHECK(parse_size("2GiB") == 2'147'483'648);
    for (const auto* wrong : {"", "16", "16KB", "16kib", "1.5MiB", "-1B", "17179869184GiB"})
        CHECK_MESSAGE(!parse_size(wrong), wrong);
    CHECK(size_text(16'384) == "16KiB");
    CHECK(size_text(16'385) == "16385B");
}

TEST_CASE("addresses are a host and a port") {
    std::string problem;
    CHECK(parse_endpoint("127.0.0.1:5432", problem) == endpoint{"127.0.0.1", 5432});
    CHECK(parse_endpoint("db-1.example.com:1", problem) == endpoint{"db-1.example.com", 1});
    CHECK(parse_endpoint("[::1]:65535", problem) == endpoint{"::1", 65535});
    CHECK(problem.empty());

    const std::pair<const char*, const char*> wrong[] = {
        {"localhost", "the port is missing; write \"host:port\""},
        {"[::1]", "the port is missing; write \"host:port\""},
        {"[", "the port is missing; write \"host:port\""},
        {"[:5", "the port is missing; write \"host:port\""},
        {"[]:5", "\"\" is not an IPv6 address"},
        {"[127.0.0.1]:5", "\"127.0.0.1\" is not an IPv6 address"},
        {"::1:5432", "an IPv6 address stands in brackets: \"[::1]:5432\""},
        {":5432", "the host is missing; write \"host:port\", 0.0.0.0 for every address of this machine"},
        {"a b:1", "\"a b\" is neither a host name nor an address"},
        {"127.0.0.256:1", "\"127.0.0.256\" is neither a host name nor an address"},
        {"h:0", "\"0\" is not a port, a number from 1 to 65535"},
        {"h:65536", "\"65536\" is not a port, a number from 1 to 65535"},
        {"h:", "\"\" is not a port, a number from 1 to 65535"},
        {"h:5x", "\"5x\" is not a port, a number from 1 to 65535"},
        {"h:-1", "\"-1\" is not a port, a number from 1 to 65535"},
    };
    for (const auto& [text, why] : wrong) {
        problem.clear();
        CHECK_MESSAGE(!parse_endpoint(text, problem), text);
        CHECK(problem == why);
    }
}

TEST_CASE("one address may be spelled in several ways") {
    CHECK(same_address({"DB.example.com", 1}, {"db.example.com", 1}));
    CHECK_FALSE(same_address({"db", 1}, {"db", 2}));
    CHECK_FALSE(same_address({"db", 1}, {"db2", 1}));
    CHECK(is_any_address("0.0.0.0"));
    CHECK(is_any_address("::"));
    CHECK_FALSE(is_any_address("127.0.0.1"));
}

TEST_CASE("networks are an address and bits") {
    std::string problem;
    for (const auto* right : {"127.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "::1", "fd00::/8", "::/128"})
        CHECK_MESSAGE(check_network(right, problem), right);
    for (const auto* wrong : {"", "/8", "10.0.0/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0.0/x",
                              "10.0.0.0/-1", "10.0.0.0/8/8", "localhost"}) {
        problem.clear();
        CHECK_MESSAGE(!check_network(wrong, problem), wrong);
        CHECK_FALSE(problem.empty());
    }
}
