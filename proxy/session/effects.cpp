// What statements do to their session: settings that follow the client, pins, prepared statements, transactions.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

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

bool says_true(std::string_view value) {
    return value == "true" || value == "t" || value == "on" || value == "1" || value == "yes";
}

}  // namespace

/// One statement of a text has completed.
void session::completed(expected_reply& entry) {
    auto& run = *entry.running;
    const auto& all = run.plan->parsed.statements;
    if (run.next >= all.size()) return;
    const auto& one = all[run.next++];
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
            if (it != marks.rend() && !what.name.empty()) marks.erase(std::prev(it.base()), marks.end());
            break;
        }
        case verb::rollback_to:
            roll_back_to(what.name);
            break;
        case verb::commit:
        case verb::rollback:
        case verb::prepare_transaction:
            if (!talk_->marks.empty()) end_of_transaction(what.verb == verb::rollback || talk_->rolled_back);
            break;
        default:
            break;
    }
}

void session::mark_settings(std::string_view savepoint) {
    auto& marks = talk_->marks;
    const auto mark = [&](std::string_view name) {
        marks.push_back({std::string(name), settings_, talk_->server->settings, search_path_, conforming_strings_});
    };
    if (marks.empty()) mark({});
    if (!savepoint.empty()) mark(savepoint);
}

void session::restore(const settings_mark& mark) {
    settings_ = mark.client;
    talk_->server->settings = mark.server;
    search_path_ = mark.search_path;
    conforming_strings_ = mark.conforming_strings;
}

void session::roll_back_to(std::string_view savepoint) {
    auto& marks = talk_->marks;
    const auto it =
        std::find_if(marks.rbegin(), marks.rend(), [&](const auto& mark) { return mark.savepoint == savepoint; });
    if (it == marks.rend()) return;
    restore(*it);
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
}

void session::set_setting(const std::string& name, std::string statement) {
    mark_settings({});
    settings_ = settings_->with(name, statement);
    talk_->server->settings = talk_->server->settings->with(name, std::move(statement));
}

void session::reset_setting(const std::string& name) {
    mark_settings({});
    const auto* at_start = base_->find(name);
    settings_ = at_start ? settings_->with(name, *at_start) : settings_->without(name);
    talk_->server->settings = talk_->server->settings->without(name);
}

void session::follow_path(const std::string& name, std::string value, bool local) {
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
    const bool local = what.what == effect::kind::set_local;
    if (!local && run.plan->parsed.statements.size() > 1 && !is_ascii(run.text))
        pin("settings among several statements");  // one of them may change how the others are to be read
    if (!local) set_setting(what.name, run.text.substr(of.where.offset, of.where.length));
    follow_path(what.name, std::move(shown), local);
}

void session::apply_set_config(const effect& what, const running_statement& run) {
    const auto name = what.values.size() == 3 ? value_of(what.values[0], run) : std::nullopt;
    const auto value = name ? value_of(what.values[1], run) : std::nullopt;
    const auto local = name ? value_of(what.values[2], run) : std::nullopt;
    if (!name || !value || !local) {
        talk_->probe_settings = true;  // computed by the server: ask it afterwards
        return;
    }
    std::string lower = *name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    mark_settings({});
    const bool for_transaction = says_true(*local) || (local->size() == 1 && (*local)[0] == '\x01');
    if (!for_transaction) set_setting(lower, pool::set_config_statement(lower, *value));
    follow_path(lower, *value, for_transaction);
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
            own_role_ = 0;
            own_consistency_.reset();
            break;
        case effect::kind::settings_unknown:
            talk_->probe_settings = true;
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
            own_role_ = 0;
            own_consistency_.reset();
            pins_.clear();
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
                }
            break;
        }
        case effect::kind::catalog_changed:
            home_.owner.catalog_changed(who_.cluster->now->config.name);
            break;
        default:  // MySQL's
            break;
    }
}

void session::pin(const std::string& why) {
    if (std::find(pins_.begin(), pins_.end(), why) == pins_.end()) pins_.push_back(why);
    if (talk_) talk_->server->reset_needed = true;
}

void session::unpin(const std::string& why) {
    std::erase(pins_, why);
}

bool session::ringway_setting(const effect& what, const running_statement& run, std::string& problem) {
    const bool reset = what.what == effect::kind::reset;
    const auto given = reset || what.values.empty() ? std::nullopt : value_of(what.values.front(), run);
    if (what.name == "ringway.read_consistency") {
        using config::read_consistency;
        if (reset || !given || *given == "default")
            own_consistency_.reset();
        else if (*given == "session")
            own_consistency_ = read_consistency::session;
        else if (*given == "eventual")
            own_consistency_ = read_consistency::eventual;
        else if (*given == "bounded")
            own_consistency_ = read_consistency::bounded;
        else if (*given == "primary")
            own_consistency_ = read_consistency::primary;
        else
            problem = fmt::format(
                "invalid value for parameter \"ringway.read_consistency\": \"{}\" (session, eventual, bounded or "
                "primary)",
                *given);
    } else if (what.name == "ringway.role") {
        if (reset || !given || given->empty() || *given == "default" || *given == "any")
            own_role_ = 0;
        else if (*given == "primary")
            own_role_ = 1;
        else if (*given == "replica")
            own_role_ = 2;
        else
            problem =
                fmt::format("invalid value for parameter \"ringway.role\": \"{}\" (primary, replica or any)", *given);
    } else {
        problem = fmt::format(
            "unrecognized configuration parameter \"{}\": there are ringway.read_consistency and ringway.role",
            what.name);
    }
    return problem.empty();
}

// ---- settings that only the server knows ----------------------------------------------------------------------------

/// After a DO block, a CALL or a function of the users': read what it has set, then wipe it off the connection.
void session::begin_probe() {
    static constexpr std::string_view look =
        "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE source = 'session'";
    static constexpr std::string_view wipe = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL";
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

void session::end_probe() {
    auto entries = std::move(talk_->probed);
    for (const auto& [name, statement] : settings_->entries())  // pg_settings does not list these
        if (name.find('.') != std::string::npos || name == "role" || name == "session_authorization")
            entries.insert_or_assign(name, statement);
    settings_ = pool::session_settings::of(std::move(entries));
    search_path_ = talk_->path_after;
    conforming_strings_ = talk_->conforming_after;
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
