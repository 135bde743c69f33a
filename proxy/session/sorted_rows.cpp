#include "proxy/session/sorted_rows.hpp"

#include <fmt/format.h>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/sort_key.hpp"
#include "proxy/session/row_shape.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;

fault too_many_sorted() {
    return {fault_kind::over_limit,
            fmt::format("the rows that are locked on several shards, and sorted here, are more than {} MB",
                        sorted_rows::most_bytes >> 20),
            {},
            "lock fewer rows at a time, or leave ORDER BY out"};
}

/// The client's own text too, for its errors are to be told of that.
std::string sorted_rows::ask() const {
    std::string out;
    for (const auto* text : {&task_.own, &task_.texts.front()}) {
        pg::write_parse(out, {}, *text, task_.types);
        pg::write_target(out, 'D', 'S', {});
    }
    pg::write_sync(out);
    return out;
}

void sorted_rows::asked(char type, std::string_view frame) {
    if (type == 'T') descriptions_.emplace_back(frame);
}

std::optional<fault> sorted_rows::decide() {
    if (descriptions_.size() != 2)
        return fault{fault_kind::internal, "a server did not describe the rows that it locks", {}, {}};
    shown_ = columns_of(descriptions_.front()).size();
    const auto columns = columns_of(descriptions_.back());
    const auto formats = formats_in(task_.bound).size() / 2;
    if (formats > 1 && formats != shown_)
        return fault{fault_kind::malformed_message,
                     fmt::format("bind message has {} result formats but query has {} columns", formats, shown_),
                     {},
                     {}};
    if (columns.size() != shown_ + task_.orders.size())
        return fault{fault_kind::internal, "a server gave other columns than it was asked for", {}, {}};
    std::vector<merge_key> keys;
    bool texts = false;
    for (std::size_t i = 0; i < task_.orders.size(); ++i) {
        const auto type = columns[shown_ + i].type;
        if (!pg::has_sort_key(type, task_.texts_by_bytes))
            return fault{
                fault_kind::unsupported, "rows that are locked on several shards cannot be brought into this order",
                fmt::format("Sort key {} is of a type, or of a collation, whose order only a server knows.", i + 1),
                "sort by numbers, dates, times or uuids, or sort the rows where they are used"};
        texts |= !pg::has_sort_key(type, false);
        keys.push_back({type, task_.orders[i].descending, task_.orders[i].nulls_first});
    }
    rows_.begin(task_.texts.size(), shown_, std::move(keys));
    // A row that another transaction has changed while it was waited for comes where its old version stood. Among texts
    // it could as well be a shard's other collation.
    if (!texts) rows_.bear_disorder();
    return std::nullopt;
}

std::string sorted_rows::part(std::size_t i) const {
    const auto wanted = formats_in(task_.bound);
    auto bound =
        task_.bound.empty() ? std::string(4, '\0') : task_.bound.substr(0, task_.bound.size() - wanted.size() - 2);
    append16(bound, shown_ + task_.orders.size());
    for (std::size_t n = 0; n < shown_; ++n)
        append16(bound, wanted.empty() ? 0 : pg::load16(wanted.data() + (wanted.size() == 2 ? 0 : 2 * n)));
    for (std::size_t n = 0; n < task_.orders.size(); ++n) append16(bound, 1);
    std::string out;
    pg::write_parse(out, {}, task_.texts[i], task_.types);
    pg::write_bind_head(out, {}, {}, bound.size());
    out.append(bound);
    pg::write_target(out, 'D', 'P', {});  // on each shard: tables may differ
    pg::write_execute(out, {}, 0);
    pg::write_sync(out);
    return out;
}

std::string sorted_rows::head() const {
    return task_.extended ? std::string() : shown_description(descriptions_.front(), shown_, {});
}

bool sorted_rows::add(std::size_t part, std::string_view frame) {
    bytes_ += frame.size();
    if (bytes_ > most_bytes) return false;
    rows_.add(part, frame);
    return true;
}

std::optional<fault> sorted_rows::give(std::string& to) {
    while (rows_.take(to)) {
    }
    if (rows_.unsorted())
        return fault{fault_kind::unsupported, "a shard's rows came in another order than they are sorted in here",
                     "Its collation is another than the first shard's, or a row was changed while it was waited for.",
                     "repeat the transaction, or sort by numbers, dates, times or uuids"};
    if (rows_.broken() || !rows_.over())
        return fault{fault_kind::internal, "a server sent a row that is not what it described", {}, {}};
    return std::nullopt;
}

}  // namespace ringway::proxy
