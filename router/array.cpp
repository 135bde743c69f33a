#include "router/array.hpp"

#include "router/key_parts.hpp"
#include "router/lexical.hpp"

namespace ringway::router {
namespace {

constexpr std::string_view blank = " \t\n\v\f\r";

/// Undoes the backslashes of an element; a view of `scratch` when there are any.
std::string_view without_backslashes(std::string_view element, std::string& scratch) {
    if (element.find('\\') == element.npos) return element;
    scratch.clear();
    for (std::size_t i = 0; i != element.size(); ++i) {
        if (element[i] == '\\' && i + 1 != element.size()) ++i;
        scratch += element[i];
    }
    return scratch;
}

}  // namespace

std::uint32_t element_type(std::uint32_t array_oid) noexcept {
    switch (array_oid) {
        case 1000:
            return oid::boolean;
        case 1001:
            return oid::bytea;
        case 1003:
            return oid::name;
        case 1005:
            return oid::int2;
        case 1007:
            return oid::int4;
        case 1009:
            return oid::text;
        case 1014:
            return oid::bpchar;
        case 1015:
            return oid::varchar;
        case 1016:
            return oid::int8;
        case 1021:
            return oid::float4;
        case 1022:
            return oid::float8;
        case 1028:
            return oid::oid;
        case 1115:
            return oid::timestamp;
        case 1182:
            return oid::date;
        case 1185:
            return oid::timestamptz;
        case 1231:
            return oid::numeric;
        case 2951:
            return oid::uuid;
        default:
            return oid::unspecified;
    }
}

array_keys array_keys::of_text(key_type type, std::string_view value, std::uint32_t element_oid) {
    return {type, element_oid, value, false};
}

array_keys array_keys::of_binary(key_type type, std::span<const std::byte> value) {
    return {type, oid::unspecified, {reinterpret_cast<const char*>(value.data()), value.size()}, true};
}

array_keys array_keys::of_parameter(key_type type, std::uint32_t type_oid, bool binary, std::string_view bytes) {
    const auto element = element_type(type_oid);
    const bool declared = type_oid != oid::unspecified && type_oid != oid::unknown;
    return {type, declared && element == oid::unspecified ? oid::foreign : element, bytes, binary};
}

array_keys::item array_keys::fail() {
    broken_ = true;
    return item::invalid;
}

array_keys::item array_keys::next(canonical_key& out) {
    if (broken_) return item::invalid;
    return binary_ ? next_binary(out) : next_text(out);
}

// int32 dimensions, int32 flags, oid of the elements; for each dimension int32 length and int32 lower bound; then for
// each element int32 length (-1: NULL) and its bytes (array_send in the server's arrayfuncs.c).
void array_keys::read_header() {
    constexpr std::size_t header = 12, each_dimension = 8, most_dimensions = 6;
    constexpr std::int64_t most_elements = 1 << 27;
    const auto* at = reinterpret_cast<const std::byte*>(rest_.data());
    broken_ = rest_.size() < header;
    if (broken_) return;
    const auto dimensions = key_parts::big_endian<std::uint32_t>(at);
    element_oid_ = key_parts::big_endian<std::uint32_t>(at + 8);
    broken_ = dimensions > most_dimensions || rest_.size() < header + dimensions * each_dimension;
    if (broken_) return;
    left_ = dimensions == 0 ? 0 : 1;
    for (std::size_t i = 0; i != dimensions; ++i) {
        const auto length = key_parts::big_endian<std::int32_t>(at + header + i * each_dimension);
        broken_ = length < 0 || length > most_elements;
        if (broken_) return;
        left_ *= length;
        broken_ = left_ > most_elements;
        if (broken_) return;
    }
    rest_.remove_prefix(header + dimensions * each_dimension);
}

array_keys::item array_keys::next_binary(canonical_key& out) {
    if (!started_) read_header();
    started_ = true;
    if (broken_) return item::invalid;
    if (left_ == 0) return rest_.empty() ? item::end : fail();
    --left_;
    if (rest_.size() < 4) return fail();
    const auto length = key_parts::big_endian<std::int32_t>(reinterpret_cast<const std::byte*>(rest_.data()));
    rest_.remove_prefix(4);
    if (length == -1) return item::null;
    if (length < 0 || static_cast<std::size_t>(length) > rest_.size()) return fail();
    const auto bytes = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(bytes.size());
    return canonical_from_binary(type_, element_oid_, std::as_bytes(std::span(bytes)), out) ? item::key : fail();
}

void array_keys::skip_spaces() {
    const auto first = rest_.find_first_not_of(blank);
    rest_.remove_prefix(first == rest_.npos ? rest_.size() : first);
}

/// [1:3][0:1]= before the first brace.
bool array_keys::skip_dimensions() {
    skip_spaces();
    if (!rest_.starts_with('[')) return true;
    const auto equals = rest_.find_first_not_of("[]:+-0123456789 ");
    if (equals == rest_.npos || rest_[equals] != '=') return false;
    rest_.remove_prefix(equals + 1);
    return true;
}

array_keys::item array_keys::next_text(canonical_key& out) {
    if (!started_ && !skip_dimensions()) return fail();
    while (true) {
        skip_spaces();
        if (started_ && depth_ == 0) return rest_.empty() ? item::end : fail();
        if (rest_.empty()) return fail();
        const char c = rest_.front();
        if (!started_ && c != '{') return fail();
        started_ = true;
        if (c == '{') {
            if (after_value_) return fail();
            ++depth_;
        } else if (c == '}') {
            if (after_comma_) return fail();
            --depth_;
            after_value_ = true;
        } else if (c == ',') {
            if (!after_value_) return fail();
            after_value_ = false;
        } else {
            return text_element(out);
        }
        after_comma_ = c == ',';
        rest_.remove_prefix(1);
    }
}

array_keys::item array_keys::text_element(canonical_key& out) {
    if (after_value_) return fail();
    after_value_ = true;
    after_comma_ = false;
    const bool quoted = rest_.front() == '"';
    std::string_view value;
    if (quoted ? !quoted_element(value) : !bare_element(value)) return fail();
    if (!quoted && lexical::same_word(value, "null"))  // of texts a text, where array_nulls is off
        return type_ == key_type::text || type_ == key_type::bpchar ? fail() : item::null;
    value = without_backslashes(value, scratch_);
    return canonical_from_parameter(type_, element_oid_, false, value, out) ? item::key : fail();
}

/// Up to the closing quote.
bool array_keys::quoted_element(std::string_view& value) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return false;
    value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
}

/// Up to a comma or brace, without trailing white space. An escaped last blank is too odd to be a key.
bool array_keys::bare_element(std::string_view& value) {
    std::size_t end = 0;
    while (end < rest_.size() && rest_[end] != ',' && rest_[end] != '}') {
        if (rest_[end] == '{' || rest_[end] == '"') return false;
        end += rest_[end] == '\\' ? 2 : 1;
    }
    if (end >= rest_.size()) return false;
    value = rest_.substr(0, end);
    value = value.substr(0, value.find_last_not_of(blank) + 1);
    rest_.remove_prefix(end);
    const auto last = value.find_last_not_of('\\');
    const std::size_t backslashes = value.size() - (last == value.npos ? 0 : last + 1);
    return backslashes % 2 == 0;
}

}  // namespace ringway::router
