// Rows that several shards lock: described first, kept until all have come, given in their order.

#include "proxy/session/sorted_rows.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

using namespace ringway::proxy;
namespace pg = ringway::protocol::postgres;

namespace {

constexpr std::uint32_t int4 = 23, text = 25, json = 114;

std::string binary(int value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(static_cast<unsigned>(value) >> shift & 0xFF);
    return out;
}

std::string row(std::string_view shown, std::optional<int> key) {
    std::string out;
    const std::optional<std::string> cells[] = {std::string(shown),
                                                key ? std::optional(binary(*key)) : std::optional<std::string>()};
    pg::write_data_row(out, cells);
    return out;
}

sorted_task task() {
    sorted_task out;
    out.own = "SELECT name FROM users ORDER BY id FOR UPDATE";
    out.texts = {"first", "second"};
    out.orders = {{false, false}};
    return out;
}

/// What the server answers to ask(): the client's column, then that and the key.
void describe(sorted_rows& rows, std::uint32_t key) {
    const pg::column own[] = {{"name", text}}, all[] = {{"name", text}, {"_ringway_key_1", key}};
    std::string first, second;
    pg::write_row_description(first, own);
    pg::write_row_description(second, all);
    rows.asked('T', first);
    rows.asked('T', second);
}

std::string shown(std::string_view frames) {
    std::string out;
    while (!frames.empty()) {
        const auto length = 1 + pg::load32(frames.data() + 1);
        pg::reader in(frames.substr(pg::header_size, length - pg::header_size));
        CHECK(in.i16() == 1);
        out += in.bytes(static_cast<std::size_t>(in.i32()));
        out += ' ';
        frames.remove_prefix(length);
    }
    return out;
}

}  // namespace

TEST_CASE("locked rows: the seat is asked for the client's own text too") {
    sorted_rows rows(task());
    CHECK(rows.begins());
    const auto asked = rows.ask();
    CHECK(asked.find("SELECT name FROM users ORDER BY id FOR UPDATE") < asked.find("first"));
    CHECK(asked.find("second") == asked.npos);
    CHECK(asked.ends_with(std::string("S\0\0\0\4", 5)));
    describe(rows, int4);
    CHECK_FALSE(rows.begins());
    CHECK_FALSE(rows.decide());
    CHECK(rows.head().front() == 'T');
    // No parameters; the client's column as text, the key in binary.
    CHECK(rows.part(1).find(std::string("second")) != std::string::npos);
    CHECK(rows.part(1).find(std::string("\0\0\0\0\0\2\0\0\0\1", 10)) != std::string::npos);
}

TEST_CASE("locked rows: in their order, when all have come") {
    sorted_rows rows(task());
    describe(rows, int4);
    REQUIRE_FALSE(rows.decide());
    CHECK(rows.add(0, row("b", 2)));
    CHECK(rows.add(0, row("d", std::nullopt)));
    rows.end(0);
    CHECK(rows.add(1, row("a", -7)));
    CHECK(rows.add(1, row("c", 9)));
    rows.end(1);
    std::string out;
    CHECK_FALSE(rows.give(out));
    CHECK(shown(out) == "a b c d ");
}

TEST_CASE("locked rows: one that was changed while it was waited for comes where it comes") {
    sorted_rows rows(task());
    describe(rows, int4);
    REQUIRE_FALSE(rows.decide());
    CHECK(rows.add(0, row("changed", 5)));
    CHECK(rows.add(0, row("b", 2)));
    rows.end(0);
    rows.end(1);
    std::string out;
    CHECK_FALSE(rows.give(out));
    CHECK(shown(out) == "changed b ");
}

TEST_CASE("locked rows: texts that come in another order are of another collation, maybe") {
    auto by_texts = task();
    by_texts.texts_by_bytes = true;
    sorted_rows rows(std::move(by_texts));
    describe(rows, text);
    REQUIRE_FALSE(rows.decide());
    for (const auto* each : {"b", "a"}) {
        std::string frame;
        const std::optional<std::string> cells[] = {"x", each};
        pg::write_data_row(frame, cells);
        CHECK(rows.add(0, frame));
    }
    rows.end(0);
    rows.end(1);
    std::string out;
    const auto why = rows.give(out);
    REQUIRE(why);
    CHECK(why->message == "a shard's rows came in another order than they are sorted in here");
}

TEST_CASE("locked rows: what cannot be sorted here, or was not asked for") {
    for (const auto type : {text, json}) {
        sorted_rows rows(task());
        describe(rows, type);
        const auto why = rows.decide();
        REQUIRE(why);
        CHECK(why->message == "rows that are locked on several shards cannot be brought into this order");
    }
    sorted_rows formats(task());
    formats.bind_to({}, std::string_view("\0\0\0\0\0\2\0\0\0\1", 10));
    describe(formats, int4);
    REQUIRE(formats.decide());
    sorted_rows extended(task());
    extended.bind_to({}, std::string_view("\0\0\0\0\0\1\0\1", 8));
    describe(extended, int4);
    REQUIRE_FALSE(extended.decide());
    CHECK(extended.head().empty());
    CHECK(extended.part(0).find(std::string("\0\0\0\0\0\2\0\1\0\1", 10)) != std::string::npos);
    sorted_rows silent(task());
    CHECK(silent.decide());
}

TEST_CASE("locked rows: so many are kept") {
    sorted_rows rows(task());
    describe(rows, int4);
    REQUIRE_FALSE(rows.decide());
    const auto long_one = row(std::string(sorted_rows::most_bytes / 2, 'x'), 1);
    CHECK(rows.add(0, long_one));
    CHECK_FALSE(rows.add(1, long_one));
}
