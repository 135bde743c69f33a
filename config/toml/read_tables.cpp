// [clusters.NAME.tables]: keys, reference tables, and the maps of lists, ranges and directories.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>

#include "config/nearest.hpp"
#include "config/toml/sections.hpp"

namespace ringway::config::source {

namespace {

constexpr std::string_view lowest = "min", highest = "max";
constexpr std::size_t most_key_columns = 8;

/// A value of a map as text; nothing for a type that no key has here.
std::optional<std::string> value_text(const node& from) {
    if (from.kind == node_kind::text) return from.text;
    if (from.kind == node_kind::integer) return fmt::to_string(from.integer);
    if (from.kind == node_kind::boolean) return from.boolean ? "true" : "false";
    return std::nullopt;
}

/// An integer of any length as text, without leading zeros and without a sign before 0; nothing if it is none.
std::optional<std::string> integer_text(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size()));
    if (text.empty()) return "0";
    return (negative ? "-" : "") + std::string(text);
}

bool less_integer(const std::string& a, const std::string& b) {
    const bool a_negative = a.starts_with('-'), b_negative = b.starts_with('-');
    if (a_negative != b_negative) return a_negative;
    const bool shorter = a.size() != b.size() ? a.size() < b.size() : a < b;
    return a_negative ? !shorter && a != b : shorter;
}

/// A half-open range [low, high) of one shard; empty texts: no bound.
struct bounds {
    std::string shard, low, high;
    std::uint32_t line = 0;
};

/// The bounds of one table, which are compared as integers when all are, else byte by byte.
class bounds_check {
  public:
    bounds_check(std::vector<bounds> all, std::string path, report& mistakes)
        : all_(std::move(all)), path_(std::move(path)), mistakes_(mistakes) {}

    void run() {
        normalize();
        for (const auto& one : all_)
            if (!below(one.low, one.high))
                wrong(one, fmt::format("[\"{}\", \"{}\"] is empty; the first bound must be below the second", one.low,
                                       one.high));
        for (std::size_t i = 1; i < all_.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                if (below(all_[i].low, all_[j].high) && below(all_[j].low, all_[i].high))
                    wrong(all_[i], fmt::format("overlaps the range of shard \"{}\"", all_[j].shard));
    }

  private:
    /// Whether some value lies between a lower and an upper bound.
    bool below(const std::string& low, const std::string& high) const {
        if (low.empty() || high.empty()) return true;
        return integers_ ? less_integer(low, high) : low < high;
    }

    void normalize() {
        std::vector<std::string*> texts;
        for (auto& one : all_)
            for (auto* text : {&one.low, &one.high})
                if (!text->empty()) texts.push_back(text);
        integers_ =
            std::all_of(texts.begin(), texts.end(), [](const auto* text) { return integer_text(*text).has_value(); });
        if (!integers_) return;
        for (auto* text : texts) *text = *integer_text(*text);
    }

    void wrong(const bounds& of, const std::string& text) {
        mistakes_.add(of.line, fmt::format("[{}] {}: {}", path_, of.shard, text));
    }

    std::vector<bounds> all_;
    std::string path_;
    report& mistakes_;
    bool integers_ = false;
};

/// The values of one shard as text; false: reported.
bool read_values(table_reader& table, const node& from, std::vector<std::string>& to) {
    if (from.kind != node_kind::array || from.items.empty()) {
        table.wrong(from.key, "must be an array of values");
        return false;
    }
    for (const auto& item : from.items) {
        auto text = value_text(item);
        if (!text) {
            table.wrong(from.key, fmt::format("must hold strings and integers, not {}; write it as a string",
                                              name_of(item.kind)));
            return false;
        }
        to.push_back(std::move(*text));
    }
    return true;
}

/// Pairs of bounds: a shard may have several ranges.
void read_bounds(table_reader& table, const node& from, const std::vector<std::string>& values,
                 std::vector<bounds>& to) {
    if (values.size() % 2 != 0) {
        table.wrong(from.key, fmt::format("needs two bounds, [from, to), not {}; \"min\" and \"max\" leave an end open",
                                          values.size()));
        return;
    }
    for (const auto& value : values) {
        if (!value.empty()) continue;
        table.wrong(from.key, "a bound must not be empty; \"min\" and \"max\" leave an end open");
        return;
    }
    for (std::size_t i = 0; i < values.size(); i += 2) {
        if (values[i] == highest || values[i + 1] == lowest) {
            table.wrong(from.key, "the first bound must be below the second: \"min\" comes first, \"max\" second");
            return;
        }
        to.push_back(
            {from.key, values[i] == lowest ? "" : values[i], values[i + 1] == highest ? "" : values[i + 1], from.line});
    }
}

/// The remainders of a hash: 0 to one less than there are, each once.
void check_remainders(table_reader& table, const ringway::config::table& of) {
    std::size_t modulus = 0;
    for (const auto& [name, values] : of.map) modulus += values.size();
    for (const auto& [name, values] : of.map) {
        for (const auto& value : values) {
            const auto number = integer_text(value);
            std::size_t at = modulus;
            if (number) std::from_chars(number->data(), number->data() + number->size(), at);
            if (at < modulus && *number == value) continue;
            table.wrong(name, fmt::format("\"{}\" is no remainder; with {} of them, right is 0 to {}", value, modulus,
                                          modulus - 1));
            return;
        }
    }
}

/// Every value belongs to one shard only.
void check_lists(table_reader& table, const ringway::config::table& of) {
    std::map<std::string, std::string> owners;
    for (const auto& [name, values] : of.map) {
        for (const auto& value : values) {
            const auto [owner, is_new] = owners.emplace(value, name);
            if (is_new) continue;
            table.wrong(name, owner->second == name
                                  ? fmt::format("\"{}\" is named twice", value)
                                  : fmt::format("\"{}\" belongs to shard \"{}\" already", value, owner->second));
        }
    }
}

/// `public.orders = { ... }` without quotes is a table "orders" in a table "public".
bool is_unquoted_name(const node& from) {
    return from.kind == node_kind::table && !from.items.empty() &&
           std::all_of(from.items.begin(), from.items.end(), [](const node& one) {
               return one.kind == node_kind::table &&
                      (find(one, "key") != nullptr || find(one, "reference") != nullptr);
           });
}

/// "table" or "schema.table".
bool is_table_name(const std::string& name) {
    const auto dots = std::count(name.begin(), name.end(), '.');
    return !name.empty() && dots <= 1 && !name.starts_with('.') && !name.ends_with('.');
}

/// The text before the dot of "pattern.*", with at most one star.
bool is_schema_pattern(const std::string& name) {
    if (!name.ends_with(".*") || name.size() < 3) return false;
    const auto schema = std::string_view(name).substr(0, name.size() - 2);
    return schema.find('.') == schema.npos && std::count(schema.begin(), schema.end(), '*') <= 1;
}

void check_key(table_reader& reader, const table& of) {
    const bool has_key = reader.has("key");
    if (of.reference && has_key)
        reader.wrong("reference", "a reference table is whole on every shard, so it has no key; remove one of them");
    if (of.by_schema && (has_key || of.reference))
        reader.wrong("schema", "the name of the schema is the key; remove the other");
    if (!of.reference && !has_key && !of.by_schema)
        reader.wrong_here("needs key = \"column\", or reference = true for a copy on every shard");
    if (of.reference && (reader.has("function") || reader.has("map")))
        reader.wrong("reference", "a reference table is whole on every shard, so it has no function and no map");
    const bool one_column = of.function == sharding_function::range || of.function == sharding_function::list ||
                            of.function == sharding_function::directory;
    if (of.is_compound() && one_column)
        reader.wrong("key", "a key of several columns needs function = \"ring\" or \"hash\"");
    if (reader.has("unlisted") && of.function != sharding_function::directory)
        reader.wrong("unlisted", "belongs to function = \"directory\"");
    if (of.function == sharding_function::directory && of.unlisted_is_error && !reader.has("map"))
        reader.wrong("unlisted", "without a map no shard has any key");
}

/// A column, or an array of several.
void read_key(table_reader& reader, table& to) {
    const auto* given = reader.take("key");
    if (given == nullptr) return;
    if (given->kind != node_kind::array) {
        reader.read("key", to.key);
        return;
    }
    std::vector<std::string> names;
    for (const auto& item : given->items) {
        if (item.kind != node_kind::text || item.text.empty()) {
            reader.wrong("key", "must be a column's name, or an array of them");
            return;
        }
        if (std::find(names.begin(), names.end(), item.text) != names.end()) {
            reader.wrong("key", fmt::format("\"{}\" is named twice", item.text));
            return;
        }
        names.push_back(item.text);
    }
    if (names.empty() || names.size() > most_key_columns) {
        reader.wrong("key", fmt::format("has {} columns; right is 1 to {}", names.size(), most_key_columns));
        return;
    }
    to.key = std::move(names.front());
    to.further_keys.assign(std::make_move_iterator(names.begin() + 1), std::make_move_iterator(names.end()));
}

void read_map(table_reader& reader, const std::vector<shard>& shards, table& of, report& mistakes) {
    const auto* map = reader.take("map");
    const bool needs = of.function == sharding_function::list || of.function == sharding_function::range;
    const bool may = needs || of.function == sharding_function::directory || of.function == sharding_function::hash;
    if (map == nullptr && needs)
        reader.wrong("function", "lists and ranges need a map: map = { s0 = [...], s1 = [...] }");
    else if (map != nullptr && !may && !of.reference)
        reader.wrong("map",
                     "belongs to function = \"list\", \"range\", \"directory\" or \"hash\"; the ring needs none");
    else if (map != nullptr && may)
        read_table_map(map, reader.path_of("map"), shards, of, mistakes);
}

void read_table(const node& from, const std::string& path, const std::vector<shard>& shards, table& to,
                report& mistakes) {
    table_reader reader(&from, join(path, from.key), mistakes);
    to.name = from.key;
    if (is_unquoted_name(from)) {
        reader.wrong_here(
            fmt::format("a qualified name stands in quotes: \"{}.{}\" = {{ ... }}", from.key, from.items[0].key));
        return;
    }
    reader.read("schema", to.by_schema);
    if (to.by_schema && !is_schema_pattern(to.name))
        reader.wrong("schema", "needs a name of schemas: \"tenant_*.*\"");
    else if (!to.by_schema && !is_table_name(to.name))
        reader.wrong_here("is no table name; right is \"table\" or \"schema.table\"");
    read_key(reader, to);
    reader.read("reference", to.reference);
    reader.read_word("function", to.function, function_words);
    reader.read_word("unlisted", to.unlisted_is_error, unlisted_words);
    if (from.kind == node_kind::table) check_key(reader, to);
    if (!mistakes.broken(reader.path_of("function"))) read_map(reader, shards, to, mistakes);
    reader.has("map");
    reader.finish();
}

}  // namespace

void read_table_map(const node* from, const std::string& path, const std::vector<shard>& shards, table& of,
                    report& mistakes) {
    table_reader table(from, path, mistakes);
    if (from->kind != node_kind::table) return;
    if (from->items.empty()) table.wrong_here("is empty; write map = { s0 = [...], s1 = [...] }");
    std::vector<std::string_view> names;
    for (const auto& one : shards) names.push_back(one.name);
    std::vector<bounds> ranges;
    for (const auto& entry : from->items) {
        table.take(entry.key);
        if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
            table.wrong(entry.key, fmt::format("is not a shard of this cluster{}", suggestion(entry.key, names)));
            continue;
        }
        std::vector<std::string> values;
        if (!read_values(table, entry, values)) continue;
        if (of.function == sharding_function::range) read_bounds(table, entry, values, ranges);
        of.map[entry.key] = std::move(values);
    }
    if (of.function == sharding_function::range) return bounds_check(std::move(ranges), path, mistakes).run();
    check_lists(table, of);
    if (of.function == sharding_function::hash) check_remainders(table, of);
}

void read_tables(const node* from, const std::string& path, const std::vector<shard>& shards, std::vector<table>& to,
                 report& mistakes) {
    table_reader table(from, path, mistakes);
    if (from->kind != node_kind::table) return;
    for (const auto& entry : from->items) read_table(entry, path, shards, to.emplace_back(), mistakes);
}

}  // namespace ringway::config::source
