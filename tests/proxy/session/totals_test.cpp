// One row of aggregates made of each shard's.

#include "proxy/session/totals.hpp"

#include <doctest/doctest.h>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

using namespace ringway::proxy;
namespace pg = ringway::protocol::postgres;
using cells = std::vector<std::optional<std::string>>;

namespace {

constexpr std::uint32_t boolean = 16, int8 = 20, int4 = 23, text = 25, numeric = 1700;

std::string frame(const cells& of) {
    std::string out;
    pg::write_data_row(out, of);
    return out;
}

std::string number(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
    return out;
}

cells row_of(const totals& from) {
    std::string out;
    REQUIRE(from.write(out));
    pg::reader in(std::string_view(out).substr(pg::header_size));
    cells made(static_cast<std::size_t>(in.i16()));
    for (auto& each : made) {
        const auto length = in.i32();
        if (length >= 0) each = std::string(in.bytes(static_cast<std::size_t>(length)));
    }
    CHECK(in.at_end());
    return made;
}

}  // namespace

TEST_CASE("Counts and sums are added; a shard without rows adds nothing") {
    totals all;
    all.begin({{totals::kind::added, true, int8, false},
               {totals::kind::added, false, int8, false},
               {totals::kind::added, false, numeric, false},
               {totals::kind::added, false, int8, true}});
    CHECK_FALSE(all.any());
    CHECK(all.add(frame({"3", "-5", "1.50", "7"})));
    CHECK(all.add(frame({"0", std::nullopt, std::nullopt, std::nullopt})));
    CHECK(all.add(frame({"4", "2", "0.255", "250"})));
    CHECK(all.any());
    using namespace std::string_literals;
    CHECK(row_of(all) == cells{"7", "-3", "1.755", "\0\0\0\0\0\0\1\1"s});
    CHECK(all.add(frame({"1", "9223372036854775807", "0", "0"})));
    CHECK_FALSE(all.add(frame({"1", "9223372036854775807", "0", "0"})));
}

TEST_CASE("Of no rows all is NULL, and a count 0") {
    totals all;
    all.begin({{totals::kind::added, true, int8, false},
               {totals::kind::added, false, numeric, true},
               {totals::kind::all, false, boolean, true}});
    CHECK(all.add(frame({"0", std::nullopt, std::nullopt})));
    CHECK(row_of(all) == cells{"0", std::nullopt, std::nullopt});
}

TEST_CASE("Extremes are compared by their keys and shown as they came") {
    totals all;
    all.begin({{totals::kind::least, false, int4, false}, {totals::kind::greatest, false, text, false}});
    CHECK(all.add(frame({"7", "b", number(7), "b"})));
    CHECK(all.add(frame({"-2", "a", number(static_cast<std::uint32_t>(-2)), "a"})));
    CHECK(all.add(frame({std::nullopt, std::nullopt, std::nullopt, std::nullopt})));
    CHECK(row_of(all) == cells{"-2", "b"});
    CHECK_FALSE(all.add(frame({"1", "a", "x", "a"})));
    CHECK_FALSE(all.add(frame({"1", "a", number(1)})));
    CHECK_FALSE(all.add(frame({"1", "a", std::nullopt, "a"})));
}

TEST_CASE("Booleans and bits are joined") {
    totals all;
    all.begin({{totals::kind::all, false, boolean, false},
               {totals::kind::any, false, boolean, true},
               {totals::kind::bits_and, false, int4, false},
               {totals::kind::bits_or, false, int4, true},
               {totals::kind::bits_xor, false, int8, false}});
    CHECK(all.add(frame({"t", "f", "12", "8", "-1"})));
    CHECK(all.add(frame({"t", "f", "10", "1", "1"})));
    CHECK(row_of(all) == cells{"t", std::string(1, '\0'), "8", number(9), "-2"});
    CHECK(all.add(frame({"f", "t", "-1", std::nullopt, std::nullopt})));
    CHECK(row_of(all) == cells{"f", "\1", "8", number(9), "-2"});
}

TEST_CASE("What a server would have to add or compare is left to it") {
    CHECK(totals::fits(totals::kind::added, numeric, false));
    CHECK_FALSE(totals::fits(totals::kind::added, 701, false));   // double precision
    CHECK_FALSE(totals::fits(totals::kind::added, 1186, false));  // interval
    CHECK_FALSE(totals::fits(totals::kind::greatest, text, false));
    CHECK(totals::fits(totals::kind::greatest, text, true));
    CHECK_FALSE(totals::fits(totals::kind::bits_or, 1560, true));  // bit strings
    CHECK_FALSE(totals::kind_of("avg"));
}
