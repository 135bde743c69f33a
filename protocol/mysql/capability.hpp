#pragma once
// What a server and a client can do, as 64 bits: MySQL's 32, above them MariaDB's own 32, which go in bytes that MySQL
// leaves unused, and only while client_mysql is not set.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/1-connecting/connection#capabilities

#include <cstdint>

namespace ringway::protocol::mysql::capability {

using flags = std::uint64_t;

/// MySQL: "long password", always set by MySQL's own. MariaDB's servers and clients leave it out to say who they are.
inline constexpr flags client_mysql = 1;
inline constexpr flags found_rows = 1U << 1;  ///< affected rows are the rows found, not those changed
inline constexpr flags long_flag = 1U << 2;
inline constexpr flags connect_with_db = 1U << 3;
inline constexpr flags no_schema = 1U << 4;
inline constexpr flags compress = 1U << 5;  ///< zlib
inline constexpr flags odbc = 1U << 6;
inline constexpr flags local_files = 1U << 7;
inline constexpr flags ignore_space = 1U << 8;
inline constexpr flags protocol_41 = 1U << 9;
inline constexpr flags interactive = 1U << 10;
inline constexpr flags ssl = 1U << 11;
inline constexpr flags ignore_sigpipe = 1U << 12;
inline constexpr flags transactions = 1U << 13;  ///< status flags in OK and EOF
inline constexpr flags reserved = 1U << 14;      ///< was CLIENT_PROTOCOL_41
inline constexpr flags secure_connection = 1U << 15;
inline constexpr flags multi_statements = 1U << 16;
inline constexpr flags multi_results = 1U << 17;
inline constexpr flags ps_multi_results = 1U << 18;
inline constexpr flags plugin_auth = 1U << 19;
inline constexpr flags connect_attrs = 1U << 20;
inline constexpr flags plugin_auth_lenenc_data = 1U << 21;
inline constexpr flags can_handle_expired_passwords = 1U << 22;
inline constexpr flags session_track = 1U << 23;
inline constexpr flags deprecate_eof = 1U << 24;
inline constexpr flags optional_resultset_metadata = 1U << 25;
inline constexpr flags zstd_compression = 1U << 26;
inline constexpr flags query_attributes = 1U << 27;
inline constexpr flags multi_factor_authentication = 1U << 28;
inline constexpr flags capability_extension = 1U << 29;
inline constexpr flags ssl_verify_server_cert = 1U << 30;
inline constexpr flags remember_options = 1U << 31;

inline constexpr flags mariadb_progress = 1ULL << 32;
inline constexpr flags mariadb_com_multi = 1ULL << 33;  ///< never used in a release
inline constexpr flags mariadb_stmt_bulk_operations = 1ULL << 34;
inline constexpr flags mariadb_extended_metadata = 1ULL << 35;  ///< type names in column definitions
inline constexpr flags mariadb_cache_metadata = 1ULL << 36;     ///< column definitions may be left out
inline constexpr flags mariadb_bulk_unit_results = 1ULL << 37;

inline constexpr flags mysql_bits = 0xffffffff;
inline constexpr flags mariadb_bits = ~mysql_bits;

inline constexpr bool has(flags all, flags one) {
    return (all & one) == one;
}

}  // namespace ringway::protocol::mysql::capability
