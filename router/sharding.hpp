#pragma once
// Sharding functions: which shard has the rows of a key. One object a table of the map, immutable.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/settings.hpp"
#include "router/partition_hash.hpp"
#include "router/ring.hpp"

namespace ringway::router {

class sharding {
  public:
    sharding(const config::table& table, std::span<const ring::member> shards, config::engine engine,
             const std::vector<bool>& joined = {});

    /// Nothing: no shard has it. `points`: the cluster's ring. No allocation for keys of one column.
    std::optional<std::uint16_t> owner(std::span<const key_part> key, const ring& points) const;
    /// Why keys of this type cannot be placed, such as a list with values of another; empty: they can.
    /// `folds`: as of a key_part.
    std::string unfit(key_type type, bool folds = false) const;
    config::sharding_function function() const noexcept { return function_; }
    /// What stands on the ring: the texts of its columns, with a comma between them.
    static std::string_view on_ring(std::span<const key_part> key, canonical_key& room);

  private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };
    /// [low, high); nothing: open.
    struct range {
        std::optional<std::string> low, high;
        std::uint16_t shard = 0;
    };
    /// The map as values of one type: equal keys have one text.
    struct typed {
        std::string unfit;
        std::unordered_map<std::string, std::uint16_t, text_hash, std::equal_to<>> values;
        std::vector<range> ranges;  ///< by their lower bounds
    };
    static std::size_t slot_of(key_type type, bool folds) noexcept {
        return folds && type == key_type::text ? folding : static_cast<std::size_t>(type);
    }
    void read_values(const config::table& table, std::span<const ring::member> shards);
    void read_remainders(const config::table& table, std::span<const ring::member> shards,
                         const std::vector<bool>& joined);
    std::optional<std::uint16_t> of_hash(std::span<const key_part> key) const;
    std::optional<std::uint16_t> of_value(const key_part& key) const;
    std::optional<std::uint16_t> of_range(const key_part& key) const;

    static constexpr std::size_t folding = static_cast<std::size_t>(key_type::unsupported);
    static constexpr std::size_t types = folding + 1;  ///< `folding`: MySQL's texts without case
    config::sharding_function function_;
    bool mysql_;
    bool others_on_ring_;
    std::vector<std::uint16_t> remainders_;  ///< of hash: by remainder
    std::array<typed, types> by_type_;       ///< of list, directory and range
};

/// Order of canonical texts of one type, as the server's; texts byte by byte.
int compare_keys(key_type type, std::string_view a, std::string_view b);

}  // namespace ringway::router
