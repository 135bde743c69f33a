#include "router/clauses.hpp"

#include <algorithm>

#include "router/lexical.hpp"

namespace ringway::router {

using postgres::token_kind;

namespace {

/// Cuts at the outermost level, from the front to the back.
class cutter {
  public:
    explicit cutter(clauses& out) : out_(out) {}

    bool run() {
        std::size_t at = 1;
        if (!out_.is(0, "select")) return false;
        if (is_word(at, "all") || is_word(at, "distinct")) ++at;
        if (!take_list(at, out_.items) || !is_word(at, "from") || out_.items.empty()) return false;
        out_.from = at;
        at = next_clause(at + 1);
        out_.tail = at;
        if (is_word(at, "group")) {
            at += 2;
            if (!take_list(at, out_.groups)) return false;
        }
        if (is_word(at, "having")) {
            out_.having = {at + 1, next_clause(at + 1)};
            at = out_.having.to;
        }
        if (is_word(at, "order")) {
            at += 2;
            if (!take_list(at, out_.sorts)) return false;
        }
        out_.bounds = at;
        return at == out_.end || is_word(at, "limit") || is_word(at, "offset") || is_word(at, "fetch") ||
               is_word(at, "for");
    }

  private:
    bool is_word(std::size_t at, std::string_view keyword) const { return at < out_.end && out_.is(at, keyword); }

    /// A keyword, and no name after a dot or AS.
    bool is_clause(std::size_t at) const {
        if (at >= out_.end || out_.tokens[at].kind != token_kind::word) return false;
        const auto before = out_.text_of(at - 1);
        if (before == "." || lexical::same_word(before, "as")) return false;
        if (is_word(at, "from"))  // IS DISTINCT FROM
            return !(lexical::same_word(before, "distinct") && at >= 2 &&
                     (is_word(at - 2, "is") || is_word(at - 2, "not")));
        if (is_word(at, "group") || is_word(at, "order")) return is_word(at + 1, "by");
        for (const auto* each :
             {"having", "limit", "offset", "fetch", "window", "for", "union", "intersect", "except", "into"})
            if (is_word(at, each)) return true;
        return false;
    }

    std::size_t next_clause(std::size_t at) const {
        while (at < out_.end && !is_clause(at)) at = step(at);
        return at;
    }

    std::size_t step(std::size_t at) const {
        const auto first = out_.text_of(at);
        return first == "(" || first == "[" ? out_.after_parenthesis(at) : at + 1;
    }

    /// Expressions between commas.
    bool take_list(std::size_t& at, std::vector<token_range>& out) {
        for (;;) {
            token_range one{at, at};
            while (at < out_.end && !is_clause(at) && out_.text_of(at) != ",") at = step(at);
            one.to = at;
            if (one.empty()) return false;
            out.push_back(one);
            if (at >= out_.end || out_.text_of(at) != ",") return true;
            ++at;
        }
    }

    clauses& out_;
};

}  // namespace

std::string_view clauses::text_of(token_range range) const noexcept {
    if (range.empty()) return {};
    const auto start = tokens[range.from].offset;
    return text.substr(start, tokens[range.to - 1].stop() - start);
}

std::string_view clauses::text_of(std::size_t token) const noexcept {
    return text.substr(tokens[token].offset, tokens[token].length);
}

bool clauses::is(std::size_t token, std::string_view keyword) const noexcept {
    return token < tokens.size() && tokens[token].kind == token_kind::word &&
           lexical::same_word(text_of(token), keyword);
}

std::size_t clauses::token_at(std::uint32_t byte) const noexcept {
    const auto found = std::lower_bound(tokens.begin(), tokens.end(), byte,
                                        [](const postgres::token& each, std::uint32_t at) { return each.offset < at; });
    return found != tokens.end() && found->offset == byte ? static_cast<std::size_t>(found - tokens.begin()) : npos;
}

std::size_t clauses::after_parenthesis(std::size_t token) const noexcept {
    int depth = 0;
    for (; token < end; ++token) {
        const auto is = text_of(token);
        if (is == "(" || is == "[") ++depth;
        if ((is == ")" || is == "]") && --depth == 0) return token + 1;
    }
    return end;
}

std::optional<clauses> clauses_of(std::string_view text, std::span<const literal> literals, std::uint32_t at) {
    clauses out;
    out.text = text;
    postgres::token_reader in(text, literals, at);
    for (auto next = in.next(); next.kind != token_kind::end; next = in.next()) out.tokens.push_back(next);
    while (!out.tokens.empty() && out.text_of(out.tokens.size() - 1) == ";") out.tokens.pop_back();
    out.end = out.tokens.size();
    if (!cutter(out).run()) return std::nullopt;
    return out;
}

}  // namespace ringway::router
