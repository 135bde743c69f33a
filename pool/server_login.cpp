#include "pool/server_login.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "protocol/postgres/message.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/startup.hpp"

namespace ringway::pool {

namespace asio = boost::asio;
namespace pg = protocol::postgres;
using asio::ip::tcp;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::size_t most_login_bytes =
    256 * 1024;  ///< a server that talks more than this before it is ready is broken

/// The socket of a login under way: plain or encrypted reads and writes, ended by one timer.
class dialogue {
  public:
    dialogue(asio::io_context& on, const server_target& target)
        : socket_(on.get_executor()), timer_(on), target_(target) {}

    asio::awaitable<std::optional<fault>> connect() {
        timer_.expires_after(target_.connect_timeout);
        timer_.async_wait([this, state = deadline_](const boost::system::error_code& error) {
            if (error || state->gone) return;
            state->passed = true;
            boost::system::error_code ignored;
            socket_.close(ignored);
        });
        boost::system::error_code error;
        std::vector<tcp::endpoint> endpoints;
        const auto numeric = asio::ip::make_address(target_.address.host, error);
        if (!error) {
            endpoints.emplace_back(numeric, target_.address.port);
        } else {
            tcp::resolver resolver(socket_.get_executor());
            auto token = asio::redirect_error(asio::use_awaitable, error);
            const auto found =
                co_await resolver.async_resolve(target_.address.host, std::to_string(target_.address.port), token);
            if (error) co_return trouble(error);
            for (const auto& entry : found) endpoints.push_back(entry.endpoint());
        }
        auto token = asio::redirect_error(asio::use_awaitable, error);
        for (const auto& endpoint : endpoints) {
            if (timed_out()) break;
            boost::system::error_code ignored;
            socket_.close(ignored);
            co_await socket_.async_connect(endpoint, token);
            if (!error) break;
        }
        if (error || timed_out()) co_return trouble(error);
        socket_.set_option(tcp::no_delay(true), error);
        socket_.set_option(asio::socket_base::keep_alive(true), error);
        co_return std::nullopt;
    }

    asio::awaitable<std::optional<fault>> send(std::string bytes) {
        if (tls_) {
            std::string sealed;
            tls_->encrypt(bytes, sealed);
            bytes = std::move(sealed);
        }
        boost::system::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await asio::async_write(socket_, asio::buffer(bytes), token);
        if (error) co_return trouble(error);
        co_return std::nullopt;
    }

    /// Appends what arrives next to plain().
    asio::awaitable<std::optional<fault>> receive() {
        const auto before = plain_.size();
        while (plain_.size() == before) {
            boost::system::error_code error;
            auto token = asio::redirect_error(asio::use_awaitable, error);
            const std::size_t n = co_await socket_.async_read_some(asio::buffer(raw_), token);
            if (error) co_return trouble(error);
            const std::string_view bytes(raw_.data(), n);
            if (!tls_) {
                plain_.append(bytes);
            } else {
                std::string answer;
                const auto status = tls_->decrypt(bytes, plain_, answer);
                if (!answer.empty()) co_await asio::async_write(socket_, asio::buffer(answer), token);
                const bool over =
                    status == protocol::tls_engine::status::failed || status == protocol::tls_engine::status::closed;
                if (over && plain_.size() == before)  // else its last words, which came with the end, are heard first
                    co_return fault{fault_kind::cannot_connect,
                                    fmt::format("TLS to {} ended: {}", target_.address.text(), tls_->problem()),
                                    {},
                                    {}};
            }
            if (plain_.size() > most_login_bytes)
                co_return fault{fault_kind::cannot_connect,
                                fmt::format("server {} sends no end of login messages", target_.address.text()),
                                {},
                                {}};
        }
        co_return std::nullopt;
    }

    /// Asks for TLS as the mode wants and does the handshake.
    asio::awaitable<std::optional<fault>> secure() {
        using config::tls_mode;
        if (target_.tls == tls_mode::disable || target_.tls == tls_mode::allow || !target_.tls_context)
            co_return std::nullopt;
        std::string request;
        pg::write_ssl_request(request);
        if (auto failed = co_await send(std::move(request))) co_return failed;
        char answer = 0;
        boost::system::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        co_await asio::async_read(socket_, asio::buffer(&answer, 1),
                                  token);  // one byte: what follows is TLS, not ours to read
        if (error) co_return trouble(error);
        if (answer != 'S') {
            if (target_.tls == tls_mode::prefer && answer == 'N') co_return std::nullopt;
            co_return fault{fault_kind::cannot_connect,
                            fmt::format("server {} does not offer TLS", target_.address.text()),
                            {},
                            "set server_tls.mode = \"prefer\" or turn ssl on at the server"};
        }
        auto engine = std::make_unique<protocol::tls_engine>(target_.tls_context, false, target_.address.host);
        std::string out;
        auto status = engine->handshake({}, out);
        while (!engine->established()) {
            const bool over =
                status == protocol::tls_engine::status::failed || status == protocol::tls_engine::status::closed;
            if (over && !out.empty())
                co_await asio::async_write(socket_, asio::buffer(out), token);  // the alert says why
            if (over)
                co_return fault{
                    fault_kind::cannot_connect,
                    fmt::format("TLS handshake with {} failed: {}", target_.address.text(), engine->problem()),
                    {},
                    {}};
            if (!out.empty()) co_await asio::async_write(socket_, asio::buffer(out), token);
            if (error) co_return trouble(error);
            out.clear();
            const std::size_t n = co_await socket_.async_read_some(asio::buffer(raw_), token);
            if (error) co_return trouble(error);
            status = engine->handshake(std::string_view(raw_.data(), n), out);
        }
        if (!out.empty()) co_await asio::async_write(socket_, asio::buffer(out), token);
        if (error) co_return trouble(error);
        tls_ = std::move(engine);
        std::string answer_bytes;
        tls_->decrypt({}, plain_, answer_bytes);
        co_return std::nullopt;
    }

    std::string& plain() { return plain_; }
    protocol::tls_engine* tls() { return tls_.get(); }
    tcp_socket&& take_socket() {
        timer_.cancel();
        return std::move(socket_);
    }
    std::unique_ptr<protocol::tls_engine> take_tls() { return std::move(tls_); }
    bool timed_out() const { return deadline_->passed; }
    ~dialogue() {
        deadline_->gone = true;
        timer_.cancel();
    }
    dialogue(const dialogue&) = delete;
    dialogue& operator=(const dialogue&) = delete;

    fault trouble(const boost::system::error_code& error) const {
        const auto why = timed_out()                 ? std::string("no answer in time")
                         : error == asio::error::eof ? "closed by the server"
                                                     : error.message();
        return {fault_kind::cannot_connect,
                fmt::format("cannot connect to server {}: {}", target_.address.text(), why),
                {},
                {}};
    }

    asio::awaitable<void> wait_for_end() {
        boost::system::error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        while (!error) co_await socket_.async_read_some(asio::buffer(raw_), token);
    }

  private:
    /// Shared with the timer's handler, which may run once after this object is gone.
    struct deadline {
        bool passed = false, gone = false;
    };

    tcp_socket socket_;
    asio::steady_timer timer_;
    const server_target& target_;
    std::shared_ptr<deadline> deadline_ = std::make_shared<deadline>();
    std::unique_ptr<protocol::tls_engine> tls_;
    std::string plain_;
    std::array<char, 8192> raw_{};
};

/// Answers the server's authentication requests; pure but for its random bytes.
class credentials {
  public:
    credentials(const server_target& target, protocol::tls_engine* tls) : target_(target), tls_(tls) {}

    /// Takes the body of an AuthenticationXXX; appends the answer to `out`. A problem: the text.
    std::optional<std::string> answer(std::string_view body, std::string& out) {
        pg::reader in(body);
        const auto code = in.i32();
        switch (code) {
            case 0:
                if (scram_ && !proven_) return "it ends SCRAM without proving that it knows this user's secret";
                return std::nullopt;
            case 3:
                if (target_.secret.password.empty()) return "it asks for a password and none is configured";
                pg::write_password(out, target_.secret.password);
                return std::nullopt;
            case 5:
                if (!target_.secret.password.empty())
                    pg::write_password(out, pg::md5_response(target_.user, target_.secret.password, in.bytes(4)));
                else if (!target_.secret.md5_hash.empty())
                    pg::write_password(out, pg::md5_response_from_hash(target_.secret.md5_hash, in.bytes(4)));
                else
                    return "it asks for an md5 password and none is configured";
                return std::nullopt;
            case 10:
                return begin_scram(in.rest(), out);
            case 11: {
                if (!scram_) return "SCRAM continued before it began";
                auto last = scram_->last(in.rest());
                if (!last) return std::string(scram_->problem());
                pg::write_sasl_response(out, *last);
                return std::nullopt;
            }
            case 12:
                if (!scram_ || !scram_->verify(in.rest()))
                    return "its SCRAM signature is wrong: it does not know this user's secret";
                proven_ = true;
                return std::nullopt;
            default:
                return fmt::format("it asks for authentication method {}, which Ringway does not have", code);
        }
    }

  private:
    std::optional<std::string> begin_scram(std::string_view mechanisms, std::string& out) {
        bool plain = false, plus = false;
        pg::reader in(mechanisms);
        for (auto name = in.text(); in.ok() && !name.empty(); name = in.text()) {
            plain |= name == "SCRAM-SHA-256";
            plus |= name == "SCRAM-SHA-256-PLUS";
        }
        if (target_.secret.password.empty() && target_.secret.scram_client_key.empty())
            return "it asks for SCRAM and neither a password nor a client's keys are known";
        const std::string binding = tls_ ? tls_->peer_end_point() : std::string();
        plus = plus && !binding.empty();
        if (!plus && !plain) return "it offers no SCRAM mechanism that Ringway has";
        std::array<unsigned char, 18> random{};
        RAND_bytes(random.data(), static_cast<int>(random.size()));
        std::string nonce;
        for (const auto byte : random) nonce += fmt::format("{:02x}", byte);
        pg::scram_client::secret secret{target_.secret.password, target_.secret.scram_client_key,
                                        target_.secret.scram_server_key};
        scram_.emplace(std::move(secret), std::move(nonce), binding,
                       plus);  // with a binding and no PLUS it says so: "y"
        pg::write_sasl_initial(out, plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", scram_->first());
        return std::nullopt;
    }

    const server_target& target_;
    protocol::tls_engine* tls_;
    std::optional<pg::scram_client> scram_;
    bool proven_ = false;
};

/// What a server's own refusal of a login is to a client of ours.
fault_kind kind_of(std::string_view server_sqlstate) {
    for (const auto kind : {fault_kind::authentication, fault_kind::not_authorized, fault_kind::unknown_cluster,
                            fault_kind::no_permission, fault_kind::not_accepting, fault_kind::too_many_connections})
        if (config::sqlstate(kind) == server_sqlstate) return kind;
    return fault_kind::cannot_connect;
}

/// Reads messages until ReadyForQuery; fills the login.
asio::awaitable<void> converse(dialogue& with, const server_target& target, server_login& login) {
    credentials proof(target, with.tls());
    const auto refuse = [&](std::string why, fault_kind kind = fault_kind::cannot_connect) {
        login.failure =
            fault{kind,
                  fmt::format("cannot log in to server {} as \"{}\": {}", target.address.text(), target.user, why),
                  {},
                  {}};
    };
    std::size_t done = 0;
    for (;;) {
        pg::frame_header header;
        const std::string_view rest = std::string_view(with.plain()).substr(done);
        const auto state = pg::read_header(rest, header);
        if (state == pg::header_state::malformed) co_return refuse("it does not speak PostgreSQL's protocol");
        if (state == pg::header_state::incomplete || rest.size() < header.total()) {
            if (auto failed = co_await with.receive()) {
                login.failure = std::move(failed);
                co_return;
            }
            continue;
        }
        const std::string_view body = rest.substr(pg::header_size, header.body());
        pg::reader in(body);
        std::string out;
        switch (header.type) {
            case 'R':
                if (auto problem = proof.answer(body, out))
                    co_return refuse(std::move(*problem), fault_kind::not_authorized);
                break;
            case 'E': {
                const auto error = pg::read_error(body);
                if (!error) co_return refuse("it sent an error that cannot be read");
                login.server_sqlstate = error->get('C');
                const auto kind = kind_of(login.server_sqlstate);
                if (kind == fault_kind::cannot_connect) co_return refuse(std::string(error->get('M')));
                // The client is told what the server has said, as if it had asked there itself.
                login.failure =
                    fault{kind, std::string(error->get('M')), std::string(error->get('D')),
                          kind == fault_kind::unknown_cluster
                              ? std::string()
                              : fmt::format("server {} has refused user \"{}\"", target.address.text(), target.user)};
                co_return;
            }
            case 'S': {
                const auto name = in.text();
                login.parameters.emplace_back(std::string(name), std::string(in.text()));
                break;
            }
            case 'K':
                login.pid = static_cast<std::uint32_t>(in.i32());
                login.key = in.rest();
                break;
            case 'Z':
                co_return;
            default:
                break;  // notices
        }
        done += header.total();
        if (!out.empty())
            if (auto failed = co_await with.send(std::move(out))) {
                login.failure = std::move(failed);
                co_return;
            }
    }
}

}  // namespace

bool is_refusal(const fault& why) noexcept {
    return why.kind == fault_kind::authentication || why.kind == fault_kind::not_authorized ||
           why.kind == fault_kind::unknown_cluster || why.kind == fault_kind::no_permission ||
           why.kind == fault_kind::not_accepting;
}

asio::awaitable<server_login> log_in(asio::io_context& on, std::shared_ptr<const server_target> target) {
    server_login login;
    dialogue with(on, *target);
    login.failure = co_await with.connect();
    if (login.failure) co_return login;
    login.failure = co_await with.secure();
    if (login.failure) co_return login;
    std::string startup;
    std::vector<std::pair<std::string, std::string>> parameters{{"user", target->user}, {"database", target->database}};
    for (const auto& entry : target->extra) parameters.push_back(entry);
    pg::write_startup(startup, parameters);
    login.failure = co_await with.send(std::move(startup));
    if (login.failure) co_return login;
    co_await converse(with, *target, login);
    if (!login.failure && with.timed_out()) login.failure = with.trouble({});
    if (!login.failure) {
        login.tls = with.take_tls();
        login.socket.emplace(with.take_socket());
    }
    co_return login;
}

asio::awaitable<bool> send_cancel(asio::io_context& on, std::shared_ptr<const server_target> target, std::uint32_t pid,
                                  std::string key) {
    dialogue with(on, *target);
    if (co_await with.connect()) co_return false;
    if (co_await with.secure()) co_return false;
    std::string request;
    pg::write_cancel(request, pid, key);
    if (co_await with.send(std::move(request))) co_return false;
    co_await with.wait_for_end();
    co_return !with.timed_out();
}

}  // namespace ringway::pool
