// plan + values -> route.

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

#include "router/key_value.hpp"
#include "router/parameter_types.hpp"
#include "router/plan.hpp"

namespace ringway::router {

namespace {

using config::fault;
using config::fault_kind;

/// Gathers the shards that a statement's keys belong to.
class finding {
  public:
    finding(const plan& what, const values& with, const shard_map& map, key_seen* first)
        : what_(what), with_(with), map_(map), first_(first), shard_(what.fixed_shard) {}

    route run() {
        route out;
        out.need = what_.need;
        for (const auto& recipe : what_.keys)
            if (!follow(recipe)) break;
        if (refusal_ && what_.gather && !unmapped_) {
            out.kind = route::to::several;
        } else if (refusal_ && ((over_several_ && what_.spread != spreading::none) ||
                                (unplaced_ && what_.spread == spreading::carried) ||
                                (of_condition_ && what_.spread == spreading::apart))) {
            out.kind = route::to::spread;
        } else if (refusal_) {
            out.kind = route::to::refused;
            out.refusal = std::move(refusal_);
        } else {
            out.shard = shard_.value_or(0);  // keys that are all NULL match nothing, anywhere
        }
        // Which keys an unfinished look has not seen is not known.
        out.moves = moves_ || (map_.change && (out.kind != route::to::shard || what_.hinted));
        return out;
    }

  private:
    bool follow(const key_recipe& recipe) {
        const bool sole = recipe.rows || (recipe.values.size() == 1 && !recipe.values.front().array);
        each_owner(recipe, with_, map_, [&](const placed_key& key) {
            if (key.what == key_outcome::key) {
                if (first_ && !first_->found) note(recipe, key);
                if (map_.change)
                    moves_ = moves_ || !recipe.further.empty() || map_.change->moving.contains(position(key.text));
                return take(recipe, key.shard);
            }
            if (key.what == key_outcome::null && recipe.write && sole) refuse_null(recipe);
            if (key.what == key_outcome::unplaced) refuse_unplaced(recipe);
            if (key.what == key_outcome::unmapped) refuse_unmapped(recipe, key.text);
            return !refusal_;
        });
        return !refusal_;
    }

    void note(const key_recipe& recipe, const placed_key& key) {
        first_->found = true;
        first_->table = recipe.table;
        first_->shard = key.shard;
        first_->length = static_cast<std::uint32_t>(key.text.size());
        std::copy_n(key.text.data(), std::min(key.text.size(), key_seen::longest), first_->bytes.begin());
    }

    bool take(const key_recipe& recipe, std::uint16_t owner) {
        if (!shard_) shard_ = owner;
        if (*shard_ != owner) refuse_several(recipe);
        return !refusal_;
    }

    const config::table& table(const key_recipe& recipe) const { return map_.tables[recipe.table]; }

    void refuse_null(const key_recipe& recipe) {
        refusal_ = fault{fault_kind::no_key, fmt::format("the shard key of {} is NULL", table(recipe).name),
                         fmt::format("a row belongs to the shard of its \"{}\"", table(recipe).key_title()),
                         "give it a value"};
    }

    /// Also when shards were several before it: no row may be anywhere.
    void refuse_unmapped(const key_recipe& recipe, std::string_view canonical) {
        unmapped_ = true;
        refusal_ = unmapped_fault(map_, recipe.table, canonical);
    }

    void refuse_unplaced(const key_recipe& recipe) {
        unplaced_ = true;
        const auto& entry = table(recipe);
        if (is_untyped(recipe) || std::any_of(recipe.further.begin(), recipe.further.end(),
                                              [&](const auto& each) { return is_untyped(each); })) {
            of_condition_ = !recipe.rows;
            refusal_ =
                fault{fault_kind::unsupported,
                      fmt::format("the parameter given for \"{}\", the key of {}, cannot be placed", entry.key_title(),
                                  entry.name),
                      "it stands in several places, and the server takes its type from another than the key's column",
                      "declare the parameter's type, cast it to the column's type wherever it stands, or write it in "
                      "one place only"};
            return;
        }
        of_condition_ = !recipe.rows;
        refusal_ = fault{
            fault_kind::unsupported,
            fmt::format("the value given for \"{}\", the key of {}, cannot be placed", entry.key_title(), entry.name),
            "its text in the column's type is not certain: a cast, a rounding, a time zone or another type's "
            "comparison decides it",
            "give it in the type of the column, as it would be stored"};
    }

    bool is_untyped(const key_recipe& recipe) const {
        return std::any_of(recipe.values.begin(), recipe.values.end(), [&](const value_source& each) {
            return each.unsure && each.index < with_.parameters.size() && is_undeclared(with_.parameters[each.index]);
        });
    }

    /// Names the shards of all keys, for the words of the refusal.
    void refuse_several(const key_recipe& recipe) {
        std::bitset<65536> seen;
        if (what_.fixed_shard) seen.set(*what_.fixed_shard);
        for (const auto& each : what_.keys)
            each_owner(each, with_, map_, [&](const placed_key& key) {
                if (key.what == key_outcome::key) seen.set(key.shard);
                if (key.what == key_outcome::unmapped) refuse_unmapped(each, key.text);
                return !unmapped_;
            });
        if (unmapped_) return;
        over_several_ = true;
        std::string names;
        for (std::size_t i = 0; i < map_.shards.size(); ++i)
            if (seen.test(i)) names += (names.empty() ? "" : ", ") + map_.shards[i].name;
        const auto subject = recipe.rows ? "rows belong" : "keys belong";
        std::string detail;
        if (what_.fixed_shard)
            detail = fmt::format("shard {} is needed whatever the keys: a hint names it, or a table that is only there",
                                 map_.shards[*what_.fixed_shard].name);
        else if (!what_.alone.empty())
            detail = fmt::format("it does not run on several shards because {}", what_.alone);
        refusal_ = fault{fault_kind::unsupported,
                         fmt::format("this statement does not name one shard of cluster \"{}\": its {} to shards {}",
                                     map_.cluster, subject, names),
                         std::move(detail),
                         recipe.rows ? "send the rows of each shard in a statement of their own"
                                     : "send one statement for the keys of each shard"};
    }

    const plan& what_;
    const values& with_;
    const shard_map& map_;
    key_seen* first_;
    std::optional<std::uint16_t> shard_;
    std::optional<fault> refusal_;
    bool over_several_ = false;  ///< the only thing that is wrong
    bool unplaced_ = false;      ///< ... a value that only a server can tell
    bool of_condition_ = false;  ///< ... a condition's: no shard need be left out for it
    bool unmapped_ = false;
    bool moves_ = false;
};

}  // namespace

fault unmapped_fault(const shard_map& map, std::uint16_t table, std::string_view canonical) {
    const auto& entry = map.tables[table];
    return {fault_kind::unmapped_key,
            fmt::format("no shard of cluster \"{}\" has the key {} of {}", map.cluster, canonical, entry.name),
            fmt::format("the map of {} gives \"{}\" to none", entry.name, entry.key_title()),
            "add it to the map of the table, in the configuration"};
}

route route_of(const plan& what, const values& with, const shard_map& map, key_seen* first) {
    if (first) first->found = false;
    route out;
    out.need = what.need;
    out.moves = map.change != nullptr && what.placement != placement::all_same;
    switch (what.placement) {
        case placement::single:
            if (what.keys.empty()) {
                out.shard = what.fixed_shard.value_or(0);
                out.moves = out.moves && what.hinted;  // without a hint only tables that are not on the ring
                return out;
            }
            return finding(what, with, map, first).run();
        case placement::any_shard:
            out.kind = route::to::any_shard;
            return out;
        case placement::all_same:
            out.kind = route::to::all_same;
            return out;
        case placement::several:
            out.kind = route::to::several;
            return out;
        case placement::spread:
            out.kind = route::to::spread;
            return out;
        case placement::refused:
            break;
    }
    out.kind = route::to::refused;
    out.refusal = what.refusal;
    return out;
}

}  // namespace ringway::router
