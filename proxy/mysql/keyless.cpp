// A row of an INSERT without its shard key.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/mysql/session.hpp"
#include "router/lexical.hpp"

namespace ringway::proxy::mysql {

using config::fault_kind;

namespace {

using router::lexical::same_word;

/// Whether a sql_mode makes errors of values that do not fit.
bool is_strict(std::string_view sql_mode) {
    for (std::size_t from = 0; from < sql_mode.size();) {
        const auto to = std::min(sql_mode.find_first_of(",'", from), sql_mode.size());
        const auto one = sql_mode.substr(from, to - from);
        if (same_word(one, "strict_trans_tables") || same_word(one, "strict_all_tables") ||
            same_word(one, "traditional"))
            return true;
        from = to + 1;
    }
    return false;
}

/// As servers are when nobody says otherwise.
bool is_strict_by_default(const router::mysql_modes& servers) {
    return servers.version >= (servers.mariadb ? 100204 : 50700);
}

/// INSERT IGNORE, by the beginning of the text.
bool ignores(std::string_view sql) {
    const auto head = sql.substr(0, 64);
    const auto end = head.find("into");
    std::string words(head.substr(0, end));
    for (char& c : words) c = router::lexical::lower(c);
    return words.find("ignore") != std::string::npos;
}

const router::catalog_column* column_of(const router::catalog_relation& in, std::string_view name) {
    const auto found = std::find_if(in.columns.begin(), in.columns.end(),
                                    [&](const auto& each) { return same_word(each.name, name); });
    return found == in.columns.end() ? nullptr : &*found;
}

}  // namespace

/// Where the server would refuse the row too its own error is told; elsewhere it would store what is not known here (a
/// default, a number that counts up, 0 for NULL), which is not supported.
void session::refuse_route(config::fault why, const reading& text) {
    const auto* const catalog = who_.cluster->catalog.get();
    const auto& statements = text.parsed().statements;
    if (why.kind != fault_kind::no_key || statements.size() != 1 || !catalog) return refuse(why);
    if (!statements.front().block.insert) {
        if (statements.front().block.assignments.empty() || statements.front().verb == router::verb::delete_)
            why.kind = fault_kind::unsupported;  // of a condition: the server would find no row
        return refuse(why);
    }
    const auto& insert = *statements.front().block.insert;
    const auto& schema = insert.table.schema.empty() ? database_ : insert.table.schema;
    const auto found = catalog->relations.find(schema + "." + insert.table.name);
    if (found == catalog->relations.end()) return refuse(why);
    const auto& columns = found->second.columns;
    const auto* const mode = settings_->find("sql_mode");
    const bool strict = mode ? is_strict(*mode) : is_strict_by_default(modes());
    const bool ignored = ignores(text.plan->shape_text);
    for (const auto& entry : who_.cluster->now->map->tables) {
        if (!same_word(entry.name, insert.table.name) && !same_word(entry.name, found->first)) continue;
        std::vector<std::string> keys{entry.key};
        keys.insert(keys.end(), entry.further_keys.begin(), entry.further_keys.end());
        for (const auto& key : keys) {
            const auto* const column = column_of(found->second, key);
            if (!column) continue;
            auto at = static_cast<std::size_t>(column - columns.data());
            if (!insert.columns.empty())
                at = static_cast<std::size_t>(
                    std::find_if(insert.columns.begin(), insert.columns.end(),
                                 [&](const auto& each) { return same_word(each, column->name); }) -
                    insert.columns.begin());
            const bool listed = insert.columns.empty() ? at < columns.size() : at < insert.columns.size();
            const bool missing = insert.from_select
                                     ? !listed
                                     : std::any_of(insert.rows.begin(), insert.rows.end(), [&](const auto& row) {
                                           return at >= row.size() || row[at].constant == "default";
                                       });
            const bool one_row = !insert.from_select && insert.rows.size() == 1;
            if (ignored || column->has_default || (!strict && (missing || !one_row))) {
                why.kind = fault_kind::unsupported;
                return refuse(why);
            }
            if (missing) {
                ++who_.cluster->traffic.refusals;
                return send_error(1364, "HY000", fmt::format("Field '{}' doesn't have a default value", column->name),
                                  1);
            }
            if (keys.size() == 1)
                why = {fault_kind::no_key, fmt::format("Column '{}' cannot be null", column->name), {}, {}};
        }
    }
    refuse(why);
}

}  // namespace ringway::proxy::mysql
