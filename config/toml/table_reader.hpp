#pragma once
// Reads one table of the file, key by key. What is not right is reported, and what is not asked for is an unknown key.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/toml/document.hpp"
#include "config/toml/report.hpp"
#include "config/toml/words.hpp"

namespace ringway::config::source {

/// What a number may be, both ends included.
template <typename Value>
struct range {
    Value least;
    Value most;
};

/// Reads a table into settings. `read` leaves its target alone when the key is not there or its value is wrong, and
/// says whether it was there and right. Points into the document and the report, which outlive it.
class table_reader {
  public:
    /// `value` may be anything; when it is no table, that is reported and everything reads as absent. Null: absent.
    /// Mistakes begin with `title`; empty: `[path]`.
    table_reader(const node* value, std::string path, report& to, std::string title = {});

    const std::string& path() const noexcept { return path_; }
    bool has(std::string_view key) { return take(key) != nullptr; }
    /// The value of a key, which is known from now on; null when it is not in the file.
    const node* take(std::string_view key);
    std::string path_of(std::string_view key) const { return join(path_, key); }

    bool read(std::string_view key, bool& to);
    /// Not empty, without NUL.
    bool read(std::string_view key, std::string& to);
    bool read(std::string_view key, std::uint32_t& to, range<std::uint32_t> within);
    /// Bytes: a number or "16KiB".
    bool read_size(std::string_view key, std::uint64_t& to, range<std::uint64_t> within);
    bool read(std::string_view key, std::uint64_t& to, range<std::uint64_t> within);
    /// Greater than 0, at most `most`.
    bool read_weight(std::string_view key, double& to, bool may_be_none = false);
    bool read(std::string_view key, milliseconds& to, range<milliseconds> within);
    bool read(std::string_view key, std::optional<endpoint>& to);
    /// An array of strings; `["all"]` gives an empty one, as a key that is not there; an empty array is a mistake.
    bool read_names(std::string_view key, std::vector<std::string>& to);
    /// An array of addresses and networks; an empty one is none.
    bool read_networks(std::string_view key, std::vector<std::string>& to);
    /// A password, resolved; what is found must have one of the forms that `verifiers` allows.
    bool read_secret(std::string_view key, std::string& to, bool verifiers);
    /// A path, relative to the configuration file, of a file that can be read.
    bool read_file_name(std::string_view key, std::string& to);

    template <typename Target, typename Words>
    bool read_word(std::string_view key, Target& to, const Words& words) {
        std::string given;
        if (!read(key, given)) return false;
        std::vector<std::string_view> right;
        for (const auto& one : words) {
            if (one.listed) right.push_back(one.text);
            if (one.text != given) continue;
            to = one.value;
            return true;
        }
        no_such_word(key, given, right);
        return false;
    }

    /// Reads what may be left unset.
    template <typename Value, typename... More>
    bool read_optional(std::string_view key, std::optional<Value>& to, const More&... more) {
        Value value{};
        const bool right = read(key, value, more...);
        if (right) to = value;
        return right;
    }

    /// About the value of a key: `title key: text`.
    void wrong(std::string_view key, std::string_view text);
    /// About the table itself: `title text`.
    void wrong_here(std::string_view text);
    /// Reports every key that was not asked for.
    void finish();

  private:
    const node* take(std::string_view key, node_kind kind, std::string_view expected);
    void no_such_word(std::string_view key, std::string_view given, const std::vector<std::string_view>& right);
    void out_of_range(std::string_view key, std::string_view given, std::string_view least, std::string_view most);

    const node* table_;
    std::string path_, title_;
    report& to_;
    std::vector<std::string_view> known_;
};

}  // namespace ringway::config::source
