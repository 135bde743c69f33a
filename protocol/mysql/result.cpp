#include "protocol/mysql/result.hpp"

#include "protocol/mysql/reply.hpp"

namespace ringway::protocol::mysql {

using capability::has;

namespace {
/// Bytes from the collation to the end, which stand behind their own number.
constexpr std::uint64_t fixed_size = 12;
}  // namespace

std::optional<column_definition> read_column(std::string_view payload, capability::flags capabilities) noexcept {
    reader in(payload);
    column_definition out;
    in.lenenc_text();  // the catalog, always "def"
    out.schema = in.lenenc_text();
    out.table = in.lenenc_text();
    out.original_table = in.lenenc_text();
    out.name = in.lenenc_text();
    out.original_name = in.lenenc_text();
    if (has(capabilities, capability::mariadb_extended_metadata)) out.extended = in.lenenc_text();
    if (in.lenenc() < fixed_size - 2) in.fail();
    out.collation = in.u16();
    out.length = in.u32();
    out.type = static_cast<field_type>(in.u8());
    out.flags = in.u16();
    out.decimals = in.u8();
    if (!in.ok()) return std::nullopt;
    return out;
}

void write_column(std::string& to, std::uint8_t& sequence, const column_definition& column,
                  capability::flags capabilities) {
    writer out(to, sequence);
    out.lenenc_text("def").lenenc_text(column.schema).lenenc_text(column.table).lenenc_text(column.original_table);
    out.lenenc_text(column.name).lenenc_text(column.original_name);
    if (has(capabilities, capability::mariadb_extended_metadata)) out.lenenc_text(column.extended);
    out.lenenc(fixed_size).u16(column.collation).u32(column.length).u8(static_cast<std::uint8_t>(column.type));
    out.u16(column.flags).u8(column.decimals).zeros(2);
}

bool read_text_row(std::string_view payload, std::size_t columns, std::vector<text_value>& out) {
    out.clear();
    reader in(payload);
    for (std::size_t i = 0; i < columns && in.ok(); ++i) out.push_back(in.lenenc_value());
    return in.ok() && in.at_end();
}

void write_text_row(std::string& to, std::uint8_t& sequence, std::span<const text_value> values) {
    writer out(to, sequence);
    for (const auto& value : values) {
        if (value)
            out.lenenc_text(*value);
        else
            out.u8(0xfb);
    }
}

bool read_binary_row(std::string_view payload, std::span<const column_definition> columns,
                     std::vector<binary_value>& out) {
    out.clear();
    reader in(payload);
    if (in.u8() != 0) return false;
    // The first two bits of the NULL bitmap are not used.
    const auto nulls = in.bytes((columns.size() + 2 + 7) / 8);
    for (std::size_t i = 0; i < columns.size() && in.ok(); ++i) {
        const auto bit = i + 2;
        const bool is_null = (static_cast<unsigned char>(nulls[bit / 8]) >> (bit % 8) & 1) != 0;
        out.push_back(is_null ? binary_value{}
                              : read_value(in, columns[i].type, (columns[i].flags & column_flag::is_unsigned) != 0));
    }
    return in.ok() && in.at_end();
}

void write_result_head(std::string& to, std::uint8_t& sequence, std::span<const column_definition> columns,
                       std::uint16_t status, capability::flags capabilities) {
    {
        writer out(to, sequence);
        out.lenenc(columns.size());
        if (has(capabilities, capability::mariadb_cache_metadata) ||
            has(capabilities, capability::optional_resultset_metadata))
            out.u8(1);
    }
    for (const auto& column : columns) write_column(to, sequence, column, capabilities);
    if (!has(capabilities, capability::deprecate_eof)) write_eof(to, sequence, {status, 0}, capabilities);
}

void write_result_end(std::string& to, std::uint8_t& sequence, std::uint16_t status, std::uint16_t warnings,
                      capability::flags capabilities) {
    if (!has(capabilities, capability::deprecate_eof)) return write_eof(to, sequence, {status, warnings}, capabilities);
    ok_reply reply;
    reply.status = status;
    reply.warnings = warnings;
    write_ok(to, sequence, reply, capabilities, first_byte::eof);
}

}  // namespace ringway::protocol::mysql
