#pragma once
// Rows of several shards that lock what they read: all are kept until the last shard has given its own, then given in
// their order. Sans-I/O: it says what the shards are to be sent, and is told what they answer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fault.hpp"
#include "proxy/session/row_merge.hpp"
#include "router/scatter.hpp"

namespace ringway::proxy {

struct sorted_task {
    std::string own;                            ///< the client's text
    std::vector<std::string> texts;             ///< by part: with the sort keys as further columns
    std::vector<router::scatter_order> orders;  ///< of these
    bool texts_by_bytes = false;                ///< texts among them compare as their bytes do
    bool extended = false;                      ///< by the extended protocol: nobody is told of its columns
    std::string types;                          ///< of its parameters, as the client declared them
    std::string bound;                          ///< of its Bind, after the names
};

class sorted_rows {
  public:
    /// Bytes of rows that are kept.
    static constexpr std::size_t most_bytes = 64u << 20;

    explicit sorted_rows(sorted_task task) : task_(std::move(task)) {}
    /// It comes by the extended protocol, with these parameters.
    void bind_to(std::string_view types, std::string_view bound) {
        task_.extended = true;
        task_.types = types;
        task_.bound = bound;
    }

    bool begins() const noexcept { return descriptions_.empty(); }
    std::string ask() const;                        ///< what the columns are, of the first part's shard
    void asked(char type, std::string_view frame);  ///< a message of the answer
    /// RowDescription of the client's text, when the answer has ended well.
    std::string_view description() const { return descriptions_.empty() ? std::string_view() : descriptions_.front(); }
    std::optional<config::fault> decide();               ///< when it has ended well: why they cannot be sorted here
    std::string part(std::size_t i) const;               ///< ends in a Sync; behind decide()
    std::string head() const;                            ///< for the client, before its rows
    void end(std::size_t part) { rows_.end(part); }      ///< it has given all its rows
    bool add(std::size_t part, std::string_view frame);  ///< a DataRow; false: more than may be kept
    std::optional<config::fault> give(std::string& to);  ///< all rows, in their order, or why not

  private:
    sorted_task task_;
    std::vector<std::string> descriptions_;  ///< of the client's text, and of the one with keys; empty: not asked yet
    std::size_t shown_ = 0, bytes_ = 0;
    row_merge rows_;
};

/// What a client hears whose rows are more than may be kept.
config::fault too_many_sorted();

}  // namespace ringway::proxy
