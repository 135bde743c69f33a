#include "router/key.hpp"

#include <cstring>
#include <string>

#include "router/key_parts.hpp"
#include "router/lexical.hpp"

namespace ringway::router {
namespace key_parts {

char* room(canonical_key& out, std::size_t size) {
    char* at = out.small;
    if (size > sizeof out.small) {
        out.large.resize(size);
        at = out.large.data();
    }
    out.text = {at, size};
    return at;
}

void copy(std::string_view text, canonical_key& out) {
    char* const at = room(out, text.size());
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
}

std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view blank = " \t\n\v\f\r";  // isspace(), not the lexer's white space
    const auto first = text.find_first_not_of(blank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace key_parts

namespace {

using namespace key_parts;

constexpr char hex_digits[] = "0123456789abcdef";

void put_hex(char*& at, unsigned byte) {
    *at++ = hex_digits[byte >> 4];
    *at++ = hex_digits[byte & 15];
}

constexpr std::size_t uuid_bytes = 16;

bool uuid_from_bytes(std::span<const std::byte> value, canonical_key& out) {
    if (value.size() != uuid_bytes) return false;
    char* at = room(out, 36);
    for (std::size_t i = 0; i != uuid_bytes; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        put_hex(at, std::to_integer<unsigned>(value[i]));
    }
    return true;
}

/// Braces around it and a hyphen after each group of four digits are optional, as for the server.
bool uuid_from_text(std::string_view value, canonical_key& out) {
    if (value.starts_with('{')) {
        if (!value.ends_with('}')) return false;
        value = value.substr(1, value.size() - 2);
    }
    std::byte bytes[uuid_bytes];
    for (std::size_t i = 0; i != uuid_bytes; ++i) {
        if (value.size() < 2) return false;
        const int high = lexical::hex_value(value[0]), low = lexical::hex_value(value[1]);
        if (high < 0 || low < 0) return false;
        bytes[i] = static_cast<std::byte>(high * 16 + low);
        value.remove_prefix(2);
        if (i % 2 == 1 && i + 1 != uuid_bytes && value.starts_with('-')) value.remove_prefix(1);
    }
    return value.empty() && uuid_from_bytes(bytes, out);
}

bool bytea_from_bytes(std::span<const std::byte> value, canonical_key& out) {
    char* at = room(out, 2 + 2 * value.size());
    *at++ = '\\';
    *at++ = 'x';
    for (const std::byte byte : value) put_hex(at, std::to_integer<unsigned>(byte));
    return true;
}

/// \x and pairs of digits, with white space between pairs.
bool bytea_from_hex(std::string_view digits, canonical_key& out) {
    char* const start = room(out, 2 + digits.size());
    char* at = start;
    *at++ = '\\';
    *at++ = 'x';
    for (std::size_t i = 0; i < digits.size();) {
        if (lexical::is_space(digits[i])) {
            ++i;
            continue;
        }
        const int high = lexical::hex_value(digits[i]);
        const int low = i + 1 < digits.size() ? lexical::hex_value(digits[i + 1]) : -1;
        if (high < 0 || low < 0) return false;
        put_hex(at, static_cast<unsigned>(high * 16 + low));
        i += 2;
    }
    out.text = {start, static_cast<std::size_t>(at - start)};
    return true;
}

/// Bytes as they are, \\ for a backslash and \ooo for any byte.
bool bytea_from_escapes(std::string_view value, canonical_key& out) {
    char* const start = room(out, 2 + 2 * value.size());
    char* at = start;
    *at++ = '\\';
    *at++ = 'x';
    const auto octal = [&value](std::size_t i) { return value.size() > i && lexical::is_octal(value[i]); };
    while (!value.empty()) {
        std::size_t used = 1;
        unsigned byte = static_cast<unsigned char>(value[0]);
        if (value[0] == '\\') {
            if (value.size() > 1 && value[1] == '\\') {
                used = 2;
            } else if (octal(1) && value[1] < '4' && octal(2) && octal(3)) {
                byte = static_cast<unsigned>((value[1] - '0') * 64 + (value[2] - '0') * 8 + (value[3] - '0'));
                used = 4;
            } else {
                return false;
            }
        }
        put_hex(at, byte);
        value.remove_prefix(used);
    }
    out.text = {start, static_cast<std::size_t>(at - start)};
    return true;
}

bool bytea_from_text(std::string_view value, canonical_key& out) {
    return value.starts_with("\\x") ? bytea_from_hex(value.substr(2), out) : bytea_from_escapes(value, out);
}

void boolean_key(bool value, canonical_key& out) {
    copy(value ? "true" : "false", out);
}

/// True and false, yes and no, on and off, and what they begin with as long as it is unique; 1 and 0.
bool boolean_from_text(std::string_view value, canonical_key& out) {
    value = trimmed(value);
    const auto begins = [value](std::string_view word, std::size_t least) {
        return value.size() >= least && value.size() <= word.size() &&
               lexical::same_word(value, word.substr(0, value.size()));
    };
    if (begins("true", 1) || begins("yes", 1) || begins("on", 2) || value == "1") {
        boolean_key(true, out);
        return true;
    }
    boolean_key(false, out);
    return begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0";
}

std::string_view without_trailing_spaces(std::string_view value) {
    return value.substr(0, value.find_last_not_of(' ') + 1);
}

bool text_key(key_type type, std::string_view value, canonical_key& out) {
    copy(type == key_type::bpchar ? without_trailing_spaces(value) : value, out);
    return true;
}

bool is_textual(key_type type) {
    return type == key_type::text || type == key_type::bpchar;
}

constexpr std::size_t longest_name = 63;  ///< NAMEDATALEN - 1

bool is_integer(std::uint32_t type_oid) {
    return type_oid == oid::int2 || type_oid == oid::int4 || type_oid == oid::int8 || type_oid == oid::oid;
}
bool is_float(std::uint32_t type_oid) {
    return type_oid == oid::float4 || type_oid == oid::float8;
}
bool is_textual(std::uint32_t type_oid) {
    return type_oid == oid::unspecified || type_oid == oid::text || type_oid == oid::varchar ||
           type_oid == oid::bpchar || type_oid == oid::unknown || type_oid == oid::name;
}

bool integer_from_binary(std::uint32_t type_oid, std::span<const std::byte> value, canonical_key& out) {
    if (type_oid == oid::numeric) return numeric_from_binary(value, scale::minimal, out) && integer_from_numeric(out);
    const auto number = is_float(type_oid) ? binary_float(value) : binary_integer(type_oid, value);
    if (number) integer_from_value(*number, out);
    return number.has_value();
}

/// The text of a float that stands for one integer only.
bool integer_from_float_text(std::uint32_t type_oid, std::string_view value, canonical_key& out) {
    if (!integer_from_text(value, false, out)) return false;
    const std::size_t most_digits = type_oid == oid::float4 ? 7 : 15;  // below 2^24 and 2^53
    return out.text.size() <= most_digits + (out.text.front() == '-' ? 1 : 0);
}

constexpr std::string_view midnight = " 00:00:00";

/// A time's text in the type that the parameter is declared of, where one value of the column's stands for it whatever
/// the session's settings are.
bool time_from_text(key_type type, std::uint32_t type_oid, std::string_view value, canonical_key& out) {
    if (type_oid == oid::unspecified || is_textual(type_oid)) return canonical_from_text(type, value, out);
    if (type_oid == oid::timestamptz) return type == key_type::timestamptz && timestamp_from_text(value, true, out);
    if (type_oid == oid::date) {
        if (type == key_type::timestamptz || !date_from_text(value, out)) return false;
        return type == key_type::date || timestamp_from_text(std::string(out.text), false, out);
    }
    if (type_oid != oid::timestamp || type == key_type::timestamptz || !timestamp_from_text(value, false, out))
        return false;
    if (type == key_type::timestamp) return true;
    if (!out.text.ends_with(midnight)) return false;
    out.text.remove_suffix(midnight.size());
    return true;
}

/// A text column given a number takes the server's text of it.
bool text_from_binary(key_type type, std::uint32_t type_oid, std::span<const std::byte> value, canonical_key& out) {
    if (type_oid == oid::numeric) return numeric_from_binary(value, scale::kept, out);
    if (is_integer(type_oid)) return integer_from_binary(type_oid, value, out);
    if (!is_textual(type_oid)) return false;
    const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
    // A char(n) value loses its trailing spaces on the way to a text column.
    return text_key(type_oid == oid::bpchar ? key_type::bpchar : type, text, out);
}

constexpr std::int64_t day_in_microseconds = 86'400'000'000;

bool date_from_binary(std::uint32_t type_oid, std::span<const std::byte> value, canonical_key& out) {
    if (type_oid == oid::timestamp && value.size() == 8) {
        const auto when = big_endian<std::int64_t>(value.data());
        return when % day_in_microseconds == 0 && date_from_days(when / day_in_microseconds, out);
    }
    if (type_oid != oid::date && type_oid != oid::unspecified) return false;
    return value.size() == 4 && date_from_days(big_endian<std::int32_t>(value.data()), out);
}

bool timestamp_from_binary(key_type type, std::uint32_t type_oid, std::span<const std::byte> value,
                           canonical_key& out) {
    const bool zoned = type == key_type::timestamptz;
    if (type_oid == oid::date && !zoned && value.size() == 4) {
        const std::int64_t day = big_endian<std::int32_t>(value.data());
        constexpr std::int64_t most_days = 10'000'000;
        return day > -most_days && day < most_days &&
               timestamp_from_microseconds(day * day_in_microseconds, zoned, out);
    }
    if (type_oid != (zoned ? oid::timestamptz : oid::timestamp) && type_oid != oid::unspecified) return false;
    return value.size() == 8 && timestamp_from_microseconds(big_endian<std::int64_t>(value.data()), zoned, out);
}

bool boolean_from_binary(std::span<const std::byte> value, canonical_key& out) {
    if (value.size() != 1) return false;
    boolean_key(value[0] != std::byte{0}, out);
    return true;
}

}  // namespace

bool canonical_from_text(key_type type, std::string_view value, canonical_key& out) {
    switch (type) {
        case key_type::integer:
            return integer_from_text(value, false, out);
        case key_type::numeric:
            return numeric_from_text(value, false, scale::minimal, out);
        case key_type::text:
        case key_type::bpchar:
            return text_key(type, value, out);
        case key_type::uuid:
            return uuid_from_text(value, out);
        case key_type::bytea:
            return bytea_from_text(value, out);
        case key_type::date:
            return date_from_text(value, out);
        case key_type::timestamp:
            return timestamp_from_text(value, false, out);
        case key_type::timestamptz:
            return timestamp_from_text(value, true, out);
        case key_type::boolean:
            return boolean_from_text(value, out);
        case key_type::unsupported:
            return false;
    }
    return false;
}

bool canonical_from_binary(key_type type, std::uint32_t type_oid, std::span<const std::byte> value,
                           canonical_key& out) {
    const auto own = [type_oid](std::uint32_t expected) {
        return type_oid == expected || type_oid == oid::unspecified;
    };
    switch (type) {
        case key_type::integer:
            return integer_from_binary(type_oid, value, out);
        case key_type::numeric:
            if (is_integer(type_oid)) return integer_from_binary(type_oid, value, out);
            return own(oid::numeric) && numeric_from_binary(value, scale::minimal, out);
        case key_type::text:
        case key_type::bpchar:
            return text_from_binary(type, type_oid, value, out);
        case key_type::uuid:
            return own(oid::uuid) && uuid_from_bytes(value, out);
        case key_type::bytea:
            return own(oid::bytea) && bytea_from_bytes(value, out);
        case key_type::date:
            return date_from_binary(type_oid, value, out);
        case key_type::timestamp:
        case key_type::timestamptz:
            return timestamp_from_binary(type, type_oid, value, out);
        case key_type::boolean:
            return own(oid::boolean) && boolean_from_binary(value, out);
        case key_type::unsupported:
            return false;
    }
    return false;
}

bool canonical_from_literal(key_type type, std::string_view text, const literal& what, bool negated,
                            bool standard_conforming_strings, canonical_key& out) {
    if (what.kind == literal_kind::bit_string) return false;
    std::string scratch;
    const auto value = literal_view(text, what, standard_conforming_strings, scratch);
    const bool number = what.kind == literal_kind::integer || what.kind == literal_kind::decimal;
    if (!number) return !negated && canonical_from_text(type, value, out);
    if (type == key_type::integer) return integer_from_text(value, negated, out);
    if (type == key_type::numeric) return numeric_from_text(value, negated, scale::minimal, out);
    return is_textual(type) && numeric_from_text(value, negated, scale::kept, out);
}

bool canonical_from_parameter(key_type type, std::uint32_t type_oid, bool binary, std::string_view bytes,
                              canonical_key& out) {
    if (binary) return canonical_from_binary(type, type_oid, std::as_bytes(std::span(bytes)), out);
    if (type_oid == oid::oid && trimmed(bytes).starts_with('-')) return false;  // -1 is 4294967295
    if (is_textual(type)) {
        if (is_integer(type_oid)) return integer_from_text(bytes, false, out);
        if (type_oid == oid::numeric) return numeric_from_text(bytes, false, scale::kept, out);
        if (!is_textual(type_oid)) return false;
        if (type_oid == oid::name && bytes.size() > longest_name) return false;  // the server cuts it
        return text_key(type_oid == oid::bpchar ? key_type::bpchar : type, bytes, out);
    }
    if (type == key_type::date || type == key_type::timestamp || type == key_type::timestamptz)
        return time_from_text(type, type_oid, bytes, out);
    if (is_float(type_oid)) return type == key_type::integer && integer_from_float_text(type_oid, bytes, out);
    return canonical_from_text(type, bytes, out);
}

}  // namespace ringway::router
