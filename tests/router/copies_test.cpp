// Writes to reference tables: which locks keep their copies alike, and what is refused for it.

#include "router/copies.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

namespace {

const catalog& with_keys() {
    static const catalog made = [] {
        auto raw = raw_catalog();
        raw.relations.at("public.countries").unique_keys = {{"code"}};
        for (auto& each : raw.functions) each.returns_set = each.name == "generate_series" || each.name == "unnest";
        raw.functions.push_back({"pg_catalog", "string_agg", false, false});
        raw.functions.push_back({"pg_catalog", "first_value", false, false});
        for (const auto& [name, definition] :
             {std::pair{"first_country", " SELECT c.code FROM public.countries c LIMIT 1;"},
              std::pair{"all_countries", " SELECT c.code FROM public.countries c;"}}) {
            auto& view = raw.relations[std::string("public.") + name];
            view.schema = "public";
            view.name = name;
            view.kind = 'v';
            view.view_definition = definition;
        }
        return make_catalog(std::move(raw));
    }();
    return made;
}

std::shared_ptr<const plan> plan_of(const std::string& sql) {
    return plan_on(shop(), sql, {}, &with_keys()).made;
}

std::string refusal_of(const std::string& sql) {
    const auto made = plan_of(sql);
    return made->placement == placement::refused && made->refusal ? made->refusal->detail : std::string();
}

}  // namespace

TEST_CASE("rows that are only added share the lock of their table") {
    for (const char* sql : {"INSERT INTO countries VALUES ('de', 'x'), ('fr', 'y')", "COPY countries FROM STDIN",
                            "INSERT INTO countries SELECT 'de', 'x'"}) {
        CAPTURE(sql);
        CHECK(plan_of(sql)->copies.tables == std::vector<std::string>{"countries"});
        CHECK(plan_of(sql)->copies.shared);
    }
    for (const char* sql :
         {"UPDATE countries SET name = 'x'", "DELETE FROM countries",
          "INSERT INTO countries VALUES ('de', 'x') ON CONFLICT DO NOTHING",
          "INSERT INTO countries SELECT 'de', 'x' ON CONFLICT DO NOTHING",
          "INSERT INTO countries VALUES ('de', 'x') RETURNING (SELECT count(*) FROM countries)",
          "WITH a AS (DELETE FROM countries RETURNING code) UPDATE countries SET name = 'x' FROM a WHERE name = 'y'"}) {
        CAPTURE(sql);
        CHECK(plan_of(sql)->spread != spreading::none);
        CHECK(plan_of(sql)->copies.tables == std::vector<std::string>{"countries"});
        CHECK_FALSE(plan_of(sql)->copies.shared);
    }
    for (const char* sql : {"TRUNCATE countries", "LOCK TABLE countries", "UPDATE users SET name = 'x'",
                            "INSERT INTO users (id, name) SELECT 1, name FROM countries"})
        CHECK(plan_of(sql)->copies.tables.empty());
}

TEST_CASE("what copies may give in another order is refused") {
    for (const char* sql :
         {"UPDATE countries SET name = d.name FROM countries d WHERE d.name = countries.code",
          "UPDATE countries c SET name = d.name FROM countries d WHERE d.code = d.name",
          "UPDATE countries c SET name = d.name FROM countries d LEFT JOIN countries e ON e.code = d.code WHERE d.code "
          "= c.code",
          "UPDATE countries c SET name = d.n FROM (SELECT name AS n FROM countries) d",
          "UPDATE countries SET name = (SELECT name FROM countries LIMIT 1)",
          "UPDATE countries SET name = (SELECT name FROM countries ORDER BY code LIMIT 1)",
          "UPDATE countries SET name = (SELECT name AS code FROM countries ORDER BY code LIMIT 1)",
          "UPDATE countries SET name = (SELECT string_agg(name, ',') FROM countries)",
          "UPDATE countries SET name = (SELECT string_agg(name, code ORDER BY name) FROM countries)",
          "UPDATE countries SET name = ARRAY(SELECT name FROM countries)::text",
          "UPDATE countries SET name = (SELECT max(f) FROM (SELECT first_value(name) OVER (ORDER BY code) f FROM "
          "countries) v)",
          "UPDATE countries SET name = (SELECT code FROM first_country)", "DELETE FROM countries WHERE ctid = '(0,1)'",
          "DELETE FROM countries a USING countries b WHERE a.ctid < b.ctid"}) {
        CAPTURE(sql);
        CHECK(refusal_of(sql) != "");
    }
}

TEST_CASE("what all copies give alike runs") {
    for (const char* sql :
         {"UPDATE countries SET name = d.name FROM countries d WHERE d.code = countries.name",
          "UPDATE countries c SET name = e.name FROM countries d, countries e WHERE d.code = c.name AND d.name = "
          "e.code",
          "UPDATE countries c SET name = d.name FROM countries d WHERE d.code = 'de'",
          "UPDATE countries c SET name = 'x' FROM countries d WHERE d.name = c.name",
          "UPDATE countries c SET name = v.n FROM (VALUES ('de', 'x')) v (code, n) WHERE v.code = c.code",
          "UPDATE countries c SET name = d.name FROM unnest($1::text[]) v (n), countries d WHERE d.code = v.n",
          "UPDATE countries SET name = (SELECT name FROM countries d WHERE d.code = countries.name)",
          "UPDATE countries SET name = (SELECT name FROM countries ORDER BY name LIMIT 1)",
          "UPDATE countries SET name = (SELECT string_agg(name, ',' ORDER BY name) FROM countries)",
          "UPDATE countries SET name = ARRAY(SELECT name FROM countries ORDER BY name)::text",
          "UPDATE countries SET name = 'x' WHERE EXISTS (SELECT 1 FROM countries LIMIT 1)",
          "UPDATE countries SET name = 'x' WHERE code IN (SELECT code FROM all_countries)",
          "DELETE FROM countries c USING countries d WHERE d.name = c.code"}) {
        CAPTURE(sql);
        CHECK(refusal_of(sql) == "");
        CHECK(plan_of(sql)->spread == spreading::alike);
    }
    // Made once.
    CHECK(plan_of("INSERT INTO countries VALUES ('de', (SELECT name FROM countries LIMIT 1))")->spread ==
          spreading::carried);
}

TEST_CASE("rows that a server refuses as a whole stay whole") {
    const auto uneven = plan_of("INSERT INTO orders (user_id, id) VALUES (1, 1), (2, 2, 3), (3, 3)");
    CHECK(uneven->placement == placement::single);
    CHECK(uneven->fixed_shard == 0);
    CHECK(uneven->keys.empty());
    const auto made = plan_of("INSERT INTO orders (user_id, id) VALUES (1, generate_series(1, 3)), (2, 2), (3, 3)");
    CHECK(made->spread == spreading::carried);
    const auto calls = plan_of("INSERT INTO orders (user_id, note) VALUES (1, upper('a')), (2, 'b'), (3, 'c')");
    CHECK(calls->spread == spreading::rows);
    CHECK(plan_of("INSERT INTO orders (user_id, id) VALUES (1, generate_series(1, 3))")->spread == spreading::rows);
    CHECK(
        refusal_of("INSERT INTO orders (user_id, id) VALUES (generate_series(1, 3), 1)").find("write SELECT instead") !=
        std::string::npos);  // to a server it is a SELECT
}
