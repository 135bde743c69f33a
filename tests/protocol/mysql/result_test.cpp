#include "protocol/mysql/result.hpp"

#include <doctest/doctest.h>

#include "protocol/mysql/reply_tracker.hpp"
#include "tests/protocol/mysql/golden.hpp"

using namespace ringway::protocol::mysql;
using namespace ringway::tests;
using namespace std::literals;

namespace {

struct table {
    std::vector<std::string> packets;
    std::vector<column_definition> columns;
    std::vector<std::string_view> rows;
};

/// The single result in the answer to the command that contains `part`, the `nth` of them.
table result_of(const golden_session& session, std::string_view part, std::size_t nth = 0) {
    for (const auto& exchange : session.exchanges) {
        if (exchange.client.find(part) == std::string::npos || nth-- > 0) continue;
        table out;
        out.packets = messages_of(exchange.server);
        const auto count = static_cast<std::size_t>(out.packets.at(0)[0]);
        std::size_t at = 1;
        const bool defined = out.packets[0].size() == 1 || out.packets[0][1] == 1;
        for (; defined && at <= count; ++at) {
            const auto column = read_column(out.packets.at(at), session.capabilities);
            REQUIRE(column);
            out.columns.push_back(*column);
        }
        if (!capability::has(session.capabilities, capability::deprecate_eof)) ++at;
        for (; at + 1 < out.packets.size(); ++at) out.rows.emplace_back(out.packets[at]);
        return out;
    }
    FAIL("no such command");
    return {};
}

}  // namespace

TEST_CASE("real servers' columns and text rows") {
    for (const auto name : golden_sessions) {
        CAPTURE(name);
        const auto session = read_golden(name);
        const auto got = result_of(session, "SELECT * FROM t ORDER BY id");
        REQUIRE(got.columns.size() == 4);
        CHECK(got.columns[0].name == "id");
        CHECK(got.columns[0].schema == "golden");
        CHECK(got.columns[0].original_table == "t");
        CHECK(got.columns[0].type == field_type::int32);
        CHECK((got.columns[0].flags & column_flag::primary_key) != 0);
        CHECK(got.columns[1].type == field_type::var_string);
        CHECK(got.columns[1].collation == 45);
        CHECK(got.columns[2].type == field_type::datetime);
        CHECK(got.columns[3].type == field_type::new_decimal);
        CHECK(got.columns[3].decimals == 2);
        REQUIRE(got.rows.size() == 3);
        std::vector<text_value> row;
        REQUIRE(read_text_row(got.rows[0], 4, row));
        CHECK(row == std::vector<text_value>{"1", "one", std::nullopt, "1.50"});
        REQUIRE(read_text_row(got.rows[2], 4, row));
        CHECK(row[1] == std::string(300, 'x'));
        CHECK(!read_text_row(got.rows[0], 3, row));
        CHECK(!read_text_row(got.rows[0], 5, row));

        // Written again they are the same bytes.
        std::string again, first;
        std::uint8_t sequence = 2;
        write_column(again, sequence, got.columns[0], session.capabilities);
        CHECK(again.substr(header_size) == got.packets[1]);
        again.clear();
        REQUIRE(read_text_row(got.rows[0], 4, row));
        write_text_row(again, sequence, row);
        CHECK(again.substr(header_size) == got.rows[0]);
    }
}

TEST_CASE("real servers' binary rows") {
    for (const auto name : golden_sessions) {
        CAPTURE(name);
        const auto session = read_golden(name);
        // The first execution of "SELECT id, name, ?, ? FROM t WHERE id = ?".
        const auto got = result_of(session, "\0\1\xfe\0\5\0\3\0\4text"sv);
        REQUIRE(got.columns.size() == 4);
        REQUIRE(got.rows.size() == 1);
        std::vector<binary_value> row;
        REQUIRE(read_binary_row(got.rows[0], got.columns, row));
        CHECK(row[0].integer == 2);
        CHECK(row[1].bytes == "two");
        CHECK(row[2].bytes == "text");
        CHECK(text_of(row[3]) == "-0.5");
        CHECK(!read_binary_row(got.rows[0].substr(1), got.columns, row));
        CHECK(!read_binary_row(got.rows[0].substr(0, got.rows[0].size() - 1), got.columns, row));
    }
}

TEST_CASE("a result of our own is one that the tracker reads") {
    using namespace capability;
    for (const auto capabilities :
         {protocol_41, protocol_41 | deprecate_eof, protocol_41 | deprecate_eof | session_track,
          protocol_41 | mariadb_cache_metadata | mariadb_extended_metadata}) {
        CAPTURE(capabilities);
        column_definition name, value;
        name.name = "name";
        value.name = "value";
        const column_definition columns[] = {name, value};
        std::string bytes;
        std::uint8_t sequence = 1;
        write_result_head(bytes, sequence, columns, 2, capabilities);
        write_text_row(bytes, sequence, std::vector<text_value>{"a", std::nullopt});
        write_text_row(bytes, sequence, std::vector<text_value>{"", "b"});
        write_result_end(bytes, sequence, 2, 1, capabilities);
        reply_tracker tracker(capabilities);
        tracker.begin(command::query);
        CHECK(tracker.take(bytes) == bytes.size());
        CHECK(tracker.now() == reply_tracker::state::done);
        CHECK(tracker.rows() == 2);
        CHECK(tracker.columns() == 2);
        CHECK(tracker.warnings() == 1);
        CHECK(tracker.sequence() + 1 == sequence);
        CHECK(read_column(messages_of(bytes)[2], capabilities)->name == "value");
    }
    CHECK(
        !read_column("\x03"
                     "def",
                     0));
}
