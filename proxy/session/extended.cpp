// The extended query protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync. Statements are renamed per server,
// prepared where they are missing, and a reply that no server gives is made here in its place.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/batch.hpp"
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
constexpr std::size_t large_frame = 256 * 1024;        ///< a longer Bind is passed on as it comes
constexpr std::size_t longest_keyed_bind = 64u << 20;  ///< a longer one cannot be routed by its parameters

fault malformed() {
    return {fault_kind::malformed_message, "invalid message format", {}, {}};
}

std::vector<router::parameter>& parameters_of(std::string_view rest, std::string_view types, bool& fine) {
    thread_local std::vector<pg::bound_parameter> raw;
    thread_local std::vector<router::parameter> out;
    fine = pg::read_parameters(rest, raw);
    out.clear();
    for (std::size_t i = 0; i < raw.size(); ++i)
        out.push_back(
            {raw[i].bytes, i < types.size() / 4 ? pg::load32(types.data() + 4 * i) : 0, raw[i].is_null, raw[i].binary});
    return out;
}

}  // namespace

// ---- a batch without a lease ----------------------------------------------------------------------------------------

bool session::on_extended_idle(std::string_view& rest) {
    const auto found = find_batch(rest);
    if (found.malformed) {
        violation("invalid message length");
        return false;
    }
    if (!found.ended && rest.size() < large_frame && found.next_total < large_frame) return false;  // more is to come
    const char first = rest[0];
    if (first == 'S' || first == 'H') {
        pg::frame_header header;
        pg::read_header(rest, header);
        if (header.body() > 0) {
            violation("invalid message format");
            return false;
        }
        rest.remove_prefix(header.total());
        if (first == 'S') say_ready(status());
        return true;
    }
    auto batch = rest.substr(0, found.size);
    if (found.ended && (answer_preparation(batch, false) || answer_batch_locally(batch))) {
        rest.remove_prefix(batch.size());
        return true;
    }
    if (failure_) return true;
    if (found.ended) {
        rest.remove_prefix(close_ahead(batch));
    }
    if (begun_failed_) {
        failure_ = aborted();
        return true;
    }
    if (!found.ended && first == 'B' && who_.cluster->now->map->is_sharded() && rest.size() < found.next_total) {
        if (found.next_total <= longest_keyed_bind) return false;
        failure_ = fault{fault_kind::over_limit, "a Bind this long cannot be routed by its parameters", {}, {}};
        return true;
    }
    if (found.ended && gather_batch(batch, rest)) return true;
    std::optional<fault> refused;
    bool replayable = true;
    auto to = route_batch(found.ended ? batch : rest, refused, replayable);
    if (!to) {
        failure_ = std::move(refused);
        return true;
    }
    if (to->spread && found.ended) {  // taken again, as the span's first messages
        begin_span();
        return true;
    }
    to->replayable = replayable;
    return seek(*to) || failure_.has_value();
}

std::optional<destination> session::route_batch(std::string_view batch, std::optional<fault>& refused,
                                                bool& replayable) {
    destination out{0, router::need::any};
    bool placed = false;
    struct seen {
        std::string_view name, types, query;
        statement_ref made;
    };
    boost::container::small_vector<seen, 4> parsed;
    router::plan_cache::found last;  // of the last of them
    pg::frame_header header;
    bool flushed_execute = false;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        if (header.type == 'P') {
            const auto parse = pg::read_parse(body);
            if (!parse || parse->query.size() > who_.cluster->now->max_parse_bytes) {
                out.need = router::need::primary;
                continue;
            }
            parsed.push_back({parse->name, parse->types, parse->query, nullptr});
            last = plan_of(parse->query);
            routed_ = last.plan;
            if (last.plan->need == router::need::primary) {  // to be prepared where it will run
                out.need = router::need::primary;
                replayable = replayable && only_begins(*last.plan);
            }
            if (prepares(*last.plan)) out.need = router::need::primary;  // the session stays where it is
        } else if (header.type == 'B') {
            const auto bind = pg::read_bind(body);
            if (!bind) continue;
            const seen* here = nullptr;
            for (const auto& each : parsed)
                if (each.name == bind->statement) here = &each;
            std::shared_ptr<const router::plan> held;
            const router::plan* plan = nullptr;
            router::values with;
            with.standard_conforming_strings = conforming_strings_;
            std::string_view types;
            if (here) {
                if (here != &parsed.back()) last = plan_of(here->query);
                const auto& found = last;
                plan = found.plan;
                with.text = here->query;
                with.literals = found.shape.literals;
                types = here->types;
            } else if (const auto named = planned_statement(bind->statement)) {
                if (!parsed.empty()) last = plan_of(parsed.back().query);  // planning again has used the cache
                plan = named->plan.get();
                with.text = named->planned_text();
                with.literals = named->literals;
                types = named->types();
                held = named->plan;
            }
            if (!plan) continue;  // the server's place in the pipeline tells the client so
            bool fine = true;
            if (!plan->keys.empty()) with.parameters = parameters_of(bind->rest, types, fine);
            destination one;
            one.may_spread = talk_ ? can_span() : !pinned();
            auto why = fine ? destination_of(*plan, with, one) : std::optional<fault>(malformed());
            if (why) {
                if (!placed && !refused) refused = std::move(why);
                if (!placed) return std::nullopt;
                continue;  // on_bind refuses it in its place
            }
            if (one.need == router::need::primary) {
                out.need = router::need::primary;
                replayable = replayable && (plan->need == router::need::any || only_begins(*plan));
            }
            out.replica_only |= one.replica_only;
            out.moves |= one.moves;
            const bool keyed = plan->placement == router::placement::single;
            out.spread |= one.spread || one.several || (keyed && placed && one.may_spread && one.shard != out.shard);
            if (keyed && !placed) {
                out.shard = one.shard;
                out.placed = placed = true;
            }
        } else if (header.type == 'H') {
            flushed_execute = true;
        }
    }
    if (flushed_execute && !replayable) out.need = router::need::primary;
    if (out.need == router::need::primary) out.replica_only = false;
    if (!who_.who->reads.splitting || avoid_replicas_ || wants_own_names_ || own_role_ == 1 || no_replica())
        out.need = router::need::primary;
    return out;
}

/// Closes what a batch closes before anything else in it, as pgjdbc does with statements it needs no more: whatever
/// becomes of the rest, they are closed. Answers how much of the batch that was, and takes it away.
std::size_t session::close_ahead(std::string_view& batch) {
    const auto size = batch.size();
    std::string out;
    pg::frame_header header;
    while (pg::read_header(batch, header) == pg::header_state::ready && header.type == 'C') {
        const auto target = pg::read_target(batch.substr(pg::header_size, header.body()));
        if (!target || (target->kind == 'S' && target->name.empty())) break;
        if (target->kind == 'S') forget_statement(std::string(target->name));
        pg::write_empty(out, '3');
        batch.remove_prefix(header.total());
    }
    if (!out.empty()) emit(out);
    return size - batch.size();
}

/// Batches that need no server: only Close of statements, or BEGIN / COMMIT / ROLLBACK of a transaction no shard knows
/// yet.
bool session::answer_batch_locally(std::string_view batch) {
    if (batch.back() == 'H') return false;
    const auto only = local_batch(batch);
    if (only.kind == local_batch_kind::no) return false;
    const bool sharded = who_.cluster->now->map->is_sharded();
    std::string tag;
    statement_ref made;
    if (only.kind == local_batch_kind::one_statement) {
        if (!sharded && begun_.empty()) return false;
        std::string_view name = only.parse ? only.parse->name : only.statement;
        if (only.parse) {
            if (!only.parse->name.empty()) return false;
            made = make_statement(*only.parse);
        } else {
            made = find_statement(name);
        }
        if (!made || !made->plan || made->plan->parsed.statements.size() != 1) return false;
        const auto& one = made->plan->parsed.statements.front();
        if (one.verb == verb::begin && begun_.empty()) {
            begun_ = made->text->query;
            begun_reads_ = one.read_only_begin;
            tag = one.name.empty() ? "BEGIN" : one.name;
        } else if (!begun_.empty() && (one.verb == verb::commit || one.verb == verb::rollback) && !one.chain) {
            std::string_view word;
            failure_ = end_begun(one.verb == verb::commit, word);
            if (failure_) return false;
            tag = word;
        } else {
            return false;
        }
        if (only.parse) unnamed_ = made;
    }
    std::string out;
    pg::frame_header header;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        switch (header.type) {
            case 'P':
                pg::write_empty(out, '1');
                break;
            case 'B':
                pg::write_empty(out, '2');
                break;
            case 'D':
                if (body[0] == 'S') pg::write_parameter_description(out, {});
                pg::write_empty(out, 'n');
                break;
            case 'E':
                pg::write_command_complete(out, tag);
                break;
            case 'C': {
                const auto target = pg::read_target(body);
                if (target && target->kind == 'S' && !target->name.empty()) forget_statement(std::string(target->name));
                pg::write_empty(out, '3');
                break;
            }
            case 'S':
                pg::write_ready(out, status());
                break;
            default:
                break;
        }
    }
    emit(out);
    return true;
}

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
        const auto found = find_batch(rest);
        if (!found.ended && !found.malformed && rest.size() < large_frame && found.next_total < large_frame)
            return false;  // more is to come, and may name a shard
        std::optional<fault> refused;
        bool replayable = true;
        const auto to = found.ended ? route_batch(rest.substr(0, found.size), refused, replayable) : std::nullopt;
        if (to && to->placed && !to->spread && leave_shard(*to)) return false;
    }
    if (!talk.open_batch && talk.limited && replaces_portal(rest)) talk.limited = false;
    if (!talk.open_batch && can_span()) {
        const auto found = find_batch(rest);
        if (!found.ended && !found.malformed && rest.size() < large_frame && found.next_total < large_frame)
            return false;  // more is to come, and may name a shard
        std::optional<fault> refused;
        bool replayable = true;
        const auto to = found.ended ? route_batch(rest.substr(0, found.size), refused, replayable) : std::nullopt;
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
    talk.bound = talk.blind = talk.flushed = false;
    if (talk.status != 'I' || pinned()) return;
    const auto found = find_batch(rest);
    if (found.ended && found.size <= most_retained && rest[found.size - pg::header_size] == 'S') {
        talk.retained.assign(rest.substr(0, found.size));
        talk.may_retry = true;
    }
}

void session::on_parse(std::string_view body, std::string_view frame) {
    const auto parse = pg::read_parse(body);
    if (!parse) return fail_next(malformed());
    auto& talk = *talk_;
    if (!parse->name.empty() && find_statement(parse->name))
        return fail_next({fault_kind::duplicate_statement,
                          fmt::format("prepared statement \"{}\" already exists", parse->name),
                          {},
                          {}});
    if (prepared_bytes_ + parse->query.size() > who_.cluster->now->max_prepared_bytes)
        return fail_next({fault_kind::over_limit,
                          "this session's prepared statements exceed max_prepared_bytes",
                          {},
                          "deallocate some, or raise general.max_prepared_bytes"});
    statement_ref made = make_statement(*parse);
    bool changed = false;
    if (!made->plan->plain && talk.status != 'E') {
        for (const auto& one : made->plan->parsed.statements)
            for (const auto& what : one.effects)
                if (what.what == effect::kind::prepare && !pin_on_replica(*made->plan))
                    pin("PREPARE by the extended protocol");
        std::optional<fault> refused;
        std::vector<text_splice> splices;
        if (auto text = rewritten(*parse, *made, refused, splices)) {
            auto copy = std::make_shared<client_statement>(*made);
            copy->splices = std::move(splices);
            copy->original = parse->query;
            copy->text = prepared_of(*text, parse->types, !parse->name.empty());
            made = std::move(copy);
            changed = true;
        }
        if (refused) return fail_next(*refused);
    }
    made->told = {};
    auto undo = std::make_unique<undo_record>();
    undo->name = parse->name;
    if (parse->name.empty()) {
        undo->before = std::exchange(unnamed_, made);
        talk.server->parse_unnamed(made->text);
        if (changed)
            pg::write_parse(outgoing(), {}, made->text->query, parse->types);
        else
            outgoing().append(frame);
        talk.replies.push(expected_reply::kind::parse).undo = std::move(undo);
        return;
    }
    keep_statement(std::string(parse->name), made);
    if (talk.server->statements.touch(*made->text)) {
        auto& entry = talk.replies.push(expected_reply::kind::parse, expected_reply::to::local);
        entry.undo = std::move(undo);
        entry.reply = std::make_unique<std::string>();
        pg::write_empty(*entry.reply, '1');
        return;
    }
    pg::write_parse(outgoing(), made->text->name, made->text->query, parse->types);
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

/// Where a Bind of this statement belongs, or why nowhere.
std::optional<fault> session::bind_destination(const client_statement& what, std::string_view rest, destination& to) {
    router::values with{what.planned_text(), what.literals, {}, conforming_strings_};
    bool fine = true;
    if (!what.plan->keys.empty()) with.parameters = parameters_of(rest, what.types(), fine);
    if (!fine) return malformed();
    return destination_of(*what.plan, with, to);
}

/// Whether the lease can run a Bind of this statement; else the refusal.
std::optional<fault> session::check_place(const client_statement& what, std::string_view rest) {
    const auto& map = *who_.cluster->now->map;
    if (talk_->status == 'E' || (!map.is_sharded() && !talk_->on_replica) ||
        (talk_->on_replica && talk_->status == 'T'))
        return std::nullopt;
    destination to;
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
    if (who_.cluster->now->map->is_sharded()) {
        bool fine = true;
        const auto& parameters = parameters_of(bind->rest, what->types(), fine);
        follow_ties(*what->plan, {what->planned_text(), what->literals, parameters, conforming_strings_});
        if (!bind->portal.empty()) talk_->begin.clear();  // it may be asked for more rows
    }
    talk_->bound = true;
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
        violation("invalid message format");
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
