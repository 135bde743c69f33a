#include "protocol/mysql/command.hpp"

#include <algorithm>

namespace ringway::protocol::mysql {

using capability::has;

namespace {

constexpr std::uint64_t most_parameters = 65535;
constexpr std::uint8_t unsigned_flag = 0x80;
/// COM_STMT_EXECUTE: the number of parameters is in the packet, as it may count query attributes.
constexpr std::uint8_t parameter_count_available = 0x08;

/// A reader behind the first byte.
reader arguments(std::string_view payload) noexcept {
    reader in(payload);
    in.u8();
    return in;
}

template <class Command>
std::optional<Command> checked(const reader& in, Command out) noexcept {
    return in.ok() ? std::optional<Command>(std::move(out)) : std::nullopt;
}

bool is_null(std::string_view bitmap, std::size_t i) noexcept {
    return (static_cast<unsigned char>(bitmap[i / 8]) >> (i % 8) & 1) != 0;
}

bool read_types(reader& in, std::size_t count, bool named, parameter_types& types) {
    types.clear();
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
        parameter_type type;
        type.type = static_cast<field_type>(in.u8());
        type.is_unsigned = (in.u8() & unsigned_flag) != 0;
        if (named) type.name = in.lenenc_text();
        types.push_back(type);
    }
    return in.ok();
}

}  // namespace

std::optional<command> command_of(std::string_view payload) noexcept {
    if (payload.empty()) return std::nullopt;
    return static_cast<command>(payload[0]);
}

bool has_reply(command what) noexcept {
    return what != command::quit && what != command::stmt_close && what != command::stmt_send_long_data;
}

// ---- COM_QUERY ------------------------------------------------------------------------------------------------------

std::optional<query_command> read_query(std::string_view payload, capability::flags capabilities) {
    reader in = arguments(payload);
    query_command out;
    if (has(capabilities, capability::query_attributes)) {
        const auto count = in.lenenc();
        const auto sets = in.lenenc();
        if (count > most_parameters || sets != 1) return std::nullopt;
        if (count > 0) {
            const auto nulls = in.bytes((count + 7) / 8);
            parameter_types types;
            if (in.u8() != 1 || !read_types(in, count, true, types)) return std::nullopt;
            for (std::size_t i = 0; i < count; ++i)
                out.attributes.push_back({types[i].name, is_null(nulls, i)
                                                             ? binary_value{}
                                                             : read_value(in, types[i].type, types[i].is_unsigned)});
        }
    }
    out.sql = in.all();
    return checked(in, std::move(out));
}

void write_query(std::string& to, std::uint8_t& sequence, std::string_view sql, capability::flags capabilities) {
    writer out(to, sequence);
    out.u8(static_cast<std::uint8_t>(command::query));
    if (has(capabilities, capability::query_attributes)) out.lenenc(0).lenenc(1);
    out.bytes(sql);
}

// ---- prepared statements --------------------------------------------------------------------------------------------

std::optional<std::uint32_t> read_statement_id(std::string_view payload) noexcept {
    reader in = arguments(payload);
    const auto id = in.u32();
    return checked(in, id);
}

void replace_statement_id(char* payload, std::uint32_t id) noexcept {
    for (unsigned i = 0; i < 4; ++i) payload[statement_id_at + i] = static_cast<char>(id >> (8 * i) & 0xff);
}

std::optional<execute_command> read_execute(std::string_view payload) noexcept {
    reader in = arguments(payload);
    execute_command out;
    out.statement = in.u32();
    out.flags = in.u8();
    out.iterations = in.u32();
    out.rest = in.all();
    return checked(in, out);
}

bool read_parameters(const execute_command& execute, std::size_t count, capability::flags capabilities,
                     const std::vector<bool>& long_data, parameter_types& types, std::vector<binary_value>& out) {
    out.clear();
    reader in(execute.rest);
    const bool attributes = has(capabilities, capability::query_attributes);
    std::size_t sent = count;
    if (attributes && (count > 0 || (execute.flags & parameter_count_available) != 0)) {
        sent = in.lenenc();
        if (sent > most_parameters) return false;
    }
    if (sent < count) return false;
    if (sent == 0) return in.ok();
    const auto nulls = in.bytes((sent + 7) / 8);
    const bool new_types = in.u8() != 0;
    if (!in.ok() || (new_types && !read_types(in, sent, attributes, types)) || types.size() < sent) return false;
    for (std::size_t i = 0; i < sent && in.ok(); ++i) {
        binary_value value;
        if (i < long_data.size() && long_data[i])
            value.what = binary_value::kind::long_data;
        else if (!is_null(nulls, i))
            value = read_value(in, types[i].type, types[i].is_unsigned);
        out.push_back(value);
    }
    // Names point into this packet, and no later one needs them.
    for (auto& type : types) type.name = {};
    return in.ok();
}

bool write_execute_with_types(std::string& to, std::uint8_t& sequence, std::string_view payload, std::size_t count,
                              const parameter_types& types, capability::flags capabilities) {
    const auto execute = read_execute(payload);
    if (!execute) return false;
    reader in(execute->rest);
    const bool attributes = has(capabilities, capability::query_attributes);
    const bool counted = attributes && (count > 0 || (execute->flags & parameter_count_available) != 0);
    if (counted) count = in.lenenc();
    if (count > most_parameters) return false;
    if (count > 0) {
        in.bytes((count + 7) / 8);
        if (in.u8() == 0) {
            if (!in.ok() || types.size() < count) return false;
            const auto front = payload.size() - in.rest().size() - 1;
            writer out(to, sequence);
            out.bytes(payload.substr(0, front)).u8(1);
            for (std::size_t i = 0; i < count; ++i) {
                out.u8(static_cast<std::uint8_t>(types[i].type)).u8(types[i].is_unsigned ? unsigned_flag : 0);
                // Attributes come with their types, or not at all: these are the statement's own, which have no names.
                if (attributes) out.lenenc_text({});
            }
            out.bytes(in.rest());
            return true;
        }
    }
    if (!in.ok()) return false;
    writer(to, sequence).bytes(payload);
    return true;
}

std::optional<long_data_command> read_long_data(std::string_view payload) noexcept {
    reader in = arguments(payload);
    long_data_command out;
    out.statement = in.u32();
    out.parameter = in.u16();
    out.data = in.all();
    return checked(in, out);
}

std::optional<fetch_command> read_fetch(std::string_view payload) noexcept {
    reader in = arguments(payload);
    fetch_command out;
    out.statement = in.u32();
    out.rows = in.u32();
    return checked(in, out);
}

std::optional<bulk_command> read_bulk(std::string_view payload) noexcept {
    reader in = arguments(payload);
    bulk_command out;
    out.statement = in.u32();
    out.flags = in.u16();
    out.rest = in.all();
    return checked(in, out);
}

bool read_bulk_types(bulk_command& bulk, std::size_t count, parameter_types& types) {
    if (bulk.sends_types()) {
        reader in(bulk.rest);
        if (!read_types(in, count, false, types)) return false;
        bulk.rest = in.rest();
    }
    return types.size() == count;
}

bool read_bulk_row(bulk_command& bulk, const parameter_types& types, std::vector<binary_value>& out) {
    using kind = binary_value::kind;
    out.clear();
    if (bulk.rest.empty() || types.empty()) return false;
    reader in(bulk.rest);
    for (const auto& type : types) {
        binary_value value;
        switch (in.u8()) {
            case 0:
                value = read_value(in, type.type, type.is_unsigned);
                break;
            case 1:
                break;
            case 2:
                value.what = kind::standard;
                break;
            case 3:
                value.what = kind::ignored;
                break;
            default:
                in.fail();
        }
        if (!in.ok()) return false;
        out.push_back(value);
    }
    bulk.rest = in.rest();
    return true;
}

// ---- the session ----------------------------------------------------------------------------------------------------

std::optional<change_user_command> read_change_user(std::string_view payload, capability::flags capabilities) noexcept {
    reader in = arguments(payload);
    change_user_command out;
    out.user = in.text();
    out.auth_response = has(capabilities, capability::secure_connection) ? in.bytes(in.u8()) : in.text();
    out.database = in.text_or_end();
    if (!in.at_end()) out.collation = in.u16();
    if (has(capabilities, capability::plugin_auth) && !in.at_end()) out.plugin = in.text_or_end();
    if (has(capabilities, capability::connect_attrs) && !in.at_end()) out.attributes = in.lenenc_text();
    return checked(in, out);
}

void write_change_user(std::string& to, std::uint8_t& sequence, const change_user_command& from,
                       capability::flags capabilities) {
    writer out(to, sequence);
    out.u8(static_cast<std::uint8_t>(command::change_user)).text(from.user);
    if (has(capabilities, capability::secure_connection))
        out.u8(static_cast<std::uint8_t>(std::min<std::size_t>(from.auth_response.size(), 255)))
            .bytes(from.auth_response.substr(0, 255));
    else
        out.text(from.auth_response);
    out.text(from.database).u16(from.collation);
    if (has(capabilities, capability::plugin_auth)) out.text(from.plugin);
    if (has(capabilities, capability::connect_attrs)) out.lenenc_text(from.attributes);
}

std::optional<field_list_command> read_field_list(std::string_view payload) noexcept {
    reader in = arguments(payload);
    field_list_command out;
    out.table = in.text();
    out.wildcard = in.all();
    if (out.wildcard.ends_with('\0')) out.wildcard.remove_suffix(1);
    return checked(in, out);
}

std::optional<std::uint16_t> read_set_option(std::string_view payload) noexcept {
    reader in = arguments(payload);
    const auto option = in.u16();
    return checked(in, option);
}

std::optional<std::uint32_t> read_process_kill(std::string_view payload) noexcept {
    return read_statement_id(payload);
}

void write_command(std::string& to, std::uint8_t& sequence, command what, std::string_view text) {
    writer(to, sequence).u8(static_cast<std::uint8_t>(what)).bytes(text);
}

void write_statement_command(std::string& to, std::uint8_t& sequence, command what, std::uint32_t statement) {
    writer(to, sequence).u8(static_cast<std::uint8_t>(what)).u32(statement);
}

}  // namespace ringway::protocol::mysql
