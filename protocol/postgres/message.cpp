#include "protocol/postgres/message.hpp"

namespace ringway::protocol::postgres {

// ---- client -> server ---------------------------------------------------------------------------------------------

std::optional<parse_message> read_parse(std::string_view body) noexcept {
    reader in(body);
    parse_message out;
    out.name = in.text();
    out.query = in.text();
    const auto count = static_cast<std::uint16_t>(in.i16());
    out.types = in.bytes(4u * count);
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return out;
}

void write_parse(std::string& to, std::string_view name, std::string_view query, std::string_view types) {
    writer(to, 'P').text(name).text(query).i16(static_cast<int>(types.size() / 4)).bytes(types);
}

std::optional<bind_message> read_bind(std::string_view body) noexcept {
    reader in(body);
    bind_message out;
    out.portal = in.text();
    out.statement = in.text();
    if (!in.ok()) return std::nullopt;
    out.rest = in.rest();
    return out;
}

void write_bind_head(std::string& to, std::string_view portal, std::string_view statement, std::size_t rest_size) {
    const std::size_t length = 4 + portal.size() + 1 + statement.size() + 1 + rest_size;
    to.push_back('B');
    for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<char>((length >> shift) & 0xff));
    to.append(portal).push_back('\0');
    to.append(statement).push_back('\0');
}

bool read_parameters(std::string_view rest, std::vector<bound_parameter>& out) {
    out.clear();
    reader in(rest);
    // Both counts are unsigned on the wire: a statement may have up to 65,535 parameters.
    const auto formats = static_cast<std::uint16_t>(in.i16());
    const auto codes = in.bytes(2u * formats);
    const auto count = static_cast<std::uint16_t>(in.i16());
    if (!in.ok() || (formats > 1 && formats != count)) return false;
    for (std::size_t i = 0; i < count; ++i) {
        bound_parameter one;
        if (formats > 0) {
            const auto code = load16(codes.data() + (formats == 1 ? 0 : 2 * i));
            if (code > 1) return false;
            one.binary = code == 1;
        }
        const auto length = in.i32();
        if (length < -1) return false;
        one.is_null = length == -1;
        if (!one.is_null) one.bytes = in.bytes(static_cast<std::size_t>(length));
        if (!in.ok()) return false;
        out.push_back(one);
    }
    const auto results = static_cast<std::uint16_t>(in.i16());
    in.bytes(2u * results);
    return in.ok() && in.at_end();
}

std::optional<target_message> read_target(std::string_view body) noexcept {
    reader in(body);
    target_message out;
    out.kind = static_cast<char>(in.u8());
    out.name = in.text();
    if (!in.ok() || !in.at_end() || (out.kind != 'S' && out.kind != 'P')) return std::nullopt;
    return out;
}

void write_target(std::string& to, char type, char kind, std::string_view name) {
    writer(to, type).u8(static_cast<std::uint8_t>(kind)).text(name);
}

std::optional<execute_message> read_execute(std::string_view body) noexcept {
    reader in(body);
    execute_message out;
    out.portal = in.text();
    out.max_rows = in.i32();
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return out;
}

void write_execute(std::string& to, std::string_view portal, std::int32_t max_rows) {
    writer(to, 'E').text(portal).i32(max_rows);
}
void write_query(std::string& to, std::string_view sql) {
    writer(to, 'Q').text(sql);
}
void write_sync(std::string& to) {
    writer(to, 'S');
}
void write_flush(std::string& to) {
    writer(to, 'H');
}
void write_terminate(std::string& to) {
    writer(to, 'X');
}
void write_password(std::string& to, std::string_view password) {
    writer(to, 'p').text(password);
}

void write_sasl_initial(std::string& to, std::string_view mechanism, std::string_view data) {
    writer(to, 'p').text(mechanism).i32(static_cast<std::int64_t>(data.size())).bytes(data);
}
void write_sasl_response(std::string& to, std::string_view data) {
    writer(to, 'p').bytes(data);
}

// ---- server -> client ---------------------------------------------------------------------------------------------

std::string_view error_fields::get(char code) const noexcept {
    for (const auto& [letter, text] : fields)
        if (letter == code) return text;
    return {};
}

std::optional<error_fields> read_error(std::string_view body) {
    reader in(body);
    error_fields out;
    for (auto code = in.u8(); in.ok() && code != 0; code = in.u8()) {
        const auto text = in.text();
        if (!in.ok()) return std::nullopt;
        out.fields.emplace_back(static_cast<char>(code), std::string(text));
    }
    if (!in.ok()) return std::nullopt;
    return out;
}

std::string_view error_sqlstate(std::string_view body) noexcept {
    reader in(body);
    for (auto code = in.u8(); in.ok() && code != 0; code = in.u8()) {
        const auto text = in.text();
        if (in.ok() && code == 'C') return text;
    }
    return {};
}

namespace {
/// The function of the server's source that reports this, which drivers go by: postgres.js, pgjdbc and asyncpg prepare
/// a statement anew when it names these two (field R).
std::string_view routine_of(std::string_view sqlstate, std::string_view message) noexcept {
    if (sqlstate == "0A000" && message == "cached plan must not change result type") return "RevalidateCachedQuery";
    const bool of_a_statement = message.starts_with("prepared statement ") || message.starts_with("unnamed prepared ");
    return sqlstate == "26000" && of_a_statement ? "FetchPreparedStatement" : std::string_view();
}

void write_report(std::string& to, char type, std::string_view severity, std::string_view sqlstate,
                  std::string_view message, std::string_view detail, std::string_view hint, std::int32_t position) {
    writer out(to, type);
    const auto field = [&out](char code, std::string_view text) { out.u8(static_cast<std::uint8_t>(code)).text(text); };
    field('S', severity);
    field('V', severity);
    field('C', sqlstate);
    field('M', message);
    if (!detail.empty()) field('D', detail);
    if (!hint.empty()) field('H', hint);
    if (position > 0) field('P', std::to_string(position));
    if (const auto routine = routine_of(sqlstate, message); !routine.empty()) field('R', routine);
    out.u8(0);
}
}  // namespace

void write_error(std::string& to, std::string_view severity, std::string_view sqlstate, std::string_view message,
                 std::string_view detail, std::string_view hint, std::int32_t position) {
    write_report(to, 'E', severity, sqlstate, message, detail, hint, position);
}
void write_notice(std::string& to, std::string_view severity, std::string_view sqlstate, std::string_view message) {
    write_report(to, 'N', severity, sqlstate, message, {}, {}, 0);
}

void write_authentication_ok(std::string& to) {
    writer(to, 'R').i32(0);
}
void write_authentication_cleartext(std::string& to) {
    writer(to, 'R').i32(3);
}
void write_authentication_md5(std::string& to, std::string_view salt4) {
    writer(to, 'R').i32(5).bytes(salt4);
}
void write_authentication_sasl(std::string& to, std::span<const std::string_view> mechanisms) {
    writer out(to, 'R');
    out.i32(10);
    for (const auto name : mechanisms) out.text(name);
    out.u8(0);
}
void write_authentication_sasl_continue(std::string& to, std::string_view data) {
    writer(to, 'R').i32(11).bytes(data);
}
void write_authentication_sasl_final(std::string& to, std::string_view data) {
    writer(to, 'R').i32(12).bytes(data);
}
void write_parameter_status(std::string& to, std::string_view name, std::string_view value) {
    writer(to, 'S').text(name).text(value);
}
void write_backend_key(std::string& to, std::uint32_t pid, std::string_view key) {
    writer(to, 'K').i32(pid).bytes(key);
}
void write_ready(std::string& to, char status) {
    writer(to, 'Z').u8(static_cast<std::uint8_t>(status));
}
void write_command_complete(std::string& to, std::string_view tag) {
    writer(to, 'C').text(tag);
}
void write_empty(std::string& to, char type) {
    writer(to, type);
}

void write_row_description(std::string& to, std::span<const column> columns) {
    writer out(to, 'T');
    out.i16(static_cast<int>(columns.size()));
    for (const auto& each : columns)
        out.text(each.name).i32(0).i16(0).i32(each.type_oid).i16(each.type_size).i32(-1).i16(0);
}

void write_data_row(std::string& to, std::span<const std::optional<std::string>> values) {
    writer out(to, 'D');
    out.i16(static_cast<int>(values.size()));
    for (const auto& each : values) {
        if (!each)
            out.i32(-1);
        else
            out.i32(static_cast<std::int64_t>(each->size())).bytes(*each);
    }
}

void write_parameter_description(std::string& to, std::span<const std::uint32_t> oids) {
    writer out(to, 't');
    out.i16(static_cast<int>(oids.size()));
    for (const auto oid : oids) out.i32(oid);
}

}  // namespace ringway::protocol::postgres
