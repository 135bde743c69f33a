// Writes to the copies of a reference table, one after the other. A statement that is alike on every shard takes a
// snapshot on each: another transaction's new row may be in the one and not yet in the other, and the copies would
// differ for good. So each such write holds a lock of its table on every shard (the transaction's end reaches one after
// the other), taken before its snapshots; statements that only add rows share it. ADR 0016.

#include <fmt/format.h>

#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace {

/// Beside those of rows that move (span_move_locks.cpp).
constexpr std::uint32_t space = 0x52570010;  // "RW"

/// The same in all proxies. FNV-1a, of the 31 bits that an int4 has without its sign.
std::uint32_t number_of(std::string_view table) noexcept {
    std::uint32_t out = 2166136261;
    for (const char c : table) out = (out ^ static_cast<unsigned char>(c)) * 16777619;
    return out & 0x7fffffff;
}

}  // namespace

std::string copies_locks(const router::copies_kept& what) {
    std::string calls;
    for (const auto& each : what.tables)
        calls += fmt::format("{}pg_catalog.pg_advisory_xact_lock{}({}, {})", calls.empty() ? "" : ", ",
                             what.shared ? "_shared" : "", space, number_of(each));
    return "SELECT " + calls;
}

}  // namespace ringway::proxy
