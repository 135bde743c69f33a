#include "router/postgres/commands.hpp"

#include <algorithm>
#include <array>

#include "router/postgres/lexical.hpp"
#include "router/postgres/walk.hpp"

namespace ringway::router::postgres {

namespace {

using effect_kind = effect::kind;

std::string lowered(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return name;
}

effect named(effect_kind what, std::string name) {
    effect out{what, std::move(name), {}, {}, {}, {}};
    return out;
}

/// SET TRANSACTION ..., SET SESSION CHARACTERISTICS AS TRANSACTION ...: a list of settings.
void read_modes(node set, const surroundings& in, statement& out) {
    const bool for_session = set["name"].word() == "SESSION CHARACTERISTICS";
    if (set["name"].word() == "TRANSACTION SNAPSHOT") {
        out.effects.push_back(named(effect_kind::set_local, "transaction_snapshot"));
        return;
    }
    for (const auto arg : set["args"]) {
        const auto option = arg["DefElem"];
        auto made = named(for_session ? effect_kind::set : effect_kind::set_local, option["defname"].text());
        if (for_session) made.name = "default_" + made.name;
        auto value = in.values.source_of(option["arg"]);
        if (value.what == value_source::from::unknown) {  // READ ONLY, DEFERRABLE: a number that is not in the text
            value.what = value_source::from::constant;
            value.constant = option["arg"]["A_Const"]["ival"]["ival"].number(0) != 0 ? "on" : "off";
        }
        made.values.push_back(std::move(value));
        out.effects.push_back(std::move(made));
    }
}

}  // namespace

void read_set(node set, const surroundings& in, statement& out) {
    const auto kind = set["kind"].word();
    auto name = lowered(set["name"].text());
    out.verb = kind == "VAR_RESET" || kind == "VAR_RESET_ALL" ? verb::reset : verb::set;
    out.name = name;
    if (kind == "VAR_RESET_ALL") {
        out.effects.push_back(named(effect_kind::reset_all, {}));
    } else if (kind == "VAR_SET_MULTI") {
        read_modes(set, in, out);
    } else if (kind == "VAR_RESET" || (kind == "VAR_SET_DEFAULT" && !set["is_local"].is_true())) {
        out.effects.push_back(named(effect_kind::reset, std::move(name)));
    } else {
        auto made = named(
            set["is_local"].is_true() || name.starts_with("transaction_") ? effect_kind::set_local : effect_kind::set,
            std::move(name));
        for (const auto arg : set["args"]) {
            made.values.push_back(in.values.source_of(arg));
            const auto constant = arg["TypeCast"]["arg"] ? arg["TypeCast"]["arg"]["A_Const"] : arg["A_Const"];
            const auto at = static_cast<std::uint32_t>(std::max<std::int64_t>(0, constant["location"].number(0)));
            if (made.body.length == 0 && at > out.where.offset)
                made.body = {at, out.where.offset + out.where.length - at};
        }
        if (made.name == "seed") add_pin(out, "setseed");
        out.effects.push_back(std::move(made));
    }
}

void read_transaction(node transaction, statement& out) {
    struct spelling {
        std::string_view kind;
        router::verb means;
    };
    static constexpr std::array spellings{spelling{"TRANS_STMT_BEGIN", verb::begin},
                                          spelling{"TRANS_STMT_START", verb::begin},
                                          spelling{"TRANS_STMT_COMMIT", verb::commit},
                                          spelling{"TRANS_STMT_ROLLBACK", verb::rollback},
                                          spelling{"TRANS_STMT_SAVEPOINT", verb::savepoint},
                                          spelling{"TRANS_STMT_RELEASE", verb::release},
                                          spelling{"TRANS_STMT_ROLLBACK_TO", verb::rollback_to},
                                          spelling{"TRANS_STMT_PREPARE", verb::prepare_transaction},
                                          spelling{"TRANS_STMT_COMMIT_PREPARED", verb::commit_prepared},
                                          spelling{"TRANS_STMT_ROLLBACK_PREPARED", verb::rollback_prepared}};
    const auto kind = transaction["kind"].word();
    const auto found = std::find_if(spellings.begin(), spellings.end(), [&](const auto& s) { return s.kind == kind; });
    out.verb = found == spellings.end() ? verb::other : found->means;
    out.name = transaction["savepoint_name"] ? transaction["savepoint_name"].text() : transaction["gid"].text();
    if (kind == "TRANS_STMT_START") out.name = "START TRANSACTION";  // as its tag says
    out.chain = transaction["chain"].is_true();
    bool serializable = false;  // which no replica serves
    for (const auto each : transaction["options"]) {
        const auto option = each["DefElem"];
        const auto value = option["arg"]["A_Const"];
        if (option["defname"].word() == "transaction_read_only")
            out.read_only_begin = value["ival"]["ival"].number(0) != 0;
        if (option["defname"].word() == "transaction_isolation")
            serializable = value["sval"]["sval"].text() == "serializable";
    }
    out.read_only_begin &= !serializable;
    if (out.verb == verb::commit_prepared || out.verb == verb::rollback_prepared) out.writes = true;
}

void read_prepare(node prepare, const surroundings& in, statement& out) {
    out.verb = verb::prepare;
    out.name = prepare["name"].text();
    auto made = named(effect_kind::prepare, out.name);
    made.name_span = name_after(in.text, in.literals, out.where.offset, "prepare", out.name);
    made.body = body_of_prepare(in.text, in.literals, made.name_span.offset + made.name_span.length,
                                out.where.offset + out.where.length);
    for (const auto arg : prepare["argtypes"]) {
        auto type = type_of(arg["TypeName"]);
        value_source declared;
        declared.cast = type.schema.empty() ? std::move(type.name) : type.schema + "." + type.name;
        declared.array = type.array;
        made.values.push_back(std::move(declared));
    }
    out.effects.push_back(std::move(made));
}

void read_execute(node execute, const surroundings& in, statement& out) {
    out.name = execute["name"].text();
    auto made = named(effect_kind::execute, out.name);
    made.name_span = name_after(in.text, in.literals, out.where.offset, "execute", out.name);
    for (const auto arg : execute["params"]) made.values.push_back(in.values.source_of(arg));
    out.effects.push_back(std::move(made));
}

void read_deallocate(node deallocate, const surroundings& in, statement& out) {
    out.verb = verb::deallocate;
    out.name = deallocate["name"].text();
    auto made = named(effect_kind::deallocate, out.name);
    if (!out.name.empty()) made.name_span = name_after(in.text, in.literals, out.where.offset, "deallocate", out.name);
    out.effects.push_back(std::move(made));
}

void read_discard(node discard, statement& out) {
    out.verb = verb::discard;
    const auto target = discard["target"].word();
    out.effects.push_back(named(target == "DISCARD_PLANS"       ? effect_kind::discard_plans
                                : target == "DISCARD_TEMP"      ? effect_kind::discard_temp
                                : target == "DISCARD_SEQUENCES" ? effect_kind::discard_sequences
                                                                : effect_kind::discard_all,
                                {}));
}

verb verb_of(std::string_view node_name) {
    struct spelling {
        std::string_view node;
        router::verb means;
    };
    static constexpr std::array spellings{spelling{"SelectStmt", verb::select},
                                          spelling{"InsertStmt", verb::insert},
                                          spelling{"UpdateStmt", verb::update},
                                          spelling{"DeleteStmt", verb::delete_},
                                          spelling{"MergeStmt", verb::merge},
                                          spelling{"VariableShowStmt", verb::show},
                                          spelling{"DeclareCursorStmt", verb::declare_cursor},
                                          spelling{"FetchStmt", verb::fetch},
                                          spelling{"ClosePortalStmt", verb::close_cursor},
                                          spelling{"ListenStmt", verb::listen},
                                          spelling{"UnlistenStmt", verb::unlisten},
                                          spelling{"NotifyStmt", verb::notify},
                                          spelling{"CallStmt", verb::call},
                                          spelling{"DoStmt", verb::do_block},
                                          spelling{"ExplainStmt", verb::explain},
                                          spelling{"LockStmt", verb::lock_table},
                                          spelling{"TruncateStmt", verb::truncate},
                                          spelling{"LoadStmt", verb::load_library},
                                          spelling{"ConstraintsSetStmt", verb::set_constraints},
                                          spelling{"VacuumStmt", verb::maintenance},
                                          spelling{"ReindexStmt", verb::maintenance},
                                          spelling{"ClusterStmt", verb::maintenance},
                                          spelling{"CheckPointStmt", verb::maintenance},
                                          spelling{"AlterSystemStmt", verb::maintenance},
                                          spelling{"ExecuteStmt", verb::execute},
                                          spelling{"RuleStmt", verb::ddl},
                                          spelling{"ViewStmt", verb::ddl},
                                          spelling{"IndexStmt", verb::ddl},
                                          spelling{"RenameStmt", verb::ddl},
                                          spelling{"CommentStmt", verb::ddl},
                                          spelling{"SecLabelStmt", verb::ddl},
                                          spelling{"RefreshMatViewStmt", verb::ddl},
                                          spelling{"ReassignOwnedStmt", verb::ddl},
                                          spelling{"DefineStmt", verb::ddl},
                                          spelling{"ImportForeignSchemaStmt", verb::ddl},
                                          spelling{"CompositeTypeStmt", verb::ddl}};
    const auto found =
        std::find_if(spellings.begin(), spellings.end(), [&](const auto& s) { return s.node == node_name; });
    if (found != spellings.end()) return found->means;
    for (const std::string_view prefix : {"Create", "Alter", "Drop", "Grant"})
        if (node_name.starts_with(prefix)) return verb::ddl;
    return verb::other;
}

void pin_temporary(node within, statement& out) {
    bool temporary = false;
    within.visit([&temporary](node at) {
        temporary |= at["relpersistence"].word() == "t" || at["schemaname"].word() == "pg_temp";
        if (at.kind() == node_kind::array && at.first().next())
            temporary |=
                at.first()["String"]["sval"].word() == "pg_temp";  // a qualified name: CREATE FUNCTION, TYPE, ...
        return true;
    });
    if (temporary) add_pin(out, "temporary table");
}

}  // namespace ringway::router::postgres
