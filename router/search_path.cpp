#include "router/search_path.hpp"

#include <algorithm>

#include "router/lexical.hpp"

namespace ringway::router {

namespace {

/// Takes the next element off the front of a list of names; quotes are undone, other names folded.
std::string take_name(std::string_view& rest) {
    std::string out;
    std::size_t at = 0;
    while (at < rest.size() && lexical::is_space(rest[at])) ++at;
    if (at < rest.size() && rest[at] == '"') {
        for (++at; at < rest.size(); ++at) {
            if (rest[at] == '"' && (at + 1 >= rest.size() || rest[at + 1] != '"')) break;
            if (rest[at] == '"') ++at;
            out += rest[at];
        }
        at = std::min(rest.find(',', std::min(at, rest.size())), rest.size());
    } else {
        const auto stop = std::min(rest.find(',', at), rest.size());
        for (; at < stop; ++at)
            if (!lexical::is_space(rest[at])) out += lexical::lower(rest[at]);
    }
    rest.remove_prefix(std::min(rest.size(), at + 1));
    return out;
}

}  // namespace

std::vector<std::string> schemas_of(std::string_view search_path, std::string_view user) {
    std::vector<std::string> out;
    while (!search_path.empty()) {
        auto name = take_name(search_path);
        if (name == "$user") name = user;
        if (!name.empty()) out.push_back(std::move(name));
    }
    if (std::find(out.begin(), out.end(), "pg_catalog") == out.end()) out.insert(out.begin(), "pg_catalog");
    return out;
}

const catalog_relation* find_relation(const catalog& in, const std::vector<std::string>& path, std::string_view schema,
                                      std::string_view name) {
    const auto look = [&in, name](std::string_view where) -> const catalog_relation* {
        std::string key;
        key.reserve(where.size() + 1 + name.size());
        key.append(where).append(1, '.').append(name);
        const auto found = in.relations.find(key);
        return found == in.relations.end() ? nullptr : &found->second;
    };
    if (!schema.empty()) return look(schema);
    for (const auto& each : path)
        if (const auto* found = look(each)) return found;
    return nullptr;
}

bool is_system_schema(std::string_view schema) noexcept {
    return schema == "pg_catalog" || schema == "information_schema" || schema == "pg_toast";
}

}  // namespace ringway::router
