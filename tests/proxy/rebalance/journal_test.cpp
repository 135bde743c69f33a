#include "proxy/rebalance/journal.hpp"

#include <doctest/doctest.h>

using namespace ringway;
using namespace ringway::proxy::rebalance;

namespace {

journal sample() {
    journal out;
    out.id = "0badcafe";
    out.at = phase::catching_up;
    out.from.epoch = 3;
    out.from.shards = {{"s0", 1}, {"s1", 1}};
    out.to.epoch = 4;
    out.to.shards = {{"s0", 1}, {"s1", 1}, {"s2", 1}};
    out.notes = {{"identity s0 \"public\".\"a=b\"", "USING INDEX \"x\ny\""},
                 {"made s2 000001", "table public.\\users"}};
    return out;
}

config::cluster cluster() {
    config::cluster out;
    out.name = "shop";
    out.shards = {{"s0", {}, 1}, {"s1", {}, 1}, {"s2", {}, 1}};
    return out;
}

}  // namespace

TEST_CASE("journal: what is written is read, whatever names hold") {
    const auto text = text_of(sample());
    CHECK(read_journal(text) == sample());
    for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(read_journal(text.substr(0, size)));
    CHECK_FALSE(read_journal("nonsense"));
}

TEST_CASE("journal: a time for undo is kept, and where the ring stands") {
    auto plan = sample();
    plan.undo = std::chrono::hours(2);
    CHECK(read_journal(text_of(plan)) == plan);
    plan.undo_until = 1'800'000'000'000;
    plan.at = phase::undoable;
    const auto text = text_of(plan);
    CHECK(read_journal(text) == plan);
    for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(read_journal(text.substr(0, size)));
    CHECK(ring_in(plan, plan.from) == ring_is::old);
    CHECK(ring_in(plan, plan.to) == ring_is::changed);
    const auto undone = taken_back(plan);
    CHECK(ring_in(plan, undone) == ring_is::taken_back);
    CHECK(undone.epoch == 5);
    CHECK(undone.shards == plan.from.shards);
}

TEST_CASE("journal: rows are hidden at the target before the cutover, and at the source after it") {
    const auto plan = sample();
    const auto moves = moves_of(plan, cluster());
    REQUIRE(moves.size() == 2);
    CHECK(moves[0].target == 2);
    const auto before = change_of(plan, cluster(), false), after = change_of(plan, cluster(), true);
    CHECK(before->moving == after->moving);
    CHECK(before->hides_any());
    CHECK(before->hidden[0].empty());
    CHECK(before->hidden[2] == before->moving);
    CHECK(after->hidden[2].empty());
    CHECK(after->hidden[0] == moves[0].where);
    CHECK(after->hidden[1] == moves[1].where);
    CHECK(joining(plan) == std::vector<std::string>{"s2"});
}

TEST_CASE("journal: a ring that stays moves nothing") {
    auto plan = sample();
    plan.to = plan.from;
    CHECK(moves_of(plan, cluster()).empty());
    CHECK_FALSE(change_of(plan, cluster(), false)->hides_any());
}
