#include "proxy/mysql/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocol/mysql/reply.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault;
using config::fault_kind;

namespace {

/// Client bytes kept while they cannot be used; past this the socket is not read.
constexpr std::size_t most_pending = 256 * 1024;

pool::settings_ref first_settings(std::uint16_t collation, const pool::server_traits& servers) {
    auto out = settings_at_login(collation, servers);
    if (!out) out = settings_at_login(servers.collation, servers);
    return out ? out : pool::mysql_base_settings();
}

}  // namespace

session::session(worker& home, client_identity who, admitted& from)
    : home_(home),
      who_(std::move(who)),
      session_mode_(who_.session_mode),
      search_(home, who_, *this),
      capabilities_(from.capabilities),
      server_traits_(from.server),
      database_(std::move(from.database)),
      connected_(std::chrono::system_clock::now()),
      answered_(clock::now()) {
    first_database_ = database_;
    collation_ = from.collation;
    settings_ = base_ = first_settings(collation_, server_traits_);
}

session::~session() = default;

void session::start(admitted& from) {
    client_.open(*home_.loop, std::move(from.socket), this);
    if (from.tls) client_.start_tls(std::move(from.tls));
    home_.add_session(shared_from_this());
    send_ok(from.sequence);
    if (const auto method = my::compressed_link::method_of(capabilities_))
        packed_ = std::make_unique<my::compressed_link>(*method, from.zstd_level);
    if (!from.early.empty()) take_in(from.early);
    want_client();
}

void session::close() {
    if (phase_ == phase::closed) return;
    const auto keep = shared_from_this();
    search_.cancel();
    client_.close_after_write();
    drop_server(false);
    phase_ = phase::closed;
    who_.cluster->traffic.bytes_in += std::exchange(client_.bytes_in, 0);
    who_.cluster->traffic.bytes_out += std::exchange(client_.bytes_out, 0);
    home_.remove_session(*this);
}

void session::end_with(const fault& why) {
    if (phase_ == phase::closed) return;
    const bool midway = phase_ == phase::relaying && now_.emitted;  // else it would be read as part of a row
    if (!midway) refuse(why, phase_ == phase::relaying ? now_.sequence : std::uint8_t{1});
    close();
}

void session::drain() {
    draining_ = true;
    leave_if_resting();
}

bool session::leave_if_resting() {
    if (!draining_ || pumping_ || phase_ != phase::idle || in_transaction() || !pending_.empty()) return false;
    end_with({fault_kind::shutting_down, "Server shutdown in progress", {}, {}});
    return true;
}

void session::cancel_running(const cancel_waiter&) {
    if (search_.under_way()) {
        if (!search_.cancel()) return;
        phase_ = phase::idle;
        fail_next({fault_kind::canceled, "Query execution was interrupted", {}, {}});
        pump({});
    } else if (talk_ && phase_ == phase::relaying) {
        stop_query(*talk_->server);
    }
}

void session::end_if_idle(steady_time now, config::milliseconds most, config::milliseconds most_in_transaction) {
    if (phase_ != phase::idle || !pending_.empty()) return;
    const auto limit = in_transaction() ? most_in_transaction : most;
    if (limit.count() == 0 || now - answered_ < limit) return;
    end_with({in_transaction() ? fault_kind::idle_transaction : fault_kind::idle_session,
              "The client was disconnected by the server because of inactivity",
              {},
              {}});
}

void session::tick(steady_time now) {
    const auto keep = shared_from_this();
    if (phase_ != phase::holding) return search_.tick(now);
    if (again_at_ != steady_time{} ? now < again_at_ : !catalog_is_current() && now < catalog_until_) return;
    again_at_ = {};
    phase_ = phase::idle;
    pump({});
    want_client();
}

std::uint16_t session::status() const noexcept {
    const auto* off = settings_->find("autocommit");
    std::uint16_t out = off && *off == "'OFF'" ? std::uint16_t{0} : my::status::autocommit;
    if (in_transaction()) out |= my::status::in_transaction;
    return out;
}

/// The greeting came before the client had named its cluster: how its texts are read and what its servers can may be
/// otherwise.
void session::learn_servers() {
    const auto* const health = who_.cluster->health.get();
    if (knows_servers_ || !health || health->shards.empty()) return;
    const auto& shard = health->shards.front();
    const auto told = [](const pool::node_health& each) { return !each.traits.version.empty(); };
    auto found = std::find_if(shard.nodes.begin(), shard.nodes.end(), told);
    if (shard.primary >= 0 && told(shard.nodes[static_cast<std::size_t>(shard.primary)]))
        found = shard.nodes.begin() + shard.primary;
    if (found == shard.nodes.end()) return;
    knows_servers_ = true;
    if (server_traits_ == found->traits) return;
    server_traits_ = found->traits;
    auto base = first_settings(collation_, server_traits_);
    if (settings_ == base_) settings_ = base;
    base_ = std::move(base);
}

router::mysql_modes session::modes_of(const pool::session_settings& settings) const {
    router::mysql_modes out;
    const auto& version = server_traits_.version;
    out.mariadb = is_mariadb();
    out.folds_tables = server_traits_.folds_tables;
    auto number = std::string_view(version);
    if (number.starts_with("5.5.5-")) number.remove_prefix(6);
    std::uint32_t parts[3] = {0, 0, 0}, at = 0;
    for (const char c : number) {
        if (c >= '0' && c <= '9')
            parts[at] = parts[at] * 10 + static_cast<std::uint32_t>(c - '0');
        else if (c != '.' || ++at == 3)
            break;
    }
    out.version = parts[0] * 10000 + parts[1] * 100 + parts[2];
    if (const auto* mode = settings.find("sql_mode")) set_sql_mode(out, *mode);
    if (const auto* charset = settings.find("character_set_client"); charset && charset->size() > 2)
        out.charset = router::mysql_charset_of(std::string_view(*charset).substr(1, charset->size() - 2));
    out.ignore_space |= my::capability::has(capabilities_, my::capability::ignore_space);
    return out;
}

// ---- the client's bytes ---------------------------------------------------------------------------------------------

void session::wire_readable(pool::wire&) {
    const auto keep = shared_from_this();
    for (int rounds = 0; rounds < 16 && phase_ != phase::closed; ++rounds) {
        if (!may_read()) return;  // what it waits for resumes reading
        std::string_view bytes;
        switch (client_.read(bytes)) {
            case pool::wire::got::end:
                return close();
            case pool::wire::got::would_block:
                return want_client();
            case pool::wire::got::bytes:
                break;
        }
        const bool full = bytes.size() == pool::scratch_space::size;
        take_in(bytes);
        if (!full) break;
    }
    if (phase_ != phase::closed) want_client();
}

bool session::may_read() const noexcept {
    if (phase_ == phase::closed || (talk_ && talk_->server->link.congested())) return false;
    const bool taking = phase_ == phase::idle || phase_ == phase::authenticating || stream_left_ > 0 ||
                        stream_continues_ || (talk_ && talk_->file);
    return taking || pending_.size() < most_pending;
}

void session::want_client() {
    if (packed_ && packed_->waiting()) take_in({});
    if (may_read()) client_.want_read();
}

/// Bytes as they came from the client. What is compressed is opened as far as it can be used.
void session::take_in(std::string_view wire) {
    if (!packed_) return pump(wire);
    packed_->feed(wire);
    if (opening_ || pumping_) return;  // the outer call goes on with them
    opening_ = true;
    while (phase_ != phase::closed && may_read() && packed_->waiting()) {
        std::string_view plain;
        if (!packed_->next(plain)) {
            violation(1157, "Couldn't uncompress communication packet");
            break;
        }
        if (!plain.empty()) pump(plain);
    }
    opening_ = false;
}

void session::wire_drained(pool::wire&) {
    if (talk_) talk_->server->link.want_read();
}

void session::pump(std::string_view fresh) {
    if (phase_ == phase::closed) return;
    if (pumping_) {  // the outer call goes on with them
        pending_.append(fresh);
        again_ = true;
        return;
    }
    pumping_ = true;
    do {
        again_ = false;
        std::string held;
        const bool from_pending = !pending_.empty();
        if (from_pending) {
            pending_.append(fresh);
            held.swap(pending_);
            fresh = held;
        }
        std::string_view rest = fresh;
        while (phase_ != phase::closed && !rest.empty() && step(rest)) {
        }
        if (phase_ != phase::closed && !rest.empty()) {
            if (from_pending && pending_.empty()) {
                held.erase(0, held.size() - rest.size());
                pending_.swap(held);
            } else {
                pending_.insert(0, rest);
            }
        }
        fresh = {};
    } while (again_ && phase_ != phase::closed && !pending_.empty());
    pumping_ = false;
    leave_if_resting();
}

/// The rest of a message that goes to the server as it comes.
bool session::stream_on(std::string_view& rest) {
    auto& link = talk_->server->link;
    if (link.congested()) return false;
    if (stream_left_ == 0) {  // the next packet of the same message
        my::packet_header header;
        if (!my::read_header(rest, header)) return false;
        stream_left_ = header.total();
        stream_continues_ = header.continued();
        now_.sequence = static_cast<std::uint8_t>(header.sequence + 1);
    }
    const auto n = std::min<std::uint64_t>(stream_left_, rest.size());
    link.write(rest.substr(0, n));
    rest.remove_prefix(n);
    stream_left_ -= n;
    if (packed_) packed_->answer();
    if (stream_left_ == 0 && !stream_continues_) {
        streaming_ = false;
        if (!my::has_reply(now_.what)) finish_command();
    }
    return true;
}

/// LOAD DATA LOCAL: the client's packets go on until an empty one.
bool session::pass_file(std::string_view& rest) {
    auto& link = talk_->server->link;
    if (link.congested()) return false;
    if (stream_left_ == 0) {
        my::packet_header header;
        if (!my::read_header(rest, header)) return false;
        stream_left_ = header.total();
        if (header.length == 0) {
            talk_->file = false;
            talk_->tracker.file_sent();
        }
        if (packed_) {  // whose numbers follow those of the packets around them
            std::string head(rest.substr(0, my::header_size));
            head[my::header_size - 1] = static_cast<char>(talk_->file_sequence++);
            link.write(head);
            rest.remove_prefix(head.size());
            stream_left_ -= head.size();
            packed_->answer();
            return true;
        }
    }
    if (packed_) packed_->answer();
    const auto n = std::min<std::uint64_t>(stream_left_, rest.size());
    link.write(rest.substr(0, n));
    rest.remove_prefix(n);
    stream_left_ -= n;
    return true;
}

bool session::pass_over(std::string_view& rest) {
    const auto n = std::min<std::uint64_t>(pass_left_, rest.size());
    rest.remove_prefix(n);
    pass_left_ -= n;
    if (packed_) packed_->answer();
    return true;
}

bool session::step(std::string_view& rest) {
    if (streaming_) return stream_on(rest);
    if (talk_ && (talk_->file || (phase_ == phase::relaying && stream_left_ > 0))) return pass_file(rest);
    if (pass_left_ > 0) return pass_over(rest);
    if (phase_ != phase::idle && phase_ != phase::authenticating) return false;
    my::packet_header header;
    if (!my::read_header(rest, header)) return false;
    if (packed_) packed_->answer();
    if (phase_ == phase::authenticating) {
        if (header.length > most_pending)
            return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
        if (rest.size() < header.total()) return false;
        const auto payload = rest.substr(my::header_size, header.length);
        if (!go_on_changing(payload, static_cast<std::uint8_t>(header.sequence + 1))) return false;
        rest.remove_prefix(header.total());
        return true;
    }
    if (header.sequence != 0) return violation(1156, "Got packets out of order"), false;
    if (header.length == 0) return violation(1105, "Unknown error"), false;
    if (rest.size() <= my::header_size) return false;
    const auto what = static_cast<my::command>(rest[my::header_size]);
    if (what == my::command::quit) return close(), false;
    if (failure_) {  // of the command in front
        const auto why = std::move(*failure_);
        failure_.reset();
        send_error(why.code, why.sqlstate, why.message, 1);
        pass_left_ = header.total();
        if (header.continued()) return violation(1153, "Got a packet bigger than 'max_allowed_packet' bytes"), false;
        return pass_over(rest);
    }
    learn_servers();
    if (talk_ && talk_->server->link.congested()) return false;
    const bool longer = header.total() > who_.cluster->now->max_parse_bytes;
    const bool whole = rest.size() >= header.total();
    if (longer || header.continued()) return begin_stream(what, header, rest);
    if (!whole) return false;
    const auto packets = rest.substr(0, header.total());
    if (!take_command(packets, packets.substr(my::header_size))) return false;
    if (phase_ == phase::closed) return false;
    rest.remove_prefix(packets.size());
    return true;
}

// ---- the client's answers -------------------------------------------------------------------------------------------

void session::emit(std::string_view bytes) {
    now_.emitted = true;
    answered_ = clock::now();
    client_.write(packed_ ? packed_->seal(bytes) : bytes);
}

void session::send_ok(std::uint8_t sequence) {
    std::string out;
    my::ok_reply ok;
    ok.status = status();
    my::write_ok(out, sequence, ok, capabilities_);
    emit(out);
}

void session::send_error(std::uint16_t number, std::string_view sqlstate, std::string_view message,
                         std::uint8_t sequence) {
    std::string out;
    my::write_error(out, sequence, {number, sqlstate, message}, capabilities_);
    emit(out);
    note_own_error(number, message);
}

namespace {

my::reply_tracker::failure spoken(const fault& why) {
    const auto number = config::mysql_number(why.kind);
    auto message = why.message;
    if (!why.detail.empty()) message += fmt::format(" ({})", why.detail);
    if (!why.hint.empty()) message += fmt::format("; hint: {}", why.hint);
    return {number, std::string(mysql_sqlstate(number)), std::move(message)};
}

}  // namespace

void session::refuse(const fault& why, std::uint8_t sequence) {
    ++who_.cluster->traffic.refusals;
    const auto said = spoken(why);
    send_error(said.code, said.sqlstate, said.message, sequence);
}

void session::fail_next(const fault& why) {
    ++who_.cluster->traffic.refusals;
    failure_ = spoken(why);
}

void session::violation(std::uint16_t number, std::string_view message) {
    send_error(number, "08S01", message, 1);
    close();
}

std::string_view mysql_sqlstate(std::uint16_t number) noexcept {
    switch (number) {
        case 1040:
            return "08004";
        case 1044:
        case 1049:
        case 1064:
        case 1231:
        case 1235:
            return "42000";
        case 1045:
            return "28000";
        case 1048:
            return "23000";
        case 1053:
        case 1158:
        case 1153:
        case 1835:
            return "08S01";
        case 1317:
            return "70100";
        default:
            return "HY000";
    }
}

client_row session::describe() const {
    client_row row;
    row.id = who_.id;
    row.user = who_.user;
    row.cluster = who_.cluster->now->config.name;
    row.address = who_.port == 0                                ? who_.address
                  : who_.address.find(':') == std::string::npos ? fmt::format("{}:{}", who_.address, who_.port)
                                                                : fmt::format("[{}]:{}", who_.address, who_.port);
    row.state = needs_ticks() ? "waiting" : in_transaction() ? "transaction" : talk_ ? "active" : "idle";
    row.worker = home_.index;
    row.connected = connected_;
    if (requested_ != steady_time{})
        row.requested = std::chrono::system_clock::now() -
                        std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - requested_);
    if (search_.under_way()) row.wait_seconds = std::chrono::duration<double>(clock::now() - search_.since()).count();
    row.tls = who_.tls;
    if (talk_) row.server = fmt::format("{}/{}", talk_->server->target->address.text(), talk_->server->pid);
    row.pins = pins_;
    if (session_mode_) row.pins.emplace_back("session mode");
    row.prepared_statements = statements_ ? static_cast<std::uint32_t>(statements_->size()) : 0;
    return row;
}

}  // namespace ringway::proxy::mysql
