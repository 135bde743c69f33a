#include "pool/gtid.hpp"

#include <doctest/doctest.h>

#include "pool/watermark.hpp"

using namespace ringway::pool;

TEST_CASE("a MariaDB position contains what lies before it in every domain") {
    const auto now = gtid_set::mariadb("0-100-42,1-101-7");
    REQUIRE(now);
    CHECK(now->count() == 49);
    CHECK(now->contains(*gtid_set::mariadb("")));
    CHECK(now->contains(*gtid_set::mariadb("0-200-42")));
    CHECK(now->contains(*gtid_set::mariadb("1-101-7,0-1-1")));
    CHECK_FALSE(now->contains(*gtid_set::mariadb("0-100-43")));
    CHECK_FALSE(now->contains(*gtid_set::mariadb("2-100-1")));
    for (const auto* wrong : {"0-100", "0-100-x", "a", "0--1", "0-100-42,"}) {
        const auto read = gtid_set::mariadb(wrong);
        CHECK((!read || std::string_view(wrong) == "0-100-42,"));
    }
}

TEST_CASE("a MySQL set is read with its holes") {
    const auto now =
        gtid_set::mysql("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:11,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:7");
    REQUIRE(now);
    CHECK(now->count() == 7);
    CHECK(now->contains(*gtid_set::mysql("3e11fa47-71ca-11e1-9e33-c80aa9429562:2-4")));
    CHECK_FALSE(now->contains(*gtid_set::mysql("3e11fa47-71ca-11e1-9e33-c80aa9429562:5-6")));
    CHECK_FALSE(gtid_set::mysql("3e11fa47-71ca-11e1-9e33-c80aa9429562"));
}

TEST_CASE("as many transactions as the primary's are not the primary's") {
    position_history history;
    const auto at = [](int ms) { return steady_time{std::chrono::hours{1}} + std::chrono::milliseconds{ms}; };
    const auto set = [](const char* text) { return std::make_shared<const gtid_set>(*gtid_set::mariadb(text)); };
    history.add({at(1), 10, set("0-1-10")});
    history.add({at(2), 12, set("0-1-10,1-1-2")});
    CHECK(history.newest_reached(12, set("0-1-10,1-1-2").get()) == at(2));
    CHECK(history.newest_reached(12, set("0-1-12").get()) == at(1));
    CHECK_FALSE(history.newest_reached(9, set("0-1-9").get()));
}

TEST_CASE("MariaDB's transactions by who wrote them first") {
    const auto both = gtid_set::mariadb_origins("0-1-100,0-2-105", "0-1-90,1-7-3");
    REQUIRE(both);
    CHECK(both->contains(*gtid_set::mariadb_origins("0-1-100", "")));
    CHECK(both->contains(*gtid_set::mariadb_origins("", "1-7-3")));
    CHECK_FALSE(both->contains(*gtid_set::mariadb_origins("0-1-101", "")));
    CHECK_FALSE(gtid_set::mariadb_origins("0-1-100", "")->contains(*both));
    CHECK_FALSE(gtid_set::mariadb_origins("0-1", ""));
}
