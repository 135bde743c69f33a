// COPY in a span. From the client: each shard has a COPY of the same text under way, and gets the rows that are its
// own. To the client: the shards' rows become one COPY.

#include <algorithm>
#include <charconv>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/cleaner.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// What a shard's COPY is ended with whose rows are of no use: its error tells it again.
constexpr std::string_view of_no_use = "ringway ends this shard's part of the COPY";
/// COPY data is sent on in pieces of about this size.
constexpr std::size_t piece = 64 * 1024;
/// Of a binary COPY: signature, flags, length of an extension that no server sends; and the count that ends it.
constexpr std::size_t binary_header = 19;
constexpr std::string_view binary_trailer("\xff\xff", 2);
constexpr std::string_view binary_signature("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", binary_header);

void write_copy_data(std::string& out, std::string_view data) {
    pg::writer frame(out, 'd');
    frame.bytes(data);
}

}  // namespace

// ---- from the client ------------------------------------------------------------------------------------------------

/// CopyInResponse of one part. The client is told when all have sent theirs.
void span::on_copy_ready(wing& of, std::string_view frame) {
    of.takes_copy = true;
    if (!error_.empty()) return stop_copy(of, of_no_use);
    if (++copies_ready_ < unit_.parts.size()) return;
    copying_ = true;
    answer_.append(frame);
    arm_flush();
    if (owner_) owner_->span_takes_more();
}

bool span::copy_congested() const {
    return std::any_of(wings_.begin(), wings_.end(), [](const wing& each) {
        return each.takes_copy && each.on->server && each.on->server->link.congested();
    });
}

void span::copy_data(std::string_view bytes) {
    if (!copying_) return;
    const auto keep = shared_from_this();
    if (!unit_.splits) {  // each part gets all of it
        for (auto& each : wings_)
            if (each.takes_copy) add_copy_data(each, bytes);
        return flush_copy();
    }
    unit_.splits->feed(bytes);
    router::copy_piece found;
    while (unit_.splits->next(found)) take_piece(found);
    flush_copy();
    if (verdict_) end_copy();
}

void span::copy_done() {
    if (!copying_) return;
    const auto keep = shared_from_this();
    if (unit_.splits) {
        router::copy_piece found;
        while (!verdict_ && unit_.splits->finish(found)) take_piece(found);
        flush_copy();
    }
    end_copy();
}

void span::copy_fail(std::string_view message) {
    const auto keep = shared_from_this();
    copying_ = false;
    for (auto& each : wings_)
        if (each.takes_copy) stop_copy(each, message);
}

void span::take_piece(const router::copy_piece& found) {
    using to = router::copy_piece::to;
    switch (found.where) {
        case to::nobody:
            return;
        case to::all:
            for (auto& each : wings_)
                if (each.takes_copy) add_copy_data(each, found.bytes);
            return;
        case to::judge:
            verdict_ = found.why;
            judge_ = found.shard;
            [[fallthrough]];
        case to::shard:
            if (auto* there = wing_of(found.shard)) add_copy_data(*there, found.bytes);
            return;
    }
}

void span::add_copy_data(wing& to, std::string_view bytes) {
    auto& out = to.outgoing;
    if (out.empty()) out.assign(pg::header_size, '\0');
    out.append(bytes);
    if (out.size() >= piece) flush_copy();
}

/// Each wing's rows in one message.
void span::flush_copy() {
    for (auto& each : wings_) {
        auto& out = each.outgoing;
        if (out.empty()) continue;
        const auto length = static_cast<std::uint32_t>(out.size() - 1);
        out[0] = 'd';
        for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
        if (each.on->server) each.on->server->link.write(out);
        if (out.capacity() > 4 * piece)
            std::string().swap(out);
        else
            out.clear();
    }
}

/// No more data: the parts end well, or, when a row cannot be placed, with what its judge says of it.
void span::end_copy() {
    copying_ = false;
    for (auto& each : wings_) {
        if (!each.takes_copy) continue;
        if (verdict_ && each.on->shard != judge_) {
            stop_copy(each, of_no_use);
            continue;
        }
        each.takes_copy = false;
        if (unit_.splits && !verdict_) each.wrote |= unit_.splits->wrote(each.on->shard);
        std::string out;
        pg::write_empty(out, 'c');
        if (each.on->server) each.on->server->link.write(out);
    }
}

void span::stop_copy(wing& of, std::string_view message) {
    of.takes_copy = false;
    of.outgoing.clear();
    if (!of.on->server) return;
    std::string out;
    {
        pg::writer frame(out, 'f');
        frame.text(message);
    }
    of.on->server->link.write(out);
}

/// A part of the unit has failed: what runs on other shards is of no use.
void span::stop_others(const wing& than) {
    copying_ = false;
    for (auto& each : wings_) {
        if (&each == &than) continue;
        if (each.takes_copy)
            stop_copy(each, of_no_use);
        else if (each.active)
            stop(*each.on->server);
    }
}

/// Whether an error only tells that the COPY was ended from here.
bool span::is_ours(std::string_view message) {
    return message.find(of_no_use) != std::string_view::npos;
}

/// The judge has taken a row that cannot be placed: the client hears why it cannot.
void span::on_verdict() {
    if (error_.empty())
        pg::write_error(error_, "ERROR", config::sqlstate(verdict_->kind), verdict_->message, verdict_->detail,
                        verdict_->hint);
}

/// The error of a shard with its line counted in the whole data: "COPY t, line 3, column id".
std::string span::with_own_line(const wing& of, std::string_view frame) const {
    std::string out(frame);
    constexpr std::string_view mark = ", line ";
    std::string_view where;
    pg::reader in(frame.substr(pg::header_size));
    for (char code = static_cast<char>(in.u8()); in.ok() && code != '\0'; code = static_cast<char>(in.u8())) {
        const auto value = in.text();
        if (code == 'W') where = value;
    }
    const auto at = where.find(mark);
    if (!unit_.splits || !where.starts_with("COPY ") || at == where.npos) return out;
    const auto* number = where.data() + at + mark.size();
    std::uint64_t line = 0;
    const auto read = std::from_chars(number, where.data() + where.size(), line);
    if (read.ec != std::errc()) return out;
    const auto own = unit_.splits->line_of(of.on->shard, line);
    const auto shown = own ? std::to_string(*own)
                           : std::string(number, read.ptr) + " of shard " + with_.shards[of.on->shard] + "'s part";
    out.assign(frame.data(), static_cast<std::size_t>(number - frame.data()));
    out.append(shown).append(read.ptr, frame.data() + frame.size());
    const auto length = static_cast<std::uint32_t>(out.size() - 1);
    for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
    return out;
}

// ---- to the client --------------------------------------------------------------------------------------------------

/// The servers send each row in a message of its own, a header of names too; a binary header comes with the first.
void span::on_merged_copy(wing& of, char type, std::string_view frame) {
    if (type == 'H') {
        of.headed = false;
        if (++copies_ready_ == 1) answer_.append(frame);
        return;
    }
    if (type == 'c') return;  // end_merged_copy
    const bool first = !std::exchange(of.headed, true);
    const bool binary = unit_.form.what == router::copy_form::format::binary;
    auto data = frame.substr(pg::header_size);
    if (first && binary) {
        if (data.size() < binary_header) return;
        const auto row = data.substr(binary_header);
        if (row.empty() || row == binary_trailer) return;
        write_copy_data(answer_, std::exchange(copy_headed_, true) ? row : data);
    } else if (first && unit_.form.header) {
        if (!std::exchange(copy_headed_, true)) answer_.append(frame);
    } else if (!binary || data != binary_trailer) {
        answer_.append(frame);
    }
}

void span::end_merged_copy() {
    if (unit_.form.what == router::copy_form::format::binary)
        write_copy_data(answer_, copy_headed_ ? std::string(binary_trailer)
                                              : std::string(binary_signature) + std::string(binary_trailer));
    pg::write_empty(answer_, 'c');
}

}  // namespace ringway::proxy
