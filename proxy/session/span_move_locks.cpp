// Rows that move and writes over several shards keep out of each other's way. An UPDATE that has waited for a row looks
// at the new one on a server; here the new one would be on another shard, where the UPDATE's look was before. So each
// such write shares an advisory lock of its table on each of its shards, which a move takes for itself on the two
// shards of the row: whoever comes later begins when the other's transaction has ended. All ask the cluster's first
// shard before the others, so that they do not hold each other up crosswise.

#include <fmt/format.h>

#include <utility>

#include "pool/session_settings.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// A table has several locks: a write shares all of them, a move has one to itself, so that most moves do not wait for
/// each other. The first of an advisory lock's two numbers says which; the second is the table's OID.
constexpr std::uint64_t locks = 4;
constexpr std::uint32_t first_lock = 0x52570000;  // "RW"

}  // namespace

/// `relation`: as SQL writes it. Parts of a partitioned table share its locks.
std::string moving_locks(std::string_view relation, moving_lock which, std::uint64_t client_id) {
    std::string calls;
    const auto function = which == moving_lock::of_write ? "pg_advisory_xact_lock_shared" : "pg_advisory_xact_lock";
    for (std::uint64_t i = 0; i < locks; ++i)
        if (which != moving_lock::of_move || i == client_id % locks)
            calls += fmt::format("{}pg_catalog.{}({}, pg_catalog.int4(t.id))", calls.empty() ? "" : ", ", function,
                                 first_lock + i);
    return fmt::format(
        "SELECT {} FROM (SELECT CAST(CAST(COALESCE(pg_catalog.pg_partition_root(r.id), r.id) AS pg_catalog.oid) AS "
        "pg_catalog.int8) OPERATOR(pg_catalog.&) 2147483647 FROM (SELECT CAST({} AS pg_catalog.regclass)) AS r (id)) "
        "AS t (id)",
        calls, pool::quote_literal(relation));
}

/// On the first shard, then on all of the unit's; then it goes on.
void span::take_locks() {
    stage_ = stage::locking;
    const bool first = std::exchange(locked_, locking::first) == locking::none;
    if (!first) locked_ = locking::all;
    std::string out;
    pg::write_query(out, unit_.lock->sql);
    bool waits = false;
    for (const auto shard : needed()) {
        if ((shard == unit_.lock->first) != first) continue;
        auto& one = *wing_of(shard);
        one.failed = false;
        one.active = one.holds = true;
        one.on->server->unnamed.reset();
        one.on->send(out, 1);
        waits = true;
    }
    if (!waits) go();
}

void span::lock_taken(wing& of) {
    of.active = false;
    for (const auto& each : wings_)
        if (each.on->owed > 0) return;
    if (!error_.empty()) return end_unit();
    go();
}

}  // namespace ringway::proxy
