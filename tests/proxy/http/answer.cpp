#include "proxy/http/answer.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "../admin/fake_inventory.hpp"
#include "proxy/http/metrics.hpp"

using namespace ringway;
using nlohmann::json;
using tests::fake_inventory;

namespace {

proxy::http::answer ask(fake_inventory& of, std::string_view target, std::string_view method = "GET") {
    const proxy::admin::executor commands(of, tests::wall_now - std::chrono::seconds(100));
    return proxy::http::answer_to(method, target, of, commands, tests::test_now);
}

/// Gives shop's second shard a primary.
void make_ready(fake_inventory& of) {
    auto shop = std::make_shared<pool::cluster_health>(*of.health_rows[1]);
    shop->shards[1].primary = 0;
    of.health_rows[1] = shop;
}

}  // namespace

TEST_CASE("http /health: live always, ready when every shard has a primary and nothing drains") {
    fake_inventory of;
    CHECK(ask(of, "/health/live").status == 200);
    const auto not_ready = ask(of, "/health/ready");
    CHECK(not_ready.status == 503);
    CHECK(json::parse(not_ready.body)["reasons"][0] == "shard s1 of cluster shop has no primary: no node is primary");
    make_ready(of);
    CHECK(ask(of, "/health/ready").status == 200);
    const auto health = ask(of, "/health");
    CHECK(health.status == 200);
    CHECK(json::parse(health.body)["ready"] == true);
    CHECK(json::parse(health.body)["clusters"].size() == 2);
    of.is_draining = true;
    CHECK(ask(of, "/health").status == 503);
    CHECK(json::parse(ask(of, "/health").body)["draining"] == true);
    CHECK(ask(of, "/health/live").status == 200);
    of.is_draining = false;
    of.health_rows.clear();
    CHECK(ask(of, "/health/ready").status == 503);
}

TEST_CASE("http /metrics: names, labels and values") {
    fake_inventory of;
    const auto got = ask(of, "/metrics");
    CHECK(got.status == 200);
    CHECK(got.content_type.starts_with("text/plain; version=0.0.4"));
    for (const auto* line :
         {"# TYPE ringway_clients gauge", "ringway_clients{cluster=\"shop\",state=\"transaction\"} 1",
          "ringway_draining 0", "ringway_ready 0", "ringway_cluster_ready{cluster=\"app\"} 1",
          "ringway_servers{cluster=\"shop\",shard=\"s0\",node=\"127.0.0.1:5511\",state=\"cancel\"} 1",
          "# TYPE ringway_statements_total counter", "ringway_statements_total{cluster=\"shop\"} 4000",
          "ringway_reads_total{cluster=\"shop\",role=\"replica\"} 3000",
          "ringway_transaction_seconds_total{cluster=\"shop\"} 5",
          "ringway_node_up{cluster=\"shop\",shard=\"s0\",node=\"127.0.0.1:5512\",role=\"unknown\"} 0",
          "ringway_node_lag_bytes{cluster=\"app\",shard=\"s0\",node=\"127.0.0.1:5502\",role=\"replica\"} 4096",
          "ringway_bans{cluster=\"app\",node=\"127.0.0.1:5503\",by=\"operator\"} 1",
          "ringway_plan_cache_parses_total 0", "ringway_pins{cluster=\"shop\",reason=\"LISTEN\"} 1",
          "ringway_pool_clients_waiting{cluster=\"shop\",shard=\"s0\",node=\"127.0.0.1:5511\",database=\"shop\",user="
          "\"alice\"} 2"}) {
        CHECK_MESSAGE(got.body.find(std::string(line) + "\n") != std::string::npos, line);
    }
    CHECK(got.body.find(
              "ringway_node_lag_seconds{cluster=\"app\",shard=\"s0\",node=\"127.0.0.1:5502\",role=\"replica\"} 0.03") !=
          std::string::npos);
    // Unknown is absent, not zero.
    CHECK(got.body.find("ringway_node_lag_seconds{cluster=\"shop\",shard=\"s0\",node=\"127.0.0.1:5512\"") ==
          std::string::npos);
    CHECK(got.body.find("wonderland") == std::string::npos);
}

TEST_CASE("http /metrics: every line is a comment or name, labels, value") {
    fake_inventory of;
    of.client_rows[0].cluster = "a\"b\\c\nd";
    const std::regex form(R"(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)*\})? [-+.e0-9]+)");
    std::istringstream lines(proxy::http::metrics_text(of, tests::test_now));
    std::string line;
    while (std::getline(lines, line)) CHECK_MESSAGE(std::regex_match(line, form), line);
}

TEST_CASE("http /api: SHOW as JSON with types") {
    fake_inventory of;
    const auto lag = ask(of, "/api/lag");
    CHECK(lag.status == 200);
    const auto rows = json::parse(lag.body);
    REQUIRE(rows.size() == 6);
    CHECK(rows[1]["lag_ms"] == 30);
    CHECK(rows[1]["reason"].is_null());
    CHECK(json::parse(ask(of, "/api/pools").body)[0]["paused"] == true);
    CHECK(json::parse(ask(of, "/api/ring").body)[0]["share"].is_number_float());
    CHECK(json::parse(ask(of, "/api/ring?cluster=shop&full=true").body).size() == 600);
    const auto key = json::parse(ask(of, "/api/key?cluster=shop&table=users&value=%34%32").body);
    REQUIRE(key.size() == 1);
    CHECK(key[0]["canonical"] == "42");
    CHECK(key[0]["position"].is_string());
    CHECK(json::parse(ask(of, "/api/route?cluster=shop&sql=SELECT+*+FROM+users+WHERE+id+%3D+$1&value=42").body).size() >
          2);
    of.client_rows[0].application_name = "\xff\xfe";
    CHECK(json::parse(ask(of, "/api/clients").body).size() == 2);
    CHECK(json::parse(ask(of, "/api").body).size() == proxy::admin::subject_count - 1);
    for (const auto& path : json::parse(ask(of, "/api").body)) {
        const auto text = path.get<std::string>();
        if (text != "/api/key" && text != "/api/route") CHECK_MESSAGE(ask(of, text).status == 200, text);
    }
}

TEST_CASE("http refuses what it does not know") {
    fake_inventory of;
    for (const auto* target :
         {"/", "/healthy", "/api/elephants", "/api/LAG", "/api/ring%20full", "/api/lag/", "", "*"}) {
        const auto got = ask(of, target);
        CHECK_MESSAGE(got.status == 404, target);
        CHECK(json::parse(got.body)["error"]["message"].is_string());
    }
    CHECK(ask(of, "/api/lag", "POST").status == 405);
    CHECK(ask(of, "/api/lag", "POST").allow == "GET, HEAD");
    CHECK(ask(of, "/elsewhere", "POST").status == 404);
    CHECK(ask(of, "/api/key?cluster=shop&table=users").status == 400);
    CHECK(json::parse(ask(of, "/api/key?cluster=shop&table=users").body)["error"]["message"] ==
          "the query parameter \"value\" is missing");
    CHECK(ask(of, "/api/lag?x=1").status == 400);
    CHECK(ask(of, "/api/ring?cluster=%zz").status == 400);
    CHECK(ask(of, "/api/ring?full=1").status == 400);
    CHECK(ask(of, "/api/ring?cluster=nowhere").status == 404);
    CHECK(json::parse(ask(of, "/api/ring?cluster=shpo").body)["error"]["hint"] == "did you mean \"shop\"?");
    CHECK(of.done.empty());
}
