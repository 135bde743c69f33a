#include "config/toml/secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace ringway::config::source {

namespace {

constexpr std::string_view in_environment = "env:", in_file = "file:";
constexpr std::string_view scram_start = "SCRAM-SHA-256$", md5_start = "md5";
constexpr std::size_t md5_digits = 32, sha_256_bytes = 32;
/// "md5" and at least so many hex digits, and nothing else, is meant as a verifier.
constexpr std::size_t md5_suspected = 20;

std::optional<std::string> from_environment(const std::string& name, std::string& problem) {
    if (name.empty()) {
        problem = "\"env:\" names no variable; write \"env:NAME\"";
        return std::nullopt;
    }
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && *value != '\0') return value;
    problem = fmt::format("environment variable {} is {}", name, value == nullptr ? "not set" : "empty");
    return std::nullopt;
}

std::optional<std::string> from_file(const std::string& path, std::string& problem) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream all;
    if (file) all << file.rdbuf();
    if (!file || file.bad() || (all.fail() && errno != 0)) {
        problem = fmt::format("file {} cannot be read: {}", path, std::strerror(errno));
        return std::nullopt;
    }
    auto secret = all.str();
    if (secret.ends_with('\n')) secret.pop_back();
    if (secret.ends_with('\r')) secret.pop_back();
    if (!secret.empty() && secret.find_first_of(std::string_view("\n\0", 2)) == std::string::npos) return secret;
    problem = fmt::format("file {} {}; the password must be its only line", path,
                          secret.empty() ? "is empty" : "has several lines");
    return std::nullopt;
}

/// Splits at the first `at`; false: there is none.
bool split(std::string_view text, char at, std::string_view& left, std::string_view& right) {
    const auto place = text.find(at);
    if (place == std::string_view::npos) return false;
    left = text.substr(0, place);
    right = text.substr(place + 1);
    return true;
}

/// Base64 with padding, of `bytes` bytes (0: any number but none).
bool is_base64(std::string_view text, std::size_t bytes) {
    if (text.empty() || text.size() % 4 != 0) return false;
    const auto padding = text.ends_with("==") ? 2u : text.ends_with('=') ? 1u : 0u;
    const auto digits = text.substr(0, text.size() - padding);
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    if (!std::all_of(digits.begin(), digits.end(), fits)) return false;
    return bytes == 0 || text.size() / 4 * 3 - padding == bytes;
}

bool is_scram(std::string_view verifier) {
    std::string_view start, keys, iterations, salt, stored, server;
    if (!split(verifier.substr(scram_start.size()), '$', start, keys)) return false;
    if (!split(start, ':', iterations, salt) || !split(keys, ':', stored, server)) return false;
    int count = 0;
    const auto [end, error] = std::from_chars(iterations.data(), iterations.data() + iterations.size(), count);
    if (error != std::errc{} || end != iterations.data() + iterations.size() || count < 1) return false;
    return is_base64(salt, 0) && is_base64(stored, sha_256_bytes) && is_base64(server, sha_256_bytes);
}

secret_form md5_form(std::string_view digits) {
    const auto only = [&](std::string_view letters) {
        return digits.find_first_not_of(letters) == std::string_view::npos;
    };
    if (digits.size() == md5_digits) return only("0123456789abcdef") ? secret_form::md5 : secret_form::malformed;
    const bool meant = digits.size() >= md5_suspected && only("0123456789abcdefABCDEF");
    return meant ? secret_form::malformed : secret_form::plain;
}

}  // namespace

std::optional<std::string> resolve_secret(const std::string& text,
                                          const std::function<std::string(const std::string&)>& resolve,
                                          std::string& problem) {
    if (text.starts_with(in_environment)) return from_environment(text.substr(in_environment.size()), problem);
    if (!text.starts_with(in_file)) return text;
    const auto path = text.substr(in_file.size());
    if (!path.empty()) return from_file(resolve(path), problem);
    problem = "\"file:\" names no file; write \"file:PATH\"";
    return std::nullopt;
}

secret_form form_of(std::string_view secret, std::string& problem) {
    auto form = secret_form::plain;
    if (secret.starts_with(scram_start)) {
        form = is_scram(secret) ? secret_form::scram : secret_form::malformed;
        problem =
            "not a SCRAM verifier; right is SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, the last three "
            "in base64, as in pg_authid.rolpassword";
    } else if (secret.starts_with(md5_start)) {
        form = md5_form(secret.substr(md5_start.size()));
        problem = "not an md5 verifier; right is md5 and 32 lower-case hex digits, as in pg_authid.rolpassword";
    }
    return form;
}

}  // namespace ringway::config::source
