#pragma once
// One connection of a control thread to a MySQL server, over libmysqlclient's API, whose waits another thread can end.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/control_connection.hpp"

struct st_mysql;

namespace ringway::pool {

/// Column name -> value; nullopt is NULL.
using mysql_row = std::map<std::string, std::optional<std::string>, std::less<>>;

/// Used by one thread, but for interrupt() and abandon().
class mysql_control_connection {
  public:
    explicit mysql_control_connection(std::string program) : program_(std::move(program)) {}
    ~mysql_control_connection();
    mysql_control_connection(const mysql_control_connection&) = delete;
    mysql_control_connection& operator=(const mysql_control_connection&) = delete;

    /// Closes what is open and connects, without a default database. Returns why it failed.
    std::optional<std::string> open(const control_login& login);
    void close();
    bool is_open() const { return connection_ != nullptr; }

    /// Rows of one statement; 0, or the number of the server's error (2000 and above: the connection's own trouble).
    unsigned query(const char* sql, std::vector<mysql_row>& rows);
    std::string problem() const;  ///< of the last query

    bool is_mariadb() const;
    std::string version() const;         ///< as in the server's greeting
    std::uint64_t capabilities() const;  ///< likewise

    /// Ends a wait for the server; the connection is lost by that. Any thread.
    void interrupt() noexcept;
    /// interrupt(), also of every connection made later. Any thread.
    void abandon() noexcept;
    int descriptor() const noexcept { return descriptor_; }

  private:
    struct closes {
        void operator()(st_mysql* which) const noexcept;
    };
    std::string program_;
    std::unique_ptr<st_mysql, closes> connection_;
    std::mutex descriptor_lock_;  ///< against interrupt() while the descriptor is closed
    int descriptor_ = -1;         ///< our own duplicate
    bool abandoned_ = false;
};

}  // namespace ringway::pool
