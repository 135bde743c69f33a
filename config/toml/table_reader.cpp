#include "config/toml/table_reader.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "config/nearest.hpp"
#include "config/toml/secrets.hpp"
#include "config/toml/values.hpp"

namespace ringway::config::source {

namespace {

constexpr double heaviest = 1000;
constexpr std::string_view everything = "all";

/// `"a", "b", "c"`.
std::string quoted_list(const std::vector<std::string_view>& texts) {
    std::string out;
    for (const auto text : texts) out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", text);
    return out;
}

}  // namespace

table_reader::table_reader(const node* value, std::string path, report& to, std::string title)
    : table_(value), path_(std::move(path)), title_(std::move(title)), to_(to) {
    if (title_.empty()) title_ = fmt::format("[{}]", path_);
    if (table_ == nullptr) return;
    to_.remember(path_, table_->line);
    if (table_->kind == node_kind::table) return;
    to_.add_at(path_, fmt::format("{} must be a table, not {}", title_, name_of(table_->kind)));
    table_ = nullptr;
}

const node* table_reader::take(std::string_view key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
    const auto* found = table_ == nullptr ? nullptr : find(*table_, key);
    if (found != nullptr) to_.remember(path_of(key), found->line);
    return found;
}

const node* table_reader::take(std::string_view key, node_kind kind, std::string_view expected) {
    const auto* found = take(key);
    if (found == nullptr || found->kind == kind) return found;
    wrong(key, fmt::format("must be {}, not {}", expected, name_of(found->kind)));
    return nullptr;
}

void table_reader::wrong(std::string_view key, std::string_view text) {
    to_.add_at(path_of(key), fmt::format("{} {}: {}", title_, key, text));
}

void table_reader::wrong_here(std::string_view text) {
    to_.add_at(path_, fmt::format("{} {}", title_, text));
}

void table_reader::out_of_range(std::string_view key, std::string_view given, std::string_view least,
                                std::string_view most) {
    wrong(key, fmt::format("{} is out of range; right is {} to {}", given, least, most));
}

void table_reader::finish() {
    if (table_ == nullptr) return;
    for (const auto& entry : table_->items) {
        if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
        auto advice = suggestion(entry.key, known_);
        if (advice.empty()) advice = fmt::format("; known are {}", fmt::join(known_, ", "));
        to_.add(entry.line, fmt::format("{} has no key \"{}\"{}", title_, entry.key, advice));
    }
}

bool table_reader::read(std::string_view key, bool& to) {
    const auto* found = take(key, node_kind::boolean, "true or false");
    if (found != nullptr) to = found->boolean;
    return found != nullptr;
}

bool table_reader::read(std::string_view key, std::string& to) {
    const auto* found = take(key, node_kind::text, "a string");
    if (found == nullptr) return false;
    if (found->text.empty()) {
        wrong(key, "must not be empty; leave the key out instead");
        return false;
    }
    if (found->text.find('\0') != std::string::npos) {
        wrong(key, "must not hold a NUL character");
        return false;
    }
    to = found->text;
    return true;
}

bool table_reader::read(std::string_view key, std::uint64_t& to, range<std::uint64_t> within) {
    const auto* found = take(key, node_kind::integer, "an integer");
    if (found == nullptr) return false;
    const auto given = found->integer;
    if (given < 0 || static_cast<std::uint64_t>(given) < within.least ||
        static_cast<std::uint64_t>(given) > within.most) {
        out_of_range(key, fmt::to_string(given), fmt::to_string(within.least), fmt::to_string(within.most));
        return false;
    }
    to = static_cast<std::uint64_t>(given);
    return true;
}

bool table_reader::read(std::string_view key, std::uint32_t& to, range<std::uint32_t> within) {
    std::uint64_t value = 0;
    if (!read(key, value, range<std::uint64_t>{within.least, within.most})) return false;
    to = static_cast<std::uint32_t>(value);
    return true;
}

bool table_reader::read_size(std::string_view key, std::uint64_t& to, range<std::uint64_t> within) {
    const auto* found = take(key);
    if (found == nullptr) return false;
    std::optional<std::uint64_t> bytes;
    std::string given;
    if (found->kind == node_kind::integer) {
        if (found->integer >= 0) bytes = static_cast<std::uint64_t>(found->integer);
        given = fmt::to_string(found->integer);
    } else if (found->kind == node_kind::text) {
        bytes = parse_size(found->text);
        given = fmt::format("\"{}\"", found->text);
    }
    const bool is_negative = found->kind == node_kind::integer && !bytes;
    if (!bytes && !is_negative) {
        wrong(key, fmt::format("{} is not a size; write a number of bytes, or one with B, KiB, MiB or GiB: \"16KiB\"",
                               given.empty() ? name_of(found->kind) : given));
        return false;
    }
    if (is_negative || *bytes < within.least || *bytes > within.most) {
        out_of_range(key, given, size_text(within.least), size_text(within.most));
        return false;
    }
    to = *bytes;
    return true;
}

bool table_reader::read_weight(std::string_view key, double& to, bool may_be_none) {
    const auto* found = take(key);
    if (found == nullptr) return false;
    if (found->kind != node_kind::integer && found->kind != node_kind::real) {
        wrong(key, fmt::format("must be a number, not {}", name_of(found->kind)));
        return false;
    }
    const double value = found->kind == node_kind::integer ? static_cast<double>(found->integer) : found->real;
    const bool none = may_be_none && value == 0;
    if ((!none && !(value > 0)) || !(value <= heaviest)) {
        wrong(key, fmt::format("{} is out of range; right is a number {}, {} at the most", value,
                               may_be_none ? "from 0 (a shard that leaves)" : "above 0", heaviest));
        return false;
    }
    to = value;
    return true;
}

bool table_reader::read(std::string_view key, milliseconds& to, range<milliseconds> within) {
    const auto* found = take(key);
    if (found == nullptr) return false;
    std::optional<milliseconds> length;
    std::string given(name_of(found->kind));
    if (found->kind == node_kind::text) {
        length = parse_duration(found->text);
        given = fmt::format("\"{}\"", found->text);
    } else if (found->kind == node_kind::integer) {
        if (found->integer == 0) length = milliseconds{0};
        given = fmt::to_string(found->integer);
    }
    if (!length) {
        wrong(key, fmt::format("{} is not a duration; write a number and ms, s, m, h or d: \"5s\", \"100ms\"", given));
        return false;
    }
    if (*length < within.least || *length > within.most) {
        out_of_range(key, given, fmt::format("\"{}\"", duration_text(within.least)),
                     fmt::format("\"{}\"", duration_text(within.most)));
        return false;
    }
    to = *length;
    return true;
}

bool table_reader::read(std::string_view key, std::optional<endpoint>& to) {
    std::string text, problem;
    if (!read(key, text)) return false;
    auto found = parse_endpoint(text, problem);
    if (!found) {
        wrong(key, fmt::format("\"{}\" is not an address: {}", text, problem));
        return false;
    }
    to = std::move(found);
    return true;
}

bool table_reader::read_names(std::string_view key, std::vector<std::string>& to) {
    const auto* found = take(key, node_kind::array, "an array of strings");
    if (found == nullptr) return false;
    std::vector<std::string> names;
    for (const auto& item : found->items) {
        if (item.kind != node_kind::text || item.text.empty()) {
            wrong(key, fmt::format("must hold names only, not {}",
                                   item.kind == node_kind::text ? "an empty string" : name_of(item.kind)));
            return false;
        }
        names.push_back(item.text);
    }
    if (names.empty()) {
        wrong(key, "names nobody; leave the key out to mean all");
        return false;
    }
    if (std::find(names.begin(), names.end(), everything) != names.end()) names.clear();
    to = std::move(names);
    return true;
}

bool table_reader::read_networks(std::string_view key, std::vector<std::string>& to) {
    const auto* found = take(key, node_kind::array, "an array of networks");
    if (found == nullptr) return false;
    std::vector<std::string> networks;
    std::string problem;
    for (const auto& item : found->items) {
        if (item.kind != node_kind::text) {
            wrong(key, fmt::format("must hold networks only, not {}", name_of(item.kind)));
            return false;
        }
        if (!check_network(item.text, problem)) {
            wrong(key, fmt::format("\"{}\" is no network: {}", item.text, problem));
            return false;
        }
        networks.push_back(item.text);
    }
    to = std::move(networks);
    return true;
}

bool table_reader::read_secret(std::string_view key, std::string& to, bool verifiers) {
    std::string text, problem;
    if (!read(key, text)) return false;
    auto secret = resolve_secret(text, [&](const std::string& path) { return to_.resolve(path); }, problem);
    if (!secret) {
        wrong(key, problem);
        return false;
    }
    const auto form = form_of(*secret, problem);
    if (form == secret_form::malformed) {
        wrong(key, problem);
        return false;
    }
    if (form != secret_form::plain && !verifiers) {
        wrong(
            key,
            "is a verifier, which cannot log in at a server; write the password itself, \"env:NAME\" or \"file:PATH\"");
        return false;
    }
    to = std::move(*secret);
    return true;
}

bool table_reader::read_file_name(std::string_view key, std::string& to) {
    std::string text;
    if (!read(key, text)) return false;
    auto path = to_.resolve(text);
    if (::access(path.c_str(), R_OK) != 0) {
        wrong(key, fmt::format("file {} cannot be read: {}", path, std::strerror(errno)));
        return false;
    }
    to = std::move(path);
    return true;
}

void table_reader::no_such_word(std::string_view key, std::string_view given,
                                const std::vector<std::string_view>& right) {
    wrong(key, fmt::format("\"{}\" is none of {}{}", given, quoted_list(right), suggestion(given, right)));
}

}  // namespace ringway::config::source
