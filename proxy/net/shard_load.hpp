#pragma once
// What one worker's statements are about, by shard: how many there were, and the keys that come most often, in a sketch
// of a fixed size. Written by its worker alone; nothing is allocated for a shard and a key that are there.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/plan.hpp"

namespace ringway::proxy {

/// Space-saving (Metwally, Agrawal, El Abbadi 2005): a key that is not there takes the place of the one with the lowest
/// count, and takes that count over. Of N keys added each with more than N / capacity is there, and
/// count - error <= how often it was added <= count, with error <= N / capacity.
class key_sketch {
  public:
    static constexpr std::size_t capacity = 64;
    struct entry {
        std::uint64_t count = 0, error = 0;
        std::uint16_t table = 0;
        std::uint8_t length = 0;
        std::array<char, router::key_seen::longest> bytes{};
        std::string_view text() const noexcept { return {bytes.data(), length}; }
        std::uint64_t at_least() const noexcept { return count - error; }
    };

    /// A key of more than key_seen::longest bytes is not kept.
    void add(std::uint16_t table, std::string_view key) noexcept;
    void clear() noexcept;
    std::uint64_t total() const noexcept { return total_; }
    std::span<const entry> entries() const noexcept { return {entries_.data(), used_}; }

  private:
    std::array<std::uint64_t, capacity> hashes_{};  ///< of the entries
    std::array<entry, capacity> entries_{};
    std::size_t used_ = 0;
    std::uint64_t total_ = 0;
};

/// Two windows of time: the last whole one and the one under way. Every statement is counted; of one in so many, by
/// chance, the key is taken.
class shard_load {
  public:
    using steady_time = std::chrono::steady_clock::time_point;
    static constexpr auto window_length = std::chrono::seconds(10);
    static constexpr std::uint32_t taken_one_of = 8;

    struct figures {
        std::uint64_t statements = 0;
        std::uint64_t looked_at = 0, on_ring = 0;  ///< by chance; and those with a key of a table on the ring
        std::unique_ptr<key_sketch> keys;          ///< null: none yet
    };
    /// What both windows hold of one shard.
    struct sums {
        std::uint64_t statements = 0, looked_at = 0, on_ring = 0;
        std::vector<const key_sketch*> keys;
    };

    /// Where route_of() is to put the key of the statement that comes next; null: this one is not looked at.
    router::key_seen* wants_key() noexcept { return turn_ == 0 ? &seen_ : nullptr; }
    /// A statement goes to a shard, which has been found with wants_key().
    void count(std::uint16_t shard, const router::shard_map& map) {
        if (shard >= now_.size()) now_.resize(std::size_t{shard} + 1);
        ++now_[shard].statements;
        if (turn_-- == 0) look(shard, map);
    }
    /// Now and then: begins another window when this one is old enough.
    void roll(steady_time now) noexcept;
    /// The shards, the tables or the owners of keys are others.
    void clear(steady_time now) noexcept;
    sums of(std::size_t shard) const;
    std::size_t shards() const noexcept { return std::max(now_.size(), last_.size()); }
    double seconds(steady_time now) const noexcept;  ///< that both windows cover

    bool keeps_keys = true;

  private:
    using window = std::vector<figures>;  ///< by shard
    void look(std::uint16_t shard, const router::shard_map& map);
    static void empty(window& which) noexcept;

    window now_, last_;
    steady_time begun_ = std::chrono::steady_clock::now(), last_begun_ = begun_;
    std::uint32_t turn_ = 0, chance_ = 0x9e3779b9;
    router::key_seen seen_;
};

}  // namespace ringway::proxy
