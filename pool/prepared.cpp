#include "pool/prepared.hpp"

#include <atomic>
#include <functional>
#include <mutex>

namespace ringway::pool {

namespace {

std::atomic<std::uint64_t> next_id{1};

std::shared_ptr<prepared> make(std::string_view query, std::string_view types) {
    auto made = std::make_shared<prepared>();
    made->id = next_id.fetch_add(1, std::memory_order_relaxed);
    made->name = std::string(prepared_prefix) + std::to_string(made->id);
    made->query = query;
    made->types = types;
    return made;
}

/// All shared statements alive, by text and types.
struct shared_table {
    std::mutex lock;
    std::unordered_multimap<std::size_t, std::weak_ptr<const prepared>> by_hash;
    std::size_t sweep_at = 4096;
};

shared_table& table() {
    static shared_table the;
    return the;
}

}  // namespace

prepared_ref lone_prepared(std::string_view query, std::string_view types) {
    return make(query, types);
}

prepared_ref sql_prepared(std::string_view text, std::size_t offset, std::size_t length) {
    auto made = make({}, {});
    made->query.append(text.substr(0, offset)).append(made->name).append(text.substr(offset + length));
    return made;
}

prepared_ref own_prepared(std::string_view name, std::string_view query, std::string_view types) {
    auto made = make(query, types);
    made->name = name;
    return made;
}

namespace {
std::size_t hash_of(std::string_view query, std::string_view types, std::uint64_t scope) {
    return std::hash<std::string_view>{}(query) ^ (std::hash<std::string_view>{}(types) << 1) ^ (scope << 2);
}
}  // namespace

prepared_ref renew_prepared(const prepared_ref& old) {
    {
        auto& all = table();
        const std::lock_guard guard(all.lock);
        auto [from, to] = all.by_hash.equal_range(hash_of(old->query, old->types, old->scope));
        while (from != to) {
            if (from->second.lock() == old)
                from = all.by_hash.erase(from);
            else
                ++from;
        }
    }
    return share_prepared(old->query, old->types, old->scope);
}

prepared_ref share_prepared(std::string_view query, std::string_view types, std::uint64_t scope) {
    const std::size_t hash = hash_of(query, types, scope);
    auto& all = table();
    const std::lock_guard guard(all.lock);
    auto [from, to] = all.by_hash.equal_range(hash);
    while (from != to) {
        auto alive = from->second.lock();
        if (!alive) {
            from = all.by_hash.erase(from);
            continue;
        }
        if (alive->query == query && alive->types == types && alive->scope == scope) return alive;
        ++from;
    }
    auto made = make(query, types);
    made->scope = scope;
    all.by_hash.emplace(hash, made);
    if (all.by_hash.size() > all.sweep_at) {
        std::erase_if(all.by_hash, [](const auto& entry) { return entry.second.expired(); });
        all.sweep_at = 2 * all.by_hash.size() + 4096;
    }
    return made;
}

bool prepared_set::touch(const prepared& what) {
    const auto it = where_.find(what.id);
    if (it == where_.end()) return false;
    if (it->second != order_.begin()) order_.splice(order_.begin(), order_, it->second);
    return true;
}

void prepared_set::add(prepared_ref what) {
    if (touch(*what)) return;
    bytes_ += what->bytes();
    const auto id = what->id;
    order_.push_front({std::move(what), {}});
    where_.emplace(id, order_.begin());
}

void prepared_set::remove(const prepared& what) {
    const auto it = where_.find(what.id);
    if (it == where_.end()) return;
    bytes_ -= it->second->what->bytes();
    order_.erase(it->second);
    where_.erase(it);
}

result_shape* prepared_set::shape_of(const prepared& what) {
    const auto it = where_.find(what.id);
    return it == where_.end() ? nullptr : &it->second->shape;
}

void prepared_set::clear() {
    order_.clear();
    where_.clear();
    bytes_ = 0;
}

prepared_ref prepared_set::evict(std::size_t limit) {
    if (bytes_ <= limit || order_.size() < 2) return nullptr;
    auto oldest = order_.back().what;
    remove(*oldest);
    return oldest;
}

}  // namespace ringway::pool
