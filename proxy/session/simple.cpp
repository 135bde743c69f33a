// The simple query protocol, and what Ringway answers itself.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/binding.hpp"
#include "proxy/session/one_by_one.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"
#include "router/alone.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::effect;
using router::verb;

namespace {

/// A batch no longer than this is kept until its answer begins, so that it may run again elsewhere.
constexpr std::size_t most_retained = 16 * 1024;

void write_one_row(std::string& out, std::string_view name, std::string value, std::string_view tag) {
    const pg::column column{name};
    pg::write_row_description(out, {&column, 1});
    const std::optional<std::string> cell = std::move(value);
    pg::write_data_row(out, {&cell, 1});
    pg::write_command_complete(out, tag);
}

std::string_view name_of(config::read_consistency mode) {
    switch (mode) {
        case config::read_consistency::session:
            return "session";
        case config::read_consistency::eventual:
            return "eventual";
        case config::read_consistency::bounded:
            return "bounded";
        case config::read_consistency::primary:
            return "primary";
    }
    return "session";
}

/// A FunctionCall of a function that may leave something behind: the users' own, and of the server's setseed,
/// set_config and those that take session advisory locks. Their OIDs are the same in all versions.
bool stays_after(std::string_view frame) {
    if (frame.size() < pg::header_size + 4) return false;
    constexpr std::uint32_t first_of_users = 16384;
    static constexpr std::uint32_t built_in[] = {1599, 2077, 2880, 2881, 2882, 2883, 2886, 2887, 2888, 2889};
    const auto function = pg::load32(frame.data() + pg::header_size);
    return function >= first_of_users ||
           std::find(std::begin(built_in), std::end(built_in), function) != std::end(built_in);
}

struct modes {
    std::string text;  ///< as BEGIN takes them
    std::optional<bool> read_only;
};

/// Of SET TRANSACTION with modes, whose syntax has been seen to be right: they may as well stand behind the BEGIN.
std::optional<modes> modes_set_by(std::string_view sql, const router::statement& one) {
    if (one.verb != verb::set || one.name != "transaction") return std::nullopt;
    static constexpr std::array<std::string_view, 11> known{"isolation",    "level",      "read",        "only",
                                                            "write",        "committed",  "uncommitted", "repeatable",
                                                            "serializable", "deferrable", "not"};
    modes out;
    std::string_view before;
    constexpr std::string_view blanks = " \t\r\n\f\v,";
    std::vector<std::string> words;
    for (std::size_t at = 0; (at = sql.find_first_not_of(blanks, at)) != std::string_view::npos;) {
        const auto end = std::min(sql.find_first_of(blanks, at), sql.size());
        auto& word = words.emplace_back(sql.substr(at, end - at));
        for (char& c : word)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
        at = end;
    }
    if (words.size() < 4 || words[0] != "set" || words[1] != "transaction") return std::nullopt;
    for (std::size_t i = 2; i < words.size(); ++i) {
        if (std::find(known.begin(), known.end(), words[i]) == known.end()) return std::nullopt;
        if (before == "read" && (words[i] == "only" || words[i] == "write")) out.read_only = words[i] == "only";
        out.text += (out.text.empty() ? "" : " ") + words[i];
        before = words[i];
    }
    return out;
}

bool names_serializable(std::string_view begin) {
    constexpr std::string_view word = "serializable";
    return std::search(begin.begin(), begin.end(), word.begin(), word.end(),
                       [](char a, char b) { return (a | 0x20) == b; }) != begin.end();
}

}  // namespace

/// Before a Query or a FunctionCall. It ends a batch that has had no Sync: a server answers all that came before it.
bool session::all_answered() {
    stalled_ = talk_ && !talk_->replies.empty();
    if (stalled_ && talk_->open_batch && !std::exchange(talk_->pushed, true)) {
        pg::write_flush(outgoing());
        if (talk_->replies.front().deliver == expected_reply::to::local) {
            std::string out;
            pass_local(out);
            emit(out);
            stalled_ = !talk_->replies.empty();
        }
    }
    if (stalled_) return false;
    if (talk_) talk_->open_batch = talk_->pushed = false;
    return true;
}

bool session::on_query(std::string_view frame, std::string_view& rest) {
    const auto body = frame.substr(pg::header_size);
    const auto end = body.find('\0');
    const bool ill_formed = end == std::string_view::npos || end + 1 != body.size();  // as servers, we live on
    const auto sql = body.substr(0, end);
    if (talk_ && talk_->copy_in && !talk_->copy_ended) {
        violation("unexpected message type 0x51 during COPY from stdin");
        return false;
    }
    if (!all_answered()) return false;  // one simple query at a time: its transaction state decides about the next
    if (ill_formed && !talk_) {
        failure_ = malformed();
        return true;
    }
    if (ill_formed) {
        rest.remove_prefix(frame.size());
        fail_next(malformed());
        return true;
    }
    unnamed_.reset();  // a Query ends the unnamed statement and portal
    if (talk_) talk_->limited = false;
    auto found = plan_of(sql);
    const bool aborted_here = !talk_ && begun_failed_;  // only the end of the transaction is heard
    if ((aborted_here ? ends_transaction(*found.plan) : !found.plan->plain && status() != 'E') &&
        answer_locally(sql, *found.plan, found.shape)) {
        rest.remove_prefix(frame.size());
        return true;
    }
    if (aborted_here) {
        failure_ = aborted();
        return true;
    }
    destination to;
    to.may_gather = !talk_ && begun_.empty();
    to.alone = true;
    to.may_spread = talk_ ? can_span() : !pinned();
    router::values with{sql, found.shape.literals, {}, conforming_strings_};
    if (talk_ && talk_->status == 'E') {  // the server will say so itself, or hear the ROLLBACK
        to = {talk_->shard, router::need::any};
    } else if (auto refused = executes(*found.plan) ? destination_of_execute(sql, found, to)
                                                    : destination_of(*found.plan, with, to)) {
        if (spans_as_text(*found.plan)) {  // taken again, as the span's first text
            const bool begun = talk_ || !begun_.empty();
            begin_span();
            spanning_->implicit = false;
            spanning_->of_text = !begun;
            return true;
        }
        if (!talk_) {
            failure_ = std::move(refused);
            return true;
        }
        rest.remove_prefix(frame.size());
        fail_next(*refused);
        return true;
    }
    if (found.plan->parsed.statements.size() > 1 && !talk_ && !is_ascii(sql)) {  // a SET among them would pin
        to.need = router::need::primary;
        to.replica_only = false;
    }
    if (talk_ && fenced(to)) return wait_for_fence();
    if (to.several && to.may_gather) {
        if (executes(*found.plan)) {
            gather_executed(*home_.plans.hold(found), with);
            rest.remove_prefix(frame.size());
            return true;
        }
        std::string run;
        pg::write_query(run, gather_text(*found.plan, sql, found.shape.literals));
        start_gathering(home_.plans.hold(found), with, std::move(run), false, {});
        rest.remove_prefix(frame.size());
        return true;
    }
    if (to.spread && !talk_ && begun_.empty() && router::runs_alone(*found.plan)) {
        one_by_one_task task;
        task.text = sql;
        start_one_by_one(*found.plan, std::move(task));
        rest.remove_prefix(frame.size());
        return true;
    }
    if (to.spread || to.several) {  // taken again, as the span's first statement
        begin_span();
        return true;
    }
    if (talk_ && talk_->on_replica && leave_for_query(*found.plan)) return false;
    if (auto refused = pin_on_replica(*found.plan)) {
        rest.remove_prefix(frame.size());
        fail_next(*refused);
        return true;
    }
    if (auto refused = sequence_elsewhere(*found.plan)) {
        asks_sequences_ = true;
        if (talk_) {
            rest.remove_prefix(frame.size());
            fail_next(*refused);
        } else {
            failure_ = std::move(refused);
        }
        return true;
    }
    if (wants_own_names_) to.need = router::need::primary;
    if (!talk_) {
        if (!seek(to)) return failure_.has_value();
    } else if (talk_->shard != to.shard) {
        if (leave_shard(to)) return false;
        if (to.placed && can_span()) {
            begin_span();
            return true;
        }
        rest.remove_prefix(frame.size());
        fail_next(wrong_shard(to.shard));
        return true;
    }
    rest.remove_prefix(frame.size());
    talk_->on_the_move |= to.moves;
    send_query(frame, sql, found);
    return true;
}

void session::send_query(std::string_view frame, std::string_view sql, const router::plan_cache::found& found) {
    const auto& plan = *found.plan;
    auto& talk = *talk_;
    start_clocks();
    talk.emitted = false;
    talk.may_retry = talk.status == 'I' && frame.size() <= most_retained && !pinned();
    talk.replayable = plan.need == router::need::any || only_begins(plan);
    if (talk.may_retry) talk.retained.assign(frame);
    count_statement(plan, sql);
    follow_reading(plan, sql);
    if (who_.cluster->now->map->is_sharded()) follow_ties(plan, {sql, found.shape.literals, {}, conforming_strings_});

    if (plan.draws_sequence || plan.asks_sequence || !plan.plain) follow_sequences(plan);
    if (!plan.plain || wants_own_names_) follow_names(plan);

    if (!is_watched(plan) && talk.marks.empty()) {
        auto& entry = talk.replies.push(expected_reply::kind::query);
        entry.counts_as_write = plan.need == router::need::primary;
        entry.locks = lock_use_of(plan);
        outgoing().append(frame);
        return;
    }

    const auto held = home_.plans.hold(found);  // another look-up may let go of it
    std::vector<router::literal> literals(found.shape.literals.begin(), found.shape.literals.end());
    std::string changed;  // the text with names of prepared statements replaced
    std::size_t copied = 0;
    std::vector<text_splice> splices;
    const auto splice = [&](router::span32 at, std::string_view with) {
        splices.push_back({at.offset, at.length, with.size()});
        changed.append(sql.substr(copied, at.offset - copied)).append(with);
        copied = at.offset + at.length;
    };
    statement_ref prepared_here;
    for (const auto& statement : plan.parsed.statements) {
        if (talk.status == 'E') break;  // the server says that the transaction is aborted, whatever is asked
        for (const auto& what : statement.effects) {
            if (what.what == effect::kind::execute || (what.what == effect::kind::deallocate && !what.name.empty())) {
                auto statement_found = find_statement(what.name);
                if (!statement_found && !pinned() && plan.parsed.statements.size() > 1 &&
                    !who_.cluster->now->map->is_sharded() && !what.name.starts_with(pool::prepared_prefix))
                    continue;  // the server says so when it comes to it: what stands before it is done
                if (!statement_found && !pinned())
                    return fail_next({fault_kind::undefined_statement,
                                      fmt::format("prepared statement \"{}\" does not exist", what.name),
                                      {},
                                      {}});
                if (!statement_found) {
                    if (auto refused = unseen_statement(what)) return fail_next(*refused);
                    continue;
                }
                ensure_on_server(statement_found);
                if (!own_names_) splice(what.name_span, statement_found->text->name);
            } else if (what.what == effect::kind::prepare) {
                const bool several = plan.parsed.statements.size() > 1;
                if (!(several && own_names_) && find_statement(what.name))  // what stands before it may deallocate it
                    return fail_next({fault_kind::duplicate_statement,
                                      fmt::format("prepared statement \"{}\" already exists", what.name),
                                      {},
                                      {}});
                if (several) {
                    pin("PREPARE among several statements");
                    continue;
                }
                auto made = std::make_shared<client_statement>();
                made->by_sql = true;
                made->spelled = sql.substr(what.name_span.offset, what.name_span.length);
                made->spelled_at = what.name_span.offset;
                made->text = own_names_ ? pool::own_prepared(what.name, sql, {})
                                        : pool::sql_prepared(sql, what.name_span.offset, what.name_span.length);
                const auto body = std::string(sql.substr(what.body.offset, what.body.length));
                const auto inner = plan_of(body);
                made->plan = home_.plans.hold(inner);
                made->literals.assign(inner.shape.literals.begin(), inner.shape.literals.end());
                made->original = body;
                made->search_path = search_path_;
                made->declared = declared_types(what);
                prepared_here = std::move(made);
                if (own_names_) continue;
                splices.push_back({what.name_span.offset, what.name_span.length, prepared_here->text->name.size()});
                changed = prepared_here->text->query;
                copied = sql.size();
            }
        }
    }
    auto& entry = talk.replies.push(expected_reply::kind::query);
    entry.counts_as_write = plan.need == router::need::primary;
    entry.locks = lock_use_of(plan);
    entry.running = std::make_unique<running_statement>();
    entry.running->plan = held;
    entry.running->text = sql;
    entry.running->literals = std::move(literals);
    entry.running->prepared = std::move(prepared_here);
    entry.running->splices = std::move(splices);
    talk.barrier = true;
    if (changed.empty() && copied == 0) {
        outgoing().append(frame);
    } else {
        changed.append(sql.substr(std::min(copied, sql.size())));
        pg::write_query(outgoing(), changed);
    }
}

/// A statement too long to be parsed: to the primary, and the session stays on that connection, for it may have done
/// anything.
void session::send_oversized(std::uint32_t total, std::string_view& rest) {
    if (talk_ && !talk_->replies.empty()) {
        stalled_ = true;
        return;
    }
    stalled_ = false;
    const bool aborted_here = !talk_ && begun_failed_;
    if (aborted_here || who_.cluster->now->map->is_sharded()) {
        failure_ = aborted_here ? aborted()
                                : fault{fault_kind::over_limit,
                                        fmt::format("a statement of {} bytes is longer than max_parse_bytes", total),
                                        {},
                                        "raise general.max_parse_bytes, or use COPY or parameters"};
        if (talk_) {
            const auto why = std::move(*failure_);
            failure_.reset();
            pass_left_ = total;
            pass_over(rest);
            fail_next(why);
        } else {
            fail_front(rest);
        }
        return;
    }
    if (!talk_ && !seek({0, router::need::primary})) return;
    if (phase_ != phase::active) return;
    pin("a statement longer than max_parse_bytes");
    talk_->drew = true;
    start_clocks();
    auto& entry = talk_->replies.push(expected_reply::kind::query);
    entry.counts_as_write = true;
    talk_->may_retry = false;
    talk_->emitted = false;
    stream_left_ = total;
}

bool session::on_function_call(std::string_view frame) {
    if (talk_) talk_->read_begin.clear();
    if (talk_ && talk_->copy_in && !talk_->copy_ended) {
        violation("unexpected message type 0x46 during COPY from stdin");
        return false;
    }
    if (!all_answered()) return false;
    if (who_.cluster->now->map->is_sharded()) {
        const fault why{fault_kind::unsupported,
                        "FunctionCall names no shard",
                        {},
                        "call the function with SELECT and a routing hint"};
        if (talk_) {
            fail_next(why);
        } else {
            refuse(why);
            say_ready(status());
        }
        return true;
    }
    if (!talk_ && begun_failed_) {
        refuse(aborted());
        say_ready(status());
        return true;
    }
    if (!talk_ && !seek({0, router::need::primary})) return false;
    start_clocks();
    if (stays_after(frame)) pin("FunctionCall");
    talk_->replies.push(expected_reply::kind::function_call).counts_as_write = true;
    talk_->may_retry = false;
    talk_->emitted = false;
    talk_->probe_settings = talk_->drew = true;
    outgoing().append(frame);
    return true;
}

/// Statements that need no server. False: not one of them.
bool session::answer_locally(std::string_view sql, const router::plan& plan, const router::shape& shape) {
    if (plan.parsed.statements.size() != 1 || !plan.parsed.error.empty()) return false;
    const auto& one = plan.parsed.statements.front();
    std::string out;
    const auto fails = [this](const fault& why) {
        if (spanning_) {
            span_refuse(why, spanning::doing::query);
        } else {
            refuse(why);
            say_ready(status());
        }
        return true;
    };
    if (one.explain_route) {
        const router::values with{sql, shape.literals, {}, conforming_strings_};
        const pg::column columns[] = {{"item"}, {"value"}};
        pg::write_row_description(out, columns);
        const auto lines = router::explain_route(plan, with, *who_.cluster->now->map);
        for (const auto& [item, value] : lines) {
            const std::optional<std::string> cells[] = {item, value};
            pg::write_data_row(out, cells);
        }
        pg::write_command_complete(out, "EXPLAIN");
    } else if (one.verb == verb::show && one.name.starts_with("ringway.")) {
        std::string value;
        if (one.name == "ringway.read_consistency") {
            value = name_of(consistency());
        } else if (one.name == "ringway.role") {
            value = own_.role == 1 ? "primary" : own_.role == 2 ? "replica" : "";
        } else {
            return fails({fault_kind::invalid_parameter,
                          fmt::format("unrecognized configuration parameter \"{}\"", one.name),
                          {},
                          "there are ringway.read_consistency and ringway.role"});
        }
        write_one_row(out, one.name, std::move(value), "SHOW");
    } else if ((one.verb == verb::set || one.verb == verb::reset) && !one.effects.empty() &&
               one.effects.front().name.starts_with("ringway.")) {
        running_statement run;
        run.text = sql;
        run.literals.assign(shape.literals.begin(), shape.literals.end());
        std::string problem;
        if (!ringway_setting(one.effects.front(), run, problem)) {
            return fails({fault_kind::invalid_parameter, problem, {}, {}});
        }
        pg::write_command_complete(out, one.verb == verb::set ? "SET" : "RESET");
    } else if (!talk_ && !spanning_ && begun_.empty() && one.verb == verb::begin &&
               who_.cluster->now->map->is_sharded()) {
        begun_reads_ = one.read_only_begin;
        begun_ = sql.substr(one.where.offset, one.where.length);  // sent to the shard that the first statement names
        pg::write_command_complete(out, one.name.empty() ? "BEGIN" : one.name);
    } else if (const auto modes =
                   !talk_ && !spanning_ && !begun_.empty() && !begun_failed_ && begun_.find(';') == std::string::npos
                       ? modes_set_by(sql.substr(one.where.offset, one.where.length), one)
                       : std::nullopt) {
        begun_ += "\n" + modes->text;
        if (modes->read_only) begun_reads_ = *modes->read_only;
        if (names_serializable(begun_)) begun_reads_ = false;  // which no replica serves
        pg::write_command_complete(out, "SET");
    } else if (!talk_ && !begun_.empty() && (one.verb == verb::commit || one.verb == verb::rollback) && !one.chain) {
        std::string_view tag;
        if (const auto why = end_begun(one.verb == verb::commit, tag))
            pg::write_error(out, "ERROR", config::sqlstate(why->kind), why->message);
        else
            pg::write_command_complete(out, tag);
    } else if (!own_names_ && one.verb == verb::deallocate && !one.effects.empty() &&
               !one.effects.front().name.empty() && find_statement(one.effects.front().name)) {
        forget_statement(one.effects.front().name);
        pg::write_command_complete(out, "DEALLOCATE");
    } else {
        return false;
    }
    const bool ends = !goes_on(false), ends_span = ends && spanning_ && spanning_->of_text;
    if (ends && !ends_span) pg::write_ready(out, status());
    emit(out);
    if (ends_span) span_text_over(false);
    return true;
}

void session::fail_next(const fault& why) {
    ++who_.cluster->traffic.refusals;
    start_clocks();
    auto error = std::make_unique<std::string>();
    pg::write_error(*error, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    talk_->emitted = false;
    talk_->may_retry = false;
    auto& entry = talk_->replies.push(in_batch_ ? expected_reply::kind::parse : expected_reply::kind::query,
                                      expected_reply::to::refusal);
    entry.reply = std::move(error);
    // The server must fail here too, so that its transaction is aborted and, in a pipeline, the rest is skipped.
    static constexpr std::string_view failing = "ringway has refused this statement";
    if (in_batch_) {
        pg::write_parse(outgoing(), {}, failing, {});
        talk_->server->unnamed.reset();
    } else {
        pg::write_query(outgoing(), failing);
    }
}

}  // namespace ringway::proxy
