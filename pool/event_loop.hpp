#pragma once
// One thread's events: an epoll set of relayed sockets, edge-triggered, beside an Asio io_context for everything else
// (logins, timers, name resolution). A relayed socket is registered once, for both directions, and never again: Asio
// re-arms a descriptor by a system call for each wait, which is a tenth of what a proxied statement costs (ADR 0005).

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace ringway::pool {

/// Told, on the loop's thread, what its descriptor can do since it was last told.
class event_sink {
  public:
    virtual void on_writable() = 0;
    virtual void on_readable(bool ended) = 0;  ///< ended: the peer has closed, or the connection has failed
    virtual void on_again() = 0;               ///< what event_loop::again asked for

  protected:
    ~event_sink() = default;
};

/// Which sink a registration belongs to. Outlives the loop while a registration does.
class event_table {
  public:
    using ticket = std::uint64_t;
    ticket add(event_sink& sink);
    void remove(ticket which) noexcept;
    /// Null once it has been removed.
    event_sink* find(ticket which) const noexcept;

  private:
    struct slot {
        event_sink* sink;
        std::uint32_t generation;
    };
    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_;
};

class event_loop {
  public:
    event_loop();
    ~event_loop();
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;

    boost::asio::io_context& io() noexcept { return io_; }
    void run();                             ///< on the thread that owns the loop from now on, until stop()
    void stop();                            ///< on that thread
    void post(std::function<void()> work);  ///< from any thread; on the loop's own it costs no system call

    // On the loop's thread:
    /// Whether the kernel took the descriptor; `which` is of table().
    bool watch(int descriptor, event_table::ticket which);
    void unwatch(int descriptor) noexcept;  ///< needed only when the descriptor is not closed
    /// Calls on_again in the next round.
    void again(event_table::ticket which) { again_.push_back(which); }
    const std::shared_ptr<event_table>& table() const noexcept { return table_; }

  private:
    void run_posted();
    void run_again();

    std::shared_ptr<event_table> table_ = std::make_shared<event_table>();
    boost::asio::io_context io_;  // sockets and timers are touched on this thread only; post() may come from any
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    int epoll_ = -1, wake_ = -1;
    bool stopped_ = false;
    std::vector<event_table::ticket> again_;
    std::vector<std::function<void()>> own_;  ///< posted on this thread
    std::mutex lock_;
    std::vector<std::function<void()>> others_;  ///< posted from elsewhere; guarded by lock_
};

}  // namespace ringway::pool
