#include "router/key_value.hpp"

#include <algorithm>
#include <array>

#include "router/mysql/key_value.hpp"
#include "router/parameter_types.hpp"

namespace ringway::router {

namespace {

struct cast_type {
    std::string_view name;
    std::uint32_t oid;
    key_type type;
};
constexpr std::array cast_types{cast_type{"int2", oid::int2, key_type::integer},
                                cast_type{"int4", oid::int4, key_type::integer},
                                cast_type{"int8", oid::int8, key_type::integer},
                                cast_type{"numeric", oid::numeric, key_type::numeric},
                                cast_type{"text", oid::text, key_type::text},
                                cast_type{"varchar", oid::varchar, key_type::text},
                                cast_type{"uuid", oid::uuid, key_type::uuid},
                                cast_type{"bytea", oid::bytea, key_type::bytea},
                                cast_type{"date", oid::date, key_type::date},
                                cast_type{"timestamp", oid::timestamp, key_type::timestamp},
                                cast_type{"timestamptz", oid::timestamptz, key_type::timestamptz},
                                cast_type{"bool", oid::boolean, key_type::boolean}};

const cast_type* find_cast(std::string_view name) {
    const auto found =
        std::find_if(cast_types.begin(), cast_types.end(), [name](const cast_type& c) { return c.name == name; });
    return found == cast_types.end() ? nullptr : found;
}

bool is_number(key_type type) {
    return type == key_type::integer || type == key_type::numeric;
}

/// Whether a value of the cast's type is compared with the column as it is, or as a number with a number.
bool fits(key_type column, const cast_type& cast) {
    return cast.type == column || (is_number(cast.type) && is_number(column));
}

bool is_number(const literal& what) {
    return what.kind == literal_kind::integer || what.kind == literal_kind::decimal;
}

/// Certain to be refused by the server's input function. Newer servers read more spellings of integers (0x1F, 1_000).
bool surely_invalid(key_type type, std::string_view text) {
    if (type == key_type::uuid) return true;
    if (type != key_type::integer) return false;
    const auto first = text.find_first_not_of(" \t\n\v\f\r");
    if (first == std::string_view::npos) return true;
    const char c = text[first];
    return !(c == '+' || c == '-' || (c >= '0' && c <= '9'));
}

key_outcome failed(key_type type, std::string_view text) {
    return surely_invalid(type, text) ? key_outcome::rejected : key_outcome::unplaced;
}

/// What is stored is cut or rounded to the column's modifier: only a value that already fits is certain.
bool survives_storing(const key_recipe& recipe, std::string_view canonical) {
    return !recipe.rows || fits_modifier(recipe.type, recipe.type_modifier, canonical);
}

key_outcome literal_key(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out) {
    if (from.index >= with.literals.size()) return key_outcome::unplaced;
    const auto& what = with.literals[from.index];
    const auto type = recipe.type;
    const bool conforming = with.standard_conforming_strings;
    if (from.cast.empty() || is_number(what)) {
        const auto* cast = from.cast.empty() ? nullptr : find_cast(from.cast);
        if (!from.cast.empty() && (!cast || !fits(type, *cast))) return key_outcome::unplaced;
        if (cast && cast->type == key_type::integer) {  // 5.6::int is 6
            canonical_key whole;
            if (!canonical_from_literal(key_type::integer, with.text, what, from.negated, conforming, whole))
                return key_outcome::unplaced;
        }
        if (canonical_from_literal(type, with.text, what, from.negated, conforming, out)) return key_outcome::key;
        if (is_number(what)) return key_outcome::unplaced;
        std::string scratch;
        return failed(type, literal_view(with.text, what, conforming, scratch));
    }
    const auto* cast = find_cast(from.cast);
    if (!cast || !fits(type, *cast) || from.negated || what.kind == literal_kind::bit_string)
        return key_outcome::unplaced;
    std::string scratch;
    const auto text = literal_view(with.text, what, conforming, scratch);
    canonical_key own;  // must be a value of the cast's type first
    if (!canonical_from_text(cast->type, text, own)) return failed(cast->type, text);
    return canonical_from_parameter(type, cast->oid, false, own.text, out) ? key_outcome::key : key_outcome::unplaced;
}

bool is_integer(std::uint32_t type) {
    return type == oid::int2 || type == oid::int4 || type == oid::int8;
}
bool is_string(std::uint32_t type) {
    return type == oid::text || type == oid::varchar || type == oid::unknown;
}

/// What the server takes the value for may not be what the key would have it be.
bool is_uncertain(const key_recipe& recipe, const value_source& from, const parameter& given) {
    if (!from.unsure || !is_undeclared(given)) return false;
    switch (recipe.type) {
        case key_type::integer:
        case key_type::numeric:
            return recipe.native_only || from.array || !is_same_number(given);
        default:
            return true;
    }
}

/// A varchar column is compared with a char(n) as that type: its own trailing spaces do not count.
bool is_padded(const key_recipe& recipe, std::uint32_t type) {
    return !recipe.rows && recipe.type == key_type::text && type == oid::bpchar;
}

key_outcome parameter_key(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out) {
    if (from.index >= with.parameters.size()) return key_outcome::rejected;
    const auto& given = with.parameters[from.index];
    if (given.is_null) return key_outcome::null;
    if (is_uncertain(recipe, from, given)) return key_outcome::unplaced;
    auto type = given.type_oid;
    if (is_padded(recipe, type)) return key_outcome::unplaced;
    if (!from.cast.empty()) {
        const auto* cast = find_cast(from.cast);
        if (!cast || !fits(recipe.type, *cast)) return key_outcome::unplaced;
        const bool same = type == oid::unspecified || type == cast->oid || (is_integer(type) && is_integer(cast->oid));
        if (!same && (!is_string(type) || given.binary)) return key_outcome::unplaced;
        if (type == oid::unspecified || is_string(type)) type = cast->oid;
    }
    if (canonical_from_parameter(recipe.type, type, given.binary, given.bytes, out)) return key_outcome::key;
    const bool own_type = type == oid::unspecified || (recipe.type == key_type::integer && is_integer(type)) ||
                          (recipe.type == key_type::uuid && type == oid::uuid);
    return own_type && !given.binary ? failed(recipe.type, given.bytes) : key_outcome::unplaced;
}

/// Whether the server itself compares the type with a key: its operator fits one side exactly, so that it goes before
/// what users have made.
bool is_native(key_type key, std::uint32_t type) {
    if (type == oid::unspecified || type == oid::unknown) return true;
    switch (key) {
        case key_type::integer:
        case key_type::numeric:
            return is_integer(type) || type == oid::numeric || type == oid::float4 || type == oid::float8;
        case key_type::text:
        case key_type::bpchar:
            return is_string(type) || type == oid::bpchar || type == oid::name;
        case key_type::uuid:
            return type == oid::uuid;
        case key_type::bytea:
            return type == oid::bytea;
        case key_type::boolean:
            return type == oid::boolean;
        case key_type::date:
        case key_type::timestamp:
        case key_type::timestamptz:
            return type == oid::date || type == oid::timestamp || type == oid::timestamptz;
        case key_type::unsupported:
            break;
    }
    return false;
}

/// A source without a cast.
bool is_native(key_type key, const value_source& from, const values& with) {
    if (!from.cast.empty()) return true;
    const bool number = key == key_type::integer || key == key_type::numeric;
    const bool truth = from.constant == "true" || from.constant == "false";
    switch (from.what) {
        case value_source::from::literal:
            return number || from.index >= with.literals.size() || !is_number(with.literals[from.index]);
        case value_source::from::parameter:
            return from.index >= with.parameters.size() || is_native(key, with.parameters[from.index].type_oid);
        case value_source::from::constant:
            return truth ? key == key_type::boolean : number;
        default:
            return true;
    }
}

/// Arrays of the type a cast names, or of the column's own.
std::uint32_t element_of_cast(const value_source& from, key_type column, bool& fine) {
    if (from.cast.empty()) return oid::unspecified;
    const auto* cast = find_cast(from.cast);
    fine = cast && fits(column, *cast);
    return fine ? cast->oid : oid::unspecified;
}

/// The type of one value of a list, of those alike the first; oid::unspecified: it takes that of the others.
std::uint32_t type_in_list(const value_source& from, const values& with) {
    auto type = oid::unspecified;
    if (!from.cast.empty()) {
        const auto* cast = find_cast(from.cast);
        type = cast                     ? cast->oid
               : from.cast == "float8"  ? oid::float8
               : from.cast == "float4"  ? oid::float4
               : from.cast == "bpchar"  ? oid::bpchar
               : from.cast == "unknown" ? oid::unspecified
                                        : oid::foreign;
    } else if (from.what == value_source::from::literal && from.index < with.literals.size()) {
        if (is_number(with.literals[from.index])) type = oid::int8;
    } else if (from.what == value_source::from::constant) {
        type = from.constant == "true" || from.constant == "false" ? oid::boolean : oid::int8;
    } else if (from.what == value_source::from::parameter && from.index < with.parameters.size()) {
        type = with.parameters[from.index].type_oid;
    }
    if (is_integer(type) || type == oid::numeric) return oid::int8;
    if (is_string(type)) return type == oid::unknown ? oid::unspecified : oid::text;
    return type;
}

/// Whether a list of the key's values keeps their meaning with values of the type in it.
bool is_own(key_type key, std::uint32_t type) {
    switch (key) {
        case key_type::integer:
        case key_type::numeric:
            return type == oid::int8;
        case key_type::text:
            return type == oid::text || type == oid::int8;
        case key_type::bpchar:
            return type == oid::text || type == oid::int8 || type == oid::bpchar;
        case key_type::date:
            return type == oid::date;
        case key_type::timestamp:
            return type == oid::timestamp;
        case key_type::timestamptz:
            return type == oid::timestamptz;
        case key_type::uuid:
        case key_type::bytea:
        case key_type::boolean:
        case key_type::unsupported:
            break;
    }
    return is_native(key, type);
}

}  // namespace

list_type type_of_list(const key_recipe& recipe, const values& with) {
    constexpr std::size_t of_float4 = 7, of_float8 = 15;  // below 2^24 and 2^53
    list_type out;
    if (with.mysql) return out;
    auto other = oid::unspecified;
    bool several = false;
    std::size_t digits = of_float8;
    for (const auto& from : recipe.values) {
        if (from.array) continue;  // its elements are of their own type
        const auto type = type_in_list(from, with);
        if (type == oid::unspecified || is_own(recipe.type, type)) continue;
        if (type == oid::float4) digits = of_float4;
        if (type != oid::float4 && type != oid::float8) digits = 0;
        several = several || (other != oid::unspecified && other != type);
        other = type;
    }
    if (other == oid::unspecified) return out;
    // Alike, each is what it is by itself; a NULL without a type is none of them.
    const bool alike = !several && std::all_of(recipe.values.begin(), recipe.values.end(), [&](const auto& from) {
        return from.array || type_in_list(from, with) == other ||
               (from.what == value_source::from::null && from.cast.empty());
    });
    if (!alike) out.most_digits = recipe.type == key_type::integer ? digits : 0;
    return out;
}

key_outcome key_of(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out) {
    if (with.mysql) return mysql::key_of(recipe, from, with, out);
    auto what = key_outcome::unplaced;
    if (recipe.native_only && !is_native(recipe.type, from, with)) return what;
    switch (from.what) {
        case value_source::from::literal:
            what = literal_key(recipe, from, with, out);
            break;
        case value_source::from::parameter:
            what = parameter_key(recipe, from, with, out);
            break;
        case value_source::from::null:
            return key_outcome::null;
        case value_source::from::constant: {
            const auto* cast = from.cast.empty() ? nullptr : find_cast(from.cast);
            const bool fine = from.cast.empty() || (cast && fits(recipe.type, *cast));
            if (fine && canonical_from_text(recipe.type, from.constant, out)) what = key_outcome::key;
            break;
        }
        case value_source::from::unknown:
            break;
    }
    if (what == key_outcome::key && !survives_storing(recipe, out.text)) return key_outcome::unplaced;
    return what;
}

key_array::key_array(const key_recipe& recipe, const value_source& from, const values& with) : recipe_(recipe) {
    bool fine = true;
    const auto element = element_of_cast(from, recipe.type, fine);
    only_ = key_outcome::unplaced;
    if (!fine) return;
    if (from.what == value_source::from::literal && from.index < with.literals.size()) {
        const auto text =
            literal_view(with.text, with.literals[from.index], with.standard_conforming_strings, scratch_);
        elements_ = array_keys::of_text(recipe.type, text, element);
    } else if (from.what == value_source::from::parameter) {
        if (from.index >= with.parameters.size()) {
            only_ = key_outcome::rejected;
            return;
        }
        const auto& given = with.parameters[from.index];
        if (given.is_null) {
            only_ = key_outcome::null;
        } else if (is_uncertain(recipe, from, given)) {
            return;
        } else if (recipe.native_only && from.cast.empty() && given.type_oid != oid::unspecified &&
                   !is_native(recipe.type, element_type(given.type_oid))) {
            return;
        } else if (is_padded(recipe, element_type(given.type_oid))) {
            return;
        } else if (given.type_oid == oid::unspecified && !given.binary) {
            elements_ = array_keys::of_text(recipe.type, given.bytes, element);
        } else if (element == oid::unspecified || given.type_oid == oid::unspecified ||
                   element_type(given.type_oid) == element ||
                   (is_integer(element_type(given.type_oid)) && is_integer(element))) {
            elements_ = array_keys::of_parameter(recipe.type, given.type_oid, given.binary, given.bytes);
        }
    }
}

bool key_array::next(key_outcome& what, canonical_key& out) {
    if (done_) return false;
    if (!elements_) {
        done_ = true;
        what = only_;
        return true;
    }
    switch (elements_->next(out)) {
        case array_keys::item::key:
            what = survives_storing(recipe_, out.text) ? key_outcome::key : key_outcome::unplaced;
            return true;
        case array_keys::item::null:
            what = key_outcome::null;
            return true;
        case array_keys::item::end:
            done_ = true;
            return false;
        case array_keys::item::invalid:
            break;
    }
    done_ = true;
    what = key_outcome::unplaced;
    return true;
}

bool fits_modifier(key_type type, std::int32_t modifier, std::string_view canonical) {
    constexpr std::int32_t header = 4;  // VARHDRSZ: part of the modifiers of varchar and numeric
    if (modifier < 0) return true;
    const auto dot = canonical.find('.');
    const auto digits = dot == std::string_view::npos ? 0 : canonical.find_last_of("0123456789") - dot;
    switch (type) {
        case key_type::text:
            return canonical.size() + header <= static_cast<std::size_t>(modifier);
        case key_type::numeric: {
            const auto scale = ((modifier - header) & 0x7FF) ^ 0x400;  // eleven bits, signed
            return scale - 0x400 >= 0 && digits <= static_cast<std::size_t>(scale - 0x400);
        }
        case key_type::timestamp:
        case key_type::timestamptz:
            return digits <= static_cast<std::size_t>(modifier);
        default:
            return true;
    }
}

namespace {

constexpr std::size_t most_columns = 8;  ///< of a key; as config/toml/read_tables.cpp has it

/// The combinations of a compound key's values.
class compound {
  public:
    compound(const key_recipe& recipe, const values& with, const shard_map& map,
             const std::function<bool(const placed_key&)>& see)
        : recipe_(recipe),
          with_(with),
          map_(map),
          see_(see),
          columns_(std::min(recipe.further.size() + 1, most_columns)) {}

    void run() {
        if (recipe_.rows) {
            for (std::size_t i = 0; i < columns_; ++i)
                if (column(i).values.size() > 1) types_[i] = type_of_list(column(i), with_);
            for (std::size_t row = 0; row < recipe_.values.size(); ++row)
                if (!of_row(row)) return;
        } else {
            combine(0, key_outcome::key);
        }
    }

  private:
    const key_recipe& column(std::size_t i) const { return i == 0 ? recipe_ : recipe_.further[i - 1]; }

    bool of_row(std::size_t row) {
        auto worst = key_outcome::key;
        for (std::size_t i = 0; i < columns_; ++i) {
            const auto& of = column(i);
            canonical_key key;
            auto what = row < of.values.size() ? key_of(of, of.values[row], with_, key) : key_outcome::unplaced;
            if (what == key_outcome::key && !types_[i].keeps(key.text)) what = key_outcome::unplaced;
            worst = worse(worst, what);
            texts_[i] = key.text;
        }
        return tell(worst);
    }

    bool combine(std::size_t at, key_outcome so_far) {
        if (at == columns_) return tell(so_far);
        bool goes_on = true;
        each_key(column(at), with_, [&](key_outcome what, std::string_view text) {
            texts_[at] = text;
            return goes_on = combine(at + 1, worse(so_far, what));
        });
        return goes_on;
    }

    /// Of two columns: what the server would refuse comes first, a NULL matches nothing whatever the other is.
    static key_outcome worse(key_outcome a, key_outcome b) {
        for (const auto each : {key_outcome::rejected, key_outcome::null, key_outcome::unplaced})
            if (a == each || b == each) return each;
        return key_outcome::key;
    }

    bool tell(key_outcome what) {
        if (what != key_outcome::key) return see_({what, {}, 0});
        key_part parts[most_columns];
        for (std::size_t i = 0; i < columns_; ++i) parts[i] = {column(i).type, texts_[i], column(i).mysql.folds_case};
        const std::span<const key_part> key(parts, columns_);
        canonical_key room;
        placed_key out{key_outcome::unmapped, sharding::on_ring(key, room), 0};
        if (const auto found = owner_of(map_, recipe_.table, key)) {
            out.what = key_outcome::key;
            out.shard = *found;
        }
        return see_(out);
    }

    const key_recipe& recipe_;
    const values& with_;
    const shard_map& map_;
    const std::function<bool(const placed_key&)>& see_;
    std::size_t columns_;
    std::string texts_[most_columns];
    list_type types_[most_columns];  ///< of rows
};

}  // namespace

void each_compound(const key_recipe& recipe, const values& with, const shard_map& map,
                   const std::function<bool(const placed_key&)>& see) {
    compound(recipe, with, map, see).run();
}

namespace {

/// Built-in types, from pg_type.dat; 0: its arrays are not told.
struct built_in_type {
    std::string_view name;
    std::uint32_t oid, array;
};
constexpr std::array built_in_types{built_in_type{"bool", 16, 1000},        built_in_type{"bytea", 17, 1001},
                                    built_in_type{"name", 19, 1003},        built_in_type{"int8", 20, 1016},
                                    built_in_type{"int2", 21, 1005},        built_in_type{"int4", 23, 1007},
                                    built_in_type{"text", 25, 1009},        built_in_type{"oid", 26, 1028},
                                    built_in_type{"json", 114, 199},        built_in_type{"xml", 142, 143},
                                    built_in_type{"cidr", 650, 651},        built_in_type{"float4", 700, 1021},
                                    built_in_type{"float8", 701, 1022},     built_in_type{"inet", 869, 1041},
                                    built_in_type{"bpchar", 1042, 1014},    built_in_type{"varchar", 1043, 1015},
                                    built_in_type{"date", 1082, 1182},      built_in_type{"time", 1083, 1183},
                                    built_in_type{"timestamp", 1114, 1115}, built_in_type{"timestamptz", 1184, 1185},
                                    built_in_type{"interval", 1186, 1187},  built_in_type{"timetz", 1266, 1270},
                                    built_in_type{"bit", 1560, 1561},       built_in_type{"varbit", 1562, 1563},
                                    built_in_type{"numeric", 1700, 1231},   built_in_type{"uuid", 2950, 2951},
                                    built_in_type{"jsonb", 3802, 3807}};

bool is_fractional(std::uint32_t type) {
    return type == oid::float4 || type == oid::float8 || type == oid::numeric;
}

/// A number as it is written, where a type of fractions reads the same from its text.
bool written_number(std::string_view source, bool negated, std::string& out) {
    if (source.find_first_not_of("0123456789.eE+-") != source.npos) return false;  // 0x1F, 1_000
    const bool zero = source.substr(0, source.find_first_of("eE")).find_first_of("123456789") == source.npos;
    out = (negated && !zero ? "-" : "") + std::string(source);  // as a text -0 is another float
    return true;
}

}  // namespace

std::uint32_t declared_type(const value_source& declared) {
    if (declared.cast.empty() || (declared.cast == "unknown" && !declared.array)) return oid::unspecified;
    const auto known = std::find_if(built_in_types.begin(), built_in_types.end(),
                                    [&](const built_in_type& each) { return each.name == declared.cast; });
    if (known == built_in_types.end()) return oid::foreign;
    return declared.array ? known->array : known->oid;
}

parameter argument_of(const value_source& from, const values& with, std::uint32_t declared, std::string& scratch) {
    parameter out;
    out.type_oid = declared;
    const bool plain = from.cast.empty() && !from.array;
    if (from.what == value_source::from::null) {
        out.is_null = true;
    } else if (plain && from.what == value_source::from::constant) {
        scratch = from.constant;
    } else if (plain && from.what == value_source::from::literal && from.index < with.literals.size()) {
        const auto& what = with.literals[from.index];
        const bool string = !is_number(what) && what.kind != literal_kind::bit_string && !from.negated;
        canonical_key number;
        if (string)
            scratch = literal_value(with.text, what, with.standard_conforming_strings);
        else if (is_number(what) && is_fractional(declared) &&
                 written_number(with.text.substr(what.offset, what.length), from.negated, scratch))
            ;
        else if (is_number(what) &&
                 canonical_from_literal(declared == oid::numeric ? key_type::numeric : key_type::integer, with.text,
                                        what, from.negated, with.standard_conforming_strings, number))
            scratch = number.text;
        else
            out.type_oid = oid::foreign;
    } else {
        out.type_oid = oid::foreign;
    }
    out.bytes = scratch;
    return out;
}

std::string shown(const value_source& from, const values& with) {
    std::string out;
    switch (from.what) {
        case value_source::from::literal:
            if (from.index < with.literals.size()) {
                const auto& what = with.literals[from.index];
                out = (from.negated ? "-" : "") + std::string(with.text.substr(what.offset, what.length));
            }
            break;
        case value_source::from::parameter:
            out = "$" + std::to_string(from.index + 1);
            if (from.index < with.parameters.size()) {
                const auto& given = with.parameters[from.index];
                if (given.is_null) out += " = NULL";
                if (!given.is_null && !given.binary) out += " = '" + std::string(given.bytes) + "'";
            }
            break;
        case value_source::from::null:
            out = "NULL";
            break;
        case value_source::from::constant:
            out = from.constant;
            break;
        case value_source::from::unknown:
            out = "an expression";
            break;
    }
    return from.cast.empty() ? out : out + "::" + from.cast + (from.array ? "[]" : "");
}

}  // namespace ringway::router
