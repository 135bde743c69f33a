#include "router/postgres/lexical.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "router/lexical.hpp"

namespace ringway::router::postgres {

namespace {

using lexical::is_space;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// One `name=value` of a hint.
void read_hint(std::string_view item, routing_hint& out) {
    if (item == "role=primary") {
        out.role = routing_hint::role_wish::primary;
    } else if (item == "role=replica") {
        out.role = routing_hint::role_wish::replica;
    } else if (item.starts_with("shard=") && item.size() > 6) {
        out.shard = item.substr(6);
    } else {
        out.unknown = item;
    }
}

/// A comment as it stands in the text: a hint when it begins with "ringway:".
void read_comment(std::string_view comment, routing_hint& out) {
    if (!comment.starts_with("/*") || comment.size() < 4) return;
    auto body = trimmed(comment.substr(2, comment.size() - 4));
    constexpr std::string_view mark = "ringway:";
    if (!lexical::same_word(body.substr(0, mark.size()), mark)) return;
    body = trimmed(body.substr(mark.size()));
    if (body.empty()) out.unknown = "empty";
    while (!body.empty()) {
        const auto end = std::min(body.size(), body.find_first_of(" \t\r\n,"));
        if (end > 0) read_hint(body.substr(0, end), out);
        body = trimmed(body.substr(std::min(body.size(), end + 1)));
    }
}

/// Bounds the depth of the parse tree. A level of parentheses adds what its longest run of tokens can nest: commas,
/// AND, OR and the words of CASE end a run, for the parser makes flat lists of them; set operations and joins nest to
/// the left.
class depth_meter {
  public:
    void symbol(char c) {
        if (c == '(' || c == '[') {
            levels_.push_back({});
        } else if ((c == ')' || c == ']') && levels_.size() > 1) {
            levels_sum_ -= levels_.back().sum();
            levels_.pop_back();
            count();
        } else if (c == ',') {
            cut();
        } else if (c == ';') {
            levels_.assign(1, {});
            levels_sum_ = 0;
        } else {
            count();
        }
    }

    void word(std::string_view lowered) {
        static constexpr std::string_view cuts[] = {"and", "or", "when", "then", "else", "select", "values", "on"};
        static constexpr std::string_view nests[] = {"union", "except", "intersect", "join"};
        if (std::find(std::begin(nests), std::end(nests), lowered) != std::end(nests)) {
            cut();
            ++levels_.back().nested;
            ++levels_sum_;
            note();
        } else if (std::find(std::begin(cuts), std::end(cuts), lowered) != std::end(cuts)) {
            cut();
        } else {
            count();
        }
    }

    void count() {
        ++levels_.back().run;
        ++levels_sum_;
        note();
    }

    std::size_t deepest() const noexcept { return deepest_; }

  private:
    struct level {
        std::size_t run = 0, nested = 0;
        std::size_t sum() const noexcept { return run + nested; }
    };
    void cut() {
        levels_sum_ -= levels_.back().run;
        levels_.back().run = 0;
    }
    void note() { deepest_ = std::max(deepest_, levels_sum_ + levels_.size()); }

    std::vector<level> levels_ = std::vector<level>(1);
    std::size_t levels_sum_ = 0, deepest_ = 0;
};

}  // namespace

token_reader::token_reader(std::string_view text, std::span<const literal> literals, std::uint32_t from)
    : text_(text), literals_(literals), at_(from) {
    const auto first = std::lower_bound(literals.begin(), literals.end(), from,
                                        [](const literal& l, std::uint32_t at) { return l.offset < at; });
    next_literal_ = static_cast<std::size_t>(first - literals.begin());
}

token token_reader::next() {
    auto found = next_or_comment();
    while (found.kind == token_kind::comment) found = next_or_comment();
    return found;
}

token token_reader::next_or_comment() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    while (next_literal_ < literals_.size() && literals_[next_literal_].offset < at_) ++next_literal_;
    token found{token_kind::end, at_, 0};
    if (at_ >= text_.size()) return found;
    const char c = text_[at_];
    const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    std::uint32_t stop = at_ + 1;
    if (next_literal_ < literals_.size() && literals_[next_literal_].offset == at_) {
        found.kind = token_kind::literal;
        stop = at_ + std::max<std::uint32_t>(1, literals_[next_literal_++].length);
    } else if ((c == '-' && after == '-') || (c == '/' && after == '*')) {
        found.kind = token_kind::comment;
        stop = end_of_comment();
    } else if (c == '"') {
        found.kind = token_kind::quoted_name;
        stop = end_of_quoted(at_);
    } else if ((c == 'U' || c == 'u') && after == '&' && at_ + 2 < text_.size() && text_[at_ + 2] == '"') {
        found.kind = token_kind::quoted_name;
        stop = end_of_quoted(at_ + 2);
    } else if (lexical::is_word_start(c)) {
        found.kind = token_kind::word;
        while (stop < text_.size() && lexical::is_word(text_[stop])) ++stop;
    } else {
        found.kind = token_kind::symbol;
    }
    found.length = std::min(stop, static_cast<std::uint32_t>(text_.size())) - at_;
    at_ = found.stop();
    return found;
}

std::uint32_t token_reader::end_of_comment() const noexcept {
    const char* const end = text_.data() + text_.size();
    const char* at = text_.data() + at_;
    if (*at == '/') {
        const char* const after = lexical::skip_comment(at, end);
        return static_cast<std::uint32_t>((after ? after : end) - text_.data());
    }
    while (at != end && !lexical::is_newline(*at)) ++at;
    return static_cast<std::uint32_t>(at - text_.data());
}

std::uint32_t token_reader::end_of_quoted(std::uint32_t from) const noexcept {
    const auto size = static_cast<std::uint32_t>(text_.size());
    for (auto at = from + 1; at < size; ++at) {
        if (text_[at] != '"') continue;
        if (at + 1 < size && text_[at + 1] == '"')
            ++at;
        else
            return at + 1;
    }
    return size;
}

bool token_reader::is(const token& what, std::string_view keyword) const noexcept {
    return what.kind == token_kind::word && lexical::same_word(text_of(what), keyword);
}

namespace {

/// Counts operator characters in a row. The server's lexer tries again at each of a long run's bytes.
class operator_run {
  public:
    bool is_too_long(const token& found, char c) {
        constexpr std::string_view characters = "+-*/<>=~!@#%^&|`?";
        constexpr std::uint32_t longest = 63;  // NAMEDATALEN - 1
        if (characters.find(c) == std::string_view::npos) return false;
        length_ = found.offset == stop_ ? length_ + 1 : 1;
        stop_ = found.stop();
        return length_ > longest;
    }

  private:
    std::uint32_t length_ = 0, stop_ = 0;
};

void measure(std::string_view word, depth_meter& meter) {
    char lowered[9];  // no keyword that matters is longer
    if (word.size() > sizeof lowered) return meter.count();
    std::transform(word.begin(), word.end(), lowered, lexical::lower);
    meter.word({lowered, word.size()});
}

}  // namespace

text_facts facts_of(std::string_view text, std::span<const literal> literals) {
    text_facts out;
    depth_meter meter;
    operator_run operators;
    token_reader in(text, literals);
    for (auto found = in.next_or_comment(); found.kind != token_kind::end; found = in.next_or_comment()) {
        const auto written = in.text_of(found);
        switch (found.kind) {
            case token_kind::comment:
                read_comment(written, out.hint);
                out.comments.push_back({found.offset, found.length});
                out.open_comment = written.front() == '/' &&
                                   lexical::skip_comment(written.data(), written.data() + written.size()) == nullptr;
                break;
            case token_kind::symbol:
                meter.symbol(written.front());
                out.long_operator |= operators.is_too_long(found, written.front());
                break;
            case token_kind::word:
                measure(written, meter);
                break;
            default:
                meter.count();
                break;
        }
    }
    out.depth = meter.deepest();
    return out;
}

/// Whether a server keeps `written` as `name`: whole characters of at most 63 bytes (NAMEDATALEN).
static bool is_kept_as(std::string_view written, std::string_view name) {
    constexpr std::size_t most_bytes = 63, longest_character = 4;
    if (written.size() <= most_bytes) return written == name;
    return name.size() > most_bytes - longest_character && written.starts_with(name);
}

/// Whether a token is this name. A U&"name" is taken for any.
static bool names(const token_reader& in, const token& what, std::string_view name) {
    const auto written = in.text_of(what);
    if (what.kind == token_kind::word) {
        std::string folded(written);
        std::transform(folded.begin(), folded.end(), folded.begin(), lexical::lower);
        return is_kept_as(folded, name);
    }
    if (what.kind != token_kind::quoted_name) return false;
    if (written.front() != '"') return true;
    std::string undone;
    for (std::size_t i = 1; i + 1 < written.size(); ++i) {
        undone += written[i];
        if (written[i] == '"') ++i;
    }
    return is_kept_as(undone, name);
}

namespace {

/// What may follow a `*` that stands for columns; a product goes on with an operand.
bool ends_an_item(const token_reader& in, const token& after, std::string_view text) {
    static constexpr std::string_view words[] = {"from",      "into",   "where", "group", "having", "window", "union",
                                                 "intersect", "except", "order", "limit", "offset", "fetch",  "for"};
    if (after.kind == token_kind::end) return true;
    if (after.kind == token_kind::symbol) {
        const char c = text[after.offset];
        return c == ',' || c == ')' || c == ';';
    }
    return after.kind == token_kind::word &&
           std::any_of(std::begin(words), std::end(words), [&](std::string_view word) { return in.is(after, word); });
}

/// Functions of whole rows whose results do not have the row's own type.
bool takes_rows(const token_reader& in, const token& what) {
    static constexpr std::string_view words[] = {"count",    "row_to_json", "to_json",
                                                 "to_jsonb", "json_agg",    "jsonb_agg"};
    return what.kind == token_kind::word &&
           std::any_of(std::begin(words), std::end(words), [&](std::string_view word) { return in.is(what, word); });
}

/// As the server reads it: folded, or without its quotes.
std::string folded(std::string_view written, bool quoted) {
    std::string out;
    if (!quoted) {
        for (const char c : written) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        return out;
    }
    for (std::size_t i = 1; i + 1 < written.size(); ++i) {
        out += written[i];
        if (written[i] == '"') ++i;
    }
    return out;
}

}  // namespace

names_used names_in(std::string_view text, std::span<const literal> literals, std::uint32_t from, std::uint32_t stop) {
    constexpr std::size_t longest = 63;  // NAMEDATALEN - 1
    names_used out;
    token_reader in(text, literals, from);
    char before = '\0';
    token last, called;  // the two tokens before
    const auto is_symbol = [&](const token& what, char c) {
        return what.kind == token_kind::symbol && text[what.offset] == c;
    };
    auto now = in.next();
    while (now.kind != token_kind::end && now.offset < stop) {
        const auto next = in.next();
        if (now.kind == token_kind::word || now.kind == token_kind::quoted_name) {
            auto name = folded(in.text_of(now), now.kind == token_kind::quoted_name);
            out.unsure |= name.size() > longest || (now.kind == token_kind::quoted_name && before == '&');
            if (name == "natural" || name == "table") out.star = true;  // columns, or rows, that are not named
            if (name == "only" && !in.is(last, "row") && !in.is(last, "rows")) out.only = true;
            auto at =
                std::lower_bound(out.all.begin(), out.all.end(), name,
                                 [](const name_use& each, const std::string& wanted) { return each.name < wanted; });
            if (at == out.all.end() || at->name != name) at = out.all.insert(at, {std::move(name), 0, 0, 0, false});
            if (before == '.') ++at->qualified;
            if (!is_symbol(next, '.')) ++at->bare;
            at->opened |= is_symbol(next, '(');
            if (is_symbol(last, '(') && takes_rows(in, called)) ++at->counted;
        } else if (is_symbol(now, '*')) {
            const bool counted = before == '(' && is_symbol(next, ')');
            const bool ends = ends_an_item(in, next, text);
            out.rows |= before == '.' && (!ends || is_symbol(next, ')'));
            out.star |= ends && !counted;
        }
        before = now.kind == token_kind::symbol ? text[now.offset] : '\0';
        called = last;
        last = now;
        now = next;
    }
    return out;
}

span32 name_after(std::string_view text, std::span<const literal> literals, std::uint32_t from,
                  std::string_view keyword, std::string_view name) {
    token_reader in(text, literals, from);
    bool follows = false;
    for (auto found = in.next(); found.kind != token_kind::end; found = in.next()) {
        if (follows && names(in, found, name)) return {found.offset, found.length};
        // DEALLOCATE PREPARE name
        follows = in.is(found, keyword) || (follows && keyword == "deallocate" && in.is(found, "prepare"));
    }
    return {};
}

span32 body_of_prepare(std::string_view text, std::span<const literal> literals, std::uint32_t after_name,
                       std::uint32_t stop) {
    token_reader in(text, literals, after_name);
    int open = 0;
    for (auto found = in.next(); found.kind != token_kind::end && found.offset < stop; found = in.next()) {
        const char c = found.kind == token_kind::symbol ? text[found.offset] : '\0';
        open += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (open == 0 && in.is(found, "as")) {
            const auto first = in.next();
            return {first.offset, stop > first.offset ? stop - first.offset : 0};
        }
    }
    return {};
}

std::string parseable(std::string_view text, std::span<const literal> literals, const text_facts& facts,
                      bool standard_conforming_strings) {
    std::string out(text);
    for (const auto& each : facts.comments) out.replace(each.offset, each.length, each.length, ' ');
    if (standard_conforming_strings) return out;
    for (const auto& each : literals) {
        if (each.kind != literal_kind::string || each.length < 2) continue;
        const auto inside = text.substr(each.offset + 1, each.length - 2);
        if (inside.find('\\') != std::string_view::npos)
            out.replace(each.offset + 1, each.length - 2, each.length - 2, 'x');
    }
    return out;
}

}  // namespace ringway::router::postgres
