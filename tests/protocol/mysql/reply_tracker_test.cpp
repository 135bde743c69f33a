#include "protocol/mysql/reply_tracker.hpp"

#include <doctest/doctest.h>

#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;
using namespace ringway::tests;
using namespace std::literals;
using state = reply_tracker::state;

namespace {

constexpr auto plain = capability::protocol_41 | capability::transactions;
constexpr auto modern = plain | capability::deprecate_eof;

std::string packets(std::initializer_list<std::string_view> payloads) {
    std::string out;
    std::uint8_t sequence = 1;
    for (const auto payload : payloads) writer(out, sequence).bytes(payload);
    return out;
}

/// Feeds in pieces; how many bytes the answer took.
std::size_t feed(reply_tracker& tracker, std::string_view bytes, std::size_t piece) {
    std::size_t taken = 0;
    while (taken < bytes.size() && tracker.now() == state::reading) {
        const auto some = bytes.substr(taken, piece);
        const auto got = tracker.take(some);
        taken += got;
        if (got < some.size()) break;
    }
    return taken;
}

bool has_change(const reply_tracker& tracker, session_change::kind what, std::string_view wanted) {
    std::vector<session_change> changes;
    REQUIRE(read_session_changes(tracker.session_state(), changes));
    for (const auto& each : changes) {
        const auto text =
            each.name.empty() ? std::string(each.value) : std::string(each.name) + "=" + std::string(each.value);
        if (each.what == what && text == wanted) return true;
    }
    return false;
}

void check_expected(const reply_tracker& tracker, const golden_exchange& exchange) {
    for (const auto& [name, text] : exchange.expected) {
        CAPTURE(name);
        CAPTURE(text);
        const auto number = [&] { return std::stoull(text); };
        if (name == "rows") CHECK(tracker.rows() == number());
        if (name == "results") CHECK(tracker.results() == number());
        if (name == "columns") CHECK(tracker.columns() == number());
        if (name == "affected") CHECK(tracker.affected_rows() == number());
        if (name == "last_id") CHECK(tracker.last_insert_id() == number());
        if (name == "warnings") CHECK(tracker.warnings() == number());
        // What the server says besides of indexes and the like.
        if (name == "status") CHECK((tracker.status() & 3) == number());
        if (name == "cursor") CHECK(tracker.cursor_open() == (number() == 1));
        if (name == "error") CHECK(tracker.error().code == number());
        if (name == "sqlstate") CHECK(tracker.error().sqlstate == text);
        if (name == "file") CHECK(tracker.file_name() == text);
        if (name == "parameters") CHECK(tracker.statement().parameters == number());
        if (name == "columns_prepared") CHECK(tracker.statement().columns == number());
        if (name == "schema") CHECK(has_change(tracker, session_change::kind::schema, text));
        if (name == "variable") CHECK(has_change(tracker, session_change::kind::system_variable, text));
    }
    if (!exchange.expected.contains("error")) CHECK(tracker.error().code == 0);
}

}  // namespace

TEST_CASE("the ends of real servers' answers are found, however they come") {
    for (const auto name : golden_sessions) {
        CAPTURE(name);
        const auto session = read_golden(name);
        REQUIRE(session.exchanges.size() > 50);
        for (const std::size_t piece : {1U, 3U, 7U, 1000000U}) {
            CAPTURE(piece);
            reply_tracker tracker(session.capabilities);
            bool file = false;
            for (std::size_t i = 2; i < session.exchanges.size(); ++i) {
                const auto& exchange = session.exchanges[i];
                CAPTURE(i);
                CAPTURE(exchange.client);
                if (file)
                    tracker.file_sent();
                else
                    tracker.begin(*command_of(std::string_view(exchange.client).substr(header_size)));
                file = exchange.expected.contains("file");
                CHECK(tracker.now() == (exchange.server.empty() ? state::done : state::reading));
                // What another answer begins with is left alone.
                const auto taken = feed(tracker, exchange.server + packets({"\0\0\0\2\0\0\0"sv}), piece);
                CHECK(taken == exchange.server.size());
                CHECK(tracker.now() == (file ? state::file_wanted : state::done));
                CHECK(tracker.between_packets());
                check_expected(tracker, exchange);
            }
        }
    }
}

TEST_CASE("an answer is not over before its last byte") {
    const auto session = read_golden("mariadb-10.11-tracking");
    for (std::size_t i = 2; i < session.exchanges.size(); ++i) {
        const auto& exchange = session.exchanges[i];
        if (exchange.server.empty() || static_cast<unsigned char>(exchange.client[3]) != 0) continue;
        reply_tracker tracker(session.capabilities);
        tracker.begin(*command_of(std::string_view(exchange.client).substr(header_size)));
        CHECK(!tracker.begun());
        CHECK(tracker.take(std::string_view(exchange.server).substr(0, exchange.server.size() - 1)) ==
              exchange.server.size() - 1);
        CHECK(tracker.now() == state::reading);
        CHECK(tracker.begun());
    }
}

TEST_CASE("a row longer than 16 MiB is passed over, whatever it begins with") {
    for (const auto capabilities : {plain, modern}) {
        // The length of a first value over 16 MiB begins with 0xfe, as does an EOF.
        std::string row = "\xfe\0\0\0\x01\0\0\0\0"s + std::string(0x1000000, '\xff');
        std::string bytes = packets({"\x01", "definition"});
        std::uint8_t sequence = 3;
        if (capabilities == plain) write_eof(bytes, sequence, {2, 0}, capabilities);
        writer(bytes, sequence).bytes(row);
        writer(bytes, sequence).bytes(std::string(max_payload, '\xfe'));
        ok_reply end;
        end.status = 2;
        if (capabilities == plain)
            write_eof(bytes, sequence, {2, 0}, capabilities);
        else
            write_ok(bytes, sequence, end, capabilities, first_byte::eof);
        reply_tracker tracker(capabilities);
        for (const std::size_t piece : {std::size_t{100'001}, bytes.size()}) {
            tracker.begin(command::query);
            CHECK(feed(tracker, bytes, piece) == bytes.size());
            CHECK(tracker.now() == state::done);
            CHECK(tracker.rows() == 2);
        }
    }
}

TEST_CASE("MariaDB's progress reports are no errors") {
    reply_tracker tracker(plain | capability::mariadb_progress);
    tracker.begin(command::query);
    const auto progress =
        packets({"\xff\xff\xff\x01\x01\x03\0\0\0\x04"
                 "copy"sv});
    CHECK(tracker.take(progress) == progress.size());
    CHECK(tracker.now() == state::reading);
    const auto ok = packets({"\0\0\0\x02\0\0\0"sv});
    CHECK(tracker.take(ok) == ok.size());
    CHECK(tracker.now() == state::done);
    CHECK(tracker.error().code == 0);
}

TEST_CASE("a cursor of a routine leaves its flag in what a query answers") {
    // 0x4a: MORE_RESULTS too.
    const auto bytes =
        packets({"\x01", "definition", "\xfe\0\0\x4a\0"sv, "\x01x", "\xfe\0\0\x4a\0"sv, "\0\0\0\x22\0\0\0"sv});
    for (const auto what : {command::query, command::stmt_execute}) {
        reply_tracker tracker(plain);
        tracker.begin(what);
        CHECK(tracker.take(bytes) == bytes.size());
        CHECK(tracker.now() == state::done);
        CHECK(tracker.rows() == 1);
    }
}

TEST_CASE("changes that the EOF of a result before the last announces are not told") {
    const auto of = [](std::string_view first_end) {
        reply_tracker tracker(plain);
        tracker.begin(command::query);
        const auto bytes =
            packets({"\x01", "definition", "\xfe\0\0\x0a\0"sv, "\x01x", first_end, "\0\0\0\x02\0\0\0"sv});
        CHECK(tracker.take(bytes) == bytes.size());
        CHECK(tracker.now() == state::done);
        return tracker.untold_changes();
    };
    CHECK(of("\xfe\0\0\x0a\x40"sv));
    CHECK_FALSE(of("\xfe\0\0\x0a\0"sv));
}

TEST_CASE("an error in the middle of rows ends the answer") {
    const auto bytes = packets(
        {"\x01", "definition", "\xfe\0\0\x02\0"sv, "\x01x", "\xff\x25\x05#70100Query execution was interrupted"});
    reply_tracker tracker(plain);
    tracker.begin(command::query);
    CHECK(tracker.take(bytes) == bytes.size());
    CHECK(tracker.now() == state::done);
    CHECK(tracker.rows() == 1);
    CHECK(tracker.error().code == 1317);
    CHECK(tracker.error().sqlstate == "70100");
    CHECK(tracker.status() == 0);
}

TEST_CASE("an empty packet has no first byte") {
    const auto bytes = packets({"\x02", "", "definition", "\xfe\0\0\x02\0"sv, "", "\xfe\0\0\x02\0"sv});
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        CAPTURE(piece);
        reply_tracker tracker(plain);
        tracker.begin(command::query);
        CHECK(feed(tracker, bytes, piece) == bytes.size());
        CHECK(tracker.now() == state::done);
        CHECK(tracker.rows() == 1);
    }
}

TEST_CASE("what is no answer is said to be broken") {
    for (const auto payload : {"\xfc"sv, "\xfe"sv, "\0\0"sv, ""sv}) {
        CAPTURE(payload);
        reply_tracker tracker(plain);
        tracker.begin(command::query);
        tracker.take(packets({payload}));
        CHECK(tracker.now() == state::broken);
    }
    std::string long_first;
    write_header(long_first, 2 << 20, 1);
    reply_tracker tracker(plain);
    tracker.begin(command::ping);
    tracker.take(long_first + "\0"s);
    CHECK(tracker.now() == state::broken);
}

TEST_CASE("commands without an answer") {
    reply_tracker tracker(plain);
    for (const auto what : {command::quit, command::stmt_close, command::stmt_send_long_data}) {
        tracker.begin(what);
        CHECK(tracker.now() == state::done);
        CHECK(tracker.take("\0\0"sv) == 0);
    }
}

TEST_CASE("a client hears of the session's changes what a server tells by default, however the bytes come") {
    const auto caps = modern | capability::session_track;
    std::string changes;
    write_session_change(changes, {session_change::kind::system_variable, "sql_mode", "ANSI"});
    write_session_change(changes, {session_change::kind::system_variable, "time_zone", "+01:00"});
    write_session_change(changes, {session_change::kind::state_change, {}, "1"});
    std::string sent, heard, deaf;
    const ok_reply ok{3, 0, status::autocommit, 0, "Rows matched: 3", changes};
    std::uint8_t sequence = 1;
    write_ok(sent, sequence, ok, caps);
    std::string kept;
    write_session_change(kept, {session_change::kind::system_variable, "time_zone", "+01:00"});
    sequence = 1;
    write_ok(heard, sequence, {3, 0, status::autocommit, 0, "Rows matched: 3", kept}, caps);
    sequence = 1;
    write_ok(deaf, sequence, {3, 0, status::autocommit, 0, "Rows matched: 3", {}}, caps);
    for (std::size_t piece = 1; piece <= sent.size(); ++piece)
        for (const bool tracks : {true, false}) {
            reply_tracker tracker(caps);
            tracker.begin(command::query);
            tracker.forward_to(tracks ? caps : modern);
            std::string got;
            for (std::size_t at = 0; at < sent.size(); at += piece) {
                tracker.take(std::string_view(sent).substr(at, piece));
                got += tracker.forwarded();
            }
            CHECK(tracker.now() == state::done);
            CHECK(got == (tracks ? heard : deaf));
        }
}

TEST_CASE("rows go on as they came, however the bytes come") {
    const auto all = packets({"\x01"sv,
                              "\x03"
                              "def column"sv,
                              "\x01"
                              "1"sv,
                              "\x01"
                              "2"sv,
                              "\xfe\x00\x00\x02\x00\x00\x00"sv});
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
        reply_tracker tracker(modern);
        tracker.begin(command::query);
        tracker.forward_to(modern);
        std::string got;
        for (std::size_t at = 0; at < all.size(); at += piece) {
            tracker.take(std::string_view(all).substr(at, piece));
            got += tracker.forwarded();
        }
        CHECK(tracker.now() == state::done);
        CHECK(got == all);
    }
}
