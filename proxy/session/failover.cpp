// What a session does when its node leaves rotation, or is the primary no more.

#include <fmt/format.h>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

using config::fault;
using config::fault_kind;

/// A node has left rotation. A read that it has not begun to answer runs again elsewhere, a wait for it goes elsewhere.
void session::node_left(std::uint16_t shard, int node, const std::string& why) {
    const auto keep = shared_from_this();
    if (phase_ == phase::leasing && want_.shard == shard && want_node_ == node) {
        wait_elsewhere();
    } else if (talk_ && phase_ == phase::active && talk_->shard == shard && talk_->node == node &&
               talk_->status == 'I' && talk_->replayable && talk_->may_retry && !talk_->emitted && !pinned()) {
        server_lost(why, false);
    }
}

/// Another node is the primary now, or this one is known to be it no more. What is bound to the old one would write
/// where nobody reads: it ends, as if the server were gone.
void session::primary_moved(std::uint16_t shard, int primary) {
    const auto keep = shared_from_this();
    if (reading_ && !spanning_) return std::shared_ptr(reading_)->primary_moved(shard, primary);
    if (spanning_) return std::shared_ptr(spanning_->across)->primary_moved(shard, primary);
    if (phase_ == phase::leasing && want_.shard == shard && want_.need == router::need::primary &&
        want_node_ != primary) {
        wait_elsewhere();
    } else if (talk_ && talk_->shard == shard && talk_->node != primary && !talk_->on_replica) {
        if (keeps_server() && talk_->replies.empty()) {  // it may have told the client already why it goes
            const auto mine = talk_number_;
            server_readable(*talk_->server);
            if (!talk_ || talk_number_ != mine) return;
        }
        server_lost(fmt::format("{} is not the primary any more", talk_->server->target->address.text()), false);
    }
}

void session::wait_elsewhere() {
    if (!waiting_in_->cancel_wait(*this)) return;  // leased() or lease_failed() is on its way
    waiting_in_.reset();
    phase_ = phase::idle;
    if (find_server(clock::now()) || failure_) pump({});
}

/// The server of a transaction went while the client was silent: its next statement hears of it.
void session::lose_transaction(const std::string& why) {
    if (talk_->status != 'E') lost_ = why;
    if (!talk_->marks.empty()) settings_ = talk_->marks.front().client;
    drop_server(true);
    begun_ = "BEGIN";
    begun_failed_ = true;
    tries_ = 0;
    pump({});
    want_client();
}

/// The answer to a statement in a transaction that has failed and that no server knows.
fault session::aborted() {
    if (!lost_.empty())
        return {fault_kind::server_lost,
                fmt::format("the server of this transaction was lost: {}", std::exchange(lost_, {})),
                {},
                {}};
    return {fault_kind::aborted_transaction,
            "current transaction is aborted, commands ignored until end of transaction block",
            {},
            {}};
}

/// The end of a transaction that no server knows. A COMMIT must not look like one to a client that has not heard of the
/// loss: not every driver reads the tag.
std::optional<fault> session::end_begun(bool commit, std::string_view& tag) {
    const bool failed = std::exchange(begun_failed_, false);
    begun_.clear();
    end_own(commit && !failed);
    if (commit && !lost_.empty()) return aborted();
    lost_.clear();
    tag = commit && !failed ? "COMMIT" : "ROLLBACK";
    return std::nullopt;
}

}  // namespace ringway::proxy
