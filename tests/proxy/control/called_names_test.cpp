#include "proxy/control/called_names.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using ringway::proxy::calls_any;

namespace {

std::vector<std::string> names_in(std::string_view expression) {
    std::vector<std::string> names;
    calls_any(expression, [&](const std::string& name) {
        names.push_back(name);
        return false;
    });
    return names;
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("calls are found by name, without schema and quotes") {
    CHECK(names_in("((owner = CURRENT_USER) AND (public.may_read(id) > 0))") == names{"AND", "may_read"});
    CHECK(names_in("\"My schema\".\"Odd \"\"name\"(1)") == names{"Odd \"name"});
    CHECK(names_in("nextval('s'::regclass)") == names{"nextval"});
    CHECK(names_in("f$1 (g(h))") == names{"f$1", "g"});
    CHECK(names_in("a + b") == names{});
    CHECK(names_in("") == names{});
}

TEST_CASE("strings hold no calls") {
    CHECK(names_in("x = 'random()'") == names{});
    CHECK(names_in("x = 'it''s random()' OR f(1)") == names{"f"});
    CHECK(names_in("x = E'\\'random()' OR f(1)") == names{"f"});
    CHECK(names_in("x = E'\\\\' OR f('')") == names{"f"});
    CHECK(names_in("x = 'a\\' OR f(1)") == names{"f"});  // no escape without E
}

TEST_CASE("an unfinished expression ends") {
    for (const char* text : {"'", "\"", "E'", "E'\\", "f", "f ", "'a''", "\"a\"\""}) CHECK(names_in(text).empty());
    CHECK(names_in("f(") == names{"f"});
}

TEST_CASE("it stops at the first match") {
    int asked = 0;
    CHECK(calls_any("a(b(c()))", [&](const std::string& name) { return ++asked, name == "b"; }));
    CHECK(asked == 2);
}
