#include "proxy/session/arm.hpp"

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/told_types.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

void give_back(pool::server_ref what) {
    what->unnamed.reset();
    if (what->cancels > 0) {
        what->user = nullptr;
        what->parked = true;
        return;
    }
    auto* home = what->home.get();
    home->give_back(std::move(what));
}

}  // namespace

bool arm::lease(std::shared_ptr<pool::pool> from, int node_index) {
    waiting_in_ = std::move(from);
    node = node_index;
    auto got = waiting_in_->acquire(shared_from_this(), home_);
    if (!got) return false;
    take(std::move(got));
    return true;
}

void arm::take(pool::server_ref got) {
    waiting_in_.reset();
    got->user = this;
    got->client_id = all_->arm_client();
    server = std::move(got);
}

void arm::send(const std::string& bytes, int ready) {
    owed += ready;
    const auto* types = all_ ? all_->arm_types() : nullptr;
    const auto changed = types && types->differs(shard) ? messages_on(bytes, *types, shard) : std::string();
    server->link.write(changed.empty() ? bytes : changed);
    server->link.want_read();
}

void arm::read_on() {
    if (server) server->link.want_read();
}

void arm::leave(bool dirty) {
    all_ = nullptr;
    if (waiting_in_) waiting_in_->cancel_wait(*this);
    waiting_in_.reset();
    if (!server) return;
    auto gone = std::exchange(server, nullptr);
    const bool fit = owed == 0 && !gone->link.broken();
    if (fit && status == 'I' && !dirty) return give_back(std::move(gone));
    if (fit) return clean(std::move(gone), dirty);
    if (owed > 0 && !gone->link.broken()) stop_query(*gone);
    auto* home = gone->home.get();
    home->discard(std::move(gone));
}

void arm::server_readable(pool::server& from) {
    const auto keep = shared_from_this();
    const auto all = all_ ? all_->arm_keep() : nullptr;
    const auto mine = server;
    for (int rounds = 0; all_ && rounds < 16; ++rounds) {
        std::string_view bytes;
        const auto got = from.link.read(bytes);
        if (got == pool::wire::got::end) return all_->arm_lost(*this, "the server closed the connection");
        if (got == pool::wire::got::would_block) break;
        const bool full = bytes.size() == pool::scratch_space::size;
        take_frames(bytes);
        if (!all_ || server != mine || !all_->arm_may_read(*this)) return;
        if (!full) break;
    }
    if (all_ && server == mine) from.link.want_read();
}

void arm::server_drained(pool::server&) {
    if (all_) all_->arm_drained(*this);
}

void arm::server_broken(pool::server& from) {
    const auto keep = shared_from_this();
    server_readable(from);  // a FATAL tells why
    if (all_ && server.get() == &from) all_->arm_lost(*this, "the connection to the server broke");
}

void arm::leased(pool::server_ref got) {
    const auto keep = shared_from_this();
    if (!all_) {
        auto* home = got->home.get();
        return home->give_back(std::move(got));
    }
    const auto all = all_->arm_keep();
    take(std::move(got));
    all_->arm_leased(*this);
}

void arm::lease_failed(const config::fault& why) {
    const auto keep = shared_from_this();
    if (!all_) return;
    const auto all = all_->arm_keep();
    waiting_in_.reset();
    all_->arm_refused(*this, why);
}

void arm::take_frames(std::string_view bytes) {
    std::string held;
    if (!carry_.empty()) {
        held.swap(carry_);
        held.append(bytes);
        bytes = held;
    }
    pg::frame_header header;
    std::size_t at = 0;
    while (all_ && server) {
        const auto rest = bytes.substr(at);
        const auto state = pg::read_header(rest, header);
        if (state == pg::header_state::malformed) return all_->arm_lost(*this, "the server sent what nobody asked for");
        if (state != pg::header_state::ready || rest.size() < header.total()) break;
        const auto frame = rest.substr(0, header.total());
        at += frame.size();
        if (header.type == 'S') note_parameter(*server, frame.substr(pg::header_size));
        const auto* types = names_types(header.type) ? all_->arm_types() : nullptr;
        const auto told = types && types->differs(shard) ? told_types(frame, *types, shard) : std::string();
        all_->arm_frame(*this, header.type, told.empty() ? frame : std::string_view(told));
    }
    if (all_ && server && at == 0 && !held.empty())
        carry_.swap(held);  // of a large message, read by read: not copied each time
    else if (all_ && server)
        carry_.assign(bytes.substr(at));
    if (all_) all_->arm_flush();
}

void note_parameter(pool::server& of, std::string_view body) {
    pg::reader in(body);
    const auto name = in.text(), value = in.text();
    of.note_parameter(name, value);
}

}  // namespace ringway::proxy
