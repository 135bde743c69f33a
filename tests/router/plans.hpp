#pragma once
// A small world to plan statements in: a catalog, a cluster of one shard and one of three.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/plan.hpp"
#include "router/shape.hpp"

namespace ringway::router::world {

/// The catalog before make_catalog: tables, views, functions of the tests.
catalog raw_catalog();
const catalog& shared_catalog();

/// "app": one shard. "shop": s0, s1, s2 with users(id), orders(user_id), items(user_id), accounts(id uuid),
/// documents(slug text), prices(amount numeric), archive.files(owner), countries (reference); others live on s0.
const shard_map& app();
const shard_map& shop();

/// A statement planned in the world.
struct planned {
    std::string text;
    std::vector<literal> literals;
    std::shared_ptr<const plan> made;

    route route_with(const std::vector<parameter>& parameters = {}, const shard_map& map = shop()) const;
    values values_with(const std::vector<parameter>& parameters) const;
    const statement& only() const { return made->parsed.statements.at(0); }
};
planned plan_on(const shard_map& map, std::string_view text, std::string_view search_path = {},
                const catalog* in = &shared_catalog());
inline planned plan_app(std::string_view text) {
    return plan_on(app(), text);
}
inline planned plan_shop(std::string_view text) {
    return plan_on(shop(), text);
}

parameter text_parameter(std::string_view value, std::uint32_t type_oid = 0);
parameter null_parameter();

/// The shard that owns an integer (or already canonical) key on shop's ring.
std::uint16_t owner_of(std::string_view canonical);

/// A plan in the words of the golden files, a line each.
std::vector<std::string> described(const planned& what);

}  // namespace ringway::router::world
