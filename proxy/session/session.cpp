#include "proxy/session/session.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "pool/foreign_literal.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/statement_text.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault_kind;

namespace {

/// Client bytes kept while a lease is awaited; past this the socket is not read.
constexpr std::size_t most_pending = 256 * 1024;
constexpr auto patience = std::chrono::milliseconds(100);  ///< before a Describe is answered from memory

}  // namespace

std::string& outgoing() {
    thread_local std::string bytes;
    return bytes;
}

session::session(worker& home, client_identity who)
    : home_(home),
      who_(std::move(who)),
      session_mode_(who_.session_mode),
      own_names_(session_mode_),
      names_cleared_(session_mode_),
      connected_(std::chrono::system_clock::now()),
      answered_(clock::now()) {
    pool::session_settings::map entries;
    std::string_view encoding;
    for (const auto& [name, value] : who_.startup_settings)
        if (name == "client_encoding") encoding = value;
    for (const auto& [name, value] : who_.startup_settings) {
        if (name.starts_with("ringway.")) {
            if (bad_start_.empty()) set_own(name, value, bad_start_);
            continue;
        }
        if (name == "search_path") search_path_ = value;
        if (name == "standard_conforming_strings")
            conforming_strings_ = value != "off" && value != "false" && value != "0";
        entries.insert_or_assign(name, pool::set_config_in(encoding, name, value));
    }
    first_own_ = own_;
    first_path_ = search_path_;
    first_conforming_ = conforming_strings_;
    base_ = settings_ = pool::session_settings::of(std::move(entries));
    std::vector<std::pair<std::string, std::string>>().swap(who_.startup_settings);
}

session::~session() = default;

void session::start(pool::tcp_socket socket, std::unique_ptr<protocol::tls_engine> tls, std::string early) {
    client_.open(*home_.loop, std::move(socket), this);
    if (tls) client_.start_tls(std::move(tls));
    home_.add_session(shared_from_this());
    pending_ = std::move(early);
    greet();
}

void session::close() {
    if (phase_ == phase::closed) return;
    const auto keep = shared_from_this();
    if (waiting_in_) {
        waiting_in_->cancel_wait(*this);
        waiting_in_.reset();
    }
    closing_ = true;
    if (reading_) std::exchange(reading_, nullptr)->abort();
    if (spanning_) std::exchange(spanning_, nullptr)->across->abort();
    client_.close_after_write();
    if (talk_) drop_server(false);
    count_traffic();
    phase_ = phase::closed;
    if (told_pid_ != 0) home_.owner.pid_forgotten(told_pid_, static_cast<std::uint32_t>(who_.id));
    home_.remove_session(*this);
}

void session::end_with(const config::fault& why) {
    if (phase_ == phase::closed) return;
    if (!talk_ || (talk_->relay_left == 0 && talk_->carry.empty())) {  // else it would be read as part of a row
        std::string out;
        pg::write_error(out, "FATAL", config::sqlstate(why.kind), why.message, why.detail, why.hint);
        client_.write(out);
    }
    close();
}

void session::drain() {
    draining_ = true;
    leave_if_resting();
}

/// No statement is under way: it is the client's turn. The connection of a pinned session may still be held.
bool session::quiet() const noexcept {
    if (!pending_.empty() || again_ || greeting_) return false;
    if (spanning_) return !span_busy() && !skip_to_sync_;
    if (!talk_) return phase_ == phase::idle;
    return phase_ == phase::active && !talk_->open_batch && !owed();
}

bool session::leave_if_resting() {
    if (!draining_ || pumping_ || in_reply_ || !resting()) return false;
    end_with({fault_kind::shutting_down, "terminating connection: Ringway is shutting down", {}, {}});
    return true;
}

/// A cancel reaches only what this client is doing now; a connection on which one is under way does not change hands.
void session::cancel_running(const cancel_waiter& until) {
    if (reading_) {
        std::shared_ptr(reading_)->cancel(until);
    } else if (spanning_) {
        std::shared_ptr(spanning_->across)->cancel(until);
    } else if (waits() && (!waiting_in_ || waiting_in_->cancel_wait(*this))) {
        give_up({fault_kind::canceled, "canceling statement due to user request", {}, {}});
    } else if (talk_ && !talk_->replies.empty()) {
        stop_query(*talk_->server, until);
    }
}

void session::end_if_idle(steady_time now, config::milliseconds most, config::milliseconds most_in_transaction) {
    if (!quiet()) return;
    const bool open = status() != 'I';
    const auto limit = open ? most_in_transaction : most;
    if (limit.count() == 0 || now - answered_ < limit) return;
    if (open)
        end_with({fault_kind::idle_transaction, "terminating connection due to idle-in-transaction timeout", {}, {}});
    else
        end_with({fault_kind::idle_session, "terminating connection due to idle-session timeout", {}, {}});
}

bool session::waits() const noexcept {
    return phase_ == phase::holding || phase_ == phase::leasing || phase_ == phase::gathering ||
           phase_ == phase::spanning;  // who waits for a fence is told when it opens
}

void session::tick(steady_time now) {
    const auto keep_alive = shared_from_this();
    tick_waiting(now);
    if (client_parts_ && phase_ != phase::closed) part();
}

void session::tick_waiting(steady_time now) {
    if (phase_ == phase::spanning && !reading_) {
        const auto keep = spanning_->across;
        const auto limit = who_.who->limits.query_wait_timeout;
        if (limit.count() == 0 || !keep->waits() || now - keep->asked() < limit ||
            !keep->give_up({config::fault_kind::query_wait_timeout,
                            "no server connection of each shard became free within query_wait_timeout",
                            fmt::format("waited {} ms", limit.count()), "raise pool_size or query_wait_timeout"}))
            keep->tick(now);
        return;
    }
    if (reading_) {
        const auto keep = reading_;
        const auto limit = who_.who->limits.query_wait_timeout;
        const bool late = limit.count() > 0 && now - keep->begun() >= limit;
        if (!late ||
            !keep->give_up({config::fault_kind::query_wait_timeout,
                            "no server connection of each shard became free within query_wait_timeout",
                            fmt::format("waited {} ms", limit.count()), "raise pool_size or query_wait_timeout"}))
            keep->tick(now);
    } else if (phase_ == phase::leasing) {
        const auto limit = who_.who->limits.query_wait_timeout;
        if (now - waiting_since_ >= patience && describe_from_memory()) {
            pump({});
            want_client();
        } else if (limit.count() > 0 && now - waiting_since_ >= limit && waiting_in_ &&
                   waiting_in_->cancel_wait(*this)) {
            waiting_in_.reset();
            give_up({config::fault_kind::query_wait_timeout,
                     "no server connection became free within query_wait_timeout",
                     fmt::format("waited {} ms", limit.count()), "raise pool_size or query_wait_timeout"});
        }
    } else if (phase_ == phase::holding) {
        phase_ = phase::idle;
        const bool held = std::exchange(held_for_catalog_, false) || std::exchange(held_by_fence_, false);
        const bool elsewhere = !greeting_ && want_epoch_ != who_.cluster->now->epoch;  // maybe on another shard now
        if (held || elsewhere || find_server(now)) pump({});
        want_client();
    }
}

char session::status() const noexcept {
    if (talk_) return talk_->status;
    if (spanning_) return spanning_->implicit ? 'I' : spanning_->across->failed() ? 'E' : 'T';
    return begun_.empty() ? 'I' : begun_failed_ ? 'E' : 'T';
}

// ---- the client's bytes ---------------------------------------------------------------------------------------------

void session::wire_readable(pool::wire&) {
    const auto keep = shared_from_this();
    for (int rounds = 0; rounds < 16 && phase_ != phase::closed; ++rounds) {
        if (!may_read()) return;  // what it waits for resumes reading
        std::string_view bytes;
        switch (client_.read(bytes)) {
            case pool::wire::got::end:
                return input_ended();
            case pool::wire::got::would_block:
                return want_client();
            case pool::wire::got::bytes:
                break;
        }
        const bool full = bytes.size() == pool::scratch_space::size;
        pump(bytes);
        if (!full) break;
        if (talk_ && talk_->server->link.congested()) return;  // server_drained resumes
    }
    if (phase_ != phase::closed) want_client();
}

bool session::may_read() const noexcept {
    if (phase_ == phase::closed || client_parts_ || (talk_ && talk_->server->link.congested())) return false;
    if (spanning_ && !span_busy()) return true;
    if (spanning_ && spanning_->across->copying()) return !spanning_->across->copy_congested();
    const bool waiting =
        phase_ != phase::idle && (phase_ != phase::active || talk_->barrier || talk_->copy_awaited || stalled_);
    return !waiting || pending_.size() - pending_used_ < most_pending;
}

bool session::fail_front(std::string_view& rest) {
    const auto why = std::move(*failure_);
    failure_.reset();
    if (rest.empty()) return false;
    refuse(why);
    if (!begun_.empty()) begun_failed_ = true;
    if (rest[0] == 'Q' || rest[0] == 'F') {
        pg::frame_header header;
        pg::read_header(rest, header);
        pass_left_ = header.total();
        pass_over(rest);
        say_ready(status());
    } else {
        skip_to_sync_ = true;
    }
    return true;
}

void session::want_client() {
    if (may_read()) client_.want_read();
}

void session::wire_drained(pool::wire&) {
    if (talk_) talk_->server->link.want_read();
    if (reading_) reading_->resume();
    if (spanning_) spanning_->across->resume();
}

void session::pump(std::string_view fresh) {
    if (phase_ == phase::closed || greeting_) {
        if (greeting_) pending_.append(fresh);
        return;
    }
    if (pumping_) {  // a reply made while the client's bytes are being taken: the outer call goes on with them
        pending_.append(fresh);
        return;
    }
    pumping_ = true;
    std::string held;
    const bool from_pending = !pending_.empty();
    if (from_pending) {
        pending_.append(fresh);
        held.swap(pending_);
        fresh = std::string_view(held).substr(std::exchange(pending_used_, 0));
    }
    std::string_view rest = fresh;
    while (phase_ != phase::closed && (!rest.empty() || again_)) {
        const auto before = rest.size();
        const bool went = step(rest);
        if (went || rest.size() != before) batch_seen_ = 0;
        if (!went) break;
    }
    if (phase_ != phase::closed) {
        flush_to_server();
        if (!rest.empty()) {
            if (from_pending && pending_.empty()) {
                pending_used_ = held.size() - rest.size();  // taken away now and then: there may be much behind it
                if (pending_used_ >= rest.size()) held.erase(0, std::exchange(pending_used_, 0));
                pending_.swap(held);
            } else {
                pending_.insert(0, rest);
            }
        }
    }
    pumping_ = false;
    if (leave_if_resting()) return;
    if (phase_ == phase::closed || !talk_ || phase_ != phase::active || in_reply_ || waits_for_fence_) return;
    const auto* const before = talk_.get();
    const bool was_stalled = stalled_;
    settle_lease();
    // Again only when that has changed what the next message may do: it may be a part that waits for the rest.
    if (phase_ != phase::closed && (!pending_.empty() || again_) &&
        (talk_.get() != before || (was_stalled && !stalled_)))
        pump({});
}

bool session::stream_on(std::string_view& rest) {
    auto& link = talk_->server->link;
    flush_to_server();
    if (link.congested()) return false;
    const auto n = std::min<std::uint64_t>(stream_left_, rest.size());
    link.write(rest.substr(0, n));
    rest.remove_prefix(n);
    stream_left_ -= n;
    return true;
}

bool session::await_copy() {
    auto& talk = *talk_;
    const bool taken = talk.copy_in && !talk.copy_ended;
    const bool waits = !taken && !talk.replies.empty();
    // Without a Sync behind it the server would keep its answer, and we would wait for one another.
    if (waits && !talk.copy_awaited && talk.replies.back().what != expected_reply::kind::query &&
        talk.replies.back().what != expected_reply::kind::sync)
        pg::write_flush(outgoing());
    return talk.copy_awaited = waits;
}

bool session::pass_over(std::string_view& rest) {
    const auto n = std::min<std::uint64_t>(pass_left_, rest.size());
    rest.remove_prefix(n);
    pass_left_ -= n;
    return true;
}

bool session::step_on(std::string_view& rest) {
    if (stream_left_ > 0) return stream_on(rest);
    if (pass_left_ > 0) return pass_over(rest);
    if (copy_left_ > 0) return span_copy_on(rest);
    if (failure_) return fail_front(rest);
    if (waits_for_fence_) return false;
    const bool spans = spanning_ && (!span_busy() || spanning_->across->copying());
    if (phase_ != phase::idle && phase_ != phase::active && !spans) return false;
    if (talk_ && (talk_->barrier || talk_->server->link.congested())) return false;
    pg::frame_header header;
    switch (pg::read_header(rest, header)) {
        case pg::header_state::incomplete:
            return false;
        case pg::header_state::malformed:
            violation("invalid message length");
            return false;
        case pg::header_state::ready:
            break;
    }
    const bool whole = rest.size() >= header.total();
    const auto frame = rest.substr(0, std::min<std::size_t>(rest.size(), header.total()));

    if (spanning_) return span_step(header, frame, whole, rest);
    if (skip_to_sync_ && header.type != 'X') {
        if (!whole) {
            // The body is passed over as it comes, without keeping it.
            pass_left_ = header.total();
            return pass_over(rest);
        }
        rest.remove_prefix(header.total());
        if (header.type == 'S') {
            skip_to_sync_ = false;
            say_ready(status());
        }
        return true;
    }

    if (talk_ && talk_->skipping && header.type != 'X') {
        if (header.type != 'S') {
            pass_left_ = header.total();
            return pass_over(rest);
        }
        if (!whole) return false;
        talk_->skipping = false;
    }
    if (phase_ == phase::idle && header.type != 'X' && wait_for_catalog()) return false;
    if (talk_ && talk_->map_epoch != who_.cluster->now->epoch && leave_old_map()) return true;
    switch (header.type) {
        case 'Q':
            if (!whole && header.total() > who_.cluster->now->max_parse_bytes) {
                send_oversized(header.total(), rest);
                return stream_left_ > 0;
            }
            return whole && on_query(frame, rest);
        case 'P':
        case 'B':
        case 'D':
        case 'E':
        case 'C':
        case 'H':
        case 'S':
            if (phase_ == phase::active) return on_extended(frame, rest);
            return on_extended_idle(rest);
        case 'd':
        case 'c':
        case 'f':
            if (talk_ && await_copy()) return false;
            if (talk_ && talk_->copy_in) {
                if (header.type == 'd') {
                    stream_left_ = header.total();
                    return stream_on(rest);
                }
                if (!whole) return false;
                outgoing().append(frame);
                talk_->copy_ended = true;
            } else {  // left over from a COPY that failed: passed over, as a server does
                pass_left_ = header.total();
                return pass_over(rest);
            }
            rest.remove_prefix(header.total());
            return true;
        case 'F':
            return whole && on_function_call(frame) && (rest.remove_prefix(header.total()), true);
        case 'X':
            close();
            return false;
        default:
            violation(fmt::format("invalid frontend message type {}", static_cast<unsigned char>(header.type)));
            return false;
    }
}

void session::violation(std::string_view what) {
    end_with({config::fault_kind::malformed_message, std::string(what), {}, {}});
}

void session::emit(std::string_view bytes) {
    if (talk_)
        talk_->emitted = true;
    else
        answered_ = clock::now();
    client_.write(bytes);
}

void session::flush_to_server() {
    auto& bytes = outgoing();
    if (bytes.empty()) return;
    if (talk_) talk_->server->link.write(bytes);
    if (bytes.capacity() > 1024 * 1024)
        std::string().swap(bytes);
    else
        bytes.clear();
}

void session::say_ready(char status) {
    std::string out;
    pg::write_ready(out, status);
    emit(out);
}

void session::refuse(const config::fault& why) {
    ++who_.cluster->traffic.refusals;
    std::string out;
    pg::write_error(out, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    emit(out);
}

// ---- counters -------------------------------------------------------------------------------------------------------

void session::start_clocks() {
    auto& talk = *talk_;
    if (!talk.replies.empty()) return;  // it has not been idle in between
    if (talk.served) {
        talk.asked = clock::now();
        if (talk.status == 'I') talk.begun = talk.asked;
    }
    requested_ = talk.asked;
}

void session::log_statement(const router::plan& plan, std::string_view text) const {
    const auto shown = text_for_log(text, plan.shape_text);
    spdlog::info("client {} ({} in {}) from {}:{} on {}: {}", who_.id, who_.user, who_.cluster->now->config.name,
                 who_.address, who_.port, talk_ ? talk_->server->target->address.text() : std::string("several shards"),
                 shown);
}

void session::count_statement(const router::plan& plan, std::string_view text) {
    if (who_.cluster->now->log_queries) log_statement(plan, text);
    auto& traffic = who_.cluster->traffic;
    ++traffic.statements;
    if (plan.placement == router::placement::all_same) return;  // BEGIN, SET and the like read and write nothing
    who_.cluster->load.count(talk_->shard, *who_.cluster->now->map);
    if (plan.need == router::need::primary)
        ++traffic.writes;
    else
        ++(talk_->on_replica ? traffic.reads_on_replica : traffic.reads_on_primary);
}

void session::stop_clocks() {
    answered_ = clock::now();
    const auto since = [this](steady_time then) {
        return static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(answered_ - then).count());
    };
    auto& talk = *talk_;
    auto& traffic = who_.cluster->traffic;
    if (talk.replies.empty()) traffic.statement_microseconds += since(talk.asked);
    if (talk.status != 'I') return;
    ++traffic.transactions;
    traffic.transaction_microseconds += since(talk.begun);
    if (!talk.replies.empty()) talk.begun = answered_;  // the next of the pipeline
}

void session::count_traffic() {
    who_.cluster->traffic.bytes_in += std::exchange(client_.bytes_in, 0);
    who_.cluster->traffic.bytes_out += std::exchange(client_.bytes_out, 0);
}

client_row session::describe() const {
    client_row row;
    row.id = who_.id;
    row.user = who_.user;
    row.cluster = who_.cluster->now->config.name;
    row.address = who_.port == 0                                ? who_.address
                  : who_.address.find(':') == std::string::npos ? fmt::format("{}:{}", who_.address, who_.port)
                                                                : fmt::format("[{}]:{}", who_.address, who_.port);
    for (const auto& [name, value] : told_ ? *told_ : pool::parameter_list{})
        if (name == "application_name") row.application_name = value;
    row.state = reading_          ? "active"
                : spanning_       ? (span_busy() ? "active" : "transaction")
                : waits()         ? "waiting"
                : status() != 'I' ? "transaction"
                : talk_           ? "active"
                                  : "idle";
    row.worker = home_.index;
    row.connected = connected_;
    if (requested_ != steady_time{})
        row.requested = std::chrono::system_clock::now() -
                        std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - requested_);
    if (waits() && !reading_ && !spanning_)
        row.wait_seconds = std::chrono::duration<double>(clock::now() - waiting_since_).count();
    row.tls = who_.tls;
    if (talk_) row.server = fmt::format("{}/{}", talk_->server->target->address.text(), talk_->server->pid);
    if (spanning_) row.server = spanning_->across->where();
    row.pins = pins_;
    if (session_mode_) row.pins.emplace_back("session mode");
    row.prepared_statements = statements_ ? static_cast<std::uint32_t>(statements_->size()) : 0;
    return row;
}

}  // namespace ringway::proxy
