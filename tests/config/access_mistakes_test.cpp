// Each mistake of users, rules and TLS.

#include <doctest/doctest.h>

#include "files.hpp"
#include "sample.hpp"

using namespace ringway;
using namespace ringway::tests;

namespace {

/// Of a rule at line 7.
lines rule(std::string_view text) {
    return lines_of(load_with(fmt::format("[[hba]]\n{}\n", text)));
}

const std::string query = "[clusters.app]\nauth_user = \"a\"\nauth_query = \"SELECT f($1)\"\n";
const std::string other_cluster = "[clusters.other.shards]\ns0 = { nodes = [\"db:1\"] }\n";

}  // namespace

TEST_CASE("users name clusters that there are") {
    CHECK(lines_of(load_with("[users.b]\npassword = \"x\"\nclusters = [\"app\", \"ap\", \"zebra\"]\n")) ==
          lines{"9: [users.b] clusters: there is no cluster \"ap\"; did you mean \"app\"?",
                "9: [users.b] clusters: there is no cluster \"zebra\""});
    CHECK(
        lines_of(load_with("[users.b]\npassword = \"x\"\nclusters = [\"any\"]\n[clusters.\"*\".shards]\ns0 = { nodes = "
                           "[\"db:1\"] }\n")) == lines{});
}

TEST_CASE("a user must be able to log in") {
    CHECK(lines_of(load_with("[users.b]\n")) ==
          lines{"7: [users.b] can never log in: set a password, or an auth_query in its clusters"});
    CHECK(lines_of(load_with("[users.b]\n" + query)) == lines{});
    CHECK(lines_of(load_with("[users.b]\nclusters = [\"other\"]\n" + query + other_cluster)).size() == 1);
    CHECK(lines_of(load_with("[users.b]\n[[hba]]\nmethod = \"trust\"\n")) == lines{});
    const std::string hash = "[users.b]\npassword = \"md50123456789abcdef0123456789abcdef\"\n";
    CHECK(lines_of(load_with(hash)) ==
          lines{"8: [users.b] password: an md5 verifier cannot answer scram-sha-256; add an [[hba]] rule with method = "
                "\"md5\", or store a SCRAM verifier"});
    CHECK(lines_of(load_with(hash + "[[hba]]\nmethod = \"md5\"\n")) == lines{});
}

TEST_CASE("\"*\" is checked by the servers") {
    const std::string text = "[users.\"*\"]\n";
    CHECK(lines_of(load_with(text)) ==
          lines{"7: [users.\"*\"] needs a cluster with an auth_query, which checks everybody's passwords"});
    CHECK(lines_of(load_with(text + query)) == lines{});
    CHECK(lines_of(load_with(text + query + other_cluster)) == lines{});
    CHECK(lines_of(load_with(text + "clusters = [\"app\", \"other\"]\n" + query + other_cluster)) ==
          lines{"7: [users.\"*\"] needs an auth_query in [clusters.other], which checks everybody's passwords"});
    CHECK(
        lines_of(load_with(text + "password = \"x\"\n")) ==
        lines{"8: [users.\"*\"] password: \"*\" stands for everybody else, and their passwords come from the clusters' "
              "auth_query"});
    CHECK(lines_of(load_with(text + "admin = true\n" + query)) ==
          lines{"8: [users.\"*\"] admin: \"*\" stands for everybody else; name the users that may use the admin port"});
}

TEST_CASE("a user's pool cannot keep more idle connections than it has") {
    CHECK(lines_of(load_with("[users.b]\npassword = \"x\"\nmin_idle = 21\n")) ==
          lines{"9: [users.b] min_idle: min_idle 21 does not fit pool_size 20 (cluster \"app\")"});
    CHECK(lines_of(load_with("[general]\nmin_idle = 5\n[users.b]\npassword = \"x\"\npool_size = 4\n")) ==
          lines{"11: [users.b] pool_size: min_idle 5 does not fit pool_size 4 (cluster \"app\")"});
}

TEST_CASE("rules: type, method, address") {
    CHECK(rule("") ==
          lines{"7: [[hba]] rule 1: needs a method: \"scram-sha-256\", \"md5\", \"plain\", \"certificate\", "
                "\"trust\" or \"reject\""});
    CHECK(rule("method = \"scram\"") ==
          lines{"8: [[hba]] rule 1: method: \"scram\" is none of \"trust\", \"scram-sha-256\", \"md5\", \"plain\", "
                "\"certificate\", \"reject\"; did you mean \"scram-sha-256\"?"});
    CHECK(rule("method = \"md5\"\ntype = \"local\"") ==
          lines{"9: [[hba]] rule 1: type: \"local\" is none of \"host\", \"hostssl\", \"hostnossl\""});
    CHECK(rule("method = \"md5\"\naddress = \"10.0.0.0/33\"") ==
          lines{"9: [[hba]] rule 1: address: \"10.0.0.0/33\" is no network: after the slash stands the number of bits, "
                "0 to "
                "32"});
    CHECK(rule("method = \"md5\"\naddress = \"localhost\"") ==
          lines{"9: [[hba]] rule 1: address: \"localhost\" is no network: write an address or a network, such as "
                "\"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\""});
    CHECK(lines_of(load_with("[[hba]]\nmethod = \"md5\"\n[[hba]]\nmethod = 5\n")) ==
          lines{"10: [[hba]] rule 2: method: must be a string, not an integer"});
}

TEST_CASE("rules name users and clusters that there are") {
    CHECK(rule("method = \"md5\"\nclusters = [\"ringway\", \"app\", \"appp\"]\nusers = [\"ap\"]") ==
          lines{"9: [[hba]] rule 1: clusters: there is no cluster \"appp\"; did you mean \"app\"?",
                "10: [[hba]] rule 1: users: there is no user \"ap\"; did you mean \"app\"?"});
    CHECK(lines_of(load_with("[[hba]]\nmethod = \"md5\"\nusers = [\"whoever\"]\n[users.\"*\"]\n" + query)) == lines{});
}

TEST_CASE("rules fit the TLS there is") {
    CHECK(rule("method = \"md5\"\ntype = \"hostssl\"") ==
          lines{"9: [[hba]] rule 1: type: \"hostssl\" never matches without TLS; set [client_tls] mode"});
    CHECK(rule("method = \"plain\"") ==
          lines{"8: [[hba]] rule 1: method: \"plain\" sends the password in the clear; set type = \"hostssl\""});
    CHECK(rule("method = \"certificate\"") == lines{"8: [[hba]] rule 1: method: \"certificate\" needs [client_tls] "
                                                    "mode = \"verify-ca\" and ca, so that clients "
                                                    "show one"});
    const temporary_directory in;
    in.write("a.crt", "x");
    const auto with_tls = [&](std::string_view mode, std::string_view more) {
        const auto text =
            fmt::format("{}[client_tls]\ncertificate = \"a.crt\"\nkey = \"a.crt\"\nmode = \"{}\"\n[[hba]]\n{}\n",
                        smallest, mode, more);
        return lines_of(config::load_text(text, in.path("ringway.toml")));
    };
    CHECK(with_tls("require", "method = \"plain\"") == lines{});
    CHECK(with_tls("allow", "method = \"plain\"\ntype = \"hostssl\"") == lines{});
    CHECK(with_tls("allow", "method = \"plain\"") ==
          lines{"12: [[hba]] rule 1: method: \"plain\" sends the password in the clear; set type = \"hostssl\""});
    CHECK(
        with_tls("require", "method = \"md5\"\ntype = \"hostnossl\"") ==
        lines{"13: [[hba]] rule 1: type: \"hostnossl\" never matches where [client_tls] mode asks everybody for TLS"});
}

TEST_CASE("TLS has the files it needs, and they can be read") {
    const temporary_directory in;
    in.write("a.crt", "x");
    const auto found = [&](std::string_view more) {
        return lines_of(config::load_text(std::string(smallest) + std::string(more), in.path("ringway.toml")));
    };
    CHECK(found("[client_tls]\nmode = \"allow\"\n") ==
          lines{"8: [client_tls] mode: TLS towards clients needs certificate and key"});
    CHECK(found("[client_tls]\nmode = \"require\"\ncertificate = \"a.crt\"\n") ==
          lines{"8: [client_tls] mode: TLS towards clients needs certificate and key"});
    CHECK(found("[client_tls]\nmode = \"verify-ca\"\ncertificate = \"a.crt\"\nkey = \"a.crt\"\n") ==
          lines{"8: [client_tls] mode: certificates can be verified only with ca, the authorities to trust"});
    CHECK(found("[client_tls]\nmode = \"require\"\ncertificate = \"a.crt\"\nkey = \"b.key\"\n") ==
          lines{fmt::format("10: [client_tls] key: file {} cannot be read: No such file or directory",
                            in.path("b.key"))});
    CHECK(
        found("[clusters.app.server_tls]\nmode = \"verify-full\"\n") ==
        lines{
            "8: [clusters.app.server_tls] mode: certificates can be verified only with ca, the authorities to trust"});
    CHECK(found("[clusters.app.server_tls]\ncertificate = \"a.crt\"\n") ==
          lines{"7: [clusters.app.server_tls] needs both certificate and key, or neither"});
}
