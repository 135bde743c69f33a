#pragma once
// Plans by shape: a level for each worker (no lock), over one shared by all, so that a shape is parsed once in the
// process.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "router/plan.hpp"

namespace ringway::router {

/// hits: answered by a worker's own level. misses: by the shared level, or made. parses: texts parsed. uncacheable:
/// made for one execution only.
struct plan_counters {
    std::atomic<std::uint64_t> hits{0}, misses{0}, parses{0}, evictions{0}, uncacheable{0};
};

/// Shared by all workers; bounded by entries and by 4 KiB of text for each (what was not used lately leaves).
/// Thread-safe. Outlives every plan_cache on it.
class shared_plans {
  public:
    explicit shared_plans(std::size_t max_entries);
    ~shared_plans();
    /// Finds or makes the plan of a shape. `text` is parsed only when the shape is new for this context: its cluster,
    /// epoch and catalog version, dialect, search path, standard_conforming_strings or MySQL's modes, and its user if
    /// the path names "$user". Workers that ask for one new shape at the same time wait for one parse.
    std::shared_ptr<const plan> get(const shape& of, std::string_view text, const plan_context& context);
    /// Brought up to date by each call.
    plan_counters& counters() noexcept;
    /// A copy for SHOW PLANS.
    std::vector<std::shared_ptr<const plan>> list() const;

  private:
    friend class plan_cache;
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// One worker's front of shared_plans. Not thread-safe. A hit neither locks nor allocates.
class plan_cache {
  public:
    explicit plan_cache(shared_plans& shared, std::size_t max_entries = 4096);
    ~plan_cache();
    struct found {
        const router::plan* plan = nullptr;  ///< valid until the next call; take `hold()` to keep it
        router::shape shape;                 ///< valid until the next call
    };
    found find(std::string_view text, const plan_context& context);
    /// Of what the last find() returned; null for anything older.
    std::shared_ptr<const plan> hold(const found& what) const;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace ringway::router
