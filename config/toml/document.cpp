#include "config/toml/document.hpp"

#include <algorithm>
#include <tuple>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace ringway::config::source {

namespace {

/// A nesting deeper than this makes no setting; it bounds the recursion below.
constexpr int deepest = 16;

void copy(const ::toml::node& from, node& to, int depth);

void copy_table(const ::toml::table& from, node& to, int depth) {
    using entry = std::pair<const ::toml::key*, const ::toml::node*>;
    std::vector<entry> entries;
    for (const auto& [key, value] : from) entries.emplace_back(&key, &value);
    const auto place = [](const entry& one) {
        const auto at = one.first->source().begin;
        return std::tuple(at.line, at.column);
    };
    std::sort(entries.begin(), entries.end(), [&](const entry& a, const entry& b) { return place(a) < place(b); });
    for (const auto& [key, value] : entries) {
        auto& made = to.items.emplace_back();
        copy(*value, made, depth + 1);
        made.key = key->str();
        made.line = static_cast<std::uint32_t>(key->source().begin.line);
    }
}

void copy_array(const ::toml::array& from, node& to, int depth) {
    to.items.reserve(from.size());
    for (const auto& item : from) copy(item, to.items.emplace_back(), depth + 1);
}

void copy(const ::toml::node& from, node& to, int depth) {
    to.line = static_cast<std::uint32_t>(from.source().begin.line);
    if (depth > deepest) return;
    if (const auto* table = from.as_table()) {
        to.kind = node_kind::table;
        copy_table(*table, to, depth);
    } else if (const auto* array = from.as_array()) {
        to.kind = node_kind::array;
        copy_array(*array, to, depth);
    } else if (const auto* text = from.as_string()) {
        to.kind = node_kind::text;
        to.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
        to.kind = node_kind::integer;
        to.integer = integer->get();
    } else if (const auto* real = from.as_floating_point()) {
        to.kind = node_kind::real;
        to.real = real->get();
    } else if (const auto* boolean = from.as_boolean()) {
        to.kind = node_kind::boolean;
        to.boolean = boolean->get();
    } else {
        to.kind = node_kind::time;
    }
}

}  // namespace

std::string_view name_of(node_kind kind) noexcept {
    switch (kind) {
        case node_kind::text:
            return "a string";
        case node_kind::integer:
            return "an integer";
        case node_kind::real:
            return "a floating-point number";
        case node_kind::boolean:
            return "a boolean";
        case node_kind::time:
            return "a date or time";
        case node_kind::array:
            return "an array";
        case node_kind::table:
            break;
    }
    return "a table";
}

const node* find(const node& table, std::string_view key) {
    const auto found =
        std::find_if(table.items.begin(), table.items.end(), [&](const node& one) { return one.key == key; });
    return found == table.items.end() ? nullptr : &*found;
}

std::optional<syntax_error> read_document(std::string_view text, node& out) {
    const auto parsed = ::toml::parse(text);
    if (!parsed) {
        const auto& error = parsed.error();
        return syntax_error{static_cast<std::uint32_t>(error.source().begin.line), std::string(error.description())};
    }
    out = node{};
    copy(parsed.table(), out, 0);
    return std::nullopt;
}

}  // namespace ringway::config::source
