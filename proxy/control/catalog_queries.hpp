#pragma once
// The queries on a server's catalogs, and their rows as a raw router::catalog.

#include <string>

#include "router/catalog.hpp"

namespace pqxx {
class transaction_base;
}

namespace ringway::proxy {

/// A catalog without its derived members: for router::make_catalog. All queries must see one snapshot: in a repeatable
/// read transaction. Changes search_path for the rest of the transaction. Throws what libpqxx throws.
router::catalog query_catalog(pqxx::transaction_base& transaction);

/// A short text that changes with whatever query_catalog would see differently; sometimes also without (TRUNCATE). Does
/// not change with temporary tables, nor with VACUUM or ANALYZE.
std::string query_fingerprint(pqxx::transaction_base& transaction);

/// Family of a shard key by its type's OID, domains resolved.
router::key_type key_type_of(std::uint32_t type_oid);

}  // namespace ringway::proxy
