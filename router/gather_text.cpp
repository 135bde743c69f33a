// The statements that bring rows together on one server.

#include <fmt/format.h>

#include "router/gather.hpp"

namespace ringway::router {

namespace {

std::string column_list(const gathered_table& table) {
    std::string out;
    for (const auto& each : table.columns) out += (out.empty() ? "" : ", ") + quoted_name(each);
    return out;
}

std::string rows_of(const gathered_table& table, const std::string& filter) {
    return fmt::format("SELECT {} FROM {}.{}{}", column_list(table), quoted_name(table.schema), quoted_name(table.name),
                       filter);
}

std::string stand_in(const gathered_table& table, const std::string& filter, bool with_keys) {
    if (!with_keys)
        return fmt::format("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS {}", quoted_name(table.name),
                           rows_of(table, filter));
    return fmt::format(
        "CREATE TEMPORARY TABLE {0} (LIKE {1}.{0} INCLUDING INDEXES) ON COMMIT DROP; INSERT INTO pg_temp.{0} ({2}) {3}",
        quoted_name(table.name), quoted_name(table.schema), column_list(table), rows_of(table, filter));
}

}  // namespace

std::string stand_ins(const gather_recipe& all, const std::vector<std::string>& filters) {
    std::string out;
    for (std::size_t i = 0; i < all.tables.size(); ++i)
        out += (i ? "; " : "") + stand_in(all.tables[i], filters[i], all.keys);
    return out;
}

std::string drop_stand_ins(const gather_recipe& all) {
    std::string out;
    for (const auto& each : all.tables)
        out += (out.empty() ? "DROP TABLE pg_temp." : ", pg_temp.") + quoted_name(each.name);
    return out;
}

std::string copy_out(const gathered_table& table, const std::string& filter) {
    return fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", rows_of(table, filter));
}

std::string copy_in(const gathered_table& table) {
    return fmt::format("COPY pg_temp.{}{} FROM STDIN (FORMAT binary)", quoted_name(table.name),
                       table.columns.empty() ? std::string() : " (" + column_list(table) + ")");
}

}  // namespace ringway::router
