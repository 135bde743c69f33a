#include "config/fault.hpp"

#include <array>

namespace ringway::config {

namespace {

struct code {
    fault_kind kind;
    std::string_view sqlstate;
    std::uint16_t mysql;
};

/// In the order of fault_kind; checked at compile time.
constexpr std::array<code, 20> codes{{
    {fault_kind::unsupported, "0A000", 1235},
    {fault_kind::authentication, "28P01", 1045},
    {fault_kind::not_authorized, "28000", 1045},
    {fault_kind::unknown_cluster, "3D000", 1049},
    {fault_kind::too_many_connections, "53300", 1040},
    {fault_kind::malformed_message, "08P01", 1835},
    {fault_kind::server_lost, "08006", 2013},
    {fault_kind::cannot_connect, "08001", 2003},
    {fault_kind::read_only, "25006", 1290},
    {fault_kind::over_limit, "54000", 1153},
    {fault_kind::no_key, "23502", 1048},
    {fault_kind::syntax, "42601", 1064},
    {fault_kind::undefined_statement, "26000", 1243},
    {fault_kind::duplicate_statement, "42P05", 1235},
    {fault_kind::aborted_transaction, "25P02", 1235},
    {fault_kind::query_wait_timeout, "53300", 1205},
    {fault_kind::shutting_down, "57P01", 1053},
    {fault_kind::invalid_parameter, "22023", 1231},
    {fault_kind::canceled, "57014", 1317},
    {fault_kind::internal, "XX000", 1105},
}};

constexpr bool in_order() {
    for (std::size_t i = 0; i < codes.size(); ++i)
        if (static_cast<std::size_t>(codes[i].kind) != i) return false;
    return static_cast<std::size_t>(fault_kind::internal) + 1 == codes.size();
}
static_assert(in_order());

}  // namespace

std::string_view sqlstate(fault_kind kind) noexcept { return codes[static_cast<std::size_t>(kind)].sqlstate; }
std::uint16_t mysql_number(fault_kind kind) noexcept { return codes[static_cast<std::size_t>(kind)].mysql; }

}  // namespace ringway::config
