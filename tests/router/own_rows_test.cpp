// While rows stand on two shards: a shard's part of a scattered read is of its own rows only.

#include "router/own_rows.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

/// Of a shard on which rows of one arc are another's.
std::string own_text(std::string_view sql, std::uint16_t shard = 1) {
    const auto what = plan_shop(sql);
    REQUIRE(what.made->scatter);
    const auto texts = scatter_texts_of(*what.made, what.values_with({}));
    REQUIRE(texts);
    shard_map map;
    auto change = std::make_shared<ring_change>();
    change->hidden.resize(3);
    change->hidden[1] = arc_set({{1, 2}});
    map.change = change;
    auto out = own_rows_text(*what.made, texts->shard, map, shard, true);
    if (!out) return "none";
    const std::string before = "pg_catalog.width_bucket(pg_catalog.md5(";
    const std::string behind =
        ")::pg_catalog.name COLLATE pg_catalog.\"C\", '{0000000000000001,0000000000000003}'::pg_catalog.name[]) "
        "OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) 1)";
    for (auto at = out->find(before); at != out->npos; at = out->find(before))
        out->replace(at, before.size(), "hidden(");
    for (auto at = out->find(behind); at != out->npos; at = out->find(behind)) out->replace(at, behind.size(), "))");
    return *out;
}

constexpr auto own_users = "(SELECT * FROM \"public\".\"users\" WHERE ((hidden(\"id\"::pg_catalog.text))) IS NOT TRUE)";
constexpr auto own_orders =
    "(SELECT * FROM \"public\".\"orders\" WHERE ((hidden(\"user_id\"::pg_catalog.text))) IS NOT TRUE)";

std::string with(std::string text) {
    for (const auto& [name, rows] : {std::pair{"{users}", own_users}, std::pair{"{orders}", own_orders}})
        for (auto at = text.find(name); at != text.npos; at = text.find(name))
            text.replace(at, std::string_view(name).size(), rows);
    return text;
}

}  // namespace

TEST_CASE("own rows: tables of FROM stand without what is another shard's") {
    CHECK(own_text("SELECT name FROM users") == with("SELECT name FROM {users} AS \"users\""));
    CHECK(own_text("SELECT name FROM users", 0).empty());
    CHECK(own_text("SELECT name FROM users", 2).empty());
    CHECK(own_text("SELECT u.name FROM users AS u WHERE name = 'from users'") ==
          with("SELECT u.name FROM {users} AS u WHERE name = 'from users'"));
    CHECK(own_text("SELECT count(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id") ==
          with("SELECT count(*) FROM {users} u LEFT JOIN {orders} o ON o.user_id = u.id"));
    CHECK(own_text("SELECT u.name FROM countries c, users u WHERE c.name = u.name") ==
          with("SELECT u.name FROM countries c, {users} u WHERE c.name = u.name"));
    CHECK(own_text("SELECT id FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id)") ==
          with("SELECT id FROM {users} u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id)"));
}

TEST_CASE("own rows: what is not understood is gathered") {
    CHECK(own_text("SELECT u.id FROM (users u JOIN orders o ON o.user_id = u.id)") == "none");
}
