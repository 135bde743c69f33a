// The shape lexer against the server's own lexer and parser, as libpg_query has them.

#include <doctest/doctest.h>
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "router/shape.hpp"
#include "sql_corpus.hpp"

using namespace ringway;
using namespace ringway::router;

namespace {

enum class token : std::uint8_t { integer, decimal, string, unicode, bits };

struct found_literal {
    token kind;
    std::uint32_t offset, end;
    friend bool operator==(const found_literal&, const found_literal&) = default;
};

std::optional<token> kind_of(PgQuery__Token kind) {
    switch (kind) {
        case PG_QUERY__TOKEN__ICONST:
            return token::integer;
        case PG_QUERY__TOKEN__FCONST:
            return token::decimal;
        case PG_QUERY__TOKEN__SCONST:
            return token::string;
        case PG_QUERY__TOKEN__USCONST:
            return token::unicode;
        case PG_QUERY__TOKEN__BCONST:
        case PG_QUERY__TOKEN__XCONST:
            return token::bits;
        default:
            return std::nullopt;
    }
}

token kind_of(literal_kind kind) {
    switch (kind) {
        case literal_kind::integer:
            return token::integer;
        case literal_kind::decimal:
            return token::decimal;
        case literal_kind::bit_string:
            return token::bits;
        case literal_kind::unicode_string:
            return token::unicode;
        default:
            return token::string;
    }
}

struct scan_result {
    std::vector<found_literal> literals;
    std::string error;
};

/// libpg_query reports a wrong end for U&'..', so its end is left out on both sides.
std::uint32_t comparable_end(token kind, std::uint32_t end) {
    return kind == token::unicode ? 0 : end;
}

scan_result scan_by_server(const std::string& text) {
    scan_result result;
    const PgQueryScanResult raw = pg_query_scan(text.c_str());
    if (raw.error != nullptr) {
        result.error = raw.error->message;
    } else {
        auto* tokens =
            pg_query__scan_result__unpack(nullptr, raw.pbuf.len, reinterpret_cast<const std::uint8_t*>(raw.pbuf.data));
        for (std::size_t i = 0; i != tokens->n_tokens; ++i) {
            const auto* one = tokens->tokens[i];
            if (const auto kind = kind_of(one->token))
                result.literals.push_back({*kind, static_cast<std::uint32_t>(one->start),
                                           comparable_end(*kind, static_cast<std::uint32_t>(one->end))});
        }
        pg_query__scan_result__free_unpacked(tokens, nullptr);
    }
    pg_query_free_scan_result(raw);
    return result;
}

std::vector<found_literal> scan_by_us(const shape& of) {
    std::vector<found_literal> all;
    for (const auto& one : of.literals)
        all.push_back({kind_of(one.kind), one.offset, comparable_end(kind_of(one.kind), one.offset + one.length)});
    return all;
}

/// libpg_query, unlike the server, does not take a comment between the parts of a continued string.
bool continued_over_comment(std::string_view text, const shape& of) {
    for (const auto& one : of.literals) {
        const auto source = text.substr(one.offset, one.length);
        if (one.kind != literal_kind::dollar_string && source.find("--") != source.npos &&
            source.find_first_of("\r\n") != source.npos)
            return true;
    }
    return false;
}

/// Compares both lexers on one text; true when it could be compared.
bool agree(const std::string& text) {
    shape_lexer lexer;
    const auto ours = lexer.scan(text);
    if (continued_over_comment(text, ours)) return false;
    const auto server = scan_by_server(text);
    if (!server.error.empty()) {
        if (server.error.starts_with("unterminated")) CHECK_MESSAGE(!ours.complete, text);
        return false;
    }
    CHECK_MESSAGE(scan_by_us(ours) == server.literals, text);
    return true;
}

/// 0 when the text does not parse.
std::uint64_t fingerprint(const std::string& text) {
    const auto raw = pg_query_fingerprint(text.c_str());
    const std::uint64_t value = raw.error == nullptr ? raw.fingerprint : 0;
    pg_query_free_fingerprint_result(raw);
    return value;
}

using random_engine = std::mt19937;

std::size_t pick(random_engine& random, std::size_t below) {
    return random() % below;
}

/// Small damages: bytes lost, doubled or swapped for nasty ones.
std::string mutated(std::string text, random_engine& random) {
    static const std::string_view nasty[] = {"'",  "\"", "$",   "$$", "/*", "*/",  "--", "\n", "\\", ".",  "e",
                                             "E'", "B'", "U&'", "1",  "a",  "$a$", "::", "x'", "N'", "''", " "};
    for (std::size_t n = 1 + pick(random, 3); n-- != 0 && !text.empty();) {
        const auto at = pick(random, text.size());
        switch (pick(random, 3)) {
            case 0:
                text.erase(at, 1 + pick(random, 3));
                break;
            case 1:
                text.insert(at, nasty[pick(random, std::size(nasty))]);
                break;
            default:
                text.insert(at, text.substr(pick(random, text.size()), 1 + pick(random, 6)));
                break;
        }
    }
    return text;
}

std::string other_literal(literal_kind kind, random_engine& random) {
    const auto number = std::to_string(pick(random, 100'000));
    switch (kind) {
        case literal_kind::integer:
            return number;
        case literal_kind::decimal:
            return number + ".25";
        case literal_kind::string:
            return "'v''" + number + "'";
        case literal_kind::escape_string:
            return "E'v\\'" + number + "'";
        case literal_kind::dollar_string:
            return "$v$'" + number + "$v$";
        case literal_kind::bit_string:
            return "B'0101'";
        case literal_kind::unicode_string:
            return "U&'v" + number + "'";
        case literal_kind::national_string:  // MySQL's
            break;
    }
    return number;
}

/// The same statement with other values, other blanks and other case.
std::string variant(std::string_view text, const shape& of, random_engine& random) {
    std::string out;
    std::size_t at = 0;
    bool quoted = false;
    const auto copy = [&](std::size_t to) {
        const bool comment = text.substr(at, to - at).find("--") != text.npos;
        for (; at != to; ++at) {
            const char c = text[at];
            if (c == '"') quoted = !quoted;
            if (c == ' ' && !quoted && !comment) {
                out += pick(random, 2) == 0 ? " \n\t" : " /* 'c' */ ";
            } else if (c >= 'a' && c <= 'z' && !quoted && pick(random, 2) == 0) {
                out += static_cast<char>(c - 'a' + 'A');
            } else {
                out += c;
            }
        }
    };
    for (const auto& one : of.literals) {
        copy(one.offset);
        out += other_literal(one.kind, random);
        at = one.offset + one.length;
    }
    copy(text.size());
    return out;
}

}  // namespace

TEST_CASE("shape: literals stand where the server's lexer finds them") {
    std::size_t compared = 0;
    for (const auto text : test::data_statements()) compared += agree(std::string(text)) ? 1 : 0;
    CHECK(compared >= test::data_statements().size() - 3);
    for (const auto text : test::other_texts()) compared += agree(std::string(text)) ? 1 : 0;
    CHECK(compared >= 150);
}

TEST_CASE("shape: literals of damaged texts stand where the server's lexer finds them") {
    random_engine random(20240601);
    std::size_t compared = 0;
    for (int round = 0; round != 40; ++round) {
        for (const auto text : test::data_statements()) compared += agree(mutated(std::string(text), random)) ? 1 : 0;
        for (const auto text : test::other_texts()) compared += agree(mutated(std::string(text), random)) ? 1 : 0;
    }
    CHECK(compared > 2000);
}

TEST_CASE("shape: other values, blanks and case keep the shape and the server's fingerprint") {
    random_engine random(20240602);
    std::size_t compared = 0;
    for (const auto text : test::data_statements()) {
        if (text.find("ingway:") != text.npos || text.find("RINGWAY:") != text.npos) continue;  // case matters in hints
        const auto expected = fingerprint(std::string(text));
        if (expected == 0) continue;
        shape_lexer lexer;
        const auto original = lexer.scan(text);
        REQUIRE_MESSAGE(original.complete, text);
        for (int round = 0; round != 5; ++round) {
            const auto other = variant(text, original, random);
            shape_lexer other_lexer;
            const auto scanned = other_lexer.scan(other);
            CHECK_MESSAGE(scanned.normalized == original.normalized, other);
            CHECK(scanned.hash == original.hash);
            const auto got = fingerprint(other);
            if (got == 0) continue;
            CHECK_MESSAGE(got == expected, other);
            ++compared;
        }
    }
    CHECK(compared > 400);
}

TEST_CASE("shape: texts with one normalized text have one fingerprint") {
    random_engine random(20240603);
    std::map<std::string, std::pair<std::uint64_t, std::string>> seen;
    std::size_t compared = 0;
    for (int round = 0; round != 60; ++round) {
        for (const auto text : test::data_statements()) {
            const auto damaged = mutated(std::string(text), random);
            shape_lexer lexer;
            const auto scanned = lexer.scan(damaged);
            if (!scanned.complete) continue;
            const auto print = fingerprint(damaged);
            if (print == 0) continue;
            const auto [known, fresh] = seen.try_emplace(std::string(scanned.normalized), print, damaged);
            if (fresh || known->second.second == damaged) continue;
            CHECK_MESSAGE(known->second.first == print, known->second.second, "\n against \n", damaged);
            ++compared;
        }
    }
    CHECK(compared > 200);
}
