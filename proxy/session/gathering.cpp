#include "proxy/session/gathering.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/row_shape.hpp"
#include "proxy/session/span.hpp"
#include "proxy/session/statements.hpp"
#include "router/columns_guard.hpp"
#include "router/gather.hpp"
#include "router/object_types.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

constexpr int most_failed_leases = 5;
/// An answer is passed on in pieces of about this size.
constexpr std::size_t piece = 64 * 1024;

/// Settings by which constants are read, and what stands in the definition of a view that has such constants.
struct reading_of_constants {
    std::string_view setting, type;
};
constexpr reading_of_constants readings[] = {{"array_nulls", "[]"}, {"xmloption", "xml"}, {"lc_monetary", "money"}};

/// In any letters.
bool names(std::string_view text, std::string_view setting) {
    return std::search(text.begin(), text.end(), setting.begin(), setting.end(),
                       [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a | 0x20 : a) == b; }) != text.end();
}

bool all_ascii(const router::gathered_table& table) {
    return is_ascii(table.schema) && is_ascii(table.name) &&
           std::all_of(table.columns.begin(), table.columns.end(),
                       [](const std::string& each) { return is_ascii(each); });
}

/// `schema.name` of a table that is gathered, as the client has it.
void replace_names(const router::plan& plan, std::string& message) {
    for (const auto& one : plan.parsed.statements)
        for (const auto& table : one.block.tables)
            for (const auto& each : plan.gather->tables) {
                if (!table.schema.empty() || table.name != each.name) continue;
                const auto full = fmt::format("\"{}.{}\"", each.schema, each.name);
                if (const auto at = message.find(full); at != message.npos)
                    message.replace(at, full.size(), fmt::format("\"{}\"", each.name));
            }
}

/// An error of a text of ours: without a place in it.
std::string in_words_of_client(std::string_view frame, const router::plan& plan) {
    std::string out;
    pg::writer made(out, 'E');
    pg::reader in(frame.substr(pg::header_size));
    for (auto code = in.u8(); in.ok() && code != 0; code = in.u8()) {
        std::string value(in.text());
        if (code == 'P') continue;
        if (code == 'M') replace_names(plan, value);
        made.u8(code);
        made.text(value);
    }
    made.u8(0);
    made.end();
    return out;
}

}  // namespace

std::optional<fault> why_not_made_again(const router::gather_recipe& all, text_encoding encoding,
                                        const pool::session_settings& settings, std::span<const std::string> history) {
    const auto foreign = [](std::string what) {
        return fault{fault_kind::unsupported, fmt::format("{} not ASCII, and client_encoding is not UTF8", what),
                     "Rows of several shards are read by texts in UTF8.", "SET client_encoding = 'UTF8'"};
    };
    if (encoding != text_encoding::utf8)
        for (const auto& each : all.tables)
            if (!all_ascii(each)) return foreign(fmt::format("names of table {} or its columns are", each.name));
    for (const auto& view : all.views) {
        if (encoding != text_encoding::utf8 && (!is_ascii(view.name) || !is_ascii(view.definition)))
            return foreign(fmt::format("view {} has constants or names that are", view.name));
        for (const auto& each : readings) {
            if (view.definition.find(each.type) == std::string::npos) continue;
            if (settings.find(each.setting) || std::any_of(history.begin(), history.end(),
                                                           [&](const auto& said) { return names(said, each.setting); }))
                return fault{fault_kind::unsupported,
                             fmt::format("view {} may have constants that are read by {}, which this session has set",
                                         view.name, each.setting),
                             "A view over rows of several shards is made again for each read.",
                             fmt::format("RESET {}", each.setting)};
        }
    }
    return std::nullopt;
}

gathering::gathering(gather_client& owner, gather_task task)
    : owner_(&owner), task_(std::move(task)), begun_(std::chrono::steady_clock::now()) {}

gathering::~gathering() {
    for (const auto& each : arms_) each->leave();
}

void gathering::start() {
    if (const auto& why = router::why_not_brought(*task_.plan->gather); !why.empty())
        return fail(router::object_column_fault(why));
    if (auto why = why_not_made_again(*task_.plan->gather, task_.encoding, *task_.settings, {}))
        return fail(std::move(why));
    const auto seat = task_.plan->gather->seat;
    auto& home = owner_->gather_home();
    arms_.push_back(std::make_shared<arm>(*this, home, seat));
    for (const auto each : task_.asked)
        if (each != seat) arms_.push_back(std::make_shared<arm>(*this, home, each));
    lease();
}

/// One after the other, in the order of the shards: two gatherings cannot wait for each other's servers.
void gathering::lease() {
    const auto keep = shared_from_this();
    while (leased_ < arms_.size()) {
        auto& next = *arms_[leased_];
        const bool hinted = task_.plan->parsed.hint.role == router::routing_hint::role_wish::primary;
        auto found = owner_->gather_node(next.shard, leased_ == 0 || hinted);
        if (found.why) return fail(std::move(found.why));
        if (found.hold) {
            holding_ = true;
            return;
        }
        if (!next.lease(std::move(found.from), found.index)) return;
        ++leased_;
    }
    open();
}

void gathering::tick(steady_time) {
    if (stage_ == stage::leasing && std::exchange(holding_, false)) lease();
}

bool gathering::give_up(const fault& why) {
    if (stage_ != stage::leasing) return false;
    fail(why);
    return true;
}

void gathering::open() {
    stage_ = stage::opening;
    for (const auto& each : arms_) {
        std::string out;
        int ready = write_settings_change(out, each->server->settings, task_.settings);
        if (each.get() == &seat()) {
            pg::write_query(
                out, fmt::format("BEGIN READ WRITE; {}{}", task_.in_transaction ? "SHOW transaction_isolation; " : "",
                                 router::stand_ins(*task_.plan->gather, filters_on(each->shard))));
            ++ready;
        }
        if (ready > 0) each->send(out, ready);
    }
}

std::vector<std::string> gathering::filters_on(std::uint16_t shard) const {
    return router::own_filters(*task_.plan->gather, task_.filters, *task_.map, shard);
}

void gathering::fill() {
    stage_ = stage::filling;
    const auto& tables = task_.plan->gather->tables;
    if (table_ == tables.size() || arms_.size() == 1) return run();
    pipe_.begin(task_.map->shards.size());
    std::string out;
    pg::write_query(out, router::copy_in(tables[table_]));
    seat().send(out, 1);
}

void gathering::on_seat_filling(char type) {
    if (type != 'G') return;
    for (std::size_t i = 1; i < arms_.size(); ++i) {
        std::string out;
        pg::write_query(out, router::copy_out(task_.plan->gather->tables[table_], filters_on(arms_[i]->shard)[table_]));
        ++copying_;
        arms_[i]->send(out, 1);
    }
}

void gathering::run() {
    stage_ = stage::running;
    std::string out;
    pg::write_query(out, router::prepare_stand_ins(*task_.plan->gather) + "SET TRANSACTION READ ONLY");
    quiet_ = 1;
    out += task_.run;
    seat().server->unnamed.reset();
    for (std::size_t i = 1; i < arms_.size(); ++i) {  // they have given what they have
        arms_[i]->leave();
    }
    arms_.resize(1);
    seat().send(out, 2);
}

void gathering::arm_frame(arm& which, char type, std::string_view frame) {
    const bool is_seat = &which == &seat();
    const auto body = frame.substr(pg::header_size);
    if (type == 'S' || type == 'A') return;
    if (type == 'E') return on_error(which, frame);
    if (which.owed == 0 && type != 'N') return lost("the server sent what nobody asked for");
    if (type == 'Z') {
        which.status = body.empty() ? 'I' : body[0];
        --which.owed;
        if (quiet_ > 0) --quiet_;
        if (which.owed == 0) settled(which);
        return;
    }
    if (stage_ == stage::filling && type == 'd' && !is_seat) {
        if (!pipe_.forward(frame, which.shard, seat().server->link)) lost("the server sent a COPY without a header");
        return;
    }
    if (stage_ == stage::opening && type == 'D' && is_seat && which.owed == 1 && !check_level(body))
        return;  // before: set_config
    if (stage_ == stage::filling && is_seat) return on_seat_filling(type);
    if (stage_ != stage::running || quiet_ > 0 || !is_seat) return;
    if (type == 'T' && task_.told != 0) return compare_rows(body);
    parsed_ |= type == '1';
    if ((type == '1' && task_.own_parse) || task_.hidden.find(type) != std::string_view::npos) return;
    answer_.append(frame);
    if (answer_.size() >= piece) owner_->gather_emit(std::exchange(answer_, {}));
}

/// The client, which has not asked for it now, reads the rows by what it has been told before.
void gathering::compare_rows(std::string_view description) {
    compared_ = true;
    if (rows_hash(description) == task_.told) return;
    answer_.clear();
    fail(changed_result());
}

/// The answer to SHOW: a snapshot that is kept for a whole transaction is not the one that is read in here.
bool gathering::check_level(std::string_view row) {
    pg::reader in(row);
    in.i16();
    const auto level = in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
    if (level == "read committed" || level == "read uncommitted") return true;
    fail(fault{fault_kind::unsupported,
               fmt::format("a transaction with isolation level {} cannot read rows of several shards", level),
               "Each shard would see a snapshot of its own.", "begin it as READ COMMITTED"});
    return false;
}

/// The servers' own words. What was running on others is of no use any more.
void gathering::on_error(arm& which, std::string_view frame) {
    const auto error = pg::read_error(frame.substr(pg::header_size));
    std::string_view severity = error ? error->get('V') : std::string_view();
    if (severity.empty() && error) severity = error->get('S');
    if (severity == "FATAL" || severity == "PANIC") return lost(std::string(error->get('M')));
    failed_ = true;
    if (stage_ == stage::running && quiet_ == 0) {
        answer_.append(frame);
        return;
    }
    if (stage_ == stage::closing) return;  // of a COMMIT after reads: the client has its answer
    if (stage_ == stage::filling && &which == &seat() && error && error->get('C') == "23505")
        return fail(fault{fault_kind::unsupported,
                          fmt::format("rows of {} on several shards have the same unique key",
                                      task_.plan->gather->tables[table_].name),
                          std::string(error->get('D')),
                          "group by all columns that are selected, in a subquery if need be"});
    if (stage_ == stage::filling && &which == &seat() && error && error->get('C') == "42804")
        return fail(router::other_types_fault(task_.plan->gather->tables[table_].name));
    which.server->doomed |= stage_ == stage::opening;  // with half of the session's settings, maybe
    if (error && router::is_guard_error(error->get('C'), error->get('M')))
        return fail(router::guard_fault(error->get('M')));
    if (stage_ == stage::filling && error && router::is_binary_error(error->get('C'), error->get('M')))
        return fail(router::binary_fault(error->get('M')));
    const auto code = error ? error->get('C') : std::string_view();
    if ((code.starts_with("22") || code.starts_with("42")) && retries()) return;
    owner_->gather_emit(stage_ == stage::running ? std::string(frame) : in_words_of_client(frame, *task_.plan));
    fail(std::nullopt);
}

/// A value of the client's in a filter may be what is wrong: the server hears of it in the client's own text, which is
/// run on all rows.
bool gathering::retries() {
    if (!task_.has_values || !owner_) return false;
    std::vector<std::string> bare;
    for (const auto& each : task_.plan->gather->tables) bare.push_back(router::guarded_filter_of(each, {}));
    if (bare == task_.filters) return false;
    const auto keep = shared_from_this();
    let_go();
    task_.filters = std::move(bare);
    task_.has_values = false;
    std::exchange(owner_, nullptr)->gather_again(std::move(task_));
    return true;
}

/// All that was asked of it has been answered.
void gathering::settled(arm& which) {
    switch (stage_) {
        case stage::opening:
            which.server->settings = task_.settings;  // it may go back before the others have theirs
            for (const auto& each : arms_)
                if (each->owed > 0) return;
            return fill();
        case stage::filling:
            if (&which == &seat()) {
                ++table_;
                return fill();
            }
            if (--copying_ == 0) {
                seat().send(copy_pipe::end(), 0);
            }
            return;
        case stage::running: {
            if (!answer_.empty()) owner_->gather_emit(std::exchange(answer_, {}));
            stage_ = stage::closing;
            std::string out;
            pg::write_query(out, which.status == 'T' ? "COMMIT" : "ROLLBACK");
            return which.send(out, 1);
        }
        case stage::closing:
            return finish(std::nullopt);
        default:
            return;
    }
}

bool gathering::arm_may_read(const arm& which) const {
    if (stage_ == stage::filling && &which != &seat()) return !seat().server->link.congested();
    return stage_ != stage::running || !owner_->gather_congested();
}

void gathering::arm_leased(arm&) {
    ++leased_;
    lease();
}

void gathering::arm_refused(arm&, const fault& why) {
    if (pool::is_refusal(why) || ++failed_leases_ >= most_failed_leases) return fail(why);
    holding_ = true;  // the next tick looks again
}

void gathering::arm_flush() {
    if ((task_.told == 0 || compared_) && !answer_.empty() && owner_) owner_->gather_emit(std::exchange(answer_, {}));
}

void gathering::arm_drained(arm& which) {
    for (const auto& each : arms_)
        if (each.get() != &which) each->read_on();
}

void gathering::resume() {
    if (!arms_.empty()) seat().read_on();
}

/// What an old primary answers may lack what the session has written on the new one.
void gathering::primary_moved(std::uint16_t shard, int primary) {
    const bool leased = stage_ != stage::leasing || leased_ > 0;
    if (stage_ != stage::done && leased && seat().shard == shard && seat().node != primary)
        lost("the primary has moved");
}

void gathering::cancel(const std::shared_ptr<const void>& until) {
    if (give_up({fault_kind::canceled, "canceling statement due to user request", {}, {}})) return;
    for (const auto& each : arms_)
        if (each->server && each->owed > 0) stop_query(*each->server, until);
}

void gathering::give_way() {
    if (stage_ == stage::leasing || stage_ == stage::closing || stage_ == stage::done || failed_) return;
    failed_ = true;
    answer_.append(deadlock_error());
    fail(std::nullopt);
}

void gathering::abort() {
    owner_ = nullptr;
    let_go();
}

void gathering::lost(const std::string& why) {
    if (stage_ == stage::closing) return finish(std::nullopt);  // the client has its answer
    fail(fault{fault_kind::server_lost,
               fmt::format("a server was lost while rows of several shards were read: {}", why),
               {},
               {}});
}

void gathering::fail(std::optional<fault> why) {
    finish(std::move(why));
}

void gathering::let_go() {
    stage_ = stage::done;
    for (const auto& each : arms_) each->leave();
}

void gathering::finish(std::optional<fault> why) {
    if (stage_ == stage::done) return;
    const auto keep = shared_from_this();
    let_go();
    if (auto* owner = std::exchange(owner_, nullptr))
        owner->gather_ended(std::exchange(answer_, {}), std::move(why), parsed_);
}

}  // namespace ringway::proxy
