// Rows whose key an UPDATE has changed, on their way to the shard that they belong to now: each shard that changed some
// gives them back as the rows of a DELETE, which are the tuples of a binary COPY as they are.

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/copy_pipe.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

/// The UPDATE has ended well on all of its shards.
void span::begin_move() {
    stage_ = stage::moving;
    moves_left_ = 0;
    auto& target = *wing_of(unit_.move->target);
    target.failed = false;
    std::string out;
    pg::write_query(out, unit_.move->put_in);
    target.on->send(out, 1);
}

void span::on_moving(wing& of, char type, std::string_view frame) {
    auto& target = *wing_of(unit_.move->target);
    if (&of != &target) {
        if (type != 'D' || !error_.empty() || !target.takes_copy) return;
        target.wrote = true;
        std::string row(frame);
        row.front() = 'd';
        target.on->server->link.write(row);
        return;
    }
    if (type != 'G') return;
    target.takes_copy = true;
    target.on->server->link.write(copy_pipe::begin_binary());
    for (auto& each : wings_) {
        if (&each == &target || part_of(each) == unit_.parts.size()) continue;
        each.failed = false;
        each.active = true;
        ++moves_left_;
        std::string out;
        const auto& copies = unit_.move->copies;
        const bool some = each.on->shard < copies.size() && copies[each.on->shard];
        pg::write_parse(out, {}, some ? unit_.move->take_out_own : unit_.move->take_out, {});
        constexpr std::string_view binary("\0\0\0\0\0\1\0\1", 8);  // no parameters; all results binary
        pg::write_bind_head(out, {}, {}, binary.size());
        out.append(binary);
        pg::write_execute(out, {}, 0);
        pg::write_sync(out);
        each.on->server->unnamed.reset();
        each.on->send(out, 1);
    }
    if (moves_left_ == 0) end_move();
}

/// All rows have come.
void span::end_move() {
    auto& target = *wing_of(unit_.move->target);
    if (!target.takes_copy) return;
    if (!error_.empty()) return stop_copy(target, "a shard's rows could not be moved");
    target.takes_copy = false;
    target.on->send(copy_pipe::end(), 0);
}

void span::moved(wing& of) {
    if (of.active) {
        of.active = false;
        if (--moves_left_ == 0) end_move();
    }
    for (const auto& each : wings_)
        if (each.on->owed > 0) return;
    end_unit();
}

}  // namespace ringway::proxy
