#include "pool/watermark.hpp"

#include <doctest/doctest.h>

using namespace ringway::pool;
using std::chrono::milliseconds;

namespace {
steady_time at(int ms) {
    return steady_time{std::chrono::hours{1}} + milliseconds{ms};
}
}  // namespace

TEST_CASE("a position is read as the server prints it") {
    CHECK(parse_lsn("16/B374D848") == 0x16B374D848ULL);
    CHECK(parse_lsn("0/0") == 0);
    CHECK(parse_lsn("FFFFFFFF/FFFFFFFF") == ~0ULL);
    for (const char* wrong : {"", "/", "1/", "/1", "16B374D848", "1/G", "100000000/0", "1/2 ", "-1/2", "1/2/3"})
        CHECK_FALSE(parse_lsn(wrong));
}

TEST_CASE("a WAL file's name tells the timeline") {
    CHECK(timeline_of_wal_file("00000002000000000000000A") == 2);
    CHECK(timeline_of_wal_file("FFFFFFFF0000000100000002") == 0xFFFFFFFF);
    CHECK_FALSE(timeline_of_wal_file("00000002000000000000000"));
    CHECK_FALSE(timeline_of_wal_file("0000000200000000000000XX"));
    CHECK_FALSE(timeline_of_wal_file("00000002.history"));
}

TEST_CASE("an insert position behind a page header is the end of the record before") {
    const wal_layout usual;
    CHECK(end_of_records(0x4000028, usual) == 0x4000000);  // 40 bytes at a segment's start
    CHECK(end_of_records(0x4000018, usual) == 0x4000000);  // never printed by a server, and harmless
    CHECK(end_of_records(0x4000029, usual) == 0x4000029);
    CHECK(end_of_records(0x4002018, usual) == 0x4002000);  // 24 bytes elsewhere
    CHECK(end_of_records(0x4002028, usual) == 0x4002028);  // there 40 is the end of a 16 byte rest of a record
    CHECK(end_of_records(0x4002000, usual) == 0x4002000);  // as replay reports a full page
    CHECK(end_of_records(0x4001FF8, usual) == 0x4001FF8);
    const wal_layout small{4096, 1u << 20};
    CHECK(end_of_records(0x4101018, small) == 0x4101000);
    CHECK(end_of_records(0x4100028, small) == 0x4100000);
}

TEST_CASE("a replica's watermark is the newest sample it has reached") {
    position_history history(16);
    CHECK_FALSE(history.newest_reached(1000));
    history.add({at(0), 100});
    history.add({at(100), 200});
    history.add({at(200), 300});
    CHECK_FALSE(history.newest_reached(99));
    CHECK(history.newest_reached(100) == at(0));
    CHECK(history.newest_reached(299) == at(100));
    CHECK(history.newest_reached(300) == at(200));
    CHECK(history.newest_reached(10'000) == at(200));
}

TEST_CASE("an idle primary keeps moving the watermark without any replay") {
    position_history history;
    for (int ms = 0; ms <= 60'000; ms += 100) history.add({at(ms), 500});
    CHECK(history.size() == 1);
    CHECK(history.newest_reached(500) == at(60'000));
    CHECK_FALSE(history.newest_reached(499));
}

TEST_CASE("a position that went back takes with it what it disproves") {
    position_history history;
    history.add({at(0), 100});
    history.add({at(100), 200});
    history.add({at(200), 300});
    history.add({at(300), 150});  // the primary crashed, 150 to 300 were never flushed
    CHECK(history.newest_reached(100) == at(0));
    CHECK(history.newest_reached(149) == at(0));
    CHECK(history.newest_reached(150) == at(300));
}

TEST_CASE("the history is bounded, goes back to its beginning, and never claims too much") {
    position_history history(64);
    constexpr int samples = 100'000;
    for (int i = 0; i < samples; ++i) history.add({at(i), static_cast<std::uint64_t>(i) * 10});
    CHECK(history.size() <= 64);
    CHECK(history.newest_reached(0) == at(0));
    for (int i = 0; i < samples; i += 997) {
        const auto reached = history.newest_reached(static_cast<std::uint64_t>(i) * 10);
        REQUIRE(reached);
        CHECK(*reached <= at(i));
    }
    CHECK(history.newest_reached((samples - 1) * 10) == at(samples - 1));
    CHECK(history.newest_reached((samples - 2) * 10) == at(samples - 2));
}

TEST_CASE("a nudge is due when what was inserted stays unflushed for half a second") {
    flush_nudge nudge;
    CHECK_FALSE(nudge.due(100, 100, at(0)));
    CHECK_FALSE(nudge.due(200, 100, at(100)));
    CHECK_FALSE(nudge.due(210, 100, at(500)));
    CHECK(nudge.due(210, 100, at(600)));
    CHECK_FALSE(nudge.due(210, 100, at(700)));
    CHECK(nudge.due(210, 100, at(1100)));  // still stuck
    CHECK_FALSE(nudge.due(250, 250, at(1200)));
    CHECK_FALSE(nudge.due(250, 250, at(9000)));
}

TEST_CASE("a busy primary is never nudged") {
    flush_nudge nudge;
    for (int i = 1; i < 1000; ++i) {
        const auto inserted = static_cast<std::uint64_t>(i) * 1000;
        CHECK_FALSE(nudge.due(inserted, inserted - 900, at(i * 100)));
    }
}
