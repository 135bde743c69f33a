#pragma once
// Text of the admin port -> command. Pure; the words are those of docs/admin.md.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "proxy/admin/table.hpp"

namespace ringway::proxy::admin {

/// What SHOW shows.
enum class subject : std::uint8_t {
    clients,
    servers,
    pools,
    databases,
    users,
    lists,
    stats,
    stats_totals,
    stats_averages,
    config,
    version,
    help,
    lag,
    shards,
    ring,
    ring_points,
    key,
    route,
    pins,
    bans,
    plans,
    statements,
    transactions,
    rebalance,
    advice
};
inline constexpr std::size_t subject_count = static_cast<std::size_t>(subject::advice) + 1;

/// A name or value given to a command: written out, or a parameter of the extended protocol.
struct argument {
    std::string text;
    std::uint16_t parameter = 0;  ///< 1 for $1; 0: `text` is it
    bool quoted = false;          ///< stood in quotes
    bool is_null = false;         ///< a parameter bound to NULL
};

/// One command. A value: owns all its texts.
struct command {
    enum class verb : std::uint8_t {
        empty,   ///< nothing but spaces, comments and a semicolon
        show,    ///< `about`, `arguments`
        pause,   ///< [cluster]
        resume,  ///< [cluster]
        reload,
        kill,              ///< a client's id, or a cluster
        kill_client,       ///< id
        kill_cluster,      ///< cluster
        shut_down,         ///< `wait_for_clients`
        ban,               ///< node; `length`
        unban,             ///< node
        rebalance,         ///< cluster; `dry_run`
        move_key,          ///< cluster, table, value, shard
        cancel_rebalance,  ///< cluster
        resume_rebalance,  ///< cluster
        undo_rebalance,    ///< cluster
        finish_rebalance,  ///< cluster
        begin,
        commit,
        rollback,
        deallocate,  ///< a prepared statement of this session; no argument: all
        discard_all,
        answer,  ///< what drivers send by themselves: `reply` is all there is to it
    } what = verb::empty;
    subject about = subject::help;
    std::vector<argument> arguments;
    std::optional<std::chrono::milliseconds> length;
    bool wait_for_clients = false;
    bool dry_run = false;
    std::optional<table> reply;

    /// Highest $n among the arguments.
    std::uint16_t parameters() const noexcept;
    /// True when its result needs nothing of the process, and so no control thread.
    bool is_immediate() const noexcept { return what == verb::empty || (what >= verb::begin && what <= verb::answer); }
};

/// A command, or why the text is none: what was expected there, and what is near to it.
struct parse_result {
    command value;
    std::optional<config::fault> error;
};

/// Each command of a text, split at semicolons. Never empty: a text without a command gives one of verb::empty.
std::vector<parse_result> parse_commands(std::string_view text);
/// Exactly one command; more than one is an error.
parse_result parse_command(std::string_view text);

/// The word after SHOW, in capitals.
std::string_view name_of(subject what) noexcept;
/// "CLUSTER", "TABLE", ... in the order SHOW takes them; empty when it takes none.
std::optional<subject> find_subject(std::string_view name) noexcept;

}  // namespace ringway::proxy::admin
