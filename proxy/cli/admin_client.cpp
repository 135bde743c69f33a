#include "proxy/cli/admin_client.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <pqxx/pqxx>

#include "config/load.hpp"
#include "proxy/admin/command.hpp"
#include "proxy/admin/execute.hpp"
#include "proxy/cli/connection_string.hpp"
#include "proxy/cli/follow.hpp"
#include "proxy/cli/print_table.hpp"
#include "proxy/http/json.hpp"

namespace ringway::proxy::cli {

using config::fault;
using config::fault_kind;

namespace {

/// The first user that may use the admin port and whose password can be sent.
const config::user* admin_user(const config::settings& in) {
    for (const auto& one : in.users)
        if (one.admin && one.name != "*" && config::is_plain_password(one.password)) return &one;
    return nullptr;
}

/// Fills in what was not given from the configuration file.
std::variant<connection_target, fault> target_of(const admin_options& with) {
    connection_target to{with.host, with.port, with.user, with.password, "ringway", "ringway admin", 10, {}, false};
    to.with_tls = !with.certificate.empty() || !with.ca.empty();
    to.tls.mode = with.ca.empty() ? config::tls_mode::require : config::tls_mode::verify_ca;
    to.tls.certificate_file = with.certificate;
    to.tls.key_file = with.key;
    to.tls.ca_file = with.ca;
    if (with.config_file.empty()) {
        if (to.host.empty()) to.host = "127.0.0.1";
        if (to.port == 0) to.port = 6434;
        return to;
    }
    const auto loaded = config::load_file(with.config_file);
    if (!loaded.ok())
        return fault{
            fault_kind::invalid_parameter, loaded.mistakes.front().message(), {}, "ringway --check shows all mistakes"};
    const auto& address = loaded.value.listen.admin;
    if (!address && (to.host.empty() || to.port == 0))
        return fault{fault_kind::invalid_parameter,
                     fmt::format("{} has no [listen] admin", with.config_file),
                     {},
                     "give --host and --port"};
    const bool everywhere = address && (address->host == "0.0.0.0" || address->host == "::" ||
                                        address->host == "[::]" || address->host == "*");
    if (to.host.empty()) to.host = everywhere ? "127.0.0.1" : address->host;
    if (to.port == 0) to.port = address->port;
    if (!to.user.empty()) {
        const auto* known = loaded.value.find_user(to.user);
        if (to.password.empty() && known && known->name == to.user && config::is_plain_password(known->password))
            to.password = known->password;
    } else if (const auto* known = admin_user(loaded.value)) {
        to.user = known->name;
        if (to.password.empty()) to.password = known->password;
    }
    return to;
}

/// Names of columns live as long as the program: a few dozen.
std::string_view lasting(const std::string& name) {
    static std::deque<std::string> names;
    for (const auto& one : names)
        if (one == name) return one;
    return names.emplace_back(name);
}

admin::table table_of(const pqxx::result& from, const std::string& command) {
    admin::table made;
    for (pqxx::row::size_type i = 0; i < from.columns(); ++i)
        made.columns.push_back({lasting(from.column_name(i)), static_cast<admin::column_type>(from.column_type(i))});
    for (const auto& line : from) {
        auto& one = made.rows.emplace_back();
        for (const auto& value : line)
            one.push_back(value.is_null() ? admin::cell{} : admin::cell(std::string(value.c_str(), value.size())));
    }
    made.tag = command;
    return made;
}

/// libpq's message, in Ringway's form: without its severity and line ends.
std::string message_of(std::string text) {
    if (const auto start = text.find("ERROR:  "); start != std::string::npos) text.erase(0, start + 8);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

std::string tag_of(const std::string& command) {
    const auto parsed = admin::parse_command(command);
    return parsed.error ? "OK" : std::string(admin::tag_of(parsed.value));
}

/// What the admin port tells beside its answer, such as what a RELOAD leaves for a restart.
class print_warnings : public pqxx::errorhandler {
  public:
    using pqxx::errorhandler::errorhandler;
    bool operator()(const char text[]) noexcept override {
        std::fputs(text, stderr);
        return true;
    }
};

}  // namespace

admin::result ask_admin_port(const admin_options& with) {
    auto to = target_of(with);
    if (auto* refused = std::get_if<fault>(&to)) return std::move(*refused);
    try {
        pqxx::connection connection(connection_string(std::get<connection_target>(to)));
        const print_warnings to_stderr(connection);
        pqxx::nontransaction work(connection);
        return table_of(work.exec(with.command), tag_of(with.command));
    } catch (const pqxx::sql_error& error) {
        return fault{fault_kind::invalid_parameter, message_of(error.what()), {}, {}};
    } catch (const std::exception& error) {
        return fault{fault_kind::cannot_connect, message_of(error.what()), {}, {}};
    }
}

int run_admin(const admin_options& with) {
    const auto answer = ask_admin_port(with);
    if (const auto* refused = std::get_if<fault>(&answer)) {
        fmt::print(stderr, "ringway: {}\n", refused->message);
        if (!refused->hint.empty()) fmt::print(stderr, "hint: {}\n", refused->hint);
        return 1;
    }
    const auto& got = std::get<admin::table>(answer);
    if (with.follow) return follow_rebalance(with);
    fmt::print("{}", with.json ? http::json_of(got) + "\n" : aligned(got));
    return 0;
}

}  // namespace ringway::proxy::cli
