// Every example loads, and docs/configuration.md knows every key.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "files.hpp"
#include "sample.hpp"

using namespace ringway;
using namespace ringway::tests;
namespace fs = std::filesystem;

namespace {

const fs::path root = RINGWAY_SOURCE_DIR;

/// Sets every variable and writes every file that an example names.
void provide(const std::string& text, const temporary_directory& in) {
    const std::regex variable("\"env:([A-Z_]+)\""), file("\"(?:file:)?((?:tls|secrets)/[a-z.-]+)\"");
    for (std::sregex_iterator at(text.begin(), text.end(), variable), end; at != end; ++at)
        ::setenv((*at)[1].str().c_str(), "a password", 1);
    for (std::sregex_iterator at(text.begin(), text.end(), file), end; at != end; ++at)
        in.write((*at)[1].str(), "a line\n");
}

/// The keys that a table has, as its mistake about an unknown one lists them.
std::set<std::string> keys_of(const config::load_result& loaded) {
    std::set<std::string> out;
    for (const auto& one : loaded.mistakes) {
        const std::string_view before = "; known are ";
        const auto place = one.text.find(before);
        if (place == std::string::npos) continue;
        std::stringstream list(one.text.substr(place + before.size()));
        for (std::string key; std::getline(list, key, ',');) out.insert(key.substr(key.find_first_not_of(' ')));
    }
    return out;
}

}  // namespace

TEST_CASE("every example loads without a mistake") {
    std::set<std::string> seen;
    for (const auto& entry : fs::directory_iterator(root / "config/examples")) {
        if (entry.path().extension() != ".toml") continue;
        const auto name = entry.path().filename().string();
        const auto text = read_file(entry.path());
        const temporary_directory in;
        provide(text, in);
        in.write(name, text);
        const auto loaded = config::load_file(in.path(name));
        CHECK_MESSAGE(lines_of(loaded) == lines{}, name);
        CHECK_MESSAGE(!loaded.value.clusters.empty(), name);
        seen.insert(name);
    }
    CHECK(seen == std::set<std::string>{"any-database.toml", "multi-cluster.toml", "mysql-sharded.toml", "mysql.toml",
                                        "pooler.toml", "read-write-splitting.toml", "session-mode.toml", "sharded.toml",
                                        "tls.toml"});
}

TEST_CASE("the reference describes every key") {
    const auto reference = read_file(root / "docs/configuration.md");
    const auto keys = keys_of(load(R"(zzzzzzzz = 1
[listen]
zzzzzzzz = 1
[general]
zzzzzzzz = 1
[client_tls]
zzzzzzzz = 1
[[hba]]
zzzzzzzz = 1
[users.app]
zzzzzzzz = 1
[clusters.app]
zzzzzzzz = 1
[clusters.app.server_tls]
zzzzzzzz = 1
[clusters.app.shards.s0]
zzzzzzzz = 1
[clusters.app.tables.t]
zzzzzzzz = 1
)"));
    CHECK(keys.size() >= 70);
    for (const auto& key : keys) {
        const bool as_key = reference.find("`" + key + "`") != std::string::npos;
        const bool as_section = reference.find("[" + key) != std::string::npos;
        CHECK_MESSAGE((as_key || as_section), key);
    }
}
