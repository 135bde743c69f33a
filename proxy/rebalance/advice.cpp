#include "proxy/rebalance/advice.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ringway::proxy::rebalance {

namespace {

constexpr double fewest = 20;  ///< statements a second, of all shards: below it nothing is said about load
constexpr double much = 1.5;   ///< times what its weight says: a shard that is worth a word
constexpr double hot = 0.2;    ///< of its shard's statements: a key that is worth a move
constexpr double worth = 0.9;  ///< of the busiest shard's load: a move that leaves more than that brings nothing
constexpr double few = 0.02;   ///< of the busiest shard's load: so little that it needs no help
constexpr double small = 64.0 * (1u << 20);  ///< bytes of all shards: below it nothing is said about size

std::string weight_text(double weight) {
    return fmt::format("{:.3g}", weight);
}

struct sums {
    double statements = 0, ring = 0, weights = 0, bytes = 0;
    bool sized = true;
};

sums sums_of(const std::vector<shard_figures>& shards) {
    sums out;
    for (const auto& each : shards) {
        out.statements += each.statements_per_second;
        out.ring += each.ring_per_second;
        out.weights += each.weight;
        out.sized = out.sized && (each.bytes || each.weight <= 0);
        out.bytes += static_cast<double>(each.bytes.value_or(0));
    }
    return out;
}

/// A hot key of a shard with too much to do: to the shard with the least, where that leaves nobody as busy; else to
/// one of its own.
std::optional<advice> about_key(const cluster_figures& of, const shard_figures& busy, const key_figures& key,
                                double times) {
    const shard_figures* calm = nullptr;
    for (const auto& each : of.shards)
        if (&each != &busy && (!calm || each.statements_per_second < calm->statements_per_second)) calm = &each;
    const auto shown = of.tells_keys ? value_text(key.key) : "...";
    const auto why = fmt::format(
        "{:.0f} of the {:.0f} statements a second of {} are about one key, and {} has {:.1f} "
        "times the statements that its weight says",
        key.per_second, busy.statements_per_second, busy.name, busy.name, times);
    const auto move = [&](std::string_view to) {
        return fmt::format("MOVE {} KEY {} {} TO {}", of.name, key.table, shown, to);
    };
    if (calm && calm->statements_per_second + key.per_second <= worth * busy.statements_per_second)
        return advice{busy.name, move(calm->name),
                      fmt::format("{}; {} has {:.0f} a second", why, calm->name, calm->statements_per_second)};
    const auto others = busy.statements_per_second - key.per_second;
    if (others < few * busy.statements_per_second) return std::nullopt;  // nobody would be rid of it
    return advice{busy.name, move("a_new_shard"),
                  fmt::format("{}; no other shard has room for it. Add a shard with weight = 0 to the file for it "
                              "alone, and RELOAD first",
                              why)};
}

advice about_weight(const cluster_figures& of, const shard_figures& which, double times, std::string_view what) {
    const auto weight = weight_text(std::max(which.weight / times, 0.01));
    return {
        which.name, fmt::format("REBALANCE {}", of.name),
        fmt::format("{} has {:.1f} times the {} that its weight says{}. Give it weight = {} in the file, and RELOAD "
                    "first",
                    which.name, times, what, what == "statements" ? ", and no one key makes them" : "", weight)};
}

std::optional<advice> about_shard(const cluster_figures& of, const shard_figures& each, const sums& all) {
    if (each.weight <= 0 || all.weights <= 0) return std::nullopt;  // it has what was put there by hand
    const auto part = each.weight / all.weights;
    const bool talks = of.enough_seen && all.statements >= fewest;
    const auto load = talks ? each.statements_per_second / (all.statements * part) : 0;
    double movable = each.ring_per_second;  // with its arcs: what no hot key makes
    const key_figures* hottest = nullptr;
    for (const auto& key : each.hottest) {
        if (!key.on_ring || key.per_second < hot * each.statements_per_second) continue;
        movable -= key.per_second;
        if (!hottest) hottest = &key;
    }
    if (load >= much && hottest)
        if (auto made = about_key(of, each, *hottest, load)) return made;
    if (of.ring_differs) return std::nullopt;  // that comes first
    const auto spread = talks && all.ring > 0 ? movable / (all.ring * part) : 0;
    if (load >= much && spread >= much) return about_weight(of, each, spread, "statements");
    const auto size = all.bytes > 0 ? static_cast<double>(each.bytes.value_or(0)) / (all.bytes * part) : 0;
    if (all.sized && all.bytes >= small && size >= much) return about_weight(of, each, size, "bytes");
    return std::nullopt;
}

}  // namespace

std::string value_text(std::string_view key) {
    const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    });
    if (plain) return std::string(key);
    std::string out = "'";
    for (const char c : key) out.append(c == '\'' ? 2 : 1, c);
    return out + "'";
}

std::vector<advice> advise(const cluster_figures& of) {
    std::vector<advice> out;
    if (of.shards.size() < 2) return out;
    if (of.ring_differs) {
        std::vector<std::string> what;
        for (const auto& each : of.shards)
            if (each.weight != each.configured_weight)
                what.push_back(fmt::format("{} has weight {} and is to have {}", each.name, weight_text(each.weight),
                                           weight_text(each.configured_weight)));
        out.push_back({{},
                       fmt::format("REBALANCE {}", of.name),
                       fmt::format("the file describes another ring: {}", fmt::join(what, ", "))});
    }
    const auto all = sums_of(of.shards);
    for (const auto& each : of.shards)
        if (auto made = about_shard(of, each, all)) out.push_back(std::move(*made));
    return out;
}

}  // namespace ringway::proxy::rebalance
