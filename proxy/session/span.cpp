#include "proxy/session/span.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "pool/session_settings.hpp"
#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "router/gather.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using merging = span_unit::merging;

namespace {

constexpr int most_failed_leases = 5;
constexpr auto longest_rollback = std::chrono::seconds(5);
constexpr auto longest_unheard_commit = std::chrono::seconds(30);  ///< its client is gone
std::atomic<int> spans{0};

}  // namespace

span::span(span_client& owner, span_start with) : owner_(&owner), with_(std::move(with)) {
    spans.fetch_add(1, std::memory_order_relaxed);
}

span::~span() {
    spans.fetch_sub(1, std::memory_order_relaxed);
    for (const auto& each : wings_) each.on->leave();
}

span::wing* span::wing_of(std::uint16_t shard) {
    for (auto& each : wings_)
        if (each.on->shard == shard) return &each;
    return nullptr;
}

span::wing& span::wing_of(const arm& which) {
    return *wing_of(which.shard);
}

void span::adopt(pool::server_ref from, std::uint16_t shard, int node, pool::settings_ref before, bool wrote,
                 bool locked) {
    auto& made = wings_.emplace_back();
    made.on = std::make_shared<arm>(*this, owner_->span_home(), shard);
    made.on->node = node;
    made.on->status = 'T';
    made.on->take(std::move(from));
    made.on->read_on();
    made.open = true;
    made.wrote = wrote;
    if (locked) note_locks(made);
    made.before = std::move(before);
}

std::vector<std::uint16_t> span::shards() const {
    std::vector<std::uint16_t> out;
    for (const auto& each : wings_)
        if (each.open) out.push_back(each.on->shard);
    return out;
}

int span::under_way() noexcept {
    return spans.load(std::memory_order_relaxed);
}

void span::add_servers(std::vector<const pool::server*>& to) const {
    for (const auto& each : wings_)
        if (each.on->server) to.push_back(each.on->server.get());
}

std::string span::where() const {
    std::string out;
    for (const auto& each : wings_)
        if (each.on->server) out += (out.empty() ? "" : ", ") + each.on->server->target->address.text();
    return out;
}

bool span::wrote_on_several() const noexcept {
    return std::count_if(wings_.begin(), wings_.end(), [](const wing& each) { return each.wrote; }) > 1;
}

bool span::wrote() const noexcept {
    return std::any_of(wings_.begin(), wings_.end(), [](const wing& each) { return each.wrote; });
}

void span::remember(std::string statement) {
    with_.history.push_back(std::move(statement));
}

void span::change_settings(pool::settings_ref now) {
    with_.settings = now;
    for (auto& each : wings_)
        if (each.open) each.on->server->settings = now;
}

void span::fail() {
    failed_ = true;
}

// ---- shards join ----------------------------------------------------------------------------------------------------

void span::run(span_unit unit) {
    const auto keep = shared_from_this();
    unit_ = std::move(unit);
    tag_.clear();
    error_.clear();
    header_.clear();
    rows_.clear();
    added_ = 0;
    copying_ = copy_headed_ = false;
    locked_ = locking::none;
    copies_ready_ = 0;
    verdict_.reset();
    for (auto& each : wings_) each.takes_copy = false;
    failed_leases_ = 0;
    asked_ = std::chrono::steady_clock::now();
    stage_ = stage::joining;
    if (with_.one_writer && would_write_on_several()) return fail_unit(two_writers());
    join();
}

/// As far as it is known before: of rows that are brought to their shards it is seen afterwards.
bool span::would_write_on_several() const {
    std::vector<std::uint16_t> writers;
    for (const auto& each : wings_)
        if (each.wrote) writers.push_back(each.on->shard);
    if (unit_.writes)
        for (const auto& part : unit_.parts) writers.push_back(part.shard);
    return std::any_of(writers.begin(), writers.end(), [&](std::uint16_t each) { return each != writers.front(); });
}

config::fault two_writers() {
    return {fault_kind::unsupported, "this transaction would write on a second shard",
            "two_phase = \"error\" is configured.",
            "keep it to the keys of one shard, or set two_phase = \"on\" for the cluster"};
}

std::vector<std::uint16_t> span::needed() const {
    std::vector<std::uint16_t> out;
    if (unit_.gathers)
        out = unit_.map->members();
    else
        for (const auto& part : unit_.parts) out.push_back(part.shard);
    const auto add = [&out](std::uint16_t shard) {
        if (std::find(out.begin(), out.end(), shard) == out.end()) out.push_back(shard);
    };
    if (unit_.move) add(unit_.move->target);
    if (unit_.lock) add(unit_.lock->first);
    if (unit_.lock) std::for_each(unit_.lock->shards.begin(), unit_.lock->shards.end(), add);
    std::sort(out.begin(), out.end());
    return out;
}

/// One after the other, in the order of the shards.
void span::join() {
    for (const auto shard : needed()) {
        auto* there = wing_of(shard);
        if (there && there->on->server) continue;
        auto found = owner_->span_node(shard);
        if (found.why) return fail_unit(*found.why);
        if (found.hold) {
            holding_ = true;
            return;
        }
        if (!there) {
            there = &wings_.emplace_back();
            there->on = std::make_shared<arm>(*this, owner_->span_home(), shard);
        }
        if (!there->on->lease(std::move(found.from), found.index)) return;
    }
    open();
}

void span::arm_leased(arm&) {
    if (stage_ == stage::joining) join();
}

void span::arm_refused(arm&, const fault& why) {
    if (stage_ != stage::joining) return;
    if (pool::is_refusal(why) || ++failed_leases_ >= most_failed_leases) return fail_unit(why);
    holding_ = true;  // the next tick looks again
}

void span::tick(steady_time now) {
    if (stage_ == stage::joining && std::exchange(holding_, false)) join();
    if (stage_ == stage::ending && end_->rolls_back() && now - asked_ >= longest_rollback) end_hanging();
}

/// A server that does not answer loses its connection, and with it the transaction, or what is prepared is settled
/// by recovery.
void span::end_hanging() {
    const auto keep = shared_from_this();
    for (auto& each : wings_) {
        if (!each.on->server || each.on->owed == 0) continue;
        each.on->leave(true);
        take(end_->lost(static_cast<std::size_t>(&each - wings_.data())));
    }
    end_if_over();
    if (stage_ == stage::ending && !owner_) watch_end();
}

bool span::give_up(const fault& why) {
    if (stage_ != stage::joining) return false;
    fail_unit(why);
    return true;
}

/// The transaction begins where it has not yet, with what it has done to the session so far.
void span::open() {
    stage_ = stage::opening;
    bool waits = false;
    for (auto& each : wings_) {
        if (each.open || !each.on->server) continue;
        each.before = with_.settings;
        each.failed = false;
        std::string out;
        int ready = write_settings_change(out, each.on->server->settings, with_.settings);
        for (const auto& statement : with_.history) pg::write_query(out, statement);
        pg::write_query(out, "SHOW transaction_isolation");
        ready += static_cast<int>(with_.history.size()) + 1;
        each.on->send(out, ready);
        waits = true;
    }
    if (!waits) go();
}

// ---- rows are brought together --------------------------------------------------------------------------------------

/// The seat makes its tables, then takes one after the other.
void span::fill() {
    auto& seat = *wing_of(unit_.parts.front().shard);
    seat.failed = false;
    seat.temporary = true;
    const auto& recipe = *unit_.gathers->gather;
    std::string out;
    if (stage_ != stage::filling) {
        stage_ = stage::filling;
        table_ = 0;
        pg::write_query(
            out, router::stand_ins(recipe, router::own_filters(recipe, unit_.filters, *unit_.map, seat.on->shard)));
    } else if (table_ < recipe.tables.size() && wings_.size() > 1) {
        pipe_.begin(with_.shards.size());
        pg::write_query(out, router::copy_in(recipe.tables[table_]));
    } else {
        const auto sql = router::prepare_stand_ins(recipe);
        if (sql.empty()) return gathered();
        table_ = recipe.tables.size() + 1;
        stage_ = stage::filling;
        pg::write_query(out, sql);
    }
    seat.on->send(out, 1);
}

void span::on_filling(wing& of, char type, std::string_view frame) {
    auto& seat = *wing_of(unit_.parts.front().shard);
    if (&of != &seat) {
        if (type == 'd' && error_.empty() && !pipe_.forward(frame, of.on->shard, seat.on->server->link))
            arm_lost(*of.on, "the server sent a COPY without a header");
        return;
    }
    if (type != 'G') return;
    const auto& recipe = *unit_.gathers->gather;
    for (auto& each : wings_) {
        if (&each == &seat) continue;
        const auto filters = router::own_filters(recipe, unit_.filters, *unit_.map, each.on->shard);
        std::string out;
        pg::write_query(out, router::copy_out(recipe.tables[table_], filters[table_]));
        each.failed = false;
        ++gatherings_;
        each.on->send(out, 1);
    }
}

void span::filled(wing& of) {
    auto& seat = *wing_of(unit_.parts.front().shard);
    if (&of != &seat) {
        if (--gatherings_ > 0) return;
        if (seat.on->owed == 0) return end_unit();  // it has failed
        std::string out;
        if (error_.empty()) {
            out = copy_pipe::end();
        } else {
            pg::writer frame(out, 'f');
            frame.text("a shard could not be read");
        }
        return seat.on->send(out, 0);
    }
    if (!error_.empty()) {
        if (gatherings_ == 0) end_unit();
        return;
    }
    const auto tables = unit_.gathers->gather->tables.size();
    if (table_ == tables + 1) return gathered();  // analyzed
    if (made_) ++table_;
    made_ = true;
    fill();
}

/// The seat has all rows that its part reads.
void span::gathered() {
    if (unit_.carry)  // what stands in for other tables would stand in for the target, too
        return ask_seat(
            stage::carrying,
            unit_.carry->fill(unit_.gathers ? router::drop_stand_ins(*unit_.gathers->gather) : std::string()));
    stage_ = stage::running;
    parts_left_ = 1;
    send_part(unit_.parts.front());
}

void span::go() {
    if (unit_.reads_text) return check_text();
    if (unit_.sorted && unit_.sorted->begins()) return ask_seat(stage::describing, unit_.sorted->ask());
    if (unit_.lock && locked_ != locking::all) return take_locks();
    if (unit_.carry && unit_.carry->begins()) return ask_seat(stage::judging, unit_.carry->judge());
    if (unit_.carry && unit_.carry->flows()) return begin_flow();
    if (unit_.gathers) {
        made_ = false;
        gatherings_ = 0;
        return fill();
    }
    stage_ = stage::running;
    rows_.resize(unit_.order.empty() ? 0 : unit_.parts.size());
    next_part_ = 0;
    parts_left_ = unit_.parts.size();
    send_next_parts();
}

/// All, but for a unit that goes in turn.
void span::send_next_parts() {
    const bool alone = unit_.one_by_one || (unit_.in_turn && next_part_ == 0);
    const auto stop = alone ? std::min(next_part_ + 1, unit_.parts.size()) : unit_.parts.size();
    for (; next_part_ < stop; ++next_part_) {
        send_part(unit_.parts[next_part_]);
        if (unit_.carry) std::string().swap(unit_.parts[next_part_].bytes);  // they may be long
    }
}

/// The seat has told the columns of rows that are to be sorted.
void span::described() {
    if (!error_.empty()) return end_unit();
    if (const auto why = unit_.sorted->decide()) return fail_unit(*why);
    for (std::size_t i = 0; i < unit_.parts.size(); ++i) unit_.parts[i].bytes = unit_.sorted->part(i);
    unit_.hidden = "12";  // of the extended protocol, which a Query has not asked by
    answer_ += unit_.sorted->head();
    go();
}

void span::send_part(const span_part& part) {
    auto& one = *wing_of(part.shard);
    one.failed = false;
    one.active = true;
    one.wrote |= unit_.writes;
    if (unit_.locks) note_locks(one);
    one.on->server->unnamed.reset();
    one.on->send(part.bytes, 1);
}

void span::note_locks(wing& on) {
    on.holds = true;
    if (on.locked == 0) on.locked = ++locked_shards_;
}

/// The unit has not been sent, or not everywhere.
void span::fail_unit(const fault& why) {
    for (auto it = wings_.begin(); it != wings_.end();) {  // those that wait for a lease
        if (it->on->server) {
            ++it;
            continue;
        }
        it->on->leave();
        it = wings_.erase(it);
    }
    error_ = error_frame(why);
    failed_ = true;
    parts_left_ = 0;
    end_unit();
}

// ---- the end --------------------------------------------------------------------------------------------------------

void span::begin_end() {
    self_ = shared_from_this();
    error_.clear();
    stage_ = stage::ending;
    asked_ = std::chrono::steady_clock::now();
    std::sort(wings_.begin(), wings_.end(), [](const wing& a, const wing& b) { return a.on->shard < b.on->shard; });
    using part_of = two_phase::part_of;
    std::vector<part_of> members;
    std::vector<std::size_t> locked;
    std::optional<std::size_t> temporary;
    for (const auto& each : wings_) {
        if (each.temporary) temporary = members.size();
        members.push_back(each.wrote ? part_of::writer : each.holds ? part_of::holder : part_of::reader);
        locked.push_back(each.locked);
    }
    end_.emplace(members, locked, temporary);
}

void span::commit() {
    begin_end();
    if (end_->two_phases()) id_ = new_transaction_id();
    take(end_->begin());
    end_if_over();
}

/// The client hears of it when every shard has let its locks go.
void span::rollback() {
    for (auto& each : wings_)
        if (each.on->owed > 0) each.on->leave(true);
    begin_end();
    take(end_->roll_back());
    end_if_over();
}

void span::take(const two_phase::commands& what) {
    for (const auto& each : what) {
        auto& one = wings_[each.member];
        if (!one.on->server) {
            take(end_->lost(each.member));
            continue;
        }
        const auto prepared = [&] { return pool::quote_literal(prepared_as(one)); };
        std::string sql;
        switch (each.step) {
            case commit_step::commit:
                sql = "COMMIT";
                break;
            case commit_step::rollback:
                sql = "ROLLBACK";
                break;
            case commit_step::decide:
                sql = fmt::format("SELECT ringway.decide('{}')", id_);
                break;
            case commit_step::prepare:
                sql = "PREPARE TRANSACTION " + prepared();
                break;
            case commit_step::commit_prepared:
                sql = "COMMIT PREPARED " + prepared();
                break;
            case commit_step::rollback_prepared:
                sql = "ROLLBACK PREPARED " + prepared();
                break;
            case commit_step::none:
                continue;
        }
        one.doing = each.step;
        one.failed = one.denied = false;
        std::string out;
        pg::write_query(out, sql);
        one.on->send(out, 1);
    }
}

std::string span::prepared_as(const wing& of) const {
    return prepared_name(id_, with_.shards[wings_[end_->decider()].on->shard], with_.shards[of.on->shard]);
}

/// Only the role that has prepared a transaction ends it, and what SET LOCAL ROLE has set has gone with the PREPARE.
/// The role is taken once more, and the connection's own again.
bool span::end_as_its_owner(wing& of) {
    if (!std::exchange(of.denied, false)) return false;
    const bool commits = of.doing == commit_step::commit_prepared;
    const auto name = pool::quote_literal(prepared_as(of));
    const auto* role = of.on->server->settings->find("role");
    const auto* authorization = of.on->server->settings->find("session_authorization");
    std::string out;
    int ready = 0;
    const auto add = [&](std::string_view sql) {
        pg::write_query(out, sql);
        ++ready;
    };
    if (authorization) add("RESET SESSION AUTHORIZATION");
    add(
        fmt::format("SELECT pg_catalog.set_config('role', p.owner, false) FROM pg_catalog.pg_prepared_xacts AS p WHERE "
                    "p.gid OPERATOR(pg_catalog.=) {}",
                    name));
    add((commits ? "COMMIT PREPARED " : "ROLLBACK PREPARED ") + name);
    if (authorization) add(*authorization);
    add(role ? std::string_view(*role) : "RESET ROLE");
    of.failed = false;
    of.tried = true;
    of.on->send(out, ready);
    return true;
}

void span::end_if_over() {
    if (stage_ != stage::ending || !end_->finished()) return;
    const auto keep = shared_from_this();
    const auto how = end_->result();
    const bool wrote = std::any_of(wings_.begin(), wings_.end(), [](const wing& each) { return each.wrote; });
    let_go(how == two_phase::outcome::committed);
    self_.reset();
    end_watch_.reset();
    if (auto* owner = std::exchange(owner_, nullptr)) owner->span_ended(how, error_, wrote);
}

void span::let_go(bool committed) {
    stage_ = stage::done;
    for (auto& each : wings_) {
        if (each.on->server && each.before && !committed) each.on->server->settings = each.before;
        each.on->leave(dirty_);
    }
    wings_.clear();
}

// ---- interruptions --------------------------------------------------------------------------------------------------

void span::arm_lost(arm& which, const std::string& why) {
    const auto keep = shared_from_this();
    if (stage_ == stage::done) return;
    if (stage_ == stage::ending) {
        auto& of = wing_of(which);
        auto gone = std::exchange(which.server, nullptr);
        if (gone) gone->home->discard(std::move(gone));
        which.owed = 0;
        take(end_->lost(static_cast<std::size_t>(&of - wings_.data())));
        return end_if_over();
    }
    auto gone = std::exchange(which.server, nullptr);
    if (gone) gone->home->discard(std::move(gone));
    which.owed = 0;
    which.status = 'I';
    let_go(false);
    if (!answer_.empty() && owner_) owner_->span_emit(std::exchange(answer_, {}));
    if (auto* owner = std::exchange(owner_, nullptr)) owner->span_lost(why);
}

void span::primary_moved(std::uint16_t shard, int primary) {
    if (stage_ == stage::ending || stage_ == stage::done) return;
    auto* there = wing_of(shard);
    if (there && there->on->server && there->on->node != primary) arm_lost(*there->on, "the primary has moved");
}

void span::cancel(const std::shared_ptr<const void>& until) {
    if (stage_ == stage::ending) return;
    if (give_up({fault_kind::canceled, "canceling statement due to user request", {}, {}})) return;
    for (const auto& each : wings_)
        if (each.on->server && each.on->owed > 0) stop(*each.on->server, until);
}

/// Cancels what runs there. The transaction goes on there, maybe, but not before the cancel has arrived: it would
/// otherwise meet what comes next.
void span::stop(pool::server& what, std::shared_ptr<const void> until) {
    ++stops_;
    stop_query(what,
               std::shared_ptr<const void>(nullptr, [of = weak_from_this(), until = std::move(until)](const void*) {
                   if (const auto self = of.lock()) self->stopped();
               }));
}

void span::stopped() {
    if (--stops_ == 0 && std::exchange(ends_later_, false) && stage_ != stage::done) end_unit();
}

void span::give_way() {
    if ((stage_ != stage::locking && stage_ != stage::describing && stage_ != stage::running &&
         stage_ != stage::filling && stage_ != stage::flowing && stage_ != stage::moving && !makes_rows()) ||
        !error_.empty())
        return;
    pg::write_error(error_, "ERROR", "40P01", "deadlock detected",
                    "This transaction and others wait for each other's locks, on several shards.",
                    "take locks in the same order everywhere, and repeat the transaction");
    for (const auto& each : wings_)
        if (each.on->server && each.on->owed > 0) stop(*each.on->server);
}

void span::abort() {
    const auto keep = shared_from_this();
    owner_ = nullptr;
    if (stage_ == stage::done) return;
    if (stage_ == stage::ending) return watch_end();  // what is being committed is brought to its end
    let_go(false);
}

/// Nobody's ticks come any more.
void span::watch_end() {
    const auto on = std::find_if(wings_.begin(), wings_.end(), [](const wing& each) { return each.on->server; });
    if (on == wings_.end()) return;
    auto timer = std::make_shared<boost::asio::steady_timer>(*on->on->server->on->io);
    timer->expires_after(end_->rolls_back() ? longest_rollback : longest_unheard_commit);
    timer->async_wait([of = weak_from_this()](const boost::system::error_code& error) {
        const auto self = of.lock();
        if (self && !error && self->stage_ == stage::ending) self->end_hanging();
    });
    end_watch_ = std::move(timer);
}

}  // namespace ringway::proxy
