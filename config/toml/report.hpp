#pragma once
// What goes wrong while one file is read, and on which line each setting stands.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"

namespace ringway::config::source {

/// Collects the mistakes of one file. Paths are those of the keys: `clusters.shop.pool_size`; names that TOML would
/// want quoted are quoted: `clusters."*"`.
class report {
  public:
    explicit report(std::string file);

    void add(std::uint32_t line, std::string text);
    /// A mistake about the setting at `path`, which is then broken().
    void add_at(const std::string& path, std::string text);

    /// Where `path` stands, for mistakes that are found later.
    void remember(const std::string& path, std::uint32_t line) { lines_[path] = line; }
    /// 0: not in the file.
    std::uint32_t line_of(const std::string& path) const;
    void mark_broken(const std::string& path) { broken_.insert(path); }
    /// A mistake was reported about it, so what was read of it says nothing.
    bool broken(const std::string& path) const { return broken_.count(path) > 0; }

    /// `path` of the file: relative ones start at the directory of the configuration file.
    std::string resolve(const std::string& path) const;

    /// In the file's order; those without a line come last.
    std::vector<mistake> take();

  private:
    std::string file_;
    std::vector<mistake> mistakes_;
    std::map<std::string, std::uint32_t> lines_;
    std::set<std::string> broken_;
};

/// `path` with one more name at its end.
std::string join(std::string_view path, std::string_view name);

}  // namespace ringway::config::source
