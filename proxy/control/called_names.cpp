#include "proxy/control/called_names.hpp"

#include <cstddef>

namespace ringway::proxy {

namespace {

bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) {
    return starts_name(c) || (c >= '0' && c <= '9') || c == '$';
}

/// Reads an expression from left to right; `at` is always at the beginning of a token.
class expression_reader {
  public:
    explicit expression_reader(std::string_view text) : text_(text) {}

    bool done() const { return at_ >= text_.size(); }
    char here() const { return text_[at_]; }
    void skip() { ++at_; }

    std::string take_name() {
        const std::size_t begin = at_;
        while (!done() && continues_name(here())) ++at_;
        return std::string(text_.substr(begin, at_ - begin));
    }

    /// At a quote: everything up to its end; a doubled quote stands for one, a backslash for the next when `escapes`.
    std::string take_quoted(bool escapes) {
        const char quote = here();
        std::string inside;
        for (++at_; !done(); ++at_) {
            if (escapes && here() == '\\') {
                ++at_;
            } else if (here() == quote) {
                ++at_;
                if (done() || here() != quote) return inside;
            }
            if (!done()) inside += here();
        }
        return inside;
    }

    bool before_parenthesis() {
        while (!done() && here() == ' ') ++at_;
        return !done() && here() == '(';
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

bool calls_any(std::string_view expression, const std::function<bool(const std::string&)>& matches) {
    expression_reader reader(expression);
    while (!reader.done()) {
        std::string name;
        if (reader.here() == '\'') {
            reader.take_quoted(false);
            continue;
        }
        if (reader.here() == '"') {
            name = reader.take_quoted(false);
        } else if (starts_name(reader.here())) {
            name = reader.take_name();
            const bool escape_string = (name == "E" || name == "e") && !reader.done() && reader.here() == '\'';
            if (escape_string) {
                reader.take_quoted(true);
                continue;
            }
        } else {
            reader.skip();
            continue;
        }
        if (reader.before_parenthesis() && matches(name)) return true;
    }
    return false;
}

}  // namespace ringway::proxy
