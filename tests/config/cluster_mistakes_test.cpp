// Each mistake of clusters, shards and tables.

#include <doctest/doctest.h>

#include "sample.hpp"

using namespace ringway;
using namespace ringway::tests;

namespace {

lines cluster(std::string_view line) {
    return lines_of(load_with(fmt::format("[clusters.app]\n{}\n", line)));
}

/// Of shards at line 6 and on.
lines shards(std::string_view text) {
    const auto until = smallest.find("s0 =");
    return lines_of(load(std::string(smallest.substr(0, until)) + std::string(text)));
}

/// Of one table at line 10.
lines table(std::string_view text) {
    return lines_of(load(sharded(fmt::format("[clusters.shop.tables]\n{}\n", text))));
}

lines ranges(std::string_view map) {
    return table(fmt::format("t = {{ key = \"id\", function = \"range\", map = {{ {} }} }}", map));
}

}  // namespace

TEST_CASE("a cluster needs shards, a shard nodes") {
    CHECK(lines_of(load_with("[clusters.b]\n")) ==
          lines{"7: [clusters.b] has no shards; write [clusters.b.shards] and s0 = { nodes = [\"host:port\"] }"});
    CHECK(shards("") == lines{"5: [clusters.app.shards] has no shards; write s0 = { nodes = [\"host:port\"] }"});
    CHECK(shards("s0 = {}\n") == lines{"6: [clusters.app.shards.s0] has no nodes; write nodes = [\"host:port\", ...]"});
    CHECK(shards("s0 = { nodes = [] }\n") ==
          lines{"6: [clusters.app.shards.s0] has no nodes; write nodes = [\"host:port\", ...]"});
    CHECK(shards("s0 = 5\n") == lines{"6: [clusters.app.shards.s0] must be a table, not an integer"});
    CHECK(shards("s0 = { nodes = \"db:1\" }\n") ==
          lines{"6: [clusters.app.shards.s0] nodes: must be an array of \"host:port\" strings, not a string"});
    CHECK(shards("\"\" = { nodes = [\"db:1\"] }\n") == lines{"6: [clusters.app.shards.\"\"] needs a name"});
    CHECK(cluster("shards = 1").size() == 1);  // TOML forbids it: the table is there
}

TEST_CASE("nodes are addresses, each at its own line, and stand once") {
    CHECK(shards("s0 = { nodes = [\n\"db:1\",\n\"db\",\n5] }\n") ==
          lines{"8: [clusters.app.shards.s0] nodes: \"db\" is not an address: the port is missing; write \"host:port\"",
                "9: [clusters.app.shards.s0] nodes: must hold \"host:port\" strings, not an integer"});
    CHECK(shards("s0 = { nodes = [\"db:1\", \"DB:1\"] }\n") ==
          lines{"6: [clusters.app.shards.s0] nodes: \"DB:1\" is named twice"});
    CHECK(shards("s0 = { nodes = [\"db:1\"] }\ns1 = { nodes = [\"db:2\", \"db:1\"] }\n") ==
          lines{"7: [clusters.app.shards.s1] nodes: \"db:1\" is a node of shard \"s0\" already"});
    CHECK(lines_of(load_with("[clusters.b.shards]\ns0 = { nodes = [\"127.0.0.1:5432\"] }\n")) == lines{});
}

TEST_CASE("weights are above 0, but of a shard that leaves") {
    CHECK(shards("s0 = { nodes = [\"db:1\"] }\ns1 = { nodes = [\"db:2\"], weight = 0 }\n") == lines{});
    CHECK(shards("s0 = { nodes = [\"db:1\"], weight = 0 }\n").size() == 1);
    for (const auto* weight : {"-1", "1001", "inf", "nan", "-inf"}) {
        const auto found = shards(fmt::format("s0 = {{ nodes = [\"db:1\"], weight = {} }}\n", weight));
        REQUIRE(found.size() == 1);
        CHECK(found[0].starts_with("6: [clusters.app.shards.s0] weight: "));
        CHECK(found[0].ends_with("is out of range; right is a number from 0 (a shard that leaves), 1000 at the most"));
    }
    CHECK(shards("s0 = { nodes = [\"db:1\"], weight = \"2\" }\n") ==
          lines{"6: [clusters.app.shards.s0] weight: must be a number, not a string"});
    const auto weights = [](std::string_view line) {
        return lines_of(load_with(fmt::format("[clusters.app.node_weights]\n{}\n", line)));
    };
    CHECK(weights("\"127.0.0.1:5432\" = 3") == lines{});
    CHECK(
        weights("\"127.0.0.1:5432\" = 0") ==
        lines{
            "8: [clusters.app.node_weights] 127.0.0.1:5432: 0 is out of range; right is a number above 0, 1000 at the "
            "most"});
    CHECK(weights("\"127.0.0.1:5433\" = 3") ==
          lines{"8: [clusters.app.node_weights] 127.0.0.1:5433: is not a node of this cluster"});
    CHECK(weights("db = 3") ==
          lines{"8: [clusters.app.node_weights] db: is not an address: the port is missing; write \"host:port\""});
}

TEST_CASE("accounts of a cluster go together") {
    CHECK(cluster("monitor_password = \"x\"") ==
          lines{"8: [clusters.app] monitor_password: needs monitor_user, whose password it is"});
    CHECK(cluster("auth_password = \"x\"") ==
          lines{"8: [clusters.app] auth_password: needs auth_user, whose password it is"});
    CHECK(cluster("auth_query = \"SELECT f($1)\"") ==
          lines{"8: [clusters.app] auth_query: needs auth_user, the role that runs it"});
    CHECK(cluster("auth_user = \"x\"\nauth_query = \"SELECT 1\"") ==
          lines{"9: [clusters.app] auth_query: must ask for the user $1: \"SELECT usename, passwd FROM pg_shadow WHERE "
                "usename = $1\""});
}

TEST_CASE("a pool cannot keep more idle connections than it has") {
    CHECK(cluster("min_idle = 21") == lines{"8: [clusters.app] min_idle: 21 connections do not fit a pool_size of 20"});
    CHECK(lines_of(load_with("[general]\nmin_idle = 5\n[clusters.app]\npool_size = 4\n")) ==
          lines{"10: [clusters.app] min_idle: 5 connections do not fit a pool_size of 4"});
    CHECK(lines_of(load_with("[general]\nmin_idle = 21\n[clusters.b.shards]\ns0 = { nodes = [\"db:1\"] }\n")) ==
          lines{"8: [clusters.app] min_idle: 21 connections do not fit a pool_size of 20"});
}

TEST_CASE("\"*\" has one shard, no tables and no database") {
    const std::string start = R"([listen]
postgres = "127.0.0.1:6432"
[users.app]
password = "x"
[clusters."*"]
database = "x"
[clusters."*".shards]
s0 = { nodes = ["db:1"] }
)";
    CHECK(
        lines_of(load(start)) ==
        lines{"6: [clusters.\"*\"] database: cannot be set for \"*\", which serves each database under its own name"});
    CHECK(lines_of(load(start + "s1 = { nodes = [\"db:2\"] }\n[clusters.\"*\".tables]\nt = { key = \"id\" }\n")) ==
          lines{"6: [clusters.\"*\"] database: cannot be set for \"*\", which serves each database under its own name",
                "7: [clusters.\"*\"] shards: \"*\" must have exactly one shard: other databases are not sharded",
                "10: [clusters.\"*\"] tables: \"*\" has no tables: it serves many databases, with one shard"});
}

TEST_CASE("tables have a key or are reference tables") {
    CHECK(table("t = {}") ==
          lines{"10: [clusters.shop.tables.t] needs key = \"column\", or reference = true for a copy on every shard"});
    CHECK(table("t = { reference = false }") ==
          lines{"10: [clusters.shop.tables.t] needs key = \"column\", or reference = true for a copy on every shard"});
    CHECK(table("t = { key = \"id\", reference = true }") ==
          lines{"10: [clusters.shop.tables.t] reference: a reference table is whole on every shard, so it has no key; "
                "remove "
                "one of them"});
    CHECK(table("t = { reference = true, function = \"ring\" }") ==
          lines{"10: [clusters.shop.tables.t] reference: a reference table is whole on every shard, so it has no "
                "function and "
                "no map"});
    CHECK(table("t = 5") == lines{"10: [clusters.shop.tables.t] must be a table, not an integer"});
    CHECK(table("t = { key = \"id\", reference = false }") == lines{});
    CHECK(lines_of(load_with("[clusters.app.tables]\nt = { key = \"id\" }\nr = { reference = true }\n")) == lines{});
}

TEST_CASE("table names have at most a schema before them, in quotes") {
    CHECK(table("public.orders = { key = \"id\" }") ==
          lines{"10: [clusters.shop.tables.public] a qualified name stands in quotes: \"public.orders\" = { ... }"});
    for (const auto* name : {"a.b.c", ".a", "a.", ""}) {
        const auto found = table(fmt::format("\"{}\" = {{ key = \"id\" }}", name));
        REQUIRE(found.size() == 1);
        CHECK(found[0].ends_with("is no table name; right is \"table\" or \"schema.table\""));
    }
    CHECK(table("\"public.orders\" = { key = \"id\" }") == lines{});
}

TEST_CASE("functions with a map need it, the others have none") {
    CHECK(table("t = { key = \"id\", function = \"rnig\" }") ==
          lines{"10: [clusters.shop.tables.t] function: \"rnig\" is none of \"ring\", \"hash\", \"range\", \"list\", "
                "\"directory\"; did you mean \"ring\"?"});
    for (const auto* function : {"list", "range"})
        CHECK(table(fmt::format("t = {{ key = \"id\", function = \"{}\" }}", function)) ==
              lines{"10: [clusters.shop.tables.t] function: lists and ranges need a map: map = { s0 = [...], s1 = "
                    "[...] }"});
    CHECK(table("t = { key = \"id\", map = { s0 = [1] } }") ==
          lines{"10: [clusters.shop.tables.t] map: belongs to function = \"list\", \"range\", \"directory\" or "
                "\"hash\"; the ring needs none"});
    for (const auto* function : {"ring", "hash", "directory"})
        CHECK(table(fmt::format("t = {{ key = \"id\", function = \"{}\" }}", function)) == lines{});
}

TEST_CASE("a hash's map has each remainder once") {
    const auto hash = [](std::string_view map) {
        return table(fmt::format("t = {{ key = \"id\", function = \"hash\", map = {{ {} }} }}", map));
    };
    CHECK(hash("s0 = [0, 2], s1 = [1, 3]") == lines{});
    CHECK(hash("s0 = [0], s1 = [2]") ==
          lines{"10: [clusters.shop.tables.t.map] s1: \"2\" is no remainder; with 2 of them, right is 0 to 1"});
    CHECK(hash("s0 = [\"x\"]") ==
          lines{"10: [clusters.shop.tables.t.map] s0: \"x\" is no remainder; with 1 of them, right is 0 to 0"});
    CHECK(hash("s0 = [0], s1 = [0]") ==
          lines{"10: [clusters.shop.tables.t.map] s1: \"0\" belongs to shard \"s0\" already"});
}

TEST_CASE("keys of several columns") {
    CHECK(table("t = { key = [\"a\", \"b\"] }") == lines{});
    CHECK(table("t = { key = [\"a\", \"b\"], function = \"hash\" }") == lines{});
    CHECK(table("t = { key = [\"a\", \"a\"] }") == lines{"10: [clusters.shop.tables.t] key: \"a\" is named twice"});
    CHECK(table("t = { key = [] }") == lines{"10: [clusters.shop.tables.t] key: has 0 columns; right is 1 to 8"});
    CHECK(table("t = { key = [1] }") ==
          lines{"10: [clusters.shop.tables.t] key: must be a column's name, or an array of them"});
    CHECK(table("t = { key = [\"a\", \"b\"], function = \"list\", map = { s0 = [1] } }") ==
          lines{"10: [clusters.shop.tables.t] key: a key of several columns needs function = \"ring\" or \"hash\""});
}

TEST_CASE("a schema as the key") {
    CHECK(table("\"tenant_*.*\" = { schema = true }") == lines{});
    CHECK(table("\"acme.*\" = { schema = true, function = \"directory\", map = { s1 = [\"acme\"] } }") == lines{});
    CHECK(table("t = { schema = true }") ==
          lines{"10: [clusters.shop.tables.t] schema: needs a name of schemas: \"tenant_*.*\""});
    CHECK(table("\"a_*_*.*\" = { schema = true }").size() == 1);
    CHECK(table("\"a.*\" = { schema = true, key = \"id\" }") ==
          lines{"10: [clusters.shop.tables.\"a.*\"] schema: the name of the schema is the key; remove the other"});
}

TEST_CASE("a directory's unlisted keys") {
    CHECK(table("t = { key = \"id\", function = \"directory\", map = { s0 = [1] }, unlisted = \"error\" }") == lines{});
    CHECK(table("t = { key = \"id\", function = \"directory\", unlisted = \"error\" }") ==
          lines{"10: [clusters.shop.tables.t] unlisted: without a map no shard has any key"});
    CHECK(table("t = { key = \"id\", unlisted = \"ring\" }") ==
          lines{"10: [clusters.shop.tables.t] unlisted: belongs to function = \"directory\""});
}

TEST_CASE("lists name shards, and each value once") {
    const auto list = [](std::string_view map) {
        return table(fmt::format("t = {{ key = \"id\", function = \"list\", map = {{ {} }} }}", map));
    };
    CHECK(list("s0 = [\"eu\"], s1 = [\"us\"]") == lines{});
    CHECK(list("") == lines{"10: [clusters.shop.tables.t.map] is empty; write map = { s0 = [...], s1 = [...] }"});
    CHECK(list("so = [\"eu\"]") ==
          lines{"10: [clusters.shop.tables.t.map] so: is not a shard of this cluster; did you mean \"s0\"?"});
    CHECK(list("s0 = []") == lines{"10: [clusters.shop.tables.t.map] s0: must be an array of values"});
    CHECK(list("s0 = \"eu\"") == lines{"10: [clusters.shop.tables.t.map] s0: must be an array of values"});
    CHECK(list("s0 = [1.5]") == lines{"10: [clusters.shop.tables.t.map] s0: must hold strings and integers, not a "
                                      "floating-point number; write it as a string"});
    CHECK(list("s0 = [2024-01-01]") ==
          lines{"10: [clusters.shop.tables.t.map] s0: must hold strings and integers, not a "
                "date or time; write it as a string"});
    CHECK(list("s0 = [\"eu\", \"eu\"]") == lines{"10: [clusters.shop.tables.t.map] s0: \"eu\" is named twice"});
    CHECK(list("s0 = [\"1\"], s1 = [1]") ==
          lines{"10: [clusters.shop.tables.t.map] s1: \"1\" belongs to shard \"s0\" already"});
    CHECK(table("t = { key = \"id\", function = \"list\", map = 5 }") ==
          lines{"10: [clusters.shop.tables.t.map] must be a table, not an integer"});
    CHECK(table("t = { key = \"id\", function = \"directory\", map = { s0 = [1], s1 = [1] } }") ==
          lines{"10: [clusters.shop.tables.t.map] s1: \"1\" belongs to shard \"s0\" already"});
}

TEST_CASE("ranges have two bounds in order") {
    CHECK(ranges("s0 = [1]") ==
          lines{"10: [clusters.shop.tables.t.map] s0: needs two bounds, [from, to), not 1; \"min\" and "
                "\"max\" leave an end open"});
    CHECK(ranges("s0 = [1, 2, 3]") == lines{"10: [clusters.shop.tables.t.map] s0: needs two bounds, [from, to), not 3; "
                                            "\"min\" and \"max\" leave an end open"});
    CHECK(ranges("s0 = [\"\", 3]") ==
          lines{"10: [clusters.shop.tables.t.map] s0: a bound must not be empty; \"min\" and "
                "\"max\" leave an end open"});
    CHECK(ranges("s0 = [\"max\", 3]") == lines{"10: [clusters.shop.tables.t.map] s0: the first bound must be below the "
                                               "second: \"min\" comes first, \"max\" second"});
    CHECK(
        ranges("s0 = [5, 5]") ==
        lines{
            "10: [clusters.shop.tables.t.map] s0: [\"5\", \"5\"] is empty; the first bound must be below the second"});
    CHECK(ranges("s0 = [10, 9]").size() == 1);
    CHECK(ranges("s0 = [-1, -2]").size() == 1);
    CHECK(ranges("s0 = [\"b\", \"a\"]").size() == 1);
    CHECK(ranges("s0 = [9, 10]") == lines{});
    CHECK(ranges("s0 = [-2, -1]") == lines{});
    CHECK(ranges("s0 = [-10, 9]") == lines{});
    CHECK(ranges("s0 = [-10, -9]") == lines{});
    CHECK(ranges("s0 = [\"9\", \"10\"]") == lines{});
    CHECK(ranges("s0 = [\"9\", \"100000000000000000000\"]") == lines{});
    CHECK(ranges("s0 = [\"a\", \"b\"]") == lines{});
    CHECK(ranges("s0 = [\"min\", \"max\"]") == lines{});
}

TEST_CASE("ranges do not overlap") {
    const lines overlap{"10: [clusters.shop.tables.t.map] s1: overlaps the range of shard \"s0\""};
    CHECK(ranges("s0 = [0, 10], s1 = [10, 20]") == lines{});
    CHECK(ranges("s0 = [0, 10, 20, 30], s1 = [10, 20]") == lines{});
    CHECK(ranges("s0 = [0, 10, 15, 30], s1 = [10, 20]") == overlap);
    CHECK(ranges("s0 = [0, 10], s1 = [20, 30]") == lines{});
    CHECK(ranges("s0 = [0, 10], s1 = [9, 20]") == overlap);
    CHECK(ranges("s0 = [9, 20], s1 = [0, 10]") == overlap);
    CHECK(ranges("s0 = [0, 100], s1 = [10, 20]") == overlap);
    CHECK(ranges("s0 = [0, \"max\"], s1 = [10, 20]") == overlap);
    CHECK(ranges("s0 = [\"min\", 0], s1 = [\"min\", -5]") == overlap);
    CHECK(ranges("s0 = [\"min\", 0], s1 = [0, \"max\"]") == lines{});
    CHECK(ranges("s0 = [\"a\", \"m\"], s1 = [\"l\", \"z\"]") == overlap);
    CHECK(ranges("s0 = [\"a\", \"m\"], s1 = [\"m\", \"z\"]") == lines{});
}

TEST_CASE("servers of PostgreSQL have no compression") {
    CHECK(cluster("server_compression = \"zlib\"") ==
          lines{"8: [clusters.app] server_compression: is of MySQL's protocol only: leave it out"});
    CHECK(cluster("server_compression = \"off\"") == lines{});
    CHECK(cluster("server_compression = \"lz4\"") ==
          lines{"8: [clusters.app] server_compression: \"lz4\" is none of \"off\", \"zlib\", \"zstd\""});
}

TEST_CASE("a cluster needs somebody to watch its servers as") {
    const std::string start = R"([listen]
postgres = "127.0.0.1:6432"
[users.app]
password = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)";
    const std::string end = "[clusters.app.shards]\ns0 = { nodes = [\"db:1\"] }\n";
    CHECK(
        lines_of(load(start + end)) ==
        lines{
            "5: [clusters.app] has nobody to watch its servers as: no user with a plain password; set monitor_user and "
            "monitor_password"});
    CHECK(lines_of(load(start + "server_password = \"x\"\n" + end)) == lines{});
    CHECK(lines_of(load(start + end + "[clusters.app]\nmonitor_user = \"m\"\n")) == lines{});
    CHECK(lines_of(load(start + end + "[clusters.app]\nauth_user = \"m\"\n")) == lines{});
    CHECK(lines_of(load(start + "[users.b]\npassword = \"x\"\nclusters = [\"other\"]\n" + end +
                        "[clusters.other.shards]\ns0 = { nodes = [\"db:1\"] }\n"))
              .size() == 1);
}
