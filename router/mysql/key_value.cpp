#include "router/mysql/key_value.hpp"

#include <algorithm>
#include <string>

#include "router/key_parts.hpp"
#include "router/lexical.hpp"
#include "router/mysql/lexer.hpp"
#include "router/mysql/shape.hpp"

namespace ringway::router::mysql {

namespace {

using kind = parameter_kind;

/// So many digits fit a double for certain, as which numbers and strings are compared.
constexpr std::size_t most_digits = 15;

/// Digits, perhaps after a minus, without leading zeros: no conversion can make anything else of it.
bool is_plain_integer(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text.size() <= most_digits && std::all_of(text.begin(), text.end(), is_digit) &&
           (text.size() == 1 || text.front() != '0');
}

/// Digits with perhaps a point among them, after perhaps a minus.
bool is_plain_decimal(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto dot = text.find('.');
    const auto whole = text.substr(0, dot), rest = dot == std::string_view::npos ? "0" : text.substr(dot + 1);
    return !whole.empty() && !rest.empty() && whole.size() + rest.size() <= most_digits + 1 &&
           std::all_of(whole.begin(), whole.end(), is_digit) && std::all_of(rest.begin(), rest.end(), is_digit);
}

std::size_t digits_of(std::string_view canonical) {
    return static_cast<std::size_t>(std::count_if(canonical.begin(), canonical.end(), is_digit));
}

/// 0x35 where a number is wanted.
bool number_from_bytes(std::string_view bytes, canonical_key& out) {
    if (bytes.size() > 8) return false;
    std::uint64_t value = 0;
    for (const char each : bytes) value = value << 8 | static_cast<unsigned char>(each);
    key_parts::copy(std::to_string(value), out);
    return true;
}

/// Any number as its shortest text.
bool number_from(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    using key_parts::numeric_from_text, key_parts::scale;
    // As which a decimal of so many digits keeps apart from its neighbours.
    const bool by_double = recipe.rows || recipe.type == key_type::integer || recipe.mysql.digits <= most_digits;
    switch (given.what) {
        case kind::integer:
        case kind::decimal:
            return numeric_from_text(given.text, false, scale::minimal, out);
        case kind::real:
            return by_double && numeric_from_text(given.text, false, scale::minimal, out) &&
                   digits_of(out.text) <= most_digits;
        case kind::text: {
            const bool plain =
                recipe.type == key_type::integer ? is_plain_integer(given.text) : is_plain_decimal(given.text);
            return plain && by_double && numeric_from_text(given.text, false, scale::minimal, out);
        }
        case kind::bytes:
            return given.hexadecimal && recipe.type == key_type::integer && number_from_bytes(given.text, out);
        default:
            return false;
    }
}

/// Whether an integer fits the column, so that it is stored as it is: other modes than the strict ones cut it.
bool fits_integer(const mysql_column& column, std::string_view canonical) {
    const bool negative = canonical.front() == '-';
    const auto digits = canonical.substr(negative ? 1 : 0);
    if (negative && column.is_unsigned) return false;
    static constexpr std::string_view signed_most[] = {"127", "32767", "8388607", "2147483647", "9223372036854775807"};
    static constexpr std::string_view unsigned_most[] = {"255", "65535", "16777215", "4294967295",
                                                         "18446744073709551615"};
    std::size_t at = 0;
    switch (column.digits) {
        case 1:
        case 2:
        case 3:
        case 4:
            at = column.digits - 1u;
            break;
        case 8:
            at = 4;
            break;
        default:
            return false;
    }
    const auto most = column.is_unsigned ? unsigned_most[at] : signed_most[at];
    return digits.size() < most.size() || (digits.size() == most.size() && digits <= most);
}

bool fits_decimal(const mysql_column& column, std::string_view canonical) {
    const bool negative = canonical.front() == '-';
    if (negative && column.is_unsigned) return false;
    const auto digits = canonical.substr(negative ? 1 : 0);
    const auto dot = std::min(digits.find('.'), digits.size());
    const auto fraction = digits.size() - std::min(digits.size(), dot + 1);
    const auto whole = digits.substr(0, dot) == "0" ? 0 : dot;
    return fraction <= column.scale && whole + column.scale <= column.digits;
}

/// What stands before or around a literal changes what it is.
given_value value_of(const literal& what, const value_source& from, const values& with, std::string& scratch) {
    given_value out;
    const auto written = with.text.substr(what.offset, what.length);
    const std::string_view cast = from.cast;
    out.text = mysql_literal_view(with.text, what, *with.mysql, scratch);
    out.widest = with.widest;
    const bool number = what.kind == literal_kind::integer || what.kind == literal_kind::decimal;
    if (from.negated && !number) return out;
    if (number) {
        if (from.negated) {
            scratch = "-" + std::string(written);
            out.text = scratch;
        }
        const bool whole = what.kind == literal_kind::integer;
        const bool real = written.find_first_of("eE") != std::string_view::npos;
        const bool kept = cast.empty() || (whole && is_plain_integer(out.text) &&
                                           (cast == "signed" || (cast == "unsigned" && !from.negated)));
        if (kept) out.what = whole ? kind::integer : real ? kind::real : kind::decimal;
    } else if (what.kind == literal_kind::bit_string) {
        const bool bits = lexical::lower(written.front()) == 'b' || written.starts_with("0b");
        out.hexadecimal = written.starts_with("0x") && cast.empty();
        if (!bits && (cast.empty() || cast == "_binary")) out.what = kind::bytes;
    } else if (what.kind == literal_kind::national_string) {
        out.widest = 3;
        if (cast.empty()) out.what = kind::text;
    } else if (cast.empty()) {
        out.what = kind::text;
    } else if (cast == "_utf8mb4" || cast == "_utf8" || cast == "_utf8mb3") {
        out.widest = cast == "_utf8mb4" ? 4 : 3;
        out.what = kind::text;
    } else if (cast == "_binary") {
        out.what = kind::bytes;
    } else if (cast == "date") {
        out.what = kind::date;
    } else if (cast == "timestamp" || (cast == "datetime" && out.text.find('.') == std::string_view::npos)) {
        out.what = kind::datetime;
    } else if ((cast == "signed" || (cast == "unsigned" && !out.text.starts_with('-'))) && is_plain_integer(out.text)) {
        out.what = kind::integer;
    }
    return out;
}

bool place(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    if (given.what == kind::other) return false;
    switch (recipe.type) {
        case key_type::integer:
        case key_type::numeric:
            return number_key(recipe, given, out);
        case key_type::text:
            return text_key(recipe, given, out);
        case key_type::bytea:
            return binary_key(recipe, given, out);
        case key_type::date:
        case key_type::timestamp:
            return time_key(recipe, given, out);
        case key_type::uuid:
            return given.what == kind::text && (given.text.size() == 36 || given.text.size() == 32) &&
                   canonical_from_text(key_type::uuid, given.text, out);
        default:
            return false;
    }
}

}  // namespace

bool number_key(const key_recipe& recipe, const given_value& given, canonical_key& out) {
    if (!number_from(recipe, given, out) || !is_digit(out.text.back())) return false;
    if (recipe.type == key_type::integer) {
        if (out.text.find('.') != std::string_view::npos) return false;
        return !recipe.rows || (fits_integer(recipe.mysql, out.text) && !(recipe.mysql.counts_up && out.text == "0"));
    }
    return !recipe.rows || fits_decimal(recipe.mysql, out.text);
}

key_outcome key_of(const key_recipe& recipe, const value_source& from, const values& with, canonical_key& out) {
    given_value given;
    std::string scratch;
    switch (from.what) {
        case value_source::from::null:
            return key_outcome::null;
        case value_source::from::constant:  // TRUE, FALSE, 1 + 1
            given.what = kind::integer;
            given.text = from.constant;
            break;
        case value_source::from::literal:
            if (from.index >= with.literals.size()) return key_outcome::unplaced;
            given = value_of(with.literals[from.index], from, with, scratch);
            break;
        case value_source::from::parameter: {
            if (from.index >= with.parameters.size()) return key_outcome::rejected;
            const auto& bound = with.parameters[from.index];
            if (bound.is_null) return key_outcome::null;
            given.what = static_cast<kind>(bound.type_oid);
            given.text = bound.bytes;
            given.widest = with.widest;
            const bool kept = from.cast.empty() ||
                              (from.cast == "signed" && given.what == kind::integer && is_plain_integer(given.text));
            if (!kept) return key_outcome::unplaced;
            break;
        }
        case value_source::from::unknown:
            return key_outcome::unplaced;
    }
    return place(recipe, given, out) ? key_outcome::key : key_outcome::unplaced;
}

}  // namespace ringway::router::mysql
