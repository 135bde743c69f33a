#pragma once
// Looking ahead over a client's extended-protocol messages up to Sync or Flush. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/postgres/message.hpp"

namespace ringway::proxy {

/// The messages up to and with the first Sync or Flush, or up to a Query or a FunctionCall without either.
struct batch_bounds {
    std::size_t size = 0;  ///< bytes of whole messages seen
    bool ended = false;    ///< these are all of them
    bool cut = false;      ///< ... for a Query or a FunctionCall is next
    bool malformed = false;
    std::uint32_t next_total = 0;  ///< size of the message that is not whole yet; 0: not known
    char next_type = '\0';         ///< ... and its type
};
/// `seen`: how many bytes at the front are known to be whole messages of it.
batch_bounds find_batch(std::string_view bytes, std::size_t seen = 0) noexcept;

/// Whether these messages bind the unnamed portal anew before they ask for anything of it.
bool replaces_portal(std::string_view bytes) noexcept;

enum class local_batch_kind : std::uint8_t {
    no,
    closes,         ///< Close of named statements and Sync
    one_statement,  ///< at most one Parse, one Bind, one Execute, with Describes and Closes
};
struct local_batch_view {
    local_batch_kind kind = local_batch_kind::no;
    std::optional<protocol::postgres::parse_message> parse;
    std::string_view statement;  ///< that Bind names
    std::string_view bound;      ///< ... and the rest of it, behind the names
};
/// Whether a batch ended by Sync is of a kind that may need no server.
local_batch_view local_batch(std::string_view batch) noexcept;

/// A batch that only prepares: a Parse of a named statement, a Describe of that statement, or both.
struct preparation {
    std::optional<protocol::postgres::parse_message> parse;
    std::string_view name;
    bool describes = false;
    bool flushes = false;  ///< ended by Flush, not by Sync
};
std::optional<preparation> read_preparation(std::string_view batch) noexcept;

}  // namespace ringway::proxy
