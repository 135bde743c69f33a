#include "router/dump/text.hpp"

#include <algorithm>
#include <cstring>

#include "router/lexical.hpp"

namespace ringway::router::dump {

using namespace lexical;

void splitter::feed(std::string_view bytes) {
    const auto keep = begun_ ? start_ : at_;  // what has been given is gone
    buffer_.erase(0, keep);
    at_ -= keep;
    start_ = 0;
    buffer_ += bytes;
}

item splitter::next() {
    switch (mode_) {
        case mode::sql:
            return next_sql();
        case mode::before_rows: {
            // psql reads rows from the line after the statement.
            const auto newline = buffer_.find('\n', at_);
            const auto stop = newline == std::string::npos ? buffer_.size() : newline;
            const auto blank = [this](std::size_t at) { return is_space(buffer_[at]); };
            for (auto at = at_; at < stop; ++at)
                if (!blank(at)) return broken("something stands between COPY and its rows", line_);
            if (newline == std::string::npos && !finished_) return {};
            count(at_, std::min(stop + 1, buffer_.size()));
            at_ = std::min(stop + 1, buffer_.size());
            mode_ = mode::rows;
            line_start_ = true;
            return next_rows();
        }
        case mode::rows:
            return next_rows();
        case mode::over:
            break;
    }
    return {item_kind::end, {}, line_, {}};
}

item splitter::broken(std::string_view why, std::uint64_t line) {
    mode_ = mode::over;
    said_ = why;
    return {item_kind::broken, {}, line, said_};
}

item splitter::give(item_kind kind, std::size_t from, std::size_t stop) {
    return {kind, std::string_view(buffer_).substr(from, stop - from), start_line_, {}};
}

void splitter::count(std::size_t from, std::size_t stop) noexcept {
    line_ += static_cast<std::uint64_t>(std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(from),
                                                   buffer_.begin() + static_cast<std::ptrdiff_t>(stop), '\n'));
}

// ---- rows -----------------------------------------------------------------------------------------------------------

item splitter::next_rows() {
    const auto from = at_;
    start_line_ = line_;
    auto stop = from;  // of what can be given
    while (stop < buffer_.size()) {
        if (line_start_ && buffer_[stop] == '\\') {
            const auto left = std::string_view(buffer_).substr(stop);
            const bool marker = left.starts_with("\\.\n") || left.starts_with("\\.\r\n");
            const bool last = finished_ && (left == "\\." || left == "\\.\r");
            const bool short_of = !finished_ && (left.size() < 3 || left == "\\.\r") &&
                                  std::string_view("\\.\r\n").starts_with(left.substr(0, 2));
            if (short_of) break;
            if (marker || last) {
                if (stop > from) break;  // the rows first
                at_ += std::min(left.size(), left.find('\n') == left.npos ? left.size() : left.find('\n') + 1);
                ++line_;
                mode_ = mode::sql;
                start_statement();
                return {item_kind::rows_end, {}, start_line_, {}};
            }
        }
        const auto newline = buffer_.find('\n', stop);
        if (newline == buffer_.npos) {  // a line of which more follows
            stop = buffer_.size();
            line_start_ = false;
            break;
        }
        stop = newline + 1;
        ++line_;
        line_start_ = true;
    }
    at_ = stop;
    if (stop > from) return give(item_kind::rows, from, stop);
    if (finished_ && at_ == buffer_.size())
        return broken("the dump ends within the rows of a COPY: their end, a line \"\\.\", is missing", line_);
    return {};
}

// ---- statements -----------------------------------------------------------------------------------------------------

void splitter::start_statement() noexcept {
    begun_ = routine_ = create_ = after_begin_ = false;
    parens_ = bodies_ = words_ = 0;
    inside_ = inside::nothing;
}

void splitter::enter(inside what, std::size_t length) {
    inside_ = what;
    open_line_ = line_;
    at_ += length;
}

item splitter::at_end() {
    if (inside_ != inside::nothing && inside_ != inside::line_comment)
        return broken(inside_ == inside::comment  ? "the dump ends within a comment that begins here"
                      : inside_ == inside::dollar ? "the dump ends within a text in dollar quotes that begins here"
                      : inside_ == inside::name   ? "the dump ends within a quoted name that begins here"
                                                  : "the dump ends within a text in quotes that begins here",
                      open_line_);
    if (begun_)
        return broken("the dump ends within a statement that begins here: its semicolon is missing", start_line_);
    mode_ = mode::over;
    return {item_kind::end, {}, line_, {}};
}

item splitter::next_sql() {
    if (first_ && (finished_ || buffer_.size() >= 3)) {
        if (rest().starts_with("\xEF\xBB\xBF")) at_ += 3;
        first_ = false;
    } else if (first_) {
        return {};
    }
    for (;;) {
        if (begun_ && at_ - start_ > most_bytes_)
            return broken("a statement that begins here is too long: is a quote missing?", start_line_);
        if (inside_ != inside::nothing) {
            if (within() == step::more) return finished_ ? at_end() : item{};
            continue;
        }
        if (at_ == buffer_.size()) return finished_ ? at_end() : item{};
        const char c = buffer_[at_];
        if (c == '\0') return broken("a zero byte: this is no text", line_);
        if (c == '\n') ++line_;
        if (is_space(c) || c == '\v') {
            ++at_;
            continue;
        }
        if (c == '\\') {
            if (begun_) return broken("a backslash outside of quotes: psql's own commands cannot be run", line_);
            const auto newline = buffer_.find('\n', at_);
            if (newline == std::string::npos && !finished_) return {};
            start_line_ = line_;
            const auto from = at_;
            at_ = std::min(newline, buffer_.size());
            auto stop = at_;
            while (stop > from && is_space(buffer_[stop - 1])) --stop;
            return give(item_kind::command, from, stop);
        }
        if (c == ';' && parens_ == 0 && bodies_ == 0) {
            const bool given = begun_;
            const auto from = start_, stop = at_++;
            start_statement();
            if (!given) continue;
            if (std::memchr(buffer_.data() + from, '\0', stop - from))
                return broken("a zero byte within a statement: this is no text", start_line_);
            return give(item_kind::statement, from, stop);
        }
        if (outside() == step::more) return finished_ ? at_end() : item{};
    }
}

/// What begins at a byte outside of quotes and comments that is no blank. `more`: the next bytes decide.
splitter::step splitter::outside() {
    const auto left = rest();
    const char c = left.front();
    if ((c == '-' || c == '/' || c == '$') && left.size() == 1 && !finished_) return step::more;
    if (left.starts_with("--")) return enter(inside::line_comment, 2), step::on;
    if (left.starts_with("/*")) return comments_ = 1, enter(inside::comment, 2), step::on;
    std::size_t word = 0;
    if (is_word_start(c)) {
        while (word < left.size() && is_word(left[word])) ++word;
        if (word == left.size() && !finished_) return step::more;  // also E before its quote
    } else if (is_digit(c)) {                                      // 1$a$ is no quote
        while (word < left.size() && is_word(left[word])) ++word;
        if (word == left.size() && !finished_) return step::more;
    } else if (c == '$') {
        word = 1;
        while (word < left.size() && left[word] != '$' && is_word(left[word])) ++word;
        if (word == left.size() && !finished_) return step::more;
        if (word < left.size() && left[word] == '$' && (word == 1 || !is_digit(left[1]))) {
            tag_ = left.substr(0, word + 1);
            word = tag_.size();
        } else {
            tag_.clear();  // a parameter, or nothing that servers take
            word = 1;
        }
    }
    if (!begun_) {
        begun_ = true;
        start_ = at_;
        start_line_ = line_;
    }
    if (c == '$') {
        if (tag_.empty())
            ++at_;
        else
            enter(inside::dollar, word);
        return step::on;
    }
    if (word > 0) {
        const auto text = left.substr(0, word);
        if ((text == "e" || text == "E") && left.substr(word).starts_with('\''))
            return enter(inside::escaped, 2), step::on;
        if (is_word_start(c)) pass_word();
        at_ += word;
        return step::on;
    }
    if (c == '\'') return enter(conforming_ ? inside::quoted : inside::escaped, 1), step::on;
    if (c == '"') return enter(inside::name, 1), step::on;
    if (c == '(') ++parens_;
    if (c == ')' && parens_ > 0) --parens_;
    ++at_;
    return step::on;
}

/// A word of the statement: whether it makes a routine, and of one where its body of statements begins and ends.
void splitter::pass_word() {
    const auto left = rest();
    const auto stop = static_cast<std::size_t>(
        std::find_if(left.begin(), left.end(), [](char c) { return !is_word(c); }) - left.begin());
    const auto word = left.substr(0, stop);
    ++words_;
    if (words_ == 1) create_ = same_word(word, "create");
    if (create_ && (words_ == 2 || words_ == 4) && (same_word(word, "function") || same_word(word, "procedure")))
        routine_ = true;
    if (!routine_ || parens_ > 0) return;
    if (bodies_ > 0) {
        bodies_ += same_word(word, "case") ? 1 : same_word(word, "end") ? -1 : 0;
    } else if (after_begin_ && same_word(word, "atomic")) {
        bodies_ = 1;
    }
    after_begin_ = same_word(word, "begin");
}

splitter::step splitter::skip_to(char quote, bool backslashes) {
    for (; at_ < buffer_.size(); ++at_) {
        const char c = buffer_[at_];
        if (c == '\n') ++line_;
        if (backslashes && c == '\\') {
            if (at_ + 1 == buffer_.size()) return step::more;
            if (buffer_[++at_] == '\n') ++line_;
        } else if (c == quote) {
            ++at_;
            inside_ = inside::nothing;  // a doubled quote begins another text at once, which comes to the same
            return step::on;
        }
    }
    return step::more;
}

splitter::step splitter::within() {
    switch (inside_) {
        case inside::quoted:
            return skip_to('\'', false);
        case inside::escaped: {
            const auto result = skip_to('\'', true);
            if (result == step::more) return result;
            if (at_ == buffer_.size() && !finished_) {  // 'it\'' may go on: backslashes escape there too
                --at_;
                inside_ = inside::escaped;
                return step::more;
            }
            if (at_ < buffer_.size() && buffer_[at_] == '\'') {
                ++at_;
                inside_ = inside::escaped;
            }
            return step::on;
        }
        case inside::name:
            return skip_to('"', false);
        case inside::dollar: {
            const auto found = buffer_.find(tag_, at_);
            // The tag's beginning may stand at the end of what is here.
            const auto stop = found != std::string::npos ? found + tag_.size()
                              : finished_                ? buffer_.size()
                                          : std::max(at_, buffer_.size() - std::min(buffer_.size(), tag_.size() - 1));
            count(at_, stop);
            at_ = stop;
            if (found == std::string::npos) return step::more;
            inside_ = inside::nothing;
            return step::on;
        }
        case inside::line_comment: {
            const auto newline = buffer_.find('\n', at_);
            at_ = std::min(newline, buffer_.size());
            if (newline == std::string::npos) return step::more;
            inside_ = inside::nothing;
            return step::on;
        }
        case inside::comment: {
            for (; at_ < buffer_.size(); ++at_) {
                const char c = buffer_[at_];
                if (c == '\n') ++line_;
                if (c != '*' && c != '/') continue;
                if (at_ + 1 == buffer_.size()) return step::more;
                const char next = buffer_[at_ + 1];
                if (c == '/' && next == '*') {
                    ++comments_;
                    ++at_;
                } else if (c == '*' && next == '/') {
                    ++at_;
                    if (--comments_ > 0) continue;
                    ++at_;
                    inside_ = inside::nothing;
                    return step::on;
                }
            }
            return step::more;
        }
        case inside::nothing:
            break;
    }
    return step::on;
}

}  // namespace ringway::router::dump
