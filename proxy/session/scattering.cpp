#include "proxy/session/scattering.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/sort_key.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/row_shape.hpp"
#include "proxy/session/span.hpp"
#include "proxy/session/statements.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

namespace {

constexpr int most_failed_leases = 5;
constexpr std::size_t piece = 64 * 1024;
/// What is kept for a last query; more is gathered, where the server holds it.
constexpr std::size_t most_kept = 64u << 20;
constexpr std::uint32_t first_own_type = 16384;

/// How long who holds servers of a transaction waits for others.
constexpr std::chrono::seconds longest_wait_within{1};

/// A cancel, by the client or by its statement_timeout; its lock_timeout; a deadlock.
bool ends_a_wait(std::string_view sqlstate) {
    return sqlstate == "57014" || sqlstate == "55P03" || sqlstate == "40P01";
}

/// Whether nobody has to give one back first.
bool has_room(const pool::pool& from) {
    const auto now = from.figures();
    return now.waiting == 0 && now.leased + now.login < now.size;
}

}  // namespace

scattering::scattering(gather_client& owner, scatter_task task)
    : owner_(&owner), task_(std::move(task)), begun_(std::chrono::steady_clock::now()) {
    std::vector<pg::bound_parameter> raw;
    if (!task_.bound.empty()) pg::read_parameters(task_.bound, raw);
    for (std::size_t i = 0; i < raw.size(); ++i)
        parameters_bound_.push_back({raw[i].bytes,
                                     i < task_.types.size() / 4 ? pg::load32(task_.types.data() + 4 * i) : 0,
                                     raw[i].is_null, raw[i].binary});
    to_skip_ = task_.texts.offset;
    const auto& recipe = *task_.plan->scatter;
    if (recipe.how == router::scatter_recipe::kind::groups)
        doing_ = task_.texts.totals.text.empty() ? doing::keeping : doing::adding;
    else if (!task_.texts.orders.empty())
        doing_ = recipe.shown.load(std::memory_order_relaxed) == 0 ? doing::merging
                 : recipe.merged.load(std::memory_order_relaxed)   ? doing::merging
                                                                   : doing::keeping;
}

scattering::~scattering() {
    for (const auto& each : arms_) each->leave();
}

router::values scattering::values() const {
    return {task_.query, task_.literals, parameters_bound_, task_.conforming_strings};
}

void scattering::start() {
    auto& home = owner_->gather_home();
    for (const auto each : task_.asked) arms_.push_back(std::make_shared<arm>(*this, home, each));
    ended_.assign(arms_.size(), false);
    described_.assign(arms_.size(), false);
    lease();
}

/// One after the other, in the order of the shards: two of them cannot wait for each other's servers.
void scattering::lease() {
    const auto keep = shared_from_this();
    while (leased_ < arms_.size()) {
        auto& next = *arms_[leased_];
        const bool hinted = task_.plan->parsed.hint.role == router::routing_hint::role_wish::primary;
        auto found = owner_->gather_node(next.shard, task_.in_transaction || hinted);
        // Who holds servers already does not wait for others: those could wait for what is held here.
        if (task_.in_transaction && (found.why || found.hold || !has_room(*found.from))) return decline();
        if (found.why) return finish(std::move(found.why));
        if (found.hold) {
            holding_ = true;
            return;
        }
        if (!next.lease(std::move(found.from), found.index)) return;
        ++leased_;
    }
    open();
}

void scattering::tick(steady_time now) {
    if (stage_ == stage::leasing && task_.in_transaction && now - begun_ > longest_wait_within) return decline();
    if (stage_ == stage::leasing && std::exchange(holding_, false)) lease();
}

bool scattering::give_up(const fault& why) {
    if (stage_ != stage::leasing) return false;
    finish(why);
    return true;
}

void scattering::open() {
    const auto& recipe = *task_.plan->scatter;
    using state = router::scatter_recipe::totals_state;
    const bool unknown = doing_ == doing::adding
                             ? recipe.totals.load(std::memory_order_relaxed) == state::unknown
                             : !task_.texts.orders.empty() && recipe.shown.load(std::memory_order_relaxed) == 0;
    if (unknown) return describe();
    run();
}

/// Of what types the shards' rows are, before it is said in which formats they are to come.
void scattering::describe() {
    stage_ = stage::describing;
    auto& first = *arms_.front();
    std::string out;
    const int ready = write_settings_change(out, first.server->settings, task_.settings);
    first.server->unnamed.reset();
    pg::write_parse(out, {}, shard_text().text, types_of(shard_text()));
    pg::write_target(out, 'D', 'S', {});
    pg::write_sync(out);
    first.send(out, ready + 1);
}

void scattering::decide(std::string_view description) {
    if (doing_ == doing::adding) return decide_totals(description);
    const auto columns = columns_of(description);
    const auto& recipe = *task_.plan->scatter;
    const auto keys = task_.texts.orders.size();
    if (columns.size() < keys) return decline();
    const auto shown = columns.size() - keys;
    bool merged = true;
    for (auto i = shown; i < columns.size(); ++i)
        merged &= pg::has_sort_key(columns[i].type, recipe.plain_texts && recipe.byte_order);
    bool kept = recipe.plain_texts;
    for (const auto& each : columns) kept &= router::array_of(each.type) != 0;
    if (!merged && !kept) {
        recipe.unfit.store(true, std::memory_order_relaxed);
        return decline();
    }
    recipe.merged.store(merged, std::memory_order_relaxed);
    recipe.shown.store(static_cast<std::uint32_t>(shown) + 1, std::memory_order_relaxed);
    doing_ = merged ? doing::merging : doing::keeping;
}

/// What the columns are put together by; empty: it takes a server.
std::vector<totals::column> scattering::columns_of_totals(std::string_view description) const {
    const auto columns = columns_of(description);
    const auto& recipe = *task_.plan->scatter;
    const auto shown = columns.size() - std::min(columns.size(), further_columns());
    const auto wanted = formats_in(task_.bound);
    std::vector<totals::column> out;
    if (shown != recipe.outline->items.size()) return {};
    for (std::size_t i = 0; i < shown; ++i) {
        const auto& call = recipe.calls[i];
        const auto how = totals::kind_of(call.name);
        if (!how || !totals::fits(*how, columns[i].type, recipe.plain_texts && recipe.byte_order)) return {};
        const bool binary =
            !wanted.empty() && pg::load16(wanted.data() + (wanted.size() == 2 ? 0 : 2 * i % wanted.size())) != 0;
        out.push_back({*how, call.how == router::combining::count, columns[i].type, binary});
    }
    return out;
}

void scattering::decide_totals(std::string_view description) {
    using state = router::scatter_recipe::totals_state;
    const bool fit = !columns_of_totals(description).empty();
    task_.plan->scatter->totals.store(fit ? state::fit : state::unfit, std::memory_order_relaxed);
    if (!fit) doing_ = doing::keeping;
}

const router::scatter_text& scattering::shard_text() const noexcept {
    return doing_ == doing::adding ? task_.texts.totals : task_.texts.shard;
}

/// Those behind the client's own.
std::size_t scattering::further_columns() const noexcept {
    if (doing_ != doing::adding) return task_.texts.orders.size();
    const auto& recipe = *task_.plan->scatter;
    const auto& calls = recipe.calls;
    return static_cast<std::size_t>(std::count_if(
        calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(recipe.outline->items.size()), [](const auto& each) {
            const auto how = totals::kind_of(each.name);
            return how && totals::has_key(*how);
        }));
}

/// With escapes in plain strings too, for a server warns of each: so often as they stand in the client's text.
bool scattering::needs_own_description() const noexcept {
    return doing_ == doing::keeping || task_.describe_statement ||
           (!task_.conforming_strings && task_.query.find('\\') != std::string::npos);
}

std::string scattering::types_of(const router::scatter_text& text) const {
    std::string out;
    for (const auto each : text.parameters)
        out.append(4u * each + 4 <= task_.types.size() ? task_.types.substr(4u * each, 4) : std::string(4, '\0'));
    return out;
}

/// A Bind of the text's parameters, behind `extra` values of ours in the binary format.
std::string scattering::bind(const router::scatter_text& text, const std::string& before, std::size_t extra,
                             const std::string& formats) const {
    std::string rest;
    const auto count = extra + text.parameters.size();
    append16(rest, count);
    for (std::size_t i = 0; i < extra; ++i) append16(rest, 1);
    for (const auto each : text.parameters)
        append16(rest, each < parameters_bound_.size() && parameters_bound_[each].binary ? 1 : 0);
    append16(rest, count);
    rest.append(before);
    for (const auto each : text.parameters) {
        if (each >= parameters_bound_.size() || parameters_bound_[each].is_null) {
            append32(rest, 0xFFFFFFFF);
            continue;
        }
        append32(rest, parameters_bound_[each].bytes.size());
        rest.append(parameters_bound_[each].bytes);
    }
    append16(rest, formats.size() / 2);
    rest.append(formats);
    std::string out;
    pg::write_bind_head(out, {}, {}, rest.size());
    out.append(rest);
    return out;
}

/// What the client wants of its columns, and the keys behind them in binary.
std::string scattering::result_formats(std::size_t shown) const {
    if (doing_ == doing::keeping) return {'\0', '\1'};
    auto wanted = formats_in(task_.bound);
    if (doing_ == doing::adding) {
        std::string out;
        for (std::size_t i = 0; i < shown; ++i) {
            const auto how = totals::kind_of(task_.plan->scatter->calls[i].name);
            const bool passed = how && totals::has_key(*how) && !wanted.empty();
            append16(out, passed ? pg::load16(wanted.data() + (wanted.size() == 2 ? 0 : 2 * i)) : 0);
        }
        for (std::size_t i = 0; i < further_columns(); ++i) append16(out, 1);
        return out;
    }
    if (doing_ == doing::passing || task_.texts.orders.empty()) return wanted;
    std::string out;
    for (std::size_t i = 0; i < shown; ++i)
        append16(out, wanted.empty() ? 0 : pg::load16(wanted.data() + (wanted.size() == 2 ? 0 : 2 * i)));
    for (std::size_t i = 0; i < task_.texts.orders.size(); ++i) append16(out, 1);
    return out;
}

void scattering::run() {
    stage_ = stage::running;
    const auto& recipe = *task_.plan->scatter;
    const auto seen = recipe.shown.load(std::memory_order_relaxed);
    const auto shown = doing_ == doing::adding ? recipe.outline->items.size() : seen > 0 ? seen - 1 : 0;
    const auto wanted = formats_in(task_.bound);
    if ((doing_ == doing::merging || doing_ == doing::adding) && wanted.size() > 2 && wanted.size() / 2 != shown)
        return decline();
    const auto types = types_of(shard_text());
    std::string own = bind(shard_text(), {}, 0, result_formats(shown));
    pg::write_target(own, 'D', 'P', {});
    pg::write_execute(own, {}, 0);
    pg::write_sync(own);
    running_ = arms_.size();
    asked_own_ = reads_own_text_ = needs_own_description();
    for (std::size_t i = 0; i < arms_.size(); ++i) {
        const auto& each = arms_[i];
        std::string out;
        int ready = write_settings_change(out, each->server->settings, task_.settings);
        const auto settings_end = out.size();
        if (asked_own_ && each == arms_.front()) {
            pg::write_parse(out, {}, task_.query, task_.types);
            pg::write_target(out, 'D', 'S', {});
        }
        if (task_.in_transaction && each == arms_.front()) {
            std::string level;
            pg::write_query(level, "SHOW transaction_isolation");
            out.insert(settings_end, level);
            ++ready;
        }
        const auto& other = doing_ == doing::adding ? task_.own[i].totals : task_.own[i].shard;
        pg::write_parse(out, {}, other.empty() ? shard_text().text : other, types);
        out += own;
        each->server->unnamed.reset();
        each->server->settings = task_.settings;
        each->send(out, ready + 1);
    }
}

std::size_t scattering::index_of(const arm& which) const noexcept {
    return static_cast<std::size_t>(
        std::find_if(arms_.begin(), arms_.end(), [&](const auto& each) { return each.get() == &which; }) -
        arms_.begin());
}

void scattering::arm_frame(arm& which, char type, std::string_view frame) {
    if (type == 'S' || type == 'A') return;
    if (type == 'N') {
        if (!is_of_reading(frame) || (reads_own_text_ && &which == arms_.front().get())) answer_.append(frame);
        return;
    }
    if (type == 'E') return on_error(which, frame);
    if (which.owed == 0) return lost("the server sent what nobody asked for");
    const auto body = frame.substr(pg::header_size);
    if (type == 'Z') {
        which.status = body.empty() ? 'I' : body[0];
        if (--which.owed == 0) settled(which);
        return;
    }
    if (which.owed == 2 && type == 'D' && task_.in_transaction && stage_ == stage::running && !level_known_)
        return check_level(body);
    if (!error_.empty() || which.owed > 1) return;  // of the settings, before
    if (stage_ == stage::describing) {
        if (type == 'T') {
            columns_.assign(frame);
        }
        return;
    }
    if (stage_ == stage::combining) return on_combined(type, frame);
    const auto at = index_of(which);
    switch (type) {
        case '1':
            parsed_ |= at == 0;
            if (at == 0) reads_own_text_ = false;
            return;
        case 't':
            parameters_.assign(frame);
            return;
        case 'T':
            return on_description(at, frame);
        case 'D':
            if (doing_ == doing::keeping)
                keep_row(frame);
            else if (doing_ != doing::adding)
                rows_.add(at, frame);
            else if (!totals_.add(frame))
                decline();
            return;
        case 'C':
            ended_[at] = true;
            if (!collects()) rows_.end(at);
            return;
        default:
            return;
    }
}

/// Of the client's statement first, where it was asked for, then of what the shard runs.
void scattering::on_description(std::size_t of, std::string_view frame) {
    if (of == 0 && asked_own_ && description_.empty()) {
        description_.assign(frame);
        return;
    }
    const bool first = columns_.empty() || std::none_of(described_.begin(), described_.end(), [](bool b) { return b; });
    described_[of] = true;
    const auto columns = columns_of(frame);
    if (!first) {
        const auto known = columns_of(columns_);
        bool same = known.size() == columns.size();
        for (std::size_t i = 0; same && i < known.size(); ++i)
            same = known[i].name == columns[i].name &&
                   (known[i].type == columns[i].type ||
                    (known[i].type >= first_own_type && columns[i].type >= first_own_type));
        if (!same)
            return finish(fault{fault_kind::unsupported, "the shards answer with other columns or types",
                                "their tables or functions differ", "make their schemas the same"});
        return;
    }
    columns_.assign(frame);
    if (doing_ == doing::adding) {
        auto made = columns_of_totals(frame);
        if (made.empty()) {  // a column's type has changed
            task_.plan->scatter->totals.store(router::scatter_recipe::totals_state::unknown, std::memory_order_relaxed);
            return decline();
        }
        return totals_.begin(std::move(made));
    }
    if (doing_ == doing::keeping) {
        for (const auto& each : columns) {
            if (router::array_of(each.type) == 0) {  // nor may it have a binary form
                task_.plan->scatter->unfit.store(true, std::memory_order_relaxed);
                return decline();
            }
            kept_.push_back({each.type, {}, false});
        }
        return;
    }
    std::vector<merge_key> keys;
    const auto shown = columns.size() - std::min(columns.size(), task_.texts.orders.size());
    for (std::size_t i = 0; i < task_.texts.orders.size() && shown + i < columns.size(); ++i)
        keys.push_back({columns[shown + i].type, task_.texts.orders[i].descending, task_.texts.orders[i].nulls_first});
    const auto& recipe = *task_.plan->scatter;
    for (const auto& each : keys)
        if (!pg::has_sort_key(each.type_oid, recipe.plain_texts && recipe.byte_order)) {  // a column's type has changed
            recipe.shown.store(0, std::memory_order_relaxed);
            return decline();
        }
    rows_.begin(arms_.size(), shown, std::move(keys));
}

void scattering::keep_row(std::string_view frame) {
    pg::reader in(frame.substr(pg::header_size));
    const auto count = static_cast<std::uint16_t>(in.i16());
    if (count != kept_.size()) return lost("the server sent a row of other columns");
    for (auto& column : kept_) {
        const auto length = in.i32();
        append32(column.elements, static_cast<std::uint32_t>(length));
        column.nulls |= length < 0;
        if (length > 0) column.elements.append(in.bytes(static_cast<std::size_t>(length)));
    }
    ++kept_rows_;
    kept_bytes_ += frame.size();
    if (kept_bytes_ > most_kept) decline();
}

/// The servers' own words. The others are told to stop; when all have, the client hears it.
void scattering::on_error(arm& which, std::string_view frame) {
    const auto error = pg::read_error(frame.substr(pg::header_size));
    std::string_view severity = error ? error->get('V') : std::string_view();
    if (severity.empty() && error) severity = error->get('S');
    if (severity == "FATAL" || severity == "PANIC") return lost(std::string(error->get('M')));
    if (!error_.empty()) return;
    error_.assign(frame);
    const auto at = index_of(which);
    const bool ran = stage_ == stage::combining ? told_ : stage_ == stage::running && described_[at];
    which.server->doomed |= stage_ != stage::combining && which.owed > 1;  // with half of the session's settings, maybe
    // Its text is not the client's: what is wrong is told of that. But who has waited long enough does not wait again.
    declining_ = !ran && !told_ && !(error && ends_a_wait(error->get('C')));
    for (std::size_t i = 0; i < arms_.size(); ++i)
        if (arms_[i].get() != &which && arms_[i]->server && arms_[i]->owed > 0 && described_[i])
            stop_query(*arms_[i]->server);
}

/// All that was asked of it has been answered.
void scattering::settled(arm& which) {
    if (stage_ == stage::describing) {
        if (!error_.empty() && !declining_) return finish(std::nullopt);
        if (!error_.empty() || columns_.empty()) return decline();
        which.server->settings = task_.settings;
        const auto description = std::exchange(columns_, {});
        decide(description);
        if (stage_ == stage::describing) run();
        return;
    }
    if (stage_ == stage::combining) return declining_ ? decline() : finish(std::nullopt);
    if (stage_ != stage::running) return;
    --running_;
    if (error_.empty() && !ended_[index_of(which)]) return lost("the server sent no end of its rows");
    const bool last = &which == arms_.front().get() && doing_ == doing::keeping && error_.empty();
    if (!last) which.leave();
    if (!error_.empty()) {
        if (running_ == 0) declining_ ? decline() : finish(std::nullopt);
        return;
    }
    if (collects()) {
        if (running_ == 0) doing_ == doing::keeping ? combine() : add_up();
        return;
    }
    pass_rows();
}

void scattering::add_up() {
    std::string row;
    if (totals_.any() && !totals_.write(row)) return decline();
    if (!preamble()) return;
    answer_ += row;
    passed_ = row.empty() ? 0 : 1;
    finish_rows();
}

/// The answer to SHOW: with another level the transaction has a snapshot of its own.
void scattering::check_level(std::string_view row) {
    pg::reader in(row);
    in.i16();
    const auto level = in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
    level_known_ = level == "read committed" || level == "read uncommitted";
    if (!level_known_) decline();
}

/// What the client has asked for before its rows. False: they are others than it has been told, and it has ended.
bool scattering::preamble() {
    if (told_) return true;
    const auto formats = formats_in(task_.bound);
    const auto& known = description_.empty() ? columns_ : description_;
    const auto shown = columns_of(known).size() - (description_.empty() ? further_columns() : 0);
    if (task_.told != 0 && error_.empty() &&
        rows_hash(std::string_view(shown_description(known, shown, {})).substr(pg::header_size)) != task_.told) {
        description_.empty() ? decline() : finish(changed_result());
        return false;
    }
    told_ = true;
    std::string out;
    if (task_.parse) pg::write_empty(out, '1');
    if (task_.describe_statement) out += parameters_ + shown_description(known, shown, {});
    if (!task_.bound.empty() && !task_.bind_told) pg::write_empty(out, '2');
    if (task_.describe_portal || task_.bound.empty())
        out += shown_description(known, shown,
                                 formats.size() > 2 && formats.size() / 2 != shown ? std::string() : formats);
    answer_.insert(0, out);
    return true;
}

void scattering::pass_rows() {
    if (collects() || stage_ != stage::running || !error_.empty() || !owner_) return;
    if (task_.in_transaction && !level_known_) return;
    const bool known = std::any_of(described_.begin(), described_.end(), [](bool b) { return b; }) &&
                       (!asked_own_ || !description_.empty());
    if (!known) return;
    const auto keep = shared_from_this();
    const auto limit = task_.texts.limit;
    if (!preamble()) return;
    while (!owner_->gather_congested()) {
        if (to_skip_ > 0) {
            if (!rows_.skip()) break;
            --to_skip_;
            continue;
        }
        if (limit && passed_ >= *limit) {
            if (!rows_.skip()) break;
            continue;
        }
        if (!rows_.take(answer_)) break;
        ++passed_;
        if (answer_.size() >= piece) emit();
        if (!owner_) return;
    }
    if (rows_.unsorted())
        return finish(fault{fault_kind::unsupported,
                            "a shard's rows came in another order than they are sorted in here",
                            "its collation, or that of its columns, is another than the first shard's",
                            "make the shards' collations the same"});
    if (rows_.broken()) return lost("the server sent a row that is not what it described");
    for (std::size_t i = 0; i < arms_.size(); ++i)
        if (arms_[i]->server && rows_.wants(i)) arms_[i]->read_on();
    if (running_ == 0 && rows_.over()) finish_rows();
}

void scattering::finish_rows() {
    pg::write_command_complete(answer_, fmt::format("SELECT {}", passed_));
    for (int i = 0; i < task_.closes; ++i) pg::write_empty(answer_, '3');
    finish(std::nullopt);
}

/// The last query, over all that was kept.
void scattering::combine() {
    std::vector<std::uint32_t> types;
    for (const auto& each : kept_) types.push_back(each.type);
    const auto text = task_.plan->scatter->how == router::scatter_recipe::kind::groups
                          ? router::combine_groups(*task_.plan, values(), types)
                          : router::combine_rows(task_.texts, types);
    if (!text || description_.empty()) {
        task_.plan->scatter->unfit.store(true, std::memory_order_relaxed);
        return decline();
    }
    stage_ = stage::combining;
    std::string arrays, array_types;
    for (auto& column : kept_) {
        append32(array_types, router::array_of(column.type));
        append32(arrays, kept_rows_ == 0 ? 12 : 20 + column.elements.size());
        append32(arrays, kept_rows_ == 0 ? 0 : 1);
        append32(arrays, column.nulls ? 1 : 0);
        append32(arrays, column.type);
        if (kept_rows_ == 0) continue;
        append32(arrays, kept_rows_);
        append32(arrays, 1);
        arrays += column.elements;
        column.elements = {};
    }
    std::string out;
    pg::write_parse(out, {}, text->text, array_types + types_of(*text));
    out += bind(*text, arrays, kept_.size(), formats_in(task_.bound));
    pg::write_target(out, 'D', 'P', {});
    pg::write_execute(out, {}, 0);
    pg::write_sync(out);
    arms_.front()->send(out, 1);
}

void scattering::on_combined(char type, std::string_view frame) {
    if (type == 'T') {
        const auto made = columns_of(frame), wanted = columns_of(description_);
        bool same = made.size() == wanted.size();
        for (std::size_t i = 0; same && i < made.size(); ++i) same = made[i].type == wanted[i].type;
        if (!same) {
            task_.plan->scatter->unfit.store(true, std::memory_order_relaxed);
            return decline();
        }
        preamble();
        return;
    }
    if (type != 'D' && type != 'C') return;
    answer_.append(frame);
    if (type == 'C')
        for (int i = 0; i < task_.closes; ++i) pg::write_empty(answer_, '3');
    if (answer_.size() >= piece) emit();
}

bool scattering::arm_may_read(const arm& which) const {
    if (stage_ == stage::combining) return !owner_ || !owner_->gather_congested();
    if (stage_ != stage::running || collects() || !error_.empty()) return true;
    const auto at = index_of(which);
    return std::none_of(described_.begin(), described_.end(), [](bool b) { return b; }) || rows_.wants(at);
}

void scattering::arm_leased(arm&) {
    ++leased_;
    lease();
}

void scattering::arm_refused(arm&, const fault& why) {
    if (task_.in_transaction) return decline();
    if (pool::is_refusal(why) || ++failed_leases_ >= most_failed_leases) return finish(why);
    holding_ = true;  // the next tick looks again
}

void scattering::arm_flush() {
    if (stage_ == stage::running) pass_rows();
    if (told_ && !answer_.empty() && owner_) emit();
}

void scattering::emit() {
    if (owner_ && !answer_.empty()) owner_->gather_emit(std::exchange(answer_, {}));
}

void scattering::resume() {
    const auto keep = shared_from_this();
    pass_rows();
    if (stage_ == stage::combining) arms_.front()->read_on();
}

void scattering::cancel(const std::shared_ptr<const void>& until) {
    if (give_up({fault_kind::canceled, "canceling statement due to user request", {}, {}})) return;
    for (const auto& each : arms_)
        if (each->server && each->owed > 0) stop_query(*each->server, until);
}

void scattering::give_way() {
    if (stage_ == stage::leasing || stage_ == stage::done || !error_.empty()) return;
    error_ = deadlock_error();
    declining_ = false;
    for (const auto& each : arms_)
        if (each->server && each->owed > 0) stop_query(*each->server);
}

void scattering::abort() {
    owner_ = nullptr;
    let_go();
}

void scattering::lost(const std::string& why) {
    if (!told_) return decline();  // nothing was answered: it is read again
    finish(fault{fault_kind::server_lost,
                 fmt::format("a server was lost while rows of several shards were read: {}", why),
                 {},
                 {}});
}

/// The rows are gathered instead, from the beginning.
void scattering::decline() {
    if (stage_ == stage::done) return;
    const auto keep = shared_from_this();
    let_go();
    answer_.clear();
    if (auto* owner = std::exchange(owner_, nullptr)) owner->scatter_declined();
}

void scattering::let_go() {
    stage_ = stage::done;
    for (const auto& each : arms_) each->leave();
}

void scattering::finish(std::optional<fault> why) {
    if (stage_ == stage::done) return;
    const auto keep = shared_from_this();
    if (!error_.empty()) {
        if (!description_.empty() || (!asked_own_ && !columns_.empty())) preamble();
        answer_.append(error_);
        failed_ = true;
    }
    if (why && !told_) answer_.clear();
    let_go();
    if (auto* owner = std::exchange(owner_, nullptr))
        owner->gather_ended(std::exchange(answer_, {}), std::move(why), parsed_ || told_);
}

}  // namespace ringway::proxy
