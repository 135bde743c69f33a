#include "proxy/mysql/login.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>

#include "pool/mysql_server.hpp"
#include "protocol/mysql/handshake.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/reply.hpp"
#include "protocol/mysql/result.hpp"
#include "proxy/cli/version.hpp"
#include "proxy/net/login_wire.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

namespace asio = boost::asio;
namespace my = protocol::mysql;
namespace capability = protocol::mysql::capability;
using config::fault_kind;

namespace {

constexpr std::size_t longest_login = 64 * 1024;
constexpr auto look_again = std::chrono::milliseconds(20);

/// Of the admin port, which no server stands behind.
pool::server_traits traits_of_admin() {
    pool::server_traits out;
    out.version = fmt::format("8.0.0-Ringway-{}", version);
    out.capabilities = ~capability::flags{0};
    out.collation = static_cast<std::uint8_t>(my::utf8mb4);
    return out;
}

/// One login under way. Every step says whether to go on; a refusal has been sent when it says no.
class door_keeper : login_wire<admitted> {
  public:
    door_keeper(worker& home, std::shared_ptr<const front_door> door, gate& of, pool::tcp_socket socket, bool admin)
        : login_wire(*home.io, admitted(std::move(socket))),
          home_(home),
          door_(std::move(door)),
          gate_(of),
          admin_(admin) {}

    asio::awaitable<bool> run() {
        begin(door_->settings->general.client_login_timeout);
        if (!admin_ && !co_await meet_balancer(door_->settings->listen.proxy_protocol)) co_return false;
        if (!co_await greet()) co_return false;
        if (!co_await take_login()) co_return false;
        if (!co_await authenticate()) co_return false;
        client_.early = in_.substr(used_);
        client_.sequence = sequence_;
        co_return end();
    }
    admitted take() { return std::move(client_); }

  private:
    asio::awaitable<bool> refuse(fault_kind kind, std::string_view sqlstate, std::string message) {
        log_refusal(admin_ ? std::string_view("ringway") : std::string_view(client_.database), message);
        std::string out;
        my::write_error(out, sequence_, {config::mysql_number(kind), sqlstate, message}, capability::protocol_41);
        co_await send(std::move(out));
        co_return false;
    }

    /// The same words for a user who does not exist and for a wrong password.
    asio::awaitable<bool> refuse_password() {
        co_return co_await refuse(fault_kind::authentication, "28000",
                                  fmt::format("Access denied for user '{}'@'{}' (using password: {})", client_.user,
                                              client_.address, using_password_ ? "YES" : "NO"));
    }

    /// The next packet's payload; false: the client is gone, or sends what is no login.
    asio::awaitable<bool> next_packet(std::string_view& payload) {
        in_.erase(0, used_);
        used_ = 0;
        my::packet_header header;
        while (!my::read_header(in_, header) || in_.size() < header.total()) {
            if (in_.size() > longest_login || (my::read_header(in_, header) && header.length > longest_login)) {
                co_return co_await refuse(fault_kind::malformed_message, "08S01", "Malformed communication packet");
            }
            if (!co_await receive()) co_return false;
        }
        if (header.sequence != sequence_)
            co_return co_await refuse(fault_kind::malformed_message, "08S01", "Got packets out of order");
        sequence_ = static_cast<std::uint8_t>(header.sequence + 1);
        used_ = header.total();
        payload = std::string_view(in_).substr(my::header_size, header.length);
        co_return true;
    }

    // ---- the first packets ----

    asio::awaitable<bool> greet() {
        auto traits = admin_ ? std::optional(traits_of_admin()) : gate_.traits();
        boost::system::error_code error;
        while (!traits && !is_late()) {
            asio::steady_timer pause(*home_.io, look_again);
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
            traits = gate_.traits();
        }
        if (!traits) co_return false;
        client_.server = *traits;
        client_.id = gate_.new_client_id(home_);
        nonce_ = new_nonce();
        my::greeting hello;
        hello.server_version = client_.server.version;
        hello.connection_id = static_cast<std::uint32_t>(client_.id);
        hello.nonce = nonce_.substr(0, my::nonce_size);
        hello.capabilities = offered(client_.server, door_->tls != nullptr, !admin_);
        hello.collation = client_.server.collation;
        hello.status = my::status::autocommit;
        hello.plugin = name_of(my::auth_plugin::native);
        std::string out;
        my::write_greeting(out, sequence_, hello);
        co_return co_await send(std::move(out));
    }

    asio::awaitable<bool> take_login() {
        std::string_view payload;
        if (!co_await next_packet(payload)) co_return false;
        auto said = my::read_login(payload);
        if (said && said->what == my::login::kind::ssl_request) {
            if (!door_->tls) co_return co_await refuse(fault_kind::malformed_message, "08S01", "Bad handshake");
            auto early = std::exchange(in_, {}).substr(std::exchange(used_, 0));
            if (!co_await secure(door_->tls, std::move(early), {})) co_return false;
            if (!co_await next_packet(payload)) co_return false;
            said = my::read_login(payload);
        }
        if (!said || said->what != my::login::kind::login)
            co_return co_await refuse(fault_kind::malformed_message, "08S01", "Bad handshake");
        const auto mine = offered(client_.server, door_->tls != nullptr, !admin_);
        client_.capabilities = said->capabilities & mine;
        client_.collation = said->collation;
        client_.zstd_level = said->zstd_level;
        client_.user = said->user;
        client_.database = said->database;
        plugin_ = said->plugin;
        response_ = said->auth_response;
        using_password_ = !response_.empty();
        if (!client_.tls && door_->settings->client_tls.mode >= config::tls_mode::require)
            co_return co_await refuse(fault_kind::not_authorized, "08004",
                                      "Connections using insecure transport are prohibited here: use TLS");
        co_return true;
    }

    // ---- authentication ----

    asio::awaitable<bool> authenticate() {
        const auto& all = *door_->settings;
        const auto* entry = all.find_user(client_.user);
        if (entry) client_.who = *entry;
        client_.cluster = admin_ ? std::optional<std::string>("ringway") : gate_.cluster_for(client_.database, entry);
        const auto cluster = client_.cluster.value_or(std::string());
        auto method = config::auth_method::scram_sha_256;  // a password, proved by the client's plugin
        if (!all.hba.empty()) {
            const auto* rule = find_rule(all.hba, cluster, client_.user, client_.address, client_.tls != nullptr);
            if (!rule || rule->method == config::auth_method::reject) co_return co_await refuse_password();
            method = rule->method;
        }
        const bool known = entry && (admin_ ? entry->admin : entry->clusters.empty() || allowed(*entry));
        if (method == config::auth_method::trust && known) {
            client_.secret.password = entry->password;
            co_return true;
        }
        if (method == config::auth_method::certificate) {
            const auto name = client_.tls ? client_.tls->peer_common_name() : std::string();
            if (!known || name.empty() || name != client_.user) co_return co_await refuse_password();
            client_.secret.password = entry->password;
            co_return true;
        }
        my::auth_server proof(account_of(known ? entry : nullptr, client_.user, door_->secret), nonce_,
                              client_.tls != nullptr, login_key());
        std::string payload;
        auto next = proof.first(plugin_, response_, payload);
        while (next == my::auth_server::next::send) {
            if (!co_await send_packet(payload)) co_return false;
            std::string_view answer;
            if (!co_await next_packet(answer)) co_return false;
            using_password_ = using_password_ || !answer.empty();
            next = proof.take(answer, payload);
        }
        if (next == my::auth_server::next::refused || !known) co_return co_await refuse_password();
        if (next == my::auth_server::next::note && !co_await send_packet(payload)) co_return false;
        client_.secret = secret_of(*entry, proof);
        if (admin_ || !client_.cluster || !gate_.servers_decide(cluster, *entry)) co_return true;
        const auto why =
            co_await gate_.ask_server(home_, {cluster, client_.user, client_.database, *entry, client_.secret});
        if (!why) co_return true;
        if (why->kind == fault_kind::authentication) co_return co_await refuse_password();
        co_return co_await refuse(why->kind, mysql_sqlstate(config::mysql_number(why->kind)), why->message);
    }

    bool allowed(const config::user& who) const {
        return std::any_of(who.clusters.begin(), who.clusters.end(), [&](const std::string& each) {
            return each == client_.cluster.value_or("") || each == "*";
        });
    }

    asio::awaitable<bool> send_packet(std::string_view payload) {
        std::string out;
        my::writer(out, sequence_).bytes(payload);
        co_return co_await send(std::move(out));
    }

    worker& home_;
    std::shared_ptr<const front_door> door_;
    gate& gate_;
    std::string nonce_, plugin_, response_;
    std::size_t used_ = 0;  ///< of in_, by the packet looked at
    std::uint8_t sequence_ = 0;
    bool using_password_ = false, admin_;
};

}  // namespace

capability::flags offered(const pool::server_traits& server, bool tls, bool compression) noexcept {
    using namespace capability;
    const auto ours = client_mysql | long_flag | connect_with_db | odbc | protocol_41 | transactions |
                      secure_connection | reserved | multi_results | ps_multi_results | plugin_auth | connect_attrs |
                      plugin_auth_lenenc_data | session_track | ignore_sigpipe | mariadb_cache_metadata |
                      pool::mysql_shared_capabilities();
    // What Ringway does by itself, whatever the server can.
    const auto own = plugin_auth | plugin_auth_lenenc_data | connect_attrs | secure_connection | protocol_41;
    return ((server.capabilities & ours) | own) | (tls ? ssl : 0) | (compression ? compress | zstd_compression : 0);
}

my::auth_account account_of(const config::user* who, const std::string& name, const std::string& secret) {
    if (!who) return my::auth_account::mock(name, secret);
    if (who->name == "*") {  // the servers check the password: it has to be told
        my::auth_account out;
        out.ask_password = true;
        out.preferred = my::auth_plugin::caching_sha2;
        return out;
    }
    return my::auth_account::from_password(who->password);
}

std::string new_nonce() {
    constexpr std::size_t size = 32;
    std::string out(size, '\0');
    RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size));
    for (char& each : out) {  // no zero byte, no '$'
        each = static_cast<char>(each & 0x7f);
        if (each == '\0' || each == '$') each = static_cast<char>(each + 1);
    }
    return out;
}

const std::shared_ptr<const my::rsa_key>& login_key() {
    static const auto the = my::rsa_key::generate();
    return the;
}

pool::server_secret secret_of(const config::user& who, const my::auth_server& proof) {
    pool::server_secret out;
    out.password = who.password.empty() ? std::string(proof.password()) : who.password;
    return out;
}

asio::awaitable<void> log_client_in(worker& home, std::shared_ptr<const front_door> door, gate& of,
                                    pool::tcp_socket socket, bool admin, admit then) {
    auto keeper = std::make_unique<door_keeper>(home, std::move(door), of, std::move(socket), admin);
    const bool in = co_await keeper->run();
    if (in) then(keeper->take());
}

}  // namespace ringway::proxy::mysql
