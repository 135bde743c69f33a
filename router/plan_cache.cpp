#include "router/plan_cache.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "router/mysql/parse.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router {
namespace {

/// A longer shape is planned for one execution only.
constexpr std::size_t longest_cached_shape = 64 * 1024;
/// Shared texts together take at most this for each entry allowed.
constexpr std::size_t text_bytes_per_entry = 4 * 1024;

/// Never the same for two dialects.
std::uint64_t reading_of(const plan_context& context) {
    if (context.dialect == dialect::mysql) return packed(context.modes) | std::uint64_t{1} << 63;
    return context.standard_conforming_strings ? 1 : 0;
}

/// What a plan depends on besides the text, with a hash over both. Points into the context it was made from.
struct plan_key {
    std::uint64_t hash;
    std::string_view normalized, cluster, search_path, user;
    const catalog* catalog_identity;
    std::uint64_t catalog_version, map_epoch;
    std::uint64_t reading;  ///< how texts read: the dialect and its modes

    plan_key(const shape& of, const plan_context& context)
        : normalized(of.normalized),
          search_path(context.search_path),
          catalog_identity(context.catalog),
          catalog_version(context.catalog != nullptr ? context.catalog->version : 0),
          map_epoch(context.map != nullptr ? context.map->epoch : 0),
          reading(reading_of(context)) {
        if (context.map != nullptr) cluster = context.map->cluster;
        if (search_path.empty() && context.dialect == dialect::postgres)
            search_path = context.catalog != nullptr ? std::string_view(context.catalog->default_search_path)
                                                     : std::string_view("\"$user\", public");
        if (search_path.find("$user") != search_path.npos) user = context.user;
        hash = of.hash;
        mix(XXH3_64bits(search_path.data(), search_path.size()));
        mix(XXH3_64bits(user.data(), user.size()));
        mix(catalog_version ^ reading << 32 ^ reading >> 32);
        mix(map_epoch ^ reinterpret_cast<std::uintptr_t>(catalog_identity));
    }

    void mix(std::uint64_t more) {
        constexpr std::uint64_t odd = 0x9E3779B97F4A7C15;
        hash = (hash ^ more) * odd;
        hash ^= hash >> 32;
    }
};

/// One shape in one context. Shared by all levels; everything but `recent` and what `making` guards is immutable.
struct cached_plan {
    std::uint64_t hash;
    std::string normalized, cluster, search_path, user;
    const catalog* catalog_identity;
    std::uint64_t catalog_version, map_epoch;
    std::uint64_t reading;

    mutable std::atomic<bool> recent{true};  ///< used since the clock's hand last passed
    std::mutex making;                       ///< held by the one who parses
    std::shared_ptr<const plan> made;        ///< written once, under `making`
    bool uncacheable = false;                ///< known to need a plan for each execution

    explicit cached_plan(const plan_key& key)
        : hash(key.hash),
          normalized(key.normalized),
          cluster(key.cluster),
          search_path(key.search_path),
          user(key.user),
          catalog_identity(key.catalog_identity),
          catalog_version(key.catalog_version),
          map_epoch(key.map_epoch),
          reading(key.reading) {}

    bool is_for(const plan_key& key) const {
        return hash == key.hash && catalog_version == key.catalog_version && map_epoch == key.map_epoch &&
               catalog_identity == key.catalog_identity && reading == key.reading && normalized == key.normalized &&
               search_path == key.search_path && user == key.user && cluster == key.cluster;
    }
    void touch() const {
        if (!recent.load(std::memory_order_relaxed)) recent.store(true, std::memory_order_relaxed);
    }
};

/// The shared entries: found by hash, replaced by the clock rule. Not thread-safe. Of two keys with one hash the later
/// stays.
class clock_table {
  public:
    explicit clock_table(std::size_t max_entries) : most_entries_(std::max<std::size_t>(1, max_entries)) {}

    std::shared_ptr<cached_plan> find(const plan_key& key) const {
        const auto found = by_hash_.find(key.hash);
        if (found == by_hash_.end() || !slots_[found->second]->is_for(key)) return nullptr;
        return slots_[found->second];
    }

    /// Returns how many entries had to leave.
    std::uint64_t insert(std::shared_ptr<cached_plan> entry) {
        std::uint64_t left = 0;
        if (const auto same_hash = by_hash_.find(entry->hash); same_hash != by_hash_.end()) {
            remove(same_hash->second);
            ++left;
        }
        const std::size_t most_bytes = most_entries_ * text_bytes_per_entry;
        for (;
             !by_hash_.empty() && (by_hash_.size() >= most_entries_ || bytes_ + entry->normalized.size() > most_bytes);
             ++left)
            remove(victim());
        if (free_.empty()) {
            free_.push_back(slots_.size());
            slots_.emplace_back();
        }
        const std::size_t slot = free_.back();
        free_.pop_back();
        by_hash_.emplace(entry->hash, slot);
        bytes_ += entry->normalized.size();
        slots_[slot] = std::move(entry);
        return left;
    }

    template <typename Visit>
    void each(Visit visit) const {
        for (const auto& entry : slots_)
            if (entry) visit(entry);
    }

  private:
    /// The next slot not used since the hand's last turn. There is at least one entry.
    std::size_t victim() {
        while (true) {
            hand_ = (hand_ + 1) % slots_.size();
            if (slots_[hand_] && !slots_[hand_]->recent.exchange(false, std::memory_order_relaxed)) return hand_;
        }
    }
    void remove(std::size_t slot) {
        bytes_ -= slots_[slot]->normalized.size();
        by_hash_.erase(slots_[slot]->hash);
        slots_[slot] = nullptr;
        free_.push_back(slot);
    }

    std::size_t most_entries_, bytes_ = 0, hand_ = 0;
    std::vector<std::shared_ptr<cached_plan>> slots_;
    std::vector<std::size_t> free_;
    std::unordered_map<std::uint64_t, std::size_t> by_hash_;
};

void add_uses(const plan& of, std::uint64_t more) {
    std::atomic_ref<std::uint64_t>(of.uses).fetch_add(more, std::memory_order_relaxed);
}

/// A counter that one thread writes and others read.
void bump(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

struct shared_plans::impl {
    explicit impl(std::size_t max_entries) : table(max_entries) {}

    /// `entry` is null when the plan is for this execution only.
    struct resolved {
        std::shared_ptr<const plan> made;
        std::shared_ptr<const cached_plan> entry;
    };
    resolved resolve(const shape& of, const plan_key& key, std::string_view text, const plan_context& context);
    std::shared_ptr<cached_plan> find_or_insert(const plan_key& key);
    std::shared_ptr<const plan> make(const shape& of, std::string_view text, const plan_context& context);

    mutable std::mutex guard;  ///< of everything below but the counters
    clock_table table;
    std::vector<const std::atomic<std::uint64_t>*> worker_hits;
    std::uint64_t retired_hits = 0;  ///< of workers that have ended
    plan_counters counters;
};

shared_plans::shared_plans(std::size_t max_entries) : impl_(std::make_unique<impl>(max_entries)) {}
shared_plans::~shared_plans() = default;

std::shared_ptr<const plan> shared_plans::impl::make(const shape& of, std::string_view text,
                                                     const plan_context& context) {
    counters.parses.fetch_add(1, std::memory_order_relaxed);
    auto parsed = context.dialect == dialect::mysql ? parse_mysql(text, context.modes)
                                                    : parse_postgres(text, context.standard_conforming_strings);
    auto named = std::make_shared<plan>(*make_plan(std::move(parsed), context, text));
    named->shape_text = of.normalized;
    return named;
}

std::shared_ptr<cached_plan> shared_plans::impl::find_or_insert(const plan_key& key) {
    const std::lock_guard lock(guard);
    auto entry = table.find(key);
    if (entry) {
        entry->touch();
    } else {
        entry = std::make_shared<cached_plan>(key);
        counters.evictions.fetch_add(table.insert(entry), std::memory_order_relaxed);
    }
    return entry;
}

shared_plans::impl::resolved shared_plans::impl::resolve(const shape& of, const plan_key& key, std::string_view text,
                                                         const plan_context& context) {
    counters.misses.fetch_add(1, std::memory_order_relaxed);
    std::shared_ptr<const plan> once;
    if (of.complete && of.normalized.size() <= longest_cached_shape) {
        auto entry = find_or_insert(key);
        const std::lock_guard lock(entry->making);
        if (!entry->made && !entry->uncacheable) {
            auto made = make(of, text, context);
            if (made->cacheable) {
                entry->made = std::move(made);
            } else {
                entry->uncacheable = made->parsed.error.empty();  // an error may lie in this text's values only
                once = std::move(made);
            }
        }
        if (entry->made) return {entry->made, entry};
    }
    counters.uncacheable.fetch_add(1, std::memory_order_relaxed);
    if (!once) once = make(of, text, context);
    return {std::move(once), nullptr};
}

std::shared_ptr<const plan> shared_plans::get(const shape& of, std::string_view text, const plan_context& context) {
    auto made = impl_->resolve(of, plan_key(of, context), text, context).made;
    add_uses(*made, 1);
    return made;
}

plan_counters& shared_plans::counters() noexcept {
    const std::lock_guard lock(impl_->guard);
    std::uint64_t hits = impl_->retired_hits;
    for (const auto* worker : impl_->worker_hits) hits += worker->load(std::memory_order_relaxed);
    impl_->counters.hits.store(hits, std::memory_order_relaxed);
    return impl_->counters;
}

std::vector<std::shared_ptr<const plan>> shared_plans::list() const {
    std::vector<std::shared_ptr<cached_plan>> entries;
    {
        const std::lock_guard lock(impl_->guard);
        impl_->table.each([&entries](const auto& entry) { entries.push_back(entry); });
    }
    std::vector<std::shared_ptr<const plan>> plans;
    for (const auto& entry : entries) {
        const std::lock_guard lock(entry->making);
        if (entry->made) plans.push_back(entry->made);
    }
    return plans;
}

/// Sets of a few entries, chosen by hash; within a set the one unused for longest leaves.
struct plan_cache::impl {
    struct slot {
        std::uint64_t hash = 0, last_used = 0, uses = 0;
        std::shared_ptr<const cached_plan> entry;
    };
    static constexpr std::size_t ways = 8;
    static constexpr std::uint64_t exact_uses = 64;  ///< counted one by one up to here, then in steps of as many

    impl(shared_plans& all, std::size_t max_entries)
        : shared(*all.impl_), sets(std::max<std::size_t>(1, max_entries / ways)) {
        const std::lock_guard lock(shared.guard);
        shared.worker_hits.push_back(&hits);
    }
    ~impl() {
        const std::lock_guard lock(shared.guard);
        std::erase(shared.worker_hits, &hits);
        shared.retired_hits += hits.load(std::memory_order_relaxed);
    }
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;

    const plan* look_up(const plan_key& key);
    const plan* fetch(const shape& of, const plan_key& key, std::string_view text, const plan_context& context);
    std::array<slot, ways>& set_of(std::uint64_t hash) { return sets[(hash >> 8) % sets.size()]; }
    static void count(slot& used);

    shared_plans::impl& shared;
    std::vector<std::array<slot, ways>> sets;
    shape_lexer lexer;
    mysql_shape_lexer mysql_lexer;
    std::uint64_t now = 0;
    const cached_plan* last = nullptr;      ///< behind what find() returned last; held by its slot
    std::shared_ptr<const plan> only_once;  ///< what find() returned last, when it is in no cache
    std::atomic<std::uint64_t> hits{0};
};

void plan_cache::impl::count(slot& used) {
    ++used.uses;
    if (used.uses <= exact_uses) {
        add_uses(*used.entry->made, 1);
    } else if (used.uses % exact_uses == 0) {
        add_uses(*used.entry->made, exact_uses);
    }
}

const plan* plan_cache::impl::look_up(const plan_key& key) {
    for (slot& candidate : set_of(key.hash)) {
        if (candidate.hash != key.hash || !candidate.entry || !candidate.entry->is_for(key)) continue;
        bump(hits);
        candidate.last_used = ++now;
        candidate.entry->touch();
        count(candidate);
        last = candidate.entry.get();
        return last->made.get();
    }
    return nullptr;
}

const plan* plan_cache::impl::fetch(const shape& of, const plan_key& key, std::string_view text,
                                    const plan_context& context) {
    auto resolved = shared.resolve(of, key, text, context);
    if (!resolved.entry) {
        add_uses(*resolved.made, 1);
        only_once = std::move(resolved.made);
        return only_once.get();
    }
    slot& replaced = *std::ranges::min_element(set_of(key.hash), {}, &slot::last_used);
    replaced = {.hash = key.hash, .last_used = ++now, .uses = 0, .entry = std::move(resolved.entry)};
    count(replaced);
    last = replaced.entry.get();
    return last->made.get();
}

plan_cache::plan_cache(shared_plans& shared, std::size_t max_entries)
    : impl_(std::make_unique<impl>(shared, max_entries)) {}
plan_cache::~plan_cache() = default;

plan_cache::found plan_cache::find(std::string_view text, const plan_context& context) {
    impl_->last = nullptr;
    impl_->only_once = nullptr;
    const shape of = context.dialect == dialect::mysql ? impl_->mysql_lexer.scan(text, context.modes)
                                                       : impl_->lexer.scan(text, context.standard_conforming_strings);
    const plan_key key(of, context);
    const plan* known = of.complete ? impl_->look_up(key) : nullptr;
    return {.plan = known != nullptr ? known : impl_->fetch(of, key, text, context), .shape = of};
}

std::shared_ptr<const plan> plan_cache::hold(const found& what) const {
    if (impl_->last != nullptr && impl_->last->made.get() == what.plan) return impl_->last->made;
    if (impl_->only_once.get() == what.plan) return impl_->only_once;
    return nullptr;
}

}  // namespace ringway::router
