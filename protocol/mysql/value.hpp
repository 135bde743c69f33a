#pragma once
// Types of columns and parameters, and values in the binary protocol.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/result-set-packets#field-types

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/mysql/packet.hpp"

namespace ringway::protocol::mysql {

enum class field_type : std::uint8_t {
    decimal = 0,
    int8 = 1,
    int16 = 2,
    int32 = 3,
    float32 = 4,
    float64 = 5,
    null = 6,
    timestamp = 7,
    int64 = 8,
    int24 = 9,
    date = 10,
    time = 11,
    datetime = 12,
    year = 13,
    new_date = 14,
    varchar = 15,
    bit = 16,
    timestamp2 = 17,
    datetime2 = 18,
    time2 = 19,
    json = 245,
    new_decimal = 246,
    enumeration = 247,
    set = 248,
    tiny_blob = 249,
    medium_blob = 250,
    long_blob = 251,
    blob = 252,
    var_string = 253,
    string = 254,
    geometry = 255,
};

/// DATE, DATETIME, TIMESTAMP; and TIME, whose `day` may be over 31 and which has no year and month.
struct moment {
    std::uint16_t year = 0;
    std::uint8_t month = 0;
    std::uint32_t day = 0;
    std::uint8_t hour = 0, minute = 0, second = 0;
    std::uint32_t microsecond = 0;
    bool negative = false;  ///< TIME only
    bool operator==(const moment&) const = default;
};

struct binary_value {
    enum class kind : std::uint8_t {
        null,
        integer,           ///< `integer`
        unsigned_integer,  ///< `integer`, to be taken as unsigned
        number,            ///< `number`
        bytes,             ///< strings, decimals, blobs, everything else
        date,
        datetime,
        time,
        long_data,  ///< sent before by COM_STMT_SEND_LONG_DATA
        standard,   ///< bulk execution: DEFAULT
        ignored     ///< bulk execution: IGNORE
    } what = kind::null;
    field_type type = field_type::null;
    std::int64_t integer = 0;
    double number = 0;
    std::string_view bytes;
    moment when;
};

/// Takes a value of that type off `in`; sets in.ok() to false when it is not all there or is none.
binary_value read_value(reader& in, field_type type, bool is_unsigned) noexcept;

/// The value as the server writes it in the text protocol: 1, -0.5, 2024-02-29 12:00:00.5, -26:00:00. Nothing for NULL
/// and for what is not in the packet.
std::optional<std::string> text_of(const binary_value& value);

}  // namespace ringway::protocol::mysql
