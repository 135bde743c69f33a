// libpg_query's tree -> router::analysis.

#include <pg_query.h>

#include <algorithm>
#include <memory>

#include "router/lexical.hpp"
#include "router/postgres/blocks.hpp"
#include "router/postgres/commands.hpp"
#include "router/postgres/copy.hpp"
#include "router/postgres/lexical.hpp"
#include "router/postgres/outline.hpp"
#include "router/postgres/table_changes.hpp"
#include "router/postgres/walk.hpp"
#include "router/shape.hpp"
#include "router/statement.hpp"

namespace ringway::router {

namespace {

using namespace postgres;
using effect_kind = effect::kind;

/// libpg_query recurses without checking its stack when it writes a tree; the server itself gives up at about 10,000
/// levels.
constexpr std::size_t most_depth = 4000;

/// A statement of which nothing is known: whatever it did must not reach another client.
statement unknown_statement(std::string_view text, std::string_view why) {
    statement out;
    out.where = {0, static_cast<std::uint32_t>(text.size())};
    out.writes = true;
    out.block.exact = false;
    out.effects.push_back({effect_kind::settings_unknown, {}, {}, {}, {}, {}});
    add_pin(out, why);
    return out;
}

/// The statement's bytes without the blanks and comments around it.
span32 extent_of(node raw, std::string_view text, std::span<const literal> literals) {
    const auto from = static_cast<std::uint32_t>(raw["stmt_location"].number(0));
    const auto length = raw["stmt_len"].number(0);
    const auto stop = length > 0 ? from + static_cast<std::uint32_t>(length) : static_cast<std::uint32_t>(text.size());
    token_reader in(text, literals, from);
    auto found = in.next();
    span32 out{found.offset, 0};
    while (found.kind != token_kind::end && found.offset < stop &&
           !(found.kind == token_kind::symbol && text[found.offset] == ';')) {
        out.length = found.stop() - out.offset;
        found = in.next();
    }
    return out;
}

/// Reads one statement of a text.
class statement_reader {
  public:
    statement_reader(const surroundings& in, analysis& out) : in_(in), out_(out) {}

    statement read(node raw) {
        statement made;
        made.where = extent_of(raw, in_.text, in_.literals);
        const auto wrapped = raw["stmt"];
        read_any(wrapped, made);
        note_places(made);
        return made;
    }

  private:
    /// `wrapped` is {"SelectStmt": {...}} and the like.
    void read_any(node wrapped, statement& made) {
        const auto inner = wrapped.first();
        const auto kind = inner.key();
        made.verb = verb_of(kind);
        if (kind == "SelectStmt" || kind == "InsertStmt" || kind == "UpdateStmt" || kind == "DeleteStmt" ||
            kind == "MergeStmt") {
            read_query(wrapped, made);
            if (kind == "SelectStmt") made.outline = outline_of(wrapped, made.where.offset, in_, true);
            if (kind == "InsertStmt") made.outline = outline_of(inner["selectStmt"], made.where.offset, in_);
        } else if (kind == "VariableSetStmt") {
            read_set(inner, in_, made);
        } else if (kind == "VariableShowStmt") {
            made.name = inner["name"].text();
        } else if (kind == "TransactionStmt") {
            read_transaction(inner, made);
        } else if (kind == "PrepareStmt") {
            read_prepare(inner, in_, made);
            read_prepared_query(inner["query"], made);
        } else if (kind == "ExecuteStmt") {
            read_execute(inner, in_, made);
            collect(inner["params"], in_.values, made, out_.parameters);
        } else if (kind == "DeallocateStmt") {
            read_deallocate(inner, in_, made);
        } else if (kind == "DiscardStmt") {
            read_discard(inner, made);
        } else if (kind == "ExplainStmt") {
            read_explain(inner, made);
        } else if (kind == "CopyStmt") {
            read_copy(inner, made);
        } else if (kind == "DeclareCursorStmt") {
            read_declare(inner, made);
        } else {
            read_utility(inner, made);
        }
    }

    void read_query(node wrapped, statement& made) {
        collect(wrapped, in_.values, made, out_.parameters);
        doubt_set_config(wrapped, made);
        read_tables(wrapped, made);
        if (const auto into = wrapped["SelectStmt"]["intoClause"]) read_new_table(into, made);
        if (wrapped["SelectStmt"])
            made.names = names_in(in_.text, in_.literals, made.where.offset, made.where.offset + made.where.length);
    }

    void read_tables(node wrapped, statement& made) {
        block_builder builder(in_.values);
        made.block = builder.of_query(wrapped);
        out_.too_deep |= builder.too_deep();
    }

    void add_subqueries(node within, statement& made) {
        block_builder builder(in_.values);
        builder.add_subqueries(within, made.block);
        out_.too_deep |= builder.too_deep();
    }

    /// SELECT INTO, CREATE TABLE AS.
    void read_new_table(node into, statement& made) {
        made.writes = true;
        pin_temporary(into, made);
        made.effects.push_back({effect_kind::catalog_changed, {}, {}, {}, {}, {}});
        made.block.tables.push_back(table_of(into["rel"], true));
    }

    /// What a prepared statement does is done by EXECUTE; PREPARE only needs to know where it may go.
    void read_prepared_query(node query, statement& made) {
        statement inner;
        read_query(query, inner);
        inner.effects = std::move(made.effects);
        inner.verb = made.verb;
        inner.where = made.where;
        inner.name = std::move(made.name);
        if (query["SelectStmt"])
            inner.names = names_in(in_.text, in_.literals, made.where.offset, made.where.offset + made.where.length);
        made = std::move(inner);
    }

    void read_explain(node explain, statement& made) {
        bool analyze = false;
        for (const auto each : explain["options"]) {
            const auto option = each["DefElem"];
            const auto name = option["defname"].text();
            if (name != "analyze" && name != "route") continue;
            const auto arg = option["arg"];
            const auto word = arg["String"]["sval"].text();
            const bool on =
                !(word == "false" || word == "off" || (arg["Integer"] && arg["Integer"]["ival"].number(0) == 0));
            (name == "route" ? made.explain_route : analyze) = on;
            if (arg) out_.cacheable = false;
        }
        const auto where = made.where;
        const bool route = made.explain_route;
        read_any(explain["query"], made);
        if (!route) {  // else it is told of as it would run
            made.verb = verb::explain;
            made.outline.reset();
        }
        made.where = where;
        made.explain_route = route;
        if (route) made.effects.clear();
        if (!analyze) std::erase_if(made.effects, [](const effect& e) { return e.what != effect_kind::execute; });
    }

    /// set_config that may not be run, or more than once: by a fourth value its effect tells that the server is to be
    /// asked afterwards.
    static void doubt_set_config(node query, statement& made) {
        const auto is_set_config = [](const effect& e) { return e.what == effect_kind::set_config; };
        auto left = std::count_if(made.effects.begin(), made.effects.end(), is_set_config);
        if (left == 0) return;
        const auto select = query["SelectStmt"];
        bool plain = select["op"].word() == "SETOP_NONE";
        for (const auto clause : {"fromClause", "whereClause", "groupClause", "havingClause", "limitCount",
                                  "limitOffset", "withClause", "valuesLists", "distinctClause"})
            plain &= !select[clause];
        for (const auto target : select["targetList"]) {
            auto value = target["ResTarget"]["val"];
            if (value["TypeCast"]) value = value["TypeCast"]["arg"];
            left -= qualified(value["FuncCall"]["funcname"]).second == "set_config";
        }
        if (plain && left == 0) return;
        for (auto& each : made.effects)
            if (is_set_config(each)) each.values.resize(4);
    }

    void read_copy(node copy, statement& made) {
        made.verb = copy["is_from"].is_true() ? verb::copy_from : verb::copy_to;
        made.copy_stdin_or_stdout = !copy["filename"];
        if (copy["query"]) {
            read_query(copy["query"], made);
        } else {
            made.block.tables.push_back(table_of(copy["relation"], made.verb == verb::copy_from));
            collect(copy["whereClause"], in_.values, made, out_.parameters);
            add_subqueries(copy["whereClause"], made);
            if (made.copy_stdin_or_stdout) made.copy = read_copy_command(copy);
            if (copy["options"]) out_.cacheable = false;  // their values are literals
        }
        made.writes |= made.verb == verb::copy_from || copy["filename"];  // a file of the server's is the primary's
    }

    void read_declare(node declare, statement& made) {
        constexpr std::int64_t with_hold = 0x0020;  // CURSOR_OPT_HOLD, nodes/parsenodes.h
        read_query(declare["query"], made);
        for (auto& each : made.effects)
            if (each.what == effect_kind::set_config)
                each = {effect_kind::settings_unknown, {}, {}, {}, {}, {}};  // runs when fetched
        made.name = declare["portalname"].text();
        if (declare["options"].number(0) & with_hold) add_pin(made, "WITH HOLD cursor");
    }

    void read_utility(node inner, statement& made) {
        switch (made.verb) {
            case verb::listen:
                made.name = inner["conditionname"].text();
                add_pin(made, "LISTEN");
                break;
            case verb::unlisten:
                made.name = inner["conditionname"].text();
                if (made.name.empty()) made.effects.push_back({effect_kind::unpin_listen, {}, {}, {}, {}, {}});
                break;
            case verb::notify:
                made.name = inner["conditionname"].text();
                break;
            case verb::fetch:
            case verb::close_cursor:
                made.name = inner["portalname"].text();
                break;
            case verb::load_library:
                add_pin(made, "LOAD");
                break;
            case verb::lock_table:
            case verb::truncate:
                made.locks_rows = made.verb == verb::lock_table;
                made.writes = made.verb == verb::truncate;
                for (const auto each : inner["relations"])
                    made.block.tables.push_back(table_of(each["RangeVar"], true));
                break;
            case verb::call:
                made.writes = true;
                collect(inner, in_.values, made, out_.parameters);
                add_subqueries(inner, made);
                break;
            case verb::do_block:
            case verb::maintenance:
                made.writes = true;
                break;
            case verb::ddl:
                read_ddl(inner, made);
                break;
            case verb::set_constraints:
                break;
            default:
                made.writes = true;
                made.block.exact = false;
                break;
        }
    }

    void read_ddl(node inner, statement& made) {
        if (inner["query"] && inner["into"]) {  // CREATE TABLE AS, CREATE MATERIALIZED VIEW
            if (inner["query"]["ExecuteStmt"])
                read_execute(inner["query"]["ExecuteStmt"], in_, made);
            else if (inner["into"]["skipData"].is_true())  // WITH NO DATA: no function runs
                read_tables(inner["query"], made);
            else
                read_query(inner["query"], made);
            made.block.tables.push_back(table_of(inner["into"]["rel"], true));
        }
        made.writes = true;
        read_sequence_change(inner, made);
        made.table_changes = table_changes_of(inner, in_.values);
        // What PostgreSQL runs outside of transactions only, or cannot PREPARE behind.
        bool concurrently = inner["concurrent"].is_true();
        for (const auto each : inner["cmds"])
            concurrently |= each["AlterTableCmd"]["def"]["PartitionCmd"]["concurrent"].is_true();
        if (concurrently) made.verb = verb::maintenance;
        if (concurrently && inner.key() == "RefreshMatViewStmt") made.name = "REFRESH";
        if (inner.key().starts_with("Create") || inner.key() == "ViewStmt" || inner.key() == "DefineStmt" ||
            inner.key() == "CompositeTypeStmt" || inner.key().starts_with("AlterObjectSchema"))
            pin_temporary(inner, made);
        made.effects.push_back({effect_kind::catalog_changed, {}, {}, {}, {}, {}});
    }

    /// ALTER SEQUENCE, and what changes a column's.
    static void read_sequence_change(node inner, statement& made) {
        sequence_use found;
        found.what = sequence_use::kind::changes;
        if (inner.key() == "AlterSeqStmt") {
            found.which = table_of(inner["sequence"], true);
            for (const auto each : inner["options"])
                if (each["DefElem"]["defname"].text() != "owned_by") {
                    made.sequences.push_back(std::move(found));
                    return;
                }
        } else if (inner.key() == "AlterTableStmt") {
            found.which = table_of(inner["relation"], true);
            found.by_table = true;
            for (const auto each : inner["cmds"])
                if (each["AlterTableCmd"]["subtype"].word() == "AT_SetIdentity") {
                    made.sequences.push_back(std::move(found));
                    return;
                }
        }
    }

    /// A plan that names places in the text serves no other text of the shape: blanks and literals differ in length.
    void note_places(const statement& made) {
        for (const auto& each : made.effects) {
            const bool places = each.what == effect_kind::set || each.what == effect_kind::set_local ||
                                each.what == effect_kind::prepare || each.what == effect_kind::execute ||
                                (each.what == effect_kind::deallocate && !each.name.empty());
            if (places) out_.cacheable = false;
        }
    }

    const surroundings& in_;
    analysis& out_;
};

struct parse_result {
    PgQueryParseResult raw;
    explicit parse_result(const std::string& text) : raw(pg_query_parse(text.c_str())) {}
    parse_result(const parse_result&) = delete;
    parse_result& operator=(const parse_result&) = delete;
    ~parse_result() { pg_query_free_parse_result(raw); }
};

analysis too_deep(analysis out, std::string_view text) {
    out.too_deep = true;
    out.cacheable = false;
    out.statements.clear();
    out.statements.push_back(unknown_statement(text, "a statement nested too deep to be read"));
    return out;
}

/// A newer minor version of the server than the parser's shows the whole word after a number: "0x5" and not "0x".
std::string whole_word(std::string why, std::string_view text, int position) {
    constexpr std::string_view about = "trailing junk after ", near = " at or near \"";
    const auto quoted = why.find(near);
    if (!why.starts_with(about) || quoted == std::string::npos || !why.ends_with('"') || position < 0) return why;
    std::size_t at = 0;  // characters to bytes
    for (int passed = 0; at < text.size(); ++at) {
        const bool starts = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
        if (starts && passed++ == position) break;
    }
    const auto start = quoted + near.size();
    const auto shown = why.substr(start, why.size() - 1 - start);
    if (text.substr(at, shown.size()) != shown) return why;
    auto stop = at + shown.size();
    while (stop < text.size() && lexical::is_word(text[stop])) ++stop;
    return why.substr(0, start) + std::string(text.substr(at, stop - at)) + '"';
}

analysis failed(analysis out, std::string_view text, std::string why, int position) {
    out.error = std::move(why);
    out.error_position = position;
    out.cacheable = false;
    out.statements.push_back(unknown_statement(text, "a statement of a newer syntax"));
    return out;
}

}  // namespace

const name_use* names_used::find(std::string_view name) const {
    const auto at = std::lower_bound(all.begin(), all.end(), name,
                                     [](const name_use& each, std::string_view wanted) { return each.name < wanted; });
    return at == all.end() || at->name != name ? nullptr : &*at;
}

int postgres_grammar() noexcept {
    return PG_VERSION_NUM / 10000;
}

analysis parse_postgres(std::string_view text, bool standard_conforming_strings) {
    analysis out;
    thread_local shape_lexer lexer;
    const auto shape = lexer.scan(text, standard_conforming_strings);
    const std::vector<literal> literals(shape.literals.begin(), shape.literals.end());
    auto facts = facts_of(text, literals);
    out.hint = std::move(facts.hint);
    out.cacheable = shape.complete;
    if (facts.depth > most_depth || facts.long_operator) return too_deep(std::move(out), text);
    if (facts.open_comment) return failed(std::move(out), text, "unterminated /* comment", -1);
    const auto seen = parseable(text, literals, facts, standard_conforming_strings);
    const parse_result parsed(seen);
    if (const auto* why = parsed.raw.error) {
        const int position = why->cursorpos - 1;
        return failed(std::move(out), text, whole_word(why->message, seen, position), position);
    }
    const tree all(parsed.raw.parse_tree);
    value_finder values(text, literals, standard_conforming_strings);
    const surroundings in{text, literals, values};
    statement_reader reader(in, out);
    for (const auto raw : all.root()["stmts"]) out.statements.push_back(reader.read(raw));
    if (out.too_deep) return too_deep(std::move(out), text);
    out.cacheable &= !values.has_folded();
    return out;
}

}  // namespace ringway::router
