// make_catalog: what views read and run, through views.

#include <doctest/doctest.h>

#include "plans.hpp"

using namespace ringway::router;

namespace {

using names = std::vector<std::string>;

catalog with_view(std::string name, std::string definition) {
    auto raw = world::raw_catalog();
    auto& made = raw.relations["public." + name];
    made.schema = "public";
    made.name = name;
    made.kind = 'v';
    made.view_definition = std::move(definition);
    return make_catalog(std::move(raw));
}

bool writes(std::string definition) {
    return with_view("v", std::move(definition)).relations.at("public.v").view_writes;
}

}  // namespace

TEST_CASE("views tell the tables they read, through other views") {
    const auto in = with_view("v",
                              "SELECT 1 FROM public.order_view, (SELECT 1 FROM public.countries) c WHERE EXISTS "
                              "(SELECT 1 FROM public.log_view)");
    CHECK(in.relations.at("public.v").view_tables == names{"public.countries", "public.logs", "public.orders"});
    CHECK(in.relations.at("public.order_view").view_tables == names{"public.orders"});
}

TEST_CASE("views that run something volatile, at any depth, are told") {
    CHECK_FALSE(writes("SELECT count(*), now(), random() FROM public.users"));
    CHECK(writes("SELECT public.touch()"));
    CHECK(writes("SELECT nextval('a'::regclass)"));
    CHECK(writes("SELECT * FROM public.over_touching"));
    CHECK(writes("SELECT * FROM public.guarded"));
    CHECK(writes("SELECT * FROM public.scratch"));
    CHECK(writes("SELECT * FROM public.users_id_seq"));
    CHECK(writes("SELECT 1 |>| 2"));
    CHECK(writes("SELECT * FROM public.unknown_table"));
    CHECK(writes("SELECT unknown_function()"));
    CHECK(writes("SELECT archive.probe()"));
    CHECK(writes("this is not SQL"));
}

TEST_CASE("views that name each other end") {
    auto raw = world::raw_catalog();
    for (const char* name : {"a", "b"}) {
        auto& made = raw.relations[std::string("public.") + name];
        made.schema = "public";
        made.name = name;
        made.kind = 'v';
    }
    raw.relations.at("public.a").view_definition = "SELECT 1 FROM public.b, public.users";
    raw.relations.at("public.b").view_definition = "SELECT public.touch() FROM public.a";
    const auto in = make_catalog(std::move(raw));
    CHECK(in.relations.at("public.a").view_tables == names{"public.users"});
    CHECK(in.relations.at("public.b").view_tables == names{"public.users"});
    CHECK(in.relations.at("public.a").view_writes);
}

TEST_CASE("functions are known by name, volatile by schema") {
    const auto& in = world::shared_catalog();
    CHECK(in.known_functions.contains("now"));
    CHECK(in.volatile_functions.at("touch") == names{"public"});
    CHECK(in.volatile_functions.at("probe") == names{"archive"});
    CHECK(in.opaque_functions.contains("tax"));
    CHECK_FALSE(in.opaque_functions.contains("pure"));
    CHECK_FALSE(in.opaque_functions.contains("now"));
}
