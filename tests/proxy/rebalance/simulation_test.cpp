// The coordinator against a small world that it can see only through its steps: several proxies with clients, messages
// that are lost or come late, crashes at every moment. Time, chance and all servers are the seed's.

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "proxy/rebalance/coordinator.hpp"

using namespace ringway::proxy::rebalance;

namespace {

constexpr int keys = 4;

/// A write under way: on the source or on the target.
struct write {
    int key = 0;
    long value = 0;
    bool on_target = false;
    bool sent = false;  ///< past the fence
};

struct proxy {
    ring_is ring = ring_is::old;
    bool fenced = false, knows_change = false;
    std::vector<write> writes;
};

class world {
  public:
    explicit world(unsigned seed) : random_(seed), proxies_(2 + seed % 2), undo_(seed % 3 != 0), coordinator_(undo_) {}

    /// How it ended; what was wrong is in `problem`.
    void run() {
        for (int i = 0; i < keys; ++i) source_[i] = acked_[i] = 0;
        bool cancelled = false;
        for (int turn = 0; turn < 4000 && problem.empty(); ++turn) {
            const auto dice = pick(100);
            if (dice < 45)
                client();
            else if (dice < 92)
                coordinate();
            else if (dice < 95)
                crash_proxy();
            else if (dice < 97)
                crash_coordinator();
            else if (dice < 98 && !cancelled && pick(10) == 0)
                cancelled = coordinator_.cancel();
            else if (dice < 99 && pick(3) == 0)
                coordinator_.undo();
            else if (dice < 99 && pick(10) == 0)
                coordinator_.finish();
            else if (coordinator_.stopped())
                coordinator_.resume();
            look();
            if (coordinator_.over()) break;
        }
        quiet_ = true;
        for (int turn = 0; turn < 5000 && !coordinator_.over() && problem.empty(); ++turn) {
            while (finish_one()) {
            }
            if (coordinator_.stopped()) coordinator_.resume();
            coordinate();
            look();
        }
        if (!problem.empty()) return;
        if (!coordinator_.over()) return fail("it does not end");
        while (finish_one()) {
        }
        look();
        const auto end = coordinator_.at();
        if (ring_ != (end == phase::done     ? ring_is::changed
                      : end == phase::undone ? ring_is::taken_back
                                             : ring_is::old))
            fail("the ring and the end disagree");
        if (end == phase::done && !source_.empty()) fail("rows are left on the source");
        if (end != phase::done && !target_.empty()) fail("rows are left on the target");
        for (const auto& each : proxies_)
            if (each.fenced || each.ring != ring_ || each.knows_change) fail("a proxy was not told");
        if (slot_ || back_slot_ || mark_) fail("a slot is left");
    }

    std::string problem;
    phase end() const { return coordinator_.at(); }

  private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    bool lost() { return !quiet_ && pick(8) == 0; }
    void fail(std::string why) {
        if (problem.empty()) problem = std::move(why);
    }

    // ---- clients ----

    void client() {
        auto& at = proxies_[pick(static_cast<unsigned>(proxies_.size()))];
        if (pick(3) != 0 || at.writes.size() > 2) {
            if (!at.writes.empty()) go_on(at, pick(static_cast<unsigned>(at.writes.size())));
            return;
        }
        const auto key = static_cast<int>(pick(keys));
        for (const auto& each : proxies_)
            for (const auto& other : each.writes)
                if (other.key == key) return;  // one writer a key: who is last is known
        for (const auto& other : orphans_)
            if (other.key == key) return;
        at.writes.push_back({key, ++values_, false, false});
    }

    void go_on(proxy& at, std::size_t index) {
        auto& one = at.writes[index];
        if (!one.sent) {
            if (at.fenced) return;  // waits
            one.on_target = at.ring == ring_is::changed;
            one.sent = true;
            return;
        }
        commit(one);
        acked_[one.key] = one.value;
        at.writes.erase(at.writes.begin() + static_cast<std::ptrdiff_t>(index));
    }

    void commit(const write& what) {
        if (what.on_target) {
            target_[what.key] = what.value;
            back_log_.push_back({what.key, what.value});
        } else {
            source_[what.key] = what.value;
            log_.push_back({what.key, what.value});
        }
    }

    bool finish_one() {
        for (auto& each : proxies_)
            for (std::size_t i = 0; i < each.writes.size(); ++i)
                if (each.writes[i].sent || !each.fenced) {
                    go_on(each, i);
                    return true;
                }
        if (orphans_.empty()) return false;
        end_orphan(0);
        return true;
    }

    /// The servers go on with what a dead proxy has sent: nobody hears of it, and either value is right.
    void end_orphan(std::size_t index) {
        const auto one = orphans_[index];
        orphans_.erase(orphans_.begin() + static_cast<std::ptrdiff_t>(index));
        if (pick(2) != 0) return;
        commit(one);
        acked_[one.key] = one.value;
    }

    /// What a read of any proxy gives is what was acknowledged last.
    void look() {
        if (!orphans_.empty() && pick(3) == 0) end_orphan(pick(static_cast<unsigned>(orphans_.size())));
        for (const auto& each : proxies_)
            for (int key = 0; key < keys; ++key) {
                const auto& there = each.ring == ring_is::changed ? target_ : source_;
                const auto found = there.find(key);
                const bool stale =
                    each.ring != ring_ && told_ == ring_;  // its statement was routed before: as of the cutover
                if (found == there.end()) return fail("a row is lost");
                if (found->second != acked_[key] && !stale) return fail("a read is wrong");
            }
    }

    // ---- the coordinator's steps ----

    void coordinate() {
        const auto what = coordinator_.current();
        if (what == step::none) return;
        if (!quiet_ && pick(12) == 0) {  // done, and the answer lost with the process
            take(what);
            return crash_coordinator();
        }
        const auto how = take(what);
        if (what == step::hold && how == outcome::ok && !quiet_ && pick(60) != 0) return;  // its time is not over
        coordinator_.happened(how, how == outcome::ok ? "" : "the seed");
    }

    template <typename Told>
    outcome tell(const Told& told) {
        bool all = true;
        for (auto& each : proxies_) {
            if (lost()) {
                all = false;
                continue;
            }
            told(each);
            if (pick(6) == 0) told(each);  // twice
            if (lost()) all = false;       // told, but that is not known
        }
        return all ? outcome::ok : outcome::again;
    }

    outcome take(step what) {
        if (!quiet_ && (what == step::prepare || what == step::release || what == step::clean) && lost())
            return outcome::again;
        switch (what) {
            case step::save:
                if (lost()) return outcome::again;
                saved_ = coordinator_.at();
                return outcome::ok;
            case step::tell_change:
                return tell([](proxy& each) { each.knows_change = true; });
            case step::discard:
                if (ring_ != ring_is::old) fail("rows that are owned are thrown away");
                if (!target_.empty() && pick(3) == 0 && !quiet_) {
                    target_.erase(target_.begin());
                    return outcome::again;
                }
                target_.clear();
                slot_.reset();
                back_slot_.reset();
                mark_.reset();
                return outcome::ok;
            case step::prepare:
                return outcome::ok;
            case step::copy:
                if (!target_.empty()) fail("it copies onto rows");
                slot_ = log_.size();
                for (const auto& [key, value] : source_) {
                    if (lost()) return outcome::again;
                    target_[key] = value;
                    back_log_.push_back({key, value});
                }
                return outcome::ok;
            case step::catch_up:
                return back() ? follow_back(pick(5) == 0) : follow(pick(5) == 0);
            case step::arm:
                if (lost()) return outcome::again;
                back_slot_ = back_log_.size();
                return outcome::ok;
            case step::mark:
                for (const auto& each : proxies_)
                    if (!each.fenced) fail("it is marked while a proxy lets writes through");
                if (lost()) return outcome::again;
                mark_ = back_log_.size();
                return outcome::ok;
            case step::hold:
                if (!quiet_ && pick(200) == 0) return pick(2) == 0 ? outcome::restart : outcome::stop;
                return follow_back(false);
            case step::verify:
                if (!quiet_ && pick(30) == 0) return outcome::stop;  // it says so; somebody resumes it
                if (back()) {
                    const auto how = follow_back(true);
                    if (how == outcome::ok && source_ != target_) fail("the way back has lost a change");
                    return how;
                }
                if (!slot_) return outcome::restart;
                return follow(true);
            case step::own_state:
                return lost() ? outcome::again : outcome::ok;
            case step::raise_fence:
                registry_fence_ = true;
                return tell([](proxy& each) { each.fenced = true; });
            case step::drain:
                if (!orphans_.empty()) return outcome::again;
                for (const auto& each : proxies_)
                    for (const auto& one : each.writes)
                        if (one.sent) return outcome::again;
                return outcome::ok;
            case step::last_catch_up:
                return back() ? follow_back(true) : follow(true);
            case step::carry_sequences:
                return lost() ? outcome::again : outcome::ok;
            case step::write_ring:
                return write_ring();
            case step::tell_ring:
                if (ring_ != (back() ? ring_is::taken_back : ring_is::changed))
                    fail("a ring is told that is not written");
                told_ = ring_;
                return tell([this](proxy& each) {
                    each.ring = ring_;
                    each.knows_change = true;
                });
            case step::lower_fence:
                for (const auto& each : proxies_)
                    if (each.ring != ring_) fail("a fence is lowered before all have the new ring");
                registry_fence_ = false;
                return tell([](proxy& each) { each.fenced = false; });
            case step::share_state:
                return outcome::ok;
            case step::release:
                slot_.reset();
                if (undo_ && coordinator_.at() == phase::switched) return outcome::ok;
                back_slot_.reset();
                mark_.reset();
                return outcome::ok;
            case step::wait_for_readers:
                return outcome::ok;
            case step::clean:
                if (ring_ != (back() ? ring_is::taken_back : ring_is::changed)) fail("owned rows are cleaned away");
                for (const auto& each : proxies_) {
                    if (each.ring != ring_) fail("rows are cleaned away that are still read");
                    for (const auto& one : each.writes)
                        if (one.sent && one.on_target == back()) fail("rows are cleaned away that are being written");
                }
                if (slot_ || back_slot_) fail("rows are cleaned away while changes are followed");
                (back() ? target_ : source_).clear();
                return outcome::ok;
            case step::forget_change:
                forgotten_ = true;  // who starts from now on is told so
                return tell([](proxy& each) { each.knows_change = false; });
            case step::remove_journal:
                if (lost()) return outcome::again;
                saved_.reset();
                return outcome::ok;
            case step::none:
            case step::pause:
                break;
        }
        return outcome::ok;
    }

    outcome follow(bool to_the_end) {
        if (!slot_) return outcome::restart;
        while (*slot_ < log_.size()) {
            if (lost()) return pick(20) == 0 ? outcome::restart : outcome::again;
            target_[log_[*slot_].first] = log_[*slot_].second;
            back_log_.push_back(log_[*slot_]);
            ++*slot_;
            if (!to_the_end && pick(2) == 0) break;
        }
        return outcome::ok;
    }

    /// What a slot has not seen is not sent; what came before the mark has come from the source.
    outcome follow_back(bool to_the_end) {
        if (!back_slot_ || !mark_) return outcome::restart;
        if (*mark_ < *back_slot_) fail("the slot is younger than what it is to send");
        while (*mark_ < back_log_.size()) {
            if (lost()) return !quiet_ && pick(20) == 0 ? outcome::restart : outcome::again;
            source_[back_log_[*mark_].first] = back_log_[*mark_].second;
            ++*mark_;
            if (!to_the_end && pick(2) == 0) break;
        }
        return outcome::ok;
    }

    outcome write_ring() {
        const auto next = back() ? ring_is::taken_back : ring_is::changed;
        for (const auto& each : proxies_)
            if (!each.fenced) fail("the ring changes while a proxy lets writes through");
        if (back() ? mark_ != back_log_.size() : slot_ != log_.size())
            fail("the ring changes before the last change has followed");
        if (!back() && undo_ && mark_ != back_log_.size()) fail("the ring changes before it is marked");
        if (lost()) return ring_ == next ? outcome::unknown : outcome::again;
        ring_ = next;
        return lost() ? outcome::unknown : outcome::ok;
    }

    bool back() const { return goes_back(coordinator_.at()); }

    // ---- crashes ----

    void crash_proxy() {
        auto& at = proxies_[pick(static_cast<unsigned>(proxies_.size()))];
        for (const auto& each : at.writes)
            if (each.sent) orphans_.push_back(each);
        // It starts by what is kept: the ring, the journal, and the fence.
        at = {};
        at.ring = ring_;
        at.fenced = registry_fence_;
        at.knows_change = saved_.has_value() && !forgotten_;
    }

    void crash_coordinator() {
        if (coordinator_.over()) return;
        if (!saved_) {  // the operator's command has failed, or nothing is left to do
            coordinator_ = coordinator_.at() == phase::preparing ? coordinator(undo_) : coordinator_;
            return;
        }
        // Its fence falls with it, when everybody has the ring that is kept.
        for (auto& each : proxies_) {
            each.ring = ring_;
            each.fenced = registry_fence_ = false;
        }
        told_ = ring_;
        coordinator_ = coordinator(*saved_, ring_, undo_);
    }

    std::mt19937 random_;
    std::vector<proxy> proxies_;
    std::map<int, long> source_, target_, acked_;
    std::vector<std::pair<int, long>> log_, back_log_;  ///< of the source, and of the target
    std::optional<std::size_t> slot_, back_slot_;
    std::optional<std::size_t> mark_;  ///< how far the source is behind the target
    std::vector<write> orphans_;
    const bool undo_;
    coordinator coordinator_;
    std::optional<phase> saved_;
    ring_is ring_ = ring_is::old, told_ = ring_is::old;
    bool registry_fence_ = false, quiet_ = false, forgotten_ = false;
    long values_ = 0;
};

}  // namespace

TEST_CASE("rebalance: whatever is lost or crashes, no write is lost and no row is read wrong") {
    const char* asked = std::getenv("RINGWAY_SEEDS");
    const unsigned seeds = asked ? static_cast<unsigned>(std::strtoul(asked, nullptr, 10)) : 3000;
    unsigned done = 0, cancelled = 0, undone = 0;
    for (unsigned seed = 0; seed < seeds; ++seed) {
        world one(seed);
        one.run();
        INFO("seed ", seed, ", ", name_of(one.end()));
        REQUIRE(one.problem == "");
        ++(one.end() == phase::done ? done : one.end() == phase::undone ? undone : cancelled);
    }
    CHECK(done > seeds / 4);
    CHECK(undone > seeds / 20);
    CHECK(cancelled > 0);
}

TEST_CASE("rebalance: phases and steps have names, and phases are read by them") {
    for (int i = 0; i <= static_cast<int>(phase::cancelled); ++i) {
        phase read{};
        CHECK(read_phase(name_of(static_cast<phase>(i)), read));
        CHECK(read == static_cast<phase>(i));
    }
    phase ignored{};
    CHECK_FALSE(read_phase("napping", ignored));
    CHECK(name_of(step::pause) == "pause");
    CHECK(name_of(step::write_ring) == "write_ring");
}

TEST_CASE("rebalance: the order of the steps") {
    coordinator one;
    std::string all;
    while (!one.over()) {
        all += std::string(name_of(one.current())) + " ";
        one.happened(outcome::ok);
    }
    CHECK(all ==
          "save tell_change prepare save copy save tell_change catch_up save verify save own_state raise_fence drain "
          "last_catch_up carry_sequences write_ring tell_ring lower_fence share_state save release save "
          "wait_for_readers clean forget_change remove_journal ");
    CHECK_FALSE(one.cancel());
}

TEST_CASE("rebalance: a cutover that cannot drain is given up, and tried again later") {
    coordinator one;
    while (one.current() != step::drain) one.happened(outcome::ok);
    CHECK(one.fenced());
    one.happened(outcome::again, "a transaction is open");
    CHECK(one.current() == step::lower_fence);
    one.happened(outcome::again, "a worker does not answer");
    CHECK(one.current() == step::lower_fence);
    one.happened(outcome::ok);
    CHECK_FALSE(one.fenced());
    CHECK(one.current() == step::share_state);
    one.happened(outcome::ok);
    CHECK(one.at() == phase::catching_up);
    CHECK(one.current() == step::pause);
    for (unsigned given_up = 1; given_up <= 5; ++given_up) {  // the pauses grow, although all between them goes well
        while (one.current() != step::drain) one.happened(outcome::ok);
        CHECK(one.failures() == given_up);
        one.happened(outcome::again, "a transaction is open");
        while (one.current() != step::pause) one.happened(outcome::ok);
    }
    while (one.at() != phase::switched) one.happened(outcome::ok);
    CHECK(one.failures() == 0);
}

TEST_CASE("rebalance: it can be cancelled until the ring is written, and not while that is not known") {
    coordinator one;
    while (one.current() != step::carry_sequences) one.happened(outcome::ok);
    CHECK(one.cancel());
    CHECK(one.current() == step::lower_fence);
    while (!one.over()) one.happened(outcome::ok);
    CHECK(one.at() == phase::cancelled);
    coordinator other;
    while (other.current() != step::write_ring) other.happened(outcome::ok);
    other.happened(outcome::unknown, "the disk is full");
    CHECK(other.current() == step::write_ring);
    CHECK_FALSE(other.cancel());
    CHECK(other.fenced());
}

TEST_CASE("rebalance: after a restart it goes on where that is safe") {
    const auto at = [](phase was, ring_is now) { return coordinator(was, now, true).at(); };
    CHECK(at(phase::preparing, ring_is::old) == phase::clearing);
    CHECK(at(phase::copying, ring_is::old) == phase::clearing);
    CHECK(at(phase::catching_up, ring_is::old) == phase::catching_up);
    CHECK(at(phase::arming, ring_is::old) == phase::catching_up);
    CHECK(at(phase::cutting_over, ring_is::old) == phase::catching_up);
    CHECK(at(phase::cutting_over, ring_is::changed) == phase::switched);
    CHECK(at(phase::undoable, ring_is::changed) == phase::undoable);
    CHECK(at(phase::switching_back, ring_is::changed) == phase::undoing);
    CHECK(at(phase::switching_back, ring_is::taken_back) == phase::switched_back);
    CHECK(at(phase::cleaning_back, ring_is::taken_back) == phase::cleaning_back);
    CHECK(at(phase::finishing, ring_is::changed) == phase::finishing);
    CHECK(at(phase::cleaning, ring_is::changed) == phase::cleaning);
    CHECK(at(phase::cancelling, ring_is::old) == phase::cancelling);
}

namespace {

/// Up to a step, or to the end.
std::string steps_until(coordinator& one, step last) {
    std::string all;
    while (!one.over() && one.current() != last) {
        all += std::string(name_of(one.current())) + " ";
        one.happened(outcome::ok);
    }
    return all;
}

}  // namespace

TEST_CASE("rebalance: with a time for undo it is armed and marked, and taken back by the same steps") {
    coordinator one(true);
    CHECK(
        steps_until(one, step::hold) ==
        "save tell_change prepare save copy save tell_change catch_up save arm save verify save own_state raise_fence "
        "drain last_catch_up carry_sequences mark write_ring tell_ring lower_fence share_state save release save ");
    CHECK_FALSE(one.cancel());
    auto finished = one;
    CHECK(finished.finish());
    CHECK_FALSE(finished.undo());
    CHECK(steps_until(finished, step::none) ==
          "save release save wait_for_readers clean forget_change remove_journal ");
    CHECK(finished.at() == phase::done);
    CHECK(one.undo());
    CHECK(steps_until(one, step::none) ==
          "save catch_up verify save own_state raise_fence drain last_catch_up carry_sequences write_ring tell_ring "
          "lower_fence share_state save release save wait_for_readers clean forget_change remove_journal ");
    CHECK(one.at() == phase::undone);
    CHECK_FALSE(one.undo());
    CHECK_FALSE(one.finish());
}

TEST_CASE("rebalance: an undo that cannot drain is tried again, one that is lost ends, and it can be given up") {
    coordinator one(true);
    steps_until(one, step::hold);
    CHECK(one.undo());
    steps_until(one, step::drain);
    auto lost = one, stopped = one, given_up = one;
    one.happened(outcome::again, "a transaction is open");
    CHECK(one.current() == step::lower_fence);
    steps_until(one, step::pause);
    CHECK(one.at() == phase::undoing);
    CHECK(one.reason() == "a transaction is open");
    lost.happened(outcome::restart, "a table has changed");
    steps_until(lost, step::save);
    CHECK(lost.at() == phase::finishing);
    CHECK(lost.reason() == "undo is not possible any more: a table has changed");
    steps_until(lost, step::none);
    CHECK(lost.undo_lost() == "undo is not possible any more: a table has changed");
    stopped.happened(outcome::stop, "who knows");
    steps_until(stopped, step::none);
    CHECK(stopped.stopped());
    CHECK(stopped.finish());
    CHECK(stopped.at() == phase::finishing);
    CHECK(given_up.finish());
    CHECK(given_up.current() == step::lower_fence);
    steps_until(given_up, step::save);
    CHECK(given_up.at() == phase::finishing);
    CHECK(given_up.reason() == "");
    coordinator late(true);
    steps_until(late, step::hold);
    late.undo();
    steps_until(late, step::write_ring);
    CHECK_FALSE(late.finish());
}
