#pragma once
// What a PostgreSQL server streams of a logical slot: the messages of the replication protocol, and within them those
// of the plugin pgoutput, version 1. Views of the bytes they are read from.
// https://www.postgresql.org/docs/15/protocol-replication.html, protocol-logicalrep-message-formats.html

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringway::protocol::postgres {

/// A position in a server's WAL.
using wal_position = std::uint64_t;
/// "16/B374D848"; nullopt: not one.
std::optional<wal_position> read_wal_position(std::string_view text) noexcept;
std::string wal_text(wal_position at);

/// CopyData of START_REPLICATION, from the server.
struct stream_data {
    wal_position start = 0, end = 0;
    std::string_view payload;
};
struct stream_keepalive {
    wal_position end = 0;  ///< everything before it has been sent
    bool wants_reply = false;
};
using stream_message = std::variant<stream_data, stream_keepalive>;
std::optional<stream_message> read_stream_message(std::string_view bytes) noexcept;
/// ... and to it: what has been received, and what is kept for good. Microseconds since 2000-01-01.
std::string stream_status(wal_position received, wal_position kept, std::int64_t now, bool wants_reply);

namespace pgoutput {

struct column {
    bool identity = false;  ///< part of the replica identity
    std::string_view name;
    std::uint32_t type_oid = 0;
    std::int32_t modifier = -1;
};
struct relation {
    std::uint32_t id = 0;
    std::string_view schema, name;
    char identity = 'd';  ///< d default, n nothing, f full, i index
    std::vector<column> columns;
};
struct value {
    enum class kind : std::uint8_t { null, unchanged, text, binary } what = kind::null;
    std::string_view bytes;
};
using tuple = std::vector<value>;
struct begin {
    wal_position final_position = 0;  ///< of the commit
    std::uint32_t transaction = 0;
};
struct commit {
    wal_position at = 0, end = 0;
};
struct insert {
    std::uint32_t relation = 0;
    tuple row;
};
enum class old_row : std::uint8_t { none, key, full };
struct update {
    std::uint32_t relation = 0;
    old_row has = old_row::none;
    tuple before, row;
};
struct erase {
    std::uint32_t relation = 0;
    old_row has = old_row::none;
    tuple before;
};
struct truncate {
    std::vector<std::uint32_t> relations;
    bool cascade = false, restart_sequences = false;
};
/// Origin, Type, Message: nothing that rows depend on.
struct other {
    char type = 0;
};
using message = std::variant<begin, commit, relation, insert, update, erase, truncate, other>;
/// nullopt: malformed, or of a kind that version 1 does not have.
std::optional<message> read(std::string_view payload);

}  // namespace pgoutput

}  // namespace ringway::protocol::postgres
