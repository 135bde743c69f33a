#pragma once
// What definitions within a transaction have made unsure. Until it is committed no catalog knows what a name means that
// it has made, renamed or replaced, so what uses such a name is not routed by what it meant before.

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "router/statement.hpp"

namespace ringway::router {

struct catalog;
struct literal;
struct shard_map;

class unsure_names {
  public:
    /// Of a statement that changes the catalogs, with its text and its literals. `in` may be null.
    void add(const statement& made, std::string_view text, std::span<const literal> literals, const shard_map& map,
             const catalog* in);
    /// Something has been defined, and it is not known what.
    void add_anything() noexcept { anything_ = blurred_ = true; }
    /// A relation or function of this statement that may mean something else than the catalog says; empty: none.
    /// `text`, `literals`: of the statement alone. `in` may be null: then no name is known.
    std::string find(const statement& what, std::string_view text, std::span<const literal> literals,
                     const catalog* in) const;

  private:
    std::string find(const query_block& within, const catalog* in, bool defines) const;
    bool is_unsure(const table_ref& which, const catalog* in) const;
    bool is_touched(const table_ref& which, const catalog* in) const;
    void add_cascade(std::string_view what, const names_used& names, const shard_map& map, const catalog* in);

    bool anything_ = false;
    bool blurred_ = false;           ///< what the catalog says of views and functions need not hold any more
    std::set<std::string> touched_;  ///< names that mean something else, or did
    std::set<std::string> made_;     ///< tables that are new: on one server only
    std::set<std::string> retyped_;  ///< tables with columns of types that the catalog does not know
    std::set<std::string> shifted_;  ///< tables whose columns may have other places
};

}  // namespace ringway::router
