#pragma once
// A plain-text dump (pg_dump's, or any SQL script), cut into statements, rows of COPY and psql's own commands, in a
// stream: it keeps what is not whole yet, no more.

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::router::dump {

enum class item_kind : std::uint8_t {
    more,       ///< nothing that is whole: feed it, or finish
    statement,  ///< without the comments before it and without its semicolon
    command,    ///< a line that begins with a backslash: psql's
    rows,       ///< a piece of COPY's data, after expect_rows: whole lines but for very long ones
    rows_end,   ///< the line "\."
    end,        ///< of the dump
    broken      ///< nothing more can be read: `why`
};

struct item {
    item_kind kind = item_kind::more;
    std::string_view text;   ///< valid until the next call of feed or next
    std::uint64_t line = 0;  ///< where it begins, from 1
    std::string_view why;    ///< of what is broken
};

class splitter {
  public:
    /// A statement longer than this is broken: most likely a quote is missing.
    explicit splitter(std::size_t most_bytes = 256u << 20) : most_bytes_(most_bytes) {}

    void feed(std::string_view bytes);
    void finish() noexcept { finished_ = true; }
    item next();
    /// The statement that next() gave last was a COPY ... FROM STDIN: its rows begin with the next line.
    void expect_rows() noexcept { mode_ = mode::before_rows; }
    /// As the dump has set it: whether a backslash stands for itself in '...'.
    void set_conforming_strings(bool on) noexcept { conforming_ = on; }
    /// Of the byte that is looked at next.
    std::uint64_t line() const noexcept { return line_; }

  private:
    enum class mode : std::uint8_t { sql, before_rows, rows, over };
    enum class inside : std::uint8_t { nothing, quoted, escaped, name, dollar, line_comment, comment };
    /// What a step over the text came to.
    enum class step : std::uint8_t { on, more, done };

    std::string_view rest() const noexcept { return std::string_view(buffer_).substr(at_); }
    item next_sql();
    item next_rows();
    item give(item_kind kind, std::size_t from, std::size_t stop);
    item broken(std::string_view why, std::uint64_t line);
    item at_end();
    step outside();
    step within();
    step skip_to(char quote, bool backslashes);
    void enter(inside what, std::size_t length);
    void count(std::size_t from, std::size_t stop) noexcept;
    void start_statement() noexcept;
    void pass_word();

    std::string buffer_;
    std::size_t at_ = 0;     ///< looked at up to here
    std::size_t start_ = 0;  ///< of the statement
    std::uint64_t line_ = 1, start_line_ = 1, open_line_ = 1;
    std::size_t most_bytes_;
    mode mode_ = mode::sql;
    inside inside_ = inside::nothing;
    bool finished_ = false, conforming_ = true, begun_ = false, first_ = true;
    bool line_start_ = true;  ///< of rows: at the start of a line
    int parens_ = 0;          ///< a semicolon within belongs to a rule
    int comments_ = 0;        ///< nested /* */
    int bodies_ = 0;          ///< BEGIN ATOMIC ... END: semicolons within are the function's
    int words_ = 0;           ///< of the statement
    bool routine_ = false;    ///< CREATE [OR REPLACE] FUNCTION or PROCEDURE
    bool create_ = false, after_begin_ = false;
    std::string tag_;  ///< "$tag$"
    std::string said_;
};

}  // namespace ringway::router::dump
