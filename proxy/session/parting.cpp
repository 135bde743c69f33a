// A client that has ended its sending and may still read: `shutdown(SHUT_WR)` behind its last statement. A server
// answers what came before the end and only then closes. A client that is gone looks the same, until something is sent
// to it.

#include <poll.h>

#include "protocol/postgres/message.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// A client that has ended its sending alone has a socket still; one that is gone has reset the connection.
bool is_gone(int socket) noexcept {
    pollfd asked{socket, 0, 0};
    return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

void session::input_ended() {
    if (!still_answers()) return close();
    client_parts_ = true;
    probe_client();
    if (phase_ != phase::closed) home_.watch(shared_from_this());
}

/// Says again what the client knows: one that is gone answers with a reset.
void session::probe_client() {
    if (!told_ || told_->empty() || (talk_ && talk_->relay_left > 0))
        return;  // what flows in mid-message tells as well
    std::string again;
    pg::write_parameter_status(again, told_->front().first, told_->front().second);
    client_.write(again);
}

/// Whether more will come of what the client has sent.
bool session::still_answers() const noexcept {
    if (phase_ == phase::closed || client_.broken()) return false;
    if (greeting_ || client_.kept() > 0 || reading_) return true;
    if (spanning_) return span_busy() && !spanning_->across->copying();
    if (phase_ != phase::active || !talk_) return phase_ != phase::idle || waits_for_fence_;
    if (talk_->barrier || talk_->server->link.congested()) return true;
    if (stream_left_ > 0 || (talk_->copy_in && !talk_->copy_ended)) return false;  // cut off, as by a server
    return owed();
}

/// While the client parts: closes when all has been answered.
void session::part() {
    if (is_gone(client_.descriptor()) || !still_answers()) return close();
    if (!talk_ || phase_ != phase::active || !talk_->open_batch || talk_->at_its_end) return;
    talk_->at_its_end = true;  // no Sync will come: what is to be answered is asked for
    std::string flush;
    pg::write_flush(flush);
    talk_->server->link.write(flush);
}

}  // namespace ringway::proxy
