#pragma once
// Reading a dump's bytes, from a file or from standard input.

#include <cstdint>
#include <string>
#include <string_view>

namespace ringway::proxy::cli {

class dump_file {
  public:
    dump_file() = default;
    dump_file(const dump_file&) = delete;
    dump_file& operator=(const dump_file&) = delete;
    ~dump_file();

    /// "-": standard input. Why not, or empty.
    std::string open(const std::string& path);
    /// The next bytes, empty at the end; valid until the next call. `failure()` tells whether it is a true end.
    std::string_view read();
    /// From the beginning again. Only where `repeatable()`.
    void rewind();
    bool repeatable() const noexcept { return repeatable_; }
    const std::string& failure() const noexcept { return failure_; }
    std::uint64_t passed() const noexcept { return passed_; }
    std::uint64_t size() const noexcept { return size_; }  ///< 0: not known
    /// At the end: whether pg_dump's first line is there and its last one is not.
    bool cut_off() const noexcept;

  private:
    int file_ = -1;
    bool repeatable_ = false;
    std::int64_t start_ = 0;
    std::uint64_t passed_ = 0, size_ = 0;
    std::string room_, tail_, failure_;
    bool headed_ = false;
};

/// Why the first bytes of a file are no plain-text dump, and what to do; empty: they may be.
std::string other_format(std::string_view first_bytes);

}  // namespace ringway::proxy::cli
