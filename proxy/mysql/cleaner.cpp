// What happens to a connection whose client has left something on it.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include "pool/mysql_server.hpp"
#include "pool/pool.hpp"
#include "protocol/mysql/command.hpp"
#include "proxy/mysql/session.hpp"

namespace ringway::proxy::mysql {

namespace asio = boost::asio;
namespace my = protocol::mysql;

namespace {

constexpr auto longest_cleaning = std::chrono::seconds(5);

/// Holds the lease while the connection is reset; its timer's handler keeps it alive until then.
class cleaner final : public pool::lessee, public std::enable_shared_from_this<cleaner> {
  public:
    explicit cleaner(pool::server_ref what)
        : server_(std::move(what)),
          part_(static_cast<pool::mysql_part&>(*server_->part)),
          timer_(*server_->on->io),
          tracker_(part_.capabilities) {}

    void start() {
        server_->user = this;
        std::string out;
        std::uint8_t sequence = 0;
        my::write_command(out, sequence, my::command::reset_connection);
        tracker_.begin(my::command::reset_connection);
        server_->link.write_command(out);
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
            tracker_.take(bytes);
            if (tracker_.now() == my::reply_tracker::state::broken) return end(false);
            if (tracker_.now() == my::reply_tracker::state::done) next();
        }
    }
    void server_drained(pool::server&) override {}
    void server_broken(pool::server&) override { end(false); }

  private:
    /// A reset undoes the database and what the connection tells of its session: both are set anew.
    void next() {
        if (tracker_.error().code != 0) return end(false);
        if (step_ == 2) return end(true);
        std::string out;
        std::uint8_t sequence = 0;
        if (step_++ == 0) {
            my::write_command(out, sequence, my::command::query, tracking_with_base());
        } else {
            if (part_.database.empty()) return end(true);
            my::write_command(out, sequence, my::command::init_db, part_.database);
        }
        tracker_.begin(static_cast<my::command>(out[my::header_size]));
        server_->link.write_command(out);
    }

    static std::string tracking_with_base() {
        std::string sql(pool::mysql_tracking_statement);
        for (const auto& [name, value] : pool::mysql_base_settings()->entries())
            sql.append(", @@SESSION.").append(name).append("=").append(value);
        return sql;
    }

    void end(bool clean) {
        if (!working_) return;
        working_ = false;
        const auto keep = shared_from_this();  // the timer's handler lets go of it
        timer_.cancel();
        auto server = std::move(server_);
        auto* const home = server->home.get();
        if (!clean) return home->discard(std::move(server));
        server->statements.clear();
        part_.statements.clear();
        part_.drawn = part_.sequences = false;
        server->settings = pool::mysql_base_settings();
        server->reset_needed = false;
        server->user = nullptr;
        if (server->cancels > 0) {
            server->parked = true;
            return;
        }
        home->give_back(std::move(server));
    }

    pool::server_ref server_;
    pool::mysql_part& part_;
    asio::steady_timer timer_;
    bool working_ = true;
    my::reply_tracker tracker_;
    int step_ = 0;
};

}  // namespace

void clean(pool::server_ref what) {
    if (!static_cast<pool::mysql_part&>(*what->part).can_reset) {
        auto* const home = what->home.get();
        return home->discard(std::move(what));
    }
    std::make_shared<cleaner>(std::move(what))->start();
}

void stop_query(pool::server& what) {
    ++what.cancels;
    auto self = what.shared_from_this();
    auto work = pool::mysql_kill_query(*what.on->io, what.target, what.pid, false);
    asio::co_spawn(*what.on->io, std::move(work), [self](const std::exception_ptr& thrown, bool sent) {
        --self->cancels;
        if (thrown || !sent) self->doomed = true;  // it may still arrive: nobody else may get this connection
        if (self->cancels == 0 && self->parked) {
            self->parked = false;
            auto* const home = self->home.get();
            home->give_back(self);
        }
    });
}

}  // namespace ringway::proxy::mysql
