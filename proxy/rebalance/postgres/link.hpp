#pragma once
// One connection of a move to a PostgreSQL server, by libpq: queries, COPY, and the replication protocol. It blocks;
// its waits end with stop().

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool/control_connection.hpp"

extern "C" {
struct pg_conn;
struct pg_result;
}

namespace ringway::proxy::rebalance::postgres {

/// What went wrong. `state`: the server's SQLSTATE; empty: the connection.
struct trouble {
    std::string state, message;
    bool is_lost() const noexcept { return state.empty() || state.starts_with("57P") || state.starts_with("08"); }
};

/// Rows of a query; NULL reads as an empty text.
class rows {
  public:
    rows() = default;
    explicit rows(pg_result* from);
    std::size_t size() const;
    std::string_view at(std::size_t row, int column) const;
    bool is_null(std::size_t row, int column) const;
    std::string_view tag() const;  ///< what it has affected, as text

  private:
    std::shared_ptr<pg_result> from_;
};

/// Ends the waits of all links that share it.
class stop_signal {
  public:
    stop_signal();
    ~stop_signal();
    stop_signal(const stop_signal&) = delete;
    stop_signal& operator=(const stop_signal&) = delete;
    void raise() noexcept;
    void clear() noexcept;
    bool is_raised() const noexcept { return raised_; }
    int descriptor() const noexcept { return event_; }

  private:
    std::atomic<bool> raised_{false};
    int event_ = -1;
};

class link {
  public:
    explicit link(const stop_signal& stop) : stop_(stop) {}
    ~link() { close(); }
    link(const link&) = delete;
    link& operator=(const link&) = delete;

    std::optional<trouble> open(const pool::control_login& to, const std::string& application_name,
                                bool replication = false);
    void close();
    bool is_open() const noexcept { return connection_ != nullptr; }
    /// An answer that is not there by then is not waited for any more: the connection is given up.
    void until(std::chrono::steady_clock::time_point latest) noexcept { until_ = latest; }

    std::optional<trouble> run(const std::string& sql);
    std::optional<trouble> ask(const std::string& sql, rows& out);
    std::optional<trouble> ask(const std::string& sql, const std::vector<std::string>& parameters, rows& out);

    /// COPY of a query's rows out of this server, and into the other one. How many rows that were.
    std::optional<trouble> copy_into(const std::string& out_of, link& other, const std::string& into,
                                     const std::atomic<bool>& pause, std::atomic<std::uint64_t>& rows,
                                     std::atomic<std::uint64_t>& bytes);

    /// A replication stream after START_REPLICATION.
    std::optional<trouble> start_stream(const std::string& command);
    enum class got : std::uint8_t { message, nothing, ended };
    /// Waits so long at the most.
    got read_stream(std::string& into, std::chrono::milliseconds longest, trouble& why);
    std::optional<trouble> write_stream(std::string_view bytes);

    /// Statements sent without waiting; results are looked at by sync().
    std::optional<trouble> begin_pipeline();
    std::optional<trouble> push(const std::string& sql, std::span<const char* const> values);
    std::optional<trouble> sync();

    static std::string quoted(std::string_view text);  ///< as a literal

  private:
    trouble lost(std::string_view what);
    std::optional<trouble> wait_result(pg_result*& out);
    bool wait(bool to_write, std::chrono::milliseconds longest);
    std::optional<trouble> flush();
    std::optional<trouble> prepared(const std::string& sql, std::string& name);

    const stop_signal& stop_;
    pg_conn* connection_ = nullptr;
    std::unordered_map<std::string, std::string> statements_;  ///< text -> name
    std::size_t pushed_ = 0;
    std::size_t unsent_ = 0;
    std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::time_point::max();
};

}  // namespace ringway::proxy::rebalance::postgres
