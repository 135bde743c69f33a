// Rows of several shards, each in order, as one row after the other in order.

#include "proxy/session/row_merge.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

using namespace ringway::proxy;
namespace pg = ringway::protocol::postgres;

namespace {

constexpr std::uint32_t int4 = 23, text = 25;

std::optional<std::string> binary(std::optional<int> value) {
    if (!value) return std::nullopt;
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>(static_cast<unsigned>(*value) >> shift & 0xFF);
    return out;
}

struct row {
    std::string shown;
    std::optional<int> first;
    std::optional<std::string> second;
};

std::string frame(const row& of) {
    std::string out;
    const std::optional<std::string> cells[] = {of.shown, binary(of.first), of.second};
    pg::write_data_row(out, cells);
    return out;
}

std::string shown(const std::string& frames) {
    std::string out;
    for (std::size_t at = 0; at < frames.size();) {
        const auto length = 1 + pg::load32(frames.data() + at + 1);
        pg::reader in(std::string_view(frames).substr(at + pg::header_size, length - pg::header_size));
        CHECK(in.i16() == 1);
        out += std::string(in.bytes(static_cast<std::size_t>(in.i32()))) + ' ';
        CHECK(in.at_end());
        at += length;
    }
    return out;
}

}  // namespace

TEST_CASE("Rows come in order, whatever the order they arrive in") {
    std::mt19937 dice(3);
    for (int round = 0; round < 200; ++round) {
        const bool down = round % 2, first = round % 3 == 0;
        const auto less = [&](const row& a, const row& b) {
            if (a.first.has_value() != b.first.has_value()) return first ? !a.first : !b.first;
            if (a.first != b.first) return down ? a.first > b.first : a.first < b.first;
            if (a.second.has_value() != b.second.has_value()) return b.second == std::nullopt;
            return a.second < b.second;
        };
        std::vector<std::vector<row>> sources(1 + dice() % 4);
        std::vector<row> all;
        for (auto& source : sources) {
            for (std::size_t i = 0, count = dice() % 20; i < count; ++i) {
                row made{std::to_string(all.size()), std::nullopt, std::nullopt};
                if (dice() % 5) made.first = static_cast<int>(dice() % 7) - 3;
                if (dice() % 5) made.second = std::string(dice() % 3, static_cast<char>(dice() % 2));
                source.push_back(made);
                all.push_back(made);
            }
            std::stable_sort(source.begin(), source.end(), less);
        }
        row_merge merge;
        merge.begin(sources.size(), 1, {{int4, down, first}, {text, false, false}});
        std::string out;
        std::vector<std::size_t> at(sources.size(), 0);
        while (!merge.over()) {
            const auto source = dice() % sources.size();
            if (at[source] < sources[source].size())
                merge.add(source, frame(sources[source][at[source]++]));
            else
                merge.end(source);
            while (merge.take(out)) {
            }
        }
        CHECK_FALSE(merge.broken());
        std::vector<row> expected;
        for (const auto& source : sources) expected.insert(expected.end(), source.begin(), source.end());
        std::stable_sort(expected.begin(), expected.end(), less);
        std::string names;
        for (const auto& each : expected) names += each.shown + ' ';
        CHECK(shown(out) == names);
    }
}

TEST_CASE("Without keys rows are passed as they come, and skipped ones to nobody") {
    row_merge merge;
    merge.begin(2, 3, {});
    merge.add(1, frame({"b", 1, "x"}));
    std::string out;
    CHECK(merge.take(out));
    CHECK(out == frame({"b", 1, "x"}));
    CHECK_FALSE(merge.take(out));
    merge.add(0, frame({"a", 2, "x"}));
    CHECK(merge.skip());
    CHECK_FALSE(merge.over());
    merge.end(0);
    merge.end(1);
    CHECK(merge.over());
}

TEST_CASE("A shard that is ahead is not wanted") {
    row_merge merge;
    merge.begin(2, 1, {{int4, false, false}, {text, false, false}});
    const auto large = frame({std::string(row_merge::most_held, 'x'), 1, "x"});
    merge.add(0, large);
    CHECK_FALSE(merge.wants(0));
    CHECK(merge.wants(1));
    std::string out;
    CHECK_FALSE(merge.take(out));
    merge.end(1);
    CHECK(merge.take(out));
    CHECK(merge.wants(0));
}

TEST_CASE("A row that is not what was described is told") {
    row_merge merge;
    merge.begin(1, 2, {{int4, false, false}, {text, false, false}});
    merge.add(0, frame({"a", 1, "x"}));
    std::string out;
    CHECK_FALSE(merge.take(out));
    CHECK(merge.broken());
}

TEST_CASE("Rows that do not come in order are told, not merged") {
    row_merge merge;
    merge.begin(2, 1, {{int4, false, false}, {text, false, false}});
    merge.add(0, frame({"a", 2, "x"}));
    merge.add(0, frame({"b", 1, "x"}));
    merge.add(1, frame({"c", 3, "x"}));
    std::string out;
    CHECK(merge.take(out));
    CHECK_FALSE(merge.take(out));
    CHECK(merge.unsorted());
}
