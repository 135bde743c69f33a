#include "pool/shard_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringway::pool {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

shard_watch::shard_watch(const std::vector<config::endpoint>& nodes, shard_rules rules) {
    change(nodes, std::move(rules));
}

void shard_watch::change(const std::vector<config::endpoint>& nodes, shard_rules rules) {
    rules_ = std::move(rules);
    std::vector<node_facts> next;
    next.reserve(nodes.size());
    for (const config::endpoint& address : nodes) {
        const auto known =
            std::find_if(nodes_.begin(), nodes_.end(), [&](const node_facts& n) { return n.address == address; });
        node_facts& facts = known != nodes_.end() ? next.emplace_back(std::move(*known)) : next.emplace_back();
        facts.address = address;
        breaker_rules pauses;
        pauses.longest_pause = rules_.longest_pause;
        facts.breaker.change(pauses);
    }
    nodes_ = std::move(next);
}

void shard_watch::check_began(std::size_t node, steady_time now) {
    nodes_[node].busy_since = now;
}

void shard_watch::check_answered(std::size_t node, const node_answer& answer, steady_time now) {
    node_facts& facts = nodes_[node];
    const bool was_down = !facts.answer.has_value();
    facts.busy_since.reset();
    facts.failure.clear();
    facts.answer = answer;
    // What a replica had applied is forgotten with its connection: after a crash it may be back at an earlier position.
    if (answer.first_on_connection) facts.watermark = {};
    if (was_down) facts.breaker.reset();
    facts.breaker.checked(now);
    timelines_.seen(answer.system, answer.timeline);
    if (answer.in_recovery) {
        facts.last_role = node_role::replica;
        positions_.resting(facts.address.text(), answer.history, answer.follows, answer.closed);
        advance_watermark(facts);
        return;
    }
    facts.last_role = node_role::primary;
    const role_verdict verdict = resolve(claims(now));
    if (verdict.primary != static_cast<int>(node)) return;
    history_.add({answer.asked, answer.lsn, answer.gtids});
    facts.watermark = answer.asked;
}

void shard_watch::check_failed(std::size_t node, const std::string& reason, steady_time now) {
    node_facts& facts = nodes_[node];
    facts.failure = overdue(node, now) ? why_no_answer(facts, now) : reason;
    facts.busy_since.reset();
    facts.answer.reset();
    facts.watermark = {};
}

void shard_watch::worker_failed(std::size_t node, const std::string& reason, steady_time now) {
    nodes_[node].breaker.failed(now, reason);
}

void shard_watch::worker_succeeded(std::size_t node) {
    nodes_[node].breaker.succeeded();
}

bool shard_watch::unban(std::size_t node, steady_time now) {
    const bool was = positions_.trust(nodes_[node].address.text()) || ban_of(node, now).has_value();
    nodes_[node].banned.reset();
    nodes_[node].breaker.reset();
    return was;
}

std::optional<node_ban> shard_watch::ban_of(std::size_t node, steady_time now) const {
    const node_facts& facts = nodes_[node];
    if (facts.banned && facts.banned->until > now) return facts.banned;
    if (!facts.breaker.lets_through()) {
        return node_ban{fmt::format("connections failed in a row: {}", facts.breaker.reason()), facts.breaker.until(),
                        false};
    }
    return std::nullopt;
}

std::optional<steady_time> shard_watch::deadline(std::size_t node) const {
    if (!nodes_[node].busy_since) return std::nullopt;
    return *nodes_[node].busy_since + rules_.check_timeout;
}

bool shard_watch::overdue(std::size_t node, steady_time now) const {
    const auto until = deadline(node);
    return until && now > *until;
}

bool shard_watch::answers(std::size_t node, steady_time now) const {
    return nodes_[node].answer.has_value() && !overdue(node, now);
}

bool shard_watch::replayed_less_than(std::size_t node, std::uint64_t lsn) const {
    const auto& answer = nodes_[node].answer;
    return answer && answer->in_recovery && answer->lsn < lsn;
}

std::vector<primary_claim> shard_watch::claims(steady_time now) const {
    std::vector<primary_claim> found;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!answers(i, now) || nodes_[i].answer->in_recovery) continue;
        found.push_back({i, nodes_[i].address.text(), nodes_[i].answer->timeline, nodes_[i].answer->system,
                         nodes_[i].answer->history, nodes_[i].answer->origin});
    }
    return found;
}

role_verdict shard_watch::resolve(const std::vector<primary_claim>& claims) {
    const bool by_position = !claims.empty() && claims.front().history;
    role_verdict verdict = by_position ? resolve_by_position(claims, positions_) : resolve_primary(claims, timelines_);
    if (verdict.primary < 0) return verdict;
    if (by_position)
        for (const primary_claim& claim : claims)
            if (static_cast<int>(claim.node) == verdict.primary) positions_.accepted(claim);
    const node_facts& primary = nodes_[static_cast<std::size_t>(verdict.primary)];
    const history_source source{primary.address, primary.answer->timeline, primary.answer->system};
    if (source_ != source) {
        history_.clear();
        source_ = source;
    }
    return verdict;
}

// Positions compare only within one timeline of one database system: a replica that has not followed a promotion may
// have replayed further than the new primary, but other things.
void shard_watch::advance_watermark(node_facts& replica) const {
    if (!source_ || replica.answer->timeline != source_->timeline || replica.answer->system != source_->system) return;
    if (const auto reached = history_.newest_reached(replica.answer->lsn, replica.answer->gtids.get())) {
        replica.watermark = std::max(replica.watermark, *reached);
    }
}

std::string shard_watch::why_no_answer(const node_facts& node, steady_time now) const {
    const auto waited = duration_cast<milliseconds>(now - node.busy_since.value_or(now));
    return fmt::format("no answer within {} ms", std::min(waited, rules_.check_timeout).count());
}

std::string shard_watch::why_unusable(std::size_t node, steady_time now, const role_verdict& verdict,
                                      const std::vector<primary_claim>& claims) const {
    const node_facts& facts = nodes_[node];
    if (overdue(node, now) && facts.answer) return why_no_answer(facts, now);
    if (!facts.answer) return facts.failure;
    if (!facts.answer->in_recovery && verdict.primary != static_cast<int>(node)) {
        for (const primary_claim& claim : claims) {
            if (claim.node == node) return why_not_primary(claim, verdict, claims, timelines_);
        }
    }
    if (facts.answer->in_recovery && source_ && facts.answer->system != source_->system) {
        return fmt::format("replica of another database system than {}", source_->node.text());
    }
    const auto banned = ban_of(node, now);
    if (!banned) return {};
    return banned->by_operator ? fmt::format("banned: {}", banned->reason) : banned->reason;
}

node_health shard_watch::describe(std::size_t node, steady_time now) const {
    const node_facts& facts = nodes_[node];
    node_health out;
    out.address = facts.address;
    out.role = facts.last_role;
    if (const auto weight = rules_.weights.find(facts.address.text()); weight != rules_.weights.end())
        out.weight = weight->second;
    out.replaying =
        facts.answer && (!facts.answer->in_recovery || (facts.answer->streaming && !facts.answer->replay_paused));
    if (!facts.answer) return out;
    out.timeline = facts.answer->timeline;
    out.lsn = facts.answer->lsn;
    out.traits = facts.answer->traits;
    out.watermark = facts.watermark;
    if (out.role == node_role::primary) out.lag = milliseconds{0};
    if (out.role != node_role::replica) return out;
    if (facts.watermark != steady_time{})
        out.lag = std::max(milliseconds{0}, duration_cast<milliseconds>(now - facts.watermark));
    const auto newest = history_.newest();
    if (newest && newest->lsn > out.lsn) out.lag_bytes = newest->lsn - out.lsn;
    return out;
}

std::string shard_watch::why_no_primary(const shard_health& shard, const role_verdict& verdict) const {
    if (verdict.primary >= 0) {
        const node_health& node = shard.nodes[static_cast<std::size_t>(verdict.primary)];
        return fmt::format("the primary {} is out of rotation: {}", node.address.text(), node.reason);
    }
    if (!verdict.reason.empty()) return verdict.reason;
    for (const node_health& node : shard.nodes) {
        if (!source_ || node.address != source_->node || node.role != node_role::primary) continue;
        return fmt::format("the primary {} is lost: {}", node.address.text(), node.reason);
    }
    std::string why = "no node says that it is a primary";
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (!nodes_[i].failure.empty())
            why += fmt::format("; {}: {}", shard.nodes[i].address.text(), nodes_[i].failure);
    return why;
}

shard_health shard_watch::assess(steady_time now) {
    const std::vector<primary_claim> claimed = claims(now);
    const role_verdict verdict = resolve(claimed);
    shard_health out;
    out.nodes.reserve(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (answers(i, now) && nodes_[i].answer->in_recovery) advance_watermark(nodes_[i]);
        node_health node = describe(i, now);
        node.reason = why_unusable(i, now, verdict, claimed);
        node.usable = node.reason.empty();
        const bool denied =
            nodes_[i].answer && !nodes_[i].answer->in_recovery && verdict.primary != static_cast<int>(i);
        if (denied && answers(i, now)) {
            node.role = node_role::unknown;
            node.lag = milliseconds{-1};
        }
        out.nodes.push_back(std::move(node));
    }
    if (verdict.primary >= 0 && out.nodes[static_cast<std::size_t>(verdict.primary)].usable)
        out.primary = verdict.primary;
    if (out.primary < 0) out.reason = why_no_primary(out, verdict);
    return out;
}

}  // namespace ringway::pool
