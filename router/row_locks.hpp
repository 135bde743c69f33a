#pragma once
// SELECT ... FOR UPDATE and its like, whose rows are on several shards: each shard locks and reads its own ones. Of
// such a plan `spread` is spreading::apart, and `scatter` tells of its rows.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/keys.hpp"
#include "router/plan.hpp"
#include "router/scatter.hpp"

namespace ringway::router {

/// A table as its statement names it, in quotes: the session's search_path finds it as the statement does.
std::string named_relation(const table_ref& table);

/// A SELECT of PostgreSQL's that locks rows, and does nothing else.
bool locks_rows_only(const statement& what) noexcept;

struct row_locks_finding {
    std::shared_ptr<const scatter_recipe> recipe;  ///< null: `why_not`
    std::string why_not;                           ///< a part of a sentence
    std::string hint;                              ///< what helps against it; empty: nothing of its own
};
/// Of what locks_rows_only(). `uneven`: why its functions could give a shard other values than the rest; empty: they do
/// not.
row_locks_finding find_row_locks(const statement& what, const table_finder& tables, const catalog* in,
                                 const std::vector<std::string>& path, std::string uneven);

/// Whether the plan is one, for when its rows are of several shards. It writes nothing then, wherever it runs.
bool locks_apart(const plan& what) noexcept;

/// What each shard is to run of one execution.
struct row_lock_texts {
    std::vector<std::uint16_t> shards;  ///< in their order: each waits for the one before
    std::vector<std::string> texts;     ///< by them; empty: the statement's own. With the statement's own parameters
    std::vector<scatter_order> orders;  ///< the sort keys that stand behind the client's columns in each; none: in any
    std::vector<table_ref> moving;  ///< tables a row of which another transaction may take to another shard while it
                                    ///< is waited for, where it has been looked for before
};
/// None: a sort key whose meaning is not certain, or, while rows move, those of a shard that cannot be told from
/// others; `refusal` tells which.
std::optional<row_lock_texts> row_lock_texts_of(const plan& what, const values& with, const shard_map& map,
                                                config::fault& refusal);

}  // namespace ringway::router
