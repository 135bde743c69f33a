#include "pool/mysql_control.hpp"

#include <mysql.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace ringway::pool {

namespace {

struct frees_result {
    void operator()(MYSQL_RES* which) const noexcept { mysql_free_result(which); }
};

/// The library keeps something for each thread; it goes with the thread.
struct library_thread {
    library_thread() { mysql_thread_init(); }
    ~library_thread() { mysql_thread_end(); }
    library_thread(const library_thread&) = delete;
    library_thread& operator=(const library_thread&) = delete;
};

void start_library() {
    static std::once_flag once;
    std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
    thread_local const library_thread here;
}

}  // namespace

void mysql_control_connection::closes::operator()(st_mysql* which) const noexcept {
    mysql_close(which);
}

mysql_control_connection::~mysql_control_connection() {
    close();
}

void mysql_control_connection::close() {
    {
        const std::lock_guard guard(descriptor_lock_);
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }
    connection_.reset();
}

std::optional<std::string> mysql_control_connection::open(const control_login& login) {
    start_library();
    close();
    std::unique_ptr<st_mysql, closes> made(mysql_init(nullptr));
    if (!made) return "out of memory";
    auto* const to = made.get();
    using std::chrono::ceil, std::chrono::seconds;
    const auto limit = static_cast<unsigned>(std::max<std::int64_t>(1, ceil<seconds>(login.connect_timeout).count()));
    mysql_options(to, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
    const auto patience = limit + 2;
    mysql_options(to, MYSQL_OPT_READ_TIMEOUT, &patience);
    mysql_options(to, MYSQL_OPT_WRITE_TIMEOUT, &patience);
    mysql_options(to, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options4(to, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", program_.c_str());
    const auto mode = login.tls.mode;
    if (mode != config::tls_mode::disable && mode != config::tls_mode::allow) {
        const auto file = [](const std::string& path) { return path.empty() ? nullptr : path.c_str(); };
        mysql_ssl_set(to, file(login.tls.key_file), file(login.tls.certificate_file), file(login.tls.ca_file), nullptr,
                      nullptr);
        const my_bool enforce = mode != config::tls_mode::prefer;
        mysql_options(to, MYSQL_OPT_SSL_ENFORCE, &enforce);
        const my_bool verify = mode == config::tls_mode::verify_full;
        mysql_options(to, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
    if (!mysql_real_connect(to, login.node.host.c_str(), login.user.c_str(), login.password.c_str(), nullptr,
                            login.node.port, nullptr, 0UL))
        return std::string(mysql_error(to));
    // The library goes on without TLS where a server does not offer it.
    if (mode >= config::tls_mode::require && mysql_get_ssl_cipher(to) == nullptr)
        return std::string("the server does not offer TLS");
    connection_ = std::move(made);
    const std::lock_guard guard(descriptor_lock_);
    descriptor_ = ::dup(mysql_get_socket(to));
    if (abandoned_) ::shutdown(descriptor_, SHUT_RDWR);
    return std::nullopt;
}

unsigned mysql_control_connection::query(const char* sql, std::vector<mysql_row>& rows) {
    start_library();
    rows.clear();
    constexpr unsigned not_connected = 2006;
    if (!connection_) return not_connected;
    auto* const to = connection_.get();
    if (mysql_query(to, sql) != 0) return mysql_errno(to);
    const std::unique_ptr<MYSQL_RES, frees_result> result(mysql_store_result(to));
    if (!result) return mysql_errno(to);
    const auto columns = mysql_num_fields(result.get());
    const auto* const fields = mysql_fetch_fields(result.get());
    while (auto* const values = mysql_fetch_row(result.get())) {
        const auto* const lengths = mysql_fetch_lengths(result.get());
        auto& one = rows.emplace_back();
        for (unsigned i = 0; i < columns; ++i)
            one[fields[i].name] = values[i] ? std::optional(std::string(values[i], lengths[i])) : std::nullopt;
    }
    return 0;
}

std::string mysql_control_connection::problem() const {
    return connection_ ? mysql_error(connection_.get()) : "not connected";
}

bool mysql_control_connection::is_mariadb() const {
    return connection_ && mariadb_connection(connection_.get()) != 0;
}

std::string mysql_control_connection::version() const {
    std::string out = mysql_get_server_info(connection_.get());
    // What the library takes away from the greeting of a MariaDB before 11.
    if (is_mariadb() && out.starts_with("10.")) out.insert(0, "5.5.5-");
    return out;
}

std::uint64_t mysql_control_connection::capabilities() const {
    unsigned long low = 0, high = 0;
    mariadb_get_infov(connection_.get(), MARIADB_CONNECTION_SERVER_CAPABILITIES, &low);
    if (is_mariadb()) mariadb_get_infov(connection_.get(), MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &high);
    return (low & 0xffffffffu) | static_cast<std::uint64_t>(high) << 32;
}

void mysql_control_connection::interrupt() noexcept {
    const std::lock_guard guard(descriptor_lock_);
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

void mysql_control_connection::abandon() noexcept {
    const std::lock_guard guard(descriptor_lock_);
    abandoned_ = true;
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

}  // namespace ringway::pool
