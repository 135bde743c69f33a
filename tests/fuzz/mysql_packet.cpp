// The input is a byte that chooses capabilities, then a stream of packets; every decoder reads every message, and the
// stream is also an answer of a server, which must end at the same byte however it comes.
#include "protocol/mysql/packet.hpp"

#include <cstddef>
#include <cstdint>

#include "protocol/mysql/command.hpp"
#include "protocol/mysql/reply.hpp"
#include "protocol/mysql/reply_tracker.hpp"
#include "protocol/mysql/result.hpp"
#include "tests/fuzz/require.hpp"

using namespace ringway::protocol::mysql;
using ringway::fuzz::inside;
using ringway::fuzz::require;

namespace {

capability::flags chosen(std::uint8_t by) {
    using namespace capability;
    constexpr flags each[] = {transactions,  session_track,    deprecate_eof,          query_attributes,
                              connect_attrs, mariadb_progress, mariadb_cache_metadata, mariadb_extended_metadata};
    flags out = protocol_41 | secure_connection | plugin_auth;
    for (unsigned i = 0; i < 8; ++i)
        if ((by >> i & 1) != 0) out |= each[i];
    return out;
}

std::string payload_of(const std::string& packet) {
    return packet.substr(header_size);
}

void values_inside(const std::vector<binary_value>& values, std::string_view payload) {
    for (const auto& each : values) {
        require(inside(each.bytes, payload), "a value points into its payload");
        (void)text_of(each);
    }
}

void commands(std::string_view payload, capability::flags capabilities) {
    if (const auto got = read_query(payload, capabilities)) {
        require(inside(got->sql, payload), "a query points into its payload");
        for (const auto& each : got->attributes) require(inside(each.name, payload), "a name points into its payload");
    }
    std::vector<binary_value> values;
    parameter_types types;
    for (const std::size_t count : {0U, 1U, 3U, 70U}) {
        if (const auto got = read_execute(payload))
            if (read_parameters(*got, count, capabilities, {false, true}, types, values)) {
                require(values.size() >= count && types.size() >= values.size(), "every parameter has a value");
                values_inside(values, payload);
                std::string typed;
                std::uint8_t number = 0;
                require(write_execute_with_types(typed, number, payload, count, types, capabilities),
                        "types can be given to what was read");
                read_parameters(*got, count, capabilities, {}, types, values);
            }
        if (auto got = read_bulk(payload)) {
            if (!read_bulk_types(*got, count, types)) continue;
            while (read_bulk_row(*got, types, values)) values_inside(values, payload);
        }
    }
    std::string again;
    std::uint8_t sequence = 0;
    if (const auto got = read_change_user(payload, capabilities)) {
        write_change_user(again, sequence, *got, capabilities);
        const auto back = payload_of(again);
        const auto second = read_change_user(back, capabilities);
        require(second && second->user == got->user && second->auth_response == got->auth_response &&
                    second->database == got->database && second->collation == got->collation &&
                    second->attributes == got->attributes,
                "COM_CHANGE_USER is read as it was written");
    }
    (void)read_long_data(payload);
    (void)read_fetch(payload);
    (void)read_field_list(payload);
    (void)read_set_option(payload);
    (void)read_process_kill(payload);
}

void replies(std::string_view payload, capability::flags capabilities) {
    std::string again;
    std::uint8_t sequence = 0;
    std::vector<session_change> changes;
    if (const auto got = read_ok(payload, capabilities)) {
        require(inside(got->info, payload) && inside(got->session_state, payload), "an OK points into its payload");
        read_session_changes(got->session_state, changes);
        write_ok(again, sequence, *got, capabilities);
        const auto back = payload_of(again);
        const auto second = read_ok(back, capabilities);
        require(second && second->affected_rows == got->affected_rows && second->info == got->info &&
                    second->session_state == got->session_state,
                "an OK is read as it was written");
    }
    read_session_changes(payload, changes);
    (void)read_error(payload);
    (void)read_eof(payload, capabilities);
    std::vector<column_definition> columns(1);
    again.clear();
    if (const auto got = read_column(payload, capabilities)) {
        write_column(again, sequence, *got, capabilities);
        const auto back = payload_of(again);
        require(read_column(back, capabilities)->name == got->name, "a column is read as it was written");
        columns[0] = *got;
    }
    std::vector<text_value> row;
    for (const std::size_t count : {1U, 4U, 100U}) {
        again.clear();
        if (read_text_row(payload, count, row)) {
            write_text_row(again, sequence, row);
            require(again.size() <= payload.size() + header_size, "a row is not longer than it was");
        }
        columns.resize(count, columns[0]);
        std::vector<binary_value> values;
        if (read_binary_row(payload, columns, values)) values_inside(values, payload);
    }
}

/// Where the answer ends, how, and with how many rows.
struct ending {
    std::size_t taken = 0;
    reply_tracker::state state = reply_tracker::state::reading;
    std::uint64_t rows = 0;
    std::uint16_t status = 0, error = 0;
    bool operator==(const ending&) const = default;
};

ending answer(std::string_view bytes, command what, capability::flags capabilities, std::size_t piece) {
    reply_tracker tracker(capabilities);
    tracker.begin(what);
    ending out;
    while (out.taken < bytes.size() && tracker.now() == reply_tracker::state::reading) {
        const auto some = bytes.substr(out.taken, piece);
        const auto taken = tracker.take(some);
        require(taken <= some.size(), "no more is taken than was given");
        out.taken += taken;
        if (tracker.now() == reply_tracker::state::reading)
            require(taken == some.size(), "an answer that goes on takes all");
    }
    if (tracker.now() == reply_tracker::state::done) require(tracker.between_packets(), "an answer ends with a packet");
    out.state = tracker.now();
    out.rows = tracker.rows();
    out.status = tracker.status();
    out.error = tracker.error().code;
    // How much of a broken answer was taken before that was seen is not laid down.
    if (out.state == reply_tracker::state::broken) out = {0, out.state, 0, 0, 0};
    return out;
}

/// What a client hears that keeps definitions, and what it has then; of an answer that is whole.
struct heard {
    bool done = false;
    std::string bytes;
    definitions_digest told{};
    bool operator==(const heard&) const = default;
};

heard forwarded(std::string_view bytes, command what, capability::flags capabilities, std::size_t piece,
                const definitions_digest& told) {
    reply_tracker tracker(capabilities);
    tracker.begin(what);
    tracker.forward_to(capabilities | capability::mariadb_cache_metadata);
    tracker.spare_definitions(told);
    heard out;
    while (!bytes.empty() && tracker.now() == reply_tracker::state::reading) {
        bytes.remove_prefix(tracker.take(bytes.substr(0, piece)));
        out.bytes += tracker.forwarded();
    }
    if (tracker.now() != reply_tracker::state::done) return {};
    out.done = true;
    out.told = tracker.told_definitions();
    return out;
}

void definitions(std::string_view stream, command what, capability::flags capabilities) {
    const auto all = forwarded(stream, what, capabilities, stream.size(), {});
    const auto spared = forwarded(stream, what, capabilities, stream.size(), all.told);
    require(spared.done == all.done && spared.told == all.told, "an answer tells the same definitions again");
    require(spared.bytes.size() <= all.bytes.size(), "what is left out makes an answer shorter");
    for (const std::size_t piece : {1U, 2U, 7U}) {
        require(forwarded(stream, what, capabilities, piece, {}) == all, "pieces are heard as the whole");
        require(forwarded(stream, what, capabilities, piece, all.told) == spared, "pieces are left out as the whole");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto capabilities = chosen(data[0]);
    const auto what = static_cast<command>(data[1]);
    const std::string_view stream(reinterpret_cast<const char*>(data + 2), size - 2);
    const auto whole = answer(stream, what, capabilities, size);
    for (const std::size_t piece : {1U, 2U, 7U})
        require(answer(stream, what, capabilities, piece) == whole, "an answer ends where it ends");
    definitions(stream, what, capabilities);
    packet_decoder decoder;
    message_gatherer gatherer(1 << 20);
    auto bytes = stream;
    while (const auto part = decoder.next(bytes)) {
        require(inside(part->bytes, stream), "a part points into the stream");
        if (gatherer.add(*part) != message_gatherer::state::complete) continue;
        commands(gatherer.message(), capabilities);
        replies(gatherer.message(), capabilities);
    }
    require(bytes.empty() || decoder.out_of_order(), "all of a stream is read");
    return 0;
}
