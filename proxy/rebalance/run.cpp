#include "proxy/rebalance/run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iterator>

#include "proxy/rebalance/ring_file.hpp"
#include "proxy/rebalance/state_file.hpp"

namespace ringway::proxy::rebalance {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using config::fault;
using config::fault_kind;

namespace {

constexpr auto longest_pause = 5s, longest_await = 5s, longest_search = 3s;

double milliseconds_since(clock::time_point then) {
    return std::chrono::duration<double, std::milli>(clock::now() - then).count();
}

/// Failure injection, for tests: the process dies before it takes the step that RINGWAY_DIE_BEFORE names, in any phase
/// ("drain") or in one ("switching back/drain").
void die_if_told(phase at, step next) {
    static const char* const told = std::getenv("RINGWAY_DIE_BEFORE");
    if (told && (name_of(next) == told || fmt::format("{}/{}", name_of(at), name_of(next)) == told))
        ::kill(::getpid(), SIGKILL);
}

ring_is ring_now(host& of, const std::string& cluster, const journal& plan) {
    const auto view = of.look_at(cluster);
    return view ? ring_in(plan, view->active) : ring_is::old;
}

}  // namespace

run::run(host& of, std::string cluster, journal plan, const engine_maker& make, bool begun_before)
    : host_(of), cluster_(std::move(cluster)), plan_(std::move(plan)), begun_(clock::now()), phase_begun_(begun_) {
    engine_ = make(cluster_, plan_, [this] { return !save_journal(host_.state_dir(), cluster_, plan_); });
    const bool undo = plan_.undo.count() > 0;
    coordinator_ = begun_before ? coordinator(plan_.at, ring_now(of, cluster_, plan_), undo) : coordinator(undo);
    switched_at_ = begun_;
}

run::~run() {
    stop();
}

void run::start() {
    thread_ = std::thread([this] { work(); });
}

void run::stop() {
    {
        const std::lock_guard guard(lock_);
        stopping_ = true;
        wake_.notify_all();
    }
    engine_->stop();
    if (thread_.joinable()) thread_.join();
}

bool run::is_over() const {
    const std::lock_guard guard(lock_);
    return coordinator_.over();
}

std::optional<fault> run::cancel() {
    const std::lock_guard guard(lock_);
    if (coordinator_.over())
        return fault{fault_kind::invalid_parameter, "there is nothing to cancel", {}, "see SHOW REBALANCE"};
    if (!coordinator_.cancel())
        return fault{fault_kind::invalid_parameter,
                     "it is too late to cancel: the ring has changed",
                     {},
                     coordinator_.at() == phase::undoable
                         ? "UNDO REBALANCE takes it back"
                         : "put the old weights back and send REBALANCE to move the rows back"};
    interrupt();
    return std::nullopt;
}

/// What is under way ends, the coordinator is past it. The lock is held.
void run::interrupt() {
    cancelling_ = woken_ = true;
    wake_.notify_all();
    engine_->stop();
}

std::optional<fault> run::undo() {
    const std::lock_guard guard(lock_);
    if (coordinator_.undo()) {
        interrupt();
        return std::nullopt;
    }
    const auto at = coordinator_.at();
    std::string why = "it cannot be undone", detail,
                hint = "put the old weights back and send REBALANCE to move the rows back";
    if (!coordinator_.undo_lost().empty())
        detail = coordinator_.undo_lost();
    else if (at == phase::undone || at == phase::cancelled || goes_back(at))
        why = at == phase::cancelled ? "it has been cancelled" : "it is being, or has been, undone";
    else if (plan_.undo.count() == 0)
        detail = "undo_time was 0 when it began";
    else if (ring_now(host_, cluster_, plan_) == ring_is::old)
        why = "there is nothing to undo yet: the ring has not changed", hint = "CANCEL REBALANCE ends it";
    else
        detail = at == phase::switched ? "the cutover is not through yet" : "its time is over, or it has been finished";
    return fault{fault_kind::invalid_parameter, why, detail, hint};
}

std::optional<fault> run::await_undo() {
    for (const auto until = clock::now() + longest_await; clock::now() < until; std::this_thread::sleep_for(10ms)) {
        const std::lock_guard guard(lock_);
        if (stopping_ || coordinator_.at() != phase::undoing) break;
        if (coordinator_.stopped() || coordinator_.current() == step::pause) break;
    }
    const std::lock_guard guard(lock_);
    if (!coordinator_.undo_lost().empty())
        return fault{fault_kind::invalid_parameter, coordinator_.undo_lost(), "The new ring stays.",
                     "put the old weights back and send REBALANCE to move the rows back"};
    if (coordinator_.stopped())
        return fault{fault_kind::invalid_parameter, fmt::format("it cannot be undone now: {}", coordinator_.reason()),
                     "The new ring stays.", "RESUME REBALANCE tries again, FINISH REBALANCE gives the undo up"};
    return std::nullopt;
}

std::optional<fault> run::finish() {
    const std::lock_guard guard(lock_);
    if (!coordinator_.finish())
        return fault{fault_kind::invalid_parameter,
                     coordinator_.over() || coordinator_.at() == phase::cleaning ? "there is nothing to finish"
                                                                                 : "it cannot be finished now",
                     {},
                     "see SHOW REBALANCE"};
    interrupt();
    return std::nullopt;
}

bool run::may_be_undone() const {
    const std::lock_guard guard(lock_);
    return coordinator_.at() == phase::undoable;
}

std::chrono::system_clock::time_point run::undo_until() const {
    return std::chrono::system_clock::time_point(std::chrono::milliseconds(plan_.undo_until));
}

void run::resume() {
    const std::lock_guard guard(lock_);
    coordinator_.resume();
    woken_ = true;
    wake_.notify_all();
}

progress run::look() {
    progress out;
    out.cluster = cluster_;
    out.moves = engine_->figures();
    const std::lock_guard guard(lock_);
    out.id = plan_.id;
    out.state = name_of(coordinator_.at());
    if (coordinator_.stopped()) out.state = fmt::format("stopped while {}", out.state);
    out.reason = coordinator_.reason();
    const auto until = coordinator_.over() ? ended_ : clock::now();
    out.seconds = std::chrono::duration<double>(until - begun_).count();
    out.phase_seconds = std::chrono::duration<double>(until - phase_begun_).count();
    out.pause_milliseconds = pause_;
    out.cutovers = cutovers_;
    if (coordinator_.at() == phase::undoable && plan_.undo_until > 0)
        out.undo_seconds =
            std::max(0.0, std::chrono::duration<double>(undo_until() - std::chrono::system_clock::now()).count());
    return out;
}

/// True: woken, or the process ends.
bool run::wait(std::chrono::milliseconds longest) {
    std::unique_lock held(lock_);
    wake_.wait_for(held, longest, [this] { return stopping_ || woken_; });
    return std::exchange(woken_, false) || stopping_;
}

void run::work() {
    for (;;) {
        step next{};
        phase at{};
        unsigned failures = 0;
        {
            const std::lock_guard guard(lock_);
            if (stopping_ || coordinator_.over()) break;
            next = coordinator_.current();
            at = coordinator_.at();
            failures = coordinator_.failures();
            if (std::exchange(cancelling_, false)) engine_->go_on();
        }
        if (next == step::none) {
            if (at != phase::undoable) {
                wait(1h);
                continue;
            }
            wait(1s);  // its time ends all the same
            const std::lock_guard guard(lock_);
            if (std::chrono::system_clock::now() >= undo_until()) coordinator_.finish();
            continue;
        }
        if (next == step::pause) {
            wait(std::min<std::chrono::milliseconds>(500ms * (1u << std::min(failures, 5u)), longest_pause));
            const std::lock_guard guard(lock_);
            if (coordinator_.current() == step::pause) coordinator_.happened(outcome::ok);
            continue;
        }
        die_if_told(at, next);
        const auto taken_up = clock::now();
        auto how = take(next, at);
        if (fenced_at_ != clock::time_point{})
            fmt::format_to(std::back_inserter(fenced_steps_), "{}{} {:.1f}", fenced_steps_.empty() ? "" : ", ",
                           name_of(next), milliseconds_since(std::max(taken_up, fenced_at_)));
        if (!how.ok()) spdlog::warn("rebalance of cluster {}: {}: {}", cluster_, name_of(next), how.why);
        const std::lock_guard guard(lock_);
        if (stopping_) break;
        if (coordinator_.current() != next || coordinator_.at() != at) continue;  // it has been cancelled meanwhile
        coordinator_.happened(how.how, std::move(how.why));
        if (coordinator_.at() != at) {
            phase_begun_ = clock::now();
            spdlog::info("rebalance of cluster {}: {}", cluster_, name_of(coordinator_.at()));
        }
        if (coordinator_.over()) ended_ = clock::now();
    }
    // Who waits goes on while the process ends; not when the ring has changed and not all know of it.
    const auto last = coordinator_.at();
    if (coordinator_.fenced() && last != phase::switched && last != phase::switched_back)
        host_.set_fence(cluster_, false);
}

result run::take(step what, phase at) {
    const auto lately = [](bool ok, std::string_view why) {
        return ok ? result{} : result{outcome::again, std::string(why)};
    };
    const auto view = host_.look_at(cluster_);
    if (!view) return {outcome::again, "the cluster is not configured"};
    const auto in_time = [&](result how) {
        if (how.how == outcome::again && clock::now() >= fenced_at_ + view->config.cutover_timeout)
            how.why.insert(0, "the cutover was given up after cutover_timeout: ");
        return how;
    };
    const bool back = goes_back(at);
    engine_->turn(back);
    switch (what) {
        case step::save: {
            {
                const std::lock_guard guard(lock_);
                plan_.at = at;
                if (at == phase::undoable && plan_.undo_until == 0)
                    plan_.undo_until = std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::system_clock::now().time_since_epoch() + plan_.undo)
                                           .count();
            }
            auto failed = save_journal(host_.state_dir(), cluster_, plan_);
            return failed ? result{outcome::again, std::move(*failed)} : result{};
        }
        case step::tell_change: {
            auto told = lately(host_.publish_ring(cluster_, plan_.from, change_of(plan_, view->config, false)),
                               "not every worker knows of it yet");
            told_at_ = clock::now();
            return told;
        }
        case step::discard:
            return engine_->discard();
        case step::prepare:
            return engine_->prepare();
        case step::copy:
            if (auto ended = wait_for_the_unaware(); !ended.ok()) return ended;
            return engine_->copy();
        case step::catch_up:
            return engine_->catch_up();
        case step::arm:
            return engine_->arm();
        case step::verify:
            return engine_->verify();
        case step::own_state:
            return lately(host_.own_state(), "another process of this proxy still serves clients by the old ring");
        case step::raise_fence: {
            if (auto ended = wait_for_a_moment(view->config.cutover_timeout); !ended.ok()) return ended;
            {
                const std::lock_guard guard(lock_);
                ++cutovers_;
                fenced_at_ = clock::now();
                fenced_steps_.clear();
                undecided_ = false;
            }
            return lately(host_.set_fence(cluster_, true), "not every worker knows of the fence yet");
        }
        case step::drain:
            return drain();
        case step::last_catch_up:
            return in_time(engine_->last_catch_up(fenced_at_ + view->config.cutover_timeout));
        case step::carry_sequences:
            return in_time(engine_->carry_sequences());
        case step::mark:
            return in_time(engine_->mark());
        case step::write_ring:
            return write_ring(back);
        case step::tell_ring:
            switched_at_ = clock::now();
            return lately(host_.publish_ring(cluster_, back ? taken_back(plan_) : plan_.to,
                                             change_of(plan_, view->config, !back)),
                          "not every worker has the new ring yet");
        case step::lower_fence: {
            const bool lowered = host_.set_fence(cluster_, false);
            const std::lock_guard guard(lock_);
            if (fenced_at_ != clock::time_point{}) {
                pause_ = milliseconds_since(fenced_at_);
                spdlog::info("rebalance of cluster {}: writes to moving rows waited for {:.1f} ms ({})", cluster_,
                             pause_, fenced_steps_);
            }
            if (lowered) fenced_at_ = {};  // one that is given up before its fence has no pause
            return lately(lowered, "not every worker knows that the fence is down");
        }
        case step::share_state:
            host_.share_state();
            return {};
        case step::release:
            return engine_->release(at == phase::switched && plan_.undo.count() > 0);
        case step::hold:
            return engine_->hold(undo_until());
        case step::wait_for_readers:
            return wait_for_readers();
        case step::clean:
            return engine_->clean();
        case step::forget_change:
            return lately(host_.publish_ring(cluster_, view->active, nullptr), "not every worker knows of it yet");
        case step::remove_journal: {
            auto failed = remove_journal(host_.state_dir(), cluster_);
            return failed ? result{outcome::again, std::move(*failed)} : result{};
        }
        case step::none:
        case step::pause:
            break;
    }
    return {};
}

/// What was begun before it was known that rows will stand twice would count them so on a shard that serves already.
result run::wait_for_the_unaware() {
    for (;;) {
        const auto view = host_.look_at(cluster_);
        if (!view) return {outcome::again, "the cluster is not configured"};
        const bool all_join = std::none_of(plan_.to.shards.begin(), plan_.to.shards.end(), [&](const auto& each) {
            const auto* before = plan_.from.find(each.name);
            return before && each.weight > before->weight;
        });
        const bool same_weights = std::all_of(plan_.to.shards.begin(), plan_.to.shards.end(), [&](const auto& each) {
            const auto* before = plan_.from.find(each.name);
            return !before || before->weight == each.weight;
        });
        if (all_join && same_weights && plan_.from.exceptions == plan_.to.exceptions) return {};
        const auto look = host_.look_behind_fence(cluster_);
        if (look.complete && look.oldest > told_at_) return {};
        if (wait(20ms)) {
            const std::lock_guard guard(lock_);
            if (stopping_ || cancelling_) return {outcome::again, "it is being stopped"};
        }
    }
}

/// Writes that wait for what takes longer than cutover_timeout wait for nothing. So the fence goes up when nobody
/// writes to what moves, or, where short transactions overlap all the time, when none of them has begun long ago; after
/// longest_search whatever there is.
result run::wait_for_a_moment(std::chrono::milliseconds cutover_timeout) {
    const auto begun = clock::now();
    for (;;) {
        const auto asked = clock::now();
        const auto look = host_.look_behind_fence(cluster_);
        const auto now = clock::now();
        if (now - begun >= longest_search || (look.complete && look.inside == 0)) return {};
        const bool all_young = look.complete && asked - look.inside_since < cutover_timeout / 10;
        if (all_young && now - begun >= longest_search / 2) return {};
        {
            const std::lock_guard guard(lock_);
            if (stopping_ || cancelling_) return {outcome::again, "it is being stopped"};
        }
        std::this_thread::sleep_for(std::max<clock::duration>(2ms, 2 * (now - asked)));
    }
}

/// Until cutover_timeout is over.
result run::drain() {
    const auto view = host_.look_at(cluster_);
    const auto until = fenced_at_ + (view ? view->config.cutover_timeout : 0ms);
    for (;;) {
        std::string why;
        auto look = host_.look_behind_fence(cluster_);
        if (!look.complete) {
            why = "a worker does not answer";
        } else if (look.inside > 0) {
            why = fmt::format("{} transaction{} on rows that move {} still open", look.inside,
                              look.inside == 1 ? "" : "s", look.inside == 1 ? "is" : "are");
        } else {
            auto servers = engine_->quiet(look.pids, until);
            if (servers.how != outcome::again) return servers;
            why = std::move(servers.why);
        }
        {
            const std::lock_guard guard(lock_);
            if (stopping_ || cancelling_) return {outcome::again, "it is being stopped"};
        }
        if (clock::now() >= until)
            return {outcome::again, fmt::format("the cutover was given up after cutover_timeout: {}", why)};
        std::this_thread::sleep_for(1ms);
    }
}

/// The file is the decision: it is not taken late. What it has is asked for when writing it has failed.
result run::write_ring(bool back) {
    const auto view = host_.look_at(cluster_);
    if (view && !undecided_ && clock::now() >= fenced_at_ + view->config.cutover_timeout)
        return {outcome::again,
                "the cutover was given up after cutover_timeout: sequences and positions took too long"};
    const auto from = back ? plan_.to : plan_.from, to = back ? taken_back(plan_) : plan_.to;
    auto failed = save_ring(host_.state_dir(), cluster_, to);
    if (!failed) return {};
    std::string why;
    const auto text = read_state(state_path(host_.state_dir(), "rings", cluster_), why);
    const auto there = text ? read_ring(*text) : std::nullopt;
    undecided_ = !there || *there != from;  // once more, until it is on the disk
    if (!undecided_) return {outcome::again, *failed};
    return {outcome::unknown, *failed};
}

/// What was begun by the old ring may still read the sources' rows.
result run::wait_for_readers() {
    for (;;) {
        const auto view = host_.look_at(cluster_);
        if (!view) return {outcome::again, "the cluster is not configured"};
        const auto look = host_.look_behind_fence(cluster_);
        if (clock::now() >= switched_at_ + view->config.cleanup_delay && look.complete && look.oldest > switched_at_)
            return {};
        if (wait(100ms)) {
            const std::lock_guard guard(lock_);
            if (stopping_) return {outcome::again, "it is being stopped"};
        }
    }
}

}  // namespace ringway::proxy::rebalance
