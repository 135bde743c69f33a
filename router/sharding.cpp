#include "router/sharding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "router/key_parts.hpp"
#include "router/mysql/key_value.hpp"

namespace ringway::router {

namespace {

using config::sharding_function;

constexpr std::string_view lowest = "min", highest = "max";

std::string_view name_of(key_type type) {
    switch (type) {
        case key_type::integer:
            return "an integer";
        case key_type::numeric:
            return "a number";
        case key_type::text:
        case key_type::bpchar:
            return "a text";
        case key_type::uuid:
            return "a uuid";
        case key_type::bytea:
            return "a bytea";
        case key_type::date:
            return "a date";
        case key_type::timestamp:
            return "a timestamp without an offset";
        case key_type::timestamptz:
            return "a timestamp with an offset";
        case key_type::boolean:
            return "a boolean";
        case key_type::unsupported:
            break;
    }
    return "a key";
}

int sign_of(int value) {
    return value < 0 ? -1 : value > 0 ? 1 : 0;
}

/// NaN comes last, as in the server.
int rank_of(std::string_view number) {
    return number == "NaN" ? 2 : number == "Infinity" ? 1 : number == "-Infinity" ? -1 : 0;
}

int compare_numbers(std::string_view a, std::string_view b) {
    if (const int x = rank_of(a), y = rank_of(b); x != 0 || y != 0) return x < y ? -1 : x > y ? 1 : 0;
    const bool minus = a.starts_with('-');
    if (minus != b.starts_with('-')) return minus ? -1 : 1;
    if (minus) {
        a.remove_prefix(1);
        b.remove_prefix(1);
    }
    const auto whole_a = a.substr(0, a.find('.')), whole_b = b.substr(0, b.find('.'));
    int out = whole_a.size() != whole_b.size() ? (whole_a.size() < whole_b.size() ? -1 : 1)
                                               : sign_of(whole_a.compare(whole_b));
    if (out == 0) out = sign_of(a.substr(whole_a.size()).compare(b.substr(whole_b.size())));
    return minus ? -out : out;
}

std::uint16_t number_of(std::string_view shard, std::span<const ring::member> shards) {
    const auto found =
        std::find_if(shards.begin(), shards.end(), [shard](const auto& one) { return one.name == shard; });
    return static_cast<std::uint16_t>(found - shards.begin());
}

}  // namespace

int compare_keys(key_type type, std::string_view a, std::string_view b) {
    if (type == key_type::integer || type == key_type::numeric) return compare_numbers(a, b);
    return sign_of(a.compare(b));  // dates and times in ISO form too
}

sharding::sharding(const config::table& table, std::span<const ring::member> shards, config::engine engine,
                   const std::vector<bool>& joined)
    : function_(table.function),
      mysql_(engine == config::engine::mysql),
      others_on_ring_(table.function == sharding_function::directory && !table.unlisted_is_error) {
    if (function_ == sharding_function::hash)
        read_remainders(table, shards, joined);
    else if (function_ != sharding_function::ring)
        read_values(table, shards);
}

/// Without a map: as many partitions as shards that have joined, in the file's order.
void sharding::read_remainders(const config::table& table, std::span<const ring::member> shards,
                               const std::vector<bool>& joined) {
    if (table.map.empty()) {
        for (std::size_t i = 0; i < shards.size(); ++i)
            if (joined.empty() || joined[i]) remainders_.push_back(static_cast<std::uint16_t>(i));
        return;
    }
    std::size_t modulus = 0;
    for (const auto& [shard, values] : table.map) modulus += values.size();
    remainders_.resize(modulus);
    for (const auto& [shard, values] : table.map) {
        for (const auto& value : values) {
            std::size_t at = modulus;
            std::from_chars(value.data(), value.data() + value.size(), at);
            if (at < modulus) remainders_[at] = number_of(shard, shards);
        }
    }
}

void sharding::read_values(const config::table& table, std::span<const ring::member> shards) {
    canonical_key key;
    for (std::size_t i = 0; i < types; ++i) {
        const bool folds = i == folding;
        if (folds && !mysql_) continue;
        const auto type = folds ? key_type::text : static_cast<key_type>(i);
        auto& made = by_type_[i];
        const auto canonical = [&](const std::string& text) -> std::string {
            if (mysql_ && type == key_type::text) return mysql::map_text(text, folds);
            if (canonical_from_text(type, text, key)) return std::string(key.text);
            if (made.unfit.empty())
                made.unfit = fmt::format("the map of {} has \"{}\", which is not {}", table.name, text, name_of(type));
            return {};
        };
        for (const auto& [shard, values] : table.map) {
            const auto number = number_of(shard, shards);
            if (function_ != sharding_function::range) {
                for (const auto& value : values) {
                    auto text = canonical(value);
                    const auto [at, added] = made.values.emplace(std::move(text), number);
                    if (!added && at->second != number && made.unfit.empty())
                        made.unfit = fmt::format("the map of {} gives \"{}\" to two shards{}", table.name, value,
                                                 folds ? ", as the key's collation ignores case" : "");
                }
                continue;
            }
            for (std::size_t at = 0; at + 1 < values.size(); at += 2) {
                range one{std::nullopt, std::nullopt, number};
                if (values[at] != lowest) one.low = canonical(values[at]);
                if (values[at + 1] != highest) one.high = canonical(values[at + 1]);
                made.ranges.push_back(std::move(one));
            }
        }
        if (!made.unfit.empty()) {
            made.values.clear();
            made.ranges.clear();
            continue;
        }
        if (function_ == sharding_function::range) {
            std::sort(made.ranges.begin(), made.ranges.end(), [type](const range& a, const range& b) {
                if (!a.low || !b.low) return !a.low && b.low;
                return compare_keys(type, *a.low, *b.low) < 0;
            });
            for (std::size_t at = 0; at < made.ranges.size() && made.unfit.empty(); ++at) {
                const auto& one = made.ranges[at];
                if (one.low && one.high && compare_keys(type, *one.low, *one.high) >= 0)
                    made.unfit =
                        fmt::format("the map of {} has an empty range, as keys of this type are compared", table.name);
                if (at == 0) continue;
                const auto& before = made.ranges[at - 1];
                if (!before.high || !one.low || compare_keys(type, *one.low, *before.high) < 0)
                    made.unfit =
                        fmt::format("ranges in the map of {} overlap, as keys of this type are compared", table.name);
            }
        }
    }
}

std::optional<std::uint16_t> sharding::owner(std::span<const key_part> key, const ring& points) const {
    switch (function_) {
        case sharding_function::ring:
            break;
        case sharding_function::hash:
            return of_hash(key);
        case sharding_function::list:
            return of_value(key.front());
        case sharding_function::range:
            return of_range(key.front());
        case sharding_function::directory:
            if (const auto found = of_value(key.front()); found || !others_on_ring_) return found;
            break;
    }
    if (key.size() == 1) return points.owner(position(key.front().text));
    canonical_key room;
    return points.owner(position(on_ring(key, room)));
}

std::string_view sharding::on_ring(std::span<const key_part> key, canonical_key& room) {
    std::size_t size = key.size() - 1;
    for (const auto& part : key) size += part.text.size();
    char* at = key_parts::room(room, size);
    for (std::size_t i = 0; i < key.size(); ++i) {
        if (i > 0) *at++ = ',';
        at = std::copy(key[i].text.begin(), key[i].text.end(), at);
    }
    return room.text;
}

/// MySQL's PARTITION BY HASH is the value modulo the number of partitions, without its sign.
std::optional<std::uint16_t> sharding::of_hash(std::span<const key_part> key) const {
    if (remainders_.empty()) return std::nullopt;
    if (!mysql_) {
        const auto hash = partition_hash(key);
        if (!hash) return std::nullopt;
        return remainders_[*hash % remainders_.size()];
    }
    auto text = key.front().text;
    if (text.starts_with('-')) text.remove_prefix(1);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (key.size() != 1 || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return remainders_[value % remainders_.size()];
}

std::optional<std::uint16_t> sharding::of_value(const key_part& key) const {
    const auto at = slot_of(key.type, key.folds);
    if (key.type == key_type::unsupported) return std::nullopt;
    const auto& values = by_type_[at].values;
    const auto found = values.find(key.text);
    if (found == values.end()) return std::nullopt;
    return found->second;
}

std::optional<std::uint16_t> sharding::of_range(const key_part& key) const {
    const auto at = slot_of(key.type, key.folds);
    if (key.type == key_type::unsupported) return std::nullopt;
    const auto& ranges = by_type_[at].ranges;
    auto found = std::upper_bound(ranges.begin(), ranges.end(), key, [](const key_part& wanted, const range& one) {
        return one.low && compare_keys(wanted.type, wanted.text, *one.low) < 0;
    });
    if (found == ranges.begin()) return std::nullopt;
    --found;
    if (found->high && compare_keys(key.type, key.text, *found->high) >= 0) return std::nullopt;
    return found->shard;
}

std::string sharding::unfit(key_type type, bool folds) const {
    const auto at = slot_of(type, folds);
    if (type == key_type::unsupported) return "keys of this type cannot be placed";
    if (mysql_ && function_ == sharding_function::hash && type != key_type::integer)
        return "the hash of MySQL is a modulo, which needs an integer key";
    return by_type_[at].unfit;
}

}  // namespace ringway::router
