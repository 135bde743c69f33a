#include "config/table_reader.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace ringway::config {

const toml::node* table_reader::get(std::string_view key) {
    known_.emplace(key);
    return from_.get(key);
}

std::uint32_t table_reader::line_of(std::string_view key) const {
    const auto* node = from_.get(key);
    return node ? node->source().begin.line : from_.source().begin.line;
}

void table_reader::mistake(std::string_view key, std::string text) {
    mistakes_.add(line_of(key), fmt::format("{}{}{}: {}", path_, path_.empty() ? "" : ".", key, text));
}

bool table_reader::read_text(std::string_view key, std::string& into) {
    const auto* node = get(key);
    if (!node) return false;
    const auto* value = node->as_string();
    if (!value) {
        mistake(key, "must be a text in quotes");
        return false;
    }
    into = value->get();
    return true;
}

void table_reader::text(std::string_view key, std::string& into) { read_text(key, into); }

void table_reader::flag(std::string_view key, bool& into) {
    const auto* node = get(key);
    if (!node) return;
    if (const auto* value = node->as_boolean())
        into = value->get();
    else
        mistake(key, "must be true or false");
}

std::optional<std::int64_t> table_reader::whole_number(std::string_view key, std::int64_t least, std::int64_t most) {
    const auto* node = get(key);
    if (!node) return std::nullopt;
    const auto* value = node->as_integer();
    if (!value || value->get() < least || value->get() > most) {
        mistake(key, fmt::format("must be a whole number from {} to {}", least, most));
        return std::nullopt;
    }
    return value->get();
}

void table_reader::size(std::string_view key, std::uint64_t& into) {
    const auto* node = get(key);
    if (!node) return;
    if (const auto* number = node->as_integer(); number && number->get() >= 0) {
        into = static_cast<std::uint64_t>(number->get());
        return;
    }
    const auto* value = node->as_string();
    const auto found = value ? read_size(value->get()) : std::nullopt;
    if (found)
        into = *found;
    else
        mistake(key, "must be a size: a number of bytes, or a text such as \"16KiB\" or \"1MiB\"");
}

void table_reader::positive(std::string_view key, double& into) {
    const auto* node = get(key);
    if (!node) return;
    const auto value = node->value<double>();
    if (value && *value > 0 && *value <= 1e6)
        into = *value;
    else
        mistake(key, "must be a number above 0 and at most 1000000");
}

void table_reader::length(std::string_view key, milliseconds& into) {
    const auto* node = get(key);
    if (!node) return;
    const auto* value = node->as_string();
    const auto found = value ? read_length(value->get()) : std::nullopt;
    if (found)
        into = *found;
    else
        mistake(key, "must be a length of time in quotes, such as \"250ms\", \"5s\", \"2m\" or \"1h\"");
}

void table_reader::length(std::string_view key, std::optional<milliseconds>& into) {
    if (!get(key)) return;
    milliseconds value{-1};
    length(key, value);
    if (value.count() >= 0) into = value;
}

void table_reader::address(std::string_view key, std::optional<endpoint>& into) {
    std::string value;
    if (!read_text(key, value)) return;
    into = read_endpoint(value);
    if (!into) mistake(key, fmt::format("\"{}\" is not an address such as \"127.0.0.1:6432\"", value));
}

void table_reader::texts(std::string_view key, std::vector<std::string>& into) {
    const auto* node = get(key);
    if (!node) return;
    const auto* list = node->as_array();
    if (!list) return mistake(key, "must be a list of texts, such as [\"a\", \"b\"]");
    into.clear();
    for (const auto& each : *list) {
        if (const auto* value = each.as_string())
            into.push_back(value->get());
        else
            mistakes_.add(each, fmt::format("{}.{}: must hold texts in quotes only", path_, key));
    }
}

void table_reader::secret(std::string_view key, std::string& into) {
    std::string given;
    if (!read_text(key, given)) return;
    if (given.starts_with("env:")) {
        const auto* value = std::getenv(given.c_str() + 4);
        if (!value) return mistake(key, fmt::format("the environment variable {} is not set", given.substr(4)));
        into = value;
    } else if (given.starts_with("file:")) {
        std::ifstream file(given.substr(5));
        if (!file) return mistake(key, fmt::format("the file {} cannot be read", given.substr(5)));
        into.assign(std::istreambuf_iterator<char>(file), {});
        while (!into.empty() && (into.back() == '\n' || into.back() == '\r')) into.pop_back();
    } else {
        into = std::move(given);
    }
}

const toml::table* table_reader::table(std::string_view key) {
    const auto* node = get(key);
    if (!node) return nullptr;
    const auto* found = node->as_table();
    if (!found) mistake(key, fmt::format("must be a table: [{}{}{}]", path_, path_.empty() ? "" : ".", key));
    return found;
}

void table_reader::finish() {
    for (const auto& [key, node] : from_) {
        if (known_.count(key.str())) continue;
        const auto meant = nearest_name(key.str(), known_);
        mistakes_.add(key.source().begin.line, fmt::format("{}{}{}: there is no such key{}", path_, path_.empty() ? "" : ".", key.str(),
                                                           meant.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", meant)));
    }
}

}  // namespace ringway::config
