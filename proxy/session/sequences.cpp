// currval() and lastval() know what their server connection has drawn from sequences: the client's own values only as
// long as it keeps the connection. A session that asks for them keeps it from then on.

#include <algorithm>

#include "proxy/session/session.hpp"

namespace ringway::proxy {

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
    talk_->no_sequences = true;
    run_own("DISCARD SEQUENCES");
}

}  // namespace ringway::proxy
