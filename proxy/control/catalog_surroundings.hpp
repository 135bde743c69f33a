#pragma once
// What lies around tables in a server's catalogs: inheritance, foreign keys, rules, triggers, row policies; and the
// users' own operators and casts. Raw: router::make_catalog judges.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "router/catalog.hpp"

namespace pqxx {
class transaction_base;
}

namespace ringway::proxy {

void read_own_operators(pqxx::transaction_base& transaction, router::catalog& to);

/// A function of a cast from or to a type, or of a domain's check.
struct own_cast {
    std::uint32_t type = 0;
    std::string schema, function;
};
std::vector<own_cast> own_casts(pqxx::transaction_base& transaction);

/// Completes relations, given by their OIDs.
void read_surroundings(pqxx::transaction_base& transaction,
                       std::unordered_map<std::uint32_t, router::catalog_relation>& relations);

}  // namespace ringway::proxy
