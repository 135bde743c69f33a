// Warnings and errors of the statement before: they are kept for the client, as others have its connection meanwhile.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "protocol/mysql/result.hpp"
#include "proxy/mysql/session.hpp"
#include "router/mysql/lexer.hpp"

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
            return names_no_table(one.block);
        default:
            return false;
    }
}

bool asks_error_count(const router::statement& one) {
    const auto& all = one.system_variables_read;
    return std::find(all.begin(), all.end(), "error_count") != all.end();
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
    if (!found_known_ && !touched_here())
        for (const auto& each : text.parsed().statements) {
            if (each.asks_found_rows)
                return fault{fault_kind::unsupported,
                             "FOUND_ROWS() of a LIMIT with an offset, or of a UNION with one, is not kept",
                             {},
                             "run both in one transaction, or write SELECT SQL_CALC_FOUND_ROWS"};
            if (each.verb == router::verb::select) break;  // what follows asks for this one's
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
    return true;
}

}  // namespace ringway::proxy::mysql
