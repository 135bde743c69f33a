// A route is computed for each execution: without the heap, unless the statement is refused.

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

#include "plans.hpp"

namespace {

thread_local std::size_t allocations = 0;

void* counted(std::size_t bytes) {
    ++allocations;
    if (void* const made = std::malloc(bytes ? bytes : 1)) return made;
    throw std::bad_alloc();
}

}  // namespace

// Replaced for the whole test program: they only count.
void* operator new(std::size_t bytes) {
    return counted(bytes);
}
void* operator new[](std::size_t bytes) {
    return counted(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {  // std::stable_sort's
    ++allocations;
    return std::malloc(bytes ? bytes : 1);
}
void operator delete(void* at) noexcept {
    std::free(at);
}
void operator delete[](void* at) noexcept {
    std::free(at);
}
void operator delete(void* at, std::size_t) noexcept {
    std::free(at);
}
void operator delete[](void* at, std::size_t) noexcept {
    std::free(at);
}

TEST_CASE("a route takes nothing from the heap") {
    using namespace ringway::router;
    const std::vector<parameter> parameters{world::text_parameter("12345"), world::text_parameter("{12345,12345}"),
                                            world::text_parameter("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")};
    for (const char* text :
         {"SELECT 1", "BEGIN", "SELECT * FROM logs", "SELECT * FROM orders WHERE user_id = 5",
          "SELECT * FROM orders WHERE user_id = -5", "SELECT * FROM orders WHERE user_id = '5'::int",
          "SELECT * FROM orders WHERE user_id = $1", "SELECT * FROM orders WHERE user_id = ANY($2)",
          "SELECT * FROM orders WHERE user_id = ANY('{5,5}')", "SELECT * FROM orders WHERE user_id IN (5, 5, NULL)",
          "SELECT * FROM accounts WHERE id = $3", "SELECT * FROM documents WHERE slug = 'plain'",
          "INSERT INTO prices (amount) VALUES (1.25), (1.250)", "UPDATE orders SET note = 'x' WHERE user_id = $1"}) {
        INFO(text);
        const auto planned = world::plan_shop(text);
        const auto with = planned.values_with(parameters);
        const auto& map = world::shop();
        const auto before = allocations;
        const auto found = route_of(*planned.made, with, map);
        const auto after = allocations;
        CHECK(after == before);
        CHECK(found.kind != route::to::refused);
    }
    const auto before = allocations;
    CHECK(world::plan_shop("SELECT 1").made != nullptr);
    CHECK(allocations > before);  // it does count
}
