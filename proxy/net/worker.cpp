#include "proxy/net/worker.hpp"

#include <future>

#include "proxy/net/client_session.hpp"

namespace ringway::proxy {

namespace {
constexpr auto tick_length = std::chrono::milliseconds(50);
constexpr std::uint64_t ticks_a_second = 20;
}  // namespace

worker::worker(std::uint16_t number, process& of, router::shared_plans& shared, std::size_t plan_entries)
    : owner(of), plans(shared, plan_entries), timer_(loop_.io()) {
    index = number;
    loop = &loop_;
    io = &loop_.io();
}

worker::~worker() {
    stop();
}

void worker::start() {
    thread_ = std::thread([this] {
        tick();
        loop_.run();
    });
}

void worker::stop() {
    if (!thread_.joinable()) return;
    post([this] {
        const auto all = sessions;
        for (const auto& entry : all)
            entry.second->end_with(
                {config::fault_kind::shutting_down, "terminating connection: Ringway is shutting down", {}, {}});
        timer_.cancel();
        loop_.stop();
    });
    thread_.join();
}

void worker::post(std::function<void()> work) {
    loop_.post(std::move(work));
}

void worker::add_session(const std::shared_ptr<client_session>& which) {
    sessions.insert_or_assign(which->identity().id, which);
}

void worker::remove_session(client_session& which) {
    const auto it = sessions.find(which.identity().id);
    if (it == sessions.end() || it->second.get() != &which) return;
    watched_.erase(it->second);
    sessions.erase(it);
}

void worker::watch(const std::shared_ptr<client_session>& which) {
    watched_.insert(which);
}

void worker::tick() {
    const auto now = std::chrono::steady_clock::now();
    if (!watched_.empty()) {
        const auto all = std::move(watched_);
        watched_.clear();
        for (const auto& each : all) {
            if (each->needs_ticks()) each->tick(now);
            if (each->needs_ticks()) watched_.insert(each);
        }
    }
    if (++ticks_ % ticks_a_second == 0) owner.tend(*this);
    timer_.expires_after(tick_length);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) tick();
    });
}

cluster_slot* worker::find_slot(const std::string& cluster) {
    const auto it = slots.find(cluster);
    if (it != slots.end()) return it->second.get();
    auto made = owner.make_slot(cluster);  // the "*" cluster serves this name, or nobody does
    if (!made) return nullptr;
    owner.slot_kept(made);
    return slots.emplace(cluster, std::move(made)).first->second.get();
}

}  // namespace ringway::proxy
