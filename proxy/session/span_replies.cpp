// What the servers of a span answer, on its way to the client: one part's as it is, several parts' put together.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/span.hpp"
#include "router/columns_guard.hpp"
#include "router/gather.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using merging = span_unit::merging;

namespace {

/// Answers are passed on in pieces of about this size.
constexpr std::size_t piece = 64 * 1024;

/// Names and types of a RowDescription's columns: where they come from differs by shard.
std::string columns_of(std::string_view body) {
    constexpr std::size_t origin = 6, type = 10, format = 2;  // table and column; type, its size and modifier
    pg::reader in(body);
    std::string out = fmt::to_string(in.i16());
    while (in.ok() && !in.at_end()) {
        const auto name = in.text();
        in.bytes(origin);
        const auto typed = in.bytes(type);
        in.bytes(format);
        out.append(name).push_back('\0');
        out.append(typed);
    }
    return out;
}

/// An ErrorResponse without its field W: where a COPY of ours was is nothing that the client knows.
std::string without_context(std::string_view frame) {
    std::string out;
    pg::writer made(out, 'E');
    pg::reader in(frame.substr(pg::header_size));
    for (auto code = in.u8(); in.ok() && code != 0; code = in.u8()) {
        const auto value = in.text();
        if (code == 'W' && value.starts_with("COPY ")) continue;
        made.u8(code);
        made.text(value);
    }
    made.u8(0);
    made.end();
    return out;
}

}  // namespace

bool is_of_reading(std::string_view notice) {
    const auto told = pg::read_error(notice.substr(pg::header_size));
    return told && told->get('C') == "22P06";
}

std::string error_frame(const fault& why) {
    std::string out;
    pg::write_error(out, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
    return out;
}

std::size_t span::part_of(const wing& of) const {
    for (std::size_t i = 0; i < unit_.parts.size(); ++i)
        if (unit_.parts[i].shard == of.on->shard) return i;
    return unit_.parts.size();
}

void span::arm_frame(arm& which, char type, std::string_view frame) {
    auto& of = wing_of(which);
    const auto body = frame.substr(pg::header_size);
    if (type == 'A') return;
    if (type == 'S') {
        if (stage_ == stage::running && unit_.tells && owner_ && part_of(of) == 0) owner_->span_parameter(body);
        return;
    }
    if (type == 'E') return on_error(of, frame);
    if (which.owed == 0 && type != 'N') return arm_lost(which, "the server sent what nobody asked for");
    if (type == 'Z') {
        which.status = body.empty() ? 'I' : body[0];
        if (--which.owed == 0) settled(of);
        return;
    }
    if (stage_ == stage::ending) {
        // A COMMIT that could only roll back says so by its tag.
        if (type == 'C' && of.doing == commit_step::commit && body.starts_with("ROLLBACK")) of.failed = true;
        return;
    }
    if (stage_ == stage::opening && type == 'D' && which.owed == 1) check_isolation(of, body);  // before: set_config
    if (stage_ == stage::checking) on_checked(type, frame);
    if (stage_ == stage::describing) unit_.sorted->asked(type, frame);
    if (stage_ == stage::filling) on_filling(of, type, frame);
    if (makes_rows()) on_carrying(type, frame);
    if (stage_ == stage::flowing) on_flowing(of, type, frame);
    if (stage_ == stage::running) on_reply(of, type, frame);
    if (stage_ == stage::moving) on_moving(of, type, frame);
}

/// The answer to SHOW: a snapshot for a whole transaction would be another one on each shard.
void span::check_isolation(wing& of, std::string_view row) {
    pg::reader in(row);
    in.i16();
    const auto level = in.bytes(static_cast<std::size_t>(std::max(0, in.i32())));
    if (level == "read committed" || level == "read uncommitted" || !error_.empty()) return;
    of.failed = true;
    error_ = error_frame({fault_kind::unsupported,
                          fmt::format("a transaction with isolation level {} cannot stand on several shards", level),
                          "Each shard would see a snapshot of its own.",
                          "keep it to the keys of one shard, or begin it as READ COMMITTED"});
}

void span::on_reply(wing& of, char type, std::string_view frame) {
    if (type == 'G') return on_copy_ready(of, frame);
    if (type == 'C' && verdict_ && of.on->shard == judge_) return on_verdict();
    if (unit_.merges_copy && (type == 'H' || type == 'd' || type == 'c')) {
        on_merged_copy(of, type, frame);
        if (answer_.size() >= piece) arm_flush();
        return;
    }
    if (type == 'T' && (unit_.compares || unit_.sorted)) return compare_columns(frame);
    if (unit_.hidden.find(type) != std::string_view::npos) return;
    if (unit_.how == merging::add) {
        on_added(of, type, frame);
    } else if (unit_.how == merging::relay || part_of(of) == 0) {
        if (type == 'C' && (unit_.hold_tag || unit_.how == merging::same))
            tag_ = frame;
        else
            answer_.append(frame);
    }
    if (answer_.size() >= piece) arm_flush();
}

void span::compare_columns(std::string_view description) {
    auto columns = columns_of(description.substr(pg::header_size));
    if (header_.empty())
        header_ = std::move(columns);
    else if (header_ != columns && error_.empty())
        error_ = error_frame({fault_kind::unsupported,
                              "the shards give this statement's rows in different columns or types",
                              {},
                              "compare the table on the shards"});
}

void span::on_added(wing& of, char type, std::string_view frame) {
    const auto part = part_of(of);
    switch (type) {
        case 'T':
            if (header_.empty()) answer_.append(frame);
            compare_columns(frame);
            break;
        case 'D':
            if (unit_.sorted) {
                if (unit_.sorted->add(part, frame) || !error_.empty()) break;
                error_ = error_frame(too_many_sorted());
                stop(*of.on->server);
            } else if (rows_.empty())
                answer_.append(frame);
            else
                rows_[part].emplace_back(frame);
            break;
        case 'C': {
            auto tag = frame.substr(pg::header_size);
            tag = tag.substr(0, tag.find('\0'));
            const auto blank = tag.rfind(' ');
            std::uint64_t count = 0;
            if (blank != std::string_view::npos)
                std::from_chars(tag.data() + blank + 1, tag.data() + tag.size(), count);
            added_ += count;
            verb_ = tag.substr(0, blank);
            if (unit_.sorted) unit_.sorted->end(part);
            break;
        }
        case 'N':
            if (part == 0 || !is_of_reading(frame)) answer_.append(frame);
            break;
        default:
            if (part == 0) answer_.append(frame);
    }
}

/// The servers' own words: the first error is the client's. What was running elsewhere is of no use any more.
void span::on_error(wing& of, std::string_view frame) {
    const auto error = pg::read_error(frame.substr(pg::header_size));
    std::string_view severity = error ? error->get('V') : std::string_view();
    if (severity.empty() && error) severity = error->get('S');
    if (severity == "FATAL" || severity == "PANIC") return arm_lost(*of.on, std::string(error->get('M')));
    if (stage_ == stage::checking) return on_checked('E', frame);
    of.failed = true;
    of.takes_copy = false;
    const bool ends_prepared = of.doing == commit_step::commit_prepared || of.doing == commit_step::rollback_prepared;
    of.denied = ends_prepared && error && error->get('C') == "42501" && !of.tried;
    if (of.denied) return;
    if (stage_ == stage::opening) of.on->server->doomed = true;
    if ((stage_ == stage::running || stage_ == stage::flowing) && error && is_ours(error->get('M'))) return;
    if (error_.empty()) {
        error_ = unit_.splits ? with_own_line(of, frame) : std::string(frame);
        if (stage_ == stage::flowing || stage_ == stage::moving) error_ = without_context(frame);
        if (of.doing == commit_step::decide && error && (error->get('C') == "3F000" || error->get('C') == "42883"))
            error_ =
                error_frame({fault_kind::unsupported, "writes on several shards need what `ringway init` makes on them",
                             std::string(error->get('M')), "run: ringway init --config FILE"});
        if (of.doing == commit_step::decide && error && error->get('C') == "25006")
            error_ = error_frame(only_reads_now());
        // A cursor's rows are put into a table, which cannot have two columns of one name, nor rows as values.
        const bool fills = stage_ == stage::running && unit_.gathers && unit_.how == merging::same;
        if (fills && error && (error->get('C') == "42701" || error->get('C') == "42P16"))
            error_ = error_frame({fault_kind::unsupported,
                                  "a cursor over rows of several shards needs columns of different names and of types "
                                  "that a table can have",
                                  std::string(error->get('M')), "give each column a name of its own"});
        if (error && router::is_guard_error(error->get('C'), error->get('M')))
            error_ = error_frame(router::guard_fault(error->get('M')));
        if (stage_ == stage::filling && unit_.gathers && error && error->get('C') == "42804")
            error_ = error_frame(router::other_types_fault(
                unit_.gathers->gather->tables[std::min(table_, unit_.gathers->gather->tables.size() - 1)].name));
        const bool copies =
            stage_ == stage::filling || stage_ == stage::giving || stage_ == stage::flowing || stage_ == stage::moving;
        if (copies && error && router::is_binary_error(error->get('C'), error->get('M')))
            error_ = error_frame(router::binary_fault(error->get('M')));
        if (stage_ == stage::locking || stage_ == stage::running || stage_ == stage::moving || stage_ == stage::flowing)
            stop_others(of);
        if (stage_ == stage::filling)
            for (auto& each : wings_)
                if (&each != &of && (each.active || (each.on->owed > 0 && each.on->shard != unit_.parts.front().shard)))
                    stop(*each.on->server);
    }
}

void span::settled(wing& of) {
    switch (stage_) {
        case stage::opening: {
            of.open = !of.failed && of.on->status == 'T';
            if (of.open) of.on->server->settings = with_.settings;
            for (const auto& each : wings_)
                if (each.on->owed > 0) return;
            if (error_.empty()) return go();
            for (auto it = wings_.begin(); it != wings_.end();) {
                if (!it->open) it->on->leave(true);
                it = it->open ? std::next(it) : wings_.erase(it);
            }
            failed_ = true;
            return end_unit();
        }
        case stage::checking:
            return text_checked();
        case stage::describing:
            return described();
        case stage::locking:
            return lock_taken(of);
        case stage::filling:
            return filled(of);
        case stage::judging:
        case stage::making:
        case stage::carrying:
        case stage::giving:
            return carried();
        case stage::flowing:
            return flowed();
        case stage::dropping:
            return end_unit();
        case stage::running:
            of.active = false;
            if (unit_.carry && unit_.carry->stays() && error_.empty()) {
                stage_ = stage::dropping;
                return of.on->send(carrying::drop(), 1);
            }
            if (unit_.gathers && error_.empty()) {
                stage_ = stage::dropping;
                std::string out;
                pg::write_query(out, router::drop_stand_ins(*unit_.gathers->gather));
                return of.on->send(out, 1);
            }
            --parts_left_;
            if (error_.empty() && (unit_.one_by_one || unit_.in_turn) && next_part_ < unit_.parts.size())
                return send_next_parts();
            if (!error_.empty())
                parts_left_ = static_cast<std::size_t>(
                    std::count_if(wings_.begin(), wings_.end(), [](const wing& each) { return each.active; }));
            if (parts_left_ != 0) return;
            if (error_.empty() && unit_.move && added_ > 0) return begin_move();
            return end_unit();
        case stage::moving:
            return moved(of);
        case stage::ending: {
            if (end_as_its_owner(of)) return;
            const bool ok = !of.failed;
            if (of.tried && !ok) of.on->server->doomed = true;  // it may have another role now
            of.doing = commit_step::none;
            take(end_->answered(static_cast<std::size_t>(&of - wings_.data()), ok));
            return end_if_over();
        }
        default:
            return;
    }
}

/// RETURNING of an INSERT whose rows were parted: in the order of the input, as far as each row gave one.
void span::emit_rows_in_order() {
    std::vector<std::size_t> next(rows_.size(), 0);
    std::size_t all = 0;
    for (const auto& each : rows_) all += each.size();
    if (all == unit_.order.size()) {
        for (const auto part : unit_.order) answer_.append(rows_[part][next[part]++]);
    } else {  // ON CONFLICT DO NOTHING left some out: which ones is not told
        for (const auto& each : rows_)
            for (const auto& row : each) answer_.append(row);
    }
    rows_.clear();
}

void span::end_unit() {
    if (stops_ > 0) {
        ends_later_ = true;
        return;
    }
    copying_ = false;
    if (error_.empty() && with_.one_writer && wrote_on_several()) {
        error_ = error_frame(two_writers());
        answer_.clear();
    }
    if (error_.empty() && unit_.sorted)
        if (const auto why = unit_.sorted->give(answer_)) error_ = error_frame(*why);
    if (error_.empty()) {
        emit_rows_in_order();
        if (unit_.merges_copy) end_merged_copy();
        if (unit_.how == merging::add && !verb_.empty()) {
            tag_.clear();
            pg::write_command_complete(tag_, fmt::format("{} {}", verb_, added_));
        }
        verb_.clear();
        if (!unit_.hold_tag) answer_.append(std::exchange(tag_, {}));
    } else {
        failed_ = true;
        answer_.append(error_);
    }
    stage_ = stage::idle;
    unit_.carry.reset();
    unit_.sorted.reset();
    arm_flush();
    if (owner_) owner_->span_answered();
}

void span::arm_flush() {
    if (stage_ == stage::flowing) flush_copy();
    if (!answer_.empty() && owner_) owner_->span_emit(std::exchange(answer_, {}));
}

bool span::arm_may_read(const arm& which) const {
    if (stage_ == stage::filling) {
        const auto& seat = unit_.parts.front().shard;
        for (const auto& each : wings_)
            if (each.on->shard == seat && which.shard != seat && each.on->server)
                return !each.on->server->link.congested();
    }
    if (stage_ == stage::flowing && which.shard == unit_.parts.front().shard) return !copy_congested();
    if (stage_ == stage::moving)
        for (const auto& each : wings_)
            if (each.on->shard == unit_.move->target && which.shard != each.on->shard && each.on->server)
                return !each.on->server->link.congested();
    return stage_ != stage::running || !owner_ || !owner_->span_congested();
}

void span::resume() {
    for (const auto& each : wings_) each.on->read_on();
    if (copying_ && owner_ && !copy_congested()) owner_->span_takes_more();
}

}  // namespace ringway::proxy
