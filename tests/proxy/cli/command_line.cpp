#include "proxy/cli/command_line.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "proxy/cli/connection_string.hpp"
#include "proxy/cli/init.hpp"
#include "proxy/cli/print_table.hpp"
#include "proxy/cli/version.hpp"

using namespace ringway;
using namespace ringway::proxy;

namespace {

struct outcome {
    int code = -1;
    std::optional<options> ran;
};

outcome call(std::vector<std::string> words) {
    words.insert(words.begin(), "ringway");
    std::vector<char*> pointers;
    for (auto& one : words) pointers.push_back(one.data());
    outcome got;
    got.code = run_command_line(static_cast<int>(pointers.size()), pointers.data(), [&](const options& with) {
        got.ran = with;
        return 42;
    });
    return got;
}

}  // namespace

TEST_CASE("command line: run") {
    const auto plain = call({"--config", "a.toml"});
    CHECK(plain.code == 42);
    CHECK(plain.ran->config_file == "a.toml");
    CHECK_FALSE(plain.ran->takeover);
    CHECK(call({"--takeover", "--config=a.toml"}).ran->takeover);
}

TEST_CASE("command line: what is wrong gives 2 and runs nothing") {
    for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                   {"--takeover"},
                                                                   {"--config"},
                                                                   {"--confg", "x"},
                                                                   {"admin"},
                                                                   {"init"},
                                                                   {"admin", "--port", "x", "SHOW LAG"},
                                                                   {"frobnicate"},
                                                                   {"--check"}}) {
        const auto got = call(words);
        CHECK(got.code == 2);
        CHECK_FALSE(got.ran);
    }
}

TEST_CASE("command line: --version and --help") {
    CHECK(call({"--version"}).code == 0);
    CHECK(call({"--help"}).code == 0);
    CHECK(call({"admin", "--help"}).code == 0);
    std::ifstream file(RINGWAY_SOURCE_DIR "/CMakeLists.txt");
    std::stringstream text;
    text << file.rdbuf();
    CHECK(text.str().find("project(ringway VERSION " + std::string(version)) != std::string::npos);
}

TEST_CASE("command line: --check and init tell of a file that is not there") {
    CHECK(call({"--check", "--config", "/nowhere/ringway.toml"}).code == 1);
    CHECK(call({"init", "--config", "/nowhere/ringway.toml"}).code == 1);
    CHECK(call({"admin", "--config", "/nowhere/ringway.toml", "SHOW LAG"}).code == 1);
}

TEST_CASE("command line: connection strings are quoted") {
    cli::connection_target to;
    to.host = "[::1]";
    to.port = 6434;
    to.user = "o'brien";
    to.password = "a\\b c";
    CHECK(
        cli::connection_string(to) ==
        "host='::1' port='6434' user='o\\'brien' password='a\\\\b c' application_name='ringway' connect_timeout='10'");
    to.with_tls = true;
    to.tls.mode = config::tls_mode::verify_full;
    to.tls.ca_file = "/ca.pem";
    CHECK(cli::connection_string(to).ends_with(" sslmode='verify-full' sslrootcert='/ca.pem'"));
}

TEST_CASE("command line: tables are aligned, numbers to the right, control characters shown") {
    admin::table table{{{"name", admin::column_type::text}, {"lag_ms", admin::column_type::int8}},
                       {{"a", "5"}, {std::nullopt, "12345678"}, {"\x1b[31m\xc3\xa9", std::nullopt}},
                       "SHOW"};
    CHECK(cli::aligned(table) ==
          " name      | lag_ms\n"
          "-----------+----------\n"
          " a         |        5\n"
          "           | 12345678\n"
          " \\x1b[31m\xc3\xa9 |\n"
          "(3 rows)\n");
    CHECK(cli::aligned({{}, {}, "PAUSE"}) == "PAUSE\n");
}

TEST_CASE("init: a shard that nobody answers for is reported, the others are tried") {
    config::settings settings;
    config::cluster cluster;
    cluster.name = "shop";
    cluster.pool.connect_timeout = std::chrono::seconds(2);
    cluster.shards = {{"s0", {{"127.0.0.1", 1}, {"127.0.0.1", 2}}, 1}, {"s1", {{"127.0.0.1", 3}}, 1}};
    config::cluster any = cluster;
    any.name = "*";
    settings.clusters = {cluster, any};
    const auto got = cli::install_position_function(settings, {});
    REQUIRE(got.size() == 2);
    for (const auto& one : got) {
        CHECK_FALSE(one.done);
        CHECK(one.node.empty());
    }
    CHECK(got[0].message.find("127.0.0.1:1: ") != std::string::npos);
    CHECK(got[0].message.find("127.0.0.1:2: ") != std::string::npos);
    CHECK(got[1].shard == "s1");
    cli::init_options only;
    only.cluster = "elsewhere";
    CHECK(cli::install_position_function(settings, only).empty());
}
