#include "router/postgres/parameter_uses.hpp"

#include <algorithm>

#include "router/postgres/blocks.hpp"
#include "router/postgres/values.hpp"

namespace ringway::router::postgres {

namespace {

std::optional<parameter_use> use_of(node param_ref) {
    const auto number = param_ref["number"].number(0);
    if (number < 1) return std::nullopt;
    parameter_use out;
    out.index = static_cast<std::uint32_t>(number - 1);
    out.at = static_cast<std::uint32_t>(param_ref["location"].number(0));
    return out;
}

/// The first that is said of a place counts: it is what stands nearest around it.
void add(parameter_use use, std::vector<parameter_use>& out) {
    if (std::none_of(out.begin(), out.end(), [&](const parameter_use& each) { return each.at == use.at; }))
        out.push_back(std::move(use));
}

/// A value that is compared with a column, or stored in it, when it is a parameter as it stands.
void add_at_column(node value, parameter_use what, std::vector<parameter_use>& out) {
    const auto found = use_of(value["ParamRef"]);
    if (!found) return;
    what.index = found->index;
    what.at = found->at;
    add(std::move(what), out);
}

void add_pair(node left, node right, const parameter_use& how, std::vector<parameter_use>& out) {
    auto what = how;
    what.column = column_of(left);
    if (what.column) add_at_column(right, std::move(what), out);
}

bool has_star(node list) {
    for (const auto each : list)
        if (is_star(each)) return true;
    return false;
}

/// left = right and the like, of rows by their parts.
void add_compared(node left, node right, std::vector<parameter_use>& out) {
    const auto a = left["RowExpr"]["args"], b = right["RowExpr"]["args"];
    if (a && b) {
        if (a.size() != b.size() || has_star(a) || has_star(b)) return;
        for (auto x = a.first(), y = b.first(); x && y; x = x.next(), y = y.next()) add_compared(x, y, out);
        return;
    }
    add_pair(left, right, {}, out);
    add_pair(right, left, {}, out);
}

/// All values of a list get one type: the column's, where nothing else has a say.
void add_list(node left, node items, std::vector<parameter_use>& out) {
    if (left["RowExpr"]) {
        for (const auto item : items) add_compared(left, item, out);
        return;
    }
    for (const auto item : items) {
        const auto constant = item["A_Const"];
        if (!item["ParamRef"] && (!constant || constant["fval"])) return;
    }
    for (const auto item : items) add_pair(left, item, {}, out);
}

void add_expression(node a_expr, std::vector<parameter_use>& out) {
    static constexpr std::string_view comparing[] = {"=", "<>", "<", "<=", ">", ">="};
    const auto kind = a_expr["kind"].word();
    const auto name = plain_operator(a_expr);
    const auto left = a_expr["lexpr"], right = a_expr["rexpr"];
    const bool compares = std::find(std::begin(comparing), std::end(comparing), name) != std::end(comparing);
    if (kind.find("BETWEEN") != kind.npos) {
        for (const auto item : right["List"]["items"]) add_pair(left, item, {}, out);
    } else if (kind == "AEXPR_LIKE" || kind == "AEXPR_ILIKE") {
        parameter_use like;
        like.like = true;
        add_pair(left, right, like, out);
    } else if (!compares) {
        return;
    } else if (kind == "AEXPR_OP" || kind == "AEXPR_DISTINCT" || kind == "AEXPR_NOT_DISTINCT") {
        add_compared(left, right, out);
    } else if (kind == "AEXPR_IN") {
        add_list(left, right["List"]["items"], out);
    } else if (kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL") {
        parameter_use any;
        any.array = true;
        add_pair(left, right, any, out);
    }
}

void add_cast(node type_cast, std::vector<parameter_use>& out) {
    auto use = use_of(type_cast["arg"]["ParamRef"]);
    if (!use) return;
    const auto type = type_of(type_cast["typeName"]);
    use->cast = (type.schema.empty() ? type.name : type.schema + "." + type.name) + (type.array ? "[]" : "");
    add(std::move(*use), out);
}

/// SET column = $1, (a, b) = ($1, $2).
void add_set(node targets, const table_ref& table, std::vector<parameter_use>& out) {
    for (const auto target : targets) {
        const auto inner = target["ResTarget"];
        if (inner["indirection"]) continue;
        auto value = inner["val"];
        if (const auto several = value["MultiAssignRef"]) {
            value = part_of(several);
        }
        parameter_use stored;
        stored.column = column_ref{{}, inner["name"].text(), {}};
        stored.target = table;
        add_at_column(value, std::move(stored), out);
    }
}

void add_insert(node insert, std::vector<parameter_use>& out) {
    const auto table = table_of(insert["relation"], true);
    add_set(insert["onConflictClause"]["targetList"], table, out);
    const auto columns = insert["cols"];
    for (const auto column : columns)
        if (column["ResTarget"]["indirection"]) return;
    std::int32_t place = 0;
    node column;
    const auto store = [&](node value) {
        parameter_use stored;
        stored.target = table;
        if (columns)
            stored.column = column_ref{{}, column["ResTarget"]["name"].text(), {}};
        else
            stored.place = place;
        if (!columns || column) add_at_column(value, std::move(stored), out);
        ++place;
        column = column.next();
    };
    const auto begin = [&] {
        place = 0;
        column = columns.first();
    };
    const auto source = insert["selectStmt"]["SelectStmt"];
    if (!source || source["op"].word() != "SETOP_NONE") return;
    for (const auto clause : {"sortClause", "limitCount", "limitOffset", "lockingClause", "withClause"})
        if (source["valuesLists"] && source[clause]) return;  // a query of its own, whose types are not the table's
    for (const auto list : source["valuesLists"]) {
        begin();
        if (has_star(list["List"]["items"])) continue;
        for (const auto value : list["List"]["items"]) store(value);
    }
    begin();
    if (source["distinctClause"] || source["groupClause"]) return;
    for (const auto target : source["targetList"]) {
        if (is_star(target["ResTarget"]["val"])) return;
        store(target["ResTarget"]["val"]);
    }
}

}  // namespace

void note_parameter_uses(node at, std::vector<parameter_use>& out) {
    const auto kind = at.key();
    if (kind == "ParamRef") {
        if (auto use = use_of(at)) add(std::move(*use), out);
    } else if (kind == "TypeCast") {
        add_cast(at, out);
    } else if (kind == "A_Expr") {
        add_expression(at, out);
    } else if (kind == "InsertStmt") {
        add_insert(at, out);
    } else if (kind == "UpdateStmt") {
        add_set(at["targetList"], table_of(at["relation"]), out);
    }
}

}  // namespace ringway::router::postgres
