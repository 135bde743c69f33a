#pragma once
// One end of the compressed protocol: packets of commands and answers in packets of their own. What it takes to
// compress is held only while a command is under way.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/compression.hpp"

namespace ringway::protocol::mysql {

class compressed_link {
  public:
    /// `level`: of zstd, as the client has asked for; 0: the method's own.
    compressed_link(compression method, int level) : method_(method), level_(level) {}
    /// Of the capabilities agreed on; nullopt: none.
    static std::optional<compression> method_of(capability::flags agreed) noexcept;

    /// What the peer has sent, to be taken by next().
    void feed(std::string_view wire) { held_.append(wire); }
    bool waiting() const noexcept { return !held_.empty() || more_; }
    /// The next plain bytes, a few tens of KiB at most; valid until the next call. False: not compressed as was agreed.
    bool next(std::string_view& plain);
    /// What next() has given, to be changed in its place.
    std::string& opened() noexcept { return opened_; }
    /// As it goes to the peer; valid until the next call.
    std::string_view seal(std::string_view plain);
    /// A command begins: both sides count their packets together, from 0.
    void command() noexcept { sequence_ = 0; }
    /// An answer begins, or goes on, to what came last.
    void answer() noexcept { sequence_ = next_; }
    /// Nothing is under way.
    void rest();

  private:
    compression method_;
    int level_;
    std::optional<decompressor> in_;
    std::optional<compressor> out_;
    std::string held_, opened_, sealed_;
    std::uint8_t sequence_ = 1, next_ = 1;
    bool more_ = false;
};

}  // namespace ringway::protocol::mysql
