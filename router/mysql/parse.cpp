#include "router/mysql/parse.hpp"

namespace ringway::router {

analysis parse_mysql(std::string_view text, const mysql_modes&) {
    analysis out;
    out.error = "MySQL's SQL is not read yet";
    out.cacheable = false;
    statement one;
    one.where = {0, static_cast<std::uint32_t>(text.size())};
    one.writes = true;
    one.block.exact = false;
    one.effects.push_back({effect::kind::settings_unknown, {}, {}, {}, {}, {}});
    out.statements.push_back(std::move(one));
    return out;
}

}  // namespace ringway::router
