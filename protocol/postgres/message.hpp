#pragma once
// The messages Ringway reads or makes itself. Layouts: https://www.postgresql.org/docs/15/protocol-message-formats.html
// Decoders return nullopt for a malformed body; views point into the body given.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/postgres/frame.hpp"

namespace ringway::protocol::postgres {

// ---- client -> server ---------------------------------------------------------------------------------------------

/// Parse 'P': name, query, number of parameter types, their OIDs.
struct parse_message {
    std::string_view name, query;
    std::string_view types;  ///< raw 4-byte big-endian OIDs
    std::size_t type_count() const { return types.size() / 4; }
    std::uint32_t type(std::size_t i) const { return load32(types.data() + 4 * i); }
};
std::optional<parse_message> read_parse(std::string_view body) noexcept;
void write_parse(std::string& to, std::string_view name, std::string_view query, std::string_view types);

/// Bind 'B': portal, statement, format codes, values, result formats.
struct bind_message {
    std::string_view portal, statement;
    std::string_view rest;  ///< everything after the two names, to forward unchanged
};
/// Reads the names only: enough to forward. The rest is checked by read_parameters or by the server.
std::optional<bind_message> read_bind(std::string_view body) noexcept;
/// Header and names of a Bind whose `rest` of `rest_size` bytes follows.
void write_bind_head(std::string& to, std::string_view portal, std::string_view statement, std::size_t rest_size);

struct bound_parameter {
    std::string_view bytes;
    bool is_null = false;
    bool binary = false;
};
/// Reads the parameters out of bind_message::rest into `out` (cleared first). False: malformed (negative counts,
/// lengths past the end).
bool read_parameters(std::string_view rest, std::vector<bound_parameter>& out);

/// Describe 'D' and Close 'C': 'S' or 'P', and a name.
struct target_message {
    char kind = 'S';
    std::string_view name;
};
std::optional<target_message> read_target(std::string_view body) noexcept;
void write_target(std::string& to, char type, char kind, std::string_view name);

/// Execute 'E': portal and the most rows to return (0: all).
struct execute_message {
    std::string_view portal;
    std::int32_t max_rows = 0;
};
std::optional<execute_message> read_execute(std::string_view body) noexcept;
void write_execute(std::string& to, std::string_view portal, std::int32_t max_rows);

void write_query(std::string& to, std::string_view sql);
void write_sync(std::string& to);
void write_flush(std::string& to);
void write_terminate(std::string& to);
void write_password(std::string& to, std::string_view password);  ///< 'p', zero-terminated
void write_sasl_initial(std::string& to, std::string_view mechanism, std::string_view data);
void write_sasl_response(std::string& to, std::string_view data);

// ---- server -> client ---------------------------------------------------------------------------------------------

/// ErrorResponse 'E' / NoticeResponse 'N': fields by their code letter.
struct error_fields {
    std::vector<std::pair<char, std::string>> fields;
    std::string_view get(char code)
        const noexcept;  ///< 'S' severity, 'V' severity not localised, 'C' SQLSTATE, 'M' message, 'D' detail, 'H' hint
};
std::optional<error_fields> read_error(std::string_view body);
/// SQLSTATE of an ErrorResponse without decoding the rest; empty when missing.
std::string_view error_sqlstate(std::string_view body) noexcept;
void write_error(std::string& to, std::string_view severity, std::string_view sqlstate, std::string_view message,
                 std::string_view detail = {}, std::string_view hint = {}, std::int32_t position = 0);
void write_notice(std::string& to, std::string_view severity, std::string_view sqlstate, std::string_view message);

void write_authentication_ok(std::string& to);
void write_authentication_cleartext(std::string& to);
void write_authentication_md5(std::string& to, std::string_view salt4);
void write_authentication_sasl(std::string& to, std::span<const std::string_view> mechanisms);
void write_authentication_sasl_continue(std::string& to, std::string_view data);
void write_authentication_sasl_final(std::string& to, std::string_view data);
void write_parameter_status(std::string& to, std::string_view name, std::string_view value);
void write_backend_key(std::string& to, std::uint32_t pid, std::string_view key);
void write_ready(std::string& to, char status);
void write_command_complete(std::string& to, std::string_view tag);
void write_empty(std::string& to, char type);  ///< ParseComplete '1', BindComplete '2', CloseComplete '3', NoData 'n',
                                               ///< PortalSuspended 's', EmptyQueryResponse 'I'

/// A text-format result column for results Ringway makes itself.
struct column {
    std::string_view name;
    std::uint32_t type_oid = 25;  ///< text
    std::int16_t type_size = -1;
};
void write_row_description(std::string& to, std::span<const column> columns);
/// nullopt is NULL.
void write_data_row(std::string& to, std::span<const std::optional<std::string>> values);
void write_parameter_description(std::string& to, std::span<const std::uint32_t> oids);

}  // namespace ringway::protocol::postgres
