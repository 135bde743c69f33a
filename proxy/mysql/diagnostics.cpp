// Warnings and errors of the statement before: they are kept for the client, as others have its connection meanwhile.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"
#include "router/mysql/lexer.hpp"
#include "router/mysql/need.hpp"

namespace ringway::proxy::mysql {

namespace my = protocol::mysql;
using config::fault;
using config::fault_kind;

namespace {

bool names_no_table(const router::query_block& block) {
    return block.tables.empty() && block.derived.empty() && !block.insert &&
           std::all_of(block.children.begin(), block.children.end(), names_no_table);
}

/// By its text. A server forgets the warnings of the statement before at a statement that uses a table or a derived
/// one, or warns itself.
bool may_keep_warnings(const router::statement& one) {
    using router::verb;
    switch (one.verb) {
        case verb::show:
        case verb::diagnostics:
            return one.asks_warnings;
        case verb::select:
        case verb::evaluate:
        case verb::set:
        case verb::begin:
        case verb::commit:
        case verb::rollback:
        case verb::savepoint:
        case verb::release:
        case verb::rollback_to:
        case verb::use_database:
        case verb::deallocate:
            return names_no_table(one.block);
        default:
            return false;
    }
}

std::string beginning(std::string_view text) {
    std::string out(text.substr(0, 16));
    for (char& c : out) c = router::mysql::lower(c);
    return out;
}

/// Of a statement that is no query: it may answer with rows.
bool may_show(const router::statement& one) {
    using router::verb;
    switch (one.verb) {
        case verb::set:
        case verb::begin:
        case verb::commit:
        case verb::rollback:
        case verb::savepoint:
        case verb::release:
        case verb::rollback_to:
        case verb::use_database:
        case verb::ddl:
        case verb::evaluate:
            return false;
        case verb::insert:
        case verb::replace:
        case verb::update:
        case verb::delete_:
            return one.block.returning;
        default:
            return true;
    }
}

bool asks_error_count(const router::statement& one) {
    const auto& all = one.system_variables_read;
    return std::find(all.begin(), all.end(), "error_count") != all.end();
}

/// Of a SHOW, by what it shows: those that are read like a table count, those that servers make row by row do not.
counting counting_of_show(std::string_view what) {
    static constexpr std::array<std::string_view, 28> counted{
        "character set",    "charset",         "collation",        "columns", "count errors",    "count warnings",
        "databases",        "engines",         "events",           "fields",  "function status", "global status",
        "global variables", "index",           "indexes",          "keys",    "local status",    "local variables",
        "open tables",      "plugins",         "procedure status", "schemas", "session status",  "session variables",
        "status",           "storage engines", "table status",     "tables"};
    static constexpr std::array<std::string_view, 18> kept{
        "authors", "binary logs", "binlog events",   "contributors",  "engine",       "errors",
        "grants",  "help",        "master logs",     "master status", "privileges",   "processlist",
        "profile", "profiles",    "relaylog events", "slave hosts",   "slave status", "warnings"};
    if (std::find(counted.begin(), counted.end(), what) != counted.end()) return counting::rows;
    if (what == "triggers" || what == "variables") return counting::rows;
    const bool is_kept = what.starts_with("create ") || what.starts_with("engine ") ||
                         std::find(kept.begin(), kept.end(), what) != kept.end();
    return is_kept ? counting::keeps : counting::untold;
}

/// What is shown of the kept answer.
struct selection {
    bool only_errors = false, count = false;
    std::uint64_t skip = 0, most = std::numeric_limits<std::uint64_t>::max();
};

/// SHOW { WARNINGS | ERRORS } [LIMIT [m,] n | LIMIT n OFFSET m], SHOW COUNT(*) { WARNINGS | ERRORS }.
std::optional<selection> selection_of(std::string_view sql, const router::mysql_modes& modes) {
    std::vector<std::string> words;
    router::mysql::lexer lexer(sql, modes);
    for (auto token = lexer.next(); token.kind != router::mysql::token_kind::end; token = lexer.next()) {
        if (token.kind == router::mysql::token_kind::bad) return std::nullopt;
        std::string word(sql.substr(token.offset, token.length));
        for (char& c : word) c = router::mysql::lower(c);
        words.push_back(std::move(word));
    }
    while (!words.empty() && words.back() == ";") words.pop_back();
    std::size_t at = 0;
    const auto next = [&](std::string_view word) {
        if (at >= words.size() || words[at] != word) return false;
        ++at;
        return true;
    };
    const auto number = [&](std::uint64_t& to) {
        if (at >= words.size()) return false;
        const auto& word = words[at++];
        const auto [end, why] = std::from_chars(word.data(), word.data() + word.size(), to);
        return why == std::errc() && end == word.data() + word.size();
    };
    selection out;
    if (!next("show")) return std::nullopt;
    if (next("count")) {
        out.count = true;
        if (!next("(") || !next("*") || !next(")")) return std::nullopt;
    }
    out.only_errors = next("errors");
    if (!out.only_errors && !next("warnings")) return std::nullopt;
    if (!out.count && next("limit")) {
        if (!number(out.most)) return std::nullopt;
        if (next(",")) {
            out.skip = out.most;
            if (!number(out.most)) return std::nullopt;
        } else if (next("offset") && !number(out.skip)) {
            return std::nullopt;
        }
    }
    return at == words.size() ? std::optional(out) : std::nullopt;
}

bool is_error(std::string_view row) {
    my::reader in(row);
    return in.lenenc_value().value_or(std::string_view()) == "Error";
}

/// Calls `row` with each row's packet of a whole answer to SHOW WARNINGS, `other` with those around them.
template <class Row, class Other>
void each_packet(std::string_view answer, my::capability::flags capabilities, const Row& row, const Other& other) {
    constexpr std::size_t columns = 3;
    std::size_t before = 1 + columns + (my::capability::has(capabilities, my::capability::deprecate_eof) ? 0 : 1);
    my::packet_header header;
    while (my::read_header(answer, header) && answer.size() >= header.total()) {
        const auto payload = answer.substr(my::header_size, header.length);
        answer.remove_prefix(header.total());
        if (before > 0) {
            --before;
            other(payload);
        } else if (my::begins_with(payload, my::first_byte::eof)) {
            other(payload);
        } else {
            row(payload);
        }
    }
}

}  // namespace

/// As tests/e2e/test_mysql_left_behind.py asks servers.
counting counting_of(const router::statement& one, bool mariadb) {
    using router::verb;
    const auto& block = one.block;
    const bool one_table = block.tables.size() <= 1 && block.children.empty() && block.derived.empty();
    switch (one.verb) {
        case verb::select:
            return counting::rows;
        case verb::show:
            return counting_of_show(one.name);
        case verb::explain:
            if (mariadb || !router::mysql::calls_built_in_only(one)) return counting::untold;
            return one.writes ? counting::keeps : counting::zero;
        case verb::insert:
        case verb::replace:
            if (block.insert && block.insert->from_select) return counting::untold;
            return one_table && router::mysql::calls_built_in_only(one) ? counting::keeps : counting::untold;
        case verb::update:
        case verb::delete_:
            return one_table && router::mysql::calls_built_in_only(one) ? counting::keeps : counting::untold;
        case verb::set:
        case verb::evaluate:
            return names_no_table(block) && router::mysql::calls_built_in_only(one) ? counting::keeps
                                                                                    : counting::untold;
        case verb::ddl:
            return one.name != "create table" || one_table ? counting::keeps : counting::untold;
        case verb::call:
        case verb::compound:
        case verb::execute:
        case verb::other:
            return counting::untold;
        default:
            return counting::keeps;
    }
}

/// FOUND_ROWS() and ROW_COUNT() after the client's statement under way, which has been answered.
void session::note_counts(bool failed) {
    const auto& tracker = talk_->tracker;
    row_count_ = failed || tracker.ends_in_rows() ? -1 : static_cast<std::int64_t>(tracker.affected_rows());
    const auto counts = [&](std::uint64_t rows, bool known) {
        found_rows_ = rows;
        found_known_ = known;
        talk_->counted = true;
    };
    if (!now_.text || now_.text->unknown()) {
        if (tracker.columns() > 0) counts(tracker.last_rows(), true);
        return;
    }
    const auto& all = now_.text->parsed().statements;
    const bool runs_text = std::any_of(all.begin(), all.end(), [](const router::statement& each) {
        return each.verb == router::verb::call || each.verb == router::verb::execute;  // of any number of results
    });
    const std::size_t ran = failed && !runs_text ? std::min<std::size_t>(tracker.results(), all.size()) : all.size();
    if (ran == 0) return;
    std::size_t last = ran;
    const auto of = [&](std::size_t at) {
        // VALUES (1) is a query with a name of its own; only MariaDB has it by itself.
        const bool values = all.size() == 1 && beginning(now_.text->plan->shape_text).starts_with("values");
        return values ? counting::keeps : counting_of(all[at], is_mariadb());
    };
    while (last > 0 && of(last - 1) == counting::keeps) --last;
    if (last == 0) return;
    const auto& one = all[last - 1];
    auto what = of(last - 1);
    const bool into =
        one.verb == router::verb::select &&
        (tracker.columns() == 0 || std::any_of(one.effects.begin(), one.effects.end(), [](const auto& each) {
             return each.what == router::effect::kind::set_user_variable && each.body.length == 0;
         }));
    const bool shown_last = last == ran ? tracker.ends_in_rows()
                                        : std::none_of(all.begin() + static_cast<std::ptrdiff_t>(last),
                                                       all.begin() + static_cast<std::ptrdiff_t>(ran),
                                                       [](const router::statement& each) { return may_show(each); });
    if (what == counting::rows && (!shown_last || (into && tracker.columns() == 0))) what = counting::untold;
    if (what == counting::rows) return counts(tracker.last_rows(), !one.skips_rows);
    if (what == counting::zero) return counts(0, true);
    const bool may_count_nothing = one.verb == router::verb::call || one.verb == router::verb::compound ||
                                   one.verb == router::verb::execute || one.verb == router::verb::other;
    if (!may_count_nothing || tracker.columns() > 0) talk_->counted = true;
    found_known_ = false;
}

/// An error that no server has told of: the diagnostics are ours to tell.
void session::note_own_error(std::uint16_t number, std::string_view message) {
    if (phase_ == phase::closed) return;
    row_count_ = -1;
    warning_count_ = 1;
    error_count_ = 1;
    const std::uint8_t decimals = is_mariadb() ? 39 : 31;
    const auto column = [decimals](std::string_view name, my::field_type type, std::uint32_t length, unsigned flags) {
        my::column_definition out;
        out.name = name;
        out.type = type;
        out.length = length;
        out.flags = static_cast<std::uint16_t>(flags | my::column_flag::not_null);
        const bool text = type == my::field_type::var_string;
        out.collation = text ? my::utf8mb4 : my::binary_collation;
        out.decimals = text ? decimals : std::uint8_t{0};
        return out;
    };
    const my::column_definition columns[] = {
        column("Level", my::field_type::var_string, 28, 0),
        column("Code", my::field_type::int32, 4, my::column_flag::is_unsigned | my::column_flag::binary),
        column("Message", my::field_type::var_string, 2048, 0)};
    const auto code = fmt::format("{}", number);
    const my::text_value values[] = {"Error", code, message};
    // As a server's answer, which has no flag for definitions.
    const auto as_servers = capabilities_ & ~my::capability::mariadb_cache_metadata;
    std::uint8_t sequence = 1;
    warnings_.clear();
    my::write_result_head(warnings_, sequence, columns, status(), as_servers);
    my::write_text_row(warnings_, sequence, values);
    my::write_result_end(warnings_, sequence, status(), 0, as_servers);
    warnings_known_ = true;
    if (talk_) talk_->touched = talk_->diagnosed = false;
}

/// On a connection that others have used before, these may leave their warnings as they were: what others have left is
/// cleared away. What uses tables clears it itself.
bool session::may_keep_others_warnings(const reading& text) const {
    const auto& all = text.parsed().statements;
    return std::any_of(all.begin(), all.end(), [](const router::statement& each) {
        using router::verb;
        switch (each.verb) {
            case verb::prepare:
            case verb::execute:
            case verb::deallocate:
            case verb::call:
            case verb::compound:
            case verb::xa_start:
                return true;
            default:
                return each.asks_warnings;
        }
    });
}

/// SQL's PREPARE does to the warnings what its statement's tables do.
bool session::prepares_without_tables(const reading& text, std::string_view sql) const {
    const auto& all = text.parsed().statements;
    if (all.size() != 1 || text.unknown() || all.front().verb != router::verb::prepare) return false;
    router::mysql::lexer words(sql, modes());
    std::string_view inner;
    for (auto next = words.next(); next.kind != router::mysql::token_kind::end; next = words.next()) {
        if (next.kind == router::mysql::token_kind::bad || !inner.empty()) return false;
        if (next.kind == router::mysql::token_kind::string && next.length > 2)
            inner = sql.substr(next.offset + 1, next.length - 2);
    }
    if (inner.empty() || inner.find_first_of("'\"\\") != std::string_view::npos) return false;
    const auto read = read_text(inner);
    const auto& made = read->parsed().statements;
    return !read->unknown() && made.size() == 1 && names_no_table(made.front().block) &&
           may_keep_warnings(made.front()) && router::mysql::calls_built_in_only(made.front());
}

/// Of the statement that has just run well.
bool session::keeps_warnings(const reading& text) const {
    const auto& parsed = text.parsed();
    if (text.unknown() || parsed.statements.size() != 1) return false;
    const auto& one = parsed.statements.front();
    if (!may_keep_warnings(one)) return false;
    if (one.verb == router::verb::show || one.verb == router::verb::diagnostics) return true;
    if (talk_->tracker.warnings() > 0) return false;
    const auto* catalog = who_.cluster->catalog.get();
    return std::none_of(one.functions.begin(), one.functions.end(), [&](const auto& each) {
        return !catalog || catalog->function_places.count(each.second) != 0;  // a stored one may use tables
    });
}

/// The connection that is held can be asked about the statement before.
bool session::has_own_diagnostics() const noexcept {
    return talk_ && (in_transaction() || pinned()) && !talk_->overlaid && (talk_->diagnosed || !warnings_known_);
}

/// The answer to our SHOW WARNINGS is kept: how many of them are errors?
void session::note_warnings() {
    warnings_known_ = !warnings_.empty();
    std::uint16_t rows = 0, errors = 0;
    each_packet(
        warnings_, capabilities_,
        [&](std::string_view row) {
            ++rows;
            if (is_error(row)) ++errors;
        },
        [](std::string_view) {});
    warning_count_ = std::max(warning_count_, rows);
    error_count_ = rows == warning_count_ ? std::optional(errors) : std::nullopt;
}

/// The statement before ran on the connection that is held; else it may have been on another one.
bool session::touched_here() const noexcept {
    return talk_ && talk_->touched && !talk_->overlaid;
}

/// Where no connection of the client's has the diagnostics that a text asks for: what is not kept.
std::optional<fault> session::refusal_of_diagnostics(const reading& text) const {
    if (!found_known_ && !counted_here())
        for (const auto& each : text.parsed().statements) {
            if (each.asks_found_rows)
                return fault{fault_kind::unsupported,
                             "FOUND_ROWS() of the statement before is not kept: of a LIMIT with an offset, EXPLAIN, "
                             "CALL, or rows that a write has read",
                             {},
                             "run both in one transaction, or write SELECT SQL_CALC_FOUND_ROWS"};
            if (counting_of(each, is_mariadb()) != counting::keeps) break;  // what follows asks for this one's
        }
    if (warning_count_ == 0 || has_own_diagnostics()) return std::nullopt;
    for (const auto& each : text.parsed().statements) {
        if (each.asks_warnings) {
            const bool value = &each == &text.parsed().statements.front() && each.verb != router::verb::show &&
                               each.verb != router::verb::diagnostics;
            if (value && (error_count_ || !asks_error_count(each))) return std::nullopt;
            return fault{fault_kind::unsupported,
                         "the warnings of the statement before are not kept in this form",
                         {},
                         "run both in one transaction, or use SHOW WARNINGS, SHOW ERRORS and @@warning_count"};
        }
        if (!may_keep_warnings(each)) break;  // what follows asks for this one's
    }
    return std::nullopt;
}

/// What can be answered without a server, as it is known here only.
bool session::answer_locally(const reading& text, std::string_view sql) {
    if (has_own_diagnostics() || warning_count_ == 0) return false;
    if (text.parsed().statements.size() != 1 || !text.parsed().statements.front().asks_warnings) return false;
    const auto what = selection_of(sql, modes());
    if (!what) return false;
    std::string out;
    std::uint8_t sequence = 1;
    if (!what->count) {
        if (warnings_.empty()) return false;
        bool first = true;
        std::uint64_t skip = what->skip, left = what->most;
        each_packet(
            warnings_, capabilities_,
            [&](std::string_view row) {
                if (what->only_errors && !is_error(row)) return;
                if (skip > 0) {
                    --skip;
                } else if (left > 0) {
                    --left;
                    my::writer(out, sequence).bytes(row);
                }
            },
            [&](std::string_view payload) {
                my::writer packet(out, sequence);
                packet.bytes(payload);
                // A client that keeps definitions hears whether they follow the number of columns.
                const bool told = my::capability::has(capabilities_, my::capability::mariadb_cache_metadata);
                if (std::exchange(first, false) && told) packet.u8(1);
            });
        emit(out);
        row_count_ = -1;
        if (talk_) talk_->touched = false;
        return true;
    }
    if (what->only_errors && !error_count_) return false;
    const my::column_definition column{.schema = {},
                                       .table = {},
                                       .original_table = {},
                                       .name = what->only_errors ? "@@session.error_count" : "@@session.warning_count",
                                       .original_name = {},
                                       .extended = {},
                                       .collation = my::binary_collation,
                                       .length = 21,
                                       .type = my::field_type::int64,
                                       .flags = my::column_flag::is_unsigned | my::column_flag::binary,
                                       .decimals = 0};
    const auto number = fmt::format("{}", what->only_errors ? *error_count_ : warning_count_);
    const my::text_value values[] = {number};
    my::write_result_head(out, sequence, std::span(&column, 1), status(), capabilities_);
    my::write_text_row(out, sequence, values);
    my::write_result_end(out, sequence, status(), 0, capabilities_);
    emit(out);
    row_count_ = -1;
    found_rows_ = 1;
    found_known_ = true;
    if (talk_) talk_->touched = talk_->counted = false;
    return true;
}

}  // namespace ringway::proxy::mysql
