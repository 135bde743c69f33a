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

namespace {

bool asks_by_name(const router::plan& plan) {
    return std::any_of(plan.parsed.statements.begin(), plan.parsed.statements.end(), [](const auto& one) {
        return std::any_of(one.functions.begin(), one.functions.end(), [](const auto& function) {
            return function.second == "currval" || function.second == "lastval";
        });
    });
}

}  // namespace

/// The answer to a question for a value that was drawn on another connection. A default that asks has most often just
/// been given its value by the same row: it runs on a connection wiped of others', where a server says if there is
/// none.
std::optional<fault> session::sequence_elsewhere(const router::plan& plan) const {
    if (session_mode_ || !drew_elsewhere_ || (talk_ && talk_->drew) || !runs_any(plan, &router::plan::asks_sequence))
        return std::nullopt;
    bool by_name = asks_by_name(plan);
    for (const auto& one : plan.parsed.statements)
        for (const auto& each : one.effects) {
            const auto named = each.what == effect::kind::execute ? find_statement(each.name) : nullptr;
            by_name |= named && named->plan && asks_by_name(*named->plan);
        }
    if (!by_name) return std::nullopt;
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
