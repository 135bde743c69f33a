#pragma once
// Positions in the WAL, and the freshness watermark: which sample of the primary's position a replica has reached.
// Pure.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pool/gtid.hpp"

namespace ringway::pool {

using steady_time = std::chrono::steady_clock::time_point;

/// How a server lays out its WAL, in bytes (wal_block_size, wal_segment_size).
struct wal_layout {
    std::uint64_t page = 8192;
    std::uint64_t segment = 16u << 20;
};

/// "16/B374D848" as the server prints a pg_lsn; nullopt when it is none.
std::optional<std::uint64_t> parse_lsn(std::string_view text);

/// Timeline of a WAL file's name ("00000002000000000000000A" -> 2); nullopt when it is no such name.
std::optional<std::uint32_t> timeline_of_wal_file(std::string_view name);

/// Where the last record before `lsn` ends. The insert position names where the *next* record will begin: when the last
/// one filled its page, that is behind the next page's header (24 bytes, 40 at a segment's start), a place that replay
/// only reaches with the next record. Without this an idle primary would seem ahead of its replicas for ever.
std::uint64_t end_of_records(std::uint64_t lsn, const wal_layout& layout);

/// At `taken` or later the primary stood at `lsn`: all that was acknowledged before `taken` lies before `lsn`.
struct position_sample {
    steady_time taken{};
    std::uint64_t lsn = 0;
    gtid_ref gtids = {};  ///< of a MySQL server: `lsn` is how many these are
};

/// The primary's positions over time, in bounded memory: the older a stretch, the thinner it is kept, so that a replica
/// that is hours behind still has a watermark, only a coarser one. Never claims more than the samples did.
class position_history {
  public:
    explicit position_history(std::size_t capacity = 1024);

    /// `taken` is not before the last one's. A position that went back (a crash lost what was not flushed) drops what
    /// it disproves.
    void add(const position_sample& sample);
    void clear() { samples_.clear(); }

    /// The newest time whose position is reached by a replica that has replayed up to `replayed`; nullopt: not even the
    /// oldest.
    std::optional<steady_time> newest_reached(std::uint64_t replayed, const gtid_set* executed = nullptr) const;
    std::optional<position_sample> newest() const;
    std::size_t size() const { return samples_.size(); }

  private:
    void thin();

    std::size_t capacity_;
    std::vector<position_sample> samples_;  ///< oldest first, both members growing
};

/// Decides when the primary needs a nudge. A record that no commit follows (pruning, an open transaction) may stay
/// unflushed for 15 s on a quiet server; the insert position counts it, replicas do not get it, and their lag would
/// seem to grow.
class flush_nudge {
  public:
    /// True: what was inserted half a second ago is still not flushed, and the last nudge is as long ago: burn a
    /// transaction id, whose commit record makes the WAL writer flush.
    bool due(std::uint64_t inserted, std::uint64_t flushed, steady_time now);

  private:
    static constexpr std::chrono::milliseconds patience{500};
    std::uint64_t awaited_ = 0;  ///< an insert position not flushed when last looked at; 0: none
    steady_time since_{};
};

}  // namespace ringway::pool
