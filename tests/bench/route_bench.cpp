// What one route costs once its plan is cached: scan, find, route_of. Prints nanoseconds (the best of several rounds)
// and heap allocations for each execution. Exit 1 when any allocates: ctest runs it for that, times are only shown.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "router/mysql/shape.hpp"
#include "router/plan_cache.hpp"
#include "tests/bench/allocations.hpp"

namespace {

using namespace ringway::router;

struct cluster_under_test {
    std::shared_ptr<const shard_map> map;
    catalog names;
    plan_context context;
};

void add_table(catalog& raw, const std::string& name, const std::string& column, std::uint32_t oid, key_type type) {
    catalog_relation relation;
    relation.schema = "public";
    relation.name = name;
    catalog_column key;
    key.name = column;
    key.type_oid = oid;
    key.type = type;
    key.mysql.digits = 8;  // BIGINT
    relation.columns.push_back(key);
    raw.relations.emplace("public." + name, relation);
}

void build(cluster_under_test& out, int shards) {
    ringway::config::cluster cluster;
    cluster.name = "bench";
    for (int i = 0; i != shards; ++i) {
        ringway::config::shard shard;
        shard.name = "s" + std::to_string(i);
        cluster.shards.push_back(shard);
    }
    for (const auto& [name, key] : {std::pair{"orders", "user_id"}, std::pair{"files", "id"}}) {
        ringway::config::table table;
        table.name = name;
        table.key = key;
        cluster.tables.push_back(table);
    }
    if (shards == 1) cluster.tables.clear();
    out.map = make_shard_map(cluster, 1);
    catalog raw;
    raw.version = 1;
    add_table(raw, "pgbench_accounts", "aid", 23, key_type::integer);
    add_table(raw, "orders", "user_id", 20, key_type::integer);
    add_table(raw, "files", "id", 2950, key_type::uuid);
    out.names = make_catalog(raw);
    out.context.map = out.map.get();
    out.context.catalog = &out.names;
    out.context.user = "app";
}

struct result {
    double nanoseconds;
    double allocations;
};

template <typename Work>
result measure(Work work) {
    constexpr int rounds = 15, executions = 20'000;
    result best{1e9, 0};
    for (int i = 0; i != executions; ++i) work();  // warm
    for (int round = 0; round != rounds; ++round) {
        const auto allocated = allocations;
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i != executions; ++i) work();
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        best.nanoseconds = std::min(best.nanoseconds, took.count() / executions);
        best.allocations = std::max(best.allocations, static_cast<double>(allocations - allocated) / executions);
    }
    return best;
}

class bench {
  public:
    explicit bench(int shards, dialect of = dialect::postgres) {
        build(under_test_, shards);
        under_test_.context.dialect = of;
        if (of == dialect::mysql) under_test_.context.search_path = "public";
    }

    void run(const char* name, const std::string& text, const std::vector<parameter>& parameters = {}) {
        route last;
        const auto& context = under_test_.context;
        const auto whole = measure([&] {
            const auto found = worker_.find(text, context);
            last = route_of(*found.plan,
                            {.text = text,
                             .literals = found.shape.literals,
                             .parameters = parameters,
                             .mysql = is_mysql() ? &context.modes : nullptr},
                            *under_test_.map);
        });
        const auto scan = measure([&] {
            if (is_mysql())
                mysql_lexer_.scan(text, context.modes);
            else
                lexer_.scan(text);
        });
        const auto find = measure([&] { worker_.find(text, context); });
        fmt::print("{:<34} {:>7.0f} {:>7.0f} {:>7.0f} {:>7.1f}   shard {} {}\n", name, whole.nanoseconds,
                   scan.nanoseconds, find.nanoseconds, whole.allocations, last.shard,
                   last.kind == route::to::refused ? "refused: " + last.refusal->message : "");
        failed_ = failed_ || whole.allocations > 0 || last.kind == route::to::refused;
    }
    bool failed() const { return failed_; }

  private:
    bool is_mysql() const { return under_test_.context.dialect == dialect::mysql; }

    cluster_under_test under_test_;
    shared_plans shared_{1000};
    plan_cache worker_{shared_};
    shape_lexer lexer_;
    mysql_shape_lexer mysql_lexer_;
    bool failed_ = false;
};

}  // namespace

int main() {
    fmt::print("{:<34} {:>7} {:>7} {:>7} {:>7}\n", "", "ns", "scan", "find", "allocs");
    bench one(1), three(3);
    one.run("pgbench select, one shard", "SELECT abalance FROM pgbench_accounts WHERE aid = 12345");
    one.run("pgbench update, one shard", "UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 12345;");
    three.run("key by literal, three shards", "SELECT id, total FROM orders WHERE user_id = 12345");
    three.run("key by parameter, text", "SELECT id, total FROM orders WHERE user_id = $1",
              {{.bytes = "12345", .type_oid = 0, .is_null = false, .binary = false}});
    three.run(
        "key by parameter, binary", "SELECT id, total FROM orders WHERE user_id = $1",
        {{.bytes = std::string_view("\0\0\0\0\0\0\x30\x39", 8), .type_oid = 20, .is_null = false, .binary = true}});
    three.run("uuid key by literal", "SELECT name FROM files WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'");
    three.run("insert of one row", "INSERT INTO orders (id, user_id, total) VALUES (77, 12345, 9.50)");
    bench mysql(1, dialect::mysql), mysql_three(3, dialect::mysql);
    mysql.run("MySQL select, one shard", "SELECT abalance FROM pgbench_accounts WHERE aid = 12345");
    mysql.run("MySQL update, one shard", "UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 12345;");
    mysql_three.run("MySQL key by literal", "SELECT id, total FROM orders WHERE user_id = 12345");
    mysql_three.run("MySQL insert of one row", "INSERT INTO orders (id, user_id, total) VALUES (77, '12345', 9.50)");
    return one.failed() || three.failed() || mysql.failed() || mysql_three.failed() ? 1 : 0;
}
