#include "router/parameter_types.hpp"

#include <algorithm>
#include <list>
#include <map>
#include <optional>

#include "router/key.hpp"
#include "router/key_value.hpp"
#include "router/postgres/lexical.hpp"

namespace ringway::router {

namespace {

/// Types whose values read alike, from texts and in binary, and are equal or not alike. `array`: of its elements.
std::uint32_t family(std::uint32_t type, bool array = false) {
    if (!array && (type == oid::int2 || type == oid::int4)) return oid::int8;
    if (type == oid::varchar) return oid::text;
    return type;
}

/// The tables of one FROM, with those of its outer joins.
struct level {
    std::vector<const table_ref*> tables;
    std::vector<std::string_view> derived;

    void add(const query_block& block) {
        for (const auto& each : block.tables) tables.push_back(&each);
        derived.insert(derived.end(), block.derived.begin(), block.derived.end());
    }
    bool derives(std::string_view name) const {
        return std::find(derived.begin(), derived.end(), name) != derived.end();
    }
};

std::string_view shown(const table_ref& table) {
    return table.alias.empty() ? table.name : table.alias;
}

/// Calls `see` for all sources of values of a block, not of those below it.
template <class Block, class See>
void each_source(Block& block, See&& see) {
    for (auto& test : block.tests)
        for (auto& each : test.values) see(each);
    for (auto& each : block.comparisons) see(each.value);
    for (auto& each : block.assignments) see(each.value);
    if (!block.insert) return;
    for (auto& row : block.insert->rows)
        for (auto& each : row) see(each);
    for (auto& each : block.insert->outputs) see(each.value);
}

class finding {
  public:
    finding(const statement& what, const table_finder& tables) : tables_(tables) { look_at(what.block, nullptr); }

    /// Wherever it stands, it gets one type. `uses`: of one parameter.
    bool is_sure(std::span<const parameter_use> uses) const {
        const auto& cast = uses.front().cast;
        if (!cast.empty() && std::all_of(uses.begin(), uses.end(), [&](const auto& each) { return each.cast == cast; }))
            return true;
        const auto first = type_of(uses.front());
        return first && std::all_of(uses.begin(), uses.end(), [&](const auto& each) { return type_of(each) == first; });
    }

  private:
    struct type {
        std::uint32_t oid;
        bool array;
        friend bool operator==(const type&, const type&) = default;
    };

    void look_at(const query_block& block, level* of) {
        exact_ &= block.exact && !block.renamed;
        if (!of) of = &levels_.emplace_back();
        of->add(block);
        whole_.add(block);
        each_source(block, [&](const value_source& each) {
            if (each.what == value_source::from::parameter) places_.try_emplace(each.at, of);
        });
        for (const auto& child : block.children) look_at(child, child.joined ? of : nullptr);
    }

    std::optional<type> type_of(const parameter_use& use) const {
        if (!use.cast.empty()) return type_of_cast(use.cast);
        const auto* column = column_of(use);
        if (!column) return std::nullopt;
        const auto found = family(column->type_oid, use.array);
        if (use.like && found != oid::text) return std::nullopt;
        return type{found, use.array};
    }

    static std::optional<type> type_of_cast(std::string_view name) {
        const bool array = name.ends_with("[]");
        value_source of;
        of.cast = name.substr(0, name.size() - (array ? 2 : 0));
        const auto found = declared_type(of);
        if (found == oid::foreign || found == oid::unspecified) return std::nullopt;
        return type{family(found, array), array};
    }

    const catalog_column* column_of(const parameter_use& use) const {
        if (!exact_) return nullptr;
        if (use.target) {
            const auto* relation = tables_.find(*use.target).relation;
            if (!relation) return nullptr;
            if (use.column) return column_in(*relation, use.column->column);
            const auto place = static_cast<std::size_t>(use.place);
            return place < relation->columns.size() ? &relation->columns[place] : nullptr;
        }
        if (!use.column) return nullptr;
        const auto found = places_.find(use.at);
        const auto* of = found == places_.end() ? nullptr : found->second;
        if (of && use.column->table.empty()) return column_of(*use.column, *of);
        if (of && (of->derives(use.column->table) || shows(*of, use.column->table))) return column_of(*use.column, *of);
        return column_of(*use.column, whole_);
    }

    static bool shows(const level& of, std::string_view name) {
        return std::any_of(of.tables.begin(), of.tables.end(), [&](const auto* each) { return shown(*each) == name; });
    }

    /// Null: not known. All that may be meant by the name must be of one family.
    const catalog_column* column_of(const column_ref& ref, const level& of) const {
        if (ref.table.empty() ? !of.derived.empty() : of.derives(ref.table)) return nullptr;
        const catalog_column* out = nullptr;
        for (const auto* each : of.tables) {
            if (!ref.table.empty() && shown(*each) != ref.table) continue;
            const auto* relation = tables_.find(*each).relation;
            if (!relation) return nullptr;
            const auto* column = column_in(*relation, ref.column);
            if (!column && !ref.table.empty()) return nullptr;
            if (!column) continue;
            if (out && family(out->type_oid) != family(column->type_oid)) return nullptr;
            out = column;
        }
        return out;
    }

    static const catalog_column* column_in(const catalog_relation& relation, std::string_view name) {
        const auto found = std::find_if(relation.columns.begin(), relation.columns.end(),
                                        [name](const catalog_column& each) { return each.name == name; });
        return found == relation.columns.end() ? nullptr : &*found;
    }

    const table_finder& tables_;
    std::list<level> levels_;
    level whole_;
    std::map<std::uint32_t, const level*> places_;  ///< by offset
    bool exact_ = true;
};

void mark(query_block& block, const std::vector<std::uint16_t>& unsure) {
    each_source(block, [&](value_source& each) {
        each.unsure =
            each.what == value_source::from::parameter && std::binary_search(unsure.begin(), unsure.end(), each.index);
    });
    for (auto& child : block.children) mark(child, unsure);
}

}  // namespace

std::vector<std::uint16_t> mark_unsure(statement& what, const table_finder& tables) {
    std::vector<std::uint16_t> out;
    auto& uses = what.parameter_uses;
    std::stable_sort(uses.begin(), uses.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    std::optional<finding> of;
    for (std::size_t from = 0, to = 0; from < uses.size(); from = to) {
        while (to < uses.size() && uses[to].index == uses[from].index) ++to;
        if (to - from == 1) continue;
        if (!of) of.emplace(what, tables);
        if (!of->is_sure({uses.data() + from, to - from})) out.push_back(static_cast<std::uint16_t>(uses[from].index));
    }
    if (!out.empty()) mark(what.block, out);
    return out;
}

bool is_undeclared(const parameter& what) noexcept {
    return what.type_oid == oid::unspecified || what.type_oid == oid::unknown;
}

bool has_unsure(const plan& what, const values& with) noexcept {
    return std::any_of(what.unsure_parameters.begin(), what.unsure_parameters.end(), [&](std::uint16_t each) {
        return each < with.parameters.size() && is_undeclared(with.parameters[each]);
    });
}

bool is_same_number(const parameter& what) noexcept {
    constexpr std::string_view most = "16777216";  // 2^24: a float4 has all integers up to there
    const auto text = what.bytes;
    if (what.binary || text.empty() || text.size() > most.size()) return false;
    if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
    if (text.front() == '0' && text.size() > 1) return false;
    return text.size() < most.size() || text <= most;
}

std::vector<std::uint32_t> parameter_counts(std::string_view text, std::span<const literal> literals,
                                            std::size_t parameters) {
    std::vector<std::uint32_t> out(parameters);
    postgres::token_reader in(text, literals);
    for (auto each = in.next(); each.kind != postgres::token_kind::end; each = in.next()) {
        if (in.text_of(each).front() != '$') continue;
        std::size_t number = 0;
        for (auto at = each.offset + 1; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
            number = std::min<std::size_t>(10 * number + static_cast<std::size_t>(text[at] - '0'), 1u << 20);
        if (number > 0 && number <= out.size()) ++out[number - 1];
    }
    return out;
}

}  // namespace ringway::router
