#include "proxy/session/told_types.hpp"

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

void store32(char* to, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift & 0xFF);
}

}  // namespace

std::string told_types(std::string_view frame, const router::own_types& all, std::uint16_t shard) {
    constexpr std::size_t before = 6, behind = 8;  // of a column: its table and number; size, modifier and format
    std::string out;
    pg::reader in(frame.substr(pg::header_size));
    const auto rows = frame[0] == 'T';
    const auto end = frame.size();
    const auto count = static_cast<std::uint16_t>(in.i16());
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
        if (rows) {
            in.text();
            in.bytes(before);
        }
        const auto at = end - in.rest().size();
        const auto oid = static_cast<std::uint32_t>(in.i32());
        if (!in.ok()) break;
        if (rows) in.bytes(behind);
        const auto known = all.known(shard, oid);
        if (known == oid) continue;
        if (out.empty()) out = frame;
        store32(out.data() + at, known);
    }
    return out;
}

std::string types_on(std::string_view types, const router::own_types& all, std::uint16_t shard) {
    std::string out(types);
    for (std::size_t at = 0; at + 4 <= out.size(); at += 4)
        store32(out.data() + at, all.on(shard, pg::load32(out.data() + at)));
    return out;
}

std::string messages_on(std::string_view messages, const router::own_types& all, std::uint16_t shard) {
    std::string out;
    pg::frame_header header;
    std::size_t copied = 0;
    for (std::size_t at = 0; pg::read_header(messages.substr(at), header) == pg::header_state::ready &&
                             messages.size() - at >= header.total();
         at += header.total()) {
        if (header.type != 'P') continue;
        const auto parse = pg::read_parse(messages.substr(at + pg::header_size, header.body()));
        if (!parse || parse->types.empty()) continue;
        out.append(messages.substr(copied, at - copied));
        pg::write_parse(out, parse->name, parse->query, types_on(parse->types, all, shard));
        copied = at + header.total();
    }
    if (copied > 0) out.append(messages.substr(copied));
    return out;
}

}  // namespace ringway::proxy
