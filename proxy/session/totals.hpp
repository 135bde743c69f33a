#pragma once
// One row of aggregates over all shards, made of each shard's row of the same: counts and sums added, extremes
// compared, booleans and bits joined. Only for types whose arithmetic is whole numbers', a decimal's or a plain order,
// so that no server is needed to do it as one would.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

class totals {
  public:
    enum class kind : std::uint8_t { added, least, greatest, all, any, bits_and, bits_or, bits_xor };
    struct column {
        kind how = kind::added;
        bool zero = false;  ///< of no rows it is 0: count
        std::uint32_t type = 0;
        bool binary = false;  ///< as the client wants it
    };
    /// What an aggregate's parts are put together by. None: by nothing here.
    static std::optional<kind> kind_of(std::string_view aggregate);
    /// Whether values of this type can be put together so. Texts only where their collation compares bytes.
    static bool fits(kind how, std::uint32_t type, bool texts_by_bytes);
    /// Whether a shard is to send this column as the client wants it, and once more, binary, behind all others.
    static bool has_key(kind how) noexcept { return how == kind::least || how == kind::greatest; }

    void begin(std::vector<column> columns);
    /// A DataRow, with its header: columns without a key as text. False: it is not of these columns, or the sum is no
    /// bigint any more.
    bool add(std::string_view frame);
    bool any() const noexcept { return any_; }  ///< any row
    bool write(std::string& to) const;          ///< the row that the client gets. False: a value is not of its type

  private:
    struct cell {
        std::optional<std::string> value;
        std::string key;
    };
    bool add(std::size_t index, std::string_view text);

    std::vector<column> columns_;
    std::vector<cell> cells_;
    bool any_ = false;
};

}  // namespace ringway::proxy
