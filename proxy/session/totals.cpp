#include "proxy/session/totals.hpp"

#include <array>
#include <charconv>

#include "protocol/postgres/decimal.hpp"
#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "protocol/postgres/sort_key.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

constexpr std::uint32_t boolean = 16, int8 = 20, int2 = 21, int4 = 23, numeric = 1700;

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t out = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
    return out;
}

/// As its type's send function has it.
std::optional<std::string> binary_of(const std::string& text, std::uint32_t type) {
    if (type == boolean) return std::string(1, text == "t" ? '\1' : '\0');
    if (type == numeric) return pg::binary_decimal(text);
    const auto number = number_of(text);
    if (!number) return std::nullopt;
    std::string out;
    for (int shift = type == int8 ? 56 : type == int4 ? 24 : 8; shift >= 0; shift -= 8)
        out += static_cast<char>(*number >> shift & 0xFF);
    return out;
}

}  // namespace

std::optional<totals::kind> totals::kind_of(std::string_view aggregate) {
    struct known {
        std::string_view name;
        kind how;
    };
    static constexpr std::array all_known{known{"count", kind::added},    known{"sum", kind::added},
                                          known{"min", kind::least},      known{"max", kind::greatest},
                                          known{"bool_and", kind::all},   known{"every", kind::all},
                                          known{"bool_or", kind::any},    known{"bit_and", kind::bits_and},
                                          known{"bit_or", kind::bits_or}, known{"bit_xor", kind::bits_xor}};
    for (const auto& each : all_known)
        if (each.name == aggregate) return each.how;
    return std::nullopt;
}

bool totals::fits(kind how, std::uint32_t type, bool texts_by_bytes) {
    switch (how) {
        case kind::added:
            return type == int8 || type == numeric;
        case kind::least:
        case kind::greatest:
            return pg::has_sort_key(type, texts_by_bytes);
        case kind::all:
        case kind::any:
            return type == boolean;
        case kind::bits_and:
        case kind::bits_or:
        case kind::bits_xor:
            return type == int2 || type == int4 || type == int8;
    }
    return false;
}

void totals::begin(std::vector<column> columns) {
    columns_ = std::move(columns);
    cells_.assign(columns_.size(), {});
    any_ = false;
    for (std::size_t i = 0; i < columns_.size(); ++i)
        if (columns_[i].zero) cells_[i].value = "0";
}

bool totals::add(std::size_t index, std::string_view text) {
    auto& value = cells_[index].value;
    const auto& column = columns_[index];
    if (!value) {
        value = text;
        return true;
    }
    if (column.how == kind::all || column.how == kind::any) {
        if ((text == "t") == (column.how == kind::any)) value = text;
        return true;
    }
    if (column.type == numeric) {
        value = pg::add_decimals(*value, text);
        return value.has_value();
    }
    const auto a = number_of(*value), b = number_of(text);
    if (!a || !b) return false;
    std::int64_t made = 0;
    if (column.how == kind::added) {
        if (__builtin_add_overflow(*a, *b, &made)) return false;
    } else {
        made = column.how == kind::bits_and ? *a & *b : column.how == kind::bits_or ? *a | *b : *a ^ *b;
    }
    value = std::to_string(made);
    return true;
}

bool totals::add(std::string_view frame) {
    pg::reader in(frame.substr(pg::header_size));
    const auto count = static_cast<std::uint16_t>(in.i16());
    std::vector<std::optional<std::string_view>> values;
    for (std::size_t i = 0; i < count; ++i) {
        const auto length = in.i32();
        values.emplace_back();
        if (length >= 0) values.back() = in.bytes(static_cast<std::size_t>(length));
    }
    if (!in.ok() || values.size() < columns_.size()) return false;
    any_ = true;
    auto key = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (!has_key(columns_[i].how)) {
            if (values[i] && !add(i, *values[i])) return false;
            continue;
        }
        if (key >= values.size()) return false;
        const auto& compared = values[key++];
        if (compared.has_value() != values[i].has_value()) return false;
        if (!compared) continue;
        std::string made;
        if (!pg::append_sort_key(made, columns_[i].type, *compared)) return false;
        auto& cell = cells_[i];
        if (cell.value && (columns_[i].how == kind::least ? made >= cell.key : made <= cell.key)) continue;
        cell.value = *values[i];
        cell.key = std::move(made);
    }
    return key == values.size();
}

bool totals::write(std::string& to) const {
    std::vector<std::optional<std::string>> out;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        out.push_back(cells_[i].value);
        if (!out.back() || !columns_[i].binary || has_key(columns_[i].how)) continue;
        out.back() = binary_of(*out.back(), columns_[i].type);
        if (!out.back()) return false;
    }
    pg::write_data_row(to, out);
    return true;
}

}  // namespace ringway::proxy
