#pragma once
// What a database has besides its rows, as statements that make it: to compare two shards, and to make on a new one
// what it lacks.

#include <optional>
#include <string>
#include <vector>

#include "proxy/rebalance/postgres/link.hpp"

namespace ringway::proxy::rebalance::postgres {

struct schema_object {
    std::string kind, name;  ///< "table", "public.users"
    std::string make;        ///< statements; empty: it cannot be made here
    std::string form;        ///< equal where the object is; empty: only that it is there counts
    bool late = false;       ///< made when all tables are there
    std::string was = {};    ///< of an owner that is replaced
};

/// Everything of the users in the database, in an order in which it can be made.
std::optional<trouble> read_schema(link& from, std::vector<schema_object>& to);

struct schema_difference {
    std::vector<schema_object> missing;  ///< on the second
    std::vector<std::string> refusals;   ///< what differs, or is missing and cannot be made
};
/// `replaces`: functions that differ are made anew instead of refused.
schema_difference compare(const std::vector<schema_object>& model, const std::vector<schema_object>& there,
                          bool replaces = false);

/// Changes with every definition of the users'; now and then also when none has changed. Read in a millisecond or so.
std::optional<trouble> schema_mark(link& from, std::string& to);

}  // namespace ringway::proxy::rebalance::postgres
