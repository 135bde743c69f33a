#pragma once
// A client's side of the compressed protocol: packets of commands and answers in packets of their own. What it takes to
// compress is held only while a command is under way.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/compression.hpp"

namespace ringway::proxy::mysql {

class compressed_link {
  public:
    /// `level`: of zstd, as the client has asked for; 0: the method's own.
    compressed_link(protocol::mysql::compression method, int level) : method_(method), level_(level) {}
    /// Of the capabilities agreed on; nullopt: none.
    static std::optional<protocol::mysql::compression> method_of(protocol::mysql::capability::flags agreed) noexcept;

    /// What the client has sent, to be taken by next().
    void feed(std::string_view wire) { held_.append(wire); }
    bool waiting() const noexcept { return !held_.empty() || more_; }
    /// The next plain bytes, a few tens of KiB at most; valid until the next call. False: not compressed as was agreed.
    bool next(std::string_view& plain);
    /// As it goes to the client; valid until the next call.
    std::string_view seal(std::string_view plain);
    /// An answer begins, to what came last: both sides count their packets together.
    void answer() noexcept { sequence_ = next_; }
    /// Nothing is under way.
    void rest();

  private:
    protocol::mysql::compression method_;
    int level_;
    std::optional<protocol::mysql::decompressor> in_;
    std::optional<protocol::mysql::compressor> out_;
    std::string held_, opened_, sealed_;
    std::uint8_t sequence_ = 1, next_ = 1;
    bool more_ = false;
};

}  // namespace ringway::proxy::mysql
