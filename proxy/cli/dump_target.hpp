#pragma once
// The running proxy, as a dump's statements and rows are sent to it.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cli/connection_string.hpp"

struct pg_conn;
struct pg_result;

namespace ringway::proxy::cli {

/// What the proxy or a server has answered to a statement that failed.
struct refusal {
    std::string sqlstate, message, detail, hint, context;  ///< without a SQLSTATE: the connection was lost
    /// The line of COPY's data that the context names, from 1; 0: none.
    std::uint64_t data_line() const;
    std::string shown() const;  ///< several lines
};

class dump_target {
  public:
    dump_target();
    ~dump_target();
    dump_target(const dump_target&) = delete;
    dump_target& operator=(const dump_target&) = delete;

    /// Each returns whether it worked; else failure() says why not.
    bool open(const connection_target& to);
    bool run(const std::string& sql);
    /// COPY ... FROM STDIN, up to its rows.
    bool begin_copy(const std::string& sql);
    /// Returns when the proxy has taken them: as fast as the slowest shard.
    bool put(std::string_view rows);
    /// `why` not empty: the rows are not whole, nothing of them may stay.
    bool end_copy(const std::string& why = {});
    const std::string& tag() const noexcept { return tag_; }  ///< of what has worked: "COPY 5"
    std::uint64_t counted() const noexcept { return counted_; }
    const refusal& failure() const noexcept { return failure_; }
    bool lost() const;

  private:
    bool take(pg_result* result);
    bool fail_connection();
    pg_conn* connection_ = nullptr;
    std::string tag_;
    std::uint64_t counted_ = 0;
    refusal failure_;
};

}  // namespace ringway::proxy::cli
