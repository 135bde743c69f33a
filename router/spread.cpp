#include "router/spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "router/gather.hpp"
#include "router/key_move.hpp"
#include "router/key_value.hpp"
#include "router/lexical.hpp"
#include "router/parameter_types.hpp"

namespace ringway::router {

namespace {

/// A text outside of its strings, quoted names and comments, one character or word at a time.
class reading {
  public:
    reading(std::string_view text, std::span<const literal> literals) : text_(text), literals_(literals) {}

    std::size_t at() const noexcept { return at_; }
    /// The next character that counts, or the first of the next word; '\0' at the end. `word` is the word, else empty.
    char next(std::string_view& word) {
        word = {};
        for (;;) {
            const auto* blank = lexical::skip_blank(text_.data() + at_, text_.data() + text_.size());
            at_ = static_cast<std::size_t>(blank - text_.data());
            if (at_ >= text_.size()) return '\0';
            while (next_literal_ < literals_.size() && literals_[next_literal_].offset < at_) ++next_literal_;
            if (next_literal_ < literals_.size() && literals_[next_literal_].offset == at_) {
                at_ += literals_[next_literal_].length;
                return '1';
            }
            break;
        }
        const auto from = at_;
        const char c = text_[at_++];
        if (c == '"') {
            while (at_ < text_.size() && text_[at_] != '"') ++at_;
            at_ = std::min(at_ + 1, text_.size());
            return '"';
        }
        if (!lexical::is_word_start(c)) return c;
        while (at_ < text_.size() && lexical::is_word(text_[at_])) ++at_;
        word = text_.substr(from, at_ - from);
        return c;
    }

  private:
    std::string_view text_;
    std::span<const literal> literals_;
    std::size_t at_ = 0, next_literal_ = 0;
};

struct tuples {
    std::size_t head = 0;  ///< up to the first row
    std::vector<std::string_view> rows;
    std::size_t tail = 0;  ///< after the last
};

/// VALUES and its rows, which may stand in parentheses. A column or a table of that name has no row behind it.
std::optional<tuples> find_tuples(std::string_view text, std::span<const literal> literals) {
    reading in(text, literals);
    std::string_view word;
    int depth = 0;
    bool opened = false, found = false;  // whether what came last was a parenthesis, or VALUES
    for (;;) {
        const char c = in.next(word);
        if (c == '\0') return std::nullopt;
        if (c == '(' && found) break;
        found = (depth == 0 || opened) && lexical::same_word(word, "values");
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        opened = c == '(';
    }
    tuples out;
    for (bool first = true;; first = false) {
        if (!first && in.next(word) != '(') return std::nullopt;
        const auto from = in.at() - 1;
        if (out.rows.empty()) out.head = from;
        for (depth = 1; depth > 0;) {
            const char c = in.next(word);
            if (c == '\0') return std::nullopt;
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        }
        out.rows.push_back(text.substr(from, in.at() - from));
        out.tail = in.at();
        if (in.next(word) != ',' && !lexical::same_word(word, "values")) return out;
        if (word.empty()) continue;
        out = {};  // they were the columns of a table of that name
    }
}

/// How often each of the client's parameters stands in a part.
using parameter_uses = std::vector<std::uint32_t>;

/// `text` with its parameters counted in the order in which `into` first met them.
void append_renumbered(std::string_view text, std::size_t offset, const values& with, insert_part& into,
                       parameter_uses& uses) {
    // The literals that lie in this piece of the statement's text.
    std::vector<literal> inside;
    for (auto each : with.literals) {
        if (each.offset < offset || each.offset >= offset + text.size()) continue;
        each.offset -= static_cast<std::uint32_t>(offset);
        inside.push_back(each);
    }
    reading in(text, inside);
    std::string_view word;
    std::size_t copied = 0;
    for (char c = in.next(word); c != '\0'; c = in.next(word)) {
        if (c != '$') continue;
        const auto from = in.at();
        std::uint16_t number = 0;
        const auto read = std::from_chars(text.data() + from, text.data() + text.size(), number);
        if (read.ec != std::errc() || number == 0) continue;
        const auto end = static_cast<std::size_t>(read.ptr - text.data());
        if (number <= uses.size()) ++uses[number - 1];
        auto& known = into.parameters;
        auto found = std::find(known.begin(), known.end(), static_cast<std::uint16_t>(number - 1));
        if (found == known.end()) found = known.insert(known.end(), static_cast<std::uint16_t>(number - 1));
        into.text.append(text.substr(copied, from - copied));
        into.text += fmt::to_string(found - known.begin() + 1);
        copied = end;
    }
    into.text.append(text.substr(copied));
}

/// Each part of the statement has all places of such a parameter or none: the server finds its type as in the whole.
bool keeps_types(const plan& what, const values& with, const parameter_uses& part) {
    const auto whole = parameter_counts(with.text, with.literals, with.parameters.size());
    return std::all_of(what.unsure_parameters.begin(), what.unsure_parameters.end(), [&](std::uint16_t each) {
        return each >= part.size() || !is_undeclared(with.parameters[each]) || part[each] == 0 ||
               part[each] == whole[each];
    });
}

}  // namespace

std::optional<parted_insert> part_insert(const plan& what, const values& with, const shard_map& map,
                                         std::string* why_not) {
    const auto none = [why_not](std::string_view why) {
        if (why_not) *why_not = why;
        return std::nullopt;
    };
    if (what.keys.size() != 1 || !what.keys.front().rows)
        return none("its ON CONFLICT gives a key too, which may be of another shard than the rows");
    std::vector<std::uint16_t> owners;
    bool placed = true;
    each_owner(what.keys.front(), with, map, [&](const placed_key& key) {
        placed = key.what == key_outcome::key;
        if (placed) owners.push_back(key.shard);
        return placed;
    });
    const auto found = find_tuples(with.text, with.literals);
    if (!placed) return none("a row has no key, or one that no shard has");
    if (!found || found->rows.size() != owners.size()) return none("its VALUES are not found in its text");
    const bool untyped = has_unsure(what, with);
    parted_insert out;
    const auto shards = static_cast<std::uint16_t>(map.shards.size());
    for (std::uint16_t shard = 0; shard < shards; ++shard) {
        if (std::find(owners.begin(), owners.end(), shard) == owners.end()) continue;
        auto& part = out.parts.emplace_back();
        part.shard = shard;
        parameter_uses uses(with.parameters.size());
        append_renumbered(with.text.substr(0, found->head), 0, with, part, uses);
        bool first = true;
        for (std::size_t i = 0; i < owners.size(); ++i) {
            if (owners[i] != shard) continue;
            if (!std::exchange(first, false)) part.text += ", ";
            append_renumbered(found->rows[i], static_cast<std::size_t>(found->rows[i].data() - with.text.data()), with,
                              part, uses);
        }
        append_renumbered(with.text.substr(found->tail), found->tail, with, part, uses);
        if (untyped && !keeps_types(what, with, uses))
            return none("a parameter whose type is not declared stands in several of its rows");
    }
    for (const auto owner : owners)
        for (std::size_t i = 0; i < out.parts.size(); ++i)
            if (out.parts[i].shard == owner) out.order.push_back(static_cast<std::uint16_t>(i));
    return out;
}

bool keep_to_own_rows(const plan& what, const values& with, const shard_map& map, std::uint16_t shard,
                      std::string& text) {
    const bool copies = what.spread == spreading::merged;
    if ((what.spread != spreading::apart && !copies) || !map.change || shard >= map.change->hidden.size()) return true;
    const auto& hidden = map.change->hidden[shard];
    if (hidden.empty() || what.spread_key.empty()) return true;
    if (copies) {
        const auto key = key_text_sql(what.spread_type, quoted_name(what.spread_key));
        if (key.empty() || !what.move) return false;
        text = copy_of_query(with.text,
                             fmt::format("SELECT {} FROM ONLY {} WHERE ({}) IS NOT TRUE AND {}", what.move->columns,
                                         what.move->relation, in_arcs_sql(hidden, key), what.move->guard),
                             with.standard_conforming_strings);
        return !text.empty();
    }
    const auto& statements = what.parsed.statements;
    if (statements.size() != 1 || statements.front().block.tables.empty()) return false;
    const auto kind = statements.front().verb;
    if (kind == verb::insert || kind == verb::merge) return false;  // what it reads is not kept apart
    const auto& table = statements.front().block.tables.front();
    const auto key =
        key_text_sql(what.spread_type, fmt::format("{}.{}", quoted_name(table.alias.empty() ? table.name : table.alias),
                                                   quoted_name(what.spread_key)));
    if (key.empty()) return false;
    text = without_rows(with.text, in_arcs_sql(hidden, key), with.standard_conforming_strings);
    return !text.empty();
}

}  // namespace ringway::router
