#include "proxy/cli/loading.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace ringway::proxy::cli {

namespace {

using router::dump::deed;
using router::dump::item;
using router::dump::item_kind;

constexpr std::size_t most_mistakes = 50;  ///< that are shown
constexpr auto progress_pause = std::chrono::seconds(5);

}  // namespace

loading::loading(const config::cluster& cluster, std::uint64_t most_statement_bytes, std::string title, dump_file& from,
                 router::dump::accepted with, std::uint64_t from_line)
    : cluster_(cluster),
      most_statement_bytes_(most_statement_bytes),
      title_(std::move(title)),
      from_(from),
      checker_(cluster, with),
      from_line_(from_line) {}

bool loading::check() {
    const bool read = pass();
    if (mistakes_ > most_mistakes) fmt::print(stderr, "and {} more\n", mistakes_ - most_mistakes);
    if (mistakes_ > 0) fmt::print(stderr, "ringway: nothing has been changed\n");
    checked_ = read && mistakes_ == 0;
    return checked_;
}

bool loading::load(dump_target& to) {
    to_ = &to;
    if (pass()) return true;
    tell_left();
    return false;
}

// ---- reading --------------------------------------------------------------------------------------------------------

/// False: it stopped, and has been told why.
bool loading::pass() {
    text_ = router::dump::splitter();
    part_ = part_kind::none;
    report_ = {};
    any_ = met_line_ = false;
    for (bool first = true;;) {
        const auto found = text_.next();
        if (found.kind == item_kind::more) {
            const auto bytes = from_.read();
            if (!from_.failure().empty()) return stop(text_.line(), from_.failure());
            if (std::exchange(first, false))
                if (const auto why = other_format(bytes); !why.empty()) return stop(1, why);
            if (bytes.empty())
                text_.finish();
            else
                text_.feed(bytes);
            continue;
        }
        if (found.kind == item_kind::end || found.kind == item_kind::broken) return over(found);
        if (!(found.kind == item_kind::command ? command(found) : take(found))) return false;
    }
}

bool loading::over(const item& end) {
    if (end.kind == item_kind::broken) return stop(end.line, std::string(end.why));
    if (from_.cut_off())
        return stop(end.line,
                    "the dump is not whole: pg_dump's last line, \"-- PostgreSQL database dump complete\", is missing");
    if (!any_) return stop(end.line, "there is no statement in it");
    if (!finish_part()) return false;
    if (from_line_ != 0 && !met_line_)
        return stop(end.line, fmt::format("nothing stands behind line {} (--from-line)", from_line_));
    return true;
}

/// psql's own: what pg_dump writes to keep the rest of its file from running others.
bool loading::command(const item& found) {
    if (found.text.starts_with("\\restrict ") || found.text.starts_with("\\unrestrict ")) return true;
    const bool connects = found.text.starts_with("\\c");
    complain(found.line, fmt::format("{} is a command of psql", found.text.substr(0, found.text.find(' '))),
             connects ? "dump one database, without --create" : "remove it");
    return to_ == nullptr;
}

bool loading::take(const item& found) {
    any_ = true;
    statement made{std::string(found.text), found.line, {}};
    made.what = router::dump::facts_of_statement(made.text, conforming_);
    if (made.what.unread && !cluster_.is_sharded()) made.what = {};  // goes to the server as it is
    if (made.what.conforming) text_.set_conforming_strings(conforming_ = *made.what.conforming);
    const auto stop_line = text_.line();
    ++report_.statements;
    if (cluster_.is_sharded() && made.text.size() > most_statement_bytes_) {
        made.what = {};
        made.what.what = deed::refused;
        made.what.why = fmt::format("a statement of {} bytes is longer than max_parse_bytes", made.text.size());
        made.what.hint = "dump without --inserts, with rows by COPY; or raise max_parse_bytes in [general]";
    }
    if (!checked_) checker_.add(made.what, made.line);
    const auto kind =
        made.what.what == deed::fills || made.what.what == deed::counts ? part_kind::rows : part_kind::schema;
    if (made.what.what == deed::sets && schema_.empty()) {
        // Before a transaction, which it would tie to one shard.
        if (!finish_part()) return false;
        return !to_ || run_plain(made);
    }
    if (!enter(kind, made.line)) return false;
    last_line_ = stop_line;
    if (kind == part_kind::schema) {
        if (!to_) made.text.clear();
        schema_.push_back(std::move(made));
        return true;
    }
    if (!settle()) return false;
    std::string cut_short;
    if (made.what.rows_follow && !may_run()) {
        text_.expect_rows();
        ++report_.tables;
        return read_rows(made, false, cut_short);
    }
    return !may_run() || run(made);
}

/// The rows of a COPY, to the proxy or past it. False: the dump ends within them, or the connection is lost.
bool loading::read_rows(const statement& what, bool send, std::string& cut_short) {
    std::uint64_t bytes = 0;
    for (;;) {
        const auto found = text_.next();
        if (found.kind == item_kind::more) {
            const auto piece = from_.read();
            if (!from_.failure().empty()) {
                cut_short = from_.failure();
                return send ? false : stop(text_.line(), cut_short);
            }
            if (piece.empty())
                text_.finish();
            else
                text_.feed(piece);
            continue;
        }
        if (found.kind == item_kind::rows_end) {
            last_line_ = text_.line() - 1;
            return true;
        }
        if (found.kind != item_kind::rows) {
            cut_short = found.why;
            return send ? false : stop(found.line, cut_short);
        }
        bytes += found.text.size();
        if (!send) continue;
        if (!to_->put(found.text)) return false;
        tell_progress(what, bytes);
    }
}

// ---- parts ----------------------------------------------------------------------------------------------------------

/// A statement of this kind begins at a line: with it a part, unless it goes on.
bool loading::enter(part_kind kind, std::uint64_t line) {
    if (part_ == kind) return true;
    if (!finish_part()) return false;
    part_ = kind;
    part_line_ = line;
    skipping_ = line < from_line_;
    met_line_ |= !skipping_;
    return true;
}

bool loading::finish_part() {
    const auto kind = std::exchange(part_, part_kind::none);
    if (kind == part_kind::none) return true;
    if (!settle()) return false;
    if (skipping_ && last_line_ >= from_line_)
        return stop(
            from_line_,
            fmt::format(
                "what begins at line {} and ends at line {} holds as a whole or not at all: take the first, or the "
                "line behind, for --from-line",
                part_line_, last_line_));
    bool done = true;
    if (to_ && skipping_) {
        for (const auto& each : schema_) done = done && (each.what.what != deed::sets || run_plain(each));
    } else if (to_) {
        done = kind == part_kind::schema ? run_schema() : commit();
    }
    schema_.clear();
    return done;
}

bool loading::settle() {
    if (checked_) return true;
    const auto found = checker_.settle();
    for (const auto& each : found) complain(each.line, each.what, each.hint);
    return found.empty() || to_ == nullptr;
}

bool loading::begin() {
    if (open_) return true;
    if (!to_->run("BEGIN")) return fail(part_line_);
    open_ = true;
    return true;
}

bool loading::commit() {
    if (!std::exchange(open_, false)) return true;
    if (to_->run("COMMIT")) {
        if (to_->tag() == "COMMIT") {
            loaded_to_ = last_line_;
            return true;
        }
        return stop(last_line_, fmt::format("COMMIT was answered with {}", to_->tag()));
    }
    unknown_ = to_->failure().sqlstate.empty() || to_->failure().sqlstate == "08007";
    return fail(last_line_);
}

bool loading::run_schema() {
    if (!begin()) return false;
    for (const auto& each : schema_)
        if (!run(each)) return false;
    if (!commit()) return false;
    fmt::print(stderr, "{}:{}: {} statements\n", title_, part_line_, schema_.size());
    return true;
}

// ---- running --------------------------------------------------------------------------------------------------------

bool loading::run(const statement& what) {
    if (!begin()) return false;
    if (what.what.rows_follow) return run_copy(what);
    if (what.what.what == deed::counts) {
        ++report_.sequences;
        return run_on_shards(what);
    }
    if (checker_.leaves_out(what.what)) {
        ++report_.left_out;
        fmt::print(stderr, "{}:{}: left out: foreign key {} of {}\n", title_, what.line,
                   what.what.references.front().name, what.what.references.front().table);
        return true;
    }
    // ATTACH PARTITION, INHERIT: the dump has made the part, and its rows come later. The proxy cannot know.
    if (!what.what.made && !what.what.descents.empty()) return run_on_shards(what);
    return run_plain(what);
}

bool loading::run_plain(const statement& what) {
    return to_->run(what.text) || fail(what.line);
}

/// Each shard's sequence goes on where the dump's stood.
bool loading::run_on_shards(const statement& what) {
    if (!cluster_.is_sharded()) return run_plain(what);
    for (const auto& shard : cluster_.shards)
        if (!to_->run(fmt::format("/* ringway: shard={} */ {}", shard.name, what.text))) return fail(what.line);
    return true;
}

bool loading::run_copy(const statement& what) {
    if (!to_->begin_copy(what.text)) return fail(what.line);
    text_.expect_rows();
    const auto rows_line = text_.line() + 1;
    told_ = std::chrono::steady_clock::now();
    std::string cut_short;
    if (!read_rows(what, true, cut_short)) {
        if (cut_short.empty()) return fail(what.line);
        to_->end_copy(cut_short);
        return stop(text_.line(), cut_short);
    }
    if (!to_->end_copy()) {
        const auto within = to_->failure().data_line();
        return fail(within != 0 ? rows_line + within - 1 : what.line);
    }
    ++report_.tables;
    report_.rows += to_->counted();
    fmt::print(stderr, "{}:{}: {}: {} rows\n", title_, what.line, what.what.filled, to_->counted());
    return true;
}

// ---- telling --------------------------------------------------------------------------------------------------------

void loading::complain(std::uint64_t line, const std::string& what, const std::string& hint) {
    if (++mistakes_ > most_mistakes) return;
    fmt::print(stderr, "{}:{}: {}\n", title_, line, what);
    if (!hint.empty()) fmt::print(stderr, "  hint: {}\n", hint);
}

bool loading::stop(std::uint64_t line, const std::string& why) {
    complain(line, why);
    return false;
}

/// What the proxy or a server has refused.
bool loading::fail(std::uint64_t line) {
    const auto& why = to_->failure();
    complain(line, why.shown());
    if (why.sqlstate == "42704" && why.message.starts_with("role "))
        fmt::print(stderr, "  hint: make the role on every shard's servers, or dump with --no-owner --no-privileges\n");
    if (why.sqlstate.starts_with("42P0") && loaded_to_ == 0 && from_line_ == 0)
        fmt::print(
            stderr,
            "  hint: a dump is loaded into an empty database; one that was loaded in part goes on by --from-line\n");
    return false;
}

/// What holds after a failure, and how to go on.
void loading::tell_left() {
    if (to_ && !to_->lost() && std::exchange(open_, false)) to_->run("ROLLBACK");
    const auto held = from_line_ != 0 || loaded_to_ != 0;
    if (unknown_) {
        fmt::print(stderr,
                   "ringway: it is not known whether lines {} to {} have been loaded: look at their tables (and at "
                   "SHOW TRANSACTIONS on "
                   "the admin port) before you go on with --from-line\n",
                   part_line_, last_line_);
    } else if (!held) {
        fmt::print(stderr, "ringway: nothing has been loaded\n");
    } else {
        const auto next = part_line_ > loaded_to_ ? part_line_ : loaded_to_ + 1;
        fmt::print(stderr,
                   "ringway: what stands before line {} is loaded, and nothing from there on: when the cause is "
                   "mended, go on with "
                   "--from-line {}\n",
                   next, next);
    }
}

void loading::tell_progress(const statement& what, std::uint64_t bytes) {
    const auto now = std::chrono::steady_clock::now();
    if (now - told_ < progress_pause) return;
    told_ = now;
    const auto share =
        from_.size() == 0 ? std::string() : fmt::format(", {} % of the dump", from_.passed() * 100 / from_.size());
    fmt::print(stderr, "{}:{}: {}: {} MB{}\n", title_, what.line, what.what.filled, bytes >> 20, share);
}

}  // namespace ringway::proxy::cli
