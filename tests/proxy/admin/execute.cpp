#include "proxy/admin/execute.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "fake_inventory.hpp"
#include "proxy/cli/version.hpp"
#include "router/ring.hpp"

using namespace ringway;
using namespace ringway::proxy::admin;
using namespace std::chrono_literals;
using tests::fake_inventory;

namespace {

result run(fake_inventory& of, std::string_view text) {
    auto parsed = parse_command(text);
    INFO(text);
    REQUIRE_FALSE(parsed.error);
    return executor(of, tests::wall_now - 100s).run(parsed.value, tests::test_now);
}

table table_of(fake_inventory& of, std::string_view text) {
    auto got = run(of, text);
    if (const auto* refused = std::get_if<config::fault>(&got)) FAIL(text << ": " << refused->message);
    return std::get<table>(got);
}

config::fault fault_of(fake_inventory& of, std::string_view text) {
    auto got = run(of, text);
    REQUIRE(std::holds_alternative<config::fault>(got));
    return std::get<config::fault>(got);
}

/// A value by its column's name; "(null)" for NULL.
std::string at(const table& in, std::size_t line, std::string_view name) {
    REQUIRE(line < in.rows.size());
    for (std::size_t i = 0; i < in.columns.size(); ++i)
        if (in.columns[i].name == name) return in.rows[line][i].value_or("(null)");
    FAIL("no column " << name);
    return {};
}

}  // namespace

TEST_CASE("admin tables: every row is as wide as its columns, and the columns are known before") {
    fake_inventory of;
    for (std::size_t i = 0; i < subject_count; ++i) {
        const auto about = static_cast<subject>(i);
        std::string text = "SHOW " + std::string(name_of(about));
        if (about == subject::key) text += " shop users 5";
        if (about == subject::route) text += " shop 'SELECT 1'";
        if (about == subject::ring_points) text = "SHOW RING shop FULL";
        INFO(text);
        const auto got = table_of(of, text);
        CHECK(got.tag == "SHOW");
        const auto before = columns_of(parse_command(text).value);
        REQUIRE(before.size() == got.columns.size());
        std::set<std::string_view> names;
        for (const auto& one : got.columns) CHECK_MESSAGE(names.insert(one.name).second, one.name);
        for (const auto& one : got.rows) CHECK(one.size() == got.columns.size());
        if (about != subject::statements && about != subject::rebalance && about != subject::advice)
            CHECK_FALSE(got.rows.empty());
    }
}

TEST_CASE("SHOW CLIENTS") {
    fake_inventory of;
    const auto got = table_of(of, "SHOW CLIENTS");
    REQUIRE(got.rows.size() == 2);
    CHECK(at(got, 0, "type") == "C");
    CHECK(at(got, 0, "addr") == "10.0.0.9");
    CHECK(at(got, 0, "port") == "40000");
    CHECK(at(got, 0, "request_time") == "(null)");
    CHECK(at(got, 0, "pins") == "(null)");
    CHECK(at(got, 0, "connect_time") == "2026-03-04 04:59:00.000006+00");
    CHECK(at(got, 1, "addr") == "::1");
    CHECK(at(got, 1, "wait") == "2");
    CHECK(at(got, 1, "wait_us") == "250000");
    CHECK(at(got, 1, "link") == "127.0.0.1:5511/777");
    CHECK(at(got, 1, "pins") == "temporary table, LISTEN");
    CHECK(at(got, 1, "id") == "42");
}

TEST_CASE("SHOW SERVERS and SHOW POOLS") {
    fake_inventory of;
    const auto servers = table_of(of, "SHOW SERVERS");
    REQUIRE(servers.rows.size() == 2);
    CHECK(at(servers, 0, "database") == "shop");
    CHECK(at(servers, 0, "remote_pid") == "777");
    CHECK(at(servers, 0, "link") == "client-42");
    CHECK(at(servers, 1, "client_id") == "(null)");
    const auto pools = table_of(of, "SHOW POOLS");
    REQUIRE(pools.rows.size() == 1);
    CHECK(at(pools, 0, "cl_waiting") == "2");
    CHECK(at(pools, 0, "sv_idle") == "4");
    CHECK(at(pools, 0, "sv_being_canceled") == "1");
    CHECK(at(pools, 0, "maxwait") == "1");
    CHECK(at(pools, 0, "maxwait_us") == "500000");
    CHECK(at(pools, 0, "paused") == "t");
}

TEST_CASE("SHOW STATS: totals, and averages since the start") {
    fake_inventory of;
    const auto got = table_of(of, "SHOW STATS");
    REQUIRE(got.rows.size() == 1);
    CHECK(at(got, 0, "total_xact_count") == "1000");
    CHECK(at(got, 0, "total_sent") == "900000");
    CHECK(at(got, 0, "total_refusals") == "1");
    CHECK(at(got, 0, "avg_xact_count") == "10");
    CHECK(at(got, 0, "avg_query_count") == "40");
    CHECK(at(got, 0, "avg_xact_time") == "5000");
    CHECK(at(got, 0, "avg_query_time") == "500");
    CHECK(at(got, 0, "avg_wait_time") == "30");
    CHECK(table_of(of, "SHOW STATS_TOTALS").columns.size() + table_of(of, "SHOW STATS_AVERAGES").columns.size() ==
          got.columns.size() + 1);
    of.traffic_rows[0].transactions = 0;
    CHECK(at(table_of(of, "SHOW STATS_AVERAGES"), 0, "avg_xact_time") == "0");
}

TEST_CASE("SHOW DATABASES, USERS, LISTS, VERSION, HELP") {
    fake_inventory of;
    const auto databases = table_of(of, "SHOW DATABASES");
    REQUIRE(databases.rows.size() == 2);
    CHECK(at(databases, 0, "database") == "app_db");
    CHECK(at(databases, 0, "port") == "5501");
    CHECK(at(databases, 1, "database") == "shop");
    CHECK(at(databases, 1, "current_connections") == "2");
    CHECK(at(databases, 1, "current_client_connections") == "1");
    CHECK(at(databases, 1, "paused") == "1");
    CHECK(at(databases, 1, "nodes") == "3");
    const auto users = table_of(of, "SHOW USERS");
    CHECK(at(users, 0, "pool_size") == "7");
    CHECK(at(users, 0, "pool_mode") == "(null)");
    CHECK(at(users, 0, "current_client_connections") == "2");
    const auto lists = table_of(of, "SHOW LISTS");
    std::map<std::string, std::string> counts;
    for (const auto& one : lists.rows) counts[*one[0]] = *one[1];
    CHECK(counts["databases"] == "2");
    CHECK(counts["used_clients"] == "2");
    CHECK(counts["nodes"] == "6");
    CHECK(*table_of(of, "SHOW VERSION").rows[0][0] == "Ringway " + std::string(proxy::version));
    std::set<std::string> commands;
    for (const auto& one : table_of(of, "SHOW HELP").rows) commands.insert(*one[0]);
    CHECK(commands.contains("SHOW KEY <cluster> <table> <value>"));
    CHECK(commands.contains("SHOW RING <cluster> FULL"));
    CHECK(commands.contains("BAN <node> [FOR <interval>]"));
}

TEST_CASE("SHOW CONFIG has every setting, and no password") {
    fake_inventory of;
    std::map<std::string, row> lines;
    for (auto& one : table_of(of, "SHOW CONFIG").rows) {
        for (const auto& value : one) CHECK(value.value_or("").find("wonderland") == std::string::npos);
        lines[*one[0]] = one;
    }
    CHECK(*lines.at("listen.admin")[1] == "127.0.0.1:6434");
    CHECK(*lines.at("listen.admin")[3] == "no");
    CHECK(*lines.at("general.drain_timeout")[1] == "30s");
    CHECK(*lines.at("clusters.shop.pool_size")[1] == "20");
    CHECK(*lines.at("clusters.shop.query_wait_timeout")[2] == "2m");
    CHECK(*lines.at("clusters.shop.read_consistency")[3] == "yes");
}

TEST_CASE("SHOW LAG") {
    fake_inventory of;
    const auto got = table_of(of, "SHOW LAG");
    REQUIRE(got.rows.size() == 6);
    CHECK(at(got, 0, "node") == "127.0.0.1:5501");
    CHECK(at(got, 0, "role") == "primary");
    CHECK(at(got, 0, "state") == "up");
    CHECK(at(got, 1, "lag_ms") == "30");
    CHECK(at(got, 1, "lag_bytes") == "4096");
    CHECK(at(got, 1, "watermark_age_ms") == "50");
    CHECK(at(got, 1, "reason") == "(null)");
    CHECK(at(got, 2, "state") == "banned");
    CHECK(at(got, 2, "reason") == "replay is paused");
    CHECK(at(got, 4, "state") == "banned");
    CHECK(at(got, 4, "lag_ms") == "(null)");
    CHECK(at(got, 4, "watermark_age_ms") == "(null)");
    CHECK(at(got, 5, "shard") == "s1");
    of.ban_rows.clear();
    CHECK(at(table_of(of, "SHOW LAG"), 2, "state") == "stalled");
    CHECK(at(table_of(of, "SHOW LAG"), 4, "state") == "down");
}

TEST_CASE("SHOW SHARDS") {
    fake_inventory of;
    const auto got = table_of(of, "SHOW SHARDS");
    REQUIRE(got.rows.size() == 3);
    CHECK(at(got, 0, "primary") == "127.0.0.1:5501");
    CHECK(at(got, 0, "replicas") == "127.0.0.1:5502");
    CHECK(at(got, 0, "out_of_rotation") == "127.0.0.1:5503");
    CHECK(at(got, 0, "share") == "1");
    CHECK(at(got, 2, "primary") == "(null)");
    CHECK(at(got, 2, "reason") == "no node is primary");
    of.health_rows.clear();
    CHECK(at(table_of(of, "SHOW SHARDS"), 0, "reason") == "not checked yet");
}

TEST_CASE("SHOW SHARDS and SHOW ADVICE: figures, and keys for operators only") {
    fake_inventory of;
    CHECK(at(table_of(of, "SHOW SHARDS"), 1, "rows") == "(null)");
    CHECK(at(table_of(of, "SHOW SHARDS"), 1, "statements_per_second") == "0");
    CHECK(table_of(of, "SHOW ADVICE").rows.empty());
    of.size_rows = {proxy::shard_size{1000, 20000, 15000}, std::nullopt};
    of.load_rows = {{"shop", 0, 500.04, 1, 2000, {{"users", "al's", true, 0.6}, {"users", "7", true, 0.004}}},
                    {"shop", 1, 100, 1, 300, {}}};
    const auto got = table_of(of, "SHOW SHARDS");
    CHECK(at(got, 0, "hottest_keys") == "(null)");  // it has one shard
    CHECK(at(got, 1, "rows") == "1000");
    CHECK(at(got, 1, "bytes") == "20000");
    CHECK(at(got, 1, "statements_per_second") == "500");
    CHECK(at(got, 1, "hottest_keys") == "users 'al''s' (60%)");
    CHECK(at(got, 2, "rows") == "(null)");
    CHECK(at(got, 2, "statements_per_second") == "100");
    CHECK(at(got, 2, "hottest_keys") == "");
    const auto told = table_of(of, "SHOW ADVICE");
    REQUIRE(told.rows.size() == 1);
    CHECK(at(told, 0, "cluster") == "shop");
    CHECK(at(told, 0, "shard") == "s0");
    CHECK(at(told, 0, "command") == "MOVE shop KEY users 'al''s' TO s1");
    CHECK(at(told, 0, "reason").ends_with("; it needs rebalance = true in [clusters.shop]"));
    CHECK_FALSE(parse_command(at(told, 0, "command")).error);

    // The HTTP port has no login.
    const executor web(of, tests::wall_now - 100s, false);
    for (const auto* text : {"SHOW SHARDS", "SHOW ADVICE"}) {
        const auto blind = std::get<table>(web.run(parse_command(text).value, tests::test_now));
        for (const auto& line : blind.rows)
            for (const auto& each : line) CHECK(each.value_or("").find("al'") == std::string::npos);
    }
    const auto blind = std::get<table>(web.run(parse_command("SHOW SHARDS").value, tests::test_now));
    CHECK(at(blind, 1, "hottest_keys") == "(null)");
    CHECK(at(blind, 1, "statements_per_second") == "500");
}

TEST_CASE("SHOW BANS, PINS, TRANSACTIONS") {
    fake_inventory of;
    const auto bans = table_of(of, "SHOW BANS");
    REQUIRE(bans.rows.size() == 2);
    CHECK(at(bans, 0, "by") == "monitor");
    CHECK(at(bans, 0, "remaining_ms") == "4500");
    CHECK(at(bans, 0, "until") == "2026-03-04 05:00:04.500006+00");
    CHECK(at(bans, 1, "by") == "operator");
    CHECK(at(bans, 1, "until") == "(null)");
    const auto pins = table_of(of, "SHOW PINS");
    REQUIRE(pins.rows.size() == 2);
    CHECK(at(pins, 1, "reason") == "LISTEN");
    const auto transactions = table_of(of, "SHOW TRANSACTIONS");
    REQUIRE(transactions.rows.size() == 1);
    CHECK(at(transactions, 0, "client_id") == "42");
    CHECK(at(transactions, 0, "since_request_ms") == "1500");
    of.prepared_rows = {{"shop", "s1", "ringway:ab:s0:s1", "app", 2.5, "shard s0 has no primary"}};
    const auto in_doubt = table_of(of, "SHOW TRANSACTIONS");
    REQUIRE(in_doubt.rows.size() == 2);
    CHECK(at(in_doubt, 1, "client_id") == "(null)");
    CHECK(at(in_doubt, 1, "state") == "prepared: shard s0 has no primary");
    CHECK(at(in_doubt, 1, "server") == "s1: ringway:ab:s0:s1");
    CHECK(at(in_doubt, 1, "since_request_ms") == "2500");
}

TEST_CASE("SHOW RING: points and shares") {
    fake_inventory of;
    const auto all = table_of(of, "SHOW RING");
    REQUIRE(all.rows.size() == 2);
    CHECK(at(all, 0, "points") == "150");
    CHECK(at(all, 1, "points") == "450");
    const double share0 = std::stod(at(all, 0, "share")), share1 = std::stod(at(all, 1, "share"));
    CHECK(share0 + share1 == doctest::Approx(1.0));
    CHECK(share1 > 2 * share0);
    CHECK(table_of(of, "SHOW RING app").rows.size() == 1);
    const auto full = table_of(of, "SHOW RING shop FULL");
    CHECK(full.rows.size() == 600);
    double sum = 0;
    for (std::size_t i = 0; i < full.rows.size(); ++i)
        if (at(full, i, "shard") == "s0") sum += std::stod(at(full, i, "arc"));
    CHECK(sum == doctest::Approx(share0));
    CHECK(fault_of(of, "SHOW RING shpo").hint == "did you mean \"shop\"?");
    CHECK(fault_of(of, "SHOW RING nowhere").kind == config::fault_kind::unknown_cluster);
}

TEST_CASE("SHOW KEY agrees with the ring") {
    fake_inventory of;
    const auto map = of.map("shop");
    for (const auto* key : {"1", "42", "-7", "9223372036854775807"}) {
        const auto got = table_of(of, "SHOW KEY shop users " + std::string(key));
        CHECK(at(got, 0, "canonical") == key);
        const auto position = router::position(key);
        CHECK(at(got, 0, "position") == std::to_string(position));
        CHECK(at(got, 0, "shard") == map->shards[map->points->owner(position)].name);
        CHECK(at(got, 0, "primary_node") == (at(got, 0, "shard") == "s0" ? "127.0.0.1:5511" : "(null)"));
    }
    CHECK(at(table_of(of, "SHOW KEY shop users '042'"), 0, "canonical") == "42");
    CHECK(at(table_of(of, "SHOW KEY shop orders 'a b'"), 0, "table") == "public.orders");
    CHECK(at(table_of(of, "SHOW KEY shop public.users 1"), 0, "table") == "users");
}

TEST_CASE("SHOW KEY refuses what has no place") {
    fake_inventory of;
    CHECK(fault_of(of, "SHOW KEY shop users abc").message == "\"abc\" is not a value of the shard key users.id");
    CHECK(fault_of(of, "SHOW KEY shop countries de").message.find("reference table") != std::string::npos);
    CHECK(fault_of(of, "SHOW KEY shop user 1").hint == "did you mean \"users\"?");
    CHECK(fault_of(of, "SHOW KEY elsewhere users 1").kind == config::fault_kind::unknown_cluster);
    of.catalog_known = false;
    CHECK(fault_of(of, "SHOW KEY shop users 1").kind == config::fault_kind::cannot_connect);
}

TEST_CASE("SHOW ROUTE") {
    fake_inventory of;
    const auto key = table_of(of, "SHOW KEY shop users 42");
    const auto route = table_of(of, "SHOW ROUTE shop 'SELECT * FROM users WHERE id = $1' 42");
    std::string all;
    for (const auto& one : route.rows) all += *one[0] + "=" + one[1].value_or("(null)") + "\n";
    CHECK_MESSAGE(all.find(at(key, 0, "shard")) != std::string::npos, all);
    CHECK_MESSAGE(all.find("primary node=" + at(key, 0, "primary_node")) != std::string::npos, all);
    CHECK(of.plans().list().empty());  // an operator's question is no use of the cache
    CHECK(fault_of(of, "SHOW ROUTE shop 'SELECT * FROM users WHERE id = $1'").message ==
          "the statement has 1 parameter, 0 values are given");
    CHECK(fault_of(of, "SHOW ROUTE shop 'SELEC 1'").kind == config::fault_kind::syntax);
}

TEST_CASE("SHOW PLANS and SHOW STATEMENTS") {
    fake_inventory of;
    const auto map = of.map("shop");
    const auto catalog = of.catalog("shop");
    router::shape_lexer lexer;
    for (int i = 0; i < 3; ++i) {
        const std::string sql = "SELECT * FROM users WHERE id = " + std::to_string(i);
        const auto plan = of.plans().get(lexer.scan(sql), sql, {map.get(), catalog.get(), {}, {}, true});
        ++plan->uses;
    }
    const auto plans = table_of(of, "SHOW PLANS");
    REQUIRE(plans.rows.size() == 2);
    CHECK(at(plans, 0, "shape") == "(all)");
    CHECK(at(plans, 0, "parses") == "1");
    CHECK(at(plans, 0, "uses") == at(plans, 1, "uses"));
    CHECK(at(plans, 1, "need") == "any");
    CHECK(at(plans, 1, "placement") == "single");
    const auto statements = table_of(of, "SHOW STATEMENTS");
    REQUIRE(statements.rows.size() == 1);
    CHECK(at(statements, 0, "share") == "1");
    CHECK(at(statements, 0, "keys") == "1");
}

TEST_CASE("PAUSE is done when the inventory says so, a RELOAD warns of what needs a restart") {
    fake_inventory of;
    const executor commands(of);
    const auto pause = parse_command("PAUSE shop").value;
    auto got = commands.run(pause);
    CHECK_FALSE(commands.done(pause, ringway::tests::steady_now, got));
    CHECK_FALSE(commands.done(pause, ringway::tests::steady_now, got));
    CHECK(commands.done(pause, ringway::tests::steady_now, got));
    CHECK(std::holds_alternative<table>(got));
    CHECK(commands.done(parse_command("RESUME").value, ringway::tests::steady_now, got));
    of.for_restart = {"workers stay"};
    CHECK(table_of(of, "RELOAD").warnings == of.for_restart);
    of.refusal = config::fault{config::fault_kind::invalid_parameter, "2 mistakes", "one\ntwo", {}};
    CHECK(fault_of(of, "RELOAD").detail == "one\ntwo");
    got = commands.run(pause);
    CHECK(commands.done(pause, ringway::tests::steady_now, got));
}

TEST_CASE("admin orders reach the inventory") {
    fake_inventory of;
    for (const auto* text : {"PAUSE", "PAUSE shop", "RESUME shop", "RELOAD", "KILL 42", "KILL shop", "KILL CLIENT 7",
                             "BAN 127.0.0.1:5502 FOR 2s", "BAN 127.0.0.1:5502", "UNBAN 127.0.0.1:5502",
                             "SHUTDOWN WAIT_FOR_CLIENTS", "SHUTDOWN"}) {
        const auto got = table_of(of, text);
        CHECK(got.columns.empty());
        CHECK(std::string(text).starts_with(got.tag));
    }
    const std::vector<std::string> expected{"pause ",
                                            "pause shop",
                                            "resume shop",
                                            "reload",
                                            "kill client 42",
                                            "kill cluster shop",
                                            "kill client 7",
                                            "ban 127.0.0.1:5502 2000",
                                            "ban 127.0.0.1:5502",
                                            "unban 127.0.0.1:5502",
                                            "shut down slowly",
                                            "shut down"};
    CHECK(of.done == expected);
}

TEST_CASE("admin orders that name nothing are refused before they are given") {
    fake_inventory of;
    CHECK(fault_of(of, "PAUSE shpo").hint == "did you mean \"shop\"?");
    CHECK(fault_of(of, "KILL elsewhere").kind == config::fault_kind::unknown_cluster);
    CHECK(fault_of(of, "KILL '42'").kind == config::fault_kind::unknown_cluster);
    CHECK(fault_of(of, "KILL CLIENT shop").message == "\"shop\" is not a client's id");
    CHECK(fault_of(of, "KILL 99999999999999999999").message == "\"99999999999999999999\" is not a client's id");
    CHECK(fault_of(of, "BAN 127.0.0.1:5509").hint.starts_with("did you mean 127.0.0.1:55"));
    CHECK(fault_of(of, "UNBAN elsewhere:1").hint == "SHOW LAG lists the nodes, as host:port");
    CHECK(fault_of(of, "PAUSE ''").kind == config::fault_kind::unknown_cluster);
    CHECK(of.done.empty());
    of.refusal = config::fault{config::fault_kind::invalid_parameter, "the file is wrong", "line 3", ""};
    CHECK(fault_of(of, "RELOAD").detail == "line 3");
}

TEST_CASE("admin values") {
    CHECK(*cell_of(0.25) == "0.25");
    CHECK(*cell_of(3.0) == "3");
    CHECK(*cell_of(true) == "t");
    CHECK(*cell_of(std::int64_t{-5}) == "-5");
    CHECK_FALSE(cell_of(proxy::wall_time{}));
    CHECK(postgres_microseconds("2000-01-01 00:00:00.000000+00") == 0);
    CHECK(postgres_microseconds("2000-01-02 00:00:01.000002+00") == 86'401'000'002);
    CHECK(split_address("db") == std::pair<std::string, std::string>("db", ""));
    CHECK(split_address("::1") == std::pair<std::string, std::string>("::1", ""));
    CHECK(split_address("[::1]:5") == std::pair<std::string, std::string>("::1", "5"));
}
