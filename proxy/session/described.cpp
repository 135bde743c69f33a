// Many drivers Describe a statement once and read all later rows by that. Another server connection may have prepared
// the same text after the table has changed: what it would send is then not what the client was told, and one server
// would have refused it ("cached plan must not change result type").

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "proxy/net/worker.hpp"
#include "proxy/session/outgoing.hpp"
#include "proxy/session/reading.hpp"
#include "proxy/session/row_shape.hpp"
#include "proxy/session/session.hpp"
#include "router/time_words.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;

namespace {

/// One message that answers Describe.
void note_part(pool::result_shape& in, char type, std::string_view body) {
    if (type == 't')
        in.parameters = XXH3_64bits(body.data(), body.size()) | 1;
    else
        in.rows = type == 'T' ? rows_hash(body) : 1;
}

/// ... for the client.
void note_told_part(const client_statement& what, char type, std::string_view body) {
    note_part(what.told, type, body);
    if (type == 't') what.told_types.assign(body.substr(std::min<std::size_t>(2, body.size())));
}

/// How a setting decides what a constant is.
enum class reading : std::uint8_t { times, intervals, escapes, arrays };

bool is_string(const router::literal& each) {
    return each.kind == router::literal_kind::string || each.kind == router::literal_kind::escape_string ||
           each.kind == router::literal_kind::dollar_string || each.kind == router::literal_kind::unicode_string;
}

/// Whether it may be a date, a time, or have some in it. A number of a few digits is none.
bool may_be_time(std::string_view constant) {
    const auto digits = static_cast<std::size_t>(
        std::count_if(constant.begin(), constant.end(), [](char c) { return c >= '0' && c <= '9'; }));
    constexpr std::size_t quotes = 2, shortest_alone = 4;
    const bool number = constant.size() == digits + quotes;
    return digits > 0 && (!number || digits >= shortest_alone) &&
           constant.find_first_of("%&*=<>?!#~^|;") == std::string_view::npos;
}

bool names_null(std::string_view constant) {
    constexpr std::string_view word = "null";
    return constant.find('{') != std::string_view::npos &&
           std::search(constant.begin(), constant.end(), word.begin(), word.end(),
                       [](char a, char b) { return (a | 0x20) == b; }) != constant.end();
}

/// Whether a constant of the statement may be another with another value of the setting.
bool reads_by(reading how, const client_statement& what) {
    const auto text = what.planned_text();
    if (how == reading::escapes) return text.find('\\') != std::string_view::npos;
    if (how == reading::times && router::names_time({text, what.literals, {}, true})) return true;
    return std::any_of(what.literals.begin(), what.literals.end(), [&](const router::literal& each) {
        if (!is_string(each)) return false;
        const auto constant = text.substr(each.offset, each.length);
        if (how == reading::arrays) return names_null(constant);
        return may_be_time(constant) && (how == reading::times || constant.find('-') != std::string_view::npos);
    });
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

/// Before a Bind whose rows are read as an earlier Describe has told: asks a server that has not told it yet, or has
/// told another form than the client knows, be it the older one of the two. True: its answer is to be waited for.
bool session::look_first(std::string_view body, std::string_view after) {
    auto& talk = *talk_;
    if (talk.status == 'E' || (!after.empty() && after[0] == 'D')) return false;
    const auto bind = pg::read_bind(body);
    const auto what = bind ? planned_statement(bind->statement) : nullptr;
    if (!what || what->told.rows == 0) return false;
    talk.blind = true;
    const auto* known = shape_on_server(*what);
    const bool told = known && known->rows != 0;
    if (told && (!differs(*what) || talk.looked_again == what->text)) return false;
    // Prepared here at another time, for another client: the table may have been another one then.
    if (known && what->renamed && !what->by_sql && !own_names_) {
        pg::write_target(outgoing(), 'C', 'S', what->text->name);
        talk.replies.push(expected_reply::kind::close, expected_reply::to::nobody).statement = what->text;
        talk.server->statements.remove(*what->text);
        talk.looked_again = what->text;
    } else if (told) {
        return false;
    }
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
    if (auto* known = shape_on_server(what)) note_part(*known, type, body);
    if (head.deliver == expected_reply::to::client) note_told_part(what, type, body);
    if (what.renamed) note_told(*what.text, type, body);
}

/// What a client reads rows of this statement by that has not described it since; 0: it reads none, or goes by what the
/// answer says. Of what is no query of its own, as FETCH, a server does not look at what it has told before.
std::uint64_t session::rows_told(const client_statement& what) {
    using router::verb;
    if (!what.plan || what.told.rows <= 1 || what.plan->parsed.statements.size() != 1) return 0;
    const auto kind = what.plan->parsed.statements.front().verb;
    const bool queries = kind == verb::select || kind == verb::insert || kind == verb::update ||
                         kind == verb::delete_ || kind == verb::merge;
    return queries ? what.told.rows : 0;
}

/// Bytes of an answer for the client, which may have the description that it has asked for.
void session::note_answer(std::string_view messages) {
    pg::frame_header header;
    for (;
         telling_ && pg::read_header(messages, header) == pg::header_state::ready && messages.size() >= header.total();
         messages.remove_prefix(header.total())) {
        const bool described = header.type == 'T' || header.type == 'n';
        if (described || header.type == 't')
            note_told_part(*telling_, header.type, messages.substr(pg::header_size, header.body()));
        else if (header.type != '1' && header.type != '2' && header.type != 'N')
            telling_.reset();
        if (described) telling_.reset();
    }
}

/// The client is being told these messages of a Describe.
void session::remember_told(const client_statement& what, std::string_view messages) {
    pg::frame_header header;
    for (; pg::read_header(messages, header) == pg::header_state::ready; messages.remove_prefix(header.total()))
        note_told_part(what, header.type, messages.substr(pg::header_size, header.body()));
}

std::vector<changed_reading> changed_readings(const client_statement& what, const pool::parameter_list& told,
                                              const pool::session_settings& settings) {
    struct setting {
        std::string_view name, lower;
        reading by;
    };
    static constexpr setting all[] = {
        {"DateStyle", "datestyle", reading::times},
        {"TimeZone", "timezone", reading::times},
        {"IntervalStyle", "intervalstyle", reading::intervals},
        {"standard_conforming_strings", "standard_conforming_strings", reading::escapes},
        {{}, "array_nulls", reading::arrays},  // which servers do not tell
    };
    std::vector<changed_reading> out;
    if (!what.settings || !what.reported) return out;
    const auto reported = [](const pool::parameter_list& in, std::string_view name) {
        const auto at = std::find_if(in.begin(), in.end(), [&](const auto& each) { return each.first == name; });
        return at == in.end() ? std::string_view() : std::string_view(at->second);
    };
    const auto set = [](const pool::session_settings& in, std::string_view name) {
        const auto* to = in.find(name);
        return to ? std::string_view(*to) : std::string_view();
    };
    for (const auto& each : all) {
        const auto before = reported(*what.reported, each.name);
        const bool same = each.name.empty() ? set(*what.settings, each.lower) == set(settings, each.lower)
                                            : before == reported(told, each.name);
        if (!same && reads_by(each.by, what))
            out.push_back({each.name.empty() ? each.lower : each.name, each.lower, before});
    }
    return out;
}

/// Before a server reads the text anew: a prepared statement's constants are what they were when it was prepared.
std::optional<config::fault> session::read_otherwise(const client_statement& what) const {
    if (!told_ || (what.settings == settings_ && !spanning_)) return std::nullopt;
    const auto changed = changed_readings(what, *told_, *settings_);
    if (changed.empty()) return std::nullopt;
    return config::fault{config::fault_kind::unsupported,
                         fmt::format("a prepared statement has constants that {} decides, which has changed since",
                                     changed.front().name),
                         "On several shards its text is read anew.", "prepare it again"};
}

}  // namespace ringway::proxy
