#include "proxy/session/login.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "config/fault.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/scram.hpp"
#include "protocol/postgres/startup.hpp"
#include "proxy/net/login_wire.hpp"
#include "proxy/net/network.hpp"
#include "proxy/net/worker.hpp"
#include "proxy/session/auth_query.hpp"

namespace ringway::proxy {

namespace asio = boost::asio;
namespace pg = protocol::postgres;
using config::auth_method;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::uint32_t longest_password_message = 64 * 1024;
constexpr auto longest_cancel = std::chrono::seconds(5);

std::string random_bytes(std::size_t n) {
    std::string out(n, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n));
    return out;
}

std::string random_nonce() {
    std::string out;
    for (const char byte : random_bytes(18)) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return out;
}

bool is_md5(const std::string& stored) {
    return stored.size() == 35 && stored.starts_with("md5");
}

bool named(const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end() ||
           std::find(names.begin(), names.end(), "all") != names.end();
}

/// One login under way. Every step says whether to go on; a refusal has been sent when it says no.
class door_keeper : login_wire<admitted_client> {
  public:
    door_keeper(worker& home, std::shared_ptr<const front_door> door, pool::tcp_socket socket, bool admin)
        : login_wire(*home.io, {std::move(socket), nullptr, {}, {}, {}, {}, 0, 0, {}, {}, {}, {}, std::nullopt, {}}),
          home_(home),
          door_(std::move(door)),
          admin_(admin) {}

    asio::awaitable<bool> run(const cancel_request& cancel) {
        begin(door_->settings->general.client_login_timeout);
        if (!admin_ && !co_await meet_balancer(door_->settings->listen.proxy_protocol)) co_return false;
        if (!co_await greet(cancel)) co_return false;
        if (!co_await authenticate()) co_return false;
        pg::write_authentication_ok(client_.replies);
        client_.early = std::move(in_);
        co_return end();
    }
    admitted_client take() { return std::move(client_); }

  private:
    asio::awaitable<bool> refuse(fault why) {
        log_refusal(admin_ ? std::string_view("ringway") : std::string_view(client_.database), why.message);
        std::string out;
        pg::write_error(out, "FATAL", config::sqlstate(why.kind), why.message, why.detail, why.hint);
        co_await send(std::move(out));
        co_return false;
    }

    asio::awaitable<bool> refuse_password() {
        fault why{fault_kind::authentication,
                  fmt::format("password authentication failed for user \"{}\"", client_.user),
                  {},
                  {}};
        co_return co_await refuse(std::move(why));
    }

    // ---- the first packets ----

    /// `direct`: without having asked before; then ALPN must tell the protocol.
    asio::awaitable<bool> encrypt(bool direct) {
        if (!direct && !co_await send("S")) co_return false;
        auto early = std::exchange(in_, {});
        co_return co_await secure(door_->tls, std::move(early), direct ? "postgresql" : "");
    }

    /// Clients take the end of this connection for the word that the cancel has come to where it was sent.
    asio::awaitable<void> pass_on(const pg::startup_packet& packet, const cancel_request& cancel) {
        auto done = std::make_shared<asio::steady_timer>(*home_.io, longest_cancel);
        cancel(packet.pid, packet.key, cancel_waiter(nullptr, [io = home_.io, done](std::nullptr_t) {
                   asio::post(*io, [done] { done->expires_at(asio::steady_timer::time_point::min()); });
               }));
        boost::system::error_code ignored;
        co_await done->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    asio::awaitable<bool> greet(const cancel_request& cancel) {
        bool asked_tls = false, asked_gss = false;
        for (;;) {
            const auto packet = pg::read_startup(in_);
            using kind = pg::startup_packet::kind;
            switch (packet.what) {
                case kind::incomplete:
                    if (!co_await receive()) co_return false;
                    continue;
                case kind::malformed: {
                    if (packet.silent) {
                        log_refusal(admin_ ? std::string_view("ringway") : std::string_view(), packet.problem);
                        co_return false;
                    }
                    fault why{fault_kind::malformed_message, packet.problem, {}, {}};
                    co_return co_await refuse(std::move(why));
                }
                case kind::unsupported_version: {
                    fault why{fault_kind::unsupported,
                              fmt::format("unsupported frontend protocol {}.{}: server supports 3.0 to 3.{}",
                                          packet.major, packet.minor, pg::newest_minor),
                              {},
                              {}};
                    co_return co_await refuse(std::move(why));
                }
                case kind::cancel:
                    co_await pass_on(packet, cancel);
                    co_return false;
                case kind::ssl_request:
                    if (asked_tls || client_.tls ||
                        in_.size() > packet.size) {  // bytes before the handshake may be a man's in the middle
                        fault why{fault_kind::malformed_message, "received unencrypted data after SSL request", {}, {}};
                        co_return co_await refuse(std::move(why));
                    }
                    asked_tls = true;
                    in_.clear();
                    if (door_->tls) {
                        if (!co_await encrypt(false)) co_return false;
                    } else {
                        std::string no = "N";
                        if (!co_await send(std::move(no))) co_return false;
                    }
                    continue;
                case kind::gss_request:
                    if (asked_gss || in_.size() > packet.size) {
                        fault why{fault_kind::malformed_message,
                                  "received unencrypted data after GSSAPI encryption request",
                                  {},
                                  {}};
                        co_return co_await refuse(std::move(why));
                    }
                    asked_gss = true;
                    in_.clear();
                    {
                        std::string no = "N";
                        if (!co_await send(std::move(no))) co_return false;
                    }
                    continue;
                case kind::direct_tls:
                    if (!door_->tls || client_.tls) co_return false;
                    if (!co_await encrypt(true)) co_return false;
                    continue;
                case kind::startup:
                    break;
            }
            in_.erase(0, packet.size);
            co_return co_await take_startup(packet);
        }
    }

    asio::awaitable<bool> take_startup(const pg::startup_packet& packet) {
        client_.minor = std::min(packet.minor, pg::newest_minor);
        std::vector<std::pair<std::string, std::string>> given;  // they come after `options`, wherever these stand
        for (const auto& [name, value] : packet.parameters) {
            if (name == "user") {
                client_.user = value;
            } else if (name == "database") {
                client_.database = value;
            } else if (name == "replication") {
                client_.replication = value == "false" || value == "off" || value == "0" || value == "no" ? "" : value;
            } else if (name == "options") {
                std::string problem;
                if (!pg::read_options(value, client_.settings, problem)) {
                    fault why{fault_kind::syntax, problem, {}, {}};
                    co_return co_await refuse(std::move(why));
                }
            } else if (!name.starts_with("_pq_.")) {
                given.emplace_back(name, value);
            }
        }
        std::move(given.begin(), given.end(), std::back_inserter(client_.settings));
        for (auto& [name, value] : client_.settings)
            std::transform(name.begin(), name.end(), name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (client_.user.empty()) {
            fault why{fault_kind::not_authorized, "no PostgreSQL user name specified in startup packet", {}, {}};
            co_return co_await refuse(std::move(why));
        }
        if (client_.database.empty()) client_.database = client_.user;
        if (packet.minor > pg::newest_minor || !packet.unknown_options.empty())
            pg::write_negotiate_version(client_.replies, client_.minor, packet.unknown_options);
        if (!client_.tls && door_->settings->client_tls.mode >= config::tls_mode::require) {
            fault why{fault_kind::not_authorized,
                      "this server accepts only TLS connections",
                      {},
                      "set sslmode=require in the connection string"};
            co_return co_await refuse(std::move(why));
        }
        co_return true;
    }

    // ---- authentication ----

    asio::awaitable<bool> authenticate() {
        const auto& all = *door_->settings;
        if (const auto* entry = all.find_user(client_.user)) client_.who = *entry;
        auto method = auth_method::scram_sha_256;
        if (!all.hba.empty()) {
            const auto* rule = find_rule(all.hba, admin_ ? "ringway" : client_.database, client_.user, client_.address,
                                         client_.tls != nullptr);
            if (!rule || rule->method == auth_method::reject) {
                fault why{fault_kind::not_authorized,
                          fmt::format("no hba rule lets in host \"{}\", user \"{}\", database \"{}\", {}",
                                      client_.address, client_.user, client_.database, client_.tls ? "TLS" : "no TLS"),
                          {},
                          {}};
                co_return co_await refuse(std::move(why));
            }
            method = rule->method;
        }
        bool known = client_.who.has_value();
        if (known && admin_ && !client_.who->admin) known = false;
        if (known && !admin_ && !named(client_.who->clusters, client_.database)) {
            if (std::find(client_.who->clusters.begin(), client_.who->clusters.end(), "*") ==
                client_.who->clusters.end())
                known = false;
        }
        std::string stored = known ? client_.who->password : std::string();
        if (known && stored.empty() && !admin_) {
            const bool proven = method == auth_method::trust || method == auth_method::certificate;
            auto found = co_await query_verifier(home_, *door_, client_.database, client_.user);
            if (found.failure) co_return co_await refuse(std::move(*found.failure));
            if (client_.who->server_user.empty()) client_.role = std::move(found.role);
            if (!proven) {
                known = found.known;
                stored = std::move(found.verifier);
            }
        }
        switch (method) {
            case auth_method::trust:
                if (!known) co_return co_await refuse_password();
                remember(stored);
                co_return true;
            case auth_method::certificate: {
                const auto name = client_.tls ? client_.tls->peer_common_name() : std::string();
                if (!known || name.empty() || name != client_.user) {
                    fault why{fault_kind::not_authorized,
                              fmt::format("certificate authentication failed for user \"{}\"", client_.user),
                              {},
                              {}};
                    co_return co_await refuse(std::move(why));
                }
                remember(stored);
                co_return true;
            }
            case auth_method::plain:
                pg::write_authentication_cleartext(client_.replies);
                break;
            case auth_method::md5:
                if (stored.starts_with("SCRAM-SHA-256$")) co_return co_await scram(known, stored);
                salt_ = random_bytes(4);
                pg::write_authentication_md5(client_.replies, salt_);
                break;
            default:
                co_return co_await scram(known, stored);
        }
        if (!co_await send(std::exchange(client_.replies, {}))) co_return false;
        std::string message;
        if (!co_await read_password(message)) co_return false;
        const auto given = std::string_view(message).substr(0, message.find('\0'));
        bool right = false;
        if (method == auth_method::md5) {
            const auto expected = is_md5(stored) ? pg::md5_response_from_hash(stored, salt_)
                                                 : pg::md5_response(client_.user, stored, salt_);
            right = pg::equal_secret(expected, given) && !stored.empty();
            if (right) remember(stored);
        } else {
            right = check_plain(stored, given);
            if (right) client_.secret.password = given;
        }
        if (!known || !right) co_return co_await refuse_password();
        co_return true;
    }

    /// What of a user's configured secret serves at the servers.
    void remember(const std::string& stored) {
        if (is_md5(stored))
            client_.secret.md5_hash = stored;
        else if (!pg::read_verifier(stored))
            client_.secret.password = stored;
    }

    bool check_plain(const std::string& stored, std::string_view given) const {
        if (stored.empty()) return false;
        if (const auto verifier = pg::read_verifier(stored)) {
            const auto made = pg::make_verifier(given, verifier->salt, verifier->iterations);
            return pg::equal_secret(made.stored_key, verifier->stored_key);
        }
        if (is_md5(stored)) return pg::equal_secret(pg::md5_stored(client_.user, given), stored);
        return pg::equal_secret(stored, given);
    }

    /// The next message, which must be a password message; its body.
    asio::awaitable<bool> read_password(std::string& body) {
        for (;;) {
            pg::frame_header header;
            const auto state = pg::read_header(in_, header);
            if (state == pg::header_state::malformed ||
                (state == pg::header_state::ready &&
                 (header.type != 'p' || header.body() > longest_password_message))) {
                fault why{fault_kind::malformed_message,
                          fmt::format("expected password response, got message type {}",
                                      static_cast<int>(static_cast<unsigned char>(header.type))),
                          {},
                          {}};
                co_return co_await refuse(std::move(why));
            }
            if (state == pg::header_state::ready && in_.size() >= header.total()) {
                body = in_.substr(pg::header_size, header.body());
                in_.erase(0, header.total());
                co_return true;
            }
            if (!co_await receive()) co_return false;
        }
    }

    /// Of a plain password. The salt is the user's for good, as with a server: one that changed would tell who exists.
    pg::scram_verifier verifier_of(const std::string& password, const std::string& salt) const {
        const bool from_file = client_.who && client_.who->password == password;
        return from_file ? door_->verifiers->of(client_.user, password, salt) : pg::make_verifier(password, salt);
    }

    asio::awaitable<bool> scram(bool known, const std::string& stored) {
        const bool mock = !known || stored.empty() || is_md5(stored);
        auto verifier = pg::mock_verifier(client_.user, door_->secret);
        if (!mock) {
            auto given = pg::read_verifier(stored);
            verifier = given ? std::move(*given) : verifier_of(stored, verifier.salt);
        }
        const auto binding = client_.tls ? client_.tls->own_end_point() : std::string();
        const std::string_view both[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
        pg::write_authentication_sasl(client_.replies, binding.empty() ? std::span(both).subspan(1) : std::span(both));
        if (!co_await send(std::exchange(client_.replies, {}))) co_return false;
        std::string message;
        if (!co_await read_password(message)) co_return false;
        pg::reader in(message);
        const auto mechanism = in.text();
        const auto length = in.i32();
        const auto first = in.rest();
        if (!in.ok() || (length >= 0 && static_cast<std::size_t>(length) != first.size())) {
            fault why{fault_kind::malformed_message, "malformed SASL response", {}, {}};
            co_return co_await refuse(std::move(why));
        }
        const auto keys = verifier;
        pg::scram_server server(std::move(verifier), random_nonce(), binding);
        auto challenge = server.first(mechanism, first);
        if (!challenge) {
            fault why{fault_kind::malformed_message, fmt::format("SCRAM: {}", server.problem()), {}, {}};
            co_return co_await refuse(std::move(why));
        }
        pg::write_authentication_sasl_continue(client_.replies, *challenge);
        if (!co_await send(std::exchange(client_.replies, {}))) co_return false;
        if (!co_await read_password(message)) co_return false;
        auto last = server.last(message);
        if (!last || mock) co_return co_await refuse_password();
        pg::write_authentication_sasl_final(client_.replies, *last);
        if (pg::read_verifier(stored)) {
            client_.secret.scram_client_key = server.client_key();
            client_.secret.scram_server_key = keys.server_key;
        } else {
            client_.secret.password = stored;
        }
        co_return true;
    }

    worker& home_;
    std::shared_ptr<const front_door> door_;
    std::string salt_;
    bool admin_;
};

/// Logins under way. When a crowd of them has gone, what they took of memory goes back to the system.
class crowd {
  public:
    crowd() {
        const auto now = ++here_;
        if (now > most_) most_ = now;
    }
    ~crowd() {
        if (--here_ > 0 || most_.exchange(0) < large) return;
        malloc_trim(0);
    }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;

  private:
    static constexpr int large = 500;
    static inline std::atomic<int> here_ = 0, most_ = 0;
};

}  // namespace

pg::scram_verifier verifier_book::of(const std::string& user, const std::string& password, const std::string& salt) {
    {
        const std::lock_guard guard(lock_);
        const auto known = made_.find(user);
        if (known != made_.end()) return known->second;
    }
    auto made = pg::make_verifier(password, salt);
    const std::lock_guard guard(lock_);
    return made_.emplace(user, std::move(made)).first->second;
}

const config::hba_rule* find_rule(const std::vector<config::hba_rule>& rules, const std::string& cluster,
                                  const std::string& user, const std::string& address, bool tls) {
    for (const auto& rule : rules) {
        if ((rule.tls_only && !tls) || (rule.no_tls_only && tls)) continue;
        if (named(rule.clusters, cluster) && named(rule.users, user) &&
            (rule.address.empty() || is_within(rule.address, address)))
            return &rule;
    }
    return nullptr;
}

asio::awaitable<void> log_client_in(worker& home, std::shared_ptr<const front_door> door, pool::tcp_socket socket,
                                    bool admin, admit then, cancel_request cancel) {
    const crowd one_more;
    auto keeper = std::make_unique<door_keeper>(home, std::move(door), std::move(socket), admin);
    const bool in = co_await keeper->run(cancel);
    if (in) then(keeper->take());
}

}  // namespace ringway::proxy
