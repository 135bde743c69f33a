#include "router/tables_seen.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/copy_command.hpp"
#include "router/leads.hpp"
#include "router/uneven.hpp"
#include "router/volatility.hpp"

namespace ringway::router {

namespace {

class looking {
  public:
    looking(tables_seen& to, const statement& what, const table_finder& tables, const shared_sequences& sequences)
        : seen_(to), what_(what), tables_(tables), sequences_(sequences) {}

    void look_at(const query_block& block) {
        writing_ = block.insert && block.assignments.empty() ? access::inserts : access::writes;
        rows_ = writing_ == access::inserts ? &*block.insert : nullptr;
        changes_ = changes_of(block);
        for (const auto& table : block.tables) look_at(table);
        for (const auto& child : block.children) look_at(child);
    }

  private:
    row_changes changes_of(const query_block& block) const {
        row_changes out;
        for (const auto& each : block.assignments) out.columns.push_back(each.column.column);
        static constexpr verb leave_rows[] = {verb::copy_from, verb::truncate, verb::lock_table, verb::ddl,
                                              verb::maintenance};
        if (std::find(std::begin(leave_rows), std::end(leave_rows), what_.verb) != std::end(leave_rows)) return out;
        // A MERGE, wherever it stands, may do both.
        out.deletes = !block.insert && (out.columns.empty() || what_.verb != verb::update);
        return out;
    }

    void look_at(const table_ref& table) {
        const auto meaning = tables_.find(table);
        if (seen_.leads.empty())
            seen_.leads = leads_elsewhere(meaning, tables_, table.written ? writing_ : access::reads);
        if (seen_.leads.empty() && table.written) seen_.leads = sets_keys_elsewhere(meaning, changes_, tables_);
        if (meaning.what == table_class::reference && table.written) seen_.reference_written = table.name;
        if (meaning.what == table_class::keyed && table.written && meaning.relation && what_.verb != verb::delete_ &&
            what_.verb != verb::truncate)
            if (auto name = sequences_.unspaced_of(*meaning.relation); !name.empty() && !all_given(*meaning.relation))
                seen_.unspaced = std::move(name);
        note_reference(meaning);
        if (meaning.what == table_class::elsewhere && meaning.relation && meaning.relation->kind == 'v') {
            if (meaning.relation->view_writes) seen_.volatile_view = table.name;
            if (meaning.relation->view_opaque) seen_.opaque_view = table.name;
            if (meaning.relation->view_ordered) seen_.ordered_view = table.name;
            for (const auto& name : meaning.relation->view_tables) through_view(table, name);
        } else if (meaning.what == table_class::keyed) {
            seen_.keyed = true;
            seen_.keyed_name = table.name;
        } else {
            seen_.elsewhere |= meaning.what == table_class::elsewhere;
            seen_.system |= meaning.what == table_class::system;
        }
    }

    /// Whether the rows, as those of a dump, come with a value for each column that a default would draw.
    bool all_given(const catalog_relation& table) const {
        const bool copies = what_.verb == verb::copy_from && what_.copy;
        if (!copies && (what_.verb != verb::insert || !rows_ || rows_->from_select || rows_->rows.empty() ||
                        std::any_of(rows_->rows.front().begin(), rows_->rows.front().end(), is_star)))
            return false;  // DEFAULT VALUES, and rows with a star, whose DEFAULTs are of no known column
        const auto& names = copies ? what_.copy->columns : rows_->columns;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            const auto& column = table.columns[i];
            if (!column.has_default || column.generated) continue;
            const auto at =
                names.empty()
                    ? i
                    : static_cast<std::size_t>(std::find(names.begin(), names.end(), column.name) - names.begin());
            const bool given = copies ? names.empty() || at < names.size()
                                      : std::all_of(
                                            rows_->rows.begin(), rows_->rows.end(),
                                            [at](const auto& row) { return at < row.size() && !is_default(row[at]); });
            if (!given) return false;
        }
        return true;
    }

    static bool is_star(const value_source& given) {
        return given.what == value_source::from::unknown && given.constant == "*";
    }

    static bool is_default(const value_source& given) {
        return given.what == value_source::from::unknown && given.constant == "default";
    }

    void through_view(const table_ref& view, const std::string& name) {
        const auto meaning = tables_.find_qualified(name);
        if (seen_.leads.empty())
            seen_.leads = leads_elsewhere(meaning, tables_, view.written ? writing_ : access::reads);
        if (seen_.leads.empty() && view.written) seen_.leads = sets_keys_elsewhere(meaning, all_of(meaning), tables_);
        if (meaning.what == table_class::keyed) seen_.keyed_view = view.name;
        note_reference(meaning);
        if (meaning.what == table_class::reference && view.written) seen_.reference_written = name;
        seen_.elsewhere |= meaning.what == table_class::elsewhere;
        seen_.system |= meaning.what == table_class::system;
    }

    /// A view's columns may have other names than its table's.
    static row_changes all_of(const table_meaning& table) {
        row_changes out{{}, true};
        if (table.relation)
            for (const auto& each : table.relation->columns) out.columns.push_back(each.name);
        return out;
    }

    void note_reference(const table_meaning& meaning) {
        constexpr std::uint32_t float4 = 700, float8 = 701;
        if (meaning.what != table_class::reference) return;
        seen_.reference = true;
        seen_.references.push_back(meaning.map_index);
        if (!meaning.relation) return;
        for (const auto& each : meaning.relation->columns)
            seen_.floats |= each.type_oid == float4 || each.type_oid == float8;
    }

    tables_seen& seen_;
    const statement& what_;
    const table_finder& tables_;
    const shared_sequences& sequences_;
    access writing_ = access::writes;    ///< how the block that is looked at changes its table
    row_changes changes_;                ///< ... and what it changes in it
    const insert_rows* rows_ = nullptr;  ///< of an INSERT, its own
};

}  // namespace

void see_tables(tables_seen& to, const query_block& block, const statement& what, const table_finder& tables,
                const shared_sequences& sequences) {
    looking(to, what, tables, sequences).look_at(block);
}

std::string why_opaque(const tables_seen& seen, const statement& what, const catalog* in,
                       const std::vector<std::string>& path) {
    if (!seen.leads.empty()) return seen.leads;
    if (auto why = opaque_use(in, what); !why.empty()) return why;
    for (const auto& each : what.attributes)
        if (is_opaque_attribute(in, what, path, each))
            return fmt::format("function {} may read tables of several shards", each.column);
    if (!seen.opaque_view.empty())
        return fmt::format("view {} runs a function that may read tables of several shards", seen.opaque_view);
    for (const auto& [schema, name] : what.functions) {
        const auto nature = nature_of(in, path, schema, name);
        if (nature.unknown) return fmt::format("function {} is not in the catalogs that were read last", name);
        if (nature.opaque) return fmt::format("function {} may read tables of several shards", name);
    }
    return {};
}

std::string why_not_once(const tables_seen& seen, const statement& what, const catalog* in,
                         const std::vector<std::string>& path) {
    for (const auto& [schema, name] : what.inner_functions)
        if (nature_of(in, path, schema, name).varies || is_nextval(schema, name))
            return fmt::format("function {} may be called once for rows of all shards", name);
    if (!seen.volatile_view.empty())
        return fmt::format("view {} may be read once for rows of all shards, and runs something volatile",
                           seen.volatile_view);
    if (seen.reference && !seen.ordered_view.empty())
        return fmt::format(
            "view {} takes rows in the order in which they stand, which copies of a reference table may "
            "not share",
            seen.ordered_view);
    if (what.inner_order && seen.reference)
        return "a subquery takes rows in the order in which they stand, which copies of a reference table may not "
               "share: sort them";
    return {};
}

}  // namespace ringway::router
