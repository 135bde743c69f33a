#include "router/postgres/walk.hpp"

#include <algorithm>
#include <array>

#include "router/postgres/blocks.hpp"
#include "router/postgres/parameter_uses.hpp"

namespace ringway::router::postgres {

namespace {

using effect_kind = effect::kind;

/// Built-in functions that leave something on the connection which settings cannot carry elsewhere.
struct pinning_function {
    std::string_view name, why;
};
constexpr std::array pinning_functions{
    pinning_function{"setseed", "setseed"},
    pinning_function{"pg_advisory_lock", "session advisory lock"},
    pinning_function{"pg_advisory_lock_shared", "session advisory lock"},
    pinning_function{"pg_try_advisory_lock", "session advisory lock"},
    pinning_function{"pg_try_advisory_lock_shared", "session advisory lock"},
    pinning_function{"pg_create_physical_replication_slot", "temporary replication slot"},
    pinning_function{"pg_create_logical_replication_slot", "temporary replication slot"},
    pinning_function{"pg_copy_physical_replication_slot", "temporary replication slot"},
    pinning_function{"pg_copy_logical_replication_slot", "temporary replication slot"},
    pinning_function{"pg_replication_origin_session_setup", "replication origin"},
    pinning_function{"dblink_connect", "dblink connection"},
    pinning_function{"dblink_connect_u", "dblink connection"},
};

template <class T>
void add_once(std::vector<T>& to, T what) {
    if (std::find(to.begin(), to.end(), what) == to.end()) to.push_back(std::move(what));
}

/// 'schema."Name"' as regclass reads it; without a name when it is not certain.
table_ref name_in(const std::string& literal) {
    table_ref out;
    std::vector<std::string> parts(1);
    bool quoted = false;
    for (const char c : literal) {
        if (c == '"')
            quoted = !quoted;
        else if (c == '.' && !quoted)
            parts.emplace_back();
        else
            parts.back() += !quoted && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    const bool plain = literal.find("\"\"") == std::string::npos && literal.find(' ') == std::string::npos;
    if (quoted || !plain || parts.size() > 2) return out;
    out.name = std::move(parts.back());
    if (parts.size() == 2) out.schema = std::move(parts.front());
    return out;
}

void add_sequence_use(std::string_view function, node call, statement& out) {
    if (function != "nextval" && function != "setval") return;
    sequence_use made;
    made.what = function == "nextval" ? sequence_use::kind::draws : sequence_use::kind::sets;
    auto which = call["args"].first();
    if (which["TypeCast"]) which = which["TypeCast"]["arg"];
    if (const auto text = which["A_Const"]["sval"]) made.which = name_in(text["sval"].text());
    add_once(out.sequences, std::move(made));
}

void add_function(node call, value_finder& values, statement& out) {
    auto name = qualified(call["funcname"]);
    if (name.second.empty()) return;
    if (name.first.empty() || name.first == "pg_catalog") {
        add_function_effects(name.second, call, values, out);
        add_sequence_use(name.second, call, out);
    }
    add_once(out.functions, std::move(name));
}

void add_operator(node names, statement& out) {
    auto name = qualified(names).second;
    if (!name.empty()) add_once(out.operators, std::move(name));
}

void add_expression(node a_expr, statement& out) {
    const auto kind = a_expr["kind"].word();
    if (kind.find("BETWEEN") != std::string_view::npos) {
        add_once(out.operators, std::string(">="));
        add_once(out.operators, std::string("<="));
    } else {
        add_operator(a_expr["name"], out);
    }
}

bool writes_rows(std::string_view kind) {
    return kind == "InsertStmt" || kind == "UpdateStmt" || kind == "DeleteStmt" || kind == "MergeStmt" ||
           kind == "intoClause";
}

/// x.name and (x).name may call the function `name` of x's row type.
void add_attribute(node column_ref_node, statement& out) {
    const auto fields = column_ref_node["fields"];
    const auto count = fields.size();
    if (count < 2) return;
    auto last = fields.first();
    for (std::size_t i = 1; i < count; ++i) last = last.next();
    if (!last["String"]) return;
    const auto names = names_of(fields);
    column_ref made{names[count - 2], names[count - 1], count > 2 ? names[count - 3] : std::string()};
    add_once(out.attributes, std::move(made));
}

void add_indirection(node indirection, statement& out) {
    for (const auto part : indirection)
        if (part["String"]) add_once(out.attributes, column_ref{"", part["String"]["sval"].text(), ""});
}

}  // namespace

void add_pin(statement& out, std::string_view why) {
    for (const auto& each : out.effects)
        if (each.what == effect_kind::pin && each.pin == why) return;
    effect made{effect_kind::pin, {}, {}, {}, {}, std::string(why)};
    out.effects.push_back(std::move(made));
}

void add_function_effects(std::string_view name, node call, value_finder& values, statement& out) {
    if (name == "set_config") {
        effect made{effect_kind::set_config, {}, {}, {}, {}, {}};
        for (const auto arg : call["args"]) made.values.push_back(values.source_of(arg));
        out.effects.push_back(std::move(made));
    } else if (name == "pg_advisory_unlock_all") {
        out.effects.push_back({effect_kind::unpin_locks, {}, {}, {}, {}, {}});
    } else if (const auto why = pin_of_function(name); !why.empty()) {
        add_pin(out, why);
    }
}

std::string_view pin_of_function(std::string_view name) {
    const auto found =
        std::find_if(pinning_functions.begin(), pinning_functions.end(), [&](const auto& p) { return p.name == name; });
    return found == pinning_functions.end() ? std::string_view() : found->why;
}

namespace {

bool is_system_column(node fields) {
    static constexpr std::string_view all[] = {"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"};
    auto last = fields.first();
    for (auto next = last; next; next = next.next()) last = next;
    const auto name = last["String"]["sval"].text();
    return std::find(std::begin(all), std::end(all), name) != std::end(all);
}

bool is_inner(std::string_view kind) {
    return kind == "SubLink" || kind == "RangeSubselect" || kind == "RangeFunction" || kind == "CommonTableExpr";
}

/// Those whose result tells the order in which rows came.
bool is_of_order(std::string_view aggregate) {
    static constexpr std::string_view all[] = {"any_value",
                                               "array_agg",
                                               "json_agg",
                                               "json_agg_strict",
                                               "json_object_agg",
                                               "json_object_agg_strict",
                                               "json_object_agg_unique",
                                               "json_object_agg_unique_strict",
                                               "jsonb_agg",
                                               "jsonb_agg_strict",
                                               "jsonb_object_agg",
                                               "jsonb_object_agg_strict",
                                               "jsonb_object_agg_unique",
                                               "jsonb_object_agg_unique_strict",
                                               "string_agg",
                                               "xmlagg"};
    return std::find(std::begin(all), std::end(all), aggregate) != std::end(all);
}

bool tells_order(node call) {
    const auto over = call["over"];
    if (over) return over["orderClause"].size() == 0 && over["name"].text().empty() && over["refname"].text().empty();
    return call["agg_order"].size() == 0 && is_of_order(qualified(call["funcname"]).second);
}

/// Whether what rows give is the same when those change places that an order leaves side by side: each value is a
/// constant, or a column that is sorted by.
bool is_settled(node value, node order) {
    if (value["A_Const"] || value["ParamRef"]) return true;
    const auto fields = value["ColumnRef"]["fields"];
    if (!fields) return false;
    for (const auto part : fields)
        if (!part["String"]) return false;
    const auto names = names_of(fields);
    for (const auto by : order)
        if (const auto sorted = by["SortBy"]["node"]["ColumnRef"]["fields"]; sorted && names_of(sorted) == names)
            return true;
    return false;
}

bool are_settled(node targets, node order) {
    for (const auto target : targets) {
        const auto inner = target["ResTarget"];
        if (!inner["name"].text().empty() || !is_settled(inner["val"], order)) return false;
    }
    return targets.size() > 0;
}

/// A SELECT of some of the rows that it finds.
void note_some(node select, statement& out) {
    const bool distinct_on = static_cast<bool>(select["distinctClause"].first().first());
    if (!select["limitCount"] && !select["limitOffset"] && !distinct_on) return;
    if (are_settled(select["targetList"], select["sortClause"])) return;
    (select["sortClause"].size() == 0 ? out.inner_order : out.inner_ties) = true;
}

/// What stands in a subquery, in WITH or in FROM.
void collect_inner(node within, statement& out) {
    within.visit([&](node at) {
        if (at.kind() != node_kind::object) return true;
        const auto kind = at.key();
        if (kind == "FuncCall") {
            add_once(out.inner_functions, qualified(at["funcname"]));
            out.inner_order |= tells_order(at);
            if (!at["agg_within_group"].is_true() && is_of_order(qualified(at["funcname"]).second))
                for (const auto each : at["args"]) out.inner_ties |= !is_settled(each, at["agg_order"]);
        } else if (kind == "JsonArrayAgg" || kind == "JsonObjectAgg") {
            out.inner_order |= at["constructor"]["agg_order"].size() == 0;
            out.inner_ties = true;
        } else if (kind == "SelectStmt") {
            note_some(at, out);
        } else if (kind == "WindowDef") {
            out.inner_order |= at["orderClause"].size() == 0 && at["refname"].text().empty();
        } else if (kind == "over") {
            out.inner_ties = true;
        }
        return true;
    });
}

void collect_one(node at, value_finder& values, statement& out, std::uint16_t& parameters) {
    const auto kind = at.key();
    if (is_inner(kind)) collect_inner(at, out);
    if (kind == "FuncCall") {
        add_function(at, values, out);
    } else if (kind == "A_Expr") {
        add_expression(at, out);
    } else if (kind == "TypeCast") {
        add_once(out.cast_types, type_of(at["typeName"]).name);
    } else if (kind == "ColumnDef") {  // of a function in FROM: AS x (a int, b d)
        if (at["typeName"]) add_once(out.cast_types, type_of(at["typeName"]).name);
    } else if (kind == "SQLValueFunction") {
        out.transaction_time = true;  // or CURRENT_USER and its kin, which need not be told apart
    } else if (kind == "LockingClause") {
        out.locks_rows = true;
    } else if (writes_rows(kind)) {
        out.writes = true;
    } else if (kind == "ParamRef") {
        parameters = std::max(parameters, static_cast<std::uint16_t>(at["number"].number(0)));
    } else if (kind == "SubLink") {
        add_operator(at["operName"], out);
        const auto inner = at["subselect"]["SelectStmt"];
        if (at["subLinkType"].word() == "ARRAY_SUBLINK" && !are_settled(inner["targetList"], inner["sortClause"]))
            (inner["sortClause"].size() == 0 ? out.inner_order : out.inner_ties) = true;
    } else if (kind == "SortBy") {
        add_operator(at["useOp"], out);
    } else if (kind == "RangeTableSample") {
        add_once(out.functions, qualified(at["method"]));
    } else if (kind == "ColumnRef") {
        add_attribute(at, out);
        out.row_places |= is_system_column(at["fields"]);
    } else if (kind == "A_Indirection") {
        add_indirection(at["indirection"], out);
    }
}

}  // namespace

void collect(node within, value_finder& values, statement& out, std::uint16_t& parameters) {
    within.visit([&](node at) {
        if (at.kind() != node_kind::object) return true;
        collect_one(at, values, out, parameters);
        note_parameter_uses(at, out.parameter_uses);
        return true;
    });
}

}  // namespace ringway::router::postgres
