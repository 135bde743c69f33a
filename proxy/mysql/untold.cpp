// Servers without session tracking (MySQL 5.6): what a statement has changed is asked of the server by the names in its
// text, and what has no name ties the session to its connection.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;

namespace {

/// Whatever a statement that cannot be read has done, these decide how the client's next one is read and answered.
constexpr std::array<std::string_view, 7> of_all{
    "autocommit", "character_set_client", "character_set_results", "collation_connection", "sql_mode",
    "time_zone",  "tx_isolation"};

/// Not the same on another connection, or not to be set there again.
bool stays_here(std::string_view name) {
    static constexpr std::array<std::string_view, 8> known{
        "timestamp", "insert_id",   "rand_seed1",         "rand_seed2",
        "gtid_next", "gtid_seq_no", "collation_database", "character_set_database"};
    return std::find(known.begin(), known.end(), name) != known.end() || name.starts_with("pseudo_") ||
           name.starts_with("debug");
}

void add_names(std::string_view set, std::set<std::string, std::less<>>& to) {
    if (set == "names" || set == "character set")
        to.insert({"character_set_client", "character_set_results", "collation_connection"});
    else if (set == "character_set_connection")
        to.insert("collation_connection");
    else if (set == "character_set_server")
        to.insert("collation_server");
    else if (set == "transaction_isolation")
        to.insert("tx_isolation");
    else if (set == "transaction_read_only")
        to.insert("tx_read_only");
    else
        to.emplace(set);
}

/// The rows of a whole answer in the text protocol; NULL is an empty text.
std::vector<std::vector<std::string>> rows_of(std::string_view answer, my::capability::flags capabilities,
                                              std::size_t columns) {
    std::vector<std::vector<std::string>> out;
    my::packet_decoder packets;
    const bool with_eof = !my::capability::has(capabilities, my::capability::deprecate_eof);
    std::size_t before = 1 + columns + (with_eof ? 1 : 0);
    while (const auto part = packets.next(answer)) {
        if (before > 0) {
            --before;
            continue;
        }
        if (my::begins_with(part->bytes, my::first_byte::eof)) break;
        my::reader in(part->bytes);
        auto& row = out.emplace_back();
        for (std::size_t i = 0; i < columns; ++i) row.emplace_back(in.lenenc_value().value_or(std::string_view()));
        if (!in.ok()) out.pop_back();
    }
    return out;
}

}  // namespace

void session::own_of_ours(own_command::kind what, std::string_view sql, std::string text) {
    std::string out;
    std::uint8_t sequence = 0;
    my::write_command(out, sequence, my::command::query, sql);
    want_own({what, std::move(out), nullptr, nullptr, std::move(text)});
    talk_->overlaid = true;
    talk_->diagnosed = false;
}

/// MySQL 5.6 tells that a transaction is over which a deadlock has rolled back, but what the client does next is in a
/// transaction again, until it ends one itself.
void session::watch_transaction(const reading& text, bool was_open, bool is_open, bool failed) {
    const std::string why = "a transaction that the server has rolled back";
    bool ends = text.unknown();
    for (const auto& each : text.parsed().statements) {
        using router::verb;
        const auto what = each.verb;
        ends = ends || each.implicit_commit || what == verb::commit || what == verb::rollback || what == verb::begin ||
               what == verb::call || what == verb::compound || what == verb::execute || what == verb::xa_end ||
               what == verb::xa_prepare || what == verb::xa_commit || what == verb::xa_rollback;
        for (const auto& effect : each.effects) ends = ends || effect.name == "autocommit";
    }
    if (was_open && !is_open) unpin("SET TRANSACTION");
    if (was_open && !is_open && !ends) pin(why);
    if (ends && !failed) unpin(why);
}

/// After a statement. The order of the questions does not matter to one another. A SET that fails sets nothing, but for
/// what a COMMIT that autocommit began has kept from being set; what is asked for in vain could not be set again.
void session::ask_what_changed(const reading& text, bool failed) {
    using kind = router::effect::kind;
    std::set<std::string, std::less<>> names;
    bool database = false, all = text.unknown();
    const auto& statements = text.parsed().statements;
    const bool calls = std::any_of(statements.begin(), statements.end(), [](const router::statement& each) {
        return each.verb == router::verb::call || each.verb == router::verb::execute;  // of any number of results
    });
    const std::size_t ran = failed && !calls ? talk_->tracker.results() : statements.size();
    for (std::size_t i = 0; i < statements.size() && i <= ran; ++i) {
        const auto& each = statements[i];
        const bool failing = failed && (i == ran || statements.size() == 1);
        all = all || each.verb == router::verb::call || each.verb == router::verb::compound;
        for (const auto& what : each.effects) switch (what.what) {
                case kind::set:
                case kind::reset:
                    if (what.name == "last_insert_id" || what.name == "identity") break;
                    if (failing && what.name != "autocommit") break;
                    if (failing && each.effects.size() > 1)
                        pin("a SET that has failed in part");
                    else if (!stays_here(what.name))
                        add_names(what.name, names);
                    else
                        pin(fmt::format("SET {}", what.name));
                    break;
                case kind::set_local:
                    if (!failing) pin("SET TRANSACTION");
                    break;
                case kind::settings_unknown:
                case kind::execute:
                case kind::execute_immediate:
                    all = true;
                    break;
                case kind::use_database:
                    database = true;
                    break;
                default:
                    break;
            }
    }
    if (all) {
        for (const auto name : of_all) names.emplace(name);
        for (const auto& [name, value] : settings_->entries()) names.insert(name);
        database = true;
    }
    if (!names.empty()) {
        std::string sql = "SHOW SESSION VARIABLES WHERE Variable_name IN (", asked = ",";
        bool first = true;
        for (const auto& name : names) {
            const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
                return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            });
            if (!plain) {  // of a structured variable, or of no variable at all
                pin(fmt::format("SET {}", name));
                continue;
            }
            sql += fmt::format("{}'{}'", std::exchange(first, false) ? "" : ",", name);
            asked += name + ",";
        }
        if (!first) own_of_ours(own_command::kind::ask_variables, sql + ")", std::move(asked));
    }
    if (database) own_of_ours(own_command::kind::ask_database, "SELECT DATABASE()");
}

void session::note_variables(const std::string& asked) {
    const auto& part = static_cast<const pool::mysql_part&>(*talk_->server->part);
    std::string missing = asked;
    auto entries = settings_->entries();
    if (talk_->tracker.error().code == 0)
        for (auto& row : rows_of(talk_->answer, part.capabilities, 2)) {
            const auto at = missing.find("," + row[0] + ",");
            if (at == std::string::npos) continue;
            missing.erase(at, row[0].size() + 1);
            if (row[0] == "collation_connection") entries.erase("character_set_connection");
            entries[row[0]] = pool::mysql_value_text(row[0], row[1]);
            if (row[0] == "profiling") entries.erase(row[0]), note_profiling(row[1]);
            if (row[0] == "sql_auto_is_null" && (row[1] == "ON" || row[1] == "1")) pin("SET sql_auto_is_null");
        }
    settings_ = pool::session_settings::of(std::move(entries));
    talk_->server->settings = settings_;
    if (missing.size() > 1) pin(fmt::format("SET {}", missing.substr(1, missing.size() - 2)));
}

void session::note_database() {
    auto& part = static_cast<pool::mysql_part&>(*talk_->server->part);
    const auto rows = rows_of(talk_->answer, part.capabilities, 1);
    if (talk_->tracker.error().code != 0 || rows.size() != 1) return pin("a default database that cannot be read");
    part.database = database_ = rows[0][0];
}

}  // namespace ringway::proxy::mysql
