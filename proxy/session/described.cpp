// Many drivers Describe a statement once and read all later rows by that. Another server connection may have prepared
// the same text after the table has changed: what it would send is then not what the client was told, and one server
// would have refused it ("cached plan must not change result type").

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/session.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// Names and types of a RowDescription's columns, without their formats, which belong to one Bind. Never 0.
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
    return out | 1;
}

/// One message that answers Describe.
void note_part(pool::result_shape& in, char type, std::string_view body) {
    if (type == 't')
        in.parameters = XXH3_64bits(body.data(), body.size()) | 1;
    else
        in.rows = type == 'T' ? rows_hash(body) : 1;
}

}  // namespace

statement_ref session::portal_statement(std::string_view name) const {
    for (const auto& each : talk_->portals)
        if (each.name == name) return each.statement;
    return nullptr;
}

/// Null: the server is not known to have it.
pool::result_shape* session::shape_on_server(const client_statement& what) const {
    auto& server = *talk_->server;
    if (what.renamed) return server.statements.shape_of(*what.text);
    return server.unnamed == what.text ? &server.unnamed_shape : nullptr;
}

/// Before a Bind whose rows are read as an earlier Describe has told: asks a server that has not told it yet. True: its
/// answer is to be waited for.
bool session::look_first(std::string_view body, std::string_view after) {
    auto& talk = *talk_;
    if (talk.status == 'E' || (!after.empty() && after[0] == 'D')) return false;
    const auto bind = pg::read_bind(body);
    const auto what = bind ? planned_statement(bind->statement) : nullptr;
    if (!what || what->told.rows == 0) return false;
    talk.blind = true;
    const auto* known = shape_on_server(*what);
    if (known && known->rows != 0) return false;
    ensure_on_server(what);
    pg::write_target(outgoing(), 'D', 'S', what->renamed ? std::string_view(what->text->name) : std::string_view());
    pg::write_flush(outgoing());
    talk.replies.push(expected_reply::kind::describe, expected_reply::to::nobody).described = what;
    talk.barrier = true;
    return true;
}

/// Whether the server's rows are known to be others than the client was told.
bool session::differs(const client_statement& what) const {
    const auto* known = shape_on_server(what);
    if (!known || what.told.rows == 0 || known->rows == 0) return false;
    const bool parameters = what.told.parameters != 0 && known->parameters != 0;
    return what.told.rows != known->rows || (parameters && what.told.parameters != known->parameters);
}

void session::note_shape(const expected_reply& head, char type, std::string_view body) {
    const auto& what = *head.described;
    const auto note = [&](pool::result_shape& in) { note_part(in, type, body); };
    if (auto* known = shape_on_server(what)) note(*known);
    if (head.deliver == expected_reply::to::client) note(what.told);
    if (what.renamed) note_told(*what.text, type, body);
}

/// The client is being told these messages of a Describe.
void session::remember_told(const client_statement& what, std::string_view messages) {
    pg::frame_header header;
    for (; pg::read_header(messages, header) == pg::header_state::ready; messages.remove_prefix(header.total()))
        note_part(what.told, header.type, messages.substr(pg::header_size, header.body()));
}

}  // namespace ringway::proxy
