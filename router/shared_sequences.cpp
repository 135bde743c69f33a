#include "router/shared_sequences.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/search_path.hpp"

namespace ringway::router {

using config::fault;
using config::fault_kind;

bool shared_sequences::is_shared(const catalog_relation& sequence) const {
    const auto qualified = sequence.schema + "." + sequence.name;
    return std::any_of(map_.sequences.begin(), map_.sequences.end(),
                       [&](const std::string& each) { return each == sequence.name || each == qualified; });
}

const catalog_relation* shared_sequences::find(const table_ref& named) const {
    return in_ && !named.name.empty() ? find_relation(*in_, path_, named.schema, named.name) : nullptr;
}

bool shared_sequences::draws_anywhere(const statement& what) const {
    bool any = false;
    for (const auto& each : what.sequences) {
        if (each.what != sequence_use::kind::draws) continue;
        const auto* found = find(each.which);
        if (!found || !found->spaced || !is_shared(*found)) return false;
        any = true;
    }
    return any;
}

std::string shared_sequences::unspaced_of(const catalog_relation& table) const {
    for (const auto& name : table.draws) {
        const auto found = in_->relations.find(name);
        if (found != in_->relations.end() && !found->second.spaced && is_shared(found->second)) return name;
    }
    return {};
}

/// Of those that are spaced already: before, `ringway init` starts above whatever they have been set to.
bool shared_sequences::is_set(const sequence_use& use) const {
    const auto counts = [this](const catalog_relation* sequence) {
        return sequence && sequence->spaced && is_shared(*sequence);
    };
    if (!in_ || use.what == sequence_use::kind::draws) return false;
    if (use.which.name.empty())  // it may be any
        return std::any_of(in_->relations.begin(), in_->relations.end(),
                           [&](const auto& each) { return counts(&each.second); });
    const auto* named = find(use.which);
    if (!use.by_table) return counts(named);
    return named && std::any_of(named->draws.begin(), named->draws.end(), [&](const std::string& name) {
               const auto found = in_->relations.find(name);
               return found != in_->relations.end() && counts(&found->second);
           });
}

std::optional<fault> shared_sequences::refusal(const statement& what) const {
    if (map_.sequences.empty()) return std::nullopt;
    for (const auto& each : what.sequences) {
        if (!is_set(each)) continue;
        const auto subject = each.by_table ? "of " + each.which.name : each.which.name;
        return fault{fault_kind::unsupported,
                     each.which.name.empty()
                         ? "setval of a sequence whose name is not in the text"
                         : fmt::format("sequence {} counts on all shards, and cannot be set", subject),
                     "What one shard gives next is none of the others'.",
                     "make another sequence, or start this one anew by DROP and CREATE SEQUENCE and `ringway init`"};
    }
    return std::nullopt;
}

}  // namespace ringway::router
