// OIDs of the users' own types, as clients and as the shards know them.

#include "proxy/session/told_types.hpp"

#include <doctest/doctest.h>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

using namespace ringway::proxy;
using ringway::router::own_types;
namespace pg = ringway::protocol::postgres;

namespace {

constexpr std::uint32_t int8 = 20;

/// The same types under other OIDs on the second shard, crosswise.
std::shared_ptr<const own_types> crossed() {
    return own_types::made_of({{{"public.mood", 20001}, {"public._mood", 20002}, {"public.first_only", 20009}},
                               {{"public.mood", 20002}, {"public._mood", 20001}, {"public.second_only", 20009}},
                               {{"public.mood", 20001}, {"public._mood", 20002}}});
}

std::string rows(const std::vector<std::uint32_t>& types) {
    std::string out;
    pg::writer made(out, 'T');
    made.i16(static_cast<int>(types.size()));
    for (const auto each : types) made.text("a column").i32(4711).i16(1).i32(each).i16(8).i32(-1).i16(0);
    made.end();
    return out;
}

}  // namespace

TEST_CASE("Where types are the same everywhere there is nothing to look up") {
    CHECK(own_types::made_of({{{"a.b", 20001}}, {{"a.b", 20001}, {"a.c", 20002}}}) == nullptr);
    CHECK(own_types::made_of({{}, {}}) == nullptr);
}

TEST_CASE("OIDs are taken over both ways, and only those of types that both have") {
    const auto all = crossed();
    REQUIRE(all);
    CHECK_FALSE(all->differs(0));
    CHECK(all->differs(1));
    CHECK_FALSE(all->differs(2));
    CHECK(all->known(1, 20002) == 20001);
    CHECK(all->known(1, 20001) == 20002);
    CHECK(all->known(1, 20009) == 20009);
    CHECK(all->known(1, int8) == int8);
    CHECK(all->known(0, 20002) == 20002);
    CHECK(all->known(7, 20002) == 20002);
    CHECK(all->on(1, 20001) == 20002);
    CHECK(all->on(2, 20001) == 20001);
}

TEST_CASE("Descriptions are told with the OIDs that clients know") {
    const auto all = crossed();
    CHECK(told_types(rows({20002, int8, 20001}), *all, 1) == rows({20001, int8, 20002}));
    CHECK(told_types(rows({int8, 20009}), *all, 1).empty());
    CHECK(told_types(rows({}), *all, 1).empty());
    std::string from, to;
    pg::write_parameter_description(from, std::vector<std::uint32_t>{int8, 20002});
    pg::write_parameter_description(to, std::vector<std::uint32_t>{int8, 20001});
    CHECK(told_types(from, *all, 1) == to);
    auto cut_off = rows({20002, 20001});
    cut_off.resize(cut_off.size() - 20);
    CHECK(told_types(cut_off, *all, 1).size() == cut_off.size());  // read as far as it goes
}

TEST_CASE("A server gets its own OIDs in each Parse of a batch") {
    const auto all = crossed();
    using namespace std::string_literals;
    const auto oids = "\0\0\x4e\x21\0\0\0\x14"s, own = "\0\0\x4e\x22\0\0\0\x14"s;
    std::string sent, expected;
    for (auto* out : {&sent, &expected}) {
        pg::write_query(*out, "SELECT 1");
        pg::write_parse(*out, "a", "SELECT $1, $2", out == &sent ? oids : own);
        pg::write_target(*out, 'D', 'S', "a");
        pg::write_parse(*out, {}, "SELECT 2", {});
        pg::write_sync(*out);
    }
    CHECK(messages_on(sent, *all, 1) == expected);
    std::string other;
    pg::write_query(other, "SELECT 1");
    CHECK(messages_on(other, *all, 1).empty());
}
