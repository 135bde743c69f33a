#pragma once
// COPY ... FROM STDIN of a table whose rows are on several shards: which shard each row of the data belongs to.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "router/copy_rows.hpp"
#include "router/plan.hpp"

namespace ringway::router {

/// What of a COPY's data tells the shard.
struct copy_recipe {
    struct column {
        copy_wish wish;
        key_type type = key_type::text;
        std::uint32_t type_oid = 0;
        std::int32_t type_modifier = -1;
    };
    copy_form form;
    std::uint16_t table = 0;         ///< index in shard_map::tables
    bool to_all = false;             ///< a reference table: every shard gets every row
    std::vector<column> columns;     ///< in the order of the data
    std::vector<std::uint16_t> key;  ///< for each column of the key: its place in `columns`
};

/// A piece of the data, for a shard or for all.
struct copy_piece {
    enum class to : std::uint8_t {
        shard,  ///< a row
        all,    ///< a header
        judge,  ///< a row that cannot be placed, or is none: `shard` will say what is wrong with it, else it is `why`
        nobody  ///< the marker that ends the data
    } where = to::shard;
    std::uint16_t shard = 0;
    std::string_view bytes;
    std::optional<config::fault> why;
};

class copy_split {
  public:
    copy_split(std::shared_ptr<const copy_recipe> what, std::shared_ptr<const shard_map> map);

    void feed(std::string_view bytes) { rows_.feed(bytes); }
    /// False: more data is needed. After a piece to be judged there is nothing.
    bool next(copy_piece& out);
    /// The data has ended; what is left of it, until false.
    bool finish(copy_piece& out);
    bool binary() const noexcept { return what_->form.what == copy_form::format::binary; }
    /// Whether some row went to the shard.
    bool wrote(std::uint16_t shard) const noexcept { return counts_[shard] != 0; }
    std::size_t kept() const noexcept { return rows_.kept(); }
    /// Which line of the whole data is a line of one shard's part, as servers count them. Nothing: too long ago.
    std::optional<std::uint64_t> line_of(std::uint16_t shard, std::uint64_t line) const;

  private:
    /// A row that has been sent, to tell lines of later.
    struct sent {
        std::uint16_t shard = 0;
        std::uint16_t lines = 1;  ///< of the whole data
        std::uint16_t own = 1;    ///< ... as the shard counts them
    };
    static constexpr std::uint16_t every = 0xffff;  ///< shard of what all get
    static constexpr std::size_t remembered = 512 * 1024;
    void note(std::uint16_t shard, std::string_view raw);

    bool take(copy_item what, copy_piece& out);
    void place(copy_piece& out);
    void judge(copy_piece& out, std::optional<config::fault> why);
    std::string title() const;

    std::shared_ptr<const copy_recipe> what_;
    std::shared_ptr<const shard_map> map_;
    copy_rows rows_;
    std::vector<std::uint64_t> counts_;  ///< rows by shard
    std::vector<std::uint64_t> lines_;   ///< ... and lines
    std::uint64_t all_lines_ = 0;
    std::vector<sent> recent_;  ///< a ring of the last ones
    std::size_t next_recent_ = 0;
    std::uint16_t first_ = 0;  ///< the shard that had the first row: it knows the lines' ends
    bool any_ = false, over_ = false, trailed_ = false;
    std::string after_;  ///< a binary trailer with what came behind it
};

}  // namespace ringway::router
