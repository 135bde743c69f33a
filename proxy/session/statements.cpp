// A client's prepared statements: what it knows them by, their plans, and that a server connection has them when they
// are needed.

#include "proxy/session/statements.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/reading.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::effect;

/// Of a statement's name, as a server tells statements apart (NAMEDATALEN - 1).
constexpr std::size_t longest_name = 63;

namespace {

/// In one column: a row of two is an answer to another question of ours. Until the transaction ends, or the pipeline.
std::string set_configs(const std::vector<std::string>& calls) {
    return fmt::format("SELECT pg_catalog.concat({})", fmt::join(calls, ", "));
}

/// Statements around a Parse that is to read constants as it was done `before`: what is now is kept by the server.
std::pair<std::string, std::string> around_parse(const std::vector<changed_reading>& changed) {
    std::vector<std::string> there, back;
    for (const auto& each : changed) {
        if (each.before.empty()) continue;
        there.push_back(
            fmt::format("pg_catalog.set_config('ringway.kept_{0}', pg_catalog.current_setting('{0}'), true), "
                        "pg_catalog.set_config('{0}', {1}, true)",
                        each.lower, pool::quote_literal(each.before)));
        back.push_back(fmt::format("pg_catalog.set_config('{0}', pg_catalog.current_setting('ringway.kept_{0}'), true)",
                                   each.lower));
    }
    if (there.empty()) return {};
    return {set_configs(there), set_configs(back)};
}

}  // namespace

fault unknown_statement(std::string_view name) {
    return {fault_kind::undefined_statement,
            name.empty() ? std::string("unnamed prepared statement does not exist")
                         : fmt::format("prepared statement \"{}\" does not exist", name),
            {},
            {}};
}

statement_ref session::find_statement(std::string_view name) const {
    if (name.empty()) return unnamed_;
    if (!statements_) return nullptr;
    const auto it = statements_->find(std::string(name.substr(0, longest_name)));
    return it == statements_->end() ? nullptr : it->second;
}

statement_ref session::planned_statement(std::string_view name) {
    auto found = find_statement(name);
    if (!found || found->text->query.empty()) return found;
    const auto with = plan_context();
    const auto version = with.catalog ? with.catalog->version : 0;
    if (found->plan->catalog_version == version && found->plan->map_epoch == with.map->epoch &&
        found->search_path == search_path_)
        return found;
    const auto plan = plan_of(found->planned_text());
    auto made = std::make_shared<client_statement>(*found);
    made->plan = home_.plans.hold(plan);
    made->literals.assign(plan.shape.literals.begin(), plan.shape.literals.end());
    made->search_path = search_path_;
    if (name.empty())
        unnamed_ = made;
    else
        (*statements_)[std::string(name)] = made;
    return made;
}

void session::forget_statement(const std::string& name) {
    if (!statements_) return;
    const auto it = statements_->find(name.substr(0, longest_name));
    if (it == statements_->end()) return;
    prepared_bytes_ -= it->second->text->bytes();
    statements_->erase(it);
    if (statements_->empty()) statements_.reset();
}

void session::keep_statement(const std::string& name, statement_ref what) {
    if (!statements_) statements_ = std::make_unique<std::unordered_map<std::string, statement_ref>>();
    prepared_bytes_ += what->text->bytes();
    (*statements_)[name.substr(0, longest_name)] = std::move(what);
}

statement_ref session::make_statement(const pg::parse_message& parse) {
    // The same unnamed statement parsed again, as many drivers do for each execution: its route has just been looked
    // up.
    const bool again = parse.name.empty() && unnamed_ && unnamed_->original.empty() &&
                       unnamed_->text->query == parse.query && unnamed_->text->types == parse.types &&
                       unnamed_->settings == settings_ && unnamed_->reported == told_;
    if (again && std::exchange(routed_, nullptr) == unnamed_->plan.get()) return unnamed_;
    const auto found = plan_of(parse.query);
    if (again && unnamed_->plan.get() == found.plan) return unnamed_;
    auto made = std::make_shared<client_statement>();
    made->plan = home_.plans.hold(found);
    made->literals.assign(found.shape.literals.begin(), found.shape.literals.end());
    made->renamed = !parse.name.empty();
    made->search_path = search_path_;
    made->settings = settings_;
    made->reported = told_;
    if (own_names_ && made->renamed)
        made->text = pool::own_prepared(parse.name, parse.query, parse.types);
    else
        made->text = prepared_of(parse.query, parse.types, made->renamed);
    return made;
}

/// Statements that name other prepared statements get the servers' names; EXPLAIN (ROUTE) becomes its answer.
/// nullopt: the text stays as it is. On `refused` it cannot run. `out`: its splices, and what it executes.
std::optional<std::string> session::rewritten(const pg::parse_message& parse, const client_statement& made,
                                              std::optional<fault>& refused, client_statement& out) {
    std::string changed;
    std::size_t copied = 0;
    const auto splice = [&](router::span32 at, std::string_view with) {
        out.splices.push_back({at.offset, at.length, with.size()});
        changed.append(parse.query.substr(copied, at.offset - copied)).append(with);
        copied = at.offset + at.length;
    };
    for (const auto& one : made.plan->parsed.statements) {
        if (one.explain_route) {
            const router::values with{parse.query, made.literals, {}, conforming_strings_};
            changed = "SELECT * FROM (VALUES ";
            const auto lines = router::explain_route(*made.plan, with, *who_.cluster->now->map);
            for (std::size_t i = 0; i < lines.size(); ++i)
                changed += fmt::format("{}({}, {})", i ? ", " : "", pool::quote_literal(lines[i].first),
                                       pool::quote_literal(lines[i].second));
            return changed + ") AS route(item, value)";
        }
        for (const auto& what : one.effects) {
            if (what.what != effect::kind::execute && (what.what != effect::kind::deallocate || what.name.empty()))
                continue;
            const auto named = find_statement(what.name);
            if (!named) {
                refused = pinned() ? unseen_statement(what) : unknown_statement(what.name);
                continue;
            }
            if (what.what == effect::kind::execute && who_.cluster->now->map->is_sharded() &&
                !runs_anywhere(*named->plan))
                refused = fault{fault_kind::unsupported,
                                "EXECUTE of a keyed statement names no shard",
                                {},
                                "bind it by the extended protocol, or write the statement out"};
            ensure_on_server(named);
            if (own_names_) continue;
            splice(what.name_span, named->text->name);
            if (what.what == effect::kind::execute) out.executes.push_back(named);
        }
    }
    if (copied == 0) return std::nullopt;
    changed.append(parse.query.substr(copied));
    return changed;
}

void session::ensure_on_server(const statement_ref& what) {
    auto& server = *talk_->server;
    auto& out = outgoing();
    // Another connection may have the EXECUTE, and not what it names.
    if (!own_names_)
        for (const auto& named : what->executes) ensure_on_server(named);
    if (!what->renamed) {
        if (server.unnamed == what->text) return;
        pg::write_parse(out, {}, what->text->query, types_for_server(what->text->types));
        talk_->replies.push(expected_reply::kind::parse, expected_reply::to::nobody);
        server.parse_unnamed(what->text);
        return;
    }
    if (server.statements.touch(*what->text)) return;
    const bool changed = told_ && what->settings != settings_ && talk_->status != 'E';
    const auto around =
        changed ? around_parse(changed_readings(*what, *told_, *settings_)) : std::pair<std::string, std::string>();
    const bool within = in_batch_;
    if (!around.first.empty()) {  // in one implicit transaction, for which the settings are
        in_batch_ = true;
        run_own(around.first);
    }
    if (what->by_sql) {
        run_own(what->text->query);
        talk_->replies.back().statement = what->text;
    } else {
        pg::write_parse(out, what->text->name, what->text->query, types_for_server(what->text->types));
        talk_->replies.push(expected_reply::kind::parse, expected_reply::to::nobody).statement = what->text;
        if (!in_batch_) {
            pg::write_sync(out);
            talk_->replies.push(expected_reply::kind::sync, expected_reply::to::nobody);
        }
    }
    if (!around.second.empty()) {
        run_own(around.second);
        in_batch_ = within;
        if (!in_batch_) {
            pg::write_sync(out);
            talk_->replies.push(expected_reply::kind::sync, expected_reply::to::nobody);
        }
    }
    server.statements.add(what->text);
    if (in_batch_) trim_statements();
}

/// Closes the oldest statements on a server that holds more than it may.
void session::trim_statements() {
    if (own_names_) return;
    auto& server = *talk_->server;
    while (auto oldest = server.statements.evict(who_.who->limits.statement_cache_bytes)) {
        pg::write_target(outgoing(), 'C', 'S', oldest->name);
        talk_->replies.push(expected_reply::kind::close, expected_reply::to::nobody).statement = std::move(oldest);
    }
}

}  // namespace ringway::proxy
