#include "proxy/control/mysql_bodies.hpp"

#include <algorithm>

#include "router/lexical.hpp"
#include "router/mysql/routine_body.hpp"

namespace ringway::proxy {

/// Servers fold more than ASCII, each by its own table: names with other letters are one.
std::string mysql_bodies::folded(std::string_view name) {
    std::string out(name);
    for (char& c : out) {
        if (static_cast<unsigned char>(c) >= 0x80) return "\x80";
        c = router::lexical::lower(c);
    }
    return out;
}

std::string mysql_bodies::place(std::string_view schema, std::string_view name) {
    return std::string(schema).append(1, '\0').append(name);
}

mysql_bodies::body& mysql_bodies::add(std::string_view name, const std::optional<std::string>& text,
                                      std::span<const std::string> parameters) {
    auto& made = bodies_.emplace_back();
    made.name = folded(name);
    const auto read = text ? router::mysql::words_of(*text, modes_) : std::nullopt;
    // Each routine has a sql_mode of its own: what a backslash means, and so what is a word, is not known here.
    const bool unclear = !read || text->find('\\') != std::string::npos;
    made.writes = unclear || read->writes;
    if (unclear) made.words.emplace_back("*");
    if (read)
        for (const auto& each : read->names) made.words.push_back(folded(each));
    std::sort(made.words.begin(), made.words.end());
    made.words.erase(std::unique(made.words.begin(), made.words.end()), made.words.end());
    made.leaves = text && router::mysql::leaves_untold(*text, modes_);
    made.sets = text && router::mysql::sets_variables(*text, modes_, parameters);
    made.unsure = !text || !router::mysql::leaves_nothing(*text, modes_, parameters);
    return made;
}

void mysql_bodies::add_routine(std::string_view name, const std::optional<std::string>& body,
                               std::span<const std::string> parameters) {
    add(name, body, parameters).routine = true;
}

void mysql_bodies::add_trigger(std::string_view schema, std::string_view table, const std::string& body) {
    add(table, body).place = place(schema, table);
}

void mysql_bodies::add_view(std::string_view schema, std::string_view name, const std::string& definition) {
    auto& made = add(name, definition.empty() ? std::nullopt : std::optional(definition));
    made.place = place(schema, name);
    made.writes = true;
    // What its functions leave, reads of it do too (catalog_relation::view_writes).
    made.leaves = made.sets = made.unsure = false;
}

bool mysql_bodies::any_of(const body& one, const names& of) {
    return std::any_of(one.words.begin(), one.words.end(),
                       [&of](const std::string& word) { return word == "*" ? !of.empty() : of.contains(word); });
}

void mysql_bodies::close() {
    for (auto& each : bodies_) each.leaves = each.leaves || each.sets;
    const bool any = std::any_of(bodies_.begin(), bodies_.end(), [](const body& each) { return each.leaves; });
    if (untold_ || any)
        for (auto& each : bodies_) each.leaves = each.leaves || each.unsure;
    for (std::size_t before = 1, now = 0; before != now; now = routines_.size() + relations_.size()) {
        before = now;
        for (auto& each : bodies_) {
            each.leaves = each.leaves || any_of(each, routines_) || (each.writes && any_of(each, relations_));
            if (!each.leaves) continue;
            (each.routine ? routines_ : relations_).insert(each.name);
            if (!each.routine) places_.insert(each.place);
        }
    }
}

}  // namespace ringway::proxy
