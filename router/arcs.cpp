#include "router/arcs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace ringway::router {

namespace {

constexpr std::uint64_t last_position = std::numeric_limits<std::uint64_t>::max();

}  // namespace

arc_set::arc_set(std::vector<arc> from) : arcs_(std::move(from)) {
    std::erase_if(arcs_, [](const arc& each) { return each.first > each.last; });
    std::sort(arcs_.begin(), arcs_.end(), [](const arc& a, const arc& b) { return a.first < b.first; });
    std::size_t kept = 0;
    for (const auto& each : arcs_) {
        auto* before = kept > 0 ? &arcs_[kept - 1] : nullptr;
        if (before && (before->last == last_position || each.first <= before->last + 1))
            before->last = std::max(before->last, each.last);
        else
            arcs_[kept++] = each;
    }
    arcs_.resize(kept);
}

bool arc_set::contains(std::uint64_t at) const noexcept {
    const auto found = std::partition_point(arcs_.begin(), arcs_.end(), [at](const arc& a) { return a.last < at; });
    return found != arcs_.end() && found->first <= at;
}

double arc_set::share() const noexcept {
    double out = 0;
    for (const auto& each : arcs_) out += std::ldexp(static_cast<double>(each.last - each.first) + 1, -64);
    return out;
}

std::vector<arc_move> difference(const ring& before, const ring& after) {
    std::vector<arc_move> out;
    if (before.points().empty() || after.points().empty()) return out;
    std::vector<std::uint64_t> ends;
    for (const auto* each : {&before, &after})
        for (const auto& point : each->points()) ends.push_back(point.at);
    ends.push_back(last_position);
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    std::uint64_t first = 0;
    for (const auto last : ends) {  // no point lies within: all of it has one owner in either ring
        const auto source = before.owner(last), target = after.owner(last);
        if (source != target) {
            auto* neighbour = out.empty() ? nullptr : &out.back();
            if (neighbour && neighbour->where.last + 1 == first && neighbour->source == source &&
                neighbour->target == target)
                neighbour->where.last = last;
            else
                out.push_back({{first, last}, source, target});
        }
        first = last + 1;
    }
    return out;
}

std::vector<shard_move> merged(std::span<const arc_move> from) {
    std::map<std::pair<std::uint16_t, std::uint16_t>, std::vector<arc>> all;
    for (const auto& each : from) all[{each.source, each.target}].push_back(each.where);
    std::vector<shard_move> out;
    for (auto& [shards, arcs] : all) out.push_back({shards.first, shards.second, arc_set(std::move(arcs))});
    return out;
}

bool ring_change::hides_any() const noexcept {
    return std::any_of(hidden.begin(), hidden.end(), [](const arc_set& each) { return !each.empty(); });
}

std::string key_text_sql(key_type type, std::string_view column) {
    switch (type) {
        case key_type::integer:
        case key_type::text:
        case key_type::bpchar:  // the cast cuts trailing blanks, as its comparison does
        case key_type::uuid:
        case key_type::boolean:
            return fmt::format("{}::pg_catalog.text", column);
        case key_type::numeric:
            return fmt::format("pg_catalog.trim_scale({})::pg_catalog.text", column);
        case key_type::bytea:
            return fmt::format("E'\\\\x' OPERATOR(pg_catalog.||) pg_catalog.encode({}, 'hex')", column);
        case key_type::date:
        case key_type::timestamp:
        case key_type::timestamptz:
        case key_type::unsupported:
            break;
    }
    return {};
}

std::string in_arcs_sql(const arc_set& set, std::string_view key_text) {
    // How many of the arcs' ends lie before it is odd within an arc. A name is the server's only short text of a fixed
    // width: half of the work of a multirange of numbers, which md5's digits would be made into.
    std::string ends;
    for (const auto& each : set.arcs()) {
        ends += fmt::format("{}{:016x}", ends.empty() ? "" : ",", each.first);
        if (each.last != last_position) ends += fmt::format(",{:016x}", each.last + 1);
    }
    return fmt::format(
        "(pg_catalog.width_bucket(pg_catalog.md5({})::pg_catalog.name COLLATE pg_catalog.\"C\", "
        "'{{{}}}'::pg_catalog.name[]) OPERATOR(pg_catalog.%) 2 OPERATOR(pg_catalog.=) 1)",
        key_text, ends);
}

std::string_view place_function() noexcept {
    // One expression, so that the server inlines it.
    return "CREATE OR REPLACE FUNCTION ringway.place(text) RETURNS bigint\n"
           "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $ringway$\n"
           "SELECT ('x' || pg_catalog.substr(pg_catalog.md5($1), 1, 16))::pg_catalog.bit(64)::pg_catalog.int8\n"
           "$ringway$";
}

}  // namespace ringway::router
