#pragma once
// Compression towards a MySQL or MariaDB server.

#include <memory>

#include "pool/wire_coat.hpp"
#include "protocol/mysql/compression.hpp"

namespace ringway::pool {

/// The packets of answers get the numbers that they have without compression, as clients of any kind are to see them.
std::unique_ptr<wire_coat> mysql_coat(protocol::mysql::compression method);

}  // namespace ringway::pool
