#include "proxy/cli/connection_string.hpp"

#include <fmt/format.h>

#include "proxy/admin/setting_names.hpp"

namespace ringway::proxy::cli {

namespace {

void append(std::string& to, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (!to.empty()) to.push_back(' ');
    to.append(name).append("='");
    for (const char c : value) {
        if (c == '\'' || c == '\\') to.push_back('\\');
        to.push_back(c);
    }
    to.push_back('\'');
}

}  // namespace

std::string connection_string(const connection_target& to) {
    std::string out;
    auto host = to.host;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    append(out, "host", host);
    if (to.port != 0) append(out, "port", fmt::to_string(to.port));
    append(out, "user", to.user);
    append(out, "password", to.password);
    append(out, "dbname", to.database);
    append(out, "application_name", to.application_name);
    append(out, "connect_timeout", fmt::to_string(to.connect_timeout_seconds));
    if (!to.with_tls) return out;
    append(out, "sslmode", admin::name_of(to.tls.mode));
    append(out, "sslcert", to.tls.certificate_file);
    append(out, "sslkey", to.tls.key_file);
    append(out, "sslrootcert", to.tls.ca_file);
    return out;
}

}  // namespace ringway::proxy::cli
