#pragma once
// Rows of a binary COPY out of several servers, into one COPY. https://www.postgresql.org/docs/15/sql-copy.html

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pool/wire.hpp"

namespace ringway::proxy {

class copy_pipe {
  public:
    void begin(std::size_t shards);
    /// A CopyData message of one shard. False: it is not of a binary COPY.
    bool forward(std::string_view frame, std::uint16_t shard, pool::wire& to);
    /// ... is sent first, by who has only rows.
    static std::string begin_binary();
    /// What the server that takes the rows is sent when all have come.
    static std::string end();

  private:
    bool header_sent_ = false;
    std::vector<bool> begun_;  ///< by shard: its header has come
};

}  // namespace ringway::proxy
