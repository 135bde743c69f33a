#include "router/mysql/need.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/lexical.hpp"
#include "router/search_path.hpp"

namespace ringway::router::mysql {

namespace {

/// Of information_schema: what is read from the definitions, which replicas have alike.
constexpr std::array<std::string_view, 20> definitions{
    "applicable_roles", "character_sets",          "check_constraints", "collation_character_set_applicability",
    "collations",       "column_privileges",       "columns",           "enabled_roles",
    "events",           "key_column_usage",        "keywords",          "parameters",
    "partitions",       "referential_constraints", "routines",          "schemata",
    "statistics",       "table_constraints",       "triggers",          "views"};

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lexical::lower(c);
    return out;
}

/// Collects the first reason for the primary.
class judgement {
  public:
    judgement(const statement& what, const catalog* in, std::string_view database)
        : what_(what), in_(in), database_(database), path_{std::string(database)} {}

    need_finding run() {
        if (what_.writes) primary("changes data or definitions");
        if (what_.locks_rows) primary("locks rows");
        by_verb();
        for (const auto& each : what_.effects) by_effect(each);
        if (what_.sets_insert_id) primary("sets LAST_INSERT_ID");
        if (what_.asks_insert_id || what_.asks_found_rows || what_.asks_row_count || what_.asks_warnings)
            primary("asks about the statement before");
        for (const auto& [schema, name] : what_.functions) function(schema, name);
        if (what_.verb != verb::set)
            for (const auto& each : what_.system_variables_read)
                if (!is_same_everywhere(each)) primary(fmt::format("@@{} differs from server to server", each));
        tables(what_.block);
        if (out_.need == need::any) out_.reason = "reads only";
        return std::move(out_);
    }

  private:
    void primary(std::string why) {
        if (out_.need == need::any) out_.reason = std::move(why);
        out_.need = need::primary;
    }

    void by_verb() {
        switch (what_.verb) {
            case verb::begin:
                if (!what_.read_only_begin) primary("a transaction that may write");
                break;
            case verb::show:
                show();
                break;
            case verb::call:
                primary("runs a procedure");
                out_.may_set = true;
                break;
            case verb::execute:
                primary("runs a prepared statement");
                break;
            case verb::compound:
                primary("runs a compound statement");
                out_.may_set = true;
                break;
            case verb::lock_table:
            case verb::unlock_tables:
                primary("locks tables");
                break;
            case verb::handler:
                primary("HANDLER");
                break;
            case verb::flush:
            case verb::maintenance:
            case verb::kill:
                primary("concerns one server");
                break;
            case verb::xa_start:
            case verb::xa_end:
            case verb::xa_prepare:
            case verb::xa_commit:
            case verb::xa_rollback:
            case verb::xa_recover:
                primary("XA");
                break;
            case verb::diagnostics:
                primary("asks about the statement before");
                break;
            case verb::other:
                primary("of an unknown kind");
                break;
            default:
                break;
        }
    }

    /// Definitions are the same everywhere; variables, status and the like are one server's.
    void show() {
        static constexpr std::array<std::string_view, 22> same{
            "character set",   "charset",         "collation",        "columns",       "create database",
            "create event",    "create function", "create procedure", "create schema", "create table",
            "create trigger",  "create view",     "databases",        "events",        "fields",
            "function status", "index",           "indexes",          "keys",          "procedure status",
            "schemas",         "tables"};
        const std::string_view name = what_.name;
        if (std::find(same.begin(), same.end(), name) != same.end() || name == "triggers" || name == "table types" ||
            name == "help" || name == "create sequence" || name == "create package" || name == "table status")
            return;
        if (!what_.asks_warnings) primary("SHOW of what one server knows");
    }

    void by_effect(const effect& each) {
        switch (each.what) {
            case effect::kind::pin:
                primary("the session stays on its connection: " + each.pin);
                break;
            case effect::kind::set_global:
                primary("sets a variable of the server");
                break;
            case effect::kind::set_user_variable:
                if (each.body.length == 0) primary("sets @" + each.name);
                break;
            case effect::kind::unpin_lock:
            case effect::kind::unpin_locks:
                primary("releases a lock");
                break;
            default:
                break;
        }
    }

    void function(const std::string& schema, const std::string& name) {
        const auto nature = nature_of(in_, database_, schema, name);
        out_.may_set |= nature.may_set;
        if (nature.needs_primary) primary(fmt::format("{} {}", nature.unknown ? "unknown function" : "function", name));
    }

    void tables(const query_block& block) {
        for (const auto& table : block.tables) relation(table);
        for (const auto& child : block.children) tables(child);
    }

    /// What it writes is a definition: no trigger runs.
    bool defines() const {
        return std::any_of(what_.effects.begin(), what_.effects.end(),
                           [](const effect& each) { return each.what == effect::kind::catalog_changed; });
    }

    void relation(const table_ref& table) {
        const auto schema = lowered(table.schema.empty() ? database_ : std::string_view(table.schema));
        if (schema == "information_schema") {
            const auto name = lowered(table.name);
            if (name != "tables" && !std::binary_search(definitions.begin(), definitions.end(), name))
                primary(fmt::format("{}.{} is one server's", schema, table.name));
            return;
        }
        if (is_system_schema(schema)) return primary(fmt::format("{}.{} is one server's", schema, table.name));
        const auto* found = in_ ? find_relation(*in_, path_, table.schema, table.name) : nullptr;
        if (found && table.written && !defines()) out_.may_set |= found->triggers_set;
        if (!found) {
            primary("unknown table " + table.name);
        } else if (found->unlogged || found->kind == 'S') {
            primary(fmt::format("{} is not the same on a replica", table.name));
        } else if (found->view_writes) {
            primary(fmt::format("view {} runs something that needs the primary", table.name));
            out_.may_set = true;
        }
    }

    const statement& what_;
    const catalog* in_;
    std::string_view database_;
    std::vector<std::string> path_;
    need_finding out_;
};

}  // namespace

need_finding need_of(const statement& what, const catalog* in, std::string_view database) {
    return judgement(what, in, database).run();
}

bool is_system_schema(std::string_view schema) noexcept {
    return schema == "information_schema" || schema == "performance_schema" || schema == "mysql" || schema == "sys";
}

}  // namespace ringway::router::mysql
