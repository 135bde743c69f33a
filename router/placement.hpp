#pragma once
// Where one statement of a text belongs on a sharded cluster.

#include <optional>
#include <string>
#include <vector>

#include "config/fault.hpp"
#include "router/catalog.hpp"
#include "router/keys.hpp"
#include "router/plan.hpp"
#include "router/statement.hpp"

namespace ringway::router {

struct placed {
    router::placement where = placement::any_shard;
    std::vector<key_recipe> keys;
    std::optional<std::uint16_t> fixed_shard;
    std::optional<config::fault> refusal;  ///< for placement::refused, and for several: why no one shard
    std::shared_ptr<const gather_recipe> gather;
    std::shared_ptr<const scatter_recipe> scatter;  ///< with `gather`, or of rows that are locked
    spreading spread = spreading::none;
    std::shared_ptr<const copy_recipe> copy;
    std::shared_ptr<const key_move> move;
    std::shared_ptr<const carry_recipe> carry = nullptr;
    std::string spread_key = {};  ///< of spreading::apart
    key_type spread_type = key_type::unsupported;
    std::string alone = {};  ///< as of a plan
    copies_kept copies = {};
};

/// What place() looks at besides the statement. Points into what it is made from.
struct placement_rules {
    const shard_map& map;
    const catalog* in;
    const std::vector<std::string>& path;
    std::optional<std::uint16_t> hinted;  ///< /* ringway: shard=NAME */
    router::dialect dialect = dialect::postgres;
    std::string_view text = {};  ///< of the whole; empty: not known
    const plan_context* around = nullptr;
};

placed place(const statement& what, const placement_rules& rules);

/// Several statements of one text go together.
placed together(placed a, placed b);

}  // namespace ringway::router
