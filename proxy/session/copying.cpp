// COPY and rows that move, in a transaction of this session that stands on several shards: the units that they become,
// and the data that the client sends.

#include <fmt/format.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/session.hpp"
#include "router/copy_command.hpp"
#include "router/key_move.hpp"
#include "router/key_value.hpp"
#include "router/spread.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using merging = span_unit::merging;

// ---- the client's data ----------------------------------------------------------------------------------------------

/// A message while the servers take a COPY's data.
bool session::span_copy_step(const pg::frame_header& header, std::string_view frame, bool whole,
                             std::string_view& rest) {
    auto& across = *spanning_->across;
    if (header.type == 'd') {
        copy_left_ = header.total() - pg::header_size;
        rest.remove_prefix(pg::header_size);
        return copy_left_ == 0 || span_copy_on(rest);
    }
    if (header.type != 'c' && header.type != 'f' && header.type != 'S' && header.type != 'H') {
        violation(fmt::format("unexpected message type 0x{:02X} during COPY from stdin",
                              static_cast<unsigned>(static_cast<unsigned char>(header.type))));
        return false;
    }
    if (!whole) return false;
    rest.remove_prefix(frame.size());
    const auto body = frame.substr(pg::header_size);
    if (header.type == 'c') across.copy_done();
    if (header.type == 'f') across.copy_fail(body.substr(0, body.find('\0')));
    return true;  // a server passes over Sync and Flush
}

/// Data of a CopyData message, as far as it has come.
bool session::span_copy_on(std::string_view& rest) {
    if (!spanning_ || !spanning_->across->copying()) {  // it has failed meanwhile
        pass_left_ = std::exchange(copy_left_, 0);
        return pass_over(rest);
    }
    if (spanning_->across->copy_congested()) return false;
    const auto n = std::min<std::uint64_t>(copy_left_, rest.size());
    const auto bytes = rest.substr(0, n);
    rest.remove_prefix(n);
    copy_left_ -= n;
    spanning_->across->copy_data(bytes);
    return true;
}

void session::span_takes_more() {
    const auto keep = shared_from_this();
    if (pumping_ || phase_ != phase::spanning) return;
    pump({});
    want_client();
}

// ---- units ----------------------------------------------------------------------------------------------------------

namespace {

/// Where rows with the new key go. Of rows on the move copies may stand on the shards that change some.
span_move move_to(const router::key_move& what, const router::placed_key& key, const router::shard_map& map) {
    span_move out{key.shard, router::take_out(what, key.text), router::put_in(what), {}, {}};
    if (!map.change) return out;
    const auto at = router::position(key.text);
    for (const auto& each : map.change->hidden) out.copies.push_back(each.contains(at));
    out.take_out_own = router::take_out(what, key.text, true);
    return out;
}

}  // namespace

/// An UPDATE of the key: on the shards of its conditions, when these tell them, and where the rows go then.
std::optional<fault> session::span_move_parts(const router::plan& plan, const router::values& with, span_unit& unit) {
    const auto& map = *who_.cluster->now->map;
    const auto& move = *plan.move;
    std::optional<fault> why;
    router::each_owner(move.value, with, map, [&](const router::placed_key& key) {
        const auto name = map.tables[move.value.table].name;
        if (key.what == router::key_outcome::key)
            unit.move = move_to(move, key, map);
        else if (key.what == router::key_outcome::unmapped)
            why = router::unmapped_fault(map, move.value.table, key.text);
        else if (key.what == router::key_outcome::null)
            why =
                fault{fault_kind::no_key, fmt::format("the new shard key of {} is NULL", name), {}, "give it a value"};
        else if (key.what == router::key_outcome::unplaced)
            why = fault{fault_kind::unsupported,
                        fmt::format("the new shard key of {} cannot be placed", name),
                        {},
                        "give it in the type of the column, as it would be stored"};
        return true;
    });
    if (why || plan.keys.empty() || !unit.move) return why;
    std::vector<bool> owners(map.shards.size());
    for (const auto& recipe : plan.keys) {
        if (recipe.rows) continue;
        bool certain = true;
        router::each_owner(recipe, with, map, [&](const router::placed_key& key) {
            if (key.what == router::key_outcome::key) owners[key.shard] = true;
            certain &= key.what == router::key_outcome::key;
            return true;
        });
        if (!certain) return std::nullopt;
    }
    for (const auto i : map.members())
        if (owners[i]) unit.parts.push_back({i, {}});
    return std::nullopt;
}

/// COPY of a table on several shards: the same text on each.
std::optional<fault> session::span_copy_parts(const router::plan& plan, const router::values& with, span_unit& unit) {
    const auto map = who_.cluster->now->map;
    unit.how = merging::add;
    unit.writes = false;  // the shards that get rows write
    for (const auto member : map->members()) unit.parts.push_back({member, {}});
    if (plan.spread == router::spreading::merged) {
        unit.merges_copy = true;
        unit.form = plan.parsed.statements.front().copy->form;
        for (auto& part : unit.parts) {
            if (!router::keep_to_own_rows(plan, with, *map, part.shard, part.bytes))
                return fault{fault_kind::unsupported,
                             "this COPY cannot be kept to the rows that each shard owns while rows move",
                             {},
                             "write it as COPY <table> (<columns>) TO STDOUT WITH (<options>)"};
            spanning_->numbers.emplace_back();
        }
        return std::nullopt;
    }
    if (encoding_ != text_encoding::utf8)
        return fault{fault_kind::unsupported,
                     "COPY into a table that is on several shards needs its data in UTF8",
                     {},
                     "SET client_encoding = 'UTF8'"};
    if (plan.copy->to_all) unit.how = merging::same;
    unit.splits = std::make_shared<router::copy_split>(plan.copy, map);
    return std::nullopt;
}

}  // namespace ringway::proxy
