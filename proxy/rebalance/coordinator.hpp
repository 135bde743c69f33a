#pragma once
// In which order a rebalance is done, and what follows when something fails: a state machine without sockets, clock and
// files. Who runs it takes current(), does that, and says how it went.
//
//   preparing -> copying -> catching_up -> verifying -> cutting_over -> switched -> cleaning -> done
//
// Each phase is written into the journal before anything of it is done. The moment at which all is decided is the
// replacement of the file with the active ring (write_ring): before it everything may be taken back, after it only
// forward.

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::proxy::rebalance {

enum class phase : std::uint8_t {
    clearing,      ///< what an earlier attempt has left on the servers goes
    preparing,     ///< schemas are compared and made, publications too
    copying,       ///< a snapshot of each source is copied
    catching_up,   ///< what has changed since follows
    verifying,     ///< counts and checksums at one position
    cutting_over,  ///< writes to what moves wait; the last changes follow; the ring changes
    switched,      ///< it has: everybody is told, writes go on
    cleaning,      ///< the sources' rows go
    done,
    cancelling,
    cancelled,
};
std::string_view name_of(phase what) noexcept;
bool read_phase(std::string_view name, phase& to) noexcept;

enum class step : std::uint8_t {
    none,         ///< it has ended, or has stopped
    save,         ///< the phase into the journal
    tell_change,  ///< everybody: which rows stand where they do not belong
    discard,      ///< everything that was made on the servers, rows that were copied too
    prepare,
    copy,
    catch_up,  ///< until the lag is small
    verify,
    own_state,  ///< no other process serves by the ring's file
    raise_fence,
    drain,          ///< until nobody is writing to what moves, nor is it in doubt
    last_catch_up,  ///< up to the sources' last position
    carry_sequences,
    write_ring,  ///< the moment
    tell_ring,
    lower_fence,
    share_state,
    release,           ///< slots and publications
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

class coordinator {
  public:
    /// A new one.
    coordinator() = default;
    /// What a journal has when it is gone on with; `switched`: the active ring is the new one.
    coordinator(phase was, bool switched);

    step current() const noexcept;
    void happened(outcome how, std::string why = {});

    /// False: it is too late.
    bool cancel();
    /// Goes on after a stop, or at once instead of after a pause.
    void resume() noexcept;

    phase at() const noexcept { return at_; }
    bool stopped() const noexcept { return stopped_; }
    bool over() const noexcept { return at_ == phase::done || at_ == phase::cancelled; }
    bool fenced() const noexcept { return fenced_; }
    /// Why it waits or has stopped, or had to begin again.
    const std::string& reason() const noexcept { return reason_; }
    /// Failures since something last went well.
    unsigned failures() const noexcept { return failures_; }

  private:
    void enter(phase next) noexcept;
    void advance();
    bool backing_off() const noexcept { return back_ != 0; }

    phase at_ = phase::preparing;
    std::size_t index_ = 0;
    unsigned back_ = 0;  ///< steps of giving a cutover up that are left
    phase then_ = phase::catching_up;
    bool stopped_ = false, pausing_ = false, fenced_ = false, cancel_ = false, stop_then_ = false;
    unsigned failures_ = 0;
    std::string reason_;
};

}  // namespace ringway::proxy::rebalance
