#pragma once
// One dialect-neutral statement: what a parser found out about an SQL text. No catalog, no topology: only the text.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/tie_action.hpp"

namespace ringway::router {

struct copy_command;

enum class verb : std::uint8_t {
    empty,
    select,
    insert,
    update,
    delete_,
    merge,
    copy_from,
    copy_to,
    begin,
    commit,
    rollback,
    savepoint,
    release,
    rollback_to,
    prepare_transaction,
    commit_prepared,
    rollback_prepared,
    set,
    reset,
    show,
    discard,
    prepare,
    execute,
    deallocate,
    declare_cursor,
    fetch,
    close_cursor,
    listen,
    unlisten,
    notify,
    call,
    do_block,
    explain,
    lock_table,
    truncate,
    ddl,
    load_library,
    set_constraints,
    maintenance,  ///< VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, ALTER SYSTEM: outside of transactions, on the
                  ///< primary
    other,
    // MySQL and MariaDB
    replace,
    use_database,
    load_data,      ///< LOAD DATA, LOAD XML
    handler,        ///< HANDLER ... OPEN, READ, CLOSE
    unlock_tables,  ///< UNLOCK TABLES
    xa_start,       ///< XA START, XA BEGIN: `name` is the xid as written
    xa_end,
    xa_prepare,
    xa_commit,  ///< `chain` for ONE PHASE
    xa_rollback,
    xa_recover,
    kill,
    flush,        ///< FLUSH, RESET: `name` is what is flushed
    evaluate,     ///< DO expression: no rows
    compound,     ///< BEGIN NOT ATOMIC, IF, LOOP, ... outside of a routine
    diagnostics,  ///< GET DIAGNOSTICS, SIGNAL, RESIGNAL: the diagnostics area of the statement before
};

/// Bytes of the statement's text.
struct span32 {
    std::uint32_t offset = 0, length = 0;
};

/// Where a value comes from when the statement runs.
struct value_source {
    enum class from : std::uint8_t { literal, parameter, null, constant, unknown } what = from::unknown;
    std::uint32_t index = 0;  ///< of the literal in shape::literals; of the parameter, 0-based ($1 is 0)
    bool negated = false;     ///< a minus sign stands before the literal
    bool unsure = false;      ///< a parameter that stands in several places: when its type is not declared, it may be
                              ///< another than the column's (router/parameter_types.hpp)
    std::uint32_t at = 0;     ///< where in the text a parameter stands; of no account for ==
    std::string constant;     ///< for `constant`: a folded value (TRUE, 1 + 1), as text
    std::string cast;         ///< type name the source is cast to explicitly ("int4"), else empty
    bool array = false;       ///< an array whose elements are the values: = ANY($1), = ANY('{1,2}')
    friend bool operator==(const value_source& a, const value_source& b) {
        return a.what == b.what && a.index == b.index && a.negated == b.negated && a.unsure == b.unsure &&
               a.constant == b.constant && a.cast == b.cast && a.array == b.array;
    }
};

/// What a statement does to the session beyond its rows. Takes place when its CommandComplete arrives.
struct effect {
    enum class kind : std::uint8_t {
        set,        ///< SET [SESSION] name = values; also SET TIME ZONE, NAMES, ROLE, SESSION AUTHORIZATION, SESSION
                    ///< CHARACTERISTICS
        set_local,  ///< SET LOCAL, SET TRANSACTION
        reset,      ///< RESET name, SET name TO DEFAULT
        reset_all,
        set_config,        ///< SELECT set_config(name, value, is_local): the value is known only from the sources
        settings_unknown,  ///< may have set anything (DO, CALL, a function of the users'): compare pg_settings before
                           ///< the connection goes back; `pin`: why that would not tell all, else empty
        pin,               ///< `pin` says why
        unpin_listen,      ///< UNLISTEN *
        unpin_locks,       ///< pg_advisory_unlock_all()
        discard_all,
        discard_plans,
        discard_temp,
        discard_sequences,
        prepare,          ///< SQL PREPARE: `name`, `body` (the statement to prepare), `values`: `cast` and `array` tell
                          ///< the declared types
        execute,          ///< SQL EXECUTE: `name`, `name_span`, `values`: the arguments
        deallocate,       ///< `name`; empty: ALL
        catalog_changed,  ///< DDL: refresh catalogs, count as a write
        // MySQL and MariaDB
        set_global,         ///< SET GLOBAL, PERSIST name = value: for the server, not for the session
        set_user_variable,  ///< @name = value: by SET (`values` and `body` tell it), or anywhere else (`values` empty)
        use_database,       ///< `name`
        execute_immediate,  ///< `values`: the text, then the arguments
        drop_temporary,     ///< DROP TEMPORARY TABLE, or DROP TABLE, which may mean one: `name`
        handler_close,      ///< `name`
        unlock_tables,      ///< UNLOCK TABLES, and what else ends LOCK TABLES
        unlock_backup,      ///< BACKUP UNLOCK, BACKUP STAGE END
        unpin_lock,         ///< RELEASE_LOCK: the answer tells whether one lock less is held
        kill,               ///< `name`: "connection", "query", "query id", "user"; `values`: which
    } what;
    std::string name;                  ///< setting (lower case), prepared statement, savepoint
    span32 name_span;                  ///< where the name stands in the text
    span32 body;                       ///< for prepare: the statement after AS; for set: the text after TO or =
    std::vector<value_source> values;  ///< for set, set_config, prepare, execute; identifiers come as constants
    std::string
        pin;  ///< "user lock", "LOCK TABLES", "HANDLER", "XA transaction", "read lock", "backup stage", "temporary
              ///< table", "session advisory lock", "LISTEN", "WITH HOLD cursor", "setseed", "LOAD", ...
};

struct table_ref {
    std::string schema, name, alias;  ///< alias is empty when none; names as the server folds them
    bool written = false;
};

struct column_ref {
    std::string table;  ///< alias or name as written; empty when not qualified
    std::string column;
    std::string schema;  ///< of schema.table.column; else empty
    friend bool operator==(const column_ref&, const column_ref&) = default;
};

/// column = value (or IN / = ANY of values), true for every row the block lets through.
struct key_test {
    column_ref column;
    std::vector<value_source> values;  ///< one: equality; several: IN
};
/// column < value and the like, column IS NULL, true for every row the block lets through.
struct comparison {
    enum class kind : std::uint8_t { less, at_most, greater, at_least, differs, like, is_null, is_not_null } how{};
    column_ref column;
    value_source value;  ///< a literal or a parameter
};
/// left = right, from WHERE or an inner join's ON.
struct column_equality {
    column_ref left, right;
};

/// column = something new: SET of an UPDATE or of ON CONFLICT DO UPDATE.
struct assignment {
    column_ref column;
    value_source value;              ///< unknown for an expression
    std::optional<column_ref> from;  ///< a plain column: excluded.user_id
};

/// What INSERT ... SELECT puts into one column.
struct insert_output {
    value_source value;
    std::optional<column_ref> from;  ///< a plain column of the SELECT's tables
};

/// An INSERT: where each row's columns come from.
struct insert_rows {
    table_ref table;
    std::vector<std::string> columns;  ///< empty: the table's own order
    std::vector<std::vector<value_source>>
        rows;  ///< `unknown` for an expression, `null` for NULL; DEFAULT is unknown with constant "default"
    bool from_select = false;
    bool on_conflict = false;
    std::vector<insert_output>
        outputs;  ///< from_select: of the SELECT, which is the block's first child; empty when not known (*, UNION)
};

/// One level of a query: a SELECT, an INSERT ... SELECT's source, a subquery, a CTE, an UPDATE.
struct query_block {
    std::vector<table_ref> tables;
    std::vector<std::string> derived;  ///< names in FROM whose columns are not a table's: subqueries, CTEs, functions
    std::vector<key_test> tests;
    std::vector<comparison> comparisons;
    std::vector<column_equality> equalities;
    std::vector<query_block> children;  ///< subqueries, CTEs, branches of set operations, nullable sides of outer joins
    std::optional<insert_rows> insert;
    std::vector<assignment> assignments;
    bool exact = true;     ///< false: something here the analysis does not understand; not routable by key
    bool renamed = false;  ///< a join in FROM has an alias with names for its columns, by their places
    bool joined = false;   ///< the nullable side of an outer join: the parent sees its tables; its tests bind only them
    bool returning = false;   ///< an INSERT, UPDATE or DELETE with RETURNING
    bool sees_parent = true;  ///< may refer to the parent's columns; not so a CTE or a FROM item without LATERAL
};

struct routing_hint {
    enum class role_wish : std::uint8_t { none, primary, replica } role = role_wish::none;
    std::string shard;    ///< /* ringway: shard=s1 */
    std::string unknown;  ///< a hint that could not be read: a clear error
};

/// A name in a statement's text, as the server folds it: a table, a column, an alias, a function or a keyword.
struct name_use {
    std::string name;
    std::uint32_t bare = 0;       ///< times without a dot after it
    std::uint32_t qualified = 0;  ///< times after a dot
    std::uint32_t counted =
        0;                ///< times as the first argument of count, row_to_json and their like, which take whole rows
    bool opened = false;  ///< a parenthesis has followed: a function, or an alias with names for columns
};

/// All names of a SELECT, sorted: what may be meant by it is among them, whatever the parser understood.
struct names_used {
    std::vector<name_use> all;
    bool star = false;    ///< SELECT *, t.*: columns that are not named
    bool rows = false;    ///< t.* within an expression: a whole row
    bool only = false;    ///< FROM ONLY
    bool unsure = false;  ///< names that are not known here: U&"...", longer than the server keeps
    const name_use* find(std::string_view name) const;
};

struct select_outline;
struct statement;

/// A call of nextval and its like, or a command that changes how a sequence counts.
struct sequence_use {
    enum class kind : std::uint8_t { draws, sets, changes } what = kind::draws;
    table_ref which;        ///< a name that is not given as a literal is empty
    bool by_table = false;  ///< `which` is the table that it belongs to: ALTER TABLE ... ALTER COLUMN ... RESTART
    friend bool operator==(const sequence_use& a, const sequence_use& b) {
        return a.what == b.what && a.which.schema == b.which.schema && a.which.name == b.which.name &&
               a.by_table == b.by_table;
    }
};

/// What a definition does to a table, where that may change which rows a table of the map has, or their keys.
/// PostgreSQL's.
struct table_change {
    enum class kind : std::uint8_t {
        attached,        ///< becomes a part of `other`: ATTACH PARTITION, INHERIT
        detached,        ///< ... is one no more
        renamed,         ///< is `other` from now on: RENAME TO, SET SCHEMA
        schema_renamed,  ///< all tables of table.schema are of other.schema
        column_renamed,  ///< `columns`: the old name and the new one
        column_retyped,  ///< `columns`: its name; `type`, `limit`
        column_dropped,
        column_computed,    ///< SET EXPRESSION
        column_filled,      ///< has new values in all rows: a default of a new column, USING. `columns`; `value`
        attribute_changed,  ///< of a composite type, with all tables OF it
        refers,  ///< gets a foreign key to `other`: `columns`, pairs of own and the target's, which may be empty
    } what{};
    table_ref table, other;
    std::vector<std::pair<std::string, std::string>> columns;
    std::vector<std::pair<std::string, tie_action>> actions;  ///< refers: by the own column
    std::string type;         ///< as it is written; empty: it depends on more than the name (USING, COLLATE, an array)
    std::int64_t limit = -1;  ///< of varchar(n); -2: other limits
    bool is_new = false;      ///< refers: the table is made by the same statement
    std::shared_ptr<const statement> value;  ///< column_filled: what the expression calls; null: a sequence of its own
};

/// One place where a parameter stands, and what tells a server its type there. PostgreSQL's.
struct parameter_use {
    std::uint32_t index = 0, at = 0;   ///< 0-based; its offset in the text
    std::string cast;                  ///< what it is cast to: "int8", "app.mood", "int4[]"
    std::optional<column_ref> column;  ///< what it is compared with, or stored in
    std::optional<table_ref> target;   ///< whose column it is stored in
    std::int32_t place = -1;           ///< ... by place: no columns are listed
    bool array = false;                ///< column = ANY($1)
    bool like = false;                 ///< column LIKE $1
};

/// One statement of a text.
struct statement {
    router::verb verb = verb::other;
    span32 where;         ///< its bytes, without the semicolon
    bool writes = false;  ///< by its syntax: a data-changing or DDL statement, a writing CTE, EXPLAIN ANALYZE of one
    bool locks_rows = false;                   ///< FOR UPDATE, SHARE, NO KEY UPDATE, KEY SHARE; LOCK TABLE
    bool read_only_begin = false;              ///< BEGIN READ ONLY, START TRANSACTION READ ONLY
    bool chain = false;                        ///< COMMIT AND CHAIN
    bool transaction_time = false;             ///< CURRENT_TIMESTAMP and its kin: the time of the BEGIN
    bool explain_route = false;                ///< EXPLAIN (ROUTE) ...: answered here
    bool copy_stdin_or_stdout = false;         ///< moves data over this connection
    std::shared_ptr<const copy_command> copy;  ///< of COPY of a table from or to the client
    std::string name;  ///< savepoint, cursor, setting of SHOW, channel; "REFRESH" of maintenance
    std::vector<std::pair<std::string, std::string>> functions;  ///< (schema or "", name) called anywhere in it
    std::vector<std::pair<std::string, std::string>>
        inner_functions;       ///< ... in a subquery, WITH or FROM, where a call may be for all rows
    bool inner_order = false;  ///< a subquery, WITH or FROM takes rows as they come: LIMIT, row_number() OVER (), ...
    bool inner_ties = false;   ///< ... or in an order that may have ties: ORDER BY x LIMIT 1, array_agg(x ORDER BY y)
    bool row_places = false;   ///< it names ctid or another system column: where and when a server has put a row
    std::vector<sequence_use> sequences;  ///< PostgreSQL's; their names are literals, which shapes leave out
    std::vector<table_change> table_changes;
    std::vector<std::string> operators;
    std::vector<std::string> cast_types;
    std::vector<effect> effects;
    query_block block;
    names_used names;                               ///< of a SELECT
    std::shared_ptr<const select_outline> outline;  ///< of a SELECT of one level
    std::vector<parameter_use> parameter_uses;      ///< for make_plan, which takes them out
    std::vector<column_ref> attributes;  ///< x.name anywhere in it: a column, or a function of x by another spelling

    // MySQL and MariaDB
    std::vector<std::string> user_variables_read, user_variables_set;  ///< without @, in lower case
    std::vector<std::string> system_variables_read;                    ///< without @@ and scope, in lower case
    std::vector<std::string> statement_settings;                       ///< SET STATEMENT ... FOR it: names
    std::vector<std::string> defined_columns;                          ///< of CREATE TABLE, in lower case
    bool implicit_commit = false;                                      ///< ends the transaction before it runs
    bool release = false;                ///< COMMIT RELEASE, ROLLBACK RELEASE: the server ends the connection
    bool consistent_snapshot = false;    ///< START TRANSACTION WITH CONSISTENT SNAPSHOT
    bool calculates_found_rows = false;  ///< SELECT SQL_CALC_FOUND_ROWS
    bool asks_insert_id = false;         ///< LAST_INSERT_ID(), @@last_insert_id, @@identity
    bool asks_found_rows = false;        ///< FOUND_ROWS()
    bool skips_rows = false;             ///< a LIMIT with an offset, or behind a UNION and its like
    bool asks_row_count = false;         ///< ROW_COUNT()
    bool asks_warnings = false;       ///< SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS, @@warning_count, @@error_count
    bool sets_insert_id = false;      ///< LAST_INSERT_ID(expression)
    bool asks_connection_id = false;  ///< CONNECTION_ID(), @@pseudo_thread_id
};

/// What a parser returns. When `error` is not empty the server will report the syntax error: the text goes to it
/// unchanged.
struct analysis {
    std::vector<statement> statements;
    routing_hint hint;
    std::uint16_t parameters = 0;  ///< highest $n; of MySQL how many ?
    std::string error;
    std::int32_t error_position = -1;  ///< character of the text, from 0; -1: not known
    bool too_deep = false;             ///< nests deeper than is parsed here: nothing is known of it
    bool cacheable = true;             ///< false: depends on the literals' values, or on where things stand in the text
};

/// PostgreSQL's major version whose grammar parse_postgres knows: what it refuses, no server of up to that version
/// takes.
int postgres_grammar() noexcept;

/// Parses PostgreSQL's SQL with libpg_query. Thread-safe. Literals are found by the shape lexer's offsets.
/// A text that cannot be parsed gives `error` (or `too_deep`) and one statement that may do anything.
analysis parse_postgres(std::string_view text, bool standard_conforming_strings = true);

}  // namespace ringway::router
