#include "protocol/postgres/startup.hpp"

#include "protocol/postgres/frame.hpp"

namespace ringway::protocol::postgres {

namespace {

constexpr std::uint32_t special = 1234;  ///< major version of the requests that are not startups
constexpr std::uint32_t cancel_code = special << 16 | 5678, ssl_code = special << 16 | 5679,
                        gss_code = special << 16 | 5680;
constexpr char tls_handshake = 0x16;

startup_packet malformed(startup_packet out, std::string why) {
    out.what = startup_packet::kind::malformed;
    out.problem = std::move(why);
    return out;
}

/// A server only logs it: what comes may be anything (backend_startup.c, COMMERROR).
startup_packet of_no_length(startup_packet out, std::string why) {
    out.silent = true;
    return malformed(std::move(out), std::move(why));
}

startup_packet read_parameters_of_startup(startup_packet out, reader in) {
    for (;;) {
        const auto name = in.text();
        if (!in.ok())
            return malformed(std::move(out), "invalid startup packet layout: expected terminator as last byte");
        if (name.empty()) break;
        const auto value = in.text();
        if (!in.ok())
            return malformed(std::move(out), "invalid startup packet layout: expected terminator as last byte");
        if (name.starts_with("_pq_.")) out.unknown_options.emplace_back(name);
        out.parameters.emplace_back(name, value);
    }
    if (!in.at_end())
        return malformed(std::move(out), "invalid startup packet layout: expected terminator as last byte");
    out.what = startup_packet::kind::startup;
    return out;
}

}  // namespace

std::string_view startup_packet::get(std::string_view name) const noexcept {
    for (const auto& [key_name, value] : parameters)
        if (key_name == name) return value;
    return {};
}

startup_packet read_startup(std::string_view bytes) {
    startup_packet out;
    if (!bytes.empty() && bytes[0] == tls_handshake) {
        out.what = startup_packet::kind::direct_tls;
        return out;
    }
    if (bytes.size() < 4) return out;
    out.size = load32(bytes.data());
    if (out.size < 8 || out.size > max_startup) return of_no_length(std::move(out), "invalid length of startup packet");
    if (bytes.size() < out.size) return out;
    const auto code = load32(bytes.data() + 4);
    reader in(bytes.substr(8, out.size - 8));
    switch (code) {
        case ssl_code:
            out.what = startup_packet::kind::ssl_request;
            break;
        case gss_code:
            out.what = startup_packet::kind::gss_request;
            break;
        case cancel_code:
            if (out.size < 16 || out.size > 12 + 256)
                return of_no_length(std::move(out), "invalid length of cancel request");
            out.pid = static_cast<std::uint32_t>(in.i32());
            out.key = in.rest();
            out.what = startup_packet::kind::cancel;
            return out;
        default:
            out.major = static_cast<std::uint16_t>(code >> 16);
            out.minor = static_cast<std::uint16_t>(code & 0xffff);
            if (out.major != 3) {
                out.what = startup_packet::kind::unsupported_version;
                return out;
            }
            return read_parameters_of_startup(std::move(out), in);
    }
    if (out.size != 8) return of_no_length(std::move(out), "invalid length of startup packet");
    return out;
}

void write_negotiate_version(std::string& to, std::uint16_t minor, const std::vector<std::string>& unknown_options) {
    writer out(to, 'v');
    out.i32(3 << 16 | minor).i32(static_cast<std::int64_t>(unknown_options.size()));
    for (const auto& name : unknown_options) out.text(name);
}

void write_startup(std::string& to, const std::vector<std::pair<std::string, std::string>>& parameters) {
    writer out(to);
    out.i32(3 << 16);
    for (const auto& [name, value] : parameters) out.text(name).text(value);
    out.u8(0);
}

void write_ssl_request(std::string& to) {
    writer(to).i32(ssl_code);
}
void write_cancel(std::string& to, std::uint32_t pid, std::string_view key) {
    writer(to).i32(cancel_code).i32(pid).bytes(key);
}

namespace {

/// Words of the options string: separated by white space, a backslash keeps the next character and is dropped.
std::vector<std::string> words_of(std::string_view options) {
    std::vector<std::string> out;
    bool in_word = false;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const char c = options[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            in_word = false;
            continue;
        }
        if (!in_word) out.emplace_back();
        in_word = true;
        if (c != '\\')
            out.back() += c;
        else if (i + 1 < options.size())
            out.back() += options[++i];
    }
    return out;
}

}  // namespace

bool read_options(std::string_view options, std::vector<std::pair<std::string, std::string>>& settings,
                  std::string& problem) {
    const auto words = words_of(options);
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto& word = words[i];
        const bool is_long = word.starts_with("--");
        std::string setting;
        if (word == "-c" && i + 1 < words.size())
            setting = words[++i];
        else if ((is_long || word.starts_with("-c")) && word.size() > 2)
            setting = word.substr(2);
        const auto equals = setting.find('=');
        if (equals == std::string::npos || equals == 0) {
            problem = setting.empty() || equals == 0 ? "invalid command-line argument for server process: " + word
                                                     : (is_long ? "--" : "-c ") + setting + " requires a value";
            return false;
        }
        auto name = setting.substr(0, equals);
        for (char& c : name)
            if (c == '-') c = '_';
        settings.emplace_back(std::move(name), setting.substr(equals + 1));
    }
    return true;
}

}  // namespace ringway::protocol::postgres
