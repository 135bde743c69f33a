// Health of a MySQL or MariaDB node.

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "pool/mysql_control.hpp"
#include "pool/node_probe.hpp"

namespace ringway::pool {

namespace {

bool is_on(const mysql_row& of, std::string_view name) {
    const auto it = of.find(name);
    return it != of.end() && it->second && (*it->second == "Yes" || *it->second == "ON" || *it->second == "1");
}

class mysql_probe final : public node_probe {
  public:
    bool connected() const override { return connection_.is_open(); }
    std::optional<std::string> connect(const control_login& login) override {
        first_ = true;
        told_.reset();
        return connection_.open(login);
    }

    probe_result ask() override {
        node_answer answer;
        const auto failed = connection_.is_open() ? ask_once(answer) : std::optional<std::string>("not connected");
        if (!failed) {
            answer.first_on_connection = std::exchange(first_, false);
            return {std::move(answer), {}};
        }
        connection_.close();
        return {std::nullopt, *failed};
    }

    void interrupt() noexcept override { connection_.interrupt(); }
    void abandon() noexcept override { connection_.abandon(); }
    int descriptor() const noexcept override { return connection_.descriptor(); }

  private:
    std::optional<std::string> ask_once(node_answer& answer) {
        const bool mariadb = connection_.is_mariadb();
        answer.system = answer.timeline = 1;  // no server of MySQL's has either
        answer.traits.version = connection_.version();
        answer.traits.capabilities = connection_.capabilities();
        answer.asked = std::chrono::steady_clock::now();
        std::vector<mysql_row> rows;
        const auto* const sql =
            mariadb ? "SELECT @@read_only AS ro, @@server_id AS origin, @@gtid_binlog_pos AS logged, @@gtid_slave_pos "
                      "AS applied, "
                      "@@gtid_binlog_state AS state, "
                      "@@lower_case_table_names AS folds, @@collation_server AS collation, "
                      "(SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@collation_server) AS id"
                    : "SELECT @@read_only AS ro, @@server_uuid AS origin, @@GLOBAL.gtid_executed AS logged, "
                      "@@GLOBAL.gtid_executed AS applied, "
                      "@@lower_case_table_names AS folds, @@collation_server AS collation, "
                      "(SELECT ID FROM information_schema.COLLATIONS WHERE COLLATION_NAME = @@collation_server) AS id";
        if (connection_.query(sql, rows) != 0) return connection_.problem();
        if (rows.size() != 1) return "the server's state could not be read";
        const mysql_row state = rows.front();
        answer.in_recovery = answer.closed = is_on(state, "ro");
        answer.origin = state.at("origin").value_or("");
        answer.traits.folds_tables = state.at("folds").value_or("0") != "0";
        answer.traits.collation = static_cast<std::uint8_t>(std::atoi(state.at("id").value_or("0").c_str()));
        answer.streaming = true;
        // Who may not see the state of replication is told by the positions alone.
        const auto refused = connection_.query(mariadb ? "SHOW ALL SLAVES STATUS" : "SHOW SLAVE STATUS", rows);
        constexpr unsigned connection_lost = 2000;
        if (refused >= connection_lost) return connection_.problem();
        answer.follows = refused != 0 || !rows.empty();
        for (const auto& each : rows) {
            const auto io = each.find("Slave_IO_Running");
            const bool receives =
                is_on(each, "Slave_IO_Running") || (io != each.end() && io->second && *io->second == "Connecting");
            answer.in_recovery = answer.in_recovery || receives;
            answer.streaming = answer.streaming && is_on(each, "Slave_IO_Running");
            answer.follows = answer.follows && is_on(each, "Slave_IO_Running");
            answer.replay_paused = answer.replay_paused || !is_on(each, "Slave_SQL_Running");
        }
        const auto& text = state.at(answer.in_recovery ? "applied" : "logged");
        const auto executed = mariadb ? gtid_set::mariadb(text.value_or("")) : gtid_set::mysql(text.value_or(""));
        if (!executed) return fmt::format("not a GTID position: {}", text.value_or(""));
        answer.lsn = executed->count();
        answer.gtids = answer.history = std::make_shared<const gtid_set>(*executed);
        if (mariadb) {
            const auto origins =
                gtid_set::mariadb_origins(state.at("state").value_or(""), state.at("applied").value_or(""));
            if (!origins) return "gtid_binlog_state cannot be read";
            answer.history = std::make_shared<const gtid_set>(*origins);
        }
        // A server that shuts down has closed its log while it still answers: it tells of nothing, or only of what it
        // once applied as a replica. Every replica would have reached that, and every old primary have it.
        if (told_ && !answer.history->contains(*told_))
            return "it tells of fewer transactions than before: it is shutting down, or its log has been reset";
        told_ = answer.history;
        return std::nullopt;
    }

    mysql_control_connection connection_{"ringway monitor"};
    bool first_ = true;
    gtid_ref told_;  ///< on this connection, last
};

}  // namespace

std::unique_ptr<node_probe> make_mysql_probe() {
    return std::make_unique<mysql_probe>();
}

}  // namespace ringway::pool
