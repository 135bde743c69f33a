#include "proxy/admin/connection.hpp"

#include <openssl/rand.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "proxy/admin/session.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::admin {

namespace {

constexpr std::size_t control_threads = 2;
constexpr auto between_looks = std::chrono::milliseconds(20);  ///< at a PAUSE that waits
constexpr std::size_t authentication_ok_size = 9;

/// One client of the admin port. Keeps itself alive while its link is open or its command is under way.
class client final : public pool::wire_owner, public std::enable_shared_from_this<client> {
  public:
    client(worker& home, desk& of) : home_(home), desk_(of) {}

    void start(admitted_client from) {
        std::string out = std::move(from.replies);
        out.resize(out.size() - authentication_ok_size);  // write_greeting begins with it
        std::uint32_t pid = 0;
        std::string key(4, '\0');
        RAND_bytes(reinterpret_cast<unsigned char*>(&pid), sizeof pid);
        RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size()));
        std::string application_name;
        for (const auto& [name, value] : from.settings)
            if (name == "application_name") application_name = value;
        link_.open(*home_.loop, std::move(from.socket), this);
        self_ = shared_from_this();
        if (from.tls) link_.start_tls(std::move(from.tls));
        write_greeting(out, pid & 0x7fffffff, key, application_name);
        link_.write(out);
        feed(from.early);
    }

    void wire_readable(pool::wire&) override {
        const auto keep = shared_from_this();
        std::string_view bytes;
        for (;;) {
            if (!conversation_.wants_input()) return;  // goes on when the command is done
            const auto got = link_.read(bytes);
            if (got == pool::wire::got::end) return end();
            if (got == pool::wire::got::would_block) return link_.want_read();
            feed(bytes);
            if (!link_.is_open()) return;
        }
    }
    void wire_drained(pool::wire&) override {}
    void wire_broken(pool::wire&) override { end(); }

  private:
    void end() {
        link_.close_after_write();
        self_.reset();  // the caller still holds one
    }

    void feed(std::string_view bytes) {
        std::string out;
        conversation_.feed(bytes, out);
        after(out);
    }

    void after(const std::string& out) {
        link_.write(out);
        if (conversation_.closed()) return end();
        if (conversation_.pending() && !running_) run();
        if (conversation_.wants_input()) link_.want_read();
    }

    void run() {
        running_ = true;
        boost::asio::post(*desk_.threads, [self = shared_from_this(), what = *conversation_.pending()] {
            const auto began = std::chrono::steady_clock::now();
            self->finish(what, began, std::make_shared<result>(self->desk_.commands.run(what)));
        });
    }

    /// On a control thread. A PAUSE that waits is looked at again later: kept on the thread it would hold up the RESUME
    /// that ends it.
    void finish(const command& what, std::chrono::steady_clock::time_point began, std::shared_ptr<result> given) {
        if (!desk_.commands.done(what, began, *given)) {
            auto timer = std::make_shared<boost::asio::steady_timer>(*desk_.threads, between_looks);
            timer->async_wait([self = shared_from_this(), timer, what, began, given](const auto& error) {
                if (!error) self->finish(what, began, given);
            });
            return;
        }
        home_.post([self = shared_from_this(), given] {
            self->running_ = false;
            if (!self->link_.is_open()) return;
            std::string out;
            self->conversation_.complete(std::move(*given), out);
            self->after(out);
        });
    }

    worker& home_;
    desk& desk_;
    pool::wire link_;
    session conversation_;
    bool running_ = false;
    std::shared_ptr<client> self_;  ///< while the link is open
};

}  // namespace

desk::desk(inventory& of) : commands(of), threads(std::in_place, control_threads) {}

void desk::serve(worker& home, admitted_client from) {
    std::make_shared<client>(home, *this)->start(std::move(from));
}

void desk::stop() {
    threads->stop();
    threads->join();
}

void desk::forget() {
    threads.reset();
}

}  // namespace ringway::proxy::admin
