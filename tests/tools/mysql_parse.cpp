// Says what the router makes of MySQL texts: for the tests that ask a server the same. Reads texts from standard input,
// each ended by a zero byte; writes a line for each: "read" or "write" (the primary) or "error", the number of
// statements, the verbs, and the reason. Arguments: mariadb|mysql VERSION DATABASE FILE; the file tells the catalog, a
// line each: "table DATABASE.NAME" or "function DATABASE.NAME", or "reads DATABASE.NAME" of one that
// only reads.

#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "router/mysql/parse.hpp"
#include "router/plan.hpp"

using namespace ringway::router;

namespace {

catalog read_catalog(const char* path) {
    catalog raw;
    raw.version = 1;
    raw.dialect = dialect::mysql;
    std::ifstream in(path);
    std::string kind, name;
    while (in >> kind >> name) {
        const auto dot = name.find('.');
        if (kind == "table") {
            catalog_relation made;
            made.schema = name.substr(0, dot);
            made.name = name.substr(dot + 1);
            raw.relations.emplace(name, std::move(made));
        } else {
            raw.functions.push_back({name.substr(0, dot), name.substr(dot + 1), kind == "function", true});
        }
    }
    return make_catalog(std::move(raw));
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    mysql_modes modes;
    modes.mariadb = std::string_view(arguments[1]) == "mariadb";
    modes.version = static_cast<std::uint32_t>(std::stoul(arguments[2]));
    const auto known = read_catalog(arguments[4]);
    plan_context context;
    context.catalog = &known;
    context.dialect = dialect::mysql;
    context.search_path = arguments[3];
    context.modes = modes;
    std::string text;
    while (std::getline(std::cin, text, '\0')) {
        const auto made = make_plan(parse_mysql(text, modes), context);
        std::string verbs;
        for (const auto& each : made->parsed.statements)
            verbs += fmt::format("{}{}", verbs.empty() ? "" : ",", static_cast<int>(each.verb));
        fmt::print("{}\t{}\t{}\t{}\n",
                   !made->parsed.error.empty() ? "error"
                   : made->need == need::any   ? "read"
                                               : "write",
                   made->parsed.statements.size(), verbs,
                   made->parsed.error.empty()
                       ? made->reason
                       : fmt::format("{} at {}", made->parsed.error, made->parsed.error_position));
    }
}
