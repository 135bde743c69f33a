#include "proxy/admin/wire_value.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <limits>
#include <vector>

#include "protocol/postgres/frame.hpp"

namespace ringway::proxy::admin {

namespace {

template <typename Number>
void append_big_endian(std::string& to, Number value) {
    for (int shift = static_cast<int>(sizeof(value)) * 8 - 8; shift >= 0; shift -= 8)
        to.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff));
}

template <typename Number>
Number number_of(std::string_view text) {
    Number value{};
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

double float_of(std::string_view text) {
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text.ends_with("Infinity"))
        return text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    return number_of<double>(text);
}

/// int16: digits in base 10000, weight of the first, sign, decimals shown; then the digits. Only whole numbers from 0
/// occur.
std::string binary_numeric(std::uint64_t value) {
    std::vector<std::uint16_t> digits;
    for (; value > 0; value /= 10'000) digits.insert(digits.begin(), static_cast<std::uint16_t>(value % 10'000));
    const auto weight = static_cast<std::uint16_t>(digits.empty() ? 0 : digits.size() - 1);
    while (!digits.empty() && digits.back() == 0) digits.pop_back();
    std::string out;
    append_big_endian(out, static_cast<std::uint16_t>(digits.size()));
    append_big_endian(out, weight);
    out.append(4, '\0');
    for (const auto digit : digits) append_big_endian(out, digit);
    return out;
}

std::string uuid_text(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        out += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                           static_cast<unsigned char>(bytes[i]));
    return out;
}

}  // namespace

std::string binary_value(column_type type, std::string_view text) {
    std::string out;
    switch (type) {
        case column_type::boolean:
            out.push_back(text == "t" ? '\1' : '\0');
            break;
        case column_type::int8: {
            // Counters are unsigned; PostgreSQL's int8 is not, and one past its end keeps its bits.
            append_big_endian(out, text.starts_with('-') ? static_cast<std::uint64_t>(number_of<std::int64_t>(text))
                                                         : number_of<std::uint64_t>(text));
            break;
        }
        case column_type::int4:
            append_big_endian(out, static_cast<std::uint32_t>(number_of<std::int32_t>(text)));
            break;
        case column_type::float8:
            append_big_endian(out, std::bit_cast<std::uint64_t>(float_of(text)));
            break;
        case column_type::timestamptz:
            append_big_endian(out, static_cast<std::uint64_t>(postgres_microseconds(text)));
            break;
        case column_type::numeric:
            return binary_numeric(number_of<std::uint64_t>(text));
        case column_type::text:
            return std::string(text);
    }
    return out;
}

std::optional<std::string> parameter_text(std::uint32_t type_oid, std::string_view bytes) {
    const auto u32 = [&](std::size_t at) { return protocol::postgres::load32(bytes.data() + at); };
    switch (type_oid) {
        case 16:
            return bytes.size() == 1 ? std::optional<std::string>(bytes[0] ? "true" : "false") : std::nullopt;
        case 20:
            if (bytes.size() != 8) return std::nullopt;
            return fmt::to_string(static_cast<std::int64_t>(std::uint64_t{u32(0)} << 32 | u32(4)));
        case 21:
            return bytes.size() == 2 ? std::optional(fmt::to_string(
                                           static_cast<std::int16_t>(protocol::postgres::load16(bytes.data()))))
                                     : std::nullopt;
        case 23:
            return bytes.size() == 4 ? std::optional(fmt::to_string(static_cast<std::int32_t>(u32(0)))) : std::nullopt;
        case 2950:
            return bytes.size() == 16 ? std::optional(uuid_text(bytes)) : std::nullopt;
        case 0:
        case 18:
        case 19:
        case 25:
        case 705:
        case 1042:
        case 1043:
            return std::string(bytes);
        default:
            return std::nullopt;
    }
}

int size_of(column_type type) noexcept {
    switch (type) {
        case column_type::boolean:
            return 1;
        case column_type::int4:
            return 4;
        case column_type::int8:
        case column_type::float8:
        case column_type::timestamptz:
            return 8;
        case column_type::text:
        case column_type::numeric:
            break;
    }
    return -1;
}

}  // namespace ringway::proxy::admin
