#include "protocol/mysql/value.hpp"

#include <fmt/format.h>

#include <bit>

namespace ringway::protocol::mysql {

namespace {

using kind = binary_value::kind;

std::int64_t sign_extended(std::uint64_t bits, unsigned bytes) {
    const auto shift = 64 - 8 * bytes;
    return static_cast<std::int64_t>(bits << shift) >> shift;
}

void read_integer(reader& in, binary_value& out, unsigned bytes, bool is_unsigned) noexcept {
    const auto bits = load_little(in.bytes(bytes));
    out.what = is_unsigned ? kind::unsigned_integer : kind::integer;
    out.integer = is_unsigned ? static_cast<std::int64_t>(bits) : sign_extended(bits, bytes);
}

void read_date(reader& in, binary_value& out) noexcept {
    const auto length = in.u8();
    out.what = out.type == field_type::date || out.type == field_type::new_date ? kind::date : kind::datetime;
    if (length != 0 && length != 4 && length != 7 && length != 11) return in.fail();
    if (length >= 4) {
        out.when.year = in.u16();
        out.when.month = in.u8();
        out.when.day = in.u8();
    }
    if (length >= 7) {
        out.when.hour = in.u8();
        out.when.minute = in.u8();
        out.when.second = in.u8();
    }
    if (length == 11) out.when.microsecond = in.u32();
}

void read_time(reader& in, binary_value& out) noexcept {
    const auto length = in.u8();
    out.what = kind::time;
    if (length != 0 && length != 8 && length != 12) return in.fail();
    if (length >= 8) {
        out.when.negative = in.u8() != 0;
        out.when.day = in.u32();
        out.when.hour = in.u8();
        out.when.minute = in.u8();
        out.when.second = in.u8();
    }
    if (length == 12) out.when.microsecond = in.u32();
}

std::string fraction(std::uint32_t microsecond) {
    return microsecond == 0 ? std::string() : fmt::format(".{:06}", microsecond);
}

}  // namespace

binary_value read_value(reader& in, field_type type, bool is_unsigned) noexcept {
    binary_value out;
    out.type = type;
    switch (type) {
        case field_type::null:
            break;
        case field_type::int8:
            read_integer(in, out, 1, is_unsigned);
            break;
        case field_type::int16:
        case field_type::year:
            read_integer(in, out, 2, is_unsigned);
            break;
        case field_type::int32:
        case field_type::int24:
            read_integer(in, out, 4, is_unsigned);
            break;
        case field_type::int64:
            read_integer(in, out, 8, is_unsigned);
            break;
        case field_type::float32:
            out.what = kind::number;
            out.number = std::bit_cast<float>(in.u32());
            break;
        case field_type::float64:
            out.what = kind::number;
            out.number = std::bit_cast<double>(in.u64());
            break;
        case field_type::date:
        case field_type::new_date:
        case field_type::datetime:
        case field_type::datetime2:
        case field_type::timestamp:
        case field_type::timestamp2:
            read_date(in, out);
            break;
        case field_type::time:
        case field_type::time2:
            read_time(in, out);
            break;
        default:
            out.what = kind::bytes;
            out.bytes = in.lenenc_text();
    }
    return in.ok() ? out : binary_value{};
}

std::optional<std::string> text_of(const binary_value& value) {
    const auto& at = value.when;
    switch (value.what) {
        case kind::integer:
            return std::to_string(value.integer);
        case kind::unsigned_integer:
            return std::to_string(static_cast<std::uint64_t>(value.integer));
        case kind::number:
            // The shortest text that reads as the same number.
            return value.type == field_type::float32 ? fmt::format("{}", static_cast<float>(value.number))
                                                     : fmt::format("{}", value.number);
        case kind::bytes:
            return std::string(value.bytes);
        case kind::date:
            return fmt::format("{:04}-{:02}-{:02}", at.year, at.month, at.day);
        case kind::datetime:
            return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}{}", at.year, at.month, at.day, at.hour, at.minute,
                               at.second, fraction(at.microsecond));
        case kind::time:
            return fmt::format("{}{:02}:{:02}:{:02}{}", at.negative ? "-" : "", std::uint64_t{at.day} * 24 + at.hour,
                               at.minute, at.second, fraction(at.microsecond));
        case kind::null:
        case kind::long_data:
        case kind::standard:
        case kind::ignored:
            break;
    }
    return std::nullopt;
}

}  // namespace ringway::protocol::mysql
