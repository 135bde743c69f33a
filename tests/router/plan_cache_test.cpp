#include "router/plan_cache.hpp"

#include <doctest/doctest.h>

#include <barrier>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace ringway::router;

namespace {

/// A cluster of three shards with `orders` keyed by user_id.
struct sharded_shop {
    std::shared_ptr<const shard_map> map;
    catalog names;
    plan_context context;

    sharded_shop() {
        ringway::config::cluster cluster;
        cluster.name = "shop";
        for (const auto* name : {"s0", "s1", "s2"}) {
            ringway::config::shard shard;
            shard.name = name;
            cluster.shards.push_back(shard);
        }
        ringway::config::table orders;
        orders.name = "orders";
        orders.key = "user_id";
        cluster.tables.push_back(orders);
        map = make_shard_map(cluster, 1);

        catalog raw;
        raw.version = 1;
        catalog_relation relation;
        relation.schema = "public";
        relation.name = "orders";
        catalog_column key;
        key.name = "user_id";
        key.type_oid = 20;
        key.type = key_type::integer;
        relation.columns.push_back(key);
        raw.relations.emplace("public.orders", relation);
        names = make_catalog(raw);
        context.map = map.get();
        context.catalog = &names;
        context.user = "app";
    }
};

std::string select_of(int key) {
    return "SELECT * FROM orders WHERE user_id = " + std::to_string(key);
}

std::string statement_number(int i) {
    return "SELECT c" + std::to_string(i) + " FROM orders WHERE user_id = 1";
}

}  // namespace

TEST_CASE("plan cache: a shape is parsed once, whatever its values, blanks and case") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache worker(shared);
    const auto* first = worker.find(select_of(1), shop.context).plan;
    for (int i = 2; i != 50; ++i) CHECK(worker.find(select_of(i), shop.context).plan == first);
    CHECK(worker.find("select  *  from ORDERS /* c */ where user_id = 5", shop.context).plan == first);
    const auto& counters = shared.counters();
    CHECK(counters.parses == 1);
    CHECK(counters.misses == 1);
    CHECK(counters.hits == 49);
    CHECK(counters.uncacheable == 0);
    REQUIRE(shared.list().size() == 1);
    CHECK(shared.list()[0]->shape_text == "select * from orders where user_id = $i");
    CHECK(shared.list()[0]->uses == 50);
}

TEST_CASE("plan cache: one plan routes each execution by its own values") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache worker(shared);
    std::set<int> owners;
    for (int key = 0; key != 20; ++key) {
        const auto text = select_of(key);
        const auto found = worker.find(text, shop.context);
        const auto where =
            route_of(*found.plan, {.text = text, .literals = found.shape.literals, .parameters = {}}, *shop.map);
        REQUIRE(where.kind == route::to::shard);
        CHECK(where.shard == shop.map->points->owner(position(std::to_string(key))));
        owners.insert(where.shard);
    }
    CHECK(owners.size() == 3);
    CHECK(shared.counters().parses == 1);
}

TEST_CASE("plan cache: workers share plans") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache one(shared), other(shared);
    const auto* plan = one.find(select_of(1), shop.context).plan;
    CHECK(other.find(select_of(2), shop.context).plan == plan);
    CHECK(shared.counters().parses == 1);
    CHECK(shared.counters().misses == 2);
}

TEST_CASE("S9: plans are told apart by everything they depend on besides the text") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache worker(shared);
    auto parses = [&shared] { return shared.counters().parses.load(); };
    const auto find = [&](const plan_context& context) { worker.find(select_of(1), context); };
    find(shop.context);
    REQUIRE(parses() == 1);

    auto changed = shop.context;
    changed.search_path = "other, public";
    find(changed);
    CHECK(parses() == 2);
    changed.user = "somebody";  // not in this path
    find(changed);
    CHECK(parses() == 2);

    changed = shop.context;
    changed.user = "somebody";  // the default path names "$user"
    find(changed);
    CHECK(parses() == 3);

    changed = shop.context;
    changed.standard_conforming_strings = false;
    find(changed);
    CHECK(parses() == 4);

    auto next_catalog = shop.names;
    next_catalog.version = 2;
    changed = shop.context;
    changed.catalog = &next_catalog;
    find(changed);
    CHECK(parses() == 5);

    auto next_map = *shop.map;
    next_map.epoch = 2;
    changed = shop.context;
    changed.map = &next_map;
    find(changed);
    CHECK(parses() == 6);
    auto other_cluster = *shop.map;
    other_cluster.cluster = "other";
    changed.map = &other_cluster;
    find(changed);
    CHECK(parses() == 7);

    find(shop.context);
    CHECK(parses() == 7);
}

TEST_CASE("plan cache: a new shape asked for by many workers at once is parsed once") {
    sharded_shop shop;
    shared_plans shared(1000);
    constexpr int workers = 4, rounds = 100;
    std::barrier together(workers);
    std::vector<std::thread> threads;
    for (int i = 0; i != workers; ++i)
        threads.emplace_back([&] {
            plan_cache worker(shared);
            for (int round = 0; round != rounds; ++round) {
                together.arrive_and_wait();
                worker.find(statement_number(round), shop.context);
            }
        });
    for (auto& thread : threads) thread.join();
    CHECK(shared.counters().parses == rounds);
    CHECK(shared.counters().misses == workers * rounds);
    for (const auto& each : shared.list()) CHECK(each->uses == workers);
}

TEST_CASE("plan cache: bounded; what is in use stays, what leaves is found again") {
    sharded_shop shop;
    shared_plans shared(20);
    plan_cache worker(shared, 8);
    for (int i = 0; i != 200; ++i) {
        worker.find(statement_number(i), shop.context);
        worker.find(select_of(i), shop.context);  // always in use
    }
    CHECK(shared.list().size() == 20);
    CHECK(shared.counters().parses == 201);
    CHECK(shared.counters().evictions == 181);
    worker.find(statement_number(0), shop.context);
    CHECK(shared.counters().parses == 202);
}

TEST_CASE("plan cache: shared texts are bounded by bytes too, and a very long one is not kept") {
    sharded_shop shop;
    shared_plans shared(16);
    plan_cache worker(shared);
    const auto wide = [](int i, std::size_t columns) {
        std::string text = "SELECT c" + std::to_string(i);
        for (std::size_t c = 0; c != columns; ++c) text += ", some_column_name";
        return text + " FROM orders WHERE user_id = 1";
    };
    for (int i = 0; i != 8; ++i) worker.find(wide(i, 1000), shop.context);  // 18 KB each, 64 KB allowed
    CHECK(shared.list().size() == 3);

    const auto before = shared.counters().parses.load();
    for (int i = 0; i != 2; ++i) worker.find(wide(9, 5000), shop.context);
    CHECK(shared.counters().parses == before + 2);
    CHECK(shared.counters().uncacheable == 2);
}

TEST_CASE("plan cache: incomplete texts and texts that do not parse are not kept, and spoil nothing") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache worker(shared);
    for (int i = 0; i != 2; ++i) CHECK(worker.find("SELECT 'a", shop.context).plan != nullptr);
    CHECK(shared.counters().uncacheable == 2);
    CHECK(shared.list().empty());

    // The first text of this shape is wrong only by its value.
    const auto bad = worker.find(R"(SELECT * FROM orders WHERE user_id = 1 AND note = E'\u00')", shop.context);
    CHECK_FALSE(bad.plan->parsed.error.empty());
    const auto good = worker.find("SELECT * FROM orders WHERE user_id = 1 AND note = E'x'", shop.context);
    CHECK(good.plan->parsed.error.empty());
    const auto parses = shared.counters().parses.load();
    CHECK(worker.find("SELECT * FROM orders WHERE user_id = 2 AND note = E'y'", shop.context).plan == good.plan);
    CHECK(shared.counters().parses == parses);
}

TEST_CASE("plan cache: a plan that depends on values is made for each execution") {
    sharded_shop shop;
    shared_plans shared(100);
    plan_cache worker(shared);
    for (const int step : {1, 2, 3}) {
        const auto text = "SELECT * FROM orders WHERE user_id = 1 + " + std::to_string(step);
        const auto found = worker.find(text, shop.context);
        const auto where =
            route_of(*found.plan, {.text = text, .literals = found.shape.literals, .parameters = {}}, *shop.map);
        if (where.kind == route::to::shard)
            CHECK(where.shard == shop.map->points->owner(position(std::to_string(1 + step))));
        else
            CHECK(where.kind == route::to::refused);
    }
}

TEST_CASE("plan cache: a held plan outlives the caches") {
    sharded_shop shop;
    std::shared_ptr<const plan> held, once;
    {
        shared_plans shared(100);
        plan_cache worker(shared);
        const auto found = worker.find(select_of(1), shop.context);
        held = worker.hold(found);
        CHECK(held.get() == found.plan);
        const auto broken = worker.find("SELECT 'a", shop.context);
        once = worker.hold(broken);
        CHECK(once.get() == broken.plan);
        CHECK(worker.hold(found) == nullptr);
    }
    CHECK(held->shape_text == "select * from orders where user_id = $i");
    CHECK_FALSE(once->parsed.error.empty());
}

TEST_CASE("plan cache: hits of workers that ended still count") {
    sharded_shop shop;
    shared_plans shared(100);
    for (int i = 0; i != 3; ++i) {
        plan_cache worker(shared);
        for (int j = 0; j != 101; ++j) worker.find(select_of(j), shop.context);
    }
    CHECK(shared.counters().hits == 300);
}
