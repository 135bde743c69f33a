#include "proxy/admin/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "config/nearest.hpp"
#include "proxy/admin/driver_statement.hpp"
#include "proxy/admin/interval.hpp"
#include "proxy/admin/token.hpp"

namespace ringway::proxy::admin {

using config::fault;
using config::fault_kind;
using verb = command::verb;

namespace {

constexpr std::array<std::string_view, subject_count> subject_names{
    "CLIENTS",      "SERVERS",        "POOLS",     "DATABASES", "USERS", "LISTS", "STATS",
    "STATS_TOTALS", "STATS_AVERAGES", "CONFIG",    "VERSION",   "HELP",  "LAG",   "SHARDS",
    "RING",         "RING FULL",      "KEY",       "ROUTE",     "PINS",  "BANS",  "PLANS",
    "STATEMENTS",   "TRANSACTIONS",   "REBALANCE", "ADVICE"};

constexpr std::array<std::string_view, 14> verbs{"SHOW",     "PAUSE",  "RESUME",    "RELOAD",     "KILL",
                                                 "SHUTDOWN", "BAN",    "UNBAN",     "BEGIN",      "COMMIT",
                                                 "MOVE",     "CANCEL", "REBALANCE", "KILL_CLIENT"};

std::string as_written(const token& what) {
    if (what.what == token::kind::string) return fmt::format("'{}'", what.text);
    return fmt::format("\"{}\"", what.text);
}

/// Reads the tokens of one command. A failed step sets error() and every later step does nothing.
class parser {
  public:
    explicit parser(std::span<const token> tokens) : rest_(tokens) {}

    parse_result run() {
        parse_verb();
        return {std::move(made_), std::move(error_)};
    }

  private:
    bool at_end() const { return rest_.empty(); }
    bool next_is(std::string_view word) const {
        return !rest_.empty() && rest_[0].what == token::kind::word && same_word(rest_[0].text, word);
    }
    bool take(std::string_view word) {
        if (!next_is(word)) return false;
        rest_ = rest_.subspan(1);
        return true;
    }
    void fail(std::string message, std::string hint = {}) {
        if (!error_) error_ = fault{fault_kind::syntax, std::move(message), {}, std::move(hint)};
    }
    void expected(std::string_view what) {
        fail(at_end() ? fmt::format("{} expected at the end of the command", what)
                      : fmt::format("{} expected at {}", what, as_written(rest_[0])));
    }
    void finish() {
        if (!at_end()) expected("end of command");
    }

    /// A name, a value or $n.
    bool take_argument(std::string_view what) {
        if (at_end() || rest_[0].what == token::kind::symbol) {
            expected(what);
            return false;
        }
        argument got{rest_[0].text, 0, rest_[0].what != token::kind::word, false};
        if (!got.quoted && got.text.starts_with('$') && !read_parameter(got)) return false;
        made_.arguments.push_back(std::move(got));
        rest_ = rest_.subspan(1);
        return true;
    }
    bool read_parameter(argument& into) {
        const auto* end = into.text.data() + into.text.size();
        const auto [stop, error] = std::from_chars(into.text.data() + 1, end, into.parameter);
        if (error == std::errc{} && stop == end && into.parameter > 0) return true;
        fail(fmt::format("\"{}\" is not a parameter: $1 to $65535", into.text));
        return false;
    }

    void parse_verb();
    void parse_show();
    void parse_show_arguments();
    void unknown_subject();
    void parse_rebalance();
    void parse_move();
    void parse_kill();
    void parse_ban();
    void parse_transaction(verb what, bool has_modes);
    void parse_deallocate();
    void answer(result reply);
    void optional_cluster(verb what) {
        made_.what = what;
        if (!at_end()) take_argument("a cluster");
        finish();
    }
    void one_rebalance(verb what) {
        made_.what = what;
        if (!take("REBALANCE")) return expected("REBALANCE");
        if (take_argument("a cluster")) finish();
    }
    void unknown_verb();

    std::span<const token> rest_;
    command made_;
    std::optional<fault> error_;
};

void parser::parse_verb() {
    if (at_end()) return;
    if (take("SHOW")) return parse_show();
    if (take("PAUSE")) return optional_cluster(verb::pause);
    if (next_is("RESUME") && rest_.size() > 1 && rest_[1].what == token::kind::word &&
        same_word(rest_[1].text, "REBALANCE")) {
        rest_ = rest_.subspan(2);
        made_.what = verb::resume_rebalance;
        if (take_argument("a cluster")) finish();
        return;
    }
    if (take("RESUME")) return optional_cluster(verb::resume);
    if (take("REBALANCE")) return parse_rebalance();
    if (take("MOVE")) return parse_move();
    if (take("CANCEL")) return one_rebalance(verb::cancel_rebalance);
    if (take("UNDO")) return one_rebalance(verb::undo_rebalance);
    if (take("FINISH")) return one_rebalance(verb::finish_rebalance);
    if (take("RELOAD")) {
        made_.what = verb::reload;
        return finish();
    }
    if (take("KILL")) return parse_kill();
    if (take("KILL_CLIENT")) {
        made_.what = verb::kill_client;
        if (take_argument("a client's id")) finish();
        return;
    }
    if (take("SHUTDOWN")) {
        made_.what = verb::shut_down;
        made_.wait_for_clients = take("WAIT_FOR_CLIENTS");
        if (!at_end()) expected("WAIT_FOR_CLIENTS or end of command");
        return;
    }
    if (take("BAN")) return parse_ban();
    if (take("UNBAN")) {
        made_.what = verb::unban;
        if (take_argument("a node (host:port)")) finish();
        return;
    }
    if (take("BEGIN")) return parse_transaction(verb::begin, true);
    if (next_is("START") && rest_.size() > 1 && same_word(rest_[1].text, "TRANSACTION")) {
        rest_ = rest_.subspan(1);
        return parse_transaction(verb::begin, true);
    }
    if (take("COMMIT") || take("END")) return parse_transaction(verb::commit, false);
    if (take("ROLLBACK") || take("ABORT")) return parse_transaction(verb::rollback, false);
    if (take("SET")) return answer(answer_set("SET", rest_));
    if (take("RESET")) return answer(answer_set("RESET", rest_));
    if (take("SELECT")) return answer(answer_select(rest_));
    if (take("DISCARD")) {
        made_.what = verb::discard_all;
        return take("ALL") ? finish() : expected("ALL");
    }
    if (take("DEALLOCATE")) return parse_deallocate();
    if (next_is("CLOSE") || next_is("UNLISTEN")) {  // there are no cursors and no channels: nothing to do
        answer(table{{}, {}, take("CLOSE") ? "CLOSE CURSOR ALL" : "UNLISTEN"});
        take("UNLISTEN");
        return take("ALL") || take("*") ? finish() : expected("ALL or *");
    }
    unknown_verb();
}

void parser::parse_deallocate() {
    made_.what = verb::deallocate;
    take("PREPARE");
    if (!take("ALL") && !take_argument("the name of a prepared statement, or ALL")) return;
    finish();
}

void parser::answer(result reply) {
    made_.what = verb::answer;
    if (auto* refused = std::get_if<fault>(&reply))
        error_ = std::move(*refused);
    else
        made_.reply = std::get<table>(std::move(reply));
}

void parser::unknown_verb() {
    const auto& first = rest_[0];
    if (first.what == token::kind::unfinished) return fail("a quoted text or comment is never closed");
    const auto near = first.what == token::kind::word ? config::nearest(first.text, verbs) : std::string_view{};
    fail(fmt::format("unknown command {}", as_written(first)),
         near.empty() ? "SHOW HELP lists the commands"
                      : fmt::format("did you mean {}? SHOW HELP lists the commands", near));
}

void parser::parse_show() {
    made_.what = verb::show;
    if (at_end()) return fail("SHOW needs to be told what", "SHOW HELP lists the commands");
    const auto found = rest_[0].what == token::kind::word ? find_subject(rest_[0].text) : std::nullopt;
    if (!found) {
        made_.reply = answer_show(rest_);
        if (!made_.reply) return unknown_subject();
        made_.what = verb::answer;
        return;
    }
    made_.about = *found;
    rest_ = rest_.subspan(1);
    parse_show_arguments();
    if (!error_) finish();
}

void parser::parse_show_arguments() {
    switch (made_.about) {
        case subject::ring:
            if (take("FULL")) return fail("a cluster expected before FULL", "SHOW RING <cluster> FULL");
            if (!at_end()) take_argument("a cluster");
            if (take("FULL")) made_.about = subject::ring_points;
            if (!error_ && !at_end()) expected("FULL or end of command");
            return;
        case subject::key:
            if (take_argument("a cluster") && take_argument("a table")) take_argument("a value of its shard key");
            return;
        case subject::route:
            if (!take_argument("a cluster") || !take_argument("a statement in quotes")) return;
            if (!made_.arguments[1].quoted && made_.arguments[1].parameter == 0)
                return fail(fmt::format("a statement in quotes expected at \"{}\"", made_.arguments[1].text),
                            "SHOW ROUTE <cluster> 'SELECT ...'; or between $$ and $$ when it holds quotes");
            while (!at_end() && take_argument("a value for a parameter of the statement")) {
            }
            return;
        default:
            return;
    }
}

void parser::unknown_subject() {
    const auto& first = rest_[0];
    const auto near = first.what == token::kind::word ? config::nearest(first.text, subject_names) : std::string_view{};
    fail(fmt::format("SHOW does not know {}", as_written(first)),
         near.empty() ? "SHOW HELP lists the commands"
                      : fmt::format("did you mean SHOW {}? SHOW HELP lists the commands", near));
}

void parser::parse_rebalance() {
    made_.what = verb::rebalance;
    if (!take_argument("a cluster")) return;
    if (take("DRY")) {
        made_.dry_run = true;
        if (!take("RUN")) return expected("RUN");
    }
    if (!at_end()) expected("DRY RUN or end of command");
}

void parser::parse_move() {
    made_.what = verb::move_key;
    if (!take_argument("a cluster")) return;
    if (!take("KEY")) return expected("KEY");
    if (!take_argument("a table") || !take_argument("a value of its shard key")) return;
    if (!take("TO")) return expected("TO");
    if (take_argument("a shard")) finish();
}

void parser::parse_kill() {
    made_.what = verb::kill;
    if (take("CLIENT")) {
        made_.what = verb::kill_client;
        if (take_argument("a client's id")) finish();
        return;
    }
    if (rest_.size() > 1 && take("CLUSTER")) made_.what = verb::kill_cluster;
    if (take_argument("a cluster or a client's id")) finish();
}

void parser::parse_ban() {
    made_.what = verb::ban;
    if (!take_argument("a node (host:port)") || at_end()) return;
    if (!take("FOR")) return expected("FOR or end of command");
    if (!at_end() && rest_[0].what == token::kind::word && rest_[0].text.starts_with('$')) {
        if (take_argument("an interval")) finish();
        return;
    }
    std::string text;
    for (; !at_end() && rest_[0].what != token::kind::symbol; rest_ = rest_.subspan(1))
        text += (text.empty() ? "" : " ") + rest_[0].text;
    made_.length = read_interval(text);
    if (!made_.length)
        return fail(text.empty() ? "an interval expected after FOR" : fmt::format("\"{}\" is not an interval", text),
                    "a number with its unit: 30s, 5 minutes, '1h 30m'");
    finish();
}

/// The modes (ISOLATION LEVEL ..., READ ONLY) have no meaning here and are taken as they are.
void parser::parse_transaction(verb what, bool has_modes) {
    made_.what = what;
    if (!take("TRANSACTION")) take("WORK");
    if (!has_modes) finish();
}

std::vector<std::span<const token>> split(std::span<const token> tokens) {
    std::vector<std::span<const token>> parts;
    std::size_t from = 0;
    for (std::size_t at = 0; at <= tokens.size(); ++at) {
        if (at < tokens.size() && !tokens[at].is_symbol(';')) continue;
        if (at > from) parts.push_back(tokens.subspan(from, at - from));
        from = at + 1;
    }
    return parts;
}

parse_result parse_tokens(std::span<const token> tokens) {
    for (const auto& one : tokens)
        if (one.what == token::kind::unfinished)
            return {{},
                    fault{fault_kind::syntax,
                          fmt::format("a quoted text or comment that begins at character {} is never closed",
                                      one.offset + 1),
                          {},
                          {}}};
    return parser(tokens).run();
}

}  // namespace

std::uint16_t command::parameters() const noexcept {
    std::uint16_t highest = 0;
    for (const auto& one : arguments) highest = std::max(highest, one.parameter);
    return highest;
}

std::vector<parse_result> parse_commands(std::string_view text) {
    const auto tokens = tokens_of(text);
    std::vector<parse_result> all;
    for (const auto part : split(tokens)) all.push_back(parse_tokens(part));
    if (all.empty()) all.emplace_back();
    return all;
}

parse_result parse_command(std::string_view text) {
    auto all = parse_commands(text);
    if (all.size() == 1) return std::move(all.front());
    return {{}, fault{fault_kind::syntax, "one command expected, not several", {}, {}}};
}

std::string_view name_of(subject what) noexcept {
    return subject_names[static_cast<std::size_t>(what)];
}

std::optional<subject> find_subject(std::string_view name) noexcept {
    const auto found =
        std::find_if(subject_names.begin(), subject_names.end(), [name](auto known) { return same_word(known, name); });
    if (found == subject_names.end()) return std::nullopt;
    return static_cast<subject>(found - subject_names.begin());
}

}  // namespace ringway::proxy::admin
