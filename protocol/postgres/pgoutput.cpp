#include "protocol/postgres/pgoutput.hpp"

#include <fmt/format.h>

#include <charconv>

#include "protocol/postgres/frame.hpp"

namespace ringway::protocol::postgres {

namespace {

std::uint32_t u32(reader& in) {
    return static_cast<std::uint32_t>(in.i32());
}

std::uint64_t u64(reader& in) {
    const std::uint64_t high = u32(in);
    return high << 32 | u32(in);
}

void append_u64(std::string& to, std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) to += static_cast<char>((value >> shift) & 0xff);
}

}  // namespace

std::optional<wal_position> read_wal_position(std::string_view text) noexcept {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::uint32_t parts[2] = {};
    const std::string_view texts[2] = {text.substr(0, slash), text.substr(slash + 1)};
    for (int i = 0; i < 2; ++i) {
        const auto& one = texts[i];
        const auto got = std::from_chars(one.data(), one.data() + one.size(), parts[i], 16);
        if (one.empty() || got.ec != std::errc() || got.ptr != one.data() + one.size()) return std::nullopt;
    }
    return std::uint64_t{parts[0]} << 32 | parts[1];
}

std::string wal_text(wal_position at) {
    return fmt::format("{:X}/{:X}", at >> 32, at & 0xffffffff);
}

std::optional<stream_message> read_stream_message(std::string_view bytes) noexcept {
    reader in(bytes);
    switch (in.u8()) {
        case 'w': {
            stream_data out;
            out.start = u64(in);
            out.end = u64(in);
            u64(in);  // the server's clock
            out.payload = in.rest();
            if (!in.ok()) return std::nullopt;
            return out;
        }
        case 'k': {
            stream_keepalive out;
            out.end = u64(in);
            u64(in);
            out.wants_reply = in.u8() != 0;
            if (!in.ok() || !in.at_end()) return std::nullopt;
            return out;
        }
        default:
            return std::nullopt;
    }
}

std::string stream_status(wal_position received, wal_position kept, std::int64_t now, bool wants_reply) {
    std::string out = "r";
    append_u64(out, received);
    append_u64(out, kept);
    append_u64(out, kept);
    append_u64(out, static_cast<std::uint64_t>(now));
    out += wants_reply ? '\1' : '\0';
    return out;
}

namespace pgoutput {

namespace {

bool read_tuple(reader& in, tuple& to) {
    const int count = in.i16();
    if (count < 0) return false;
    for (int i = 0; i < count && in.ok(); ++i) {
        auto& one = to.emplace_back();
        switch (in.u8()) {
            case 'n':
                break;
            case 'u':
                one.what = value::kind::unchanged;
                break;
            case 't':
            case 'b': {
                one.what = value::kind::text;
                const auto size = in.i32();
                if (size < 0) return false;
                one.bytes = in.bytes(static_cast<std::size_t>(size));
                break;
            }
            default:
                return false;
        }
    }
    return in.ok();
}

/// 'K' or 'O' and a tuple, or straight on to what `type` is then.
bool read_old(reader& in, char& type, old_row& has, tuple& to) {
    if (type != 'K' && type != 'O') return true;
    has = type == 'K' ? old_row::key : old_row::full;
    if (!read_tuple(in, to)) return false;
    type = in.at_end() ? '\0' : static_cast<char>(in.u8());
    return true;
}

std::optional<message> read_relation(reader& in) {
    relation out;
    out.id = u32(in);
    out.schema = in.text();
    out.name = in.text();
    out.identity = static_cast<char>(in.u8());
    const int count = in.i16();
    if (count < 0) return std::nullopt;
    for (int i = 0; i < count && in.ok(); ++i) {
        auto& one = out.columns.emplace_back();
        one.identity = (in.u8() & 1) != 0;
        one.name = in.text();
        one.type_oid = u32(in);
        one.modifier = in.i32();
    }
    return out;
}

std::optional<message> read_truncate(reader& in) {
    truncate out;
    const auto count = in.i32();
    const auto options = in.u8();
    out.cascade = (options & 1) != 0;
    out.restart_sequences = (options & 2) != 0;
    if (count < 0) return std::nullopt;
    for (std::int32_t i = 0; i < count && in.ok(); ++i) out.relations.push_back(u32(in));
    return out;
}

std::optional<message> read_body(reader& in, char kind) {
    switch (kind) {
        case 'B': {
            begin out;
            out.final_position = u64(in);
            u64(in);
            out.transaction = u32(in);
            return out;
        }
        case 'C': {
            commit out;
            in.u8();
            out.at = u64(in);
            out.end = u64(in);
            u64(in);
            return out;
        }
        case 'R':
            return read_relation(in);
        case 'I': {
            insert out;
            out.relation = u32(in);
            if (in.u8() != 'N' || !read_tuple(in, out.row)) return std::nullopt;
            return out;
        }
        case 'U': {
            update out;
            out.relation = u32(in);
            auto type = static_cast<char>(in.u8());
            if (!read_old(in, type, out.has, out.before) || type != 'N' || !read_tuple(in, out.row))
                return std::nullopt;
            return out;
        }
        case 'D': {
            erase out;
            out.relation = u32(in);
            const auto type = static_cast<char>(in.u8());
            if ((type != 'K' && type != 'O') || !read_tuple(in, out.before)) return std::nullopt;
            out.has = type == 'K' ? old_row::key : old_row::full;
            return out;
        }
        case 'T':
            return read_truncate(in);
        case 'O':
        case 'Y':
        case 'M':
            in.bytes(in.rest().size());
            return other{kind};
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<message> read(std::string_view payload) {
    reader in(payload);
    const auto kind = static_cast<char>(in.u8());
    auto out = read_body(in, kind);
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return out;
}

}  // namespace pgoutput

}  // namespace ringway::protocol::postgres
