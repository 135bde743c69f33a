#pragma once
// Positions in the binary log: MariaDB's GTID positions and MySQL's GTID sets. Pure.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringway::pool {

/// What a server has executed, by domain (MariaDB) or server UUID (MySQL): runs of sequence numbers, both ends
/// included. A MariaDB position "0-1-42" is the run 1..42 of domain 0, whichever server wrote it.
class gtid_set {
  public:
    /// "0-100-42,1-100-7", as in gtid_binlog_pos; nullopt: it is none. The empty text is the empty set.
    static std::optional<gtid_set> mariadb(std::string_view text);
    /// "3E11FA47-...:1-5:11, ...", as in gtid_executed.
    static std::optional<gtid_set> mysql(std::string_view text);

    /// What a MariaDB server has written or applied, told apart by who wrote it first: gtid_binlog_state, and
    /// gtid_slave_pos for what is applied without being logged again. "0-100-42" is the run 1..42 of server 100.
    static std::optional<gtid_set> mariadb_origins(std::string_view state, std::string_view applied);

    bool contains(const gtid_set& other) const;
    bool empty() const noexcept { return runs_.empty(); }
    /// How many of them the server with this server_uuid, or MariaDB's server_id (of mariadb_origins), wrote itself.
    std::uint64_t written_by(std::string_view origin) const;
    /// How many transactions it has: never less than a set has that it contains.
    std::uint64_t count() const noexcept;
    friend bool operator==(const gtid_set&, const gtid_set&) = default;

  private:
    using run = std::pair<std::uint64_t, std::uint64_t>;
    std::map<std::string, std::vector<run>, std::less<>> runs_;  ///< ascending
};
using gtid_ref = std::shared_ptr<const gtid_set>;

}  // namespace ringway::pool
