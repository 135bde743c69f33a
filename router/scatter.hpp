#pragma once
// A SELECT over several shards that each shard runs on its own rows, the answers being put together: rows one after the
// other or merged by their sort keys, groups and aggregates by a last query over what the shards found. Nothing but
// pieces of the client's own text, and a few names of ours, is run.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/clauses.hpp"
#include "router/keys.hpp"
#include "router/outline.hpp"
#include "router/plan.hpp"

namespace ringway::router {

/// How one aggregate's parts are put together.
enum class combining : std::uint8_t { count, sum, average, again };  ///< again: the same function over the parts

struct scatter_call {
    std::uint32_t at = 0;  ///< token of its name, or of the name's schema
    combining how = combining::again;
    std::string name;
};

/// Depends on the shape only.
struct scatter_recipe {
    enum class kind : std::uint8_t {
        rows,   ///< the shards' rows are the answer's
        groups  ///< they are parts of the answer's
    };
    kind how = kind::rows;
    std::shared_ptr<const select_outline> outline;
    table_ref driver;                   ///< a keyed table of FROM: each row of an answer has one of its rows
    std::vector<scatter_call> calls;    ///< of `groups`
    std::vector<std::int32_t> aliased;  ///< by GROUP BY's entries: the item whose alias is meant, or -1
    bool plain_texts = false;           ///< all texts in it are of the database's own collation
    bool byte_order = false;            ///< ... which compares bytes
    /// Found out when it ran, relaxed: that it cannot be run so; how many columns the client sees, and one more, 0 as
    /// long as it is not known; whether the rows can be merged here.
    mutable std::atomic<bool> unfit{false};
    mutable std::atomic<std::uint32_t> shown{0};
    mutable std::atomic<bool> merged{false};
    /// Of scatter_texts::totals: whether the types are such that the parts can be put together without a server.
    enum class totals_state : std::uint8_t { unknown, fit, unfit };
    mutable std::atomic<totals_state> totals{totals_state::unknown};
};

/// Null: it cannot be done, or not without looking at more than the text. The statement is known to be one that
/// find_gather() takes, whose functions give every shard the same values.
std::shared_ptr<const scatter_recipe> find_scatter(const statement& what, const table_finder& tables,
                                                   const catalog* in);

/// Of a SELECT that locks rows: `rows` that each shard may lock and read by itself. What its functions give, and which
/// tables its locks are for, is not looked at. Null: `why_not` tells why, as a part of a sentence.
std::shared_ptr<const scatter_recipe> find_apart(const statement& what, const table_finder& tables, const catalog* in,
                                                 std::string& why_not);

/// A text of ours, and which of the client's parameters it has as its $1, $2, ... (0-based).
struct scatter_text {
    std::string text;
    std::vector<std::uint16_t> parameters;
};

/// Whether a parameter without a declared type stands in the text twice: which of the two tells a server its type
/// depends on the text, and the shards run others.
bool repeats_untyped(const values& with);

/// Whether it asks by current_setting() for what each server may have in a way of its own.
bool asks_setting_of_a_server(const statement& what, const values& with);

/// Whether texts may be put in order in the proxy, by their bytes in UTF8: not those of clients with another encoding.
bool compares_texts(const scatter_recipe& what) noexcept;

struct scatter_order {
    bool descending = false, nulls_first = false;
};

/// For one execution.
struct scatter_texts {
    scatter_text shard;
    std::vector<scatter_order> orders;  ///< of `rows`: the keys that follow the client's own columns
    std::optional<std::uint64_t> limit;
    std::uint64_t offset = 0;
    /// Of `groups`, where the answer is one row of nothing but aggregates, the recipe's first calls in their order: the
    /// client's own text, with min's and max's values once more behind its columns. Empty: it is another.
    scatter_text totals;
};

std::optional<scatter_texts> scatter_texts_of(const plan& what, const values& with);

/// What the rows of a statement are sorted by.
struct sort_places {
    clauses cut;
    std::vector<token_range> keys;  ///< what each sort key is computed from: tokens of `cut`
    std::vector<scatter_order> orders;
};
/// None: it is not certain what a key means, or the text is of another form.
std::optional<sort_places> sort_places_of(const plan& what, const values& with);

/// The query over the parts, which are its first parameters, as arrays; the client's own follow. `types`: of the
/// parts, as the shards tell them. None: types for which it is not known how.
std::optional<scatter_text> combine_groups(const plan& what, const values& with,
                                           const std::vector<std::uint32_t>& types);
/// The query that sorts rows which cannot be sorted here: `types` of all columns, the keys last.
std::optional<scatter_text> combine_rows(const scatter_texts& texts, const std::vector<std::uint32_t>& types);

/// The type of arrays of a built-in type; 0: not known here.
std::uint32_t array_of(std::uint32_t type_oid) noexcept;

}  // namespace ringway::router
