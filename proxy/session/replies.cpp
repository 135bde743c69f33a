// The server's messages: relayed, swallowed, replaced, or acted upon, in the order in which they are owed.

#include <fmt/format.h>

#include <algorithm>

#include "pool/foreign_literal.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"
#include "proxy/session/told_types.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using kind = expected_reply::kind;
using to = expected_reply::to;

namespace {

/// A message that must be seen whole and is longer than this is not one a server sends.
constexpr std::uint32_t most_held = 64u << 20;

/// This thread's bytes on their way to a client, when a chunk cannot be passed on as it is.
std::string& composed() {
    thread_local std::string bytes;
    return bytes;
}

bool streams(char type) noexcept {
    return type == 'D' || type == 'd';
}

/// "cannot use serializable mode in a hot standby", in whatever language.
bool no_replica_serves(const pg::error_fields& error) {
    return error.get('C') == "0A000" &&
           (error.get('R') == "GetSerializableTransactionSnapshot" || error.get('R') == "check_XactIsoLevel" ||
            error.get('R') == "check_transaction_isolation");
}

/// An unlogged table of which the statement does not speak: a function reads it.
bool names_unlogged(const pg::error_fields& error) {
    return error.get('C') == "0A000" && error.get('R') == "get_relation_info";
}

bool means_going_down(std::string_view sqlstate) noexcept {
    return sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03";
}

}  // namespace

void session::server_readable(pool::server& from) {
    const auto keep = shared_from_this();
    const auto mine = talk_number_;
    for (int rounds = 0; rounds < 16; ++rounds) {
        std::string_view bytes;
        const auto got = from.link.read(bytes);
        if (got == pool::wire::got::end) return server_lost("the server closed the connection");
        if (got == pool::wire::got::would_block) break;
        const bool full = bytes.size() == pool::scratch_space::size;
        in_reply_ = true;
        on_server_bytes(bytes);
        in_reply_ = false;
        settle();
        if (!talk_ || talk_number_ != mine) return;
        if (client_.congested()) return;  // wire_drained resumes
        if (!full) break;
    }
    from.link.want_read();
}

void session::server_drained(pool::server&) {
    const auto keep = shared_from_this();
    pump({});
    want_client();
}

void session::server_broken(pool::server&) {
    // What the server said before it went is still to be read: a FATAL tells why.
    const auto keep = shared_from_this();
    if (talk_) server_readable(*talk_->server);
    if (talk_ && talk_->server->link.broken()) server_lost("the connection to the server broke");
}

void session::on_server_bytes(std::string_view bytes) {
    auto& out = composed();
    out.clear();
    std::string held;
    if (!talk_->carry.empty()) {
        held.swap(talk_->carry);
        held.append(bytes);
        bytes = held;
    }
    std::size_t at = 0, run = 0;  // [run, at) goes to the client as it is
    const auto cut = [&] {
        if (at > run) out.append(bytes.substr(run, at - run));
        run = at;
    };
    auto* const talk = talk_.get();
    const auto mine = talk_number_;
    while (at < bytes.size()) {
        if (talk->relay_left > 0) {
            const auto n = std::min<std::uint64_t>(talk->relay_left, bytes.size() - at);
            if (talk->relay_drop) cut();
            at += n;
            if (talk->relay_drop) run = at;
            talk->relay_left -= n;
            continue;
        }
        pg::frame_header header;
        const auto rest = bytes.substr(at);
        const auto state = pg::read_header(rest, header);
        if (state == pg::header_state::incomplete) break;
        if (state == pg::header_state::malformed || (talk->replies.empty() && header.type != 'N' &&
                                                     header.type != 'S' && header.type != 'A' && header.type != 'E'))
            return server_lost("the server sent what nobody asked for");
        if (!talk->replies.empty() && talk->replies.front().deliver == to::local) {
            cut();
            pass_local(out);
            if (talk->replies.empty() && header.type != 'N' && header.type != 'S' && header.type != 'A')
                return server_lost("the server sent what nobody asked for");
        }
        if (streams(header.type) && !(talk->settings_rows && header.type == 'D')) {
            talk->relay_left = header.total();
            talk->relay_drop = talk->discarding || talk->replies.front().deliver != to::client;
            continue;
        }
        if (rest.size() < header.total()) {
            if (header.total() > most_held) return server_lost("the server sent a message that is too long");
            break;
        }
        const auto frame = rest.substr(0, header.total());
        const auto told = told_frame(header.type, frame);
        const auto body = (told.empty() ? frame : std::string_view(told)).substr(pg::header_size);
        bool forward = true;
        if (header.type == 'E' || header.type == 'S' || header.type == 'A' || !told.empty()) cut();
        on_server_frame(header.type, body, out, forward);
        if (!talk_ || talk_number_ != mine) return;
        if (talk->discarding) forward = false;
        if (!told.empty() && std::exchange(forward, false)) out.append(told);
        if (!forward) cut();
        at += frame.size();
        if (!forward) run = at;
        if (talk->drop_composed) {
            out.clear();
            talk->drop_composed = false;
        }
    }
    if (run == 0 && out.empty()) {
        if (at > 0) emit(bytes.substr(0, at));
    } else {
        cut();
        if (!out.empty()) emit(out);
    }
    talk->carry.assign(bytes.substr(at));
    if (out.capacity() > 1024 * 1024) std::string().swap(out);
}

/// With the OIDs that clients know in place of the shard's own; empty: as it is.
std::string session::told_frame(char type, std::string_view frame) const {
    const auto* types = names_types(type) ? who_.cluster->types.get() : nullptr;
    return types && types->differs(talk_->shard) ? told_types(frame, *types, talk_->shard) : std::string();
}

/// OIDs of a Parse as the server knows them.
std::string session::types_for_server(std::string_view types) const {
    const auto* all = types.empty() ? nullptr : who_.cluster->types.get();
    return all && all->differs(talk_->shard) ? types_on(types, *all, talk_->shard) : std::string(types);
}

void session::pass_local(std::string& out) {
    auto& replies = talk_->replies;
    while (!replies.empty() && replies.front().deliver == to::local) {
        out.append(*replies.front().reply);
        pop_answered();
    }
}

void session::note_write(router::lock_use locks) {
    talk_->wrote = true;
    talk_->changed |= locks != router::lock_use::only;
    talk_->locked |= locks != router::lock_use::none;
}

/// The client's part of it is taken back too, should the batch run again before anything of it has reached the client.
void session::pop_answered() {
    auto& talk = *talk_;
    if (talk.may_retry && talk.replies.front().undo) talk.answered.push_back(std::move(talk.replies.front().undo));
    talk.replies.pop();
}

void session::on_server_frame(char type, std::string_view body, std::string& out, bool& forward) {
    auto& talk = *talk_;
    if (type == 'S') return on_parameter(body, out, forward);
    if (type == 'A') return on_notification(body, out, forward);
    if (type == 'E') return on_server_error(body, out, forward);
    if (talk.replies.empty()) return;  // a notice between statements
    auto& head = talk.replies.front();
    if (head.deliver == to::nobody) forward = false;
    switch (type) {
        case '1':
            if (head.what == kind::parse && head.statement && head.deliver == to::client) note_parsed(*head.statement);
            if (head.what == kind::parse) pop_answered();
            break;
        case '2':
            if (head.what == kind::bind) talk.replies.pop();
            break;
        case '3':
            if (head.what == kind::close) pop_answered();
            break;
        case 't':
            if (head.described) note_shape(head, type, body);
            break;
        case 'T':
        case 'n':
            if (head.what != kind::describe) break;
            if (head.described) note_shape(head, type, body);
            if (head.deliver == to::nobody) talk.barrier = false;
            talk.replies.pop();
            break;
        case 'D': {  // the rows of our look at pg_settings
            pg::reader in(body);
            if (in.i16() == 2) {
                const auto spelled = in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
                const auto length = in.i32();
                const auto value = in.bytes(static_cast<std::size_t>(std::max(0, length)));
                std::string name(spelled);  // pg_settings has TimeZone, DateStyle and IntervalStyle
                for (auto& c : name)
                    if (c >= 'A' && c <= 'Z') c |= 0x20;
                if (!in.ok() || length < 0) break;
                if (name.empty()) pin(std::string(value));
                if (name.empty() || !is_own(name, value)) break;
                talk.probed.insert_or_assign(name, pool::set_config_in(hiding_encoding(), name, value));
                if (name == "search_path") talk.path_after = value;
                if (name == "standard_conforming_strings") talk.conforming_after = value == "on";
            }
            break;
        }
        case 'C':
        case 'I':
        case 's':
            if (type == 'C') on_tag(body);
            if (head.running && type != 's') completed(head);
            if (head.running && type == 's') suspended(*head.running);
            if (head.what == kind::execute) {
                if (head.counts_as_write) note_write(head.locks);
                if (head.running && !(talk.replies.size() > 1)) talk.barrier = false;
                talk.replies.pop();
                if (talk.replies.empty() || talk.replies.front().what != kind::sync) talk.barrier = false;
            }
            break;
        case 'G': {
            if (head.deliver != to::client) break;
            talk.copy_in = true;
            talk.copy_ended = false;
            talk.barrier = false;
            talk.may_retry = false;
            for (std::size_t i = 1; i < talk.replies.size();) {  // servers ignore Sync while they read a COPY
                if (talk.replies.at(i).what == kind::sync)
                    talk.replies.erase(i), talk.open_batch = true;
                else
                    ++i;
            }
            break;
        }
        case 'Z':
            return on_server_ready(body.empty() ? 'I' : body[0], out, forward);
        default:
            break;  // NoticeResponse, ParameterDescription, CopyOut, CopyDone, FunctionCallResponse: as they are
    }
}

/// COMMIT and ROLLBACK by their command tags: settings made since BEGIN stay or go.
void session::on_tag(std::string_view body) {
    auto& talk = *talk_;
    if (talk.marks.empty() && !own_before_) return;
    const auto tag = body.substr(0, body.find('\0'));
    talk.rolled_back = tag == "ROLLBACK";
}

// ---- errors ---------------------------------------------------------------------------------------------------------

void session::on_server_error(std::string_view body, std::string& out, bool& forward) {
    auto& talk = *talk_;
    const auto error = pg::read_error(body);
    const std::string_view sqlstate = error ? error->get('C') : std::string_view();
    std::string_view severity = error ? error->get('V') : std::string_view();
    if (severity.empty() && error) severity = error->get('S');
    if (severity == "FATAL" || severity == "PANIC") {
        forward = false;
        const std::string why = error ? std::string(error->get('M')) : std::string("the server ended the connection");
        if (!means_going_down(sqlstate) && !talk.replies.empty() && talk.replies.front().deliver == to::client &&
            !talk.may_retry) {
            pg::write_error(out, "FATAL", sqlstate, why, error ? error->get('D') : std::string_view(),
                            error ? error->get('H') : std::string_view());
            client_.write(out);
            out.clear();
            drop_server(true);
            close();
            return;
        }
        if (error && keeps_server())
            pg::write_error(last_words_, "FATAL", sqlstate, why, error->get('D'), error->get('H'));
        server_lost(why);
        return;
    }
    if (error && error->get('R') == "GetUserNameFromId")  // the role has been dropped, and maybe made again
        home_.owner.role_gone(who_.cluster->now->config.name, who_.user);
    if (talk.replies.empty()) {
        forward = false;
        return server_lost("the server reported an error nobody waits for");
    }
    auto& head = talk.replies.front();
    talk.copy_in = false;
    const bool in_pipeline = head.what != kind::query && head.what != kind::function_call;
    const bool ours = head.deliver == to::nobody && phase_ == phase::active &&
                      (!in_pipeline || (talk.replies.size() > 1 && talk.replies.at(1).what == kind::sync &&
                                        talk.replies.at(1).deliver == to::nobody));
    if (ours) {  // the client's statement that needs it will fail, and is told of this
        forward = false;
        if (talk.prepare_error.empty()) talk.prepare_error = body;
    } else if (talk.discarding) {
        forward = false;
    } else if (head.deliver == to::refusal) {
        forward = false;
        out.append(*head.reply);
    } else if (phase_ == phase::preparing || (head.deliver == to::nobody && !in_pipeline)) {
        forward = false;  // a statement of ours
        if (error) talk.own_error = error->get('M');
        if (talk.own_error.empty()) talk.own_error = "unknown error";
        talk.own_sqlstate = sqlstate;
        if (error && talk.on_replica && no_replica_serves(*error)) serializable_start_ = talk.own_replica = true;
    } else if (error) {
        // Not yet answered, in no transaction: the statement may run again where it can.
        const bool may_retry = talk.may_retry && !talk.emitted && tries_ < 3;
        const bool read_only = talk.on_replica && (sqlstate == "25006" || names_unlogged(*error));
        const bool recovery = sqlstate == "40001" && talk.on_replica && talk.replayable &&
                              error->get('M').find("recovery") != std::string_view::npos;
        const bool serializable = no_replica_serves(*error) && talk.on_replica;
        const bool stale_plan = sqlstate == "0A000" && error->get('R') == "RevalidateCachedQuery" && in_pipeline;
        const auto stale = !stale_plan ? nullptr : head.described ? head.described->text : head.statement;
        if (stale_plan && (talk.blind || !may_retry)) {  // blind: its client reads the rows as it was told before
            if (stale && !own_names_) pool::renew_prepared(stale);
        } else if ((read_only || recovery || serializable || stale_plan) && may_retry) {
            if (stale) renew_statement(stale);
            serializable_start_ |= serializable;
            if (read_only || recovery || serializable) avoid_replicas_ = true;
            talk.discarding = talk.drop_composed = true;
            forward = false;
        } else if (sqlstate == "26000" && names_own(error->get('M'))) {  // asked for within a function
            wants_own_names_ = true;
            forward = false;
            if (may_retry && may_take_names())
                talk.discarding = talk.drop_composed = true;
            else
                pg::write_error(
                    out, "ERROR", config::sqlstate(fault_kind::unsupported),
                    fmt::format("a function asks for a prepared statement of the client's: {}", error->get('M')),
                    "From its next statement on this session keeps its connection.",
                    "repeat the transaction, or use pool_mode = \"session\"");
        } else if (!talk.prepare_error.empty()) {
            auto first = pg::read_error(talk.prepare_error);
            std::erase_if(first->fields, [](const auto& each) { return each.first == 'P'; });  // in a text of ours
            forward = false;
            pg::write_error(out, "ERROR", first->get('C'), first->get('M'), first->get('D'), first->get('H'));
        } else if (forward && !own_names_) {
            forward = !reword(*error, head, out);
        }
    }
    const bool ran = !error || error->get('P').empty() || !error->get('W').empty();  // else it was not understood
    if (head.running && ran && !talk.discarding) apply_in_spite(*head.running);
    head.failed = true;
    talk.failed = true;
    if (head.counts_as_write) note_write(head.locks);
    if (head.what == kind::parse && head.undo && head.undo->name.empty())
        head.undo->before.reset();  // gone all the same
    if (in_pipeline) skip_to_sync(0);
}

/// The server passes over everything up to Sync: so do we, and what those messages changed ahead of time is taken back.
void session::skip_to_sync(std::size_t from) {
    auto& replies = talk_->replies;
    auto end = from;
    while (end < replies.size() && replies.at(end).what != kind::sync && replies.at(end).what != kind::query) ++end;
    for (; end > from; replies.erase(end)) undo(replies.at(--end));
    if (replies.size() > from) return;
    talk_->barrier = false;
    talk_->skipping = talk_->open_batch;  // the Sync is still to come
}

void session::undo(expected_reply& entry) {
    auto& server = *talk_->server;
    const bool own = entry.what == kind::execute && entry.deliver == to::nobody;
    if ((own || entry.what == kind::parse) && entry.statement) server.statements.remove(*entry.statement);
    if (own && !entry.statement) {  // DISCARD SEQUENCES or DEALLOCATE ALL: which one is not known
        talk_->no_sequences = false;
        names_cleared_ = session_mode_;
    }
    if (entry.what == kind::parse && !entry.statement && entry.deliver != to::local) server.unnamed.reset();
    if (entry.what == kind::close && entry.deliver != to::local && entry.statement)
        server.statements.add(entry.statement);
    if (entry.undo) undo(*entry.undo);
}

void session::undo(const undo_record& what) {
    if (what.name.empty()) {
        unnamed_ = what.before;
    } else {
        forget_statement(what.name);
        if (what.before) keep_statement(what.name, what.before);
    }
}

/// Everything of the batch, answered or not, the last first.
void session::undo_batch() {
    auto& talk = *talk_;
    for (auto i = talk.replies.size(); i > 0; --i) undo(talk.replies.at(i - 1));
    talk.replies.clear();
    for (; !talk.answered.empty(); talk.answered.pop_back()) undo(*talk.answered.back());
}

/// A cached plan no longer fits the table: the same text under a new name.
void session::renew_statement(const pool::prepared_ref& old) {
    const auto fresh = old->scope != 0 ? pool::renew_prepared(old) : pool::lone_prepared(old->query, old->types);
    if (!statements_) return;
    for (auto& [name, what] : *statements_) {
        if (what->text != old) continue;
        auto copy = std::make_shared<client_statement>(*what);
        copy->text = fresh;
        what = std::move(copy);
    }
}

void session::server_lost(const std::string& why, bool news) {
    auto& talk = *talk_;
    const auto& node = talk.server->target->address;
    const bool on_primary = !talk.on_replica;
    const auto shard = talk.shard;
    auto& process = home_.owner;
    const auto cluster = who_.cluster->now->configured_as;
    if (news) process.node_failed(cluster, node, why);
    if (news && on_primary) process.role_changed(cluster);
    const auto pass_on = [this] {  // what came before it in the same chunk
        if (!in_reply_) return;
        if (!composed().empty()) emit(composed());
        composed().clear();
    };
    const bool owes_nothing = talk.status == 'I' && talk.replies.empty() && !talk.open_batch;
    if (owes_nothing && !pinned()) {  // it has answered, and went: the client need not know
        pass_on();
        drop_server(true);
        pump({});
        return want_client();
    }
    if (keeps_server()) {
        const fault lost{
            fault_kind::server_lost, fmt::format("the server connection of this session was lost: {}", why), {}, {}};
        if (!talk.discarding) pass_on();
        drop_server(true);
        if (last_words_.empty()) return end_with(lost);
        client_.write(last_words_);  // what has been the client's own server tells the client itself
        return close();
    }
    if (phase_ == phase::preparing) {  // nothing of the client's has been sent
        const bool again = ++tries_ < 5;
        avoid_replicas_ |= tries_ > 1 && !on_primary;
        drop_server(true);
        if (!again)
            return give_up({fault_kind::server_lost, fmt::format("the server connection was lost: {}", why), {}, {}});
        phase_ = phase::idle;
        if (!greeting_) return pump({});
        seek(want_);
        return;
    }
    const bool in_transaction = talk.status != 'I';
    if (in_transaction && talk.replies.empty() && !talk.open_batch && stream_left_ == 0) {
        pass_on();
        return lose_transaction(why);
    }
    if (!in_transaction && talk.replayable && try_again(true)) {
        composed().clear();
        drop_server(true);
        return pump({});
    }
    pass_on();
    bool ended = false, wrote = talk.wrote, committing = false;
    for (std::size_t i = 0; i < talk.replies.size(); ++i) {
        const auto& entry = talk.replies.at(i);
        ended |= entry.what == kind::sync || entry.what == kind::query || entry.what == kind::function_call;
        wrote |= entry.counts_as_write;
        committing |= entry.running && !entry.running->plan->parsed.statements.empty() &&
                      entry.running->plan->parsed.statements.front().verb == router::verb::commit;
    }
    for (auto i = talk.replies.size(); i > 0; --i) undo(talk.replies.at(i - 1));
    const bool streaming = stream_left_ > 0;
    const auto left = stream_left_;
    tries_ = 0;  // the next statement has its own
    if (!talk.marks.empty()) settings_ = talk.marks.front().client;
    drop_server(true);
    std::string out;
    const bool unknown = committing || (!in_transaction && wrote);
    pg::write_error(out, "ERROR", unknown ? "08007" : config::sqlstate(fault_kind::server_lost),
                    fmt::format("the server of shard \"{}\" was lost while it ran this statement: {}",
                                who_.cluster->now->config.shards[shard].name, why),
                    unknown ? "It is not known whether the change was made." : std::string_view());
    if (in_transaction && !committing) {  // as after any error: the client hears only of ROLLBACK
        begun_ = "BEGIN";
        begun_failed_ = true;
    }
    if (ended)
        pg::write_ready(out, status());
    else
        skip_to_sync_ = true;
    if (streaming) pass_left_ = left;
    emit(out);
    pump({});
    want_client();
}

// ---- the end of a statement -----------------------------------------------------------------------------------------

void session::on_server_ready(char status, std::string&, bool& forward) {
    auto& talk = *talk_;
    auto& head = talk.replies.front();
    talk.status = status;
    if (head.what != kind::query && head.what != kind::sync && head.what != kind::function_call) {
        forward = false;
        return server_lost("the server is ready before it has answered");
    }
    if (head.what == kind::query) talk.server->unnamed.reset();  // a Query drops the unnamed statement
    if (head.deliver == to::nobody) {
        forward = false;
        if (head.failed && head.statement) talk.server->statements.remove(*head.statement);
        talk.replies.pop();
        return;
    }
    const bool write = head.counts_as_write;  // though it failed: a part of it may have been committed before
    const auto locks = head.locks;
    talk.replies.pop();
    talk.barrier = false;
    talk.copy_in = false;
    if (talk.discarding) {  // ready to run it again
        forward = false;
        talk.again = true;
        return;
    }
    talk.may_retry = false;
    talk.answered.clear();
    talk.prepare_error.clear();
    talk.served = true;
    if (write) note_write(locks);
    stop_clocks();
    keep_date_style();
    if (status == 'I') {
        if (talk.wrote || !talk.marks.empty()) {
            const auto now = clock::now();
            if (talk.wrote) last_write_ = now;
            talk.wrote = talk.changed = talk.locked = false;
        }
        if (!talk.marks.empty()) end_of_transaction(talk.failed || talk.rolled_back);
        if (own_before_) end_own(!talk.failed && !talk.rolled_back);
        talk.portals.clear();
        talk.history.clear();
        talk.cursors.clear();
        talk.on_the_move = talk.on_the_move && !talk.replies.empty();
        talk.limited = false;
        talk.unnamed_portal.reset();
        talk.ddl.reset();
        talk.local_reading = false;
    }
    talk.failed = talk.rolled_back = false;
}

bool session::owed() const noexcept {
    return !talk_->replies.empty() || stream_left_ > 0 || talk_->copy_in || !talk_->carry.empty() ||
           talk_->relay_left > 0;
}

void session::settle() {
    if (!talk_ || phase_ == phase::closed) return;
    const bool out_of_place = stalled_ && talk_->copy_in && !talk_->copy_ended;  // no COPY data: an error
    if (owed() && (stalled_ || talk_->barrier) && !out_of_place) return;
    settle_lease();
    if (phase_ != phase::closed && (!pending_.empty() || again_)) pump({});
    if (phase_ != phase::closed) want_client();
}

void session::settle_lease() {
    if (!talk_ || phase_ == phase::closed || owed()) return;
    auto& talk = *talk_;
    if (phase_ == phase::preparing) {
        if (!talk.own_error.empty()) {
            if (talk.own_replica) {  // the primary can
                talk.server->doomed = true;
                drop_server(true);
                stalled_ = false;
                if (greeting_) seek({0, router::need::primary});
                return;
            }
            const bool canceled =
                talk.own_sqlstate == "57014";  // the client's own CancelRequest found us busy with its settings
            if (greeting_ && !canceled) {      // the client's start is refused in the server's own words
                std::string out;
                pg::write_error(out, "FATAL", talk.own_sqlstate, talk.own_error);
                client_.write(out);
                talk.server->doomed = true;
                drop_server(true);
                return close();
            }
            const auto why = canceled
                                 ? fault{fault_kind::canceled, talk.own_error, {}, {}}
                                 : fault{fault_kind::invalid_parameter,
                                         fmt::format("the session's settings could not be applied: {}", talk.own_error),
                                         {},
                                         {}};
            talk.server->doomed = true;
            const bool behind = talk.on_replica && !canceled && !want_.replica_only;
            drop_server(true);
            if (behind) {  // a replica that has not heard yet of the role, or what else it is
                avoid_replicas_ = true;
                want_.need = router::need::primary;
                if (!seek(want_) && !failure_) return;
                pump({});
                return want_client();
            }
            return give_up(why);
        }
        if (talk.leaving) {
            end_leaving();
            if (!talk_) return;
        } else if (talk.probe_settings) {
            end_probe();
        } else {
            talk.server->settings = settings_;
            begun_.clear();
            begun_failed_ = false;
            become_active();
            if (!talk_) return;
        }
    } else if (talk.again) {
        talk.again = talk.discarding = false;
        talk.may_retry = true;
        talk.emitted = false;
        if (try_again(false)) release_for_retry();
    }
    if (talk_ && phase_ == phase::active && talk_->served && !talk_->open_batch && talk_->replies.empty()) {
        count_traffic();
        if (!unseen_.empty() && talk_->status == 'I') look_for_unseen();
        const bool keep = pinned() || talk_->status != 'I';
        if (!keep && talk_->probe_settings)
            begin_probe();
        else if (!keep)
            release();
        else
            bring_up_to_date();
    }
    stalled_ = false;
    leave_if_resting();
}

}  // namespace ringway::proxy
