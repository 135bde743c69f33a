#pragma once
// The data of a COPY ... FROM STDIN, row by row: where each row ends, and what stands in some of its columns. It finds
// the ends as a server does (CopyReadLine), so that rows can be sent on as they are. Streaming: it keeps the row that
// is not whole yet, no more.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::router {

/// How the data is written.
struct copy_form {
    enum class format : std::uint8_t { text, csv, binary } what = format::text;
    char delimiter = '\t', quote = '"', escape = '"';
    bool header = false;         ///< the first line has the columns' names
    std::string null = "\\N";    ///< stands for NULL
    std::string default_marker;  ///< stands for the column's default; see has_default
    bool has_default = false;
    bool end_marker_in_csv = true;  ///< "\." ends CSV data too: servers before 18
};

/// A column that is looked at.
struct copy_wish {
    std::uint16_t field = 0;  ///< of the data, from 0
    bool force_not_null = false, force_null = false;
};

/// What is next in the data. Each has its bytes.
enum class copy_item : std::uint8_t {
    more,    ///< nothing that is whole
    header,  ///< the line with the names, or a binary header
    row,
    bad,  ///< bytes that no server takes: it will say why
    end,  ///< the end marker: what follows does not count
};

class copy_rows {
  public:
    /// `wishes`: at most 8, in the order of their fields.
    copy_rows(copy_form form, std::vector<copy_wish> wishes);

    /// More data, looked at until next() says `more`.
    void feed(std::string_view bytes);
    /// `raw` is valid until the next call.
    copy_item next(std::string_view& raw);
    /// The data has ended: what is left, a last line without its end, or `more` for nothing.
    copy_item finish(std::string_view& raw);

    enum class field_state : std::uint8_t { value, null, missing, uncertain };
    struct field {
        field_state state = field_state::missing;
        std::string_view text;  ///< decoded; of binary data the bytes as they are
    };
    /// Of the row that next() has told of, by the order of the wishes.
    const field& at(std::size_t wish) const noexcept { return fields_[wish]; }
    /// By which servers count the lines of CSV.
    char line_end_byte() const noexcept { return ends_ == line_end::cr || ends_ == line_end::crnl ? '\r' : '\n'; }
    /// Bytes kept of a row that is not whole.
    std::size_t kept() const noexcept { return carry_.size(); }

  private:
    enum class line_end : std::uint8_t { unknown, nl, cr, crnl };
    enum class scan : std::uint8_t { whole, more, bad, end };
    static constexpr std::size_t most_wishes = 8;

    std::string_view rest() const noexcept { return std::string_view(data_).substr(start_); }
    scan scan_line(bool last);
    scan scan_fast();
    scan scan_slow(bool last);
    scan slow_return(bool last);
    scan slow_backslash(bool last);
    copy_item take_line(std::string_view& raw, bool last);
    copy_item next_binary(std::string_view& raw, bool last);
    copy_item binary_header(std::string_view& raw);
    void keep();
    void cut(std::string_view& raw, std::size_t stop);
    void start_line() noexcept;
    void read_text(std::string_view line);
    void read_csv(std::string_view line);
    void read_csv_field(std::string_view line, std::size_t& at, std::string* decoded, bool& quoted);
    void decode_text(std::string_view raw, std::size_t wish);
    void judge(std::size_t wish, std::string_view raw, std::string_view decoded, bool quoted);
    bool csv() const noexcept { return form_.what == copy_form::format::csv; }

    copy_form form_;
    std::vector<copy_wish> wishes_;
    std::array<field, most_wishes> fields_{};
    std::array<std::string, most_wishes> decoded_;
    std::string carry_;
    std::string_view data_;  ///< what has been fed, or the kept row with it
    std::size_t start_ = 0;  ///< of the row
    std::size_t at_ = 0;     ///< scanned up to here
    std::size_t stop_ = 0;   ///< of the line's text
    line_end ends_ = line_end::unknown;
    bool quoted_ = false, escaped_ = false;  ///< of the place where the scan is
    bool slow_ = false;                      ///< this line is looked at byte by byte
    bool special_ = false;                   ///< a backslash (text) or a quote (csv) is in the line
    bool headed_ = false, ended_ = false;
};

}  // namespace ringway::router
