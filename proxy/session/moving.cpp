// A transaction on a sharded cluster that has only read what every shard has, or nothing, is tied to no shard: it is
// ended where it is and begins again on the shard that a statement names.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

/// Whether a value may stand for the time of the BEGIN, should it be read as a date or a time.
bool may_mean_now(std::string_view value) {
    static constexpr std::string_view words[] = {"now", "today", "tomorrow", "yesterday"};
    return std::any_of(std::begin(words), std::end(words), [value](std::string_view word) {
        return std::search(value.begin(), value.end(), word.begin(), word.end(),
                           [](char a, char b) { return (a | 0x20) == b; }) != value.end();
    });
}

}  // namespace

/// A statement is about to be sent: does it tie the transaction to its shard?
void session::follow_ties(const router::plan& plan, const router::values& with) {
    auto& talk = *talk_;
    const auto& statements = plan.parsed.statements;
    if (talk.status == 'I' && statements.size() == 1 && statements.front().verb == router::verb::begin) {
        // What precedes a BEGIN in its pipeline is part of the transaction.
        talk.begin = talk.bound ? std::string_view() : with.text;
        talk.begin_reads = statements.front().read_only_begin;
        return;
    }
    if (talk.begin.empty()) return;
    const bool steady =
        plan.traceless &&
        std::none_of(
            with.literals.begin(), with.literals.end(),
            [&](const router::literal& each) { return may_mean_now(with.text.substr(each.offset, each.length)); }) &&
        std::none_of(with.parameters.begin(), with.parameters.end(),
                     [](const router::parameter& each) { return !each.is_null && may_mean_now(each.bytes); });
    if (!steady) talk.begin.clear();
}

/// A READ ONLY transaction is on a replica until something needs the primary. While nothing has run in it, it may as
/// well have begun there.
void session::follow_reading(const router::plan& plan, std::string_view sql) {
    auto& talk = *talk_;
    if (!talk.on_replica) return;
    const auto& statements = plan.parsed.statements;
    const bool begins =
        talk.status == 'I' && !talk.bound && statements.size() == 1 && statements.front().verb == router::verb::begin;
    if (begins)
        talk.read_begin = sql;
    else
        talk.read_begin.clear();
}

bool session::leave_replica(bool ends) {
    auto& talk = *talk_;
    const bool open = talk.status == 'T' ? ends || !talk.read_begin.empty() : talk.status == 'E' && ends;
    if (!open || !talk.on_replica || want_.replica_only || pinned() || !talk.marks.empty() || !talk.replies.empty())
        return false;
    if (talk.open_batch && talk.bound) return false;
    // What ends it at once needs a transaction to end, and no other.
    begun_ = talk.read_begin.empty() ? "BEGIN READ ONLY" : talk.read_begin;
    begun_reads_ = true;
    talk.leaving = talk.to_primary = true;
    std::string out;
    if (talk.open_batch) {  // statements have been prepared, and nothing run
        pg::write_sync(out);
        talk.replies.push(expected_reply::kind::sync, expected_reply::to::nobody);
        talk.open_batch = false;
    }
    pg::write_query(out, "ROLLBACK");
    talk.replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    avoid_replicas_ = true;
    phase_ = phase::preparing;
    talk.server->link.write(out);
    return true;
}

namespace {

/// COMMIT or ROLLBACK, and nothing of the transaction goes on in another. Of one that has failed a COMMIT says
/// ROLLBACK.
bool ends_here(const router::statement& what, bool failed) {
    return !what.chain && (what.verb == router::verb::rollback || (what.verb == router::verb::commit && !failed));
}

}  // namespace

bool session::leave_for_query(const router::plan& text) {
    const auto& statements = text.parsed.statements;
    if (statements.empty() || text.need != router::need::primary) return false;
    return leave_replica(statements.size() > 1 && ends_here(statements.front(), talk_->status == 'E'));
}

bool session::leave_for_batch(std::string_view batch) {
    std::optional<fault> refused;
    bool replayable = true, ends = false;
    const auto to = route_batch(batch, refused, replayable);
    if (!to || to->need != router::need::primary || avoid_replicas_) return false;
    std::vector<pg::parse_message> parsed;
    pg::frame_header header;
    for (; pg::read_header(batch, header) == pg::header_state::ready; batch.remove_prefix(header.total())) {
        const auto body = batch.substr(pg::header_size, header.body());
        if (header.type == 'P') {
            if (const auto parse = pg::read_parse(body)) parsed.push_back(*parse);
            continue;
        }
        if (header.type != 'B') continue;
        const auto bind = pg::read_bind(body);
        if (!bind) break;
        const auto here = std::find_if(parsed.rbegin(), parsed.rend(),
                                       [&](const auto& each) { return each.name == bind->statement; });
        const auto named = here == parsed.rend() ? planned_statement(bind->statement) : nullptr;
        const auto* plan = here != parsed.rend() ? plan_of(here->query).plan : named ? named->plan.get() : nullptr;
        ends = plan && plan->parsed.statements.size() == 1 &&
               ends_here(plan->parsed.statements.front(), talk_->status == 'E');
        break;  // what runs first
    }
    return leave_replica(ends);
}

/// One thing only the server knows: whether all of the transaction's statements see one snapshot.
bool session::leave_shard(const destination& to) {
    static constexpr std::string_view look =
        "SELECT 'transaction_isolation', pg_catalog.current_setting('transaction_isolation')";
    auto& talk = *talk_;
    if (talk.shard == to.shard || talk.begin.empty() || talk.status != 'T' || pinned() || !talk.marks.empty())
        return false;
    begun_ = talk.begin;
    begun_reads_ = talk.begin_reads;
    want_ = to;
    talk.leaving = talk.settings_rows = true;
    std::string out;
    if (talk.open_batch) {  // statements have been prepared, and nothing run
        pg::write_sync(out);
        talk.replies.push(expected_reply::kind::sync, expected_reply::to::nobody);
        talk.open_batch = false;
    }
    pg::write_query(out, look);
    pg::write_query(out, "ROLLBACK");
    talk.replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    talk.replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    phase_ = phase::preparing;
    talk.server->link.write(out);
    return true;
}

/// Statements have been prepared and described, and nothing run, when a Bind tells that it is for another shard, or a
/// write on a replica: what was sent is ended here. The client hears nothing of it.
bool session::leave_unbound(std::string_view body) {
    auto& talk = *talk_;
    if (!talk.flushed || talk.bound || talk.status == 'E' || pinned()) return false;
    const bool open = talk.status == 'T';  // goes on over several shards
    if (open && (talk.on_replica || talk.history.empty())) return false;
    const auto bind = pg::read_bind(body);
    const auto what = bind ? planned_statement(bind->statement) : nullptr;
    destination to;
    to.may_gather = !open;
    to.may_spread = true;
    if (!what || bind_destination(*what, bind->rest, to)) return false;
    if (!to.several && !to.spread && to.shard == talk.shard && (to.need == router::need::any || !talk.on_replica))
        return false;
    if (!talk.replies.empty()) {
        pg::write_flush(outgoing());
        stalled_ = true;
        return true;
    }
    talk.leaving = talk.unbound = true;
    talk.open_batch = false;
    talk.replies.push(expected_reply::kind::sync, expected_reply::to::nobody);
    phase_ = phase::preparing;
    std::string out;
    pg::write_sync(out);
    talk.server->link.write(out);
    return true;
}

void session::end_leaving() {
    if (talk_->unbound) {
        talk_->unbound = talk_->leaving = false;
        if (talk_->status == 'I')
            release_for_retry();
        else if (can_span())
            begin_span();
        else
            phase_ = phase::active;
        stalled_ = false;
        return;
    }
    if (talk_->to_primary) {
        release_for_retry();
        stalled_ = false;
        return;
    }
    const auto level = talk_->probed.find("transaction_isolation");
    const bool moves = level != talk_->probed.end() &&
                       level->second == pool::set_config_statement("transaction_isolation", "read committed");
    auto why = wrong_shard(want_.shard);
    release_for_retry();
    stalled_ = false;
    if (!moves) give_up(why);
}

fault session::wrong_shard(std::uint16_t shard) const {
    const auto& shards = who_.cluster->now->config.shards;
    return {fault_kind::unsupported,
            fmt::format("this statement belongs to shard \"{}\", the {} is on shard \"{}\"", shards[shard].name,
                        talk_->status == 'I' && !talk_->leaving ? "pinned session" : "transaction",
                        shards[talk_->shard].name),
            {},
            "keep a transaction, and a pipeline up to its Sync, to the keys of one shard"};
}

}  // namespace ringway::proxy
