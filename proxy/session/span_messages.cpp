// The extended query protocol in a transaction that stands on several shards: a portal is parsed and bound anew,
// unnamed, for each Describe and Execute, on the shards that it belongs to (ADR 0007).

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/binding.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/spanning.hpp"
#include "router/gather.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using doing = spanning::doing;
using merging = span_unit::merging;
using router::verb;

namespace {

/// Of a Bind's parameters those that are named, with its result formats.
void write_some_parameters(std::string& out, std::string_view bound, const std::vector<pg::bound_parameter>& raw,
                           const std::vector<std::uint16_t>& wanted) {
    const auto number = [&out](std::uint32_t value, int bytes) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
    };
    number(static_cast<std::uint32_t>(wanted.size()), 2);
    for (const auto each : wanted) number(each < raw.size() && raw[each].binary ? 1 : 0, 2);
    number(static_cast<std::uint32_t>(wanted.size()), 2);
    for (const auto each : wanted) {
        if (each >= raw.size() || raw[each].is_null) {
            number(0xffffffff, 4);
            continue;
        }
        number(static_cast<std::uint32_t>(raw[each].bytes.size()), 4);
        out.append(raw[each].bytes);
    }
    pg::reader in(bound);  // formats, values; then the formats of the result
    for (int formats = in.i16(); formats > 0; --formats) in.i16();
    for (int values = static_cast<std::uint16_t>(in.i16()); values > 0; --values)
        in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
    out.append(in.rest());
}

/// BEGIN, COMMIT, SAVEPOINT, SET and the like, whose words are all there is to know.
bool only_controls(const router::plan& plan) {
    const auto& statements = plan.parsed.statements;
    return statements.size() == 1 && plan.parsed.error.empty() &&
           (runs_everywhere(statements.front().verb) || ends_transaction(plan) || only_begins(plan));
}

/// The tag of what a portal's Execute has given: as the whole answer's CommandComplete, with the rows of this one in
/// place of a count of rows. `all`: the answer.
std::string tag_of(std::string_view all, std::string_view complete, std::uint32_t rows) {
    std::string_view whole("SELECT 0");
    if (complete.starts_with('C')) whole = complete.substr(pg::header_size);
    whole = whole.substr(0, whole.find('\0'));
    bool has_rows = false;
    pg::frame_header header;
    for (; !has_rows && pg::read_header(all, header) == pg::header_state::ready && all.size() >= header.total();
         all.remove_prefix(header.total()))
        has_rows = header.type == 'D';
    if (whole.empty() || whole.back() < '0' || whole.back() > '9' || !has_rows) return std::string(whole);
    return fmt::format("{}{}", whole.substr(0, whole.rfind(' ') + 1), rows);
}

/// A shard that knows the tables, or the cursor, of a statement whose values are not known yet: one of the
/// transaction's, if it may be.
std::uint16_t looked_at_on(const router::plan& plan, const spanning& span) {
    if (is_one(plan, verb::fetch)) {
        const auto cursor = span.cursors.find(plan.parsed.statements.front().name);
        if (cursor != span.cursors.end()) return cursor->second;
    }
    const auto open = span.across->shards();
    const std::uint16_t any = open.empty() ? std::uint16_t{0} : open.front();
    return plan.placement == router::placement::single && plan.keys.empty() ? plan.fixed_shard.value_or(0)
                                                                            : plan.fixed_shard.value_or(any);
}

}  // namespace

/// `used_next`: what follows has a shard look at the statement.
void session::span_parse(std::string_view body, bool used_next) {
    const auto parse = pg::read_parse(body);
    if (!parse) return span_refuse({fault_kind::malformed_message, "invalid message format", {}, {}}, doing::message);
    if (!parse->name.empty() && find_statement(parse->name))
        return span_refuse({fault_kind::duplicate_statement,
                            fmt::format("prepared statement \"{}\" already exists", parse->name),
                            {},
                            {}},
                           doing::message);
    if (prepared_bytes_ + parse->query.size() > who_.cluster->now->max_prepared_bytes ||
        parse->query.size() > who_.cluster->now->max_parse_bytes)
        return span_refuse({fault_kind::over_limit,
                            "a statement longer than max_parse_bytes, or more of them than max_prepared_bytes",
                            {},
                            "raise them in [general]"},
                           doing::message);
    const auto made = make_statement(*parse);
    made->forget_told();
    if (spanning_->across->failed() && !ends_transaction(*made->plan) && !is_one(*made->plan, verb::rollback_to))
        return span_refuse(aborted(), doing::message);
    auto undo = std::make_unique<undo_record>(std::string(parse->name));  // to none: it replaces the unnamed one anyway
    if (parse->name.empty())
        unnamed_ = made;
    else
        keep_statement(std::string(parse->name), made);
    if (only_controls(*made->plan))
        used_next = true;  // by its words alone
    else
        spanning_->parsed = std::move(undo);
    if (used_next) {
        std::string out;
        pg::write_empty(out, '1');
        return emit(out);
    }
    // Whether there is such a column is not known here; what has been written must not be committed if not.
    span_unit unit;
    auto& part = unit.parts.emplace_back();
    part.shard = looked_at_on(*made->plan, *spanning_);
    pg::write_parse(part.bytes, {}, made->planned_text(), made->types());
    pg::write_sync(part.bytes);
    spanning_->held = made->plan;
    spanning_->what = doing::message;
    spanning_->running = nullptr;
    spanning_->across->run(std::move(unit));
}

void session::span_bind(std::string_view body) {
    const auto bind = pg::read_bind(body);
    if (!bind) return span_refuse({fault_kind::malformed_message, "invalid message format", {}, {}}, doing::message);
    const auto what = planned_statement(bind->statement);
    if (!what) return span_refuse(unknown_statement(bind->statement), doing::message);
    if (auto why = check_count(*what->plan, bind->statement, bind->rest, what->types()))
        return span_refuse(*why, doing::message);
    auto& made = spanning_->portals[std::string(bind->portal)];
    if (!bind->portal.empty() && made.statement) {
        std::string out;
        pg::write_error(out, "ERROR", "42P03", fmt::format("cursor \"{}\" already exists", bind->portal));
        emit(out);
        spanning_->across->fail(spanning_->implicit);
        skip_to_sync_ = true;
        return;
    }
    made = {};
    made.writes_before = spanning_->writes;
    made.statement = what;
    made.bound = bind->rest;
    std::string out;
    pg::write_empty(out, '2');
    emit(out);
}

/// A portal's unit: prepared, bound and described or executed on each part's shard.
std::optional<fault> session::span_portal_unit(spanning::portal& of, char message, std::uint32_t max_rows,
                                               span_unit& unit) {
    auto& span = *spanning_;
    const auto& what = *of.statement;
    std::vector<pg::bound_parameter> raw;
    if (!pg::read_parameters(of.bound, raw))
        return fault{fault_kind::malformed_message, "invalid message format", {}, {}};
    if (auto why = read_otherwise(what)) return why;
    const auto declared = what.types(), types = what.kept_types();
    std::vector<router::parameter> bound;
    for (std::size_t i = 0; i < raw.size(); ++i)
        bound.push_back({raw[i].bytes, i < declared.size() / 4 ? pg::load32(declared.data() + 4 * i) : 0,
                         raw[i].is_null, raw[i].binary});
    span.numbers.clear();
    const bool inside = span.on_the_move;
    if (auto why = span_parts(*what.plan, {what.planned_text(), what.literals, bound, conforming_strings_}, unit))
        return why;
    if (message == 'E' && !of.described) unit.told = rows_told(what);
    if (unit.carry && message == 'D') {  // it is as the client's text says it
        unit.carry.reset();
        unit.gathers.reset();
    } else if (unit.carry) {
        unit.carry->bind_to(types, of.bound);
        of.holds = max_rows > 0;
        of.too_long = false;
        of.held.clear();
        of.given = 0;
        of.opened.clear();
        if (max_rows > 0) {
            span.holding = &of;
            span.wanted_rows = max_rows;
        }
        return std::nullopt;
    }
    if (message == 'D') span.on_the_move = inside;  // nothing is written yet: its Execute waits at the fence
    if (message == 'D') unit.splits.reset();
    if (message == 'D') unit.sorted.reset();
    if (message == 'D') unit.merges_copy = false;
    if (message == 'D') unit.move.reset();
    if (message == 'D') unit.lock.reset();
    const auto& statements = what.plan->parsed.statements;
    if (message == 'E' && statements.size() == 1 && statements.front().verb == verb::copy_from) {
        for (auto& part : unit.parts) pg::write_query(part.bytes, what.planned_text());  // a Sync would be passed over
        of.holds = false;
        of.opened.clear();
        return std::nullopt;
    }
    if (unit.merges_copy || is_one(*what.plan, verb::copy_to)) max_rows = 0;  // a server heeds no limit on COPY
    if (message == 'D') unit.gathers.reset();  // the seat has the tables, if not all of their rows
    const auto gathers = unit.gathers;
    const bool kept = max_rows > 0 && (gathers || unit.parts.size() > 1);
    if (message == 'E') {
        of.holds = kept;
        of.too_long = false;
        of.held.clear();
        of.given = 0;
    }
    if (kept) {  // what is read has gone by then, and what writes runs once
        span.holding = &of;
        span.wanted_rows = std::exchange(max_rows, 0);
    }
    if (message == 'D' && unit.parts.size() > 1) {  // each part has the same columns
        unit.parts.resize(1);
        unit.order.clear();
        unit.how = merging::relay;
        unit.writes = false;
    }
    of.opened.clear();
    unit.hidden = "12";
    if (unit.sorted) {
        unit.sorted->bind_to(types, of.bound);
        return std::nullopt;
    }
    if (max_rows > 0) of.opened = fmt::format("_ringway_{}", ++span.next_portal);
    of.shard = unit.parts.front().shard;
    for (std::size_t i = 0; i < unit.parts.size(); ++i) {
        const auto text = std::exchange(unit.parts[i].bytes, {});
        auto& out = unit.parts[i].bytes;
        if (text.empty()) {
            if (gathers && message == 'E' && is_one(*gathers, verb::declare_cursor)) {
                const auto both =
                    router::cursor_over(gather_text(*gathers, what.planned_text(), what.literals), what.literals,
                                        fmt::format("_ringway_cursor_{}", ++span.next_portal));
                if (both.fill.empty())
                    return fault{fault_kind::unsupported, "this DECLARE does not work over several shards", {}, {}};
                pg::write_parse(out, {}, both.fill, types);
                pg::write_bind_head(out, {}, {}, of.bound.size());
                out.append(of.bound);
                pg::write_execute(out, {}, 0);
                pg::write_parse(out, {}, both.declare, {});
                constexpr std::string_view nothing_bound("\0\0\0\0\0\0", 6);
                pg::write_bind_head(out, {}, {}, nothing_bound.size());
                out.append(nothing_bound);
                pg::write_execute(out, {}, 0);
                pg::write_sync(out);
                unit.how = merging::same;  // of its two tags the last
                span.holding = nullptr;
                of.holds = false;
                continue;
            }
            if (gathers)
                pg::write_parse(out, {}, gather_text(*gathers, what.planned_text(), what.literals), types);
            else
                pg::write_parse(out, {}, what.planned_text(), types);
            pg::write_bind_head(out, of.opened, {}, of.bound.size());
            out.append(of.bound);
        } else {
            std::string part_types;
            for (const auto number : span.numbers[i])
                if (4u * number + 4u <= types.size())
                    part_types.append(types.substr(4u * number, 4));
                else
                    part_types.append(4, '\0');
            std::string part_bound;
            write_some_parameters(part_bound, of.bound, raw, span.numbers[i]);
            pg::write_parse(out, {}, text, part_types);
            pg::write_bind_head(out, of.opened, {}, part_bound.size());
            out.append(part_bound);
        }
        const bool adds = unit.parts.size() > 1 && unit.how == merging::add && !unit.merges_copy;
        if (message == 'E' && (adds || unit.told != 0)) {
            unit.compares = true;
            pg::write_target(out, 'D', 'P', of.opened);
        }
        if (message == 'D')
            pg::write_target(out, 'D', 'P', {});
        else
            pg::write_execute(out, of.opened, static_cast<std::int32_t>(max_rows));
        pg::write_sync(out);
    }
    if (unit.compares) unit.hidden = "12n";
    return std::nullopt;
}

/// The next rows of an answer that is kept.
void session::span_give(spanning::portal& of, std::uint32_t max_rows) {
    std::string out;
    std::uint32_t rows = 0;
    pg::frame_header header;
    const std::string_view all(of.held);
    bool ended = false;
    while (!ended && pg::read_header(all.substr(of.given), header) == pg::header_state::ready) {
        if (header.type == 'C') break;
        if (header.type == 'D' && max_rows > 0 && rows == max_rows) break;
        rows += header.type == 'D';
        ended = header.type == 'E';
        out.append(all.substr(of.given, header.total()));
        of.given += header.total();
    }
    if (!ended) {
        const auto tag = all.substr(std::min(all.size(), of.given));
        if (max_rows > 0 && rows == max_rows)
            pg::write_empty(out, 's');
        else
            pg::write_command_complete(out, tag_of(all, tag, rows));
    }
    emit(out);
}

void session::span_describe(std::string_view body) {
    const auto target = pg::read_target(body);
    if (!target) return span_refuse({fault_kind::malformed_message, "invalid message format", {}, {}}, doing::message);
    auto& span = *spanning_;
    statement_ref what;
    auto portal = span.portals.end();
    if (target->kind == 'P') {
        portal = span.portals.find(std::string(target->name));
        if (portal != span.portals.end()) what = portal->second.statement;
        const auto cursor = span.cursors.find(std::string(target->name));
        if (!what && cursor != span.cursors.end() && !span.across->failed()) {  // DECLAREd: the server's portal
            span_unit unit;
            auto& part = unit.parts.emplace_back();
            part.shard = cursor->second;
            pg::write_target(part.bytes, 'D', 'P', target->name);
            pg::write_sync(part.bytes);
            span.what = doing::message;
            span.running = nullptr;
            return span.across->run(std::move(unit));
        }
        if (!what)
            return span_refuse(
                {fault_kind::undefined_cursor, fmt::format("portal \"{}\" does not exist", target->name), {}, {}},
                doing::message);
    } else {
        what = planned_statement(target->name);
        if (!what) return span_refuse(unknown_statement(target->name), doing::message);
    }
    if (only_controls(*what->plan)) {
        std::string out;
        if (target->kind == 'S') pg::write_parameter_description(out, {});
        pg::write_empty(out, 'n');
        return emit(out);
    }
    if (span.across->failed()) return span_refuse(aborted(), doing::message);
    span_unit unit;
    span.held = what->plan;
    if (target->kind == 'P') {
        portal->second.described = true;
        if (auto why = span_portal_unit(portal->second, 'D', 0, unit)) return span_refuse(*why, doing::message);
    } else {
        auto& part = unit.parts.emplace_back();
        part.shard = looked_at_on(*what->plan, span);
        pg::write_parse(part.bytes, {}, what->planned_text(), what->types());
        pg::write_target(part.bytes, 'D', 'S', {});
        pg::write_sync(part.bytes);
        unit.hidden = "1";
    }
    telling_ = target->kind == 'S' || what->renamed ? what : nullptr;
    span.what = doing::message;
    span.running = nullptr;
    span.across->run(std::move(unit));
}

void session::span_execute(std::string_view body) {
    const auto execute = pg::read_execute(body);
    if (!execute) return span_refuse({fault_kind::malformed_message, "invalid message format", {}, {}}, doing::message);
    auto& span = *spanning_;
    const auto found = span.portals.find(std::string(execute->portal));
    if (found == span.portals.end())
        return span_refuse(
            {fault_kind::undefined_cursor, fmt::format("portal \"{}\" does not exist", execute->portal), {}, {}},
            doing::message);
    auto& portal = found->second;
    const auto what = portal.statement;
    span.held = what->plan;
    span.literals = what->literals;
    if (portal.holds && !span.across->failed())
        return span_give(portal, static_cast<std::uint32_t>(std::max(0, execute->max_rows)));
    span_unit unit;
    if (!portal.opened.empty()) {  // more rows of it
        auto& part = unit.parts.emplace_back();
        part.shard = portal.shard;
        pg::write_execute(part.bytes, portal.opened, execute->max_rows);
        pg::write_sync(part.bytes);
    } else if (portal.executed && !span.across->failed()) {
        return span_refuse({fault_kind::unsupported,
                            "a portal is executed again in a transaction that stands on several shards",
                            {},
                            "bind it anew"},
                           doing::message);
    } else if (portal.writes_before != span.writes && what->plan->need == router::need::any && !span.across->failed()) {
        return span_refuse({fault_kind::unsupported,
                            "a portal of a transaction that stands on several shards is executed behind a write that "
                            "came after its Bind",
                            "It would see what has been written since.", "bind it anew"},
                           doing::message);
    } else {
        portal.executed = true;
        if (who_.cluster->now->log_queries) log_statement(*what->plan, what->planned_text());
        ++who_.cluster->traffic.statements;
        if (auto why = span_control(*what->plan, what->planned_text(), doing::message)) {
            if (!why->message.empty()) span_refuse(*why, doing::message);
            return;
        }
        const bool limited = execute->max_rows > 0 && !gives_no_rows(*what->plan);
        if (auto why = span_portal_unit(portal, 'E', limited ? static_cast<std::uint32_t>(execute->max_rows) : 0, unit))
            return span_refuse(*why, doing::message);
        span.writes += unit.writes;
        span_count(*what->plan, unit);
    }
    checked_ = unit.told != 0 ? what : nullptr;
    span.what = doing::message;
    span.running = span.held.get();
    if (unit.gathers && !unit.carry && !portal.bound.empty()) {
        scatter_task scatter;
        scatter.types = what->kept_types();
        scatter.bound = portal.bound;
        scatter.bind_told = true;
        std::vector<pg::bound_parameter> raw;
        std::vector<router::parameter> bound;
        const auto types = what->types();
        pg::read_parameters(portal.bound, raw);
        for (std::size_t i = 0; i < raw.size(); ++i)
            bound.push_back({raw[i].bytes, i < types.size() / 4 ? pg::load32(types.data() + 4 * i) : 0, raw[i].is_null,
                             raw[i].binary});
        if (span_scatters(unit, {what->planned_text(), what->literals, bound, conforming_strings_}, std::move(scatter)))
            return;
    }
    span_gathers(std::move(unit));
}

}  // namespace ringway::proxy
