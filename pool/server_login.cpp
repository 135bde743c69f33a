#include "pool/server_login.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>

#include "pool/dialogue.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/startup.hpp"

namespace ringway::pool {

namespace asio = boost::asio;
namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

/// Asks for TLS as the mode wants and does the handshake.
asio::awaitable<std::optional<fault>> secure(dialogue& with, const server_target& target) {
    using config::tls_mode;
    if (target.tls == tls_mode::disable || target.tls == tls_mode::allow || !target.tls_context) co_return std::nullopt;
    std::string request;
    pg::write_ssl_request(request);
    if (auto failed = co_await with.send(std::move(request))) co_return failed;
    char answer = 0;  // one byte: what follows is TLS, not ours to read
    if (auto failed = co_await with.receive_byte(answer)) co_return failed;
    if (answer != 'S') {
        if (target.tls == tls_mode::prefer && answer == 'N') co_return std::nullopt;
        co_return fault{fault_kind::cannot_connect,
                        fmt::format("server {} does not offer TLS", target.address.text()),
                        {},
                        "set server_tls.mode = \"prefer\" or turn ssl on at the server"};
    }
    co_return co_await with.start_tls();
}

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

/// Names move from role to role (RENAME, DROP and CREATE): asks whose this connection is. On a replica it may be who
/// had the name before.
asio::awaitable<void> check_role(dialogue& with, const server_target& target, server_login& login) {
    with.plain().clear();
    std::string question;
    pg::write_query(question, "SELECT oid FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) SESSION_USER");
    if (auto failed = co_await with.send(std::move(question))) {
        login.failure = std::move(failed);
        co_return;
    }
    std::string role;
    std::size_t done = 0;
    for (;;) {
        pg::frame_header header;
        const std::string_view rest = std::string_view(with.plain()).substr(done);
        if (pg::read_header(rest, header) != pg::header_state::ready || rest.size() < header.total()) {
            if (auto failed = co_await with.receive()) {
                login.failure = std::move(failed);
                co_return;
            }
            continue;
        }
        pg::reader in(rest.substr(pg::header_size, header.body()));
        if (header.type == 'D' && in.i16() == 1) {
            const auto size = in.i32();
            if (size > 0) role = in.bytes(static_cast<std::size_t>(size));
        }
        done += header.total();
        if (header.type == 'Z') break;
    }
    if (role == target.role) co_return;
    login.server_sqlstate = config::sqlstate(fault_kind::not_authorized);
    login.failure =
        fault{fault_kind::not_authorized, fmt::format("role \"{}\" is not the one that has logged in", target.user),
              fmt::format("Its oid on server {} is {}, not {}.", target.address.text(),
                          role.empty() ? std::string_view("not there") : std::string_view(role), target.role),
              "the role has been renamed, or dropped and made again: connect anew"};
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
    login.failure = co_await secure(with, *target);
    if (login.failure) co_return login;
    std::string startup;
    std::vector<std::pair<std::string, std::string>> parameters{{"user", target->user}, {"database", target->database}};
    for (const auto& entry : target->extra) parameters.push_back(entry);
    pg::write_startup(startup, parameters);
    login.failure = co_await with.send(std::move(startup));
    if (login.failure) co_return login;
    co_await converse(with, *target, login);
    if (!login.failure && !target->role.empty()) co_await check_role(with, *target, login);
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
    if (co_await secure(with, *target)) co_return false;
    std::string request;
    pg::write_cancel(request, pid, key);
    if (co_await with.send(std::move(request))) co_return false;
    co_await with.wait_for_end();
    co_return !with.timed_out();
}

}  // namespace ringway::pool
