#pragma once
// Rows of several shards, each in order, as one row after the other in order. Holds what has come and is not wanted
// yet; who feeds it heeds wants().

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

struct merge_key {
    std::uint32_t type_oid = 0;
    bool descending = false, nulls_first = false;
};

class row_merge {
  public:
    /// `shown`: the client's columns; the keys follow them, in the binary format. No keys: in any order.
    void begin(std::size_t sources, std::size_t shown, std::vector<merge_key> keys);
    /// Rows of a source that are not in order are taken as they come.
    void bear_disorder() noexcept { bears_disorder_ = true; }
    void add(std::size_t source, std::string_view frame);  ///< a DataRow, with its header
    void end(std::size_t source) { sources_[source].ended = true; }
    /// Whether more of this source may come. Rows larger than the limit come one at a time.
    bool wants(std::size_t source) const noexcept { return sources_[source].bytes() < most_held; }
    bool over() const noexcept;
    /// The next row, as the client is to get it, appended to `to`. False: not until more has come, or over().
    bool take(std::string& to);
    bool skip();                                          ///< the same without anybody getting it
    bool broken() const noexcept { return broken_; }      ///< a row was not what its description says
    bool unsorted() const noexcept { return unsorted_; }  ///< a source's rows were not in order

    static constexpr std::size_t most_held = 256 * 1024;

  private:
    struct source {
        std::string held;
        std::size_t at = 0;
        bool ended = false, keyed = false;
        std::string key;     ///< of the row at `at`, when `keyed`
        std::string before;  ///< of the row before it
        std::size_t bytes() const noexcept { return held.size() - at; }
    };
    source* next();
    void read_key(source& of);
    void pass(source& of);

    std::vector<source> sources_;
    std::size_t shown_ = 0;
    std::vector<merge_key> keys_;
    bool broken_ = false, unsorted_ = false, bears_disorder_ = false;
};

}  // namespace ringway::proxy
