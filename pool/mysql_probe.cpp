// Health of a MySQL or MariaDB node, over libmysqlclient's API.

#include <fmt/format.h>
#include <mysql.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "pool/node_probe.hpp"

namespace ringway::pool {

namespace {

using row = std::map<std::string, std::optional<std::string>, std::less<>>;

struct closes_connection {
    void operator()(MYSQL* which) const noexcept { mysql_close(which); }
};
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

bool is_on(const row& of, std::string_view name) {
    const auto it = of.find(name);
    return it != of.end() && it->second && (*it->second == "Yes" || *it->second == "ON" || *it->second == "1");
}

class mysql_probe final : public node_probe {
  public:
    ~mysql_probe() override { close(); }
    bool connected() const override { return connection_ != nullptr; }

    std::optional<std::string> connect(const control_login& login) override {
        start_library();
        close();
        std::unique_ptr<MYSQL, closes_connection> made(mysql_init(nullptr));
        if (!made) return "out of memory";
        auto* const to = made.get();
        using std::chrono::ceil, std::chrono::seconds;
        const auto limit =
            static_cast<unsigned>(std::max<std::int64_t>(1, ceil<seconds>(login.connect_timeout).count()));
        mysql_options(to, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
        const auto patience = limit + 2;
        mysql_options(to, MYSQL_OPT_READ_TIMEOUT, &patience);
        mysql_options(to, MYSQL_OPT_WRITE_TIMEOUT, &patience);
        mysql_options(to, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        mysql_options4(to, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "ringway monitor");
        const auto mode = login.tls.mode;
        if (mode != config::tls_mode::disable && mode != config::tls_mode::allow) {
            const auto file = [](const std::string& path) { return path.empty() ? nullptr : path.c_str(); };
            mysql_ssl_set(to, file(login.tls.key_file), file(login.tls.certificate_file), file(login.tls.ca_file),
                          nullptr, nullptr);
            const my_bool enforce = mode != config::tls_mode::prefer;
            mysql_options(to, MYSQL_OPT_SSL_ENFORCE, &enforce);
            const my_bool verify = mode == config::tls_mode::verify_full;
            mysql_options(to, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
        }
        const auto flags = 0UL;
        if (!mysql_real_connect(to, login.node.host.c_str(), login.user.c_str(), login.password.c_str(), nullptr,
                                login.node.port, nullptr, flags))
            return std::string(mysql_error(to));
        connection_ = std::move(made);
        first_ = true;
        const std::lock_guard guard(descriptor_lock_);
        descriptor_ = ::dup(mysql_get_socket(to));
        if (abandoned_) ::shutdown(descriptor_, SHUT_RDWR);
        return std::nullopt;
    }

    probe_result ask() override {
        start_library();
        node_answer answer;
        const auto failed = ask_once(answer);
        if (!failed) {
            answer.first_on_connection = std::exchange(first_, false);
            return {std::move(answer), {}};
        }
        close();
        return {std::nullopt, *failed};
    }

    void interrupt() noexcept override {
        const std::lock_guard guard(descriptor_lock_);
        if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
    }
    void abandon() noexcept override {
        const std::lock_guard guard(descriptor_lock_);
        abandoned_ = true;
        if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
    }
    int descriptor() const noexcept override { return descriptor_; }

  private:
    void close() {
        {
            const std::lock_guard guard(descriptor_lock_);
            if (descriptor_ >= 0) ::close(descriptor_);
            descriptor_ = -1;
        }
        connection_.reset();
    }

    /// Rows of one statement; the number of the server's error, 0: none, and 2xxx for the connection's own trouble.
    unsigned query(const char* sql, std::vector<row>& rows) {
        rows.clear();
        auto* const to = connection_.get();
        if (mysql_query(to, sql) != 0) return mysql_errno(to);
        const std::unique_ptr<MYSQL_RES, frees_result> result(mysql_store_result(to));
        if (!result) return mysql_errno(to);
        const auto columns = mysql_num_fields(result.get());
        const auto* const fields = mysql_fetch_fields(result.get());
        while (auto* const values = mysql_fetch_row(result.get())) {
            const auto* const lengths = mysql_fetch_lengths(result.get());
            row& one = rows.emplace_back();
            for (unsigned i = 0; i < columns; ++i)
                one[fields[i].name] = values[i] ? std::optional(std::string(values[i], lengths[i])) : std::nullopt;
        }
        return 0;
    }

    std::optional<std::string> ask_once(node_answer& answer) {
        if (!connection_) return "not connected";
        auto* const to = connection_.get();
        const bool mariadb = mariadb_connection(to) != 0;
        answer.system = answer.timeline = 1;  // no server of MySQL's has either
        answer.traits.version = mysql_get_server_info(to);
        // What the library takes away from the greeting of a MariaDB before 11.
        if (mariadb && answer.traits.version.starts_with("10.")) answer.traits.version.insert(0, "5.5.5-");
        unsigned long low = 0, high = 0;
        mariadb_get_infov(to, MARIADB_CONNECTION_SERVER_CAPABILITIES, &low);
        if (mariadb) mariadb_get_infov(to, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &high);
        answer.traits.capabilities = (low & 0xffffffffu) | static_cast<std::uint64_t>(high) << 32;
        answer.asked = std::chrono::steady_clock::now();
        std::vector<row> rows;
        const auto* const sql =
            mariadb ? "SELECT @@read_only AS ro, @@gtid_binlog_pos AS logged, @@gtid_slave_pos AS applied, "
                      "@@lower_case_table_names AS folds, @@collation_server AS collation, "
                      "(SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@collation_server) AS id"
                    : "SELECT @@read_only AS ro, @@GLOBAL.gtid_executed AS logged, @@GLOBAL.gtid_executed AS applied, "
                      "@@lower_case_table_names AS folds, @@collation_server AS collation, "
                      "(SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@collation_server) AS id";
        if (query(sql, rows) != 0) return std::string(mysql_error(to));
        if (rows.size() != 1) return "the server's state could not be read";
        const row state = rows.front();
        answer.in_recovery = is_on(state, "ro");
        answer.traits.folds_tables = state.at("folds").value_or("0") != "0";
        answer.traits.collation = static_cast<std::uint8_t>(std::atoi(state.at("id").value_or("0").c_str()));
        answer.streaming = true;
        // Who may not see the state of replication is told by the positions alone.
        const auto refused = query(mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW SLAVE STATUS", rows);
        constexpr unsigned connection_lost = 2000;
        if (refused >= connection_lost) return std::string(mysql_error(to));
        for (const auto& each : rows) {
            const auto io = each.find("Slave_IO_Running");
            const bool receives =
                is_on(each, "Slave_IO_Running") || (io != each.end() && io->second && *io->second == "Connecting");
            answer.in_recovery = answer.in_recovery || receives;
            answer.streaming = answer.streaming && is_on(each, "Slave_IO_Running");
            answer.replay_paused = answer.replay_paused || !is_on(each, "Slave_SQL_Running");
        }
        const auto& text = state.at(answer.in_recovery ? "applied" : "logged");
        const auto executed = mariadb ? gtid_set::mariadb(text.value_or("")) : gtid_set::mysql(text.value_or(""));
        if (!executed) return fmt::format("not a GTID position: {}", text.value_or(""));
        answer.lsn = executed->count();
        answer.gtids = std::make_shared<const gtid_set>(*executed);
        return std::nullopt;
    }

    std::unique_ptr<MYSQL, closes_connection> connection_;
    bool first_ = true;
    std::mutex descriptor_lock_;  ///< against interrupt() while the descriptor is closed
    int descriptor_ = -1;         ///< our own duplicate
    bool abandoned_ = false;
};

}  // namespace

std::unique_ptr<node_probe> make_mysql_probe() {
    return std::make_unique<mysql_probe>();
}

}  // namespace ringway::pool
