#include "proxy/session/batch.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

batch_bounds find_batch(std::string_view bytes, std::size_t seen) noexcept {
    batch_bounds out;
    out.size = seen;
    pg::frame_header header;
    while (out.size < bytes.size()) {
        const auto rest = bytes.substr(out.size);
        const auto state = pg::read_header(rest, header);
        out.malformed = state == pg::header_state::malformed;
        if (state != pg::header_state::ready) return out;
        if (out.size > 0 && (header.type == 'Q' || header.type == 'F')) {
            out.ended = out.cut = true;
            return out;
        }
        if (rest.size() < header.total()) {
            out.next_total = header.total();
            out.next_type = header.type;
            return out;
        }
        out.size += header.total();
        out.ended = header.type == 'S' || header.type == 'H';
        if (out.ended) return out;
    }
    return out;
}

bool replaces_portal(std::string_view bytes) noexcept {
    pg::frame_header header;
    for (; pg::read_header(bytes, header) == pg::header_state::ready && bytes.size() >= header.total();
         bytes.remove_prefix(header.total())) {
        const auto body = bytes.substr(pg::header_size, header.body());
        if (header.type == 'B') {
            const auto bind = pg::read_bind(body);
            if (!bind || bind->portal.empty()) return bind.has_value();
        } else if (header.type == 'E' || (header.type == 'D' && body.starts_with('P'))) {
            return false;
        }
    }
    return false;
}

local_batch_view local_batch(std::string_view batch) noexcept {
    local_batch_view out;
    int parses = 0, binds = 0, executes = 0;
    bool ends = false;
    pg::frame_header header;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        ends = false;
        switch (header.type) {
            case 'P':
                ++parses;
                out.parse = pg::read_parse(body);
                if (!out.parse || binds > 0) return {};  // what is bound before it is another statement
                break;
            case 'B': {
                ++binds;
                const auto bind = pg::read_bind(body);
                if (!bind || !bind->portal.empty()) return {};
                out.statement = bind->statement;
                out.bound = bind->rest;
                break;
            }
            case 'E':
                ++executes;
                break;
            case 'D':
                if (body.empty()) return {};
                break;
            case 'C': {
                const auto target = pg::read_target(body);
                if (!target || (target->kind == 'S' && target->name.empty())) return {};
                break;
            }
            case 'S':
                ends = true;
                break;
            default:
                return {};
        }
    }
    if (!ends || parses > 1 || binds > 1 || binds != executes) return {};
    if (parses == 0 && binds == 0) {
        for (std::size_t at = 0;
             at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
             at += header.total())
            if (header.type == 'D' || (header.type == 'C' && batch[at + pg::header_size] != 'S')) return {};
        out.kind = local_batch_kind::closes;
    } else if (binds == 1 && (!out.parse || out.parse->name == out.statement)) {
        out.kind = local_batch_kind::one_statement;
    }
    return out;
}

std::optional<preparation> read_preparation(std::string_view batch) noexcept {
    preparation out;
    pg::frame_header header;
    for (std::size_t at = 0; at < batch.size() && pg::read_header(batch.substr(at), header) == pg::header_state::ready;
         at += header.total()) {
        const auto body = batch.substr(at + pg::header_size, header.body());
        const bool last = at + header.total() == batch.size();
        if (header.type == 'P' && at == 0) {
            out.parse = pg::read_parse(body);
            if (!out.parse || out.parse->name.empty()) return std::nullopt;
            out.name = out.parse->name;
        } else if (header.type == 'D' && !out.describes) {
            const auto target = pg::read_target(body);
            if (!target || target->kind != 'S' || target->name.empty() || (out.parse && target->name != out.name))
                return std::nullopt;
            out.name = target->name;
            out.describes = true;
        } else if (last && (header.type == 'S' || header.type == 'H') && body.empty() && !out.name.empty()) {
            out.flushes = header.type == 'H';
            return out;
        } else {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

}  // namespace ringway::proxy
