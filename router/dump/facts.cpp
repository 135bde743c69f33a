#include "router/dump/facts.hpp"

#include <fmt/format.h>
#include <pg_query.h>

#include "router/lexical.hpp"
#include "router/postgres/lexical.hpp"
#include "router/postgres/tree.hpp"
#include "router/shape.hpp"

namespace ringway::router::dump {

namespace {

using postgres::node;

/// As router/postgres/parse.cpp: libpg_query recurses without checking its stack.
constexpr std::size_t most_depth = 4000;

std::string name_of(node range_var) {
    const auto schema = range_var["schemaname"].text();
    return (schema.empty() ? "public" : schema) + "." + range_var["relname"].text();
}

std::vector<std::string> words_of(node list) {
    std::vector<std::string> out;
    for (const auto each : list) out.push_back(each["String"]["sval"].text());
    return out;
}

/// Reads one statement's tree.
class reader {
  public:
    explicit reader(facts& out) : out_(out) {}

    void read(node wrapped) {
        const auto inner = wrapped.first();
        const auto kind = inner.key();
        if (kind == "CreateStmt") {
            make(inner, 'r');
        } else if (kind == "CreateForeignTableStmt") {
            make(inner["base"], 'f');
        } else if (kind == "CreateTableAsStmt") {
            make_filled(inner);
        } else if (kind == "AlterTableStmt") {
            alter(inner);
        } else if (kind == "IndexStmt") {
            index(inner);
        } else if (kind == "CopyStmt") {
            copy(inner);
        } else if (kind == "InsertStmt") {
            out_.what = deed::fills;
            out_.filled = name_of(inner["relation"]);
        } else if (kind == "UpdateStmt" || kind == "DeleteStmt" || kind == "MergeStmt" || kind == "TruncateStmt" ||
                   kind == "LockStmt") {
            out_.what = deed::fills;
        } else if (kind == "SelectStmt") {
            call(wrapped);
        } else if (kind == "VariableSetStmt") {
            set(inner);
        } else if (kind == "TransactionStmt") {
            refuse("a dump that begins and ends transactions itself cannot be loaded in whole parts",
                   "remove BEGIN and COMMIT from it");
        } else if (kind == "CreatedbStmt" || kind == "DropdbStmt" || kind == "AlterDatabaseStmt" ||
                   kind == "AlterDatabaseSetStmt") {
            refuse("it concerns a whole database", "dump without --create; run this on each shard by hand");
        } else if (kind == "CreateRoleStmt" || kind == "AlterRoleStmt" || kind == "AlterRoleSetStmt" ||
                   kind == "DropRoleStmt" || kind == "GrantRoleStmt" || kind == "CreateTableSpaceStmt") {
            refuse("it concerns a whole server", "run it on each node's server by hand, and dump by pg_dump");
        } else if (kind == "CreateSubscriptionStmt" || kind == "AlterSubscriptionStmt") {
            refuse("each shard would subscribe by itself, and get every row", "dump with --no-subscriptions");
        } else if (kind == "VacuumStmt" || kind == "ClusterStmt" || kind == "ReindexStmt" || kind == "CheckPointStmt") {
            refuse("it cannot run within a transaction", "remove it, and run it through Ringway after the load");
        }
    }

  private:
    void refuse(std::string why, std::string hint) {
        out_.what = deed::refused;
        out_.why = std::move(why);
        out_.hint = std::move(hint);
    }

    void make(node create, char kind) {
        auto& made = out_.made.emplace();
        made.name = name_of(create["relation"]);
        made.kind = kind;
        for (const auto parent : create["inhRelations"])
            out_.descents.push_back({made.name, name_of(parent["RangeVar"])});
        for (const auto each : create["tableElts"]) {
            if (const auto column = each["ColumnDef"]) {
                made.columns.push_back(column["colname"].text());
                for (const auto of : column["constraints"])
                    constraint(of["Constraint"], made.name, {made.columns.back()});
            } else {
                constraint(each["Constraint"], made.name, {});
            }
        }
        for (const auto each : create["constraints"]) constraint(each["Constraint"], made.name, {});
    }

    void make_filled(node create) {
        if (create["objtype"].word() != "OBJECT_MATVIEW")
            return refuse("it fills the table that it makes",
                          "dump with pg_dump, which makes tables and fills them apart");
        auto& made = out_.made.emplace();
        made.name = name_of(create["into"]["rel"]);
        made.kind = 'm';
        create["query"].visit([&](node at) {
            if (at.key() == "RangeVar") made.reads.push_back(name_of(at));
            return true;
        });
    }

    void alter(node change) {
        const auto table = name_of(change["relation"]);
        if (change["objtype"].word() != "OBJECT_TABLE" && change["objtype"].word() != "OBJECT_FOREIGN_TABLE") return;
        for (const auto each : change["cmds"]) {
            const auto command = each["AlterTableCmd"];
            const auto what = command["subtype"].word();
            if (what == "AT_AddConstraint") {
                constraint(command["def"]["Constraint"], table, {});
            } else if (what == "AT_AttachPartition") {
                out_.descents.push_back({name_of(command["def"]["PartitionCmd"]["name"]), table});
            } else if (what == "AT_AddInherit") {
                out_.descents.push_back({table, name_of(command["def"]["RangeVar"])});
            } else if (what == "AT_AddColumn") {
                const auto column = command["def"]["ColumnDef"];
                for (const auto of : column["constraints"])
                    constraint(of["Constraint"], table, {column["colname"].text()});
            }
        }
    }

    /// `column`: the one that it stands with, if it does.
    void constraint(node what, const std::string& table, std::vector<std::string> column) {
        const auto kind = what["contype"].word();
        const auto name = what["conname"].text();
        const auto own = [&](std::string_view key) { return column.empty() ? words_of(what[key]) : column; };
        if (kind == "CONSTR_PRIMARY" || kind == "CONSTR_UNIQUE") {
            if (what["indexname"]) return;  // of an index that has been looked at
            out_.soles.push_back(
                {table, name, kind == "CONSTR_PRIMARY" ? "primary key" : "unique constraint", own("keys")});
        } else if (kind == "CONSTR_EXCLUSION") {
            auto& made = out_.soles.emplace_back(sole{table, name, "exclusion constraint", {}});
            for (const auto each : what["exclusions"]) {
                const auto items = each["List"]["items"];
                const auto column_name = items.first()["IndexElem"]["name"].text();
                const auto with = items.first().next()["List"]["items"];
                std::string symbol;
                for (const auto part : with) symbol = part["String"]["sval"].text();
                if (symbol == "=" && !column_name.empty()) made.columns.push_back(column_name);
            }
        } else if (kind == "CONSTR_FOREIGN") {
            out_.references.push_back(
                {table, name, name_of(what["pktable"]), own("fk_attrs"), words_of(what["pk_attrs"])});
        }
    }

    void index(node made) {
        if (!made["unique"].is_true()) return;
        auto& one =
            out_.soles.emplace_back(sole{name_of(made["relation"]), made["idxname"].text(), "unique index", {}});
        for (const auto each : made["indexParams"])
            if (auto column = each["IndexElem"]["name"].text(); !column.empty())
                one.columns.push_back(std::move(column));
    }

    void copy(node what) {
        if (what["query"] || !what["is_from"].is_true()) return refuse("it copies rows out", "remove it");
        if (what["filename"])
            return refuse("its rows are in a file of the server's", "dump with pg_dump, without --file of COPY's own");
        out_.what = deed::fills;
        out_.filled = name_of(what["relation"]);
        out_.rows_follow = true;
    }

    /// SELECT of functions, which do something.
    void call(node query) {
        out_.what = deed::fills;
        std::string called;
        query.visit([&](node at) {
            if (at.key() != "FuncCall") return true;
            for (const auto part : at["funcname"]) called = part["String"]["sval"].text();
            if (called == "setval") out_.what = deed::counts;
            if (called == "set_config") out_.what = deed::sets;
            if (called.starts_with("lo_") || called == "lowrite")
                refuse("large objects cannot be placed on a shard", "dump with --no-blobs");
            return true;
        });
    }

    void set(node what) {
        out_.what = deed::sets;
        if (what["name"].text() != "standard_conforming_strings") return;
        const auto value = what["args"].first()["A_Const"]["sval"]["sval"].text();
        const auto is_on = [&](std::string_view word) { return lexical::same_word(value, word); };
        out_.conforming = value.empty() || is_on("on") || is_on("true") || is_on("yes") || is_on("1");
    }

    facts& out_;
};

}  // namespace

facts facts_of_statement(std::string_view text, bool standard_conforming_strings) {
    facts out;
    const auto refuse = [&](std::string why, std::string hint) {
        out.what = deed::refused;
        out.why = std::move(why);
        out.hint = std::move(hint);
        return std::move(out);
    };
    thread_local shape_lexer lexer;
    const auto shape = lexer.scan(text, standard_conforming_strings);
    const auto lexed = postgres::facts_of(text, shape.literals);
    if (lexed.depth > most_depth || lexed.long_operator) return refuse("it nests too deep to be read", {});
    const auto seen = postgres::parseable(text, shape.literals, lexed, standard_conforming_strings);
    const auto parsed = pg_query_parse(seen.c_str());
    if (parsed.error) {
        auto why = fmt::format("it cannot be read: {}", parsed.error->message);
        pg_query_free_parse_result(parsed);
        out.unread = true;
        return refuse(std::move(why), "a newer server's syntax cannot be loaded through Ringway");
    }
    const postgres::tree all(parsed.parse_tree);
    const auto statements = all.root()["stmts"];
    if (statements.size() == 1) reader(out).read(statements.first()["stmt"]);
    pg_query_free_parse_result(parsed);
    if (statements.size() > 1) return refuse("it is several statements", {});
    return out;
}

}  // namespace ringway::router::dump
