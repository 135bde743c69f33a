// Answers to clients that keep column definitions (MariaDB's metadata caching), from servers that always send them.
#include <doctest/doctest.h>

#include <vector>

#include "protocol/mysql/reply_tracker.hpp"

using namespace ringway::protocol::mysql;
using namespace std::literals;
using state = reply_tracker::state;

namespace {

constexpr auto plain = capability::protocol_41 | capability::transactions;
constexpr auto modern = plain | capability::deprecate_eof;
constexpr definitions_digest nothing{};

using payloads = std::vector<std::string>;

std::string stream(const payloads& from) {
    std::string out;
    std::uint8_t sequence = 1;
    for (const auto& each : from) writer(out, sequence).bytes(each);
    return out;
}

const std::string eof = "\xfe\0\0\2\0"s, ok_at_end = "\xfe\0\0\2\0\0\0"s, error = "\xff\x15\x04#28000no"s;

payloads definitions(int count) {
    payloads out;
    for (int i = 0; i < count; ++i)
        out.push_back(
            "\x03"
            "def column " +
            std::to_string(i));
    return out;
}

std::string number(std::size_t count) {
    std::string out;
    std::uint8_t sequence = 0;
    writer(out, sequence).lenenc(count);
    return out.substr(header_size);
}

/// A result of two rows; `told`: 0 or 1 as a client hears it, -1: as the server says it.
payloads result(const payloads& columns, capability::flags by, int told) {
    payloads out{number(columns.size())};
    if (told >= 0) out[0] += static_cast<char>(told);
    if (told != 0) out.insert(out.end(), columns.begin(), columns.end());
    const bool with_eof = !capability::has(by, capability::deprecate_eof);
    if (with_eof) out.push_back(eof);
    out.insert(out.end(), {"\0\0row"s, std::string(300, '\1'), with_eof ? eof : ok_at_end});
    return out;
}

struct heard {
    std::string bytes;
    definitions_digest told;
};

heard hear(const std::string& sent, command what, capability::flags by, const definitions_digest& told,
           std::size_t piece) {
    reply_tracker tracker(by);
    tracker.begin(what);
    tracker.forward_to(by | capability::mariadb_cache_metadata);
    tracker.spare_definitions(told);
    std::string got;
    for (std::size_t at = 0; at < sent.size(); at += piece) {
        const auto some = std::string_view(sent).substr(at, piece);
        CHECK(tracker.take(some) == some.size());
        got += tracker.forwarded();
    }
    CHECK(tracker.now() == state::done);
    return {got, tracker.told_definitions()};
}

definitions_digest digest_of(const payloads& columns) {
    payloads prepared{"\0\1\0\0\0"s + static_cast<char>(columns.size() & 0xff) +
                      static_cast<char>(columns.size() >> 8) + "\0\0\0\0\0"s};
    prepared.insert(prepared.end(), columns.begin(), columns.end());
    const auto sent = stream(prepared);
    const auto got = hear(sent, command::stmt_prepare, modern, nothing, sent.size());
    CHECK(got.bytes == sent);
    return got.told;
}

}  // namespace

TEST_CASE("definitions are left out where the client has them, however the bytes come") {
    const auto columns = definitions(3), others = definitions(2);
    const auto known = digest_of(columns), other = digest_of(others);
    CHECK(known != nothing);
    CHECK(known != other);
    for (const auto by : {plain, modern}) {
        const auto sent = stream(result(columns, by, -1));
        for (std::size_t piece = 1; piece <= sent.size(); ++piece) {
            CAPTURE(piece);
            const auto spared = hear(sent, command::stmt_execute, by, known, piece);
            CHECK(spared.bytes == stream(result(columns, by, 0)));
            CHECK(spared.told == known);
            for (const auto& had : {nothing, other}) {
                const auto told = hear(sent, command::stmt_execute, by, had, piece);
                CHECK(told.bytes == stream(result(columns, by, 1)));
                CHECK(told.told == known);
            }
        }
    }
}

TEST_CASE("a prepared statement's definitions go on as they came") {
    payloads prepared{"\0\1\0\0\0\2\0\1\0\0\0\0"s,
                      "\x03"
                      "def parameter"};
    for (const auto& each : definitions(2)) prepared.push_back(each);
    const auto sent = stream(prepared);
    for (std::size_t piece = 1; piece <= sent.size(); ++piece) {
        const auto got = hear(sent, command::stmt_prepare, modern, nothing, piece);
        CHECK(got.bytes == sent);
        CHECK(got.told == digest_of(definitions(2)));
    }
    const auto none = stream({"\0\1\0\0\0\0\0\0\0\0\0\0"s});
    CHECK(hear(none, command::stmt_prepare, modern, nothing, none.size()).told == nothing);
}

TEST_CASE("packets are numbered on, past 255 too") {
    for (const int count : {255, 256, 257, 600}) {
        CAPTURE(count);
        const auto columns = definitions(count);
        const auto known = digest_of(columns);
        for (const auto by : {plain, modern}) {
            const auto sent = stream(result(columns, by, -1));
            for (const std::size_t piece : {std::size_t{7}, std::size_t{1000}, sent.size()}) {
                CHECK(hear(sent, command::stmt_execute, by, known, piece).bytes == stream(result(columns, by, 0)));
                CHECK(hear(sent, command::stmt_execute, by, nothing, piece).bytes == stream(result(columns, by, 1)));
            }
        }
    }
}

TEST_CASE("more than is held back goes on, and nothing is known of it") {
    auto columns = definitions(3);
    columns[1] += std::string(70'000, 'x');
    const auto sent = stream(result(columns, modern, -1));
    for (const std::size_t piece : {std::size_t{5}, std::size_t{1000}, sent.size()}) {
        const auto got = hear(sent, command::stmt_execute, modern, nothing, piece);
        CHECK(got.bytes == stream(result(columns, modern, 1)));
        CHECK(got.told == nothing);
    }
}

TEST_CASE("errors before, among and after definitions") {
    const auto columns = definitions(2);
    const auto known = digest_of(columns);
    const auto whole = result(columns, modern, -1), spared = result(columns, modern, 0),
               told = result(columns, modern, 1);
    const auto cut = [](payloads from, std::size_t packets) {
        from.resize(packets);
        from.push_back(error);
        return stream(from);
    };
    for (std::size_t piece = 1; piece < 40; ++piece) {
        CAPTURE(piece);
        const auto first = hear(stream({error}), command::stmt_execute, modern, known, piece);
        CHECK(first.bytes == stream({error}));
        CHECK(first.told == known);
        const auto among = hear(cut(whole, 2), command::stmt_execute, modern, known, piece);
        CHECK(among.bytes == cut(told, 2));
        CHECK(among.told == nothing);
        const auto after = hear(cut(whole, 4), command::stmt_execute, modern, known, piece);
        CHECK(after.bytes == cut(spared, 2));
        CHECK(after.told == known);
    }
}

TEST_CASE("an OK and further results") {
    const auto columns = definitions(2);
    const auto known = digest_of(columns);
    const auto ok = stream({"\0\0\0\2\0\0\0"s});
    CHECK(hear(ok, command::stmt_execute, modern, known, 3).bytes == ok);
    CHECK(hear(ok, command::stmt_execute, modern, known, 3).told == known);
    auto both = result(columns, modern, -1), heard_both = result(columns, modern, 0);
    both.back() = heard_both.back() = "\xfe\0\0\x0a\0\0\0"s;  // more results
    for (const auto& each : result(columns, modern, -1)) both.push_back(each);
    for (const auto& each : result(columns, modern, 1)) heard_both.push_back(each);
    const auto sent = stream(both);
    for (std::size_t piece = 1; piece <= sent.size(); ++piece)
        CHECK(hear(sent, command::stmt_execute, modern, known, piece).bytes == stream(heard_both));
}

TEST_CASE("other clients, and other commands") {
    const auto columns = definitions(2);
    const auto sent = stream(result(columns, modern, -1));
    for (std::size_t piece = 1; piece <= sent.size(); ++piece) {
        for (const bool keeps : {true, false}) {
            reply_tracker tracker(modern);
            tracker.begin(command::query);
            tracker.forward_to(keeps ? modern | capability::mariadb_cache_metadata : modern);
            std::string got;
            for (std::size_t at = 0; at < sent.size(); at += piece) {
                tracker.take(std::string_view(sent).substr(at, piece));
                got += tracker.forwarded();
            }
            CHECK(got == stream(result(columns, modern, keeps ? 1 : -1)));
        }
    }
}
