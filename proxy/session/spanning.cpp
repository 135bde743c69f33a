// A transaction of this session that stands on several shards: its statements become units of a span.

#include "proxy/session/spanning.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "router/gather.hpp"
#include "router/need.hpp"
#include "router/postgres/lexical.hpp"
#include "router/shape.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using doing = spanning::doing;
using merging = span_unit::merging;
using router::effect;
using router::verb;

namespace {

constexpr std::uint32_t longest_message = 64u << 20;
constexpr std::size_t most_history = 256;

/// Why a statement cannot run in a span whatever its shard; empty: it can.
std::string_view obstacle(const router::plan& plan) {
    const auto& statements = plan.parsed.statements;
    if (!plan.parsed.error.empty()) return {};  // the server says it
    if (plan.asks_sequence) return "currval and lastval";
    for (const auto& one : statements) {
        switch (one.verb) {
            case verb::prepare_transaction:
                return "PREPARE TRANSACTION";
            case verb::prepare:
            case verb::execute:
                return "SQL's PREPARE and EXECUTE";
            case verb::discard:
                return "DISCARD";
            case verb::listen:
            case verb::unlisten:
                return "LISTEN";
            default:
                break;
        }
        if (statements.size() > 1 && router::is_session_command(one.verb))
            return "a text of several statements, one of which is about the transaction or the session,";
        for (const auto& what : one.effects) {
            if (what.what == effect::kind::pin) return "what ties a session to one server connection";
            if (what.what == effect::kind::set_config) return "set_config";
        }
    }
    return {};
}

/// BEGIN ISOLATION LEVEL ...
bool names_isolation(std::string_view begin) {
    constexpr std::string_view word = "isolation";
    return std::search(begin.begin(), begin.end(), word.begin(), word.end(),
                       [](char a, char b) { return (a | 0x20) == b; }) != begin.end();
}

/// SET [LOCAL] client_encoding, or NAMES. What it is behind a ROLLBACK is not told here.
bool sets_encoding(std::string_view statement) {
    router::shape_lexer lexer;
    const auto shape = lexer.scan(statement, true);
    router::postgres::token_reader in(statement, shape.literals);
    bool sets = false;
    for (auto each = in.next(); each.kind != router::postgres::token_kind::end; each = in.next()) {
        sets |= in.is(each, "set") || in.is(each, "set_config");
        if (sets && (in.is(each, "names") || in.text_of(each).find("client_encoding") != std::string_view::npos ||
                     in.is(each, "client_encoding")))
            return true;
    }
    return false;
}

/// BEGIN, BEGIN WORK, START TRANSACTION: without a word about what kind of transaction.
bool is_plain_begin(std::string_view sql) {
    router::shape_lexer lexer;
    const auto shape = lexer.scan(sql, true);
    router::postgres::token_reader in(sql, shape.literals);
    for (auto each = in.next(); each.kind != router::postgres::token_kind::end; each = in.next())
        if (sql[each.offset] != ';' && !in.is(each, "begin") && !in.is(each, "start") && !in.is(each, "work") &&
            !in.is(each, "transaction"))
            return false;
    return true;
}

/// Whether the next messages have a shard look at the statement that this Parse makes: a Describe of it, or a Bind that
/// is described or executed.
bool is_used_next(std::string_view parse, std::string_view rest) {
    const auto made = pg::read_parse(parse);
    pg::frame_header header;
    if (!made || pg::read_header(rest, header) != pg::header_state::ready || rest.size() < header.total()) return false;
    const auto body = rest.substr(pg::header_size, header.body());
    rest.remove_prefix(header.total());
    if (header.type == 'D') {
        const auto target = pg::read_target(body);
        return target && target->kind == 'S' && target->name == made->name;
    }
    if (header.type != 'B' || rest.empty() || (rest.front() != 'D' && rest.front() != 'E')) return false;
    const auto bind = pg::read_bind(body);
    return bind && bind->statement == made->name;
}

/// SET TRANSACTION behind the first query, in the server's own words.
std::optional<fault> comes_too_late(const router::statement& set, bool reads_only) {
    for (const auto& each : set.effects) {
        if (each.what != effect::kind::set_local) continue;
        const auto to = each.values.size() == 1 && each.values.front().what == router::value_source::from::constant
                            ? std::string_view(each.values.front().constant)
                            : std::string_view();
        std::string_view why;
        if (each.name == "transaction_snapshot")
            why = "SET TRANSACTION SNAPSHOT must be called before any query";
        else if (each.name == "transaction_isolation" && to != "read committed")
            why = "SET TRANSACTION ISOLATION LEVEL must be called before any query";
        else if (each.name == "transaction_deferrable")
            why = "SET TRANSACTION [NOT] DEFERRABLE must be called before any query";
        else if (each.name == "transaction_read_only" && reads_only && to == "off")
            why = "transaction read-write mode must be set before any query";
        if (!why.empty()) return fault{fault_kind::active_transaction, std::string(why), {}, {}};
    }
    return std::nullopt;
}

/// SET TRANSACTION READ ONLY, or the setting of that name.
bool ends_writing(const router::statement& set) {
    return std::any_of(set.effects.begin(), set.effects.end(), [](const effect& each) {
        if (each.name != "transaction_read_only" ||
            (each.what != effect::kind::set && each.what != effect::kind::set_local))
            return false;
        constexpr std::string_view goes_on[] = {"off", "false", "no"};
        return each.values.size() != 1 || each.values.front().what != router::value_source::from::constant ||
               std::find(std::begin(goes_on), std::end(goes_on), each.values.front().constant) == std::end(goes_on);
    });
}

}  // namespace

fault only_reads_now() {
    return {fault_kind::unsupported, "a transaction that has written on several shards cannot become READ ONLY",
            "Its COMMIT writes down on one of them that it is made on all.", "leave READ ONLY out"};
}

fault not_across(std::string_view what) {
    return {fault_kind::unsupported,
            fmt::format("{} does not work in a transaction that stands on several shards", what),
            {},
            "keep this transaction to the keys of one shard"};
}

// ---- into it --------------------------------------------------------------------------------------------------------

/// Why the session cannot go on on other shards too; empty: it has a transaction on the lease that may.
std::string_view session::tied_by() const {
    if (pinned()) return "the session is pinned to one server connection, and SHOW PINS on the admin port tells why";
    if (!talk_ || talk_->status != 'T' || !who_.cluster->now->map->is_sharded() || !talk_->replies.empty() ||
        talk_->history.empty())
        return "it stands behind EXECUTE, or with others in a text or a pipeline";
    if (talk_->on_replica) return "its READ ONLY transaction has read on a replica";
    if (talk_->probe_settings)
        return "its transaction has run something on one shard that may have changed settings: a function, CALL or DO";
    if (talk_->limited || !talk_->portals.empty()) return "its transaction has a portal open on one shard";
    if (std::any_of(talk_->history.begin(), talk_->history.end(), sets_encoding))
        return "its transaction has set client_encoding";
    // What has been set since the BEGIN, the first mark, goes along; it is taken back with the transaction.
    const auto& marks = talk_->marks;
    for (std::size_t i = 0; i < marks.size(); ++i)
        if ((i > 0 && (marks[i].client != settings_ || marks[i].search_path != search_path_)) ||
            marks[i].conforming_strings != conforming_strings_)
            return i > 0 ? "its transaction has a SET behind a SAVEPOINT"
                         : "its transaction has set standard_conforming_strings";
    return {};
}

/// Whether a transaction that begins with this text reads only: as it says itself, else as those of the session do.
bool session::begins_read_only(bool says_read_only, std::string_view begin) const {
    if (says_read_only || !told_) return says_read_only;
    const auto by_default = std::find_if(
        told_->begin(), told_->end(), [](const auto& each) { return each.first == "default_transaction_read_only"; });
    if (by_default == told_->end() || by_default->second != "on") return false;
    router::shape_lexer lexer;
    const auto shape = lexer.scan(begin, true);
    router::postgres::token_reader in(begin, shape.literals);
    for (auto each = in.next(); each.kind != router::postgres::token_kind::end; each = in.next())
        if (in.is(each, "write")) return false;
    return true;
}

/// From the lease's transaction, from a BEGIN that no shard knows yet, or for one statement or batch.
void session::begin_span() {
    span_start with;
    with.client_id = who_.id;
    with.settings = settings_;
    with.types_of_shards = who_.cluster->types;
    for (const auto& each : who_.cluster->now->config.shards) with.shards.push_back(each.name);
    with.one_writer = who_.cluster->now->config.two_phase == config::two_phase::error;
    spanning_ = std::make_unique<spanning>();
    spanning_->settings_before = settings_;
    spanning_->path_before = spanning_->path_after = search_path_;
    spanning_->conforming_before = spanning_->conforming_after = conforming_strings_;
    if (talk_) {
        with.history = std::move(talk_->history);
        for (const auto& name : talk_->cursors) spanning_->cursors.emplace(name, talk_->shard);
        spanning_->asked = true;
        spanning_->savepoints = talk_->marks.size() > 1;
        if (!talk_->marks.empty()) {
            spanning_->settings_before = talk_->marks.front().client;
            spanning_->path_before = talk_->marks.front().search_path;
        }
        if (talk_->local_path) spanning_->path_after = talk_->path_after;
        spanning_->reads_only = talk_->reads_only;
        spanning_->changes_catalog = talk_->ddl != nullptr;
        if (talk_->ddl) spanning_->unsure.add_anything();
        spanning_->on_the_move = talk_->on_the_move;
    } else {
        spanning_->implicit = begun_.empty();
        spanning_->reads_only = begins_read_only(!begun_.empty() && begun_reads_, begun_);
        with.history.push_back(begun_.empty() ? std::string("BEGIN") : std::exchange(begun_, {}));
        begun_failed_ = false;
    }
    spanning_->read_apart = with.history.size() == 1 && !names_isolation(with.history.front());
    spanning_->across = std::make_shared<span>(*this, std::move(with));
    if (talk_) {
        const auto before = talk_->marks.empty() ? talk_->server->settings : talk_->marks.front().server;
        const auto shard = talk_->shard;
        const auto node = talk_->node;
        const bool changed = talk_->changed, locked = talk_->locked;
        auto server = std::move(talk_->server);
        retire_conversation();
        spanning_->across->adopt(std::move(server), shard, node, before, changed, locked);
    }
    phase_ = phase::spanning;
    stalled_ = false;
    tries_ = 0;
    home_.watch(shared_from_this());
}

// ---- the client's messages ------------------------------------------------------------------------------------------

/// One message. False: it cannot be taken now.
bool session::span_step(const pg::frame_header& header, std::string_view frame, bool whole, std::string_view& rest) {
    if (header.type == 'X') {
        close();
        return false;
    }
    if (spanning_->across->copying()) return span_copy_step(header, frame, whole, rest);
    if (header.type == 'd' || header.type == 'c' || header.type == 'f') {
        pass_left_ = header.total();
        return pass_over(rest);
    }
    if (skip_to_sync_ && header.type != 'S') {
        pass_left_ = header.total();
        return pass_over(rest);
    }
    if (!whole) {
        if (header.total() > longest_message) violation("message too long");
        return false;
    }
    const auto body = frame.substr(pg::header_size);
    if (who_.cluster->fenced && waits_in_span(header.type, body)) return wait_for_fence();
    rest.remove_prefix(frame.size());
    requested_ = clock::now();
    switch (header.type) {
        case 'Q':
            span_query(body);
            break;
        case 'F':
            span_refuse(not_across("FunctionCall"), doing::query);
            break;
        case 'P':
            span_parse(body, is_used_next(body, rest));
            break;
        case 'B':
            span_bind(body);
            break;
        case 'D':
            span_describe(body);
            break;
        case 'E':
            span_execute(body);
            break;
        case 'C': {
            const auto target = pg::read_target(body);
            if (!target) return violation("invalid message format"), false;
            if (target->kind == 'P')
                spanning_->portals.erase(std::string(target->name));
            else if (target->name.empty())
                unnamed_.reset();
            else
                forget_statement(std::string(target->name));
            std::string out;
            pg::write_empty(out, '3');
            emit(out);
            break;
        }
        case 'S':
            skip_to_sync_ = false;
            if (!spanning_->implicit) {
                say_ready(status());
            } else {
                spanning_->what = doing::end_of_batch;
                spanning_->tag.clear();
                if (spanning_->across->failed())
                    spanning_->across->rollback();
                else
                    spanning_->across->commit();
            }
            break;
        case 'H':
            break;
        default:
            violation(fmt::format("invalid frontend message type {}", static_cast<unsigned char>(header.type)));
            return false;
    }
    return true;
}

/// A statement that does not run: the transaction has failed, as on a server.
void session::span_refuse(const fault& why, doing within) {
    refuse(why);
    auto& span = *spanning_;
    again_.reset();
    span.across->fail();
    if (within != doing::query) {
        skip_to_sync_ = true;
    } else if (span.implicit || span.of_text) {
        span_text_over(true);
    } else {
        say_ready(status());
    }
}

void session::span_query(std::string_view body) {
    const auto sql = body.substr(0, body.find('\0'));
    unnamed_.reset();  // a Query ends the unnamed statement and portal
    auto found = plan_of(sql);
    auto& span = *spanning_;
    span.portals.erase("");
    const auto& plan = *found.plan;
    if (!span.implicit && plan.parsed.statements.size() > 1 && plan.parsed.error.empty() &&
        plan.parsed.hint.shard.empty() && plan.parsed.hint.role == router::routing_hint::role_wish::none &&
        plan.parsed.hint.unknown.empty())
        return span_one_by_one(sql, *home_.plans.hold(found));
    if (!span.across->failed() && !plan.plain && answer_locally(sql, plan, found.shape)) return;
    span.held = home_.plans.hold(found);
    span.literals.assign(found.shape.literals.begin(), found.shape.literals.end());
    const router::values with{sql, span.literals, {}, conforming_strings_};
    if (who_.cluster->now->log_queries) log_statement(plan, sql);
    ++who_.cluster->traffic.statements;
    span_unit unit;
    if (auto why = span_control(*span.held, sql, doing::query)) {
        if (why->message.empty()) return;  // under way
        return span_refuse(*why, doing::query);
    }
    if (auto why = span_parts(*span.held, with, unit)) return span_refuse(*why, doing::query);
    span.writes += unit.writes;
    span_count(*span.held, unit);
    if (unit.carry && plan.parsed.parameters > 0) {  // of which there are none: a server says it
        unit.carry.reset();
        unit.gathers.reset();
    }
    if (plan.parsed.parameters > 0) unit.sorted.reset();
    for (auto& part : unit.parts) {
        if (unit.carry || unit.sorted) break;
        const auto text = std::exchange(part.bytes, {});
        if (unit.gathers && is_one(*unit.gathers, verb::declare_cursor)) {
            const auto both = router::cursor_over(gather_text(*unit.gathers, sql, span.literals), span.literals,
                                                  fmt::format("_ringway_cursor_{}", ++span.next_portal));
            if (both.fill.empty()) return span_refuse(not_across("this DECLARE"), doing::query);
            pg::write_query(part.bytes, both.fill + "\n;" + both.declare);
            unit.how = merging::same;  // of its two tags the last
        } else if (unit.gathers)
            pg::write_query(part.bytes, gather_text(*unit.gathers, sql, span.literals));
        else
            pg::write_query(part.bytes, text.empty() ? sql : std::string_view(text));
    }
    span.what = doing::query;
    span.running = span.held.get();
    if (unit.gathers && !unit.carry && span_scatters(unit, with, {})) return;
    unit.hold_tag = span.implicit || (span.of_text && !again_);
    span_gathers(std::move(unit));
}

/// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, SET: what concerns every shard. nullopt: another kind of statement. A fault
/// without a message: it is under way, or has been answered.
std::optional<fault> session::span_control(const router::plan& plan, std::string_view sql, doing within) {
    auto& span = *spanning_;
    const auto& statements = plan.parsed.statements;
    fault under_way;
    const bool one = statements.size() == 1 && plan.parsed.error.empty();
    const auto what = one ? statements.front().verb : verb::other;
    const auto answer = [&](std::string_view tag) {
        std::string out;
        pg::write_command_complete(out, tag);
        const bool ends = within == doing::query && !goes_on(false);
        if (ends && !span.of_text) pg::write_ready(out, status());
        emit(out);
        if (ends && span.of_text) span_text_over(false);
        return under_way;
    };
    const bool about_one = what == verb::commit || what == verb::rollback || what == verb::savepoint ||
                           what == verb::release || what == verb::rollback_to;
    if (span.of_text && about_one) return not_across("COMMIT, ROLLBACK or a savepoint in a text without BEGIN");
    if (what == verb::commit || what == verb::rollback) {
        if (statements.front().chain) return not_across("AND CHAIN");
        if (span.implicit) {  // a batch that ends its own transaction in the middle
            return not_across("a pipeline that ends its transaction before its Sync");
        }
        span.what = within == doing::query ? doing::end : doing::message;
        span.tag.clear();
        const bool rolls_back = what == verb::rollback || span.across->failed();
        pg::write_command_complete(span.tag, rolls_back ? "ROLLBACK" : "COMMIT");
        span.running = nullptr;
        if (rolls_back)
            span.across->rollback();
        else
            span.across->commit();
        return under_way;
    }
    if (span.across->failed() && what != verb::rollback_to) return aborted();
    if (const auto why = obstacle(plan); !why.empty()) return not_across(why);
    if (!one) return std::nullopt;
    if (what == verb::begin) {
        if (span.implicit && !span.asked && span.across->shards().empty()) {  // a driver's, with its first statement
            span.implicit = false;
            span.reads_only = begins_read_only(statements.front().read_only_begin, sql);
            span.read_apart = !names_isolation(sql);
            span.across->begin_by(std::string(sql));
            return answer(statements.front().name.empty() ? "BEGIN" : statements.front().name);
        }
        if (span.implicit) return not_across("BEGIN within a pipeline");
        if (span.of_text && !is_plain_begin(sql)) return not_across("BEGIN with options, in a text,");
        if (!span.of_text && !is_plain_begin(sql)) return not_across("BEGIN with options, within the transaction,");
        if (std::exchange(span.of_text, false))  // what the text has done before belongs to it
            return answer(statements.front().name.empty() ? "BEGIN" : statements.front().name);
        std::string notice;
        pg::write_notice(notice, "WARNING", "25001", "there is already a transaction in progress");
        emit(notice);
        return answer(statements.front().name.empty() ? "BEGIN" : statements.front().name);
    }
    if (!runs_everywhere(what)) return std::nullopt;
    if (span.implicit) return not_across("SAVEPOINT, SET and the like within a pipeline");
    const auto& statement = statements.front();
    const bool sets = what == verb::set || what == verb::reset;
    if (sets && !statement.effects.empty() && statement.effects.front().name.starts_with("ringway."))
        return not_across("SET ringway...");
    if (sets && std::any_of(statement.effects.begin(), statement.effects.end(),
                            [](const effect& each) { return each.name == "client_encoding"; }))
        return not_across("SET client_encoding");
    if (sets && span.savepoints && !statement.effects.empty() &&
        statement.effects.front().what != effect::kind::set_local)
        return not_across("SET after a SAVEPOINT");
    if (span.commands >= most_history) return not_across("so long a list of savepoints and settings");
    // Where reads have run beside it no shard of the transaction knows that it has begun to read.
    if (span.asked && span.across->shards().empty())
        if (auto why = comes_too_late(statement, span.reads_only)) return why;
    if (span.across->wrote_on_several() && ends_writing(statement)) return only_reads_now();
    span_unit unit;
    span.text = sql.substr(statement.where.offset, statement.where.length);
    span.whole = sql;
    auto shards = span.across->shards();
    if (shards.empty()) shards = {who_.cluster->now->map->members().front()};  // what reads apart has joined none
    for (const auto shard : shards) {
        auto& part = unit.parts.emplace_back();
        part.shard = shard;
        pg::write_query(part.bytes, span.text);
    }
    unit.how = merging::same;
    unit.hold_tag = span.of_text && within == doing::query && !again_;
    unit.tells = true;
    span.what = within;
    span.running = &plan;
    span.across->run(std::move(unit));
    return under_way;
}

}  // namespace ringway::proxy
