// The extended query protocol on a server connection: Parse, Bind, Describe, Execute, Close, Flush, Sync. Statements
// are renamed per server, prepared where they are missing, and a reply that no server gives is made here in its place.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
#include "proxy/session/binding.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using router::effect;
using router::verb;

namespace {

constexpr std::size_t most_retained = 16 * 1024;

}  // namespace

// ---- messages with a lease ------------------------------------------------------------------------------------------

bool session::on_extended(std::string_view frame, std::string_view& rest) {
    auto& talk = *talk_;
    pg::frame_header header;
    pg::read_header(rest, header);
    const bool whole = frame.size() == header.total();
    if (talk.copy_in && !talk.copy_ended) {
        if (header.type != 'S' && header.type != 'H') {
            violation(fmt::format("unexpected message type 0x{:02X} during COPY from stdin",
                                  static_cast<unsigned char>(header.type)));
            return false;
        }
        if (!whole) return false;
        rest.remove_prefix(frame.size());  // ignored by servers during COPY
        return true;
    }
    if (who_.cluster->fenced && !talk.open_batch && waits_at_batch(rest)) return false;
    if (!talk.begin.empty() && talk.status == 'T' && talk.replies.empty() && !(talk.open_batch && talk.bound)) {
        batch_bounds found;
        if (is_to_come(rest, found)) return false;  // it may name a shard
        std::optional<fault> refused;
        bool replayable = true;
        const auto to =
            found.ended && !found.cut ? route_batch(rest.substr(0, found.size), refused, replayable) : std::nullopt;
        if (to && to->placed && !to->spread && leave_shard(*to)) return false;
    }
    if (talk.on_replica && talk.status != 'I' && talk.replies.empty() && !(talk.open_batch && talk.bound)) {
        batch_bounds found;
        if (is_to_come(rest, found)) return false;  // it may write
        if (found.ended && !found.cut && leave_for_batch(rest.substr(0, found.size))) return false;
    }
    if (!talk.open_batch && talk.limited && replaces_portal(rest)) talk.limited = false;
    if (!talk.open_batch && can_span()) {
        batch_bounds found;
        if (is_to_come(rest, found)) return false;  // it may name a shard
        std::optional<fault> refused;
        bool replayable = true;
        const auto to =
            found.ended && !found.cut ? route_batch(rest.substr(0, found.size), refused, replayable) : std::nullopt;
        if (to && (to->spread || (to->placed && to->shard != talk.shard))) {
            begin_span();
            return true;
        }
    }
    if (!talk.open_batch) {
        if (!talk.replies.empty()) {
            stalled_ = true;
            return false;
        }
        begin_batch(rest);
    }
    stalled_ = false;
    // What has come whole in a batch that was waited for is no better than what comes by and by.
    if (header.type == 'P' && header.total() > large_frame && header.total() > who_.cluster->now->max_parse_bytes &&
        who_.cluster->now->map->is_sharded())
        return stream_parse(header, frame, rest);
    if (!whole) {
        if (header.type == 'B' && header.total() >= large_frame && frame.size() >= 64 * 1024 &&
            !who_.cluster->now->map->is_sharded())
            return stream_bind(header, frame, rest);
        if (header.type == 'P' && header.total() > who_.cluster->now->max_parse_bytes)
            return stream_parse(header, frame, rest);
        if (header.type != 'B' && header.type != 'P' && header.total() > large_frame) violation("message too long");
        return false;
    }
    in_batch_ = true;
    const auto body = frame.substr(pg::header_size);
    if (header.type == 'B' &&
        (waits_at_bind(body) || leave_unbound(body) || look_first(body, rest.substr(frame.size())))) {
        in_batch_ = false;
        return false;
    }
    rest.remove_prefix(frame.size());
    switch (header.type) {
        case 'P':
            on_parse(body, frame);
            break;
        case 'B':
            on_bind(body, frame);
            break;
        case 'D':
            on_describe(body, frame);
            break;
        case 'E':
            on_execute(body, frame);
            if (talk.barrier && !rest.empty() && rest[0] == 'S' && rest.size() >= pg::header_size) {
                on_sync(rest.substr(0, pg::header_size));
                rest.remove_prefix(pg::header_size);
            } else if (talk.barrier) {
                pg::write_flush(outgoing());
            }
            break;
        case 'C':
            on_close(body, frame);
            break;
        case 'H':
            talk.flushed = true;
            outgoing().append(frame);
            if (!talk.replies.empty() && talk.replies.front().deliver == expected_reply::to::local) {
                std::string out;
                pass_local(out);
                emit(out);
            }
            break;
        default:
            on_sync(frame);
            break;
    }
    in_batch_ = false;
    return true;
}

void session::begin_batch(std::string_view rest) {
    start_clocks();
    auto& talk = *talk_;
    talk.open_batch = true;
    talk.emitted = false;
    talk.may_retry = false;
    talk.retained.clear();
    talk.answered.clear();
    talk.bound = talk.blind = talk.flushed = talk.ended = false;
    talk.looked_again.reset();
    if (talk.status != 'I' || pinned()) return;
    const auto found = find_batch(rest);
    if (found.ended && !found.cut && found.size <= most_retained && rest[found.size - pg::header_size] == 'S') {
        talk.retained.assign(rest.substr(0, found.size));
        talk.may_retry = true;
    }
}

void session::on_parse(std::string_view body, std::string_view frame) {
    const auto parse = pg::read_parse(body);
    if (!parse) return fail_next(malformed());
    auto& talk = *talk_;
    if (!parse->name.empty() && find_statement(parse->name)) {
        if (talk.status == 'E' && !ends_transaction(*plan_of(parse->query).plan)) return fail_next(aborted());
        return fail_next({fault_kind::duplicate_statement,
                          fmt::format("prepared statement \"{}\" already exists", parse->name),
                          {},
                          {}});
    }
    if (prepared_bytes_ + parse->query.size() > who_.cluster->now->max_prepared_bytes)
        return fail_next({fault_kind::over_limit,
                          "this session's prepared statements exceed max_prepared_bytes",
                          {},
                          "deallocate some, or raise general.max_prepared_bytes"});
    statement_ref made = make_statement(*parse);
    bool changed = false;
    if (!made->plan->plain && talk.status != 'E') {
        for (const auto& one : made->plan->parsed.statements) {
            for (const auto& what : one.effects) {
                if (what.what != effect::kind::prepare) continue;
                if (who_.cluster->now->map->is_sharded())  // what an EXECUTE of it reads would not be known
                    return fail_next(
                        {fault_kind::unsupported,
                         fmt::format("PREPARE {} by the extended protocol on a sharded cluster", what.name),
                         {},
                         "prepare it by the protocol's own Parse, or send PREPARE as a simple query"});
                if (!pin_on_replica(*made->plan)) pin("PREPARE by the extended protocol");
            }
        }
        std::optional<fault> refused;
        client_statement found;
        if (auto text = rewritten(*parse, *made, refused, found)) {
            auto copy = std::make_shared<client_statement>(*made);
            copy->splices = std::move(found.splices);
            copy->executes = std::move(found.executes);
            copy->original = parse->query;
            copy->text = prepared_of(*text, parse->types, !parse->name.empty());
            made = std::move(copy);
            changed = true;
        }
        if (refused) return fail_next(*refused);
    }
    made->forget_told();
    auto undo = std::make_unique<undo_record>();
    undo->name = parse->name;
    if (parse->name.empty()) {
        undo->before = std::exchange(unnamed_, made);
        talk.server->parse_unnamed(made->text);
        const auto types = types_for_server(parse->types);
        if (changed || types != parse->types)
            pg::write_parse(outgoing(), {}, made->text->query, types);
        else
            outgoing().append(frame);
        talk.replies.push(expected_reply::kind::parse).undo = std::move(undo);
        return;
    }
    keep_statement(std::string(parse->name), made);
    const bool there = talk.server->statements.touch(*made->text);
    if (there && talk.status == 'E') {  // whether it may be parsed now is the server's to say
        pg::write_target(outgoing(), 'C', 'S', made->text->name);
        talk.replies.push(expected_reply::kind::close, expected_reply::to::nobody).statement = made->text;
        talk.server->statements.remove(*made->text);
    } else if (there) {
        auto& entry = talk.replies.push(expected_reply::kind::parse, expected_reply::to::local);
        entry.undo = std::move(undo);
        entry.reply = std::make_unique<std::string>();
        pg::write_empty(*entry.reply, '1');
        return;
    }
    pg::write_parse(outgoing(), made->text->name, made->text->query, types_for_server(parse->types));
    auto& entry = talk.replies.push(expected_reply::kind::parse);
    entry.undo = std::move(undo);
    entry.statement = made->text;
    talk.server->statements.add(made->text);
    trim_statements();
}

/// Remembers what a portal runs; parameters only when an effect needs them.
void session::open_portal(std::string_view name, const statement_ref& what, std::string_view rest) {
    auto& talk = *talk_;
    const bool keep = what && !what->plan->plain && rest.size() <= large_frame;
    if (name.empty()) {
        talk.unnamed_portal = what;
        if (keep)
            talk.unnamed_bound.assign(rest);
        else
            talk.unnamed_bound.clear();
        return;
    }
    std::erase_if(talk.portals, [&](const portal& each) { return each.name == name; });
    talk.portals.push_back({std::string(name), what, keep ? std::string(rest) : std::string()});
}

std::optional<fault> check_count(const router::plan& plan, std::string_view name, std::string_view rest,
                                 std::string_view types) {
    const auto& statements = plan.parsed.statements;
    if (statements.size() != 1 || !plan.parsed.error.empty() ||
        (!plan.gather && plan.spread == router::spreading::none))
        return std::nullopt;
    const auto what = statements.front().verb;
    if (what != verb::select && what != verb::insert && what != verb::update && what != verb::delete_ &&
        what != verb::merge)
        return std::nullopt;
    pg::reader in(rest);
    for (int formats = in.i16(); formats > 0; --formats) in.i16();
    const std::size_t given = static_cast<std::uint16_t>(in.i16());
    const auto wanted = std::max<std::size_t>(types.size() / 4, plan.parsed.parameters);
    if (!in.ok() || given == wanted) return std::nullopt;
    return fault{fault_kind::malformed_message,
                 fmt::format("bind message supplies {} parameters, but prepared statement \"{}\" requires {}", given,
                             name, wanted),
                 {},
                 {}};
}

/// Where a Bind of this statement belongs, or why nowhere.
std::optional<fault> session::bind_destination(const client_statement& what, std::string_view rest, destination& to) {
    if (auto why = check_count(*what.plan, {}, rest, what.types())) return why;
    router::values with{what.planned_text(), what.literals, {}, conforming_strings_};
    bool fine = true;
    if (!what.plan->keys.empty()) with.parameters = parameters_of(rest, what.types(), fine);
    if (!fine) return malformed();
    return destination_of(*what.plan, with, to);
}

/// Whether the lease can run a Bind of this statement; else the refusal.
std::optional<fault> session::check_place(const client_statement& what, std::string_view rest) {
    const auto& map = *who_.cluster->now->map;
    const auto& hint = what.plan->parsed.hint;
    const bool hinted = hint.role != router::routing_hint::role_wish::none || !hint.unknown.empty();
    if ((talk_->status == 'E' && !(talk_->ended && talk_->on_replica)) ||
        (!map.is_sharded() && !talk_->on_replica && !hinted) ||
        (talk_->on_replica && talk_->status == 'T' && !talk_->ended))
        return std::nullopt;
    destination to;
    to.alone = !talk_->bound;
    if (auto refused = bind_destination(what, rest, to)) return refused;
    if (to.shard != talk_->shard) return wrong_shard(to.shard);
    talk_->on_the_move |= to.moves;
    if (to.need == router::need::primary && talk_->on_replica)
        return fault{fault_kind::unsupported,
                     "a write follows reads in one pipeline that has begun on a replica",
                     {},
                     "send Sync before it, or SET ringway.role = primary"};
    return std::nullopt;
}

void session::on_bind(std::string_view body, std::string_view frame) {
    const auto bind = pg::read_bind(body);
    if (!bind) return fail_next(malformed());
    auto what = planned_statement(bind->statement);
    if (!what && passes_unknown(bind->statement)) {
        open_portal(bind->portal, nullptr, {});
        outgoing().append(frame);
        talk_->replies.push(expected_reply::kind::bind);
        return;
    }
    if (!what) return fail_next(unknown_statement(bind->statement));
    if (auto refused = check_place(*what, bind->rest)) return fail_next(*refused);
    if (auto refused = pin_on_replica(*what->plan)) return fail_next(*refused);
    if (talk_->blind && differs(*what)) {
        forget_told(*what->text);
        return fail_next(changed_result());
    }
    follow_reading(*what->plan, what->planned_text());
    if (who_.cluster->now->map->is_sharded() && (!talk_->begin.empty() || is_one(*what->plan, verb::begin))) {
        bool fine = true;
        const auto& parameters = parameters_of(bind->rest, what->types(), fine);
        follow_ties(*what->plan, {what->planned_text(), what->literals, parameters, conforming_strings_});
        if (!bind->portal.empty()) talk_->begin.clear();  // it may be asked for more rows
    }
    talk_->bound = true;
    talk_->ended |= ends_transaction(*what->plan);
    const auto& plan = *what->plan;
    if (plan.draws_sequence || plan.asks_sequence || !plan.plain || wants_own_names_) {
        if (auto refused = sequence_elsewhere(plan)) {
            asks_sequences_ = true;
            return fail_next(*refused);
        }
        follow_sequences(plan);
        for (const auto& one : plan.parsed.statements) note_schema_change(one);
        follow_names(plan);
        if (what->renamed) what = find_statement(bind->statement);
    }
    ensure_on_server(what);
    open_portal(bind->portal, what, bind->rest);
    if (what->renamed) {
        pg::write_bind_head(outgoing(), bind->portal, what->text->name, bind->rest.size());
        outgoing().append(bind->rest);
    } else {
        outgoing().append(frame);
    }
    talk_->replies.push(expected_reply::kind::bind).statement = what->renamed ? what->text : nullptr;
}

/// A Bind too large to be held: its names are in the part that has come, the rest goes through as it comes.
bool session::stream_bind(const pg::frame_header& header, std::string_view frame, std::string_view& rest) {
    const auto bind = pg::read_bind(frame.substr(pg::header_size));
    if (!bind) {
        violation("invalid message format");
        return false;
    }
    const auto what = find_statement(bind->statement);
    in_batch_ = true;
    if (look_first(frame.substr(pg::header_size), {})) {
        in_batch_ = false;
        return false;
    }
    if (what && talk_->blind && differs(*what)) {
        pass_left_ = header.total();
        forget_told(*what->text);
        fail_next(changed_result());
        in_batch_ = false;
        return pass_over(rest);
    }
    if (!what) {
        pass_left_ = header.total();
        fail_next(unknown_statement(bind->statement));
        in_batch_ = false;
        return pass_over(rest);
    }
    if (what->plan->draws_sequence) follow_sequences(*what->plan);
    follow_reading(*what->plan, {});
    ensure_on_server(what);
    open_portal(bind->portal, what, {});
    const auto names = bind->portal.size() + bind->statement.size() + 2;
    const auto name = what->renamed ? std::string_view(what->text->name) : std::string_view();
    pg::write_bind_head(outgoing(), bind->portal, name, header.body() - names);
    outgoing().append(bind->rest);
    talk_->replies.push(expected_reply::kind::bind).statement = what->renamed ? what->text : nullptr;
    talk_->may_retry = false;
    in_batch_ = false;
    stream_left_ = header.total() - frame.size();
    rest.remove_prefix(frame.size());
    return true;
}

/// A Parse too long to be looked at: only on an unsharded cluster's primary, and the session stays on that connection.
bool session::stream_parse(const pg::frame_header& header, std::string_view frame, std::string_view& rest) {
    const auto end = frame.find('\0', pg::header_size);
    if (end == std::string_view::npos) {
        if (frame.size() > most_retained) violation("invalid message format");
        return false;
    }
    const auto name = frame.substr(pg::header_size, end - pg::header_size);
    in_batch_ = true;
    if (who_.cluster->now->map->is_sharded() || !name.empty() || talk_->on_replica) {
        pass_left_ = header.total();
        fail_next({fault_kind::over_limit,
                   fmt::format("a statement of {} bytes is longer than max_parse_bytes", header.body()),
                   {},
                   "raise general.max_parse_bytes, or send it unnamed"});
        in_batch_ = false;
        return pass_over(rest);
    }
    pin("a statement longer than max_parse_bytes");
    auto made = std::make_shared<client_statement>();
    made->renamed = false;
    made->plan = home_.plans.hold(plan_of("DO 'too long to be parsed'"));
    made->text = pool::lone_prepared({}, {});
    talk_->server->parse_unnamed(made->text);
    auto undo = std::make_unique<undo_record>();
    undo->before = std::exchange(unnamed_, std::move(made));
    talk_->replies.push(expected_reply::kind::parse).undo = std::move(undo);
    talk_->may_retry = false;
    in_batch_ = false;
    stream_left_ = header.total();
    return stream_on(rest);
}

void session::on_describe(std::string_view body, std::string_view frame) {
    const auto target = pg::read_target(body);
    if (!target) return fail_next(malformed());
    statement_ref what = talk_->unnamed_portal;
    if (target->kind == 'S') {
        what = find_statement(target->name);
        if (!what && !passes_unknown(target->name)) return fail_next(unknown_statement(target->name));
        if (what) ensure_on_server(what);
        const auto name = !what           ? target->name
                          : what->renamed ? std::string_view(what->text->name)
                                          : std::string_view();
        pg::write_target(outgoing(), 'D', 'S', name);
    } else {
        outgoing().append(frame);
        if (!target->name.empty()) what = portal_statement(target->name);
        if (what && !what->renamed) what.reset();  // who describes each portal of it never relies on an earlier one
    }
    talk_->replies.push(expected_reply::kind::describe).described = std::move(what);
}

void session::on_execute(std::string_view body, std::string_view frame) {
    const auto execute = pg::read_execute(body);
    if (!execute) return fail_next(malformed());
    auto& talk = *talk_;
    const client_statement* what = talk.unnamed_portal.get();
    const std::string* bound = &talk.unnamed_bound;
    if (!execute->portal.empty()) {
        what = nullptr;
        for (const auto& each : talk.portals)
            if (each.name == execute->portal) {
                what = each.statement.get();
                bound = &each.bound;
            }
    }
    if (execute->max_rows > 0 && !(what && gives_no_rows(*what->plan))) {  // the portal may be asked for more
        talk.begin.clear();
        talk.limited = true;
    }
    outgoing().append(frame);
    auto& entry = talk.replies.push(expected_reply::kind::execute);
    if (!what) return;  // the server says that there is no such portal
    entry.counts_as_write = what->plan->need == router::need::primary;
    entry.locks = lock_use_of(*what->plan);
    count_statement(*what->plan, what->planned_text());
    if (!is_watched(*what->plan) && talk.marks.empty()) return;
    entry.running = std::make_unique<running_statement>();
    entry.running->plan = what->plan;
    entry.running->text = what->planned_text();
    entry.running->splices = what->splices;
    entry.running->literals = what->literals;
    entry.running->bound = *bound;
    entry.running->types = what->types();
    talk.barrier = is_watched(*what->plan);
}

void session::on_close(std::string_view body, std::string_view frame) {
    const auto target = pg::read_target(body);
    if (!target) return fail_next(malformed());
    auto& talk = *talk_;
    if (target->kind == 'S' && !target->name.empty()) {
        auto undo = std::make_unique<undo_record>();
        undo->name = target->name;
        undo->before = find_statement(target->name);
        forget_statement(undo->name);
        if (own_names_) {
            outgoing().append(frame);
            auto& entry = talk.replies.push(expected_reply::kind::close);
            if (undo->before) {
                entry.statement = undo->before->text;
                talk.server->statements.remove(*entry.statement);
            }
            entry.undo = std::move(undo);
            return;
        }
        auto& entry = talk.replies.push(expected_reply::kind::close, expected_reply::to::local);
        entry.undo = std::move(undo);
        entry.reply = std::make_unique<std::string>();
        pg::write_empty(*entry.reply, '3');
        return;
    }
    if (target->kind == 'S') {
        unnamed_.reset();
        talk.server->unnamed.reset();
    } else if (target->name.empty()) {
        talk.unnamed_portal.reset();
    } else {
        std::erase_if(talk.portals, [&](const portal& each) { return each.name == target->name; });
    }
    outgoing().append(frame);
    talk.replies.push(expected_reply::kind::close);
}

void session::on_sync(std::string_view frame) {
    outgoing().append(frame);
    talk_->replies.push(expected_reply::kind::sync);
    talk_->open_batch = false;
}

}  // namespace ringway::proxy
