#include "router/postgres/table_changes.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "router/postgres/blocks.hpp"
#include "router/postgres/walk.hpp"

namespace ringway::router::postgres {

namespace {

using kind = table_change::kind;

class reader_of_changes {
  public:
    reader_of_changes(std::vector<table_change>& out, value_finder& values) : out_(out), values_(values) {}

    void read(node definition) {
        const auto name = definition.key();
        if (name == "AlterTableStmt") {
            table_ = table_of(definition["relation"], true);
            const bool of_type = definition["objtype"].word() == "OBJECT_TYPE";
            for (const auto each : definition["cmds"])
                of_type ? attribute(each["AlterTableCmd"]) : command(each["AlterTableCmd"]);
        } else if (name == "RenameStmt") {
            renaming(definition);
        } else if (name == "AlterObjectSchemaStmt") {
            if (!definition["relation"]) return;
            table_ = table_of(definition["relation"], true);
            add(kind::renamed).other.schema = definition["newschema"].text();
        } else if (name == "CreateStmt") {
            creation(definition);
        }
    }

  private:
    table_change& add(kind what) {
        auto& made = out_.emplace_back();
        made.what = what;
        made.table = table_;
        return made;
    }

    void add_column(kind what, std::string name, std::string then = {}) {
        add(what).columns.emplace_back(std::move(name), std::move(then));
    }

    void renaming(node definition) {
        const auto what = definition["renameType"].word();
        const auto now = definition["subname"].text(), then = definition["newname"].text();
        if (what == "OBJECT_SCHEMA") {
            auto& made = add(kind::schema_renamed);
            made.table.schema = now;
            made.other.schema = then;
        }
        if (!definition["relation"]) return;
        table_ = table_of(definition["relation"], true);
        if (what == "OBJECT_ATTRIBUTE" && definition["behavior"].word() == "DROP_CASCADE")
            add_column(kind::attribute_changed, now, then);
        else if (what == "OBJECT_COLUMN")
            add_column(kind::column_renamed, now, then);
        else if (what == "OBJECT_TABLE" || what == "OBJECT_VIEW" || what == "OBJECT_MATVIEW" ||
                 what == "OBJECT_FOREIGN_TABLE")
            add(kind::renamed).other.name = then;
    }

    /// Without CASCADE it is the server's error where a table is OF the type. A new attribute is the last column.
    void attribute(node one) {
        const auto what = one["subtype"].word();
        if ((what == "AT_DropColumn" || what == "AT_AlterColumnType") && one["behavior"].word() == "DROP_CASCADE")
            add_column(kind::attribute_changed, one["name"].text());
    }

    void command(node one) {
        const auto what = one["subtype"].word();
        const auto def = one["def"];
        if (what == "AT_AttachPartition" || what == "AT_DetachPartition") {
            auto& made = add(what == "AT_AttachPartition" ? kind::attached : kind::detached);
            made.other = std::exchange(made.table, table_of(def["PartitionCmd"]["name"], true));
        } else if (what == "AT_AddInherit" || what == "AT_DropInherit") {
            add(what == "AT_AddInherit" ? kind::attached : kind::detached).other = table_of(def["RangeVar"]);
        } else if (what == "AT_DropColumn") {
            add_column(kind::column_dropped, one["name"].text());
        } else if (what == "AT_SetExpression") {
            add_column(kind::column_computed, one["name"].text());
        } else if (what == "AT_AlterColumnType") {
            add_column(kind::column_retyped, one["name"].text());
            new_type(def["ColumnDef"], out_.back());
            if (const auto from = def["ColumnDef"]["raw_default"]) fill(one["name"].text(), from);
        } else if (what == "AT_AddConstraint") {
            constraint(def["Constraint"], {}, false);
        } else if (what == "AT_AddColumn") {
            column(def["ColumnDef"], false);
            new_values(def["ColumnDef"]);
        }
    }

    /// What the rows that are there get in a new column. Without a default they get NULL.
    void new_values(node column) {
        static constexpr std::array<std::string_view, 6> serial{"serial",  "bigserial", "smallserial",
                                                                "serial2", "serial4",   "serial8"};
        const auto name = column["colname"].text();
        const auto type = type_of(column["typeName"]).name;
        if (std::find(serial.begin(), serial.end(), type) != serial.end()) add_column(kind::column_filled, name);
        for (const auto each : column["constraints"]) {
            const auto what = each["Constraint"]["contype"].word();
            if (what == "CONSTR_IDENTITY") add_column(kind::column_filled, name);
            if (what == "CONSTR_DEFAULT") fill(name, each["Constraint"]["raw_expr"]);
        }
    }

    void fill(std::string name, node from) {
        statement calls;
        std::uint16_t parameters = 0;
        collect(from, values_, calls, parameters);
        add_column(kind::column_filled, std::move(name));
        out_.back().value = std::make_shared<const statement>(std::move(calls));
    }

    static void new_type(node column, table_change& made) {
        const auto type = type_of(column["typeName"]);
        if (type.array || !type.schema.empty() || column["raw_default"] || column["collClause"]) return;
        made.type = type.name;
        if (!type.limited) return;
        const auto limits = column["typeName"]["typmods"];
        made.limit = limits.size() == 1 ? limits.first()["A_Const"]["ival"]["ival"].number(-2) : -2;
    }

    /// A part's foreign keys are those of a table that is placed as the whole.
    void creation(node definition) {
        table_ = table_of(definition["relation"], true);
        if (const auto parents = definition["inhRelations"]) table_ = table_of(parents.first()["RangeVar"]);
        for (const auto each : definition["tableElts"]) {
            column(each["ColumnDef"], true);
            constraint(each["Constraint"], {}, true);
        }
    }

    void column(node definition, bool is_new) {
        for (const auto each : definition["constraints"])
            constraint(each["Constraint"], {definition["colname"].text()}, is_new);
    }

    /// `column`: the one that it stands with, if it does.
    void constraint(node definition, std::vector<std::string> column, bool is_new) {
        if (definition["contype"].word() != "CONSTR_FOREIGN") return;
        auto& made = add(kind::refers);
        made.other = table_of(definition["pktable"]);
        made.is_new = is_new;
        if (column.empty()) column = names_of(definition["fk_attrs"]);
        auto targets = names_of(definition["pk_attrs"]);
        targets.resize(std::max(targets.size(), column.size()));
        for (std::size_t i = 0; i < column.size(); ++i) made.columns.emplace_back(column[i], targets[i]);
        const auto on_update = definition["fk_upd_action"].word(), on_delete = definition["fk_del_action"].word();
        const auto reset = names_of(definition["fk_del_set_cols"]);
        const auto note = [&](const std::vector<std::string>& of, tie_action action) {
            for (const auto& each : of) made.actions.emplace_back(each, action);
        };
        if (on_update == "c") note(column, tie_action::update_cascades);
        if (on_update == "n" || on_update == "d") note(column, tie_action::update_sets);
        if (on_delete == "n" || on_delete == "d") note(reset.empty() ? column : reset, tie_action::delete_sets);
    }

    std::vector<table_change>& out_;
    value_finder& values_;
    table_ref table_;
};

}  // namespace

std::vector<table_change> table_changes_of(node definition, value_finder& values) {
    std::vector<table_change> out;
    reader_of_changes(out, values).read(definition);
    return out;
}

}  // namespace ringway::router::postgres
