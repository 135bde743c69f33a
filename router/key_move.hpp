#pragma once
// An UPDATE that gives rows another shard key: those that belong to another shard afterwards are moved there.

#include <memory>
#include <string>
#include <vector>

#include "router/keys.hpp"
#include "router/plan.hpp"

namespace ringway::router {

struct key_move {
    key_recipe value;      ///< of the new key
    std::string relation;  ///< as SQL writes it, with its schema
    std::string key;       ///< ... its column
    std::string columns;   ///< ... all that are stored, with commas between them
    std::string guard;     ///< that there are no others: they would be lost (router/columns_guard.hpp)
};

/// Of an UPDATE whose only new key is a constant or a parameter. Null, with a reason, when a trigger, a foreign key or
/// the like could tell a row that is moved from one that is changed.
std::shared_ptr<const key_move> find_key_move(const statement& what, const table_finder& tables,
                                              const std::vector<key_recipe>& keys, std::string& why_not);

/// Of COPY of a table to the client: what it copies; `value` is nothing. Null: it is not known.
std::shared_ptr<const key_move> copied_rows(const statement& what, const table_finder& tables);

/// What takes the rows with the key out of a shard that they do not belong to, and gives their columns. `copies`:
/// copies of rows with this key stand there, of a rebalance; only what this transaction has written is taken.
std::string take_out(const key_move& what, std::string_view canonical, bool copies = false);
/// The COPY, binary, that puts them where they belong.
std::string put_in(const key_move& what);

}  // namespace ringway::router
