#include "pool/node_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <pqxx/pqxx>
#include <stdexcept>
#include <utility>

namespace ringway::pool {

namespace {

// The insert position, not the flushed one: a commit with synchronous_commit = off is acknowledged before it is
// flushed. A primary's timeline is that of the file it writes; the control file knows a new one only after a
// checkpoint. A replica's is that of its WAL receiver; who may not see that (it takes pg_monitor), or when there is
// none, the control file.
constexpr const char* prepare_question = R"(
PREPARE ringway_ask AS
SELECT node.replica,
       CASE WHEN node.replica THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END,
       CASE WHEN NOT node.replica THEN pg_catalog.pg_current_wal_flush_lsn() END,
       CASE WHEN NOT node.replica THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END,
       receiver.received_tli,
       CASE WHEN node.replica AND receiver.received_tli IS NULL THEN
           greatest((SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()),
                    (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery())) END,
       receiver.pid IS NOT NULL,
       CASE WHEN node.replica THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END
FROM (SELECT pg_catalog.pg_is_in_recovery() AS replica OFFSET 0) AS node
LEFT JOIN pg_catalog.pg_stat_wal_receiver AS receiver ON true)";

constexpr const char* server_question = R"(
SELECT system_identifier,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_block_size'),
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size')
FROM pg_catalog.pg_control_system())";

constexpr const char* question = "EXECUTE ringway_ask";

std::uint64_t lsn_of(const pqxx::field& field) {
    if (field.is_null()) return 0;
    const auto lsn = parse_lsn(field.c_str());
    if (!lsn) throw std::runtime_error(fmt::format("not a WAL position: {}", field.c_str()));
    return *lsn;
}

std::uint32_t timeline_of(const pqxx::row& row) {
    constexpr pqxx::row::size_type file = 3, received = 4, control = 5;
    if (!row[file].is_null()) return timeline_of_wal_file(row[file].c_str()).value_or(0);
    return row[row[received].is_null() ? control : received].as<std::uint32_t>(0);
}

/// One query, two on a new connection. See control_connection for how its waits end.
class postgres_probe final : public node_probe {
  public:
    bool connected() const override { return connection_.is_open(); }
    std::optional<std::string> connect(const control_login& login) override;
    probe_result ask() override;
    void interrupt() noexcept override { connection_.interrupt(); }
    void abandon() noexcept override { connection_.abandon(); }
    int descriptor() const noexcept override { return connection_.descriptor(); }

  private:
    void close();
    void learn_server(pqxx::connection_base& connection);
    node_answer ask_once(pqxx::connection_base& connection);

    control_connection connection_{"ringway monitor"};
    wal_layout layout_;         ///< of the server at the other end
    std::uint64_t system_ = 0;  ///< 0: not asked yet on this connection
    flush_nudge nudge_;
};

void postgres_probe::learn_server(pqxx::connection_base& connection) {
    pqxx::nontransaction work(connection);
    work.exec0("SET search_path = ''");
    const pqxx::row row = work.exec1(server_question);
    system_ = row[0].as<std::uint64_t>();
    layout_ = {row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>()};
    work.exec0(prepare_question);
}

node_answer postgres_probe::ask_once(pqxx::connection_base& connection) {
    pqxx::nontransaction work(connection);
    node_answer answer;
    answer.asked = std::chrono::steady_clock::now();
    const pqxx::result result = work.exec(question);
    const pqxx::row row = result.at(0);
    answer.system = system_;
    answer.in_recovery = row[0].as<bool>();
    answer.lsn = end_of_records(lsn_of(row[1]), layout_);
    answer.timeline = timeline_of(row);
    answer.streaming = row[6].as<bool>();
    answer.replay_paused = row[7].as<bool>();
    if (!answer.in_recovery && nudge_.due(answer.lsn, lsn_of(row[2]), std::chrono::steady_clock::now())) {
        work.exec1("SELECT pg_catalog.txid_current()");
    }
    return answer;
}

std::optional<std::string> postgres_probe::connect(const control_login& login) {
    close();
    return connection_.open(login);
}

probe_result postgres_probe::ask() {
    probe_result result;
    auto failure = connection_.run([&](pqxx::connection_base& to) {
        const bool first = system_ == 0;
        if (first) learn_server(to);
        result.answer = ask_once(to);
        result.answer->first_on_connection = first;
    });
    if (!failure) return result;
    close();  // whatever it was, it may be the connection's own trouble
    return {std::nullopt, std::move(*failure)};
}

void postgres_probe::close() {
    connection_.close();
    system_ = 0;
}

}  // namespace

std::unique_ptr<node_probe> make_postgres_probe() {
    return std::make_unique<postgres_probe>();
}

std::unique_ptr<node_probe> make_probe(config::engine of) {
    return of == config::engine::mysql ? make_mysql_probe() : make_postgres_probe();
}

}  // namespace ringway::pool
