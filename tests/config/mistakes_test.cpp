// Each mistake, with its line and what would be right: types, words, ranges, [listen], [general], several at once.

#include <doctest/doctest.h>

#include "sample.hpp"

using namespace ringway;
using namespace ringway::tests;

namespace {

/// The mistakes of one more line in a table; the line is 8.
lines wrong(std::string_view table, std::string_view line) {
    return lines_of(load_with(fmt::format("{}\n{}\n", table, line)));
}

lines general(std::string_view line) {
    return wrong("[general]", line);
}

}  // namespace

TEST_CASE("what is not TOML is told with its line") {
    const auto found = load("[listen]\npostgres = \"127.0.0.1:6432\"\nadmin = = 5\n");
    REQUIRE(found.mistakes.size() == 1);
    CHECK(found.mistakes[0].line == 3);
    CHECK(found.mistakes[0].text.starts_with("not TOML: "));
    CHECK(found.mistakes[0].message().starts_with("test.toml:3: not TOML: "));
    const auto twice = load("[listen]\nhttp = \"h:1\"\nhttp = \"h:1\"\n");
    REQUIRE(twice.mistakes.size() == 1);
    CHECK(twice.mistakes[0].line == 3);
    CHECK(load("x = \"\xff\"\n").mistakes.size() == 1);
}

TEST_CASE("an empty file lacks everything") {
    CHECK(lines_of(load("")) == lines{"0: there is nothing to serve; describe a database in [clusters.NAME]",
                                      "0: nobody could log in; describe a user in [users.NAME]"});
}

TEST_CASE("unknown keys are told, with the nearest that is known") {
    CHECK(general("pool_siz = 3") == lines{"8: [general] has no key \"pool_siz\"; did you mean \"pool_size\"?"});
    CHECK(wrong("[listen2]", "").at(0) == "7: the file has no key \"listen2\"; did you mean \"listen\"?");
    CHECK(wrong("[zebra]", "").at(0) ==
          "7: the file has no key \"zebra\"; known are listen, general, client_tls, hba, users, clusters");
    CHECK(wrong("[users.app.pool]", "") == lines{"7: [users.app] has no key \"pool\"; did you mean \"pool_mode\"?"});
    CHECK(wrong("[clusters.app]", "databse = \"x\"") ==
          lines{"8: [clusters.app] has no key \"databse\"; did you mean \"database\"?"});
    CHECK(wrong("[client_tls]", "certificate_file = \"x\"") ==
          lines{"8: [client_tls] has no key \"certificate_file\"; did you mean \"certificate\"?"});
    CHECK(wrong("[clusters.app.server_tls]", "kee = \"x\"") ==
          lines{"8: [clusters.app.server_tls] has no key \"kee\"; did you mean \"key\"?"});
    CHECK(lines_of(load_with("[[hba]]\nmethod = \"md5\"\nuser = [\"app\"]\n")) ==
          lines{"9: [[hba]] rule 1: has no key \"user\"; did you mean \"users\"?"});
    CHECK(lines_of(load(sharded("[clusters.shop.tables]\nt = { key = \"id\", ref = 1 }\n"))) ==
          lines{"10: [clusters.shop.tables.t] has no key \"ref\"; did you mean \"reference\"?"});
    CHECK(wrong("[clusters.app.shards.s1]", "nodes = [\"db:1\"]\nwheight = 2") ==
          lines{"9: [clusters.app.shards.s1] has no key \"wheight\"; did you mean \"weight\"?"});
}

TEST_CASE("wrong types are told with the right one") {
    CHECK(general("log_queries = \"yes\"") == lines{"8: [general] log_queries: must be true or false, not a string"});
    CHECK(general("log_level = 3") == lines{"8: [general] log_level: must be a string, not an integer"});
    CHECK(general("workers = \"4\"") == lines{"8: [general] workers: must be an integer, not a string"});
    CHECK(general("workers = 4.0") == lines{"8: [general] workers: must be an integer, not a floating-point number"});
    CHECK(general("workers = [4]") == lines{"8: [general] workers: must be an integer, not an array"});
    CHECK(general("workers = { n = 4 }") == lines{"8: [general] workers: must be an integer, not a table"});
    CHECK(general("workers = 2024-01-01") == lines{"8: [general] workers: must be an integer, not a date or time"});
    CHECK(general("workers = true") == lines{"8: [general] workers: must be an integer, not a boolean"});
    CHECK(wrong("[users.app2]", "password = \"x\"\nclusters = \"app\"") ==
          lines{"9: [users.app2] clusters: must be an array of strings, not a string"});
    CHECK(wrong("[users.app2]", "password = \"x\"\nclusters = [1]") ==
          lines{"9: [users.app2] clusters: must hold names only, not an integer"});
    CHECK(wrong("[users.app2]", "password = \"x\"\nclusters = [\"\"]") ==
          lines{"9: [users.app2] clusters: must hold names only, not an empty string"});
    CHECK(wrong("[users.app2]", "password = \"x\"\nclusters = []") ==
          lines{"9: [users.app2] clusters: names nobody; leave the key out to mean all"});
    CHECK(general("state_dir = \"\"") == lines{"8: [general] state_dir: must not be empty; leave the key out instead"});
    CHECK(general("state_dir = \"a\\u0000b\"") == lines{"8: [general] state_dir: must not hold a NUL character"});
}

TEST_CASE("sections must be tables") {
    CHECK(lines_of(load("listen = 1\n" + std::string(smallest).substr(smallest.find("[users")))) ==
          lines{"1: [listen] must be a table, not an integer"});
    CHECK(lines_of(load("general = []\n" + std::string(smallest))) ==
          lines{"1: [general] must be a table, not an array"});
    CHECK(lines_of(load("hba = {}\n" + std::string(smallest))) ==
          lines{"1: hba must be an array of tables, [[hba]], not a table"});
    CHECK(lines_of(load("hba = [1]\n" + std::string(smallest))) ==
          lines{"1: [[hba]] rule 1: must be a table, not an integer"});
    CHECK(wrong("[users]", "x = 1") == lines{"8: [users.x] must be a table, not an integer"});
    CHECK(wrong("[clusters]", "x = 1") == lines{"8: [clusters.x] must be a table, not an integer"});
    CHECK(wrong("[clusters.app.shards]", "").size() == 1);  // TOML forbids a second table of that name
    CHECK(lines_of(load("users = 1\nclusters = 2\n[listen]\npostgres = \"h:1\"\n")) ==
          lines{"1: [users] must be a table, not an integer", "2: [clusters] must be a table, not an integer"});
}

TEST_CASE("words are told with all that are right") {
    CHECK(general("pool_mode = \"transactoin\"") ==
          lines{"8: [general] pool_mode: \"transactoin\" is none of \"transaction\", \"session\"; did you mean "
                "\"transaction\"?"});
    CHECK(general("read_consistency = \"strong\"") == lines{"8: [general] read_consistency: \"strong\" is none of "
                                                            "\"session\", \"eventual\", \"bounded\", \"primary\""});
    CHECK(
        general("balance = \"round-robin\"") ==
        lines{"8: [general] balance: \"round-robin\" is none of \"round_robin\", \"least_connections\", \"weighted\", "
              "\"random\"; did you mean \"round_robin\"?"});
    CHECK(general("no_replica = \"wait\"") ==
          lines{"8: [general] no_replica: \"wait\" is none of \"primary\", \"error\""});
    CHECK(general("log_level = \"loud\"") ==
          lines{"8: [general] log_level: \"loud\" is none of \"trace\", \"debug\", \"info\", \"warning\", \"error\", "
                "\"critical\", \"off\""});
    CHECK(wrong("[clusters.app]", "engine = \"oracle\"") ==
          lines{"8: [clusters.app] engine: \"oracle\" is none of \"postgres\", \"mysql\""});
    CHECK(
        wrong("[clusters.app]", "engine = \"postgresql\"") ==
        lines{
            "8: [clusters.app] engine: \"postgresql\" is none of \"postgres\", \"mysql\"; did you mean \"postgres\"?"});
    CHECK(wrong("[clusters.app.server_tls]", "mode = \"on\"") ==
          lines{"8: [clusters.app.server_tls] mode: \"on\" is none of \"disable\", \"allow\", \"prefer\", \"require\", "
                "\"verify-ca\", \"verify-full\""});
    CHECK(wrong("[client_tls]", "mode = \"prefer\"") ==
          lines{"8: [client_tls] mode: \"prefer\" is none of \"disable\", \"allow\", \"require\", \"verify-ca\""});
    CHECK(wrong("[client_tls]", "min_version = \"1.1\"") ==
          lines{"8: [client_tls] min_version: \"1.1\" is none of \"1.2\", \"1.3\"; did you mean \"1.2\"?"});
}

TEST_CASE("numbers have a range") {
    CHECK(general("workers = 65") == lines{"8: [general] workers: 65 is out of range; right is 0 to 64"});
    CHECK(general("workers = -1") == lines{"8: [general] workers: -1 is out of range; right is 0 to 64"});
    CHECK(general("max_clients = 0") == lines{"8: [general] max_clients: 0 is out of range; right is 1 to 1000000"});
    CHECK(general("pool_size = 0") == lines{"8: [general] pool_size: 0 is out of range; right is 1 to 10000"});
    CHECK(general("pool_size = 4294967297") ==
          lines{"8: [general] pool_size: 4294967297 is out of range; right is 1 to 10000"});
    CHECK(general("plan_cache_entries = 0") ==
          lines{"8: [general] plan_cache_entries: 0 is out of range; right is 1 to 10000000"});
    CHECK(general("reserve = 10001") == lines{"8: [general] reserve: 10001 is out of range; right is 0 to 10000"});
    CHECK(wrong("[users.b]", "password = \"x\"\npool_size = 0") ==
          lines{"9: [users.b] pool_size: 0 is out of range; right is 1 to 10000"});
}

TEST_CASE("durations have a unit and a range") {
    CHECK(general("max_lag = 5") ==
          lines{"8: [general] max_lag: 5 is not a duration; write a number and ms, s, m, h or d: \"5s\", \"100ms\""});
    CHECK(general("max_lag = \"5 seconds\"") ==
          lines{"8: [general] max_lag: \"5 seconds\" is not a duration; write a number and ms, s, m, h or d: \"5s\", "
                "\"100ms\""});
    CHECK(general("max_lag = 1.5") ==
          lines{"8: [general] max_lag: a floating-point number is not a duration; write a number and ms, s, m, h or d: "
                "\"5s\", \"100ms\""});
    CHECK(general("max_lag = \"0s\"") ==
          lines{"8: [general] max_lag: \"0s\" is out of range; right is \"1ms\" to \"1d\""});
    CHECK(general("login_backoff = \"16s\"") ==
          lines{"8: [general] login_backoff: \"16s\" is out of range; right is \"10ms\" to \"15s\""});
    CHECK(general("health_interval = 0") ==
          lines{"8: [general] health_interval: 0 is out of range; right is \"10ms\" to \"1h\""});
}

TEST_CASE("sizes have a binary unit and a range") {
    CHECK(
        general("max_parse_bytes = \"1MB\"") ==
        lines{
            "8: [general] max_parse_bytes: \"1MB\" is not a size; write a number of bytes, or one with B, KiB, MiB or "
            "GiB: \"16KiB\""});
    CHECK(general("max_parse_bytes = true") == lines{"8: [general] max_parse_bytes: a boolean is not a size; write a "
                                                     "number of bytes, or one with B, KiB, MiB or "
                                                     "GiB: \"16KiB\""});
    CHECK(general("max_parse_bytes = 1023") ==
          lines{"8: [general] max_parse_bytes: 1023 is out of range; right is 1KiB to 1GiB"});
    CHECK(general("max_parse_bytes = -1") ==
          lines{"8: [general] max_parse_bytes: -1 is out of range; right is 1KiB to 1GiB"});
    CHECK(general("statement_cache = \"2GiB\"") ==
          lines{"8: [general] statement_cache: \"2GiB\" is out of range; right is 1B to 1GiB"});
}

TEST_CASE("a state_dir too long for a socket is told") {
    const auto found = load_with(fmt::format("[general]\nstate_dir = \"/{}\"\n", std::string(86, 'd')));
    REQUIRE(found.mistakes.size() == 1);
    CHECK(found.mistakes[0].line == 8);
    CHECK(found.mistakes[0].text.find("86 bytes at the most") != std::string::npos);
    CHECK(load_with(fmt::format("[general]\nstate_dir = \"/{}\"\n", std::string(85, 'd'))).ok());
}

TEST_CASE("addresses to listen on are right and differ") {
    const auto listen = [](std::string_view more) {
        std::string text(smallest);
        const std::string_view first = "postgres = \"127.0.0.1:6432\"\n";
        return lines_of(load(text.insert(text.find(first) + first.size(), more)));
    };
    CHECK(listen("http = \"6480\"\n") ==
          lines{"3: [listen] http: \"6480\" is not an address: the port is missing; write \"host:port\""});
    CHECK(listen("http = \"127.0.0.1:6432\"\n") == lines{"3: [listen] http: \"127.0.0.1:6432\" collides with postgres "
                                                         "= \"127.0.0.1:6432\"; give each its own port"});
    CHECK(
        listen("admin = \"0.0.0.0:6432\"\n") ==
        lines{
            "3: [listen] admin: \"0.0.0.0:6432\" collides with postgres = \"127.0.0.1:6432\"; give each its own port"});
    CHECK(listen("mysql = \"h:1\"\nadmin_mysql = \"H:1\"\n") ==
          lines{"4: [listen] admin_mysql: \"H:1\" collides with mysql = \"h:1\"; give each its own port"});
    CHECK(listen("admin = \"127.0.0.2:6432\"\n") == lines{});
    CHECK(listen("proxy_protocol = [\"10.0.0.0/8\", \"all\"]\n") ==
          lines{"3: [listen] proxy_protocol: \"all\" is no network: write an address or a network, such as "
                "\"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\""});
    CHECK(listen("proxy_protocol = [\"10.0.0.0/33\"]\n") ==
          lines{"3: [listen] proxy_protocol: \"10.0.0.0/33\" is no network: after the slash stands the number of bits, "
                "0 to 32"});
    CHECK(listen("proxy_protocol = [1]\n") ==
          lines{"3: [listen] proxy_protocol: must hold networks only, not an integer"});
    CHECK(listen("proxy_protocol = \"10.0.0.0/8\"\n") ==
          lines{"3: [listen] proxy_protocol: must be an array of networks, not a string"});
    CHECK(listen("proxy_protocol = []\n") == lines{});
}

TEST_CASE("clusters need a port of their engine") {
    const auto rest = std::string(smallest).substr(smallest.find("[users"));
    CHECK(lines_of(load("[listen]\nadmin = \"h:1\"\n" + rest)) ==
          lines{"1: [listen] has no postgres, but there are postgres clusters; write postgres = \"127.0.0.1:6432\""});
    CHECK(lines_of(load(rest)) ==
          lines{"0: [listen] has no postgres, but there are postgres clusters; write postgres = \"127.0.0.1:6432\""});
    CHECK(lines_of(load_with("[clusters.m]\nengine = \"mysql\"\n[clusters.m.shards]\ns0 = { nodes = [\"db:1\"] }\n")) ==
          lines{"1: [listen] has no mysql, but there are mysql clusters; write mysql = \"127.0.0.1:6433\""});
    CHECK(lines_of(load("[listen]\npostgres = \"nonsense\"\n" + rest)).size() == 1);
}

TEST_CASE("several mistakes are told at once, in the file's order") {
    const auto found = load(R"([clusters.shop]
pool_size = 0
[clusters.shop.shards]
s0 = { nodes = [] }
s1 = { nodes = ["db:1"], weight = -1 }
[clusters.shop.tables]
t = { }
[users.app]
password = "x"
clusters = ["shpo"]
colour = "red"
[general]
max_lag = 5
[listen]
postgres = 6432
)");
    CHECK_FALSE(found.ok());
    CHECK(
        lines_of(found) ==
        lines{
            "2: [clusters.shop] pool_size: 0 is out of range; right is 1 to 10000",
            "4: [clusters.shop.shards.s0] has no nodes; write nodes = [\"host:port\", ...]",
            "5: [clusters.shop.shards.s1] weight: -1 is out of range; right is a number from 0 (a shard that leaves), "
            "1000 at the most",
            "7: [clusters.shop.tables.t] needs key = \"column\", or reference = true for a copy on every shard",
            "10: [users.app] clusters: there is no cluster \"shpo\"; did you mean \"shop\"?",
            "11: [users.app] has no key \"colour\"; known are password, server_user, server_password, clusters, admin, "
            "pool_mode, pool_size, min_idle, reserve, query_wait_timeout, read_consistency, max_lag",
            "13: [general] max_lag: 5 is not a duration; write a number and ms, s, m, h or d: \"5s\", \"100ms\"",
            "15: [listen] postgres: must be a string, not an integer"});
    CHECK(found.mistakes.at(0).message() ==
          "test.toml:2: [clusters.shop] pool_size: 0 is out of range; right is 1 to 10000");
}

TEST_CASE("any beginning of a file is read without harm") {
    const auto text =
        sharded("[clusters.shop.tables]\nt = { key = \"id\", function = \"list\", map = { s0 = [\"a\"] } }\n");
    REQUIRE(load(text).ok());
    for (std::size_t size = 0; size < text.size(); ++size) {
        const auto found = load(std::string_view(text).substr(0, size));
        for (const auto& one : found.mistakes) CHECK_FALSE(one.text.empty());
    }
}
