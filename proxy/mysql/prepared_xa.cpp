#include "proxy/mysql/prepared_xa.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "router/mysql/lexer.hpp"

namespace ringway::proxy::mysql {

namespace {

using router::mysql::token_kind;

/// x'6162' and 0x6162; other spellings stay as they are written.
std::string from_hex(std::string_view written) {
    const bool quoted = written.size() > 2 && written[1] == '\'';
    auto digits = written.substr(2);
    if (quoted) digits.remove_suffix(1);
    const char kind = router::mysql::lower(quoted ? written[0] : written[1]);
    if (kind != 'x') return std::string(written);
    std::string out;
    if (digits.size() % 2 == 1) out.assign(1, '0');
    out.append(digits);
    std::string bytes;
    for (std::size_t i = 0; i + 1 < out.size(); i += 2) {
        unsigned value = 0;
        std::from_chars(out.data() + i, out.data() + i + 2, value, 16);
        bytes += static_cast<char>(value);
    }
    return bytes;
}

/// Between the quotes: doubled ones and backslashes stand for one character.
std::string from_string(std::string_view written, bool backslashes) {
    std::string out;
    const char quote = written.front();
    for (std::size_t i = 1; i + 1 < written.size(); ++i) {
        const bool first_of_two = written[i] == quote || (backslashes && written[i] == '\\');
        if (first_of_two && i + 2 < written.size()) ++i;
        out += written[i];
    }
    return out;
}

}  // namespace

std::string xid_bytes(std::string_view written, const router::mysql_modes& modes) {
    std::array<std::string, 2> parts;
    std::size_t part = 0;
    router::mysql::lexer words(written, modes);
    for (auto next = words.next(); next.kind != token_kind::end && next.kind != token_kind::bad; next = words.next()) {
        const auto text = written.substr(next.offset, next.length);
        if (text == ",") ++part;
        if (part >= parts.size()) break;
        if (next.kind == token_kind::string) parts[part] = from_string(text, !modes.no_backslash_escapes);
        if (next.kind == token_kind::bits) parts[part] = from_hex(text);
    }
    return std::to_string(parts[0].size()) + ":" + parts[0] + parts[1];
}

xa_holders& xa_holders::the() {
    static xa_holders all;
    return all;
}

void xa_holders::add(const std::string& cluster, const std::string& xid, holder which) {
    const std::lock_guard hold(guard_);
    holders_[key_of(cluster, xid)] = std::move(which);
}

void xa_holders::remove(const std::string& cluster, const std::string& xid, std::uint64_t client) {
    const std::lock_guard hold(guard_);
    const auto it = holders_.find(key_of(cluster, xid));
    if (it != holders_.end() && it->second.client == client) holders_.erase(it);
}

std::optional<xa_holders::holder> xa_holders::find(const std::string& cluster, const std::string& xid) const {
    const std::lock_guard hold(guard_);
    const auto it = holders_.find(key_of(cluster, xid));
    return it == holders_.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace ringway::proxy::mysql
