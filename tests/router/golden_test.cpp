// Golden plans: tests/golden/*.txt hold statements and the plans they get, and are reviewed as code.
//
//     topology: shop
//
//     SELECT * FROM orders WHERE user_id = 5
//     => any, one shard; reads only
//     => key orders.user_id: 5
//
// With RINGWAY_WRITE_GOLDEN set the files are written anew instead of compared.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "plans.hpp"

namespace {

using namespace ringway::router;

/// One statement of a file, with the comment lines above it.
struct entry {
    std::vector<std::string> above, sql, expected;
};

struct golden_file {
    std::string topology;
    std::vector<entry> entries;
};

golden_file read(const std::filesystem::path& path) {
    golden_file out;
    std::ifstream in(path);
    std::string line;
    entry now;
    const auto finish = [&] {
        if (!now.sql.empty()) out.entries.push_back(std::exchange(now, {}));
    };
    while (std::getline(in, line)) {
        if (line.starts_with("topology: ")) {
            out.topology = line.substr(10);
        } else if (line.empty()) {
            finish();
        } else if (line.starts_with("=> ")) {
            now.expected.push_back(line.substr(3));
        } else if (line.starts_with("# ") && now.sql.empty()) {
            now.above.push_back(line);
        } else {
            now.sql.push_back(line);
        }
    }
    finish();
    return out;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& each : lines) out += (out.empty() ? "" : "\n") + each;
    return out;
}

std::vector<std::string> plan_lines(const golden_file& file, const entry& one) {
    return world::described(world::plan_on(file.topology == "app" ? world::app() : world::shop(), joined(one.sql)));
}

void write(const std::filesystem::path& path, const golden_file& file) {
    std::ofstream out(path);
    out << "topology: " << file.topology << "\n";
    for (const auto& one : file.entries) {
        out << "\n";
        for (const auto& line : one.above) out << line << "\n";
        out << joined(one.sql) << "\n";
        for (const auto& line : plan_lines(file, one)) out << "=> " << line << "\n";
    }
}

}  // namespace

TEST_CASE("golden plans") {
    const std::filesystem::path folder = std::filesystem::path(RINGWAY_SOURCE_DIR) / "tests/golden";
    std::size_t seen = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
        if (each.path().extension() != ".txt") continue;
        const auto file = read(each.path());
        REQUIRE_MESSAGE((file.topology == "app" || file.topology == "shop"), each.path().string());
        if (std::getenv("RINGWAY_WRITE_GOLDEN")) write(each.path(), file);
        std::set<std::string> texts;
        for (const auto& one : file.entries) {
            INFO(each.path().filename().string(), ": ", joined(one.sql));
            CHECK(texts.insert(joined(one.sql)).second);
            if (!std::getenv("RINGWAY_WRITE_GOLDEN")) CHECK(joined(plan_lines(file, one)) == joined(one.expected));
            ++seen;
        }
    }
    CHECK(seen > 150);
}
