// What a transaction on several shards tells its session: the answer to each unit, and how the transaction has ended.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using doing = spanning::doing;
using router::effect;
using router::verb;

namespace {

/// Bytes of an answer that are kept for a portal with a row limit.
constexpr std::size_t most_held = 64u << 20;

}  // namespace

fault too_much_held() {
    return {fault_kind::unsupported,
            fmt::format("a row limit stands on a read of rows of several shards whose answer is longer than {} MB",
                        most_held >> 20),
            {},
            "execute it without a limit on its rows"};
}

void session::add_servers(std::vector<const pool::server*>& to) const {
    client_session::add_servers(to);
    if (spanning_) spanning_->across->add_servers(to);
    if (reading_) reading_->add_servers(to);
}

void session::give_way() {
    if (reading_) return std::shared_ptr(reading_)->give_way();
    if (spanning_) std::shared_ptr(spanning_->across)->give_way();
}

pool::worker_link& session::span_home() {
    return home_;
}

void session::span_emit(std::string_view bytes) {
    note_answer(bytes);
    auto* holding = spanning_ ? spanning_->holding : nullptr;
    if (!holding) return emit(bytes);
    holding->too_long |= holding->held.size() + bytes.size() > most_held;
    if (!holding->too_long) holding->held.append(bytes);
}

bool session::span_congested() {
    return client_.congested();
}

void session::span_parameter(std::string_view body) {
    pg::reader in(body);
    const auto name = in.text(), value = in.text();
    if (!is_news(name, value)) return;
    std::string out;
    pg::write_parameter_status(out, name, value);
    emit(out);
}

void session::span_remember(const router::statement& what) {
    auto& span = *spanning_;
    ++span.commands;
    span.savepoints |= what.verb == verb::savepoint;
    if (what.verb == verb::savepoint) span.marks.push_back({what.name, span.unsure, span.reads_only});
    if (what.verb == verb::rollback_to || what.verb == verb::release) {
        auto& marks = span.marks;
        const auto last =
            std::find_if(marks.rbegin(), marks.rend(), [&](const auto& each) { return each.savepoint == what.name; });
        if (last != marks.rend()) {
            if (what.verb == verb::rollback_to) span.unsure = last->unsure;
            span.reads_only = last->reads_only;  // a server gives it back at both
            marks.erase(what.verb == verb::rollback_to ? last.base() : last.base() - 1, marks.end());
        }
    }
    const bool of_mode =
        !what.effects.empty() && std::all_of(what.effects.begin(), what.effects.end(), [](const effect& each) {
            return each.what == effect::kind::set_local && each.name == "transaction_read_only";
        });
    if (what.verb != verb::savepoint && what.verb != verb::release && what.verb != verb::rollback_to && !of_mode)
        span.read_apart = false;
    span.across->remember(span.text);
}

/// A unit has ended well: what it did to the session.
void session::span_followed() {
    auto& span = *spanning_;
    const auto* plan = std::exchange(span.running, nullptr);
    if (!plan || plan->parsed.statements.empty() || !plan->parsed.error.empty()) return;
    for (const auto& one : plan->parsed.statements) {
        if (runs_everywhere(one.verb)) {
            span_remember(one);
            if (one.verb == verb::rollback_to) span.across->back_to_savepoint();
        }
        if (one.verb == verb::close_cursor && one.name.empty())
            span.cursors.clear();
        else if (one.verb == verb::close_cursor)
            span.cursors.erase(one.name);
        for (const auto& what : one.effects) {
            switch (what.what) {
                case effect::kind::set:
                case effect::kind::set_local:
                case effect::kind::reset: {
                    running_statement run;
                    run.text = span.whole;
                    run.literals = span.literals;
                    span_set(what, one, run);
                    break;
                }
                case effect::kind::settings_unknown:
                    span.across->leave_dirty();
                    break;
                case effect::kind::catalog_changed:
                    span.changes_catalog = true;
                    break;
                default:
                    break;
            }
        }
    }
}

void session::span_answered() {
    const auto keep = shared_from_this();
    auto& span = *spanning_;
    bool failed = span.across->unit_failed();
    telling_.reset();
    if (const auto checked = std::exchange(checked_, nullptr); checked && failed) forget_told(*checked->text);
    if (span.holding) {
        auto& portal = *std::exchange(span.holding, nullptr);
        if (failed || !portal.too_long) {
            span_give(portal, span.wanted_rows);
        } else {
            span_refuse(too_much_held(), doing::message);
            failed = true;
        }
    }
    if (failed && !span.implicit && !span.of_text) span.across->fail();
    if (!failed) span_followed();
    if (const auto parsed = std::exchange(span.parsed, nullptr); parsed && failed) undo(*parsed);
    if (span.what == doing::query) {
        const bool more = goes_on(failed);
        if (!more && (span.implicit || span.of_text)) return span_text_over(failed);
        if (!more) say_ready(status());
    } else if (failed) {
        skip_to_sync_ = true;
    }
    span.what = doing::nothing;
    span_go_on();
}

void session::span_go_on() {
    count_traffic();
    if (pumping_) return;  // it ended at once: the caller's loop takes it from here
    pump({});
    want_client();
}

/// What a server tells when a transaction ends in which something was set. After a rollback all is as it was, whether
/// a server is left to say so or not.
std::string session::span_tells(const spanning& was, bool committed) {
    std::string out;
    const auto tell = [&](std::string_view name, std::string_view value) {
        if (is_news(name, value)) pg::write_parameter_status(out, name, value);
    };
    if (!committed && was.told_before) {
        for (const auto& [name, value] : *was.told_before) tell(name, value);
        return out;
    }
    pg::frame_header header;
    for (auto rest = was.across->told(); pg::read_header(rest, header) == pg::header_state::ready;
         rest.remove_prefix(header.total())) {
        pg::reader in(rest.substr(pg::header_size, header.body()));
        const auto name = in.text(), value = in.text();
        tell(name, value);
    }
    return out;
}

void session::span_over(spanning& was, bool committed) {
    if (!committed) settings_ = was.settings_before;
    search_path_ = committed ? was.path_after : was.path_before;
    conforming_strings_ = committed ? was.conforming_after : was.conforming_before;
    end_own(committed);
}

void session::span_ended(two_phase::outcome how, const std::string& error, bool wrote) {
    const auto keep = shared_from_this();
    const auto made = std::exchange(spanning_, nullptr);
    phase_ = phase::idle;
    ++who_.cluster->traffic.transactions;
    const bool committed = how == two_phase::outcome::committed;
    span_over(*made, committed);
    drew_elsewhere_ |= wrote;
    if (committed && wrote) last_write_ = clock::now();
    if (made->changes_catalog) {  // what was prepared before reads names and types of before
        const schema_change ended(who_.cluster->now->schema);
    }
    if (committed && made->changes_catalog) home_.owner.catalog_changed(who_.cluster->now->config.name);
    std::string out;
    const bool wanted = made->tag.find("ROLLBACK") != std::string::npos || made->across->failed();
    bool failed = false;
    if (how == two_phase::outcome::unknown) {
        pg::write_error(
            out, "ERROR", "08007", "a server was lost while it committed a transaction over several shards",
            "It is not known whether the change was made; it will be made on all of its shards, or on none.");
        failed = true;
    } else if (!committed && !wanted) {
        if (!error.empty())
            out = error;
        else
            pg::write_error(out, "ERROR", config::sqlstate(fault_kind::server_lost),
                            "the transaction was rolled back on all of its shards: a server was lost");
        failed = true;
    } else {
        out = made->tag;
    }
    out += span_tells(*made, committed);
    if (made->what == doing::message) {
        skip_to_sync_ = failed;
    } else if (!goes_on(failed)) {
        pg::write_ready(out, 'I');
    }
    emit(out);
    count_traffic();
    if (leave_if_resting()) return;
    span_go_on();
}

/// A server is gone: everything is rolled back.
void session::span_lost(const std::string& why) {
    const auto keep = shared_from_this();
    const auto made = std::exchange(spanning_, nullptr);
    if (std::exchange(again_, nullptr) && made->what == doing::nothing) made->what = doing::query;
    phase_ = phase::idle;
    span_over(*made, false);
    if (const auto told = span_tells(*made, false); !told.empty()) emit(told);
    home_.owner.role_changed(who_.cluster->now->configured_as);
    if (!made->implicit && !made->of_text) {
        begun_ = "BEGIN";
        begun_failed_ = true;
        begun_reads_ = false;
    }
    if (made->what == doing::nothing) {  // the client is silent: its next statement hears of it
        lost_ = why;
        return;
    }
    refuse({fault_kind::server_lost,
            fmt::format("a server of this transaction was lost: {}", why),
            "It was rolled back on all of its shards.",
            {}});
    if (made->what == doing::message)
        skip_to_sync_ = true;
    else
        say_ready(status());
    span_go_on();
}

gather_client::node session::span_node(std::uint16_t shard) {
    return node_for(shard, true, spanning_->across->asked(), spanning_->across->shards().empty());
}

}  // namespace ringway::proxy
