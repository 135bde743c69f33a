#define XXH_INLINE_ALL
#include "proxy/session/row_shape.hpp"

#include <xxhash.h>

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

std::vector<described_column> columns_of(std::string_view description) {
    std::vector<described_column> out;
    pg::reader in(description.substr(pg::header_size));
    const auto count = static_cast<std::uint16_t>(in.i16());
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
        described_column one;
        one.name = in.text();
        in.bytes(6);
        one.type = static_cast<std::uint32_t>(in.i32());
        in.bytes(8);
        out.push_back(one);
    }
    return out;
}

std::string shown_description(std::string_view description, std::size_t shown, std::string_view formats) {
    std::string out;
    pg::reader in(description.substr(pg::header_size));
    in.i16();
    pg::writer made(out, 'T');
    made.i16(static_cast<int>(shown));
    for (std::size_t i = 0; i < shown; ++i) {
        made.text(in.text());
        made.bytes(in.bytes(16));
        in.i16();
        made.i16(formats.empty() ? 0 : pg::load16(formats.data() + (formats.size() == 2 ? 0 : 2 * i)));
    }
    made.end();
    return out;
}

std::uint64_t rows_hash(std::string_view body) {
    constexpr std::size_t origin = 6, type = 10, format = 2;  // table and column; type, its size and modifier
    pg::reader in(body);
    std::uint64_t out = static_cast<std::uint64_t>(in.i16()) + 1;
    while (in.ok() && !in.at_end()) {
        const auto name = in.text();
        in.bytes(origin);
        const auto typed = in.bytes(type);
        in.bytes(format);
        out = XXH3_64bits_withSeed(name.data(), name.size(), out);
        out = XXH3_64bits_withSeed(typed.data(), typed.size(), out);
    }
    return out | 2;
}

std::string formats_in(std::string_view bound) {
    if (bound.empty()) return {};
    pg::reader in(bound);
    in.bytes(2u * static_cast<std::uint16_t>(in.i16()));
    const auto count = static_cast<std::uint16_t>(in.i16());
    for (std::size_t i = 0; i < count; ++i) {
        const auto length = in.i32();
        if (length > 0) in.bytes(static_cast<std::size_t>(length));
    }
    in.i16();
    return std::string(in.rest());
}

void append16(std::string& to, std::size_t value) {
    to += static_cast<char>(value >> 8 & 0xFF);
    to += static_cast<char>(value & 0xFF);
}

void append32(std::string& to, std::uint64_t value) {
    append16(to, value >> 16 & 0xFFFF);
    append16(to, value & 0xFFFF);
}

}  // namespace ringway::proxy
