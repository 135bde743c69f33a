#include "protocol/postgres/pgoutput.hpp"

#include <doctest/doctest.h>

using namespace ringway::protocol::postgres;
using namespace std::string_literals;
using kind = pgoutput::value::kind;

namespace {

std::string number(std::uint64_t value, int bytes) {
    std::string out;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
    return out;
}

std::string text(std::string_view value) {
    return "t" + number(value.size(), 4) + std::string(value);
}

template <typename What>
What read_as(const std::string& bytes) {
    const auto got = pgoutput::read(bytes);
    REQUIRE(got);
    REQUIRE(std::holds_alternative<What>(*got));
    return std::get<What>(*got);
}

/// Every shorter text, and one that is longer, is none.
void check_bounds(const std::string& bytes) {
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(pgoutput::read(bytes.substr(0, size)));
    CHECK_FALSE(pgoutput::read(bytes + "x"));
}

}  // namespace

TEST_CASE("pgoutput: positions as texts") {
    CHECK(read_wal_position("16/B374D848") == 0x16B374D848);
    CHECK(wal_text(0x16B374D848) == "16/B374D848");
    CHECK(read_wal_position("0/0") == 0);
    for (const auto* wrong : {"", "1", "1/", "/1", "1/G", "1/123456789", "1/2 "}) CHECK_FALSE(read_wal_position(wrong));
}

TEST_CASE("pgoutput: data, keepalives and statuses of a stream") {
    const auto data = "w" + number(7, 8) + number(9, 8) + number(1, 8) + "rest";
    const auto got = read_stream_message(data);
    REQUIRE(got);
    CHECK(std::get<stream_data>(*got).start == 7);
    CHECK(std::get<stream_data>(*got).end == 9);
    CHECK(std::get<stream_data>(*got).payload == "rest");
    const auto alive = read_stream_message("k" + number(0x1122334455667788, 8) + number(1, 8) + "\1");
    REQUIRE(alive);
    CHECK(std::get<stream_keepalive>(*alive).end == 0x1122334455667788);
    CHECK(std::get<stream_keepalive>(*alive).wants_reply);
    CHECK_FALSE(read_stream_message(data.substr(0, 20)));
    CHECK_FALSE(read_stream_message("k"));
    CHECK_FALSE(read_stream_message(""));
    CHECK_FALSE(read_stream_message("x" + data));
    CHECK(stream_status(1, 2, 3, true) == "r" + number(1, 8) + number(2, 8) + number(2, 8) + number(3, 8) + "\1");
}

TEST_CASE("pgoutput: a transaction's begin and end") {
    const auto begun = "B" + number(0x100, 8) + number(1, 8) + number(77, 4);
    CHECK(read_as<pgoutput::begin>(begun).final_position == 0x100);
    CHECK(read_as<pgoutput::begin>(begun).transaction == 77);
    check_bounds(begun);
    const auto ended = "C\0"s + number(0x100, 8) + number(0x120, 8) + number(1, 8);
    CHECK(read_as<pgoutput::commit>(ended).at == 0x100);
    CHECK(read_as<pgoutput::commit>(ended).end == 0x120);
    check_bounds(ended);
}

TEST_CASE("pgoutput: relations") {
    const auto bytes = "R" + number(5, 4) + "public\0users\0f"s + number(2, 2) + "\1id\0"s + number(20, 4) +
                       number(0xffffffff, 4) + "\0name\0"s + number(1043, 4) + number(14, 4);
    const auto got = read_as<pgoutput::relation>(bytes);
    CHECK(got.id == 5);
    CHECK(got.schema == "public");
    CHECK(got.name == "users");
    CHECK(got.identity == 'f');
    REQUIRE(got.columns.size() == 2);
    CHECK(got.columns[0].identity);
    CHECK(got.columns[0].modifier == -1);
    CHECK(got.columns[1].name == "name");
    CHECK(got.columns[1].type_oid == 1043);
    check_bounds(bytes);
}

TEST_CASE("pgoutput: rows, with NULLs and what has not changed") {
    const auto inserted = "I" + number(5, 4) + "N" + number(3, 2) + text("42") + "nu";
    const auto row = read_as<pgoutput::insert>(inserted).row;
    REQUIRE(row.size() == 3);
    CHECK(row[0].what == kind::text);
    CHECK(row[0].bytes == "42");
    CHECK(row[1].what == kind::null);
    CHECK(row[2].what == kind::unchanged);
    check_bounds(inserted);

    const auto changed = "U" + number(5, 4) + "O" + number(1, 2) + text("old") + "N" + number(1, 2) + text("new");
    const auto update = read_as<pgoutput::update>(changed);
    CHECK(update.has == pgoutput::old_row::full);
    CHECK(update.before.at(0).bytes == "old");
    CHECK(update.row.at(0).bytes == "new");
    check_bounds(changed);
    CHECK(read_as<pgoutput::update>("U" + number(5, 4) + "N" + number(0, 2)).has == pgoutput::old_row::none);
    CHECK(read_as<pgoutput::update>("U" + number(5, 4) + "K" + number(0, 2) + "N" + number(0, 2)).has ==
          pgoutput::old_row::key);

    const auto gone = "D" + number(5, 4) + "K" + number(1, 2) + text("1");
    CHECK(read_as<pgoutput::erase>(gone).has == pgoutput::old_row::key);
    check_bounds(gone);
    CHECK_FALSE(pgoutput::read("D" + number(5, 4) + "N" + number(1, 2) + text("1")));
    CHECK_FALSE(pgoutput::read("I" + number(5, 4) + "N" + number(1, 2) + "x"));
    CHECK_FALSE(pgoutput::read("I" + number(5, 4) + "N" + number(1, 2) + "t" + number(0xffffffff, 4)));
    CHECK_FALSE(pgoutput::read("I" + number(5, 4) + "N" + number(0xffff, 2)));
}

TEST_CASE("pgoutput: TRUNCATE of several tables, and what does not matter") {
    const auto bytes = "T" + number(2, 4) + "\3" + number(5, 4) + number(6, 4);
    const auto got = read_as<pgoutput::truncate>(bytes);
    CHECK(got.relations == std::vector<std::uint32_t>{5, 6});
    CHECK(got.cascade);
    CHECK(got.restart_sequences);
    check_bounds(bytes);
    CHECK(read_as<pgoutput::other>("Y" + number(1, 4) + "pg_catalog\0money\0"s).type == 'Y');
    CHECK_FALSE(pgoutput::read("S123"));
    CHECK_FALSE(pgoutput::read(""));
}
