#include "pool/control_connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <pqxx/pqxx>
#include <string_view>
#include <utility>

namespace ringway::pool {

namespace {

/// The first line says what went wrong; libpq adds advice on further ones.
std::string one_line(std::string_view text) {
    while (!text.empty() && text.front() == '\n') text.remove_prefix(1);
    return std::string(text.substr(0, text.find('\n')));
}

std::string_view sslmode(config::tls_mode mode) {
    switch (mode) {
        case config::tls_mode::disable:
            return "disable";
        case config::tls_mode::allow:
            return "allow";
        case config::tls_mode::prefer:
            return "prefer";
        case config::tls_mode::require:
            return "require";
        case config::tls_mode::verify_ca:
            return "verify-ca";
        case config::tls_mode::verify_full:
            return "verify-full";
    }
    return "disable";
}

void add(std::string& text, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    fmt::format_to(std::back_inserter(text), "{}='", key);
    for (const char c : value) {
        if (c == '\'' || c == '\\') text += '\\';
        text += c;
    }
    text += "' ";
}

}  // namespace

control_login control_login_for(const config::cluster& cluster, const config::endpoint& node) {
    control_login login;
    login.node = node;
    login.engine = cluster.engine;
    login.database = cluster.database;
    if (login.database.empty()) login.database = cluster.name == "*" ? "postgres" : cluster.name;
    login.user = cluster.monitor_user;
    login.password = cluster.monitor_password;
    login.tls = cluster.server_tls;
    login.connect_timeout = cluster.check_timeout;
    return login;
}

std::string connection_text(const control_login& login, const std::string& application_name) {
    using std::chrono::ceil, std::chrono::seconds;
    std::string text;
    add(text, "host", login.node.host);
    add(text, "port", std::to_string(login.node.port));
    add(text, "dbname", login.database);
    add(text, "user", login.user);
    add(text, "password", login.password);
    add(text, "application_name", application_name);
    add(text, "connect_timeout",
        std::to_string(std::max<std::int64_t>(2, ceil<seconds>(login.connect_timeout).count())));
    add(text, "tcp_user_timeout", "10000");
    add(text, "keepalives_idle", "10");
    add(text, "gssencmode", "disable");
    add(text, "client_encoding", "UTF8");
    add(text, "sslmode", sslmode(login.tls.mode));
    if (login.tls.mode == config::tls_mode::disable) return text;
    add(text, "sslrootcert", login.tls.ca_file);
    add(text, "sslcert", login.tls.certificate_file);
    add(text, "sslkey", login.tls.key_file);
    add(text, "ssl_min_protocol_version", login.tls.min_version == "1.3" ? "TLSv1.3" : "TLSv1.2");
    return text;
}

struct control_connection::opened {
    explicit opened(const std::string& text) : connection(text), quiet(connection) {}
    pqxx::connection connection;
    pqxx::quiet_errorhandler quiet;  ///< notices would go to stderr
};

control_connection::control_connection(std::string application_name) : application_name_(std::move(application_name)) {}

control_connection::~control_connection() {
    close();
}

bool control_connection::is_open() const {
    return opened_ != nullptr;
}

void control_connection::close() {
    {
        const std::lock_guard guard(descriptor_lock_);
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }
    opened_.reset();
}

std::optional<std::string> control_connection::open(const control_login& login) {
    close();
    try {
        opened_ = std::make_unique<opened>(connection_text(login, application_name_));
        // libpqxx would otherwise connect anew behind our back, to a server that may have another role by then.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        opened_->connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
    } catch (const std::exception& error) {
        return one_line(error.what());
    }
    const std::lock_guard guard(descriptor_lock_);
    descriptor_ = ::dup(opened_->connection.sock());
    if (abandoned_) ::shutdown(descriptor_, SHUT_RDWR);
    return std::nullopt;
}

std::optional<std::string> control_connection::run(const std::function<void(pqxx::connection_base&)>& work) {
    if (!opened_) return "not connected";
    try {
        // Reads what came while nobody asked: what the server had to say, then the end of the connection. Noticed here
        // rather than by the query, which would leak its result (libpqxx 6.4 does when a connection breaks under a
        // query).
        for (int i = 0; i < 2; ++i) opened_->connection.get_notifs();
        work(opened_->connection);
        return std::nullopt;
    } catch (const std::exception& error) {
        std::string why = one_line(error.what());
        if (!opened_->connection.is_open()) close();
        return why;
    }
}

void control_connection::interrupt() noexcept {
    const std::lock_guard guard(descriptor_lock_);
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

void control_connection::abandon() noexcept {
    const std::lock_guard guard(descriptor_lock_);
    abandoned_ = true;
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

}  // namespace ringway::pool
