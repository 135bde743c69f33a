#include "router/body_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "router/postgres/walk.hpp"

namespace ringway::router {

namespace {

enum class part : std::uint8_t { word, string, symbol, end };

struct token {
    part what = part::end;
    std::string text;  ///< words in lower case, strings without their quotes, symbols of one character
};

constexpr std::string_view put_together_why = "a function that sets what its text does not name";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool starts_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool in_word(char c) {
    return starts_word(c) || (c >= '0' && c <= '9') || c == '$';
}

/// Cuts a text into words, strings and symbols; blanks and comments are passed over.
class cutter {
  public:
    explicit cutter(std::string_view text) : text_(text) {}

    std::vector<token> all() {
        std::vector<token> out;
        for (;;) {
            out.push_back(next());
            if (out.back().what == part::end) return out;
        }
    }

  private:
    bool at(std::string_view what) const { return text_.substr(at_).starts_with(what); }

    void skip_blanks() {
        while (at_ < text_.size()) {
            if (at("--")) {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (at("/*")) {
                const auto close = text_.find("*/", at_ + 2);
                at_ = close == std::string_view::npos ? text_.size() : close + 2;
            } else if (static_cast<unsigned char>(text_[at_]) <= ' ') {
                ++at_;
            } else {
                return;
            }
        }
    }

    token next() {
        skip_blanks();
        if (at_ >= text_.size()) return {};
        const char c = text_[at_];
        if (c == '\'') return quoted(part::string, false);
        if (c == '"') return quoted(part::word, false);
        if (c == '$') return dollar();
        if (!starts_word(c)) return {part::symbol, std::string(1, text_[at_++])};
        if ((c == 'e' || c == 'E') && at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
            ++at_;
            return quoted(part::string, true);
        }
        token out{part::word, {}};
        while (at_ < text_.size() && in_word(text_[at_])) out.text += lower(text_[at_++]);
        return out;
    }

    token quoted(part what, bool escapes) {
        const char quote = text_[at_++];
        token out{what, {}};
        while (at_ < text_.size()) {
            if (escapes && text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            } else if (text_[at_] == quote) {
                ++at_;
                if (at_ >= text_.size() || text_[at_] != quote) return out;
            }
            out.text += text_[at_++];
        }
        return out;
    }

    /// $tag$ ... $tag$, or a parameter such as $1.
    token dollar() {
        auto stop = at_ + 1;
        while (stop < text_.size() && in_word(text_[stop]) && text_[stop] != '$') ++stop;
        const bool opens = stop < text_.size() && text_[stop] == '$' &&
                           (stop == at_ + 1 || !(text_[at_ + 1] >= '0' && text_[at_ + 1] <= '9'));
        if (!opens) {
            at_ = stop;
            return {part::symbol, "$"};
        }
        const auto tag = text_.substr(at_, stop + 1 - at_);
        const auto from = stop + 1;
        const auto close = std::min(text_.find(tag, from), text_.size());
        at_ = std::min(close + tag.size(), text_.size());
        return {part::string, std::string(text_.substr(from, close - from))};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

template <std::size_t n>
bool among(const std::array<std::string_view, n>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Words after which a statement may begin.
constexpr std::array<std::string_view, 6> openers{"begin", "then", "else", "loop", "atomic", "as"};
/// First words of statements that set nothing themselves.
constexpr std::array<std::string_view, 22> settles{"insert",  "update",   "delete",  "merge",  "create",  "alter",
                                                   "drop",    "truncate", "comment", "grant",  "revoke",  "analyze",
                                                   "vacuum",  "lock",     "reindex", "notify", "cluster", "security",
                                                   "refresh", "copy",     "with",    "values"};

/// Reads one text, and the texts that stand in it as strings.
class body_reader {
  public:
    body_reader(body_use& out, bool procedural) : out_(out), procedural_(procedural) {}

    void read(std::string_view text, int depth = 0) {
        if (depth > most_depth) return unknown();
        const auto kept = std::move(tokens_);
        tokens_ = cutter(text).all();
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (tokens_[i].what != part::word) continue;
            out_.names.push_back(tokens_[i].text);
            call(i);
            if (opens_statement(i)) command(i);
            if (tokens_[i].text == "create" || tokens_[i].text == "into") temporary(i);
            if (procedural_ && tokens_[i].text == "execute") execute(i, depth);
        }
        tokens_ = kept;
    }

  private:
    static constexpr int most_depth = 4;

    const token& at(std::size_t i) const {
        static const token none;
        return i < tokens_.size() ? tokens_[i] : none;
    }
    bool symbol(std::size_t i, char c) const { return at(i).what == part::symbol && at(i).text[0] == c; }
    bool word(std::size_t i, std::string_view w) const { return at(i).what == part::word && at(i).text == w; }

    void unknown() { out_.put_together = true; }
    void pin(std::string_view why) {
        if (out_.pin.empty()) out_.pin = why;
    }
    void setting(std::string name) {
        out_.sets = true;
        if (name.find('.') == std::string::npos) return;
        std::transform(name.begin(), name.end(), name.begin(), lower);
        out_.settings.push_back(std::move(name));
    }

    bool opens_statement(std::size_t i) const {
        if (i == 0 || symbol(i - 1, ';') || symbol(i - 1, '>')) return true;
        return at(i - 1).what == part::word && among(openers, at(i - 1).text);
    }

    /// f(...): of the server's own functions those that leave something behind.
    void call(std::size_t i) {
        if (!symbol(i + 1, '(')) return;
        if (const auto why = postgres::pin_of_function(tokens_[i].text); !why.empty()) pin(why);
        if (tokens_[i].text != "set_config") return;
        out_.sets = true;
        if (at(i + 2).what == part::string && symbol(i + 3, ','))
            setting(tokens_[i + 2].text);
        else
            pin(put_together_why);
    }

    /// SET, RESET and what else changes a session without being a function.
    void command(std::size_t i) {
        const auto& first = tokens_[i].text;
        if (first == "listen" || first == "load") {
            if (at(i + 1).what == part::word || at(i + 1).what == part::string)
                pin(first == "load" ? "LOAD" : "LISTEN");
            return;
        }
        if (first != "set" && first != "reset") return;
        out_.sets = true;
        auto name = i + 1;
        if (word(name, "session") || word(name, "local")) ++name;
        if (at(name).what != part::word) return pin(put_together_why);
        auto text = at(name).text;
        for (; symbol(name + 1, '.') && at(name + 2).what == part::word; name += 2) text += "." + at(name + 2).text;
        if (symbol(name + 1, '.')) return pin(put_together_why);
        setting(std::move(text));
    }

    void temporary(std::size_t i) {
        auto next = i + 1;
        while (word(next, "local") || word(next, "global") || word(next, "or") || word(next, "replace")) ++next;
        if (!word(next, "temp") && !word(next, "temporary")) return;
        for (; next < tokens_.size() && !symbol(next, ';'); ++next)
            if (word(next, "commit") && word(next + 1, "drop")) return;
        pin("temporary table");
    }

    /// EXECUTE of plpgsql: what its text begins with is often to be seen.
    void execute(std::size_t i, int depth) {
        if (word(i + 1, "function") || word(i + 1, "procedure")) return;
        if (at(i + 1).what == part::word &&
            (symbol(i + 2, ';') || word(i + 2, "using") || word(i + 2, "into") || word(i + 2, "loop"))) {
            const auto variable = tokens_[i + 1].text;
            bool seen = false;
            for (std::size_t k = 0; k + 2 < tokens_.size(); ++k) {
                if (!word(k, variable) || !assigns(k + 1)) continue;
                seen = true;
                const auto value = k + 2 + (symbol(k + 1, ':') ? 1 : 0);
                if (word(value, variable))
                    appended(value);
                else
                    dynamic(value, depth);
            }
            if (!seen) unknown();
            return;
        }
        dynamic(i + 1, depth);
    }

    /// More of a statement is of no interest, another statement is.
    void appended(std::size_t i) {
        for (; i < tokens_.size() && !symbol(i, ';'); ++i)
            if (at(i).what == part::string && at(i).text.find(';') != std::string::npos) unknown();
    }

    bool assigns(std::size_t i) const {
        return (symbol(i, ':') && symbol(i + 1, '=')) || (symbol(i, '=') && opens_assignment(i));
    }
    bool opens_assignment(std::size_t i) const { return i >= 2 && opens_statement(i - 1); }

    /// A text made at run time, up to the end of its statement.
    void dynamic(std::size_t i, int depth) {
        while (symbol(i, '(')) ++i;
        if ((word(i, "format") || word(i, "concat")) && symbol(i + 1, '(')) i += 2;
        if (at(i).what != part::string) return unknown();
        const auto first = cutter(tokens_[i].text).all();
        const auto& opening = first.front();
        const bool calls = opening.text == "select" || opening.text == "call" || opening.text == "perform";
        const bool whole = first.size() > 2 && (first[1].what != part::symbol || first[1].text == "*");
        const bool known = opening.what == part::word && (among(settles, opening.text) || (calls && whole) ||
                                                          opening.text == "set" || opening.text == "reset");
        if (!known) return unknown();
        std::vector<std::string> strings;
        for (; i < tokens_.size() && !symbol(i, ';'); ++i)
            if (at(i).what == part::string) strings.push_back(tokens_[i].text);
        for (const auto& each : strings) read(each, depth + 1);
    }

    body_use& out_;
    bool procedural_;
    std::vector<token> tokens_;
};

void sort_out(std::vector<std::string>& names) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

body_use read_body(std::string_view source, std::string_view language) {
    body_use out;
    body_reader(out, language == "plpgsql").read(source);
    if (language != "plpgsql" && language != "sql") {  // whatever it is: it runs SQL by functions with such names
        static constexpr std::array<std::string_view, 6> runs{"execute",  "query", "prepare",
                                                              "spi_exec", "plpy",  "plv8"};
        for (const auto& each : out.names) out.put_together |= among(runs, each) || each.starts_with("spi_");
    }
    sort_out(out.names);
    sort_out(out.settings);
    return out;
}

std::string pin_of(const body_use& what, const body_closure& known) {
    if (!what.pin.empty()) return what.pin;
    for (const auto& each : what.names)
        if (const auto found = known.pins.find(each); found != known.pins.end()) return found->second;
    return what.put_together ? std::string(put_together_why) : std::string();
}

body_closure close_over(const std::vector<function_body>& all) {
    body_closure out;
    for (const auto& each : all) {
        out.settings.insert(out.settings.end(), each.use.settings.begin(), each.use.settings.end());
        const bool may = !each.use.pin.empty() || each.use.put_together;
        if (may) out.pins.emplace(each.name, pin_of(each.use, {}));
        if (each.use.sets || may) out.setters.insert(each.name);
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& each : all) {
            for (const auto& name : each.use.names) {
                if (const auto found = out.pins.find(name); found != out.pins.end())
                    grown |= out.pins.emplace(each.name, std::string(found->second)).second;
                if (out.setters.contains(name)) grown |= out.setters.insert(each.name).second;
            }
        }
    }
    for (const auto& each : all) {
        const auto found = out.pins.find(each.name);
        if (found == out.pins.end()) continue;
        if (out.any_pin.empty()) out.any_pin = found->second;
        if (each.trigger && out.trigger_pin.empty()) out.trigger_pin = found->second;
    }
    sort_out(out.settings);
    return out;
}

}  // namespace ringway::router
