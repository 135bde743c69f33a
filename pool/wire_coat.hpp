#pragma once
// What a connection's plain bytes are put into before they go on, beneath TLS: compression.

#include <string_view>

namespace ringway::pool {

class wire_coat {
  public:
    virtual ~wire_coat() = default;
    /// What has come, to be taken by next().
    virtual void feed(std::string_view wire) = 0;
    virtual bool waiting() const noexcept = 0;
    /// The next plain bytes, maybe none; valid until the next call. False: it is not what was agreed on.
    virtual bool next(std::string_view& plain) = 0;
    /// As it is sent; valid until the next call.
    virtual std::string_view seal(std::string_view plain) = 0;
    /// What is sealed next begins a command.
    virtual void command() noexcept = 0;
    /// Nothing is under way: no memory is held.
    virtual void rest() = 0;
};

}  // namespace ringway::pool
