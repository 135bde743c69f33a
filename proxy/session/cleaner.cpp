#include "proxy/session/cleaner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "pool/pool.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/arm.hpp"

namespace ringway::proxy {

namespace asio = boost::asio;
namespace pg = protocol::postgres;

namespace {

constexpr auto longest_cleaning = std::chrono::seconds(5);

/// Holds the lease while the connection is being cleaned; its timer's handler keeps it alive until then.
class cleaner final : public pool::lessee, public std::enable_shared_from_this<cleaner> {
  public:
    cleaner(pool::server_ref what, bool discard)
        : server_(std::move(what)), timer_(*server_->on->io), discard_(discard) {}

    void start() {
        server_->user = this;
        std::string out;
        pg::write_query(out, "ROLLBACK");
        owed_ = 1;
        if (discard_) {
            pg::write_query(out, "DISCARD ALL");
            owed_ = 2;
        }
        server_->link.write(out);
        server_->link.want_read();
        timer_.expires_after(longest_cleaning);
        timer_.async_wait([keep = shared_from_this()](const boost::system::error_code& error) {
            if (!error) keep->end(false);
        });
    }

    void server_readable(pool::server&) override {
        const auto keep = shared_from_this();
        std::string_view bytes;
        while (working_) {
            const auto got = server_->link.read(bytes);
            if (got == pool::wire::got::end) return end(false);
            if (got == pool::wire::got::would_block) return server_->link.want_read();
            carry_.append(bytes);
            take();
        }
    }
    void server_drained(pool::server&) override {}
    void server_broken(pool::server&) override { end(false); }

  private:
    void take() {
        pg::frame_header header;
        std::size_t done = 0;
        while (working_ && pg::read_header(std::string_view(carry_).substr(done), header) == pg::header_state::ready &&
               carry_.size() - done >= header.total()) {
            const char type = carry_[done];
            const char status = type == 'Z' ? carry_[done + pg::header_size] : 'I';
            if (type == 'S')  // what is discarded has its old value again
                note_parameter(*server_, std::string_view(carry_).substr(done + pg::header_size, header.body()));
            done += header.total();
            if (type == 'E') return end(false);
            if (type == 'Z' && (status != 'I' || --owed_ == 0)) return end(status == 'I');
        }
        carry_.erase(0, done);
    }

    void end(bool clean) {
        if (!working_) return;
        working_ = false;
        const auto keep = shared_from_this();  // the timer's handler lets go of it
        timer_.cancel();
        auto server = std::move(server_);
        auto* home = server->home.get();
        if (!clean) return home->discard(std::move(server));
        server->unnamed.reset();
        if (discard_) {
            server->statements.clear();
            server->unnamed.reset();
            server->settings = pool::session_settings::none();
            server->reset_needed = false;
        }
        server->user = nullptr;
        if (server->cancels > 0) {
            server->parked = true;
            return;
        }
        home->give_back(std::move(server));
    }

    pool::server_ref server_;
    asio::steady_timer timer_;
    bool working_ = true;
    std::string carry_;
    int owed_ = 0;
    bool discard_;
};

}  // namespace

void clean(pool::server_ref what, bool discard) {
    std::make_shared<cleaner>(std::move(what), discard)->start();
}

void stop_query(pool::server& what, std::shared_ptr<const void> until) {
    ++what.cancels;
    auto self = what.shared_from_this();
    auto work = pool::send_cancel(*what.on->io, what.target, what.pid, what.key);
    asio::co_spawn(*what.on->io, std::move(work),
                   [self, until = std::move(until)](const std::exception_ptr& thrown, bool sent) {
                       --self->cancels;
                       if (thrown || !sent)
                           self->doomed = true;  // it may still arrive: nobody else may get this connection
                       if (self->cancels == 0 && self->parked) {
                           self->parked = false;
                           auto* home = self->home.get();
                           home->give_back(self);
                       }
                   });
}

}  // namespace ringway::proxy
