#include "protocol/mysql/reply.hpp"

namespace ringway::protocol::mysql {

using capability::has;

// ---- OK -------------------------------------------------------------------------------------------------------------

std::optional<ok_reply> read_ok(std::string_view payload, capability::flags capabilities) noexcept {
    if (!begins_with(payload, first_byte::ok) && !begins_with(payload, first_byte::eof)) return std::nullopt;
    reader in(payload.substr(1));
    ok_reply out;
    out.affected_rows = in.lenenc();
    out.last_insert_id = in.lenenc();
    if (has(capabilities, capability::protocol_41)) {
        out.status = in.u16();
        out.warnings = in.u16();
    } else if (has(capabilities, capability::transactions)) {
        out.status = in.u16();
    }
    if (has(capabilities, capability::session_track)) {
        // Servers leave both out when there is nothing to say.
        if (!in.at_end()) out.info = in.lenenc_text();
        if ((out.status & status::session_state_changed) != 0 && !in.at_end()) out.session_state = in.lenenc_text();
    } else {
        out.info = in.all();
    }
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_ok(std::string& to, std::uint8_t& sequence, const ok_reply& reply, capability::flags capabilities,
              unsigned char first) {
    writer out(to, sequence);
    out.u8(first).lenenc(reply.affected_rows).lenenc(reply.last_insert_id);
    const bool tracks = has(capabilities, capability::session_track);
    auto flags = static_cast<std::uint16_t>(reply.status & ~status::session_state_changed);
    if (tracks && !reply.session_state.empty()) flags |= status::session_state_changed;
    if (has(capabilities, capability::protocol_41))
        out.u16(flags).u16(reply.warnings);
    else if (has(capabilities, capability::transactions))
        out.u16(flags);
    if (!tracks) {
        out.bytes(reply.info);
    } else if ((flags & status::session_state_changed) != 0) {
        out.lenenc_text(reply.info).lenenc_text(reply.session_state);
    } else if (!reply.info.empty()) {
        out.lenenc_text(reply.info);
    }
}

// ---- ERR ------------------------------------------------------------------------------------------------------------

std::optional<error_reply> read_error(std::string_view payload) noexcept {
    if (!begins_with(payload, first_byte::error)) return std::nullopt;
    reader in(payload.substr(1));
    error_reply out;
    out.code = in.u16();
    if (in.rest().size() >= 6 && in.rest()[0] == '#') out.sqlstate = in.bytes(6).substr(1);
    out.message = in.all();
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_error(std::string& to, std::uint8_t& sequence, const error_reply& reply, capability::flags capabilities) {
    writer out(to, sequence);
    out.u8(first_byte::error).u16(reply.code);
    if (has(capabilities, capability::protocol_41))
        out.bytes("#").bytes(reply.sqlstate.size() == 5 ? reply.sqlstate : "HY000");
    out.bytes(reply.message);
}

bool is_progress(std::string_view payload) noexcept {
    return payload.size() > 3 && payload.starts_with("\xff\xff\xff");
}

// ---- EOF ------------------------------------------------------------------------------------------------------------

std::optional<eof_reply> read_eof(std::string_view payload, capability::flags capabilities) noexcept {
    if (!begins_with(payload, first_byte::eof)) return std::nullopt;
    reader in(payload.substr(1));
    eof_reply out;
    if (has(capabilities, capability::protocol_41)) {
        out.warnings = in.u16();
        out.status = in.u16();
    }
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return out;
}

void write_eof(std::string& to, std::uint8_t& sequence, const eof_reply& reply, capability::flags capabilities) {
    writer out(to, sequence);
    out.u8(first_byte::eof);
    if (has(capabilities, capability::protocol_41)) out.u16(reply.warnings).u16(reply.status);
}

// ---- session tracking -----------------------------------------------------------------------------------------------

bool read_session_changes(std::string_view session_state, std::vector<session_change>& out) {
    using kind = session_change::kind;
    out.clear();
    reader in(session_state);
    while (in.ok() && !in.at_end()) {
        const auto type = in.u8();
        reader data(in.lenenc_text());
        if (type > static_cast<std::uint8_t>(kind::transaction_state)) continue;
        session_change change;
        change.what = static_cast<kind>(type);
        do {
            if (change.what == kind::system_variable) change.name = data.lenenc_text();
            if (change.what == kind::gtids) data.u8();  // how they are encoded: 0, as text
            // MariaDB leaves the length out of this one.
            if (change.what == kind::state_change && data.rest().size() == 1)
                change.value = data.all();
            else
                change.value = data.lenenc_text();
            if (!in.ok() || !data.ok()) return false;
            out.push_back(change);
        } while (change.what == kind::system_variable && !data.at_end());
    }
    return in.ok();
}

void write_session_change(std::string& to, const session_change& change) {
    using kind = session_change::kind;
    std::string data;
    if (change.what == kind::system_variable) write_lenenc_text(data, change.name);
    if (change.what == kind::gtids) data.push_back('\0');
    write_lenenc_text(data, change.value);
    to.push_back(static_cast<char>(change.what));
    write_lenenc_text(to, data);
}

}  // namespace ringway::protocol::mysql
