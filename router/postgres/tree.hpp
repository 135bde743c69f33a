#pragma once
// libpg_query's parse tree, read from its JSON into one flat array: a few bytes a node, nothing recursive.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::router::postgres {

enum class node_kind : std::uint8_t { object, array, string, number, boolean, null };

/// One value of the JSON. `key` and `raw` point into the text the tree was made from.
struct raw_node {
    std::string_view key;               ///< empty in an array
    std::string_view raw;               ///< of a string (still escaped), number or boolean
    std::uint32_t first = 0, next = 0;  ///< first child, next sibling; 0: none
    std::uint32_t end = 0;              ///< one past the last node below: a subtree is a range
    node_kind kind = node_kind::null;
};

/// A place in a tree, or nowhere: looking for what is absent gives nowhere again. Valid as long as its tree.
class node {
  public:
    node() = default;
    node(const std::vector<raw_node>& all, std::uint32_t at) : all_(&all), at_(at) {}

    explicit operator bool() const noexcept { return at_ != 0; }
    node operator[](std::string_view key) const noexcept;

    std::string_view key() const noexcept { return at_ ? self().key : std::string_view{}; }
    node_kind kind() const noexcept { return at_ ? self().kind : node_kind::null; }
    node first() const noexcept { return at_ ? node(*all_, self().first) : node(); }
    node next() const noexcept { return at_ ? node(*all_, self().next) : node(); }
    std::size_t size() const noexcept;

    std::string text() const;  ///< of a string; empty when absent
    std::string_view word() const noexcept { return at_ ? self().raw : std::string_view{}; }  ///< an enumeration's name
    std::int64_t number(std::int64_t when_absent) const noexcept;
    bool is_true() const noexcept { return at_ && self().raw == "true"; }

    /// Calls `see` for this node and all below it, from front to back; false from it: not what is below this one.
    template <class See>
    void visit(See&& see) const {
        for (auto at = at_; at_ && at < self().end;) at = see(node(*all_, at)) ? at + 1 : (*all_)[at].end;
    }

    /// Children of an object or array.
    class iterator;
    iterator begin() const noexcept;
    iterator end() const noexcept;

  private:
    const raw_node& self() const noexcept { return (*all_)[at_]; }
    const std::vector<raw_node>* all_ = nullptr;
    std::uint32_t at_ = 0;
};

class node::iterator {
  public:
    explicit iterator(node at) : at_(at) {}
    node operator*() const noexcept { return at_; }
    iterator& operator++() noexcept {
        at_ = at_.next();
        return *this;
    }
    bool operator!=(const iterator& other) const noexcept {
        return static_cast<bool>(at_) != static_cast<bool>(other.at_);
    }

  private:
    node at_;
};
inline node::iterator node::begin() const noexcept {
    return iterator(first());
}
inline node::iterator node::end() const noexcept {
    return iterator(node());
}

/// Owns the nodes; what it hands out points into it and into `json`, which must outlive it.
class tree {
  public:
    explicit tree(std::string_view json);
    node root() const noexcept { return nodes_.size() > 1 ? node(nodes_, 1) : node(); }

  private:
    std::vector<raw_node> nodes_;
};

}  // namespace ringway::router::postgres
