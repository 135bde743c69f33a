#include "router/postgres/outline.hpp"

#include <algorithm>
#include <utility>

#include "router/postgres/blocks.hpp"
#include "router/postgres/lexical.hpp"

namespace ringway::router::postgres {

namespace {

std::uint32_t place_of(node at) {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, at["location"].number(0)));
}

outline_call call_of(node call) {
    outline_call out;
    out.at = place_of(call);
    std::tie(out.schema, out.name) = qualified(call["funcname"]);
    out.star = call["agg_star"].is_true();
    out.distinct = call["agg_distinct"].is_true();
    out.within_group = call["agg_within_group"].is_true();
    out.variadic = call["func_variadic"].is_true();
    out.ordered = static_cast<bool>(call["agg_order"]);
    out.windowed = static_cast<bool>(call["over"]);
    out.arguments = static_cast<std::uint16_t>(call["args"].size());
    return out;
}

/// The names that FROM gives to what stands in it.
void add_names(node from, std::vector<std::string>& out) {
    from.visit([&](node at) {
        if (at.kind() != node_kind::object || at.key() != "RangeVar") return at.key() != "SubLink";
        const auto alias = at["alias"]["aliasname"].text();
        out.push_back(alias.empty() ? at["relname"].text() : alias);
        return false;
    });
}

bool names_any(node call, const std::vector<std::string>& tables) {
    bool found = false;
    call["args"].visit([&](node at) {
        if (at.kind() != node_kind::object || at.key() != "ColumnRef") return true;
        std::string table, column;
        for (const auto field : at["fields"]) table = std::exchange(column, field["String"]["sval"].text());
        found |= !table.empty() && std::find(tables.begin(), tables.end(), table) != tables.end();
        return true;
    });
    return found;
}

/// Aggregates of the server's whose arguments need not be grouped by.
bool is_aggregate(std::string_view name) {
    static constexpr std::string_view known[] = {"avg", "count", "max", "min", "sum"};
    return std::find(std::begin(known), std::end(known), name) != std::end(known);
}

/// Looks through one clause for columns and calls.
class clause_reader {
  public:
    explicit clause_reader(select_outline& out) : out_(out) {}

    /// `tables`: of the subquery that it is in; `bare`: its columns stand for themselves.
    void read(node clause, bool bare, const std::vector<std::string>* tables = nullptr) {
        clause.visit([&](node at) {
            if (at.kind() != node_kind::object) return true;
            if (at.key() == "SubLink") {
                out_.subqueries = true;
                read(at["testexpr"], bare, tables);
                std::vector<std::string> own;
                add_names(at["subselect"]["SelectStmt"]["fromClause"], own);
                read(at["subselect"], bare, &own);
                return false;
            }
            if (at.key() == "ColumnRef") add_column(at, bare);
            if (at.key() == "GroupingFunc" || at.key() == "GroupingSet") out_.odd = true;
            return at.key() == "FuncCall" ? read_call(at, tables) : true;
        });
    }

  private:
    void add_column(node reference, bool bare) {
        out_.columns.push_back(place_of(reference));
        if (!bare) return;
        column_ref made;
        for (const auto field : reference["fields"])
            made.table = std::exchange(made.column, field["String"]["sval"].text());
        out_.bare.push_back(std::move(made));
    }

    bool read_call(node call, const std::vector<std::string>* tables) {
        out_.calls.push_back(call_of(call));
        auto& made = out_.calls.back();
        made.in_subquery = tables != nullptr;
        made.of_subquery = tables && (made.star || names_any(call, *tables));
        if (!is_aggregate(made.name) || !made.schema.empty() || made.windowed) return true;
        for (const auto part : {"args", "agg_order", "agg_filter"}) read(call[part], false, tables);
        return false;
    }

    select_outline& out_;
};

void add_items(node list, select_outline& out) {
    for (const auto each : list) {
        const auto target = each["ResTarget"];
        select_outline::item made;
        made.star = is_star(target["val"]);
        made.alias = target["name"].text();
        if (!made.star) made.column = column_of(target["val"]);
        if (target["val"]["A_Indirection"] && made.star) made.column.emplace();  // (x).*: of no column that is known
        out.items.push_back(std::move(made));
    }
}

void add_sorts(node list, select_outline& out) {
    for (const auto each : list) {
        const auto by = each["SortBy"];
        select_outline::sort made;
        made.descending = by["sortby_dir"].word() == "SORTBY_DESC";
        made.by_operator = by["sortby_dir"].word() == "SORTBY_USING";
        const auto nulls = by["sortby_nulls"].word();
        made.nulls_first = nulls == "SORTBY_NULLS_FIRST" || (nulls != "SORTBY_NULLS_LAST" && made.descending);
        made.constant = static_cast<bool>(by["node"]["A_Const"]);
        made.column = column_of(by["node"]);
        out.sorts.push_back(std::move(made));
    }
}

void add_locks(node select, select_outline& out) {
    for (const auto each : select["lockingClause"]) {
        auto& made = out.locks.emplace_back();
        made.waits = each["LockingClause"]["waitPolicy"].word() == "LockWaitBlock";
        for (const auto table : each["LockingClause"]["lockedRels"])
            made.of.push_back({table["RangeVar"]["schemaname"].text(), table["RangeVar"]["relname"].text(), {}});
    }
    std::size_t all = 0;
    select.visit([&all](node at) {
        all += at.kind() == node_kind::object && at.key() == "LockingClause";
        return true;
    });
    out.locks_within = all > out.locks.size();
}

/// LIMIT and OFFSET: what can be told without running anything.
std::optional<value_source> bound_of(node expression, value_finder& values, select_outline& out) {
    if (!expression) return std::nullopt;
    auto source = values.source_of(expression);
    const bool known = source.what == value_source::from::literal || source.what == value_source::from::parameter ||
                       source.what == value_source::from::null;
    if (!known || !source.cast.empty() || source.negated || source.array) out.odd = true;
    return source;
}

/// Bytes of the text become numbers of tokens.
void count_tokens(select_outline& out, std::uint32_t from, const surroundings& in) {
    std::vector<std::uint32_t> offsets;
    token_reader reader(in.text, in.literals, from);
    for (auto next = reader.next(); next.kind != token_kind::end; next = reader.next()) offsets.push_back(next.offset);
    const auto number = [&](std::uint32_t& at) {
        const auto found = std::lower_bound(offsets.begin(), offsets.end(), at);
        out.odd |= found == offsets.end() || *found != at;
        at = static_cast<std::uint32_t>(found - offsets.begin());
    };
    for (auto& each : out.calls) number(each.at);
    for (auto& each : out.columns) number(each);
    std::sort(out.columns.begin(), out.columns.end());
}

}  // namespace

std::shared_ptr<const select_outline> outline_of(node wrapped, std::uint32_t from, const surroundings& in,
                                                 bool may_lock) {
    const auto select = wrapped["SelectStmt"];
    if (!select || select["op"].word() != "SETOP_NONE" || select["valuesLists"] || select["withClause"] ||
        select["intoClause"] || !select["fromClause"] || !select["targetList"] ||
        (select["lockingClause"] && !may_lock))
        return nullptr;
    auto out = std::make_shared<select_outline>();
    add_locks(select, *out);
    add_items(select["targetList"], *out);
    add_sorts(select["sortClause"], *out);
    for (const auto each : select["groupClause"])
        out->groups.push_back({static_cast<bool>(each["A_Const"]), column_of(each)});
    for (const auto each : select["distinctClause"]) {
        out->distinct = true;
        if (each.kind() == node_kind::object && each.first()) out->odd = true;  // DISTINCT ON
    }
    out->odd |= select["groupDistinct"].is_true() || select["limitOption"].word() == "LIMIT_OPTION_WITH_TIES";
    out->has_having = static_cast<bool>(select["havingClause"]);
    out->has_windows = static_cast<bool>(select["windowClause"]);
    for (const auto clause : {"targetList", "havingClause", "windowClause"})
        clause_reader(*out).read(select[clause], true);
    std::size_t place = 0;
    for (const auto each : select["sortClause"]) {  // which may mean an alias
        const auto& column = out->sorts[place++].column;
        const bool alias = column && column->table.empty() &&
                           std::any_of(out->items.begin(), out->items.end(),
                                       [&](const auto& item) { return item.alias == column->column; });
        clause_reader(*out).read(each, !alias);
    }
    clause_reader(*out).read(select["groupClause"], false);
    out->has_windows |= std::any_of(out->calls.begin(), out->calls.end(),
                                    [](const outline_call& each) { return each.windowed && !each.in_subquery; });
    out->limit = bound_of(select["limitCount"], in.values, *out);
    out->offset = bound_of(select["limitOffset"], in.values, *out);
    count_tokens(*out, from, in);
    return out;
}

}  // namespace ringway::router::postgres
