// From a route to a server connection, and back.

#include <fmt/format.h>

#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

using config::fault;
using config::fault_kind;

namespace {
/// By which bytes a server answers: results are passed on as they come.
constexpr auto framing =
    protocol::mysql::capability::deprecate_eof | protocol::mysql::capability::mariadb_extended_metadata;
}  // namespace

std::uint64_t session::lease_flavour() const {
    return pool::mysql_flavour(capabilities_, !database_.empty());
}

bool session::suits(const lease_wish& to) const {
    if (!talk_ || talk_->shard != to.shard) return false;
    if (in_transaction() || pinned()) return true;
    return (to.need == router::need::any || !talk_->on_replica) && (!to.replica_only || talk_->on_replica);
}

/// True: a lease is held that will do. Else the command is looked at again when there is one, or failure_ is set.
bool session::seek(const lease_wish& to) {
    if (suits(to)) return true;
    if (talk_) release();
    switch (search_.begin(to)) {
        case lease_search::outcome::found:
            if (take(search_.got())) return true;
            again_ = true;
            return false;
        case lease_search::outcome::refused:
            fail_next(search_.why());
            again_ = true;
            return false;
        case lease_search::outcome::waiting:
            phase_ = phase::seeking;
            return false;
    }
    return false;
}

bool session::take(pool::server_ref got) {
    const auto& part = static_cast<const pool::mysql_part&>(*got->part);
    const auto agreed = capabilities_ & framing & ~part.capabilities;
    if (agreed != 0) {  // these servers had not answered yet when the client was greeted
        search_.settled();
        fail_next({fault_kind::cannot_connect,
                   fmt::format("server {} answers in another form than this connection was told at its login",
                               got->target->address.text()),
                   {},
                   "connect again"});
        auto* const home = got->home.get();
        home->give_back(std::move(got));
        return false;
    }
    talk_ = std::make_unique<conversation>(part.capabilities);
    talk_->others_drew = part.sequences;
    talk_->shard = search_.shard();
    talk_->node = search_.node();
    talk_->on_replica = search_.on_replica();
    talk_->asked = requested_ = clock::now();
    search_.settled();
    got->user = this;
    got->client_id = who_.id;
    talk_->server = std::move(got);
    talk_->server->link.want_read();
    return true;
}

void session::lease_found(pool::server_ref got) {
    const auto keep = shared_from_this();
    if (phase_ != phase::seeking) {
        auto* const home = got->home.get();
        return home->give_back(std::move(got));
    }
    phase_ = phase::idle;
    take(std::move(got));
    pump({});
    if (phase_ == phase::idle && talk_) settle();
    want_client();
}

void session::lease_refused(const fault& why) {
    const auto keep = shared_from_this();
    if (phase_ != phase::seeking) return;
    phase_ = phase::idle;
    fail_next(why);
    pump({});
    want_client();
}

void session::hand_back(pool::server_ref server, bool dirty) {
    auto& part = static_cast<pool::mysql_part&>(*server->part);
    server->flavour = (server->flavour & ~pool::flavour_without_database) |
                      (part.database.empty() ? pool::flavour_without_database : 0);
    if (server->doomed || part.spent || part.holds_prepared) {
        auto* const from = server->home.get();
        return from->discard(std::move(server));
    }
    if (dirty || server->reset_needed) return clean(std::move(server));
    if (server->cancels > 0) {
        server->user = nullptr;
        server->parked = true;
        return;
    }
    auto* const home = server->home.get();
    home->give_back(std::move(server));
}

void session::release() {
    auto server = std::move(talk_->server);
    talk_.reset();
    hand_back(std::move(server), false);
}

/// Nothing is under way: the connection goes back unless something keeps it.
void session::settle() {
    if (!talk_ || phase_ != phase::idle) return;
    if (in_transaction() || pinned()) return;
    release();
}

void session::drop_server(bool lost) {
    if (!talk_) return;
    auto server = std::move(talk_->server);
    const bool quiet = phase_ == phase::idle || phase_ == phase::authenticating;
    const bool waiting = phase_ == phase::relaying && !streaming_;
    const bool dirty = in_transaction() || !pins_.empty() || server->reset_needed;
    talk_.reset();
    forget_prepared();
    streaming_ = stream_continues_ = false;
    stream_left_ = 0;
    auto* const home = server->home.get();
    if (lost || server->link.broken() || !quiet) {
        if (!lost && waiting) stop_query(*server);  // so that a long statement and its locks end with the client
        return home->discard(std::move(server));
    }
    hand_back(std::move(server), dirty);
}

/// The connection has ended. What the client had on it is gone: without it, it would go on outside its transaction.
void session::server_lost(const std::string& why) {
    const bool bound = in_transaction() || pinned() || stream_left_ > 0 || streaming_;
    const bool own = phase_ == phase::own;
    const bool relaying = phase_ == phase::relaying;
    const auto address = talk_->server->target->address;
    home_.owner.node_failed(who_.cluster->now->configured_as, address, why);
    const bool again = relaying && now_.replayable && !now_.emitted && !bound && !now_.retained.empty();
    const bool preparing = talk_->preparing;
    drop_server(true);
    phase_ = phase::idle;
    if (again || (own && !bound)) {  // ours: the client's command has not been sent yet, or has been answered
        if (again) pending_.insert(0, now_.retained), now_.retained.clear(), ++who_.cluster->traffic.retries;
        pump({});
        return want_client();
    }
    const fault lost{fault_kind::server_lost,
                     "Lost connection to MySQL server during query",
                     fmt::format("{}: {}", address.text(), why),
                     {}};
    if (bound || (relaying && now_.emitted)) {
        if (relaying ? !now_.emitted : preparing) refuse(lost, relaying ? now_.sequence : std::uint8_t{1});
        return close();
    }
    if (relaying) refuse(lost, now_.sequence);
    pump({});
    want_client();
}

void session::node_left(std::uint16_t shard, int node, const std::string& why) {
    const auto keep = shared_from_this();
    search_.node_left(shard, node);
    if (talk_ && phase_ == phase::relaying && talk_->shard == shard && talk_->node == node && !in_transaction() &&
        now_.replayable && !now_.emitted && !pinned())
        server_lost(why);
}

void session::primary_moved(std::uint16_t shard, int primary) {
    const auto keep = shared_from_this();
    search_.primary_moved(shard, primary);
    if (talk_ && talk_->shard == shard && talk_->node != primary && !talk_->on_replica)
        server_lost(fmt::format("{} is not the primary any more", talk_->server->target->address.text()));
}

}  // namespace ringway::proxy::mysql
