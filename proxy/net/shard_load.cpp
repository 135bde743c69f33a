#include "proxy/net/shard_load.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace ringway::proxy {

void key_sketch::add(std::uint16_t table, std::string_view key) noexcept {
    ++total_;
    if (key.size() > router::key_seen::longest) return;
    const std::uint64_t hash = std::hash<std::string_view>{}(key) * 31 + table;
    for (std::size_t i = 0; i < used_; ++i) {
        auto& one = entries_[i];
        if (hashes_[i] != hash || one.table != table || one.text() != key) continue;
        ++one.count;
        return;
    }
    std::size_t place = used_;
    std::uint64_t lowest = 0;
    if (used_ < capacity) {
        ++used_;
    } else {
        const auto least = std::min_element(entries_.begin(), entries_.end(),
                                            [](const entry& a, const entry& b) { return a.count < b.count; });
        place = static_cast<std::size_t>(least - entries_.begin());
        lowest = least->count;
    }
    hashes_[place] = hash;
    auto& made = entries_[place];
    made.count = lowest + 1;
    made.error = lowest;
    made.table = table;
    made.length = static_cast<std::uint8_t>(key.size());
    std::copy(key.begin(), key.end(), made.bytes.begin());
}

void key_sketch::clear() noexcept {
    used_ = 0;
    total_ = 0;
}

void shard_load::look(std::uint16_t shard, const router::shard_map& map) {
    // By chance, so that what repeats in a rhythm of its own is not seen in one place only.
    chance_ ^= chance_ << 13;
    chance_ ^= chance_ >> 17;
    chance_ ^= chance_ << 5;
    turn_ = chance_ % (2 * taken_one_of - 1);
    auto& at = now_[shard];
    ++at.looked_at;
    if (!std::exchange(seen_.found, false) || seen_.shard != shard || seen_.table >= map.functions.size()) return;
    const bool on_ring = map.functions[seen_.table].function() == config::sharding_function::ring;
    at.on_ring += on_ring ? 1 : 0;
    if (!keeps_keys || !map.is_sharded() || !seen_.is_whole()) return;
    if (!at.keys) at.keys = std::make_unique<key_sketch>();
    at.keys->add(seen_.table, seen_.text());
}

void shard_load::empty(window& which) noexcept {
    for (auto& each : which) {
        each.statements = each.looked_at = each.on_ring = 0;
        if (each.keys) each.keys->clear();
    }
}

void shard_load::roll(steady_time now) noexcept {
    if (now - begun_ < window_length) return;
    std::swap(now_, last_);
    empty(now_);
    last_begun_ = begun_;
    begun_ = now;
}

void shard_load::clear(steady_time now) noexcept {
    empty(now_);
    empty(last_);
    seen_.found = false;
    last_begun_ = begun_ = now;
}

shard_load::sums shard_load::of(std::size_t shard) const {
    sums out;
    for (const auto* each : {&last_, &now_}) {
        if (shard >= each->size()) continue;
        const auto& from = (*each)[shard];
        out.statements += from.statements;
        out.looked_at += from.looked_at;
        out.on_ring += from.on_ring;
        if (from.keys) out.keys.push_back(from.keys.get());
    }
    return out;
}

double shard_load::seconds(steady_time now) const noexcept {
    return std::chrono::duration<double>(now - last_begun_).count();
}

}  // namespace ringway::proxy
