#include "proxy/rebalance/coordinator.hpp"

#include <array>
#include <span>
#include <utility>

namespace ringway::proxy::rebalance {

namespace {

constexpr std::array phase_names{
    std::string_view("clearing"),      std::string_view("preparing"),      std::string_view("copying"),
    std::string_view("catching up"),   std::string_view("arming"),         std::string_view("verifying"),
    std::string_view("cutting over"),  std::string_view("switched"),       std::string_view("undoable"),
    std::string_view("finishing"),     std::string_view("cleaning"),       std::string_view("done"),
    std::string_view("undoing"),       std::string_view("switching back"), std::string_view("switched back"),
    std::string_view("cleaning back"), std::string_view("undone"),         std::string_view("cancelling"),
    std::string_view("cancelled")};

constexpr std::array step_names{std::string_view("none"),           std::string_view("save"),
                                std::string_view("tell_change"),    std::string_view("discard"),
                                std::string_view("prepare"),        std::string_view("copy"),
                                std::string_view("catch_up"),       std::string_view("arm"),
                                std::string_view("verify"),         std::string_view("own_state"),
                                std::string_view("raise_fence"),    std::string_view("drain"),
                                std::string_view("last_catch_up"),  std::string_view("carry_sequences"),
                                std::string_view("mark"),           std::string_view("write_ring"),
                                std::string_view("tell_ring"),      std::string_view("lower_fence"),
                                std::string_view("share_state"),    std::string_view("release"),
                                std::string_view("hold"),           std::string_view("wait_for_readers"),
                                std::string_view("clean"),          std::string_view("forget_change"),
                                std::string_view("remove_journal"), std::string_view("pause")};

constexpr std::array clearing{step::save, step::tell_change, step::discard};
constexpr std::array preparing{step::save, step::tell_change, step::prepare};
constexpr std::array copying{step::save, step::copy};
constexpr std::array catching_up{step::save, step::tell_change, step::catch_up};
constexpr std::array arming{step::save, step::arm};
constexpr std::array verifying{step::save, step::verify};
constexpr std::array cutting_over{step::save,          step::own_state,       step::raise_fence, step::drain,
                                  step::last_catch_up, step::carry_sequences, step::write_ring};
constexpr std::array cutting_over_undoably{step::save,  step::own_state,     step::raise_fence,
                                           step::drain, step::last_catch_up, step::carry_sequences,
                                           step::mark,  step::write_ring};
constexpr std::array switched{step::tell_ring, step::lower_fence, step::share_state, step::save, step::release};
constexpr std::array undoable{step::save, step::hold};
constexpr std::array undoing{step::save, step::catch_up, step::verify};
constexpr std::array finishing{step::save, step::release};
constexpr std::array cleaning{step::save, step::wait_for_readers, step::clean, step::forget_change,
                              step::remove_journal};
constexpr std::array cancelling{step::save, step::discard, step::forget_change, step::remove_journal};
constexpr std::array backing_off_steps{step::share_state, step::lower_fence};  ///< from the last one on

std::span<const step> steps_of(phase what, bool undo) {
    switch (what) {
        case phase::clearing:
            return clearing;
        case phase::preparing:
            return preparing;
        case phase::copying:
            return copying;
        case phase::catching_up:
            return catching_up;
        case phase::arming:
            return arming;
        case phase::verifying:
            return verifying;
        case phase::cutting_over:
            if (undo) return cutting_over_undoably;
            return cutting_over;
        case phase::switching_back:
            return cutting_over;
        case phase::switched:
        case phase::switched_back:
            return switched;
        case phase::undoable:
            return undoable;
        case phase::undoing:
            return undoing;
        case phase::finishing:
            return finishing;
        case phase::cleaning:
        case phase::cleaning_back:
            return cleaning;
        case phase::cancelling:
            return cancelling;
        case phase::done:
        case phase::undone:
        case phase::cancelled:
            break;
    }
    return {};
}

phase after(phase what, bool undo) {
    switch (what) {
        case phase::clearing:
            return phase::preparing;
        case phase::preparing:
            return phase::copying;
        case phase::copying:
            return phase::catching_up;
        case phase::catching_up:
            return undo ? phase::arming : phase::verifying;
        case phase::arming:
            return phase::verifying;
        case phase::verifying:
            return phase::cutting_over;
        case phase::cutting_over:
            return phase::switched;
        case phase::switched:
            return undo ? phase::undoable : phase::cleaning;
        case phase::undoable:
            return phase::finishing;
        case phase::finishing:
            return phase::cleaning;
        case phase::cleaning:
            return phase::done;
        case phase::undoing:
            return phase::switching_back;
        case phase::switching_back:
            return phase::switched_back;
        case phase::switched_back:
            return phase::cleaning_back;
        case phase::cleaning_back:
            return phase::undone;
        case phase::cancelling:
            return phase::cancelled;
        case phase::done:
        case phase::undone:
        case phase::cancelled:
            break;
    }
    return what;
}

/// Nothing of them can be taken back.
bool only_forward(phase what) {
    return what == phase::switched || what == phase::finishing || what == phase::cleaning ||
           what == phase::switched_back || what == phase::cleaning_back || what == phase::cancelling;
}

bool cuts_over(phase what) {
    return what == phase::cutting_over || what == phase::switching_back;
}

}  // namespace

std::string_view name_of(phase what) noexcept {
    return phase_names[static_cast<std::size_t>(what)];
}

bool read_phase(std::string_view name, phase& to) noexcept {
    for (std::size_t i = 0; i < phase_names.size(); ++i)
        if (phase_names[i] == name) {
            to = static_cast<phase>(i);
            return true;
        }
    return false;
}

bool goes_back(phase at) noexcept {
    return at == phase::undoable || at == phase::undoing || at == phase::switching_back || at == phase::switched_back ||
           at == phase::cleaning_back;
}

std::string_view name_of(step what) noexcept {
    return step_names[static_cast<std::size_t>(what)];
}

/// The fence stood in the process that is gone, and so does a snapshot: a copy begins anew, and a cutover that had not
/// happened goes back to the stream.
coordinator::coordinator(phase was, ring_is now, bool undo) : undo_(undo) {
    switch (now) {
        case ring_is::old:
            if (was == phase::preparing || was == phase::copying)
                at_ = phase::clearing;
            else
                at_ = was == phase::clearing || was == phase::cancelling ? was : phase::catching_up;
            break;
        case ring_is::changed:
            if (was == phase::undoing || was == phase::switching_back)
                at_ = phase::undoing;
            else
                at_ =
                    was == phase::undoable || was == phase::finishing || was == phase::cleaning ? was : phase::switched;
            break;
        case ring_is::taken_back:
            at_ = was == phase::cleaning_back ? was : phase::switched_back;
            break;
    }
}

step coordinator::current() const noexcept {
    if (backing_off()) return backing_off_steps[back_ - 1];
    if (stopped_ || over()) return step::none;
    if (pausing_) return step::pause;
    return steps_of(at_, undo_)[index_];
}

void coordinator::enter(phase next) noexcept {
    at_ = next;
    index_ = 0;
    if (only_forward(at_)) given_up_ = 0;
}

void coordinator::advance() {
    if (++index_ < steps_of(at_, undo_).size()) return;
    enter(after(at_, undo_));
}

/// What has streamed back is of no use any more: the new ring stays.
void coordinator::lose_undo() {
    lost_ = "undo is not possible any more: " + reason_;
    reason_.clear();
    stopped_ = pausing_ = false;
    enter(phase::finishing);
}

/// The fence falls first.
void coordinator::give_up_then(phase next) noexcept {
    ++given_up_;
    back_ = backing_off_steps.size();
    then_ = next;
    stop_then_ = false;
}

void coordinator::happened(outcome how, std::string why) {
    const auto was = current();
    if (was == step::none) return;
    if (was == step::pause) {
        pausing_ = false;
        return;
    }
    if (how == outcome::ok) {
        if (was == step::raise_fence) fenced_ = true;
        if (was == step::lower_fence) fenced_ = false;
        if (backing_off()) {
            if (--back_ > 0) return;
            if (then_ == phase::finishing && !lose_then_.empty()) {
                reason_ = std::exchange(lose_then_, {});
                lose_undo();
                return;
            }
            enter(then_);
            stopped_ = std::exchange(stop_then_, false);
            pausing_ = !stopped_ && (then_ == phase::catching_up || then_ == phase::undoing);
            return;
        }
        if (was != step::save && was != step::tell_change && was != step::own_state && was != step::raise_fence) {
            failures_ = 0;
            if (was != step::discard) reason_.clear();
        }
        advance();
        if (cancel_ && at_ != phase::switched) cancel();
        return;
    }
    ++failures_;
    reason_ = std::move(why);
    if (backing_off()) {  // writes must go on: at once again
        return;
    }
    if (only_forward(at_)) {
        // Only forward. Until all have been told, and writes go on, at once; the rest may wait.
        if (how == outcome::stop)
            stopped_ = true;
        else
            pausing_ = was != step::tell_ring && was != step::lower_fence;
        return;
    }
    if (cuts_over(at_)) {
        if (was == step::write_ring && how == outcome::unknown) return;  // asked again until it is known
        const bool forward = at_ == phase::cutting_over;
        if (how == outcome::restart && !forward) lose_then_ = reason_;
        const auto retry = forward ? phase::catching_up : phase::undoing;
        give_up_then(cancel_                   ? phase::cancelling
                     : how != outcome::restart ? retry
                     : forward                 ? phase::clearing
                                               : phase::finishing);
        stop_then_ = how == outcome::stop && !cancel_;
        return;
    }
    if (how == outcome::restart && (at_ == phase::undoable || at_ == phase::undoing)) return lose_undo();
    stopped_ = how == outcome::stop;
    pausing_ = how == outcome::again || (how == outcome::restart && failures_ > 1);
    if (how == outcome::restart || at_ == phase::copying)  // half a copy is none
        enter(phase::clearing);
    else
        index_ = 0;
}

bool coordinator::undo() {
    if (at_ != phase::undoable) return false;
    stopped_ = pausing_ = false;
    enter(phase::undoing);
    return true;
}

bool coordinator::finish() {
    if (at_ != phase::undoable && at_ != phase::undoing && at_ != phase::switching_back) return false;
    if (backing_off()) {
        then_ = phase::finishing;
        stop_then_ = false;
        return true;
    }
    if (at_ == phase::switching_back) {
        if (current() == step::write_ring) return false;
        give_up_then(phase::finishing);
        return true;
    }
    stopped_ = pausing_ = false;
    reason_.clear();
    enter(phase::finishing);
    return true;
}

bool coordinator::cancel() {
    if (at_ == phase::cancelling) return true;
    if (only_forward(at_) || goes_back(at_) || over()) return false;
    if (backing_off()) {
        cancel_ = true;
        then_ = phase::cancelling;
        stop_then_ = false;
        return true;
    }
    if (at_ == phase::cutting_over) {
        if (current() == step::write_ring) return false;
        cancel_ = true;
        give_up_then(phase::cancelling);
        return true;
    }
    stopped_ = pausing_ = false;
    cancel_ = true;
    enter(phase::cancelling);
    return true;
}

void coordinator::resume() noexcept {
    stopped_ = pausing_ = false;
}

}  // namespace ringway::proxy::rebalance
