#include "router/postgres/table_changes.hpp"

#include <algorithm>
#include <utility>

#include "router/postgres/blocks.hpp"
#include "router/postgres/values.hpp"

namespace ringway::router::postgres {

namespace {

using kind = table_change::kind;

class reader_of_changes {
  public:
    explicit reader_of_changes(std::vector<table_change>& out) : out_(out) {}

    void read(node definition) {
        const auto name = definition.key();
        if (name == "AlterTableStmt") {
            table_ = table_of(definition["relation"], true);
            for (const auto each : definition["cmds"]) command(each["AlterTableCmd"]);
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
        if (what == "OBJECT_COLUMN")
            add_column(kind::column_renamed, now, then);
        else if (what == "OBJECT_TABLE" || what == "OBJECT_VIEW" || what == "OBJECT_MATVIEW" ||
                 what == "OBJECT_FOREIGN_TABLE")
            add(kind::renamed).other.name = then;
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
        } else if (what == "AT_AddConstraint") {
            constraint(def["Constraint"], {}, false);
        } else if (what == "AT_AddColumn") {
            column(def["ColumnDef"], false);
        }
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
    }

    std::vector<table_change>& out_;
    table_ref table_;
};

}  // namespace

std::vector<table_change> table_changes_of(node definition) {
    std::vector<table_change> out;
    reader_of_changes(out).read(definition);
    return out;
}

}  // namespace ringway::router::postgres
