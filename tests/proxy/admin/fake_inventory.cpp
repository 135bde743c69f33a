#include "fake_inventory.hpp"

namespace ringway::tests {

using namespace std::chrono_literals;

fake_inventory::fake_inventory() {
    fill_settings();
    fill_sessions();
    fill_health();
}

void fake_inventory::fill_settings() {
    config::cluster app;
    app.name = "app";
    app.database = "app_db";
    app.shards = {{"s0", {{"127.0.0.1", 5501}, {"127.0.0.1", 5502}, {"127.0.0.1", 5503}}, 1}};
    config::cluster shop;
    shop.name = "shop";
    shop.shards = {{"s0", {{"127.0.0.1", 5511}, {"127.0.0.1", 5512}}, 1}, {"s1", {{"127.0.0.1", 5521}}, 3}};
    shop.tables = {{"users", "id", false, config::sharding_function::ring, {}},
                   {"public.orders", "user_id", false, config::sharding_function::ring, {}},
                   {"countries", "", true, config::sharding_function::ring, {}}};
    config::user user;
    user.name = "alice";
    user.password = "wonderland";
    user.admin = true;
    user.over.pool_size = 7;
    settings_->clusters = {app, shop};
    settings_->users = {user};
    settings_->listen.admin = config::endpoint{"127.0.0.1", 6434};
}

void fake_inventory::fill_sessions() {
    proxy::client_row idle;
    idle.id = 41;
    idle.user = "alice";
    idle.cluster = "app";
    idle.address = "10.0.0.9:40000";
    idle.state = "idle";
    idle.connected = wall_now - 60s;
    auto busy = idle;
    busy.id = 42;
    busy.cluster = "shop";
    busy.address = "[::1]:40001";
    busy.application_name = "billing";
    busy.state = "transaction";
    busy.requested = wall_now - 1500ms;
    busy.wait_seconds = 2.25;
    busy.tls = "TLSv1.3/TLS_AES_256_GCM_SHA384";
    busy.server = "127.0.0.1:5511/777";
    busy.pins = {"temporary table", "LISTEN"};
    busy.prepared_statements = 3;
    busy.worker = 1;
    client_rows = {idle, busy};

    proxy::server_row held;
    held.id = 5;
    held.user = "alice";
    held.cluster = "shop";
    held.database = "shop";
    held.shard = "s0";
    held.address = "127.0.0.1:5511";
    held.state = "active";
    held.pid = 777;
    held.client_id = 42;
    held.connected = wall_now - 10s;
    held.prepared_statements = 4;
    held.statement_bytes = 512;
    auto cancelled = held;
    cancelled.id = 6;
    cancelled.state = "cancel";
    cancelled.client_id = 0;
    server_rows = {held, cancelled};

    proxy::pool_row pool;
    pool.cluster = "shop";
    pool.shard = "s0";
    pool.node = "127.0.0.1:5511";
    pool.database = "shop";
    pool.user = "alice";
    pool.pool_mode = "transaction";
    pool.clients_active = 1;
    pool.clients_waiting = 2;
    pool.servers_active = 1;
    pool.servers_idle = 4;
    pool.size = 20;
    pool.max_wait_seconds = 1.5;
    pool.paused = true;
    pool_rows = {pool};

    proxy::traffic_row traffic;
    traffic.cluster = "shop";
    traffic.transactions = 1000;
    traffic.statements = 4000;
    traffic.bytes_received = 100'000;
    traffic.bytes_sent = 900'000;
    traffic.transaction_microseconds = 5'000'000;
    traffic.statement_microseconds = 2'000'000;
    traffic.wait_microseconds = 30'000;
    traffic.reads_on_replica = 3000;
    traffic.reads_on_primary = 200;
    traffic.writes = 800;
    traffic.retries = 2;
    traffic.refusals = 1;
    traffic_rows = {traffic};
}

void fake_inventory::fill_health() {
    const auto node = [](std::uint16_t port, pool::node_role role, std::chrono::milliseconds lag) {
        pool::node_health made;
        made.address = {"127.0.0.1", port};
        made.role = role;
        made.usable = true;
        made.lag = lag;
        made.watermark = steady_now - lag - 20ms;
        return made;
    };
    auto primary = node(5501, pool::node_role::primary, 0ms);
    auto fresh = node(5502, pool::node_role::replica, 30ms);
    fresh.lag_bytes = 4096;
    auto stalled = node(5503, pool::node_role::replica, 9000ms);
    stalled.replaying = false;
    stalled.reason = "replay is paused";
    auto app = std::make_shared<pool::cluster_health>();
    app->cluster = "app";
    app->shards = {{{primary, fresh, stalled}, 0, ""}};

    auto dead = node(5512, pool::node_role::unknown, -1ms);
    dead.usable = false;
    dead.watermark = {};
    dead.reason = "connection refused";
    auto lonely = node(5521, pool::node_role::replica, 5ms);
    auto shop = std::make_shared<pool::cluster_health>();
    shop->cluster = "shop";
    shop->shards = {{{node(5511, pool::node_role::primary, 0ms), dead}, 0, ""}, {{lonely}, -1, "no node is primary"}};
    health_rows = {app, shop};
    ban_rows = {{"shop", {"127.0.0.1", 5512}, "connection refused", steady_now + 4500ms, false},
                {"app", {"127.0.0.1", 5503}, "by an operator", pool::steady_time::max(), true}};
}

std::shared_ptr<const router::shard_map> fake_inventory::map(const std::string& cluster) {
    const auto* found = settings_->find_cluster(cluster);
    return found ? router::make_shard_map(*found, 1) : nullptr;
}

std::shared_ptr<const router::catalog> fake_inventory::catalog(const std::string& cluster) {
    if (!catalog_known || !settings_->find_cluster(cluster)) return nullptr;
    router::catalog raw;
    raw.version = 1;
    const auto relation = [&](const std::string& name, const std::string& key, std::uint32_t oid,
                              router::key_type type) {
        router::catalog_relation made;
        made.schema = "public";
        made.name = name;
        made.columns = {{key, oid, type, false, false}};
        raw.relations["public." + name] = made;
    };
    relation("users", "id", 20, router::key_type::integer);
    relation("orders", "user_id", 25, router::key_type::text);
    relation("countries", "code", 25, router::key_type::text);
    return std::make_shared<router::catalog>(router::make_catalog(std::move(raw)));
}

}  // namespace ringway::tests
