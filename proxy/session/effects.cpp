// What statements do to their session: settings that follow the client, pins, prepared statements, transactions.

#include <fmt/format.h>

#include <algorithm>

#include "pool/foreign_literal.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"
#include "router/need.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using router::effect;
using router::value_source;
using router::verb;

namespace {

/// A setting that lists names, as SHOW prints it: quoted where a name needs it.
std::string as_name_list(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) {
        if (!out.empty()) out += ", ";
        const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
        });
        if (plain) {
            out += name;
            continue;
        }
        out += '"';
        for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
        out += '"';
    }
    return out;
}

constexpr std::size_t most_unseen = 16;

bool says_true(std::string_view value) {
    return value == "true" || value == "t" || value == "on" || value == "1" || value == "yes";
}

/// What DISCARD ALL leaves in the server's process: the connection ends with its session.
bool outlives_reset(std::string_view pin) {
    return pin == "replication origin" || pin == "dblink connection" || pin == "temporary replication slot" ||
           pin == "LOAD";
}

/// What else a function, or a command that runs one, may have left behind: rows without a name, which say why the
/// session is pinned. Objects in the session's temporary schema depend on it; 2615 is pg_namespace.
constexpr std::string_view look_for_pins =
    " UNION ALL SELECT '', 'session advisory lock' WHERE EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid "
    "OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND locktype OPERATOR(pg_catalog.=) 'advisory') UNION ALL "
    "SELECT '', 'temporary table' WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 AND EXISTS (SELECT "
    "FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 2615 AND refobjid OPERATOR(pg_catalog.=) "
    "pg_catalog.pg_my_temp_schema()) UNION ALL SELECT '', 'LISTEN' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_listening_channels()) UNION ALL SELECT '', 'WITH HOLD cursor' WHERE EXISTS (SELECT FROM "
    "pg_catalog.pg_cursors WHERE is_holdable)";

}  // namespace

/// One statement of a text has completed.
void session::completed(expected_reply& entry) {
    auto& run = *entry.running;
    const auto& all = run.plan->parsed.statements;
    if (run.next >= all.size()) return;
    const auto& one = all[run.next++];
    if (who_.cluster->now->map->is_sharded()) {
        if (one.verb == verb::begin && !std::exchange(talk_->in_block, true)) {
            talk_->reads_only = begins_read_only(one.read_only_begin, run.text);
            talk_->reads_late = false;
            talk_->told_before = told_;
        } else if (one.verb == verb::begin && one.read_only_begin) {  // a warning, and yet
            talk_->reads_late |= !talk_->reads_only;
            talk_->reads_only = true;
        }
        if (runs_everywhere(one.verb) || one.verb == verb::begin)
            talk_->history.push_back(run.text.substr(one.where.offset, one.where.length));
        else if (one.verb == verb::declare_cursor)
            talk_->cursors.push_back(one.name);
        else if (one.verb == verb::close_cursor && one.name.empty())
            talk_->cursors.clear();
        else if (one.verb == verb::close_cursor)
            std::erase(talk_->cursors, one.name);
    }
    track_transaction(one);
    for (const auto& what : one.effects) apply(what, one, run);
}

void session::track_transaction(const router::statement& what) {
    switch (what.verb) {
        case verb::savepoint:
            mark_settings(what.name);
            break;
        case verb::release: {
            auto& marks = talk_->marks;
            const auto it = std::find_if(marks.rbegin(), marks.rend(),
                                         [&](const auto& mark) { return mark.savepoint == what.name; });
            if (it == marks.rend() || what.name.empty()) break;
            talk_->reads_only = it->reads_only;  // a server gives it back here, too
            marks.erase(std::prev(it.base()), marks.end());
            break;
        }
        case verb::rollback_to:
            roll_back_to(what.name);
            break;
        case verb::commit:
        case verb::rollback:
        case verb::prepare_transaction:
            if (!talk_->marks.empty()) end_of_transaction(what.verb == verb::rollback || talk_->rolled_back);
            if (own_before_) end_own(what.verb != verb::rollback && !talk_->rolled_back);
            talk_->rolled_back = false;  // what comes after it in the same batch is no part of it
            talk_->in_block = what.chain;
            talk_->told_before.reset();
            break;
        default:
            break;
    }
}

void session::mark_settings(std::string_view savepoint) {
    auto& marks = talk_->marks;
    const auto mark = [&](std::string_view name) {
        marks.push_back({std::string(name), settings_, talk_->server->settings, search_path_, conforming_strings_, own_,
                         talk_->reads_only});
    };
    if (marks.empty()) mark({});
    if (!savepoint.empty()) mark(savepoint);
}

void session::restore(const settings_mark& mark) {
    settings_ = mark.client;
    talk_->server->settings = mark.server;
    search_path_ = mark.search_path;
    conforming_strings_ = mark.conforming_strings;
    own_ = mark.own;
}

void session::roll_back_to(std::string_view savepoint) {
    auto& marks = talk_->marks;
    const auto it =
        std::find_if(marks.rbegin(), marks.rend(), [&](const auto& mark) { return mark.savepoint == savepoint; });
    if (it == marks.rend()) return;
    restore(*it);
    talk_->reads_only = it->reads_only;
    marks.erase(it.base(), marks.end());
}

void session::end_of_transaction(bool rolled_back) {
    auto& talk = *talk_;
    if (rolled_back) {
        restore(talk.marks.front());
    } else if (talk.local_path) {
        search_path_ = talk.path_after;
    }
    talk.local_path = false;
    talk.marks.clear();
    end_own(!rolled_back);
}

/// A temporary table is nobody else's: it changes no schema, only what its session's texts mean.
void session::note_schema_change(const router::statement& what) {
    bool changes = false, temporary = false;
    for (const auto& each : what.effects) {
        changes |= each.what == effect::kind::catalog_changed;
        temporary |= each.what == effect::kind::pin && each.pin == "temporary table";
    }
    if (temporary)
        talk_->local_reading = true;  // until the pin tells
    else if (changes && !talk_->ddl)
        talk_->ddl = std::make_unique<schema_change>(who_.cluster->now->schema);
}

/// SET and RESET SESSION AUTHORIZATION end a SET ROLE.
void session::drop_role() {
    constexpr std::string_view role = "role";
    settings_ = settings_->without(role);
    talk_->server->settings = talk_->server->settings->without(role);
}

void session::set_setting(const std::string& name, std::string statement) {
    mark_settings({});
    if (name == "session_authorization") drop_role();
    talk_->date_style |= name == "datestyle";
    settings_ = settings_->with(name, statement);
    talk_->server->settings = talk_->server->settings->with(name, std::move(statement));
}

void session::reset_setting(const std::string& name) {
    mark_settings({});
    if (name == "session_authorization") drop_role();
    const auto* at_start = base_->find(name);
    settings_ = at_start ? settings_->with(name, *at_start) : settings_->without(name);
    talk_->server->settings = talk_->server->settings->without(name);
    if (at_start || name.find('.') == std::string::npos) return;
    // One of the users' own is empty from now on, not unknown again.
    auto empty = pool::set_config_statement(name, {});
    settings_ = settings_->with(name, empty);
    talk_->server->settings = talk_->server->settings->with(name, std::move(empty));
}

/// DateStyle has two halves, and a SET may change one of them: what is kept is the whole, as the server has told it.
void session::keep_date_style() {
    constexpr std::string_view name = "datestyle";
    if (!std::exchange(talk_->date_style, false) || !settings_->find(name)) return;
    for (const auto& [parameter, value] : talk_->server->parameters) {
        if (parameter != "DateStyle") continue;
        auto whole = pool::set_config_in(hiding_encoding(), name, value);
        settings_ = settings_->with(name, whole);
        talk_->server->settings = talk_->server->settings->with(name, std::move(whole));
    }
}

void session::follow_path(const std::string& name, std::string value, bool local) {
    if (local && pool::decides_reading(name)) talk_->local_reading = true;
    if (name == "standard_conforming_strings") {
        conforming_strings_ = says_true(value);
        return;
    }
    if (name != "search_path") return;
    auto& talk = *talk_;
    if (local && !talk.local_path) {
        talk.path_after = search_path_;
        talk.local_path = true;
    } else if (!local) {
        talk.path_after = value;
    }
    search_path_ = std::move(value);
}

std::optional<std::string> session::value_of(const value_source& from, const running_statement& run) const {
    switch (from.what) {
        case value_source::from::literal: {
            if (from.index >= run.literals.size()) return std::nullopt;
            auto value = router::literal_value(run.text, run.literals[from.index], conforming_strings_);
            return from.negated ? "-" + value : value;
        }
        case value_source::from::parameter: {
            std::vector<pg::bound_parameter> parameters;
            if (!pg::read_parameters(run.bound, parameters) || from.index >= parameters.size() ||
                parameters[from.index].is_null)
                return std::nullopt;
            return std::string(parameters[from.index].bytes);
        }
        case value_source::from::constant:
            return from.constant;
        default:
            return std::nullopt;
    }
}

/// SET TRANSACTION READ ONLY, READ WRITE, and the setting that they are: it is the transaction's, LOCAL or not.
std::optional<bool> session::sets_reads_only(const effect& what, const running_statement& run) const {
    const bool sets = what.what == effect::kind::set || what.what == effect::kind::set_local;
    if (!sets || what.name != "transaction_read_only" || what.values.empty()) return std::nullopt;
    auto value = value_of(what.values.front(), run).value_or(std::string());
    for (char& c : value)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return says_true(value);
}

void session::apply_set(const effect& what, const router::statement& of, const running_statement& run) {
    if (what.name.starts_with("ringway.")) {
        std::string problem;
        ringway_setting(what, run, problem);
    }
    std::vector<std::string> values;
    for (const auto& source : what.values)
        if (auto value = value_of(source, run)) values.push_back(std::move(*value));
    mark_settings({});
    std::string shown = what.name == "search_path" ? as_name_list(values)
                        : values.empty()           ? std::string()
                                                   : values.front();
    if (const auto to = sets_reads_only(what, run)) {
        talk_->reads_late |= *to && !talk_->reads_only;
        talk_->reads_only = *to;
    }
    const bool local = what.what == effect::kind::set_local;
    if (!local && run.plan->parsed.statements.size() > 1 && !is_ascii(run.text))
        pin("settings among several statements");  // one of them may change how the others are to be read
    if (!local) set_setting(what.name, run.text.substr(of.where.offset, of.where.length));
    follow_path(what.name, std::move(shown), local);
}

/// The same in a transaction over several shards, whose servers have all done it.
void session::span_set(const effect& what, const router::statement& of, const running_statement& run) {
    std::vector<std::string> values;
    for (const auto& source : what.values)
        if (auto value = value_of(source, run)) values.push_back(std::move(*value));
    auto& span = *spanning_;
    if (const auto to = sets_reads_only(what, run)) {
        span.wrote_before |= *to && !span.reads_only && span.across->wrote();
        span.reads_only = *to;
    }
    std::string shown = what.name == "search_path" ? as_name_list(values)
                        : values.empty()           ? std::string()
                                                   : values.front();
    if (what.what == effect::kind::set) {
        settings_ = settings_->with(what.name, run.text.substr(of.where.offset, of.where.length));
        span.across->change_settings(settings_);
    } else if (what.what == effect::kind::reset) {
        const auto* at_start = base_->find(what.name);
        settings_ = at_start ? settings_->with(what.name, *at_start) : settings_->without(what.name);
        span.across->change_settings(settings_);
        span.across->leave_dirty();
        shown = what.name == "search_path" ? first_path_ : first_conforming_ ? "on" : "off";
        told_behind_ = true;
    }
    const bool lasts = what.what != effect::kind::set_local;
    if (what.name == "search_path") {
        search_path_ = shown;
        if (lasts) span.path_after = shown;
    } else if (what.name == "standard_conforming_strings") {
        conforming_strings_ = says_true(shown);
        if (lasts) span.conforming_after = conforming_strings_;
    }
}

void session::apply_set_config(const effect& what, const running_statement& run) {
    const bool sure = what.values.size() == 3;
    const auto name = what.values.size() >= 3 ? value_of(what.values[0], run) : std::nullopt;
    const auto value = name ? value_of(what.values[1], run) : std::nullopt;
    const auto local = name ? value_of(what.values[2], run) : std::nullopt;
    std::string lower = name.value_or(std::string());
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (!sure || !value || !local) {  // computed by the server, or maybe not run at all: ask it afterwards
        talk_->probe_settings = true;
        if (lower.find('.') != std::string::npos) talk_->named.push_back(std::move(lower));
        return;
    }
    mark_settings({});
    const bool for_transaction = says_true(*local) || (local->size() == 1 && (*local)[0] == '\x01');
    if (!for_transaction) set_setting(lower, pool::set_config_in(hiding_encoding(), lower, *value));
    follow_path(lower, *value, for_transaction);
    if (!who_.cluster->now->map->is_sharded()) return;
    // Further shards of the transaction do it too; of several of one name, one behind the other, the last.
    const auto begin =
        fmt::format("SELECT pg_catalog.set_config({}, ", pool::foreign_literal(lower, hiding_encoding()));
    auto& history = talk_->history;
    if (!history.empty() && history.back().starts_with(begin)) history.pop_back();
    history.push_back(
        fmt::format("{}{}, {})", begin, pool::foreign_literal(*value, hiding_encoding()), for_transaction));
}

void session::apply(const effect& what, const router::statement& of, const running_statement& run) {
    auto& server = *talk_->server;
    switch (what.what) {
        case effect::kind::set:
        case effect::kind::set_local:
            apply_set(what, of, run);
            break;
        case effect::kind::set_config:
            apply_set_config(what, run);
            break;
        case effect::kind::reset: {
            if (what.name.starts_with("ringway.")) {
                std::string problem;
                ringway_setting(what, run, problem);
            }
            reset_setting(what.name);
            follow_path(what.name,
                        what.name == "standard_conforming_strings" ? (first_conforming_ ? "on" : "off") : first_path_,
                        false);
            told_behind_ = true;
            break;
        }
        case effect::kind::reset_all:
            mark_settings({});
            settings_ = base_;
            server.settings = pool::session_settings::none();
            search_path_ = first_path_;
            conforming_strings_ = first_conforming_;
            told_behind_ = true;
            own_ = first_own_;
            break;
        case effect::kind::settings_unknown:
            apply_unknown(what, of, run);
            break;
        case effect::kind::pin:
            pin(what.pin);
            break;
        case effect::kind::unpin_listen:
            unpin("LISTEN");
            break;
        case effect::kind::unpin_locks:
            unpin("session advisory lock");
            break;
        case effect::kind::discard_all:
            settings_ = base_;
            server.settings = pool::session_settings::none();
            search_path_ = first_path_;
            conforming_strings_ = first_conforming_;
            told_behind_ = true;
            own_ = first_own_;
            pins_.clear();
            own_names_ = names_cleared_ = session_mode_;
            wants_own_names_ = false;
            unseen_.clear();
            server.reset_needed = false;
            talk_->drew = drew_elsewhere_ = false;
            talk_->no_sequences = true;
            [[fallthrough]];
        case effect::kind::deallocate: {
            if (what.what == effect::kind::deallocate && !what.name.empty()) {
                if (const auto named = find_statement(what.name)) server.statements.remove(*named->text);
                forget_statement(what.name);
                break;
            }
            statements_.reset();
            prepared_bytes_ = 0;
            server.statements.clear();
            break;
        }
        case effect::kind::discard_temp:
            unpin("temporary table");
            break;
        case effect::kind::discard_plans:
            break;
        case effect::kind::discard_sequences:
            talk_->drew = drew_elsewhere_ = false;
            talk_->no_sequences = true;
            break;
        case effect::kind::prepare:
            if (!run.prepared) break;
            keep_statement(what.name, run.prepared);
            server.statements.add(run.prepared->text);
            break;
        case effect::kind::execute: {
            const auto named = find_statement(what.name);
            if (!named || !named->plan) break;
            for (const auto& each : named->plan->parsed.statements)
                for (const auto& inner : each.effects) {
                    if (inner.what == effect::kind::pin) pin(inner.pin);
                    if (inner.what == effect::kind::settings_unknown || inner.what == effect::kind::set_config)
                        talk_->probe_settings = true;
                    if (inner.what == effect::kind::settings_unknown && !inner.pin.empty()) pin(inner.pin);
                }
            break;
        }
        case effect::kind::catalog_changed:
            note_schema_change(of);
            home_.owner.catalog_changed(who_.cluster->now->config.name);
            break;
        default:  // MySQL's
            break;
    }
}

void session::pin(const std::string& why) {
    if (std::find(pins_.begin(), pins_.end(), why) == pins_.end()) pins_.push_back(why);
    if (!talk_) return;
    talk_->server->reset_needed = true;
    talk_->server->doomed |= outlives_reset(why);
}

void session::unpin(const std::string& why) {
    std::erase(pins_, why);
}

// ---- settings that only the server knows ----------------------------------------------------------------------------

/// What has been set is asked for before the connection goes back; what cannot be asked for pins the session.
void session::apply_unknown(const effect& what, const router::statement& of, const running_statement& run) {
    talk_->probe_settings = true;
    if (!what.pin.empty()) pin(what.pin);
    const bool seen = std::find(unseen_.begin(), unseen_.end(), run.text) != unseen_.end();
    if (what.pin == router::unseen_function && !seen) {
        if (unseen_.empty()) unseen_version_ = who_.cluster->catalog ? who_.cluster->catalog->version : 0;
        if (unseen_.size() < most_unseen)
            unseen_.push_back(run.text);
        else
            pin("many functions that are not in the catalogs yet");
    }
    if (of.verb != verb::do_block) return;
    static const router::body_closure nothing;
    const auto& catalog = who_.cluster->catalog;
    for (const auto& each : run.literals) {  // the block, and maybe its language
        const auto block = router::literal_value(run.text, each, conforming_strings_);
        auto one = router::read_body(block, "plpgsql");
        if (auto why = router::pin_of(one, catalog ? catalog->effects : nothing); !why.empty()) pin(why);
        talk_->named.insert(talk_->named.end(), one.settings.begin(), one.settings.end());
    }
}

/// The catalogs have been read anew: what was unknown may be known by now.
void session::look_for_unseen() {
    const auto& catalog = who_.cluster->catalog;
    if (!catalog || catalog->version == unseen_version_) return;
    const auto texts = std::exchange(unseen_, {});
    unseen_version_ = catalog->version;
    unpin(std::string(router::unseen_function));
    for (const auto& text : texts) {
        const auto found = plan_of(text);
        for (const auto& one : found.plan->parsed.statements)
            for (const auto& what : one.effects) {
                if (what.what != effect::kind::settings_unknown || what.pin.empty()) continue;
                pin(what.pin);
                if (what.pin == router::unseen_function) unseen_.push_back(text);
            }
    }
}

/// A row of that look tells of a change: what everybody has by default is not the session's own.
bool session::is_own(std::string_view name, std::string_view value) const {
    if (name == "role") return value != "none" || base_->find(name);
    if (name == "session_authorization") return value != talk_->server->target->user;
    return !value.empty() || name.find('.') == std::string_view::npos || settings_->find(name);
}

/// Its rows so far have been computed, and what that has done stays when the transaction ends here.
void session::suspended(const running_statement& run) {
    const auto& all = run.plan->parsed.statements;
    if (run.next >= all.size()) return;
    for (const auto& what : all[run.next].effects) apply(what, all[run.next], run);
}

/// What takes place although the statement fails: it is not undone with its transaction.
void session::apply_in_spite(const running_statement& run) {
    const auto& all = run.plan->parsed.statements;
    if (run.next >= all.size()) return;
    const auto& one = all[run.next];
    for (const auto& what : one.effects) {
        const bool undone = what.pin == "temporary table" || what.pin == "LISTEN" || what.pin == "WITH HOLD cursor";
        if (what.what == effect::kind::settings_unknown || what.what == effect::kind::execute ||
            (what.what == effect::kind::pin && !undone))
            apply(what, one, run);
    }
}

/// After a DO block, a CALL or a function of the users': read what it has set, then wipe it off the connection.
/// pg_settings lists neither roles nor settings that users have made up: those are asked for by name. The settings of
/// a transaction end with it, whatever pg_settings says. What cannot be put back elsewhere pins the session from here
/// on.
void session::begin_probe() {
    static constexpr std::string_view wipe = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL";
    std::vector<std::string> names = std::move(talk_->named);
    talk_->named.clear();
    for (const auto& [name, statement] : settings_->entries())
        if (name.find('.') != std::string::npos) names.push_back(name);
    if (const auto& catalog = who_.cluster->catalog)
        names.insert(names.end(), catalog->effects.settings.begin(), catalog->effects.settings.end());
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string list;
    for (const auto& name : names) list += ", " + pool::foreign_literal(name, hiding_encoding());
    const auto look = fmt::format(
        "WITH listed AS (SELECT name, source FROM pg_catalog.pg_settings) SELECT name, "
        "pg_catalog.current_setting(name) FROM listed WHERE source OPERATOR(pg_catalog.=) 'session' AND NOT name "
        "OPERATOR(pg_catalog.~) '^transaction_' UNION ALL SELECT name, pg_catalog.current_setting(name, true) FROM "
        "pg_catalog.unnest(ARRAY['role', 'session_authorization'{}]::pg_catalog.text[]) AS other(name) WHERE NOT name "
        "OPERATOR(pg_catalog.=) ANY (SELECT name FROM listed){}",
        list, look_for_pins);
    std::string out;
    pg::write_query(out, look);
    pg::write_query(out, wipe);
    talk_->replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    talk_->replies.push(expected_reply::kind::query, expected_reply::to::nobody);
    talk_->settings_rows = true;
    talk_->path_after.clear();
    phase_ = phase::preparing;
    talk_->server->link.write(out);
}

/// A setting of the client's start that is not there any more has been reset: it has its first value again.
void session::end_probe() {
    auto entries = std::move(talk_->probed);
    conforming_strings_ = entries.contains("standard_conforming_strings") ? talk_->conforming_after : first_conforming_;
    for (const auto& [name, statement] : base_->entries()) told_behind_ |= entries.try_emplace(name, statement).second;
    settings_ = pool::session_settings::of(std::move(entries));
    search_path_ = talk_->path_after.empty() ? first_path_ : talk_->path_after;
    talk_->server->settings = pool::session_settings::none();
    talk_->settings_rows = talk_->probe_settings = false;
    phase_ = phase::active;
}

/// Brings the leased connection to the client's settings within a transaction or a pinned session. True: there was
/// something to do.
bool session::bring_up_to_date() {
    auto& server = *talk_->server;
    if (server.settings == settings_ || talk_->status == 'E') return false;
    std::string out;
    write_settings(out);
    phase_ = phase::preparing;
    server.link.write(out);
    return true;
}

}  // namespace ringway::proxy
