// currval() and lastval() know what their server connection has drawn from sequences: the client's own values only as
// long as it keeps the connection. A session that asks for them keeps it from then on.

#include <algorithm>

#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::effect;

/// Whether a plan, or one that it EXECUTEs, is so.
bool session::runs_any(const router::plan& plan, bool router::plan::* what) const {
    if (plan.*what) return true;
    if (plan.plain) return false;
    for (const auto& one : plan.parsed.statements)
        for (const auto& each : one.effects) {
            if (each.what != effect::kind::execute) continue;
            const auto named = find_statement(each.name);
            if (named && named->plan && named->plan.get()->*what) return true;
        }
    return false;
}

/// The answer to a question for a value that was drawn on another connection.
std::optional<fault> session::sequence_elsewhere(const router::plan& plan) const {
    if (session_mode_ || !drew_elsewhere_ || (talk_ && talk_->drew) || !runs_any(plan, &router::plan::asks_sequence))
        return std::nullopt;
    return fault{
        fault_kind::unsupported,
        "currval and lastval do not know what an earlier transaction has drawn: its server connection has been "
        "given back",
        "From its next write on this session keeps its connection.",
        "use RETURNING, one transaction for both, or pool_mode = \"session\""};
}

/// A statement is about to be sent that sequence_elsewhere has let through.
void session::follow_sequences(const router::plan& plan) {
    auto& talk = *talk_;
    if (session_mode_ || talk.status == 'E') return;
    if (runs_any(plan, &router::plan::asks_sequence)) {
        asks_sequences_ = true;
        if (!talk.drew && !talk.no_sequences) discard_sequences();
    }
    if (!runs_any(plan, &router::plan::draws_sequence)) return;
    if (asks_sequences_ && !talk.drew) {
        if (!talk.no_sequences) discard_sequences();
        pin("values of sequences");
    }
    talk.drew = true;
}

/// What other clients have drawn on this connection.
void session::discard_sequences() {
    static constexpr std::string_view sql = "DISCARD SEQUENCES";
    auto& replies = talk_->replies;
    talk_->no_sequences = true;
    if (!in_batch_) {
        pg::write_query(outgoing(), sql);
        replies.push(expected_reply::kind::query, expected_reply::to::nobody);
        return;
    }
    auto& out = outgoing();
    pg::write_parse(out, {}, sql, {});
    pg::write_bind_head(out, {}, {}, 6);
    out.append(6, '\0');
    pg::write_execute(out, {}, 0);
    talk_->server->unnamed.reset();
    talk_->unnamed_portal.reset();
    replies.push(expected_reply::kind::parse, expected_reply::to::nobody);
    replies.push(expected_reply::kind::bind, expected_reply::to::nobody);
    replies.push(expected_reply::kind::execute, expected_reply::to::nobody);
}

}  // namespace ringway::proxy
