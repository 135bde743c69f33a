#include "proxy/admin/session.hpp"

#include <doctest/doctest.h>

#include "fake_inventory.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/admin/execute.hpp"

using namespace ringway;
using namespace ringway::proxy::admin;
namespace pg = protocol::postgres;
using tests::fake_inventory;

namespace {

std::string query(std::string_view sql) {
    std::string out;
    pg::write_query(out, sql);
    return out;
}

std::string parse(std::string_view name, std::string_view sql, std::vector<std::uint32_t> types = {}) {
    std::string raw, out;
    for (const auto type : types)
        for (int shift = 24; shift >= 0; shift -= 8) raw.push_back(static_cast<char>(type >> shift & 0xff));
    pg::write_parse(out, name, sql, raw);
    return out;
}

/// Text parameters unless `binary_parameters`; `formats` are the result formats.
std::string bind(std::string_view portal, std::string_view statement,
                 std::vector<std::optional<std::string>> values = {}, std::vector<int> formats = {},
                 bool binary_parameters = false) {
    std::string out;
    pg::writer message(out, 'B');
    message.text(portal).text(statement);
    message.i16(binary_parameters ? 1 : 0);
    if (binary_parameters) message.i16(1);
    message.i16(static_cast<int>(values.size()));
    for (const auto& one : values) {
        message.i32(one ? static_cast<std::int64_t>(one->size()) : -1);
        if (one) message.bytes(*one);
    }
    message.i16(static_cast<int>(formats.size()));
    for (const int one : formats) message.i16(one);
    message.end();
    return out;
}

std::string describe(char kind, std::string_view name) {
    std::string out;
    pg::write_target(out, 'D', kind, name);
    return out;
}

std::string close(char kind, std::string_view name) {
    std::string out;
    pg::write_target(out, 'C', kind, name);
    return out;
}

std::string execute(std::string_view portal, std::int32_t rows = 0) {
    std::string out;
    pg::write_execute(out, portal, rows);
    return out;
}

std::string end_batch() {
    std::string out;
    pg::write_sync(out);
    return out;
}

struct message {
    char type;
    std::string body;
};

std::vector<message> messages_of(std::string_view bytes) {
    std::vector<message> all;
    pg::frame_header header;
    while (pg::read_header(bytes, header) == pg::header_state::ready) {
        REQUIRE(bytes.size() >= header.total());
        all.push_back({header.type, std::string(bytes.substr(pg::header_size, header.body()))});
        bytes.remove_prefix(header.total());
    }
    CHECK(bytes.empty());
    return all;
}

/// The types alone: "1 2 T D C Z".
std::string types_of(std::string_view bytes) {
    std::string out;
    for (const auto& one : messages_of(bytes)) out.push_back(one.type);
    return out;
}

std::string sqlstate_of(std::string_view bytes) {
    for (const auto& one : messages_of(bytes))
        if (one.type == 'E') return std::string(pg::error_sqlstate(one.body));
    return "";
}

/// Cells of every DataRow.
std::vector<row> rows_of(std::string_view bytes) {
    std::vector<row> all;
    for (const auto& one : messages_of(bytes)) {
        if (one.type != 'D') continue;
        pg::reader in(one.body);
        auto& cells = all.emplace_back();
        for (int left = in.i16(); left > 0; --left) {
            const auto length = in.i32();
            cells.push_back(length < 0 ? cell{} : cell(std::string(in.bytes(static_cast<std::size_t>(length)))));
        }
        CHECK(in.ok());
    }
    return all;
}

/// A session whose pending commands are run at once.
struct talk {
    fake_inventory of;
    executor commands{of, tests::wall_now};
    session with;
    std::string out;

    std::string say(std::string_view bytes) {
        out.clear();
        with.feed(bytes, out);
        settle();
        return out;
    }
    std::string say_byte_by_byte(std::string_view bytes) {
        out.clear();
        for (const char c : bytes) {
            with.feed({&c, 1}, out);
            settle();
        }
        return out;
    }
    void settle() {
        while (const auto* what = with.pending()) {
            const command copy = *what;
            with.complete(commands.run(copy, tests::test_now), out);
        }
    }
};

std::string last_status(std::string_view bytes) {
    const auto all = messages_of(bytes);
    return !all.empty() && all.back().type == 'Z' ? all.back().body : "";
}

}  // namespace

TEST_CASE("admin session: a greeting that drivers accept") {
    std::string out;
    write_greeting(out, 7, "abcd", "psql");
    const auto all = messages_of(out);
    CHECK(all.front().type == 'R');
    CHECK(all.back().type == 'Z');
    CHECK(all[all.size() - 2].type == 'K');
    bool version = false;
    for (const auto& one : all)
        version = version || (one.type == 'S' && one.body.starts_with(std::string("server_version\0", 15)));
    CHECK(version);
}

TEST_CASE("admin session: simple query, several statements, empty, error stops") {
    talk t;
    CHECK(types_of(t.say(query("SHOW VERSION"))) == "TDCZ");
    CHECK(types_of(t.say(query("SHOW VERSION; PAUSE shop; SELECT 1;"))) == "TDCCTDCZ");
    CHECK(t.of.done == std::vector<std::string>{"pause shop"});
    CHECK(types_of(t.say(query(" ;"))) == "IZ");
    CHECK(types_of(t.say(query("PAUSE; KILL nobody; RESUME"))) == "CEZ");
    CHECK(t.of.done.back() == "pause ");
    CHECK(sqlstate_of(t.say(query("KILL nobody"))) == "3D000");
    // A text with a mistake anywhere does nothing at all.
    CHECK(types_of(t.say(query("RESUME; SHWO"))) == "EZ");
    CHECK(t.of.done.back() == "pause ");
    CHECK(sqlstate_of(t.say(query("SHOW KEY shop users $1"))) == "42601");
}

TEST_CASE("admin session: replies wait for the pending command, in order") {
    talk t;
    std::string out;
    t.with.feed(query("PAUSE; SHOW VERSION") + query("SELECT 1") + parse("", "RESUME"), out);
    REQUIRE(t.with.pending());
    CHECK(t.with.pending()->what == command::verb::pause);
    CHECK(out.empty());
    t.with.complete(table{{}, {}, "PAUSE"}, out);
    CHECK(types_of(out) == "C");
    REQUIRE(t.with.pending());
    CHECK(t.with.pending()->about == subject::version);
    t.with.complete(t.commands.run(*t.with.pending()), out);
    CHECK(types_of(out) == "CTDCZTDCZ1");
    CHECK_FALSE(t.with.pending());
}

TEST_CASE("admin session: warnings come before the end of their command") {
    talk t;
    t.of.for_restart = {"workers stay"};
    CHECK(types_of(t.say(query("RELOAD"))) == "NCZ");
    CHECK(types_of(t.say(parse("", "RELOAD") + bind("", "") + execute("") + end_batch())) == "12NCZ");
}

TEST_CASE("admin session: a flood behind a pending command asks for a stop") {
    talk t;
    std::string out;
    t.with.feed(query("PAUSE"), out);
    CHECK(t.with.wants_input());
    t.with.feed(std::string(session::high_mark, 'Q'), out);
    CHECK_FALSE(t.with.wants_input());
}

TEST_CASE("admin session: one long message is read to its end") {
    talk t;
    const auto bytes = query("SHOW VERSION;" + std::string(2 * session::high_mark, ' '));
    std::string out;
    t.with.feed(std::string_view(bytes).substr(0, bytes.size() - 1), out);
    CHECK(t.with.wants_input());
    CHECK(out.empty());
    CHECK(types_of(t.say(bytes.substr(bytes.size() - 1))) == "TDCZ");
}

TEST_CASE("admin session: the extended protocol, split at every byte") {
    const auto bytes = parse("s", "SHOW VERSION") + describe('S', "s") + bind("", "s") + describe('P', "") +
                       execute("") + close('S', "s") + end_batch() + query("SHOW LAG");
    talk whole, split;
    const auto expected = whole.say(bytes);
    CHECK(types_of(expected) == "1tT2TDC3ZTDDDDDDCZ");
    CHECK(split.say_byte_by_byte(bytes) == expected);
}

TEST_CASE("admin session: binary results of every type") {
    talk t;
    // SHOW CLIENTS: timestamptz in column 9, int8 in 20; SHOW POOLS: bool; SHOW RING: float8; SHOW KEY: numeric.
    const auto clients = rows_of(t.say(parse("", "SHOW CLIENTS") + bind("", "", {}, {1}) + execute("") + end_batch()));
    REQUIRE(clients.size() == 2);
    CHECK(*clients[0][1] == "alice");
    REQUIRE(clients[0][9]->size() == 8);
    const auto micros = static_cast<std::int64_t>(std::uint64_t{pg::load32(clients[0][9]->data())} << 32 |
                                                  pg::load32(clients[0][9]->data() + 4));
    CHECK(micros == postgres_microseconds("2026-03-04 04:59:00.000006+00"));
    CHECK(*clients[0][20] == std::string("\0\0\0\0\0\0\0\x29", 8));
    CHECK_FALSE(clients[0][10]);

    const auto pools = rows_of(t.say(parse("", "SHOW POOLS") + bind("", "", {}, {1}) + execute("") + end_batch()));
    CHECK(*pools[0].back() == std::string("\1", 1));

    const auto ring = rows_of(t.say(parse("", "SHOW RING app") + bind("", "", {}, {1}) + execute("") + end_batch()));
    CHECK(*ring[0][4] == std::string("\x3f\xf0\0\0\0\0\0\0", 8));
    CHECK(*rows_of(t.say(parse("", "SELECT 258") + bind("", "", {}, {1}) + execute("") + end_batch()))[0][0] ==
          std::string("\0\0\1\2", 4));

    const auto mixed = rows_of(t.say(parse("", "SHOW LISTS") + bind("", "", {}, {0, 1}) + execute("") + end_batch()));
    CHECK(*mixed[0][0] == "databases");
    CHECK(*mixed[0][1] == std::string("\0\0\0\0\0\0\0\2", 8));
}

TEST_CASE("admin session: RowDescription of a portal tells its formats") {
    talk t;
    const auto all =
        messages_of(t.say(parse("", "SHOW LISTS") + bind("", "", {}, {0, 1}) + describe('P', "") + end_batch()));
    REQUIRE(all.size() == 4);
    pg::reader in(all[2].body);
    REQUIRE(in.i16() == 2);
    CHECK(in.text() == "list");
    in.bytes(6);
    CHECK(in.i32() == 25);
    CHECK(in.i16() == -1);
    in.bytes(4);
    CHECK(in.i16() == 0);
    CHECK(in.text() == "items");
    in.bytes(6);
    CHECK(in.i32() == 20);
    CHECK(in.i16() == 8);
    in.bytes(4);
    CHECK(in.i16() == 1);
    CHECK(in.at_end());
}

TEST_CASE("admin session: parameters as text, as binary integers, and NULL") {
    talk t;
    const auto text =
        rows_of(t.say(parse("k", "SHOW KEY $1 users $2") + bind("", "k", {"shop", "42"}) + execute("") + end_batch()));
    REQUIRE(text.size() == 1);
    CHECK(*text[0][2] == "42");
    const auto described =
        messages_of(t.say(parse("d", "SHOW KEY $1 users $2", {0, 20}) + describe('S', "d") + end_batch()));
    CHECK(described[1].type == 't');
    CHECK(described[1].body == std::string("\0\2\0\0\0\x19\0\0\0\x14", 10));
    const auto binary =
        rows_of(t.say(parse("", "SHOW KEY shop users $1", {20}) +
                      bind("", "", {std::string("\0\0\0\0\0\0\0\x2a", 8)}, {}, true) + execute("") + end_batch()));
    CHECK(binary == text);
    CHECK(sqlstate_of(t.say(bind("", "k", {"shop", std::nullopt}) + execute("") + end_batch())) ==
          config::sqlstate(config::fault_kind::no_key));
    CHECK(sqlstate_of(t.say(parse("", "PAUSE $1") + bind("", "", {std::nullopt}) + execute("") + end_batch())) ==
          "22023");
    CHECK(t.of.done.empty());
    CHECK(sqlstate_of(t.say(parse("", "SHOW KEY shop users $1", {20}) + bind("", "", {"abc"}, {}, true) +
                            end_batch())) == "0A000");
    CHECK(sqlstate_of(t.say(parse("", "SHOW KEY shop users $1", {1700}) + bind("", "", {"abc"}, {}, true) +
                            end_batch())) == "0A000");
    CHECK(sqlstate_of(t.say(bind("", "k", {"shop"}) + end_batch())) == "08P01");
}

TEST_CASE("admin session: row limits suspend a portal") {
    talk t;
    t.say(query("BEGIN"));
    CHECK(types_of(t.say(parse("", "SHOW LAG") + bind("p", "") + execute("p", 4) + end_batch())) == "12DDDDsZ");
    CHECK(types_of(t.say(execute("p", 2) + end_batch())) == "DDsZ");
    CHECK(types_of(t.say(execute("p", 2) + end_batch())) == "CZ");
    CHECK(types_of(t.say(query("COMMIT"))) == "CZ");
    // Outside of a transaction a portal ends at Sync.
    CHECK(types_of(t.say(parse("", "SHOW LAG") + bind("p", "") + execute("p", 4) + end_batch())) == "12DDDDsZ");
    CHECK(sqlstate_of(t.say(execute("p", 2) + end_batch())) == "26000");
}

TEST_CASE("admin session: an error inside a pipeline skips to Sync") {
    talk t;
    const auto out =
        t.say(parse("", "SHOW VERSION") + bind("", "") + execute("") + parse("", "SHWO") + bind("", "") + execute("") +
              query("PAUSE") + end_batch() + parse("", "SELECT 1") + bind("", "") + execute("") + end_batch());
    CHECK(types_of(out) == "12DCEZ12DCZ");
    CHECK(t.of.done.empty());
    CHECK(sqlstate_of(t.say(bind("", "nothing") + end_batch())) == "26000");
    CHECK(sqlstate_of(t.say(parse("", "PAUSE; RESUME") + end_batch())) == "42601");
    CHECK(types_of(t.say(parse("", "KILL nobody") + bind("", "") + execute("") + execute("") + end_batch())) == "12EZ");
    CHECK(types_of(t.say(parse("", "") + bind("", "") + execute("") + end_batch())) == "12IZ");
    CHECK(types_of(t.say(parse("", "PAUSE") + describe('S', "") + bind("", "") + describe('P', "") + execute("") +
                         end_batch())) == "1tn2nCZ");
}

TEST_CASE("admin session: prepared statements by name") {
    talk t;
    CHECK(types_of(t.say(parse("a", "SELECT 1") + end_batch())) == "1Z");
    CHECK(sqlstate_of(t.say(parse("a", "SELECT 1") + end_batch())) == "42P05");
    CHECK(types_of(t.say(query("DEALLOCATE a"))) == "CZ");
    CHECK(sqlstate_of(t.say(query("DEALLOCATE a"))) == "26000");
    CHECK(types_of(t.say(parse("a", "SELECT 1") + parse("b", "SELECT 2") + end_batch())) == "11Z");
    CHECK(types_of(t.say(query("DISCARD ALL"))) == "CZ");
    CHECK(sqlstate_of(t.say(bind("", "b") + end_batch())) == "26000");
    for (std::size_t i = 0; i < session::max_statements; ++i)
        t.say(parse("s" + std::to_string(i), "SELECT 1") + end_batch());
    CHECK(sqlstate_of(t.say(parse("one more", "SELECT 1") + end_batch())) == "54000");
    CHECK(types_of(t.say(close('S', "s0") + parse("one more", "SELECT 1") + end_batch())) == "31Z");
}

TEST_CASE("admin session: transactions as a server tells of them") {
    talk t;
    CHECK(last_status(t.say(query("BEGIN"))) == "T");
    CHECK(types_of(t.say(query("BEGIN"))) == "NCZ");
    CHECK(last_status(t.say(query("SHOW VERSION"))) == "T");
    CHECK(last_status(t.say(query("KILL nobody"))) == "E");
    CHECK(sqlstate_of(t.say(query("SHOW VERSION"))) == "25P02");
    const auto ended = t.say(query("COMMIT"));
    CHECK(last_status(ended) == "I");
    CHECK(ended.find("ROLLBACK") != std::string::npos);
    CHECK(types_of(t.say(query("COMMIT"))) == "NCZ");
    CHECK(last_status(t.say(query("BEGIN") + parse("", "SHWO") + end_batch())) == "E");
    CHECK(last_status(t.say(query("ROLLBACK"))) == "I");
}

TEST_CASE("admin session: bytes that are no protocol end it with 08P01") {
    const std::vector<std::string> wrong{
        std::string("Q\0\0\0\3", 5),      // shorter than its own length
        std::string("Q\x7f\0\0\0", 5),    // two gigabytes
        std::string("Q\0\0\0\6ab", 7),    // no zero byte at the end
        std::string("Q\0\0\0\7a\0b", 8),  // a zero byte inside
        std::string("P\0\0\0\5x", 6),
        std::string("B\0\0\0\5x", 6),
        std::string("D\0\0\0\6X\0", 7),
        std::string("E\0\0\0\5x", 6),
        std::string("C\0\0\0\4", 5),
        std::string("B\0\0\0\x0c\0\0\xff\xff\0\0\0\0", 13),  // more formats than there are
        std::string("p\0\0\0\5\0", 6),                       // a password nobody asked for
        std::string("\x16\3\1\2\0", 5),                      // TLS
    };
    for (const auto& bytes : wrong) {
        talk t;
        const auto out = t.say(bytes);
        CHECK(types_of(out) == "E");
        CHECK(sqlstate_of(out) == "08P01");
        CHECK(t.with.closed());
        CHECK(t.say(query("SHOW VERSION")).empty());
    }
    talk t;
    CHECK(sqlstate_of(t.say(parse("", "SHOW LISTS") + bind("", "", {}, {2}) + end_batch())) == "08P01");
    CHECK(sqlstate_of(t.say(parse("", "SHOW LISTS") + bind("", "", {}, {1, 1, 1}) + end_batch())) == "08P01");
    CHECK_FALSE(t.with.closed());
}

TEST_CASE("admin session: Terminate, Flush, FunctionCall, what is left of a COPY") {
    talk t;
    std::string flush, end;
    pg::write_flush(flush);
    pg::write_terminate(end);
    CHECK(types_of(t.say(parse("", "SELECT 1") + flush)) == "1");
    CHECK(types_of(t.say(std::string("F\0\0\0\4", 5))) == "EZ");
    CHECK(t.say(std::string("d\0\0\0\4c\0\0\0\4", 10)).empty());
    CHECK(t.say(end + query("SELECT 1")).empty());
    CHECK(t.with.closed());
}
