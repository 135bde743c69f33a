#include "router/mysql/key_value.hpp"

#include <algorithm>

#include "router/mysql/lexer.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router::mysql {

namespace {

/// So many digits fit 64 bits for certain.
constexpr std::size_t most_digits = 18;

/// Digits, perhaps after a minus, without leading zeros: no conversion can make anything else of it.
bool is_plain_integer(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text.size() <= most_digits && std::all_of(text.begin(), text.end(), is_digit) &&
           (text.size() == 1 || text.front() != '0');
}

}  // namespace

key_outcome literal_key(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out) {
    if (from.index >= with.literals.size() || !from.cast.empty()) return key_outcome::unplaced;
    const auto& what = with.literals[from.index];
    std::string scratch;
    const auto text = mysql_literal_view(with.text, what, *with.mysql, scratch);
    if (what.kind == literal_kind::integer && recipe.type == key_type::integer)
        return canonical_from_literal(recipe.type, with.text, what, from.negated, true, out) ? key_outcome::key
                                                                                             : key_outcome::unplaced;
    if (what.kind != literal_kind::string || from.negated) return key_outcome::unplaced;
    if (recipe.type == key_type::integer && !is_plain_integer(text)) return key_outcome::unplaced;
    if (recipe.type != key_type::integer && recipe.type != key_type::text) return key_outcome::unplaced;
    return canonical_from_text(recipe.type, text, out) ? key_outcome::key : key_outcome::unplaced;
}

}  // namespace ringway::router::mysql
