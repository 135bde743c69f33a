// Definitions that would leave rows where nobody looks for them. What is refused of one table is in
// tests/golden/definitions.txt; here is what the map of tables by schema and of several columns adds.

#include "router/table_changes.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway;
using namespace ringway::router;
using namespace ringway::router::world;

namespace {

std::shared_ptr<const shard_map> map_of_schemas() {
    config::cluster from;
    from.name = "tenants";
    for (const char* name : {"s0", "s1"}) from.shards.push_back({name, {}, 1});
    config::table by_schema;
    by_schema.name = "tenant_*.*";
    by_schema.key = "schema";
    by_schema.by_schema = true;
    from.tables.push_back(by_schema);
    config::table members;
    members.name = "members";
    members.key = "tenant";
    members.further_keys = {"id"};
    from.tables.push_back(members);
    config::table visits = members;
    visits.name = "visits";
    visits.further_keys = {"member"};
    from.tables.push_back(visits);
    return make_shard_map(from, 1);
}

const catalog& known() {
    static const catalog made = [] {
        catalog raw;
        for (const char* schema : {"tenant_a", "tenant_b", "public"})
            for (const char* name : {"bills", "parts"}) {
                auto& one = raw.relations[std::string(schema) + "." + name];
                one.schema = schema;
                one.name = name;
            }
        return make_catalog(std::move(raw));
    }();
    return made;
}

/// What a client is told; empty: it runs.
std::string told(std::string_view sql) {
    static const auto map = map_of_schemas();
    const auto what = plan_on(*map, sql, {}, &known());
    if (what.made->placement != placement::refused) return {};
    REQUIRE(what.made->refusal);
    CHECK(what.made->refusal->kind == config::fault_kind::unsupported);
    CHECK_FALSE(what.made->refusal->hint.empty());
    return what.made->refusal->message;
}

}  // namespace

TEST_CASE("a schema that is a key stays what it is") {
    CHECK(told("ALTER TABLE tenant_a.bills SET SCHEMA tenant_b").starts_with("tenant_a.bills cannot become"));
    CHECK(told("ALTER TABLE tenant_a.bills SET SCHEMA public").starts_with("tenant_a.bills cannot become"));
    CHECK(told("ALTER TABLE public.bills SET SCHEMA tenant_a").starts_with("public.bills cannot become"));
    CHECK(told("ALTER TABLE public.bills SET SCHEMA other") == "");
    CHECK(told("ALTER TABLE tenant_a.bills RENAME TO invoices") == "");
    CHECK(told("ALTER TABLE tenant_a.bills RENAME COLUMN a TO b") == "");
    CHECK(told("ALTER SCHEMA tenant_a RENAME TO tenant_c").starts_with("schema tenant_a cannot become"));
    CHECK(told("ALTER SCHEMA public RENAME TO tenant_c").starts_with("schema public cannot become"));
    CHECK(told("ALTER SCHEMA public RENAME TO other") == "");
}

TEST_CASE("parts and foreign keys within a schema that is a key") {
    CHECK(told("ALTER TABLE tenant_a.bills ATTACH PARTITION tenant_a.parts DEFAULT") == "");
    CHECK(told("ALTER TABLE tenant_a.bills ATTACH PARTITION tenant_b.parts DEFAULT") != "");
    CHECK(told("ALTER TABLE tenant_a.bills DETACH PARTITION tenant_a.parts") == "");
    CHECK(told("ALTER TABLE tenant_a.bills ADD FOREIGN KEY (a) REFERENCES tenant_a.parts") == "");
    CHECK(told("ALTER TABLE tenant_a.bills ADD FOREIGN KEY (a) REFERENCES tenant_b.parts") != "");
    CHECK(told("ALTER TABLE tenant_a.bills ADD FOREIGN KEY (a) REFERENCES public.parts") != "");
    CHECK(told("CREATE TABLE tenant_a.fresh (a int REFERENCES tenant_a.parts)") == "");
}

TEST_CASE("keys of several columns") {
    CHECK(told("ALTER TABLE members RENAME COLUMN id TO no").find("is of the shard key") != std::string::npos);
    CHECK(told("ALTER TABLE members DROP COLUMN tenant") != "");
    CHECK(told("ALTER TABLE members DROP COLUMN name") == "");
    CHECK(told("ALTER TABLE visits ADD FOREIGN KEY (tenant, member) REFERENCES members (tenant, id)") == "");
    CHECK(told("ALTER TABLE visits ADD FOREIGN KEY (tenant, member) REFERENCES members") == "");
    CHECK(told("ALTER TABLE visits ADD FOREIGN KEY (member) REFERENCES members (id)") != "");
    CHECK(told("ALTER TABLE visits ADD FOREIGN KEY (member, tenant) REFERENCES members (tenant, id)") != "");
}

TEST_CASE("one shard has nothing to lose") {
    CHECK(plan_app("ALTER TABLE users RENAME TO people").made->placement != placement::refused);
    CHECK(plan_app("ALTER TABLE users DROP COLUMN id").made->placement != placement::refused);
}
