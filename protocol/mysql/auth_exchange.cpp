#include "protocol/mysql/auth_exchange.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "protocol/mysql/handshake.hpp"
#include "protocol/mysql/reply.hpp"

namespace ringway::protocol::mysql {

namespace {

/// The one byte of a caching_sha2_password exchange. sha256_password asks for the key with another.
constexpr char request_key = '\x02', request_key_sha256 = '\x01', fast_done = '\x03', full_needed = '\x04';

std::string with_zero(std::string_view text) {
    return std::string(text).append(1, '\0');
}

std::string hmac(std::string_view key, std::string_view data) {
    std::string out(32, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(data.data()),
         data.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
}

}  // namespace

// ---- client ---------------------------------------------------------------------------------------------------------

auth_client::auth_client(secret with, bool secure, bool public_key)
    : with_(std::move(with)), secure_(secure), public_key_(public_key) {}

auth_client::next auth_client::fail(std::string_view why) {
    problem_ = why;
    return next::failed;
}

auth_client::opening auth_client::first(std::string_view plugin, std::string_view nonce) {
    plugin_ = plugin_of(plugin);
    nonce_ = nonce.substr(0, nonce_size_of(plugin_));
    // The greeting's challenge is too short for ed25519, and nobody asked for the password itself yet.
    if (plugin_ != auth_plugin::caching_sha2 || with_.password.empty()) plugin_ = auth_plugin::native;
    return {name_of(plugin_), answer().value_or("")};
}

std::optional<std::string> auth_client::answer() {
    if (!with_.native_key.empty() && plugin_ == auth_plugin::native)
        return native_response_from_key(with_.native_key, nonce_);
    if (!with_.native_key.empty()) {
        fail("the user's password is not known, and the server asks for more than mysql_native_password");
        return std::nullopt;
    }
    switch (plugin_) {
        case auth_plugin::native:
            return native_response(with_.password, nonce_);
        case auth_plugin::caching_sha2:
            // Where a response stands alone in a packet, the empty password is one zero byte.
            return with_.password.empty() ? std::string(1, '\0') : caching_sha2_response(with_.password, nonce_);
        case auth_plugin::sha256:
            if (with_.password.empty()) return std::string(1, '\0');
            if (secure_) return with_zero(with_.password);
            if (public_key_) {
                asked_for_key_ = true;
                return std::string(1, request_key_sha256);
            }
            break;
        case auth_plugin::ed25519:
            return ed25519_response(with_.password, nonce_);
        case auth_plugin::clear:
            if (secure_) return with_zero(with_.password);
            break;
        case auth_plugin::unknown:
            fail("the server asks for an authentication plugin that Ringway does not have");
            return std::nullopt;
    }
    fail("the server asks for the password in clear text, and there is no TLS");
    return std::nullopt;
}

auth_client::next auth_client::more(std::string_view data, std::string& response) {
    if (plugin_ != auth_plugin::caching_sha2 && plugin_ != auth_plugin::sha256)
        return fail("the server sent more than its authentication plugin has");
    if (asked_for_key_) {
        asked_for_key_ = false;
        auto hidden = rsa_encrypt(with_.password, nonce_, data);
        if (!hidden) return fail("the server's RSA key cannot be used");
        response = std::move(*hidden);
        return next::send;
    }
    if (data.size() != 1) return fail("the server sent an authentication packet that is none");
    if (data[0] == fast_done) return next::wait;
    if (data[0] != full_needed) return fail("the server sent an authentication packet that is none");
    if (secure_) {
        response = with_zero(with_.password);
    } else if (public_key_) {
        asked_for_key_ = true;
        response = std::string(1, request_key);
    } else {
        return fail("the server asks for the password itself, and there is no TLS");
    }
    return next::send;
}

auth_client::next auth_client::take(std::string_view payload, std::string& response) {
    response.clear();
    if (begins_with(payload, first_byte::ok)) return next::done;
    if (begins_with(payload, first_byte::error)) return next::refused;
    if (const auto data = read_auth_more_data(payload)) return more(*data, response);
    const auto to = read_auth_switch(payload);
    if (!to) return fail("the server sent what is no part of a login");
    plugin_ = plugin_of(to->plugin);
    nonce_ = to->data.substr(0, nonce_size_of(plugin_));
    asked_for_key_ = false;
    auto answered = answer();
    if (!answered) return next::failed;
    response = std::move(*answered);
    return next::send;
}

// ---- server ---------------------------------------------------------------------------------------------------------

auth_account auth_account::from_password(std::string_view password) {
    auth_account out;
    out.no_password = password.empty();
    out.native_stored = mysql::native_stored(password);
    out.caching_sha2_stored = mysql::caching_sha2_stored(password);
    out.ed25519_public_key = mysql::ed25519_public_key(password);
    return out;
}

auth_account auth_account::mock(std::string_view user, std::string_view secret) {
    return from_password(hmac(secret, user));
}

auth_server::auth_server(auth_account account, std::string nonce, bool secure, std::shared_ptr<const rsa_key> key)
    : account_(std::move(account)), nonce_(std::move(nonce)), secure_(secure), key_(std::move(key)) {}

bool auth_server::usable(auth_plugin plugin) const {
    if (account_.ask_password)
        return plugin == auth_plugin::caching_sha2 ? secure_ || key_ : plugin == auth_plugin::clear && secure_;
    switch (plugin) {
        case auth_plugin::native:
            return account_.no_password || !account_.native_stored.empty();
        case auth_plugin::caching_sha2:
            return account_.no_password || !account_.caching_sha2_stored.empty();
        case auth_plugin::ed25519:
            return !account_.no_password && !account_.ed25519_public_key.empty();
        case auth_plugin::clear:
            return secure_;
        default:
            return false;
    }
}

auth_server::next auth_server::first(std::string_view plugin, std::string_view response, std::string& payload) {
    payload.clear();
    plugin_ = plugin.empty() ? auth_plugin::native : plugin_of(plugin);
    // The greeting's challenge is too short for ed25519, and a password in clear text is no answer to it. An empty
    // answer is also what libmysqlclient sends when the greeting was for another plugin than its own.
    const bool answers = (plugin_ == auth_plugin::native || plugin_ == auth_plugin::caching_sha2) &&
                         (account_.no_password || !response.empty());
    if (answers && usable(plugin_)) return check(response, payload);
    if (usable(plugin_)) return switch_to(plugin_, payload);
    if (usable(account_.preferred)) return switch_to(account_.preferred, payload);
    for (const auto other : {auth_plugin::caching_sha2, auth_plugin::ed25519, auth_plugin::native, auth_plugin::clear})
        if (usable(other)) return switch_to(other, payload);
    return next::refused;
}

auth_server::next auth_server::switch_to(auth_plugin plugin, std::string& payload) {
    plugin_ = plugin;
    phase_ = phase::switched;
    payload.push_back(static_cast<char>(first_byte::auth_switch));
    payload.append(name_of(plugin)).push_back('\0');
    payload.append(nonce());
    if (plugin != auth_plugin::ed25519) payload.push_back('\0');
    return next::send;
}

auth_server::next auth_server::take(std::string_view client, std::string& payload) {
    payload.clear();
    switch (phase_) {
        case phase::switched:
            return check(client, payload);
        case phase::full:
            if (secure_) return check_password(client);
            if (client == std::string_view(&request_key, 1) && key_) {
                phase_ = phase::encrypted;
                payload = static_cast<char>(first_byte::auth_more_data) + key_->public_pem();
                return next::send;
            }
            [[fallthrough]];  // a client that has the key from a file sends the password at once
        case phase::encrypted: {
            const auto password = key_ ? key_->decrypt(client, nonce()) : std::nullopt;
            return password ? check_password(with_zero(*password)) : next::refused;
        }
        case phase::first:
            break;
    }
    return next::refused;
}

auth_server::next auth_server::check(std::string_view response, std::string& payload) {
    if (plugin_ == auth_plugin::caching_sha2) return check_caching_sha2(response, payload);
    if (plugin_ == auth_plugin::clear) return check_password(response);
    if (plugin_ == auth_plugin::ed25519)
        return ed25519_check(account_.ed25519_public_key, nonce(), response) ? next::done : next::refused;
    if (account_.no_password) return response.empty() ? next::done : next::refused;
    auto key = native_check(account_.native_stored, nonce(), response);
    if (!key) return next::refused;
    native_key_ = std::move(*key);
    return next::done;
}

auth_server::next auth_server::check_caching_sha2(std::string_view response, std::string& payload) {
    const bool empty = response.empty() || response == std::string_view("\0", 1);
    if (account_.ask_password) return empty ? next::done : ask(payload);
    if (account_.no_password || empty) return account_.no_password && empty ? next::done : next::refused;
    // A server takes a wrong answer as it takes one it has no hash for. There are drivers that count the zero byte
    // after the challenge to it, and get in by this way only.
    if (!caching_sha2_check(account_.caching_sha2_stored, nonce(), response))
        return secure_ || key_ ? ask(payload) : next::refused;
    payload.push_back(static_cast<char>(first_byte::auth_more_data));
    payload.push_back(fast_done);
    return next::note;
}

auth_server::next auth_server::ask(std::string& payload) {
    phase_ = phase::full;
    payload.push_back(static_cast<char>(first_byte::auth_more_data));
    payload.push_back(full_needed);
    return next::send;
}

auth_server::next auth_server::check_password(std::string_view client) {
    if (client.ends_with('\0')) client.remove_suffix(1);
    if (account_.ask_password) {
        password_ = client;
        return next::done;
    }
    const bool right = account_.no_password              ? client.empty()
                       : !account_.native_stored.empty() ? same_secret(native_stored(client), account_.native_stored)
                       : !account_.caching_sha2_stored.empty()
                           ? same_secret(caching_sha2_stored(client), account_.caching_sha2_stored)
                           : same_secret(mysql::ed25519_public_key(client), account_.ed25519_public_key) &&
                                 !account_.ed25519_public_key.empty();
    if (!right) return next::refused;
    password_ = client;
    return next::done;
}

}  // namespace ringway::protocol::mysql
