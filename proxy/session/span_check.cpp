// A text of several statements is read as a whole before the first of them runs, as a server does: a mistake in the
// last one means that none has run, not even a COMMIT before it.

#include "protocol/postgres/frame.hpp"
#include "protocol/postgres/message.hpp"
#include "proxy/session/span.hpp"

namespace ringway::proxy {

namespace pg = protocol::postgres;
using config::fault_kind;

namespace {

constexpr std::string_view savepoint = "_ringway_text";

}  // namespace

/// One server is asked to prepare it, which it will not do with several statements, but says so only after reading all
/// of them. The savepoint takes this error; where the transaction has failed it does no harm.
void span::check_text() {
    stage_ = stage::checking;
    text_is_several_ = false;
    auto& one = *wing_of(unit_.parts.front().shard);
    std::string out;
    const bool fails_already = one.on->status == 'E' || one.aborting;
    if (!fails_already) pg::write_query(out, std::string("SAVEPOINT ").append(savepoint));
    out.append(unit_.parts.front().bytes);
    if (!fails_already)
        pg::write_query(out, std::string("ROLLBACK TO ").append(savepoint).append("; RELEASE ").append(savepoint));
    one.failed = false;
    one.on->server->unnamed.reset();
    one.on->send(out, fails_already ? 1 : 3);
}

void span::on_checked(char type, std::string_view frame) {
    if (type != 'E' || !error_.empty()) return;
    const auto error = pg::read_error(frame.substr(pg::header_size));
    if (error && error->get('C') == "42601" && error->get('R') == "exec_parse_message")
        text_is_several_ = true;  // all of it could be read
    else
        error_ = frame;
}

void span::text_checked() {
    if (error_.empty() && !text_is_several_)
        error_ = error_frame({fault_kind::unsupported,
                              "this text is not read as several statements by the server",
                              {},
                              "send each statement by itself"});
    end_unit();
}

}  // namespace ringway::proxy
