#include "pool/pool.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "pool/dialect.hpp"
#include "pool/mysql_server.hpp"

namespace ringway::pool {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

/// A waiter of the server's own worker is served before an older one elsewhere, when it has waited at most this much
/// less: moving a connection to another thread costs more than that.
constexpr auto near_enough = std::chrono::microseconds(500);
/// Likewise, when the oldest waiter can only use a connection of another flavour, which costs a login.
constexpr auto flavour_patience = std::chrono::milliseconds(20);
constexpr auto longest_backoff = std::chrono::seconds(15);
/// Of idle connections in a retired pool: clients of the former role may still be there, between two transactions.
constexpr auto retired_idle = std::chrono::seconds(30);

std::atomic<std::uint64_t> next_server_id{1};

}  // namespace

// ---- server ---------------------------------------------------------------------------------------------------------

void server::wire_readable(wire&) {
    if (user)
        user->server_readable(*this);
    else
        home->idle_spoke(*this);
}
void server::wire_drained(wire&) {
    if (user) user->server_drained(*this);
}
void server::wire_broken(wire&) {
    if (user)
        user->server_broken(*this);
    else
        home->idle_spoke(*this);
}

// ---- pool -----------------------------------------------------------------------------------------------------------

pool::pool(pool_name name, std::shared_ptr<const server_target> target, config::pool_limits limits, login_report report)
    : name_(std::move(name)), report_(std::move(report)), target_(std::move(target)), limits_(limits) {}

std::deque<server_ref>& pool::idle_of(worker_link& on) {
    if (idle_.size() <= on.index) {
        idle_.resize(on.index + 1u);
        workers_.resize(on.index + 1u, nullptr);
    }
    workers_[on.index] = &on;
    return idle_[on.index];
}

bool pool::keeps(const server& which) const {
    return !which.doomed && which.target == target_ &&
           (limits_.lifetime.count() == 0 || steady::now() - which.connected < limits_.lifetime) &&
           idle_count_ + leased_ + login_ < limits_.size + limits_.reserve;
}

bool pool::may_open() const {
    const auto all = idle_count_ + leased_ + login_;
    const auto now = steady::now();
    // A server that is in order is asked again for each client, who may have set right meanwhile what was refused.
    const bool asked_for = !waits_.empty() && last_failure_ && is_refusal(*last_failure_);
    if (now < retry_at_ && !asked_for) return false;
    if (all < limits_.size) return true;
    return !waits_.empty() && limits_.reserve > 0 && all < limits_.size + limits_.reserve &&
           now - waits_.front().since >= limits_.reserve_after;
}

server_ref pool::acquire(const std::shared_ptr<waiter>& who, worker_link& on) {
    const std::lock_guard guard(lock_);
    auto& mine = idle_of(on);
    const auto flavour = last_flavour_ = who->wanted_flavour();
    if (waits_.empty())
        if (auto got = take_idle(mine, flavour)) {
            --idle_count_;
            ++leased_;
            return got;
        }
    who->ticket_ = next_ticket_++;
    who->since_ = steady::now();
    waits_.push_back({who, who->ticket_, flavour, who->since_});
    // A server that has just refused us is not asked again before the back-off ends: tell the client now, it may go
    // elsewhere.
    if (last_failure_ && !is_refusal(*last_failure_) && idle_count_ + leased_ + login_ == 0 &&
        steady::now() < retry_at_)
        fail_all(*last_failure_);
    else
        serve();
    return nullptr;
}

bool pool::cancel_wait(waiter& who) {
    const std::lock_guard guard(lock_);
    const auto ticket = std::exchange(who.ticket_, 0);
    waits_.remove_if([&](const wait& entry) { return entry.who.get() == &who && entry.ticket == ticket; });
    return ticket != 0;  // a connection already on its way to it finds the ticket gone, and turns back
}

server_ref pool::take_idle(std::deque<server_ref>& from, std::uint64_t flavour) {
    for (auto it = from.rbegin(); it != from.rend(); ++it) {
        if ((*it)->flavour != flavour) continue;
        auto got = std::move(*it);
        from.erase(std::next(it).base());
        return got;
    }
    return nullptr;
}

server_ref pool::idle_for(worker_link& near, std::uint64_t flavour) {
    auto got = take_idle(idle_of(near), flavour);
    for (auto it = idle_.begin(); !got && it != idle_.end(); ++it) got = take_idle(*it, flavour);
    if (got) --idle_count_;
    return got;
}

/// Closes an idle connection that the oldest waiter cannot use.
bool pool::make_room(std::uint64_t flavour) {
    for (auto& list : idle_)
        for (auto it = list.begin(); it != list.end(); ++it) {
            if ((*it)->flavour == flavour) continue;
            auto gone = std::move(*it);
            list.erase(it);
            --idle_count_;
            close_later(std::move(gone));
            return true;
        }
    return false;
}

/// On its own worker; it has left the idle ones.
void pool::close_later(server_ref gone) {
    gone->doomed = true;
    auto* const loop = gone->on->loop;
    loop->post([gone = std::move(gone)] {
        gone->link.write_command(dialect_of(gone->target->engine).goodbye());
        gone->link.close_after_write();
    });
}

/// Limits and targets hold at once: idle connections of others, and those above the size, are given to nobody.
void pool::close_unfit() {
    for (auto& list : idle_)
        for (auto it = list.begin(); it != list.end();) {
            if ((*it)->target == target_ && idle_count_ + leased_ + login_ <= limits_.size + limits_.reserve) {
                ++it;
                continue;
            }
            auto gone = std::move(*it);
            it = list.erase(it);
            --idle_count_;
            close_later(std::move(gone));
        }
}

void pool::serve() {
    auto under_way = login_;  // each will serve the first who has nothing yet
    for (auto it = waits_.begin(); it != waits_.end();) {
        auto& home = it->who->waiter_home();
        if (auto got = idle_for(home, it->flavour)) {
            auto to = std::move(*it);
            it = waits_.erase(it);
            deliver(std::move(to), std::move(got));
            continue;
        }
        if (under_way > 0) {
            --under_way;
        } else if (may_open() || (idle_count_ > 0 && make_room(it->flavour) && may_open())) {
            start_login(home, it->flavour);
        } else {
            return;
        }
        ++it;
    }
}

void pool::deliver(wait to, server_ref what) {
    ++leased_;
    auto& home = to.who->waiter_home();
    const auto back_to_queue = [self = shared_from_this(), to,
                                what] {  // the connection has ended: the wait goes on, in front
        {
            const std::lock_guard guard(self->lock_);
            self->waits_.push_front(to);
        }
        self->give_back(what);
    };
    const auto arrive = [self = shared_from_this(), to, what, back_to_queue] {
        if (to.who->ticket_ != to.ticket) return self->give_back(what);  // it waits no longer
        if (what->doomed) return back_to_queue();
        to.who->ticket_ = 0;
        to.who->leased(what);
    };
    if (what->on == &home) {
        home.loop->post(arrive);
        return;
    }
    // It leaves its worker's loop there, and joins the other's there: each loop is touched by its own thread only.
    what->on->loop->post([what, &home, arrive, back_to_queue] {
        if (what->doomed) return back_to_queue();
        const int descriptor = what->link.release();
        home.loop->post([what, &home, arrive, descriptor] {
            what->on = &home;
            what->link.adopt(*home.loop, descriptor);
            arrive();
        });
    });
}

void pool::fail_all(const config::fault& why) {
    for (auto& entry : std::exchange(waits_, {})) {
        entry.who->waiter_home().loop->post([entry, why] {
            if (entry.who->ticket_ != entry.ticket) return;
            entry.who->ticket_ = 0;
            entry.who->lease_failed(why);
        });
    }
}

/// Who gets a connection that has become free; end: nobody, the oldest waiter needs a new one in its place.
std::list<pool::wait>::iterator pool::next_for(const server& what) {
    auto first = waits_.begin();
    while (first != waits_.end() && first->flavour != what.flavour) ++first;
    if (first == waits_.end()) return first;
    if (first != waits_.begin() && login_ == 0 && steady::now() - waits_.front().since > flavour_patience)
        return waits_.end();
    if (&first->who->waiter_home() == what.on) return first;
    for (auto it = std::next(first); it != waits_.end() && it->since - first->since <= near_enough; ++it)
        if (it->flavour == what.flavour && &it->who->waiter_home() == what.on) return it;
    return first;
}

void pool::give_back(server_ref back) {
    back->user = nullptr;
    back->client_id = 0;
    std::unique_lock held(lock_);
    --leased_;
    if (!keeps(*back) || back->link.broken() || !back->link.is_open()) {
        serve();
        held.unlock();
        back->link.close_after_write();
        return;
    }
    back->last_used = steady::now();
    const auto next = next_for(*back);
    if (next != waits_.end()) {
        auto to = std::move(*next);
        waits_.erase(next);
        deliver(std::move(to), std::move(back));
        return;
    }
    back->link.rest();
    idle_of(*back->on).push_back(back);
    ++idle_count_;
    if (!waits_.empty()) serve();
    held.unlock();
    back->link.want_read();
}

void pool::discard(server_ref gone) {
    gone->doomed = true;
    gone->user = nullptr;
    gone->link.close_after_write();
    const std::lock_guard guard(lock_);
    --leased_;
    serve();
}

void pool::start_login(worker_link& on, std::uint64_t flavour) {
    ++login_;
    on.loop->post([self = shared_from_this(), &on, target = target_, flavour] {
        auto work = dialect_of(target->engine).log_in(*on.io, target, flavour);
        asio::co_spawn(*on.io, std::move(work),
                       [self, &on, target, flavour](const std::exception_ptr& thrown, server_login login) {
                           if (thrown)
                               login.failure = config::fault{config::fault_kind::cannot_connect,
                                                             "cannot log in to server " + target->address.text(),
                                                             {},
                                                             {}};
                           self->login_done(on, std::move(login), target, flavour);
                       });
    });
}

void pool::login_done(worker_link& on, server_login login, const std::shared_ptr<const server_target>& used,
                      std::uint64_t flavour) {
    if (login.ok()) {
        auto made = std::make_shared<server>();
        made->home = shared_from_this();
        made->on = &on;
        made->target = used;
        made->id = next_server_id.fetch_add(1, std::memory_order_relaxed);
        made->flavour = flavour;
        made->part = std::move(login.part);
        if (used->engine == config::engine::mysql) made->settings = mysql_base_settings();
        made->pid = login.pid;
        made->key = std::move(login.key);
        made->parameters = std::move(login.parameters);
        made->connected = made->last_used = steady::now();
        made->link.open(*on.loop, std::move(*login.socket), made.get());
        if (login.tls) made->link.start_tls(std::move(login.tls));
        if (login.coat) made->link.put_on(std::move(login.coat));
        {
            const std::lock_guard guard(lock_);
            --login_;
            ++leased_;
            failures_ = 0;
            retry_at_ = {};
            last_failure_.reset();
        }
        report_(name_.node, true, {}, false);
        give_back(std::move(made));
        return;
    }
    report_(name_.node, !login.server_sqlstate.empty() && login.server_sqlstate.substr(0, 2) != "57",
            login.failure->message, login.server_sqlstate == "53300");
    const std::lock_guard guard(lock_);
    --login_;
    const auto pause =
        std::min<steady::duration>(longest_backoff, limits_.login_backoff * (1u << std::min(failures_, 6u)));
    ++failures_;
    retry_at_ = steady::now() + pause;
    last_failure_ = login.failure;
    if (idle_count_ + leased_ + login_ == 0) fail_all(*login.failure);
}

void pool::change(std::shared_ptr<const server_target> target, config::pool_limits limits) {
    const std::lock_guard guard(lock_);
    target_ = std::move(target);
    limits_ = limits;
    retry_at_ = {};
    last_failure_.reset();
    close_unfit();
    serve();
}

void pool::renew() {
    const std::lock_guard guard(lock_);
    target_ = std::make_shared<server_target>(*target_);
    close_unfit();
    serve();
}

void pool::retire() {
    const std::lock_guard guard(lock_);
    retired_ = true;
}

void pool::learn(const server_secret& secret) {
    const std::lock_guard guard(lock_);
    if (target_->secret == secret) return;
    auto next = std::make_shared<server_target>(*target_);
    next->secret = secret;
    // Connections opened with the old keys stay: they are the same user's.
    for (auto& list : idle_)
        for (auto& each : list) each->target = next;
    target_ = std::move(next);
    retry_at_ = {};
}

void pool::tend(worker_link& on, steady::time_point now) {
    std::vector<server_ref> old;
    {
        const std::lock_guard guard(lock_);
        auto& mine = idle_of(on);
        const auto least = retired_ ? 0u : limits_.min_idle;
        std::chrono::milliseconds longest = limits_.idle_timeout;
        if (retired_ && (longest.count() == 0 || longest > retired_idle)) longest = retired_idle;
        for (auto it = mine.begin(); it != mine.end();) {
            const auto& each = **it;
            const bool stale = each.target != target_ || each.doomed ||
                               (limits_.lifetime.count() > 0 && now - each.connected >= limits_.lifetime) ||
                               idle_count_ + leased_ > limits_.size + limits_.reserve;
            const bool spare = longest.count() > 0 && now - each.last_used >= longest && idle_count_ + leased_ > least;
            if (stale || spare) {
                old.push_back(std::move(*it));
                it = mine.erase(it);
                --idle_count_;
            } else {
                ++it;
            }
        }
        if (idle_count_ + leased_ + login_ < std::min(least, limits_.size) && now >= retry_at_)
            start_login(on, last_flavour_);
        serve();
    }
    for (auto& each : old) each->link.close_after_write();
}

void pool::close_idle_of(worker_link& on) {
    std::deque<server_ref> mine;
    {
        const std::lock_guard guard(lock_);
        mine.swap(idle_of(on));
        idle_count_ -= static_cast<std::uint32_t>(mine.size());
    }
    for (auto& each : mine) {
        each->link.write_command(dialect_of(each->target->engine).goodbye());
        each->link.close_after_write();
    }
}

void pool::forget() {
    std::vector<std::deque<server_ref>> idle;
    std::list<wait> waits;
    const std::lock_guard guard(lock_);
    idle.swap(idle_);
    waits.swap(waits_);
    idle_count_ = 0;
}

void pool::idle_spoke(server& which) {
    const auto& speaks = dialect_of(which.target->engine);
    std::string_view bytes;
    for (;;) {
        const auto got = which.link.read(bytes);
        if (got == wire::got::would_block) {
            which.link.want_read();
            return;
        }
        const bool fine = got == wire::got::bytes && speaks.idle_bytes(which, bytes);
        if (fine) continue;
        which.doomed = true;
        server_ref gone;
        {
            const std::lock_guard guard(lock_);
            auto& mine = idle_of(*which.on);
            const auto it =
                std::find_if(mine.begin(), mine.end(), [&](const auto& each) { return each.get() == &which; });
            if (it != mine.end()) {
                gone = std::move(*it);
                mine.erase(it);
                --idle_count_;
            }
        }
        if (gone) gone->link.close();
        return;
    }
}

std::shared_ptr<const server_target> pool::target() const {
    const std::lock_guard guard(lock_);
    return target_;
}

config::pool_limits pool::limits() const {
    const std::lock_guard guard(lock_);
    return limits_;
}

pool_figures pool::figures() const {
    const std::lock_guard guard(lock_);
    pool_figures out{idle_count_, leased_, login_, static_cast<std::uint32_t>(waits_.size()), limits_.size, 0};
    if (!waits_.empty())
        out.longest_wait_seconds = std::chrono::duration<double>(steady::now() - waits_.front().since).count();
    return out;
}

std::vector<server_ref> pool::idle_on(const worker_link& on) const {
    const std::lock_guard guard(lock_);
    if (idle_.size() <= on.index) return {};
    return {idle_[on.index].begin(), idle_[on.index].end()};
}

bool pool::unused() const {
    const std::lock_guard guard(lock_);
    const bool wanted = !retired_ && limits_.min_idle > 0 && !(last_failure_ && is_refusal(*last_failure_));
    return idle_count_ + leased_ + login_ == 0 && waits_.empty() && !wanted;
}

bool pool::is_connected() const {
    const std::lock_guard guard(lock_);
    return idle_count_ + leased_ > 0;
}

}  // namespace ringway::pool
