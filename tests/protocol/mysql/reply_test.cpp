#include "protocol/mysql/reply.hpp"

#include <doctest/doctest.h>

using namespace ringway::protocol::mysql;
using namespace std::literals;
using kind = session_change::kind;

namespace {

constexpr auto plain = capability::protocol_41 | capability::transactions;
constexpr auto tracking = plain | capability::session_track;

/// What a writer wrote, without its header.
template <class Write, class... Rest>
std::string payload(Write write, Rest... rest) {
    std::string out;
    std::uint8_t sequence = 1;
    write(out, sequence, rest...);
    CHECK(sequence == 2);
    return out.substr(header_size);
}

}  // namespace

TEST_CASE("an OK in each of its forms") {
    ok_reply reply;
    reply.affected_rows = 300;
    reply.last_insert_id = 7;
    reply.status = status::autocommit | status::in_transaction;
    reply.warnings = 2;
    reply.info = "Rows matched: 1";
    CHECK(payload(write_ok, reply, plain, first_byte::ok) == "\0\xfc\x2c\x01\x07\x03\0\x02\0Rows matched: 1"sv);
    CHECK(payload(write_ok, reply, tracking, first_byte::eof) ==
          "\xfe\xfc\x2c\x01\x07\x03\0\x02\0\x0fRows matched: 1"sv);
    CHECK(payload(write_ok, reply, capability::transactions, first_byte::ok) ==
          "\0\xfc\x2c\x01\x07\x03\0Rows matched: 1"sv);
    CHECK(payload(write_ok, reply, 0u, first_byte::ok) == "\0\xfc\x2c\x01\x07Rows matched: 1"sv);
    for (const auto capabilities : {plain, tracking, capability::transactions, capability::flags{0}}) {
        CAPTURE(capabilities);
        const auto bytes = payload(write_ok, reply, capabilities, first_byte::ok);
        const auto got = read_ok(bytes, capabilities);
        REQUIRE(got);
        CHECK(got->affected_rows == 300);
        CHECK(got->last_insert_id == 7);
        CHECK(got->info == "Rows matched: 1");
        CHECK(got->status == (capabilities == 0 ? 0 : 3));
        CHECK(got->warnings == ((capabilities & capability::protocol_41) != 0 ? 2 : 0));
    }
    CHECK(!read_ok("", plain));
    CHECK(!read_ok("\0\0"sv, plain));
    CHECK(!read_ok("\0\0\0\x02\0\0"sv, plain));
    CHECK(!read_ok("\x01\0\0\x02\0\0\0"sv, plain));
}

TEST_CASE("an OK tells what changed in the session") {
    std::string changes;
    write_session_change(changes, {kind::system_variable, "autocommit", "OFF"});
    write_session_change(changes, {kind::schema, "", "shop"});
    write_session_change(changes, {kind::state_change, "", "1"});
    write_session_change(changes, {kind::gtids, "", "3E11FA47-71CA-11E1-9E33-C80AA9429562:23"});
    write_session_change(changes, {kind::transaction_state, "", "T_______"});
    ok_reply reply;
    reply.status = status::autocommit;
    reply.session_state = changes;
    const auto bytes = payload(write_ok, reply, tracking, first_byte::ok);
    const auto got = read_ok(bytes, tracking);
    REQUIRE(got);
    CHECK(got->status == (status::autocommit | status::session_state_changed));
    CHECK(got->info == "");
    std::vector<session_change> read;
    CHECK(read_session_changes(got->session_state, read));
    CHECK(read == std::vector<session_change>{{kind::system_variable, "autocommit", "OFF"},
                                              {kind::schema, "", "shop"},
                                              {kind::state_change, "", "1"},
                                              {kind::gtids, "", "3E11FA47-71CA-11E1-9E33-C80AA9429562:23"},
                                              {kind::transaction_state, "", "T_______"}});
    // A client that does not track is not told that there was something to track.
    const auto untracked = payload(write_ok, reply, plain, first_byte::ok);
    CHECK(read_ok(untracked, plain)->status == status::autocommit);

    CHECK(read_session_changes("", read));
    CHECK(read.empty());
    CHECK(read_session_changes("\x09\x02xx"sv, read));  // a kind of the future
    CHECK(read.empty());
    for (std::size_t n = 1; n < 17; ++n) CHECK(!read_session_changes(std::string_view(changes).substr(0, n), read));
    CHECK(!read_session_changes("\x01\x02\x05x"sv, read));
}

TEST_CASE("an ERR with and without SQLSTATE") {
    const error_reply reply{1064, "42000", "You have an error"};
    const auto bytes = payload(write_error, reply, plain);
    CHECK(bytes == "\xff\x28\x04#42000You have an error");
    CHECK(read_error(bytes)->sqlstate == "42000");
    CHECK(read_error(bytes)->code == 1064);
    CHECK(read_error(bytes)->message == "You have an error");
    CHECK(payload(write_error, reply, 0u) == "\xff\x28\x04You have an error");
    CHECK(payload(write_error, error_reply{1, "", "x"}, plain) == "\xff\x01\0#HY000x"sv);
    const auto early = read_error("\xff\x10\x04Too many connections"sv);
    CHECK(early->sqlstate == "");
    CHECK(early->message == "Too many connections");
    CHECK(!read_error("\xff\x10"sv));
    CHECK(!read_error("\0\x10\x04"sv));
    CHECK(is_progress("\xff\xff\xff\x01\x01\x03\0\0\0"sv));
    CHECK(!is_progress(bytes));
}

TEST_CASE("an EOF") {
    const eof_reply reply{status::autocommit, 5};
    CHECK(payload(write_eof, reply, plain) == "\xfe\x05\0\x02\0"sv);
    CHECK(payload(write_eof, reply, 0u) == "\xfe");
    CHECK(read_eof("\xfe\x05\0\x02\0"sv, plain)->warnings == 5);
    CHECK(read_eof("\xfe\x05\0\x02\0"sv, plain)->status == status::autocommit);
    CHECK(read_eof("\xfe", 0)->status == 0);
    CHECK(!read_eof("\xfe", plain));
    CHECK(!read_eof("\xfe\x05\0\x02\0\0"sv, plain));
}
