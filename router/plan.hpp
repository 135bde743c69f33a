#pragma once
// statement + catalog + shard map -> plan; plan + values -> route. A plan depends on a statement's shape only, so it is
// cached (router/plan_cache.hpp); a route is computed for each execution without parsing or allocating.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "config/settings.hpp"
#include "router/arcs.hpp"
#include "router/catalog.hpp"
#include "router/dialect.hpp"
#include "router/mysql/modes.hpp"
#include "router/ring.hpp"
#include "router/ring_state.hpp"
#include "router/shape.hpp"
#include "router/sharding.hpp"
#include "router/statement.hpp"

namespace ringway::router {

struct gather_recipe;
struct scatter_recipe;
struct copy_recipe;
struct key_move;
struct carry_recipe;

/// A cluster as the router sees it. Immutable; rebuilt when the configuration changes.
struct shard_map {
    std::string cluster;
    std::vector<ring::member> shards;  ///< index = shard number everywhere
    std::optional<router::ring> points;
    std::vector<config::table> tables;
    std::vector<sharding> functions;     ///< of the tables
    std::vector<std::string> sequences;  ///< of config::cluster: they count on all shards
    bool moves_rows = true;              ///< whose key an UPDATE changes
    std::uint64_t epoch = 0;
    std::vector<bool> joined;  ///< by shard; false: it has no rows and no copies yet, and takes part in nothing
    std::shared_ptr<const ring_change> change;  ///< null: every row stands on its owner only
    bool is_sharded() const { return shards.size() > 1; }
    bool has_joined(std::size_t shard) const { return shard < joined.size() && joined[shard]; }
    std::vector<std::uint16_t> members() const;  ///< the shards that have joined, in order
};
/// `active`: the ring that statements follow; null: the one that the configuration describes.
std::shared_ptr<const shard_map> make_shard_map(const config::cluster& from, std::uint64_t epoch,
                                                const ring_state* active = nullptr,
                                                std::shared_ptr<const ring_change> change = nullptr);

/// Which shard has the rows of a key of `table` (index in shard_map::tables), a canonical text for each of its columns.
/// The one answer of routing, INSERT, COPY, SHOW KEY and SHOW ROUTE. Nothing: no shard has it.
std::optional<std::uint16_t> owner_of(const shard_map& map, std::uint16_t table, std::span<const key_part> key);

/// Which part of the session a plan depends on besides the text.
struct plan_context {
    const router::shard_map* map = nullptr;
    const router::catalog* catalog = nullptr;
    std::string_view search_path;  ///< as SHOW search_path prints it; empty: the catalog's default. Of MySQL the
                                   ///< current database as it is, or empty
    std::string_view user;         ///< for "$user"
    bool standard_conforming_strings = true;  ///< of PostgreSQL
    router::dialect dialect = dialect::postgres;
    mysql_modes modes{};  ///< of MySQL
};

/// Who may run it.
enum class need : std::uint8_t {
    any,      ///< a read: replica or primary
    primary,  ///< a write, a volatile function, a lock
};

/// How the shard is found.
enum class placement : std::uint8_t {
    single,     ///< `keys` and `fixed_shard` name it; without either: shard 0
    any_shard,  ///< no table, or reference tables only: any shard gives the same answer
    all_same,   ///< session commands (SET, BEGIN, ...): whatever shard the session is on
    several,    ///< a read of rows of all shards: `gather` tells what is brought to one server
    spread,     ///< a write that runs on several shards: plan::spread tells how
    refused,    ///< `refusal` says why
};

/// How a write runs on several shards at once.
enum class spreading : std::uint8_t {
    none,
    copied,  ///< COPY ... FROM STDIN: plan::copy tells which rows go where (router/copy_split.hpp)
    merged,  ///< COPY ... TO STDOUT of a table: each shard's rows, one after the other
    apart,   ///< UPDATE, DELETE: the same text everywhere, each shard has rows of its own
    rows,    ///< INSERT: each shard gets those rows that belong to it (router/spread.hpp)
    alike,   ///< the same on every shard: reference tables, TRUNCATE, DDL
    carried  ///< INSERT: the rows are made on one shard, then inserted where they belong: plan::carry
};

/// One set of values that must lie on one shard.
struct key_recipe {
    std::uint16_t table = 0;  ///< index in shard_map::tables
    key_type type = key_type::text;
    bool write = false;        ///< NULL is an error, not an empty result
    bool rows = false;         ///< stored, not compared: each value becomes a row's key
    bool native_only = false;  ///< values of other types are not placed: what compares them may be the users' own
    std::int32_t type_modifier = -1;  ///< of the key's column: what is stored may be cut or rounded to it
    mysql_column mysql{};
    std::vector<value_source> values;
    std::vector<key_recipe> further;  ///< of the key's other columns; of rows as many values each, else all
                                      ///< combinations count
};

/// What a write to the copies of reference tables keeps others away from, until its transaction ends (ADR 0016).
struct copies_kept {
    std::vector<std::string> tables;  ///< names of the map, without schema: sorted
    bool shared = false;              ///< it only adds rows: others may at the same time
};

/// Everything known of a statement's text before its values. Immutable, shared by sessions and workers.
struct plan {
    analysis parsed;  ///< may be empty of blocks; statements[i].effects drive the session
    router::need need = need::primary;
    bool on_primaries = false;  ///< it only reads, by volatile functions: on any shards, and their primaries
    router::placement placement = placement::single;
    std::vector<key_recipe> keys;
    bool hinted = false;  ///< its text names the shard
    std::optional<std::uint16_t>
        fixed_shard;  ///< needs this shard whatever the keys: a hint's, or 0 for tables not in the map
    std::optional<config::fault> refusal;         ///< for placement::refused
    std::shared_ptr<const gather_recipe> gather;  ///< also for `single`: when its keys turn out to be of several shards
    std::shared_ptr<const scatter_recipe> scatter;  ///< a cheaper way than to gather, where there is one
    spreading spread = spreading::none;       ///< also for `single`: when its keys turn out to be of several shards
    std::shared_ptr<const copy_recipe> copy;  ///< for spreading::copied
    std::shared_ptr<const key_move> move;     ///< of an UPDATE on several shards that gives rows a new key
    std::string spread_key;                   ///< of spreading::apart: its table's shard key when that is on the ring
    key_type spread_type = key_type::unsupported;
    std::string alone;       ///< of a write with keys that does not run on several shards: why
    std::string reason;      ///< for SHOW ROUTE: "reads only", "volatile function f", "FOR UPDATE", ...
    bool plain = false;      ///< one statement without any effect on the session: the fast path
    bool traceless = false;  ///< leaves nothing behind in its transaction and depends on nothing of it: that may move
    bool draws_sequence = false;   ///< may take a sequence's next value, by its text, a default or a trigger
    bool asks_sequence = false;    ///< asks for one that was drawn before it: currval, lastval
    bool asks_statements = false;  ///< asks which statements are prepared: pg_prepared_statements
    bool cacheable = true;
    std::uint64_t catalog_version = 0, map_epoch = 0;
    mutable std::uint64_t uses = 0;             ///< statistics only; relaxed, approximate across workers
    std::string shape_text;                     ///< for SHOW PLANS
    std::vector<std::uint16_t> literal_kinds;   ///< reserved for the cache
    std::shared_ptr<const carry_recipe> carry;  ///< for spreading::carried, and for INSERT ... SELECT while rows move
    std::vector<std::uint16_t> unsure_parameters;  ///< 0-based: those of value_source::unsure
    copies_kept copies;                            ///< of a write to reference tables
};

/// Never fails: what cannot be routed has placement::refused and a fault with a hint. `text`: what `parsed` is of;
/// without it rows are not carried from shard to shard.
std::shared_ptr<const plan> make_plan(analysis parsed, const plan_context& context, std::string_view text = {});

/// What a client is told whose key no shard has.
config::fault unmapped_fault(const shard_map& map, std::uint16_t table, std::string_view canonical);

/// One bound parameter of the extended protocol, as the client sent it.
struct parameter {
    std::string_view bytes;
    std::uint32_t type_oid = 0;  ///< declared at Parse; 0: not declared. Of MySQL a mysql::parameter_kind
    bool is_null = false;
    bool binary = false;
};

/// The values of one execution.
struct values {
    std::string_view text;  ///< the statement's text (of the Parse, for the extended protocol)
    std::span<const literal> literals;
    std::span<const parameter> parameters;
    bool standard_conforming_strings = true;
    const mysql_modes* mysql = nullptr;  ///< null: PostgreSQL's literals
    std::uint8_t widest = 4;  ///< of MySQL: bytes of the longest UTF-8 character of the client's that a column gets
                              ///< as it is; 0: only ASCII does
};

/// Where one execution goes.
struct route {
    enum class to : std::uint8_t { shard, any_shard, all_same, several, spread, refused } kind = to::shard;
    std::uint16_t shard = 0;
    router::need need = need::primary;
    bool moves = false;                    ///< may touch rows that are on the move (shard_map::change)
    std::optional<config::fault> refusal;  ///< only for refused (this may allocate)
};

/// The first key that a statement names: what its canonical text is, for who counts keys.
struct key_seen {
    static constexpr std::size_t longest = 64;
    bool found = false;
    std::uint16_t table = 0, shard = 0;
    std::uint32_t length = 0;  ///< of the whole text: a longer one has only its beginning here
    std::array<char, longest> bytes{};
    bool is_whole() const noexcept { return length <= longest; }
    std::string_view text() const noexcept { return {bytes.data(), is_whole() ? length : longest}; }
};

/// No allocation unless refused; at most a microsecond for one key.
route route_of(const plan& what, const values& with, const shard_map& map, key_seen* first = nullptr);

/// `SHOW ROUTE` and `EXPLAIN (ROUTE)`: name/value lines (plan, shards, role, why, per key: value, position, owner).
std::vector<std::pair<std::string, std::string>> explain_route(const plan& what, const values& with,
                                                               const shard_map& map);

}  // namespace ringway::router
