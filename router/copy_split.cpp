#include "router/copy_split.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "router/key.hpp"
#include "router/key_value.hpp"

namespace ringway::router {

namespace {

using config::fault;
using config::fault_kind;

constexpr std::size_t most_columns = 8;

std::vector<copy_wish> wishes_of(const copy_recipe& what) {
    std::vector<copy_wish> out;
    for (const auto& each : what.columns) out.push_back(each.wish);
    return out;
}

}  // namespace

copy_split::copy_split(std::shared_ptr<const copy_recipe> what, std::shared_ptr<const shard_map> map)
    : what_(std::move(what)), map_(std::move(map)), rows_(what_->form, wishes_of(*what_)) {
    counts_.resize(map_->shards.size());
    lines_.resize(map_->shards.size());
}

void copy_split::note(std::uint16_t shard, std::string_view raw) {
    sent made{shard, 1, 1};
    if (what_->form.what == copy_form::format::csv) {
        // Those within quotes count too; but in the first row, before its end has been seen, only carriage returns.
        const auto count = [&](bool first) {
            const bool by_newlines = rows_.line_end_byte() == '\n';
            const auto ends = std::count(raw.begin(), raw.end(), first || !by_newlines ? '\r' : '\n');
            return static_cast<std::uint16_t>(
                std::clamp<std::ptrdiff_t>(ends + (first && by_newlines ? 1 : 0), 1, 0xffff));
        };
        made.lines = count(all_lines_ == 0);
        made.own = count(shard == every ? all_lines_ == 0 : lines_[shard] == 0);
    }
    all_lines_ += made.lines;
    if (shard == every)
        for (auto& each : lines_) each += made.own;
    else
        lines_[shard] += made.own;
    if (recent_.size() < remembered) {
        recent_.push_back(made);
        return;
    }
    recent_[next_recent_] = made;
    next_recent_ = (next_recent_ + 1) % remembered;
}

std::optional<std::uint64_t> copy_split::line_of(std::uint16_t shard, std::uint64_t line) const {
    auto own = lines_[shard], all = all_lines_;
    for (std::size_t i = 0; i < recent_.size(); ++i) {
        const auto& each = recent_[(next_recent_ + recent_.size() - 1 - i) % recent_.size()];
        if (each.shard == shard || each.shard == every) {
            if (own < line) return std::nullopt;
            own -= each.own;
            if (line > own) return all - each.lines + (line - own);
        }
        all -= each.lines;
    }
    return std::nullopt;
}

bool copy_split::next(copy_piece& out) {
    return !over_ && take(rows_.next(out.bytes), out);
}

bool copy_split::finish(copy_piece& out) {
    return !over_ && take(rows_.finish(out.bytes), out);
}

bool copy_split::take(copy_item what, copy_piece& out) {
    out.why.reset();
    switch (what) {
        case copy_item::more:
            return false;
        case copy_item::header:
            out.where = copy_piece::to::all;
            if (!binary()) note(every, out.bytes);
            return true;
        case copy_item::end:
            out.where = copy_piece::to::nobody;
            trailed_ = binary();
            return true;
        case copy_item::bad:
            if (trailed_) {
                after_ = "\xff\xff";
                after_ += out.bytes;
                out.bytes = after_;
            }
            judge(out, fault{fault_kind::malformed_copy, "the data of this COPY cannot be read", {}, {}});
            return true;
        case copy_item::row:
            place(out);
            return true;
    }
    return false;
}

void copy_split::judge(copy_piece& out, std::optional<fault> why) {
    out.where = copy_piece::to::judge;
    out.shard = first_;
    note(first_, out.bytes);
    out.why = std::move(why);
    over_ = true;
}

std::string copy_split::title() const {
    return map_->tables[what_->table].key_title();
}

void copy_split::place(copy_piece& out) {
    canonical_key keys[most_columns];
    key_part parts[most_columns];
    const auto& name = map_->tables[what_->table].name;
    for (std::size_t i = 0; i < what_->key.size(); ++i) {
        const auto& column = what_->columns[what_->key[i]];
        const auto& value = rows_.at(what_->key[i]);
        switch (value.state) {
            case copy_rows::field_state::value:
                break;
            case copy_rows::field_state::missing:
                return judge(out, fault{fault_kind::malformed_copy, "a row of this COPY has too few columns", {}, {}});
            case copy_rows::field_state::null:
                return judge(
                    out, fault{fault_kind::no_key, fmt::format("the shard key of {} is NULL", name),
                               fmt::format("a row belongs to the shard of its \"{}\"", title()), "give it a value"});
            case copy_rows::field_state::uncertain:
                return judge(out, fault{fault_kind::unsupported,
                                        fmt::format("the shard key of {} is a default", name),
                                        {},
                                        "give it as a value"});
        }
        const bool read = binary() ? canonical_from_binary(column.type, column.type_oid,
                                                           std::as_bytes(std::span(value.text)), keys[i])
                                   : canonical_from_text(column.type, value.text, keys[i]);
        if (!read || !fits_modifier(column.type, column.type_modifier, keys[i].text))
            return judge(
                out, fault{fault_kind::unsupported,
                           fmt::format("a value of \"{}\", the key of {}, cannot be placed", title(), name),
                           "its text as the column would store it is not certain", "give it as it would be stored"});
        parts[i] = {column.type, keys[i].text};
    }
    const std::span<const key_part> key(parts, what_->key.size());
    const auto owner = what_->to_all ? std::uint16_t{0} : owner_of(*map_, what_->table, key);
    if (!owner) {
        canonical_key room;
        return judge(out, unmapped_fault(*map_, what_->table, sharding::on_ring(key, room)));
    }
    out.where = what_->to_all ? copy_piece::to::all : copy_piece::to::shard;
    out.shard = *owner;
    if (!any_) first_ = *owner;
    any_ = true;
    if (what_->to_all)
        for (auto& each : counts_) ++each;
    else
        ++counts_[*owner];
    note(what_->to_all ? every : *owner, out.bytes);
}

}  // namespace ringway::router
