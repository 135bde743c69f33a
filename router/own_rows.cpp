#include "router/own_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "router/gather.hpp"
#include "router/lexical.hpp"

namespace ringway::router {

namespace {

/// Words and single characters outside of strings and comments. Quoted names are words too.
class tokens {
  public:
    tokens(std::string_view text, std::span<const literal> literals) : text_(text), literals_(literals) {}

    struct token {
        std::string_view text;
        std::string name;  ///< of a name, as the server folds it; else empty
        bool quoted = false;
        int depth = 0;
    };

    /// Empty text: the end.
    token next() {
        token out;
        for (;;) {
            const auto* blank = lexical::skip_blank(text_.data() + at_, text_.data() + text_.size());
            at_ = static_cast<std::size_t>(blank - text_.data());
            if (at_ >= text_.size()) return out;
            while (next_ < literals_.size() && literals_[next_].offset < at_) ++next_;
            if (next_ == literals_.size() || literals_[next_].offset != at_) break;
            at_ += literals_[next_].length;
            out.text = text_.substr(literals_[next_].offset, literals_[next_].length);
            out.depth = depth_;
            return out;
        }
        const auto from = at_;
        const char c = text_[at_++];
        out.depth = depth_;
        if (c == '"') {
            read_quoted(out.name);
            out.quoted = true;
        } else if (lexical::is_word_start(c)) {
            while (at_ < text_.size() && lexical::is_word(text_[at_])) ++at_;
            out.name = text_.substr(from, at_ - from);
            std::transform(out.name.begin(), out.name.end(), out.name.begin(), lexical::lower);
        } else if (c == '(' || c == '[') {
            ++depth_;
        } else if (c == ')' || c == ']') {
            --depth_;
        }
        out.text = text_.substr(from, at_ - from);
        return out;
    }

  private:
    void read_quoted(std::string& name) {
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (c == '"') {
                if (at_ == text_.size() || text_[at_] != '"') return;
                ++at_;
            }
            name.push_back(c);
        }
    }

    std::string_view text_;
    std::span<const literal> literals_;
    std::size_t at_ = 0, next_ = 0;
    int depth_ = 0;
};

/// The references of FROM, those of the nullable sides of joins too. Subqueries read rows of the same keys only, or
/// the statement were not scattered.
void find_references(const query_block& block, std::vector<const table_ref*>& to) {
    for (const auto& each : block.tables) to.push_back(&each);
    for (const auto& each : block.children)
        if (each.joined) find_references(each, to);
}

constexpr std::array behind_from{std::string_view("where"),  std::string_view("group"),  std::string_view("having"),
                                 std::string_view("window"), std::string_view("order"),  std::string_view("limit"),
                                 std::string_view("offset"), std::string_view("fetch"),  std::string_view("for"),
                                 std::string_view("union"),  std::string_view("except"), std::string_view("intersect")};

bool is_one_of(std::string_view word, std::span<const std::string_view> all) {
    return std::find(all.begin(), all.end(), word) != all.end();
}

/// A table on the ring, and what stands in its place.
struct own_table {
    const gathered_table* of = nullptr;
    std::size_t references = 0, aliased = 0;
    std::string rows;  ///< (SELECT ...)
};

}  // namespace

std::optional<std::string> own_rows_text(const plan& what, const scatter_text& text, const shard_map& map,
                                         std::uint16_t shard, bool standard_conforming_strings) {
    if (!map.change || shard >= map.change->hidden.size() || map.change->hidden[shard].empty()) return std::string();
    const auto& statements = what.parsed.statements;
    std::vector<const table_ref*> references;
    if (!what.gather || statements.size() != 1) return std::nullopt;
    find_references(statements.front().block, references);
    std::vector<own_table> own;
    for (const auto& each : what.gather->tables) {
        if (each.key.empty()) continue;
        const auto key = key_text_sql(each.type, quoted_name(each.key));
        if (key.empty()) return std::nullopt;
        own_table one;
        one.of = &each;
        for (const auto* reference : references) {
            if (reference->name != each.name) continue;
            ++one.references;
            one.aliased += !reference->alias.empty();
        }
        if (one.aliased != 0 && one.aliased != one.references) return std::nullopt;
        one.rows = fmt::format("(SELECT * FROM {}.{} WHERE ({}) IS NOT TRUE)", quoted_name(each.schema),
                               quoted_name(each.name), in_arcs_sql(map.change->hidden[shard], key));
        own.push_back(std::move(one));
    }

    shape_lexer lexer;
    const auto seen = lexer.scan(text.text, standard_conforming_strings);
    tokens in(text.text, seen.literals);
    std::string out;
    std::size_t copied = 0;
    const auto place_of = [&](std::string_view part) {
        return static_cast<std::size_t>(part.data() - text.text.data());
    };
    bool within = false;
    tokens::token before;
    for (auto at = in.next(); !at.text.empty();) {
        const bool word = at.depth == 0 && !at.quoted && !at.name.empty();
        if (!within) {
            within = word && at.name == "from" && before.text != ".";
        } else if (word && is_one_of(at.name, behind_from)) {
            break;
        } else if (!at.name.empty() && at.depth == 0 &&
                   (before.text == "," || (!before.quoted && (before.name == "from" || before.name == "join")))) {
            const auto begins = place_of(at.text);
            auto last = at;
            auto next = in.next();
            while (next.text == ".") {
                last = in.next();
                next = in.next();
            }
            const auto found =
                std::find_if(own.begin(), own.end(), [&](const own_table& each) { return each.of->name == last.name; });
            if (found != own.end()) {
                if (next.text == "(" || next.text == "*" || (!next.quoted && next.name == "tablesample"))
                    return std::nullopt;
                if (found->references-- == 0) return std::nullopt;
                out += text.text.substr(copied, begins - copied);
                out += found->rows;
                if (found->aliased == 0) out += " AS " + quoted_name(found->of->name);
                copied = place_of(last.text) + last.text.size();
            }
            before = last;
            at = next;
            continue;
        }
        before = at;
        at = in.next();
    }
    if (copied == 0 || std::any_of(own.begin(), own.end(), [](const own_table& each) { return each.references != 0; }))
        return std::nullopt;
    return out + text.text.substr(copied);
}

}  // namespace ringway::router
