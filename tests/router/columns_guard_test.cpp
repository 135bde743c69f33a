// The check of a table's columns by the server that runs a statement of ours; what it does: tests/e2e.

#include "router/columns_guard.hpp"

#include <doctest/doctest.h>

#include "plans.hpp"
#include "router/gather.hpp"

using namespace ringway::router;
using namespace ringway::router::world;

TEST_CASE("A guard names its columns whatever they are called") {
    const auto guard = columns_guard({"s\"x", "it's", {"a'b", "c\\d"}, {23, 25}, false, false});
    CHECK(guard.find("ARRAY['a''b',  E'c\\\\d']") != std::string::npos);
    CHECK(guard.find("'\"s\"\"x\".\"it''s\"'::pg_catalog.regclass") != std::string::npos);
    CHECK(guard.find("ARRAY[23, 25]") != std::string::npos);
    CHECK(guard.find("place ORDER BY") == std::string::npos);
    CHECK(guard.find("RECURSIVE") == std::string::npos);
    CHECK(columns_guard({"s", "t", {"a"}, {16390}, false, false}).find("RECURSIVE inside") != std::string::npos);
    CHECK(columns_guard({"s", "t", {}, {}, true, false}).empty());
    CHECK(columns_guard({"s", "t", {"a"}, {23}, true, false}).find("array_agg(e.place ORDER BY a.attnum)") !=
          std::string::npos);
}

TEST_CASE("Its error is told from others") {
    CHECK(is_guard_error("22P02", "invalid input syntax for type boolean: \"ringway: columns of public.t\""));
    CHECK_FALSE(is_guard_error("22P02", "invalid input syntax for type boolean: \"yes?\""));
    CHECK(guard_fault("invalid input syntax for type boolean: \"ringway: columns of public.t\"")
              .message.starts_with("the columns of public.t are not the same"));
}

TEST_CASE("Rows are looked up by an index only where any value fits into one") {
    const auto prepared = [](std::string_view sql) {
        const auto what = plan_shop(sql);
        REQUIRE(what.made->gather);
        return prepare_stand_ins(*what.made->gather);
    };
    CHECK(prepared("SELECT id FROM users u WHERE age > (SELECT sum(o.total) FROM orders o WHERE o.id = u.age)")
              .find("CREATE INDEX ON pg_temp.\"orders\" (\"id\")") != std::string::npos);
    CHECK(prepared("SELECT id FROM users u WHERE age > (SELECT sum(o.total) FROM orders o WHERE o.note = u.name)")
              .find("CREATE INDEX") == std::string::npos);
}

TEST_CASE("what a type without a binary form, or with objects of one server, is told as") {
    CHECK(is_binary_error("42883", "no binary output function available for type seg"));
    CHECK_FALSE(is_binary_error("42883", "operator does not exist: seg = text"));
    CHECK(binary_fault("no binary input function available for type s.\"A b\"").message ==
          "a column of type s.\"A b\" cannot be brought to another shard: it has no binary form");
    const std::string why = "column rc of t is of type regclass, whose values name objects of one server";
    const auto told = "invalid input syntax for type boolean: \"ringway: " + why + "\"";
    CHECK(is_guard_error("22P02", told));
    CHECK(guard_fault(told).message == why);
}
