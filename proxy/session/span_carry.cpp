// INSERT of rows that belong elsewhere than where they are made, in a span: the seat makes them (session/carrying.hpp),
// then each shard inserts its own, as the parts of the unit.

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/span.hpp"
#include "router/gather.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using merging = span_unit::merging;

bool span::makes_rows() const noexcept {
    return stage_ == stage::judging || stage_ == stage::making || stage_ == stage::carrying || stage_ == stage::giving;
}

void span::ask_seat(stage next, const std::string& messages) {
    stage_ = next;
    auto& one = seat();
    one.failed = false;
    one.temporary |= next == stage::making;
    one.on->server->unnamed.reset();
    one.on->send(messages, 1);
}

void span::on_carrying(char type, std::string_view frame) {
    const auto body = frame.substr(pg::header_size);
    if (type == 'N') {
        if (stage_ == stage::carrying) answer_.append(frame);
        return;
    }
    switch (stage_) {
        case stage::judging:
            return unit_.carry->judged(type, body);
        case stage::making:
            return unit_.carry->made(type, body);
        case stage::carrying:
            return unit_.carry->filled(type, body);
        case stage::giving:
            if (type == 'd' && error_.empty()) unit_.carry->take(body, {});
            if (const auto* why = unit_.carry->waste(); why && error_.empty()) {
                error_ = error_frame(*why);
                stop(*seat().on->server);
            }
            return;
        default:
            return;
    }
}

/// The seat has done what it was asked for.
void span::carried() {
    if (!error_.empty()) return end_unit();
    auto& rows = *unit_.carry;
    switch (stage_) {
        case stage::judging:
            if (const auto why = rows.find_columns()) return fail_unit(*why);
            return ask_seat(stage::making, rows.make());
        case stage::making:
            if (const auto why = rows.find_key()) return fail_unit(*why);
            if (!unit_.gathers) return gathered();
            made_ = false;
            gatherings_ = 0;
            return fill();
        case stage::carrying:
            unit_.gathers.reset();
            if (rows.stays() || rows.flows()) return insert_carried();
            return ask_seat(stage::giving, rows.give());
        case stage::giving:
            return insert_carried();
        default:
            return;
    }
}

void span::insert_carried() {
    auto& rows = *unit_.carry;
    unit_.how = merging::add;
    unit_.hidden = "12nt";
    unit_.writes = !rows.flows();
    if (rows.flows()) {
        unit_.parts.clear();
        for (const auto member : unit_.map->members()) unit_.parts.push_back({member, {}});
    } else if (rows.stays()) {
        unit_.parts.front().bytes = rows.insert_all();
    } else if (const auto why = rows.parts(unit_.parts, unit_.order)) {
        return fail_unit(*why);
    } else if (rows.alike()) {
        unit_.how = merging::same;
        unit_.in_turn = true;
    }
    if (with_.one_writer && would_write_on_several()) return fail_unit(two_writers());
    stage_ = stage::joining;
    join();
}

// ---- many rows: they flow from the seat to the others, as many as these take
// ------------------------------------------

void span::begin_flow() {
    stage_ = stage::flowing;
    gave_ = false;
    copies_ready_ = 0;
    bool waits = false;
    for (auto& each : wings_) {
        if (&each == &seat() || part_of(each) == unit_.parts.size()) continue;
        each.failed = false;
        each.active = true;
        each.on->send(unit_.carry->copy_in(), 1);
        waits = true;
    }
    if (!waits) ask_seat(stage::flowing, unit_.carry->give());
}

void span::on_flowing(wing& of, char type, std::string_view frame) {
    const auto body = frame.substr(pg::header_size);
    if (type == 'C' && (body.starts_with("COPY") || body.starts_with("INSERT")) && (&of != &seat() || gave_))
        return on_added(of, type, frame);
    if (&of != &seat()) {
        if (type != 'G') return;
        of.takes_copy = true;
        if (!error_.empty()) return stop_copy(of, "the rows of an INSERT are of no use");
        of.on->server->link.write(copy_pipe::begin_binary());
        if (++copies_ready_ + 1 == unit_.parts.size()) ask_seat(stage::flowing, unit_.carry->give());
        return;
    }
    if (type != 'd' || !error_.empty()) return;
    unit_.carry->take(body, [this](std::uint16_t shard, std::string_view tuple) {
        auto& to = *wing_of(shard);
        to.wrote = true;
        add_copy_data(to, tuple);
    });
    if (const auto& why = unit_.carry->problem()) {
        error_ = error_frame(*why);
        stop_others(seat());
        stop(*seat().on->server);
    }
}

/// A shard has done what it was asked for.
void span::flowed() {
    auto& one = seat();
    if (!error_.empty()) {
        for (const auto& each : wings_)
            if (each.on->owed > 0) return;
        return end_unit();
    }
    if (!gave_ && one.on->owed == 0 && copies_ready_ + 1 == unit_.parts.size()) {
        gave_ = true;
        flush_copy();
        for (auto& each : wings_)
            if (std::exchange(each.takes_copy, false)) each.on->server->link.write(copy_pipe::end());
        if (unit_.carry->has_own()) {
            one.wrote = true;
            return ask_seat(stage::flowing, unit_.carry->insert_own());
        }
    }
    for (auto& each : wings_) {
        if (each.on->owed > 0) return;
        each.active = false;
    }
    verb_ = "INSERT 0";
    stage_ = stage::dropping;
    one.on->send(carrying::drop(), 1);
}

}  // namespace ringway::proxy
