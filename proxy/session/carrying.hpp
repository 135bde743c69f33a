#pragma once
// An INSERT whose rows belong elsewhere than where they are made (router/carry.hpp), from the client's text to the
// statements of each shard. Sans-I/O: it says what the seat, which makes the rows, is to be sent, and is told what the
// seat answers.
//
//   judge    the seat reads the client's own text: its errors, its parameters' types, the target's columns
//   make     a temporary table of the columns that the rows give, as the target has them, and with their defaults those
//            of the key that they do not give
//   fill     the client's SELECT into it: the server's own casts, and all rows before the first is inserted
//   give     the rows, as a binary COPY
//   parts    the client's INSERT with the rows of each shard as VALUES; of many rows, where it can be: a COPY on each
//            shard, while they come, and on the seat an INSERT of its own ones, from the temporary table

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "router/carry.hpp"
#include "router/copy_split.hpp"

namespace ringway::proxy {

struct span_part;

struct carry_task {
    std::shared_ptr<const router::carry_recipe> what;
    std::shared_ptr<const router::shard_map> map;
    std::string whole;         ///< the client's text
    std::string source, rows;  ///< router::insert_texts::source, and as the seat is to run it
    std::string head, tail;
    std::optional<std::size_t> list_end;  ///< router::insert_texts::list_end, in `head`
    bool overrides = false;               ///< `head` has OVERRIDING
    bool extended = false;  ///< by the extended protocol: with parameters, and no description of what RETURNING gives
    std::string types;      ///< of its parameters, as the client declared them
    std::string bound;      ///< of its Bind, after the names; empty: nothing bound
};

class carrying {
  public:
    /// Bytes of rows that are kept.
    static constexpr std::size_t most_bytes = 64u << 20;

    explicit carrying(carry_task task) : task_(std::move(task)) {}
    /// It comes by the extended protocol, with these parameters.
    void bind_to(std::string_view types, std::string_view bound) {
        task_.extended = true;
        task_.types = types;
        task_.bound = bound;
    }

    bool begins() const noexcept { return !described_; }
    std::string judge() const;                      ///< ends in a Sync
    void judged(char type, std::string_view body);  ///< a message of the answer
    std::optional<config::fault> find_columns();    ///< when it has ended well
    std::string make() const;                       ///< ends in a Sync
    void made(char type, std::string_view body);
    std::optional<config::fault> find_key();        ///< when it has ended well
    std::string fill(std::string_view last) const;  ///< ends in a Sync; `last`: a statement behind it
    void filled(char type, std::string_view body);
    bool stays() const noexcept { return task_.what->where == router::carry_recipe::to::first; }
    bool flows() const noexcept { return task_.what->copies && size_ >= flows_from; }

    std::string give() const;  ///< a Query
    /// A CopyData of the answer. `sink`: where rows go that flow: a shard's tuple; none: they are kept.
    using sink = std::function<void(std::uint16_t shard, std::string_view tuple)>;
    void take(std::string_view copy_data, const sink& to);
    const std::optional<config::fault>& problem() const noexcept { return why_; }
    /// What is wrong with the rows, when much more of them comes that is of no use; else null.
    const config::fault* waste() const noexcept { return why_ && wasted_ > most_wasted ? &*why_ : nullptr; }
    /// When it has ended well. `order`: of the rows, which part each is in.
    std::optional<config::fault> parts(std::vector<span_part>& out, std::vector<std::uint16_t>& order);
    std::string copy_in() const;  ///< a Query, of a shard that rows flow to
    bool has_own() const noexcept { return own_ > 0; }
    std::string insert_own() const;  ///< of the seat's rows, then of the table's end; ends in a Sync
    std::string insert_all() const;  ///< ... of all, by the client's text; ends in a Sync
    static std::string drop();       ///< a Query
    bool alike() const noexcept { return task_.what->where == router::carry_recipe::to::all; }
    const router::carry_recipe& what() const noexcept { return *task_.what; }

  private:
    struct column {
        std::string name, type;
        std::uint32_t type_oid = 0;  ///< of a domain that of its values
        std::string objects;         ///< a type within it whose values name objects of one server; else empty
        std::string by_default;      ///< an expression; of an identity column that of its sequence; else empty
        bool always_identity = false;
    };
    std::optional<config::fault> add_drawn();
    bool has_default(const column& each) const;
    std::string columns(std::size_t count) const;
    std::string columns() const { return columns(given_); }
    std::string bind(std::string_view more, std::size_t count, bool results) const;
    void flow(std::uint16_t owner, std::string_view tuple, const sink& to);
    void keep(std::uint16_t owner, std::string_view tuple);
    void write_rows(std::string& out, std::string_view rows, std::size_t from, std::size_t count) const;
    void write_insert(std::string& out, std::size_t rows) const;
    void add_part(std::uint16_t shard, const std::string& rows, const std::vector<std::uint32_t>& ends,
                  std::vector<span_part>& out) const;
    std::size_t most_rows() const;

    carry_task task_;
    std::vector<column> columns_;  ///< the target's, then those that the rows give
    std::size_t given_ = 0;  ///< columns of what is carried: those of the source, and those of the key that are drawn
    bool described_ = false, columns_told_ = false, headed_ = false;
    std::size_t parameters_ = 0;
    std::optional<router::copy_split> split_;
    /// By shard, or at 0 for all: the rows' values as a Bind has them, and where each row ends.
    std::vector<std::string> rows_;
    std::vector<std::vector<std::uint32_t>> ends_;
    std::vector<std::uint16_t> owners_;  ///< by row
    static constexpr std::size_t flows_from = 8u << 20;
    std::size_t size_ = 0;  ///< bytes of the temporary table
    std::string own_rows_;  ///< of rows that flow: a bit for each, set for those of the seat
    std::size_t flown_ = 0, own_ = 0;
    static constexpr std::size_t most_wasted = 1u << 20;
    std::size_t bytes_ = 0, wasted_ = 0;
    std::optional<config::fault> why_;
};

}  // namespace ringway::proxy
