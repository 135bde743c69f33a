#pragma once
// One TOML table, read key by key: wrong types, bad values and keys nobody asked for become mistakes with their line.

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.hpp"
#include "config/values.hpp"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace ringway::config {

/// Collects the mistakes of one file.
struct mistake_list {
    std::string file;
    std::vector<mistake> all;
    void add(std::uint32_t line, std::string text) { all.push_back({file, line, std::move(text)}); }
    void add(const toml::node& at, std::string text) { add(at.source().begin.line, std::move(text)); }
};

/// Lives while its table does. Every key that was asked for is known; finish() reports the others.
class table_reader {
public:
    /// `path` names the table in messages: "clusters.shop".
    table_reader(const toml::table& from, std::string path, mistake_list& mistakes) : from_(from), path_(std::move(path)), mistakes_(mistakes) {}
    table_reader(const table_reader&) = delete;
    table_reader& operator=(const table_reader&) = delete;

    const toml::node* get(std::string_view key);                   ///< null: not there
    std::uint32_t line() const { return from_.source().begin.line; }
    std::uint32_t line_of(std::string_view key) const;
    const std::string& path() const { return path_; }
    void mistake(std::string_view key, std::string text);           ///< at the key's line

    void text(std::string_view key, std::string& into);
    void flag(std::string_view key, bool& into);
    template <class Whole>
    void whole(std::string_view key, Whole& into, std::int64_t least, std::int64_t most) {
        if (const auto found = whole_number(key, least, most)) into = static_cast<Whole>(*found);
    }
    template <class Whole>
    void whole(std::string_view key, std::optional<Whole>& into, std::int64_t least, std::int64_t most) {
        if (const auto found = whole_number(key, least, most)) into = static_cast<Whole>(*found);
    }
    void size(std::string_view key, std::uint64_t& into);           ///< bytes: a number, or "16KiB", "1MiB"
    void positive(std::string_view key, double& into);
    void length(std::string_view key, milliseconds& into);          ///< "250ms", "5s", "2m", "1h"
    void length(std::string_view key, std::optional<milliseconds>& into);
    void address(std::string_view key, std::optional<endpoint>& into);
    void texts(std::string_view key, std::vector<std::string>& into);
    template <class Choice>
    void choice(std::string_view key, Choice& into, std::initializer_list<std::pair<std::string_view, Choice>> from) {
        std::string word;
        if (!read_text(key, word)) return;
        std::string allowed;
        for (const auto& [name, value] : from) {
            if (name == word) {
                into = value;
                return;
            }
            allowed += (allowed.empty() ? "\"" : ", \"") + std::string(name) + "\"";
        }
        mistake(key, "\"" + word + "\" is none of " + allowed);
    }
    template <class Choice>
    void optional_choice(std::string_view key, std::optional<Choice>& into, std::initializer_list<std::pair<std::string_view, Choice>> from) {
        if (!from_.contains(key)) {
            known_.emplace(key);
            return;
        }
        Choice value{};
        const auto before = mistakes_.all.size();
        choice(key, value, from);
        if (mistakes_.all.size() == before) into = value;
    }
    /// A password as it stands, "env:NAME" or "file:PATH".
    void secret(std::string_view key, std::string& into);
    const toml::table* table(std::string_view key);                 ///< null: not there, or a mistake
    /// Reports keys that nobody asked for.
    void finish();
    mistake_list& mistakes() { return mistakes_; }
    const toml::table& raw() const { return from_; }

private:
    bool read_text(std::string_view key, std::string& into);
    std::optional<std::int64_t> whole_number(std::string_view key, std::int64_t least, std::int64_t most);

    const toml::table& from_;
    const std::string path_;
    mistake_list& mistakes_;
    std::set<std::string, std::less<>> known_;
};

}  // namespace ringway::config
