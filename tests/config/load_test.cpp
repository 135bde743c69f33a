// What a right file gives: every default, every key.

#include "config/load.hpp"

#include <doctest/doctest.h>

#include "files.hpp"
#include "sample.hpp"

using namespace ringway;
using namespace ringway::config;
using namespace ringway::tests;
using namespace std::chrono_literals;

namespace {

settings loaded(const std::string& text) {
    auto found = load(text);
    REQUIRE(lines_of(found) == lines{});
    return std::move(found.value);
}

}  // namespace

TEST_CASE("defaults are those of the settings") {
    const auto all = loaded(std::string(smallest));
    CHECK(all.general == general{});
    CHECK(all.client_tls == tls{});
    CHECK(all.hba.empty());
    CHECK(all.listen.postgres == endpoint{"127.0.0.1", 6432});
    CHECK_FALSE(all.listen.mysql);
    CHECK_FALSE(all.listen.admin);
    CHECK_FALSE(all.listen.admin_mysql);
    CHECK_FALSE(all.listen.http);

    user app;
    app.name = "app";
    app.password = "secret";
    CHECK(all.users == std::vector{app});

    cluster expected;
    expected.name = "app";
    expected.shards = {{"s0", {{"127.0.0.1", 5432}}, 1}};
    CHECK(all.clusters == std::vector{expected});
}

TEST_CASE("defaults have the values that the reference tells") {
    const auto all = loaded(std::string(smallest));
    const auto& is = all.general;
    CHECK(is.workers == 0);
    CHECK(is.max_clients == 20'000);
    CHECK(is.state_dir == "/var/lib/ringway");
    CHECK(is.log_level == "info");
    CHECK_FALSE(is.log_queries);
    CHECK(is.drain_timeout == 30s);
    CHECK(is.client_login_timeout == 60s);
    CHECK(is.client_idle_timeout == 0s);
    CHECK(is.idle_transaction_timeout == 0s);
    CHECK(is.plan_cache_entries == 10'000);
    CHECK(is.max_parse_bytes == 1u << 20);
    CHECK(is.max_prepared_bytes == 16u << 20);
    const auto& pool = all.clusters.at(0).pool;
    CHECK(pool.mode == pool_mode::transaction);
    CHECK(pool.size == 20);
    CHECK(pool.min_idle == 0);
    CHECK(pool.reserve == 0);
    CHECK(pool.reserve_after == 5s);
    CHECK(pool.idle_timeout == 10min);
    CHECK(pool.lifetime == 1h);
    CHECK(pool.login_backoff == 1s);
    CHECK(pool.query_wait_timeout == 2min);
    CHECK(pool.connect_timeout == 5s);
    CHECK(pool.statement_cache_bytes == 1u << 20);
    const auto& reads = all.clusters.at(0).reads;
    CHECK(reads.splitting);
    CHECK(reads.consistency == read_consistency::session);
    CHECK(reads.max_lag == 5s);
    CHECK(reads.how == balance::round_robin);
    CHECK(reads.fallback == no_replica::primary);
    const auto& app = all.clusters.at(0);
    CHECK(app.engine == engine::postgres);
    CHECK(app.health_interval == 1s);
    CHECK(app.watermark_interval == 100ms);
    CHECK(app.check_timeout == 1s);
    CHECK(app.failover_hold == 10s);
    CHECK(app.max_ban == 60s);
    CHECK(app.cutover_timeout == 200ms);
    CHECK(app.cleanup_delay == 10s);
    CHECK(app.undo_time == 0s);
    CHECK(app.hot_keys);
    CHECK(app.server_tls.mode == tls_mode::disable);
    CHECK(app.server_tls.min_version == "1.2");
}

TEST_CASE("[listen] and [general]: every key") {
    const auto all = loaded(R"([listen]
postgres = "0.0.0.0:1"
mysql = "[::1]:2"
admin = "localhost:3"
admin_mysql = "127.0.0.1:4"
http = "127.0.0.1:5"
proxy_protocol = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"]
[general]
workers = 4
max_clients = 10
state_dir = "/run/r"
log_level = "debug"
log_queries = true
drain_timeout = "1m"
client_login_timeout = "2s"
client_idle_timeout = "3h"
idle_transaction_timeout = "4m"
plan_cache_entries = 50
max_parse_bytes = "2MiB"
max_prepared_bytes = 4096
[users.app]
password = "secret"
[clusters.app.shards]
s0 = { nodes = ["127.0.0.1:5432"] }
)");
    CHECK(all.listen.postgres == endpoint{"0.0.0.0", 1});
    CHECK(all.listen.mysql == endpoint{"::1", 2});
    CHECK(all.listen.admin == endpoint{"localhost", 3});
    CHECK(all.listen.admin_mysql == endpoint{"127.0.0.1", 4});
    CHECK(all.listen.http == endpoint{"127.0.0.1", 5});
    CHECK(all.listen.proxy_protocol == std::vector<std::string>{"10.0.0.0/8", "127.0.0.1", "fd00::/8"});
    general expected;
    expected.workers = 4;
    expected.max_clients = 10;
    expected.state_dir = "/run/r";
    expected.log_level = "debug";
    expected.log_queries = true;
    expected.drain_timeout = 1min;
    expected.client_login_timeout = 2s;
    expected.client_idle_timeout = 3h;
    expected.idle_transaction_timeout = 4min;
    expected.plan_cache_entries = 50;
    expected.max_parse_bytes = 2u << 20;
    expected.max_prepared_bytes = 4096;
    CHECK(all.general == expected);
}

namespace {

constexpr std::string_view pool_and_reads = R"(pool_mode = "session"
pool_size = 7
min_idle = 2
reserve = 3
reserve_after = "4s"
idle_timeout = "0"
lifetime = 0
login_backoff = "50ms"
query_wait_timeout = "6s"
connect_timeout = "7s"
statement_cache = "16KiB"
read_splitting = false
read_consistency = "bounded"
max_lag = "8s"
balance = "least_connections"
no_replica = "error"
health_interval = "9s"
watermark_interval = "20ms"
check_timeout = "30ms"
failover_hold = "0"
max_ban = "1h"
cutover_timeout = "1s"
cleanup_delay = "1m"
undo_time = "2h"
hot_keys = false
)";

cluster with_pool_and_reads() {
    cluster out;
    out.name = "app";
    out.shards = {{"s0", {{"127.0.0.1", 5432}}, 1}};
    out.pool = {pool_mode::session, 7, 2, 3, 4s, 0s, 0s, 50ms, 6s, 7s, 16'384};
    out.reads = {false, read_consistency::bounded, 8s, balance::least_connections, no_replica::error};
    out.health_interval = 9s;
    out.watermark_interval = 20ms;
    out.check_timeout = 30ms;
    out.failover_hold = 0s;
    out.max_ban = 1h;
    out.cutover_timeout = 1s;
    out.cleanup_delay = 1min;
    out.undo_time = 2h;
    out.hot_keys = false;
    return out;
}

}  // namespace

TEST_CASE("pool, read and watch keys stand in a cluster, or in [general] for all") {
    const auto own = loaded(std::string(smallest) + "[clusters.app]\n" + std::string(pool_and_reads));
    CHECK(own.clusters == std::vector{with_pool_and_reads()});
    const auto general = loaded(std::string(smallest) + "[general]\n" + std::string(pool_and_reads));
    CHECK(general.clusters == std::vector{with_pool_and_reads()});
    const auto both =
        loaded(std::string(smallest) + "[clusters.app]\npool_size = 9\n[general]\n" + std::string(pool_and_reads));
    auto expected = with_pool_and_reads();
    expected.pool.size = 9;
    CHECK(both.clusters == std::vector{expected});
}

TEST_CASE("users: every key") {
    const auto all = loaded(std::string(smallest) + R"([users.other]
password = "p"
server_user = "role"
server_password = "q"
clusters = ["app"]
admin = true
pool_mode = "session"
pool_size = 1
min_idle = 1
reserve = 2
query_wait_timeout = "3s"
read_consistency = "primary"
max_lag = "4s"
)");
    user expected;
    expected.name = "other";
    expected.password = "p";
    expected.server_user = "role";
    expected.server_password = "q";
    expected.clusters = {"app"};
    expected.admin = true;
    expected.over = {pool_mode::session, 1, 1, 2, 3s, read_consistency::primary, 4s};
    CHECK(all.users.at(1) == expected);
    CHECK(all.users.at(0).over == overrides{});
}

TEST_CASE("clusters: every other key") {
    const temporary_directory in;
    for (const auto* name : {"own.crt", "own.key", "ca.crt"}) in.write(name, "x");
    const auto text = std::string(smallest) + R"toml([clusters.app]
engine = "postgres"
database = "app_db"
monitor_user = "m"
monitor_password = "mp"
auth_query = "SELECT * FROM f($1)"
auth_user = "a"
auth_password = "ap"
[clusters.app.node_weights]
"127.0.0.1:5432" = 2.5
[clusters.app.server_tls]
mode = "verify-full"
certificate = "own.crt"
key = "own.key"
ca = "ca.crt"
min_version = "1.3"
)toml";
    const auto found = load_text(text, in.path("ringway.toml"));
    REQUIRE(lines_of(found) == lines{});
    cluster expected;
    expected.name = "app";
    expected.database = "app_db";
    expected.shards = {{"s0", {{"127.0.0.1", 5432}}, 1}};
    expected.monitor_user = "m";
    expected.monitor_password = "mp";
    expected.auth_query = "SELECT * FROM f($1)";
    expected.auth_user = "a";
    expected.auth_password = "ap";
    expected.node_weights = {{"127.0.0.1:5432", 2.5}};
    expected.server_tls = {tls_mode::verify_full, in.path("own.crt"), in.path("own.key"), in.path("ca.crt"), "1.3"};
    CHECK(found.value.clusters == std::vector{expected});
}

TEST_CASE("shards and tables keep what the file says, shards in its order") {
    const auto all = loaded(R"([listen]
postgres = "127.0.0.1:6432"
[users.app]
password = "secret"
[clusters.shop.shards]
z = { nodes = ["db1:1", "[::1]:2"] }
a = { nodes = ["db2:1"], weight = 2 }
m = { nodes = ["db3:1"], weight = 0.5 }
[clusters.shop.tables]
users = { key = "id" }
"audit.log" = { key = "user_id", function = "hash" }
countries = { reference = true }
invoices = { key = "region", function = "list", map = { z = ["eu", 1, true], a = ["us"] } }
events = { key = "id", function = "range", map = { z = ["min", -5], a = [0, 1000000], m = [1000000, "max"] } }
days = { key = "day", function = "range", map = { z = ["2024-01-01", "2025-01-01"], a = ["2025-01-01", "max"] } }
tenants = { key = "id", function = "directory" }
pinned = { key = "id", function = "directory", map = { m = ["7"] } }
)");
    const auto& shop = all.clusters.at(0);
    CHECK(shop.shards ==
          std::vector<shard>{{"z", {{"db1", 1}, {"::1", 2}}, 1}, {"a", {{"db2", 1}}, 2}, {"m", {{"db3", 1}}, 0.5}});
    const auto ring = sharding_function::ring;
    const std::vector<table> expected{
        {"users", "id", false, ring, {}},
        {"audit.log", "user_id", false, sharding_function::hash, {}},
        {"countries", "", true, ring, {}},
        {"invoices", "region", false, sharding_function::list, {{"z", {"eu", "1", "true"}}, {"a", {"us"}}}},
        {"events",
         "id",
         false,
         sharding_function::range,
         {{"z", {"min", "-5"}}, {"a", {"0", "1000000"}}, {"m", {"1000000", "max"}}}},
        {"days",
         "day",
         false,
         sharding_function::range,
         {{"z", {"2024-01-01", "2025-01-01"}}, {"a", {"2025-01-01", "max"}}}},
        {"tenants", "id", false, sharding_function::directory, {}},
        {"pinned", "id", false, sharding_function::directory, {{"m", {"7"}}}}};
    CHECK(shop.tables == expected);
}

TEST_CASE("clusters and users stand in the file's order") {
    const auto all = loaded(R"([listen]
postgres = "127.0.0.1:6432"
[users.z]
password = "secret"
[users.a]
password = "secret"
[clusters.z.shards]
s0 = { nodes = ["db:1"] }
[clusters.a.shards]
s0 = { nodes = ["db:1"] }
)");
    CHECK(all.users.at(0).name == "z");
    CHECK(all.users.at(1).name == "a");
    CHECK(all.clusters.at(0).name == "z");
    CHECK(all.clusters.at(1).name == "a");
}

TEST_CASE("rules and TLS towards clients: every key") {
    const temporary_directory in;
    for (const auto* name : {"own.crt", "own.key", "ca.crt"}) in.write(name, "x");
    const auto text = std::string(smallest) + R"([client_tls]
mode = "verify-ca"
certificate = "own.crt"
key = "own.key"
ca = "ca.crt"
min_version = "1.3"
[[hba]]
type = "hostssl"
clusters = ["app", "ringway"]
users = ["app"]
address = "10.0.0.0/8"
method = "certificate"
[[hba]]
type = "host"
users = ["all"]
clusters = ["all"]
address = "all"
method = "md5"
[[hba]]
method = "plain"
[[hba]]
method = "trust"
[[hba]]
method = "scram-sha-256"
[[hba]]
method = "reject"
)";
    const auto found = load_text(text, in.path("ringway.toml"));
    REQUIRE(lines_of(found) == lines{});
    CHECK(found.value.client_tls ==
          tls{tls_mode::verify_ca, in.path("own.crt"), in.path("own.key"), in.path("ca.crt"), "1.3"});
    const std::vector<hba_rule> expected{
        {true, false, {"app", "ringway"}, {"app"}, "10.0.0.0/8", auth_method::certificate},
        {false, false, {}, {}, "", auth_method::md5},
        {false, false, {}, {}, "", auth_method::plain},
        {false, false, {}, {}, "", auth_method::trust},
        {false, false, {}, {}, "", auth_method::scram_sha_256},
        {false, false, {}, {}, "", auth_method::reject}};
    CHECK(found.value.hba == expected);
    const auto open = loaded(std::string(smallest) + "[[hba]]\ntype = \"hostnossl\"\nmethod = \"md5\"\n");
    CHECK(open.hba == std::vector<hba_rule>{{false, true, {}, {}, "", auth_method::md5}});
}

TEST_CASE("words have the spellings of libpq and of pg_hba.conf too") {
    const temporary_directory in;
    for (const auto* name : {"own.crt", "own.key", "ca.crt"}) in.write(name, "x");
    const auto text = std::string(smallest) + R"([client_tls]
mode = "verify_ca"
certificate = "own.crt"
key = "own.key"
ca = "ca.crt"
[general]
log_level = "warn"
[[hba]]
method = "cert"
[[hba]]
method = "password"
)";
    const auto found = load_text(text, in.path("ringway.toml"));
    REQUIRE(lines_of(found) == lines{});
    CHECK(found.value.client_tls.mode == tls_mode::verify_ca);
    CHECK(found.value.general.log_level == "warning");
    CHECK(found.value.hba.at(0).method == auth_method::certificate);
    CHECK(found.value.hba.at(1).method == auth_method::plain);
}

TEST_CASE("the cluster and the user for everybody else") {
    const auto all = loaded(R"([listen]
postgres = "127.0.0.1:6432"
[users."*"]
clusters = ["anything", "*"]
[clusters."*"]
auth_query = "SELECT usename, passwd FROM pg_shadow WHERE usename = $1"
auth_user = "a"
[clusters."*".shards]
s0 = { nodes = ["db:1"] }
)");
    CHECK(all.find_cluster("whatever") == &all.clusters.at(0));
    CHECK(all.find_user("whoever") == &all.users.at(0));
}

TEST_CASE("a MySQL cluster loads") {
    const auto all = loaded(R"([listen]
mysql = "127.0.0.1:6433"
[users."*"]
[clusters.app]
engine = "mysql"
monitor_user = "m"
server_compression = "zstd"
[clusters.app.shards]
s0 = { nodes = ["db:3306"] }
)");
    CHECK(all.clusters.at(0).engine == engine::mysql);
    CHECK(all.clusters.at(0).server_compression == server_compression::zstd);
    CHECK(loaded(std::string(smallest)).clusters.at(0).server_compression == server_compression::off);
}

TEST_CASE("a sharded MySQL cluster has tables as PostgreSQL's have") {
    const auto all = loaded(R"([listen]
mysql = "127.0.0.1:6433"
[users."*"]
[clusters.app]
engine = "mysql"
monitor_user = "m"
[clusters.app.shards]
s0 = { nodes = ["db:3306"] }
s1 = { nodes = ["db:3307"] }
[clusters.app.tables]
users = { key = "id" }
)");
    CHECK(all.clusters.at(0).is_sharded());
    CHECK(all.clusters.at(0).tables.at(0).key == "id");
}

TEST_CASE("the example of the design loads") {
    ::setenv("APP_PASSWORD", "x", 1);
    const auto all = loaded(R"([listen]
postgres = "127.0.0.1:6432"     # leave out what is not wanted
mysql    = "127.0.0.1:6433"
admin    = "127.0.0.1:6434"     # PostgreSQL protocol: psql -p 6434 ringway
http     = "127.0.0.1:6480"     # dashboard, /metrics, /health, /api

[general]
workers = 0                     # 0: one a core
pool_mode = "transaction"       # or "session"
pool_size = 20                  # per node, user and database
read_consistency = "session"    # "eventual" | "bounded" | "primary"
max_lag = "5s"
state_dir = "/var/lib/ringway"

[users.app]
password = "env:APP_PASSWORD"   # or "file:...", a SCRAM/md5 verifier, or plain text
clusters = ["shop"]

[clusters.shop]                 # the database name that clients use
engine = "postgres"             # or "mysql"
database = "shop"               # its name on the servers

[clusters.shop.shards]          # roles are discovered, not declared
s0 = { nodes = ["127.0.0.1:5501", "127.0.0.1:5502", "127.0.0.1:5503"] }
s1 = { nodes = ["127.0.0.1:5511", "127.0.0.1:5512"], weight = 2 }

[clusters.shop.tables]
users     = { key = "id" }                          # on the ring
orders    = { key = "user_id" }
countries = { reference = true }                    # a copy on every shard
invoices  = { key = "region", function = "list", map = { s0 = ["eu"], s1 = ["us", "apac"] } }
events    = { key = "id", function = "range", map = { s0 = [0, 1000000], s1 = [1000000, "max"] } }
)");
    CHECK(all.clusters.at(0).tables.size() == 5);
}

TEST_CASE("a file is read from where it is, and paths start at its directory") {
    const temporary_directory in;
    in.write("ringway.toml", std::string(smallest) + "[general]\nstate_dir = \"state\"\n");
    const auto found = load_file(in.path("ringway.toml"));
    REQUIRE(lines_of(found) == lines{});
    CHECK(found.value.general.state_dir == in.path("state"));
}

TEST_CASE("a file that cannot be read is a mistake without a line") {
    const temporary_directory in;
    const auto missing = load_file(in.path("nowhere.toml"));
    REQUIRE(missing.mistakes.size() == 1);
    CHECK(missing.mistakes[0].message() ==
          in.path("nowhere.toml") + ": the file cannot be read: No such file or directory");
    const auto directory = load_file(in.path("."));
    REQUIRE(directory.mistakes.size() == 1);
    CHECK(directory.mistakes[0].message() == in.path(".") + ": the file cannot be read: Is a directory");
}
