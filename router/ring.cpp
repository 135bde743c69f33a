#include "router/ring.hpp"

// Measured on OpenSSL 3.0: the EVP calls take a heap block for every digest, these take none. The position is no secret
// and must be md5 also where a FIPS provider offers no md5.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include <algorithm>
#include <cmath>

namespace ringway::router {

std::uint64_t position(std::string_view canonical) noexcept {
    MD5_CTX digest;
    unsigned char bytes[MD5_DIGEST_LENGTH];
    MD5_Init(&digest);
    MD5_Update(&digest, canonical.data(), canonical.size());
    MD5_Final(bytes, &digest);
    std::uint64_t at = 0;
    for (int i = 0; i != 8; ++i) at = at << 8 | bytes[i];
    return at;
}

ring::ring(std::span<const member> members, std::span<const exception> exceptions) {
    constexpr double nodes_per_weight = 150;
    for (std::size_t shard = 0; shard != members.size(); ++shard) {
        if (members[shard].weight <= 0) continue;
        const auto nodes = std::max(1L, std::lround(nodes_per_weight * members[shard].weight));
        for (long i = 0; i != nodes; ++i)
            points_.push_back({.at = position(members[shard].name + "-" + std::to_string(i)),
                               .shard = static_cast<std::uint16_t>(shard)});
    }
    std::ranges::sort(points_, [](const ring_point& a, const ring_point& b) {
        return a.at != b.at ? a.at < b.at : a.shard < b.shard;
    });
    for (const auto& each : exceptions) except(each);
}

/// A point at the position itself, and one just before it for those who owned what is between.
void ring::except(const exception& what) {
    if (points_.empty()) return;
    const auto put = [this](std::uint64_t at, std::uint16_t shard) {
        const auto found = std::ranges::lower_bound(points_, at, {}, &ring_point::at);
        if (found != points_.end() && found->at == at)
            found->shard = shard;  // of several there the first one counts
        else
            points_.insert(found, {.at = at, .shard = shard});
    };
    const auto before = owner(what.at - 1);  // of position 0: the last one of the ring
    put(what.at, what.shard);
    put(what.at - 1, before);
}

std::uint16_t ring::owner(std::uint64_t at) const noexcept {
    if (points_.empty()) return 0;
    const auto found = std::ranges::lower_bound(points_, at, {}, &ring_point::at);
    return found == points_.end() ? points_.front().shard : found->shard;
}

std::string_view postgres_position_function() noexcept {
    // bit(64)::bigint is signed: adding 2^64 and taking the rest makes it 0 .. 2^64-1. One expression, so that the
    // server inlines it.
    return "CREATE OR REPLACE FUNCTION ringway_position(text) RETURNS numeric\n"
           "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $ringway$\n"
           "SELECT pg_catalog.mod(('x' || pg_catalog.substr(pg_catalog.md5($1), 1, 16))"
           "::pg_catalog.bit(64)::pg_catalog.int8::pg_catalog.numeric"
           " + 18446744073709551616, 18446744073709551616)\n"
           "$ringway$";
}

std::vector<std::string> mysql_position_function(std::string_view database) {
    std::string name = "`";
    for (const char c : database) name.append(c == '`' ? 2 : 1, c);
    name += "`.ringway_position";
    // MD5 is over the bytes of its argument, which is UTF-8 whatever the caller's character set.
    return {"DROP FUNCTION IF EXISTS " + name,
            "CREATE FUNCTION " + name +
                "(canonical LONGTEXT CHARACTER SET utf8mb4) RETURNS BIGINT UNSIGNED DETERMINISTIC NO SQL SQL SECURITY "
                "INVOKER RETURN CAST(CONV(LEFT(MD5(canonical), 16), 16, 10) AS UNSIGNED)"};
}

}  // namespace ringway::router
