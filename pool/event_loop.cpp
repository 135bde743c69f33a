#include "pool/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/detail/scheduler.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace ringway::pool {

namespace asio = boost::asio;

namespace {

using reactor = asio::detail::epoll_reactor;
using scheduler = asio::detail::scheduler;
using operations = asio::detail::op_queue<asio::detail::scheduler_operation>;

/// Asio has no call for "wake a descriptor of mine when there is work", which is what one loop inside another needs: an
/// explicit instantiation may name a private member ([temp.spec.general]/6). Should a later Asio rename one, this does
/// not compile.
template <auto Member, typename Tag>
struct opened {
    friend constexpr auto member(Tag /*of*/) { return Member; }
};
// clang-format off
struct descriptor { friend constexpr auto member(descriptor of); };
struct lock { friend constexpr auto member(lock of); };
struct awake { friend constexpr auto member(awake of); };
struct queue { friend constexpr auto member(queue of); };
// clang-format on
template struct opened<&reactor::epoll_fd_, descriptor>;
template struct opened<&scheduler::mutex_, lock>;
template struct opened<&scheduler::task_interrupted_, awake>;
template struct opened<&scheduler::op_queue_, queue>;

/// Runs what is ready, until the scheduler has nothing but its reactor queued, and tells it that the reactor waits (in
/// the outer set): whoever posts next makes the reactor's descriptor readable.
void run_asio(asio::io_context& io) {
    auto& inner = asio::use_service<scheduler>(io);
    for (bool more = true; more;) {
        io.poll();
        const asio::detail::conditionally_enabled_mutex::scoped_lock guard(inner.*member(lock{}));
        operations& queued = inner.*member(queue{});
        auto* const task = queued.front();
        queued.pop();
        more = !queued.empty();
        queued.push(task);
        inner.*member(awake{}) = false;
    }
}

constexpr event_table::ticket asio_ticket = ~event_table::ticket{0};
constexpr event_table::ticket wake_ticket = asio_ticket - 1;
constexpr int events_at_once = 256;

thread_local event_loop* running = nullptr;  ///< on this thread

void add(int set, int descriptor, std::uint32_t events, event_table::ticket which) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = which;
    if (::epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}  // namespace

// ---- event_table ----------------------------------------------------------------------------------------------------

event_table::ticket event_table::add(event_sink& sink) {
    std::uint32_t index = 0;
    if (free_.empty()) {
        index = static_cast<std::uint32_t>(slots_.size());
        slots_.push_back({&sink, 0});
    } else {
        index = free_.back();
        free_.pop_back();
        slots_[index].sink = &sink;
    }
    return (static_cast<ticket>(slots_[index].generation) << 32) | index;
}

void event_table::remove(ticket which) noexcept {
    if (!find(which)) return;
    auto& slot = slots_[which & 0xffffffff];
    slot.sink = nullptr;
    ++slot.generation;
    free_.push_back(static_cast<std::uint32_t>(which));
}

event_sink* event_table::find(ticket which) const noexcept {
    const auto index = static_cast<std::uint32_t>(which);
    if (index >= slots_.size() || slots_[index].generation != which >> 32) return nullptr;
    return slots_[index].sink;
}

// ---- event_loop -----------------------------------------------------------------------------------------------------

event_loop::event_loop() : io_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO), work_(io_.get_executor()) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll_ < 0 || wake_ < 0) throw std::system_error(errno, std::generic_category(), "cannot make an event loop");
    auto& inner = asio::use_service<reactor>(io_);
    inner.init_task();
    add(epoll_, inner.*member(descriptor{}), EPOLLIN, asio_ticket);
    add(epoll_, wake_, EPOLLIN | EPOLLET, wake_ticket);
}

event_loop::~event_loop() {
    ::close(wake_);
    ::close(epoll_);
}

void event_loop::run() {
    running = this;
    epoll_event events[events_at_once];
    run_asio(io_);
    run_posted();
    while (!stopped_) {
        const bool more = !again_.empty() || !own_.empty();
        const int count = ::epoll_wait(epoll_, events, events_at_once, more ? 0 : -1);
        bool asio_ready = false;
        for (int i = 0; i < count; ++i) {
            const auto which = events[i].data.u64;
            const auto what = events[i].events;
            if (which == asio_ticket) {
                asio_ready = true;
                continue;
            }
            if (which == wake_ticket) continue;
            // Looked up for each call: the one before may have closed this connection or any other.
            constexpr std::uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
            if (what & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                if (auto* sink = table_->find(which)) sink->on_writable();
            if (what & (EPOLLIN | ends))
                if (auto* sink = table_->find(which)) sink->on_readable((what & ends) != 0);
        }
        run_posted();
        run_again();
        if (asio_ready) run_asio(io_);
    }
    running = nullptr;
}

void event_loop::stop() {
    stopped_ = true;
}

void event_loop::post(std::function<void()> work) {
    if (running == this) {
        own_.push_back(std::move(work));
        return;
    }
    bool first = false;
    {
        const std::lock_guard guard(lock_);
        first = others_.empty();
        others_.push_back(std::move(work));
    }
    const std::uint64_t one = 1;
    if (first && ::write(wake_, &one, sizeof one) < 0) {
        // Only when its counter is full: then it is readable anyway.
    }
}

void event_loop::run_posted() {
    std::vector<std::function<void()>> now;
    if (!own_.empty()) {
        now.swap(own_);
        for (auto& work : now) work();
        now.clear();
    }
    {
        const std::lock_guard guard(lock_);
        if (others_.empty()) return;
        now.swap(others_);
    }
    for (auto& work : now) work();
}

void event_loop::run_again() {
    if (again_.empty()) return;
    const auto now = std::exchange(again_, {});
    for (const auto which : now)
        if (auto* sink = table_->find(which)) sink->on_again();
}

bool event_loop::watch(int descriptor, event_table::ticket which) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = which;
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void event_loop::unwatch(int descriptor) noexcept {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

}  // namespace ringway::pool
