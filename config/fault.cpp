#include "config/fault.hpp"

namespace ringway::config {

namespace {

struct codes {
    std::string_view sqlstate;
    std::uint16_t mysql;
};

/// The table. A switch, so that the compiler names a kind that is left out.
codes codes_of(fault_kind kind) noexcept {
    switch (kind) {
        case fault_kind::unsupported:
            return {"0A000", 1235};
        case fault_kind::authentication:
            return {"28P01", 1045};
        case fault_kind::not_authorized:
            return {"28000", 1045};
        case fault_kind::unknown_cluster:
            return {"3D000", 1049};
        case fault_kind::no_permission:
            return {"42501", 1044};
        case fault_kind::not_accepting:
            return {"55000", 1049};
        case fault_kind::too_many_connections:
            return {"53300", 1040};
        case fault_kind::malformed_message:
            return {"08P01", 1835};
        case fault_kind::server_lost:
            return {"08006", 1158};  // numbers from 2000 on are the clients' own: some take them for garbage
        case fault_kind::cannot_connect:
            return {"08001", 1429};
        case fault_kind::read_only:
            return {"25006", 1290};
        case fault_kind::over_limit:
            return {"54000", 1153};
        case fault_kind::no_key:
            return {"23502", 1048};
        case fault_kind::unmapped_key:
            return {"23514", 1526};
        case fault_kind::malformed_copy:
            return {"22P04", 1366};
        case fault_kind::syntax:
            return {"42601", 1064};
        case fault_kind::undefined_statement:
            return {"26000", 1243};
        case fault_kind::duplicate_statement:
            return {"42P05", 1235};
        case fault_kind::undefined_cursor:
            return {"34000", 1325};
        case fault_kind::aborted_transaction:
            return {"25P02", 1235};
        case fault_kind::active_transaction:
            return {"25001", 1568};
        case fault_kind::query_wait_timeout:
            return {"53300", 1205};
        case fault_kind::shutting_down:
            return {"57P01", 1053};
        case fault_kind::invalid_parameter:
            return {"22023", 1231};
        case fault_kind::canceled:
            return {"57014", 1317};
        case fault_kind::idle_session:
            return {"57P05", 4031};
        case fault_kind::idle_transaction:
            return {"25P03", 4031};
        case fault_kind::internal:
            break;
    }
    return {"XX000", 1105};
}

}  // namespace

std::string_view sqlstate(fault_kind kind) noexcept {
    return codes_of(kind).sqlstate;
}

std::uint16_t mysql_number(fault_kind kind) noexcept {
    return codes_of(kind).mysql;
}

}  // namespace ringway::config
