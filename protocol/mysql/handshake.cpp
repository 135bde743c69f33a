#include "protocol/mysql/handshake.hpp"

#include <algorithm>

#include "protocol/mysql/reply.hpp"

namespace ringway::protocol::mysql {

using capability::has;

namespace {

constexpr std::uint8_t version_10 = 10;
constexpr std::size_t first_part = 8;  ///< of the nonce; the rest stands after the capabilities

/// MySQL leaves the last four of the filler bytes empty; MariaDB has its own capabilities there.
capability::flags read_filler(reader& in, std::size_t zeros, capability::flags low) {
    in.bytes(zeros);
    const capability::flags high = in.u32();
    return has(low, capability::client_mysql) ? low : low | high << 32;
}

void write_filler(writer& out, std::size_t zeros, capability::flags all) {
    out.zeros(zeros).u32(has(all, capability::client_mysql) ? 0 : static_cast<std::uint32_t>(all >> 32));
}

}  // namespace

// ---- greeting -------------------------------------------------------------------------------------------------------

std::optional<greeting> read_greeting(std::string_view payload) {
    reader in(payload);
    if (in.u8() != version_10) return std::nullopt;
    greeting out;
    out.server_version = in.text();
    out.connection_id = in.u32();
    out.nonce = in.bytes(first_part);
    in.u8();
    out.capabilities = in.u16();
    if (!in.ok()) return std::nullopt;
    if (in.at_end()) return out;  // what follows came with 4.1
    out.collation = in.u8();
    out.status = in.u16();
    out.capabilities |= static_cast<capability::flags>(in.u16()) << 16;
    const std::size_t nonce_length = in.u8();
    out.capabilities = read_filler(in, 6, out.capabilities);
    if (has(out.capabilities, capability::secure_connection)) {
        // As many bytes as were said, 13 at least; the last is zero and no part of the challenge.
        const auto second =
            in.bytes(std::max<std::size_t>(13, nonce_length < first_part ? 0 : nonce_length - first_part));
        out.nonce.append(second.substr(0, second.empty() ? 0 : second.size() - 1));
    }
    if (has(out.capabilities, capability::plugin_auth)) out.plugin = in.text_or_end();
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_greeting(std::string& to, std::uint8_t& sequence, const greeting& from) {
    auto nonce = from.nonce;
    nonce.resize(std::clamp<std::size_t>(nonce.size(), nonce_size, 254), '\0');
    const std::string_view bytes = nonce;
    const bool plugin = has(from.capabilities, capability::plugin_auth);
    writer out(to, sequence);
    out.u8(version_10).text(from.server_version).u32(from.connection_id).bytes(bytes.substr(0, first_part)).u8(0);
    out.u16(static_cast<std::uint16_t>(from.capabilities)).u8(from.collation).u16(from.status);
    out.u16(static_cast<std::uint16_t>(from.capabilities >> 16));
    out.u8(plugin ? static_cast<std::uint8_t>(nonce.size() + 1) : std::uint8_t{0});
    write_filler(out, 6, from.capabilities);
    if (has(from.capabilities, capability::secure_connection)) out.text(bytes.substr(first_part));
    if (plugin) out.text(from.plugin);
}

// ---- login ----------------------------------------------------------------------------------------------------------

std::optional<login> read_login(std::string_view payload) noexcept {
    reader in(payload);
    login out;
    if (payload.size() >= 2 && !has(load_little(payload.substr(0, 2)), capability::protocol_41)) {
        out.what = login::kind::too_old;
        out.capabilities = in.u16();
        out.max_packet = in.u24();
        out.user = in.text_or_end();
        if (!in.ok()) return std::nullopt;
        return out;
    }
    out.capabilities = in.u32();
    out.max_packet = in.u32();
    out.collation = in.u8();
    out.capabilities = read_filler(in, 19, out.capabilities);
    if (!in.ok()) return std::nullopt;
    if (in.at_end()) {
        out.what = login::kind::ssl_request;
        return has(out.capabilities, capability::ssl) ? std::optional(out) : std::nullopt;
    }
    out.user = in.text();
    if (has(out.capabilities, capability::plugin_auth_lenenc_data))
        out.auth_response = in.lenenc_text();
    else if (has(out.capabilities, capability::secure_connection))
        out.auth_response = in.bytes(in.u8());
    else
        out.auth_response = in.text_or_end();
    if (has(out.capabilities, capability::connect_with_db)) out.database = in.text_or_end();
    if (has(out.capabilities, capability::plugin_auth)) out.plugin = in.text_or_end();
    if (has(out.capabilities, capability::connect_attrs) && !in.at_end()) out.attributes = in.lenenc_text();
    if (has(out.capabilities, capability::zstd_compression) && !in.at_end()) out.zstd_level = in.u8();
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_login(std::string& to, std::uint8_t& sequence, const login& from) {
    writer out(to, sequence);
    out.u32(static_cast<std::uint32_t>(from.capabilities)).u32(from.max_packet).u8(from.collation);
    write_filler(out, 19, from.capabilities);
    if (from.what == login::kind::ssl_request) return;
    out.text(from.user);
    if (has(from.capabilities, capability::plugin_auth_lenenc_data))
        out.lenenc_text(from.auth_response);
    else if (has(from.capabilities, capability::secure_connection))
        out.u8(static_cast<std::uint8_t>(std::min<std::size_t>(from.auth_response.size(), 255)))
            .bytes(from.auth_response.substr(0, 255));
    else
        out.text(from.auth_response);
    if (has(from.capabilities, capability::connect_with_db)) out.text(from.database);
    if (has(from.capabilities, capability::plugin_auth)) out.text(from.plugin);
    if (has(from.capabilities, capability::connect_attrs)) out.lenenc_text(from.attributes);
    if (has(from.capabilities, capability::zstd_compression)) out.u8(from.zstd_level);
}

bool read_attributes(std::string_view attributes, std::vector<attribute>& out) {
    out.clear();
    reader in(attributes);
    while (in.ok() && !in.at_end()) {
        const auto name = in.lenenc_text();
        const auto value = in.lenenc_text();
        if (in.ok()) out.emplace_back(name, value);
    }
    return in.ok();
}

std::string write_attributes(std::span<const attribute> attributes) {
    std::string out;
    for (const auto& [name, value] : attributes) {
        write_lenenc_text(out, name);
        write_lenenc_text(out, value);
    }
    return out;
}

// ---- while the login goes on ----------------------------------------------------------------------------------------

std::optional<auth_switch> read_auth_switch(std::string_view payload) noexcept {
    if (!begins_with(payload, first_byte::auth_switch)) return std::nullopt;
    if (payload.size() == 1) return auth_switch{"mysql_old_password", {}};
    reader in(payload.substr(1));
    auth_switch out;
    out.plugin = in.text();
    out.data = in.all();
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_auth_switch(std::string& to, std::uint8_t& sequence, const auth_switch& from) {
    writer(to, sequence).u8(first_byte::auth_switch).text(from.plugin).bytes(from.data);
}

std::optional<std::string_view> read_auth_more_data(std::string_view payload) noexcept {
    if (!begins_with(payload, first_byte::auth_more_data)) return std::nullopt;
    return payload.substr(1);
}

void write_auth_more_data(std::string& to, std::uint8_t& sequence, std::string_view data) {
    writer(to, sequence).u8(first_byte::auth_more_data).bytes(data);
}

}  // namespace ringway::protocol::mysql
