#pragma once
// Column definitions and rows, for results that Ringway reads or makes itself.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/result-set-packets
// Decoders return nullopt or false for a malformed payload; views point into the payload given.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/value.hpp"

namespace ringway::protocol::mysql {

/// Column flags. https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__column__definition__flags.html
namespace column_flag {
inline constexpr std::uint16_t not_null = 0x0001;
inline constexpr std::uint16_t primary_key = 0x0002;
inline constexpr std::uint16_t is_unsigned = 0x0020;
inline constexpr std::uint16_t binary = 0x0080;
}  // namespace column_flag

inline constexpr std::uint16_t utf8mb4 = 45;  ///< utf8mb4_general_ci
inline constexpr std::uint16_t binary_collation = 63;

struct column_definition {
    std::string_view schema, table, original_table, name, original_name;
    std::string_view extended;  ///< MariaDB's type name and format, raw
    std::uint16_t collation = utf8mb4;
    std::uint32_t length = 1024;
    field_type type = field_type::var_string;
    std::uint16_t flags = 0;
    std::uint8_t decimals = 0;
};
std::optional<column_definition> read_column(std::string_view payload, capability::flags capabilities) noexcept;
void write_column(std::string& to, std::uint8_t& sequence, const column_definition& column,
                  capability::flags capabilities);

using text_value = std::optional<std::string_view>;  ///< nullopt is NULL
/// Reads a row of the text protocol into `out` (cleared first).
bool read_text_row(std::string_view payload, std::size_t columns, std::vector<text_value>& out);
void write_text_row(std::string& to, std::uint8_t& sequence, std::span<const text_value> values);
/// Reads a row of the binary protocol into `out` (cleared first).
bool read_binary_row(std::string_view payload, std::span<const column_definition> columns,
                     std::vector<binary_value>& out);

/// The packets before the rows of a result in the text protocol, and the one after them.
void write_result_head(std::string& to, std::uint8_t& sequence, std::span<const column_definition> columns,
                       std::uint16_t status, capability::flags capabilities);
void write_result_end(std::string& to, std::uint8_t& sequence, std::uint16_t status, std::uint16_t warnings,
                      capability::flags capabilities);

}  // namespace ringway::protocol::mysql
