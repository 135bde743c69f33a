// Opens and authenticates one connection to a MySQL or MariaDB server, and turns its session tracking on.

#include <fmt/format.h>

#include "pool/dialogue.hpp"
#include "pool/mysql_coat.hpp"
#include "pool/mysql_server.hpp"
#include "pool/server.hpp"
#include "protocol/mysql/auth_exchange.hpp"
#include "protocol/mysql/command.hpp"
#include "protocol/mysql/compressed_link.hpp"
#include "protocol/mysql/handshake.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/reply.hpp"
#include "protocol/mysql/reply_tracker.hpp"

namespace ringway::pool {

namespace asio = boost::asio;
namespace my = protocol::mysql;
namespace capability = protocol::mysql::capability;
using config::fault;
using config::fault_kind;

namespace {

constexpr std::uint8_t login_collation = 45;  ///< utf8mb4_general_ci
constexpr std::uint8_t zstd_level = 3;        ///< as clients ask for it by default

constexpr capability::flags always =
    capability::long_flag | capability::protocol_41 | capability::transactions | capability::secure_connection |
    capability::plugin_auth | capability::plugin_auth_lenenc_data | capability::connect_attrs |
    capability::session_track | capability::multi_results | capability::ps_multi_results;

constexpr capability::flags shared = capability::found_rows | capability::local_files | capability::ignore_space |
                                     capability::interactive | capability::multi_statements |
                                     capability::deprecate_eof | capability::no_schema |
                                     capability::mariadb_stmt_bulk_operations | capability::mariadb_extended_metadata;

/// What a server's own refusal of a login is to a client of ours.
fault_kind kind_of(std::uint16_t number) {
    switch (number) {
        case 1045:
        case 1698:
            return fault_kind::authentication;
        case 1044:
            return fault_kind::no_permission;
        case 1049:
            return fault_kind::unknown_cluster;
        case 1040:
        case 1203:
        case 1226:
            return fault_kind::too_many_connections;
        default:
            return fault_kind::cannot_connect;
    }
}

/// One login, packet by packet.
class server_talk {
  public:
    server_talk(dialogue& with, const server_target& target, std::uint64_t flavour)
        : with_(with), target_(target), flavour_(flavour) {}

    asio::awaitable<void> run(server_login& login) {
        auto part = std::make_unique<mysql_part>();
        login.failure = co_await greet(login, *part);
        if (!login.failure) login.failure = co_await authenticate(login);
        if (const auto method = my::compressed_link::method_of(capabilities_); method && !login.failure) {
            coat_ = mysql_coat(*method);
            with_.plain().clear();
            used_ = 0;
        }
        if (!login.failure && part->tracks) login.failure = co_await track(*part);
        if (login.failure) co_return;
        if (coat_) coat_->rest();
        login.part = std::move(part);
        login.coat = std::move(coat_);
    }

    /// One command whose answer is one packet.
    asio::awaitable<std::optional<fault>> ask(my::command what, std::string_view text) {
        std::string out;
        std::uint8_t sequence = 0;
        my::write_command(out, sequence, what, text);
        if (coat_) {
            coat_->command();
            out = coat_->seal(out);
        }
        if (auto failed = co_await with_.send(std::move(out))) co_return failed;
        if (auto failed = co_await next_packet()) co_return failed;
        if (const auto error = my::read_error(packet_)) co_return refuse(std::string(error->message));
        co_return std::nullopt;
    }

  private:
    /// The next packet's payload, in packet_.
    asio::awaitable<std::optional<fault>> next_packet() {
        auto& came = coat_ ? opened_ : with_.plain();
        came.erase(0, used_);
        used_ = 0;
        my::packet_header header;
        while (!my::read_header(came, header) || came.size() < header.total()) {
            if (auto failed = co_await with_.receive()) co_return failed;
            if (coat_ && !open()) co_return refuse("it sent what is not compressed as was agreed");
        }
        packet_ = std::string_view(came).substr(my::header_size, header.length);
        sequence_ = static_cast<std::uint8_t>(header.sequence + 1);
        used_ = header.total();
        co_return std::nullopt;
    }

    bool open() {
        coat_->feed(with_.plain());
        with_.plain().clear();
        std::string_view plain;
        while (coat_->waiting()) {
            if (!coat_->next(plain)) return false;
            opened_.append(plain);
        }
        return true;
    }

    fault refuse(std::string why, fault_kind kind = fault_kind::cannot_connect) const {
        return {kind, fmt::format("server {}: {}", target_.address.text(), why), {}, {}};
    }

    fault refused(const my::error_reply& error, server_login& login) const {
        const auto kind = kind_of(error.code);
        if (kind == fault_kind::cannot_connect) return refuse(std::string(error.message));
        login.server_sqlstate = error.sqlstate.empty() ? "08004" : error.sqlstate;
        return {kind,
                std::string(error.message),
                {},
                fmt::format("server {} has refused user \"{}\"", target_.address.text(), target_.user)};
    }

    asio::awaitable<std::optional<fault>> greet(server_login& login, mysql_part& part) {
        if (auto failed = co_await next_packet()) co_return failed;
        if (const auto error = my::read_error(packet_)) co_return refused(*error, login);
        auto hello = my::read_greeting(packet_);
        if (!hello) co_return refuse("it does not speak MySQL's protocol");
        if (!capability::has(hello->capabilities, capability::protocol_41 | capability::secure_connection))
            co_return refuse("it speaks MySQL's protocol of before 4.1");
        const auto offered = hello->capabilities;
        auto wanted = (always | (flavour_ & shared)) & offered;
        if (capability::has(offered, capability::client_mysql)) wanted |= capability::client_mysql;
        wanted |= compression() & offered;
        if (!target_.database.empty() && !(flavour_ & flavour_without_database)) wanted |= capability::connect_with_db;
        part.version = hello->server_version;
        part.tracks = capability::has(wanted, capability::session_track);
        part.can_reset = part.tracks;  // both came with MySQL 5.7 and MariaDB 10.2
        login.pid = hello->connection_id;
        nonce_ = std::move(hello->nonce);
        plugin_ = hello->plugin;
        if (auto failed = co_await secure(offered, wanted)) co_return failed;
        part.capabilities = capabilities_ = wanted;
        if (capability::has(wanted, capability::connect_with_db)) part.database = target_.database;
        co_return std::nullopt;
    }

    capability::flags compression() const noexcept {
        switch (target_.compression) {
            case config::server_compression::zlib:
                return capability::compress;
            case config::server_compression::zstd:
                return capability::zstd_compression;
            default:
                return 0;
        }
    }

    asio::awaitable<std::optional<fault>> secure(capability::flags offered, capability::flags& wanted) {
        using config::tls_mode;
        if (target_.tls == tls_mode::disable || target_.tls == tls_mode::allow || !target_.tls_context)
            co_return std::nullopt;
        if (!capability::has(offered, capability::ssl)) {
            if (target_.tls == tls_mode::prefer) co_return std::nullopt;
            co_return fault{fault_kind::cannot_connect,
                            fmt::format("server {} does not offer TLS", target_.address.text()),
                            {},
                            "set server_tls.mode = \"prefer\" or give the server a certificate"};
        }
        wanted |= capability::ssl;
        my::login request;
        request.what = my::login::kind::ssl_request;
        request.capabilities = wanted;
        request.collation = login_collation;
        std::string out;
        my::write_login(out, sequence_, request);
        if (auto failed = co_await with_.send(std::move(out))) co_return failed;
        with_.plain().clear();
        used_ = 0;
        co_return co_await with_.start_tls();
    }

    asio::awaitable<std::optional<fault>> authenticate(server_login& login) {
        const bool secure = with_.tls() != nullptr;
        my::auth_client proof({target_.secret.password, target_.secret.mysql_native_key}, secure, true);
        const auto opening = proof.first(plugin_, nonce_);
        const my::attribute attributes[] = {{"program_name", "ringway"}, {"_client_name", "ringway"}};
        const auto written = my::write_attributes(attributes);
        my::login say;
        say.capabilities = capabilities_;
        say.max_packet = 1u << 30;
        say.zstd_level = zstd_level;
        say.collation = login_collation;
        say.user = target_.user;
        say.auth_response = opening.response;
        if (capability::has(capabilities_, capability::connect_with_db)) say.database = target_.database;
        say.plugin = opening.plugin;
        say.attributes = written;
        std::string out;
        my::write_login(out, sequence_, say);
        if (auto failed = co_await with_.send(std::move(out))) co_return failed;
        for (;;) {
            if (auto failed = co_await next_packet()) co_return failed;
            std::string response;
            switch (proof.take(packet_, response)) {
                case my::auth_client::next::done:
                    co_return std::nullopt;
                case my::auth_client::next::wait:
                    continue;
                case my::auth_client::next::refused: {
                    const auto error = my::read_error(packet_);
                    co_return error ? refused(*error, login) : refuse("it sent an error that cannot be read");
                }
                case my::auth_client::next::failed:
                    co_return refuse(std::string(proof.problem()), fault_kind::not_authorized);
                case my::auth_client::next::send: {
                    std::string packet;
                    my::writer(packet, sequence_).bytes(response);
                    if (auto failed = co_await with_.send(std::move(packet))) co_return failed;
                }
            }
        }
    }

    /// What a server tells of changes by default is not enough to follow a session by.
    asio::awaitable<std::optional<fault>> track(mysql_part& part) {
        auto failed = co_await ask(my::command::query, mysql_tracking_statement);
        if (failed && failed->kind == fault_kind::cannot_connect && !with_.timed_out() && !packet_.empty() &&
            my::begins_with(packet_, my::first_byte::error)) {
            part.tracks = false;
            co_return std::nullopt;
        }
        co_return failed;
    }

    dialogue& with_;
    const server_target& target_;
    std::uint64_t flavour_;
    capability::flags capabilities_ = 0;
    std::string nonce_, plugin_;
    std::unique_ptr<wire_coat> coat_;
    std::string opened_;  ///< what has come through it
    std::string_view packet_;
    std::size_t used_ = 0;
    std::uint8_t sequence_ = 0;
};

class mysql_dialect_of_all final : public dialect {
  public:
    asio::awaitable<server_login> log_in(asio::io_context& on, std::shared_ptr<const server_target> target,
                                         std::uint64_t flavour) const override {
        server_login login;
        dialogue with(on, *target);
        login.failure = co_await with.connect();
        if (login.failure) co_return login;
        server_talk talk(with, *target, flavour);
        co_await talk.run(login);
        if (!login.failure && with.timed_out()) login.failure = with.trouble({});
        if (login.failure) co_return login;
        login.tls = with.take_tls();
        login.socket.emplace(with.take_socket());
        co_return login;
    }
    std::string_view goodbye() const noexcept override { return {"\1\0\0\0\1", 5}; }
    /// Servers say nothing unasked but why they end the connection.
    bool idle_bytes(server&, std::string_view) const override { return false; }
};

}  // namespace

capability::flags mysql_shared_capabilities() noexcept {
    return shared;
}

std::uint64_t mysql_flavour(capability::flags client, bool has_database) noexcept {
    return (client & shared) | (has_database ? 0 : flavour_without_database);
}

const dialect& mysql_dialect() noexcept {
    static const mysql_dialect_of_all the;
    return the;
}

asio::awaitable<bool> mysql_kill_query(asio::io_context& on, std::shared_ptr<const server_target> target,
                                       std::uint32_t connection, bool whole_connection) {
    auto plain = *target;
    plain.compression = config::server_compression::off;
    dialogue with(on, plain);
    if (co_await with.connect()) co_return false;
    server_login login;
    server_talk talk(with, plain, flavour_without_database);
    co_await talk.run(login);
    if (login.failure) co_return false;
    const auto sql = fmt::format("KILL {} {}", whole_connection ? "CONNECTION" : "QUERY", connection);
    const auto failed = co_await talk.ask(my::command::query, sql);
    std::string bye(mysql_dialect().goodbye());
    co_await with.send(std::move(bye));
    co_return !failed;
}

}  // namespace ringway::pool
