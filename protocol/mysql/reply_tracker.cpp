#include "protocol/mysql/reply_tracker.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "protocol/mysql/packet_numbers.hpp"

namespace ringway::protocol::mysql {

using capability::has;

namespace {

/// As session_track_system_variables and session_track_schema are by default.
bool is_told_by_default(const session_change& change) {
    if (change.what == session_change::kind::schema) return true;
    if (change.what != session_change::kind::system_variable) return false;
    constexpr std::string_view names[] = {"autocommit", "character_set_client", "character_set_connection",
                                          "character_set_results", "time_zone"};
    return std::find(std::begin(names), std::end(names), change.name) != std::end(names);
}

/// Longest packet that is kept to be looked at. An OK with session changes is the longest there is.
constexpr std::uint32_t most_kept = 1 << 20;
/// Most bytes of definitions that are held back to be compared.
constexpr std::size_t most_noted = 64 << 10;
/// An EOF is shorter; what begins like one and is longer is a row whose first value is longer than 16 MiB.
constexpr std::uint32_t eof_below = 9;

}  // namespace

void reply_tracker::begin(command what) {
    *this = reply_tracker(capabilities_);
    state_ = has_reply(what) ? state::reading : state::done;
    switch (what) {
        case command::query:
        case command::process_info:
        case command::stmt_execute:
        case command::stmt_bulk_execute:
            part_ = part::first;
            break;
        case command::stmt_fetch:
            part_ = part::fetched_rows;
            break;
        case command::field_list:
            part_ = part::listed;
            break;
        case command::stmt_prepare:
            part_ = part::prepare_ok;
            break;
        case command::statistics:
            part_ = part::text;
            break;
        default:
            part_ = part::simple;
    }
}

std::size_t reply_tracker::take(std::string_view bytes) {
    const auto taken = bytes;
    building_ = !kept_.empty();  // what was held back goes first, once its packet is whole
    out_.clear();
    passed_ = bytes.data();
    std::size_t held = 0;  // at the end: of a packet that is not whole yet
    while (state_ == state::reading && !bytes.empty()) {
        begun_ = true;
        if (skip_ > 0) {
            const auto passed = static_cast<std::uint32_t>(std::min<std::size_t>(skip_, bytes.size()));
            skip_ -= passed;
            bytes.remove_prefix(passed);
            if (skip_ == 0 && !continues_) skipped();
            continue;
        }
        // The header and the first byte say whether the packet is looked at.
        std::string_view front = bytes;
        if (!kept_.empty()) {
            // One byte at a time, as an empty packet has no first byte: the next one is another packet's.
            packet_header begun;
            while (!bytes.empty() && (kept_.size() < header_size ||
                                      (kept_.size() == header_size && read_header(kept_, begun) && begun.length > 0))) {
                kept_.push_back(bytes[0]);
                bytes.remove_prefix(1);
            }
            front = kept_;
        }
        packet_header header;
        const bool headed = read_header(front, header);
        if (!headed || (header.length > 0 && front.size() == header_size)) {
            if (kept_.empty()) {
                kept_ = bytes;
                held = bytes.size();
                bytes.remove_prefix(bytes.size());
            } else {
                passed_ = bytes.data();
            }
            continue;
        }
        sequence_ = header.sequence;
        const bool continuation = continues_;
        continues_ = header.continued();
        if (notes() && notes_->all.size() + header.length > most_noted) stop_holding();
        const auto first = header.length == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(front[header_size]);
        if (continuation || !interesting(first, header.length)) {
            if (kept_.empty() && left_out_ != 0) {
                pass_up_to(bytes.data());
                append_packet(bytes.substr(0, header_size));
                passed_ = bytes.data() + header_size;
            }
            if (kept_.empty()) bytes.remove_prefix(header_size);
            // Of a packet that came in part, the first byte of its payload was taken with the header.
            skip_ = header.length - static_cast<std::uint32_t>(kept_.empty() ? 0 : kept_.size() - header_size);
            if (!kept_.empty()) {
                append_packet(kept_);
                building_ = true;
                passed_ = bytes.data();
                held = 0;
            }
            kept_.clear();
            if (skip_ == 0 && !continues_) skipped();
            continue;
        }
        if (header.length > most_kept) {
            state_ = state::broken;
            break;
        }
        if (kept_.empty() && bytes.size() >= header.total()) {
            const auto whole = bytes.substr(0, header.total());
            bytes.remove_prefix(header.total());
            packet(whole.substr(header_size));
            if (filter_ && (changed_ || counts_ || swallowed_ || left_out_ != 0)) {
                pass_up_to(whole.data());
                forward_packet(whole);
                passed_ = bytes.data();
            }
            continue;
        }
        const auto more = std::min(header.total() - kept_.size(), bytes.size());
        const bool fresh = kept_.empty();
        if (fresh && building_) out_.append(passed_, static_cast<std::size_t>(bytes.data() - passed_));
        kept_.append(bytes.substr(0, more));
        if (fresh && !building_) held = more;
        bytes.remove_prefix(more);
        if (!fresh || building_) passed_ = bytes.data();
        if (kept_.size() < header.total()) continue;
        const auto whole = std::move(kept_);
        kept_.clear();
        packet(std::string_view(whole).substr(header_size));
        held = 0;
        forward_packet(whole);
        passed_ = bytes.data();
    }
    const auto used = taken.size() - bytes.size();
    if (building_) out_.append(passed_, static_cast<std::size_t>(taken.data() + used - passed_) - held);
    forwarded_ = !filter_ ? taken.substr(0, used) : building_ ? std::string_view(out_) : taken.substr(0, used - held);
    return used;
}

/// What was taken before `end` and is not in out_ yet.
void reply_tracker::pass_up_to(const char* end) {
    building_ = true;
    out_.append(passed_, static_cast<std::size_t>(end - passed_));
}

void reply_tracker::append_packet(std::string_view packet) {
    const auto number = out_.size() + header_size - 1;
    out_.append(packet);
    if (left_out_ != 0) out_[number] = static_cast<char>(out_[number] - left_out_);
}

/// A packet that was looked at, as the client gets it.
void reply_tracker::forward_packet(std::string_view packet) {
    building_ = true;
    const bool changed = std::exchange(changed_, false), counts = std::exchange(counts_, false);
    if (std::exchange(swallowed_, false)) return;
    if (filter_ && changed) return forward_ok(packet);
    if (!filter_ || !counts) return append_packet(packet);
    if (notes() && notes_->holding)
        notes_->count = packet;
    else
        forward_count(packet, true);
}

/// The number of columns, for a client that hears whether definitions follow.
void reply_tracker::forward_count(std::string_view packet, bool defined) {
    std::string out;
    packet_header header;
    read_header(packet, header);
    auto sequence = header.sequence;
    writer(out, sequence).bytes(packet.substr(header_size)).u8(defined ? 1 : 0);
    append_packet(out);
}

void reply_tracker::note_definition(std::string_view payload) {
    std::uint8_t none = 0;
    writer(notes_->all, none).bytes(payload);
    swallowed_ = notes_->holding;
}

/// The last one has come: whether the client has them is known.
void reply_tracker::end_definitions() {
    auto& notes = *notes_;
    definitions_digest digest;
    SHA256(reinterpret_cast<const unsigned char*>(notes.all.data()), notes.all.size(), digest.data());
    if (notes.holding && digest == notes.told) {
        building_ = true;
        forward_count(notes.count, false);
        left_out_ = static_cast<std::uint8_t>(columns_);
        notes.holding = false;
    }
    stop_holding();
    notes.told = digest;
}

/// What was held back goes on as it came, and nothing is known of it.
void reply_tracker::stop_holding() {
    auto& notes = *notes_;
    if (std::exchange(notes.holding, false)) {
        building_ = true;
        forward_count(notes.count, true);
        packet_numbers numbers;
        packet_header header;
        read_header(notes.count, header);
        numbers.go_on_from(header.sequence);
        numbers.write(notes.all);
        out_.append(notes.all);
    }
    notes.open = false;
    notes.told = {};
    std::string().swap(notes.count);
    std::string().swap(notes.all);
}

/// An OK that tells of the session's changes.
void reply_tracker::forward_ok(std::string_view packet) {
    auto ok = read_ok(packet.substr(header_size), capabilities_);
    std::vector<session_change> changes;
    if (!ok || !read_session_changes(ok->session_state, changes)) {
        append_packet(packet);
        return;
    }
    std::string state;
    for (const auto& change : changes)
        if (has(client_, capability::session_track) && is_told_by_default(change)) write_session_change(state, change);
    ok->session_state = state;
    packet_header header;
    read_header(packet, header);
    auto sequence = static_cast<std::uint8_t>(header.sequence - left_out_);
    // Servers write the info alike for clients that know of session tracking and those that do not.
    write_ok(out_, sequence, *ok, capabilities_ | capability::session_track,
             static_cast<unsigned char>(packet[header_size]));
}

bool reply_tracker::interesting(std::uint8_t first, std::uint32_t length) const noexcept {
    switch (part_) {
        case part::text:
            return false;
        case part::definitions:
            return first == first_byte::error || (notes() && notes_->holding);
        case part::prepared_definitions:
            return first == first_byte::error || notes();
        case part::parameter_definitions:
            return first == first_byte::error;
        case part::rows:
        case part::fetched_rows:
            if (first == first_byte::error) return true;
            return first == first_byte::eof && (eof_follows() ? length < eof_below : length < max_payload);
        case part::listed:
            return first == first_byte::error || first == first_byte::eof || first == first_byte::ok;
        default:
            return true;
    }
}

/// A packet that was not looked at has passed.
void reply_tracker::skipped() noexcept {
    switch (part_) {
        case part::text:
            end();
            break;
        case part::definitions:
            if (--left_ == 0) part_ = eof_follows() ? part::definitions_end : part::rows;
            break;
        case part::parameter_definitions:
            if (--left_ > 0) break;
            if (eof_follows())
                part_ = part::parameter_end;
            else
                after_parameters();
            break;
        case part::prepared_definitions:
            if (--left_ > 0) break;
            if (eof_follows())
                part_ = part::prepared_end;
            else
                end();
            break;
        case part::rows:
        case part::fetched_rows:
            ++rows_, ++last_rows_;
            break;
        default:
            break;
    }
}

void reply_tracker::packet(std::string_view payload) {
    if (begins_with(payload, first_byte::error)) {
        if (is_progress(payload)) return;
        if (notes() && notes_->holding) stop_holding();
        take_error(payload);
        return;
    }
    switch (part_) {
        case part::simple:
            if (begins_with(payload, first_byte::ok))
                take_ok(payload);
            else
                take_eof(payload);
            if (state_ == state::reading) end();
            break;
        case part::first:
            result(payload);
            break;
        case part::definitions:
        case part::prepared_definitions:
            note_definition(payload);
            skipped();
            if (left_ == 0) end_definitions();
            break;
        case part::definitions_end:
            take_eof(payload);
            // A cursor was opened: the rows are fetched. It has one result: MariaDB leaves the flag of a routine's own
            // cursor in the EOFs of the results that follow.
            cursor_ = (status_ & status::cursor_exists) != 0 && (status_ & status::more_results) == 0;
            // MySQL says in this EOF only that the CALL's OK follows, and not in the one after the row.
            ok_follows_ = (status_ & status::ps_out_parameters) != 0 && (status_ & status::more_results) != 0;
            if (cursor_)
                next_result();
            else
                part_ = part::rows;
            break;
        case part::rows:
        case part::fetched_rows:
        case part::listed:
            end_of_rows(payload);
            break;
        case part::prepare_ok:
            prepare_ok(payload);
            break;
        case part::parameter_end:
            take_eof(payload);
            after_parameters();
            break;
        case part::prepared_end:
            take_eof(payload);
            if (state_ == state::reading) end();
            break;
        default:
            state_ = state::broken;
    }
}

void reply_tracker::result(std::string_view payload) {
    if (begins_with(payload, first_byte::ok)) {
        ++results_;
        ends_in_rows_ = false;
        take_ok(payload);
        return next_result();
    }
    if (begins_with(payload, first_byte::local_infile)) {
        file_name_ = payload.substr(1);
        state_ = state::file_wanted;
        return;
    }
    reader in(payload);
    const auto count = in.lenenc();
    bool defined = true;
    if (has(capabilities_, capability::mariadb_cache_metadata) ||
        has(capabilities_, capability::optional_resultset_metadata))
        defined = in.u8() != 0;
    if (!in.ok() || count == 0 || count > 0xffff) {
        state_ = state::broken;
        return;
    }
    ++results_;
    ends_in_rows_ = true;
    last_rows_ = 0;
    columns_ = left_ = static_cast<std::uint32_t>(count);
    counts_ = filter_ && has(client_, capability::mariadb_cache_metadata);
    if (notes()) notes_->holding = counts_ && results_ == 1;
    part_ = defined ? part::definitions : eof_follows() ? part::definitions_end : part::rows;
}

void reply_tracker::file_sent() noexcept {
    if (state_ == state::file_wanted) state_ = state::reading;
}

void reply_tracker::end_of_rows(std::string_view payload) {
    if (eof_follows() && !begins_with(payload, first_byte::ok))
        take_eof(payload);
    else
        take_ok(payload);
    cursor_ = (status_ & (status::cursor_exists | status::last_row_sent)) == status::cursor_exists;
    if (part_ == part::rows)
        next_result();
    else if (state_ == state::reading)
        end();
}

/// A result has ended: the answer too, unless more were announced.
void reply_tracker::next_result() noexcept {
    if (state_ != state::reading) return;
    if ((status_ & status::more_results) != 0 || (part_ == part::rows && ok_follows_))
        part_ = part::first;
    else
        end();
    ok_follows_ = false;
}

void reply_tracker::take_ok(std::string_view payload) {
    const auto ok = read_ok(payload, capabilities_);
    if (!ok) {
        state_ = state::broken;
        return;
    }
    status_ = ok->status;
    warnings_ = ok->warnings;
    affected_rows_ = ok->affected_rows;
    last_insert_id_ = ok->last_insert_id;
    session_state_.append(ok->session_state);
    changed_ = !ok->session_state.empty() || (ok->status & status::session_state_changed) != 0;
}

void reply_tracker::take_eof(std::string_view payload) {
    const auto eof = read_eof(payload, capabilities_);
    if (!eof) {
        // Servers that deprecate EOF send an OK in its place everywhere.
        if (begins_with(payload, first_byte::eof) && !eof_follows()) return take_ok(payload);
        state_ = state::broken;
        return;
    }
    status_ = eof->status;
    warnings_ = eof->warnings;
    untold_ = untold_ || (status_ & status::session_state_changed) != 0;
}

void reply_tracker::take_error(std::string_view payload) {
    const auto error = read_error(payload);
    if (!error) {
        state_ = state::broken;
        return;
    }
    error_ = {error->code, std::string(error->sqlstate), std::string(error->message)};
    status_ = 0;
    end();
}

void reply_tracker::prepare_ok(std::string_view payload) {
    reader in(payload);
    const auto first = in.u8();
    prepared_.id = in.u32();
    prepared_.columns = in.u16();
    prepared_.parameters = in.u16();
    if (first != first_byte::ok || !in.ok()) {
        state_ = state::broken;
        return;
    }
    in.u8();
    if (!in.at_end()) warnings_ = in.u16();
    const bool defined = in.at_end() || !has(capabilities_, capability::optional_resultset_metadata) || in.u8() != 0;
    if (!defined) return end();
    left_ = prepared_.parameters;
    if (left_ > 0)
        part_ = part::parameter_definitions;
    else
        after_parameters();
}

void reply_tracker::after_parameters() noexcept {
    if (state_ != state::reading) return;
    left_ = prepared_.columns;
    if (left_ > 0)
        part_ = part::prepared_definitions;
    else
        end();
}

}  // namespace ringway::protocol::mysql
