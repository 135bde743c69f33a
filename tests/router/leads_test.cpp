// What a table leads to: statements whose rows may be of other shards than those of the tables they name.

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;

namespace {

using columns = std::vector<std::pair<std::string, std::string>>;
using source = catalog_function::source;

catalog_relation& add(catalog& to, std::string name, std::vector<std::string> parents = {}) {
    auto& made = to.relations["public." + name];
    made.schema = "public";
    made.name = std::move(name);
    made.parents = std::move(parents);
    catalog_column id;
    id.name = "id";
    id.type = key_type::integer;
    id.type_oid = 20;
    made.columns = {id};
    id.name = "name";
    made.columns.push_back(id);
    return made;
}

void add_function(catalog& to, std::string name, std::string body, source language = source::plpgsql) {
    catalog_function made{"public", std::move(name), true};
    made.language = language;
    made.body = std::move(body);
    to.functions.push_back(std::move(made));
}

/// Why a statement is refused on shop with this catalog; empty: it is not.
std::string refusal(const catalog& raw, std::string_view text) {
    const auto in = make_catalog(raw);
    const auto made = world::plan_on(world::shop(), text, {}, &in).made;
    return made->placement == placement::refused ? made->refusal->message + ": " + made->refusal->detail : "";
}

bool refuses(const catalog& raw, std::string_view text, std::string_view why) {
    const auto said = refusal(raw, text);
    if (said.find(why) != said.npos) return true;
    MESSAGE(text, " -> ", said);
    return false;
}

}  // namespace

TEST_CASE("an heir of a keyed table is placed as the table; what keyed tables inherit from is refused") {
    auto raw = world::raw_catalog();
    add(raw, "heirs", {"public.users"});
    add(raw, "grandchildren", {"public.heirs"});
    add(raw, "people");
    raw.relations.at("public.orders").parents = {"public.people"};
    add(raw, "mixed", {"public.users", "public.orders"});
    const auto in = make_catalog(raw);
    for (const char* name : {"heirs", "grandchildren"}) {
        const auto made = world::plan_on(world::shop(), std::string("INSERT INTO ") + name + " VALUES (7)", {}, &in);
        REQUIRE(made.made->keys.size() == 1);
        CHECK(made.route_with().shard == world::owner_of("7"));
        CHECK(refuses(raw, std::string("SELECT count(*) FROM ") + name, "is a part of another table"));
    }
    for (const char* text :
         {"SELECT * FROM people", "DELETE FROM people", "INSERT INTO people VALUES (1)",
          "SELECT * FROM users WHERE id = 1 AND EXISTS (SELECT FROM people)", "SELECT * FROM mixed WHERE id = 1"})
        CHECK(refuses(raw, text, "inherits from"));
    CHECK(refusal(raw, "SELECT * FROM countries").empty());
}

TEST_CASE("parts of a keyed table are not gathered by their own names") {
    const auto raw = world::raw_catalog();
    CHECK(refuses(raw, "SELECT count(*) FROM orders_2024", "is a part of another table"));
    CHECK(refuses(raw, "SELECT count(*) FROM orders, orders_2024", "is a part of another table"));
    CHECK(refusal(raw, "SELECT * FROM orders_2024 WHERE user_id = 1").empty());
}

TEST_CASE("rules and triggers that may write other tables") {
    auto raw = world::raw_catalog();
    add(raw, "ruled").has_rules = true;
    add_function(raw, "quiet", "BEGIN NEW.name := lower(NEW.name); RETURN NEW; END");
    add_function(raw, "loud", "BEGIN INSERT INTO logs VALUES (1); RETURN NEW; END");
    add_function(raw, "rekey", "BEGIN NEW.id := 5; RETURN NEW; END");
    add_function(raw, "swap", "BEGIN NEW := r; RETURN NEW; END");
    auto& users = raw.relations.at("public.users");
    CHECK(refuses(raw, "INSERT INTO ruled VALUES (1)", "a rule of ruled"));
    CHECK(refusal(raw, "SELECT * FROM ruled").empty());
    const auto with = [&](const char* function, bool rewrites) {
        users.write_functions = {{"public", function, rewrites}};
        return refusal(raw, "INSERT INTO users (id) VALUES (1)");
    };
    CHECK(with("quiet", true).empty());
    CHECK(with("loud", false).find("function loud") != std::string::npos);
    CHECK(with("rekey", true).find("may change its key") != std::string::npos);
    CHECK(with("rekey", false).empty());
    CHECK(with("swap", true).find("may change its key") != std::string::npos);
    CHECK(with("unheard_of", false).find("unheard_of") != std::string::npos);
    raw.relations.at("public.countries").write_functions = {{"public", "quiet", true}};
    CHECK(refuses(raw, "INSERT INTO countries VALUES ('de', 'x')", "another value"));
    raw.relations.at("public.countries").write_functions = {{"public", "loud", false}};
    CHECK(refuses(raw, "DELETE FROM countries", "function loud"));
    CHECK(refuses(raw, "DELETE FROM users", "unheard_of"));
    CHECK(refuses(raw, "TRUNCATE users", "unheard_of"));
    CHECK(refusal(raw, "SELECT * FROM users WHERE id = 1").empty());
    CHECK(refusal(raw, "/* ringway: shard=s0 */ UPDATE users SET name = 'x'").empty());
}

TEST_CASE("foreign keys hold on one shard when they tie the keys") {
    auto raw = world::raw_catalog();
    const auto with = [&](const char* child, const char* target, columns tie) {
        auto made = raw;
        made.relations.at(std::string("public.") + child).foreign_keys = {
            {std::string("public.") + target, std::move(tie)}};
        return made;
    };
    const auto insert = "INSERT INTO orders (id, user_id) VALUES (1, 1)";
    CHECK(refusal(with("orders", "users", {{"user_id", "id"}}), insert).empty());
    CHECK(refusal(with("orders", "users", {{"user_id", "id"}}), "DELETE FROM users WHERE id = 1").empty());
    CHECK(refusal(with("orders", "countries", {{"note", "code"}}), insert).empty());
    CHECK(refuses(with("orders", "users", {{"id", "id"}}), insert, "foreign key"));
    CHECK(refuses(with("orders", "users", {{"id", "id"}}), "DELETE FROM users WHERE id = 1", "foreign key"));
    CHECK(refusal(with("orders", "users", {{"id", "id"}}), "INSERT INTO users (id) VALUES (1)").empty());
    CHECK(refusal(with("orders", "users", {{"id", "id"}}), "SELECT * FROM users WHERE id = 1").empty());
    CHECK(refuses(with("orders", "logs", {{"id", "id"}}), insert, "foreign key"));
    CHECK(refuses(with("logs", "users", {{"user_id", "id"}}), "INSERT INTO logs VALUES (1)", "foreign key"));
    CHECK(refusal(with("logs", "logs", {{"user_id", "id"}}), "DELETE FROM logs").empty());
}

TEST_CASE("foreign keys whose actions set a shard key") {
    using actions = std::vector<std::pair<std::string, tie_action>>;
    const auto with = [](const char* child, const char* target, columns tie, actions does) {
        auto made = world::raw_catalog();
        made.relations.at(std::string("public.") + child).foreign_keys = {
            {std::string("public.") + target, std::move(tie), std::move(does)}};
        return made;
    };
    const auto moves = "which is of its shard key";
    const auto cascade = with("orders", "countries", {{"user_id", "code"}}, {{"user_id", tie_action::update_cascades}});
    CHECK(refuses(cascade, "UPDATE countries SET code = 'x' WHERE code = 'y'", moves));
    CHECK(refuses(cascade, "UPDATE countries SET (name, code) = ('x', 'y')", moves));
    CHECK(
        refuses(cascade, "INSERT INTO countries VALUES ('a', 'b') ON CONFLICT (code) DO UPDATE SET code = 'x'", moves));
    CHECK(refusal(cascade, "INSERT INTO countries VALUES ('a', 'b') ON CONFLICT (code) DO UPDATE SET name = 'x'") ==
          "");
    CHECK(refusal(cascade, "UPDATE countries SET name = 'x'").empty());
    CHECK(refusal(cascade, "DELETE FROM countries").empty());
    CHECK(refusal(cascade, "INSERT INTO orders (id, user_id) VALUES (1, 1)").empty());
    CHECK(refusal(cascade, "DELETE FROM orders WHERE user_id = 1").empty());

    const auto reset = with("orders", "countries", {{"user_id", "code"}, {"note", "name"}},
                            {{"user_id", tie_action::delete_sets}, {"note", tie_action::delete_sets}});
    CHECK(refuses(reset, "DELETE FROM countries", moves));
    CHECK(refuses(reset, "WITH a AS (DELETE FROM countries RETURNING code) SELECT * FROM a", moves));
    CHECK(refusal(reset, "UPDATE countries SET code = 'x'").empty());
    CHECK(refusal(reset, "INSERT INTO countries VALUES ('a', 'b')").empty());
    const auto others =
        with("orders", "countries", {{"user_id", "code"}, {"note", "name"}}, {{"note", tie_action::delete_sets}});
    CHECK(refusal(others, "DELETE FROM countries").empty());

    const auto tied = [&](tie_action action) {
        return with("orders", "users", {{"user_id", "id"}}, {{"user_id", action}});
    };
    CHECK(refusal(tied(tie_action::update_cascades), "UPDATE users SET id = 1 WHERE id = 1").empty());
    CHECK(refusal(tied(tie_action::delete_cascades), "DELETE FROM users WHERE id = 1").empty());
    CHECK(refuses(tied(tie_action::update_sets), "UPDATE users SET id = 1 WHERE id = 1", moves));
    CHECK(refusal(tied(tie_action::update_sets), "UPDATE users SET name = 'x' WHERE id = 1").empty());
    CHECK(refuses(tied(tie_action::delete_sets), "DELETE FROM users WHERE id = 1", moves));
    CHECK(refuses(tied(tie_action::delete_sets),
                  "MERGE INTO users u USING (VALUES (1)) x (a) ON u.id = x.a WHEN MATCHED THEN DELETE", moves));

    auto chain = with("users", "countries", {{"name", "code"}},
                      {{"name", tie_action::update_cascades}, {"name", tie_action::delete_cascades}});
    chain.relations.at("public.orders").foreign_keys = {
        {"public.users", {{"user_id", "id"}}, {{"user_id", tie_action::delete_sets}}}};
    CHECK(refuses(chain, "DELETE FROM countries", "a foreign key of orders"));
    CHECK(refusal(chain, "UPDATE countries SET code = 'x'").empty());
}

TEST_CASE("row policies") {
    auto raw = world::raw_catalog();
    auto& users = raw.relations.at("public.users");
    users.policy_tables = {"public.countries"};
    CHECK(refusal(raw, "SELECT * FROM users WHERE id = 1").empty());
    users.policy_tables = {"public.logs"};
    CHECK(refuses(raw, "SELECT * FROM users WHERE id = 1", "a row policy of users reads public.logs"));
    users.policy_tables.clear();
    users.policy_functions = {{"public", "tax", false}};
    CHECK(refuses(raw, "SELECT * FROM users WHERE id = 1", "a row policy of users"));
}

TEST_CASE("operators, casts and views that run functions which may read tables") {
    auto raw = world::raw_catalog();
    raw.operators = {{"###", "public", "tax"}, {"+++", "public", "pure"}};
    raw.casts = {{{"taxed"}, "public", "tax"}};
    CHECK(refuses(raw, "SELECT 1 ### 2", "operator ###"));
    CHECK(refusal(raw, "SELECT 1 +++ 2").empty());
    CHECK(refuses(raw, "SELECT '1'::taxed", "a cast to taxed"));
    for (const char* definition :
         {"SELECT public.tax()", "SELECT 1 ### 2", "SELECT * FROM public.country_view, public.taxing"}) {
        auto& view = add(raw, "taxing");
        view.kind = 'v';
        view.view_definition = " SELECT public.tax();";
        auto& over = add(raw, "seen");
        over.kind = 'v';
        over.view_definition = definition;
        CHECK(refuses(raw, "SELECT * FROM seen", "view seen runs a function"));
    }
}

TEST_CASE("a user's operator = makes keys of its types unusable where the search path finds it") {
    auto raw = world::raw_catalog();
    const auto placed = [&](std::string_view text, std::string_view path = {}, std::vector<parameter> given = {}) {
        const auto in = make_catalog(raw);
        const auto made = world::plan_on(world::shop(), text, path, &in);
        return made.route_with(given).kind;
    };
    const auto read = "SELECT * FROM users WHERE id = $1";
    const auto number = world::text_parameter("7", 20), text = world::text_parameter("7", 25);
    CHECK(placed(read, {}, {text}) == route::to::shard);  // the server will say that there is no such operator
    raw.own_conversions = true;
    CHECK(placed(read, {}, {text}) == route::to::several);
    CHECK(placed(read, {}, {number}) == route::to::shard);
    CHECK(placed("SELECT * FROM users WHERE id = ANY ($1)", {}, {world::text_parameter("{7}", 1009)}) ==
          route::to::several);
    CHECK(placed("SELECT * FROM documents WHERE slug = 7") == route::to::several);
    CHECK(placed("SELECT * FROM documents WHERE slug = '7'") == route::to::shard);
    raw.own_equalities = {{"own", key_type::integer}};
    CHECK(placed(read, {}, {number}) == route::to::shard);
    CHECK(placed(read, "public, own", {number}) == route::to::several);
    CHECK(placed("DELETE FROM users WHERE id = 7", "public, own") == route::to::spread);  // every shard asks its own
    CHECK(placed("DELETE FROM documents WHERE slug = '7'", "public, own") == route::to::shard);
}

TEST_CASE("columns that are compared by another rule than the key's do not tie it") {
    auto raw = world::raw_catalog();
    auto& words = add(raw, "words");
    const auto with = [&](key_type type, std::uint32_t type_oid, bool blind) {
        words.columns[1].type = type;
        words.columns[1].type_oid = type_oid;
        words.columns[1].nondeterministic_collation = blind;
        const auto in = make_catalog(raw);
        return world::plan_on(world::shop(),
                              "SELECT 1 FROM documents d JOIN words w ON d.slug = w.name WHERE w.name = 'a'", {}, &in)
            .made->placement;
    };
    CHECK(with(key_type::text, 25, false) == placement::single);
    CHECK(with(key_type::text, 25, true) == placement::several);
    CHECK(with(key_type::text, 19, false) == placement::several);
    CHECK(with(key_type::bpchar, 1042, false) == placement::several);
    CHECK(with(key_type::unsupported, 99999, false) == placement::several);
}

TEST_CASE("a generated key changes with other columns") {
    auto raw = world::raw_catalog();
    raw.relations.at("public.users").columns[0].generated = true;
    CHECK(refuses(raw, "UPDATE users SET name = 'x' WHERE id = 1", "is generated from other columns"));
    CHECK(refusal(raw, "DELETE FROM users WHERE id = 1").empty());
}
