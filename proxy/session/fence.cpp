// While rows move from one shard to another: writes to them wait at the fence, and what was routed by an older map is
// routed again (docs/rebalance.md).

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

bool session::writes_on_the_move() const noexcept {
    return (talk_ && talk_->on_the_move) || (spanning_ && spanning_->on_the_move);
}

/// Who is inside already goes on: the cutover waits for it.
bool session::fenced(const destination& to) const noexcept {
    return who_.cluster->fenced && to.moves && !writes_on_the_move();
}

/// The message stays where it is until fence_opened().
bool session::wait_for_fence() {
    waits_for_fence_ = stalled_ = true;
    return false;
}

void session::fence_opened() {
    const auto keep = shared_from_this();
    if (phase_ == phase::holding && held_by_fence_) return tick(clock::now());
    if (!std::exchange(waits_for_fence_, false) || phase_ == phase::closed) return;
    stalled_ = false;
    pump({});
    want_client();
}

void session::ring_changes() {
    if (talk_ && (talk_->status != 'I' || !talk_->replies.empty() || talk_->open_batch)) talk_->on_the_move = true;
    if (spanning_) spanning_->on_the_move = true;
}

void session::add_server_pids(std::vector<std::uint32_t>& to) const {
    if (talk_) to.push_back(talk_->server->pid);
    if (reading_) reading_->add_server_pids(to);
    if (!spanning_) return;
    std::vector<const pool::server*> held;
    spanning_->across->add_servers(held);
    for (const auto* each : held) to.push_back(each->pid);
}

session::steady_time session::working_since() const noexcept {
    if (spanning_) return spanning_->begun;
    if (reading_) return reading_->begun();
    if (!talk_ || (talk_->status == 'I' && talk_->replies.empty())) return steady_time::max();
    return std::min(talk_->begun, talk_->asked);
}

/// A whole batch, before anything of it is sent.
bool session::waits_at_batch(std::string_view rest) {
    if (writes_on_the_move()) return false;
    const auto found = find_batch(rest);
    if (!found.ended) return false;
    std::optional<config::fault> refused;
    bool replayable = true;
    const auto to = route_batch(rest.substr(0, found.size), refused, replayable);
    return to && fenced(*to) && !wait_for_fence();
}

bool session::waits_at_bind(std::string_view body) {
    if (!who_.cluster->fenced || writes_on_the_move()) return false;
    const auto bind = pg::read_bind(body);
    const auto what = bind ? planned_statement(bind->statement) : nullptr;
    destination to;
    to.may_gather = to.may_spread = true;
    return what && !bind_destination(*what, bind->rest, to) && fenced(to) && !wait_for_fence();
}

bool session::waits_in_span(char type, std::string_view body) {
    auto& span = *spanning_;
    if (span.on_the_move || span.across->failed()) return false;
    destination to;
    to.may_gather = to.may_spread = true;
    if (type == 'Q') {
        const auto sql = body.substr(0, body.find('\0'));
        const auto found = plan_of(sql);
        return !destination_of(*found.plan, {sql, found.shape.literals, {}, conforming_strings_}, to) && fenced(to);
    }
    if (type != 'E') return false;
    const auto execute = pg::read_execute(body);
    const auto portal = execute ? span.portals.find(std::string(execute->portal)) : span.portals.end();
    return portal != span.portals.end() && portal->second.opened.empty() &&
           !bind_destination(*portal->second.statement, portal->second.bound, to) && fenced(to);
}

/// A lease that was chosen by an older map, and on which nothing has been sent: true, and what the client has sent is
/// looked at again without it.
bool session::leave_old_map() {
    auto& talk = *talk_;
    if (phase_ != phase::active || talk.status != 'I' || !talk.replies.empty() || talk.open_batch || talk.copy_in ||
        pinned() || !who_.cluster->now->map->is_sharded()) {
        if (talk.status == 'I') talk.map_epoch = who_.cluster->now->epoch;
        return false;
    }
    release_for_retry();
    return true;
}

/// After a cutover rows stand on a shard whose replicas may not have them yet: a replica must be as new as that,
/// whatever else the session asks for.
void session::want_moved_rows(pool::read_wish& wish) const noexcept {
    const auto since = who_.cluster->now->rows_since;
    if (since == steady_time{}) return;
    if (wish.mode == config::read_consistency::bounded)
        wish.last_write = std::max(since, clock::now() - std::chrono::duration_cast<clock::duration>(wish.max_lag));
    else
        wish.last_write = wish.mode == config::read_consistency::session ? std::max(since, wish.last_write) : since;
    if (wish.mode != config::read_consistency::primary) wish.mode = config::read_consistency::session;
}

}  // namespace ringway::proxy
