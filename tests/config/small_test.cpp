// The fault table, endpoints, look-ups, nearest words.

#include <doctest/doctest.h>

#include <set>

#include "config/fault.hpp"
#include "config/nearest.hpp"
#include "config/settings.hpp"

using namespace ringway::config;

TEST_CASE("every fault has an SQLSTATE and a MySQL number") {
    struct row {
        fault_kind kind;
        std::string_view sqlstate;
        std::uint16_t number;
    };
    const row table[] = {{fault_kind::unsupported, "0A000", 1235},
                         {fault_kind::authentication, "28P01", 1045},
                         {fault_kind::not_authorized, "28000", 1045},
                         {fault_kind::unknown_cluster, "3D000", 1049},
                         {fault_kind::no_permission, "42501", 1044},
                         {fault_kind::not_accepting, "55000", 1049},
                         {fault_kind::too_many_connections, "53300", 1040},
                         {fault_kind::malformed_message, "08P01", 1835},
                         {fault_kind::server_lost, "08006", 1158},
                         {fault_kind::cannot_connect, "08001", 1429},
                         {fault_kind::read_only, "25006", 1290},
                         {fault_kind::over_limit, "54000", 1153},
                         {fault_kind::no_key, "23502", 1048},
                         {fault_kind::unmapped_key, "23514", 1526},
                         {fault_kind::malformed_copy, "22P04", 1366},
                         {fault_kind::syntax, "42601", 1064},
                         {fault_kind::undefined_statement, "26000", 1243},
                         {fault_kind::duplicate_statement, "42P05", 1235},
                         {fault_kind::undefined_cursor, "34000", 1325},
                         {fault_kind::aborted_transaction, "25P02", 1235},
                         {fault_kind::active_transaction, "25001", 1568},
                         {fault_kind::query_wait_timeout, "53300", 1205},
                         {fault_kind::shutting_down, "57P01", 1053},
                         {fault_kind::invalid_parameter, "22023", 1231},
                         {fault_kind::canceled, "57014", 1317},
                         {fault_kind::idle_session, "57P05", 4031},
                         {fault_kind::idle_transaction, "25P03", 4031},
                         {fault_kind::internal, "XX000", 1105}};
    CHECK(std::size(table) == static_cast<std::size_t>(fault_kind::internal) + 1);
    for (const auto& one : table) {
        CHECK(sqlstate(one.kind) == one.sqlstate);
        CHECK(mysql_number(one.kind) == one.number);
    }
}

TEST_CASE("an endpoint's text has brackets around IPv6") {
    CHECK(endpoint{"db", 5432}.text() == "db:5432");
    CHECK(endpoint{"127.0.0.1", 1}.text() == "127.0.0.1:1");
    CHECK(endpoint{"::1", 5432}.text() == "[::1]:5432");
}

TEST_CASE("clusters and users are found by name, else as everybody else") {
    settings all;
    CHECK(all.find_cluster("app") == nullptr);
    CHECK(all.find_user("app") == nullptr);
    all.clusters.resize(2);
    all.clusters[0].name = "app";
    all.clusters[1].name = "shop";
    all.users.resize(1);
    all.users[0].name = "app";
    CHECK(all.find_cluster("shop") == &all.clusters[1]);
    CHECK(all.find_cluster("other") == nullptr);
    CHECK(all.find_user("other") == nullptr);
    all.clusters[0].name = "*";
    all.users.insert(all.users.begin(), user{})->name = "*";
    CHECK(all.find_cluster("shop") == &all.clusters[1]);
    CHECK(all.find_cluster("other") == &all.clusters[0]);
    CHECK(all.find_user("app") == &all.users[1]);
    CHECK(all.find_user("other") == &all.users[0]);
}

TEST_CASE("the nearest word is the one meant") {
    const std::vector<std::string_view> words{"pool_mode", "pool_size", "max_lag", "certificate"};
    CHECK(nearest("pool_siz", words) == "pool_size");
    CHECK(nearest("pool_szie", words) == "pool_size");
    CHECK(nearest("Max_Lag", words) == "max_lag");
    CHECK(nearest("maxlag", words) == "max_lag");
    CHECK(nearest("cert", words) == "certificate");
    CHECK(nearest("certificate_file", words) == "certificate");
    CHECK(nearest("colour", words).empty());
    CHECK(nearest("", words).empty());
    CHECK(nearest("po", words).empty());
    CHECK(nearest("x", {}).empty());
    CHECK(nearest(std::string(1000, 'p'), words).empty());
    CHECK(suggestion("pool_siz", words) == "; did you mean \"pool_size\"?");
    CHECK(suggestion("colour", words).empty());
}
