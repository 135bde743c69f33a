// An UPDATE or DELETE narrowed to the rows that are a shard's own: a splice of its text.

#include <fmt/format.h>

#include "router/arcs.hpp"
#include "router/lexical.hpp"
#include "router/shape.hpp"
#include "router/spread.hpp"

namespace ringway::router {

namespace {

/// Walks a text outside of its strings, quoted names, comments and parentheses.
class top_level {
  public:
    top_level(std::string_view text, std::span<const literal> literals) : text_(text), literals_(literals) {}

    /// The next word outside of parentheses, or a semicolon; empty at the end, or where the text is not understood.
    std::string_view next() {
        for (;;) {
            const auto* blank = lexical::skip_blank(text_.data() + at_, text_.data() + text_.size());
            at_ = static_cast<std::size_t>(blank - text_.data());
            if (at_ >= text_.size()) return {};
            if (skip_literal() || skip_quoted_name()) continue;
            const auto from = at_;
            const char c = text_[at_++];
            if (c == '(' || c == '[') ++depth_;
            if (c == ')' || c == ']') --depth_;
            if (c == ';' && depth_ == 0) return text_.substr(from, 1);
            if (!lexical::is_word_start(c)) continue;
            while (at_ < text_.size() && lexical::is_word(text_[at_])) ++at_;
            const bool part_of_name = from > 0 && text_[from - 1] == '.';
            if (depth_ == 0 && !part_of_name) return text_.substr(from, at_ - from);
        }
    }
    bool balanced() const noexcept { return depth_ == 0; }

  private:
    bool skip_literal() {
        while (next_ < literals_.size() && literals_[next_].offset < at_) ++next_;
        if (next_ == literals_.size() || literals_[next_].offset != at_) return false;
        at_ += literals_[next_].length;
        return true;
    }
    bool skip_quoted_name() {
        if (text_[at_] != '"') return false;
        for (++at_; at_ < text_.size() && text_[at_] != '"';) ++at_;
        at_ = std::min(at_ + 1, text_.size());
        return true;
    }

    std::string_view text_;
    std::span<const literal> literals_;
    std::size_t at_ = 0, next_ = 0;
    int depth_ = 0;
};

}  // namespace

std::string without_rows(std::string_view sql, std::string_view condition, bool standard_conforming_strings) {
    shape_lexer lexer;
    const auto seen = lexer.scan(sql, standard_conforming_strings);
    top_level words(sql, seen.literals);
    const auto place_of = [&](std::string_view word) { return static_cast<std::size_t>(word.data() - sql.data()); };
    std::size_t where = std::string_view::npos, end = sql.size();
    bool ended = false;
    for (auto word = words.next(); !word.empty(); word = words.next()) {
        if (ended) return {};  // something after the semicolon
        if (lexical::same_word(word, "where")) {
            if (where != std::string_view::npos) return {};
            where = place_of(word);
        } else if (lexical::same_word(word, "returning")) {
            if (end != sql.size()) return {};
            end = place_of(word);
        } else if (word == ";") {
            if (end == sql.size()) end = place_of(word);
            ended = true;
        }
    }
    if (!words.balanced() || (where != std::string_view::npos && where > end)) return {};
    // A comment may end in the line: what is added begins another.
    const auto own = fmt::format("({}) IS NOT TRUE", condition);
    if (where == std::string_view::npos)
        return fmt::format("{}\nWHERE {} {}", sql.substr(0, end), own, sql.substr(end));
    constexpr std::size_t length = 5;
    return fmt::format("{}({}\n) AND {} {}", sql.substr(0, where + length),
                       sql.substr(where + length, end - where - length), own, sql.substr(end));
}

std::string copy_of_query(std::string_view sql, std::string_view query, bool standard_conforming_strings) {
    shape_lexer lexer;
    const auto seen = lexer.scan(sql, standard_conforming_strings);
    top_level words(sql, seen.literals);
    if (!lexical::same_word(words.next(), "copy")) return {};
    for (auto word = words.next(); !word.empty(); word = words.next()) {
        if (lexical::same_word(word, "binary") || word == ";") return {};  // as it was written before version 7.3
        if (!lexical::same_word(word, "to")) continue;
        return fmt::format("COPY ({}) {}", query, sql.substr(static_cast<std::size_t>(word.data() - sql.data())));
    }
    return {};
}

}  // namespace ringway::router
