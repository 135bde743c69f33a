#include "proxy/admin/session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/postgres/message.hpp"
#include "proxy/admin/driver_statement.hpp"
#include "proxy/admin/execute.hpp"
#include "proxy/admin/wire_value.hpp"

namespace ringway::proxy::admin {

namespace pg = protocol::postgres;
using config::fault;
using config::fault_kind;
using verb = command::verb;

namespace {

constexpr std::uint32_t text_oid = static_cast<std::uint32_t>(column_type::text);

void write_fault(std::string& out, const fault& why) {
    pg::write_error(out, "ERROR", config::sqlstate(why.kind), why.message, why.detail, why.hint);
}

/// RowDescription 'T': for each column name, table oid, attribute number, type oid, type size, modifier, format.
void write_columns(std::string& out, const std::vector<column>& columns, const std::vector<bool>& binary) {
    pg::writer message(out, 'T');
    message.i16(static_cast<int>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i)
        message.text(columns[i].name)
            .i32(0)
            .i16(0)
            .i32(static_cast<std::uint32_t>(columns[i].type))
            .i16(size_of(columns[i].type))
            .i32(-1)
            .i16(i < binary.size() && binary[i] ? 1 : 0);
}

void write_description(std::string& out, const command& what, const std::vector<bool>& binary) {
    const auto columns = columns_of(what);
    if (columns.empty())
        pg::write_empty(out, 'n');
    else
        write_columns(out, columns, binary);
}

void write_end(std::string& out, const table& answer) {
    for (const auto& each : answer.warnings) pg::write_notice(out, "WARNING", "01000", each);
    pg::write_command_complete(out, answer.tag);
}

/// The whole answer to one command of a simple query.
void write_table(std::string& out, const table& answer) {
    if (!answer.columns.empty()) write_columns(out, answer.columns, {});
    for (const auto& one : answer.rows) pg::write_data_row(out, one);
    write_end(out, answer);
}

/// A Query's text: everything up to its only zero byte, the last.
std::optional<std::string_view> query_text(std::string_view body) {
    const auto end = body.find('\0');
    if (end == std::string_view::npos || end + 1 != body.size()) return std::nullopt;
    return body.substr(0, end);
}

/// The result formats at the end of a Bind that read_parameters() accepted.
std::vector<std::int16_t> result_formats(std::string_view rest) {
    pg::reader in(rest);
    in.bytes(2u * static_cast<std::uint16_t>(in.i16()));
    for (auto left = static_cast<std::uint16_t>(in.i16()); left > 0; --left)
        if (const auto length = in.i32(); length > 0) in.bytes(static_cast<std::size_t>(length));
    std::vector<std::int16_t> formats(static_cast<std::uint16_t>(in.i16()));
    for (auto& one : formats) one = in.i16();
    return formats;
}

/// One flag a column; a fault when the formats do not fit the columns.
std::optional<fault> read_formats(std::string_view rest, std::size_t columns, std::vector<bool>& binary) {
    const auto formats = result_formats(rest);
    if (std::any_of(formats.begin(), formats.end(), [](std::int16_t code) { return code != 0 && code != 1; }))
        return fault{fault_kind::malformed_message, "a format code is neither 0 (text) nor 1 (binary)", {}, {}};
    if (formats.size() > 1 && formats.size() != columns)
        return fault{
            fault_kind::malformed_message,
            fmt::format("bind message has {} result formats but query has {} columns", formats.size(), columns),
            {},
            {}};
    binary.assign(columns, formats.size() == 1 && formats[0] == 1);
    for (std::size_t i = 0; formats.size() > 1 && i < columns; ++i) binary[i] = formats[i] == 1;
    return std::nullopt;
}

/// Puts the values in the place of $1, $2, ...
std::optional<fault> put_in(command& what, const std::vector<pg::bound_parameter>& values,
                            const std::vector<std::uint32_t>& types) {
    for (auto& one : what.arguments) {
        if (one.parameter == 0) continue;
        const std::size_t index = one.parameter - 1u;
        const auto& value = values[index];
        const auto text =
            value.binary ? parameter_text(types[index], value.bytes) : std::optional<std::string>(value.bytes);
        if (!text)
            return fault{
                fault_kind::unsupported,
                fmt::format("parameter ${} is not a binary value of a type that the admin port reads", one.parameter),
                {},
                "send it as text"};
        one = argument{*text, 0, false, value.is_null};
    }
    return std::nullopt;
}

}  // namespace

void write_greeting(std::string& out, std::uint32_t pid, std::string_view cancel_key,
                    std::string_view application_name) {
    pg::write_authentication_ok(out);
    for (const auto& [name, value] : reported_settings())
        pg::write_parameter_status(out, name, name == "application_name" ? application_name : value);
    pg::write_backend_key(out, pid, cancel_key);
    pg::write_ready(out, 'I');
}

void session::feed(std::string_view bytes, std::string& out) {
    if (closed_) return;
    input_.append(bytes);
    advance(out);
}

void session::complete(result&& with, std::string& out) {
    if (!pending_ || closed_) return;
    pending_.reset();
    auto* refused = std::get_if<fault>(&with);
    if (pending_for_ == simple_or_extended::simple) {
        if (refused) {
            write_fault(out, *refused);
            if (status_ == 'T') status_ = 'E';
            script_.clear();
        } else {
            write_table(out, std::get<table>(with));
        }
    } else if (refused) {
        fail(*refused, out);
    } else if (const auto found = portals_.find(executing_); found != portals_.end()) {
        found->second.answer = std::get<table>(std::move(with));
        send_rows(found->second, executing_rows_, out);
    }
    advance(out);
}

void session::advance(std::string& out) {
    std::size_t used = 0;
    while (!pending_ && !closed_) {
        if (in_script_) {
            run_script(out);
            continue;
        }
        const auto rest = std::string_view(input_).substr(used);
        pg::frame_header header;
        const auto state = pg::read_header(rest, header);
        if (state == pg::header_state::incomplete) break;
        if (state == pg::header_state::malformed || header.total() > max_message) {
            violation(state == pg::header_state::malformed ? "invalid message length"
                                                           : "message is too long for the admin port",
                      out);
            break;
        }
        if (rest.size() < header.total()) break;
        take(header.type, rest.substr(pg::header_size, header.body()), out);
        used += header.total();
    }
    input_.erase(0, closed_ ? input_.size() : used);
}

void session::take(char type, std::string_view body, std::string& out) {
    if (type == 'X') {
        closed_ = true;
        return;
    }
    if (skipping_ && type != 'S') return;
    switch (type) {
        case 'Q':
            return on_query(body, out);
        case 'P':
            return on_parse(body, out);
        case 'B':
            return on_bind(body, out);
        case 'D':
            return on_describe(body, out);
        case 'E':
            return on_execute(body, out);
        case 'C':
            return on_close(body, out);
        case 'S':
            return on_sync(out);
        case 'H':
            return;  // everything is sent at once anyway
        case 'F':
            write_fault(out, {fault_kind::unsupported, "the admin port has no functions to call", {}, {}});
            return pg::write_ready(out, status_);
        case 'd':
        case 'c':
        case 'f':
            return;  // what is left of a COPY is ignored, as a server does
        default:
            return violation(
                fmt::format("invalid frontend message type {}", static_cast<int>(static_cast<unsigned char>(type))),
                out);
    }
}

// ---- simple ---------------------------------------------------------------------------------------------------------

void session::on_query(std::string_view body, std::string& out) {
    const auto text = query_text(body);
    if (!text) return violation("invalid message format: a query text must end in its only zero byte", out);
    portals_.erase("");
    auto commands = parse_commands(*text);
    const auto wrong = std::find_if(commands.begin(), commands.end(),
                                    [](const parse_result& one) { return one.error || one.value.parameters() > 0; });
    in_script_ = true;
    if (wrong == commands.end()) {
        for (auto& one : commands) script_.push_back(std::move(one.value));
        return;
    }
    write_fault(out, wrong->error ? *wrong->error
                                  : fault{fault_kind::syntax,
                                          fmt::format("there is no parameter ${}", wrong->value.parameters()),
                                          {},
                                          "parameters belong to the extended protocol"});
    if (status_ == 'T') status_ = 'E';
}

/// Runs the commands of a simple query up to one that must be pending; ReadyForQuery when none is left.
void session::run_script(std::string& out) {
    while (!script_.empty()) {
        auto next = std::move(script_.front());
        script_.pop_front();
        auto answer = run_here(next, out);
        if (!answer) {
            pending_ = std::move(next);
            pending_for_ = simple_or_extended::simple;
            return;
        }
        if (const auto* refused = std::get_if<fault>(&*answer)) {
            write_fault(out, *refused);
            if (status_ == 'T') status_ = 'E';
            script_.clear();
        } else if (next.what == verb::empty) {
            pg::write_empty(out, 'I');
        } else {
            write_table(out, std::get<table>(*answer));
        }
    }
    in_script_ = false;
    if (status_ == 'I') portals_.clear();
    pg::write_ready(out, status_);
}

std::optional<result> session::run_here(const command& what, std::string& out) {
    const bool ends = what.what == verb::commit || what.what == verb::rollback;
    if (status_ == 'E' && !ends && what.what != verb::empty)
        return fault{fault_kind::aborted_transaction,
                     "current transaction is aborted, commands ignored until end of transaction block",
                     {},
                     {}};
    if (!what.is_immediate()) return std::nullopt;
    if (what.what == verb::deallocate && !what.arguments.empty()) {
        if (statements_.erase(what.arguments[0].text) == 0)
            return fault{fault_kind::undefined_statement,
                         fmt::format("prepared statement \"{}\" does not exist", what.arguments[0].text),
                         {},
                         {}};
    } else if (what.what == verb::deallocate || what.what == verb::discard_all) {
        statements_.clear();
    }
    if (ends || what.what == verb::begin) return change_transaction(what.what, out);
    if (what.reply) return *what.reply;
    return table{{}, {}, std::string(tag_of(what))};
}

/// Transactions mean nothing here (a command takes effect at once); drivers that open one are told what a server would
/// tell them.
result session::change_transaction(verb what, std::string& out) {
    if (what == verb::begin) {
        if (status_ == 'T') pg::write_notice(out, "WARNING", "25001", "there is already a transaction in progress");
        status_ = 'T';
        return table{{}, {}, "BEGIN"};
    }
    if (status_ == 'I') pg::write_notice(out, "WARNING", "25P01", "there is no transaction in progress");
    const bool rolled_back = what == verb::rollback || status_ == 'E';
    status_ = 'I';
    return table{{}, {}, rolled_back ? "ROLLBACK" : "COMMIT"};
}

// ---- extended -------------------------------------------------------------------------------------------------------

void session::on_parse(std::string_view body, std::string& out) {
    const auto message = pg::read_parse(body);
    if (!message) return violation("invalid Parse message", out);
    const std::string name(message->name);
    if (name.empty()) statements_.erase(name);  // replaced, or gone when the text is wrong
    if (!name.empty() && statements_.contains(name))
        return fail(
            {fault_kind::duplicate_statement, fmt::format("prepared statement \"{}\" already exists", name), {}, {}},
            out);
    if (statements_.size() >= max_statements)
        return fail({fault_kind::over_limit,
                     fmt::format("more than {} prepared statements", max_statements),
                     {},
                     "close some, or DEALLOCATE ALL"},
                    out);
    auto parsed = parse_command(message->query);
    if (parsed.error) return fail(*parsed.error, out);
    prepared made{std::move(parsed.value), {}};
    made.types.assign(std::max<std::size_t>(made.what.parameters(), message->type_count()), text_oid);
    for (std::size_t i = 0; i < message->type_count(); ++i)
        if (message->type(i) != 0) made.types[i] = message->type(i);
    statements_.insert_or_assign(name, std::move(made));
    pg::write_empty(out, '1');
}

void session::on_bind(std::string_view body, std::string& out) {
    const auto message = pg::read_bind(body);
    std::vector<pg::bound_parameter> values;
    if (!message || !pg::read_parameters(message->rest, values)) return violation("invalid Bind message", out);
    const auto found = statements_.find(std::string(message->statement));
    if (found == statements_.end())
        return fail({fault_kind::undefined_statement,
                     fmt::format("prepared statement \"{}\" does not exist", message->statement),
                     {},
                     {}},
                    out);
    const auto& from = found->second;
    if (values.size() != from.types.size())
        return fail({fault_kind::malformed_message,
                     fmt::format("bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                                 values.size(), message->statement, from.types.size()),
                     {},
                     {}},
                    out);
    const std::string name(message->portal);
    if (!name.empty() && portals_.contains(name))
        return fail({fault_kind::duplicate_statement, fmt::format("cursor \"{}\" already exists", name), {}, {}}, out);
    if (portals_.size() >= max_statements && !portals_.contains(name))
        return fail({fault_kind::over_limit, fmt::format("more than {} portals", max_statements), {}, "close some"},
                    out);
    portal made{from.what, {}, std::nullopt, 0};
    auto refused = put_in(made.what, values, from.types);
    if (!refused) refused = read_formats(message->rest, columns_of(made.what).size(), made.binary);
    if (refused) return fail(*refused, out);
    portals_.insert_or_assign(name, std::move(made));
    pg::write_empty(out, '2');
}

void session::on_describe(std::string_view body, std::string& out) {
    const auto target = pg::read_target(body);
    if (!target) return violation("invalid Describe message", out);
    const std::string name(target->name);
    if (target->kind == 'S') {
        const auto found = statements_.find(name);
        if (found == statements_.end())
            return fail({fault_kind::undefined_statement,
                         fmt::format("prepared statement \"{}\" does not exist", name),
                         {},
                         {}},
                        out);
        pg::write_parameter_description(out, found->second.types);
        return write_description(out, found->second.what, {});
    }
    const auto found = portals_.find(name);
    if (found == portals_.end())
        return fail({fault_kind::undefined_statement, fmt::format("portal \"{}\" does not exist", name), {}, {}}, out);
    write_description(out, found->second.what, found->second.binary);
}

void session::on_execute(std::string_view body, std::string& out) {
    const auto message = pg::read_execute(body);
    if (!message) return violation("invalid Execute message", out);
    const auto found = portals_.find(std::string(message->portal));
    if (found == portals_.end())
        return fail(
            {fault_kind::undefined_statement, fmt::format("portal \"{}\" does not exist", message->portal), {}, {}},
            out);
    auto& what = found->second;
    if (what.answer) return send_rows(what, message->max_rows, out);
    auto answer = run_here(what.what, out);
    if (!answer) {
        executing_ = found->first;
        executing_rows_ = message->max_rows;
        pending_ = what.what;
        pending_for_ = simple_or_extended::extended;
        return;
    }
    if (const auto* refused = std::get_if<fault>(&*answer)) return fail(*refused, out);
    if (what.what.what == verb::empty) return pg::write_empty(out, 'I');
    what.answer = std::get<table>(std::move(*answer));
    send_rows(what, message->max_rows, out);
}

/// Sends up to `most` further rows (0: all) and says whether there are more.
void session::send_rows(portal& from, std::int32_t most, std::string& out) {
    const auto& answer = *from.answer;
    const auto left = answer.rows.size() - from.next_row;
    const auto count = most > 0 ? std::min<std::size_t>(static_cast<std::size_t>(most), left) : left;
    for (const auto end = from.next_row + count; from.next_row < end; ++from.next_row) {
        auto cells = answer.rows[from.next_row];
        for (std::size_t i = 0; i < cells.size(); ++i)
            if (cells[i] && from.binary[i]) cells[i] = binary_value(answer.columns[i].type, *cells[i]);
        pg::write_data_row(out, cells);
    }
    // As a server: a limit that is reached suspends, even when it was reached by the last row.
    if (most > 0 && count == static_cast<std::size_t>(most))
        pg::write_empty(out, 's');
    else
        write_end(out, answer);
}

void session::on_close(std::string_view body, std::string& out) {
    const auto target = pg::read_target(body);
    if (!target) return violation("invalid Close message", out);
    if (target->kind == 'S')
        statements_.erase(std::string(target->name));
    else
        portals_.erase(std::string(target->name));
    pg::write_empty(out, '3');
}

void session::on_sync(std::string& out) {
    skipping_ = false;
    if (status_ != 'T') portals_.clear();
    pg::write_ready(out, status_);
}

void session::fail(const fault& why, std::string& out) {
    write_fault(out, why);
    skipping_ = true;
    if (status_ == 'T') status_ = 'E';
}

void session::violation(std::string_view why, std::string& out) {
    pg::write_error(out, "FATAL", config::sqlstate(fault_kind::malformed_message), why);
    closed_ = true;
}

}  // namespace ringway::proxy::admin
