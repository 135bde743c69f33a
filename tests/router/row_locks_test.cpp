// SELECT ... FOR UPDATE of rows of several shards: which are run by each shard on its own rows, and as what.

#include "router/row_locks.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

std::string why_refused(std::string_view sql) {
    const auto what = plan_shop(sql);
    if (!what.made->refusal) return locks_apart(*what.made) ? "locks" : "nothing";
    const auto& detail = what.made->refusal->detail;
    const std::string_view mark = "on every shard because ";
    const auto at = detail.find(mark);
    return at == detail.npos ? detail : detail.substr(at + mark.size());
}

bool locks(std::string_view sql) {
    const auto what = plan_shop(sql);
    return what.made->placement == placement::spread && locks_apart(*what.made) && !what.made->gather;
}

row_lock_texts texts_of(std::string_view sql, const std::vector<parameter>& with = {}, const shard_map& map = shop()) {
    const auto what = plan_shop(sql);
    REQUIRE(locks_apart(*what.made));
    ringway::config::fault refusal;
    const auto out = row_lock_texts_of(*what.made, what.values_with(with), map, refusal);
    REQUIRE_MESSAGE(out, refusal.detail);
    return *out;
}

/// Of the first shard.
std::string text_of(std::string_view sql) {
    return texts_of(sql).texts.front();
}

/// While rows of one arc stand on s1, which are another's.
std::string moving_text(std::string_view sql, std::uint16_t shard = 1) {
    auto map = shop();
    auto change = std::make_shared<ring_change>();
    change->hidden.resize(3);
    change->hidden[1] = arc_set({{1, 2}});
    map.change = change;
    const auto made = texts_of(sql, {}, map);
    REQUIRE(made.shards.size() == 3);
    auto out = made.texts[shard];
    const std::string before = "pg_catalog.width_bucket(pg_catalog.md5(";
    const std::string behind =
        ")::pg_catalog.name COLLATE pg_catalog.\"C\", '{0000000000000001,0000000000000003}'::pg_catalog.name[]) "
        "OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) 1)";
    for (auto at = out.find(before); at != out.npos; at = out.find(before)) out.replace(at, before.size(), "hidden(");
    for (auto at = out.find(behind); at != out.npos; at = out.find(behind)) out.replace(at, behind.size(), "))");
    return out;
}

}  // namespace

TEST_CASE("row locks: each shard locks its own rows where no two of different shards can meet") {
    for (const auto* each :
         {"SELECT * FROM users FOR UPDATE", "SELECT * FROM users WHERE name = 'x' FOR NO KEY UPDATE",
          "SELECT id FROM users FOR SHARE NOWAIT", "SELECT id FROM users FOR KEY SHARE SKIP LOCKED",
          "SELECT * FROM users ORDER BY id FOR UPDATE", "SELECT * FROM users LIMIT ALL FOR UPDATE",
          "SELECT * FROM users u JOIN orders o ON o.user_id = u.id FOR UPDATE",
          "SELECT * FROM users u JOIN orders o ON o.user_id = u.id FOR UPDATE OF u FOR SHARE OF o",
          "SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id FOR UPDATE OF u",
          "SELECT * FROM users u WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) FOR UPDATE",
          "SELECT u.id FROM users u JOIN countries c ON c.name = u.name FOR UPDATE OF u",
          "SELECT name FROM users WHERE name IN (SELECT name FROM countries) FOR UPDATE",
          "SELECT * FROM users, generate_series(1, 2) g FOR UPDATE OF users", "SELECT * FROM ONLY users FOR UPDATE"})
        CHECK_MESSAGE(locks(each), each);
    // The servers refuse these by themselves, or know no such table.
    for (const auto* each :
         {"SELECT DISTINCT name FROM users FOR UPDATE", "SELECT name FROM users GROUP BY name FOR UPDATE",
          "SELECT count(*) FROM users FOR UPDATE", "SELECT row_number() OVER () FROM users FOR UPDATE",
          "SELECT * FROM users FOR UPDATE OF nothing"})
        CHECK_MESSAGE(locks(each), each);
}

TEST_CASE("row locks: what is refused, and why") {
    const std::string copies = "it would lock rows of countries, of which every shard has a copy";
    const std::string bound = "LIMIT and OFFSET would have more rows locked than one server locks";
    CHECK(why_refused("SELECT * FROM users LIMIT 3 FOR UPDATE") == bound);
    CHECK(why_refused("SELECT * FROM users ORDER BY id OFFSET 1 FOR UPDATE") == bound);
    CHECK(why_refused("SELECT * FROM users FETCH FIRST ROW ONLY FOR UPDATE") == bound);
    CHECK(why_refused("SELECT * FROM users ORDER BY id FETCH FIRST 2 ROWS WITH TIES FOR UPDATE") == bound);
    CHECK(why_refused("SELECT u.id FROM users u JOIN countries c ON c.name = u.name FOR UPDATE") == copies);
    CHECK(why_refused("SELECT u.id FROM users u JOIN countries c ON c.name = u.name FOR UPDATE OF u, c") == copies);
    CHECK(why_refused("SELECT u.id FROM users u LEFT JOIN countries c ON c.name = u.name FOR SHARE") == copies);
    CHECK(why_refused("SELECT * FROM users, (SELECT code FROM countries) c FOR UPDATE") ==
          "it would lock what a subquery in FROM has read");
    CHECK(why_refused("SELECT * FROM users, (SELECT code FROM countries) c FOR UPDATE OF c") ==
          "it would lock what a subquery in FROM has read");
    CHECK(why_refused("SELECT * FROM users a JOIN users b ON a.name = b.name FOR UPDATE") ==
          "its rows may be made of rows of several shards");
    CHECK(why_refused("SELECT * FROM users u JOIN logs l ON l.user_id = u.id FOR UPDATE OF u") ==
          "it reads views, or tables that are not on every shard");
    CHECK(why_refused("SELECT * FROM users WHERE name IN (SELECT note FROM orders FOR SHARE)") ==
          "a subquery of it locks rows");
    CHECK(why_refused("SELECT id FROM users UNION ALL SELECT id FROM users FOR UPDATE") ==
          "it is of a form (WITH, UNION and the like) whose rows are not understood well enough");
    CHECK(why_refused("SELECT ctid, * FROM users FOR UPDATE") ==
          "it asks for ctid, which is a row's place on one server");
    CHECK(why_refused("SELECT now(), * FROM users FOR UPDATE") == "function now gives each shard another time");
    CHECK(why_refused("SELECT * FROM users ORDER BY name COLLATE \"C\" FOR UPDATE") ==
          "it sorts by an operator or a collation of its own");
    CHECK(why_refused("SELECT * FROM users ORDER BY id USING > FOR UPDATE") ==
          "it sorts by an operator or a collation of its own");
    CHECK(why_refused("SELECT random() AS r FROM users ORDER BY r FOR UPDATE") ==
          "what it sorts by may be computed anew at each look");
    const auto hint = [](std::string_view sql) { return plan_shop(sql).made->refusal->hint; };
    CHECK(hint("SELECT * FROM users LIMIT 3 FOR UPDATE") ==
          "leave them out, or name the keys of one shard, or the shard in a comment");
    CHECK(hint("SELECT u.id FROM users u JOIN countries c ON c.name = u.name FOR UPDATE") ==
          "name the tables whose rows are to be locked: FOR UPDATE OF ...");
}

TEST_CASE("row locks: keys decide which shards are asked") {
    const auto one = plan_shop("SELECT * FROM users WHERE id = 5 LIMIT 1 FOR UPDATE");
    CHECK(one.route_with().kind == route::to::shard);
    const auto several = plan_shop("SELECT * FROM users WHERE id = ANY ($1) ORDER BY id FOR UPDATE");
    CHECK(several.route_with({text_parameter("{5}")}).kind == route::to::shard);
    std::vector<std::string> keys;  // one of each shard
    for (std::uint16_t shard = 0; shard < 3; ++shard)
        for (int key = 1;; ++key)
            if (owner_of(std::to_string(key)) == shard) {
                keys.push_back(std::to_string(key));
                break;
            }
    const auto both = "{" + keys[2] + "," + keys[0] + "}";
    const auto found = several.route_with({text_parameter(both)});
    CHECK(found.kind == route::to::spread);
    CHECK(found.need == need::primary);
    const auto texts = texts_of(several.text, {text_parameter(both)});
    CHECK(texts.shards == std::vector<std::uint16_t>{0, 2});
    CHECK(texts.texts.front() ==
          "SELECT * , (id) AS _ringway_key_1 FROM users WHERE id = ANY ($1) ORDER BY id FOR UPDATE");
    const auto limited = plan_shop("SELECT * FROM users WHERE id = ANY ($1) LIMIT 1 FOR UPDATE");
    const auto refused = limited.route_with({text_parameter(both)});
    REQUIRE(refused.refusal);
    CHECK(
        refused.refusal->detail ==
        "it does not run on several shards because LIMIT and OFFSET would have more rows locked than one server locks");
    CHECK(plan_shop("/* ringway: shard=s1 */ SELECT * FROM users LIMIT 3 FOR UPDATE").made->placement ==
          placement::single);
}

TEST_CASE("row locks: what rows are sorted by stands behind the client's columns") {
    CHECK(text_of("SELECT * FROM users FOR UPDATE").empty());
    CHECK(texts_of("SELECT * FROM users FOR UPDATE").orders.empty());
    CHECK(text_of("SELECT name AS n, id FROM users ORDER BY n DESC, 2, age + $2 NULLS FIRST FOR UPDATE;") ==
          "SELECT name AS n, id , (name) AS _ringway_key_1 , (id) AS _ringway_key_2 , (age + $2) AS _ringway_key_3 "
          "FROM users ORDER BY n DESC, 2, age + $2 NULLS FIRST FOR UPDATE;");
    const auto orders = texts_of("SELECT id FROM users ORDER BY name DESC, id NULLS FIRST FOR UPDATE").orders;
    REQUIRE(orders.size() == 2);
    CHECK((orders[0].descending && orders[0].nulls_first));
    CHECK((!orders[1].descending && orders[1].nulls_first));
    CHECK(text_of("SELECT id -- from\nFROM users ORDER BY id FOR UPDATE") ==
          "SELECT id -- from\n, (id) AS _ringway_key_1 FROM users ORDER BY id FOR UPDATE");
    const auto unsure = plan_shop("SELECT name AS id, * FROM users ORDER BY id FOR UPDATE");
    ringway::config::fault refusal;
    CHECK_FALSE(row_lock_texts_of(*unsure.made, unsure.values_with({}), shop(), refusal));
    CHECK(refusal.detail == "it is not certain what one of its sort keys means");
    // What the servers refuse anyway is as it was written.
    CHECK(text_of("SELECT DISTINCT name FROM users ORDER BY name FOR UPDATE").empty());
}

TEST_CASE("row locks: who waits for rows keeps apart from rows that move") {
    const auto names = [](std::string_view sql) {
        std::string out;
        for (const auto& each : texts_of(sql).moving) out += each.name + " ";
        return out;
    };
    CHECK(names("SELECT * FROM users u LEFT JOIN orders o ON o.user_id = u.id FOR UPDATE OF u") == "users orders ");
    CHECK(names("SELECT * FROM users FOR UPDATE NOWAIT").empty());
    CHECK(names("SELECT * FROM users FOR UPDATE SKIP LOCKED").empty());
    auto map = shop();
    map.moves_rows = false;
    CHECK(texts_of("SELECT * FROM users FOR UPDATE", {}, map).moving.empty());
}

TEST_CASE("row locks: while rows move, a shard leaves out what it does not own") {
    CHECK(moving_text("SELECT id FROM users FOR UPDATE", 0).empty());
    const auto plain = moving_text("SELECT id FROM users FOR UPDATE");
    CHECK(plain.starts_with("SELECT id FROM users \nWHERE (("));
    CHECK(plain.ends_with(" IS NOT TRUE FOR UPDATE"));
    const auto tested = moving_text("SELECT id FROM users WHERE name = 'a' OR age > 3 -- x\nORDER BY id FOR UPDATE");
    INFO(tested);
    CHECK(tested.starts_with(
        "SELECT id , (id) AS _ringway_key_1 FROM users WHERE ( name = 'a' OR age > 3 -- x\n\n) AND ("));
    CHECK(tested.ends_with(" IS NOT TRUE ORDER BY id FOR UPDATE"));
    const auto joined = moving_text("SELECT 1 FROM orders o JOIN users u ON o.user_id = u.id FOR UPDATE OF u");
    INFO(joined);
    CHECK(joined.find("\"o\".\"user_id\"") != joined.npos);
}
