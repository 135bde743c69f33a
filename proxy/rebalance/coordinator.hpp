#pragma once
// In which order a rebalance is done, and what follows when something fails: a state machine without sockets, clock and
// files. Who runs it takes current(), does that, and says how it went.
//
//   preparing -> copying -> catching_up -> verifying -> cutting_over -> switched -> cleaning -> done
//
// With a time for undo, what changes behind the cutover streams back meanwhile:
//
//   ... catching_up -> arming -> verifying -> cutting_over -> switched -> undoable -> finishing -> cleaning -> done
//                                                                 undo: \-> undoing -> switching_back -> switched_back
//                                                                           -> cleaning_back -> undone
//
// Each phase is written into the journal before anything of it is done. The moment at which all is decided is the
// replacement of the file with the active ring (write_ring): before it everything may be taken back, after it only
// forward; an undo has such a moment of its own.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::proxy::rebalance {

enum class phase : std::uint8_t {
    clearing,      ///< what an earlier attempt has left on the servers goes
    preparing,     ///< schemas are compared and made, publications too
    copying,       ///< a snapshot of each source is copied
    catching_up,   ///< what has changed since follows
    arming,        ///< what an undo needs is made on the targets
    verifying,     ///< counts and checksums at one position
    cutting_over,  ///< writes to what moves wait; the last changes follow; the ring changes
    switched,      ///< it has: everybody is told, writes go on
    undoable,      ///< what changes on the targets follows on the sources
    finishing,     ///< an undo is not possible any more
    cleaning,      ///< the sources' rows go
    done,
    undoing,         ///< the sources catch up, and are compared
    switching_back,  ///< as cutting_over, the other way
    switched_back,
    cleaning_back,  ///< the targets' rows go
    undone,
    cancelling,
    cancelled,
};
std::string_view name_of(phase what) noexcept;
bool read_phase(std::string_view name, phase& to) noexcept;
/// Changes go from the targets to the sources.
bool goes_back(phase at) noexcept;

enum class step : std::uint8_t {
    none,         ///< it has ended, or has stopped
    save,         ///< the phase into the journal
    tell_change,  ///< everybody: which rows stand where they do not belong
    discard,      ///< everything that was made on the servers, rows that were copied too
    prepare,
    copy,
    catch_up,  ///< until the lag is small
    arm,       ///< slots and publications of the way back
    verify,
    own_state,  ///< no other process serves by the ring's file
    raise_fence,
    drain,          ///< until nobody is writing to what moves, nor is it in doubt
    last_catch_up,  ///< up to the sources' last position
    carry_sequences,
    mark,        ///< from where on changes are to stream back
    write_ring,  ///< the moment
    tell_ring,
    lower_fence,
    share_state,
    release,           ///< slots and publications; those of the way back when it is not possible any more
    hold,              ///< changes stream back, until somebody decides or the time ends
    wait_for_readers,  ///< until nobody works by the old ring
    clean,
    forget_change,  ///< every row stands where it belongs
    remove_journal,
    pause,  ///< a while, then go on
};
std::string_view name_of(step what) noexcept;

enum class outcome : std::uint8_t {
    ok,
    again,    ///< something was lost or not there: later
    restart,  ///< what was copied is of no use any more
    stop,     ///< somebody has to look
    unknown,  ///< of write_ring: it may have been done
};

/// The active ring, beside those of a rebalance.
enum class ring_is : std::uint8_t { old, changed, taken_back };

class coordinator {
  public:
    /// A new one. `undo`: it is to be undoable.
    explicit coordinator(bool undo = false) noexcept : undo_(undo) {}
    /// What a journal has when it is gone on with.
    coordinator(phase was, ring_is now, bool undo = false);

    step current() const noexcept;
    void happened(outcome how, std::string why = {});

    /// False: it is too late.
    bool cancel();
    /// The old ring again. False: it is not possible now.
    bool undo();
    /// No undo any more. False: there is none to give up, or it is too late.
    bool finish();
    /// Goes on after a stop, or at once instead of after a pause.
    void resume() noexcept;

    phase at() const noexcept { return at_; }
    bool stopped() const noexcept { return stopped_; }
    bool over() const noexcept { return at_ == phase::done || at_ == phase::cancelled || at_ == phase::undone; }
    bool fenced() const noexcept { return fenced_; }
    /// Why it waits or has stopped, or had to begin again.
    const std::string& reason() const noexcept { return reason_.empty() ? lost_ : reason_; }
    /// Why an undo is not possible any more, when nobody has decided so.
    const std::string& undo_lost() const noexcept { return lost_; }
    /// Failures since something last went well, or cutovers in a row that were given up: writes wait in each of them,
    /// so they grow rarer although the steps between them succeed.
    unsigned failures() const noexcept { return std::max(failures_, given_up_); }

  private:
    void enter(phase next) noexcept;
    void advance();
    void lose_undo();
    void give_up_then(phase next) noexcept;
    bool backing_off() const noexcept { return back_ != 0; }

    phase at_ = phase::preparing;
    std::size_t index_ = 0;
    unsigned back_ = 0;  ///< steps of giving a cutover up that are left
    phase then_ = phase::catching_up;
    bool undo_ = false;
    bool stopped_ = false, pausing_ = false, fenced_ = false, cancel_ = false, stop_then_ = false;
    unsigned failures_ = 0, given_up_ = 0;
    std::string reason_, lost_, lose_then_;
};

}  // namespace ringway::proxy::rebalance
