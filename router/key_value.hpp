#pragma once
// The values of a key recipe, one by one, as canonical keys: from literals, parameters, arrays and constants.

#include <functional>
#include <string>
#include <string_view>

#include "router/array.hpp"
#include "router/key.hpp"
#include "router/plan.hpp"

namespace ringway::router {

/// What became of one value.
enum class key_outcome : std::uint8_t {
    key,       ///< a canonical key
    null,      ///< NULL: no row has it
    rejected,  ///< the server will report an error, whatever the shard
    unplaced,  ///< a value whose place is not certain
    unmapped,  ///< a key that no shard has
};

/// A key of a recipe, with the shard that has it.
struct placed_key {
    key_outcome what = key_outcome::unplaced;
    std::string_view text;  ///< canonical; of several columns with commas between them
    std::uint16_t shard = 0;
};

/// Calls `see(outcome, canonical text)` for each value of a recipe, until it returns false. No allocation, but for
/// strings with escapes and keys of more than 256 bytes. `see` is not called for an empty array.
template <class See>
void each_key(const key_recipe& recipe, const values& with, See&& see);

/// Calls `see(placed_key)` for each key of a recipe, until it returns false. No allocation for keys of one column, but
/// as each_key.
template <class See>
void each_owner(const key_recipe& recipe, const values& with, const shard_map& map, See&& see);

/// ... of keys of several columns.
void each_compound(const key_recipe& recipe, const values& with, const shard_map& map,
                   const std::function<bool(const placed_key&)>& see);

/// Whether the column stores a key as it is: its modifier cuts and rounds nothing.
bool fits_modifier(key_type type, std::int32_t modifier, std::string_view canonical);

/// One source that is no array.
key_outcome key_of(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out);

/// What the common type of a list, IN (..) or ARRAY[..] or VALUES (..), leaves of the values in it: a server compares
/// 9007199254740993 as a float8 beside another value of that type, be it NULL.
struct list_type {
    std::size_t most_digits = std::string::npos;  ///< a key of more may be another value; 0: any key may be
    bool keeps(std::string_view canonical) const noexcept {
        if (most_digits == std::string::npos) return true;
        return canonical.size() <= most_digits + (canonical.starts_with('-') ? 1 : 0) && most_digits != 0;
    }
};
list_type type_of_list(const key_recipe& recipe, const values& with);

/// The elements of a source that is an array.
class key_array {
  public:
    key_array(const key_recipe& recipe, const value_source& from, const values& with);
    /// False: no more. After `rejected` or `unplaced` there are no more either.
    bool next(key_outcome& what, canonical_key& out);

  private:
    const key_recipe& recipe_;
    std::string scratch_;
    std::optional<array_keys> elements_;
    key_outcome only_ = key_outcome::null;  ///< when there are no elements: what the whole is
    bool done_ = false;
};

/// The type that PREPARE declares for a parameter, as an OID; oid::unspecified for none ("unknown"), oid::foreign for
/// one whose values are never placed.
std::uint32_t declared_type(const value_source& declared);

/// An argument of EXECUTE as a parameter of the statement it runs: what the server makes of it, else of a type whose
/// values are never placed. `scratch` keeps its bytes.
parameter argument_of(const value_source& from, const values& with, std::uint32_t declared, std::string& scratch);

/// The value as an operator would write it: the literal, the parameter's text, $1 for a binary one.
std::string shown(const value_source& from, const values& with);

template <class See>
void each_key(const key_recipe& recipe, const values& with, See&& see) {
    canonical_key key;
    key_outcome what{};
    const auto type = recipe.values.size() > 1 ? type_of_list(recipe, with) : list_type{};
    for (const auto& from : recipe.values) {
        if (!from.array) {
            what = key_of(recipe, from, with, key);
            if (what == key_outcome::key && !type.keeps(key.text)) what = key_outcome::unplaced;
            if (!see(what, key.text)) return;
            continue;
        }
        key_array all(recipe, from, with);
        while (all.next(what, key))
            if (!see(what, key.text)) return;
    }
}

template <class See>
void each_owner(const key_recipe& recipe, const values& with, const shard_map& map, See&& see) {
    if (!recipe.further.empty()) return each_compound(recipe, with, map, see);
    each_key(recipe, with, [&](key_outcome what, std::string_view canonical) {
        placed_key made{what, canonical, 0};
        if (what == key_outcome::key) {
            const key_part part{recipe.type, canonical, recipe.mysql.folds_case};
            if (const auto found = owner_of(map, recipe.table, {&part, 1}))
                made.shard = *found;
            else
                made.what = key_outcome::unmapped;
        }
        return see(made);
    });
}

}  // namespace ringway::router
