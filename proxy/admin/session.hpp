#pragma once
// One connection to the admin port after its login, sans-I/O: bytes in, bytes and commands out.
// Speaks the simple and the extended query protocol: https://www.postgresql.org/docs/15/protocol-flow.html

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/admin/command.hpp"
#include "proxy/admin/table.hpp"

namespace ringway::proxy::admin {

/// Everything a server sends between a successful login and the first command: AuthenticationOk, ParameterStatus,
/// BackendKeyData, ReadyForQuery.
void write_greeting(std::string& out, std::uint32_t pid, std::string_view cancel_key,
                    std::string_view application_name = {});

/// Not thread-safe. While a command is pending, bytes are kept and nothing is answered, so the replies stay in order.
class session {
  public:
    /// A longer message ends the connection.
    static constexpr std::size_t max_message = 1u << 20;
    static constexpr std::size_t max_statements = 256;  ///< prepared statements, and portals
    static constexpr std::size_t high_mark =
        64 * 1024;  ///< bytes kept while a command is pending, past which wants_input() is false

    /// Takes bytes from the client and appends replies to `out`. Call again after pending() became something: bytes are
    /// then kept.
    void feed(std::string_view bytes, std::string& out);
    /// A command to run, its parameters put in; null: none. Valid until complete(). Run it (executor::run), then call
    /// complete().
    const command* pending() const noexcept { return pending_ ? &*pending_ : nullptr; }
    /// The pending command's result. Goes on with what came meanwhile; another command may be pending after it.
    void complete(result&& with, std::string& out);
    /// False: read no more from the client until the pending command is complete.
    bool wants_input() const noexcept { return !closed_ && (!pending_ || input_.size() < high_mark); }
    /// True after Terminate or a violation of the protocol: send what is in `out`, then close.
    bool closed() const noexcept { return closed_; }

  private:
    struct prepared {
        command what;
        std::vector<std::uint32_t> types;  ///< of the parameters
    };
    struct portal {
        command what;
        std::vector<bool> binary;     ///< of the result's columns
        std::optional<table> answer;  ///< once it ran
        std::size_t next_row = 0;
    };
    enum class simple_or_extended : std::uint8_t { simple, extended };

    void advance(std::string& out);
    void take(char type, std::string_view body, std::string& out);

    void on_query(std::string_view body, std::string& out);
    void run_script(std::string& out);
    void on_parse(std::string_view body, std::string& out);
    void on_bind(std::string_view body, std::string& out);
    void on_describe(std::string_view body, std::string& out);
    void on_execute(std::string_view body, std::string& out);
    void on_close(std::string_view body, std::string& out);
    void on_sync(std::string& out);

    /// Runs a command that needs nothing of the process; nullopt: it must be pending.
    std::optional<result> run_here(const command& what, std::string& out);
    result change_transaction(command::verb what, std::string& out);
    void send_rows(portal& from, std::int32_t most, std::string& out);
    void fail(const config::fault& why,
              std::string& out);  ///< an error inside a message of the extended protocol: skip to Sync
    void violation(std::string_view why, std::string& out);  ///< FATAL, closes

    std::string input_;
    std::optional<command> pending_;
    simple_or_extended pending_for_ = simple_or_extended::simple;
    std::deque<command> script_;  ///< of a simple query, still to run
    bool in_script_ = false;
    std::string executing_;  ///< name of the portal that is pending
    std::int32_t executing_rows_ = 0;
    std::unordered_map<std::string, prepared> statements_;
    std::unordered_map<std::string, portal> portals_;
    char status_ = 'I';      ///< of the transaction, as in ReadyForQuery
    bool skipping_ = false;  ///< until Sync
    bool closed_ = false;
};

}  // namespace ringway::proxy::admin
