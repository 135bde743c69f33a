#pragma once
// A dump's way through the checks and into the cluster: one pass over its text.

#include <chrono>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "proxy/cli/dump_file.hpp"
#include "proxy/cli/dump_target.hpp"
#include "router/dump/check.hpp"
#include "router/dump/facts.hpp"
#include "router/dump/text.hpp"

namespace ringway::proxy::cli {

/// What has come of it.
struct load_report {
    std::uint64_t statements = 0, tables = 0, rows = 0, sequences = 0, left_out = 0;
};

class loading {
  public:
    /// `title` stands before the lines that it names: the file's name.
    loading(const config::cluster& cluster, std::uint64_t most_statement_bytes, std::string title, dump_file& from,
            router::dump::accepted with, std::uint64_t from_line);

    /// Reads all and changes nothing. False: it has told why it cannot be loaded.
    bool check();
    /// Loads. After check(), which then need not look again; without it each part is checked before it runs.
    bool load(dump_target& to);
    const load_report& report() const noexcept { return report_; }
    const router::dump::checker& checked() const noexcept { return checker_; }

  private:
    struct statement {
        std::string text;
        std::uint64_t line = 0;
        router::dump::facts what;
    };
    enum class part_kind : std::uint8_t { none, schema, rows };

    bool pass();
    bool over(const router::dump::item& end);
    bool take(const router::dump::item& found);
    bool command(const router::dump::item& found);
    bool enter(part_kind kind, std::uint64_t line);
    bool finish_part();
    bool run_schema();
    bool run(const statement& what);
    bool run_plain(const statement& what);
    bool run_copy(const statement& what);
    bool run_on_shards(const statement& what);
    bool read_rows(const statement& what, bool send, std::string& cut_short);
    bool begin();
    bool commit();
    bool settle();
    bool may_run() const noexcept { return to_ != nullptr && !skipping_; }
    void complain(std::uint64_t line, const std::string& what, const std::string& hint = {});
    bool fail(std::uint64_t line);
    bool stop(std::uint64_t line, const std::string& why);
    void tell_left();
    void tell_progress(const statement& what, std::uint64_t bytes);

    const config::cluster& cluster_;
    std::uint64_t most_statement_bytes_;
    std::string title_;
    dump_file& from_;
    router::dump::checker checker_;
    router::dump::splitter text_;
    std::uint64_t from_line_;
    dump_target* to_ = nullptr;
    bool checked_ = false;
    part_kind part_ = part_kind::none;
    std::uint64_t part_line_ = 0;  ///< where it begins
    std::uint64_t last_line_ = 0;  ///< the last line of what has been taken
    std::uint64_t loaded_to_ = 0;  ///< the last line of what holds
    bool skipping_ = false;        ///< the part has been loaded before
    bool open_ = false;            ///< a transaction is
    bool met_line_ = false;        ///< a part stands at or behind from_line_
    bool any_ = false;
    bool conforming_ = true;         ///< as the dump has set it
    bool unknown_ = false;           ///< whether the last COMMIT took effect
    std::vector<statement> schema_;  ///< of the part
    std::size_t mistakes_ = 0;
    load_report report_;
    std::chrono::steady_clock::time_point told_{};
};

}  // namespace ringway::proxy::cli
