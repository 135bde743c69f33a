#pragma once
// What a session knows of a transaction that stands on several shards (session/span.hpp), besides the span itself.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/session/span.hpp"
#include "proxy/session/statements.hpp"
#include "router/unsure_names.hpp"

namespace ringway::proxy {

struct spanning {
    /// A Bind, run anew by each Describe and Execute of it; rows that are left keep it open on its shard.
    struct portal {
        statement_ref statement;
        std::string bound;   ///< of the Bind, after the names
        std::string opened;  ///< its name on the server, while rows are left
        std::uint16_t shard = 0;
        bool executed = false;
        bool described = false;           ///< since its Bind
        std::uint64_t writes_before = 0;  ///< spanning::writes at its Bind
        /// Of a read of rows of several shards with a row limit: the whole answer, kept here, for what it was read from
        /// is gone. How far the client has it.
        bool holds = false, too_long = false;
        std::string held;
        std::size_t given = 0;
    };
    enum class doing : std::uint8_t { nothing, query, message, end, end_of_batch };

    std::shared_ptr<span> across;
    bool implicit = false;  ///< no BEGIN of the client's: it ends with the statement, or with the batch at Sync
    bool of_text = false;   ///< nor has it; it ends with the text of several statements that it runs
    doing what = doing::nothing;
    std::unordered_map<std::string, portal> portals;
    std::unordered_map<std::string, std::uint16_t> cursors;  ///< declared here: by name, their shard
    std::string tag;                                         ///< of COMMIT or ROLLBACK, or the statement's own
    std::string opening;                                     ///< the portal being opened by the unit under way
    const router::plan* running = nullptr;                   ///< only compared and read while the unit is under way
    std::shared_ptr<const router::plan> held;
    std::string text, whole;  ///< of a session command under way: SAVEPOINT and the like, and the text it is in
    std::vector<router::literal> literals;
    pool::settings_ref settings_before;  ///< of the client, should it be rolled back
    std::string path_before, path_after;
    bool conforming_before = true, conforming_after = true;
    std::vector<std::vector<std::uint16_t>> numbers;  ///< of a parted INSERT's parts: the client's parameters
    std::size_t commands = 0;                         ///< remembered for shards that join later
    std::uint64_t writes = 0;                         ///< statements that may have written
    bool reads_only = false;                          ///< BEGIN READ ONLY, or SET TRANSACTION READ ONLY
    bool wrote_before = false;                        ///< ... the latter, behind writes
    bool read_apart = true;                           ///< ... without settings that other transactions do not have
    portal* holding = nullptr;                        ///< the one whose answer is being kept
    std::uint32_t wanted_rows = 0;                    ///< ... and how many of its rows the client wants first
    bool savepoints = false, changes_catalog = false;
    bool locks_tables = false;    ///< LOCK TABLE: who reads beside it would wait for it
    bool asked = false;           ///< a statement has run in it, on whatever connection
    router::unsure_names unsure;  ///< what it has defined
    struct mark {
        std::string savepoint;
        router::unsure_names unsure;
        bool reads_only = false;
    };
    std::vector<mark> marks;                                  ///< what of this was so at its savepoints
    std::shared_ptr<const pool::parameter_list> told_before;  ///< what the client knew when it began; null: not known
    std::unique_ptr<undo_record> parsed;  ///< of a Parse that a shard looks at, or its Describe that is next
    bool on_the_move = false;             ///< it has written to rows on the move, or may have
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
    std::uint32_t next_portal = 0;
    std::unique_ptr<span_unit> instead;  ///< what runs when a read apart cannot be scattered
};

/// What is left of a text whose statements run one by one (span_texts.cpp).
struct text_rest {
    struct piece {
        std::size_t offset = 0, length = 0;
    };
    std::string sql;            ///< the whole text
    std::vector<piece> pieces;  ///< a statement each; behind a COMMIT or a ROLLBACK all that follows
    std::size_t next = 0;
    bool conforming_strings = true;  ///< as it was read
};

/// The parts of a SELECT that locks rows of several shards (router/row_locks.hpp). `utf8`: the client's encoding, in
/// which texts come to be sorted. `numbers`: of parts with a text of their own. Why it cannot run.
std::optional<config::fault> row_lock_parts(const router::plan& plan, const router::values& with,
                                            const router::shard_map& map, bool utf8, span_unit& unit,
                                            std::vector<std::vector<std::uint16_t>>& numbers);
/// A portal's rows that wait for their turn are more than may be kept.
config::fault too_much_held();
/// What a transaction on several shards cannot do.
config::fault not_across(std::string_view what);

}  // namespace ringway::proxy
